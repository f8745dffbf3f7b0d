"""Which operation a request asks for; and all there are, with what each does with a body and which right it takes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..wire.errors import MethodNotAllowed, NotImplementedByOSS
from . import buckets, multipart, objects
from .service import Right

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..wire.message import Request
    from .service import Service


class Body(enum.Enum):
    """What an operation does with the body of its request: nothing, reads it, or stores it, or the file in its form."""

    NONE = "none"
    DOCUMENT = "document"
    FORM = "form"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation by its name in the API reference.

    *run* takes the service, the request and, for a stored body, what was received, with a form that before it; it
    returns an answer or an awaitable of one.
    """

    name: str
    run: Callable[..., Any]
    right: Right
    body: Body = Body.NONE


def _later(module: str, name: str) -> Callable[..., Any]:
    """Return a function of *module* that is loaded when it is first called: a server is to start quickly."""

    def run(*arguments: Any) -> Any:
        return getattr(import_module(f".{module}", __package__), name)(*arguments)

    return run


_get_image = _later("images", "get_image")


def _get_object(service: Service, request: Request) -> Any:
    """Return the object, or the picture that is to be made of it."""
    return _get_image(service, request) if request.query.get("x-oss-process") else objects.get_object(service, request)


_put, _get, _delete = (_later("configuring", f"{verb}_configuration") for verb in ("put", "get", "delete"))

_OPERATIONS = (
    Operation("ListBuckets", buckets.list_buckets, Right.OWN),
    Operation("DescribeRegions", buckets.describe_regions, Right.OWN),
    Operation("PutBucket", buckets.put_bucket, Right.OWN, Body.DOCUMENT),
    Operation("DeleteBucket", buckets.delete_bucket, Right.OWN),
    Operation("PutBucketAcl", buckets.put_bucket_acl, Right.OWN),
    Operation("GetBucketAcl", buckets.get_bucket_acl, Right.OWN),
    Operation("GetBucketInfo", buckets.get_bucket_info, Right.OWN),
    Operation("GetBucketLocation", buckets.get_bucket_location, Right.OWN),
    Operation("GetBucketStat", buckets.get_bucket_stat, Right.OWN),
    Operation("PutBucketVersioning", _later("configuring", "put_bucket_versioning"), Right.OWN, Body.DOCUMENT),
    Operation("GetBucketVersioning", _later("configuring", "get_bucket_versioning"), Right.OWN),
    Operation("ListObjectVersions", _later("configuring", "list_object_versions"), Right.OWN),
    Operation("PutBucketLogging", _put, Right.OWN, Body.DOCUMENT),
    Operation("GetBucketLogging", _get, Right.OWN),
    Operation("DeleteBucketLogging", _delete, Right.OWN),
    Operation("PutBucketWebsite", _put, Right.OWN, Body.DOCUMENT),
    Operation("GetBucketWebsite", _get, Right.OWN),
    Operation("DeleteBucketWebsite", _delete, Right.OWN),
    Operation("PutBucketReferer", _put, Right.OWN, Body.DOCUMENT),
    Operation("GetBucketReferer", _get, Right.OWN),
    Operation("PutBucketLifecycle", _put, Right.OWN, Body.DOCUMENT),
    Operation("GetBucketLifecycle", _get, Right.OWN),
    Operation("DeleteBucketLifecycle", _delete, Right.OWN),
    Operation("PutBucketCors", _put, Right.OWN, Body.DOCUMENT),
    Operation("GetBucketCors", _get, Right.OWN),
    Operation("DeleteBucketCors", _delete, Right.OWN),
    Operation("OptionObject", _later("configuring", "option_object"), Right.NONE),
    Operation("PutStyle", _later("configuring", "put_style"), Right.OWN, Body.DOCUMENT),
    Operation("GetStyle", _later("configuring", "get_style"), Right.OWN),
    Operation("ListStyle", _later("configuring", "list_style"), Right.OWN),
    Operation("DeleteStyle", _later("configuring", "delete_style"), Right.OWN),
    Operation("ListLiveChannel", buckets.list_live_channel, Right.OWN),
    Operation("ListObjects", buckets.list_objects, Right.LIST),
    Operation("ListObjectsV2", buckets.list_objects_v2, Right.LIST),
    Operation("DeleteMultipleObjects", buckets.delete_multiple_objects, Right.WRITE, Body.DOCUMENT),
    Operation("ListMultipartUploads", multipart.list_multipart_uploads, Right.OWN),
    Operation("PostObject", _later("posting", "post_object"), Right.NONE, Body.FORM),
    Operation("PutObject", objects.put_object, Right.WRITE, Body.OBJECT),
    Operation("GetObject", _get_object, Right.READ),
    Operation("ProcessObject", _later("images", "process_object"), Right.OWN, Body.DOCUMENT),
    Operation("HeadObject", objects.head_object, Right.READ),
    Operation("GetObjectMeta", objects.get_object_meta, Right.READ),
    Operation("DeleteObject", objects.delete_object, Right.WRITE),
    Operation("CopyObject", objects.copy_object, Right.OWN),
    Operation("AppendObject", objects.append_object, Right.WRITE, Body.OBJECT),
    Operation("PutSymlink", objects.put_symlink, Right.WRITE),
    Operation("GetSymlink", objects.get_symlink, Right.READ),
    Operation("RestoreObject", objects.restore_object, Right.OWN, Body.DOCUMENT),
    Operation("PutObjectACL", objects.put_object_acl, Right.OWN),
    Operation("GetObjectACL", objects.get_object_acl, Right.OWN),
    Operation("PutObjectTagging", objects.put_object_tagging, Right.OWN, Body.DOCUMENT),
    Operation("GetObjectTagging", objects.get_object_tagging, Right.OWN),
    Operation("DeleteObjectTagging", objects.delete_object_tagging, Right.OWN),
    Operation("InitiateMultipartUpload", multipart.initiate_multipart_upload, Right.WRITE),
    Operation("UploadPart", multipart.upload_part, Right.WRITE, Body.OBJECT),
    Operation("UploadPartCopy", multipart.upload_part_copy, Right.OWN),
    Operation("CompleteMultipartUpload", multipart.complete_multipart_upload, Right.WRITE, Body.DOCUMENT),
    Operation("AbortMultipartUpload", multipart.abort_multipart_upload, Right.WRITE),
    Operation("ListParts", multipart.list_parts, Right.OWN),
)
OPERATIONS = {operation.name: operation for operation in _OPERATIONS}

