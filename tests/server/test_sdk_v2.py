"""The server as alibabacloud-oss-v2, the second Python SDK, sees it, with version 1 and version 4 signatures."""

from __future__ import annotations

import alibabacloud_oss_v2 as sdk
import pytest

from ossmount.wire.checksums import crc64, multipart_etag

PART = 100 * 1024


def _service_error(exc: BaseException) -> sdk.exceptions.ServiceError:
    while not isinstance(exc, sdk.exceptions.ServiceError):
        cause = exc.unwrap() if hasattr(exc, "unwrap") else exc.__cause__
        assert cause is not None
        exc = cause
    return exc


def test_buckets_tell_what_they_are(sdk_client: sdk.Client) -> None:
    sdk_client.put_bucket_acl(sdk.PutBucketAclRequest(bucket="bucket", acl="public-read"))

    info = sdk_client.get_bucket_info(sdk.GetBucketInfoRequest(bucket="bucket")).bucket_info
    assert (info.name, info.acl, info.location) == ("bucket", "public-read", "oss-cn-hangzhou")
    assert sdk_client.get_bucket_location(sdk.GetBucketLocationRequest(bucket="bucket")).location == "oss-cn-hangzhou"
    assert sdk_client.get_bucket_acl(sdk.GetBucketAclRequest(bucket="bucket")).acl == "public-read"
    versioning = sdk_client.get_bucket_versioning(sdk.GetBucketVersioningRequest(bucket="bucket"))
    assert versioning.version_status is None
    pages = sdk_client.list_buckets_paginator().iter_page(sdk.ListBucketsRequest())
    names = [bucket.name for page in pages for bucket in page.buckets]
    assert names == ["bucket"]
    regions = sdk_client.describe_regions(sdk.DescribeRegionsRequest())
    assert [region.region for region in regions.region_info] == ["oss-cn-hangzhou"]
    assert sdk_client.is_bucket_exist("bucket")
    sdk_client.delete_bucket(sdk.DeleteBucketRequest(bucket="bucket"))
    assert not sdk_client.is_bucket_exist("bucket")


def test_statistics_count_objects_and_uploads(sdk_client: sdk.Client) -> None:
    sdk_client.put_object(sdk.PutObjectRequest(bucket="bucket", key="a", body=b"12345"))
    sdk_client.put_object(sdk.PutObjectRequest(bucket="bucket", key="b", body=b"123", storage_class="IA"))
    sdk_client.initiate_multipart_upload(sdk.InitiateMultipartUploadRequest(bucket="bucket", key="c"))

    stat = sdk_client.get_bucket_stat(sdk.GetBucketStatRequest(bucket="bucket"))

    assert (stat.storage, stat.object_count, stat.multi_part_upload_count) == (8, 2, 1)
    assert (stat.standard_storage, stat.infrequent_access_object_count) == (5, 1)


def test_an_object_comes_back_with_everything_it_was_put_with(sdk_client: sdk.Client) -> None:
    put = sdk_client.put_object(
        sdk.PutObjectRequest(
            bucket="bucket",
            key="dir/ü + b",
            body=b"bytes",
            metadata={"author": "alice"},
            content_type="text/x-thing",
            cache_control="no-cache",
            tagging="k=v",
            acl="public-read",
        )
    )
    assert put.hash_crc64 == str(crc64(b"bytes"))

    head = sdk_client.head_object(sdk.HeadObjectRequest(bucket="bucket", key="dir/ü + b"))
    assert (head.content_length, head.content_type, head.cache_control) == (5, "text/x-thing", "no-cache")
    assert (head.metadata, head.object_type, head.tagging_count) == ({"author": "alice"}, "Normal", 1)
    got = sdk_client.get_object(sdk.GetObjectRequest(bucket="bucket", key="dir/ü + b"))
    assert got.body.read() == b"bytes"
    meta = sdk_client.get_object_meta(sdk.GetObjectMetaRequest(bucket="bucket", key="dir/ü + b"))
    assert (meta.content_length, meta.etag) == (5, head.etag)
    acl = sdk_client.get_object_acl(sdk.GetObjectAclRequest(bucket="bucket", key="dir/ü + b"))
    assert acl.acl == "public-read"


