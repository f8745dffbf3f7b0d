"""Single fields that several operations share."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ossmount.wire import fields, xml
from ossmount.wire.message import Headers, encode_value


def test_a_half_open_range_becomes_a_closed_one() -> None:
    assert fields.range_of(None, None) == ""
    assert fields.range_of(0, 1) == "bytes=0-0"
    assert fields.range_of(5, None) == "bytes=5-"
    assert fields.range_of(None, 5) == "bytes=0-4"


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (5, 4), (-1, 4), (None, 0)])
def test_an_empty_range_is_refused(start: int | None, stop: int | None) -> None:
    with pytest.raises(ValueError, match="no such range"):
        fields.range_of(start, stop)


def test_a_content_range_is_read_half_open() -> None:
    assert fields.parse_content_range("bytes 0-99/1000") == (0, 100, 1000)


@pytest.mark.parametrize(
    "value", ["", "bytes", "bytes 0-99", "bytes */1000", "items 0-1/2", "bytes 5-4/10", "bytes 0-10/10", "bytes a-b/c"]
)
def test_another_content_range_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        fields.parse_content_range(value)


def test_etags_lose_and_get_their_quotes() -> None:
    assert fields.bare_etag('"A"') == fields.bare_etag("A") == "A"
    assert fields.quoted_etag("A") == fields.quoted_etag('"A"') == '"A"'
    assert fields.quoted_etag("*") == "*"


def test_absent_fields_are_none_and_zero() -> None:
    assert fields.crc64_of(Headers()) is None
    assert fields.time_of(Headers(), "date") == 0.0


def test_system_headers_and_metadata_become_headers() -> None:
    headers = fields.object_headers({"Cache-Control": "x"}, {"a": "ü"}, forbid_overwrite=True, content_type="t/s")
    assert headers == {
        "cache-control": "x",
        "x-oss-meta-a": "%C3%BC",
        "content-type": "t/s",
        "x-oss-forbid-overwrite": "true",
    }


def test_a_copy_source_names_bucket_key_and_version() -> None:
    assert fields.copy_source("b", "a b/?") == "/b/a%20b/%3F"
    assert fields.copy_source("b", "k", "v/1") == "/b/k?versionId=v%2F1"


@given(st.text(max_size=30))
def test_keys_in_lists_are_decoded_if_they_are_said_to_be_encoded(key: str) -> None:
    said = fields.decoder(xml.parse(b"<A><EncodingType>url</EncodingType></A>"))
    plain = fields.decoder(xml.parse(b"<A></A>"))

    assert said(encode_value(key)) == plain(key) == key
    assert said(None) == plain(None) == ""
