"""The list of regions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

Program = Callable[..., subprocess.CompletedProcess[str]]


def test_regions_are_listed_with_their_endpoints(ossmount: Program) -> None:
    shown = ossmount("regions").stdout
    [line] = [line for line in shown.splitlines() if line.startswith("cn-hangzhou ")]
    assert line.split()[1:] == [
        "Hangzhou,",
        "China",
        "oss-cn-hangzhou.aliyuncs.com",
        "oss-cn-hangzhou-internal.aliyuncs.com",
    ]
    said = json.loads(ossmount("regions", "--json").stdout)
    assert said[0]["internal_endpoint"] == "oss-cn-hangzhou-internal.aliyuncs.com"
