"""What a mount was asked to do: defaults, then TOML files, then the environment, then the command line.

`Config` is the one table of options.  Every field says, in its metadata, how a text becomes its value and what a
person should know about it; the command line, the environment, the configuration files and `docs/configuration.md` are
all read off that table, so an option cannot exist in one place and be missing in another.  Nothing else in the house
reads the environment, and an option nobody knows is an error that names it, wherever it was written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import sources
from .options import (
    Option,
    choice,
    duration,
    flag,
    number,
    option,
    parse_group,
    parse_mask,
    parse_path,
    parse_text,
    parse_user,
    path,
    row_of,
    several,
    size,
    text,
)
from .sources import ConfigError
from .wire.limits import check_bucket_name
from .wire.signing import MAX_EXPIRES_V4

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
    "state_dir",
]

_MIB = 1 << 20
_CENTURY = "36500d"  # version 1 of the signature names the second, and sets no limit
_DEADLINE = "5m"  # of all attempts of a request together


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
    endpoint: tuple[str, ...] = several(
        "URL",
        "The service: a host name, `http://` or `https://` URL, or `unix:///path` of a socket. Given several times, "
        "all hold the same bucket: reads go to one that is alive, writes to all.",
        shown="public endpoint of the region",
        environment=("OSS_ENDPOINT",),
    )
    schedule: str = choice(
        "roundRobin",
        ("roundRobin", "masterSlave"),
        "Of several endpoints, which one is read: each in turn, or the first that is alive.",
    )
    failover_after: float = duration(
        3.0, "For how long one of them may be silent before another is read.", least="1s", most=_DEADLINE, shown="3s"
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
    timeout: float = duration(
        20.0,
        "How long the service may be silent before a request is tried again.",
        least="1s",
        most=_DEADLINE,
        shown="20s",
    )

    # Who asks.
    anonymous: bool = flag("Sign nothing: for buckets and objects that anybody may read.")
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
    ram_role: str | None = text(
        "ROLE",
        "RAM role of the instance this runs on, from its metadata service: a name, `auto` for the one it has, or the "
        "URL `http://HOST/latest/meta-data/ram/security-credentials/NAME`.",
    )
    credentials_uri: str | None = text("URL", "Where temporary credentials are told in JSON.", secret=True)
    credential_process: str | None = text(
        "COMMAND", "Command that prints credentials in JSON; the shell runs it.", secret=True
    )
    credentials_file: Path | None = path(
        "FILE", "Profiles of Alibaba Cloud's tools, in INI or (`.json`) as the aliyun command writes them; private."
    )
    profile: str | None = text("NAME", "Which profile of that file, or of the usual ones.", shown="the current one")
    role_arn: str | None = text("ARN", "Assume this role, with the credentials found, or with an OIDC token.")
    role_session_name: str = option(
        parse_text, "ossmount", "NAME", "How the service's logs call whoever assumes the role."
    )
    role_duration: float = duration(3600.0, "For how long a role is assumed at a time.", least="15m", shown="1h")
    external_id: str | None = text("ID", "What the owner of the role asks for.")
    oidc_provider_arn: str | None = text("ARN", "Identity provider whose token proves who assumes the role.")
    oidc_token_file: Path | None = path("FILE", "Its token; read again whenever the role is assumed.")
    sts_endpoint: str | None = text(
        "URL", "Where roles are assumed (STS).", shown="that of the region, else the central one"
    )

    # What is promised.
    commit: str = choice(
        "background",
        ("background", "close"),
        "`background`: close() returns when the change is safe in the local log; `close`: when it is complete in OSS.",
    )
    linger: float = duration(
        0.05,
        "How long a change waits for what usually follows it, such as chmod and rename after a write, so that both are "
        "one request; deletes wait longer for each other. Whoever waits for a change ends that.",
        shown="50ms",
    )
    durable_log: bool = flag("Sync staging and log to disk at each close, so that they survive a power loss, too.")
    read_only: bool = flag("Change nothing in the bucket.")
    ttl: float = duration(
        5.0,
        "For how long a listing or an attribute is believed before the bucket is asked again.",
        shown="5s",
    )
    attributes: str = choice(
        "exact",
        ("exact", "list"),
        "`exact`: owner, mode and mtime come from a HEAD of each object; `list`: objects written by others "
        "show what a listing tells, which costs no request.",
    )
    url_expires: float = duration(
        3600.0,
        "For how long a URL that `user.oss.url` gives is good: with signature V4 at most 7 days.",
        least="1s",
        most=_CENTURY,
        shown="1h",
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
    images: bool = flag("Let `photo.jpg@200w_200h` and `photo.jpg@!STYLE` be read: pictures that OSS processes.")

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
        the bucket, and must be found again wherever that is mounted next.  Of several endpoints the order is no matter;
        others are another service: what is pending for two must not count as done when one has it.
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
        places = (str(self.embedded),) if self.embedded else self.endpoint
        # On aliyuncs.com a bucket's name is unique, whichever endpoint leads to it: all of them are one service.
        services = {"" if (name := place.rstrip("/")).endswith(".aliyuncs.com") else name for place in places}
        service = "\n".join(sorted(services))
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
    from_environment = sources.read_environment(_OPTIONS, environ)
    command_line = sources.read_values(_OPTIONS, given, "on the command line")
    named = command_line.get("config", from_environment.get("config"))
    if isinstance(named, Path):
        values = sources.read_file(_OPTIONS, named, bucket, must_exist=True)
    else:
        for file in default_files(environ) if files is None else files:
            values = _over(values, sources.read_file(_OPTIONS, file, bucket))
    return _over(_over(values, from_environment), command_line)


# Ways to say who asks; who names one means no other that was named before.
_IDENTITIES = (
    {"anonymous"},
    {"access_key_id", "access_key_secret", "security_token"},
    {"passwd_file"},
    {"ram_role"},
    {"credentials_uri"},
    {"credential_process"},
    {"credentials_file", "profile"},
)


def _over(earlier: Mapping[str, object], later: Mapping[str, object]) -> dict[str, object]:
    """Join what two sources say; the later wins."""
    named = [names for names in _IDENTITIES if names & later.keys()]
    void = set().union(*_IDENTITIES) - set().union(*named) if named else set()
    return {name: value for name, value in earlier.items() if name not in void} | dict(later)


def _check(config: Config, *, anywhere: bool = False) -> None:
    if not anywhere and not config.endpoint and not config.region and not config.embedded:
        raise ConfigError("which service? Give --region (such as cn-hangzhou) or --endpoint")
    if config.internal and config.embedded:
        raise ConfigError("--internal and --embedded exclude each other")
    if (config.access_key_id is None) != (config.access_key_secret is None):
        raise ConfigError("access_key_id and access_key_secret go together: only one of them was given")
    if config.security_token and not config.access_key_id:
        raise ConfigError("security_token needs the access_key_id and access_key_secret that it came with")
    if bool(config.oidc_provider_arn) != bool(config.oidc_token_file):
        raise ConfigError("oidc_provider_arn and oidc_token_file go together: only one of them was given")
    if (config.oidc_token_file or config.external_id) and not config.role_arn:
        raise ConfigError("which role? oidc_token_file and external_id need role_arn")
    if config.anonymous and config.role_arn:
        raise ConfigError("anonymous and role_arn exclude each other: nobody can assume a role")
    if config.signature == "v4" and config.url_expires > MAX_EXPIRES_V4:
        raise ConfigError("url_expires is at most 7d with signature v4; with v1 it may be longer")


def parse_mount_options(words: str, *, sloppy: bool = False) -> tuple[dict[str, object], tuple[str, ...]]:
    """Read the value of one `-o`; see `sources.read_mount_options`."""
    return sources.read_mount_options(_OPTIONS, words, sloppy=sloppy)


def parse_source(source: str) -> tuple[str, str]:
    """Split `BUCKET[:PREFIX]` or `oss://BUCKET[/PREFIX]` into the bucket and the key prefix (empty, or ending in "/").

    Raises ConfigError for what is no bucket name.
    """
    if source.startswith("oss://"):
        bucket, _, prefix = source.removeprefix("oss://").partition("/")
    else:
        bucket, _, prefix = source.partition(":")
    try:
        check_bucket_name(bucket)
    except ValueError as exc:
        raise ConfigError(str(exc)) from None
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
    return _directory("runtime_dir", os.environ if environ is None else environ)


def state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where mounts keep what is pending, for a command that is given nothing."""
    return _directory("state_dir", os.environ if environ is None else environ)


def _directory(name: str, environ: Mapping[str, str]) -> Path:
    named = environ.get(_OPTIONS[name].variable)
    return parse_path(named) if named else _directories(environ)[name]


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
