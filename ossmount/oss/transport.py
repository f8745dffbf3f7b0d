"""Connections kept and handed out: the transport under the client.

`Transport.start` is what the client uses; `Transport.handle_async_request` offers the same to anything that speaks
httpx. `oss.carried` is the other way round.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

import httpx
import trio

from ..wire.errors import ConnectFailed, TimedOut, TransportError
from ..wire.message import Headers
from .connection import Body, Connection, Unanswered
from .endpoints import Origin
from .sockets import connect

if TYPE_CHECKING:
    import ssl

    from .answer import Answer

log = logging.getLogger(__name__)


class Reply(Protocol):
    """What the client needs of an answer; `connection.Answer` is one."""

    status: int
    headers: Headers

    @property
    def size(self) -> int | None: ...
    async def aclose(self) -> None: ...
    async def read(self, limit: int) -> bytes: ...
    async def read_into(self, view: memoryview) -> int: ...
    async def read_some(self, size: int) -> bytes | None: ...


class Carrier(Protocol):
    """What the client needs of a transport."""

    async def start(
        self, origin: Origin, method: str, target: str, headers: Headers, body: Body, *, timeout: float, again: bool
    ) -> Reply:
        """Send a request and return its answer with the body unread.

        *timeout* bounds every silence, and connecting, in seconds; *again* allows to send it twice if the first
        connection was stale.

        Raises:
            TransportError: there was no answer.
            ValueError: a header has a line break.
        """
        ...

    async def aclose(self) -> None: ...


def write_head(method: str, target: str, headers: Headers) -> bytes:
    """Write request line and headers.

    Raises:
        ValueError: one of them has a line break, a NUL, or a character that is no byte.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    text = "\r\n".join(lines)
    if text.count("\n") != len(headers) or text.count("\r") != len(headers) or "\0" in text or " " in target:
        raise ValueError("a line break in a header")
    return f"{text}\r\n\r\n".encode("latin-1")


class Transport(httpx.AsyncBaseTransport):
    """A pool of connections by origin, the most recently used first; how many are in use is not its business."""

    def __init__(
        self, *, connect_timeout: float = 10.0, keepalive: float = 30.0, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        # Constant.
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        # Mutable.
        self._ssl_context = ssl_context
        self._closed = False
        self.opened = 0
        # INVARIANT: no connection in it is in use or closed.
        self._idle: dict[Origin, list[Connection]] = {}

    def __repr__(self) -> str:
        return f"<Transport {sum(map(len, self._idle.values()))} idle, {self.opened} opened>"

    async def start(
        self, origin: Origin, method: str, target: str, headers: Headers, body: Body, *, timeout: float, again: bool
    ) -> Answer:
        """Send a request and return its answer with the body unread, see `Carrier`."""
        head = write_head(method, target, headers)
        # A stream that can be read once only must not meet a connection that may be stale.
        once = isinstance(body, AsyncIterator)
        connection = None if once else self._take(origin)
        while True:
            if connection is None:
                connection = await self._connect(origin, timeout)
            connection.timeout = timeout
            try:
                return await connection.exchange(head, body, method=method, release=self._give_back)
            except BaseException as exc:
                connection.close()
                if not (isinstance(exc, Unanswered) and connection.reused and again):
                    raise
                log.debug("%s had closed a connection kept for it, another is opened", origin)
                connection = None

    async def _connect(self, origin: Origin, timeout: float) -> Connection:
        if origin.tls and self._ssl_context is None:
            # Only now: reading the certificates takes longer than many a command.
            self._ssl_context = httpx.create_ssl_context()
        self.opened += 1
        sock = await connect(origin, timeout=min(timeout, self._connect_timeout), context=self._ssl_context)
        return Connection(sock, origin)

    def _take(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        oldest = trio.current_time() - self._keepalive
        while idle:
            connection = idle.pop()
            if connection.idle_since >= oldest and connection.is_healthy():
                return connection
            connection.close()
        return None

    def _give_back(self, connection: Connection) -> None:
        if self._closed:
            connection.close()
            return
        now = trio.current_time()
        connection.reused = True
        connection.idle_since = now
        idle = self._idle.setdefault(connection.origin, [])
        idle.append(connection)
        while idle[0].idle_since < now - self._keepalive:
            idle.pop(0).close()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send an httpx request; ``extensions`` may name the raw ``target``."""
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        raw = request.extensions.get("target", url.raw_path)
        headers = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
        assert isinstance(request.stream, httpx.AsyncByteStream)
        body = (
            None if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers else request.stream
        )
        timeout = request.extensions.get("timeout", {}).get("read") or 20.0
        origin = Origin(url.host, port, url.scheme == "https")
        target = raw.decode("latin-1")
        try:
            answer = await self.start(
                origin, request.method, target, headers, body, timeout=timeout, again=body is None
            )
        except TransportError as exc:
            raise _as_httpx(exc) from exc
        return httpx.Response(answer.status, headers=list(answer.headers.items()), stream=_AnswerStream(answer))

    async def aclose(self) -> None:
        """Close the idle connections; those in use close when they are done."""
        self._closed = True
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()
        await trio.lowlevel.checkpoint()


def _as_httpx(exc: TransportError) -> httpx.TransportError:
    match exc:
        case ConnectFailed():
            return httpx.ConnectError(str(exc))
        case TimedOut():
            return httpx.ReadTimeout(str(exc))
        case _:
            return httpx.RemoteProtocolError(str(exc))


class _AnswerStream(httpx.AsyncByteStream):
    """The body of an answer as httpx wants it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (piece := await self._answer.read_some(64 * 1024)) is not None:
                yield piece
        except TransportError as exc:
            raise _as_httpx(exc) from exc

    async def aclose(self) -> None:
        self._answer.close()
