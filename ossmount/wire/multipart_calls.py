"""The server's half of `wire.multipart`: multipart uploads.

Source: API reference, InitiateMultipartUpload, UploadPart, UploadPartCopy, CompleteMultipartUpload, ListParts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import xml
from .dates import xml_date
from .errors import InvalidArgument, InvalidPartOrder, MalformedXML
from .listing_calls import namer, read_encoding
from .object_calls import CopySource, quoted, read_copy_source, xml_response
from .properties import OBJECT_ACLS, argument, read_acl, read_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .message import Request, Response
    from .models import CompleteResult, ListPartsResult, PartResult

MAX_PARTS = 10_000
_RANGE = re.compile(r"bytes=(\d+)-(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCall:
    """UploadPart and UploadPartCopy: *source* and its bytes *start* to *stop* (exclusive; None: all) for the latter."""

    upload_id: str
    number: int
    source: CopySource | None = None
    range: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteCall:
    """CompleteMultipartUpload: *parts* by number and ETag, or None for all there are; *acl* is empty if not given."""

    upload_id: str
    parts: Sequence[tuple[int, str]] | None
    forbid_overwrite: bool
    acl: str
    encoded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPartsCall:
    """ListParts: numbers above *marker*."""

    upload_id: str
    marker: int
    max_parts: int
    encoded: bool


def read_upload_id(request: Request) -> str:
    """Return the upload's id."""
    return request.query.get("uploadId") or ""


def read_upload_part(request: Request) -> PartCall:
    """Read UploadPart or UploadPartCopy.

    Raises:
        InvalidArgument: the number, the source or its range will not do.
    """
    if not request.query.get("partNumber"):
        raise argument("The part number is missing.", "partNumber", "")
    number = read_number(request, "partNumber", 0, 1, MAX_PARTS)
    upload_id = read_upload_id(request)
    if "x-oss-copy-source" not in request.headers:
        return PartCall(upload_id=upload_id, number=number)
    span = None
    if text := request.headers.get("x-oss-copy-source-range", ""):
        match = _RANGE.fullmatch(text)
        if match is None or int(match[1]) > int(match[2]):
            raise argument("The range of the copy source is invalid.", "x-oss-copy-source-range", text)
        span = int(match[1]), int(match[2]) + 1
    return PartCall(upload_id=upload_id, number=number, source=read_copy_source(request), range=span)


def read_complete_multipart_upload(request: Request) -> CompleteCall:
    """Read CompleteMultipartUpload.

    Raises:
        MalformedXML: the body is something else.
        InvalidPartOrder: the numbers do not rise, or one is not between 1 and 10,000.
        InvalidArgument: all parts are wanted and a body names some, or there is no such ACL.
    """
    parts: list[tuple[int, str]] | None = None
    body = request.body or b""
    if request.headers.get("x-oss-complete-all", "").lower() == "yes":
        if body:
            raise InvalidArgument("The body must be empty with x-oss-complete-all.", ec="0042-00000216")
    else:
        try:
            root = xml.parse(body, "CompleteMultipartUpload")
            parts = [
                (int(element.findtext("PartNumber") or ""), (element.findtext("ETag") or "").strip().strip('"').upper())
                for element in root.iterfind("Part")
            ]
        except ValueError as exc:
            raise MalformedXML(details={"ErrorDetail": str(exc)}) from None
        if not parts:
            raise MalformedXML
        if any(not 1 <= number <= MAX_PARTS for number, _ in parts):
            raise InvalidPartOrder("Part number must be an integer between 1 and 10000, inclusive.")
        if any(parts[i][0] >= parts[i + 1][0] for i in range(len(parts) - 1)):
            raise InvalidPartOrder
    return CompleteCall(
        upload_id=read_upload_id(request),
        parts=parts,
        forbid_overwrite=request.headers.get("x-oss-forbid-overwrite", "").lower() == "true",
        acl=read_acl(request, "x-oss-object-acl", ("", *OBJECT_ACLS)),
        encoded=read_encoding(request),
    )


def read_list_parts(request: Request) -> ListPartsCall:
    """Read ListParts.

    Raises:
        InvalidArgument: a parameter will not do.
    """
    return ListPartsCall(
        upload_id=read_upload_id(request),
        marker=read_number(request, "part-number-marker", 0, 0, 1 << 31),
        max_parts=read_number(request, "max-parts", 1000, 1, 1000),
        encoded=read_encoding(request),
    )


# Answers


def write_initiate_multipart_upload(request: Request, upload_id: str) -> Response:
    """Answer InitiateMultipartUpload.

    Raises:
        InvalidArgument: the encoding asked for will not do.
    """
    encoded = read_encoding(request)
    elements = [
        xml.tag("EncodingType", "url") if encoded else "",
        xml.tag("Bucket", request.bucket),
        namer(encoded)("Key", request.key),
        xml.tag("UploadId", upload_id),
    ]
    return xml_response(xml.document("InitiateMultipartUploadResult", elements))


def write_upload_part_copy(part: PartResult, content_range: tuple[int, int, int] | None) -> Response:
    """Answer UploadPartCopy; *content_range* is ``(start, stop, total)`` of the source when a range was asked for."""
    elements = [xml.tag("LastModified", xml_date(part.last_modified)), xml.tag("ETag", quoted(part.etag))]
    response = xml_response(xml.document("CopyPartResult", elements))
    response.headers["etag"] = quoted(part.etag)
    if part.crc64 is not None:
        response.headers["x-oss-hash-crc64ecma"] = str(part.crc64)
    if content_range is not None:
        start, stop, total = content_range
        response.headers["content-range"] = f"bytes {start}-{stop - 1}/{total}"
    return response


def write_complete_multipart_upload(request: Request, result: CompleteResult, *, encoded: bool) -> Response:
    """Answer CompleteMultipartUpload."""
    write = namer(encoded)
    elements = [
        xml.tag("EncodingType", "url") if encoded else "",
        write("Location", result.location),
        xml.tag("Bucket", request.bucket),
        write("Key", request.key),
        xml.tag("ETag", quoted(result.etag)),
    ]
    response = xml_response(xml.document("CompleteMultipartUploadResult", elements))
    response.headers["etag"] = quoted(result.etag)
    if result.crc64 is not None:
        response.headers["x-oss-hash-crc64ecma"] = str(result.crc64)
    if result.version_id is not None:
        response.headers["x-oss-version-id"] = result.version_id
    return response


def write_list_parts(result: ListPartsResult, *, encoded: bool) -> Response:
    """Answer ListParts."""
    elements = [
        xml.tag("Bucket", result.bucket),
        xml.tag("EncodingType", "url") if encoded else "",
        namer(encoded)("Key", result.key),
        xml.tag("UploadId", result.upload_id),
        xml.tag("StorageClass", result.storage_class),
        xml.tag("PartNumberMarker", result.part_number_marker),
        xml.tag("NextPartNumberMarker", result.next_part_number_marker),
        xml.tag("MaxParts", result.max_parts),
        xml.tag("IsTruncated", "true" if result.is_truncated else "false"),
    ]
    elements += [
        f"<Part><PartNumber>{part.number}</PartNumber><LastModified>{xml_date(part.last_modified)}</LastModified>"
        f'<ETag>"{part.etag}"</ETag><HashCrc64ecma>{part.crc64}</HashCrc64ecma><Size>{part.size}</Size></Part>'
        for part in result.parts
    ]
    return xml_response(xml.document("ListPartsResult", elements))
