"""The ways in which a file gets into the bucket."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ossmount.server.faults import Fault, deny
from ossmount.wire.checksums import crc64
from ossmount.wire.errors import AccessDenied, IntegrityError, OSSError
from ossmount.wire.models import CompleteResult, ListPartsResult, PartResult, Source
from tests.writing.desk import HEADERS, META, PART, Desk, KiB, asked, noise

if TYPE_CHECKING:
    from ossmount.writing.upload import UploadState


async def test_a_small_file_is_one_request(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(1000))

    result = await desk.upload.finish(HEADERS, META)

    assert asked(desk) == {"PutObject": 1}
    await desk.check(result)
    assert result.attributes_current
    assert result.source.type == "Normal"
    head = await desk.bucket.head_object("k")
    assert (head.content_type, head.meta) == ("text/plain", META)
    assert result.last_modified == pytest.approx(head.last_modified, abs=2)
    assert desk.saved is None


async def test_an_empty_file_is_an_empty_object(desk: Desk) -> None:
    await desk.create()

    await desk.finish()


async def test_gaps_of_a_small_file_are_read_from_its_base_at_once(desk: Desk) -> None:
    await desk.create(noise(1000))
    for place in range(0, 1000, 100):
        desk.write(place, b"x")
    desk.truncate(1100)

    await desk.upload.finish(HEADERS, META)

    assert asked(desk) == {"GetObject": 1, "PutObject": 1}
    desk.server.reset()
    assert bytes((await desk.bucket.get_object("k"))[1]) == bytes(desk.content)


async def test_a_file_of_holes_is_zeros(desk: Desk) -> None:
    await desk.create()
    desk.truncate(3 * PART + 5)
    desk.write(PART + 7, b"x")

    await desk.finish()


async def test_parts_go_up_while_the_program_writes(desk: Desk) -> None:
    data = noise(10 * PART + 17)
    await desk.create()

    await desk.write_ahead(data)
    before = asked(desk)
    result = await desk.finish()

    assert before["UploadPart"] == 10
    assert asked(desk)["UploadPart"] == 11
    assert asked(desk)["InitiateMultipartUpload"] == 1
    assert result.attributes_current
    assert (await desk.bucket.head_object("k")).meta == META


async def test_the_part_being_written_stays_here(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(PART + 1))
    assert desk.upload.ready()
    desk.write(2 * PART, noise(PART))
    desk.write(2 * PART, b"rewritten")

    await desk.upload.advance(HEADERS, META)

    assert asked(desk)["UploadPart"] == 1
    assert not desk.upload.ready()
    assert desk.upload.has_begun
    await desk.finish()


async def test_what_is_prepared_only_has_to_be_completed_and_then_gets_its_acl(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    desk.write(30 * PART + 100, b"changed")

    await desk.upload.prepare(HEADERS, META)
    assert asked(desk) == {"InitiateMultipartUpload": 1, "GetObject": 1, "UploadPartCopy": 2, "UploadPart": 1}
    desk.server.reset()
    result = await desk.upload.finish({**HEADERS, "x-oss-object-acl": "private"}, META)

    assert asked(desk) == {"CompleteMultipartUpload": 1}
    assert result.attributes_current
    await desk.check(result)
    assert await desk.bucket.get_object_acl("k") == "private"
    assert await desk.stray_uploads() == 0


async def test_what_changes_after_it_was_prepared_is_sent_again(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    desk.write(30 * PART + 100, b"changed")

    await desk.upload.prepare(HEADERS, META)
    desk.write(30 * PART + 50, b"once more")
    desk.truncate(50 * PART)

    await desk.finish()
    assert await desk.stray_uploads() == 0


async def test_what_cannot_be_prepared_is_told_when_it_is_to_be_finished(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    desk.write(30 * PART + 100, b"changed")
    desk.server.faults.add(deny("", "UploadPart"))

    await desk.upload.prepare(HEADERS, META)
    with pytest.raises(AccessDenied):
        await desk.finish()
    desk.server.faults.clear()
    await desk.finish()


async def test_clean_bytes_are_fetched_while_the_upload_begins(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    desk.write(30 * PART + 100, b"changed")
    begun = trio.Event()

    def save(state: UploadState | None) -> None:
        desk.save(state)
        begun.set()

    async def read_base(source: Source, start: int, stop: int) -> bytes:
        assert not desk.upload.has_begun
        await begun.wait()
        return await desk.read_base(source, start, stop)

    desk.begin(read_base=read_base, save=save)
    await desk.finish()


async def test_attributes_that_changed_after_the_upload_began_are_reported(desk: Desk) -> None:
    await desk.create()
    await desk.write_ahead(noise(3 * PART))

    result = await desk.upload.finish(HEADERS, {"mode": "1"})

    assert not result.attributes_current


async def test_parts_that_change_after_they_went_up_go_up_again(desk: Desk) -> None:
    await desk.create()
    await desk.write_ahead(noise(5 * PART))
    desk.write(PART + 5, b"patched")
    desk.server.reset()

    await desk.finish()

    assert asked(desk)["UploadPart"] == 1


async def test_a_small_change_in_a_big_object_is_copied_around(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    desk.write(32 * PART + 1000, noise(4 * KiB, 1))

    result = await desk.upload.finish(HEADERS, META)

    said = asked(desk)
    assert said["UploadPartCopy"] == 2
    assert said["UploadPart"] == 1
    read = [entry.sent for entry in desk.server.requests if entry.operation == "GetObject"]
    assert sum(read) <= PART
    await desk.check(result)


async def test_the_checksum_of_copied_parts_is_asked_for(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    desk.write(0, b"x")

    result = await desk.finish()

    assert result.source.crc64 == crc64(bytes(desk.content))


async def test_checksums_that_a_copy_does_not_tell_are_asked_for(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    for place in range(0, 64 * PART, 12 * PART):
        desk.write(place, b"x")
    copy, ask = desk.bucket.upload_part_copy, desk.bucket.list_parts

    async def silent(*args: Any, **more: Any) -> PartResult:
        return replace(await copy(*args, **more), crc64=None)

    async def by_two(*args: Any, **more: Any) -> Any:
        return await ask(*args, **more, max_parts=2)

    desk.bucket.upload_part_copy = silent  # type: ignore[method-assign]
    desk.bucket.list_parts = by_two  # type: ignore[method-assign]
    given = []
    complete = desk.bucket.complete_multipart_upload

    async def completing(*args: Any, crc64: int | None, **more: Any) -> Any:
        given.append(crc64)
        return await complete(*args, crc64=crc64, **more)

    desk.bucket.complete_multipart_upload = completing  # type: ignore[assignment, method-assign]
    await desk.finish()

    assert given == [crc64(bytes(desk.content))]


async def test_an_upload_with_parts_of_unknown_checksums_is_completed_all_the_same(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    desk.write(0, b"x")
    copy = desk.bucket.upload_part_copy

    async def silent(*args: Any, **more: Any) -> PartResult:
        return replace(await copy(*args, **more), crc64=None)

    async def empty(*args: Any, **more: Any) -> ListPartsResult:
        return ListPartsResult()

    desk.bucket.upload_part_copy = silent  # type: ignore[method-assign]
    desk.bucket.list_parts = empty  # type: ignore[method-assign]
    await desk.finish()


async def test_an_object_that_came_out_wrong_is_made_again_from_the_beginning(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(3 * PART))
    complete = desk.bucket.complete_multipart_upload

    async def wrong(*args: Any, **more: Any) -> CompleteResult:
        await complete(*args, **more)
        raise IntegrityError("not what it should be")

    desk.bucket.complete_multipart_upload = wrong  # type: ignore[method-assign]
    with pytest.raises(IntegrityError):
        await desk.upload.finish(HEADERS, META)
    assert not desk.upload.has_begun
    assert desk.saved is None

    desk.bucket.complete_multipart_upload = complete  # type: ignore[method-assign]
    await desk.finish()


async def test_an_upload_completed_just_before_a_crash_is_recognised(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(3 * PART))
    desk.server.faults.add(Fault(operation="CompleteMultipartUpload", status=500, done=True))
    desk.server.faults.add(Fault(operation="ListParts", status=500))
    with pytest.raises(OSSError):
        await desk.upload.finish(HEADERS, META)
    desk.server.reset()

    desk.recover()
    await desk.finish()

    assert asked(desk)["UploadPart"] + asked(desk)["InitiateMultipartUpload"] == 0


async def test_a_file_cut_short_is_a_copy(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    desk.truncate(40 * PART + 3)

    result = await desk.upload.finish(HEADERS, META)

    assert asked(desk)["UploadPartCopy"] == 1
    assert asked(desk)["UploadPart"] + asked(desk)["GetObject"] == 0
    await desk.check(result)


async def test_a_file_cut_short_after_parts_went_up_leaves_none_behind(desk: Desk) -> None:
    await desk.create()
    await desk.write_ahead(noise(5 * PART))
    desk.truncate(100)

    result = await desk.finish()

    assert result.source.type == "Normal"
    assert await desk.stray_uploads() == 0


async def test_bytes_behind_an_appendable_object_are_appended(desk: Desk) -> None:
    await desk.create(noise(300 * KiB), kind="Appendable")
    desk.write(300 * KiB, b"a line\n" * 100)

    result = await desk.upload.finish(HEADERS, META)

    assert asked(desk) == {"AppendObject": 1}
    assert [entry.received for entry in desk.server.requests] == [700]
    await desk.check(result)
    assert result.source.type == "Appendable"


async def test_nothing_goes_up_early_when_it_can_be_appended(desk: Desk) -> None:
    await desk.create(noise(10), kind="Appendable")
    desk.write(10, noise(5 * PART))

    assert not desk.upload.ready()
    await desk.upload.advance(HEADERS, META)
    assert asked(desk) == {}


async def test_the_checksum_of_what_is_appended_to_is_asked_for(desk: Desk) -> None:
    await desk.create(noise(10), kind="Appendable", checksum=False)
    desk.write(10, b"more")

    result = await desk.upload.finish(HEADERS, META)

    assert asked(desk) == {"HeadObject": 1, "AppendObject": 1}
    await desk.check(result)


async def test_a_change_inside_an_appendable_object_replaces_it(desk: Desk) -> None:
    await desk.create(noise(1000), kind="Appendable")
    desk.write(5, b"x")

    result = await desk.finish()

    assert result.source.type == "Normal"


async def test_an_object_that_cannot_be_appended_to_after_all_is_replaced(desk: Desk) -> None:
    await desk.create(noise(1000))
    assert desk.staged.base is not None
    wrong = Source("k", desk.staged.base.etag, 1000, "Appendable", crc64(noise(1000)))
    desk.staged.replace_base(wrong)
    desk.write(1000, b"x")

    await desk.finish()


async def test_what_is_in_the_bucket_already_is_not_sent(desk: Desk) -> None:
    await desk.create(noise(1000))

    result = await desk.upload.finish(HEADERS, META)

    assert asked(desk) == {"HeadObject": 1}
    await desk.check(result)
    assert not result.attributes_current
