"""A place for a mount to be at, and a program that only seems to be one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from ossmount.cli.main import cli
from ossmount.server.threaded import ThreadedServer

SEEMING_MOUNT = """
import os, signal, sys, trio
from pathlib import Path
from ossmount.control import Registration, register, serve_control

runtime, mountpoint, behaviour = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
runtime.mkdir(mode=0o700, exist_ok=True)
socket = runtime / "socket"

async def status(params, progress):
    notes = ["a", {"b": 1, "age": 63.7}, *range(30)]
    facts = {"pending": 2, "staged_bytes": 3 << 20, "failed": [], "oldest_age": None}
    return {**facts, "requests": {"PutObject": 7}, "notes": notes}

async def drain(params, progress):
    if params.get("later"):
        return {}
    if behaviour == "refusing":
        raise ValueError("not now")
    for left in (2, 1, 0):
        await progress({"pending": left, "staged_bytes": left << 20})
    if behaviour == "failing":
        return {"failed": [{"path": "a/b", "error": "AccessDenied: you may not"}]}
    return {}

async def main():
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_control, socket, {"status": status, "drain": drain, "flush": drain})
            registration = Registration(
                mountpoint=mountpoint, source="bucket:in", pid=os.getpid(), socket=str(socket), started=0.0
            )
            with register(runtime, registration):
                print("ready", flush=True)
                async for _ in signals:
                    break
            nursery.cancel_scope.cancel()

trio.run(main)
"""

# Stands where umount(8) and fusermount3(1) do: ends the seeming mount, or complains.
UNMOUNT = """#!/bin/sh
echo "$0 $*" >> {directory}/calls
if [ -e {directory}/busy ]; then echo "umount: target is busy." >&2; exit 32; fi
[ -e {directory}/pid ] && kill -TERM "$(cat {directory}/pid)"
exit 0
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    mountpoint = tmp_path / "mnt"
    mountpoint.mkdir()
    return mountpoint


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment of its own: no user's files, and unmounting done by a stand-in."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("umount", "fusermount3"):
        (programs / name).write_text(UNMOUNT.format(directory=programs))
        (programs / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OSS", "XDG", "ALIBABA"))}
    return kept | {
        "HOME": str(tmp_path),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "OSSMOUNT_RUNTIME_DIR": str(tmp_path / "run"),
        "OSSMOUNT_STATE_DIR": str(tmp_path / "state"),
    }


@pytest.fixture
def ossmount(environ: Mapping[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in this process, which is quick: for whatever does not fork."""

    def run(*args: str | Path, command: click.Command = cli, **more: str) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in args]
        with pytest.MonkeyPatch.context() as patch:
            for name in set(os.environ) - set(environ):
                patch.delenv(name)
            result = CliRunner().invoke(command, words, env={**environ, **more})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return subprocess.CompletedProcess(words, result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def program(environ: Mapping[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the real program."""

    def run(*args: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ossmount", *map(str, args)],
            env={**environ, **more},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def seeming_mount(tmp_path: Path, place: Path, environ: Mapping[str, str]) -> Iterator[Callable[[str], Path]]:
    """Start what answers like a mount, and behaves as asked; returns its mountpoint."""
    started: list[subprocess.Popen[bytes]] = []

    def start(behaviour: str) -> Path:
        command = [sys.executable, "-c", SEEMING_MOUNT, environ["OSSMOUNT_RUNTIME_DIR"], str(place), behaviour]
        with (tmp_path / "said").open("wb") as said:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        (tmp_path / "bin" / "pid").write_text(str(process.pid))
        return place

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def service(oss_server: ThreadedServer, environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which commands find the embedded server."""
    access = {"OSS_ACCESS_KEY_ID": "ak", "OSS_ACCESS_KEY_SECRET": "sk"}
    return {**environ, **access, "OSS_ENDPOINT": oss_server.url, "OSS_REGION": "cn-hangzhou"}


@pytest.fixture
def oss(oss_server: ThreadedServer, service: Mapping[str, str]) -> Callable[..., Result]:
    """Run a command in this process against the embedded server, on which there is the bucket "bucket".

    *status* is what is expected.
    """
    oss_server.store.put_bucket("bucket")

    def run(*args: str | Path, status: int = 0, stdin: bytes | None = None, **more: str) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            for name in set(os.environ) - set(service):
                patch.delenv(name)
            result = CliRunner().invoke(cli, [str(word) for word in args], input=stdin, env={**service, **more})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == status, result.output
        return result

    return run
