"""The commands on a real mount, with the embedded server behind it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Program = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.fuse


@pytest.fixture
def live(program: Program, place: Path, environ: dict[str, str]) -> Iterator[Callable[..., None]]:
    """Mount at `place`, over and over if need be; whatever is left of it goes away at the end."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as exc:
        pytest.skip(f"/dev/fuse cannot be opened: {exc.strerror}")
    environ["PATH"] = os.environ["PATH"]  # this time umount is to be the real one

    def mount(*options: str) -> None:
        result = program("demo-bucket", place, "--embedded", place.parent / "data", *options)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")

    yield mount
    if os.path.ismount(place):
        program("umount", "--now", "--lazy", place)


def test_a_mount_is_live_told_of_drained_and_found_again(
    live: Callable[..., None], ossmount: Program, place: Path
) -> None:
    live()
    (place / "directory").mkdir()
    (place / "directory" / "file").write_text("content")

    (facts,) = json.loads(ossmount("status", "--json").stdout)
    assert (facts["mountpoint"], facts["source"]) == (str(place), "demo-bucket")
    twice = ossmount("demo-bucket", place, "--embedded", place.parent / "data")
    assert (twice.returncode, "is busy" in twice.stderr) == (1, True)
    flushed = ossmount("flush", place)
    assert (flushed.returncode, flushed.stderr) == (0, "")
    facts = json.loads(ossmount("status", place, "--json").stdout)
    assert (facts["pending"], facts["failed"]) == (0, [])
    ended = ossmount("umount", place)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert not os.path.ismount(place)
    assert os.listdir(place) == []

    live("-o", "ro")
    assert (place / "directory" / "file").read_text() == "content"
    with pytest.raises(OSError, match="Read-only"):
        (place / "new").touch()
    assert ossmount("umount", place).returncode == 0


def test_a_busy_mount_stays_until_it_is_let_go(live: Callable[..., None], ossmount: Program, place: Path) -> None:
    live()
    with (place / "file").open("w"):
        busy = ossmount("umount", place)
        assert (busy.returncode, "programs have files open there" in busy.stderr) == (1, True)
        assert os.path.ismount(place)
    assert ossmount("umount", place).returncode == 0


def test_what_is_left_is_carried_out_by_the_next_mount(
    live: Callable[..., None], ossmount: Program, place: Path
) -> None:
    live()
    (place / "file").write_text("not to be lost")
    assert ossmount("umount", "--now", place).returncode == 0

    live()
    assert (place / "file").read_text() == "not to be lost"
    assert ossmount("flush", place).returncode == 0
    assert json.loads(ossmount("status", place, "--json").stdout)["pending"] == 0
    assert ossmount("umount", place).returncode == 0


def test_a_bucket_that_is_not_there_is_one_line(program: Program, place: Path, oss_server: object) -> None:
    url = oss_server.url  # type: ignore[attr-defined]
    keys = {"OSSMOUNT_ACCESS_KEY_ID": "ak", "OSSMOUNT_ACCESS_KEY_SECRET": "sk"}
    asked = ("no-such-bucket", place, "--endpoint", url, "--region", "cn-hangzhou")

    result = program(*asked, **keys)
    assert result.returncode == 1
    assert "NoSuchBucket" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    wrong = program(*asked, **keys | {"OSSMOUNT_ACCESS_KEY_SECRET": "wrong"})
    assert (wrong.returncode, "SignatureDoesNotMatch" in wrong.stderr) == (1, True)
    missing = program(*asked)
    assert (missing.returncode, "no credentials found; tried" in missing.stderr) == (1, True)
    nobody = program("mount", "bucket", place, "--endpoint", "http://127.0.0.1:1", "--region", "cn-hangzhou", **keys)
    assert nobody.returncode == 1
    assert len(nobody.stderr.splitlines()) == 1
    assert not os.path.ismount(place)
