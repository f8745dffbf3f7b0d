"""The entry points `ossmount` and `mount.ossmount`.

`ossmount BUCKET MOUNTPOINT` is `ossmount mount BUCKET MOUNTPOINT`: what does not begin with the name of a command is a
bucket to mount.  A command's module is imported when the command is called, since the server's and the mount's
libraries take longer to import than `ossmount status` takes to run.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

import click

from .. import __version__
from .console import Failure, Interrupted, write_examples
from .running import told

if TYPE_CHECKING:
    from collections.abc import Iterator

# The commands: the module, the name in it, and a line for the overview.
_COMMANDS = {
    "mount": ("mount", "mount", "Mount a bucket: what is done when no command is named."),
    "umount": ("admin", "umount", "Unmount, once every change is complete in OSS."),
    "flush": ("admin", "flush", "Wait until every change made so far is complete in OSS."),
    "status": ("status", "status", "Show the running mounts, or one in detail."),
    "serve": ("serve", "serve", "Run the embedded OSS server."),
    "object": ("object", "object_", "Put, get, list, copy, sign and remove objects."),
    "bucket": ("bucket", "bucket", "Make, remove and configure buckets."),
    "image": ("image", "image", "Get processed pictures, and keep styles for them."),
    "sts": ("sts", "sts", "Get temporary credentials."),
    "whoami": ("sts", "whoami", "Show which credentials are used, and whose they are."),
    "regions": ("regions", "regions", "List the regions and their endpoints."),
}
# How they are shown.
_SECTIONS = (
    ("Mounts", ("mount", "umount", "flush", "status")),
    ("The service without a mount", ("object", "bucket", "image", "sts", "whoami", "regions")),
    ("A service of one's own", ("serve",)),
)
_EXAMPLES = (
    "export OSS_ACCESS_KEY_ID=... OSS_ACCESS_KEY_SECRET=... OSS_REGION=cn-hangzhou",
    "ossmount my-bucket /mnt/oss",
    "ossmount umount /mnt/oss",
    "ossmount object put photo.jpg oss://my-bucket/photos/",
    "ossmount object ls oss://my-bucket -l",
)

# Where the first word is kept when it is not the name of a command.
_NO_COMMAND = "ossmount.no_command"


class Commands(click.Group):
    """A group that knows its commands by name before it imports them, and takes `mount` to be meant by default."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order in which a person needs them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command called *cmd_name*."""
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f".{module}", __package__), name)
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `mount` before what names no command."""
        own = {name for option in self.get_params(ctx) for name in option.opts}
        if args and args[0] not in own and args[0] not in _COMMANDS:
            self._doubt(ctx, args)
            ctx.meta[_NO_COMMAND] = args[0]
            args = ["mount", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; whatever stops it ends in a line."""
        try:
            return super().invoke(ctx)
        except Interrupted:
            raise
        except Failure as exc:
            if meant := self._meant(ctx):
                raise type(exc)(exc.message + meant) from None
            raise
        except KeyboardInterrupt:
            raise Interrupted from None
        except BrokenPipeError:
            raise  # click ends quietly with it
        except OSError as exc:
            raise told(exc) from None

    def _meant(self, ctx: click.Context) -> str:
        """Return what to add to a failure of what named no command: it may be one that is misspelt."""
        for name in difflib.get_close_matches(ctx.meta.get(_NO_COMMAND, ""), _COMMANDS, cutoff=0.8):
            if not isinstance(self.get_command(ctx, name), click.Group):
                return f".  Did you mean `ossmount {name}`?"
        return ""

    def _doubt(self, ctx: click.Context, args: list[str]) -> None:
        """Refuse `boject ls`, which would mount a bucket on `ls`."""
        for name in difflib.get_close_matches(args[0], _COMMANDS):
            meant = self.get_command(ctx, name)
            if isinstance(meant, click.Group) and args[1:2] and args[1] in meant.commands:
                raise click.UsageError(
                    f"No such command {args[0]!r}. Did you mean {name!r}? "
                    f"A bucket called so is mounted with `ossmount mount {args[0]} {args[1]}`.",
                    ctx,
                )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        for title, names in _SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(name, _COMMANDS[name][2]) for name in names])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show some of what is done most."""
        write_examples(formatter, _EXAMPLES)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The main form is shown first."""
        return ["BUCKET[:PREFIX] MOUNTPOINT [OPTIONS]  |  COMMAND ..."]


@click.group(
    cls=Commands, name="ossmount", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, "-V", "--version", message="ossmount %(version)s")
def cli() -> None:
    """Mount an Alibaba Cloud OSS bucket as a filesystem.

    See `ossmount COMMAND --help` for the options of a command, `ossmount mount --help` for those of a mount.  A bucket
    that is called like a command is mounted with `ossmount mount`.
    """


def main() -> None:
    """Run `ossmount`; exits with 0, 1 when it failed, 2 when it was asked in a wrong way, 130 when it was stopped."""
    cli(prog_name="ossmount")


@click.command(name="mount.ossmount", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="BUCKET[:PREFIX]")
@click.argument("mountpoint", metavar="MOUNTPOINT")
@click.option(
    "-o", "mount_options", multiple=True, metavar="NAME[=VALUE],...", help="Options, those of fstab included."
)
@click.option("-f", "fake", is_flag=True, help="Check, but do not mount.")
@click.option("-n", "_no_mtab", is_flag=True, help="Accepted: there is no mtab to leave alone.")
@click.option("-s", "sloppy", is_flag=True, help="Pass over unknown options.")
@click.option("-v", "_verbose", is_flag=True, help="Accepted.")
@click.option("-t", "_kind", metavar="TYPE", help="Accepted.")
@click.option("-N", "namespace", metavar="NAMESPACE", help="Refused: enter the namespace first.")
def mount_command_of_fstab(
    source: str,
    mountpoint: str,
    mount_options: tuple[str, ...],
    fake: bool,
    sloppy: bool,
    namespace: str | None,
    **_: object,
) -> None:
    """Mount what a line of /etc/fstab says, as mount(8) calls it."""
    from .mount import mount_with

    if namespace:
        raise Failure("-N is not supported: run mount inside that namespace (nsenter)")
    mount_with(source, mountpoint, mount_options, {}, sloppy=sloppy, fake=fake)


def mount_helper() -> None:
    """Run `mount.ossmount`, which mount(8) calls for lines of type `ossmount` in fstab."""
    mount_command_of_fstab(prog_name="mount.ossmount")


def commands() -> Iterator[tuple[str, click.Command]]:
    """All commands with their names, for the documents and the tests."""
    context = click.Context(cli)
    for name in _COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
