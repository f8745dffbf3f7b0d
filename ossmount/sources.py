"""What was written of options, and where: words of `-o`, variables of the environment, TOML files.

Each function takes the table of options by name and returns the values that it found, parsed.  What nobody knows, or
cannot be read, is a `ConfigError` that names the option and the place.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from typing import TYPE_CHECKING

from .options import VARIABLE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .options import Option

    Table = Mapping[str, Option]


class ConfigError(ValueError):
    """An option that is unknown, unreadable or impossible; its text names the option and where it was written."""


def read_mount_options(table: Table, words: str, *, sloppy: bool = False) -> tuple[dict[str, object], tuple[str, ...]]:
    r"""Read the value of one `-o`: comma-separated `name` or `name=value`, a comma in a value written `\,`.

    Of an option that may be given several times all count.  Returns the options by name, and the words that are the
    kernel's to honour.  The words of fstab(5) that are for mount(8) or systemd are accepted and dropped.  Raises
    ConfigError for an unknown word, unless *sloppy* (mount -s).
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
                option = _find(table, name, "in -o")
            except ConfigError:
                if sloppy:
                    continue
                raise
            if not equals and not option.is_flag:
                raise ConfigError(f"option {name} in -o needs a value: {name}={option.metavar}")
            if option.is_several:
                before = found.get(option.name, ())
                assert isinstance(before, tuple)
                found[option.name] = (*before, value)
            else:
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


def _find(table: Table, name: str, where: str) -> Option:
    known = table.get(name.replace("-", "_"))
    if known is None:
        near = difflib.get_close_matches(name.replace("-", "_"), table, n=1)
        raise ConfigError(f"unknown option {name} {where}" + (f": did you mean {near[0]}?" if near else ""))
    return known


def _parse(option: Option, value: object, where: str) -> object:
    try:
        return option.parse(value)
    except ValueError as exc:
        shown = "" if option.secret else f" {value!r}"
        raise ConfigError(f"option {option.name} {where}: cannot use{shown}: {exc}") from None


def read_values(table: Table, given: Mapping[str, object], where: str) -> dict[str, object]:
    """Parse the values *given* by name, which were written *where*."""
    found = {}
    for name, value in given.items():
        option = _find(table, name, where)
        found[option.name] = _parse(option, value, where)
    return found


def read_environment(table: Table, environ: Mapping[str, str]) -> dict[str, object]:
    """Read `OSSMOUNT_...`, and where that is not set the other variables that an option names."""
    own = {key.removeprefix(VARIABLE_PREFIX).lower(): key for key in environ if key.startswith(VARIABLE_PREFIX)}
    found = {}
    for name, variable in own.items():
        if environ[variable]:  # set but empty is how a shell says "not set"
            option = _find(table, name, f"in the environment ({variable})")
            found[option.name] = _parse(option, environ[variable], f"in the environment ({variable})")
    for option in table.values():
        for variable in option.environment:
            if option.name not in found and environ.get(variable):
                found[option.name] = _parse(option, environ[variable], f"in the environment ({variable})")
    return found


def read_file(table: Table, path: Path, bucket: str, *, must_exist: bool = False) -> dict[str, object]:
    """Read a TOML file: its top, and its section for *bucket*, which may also say `prefix` and `mountpoint`."""
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
    found = _read_section(table, content, f"in {path}", mode)
    for name, section in sections.items():  # all of them: a slip in another bucket's section is one as well
        where = f"in [bucket.{name}] of {path}"
        place = {key: section.pop(key) for key in ("prefix", "mountpoint") if key in section}
        if not all(isinstance(value, str) for value in place.values()):
            raise ConfigError(f"prefix and mountpoint {where} must be texts")
        values = _read_section(table, section, where, mode)
        if name == bucket:
            found |= values | place
    return found


def _read_section(table: Table, section: Mapping[str, object], where: str, mode: int) -> dict[str, object]:
    values = read_values(table, section, where)
    for name in values:
        if not table[name].in_files:
            raise ConfigError(f"option {name} {where}: it makes no sense in a file")
        if table[name].secret and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(f"option {name} {where}: others can read that file. Make it private: chmod 600")
    return values
