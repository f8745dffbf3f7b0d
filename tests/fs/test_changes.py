"""What may have been carried out, though nobody knows, is undone with what the view undoes."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from ossmount.fs.handles import AttributeChange
from ossmount.server.faults import Fault
from ossmount.server.threaded import ThreadedServer

World = Any
View = Any


async def tried(view: View) -> None:
    """Wait until something was tried, in vain as far as we know."""
    with trio.fail_after(120):
        while not view.rooms.executor.statistics().retries:
            await trio.lowlevel.checkpoint()


UNKNOWN = [Fault(operation=name, status=500, done=True, count=None) for name in ("PutObject", "PutSymlink")]


@pytest.mark.parametrize("crash", [False, True])
async def test_nothing_comes_back_of_what_may_have_been_made_before_it_went(
    world: World, bucket_contents: Any, *, crash: bool
) -> None:
    for fault in UNKNOWN:
        world.server.faults.add(fault)
    async with world.mount() as view:
        await view.write("file", b"1")
        await view.write("old", b"2")
        await view.mkdir("d")
        await view.symlink("file", "link")
        await tried(view)
        if crash:
            view.crash()
        else:
            await undo(view)
            world.server.faults.clear()
    world.server.faults.clear()
    if crash:
        async with world.mount() as view:
            await undo(view)
            assert await view.flush() == {"pending": 0, "failed": []}
    assert {key: value[0] for key, value in bucket_contents().items()} == {"new": b"2"}


async def undo(view: View) -> None:
    await view.unlink("file")
    await view.rename("old", "new")
    await view.rmdir("d")
    await view.unlink("link")


async def test_what_one_of_two_has_got_is_renamed_and_removed_at_both(
    world: World, servers: list[ThreadedServer], opened: Any, contents: Any
) -> None:
    async with world.mount(opened=opened()) as view:
        servers[1].faults.add(Fault(status=500, count=None))
        await view.write("old", b"once")
        await view.write("gone", b"once")
        await tried(view)
        await view.rename("old", "new")
        await view.unlink("gone")
        servers[1].faults.clear()
        assert await view.flush() == {"pending": 0, "failed": []}
    assert [sorted(each) for each in contents()] == [["new"], ["new"]]


async def test_links_are_changed_and_renamed_while_they_are_made(world: World, bucket_contents: Any) -> None:
    texts = {"native": "nowhere", "body": "/etc/passwd"}
    for operation in ("PutSymlink", "PutObject"):
        world.server.faults.add(Fault(operation=operation, delay=50))
    async with world.mount() as view:
        for name, text in texts.items():
            await view.symlink(text, name)
        with trio.fail_after(120):
            while not (world.server.count("PutSymlink") and world.server.count("PutObject")):
                await trio.lowlevel.checkpoint()
        for name in texts:
            await view.fs.setattr((await view.node(name)).ino, AttributeChange(uid=7))
            await view.rename(name, f"{name}2")
        world.server.faults.clear()
        assert await view.flush() == {"pending": 0, "failed": []}
        assert {(await view.stat(f"{name}2")).attributes.uid for name in texts} == {7}
    assert bucket_contents() == {"native2": "nowhere", "body2": "/etc/passwd"}
