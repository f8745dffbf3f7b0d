from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ossmount.server.records import BucketRecord, ObjectRecord, Segment, Segments, format_segments, parse_segments
from ossmount.server.store import Store
from ossmount.server.uploads import Uploads
from ossmount.wire.checksums import crc64
from ossmount.wire.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN = Properties(headers={"content-type": "a/b"}, meta={"k": "v"}, tags={"t": "1"}, storage_class="Standard")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path, lambda: 1000.9, lasting=False)
    yield store
    store.close()


@pytest.fixture
def bucket(store: Store) -> BucketRecord:
    return store.put_bucket("bucket")


def put(store: Store, bucket: BucketRecord, key: str, data: bytes, properties: Properties = PLAIN) -> ObjectRecord:
    body = store.blobs.incoming()
    for i in range(0, len(data), 300_000):
        body.write(data[i : i + 300_000])
    body.finish()
    try:
        return store.put(bucket, key, body, properties)
    finally:
        body.discard()


def read(store: Store, record: ObjectRecord | None) -> bytes:
    assert record is not None
    return store.blobs.read_all(parse_segments(record.segments))


def files(directory: Path) -> int:
    """How many blobs and bodies under way there are."""
    return sum(len(names) for name in ("blobs", "tmp") for _, _, names in os.walk(directory / name))


@pytest.mark.parametrize("size", [0, 1, 600_000, 2_000_000])
def test_what_was_put_is_found(store: Store, bucket: BucketRecord, size: int) -> None:
    data = os.urandom(size)
    record = put(store, bucket, "key", data)

    assert store.find(bucket, "key") == record
    assert read(store, record) == data
    assert (record.crc64, record.size, record.modified) == (crc64(data), size, 1000)
    assert store.exists(bucket, "key")
    assert not store.exists(bucket, "other")


def test_a_crc_over_half_of_64_bits_is_kept(store: Store, bucket: BucketRecord) -> None:
    record = put(store, bucket, "key", b"123456789")

    assert record.crc64 == 0x995DC9BBDF1939FA
    assert store.find(bucket, "key") == record


def test_bytes_that_nobody_names_go(store: Store, bucket: BucketRecord, tmp_path: Path) -> None:
    first = put(store, bucket, "a", b"1" * 1_000_000)
    assert files(tmp_path) == 1
    store.put_record(bucket, replace(first, key="b"))
    put(store, bucket, "a", b"2")
    assert files(tmp_path) == 2
    assert read(store, store.find(bucket, "b")) == b"1" * 1_000_000
    store.delete(bucket, ["a", "b", "missing"])

    assert files(tmp_path) == 0


def test_an_object_copied_onto_itself_keeps_its_bytes(store: Store, bucket: BucketRecord) -> None:
    record = put(store, bucket, "a", b"bytes")

    store.put_record(bucket, record)
    store.put_record(bucket, record)

    assert read(store, store.find(bucket, "a")) == b"bytes"


def test_bytes_being_read_outlive_their_object(store: Store, bucket: BucketRecord, tmp_path: Path) -> None:
    record = put(store, bucket, "a", b"bytes")
    segments = parse_segments(record.segments)

    with store.blobs.pinned(segments):
        store.delete(bucket, ["a"])
        put(store, bucket, "b", b"others")
        assert store.blobs.read_all(segments) == b"bytes"

    assert files(tmp_path) == 1


def test_a_body_given_up_leaves_no_file(store: Store, tmp_path: Path) -> None:
    body = store.blobs.incoming()
    body.write(bytes(2_000_000))
    assert files(tmp_path) == 1

    body.discard()

    assert files(tmp_path) == 0


def _broken(segments: Segments) -> Iterator[Segment]:
    yield from segments
    raise ZeroDivisionError


def test_a_transaction_that_fails_changes_nothing(store: Store, bucket: BucketRecord, tmp_path: Path) -> None:
    record = put(store, bucket, "a", b"bytes")
    segments = parse_segments(record.segments)

    with pytest.raises(ZeroDivisionError), store.transaction():
        store.database.release(_broken(segments))

    assert read(store, store.find(bucket, "a")) == b"bytes"
    put(store, bucket, "a", b"new")
    assert files(tmp_path) == 1


def test_appending_extends_the_same_file(store: Store, bucket: BucketRecord, tmp_path: Path) -> None:
    record = None
    for data in (b"one ", b"", b"2" * 700_000, b" three"):
        body = store.blobs.incoming()
        body.write(data)
        body.finish()
        record = store.append(bucket, record, "log", body, PLAIN, "ETAG")
        body.discard()

    whole = b"one " + b"2" * 700_000 + b" three"
    assert record == store.find(bucket, "log")
    assert read(store, record) == whole
    assert record is not None
    assert record.crc64 == crc64(whole)
    assert files(tmp_path) == 1
    assert store.known_crc64(parse_segments(record.segments)) == [crc64(whole)]


