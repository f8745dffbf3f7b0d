"""Not to wait long for one service when another can be asked.

How patient a client is, its options say.  Whoever has somebody else to ask says `hurried` around the call, whichever
it is, so that none of them needs an argument for it.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SILENCE: ContextVar[float] = ContextVar("silence", default=math.inf)


@contextmanager
def hurried(seconds: float) -> Iterator[None]:
    """Within it no request waits longer than *seconds* for a connection, or in silence; the body of an answer that was
    opened within it included.  One that got no answer is not sent again.
    """
    token = _SILENCE.set(seconds)
    try:
        yield
    finally:
        _SILENCE.reset(token)


def longest_silence() -> float:
    """Return the seconds that whoever asks now would wait; infinity if there is no hurry."""
    return _SILENCE.get()
