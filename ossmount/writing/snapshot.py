"""The bytes of a staged file as they are at one moment, brought together from staging, base and holes.

Theory of operation.  Clean bytes have to be fetched, which takes time in which the file may change.  So first fetch
what the layout asks for, then look at the layout again and put everything together at once.  A second look never asks
for clean bytes that the first did not: nothing ever uncovers the base.  Long runs of staged bytes are read in a thread,
since the disk may take its time; if they changed meanwhile, they are read once more.

OSS tells no checksum of a range.  But what the base has in all of a part can be put together with the checksums of the
parts that are copied, and compared with that of the whole base.  So a little that has been overwritten is fetched too.
"""

from __future__ import annotations

import errno
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from ..ranges import RangeSet
from ..wire.checksums import crc64
from ..wire.errors import IntegrityError, NoSuchKey, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ..wire.models import Source
    from .space import Space
    from .staging import Piece, Staged

    ReadBase = Callable[[Source, int, int], Awaitable[bytes]]

__all__ = ["Snapshot", "check_base", "memory", "snapshot"]

_INLINE: Final = 1 << 20  # up to this many bytes are read without a thread
_TRIES: Final = 3
_APART: Final = 1 << 20  # clean bytes that lie closer to each other are fetched together
_LITTLE: Final = 128 << 10  # so much more is fetched for the sake of a checksum


class Snapshot(NamedTuple):
    """Bytes as they were at *version*; *base_crc64* is of what the base has in their place, if all of that is known."""

    body: memoryview
    version: int
    base_crc64: int | None = None


@asynccontextmanager
async def memory(space: Space, size: int) -> AsyncIterator[None]:
    """Wait for *size* bytes of the budget, and hold them."""
    event = trio.Event()
    claim = space.claim(size, event.set)
    try:
        if not claim.granted:
            await event.wait()
        yield
    finally:
        space.release(claim)


async def _fetch(staged: Staged, start: int, stop: int, read_base: ReadBase) -> bytes:
    """Fetch clean bytes, from wherever they are at the time.

    Raises:
        PreconditionFailed, NoSuchKey: The base has been replaced or deleted.
        OSSError: The bytes could not be fetched.
    """
    while True:
        base = staged.base
        assert base is not None
        try:
            data = await read_base(base, start, stop)
        except (PreconditionFailed, NoSuchKey):
            if staged.base is base:
                raise
        else:
            if len(data) != stop - start:
                raise OSError(errno.EIO, f"{len(data)} of the {stop - start} bytes from {start} came", base.key)
            return data


async def snapshot(staged: Staged, start: int, stop: int | None, read_base: ReadBase) -> Snapshot:
    """Return the bytes ``[start, stop)`` of the file (None: up to its end), and the version at which they were so.

    Bytes beyond the end are zeros.

    Raises:
        OSError: Staged bytes cannot be read.
        OSSError: Clean bytes cannot be fetched.
    """
    end = staged.size if stop is None else stop
    pieces = staged.layout(start, end)
    if len(pieces) == 1 and pieces[0].kind == "staged" and pieces[0].size == end - start <= _INLINE:
        return Snapshot(memoryview(staged.read(start, end)), staged.version)  # most files are small and new
    fetched: dict[int, bytes] = {}
    have = RangeSet()
    tries = 0
    while True:
        missing = RangeSet()
        for piece in staged.layout(start, staged.size if stop is None else stop):
            if piece.kind == "base":
                for gap in have.gaps(piece.start, piece.stop):
                    missing.add(*gap)
        if missing:
            base_stop = min(end, staged.base_size)
            if not fetched and base_stop - start - missing.total <= _LITTLE:
                missing.add(start, base_stop)
            for first, last in _joined(missing):
                fetched[first] = await _fetch(staged, first, last, read_base)
                have.add(first, last)
            continue
        # No await below, unless a thread reads and its result is looked at after.
        version = staged.version
        end = staged.size if stop is None else stop
        base = fetched.get(start, b"")
        base_crc64 = crc64(base) if base and len(base) == min(end, staged.base_size) - start else None
        body = memoryview(bytearray(max(end - start, 0)))
        pieces = staged.layout(start, end)
        for piece in pieces:
            if piece.kind == "base":
                _fill(body[piece.start - start : piece.stop - start], piece.start, fetched)
        written = [piece for piece in pieces if piece.kind == "staged"]
        tries += 1
        if tries > _TRIES or sum(piece.size for piece in written) <= _INLINE:
            for piece in written:
                body[piece.start - start : piece.stop - start] = staged.read(piece.start, piece.stop)
            return Snapshot(body, version, base_crc64)
        fd = staged.descriptor()
        try:
            # Not abandoned on cancellation: the descriptor is closed below.
            await trio.to_thread.run_sync(_read, fd, body, start, written)
        finally:
            os.close(fd)
        if not staged.changed(start, end, version):
            return Snapshot(body, version, base_crc64)


def check_base(staged: Staged, seen: int | None) -> None:
    """Compare the CRC-64 of the base, as its bytes came here, if all did, with the one that it has.

    Raises:
        IntegrityError: They came damaged.
    """
    base = staged.base
    if base is None or base.size != staged.base_size or None in {seen, base.crc64}:
        return
    if seen != base.crc64:
        raise IntegrityError(f"{base.key}: clean bytes came with CRC-64 {seen} instead of {base.crc64}")


def _joined(missing: RangeSet) -> list[tuple[int, int]]:
    """The ranges to fetch: those that lie close together as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in missing:
        if joined and start - joined[-1][1] <= _APART:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined


def _fill(target: memoryview, start: int, fetched: dict[int, bytes]) -> None:
    """Fill *target*, which begins at *start* of the file, from runs of bytes that cover it."""
    stop = start + len(target)
    for first, data in fetched.items():
        low, high = max(first, start), min(first + len(data), stop)
        if low < high:
            target[low - start : high - start] = memoryview(data)[low - first : high - first]


def _read(fd: int, body: memoryview, offset: int, pieces: list[Piece]) -> None:
    for piece in pieces:
        place = piece.start
        while place < piece.stop:
            done = os.preadv(fd, [body[place - offset : piece.stop - offset]], place)
            if not done:
                raise OSError(errno.EIO, f"staged bytes are missing from {place} on")
            place += done
