"""Clean bytes in memory: runs of object versions, under one budget for the whole mount.

A *version* is a key with an ETag; its bytes never change.  Its bytes in memory are *runs*, sorted and disjoint.  A run
is made when a request for it begins, so that what is under way is known by the same look-up as what is there; it is
*open* until all its bytes have come, and whoever reads may have those that came.  A run never crosses a border of
blocks, so that memory comes and goes in blocks; an exact random read makes a run as small as it is.

Theory of eviction. There are two queues. Runs that were fetched and not read to their end are *unread*; readahead
lives from them, whoever reads a file is in the middle of one, and to evict them is to fetch twice. Runs that were
read to their end are *spent*, least recently read first. Memory for more readahead is taken from the spent only, and
from unread runs so old that as much as the whole budget was read since they came or were read: nobody is coming for
those. Memory for what a program waits for is taken from anybody, and given even when there is none, so that each
reader gets along. What a read in progress is about to take is pinned.

Buffers of whole blocks are used again: a fresh one costs a page fault for each 4 KiB.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..ranges import Range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .whole import Whole

#: Who owns a run that was just made.
NOBODY = object()
#: What a run costs besides its bytes, roughly: the objects that describe it.
OVERHEAD = 512


class Run:
    """Bytes of one version, from *start* up to *end*.

    INVARIANT: ``start <= filled <= end``; the bytes before *filled* are there.
    INVARIANT: *owner* is what fills an open run (`NOBODY` at first), and None when it is closed; a closed run has
    ``filled == end``.
    """

    __slots__ = ("born", "end", "filled", "memory", "owner", "read_to", "start", "version", "view")

    def __init__(self, version: Version, start: int, end: int) -> None:
        self.version = version
        self.start = start
        self.end = end
        self.filled = start
        self.owner: object | None = NOBODY
        self.read_to = start  # where the read ended that went furthest
        self.born = 0  # how many bytes had been read of everything when it was closed, or read last
        self.memory: bytes | bytearray | memoryview = b""
        self.view = memoryview(b"")  # of memory

    @property
    def cost(self) -> int:
        """What it takes of the budget, in bytes."""
        return self.end - self.start + OVERHEAD

    def __repr__(self) -> str:
        read = (
            "unread"
            if self.read_to == self.start
            else "read"
            if self.read_to >= self.end
            else f"read to {self.read_to}"
        )
        state = "open" if self.owner is not None else read
        return f"<Run {self.start}..{self.filled}..{self.end} {state}>"


class Version:
    """The runs of one key with one ETag.

    INVARIANT: runs are sorted and disjoint; ``_starts`` holds their starts.
    """

    __slots__ = ("_starts", "etag", "key", "pins", "readers", "runs", "whole")

    def __init__(self, key: str, etag: str) -> None:
        self.key = key
        self.etag = etag
        self.runs: list[Run] = []
        self._starts: list[int] = []
        self.pins: list[Range] = []  # what reads in progress wait for
        self.readers = 0  # how many hold it
        self.whole: Whole | None = None  # its checksum, when that is known

    def at(self, position: int) -> Run | None:
        """Return the run, open or not, that byte *position* is or will be in."""
        index = bisect_right(self._starts, position) - 1
        if index >= 0 and position < self.runs[index].end:
            return self.runs[index]
        return None

    def between(self, start: int, stop: int) -> list[Run]:
        """Return the runs, open or not, that have bytes of ``[start, stop)``, in order."""
        first = bisect_right(self._starts, start) - 1
        if first < 0 or self.runs[first].end <= start:
            first += 1
        last = first
        while last < len(self.runs) and self._starts[last] < stop:
            last += 1
        return self.runs[first:last]

    def gaps(self, start: int, stop: int) -> list[Range]:
        """Return what of ``[start, stop)`` is neither there nor under way, in order."""
        found = []
        for run in self.between(start, stop):
            if start < run.start:
                found.append(Range(start, run.start))
            start = run.end
        if start < stop:
            found.append(Range(start, stop))
        return found

    def reach(self, start: int, stop: int) -> int:
        """Return how far the bytes are there from *start* on without a gap: at most *stop*."""
        for run in self.between(start, stop):
            if start < run.start:
                break
            start = max(start, run.filled)
            if run.filled < run.end:
                break
        return min(start, stop)

    @contextmanager
    def pinned(self, start: int, stop: int) -> Iterator[None]:
        """Keep the bytes of ``[start, stop)`` from being evicted meanwhile."""
        pin = Range(start, stop)
        self.pins.append(pin)
        try:
            yield
        finally:
            self.pins.remove(pin)

    def is_pinned(self, run: Run) -> bool:
        """Whether a read in progress waits for bytes of *run*."""
        return any(pin.start < run.end and run.start < pin.stop for pin in self.pins)

    def insert(self, run: Run) -> None:
        """Put *run* in its place."""
        index = bisect_right(self._starts, run.start)
        self.runs.insert(index, run)
        self._starts.insert(index, run.start)

    def remove(self, run: Run) -> None:
        """Take *run* out."""
        index = bisect_right(self._starts, run.start) - 1
        assert self.runs[index] is run
        del self.runs[index], self._starts[index]

    def check_invariants(self) -> None:
        """Raise AssertionError if an INVARIANT does not hold."""
        assert self._starts == [run.start for run in self.runs]
        assert all(run.start <= run.filled <= run.end for run in self.runs)
        assert all(left.end <= right.start for left, right in zip(self.runs, self.runs[1:], strict=False))

    def __repr__(self) -> str:
        return f"<Version {self.key!r} {self.etag}: {self.runs}>"


class Buffers:
    """Memory for whole blocks, *size* bytes each; what was given back is taken again first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._spare: list[bytearray | memoryview] = []

    def take(self) -> bytearray | memoryview:
        """Return a buffer, with anything in it."""
        return self._spare.pop() if self._spare else bytearray(self.size)

    def give(self, buffer: bytearray | memoryview) -> None:
        """Give a buffer back that was taken."""
        self._spare.append(buffer)

    def trim(self, keep: int) -> None:
        """Free the memory of all that were given back but *keep*."""
        del self._spare[keep:]

    def __len__(self) -> int:
        """How many were given back and are still in memory."""
        return len(self._spare)


