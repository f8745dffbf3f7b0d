"""What the documents say of options and commands, written from the code: `python -m ossmount.cli.reference FILE...`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..config import options
from .connection import ServiceCommand
from .main import commands

if TYPE_CHECKING:
    from collections.abc import Iterator

# Those of mounts are in the table of options.
_ELSEWHERE = ("mount", "umount", "flush", "status")


def options_table() -> str:
    """All options as a Markdown table."""
    lines = ["| option | value | default | what it does |", "|---|---|---|---|"]
    for row in options():
        names = f"`{row.short}`, `{row.flag}`" if row.short else f"`{row.flag}`"
        value = " ".join(f"`{part}`" for part in row.metavar.split("|") if part) or "on or off"
        default = row.shown_default
        if default and " " not in default and "`" not in default:
            default = f"`{default}`"
        lines.append(f"| {names} | {value} | {default} | {row.help} |")
    return "\n".join(lines)


def commands_text() -> str:
    """All commands that ask the service, and `serve`, as Markdown: what `--help` says, without what they share."""
    return "\n\n".join(
        text
        for name, command in commands()
        if name not in _ELSEWHERE
        for text in _described(command, click.Context(command, info_name=f"ossmount {name}"))
    )


def _described(command: click.Command, context: click.Context) -> Iterator[str]:
    pieces = command.collect_usage_pieces(context)
    if isinstance(command, click.Group):
        yield f"## `{context.command_path}`"
        yield inspect.cleandoc(command.help or "")
        for name, each in command.commands.items():
            yield from _described(each, click.Context(each, parent=context, info_name=name))
        return
    yield f"{'##' if context.parent is None else '###'} `{' '.join([context.command_path, *pieces])}`"
    yield inspect.cleandoc(command.help or "")
    shared = command.shared if isinstance(command, ServiceCommand) else ()
    rows = [
        record
        for option in command.get_params(context)
        if isinstance(option, click.Option) and option.name not in shared and "--help" not in option.opts
        if (record := option.get_help_record(context))
    ]
    if rows:
        yield "\n".join(f"- `{names}`: {' '.join(what.split())}" for names, what in rows)
    examples = command.examples if isinstance(command, ServiceCommand) else ()
    if examples:
        yield "\n".join(("```", *examples, "```"))


_WRITERS = {"options": options_table, "commands": commands_text}


def renew(document: str) -> str:
    """*document* with what is between its marks written anew.

    Raises:
        ValueError: it has no place for anything.
    """
    found = False
    for what, write in _WRITERS.items():
        begin, end = f"<!-- {what}: written by ossmount.cli.reference -->", f"<!-- end of {what} -->"
        before, is_begun, rest = document.partition(begin)
        _, is_ended, after = rest.partition(end)
        if is_begun and is_ended:
            found = True
            document = f"{before}{begin}\n\n{write()}\n\n{end}{after}"
    if not found:
        raise ValueError("no place for anything: it is marked <!-- options: written by ossmount.cli.reference -->")
    return document


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(renew(path.read_text()))
