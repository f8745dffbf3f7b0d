"""What a mount was asked to do: defaults, then TOML files, then the environment, then the command line.

`Config` is the one table of options.  Every field says, in its metadata, how a text becomes its value and what a
person should know about it; the command line, the environment, the configuration files and `docs/configuration.md` are
all read off that table, so an option cannot exist in one place and be missing in another.  Nothing else in the house
reads the environment, and an option nobody knows is an error that names it, wherever it was written.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import os
import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .options import (
    VARIABLE_PREFIX,
    Option,
    choice,
    flag,
    number,
    option,
    parse_duration,
    parse_group,
    parse_mask,
    parse_path,
    parse_user,
    path,
    row_of,
    size,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "Config",
    "ConfigError",
    "default_files",
    "load",
    "load_connection",
    "options",
    "parse_mount_options",
    "parse_source",
    "runtime_dir",
]

_MIB = 1 << 20
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


class ConfigError(ValueError):
    """An option that is unknown, unreadable or impossible; its text names the option and where it was written."""


def _log_file(value: object) -> Path:
    return Path("syslog") if value == "syslog" else parse_path(value)


@dataclass(frozen=True, kw_only=True, repr=False)
class Config:
    """All that one mount was asked to do.  Made by `load`; its repr masks what is secret."""

    # What is mounted where: the arguments of the command line, not options.
    bucket: str
    prefix: str = ""  # as a key prefix: empty, or ending in "/"
    mountpoint: Path
    kernel_options: tuple[str, ...] = ()  # words of fstab that are the kernel's to honour, such as noexec

    # The service.
    endpoint: str | None = text(
        "URL",
        "The service: a host name, `http://` or `https://` URL, or `unix:///path` of a socket.",
        shown="public endpoint of the region",
        environment=("OSS_ENDPOINT",),
    )
    region: str | None = text(
        "REGION",
        "The region, such as `cn-hangzhou`; signature V4 needs it.",
        shown="taken from the endpoint",
        environment=("OSS_REGION",),
    )
    internal: bool = flag(
        "Use the region's internal endpoint: no traffic cost, reachable from inside Alibaba Cloud only."
    )
    addressing: str = choice(
        "auto",
        ("auto", "virtual", "path", "cname"),
        "Where the bucket's name goes: in the host, in the path, or nowhere as the host is the bucket's own. "
        "`auto` takes the path for an IP address, localhost or a socket, and the host otherwise.",
    )
    signature: str = choice("v4", ("v1", "v4"), "The version of the request signature.")

    # Who asks.
    access_key_id: str | None = text(
        "ID", "AccessKey ID.", shown="looked for in the environment and files", secret=True
    )
    access_key_secret: str | None = text(
        "SECRET",
        "AccessKey secret. Other users see a command line in `ps`: prefer the environment or a file.",
        secret=True,
    )
    security_token: str | None = text("TOKEN", "Token of a temporary (STS) AccessKey.", secret=True)
    passwd_file: Path | None = path(
        "FILE", "Password file in the form of ossfs, `BUCKET:ID:SECRET` a line; must be private (0600)."
    )

    # What is promised.
    commit: str = choice(
        "background",
        ("background", "close"),
        "`background`: close() returns when the change is safe in the local log; `close`: when it is complete in OSS.",
    )
    durable_log: bool = flag("Sync staging and log to disk at each close, so that they survive a power loss, too.")
    read_only: bool = flag("Change nothing in the bucket.")
    ttl: float = option(
        parse_duration,
        5.0,
        "DURATION",
        "For how long a listing or an attribute is believed before the bucket is asked again.",
        shown="5s",
    )
    attributes: str = choice(
        "exact",
        ("exact", "list"),
        "`exact`: owner, mode and mtime come from a HEAD of each object; `list`: objects written by others "
        "show what a listing tells, which costs no request.",
    )

    # Local resources.
    state_dir: Path | None = path(
        "DIR",
        "Where pending changes and staged bytes live until they are in OSS; on a local disk.",
        shown="`/var/lib/ossmount` as root, else `~/.local/state/ossmount`",
    )
    cache_dir: Path | None = path(
        "DIR",
        "Where clean blocks are kept across restarts when `cache_size` is not 0.",
        shown="`/var/cache/ossmount` as root, else `~/.cache/ossmount`",
    )
    cache_size: int = size(0, "Bytes of disk for clean blocks; 0 keeps none.", least=0, shown="0")
    runtime_dir: Path | None = path(
        "DIR",
        "Where running mounts are registered, for `ossmount status` and `ossmount umount` to find them.",
        shown="`/run/ossmount` as root, else `$XDG_RUNTIME_DIR/ossmount`",
    )
    memory: int = size(
        256 * _MIB, "Bytes of memory for blocks and requests under way.", least=16 * _MIB, shown="256MiB"
    )
    part_size: int = size(
        8 * _MIB,
        "Size of the first parts of a multipart upload; they grow for large files.",
        least=100 * 1024,  # the service's own limit
        most=5 << 30,
        shown="8MiB",
    )
    parallel: int = number(32, "How many requests may be under way at once.", least=1, most=1024)

    # How files look.
    uid: int | None = option(parse_user, None, "USER", "Owner of everything, whatever the objects say.")
    gid: int | None = option(parse_group, None, "GROUP", "Group of everything, whatever the objects say.")
    umask: int | None = option(
        parse_mask, None, "OCTAL", "Permission bits to take away from objects that carry no mode of their own."
    )
    fmask: int | None = option(parse_mask, None, "OCTAL", "The same for files only.", shown="umask")
    dmask: int | None = option(parse_mask, None, "OCTAL", "The same for directories only.", shown="umask")
    allow_other: bool = flag("Let other users in; unless root mounts, `/etc/fuse.conf` must say `user_allow_other`.")
    nonempty: bool = flag("Mount over a directory that is not empty.")

    # The process.
    foreground: bool = flag("Stay in the foreground and log to stderr.", short="-f")
    log_level: str = choice("info", ("error", "warning", "info", "debug"), "How much is logged.")
    log_file: Path | None = option(
        _log_file,
        None,
        "FILE",
        "Where to log in the background: a file, or the word `syslog`.",
        shown="syslog, or `ossmount.log` in the state directory where there is none",
    )
    embedded: Path | None = path("DIR", "Run an embedded OSS server with its data in DIR and mount a bucket of that.")
    config: Path | None = path("FILE", "Read this configuration file instead of the usual ones.", in_files=False)

    def __repr__(self) -> str:
        shown = []
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if value != one.default:
                row = row_of(one)
                shown.append(f"{one.name}={'***' if row and row.secret else repr(value)}")
        return f"Config({', '.join(shown)})"

    @property
    def source(self) -> str:
        """BUCKET[:PREFIX], as it was asked for."""
        return f"{self.bucket}:{self.prefix.rstrip('/')}" if self.prefix else self.bucket

    @property
    def state(self) -> Path:
        """This mount's own directory below `state_dir`.

        It is named after the service, the bucket and the prefix, not after the mountpoint: what is pending belongs to
        the bucket, and must be found again wherever that is mounted next.
        """
        assert self.state_dir is not None
        return self.state_dir / self._own_name()

    @property
    def control(self) -> Path:
        """The socket where commands reach this mount (`ossmount.control`)."""
        return self.state / "control"

    @property
    def cache(self) -> Path:
        """This bucket's own directory below `cache_dir`."""
        assert self.cache_dir is not None
        return self.cache_dir / self._own_name()

    def _own_name(self) -> str:
        service = str(self.embedded or self.endpoint or "").rstrip("/")
        if service.endswith(".aliyuncs.com"):  # a bucket's name is unique there, whichever endpoint leads to it
            service = ""
        identity = f"{service}\n{self.bucket}\n{self.prefix}"
        return f"{self.bucket}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


