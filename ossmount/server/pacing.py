"""A link of limited bandwidth: when the last of so many bytes would have come through.  Pure.

Bytes are accounted for in a schedule and not slept off one by one, so that what one wait oversleeps the next makes
good.
"""

from __future__ import annotations

# How far a transfer may lag behind its schedule and still catch up, in seconds: that much a timer may fire late.
SLACK = 0.005


class Lane:
    """One direction of one connection, *rate* in bytes a second (0: unlimited)."""

    __slots__ = ("_free", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._free = 0.0

    def begin(self, now: float) -> None:
        """Begin a transfer: the link was idle until *now*, or is still busy."""
        self._free = max(self._free, now)

    def passed(self, size: int, now: float) -> float:
        """Send *size* bytes and return how many seconds from *now* the last of them is through."""
        if not self.rate:
            return 0.0
        self._free = max(self._free, now - SLACK) + size / self.rate
        return max(self._free - now, 0.0)

    @property
    def unit(self) -> int:
        """How many bytes to send at a time: few waits when the link is quick, no bursts when it is slow."""
        return int(min(max(self.rate / 200, 4096), 1024 * 1024)) if self.rate else 1024 * 1024