def test_checksums_of_ranges_are_read_only_where_unknown(store: Store, bucket: BucketRecord) -> None:
    record = put(store, bucket, "a", b"0123456789")
    segments = store.cut(record, 2, 7)

    assert store.known_crc64(segments) == [None]
    assert store.read_crc64(segments, [None]) == crc64(b"23456")
    whole = store.cut(record, 0, 10)
    assert store.known_crc64(whole) == [crc64(b"0123456789")]
    assert store.read_crc64(whole * 2, store.known_crc64(whole * 2)) == crc64(b"0123456789" * 2)


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    bucket = store.put_bucket("bucket", acl="public-read", storage_class="IA", redundancy="ZRS")
    record = put(store, bucket, "a", b"bytes")
    uploads = Uploads(store)
    uploads.begin(bucket, "big", "UPLOAD", PLAIN)
    upload = uploads.find(bucket, "big", "UPLOAD")
    store.close()

    store = Store(tmp_path)
    assert store.buckets() == [bucket]
    assert store.find(bucket, "a") == record
    assert Uploads(store).find(bucket, "big", "UPLOAD") == upload
    store.close()


def test_leftovers_of_a_crash_go_at_the_next_start(tmp_path: Path) -> None:
    store = Store(tmp_path, lasting=False)
    bucket = store.put_bucket("bucket")
    put(store, bucket, "a", b"bytes")
    # The process died between the commit and the removal of the file, and in the middle of a body.
    store.database.execute("UPDATE blobs SET refs = 0")
    store.database.execute("DELETE FROM objects")
    body = store.blobs.incoming()
    body.write(bytes(2_000_000))
    body.finish()
    store.close()
    assert files(tmp_path) == 2

    Store(tmp_path, lasting=False).close()

    assert files(tmp_path) == 0


def test_a_directory_has_one_server(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(BlockingIOError, match="another server"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_parts_complete_without_a_byte_moved(store: Store, bucket: BucketRecord, tmp_path: Path) -> None:
    uploads = Uploads(store)
    uploads.begin(bucket, "big", "UPLOAD", PLAIN)
    upload = uploads.find(bucket, "big", "UPLOAD")
    assert upload is not None
    source = put(store, bucket, "source", b"0123456789")
    for number, data in ((2, b"two"), (1, b"one"), (1, b"ONE")):
        body = store.blobs.incoming()
        body.write(data)
        body.finish()
        uploads.put_part(upload, number, body)
        body.discard()
    uploads.copy_part(upload, 3, store.cut(source, 0, 5), etag="E", crc64=crc64(b"01234"))
    uploads.copy_part(upload, 4, store.cut(source, 5, 9), etag="F", crc64=crc64(b"5678"))
    assert files(tmp_path) == 3
    parts = uploads.parts(upload)
    assert [(part.number, part.size) for part in parts] == [(1, 3), (2, 3), (3, 5), (4, 4)]
    segments = store.join(segment for part in parts for segment in parse_segments(part.segments))
    assert len(parse_segments(segments)) == 3
    record = ObjectRecord(
        key="big", size=15, etag="E-4", crc64=1, type="Multipart", modified=1, properties=PLAIN, segments=segments
    )

    uploads.complete(bucket, upload, record)
    store.delete(bucket, ["source"])

    assert read(store, store.find(bucket, "big")) == b"ONEtwo012345678"
    assert uploads.find(bucket, "big", "UPLOAD") is None
    assert uploads.parts(upload) == []
    store.delete(bucket, ["big"])
    assert files(tmp_path) == 0
    assert format_segments([]) == ""


def test_the_usage_of_a_bucket_is_added_up(store: Store, bucket: BucketRecord) -> None:
    put(store, bucket, "a", b"12345")
    put(store, bucket, "b", b"123", Properties(storage_class="IA"))
    usage = store.usage(bucket)

    assert (usage.size, usage.count, usage.uploads) == (8, 2, 0)
    assert usage.by_class == {"Standard": (5, 1), "IA": (3, 1)}
    assert not store.is_empty(bucket)


def test_the_usage_once_known_follows_every_change(tmp_path: Path) -> None:
    store = Store(tmp_path, lambda: 1000.0, lasting=False)
    bucket = store.put_bucket("bucket")
    assert store.usage(bucket).count == 0
    put(store, bucket, "a", b"12345")
    put(store, bucket, "a", b"123", Properties(storage_class="IA"))
    put(store, bucket, "b", b"12")
    record = None
    for data in (b"1", b"23"):
        body = store.blobs.incoming()
        body.write(data)
        body.finish()
        record = store.append(bucket, record, "log", body, PLAIN, "ETAG")
    store.put_record(bucket, put(store, bucket, "c", b"1234"))
    store.delete(bucket, ["b", "missing"])
    known = store.usage(bucket)
    store.close()

    store = Store(tmp_path, lasting=False)
    assert store.usage(bucket) == known
    assert known.by_class == {"Standard": (7, 2), "IA": (3, 1)}
    store.close()


def test_the_log_is_folded_back_by_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ossmount.server.database.FOLD_AFTER", 0)
    store = Store(tmp_path)
    bucket = store.put_bucket("bucket")
    for number in range(600):
        store.delete(bucket, [str(number)])
    put(store, bucket, "a", b"x")
    store.close()

    store = Store(tmp_path)
    assert store.exists(bucket, "a")
    store.close()
