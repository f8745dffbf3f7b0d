"""What the commands that ask the service share: the options that say which service and who asks, and a client of it.

Nothing of the client is imported before a command runs: help and wrong usage are answered at once.
"""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .. import config as configuration
from ..config import Config, ConfigError
from .console import Failure, WrongUsage, write_examples
from .running import run_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from ..options import Option
    from ..oss import Bucket, Client

T = TypeVar("T")

# Of the table of options, those that say which service and who asks.
_SERVICE = (
    *("endpoint", "schedule", "failover_after", "region", "internal"),
    *("addressing", "signature", "timeout", "config"),
)
_CREDENTIALS = (
    "anonymous",
    "access_key_id",
    "access_key_secret",
    "security_token",
    "passwd_file",
    "ram_role",
    "credentials_uri",
    "credential_process",
    "credentials_file",
    "profile",
    "role_arn",
    "role_session_name",
    "role_duration",
    "external_id",
    "oidc_provider_arn",
    "oidc_token_file",
    "sts_endpoint",
)
_ROWS = (*_SERVICE, *_CREDENTIALS)


# How ossutil, aws and rclone call what is called otherwise here.
_ELSEWHERE = {
    "cat": "get",
    "copy": "cp",
    "del": "rm",
    "delete": "rm",
    "download": "get",
    "list": "ls",
    "make": "create",
    "mb": "create",
    "rb": "rm",
    "remove": "rm",
    "stat": "head",
    "upload": "put",
}


def click_option(row: Option) -> click.Option:
    """Return *row* of the table in click's terms.  Values are parsed where those of files and environment are."""
    flags = [f"{row.flag}/--no-{row.flag[2:]}" if row.is_flag else row.flag]
    if row.short:
        flags = [row.short, row.flag]
    shown = f"  [default: {row.shown_default}]" if row.shown_default and not row.is_flag else ""
    shown = "  Can be repeated." + shown if row.is_several else shown
    return click.Option(
        [*flags, row.name],
        is_flag=row.is_flag,
        default=None,
        multiple=row.is_several,
        type=bool if row.is_flag else str,
        metavar=None if row.is_flag else row.metavar,
        help=(row.help + shown).replace("`", ""),
    )


def given_of(values: Mapping[str, object]) -> dict[str, object]:
    """Return those of click's *values* that were given."""
    return {name: value for name, value in values.items() if value is not None and value != ()}


@dataclass(frozen=True)
class Connection:
    """The service that a command was told to ask; made by click out of the options of `connected`."""

    given: dict[str, object] = field(repr=False)  # secrets may be in it

    def config(self, bucket: str = "", *, anywhere: bool = False) -> Config:
        """Return all that was said about the connection; see `config.load_connection`.  Raises WrongUsage."""
        try:
            return configuration.load_connection(bucket, given=self.given, anywhere=anywhere)
        except ConfigError as exc:
            raise WrongUsage(str(exc)) from None

    def with_client(self, act: Callable[[Client], Awaitable[T]]) -> T:
        """Do *act*, which changes nothing, with a client of an endpoint that is alive.  Raises Failure."""
        config = self.config()

        async def run() -> T:
            from ..connecting import ask_any

            return await ask_any(config, act)

        return run_async(run)

    def with_bucket(self, name: str, act: Callable[[Bucket], Awaitable[T]]) -> T:
        """Do *act* with the bucket called *name*; with several endpoints, with all of them as one.  Raises Failure."""
        opened = self.opened(name)

        async def run() -> T:
            async with opened as bucket:
                return await act(bucket)

        return run_async(run)

    def opened(self, name: str) -> AbstractAsyncContextManager[Bucket]:
        """Return what opens the bucket called *name*.  Raises WrongUsage."""
        config = self.config(name)
        from ..connecting import open_bucket

        return open_bucket(config)


class ServiceGroup(click.Group):
    """A group that shows its commands in sections, in the order in which they were added, each with its whole first
    sentence.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sections: dict[str, list[str]] = {}

    def add_section(self, title: str, *commands: click.Command) -> None:
        """Show *commands*, which are added if they are not there yet, below *title*."""
        for command in commands:
            self.add_command(command)
        self._sections[title] = [str(command.name) for command in commands]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that *args* begin with; who calls it as other tools do is told how it is called here."""
        here = _ELSEWHERE.get(args[0])
        if here in self.commands and args[0] not in self.commands:
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {here!r}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them."""
        sectioned = {name for names in self._sections.values() for name in names}
        rest = [name for name in self.commands if name not in sectioned]
        width = max(map(len, self.commands))
        for title, names in (*self._sections.items(), ("Commands", rest)):
            if names:
                with formatter.section(title):
                    rows = [(f"{name:<{width}}", self.commands[name].get_short_help_str(limit=200)) for name in names]
                    formatter.write_dl(rows)


class ServiceCommand(click.Command):
    """A command that shows its own options, examples, whose lines are kept, and then the options that all have."""

    examples: Sequence[str] = ()
    # The names of the options that are of the connection.
    shared: Container[str] = ()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show them."""
        own: list[tuple[str, str]] = []
        service: list[tuple[str, str]] = []
        credentials: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                if parameter.name not in self.shared:
                    own.append(record)
                else:
                    (service if parameter.name in _SERVICE else credentials).append(record)
        with formatter.section("Options"):
            formatter.write_dl(own)
        write_examples(formatter, self.examples)
        for title, rows in (("Connection", service), ("Credentials", credentials)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def connected(group: click.Group, name: str, *examples: str) -> Callable[[Callable[..., None]], ServiceCommand]:
    """Make a command *name* of *group* that takes the options of the connection, as its first argument `Connection`."""

    def decorate(function: Callable[..., None]) -> ServiceCommand:
        made = make(name, *examples)(function)
        group.add_command(made)
        return made

    return decorate


def make(name: str, *examples: str) -> Callable[[Callable[..., None]], ServiceCommand]:
    """Make a command as `connected` does, of no group; an option that it has itself is its own."""

    def decorate(function: Callable[..., None]) -> ServiceCommand:
        own = {parameter.name for parameter in getattr(function, "__click_params__", ())}
        rows = [row for row in configuration.options() if row.name in _ROWS and row.name not in own]

        @functools.wraps(function)
        def call(**values: Any) -> None:
            said = {row.name: values.pop(row.name) for row in rows}
            function(Connection(given_of(said)), **values)

        command = click.command(name, cls=ServiceCommand)(call)
        assert isinstance(command, ServiceCommand)
        command.params += [click_option(row) for row in rows]
        command.examples = examples
        command.shared = {row.name for row in rows}
        return command

    return decorate


def read_text(source: str) -> str:
    """Return the text of the file called *source*, of standard input for ``-``.  Raises Failure."""
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise Failure(f"cannot read {source}: {getattr(exc, 'strerror', None) or 'it is no text'}") from None


def read_json(source: str) -> Any:
    """Return what the JSON of the file called *source* says, ``-`` for standard input.  Raises Failure."""
    try:
        return json.loads(read_text(source))
    except ValueError as exc:
        raise WrongUsage(f"{source} is no JSON: {exc}") from None


def print_json(value: object) -> None:
    """Print *value*; a key that is no text becomes one."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=True, default=str))
