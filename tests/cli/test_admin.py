"""Unmounting and flushing, with a stand-in for the mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ossmount.cli import admin
from ossmount.cli.console import Failure
from ossmount.control import Registration, find, register, registrations

Program = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[[str], Path]


def calls(place: Path) -> list[str]:
    file = place.parent / "bin" / "calls"
    return [line.partition(" ")[2] for line in file.read_text().splitlines()] if file.exists() else []


def test_umount_drains_unmounts_and_waits_for_the_end(ossmount: Program, seeming_mount: Start, tmp_path: Path) -> None:
    place = seeming_mount("willing")
    pid = find(tmp_path / "run", place).pid

    result = ossmount("umount", place)

    assert (result.returncode, result.stderr) == (0, "")
    assert calls(place)[0].endswith(str(place))
    assert registrations(tmp_path / "run") == []
    assert Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"  # it ended; its parent, this test, has yet to look


def test_umount_now_leaves_what_is_pending(ossmount: Program, seeming_mount: Start) -> None:
    place = seeming_mount("failing")

    assert ossmount("umount", "--now", place).returncode == 0
    assert len(calls(place)) == 1


def test_what_failed_keeps_the_mount(ossmount: Program, seeming_mount: Start) -> None:
    place = seeming_mount("failing")

    result = ossmount("umount", place)

    assert result.returncode == 1
    assert "a/b: AccessDenied: you may not" in result.stderr
    assert "1 change could not be carried out; still mounted" in result.stderr
    assert calls(place) == []
    flushed = ossmount("flush", place)
    assert (flushed.returncode, "a/b: AccessDenied" in flushed.stderr) == (1, True)


def test_a_refusal_keeps_the_mount(ossmount: Program, seeming_mount: Start) -> None:
    place = seeming_mount("refusing")

    result = ossmount("umount", place)

    assert result.returncode == 1
    assert "stays mounted: not now" in result.stderr
    assert "not now" in ossmount("flush", place).stderr


def test_a_busy_mount_is_explained_and_lazy_is_passed_on(ossmount: Program, seeming_mount: Start) -> None:
    place = seeming_mount("willing")
    (place.parent / "bin" / "busy").touch()
    elsewhere = {"OSSMOUNT_RUNTIME_DIR": "/nowhere"}

    # The stand-in is no mount of the kernel's, so a complaint of umount about it does not matter.
    assert ossmount("flush", place).stdout == f"{place}: every change is in OSS\n"
    assert "no ossmount of this user" in ossmount("flush", place, **elsewhere).stderr
    (place.parent / "bin" / "busy").unlink()
    assert ossmount("umount", "-l", place, "--runtime-dir", place.parent / "run", **elsewhere).returncode == 0
    assert calls(place)[-1].split()[:-1] == (["-l"] if os.geteuid() == 0 else ["-u", "-z"])


def test_nothing_there_is_said(ossmount: Program, place: Path) -> None:
    result = ossmount("umount", place)

    assert (result.returncode, result.stderr) == (1, f"ossmount: nothing is mounted at {place}\n")


def test_what_a_dead_daemon_left_is_cleaned_up(
    ossmount: Program, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, bool]] = []
    process = subprocess.Popen(["true"])
    process.wait()
    dead = Registration(mountpoint=str(place), source="bucket", pid=process.pid, socket="/nowhere", started=0.0)
    monkeypatch.setattr(admin, "fuse_mounts", lambda: {str(place): "fuse.ossmount", "/other": "fuse.sshfs"})
    monkeypatch.setattr(admin, "_unmount", lambda place, lazy: done.append((place, lazy)))

    with register(tmp_path / "run", dead):
        admin.umount.main([str(place), "--runtime-dir", str(tmp_path / "run")], standalone_mode=False)
        assert done == [(str(place), True)]
        assert registrations(tmp_path / "run") == []
    admin.umount.main([str(place), "--runtime-dir", str(tmp_path / "run")], standalone_mode=False)
    assert done[1:] == [(str(place), False)]
    with pytest.raises(Failure, match=r"is no ossmount but fuse\.sshfs"):
        admin.umount.main(["/other", "--runtime-dir", str(tmp_path / "run")], standalone_mode=False)


@pytest.mark.parametrize(
    ("complaint", "said"),
    [("target is busy.", "programs have files open"), ("not permitted", "could not be unmounted: not permitted")],
)
def test_a_complaint_of_umount_is_passed_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, complaint: str, said: str
) -> None:
    program = place.parent / "bin" / "umount"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho 'umount: {complaint}' >&2\nexit 32\n")
    program.chmod(0o755)
    (program.parent / "fusermount3").symlink_to(program)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(admin, "fuse_mounts", lambda: {str(place): "fuse.ossmount"})

    with pytest.raises(Failure, match=said):
        admin._unmount(str(place), lazy=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Failure, match="package fuse3"):
        admin._unmount(str(place), lazy=False)


def test_the_bar_counts_down_what_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    monkeypatch.setattr(admin, "err", Console(force_terminal=True, stderr=True, width=100))
    with admin._progress("uploading") as report:
        report({"pending": 3, "staged_bytes": 3 << 20})
        report({"pending": 1, "staged_bytes": 1 << 20})
    assert "1 changes, 1.0 MiB left" in capsys.readouterr().err
