"""RestoreObject: an archived object made readable for some days; both halves.

Source: API reference, RestoreObject; GetObject, ``x-oss-restore``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import xml
from .dates import http_date, parse_http_date
from .errors import MalformedXML
from .limits import MAX_RESTORE_DAYS, check_choice, check_number
from .message import Headers, Request, Response
from .object_calls import empty_response
from .properties import argument

TIERS = ("Expedited", "Standard", "Bulk")
_RESTORE = re.compile(r'ongoing-request="(true|false)"(?:,\s*expiry-date="([^"]*)")?')


@dataclass(frozen=True, slots=True)
class RestoreCall:
    """For how many days, and how quickly (*tier*, for cold archives only; empty for the usual)."""

    days: int = 1
    tier: str = ""


@dataclass(frozen=True, slots=True)
class RestoreState:
    """How far a restoration is; *expires* (seconds since the epoch) when the copy goes away again, once it is there."""

    ongoing: bool
    expires: float | None = None

    def __str__(self) -> str:
        """Write it as ``x-oss-restore``."""
        until = "" if self.expires is None else f', expiry-date="{http_date(self.expires)}"'
        return f'ongoing-request="{"true" if self.ongoing else "false"}"{until}'


def parse_restore_state(text: str) -> RestoreState:
    """Read ``x-oss-restore``.

    Raises:
        ValueError: it is something else.
    """
    match = _RESTORE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not the state of a restoration: {text!r}")
    return RestoreState(match[1] == "true", parse_http_date(match[2]) if match[2] else None)


def restore_object(bucket: str, key: str, *, days: int = 1, tier: str = "", version_id: str | None = None) -> Request:
    """Ask to restore *key* for *days*.

    Raises:
        OutOfLimits: *days* or *tier* is not possible.
    """
    check_number("days", days, 1, MAX_RESTORE_DAYS)
    elements = [xml.tag("Days", days)]
    if tier:
        check_choice("tier", tier, TIERS)
        elements.append(xml.wrap("JobParameters", [xml.tag("Tier", tier)]))
    query: dict[str, str | None] = {"restore": None}
    if version_id:
        query["versionId"] = version_id
    headers = Headers({"content-type": "application/xml"})
    body = xml.document("RestoreRequest", elements)
    return Request("POST", bucket, key, query, headers, body, operation="RestoreObject")


def parse_restore_object(response: Response) -> bool:
    """Read the answer: whether the object can be read already; else it will be, in minutes to hours."""
    return response.status == 200


def read_restore_object(request: Request) -> RestoreCall:
    """Read RestoreObject.

    Raises:
        MalformedXML: the body is something else.
        InvalidArgument: days or tier are not possible.
    """
    if not request.body:
        return RestoreCall()
    try:
        root = xml.parse(request.body, "RestoreRequest", limit=64 * 1024)
    except ValueError as exc:
        raise MalformedXML(details={"ErrorDetail": str(exc)}) from None
    days, tier = xml.text_of(root, "Days", "1").strip(), root.findtext("JobParameters/Tier") or ""
    if not days.isascii() or not days.isdigit() or not 1 <= int(days) <= MAX_RESTORE_DAYS:
        raise argument(f"Days must be between 1 and {MAX_RESTORE_DAYS}.", "Days", days)
    if tier and tier not in TIERS:
        raise argument("no such tier exists", "Tier", tier)
    return RestoreCall(int(days), tier)


def write_restore_object(*, readable: bool, tier: str = "") -> Response:
    """Answer RestoreObject: 200 if the object can be read already, else 202; *tier* only for cold archives."""
    response = empty_response(200 if readable else 202)
    response.headers["content-length"] = "0"
    if tier:
        response.headers["x-oss-object-restore-priority"] = tier
    return response
