"""The server's half of the operations on objects against the client's: what one writes the other reads."""

from __future__ import annotations

from hypothesis import given, strategies as st

from ossmount.wire import metadata, object_calls, objects, tagging
from ossmount.wire.message import Headers, Response
from ossmount.wire.models import (
    AccessControl,
    AppendResult,
    CopyObjectResult,
    ObjectHead,
    Owner,
    PutObjectResult,
    SymlinkResult,
)
from ossmount.wire.properties import read_digests, read_properties

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda key: key[0] not in "/\\" and len(key.encode()) < 1024
)
metas = st.dictionaries(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=10),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    max_size=4,
)
etags = st.text("0123456789ABCDEF", min_size=32, max_size=32)
crcs = st.integers(0, 2**64 - 1)
sizes = st.integers(0, 2**45)
times = st.integers(0, 2**32).map(float)


@given(metas)
def test_metadata_arrives_as_it_was_sent(meta: dict[str, str]) -> None:
    request = objects.put_object("bucket", "key", b"body", meta=meta, headers={"Cache-Control": "no-cache"})

    call = object_calls.read_write(request)

    travelled = metadata.to_headers(meta)
    assert {metadata.PREFIX + name: value for name, value in call.properties.meta.items()} == travelled
    assert call.properties.headers["cache-control"] == "no-cache"


def test_conditions_of_writing_arrive() -> None:
    request = objects.put_object("bucket", "key", b"body", forbid_overwrite=True, headers={"x-oss-tagging": "a=b%20c"})
    call = object_calls.read_write(request)

    assert call.forbid_overwrite
    assert read_properties(request).tags == {"a": "b c"}
    assert read_digests(request).md5 is None
    assert object_calls.read_append_object(objects.append_object("bucket", "key", 17, b"body")).position == 17


@given(keys, etags, sizes, times, crcs, metas)
def test_a_head_is_read_as_it_was_written(
    key: str, etag: str, size: int, time: float, crc: int, meta: dict[str, str]
) -> None:
    headers = metadata.to_headers(meta)
    head = ObjectHead(
        key, size, etag, time, "Appendable", crc, headers=headers, next_append_position=size, tagging_count=3
    )

    read = objects.parse_head_object(object_calls.write_head_object(head), key)

    assert (read.key, read.size, read.etag, read.last_modified, read.crc64) == (key, size, etag, time, crc)
    assert (read.type, read.meta, read.next_append_position, read.tagging_count) == ("Appendable", meta, size, 3)


def test_a_range_is_read_as_it_was_written() -> None:
    request = objects.get_object("bucket", "key", start=10, stop=20, if_match="ETAG", if_none_match="OTHER")
    call = object_calls.read_get_object(request)
    assert (call.range, call.standard) == ("bytes=10-19", True)
    assert (call.conditions.match, call.conditions.none_match) == ('"ETAG"', '"OTHER"')
    head = ObjectHead("key", 100, "ETAG", 1.0, content_range=(10, 20, 100))

    response = object_calls.write_head_object(head)

    assert response.headers["content-length"] == "10"
    assert objects.parse_get_object(response, "key", start=10, stop=20).size == 100


@given(keys, keys)
def test_the_source_of_a_copy_arrives(key: str, source: str) -> None:
    request = objects.copy_object("bucket", key, "other", source, replace=True, if_match="ETAG")

    call = object_calls.read_copy_object(request)

    assert (call.source.bucket, call.source.key) == ("other", source)
    assert call.replace
    assert call.source.conditions.match == '"ETAG"'


@given(keys)
def test_the_target_of_a_link_arrives_and_comes_back(target: str) -> None:
    request = objects.put_symlink("bucket", "key", target)
    assert object_calls.read_put_symlink(request)[1] == target

    result = SymlinkResult(target, "ETAG", 1.0, headers=Headers({"x-oss-meta-a": "1"}))

    read = objects.parse_get_symlink(object_calls.write_get_symlink(result))
    assert (read.target, read.etag, read.last_modified, read.meta) == (target, "ETAG", 1.0, {"a": "1"})


@given(etags, crcs, sizes, times)
def test_results_are_read_as_they_were_written(etag: str, crc: int, size: int, time: float) -> None:
    put = objects.parse_put_object(object_calls.write_put_object(PutObjectResult(etag, crc), b"0" * 16))
    assert (put.etag, put.crc64) == (etag, crc)
    appended = objects.parse_append_object(object_calls.write_append_object(AppendResult(size, crc, etag)))
    assert (appended.next_position, appended.crc64, appended.etag) == (size, crc, etag)
    copied = objects.parse_copy_object(object_calls.write_copy_object(CopyObjectResult(etag, time, crc)))
    assert (copied.etag, copied.last_modified, copied.crc64) == (etag, time, crc)
    head = ObjectHead("key", size, etag, time, crc64=crc)
    meta = objects.parse_get_object_meta(object_calls.write_get_object_meta(head), "key")
    assert (meta.size, meta.etag, meta.last_modified, meta.crc64) == (size, etag, time, crc)


@given(st.dictionaries(st.text("abc &<>é", min_size=1, max_size=5), st.text("abc &<>é", max_size=5), max_size=5))
def test_tags_arrive_and_come_back(tags: dict[str, str]) -> None:
    request = tagging.put_object_tagging("bucket", "key", tags)

    assert object_calls.read_put_object_tagging(request) == tags
    assert tagging.parse_get_object_tagging(object_calls.write_get_object_tagging(tags)) == tags


def test_access_control_comes_back() -> None:
    control = AccessControl("public-read", Owner("1", "me & you"))

    assert tagging.parse_get_acl(object_calls.write_get_acl(control)) == control


def test_an_answer_without_content_has_no_length() -> None:
    assert object_calls.empty_response(204) == Response(204, Headers())
