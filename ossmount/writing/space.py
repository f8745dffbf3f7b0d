"""Who may hold how much memory: a budget in bytes, handed out first come, first served.

Theory of operation.  Whoever wants memory takes a `Claim`.  A claim is granted at once when it fits and nobody waits
before it, otherwise when enough others are released; its *wake* is called then.  A claim greater than the whole budget
is granted once nothing else is held, so that the greatest part can go too, alone.  Nothing here waits: the shell passes
the `set` of an event as *wake*.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Claim", "Space"]


class Claim:
    """A wish for *size* bytes; *granted* tells whether it has come true."""

    __slots__ = ("granted", "size", "wake")

    def __init__(self, size: int, wake: Callable[[], object]) -> None:
        self.size = size
        self.wake = wake
        self.granted = False

    def __repr__(self) -> str:
        return f"<Claim {self.size} {'granted' if self.granted else 'waiting'}>"


class Space:
    """A budget of *size* bytes.

    INVARIANT: ``used`` is the sum of all granted claims that were not released.
    INVARIANT: ``used <= size``, or one claim alone is granted.
    INVARIANT: the first waiting claim does not fit.
    """

    __slots__ = ("_granted", "_waiting", "size", "used")

    def __init__(self, size: int) -> None:
        if size <= 0:
            raise ValueError("a budget must be positive")
        self.size = size
        self.used = 0
        self._granted: set[Claim] = set()
        self._waiting: deque[Claim] = deque()

    @property
    def waiting(self) -> int:
        """How many claims wait."""
        return len(self._waiting)

    def claim(self, size: int, wake: Callable[[], object] = lambda: None) -> Claim:
        """Ask for *size* bytes.  *wake* is called if they are granted later, never if they are granted here."""
        claim = Claim(size, wake)
        if self._waiting or not self._fits(claim):
            self._waiting.append(claim)
        else:
            self._grant(claim)
        return claim

    def release(self, claim: Claim) -> None:
        """Give *claim* back, or give it up while it waits; a second time does nothing."""
        if claim in self._granted:
            self._granted.remove(claim)
            self.used -= claim.size
        elif claim in self._waiting:
            self._waiting.remove(claim)
        while self._waiting and self._fits(self._waiting[0]):
            claim = self._waiting.popleft()
            self._grant(claim)
            claim.wake()

    def _fits(self, claim: Claim) -> bool:
        return self.used + claim.size <= self.size or not self._granted

    def _grant(self, claim: Claim) -> None:
        self.used += claim.size
        self._granted.add(claim)
        claim.granted = True

    def check_invariants(self) -> None:
        """Raise AssertionError if an INVARIANT of the class comment does not hold."""
        assert self.used == sum(claim.size for claim in self._granted)
        assert self.used <= self.size or len(self._granted) == 1
        assert not self._waiting or not self._fits(self._waiting[0])
        assert all(claim.granted for claim in self._granted)
        assert not any(claim.granted for claim in self._waiting)

    def __repr__(self) -> str:
        return f"<Space {self.used} of {self.size} bytes, {len(self._waiting)} waiting>"
