"""Operations on objects: each a function of the service and a request, some with the body that came with it.

A function works through to the end without waiting, so each operation is atomic.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from hashlib import md5

from ..wire import object_calls
from ..wire.errors import (
    EntityTooLarge,
    FileAlreadyExists,
    InvalidObjectState,
    InvalidTargetType,
    NoSuchVersion,
    NotImplementedByOSS,
    NotSymlink,
    ObjectNotAppendable,
    PositionNotEqualToLength,
    SymlinkTargetNotExist,
)
from ..wire.message import Headers, Request, Response
from ..wire.metadata import PREFIX
from ..wire.models import (
    AccessControl,
    AppendResult,
    CopyObjectResult,
    ObjectHead,
    PutObjectResult,
    SymlinkResult,
)
from ..wire.object_calls import CopyCall, CopySource, empty_response
from ..wire.properties import ARCHIVED, OBJECT_ACLS, Properties, read_acl
from .blobs import READ_UNIT, Incoming
from .conditions import check_conditions, read_range
from .records import BucketRecord, ObjectRecord, parse_segments
from .service import MAX_BODY, Download, Service

# Between different buckets; within one a copy of any size costs nothing.
MAX_COPY = 1024**3
# What OSS would hash by reading everything again is hashed here up to this size; beyond, a copy keeps its source's
# ETag.
MAX_REHASH = 16 * 1024**2


def check_version(request: Request) -> None:
    """Refuse a version id: objects here have no versions but the one called null.

    Raises:
        NoSuchVersion: it is another.
    """
    version = request.query.get("versionId")
    if version and version != "null":
        raise NoSuchVersion(details={"Key": request.key, "VersionId": version})


def check_overwrite(service: Service, bucket: BucketRecord, key: str, forbid: bool) -> None:
    """Refuse to replace an object where that is forbidden.

    Raises:
        FileAlreadyExists: there is one.
    """
    if forbid and service.store.exists(bucket, key):
        raise FileAlreadyExists(details={"Key": key})


def settled(properties: Properties, bucket: BucketRecord) -> Properties:
    """Return *properties* with the storage class of *bucket* where they say none."""
    return properties if properties.storage_class else replace(properties, storage_class=bucket.storage_class)


def put_object(service: Service, request: Request, body: Incoming) -> Response:
    """PutObject."""
    bucket = service.bucket(request)
    call = object_calls.read_write(request)
    check_overwrite(service, bucket, request.key, call.forbid_overwrite)
    record = service.store.put(bucket, request.key, body, settled(call.properties, bucket))
    return object_calls.write_put_object(PutObjectResult(record.etag, record.crc64), body.md5)


def append_object(service: Service, request: Request, body: Incoming) -> Response:
    """AppendObject."""
    bucket = service.bucket(request)
    call = object_calls.read_append_object(request)
    old = service.store.find(bucket, request.key)
    if old is not None and call.forbid_overwrite and not call.position:
        raise FileAlreadyExists(details={"Key": request.key})
    if old is not None and old.type != "Appendable":
        raise ObjectNotAppendable(details={"Key": request.key})
    size = old.size if old else 0
    if call.position != size:
        raise PositionNotEqualToLength(headers={"x-oss-next-append-position": str(size)}, details={"Key": request.key})
    if size + body.size > MAX_BODY:
        raise EntityTooLarge(details={"MaxSizeAllowed": str(MAX_BODY)})
    # Only the request that makes the object may describe it.
    properties = old.properties if old else settled(call.properties, bucket)
    if old is None or body.size:
        number = f"{request.key}\0{size + body.size}\0{old.etag if old else ''}\0{body.etag}".encode()
        etag = md5(number, usedforsecurity=False).hexdigest()[:24].upper() + "00000000"
        old = service.store.append(bucket, old, request.key, body, properties, etag)
    return object_calls.write_append_object(AppendResult(old.size, old.crc64, old.etag))


def _look(service: Service, request: Request) -> tuple[ObjectRecord, ObjectRecord, int]:
    """Return the object *request* names, the one with its bytes (not the same for a link), and the time of either."""
    check_version(request)
    bucket = service.bucket(request)
    record = service.object(bucket, request.key)
    if record.target is None:
        return record, record, record.modified
    target = service.store.find(bucket, record.target)
    if target is None:
        raise SymlinkTargetNotExist(details={"Key": request.key, "TargetKey": record.target})
    if target.target is not None:
        raise InvalidTargetType(details={"Key": request.key, "TargetKey": record.target})
    return record, target, max(record.modified, target.modified)


def _head(record: ObjectRecord, body: ObjectRecord, modified: int, span: tuple[int, int] | None) -> ObjectHead:
    headers = Headers()
    properties = record.properties
    if properties.headers:
        dict.update(headers, properties.headers)
    for name, value in properties.meta.items():
        dict.__setitem__(headers, PREFIX + name, value)
    if body.type == "Normal" and len(body.etag) == 32 and not body.etag.endswith("00000000"):
        dict.__setitem__(headers, "content-md5", b64encode(bytes.fromhex(body.etag)).decode())
    return ObjectHead(
        key=record.key,
        size=body.size,
        etag=body.etag,
        last_modified=modified,
        type=record.type,
        crc64=body.crc64,
        storage_class=properties.storage_class,
        headers=headers,
        next_append_position=body.size if record.type == "Appendable" else None,
        tagging_count=len(properties.tags),
        content_range=(*span, body.size) if span else None,
    )


def head_object(service: Service, request: Request) -> Response:
    """HeadObject."""
    call = object_calls.read_get_object(request)
    record, body, modified = _look(service, request)
    check_conditions(call.conditions, etag=body.etag, modified=modified, now=service.store.clock())
    return object_calls.write_head_object(_head(record, body, modified, None))


def get_object(service: Service, request: Request) -> Response | Download:
    """GetObject."""
    call = object_calls.read_get_object(request)
    if call.process:
        raise NotImplementedByOSS(details={"ArgumentName": "x-oss-process"})
    record, body, modified = _look(service, request)
    if body.properties.storage_class in ARCHIVED:
        raise InvalidObjectState(details={"ObjectName": request.key})
    check_conditions(call.conditions, etag=body.etag, modified=modified, now=service.store.clock())
    span = read_range(call.range, body.size, standard=call.standard)
    response = object_calls.write_head_object(_head(record, body, modified, span), call.overrides)
    start, stop = span or (0, body.size)
    segments = service.store.cut(body, start, stop)
    if stop - start > READ_UNIT:
        return Download(response, segments)
    response.body = service.store.blobs.read_all(segments)
    return response


def get_object_meta(service: Service, request: Request) -> Response:
    """GetObjectMeta; of a link it tells about the link."""
    check_version(request)
    record = service.object(service.bucket(request), request.key)
    return object_calls.write_get_object_meta(_head(record, record, record.modified, None))


def delete_object(service: Service, request: Request) -> Response:
    """DeleteObject; it does not mind if there is none."""
    check_version(request)
    service.store.delete(service.bucket(request), [request.key])
    return empty_response(204)


def find_source(service: Service, source: CopySource) -> ObjectRecord:
    """Return the object to copy from.

    Raises:
        ServiceError: there is none; its conditions are not met; it is archived.
    """
    bucket = service.bucket_named(source.bucket)
    if source.version_id not in ("", "null"):
        raise NoSuchVersion(details={"Key": source.key, "VersionId": source.version_id})
    record = service.object(bucket, source.key)
    check_conditions(source.conditions, etag=record.etag, modified=record.modified, now=service.store.clock())
    return record


def copy_object(service: Service, request: Request) -> Response:
    """CopyObject: of a link the link; copied onto itself an object stays what it is but for its properties."""
    bucket = service.bucket(request)
    call = object_calls.read_copy_object(request)
    source = find_source(service, call.source)
    check_overwrite(service, bucket, request.key, call.forbid_overwrite)
    same_bucket = call.source.bucket == request.bucket
    same = same_bucket and call.source.key == request.key
    if source.properties.storage_class in ARCHIVED and not same:
        raise InvalidObjectState(details={"ObjectName": call.source.key})
    if not same_bucket and source.size > MAX_COPY:
        raise EntityTooLarge("The size of the source is over 1 GB; use UploadPartCopy.")
    record = replace(
        source,
        key=request.key,
        modified=int(service.store.clock()),
        properties=settled(_copied(call, source.properties, same=same), bucket),
    )
    if not same and record.target is None:
        record = replace(record, type="Normal", etag=_rehash(service, source))
    service.store.put_record(bucket, record)
    result = CopyObjectResult(record.etag, record.modified, record.crc64 if record.target is None else None)
    return object_calls.write_copy_object(result)


def _copied(call: CopyCall, source: Properties, *, same: bool) -> Properties:
    given = call.properties
    # Copied onto itself, what the request says counts even without REPLACE; a content type is sent by some SDKs
    # unasked.
    said = bool(given.meta or given.headers.keys() - {"content-type"})
    taken = given if call.replace or (same and said) else source
    return Properties(
        headers=taken.headers,
        meta=taken.meta,
        tags=given.tags if call.replace_tags else source.tags,
        acl=given.acl,
        storage_class=given.storage_class,
    )


def _rehash(service: Service, source: ObjectRecord) -> str:
    if source.type == "Normal" or source.size > MAX_REHASH:
        return source.etag
    digest = md5(usedforsecurity=False)
    for data in service.store.blobs.read(parse_segments(source.segments)):
        digest.update(data)
    return digest.hexdigest().upper()


def put_symlink(service: Service, request: Request) -> Response:
    """PutSymlink; there need not be a target."""
    bucket = service.bucket(request)
    call, target = object_calls.read_put_symlink(request)
    check_overwrite(service, bucket, request.key, call.forbid_overwrite)
    etag = md5(target.encode(), usedforsecurity=False).hexdigest().upper()
    record = ObjectRecord(
        key=request.key,
        size=0,
        etag=etag,
        crc64=0,
        type="Symlink",
        modified=int(service.store.clock()),
        properties=settled(call.properties, bucket),
        target=target,
    )
    service.store.put_record(bucket, record)
    return object_calls.write_put_object(PutObjectResult(etag))


def get_symlink(service: Service, request: Request) -> Response:
    """GetSymlink."""
    record = service.object(service.bucket(request), request.key)
    if record.target is None:
        raise NotSymlink(details={"Key": request.key})
    headers = Headers({PREFIX + name: value for name, value in record.properties.meta.items()})
    result = SymlinkResult(record.target, record.etag, record.modified, headers=headers)
    return object_calls.write_get_symlink(result)


def put_object_acl(service: Service, request: Request) -> Response:
    """PutObjectACL."""
    bucket = service.bucket(request)
    acl = read_acl(request, "x-oss-object-acl", OBJECT_ACLS)
    service.object(bucket, request.key)
    service.store.set_acl(bucket, request.key, acl)
    return empty_response()


def get_object_acl(service: Service, request: Request) -> Response:
    """GetObjectACL."""
    record = service.object(service.bucket(request), request.key)
    return object_calls.write_get_acl(AccessControl(record.properties.acl, service.options.owner))


def put_object_tagging(service: Service, request: Request) -> Response:
    """PutObjectTagging."""
    bucket = service.bucket(request)
    tags = object_calls.read_put_object_tagging(request)
    service.object(bucket, request.key)
    service.store.set_tags(bucket, request.key, tags)
    return empty_response()


def get_object_tagging(service: Service, request: Request) -> Response:
    """GetObjectTagging."""
    record = service.object(service.bucket(request), request.key)
    return object_calls.write_get_object_tagging(record.properties.tags)


def delete_object_tagging(service: Service, request: Request) -> Response:
    """DeleteObjectTagging."""
    bucket = service.bucket(request)
    service.object(bucket, request.key)
    service.store.set_tags(bucket, request.key, {})
    return empty_response(204)
