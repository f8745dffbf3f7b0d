"""User metadata: what it looks like on its way, and that nothing changes it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from ossmount.wire.message import Headers
from ossmount.wire.metadata import decode_value, encode_value, from_headers, to_headers


@pytest.mark.parametrize(
    ("value", "travels"),
    [
        ("", ""),
        ("plain value", "plain value"),
        ("100%", "100%"),
        ("a%20b", "a%20b"),
        ("https://x/?q=%E4%B8%AD", "https://x/?q=%25E4%25B8%25AD"),
        ("%7B%22user.color%22%3A%22Ymx1ZQ%3D%3D%22%7D", "%7B%22user.color%22%3A%22Ymx1ZQ%3D%3D%22%7D"),
        ("中", "%E4%B8%AD"),
        ("中 100%", "%E4%B8%AD 100%25"),
        (" padded ", "%20padded%20"),
        ("two\nlines", "two%0Alines"),
        ("\x7f", "%7F"),
    ],
)
def test_values_travel_like_this(value: str, travels: str) -> None:
    assert encode_value(value) == travels
    assert decode_value(travels) == value


@given(st.text(max_size=40))
@example("%25E4")
@example("%E4%B8%AD")
@example("%25E4%25B8%25AD中")
def test_any_value_comes_back(value: str) -> None:
    travels = encode_value(value)
    assert travels.isascii()
    assert travels == travels.strip()
    assert decode_value(travels) == value


@given(st.text(alphabet=[chr(c) for c in range(0x20, 0x7F)] + ["%"] * 40 + list("25E4B8ADC3")).map(str.strip))
def test_reading_and_writing_back_changes_no_ascii(stored: str) -> None:
    assert encode_value(decode_value(stored)) == stored


def test_raw_utf_8_of_others_is_read() -> None:
    assert decode_value("中".encode().decode("latin-1")) == "中"


def test_other_bytes_are_read_as_they_are() -> None:
    assert decode_value("\xe9t\xe9") == "été"


def test_metadata_is_found_among_other_headers() -> None:
    headers = to_headers({"Name": "ü", "other": "1"})
    assert headers == {"x-oss-meta-name": "%C3%BC", "x-oss-meta-other": "1"}
    assert from_headers(Headers({"etag": "x", **headers})) == {"name": "ü", "other": "1"}


@pytest.mark.parametrize("name", ["", "a_b", "a b", "a\nb", "ü", "a:b"])
def test_names_that_headers_cannot_have_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        to_headers({name: "x"})
