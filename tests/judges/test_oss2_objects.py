"""oss2 on objects: what was put, copied, appended and linked comes back, by either signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import oss2
import oss2.models
import pytest

from ossmount.wire.checksums import crc64

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


# What a key may hold that breaks somebody's encoding.
KEYS = [
    "plain",
    "dir/",
    "dir/a b+c%d",
    "a//b",
    "a/../b",
    "./a",
    "ünïcode/文件",
    "tilde~()!$&',;=:@*",
    "question?and#hash",
    "%2F%20",
    "k" * 1023,
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.judges("PutObject", "GetObject", "ListObjects", "ListObjectsV2")
def test_any_key_leads_to_its_own_object(bucket2: oss2.Bucket, key: str) -> None:
    body = key.encode() * 3

    put = bucket2.put_object(key, body)

    assert bucket2.get_object(key).read() == body
    assert put.crc == crc64(body)
    assert [found.key for found in bucket2.list_objects().object_list] == [key]
    assert [found.key for found in bucket2.list_objects_v2(prefix=key, start_after="").object_list] == [key]


@pytest.mark.judges("PutObject", "HeadObject", "GetObjectMeta", "GetObjectACL", "GetObjectTagging")
def test_an_object_comes_back_with_everything_it_was_put_with(bucket2: oss2.Bucket) -> None:
    headers = {
        "Content-Type": "text/x-thing; charset=utf-8",
        "Cache-Control": "no-cache",
        "Content-Disposition": "attachment",
        "Content-Encoding": "x-own",
        "Content-Language": "de",
        "Expires": "1000000",
        "x-oss-meta-Author": "alice",
        "x-oss-storage-class": "IA",
        "x-oss-object-acl": "public-read",
        "x-oss-tagging": "k1=v1&k2=v%202",
    }
    bucket2.put_object("thing", b"x" * 10, headers=headers)

    head = bucket2.head_object("thing")

    assert head.headers["Content-Type"] == "text/x-thing; charset=utf-8"
    assert head.headers["Cache-Control"] == "no-cache"
    assert head.headers["Content-Disposition"] == "attachment"
    assert head.headers["Content-Encoding"] == "x-own"
    assert head.headers["Content-Language"] == "de"
    assert head.headers["Expires"] == "1000000"
    assert head.headers["x-oss-meta-author"] == "alice"
    assert head.headers["x-oss-storage-class"] == "IA"
    assert head.headers["x-oss-tagging-count"] == "2"
    assert head.headers["Content-MD5"]
    assert (head.object_type, head.content_length) == ("Normal", 10)
    assert bucket2.get_object_acl("thing").acl == "public-read"
    assert bucket2.get_object_tagging("thing").tag_set.tagging_rule == {"k1": "v1", "k2": "v 2"}
    assert bucket2.get_object_meta("thing").content_length == 10


def test_large_bodies_and_streams_survive(bucket2: oss2.Bucket) -> None:
    body = bytes(range(256)) * 10_000  # 2.5 MB: spills to a file, comes back in pieces

    bucket2.put_object("buffer", body)
    bucket2.put_object("stream", (body[i : i + 70_000] for i in range(0, len(body), 70_000)))

    assert bucket2.get_object("buffer").read() == body
    assert bucket2.get_object("stream").read() == body
    assert bucket2.get_object("stream", byte_range=(100, 1_999_999)).read() == body[100:2_000_000]
    assert bucket2.head_object("buffer").etag == bucket2.head_object("stream").etag


@pytest.mark.judges("ListObjects", "ListObjectsV2")
def test_listing_pages_through_everything_in_order(bucket2: oss2.Bucket) -> None:
    keys = sorted(["a", "a/1", "a/2", "b/", "b/c/d", "b/c/e", "z", "é", "文"], key=str.encode)
    for key in keys:
        bucket2.put_object(key, b"")

    assert [found.key for found in oss2.ObjectIterator(bucket2, max_keys=2)] == keys
    assert [found.key for found in oss2.ObjectIteratorV2(bucket2, max_keys=2)] == keys
    split = ["a", "a/", "b/", "z", "é", "文"]
    assert [found.key for found in oss2.ObjectIterator(bucket2, delimiter="/", max_keys=1)] == split
    assert [found.key for found in oss2.ObjectIteratorV2(bucket2, delimiter="/", max_keys=1)] == split
    below = bucket2.list_objects(prefix="b/", delimiter="/")
    assert [found.key for found in below.object_list] == ["b/"]
    assert below.prefix_list == ["b/c/"]


def test_the_second_listing_tells_owners_only_when_asked(bucket2: oss2.Bucket) -> None:
    bucket2.put_object("a", b"")

    assert bucket2.list_objects().object_list[0].owner is not None
    assert bucket2.list_objects_v2().object_list[0].owner is None
    assert bucket2.list_objects_v2(fetch_owner=True).object_list[0].owner is not None


@pytest.mark.judges("CopyObject", "DeleteObject")
def test_copies_take_bytes_and_properties_along(bucket2: oss2.Bucket) -> None:
    bucket2.put_object("from", b"bytes", headers={"x-oss-meta-a": "1", "x-oss-tagging": "t=1", "Content-Type": "a/b"})

    bucket2.copy_object(bucket2.bucket_name, "from", "dir/to ü")
    bucket2.delete_object("from")

    copy = bucket2.get_object("dir/to ü")
    assert copy.read() == b"bytes"
    assert (copy.headers["x-oss-meta-a"], copy.headers["Content-Type"]) == ("1", "a/b")
    assert bucket2.get_object_tagging("dir/to ü").tag_set.tagging_rule == {"t": "1"}


def test_a_copy_that_replaces_takes_nothing_along_but_bytes(bucket2: oss2.Bucket) -> None:
    bucket2.put_object("from", b"bytes", headers={"x-oss-meta-a": "1", "x-oss-tagging": "t=1"})

    bucket2.copy_object(
        bucket2.bucket_name,
        "from",
        "to",
        headers={
            "x-oss-metadata-directive": "REPLACE",
            "x-oss-meta-b": "2",
            "x-oss-tagging-directive": "Replace",
            "x-oss-tagging": "u=2",
        },
    )

    head = bucket2.head_object("to").headers
    assert "x-oss-meta-a" not in head
    assert head["x-oss-meta-b"] == "2"
    assert bucket2.get_object_tagging("to").tag_set.tagging_rule == {"u": "2"}


def test_an_object_copied_onto_itself_keeps_type_etag_and_crc(bucket2: oss2.Bucket) -> None:
    bucket2.append_object("log", 0, b"abc")
    before = bucket2.head_object("log")

    bucket2.update_object_meta("log", {"x-oss-meta-mode": "33188"})

    after = bucket2.head_object("log")
    assert after.headers["x-oss-meta-mode"] == "33188"
    assert (after.object_type, after.etag, after.server_crc) == ("Appendable", before.etag, before.server_crc)
    assert bucket2.append_object("log", 3, b"def").next_position == 6


@pytest.mark.judges("AppendObject")
def test_appending_goes_on_where_it_ended(bucket2: oss2.Bucket) -> None:
    first = bucket2.append_object("log", 0, b"hello ", headers={"x-oss-meta-a": "1"}, init_crc=0)
    second = bucket2.append_object("log", first.next_position, b"world", init_crc=first.crc)

    assert second.crc == crc64(b"hello world")
    assert bucket2.get_object("log").read() == b"hello world"
    assert bucket2.head_object("log").headers["x-oss-next-append-position"] == "11"
    assert bucket2.head_object("log").headers["x-oss-meta-a"] == "1"
    with pytest.raises(oss2.exceptions.PositionNotEqualToLength) as caught:
        bucket2.append_object("log", 5, b"x")
    assert caught.value.next_position == 11
    bucket2.put_object("plain", b"x")
    with pytest.raises(oss2.exceptions.ObjectNotAppendable):
        bucket2.append_object("plain", 1, b"x")


def test_a_copy_of_an_appendable_object_does_not_grow_with_it(bucket2: oss2.Bucket) -> None:
    bucket2.append_object("log", 0, b"abc")
    bucket2.copy_object(bucket2.bucket_name, "log", "copy")
    bucket2.append_object("log", 3, b"def")

    assert bucket2.get_object("copy").read() == b"abc"
    assert bucket2.get_object("log").read() == b"abcdef"
    assert bucket2.head_object("copy").object_type == "Normal"


@pytest.mark.judges("PutSymlink", "GetSymlink")
def test_symlinks_are_followed(bucket2: oss2.Bucket) -> None:
    bucket2.put_object("dir/target ü", b"bytes", headers={"x-oss-meta-a": "target"})
    bucket2.put_symlink("dir/target ü", "link", headers={"x-oss-meta-a": "link"})

    assert bucket2.get_symlink("link").target_key == "dir/target ü"
    read = bucket2.get_object("link")
    assert read.read() == b"bytes"
    assert (read.headers["x-oss-object-type"], read.headers["x-oss-meta-a"]) == ("Symlink", "link")
    assert read.headers["etag"] == bucket2.head_object("dir/target ü").headers["etag"]
    assert [found.type for found in bucket2.list_objects().object_list] == ["Normal", "Symlink"]

    bucket2.put_symlink("link", "second")
    with pytest.raises(oss2.exceptions.ServerError, match="InvalidTargetType"):
        bucket2.get_object("second")
    bucket2.delete_object("dir/target ü")
    with pytest.raises(oss2.exceptions.ServerError, match="SymlinkTargetNotExist"):
        bucket2.get_object("link")
    bucket2.put_object("plain", b"")
    with pytest.raises(oss2.exceptions.ServerError, match="NotSymlink"):
        bucket2.get_symlink("plain")


@pytest.mark.judges("DeleteMultipleObjects", "DeleteObject")
def test_many_objects_go_at_once(bucket2: oss2.Bucket) -> None:
    keys = ["a", "dir/b c", "ü"]
    for key in keys:
        bucket2.put_object(key, b"x")

    deleted = bucket2.batch_delete_objects([*keys, "never there"])

    assert sorted(deleted.deleted_keys) == sorted([*keys, "never there"])
    assert not bucket2.list_objects().object_list
    bucket2.delete_object("never there")


@pytest.mark.judges("PutObjectACL", "GetObjectACL", "PutObjectTagging", "GetObjectTagging", "DeleteObjectTagging")
def test_acl_and_tags_of_an_object_change(bucket2: oss2.Bucket) -> None:
    bucket2.put_object("a", b"x")

    bucket2.put_object_acl("a", "public-read-write")
    rule = oss2.models.TaggingRule()
    rule.add("key", "value & more")
    bucket2.put_object_tagging("a", oss2.models.Tagging(rule))

    assert bucket2.get_object_acl("a").acl == "public-read-write"
    assert bucket2.get_object_tagging("a").tag_set.tagging_rule == {"key": "value & more"}
    assert bucket2.head_object("a").headers["x-oss-tagging-count"] == "1"
    bucket2.delete_object_tagging("a")
    assert bucket2.get_object_tagging("a").tag_set.tagging_rule == {}
    with pytest.raises(oss2.exceptions.NoSuchKey):
        bucket2.put_object_acl("missing", "private")


def test_overwriting_may_be_forbidden(bucket2: oss2.Bucket) -> None:
    forbid = {"x-oss-forbid-overwrite": "true"}
    bucket2.put_object("a", b"first", headers=forbid)

    for change in (
        lambda: bucket2.put_object("a", b"second", headers=forbid),
        lambda: bucket2.copy_object(bucket2.bucket_name, "a", "a", headers=forbid),
        lambda: bucket2.put_symlink("b", "a", headers=forbid),
        lambda: bucket2.init_multipart_upload("a", headers=forbid),
    ):
        with pytest.raises(oss2.exceptions.ServerError, match="FileAlreadyExists"):
            change()
    assert bucket2.get_object("a").read() == b"first"


def test_existence_is_told_from_the_absence_of_the_bucket(
    bucket2: oss2.Bucket, oss2_bucket_of: Callable[..., oss2.Bucket]
) -> None:
    bucket2.put_object("a", b"")

    assert bucket2.object_exists("a")
    assert not bucket2.object_exists("b")
    with pytest.raises(oss2.exceptions.NoSuchBucket):
        oss2_bucket_of("nowhere").object_exists("a")


@pytest.mark.judges("GetObject", "HeadObject")
def test_ranges_and_conditions(bucket2: oss2.Bucket) -> None:
    body = bytes(range(250)) * 4
    etag = bucket2.put_object("a", body).headers["etag"]
    standard = {"x-oss-range-behavior": "standard"}

    clipped = bucket2.get_object("a", byte_range=(500, 2000), headers=standard)
    assert (clipped.status, clipped.content_length, clipped.content_range) == (206, 500, "bytes 500-999/1000")
    assert clipped.read() == body[500:]
    whole = bucket2.get_object("a", byte_range=(500, 2000))
    assert (whole.status, whole.read()) == (200, body)
    assert bucket2.get_object("a", byte_range=(None, 3)).read() == body[-3:]
    with pytest.raises(oss2.exceptions.ServerError) as outside:
        bucket2.get_object("a", byte_range=(1000, 2000), headers=standard)
    assert (outside.value.status, outside.value.code) == (416, "InvalidRange")
    assert bucket2.get_object("a", headers={"if-match": etag}).status == 200
    for condition in ({"if-match": '"other"'}, {"if-unmodified-since": "Thu, 01 Jan 2015 00:00:00 GMT"}):
        with pytest.raises(oss2.exceptions.PreconditionFailed):
            bucket2.get_object("a", headers=condition)
    for ask in (bucket2.get_object, bucket2.head_object):
        with pytest.raises(oss2.exceptions.NotModified):
            ask("a", headers={"if-none-match": etag})


def test_errors_say_what_and_why(bucket2: oss2.Bucket) -> None:
    for ask in (bucket2.get_object, bucket2.head_object, bucket2.get_object_meta, bucket2.get_symlink):
        with pytest.raises(oss2.exceptions.NoSuchKey) as caught:
            ask("missing")
        error = caught.value
        assert (error.status, error.code, error.ec) == (404, "NoSuchKey", "0026-00000001")
        assert error.message == "The specified key does not exist."
        assert len(error.request_id) == 24
        assert error.details.get("Key") == "missing"


def test_files_and_streams_are_sent_and_read_piece_by_piece(bucket2: oss2.Bucket, tmp_path: Path) -> None:
    source, back = tmp_path / "source.css", tmp_path / "back"
    source.write_bytes(bytes(range(256)) * 2000)
    steps: list[int] = []

    bucket2.put_object_from_file("file", str(source), progress_callback=lambda done, _: steps.append(done))
    bucket2.get_object_to_file("file", str(back))

    assert back.read_bytes() == source.read_bytes()
    assert steps[-1] == len(source.read_bytes())
    assert bucket2.head_object("file").content_type == "text/css"
    appended = bucket2.append_object("file by appending", 0, source.read_bytes(), init_crc=0)
    assert appended.crc == bucket2.head_object("file").server_crc