_OPTIONS = {row.name: row for row in map(row_of, dataclasses.fields(Config)) if row is not None}


def options() -> Sequence[Option]:
    """The table of options, in the order in which they are to be shown."""
    return tuple(_OPTIONS.values())


def load(
    source: str,
    mountpoint: str | os.PathLike[str] | None = None,
    *,
    given: Mapping[str, object] | None = None,
    kernel_options: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
    files: Sequence[Path] | None = None,
) -> Config:
    """Compose the Config of one mount.

    *source* is `BUCKET[:PREFIX]`; *given* are the options of the command line by name.  *files* are the configuration
    files to read, default `default_files()`; those that do not exist are passed over, but one named by `--config` must
    exist.  A file's `[bucket.NAME]` section may also say `prefix` and `mountpoint`.

    Raises ConfigError.
    """
    environ = os.environ if environ is None else environ
    bucket, prefix = parse_source(source)
    values = _gather(bucket, given or {}, environ, files)

    configured_prefix, configured_place = values.pop("prefix", ""), values.pop("mountpoint", None)
    place = mountpoint if mountpoint is not None else configured_place
    if not isinstance(place, str | os.PathLike):
        raise ConfigError(f"no mountpoint: give one, or a line `mountpoint = ...` in [bucket.{bucket}] of a file")
    prefix = prefix or _clean_prefix(str(configured_prefix))
    for name, directory in _directories(environ).items():
        values.setdefault(name, directory)
    for name in ("fmask", "dmask"):
        values.setdefault(name, values.get("umask"))
    config = Config(
        bucket=bucket,
        prefix=prefix,
        mountpoint=Path(os.path.abspath(os.path.expanduser(place))),
        kernel_options=tuple(kernel_options),
        **values,  # type: ignore[arg-type]  # each was parsed by its own row
    )
    _check(config)
    return config


