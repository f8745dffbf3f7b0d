"""How a command talks to a running mount.

Each mount listens on a unix socket in its state directory.  A request is one line of JSON, `{"method": ..., "params":
{...}}`; the answer is any number of lines `{"progress": {...}}` and one last line `{"result": {...}}` or `{"error":
"text"}`.  A client that goes away cancels what it asked for.  Only the mount's own user and root are listened to, which
the kernel vouches for (SO_PEERCRED, unix(7)).

A command knows a mountpoint, not a socket: so each mount registers itself in the runtime directory, in a file named
after the mountpoint's real path.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import trio

log = logging.getLogger(__name__)

__all__ = [
    "ControlError",
    "Handler",
    "NotRunning",
    "Progress",
    "Registration",
    "call",
    "find",
    "forget",
    "is_served",
    "register",
    "registrations",
    "serve_control",
]

Progress = Callable[[Mapping[str, Any]], Awaitable[None]]
Handler = Callable[[Mapping[str, Any], Progress], Awaitable[Mapping[str, Any]]]

_LONGEST_LINE = 1 << 20
_LONGEST_ADDRESS = 100  # unix(7): sun_path has 108 bytes on Linux, and less elsewhere


class ControlError(Exception):
    """The mount answered that it could not do what it was asked; the text is its reason."""


class NotRunning(ControlError):
    """Nobody serves that mountpoint or socket."""


# The mount's side


async def serve_control(
    path: Path,
    handlers: Mapping[str, Handler],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Answer requests on a socket at *path* until cancelled; then remove it.

    A handler gets the request's params and a function to report progress with; what it returns is the result, and what
    it raises is told to the client and logged.  The caller owns *path*: a socket that a crash left there is replaced.
    """
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with _address(path) as address:
        await listening.bind(address)
    try:
        os.chmod(path, 0o600)
        listening.listen(16)

        async def answer_client(stream: trio.SocketStream) -> None:
            try:
                await _answer_client(stream, handlers)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                log.debug("a client of %s went away", path)
            except Exception:
                log.exception("a client of %s could not be answered", path)

        task_status.started()
        await trio.serve_listeners(answer_client, [trio.SocketListener(listening)])
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


async def _answer_client(stream: trio.SocketStream, handlers: Mapping[str, Handler]) -> None:
    peer = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, _gid = struct.unpack("3i", peer)
    if uid not in (0, os.geteuid()):
        log.warning("refused a control request of user %d", uid)
        await _send(stream, {"error": "this mount belongs to another user"})
        return
    received = b""
    while True:
        line, newline, received = received.partition(b"\n")
        if newline:
            await _answer_request(stream, line, handlers)
            continue
        chunk = await stream.receive_some()
        received = line + chunk
        if not chunk:
            return
        if len(received) > _LONGEST_LINE:
            await _send(stream, {"error": "that request is too long"})
            return


async def _answer_request(stream: trio.SocketStream, line: bytes, handlers: Mapping[str, Handler]) -> None:
    try:
        request = json.loads(line)
        method, params = request["method"], request.get("params", {})
        handler = handlers[method]
    except (ValueError, TypeError, AttributeError):
        await _send(stream, {"error": "that is no request"})
        return
    except KeyError as exc:
        await _send(stream, {"error": f"unknown method {exc.args[0]}"})
        return

    async def progress(facts: Mapping[str, Any]) -> None:
        await _send(stream, {"progress": facts})

    async def watch() -> None:
        # A client sends nothing while it waits, so the stream turning readable means that it is gone.
        await stream.socket.recv(1, socket.MSG_PEEK)
        scope.cancel()

    answer: dict[str, Any] | None = None
    with trio.CancelScope() as scope:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch)
                answer = {"result": await handler(params, progress)}
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError, ConnectionError):
            scope.cancel()
        except* Exception as group:
            log.warning("control method %s failed", method, exc_info=True)
            answer = {"error": "; ".join(_reason(exc) for exc in _leaves(group))}
    if answer is None:
        raise trio.BrokenResourceError("the client went away")
    await _send(stream, answer)


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for exc in group.exceptions:
        if isinstance(exc, BaseExceptionGroup):
            yield from _leaves(exc)
        else:
            yield exc


