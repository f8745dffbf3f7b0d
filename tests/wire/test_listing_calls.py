"""The server's half of listings against the client's: what one writes the other reads."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ossmount.wire import listing, listing_calls, multipart, service
from ossmount.wire.errors import InvalidArgument
from ossmount.wire.models import (
    BucketSummary,
    ListBucketsResult,
    ListObjectsResult,
    ListUploadsResult,
    ObjectSummary,
    Owner,
    UploadInfo,
)

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(st.lists(keys, max_size=4), st.lists(keys, max_size=3), keys, keys)
def test_any_key_comes_through_a_listing(names: list[str], prefixes: list[str], prefix: str, marker: str) -> None:
    objects = tuple(ObjectSummary(name, 5, "ETAG", 7.0, "Symlink", "IA", Owner("1", "me")) for name in names)
    result = ListObjectsResult(objects, tuple(prefixes), True, marker, name="bucket")

    request = listing.list_objects("bucket", prefix=prefix, marker=marker, delimiter="/", max_keys=17)
    call = listing_calls.read_list_objects(request)
    assert (call.prefix, call.marker, call.delimiter, call.max_keys, call.encoded) == (prefix, marker, "/", 17, True)
    read = listing.parse_list_objects(listing_calls.write_list_objects(result, call))

    assert (read.objects, read.prefixes, read.is_truncated) == (objects, tuple(prefixes), True)
    assert read.next_marker == marker


@given(keys, st.lists(keys, max_size=3))
def test_a_token_leads_to_where_the_page_ended(last: str, names: list[str]) -> None:
    objects = tuple(ObjectSummary(name, 5, "ETAG", 7.0) for name in names)
    call = listing_calls.read_list_objects_v2(listing.list_objects_v2("bucket", prefix="p", start_after="s"))
    assert (call.prefix, call.marker, call.owner) == ("p", "s", False)
    response = listing_calls.write_list_objects_v2(ListObjectsResult(objects, (), True, last), call)

    read = listing.parse_list_objects(response)

    assert read.objects == objects
    request = listing.list_objects_v2("bucket", continuation_token=read.next_marker)
    assert listing_calls.read_list_objects_v2(request).marker == last


def test_a_token_looks_as_it_does_in_the_documentation() -> None:
    assert listing_calls.write_token("bc") == "CgJiYw--"
    assert listing_calls.read_token("CgJiYw--") == "bc"
    long = "k" * 1023
    assert listing_calls.read_token(listing_calls.write_token(long)) == long


@pytest.mark.parametrize("token", ["x", "CgJiYg", "CgNiYw--", "ü", "----"])
def test_other_tokens_are_refused(token: str) -> None:
    with pytest.raises(InvalidArgument):
        listing_calls.read_token(token)


allowed = keys.filter(lambda key: key[0] not in "/\\")


@given(st.lists(allowed.filter(listing.can_delete_multiple), min_size=1, max_size=5))
def test_keys_to_delete_arrive(names: list[str]) -> None:
    request = listing.delete_multiple_objects("bucket", names)

    call = listing_calls.read_delete_multiple_objects(request)

    assert list(call.keys) == names
    listing.parse_delete_multiple_objects(listing_calls.write_delete_multiple_objects(call))


@given(st.lists(keys, max_size=3), keys)
def test_uploads_come_through_a_listing(names: list[str], marker: str) -> None:
    uploads = tuple(UploadInfo(name, "ID", 7.0, "Standard") for name in names)
    request = multipart.list_multipart_uploads("bucket", key_marker=marker, upload_id_marker="OLD")
    call = listing_calls.read_list_multipart_uploads(request)
    assert (call.key_marker, call.upload_id_marker) == (marker, "OLD")
    result = ListUploadsResult(uploads, ("dir/",), True, marker, "NEXT", "bucket")

    read = multipart.parse_list_multipart_uploads(listing_calls.write_list_multipart_uploads(result, call))

    assert (read.uploads, read.prefixes, read.is_truncated) == (uploads, ("dir/",), True)
    assert (read.next_key_marker, read.next_upload_id_marker) == (marker, "NEXT")


def test_buckets_come_through_a_listing() -> None:
    bucket = BucketSummary("bucket", 7.0, "oss-cn-hangzhou", "IA", "host:80", "host:80", "cn-hangzhou")
    result = ListBucketsResult((bucket,), Owner("1", "me"), True, "bucket", "b", "a", 1)
    request = service.list_buckets(prefix="b", marker="a", max_keys=1)
    assert listing_calls.read_list_buckets(request) == ("b", "a", 1)

    read = service.parse_list_buckets(listing_calls.write_list_buckets(result))

    assert (read.buckets, read.owner, read.is_truncated, read.next_marker) == ((bucket,), result.owner, True, "bucket")