def load_connection(
    bucket: str = "",
    *,
    given: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    files: Sequence[Path] | None = None,
    anywhere: bool = False,
) -> Config:
    """Compose the Config of a command that asks the service, about *bucket* or none, and mounts nothing; see `load`.

    With *anywhere* it need not be said which service.  Raises ConfigError.
    """
    values = _gather(bucket, given or {}, os.environ if environ is None else environ, files)
    for name in ("prefix", "mountpoint"):
        values.pop(name, None)
    config = Config(bucket=bucket, mountpoint=Path(), **values)  # type: ignore[arg-type]  # as in `load`
    _check(config, anywhere=anywhere)
    return config


def _gather(
    bucket: str, given: Mapping[str, object], environ: Mapping[str, str], files: Sequence[Path] | None
) -> dict[str, object]:
    """Read what was said anywhere, by option; the later source wins."""
    values: dict[str, object] = {}
    from_environment = _read_environment(environ)
    command_line = _read_values(given, "on the command line")
    named = command_line.get("config", from_environment.get("config"))
    if isinstance(named, Path):
        values |= _read_file(named, bucket, must_exist=True)
    else:
        for file in default_files(environ) if files is None else files:
            values |= _read_file(file, bucket)
    return values | from_environment | command_line


def _check(config: Config, *, anywhere: bool = False) -> None:
    if not anywhere and not config.endpoint and not config.region and not config.embedded:
        raise ConfigError("which service? Give --region (such as cn-hangzhou) or --endpoint")
    if config.internal and config.embedded:
        raise ConfigError("--internal and --embedded exclude each other")
    if (config.access_key_id is None) != (config.access_key_secret is None):
        raise ConfigError("access_key_id and access_key_secret go together: only one of them was given")
    if config.security_token and not config.access_key_id:
        raise ConfigError("security_token needs the access_key_id and access_key_secret that it came with")


def parse_source(source: str) -> tuple[str, str]:
    """Split `BUCKET[:PREFIX]` or `oss://BUCKET[/PREFIX]` into the bucket and the key prefix (empty, or ending in "/").

    Raises ConfigError for what is no bucket name (3 to 63 of a-z, 0-9 and "-": PutBucket).
    """
    if source.startswith("oss://"):
        bucket, _, prefix = source.removeprefix("oss://").partition("/")
    else:
        bucket, _, prefix = source.partition(":")
    if not _BUCKET_NAME.fullmatch(bucket):
        raise ConfigError(f"{bucket!r} is no bucket name: 3 to 63 of a-z, 0-9 and -, not beginning or ending with -")
    return bucket, _clean_prefix(prefix)


def _clean_prefix(prefix: str) -> str:
    prefix = prefix.strip("/")
    return prefix + "/" if prefix else ""


def default_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The configuration files that are read when none is named, the weakest first."""
    home = Path(environ.get("XDG_CONFIG_HOME") or os.path.join(_home(environ), ".config"))
    return (Path("/etc/ossmount.toml"), home / "ossmount" / "config.toml")


def runtime_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where running mounts are registered, for a command that is given only a mountpoint."""
    environ = os.environ if environ is None else environ
    named = environ.get(_OPTIONS["runtime_dir"].variable)
    return parse_path(named) if named else _directories(environ)["runtime_dir"]


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or os.path.expanduser("~")


def _directories(environ: Mapping[str, str]) -> dict[str, Path]:
    if os.geteuid() == 0:
        # Whether root logged in, used sudo or is the boot: it must always look in the same place.
        below = {"state_dir": "/var/lib", "cache_dir": "/var/cache", "runtime_dir": "/run"}
        return {name: Path(place, "ossmount") for name, place in below.items()}
    home = Path(_home(environ))
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "ossmount"
    run = environ.get("XDG_RUNTIME_DIR")
    return {
        "state_dir": Path(environ.get("XDG_STATE_HOME") or home / ".local/state") / "ossmount",
        "cache_dir": cache,
        "runtime_dir": Path(run, "ossmount") if run else cache / "run",
    }


