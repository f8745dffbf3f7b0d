"""When which bytes of a file changed last: so an upload learns that what it has sent is no longer the file's.

Each change takes the next *version*.  Writes are remembered for each block of 128 KiB, truncations by the offset
from which on everything changed.  Both forget detail rather than grow: answers err on the side of "changed".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..ranges import RangeSet

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Changes"]

_BLOCK: Final = 17  # 2**17 bytes: parts begin and end at multiples of it
_CUTS: Final = 64


class Changes:
    """What changed, by version.

    INVARIANT: no remembered version is greater than ``version``.
    INVARIANT: ``_cuts`` ascends both in offset and in version.
    """

    __slots__ = ("_blocks", "_cuts", "version")

    def __init__(self) -> None:
        self.version = 1
        self._blocks: dict[int, int] = {}
        self._cuts: list[tuple[int, int]] = []

    def write(self, start: int, stop: int) -> None:
        """``[start, stop)`` changes, which must not be empty."""
        version = self.version = self.version + 1
        first, last = start >> _BLOCK, (stop - 1) >> _BLOCK
        self._blocks[first] = version
        for index in range(first + 1, last + 1):
            self._blocks[index] = version

    def cut(self, offset: int) -> None:
        """Everything from *offset* on changes."""
        self.version += 1
        while self._cuts and self._cuts[-1][0] >= offset:
            self._cuts.pop()
        self._cuts.append((offset, self.version))
        if len(self._cuts) > _CUTS:
            self._cuts[:2] = [(self._cuts[0][0], self._cuts[1][1])]

    def step(self) -> None:
        """Take a new version though no byte changes that was there: the file got longer, say."""
        self.version += 1

    def changed(self, start: int, stop: int, since: int) -> bool:
        """Whether any byte of ``[start, stop)`` may have changed after version *since*."""
        if since >= self.version or start >= stop:
            return False
        if any(offset < stop and version > since for offset, version in self._cuts):
            return True
        first, last = start >> _BLOCK, (stop - 1) >> _BLOCK
        if last - first < len(self._blocks):
            return any(self._blocks.get(index, 0) > since for index in range(first, last + 1))
        return any(version > since and first <= index <= last for index, version in self._blocks.items())

    def written(self, since: int) -> RangeSet:
        """Where something may have been written after version *since*: whole blocks."""
        return RangeSet(self._ranges(since))

    def _ranges(self, since: int) -> Iterator[tuple[int, int]]:
        for index in sorted(index for index, version in self._blocks.items() if version > since):
            yield index << _BLOCK, (index + 1) << _BLOCK

    def first_cut(self, since: int) -> int | None:
        """The lowest offset of a truncation after version *since*, or None."""
        return min((offset for offset, version in self._cuts if version > since), default=None)

    def forget(self) -> None:
        """Nobody will ask about versions before this one."""
        self._blocks.clear()
        self._cuts.clear()

    def check_invariants(self) -> None:
        """Raise AssertionError if an INVARIANT of the class comment does not hold."""
        assert max(self._blocks.values(), default=0) <= self.version
        assert max((version for _, version in self._cuts), default=0) <= self.version
        assert self._cuts == sorted(self._cuts)
        assert [version for _, version in self._cuts] == sorted(version for _, version in self._cuts)

    def __repr__(self) -> str:
        return f"<Changes version={self.version}>"