class Blocks:
    """All runs of all versions, within *limit* bytes; a block has *block_size* bytes, and its memory is of *buffers*.

    INVARIANT: each closed run is either in ``_unread`` or in ``_spent``, an open one in neither.
    INVARIANT: ``used`` is the cost of all runs, ``_spent_cost`` that of the spent ones.
    INVARIANT: spare buffers are no more than what open runs were promised.
    """

    def __init__(self, limit: int, block_size: int, buffers: Buffers | None = None) -> None:
        self.limit = limit
        self.block_size = block_size
        self._buffers = Buffers(block_size) if buffers is None else buffers
        self.used = 0
        self.served = 0  # bytes read from here: the clock by which runs grow old
        self.wasted = 0  # bytes evicted unread
        self._versions: dict[str, dict[str, Version]] = {}
        self._unread: OrderedDict[Run, None] = OrderedDict()
        self._spent: OrderedDict[Run, None] = OrderedDict()
        self._spent_cost = 0
        self._promised = 0  # whole blocks of open runs that have no buffer yet

    # Versions

    def find(self, key: str, etag: str) -> Version | None:
        """Return the version, if there is anything of it."""
        return self._versions.get(key, {}).get(etag)

    def version(self, key: str, etag: str) -> Version:
        """Return the version, made if need be."""
        versions = self._versions.setdefault(key, {})
        version = versions.get(etag)
        if version is None:
            version = versions[etag] = Version(key, etag)
        return version

    def let_go(self, version: Version) -> None:
        """Forget *version* if nothing of it is in memory and nobody holds it."""
        if not version.runs and not version.readers:
            versions = self._versions.get(version.key, {})
            if versions.get(version.etag) is version:
                del versions[version.etag]
                if not versions:
                    del self._versions[version.key]

    def forget(self, key: str) -> None:
        """Drop all closed runs of all versions of *key*, but for what a read waits for."""
        for version in list(self._versions.get(key, {}).values()):
            self.drop(version)
            self.let_go(version)

    def drop(self, version: Version, *, pinned: bool = False) -> None:
        """Drop all closed runs of *version*; what a read waits for only with *pinned*."""
        for run in version.runs.copy():
            if run.owner is None and (pinned or not version.is_pinned(run)):
                self._evict(run)
        self._trim()

    # Reading

    def read(self, version: Version, start: int, stop: int) -> bytes | None:
        """Return the bytes of ``[start, stop)`` if all of them are there."""
        run = version.at(start)
        if run is None or run.filled <= start:
            return None
        if stop <= run.filled:
            self._touch(run, stop)
            self.served += stop - start
            return bytes(run.view[start - run.start : stop - run.start])
        if version.reach(start, stop) < stop:
            return None
        runs = version.between(start, stop)
        for run in runs:
            self._touch(run, stop)
        self.served += stop - start
        return b"".join(run.view[max(start - run.start, 0) : stop - run.start] for run in runs)

    def peek(self, version: Version, start: int, stop: int) -> bytes | None:
        """Return the same, but leave no trace: for one who copies, not reads."""
        if version.reach(start, stop) < stop:
            return None
        runs = version.between(start, stop)
        return b"".join(run.view[max(start - run.start, 0) : stop - run.start] for run in runs)

    def abandon(self, version: Version, start: int, stop: int) -> None:
        """Nobody is coming for what is unread of ``[start, stop)``: let it be the first to go."""
        for run in version.between(start, stop):
            if run in self._unread and start <= run.start and run.end <= stop:
                del self._unread[run]
                self._spend(run)
                self._spent.move_to_end(run, last=False)

    # Filling

    def begin(self, version: Version, start: int, stop: int, *, force: bool = False) -> list[Run] | None:
        """Make open runs for all that is missing of ``[start, stop)``; None when there is no room for them.

        Without *force* nothing is evicted that somebody is expected to read.  With it anything that is not pinned is,
        and if that is not enough, the budget is exceeded.
        """
        version.readers += 1
        try:
            with version.pinned(start, stop):
                size = sum(gap.size + OVERHEAD for gap in version.gaps(start, stop))
                if not self._make_room(size, force) and not force:
                    return None
        finally:
            version.readers -= 1
        runs = []
        for gap in version.gaps(start, stop):
            position = gap.start
            while position < gap.stop:
                end = min(position - position % self.block_size + self.block_size, gap.stop)
                run = Run(version, position, end)
                version.insert(run)
                runs.append(run)
                self.used += run.cost
                self._promised += end - position == self.block_size
                position = end
        self._trim()
        return runs

    def fill(self, run: Run, data: memoryview) -> None:
        """Add *data* to an open run."""
        if not run.memory:
            self._allocate(run)
        filled = run.filled - run.start
        run.view[filled : filled + len(data)] = data
        run.filled += len(data)

    def close(self, run: Run) -> None:
        """No more bytes will come for *run*: keep what came, or drop it when none came."""
        assert run.owner is not None
        if run.filled == run.start:
            self.discard(run)
            return
        if run.filled < run.end:
            # Keep as much memory as there are bytes.
            self.used -= run.end - run.filled
            run.end = run.filled
            memory = bytes(run.view[: run.end - run.start])
            self._give_back(run)
            run.memory = memory
            run.view = memoryview(memory)
            self._trim()
        run.owner = None
        run.born = self.served
        if run.read_to >= run.end:
            self._spend(run)
        else:
            self._unread[run] = None

    def discard(self, run: Run) -> None:
        """Drop an open run with all that came for it."""
        self._remove(run)
        run.owner = None
        self._trim()
        self.let_go(run.version)

    def put(self, version: Version, start: int, data: bytes | memoryview) -> None:
        """Keep *data*, which begins at byte *start*, where nothing is there or under way."""
        view = memoryview(data)
        for run in self.begin(version, start, start + len(view), force=True) or ():
            self._promised -= run.end - run.start == self.block_size
            whole = run.end - run.start == len(view)
            run.memory = bytes(data if whole else view[run.start - start : run.end - start])
            run.view = memoryview(run.memory)
            run.filled = run.end
            self.close(run)
        self._trim()
        self.let_go(version)

    # Inside

    def _make_room(self, size: int, force: bool) -> bool:
        """Evict until *size* more bytes fit; return whether they do."""
        if not force and self.used - self._spent_cost + size > self.limit and not self._is_stale(self._oldest()):
            return False  # and nothing was evicted for nothing
        for queue in (self._spent, self._unread):
            tries = len(queue)
            while self.used + size > self.limit and tries:
                tries -= 1
                run = next(iter(queue))
                if run.version.is_pinned(run):
                    queue.move_to_end(run)
                elif queue is self._spent or force or self._is_stale(run):
                    self._evict(run)
                else:
                    break
        return self.used + size <= self.limit

    def _allocate(self, run: Run) -> None:
        size = run.end - run.start
        if size == self.block_size:
            self._promised -= 1
            run.memory = self._buffers.take()
        else:
            run.memory = bytearray(size)
        run.view = memoryview(run.memory)

    def _give_back(self, run: Run) -> None:
        memory, run.memory, run.view = run.memory, b"", memoryview(b"")
        if not isinstance(memory, bytes) and len(memory) == self.block_size:
            self._buffers.give(memory)

    def _touch(self, run: Run, stop: int) -> None:
        run.read_to = max(run.read_to, min(stop, run.end))
        if run in self._spent:
            self._spent.move_to_end(run)
        elif run.owner is not None:
            pass
        elif run.read_to < run.end:
            run.born = self.served
            self._unread.move_to_end(run)
        else:
            del self._unread[run]
            self._spend(run)

    def _spend(self, run: Run) -> None:
        self._spent[run] = None
        self._spent_cost += run.cost

    def _evict(self, run: Run) -> None:
        self.wasted += run.end - run.read_to
        self._remove(run)
        self.let_go(run.version)

    def _remove(self, run: Run) -> None:
        """Take *run* out of everything, and keep its buffer for a while."""
        run.version.remove(run)
        self.used -= run.cost
        if run in self._spent:
            del self._spent[run]
            self._spent_cost -= run.cost
        else:
            self._unread.pop(run, None)
        if not run.memory:
            self._promised -= run.end - run.start == self.block_size
        self._give_back(run)

    def _trim(self) -> None:
        """Free the buffers that no open run is waiting for."""
        if len(self._buffers) > self._promised:
            self._buffers.trim(self._promised)

    def _oldest(self) -> Run | None:
        return next(iter(self._unread), None)

    def _is_stale(self, run: Run | None) -> bool:
        return run is not None and self.served - run.born > self.limit

    def check_invariants(self) -> None:
        """Raise AssertionError if an INVARIANT does not hold."""
        runs = [run for versions in self._versions.values() for version in versions.values() for run in version.runs]
        assert self.used == sum(run.cost for run in runs)
        assert self._spent_cost == sum(run.cost for run in self._spent)
        closed = {run for run in runs if run.owner is None}
        assert closed == set(self._unread) | set(self._spent)
        assert not set(self._unread) & set(self._spent)
        assert all(run.filled == run.end for run in closed)
        assert self._promised == sum(
            not run.memory and run.end - run.start == self.block_size for run in runs if run.owner is not None
        )
        assert len(self._buffers) <= self._promised
        for versions in self._versions.values():
            for version in versions.values():
                version.check_invariants()

    def __repr__(self) -> str:
        return f"<Blocks {self.used} of {self.limit} bytes, {len(self._unread)} unread, {len(self._spent)} spent>"
