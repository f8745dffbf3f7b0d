"""Files that are read and written while their upload fails: nobody waits for it, and nobody gets other bytes."""

from __future__ import annotations

import os
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
        with trio.fail_after(20):
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
        world.server.faults.add(Fault(operation="GetObject", delay=0.3))  # the upload's, which is refused after ours
        await view.fs.flush(fh)
        with trio.fail_after(20):
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
            with trio.fail_after(20):
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
