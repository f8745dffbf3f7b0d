"""The map of one staged file, on disk: which of its bytes were written here, and what lies below them.

Theory of operation.  A journal is a file of slots of 32 bytes: kind, number of the slot, two operands, CRC-32.  The
first record is the *head*, JSON that runs on over as many slots as it needs.  Each change of the map appends one slot
with one `pwrite`.  A run of writes that goes on where the last one ended rewrites the last slot instead, so a file
written from front to back has a journal of one line.

What makes it safe: a slot never crosses a page, so a process that is killed leaves the slot as it was or as it was to
be.  Reading stops at the first slot that does not check, which is the state before the change that was not finished.
A change of the head (another base below the file, or a journal that grew long) writes a new file beside the old one and
renames it over.

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
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from ..ranges import RangeSet

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Journal", "JournalBroken", "Map", "sync_file", "write_fully"]

log = logging.getLogger(__name__)

_BODY: Final = Struct("<IQQQ")  # kind, number of the slot, two operands
_CRC: Final = Struct("<I")
_SLOT: Final = _BODY.size + _CRC.size
_HEAD, _WRITE, _TRUNCATE = 0x4F535348, 0x4F535357, 0x4F535354
_NO_RUN: Final = -1
_MODE: Final = 0o600


class JournalBroken(ValueError):
    """The head of a journal cannot be read."""


@dataclass(slots=True)
class Map:
    """What a journal says of its file: *head* is its owner's, the rest follows from the changes."""

    head: dict[str, Any]
    size: int
    base_size: int
    dirty: RangeSet


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


def _encode(head: dict[str, Any], size: int, base_size: int, dirty: RangeSet) -> bytes:
    """A whole journal that says just this."""
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _SLOT)
    slots = [_slot(_HEAD, 0, len(text), crc32(text)), text]
    number = 1 + len(text) // _SLOT
    # First the sizes: a write only ever makes a file longer.
    slots.append(_slot(_TRUNCATE, number, size, base_size))
    slots += [_slot(_WRITE, number + i, start, stop) for i, (start, stop) in enumerate(dirty, 1)]
    return b"".join(slots)


class Journal:
    """The open end of a journal.

    Every method is synchronous and raises OSError as the system calls do; a change that raised has not happened.
    """

    __slots__ = ("_fd", "_number", "_run_start", "_run_stop", "path", "slots")

    def __init__(self, path: Path, slots: int) -> None:
        self.path = path
        self.slots = slots
        """How many slots there are, the head's too."""
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
        content = _encode(head, size, base_size, RangeSet())
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            write_fully(fd, content, 0)
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                path.unlink()
            raise
        journal = cls(path, len(content) // _SLOT)
        journal._fd = fd
        return journal

    @classmethod
    def read(cls, path: Path) -> tuple[Journal, Map]:
        """Read what is left of a journal: everything up to the first slot that does not check.

        Raises:
            JournalBroken: Not even the head is whole.
        """
        data = path.read_bytes()
        try:
            found, number = cls._read_head(data)
        except ValueError as exc:
            raise JournalBroken(f"{path.name}: {exc}") from exc
        while (slot := data[number * _SLOT : (number + 1) * _SLOT]) and _apply(slot, number, found):
            number += 1
        if number * _SLOT < len(data):
            log.warning("%s: %d bytes at its end were never finished", path.name, len(data) - number * _SLOT)
            # Slots behind the broken one would be taken for good once that one is written again.
            os.truncate(path, number * _SLOT)
        return cls(path, number), found

    @staticmethod
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
        head = json.loads(text)
        found = Map(head, -1, 0, RangeSet())
        number = 1 + length // _SLOT
        if not _apply(data[number * _SLOT : (number + 1) * _SLOT], number, found) or found.size < 0:
            raise ValueError("it has a head and no size")
        return found, number + 1

    def wrote(self, start: int, stop: int) -> None:
        """Note that ``[start, stop)`` is staged."""
        if self._run_start <= start <= self._run_stop:
            number, start, stop = self._number, self._run_start, max(stop, self._run_stop)
        else:
            number = self.slots
        self._put(number, _slot(_WRITE, number, start, stop))
        self._run_start, self._run_stop = start, stop

    def truncated(self, size: int, base_size: int) -> None:
        """Note that the file has *size* bytes now and shows no more than *base_size* of its base."""
        self._put(self.slots, _slot(_TRUNCATE, self.slots, size, base_size))
        self._run_start = self._run_stop = _NO_RUN

    def sealed(self) -> None:
        """What was noted so far is being synced: it will not be rewritten."""
        self._run_start = self._run_stop = _NO_RUN

    def rewrite(self, head: dict[str, Any], size: int, base_size: int, dirty: RangeSet, *, sync: bool) -> None:
        """Replace the whole journal at once; a crash leaves the old one or the new one."""
        content = _encode(head, size, base_size, dirty)
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
        self._run_start = self._run_stop = _NO_RUN

    def sync(self) -> None:
        """Wait until what was noted is on the disk.  May run in a thread."""
        self.sealed()
        sync_file(self.path)
        self.sealed()

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

    def _put(self, number: int, slot: bytes) -> None:
        # Always at its own place: what a write that failed has left behind is written over by the next.
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        write_fully(self._fd, slot, number * _SLOT)
        self._number = number
        self.slots = max(self.slots, number + 1)

    def __repr__(self) -> str:
        return f"<Journal {self.path.name} slots={self.slots}>"


def _apply(slot: bytes, number: int, found: Map) -> bool:
    """Carry one change out on *found*; False when the slot does not check."""
    if len(slot) < _SLOT or _CRC.unpack_from(slot, _BODY.size)[0] != crc32(slot[: _BODY.size]):
        return False
    kind, own, first, second = _BODY.unpack_from(slot)
    if own != number:
        return False
    if kind == _WRITE:
        found.dirty.add(first, second)
        found.size = max(found.size, second)
        return True
    if kind == _TRUNCATE:
        found.dirty.clip(first)
        found.size, found.base_size = first, second
        return True
    return False


def sync_file(path: Path) -> None:
    """Flush a file through a descriptor of our own, since others may be closed meanwhile."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)
