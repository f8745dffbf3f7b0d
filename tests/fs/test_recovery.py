"""What the next mount finds after a crash, beyond the bytes."""

from __future__ import annotations

import os
import shutil
from typing import Any

import trio

from ossmount.server.faults import Fault

World = Any

AWAY = Fault(operation="PutObject", count=None, status=500)


async def test_a_file_that_was_being_written_keeps_its_mode(world: World, oss2_bucket: Any) -> None:
    async with world.mount() as view:
        await view.write("f", b"bytes")
        await view.chmod("f", 0o600)
    world.forget()
    async with world.mount() as view:
        fh = await view.open("f", os.O_RDWR)
        await view.pwrite(fh, b"other", 0)
        view.crash()
    shutil.rmtree(world.places.cache)  # what is remembered is written now and then
    async with world.mount() as view:
        assert (await view.stat("f")).attributes.mode == 0o600
    assert oss2_bucket.head_object("f").headers["x-oss-meta-mode"] == str(0o100600)


async def test_a_file_that_was_closed_keeps_its_mode(world: World, oss2_bucket: Any) -> None:
    async with world.mount() as view:
        await view.write("f", b"bytes")
        await view.chmod("f", 0o600)
    async with world.mount() as view:
        world.server.faults.add(AWAY)
        await view.write("f", b"other", flags=0)
        view.crash()
    shutil.rmtree(world.places.cache)
    world.server.faults.clear()
    async with world.mount() as view:
        assert (await view.stat("f")).attributes.mode == 0o600
    assert oss2_bucket.head_object("f").headers["x-oss-meta-mode"] == str(0o100600)


async def test_attributes_given_to_a_file_that_is_written_on_survive(world: World, oss2_bucket: Any) -> None:
    async with world.mount() as view:
        fh = await view.open("f", os.O_CREAT | os.O_WRONLY)
        await view.pwrite(fh, b"bytes", 0)
        await view.fs.flush(fh)
        await view.pwrite(fh, b"other", 0)
        await view.chmod("f", 0o600)
        await view.setxattr("f", "user.color", b"red")
        view.crash()
    async with world.mount() as view:
        assert (await view.stat("f")).attributes.mode == 0o600
        assert await view.getxattr("f", "user.color") == b"red"
    assert oss2_bucket.head_object("f").headers["x-oss-meta-mode"] == str(0o100600)
    assert oss2_bucket.get_object("f").read() == b"other"


async def test_attributes_given_between_an_upload_and_the_next_write_survive(world: World, oss2_bucket: Any) -> None:
    async with world.mount() as view:
        fh = await view.open("f", os.O_CREAT | os.O_WRONLY)
        await view.pwrite(fh, b"bytes", 0)
        await view.fs.fsync(fh)
        await view.chmod("f", 0o600)
        await view.flush()
        await view.pwrite(fh, b"other", 0)
        view.crash()
    async with world.mount() as view:
        assert (await view.stat("f")).attributes.mode == 0o600
    assert oss2_bucket.head_object("f").headers["x-oss-meta-mode"] == str(0o100600)
    assert oss2_bucket.get_object("f").read() == b"other"


async def test_a_file_that_was_written_on_after_its_upload_can_be_removed(world: World, oss2_bucket: Any) -> None:
    async with world.mount() as view:
        fh = await view.open("f", os.O_CREAT | os.O_WRONLY)
        await view.pwrite(fh, b"bytes", 0)
        await view.fs.fsync(fh)
        await view.pwrite(fh, b"other", 0)
        view.crash()
    world.server.faults.add(AWAY)
    async with world.mount() as view:
        await view.unlink("f")
        world.server.faults.clear()
        assert await view.flush() == {"pending": 0, "failed": []}
    assert not oss2_bucket.object_exists("f")


async def test_a_file_that_was_being_written_is_as_new_as_its_bytes(world: World) -> None:
    async with world.mount() as view:
        await view.write("f", b"bytes")
        await view.utime("f", 10**18)
    async with world.mount() as view:
        fh = await view.open("f", os.O_RDWR)
        await view.pwrite(fh, b"other", 0)
        written = (await view.stat("f")).attributes.mtime_ns
        view.crash()
    async with world.mount() as view:
        assert abs((await view.stat("f")).attributes.mtime_ns - written) < 10**9


async def test_a_file_that_was_given_a_time_while_it_was_written_keeps_it(world: World) -> None:
    async with world.mount() as view:
        fh = await view.open("f", os.O_CREAT | os.O_WRONLY)
        await view.pwrite(fh, b"other", 0)
        await view.utime("f", 10**18)
        view.crash()
    async with world.mount() as view:
        assert (await view.stat("f")).attributes.mtime_ns == 10**18


async def test_a_file_where_a_directory_was_that_is_still_being_moved_is_there(world: World) -> None:
    async with world.mount() as view:
        await view.mkdir("d")
        await view.write("d/a", b"moved")
        await view.flush()
        for operation in ("DeleteObject", "DeleteMultipleObjects"):
            world.server.faults.add(Fault(operation=operation, count=None, status=500))
        await view.rename("d", "e")
        await view.write("d", b"new")
        with trio.fail_after(120):
            while not view.rooms.executor.statistics().retries:
                await trio.lowlevel.checkpoint()
        view.crash()
    async with world.mount() as view:
        assert await view.ls() == {"d", "e"}
        assert await view.read("d") == b"new"
        assert await view.read("e/a") == b"moved"
        world.server.faults.clear()
        assert await view.flush() == {"pending": 0, "failed": []}
        assert await view.read("d") == b"new"


async def test_a_directory_made_where_one_is_still_to_be_moved_is_empty(world: World) -> None:
    async with world.mount() as view:
        await view.mkdir("d")
        await view.write("d/a", b"moved")
        await view.flush()
        world.server.faults.add(Fault(operation="CopyObject", count=None, status=500))
        await view.rename("d", "e")
        await view.mkdir("d")
        view.crash()
    async with world.mount() as view:
        assert await view.ls("d") == set()
        assert await view.read("e/a") == b"moved"
        world.server.faults.clear()
        assert await view.flush() == {"pending": 0, "failed": []}
        assert await view.ls("d") == set()
        await view.rmdir("d")


async def test_what_was_moved_out_of_a_directory_that_was_being_renamed_is_found(
    world: World, oss2_bucket: Any
) -> None:
    oss2_bucket.put_object("d/sub/b", b"bytes")
    world.server.faults.add(AWAY)
    world.server.faults.add(Fault(operation="CopyObject", count=None, status=500))
    async with world.mount() as view:
        await view.chmod("d", 0o700)
        await view.rename("d", "e")
        await view.rename("e/sub", "moved")
        view.crash()
    async with world.mount() as view:
        assert await view.read("moved/b") == b"bytes"
        world.server.faults.clear()
        assert await view.flush() == {"pending": 0, "failed": []}
        assert await view.read("moved/b") == b"bytes"
    assert [each.key for each in oss2_bucket.list_objects().object_list if each.key.endswith("b")] == ["moved/b"]
