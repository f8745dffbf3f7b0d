"""One HTTP/1.1 connection to the service, on a plain socket.

Why not a stock HTTP stack: a filesystem moves gigabytes through here in pieces of megabytes, and a stack that hands
out 64 KiB at a time, copies each, and wakes the event loop for it, costs more than the network.  Here a body is
received straight into the buffer that will use it and sent straight from the one that holds it, TLS included:
`ssl.SSLSocket` has the same calls.

Theory of operation.  A `Connection` sends one request (`exchange`) and returns an `Answer` with status and headers
read and the body still to come; see `answer`.  The socket does not block, except while a thread sends a large body:
see `Connection._send_in_thread`.

Every wait for the socket is bounded by *timeout* seconds of silence; a bound for the whole is the caller's.
"""

from __future__ import annotations

import logging
import re
import select
import socket
import ssl
import struct
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httptools
import trio

from ..wire.errors import BrokenResponse, TimedOut, TransportError
from ..wire.message import Headers
from .answer import CHECKPOINT_EVERY, MAX_HEAD, RECEIVE, Answer, Head

if TYPE_CHECKING:
    from ..wire.message import Buffer
    from .endpoints import Origin

    _Wait = Callable[[socket.socket], Awaitable[None]]

log = logging.getLogger(__name__)

Body = bytes | bytearray | memoryview | AsyncIterable[bytes] | None

# Answers of status 1xx before the answer.
_MAX_INTERIM = 20
# Bodies up to here are copied behind the head and sent in one go.
_SMALL_BODY = 16 * 1024
# Bodies from here on are sent with an eye on the service answering before it has all of them.
_WATCHED_BODY = 64 * 1024
# Wake up for this many bytes at once, not for every segment (SO_RCVLOWAT, tcp(7)); small enough for a slow link to
# deliver it well within the timeout.
_LOW_WATER = 128 * 1024
# The longest record of TLS with what goes with it, rounded up.
_TLS_RECORD = 20 * 1024
# From here on what a full socket leaves over is sent in a thread; see `Connection._send_in_thread`.
_THREAD_SEND = 512 * 1024
_THREAD_WRITE = 1024 * 1024
# Seconds that such a thread may go on when there is an answer already.
_GRACE = 0.1
_THREADS = trio.CapacityLimiter(64)
# TLS writes must be repeated with the same bytes, so they are kept small.
_TLS_WRITE = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")


class Unanswered(BrokenResponse):
    """The connection ended before the first byte of an answer, as one does that the service had already given up."""


