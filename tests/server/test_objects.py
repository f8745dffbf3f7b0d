from __future__ import annotations

from base64 import b64encode
from hashlib import md5
from typing import TYPE_CHECKING

import pytest

from ossmount.server.objects import MAX_COPY

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from ossmount.server.threaded import ThreadedServer

    Refused = Callable[[httpx.Response], tuple[int, str]]

PAST, FUTURE = "Fri, 13 Nov 2015 14:47:53 GMT", "Fri, 13 Nov 2099 14:47:53 GMT"


def test_conditions_decide_whether_an_object_is_sent(signed: httpx.Client, refused: Refused) -> None:
    etag = signed.put("/bucket/a", content=b"x").headers["etag"]

    def get(**headers: str) -> httpx.Response:
        return signed.get("/bucket/a", headers={name.replace("_", "-"): value for name, value in headers.items()})

    unchanged = get(if_none_match=etag)
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)
    assert get(if_modified_since=FUTURE).status_code == 200
    assert get(if_modified_since=PAST).status_code == 200
    assert refused(get(if_match='"other"')) == (412, "PreconditionFailed")
    assert refused(get(if_unmodified_since=PAST)) == (412, "PreconditionFailed")
    assert signed.head("/bucket/a", headers={"if-none-match": etag}).status_code == 304


def test_conditions_decide_whether_an_object_is_copied(signed: httpx.Client, refused: Refused) -> None:
    etag = signed.put("/bucket/a", content=b"x").headers["etag"]

    def copy(name: str, value: str) -> httpx.Response:
        headers = {"x-oss-copy-source": "/bucket/a", f"x-oss-copy-source-if-{name}": value}
        return signed.put("/bucket/b", headers=headers)

    assert copy("match", etag).status_code == 200
    assert refused(copy("match", '"other"')) == (412, "PreconditionFailed")
    assert refused(copy("unmodified-since", PAST)) == (412, "PreconditionFailed")
    assert copy("none-match", etag).status_code == 304


def test_a_range_that_begins_after_the_end_tells_how_long_the_object_is(signed: httpx.Client, refused: Refused) -> None:
    signed.put("/bucket/a", content=b"12345")

    answer = signed.get("/bucket/a", headers={"range": "bytes=5-9", "x-oss-range-behavior": "standard"})

    assert refused(answer) == (416, "InvalidRange")
    assert answer.headers["content-range"] == "bytes */5"


def test_a_range_tells_the_whole_objects_checksum(signed: httpx.Client) -> None:
    whole = signed.put("/bucket/a", content=b"12345").headers["x-oss-hash-crc64ecma"]

    answer = signed.get("/bucket/a", headers={"range": "bytes=1-2"})

    assert (answer.status_code, answer.content) == (206, b"23")
    assert answer.headers["x-oss-hash-crc64ecma"] == whole
    assert answer.headers["content-range"] == "bytes 1-2/5"


def test_only_objects_put_whole_tell_their_md5(signed: httpx.Client) -> None:
    signed.put("/bucket/whole", content=b"x")
    signed.post("/bucket/log?append&position=0", content=b"x")
    signed.put("/bucket/copy", headers={"x-oss-copy-source": "/bucket/log"})

    digest = b64encode(md5(b"x").digest()).decode()
    assert signed.head("/bucket/whole").headers["content-md5"] == digest
    assert "content-md5" not in signed.head("/bucket/log").headers
    assert signed.head("/bucket/copy").headers["content-md5"] == digest


def test_archived_objects_are_not_read(signed: httpx.Client, refused: Refused) -> None:
    signed.put("/bucket/a", content=b"x", headers={"x-oss-storage-class": "Archive"})

    assert signed.head("/bucket/a").headers["x-oss-storage-class"] == "Archive"
    assert refused(signed.get("/bucket/a")) == (403, "InvalidObjectState")
    assert refused(signed.put("/bucket/b", headers={"x-oss-copy-source": "/bucket/a"})) == (403, "InvalidObjectState")
    meta = {"x-oss-copy-source": "/bucket/a", "x-oss-metadata-directive": "REPLACE", "x-oss-storage-class": "Archive"}
    assert signed.put("/bucket/a", headers=meta).status_code == 200


