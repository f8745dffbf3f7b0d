"""Objects: PutObject, GetObject, HeadObject, GetObjectMeta, DeleteObject, CopyObject, AppendObject and symlinks.

Each operation is a function that makes its `Request` and a ``parse_`` one that reads its `Response`, which must be a
success.  What is not as the API says raises ValueError.

Source: API reference, the pages called like the operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from . import metadata, xml
from .dates import http_date, parse_xml_date
from .fields import (
    bare_etag,
    copy_source,
    crc64_of,
    object_headers,
    parse_content_range,
    quoted_etag,
    range_of,
    request_id,
    time_of,
)
from .limits import check_body, check_choice, check_key
from .message import Buffer, Headers, Request, Response, encode_key
from .models import AppendResult, CopyObjectResult, ObjectHead, ObjectMeta, PutObjectResult, SymlinkResult

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a reader may ask to be otherwise in the answer.
RESPONSE_HEADERS = (
    "content-type",
    "content-language",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "expires",
)


def _query(version_id: str | None, **more: str | None) -> dict[str, str | None]:
    query: dict[str, str | None] = {name: value for name, value in more.items() if value is not None}
    if version_id:
        query["versionId"] = version_id
    return query


def _conditions(
    if_match: str | None,
    if_none_match: str | None,
    if_modified_since: float | None = None,
    if_unmodified_since: float | None = None,
    prefix: str = "",
) -> Headers:
    headers = Headers()
    if if_match:
        headers[prefix + "if-match"] = quoted_etag(if_match)
    if if_none_match:
        headers[prefix + "if-none-match"] = quoted_etag(if_none_match)
    if if_modified_since is not None:
        headers[prefix + "if-modified-since"] = http_date(if_modified_since)
    if if_unmodified_since is not None:
        headers[prefix + "if-unmodified-since"] = http_date(if_unmodified_since)
    return headers


def response_overrides(response: Mapping[str, str] | None) -> dict[str, str | None]:
    """Return the parameters that ask for other headers in the answer: ``{"content-type": "text/plain"}``.

    Raises:
        OutOfLimits: the service cannot set one of them.
    """
    query: dict[str, str | None] = {}
    for name, value in (response or {}).items():
        check_choice("a header of the response", name.lower(), RESPONSE_HEADERS)
        query[f"response-{name.lower()}"] = value
    return query


def get_object(
    bucket: str,
    key: str,
    *,
    start: int | None = None,
    stop: int | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
    if_modified_since: float | None = None,
    if_unmodified_since: float | None = None,
    version_id: str | None = None,
    process: str | None = None,
    response: Mapping[str, str] | None = None,
) -> Request:
    """Ask for the bytes of *key*, or of the half-open range *start* to *stop*.

    *response* are headers that shall be otherwise in the answer.

    Raises:
        ValueError: the range is empty.
        OutOfLimits: a header of *response* cannot be set.
    """
    headers = _conditions(if_match, if_none_match, if_modified_since, if_unmodified_since)
    if span := range_of(start, stop):
        headers["range"] = span
        # Without it, a range that ends behind the object is answered with all of the object.
        headers["x-oss-range-behavior"] = "standard"
    query = _query(version_id) | response_overrides(response)
    if process:
        query["x-oss-process"] = process
    return Request("GET", bucket, key, query, headers, operation="GetObject")


def parse_get_object(response: Response, key: str, *, start: int | None = None, stop: int | None = None) -> ObjectHead:
    """Read the head of the answer; when a range was asked for it must be that range, clipped at the end of the object.

    Raises:
        ValueError: it is not; the body is something else than what was asked for.
    """
    head = parse_head_object(response, key)
    if start is None and stop is None:
        if response.status != 200:
            raise ValueError(f"status {response.status} for a whole object")
        return head
    if response.status != 206 or head.content_range is None:
        raise ValueError(f"status {response.status}, no range, for bytes {start}-{stop}")
    first, last, total = head.content_range
    if first != (start or 0) or last != min(total if stop is None else stop, total):
        raise ValueError(f"bytes {first}-{last} of {total} for bytes {start}-{stop}")
    return head


def head_object(
    bucket: str,
    key: str,
    *,
    version_id: str | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
    if_modified_since: float | None = None,
    if_unmodified_since: float | None = None,
) -> Request:
    """Ask for everything about *key* but its bytes; of a symlink, mostly about its target."""
    headers = _conditions(if_match, if_none_match, if_modified_since, if_unmodified_since)
    return Request("HEAD", bucket, key, _query(version_id), headers, operation="HeadObject")


def parse_head_object(response: Response, key: str) -> ObjectHead:
    """Read the answer to HeadObject, or the head of the one to GetObject."""
    headers = response.headers
    position = headers.get("x-oss-next-append-position")
    content_range = None
    if response.status == 206 or "content-range" in headers:
        content_range = parse_content_range(headers.get("content-range", ""))
        size = content_range[2]
    else:
        # Processed and compressed answers do not say how long they are.
        size = int(headers.get("content-length", "-1"))
    return ObjectHead(
        key=key,
        size=size,
        etag=bare_etag(headers.get("etag", "")),
        last_modified=time_of(headers, "last-modified"),
        type=headers.get("x-oss-object-type", "Normal"),
        crc64=crc64_of(headers),
        content_type=headers.get("content-type", ""),
        storage_class=headers.get("x-oss-storage-class", "Standard"),
        meta=metadata.from_headers(headers),
        headers=headers,
        next_append_position=int(position) if position else None,
        version_id=headers.get("x-oss-version-id"),
        tagging_count=int(headers.get("x-oss-tagging-count", "0")),
        restore=headers.get("x-oss-restore"),
        content_range=content_range,
        request_id=request_id(response),
    )


def get_object_meta(bucket: str, key: str, *, version_id: str | None = None) -> Request:
    """Ask for size, ETag and time of *key*; of a symlink, of the link itself."""
    return Request("HEAD", bucket, key, _query(version_id, objectMeta=""), operation="GetObjectMeta")


def parse_get_object_meta(response: Response, key: str) -> ObjectMeta:
    """Read the answer to GetObjectMeta."""
    headers = response.headers
    return ObjectMeta(
        key=key,
        size=int(headers["content-length"]),
        etag=bare_etag(headers.get("etag", "")),
        last_modified=time_of(headers, "last-modified"),
        crc64=crc64_of(headers),
        version_id=headers.get("x-oss-version-id"),
    )


def put_object(
    bucket: str,
    key: str,
    body: Buffer | None,
    *,
    headers: Mapping[str, str] | None = None,
    meta: Mapping[str, str] | None = None,
    forbid_overwrite: bool = False,
    content_type: str | None = None,
    crc64: int | None = None,
) -> Request:
    """Make *key* of *body* (None when it is sent as a stream).

    With *crc64*, that of the body, the service refuses other bytes with InvalidCRC64 before anything is replaced.
    With *forbid_overwrite* the request is not idempotent: sent again, it would find its own object.
    """
    fields = object_headers(headers, meta, forbid_overwrite=forbid_overwrite, content_type=content_type)
    if crc64 is not None:
        fields["x-oss-hash-crc64ecma"] = str(crc64)
    return Request("PUT", bucket, key, {}, fields, body, idempotent=not forbid_overwrite, operation="PutObject")


def parse_put_object(response: Response) -> PutObjectResult:
    """Read the answer to PutObject and PutSymlink."""
    headers = response.headers
    return PutObjectResult(
        etag=bare_etag(headers.get("etag", "")),
        crc64=crc64_of(headers),
        version_id=headers.get("x-oss-version-id"),
        last_modified=time_of(headers, "date"),
        request_id=request_id(response),
        callback=bytes(response.body),
    )


def append_object(
    bucket: str,
    key: str,
    position: int,
    body: Buffer | None,
    *,
    headers: Mapping[str, str] | None = None,
    meta: Mapping[str, str] | None = None,
) -> Request:
    """Append *body* to *key*, which must be *position* bytes long; 0 creates it, and only then headers count.

    Raises:
        OutOfLimits: it would be longer than what can be appended to.
    """
    check_body(max(position, 0) + (0 if body is None else memoryview(body).nbytes))
    query: dict[str, str | None] = {"append": None, "position": str(position)}
    fields = object_headers(headers, meta)
    return Request("POST", bucket, key, query, fields, body, idempotent=False, operation="AppendObject")


def parse_append_object(response: Response) -> AppendResult:
    """Read the answer to AppendObject."""
    headers = response.headers
    return AppendResult(
        next_position=int(headers["x-oss-next-append-position"]),
        crc64=crc64_of(headers),
        etag=bare_etag(headers.get("etag", "")),
        last_modified=time_of(headers, "date"),
        request_id=request_id(response),
    )


def delete_object(bucket: str, key: str, *, version_id: str | None = None) -> Request:
    """Delete *key*; that it does not exist is no error."""
    return Request("DELETE", bucket, key, _query(version_id), operation="DeleteObject")


def copy_object(
    bucket: str,
    key: str,
    source_bucket: str,
    source_key: str,
    *,
    replace: bool = False,
    headers: Mapping[str, str] | None = None,
    meta: Mapping[str, str] | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
    if_modified_since: float | None = None,
    if_unmodified_since: float | None = None,
    forbid_overwrite: bool = False,
    source_version_id: str | None = None,
) -> Request:
    """Copy an object inside the service.

    With *replace*, *headers* and *meta* become all of the copy's; else the source's are copied.  A key may be copied
    onto itself, which changes its metadata and moves no data.
    """
    fields = object_headers(headers, meta, forbid_overwrite=forbid_overwrite)
    fields["x-oss-copy-source"] = copy_source(source_bucket, source_key, source_version_id)
    fields["x-oss-metadata-directive"] = "REPLACE" if replace else "COPY"
    fields.update(
        _conditions(if_match, if_none_match, if_modified_since, if_unmodified_since, prefix="x-oss-copy-source-")
    )
    return Request("PUT", bucket, key, {}, fields, idempotent=not forbid_overwrite, operation="CopyObject")


def parse_copy_object(response: Response) -> CopyObjectResult:
    """Read the answer to CopyObject."""
    said = xml.fields(xml.parse(response.body, "CopyObjectResult"))
    return CopyObjectResult(
        etag=bare_etag(said["ETag"]),
        last_modified=parse_xml_date(said["LastModified"]),
        crc64=crc64_of(response.headers),
        version_id=response.headers.get("x-oss-version-id"),
        request_id=request_id(response),
    )


def put_symlink(
    bucket: str,
    key: str,
    target: str,
    *,
    headers: Mapping[str, str] | None = None,
    meta: Mapping[str, str] | None = None,
    forbid_overwrite: bool = False,
) -> Request:
    """Make *key* a symlink to the key *target* of the same bucket, which need not exist.

    Raises:
        OutOfLimits: no object can be called *target*.
    """
    check_key(target)
    fields = object_headers(headers, meta, forbid_overwrite=forbid_overwrite)
    fields["x-oss-symlink-target"] = encode_key(target)
    query: dict[str, str | None] = {"symlink": None}
    return Request("PUT", bucket, key, query, fields, idempotent=not forbid_overwrite, operation="PutSymlink")


def get_symlink(bucket: str, key: str, *, version_id: str | None = None) -> Request:
    """Ask where the symlink *key* points."""
    return Request("GET", bucket, key, _query(version_id, symlink=""), operation="GetSymlink")


def parse_get_symlink(response: Response) -> SymlinkResult:
    """Read the answer to GetSymlink."""
    headers = response.headers
    return SymlinkResult(
        target=unquote(headers["x-oss-symlink-target"], errors="surrogateescape"),
        etag=bare_etag(headers.get("etag", "")),
        last_modified=time_of(headers, "last-modified"),
        meta=metadata.from_headers(headers),
        version_id=headers.get("x-oss-version-id"),
        headers=headers,
    )
