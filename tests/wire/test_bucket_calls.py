"""The server's half of the operations on buckets against the client's: what one writes the other reads."""

from __future__ import annotations

import pytest

from ossmount.wire import bucket_calls, buckets, limits
from ossmount.wire.models import BucketInfo, BucketStat, Owner


def test_a_bucket_to_make_arrives() -> None:
    request = buckets.put_bucket("bucket", acl="public-read", storage_class="IA", data_redundancy_type="ZRS")

    call = bucket_calls.read_put_bucket(request)

    assert (call.acl, call.storage_class, call.redundancy) == ("public-read", "IA", "ZRS")
    assert bucket_calls.read_put_bucket(buckets.put_bucket("bucket")) == bucket_calls.PutBucketCall()
    assert bucket_calls.write_put_bucket("bucket").headers["location"] == "/bucket"


def test_what_is_known_of_a_bucket_comes_back() -> None:
    owner = Owner("1", "me & you")
    info = BucketInfo("bucket", 7.0, "oss-cn-hangzhou", "IA", "host:80", "host:80", "ZRS", owner, "private")

    assert buckets.parse_get_bucket_info(bucket_calls.write_get_bucket_info(info)) == info
    location = bucket_calls.write_get_bucket_location("oss-cn-hangzhou")
    assert buckets.parse_get_bucket_location(location) == "oss-cn-hangzhou"


def test_statistics_come_back() -> None:
    stat = BucketStat(10, 2, 1, 7.0, {"StandardStorage": 10})

    read = buckets.parse_get_bucket_stat(bucket_calls.write_get_bucket_stat(stat))

    assert (read.storage, read.object_count, read.multipart_upload_count, read.last_modified_time) == (10, 2, 1, 7.0)
    assert read.details["StandardStorage"] == 10


@pytest.mark.parametrize("name", ["abc", "a-b", "0a0", "a" * 63])
def test_names_of_buckets(name: str) -> None:
    assert limits.is_bucket_name(name)


@pytest.mark.parametrize("name", ["", "ab", "a" * 64, "-abc", "abc-", "aBc", "a.b", "a_b", "abc\n", "übc"])
def test_what_is_no_name_of_a_bucket(name: str) -> None:
    assert not limits.is_bucket_name(name)
