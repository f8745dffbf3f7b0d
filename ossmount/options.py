"""Rows of a table of options, and how people write amounts and names in them.

`ossmount.config` makes its fields with the constructors here (`flag`, `choice`, `size` ...): each puts an `Option`'s
facts into the field's metadata.  The `parse_...` functions take what was written (a text, or a number or truth value
from a TOML file) and return the value, or raise ValueError saying what was expected.
"""

from __future__ import annotations

import grp
import math
import os
import pwd
import re
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE_PREFIX = "OSSMOUNT_"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One row of the table.

    `parse` turns what was written (always a str on the command line and in the environment, a TOML value in a file)
    into the value and raises ValueError with the reason.  `environment` are further variables that are looked at when
    `OSSMOUNT_<NAME>` is not set.  One that *is_several* may be given several times, and its value is a tuple.
    """

    name: str
    parse: Callable[[object], object]
    default: Any
    metavar: str
    help: str
    shown_default: str
    is_flag: bool = False
    short: str | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    is_several: bool = False
    environment: tuple[str, ...] = ()
    in_files: bool = True

    @property
    def flag(self) -> str:
        """The long form on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return VARIABLE_PREFIX + self.name.upper()


def row_of(declared: Field[Any]) -> Option | None:
    """The row that a dataclass field carries, None when it is no option."""
    facts = declared.metadata.get("option")
    return None if facts is None else Option(name=declared.name, default=declared.default, **facts)


def option(
    parse: Callable[[object], object],
    default: Any,
    metavar: str,
    explanation: str,
    *,
    shown: str | None = None,
    **more: Any,
) -> Any:
    """A dataclass field that is a row of the table; *shown* is the default as a person should read it."""
    if shown is None:
        shown = "" if default is None else str(default)
    facts = {"parse": parse, "metavar": metavar, "help": explanation, "shown_default": shown, **more}
    return field(default=default, metadata={"option": facts})


def text(metavar: str, explanation: str, **more: Any) -> Any:
    """An option that is a text, None when it is not given."""
    return option(parse_text, None, metavar, explanation, **more)


def several(metavar: str, explanation: str, **more: Any) -> Any:
    """An option that is any number of texts: given again and again, as a list in a file, or with `;` between them."""
    return option(parse_several, (), metavar, explanation, is_several=True, **more)


def path(metavar: str, explanation: str, **more: Any) -> Any:
    """An option that is an absolute Path, None when it is not given."""
    return option(parse_path, None, metavar, explanation, **more)


def flag(explanation: str, **more: Any) -> Any:
    """An option that is off unless it is given."""
    return option(parse_flag, False, "", explanation, shown="off", is_flag=True, **more)


def choice(default: str, choices: tuple[str, ...], explanation: str) -> Any:
    """An option that is one of *choices*."""

    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return str(value)

    return option(parse, default, "|".join(choices), explanation, choices=choices)


def size(default: int, explanation: str, *, least: int, most: int | None = None, shown: str) -> Any:
    """An option that is a number of bytes between *least* and *most*."""
    return option(lambda value: _within(parse_size(value), least, most), default, "SIZE", explanation, shown=shown)


def duration(
    default: float, explanation: str, *, least: str = "0s", most: str | None = None, shown: str, **more: Any
) -> Any:
    """An option that is a number of seconds; *least* and *most* are durations as a person writes them."""

    def parse(value: object) -> float:
        seconds = parse_duration(value)
        if seconds < parse_duration(least):
            raise ValueError(f"expected at least {least}")
        if most is not None and seconds > parse_duration(most):
            raise ValueError(f"expected at most {most}")
        return seconds

    return option(parse, default, "DURATION", explanation, shown=shown, **more)


def number(default: int, explanation: str, *, least: int, most: int) -> Any:
    """An option that is a whole number between *least* and *most*."""
    return option(lambda value: _within(parse_number(value), least, most), default, "N", explanation)


def _within(value: int, least: int, most: int | None) -> int:
    if value < least:
        raise ValueError(f"expected at least {least}")
    if most is not None and value > most:
        raise ValueError(f"expected at most {most}")
    return value


def parse_text(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("expected a text")
    return value


def parse_several(value: object) -> tuple[str, ...]:
    """Texts: a list of them, or one with `;` in between; each once."""
    given = value if isinstance(value, list | tuple) else [value]
    found = [part.strip() for each in given for part in parse_text(each).split(";")]
    found = [part for part in found if part]
    if not found:
        raise ValueError("expected a text")
    for part in found:
        if found.count(part) > 1:
            raise ValueError(f"{part} is there twice")
    return tuple(found)


def parse_path(value: object) -> Path:
    """An absolute path; `~` and a path relative to the working directory are resolved."""
    return Path(os.path.abspath(os.path.expanduser(parse_text(value))))


_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-zµ]*)\s*")
# A bare K, M, G is binary, as for dd and systemd; kB, MB, GB are decimal, as the service counts bandwidth.
_SIZES = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtp", start=1):
    _SIZES |= {_letter: 1024**_power, _letter + "ib": 1024**_power, _letter + "b": 1000**_power}
_SECONDS = {"": 1.0, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def _split(value: object, expected: str) -> tuple[str, str]:
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected {expected}")
    return match[1], match[2].lower()


def parse_size(value: object) -> int:
    """Bytes of `256MiB`, `100MB`, `1.5G` or a plain number."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    number, unit = _split(value, "a size such as 256MiB")
    if unit not in _SIZES:
        raise ValueError(f"unknown unit {unit}: expected B, KiB, MiB, GiB, TiB, kB, MB, GB or TB")
    if "." in number:
        return round(float(number) * _SIZES[unit])
    return int(number) * _SIZES[unit]


def parse_duration(value: object) -> float:
    """Seconds of `10ms`, `5s`, `2m`, `1h` or a plain number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and math.isfinite(value):
        return float(value)
    number, unit = _split(value, "a duration such as 10ms or 5s")
    if unit not in _SECONDS:
        raise ValueError(f"unknown unit {unit}: expected ms, s, m, h or d")
    return float(number) * _SECONDS[unit]


def parse_number(value: object) -> int:
    """A whole number that is not negative."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise ValueError("expected a whole number")


def parse_flag(value: object) -> bool:
    """A truth value: true/false, yes/no, on/off, 1/0."""
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else value
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise ValueError("expected true or false")


def parse_mask(value: object) -> int:
    """Permission bits in octal, such as `022`.

    A number in a TOML file is refused: `umask = 22` would be decimal, and nobody means that.
    """
    if isinstance(value, str) and re.fullmatch(r"0?o?[0-7]{1,3}", value):
        return int(value.replace("o", ""), 8)
    raise ValueError('expected an octal mask such as "022"')


def parse_user(value: object) -> int:
    """The user id of a number or a name."""
    try:
        return _parse_id(value)
    except ValueError:
        pass
    try:
        return pwd.getpwnam(str(value)).pw_uid
    except KeyError:
        raise ValueError("no such user") from None


def parse_group(value: object) -> int:
    """The group id of a number or a name."""
    try:
        return _parse_id(value)
    except ValueError:
        pass
    try:
        return grp.getgrnam(str(value)).gr_gid
    except KeyError:
        raise ValueError("no such group") from None


def _parse_id(value: object) -> int:
    number = parse_number(value)
    if number >= 2**32 - 1:  # the last one means "leave it" to chown(2)
        raise ValueError("expected an id below 4294967295")
    return number