def test_ranges_and_conditions(sdk_client: sdk.Client) -> None:
    sdk_client.put_object(sdk.PutObjectRequest(bucket="bucket", key="a", body=bytes(1000)))
    etag = sdk_client.head_object(sdk.HeadObjectRequest(bucket="bucket", key="a")).etag

    def get(**more: str) -> sdk.GetObjectResult:
        return sdk_client.get_object(sdk.GetObjectRequest(bucket="bucket", key="a", **more))

    clipped = get(range_header="bytes=500-2000", range_behavior="standard")
    assert (clipped.status_code, clipped.content_length) == (206, 500)
    assert clipped.content_range == "bytes 500-999/1000"
    whole = get(range_header="bytes=500-2000")
    assert (whole.status_code, whole.content_length) == (200, 1000)
    with pytest.raises(sdk.exceptions.OperationError) as caught:
        get(range_header="bytes=1000-2000", range_behavior="standard")
    assert _service_error(caught.value).code == "InvalidRange"
    assert get(if_match=etag).status_code == 200
    with pytest.raises(sdk.exceptions.OperationError) as caught:
        get(if_match='"other"')
    assert _service_error(caught.value).status_code == 412
    with pytest.raises(sdk.exceptions.OperationError) as caught:
        get(if_none_match=etag)
    assert _service_error(caught.value).status_code == 304


def test_both_listings_page_through_everything(sdk_client: sdk.Client) -> None:
    keys = ["a", "b/1", "b/2", "c d", "é"]
    for key in keys:
        sdk_client.put_object(sdk.PutObjectRequest(bucket="bucket", key=key, body=b"x"))

    first = sdk_client.list_objects_paginator().iter_page(sdk.ListObjectsRequest(bucket="bucket", max_keys=2))
    assert [entry.key for page in first for entry in page.contents or []] == keys
    pages = list(
        sdk_client.list_objects_v2_paginator().iter_page(
            sdk.ListObjectsV2Request(bucket="bucket", max_keys=1, delimiter="/", fetch_owner=True)
        )
    )
    assert [entry.key for page in pages for entry in page.contents or []] == ["a", "c d", "é"]
    assert [entry.prefix for page in pages for entry in page.common_prefixes or []] == ["b/"]
    assert [page.key_count for page in pages] == [1, 1, 1, 1]


def test_copy_append_symlink_and_tags(sdk_client: sdk.Client) -> None:
    sdk_client.append_object(sdk.AppendObjectRequest(bucket="bucket", key="log", position=0, body=b"abc"))
    appended = sdk_client.append_object(
        sdk.AppendObjectRequest(bucket="bucket", key="log", position=3, body=b"def", init_hash_crc64=str(crc64(b"abc")))
    )
    assert (appended.next_position, appended.hash_crc64) == (6, str(crc64(b"abcdef")))

    copied = sdk_client.copy_object(
        sdk.CopyObjectRequest(bucket="bucket", key="copy", source_key="log", metadata_directive="COPY")
    )
    assert copied.etag == sdk_client.head_object(sdk.HeadObjectRequest(bucket="bucket", key="copy")).etag

    sdk_client.put_symlink(sdk.PutSymlinkRequest(bucket="bucket", key="link", symlink_target="copy"))
    assert sdk_client.get_symlink(sdk.GetSymlinkRequest(bucket="bucket", key="link")).target == "copy"
    assert sdk_client.get_object(sdk.GetObjectRequest(bucket="bucket", key="link")).body.read() == b"abcdef"

    tags = sdk.Tagging(tag_set=sdk.TagSet(tags=[sdk.Tag(key="k", value="v w")]))
    sdk_client.put_object_tagging(sdk.PutObjectTaggingRequest(bucket="bucket", key="copy", tagging=tags))
    found = sdk_client.get_object_tagging(sdk.GetObjectTaggingRequest(bucket="bucket", key="copy")).tag_set.tags
    assert [(tag.key, tag.value) for tag in found] == [("k", "v w")]
    sdk_client.delete_object_tagging(sdk.DeleteObjectTaggingRequest(bucket="bucket", key="copy"))
    found = sdk_client.get_object_tagging(sdk.GetObjectTaggingRequest(bucket="bucket", key="copy")).tag_set.tags
    assert not found


def test_parts_become_one_object(sdk_client: sdk.Client) -> None:
    sdk_client.put_object(sdk.PutObjectRequest(bucket="bucket", key="source", body=b"s" * 2 * PART))
    upload = sdk_client.initiate_multipart_upload(
        sdk.InitiateMultipartUploadRequest(bucket="bucket", key="big", metadata={"a": "1"})
    ).upload_id
    first = sdk_client.upload_part(
        sdk.UploadPartRequest(bucket="bucket", key="big", upload_id=upload, part_number=1, body=b"1" * PART)
    )
    second = sdk_client.upload_part_copy(
        sdk.UploadPartCopyRequest(
            bucket="bucket",
            key="big",
            upload_id=upload,
            part_number=2,
            source_key="source",
            source_range=f"bytes=0-{PART - 1}",
        )
    )
    listed = sdk_client.list_parts(sdk.ListPartsRequest(bucket="bucket", key="big", upload_id=upload))
    assert [part.part_number for part in listed.parts] == [1, 2]
    uploads = sdk_client.list_multipart_uploads(sdk.ListMultipartUploadsRequest(bucket="bucket"))
    assert [found.upload_id for found in uploads.uploads] == [upload]

    done = sdk_client.complete_multipart_upload(
        sdk.CompleteMultipartUploadRequest(
            bucket="bucket",
            key="big",
            upload_id=upload,
            complete_multipart_upload=sdk.CompleteMultipartUpload(
                parts=[
                    sdk.UploadPart(part_number=1, etag=first.etag),
                    sdk.UploadPart(part_number=2, etag=second.etag),
                ]
            ),
        )
    )

    body = b"1" * PART + b"s" * PART
    assert done.hash_crc64 == str(crc64(body))
    assert done.etag.strip('"') == multipart_etag([first.etag, second.etag])
    got = sdk_client.get_object(sdk.GetObjectRequest(bucket="bucket", key="big"))
    assert got.body.read() == body
    assert got.metadata == {"a": "1"}


