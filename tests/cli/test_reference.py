"""What the documents say of options and commands is the code's own, and what they tell to type can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from ossmount.cli.main import cli, commands
from ossmount.cli.reference import commands_text, options_table, renew
from ossmount.config import options

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "configuration.md"
# Lines of the documents, and of the help, that begin a command of ours; what follows a pipe is not.
LINES = sorted(
    {
        line.partition(" #")[0].strip()
        for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for block in re.findall(r"^```[a-z]*\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
        if re.match(r"(\$ )?(\.venv/bin/)?ossmount ", line)
    }
)


def test_the_document_lists_every_option_as_the_code_has_it() -> None:
    text = DOCUMENT.read_text()

    assert renew(text) == text, "run scripts/lint"
    for row in options():
        assert f"`{row.flag}`" in text


def test_a_table_has_a_row_for_each_option() -> None:
    assert len(options_table().splitlines()) == 2 + len(options())


def test_a_document_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        renew("nothing")


def test_the_document_lists_every_command_as_the_code_has_it() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()

    assert renew(text) == text, "run scripts/lint"
    for name, _ in commands():
        if name not in ("mount", "umount", "flush", "status"):
            assert f"`ossmount {name}" in text
    assert "### `ossmount image style put [OPTIONS] BUCKET STYLE PROCESS`" in commands_text()


@pytest.mark.parametrize("line", LINES)
def test_what_a_document_tells_to_type_can_be_typed(line: str) -> None:
    words = shlex.split(re.sub(r"^(\$ )?(\.venv/bin/)?ossmount ", "", line), comments=True)
    words = [*_until(words, "|", "<", ">")]
    command: click.Command = cli
    context = click.Context(cli, info_name="ossmount")
    while isinstance(command, click.Group):
        if words[0] not in command.list_commands(context):
            assert command is cli, line
            words = ["mount", *words]
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command, context = found, click.Context(found, parent=context, info_name=found.name)
    # Raises UsageError for what it does not know.
    command.make_context(command.name, words, parent=context.parent)


def test_each_option_that_the_table_of_options_names_is_one_of_a_command() -> None:
    table = (ROOT / "docs" / "client.md").read_text().partition("## Options of the entries")[2].partition("\n## ")[0]
    named = {flag for line in table.splitlines() for flag in re.findall(r"--[a-z][a-z-]*", line.rpartition(" | ")[2])}

    known = {*re.findall(r"--[a-z][a-z-]*", commands_text()), *(row.flag for row in options())}
    assert named >= {"--callback", "--query", "--if-match", "--start-after", "--timeout"}
    assert named <= known


def _until(words: list[str], *ends: str) -> list[str]:
    return words[: min((words.index(end) for end in ends if end in words), default=len(words))]
