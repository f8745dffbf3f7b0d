"""Reading through a link with latency and bandwidth, on a virtual clock: counts and times are exact."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from ossmount.reading import Reader, Reading, ReadingOptions
from ossmount.reading.reader import MAX_HOLE

if TYPE_CHECKING:
    from ossmount.wire.models import Source

KIB, MIB = 1024, 1024 * 1024
STEP = 128 * KIB

Link = Any
MakeReading = Callable[..., Reading]
MakeData = Callable[..., bytes]
ReadAll = Callable[..., Awaitable[None]]


async def test_256_mib_in_order_keep_the_link_busy(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, read_all: ReadAll, large: bytes
) -> None:
    reading = make_reading()
    reader = reading.reader(link.store("large", large))
    begun = trio.current_time()
    await read_all(reader, large)
    took = trio.current_time() - begun

    assert took < 0.6, "the link alone needs 0.17 s at 16 connections"
    assert link.most_in_flight >= 8
    assert max(get.size for get in link.gets) <= 8 * MIB
    assert link.fetched == len(large)
    assert reading.statistics().wasted == 0
    assert reading.statistics().in_memory <= reading.options.memory


async def test_a_reader_wakes_when_its_bytes_are_there(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, make_data: MakeData
) -> None:
    data = make_data(4 * MIB)
    reader = make_reading().reader(link.store("key", data))
    begun = trio.current_time()
    await reader.read(0, 4 * KIB)

    assert trio.current_time() - begun < link.latency + 2 * link.chunk / link.bandwidth
    assert link.gets[0].size == MIB + 128 * KIB


async def test_random_reads_are_small_gets(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, large: bytes
) -> None:
    random = Random(1)
    reader = make_reading().reader(link.store("large", large))
    for _ in range(100):
        offset = random.randrange(len(large) - 4 * KIB)
        assert await reader.read(offset, 4 * KIB) == large[offset : offset + 4 * KIB]

    assert len(link.gets) <= 100
    assert sum(get.size > 128 * KIB for get in link.gets) == 1
    assert sum(get.size for get in link.gets[1:]) <= 99 * 8 * KIB


async def test_random_reads_that_are_repeated_are_hits(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, large: bytes
) -> None:
    reading = make_reading()
    reader = reading.reader(link.store("large", large))
    offsets = [Random(2).randrange(len(large)) for _ in range(50)]
    for offset in offsets * 3:
        await reader.read(offset, 4 * KIB)

    assert len(link.gets) <= 51
    assert reading.statistics().hits >= 100


async def test_random_reads_of_a_file_whose_beginning_came_with_its_open_are_all_small(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, large: bytes
) -> None:
    reading = make_reading()
    source = link.store("large", large)
    reading.put(source, 0, large[: MIB + STEP])
    reader = reading.reader(source)
    for seed in range(50):
        await reader.read(Random(seed).randrange(10 * MIB, len(large)), 4 * KIB)

    assert max(get.size for get in link.gets) <= 128 * KIB


async def test_a_file_whose_beginning_came_with_its_open_is_read_ahead_as_quickly(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, large: bytes, read_all: ReadAll
) -> None:
    reading = make_reading()
    source = link.store("large", large)
    reading.put(source, 0, large[: MIB + STEP])
    begun = trio.current_time()
    await read_all(reading.reader(source), large, step=4 * KIB, stop=64 * MIB)

    assert trio.current_time() - begun < 0.25
    assert len(link.gets) < 100


def covers(outer: Any, inner: Any) -> bool:
    return bool(outer.start <= inner.start and inner.stop <= outer.stop)


async def test_concurrent_reads_in_any_order_fetch_everything_once(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, large: bytes
) -> None:
    """As the kernel sends them when it reads ahead by itself."""
    data = large[: 32 * MIB]
    reader = make_reading().reader(link.store("key", data))

    async def read(offset: int) -> None:
        assert await reader.read(offset, STEP) == data[offset : offset + STEP]

    for batch in range(0, len(data), 8 * STEP):
        async with trio.open_nursery() as nursery:
            for offset in range(batch, batch + 8 * STEP, STEP):
                nursery.start_soon(read, offset)

    # A request may go through one small hole, though another brings what is in it: that is cheaper than a third.
    inside = [get for get in link.gets if any(get is not other and covers(other, get) for other in link.gets)]
    assert link.fetched == len(data) + sum(get.size for get in inside)
    assert len(inside) <= 1
    assert all(get.size <= MAX_HOLE for get in inside)
    assert len(link.gets) < 70


async def test_20_readers_at_once_stay_within_the_budget(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, read_all: ReadAll, large: bytes
) -> None:
    reading = make_reading(memory=64 * MIB)
    readers = [reading.reader(link.store(f"file{i}", large[i * MIB : i * MIB + 16 * MIB])) for i in range(20)]
    most = 0

    async def read(i: int) -> None:
        nonlocal most
        data = large[i * MIB : i * MIB + 16 * MIB]
        for offset in range(0, len(data), STEP):
            assert await readers[i].read(offset, STEP) == data[offset : offset + STEP]
            most = max(most, reading.blocks.used)

    async with trio.open_nursery() as nursery:
        for i in range(20):
            nursery.start_soon(read, i)

    assert most <= 64 * MIB
    assert link.fetched == 20 * 16 * MIB, "nothing was fetched twice"
    assert reading.statistics().wasted == 0


async def test_a_tiny_budget_still_serves_everybody(
    autojump_clock: trio.testing.MockClock,
    link: Link,
    make_reading: MakeReading,
    make_data: MakeData,
    read_all: ReadAll,
) -> None:
    reading = make_reading(memory=256 * KIB)
    sources = [link.store(f"file{i}", make_data(2 * MIB, i)) for i in range(20)]
    with trio.fail_after(100):
        async with trio.open_nursery() as nursery:
            for i, source in enumerate(sources):
                nursery.start_soon(read_all, reading.reader(source), make_data(2 * MIB, i))

    assert reading.blocks.used <= 20 * (STEP + KIB)


async def test_readers_of_one_version_share_blocks_and_requests(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, read_all: ReadAll, large: bytes
) -> None:
    data = large[: 32 * MIB]
    reading = make_reading()
    source = link.store("key", data)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(read_all, reading.reader(source), data)

    assert link.fetched == len(data)


async def test_another_version_shares_nothing(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, make_data: MakeData
) -> None:
    reading = make_reading()
    old = link.store("key", make_data(1000, 1), etag="E1")
    await reading.reader(old).read(0, 1000)
    new = link.store("key", make_data(1000, 2), etag="E2")

    assert await reading.reader(new).read(0, 1000) == make_data(1000, 2)
    assert reading.get(old, 0, 1000) == make_data(1000, 1)


async def test_a_skip_forward_within_the_window_needs_no_new_request(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, read_all: ReadAll, large: bytes
) -> None:
    reading = make_reading()
    reader = reading.reader(link.store("large", large))
    await read_all(reader, large, stop=32 * MIB)
    await trio.sleep(10)
    before = trio.current_time()
    assert await reader.read(40 * MIB, STEP) == large[40 * MIB : 40 * MIB + STEP]

    assert trio.current_time() == before


async def test_two_streams_of_one_reader_are_both_read_ahead(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, large: bytes
) -> None:
    reader = make_reading().reader(link.store("large", large))
    for offset in range(0, 32 * MIB, STEP):
        assert await reader.read(offset, STEP) == large[offset : offset + STEP]
        offset += 128 * MIB
        assert await reader.read(offset, STEP) == large[offset : offset + STEP]

    assert len(link.gets) < 140
    assert link.most_in_flight >= 8


async def test_a_slow_reader_is_not_read_far_ahead(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, large: bytes
) -> None:
    reader = make_reading().reader(link.store("large", large))
    for offset in range(0, 16 * MIB, STEP):
        await reader.read(offset, STEP)
        await trio.sleep(0.1)

    assert link.fetched <= 16 * MIB + 5 * MIB


async def test_closing_a_reader_stops_what_it_asked_for_ahead(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, read_all: ReadAll, large: bytes
) -> None:
    reading = make_reading()
    reader = reading.reader(link.store("large", large))
    await read_all(reader, large, stop=64 * MIB)
    reader.close()
    reader.close()
    before = link.fetched
    await trio.sleep(10)

    assert any(get.cancelled for get in link.gets)
    assert link.fetched - before < 4 * MIB
    assert reading.statistics().requests_under_way == 0
    assert reading.statistics().readers == 0
    reading.blocks.check_invariants()
    with pytest.raises(trio.ClosedResourceError):
        await reader.read(0, 1)


async def test_what_another_reader_counts_on_goes_on(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, read_all: ReadAll, large: bytes
) -> None:
    reading = make_reading()
    source = link.store("large", large)
    first, second = reading.reader(source), reading.reader(source)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_all, first, large, STEP, 0, 64 * MIB)
        nursery.start_soon(read_all, second, large, STEP, 0, 64 * MIB)
    first.close()
    await read_all(second, large, start=64 * MIB)

    assert link.fetched == len(large)
    assert not any(get.cancelled for get in link.gets)


async def test_a_cancelled_read_leaves_the_request_to_others(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, make_data: MakeData
) -> None:
    data = make_data(MIB)
    reading = make_reading()
    reader = reading.reader(link.store("key", data))
    with trio.move_on_after(0.005):
        await reader.read(0, 100)

    assert await reader.read(0, 100) == data[:100]
    assert len(link.gets) == 1
    assert reader.version.pins == []


async def test_reads_are_clipped_at_the_end(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading
) -> None:
    reader = make_reading().reader(link.store("key", b"hello"))

    assert await reader.read(0, 100) == b"hello"
    assert await reader.read(3, 100) == b"lo"
    assert await reader.read(5, 1) == b""
    assert await reader.read(500, 1) == b""


async def test_an_empty_file_needs_no_request(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading
) -> None:
    assert await make_reading().reader(link.store("key", b"")).read(0, 10) == b""
    assert link.gets == []


async def test_a_source_without_an_etag_is_refused(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading
) -> None:
    source = link.store("key", b"x", etag="")

    with pytest.raises(ValueError, match="ETag"):
        make_reading().reader(source)


async def test_bytes_that_were_put_are_not_fetched(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, make_data: MakeData
) -> None:
    data = make_data(3 * MIB)
    reading = make_reading()
    source = link.with_crc(link.store("key", data))
    reading.put(source, 0, data[: 100 * KIB])
    reader = reading.reader(source)
    await reader.read(0, 100 * KIB)
    assert link.gets == [] or link.gets[0].start >= 100 * KIB

    for offset in range(0, len(data), STEP):
        assert await reader.read(offset, STEP) == data[offset : offset + STEP]
    assert link.fetched == len(data) - 100 * KIB
    assert reading.statistics().verified == 1


async def test_put_get_has_and_forget(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading
) -> None:
    reading = make_reading()
    source: Source = link.store("key", b"hello world")
    assert reading.get(source, 0, 5) is None
    assert not reading.has(source, 0, 5)
    reading.put(source, 2, memoryview(b"llo wo"))

    assert reading.get(source, 3, 7) == b"lo w"
    assert reading.get(source, 0, 4) is None
    assert reading.has(source, 2, 8)
    assert not reading.has(source, 2, 9)
    reading.put(source, 0, b"he")
    reading.put(source, 8, b"rld and more")
    assert reading.get(source, 0, 1000) == b"hello world"
    assert reading.get(source, 20, 1000) == b""
    reading.forget("key")
    assert not reading.has(source, 0, 1)
    assert reading.blocks.used == 0


async def test_more_than_memory_can_take_is_not_put(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading
) -> None:
    reading = make_reading(memory=1000)
    source = link.store("key", b"x" * 600)
    reading.put(source, 0, b"x" * 600)

    assert not reading.has(source, 0, 1)


async def test_a_read_larger_than_the_budget_succeeds(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, make_data: MakeData
) -> None:
    data = make_data(24 * MIB)
    reading = make_reading(memory=4 * MIB)

    assert await reading.reader(link.store("key", data)).read(0, len(data)) == data
    assert max(get.size for get in link.gets) <= 8 * MIB
    assert len({get.start for get in link.gets}) == len(link.gets)


async def test_at_most_so_many_requests_are_sent_ahead(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, read_all: ReadAll, large: bytes
) -> None:
    reading = make_reading(parallel=5)
    await read_all(reading.reader(link.store("large", large)), large, stop=64 * MIB)

    assert link.most_in_flight <= 6


async def test_reprs_help(
    autojump_clock: trio.testing.MockClock, link: Link, make_reading: MakeReading, large: bytes
) -> None:
    reading = make_reading()
    reader: Reader = reading.reader(link.store("large", large))
    await reader.read(0, 10)

    assert "1 readers, 1 requests under way" in repr(reading)
    assert "'large'" in repr(reader)
    assert "0 waiting" in repr(next(reading.under_way(reader.version, 0, len(large))))


@pytest.mark.parametrize("options", [{"memory": 0}, {"block_size": 1000}, {"cache_size": -1}, {"parallel": -3}])
def test_options_that_make_no_sense_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        ReadingOptions(**options)  # type: ignore[arg-type]