def test_copies_between_buckets_are_limited(
    oss_server: ThreadedServer, signed: httpx.Client, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_COPY == 1024**3
    monkeypatch.setattr("ossmount.server.objects.MAX_COPY", 3)
    oss_server.store.put_bucket("other")
    signed.put("/bucket/long", content=b"1234")
    signed.put("/bucket/short", content=b"123")

    assert refused(signed.put("/other/a", headers={"x-oss-copy-source": "/bucket/long"})) == (400, "EntityTooLarge")
    assert signed.put("/other/a", headers={"x-oss-copy-source": "/bucket/short"}).status_code == 200
    assert signed.put("/bucket/b", headers={"x-oss-copy-source": "bucket/long"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-oss-copy-source": "/bucket/missing"}, "NoSuchKey"),
        ({"x-oss-copy-source": "/nowhere/a"}, "NoSuchBucket"),
        ({"x-oss-copy-source": "/bucket/"}, "InvalidArgument"),
        ({"x-oss-copy-source": "/bucket/a?versionId=x"}, "InvalidArgument"),
        ({"x-oss-copy-source": "/bucket/a", "x-oss-metadata-directive": "MAYBE"}, "InvalidArgument"),
        ({"x-oss-copy-source": "/bucket/a", "x-oss-tagging-directive": "MAYBE"}, "InvalidArgument"),
    ],
)
def test_copies_that_oss_refuses(signed: httpx.Client, refused: Refused, headers: dict[str, str], code: str) -> None:
    signed.put("/bucket/a", content=b"x")

    assert refused(signed.put("/bucket/b", headers=headers))[1] == code


def test_a_copy_onto_itself_takes_what_the_request_says(signed: httpx.Client) -> None:
    signed.put("/bucket/a", content=b"x", headers={"content-type": "a/b", "x-oss-meta-old": "1"})
    onto_itself = {"x-oss-copy-source": "/bucket/a"}

    signed.put("/bucket/a", headers={**onto_itself, "content-type": "c/d"})
    assert signed.head("/bucket/a").headers["x-oss-meta-old"] == "1"
    signed.put("/bucket/a", headers={**onto_itself, "x-oss-meta-new": "2"})

    head = signed.head("/bucket/a").headers
    assert "x-oss-meta-old" not in head
    assert head["x-oss-meta-new"] == "2"
    assert head["content-type"] == "application/octet-stream"


def test_a_copy_of_a_link_is_a_link(signed: httpx.Client) -> None:
    signed.put("/bucket/a", content=b"x")
    signed.put("/bucket/link?symlink", headers={"x-oss-symlink-target": "a"})

    signed.put("/bucket/copy", headers={"x-oss-copy-source": "/bucket/link"})

    assert signed.get("/bucket/copy?symlink").headers["x-oss-symlink-target"] == "a"
    assert signed.get("/bucket/copy").content == b"x"
    meta = signed.head("/bucket/link?objectMeta").headers
    assert (meta["content-length"], "content-type" in meta) == ("0", False)


def test_an_appendable_object_has_its_limit(
    signed: httpx.Client, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ossmount.server.objects.MAX_BODY", 3)
    signed.post("/bucket/log?append&position=0", content=b"12")

    assert refused(signed.post("/bucket/log?append&position=2", content=b"34")) == (400, "EntityTooLarge")
    assert signed.post("/bucket/log?append&position=2", content=b"3").status_code == 200


def test_an_append_of_nothing_makes_an_object_and_changes_none(signed: httpx.Client) -> None:
    first = signed.post("/bucket/log?append&position=0", content=b"", headers={"x-oss-meta-a": "1"})
    again = signed.post("/bucket/log?append&position=0", content=b"", headers={"x-oss-meta-a": "2"})

    assert first.headers["etag"] == again.headers["etag"]
    head = signed.head("/bucket/log").headers
    assert (head["x-oss-object-type"], head["x-oss-meta-a"], head["content-length"]) == ("Appendable", "1", "0")


def test_appending_where_nothing_is_begins_at_the_beginning(signed: httpx.Client, refused: Refused) -> None:
    answer = signed.post("/bucket/log?append&position=5", content=b"x")

    assert refused(answer) == (409, "PositionNotEqualToLength")
    assert answer.headers["x-oss-next-append-position"] == "0"


def test_putting_over_an_appendable_object_makes_it_normal(signed: httpx.Client) -> None:
    signed.post("/bucket/a?append&position=0", content=b"x", headers={"x-oss-meta-a": "1", "x-oss-tagging": "t=1"})
    signed.put("/bucket/a", content=b"y")

    head = signed.head("/bucket/a").headers
    assert head["x-oss-object-type"] == "Normal"
    assert not {"x-oss-meta-a", "x-oss-tagging-count", "x-oss-next-append-position"} & head.keys()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/bucket/a?acl"),
        ("PUT", "/bucket/a?tagging"),
        ("GET", "/bucket/a?tagging"),
        ("DELETE", "/bucket/a?tagging"),
        ("GET", "/bucket/a?symlink"),
        ("HEAD", "/bucket/a?objectMeta"),
    ],
)
def test_properties_of_nothing_are_not_there(signed: httpx.Client, refused: Refused, method: str, path: str) -> None:
    body = b"<Tagging><TagSet/></Tagging>" if method == "PUT" else None

    assert refused(signed.request(method, path, content=body)) == (404, "NoSuchKey")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<Tagging>", "MalformedXML"),
        (b"<Other/>", "MalformedXML"),
        (b"<Tagging><TagSet><Tag><Key></Key><Value>v</Value></Tag></TagSet></Tagging>", "InvalidTag"),
    ],
)
def test_tags_that_oss_refuses(signed: httpx.Client, refused: Refused, body: bytes, code: str) -> None:
    signed.put("/bucket/a", content=b"")

    assert refused(signed.put("/bucket/a?tagging", content=body)) == (400, code)


def test_changing_the_acl_changes_the_time_and_tags_do_not(
    oss_server: ThreadedServer, signed: httpx.Client, refused: Refused
) -> None:
    clock = oss_server.store.clock
    signed.put("/bucket/a", content=b"")
    before = signed.head("/bucket/a").headers["last-modified"]
    oss_server.store.clock = lambda: clock() + 10

    signed.put("/bucket/a?tagging", content=b"<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>")
    assert signed.head("/bucket/a").headers["last-modified"] == before
    signed.put("/bucket/a?acl", headers={"x-oss-object-acl": "private"})
    assert signed.head("/bucket/a").headers["last-modified"] != before
    assert refused(signed.put("/bucket/a?acl", headers={"x-oss-object-acl": "x"})) == (400, "InvalidArgument")


@pytest.mark.parametrize(("algorithm", "status"), [("AES256", 200), ("KMS", 200), ("SM4", 200), ("ROT13", 400)])
def test_only_encryption_that_there_is_can_be_asked_for(signed: httpx.Client, algorithm: str, status: int) -> None:
    answer = signed.put("/bucket/a", content=b"x", headers={"x-oss-server-side-encryption": algorithm})

    assert answer.status_code == status
    if status == 200:
        assert signed.head("/bucket/a").headers["x-oss-server-side-encryption"] == algorithm
    else:
        assert "<Code>InvalidEncryptionAlgorithmError</Code>" in answer.text
