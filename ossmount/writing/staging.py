"""Bytes that programs have written and the bucket does not have yet.

Theory of operation.  A `Staged` file is a sparse data file plus a `journal` that says which of its bytes count.  The
file's content, at any place below its size, is the staged byte where it is *dirty*, else the byte of the *base* object
below `base_size`, else zero.  A truncation lowers `base_size` for good: bytes that were cut off never come back.

`write` is on the way of every write(2) of every program: one `pwrite` of the data, one of 32 bytes, and only when the
map changes.  Both are in the page cache when it returns, so they survive the death of the daemon; with `sync` they
survive power loss.

INVARIANT: ``dirty`` is within ``[0, size)``; ``base_size <= size``; ``base_size`` is 0 without a base.
INVARIANT: every dirty byte is in the data file.
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
from .journal import Journal, JournalBroken, sync_file, write_fully

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .options import WritingOptions

__all__ = ["Piece", "Staged", "Staging", "StagingStatistics"]

log = logging.getLogger(__name__)

_OPEN_FILES: Final = 192  # each has two descriptors, and 1024 is a common limit
_ALLOWANCE: Final = 64 << 20  # bytes that may be written before the disk is asked for its free space again


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


@dataclass(frozen=True, slots=True)
class StagingStatistics:
    """*files* are staged, with *bytes* of dirty data."""

    files: int
    bytes: int


class Staged:
    """One file that is being written.  Every method is synchronous; make one with `Staging.create`."""

    __slots__ = (
        "_alarm",
        "_alarm_total",
        "_changes",
        "_data",
        "_generation",
        "_grounded",
        "_journal",
        "_staging",
        "base",
        "base_size",
        "dirty",
        "id",
        "key",
        "last_stop",
        "session",
        "size",
    )

    def __init__(self, staging: Staging, name: str, key: str, base: Source | None, journal: Journal) -> None:
        self._staging = staging
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
        self._changes = Changes()
        self._grounded = 0
        self._alarm_total = sys.maxsize
        self._alarm: Callable[[], object] = int

    @classmethod
    def recover(cls, staging: Staging, name: str) -> Staged:
        """Take the file *name* up again where its journal ends.

        Raises:
            JournalBroken: There is no beginning to the journal.
        """
        journal, found = Journal.read(staging.directory / f"{name}.journal")
        base = Source(**found.head["base"]) if found.head["base"] else None
        staged = cls(staging, name, found.head["key"], base, journal)
        staged._generation = found.head["generation"]
        staged.size, staged.base_size, staged.dirty = found.size, found.base_size, found.dirty
        there = staged.path.stat().st_size if staged.path.exists() else 0
        if there < staged.dirty.stop:
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
            self._staging.charge(stop, size)
        if self._data < 0:
            self._open()
        try:
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
        if self._journal.slots > 1024 + 8 * len(self.dirty):
            self._compact()
        return size

    def truncate(self, size: int) -> None:
        """Make the file *size* bytes long.  What is cut off is gone for good, what is added is a hole.

        Raises:
            OSError: EFBIG, ENOSPC, EIO: nothing has changed.
        """
        if size == self.size:
            return
        if size > self._staging.limits.max_object:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), self.key)
        base_size = min(self.base_size, size)
        self._journal.truncated(size, base_size)
        self._staging.opened(self)
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
        """Return a descriptor of the data file for the caller to close: for reading it in a thread."""
        if self._data < 0:
            self._open()
        return os.dup(self._data)

    @property
    def version(self) -> int:
        """A number that grows at each change."""
        return self._changes.version

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
            _head(self.key, base, generation), self.size, base_size, dirty, sync=self._staging.options.sync
        )
        self._staging.opened(self)
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
        self._staging.sync()

    def discard(self) -> None:
        """Delete the file and its journal; nothing else may be called after that."""
        # The journal goes first: data without a journal was given up.
        self._staging.forget(self)
        self._journal.remove()
        self._close_data()
        self.path.unlink(missing_ok=True)

    # -- inside --

    @property
    def path(self) -> Path:
        """The data file; there is none before the first write."""
        return self._staging.directory / f"{self.id}.{self._generation}.data"

    def _open(self) -> None:
        self._data = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._staging.opened(self)

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
        with suppress(OSError):
            if self._data >= 0:
                os.ftruncate(self._data, size)
            elif self.path.exists():
                os.truncate(self.path, size)

    def _compact(self) -> None:
        try:
            head = _head(self.key, self.base, self._generation)
            self._journal.rewrite(head, self.size, self.base_size, self.dirty, sync=self._staging.options.sync)
        except OSError as exc:
            log.debug("the journal of %s stays long: %s", self.key, exc)

    def check_invariants(self) -> None:
        """Raise AssertionError if an INVARIANT of the module does not hold."""
        self.dirty.check_invariants()
        self._changes.check_invariants()
        assert self.dirty.stop <= self.size
        assert 0 <= self.base_size <= self.size
        assert self.base is not None or not self.base_size
        assert not self.dirty or self.path.stat().st_size >= self.dirty.stop

    def __repr__(self) -> str:
        return f"<Staged {self.id} {self.key!r} size={self.size} dirty={self.dirty.total} version={self.version}>"


def _head(key: str, base: Source | None, generation: int) -> dict[str, Any]:
    return {"key": key, "base": None if base is None else asdict(base), "generation": generation}


class Staging:
    """The staging directory, private to its owner.

    Raises:
        OSError: It cannot be made, or not made private.
    """

    def __init__(self, options: WritingOptions) -> None:
        self.options: Final = options
        self.limits: Final = options.limits
        self.directory: Final = options.directory
        self._files: dict[str, Staged] = {}
        self._opened: dict[Staged, None] = {}  # in the order in which their data files were opened
        self._allowance = 0
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)

    def create(self, key: str, base: Source | None, *, size: int | None = None) -> Staged:
        """Begin to stage a file whose bytes are those of *base* so far, cut or extended to *size*.

        Raises:
            OSError: As creat(2) and write(2).
        """
        if size is None:
            size = base.size if base else 0
        base_size = min(base.size, size) if base else 0
        name = secrets.token_hex(8)
        self.charge(0, 4096)
        journal = Journal.create(self.directory / f"{name}.journal", _head(key, base, 0), size, base_size)
        staged = Staged(self, name, key, base, journal)
        staged.size, staged.base_size = size, base_size
        self._files[name] = staged
        self.opened(staged)
        return staged

    def recover(self) -> list[Staged]:
        """Return every file that an earlier daemon had staged, as it was; call it once, before anything is created.

        A journal whose head cannot be read promises nothing, but its bytes are set aside under ``lost/`` all the same.
        """
        for path in sorted(self.directory.glob("*.journal")):
            name = path.stem
            if name in self._files:
                continue
            try:
                self._files[name] = Staged.recover(self, name)
            except (JournalBroken, KeyError, TypeError) as exc:
                self._set_aside(name, exc)
        for path in self.directory.glob("*.data"):
            owner = self._files.get(path.name.partition(".")[0])
            if owner is None or path != owner.path:
                path.unlink(missing_ok=True)
        for path in self.directory.glob("*.new"):
            path.unlink(missing_ok=True)
        return list(self._files.values())

    def _set_aside(self, name: str, reason: Exception) -> None:
        data = [path for path in self.directory.glob(f"{name}.*.data") if path.stat().st_size]
        if data:
            log.error("staged file %s cannot be recovered (%s): its bytes are in %s/lost", name, reason, self.directory)
            lost = self.directory / "lost"
            lost.mkdir(mode=0o700, exist_ok=True)
            for path in [*data, self.directory / f"{name}.journal"]:
                path.rename(lost / path.name)
        (self.directory / f"{name}.journal").unlink(missing_ok=True)

    def statistics(self) -> StagingStatistics:
        """How many files are staged, and how many bytes of them are dirty."""
        return StagingStatistics(len(self._files), sum(staged.dirty.total for staged in self._files.values()))

    def charge(self, stop: int, size: int) -> None:
        """Make sure that *size* more bytes, up to offset *stop* of a file, may be staged.

        Raises:
            OSError: ENOSPC, they would not leave the reserve free; EFBIG, no object is that big.
        """
        if stop > self.limits.max_object:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        self._allowance -= size
        if self._allowance < 0:
            self._allowance = 0
            disk = os.statvfs(self.directory)
            spare = disk.f_bavail * disk.f_frsize - self.options.reserve
            if size > spare:
                raise OSError(errno.ENOSPC, "the staging disk is full", str(self.directory))
            self._allowance = min(_ALLOWANCE, spare // 2, spare - size)

    def opened(self, staged: Staged) -> None:
        """Note that *staged* holds descriptors; whoever has held them longest lets go when there are too many."""
        self._opened.pop(staged, None)
        self._opened[staged] = None
        if len(self._opened) > _OPEN_FILES:
            eldest = next(iter(self._opened))
            del self._opened[eldest]
            eldest.close()

    def forget(self, staged: Staged) -> None:
        """*staged* is being discarded."""
        self._files.pop(staged.id, None)
        self._opened.pop(staged, None)

    def sync(self) -> None:
        """Wait until the names of all files are on the disk.  May run in a thread."""
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Let go of all descriptors; every staged file stays as it is."""
        for staged in self._opened:
            staged.close()
        self._opened.clear()
