"""Half-open ranges of bytes, and sets of them.

The maps of the house are made of these: which bytes of a file are dirty, which are present, which are wanted.  A
`RangeSet` keeps its ranges sorted, disjoint and never touching, in two parallel lists, so that every question is a
bisection and every change replaces one slice: the shift of the tail is a `memmove` and costs less than any tree would
up to millions of ranges.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Range", "RangeSet"]


class Range(NamedTuple):
    """The bytes from *start* up to, not including, *stop*.  Empty when ``start >= stop``."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many bytes; 0 for an empty range."""
        return max(self.stop - self.start, 0)

    def __bool__(self) -> bool:
        return self.start < self.stop

    def intersection(self, other: Range) -> Range:
        """The bytes that both have; an empty range (maybe with ``stop < start``) when they have none."""
        return Range(max(self.start, other.start), min(self.stop, other.stop))

    def contains(self, other: Range) -> bool:
        """Whether every byte of *other* is in this range."""
        return not other or (self.start <= other.start and other.stop <= self.stop)


class RangeSet:
    """A mutable set of non-negative integers, kept as few ranges.

    Every method takes half-open ``start, stop`` in bytes; an empty range changes nothing and is always covered.

    INVARIANT: ``_starts`` and ``_stops`` have the same length.
    INVARIANT: ``_starts[i] < _stops[i] < _starts[i + 1]``: sorted, none empty, none touching its neighbour.
    INVARIANT: ``total`` is the sum of the sizes.
    """

    __slots__ = ("_starts", "_stops", "_total")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._total = 0
        for start, stop in ranges:
            self.add(start, stop)

    @property
    def total(self) -> int:
        """How many bytes there are in all ranges."""
        return self._total

    @property
    def start(self) -> int:
        """The first byte, or 0 when the set is empty."""
        return self._starts[0] if self._starts else 0

    @property
    def stop(self) -> int:
        """One beyond the last byte, or 0 when the set is empty."""
        return self._stops[-1] if self._stops else 0

    def add(self, start: int, stop: int) -> None:
        """Put ``[start, stop)`` in.

        Raises:
            ValueError: *start* is negative.
        """
        if start < 0:
            raise ValueError(f"a range cannot start at {start}")
        if start >= stop:
            return
        # Ranges first..last overlap or touch the new one: they all become one.
        first = bisect_left(self._stops, start)
        last = bisect_right(self._starts, stop)
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._replace(first, last, [start], [stop])

    def remove(self, start: int, stop: int) -> None:
        """Take ``[start, stop)`` out, whether it was in or not."""
        if start >= stop:
            return
        first = bisect_right(self._stops, start)
        last = bisect_left(self._starts, stop)
        if first >= last:
            return
        starts: list[int] = []
        stops: list[int] = []
        if self._starts[first] < start:
            starts.append(self._starts[first])
            stops.append(start)
        if stop < self._stops[last - 1]:
            starts.append(stop)
            stops.append(self._stops[last - 1])
        self._replace(first, last, starts, stops)

    def clip(self, stop: int) -> None:
        """Take out everything from *stop* on."""
        self.remove(stop, self.stop)

    def clear(self) -> None:
        """Take everything out."""
        self._replace(0, len(self._starts), [], [])

    def covers(self, start: int, stop: int) -> bool:
        """Whether every byte of ``[start, stop)`` is in."""
        if start >= stop:
            return True
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and stop <= self._stops[index]

    def overlaps(self, start: int, stop: int) -> bool:
        """Whether any byte of ``[start, stop)`` is in."""
        return start < stop and bisect_right(self._stops, start) < bisect_left(self._starts, stop)

    def intersection(self, start: int, stop: int) -> list[Range]:
        """What is in of ``[start, stop)``, in order."""
        if start >= stop:
            return []
        first = bisect_right(self._stops, start)
        last = bisect_left(self._starts, stop)
        return [Range(max(self._starts[i], start), min(self._stops[i], stop)) for i in range(first, last)]

    def gaps(self, start: int, stop: int) -> list[Range]:
        """What is missing of ``[start, stop)``, in order."""
        found = []
        for present in self.intersection(start, stop):
            if start < present.start:
                found.append(Range(start, present.start))
            start = present.stop
        if start < stop:
            found.append(Range(start, stop))
        return found

    def copy(self) -> RangeSet:
        """An independent set with the same bytes."""
        twin = RangeSet()
        twin._starts = self._starts.copy()
        twin._stops = self._stops.copy()
        twin._total = self._total
        return twin

    def check_invariants(self) -> None:
        """Raise AssertionError if an INVARIANT of the class comment does not hold."""
        assert len(self._starts) == len(self._stops)
        assert all(start < stop for start, stop in zip(self._starts, self._stops, strict=True))
        assert all(stop < start for stop, start in zip(self._stops, self._starts[1:], strict=False))
        assert self._total == sum(self._stops) - sum(self._starts)

    def _replace(self, first: int, last: int, starts: list[int], stops: list[int]) -> None:
        self._total += sum(stops) - sum(starts) - sum(self._stops[first:last]) + sum(self._starts[first:last])
        self._starts[first:last] = starts
        self._stops[first:last] = stops

    def __iter__(self) -> Iterator[Range]:
        """The ranges in order; a snapshot, so that the set may change meanwhile."""
        return iter([Range(start, stop) for start, stop in zip(self._starts, self._stops, strict=True)])

    def __len__(self) -> int:
        """How many separate ranges."""
        return len(self._starts)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RangeSet):
            return NotImplemented
        return self._starts == other._starts and self._stops == other._stops

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"RangeSet([{', '.join(f'({start}, {stop})' for start, stop in self)}])"
