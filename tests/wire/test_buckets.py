"""Buckets, the service, ACLs and tags: what is asked, and what is read from answers as the service writes them."""

from __future__ import annotations

import pytest

from ossmount.wire import buckets, service, tagging
from ossmount.wire.message import Headers, Request, Response, target
from ossmount.wire.models import BucketSummary, Owner

TIME = 1672223261.0


def answer(body: str) -> Response:
    return Response(200, Headers(), f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode())


@pytest.mark.parametrize(
    ("request_", "method", "path"),
    [
        (buckets.put_bucket("b"), "PUT", "/b/"),
        (buckets.delete_bucket("b"), "DELETE", "/b/"),
        (buckets.put_bucket_acl("b", "private"), "PUT", "/b/?acl"),
        (buckets.get_bucket_acl("b"), "GET", "/b/?acl"),
        (buckets.get_bucket_info("b"), "GET", "/b/?bucketInfo"),
        (buckets.get_bucket_location("b"), "GET", "/b/?location"),
        (buckets.get_bucket_stat("b"), "GET", "/b/?stat"),
        (service.list_buckets(prefix="p", marker="m"), "GET", "/?prefix=p&marker=m&max-keys=1000"),
        (tagging.put_object_acl("b", "k", "private"), "PUT", "/b/k?acl"),
        (tagging.get_object_acl("b", "k"), "GET", "/b/k?acl"),
        (tagging.put_object_tagging("b", "k", {}), "PUT", "/b/k?tagging"),
        (tagging.get_object_tagging("b", "k"), "GET", "/b/k?tagging"),
        (tagging.delete_object_tagging("b", "k"), "DELETE", "/b/k?tagging"),
    ],
    ids=lambda value: value.operation if isinstance(value, Request) else None,
)
def test_every_call_has_its_target(request_: Request, method: str, path: str) -> None:
    assert (request_.method, target(request_, path_style=True)) == (method, path)
    assert request_.operation


def test_a_bucket_is_made_with_class_and_redundancy() -> None:
    plain = buckets.put_bucket("b", acl="public-read")
    assert (plain.body, plain.headers) == (None, {"x-oss-acl": "public-read"})
    request = buckets.put_bucket("b", storage_class="IA", data_redundancy_type="ZRS")
    assert bytes(request.body or b"").endswith(
        b"<CreateBucketConfiguration><StorageClass>IA</StorageClass><DataRedundancyType>ZRS</DataRedundancyType>"
        b"</CreateBucketConfiguration>"
    )


def test_buckets_are_listed() -> None:
    body = """<ListAllMyBucketsResult><Prefix>p</Prefix><Marker/><MaxKeys>1</MaxKeys><IsTruncated>true</IsTruncated>
<NextMarker>b</NextMarker><Owner><ID>1</ID><DisplayName>n</DisplayName></Owner><Buckets><Bucket>
<CreationDate>2022-12-28T10:27:41.000Z</CreationDate><ExtranetEndpoint>e</ExtranetEndpoint>
<IntranetEndpoint>i</IntranetEndpoint><Location>oss-cn-shanghai</Location><Name>b</Name><Region>cn-shanghai</Region>
<StorageClass>IA</StorageClass></Bucket></Buckets></ListAllMyBucketsResult>"""
    result = service.parse_list_buckets(answer(body))
    assert result.buckets == (BucketSummary("b", TIME, "oss-cn-shanghai", "IA", "e", "i", "cn-shanghai"),)
    assert (result.owner, result.is_truncated, result.next_marker, result.max_keys) == (Owner("1", "n"), True, "b", 1)


def test_what_kind_of_bucket_it_is_is_read() -> None:
    body = """<BucketInfo><Bucket><CreationDate>2022-12-28T10:27:41.000Z</CreationDate>
<Location>oss-cn-hangzhou</Location>
<StorageClass>IA</StorageClass><DataRedundancyType>ZRS</DataRedundancyType><Name>b</Name>
<Owner><DisplayName>n</DisplayName><ID>1</ID></Owner><AccessControlList><Grant>public-read</Grant></AccessControlList>
<Versioning>Enabled</Versioning></Bucket></BucketInfo>"""
    info = buckets.parse_get_bucket_info(answer(body))
    assert (info.name, info.creation_date, info.location, info.storage_class) == ("b", TIME, "oss-cn-hangzhou", "IA")
    assert (info.acl, info.versioning, info.owner, info.data_redundancy_type) == (
        "public-read",
        "Enabled",
        Owner("1", "n"),
        "ZRS",
    )
    with pytest.raises(ValueError, match="no bucket"):
        buckets.parse_get_bucket_info(answer("<BucketInfo/>"))


def test_where_and_how_full_a_bucket_is_is_read() -> None:
    location = answer("<LocationConstraint>oss-cn-hangzhou</LocationConstraint>")
    assert buckets.parse_get_bucket_location(location) == "oss-cn-hangzhou"
    body = """<BucketStat><Storage>1600</Storage><ObjectCount>230</ObjectCount>
<MultipartUploadCount>40</MultipartUploadCount>
<LastModifiedTime>1643341269</LastModifiedTime><StandardStorage>7</StandardStorage><New>x</New></BucketStat>"""
    stat = buckets.parse_get_bucket_stat(answer(body))
    assert (stat.storage, stat.object_count, stat.multipart_upload_count) == (1600, 230, 40)
    assert (stat.last_modified_time, stat.details["StandardStorage"], "New" in stat.details) == (1643341269.0, 7, False)


def test_acls_are_read() -> None:
    body = """<AccessControlPolicy><Owner><ID>1</ID><DisplayName>n</DisplayName></Owner>
<AccessControlList><Grant>default</Grant></AccessControlList></AccessControlPolicy>"""
    assert tagging.parse_get_acl(answer(body)).grant == "default"
    with pytest.raises(ValueError, match="grant"):
        tagging.parse_get_acl(answer("<AccessControlPolicy/>"))


def test_tags_come_back() -> None:
    tags = {"a": "1 & 2", "b": ""}
    body = bytes(tagging.put_object_tagging("b", "k", tags).body or b"")
    assert tagging.parse_get_object_tagging(Response(200, Headers(), body)) == tags
    assert tagging.parse_get_object_tagging(answer("<Tagging><TagSet/></Tagging>")) == {}
