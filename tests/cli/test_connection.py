"""What help costs, and that the commands we tell people of exist."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from ossmount.cli.main import commands

Program = Callable[..., subprocess.CompletedProcess[str]]


def leaves(command: click.Command, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        return [(path, command)]
    return [leaf for name, each in command.commands.items() for leaf in leaves(each, (*path, name))]


ALL = [leaf for name, command in commands() for leaf in leaves(command, (name,))]


@pytest.mark.parametrize(
    ("path", "command"), ALL, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_has_help_and_its_examples_are_of_it(
    ossmount: Program, path: tuple[str, ...], command: click.Command
) -> None:
    shown = ossmount(*path, "--help")

    assert shown.returncode == 0
    assert command.help
    for example in getattr(command, "examples", ()):
        assert example in shown.stdout
    if hasattr(command, "examples"):
        assert " ".join(("ossmount", *path)) in " ".join(command.examples)
        assert "\nConnection:\n" in shown.stdout


def test_help_imports_no_client() -> None:
    code = (
        "import sys; from ossmount.cli.main import cli; from click.testing import CliRunner;"
        "[CliRunner().invoke(cli, args) for args in (['--help'], ['object', '--help'], ['bucket', 'cors', '--help'])];"
        "print(sorted({'trio', 'httpx', 'httptools', 'pyfuse3', 'rich.progress', 'PIL'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
