"""What `ossmount status` shows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from ossmount.control import Registration, register

Program = Callable[..., subprocess.CompletedProcess[str]]


def test_all_mounts_are_listed(ossmount: Program, seeming_mount: Callable[[str], Path]) -> None:
    assert ossmount("status").stdout == "no ossmount of this user is running\n"
    assert ossmount("status", "--json").stdout == "[]\n"
    place = seeming_mount("willing")

    shown = ossmount("status").stdout.splitlines()
    assert shown[0].split() == ["MOUNTPOINT", "BUCKET", "PID", "UP", "PENDING", "STAGED", "STATE"]
    assert shown[1].split()[:2] == [str(place), "bucket:in"]
    assert shown[1].split()[-4:] == ["2", "3.0", "MiB", "ok"]
    (facts,) = json.loads(ossmount("status", "--json").stdout)
    assert (facts["mountpoint"], facts["staged_bytes"], facts["requests"]) == (str(place), 3 << 20, {"PutObject": 7})


def test_one_mount_is_shown_in_detail(ossmount: Program, seeming_mount: Callable[[str], Path]) -> None:
    place = seeming_mount("willing")

    lines = [" ".join(line.split()) for line in ossmount("status", place).stdout.splitlines()]
    assert {
        "source bucket:in",
        "pending 2",
        "staged bytes 3.0 MiB",
        "PutObject 7",
        "notes 32",
        "b 1, age 1m 3s",
        "oldest age -",
        "... and 12 more; --json has them",
    } <= set(lines)
    assert json.loads(ossmount("status", place, "--json").stdout)["pending"] == 2


def test_a_mount_that_died_is_told(ossmount: Program, place: Path, tmp_path: Path) -> None:
    dead = Registration(mountpoint=str(place), source="bucket", pid=1, socket="/nowhere", started=0.0)

    with register(tmp_path / "run", dead):
        assert "daemon has died" in ossmount("status").stdout
        result = ossmount("status", place)
    assert (result.returncode, "daemon has died" in result.stderr) == (1, True)
    assert "no ossmount of this user is running at" in ossmount("status", place).stderr
