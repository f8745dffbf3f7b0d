"""Uploads in parts and appending, above all when it is not known what became of a request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from ossmount.server.faults import Fault
from ossmount.wire import errors
from ossmount.wire.checksums import crc64, multipart_etag
from ossmount.wire.errors import IntegrityError, NoSuchKey, NoSuchUpload, OSSError, PositionNotEqualToLength
from ossmount.wire.models import PartResult

if TYPE_CHECKING:
    from ossmount.oss import Bucket

PART = 100 * 1024
DATA = os.urandom(3 * PART)


async def upload(bucket: Bucket, key: str, data: bytes = DATA, **options: Any) -> tuple[str, list[PartResult]]:
    upload_id = await bucket.initiate_multipart_upload(key, **options)
    parts = [
        await bucket.upload_part(key, upload_id, start // PART + 1, data[start : start + PART])
        for start in range(0, len(data), PART)
    ]
    return upload_id, parts


async def test_an_object_is_made_of_parts(bucket: Bucket) -> None:
    await bucket.put_object("source", DATA)
    upload_id, parts = await upload(bucket, "ü k", DATA[: 2 * PART], meta={"a": "b"}, headers={"content-type": "t/s"})
    etag = (await bucket.head_object("source")).etag
    copied = await bucket.upload_part_copy("ü k", upload_id, 3, "source", start=2 * PART, stop=3 * PART, if_match=etag)
    parts.append(copied)
    assert [part.crc64 for part in parts[:2]] == [crc64(DATA[:PART]), crc64(DATA[PART : 2 * PART])]
    assert [part.size for part in parts] == [PART] * 3

    listed = await bucket.list_parts("ü k", upload_id)
    assert [(part.number, part.etag, part.size) for part in listed.parts] == [
        (part.number, part.etag, part.size) for part in parts
    ]
    first = await bucket.list_parts("ü k", upload_id, max_parts=2)
    rest = await bucket.list_parts("ü k", upload_id, part_number_marker=first.next_part_number_marker)
    assert (first.is_truncated, [part.number for part in rest.parts]) == (True, [3])
    with pytest.raises(NoSuchKey):
        await bucket.head_object("ü k")

    result = await bucket.complete_multipart_upload("ü k", upload_id, parts[::-1], crc64=crc64(DATA))
    head, body = await bucket.get_object("ü k")
    assert (body, head.meta, head.content_type, head.type) == (DATA, {"a": "b"}, "t/s", "Multipart")
    assert head.etag == result.etag == multipart_etag(part.etag for part in parts)
    assert result.crc64 == head.crc64 == crc64(DATA)


async def test_uploads_under_way_are_listed_and_given_up(bucket: Bucket) -> None:
    ids = [await bucket.initiate_multipart_upload(key) for key in ("a\x01", "a\x01", "b/c")]
    page = await bucket.list_multipart_uploads(max_uploads=2)
    assert [upload.key for upload in page.uploads] == ["a\x01", "a\x01"]
    rest = await bucket.list_multipart_uploads(
        key_marker=page.next_key_marker, upload_id_marker=page.next_upload_id_marker
    )
    assert [upload.upload_id for upload in rest.uploads] == [ids[2]]
    assert (await bucket.list_multipart_uploads("b", delimiter="/")).prefixes == ("b/",)
    for key, upload_id in zip(("a\x01", "a\x01", "b/c"), ids, strict=True):
        await bucket.abort_multipart_upload(key, upload_id)
    with pytest.raises(NoSuchUpload):
        await bucket.abort_multipart_upload("b/c", ids[2])
    with pytest.raises(NoSuchUpload):
        await bucket.upload_part("b/c", ids[2], 1, b"x")
    assert (await bucket.list_multipart_uploads()).uploads == ()


DOUBTS = [
    Fault(operation="CompleteMultipartUpload", status=500),
    Fault(operation="CompleteMultipartUpload", status=500, done=True),
    Fault(operation="CompleteMultipartUpload", reset=True),
    Fault(operation="CompleteMultipartUpload", reset=True, done=True),
    Fault(operation="CompleteMultipartUpload", cut=10),
]


@pytest.mark.parametrize("fault", DOUBTS, ids=range(len(DOUBTS)))
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("forbid", [True, False])
async def test_whatever_becomes_of_complete_it_is_done_once(
    bucket: Bucket, oss_server: Any, fault: Fault, known: bool, forbid: bool
) -> None:
    upload_id, parts = await upload(bucket, "k", meta={"a": "b"})
    oss_server.faults.add(fault)
    result = await bucket.complete_multipart_upload(
        "k", upload_id, parts, crc64=crc64(DATA) if known else None, forbid_overwrite=forbid
    )
    head, body = await bucket.get_object("k")
    assert (body, head.meta) == (DATA, {"a": "b"})
    assert (result.etag, result.crc64) == (head.etag, head.crc64)
    done = fault.done or fault.cut is not None
    assert oss_server.count("CompleteMultipartUpload") == (1 if done else 2)


async def test_an_upload_that_is_gone_is_not_taken_for_completed(bucket: Bucket, oss_server: Any) -> None:
    upload_id, parts = await upload(bucket, "k")
    await bucket.abort_multipart_upload("k", upload_id)
    oss_server.faults.add(Fault(operation="CompleteMultipartUpload", reset=True))
    with pytest.raises(NoSuchUpload):
        await bucket.complete_multipart_upload("k", upload_id, parts, crc64=crc64(DATA))
    # Neither when there is an object with the same bytes that was made in another way, nor another object.
    await bucket.put_object("k", DATA)
    oss_server.faults.add(Fault(operation="CompleteMultipartUpload", reset=True))
    with pytest.raises(NoSuchUpload):
        await bucket.complete_multipart_upload("k", upload_id, parts, crc64=crc64(DATA))


async def test_complete_that_never_gets_through_fails_at_last(bucket: Bucket, oss_server: Any) -> None:
    upload_id, parts = await upload(bucket, "k")
    oss_server.faults.add(Fault(operation="CompleteMultipartUpload", status=500, count=None))
    with pytest.raises(errors.InternalError):
        await bucket.complete_multipart_upload("k", upload_id, parts)
    assert oss_server.count("CompleteMultipartUpload") == 5


async def test_a_wrong_sum_of_parts_is_final(bucket: Bucket, oss_server: Any) -> None:
    upload_id, parts = await upload(bucket, "k")
    with pytest.raises(IntegrityError) as caught:
        await bucket.complete_multipart_upload("k", upload_id, parts, crc64=1)
    assert not caught.value.transient
    assert oss_server.count("CompleteMultipartUpload") == 1


async def test_a_refused_complete_is_not_looked_after(bucket: Bucket, oss_server: Any) -> None:
    upload_id, parts = await upload(bucket, "k", DATA[: 2 * PART])
    with pytest.raises(errors.InvalidPart):
        await bucket.complete_multipart_upload("k", upload_id, [*parts, PartResult(3, "0" * 32)])
    assert oss_server.count("ListParts") == 0


async def test_bytes_are_appended(bucket: Bucket) -> None:
    first = await bucket.append_object("k", 0, b"hello ", meta={"a": "b"}, headers={"content-type": "t/s"})
    second = await bucket.append_object("k", first.next_position, memoryview(b"world"), crc64=first.crc64)
    assert (second.next_position, second.crc64) == (11, crc64(b"hello world"))
    head, body = await bucket.get_object("k")
    assert (body, head.type, head.next_append_position) == (b"hello world", "Appendable", 11)
    assert (head.meta, head.content_type) == ({"a": "b"}, "t/s")
    with pytest.raises(PositionNotEqualToLength) as caught:
        await bucket.append_object("k", 5, b"x")
    assert caught.value.headers["x-oss-next-append-position"] == "11"
    await bucket.put_object("normal", b"")
    with pytest.raises(errors.ObjectNotAppendable):
        await bucket.append_object("normal", 0, b"x")


APPENDS = [
    Fault(operation="AppendObject", status=500),
    Fault(operation="AppendObject", status=500, done=True),
    Fault(operation="AppendObject", reset=True),
    Fault(operation="AppendObject", reset=True, done=True),
    Fault(operation="AppendObject", cut_upload=3),
]


@pytest.mark.parametrize("fault", APPENDS, ids=range(len(APPENDS)))
@pytest.mark.parametrize("position", [0, 6])
@pytest.mark.parametrize("known", [True, False])
async def test_whatever_becomes_of_append_it_is_done_once(
    bucket: Bucket, oss_server: Any, fault: Fault, position: int, known: bool
) -> None:
    before = b"hello "[:position]
    if before:
        await bucket.append_object("k", 0, before)
    oss_server.reset()
    oss_server.faults.add(fault)
    result = await bucket.append_object("k", position, b"world", crc64=crc64(before) if known else None)
    assert (result.next_position, result.crc64) == (position + 5, crc64(before + b"world"))
    assert (await bucket.get_object("k"))[1] == before + b"world"
    assert oss_server.count("AppendObject") == (1 if fault.done else 2)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("others", [b"w0rld", b"longer than ours"])
async def test_what_somebody_else_appended_is_not_taken_for_ours(
    bucket: Bucket, oss_server: Any, known: bool, others: bytes
) -> None:
    await bucket.append_object("k", 0, b"hello ")
    await bucket.append_object("k", 6, others)
    oss_server.faults.add(Fault(operation="AppendObject", reset=True))
    with pytest.raises(OSSError):
        await bucket.append_object("k", 6, b"world", crc64=crc64(b"hello ") if known else None)
    assert (await bucket.get_object("k"))[1] == b"hello " + others


async def test_appending_to_what_was_deleted_fails(bucket: Bucket, oss_server: Any) -> None:
    oss_server.faults.add(Fault(operation="AppendObject", reset=True))
    with pytest.raises(OSSError):
        await bucket.append_object("k", 6, b"world")


async def test_bytes_damaged_while_appending_are_told_and_final(bucket: Bucket, oss_server: Any) -> None:
    oss_server.faults.add(Fault(operation="AppendObject", corrupt_upload=2))
    with pytest.raises(IntegrityError) as caught:
        await bucket.append_object("k", 0, b"world")
    assert not caught.value.transient
    assert oss_server.count("AppendObject") == 1


async def test_a_damaged_part_is_sent_again(bucket: Bucket, oss_server: Any) -> None:
    upload_id = await bucket.initiate_multipart_upload("k")
    oss_server.faults.add(Fault(operation="UploadPart", corrupt_upload=5))
    part = await bucket.upload_part("k", upload_id, 1, DATA)
    assert part.crc64 == crc64(DATA)
    assert oss_server.count("UploadPart") == 2
