"""The table of options in `docs/configuration.md`, written from the code: `python -m ossmount.cli.reference FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from ..config import options

BEGIN = "<!-- options: written by ossmount.cli.reference -->"
END = "<!-- end of options -->"


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


def renew(document: str) -> str:
    """*document* with the table between its marks written anew."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no place for the options: it is marked {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{options_table()}\n\n{END}{after}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(renew(path.read_text()))
