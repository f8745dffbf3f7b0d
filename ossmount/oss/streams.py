"""Bodies that go by in pieces, counted and checked as they go."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING

import trio

from ..wire.checksums import crc64
from ..wire.errors import IntegrityError, TransportError
from .answer import PIECE

if TYPE_CHECKING:
    from ..wire.message import Buffer
    from .client import Client, Lease

# From here on a CRC takes so long (some 10 GB/s) that it is taken in a thread.
_LONG = 16 * 1024 * 1024


async def crc64_of(body: Buffer) -> int:
    """Return the CRC-64 of *body*, without holding up other tasks."""
    if memoryview(body).nbytes < _LONG:
        return crc64(body)
    return await trio.to_thread.run_sync(crc64, body)


def check_crc64(told: int | None, ours: int, what: str) -> None:
    """Compare two CRC-64; None, which objects of old times have, compares with everything.

    Raises:
        IntegrityError: they differ.
    """
    if told is not None and told != ours:
        raise IntegrityError(f"{what}: CRC-64 {told} there, {ours} here")


class Upload:
    """A body to be sent from a stream: passes its pieces on and knows their CRC-64 when all went by.

    It can be gone through again if *source* can.
    """

    def __init__(self, source: AsyncIterable[bytes], size: int | None) -> None:
        self._source = source
        self._size = size
        self._pieces: AsyncIterator[bytes] | None = None
        self._count = 0
        self.crc64 = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._pieces = aiter(self._source)
        self._count = self.crc64 = 0
        return _Passing(self)

    async def next_piece(self) -> bytes:
        """Return the next piece.

        Raises:
            StopAsyncIteration: there is none.
            ValueError: the stream is longer or shorter than it was said to be.
        """
        assert self._pieces is not None
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            if self._size is not None and self._count != self._size:
                raise ValueError(f"a stream of {self._count} bytes that was said to be {self._size}") from None
            raise
        self._count += len(piece)
        if self._size is not None and self._count > self._size:
            raise ValueError(f"a stream longer than the {self._size} bytes it was said to be")
        self.crc64 = crc64(piece, self.crc64)
        return piece


class _Passing:
    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await self._upload.next_piece()


class UploadOnce(Upload):
    """An `Upload` whose source can be read once only; the client sees that it is an iterator, and will not try
    again.
    """

    async def __anext__(self) -> bytes:
        return await self.next_piece()


def checked(source: AsyncIterable[bytes], size: int | None) -> Upload:
    """Return *source* so that it is counted and checked; *size* is its length if that is known."""
    return UploadOnce(source, size) if isinstance(source, AsyncIterator) else Upload(source, size)


class Download:
    """The bytes of an open object, piece by piece; whole objects are checked at their end."""

    def __init__(self, client: Client, lease: Lease, expected: int | None, what: str) -> None:
        self._client = client
        self._lease = lease
        self._expected = expected
        self._what = what
        self._crc64 = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._lease.reply.read_some(PIECE)
        except TransportError as exc:
            self._client.health.failed(exc)
            raise
        if piece is None:
            check_crc64(self._expected, self._crc64, self._what)
            raise StopAsyncIteration
        self._client.count_received(len(piece))
        if self._expected is not None:
            self._crc64 = crc64(piece, self._crc64)
        return piece
