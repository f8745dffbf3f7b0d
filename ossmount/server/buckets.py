"""Operations on buckets and on the service: each a function of the service and a request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..wire import bucket_calls, listing_calls
from ..wire.errors import (
    BucketAlreadyExists,
    BucketNotEmpty,
    InvalidLocationConstraint,
    TooManyBuckets,
)
from ..wire.models import (
    AccessControl,
    BucketInfo,
    BucketStat,
    BucketSummary,
    ListBucketsResult,
    ListObjectsResult,
    ObjectSummary,
)
from ..wire.object_calls import empty_response, write_get_acl
from ..wire.properties import ARCHIVED, read_acl
from ..wire.versions import Deletion, read_deleted_versions, write_delete_multiple_versions
from .objects import delete
from .service import read_serial

if TYPE_CHECKING:
    from ..wire.message import Request, Response
    from .records import BucketRecord
    from .service import Service

MAX_BUCKETS = 100

_STATISTICS = {"Standard": "Standard", "IA": "InfrequentAccess", "Archive": "Archive", "ColdArchive": "ColdArchive"}


def list_buckets(service: Service, request: Request) -> Response:
    """ListBuckets (GetService)."""
    prefix, marker, limit = listing_calls.read_list_buckets(request)
    found = [b for b in service.store.buckets() if b.name.startswith(prefix) and b.name > marker]
    shown = found[:limit]
    endpoint = request.headers.get("host", "")
    buckets = tuple(
        BucketSummary(
            name=bucket.name,
            creation_date=bucket.created,
            location=service.location,
            storage_class=bucket.storage_class,
            extranet_endpoint=endpoint,
            intranet_endpoint=endpoint,
            region=service.options.region,
        )
        for bucket in shown
    )
    result = ListBucketsResult(
        buckets=buckets,
        owner=service.options.owner,
        is_truncated=len(found) > limit,
        next_marker=shown[-1].name if len(found) > limit else "",
        prefix=prefix,
        marker=marker,
        max_keys=limit,
    )
    return listing_calls.write_list_buckets(result)


def describe_regions(service: Service, request: Request) -> Response:
    """DescribeRegions."""
    return bucket_calls.write_describe_regions(service.options.region, request.headers.get("host", ""))


def put_bucket(service: Service, request: Request) -> Response:
    """PutBucket: repeating it is no error."""
    call = bucket_calls.read_put_bucket(request)
    if call.location and call.location != service.location:
        raise InvalidLocationConstraint(details={"LocationConstraint": call.location})
    old = service.store.bucket(request.bucket)
    if old is None and len(service.store.buckets()) >= MAX_BUCKETS:
        raise TooManyBuckets(details={"BucketName": request.bucket})
    if old is not None and call.storage_class not in ("", old.storage_class):
        raise BucketAlreadyExists(details={"BucketName": request.bucket})
    service.store.put_bucket(request.bucket, acl=call.acl, storage_class=call.storage_class, redundancy=call.redundancy)
    return bucket_calls.write_put_bucket(request.bucket)


def delete_bucket(service: Service, request: Request) -> Response:
    """DeleteBucket."""
    bucket = service.bucket(request)
    if not service.store.is_empty(bucket):
        raise BucketNotEmpty(details={"BucketName": bucket.name})
    service.store.delete_bucket(bucket)
    return empty_response(204)


def put_bucket_acl(service: Service, request: Request) -> Response:
    """PutBucketAcl, which makes the bucket if there is none."""
    service.store.put_bucket(request.bucket, acl=read_acl(request, "x-oss-acl", bucket_calls.BUCKET_ACLS))
    return bucket_calls.write_put_bucket(request.bucket)


def get_bucket_acl(service: Service, request: Request) -> Response:
    """GetBucketAcl."""
    return write_get_acl(AccessControl(service.bucket(request).acl, service.options.owner))


def get_bucket_info(service: Service, request: Request) -> Response:
    """GetBucketInfo."""
    bucket = service.bucket(request)
    endpoint = request.headers.get("host", "")
    info = BucketInfo(
        name=bucket.name,
        creation_date=bucket.created,
        location=service.location,
        storage_class=bucket.storage_class,
        extranet_endpoint=endpoint,
        intranet_endpoint=endpoint,
        data_redundancy_type=bucket.redundancy,
        owner=service.options.owner,
        acl=bucket.acl,
        versioning=bucket.versioning,
    )
    return bucket_calls.write_get_bucket_info(info)


def get_bucket_location(service: Service, request: Request) -> Response:
    """GetBucketLocation."""
    service.bucket(request)
    return bucket_calls.write_get_bucket_location(service.location)


def get_bucket_stat(service: Service, request: Request) -> Response:
    """GetBucketStat; unlike with OSS the figures are always fresh."""
    bucket = service.bucket(request)
    usage = service.store.usage(bucket)
    details: dict[str, int] = {}
    for name, label in _STATISTICS.items():
        size, count = usage.by_class.get(name, (0, 0))
        details[f"{label}Storage"] = size
        if name != "Standard":
            details[f"{label}RealStorage"] = size
        details[f"{label}ObjectCount"] = count
    if bucket.versioning:
        details["DeleteMarkerCount"] = service.store.versions.count_markers(bucket)
    stat = BucketStat(
        storage=usage.size,
        object_count=usage.count,
        multipart_upload_count=usage.uploads,
        last_modified_time=usage.modified,
        details=details,
    )
    return bucket_calls.write_get_bucket_stat(stat)


def list_live_channel(service: Service, request: Request) -> Response:
    """ListLiveChannel: there are none."""
    service.bucket(request)
    return bucket_calls.write_list_live_channel()


def list_objects(service: Service, request: Request) -> Response:
    """ListObjects (GetBucket)."""
    call = listing_calls.read_list_objects(request)
    return listing_calls.write_list_objects(_list(service, request, call), call)


def list_objects_v2(service: Service, request: Request) -> Response:
    """ListObjectsV2."""
    call = listing_calls.read_list_objects_v2(request)
    return listing_calls.write_list_objects_v2(_list(service, request, call), call)


def _list(service: Service, request: Request, call: listing_calls.ListCall) -> ListObjectsResult:
    bucket = service.bucket(request)
    page = service.store.list_objects(
        bucket, prefix=call.prefix, marker=call.marker, delimiter=call.delimiter, limit=call.max_keys
    )
    owner = service.options.owner if call.owner else None
    objects = tuple(
        ObjectSummary(
            row[0].decode(),
            row[1],
            row[2],
            row[4],
            row[3],
            row[5],
            owner,
            _restore_info(service, bucket, row[0].decode()) if row[5] in ARCHIVED else None,
        )
        for row in page.rows
    )
    return ListObjectsResult(
        objects=objects,
        prefixes=tuple(prefix.decode() for prefix in page.prefixes),
        is_truncated=page.last is not None,
        next_marker=(page.last or b"").decode(),
        name=bucket.name,
    )


def _restore_info(service: Service, bucket: BucketRecord, key: str) -> str | None:
    record = service.store.find(bucket, key)
    return None if record is None else service.restores.info(bucket, record)


def delete_multiple_objects(service: Service, request: Request) -> Response:
    """DeleteMultipleObjects."""
    bucket = service.bucket(request)
    call = listing_calls.read_delete_multiple_objects(request)
    named = read_deleted_versions(request)
    if not bucket.versioning and not any(version for _, version in named):
        service.store.delete(bucket, call.keys)
        return listing_calls.write_delete_multiple_objects(call)
    serials = [(key, None if version is None else read_serial(version)) for key, version in named]
    done = [delete(service, bucket, key, serial) or Deletion(key) for key, serial in serials]
    deletions = [
        # What was named by its id is told by it; a marker that was made, by its own.
        replace(one, version_id=None) if serial is None else one
        for one, (_, serial) in zip(done, serials, strict=True)
    ]
    return write_delete_multiple_versions(deletions, quiet=call.quiet, encoded=call.encoded)
