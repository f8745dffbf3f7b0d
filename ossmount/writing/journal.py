"""The map of one staged file, on disk: which of its bytes were written here, and what lies below them.

Theory of operation.  A journal is a file of slots of 32 bytes: kind, number of the slot, two operands, CRC-32.  The
first record is the *head*, JSON that runs on over as many slots as it needs.  Each change of the map appends one slot
with one `pwrite`.  A run of writes that goes on where the last one ended rewrites the last slot instead, so a file
written from front to back has a journal of one line.

The bytes of a small file can lie in the journal itself, behind their slots (`inlined`): making a file costs more than
writing it, and most files are small.  The first slot that says that bytes are in the data file means that all are.

What makes it safe: a slot never crosses a page, so a process that is killed leaves the slot as it was or as it was to
be; what runs on over several has a checksum.  Reading stops at the first record that does not check, which is the state
before the change that was not finished.  A change of the head (another base below the file, or a journal that grew
long) writes a new file beside the old one and renames it over.

Rules for editors: write the bytes of the file first and their slot second, for a slot is a promise.  After `sealed`
never rewrite a slot in place: it may be on the disk already, and a torn sector would take it away again.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zlib import crc32

from ..ranges import RangeSet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Journal", "JournalBroken", "Map", "sync_file", "write_fully"]

log = logging.getLogger(__name__)

_BODY: Final = Struct("<IQQQ")  # kind, number of the slot, two operands
_CRC: Final = Struct("<I")
_SLOT: Final = _BODY.size + _CRC.size
_HEAD, _WRITE, _TRUNCATE, _INLINE = 0x4F535348, 0x4F535357, 0x4F535354, 0x4F535349
_NO_RUN: Final = -1
_MODE: Final = 0o600
_SEGMENTS: Final = 64  # reading looks at all of them
_ROOM: Final = 2048  # slots: 64 KiB


class JournalBroken(ValueError):
    """The head of a journal cannot be read."""


class Segment(NamedTuple):
    """The file's bytes from *start* up to *stop* lie in the journal at *place*; later segments hide earlier ones."""

    start: int
    stop: int
    place: int


@dataclass(slots=True)
class Map:
    """What a journal says of its file: *head* is its owner's, the rest follows from the changes.

    Dirty bytes are in the *segments*, or all in the data file when these are None.
    """

    head: dict[str, Any]
    size: int
    base_size: int
    dirty: RangeSet
    segments: list[Segment] | None