def _reason(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__


async def _send(stream: trio.SocketStream, message: Mapping[str, Any]) -> None:
    await stream.send_all(json.dumps(message).encode() + b"\n")


# The command's side


def call(
    path: Path,
    method: str,
    params: Mapping[str, Any] | None = None,
    on_progress: Callable[[Mapping[str, Any]], None] | None = None,
    *,
    timeout: float | None = None,
) -> dict[str, Any]:
    """Ask the mount that listens on *path*, and wait for its answer.

    *timeout* bounds the wait for each line, in seconds.  Raises NotRunning when nobody listens, ControlError when the
    mount refuses or goes away, TimeoutError.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            with _address(path) as address:
                connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunning(f"nobody listens on {path}") from None
        with contextlib.suppress(ConnectionError):  # a refusal may already wait to be read
            connection.sendall(json.dumps({"method": method, "params": params or {}}).encode() + b"\n")
        with connection.makefile("rb") as lines:
            try:
                for line in lines:
                    message = json.loads(line)
                    if "error" in message:
                        raise ControlError(message["error"])
                    if "result" in message:
                        return dict(message["result"])
                    if on_progress is not None:
                        on_progress(message["progress"])
            except (ConnectionError, json.JSONDecodeError):
                pass
    raise ControlError("the mount ended before it answered")


def is_served(path: Path) -> bool:
    """Return whether a mount listens on *path*."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            with _address(path) as address:
                connection.connect(address)
        except TimeoutError:
            return True
        except OSError:
            return False
        return True


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """What to give to bind() or connect() for *path*, however long that is."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


# Which mount is where


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A mount that runs, or ran when it crashed."""

    mountpoint: str  # its real path
    source: str  # BUCKET[:PREFIX]
    pid: int
    socket: str  # where it listens
    started: float  # unix seconds
    log: str = ""  # where it logs, for a person

    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        on_progress: Callable[[Mapping[str, Any]], None] | None = None,
        *,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Ask this mount; see `call`."""
        return call(Path(self.socket), method, params, on_progress, timeout=timeout)


@contextlib.contextmanager
def register(runtime: Path, registration: Registration) -> Iterator[None]:
    """Make the mount known in the directory *runtime* while the block runs.

    Raises ControlError when that directory is not private to this user, since a command trusts what it finds there.
    """
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = runtime.stat()
    if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o022:
        raise ControlError(f"{runtime} must belong to this user, and nobody else may write there")
    path = _entry(runtime, registration.mountpoint)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(asdict(registration)))
    draft.replace(path)
    try:
        yield
    finally:
        if (now := _read(path)) is not None and now.pid == registration.pid:
            path.unlink(missing_ok=True)


def find(runtime: Path, mountpoint: str | os.PathLike[str]) -> Registration:
    """The mount at *mountpoint*.  Raises NotRunning."""
    place = os.path.abspath(mountpoint)
    # The real path asks the filesystem, which may hang or be dead: so it is looked for only when the name is another.
    found = _read(_entry(runtime, place)) or _read(_entry(runtime, os.path.realpath(place)))
    if found is None:
        raise NotRunning(f"no ossmount of this user is running at {place}")
    return found


def forget(runtime: Path, registration: Registration) -> None:
    """Remove what a mount that crashed left behind."""
    _entry(runtime, registration.mountpoint).unlink(missing_ok=True)


def registrations(runtime: Path) -> list[Registration]:
    """All mounts registered in *runtime*, by mountpoint."""
    try:
        entries = [_read(path) for path in runtime.glob("*.json")]
    except OSError:
        return []
    return sorted((entry for entry in entries if entry is not None), key=lambda entry: entry.mountpoint)


def _entry(runtime: Path, mountpoint: str) -> Path:
    return runtime / (hashlib.sha256(os.fsencode(mountpoint)).hexdigest()[:32] + ".json")


def _read(path: Path) -> Registration | None:
    try:
        return Registration(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
