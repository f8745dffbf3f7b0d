"""Memory for blocks, in huge pages.

To touch fresh memory costs a page fault for each 4 KiB, which for a block takes longer than to receive it from a fast
network.  Here all blocks lie in one mapping for which the kernel is asked to use pages of 2 MiB.  What is not needed is
given back to the system block by block, so that the mapping is only as large in memory as what is in use.

See madvise(2), MADV_HUGEPAGE and MADV_DONTNEED.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from heapq import heappop, heappush

from .blocks import Buffers

HUGE = 2 * 1024 * 1024


class Arena(Buffers):
    """Up to *limit* bytes of buffers of *size* bytes; what goes beyond comes from elsewhere.

    INVARIANT: each slot is in use, in ``_warm`` (free, and its memory is there) or in ``_cold`` (free, and it is not).
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(size)
        slots = max(limit // size, 1)
        length = slots * size + -(slots * size) % HUGE
        self._map = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with suppress(OSError):  # a kernel without huge pages
            self._map.madvise(mmap.MADV_HUGEPAGE)
        memory = memoryview(self._map)
        self._slots = [memory[slot * size : (slot + 1) * size] for slot in range(slots)]
        self._number = {id(view): slot for slot, view in enumerate(self._slots)}
        self._warm: list[int] = []
        self._cold = list(range(slots))

    def take(self) -> bytearray | memoryview:
        if self._warm:
            return self._slots[self._warm.pop()]
        # The lowest first, so that neighbours share a huge page.
        return self._slots[heappop(self._cold)] if self._cold else super().take()

    def give(self, buffer: bytearray | memoryview) -> None:
        slot = self._number.get(id(buffer))
        if slot is None:
            super().give(buffer)
        else:
            self._warm.append(slot)

    def trim(self, keep: int) -> None:
        super().trim(0)
        while len(self._warm) > keep:
            slot = self._warm.pop(0)
            self._map.madvise(mmap.MADV_DONTNEED, slot * self.size, self.size)
            heappush(self._cold, slot)

    def __len__(self) -> int:
        return len(self._warm) + super().__len__()

    def __repr__(self) -> str:
        return f"<Arena of {len(self._slots)} blocks, {len(self._warm)} warm, {len(self._cold)} cold>"
