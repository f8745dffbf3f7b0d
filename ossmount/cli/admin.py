"""`ossmount umount` and `ossmount flush`: see everything into the bucket, and let go."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..config import ConfigError, runtime_dir
from ..control import ControlError, NotRunning, Registration, find, forget
from .console import Failure, Interrupted, WrongUsage, amount, err
from .mount import fuse_mounts

runtime_option = click.option(
    "--runtime-dir", "runtime", metavar="DIR", help="Where running mounts are registered, if the mount was told."
)


def runtime_of(named: str | None) -> Path:
    """The runtime directory: as *named* on the command line, or as the environment and the user have it."""
    try:
        return Path(os.path.abspath(named)) if named else runtime_dir()
    except (ConfigError, ValueError) as exc:
        raise WrongUsage(str(exc)) from None


@click.command()
@click.argument("mountpoint", metavar="MOUNTPOINT")
@runtime_option
def flush(mountpoint: str, runtime: str | None) -> None:
    """Wait until every change made so far is complete in OSS."""
    try:
        mount = find(runtime_of(runtime), mountpoint)
        with _progress("flushing") as report:
            result = mount.call("flush", on_progress=report)
    except ControlError as exc:
        raise Failure(str(exc)) from None
    except KeyboardInterrupt:
        raise Interrupted("the changes go on being carried out in the background") from None
    _complain(result)
    click.echo(f"{mountpoint}: every change is in OSS")


@click.command()
@click.argument("mountpoint", metavar="MOUNTPOINT")
@click.option("-l", "--lazy", is_flag=True, help="Detach at once, even if programs still have files open there.")
@click.option(
    "--now", is_flag=True, help="Do not wait: pending changes stay in the state directory for the next mount."
)
@runtime_option
def umount(mountpoint: str, lazy: bool, now: bool, runtime: str | None) -> None:
    """Unmount, once every change is complete in OSS."""
    directory = runtime_of(runtime)
    try:
        mount = find(directory, mountpoint)
        # Opened before anything ends, so that it cannot mean another process of the same number.
        process = _open_process(mount.pid)
    except NotRunning:
        _free(mountpoint, lazy)
        return
    if process is None:
        _free(mount.mountpoint, lazy=True)
        forget(directory, mount)
        return
    try:
        _drain(mount, now)
        _unmount(mount.mountpoint, lazy)
        with err.status(f"{mountpoint}: ending") if err.is_terminal else contextlib.nullcontext():
            _wait_for_the_end(process)
    except NotRunning:  # it ended by itself in the meantime
        _free(mount.mountpoint, lazy)
    except ControlError as exc:
        raise Failure(
            f"{mountpoint} stays mounted: {exc}. To leave pending changes for the next mount, use --now"
        ) from None
    except KeyboardInterrupt:
        raise Interrupted(f"see `ossmount status {mountpoint}` for what is left to do") from None
    finally:
        os.close(process)


def _drain(mount: Registration, now: bool) -> None:
    if now:
        mount.call("drain", {"later": True})
        return
    with _progress("uploading") as report:
        _complain(mount.call("drain", on_progress=report), "still mounted. To keep these for the next mount, use --now")


def _complain(result: Mapping[str, Any], consequence: str = "") -> None:
    """Fail when some changes cannot be carried out: `failed` lists them with their reasons."""
    failed = result.get("failed") or []
    if not failed:
        return
    for one in failed:
        line = f"{one.get('path', '?')}: {one.get('error', 'failed')}" if isinstance(one, Mapping) else str(one)
        click.echo(f"  {line}", err=True)
    text = "1 change" if len(failed) == 1 else f"{len(failed)} changes"
    raise Failure(f"{text} could not be carried out" + (f"; {consequence}" if consequence else ""))


def _open_process(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _wait_for_the_end(process: int) -> None:
    poll = select.poll()
    poll.register(process, select.POLLIN)  # pidfd_open(2): readable once the process has ended
    poll.poll()


def _free(mountpoint: str, lazy: bool) -> None:
    """Unmount what no daemon of ours is behind: its daemon died, or it is another user's or program's."""
    place = os.path.abspath(mountpoint)
    mounts = fuse_mounts()
    if place not in mounts:
        place = os.path.realpath(place)
    if place not in mounts:
        raise Failure(f"nothing is mounted at {mountpoint}")
    if "ossmount" not in mounts[place]:
        raise Failure(f"{mountpoint} is no ossmount but {mounts[place]}: use umount or fusermount3 -u")
    _unmount(place, lazy)


def _unmount(place: str, lazy: bool) -> None:
    if os.geteuid() == 0 and shutil.which("umount"):
        command = ["umount", *(["-l"] if lazy else []), place]
    else:
        command = ["fusermount3", "-u", *(["-z"] if lazy else []), place]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Failure(f"{command[0]} is missing. Install the package fuse3") from None
    if done.returncode == 0 or place not in fuse_mounts():
        return
    complaint = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
    if "busy" in complaint[0].lower():
        raise Failure(f"{place} is busy: programs have files open there (fuser -vm {place} shows them). Or use --lazy")
    raise Failure(f"{place} could not be unmounted: {complaint[0].removeprefix(command[0] + ': ')}")


@contextlib.contextmanager
def _progress(verb: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A bar of the bytes that are left, fed with `{pending, staged_bytes}`; nothing where nobody watches."""
    if not err.is_terminal:
        yield lambda facts: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(verb, total=None, left="")
        most = 0

        def report(facts: Mapping[str, Any]) -> None:
            nonlocal most
            changes, size = int(facts.get("pending", 0)), int(facts.get("staged_bytes", 0))
            # Small changes have no bytes but take a request each: count one as what a request could have carried.
            weight = size + changes * 65536
            most = max(most, weight)
            left = f"{changes} changes, {amount(size)} left"
            if down := facts.get("down"):
                left += f", waiting for {', '.join(down)}"
            bar.update(task, total=most or 1, completed=most - weight, left=escape(left))

        yield report
