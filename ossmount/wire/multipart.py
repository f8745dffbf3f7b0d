"""Objects made of parts: InitiateMultipartUpload, UploadPart(Copy), Complete, Abort, and lists of uploads and parts.

Source: API reference, the pages called like the operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import xml
from .dates import parse_xml_date
from .failures import OutOfLimits
from .fields import (
    bare_etag,
    copy_source,
    crc64_of,
    decoder,
    given,
    object_headers,
    quoted_etag,
    range_of,
    request_id,
    time_of,
)
from .limits import MAX_PARTS, check_body
from .message import Buffer, Headers, Request, Response
from .models import CompleteResult, ListPartsResult, ListUploadsResult, PartResult, UploadInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def initiate_multipart_upload(
    bucket: str,
    key: str,
    *,
    headers: Mapping[str, str] | None = None,
    meta: Mapping[str, str] | None = None,
    forbid_overwrite: bool = False,
) -> Request:
    """Begin an upload; *headers* and *meta* are those of the object to be."""
    query: dict[str, str | None] = {"uploads": None, "encoding-type": "url"}
    fields = object_headers(headers, meta, forbid_overwrite=forbid_overwrite)
    return Request("POST", bucket, key, query, fields, operation="InitiateMultipartUpload")


def parse_initiate_multipart_upload(response: Response) -> str:
    """Read the upload id."""
    upload_id = xml.text_of(xml.parse(response.body, "InitiateMultipartUploadResult"), "UploadId")
    if not upload_id:
        raise ValueError("no upload id")
    return upload_id


def _part(upload_id: str, number: int) -> dict[str, str | None]:
    return {"partNumber": str(number), "uploadId": upload_id}


def upload_part(
    bucket: str, key: str, upload_id: str, number: int, body: Buffer | None, *, crc64: int | None = None
) -> Request:
    """Send part *number* (1 to 10000); a part sent again replaces the one before."""
    headers = Headers()
    if crc64 is not None:
        headers["x-oss-hash-crc64ecma"] = str(crc64)
    return Request("PUT", bucket, key, _part(upload_id, number), headers, body, operation="UploadPart")


def parse_upload_part(response: Response, number: int, size: int) -> PartResult:
    """Read the answer to UploadPart of *size* bytes."""
    headers = response.headers
    return PartResult(number, bare_etag(headers["etag"]), size, crc64_of(headers), time_of(headers, "date"))


def upload_part_copy(
    bucket: str,
    key: str,
    upload_id: str,
    number: int,
    source_bucket: str,
    source_key: str,
    *,
    start: int | None = None,
    stop: int | None = None,
    if_match: str | None = None,
    source_version_id: str | None = None,
) -> Request:
    """Make part *number* of a half-open range of another object; the range must lie inside it.

    Raises:
        OutOfLimits: the range is empty, or larger than a part can be.
    """
    if stop is not None:
        check_body(max(stop - (start or 0), 0))
    headers = Headers({"x-oss-copy-source": copy_source(source_bucket, source_key, source_version_id)})
    if span := range_of(start, stop):
        headers["x-oss-copy-source-range"] = span
    if if_match:
        headers["x-oss-copy-source-if-match"] = quoted_etag(if_match)
    return Request("PUT", bucket, key, _part(upload_id, number), headers, operation="UploadPartCopy")


def parse_upload_part_copy(response: Response, number: int, size: int) -> PartResult:
    """Read the answer to UploadPartCopy of *size* bytes."""
    said = xml.fields(xml.parse(response.body, "CopyPartResult"))
    return PartResult(
        number, bare_etag(said["ETag"]), size, crc64_of(response.headers), parse_xml_date(said["LastModified"])
    )


def complete_multipart_upload(
    bucket: str,
    key: str,
    upload_id: str,
    parts: Sequence[PartResult],
    *,
    forbid_overwrite: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Request:
    """Make the object of *parts*, which are sorted by number here; parts not named are dropped.

    *headers* may ask for a callback.

    Raises:
        OutOfLimits: there are none, or two with the same number, or one that can be none.
    """
    numbers = {part.number for part in parts}
    if not parts or len(numbers) < len(parts) or min(numbers) < 1 or max(numbers) > MAX_PARTS:
        raise OutOfLimits(f"an upload is completed with parts of different numbers, 1 to {MAX_PARTS}")
    elements = [
        xml.wrap("Part", [xml.tag("PartNumber", part.number), xml.tag("ETag", quoted_etag(part.etag))])
        for part in sorted(parts, key=lambda part: part.number)
    ]
    body = xml.document("CompleteMultipartUpload", elements)
    fields = Headers(headers or {})
    fields["content-type"] = "application/xml"
    if forbid_overwrite:
        fields["x-oss-forbid-overwrite"] = "true"
    query: dict[str, str | None] = {"uploadId": upload_id, "encoding-type": "url"}
    return Request("POST", bucket, key, query, fields, body, idempotent=False, operation="CompleteMultipartUpload")


def parse_complete_multipart_upload(response: Response) -> CompleteResult:
    """Read the answer to CompleteMultipartUpload; after a callback its body is what the application's server said."""
    headers = response.headers
    called = "xml" not in headers.get("content-type", "xml")
    said = {} if called else xml.fields(xml.parse(response.body, "CompleteMultipartUploadResult"))
    return CompleteResult(
        etag=bare_etag(headers["etag"] if called else said["ETag"]),
        crc64=crc64_of(headers),
        last_modified=time_of(headers, "date"),
        version_id=headers.get("x-oss-version-id"),
        request_id=request_id(response),
        location=said.get("Location", ""),
        callback=bytes(response.body) if called else b"",
    )


