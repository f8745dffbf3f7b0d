"""How a mount becomes a process of its own.

The fork comes before trio, threads or sockets exist.  The parent waits on a pipe until the child says that the mount is
live, or why it is not; so `ossmount` in a script or in fstab returns when files can be used, with a status that tells.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import json
import logging
import os
import signal
import socket
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

import click

from ..config import ConfigError
from ..control import ControlError, Registration, register
from . import leftovers, logs
from .console import Failure, Interrupted
from .embedded import embedded_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from ..config import Config

log = logging.getLogger(__name__)


class Run(Protocol):
    """What serves a mount: calls *ready* when files can be used, and returns when all is unmounted and drained."""

    def __call__(self, config: Config, *, ready: Callable[[], None]) -> Awaitable[None]:
        """Serve the mount."""


def stay(config: Config, run: Run | None = None) -> None:
    """Serve the mount in this process.  Raises Failure."""

    def ready() -> None:
        log.info("%s is mounted at %s", config.source, config.mountpoint)
        notify_systemd("READY=1")

    try:
        _serve(config, ready, run)
    except click.ClickException:
        raise
    except KeyboardInterrupt:
        raise Interrupted from None
    except Exception as exc:
        raise Failure(_note(exc)) from None


def launch(config: Config, run: Run | None = None) -> None:
    """Serve the mount in a child; return when it is live.  Raises Failure when it does not come to life."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        status = 1
        try:
            status = _live(config, writer, run)
        finally:
            logging.shutdown()
            os._exit(status)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as lines:
            news = lines.read()
    except KeyboardInterrupt:
        os.kill(child, signal.SIGTERM)
        raise Interrupted("the mount is being taken back") from None
    if not news:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        raise Failure(f"the daemon {how} before the mount was live. Its log: {logs.destination(config)}")
    if (failure := json.loads(news).get("failure")) is not None:
        os.waitpid(child, 0)
        raise Failure(failure)
    for leftover in _leftovers(config):
        click.echo(f"ossmount: {leftover}", err=True)


def _live(config: Config, writer: int, run: Run | None) -> int:
    """The child's life; returns its exit status."""
    told = False

    def tell(news: dict[str, str]) -> None:
        nonlocal told
        if not told:
            told = True
            with contextlib.suppress(BrokenPipeError):  # whoever started us has gone; that is no reason to stop
                os.write(writer, json.dumps(news).encode())
            os.close(writer)

    def ready() -> None:
        log.info("%s is mounted at %s", config.source, config.mountpoint)
        _detach_output(config)
        tell({})

    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    try:
        _serve(config, ready, run)
    except click.ClickException as exc:
        tell({"failure": exc.format_message()})
        return 1
    except BaseException as exc:
        if told:
            log.critical("the mount of %s ended: %s", config.source, reason(exc), exc_info=True)
        else:
            tell({"failure": _note(exc)})
        return 1
    tell({"failure": "the mount ended as soon as it had begun"})
    return 0


def _serve(config: Config, ready: Callable[[], None], run: Run | None) -> None:
    import trio

    logs.configure(config)
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if run is None:
        from ..mount import run as run_mount

        run = run_mount
    with contextlib.ExitStack() as cleanup:
        cleanup.enter_context(_claim(config))
        leftovers.note_origin(config)
        for leftover in _leftovers(config):
            log.warning("%s", leftover)
        cleanup.enter_context(_registered(config))
        if config.foreground:
            stacks = sys.stderr
        else:
            stacks = cleanup.enter_context(open(config.state / "stacks.txt", "a"))
        faulthandler.register(signal.SIGUSR1, file=stacks, all_threads=True)
        cleanup.callback(faulthandler.unregister, signal.SIGUSR1)
        config = cleanup.enter_context(embedded_server(config))
        trio.run(partial(run, config, ready=ready))


def _leftovers(config: Config) -> list[leftovers.Leftover]:
    """What earlier mounts of the same bucket have left that this one does not see to."""
    return leftovers.find(config.state.parent, config.bucket, apart_from=config.state)


@contextlib.contextmanager
def _claim(config: Config) -> Iterator[None]:
    """Hold the state directory: two mounts would carry out each other's changes."""
    with open(config.state / "lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise Failure(
                f"{config.source} is mounted already, by {holder}. A second mount needs a --state-dir of its own"
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} at {config.mountpoint}\n")
        lock.flush()
        yield


def _registered(config: Config) -> contextlib.AbstractContextManager[None]:
    registration = Registration(
        mountpoint=os.path.realpath(config.mountpoint),
        source=config.source,
        pid=os.getpid(),
        socket=str(config.control),
        started=time.time(),
        log=logs.destination(config),
    )
    assert config.runtime_dir is not None
    return register(config.runtime_dir, registration)


def _detach_output(config: Config) -> None:
    """Let go of the terminal: what is still printed goes to the log file if there is one."""
    where = logs.destination(config)
    target = os.devnull if where == "syslog" else where
    fd = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def notify_systemd(state: str) -> None:
    """Tell systemd, when it started us with Type=notify (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def _note(exc: BaseException) -> str:
    """Give the reason why no mount came of it, and log the rest where that helps: for a mistake of ours."""
    from ..fs.errors import blamed, is_unforeseen

    explained = isinstance(blamed(exc), ConfigError | ControlError) or not is_unforeseen(exc)
    log.log(logging.DEBUG if explained else logging.ERROR, "the mount failed", exc_info=exc)
    return reason(exc)


def reason(exc: BaseException) -> str:
    """One line on *exc* for a person: what went wrong, with what, and what to do."""
    from ..fs.errors import blamed, explain

    cause = blamed(exc)
    if isinstance(cause, ConfigError | ControlError):
        return str(cause)
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.filename}: {cause.strerror}" if cause.filename else cause.strerror
    return explain(exc)
