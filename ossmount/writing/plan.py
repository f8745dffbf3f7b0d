"""How the bytes of a changed file get into the bucket: the decision, without the doing.

A file that is written is made of three kinds of bytes: *staged* ones (written here), *base* ones (still those of an
object in the bucket) and *holes* (zeros that nobody wrote).  `plan` says with which requests they become one object.
There are three ways:

- `PutWhole`: the file is small, one PutObject of everything, gaps filled from the base.
- `Append`: the base is an appendable object and all that is new lies behind it, one AppendObject.
- `Multipart`: parts that are sent and parts that the service copies from the base.

Parts are cut in one of two ways.  *On the grid*: while a program still writes nobody knows how big the file gets, so
parts are cells of a fixed `Grid`, and a part that went up early keeps its place.  *Freely*: nothing was sent before the
whole file was known, so cuts follow the changes: 4 KiB changed in the middle of 64 MiB are two copies and one small
part.

Limits come from the API reference: PutObject, "Multipart upload", UploadPartCopy, AppendObject.
"""

from __future__ import annotations

import errno
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from ..ranges import Range, RangeSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..wire.models import Source

__all__ = ["Append", "CopyPart", "Grid", "KeepPart", "Limits", "Multipart", "Part", "Plan", "PutWhole", "UploadPart"]
__all__ += ["appends_only", "plan"]

KiB: Final = 1 << 10
MiB: Final = 1 << 20
GiB: Final = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What OSS allows and what we prefer, all in bytes unless said otherwise.

    Raises:
        ValueError: *part_size* or a copy's size is not a whole number of granules.
    """

    part_size: int = 8 * MiB
    """The first size of a part that is sent."""
    small: int = 8 * MiB
    """Up to this size a file goes up in one PutObject."""
    granule: int = 128 * KiB
    """Cuts inside a file fall on multiples of it: so every part but the last has at least the 100 KiB OSS asks for."""
    max_part: int = 5 * GiB
    max_parts: int = 10_000
    """How many parts an upload may have."""
    copy_size: int = 1 * GiB
    """A longer copy is cut, so that several run at once."""
    min_copy: int = 1 * MiB
    """An unchanged run shorter than this is cheaper to send along than to ask a copy for."""
    max_append: int = 64 * MiB
    """One AppendObject carries at most this; it is held in memory, since an append must happen whole or not at all."""
    max_appendable: int = 5 * GiB
    """How big an appendable object may get."""
    rung: int = 1000
    """After so many parts their size doubles."""

    def __post_init__(self) -> None:
        if not 0 < self.granule <= self.min_copy or self.part_size <= 0:
            raise ValueError("a granule must be positive and no longer than the shortest copy")
        if any(size % self.granule for size in (self.part_size, self.copy_size, self.max_part)):
            raise ValueError(f"sizes of parts must be multiples of {self.granule} bytes")

    @property
    def max_object(self) -> int:
        """The biggest object there can be: 48.8 TB."""
        return self.max_part * self.max_parts


@dataclass(frozen=True, slots=True)
class Part:
    """Part *number* (from 1) of an upload: the file's bytes from *start* up to *stop*."""

    number: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Bytes in the part."""
        return self.stop - self.start


class UploadPart(Part):
    """Send these bytes, filling what is not staged from the base or with zeros."""

    __slots__ = ()


class CopyPart(Part):
    """Let the service copy these bytes from the same place in the base."""

    __slots__ = ()


class KeepPart(Part):
    """This part is up already, and current."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PutWhole:
    """Send everything in one PutObject."""


@dataclass(frozen=True, slots=True)
class Append:
    """Send the bytes from *start* (the length of the base) up to *stop* in one AppendObject."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Multipart:
    """Parts in ascending order that cover the file; *unit* is that of the grid they lie on, or None for free cuts.

    When *unit* is not the one of the upload under way, that upload is of no use: begin another.
    """

    steps: tuple[Part, ...]
    unit: int | None


Plan = PutWhole | Append | Multipart


@cache
def _rungs(unit: int, limits: Limits) -> tuple[tuple[int, int, int], ...]:
    """The grid's ladder: for each rung the offset and the number of its first part, and the size of its parts."""
    rungs = []
    offset, number, size = 0, 1, unit
    while number <= limits.max_parts:
        rungs.append((offset, number, size))
        offset += limits.rung * size
        number += limits.rung
        size = min(size * 2, limits.max_part)
    return tuple(rungs)


class Grid:
    """Where parts are cut that go up before the file's size is known.

    Parts have *unit* bytes at first, and twice as many after every `Limits.rung` parts, so that small files are cut
    finely and big ones still get through with 10,000 parts.
    """

    __slots__ = ("_limits", "_offsets", "_rungs", "unit")

    def __init__(self, unit: int, limits: Limits) -> None:
        self.unit = unit
        self._limits = limits
        self._rungs = _rungs(unit, limits)
        self._offsets = [offset for offset, _, _ in self._rungs]

    @classmethod
    def fitting(cls, size: int, limits: Limits) -> Grid:
        """The finest grid that a file of *size* bytes fits in; `Limits.max_object` always has one."""
        unit = limits.part_size
        while (grid := cls(unit, limits)).reach < size and unit < limits.max_part:
            unit = min(unit * 2, limits.max_part)
        return grid

    @property
    def reach(self) -> int:
        """The size of the biggest file that fits."""
        offset, number, size = self._rungs[-1]
        return offset + (self._limits.max_parts - number + 1) * size

    def cell(self, offset: int) -> Part:
        """The cell in which the byte at *offset* lies."""
        base, number, size = self._rungs[bisect_right(self._offsets, offset) - 1]
        index = (offset - base) // size
        return Part(number + index, base + index * size, base + (index + 1) * size)

    def __repr__(self) -> str:
        return f"<Grid unit={self.unit} reach={self.reach}>"


