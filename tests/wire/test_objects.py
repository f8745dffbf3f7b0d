"""The client's half of the calls for objects: what is asked, and what is read from recorded answers."""

from __future__ import annotations

import pytest

from ossmount.wire import objects
from ossmount.wire.message import Headers, Response, target
from ossmount.wire.models import Source

DATE = "Wed, 28 Dec 2022 10:27:41 GMT"
TIME = 1672223261.0
HEAD = Headers(
    {
        "ETag": '"ABC-2"',
        "Content-Length": "1000",
        "Content-Type": "text/plain",
        "Last-Modified": DATE,
        "x-oss-object-type": "Multipart",
        "x-oss-storage-class": "IA",
        "x-oss-hash-crc64ecma": "11051210869376104954",
        "x-oss-meta-a": "%C3%BC",
        "x-oss-tagging-count": "2",
        "x-oss-version-id": "V",
        "x-oss-restore": 'ongoing-request="true"',
        "x-oss-request-id": "5C3D",
    }
)


def ranged(value: str, length: int = 100) -> Response:
    headers = HEAD.copy()
    headers["content-range"] = value
    headers["content-length"] = str(length)
    return Response(206, headers)


def test_the_head_of_an_object_is_read() -> None:
    head = objects.parse_head_object(Response(200, HEAD), "k")
    assert (head.key, head.size, head.etag, head.last_modified) == ("k", 1000, "ABC-2", TIME)
    assert (head.type, head.storage_class, head.content_type) == ("Multipart", "IA", "text/plain")
    assert (head.crc64, head.meta, head.tagging_count) == (11051210869376104954, {"a": "ü"}, 2)
    assert (head.version_id, head.restore, head.request_id) == ("V", 'ongoing-request="true"', "5C3D")
    assert (head.next_append_position, head.content_range) == (None, None)
    assert head.source == Source("k", "ABC-2", 1000, "Multipart", 11051210869376104954)


def test_a_head_with_nothing_in_it_is_read() -> None:
    head = objects.parse_head_object(Response(200, Headers({"x-oss-next-append-position": "5"})), "k")
    assert (head.size, head.etag, head.crc64, head.type) == (-1, "", None, "Normal")
    assert head.next_append_position == 5


def test_a_range_is_asked_for_so_that_it_is_clipped() -> None:
    request = objects.get_object("b", "k", start=0, stop=100, if_match="E", if_none_match='"F"', process="image/info")
    assert request.headers == {
        "range": "bytes=0-99",
        "x-oss-range-behavior": "standard",
        "if-match": '"E"',
        "if-none-match": '"F"',
    }
    assert request.query == {"x-oss-process": "image/info"}
    assert objects.get_object("b", "k", version_id="V").query == {"versionId": "V"}
    assert objects.get_object("b", "k").headers == {}


def test_a_clipped_range_is_right() -> None:
    head = objects.parse_get_object(ranged("bytes 900-999/1000"), "k", start=900, stop=2000)
    assert head.content_range == (900, 1000, 1000)
    assert head.size == 1000
    assert objects.parse_get_object(ranged("bytes 900-999/1000"), "k", start=900).content_range == (900, 1000, 1000)
    assert objects.parse_get_object(ranged("bytes 0-99/1000"), "k", stop=100).content_range == (0, 100, 1000)


@pytest.mark.parametrize(
    ("response", "start", "stop"),
    [
        (Response(200, HEAD), 0, 100),
        (ranged("bytes 0-98/1000"), 0, 100),
        (ranged("bytes 1-99/1000"), 0, 100),
        (ranged("bytes 0-100/1000"), 0, 100),
        (ranged("bytes 0-99/1000"), 0, None),
        (ranged("none"), 0, 100),
        (ranged("bytes 0-99/1000"), None, None),
    ],
)
def test_another_range_than_asked_for_is_refused(response: Response, start: int | None, stop: int | None) -> None:
    with pytest.raises(ValueError, match=r".+"):
        objects.parse_get_object(response, "k", start=start, stop=stop)


