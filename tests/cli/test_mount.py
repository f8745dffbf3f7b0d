"""What is found out before anything is mounted."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ossmount.cli.console import Failure
from ossmount.cli.mount import check_fuse, check_mountpoint, fuse_mounts
from ossmount.config import Config, load
from ossmount.control import Registration, register

NOTHING = Path("/dev/null")


def config(place: Path, **given: Any) -> Config:
    run = {"runtime_dir": str(place.parent / "run")}
    return load("bucket", place, given={"region": "cn-hangzhou"} | run | given, environ={}, files=())


def test_an_empty_directory_will_do(place: Path) -> None:
    check_mountpoint(config(place), NOTHING)


def test_what_is_no_empty_directory_is_refused(place: Path) -> None:
    file = place / "file"
    file.touch()

    for where, complaint in ((file, "not a directory"), (file / "below", "Not a directory"), (place / "x", "mkdir -p")):
        with pytest.raises(Failure, match=complaint):
            check_mountpoint(config(where), NOTHING)
    with pytest.raises(Failure, match="is not empty"):
        check_mountpoint(config(place), NOTHING)
    check_mountpoint(config(place, nonempty=True), NOTHING)


def test_a_mountpoint_in_use_is_refused_and_its_mount_named(place: Path) -> None:
    mountinfo = place.parent / "mountinfo"
    mountinfo.write_text(f"36 35 0:32 / {place} rw,nosuid - fuse.ossmount bucket rw\n")

    with pytest.raises(Failure, match=r"is busy: .*\(fuse.ossmount\)"):
        check_mountpoint(config(place), mountinfo)
    mine = Registration(mountpoint=str(place), source="bucket:in", pid=1, socket="", started=0.0)
    with register(place.parent / "run", mine), pytest.raises(Failure, match=r"by ossmount \(bucket:in\)"):
        check_mountpoint(config(place), mountinfo)


def test_a_mount_whose_daemon_died_is_told_apart(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(_path: object) -> object:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    monkeypatch.setattr(os, "scandir", dead)
    with pytest.raises(Failure, match="daemon has died"):
        check_mountpoint(config(place), NOTHING)


def test_a_directory_of_somebody_else_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Failure, match="not yours"):
        check_mountpoint(config(place), NOTHING)


def test_mounts_are_read_with_their_blanks(tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_bytes(
        "1 2 0:3 / / rw - ext4 /dev/sda rw\n"
        "2 2 0:4 / /sys/fs/fuse/connections rw - fusectl fusectl rw\n"
        "3 2 0:5 / /mnt/a\\040b\\134ü rw shared:1 - fuse.ossmount bucket rw\n"
        "4 2 0:6 / /mnt/c rw - fuse other rw\n".encode()
    )

    assert fuse_mounts(mountinfo) == {"/mnt/a b\\ü": "fuse.ossmount", "/mnt/c": "fuse"}


def test_a_kernel_without_fuse_is_named(place: Path) -> None:
    with pytest.raises(Failure, match="modprobe fuse"):
        check_fuse(config(place), place / "fuse")
    with pytest.raises(Failure, match=f"cannot open {place}"):
        check_fuse(config(place), place)


def test_a_user_needs_fusermount_and_leave_to_let_others_in(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device, conf = place / "device", place / "fuse.conf"
    device.touch()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")

    check_fuse(config(place), device, conf)
    for content in (None, "# user_allow_other\n"):
        if content:
            conf.write_text(content)
        with pytest.raises(Failure, match="user_allow_other"):
            check_fuse(config(place, allow_other=True), device, conf)
    conf.write_text("mount_max = 10\n user_allow_other \n")
    check_fuse(config(place, allow_other=True), device, conf)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(Failure, match="package fuse3"):
        check_fuse(config(place), device, conf)
