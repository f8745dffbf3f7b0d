"""Requests and responses, and how a request target is written and read."""

from __future__ import annotations

from hypothesis import given, strategies as st

from ossmount.wire.message import Headers, Request, Response, decode_target, encode_key, target

# What OSS keys may hold: any text that UTF-8 can hold.
TEXT = st.text(max_size=30)


def test_headers_are_found_by_any_case() -> None:
    headers = Headers({"Content-Type": "a", "ETAG": "b"})
    assert headers["content-type"] == headers.get("CONTENT-TYPE") == "a"
    assert "Etag" in headers
    assert list(headers) == ["content-type", "etag"]
    del headers["ETag"]
    assert headers.get("etag") is None
    assert headers.get("etag", "none") == "none"
    assert headers.pop("Content-type") == "a"
    assert headers.pop("content-type", "gone") == "gone"
    assert headers.setdefault("X", "1") == "1"
    headers.update({"X": "2"})
    headers.update([("Y", "3")])
    assert headers == {"x": "2", "y": "3"}


def test_a_repeated_header_is_joined_with_commas() -> None:
    assert Headers([("A", "1"), ("a", "2")]) == {"a": "1, 2"}


def test_a_copy_of_headers_is_its_own() -> None:
    headers = Headers({"a": "1"})
    copy = headers.copy()
    copy["A"] = "2"
    assert (headers["a"], copy["a"]) == ("1", "2")


@given(TEXT, st.dictionaries(TEXT.filter(bool), st.none() | TEXT, max_size=4))
def test_a_target_that_is_written_is_read_back(key: str, query: dict[str, str | None]) -> None:
    request = Request("GET", "bucket", key, query)

    path, values = decode_target(target(request, path_style=True))

    assert path == f"/bucket/{key}"
    assert values == {name: value or None for name, value in query.items()}


def test_keys_are_sent_as_they_are() -> None:
    for key, path in [
        ("a/../b", "/a/../b"),
        ("a//b", "/a//b"),
        ("/", "//"),
        ("a b+c%d", "/a%20b%2Bc%25d"),
        ("~-_.", "/~-_."),
        ("ü中", "/%C3%BC%E4%B8%AD"),
        ("?x=#y", "/%3Fx%3D%23y"),
    ]:
        assert target(Request("GET", "bucket", key), path_style=False) == path


def test_a_raw_plus_is_a_space() -> None:
    assert decode_target("/a+b%2Bc?k=x+y%2B&bare") == ("/a b+c", {"k": "x y+", "bare": None})


def test_bytes_that_are_not_utf_8_travel_unharmed() -> None:
    path, _ = decode_target("/%ff%2f")
    assert encode_key(path) == "/%FF/"


def test_the_service_has_no_bucket_in_its_target() -> None:
    assert target(Request("GET", query={"a": "b c/d", "e": None}), path_style=True) == "/?a=b%20c%2Fd&e"


def test_messages_tell_their_size_and_not_their_bytes() -> None:
    assert repr(Request("PUT", "b", "k", body=b"12", operation="PutObject")) == "<PutObject PUT b/k 2 bytes>"
    assert repr(Request("GET", "b", "k")) == "<Request GET b/k>"
    assert repr(Response(200, body=b"12")) == "<Response 200 2 bytes>"
