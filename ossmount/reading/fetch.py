"""One ranged GET under way, the runs it fills, and those who wait for its bytes.

A fetch is a task of its own: the read that caused it may be cancelled, or may be served before the fetch is done,
since whoever waits is woken when *its* bytes have come.  Bytes go from the answer's chunks straight into the blocks.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Protocol

import trio

from ..ranges import Range
from ..wire.checksums import crc64
from ..wire.errors import BrokenResponse, IntegrityError, OSSError, PreconditionFailed, TransportError
from .whole import Whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from ..wire.models import ObjectHead, Source
    from .blocks import Blocks, Run, Version
    from .diskcache import BlockName, DiskCache

log = logging.getLogger(__name__)

#: How often in a row a GET may break off without a byte before that is an error.  The client has retried by itself
#: what can be retried before the body begins; here it is only bodies that end early.
MAX_BREAKS = 3


class Opener(Protocol):
    """What is needed of a `Bucket`."""

    @property
    def name(self) -> str: ...

    def open_object(
        self, key: str, *, start: int, stop: int, if_match: str
    ) -> AbstractAsyncContextManager[tuple[ObjectHead, AsyncIterator[bytes]]]: ...


class Fetch:
    """A request for the bytes of *runs* and whatever is between them.

    INVARIANT: *runs* are open, sorted, owned by this fetch, and those before *position* are closed and gone from it.
    """

    def __init__(self, source: Source, version: Version, runs: Sequence[Run], *, ahead: bool) -> None:
        self.source = source
        self.version = version
        self.start = runs[0].start
        self.stop = runs[-1].end
        self.position = self.start  # the bytes before it are there
        self.ahead = ahead  # nobody waited for it when it began
        self.users: set[object] = set()  # readers that count on it
        self.scope = trio.CancelScope()
        self.error: Exception | None = None
        self.done = False
        self.spoiled = False
        self.verified = False  # it brought the last piece of a whole that is right
        self._runs = deque(runs)
        self._crc: int | None = None  # of what came of the first of the runs, all of it
        self._waiters: list[tuple[int, trio.Event]] = []
        for run in runs:
            run.owner = self

    @property
    def range(self) -> Range:
        """All it asks for."""
        return Range(self.start, self.stop)

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for it or counts on it."""
        return bool(self._waiters or self.users)

    async def wait(self, position: int) -> None:
        """Wait until the bytes before *position* have come or nothing more will.

        Raises:
            OSSError: the request failed.
        """
        if self.position < position and not self.done:
            event = trio.Event()
            waiter = (position, event)
            self._waiters.append(waiter)
            try:
                await event.wait()
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
        if self.position < position and self.error is not None:
            raise self.error

    def leave(self, user: object, patience: int) -> None:
        """*user* does not need it any more: stop it if nobody does, unless no more than *patience* bytes are to come.

        To stop in the middle of an answer costs the connection.
        """
        self.users.discard(user)
        if not self.wanted and self.stop - self.position > patience:
            self.scope.cancel()

    def spoil(self) -> None:
        """The bytes of this version are not to be trusted: stop, and keep nothing."""
        self.spoiled = True
        self.scope.cancel()

    async def run(self, bucket: Opener, blocks: Blocks) -> None:
        """Fetch; never raises but what cancels the task.  Afterwards no run is open, and everybody is awake."""
        try:
            with self.scope:
                await self._receive(bucket, blocks)
        except OSSError as exc:
            self.error = exc
        except Exception as exc:  # whatever it is, those who wait must hear of it, and the mount lives on
            log.exception("%s: reading %d..%d failed", self.source.key, self.start, self.stop)
            self.error = exc
        finally:
            if self.position < self.stop and self.error is None and not self.scope.cancel_called:
                self.error = trio.ClosedResourceError("reading was closed")
            self._finish(blocks)

    async def _receive(self, bucket: Opener, blocks: Blocks) -> None:
        source = self.source
        breaks = 0
        while self.position < self.stop:
            begun = self.position
            try:
                async with bucket.open_object(source.key, start=begun, stop=self.stop, if_match=source.etag) as (
                    head,
                    chunks,
                ):
                    self._check(head)
                    async for chunk in chunks:
                        self._take(chunk, blocks)
                if self.position < self.stop:
                    raise BrokenResponse(f"{self.stop - self.position} bytes of {source.key!r} did not come")
            except TransportError as exc:
                breaks = 0 if self.position > begun else breaks + 1
                if not exc.transient or breaks >= MAX_BREAKS:
                    raise
                log.info(
                    "%s: the answer broke off at byte %d of %d..%d: %s", source.key, self.position, *self._range, exc
                )

    @property
    def _range(self) -> tuple[int, int]:
        return self.start, self.stop

    def _check(self, head: ObjectHead) -> None:
        """See that it is the right object; If-Match should have seen to it."""
        source = self.source
        total = head.size if head.content_range is None else head.content_range[2]
        if total != source.size or (head.etag and head.etag != source.etag):
            raise PreconditionFailed(
                f"{source.key!r} is {head.etag} of {total} bytes, not {source.etag} of {source.size}"
            )
        if self.version.whole is None and head.crc64 is not None:
            self.version.whole = Whole(source.size, head.crc64)

    def _take(self, chunk: bytes, blocks: Blocks) -> None:
        """Put *chunk* where it belongs."""
        view = memoryview(chunk)
        while view and self._runs:
            run = self._runs[0]
            between = min(run.start - self.position, len(view))
            if between > 0:  # this was there before
                self.position += between
                view = view[between:]
                continue
            piece = view[: run.end - self.position]
            self._sum_up(run, piece)
            blocks.fill(run, piece)
            self.position += len(piece)
            view = view[len(piece) :]
            if run.filled == run.end:
                self._runs.popleft()
                blocks.close(run)
        self._wake()

    def _sum_up(self, run: Run, piece: memoryview) -> None:
        """Add *piece* to the checksums.  The last piece of a whole that is wrong is not given to anybody."""
        whole = self.version.whole
        before = 0 if self.position == run.start else self._crc
        if whole is None or whole.verified or before is None:
            self._crc = None
            return
        self._crc = crc64(piece, before)
        if self.position + len(piece) == run.end:
            self._add(whole, run.start, run.end, self._crc)

    def _add(self, whole: Whole, start: int, stop: int, crc: int) -> None:
        if not whole.add(start, stop, crc):
            raise IntegrityError(f"the CRC-64 of {self.source.key!r} is not the {whole.crc} that OSS says")
        self.verified = whole.verified

    def _wake(self) -> None:
        if self._waiters:
            waiting = []
            for waiter in self._waiters:
                if self.position >= waiter[0]:
                    waiter[1].set()
                else:
                    waiting.append(waiter)
            self._waiters = waiting

    def _finish(self, blocks: Blocks) -> None:
        self.done = True
        trusted = not self.spoiled and not isinstance(self.error, IntegrityError)
        whole = self.version.whole
        if trusted and whole is not None and self._crc is not None and self._runs:
            run = self._runs[0]
            try:
                self._add(whole, run.start, run.filled, self._crc)
            except IntegrityError as exc:
                self.error, trusted = exc, False
        for run in self._runs:
            if trusted:
                blocks.close(run)
            else:
                blocks.discard(run)
        self._runs.clear()
        for _, event in self._waiters:
            event.set()
        self._waiters.clear()

    def __repr__(self) -> str:
        state = "done" if self.done else f"{len(self._waiters)} waiting"
        return f"<Fetch {self.source.key!r} {self.start}..{self.position}..{self.stop}, {state}>"


class DiskFetch(Fetch):
    """The same from the cache on disk, for runs of one *block*; from OSS, if that turns out not to have it."""

    def __init__(
        self, source: Source, version: Version, runs: Sequence[Run], *, ahead: bool, disk: DiskCache, block: BlockName
    ) -> None:
        super().__init__(source, version, runs, ahead=ahead)
        self._disk = disk
        self._block = block

    async def _receive(self, bucket: Opener, blocks: Blocks) -> None:
        data = await self._disk.load(self._block)
        first = self._block.index * blocks.block_size
        if data is None or len(data) < self.stop - first:
            await super()._receive(bucket, blocks)
        else:
            self._take(data[self.start - first : self.stop - first], blocks)