def abort_multipart_upload(bucket: str, key: str, upload_id: str) -> Request:
    """Give an upload up; its parts are deleted."""
    return Request("DELETE", bucket, key, {"uploadId": upload_id}, operation="AbortMultipartUpload")


def list_multipart_uploads(
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str = "",
    key_marker: str = "",
    upload_id_marker: str = "",
    max_uploads: int = 1000,
) -> Request:
    """Ask for the uploads under way, after *key_marker* (and *upload_id_marker* for that key)."""
    query = given(
        encoding_type="url",
        max_uploads=str(max_uploads),
        prefix=prefix,
        delimiter=delimiter,
        key_marker=key_marker,
        upload_id_marker=upload_id_marker,
    )
    query["uploads"] = None
    return Request("GET", bucket, "", query, operation="ListMultipartUploads")


def parse_list_multipart_uploads(response: Response) -> ListUploadsResult:
    """Read a page of uploads."""
    root = xml.parse(response.body, "ListMultipartUploadsResult")
    decoded = decoder(root)
    uploads = []
    for element in root.iterfind("Upload"):
        said = xml.fields(element)
        initiated = parse_xml_date(said["Initiated"])
        upload = UploadInfo(decoded(said["Key"]), said["UploadId"], initiated, said.get("StorageClass", ""))
        uploads.append(upload)
    return ListUploadsResult(
        uploads=tuple(uploads),
        prefixes=tuple(decoded(element.text) for element in root.iterfind("CommonPrefixes/Prefix")),
        is_truncated=xml.text_of(root, "IsTruncated") == "true",
        next_key_marker=decoded(xml.text_of(root, "NextKeyMarker")),
        next_upload_id_marker=xml.text_of(root, "NextUploadIdMarker"),
        bucket=xml.text_of(root, "Bucket"),
        prefix=decoded(xml.text_of(root, "Prefix")),
        delimiter=decoded(xml.text_of(root, "Delimiter")),
        key_marker=decoded(xml.text_of(root, "KeyMarker")),
        upload_id_marker=xml.text_of(root, "UploadIdMarker"),
        max_uploads=int(xml.text_of(root, "MaxUploads") or "1000"),
    )


def list_parts(bucket: str, key: str, upload_id: str, *, part_number_marker: int = 0, max_parts: int = 1000) -> Request:
    """Ask for the parts of an upload with numbers above *part_number_marker*."""
    query: dict[str, str | None] = {"uploadId": upload_id, "encoding-type": "url", "max-parts": str(max_parts)}
    if part_number_marker:
        query["part-number-marker"] = str(part_number_marker)
    return Request("GET", bucket, key, query, operation="ListParts")


def parse_list_parts(response: Response) -> ListPartsResult:
    """Read a page of parts."""
    root = xml.parse(response.body, "ListPartsResult")
    parts = []
    for element in root.iterfind("Part"):
        said = xml.fields(element)
        crc = said.get("HashCrc64ecma")
        parts.append(
            PartResult(
                int(said["PartNumber"]),
                bare_etag(said["ETag"]),
                int(said["Size"]),
                int(crc) if crc else None,
                parse_xml_date(said["LastModified"]),
            )
        )
    return ListPartsResult(
        parts=tuple(parts),
        is_truncated=xml.text_of(root, "IsTruncated") == "true",
        next_part_number_marker=int(xml.text_of(root, "NextPartNumberMarker") or "0"),
        bucket=xml.text_of(root, "Bucket"),
        key=decoder(root)(xml.text_of(root, "Key")),
        upload_id=xml.text_of(root, "UploadId"),
        part_number_marker=int(xml.text_of(root, "PartNumberMarker") or "0"),
        max_parts=int(xml.text_of(root, "MaxParts") or "1000"),
        storage_class=xml.text_of(root, "StorageClass") or "Standard",
    )
