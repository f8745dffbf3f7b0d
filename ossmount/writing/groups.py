"""Tasks in a nursery fail together; who waits for them wants to hear of one error, the one that tells most."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..wire.errors import OSSError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["one_error"]


@contextmanager
def one_error() -> Iterator[None]:
    """Raise a single error instead of the group that a nursery raises.

    One that will not pass by itself comes before one that may.  If the tasks were cancelled as well, then what OSS or
    the disk said to some of them matters to nobody any more.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        ours, others = group.split(Exception)
        if ours is None:
            raise
        if others is not None:
            if ours.split((OSSError, OSError))[1] is not None:
                raise
            raise others from None
        raise min(_leaves(ours), key=lambda exc: isinstance(exc, OSSError) and exc.transient) from None


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    for exc in group.exceptions:
        if isinstance(exc, BaseExceptionGroup):
            yield from _leaves(exc)
        else:
            yield exc
