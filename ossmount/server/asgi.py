"""The server as a process: sockets, uvicorn with httptools and uvloop, signals, and what applications cannot see.

uvicorn's protocol is extended where ASGI has no words: every connection has its own bandwidth each way, and can be
closed or reset in the middle of an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from .app import CONNECTION, App, AppOptions, create_app
from .faults import Fault, Plan
from .pacing import Lane
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

# An idle connection is kept this long, in seconds; OSS keeps them for about a minute.
KEEP_ALIVE = 75
# Requests under way at the end may take this long, in seconds, to finish.
GRACE = 5.0
BACKLOG = 1024
_RECEIVED = 256 * 1024  # bytes

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions(AppOptions):
    """How to run a server on *directory*.

    It listens on *host* and *port* (0: any free one), or on the unix socket *uds*.  *bandwidth* is in bytes a second
    for each connection and direction (0: no limit).  *buckets* are made at the start if absent.  With *die_with_parent*
    the process ends when the one that started it does.
    """

    directory: Path
    host: str = "127.0.0.1"
    port: int = 9000
    uds: Path | None = None
    bandwidth: float = 0.0
    buckets: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = field(default=())
    die_with_parent: bool = False


class PacedProtocol(HttpToolsProtocol):
    """A connection that has a lane each way and can be ended by the application."""

    bandwidth = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.incoming = Lane(self.bandwidth)
        self.outgoing = Lane(self.bandwidth)

    @property
    def gone(self) -> bool:
        """Whether nothing that is sent arrives any more.

        The transport knows before `connection_lost` tells: while a large body is sent to nobody the loop does not turn.
        """
        return bool(self.transport.is_closing())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[CONNECTION] = self  # type: ignore[literal-required]

    def close(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            # Lingering for no time is how a socket is told to reset.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def listen(options: ServeOptions) -> socket.socket:
    """Return the socket that *options* ask for, bound and listening.

    Raises:
        OSError: the address is taken or cannot be had.
    """
    if options.uds is not None:
        family = socket.AF_UNIX
    else:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    sock = socket.socket(family)
    try:
        if options.uds is not None:
            _bind_privately(sock, options.uds)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((options.host, options.port))
        # What is received is read at once; what lies in long queues has left the processor's caches by then.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_privately(sock: socket.socket, path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    old = os.umask(0o077)
    try:
        sock.bind(str(path))
    finally:
        os.umask(old)


def url_of(sock: socket.socket) -> str:
    """Return the URL at which *sock* listens."""
    if sock.family == socket.AF_UNIX:
        return f"unix://{os.path.abspath(sock.getsockname())}"
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server:
    """A server on a listening socket: `run` serves until `stop` is called, from whatever thread.

    uvicorn's own loop looks ten times a second whether it shall end, and takes its time then; tests start a server
    each.
    """

    def __init__(self, app: App, *, bandwidth: float = 0.0, grace: float = GRACE) -> None:
        self.app = app
        self._grace = grace
        self._protocol = type("Protocol", (PacedProtocol,), {"bandwidth": bandwidth})
        self._config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
        )
        self._state = ServerState()
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, sock: socket.socket, on_ready: Callable[[], None] | None = None, signals: Iterable[int] = ()) -> None:
        """Serve on *sock*, and close it at the end; *on_ready* is called when requests are taken, *signals* stop it."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(sock, on_ready, signals))

    async def _serve(self, sock: socket.socket, on_ready: Callable[[], None] | None, signals: Iterable[int]) -> None:
        self._loop = loop = asyncio.get_running_loop()
        for number in signals:
            loop.add_signal_handler(number, self._stop.set)
        listener = await loop.create_server(self._connection, sock=sock, backlog=BACKLOG)
        if on_ready is not None:
            on_ready()
        await self._stop.wait()
        listener.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=self._grace)
        for task in self._state.tasks:
            task.cancel()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks)
        for connection in list(self._state.connections):
            assert isinstance(connection, PacedProtocol)
            connection.transport.abort()
        while self._state.connections:  # noqa: ASYNC110 - until uvloop has told them all
            await asyncio.sleep(0)

    def _connection(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self._protocol(self._config, self._state, {}, self._loop)
        return protocol

    def stop(self) -> None:
        """Take no more requests, finish those under way, and let `run` return."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._stop.set)


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent ends (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def serve(options: ServeOptions, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; *on_ready* is told the URL.

    Raises:
        BlockingIOError: another server uses the directory.
        OSError: the address cannot be had, or the directory cannot be used.
        ValueError: a bucket's name will not do.
    """
    if options.die_with_parent:
        die_with_parent()
    sock = listen(options)
    try:
        store = Store(options.directory)
    except BaseException:
        sock.close()
        raise
    try:
        for name in options.buckets:
            if store.bucket(name) is None:
                store.put_bucket(name)
        app = create_app(store, options)
        app.faults = Plan(options.faults)
        server = Server(app, bandwidth=options.bandwidth)
        url = url_of(sock)
        server.run(sock, lambda: on_ready(url) if on_ready else None, (signal.SIGTERM, signal.SIGINT))
        app.close()
    finally:
        store.close()
        if options.uds is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(options.uds)