# By method, for the service, a bucket and an object: the parameter that asks for an operation, and the operation.  The
# first that is there counts; None asks for nothing particular.
_SERVICE = {"GET": (("regions", "DescribeRegions"), (None, "ListBuckets"))}
_BUCKET = {
    "GET": (
        ("acl", "GetBucketAcl"),
        ("bucketInfo", "GetBucketInfo"),
        ("location", "GetBucketLocation"),
        ("stat", "GetBucketStat"),
        ("versioning", "GetBucketVersioning"),
        ("versions", "ListObjectVersions"),
        ("logging", "GetBucketLogging"),
        ("website", "GetBucketWebsite"),
        ("referer", "GetBucketReferer"),
        ("lifecycle", "GetBucketLifecycle"),
        ("cors", "GetBucketCors"),
        ("styleName", "GetStyle"),
        ("style", "ListStyle"),
        ("live", "ListLiveChannel"),
        ("uploads", "ListMultipartUploads"),
        ("list-type", "ListObjectsV2"),
        (None, "ListObjects"),
    ),
    "PUT": (
        ("acl", "PutBucketAcl"),
        ("versioning", "PutBucketVersioning"),
        ("logging", "PutBucketLogging"),
        ("website", "PutBucketWebsite"),
        ("referer", "PutBucketReferer"),
        ("lifecycle", "PutBucketLifecycle"),
        ("cors", "PutBucketCors"),
        ("style", "PutStyle"),
        (None, "PutBucket"),
    ),
    "DELETE": (
        ("logging", "DeleteBucketLogging"),
        ("website", "DeleteBucketWebsite"),
        ("lifecycle", "DeleteBucketLifecycle"),
        ("cors", "DeleteBucketCors"),
        ("style", "DeleteStyle"),
        (None, "DeleteBucket"),
    ),
    "POST": (("delete", "DeleteMultipleObjects"), (None, "PostObject")),
    "OPTIONS": ((None, "OptionObject"),),
}
_OBJECT = {
    "GET": (
        ("acl", "GetObjectACL"),
        ("tagging", "GetObjectTagging"),
        ("symlink", "GetSymlink"),
        ("uploadId", "ListParts"),
        ("objectMeta", "GetObjectMeta"),
        (None, "GetObject"),
    ),
    "HEAD": (("objectMeta", "GetObjectMeta"), (None, "HeadObject")),
    "PUT": (
        ("acl", "PutObjectACL"),
        ("tagging", "PutObjectTagging"),
        ("symlink", "PutSymlink"),
        ("uploadId", "UploadPart"),
        ("partNumber", "UploadPart"),
        (None, "PutObject"),
    ),
    "OPTIONS": ((None, "OptionObject"),),
    "POST": (
        ("restore", "RestoreObject"),
        ("append", "AppendObject"),
        ("x-oss-process", "ProcessObject"),
        ("uploads", "InitiateMultipartUpload"),
        ("uploadId", "CompleteMultipartUpload"),
    ),
    "DELETE": (("uploadId", "AbortMultipartUpload"), ("tagging", "DeleteObjectTagging"), (None, "DeleteObject")),
}
_COPIES = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}

