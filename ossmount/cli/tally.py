"""How a command about many objects goes on when one fails, and what it says in the end.

What fails is told in a line of its own, and all others are done.  Only what no other would escape ends the command at
once: nobody answers, the credentials are no good, there is no such bucket, the disk is full.
"""

from __future__ import annotations

from errno import EDQUOT, ENOSPC, EROFS
from typing import TYPE_CHECKING, TypeVar

import click

from .console import Failure, Interrupted, WrongUsage, counted, err, progress_bar
from .running import one_line, told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

T = TypeVar("T")

_FULL = (EDQUOT, ENOSPC, EROFS)
# What the service says of whoever asks, and not of an object.
_HOPELESS = frozenset(
    """AccessKeyIdAndSecurityTokenNotMatch InvalidAccessKeyId InvalidSecurityToken NoSuchBucket RequestTimeTooSkewed
    SecondLevelDomainForbidden SecurityTokenExpired SignatureDoesNotMatch UserDisable""".split()
)


# What an act returns that had nothing to do.
SKIPPED = object()


class Tally:
    """How many *things*, objects or files, were done, which is what *done* says of them, and how many failed."""

    def __init__(self, done: str, thing: str = "object") -> None:
        self._said = one_line(done)
        self._thing = thing
        self._advised: set[str] = set()
        self._bytes = 0
        self._show: Callable[[int, int | None], None] = lambda _done, _total: None
        self.done = 0
        self.failed = 0
        self.skipped = 0

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{counted(self.done, self._thing)} {self._said}{self._skipped}{failed}"

    @property
    def _skipped(self) -> str:
        return f", {self.skipped} there already" if self.skipped else ""

    async def each(
        self,
        values: Iterable[T],
        act: Callable[[T], Awaitable[object]],
        parallel: int,
        name: Callable[[T], str] = str,
    ) -> None:
        """Do *act* for each of *values*, *parallel* at once, and count; *name* is what a failure is told of.

        It returns SKIPPED where there was nothing to do.

        Raises:
            OSSError, OSError: one of them failed as all others would.
        """
        from ..oss.transfers import in_parallel
        from ..wire.failures import OSSError

        async def one(value: T) -> None:
            try:
                result = await act(value)
            except (OSSError, OSError) as exc:
                if _is_hopeless(exc):
                    raise
                self.fail(name(value), exc)
            else:
                if result is SKIPPED:
                    self.skipped += 1
                else:
                    self.done += 1

        await in_parallel(values, one, parallel)

    def fail(self, what: str, exc: Exception) -> None:
        """Tell, and count, that *what* failed; what to do about it is told once."""
        self.failed += 1
        kind = getattr(exc, "code", "") or type(exc).__name__
        message = told(exc, with_advice=kind not in self._advised).format_message()
        self._advised.add(kind)
        self.say(message if message.startswith(what) else f"{what}: {message}")

    def say(self, text: str) -> None:
        """Print a line on stderr, above the progress bar if there is one."""
        err.print(f"ossmount: {one_line(text)}", markup=False, emoji=False, soft_wrap=True)

    def progress(self) -> Callable[[int, int], None]:
        """Return what one transfer is to call with its bytes."""
        before = 0

        def report(done: int, _total: int) -> None:
            nonlocal before
            self._bytes += done - before
            before = done
            self._show(self._bytes, None)

        return report

    def run(self, what: str, act: Callable[[], object]) -> None:
        """Do *act*, with a progress bar for *what*, and say what was done.

        Raises:
            Failure: something failed.
            Interrupted: somebody stopped it.
        """
        try:
            with progress_bar(one_line(what)) as self._show:
                act()
        except WrongUsage:
            raise
        except KeyboardInterrupt:
            raise Interrupted(str(self)) from None
        except Failure as exc:
            before = f" ({self} before)" if self.done or self.failed or self.skipped else ""
            raise Failure(exc.format_message() + before) from None
        if self.failed:
            total = counted(self.done + self.failed + self.skipped, self._thing)
            raise Failure(f"{self.failed} of {total} failed; {self.done} {self._said}{self._skipped}")
        click.echo(str(self), err=True)


def _is_hopeless(exc: Exception) -> bool:
    from ..wire.failures import ConnectFailed, CredentialsError, PartialWriteFailed, Redirected, ServiceError

    if isinstance(exc, PartialWriteFailed):
        return all(map(_is_hopeless, exc.errors))
    if isinstance(exc, ServiceError):
        return exc.code in _HOPELESS
    if isinstance(exc, OSError):
        return exc.errno in _FULL
    return isinstance(exc, ConnectFailed | CredentialsError | Redirected)