class _Lost(BrokenResponse):
    """The socket failed."""


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
        # Whether a thread is sending, and whether one was interrupted, so that nothing can be sent any more.
        self._in_thread = False
        self._shut = False
        # Whether the request under way has gone to its last byte, if anybody watches.
        self._all_sent = False
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

    async def _wait(self, wait: _Wait) -> None:
        with trio.move_on_after(self.timeout) as scope:
            await wait(self._sock)
        if scope.cancelled_caught:
            raise self._silent()

    def _silent(self) -> TimedOut:
        return TimedOut(f"{self.origin} was silent for {self.timeout:g} s")

    def _lost(self, exc: OSError) -> _Lost:
        return _Lost(f"lost the connection to {self.origin}: {exc.strerror or exc}")

    async def _once_ready(self, call: Callable[[Any], Any], argument: object, ready: _Wait) -> Any:
        """Return what *call* of the socket says to *argument* as soon as it does not have to wait."""
        while True:
            try:
                return call(argument)
            except BlockingIOError:
                await self._wait(ready)
            except ssl.SSLWantReadError:
                await self._wait(trio.lowlevel.wait_readable)
            except ssl.SSLWantWriteError:
                await self._wait(trio.lowlevel.wait_writable)
            except OSError as exc:
                raise self._lost(exc) from exc

    async def receive_into(self, view: memoryview) -> int:
        """Receive some bytes, 0 at the end of the stream."""
        received: int = await self._once_ready(self._sock.recv_into, view, trio.lowlevel.wait_readable)
        if self._tls and received:
            # It gives 16 KiB at a time; going through all of our layers for each costs more than to decipher it.
            with suppress(OSError):  # there is no more for now; or it failed, which the next call tells
                while received < min(len(view), CHECKPOINT_EVERY):
                    more = self._sock.recv_into(view[received:CHECKPOINT_EVERY])
                    if not more:
                        break
                    received += more
        return received

    async def receive(self, size: int) -> bytes:
        """Receive up to *size* bytes, none at the end of the stream."""
        received: bytes = await self._once_ready(self._sock.recv, size, trio.lowlevel.wait_readable)
        return received

    async def _send(self, data: Buffer) -> None:
        view = memoryview(data).cast("B")
        done = since = 0
        while done < len(view):
            piece = view[done : done + _TLS_WRITE] if self._tls else view[done:]
            sent: int = await self._once_ready(self._sock.send, piece, trio.lowlevel.wait_writable)
            done += sent
            since += sent
            if sent < len(piece) and not self._tls:
                if len(view) - done >= _THREAD_SEND:
                    await self._send_in_thread(view[done:])
                    return
                # The buffer is full: to try again at once would only say so.
                since = 0
                await self._wait(trio.lowlevel.wait_writable)
            elif since >= CHECKPOINT_EVERY and done < len(view):  # behind the end, `_watch` would take us for late
                since = 0
                await trio.lowlevel.checkpoint()

    async def _send_in_thread(self, view: memoryview) -> None:
        """Send *view* by calls that block, in a thread; `_watch` is there to interrupt it.

        A service that takes 64 KiB at a time would wake the event loop for each of them, and that costs more than the
        bytes do; the kernel lets a thread sleep until all of a call's bytes have gone.  To be cancelled is no reason to
        raise here: when all was sent, it was.
        """
        timeout = struct.pack("ll", int(self.timeout), int(self.timeout % 1 * 1e6))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        self._sock.setblocking(True)
        self._in_thread = True
        try:
            await trio.to_thread.run_sync(self._send_blocking, view, limiter=_THREADS)
        except BlockingIOError:
            raise self._silent() from None
        except OSError as exc:
            raise self._lost(exc) from exc
        finally:
            self._in_thread = False
            self._sock.setblocking(False)

    def _send_blocking(self, view: memoryview) -> None:
        done = 0
        while done < len(view):
            done += self._sock.send(view[done : done + _THREAD_WRITE])
        self._in_thread = False

    def _interrupt(self) -> None:
        """Let the thread that sends, if there is one, fail; what the service has to say can still be read."""
        if self._in_thread:
            self._shut = True
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

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
        if early or self._shut:
            answer.keep = False
            if early and answer.status < 300:
                raise BrokenResponse(f"{self.origin} answered {answer.status} without waiting for the request")
        return answer

    async def _send_watched(self, head: bytes, body: Body) -> bool:
        """Send, and stop when an answer comes before the end; return whether it did."""
        failure: Exception | None = None
        self._all_sent = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, nursery.cancel_scope)
            try:
                await self._send(head)
                if isinstance(body, AsyncIterable):
                    size = _LENGTH.search(head)
                    await self._send_stream(body, None if size is None else int(size[1]))
                elif body is not None:
                    await self._send(body)
                self._all_sent = True
            except Exception as exc:
                # Raised below: here it would be wrapped into a group.
                failure = exc
            nursery.cancel_scope.cancel()
        if failure is not None and not self.pending:
            raise failure
        return not self._all_sent

    async def _watch(self, scope: trio.CancelScope) -> None:
        """Cancel *scope* when an answer comes too early, and let nothing go on that cannot be cancelled."""
        try:
            await self._hear()
            if self._in_thread:
                # Perhaps it has sent all, and only could not say so yet; then we are cancelled at once.
                await trio.sleep(_GRACE)
        finally:
            self._interrupt()
        if not self._all_sent:
            scope.cancel()

    async def _hear(self) -> None:
        """Wait for the first bytes of an answer, or the end."""
        # The socket may be a blocking one just now.
        flags = 0 if self._tls else socket.MSG_DONTWAIT
        while True:
            await trio.lowlevel.wait_readable(self._sock)
            try:
                self.pending += self._sock.recv(RECEIVE, flags)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                # A message of TLS itself.
                continue
            except OSError as exc:
                log.debug("%s hung up on a request: %s", self.origin, exc)
            return

    async def _send_stream(self, stream: AsyncIterable[bytes], size: int | None) -> None:
        """Send *stream*, in chunks if its *size* has not been told."""
        left = size
        async for piece in stream:
            if not piece:
                continue
            if left is None:
                await self._send(b"%x\r\n" % len(piece))
                await self._send(piece)
                await self._send(b"\r\n")
            else:
                await self._send(piece)
                left -= len(piece)
                # The service may answer while the stream has yet to say that this was all.
                self._all_sent = left == 0
        if left is None:
            await self._send(b"0\r\n\r\n")

    async def _read_head(self, method: str, release: Callable[[Connection], None]) -> Answer:
        for _ in range(_MAX_INTERIM):
            received = self.pending
            while (end := received.find(b"\r\n\r\n")) < 0:
                if len(received) > MAX_HEAD or not b"HTTP/1.".startswith(received[:7]):
                    raise BrokenResponse(f"{self.origin} does not speak HTTP: {received[:40]!r}")
                data = await self.receive(RECEIVE)
                if not data:
                    if not received:
                        raise Unanswered(f"{self.origin} closed the connection without an answer")
                    raise BrokenResponse(f"{self.origin} closed the connection within the head of its answer")
                received = self.pending = received + data
            head = Head()
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
        else:
            raise BrokenResponse(f"{self.origin} sent {_MAX_INTERIM} interim answers and no other")
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.fields])
        return Answer(self, status, headers, method, parser, head, release)
