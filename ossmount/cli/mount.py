"""`ossmount mount`: check what can be checked before anything starts, then become the daemon of a mount."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import config as configuration
from ..config import Config, ConfigError
from ..control import NotRunning, find
from .connection import click_option, given_of
from .console import Failure, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def mount_with(
    source: str,
    mountpoint: str | None,
    mount_options: Sequence[str],
    given: Mapping[str, object],
    *,
    sloppy: bool = False,
    fake: bool = False,
) -> None:
    """Mount *source* at *mountpoint* with the words of `-o` and the options *given* by name.

    Returns when the mount is live in the background, or has ended in the foreground.  *sloppy* passes over unknown
    words of `-o`; *fake* stops after the checks.  Raises Failure.
    """
    try:
        words, kernel_options = configuration.parse_mount_options(",".join(mount_options), sloppy=sloppy)
        config = configuration.load(source, mountpoint, given={**words, **given}, kernel_options=kernel_options)
        check_service(config)
    except ConfigError as exc:
        raise WrongUsage(str(exc)) from None
    check(config)
    if fake:
        return
    from . import daemon

    if config.foreground:
        daemon.stay(config)
    else:
        daemon.launch(config)


def check_service(config: Config) -> None:
    """The options of the service, and of who asks, must make sense together.  Raises ConfigError."""
    from ..connecting import credentials_of, endpoints_of

    if config.embedded is None:
        try:
            endpoints_of(config)
            credentials_of(config)
        except ValueError as exc:
            raise ConfigError(str(exc)) from None


def check(config: Config) -> None:
    """Find out what would keep the kernel from mounting.  Raises Failure with what to do about it."""
    check_mountpoint(config)
    check_fuse(config)


def check_mountpoint(config: Config, mountinfo: Path = Path("/proc/self/mountinfo")) -> None:
    """The mountpoint must be a directory that is there, empty, and not a mount already."""
    place = config.mountpoint
    try:
        kind = fuse_mounts(mountinfo).get(os.path.realpath(place))
        if kind is not None:
            runs = _running(config)
            by = f"by ossmount ({runs})" if runs else f"({kind})"
            raise Failure(
                f"{place} is busy: something is mounted there already {by}. Unmount it: ossmount umount {place}"
            )
        if not stat.S_ISDIR(os.stat(place).st_mode):
            raise Failure(f"{place} is not a directory")
        with os.scandir(place) as entries:
            occupied = next(entries, None) is not None
        if occupied and not config.nonempty:
            raise Failure(f"{place} is not empty. Mount elsewhere, or hide what is there with --nonempty")
        if os.geteuid() != 0 and not os.access(place, os.W_OK):
            raise Failure(f"{place} is not yours to mount on: you must be allowed to write there")
    except FileNotFoundError:
        raise Failure(f"there is no directory {place}. Make it: mkdir -p {place}") from None
    except OSError as exc:
        if exc.errno == errno.ENOTCONN:
            raise Failure(f"{place} is a mount whose daemon has died. Free it: ossmount umount {place}") from None
        raise Failure(f"cannot use {place}: {exc.strerror}") from None


def _running(config: Config) -> str | None:
    try:
        assert config.runtime_dir is not None
        return find(config.runtime_dir, config.mountpoint).source
    except NotRunning:
        return None


def fuse_mounts(mountinfo: Path = Path("/proc/self/mountinfo")) -> dict[str, str]:
    """The FUSE filesystems that are mounted: their type by mountpoint (proc(5), /proc/pid/mountinfo)."""
    mounts = {}
    for line in mountinfo.read_bytes().splitlines():
        fields, _, rest = line.partition(b" - ")
        kind = rest.split(b" ", 1)[0].decode()
        if kind.startswith("fuse") and kind != "fusectl":
            place = fields.split(b" ")[4].decode("unicode_escape").encode("latin-1")  # a blank is written \040
            mounts[os.fsdecode(place)] = kind
    return mounts


def check_fuse(config: Config, device: Path = Path("/dev/fuse"), fuse_conf: Path = Path("/etc/fuse.conf")) -> None:
    """The kernel must speak FUSE, and this user must be allowed to."""
    try:
        os.close(os.open(device, os.O_RDWR))
    except FileNotFoundError:
        raise Failure(
            f"there is no {device}. Load the kernel module (modprobe fuse), or give it to the container"
        ) from None
    except OSError as exc:
        raise Failure(f"cannot open {device}: {exc.strerror}. FUSE is not open to this user or container") from None
    if os.geteuid() == 0:
        return
    if shutil.which("fusermount3") is None:
        raise Failure("fusermount3 is missing. Install the package fuse3, or mount as root")
    if config.allow_other and not _allows_other(fuse_conf):
        raise Failure(f"allow_other needs a line `user_allow_other` in {fuse_conf}, or root")


def _allows_other(fuse_conf: Path) -> bool:
    try:
        return "user_allow_other" in (line.strip() for line in fuse_conf.read_text().splitlines())
    except OSError:
        return False


def _click_options() -> list[click.Parameter]:
    """The options of the table, in click's terms.  Values are parsed where those of files and environment are."""
    return [click_option(row) for row in configuration.options()]


def _mount(source: str, mountpoint: str | None, mount_options: tuple[str, ...], **given: Any) -> None:
    mount_with(source, mountpoint, mount_options, given_of(given))


mount = click.Command(
    "mount",
    callback=_mount,
    params=[
        click.Argument(["source"], metavar="BUCKET[:PREFIX]"),
        click.Argument(["mountpoint"], metavar="MOUNTPOINT", required=False),
        click.Option(
            ["-o", "mount_options"],
            multiple=True,
            metavar="NAME[=VALUE],...",
            help="Options as mount(8) writes them; the words of fstab are understood.",
        ),
        *_click_options(),
    ],
    help="""Mount a bucket, or what is below PREFIX in it, at the directory MOUNTPOINT.

    The mount runs in the background; the command returns when it is live.  Each option can also be written in
    /etc/ossmount.toml, ~/.config/ossmount/config.toml, or as OSSMOUNT_NAME in the environment.
    """,
)
