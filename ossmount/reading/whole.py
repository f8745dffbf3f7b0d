"""The CRC-64 of a whole object, put together from the requests that fetched it.

OSS tells the CRC-64 of the object with each answer, also when only a range was asked for.  No single range can be
checked by it, but all of them can: each piece that came has a CRC, pieces that touch are joined, and when one piece is
the object, it must be the object's.
"""

from __future__ import annotations

from ..ranges import RangeSet
from ..wire.checksums import crc64_combine

#: With more pieces than this nobody is downloading the whole, and they are forgotten.
MAX_PIECES = 4096


class Whole:
    """What came of an object of *size* bytes whose CRC-64 is *crc*.

    INVARIANT: pieces are disjoint and no two of them touch.
    """

    __slots__ = ("_came", "_ends", "_pieces", "crc", "failures", "size", "verified")

    def __init__(self, size: int, crc: int) -> None:
        self.size = size
        self.crc = crc
        self.verified = False
        self.failures = 0  # how often it was not the object's
        self._pieces: dict[int, tuple[int, int]] = {}  # start -> stop, crc
        self._ends: dict[int, int] = {}  # stop -> start
        self._came = RangeSet()  # the same ranges

    def add(self, start: int, stop: int, crc: int) -> bool:
        """Tell that the bytes of ``[start, stop)`` came and have *crc*; return False when the whole is wrong.

        Bytes that came a second time, because they had been evicted, count only if they repeat no part of a piece.
        After a failure everything has to come again.
        """
        if self.verified or start >= stop or self._came.overlaps(start, stop):
            return True
        if len(self._pieces) >= MAX_PIECES:
            self._clear()
        self._came.add(start, stop)
        if start in self._ends:
            begin = self._ends.pop(start)
            _, before = self._pieces.pop(begin)
            crc = crc64_combine(before, crc, stop - start)
            start = begin
        if stop in self._pieces:
            end, after = self._pieces.pop(stop)
            del self._ends[end]
            crc = crc64_combine(crc, after, end - stop)
            stop = end
        self._pieces[start] = (stop, crc)
        self._ends[stop] = start
        if stop - start < self.size:
            return True
        self._clear()
        self.verified = crc == self.crc
        self.failures += not self.verified
        return self.verified

    def _clear(self) -> None:
        self._pieces.clear()
        self._ends.clear()
        self._came.clear()

    def __repr__(self) -> str:
        state = "verified" if self.verified else f"pieces {sorted(self._pieces)}"
        return f"<Whole of {self.size} bytes, {state}, {self.failures} failures>"
