"""Reading: clean bytes of object versions, for all open files of a mount.

`Reading` is the loop of the room's pure parts: `Readahead` says what to ask for, `Blocks` what is there and whether
there is room, and fetches bring the rest.  Tasks run in the nursery that was given; a read only ever waits for them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from ..ranges import Range
from ..wire.checksums import crc64
from ..wire.errors import IntegrityError
from .arena import Arena
from .blocks import Blocks
from .diskcache import BlockName, DiskCache, DiskStatistics
from .fetch import DiskFetch, Fetch
from .options import KIB, ReadingOptions
from .readahead import Advice, Readahead, whole_pages
from .whole import Whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..wire.models import Source
    from .blocks import Run, Version
    from .fetch import Opener

log = logging.getLogger(__name__)

#: Two missing pieces of one block this near to each other are fetched by one request.
MAX_HOLE = 128 * KIB


@dataclass(frozen=True)
class ReadingStatistics:
    """What the room did so far, and holds now; sizes in bytes.

    A read is a *hit* when all its bytes were in memory, else a *miss*.  *prefetched* is what was asked for before
    anybody wanted it, *wasted* what left memory before anybody read it.
    """

    hits: int
    misses: int
    requests: int
    requests_under_way: int
    in_memory: int
    fetched: int
    prefetched: int
    wasted: int
    verified: int
    mismatches: int
    readers: int
    disk: DiskStatistics

    @property
    def disk_hits(self) -> int:
        """How many blocks came from disk."""
        return self.disk.hits


class Reading:
    """The clean bytes of a *bucket*, under one budget; one for each mount."""

    def __init__(self, bucket: Opener, *, nursery: trio.Nursery, options: ReadingOptions | None = None) -> None:
        self.options = options or ReadingOptions()
        arena = Arena(self.options.block_size, self.options.memory)
        self.blocks = Blocks(self.options.memory, self.options.block_size, arena)
        self._bucket = bucket
        self._nursery = nursery
        self._readers: set[Reader] = set()
        self._fetches: set[Fetch] = set()
        self._idle = trio.Event()
        self._closed = False
        self._wrong: set[tuple[str, str]] = set()  # what was wrong, since it was last asked for
        self._requests = self._fetched = self._prefetched = self._verified = self._mismatches = 0
        self.hits = self.misses = 0
        self._share = self._share_until = 0
        self._disk: DiskCache | None = None
        self._disk_scope = trio.CancelScope()
        if self.options.cache_dir is not None and self.options.cache_size:
            self._disk = DiskCache(self.options.cache_dir, self.options.cache_size, namespace=bucket.name)
            nursery.start_soon(self._run_disk, self._disk)

    def reader(self, source: Source) -> Reader:
        """Return a reader of *source*, to be closed; readers of the same key and ETag share what they fetch.

        Raises:
            ValueError: *source* has no ETag, so nobody could know that its bytes belong together.
        """
        reader = Reader(self, source, self._version(source))
        self._readers.add(reader)
        self._share_until = 0
        return reader

    def put(self, source: Source, start: int, data: bytes | memoryview) -> None:
        """Keep bytes of *source* that came with another answer; *start* is where they begin, anywhere."""
        size = min(len(data), source.size - start)
        if size <= 0 or size > self.options.memory // 2:
            return
        version = self._version(source)
        view = memoryview(data)[:size]
        whole = version.whole
        if whole is not None and not whole.verified and not whole.add(start, start + size, crc64(view)):
            self._distrust(version)
            return
        self.blocks.put(version, start, data if size == len(data) else view)
        self._keep_on_disk(source, version, start, start + size)

    def get(self, source: Source, start: int, stop: int) -> bytes | None:
        """Return the bytes of ``[start, stop)``, clipped at the end, if all are in memory; never waits."""
        version = self.blocks.find(source.key, source.etag)
        stop = min(stop, source.size)
        if start >= stop:
            return b""
        return None if version is None else self.blocks.read(version, start, stop)

    def has(self, source: Source, start: int, stop: int) -> bool:
        """Whether `get` would return them."""
        version = self.blocks.find(source.key, source.etag)
        stop = min(stop, source.size)
        return start >= stop or (version is not None and version.reach(start, stop) >= stop)

    def was_wrong(self, source: Source) -> bool:
        """Whether bytes of *source* turned out to be wrong since this was last asked: whoever keeps some drops them."""
        found = (source.key, source.etag) in self._wrong
        self._wrong.discard((source.key, source.etag))
        return found

    def distrust(self, source: Source) -> None:
        """Drop what there is of *source*: somebody found that its bytes are wrong."""
        version = self.blocks.find(source.key, source.etag)
        if version is not None:
            self._distrust(version)

    def forget(self, key: str) -> None:
        """Free what is in memory of all versions of *key*."""
        self.blocks.forget(key)

    def statistics(self) -> ReadingStatistics:
        """Return what was done so far, and what there is now."""
        return ReadingStatistics(
            hits=self.hits,
            misses=self.misses,
            requests=self._requests,
            requests_under_way=len(self._fetches),
            in_memory=self.blocks.used,
            fetched=self._fetched,
            prefetched=self._prefetched,
            wasted=self.blocks.wasted,
            verified=self._verified,
            mismatches=self._mismatches,
            readers=len(self._readers),
            disk=DiskStatistics() if self._disk is None else self._disk.statistics(),
        )

    async def aclose(self) -> None:
        """Stop everything under way; readers fail from now on."""
        self._closed = True
        for fetch in self._fetches:
            fetch.scope.cancel()
        self._disk_scope.cancel()
        while self._fetches:
            self._idle = trio.Event()
            await self._idle.wait()
        await trio.lowlevel.checkpoint()

    # For readers

    @property
    def closed(self) -> bool:
        """Whether there will be no more bytes."""
        return self._closed

    def share(self) -> int:
        """How large the window of one stream may be: a fair share of three quarters of the memory."""
        if self.blocks.served >= self._share_until:
            recent = self.blocks.served - self.options.memory
            streams = sum(reader.streams for reader in self._readers if reader.last_read >= recent)
            self._share = self.options.memory * 3 // 4 // max(streams, 1)
            self._share_until = self.blocks.served + self.options.block_size
        return self._share

    def closed_reader(self, reader: Reader) -> None:
        """*reader* needs nothing any more."""
        self._readers.discard(reader)
        self._share_until = 0
        self.blocks.let_go(reader.version)

    def has_slot(self) -> bool:
        """Whether a request for bytes that nobody waits for may begin."""
        return len(self._fetches) < self.options.parallel

    def ask(self, reader: Reader, wanted: Range, *, ahead: bool, force: bool = False) -> bool:
        """Send requests for what of *wanted* is neither there nor under way; False when there is no room for it."""
        if self._closed:
            raise trio.ClosedResourceError("reading was closed")
        version = reader.version
        if self._disk is not None:
            wanted = self._widen(self._disk, reader.source, wanted)
        for fetch in self.under_way(version, wanted.start, wanted.stop):
            fetch.users.add(reader)
        runs = self.blocks.begin(version, wanted.start, wanted.stop, force=force)
        if runs is None:
            return False
        for fetch in self._requests_for(reader.source, version, runs, ahead):
            fetch.users.add(reader)
            self._fetches.add(fetch)
            self._nursery.start_soon(self._run, fetch)
        return True

    def under_way(self, version: Version, start: int, stop: int) -> Iterator[Fetch]:
        """Yield the requests that are to bring bytes of ``[start, stop)``."""
        for run in version.between(start, stop):
            if isinstance(run.owner, Fetch):
                yield run.owner

    # Inside

    def _version(self, source: Source) -> Version:
        if not source.etag:
            raise ValueError(f"{source.key!r} cannot be read without an ETag")
        version = self.blocks.version(source.key, source.etag)
        if version.whole is None and source.crc64 is not None:
            version.whole = Whole(source.size, source.crc64)
        return version

    def _widen(self, disk: DiskCache, source: Source, wanted: Range) -> Range:
        """Begin and end with a whole block where it is on disk: it has to be read and checked as a whole anyway."""
        start, stop = wanted
        size = self.options.block_size
        if disk.has(BlockName(source.key, source.etag, start // size)):
            start -= start % size
        if disk.has(BlockName(source.key, source.etag, (stop - 1) // size)):
            stop = min(stop + -stop % size, source.size)
        return Range(start, stop)

    def _requests_for(self, source: Source, version: Version, runs: list[Run], ahead: bool) -> Iterator[Fetch]:
        """Divide *runs* into requests: as few as may be, none too large, and blocks that are on disk from there."""
        group: list[Run] = []
        for run in runs:
            block = BlockName(source.key, source.etag, run.start // self.options.block_size)
            if self._disk is not None and self._disk.has(block):
                yield DiskFetch(source, version, [run], ahead=ahead, disk=self._disk, block=block)
                continue
            if group and (run.start - group[-1].end > MAX_HOLE or run.end - group[0].start > self.options.request_size):
                yield Fetch(source, version, group, ahead=ahead)
                group = []
            group.append(run)
        if group:
            yield Fetch(source, version, group, ahead=ahead)

    async def _run(self, fetch: Fetch) -> None:
        if not isinstance(fetch, DiskFetch):
            self._requests += 1
        try:
            await fetch.run(self._bucket, self.blocks)
        finally:
            self._fetches.discard(fetch)
            if not self._fetches:
                self._idle.set()
        came = fetch.position - fetch.start
        self._fetched += came
        self._prefetched += came if fetch.ahead else 0
        self._verified += fetch.verified
        if isinstance(fetch.error, IntegrityError):
            self._distrust(fetch.version)
        elif fetch.error is not None:
            log.debug("%r failed: %s", fetch, fetch.error)
            for reader in self._readers:
                if reader in fetch.users:
                    reader.lost(fetch)
        if not fetch.users:
            self.blocks.abandon(fetch.version, fetch.start, fetch.stop)
        if not fetch.spoiled:
            self._keep_on_disk(fetch.source, fetch.version, fetch.start, fetch.position)
        self.blocks.let_go(fetch.version)

    def _distrust(self, version: Version) -> None:
        """Drop all that is known of *version*, and what is under way: the checksum of the whole is wrong."""
        log.warning("%s: the bytes that came do not have the CRC-64 of the object, and are fetched again", version.key)
        self._mismatches += 1
        self._wrong.add((version.key, version.etag))
        self.blocks.drop(version, pinned=True)
        for fetch in self._fetches:
            if fetch.version is version:
                fetch.spoil()
        if self._disk is not None and version.whole is not None:
            count = -(-version.whole.size // self.options.block_size)
            blocks = [BlockName(version.key, version.etag, index) for index in range(count)]
            self._nursery.start_soon(self._disk.discard, blocks)

    def _keep_on_disk(self, source: Source, version: Version, start: int, stop: int) -> None:
        """Have the blocks written to disk that have bytes in ``[start, stop)`` and are in memory as a whole."""
        if self._disk is None or self._closed:
            return
        size = self.options.block_size
        for index in range(start // size, -(-stop // size)):
            first, last = index * size, min((index + 1) * size, source.size)
            if version.reach(first, last) == last:
                block = BlockName(source.key, source.etag, index)
                self._disk.keep(block, partial(self.blocks.peek, version, first, last))

    async def _run_disk(self, disk: DiskCache) -> None:
        with self._disk_scope:
            await disk.run()

    def __repr__(self) -> str:
        return (
            f"<Reading of {self._bucket.name}: {len(self._readers)} readers, {len(self._fetches)} requests under way>"
        )


class Reader:
    """The reads of one open file; made by `Reading.reader`."""

    def __init__(self, reading: Reading, source: Source, version: Version) -> None:
        self.source = source
        self.version = version
        self.streams = 0  # how many windows it has
        self.last_read = reading.blocks.served  # when it was last read, by the clock of the blocks
        self._reading = reading
        self._readahead = Readahead(source.size, reading.options, trusting=not version.runs)
        self._closed = False
        self._given = False  # whether anything was returned since the checksum last failed
        self._failures = 0 if version.whole is None else version.whole.failures
        version.readers += 1

    async def read(self, offset: int, size: int) -> bytes:
        """Return the *size* bytes at *offset*, fewer only at the end of the file.

        Raises:
            PreconditionFailed: the object is another by now.
            NoSuchKey: it is gone.
            IntegrityError: bytes that came, now or earlier, do not have the checksum of the object.
            OSSError: they could not be fetched.
            trio.ClosedResourceError: the reader was closed.
        """
        reading, blocks, version = self._reading, self._reading.blocks, self.version
        if self._closed or reading.closed:
            raise trio.ClosedResourceError("the reader was closed")
        self._check_trust()
        stop = min(offset + size, self.source.size)
        if offset >= stop:
            await trio.lowlevel.checkpoint()
            return b""
        data = blocks.read(version, offset, stop)
        advice = self._readahead.observe(offset, stop - offset, data is None, reading.share())
        self.streams = self._readahead.sequential
        self.last_read = blocks.served
        if data is not None:
            reading.hits += 1
            self._follow(advice, offset, stop)
            await trio.lowlevel.checkpoint()
        else:
            reading.misses += 1
            with version.pinned(offset, stop):
                self._follow(advice, offset, stop)
                data = await self._wait(offset, stop)
        self._given = True
        return data

    def close(self) -> None:
        """Stop what was asked for ahead, and let go of the bytes."""
        if self._closed:
            return
        self._closed = True
        self._abandon(self._readahead.close())
        for fetch in list(self._reading.under_way(self.version, 0, self.source.size)):
            fetch.leave(self, self._reading.options.block_size)
        self.version.readers -= 1
        self._reading.closed_reader(self)

    def lost(self, fetch: Fetch) -> None:
        """*fetch* failed."""
        self._readahead.lose(fetch.range)

    def _follow(self, advice: Advice, start: int, stop: int) -> None:
        """Do as readahead says, as far as there is room, and ask for the read itself in any case."""
        self._abandon(advice.abandoned)
        reading = self._reading
        for wanted in advice.fetch:
            if wanted.start < stop and start < wanted.stop:  # the read itself needs it
                reading.ask(self, wanted, ahead=False)
            elif not reading.has_slot():
                self._readahead.refuse(wanted.start)
                break
            elif not reading.ask(self, wanted, ahead=True):
                self._readahead.refuse(wanted.start, shrink=True)
                break
        if self.version.gaps(start, stop):
            reading.ask(self, whole_pages(start, stop, self.source.size), ahead=False, force=True)

    def _abandon(self, ranges: list[Range]) -> None:
        """Nobody is coming for these bytes, unless another reader is."""
        for start, stop in ranges:
            for fetch in list(self._reading.under_way(self.version, start, stop)):
                fetch.leave(self, self._reading.options.block_size)
            if self.version.readers == 1:
                self._reading.blocks.abandon(self.version, start, stop)

    async def _wait(self, start: int, stop: int) -> bytes:
        """Return the bytes of ``[start, stop)`` as soon as they are there."""
        reading, version = self._reading, self.version
        trusting = True
        while True:
            self._check_trust()
            data = reading.blocks.read(version, start, stop)
            if data is not None:
                return data
            if self._closed:
                raise trio.ClosedResourceError("the reader was closed")
            position = version.reach(start, stop)
            run = version.at(position)
            if run is None:
                missing = whole_pages(position, stop, self.source.size)
                reading.ask(self, missing, ahead=False, force=True)
                continue
            assert isinstance(run.owner, Fetch)
            run.owner.users.add(self)
            try:
                await run.owner.wait(min(stop, run.owner.stop))
            except IntegrityError:
                self._check_trust()
                if not trusting:
                    raise
                trusting = False  # nobody saw the wrong bytes: fetch them once more
            # what came may be less than all, may have been evicted, or the request was stopped: look again

    def _check_trust(self) -> None:
        """Raise IntegrityError, once, if bytes that were returned earlier turned out to be wrong."""
        failures = 0 if self.version.whole is None else self.version.whole.failures
        if failures != self._failures:
            given, self._given, self._failures = self._given, False, failures
            if given:
                raise IntegrityError(f"bytes of {self.source.key!r} that were read do not have its CRC-64")

    def __repr__(self) -> str:
        return f"<Reader of {self.source.key!r} {self._readahead!r}>"
