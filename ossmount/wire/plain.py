"""Values of this room as plain ones, ready for JSON, and back: for commands that print and read configurations.

A dataclass is a mapping by field name, a tuple is a list, what is None or has its default's emptiness is left out.
Fields marked with `TIME` are dates in ISO 8601.
"""

from __future__ import annotations

from dataclasses import MISSING, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from .dates import parse_xml_date, xml_date

T = TypeVar("T")

Plain = Any


def time_field() -> Any:
    """Make a dataclass field for a time in seconds since the epoch, None by default."""
    return field(default=None, metadata={"time": True})


def to_plain(value: object) -> Plain:
    """Return *value*, a dataclass or what fields hold, as JSON can hold it."""
    if is_dataclass(value) and not isinstance(value, type):
        said = {}
        for each in fields(value):
            content = getattr(value, each.name)
            optional = each.default is not MISSING or each.default_factory is not MISSING
            if content is None or (optional and content in ("", (), {})):
                continue
            said[each.name] = xml_date(content) if each.metadata.get("time") else to_plain(content)
        return said
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: to_plain(item) for name, item in value.items()}
    return value


def from_plain(kind: type[T], said: Plain) -> T:
    """Return the *kind* that *said* describes, as `to_plain` would.

    Raises:
        ValueError: it does not; the message names the field.
    """
    return cast(T, _read(kind, said, kind.__name__))


def _read(kind: Any, said: Plain, where: str) -> object:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        choices = [choice for choice in get_args(kind) if choice is not NoneType]
        if said is None and len(choices) < len(get_args(kind)):
            return None
        return _read(choices[0], said, where)
    if origin is tuple:
        if not isinstance(said, list | tuple):
            raise ValueError(f"{where}: expected a list, not {said!r}")
        return tuple(_read(get_args(kind)[0], item, f"{where}[{number}]") for number, item in enumerate(said))
    if is_dataclass(kind):
        return _read_dataclass(kind, said, where)
    if origin is dict or kind is dict:
        if not isinstance(said, dict):
            raise ValueError(f"{where}: expected a mapping, not {said!r}")
        return said
    if kind is bool:
        if not isinstance(said, bool):
            raise ValueError(f"{where}: expected true or false, not {said!r}")
        return said
    if kind in (int, float, str):
        good = isinstance(said, kind) and not isinstance(said, bool)
        if not good and not (kind is float and isinstance(said, int) and not isinstance(said, bool)):
            raise ValueError(f"{where}: expected {kind.__name__}, not {said!r}")
        return kind(said)
    return said


def _read_dataclass(kind: Any, said: Plain, where: str) -> object:
    if not isinstance(said, dict):
        raise ValueError(f"{where}: expected a mapping, not {said!r}")
    known = {each.name: each for each in fields(kind)}
    if strange := sorted(map(str, said.keys() - known.keys())):
        raise ValueError(f"{where}: no such field: {', '.join(strange)} (there are: {', '.join(known)})")
    hints = get_type_hints(kind)
    values: dict[str, object] = {}
    for name, content in said.items():
        place = f"{where}.{name}"
        if known[name].metadata.get("time") and isinstance(content, str):
            try:
                values[name] = parse_xml_date(content)
            except ValueError:
                raise ValueError(f"{place}: not a date: {content!r}") from None
        else:
            values[name] = _read(hints[name], content, place)
    try:
        return kind(**values)
    except TypeError:
        missing = [
            each.name
            for each in known.values()
            if each.default is MISSING and each.default_factory is MISSING and each.name not in values
        ]
        raise ValueError(f"{where}: these fields are missing: {', '.join(missing)}") from None