def parse_mount_options(words: str, *, sloppy: bool = False) -> tuple[dict[str, object], tuple[str, ...]]:
    r"""Read the value of one `-o`: comma-separated `name` or `name=value`, a comma in a value written `\,`.

    Returns the options by name, and the words that are the kernel's to honour.  The words of fstab(5) that are for
    mount(8) or systemd are accepted and dropped.  Raises ConfigError for an unknown word, unless *sloppy* (mount -s).
    """
    found: dict[str, object] = {}
    kernel: list[str] = []
    for word in re.split(r"(?<!\\),", words):
        name, equals, value = word.strip().replace("\\,", ",").partition("=")
        if name in ("ro", "rw"):
            found["read_only"] = name == "ro"
        elif name in _KERNEL_WORDS:
            kernel.append(name)
        elif name and name not in _FSTAB_WORDS and not name.startswith(("x-", "X-")):
            try:
                option = _find(name, "in -o")
            except ConfigError:
                if sloppy:
                    continue
                raise
            if not equals and not option.is_flag:
                raise ConfigError(f"option {name} in -o needs a value: {name}={option.metavar}")
            found[option.name] = value if equals else True
    return found, tuple(kernel)


# What libfuse itself hands to the kernel. The rest of fstab's words concern mount(8), or ask for what is so anyway.
_KERNEL_WORDS = frozenset(("nosuid", "nodev", "noexec", "noatime", "sync", "dirsync"))
_FSTAB_WORDS = frozenset(
    """
    _netdev auto noauto nofail user nouser users owner group defaults comment loop suid dev exec atime
    async relatime norelatime strictatime nostrictatime diratime nodiratime lazytime nolazytime iversion
    noiversion silent loud mand nomand fsname subtype default_permissions
    """.split()
)


def _find(name: str, where: str) -> Option:
    known = _OPTIONS.get(name.replace("-", "_"))
    if known is None:
        near = difflib.get_close_matches(name.replace("-", "_"), _OPTIONS, n=1)
        raise ConfigError(f"unknown option {name} {where}" + (f": did you mean {near[0]}?" if near else ""))
    return known


def _parse(option: Option, value: object, where: str) -> object:
    try:
        return option.parse(value)
    except ValueError as exc:
        shown = "" if option.secret else f" {value!r}"
        raise ConfigError(f"option {option.name} {where}: cannot use{shown}: {exc}") from None


def _read_values(given: Mapping[str, object], where: str) -> dict[str, object]:
    found = {}
    for name, value in given.items():
        option = _find(name, where)
        found[option.name] = _parse(option, value, where)
    return found


def _read_environment(environ: Mapping[str, str]) -> dict[str, object]:
    own = {key.removeprefix(VARIABLE_PREFIX).lower(): key for key in environ if key.startswith(VARIABLE_PREFIX)}
    found = {}
    for name, variable in own.items():
        if environ[variable]:  # set but empty is how a shell says "not set"
            option = _find(name, f"in the environment ({variable})")
            found[option.name] = _parse(option, environ[variable], f"in the environment ({variable})")
    for option in options():
        for variable in option.environment:
            if option.name not in found and environ.get(variable):
                found[option.name] = _parse(option, environ[variable], f"in the environment ({variable})")
    return found


def _read_file(path: Path, bucket: str, *, must_exist: bool = False) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
            mode = os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"no configuration file {path}") from None
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is no TOML: {exc}") from None
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}") from None
    sections = content.pop("bucket", {})
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        raise ConfigError(f"bucket in {path} must be sections: [bucket.NAME]")
    found = _read_section(content, f"in {path}", mode)
    for name, section in sections.items():  # all of them: a slip in another bucket's section is one as well
        where = f"in [bucket.{name}] of {path}"
        place = {key: section.pop(key) for key in ("prefix", "mountpoint") if key in section}
        if not all(isinstance(value, str) for value in place.values()):
            raise ConfigError(f"prefix and mountpoint {where} must be texts")
        values = _read_section(section, where, mode)
        if name == bucket:
            found |= values | place
    return found


def _read_section(section: Mapping[str, object], where: str, mode: int) -> dict[str, object]:
    values = _read_values(section, where)
    for name in values:
        if not _OPTIONS[name].in_files:
            raise ConfigError(f"option {name} {where}: it makes no sense in a file")
        if _OPTIONS[name].secret and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(f"option {name} {where}: others can read that file. Make it private: chmod 600")
    return values