# Operations of OSS that are not served here, by the parameter that asks for them: without these names a request to
# protect an object would be taken for its new bytes, and one about the policy of a bucket for its removal.
_UNSERVED = frozenset(
    "MetaQuery accessPoint accessPointPolicy accessmonitor asyncFetch bucketArchiveDirectRead cleanRestoredObject "
    "cloudboxes cname comp dataPipeline encryption httpsConfig img inventory legalHold metaQuery metadataConfiguration "
    "metadataInventoryTable metadataJournalTable objectWorm overwriteConfig policy policyStatus processConfiguration "
    "publicAccessBlock qos qosInfo quota redundancyTransition rename replication replicationLocation "
    "replicationProgress requestPayment resourceGroup retention rtc seal transferAcceleration "
    "userDefinedLogFieldsConfig vod worm wormExtend wormId x-oss-async-process x-oss-delete x-oss-dir "
    "x-oss-rename".split()
)
# Served for objects, but not for buckets.
_UNSERVED_OF_BUCKETS = _UNSERVED | {"tagging"}
# And those that are, with another method: not to be taken for what is asked for without any parameter.
_NEVER_PLAIN = _UNSERVED | {
    name for table in (_BUCKET, _OBJECT) for asked in table.values() for name, _ in asked if name is not None
} - {"list-type", "partNumber", "x-oss-process"}


def route(request: Request) -> Operation:
    """Return the operation that *request* asks for.

    Raises:
        MethodNotAllowed: there is none with this method.
        NotImplementedByOSS: OSS has one, this server has not.
    """
    table = _OBJECT if request.key else _BUCKET if request.bucket else _SERVICE
    query = request.query
    for parameter, name in table.get(request.method, ()):
        if parameter is None and query and request.method != "OPTIONS" and not _NEVER_PLAIN.isdisjoint(query):
            break  # (a preflight is about any request)
        if parameter is None or parameter in query:
            if name in _COPIES and "x-oss-copy-source" in request.headers:
                name = _COPIES[name]
            return OPERATIONS[name]
    unserved = _UNSERVED_OF_BUCKETS if table is _BUCKET else _UNSERVED
    if not unserved.isdisjoint(query):
        parameter = next(name for name in query if name in unserved)
        raise NotImplementedByOSS(details={"ArgumentName": parameter})
    raise MethodNotAllowed(details={"Method": request.method, "ResourceType": "Object" if request.key else "Bucket"})
