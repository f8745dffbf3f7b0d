"""What the server cannot be asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ossmount.server.threaded import ThreadedServer

Program = Callable[..., subprocess.CompletedProcess[str]]


def test_a_port_that_is_taken_is_told(ossmount: Program, oss_server: ThreadedServer, tmp_path: Path) -> None:
    where = oss_server.url.removeprefix("http://")
    said = ossmount("serve", tmp_path / "data", "--port", where.rpartition(":")[2])

    assert said.returncode == 1
    assert f"Address already in use ({where}): choose another --port" in said.stderr


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (("--port", "65536"), "0<=x<=65535"),
        (("--bucket", "Bad_Name"), "3 to 63 of a-z, 0-9 and -"),
        (("--bandwidth", "much"), "expected a size such as"),
        (("--latency", "long"), "expected a duration such as"),
        (("--faults", "{}"), "faults are a list"),
        (("--faults", "no-such-file"), "No such file"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_made(
    ossmount: Program, tmp_path: Path, option: tuple[str, str], complaint: str
) -> None:
    said = ossmount("serve", tmp_path / "data", *option)

    assert said.returncode == 2
    assert complaint in said.stderr
    assert not (tmp_path / "data").exists()
