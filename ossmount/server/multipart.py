"""Multipart uploads: each operation a function of the service and a request, some with the body that came with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import md5
from typing import TYPE_CHECKING

from ..wire import multipart_calls
from ..wire.checksums import crc64_combine, multipart_etag
from ..wire.errors import EntityTooSmall, InvalidCRC64, InvalidPart, InvalidRange, NoSuchUpload, ServiceUnavailable
from ..wire.listing_calls import read_list_multipart_uploads, write_list_multipart_uploads
from ..wire.models import (
    CompleteResult,
    ListPartsResult,
    ListUploadsResult,
    PartResult,
    PutObjectResult,
    UploadInfo,
)
from ..wire.object_calls import empty_response, read_write, write_put_object
from ..wire.properties import read_digests
from .objects import MAX_REHASH, check_overwrite, find_source, has_callback, settled, version_of
from .records import BucketRecord, ObjectRecord, PartRecord, Segment, UploadRecord, parse_segments
from .service import Service, new_upload_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from ..wire.message import Request, Response
    from .blobs import Incoming

# Every part but the last, in bytes.
MIN_PART = 100 * 1024


def _upload(service: Service, request: Request) -> tuple[BucketRecord, UploadRecord]:
    bucket = service.bucket(request)
    number = multipart_calls.read_upload_id(request)
    upload = service.uploads.find(bucket, request.key, number)
    if upload is None:
        raise NoSuchUpload(details={"UploadId": number})
    return bucket, upload


def initiate_multipart_upload(service: Service, request: Request) -> Response:
    """InitiateMultipartUpload."""
    bucket = service.bucket(request)
    call = read_write(request)
    check_overwrite(service, bucket, request.key, call.forbid_overwrite)
    number = new_upload_id()
    response = multipart_calls.write_initiate_multipart_upload(request, number)
    # The ACL is a header of CompleteMultipartUpload; here it is not among those that the reference names.
    service.uploads.begin(bucket, request.key, number, settled(replace(call.properties, acl="default"), bucket))
    return response


def upload_part(service: Service, request: Request, body: Incoming) -> Response:
    """UploadPart."""
    call = multipart_calls.read_upload_part(request)
    _, upload = _upload(service, request)
    part = service.uploads.put_part(upload, call.number, body)
    return write_put_object(PutObjectResult(part.etag, part.crc64), body.md5)


async def upload_part_copy(service: Service, request: Request) -> Response:
    """UploadPartCopy: the part names the source's bytes, which are only read as far as their checksums are not known.

    The ETag of a part over 16 MiB is not the MD5 of its bytes, but something that tells them from others as well.
    """
    call = multipart_calls.read_upload_part(request)
    _upload(service, request)
    assert call.source is not None
    source = find_source(service, call.source)
    start, stop = call.range or (0, source.size)
    if stop > source.size:
        raise InvalidRange(headers={"content-range": f"bytes */{source.size}"})
    store = service.store
    segments = store.cut(source, start, stop)
    known = store.known_crc64(segments)
    unread = sum(segment.length for segment, crc in zip(segments, known, strict=True) if crc is None)
    with store.blobs.pinned(segments):
        if unread > MAX_REHASH:
            crc = await asyncio.to_thread(store.read_crc64, segments, known)
            if find_source(service, call.source).segments != source.segments:
                # Meanwhile it was overwritten, and nothing may name the old bytes any more.
                raise ServiceUnavailable
        else:
            crc = store.read_crc64(segments, known)
        if stop - start == source.size and source.type == "Normal":
            etag = source.etag
        elif stop - start <= MAX_REHASH:
            etag = md5(store.blobs.read_all(segments), usedforsecurity=False).hexdigest().upper()
        else:
            etag = md5(f"{source.etag} {start} {stop} {crc}".encode(), usedforsecurity=False).hexdigest().upper()
        _, upload = _upload(service, request)
        part = service.uploads.copy_part(upload, call.number, segments, etag=etag, crc64=crc)
    result = PartResult(part.number, part.etag, part.size, part.crc64, part.modified)
    return multipart_calls.write_upload_part_copy(result, (start, stop, source.size) if call.range else None)


def complete_multipart_upload(service: Service, request: Request) -> Response | Awaitable[Response]:
    """CompleteMultipartUpload: the object's bytes are those of its parts, where they lie."""
    bucket, upload = _upload(service, request)
    call = multipart_calls.read_complete_multipart_upload(request)
    callback = None
    if has_callback(request):
        from .callbacks import call_back, read_local_callback

        callback = read_local_callback(request)
    check_overwrite(service, bucket, request.key, call.forbid_overwrite)
    parts = _chosen(service.uploads.parts(upload), call.parts)
    crc, size = 0, 0
    segments: list[Segment] = []
    for part in parts:
        crc = crc64_combine(crc, part.crc64, part.size)
        size += part.size
        segments += parse_segments(part.segments)
    if read_digests(request).crc64 not in (None, crc):
        raise InvalidCRC64
    record = ObjectRecord(
        key=request.key,
        size=size,
        etag=multipart_etag(part.etag for part in parts),
        crc64=crc,
        type="Multipart",
        modified=int(service.store.clock()),
        properties=replace(upload.properties, acl=call.acl or upload.properties.acl),
        segments=service.store.join(segments),
    )
    record = service.uploads.complete(bucket, upload, record)
    location = service.url(request, request.key)
    result = CompleteResult(record.etag, crc, version_id=version_of(bucket, record), location=location)
    response = multipart_calls.write_complete_multipart_upload(request, result, encoded=call.encoded)
    return response if callback is None else call_back(service, callback, request, record, response)


