"""What goes wrong on the way: objects that change, answers that break off, bytes that are damaged, rooms that close."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from ossmount.reading import Reader, Reading
from ossmount.wire.errors import BrokenResponse, IntegrityError, NoSuchKey, PreconditionFailed, ServiceError

if TYPE_CHECKING:
    pass

KIB, MIB = 1024, 1024 * 1024
STEP = 128 * KIB

Link = Any
MakeReading = Callable[..., Reading]
MakeData = Callable[..., bytes]
ReadAll = Callable[..., Awaitable[None]]


async def test_a_changed_object_is_an_error_and_no_mixture(
    autojump_clock: trio.testing.MockClock,
    link: Link,
    make_reading: MakeReading,
    make_data: MakeData,
    read_all: ReadAll,
) -> None:
    data = make_data(16 * MIB)
    reader = make_reading().reader(link.store("key", data))
    await read_all(reader, data, stop=MIB)
    link.store("key", make_data(16 * MIB, 7), etag="E2")

    with pytest.raises(PreconditionFailed):
        await read_all(reader, data, start=MIB)


async def test_an_object_of_another_size_is_another_object(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading
) -> None:
    source = link.store("key", b"x" * 1000)
    link.store("key", b"x" * 2000)

    with pytest.raises(PreconditionFailed, match="2000 bytes"):
        await make_reading().reader(source).read(0, 10)


async def test_a_deleted_object_is_an_error(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading
) -> None:
    source = link.store("key", b"x")
    del link.objects["key"]

    with pytest.raises(NoSuchKey):
        await make_reading().reader(source).read(0, 10)


async def test_an_error_ahead_does_not_hurt_before_its_time(
    autojump_clock: trio.testing.MockClock,
    link: Link,
    make_reading: MakeReading,
    make_data: MakeData,
    read_all: ReadAll,
) -> None:
    data = make_data(8 * MIB)
    reading = make_reading()
    reader = reading.reader(link.store("key", data))
    failing = True

    def on_open(get: Any) -> None:
        if failing and get.stop > 4 * MIB:
            raise ServiceError(status=403, code="AccessDenied")

    link.on_open = on_open
    await read_all(reader, data, stop=4 * MIB)
    with pytest.raises(ServiceError, match="AccessDenied"):
        await reader.read(4 * MIB, STEP)

    failing = False
    await read_all(reader, data, start=4 * MIB)


async def test_all_who_wait_for_a_request_hear_of_its_failure(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading
) -> None:
    reading = make_reading()
    source = link.store("key", b"x" * 1000)
    del link.objects["key"]
    failures = 0

    async def read() -> None:
        nonlocal failures
        with pytest.raises(NoSuchKey):
            await reading.reader(source).read(0, 10)
        failures += 1

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(read)

    assert failures == 5
    assert len(link.gets) == 1
    assert reading.blocks.used == 0


async def test_an_answer_that_breaks_off_is_taken_up_where_it_ended(
    autojump_clock: trio.testing.MockClock,
    link: Link,
    make_reading: MakeReading,
    make_data: MakeData,
    read_all: ReadAll,
) -> None:
    data = make_data(16 * MIB)
    reading = make_reading()
    breaks = 0

    def on_chunk(get: Any, position: int, chunk: bytes) -> bytes:
        nonlocal breaks
        if breaks < 20 and position % (256 * KIB) == 0 and position > get.start:
            breaks += 1
            return b""
        return chunk

    link.on_chunk = on_chunk
    source = link.with_crc(link.store("key", data))
    await read_all(reading.reader(source), data)

    assert breaks == 20
    assert link.fetched == len(data)
    assert reading.statistics().verified == 1


async def test_an_answer_that_never_begins_is_an_error(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading
) -> None:
    link.on_chunk = lambda get, position, chunk: b""
    reader = make_reading().reader(link.store("key", b"x" * 100))

    with pytest.raises(BrokenResponse):
        await reader.read(0, 10)
    assert len(link.gets) == 3


async def test_an_unexpected_error_reaches_the_reader_and_ends_nothing(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, caplog: pytest.LogCaptureFixture
) -> None:
    def on_open(get: Any) -> None:
        raise ZeroDivisionError

    reader = make_reading().reader(link.store("key", b"x" * 100))
    link.on_open = on_open
    with pytest.raises(ZeroDivisionError):
        await reader.read(0, 10)
    link.on_open = lambda get: None

    assert await reader.read(0, 10) == b"x" * 10
    assert "reading 0..100 failed" in caplog.text


async def test_a_whole_download_is_checked(
    autojump_clock: trio.testing.MockClock,
    link: Link,
    make_reading: MakeReading,
    make_data: MakeData,
    read_all: ReadAll,
) -> None:
    data = make_data(24 * MIB + 5)
    reading = make_reading(memory=8 * MIB)
    await read_all(reading.reader(link.store("key", data)), data)

    assert reading.statistics().verified == 1
    assert reading.statistics().mismatches == 0


def corrupt_once(link: Link, at: int, times: int = 1) -> None:
    """Let the link change the byte at *at*, so many times."""
    left = times

    def on_chunk(get: Any, position: int, chunk: bytes) -> bytes:
        nonlocal left
        if left and position <= at < position + len(chunk):
            left -= 1
            return chunk[: at - position] + bytes([chunk[at - position] ^ 1]) + chunk[at - position + 1 :]
        return chunk

    link.on_chunk = on_chunk


async def test_wrong_bytes_that_nobody_saw_are_fetched_once_more(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, make_data: MakeData
) -> None:
    data = make_data(60 * KIB)
    reading = make_reading()
    corrupt_once(link, 1000)

    assert await reading.reader(link.store("key", data)).read(0, 100 * KIB) == data
    assert len(link.gets) == 2
    assert reading.statistics().mismatches == 1
    assert reading.statistics().verified == 1


async def test_bytes_that_stay_wrong_are_an_error(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, make_data: MakeData
) -> None:
    reading = make_reading()
    corrupt_once(link, 1000, times=2)

    with pytest.raises(IntegrityError):
        await reading.reader(link.store("key", make_data(60 * KIB))).read(0, 100 * KIB)
    assert len(link.gets) == 2
    assert reading.blocks.used == 0


async def test_nobody_reads_a_wrong_file_to_its_end(
    autojump_clock: trio.testing.MockClock,
    link: Link,
    make_reading: MakeReading,
    make_data: MakeData,
    read_all: ReadAll,
) -> None:
    data = make_data(16 * MIB)
    reading = make_reading()
    reader = reading.reader(link.store("key", data))
    corrupt_once(link, 5 * MIB)

    with pytest.raises(IntegrityError):
        await read_all(reader, data, check=False)
    await read_all(reader, data)
    assert reading.statistics().verified == 1
    reading.blocks.check_invariants()


async def test_a_bystander_hears_that_what_it_read_was_wrong(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, make_data: MakeData
) -> None:
    data = make_data(MIB)
    reading = make_reading()
    source = link.store("key", data)
    bystander, fresh = reading.reader(source), reading.reader(source)
    corrupt_once(link, 100)
    await bystander.read(0, 1000)
    await trio.sleep(10)

    assert await fresh.read(0, 1000) == data[:1000]
    with pytest.raises(IntegrityError):
        await bystander.read(MIB - 10, 10)
    assert await bystander.read(0, 1000) == data[:1000]


async def test_without_a_checksum_nothing_is_checked(
    autojump_clock: trio.testing.MockClock,
    link: Link,
    make_reading: MakeReading,
    make_data: MakeData,
    read_all: ReadAll,
) -> None:
    link.tell_crc = False
    reading = make_reading()
    await read_all(reading.reader(link.store("key", make_data(MIB))), make_data(MIB))

    assert reading.statistics().verified == 0


async def test_wrong_bytes_are_not_put(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading
) -> None:
    reading = make_reading()
    source = link.with_crc(link.store("key", b"hello"))
    reading.put(source, 0, b"hellO")

    assert reading.get(source, 0, 5) is None
    assert await reading.reader(source).read(0, 5) == b"hello"


async def test_aclose_stops_everything(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, large: bytes
) -> None:
    reading = make_reading()
    reader = reading.reader(link.store("large", large))
    outcome: list[BaseException] = []

    async def read() -> None:
        try:
            await reader.read(0, 10)
        except trio.ClosedResourceError as exc:
            outcome.append(exc)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        await reading.aclose()

    assert len(outcome) == 1
    assert link.in_flight == 0
    with pytest.raises(trio.ClosedResourceError):
        await reader.read(0, 10)


async def test_a_reader_does_not_wait_for_a_nursery_that_is_gone(
    autojump_clock: trio.testing.MockClock, link: Link, large: bytes
) -> None:
    source = link.store("large", large)
    async with trio.open_nursery() as nursery:
        reading = Reading(link, nursery=nursery)
        nursery.cancel_scope.cancel()
        reader = reading.reader(source)
        with trio.CancelScope(shield=True), pytest.raises(trio.ClosedResourceError):
            await reader.read(0, 10)


async def test_an_answer_that_is_too_short_without_saying_so_is_taken_up(
    autojump_clock: trio.testing.MockClock,
    link: Link,
    make_reading: MakeReading,
    make_data: MakeData,
    read_all: ReadAll,
) -> None:
    data = make_data(MIB)
    link.stop_at = 300 * KIB
    reading = make_reading()
    await read_all(reading.reader(link.store("key", data)), data)

    assert len(link.gets) > 1
    assert link.fetched == MIB
    assert reading.statistics().verified == 1


async def test_what_else_is_under_way_of_a_wrong_file_is_not_kept(
    autojump_clock: trio.testing.MockClock,
    link: Link,
    make_reading: MakeReading,
    make_data: MakeData,
    read_all: ReadAll,
) -> None:
    """The first bytes come a second time, slowly, when the last of the others show that the file is wrong."""
    data = make_data(4 * MIB)
    reading = make_reading()
    source = link.store("key", data)
    slow, quick = reading.reader(source), reading.reader(source)
    await slow.read(0, 4 * KIB)
    await trio.sleep(1)
    reading.forget("key")
    corrupt_once(link, 3 * MIB)
    failed = []

    async def read(reader: Reader, start: int, stop: int) -> None:
        try:
            await read_all(reader, data, start=start, stop=stop, check=False)
        except IntegrityError:
            failed.append(reader)

    async with trio.open_nursery() as nursery:
        link.delay = lambda get: 1.0 if get.start == 0 else 0.0
        nursery.start_soon(read, slow, 0, STEP)
        nursery.start_soon(read, quick, MIB + STEP, 4 * MIB)

    assert set(failed) == {slow, quick}
    reading.blocks.check_invariants()
    await read_all(slow, data)
