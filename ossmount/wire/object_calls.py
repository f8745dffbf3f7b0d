"""The server's half of `wire.objects`: operations on one object read from requests, and their answers written.

``read_x(request)`` gives what was asked or raises the `ServiceError` that OSS would answer; ``write_x(...)`` gives the
answer without what all answers have (date, request id).  Metadata is kept as it travelled, so what a client stores
comes back byte for byte.

Source: API reference, the pages of the operations.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from . import xml
from .dates import http_date, xml_date
from .errors import (
    MalformedXML,
    MissingArgument,
    NotImplementedByOSS,
)
from .message import Headers, Request, Response, encode_key
from .properties import Properties, argument, check_tags, read_number, read_properties

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .models import AccessControl, AppendResult, CopyObjectResult, ObjectHead, PutObjectResult, SymlinkResult

DEFAULT_TYPE = "application/octet-stream"

_OVERRIDES = {
    "response-content-type": "content-type",
    "response-content-language": "content-language",
    "response-cache-control": "cache-control",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
    "response-expires": "expires",
}
_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCall:
    """PutObject, AppendObject, InitiateMultipartUpload, PutSymlink; *position* is for AppendObject alone."""

    properties: Properties
    forbid_overwrite: bool = False
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """``If-Match`` and its kin as they travelled; empty for none."""

    match: str = ""
    none_match: str = ""
    modified_since: str = ""
    unmodified_since: str = ""

    def __bool__(self) -> bool:
        return bool(self.match or self.none_match or self.modified_since or self.unmodified_since)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCall:
    """GetObject and HeadObject: *range* as it travelled, *overrides* the response headers asked for."""

    conditions: Conditions
    range: str = ""
    standard: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)
    process: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySource:
    """The object to copy from."""

    bucket: str
    key: str
    conditions: Conditions
    version_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyCall:
    """CopyObject."""

    source: CopySource
    properties: Properties
    replace: bool
    replace_tags: bool
    forbid_overwrite: bool


def read_write(request: Request) -> WriteCall:
    """Read what PutObject, PutSymlink and InitiateMultipartUpload have in common.

    Raises:
        NotImplementedByOSS: it has conditions, which OSS does not know for writing.
        ServiceError: as `read_properties`.
    """
    for name in _CONDITIONS:
        if name in request.headers:
            raise NotImplementedByOSS(details={"Header": name.title()})
    return WriteCall(properties=read_properties(request), forbid_overwrite=_forbids(request))


def _forbids(request: Request) -> bool:
    return request.headers.get("x-oss-forbid-overwrite", "").lower() == "true"


def read_append_object(request: Request) -> WriteCall:
    """Read AppendObject.

    Raises:
        MissingArgument: there is no position.
        ServiceError: as `read_write`; the position is no number.
    """
    if not request.query.get("position"):
        raise MissingArgument(ec="0016-00000502", details={"ArgumentName": "position"})
    call = read_write(request)
    position = read_number(request, "position", 0, 0, 1 << 62)
    return WriteCall(properties=call.properties, forbid_overwrite=call.forbid_overwrite, position=position)


def read_get_object(request: Request) -> ReadCall:
    """Read GetObject or HeadObject.

    Raises:
        InvalidArgument: a header asked for in the answer cannot be one.
    """
    headers, query = request.headers, request.query
    return ReadCall(
        conditions=_conditions(headers, ""),
        range=headers.get("range", ""),
        standard=headers.get("x-oss-range-behavior", "").lower() == "standard",
        overrides={
            _OVERRIDES[name]: _header(name, value) for name, value in query.items() if value and name in _OVERRIDES
        },
        process=query.get("x-oss-process") or "",
    )


def _header(name: str, value: str) -> str:
    if not value.isprintable():
        raise argument(f"{name} is no value of a header.", name, value)
    return value


def _conditions(headers: Headers, prefix: str) -> Conditions:
    match, none_match, modified, unmodified = (headers.get(prefix + name, "") for name in _CONDITIONS)
    return Conditions(match=match, none_match=none_match, modified_since=modified, unmodified_since=unmodified)


def read_copy_source(request: Request) -> CopySource:
    """Read ``x-oss-copy-source`` and its conditions.

    Raises:
        InvalidArgument: it names no bucket or no key, or is not UTF-8.
    """
    text = request.headers.get("x-oss-copy-source", "")
    path, _, query = text.partition("?")
    bucket, slash, key = unquote_plus(path, errors="surrogateescape").removeprefix("/").partition("/")
    if not (bucket and slash and key) or _broken(key):
        raise argument(
            "Copy Source must mention the source bucket and key: /sourcebucket/sourcekey.", "x-oss-copy-source", text
        )
    name, _, version_id = query.partition("=")
    return CopySource(
        bucket=bucket,
        key=key,
        conditions=_conditions(request.headers, "x-oss-copy-source-"),
        version_id=version_id if name == "versionId" else "",
    )


def read_copy_object(request: Request) -> CopyCall:
    """Read CopyObject.

    Raises:
        InvalidArgument: source or a directive will not do.
    """
    replace = _directive(request, "x-oss-metadata-directive")
    return CopyCall(
        source=read_copy_source(request),
        properties=read_properties(request),
        replace=replace,
        replace_tags=_directive(request, "x-oss-tagging-directive"),
        forbid_overwrite=_forbids(request),
    )


def _directive(request: Request, name: str) -> bool:
    text = request.headers.get(name, "") or "COPY"
    if text.upper() not in ("COPY", "REPLACE"):
        raise argument(f"no such {name} exists", name, text)
    return text.upper() == "REPLACE"


def _broken(text: str) -> bool:
    return not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text)


def read_put_symlink(request: Request) -> tuple[WriteCall, str]:
    """Read PutSymlink and the key its link points to.

    Raises:
        InvalidArgument: there is no target, or it is no key.
    """
    target = unquote_plus(request.headers.get("x-oss-symlink-target", ""), errors="surrogateescape")
    if not target or len(target.encode("utf-8", "surrogateescape")) > 1023 or _broken(target):
        raise argument("The target of the symbolic link is invalid.", "x-oss-symlink-target", target)
    return read_write(request), target


def read_put_object_tagging(request: Request) -> dict[str, str]:
    """Read the tags in the body of PutObjectTagging.

    Raises:
        MalformedXML: the body is something else.
        InvalidTag: the tags will not do.
    """
    try:
        root = xml.parse(request.body or b"", "Tagging", limit=64 * 1024)
    except ValueError as exc:
        raise MalformedXML(details={"ErrorDetail": str(exc)}) from None
    return check_tags((xml.text_of(tag, "Key"), xml.text_of(tag, "Value")) for tag in root.iterfind("TagSet/Tag"))


# Answers


def quoted(etag: str) -> str:
    """Write *etag* as it stands in headers and XML."""
    return f'"{etag}"'


def xml_response(body: bytes, status: int = 200) -> Response:
    """Make an answer of an XML document."""
    return Response(status, Headers({"content-type": "application/xml", "content-length": str(len(body))}), body)


def empty_response(status: int = 200) -> Response:
    """Make an answer that says nothing more."""
    return Response(status, Headers() if status == 204 else Headers({"content-length": "0"}))


def write_head_object(head: ObjectHead, overrides: Mapping[str, str] | None = None) -> Response:
    """Answer GetObject (but for its body) or HeadObject with *head*, whose headers are those stored with the object.

    Source: API reference, GetObject and HeadObject, "Response headers".
    """
    headers = Headers()
    fields = dict.__setitem__  # the names below are lower-case already
    fields(headers, "content-type", DEFAULT_TYPE)
    dict.update(headers, head.headers)
    if overrides:
        dict.update(headers, overrides)
    size = head.size
    status = 200
    if head.content_range is not None:
        start, stop, total = head.content_range
        size, status = stop - start, 206
        fields(headers, "content-range", f"bytes {start}-{stop - 1}/{total}")
    fields(headers, "content-length", str(size))
    fields(headers, "accept-ranges", "bytes")
    fields(headers, "etag", quoted(head.etag))
    fields(headers, "last-modified", http_date(head.last_modified))
    fields(headers, "x-oss-object-type", head.type)
    fields(headers, "x-oss-storage-class", head.storage_class)
    if head.crc64 is not None:
        fields(headers, "x-oss-hash-crc64ecma", str(head.crc64))
    if head.next_append_position is not None:
        fields(headers, "x-oss-next-append-position", str(head.next_append_position))
    if head.tagging_count:
        fields(headers, "x-oss-tagging-count", str(head.tagging_count))
    if head.restore:
        fields(headers, "x-oss-restore", head.restore)
    if head.version_id is not None:
        fields(headers, "x-oss-version-id", head.version_id)
    return Response(status, headers)


def write_get_object_meta(head: ObjectHead) -> Response:
    """Answer GetObjectMeta."""
    headers = Headers(
        {
            "content-length": str(head.size),
            "etag": quoted(head.etag),
            "last-modified": http_date(head.last_modified),
        }
    )
    if head.crc64 is not None:
        headers["x-oss-hash-crc64ecma"] = str(head.crc64)
    if head.version_id is not None:
        headers["x-oss-version-id"] = head.version_id
    return Response(200, headers)


def write_put_object(result: PutObjectResult, md5: bytes | None = None) -> Response:
    """Answer PutObject or UploadPart; *md5* is the digest of the body."""
    headers = Headers({"content-length": "0", "etag": quoted(result.etag)})
    if md5 is not None:
        headers["content-md5"] = b64encode(md5).decode()
    if result.crc64 is not None:
        headers["x-oss-hash-crc64ecma"] = str(result.crc64)
    if result.version_id is not None:
        headers["x-oss-version-id"] = result.version_id
    return Response(200, headers)


def write_append_object(result: AppendResult) -> Response:
    """Answer AppendObject."""
    headers = Headers(
        {
            "content-length": "0",
            "etag": quoted(result.etag),
            "x-oss-next-append-position": str(result.next_position),
            "x-oss-hash-crc64ecma": str(result.crc64 or 0),
        }
    )
    return Response(200, headers)


def write_copy_object(result: CopyObjectResult) -> Response:
    """Answer CopyObject."""
    response = xml_response(
        xml.document(
            "CopyObjectResult",
            [xml.tag("ETag", quoted(result.etag)), xml.tag("LastModified", xml_date(result.last_modified))],
        )
    )
    response.headers["etag"] = quoted(result.etag)
    if result.crc64 is not None:
        response.headers["x-oss-hash-crc64ecma"] = str(result.crc64)
    if result.version_id is not None:
        response.headers["x-oss-version-id"] = result.version_id
    return response


def write_get_symlink(result: SymlinkResult) -> Response:
    """Answer GetSymlink; the result's headers are those stored with the link."""
    headers = result.headers.copy()
    headers["content-length"] = "0"
    headers["etag"] = quoted(result.etag)
    headers["last-modified"] = http_date(result.last_modified)
    headers["x-oss-object-type"] = "Symlink"
    headers["x-oss-symlink-target"] = encode_key(result.target)
    if result.version_id is not None:
        headers["x-oss-version-id"] = result.version_id
    return Response(200, headers)


def write_get_acl(control: AccessControl) -> Response:
    """Answer GetObjectACL or GetBucketAcl."""
    owner = [xml.tag("ID", control.owner.id), xml.tag("DisplayName", control.owner.display_name)]
    grant = xml.wrap("AccessControlList", [xml.tag("Grant", control.grant)])
    return xml_response(xml.document("AccessControlPolicy", [xml.wrap("Owner", owner), grant]))


def write_get_object_tagging(tags: Mapping[str, str]) -> Response:
    """Answer GetObjectTagging."""
    elements = [xml.wrap("Tag", [xml.tag("Key", key), xml.tag("Value", value)]) for key, value in tags.items()]
    return xml_response(xml.document("Tagging", [xml.wrap("TagSet", elements)]))
