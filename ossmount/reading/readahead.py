"""What to ask for, before it is asked for: a reader's pattern of reads, and the ranges to fetch.

Theory of operation.  The reads of one open file are sorted into *streams*.  A stream is first a *candidate*: one read,
fetched exactly.  When a read goes on where a candidate stopped, the candidate is *sequential*, and from then on there
is a *window*: how far ahead of the reader's *position* bytes are asked for.  What was asked for ends at the *frontier*.

    |<---- read ---->|<------------ window ------------>|
                  position            frontier

The window doubles when the reader had to wait, and only then: a program that thinks between its reads needs no more
than it has, however sequential it is.  A wait for bytes that were asked for before the last doubling says nothing about
the doubled window, so the *mark* keeps it from counting.  Hence the window is never much larger than what the stream
has read so far, and that bounds what can be fetched in vain.

A large window is cut into requests so that about `PIPELINES` are under way; requests grow with the window up to a
limit, so that they are many while latency matters and few when bandwidth does.

Two sequential streams of a file live at once, next to a few candidates; the least recently used goes.  Reads may come
a little out of order, because the kernel sends several at once: a read a little before the position belongs to its
stream.  So does a read up to `MAX_SKIP` ahead, once the stream has proved itself; the bytes between are read through
when they are under way already, else left out.

Everything else is random, and random reads are fetched exactly.  Only the first read of a reader is trusted to be the
beginning of a stream without any proof, and not even that when the file's first bytes were fetched as it was opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..ranges import Range
from .options import KIB, MIB, ReadingOptions

#: Exact reads are fetched in whole pages, the unit in which the kernel asks.
PAGE = 4 * KIB
#: A sequential reader may jump this far ahead and is still sequential.
MAX_SKIP = 16 * MIB
#: A read this far before the position is one that came late, or a short look back; a gap this small is read through.
MAX_DISORDER = MIB
#: Two reads belong together when what lies between them is no more than this many times as long as the second.
NEARNESS = 4
#: Without any wait, the window is so many times what the stream has read, up to the size of a first request.
TRUST = 8
#: How many requests a window is cut into.
PIPELINES = 16
#: How many streams are remembered.
SEQUENTIAL, CANDIDATES = 2, 4
#: A sequential stream that was not read while so many reads went on with nothing is over.
MAX_STRAYS = 32


def whole_pages(start: int, stop: int, size: int) -> Range:
    """Widen ``[start, stop)`` to whole pages of a file of *size* bytes."""
    return Range(start - start % PAGE, min(stop + -stop % PAGE, size))


class Advice(NamedTuple):
    """What to do for a read: *fetch* these ranges, in this order; nobody will come for the *abandoned* ones."""

    fetch: list[Range]
    abandoned: list[Range]


@dataclass(slots=True, eq=False)
class Stream:
    """One sequence of reads.

    INVARIANT: ``0 <= origin <= position``, and neither position nor frontier is beyond the end of the file.
    INVARIANT: the window is at most `ReadingOptions.max_window`, or the first request if that is larger.
    """

    origin: int  # where its first read began
    position: int  # one beyond the furthest byte read
    frontier: int  # what lies between the position and this was asked for
    window: int  # how far ahead to ask; 0 until it is sequential, unless it is the first of its reader
    mark: int  # waiting for bytes before this one does not double the window
    used: int  # number of the last read in it
    strays: int = 0  # how many reads had gone on with nothing by then
    sequential: bool = False

    @property
    def progress(self) -> int:
        """How many bytes it came along."""
        return self.position - self.origin

    @property
    def ahead(self) -> Range:
        """What was asked for and not read."""
        return Range(self.position, self.frontier)

    def takes(self, start: int, stop: int) -> bool:
        """Whether the read of ``[start, stop)`` goes on with this stream."""
        distance = start - self.position
        if not self.sequential:
            near = NEARNESS * (stop - start)
            # A page that is read again and again is no stream: it must come along.
            return stop > self.position and -near <= distance <= near
        skip = MAX_SKIP if self.progress >= MIB else self.progress
        return -MAX_DISORDER <= distance <= max(skip, self.window)


class Readahead:
    """The streams of one open file of *size* bytes; *trusting*: the first read begins a stream, as far as we know."""

    def __init__(self, size: int, options: ReadingOptions, *, trusting: bool = True) -> None:
        self._size = size
        self._options = options
        self._trusting = trusting
        self._reads = 0
        self._strays = 0  # reads that went on with nothing
        self._streams: list[Stream] = []

    @property
    def sequential(self) -> int:
        """How many sequential streams there are: how many windows want memory."""
        return sum(stream.sequential for stream in self._streams)

    @property
    def ahead(self) -> list[Range]:
        """What all streams asked for and did not read."""
        return [stream.ahead for stream in self._streams if stream.ahead]

    def observe(self, offset: int, size: int, waited: bool, limit: int | None = None) -> Advice:
        """Tell of a read of *size* bytes at *offset*, and return what to fetch.

        *waited*: not all the bytes were there.  *limit*: the largest window for now, in bytes, as memory is shared.
        The ranges may hold bytes that are there or under way.  What the read needs may be missing from them when it
        was asked for earlier: the shell looks whether it really is there or under way.
        """
        stop = min(offset + size, self._size)
        if offset >= stop:
            return Advice([], [])
        self._reads += 1
        abandoned = self._retire()
        stream = max((s for s in self._streams if s.takes(offset, stop)), key=lambda s: s.used, default=None)
        if stream is None:
            stream, fetch = self._begin(offset, stop)
        else:
            abandoned += self._follow(stream, offset, stop)
            fetch = self._extend(stream, stop, waited, limit)
        stream.used, stream.strays = self._reads, self._strays
        abandoned += self._crowd_out(stream)
        return Advice(fetch, abandoned)

    def refuse(self, start: int, *, shrink: bool = False) -> None:
        """Take back what was just advised from byte *start* on; with *shrink* halve the window: there is no room."""
        for stream in self._streams:
            if stream.used == self._reads and stream.frontier > start:
                stream.frontier = max(start, stream.position)
                if shrink:
                    stream.window = max(stream.window // 2, min(stream.window, self._options.block_size))

    def lose(self, lost: Range) -> None:
        """Forget that *lost* was asked for: the request failed, and whoever needs the bytes will ask again."""
        for stream in self._streams:
            if stream.ahead.intersection(lost):
                stream.frontier = max(lost.start, stream.position)
                stream.window = min(stream.window, self._options.first_request)

    def close(self) -> list[Range]:
        """Forget all streams, and return what was asked for and nobody will come for."""
        abandoned = self.ahead
        self._streams.clear()
        return abandoned

    def _begin(self, start: int, stop: int) -> tuple[Stream, list[Range]]:
        """Make a candidate of a read that goes on with nothing."""
        first = self._trusting and self._reads == 1
        self._strays += 1
        ahead = max(stop, start + self._options.first_request) if first else stop
        wanted = whole_pages(start, ahead, self._size)
        window = self._options.first_request if first else 0
        stream = Stream(start, stop, wanted.stop, window, mark=0, used=self._reads)
        self._streams.append(stream)
        return stream, [wanted]

    def _follow(self, stream: Stream, start: int, stop: int) -> list[Range]:
        """Move *stream* along, and return what it leaves out."""
        left_out = Range(stream.position, min(start, stream.frontier))
        if start - stream.position > MAX_DISORDER:
            # A skip puts the window in doubt: if this is the end of the sequence, little was fetched in vain.
            stream.window = max(stream.window // 2, min(stream.window, self._options.first_request))
        if start - stream.frontier > MAX_DISORDER:
            stream.frontier = start - start % PAGE
        stream.position = max(stream.position, stop)
        return [left_out] if left_out.size > MAX_DISORDER else []

    def _extend(self, stream: Stream, stop: int, waited: bool, limit: int | None) -> list[Range]:
        """Grow the window if need be, and ask for what is in it and was not asked for."""
        options = self._options
        stream.sequential = True
        stream.window = max(stream.window, min(TRUST * stream.progress, options.first_request))
        if waited and stop > stream.mark:
            stream.window = min(stream.window * 2, options.max_window)
            stream.mark = max(stream.frontier, stream.position)
        if limit is not None:
            stream.window = max(min(stream.window, limit), min(stream.window, options.block_size))
        target = stream.position + stream.window
        step = max(min(stream.window // PIPELINES, options.request_size), min(stream.window, options.block_size))
        fetch = []
        while stream.frontier < min(target, self._size):
            end = stream.frontier + step
            if step >= options.block_size:
                end -= end % options.block_size  # from here on requests begin and end with a block
            else:
                end = max(end, stream.position + step)  # a small window is one request
            end = min(end, self._size)
            if end > target and end < self._size and stream.frontier >= stream.position:
                break  # a request is sent when all of it is in the window, not in crumbs
            fetch.append(Range(stream.frontier, end))
            stream.frontier = end
        return fetch

    def _retire(self) -> list[Range]:
        """Drop sequential streams that nobody reads any more."""
        return self._drop([s for s in self._streams if s.sequential and self._strays - s.strays > MAX_STRAYS])

    def _crowd_out(self, keep: Stream) -> list[Range]:
        """Drop the streams that are too many, the least recently used first."""
        if len(self._streams) == 1:
            return []
        others = sorted((s for s in self._streams if s is not keep), key=lambda s: s.used, reverse=True)
        sequential = [s for s in others if s.sequential]
        candidates = [s for s in others if not s.sequential]
        return self._drop(sequential[SEQUENTIAL - keep.sequential :] + candidates[CANDIDATES - (not keep.sequential) :])

    def _drop(self, streams: list[Stream]) -> list[Range]:
        if streams:
            self._streams = [s for s in self._streams if s not in streams]
        return [stream.ahead for stream in streams if stream.ahead]

    def check_invariants(self) -> None:
        """Raise AssertionError if an INVARIANT does not hold."""
        assert self.sequential <= SEQUENTIAL
        assert len(self._streams) - self.sequential <= CANDIDATES
        for stream in self._streams:
            assert 0 <= stream.origin <= stream.position <= self._size
            assert stream.frontier <= self._size
            assert stream.window <= max(self._options.max_window, self._options.first_request)

    def __repr__(self) -> str:
        return f"<Readahead of {self._size} bytes: {self._streams}>"
