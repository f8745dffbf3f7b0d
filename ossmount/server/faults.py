"""What shall go wrong, and when: a plan that tests and scripts give the server.  Pure; the application carries it out.

A fault names the requests it strikes: an operation (``*`` for any), keys below a prefix, the *first*-th such request
and *count* - 1 that follow (None: all that follow).  As JSON, a plan is a list of objects with the fields of `Fault`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing to go wrong.

    Several may strike the same request; then delays and skews add up and the first of the rest counts.

    *status* answers an error with *code*; *delay* waits so many seconds first, unless the fault is taken back or, if
    *together* is not 0, has struck so many requests; *cut* closes the connection after so many bytes of the answer's
    body, *cut_upload* after so many of the request's; *corrupt* flips that byte of the answer's body, *corrupt_upload*
    of the request's; *reset* resets the connection without an answer; *skew* puts the server's clock so many seconds
    forward. With *done* the operation is carried out before it fails, so that the client cannot tell.
    """

    operation: str = "*"
    prefix: str = ""
    first: int = 1
    count: int | None = 1
    status: int = 0
    code: str = "InternalError"
    delay: float = 0.0
    together: int = 0
    cut: int | None = None
    cut_upload: int | None = None
    corrupt: int | None = None
    corrupt_upload: int | None = None
    reset: bool = False
    skew: float = 0.0
    done: bool = False

    def __post_init__(self) -> None:
        if self.first < 1 or (self.count is not None and self.count < 1):
            raise ValueError("a fault strikes from its first request on, at least once")
        if self.together < 0:
            raise ValueError("fewer than no requests cannot be waited for")
        if self.status and not 200 < self.status <= 599:
            raise ValueError(f"no status of an error: {self.status}")


def throttle(operation: str = "*", *, first: int = 1, count: int | None = 1) -> Fault:
    """Answer 503 as OSS does when it is asked too often."""
    return Fault(operation=operation, first=first, count=count, status=503, code="TotalQpsLimitExceeded")


def deny(prefix: str, operation: str = "*") -> Fault:
    """Refuse everything below *prefix*."""
    return Fault(operation=operation, prefix=prefix, count=None, status=403, code="AccessDenied")


class Plan:
    """The faults to come and how many requests each has seen."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = list(faults)
        self._seen = [0] * len(self._faults)

    def __repr__(self) -> str:
        return f"<Plan {self._faults}>"

    def __bool__(self) -> bool:
        return bool(self._faults)

    def __iter__(self) -> Iterator[Fault]:
        return iter(list(self._faults))

    def add(self, fault: Fault) -> None:
        """Add *fault*; it counts requests from now on."""
        self._faults.append(fault)
        self._seen.append(0)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._faults.clear()
        self._seen.clear()

    def strike(self, operation: str, key: str) -> list[Fault]:
        """Count a request and return the faults that strike it."""
        struck = []
        for index, fault in enumerate(self._faults):
            if fault.operation in ("*", operation) and key.startswith(fault.prefix):
                self._seen[index] += 1
                nth = self._seen[index]
                if fault.first <= nth and (fault.count is None or nth < fault.first + fault.count):
                    struck.append(fault)
        return struck

    def delays(self, fault: Fault) -> bool:
        """Whether a request that *fault* has struck goes on waiting: not for one taken back, or when all are there."""
        for planned, seen in zip(self._faults, self._seen, strict=False):
            if planned is fault:
                return not fault.together or seen < fault.first - 1 + fault.together
        return False


def parse_faults(text: str | bytes) -> list[Fault]:
    """Read faults from JSON.

    Raises:
        ValueError: it is no list of faults.
    """
    found = json.loads(text)
    known = {field.name for field in fields(Fault)}
    if not isinstance(found, list) or not all(isinstance(entry, dict) and entry.keys() <= known for entry in found):
        raise ValueError(f"faults are a list of objects with some of {', '.join(sorted(known))}")
    try:
        return [Fault(**entry) for entry in found]
    except TypeError as exc:
        raise ValueError(f"a fault has a value of another type than it needs: {exc}") from exc


def format_faults(faults: Iterable[Fault]) -> str:
    """Write *faults* as JSON."""
    return json.dumps([asdict(fault) for fault in faults])
