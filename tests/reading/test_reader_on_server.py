"""The same room on the embedded server, over real sockets and the real client: counts, bytes and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ossmount.oss.client import Client
from ossmount.oss.credentials import StaticCredentials
from ossmount.oss.endpoints import Endpoint
from ossmount.reading import Reading, ReadingOptions
from ossmount.server.faults import Fault
from ossmount.wire.errors import AccessDenied, IntegrityError, NoSuchKey, PreconditionFailed

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from ossmount.oss.bucket import Bucket
    from ossmount.server.threaded import ThreadedServer

KIB, MIB = 1024, 1024 * 1024
STEP = 128 * KIB

MakeData = Callable[..., bytes]
ReadAll = Callable[..., Awaitable[None]]
Room = Callable[..., "AbstractAsyncContextManager[tuple[Bucket, Reading]]"]


@pytest.fixture
def room(oss_server: ThreadedServer) -> Room:
    """A bucket on the server, and the room that reads it; keyword arguments are options."""

    @asynccontextmanager
    async def open_room(**options: Any) -> AsyncIterator[tuple[Bucket, Reading]]:
        endpoint = Endpoint.parse(oss_server.url, region="cn-hangzhou")
        async with Client(endpoint, StaticCredentials("ak", "sk")) as client, trio.open_nursery() as nursery:
            bucket = client.bucket("bucket")
            if oss_server.store.bucket("bucket") is None:
                await bucket.put_bucket()
            reading = Reading(bucket, nursery=nursery, options=ReadingOptions(**options))
            with trio.fail_after(200):
                yield bucket, reading
                await reading.aclose()

    return open_room


async def test_a_sequential_read_is_parallel_and_checked(
    room: Room, oss_server: ThreadedServer, make_data: MakeData, read_all: ReadAll
) -> None:
    data = make_data(64 * MIB)
    async with room() as (bucket, reading):
        await bucket.put_object("large", data)
        for first in (16, 40):
            oss_server.faults.add(Fault(operation="GetObject", delay=15, first=first, count=8, together=8))
        reader = reading.reader((await bucket.head_object("large")).source)
        await read_all(reader, data)

        assert oss_server.max_in_flight("GetObject") >= 8
        assert oss_server.count("GetObject") <= 70
        assert reading.statistics().verified == 1
        assert reading.statistics().fetched == len(data)


async def test_random_reads_are_one_small_get_each(room: Room, oss_server: ThreadedServer, make_data: MakeData) -> None:
    data = make_data(64 * MIB)
    random = Random(1)
    async with room() as (bucket, reading):
        await bucket.put_object("large", data)
        reader = reading.reader((await bucket.head_object("large")).source)
        for _ in range(100):
            offset = random.randrange(len(data) - 4 * KIB)
            assert await reader.read(offset, 4 * KIB) == data[offset : offset + 4 * KIB]

        assert oss_server.count("GetObject") <= 100
        assert reading.statistics().fetched <= MIB + 128 * KIB + 99 * 8 * KIB


async def test_20_readers_share_the_memory(room: Room, make_data: MakeData, read_all: ReadAll) -> None:
    data = [make_data(4 * MIB, i) for i in range(20)]
    async with room(memory=32 * MIB) as (bucket, reading):
        for i in range(20):
            await bucket.put_object(f"file{i}", data[i])
        async with trio.open_nursery() as nursery:
            for i in range(20):
                source = (await bucket.head_object(f"file{i}")).source
                nursery.start_soon(read_all, reading.reader(source), data[i])

        assert reading.statistics().fetched == 20 * 4 * MIB
        assert reading.statistics().in_memory <= 32 * MIB
        assert reading.statistics().verified == 20


async def test_an_object_that_is_replaced_under_a_reader_is_an_error(
    room: Room, make_data: MakeData, read_all: ReadAll
) -> None:
    data = make_data(16 * MIB)
    async with room() as (bucket, reading):
        await bucket.put_object("key", data)
        reader = reading.reader((await bucket.head_object("key")).source)
        await read_all(reader, data, stop=MIB)
        await bucket.put_object("key", make_data(16 * MIB, 1))
        with pytest.raises(PreconditionFailed):
            await read_all(reader, data, start=MIB)

        await bucket.delete_object("key")
        with pytest.raises(NoSuchKey):
            await reader.read(15 * MIB, 10)


@pytest.mark.parametrize("fault", [{"cut": 300_000}, {"cut": 0}, {"reset": True}, {"status": 503}, {"corrupt": 70_000}])
@pytest.mark.parametrize("nth", [1, 2, 4])
async def test_a_get_that_fails_costs_nothing_but_time(
    room: Room, oss_server: ThreadedServer, make_data: MakeData, read_all: ReadAll, fault: dict[str, Any], nth: int
) -> None:
    data = make_data(4 * MIB)
    async with room() as (bucket, reading):
        await bucket.put_object("key", data)
        reader = reading.reader((await bucket.head_object("key")).source)
        oss_server.faults.add(Fault(operation="GetObject", first=nth, **fault))
        if "corrupt" in fault:
            with pytest.raises(IntegrityError):
                await read_all(reader, data, check=False)
        await read_all(reader, data)

        assert reading.statistics().verified == 1
        assert reading.statistics().requests_under_way == 0
        reading.blocks.check_invariants()


async def test_a_link_that_is_down_is_an_error_and_works_again_when_it_is_up(
    room: Room, oss_server: ThreadedServer, make_data: MakeData, read_all: ReadAll
) -> None:
    data = make_data(4 * MIB)
    async with room() as (bucket, reading):
        await bucket.put_object("key", data)
        reader = reading.reader((await bucket.head_object("key")).source)
        await read_all(reader, data, stop=MIB)
        oss_server.faults.add(Fault(operation="GetObject", status=403, code="AccessDenied", count=None))
        with pytest.raises(AccessDenied):
            await read_all(reader, data, start=MIB)
        oss_server.faults.clear()

        await read_all(reader, data)


async def test_a_restart_reads_from_disk(
    room: Room, oss_server: ThreadedServer, make_data: MakeData, read_all: ReadAll, tmp_path: Path
) -> None:
    data = make_data(5 * MIB + 1)
    options = {"cache_dir": str(tmp_path / "cache"), "cache_size": 100 * MIB}
    async with room(**options) as (bucket, reading):
        await bucket.put_object("key", data)
        source = (await bucket.head_object("key")).source
        await read_all(reading.reader(source), data)
        while reading.statistics().disk.files < 6:
            await trio.lowlevel.checkpoint()
    before = oss_server.count("GetObject")
    async with room(**options) as (bucket, reading):
        while reading.statistics().disk.files < 6:
            await trio.lowlevel.checkpoint()
        await read_all(reading.reader(source), data)

        assert oss_server.count("GetObject") == before
        assert reading.statistics().verified == 1
