"""One HTTP/1.1 connection to the service, on a plain non-blocking socket.

Why not a stock HTTP stack: a filesystem moves gigabytes through here in pieces of megabytes, and a stack that hands
out 64 KiB at a time, copies each, and wakes the event loop for it, costs more than the network.  Here a body is
received straight into the buffer that will use it and sent straight from the one that holds it, TLS included:
`ssl.SSLSocket` has the same calls.

Theory of operation.  A `Connection` sends one request (`exchange`) and returns an `Answer` with status and headers
read and the body still to come.  The answer is closed by whoever got it; if its body was read to the end, and the
service keeps the connection, the connection goes back to where it came from, else it is shut.  Closing never awaits,
so it is safe in every ``finally`` and under cancellation.

Every wait for the socket is bounded by *timeout* seconds of silence; a bound for the whole is the caller's.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TYPE_CHECKING

import httptools
import trio

from ..wire.errors import BrokenResponse, TimedOut, TransportError
from ..wire.message import Headers

if TYPE_CHECKING:
    from ..wire.message import Buffer
    from .endpoints import Origin

log = logging.getLogger(__name__)

Body = bytes | bytearray | memoryview | AsyncIterable[bytes] | None

MAX_HEAD = 64 * 1024
_RECEIVE = 64 * 1024
# Bodies that go by in pieces do so in pieces of at most this.
PIECE = 256 * 1024
# Bodies up to here are copied behind the head and sent in one go.
_SMALL_BODY = 16 * 1024
# Bodies from here on are sent with an eye on the service answering before it has all of them.
_WATCHED_BODY = 64 * 1024
# Wake up for this many bytes at once, not for every segment (SO_RCVLOWAT, tcp(7)); small enough for a slow link to
# deliver it well within the timeout.
_LOW_WATER = 128 * 1024
# The longest record of TLS with what goes with it, rounded up.
_TLS_RECORD = 20 * 1024
_CHECKPOINT_EVERY = 1024 * 1024
# TLS writes must be repeated with the same bytes, so they are kept small.
_TLS_WRITE = 64 * 1024


class Unanswered(BrokenResponse):
    """The connection ended before the first byte of an answer, as one does that the service had already given up."""


class _Lost(BrokenResponse):
    """The socket failed."""


class _Head:
    """Collects what httptools finds in the head of an answer, and the pieces of a chunked body."""

    __slots__ = ("complete", "fields", "pieces")

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        self.complete = True


class Connection:
    """A socket, and how far we are with it.  One exchange at a time."""

    def __init__(self, sock: socket.socket, origin: Origin) -> None:
        # Constant.
        self.origin = origin
        self._sock = sock
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)
        # Mutable.
        self.reused = False
        self.idle_since = 0.0
        self.timeout = 20.0
        self.closed = False
        self._low_water = 1
        # INVARIANT: bytes received that belong to the answer under way or to none.
        self.pending = b""

    def __repr__(self) -> str:
        state = "closed" if self.closed else "reused" if self.reused else "fresh"
        return f"<Connection {self.origin} {state}>"

    def is_healthy(self) -> bool:
        """Return whether an idle connection still waits for a request: anything to read is its end, or nonsense."""
        return not self.closed and not self.pending and not self._poll.poll(0)

    def close(self) -> None:
        """Shut the connection at once; whatever was under way is lost."""
        if not self.closed:
            self.closed = True
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

    # -- the socket ------------------------------------------------------------------------------------------------

    async def _wait(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        with trio.move_on_after(self.timeout) as scope:
            await wait(self._sock)
        if scope.cancelled_caught:
            raise TimedOut(f"{self.origin} was silent for {self.timeout:g} s")

    def _lost(self, exc: OSError) -> _Lost:
        return _Lost(f"lost the connection to {self.origin}: {exc.strerror or exc}")

    async def receive_into(self, view: memoryview) -> int:
        """Receive some bytes, 0 at the end of the stream."""
        while True:
            try:
                return self._sock.recv_into(view)
            except (BlockingIOError, ssl.SSLWantReadError):
                await self._wait(trio.lowlevel.wait_readable)
            except ssl.SSLWantWriteError:
                await self._wait(trio.lowlevel.wait_writable)
            except OSError as exc:
                raise self._lost(exc) from exc

    async def receive(self, size: int) -> bytes:
        """Receive up to *size* bytes, none at the end of the stream."""
        while True:
            try:
                return self._sock.recv(size)
            except (BlockingIOError, ssl.SSLWantReadError):
                await self._wait(trio.lowlevel.wait_readable)
            except ssl.SSLWantWriteError:
                await self._wait(trio.lowlevel.wait_writable)
            except OSError as exc:
                raise self._lost(exc) from exc

    async def _send(self, data: Buffer) -> None:
        view = memoryview(data).cast("B")
        done = since = 0
        while done < len(view):
            piece = view[done : done + _TLS_WRITE] if self._tls else view[done:]
            try:
                sent = self._sock.send(piece)
            except (BlockingIOError, ssl.SSLWantWriteError):
                await self._wait(trio.lowlevel.wait_writable)
            except ssl.SSLWantReadError:
                await self._wait(trio.lowlevel.wait_readable)
            except OSError as exc:
                raise self._lost(exc) from exc
            else:
                done += sent
                since += sent
                if sent < len(piece) and not self._tls:
                    # The buffer is full: to try again at once would only say so.
                    since = 0
                    await self._wait(trio.lowlevel.wait_writable)
                elif since >= _CHECKPOINT_EVERY:
                    since = 0
                    await trio.lowlevel.checkpoint()

    def expect(self, size: int) -> None:
        """Wake up only when a good part of the *size* bytes to come is there, or, for 0, at the first."""
        if self._tls:
            # Part of a record may have been taken out of the socket already; a wait for it would never end.
            size -= _TLS_RECORD
        size = max(min(size, _LOW_WATER), 1)
        if size != self._low_water:
            self._low_water = size
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    # -- one exchange ----------------------------------------------------------------------------------------------

    async def exchange(self, head: bytes, body: Body, *, method: str, release: Callable[[Connection], None]) -> Answer:
        """Send a request and read the head of its answer; *release* gets the connection back when it can be used
        again.

        *head* ends with the empty line.  A stream of unknown length must be announced as chunked in it.

        Raises:
            Unanswered: the connection ended before a first byte came back.
            TransportError: anything else that kept the answer from coming.
        """
        early = False
        try:
            if body is None or isinstance(body, bytes | bytearray | memoryview):
                size = 0 if body is None else memoryview(body).nbytes
                if body is None or size <= _SMALL_BODY:
                    await self._send(head + body if body else head)
                elif size < _WATCHED_BODY:
                    await self._send(head)
                    await self._send(body)
                else:
                    early = await self._send_watched(head, body)
            else:
                early = await self._send_watched(head, body)
        except _Lost as exc:
            # The service may have answered and hung up; what it said is worth more than that it did.
            try:
                answer = await self._read_head(method, release)
            except TransportError:
                raise (exc if self.pending else Unanswered(str(exc))) from exc
            early = True
        else:
            answer = await self._read_head(method, release)
        if early:
            answer.keep = False
            if answer.status < 300:
                raise BrokenResponse(f"{self.origin} answered {answer.status} without waiting for the request")
        return answer

    async def _send_watched(self, head: bytes, body: Body) -> bool:
        """Send, and stop when an answer comes before the end; return whether it did."""
        failure: Exception | None = None
        finished = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, nursery.cancel_scope)
            try:
                await self._send(head)
                if isinstance(body, AsyncIterable):
                    await self._send_stream(body, chunked=b"\r\ntransfer-encoding: chunked\r\n" in head)
                elif body is not None:
                    await self._send(body)
                finished = True
            except Exception as exc:
                # Raised below: here it would be wrapped into a group.
                failure = exc
            nursery.cancel_scope.cancel()
        if failure is not None and not self.pending:
            raise failure
        return not finished

    async def _watch(self, scope: trio.CancelScope) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._sock)
            try:
                self.pending += self._sock.recv(_RECEIVE)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                # A message of TLS itself.
                continue
            except OSError as exc:
                log.debug("%s hung up on a request: %s", self.origin, exc)
            scope.cancel()
            return

    async def _send_stream(self, stream: AsyncIterable[bytes], *, chunked: bool) -> None:
        async for piece in stream:
            if not piece:
                continue
            if chunked:
                await self._send(b"%x\r\n" % len(piece))
                await self._send(piece)
                await self._send(b"\r\n")
            else:
                await self._send(piece)
        if chunked:
            await self._send(b"0\r\n\r\n")

    async def _read_head(self, method: str, release: Callable[[Connection], None]) -> Answer:
        while True:
            received = self.pending
            while (end := received.find(b"\r\n\r\n")) < 0:
                if len(received) > MAX_HEAD or not b"HTTP/1.".startswith(received[:7]):
                    raise BrokenResponse(f"{self.origin} does not speak HTTP: {received[:40]!r}")
                data = await self.receive(_RECEIVE)
                if not data:
                    if not received:
                        raise Unanswered(f"{self.origin} closed the connection without an answer")
                    raise BrokenResponse(f"{self.origin} closed the connection within the head of its answer")
                received = self.pending = received + data
            head = _Head()
            parser = httptools.HttpResponseParser(head)
            try:
                parser.feed_data(received[: end + 4])
            except httptools.HttpParserError as exc:
                raise BrokenResponse(f"{self.origin} does not speak HTTP: {exc}") from exc
            self.pending = received[end + 4 :]
            status = parser.get_status_code()
            if status >= 200:
                break
            if status == 101:
                raise BrokenResponse(f"{self.origin} switched protocols")
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.fields])
        return Answer(self, status, headers, method, parser, head, release)


class Answer:
    """Status and headers of an answer, and its body to be read once, in one of three ways; close it in any case."""

    def __init__(
        self,
        connection: Connection,
        status: int,
        headers: Headers,
        method: str,
        parser: httptools.HttpResponseParser,
        head: _Head,
        release: Callable[[Connection], None],
    ) -> None:
        self.status = status
        self.headers = headers
        # The parser does not know that an answer to HEAD has no body, and would have us wait for the end.
        self.keep = parser.get_http_version() == "1.1" and headers.get("connection", "").lower() != "close"
        self._connection = connection
        self._parser = parser
        self._head = head
        self._release: Callable[[Connection], None] | None = release
        self._chunked = False
        # Bytes still to come; None when only the end of the connection tells.
        self._left: int | None = 0
        if method == "HEAD" or status in (204, 304):
            pass
        elif "transfer-encoding" in headers:
            self._chunked, self._left = True, None
        elif "content-length" in headers:
            self._left = int(headers["content-length"])
        else:
            self._left, self.keep = None, False

    def __repr__(self) -> str:
        return f"<Answer {self.status} from {self._connection.origin}>"

    @property
    def size(self) -> int | None:
        """Bytes of the body still to come, or None when nobody knows."""
        return self._left

    def close(self) -> None:
        """Be done with it: give the connection back if it can be used again, else shut it."""
        release, self._release = self._release, None
        if release is None:
            return
        connection = self._connection
        if self.keep and self._left == 0 and not connection.pending and not connection.closed:
            connection.expect(0)
            release(connection)
        else:
            connection.close()

    async def aclose(self) -> None:
        """Be done with it, see `close`; never waits."""
        self.close()

    def _truncated(self) -> BrokenResponse:
        left = "" if self._left is None else f", {self._left} bytes short"
        return BrokenResponse(f"{self._connection.origin} closed the connection within the body{left}")

    async def read_into(self, view: memoryview) -> int:
        """Receive a body of known length into the front of *view* and return that length.

        Raises:
            BrokenResponse: it is longer than *view*, or ends early.
        """
        if self._left is None:
            body = await self.read(len(view))
            view[: len(body)] = body
            return len(body)
        size = self._left
        if size > len(view):
            raise BrokenResponse(f"{size} bytes where at most {len(view)} were asked for")
        connection = self._connection
        done = since = 0
        if connection.pending:
            done = self._take(view[:size])
        while done < size:
            connection.expect(size - done)
            received = await connection.receive_into(view[done:size])
            if not received:
                raise self._truncated()
            done += received
            self._left = size - done
            since += received
            if since >= _CHECKPOINT_EVERY:
                since = 0
                await trio.lowlevel.checkpoint()
        return size

    def _take(self, view: memoryview) -> int:
        """Move bytes that came with the head into *view*."""
        connection = self._connection
        early = connection.pending[: len(view)]
        connection.pending = connection.pending[len(early) :]
        view[: len(early)] = early
        if self._left is not None:
            self._left -= len(early)
        return len(early)

    async def read(self, limit: int) -> bytes:
        """Return the whole body, of at most *limit* bytes.

        Raises:
            BrokenResponse: it is longer, or ends early.
        """
        if self._left == 0:
            return b""
        if self._left is not None and self._left > limit:
            raise BrokenResponse(f"{self._left} bytes where at most {limit} were asked for")
        pieces = []
        size = 0
        while (piece := await self.read_some(PIECE)) is not None:
            size += len(piece)
            if size > limit:
                raise BrokenResponse(f"more than {limit} bytes")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read_some(self, size: int) -> bytes | None:
        """Return the next piece of the body, of at most *size* bytes, or None at its end."""
        connection = self._connection
        if self._chunked:
            return await self._read_chunked(size)
        if self._left == 0:
            return None
        wanted = min(size, _RECEIVE) if self._left is None else min(size, self._left)
        if connection.pending:
            piece = connection.pending[:wanted]
            connection.pending = connection.pending[wanted:]
        else:
            connection.expect(0 if self._left is None else min(wanted, _LOW_WATER // 2))
            piece = await connection.receive(wanted)
        if not piece:
            if self._left is None:
                self._left = 0
                return None
            raise self._truncated()
        if self._left is not None:
            self._left -= len(piece)
        return piece

    async def _read_chunked(self, size: int) -> bytes | None:
        connection, head = self._connection, self._head
        while not head.pieces:
            if head.complete:
                self._chunked, self._left = False, 0
                return None
            data = connection.pending or await connection.receive(_RECEIVE)
            connection.pending = b""
            if not data:
                raise self._truncated()
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as exc:
                raise BrokenResponse(f"{connection.origin} sent broken chunks: {exc}") from exc
        piece = head.pieces.pop(0)
        if len(piece) > size:
            head.pieces.insert(0, piece[size:])
            piece = piece[:size]
        return piece
