"""Options by which a command does what it does only if the object is the one that is meant.

They are the conditions of GetObject, HeadObject and CopyObject: when they do not hold the answer is NotModified (304)
or PreconditionFailed (412).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from ..wire.dates import parse_http_date, parse_xml_date
from .connection import Parsed

if TYPE_CHECKING:
    from collections.abc import Callable


def _moment(text: str) -> float:
    try:
        return parse_http_date(text)
    except ValueError:
        pass
    try:
        return parse_xml_date(text)
    except ValueError:
        raise ValueError("expected a time such as 2026-02-24T08:42:32Z, in UTC unless it says otherwise") from None


_MOMENT = Parsed("time", _moment)
_OPTIONS = (
    click.option("--if-match", metavar="ETAG", help="Only if this is its ETag."),
    click.option("--if-none-match", metavar="ETAG", help="Only if this is not its ETag."),
    click.option("--if-modified-since", type=_MOMENT, metavar="TIME", help="Only if it was changed after TIME."),
    click.option("--if-unmodified-since", type=_MOMENT, metavar="TIME", help="Only if it was not changed after TIME."),
)


def condition_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give *function*, as its argument *conditions*, those that were asked for, by the names that the client uses."""

    @functools.wraps(function)
    def call(
        *args: Any,
        if_match: str | None,
        if_none_match: str | None,
        if_modified_since: float | None,
        if_unmodified_since: float | None,
        **values: Any,
    ) -> None:
        said = {
            "if_match": if_match,
            "if_none_match": if_none_match,
            "if_modified_since": if_modified_since,
            "if_unmodified_since": if_unmodified_since,
        }
        conditions = {name: value for name, value in said.items() if value is not None}
        function(*args, conditions=conditions, **values)

    for option in reversed(_OPTIONS):
        call = option(call)
    return call
