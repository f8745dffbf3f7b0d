"""What the server was asked: the last requests, and counts by operation, for tests and measurements."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Requests remembered; the counts go on.
CAPACITY = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: bytes of the bodies *received* and *sent*, and when it began and ended on the monotonic clock.

    *status* is 0 when the connection ended before the answer did.
    """

    operation: str
    bucket: str
    key: str
    status: int
    received: int
    sent: int
    start: float
    stop: float


class RequestLog:
    """A bounded list of entries, in the order the requests ended, with counts since the last reset."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self.counts: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()
        self._peaks: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<RequestLog {dict(self.counts)}>"

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, operation: str) -> None:
        """Count a request that begins."""
        self.counts[operation] += 1
        self.in_flight[operation] += 1
        if self.in_flight[operation] > self._peaks[operation]:
            self._peaks[operation] = self.in_flight[operation]

    def end(self, entry: Entry) -> None:
        """Remember a request that ended."""
        self.in_flight[entry.operation] -= 1
        self._entries.append(entry)

    def count(self, operation: str = "") -> int:
        """Return how many requests of *operation* there were, or of all."""
        return self.counts[operation] if operation else self.counts.total()

    def max_in_flight(self, operation: str) -> int:
        """Return how many requests of *operation* were under way at once, at most."""
        return self._peaks[operation]

    def reset(self) -> None:
        """Forget everything but the requests under way."""
        self._entries.clear()
        self.counts.clear()
        self._peaks = +self.in_flight
