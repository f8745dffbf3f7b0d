"""Single fields of requests and answers that several operations share.

What cannot be read raises ValueError: the other side does not speak OSS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from . import metadata, xml
from .dates import parse_http_date
from .failures import OutOfLimits
from .limits import check_key
from .message import Headers, encode_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from xml.etree.ElementTree import Element

    from .message import Response


def bare_etag(etag: str) -> str:
    """Return *etag* without its quotes."""
    return etag.strip().strip('"')


def quoted_etag(etag: str) -> str:
    """Return *etag* in quotes, as conditions carry it; ``*`` stays."""
    return etag if etag == "*" or etag.startswith('"') else f'"{etag}"'


def crc64_of(headers: Headers) -> int | None:
    """Return the CRC-64 the answer tells, or None: old objects have none."""
    value = headers.get("x-oss-hash-crc64ecma")
    return int(value) if value else None


def time_of(headers: Headers, name: str) -> float:
    """Return the time in the header *name*, or 0.0 when it is absent."""
    value = headers.get(name)
    return parse_http_date(value) if value else 0.0


def request_id(response: Response) -> str:
    """Return the id that the service's support asks for."""
    return response.headers.get("x-oss-request-id", "")


def object_headers(
    headers: Mapping[str, str] | None,
    meta: Mapping[str, str] | None,
    *,
    forbid_overwrite: bool = False,
    content_type: str | None = None,
) -> Headers:
    """Return the headers of a request that makes an object.

    *headers* are system headers (``cache-control``, ``x-oss-storage-class`` ...), *meta* is user metadata by bare name.

    Raises:
        ValueError: a name of *meta* is not possible.
    """
    fields = Headers(headers or {})
    if meta:
        fields.update(metadata.to_headers(meta))
    if content_type:
        fields["content-type"] = content_type
    if forbid_overwrite:
        fields["x-oss-forbid-overwrite"] = "true"
    return fields


def copy_source(bucket: str, key: str, version_id: str | None = None) -> str:
    """Return the value of ``x-oss-copy-source``.

    Raises:
        OutOfLimits: no object can be called *key*.
    """
    check_key(key)
    version = f"?versionId={quote(version_id, safe='')}" if version_id else ""
    return f"/{bucket}/{encode_key(key)}{version}"


def range_of(start: int | None, stop: int | None) -> str:
    """Return the value of ``Range`` for the half-open range, or the empty string for everything.

    Raises:
        OutOfLimits: the range is empty or negative; HTTP cannot ask for nothing.
    """
    if start is None and stop is None:
        return ""
    start = start or 0
    if start < 0 or (stop is not None and stop <= start):
        raise OutOfLimits(
            f"no such range: {start} to {stop} (exclusive); it has at least 1 byte, and begins at 0 or later"
        )
    return f"bytes={start}-" if stop is None else f"bytes={start}-{stop - 1}"


def parse_content_range(value: str) -> tuple[int, int, int]:
    """Read ``bytes 0-99/1000`` into start, stop (exclusive) and total.

    Raises:
        ValueError: it is something else.
    """
    unit, _, rest = value.strip().partition(" ")
    span, slash, total = rest.partition("/")
    first, dash, last = span.partition("-")
    if unit.lower() != "bytes" or not slash or not dash:
        raise ValueError(f"not a content range: {value!r}")
    start, stop, size = int(first), int(last) + 1, int(total)
    if not 0 <= start < stop <= size:
        raise ValueError(f"not a content range: {value!r}")
    return start, stop, size


def given(**values: str) -> dict[str, str | None]:
    """Return the query parameters that have a value; an underscore in a name stands for a hyphen."""
    return {name.replace("_", "-"): value for name, value in values.items() if value}


def decoder(root: Element) -> Callable[[str | None], str]:
    """Return what reads the names of an answer, which tells of itself whether they are percent-encoded.

    Encoded bytes that are not UTF-8 become surrogates and travel back as they came.
    """
    if xml.text_of(root, "EncodingType") != "url":
        return lambda text: text or ""
    return lambda text: unquote(text, errors="surrogateescape") if text and "%" in text else text or ""
