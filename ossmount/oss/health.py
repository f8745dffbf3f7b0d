"""Whether a service answers, as its answers so far tell."""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING

from ..wire.errors import OSSError, ServiceError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)

# Keys that are kept; whoever has so many knows enough.
_MOST = 10_000


class Health:
    """That of the service called *name*: alive until a call fails for want of an answer, and again with the next one.

    Times are those of *clock*, seconds since the epoch.
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.alive = True
        self.since = clock()
        """Since when it is alive, or is not."""
        self.error = ""
        """The last failure for want of an answer, also when it is alive again."""
        self.error_at: float | None = None
        self.differing: set[str] = set()
        """Keys that were found to have no object there, or another one than where there should be the same."""
        self._name = name
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Health {self._name} {'alive' if self.alive else 'down'}>"

    def came(self) -> None:
        """There was an answer."""
        if not self.alive:
            self.alive, self.since = True, self._clock()
            log.info("%s is alive again", self._name)

    def failed(self, error: OSSError) -> None:
        """A call ended in *error*; what came from nobody, as that there are no credentials, says nothing."""
        if is_down(error):
            self.error, self.error_at = str(error), self._clock()
            if self.alive:
                self.alive, self.since = False, self.error_at
                log.warning("%s is down: %s", self._name, error)
        elif isinstance(error, ServiceError):
            self.came()

    def differs(self, keys: Iterable[str]) -> None:
        """Its objects of *keys* are not those that others have who are to hold the same."""
        new = set(islice((key for key in keys if key not in self.differing), _MOST - len(self.differing)))
        if new:
            self.differing |= new
            some, count = min(new), len(self.differing)
            log.warning("%s does not have %r as the others have it; %d such objects so far", self._name, some, count)


def is_down(error: OSSError) -> bool:
    """Return whether *error* tells that there is nobody, or nobody well, at the other end."""
    if isinstance(error, ServiceError):
        return error.status >= 500
    return isinstance(error, TransportError)
