"""One file that is being written: its staged bytes, and the map that says which of its bytes these are.

Theory of operation.  A file's content, at any place below its size, is the staged byte where it is *dirty*, else the
byte of the *base* object below `base_size`, else zero.  A truncation lowers `base_size` for good: bytes that were cut
off never come back.  The map is kept in a `journal` on the disk; staged bytes are in a sparse data file beside it, or,
as long as they are few, in the journal itself.

`write` is on the way of every write(2) of every program: one `pwrite` of the data, one of 32 bytes, and that only when
the map changes.  Both are in the page cache when it returns, so they survive the death of the daemon; with `sync` they
survive power loss.

INVARIANT: ``dirty`` is within ``[0, size)``; ``base_size <= size``; ``base_size`` is 0 without a base.
INVARIANT: every dirty byte is in the data file, or every one is in the journal.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from ..ranges import RangeSet
from ..wire.models import Source
from .changes import Changes
from .journal import Journal, sync_file, write_fully

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .directory import Directory

__all__ = ["Piece", "Staged"]

log = logging.getLogger(__name__)

_INLINE: Final = 16 << 10  # files up to this size have no data file
_LONG: Final = 4096  # slots of a journal that is worth being written anew


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of a file from *start* up to *stop* are of one *kind*."""

    kind: Literal["staged", "base", "hole"]
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Bytes in the piece."""
        return self.stop - self.start


class Staged:
    """One file that is being written.  Every method is synchronous."""

    __slots__ = (
        "_alarm",
        "_alarm_total",
        "_changes",
        "_data",
        "_directory",
        "_generation",
        "_grounded",
        "_journal",
        "base",
        "base_size",
        "dirty",
        "discarded",
        "id",
        "key",
        "last_stop",
        "session",
        "size",
    )

    def __init__(self, directory: Directory, name: str, key: str, base: Source | None, journal: Journal) -> None:
        self._directory = directory
        self._journal = journal
        self._data = -1
        self._generation = 0
        self.id: Final = name
        self.key = key
        """Informative: the key it was created for."""
        self.base = base
        self.base_size = 0
        self.size = 0
        self.dirty = RangeSet()
        self.session: Final = secrets.token_hex(8)
        """Versions of another session (of before a crash) mean nothing."""
        self.last_stop = 0
        """Where the last write ended: there the program is writing."""
        self.discarded: Callable[[Staged], object] = id
        """Told when it is."""
        self._changes = Changes()
        self._grounded = 0
        self._alarm_total = sys.maxsize
        self._alarm: Callable[[], object] = int

    @classmethod
    def create(cls, directory: Directory, name: str, key: str, base: Source | None, size: int) -> Staged:
        """Begin the file *name* of *size* bytes, those of *base* as far as it goes.

        Raises:
            OSError: As creat(2) and write(2).
        """
        base_size = min(base.size, size) if base else 0
        journal = Journal.create(directory.path / f"{name}.journal", _head(key, base, 0), size, base_size)
        staged = cls(directory, name, key, base, journal)
        staged.size, staged.base_size = size, base_size
        directory.opened(staged)
        return staged

    @classmethod
    def recover(cls, directory: Directory, name: str) -> Staged:
        """Take the file *name* up again where its journal ends.

        Raises:
            JournalBroken: There is no beginning to the journal.
        """
        journal, found = Journal.read(directory.path / f"{name}.journal")
        base = Source(**found.head["base"]) if found.head["base"] else None
        staged = cls(directory, name, found.head["key"], base, journal)
        staged._generation = found.head["generation"]
        staged.size, staged.base_size, staged.dirty = found.size, found.base_size, found.dirty
        there = staged.path.stat().st_size if staged.path.exists() else 0
        if journal.segments is not None:
            # A data file is what a crash has left of `_open`.
            staged.path.unlink(missing_ok=True)
        elif there < staged.dirty.stop:
            # Only a power loss does that, without `sync`: the journal reached the disk and the data did not.
            log.error("%s: staged bytes from %d to %d did not survive", staged.key, there, staged.dirty.stop)
            staged.dirty.clip(there)
            staged._compact()
        return staged

    # -- what programs do --

    def write(self, offset: int, data: bytes | memoryview) -> int:
        """Stage *data* at *offset*; returns how many bytes, which is all.

        Raises:
            OSError: ENOSPC, EDQUOT, EFBIG, EIO: the map is as before, and of bytes that were staged already some may
                have been replaced, as on any disk.
        """
        size = len(data)
        if not size:
            return 0
        stop = offset + size
        known = self.dirty.covers(offset, stop)
        if not known:
            self._directory.charge(stop, size)
        try:
            if stop <= _INLINE and self._journal.has_room:
                self._use_journal()
                self._journal.inlined(offset, bytes(data))
            else:
                if self._data < 0 or self._journal.segments is not None:
                    self._open()
                write_fully(self._data, data, offset)
                if not known:
                    self._journal.wrote(offset, stop)
        except BaseException:
            self._changes.write(offset, stop)
            raise
        if not known:
            self.dirty.add(offset, stop)
            if stop > self.size:
                self.size = stop
            if self.dirty.total >= self._alarm_total:
                self._alarm_total = sys.maxsize
                self._alarm()
        self.last_stop = stop
        self._changes.write(offset, stop)
        if self._journal.slots > _LONG + 8 * len(self.dirty):
            self._compact()
        return size

    def truncate(self, size: int) -> None:
        """Make the file *size* bytes long.  What is cut off is gone for good, what is added is a hole.

        Raises:
            OSError: EFBIG, ENOSPC, EIO: nothing has changed.
        """
        if size == self.size:
            return
        if size > self._directory.limits.max_object:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), self.key)
        base_size = min(self.base_size, size)
        self._use_journal()
        self._journal.truncated(size, base_size)
        shrinks = size < self.size
        self.size, self.base_size = size, base_size
        if not shrinks:
            self._changes.step()
            return
        self._changes.cut(size)
        self.dirty.clip(size)
        self._free(size)

    def watch(self, total: int, alarm: Callable[[], object]) -> None:
        """Call *alarm*, once, as soon as *total* bytes are dirty; forgets the alarm set before."""
        self._alarm_total, self._alarm = total, alarm

    # -- what is where --

    def layout(self, start: int, stop: int) -> list[Piece]:
        """What kind of bytes ``[start, stop)`` are, in order, up to the end of the file."""
        stop = min(stop, self.size)
        pieces: list[Piece] = []
        for dirty in self.dirty.intersection(start, stop):
            self._unwritten(start, dirty.start, pieces)
            pieces.append(Piece("staged", dirty.start, dirty.stop))
            start = dirty.stop
        self._unwritten(start, stop, pieces)
        return pieces

    def _unwritten(self, start: int, stop: int, pieces: list[Piece]) -> None:
        middle = min(max(self.base_size, start), stop)
        if start < middle:
            pieces.append(Piece("base", start, middle))
        if middle < stop:
            pieces.append(Piece("hole", middle, stop))

    def read(self, start: int, stop: int) -> bytes:
        """Return the staged bytes ``[start, stop)``; `layout` says that they are staged.

        Raises:
            OSError: EIO, the data file does not have them.
        """
        if self._journal.segments is not None:
            self._use_journal()
            return self._journal.read_inline(start, stop)
        if self._data < 0:
            self._open()
        data = os.pread(self._data, stop - start, start)
        while len(data) < stop - start:
            more = os.pread(self._data, stop - start - len(data), start + len(data))
            if not more:
                raise OSError(errno.EIO, f"staged bytes are missing from {start + len(data)} on", str(self.path))
            data += more
        return data

    def descriptor(self) -> int:
        """Return a descriptor of the data file, all dirty bytes in it, for the caller to close: for threads."""
        if self._data < 0 or self._journal.segments is not None:
            self._open()
        return os.dup(self._data)

    @property
    def version(self) -> int:
        """A number that grows at each change."""
        return self._changes.version

    @property
    def written_ns(self) -> int:
        """When something was last written to it, by the clock of the disk: after a crash nobody else knows."""
        return max(path.stat().st_mtime_ns for path in (self._journal.path, self.path) if path.exists())

    def changed(self, start: int, stop: int, since: int) -> bool:
        """Whether any byte of ``[start, stop)`` may have changed after version *since*.  Errs on the side of yes."""
        return self._changes.changed(start, stop, since)

    # -- what uploads do --

    def rebase(self, source: Source, version: int | None = None) -> None:
        """The content, as it was at *version* (None: as it is), is *source* now: only later changes are still dirty.

        Raises:
            OSError: The journal could not be replaced; nothing has changed.
            ValueError: *source* has another size than the file, or *version* is too old to tell.
        """
        if version is None or version >= self.version:
            if source.size != self.size:
                raise ValueError(f"{source.size} bytes cannot be the content of a file of {self.size}")
            self._ground(source, self.size, RangeSet())
            self._changes.forget()
            return
        if version < self._grounded:
            raise ValueError(f"version {version} of {self.key} was before its base was replaced")
        dirty = RangeSet()
        for start, stop in self._changes.written(version):
            for piece in self.dirty.intersection(start, stop):
                dirty.add(*piece)
        cut = self._changes.first_cut(version)
        self._ground(source, min(source.size, self.size if cut is None else cut, self.size), dirty)

    def replace_base(self, source: Source, *, clean: int = 0) -> None:
        """The bytes of the base that show are found in *source* now, at the same places; what is dirty stays dirty.

        The first *clean* bytes of the file are *source*'s altogether, for example after an append.
        """
        dirty = self.dirty.copy()
        dirty.remove(0, clean)
        self._ground(source, max(self.base_size, clean), dirty)
        if clean:
            # What became clean is missing from `dirty`, though an older content may not have it.
            self._changes.step()
            self._grounded = self.version

    def _ground(self, base: Source, base_size: int, dirty: RangeSet) -> None:
        """Change what lies below.  The journal's rename is the moment at which it happens."""
        old = self.path
        generation = self._generation if dirty else self._generation + 1
        self._journal.rewrite(
            _head(self.key, base, generation), self.size, base_size, dirty, sync=self._directory.options.sync
        )
        self._directory.opened(self)
        self.base, self.base_size, self.dirty = base, base_size, dirty
        if generation != self._generation:
            # Not one byte of the old data file counts any more.
            self._generation = generation
            self._close_data()
            with suppress(OSError):
                old.unlink(missing_ok=True)

    def sync(self) -> None:
        """Wait until everything written so far is on the disk.  May run in a thread.

        Raises:
            OSError: EIO, ENOSPC: it is not.
        """
        self._journal.sealed()
        # Not there: nothing was ever written, or it was discarded meanwhile.
        with suppress(FileNotFoundError):
            sync_file(self.path)
        with suppress(FileNotFoundError):
            self._journal.sync()
        self._directory.sync()

    def discard(self) -> None:
        """Delete the file and its journal; nothing else may be called after that."""
        # The journal goes first: data without a journal was given up.
        self._directory.gone(self)
        self.discarded(self)
        self._journal.remove()
        self._close_data()
        self.path.unlink(missing_ok=True)

    # -- inside --

    @property
    def path(self) -> Path:
        """The data file, if there is one."""
        return self._directory.path / f"{self.id}.{self._generation}.data"

    def _open(self) -> None:
        """Open the data file, and move to it what lies in the journal."""
        segments = self._journal.segments
        self._close_data()
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if segments is None else os.O_TRUNC)
        self._data = os.open(self.path, flags, 0o600)
        self._directory.opened(self)
        if segments is not None:
            try:
                for start, stop in self.dirty:
                    write_fully(self._data, self._journal.read_inline(start, stop), start)
                if self.dirty:
                    # This says that all bytes are in the data file now; it is one slot, so all or nothing.
                    self._journal.wrote(*next(iter(self.dirty)))
            except BaseException:
                self._close_data()
                raise
            self._journal.segments = None

    def _use_journal(self) -> None:
        if not self._journal.is_open:
            self._directory.opened(self)

    def close(self) -> None:
        """Let go of descriptors; the next use takes them again."""
        self._journal.close()
        self._close_data()

    def _close_data(self) -> None:
        fd, self._data = self._data, -1
        if fd >= 0:
            os.close(fd)

    def _free(self, size: int) -> None:
        """Give the disk back what lies behind *size*.  The map is right without it, so failing is no harm."""
        if self._journal.segments is not None:
            return
        with suppress(OSError):
            if self._data >= 0:
                os.ftruncate(self._data, size)
            elif self.path.exists():
                os.truncate(self.path, size)

    def _compact(self) -> None:
        try:
            head = _head(self.key, self.base, self._generation)
            self._journal.rewrite(head, self.size, self.base_size, self.dirty, sync=self._directory.options.sync)
        except OSError as exc:
            log.debug("the journal of %s stays long: %s", self.key, exc)

    def check_invariants(self) -> None:
        """Raise AssertionError if an INVARIANT of the module does not hold."""
        self.dirty.check_invariants()
        self._changes.check_invariants()
        assert self.dirty.stop <= self.size
        assert 0 <= self.base_size <= self.size
        assert self.base is not None or not self.base_size
        inline = self._journal.segments is not None
        assert inline or not self.dirty or self.path.stat().st_size >= self.dirty.stop

    def __repr__(self) -> str:
        return f"<Staged {self.id} {self.key!r} size={self.size} dirty={self.dirty.total} version={self.version}>"


def _head(key: str, base: Source | None, generation: int) -> dict[str, Any]:
    return {"key": key, "base": None if base is None else asdict(base), "generation": generation}
