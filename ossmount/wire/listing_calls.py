"""The server's half of `wire.listing`: listings of objects, uploads and buckets, and DeleteMultipleObjects.

Names in lists travel percent-encoded when the client asks for ``encoding-type=url``; without, a key with control
characters gives a document nobody can parse, as it does with OSS.

Source: API reference, GetBucket (ListObjects), ListObjectsV2, ListMultipartUploads, DeleteMultipleObjects, GetService.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import md5
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from . import xml
from .dates import xml_date
from .errors import InvalidArgument, InvalidDigest, MalformedXML, MissingArgument
from .message import Request, Response, encode_value
from .object_calls import empty_response, xml_response
from .properties import argument, read_digests, read_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .models import ListBucketsResult, ListObjectsResult, ListUploadsResult, Owner

# Bytes of a prefix, marker or delimiter; a body of DeleteMultipleObjects; keys in one.
MAX_NAME = 1023
MAX_DELETE_SIZE = 2 * 1024 * 1024
MAX_DELETE_KEYS = 1000
_RETURN = {"\r": "&#13;"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCall:
    """ListObjects and ListObjectsV2: *marker* is exclusive in either, be it of *start_after* or *token*."""

    prefix: str
    marker: str
    delimiter: str
    max_keys: int
    encoded: bool
    owner: bool = True
    start_after: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUploadsCall:
    """ListMultipartUploads."""

    prefix: str
    key_marker: str
    upload_id_marker: str
    delimiter: str
    max_uploads: int
    encoded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCall:
    """DeleteMultipleObjects."""

    keys: Sequence[str]
    quiet: bool
    encoded: bool


def read_encoding(request: Request) -> bool:
    """Tell whether names shall travel percent-encoded.

    Raises:
        InvalidArgument: some other encoding is wanted.
    """
    encoding = request.query.get("encoding-type") or request.headers.get("encoding-type", "")
    if encoding not in ("", "url"):
        raise argument("Invalid Encoding Method specified in Request.", "encoding-type", encoding)
    return encoding == "url"


def read_name(request: Request, name: str) -> str:
    """Return the parameter *name*, a key or part of one.

    Raises:
        InvalidArgument: it is too long, or not UTF-8.
    """
    text = request.query.get(name) or ""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise argument(f"{name} is not UTF-8.", name, "") from None
    if size > MAX_NAME:
        raise argument(f"The length of {name} must be less than 1024 bytes.", name, text)
    return text


def read_list_objects(request: Request) -> ListCall:
    """Read ListObjects.

    Raises:
        InvalidArgument: a parameter will not do.
    """
    return ListCall(
        prefix=read_name(request, "prefix"),
        marker=read_name(request, "marker"),
        delimiter=read_name(request, "delimiter"),
        max_keys=read_number(request, "max-keys", 100, 1, 1000),
        encoded=read_encoding(request),
    )


def read_list_objects_v2(request: Request) -> ListCall:
    """Read ListObjectsV2.

    Raises:
        InvalidArgument: a parameter will not do.
    """
    token = request.query.get("continuation-token") or ""
    start_after = read_name(request, "start-after")
    return ListCall(
        prefix=read_name(request, "prefix"),
        marker=read_token(token) if token else start_after,
        delimiter=read_name(request, "delimiter"),
        max_keys=read_number(request, "max-keys", 100, 1, 1000),
        encoded=read_encoding(request),
        owner=request.query.get("fetch-owner") == "true",
        start_after=start_after,
        token=token,
    )


def write_token(key: str) -> str:
    """Write a continuation token: the last entry with its length, in base64 whose padding is ``-``."""
    raw = key.encode()
    size = bytes([len(raw)]) if len(raw) < 128 else bytes([len(raw) & 127 | 128, len(raw) >> 7])
    return b64encode(b"\n" + size + raw).decode().replace("=", "-")


def read_token(token: str) -> str:
    """Undo `write_token`.

    Raises:
        InvalidArgument: nobody gave this token.
    """
    try:
        raw = b64decode(token.replace("-", "="), validate=True)
        key = raw[2 if len(raw) > 1 and raw[1] < 128 else 3 :].decode()
    except ValueError:
        raise argument("The continuation token is invalid.", "continuation-token", token) from None
    if write_token(key) != token:
        raise argument("The continuation token is invalid.", "continuation-token", token)
    return key


def read_list_multipart_uploads(request: Request) -> ListUploadsCall:
    """Read ListMultipartUploads.

    Raises:
        InvalidArgument: a parameter will not do.
    """
    return ListUploadsCall(
        prefix=read_name(request, "prefix"),
        key_marker=read_name(request, "key-marker"),
        upload_id_marker=read_name(request, "upload-id-marker"),
        delimiter=read_name(request, "delimiter"),
        max_uploads=read_number(request, "max-uploads", 1000, 1, 1000),
        encoded=read_encoding(request),
    )


def read_delete_multiple_objects(request: Request) -> DeleteCall:
    """Read DeleteMultipleObjects.

    Raises:
        MissingArgument: there is no ``Content-MD5``.
        InvalidDigest: it is not that of the body.
        MalformedXML: the body is something else, too long, or names too many keys.
    """
    digest = read_digests(request).md5
    body = request.body or b""
    if digest is None:
        raise MissingArgument(details={"ArgumentName": "Content-MD5"})
    if digest != md5(body, usedforsecurity=False).digest():
        raise InvalidDigest
    try:
        root = xml.parse(body, "Delete", limit=MAX_DELETE_SIZE)
        keys = [element.findtext("Key") or "" for element in root.iterfind("Object")]
    except ValueError as exc:
        raise MalformedXML(details={"ErrorDetail": str(exc)}) from None
    if not 1 <= len(keys) <= MAX_DELETE_KEYS:
        raise MalformedXML
    if not all(keys):
        raise InvalidArgument("A key is empty.", details={"ArgumentName": "Key", "ArgumentValue": ""})
    return DeleteCall(keys=keys, quiet=xml.text_of(root, "Quiet").lower() == "true", encoded=read_encoding(request))


def read_list_buckets(request: Request) -> tuple[str, str, int]:
    """Read prefix, marker and greatest number of ListBuckets.

    Raises:
        InvalidArgument: a parameter will not do.
    """
    return read_name(request, "prefix"), read_name(request, "marker"), read_number(request, "max-keys", 100, 1, 1000)


# Answers


def namer(encoded: bool) -> Callable[[str, str], str]:
    """Return a function that writes ``<tag>name</tag>``."""
    if encoded:
        return lambda tag, name: f"<{tag}>{encode_value(name)}</{tag}>"
    # A carriage return would come back as a line feed.
    return lambda tag, name: f"<{tag}>{escape(name, _RETURN)}</{tag}>"


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _owner(owner: Owner) -> str:
    return xml.wrap("Owner", [xml.tag("ID", owner.id), xml.tag("DisplayName", owner.display_name)])


def _entries(result: ListObjectsResult, call: ListCall) -> Iterable[str]:
    write = namer(call.encoded)
    for entry in result.objects:
        owner = _owner(entry.owner) if entry.owner and call.owner else ""
        restore = xml.tag("RestoreInfo", entry.restore) if entry.restore else ""
        yield (
            f"<Contents>{write('Key', entry.key)}<LastModified>{xml_date(entry.last_modified)}</LastModified>"
            f'<ETag>"{entry.etag}"</ETag><Type>{entry.type}</Type><Size>{entry.size}</Size>'
            f"<StorageClass>{entry.storage_class}</StorageClass>{owner}{restore}</Contents>"
        )
    for prefix in result.prefixes:
        yield f"<CommonPrefixes>{write('Prefix', prefix)}</CommonPrefixes>"


def write_list_objects(result: ListObjectsResult, call: ListCall) -> Response:
    """Answer ListObjects; *next_marker* of the result is the last entry shown."""
    write = namer(call.encoded)
    elements = [
        xml.tag("Name", result.name),
        write("Prefix", call.prefix),
        write("Marker", call.marker),
        xml.tag("MaxKeys", call.max_keys),
        write("Delimiter", call.delimiter),
        xml.tag("EncodingType", "url") if call.encoded else "",
        xml.tag("IsTruncated", _flag(result.is_truncated)),
        write("NextMarker", result.next_marker) if result.is_truncated else "",
        *_entries(result, call),
    ]
    return xml_response(xml.document("ListBucketResult", elements))


def write_list_objects_v2(result: ListObjectsResult, call: ListCall) -> Response:
    """Answer ListObjectsV2; *next_marker* of the result is the last entry shown, and travels as a token."""
    write = namer(call.encoded)
    elements = [
        xml.tag("Name", result.name),
        write("Prefix", call.prefix),
        write("StartAfter", call.start_after) if call.start_after else "",
        xml.tag("ContinuationToken", call.token) if call.token else "",
        xml.tag("MaxKeys", call.max_keys),
        write("Delimiter", call.delimiter),
        xml.tag("EncodingType", "url") if call.encoded else "",
        xml.tag("IsTruncated", _flag(result.is_truncated)),
        xml.tag("NextContinuationToken", write_token(result.next_marker)) if result.is_truncated else "",
        *_entries(result, call),
        xml.tag("KeyCount", len(result.objects) + len(result.prefixes)),
    ]
    return xml_response(xml.document("ListBucketResult", elements))


def write_list_multipart_uploads(result: ListUploadsResult, call: ListUploadsCall) -> Response:
    """Answer ListMultipartUploads.  The next markers are there even when empty: one SDK insists."""
    write = namer(call.encoded)
    elements = [
        xml.tag("Bucket", result.bucket),
        xml.tag("EncodingType", "url") if call.encoded else "",
        write("KeyMarker", call.key_marker),
        write("UploadIdMarker", call.upload_id_marker),
        write("NextKeyMarker", result.next_key_marker),
        xml.tag("NextUploadIdMarker", result.next_upload_id_marker),
        write("Delimiter", call.delimiter),
        write("Prefix", call.prefix),
        xml.tag("MaxUploads", call.max_uploads),
        xml.tag("IsTruncated", _flag(result.is_truncated)),
    ]
    elements += [
        f"<Upload>{write('Key', upload.key)}<UploadId>{upload.upload_id}</UploadId>"
        f"<Initiated>{xml_date(upload.initiated)}</Initiated><StorageClass>{upload.storage_class}</StorageClass></Upload>"
        for upload in result.uploads
    ]
    elements += [f"<CommonPrefixes>{write('Prefix', prefix)}</CommonPrefixes>" for prefix in result.prefixes]
    return xml_response(xml.document("ListMultipartUploadsResult", elements))


def write_delete_multiple_objects(call: DeleteCall) -> Response:
    """Answer DeleteMultipleObjects, of which every key is gone, was it there or not."""
    if call.quiet:
        return empty_response()
    write = namer(call.encoded)
    elements = [xml.tag("EncodingType", "url")] if call.encoded else []
    elements += [f"<Deleted>{write('Key', key)}</Deleted>" for key in call.keys]
    return xml_response(xml.document("DeleteResult", elements))


def write_list_buckets(result: ListBucketsResult) -> Response:
    """Answer ListBuckets; the paging elements are there only for a page that was asked for or is not all."""
    elements = []
    write = namer(False)
    if result.is_truncated or result.prefix or result.marker:
        elements += [
            write("Prefix", result.prefix),
            write("Marker", result.marker),
            xml.tag("MaxKeys", result.max_keys),
            xml.tag("IsTruncated", _flag(result.is_truncated)),
            xml.tag("NextMarker", result.next_marker),
        ]
    elements.append(_owner(result.owner))
    buckets = [
        xml.wrap(
            "Bucket",
            [
                xml.tag("CreationDate", xml_date(bucket.creation_date)),
                xml.tag("ExtranetEndpoint", bucket.extranet_endpoint),
                xml.tag("IntranetEndpoint", bucket.intranet_endpoint),
                xml.tag("Location", bucket.location),
                xml.tag("Name", bucket.name),
                xml.tag("Region", bucket.region),
                xml.tag("StorageClass", bucket.storage_class),
            ],
        )
        for bucket in result.buckets
    ]
    elements.append(xml.wrap("Buckets", buckets))
    return xml_response(xml.document("ListAllMyBucketsResult", elements))