def test_putting_an_object_carries_its_crc_and_headers() -> None:
    request = objects.put_object(
        "b", "k", b"x", headers={"Expires": "never"}, meta={"a": "1"}, content_type="t/s", crc64=5
    )
    assert request.headers == {
        "expires": "never",
        "x-oss-meta-a": "1",
        "content-type": "t/s",
        "x-oss-hash-crc64ecma": "5",
    }
    assert request.idempotent


def test_what_must_not_overwrite_must_not_be_sent_twice() -> None:
    assert not objects.put_object("b", "k", b"", forbid_overwrite=True).idempotent
    assert not objects.copy_object("b", "k", "b", "s", forbid_overwrite=True).idempotent
    assert not objects.put_symlink("b", "k", "t", forbid_overwrite=True).idempotent
    assert not objects.append_object("b", "k", 0, b"").idempotent


def test_the_answer_to_a_put_is_read() -> None:
    headers = Headers({"ETag": '"E"', "Date": DATE, "x-oss-hash-crc64ecma": "7", "x-oss-request-id": "R"})
    result = objects.parse_put_object(Response(200, headers))
    assert (result.etag, result.crc64, result.last_modified, result.request_id) == ("E", 7, TIME, "R")


def test_appending_names_its_position() -> None:
    assert target(objects.append_object("b", "k", 10, b""), path_style=False) == "/k?append&position=10"
    headers = Headers({"x-oss-next-append-position": "15", "x-oss-hash-crc64ecma": "7"})
    assert objects.parse_append_object(Response(200, headers)).next_position == 15
    with pytest.raises(KeyError):
        objects.parse_append_object(Response(200))


def test_copying_keeps_or_replaces_what_goes_with_the_bytes() -> None:
    request = objects.copy_object("b", "k", "s", "a b", if_match="E")
    assert request.headers == {
        "x-oss-copy-source": "/s/a%20b",
        "x-oss-metadata-directive": "COPY",
        "x-oss-copy-source-if-match": '"E"',
    }
    replaced = objects.copy_object("b", "k", "b", "k", replace=True, headers={"content-type": "t"}, meta={"a": "1"})
    assert replaced.headers["x-oss-metadata-directive"] == "REPLACE"
    assert replaced.headers["x-oss-meta-a"] == "1"


def test_the_answer_to_a_copy_is_read() -> None:
    body = b"""<?xml version="1.0" encoding="UTF-8"?>
<CopyObjectResult><ETag>"C4CA"</ETag><LastModified>2022-12-28T10:27:41.000Z</LastModified></CopyObjectResult>"""
    result = objects.parse_copy_object(Response(200, Headers(), body))
    assert (result.etag, result.last_modified, result.crc64) == ("C4CA", TIME, None)


def test_symlinks_travel_encoded() -> None:
    request = objects.put_symlink("b", "k", "d/ü?.txt", meta={"a": "1"})
    assert request.headers["x-oss-symlink-target"] == "d/%C3%BC%3F.txt"
    headers = Headers({"x-oss-symlink-target": "d%2F%C3%BC%3F.txt", "ETag": '"E"', "x-oss-meta-a": "1"})
    result = objects.parse_get_symlink(Response(200, headers))
    assert (result.target, result.etag, result.meta) == ("d/ü?.txt", "E", {"a": "1"})


def test_the_targets_of_the_other_calls() -> None:
    assert target(objects.get_object_meta("b", "k"), path_style=False) == "/k?objectMeta"
    assert target(objects.get_symlink("b", "k", version_id="V"), path_style=False) == "/k?symlink&versionId=V"
    assert target(objects.delete_object("b", "k"), path_style=False) == "/k"
    meta = objects.parse_get_object_meta(Response(200, HEAD), "k")
    assert (meta.size, meta.etag, meta.last_modified) == (1000, "ABC-2", TIME)