def appends_only(*, key: str, size: int, dirty: RangeSet, base: Source | None, base_size: int, limits: Limits) -> bool:
    """Whether the change is bytes behind an appendable object, and they fit in one AppendObject."""
    return (
        base is not None
        and base.type == "Appendable"
        and base.key == key
        and base_size == base.size < size <= limits.max_appendable
        and size - base.size <= limits.max_append
        and not dirty.overlaps(0, base.size)
    )


def plan(
    *,
    key: str,
    size: int,
    dirty: RangeSet,
    base: Source | None,
    base_size: int,
    limits: Limits,
    unit: int | None = None,
    done: Mapping[int, Range] | None = None,
    appending: bool = True,
    copying: bool = True,
) -> Plan:
    """Decide how a file becomes the object *key*.

    Args:
        size: The file's size in bytes.
        dirty: What is staged.  What is neither staged nor below *base_size* is a hole.
        base: The object whose first *base_size* bytes show where nothing is staged.
        unit: The grid's unit if parts have gone up while the file was written.
        done: The parts that are up and current, by number.
        appending: Whether the service appends to the base, for all we know.
        copying: Whether it copies parts from the base, for all we know.

    Raises:
        OSError: EFBIG, the file is bigger than an object may be.
    """
    if size > limits.max_object:
        raise OSError(errno.EFBIG, f"{size} bytes are more than an object may have ({limits.max_object})", key)
    if appending and appends_only(key=key, size=size, dirty=dirty, base=base, base_size=base_size, limits=limits):
        return Append(base_size, size)
    if size <= limits.small:
        return PutWhole()
    # The service follows a symlink when it reads, but refuses one as the source of a copy.
    kept = base_size if copying and base is not None and base.type != "Symlink" else 0
    if unit is not None and (grid := Grid(unit, limits)).reach >= size:
        return Multipart(tuple(_cut_on_grid(size, dirty, kept, grid, limits, done or {})), unit)
    steps = _cut_freely(size, dirty, kept, limits)
    if unit is None and done:
        steps = [KeepPart(s.number, s.start, s.stop) if done.get(s.number) == (s.start, s.stop) else s for s in steps]
    return Multipart(tuple(steps), None)


def _cut_on_grid(
    size: int, dirty: RangeSet, kept: int, grid: Grid, limits: Limits, done: Mapping[int, Range]
) -> Iterator[Part]:
    """Cut along cells.  A run of unchanged cells is one copy; the numbers of its other cells stay unused."""
    offset = 0
    copy: CopyPart | None = None
    while offset < size:
        cell = grid.cell(offset)
        stop = min(cell.stop, size)
        old = done.get(cell.number)
        if old is not None and old.start == offset and _ends_a_cell(old.stop, size, grid):
            step: Part = KeepPart(cell.number, offset, old.stop)
        elif stop <= kept and not dirty.overlaps(offset, stop):
            if copy is not None and stop - copy.start <= limits.copy_size:
                copy = CopyPart(copy.number, copy.start, stop)
                offset = stop
                continue
            step = CopyPart(cell.number, offset, stop)
        else:
            step = UploadPart(cell.number, offset, stop)
        if copy is not None:
            yield copy
        if isinstance(step, CopyPart):
            copy = step
        else:
            copy = None
            yield step
        offset = step.stop
    if copy is not None:
        yield copy


def _ends_a_cell(stop: int, size: int, grid: Grid) -> bool:
    return stop == size or (stop < size and grid.cell(stop).start == stop)


def _cut_freely(size: int, dirty: RangeSet, kept: int, limits: Limits) -> list[Part]:
    """Cut along the changes, coarser and coarser until there are few enough parts.

    That ends: with no copies left, and parts of the greatest size, every file up to `Limits.max_object` fits.
    """
    min_copy, copy_size = limits.min_copy, limits.copy_size
    unchanged = dirty.gaps(0, kept)
    while True:
        copies = list(_copies(unchanged, size, min_copy, limits.granule))
        sent = size - sum(copy.size for copy in copies)
        unit = limits.part_size
        while sent > unit * (limits.max_parts // 2) and unit < limits.max_part:
            unit = min(unit * 2, limits.max_part)
        steps = list(islice(_pieces(copies, size, unit, copy_size), limits.max_parts + 1))
        if len(steps) <= limits.max_parts:
            return steps
        min_copy *= 2
        copy_size = min(copy_size * 2, limits.max_part)


def _copies(unchanged: list[Range], size: int, min_copy: int, granule: int) -> Iterator[Range]:
    """The runs worth copying, drawn in to whole granules: so what lies between two of them is long enough a part."""
    for start, stop in unchanged:
        start += -start % granule
        stop -= 0 if stop == size else stop % granule
        if stop - start >= min_copy:
            yield Range(start, stop)


def _pieces(copies: list[Range], size: int, unit: int, copy_size: int) -> Iterator[Part]:
    number = 1
    offset = 0
    for copy in [*copies, Range(size, size)]:
        for kind, stop, step in ((UploadPart, copy.start, unit), (CopyPart, copy.stop, copy_size)):
            while offset < stop:
                yield kind(number, offset, min(offset + step, stop))
                offset = min(offset + step, stop)
                number += 1
