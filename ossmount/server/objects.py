"""Operations on objects: each a function of the service and a request, some with the body that came with it.

A function works through to the end without waiting, so each operation is atomic.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from hashlib import md5
from typing import TYPE_CHECKING

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
    OperationNotSupported,
    PositionNotEqualToLength,
    RestoreAlreadyInProgress,
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
from ..wire.versions import Deletion, read_version_id, write_delete_object
from .blobs import READ_UNIT
from .compression import compress
from .conditions import check_conditions, read_range
from .records import ObjectRecord, parse_segments
from .service import MAX_BODY, Download, read_serial
from .versions import version_id

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .blobs import Incoming
    from .records import BucketRecord
    from .service import Service

# Between different buckets; within one a copy of any size costs nothing.
MAX_COPY = 1024**3
# What OSS would hash by reading everything again is hashed here up to this size; beyond, a copy keeps its source's
# ETag.
MAX_REHASH = 16 * 1024**2


def check_overwrite(service: Service, bucket: BucketRecord, key: str, forbid: bool) -> None:
    """Refuse to replace an object where that is forbidden.

    Raises:
        FileAlreadyExists: there is one.
    """
    # Where there are versions nothing is lost, and OSS does not mind.
    if forbid and not bucket.versioning and service.store.exists(bucket, key):
        raise FileAlreadyExists(details={"Key": key})


def has_callback(request: Request) -> bool:
    """Tell whether *request* asks for a callback."""
    return "x-oss-callback" in request.headers or "callback" in request.query


def version_of(bucket: BucketRecord, record: ObjectRecord) -> str | None:
    """Return the version id of *record*; None in a bucket that never had versions."""
    return version_id(record.serial) if bucket.versioning else None


def settled(properties: Properties, bucket: BucketRecord) -> Properties:
    """Return *properties* with the storage class of *bucket* where they say none."""
    return properties if properties.storage_class else replace(properties, storage_class=bucket.storage_class)


def put_object(service: Service, request: Request, body: Incoming) -> Response | Awaitable[Response]:
    """PutObject."""
    bucket = service.bucket(request)
    call = object_calls.read_write(request)
    callback = None
    if has_callback(request):
        from .callbacks import call_back, read_local_callback

        callback = read_local_callback(request)
    check_overwrite(service, bucket, request.key, call.forbid_overwrite)
    record = service.store.put(bucket, request.key, body, settled(call.properties, bucket))
    result = PutObjectResult(record.etag, record.crc64, version_of(bucket, record))
    response = object_calls.write_put_object(result, body.md5)
    return response if callback is None else call_back(service, callback, request, record, response)


def append_object(service: Service, request: Request, body: Incoming) -> Response:
    """AppendObject."""
    bucket = service.bucket(request)
    call = object_calls.read_append_object(request)
    if has_callback(request):
        raise NotImplementedByOSS(details={"Header": "X-Oss-Callback"})
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
    response = object_calls.write_append_object(AppendResult(old.size, old.crc64, old.etag))
    return _with_version(response, bucket, old)


def _with_version(response: Response, bucket: BucketRecord, record: ObjectRecord) -> Response:
    version = version_of(bucket, record)
    if version is not None:
        response.headers["x-oss-version-id"] = version
    return response


def look(service: Service, bucket: BucketRecord, request: Request) -> tuple[ObjectRecord, ObjectRecord, int]:
    """Return the object *request* names, the one with its bytes (not the same for a link), and the time of either.

    Raises:
        ServiceError: as `Service.object`; it is a link that leads nowhere.
    """
    record = service.object(bucket, request.key, read_version_id(request))
    if record.target is None:
        return record, record, record.modified
    target = service.store.find(bucket, record.target)
    if target is None:
        raise SymlinkTargetNotExist(details={"Key": request.key, "TargetKey": record.target})
    if target.target is not None:
        raise InvalidTargetType(details={"Key": request.key, "TargetKey": record.target})
    return record, target, max(record.modified, target.modified)


def make_head(
    service: Service,
    bucket: BucketRecord,
    record: ObjectRecord,
    body: ObjectRecord,
    modified: int,
    span: tuple[int, int] | None = None,
) -> ObjectHead:
    """Return what GET and HEAD tell of *record*, whose bytes are those of *body*, or the part *span* of them."""
    headers = Headers()
    properties = record.properties
    if properties.headers:
        dict.update(headers, properties.headers)
    for name, value in properties.meta.items():
        dict.__setitem__(headers, PREFIX + name, value)
    if body.type == "Normal" and len(body.etag) == 32 and not body.etag.endswith("00000000"):
        dict.__setitem__(headers, "content-md5", b64encode(bytes.fromhex(body.etag)).decode())
    restore = service.restores.info(bucket, record) if properties.storage_class in ARCHIVED else None
    known = service.store.settings.known
    if known and (lifecycle := known.get(bucket.id, {}).get("lifecycle")) is not None:
        from .expiry import expiration_of

        expiration = expiration_of(lifecycle, record)
        if expiration:
            dict.__setitem__(headers, "x-oss-expiration", expiration)
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
        restore=restore,
        version_id=version_of(bucket, record),
    )


def head_object(service: Service, request: Request) -> Response:
    """HeadObject."""
    call = object_calls.read_get_object(request)
    bucket = service.bucket(request)
    record, body, modified = look(service, bucket, request)
    check_conditions(call.conditions, etag=body.etag, modified=modified, now=service.store.clock())
    response = object_calls.write_head_object(make_head(service, bucket, record, body, modified))
    if "accept-encoding" in request.headers:
        compress(request, response, body.size)
    return response


def check_readable(service: Service, bucket: BucketRecord, record: ObjectRecord, key: str) -> None:
    """Return if the bytes of *record*, which *key* leads to, can be read.

    Raises:
        InvalidObjectState: it is archived, and not restored.
    """
    if record.properties.storage_class in ARCHIVED and not service.restores.readable(bucket, record):
        raise InvalidObjectState(details={"ObjectName": key})


def get_object(service: Service, request: Request) -> Response | Download:
    """GetObject."""
    call = object_calls.read_get_object(request)
    bucket = service.bucket(request)
    record, body, modified = look(service, bucket, request)
    check_readable(service, bucket, body, request.key)
    check_conditions(call.conditions, etag=body.etag, modified=modified, now=service.store.clock())
    span = read_range(call.range, body.size, standard=call.standard)
    head = make_head(service, bucket, record, body, modified, span)
    response = object_calls.write_head_object(head, call.overrides)
    start, stop = span or (0, body.size)
    segments = service.store.cut(body, start, stop)
    if "accept-encoding" in request.headers and not call.range and compress(request, response, body.size):
        return Download(response, segments, gzip=True)
    if stop - start > READ_UNIT:
        return Download(response, segments)
    response.body = service.store.blobs.read_all(segments)
    return response


def get_object_meta(service: Service, request: Request) -> Response:
    """GetObjectMeta; of a link it tells about the link."""
    bucket = service.bucket(request)
    record = service.object(bucket, request.key, read_version_id(request))
    response = object_calls.write_get_object_meta(make_head(service, bucket, record, record, record.modified))
    if request.method == "GET":
        # The length is the object's, which only HEAD can tell: here it would be that of a body.
        response.headers["content-length"] = "0"
    return response


def delete_object(service: Service, request: Request) -> Response:
    """DeleteObject; it does not mind if there is none."""
    bucket = service.bucket(request)
    version = read_version_id(request)
    serial = None if version is None else read_serial(version)
    return write_delete_object(delete(service, bucket, request.key, serial))


def delete(service: Service, bucket: BucketRecord, key: str, serial: int | None) -> Deletion | None:
    """Delete *key*, or its version *serial*, and tell what to answer; None where there were never versions."""
    store = service.store
    if not bucket.versioning:
        if serial:
            raise NoSuchVersion(details={"Key": key, "VersionId": version_id(serial)})
        store.delete(bucket, [key])
        return None
    if serial is None:
        (marker,) = store.delete(bucket, [key])
        return Deletion(key, version_id(marker), True, version_id(marker))
    with store.transaction():
        removed = store.versions.remove(bucket, key, serial)
    marked = removed is not None and removed.marker
    return Deletion(key, version_id(serial), marked, version_id(serial) if marked else None)


def find_source(service: Service, source: CopySource) -> ObjectRecord:
    """Return the object to copy from.

    Raises:
        ServiceError: there is none; its conditions are not met; it is archived.
    """
    bucket = service.bucket_named(source.bucket)
    record = service.object(bucket, source.key, source.version_id or None)
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
    if not same:
        check_readable(service, service.bucket_named(call.source.bucket), source, call.source.key)
    if not same_bucket and source.size > MAX_COPY:
        raise EntityTooLarge("The size of the source is over 1 GB; use UploadPartCopy.")
    record = replace(
        source,
        key=request.key,
        modified=int(service.store.clock()),
        serial=0,
        properties=settled(_copied(call, source.properties, same=same), bucket),
    )
    if not same and record.target is None:
        record = replace(record, type="Normal", etag=_rehash(service, source))
    stored = service.store.put_record(bucket, record)
    crc64 = record.crc64 if record.target is None else None
    result = CopyObjectResult(record.etag, record.modified, crc64, version_of(bucket, stored))
    response = object_calls.write_copy_object(result)
    if service.bucket_named(call.source.bucket).versioning:
        response.headers["x-oss-copy-source-version-id"] = version_id(source.serial)
    return response


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
    record = service.store.put_record(bucket, record)
    return object_calls.write_put_object(PutObjectResult(etag, None, version_of(bucket, record)))


def _named(service: Service, request: Request) -> tuple[BucketRecord, ObjectRecord]:
    """Return the bucket and the object, or the version of it, that *request* names."""
    bucket = service.bucket(request)
    return bucket, service.object(bucket, request.key, read_version_id(request))


def get_symlink(service: Service, request: Request) -> Response:
    """GetSymlink."""
    bucket, record = _named(service, request)
    if record.target is None:
        raise NotSymlink(details={"Key": request.key})
    headers = Headers({PREFIX + name: value for name, value in record.properties.meta.items()})
    result = SymlinkResult(
        record.target, record.etag, record.modified, version_id=version_of(bucket, record), headers=headers
    )
    return object_calls.write_get_symlink(result)


def put_object_acl(service: Service, request: Request) -> Response:
    """PutObjectACL."""
    acl = read_acl(request, "x-oss-object-acl", OBJECT_ACLS)
    bucket, record = _named(service, request)
    service.store.set_acl(bucket, record, acl)
    return _with_version(empty_response(), bucket, record)


def get_object_acl(service: Service, request: Request) -> Response:
    """GetObjectACL."""
    bucket, record = _named(service, request)
    control = AccessControl(record.properties.acl, service.options.owner)
    return _with_version(object_calls.write_get_acl(control), bucket, record)


def put_object_tagging(service: Service, request: Request) -> Response:
    """PutObjectTagging."""
    tags = object_calls.read_put_object_tagging(request)
    bucket, record = _named(service, request)
    service.store.set_tags(bucket, record, tags)
    return _with_version(empty_response(), bucket, record)


def get_object_tagging(service: Service, request: Request) -> Response:
    """GetObjectTagging."""
    bucket, record = _named(service, request)
    return _with_version(object_calls.write_get_object_tagging(record.properties.tags), bucket, record)


def delete_object_tagging(service: Service, request: Request) -> Response:
    """DeleteObjectTagging."""
    bucket, record = _named(service, request)
    service.store.set_tags(bucket, record, {})
    return _with_version(empty_response(204), bucket, record)


def restore_object(service: Service, request: Request) -> Response:
    """RestoreObject; what is restored already stays so longer."""
    from ..wire.restore import read_restore_object, write_restore_object

    call = read_restore_object(request)
    bucket, record = _named(service, request)
    if record.properties.storage_class not in ARCHIVED:
        raise OperationNotSupported(ec="0016-00000702", details={"Key": request.key})
    state = service.restores.state(bucket, record)
    if state is not None and state.ongoing:
        raise RestoreAlreadyInProgress(details={"Key": request.key})
    service.restores.begin(bucket, record, days=call.days, tier=call.tier)
    cold = record.properties.storage_class != "Archive"
    response = write_restore_object(readable=state is not None, tier=(call.tier or "Standard") if cold else "")
    return _with_version(response, bucket, record)
