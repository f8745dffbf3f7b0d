"""What the commands share in speaking to a person: two consoles, one kind of failure, and amounts a person can read."""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

err = Console(stderr=True, highlight=False)


def stdout() -> Console:
    """Where tables go; where nobody watches somebody parses, and there a row must stay a line."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 1000)


class Failure(click.ClickException):
    """The command cannot do what it was asked; its text is the one line a person gets, and the status is 1."""

    def show(self, file: object = None) -> None:
        """Print the line on stderr."""
        click.echo(f"ossmount: {self.format_message()}", err=True)


class WrongUsage(Failure):
    """The command was asked in a wrong way; the status is 2."""

    exit_code = 2


class Interrupted(Failure):
    """Somebody stopped the command, by Ctrl-C or a signal; the status is that of shells for it."""

    exit_code = 130

    def __init__(self, so_far: str = "") -> None:
        super().__init__(f"interrupted: {so_far}" if so_far else "interrupted")


def write_examples(formatter: click.HelpFormatter, examples: Iterable[str]) -> None:
    """Write *examples*, each in a line of its own."""
    lines = [f"{'':>{formatter.current_indent + 2}}{line}\n" for line in examples]
    if lines:
        with formatter.section("Examples"):
            formatter.write("".join(lines))


def amount(size: float) -> str:
    """*size* bytes in the largest binary unit that leaves a number of at least 1."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def counted(number: int, thing: str) -> str:
    """*number* and what it is the number of."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def span(seconds: float) -> str:
    """*seconds* in the two largest units that say something."""
    parts = []
    left = int(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, left = divmod(left, length)
        if number:
            parts.append(f"{number}{unit}")
    return " ".join(parts[:2]) or "0s"


def moment(seconds: float | None) -> str:
    """A time since the epoch in ISO 8601, UTC; nothing for none."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show how far *what* is while the block runs, if somebody watches; yields what to call with bytes done and all."""
    if not err.is_terminal:
        yield lambda _done, _total: None
        return
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(binary_units=True),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=err, transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
