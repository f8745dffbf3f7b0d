"""Whether and what part of an object to send: conditions and ranges as OSS decides them.  Pure.

Source: API reference, GetObject ("Conditional request headers", "Range requests") and CopyObject.
"""

from __future__ import annotations

import re

from ..wire.dates import http_date, parse_http_date
from ..wire.errors import InvalidRange, NotModified, PreconditionFailed
from ..wire.object_calls import Conditions, quoted

# Of several ranges only the first is looked at.
_RANGE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*(?:,.*)?", re.ASCII)


def check_conditions(conditions: Conditions, *, etag: str, modified: int, now: float) -> None:
    """Return if an object with *etag*, changed at *modified*, is to be sent.

    Raises:
        NotModified: the client has it already.
        PreconditionFailed: it is not the one the client means.
    """
    if not conditions:
        return
    if conditions.match and not _matches(conditions.match, etag):
        raise PreconditionFailed(details={"Condition": "If-Match"})
    since = _time(conditions.unmodified_since)
    if since is not None and since < modified:
        raise PreconditionFailed(details={"Condition": "If-Unmodified-Since"})
    # A time to come, or none at all, says nothing.
    since = _time(conditions.modified_since)
    if (conditions.none_match and _matches(conditions.none_match, etag)) or (
        since is not None and modified <= since <= now
    ):
        raise NotModified(headers={"etag": quoted(etag), "last-modified": http_date(modified)})


def _matches(text: str, etag: str) -> bool:
    return text.strip() == "*" or any(one.strip().strip('"').upper() == etag.upper() for one in text.split(","))


def _time(text: str) -> float | None:
    try:
        return parse_http_date(text) if text else None
    except ValueError:
        return None


def read_range(text: str, size: int, *, standard: bool) -> tuple[int, int] | None:
    """Return the bytes, start and stop (exclusive), that the ``Range`` header *text* means; None for the whole object.

    By default OSS answers a range that does not lie within the object with the whole of it; *standard* asks for what
    RFC 9110 says: the end is clipped.

    Raises:
        InvalidRange: *standard*, and it begins at or after the end.
    """
    match = _RANGE.fullmatch(text) if text else None
    if match is None or match.group(1, 2) == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        length = int(last)
        start, stop = max(size - length, 0), size
        if length > size and not standard:
            return None
    else:
        start, stop = int(first), int(last) + 1 if last else size
        if last and start >= stop:
            return None
        if stop > size:
            if not standard:
                return None
            stop = size
    if start >= size:
        if standard:
            raise InvalidRange(headers={"content-range": f"bytes */{size}"})
        return None
    return start, stop
