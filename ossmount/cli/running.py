"""How a command runs the client: to its end, tidying up when it is stopped, and telling in one line why it failed."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from typing import TYPE_CHECKING, TypeVar

from .console import Failure, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from ..wire.failures import OSSError

T = TypeVar("T")

# The failure that ends a command tells of the attempts before it; lines of a log would break the progress bar.
_SILENCE = logging.NullHandler()


def run_async(main: Callable[[], Awaitable[T]]) -> T:
    """Run *main* to its end.

    Raises:
        WrongUsage: an argument is out of its limits; nothing was sent.
        Failure: whatever else went wrong, in one line.
    """
    import trio

    from ..wire.failures import OSSError

    logging.getLogger("ossmount").addHandler(_SILENCE)
    try:
        with _interrupted_by_signals():
            return trio.run(main)
    except BaseException as group:
        exc = _first(group)
        # With a pipe that nobody reads any more, click ends quietly.
        if isinstance(exc, OSSError | ValueError | OSError) and not isinstance(exc, BrokenPipeError):
            raise told(exc) from None
        raise exc from None


@contextlib.contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Control-C does: an upload that is stopped removes its parts from the service."""
    numbers = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _first(exc: BaseException) -> BaseException:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc


def told(exc: Exception, *, with_advice: bool = True) -> Failure:
    """Return *exc* as what a command raises: in one line, and with what to do about it."""
    from ..wire.failures import CredentialsError, OSSError, OutOfLimits, ServiceError

    if isinstance(exc, OutOfLimits) or not isinstance(exc, OSSError | OSError):
        return WrongUsage(one_line(str(exc)))
    if isinstance(exc, OSSError):
        ec = f" [EC {exc.ec}]" if isinstance(exc, ServiceError) and exc.ec else ""
        name = "" if isinstance(exc, ServiceError | CredentialsError) else f"{type(exc).__name__}: "
        return Failure(one_line(f"{name}{exc}{ec}") + (_advice(exc) if with_advice else ""))
    said = exc.strerror or str(exc)
    return Failure(one_line(f"{exc.filename}: {said}" if exc.filename else said))


def _advice(exc: OSSError) -> str:
    """Return what to add to *exc* in the language of the user: what to do about it, and in Chinese what it means."""
    from ..wire.explanations import explain, language_of, remedy

    language = language_of(os.environ)
    todo = remedy(exc, language)
    if language == "en":
        return f". Remedy: {todo}" if todo else ""
    means = explain(exc, language)
    return (f"。{means}" if means and means not in str(exc) else "") + (f"。解决办法：{todo}" if todo else "")


def one_line(text: str) -> str:
    """*text* with what would break a line, or drive a terminal, escaped; keys may hold anything."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
