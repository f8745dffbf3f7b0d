"""The three ways OSS writes a time: HTTP dates, XML dates, and the compact form of signature version 4.

Times are seconds since the epoch as float; OSS knows whole seconds only.
"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import UTC, datetime
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name: number for number, name in enumerate(_MONTHS, 1)}
_HTTP = re.compile(r"\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)
_COMPACT = re.compile(r"\d{8}T\d{6}Z", re.ASCII)


def http_date(time: float) -> str:
    """Write *time* as ``Wed, 28 Dec 2022 10:27:41 GMT`` (RFC 9110, IMF-fixdate).

    Raises:
        ValueError: it is no time, or is beyond the year 9999.
    """
    try:
        return _http_date(int(time))
    except (ValueError, OverflowError):
        raise ValueError(f"not a time: {time} s since the epoch") from None


@lru_cache(maxsize=64)
def _http_date(time: int) -> str:
    moment = datetime.fromtimestamp(time, UTC)
    # strftime would take the names of the locale.
    return f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} {moment:%Y %H:%M:%S} GMT"


@lru_cache(maxsize=4096)
def parse_http_date(text: str) -> float:
    """Read an HTTP date.

    Raises:
        ValueError: *text* is not one.
    """
    match = _HTTP.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not an HTTP date: {text!r}")
    day, month, year, hour, minute, second = match.groups()
    number = _MONTH_NUMBERS.get(month)
    if number is None:
        raise ValueError(f"not an HTTP date: {text!r}")
    moment = datetime(int(year), number, int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC)
    return float(timegm(moment.timetuple()))


def xml_date(time: float) -> str:
    """Write *time* as OSS does in XML: ``2012-02-24T08:42:32.000Z``."""
    return datetime.fromtimestamp(int(time), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@lru_cache(maxsize=4096)  # a page of a listing has a thousand, most of them the same
def parse_xml_date(text: str) -> float:
    """Read an ISO 8601 date, with or without a fraction; no zone means UTC.

    Raises:
        ValueError: *text* is not one.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def compact_date(time: float) -> str:
    """Write *time* as ``20231216T162057Z``."""
    return _compact_date(int(time))


@lru_cache(maxsize=64)
def _compact_date(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y%m%dT%H%M%SZ")


def parse_compact_date(text: str) -> float:
    """Read ``20231216T162057Z``.

    Raises:
        ValueError: *text* is not one.
    """
    if not _COMPACT.fullmatch(text):
        raise ValueError(f"not a compact date: {text!r}")
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
