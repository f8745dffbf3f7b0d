"""What clients count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class ClientStatistics:
    """What a client has done so far."""

    requests: dict[str, int]
    errors: dict[str, int]
    retries: int
    integrity_failures: int
    bytes_sent: int
    bytes_received: int
    in_flight: int
    waiting: int
    connections_opened: int

    @classmethod
    def sum(cls, several: Iterable[ClientStatistics]) -> ClientStatistics:
        """Return what several clients have done together."""
        listed = list(several)
        totals: dict[str, Any] = {each.name: sum(getattr(one, each.name) for one in listed) for each in fields(cls)[2:]}
        requests: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for one in listed:
            requests.update(one.requests)
            errors.update(one.errors)
        return cls(requests=dict(requests), errors=dict(errors), **totals)
