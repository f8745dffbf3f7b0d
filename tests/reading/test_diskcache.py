"""Blocks on disk: what survives, what is refused, what goes when there is too much."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ossmount.reading import Reading
from ossmount.reading.diskcache import BlockName, DiskCache

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

MIB = 1024 * 1024
Link = Any
MakeReading = Callable[..., Reading]
MakeData = Callable[..., bytes]
ReadAll = Callable[..., Awaitable[None]]
Running = Callable[..., "AbstractAsyncContextManager[DiskCache]"]


def block(index: int = 0, key: str = "key", etag: str = "etag") -> BlockName:
    return BlockName(key, etag, index)


async def store(cache: DiskCache, name: BlockName, data: bytes) -> None:
    """Have *data* kept, and wait until it is (or was refused)."""
    before = cache.statistics()
    cache.keep(name, lambda: data)
    with trio.fail_after(120):
        while (now := cache.statistics()).stored + now.dropped == before.stored + before.dropped:
            await trio.lowlevel.checkpoint()


async def stored(reading: Reading, blocks: int) -> None:
    """Wait until so many blocks are on disk."""
    with trio.fail_after(120):
        while reading.statistics().disk.files < blocks:
            await trio.lowlevel.checkpoint()


@pytest.fixture
def running(tmp_path: Path) -> Running:
    @asynccontextmanager
    async def run(limit: int = 100_000, namespace: str = "bucket") -> AsyncIterator[DiskCache]:
        cache = DiskCache(tmp_path / "cache", limit, namespace=namespace)
        async with trio.open_nursery() as nursery:
            await nursery.start(cache.run)
            yield cache
            nursery.cancel_scope.cancel()

    return run


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


async def test_a_block_survives_a_restart(running: Running) -> None:
    async with running() as cache:
        await store(cache, block(3), b"x" * 1000)
        assert await cache.load(block(3)) == b"x" * 1000
    async with running() as cache:
        assert cache.has(block(3))
        assert await cache.load(block(3)) == b"x" * 1000
        assert cache.statistics().hits == 1


async def test_a_block_belongs_to_one_version_of_one_object_of_one_bucket(running: Running) -> None:
    async with running() as cache:
        await store(cache, block(), b"x")

        assert await cache.load(block(index=1)) is None
        assert await cache.load(block(key="other")) is None
        assert await cache.load(block(etag="other")) is None
    async with running(namespace="elsewhere") as cache:
        assert await cache.load(block()) is None


async def test_files_are_private(running: Running, tmp_path: Path) -> None:
    async with running() as cache:
        await store(cache, block(), b"x")
    (file,) = files(tmp_path)

    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", ["flip a byte", "flip the head", "cut", "empty", "lengthen", "another block's"])
async def test_a_damaged_block_is_a_miss_and_is_removed(
    running: Running, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as cache:
        await store(cache, block(), b"x" * 1000)
        (file,) = files(tmp_path)
        content = file.read_bytes()
        if damage == "another block's":
            await store(cache, block(1), b"y" * 1000)
            (other,) = set(files(tmp_path)) - {file}
            changed = other.read_bytes()
            other.unlink()
        else:
            changed = {
                "flip a byte": content[:-500] + b"y" + content[-499:],
                "flip the head": content[:9] + b"\xff" + content[10:],
                "cut": content[:-1],
                "empty": b"",
                "lengthen": content + b"x",
            }[damage]
        file.write_bytes(changed)

        assert await cache.load(block()) is None
        assert not cache.has(block())
        assert cache.statistics().corrupt == 1
        assert files(tmp_path) == []
    assert "corrupt" in caplog.text


async def test_a_block_that_vanished_is_a_miss(running: Running, tmp_path: Path) -> None:
    async with running() as cache:
        await store(cache, block(), b"x")
        files(tmp_path)[0].unlink()

        assert await cache.load(block()) is None
        assert cache.statistics() == type(cache.statistics())(stored=1)


async def test_the_least_recently_used_go_when_there_is_too_much(running: Running) -> None:
    async with running(limit=5000) as cache:
        for index in range(4):
            await store(cache, block(index), b"x" * 1000)
        await cache.load(block(0))
        await store(cache, block(4), b"x" * 1000)

        assert [cache.has(block(index)) for index in range(5)] == [True, False, True, True, True]
        assert cache.statistics().bytes <= 5000


async def test_use_is_remembered_across_restarts(running: Running, tmp_path: Path) -> None:
    async with running(limit=5000) as cache:
        for index in range(4):
            await store(cache, block(index), b"x" * 1000)
    for file in files(tmp_path):
        os.utime(file, (1, 1))
    async with running(limit=5000) as cache:
        await cache.load(block(0))
    async with running(limit=5000) as cache:
        await store(cache, block(4), b"x" * 1000)

        assert cache.has(block(0))
        assert cache.statistics().files == 4


async def test_a_smaller_limit_holds_from_the_next_block_on(running: Running, tmp_path: Path) -> None:
    async with running() as cache:
        for index in range(9):
            await store(cache, block(index), b"x" * 1000)
    async with running(limit=3000) as cache:
        await store(cache, block(9), b"x" * 1000)

        assert cache.statistics().bytes <= 3000
        assert len(files(tmp_path)) == cache.statistics().files


async def test_what_a_crash_left_over_is_removed(running: Running, tmp_path: Path) -> None:
    async with running() as cache:
        await store(cache, block(), b"x")
    (file,) = files(tmp_path)
    left = file.with_name(file.name + ".tmp")
    left.write_bytes(b"half")
    (tmp_path / "cache" / "README").write_text("not ours")
    async with running() as cache:
        assert cache.statistics().files == 1
        assert not left.exists()


async def test_a_disk_that_cannot_be_written_is_said_once(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with running() as cache:
        with monkeypatch.context() as patch:
            patch.setattr(os, "writev", full)
            await store(cache, block(0), b"x")
            await store(cache, block(1), b"x")
        assert cache.statistics().dropped == 2
        assert [record.levelname for record in caplog.records if "cannot keep" in record.message] == ["WARNING"]

        await store(cache, block(2), b"x")
        assert cache.statistics().files == 1


async def test_a_disk_that_is_nearly_full_is_given_back(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = os.statvfs(tmp_path)

    async with running() as cache:
        for index in range(5):
            await store(cache, block(index), b"x" * 1000)
        reserve = int(status.f_blocks * 0.05)
        full = os.statvfs_result((status.f_bsize, status.f_frsize, status.f_blocks, *[reserve] * 2, *status[5:]))
        monkeypatch.setattr(os, "statvfs", lambda path: full)
        await store(cache, block(5), b"x" * 1000)

        assert not cache.has(block(5))
        assert cache.statistics().files < 5
        assert len(files(tmp_path)) == cache.statistics().files


async def test_a_directory_that_cannot_be_made_is_no_disaster(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = DiskCache(tmp_path / "file" / "cache", 1000)
    async with trio.open_nursery() as nursery:
        await nursery.start(cache.run)
        await store(cache, block(), b"x")
        nursery.cancel_scope.cancel()

    assert cache.statistics().files == 0
    assert "cannot keep" in caplog.text


async def test_discarded_blocks_are_gone(running: Running, tmp_path: Path) -> None:
    async with running() as cache:
        for index in range(3):
            await store(cache, block(index), b"x")
        await cache.discard([block(0), block(2), block(7)])

        assert [cache.has(block(index)) for index in range(3)] == [False, True, False]
        assert len(files(tmp_path)) == 1


async def test_a_block_that_is_discarded_while_it_is_written_is_not_kept(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as cache:
        write = cache._write
        done = trio.Event()

        def slow_write(*args: Any) -> int:
            lacking = write(*args)
            trio.from_thread.run(cache.discard, [block(0)])
            trio.from_thread.run_sync(done.set)
            return lacking

        monkeypatch.setattr(cache, "_write", slow_write)
        cache.keep(block(0), lambda: b"wrong")
        await done.wait()
        monkeypatch.undo()
        await store(cache, block(1), b"right")

        assert not cache.has(block(0))
        assert len(files(tmp_path)) == 1


async def test_too_many_waiting_blocks_are_not_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", 1000)
    for index in range(2000):
        cache.keep(block(index), lambda: b"x")
        cache.keep(block(index), lambda: b"x")

    assert cache.statistics().dropped > 0
    assert "0 files" in repr(cache)


# With a reader


async def test_what_was_read_is_not_fetched_after_a_restart(
    link: Link, make_reading: MakeReading, make_data: MakeData, read_all: ReadAll, tmp_path: Path
) -> None:
    data = make_data(9 * MIB + 123)
    source = link.with_crc(link.store("key", data))
    link.latency, link.bandwidth = 0, 1e12
    first = make_reading(cache_dir=str(tmp_path / "cache"), cache_size=100 * MIB)
    reader = first.reader(source)
    await read_all(reader, data)
    await stored(first, 10)
    await first.aclose()
    before = len(link.gets)

    second = make_reading(cache_dir=str(tmp_path / "cache"), cache_size=100 * MIB)
    await stored(second, 10)
    reader = second.reader(source)
    await read_all(reader, data)

    assert len(link.gets) == before
    assert second.statistics().disk_hits == 10
    assert second.statistics().requests == 0
    assert second.statistics().verified == 1


async def test_a_corrupt_block_is_fetched_again(
    link: Link,
    make_reading: MakeReading,
    make_data: MakeData,
    read_all: ReadAll,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = make_data(3 * MIB)
    source = link.store("key", data)
    link.latency, link.bandwidth = 0, 1e12
    first = make_reading(cache_dir=str(tmp_path / "cache"), cache_size=100 * MIB)
    await read_all(first.reader(source), data)
    await stored(first, 3)
    await first.aclose()
    file = files(tmp_path)[0]
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    before = link.fetched

    second = make_reading(cache_dir=str(tmp_path / "cache"), cache_size=100 * MIB)
    await stored(second, 3)
    await read_all(second.reader(source), data)

    assert link.fetched - before == MIB
    assert second.statistics().disk.corrupt == 1
    assert "corrupt" in caplog.text


async def test_small_files_that_were_put_are_kept_on_disk(
    link: Link, make_reading: MakeReading, tmp_path: Path
) -> None:
    reading = make_reading(cache_dir=str(tmp_path / "cache"), cache_size=MIB)
    source = link.store("key", b"hello")
    reading.put(source, 0, b"hello")
    await stored(reading, 1)
    reading.forget("key")

    assert await reading.reader(source).read(0, 10) == b"hello"
    assert link.gets == []


async def test_blocks_of_a_wrong_file_leave_the_disk(
    link: Link,
    make_reading: MakeReading,
    make_data: MakeData,
    read_all: ReadAll,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = make_data(3 * MIB)
    wrong = b"?" + data[1:]
    link.latency, link.bandwidth = 0, 1e12
    source = link.store("key", wrong)
    link.tell_crc = False
    reading = make_reading(cache_dir=str(tmp_path / "cache"), cache_size=100 * MIB)
    await read_all(reading.reader(source), wrong)
    await stored(reading, 3)
    reading.forget("key")
    link.store("key", data)
    right = link.with_crc(source)

    await read_all(reading.reader(right), data, start=MIB)
    reader = reading.reader(right)
    assert await reader.read(0, MIB) == data[:MIB]
    await stored(reading, 1)
    assert "CRC-64" in caplog.text
