"""Who an executor works with, and what it tells of its work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .intents import Intent


class Carrier(Protocol):
    """Does the requests of intents; see `carrying`."""

    async def carry(self, intent: Intent) -> Any:
        """Carry one intent out and return what became of it."""

    async def carry_deletes(self, intents: Sequence[Intent]) -> None:
        """Carry out many deletes at once."""


class Observer(Protocol):
    """Is told, between two awaits, what became of an intent."""

    def done(self, intent: Intent, outcome: Any) -> None:
        """*intent* is in OSS."""

    def failed(self, intent: Intent, exc: BaseException) -> None:
        """*intent* cannot be carried out as things are."""

    def dropped(self, intent: Intent) -> None:
        """*intent*, which had begun, was abandoned; nothing of it is in OSS."""

    def wanted(self, intent: Intent) -> None:
        """Somebody waits for *intent*, which is held: it is to be released."""


@dataclass(frozen=True)
class ExecutorStatistics:
    """How much is still to be carried out."""

    pending: int
    running: int
    failed: int
    held: int
    oldest: float | None  # unix seconds
    done: int
    retries: int
