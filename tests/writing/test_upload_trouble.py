"""What comes between a file and the bucket: limits, other clients, uploads that are gone."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ossmount.server.faults import Fault
from ossmount.wire.errors import (
    IntegrityError,
    NoSuchKey,
    NoSuchUpload,
    PositionNotEqualToLength,
    PreconditionFailed,
)
from ossmount.wire.models import Source
from ossmount.writing.upload import UploadState
from tests.writing.desk import HEADERS, META, PART, Desk, asked, connected, noise

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ossmount.server.threaded import ThreadedServer


async def test_a_file_greater_than_any_object_is_refused(desk: Desk) -> None:
    await desk.create()
    desk.staged.truncate(desk.options.limits.max_object)
    desk.staged.size += 1

    with pytest.raises(OSError, match="more than an object may have") as caught:
        await desk.upload.finish(HEADERS, META)

    assert caught.value.errno == errno.EFBIG


# -- limits --


async def test_parts_go_up_side_by_side_within_the_budget(oss_server: ThreadedServer, tmp_path: Path) -> None:
    async with connected(oss_server) as bucket:
        desk = await Desk(oss_server, bucket, tmp_path / "staging", parallel=6, memory=4 * PART).create()
        oss_server.faults.add(Fault(operation="UploadPart", count=4, delay=15, together=4))
        oss_server.faults.add(Fault(operation="UploadPart", count=None, delay=0.03))
        desk.write(0, noise(12 * PART))
        await desk.finish()

        # Six might go, but memory is for four.
        assert oss_server.max_in_flight("UploadPart") == 4
        desk.staging.close()


# -- trouble --


async def test_an_upload_that_is_gone_is_begun_again(desk: Desk) -> None:
    await desk.create()
    await desk.write_ahead(noise(4 * PART))
    [upload] = (await desk.bucket.list_multipart_uploads()).uploads
    await desk.bucket.abort_multipart_upload("k", upload.upload_id)

    await desk.finish()

    assert asked(desk)["InitiateMultipartUpload"] == 2
    assert await desk.stray_uploads() == 0


async def test_advancing_an_upload_that_is_gone_starts_over(desk: Desk) -> None:
    await desk.create()
    await desk.write_ahead(noise(3 * PART))
    [upload] = (await desk.bucket.list_multipart_uploads()).uploads
    await desk.bucket.abort_multipart_upload("k", upload.upload_id)
    desk.write(3 * PART, noise(2 * PART, 1))

    with pytest.raises(NoSuchUpload):
        await desk.upload.advance(HEADERS, META)
    assert not desk.upload.has_begun
    assert desk.upload.ready()
    await desk.upload.advance(HEADERS, META)

    await desk.finish()


async def test_an_upload_that_is_always_gone_is_given_up(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(3 * PART))
    desk.server.faults.add(Fault(operation="UploadPart", count=None, status=404, code="NoSuchUpload"))

    with pytest.raises(NoSuchUpload):
        await desk.upload.finish(HEADERS, META)

    assert asked(desk)["InitiateMultipartUpload"] == 4


async def test_a_base_that_somebody_replaced_is_an_error_and_their_object_stays(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    desk.write(5, b"x")
    await desk.bucket.put_object("k", b"theirs")

    with pytest.raises(PreconditionFailed):
        await desk.upload.finish(HEADERS, META)

    assert bytes((await desk.bucket.get_object("k"))[1]) == b"theirs"
    assert desk.staged.read(5, 6) == b"x"


async def test_a_base_that_somebody_deleted_is_an_error(desk: Desk) -> None:
    await desk.create(noise(1000))
    desk.write(5, b"x")
    await desk.bucket.delete_object("k")

    with pytest.raises(NoSuchKey):
        await desk.upload.finish(HEADERS, META)


async def test_a_base_that_somebody_appended_to_is_an_error(desk: Desk) -> None:
    await desk.create(noise(1000), kind="Appendable")
    desk.write(1000, b"ours")
    await desk.bucket.append_object("k", 1000, b"theirs")

    with pytest.raises(PositionNotEqualToLength):
        await desk.upload.finish(HEADERS, META)


@pytest.mark.parametrize("size", [1000, 64 * PART])
async def test_a_base_that_is_moved_meanwhile_is_read_from_where_it_is(desk: Desk, size: int) -> None:
    await desk.create(noise(size))
    desk.write(5, b"x")

    def moving(ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **more: Any) -> Any:
            try:
                return await ask(*args, **more)
            finally:
                head = await desk.bucket.head_object("moved")
                if desk.staged.base != head.source:
                    desk.staged.replace_base(head.source)

        return call

    await desk.bucket.copy_object("moved", "k")
    await desk.bucket.delete_object("k")
    desk.read_base = moving(desk.read_base)  # type: ignore[assignment, method-assign]
    desk.bucket.upload_part_copy = moving(desk.bucket.upload_part_copy)  # type: ignore[assignment, method-assign]
    desk.begin()
    await desk.finish()


async def test_bytes_are_sent_where_the_service_does_not_copy(desk: Desk) -> None:
    await desk.create(noise(20 * PART))
    desk.write(5, b"x")
    desk.server.faults.add(Fault(operation="UploadPartCopy", count=None, status=403, code="AccessDenied"))

    await desk.finish()

    assert asked(desk)["UploadPart"] == 20
    assert await desk.stray_uploads() == 0


async def test_a_base_that_comes_short_is_an_error(desk: Desk) -> None:
    await desk.create(noise(1000))
    desk.write(5, b"x")

    async def short(source: Source, start: int, stop: int) -> bytes:
        return b"?"

    desk.read_base = short  # type: ignore[method-assign]
    desk.begin()

    with pytest.raises(OSError, match="1 of the"):
        await desk.upload.finish(HEADERS, META)


async def test_progress_that_cannot_be_saved_is_no_reason_to_stop(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(state: UploadState | None) -> None:
        raise OSError(errno.ENOSPC, "full")

    desk.save = refuse  # type: ignore[method-assign]
    await desk.create()
    await desk.write_ahead(noise(3 * PART))

    await desk.finish()

    assert "cannot be saved" in caplog.text


async def test_clean_bytes_are_not_risked_when_that_cannot_be_noted(desk: Desk) -> None:
    def refuse(state: UploadState | None) -> None:
        raise OSError(errno.ENOSPC, "full")

    desk.save = refuse  # type: ignore[method-assign]
    await desk.create(noise(1000))
    desk.write(5, b"x")

    with pytest.raises(OSError, match="full"):
        await desk.upload.finish(HEADERS, META)

    assert bytes((await desk.bucket.get_object("k"))[1]) == noise(1000)


async def test_giving_up_leaves_nothing_behind(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(3 * PART + 1))
    desk.server.faults.add(Fault(operation="UploadPart", count=None, delay=0.5))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.upload.advance, HEADERS, META)
        while not asked(desk)["UploadPart"]:
            await trio.lowlevel.checkpoint()
        await desk.upload.abort()

    assert not desk.upload.has_begun
    assert desk.saved is None
    assert await desk.stray_uploads() == 0
    await desk.upload.abort()


async def test_a_file_that_grew_while_it_waited_for_its_turn_goes_in_parts(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(1000))
    desk.limiter.total_tokens = 1
    await desk.limiter.acquire_on_behalf_of("somebody")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.finish)
        while not desk.limiter.statistics().tasks_waiting:
            await trio.lowlevel.checkpoint()
        desk.write(1000, noise(3 * PART))
        desk.limiter.release_on_behalf_of("somebody")

    assert (await desk.bucket.head_object("k")).type == "Multipart"


async def test_a_writer_that_never_stops_gives_one_version_or_another(desk: Desk) -> None:
    await desk.create()
    size = 6 * PART + 3
    desk.write(0, bytes(size))
    done = False

    async def rewrite() -> None:
        turn = 0
        # It stops in the end, or no plan would ever be current.
        while not done and turn < 200:
            turn += 1
            if not desk.upload.committing:
                desk.write(0, bytes([turn]) * size)
            for _ in range(3):
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(rewrite)
        result = await desk.upload.finish(HEADERS, META)
        done = True

    _, body = await desk.bucket.get_object("k")
    assert len(body) == size
    assert len(set(bytes(body))) == 1
    assert result.version <= desk.staged.version


# -- clean bytes that come damaged --


@pytest.mark.parametrize("patch", [30 * PART, 30 * PART + 100, 31 * PART - 3], ids=["front", "middle", "end"])
async def test_damaged_edges_of_a_part_do_not_become_the_object(desk: Desk, patch: int) -> None:
    await desk.create(noise(64 * PART))
    desk.write(patch, b"new")
    desk.server.faults.add(Fault(operation="GetObject", corrupt=1000))

    with pytest.raises(IntegrityError, match="clean bytes came with CRC-64"):
        await desk.upload.finish(HEADERS, META)
    assert asked(desk)["CompleteMultipartUpload"] == 0
    assert desk.distrusted == [desk.staged.base]

    await desk.finish()
    assert asked(desk)["UploadPartCopy"] == 2
    assert await desk.stray_uploads() == 0


async def test_a_small_file_is_not_replaced_by_damaged_bytes(desk: Desk) -> None:
    await desk.create(noise(1000))
    desk.write(100, b"new")
    good = desk.read_base
    damaged = [True]

    async def read_base(source: Source, start: int, stop: int) -> bytes:
        data = await good(source, start, stop)
        return bytes([data[0] ^ 1]) + data[1:] if damaged.pop() else data

    desk.begin(read_base=read_base)
    with pytest.raises(IntegrityError):
        await desk.upload.finish(HEADERS, META)
    assert asked(desk)["PutObject"] == 0

    damaged.append(False)
    await desk.finish()
