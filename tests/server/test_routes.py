from __future__ import annotations

import pytest

from ossmount.server.routes import OPERATIONS, route
from ossmount.wire.errors import MethodNotAllowed, NotImplementedByOSS
from ossmount.wire.message import Headers, Request, decode_target

CASES = [
    ("GET /", "ListBuckets"),
    ("GET /?regions", "DescribeRegions"),
    ("PUT /b/", "PutBucket"),
    ("PUT /b/?acl", "PutBucketAcl"),
    ("DELETE /b/", "DeleteBucket"),
    ("GET /b/", "ListObjects"),
    ("GET /b/?prefix=a&delimiter=/", "ListObjects"),
    ("GET /b/?list-type=2", "ListObjectsV2"),
    ("GET /b/?acl", "GetBucketAcl"),
    ("GET /b/?bucketInfo", "GetBucketInfo"),
    ("GET /b/?location", "GetBucketLocation"),
    ("GET /b/?stat", "GetBucketStat"),
    ("GET /b/?versioning", "GetBucketVersioning"),
    ("GET /b/?live", "ListLiveChannel"),
    ("PUT /b/?versioning", "PutBucketVersioning"),
    ("GET /b/?versions", "ListObjectVersions"),
    *(
        (f"{verb} /b/?{name}", f"{verb.title()}Bucket{name.title()}")
        for verb in ("PUT", "GET", "DELETE")
        for name in ("logging", "website", "referer", "lifecycle", "cors")
        if (verb, name) != ("DELETE", "referer")
    ),
    ("PUT /b/?style&styleName=s", "PutStyle"),
    ("GET /b/?style&styleName=s", "GetStyle"),
    ("GET /b/?style", "ListStyle"),
    ("DELETE /b/?style&styleName=s", "DeleteStyle"),
    ("OPTIONS /b/k", "OptionObject"),
    ("OPTIONS /b/", "OptionObject"),
    ("OPTIONS /b/k?uploads", "OptionObject"),
    ("OPTIONS /b/k?tagging", "OptionObject"),
    ("POST /b/", "PostObject"),
    ("POST /b/k?restore", "RestoreObject"),
    ("GET /b/?uploads", "ListMultipartUploads"),
    ("POST /b/?delete", "DeleteMultipleObjects"),
    ("PUT /b/k", "PutObject"),
    ("PUT /b/k copy", "CopyObject"),
    ("GET /b/k", "GetObject"),
    ("GET /b/k?x-oss-process=image/info", "GetObject"),
    ("HEAD /b/k", "HeadObject"),
    ("HEAD /b/k?objectMeta", "GetObjectMeta"),
    ("GET /b/k?objectMeta", "GetObjectMeta"),
    ("DELETE /b/k", "DeleteObject"),
    ("POST /b/k?append&position=0", "AppendObject"),
    ("POST /b/k?x-oss-process", "ProcessObject"),
    ("PUT /b/k?symlink", "PutSymlink"),
    ("GET /b/k?symlink", "GetSymlink"),
    ("PUT /b/k?acl", "PutObjectACL"),
    ("GET /b/k?acl", "GetObjectACL"),
    ("PUT /b/k?tagging", "PutObjectTagging"),
    ("GET /b/k?tagging", "GetObjectTagging"),
    ("DELETE /b/k?tagging", "DeleteObjectTagging"),
    ("POST /b/k?uploads", "InitiateMultipartUpload"),
    ("PUT /b/k?partNumber=1&uploadId=u", "UploadPart"),
    ("PUT /b/k?partNumber=1&uploadId=u copy", "UploadPartCopy"),
    ("POST /b/k?uploadId=u", "CompleteMultipartUpload"),
    ("DELETE /b/k?uploadId=u", "AbortMultipartUpload"),
    ("GET /b/k?uploadId=u", "ListParts"),
]


def request(line: str) -> Request:
    method, target, *copies = line.split(" ")
    path, query = decode_target(target)
    bucket, _, key = path[1:].partition("/")
    return Request(method, bucket, key, query, Headers({"x-oss-copy-source": "/b/s"} if copies else {}))


@pytest.mark.parametrize(("line", "operation"), CASES)
def test_requests_lead_to_their_operations(line: str, operation: str) -> None:
    assert route(request(line)).name == operation


def test_every_operation_is_reached() -> None:
    assert {operation for _, operation in CASES} == set(OPERATIONS)


@pytest.mark.parametrize(
    "line",
    [
        "GET /b/?policy",
        "PUT /b/?encryption",
        "PUT /b/?tagging",
        "DELETE /b/?replication",
        "POST /b/k?x-oss-rename",
        "GET /b/?worm",
        "PUT /b/?transferAcceleration",
        "GET /?cloudboxes",
        "GET /?redundancyTransition",
        "POST /?dataPipeline",
        "POST /b/?wormId=1",
        "POST /b/?metadataConfiguration",
        *(
            f"{method} /b/?{name}"
            for method in ("PUT", "GET", "DELETE")
            for name in (
                "accessPointPolicy bucketArchiveDirectRead metadataInventoryTable metadataJournalTable objectWorm "
                "overwriteConfig quota redundancyTransition"
            ).split()
        ),
        *(f"{method} /b/k?{name}" for method in ("PUT", "GET", "POST") for name in ("retention", "legalHold")),
        "POST /b/k?seal&position=1",
        "POST /b/k?cleanRestoredObject",
    ],
)
def test_what_is_not_served_is_not_taken_for_something_else(line: str) -> None:
    with pytest.raises(NotImplementedByOSS):
        route(request(line))


@pytest.mark.parametrize(
    "line",
    [
        *("POST /", "DELETE /", "PATCH /b/k", "POST /b/k", "HEAD /b/", "DELETE /b/?referer", "PUT /b/k?restore"),
        *(f"DELETE /b/?{name}" for name in ("acl", "location", "stat", "uploads", "delete")),
        *(f"DELETE /b/k?{name}" for name in ("acl", "symlink", "append", "objectMeta")),
        *(f"PUT /b/k?{name}" for name in ("append&position=0", "uploads", "objectMeta")),
    ],
)
def test_other_methods_are_not_allowed(line: str) -> None:
    with pytest.raises(MethodNotAllowed):
        route(request(line))
