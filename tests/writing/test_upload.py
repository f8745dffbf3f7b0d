from __future__ import annotations

import errno
import json
import random
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ossmount.oss.client import Client, ClientOptions
from ossmount.oss.credentials import StaticCredentials
from ossmount.oss.endpoints import Endpoint
from ossmount.oss.retry import RetryPolicy
from ossmount.server.faults import Fault
from ossmount.wire.checksums import crc64
from ossmount.wire.errors import (
    IntegrityError,
    NoSuchKey,
    NoSuchUpload,
    OSSError,
    PositionNotEqualToLength,
    PreconditionFailed,
)
from ossmount.wire.models import CompleteResult, ListPartsResult, PartResult, Source
from ossmount.writing.options import WritingOptions
from ossmount.writing.space import Space
from ossmount.writing.staging import Staged, Staging
from ossmount.writing.upload import Upload, UploadResult, UploadState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from ossmount.oss.bucket import Bucket
    from ossmount.server.threaded import ThreadedServer

KiB = 1 << 10
PART = 128 * KiB
HEADERS = {"content-type": "text/plain"}
META = {"mode": "33188"}


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


class Desk:
    """A staging directory, a bucket, and the file "k" that is brought from the one to the other."""

    def __init__(self, server: ThreadedServer, bucket: Bucket, directory: Path, **options: Any) -> None:
        self.server = server
        self.bucket = bucket
        self.options = WritingOptions(
            directory=directory, **{"part_size": PART, "memory": 8 * PART, "reserve": 0, **options}
        )
        self.staging = Staging(self.options)
        self.limiter = trio.CapacityLimiter(self.options.parallel)
        self.space = Space(self.options.memory)
        self.saved: str | None = None
        self.content = bytearray()
        self.staged: Staged
        self.upload: Upload

    async def create(self, old: bytes | None = None, *, kind: str = "Normal", checksum: bool = True) -> Desk:
        """Begin with the object *old*, or with nothing."""
        source = None
        if old is not None:
            if kind == "Appendable":
                await self.bucket.append_object("k", 0, old)
            else:
                await self.bucket.put_object("k", old)
            head = await self.bucket.head_object("k")
            source = Source("k", head.etag, head.size, head.type, head.crc64 if checksum else None)
        self.content = bytearray(old or b"")
        self.staged = self.staging.create("k", source)
        self.begin()
        self.server.reset()
        return self

    def begin(self) -> Upload:
        self.upload = Upload(
            self.bucket,
            self.staged,
            "k",
            read_base=self.read_base,
            save=self.save,
            options=self.options,
            limiter=self.limiter,
            space=self.space,
            state=None if self.saved is None else UploadState.from_json(json.loads(self.saved)),
        )
        return self.upload

    def save(self, state: UploadState | None) -> None:
        self.saved = None if state is None else json.dumps(state.to_json())

    async def read_base(self, source: Source, start: int, stop: int) -> bytes:
        _, body = await self.bucket.get_object(source.key, start=start, stop=stop, if_match=source.etag)
        return bytes(body)

    def write(self, offset: int, data: bytes) -> None:
        self.staged.write(offset, data)
        self.content += bytes(max(0, offset + len(data) - len(self.content)))
        self.content[offset : offset + len(data)] = data

    def truncate(self, size: int) -> None:
        self.staged.truncate(size)
        self.content += bytes(max(0, size - len(self.content)))
        del self.content[size:]

    async def write_ahead(self, data: bytes, step: int = 40 * KiB) -> None:
        """Write *data* as a program does, parts going up meanwhile."""
        async with trio.open_nursery() as nursery:
            for offset in range(0, len(data), step):
                self.write(offset, data[offset : offset + step])
                if self.upload.ready():
                    nursery.start_soon(self.upload.advance, HEADERS, META)
                await trio.lowlevel.checkpoint()

    async def finish(self) -> UploadResult:
        result = await self.upload.finish(HEADERS, META)
        await self.check(result)
        return result

    async def check(self, result: UploadResult) -> None:
        """The object is the file, the result tells the truth, and nothing is held any more."""
        head, body = await self.bucket.get_object("k")
        assert bytes(body) == bytes(self.content)
        assert (result.source.etag, result.source.size, result.source.type) == (head.etag, head.size, head.type)
        assert result.source.crc64 == head.crc64 == crc64(bytes(self.content))
        assert result.version == self.staged.version
        assert (self.space.used, self.space.waiting, self.limiter.borrowed_tokens) == (0, 0, 0)
        self.staged.check_invariants()

    def recover(self) -> None:
        """The daemon dies, and another takes up what it has left."""
        self.staging.close()
        self.staging = Staging(self.options)
        [self.staged] = self.staging.recover()
        self.begin()

    async def stray_uploads(self) -> int:
        return len((await self.bucket.list_multipart_uploads()).uploads)