def _chosen(parts: Sequence[PartRecord], named: Sequence[tuple[int, str]] | None) -> Sequence[PartRecord]:
    """Return the parts that are *named* by number and ETag, or all."""
    if named is None:
        chosen = parts
    else:
        by_number = {part.number: part for part in parts}
        chosen = [by_number[number] for number, _ in named if number in by_number]
        if len(chosen) < len(named) or any(part.etag != etag for part, (_, etag) in zip(chosen, named, strict=True)):
            raise InvalidPart
    if not chosen:
        raise InvalidPart
    small = next((part for part in chosen[:-1] if part.size < MIN_PART), None)
    if small is not None:
        raise EntityTooSmall(
            details={
                "MinSizeAllowed": str(MIN_PART),
                "ProposedSize": str(small.size),
                "PartNumber": str(small.number),
            }
        )
    return chosen


def abort_multipart_upload(service: Service, request: Request) -> Response:
    """AbortMultipartUpload."""
    _, upload = _upload(service, request)
    service.uploads.abort(upload)
    return empty_response(204)


def list_parts(service: Service, request: Request) -> Response:
    """ListParts."""
    call = multipart_calls.read_list_parts(request)
    _, upload = _upload(service, request)
    parts = service.uploads.parts(upload, call.marker, call.max_parts + 1)
    shown = parts[: call.max_parts]
    result = ListPartsResult(
        parts=tuple(PartResult(part.number, part.etag, part.size, part.crc64, part.modified) for part in shown),
        is_truncated=len(parts) > call.max_parts,
        next_part_number_marker=shown[-1].number if shown else 0,
        bucket=request.bucket,
        key=request.key,
        upload_id=upload.id,
        part_number_marker=call.marker,
        max_parts=call.max_parts,
        storage_class=upload.properties.storage_class,
    )
    return multipart_calls.write_list_parts(result, encoded=call.encoded)


def list_multipart_uploads(service: Service, request: Request) -> Response:
    """ListMultipartUploads."""
    bucket = service.bucket(request)
    call = read_list_multipart_uploads(request)
    page = service.uploads.list_uploads(
        bucket,
        prefix=call.prefix,
        key_marker=call.key_marker,
        id_marker=call.upload_id_marker,
        delimiter=call.delimiter,
        limit=call.max_uploads,
    )
    last = page.rows[-1] if page.rows and page.rows[-1].key == page.last else None
    result = ListUploadsResult(
        uploads=tuple(UploadInfo(row.key.decode(), row.id, row.initiated, row.storage_class) for row in page.rows),
        prefixes=tuple(prefix.decode() for prefix in page.prefixes),
        is_truncated=page.last is not None,
        next_key_marker=(page.last or b"").decode(),
        next_upload_id_marker=last.id if last else "",
        bucket=bucket.name,
    )
    return write_list_multipart_uploads(result, call)
