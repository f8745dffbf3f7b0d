"""Listings: what is asked, and what is read from answers as the service writes them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ossmount.wire import listing, xml
from ossmount.wire.message import Headers, Response, encode_value
from ossmount.wire.models import ObjectSummary, Owner

PAGE = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult><Name>b</Name><Prefix>d%2F</Prefix><Marker>d%2Fa</Marker><MaxKeys>100</MaxKeys>
<Delimiter>%2F</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<NextMarker>d%2F%C3%BC%20</NextMarker>
<Contents><Key>d%2Fb%01</Key><LastModified>2022-12-28T10:27:41.000Z</LastModified><ETag>"E"</ETag><Type>Symlink</Type>
<Size>5</Size><StorageClass>IA</StorageClass><Owner><ID>1</ID><DisplayName>n</DisplayName></Owner></Contents>
<CommonPrefixes><Prefix>d%2F%C3%BC%20</Prefix></CommonPrefixes></ListBucketResult>"""


def page(*elements: str) -> Response:
    return Response(200, Headers(), xml.document("ListBucketResult", elements))


def test_a_page_is_read() -> None:
    result = listing.parse_list_objects(Response(200, Headers(), PAGE))
    assert result.objects == (ObjectSummary("d/b\x01", 5, "E", 1672223261.0, "Symlink", "IA", Owner("1", "n")),)
    assert result.prefixes == ("d/ü ",)
    assert (result.is_truncated, result.next_marker) == (True, "d/ü ")
    assert (result.name, result.prefix, result.marker, result.delimiter, result.max_keys) == (
        "b",
        "d/",
        "d/a",
        "/",
        100,
    )


def test_an_empty_page_is_read() -> None:
    result = listing.parse_list_objects(page("<IsTruncated>false</IsTruncated>"))
    assert (result.objects, result.prefixes, result.is_truncated, result.next_marker) == ((), (), False, "")


def test_without_encoding_a_percent_is_a_percent() -> None:
    result = listing.parse_list_objects(page("<CommonPrefixes><Prefix>100%25/</Prefix></CommonPrefixes>"))
    assert result.prefixes == ("100%25/",)


def test_a_page_that_does_not_say_where_it_ends_goes_on_behind_its_last_entry() -> None:
    prefixes = "<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>"
    assert listing.parse_list_objects(page("<IsTruncated>true</IsTruncated>", prefixes)).next_marker == "b/"
    with pytest.raises(ValueError, match="goes on"):
        listing.parse_list_objects(page("<IsTruncated>true</IsTruncated>"))
    with pytest.raises(ValueError, match="goes on"):
        listing.parse_list_objects(page("<IsTruncated>true</IsTruncated>", prefixes, "<KeyCount>1</KeyCount>"))


def test_the_second_version_goes_on_with_a_token() -> None:
    result = listing.parse_list_objects(
        page("<IsTruncated>true</IsTruncated>", "<NextContinuationToken>CgJiYw--</NextContinuationToken>")
    )
    assert result.next_marker == "CgJiYw--"
    request = listing.list_objects_v2("b", prefix="p", continuation_token="CgJiYw--", delimiter="/", fetch_owner=True)
    assert request.query == {
        "list-type": "2",
        "encoding-type": "url",
        "max-keys": "1000",
        "prefix": "p",
        "continuation-token": "CgJiYw--",
        "delimiter": "/",
        "fetch-owner": "true",
    }


def test_every_listing_asks_for_encoded_keys() -> None:
    assert listing.list_objects("b").query == {"encoding-type": "url", "max-keys": "1000"}
    assert listing.list_objects("b", prefix="p", marker="m", delimiter="/", max_keys=5).query == {
        "encoding-type": "url",
        "max-keys": "5",
        "prefix": "p",
        "marker": "m",
        "delimiter": "/",
    }
    assert listing.delete_multiple_objects("b", []).query["encoding-type"] == "url"


@given(st.lists(st.text(min_size=1, max_size=20), max_size=5))
def test_any_key_is_read_from_a_listing(keys: list[str]) -> None:
    entries = [
        f"<Contents><Key>{encode_value(key)}</Key><LastModified>2022-12-28T10:27:41.000Z</LastModified>"
        "<ETag>E</ETag><Size>0</Size></Contents>"
        for key in keys
    ]
    result = listing.parse_list_objects(page("<EncodingType>url</EncodingType>", *entries))
    assert [summary.key for summary in result.objects] == keys


def test_keys_are_deleted_together_as_far_as_xml_can_hold_them() -> None:
    assert listing.can_delete_multiple("a\tb\nc<&>")
    assert not listing.can_delete_multiple("a\x01b")
    request = listing.delete_multiple_objects("b", ["a<", "b"])
    assert bytes(request.body or b"").endswith(
        b"<Delete><Quiet>false</Quiet><Object><Key>a&lt;</Key></Object><Object><Key>b</Key></Object></Delete>"
    )
    assert request.headers["content-md5"]


def test_deletions_are_cut_by_number_and_by_size() -> None:
    assert [len(batch) for batch in listing.delete_batches(map(str, range(2001)))] == [1000, 1000, 1]
    assert list(listing.delete_batches([])) == []
    batches = list(listing.delete_batches(["&" * 1023] * 1000))
    assert sum(map(len, batches)) == 1000
    for batch in batches:
        assert len(listing.delete_multiple_objects("b", batch).body or b"") <= listing.MAX_DELETE_BODY
    # Three would do if every byte could be used.
    assert len(batches) == 3


def test_what_was_deleted_is_read() -> None:
    body = xml.document(
        "DeleteResult",
        ["<EncodingType>url</EncodingType>", "<Deleted><Key>a%2Fb</Key></Deleted>", "<Deleted><Key>c</Key></Deleted>"],
    )
    assert listing.parse_delete_multiple_objects(Response(200, Headers(), body)).deleted == ("a/b", "c")
    assert listing.parse_delete_multiple_objects(Response(200)).deleted == ()