@asynccontextmanager
async def connected(server: ThreadedServer, attempts: int = 1) -> AsyncIterator[Bucket]:
    options = ClientOptions(retry=RetryPolicy(attempts=attempts), timeout=5.0)
    endpoint = Endpoint.parse(server.url, region="cn-hangzhou")
    if server.store.bucket("bucket") is None:
        server.store.put_bucket("bucket")
    async with Client(endpoint, StaticCredentials("ak", "sk"), options=options, jitter=lambda: 0.0) as client:
        yield client.bucket("bucket")


@pytest.fixture
async def desk(oss_server: ThreadedServer, tmp_path: Path) -> AsyncIterator[Desk]:
    async with connected(oss_server) as bucket:
        desk = Desk(oss_server, bucket, tmp_path / "staging")
        yield desk
        desk.staging.close()


def asked(desk: Desk) -> Counter[str]:
    return Counter({name: n for name, n in desk.server.requests.counts.items() if n})


# -- ways --


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


# -- every request fails once, every step is interrupted once --


async def new_small(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(1000))


async def small_change(desk: Desk) -> None:
    await desk.create(noise(1000))
    desk.write(100, b"changed")
    desk.truncate(900)


async def new_big(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(4 * PART + 100))


async def change_in_the_middle(desk: Desk) -> None:
    await desk.create(noise(24 * PART))
    desk.write(12 * PART + 100, b"changed")


async def append(desk: Desk) -> None:
    await desk.create(noise(300 * KiB), kind="Appendable")
    desk.write(300 * KiB, noise(1000, 1))


SCENES: list[Callable[[Desk], Awaitable[None]]] = [new_small, small_change, new_big, change_in_the_middle, append]
scenes = pytest.mark.parametrize("scene", SCENES)


async def assert_old_or_new(desk: Desk, old: bytes | None) -> None:
    try:
        _, body = await desk.bucket.get_object("k")
    except NoSuchKey:
        assert old is None
    else:
        assert bytes(body) in (old, bytes(desk.content))


@scenes
@pytest.mark.parametrize(
    "fault",
    [{"status": 500}, {"status": 500, "done": True}, {"reset": True}, {"cut": 0}, {"corrupt_upload": 0}],
    ids=["500", "done but 500", "reset", "cut", "corrupt"],
)
@pytest.mark.parametrize("crash", [False, True], ids=["retried", "recovered"])
async def test_whichever_request_fails_the_file_gets_there(
    oss_server: ThreadedServer,
    tmp_path: Path,
    scene: Callable[[Desk], Awaitable[None]],
    fault: dict[str, Any],
    crash: bool,
) -> None:
    async with connected(oss_server) as bucket:
        for number in range(1, 30):
            await bucket.delete_object("k")
            desk = Desk(oss_server, bucket, tmp_path / f"staging{number}")
            await scene(desk)
            old = None
            if desk.staged.base is not None:
                old = bytes((await bucket.get_object("k"))[1])
            strays = await desk.stray_uploads()
            oss_server.reset()
            oss_server.faults.add(Fault(first=number, **fault))
            failed = False
            try:
                result = await desk.upload.finish(HEADERS, META)
            except OSSError:
                failed = True
                oss_server.faults.clear()
                await assert_old_or_new(desk, old)
                if crash:
                    desk.recover()
                result = await desk.upload.finish(HEADERS, META)
            struck = oss_server.count() >= number
            lost_start = struck and asked(desk)["InitiateMultipartUpload"] > 1
            oss_server.faults.clear()
            await desk.check(result)
            # Only an upload whose id never came can be left.
            assert await desk.stray_uploads() - strays <= lost_start
            desk.staging.close()
            if not failed and not struck:
                break
        else:
            pytest.fail("there was no end of requests")


