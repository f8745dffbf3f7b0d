"""From a command to a daemon, with a stand-in for what serves the mount."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from ossmount.control import Registration, registrations

PROGRAM = """
import logging, os, signal, sys
import click, trio
from ossmount.cli import daemon
from ossmount.config import ConfigError, load

async def run(config, *, ready):
    logging.getLogger("test").info("serving")
    {before}
    ready()
    {after}

given = {{"region": "cn-hangzhou"}} | {given}
try:
    getattr(daemon, {entry!r})(load("bucket", sys.argv[1], given=given, files=()), run)
except click.ClickException as exc:
    exc.show()
    sys.exit(exc.exit_code)
print("returned", flush=True)
"""

WAIT = "await trio.sleep_forever()"
Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def launched(place: Path, environ: Mapping[str, str]) -> Program:
    def run(*, before: str = "pass", after: str = "pass", entry: str = "launch", **given: object) -> object:
        program = PROGRAM.format(before=before, after=after, entry=entry, given=given)
        return subprocess.run(
            [sys.executable, "-c", program, str(place)],
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run  # type: ignore[return-value]


def running(environ: Mapping[str, str]) -> Registration:
    (found,) = registrations(Path(environ["OSSMOUNT_RUNTIME_DIR"]))
    return found


@contextlib.contextmanager
def ended(pid: int) -> Iterator[None]:
    """Wait, at the end of the block, for a process that is no child of ours."""
    process = os.pidfd_open(pid)
    yield
    poll = select.poll()
    poll.register(process, select.POLLIN)
    assert poll.poll(120_000)
    os.close(process)


def kill(pid: int) -> None:
    with ended(pid):
        os.kill(pid, signal.SIGKILL)


def test_who_mounts_is_told_what_is_left_of_a_mount_with_other_endpoints(launched: Program, tmp_path: Path) -> None:
    staging = tmp_path / "state" / "bucket-0123456789ab" / "staging"
    staging.mkdir(parents=True)
    assert launched().stderr == ""
    (staging / "1.journal").touch()
    result = launched()
    assert (result.returncode, "1 change is left of an earlier mount of bucket" in result.stderr) == (0, True)
    assert "1 change is left" in launched(entry="stay", foreground=True).stderr


def test_the_command_returns_when_the_mount_is_live(launched: Program, environ: Mapping[str, str], place: Path) -> None:
    log = place.parent / "a.log"

    result = launched(after=WAIT, log_file=str(log))

    assert (result.returncode, result.stdout, result.stderr) == (0, "returned\n", "")
    mount = running(environ)
    assert (mount.mountpoint, mount.source, mount.log) == (str(place), "bucket", str(log))
    assert os.getsid(mount.pid) == mount.pid
    assert os.readlink(f"/proc/{mount.pid}/cwd") == "/"
    assert {os.readlink(f"/proc/{mount.pid}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null", str(log)}
    text = log.read_text()
    assert "INFO test: serving" in text
    assert f"bucket is mounted at {place}" in text
    second = launched(after=WAIT)
    assert second.returncode == 1
    assert f"bucket is mounted already, by process {mount.pid} at {place}" in second.stderr
    kill(mount.pid)
    third = launched(after=WAIT)
    assert third.returncode == 0
    kill(running(environ).pid)


def test_a_failure_before_that_is_one_line_and_status_1(launched: Program, environ: Mapping[str, str]) -> None:
    for entry in ("launch", "stay"):
        for code, said in (
            ("raise PermissionError(13, 'Permission denied', '/dev/fuse')", "/dev/fuse: Permission denied"),
            ("raise ConfigError('no such thing')", "no such thing"),
            ("raise ExceptionGroup('several', [OSError(5, 'Input/output error')])", "Input/output error"),
            ("raise click.ClickException('as I said')", "as I said"),
        ):
            result = launched(before=code, entry=entry, foreground=entry == "stay")
            assert result.returncode == 1
            assert result.stderr.splitlines()[-1].removeprefix("Error: ").removeprefix("ossmount: ") == said
            assert "Traceback" not in result.stderr
    assert registrations(Path(environ["OSSMOUNT_RUNTIME_DIR"])) == []


def test_a_daemon_that_dies_unborn_is_told(launched: Program) -> None:
    result = launched(before="os.kill(os.getpid(), signal.SIGKILL)")
    assert result.returncode == 1
    assert "the daemon was killed by SIGKILL before the mount was live. Its log:" in result.stderr
    result = launched(before="os._exit(7)")
    assert "ended with status 7" in result.stderr


def test_a_failure_after_that_is_in_the_log(launched: Program, environ: Mapping[str, str], place: Path) -> None:
    log, leave = place.parent / "a.log", place.parent / "leave"
    os.mkfifo(leave)

    after = f"open({str(leave)!r}).read(); raise RuntimeError('out of luck')"
    assert launched(after=after, log_file=str(log), log_level="warning").returncode == 0
    with ended(running(environ).pid):
        leave.write_text("go")

    text = log.read_text()
    assert "CRITICAL" in text
    assert "the mount of bucket ended: RuntimeError: out of luck" in text


def test_in_the_foreground_it_serves_until_the_end(launched: Program, environ: Mapping[str, str]) -> None:
    result = launched(entry="stay", foreground=True)

    assert (result.returncode, result.stdout) == (0, "returned\n")
    assert "INFO test: serving" in result.stderr
    assert "bucket is mounted at" in result.stderr
    assert registrations(Path(environ["OSSMOUNT_RUNTIME_DIR"])) == []
    interrupted = launched(before="signal.raise_signal(signal.SIGINT); await trio.lowlevel.checkpoint()", entry="stay")
    assert interrupted.stderr.splitlines()[-1] == "ossmount: interrupted"


def test_a_signal_shows_where_every_thread_is(launched: Program, environ: Mapping[str, str], place: Path) -> None:
    result = launched(before="signal.raise_signal(signal.SIGUSR1)", after=WAIT)

    assert result.returncode == 0
    kill(running(environ).pid)
    (stacks,) = (place.parent / "state").glob("*/stacks.txt")
    assert "File" in stacks.read_text()
    assert stacks.parent.stat().st_mode & 0o077 == 0


def test_without_a_syslog_it_logs_in_the_state_directory(launched: Program, environ: Mapping[str, str]) -> None:
    result = launched(after=WAIT)
    mount = running(environ)
    kill(mount.pid)

    assert result.returncode == 0
    if not os.path.exists("/dev/log"):
        assert Path(mount.log).name == "ossmount.log"
        assert "serving" in Path(mount.log).read_text()


def test_systemd_is_told(launched: Program, environ: dict[str, str], tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(120)
        environ["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        assert launched(entry="stay", foreground=True).returncode == 0
        assert systemd.recv(100) == b"READY=1"
