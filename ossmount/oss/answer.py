"""An answer of the service: status and headers read, and a body still to come, received where it is wanted.

It is closed by whoever got it.  If its body was read to the end and the service keeps the connection, that goes back to
where it came from, else it is shut.  Closing never awaits, so it is safe in every ``finally`` and under cancellation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools
import trio

from ..wire.errors import BrokenResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..wire.message import Headers
    from .connection import Connection

RECEIVE = 64 * 1024
# The longest head of an answer, and the most that may be between two pieces of a chunked body.
MAX_HEAD = 64 * 1024
# Bodies that go by in pieces do so in pieces of at most this.
PIECE = 256 * 1024
# So much of a piece is worth to wake up for.
_HALF_PIECE = 64 * 1024
CHECKPOINT_EVERY = 1024 * 1024


class Head:
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


class Answer:
    """Status and headers of an answer, and its body to be read once, in one of three ways; close it in any case."""

    def __init__(
        self,
        connection: Connection,
        status: int,
        headers: Headers,
        method: str,
        parser: httptools.HttpResponseParser,
        head: Head,
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
        elif (coding := headers.get("transfer-encoding")) is not None:
            if coding.strip().lower() != "chunked":
                raise BrokenResponse(f"{connection.origin} sent a body coded as {coding!r}, which nobody asked for")
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
            if since >= CHECKPOINT_EVERY:
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
        wanted = min(size, RECEIVE) if self._left is None else min(size, self._left)
        if connection.pending:
            piece = connection.pending[:wanted]
            connection.pending = connection.pending[wanted:]
        else:
            connection.expect(0 if self._left is None else min(wanted, _HALF_PIECE))
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
        around = 0
        while not head.pieces:
            if head.complete:
                self._chunked, self._left = False, 0
                return None
            if around > MAX_HEAD:
                # Extensions and trailers are allowed, but nobody needs so many.
                raise BrokenResponse(f"{connection.origin} sent broken chunks: {around} bytes of them and no body")
            data = connection.pending or await connection.receive(RECEIVE)
            connection.pending = b""
            if not data:
                raise self._truncated()
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as exc:
                raise BrokenResponse(f"{connection.origin} sent broken chunks: {exc}") from exc
            around += len(data)
        # Of tiny chunks there may be thousands.
        piece = b"".join(head.pieces) if len(head.pieces) > 1 else head.pieces[0]
        head.pieces[:] = [piece[size:]] if len(piece) > size else []
        return piece[:size]