def test_all_parts_may_be_completed_without_naming_them(sdk_client: sdk.Client) -> None:
    upload = sdk_client.initiate_multipart_upload(
        sdk.InitiateMultipartUploadRequest(bucket="bucket", key="big")
    ).upload_id
    sdk_client.upload_part(
        sdk.UploadPartRequest(bucket="bucket", key="big", upload_id=upload, part_number=5, body=b"tail")
    )

    sdk_client.complete_multipart_upload(
        sdk.CompleteMultipartUploadRequest(bucket="bucket", key="big", upload_id=upload, complete_all="yes")
    )

    assert sdk_client.get_object(sdk.GetObjectRequest(bucket="bucket", key="big")).body.read() == b"tail"


def test_an_upload_may_be_dropped(sdk_client: sdk.Client) -> None:
    upload = sdk_client.initiate_multipart_upload(
        sdk.InitiateMultipartUploadRequest(bucket="bucket", key="big")
    ).upload_id
    abort = sdk.AbortMultipartUploadRequest(bucket="bucket", key="big", upload_id=upload)

    sdk_client.abort_multipart_upload(abort)

    with pytest.raises(sdk.exceptions.OperationError) as caught:
        sdk_client.abort_multipart_upload(abort)
    assert _service_error(caught.value).code == "NoSuchUpload"


def test_objects_go_one_by_one_and_many_at_once(sdk_client: sdk.Client) -> None:
    for key in ("a", "b c", "d"):
        sdk_client.put_object(sdk.PutObjectRequest(bucket="bucket", key=key, body=b""))
    assert sdk_client.is_object_exist("bucket", "a")

    sdk_client.delete_object(sdk.DeleteObjectRequest(bucket="bucket", key="a"))
    deleted = sdk_client.delete_multiple_objects(
        sdk.DeleteMultipleObjectsRequest(
            bucket="bucket", encoding_type="url", objects=[sdk.DeleteObject("b c"), sdk.DeleteObject("d")]
        )
    )

    assert not sdk_client.is_object_exist("bucket", "a")
    assert sorted(entry.key for entry in deleted.deleted_objects) == ["b c", "d"]


def test_errors_say_what_and_why(sdk_client: sdk.Client) -> None:
    with pytest.raises(sdk.exceptions.OperationError) as caught:
        sdk_client.head_object(sdk.HeadObjectRequest(bucket="bucket", key="missing"))
    error = _service_error(caught.value)
    assert (error.code, error.status_code, error.ec) == ("NoSuchKey", 404, "0026-00000001")
    assert len(error.request_id) == 24


def test_a_presigned_request_needs_no_credentials(sdk_client: sdk.Client) -> None:
    import httpx

    sdk_client.put_object(sdk.PutObjectRequest(bucket="bucket", key="ü +", body=b"bytes"))

    signed = sdk_client.presign(sdk.GetObjectRequest(bucket="bucket", key="ü +"))

    assert httpx.get(signed.url).content == b"bytes"


def test_the_sdk_moves_large_objects_in_parts(sdk_client: sdk.Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("sdk") / "source"
    path.write_bytes(bytes(range(256)) * 4000)
    sdk_client.uploader(part_size=200_000, parallel_num=2).upload_file(
        sdk.PutObjectRequest(bucket="bucket", key="big"), str(path)
    )
    sdk_client.copier(part_size=200_000).copy(
        sdk.CopyObjectRequest(bucket="bucket", key="copy", source_bucket="bucket", source_key="big")
    )
    back = path.with_name("back")

    sdk_client.downloader(part_size=200_000, parallel_num=2).download_file(
        sdk.GetObjectRequest(bucket="bucket", key="copy"), str(back)
    )

    assert back.read_bytes() == path.read_bytes()
