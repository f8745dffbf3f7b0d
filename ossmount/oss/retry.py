"""Whether and when to send a request again.  Pure: error, count and a random number come in, seconds or None go out.

| what happened                                         | idempotent | not idempotent |
|-------------------------------------------------------|------------|----------------|
| nothing was sent (no connection)                      | again      | again          |
| throttled (429, 503), clock skewed, body not received | again      | again          |
| bytes were damaged on the way up and refused          | again      | again          |
| other 5xx, silence, a broken answer, a wrong CRC      | again      | never: look    |
| every other answer                                    | never      | never          |

"Full jitter": a random share of a delay that doubles, so that clients that failed together do not come back together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..wire.errors import OSSError, ServiceError, TransportError

if TYPE_CHECKING:
    from ..wire.message import Headers

# The service did nothing, whatever the request was.
_REFUSED_STATUSES = frozenset({429, 503})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently.

    The SDKs of the service try three times; a program that reads a file has nobody to press "again", so five.
    """

    attempts: int = 5
    base: float = 0.2
    longest: float = 20.0

    def delay_after(self, error: OSSError, *, attempt: int, idempotent: bool, jitter: float) -> float | None:
        """Return the seconds to wait after *attempt* (the first is 1) ended in *error*, or None to give up.

        *jitter* is a random number from 0 to 1.
        """
        if attempt >= self.attempts or not error.transient:
            return None
        if not idempotent and not did_nothing(error):
            return None
        delay = jitter * min(self.base * 2.0**attempt, self.longest)
        if isinstance(error, ServiceError):
            delay = max(delay, min(_asked_for(error.headers), self.longest))
        return delay


def did_nothing(error: OSSError) -> bool:
    """Return whether the service certainly did not carry the request out."""
    if isinstance(error, ServiceError):
        return error.status < 500 or (error.status in _REFUSED_STATUSES and bool(error.code))
    return isinstance(error, TransportError) and not error.sent


def _asked_for(headers: Headers) -> float:
    """Return the seconds that the service asks to be left alone."""
    for name, unit in (("x-oss-qos-delay-time", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if value.isascii() and value.isdigit():
            return int(value) * unit
    return 0.0