class Interrupt(trio.abc.Instrument):
    """Cancels *scope* when its task has run for *steps* steps."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self.scope = scope
        self.left = steps
        self.task = trio.lowlevel.current_task()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task.parent_nursery is not None:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


@scenes
@pytest.mark.parametrize("crash", [False, True], ids=["retried", "recovered"])
async def test_wherever_it_is_interrupted_the_file_gets_there(
    oss_server: ThreadedServer, tmp_path: Path, scene: Callable[[Desk], Awaitable[None]], crash: bool
) -> None:
    async with connected(oss_server) as bucket:
        steps = 0
        finished = False
        while not finished:
            steps += 1 + steps // 4
            assert steps < 5000
            await bucket.delete_object("k")
            desk = Desk(oss_server, bucket, tmp_path / f"staging{steps}")
            await scene(desk)
            old = None
            if desk.staged.base is not None:
                old = bytes((await bucket.get_object("k"))[1])
            result = None
            with trio.CancelScope() as scope:
                instrument = Interrupt(scope, steps)
                trio.lowlevel.add_instrument(instrument)
                try:
                    result = await desk.upload.finish(HEADERS, META)
                finally:
                    trio.lowlevel.remove_instrument(instrument)
            finished = instrument.left > 0
            await assert_old_or_new(desk, old)
            if result is None:
                if crash:
                    desk.recover()
                result = await desk.upload.finish(HEADERS, META)
            await desk.check(result)
            desk.staging.close()


async def test_parts_that_are_up_are_not_sent_again_after_a_crash(desk: Desk) -> None:
    await desk.create()
    await desk.write_ahead(noise(8 * PART + 1))
    desk.server.reset()

    desk.recover()
    await desk.finish()

    assert asked(desk)["UploadPart"] == 1
    assert asked(desk)["InitiateMultipartUpload"] == 0


async def test_parts_that_changed_before_a_crash_are_sent_again(desk: Desk) -> None:
    await desk.create()
    await desk.write_ahead(noise(8 * PART + 1))
    desk.write(3 * PART + 5, b"changed")
    desk.recover()
    desk.server.reset()

    await desk.finish()

    assert asked(desk)["UploadPart"] == 2


async def test_copies_are_kept_over_a_crash(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    desk.write(32 * PART, b"x")
    desk.server.faults.add(Fault(operation="CompleteMultipartUpload", status=400, code="InvalidArgument"))
    with pytest.raises(OSSError):
        await desk.upload.finish(HEADERS, META)

    desk.recover()
    await desk.finish()

    assert asked(desk)["UploadPartCopy"] == 2


async def test_the_state_of_another_key_is_of_no_use(desk: Desk) -> None:
    await desk.create()
    await desk.write_ahead(noise(3 * PART))
    assert desk.saved is not None
    state = json.loads(desk.saved)
    desk.saved = json.dumps({**state, "key": "other"})

    assert not desk.begin().has_begun
    assert repr(desk.upload).startswith("<Upload 'k' of <Staged")


async def test_a_write_during_the_last_request_stays_dirty(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(1000))
    desk.server.faults.add(Fault(operation="PutObject", delay=0.2))
    sent = bytes(desk.content)

    async def write_late() -> None:
        while not desk.upload.committing:
            await trio.lowlevel.checkpoint()
        desk.write(500, b"late")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_late)
        result = await desk.upload.finish(HEADERS, META)

    assert bytes((await desk.bucket.get_object("k"))[1]) == sent
    assert result.version < desk.staged.version
    desk.staged.rebase(result.source, result.version)
    desk.begin()
    await desk.finish()


async def read_all(desk: Desk) -> bytes:
    """What a program would read now."""
    while True:
        parts = []
        for piece in desk.staged.layout(0, desk.staged.size):
            if piece.kind == "staged":
                parts.append(desk.staged.read(piece.start, piece.stop))
            elif piece.kind == "hole":
                parts.append(bytes(piece.size))
            else:
                assert desk.staged.base is not None
                try:
                    parts.append(await desk.read_base(desk.staged.base, piece.start, piece.stop))
                except PreconditionFailed:
                    assert await desk.upload.reconcile()
                    break
        else:
            return b"".join(parts)


@pytest.mark.parametrize("seed", range(8))
async def test_any_life_of_a_file_ends_in_the_bucket(desk: Desk, seed: int) -> None:
    """Writes, cuts, early parts, uploads that are interrupted or fail, crashes, in any order."""
    chance = random.Random(seed)
    kind = chance.choice(["Normal", "Appendable"])
    await desk.create(noise(chance.choice([0, 100, 30 * PART])) if chance.random() < 0.8 else None, kind=kind)
    for turn in range(40):
        match chance.randrange(9):
            case 0 | 1:
                place = chance.randrange(0, 12 * PART)
                desk.write(place, noise(chance.randrange(1, 3 * PART), turn))
            case 2 | 3:
                desk.write(len(desk.content), noise(chance.randrange(1, 3 * PART), turn))
            case 4:
                if chance.random() < 0.4:
                    desk.truncate(chance.randrange(0, 14 * PART))
            case 5:
                with suppress(OSSError):
                    await desk.upload.advance(HEADERS, META)
            case 6 | 7:
                if chance.random() < 0.5:
                    first = chance.randrange(1, 4)
                    done = chance.random() < 0.5
                    desk.server.faults.add(Fault(first=first, status=500, done=done))
                with trio.move_on_after(chance.random() * 0.03), suppress(OSSError):
                    result = await desk.upload.finish(HEADERS, META)
                    desk.staged.rebase(result.source, result.version)
                    desk.saved = None
                    desk.begin()
                desk.server.faults.clear()
            case 8:
                if chance.random() < 0.5:
                    desk.recover()
        assert await read_all(desk) == bytes(desk.content)

    await desk.finish()