def write_fully(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of *data* at *offset*, however many calls that takes.

    Raises:
        OSError: As pwrite(2); some of *data* may have been written.
    """
    done = os.pwrite(fd, data, offset)
    if done < len(data):
        view = memoryview(data)
        while done < len(view):
            step = os.pwrite(fd, view[done:], offset + done)
            if not step:
                raise OSError(errno.EIO, "the disk takes no more bytes and does not say why")
            done += step


def _slot(kind: int, number: int, first: int, second: int) -> bytes:
    body = _BODY.pack(kind, number, first, second)
    return body + _CRC.pack(crc32(body))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _SLOT)


def _inline(number: int, start: int, data: bytes) -> bytes:
    return _slot(_INLINE, number, start, len(data) | crc32(data) << 32) + _padded(data)


def _encode(
    head: dict[str, Any], size: int, base_size: int, dirty: RangeSet, inline: Mapping[int, bytes] | None = None
) -> tuple[bytes, list[Segment] | None]:
    """A whole journal that says just this; with *inline*, bytes by where they begin, these instead of *dirty*."""
    text = _padded(json.dumps(head, separators=(",", ":")).encode() + b"\n")
    content = bytearray(_slot(_HEAD, 0, len(text), crc32(text)) + text)
    # First the sizes: a write only ever makes a file longer.
    content += _slot(_TRUNCATE, len(content) // _SLOT, size, base_size)
    if inline is None:
        for start, stop in dirty:
            content += _slot(_WRITE, len(content) // _SLOT, start, stop)
        return bytes(content), None
    segments = []
    for start, data in inline.items():
        segments.append(Segment(start, start + len(data), len(content) + _SLOT))
        content += _inline(len(content) // _SLOT, start, data)
    return bytes(content), segments


class Journal:
    """The open end of a journal.

    Every method is synchronous and raises OSError as the system calls do; a change that raised has not happened.
    """

    __slots__ = ("_fd", "_number", "_run_start", "_run_stop", "path", "segments", "slots")

    def __init__(self, path: Path, slots: int, segments: list[Segment] | None) -> None:
        self.path = path
        self.slots = slots
        """How many slots there are, the head's too."""
        self.segments = segments
        """Where the bytes are that lie in here; None: they are in the data file."""
        self._fd = -1
        # The run of writes that the last slot holds.
        self._run_start = self._run_stop = _NO_RUN
        self._number = 0

    @classmethod
    def create(cls, path: Path, head: dict[str, Any], size: int, base_size: int) -> Journal:
        """Begin the journal of a new file.

        Raises:
            FileExistsError: There is one already.
        """
        content, _ = _encode(head, size, base_size, RangeSet())
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            write_fully(fd, content, 0)
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                path.unlink()
            raise
        journal = cls(path, len(content) // _SLOT, [])
        journal._fd = fd
        return journal

    @classmethod
    def read(cls, path: Path) -> tuple[Journal, Map]:
        """Read what is left of a journal: everything up to the first record that does not check.

        Raises:
            JournalBroken: Not even the head is whole.
        """
        data = path.read_bytes()
        try:
            found, number = _read_head(data)
        except ValueError as exc:
            raise JournalBroken(f"{path.name}: {exc}") from exc
        while step := _apply(data, number, found):
            number += step
        if number * _SLOT < len(data):
            log.warning("%s: %d bytes at its end were never finished", path.name, len(data) - number * _SLOT)
            # Slots behind the broken one would be taken for good once that one is written again.
            os.truncate(path, number * _SLOT)
        return cls(path, number, found.segments), found

    def wrote(self, start: int, stop: int) -> None:
        """Note that ``[start, stop)`` is staged."""
        if self._run_start <= start <= self._run_stop:
            number, start, stop = self._number, self._run_start, max(stop, self._run_stop)
        else:
            number = self.slots
        self._put(number, _slot(_WRITE, number, start, stop))
        self._run_start, self._run_stop = start, stop

    def inlined(self, start: int, data: bytes) -> None:
        """Stage *data* at *start* in here; `segments` must not be None."""
        assert self.segments is not None
        self._put(self.slots, _inline(self.slots, start, data))
        self.segments.append(Segment(start, start + len(data), self._number * _SLOT + _SLOT))
        self._run_start = self._run_stop = _NO_RUN

    def read_inline(self, start: int, stop: int) -> bytes:
        """Return staged bytes that lie in here."""
        assert self.segments is not None
        self._open()
        data = bytearray(stop - start)
        for segment in self.segments:
            low, high = max(start, segment.start), min(stop, segment.stop)
            if low < high:
                data[low - start : high - start] = os.pread(self._fd, high - low, segment.place + low - segment.start)
        return bytes(data)

    def truncated(self, size: int, base_size: int) -> None:
        """Note that the file has *size* bytes now and shows no more than *base_size* of its base."""
        self._put(self.slots, _slot(_TRUNCATE, self.slots, size, base_size))
        self._run_start = self._run_stop = _NO_RUN

    def sealed(self) -> None:
        """What was noted so far is being synced: it will not be rewritten."""
        self._run_start = self._run_stop = _NO_RUN

    def rewrite(self, head: dict[str, Any], size: int, base_size: int, dirty: RangeSet, *, sync: bool) -> None:
        """Replace the whole journal at once; a crash leaves the old one or the new one.

        With nothing *dirty* the data file counts no more, and bytes may lie in here again.
        """
        inline = None
        if self.segments is not None or not dirty:
            inline = {start: self.read_inline(start, stop) for start, stop in dirty}
        content, segments = _encode(head, size, base_size, dirty, inline)
        beside = self.path.with_suffix(".new")
        fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
        try:
            write_fully(fd, content, 0)
            if sync:
                os.fdatasync(fd)
            beside.rename(self.path)
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                beside.unlink()
            raise
        self.close()
        self._fd = fd
        self.slots = len(content) // _SLOT
        self.segments = segments
        self._run_start = self._run_stop = _NO_RUN

    def sync(self) -> None:
        """Wait until what was noted is on the disk.  May run in a thread."""
        self.sealed()
        sync_file(self.path)
        self.sealed()

    @property
    def has_room(self) -> bool:
        """Whether bytes lie in here, and a few more may."""
        return self.segments is not None and len(self.segments) < _SEGMENTS and self.slots < _ROOM

    @property
    def is_open(self) -> bool:
        """Whether the journal holds a descriptor."""
        return self._fd >= 0

    def close(self) -> None:
        """Let go of the descriptor; the next change takes one again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def remove(self) -> None:
        """Close and delete the journal."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _open(self) -> None:
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    def _put(self, number: int, record: bytes) -> None:
        # Always at its own place: what a write that failed has left behind is written over by the next.
        self._open()
        write_fully(self._fd, record, number * _SLOT)
        self._number = number
        self.slots = max(self.slots, number + len(record) // _SLOT)

    def __repr__(self) -> str:
        return f"<Journal {self.path.name} slots={self.slots}>"


def _read_head(data: bytes) -> tuple[Map, int]:
    kind, number, length, check = _BODY.unpack_from(data) if len(data) >= _SLOT else (0, 0, 0, 0)
    text = data[_SLOT : _SLOT + length]
    if (
        (kind, number) != (_HEAD, 0)
        or _CRC.unpack_from(data, _BODY.size)[0] != crc32(data[: _BODY.size])
        or len(text) != length
        or crc32(text) != check
    ):
        raise ValueError("its head is not whole")
    found = Map(json.loads(text.rstrip(b"\0")), -1, 0, RangeSet(), [])
    number = 1 + length // _SLOT
    if not _apply(data, number, found) or found.size < 0:
        raise ValueError("it has a head and no size")
    return found, number + 1


def _apply(data: bytes, number: int, found: Map) -> int:
    """Carry the change in slot *number* out on *found*; returns how many slots it has, 0 when it does not check."""
    slot = data[number * _SLOT : (number + 1) * _SLOT]
    if len(slot) < _SLOT or _CRC.unpack_from(slot, _BODY.size)[0] != crc32(slot[: _BODY.size]):
        return 0
    kind, own, first, second = _BODY.unpack_from(slot)
    if own != number:
        return 0
    if kind == _TRUNCATE:
        found.dirty.clip(first)
        found.size, found.base_size = first, second
        return 1
    slots = 1
    if kind == _INLINE and found.segments is not None:
        place = (number + 1) * _SLOT
        length, check = second & 0xFFFFFFFF, second >> 32
        if crc32(data[place : place + length]) != check or place + length > len(data):
            return 0
        second = first + length
        found.segments.append(Segment(first, second, place))
        slots += -(-length // _SLOT)
    elif kind == _WRITE:
        found.segments = None
    else:
        return 0
    found.dirty.add(first, second)
    found.size = max(found.size, second)
    return slots


def sync_file(path: Path) -> None:
    """Flush a file through a descriptor of our own, since others may be closed meanwhile."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)
