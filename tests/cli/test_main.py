"""What a person types, and what comes back."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ossmount import __version__
from ossmount.cli.main import commands, mount_command_of_fstab

Program = Callable[..., subprocess.CompletedProcess[str]]


def test_help_and_version_are_said(ossmount: Program, program: Program) -> None:
    assert program("--version").stdout == f"ossmount {__version__}\n"
    shown = ossmount("-h")
    assert shown.returncode == 0
    for name in ("BUCKET[:PREFIX] MOUNTPOINT", "mount", "umount", "flush", "status", "serve", "object", "whoami"):
        assert name in shown.stdout
    assert "--commit background|close" in ossmount("mount", "--help").stdout


def test_every_command_explains_itself() -> None:
    names = dict(commands())

    assert list(names)[:5] == ["mount", "umount", "flush", "status", "serve"]
    assert set(list(names)[5:]) == {"object", "bucket", "image", "sts", "whoami", "regions"}
    for name, command in names.items():
        assert command.help, name


def test_what_names_no_command_is_a_bucket_to_mount(ossmount: Program, tmp_path: Path) -> None:
    for args in (["a-bucket"], ["-f", "bucket"], ["mount", "bucket"]):
        result = ossmount(*args, "--region", "x", tmp_path / "absent")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == (
            f"ossmount: there is no directory {tmp_path}/absent. Make it: mkdir -p {tmp_path}/absent\n"
        )


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["a-bucket", "mnt"], "which service?"),
        (["Bad_Name", "mnt", "--region", "x"], "no bucket name"),
        (["a-bucket", "--region", "x"], "no mountpoint"),
        (["a-bucket", "mnt", "-o", "memry=1"], "did you mean memory"),
        (["a-bucket", "mnt", "--endpoint", "ftp://x"], "not an endpoint"),
        (["a-bucket", "mnt", "--endpoint", "localhost", "--internal"], "no internal address"),
        (["a-bucket", "mnt", "--memory", "lots"], "option memory on the command line: cannot use 'lots'"),
        (["a-bucket", "mnt", "--frobnicate"], "No such option"),
        (["umount"], "Missing argument"),
    ],
)
def test_wrong_usage_is_status_2(ossmount: Program, args: list[str], complaint: str) -> None:
    result = ossmount(*args)

    assert result.returncode == 2
    assert complaint in result.stderr


def test_the_helper_of_mount_understands_fstab(ossmount: Program, place: Path, tmp_path: Path) -> None:
    options = "rw,_netdev,nofail,x-systemd.automount,region=cn-hangzhou,allow_other"

    # A region that is not asked: -f stops after the checks.
    assert ossmount("bucket", place, "-f", "-n", "-v", "-o", options, command=mount_command_of_fstab).returncode == 0
    assert ossmount("bucket", place, "-f", "-o", options + ",memry", command=mount_command_of_fstab).returncode == 2
    assert ossmount("bucket", place, "-sf", "-o", options + ",memry", command=mount_command_of_fstab).returncode == 0
    refused = ossmount("bucket", place, "-N", "net", "-o", options, command=mount_command_of_fstab)
    assert (refused.returncode, "nsenter" in refused.stderr) == (1, True)


def test_a_command_that_is_misspelt_is_no_bucket(ossmount: Program, tmp_path: Path) -> None:
    result = ossmount("boject", "ls")
    assert result.returncode == 2
    assert "Did you mean 'object'?" in result.stderr
    # One that is called like a command, and a directory, are meant as they are said.
    assert "there is no directory" in ossmount("boject", "--region", "x", tmp_path / "ls").stderr


@pytest.mark.parametrize(("typed", "meant"), [("unmount", "umount"), ("whoamy", "whoami"), ("stats", "status")])
def test_a_mount_that_fails_may_be_a_command_that_is_misspelt(
    ossmount: Program, tmp_path: Path, typed: str, meant: str
) -> None:
    for more in ([], [tmp_path / "absent"], [tmp_path / "absent", "--region", "x"]):
        said = ossmount(typed, *more)
        assert said.returncode != 0
        assert said.stderr.endswith(f".  Did you mean `ossmount {meant}`?\n")
    assert "Did you mean" not in ossmount("my-bucket", tmp_path / "absent").stderr


@pytest.mark.parametrize(
    ("group", "typed", "meant"),
    [
        ("object", "cat", "get"),
        ("object", "upload", "put"),
        ("object", "lss", "ls"),
        ("object", "stat", "head"),
        ("bucket", "mb", "create"),
        ("image", "stile", "style"),
    ],
)
def test_what_other_tools_call_otherwise_is_told_as_it_is_called_here(
    ossmount: Program, group: str, typed: str, meant: str
) -> None:
    said = ossmount(group, typed, "x")
    assert said.returncode == 2
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in said.stderr
