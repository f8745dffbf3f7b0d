"""Files that are read and written while their upload fails: nobody waits for it, and nobody gets other bytes."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
import trio

from ossmount.oss import ClientOptions, Endpoint, RetryPolicy, StaticCredentials, open_cluster
from ossmount.server.faults import Fault
from ossmount.server.threaded import ThreadedServer

World = Any


async def test_a_write_does_not_wait_for_an_upload_that_fails_again_and_again(world: World) -> None:
    async with world.mount() as view:
        world.server.faults.add(Fault(operation="PutObject", count=None, status=500))
        fh = await view.open("f", os.O_CREAT | os.O_WRONLY)
        await view.pwrite(fh, b"first", 0)
        await view.fs.flush(fh)
        file = (await view.node("f")).file
        with trio.fail_after(120):
            while not (file.put.started and file._upload.committing):
                await trio.lowlevel.checkpoint()
            await view.pwrite(fh, b"other", 0)
        world.server.faults.clear()
        await view.close(fh)
        assert await view.flush() == {"pending": 0, "failed": []}
        assert await view.read("f") == b"other"


async def test_a_read_of_bytes_that_somebody_else_replaced_is_never_short(world: World, oss2_bucket: Any) -> None:
    oss2_bucket.put_object("f", b"clean " * 1000)
    async with world.mount() as view:
        fh = await view.open("f", os.O_RDWR)
        await view.pwrite(fh, b"dirty", 0)
        oss2_bucket.put_object("f", b"THEIRS" * 1000)
        world.server.reset()
        for fault in (Fault(operation="GetObject", delay=50, together=2), Fault(operation="GetObject", delay=0.3)):
            world.server.faults.add(fault)  # the upload's, which is refused after ours
        await view.fs.flush(fh)
        with trio.fail_after(120):
            while not world.server.count("GetObject"):
                await trio.lowlevel.checkpoint()
            with pytest.raises(OSError, match="replaced behind the mount"):
                await view.fs.read(fh, 0, 6000)
        view.crash()


async def test_a_file_is_read_while_one_endpoint_has_its_new_bytes_and_the_other_is_down(
    world: World, tmp_path: Any
) -> None:
    content = os.urandom(300_000)
    changed = b"changed" + content[7:]
    quick = RetryPolicy(attempts=1, base=0.0)
    with ThreadedServer(tmp_path / "second") as second:
        second.store.put_bucket("bucket")
        endpoints = [Endpoint.parse(each.url, region="cn-hangzhou") for each in (world.server, second)]
        opened = open_cluster(
            endpoints, StaticCredentials("ak", "sk"), "bucket", options=ClientOptions(retry=quick), steady=True
        )
        async with world.mount(opened=opened) as view:
            await view.write("f", content)
            await view.flush()
            fh = await view.open("f", os.O_RDWR)
            await view.pwrite(fh, b"changed", 0)
            second.faults.add(Fault(operation="PutObject", count=None, status=500))
            await view.fs.flush(fh)
            with trio.fail_after(120):
                while view.rooms.executor.statistics().retries < 1:
                    await trio.lowlevel.checkpoint()
            second.faults.add(Fault(count=None, status=500))
            view.rooms.reading.forget("f")
            assert await view.pread(fh) == changed
            second.faults.clear()
            await view.close(fh)
            assert await view.flush() == {"pending": 0, "failed": []}
            for member in view.rooms.bucket.members:
                assert (await member.get_object("f"))[1] == changed


async def test_what_waits_for_credentials_survives_a_crash_and_then_goes_on_by_itself(
    world: World, bucket_contents: Any
) -> None:
    refused = [
        Fault(operation=operation, count=None, status=403, code="SecurityTokenExpired")
        for operation in ("PutObject", "ListObjects", "GetObjectACL", "DeleteObject")
    ]
    async with world.mount() as view:
        await view.mkdir("d")
        for name in ("d/a", "b", "c"):
            await view.write(name, b"old")
        await view.flush()
        for fault in refused:
            world.server.faults.add(fault)
        await view.write("new", b"content")
        await view.write("b", b"changed")
        await view.rename("d", "e")
        await view.unlink("c")
        with trio.fail_after(120):
            while view.rooms.executor.statistics().failed < 4:
                await trio.lowlevel.checkpoint()
        view.crash()
    # A mount begins when it can ask at all.
    world.server.faults.clear()
    for fault in refused:
        if fault.operation != "ListObjects":
            world.server.faults.add(fault)
    async with world.mount() as view:
        with trio.fail_after(120):
            while view.rooms.executor.statistics().failed < 3:
                await trio.lowlevel.checkpoint()
            world.server.faults.clear()
            while view.rooms.executor.live:
                await trio.lowlevel.checkpoint()
        assert await view.read("new") == b"content"
        assert await view.read("b") == b"changed"
    assert {key: value[0] for key, value in bucket_contents().items()} == {
        "b": b"changed",
        "new": b"content",
        "e/": b"",
        "e/a": b"old",
    }


async def test_flush_never_says_that_all_is_well_when_the_bucket_is_away(world: World) -> None:
    async with world.mount() as view:
        await view.write("kept", b"")
        await view.flush()
        view.rooms.executor._options = replace(view.rooms.executor._options, patience=0.2)
        world.server.faults.add(Fault(count=None, status=500))
        await view.rename("kept", "other")
        await view.write("new", b"bytes")
        told = await view.flush()
        assert told["pending"] == 2
        assert {each["path"] for each in told["failed"]} == {"kept", "new"}
        assert all("InternalError" in each["error"] for each in told["failed"])
        world.server.faults.clear()
        assert await view.flush() == {"pending": 0, "failed": []}


@pytest.mark.parametrize("gone", [False, True])
async def test_what_somebody_else_replaced_or_removed_can_be_removed_while_it_is_open(
    world: World, oss2_bucket: Any, *, gone: bool
) -> None:
    oss2_bucket.put_object("f", b"ours" * 1_000_000)
    async with world.mount() as view:
        fh = await view.open("f")
        if gone:
            oss2_bucket.delete_object("f")
        else:
            oss2_bucket.put_object("f", b"their" * 1_000_000)
        await view.unlink("f")
        assert await view.flush() == {"pending": 0, "failed": []}
        assert not oss2_bucket.object_exists("f")
        with pytest.raises(OSError, match="replaced behind the mount"):
            await view.fs.read(fh, 3_000_000, 10)
        await view.close(fh)


async def test_flush_brings_what_there_is_into_the_bucket_though_somebody_writes_on(
    world: World, oss2_bucket: Any
) -> None:
    async with world.mount(part_size=131_072) as view:
        world.server.faults.add(Fault(operation="UploadPart", delay=0.3, count=None))
        fh = await view.open("f", os.O_CREAT | os.O_WRONLY)
        await view.pwrite(fh, bytes(400_000), 0)
        told: dict[str, Any] = {}

        async def flush() -> None:
            told.update(await view.flush())

        with trio.fail_after(120):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(flush)
                await _upload_begins(view, "f")
                await view.pwrite(fh, b"more", 0)  # waits for what somebody waits for
        assert told == {"pending": 0, "failed": []}
        assert oss2_bucket.get_object("f").read() == bytes(400_000)
        world.server.faults.clear()
        await view.close(fh)
        assert await view.flush() == {"pending": 0, "failed": []}
        assert oss2_bucket.get_object("f").read() == b"more" + bytes(399_996)


async def _upload_begins(view: Any, name: str) -> None:
    while (file := (await view.node(name)).file) is None or file.put is None or not file.put.started:
        await trio.lowlevel.checkpoint()


async def test_fsync_is_not_kept_waiting_by_somebody_who_writes_and_stays(world: World, oss2_bucket: Any) -> None:
    async with world.mount() as view:
        ours = await view.open("f", os.O_CREAT | os.O_WRONLY)
        theirs = await view.open("f", os.O_WRONLY)
        await view.pwrite(ours, b"first", 0)
        world.server.faults.add(Fault(operation="PutObject", delay=0.2))
        with trio.fail_after(120):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(view.fs.fsync, ours)
                await _upload_begins(view, "f")
                await view.pwrite(theirs, b"other", 100)
        assert oss2_bucket.get_object("f").read() == b"first"
        await view.close(theirs)
        await view.close(ours)


async def test_a_write_while_an_upload_waits_for_its_next_try_goes_with_it(world: World, oss2_bucket: Any) -> None:
    async with world.mount() as view:
        view.rooms.executor._options = replace(view.rooms.executor._options, retry_base=2.0, retry_limit=2.0)
        world.server.faults.add(Fault(operation="PutObject", count=3, status=500))  # the tries of one attempt
        ours = await view.open("f", os.O_CREAT | os.O_WRONLY)
        await view.pwrite(ours, b"first", 0)
        with trio.fail_after(120):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(view.fs.fsync, ours)
                while not view.rooms.executor.statistics().retries:
                    await trio.lowlevel.checkpoint()
                await view.pwrite(ours, b"other", 0)
        assert oss2_bucket.get_object("f").read() == b"other"
        await view.close(ours)


async def test_a_new_file_is_synced_though_somebody_writes_the_one_that_had_its_name_before(world: World) -> None:
    async with world.mount() as view:
        await view.write("f.tmp", b"first")
        world.server.faults.add(Fault(operation="PutObject", delay=0.2))
        with trio.fail_after(120):
            await _upload_begins(view, "f.tmp")
            await view.rename("f.tmp", "f")
            theirs = await view.open("f", os.O_RDWR)
            await view.pwrite(theirs, b"other", 0)
            ours = await view.open("f.tmp", os.O_CREAT | os.O_WRONLY)
            await view.pwrite(ours, b"second", 0)
            await view.fs.fsync(ours)
        await view.close(ours)
        await view.close(theirs)


async def test_fsync_waits_for_a_file_that_gets_another_name_meanwhile(world: World, oss2_bucket: Any) -> None:
    async with world.mount() as view:
        world.server.faults.add(Fault(operation="PutObject", count=3, status=500))
        fh = await view.open("f", os.O_CREAT | os.O_WRONLY)
        await view.pwrite(fh, b"bytes", 0)
        with trio.fail_after(120):
            async with trio.open_nursery() as nursery:

                async def sync() -> None:
                    await view.fs.fsync(fh)
                    assert oss2_bucket.get_object("g").read() == b"bytes"

                nursery.start_soon(sync)
                while not view.rooms.executor.statistics().retries:
                    await trio.lowlevel.checkpoint()
                await view.rename("f", "g")
        await view.close(fh)


async def test_nothing_is_left_of_a_file_that_is_removed_while_its_upload_begins(
    world: World, oss2_bucket: Any
) -> None:
    async with world.mount(part_size=131_072) as view:
        world.server.faults.add(Fault(operation="InitiateMultipartUpload", delay=0.3))
        fh = await view.open("f", os.O_CREAT | os.O_WRONLY)
        with trio.fail_after(120):
            for offset in range(0, 600_000, 100_000):
                await view.pwrite(fh, bytes(100_000), offset)
            while not world.server.count("InitiateMultipartUpload"):
                await trio.lowlevel.checkpoint()
            await view.unlink("f")
            await view.close(fh)
            while not world.server.count("AbortMultipartUpload"):
                await trio.lowlevel.checkpoint()
    assert not oss2_bucket.list_multipart_uploads().upload_list
    assert not list((world.places.state / "staging").glob("*.data"))
