"""Archived objects through a mount: they are there, and are read, copied or changed in part only once restored."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import oss2
import pytest

from ossmount.server.threaded import ThreadedServer
from ossmount.wire.errors import InvalidObjectState


@pytest.fixture(params=[3, 3 << 20])
def archived(request: pytest.FixtureRequest, oss2_bucket: oss2.Bucket) -> bytes:
    """The bytes of the archived object "cold", which are few enough to be fetched along with its head, or are not."""
    content = os.urandom(request.param)
    oss2_bucket.put_object("cold", content, headers={"x-oss-storage-class": "Archive", "x-oss-meta-mode": "33184"})
    return content


async def refused(awaited: Any) -> None:
    with pytest.raises(InvalidObjectState):
        await awaited


async def test_an_archived_file_is_seen_and_not_read(world: Any, archived: bytes) -> None:
    async with world.mount() as view:
        assert await view.ls() == {"cold"}
        node = await view.stat("cold")
        assert (node.size, node.attributes.mode) == (len(archived), 0o640)
        assert await view.getxattr("cold", "user.oss.storage-class") == b"Archive"
        await refused(view.read("cold"))


async def test_what_needs_the_bytes_of_an_archived_file_is_refused_at_once_and_leaves_nothing_behind(
    world: Any, archived: bytes
) -> None:
    async with world.mount() as view:
        await refused(view.open("cold", os.O_WRONLY | os.O_APPEND))
        await refused(view.open("cold", os.O_RDWR))
        await refused(view.truncate("cold", 2))
        await refused(view.rename("cold", "elsewhere"))
        assert await view.ls() == {"cold"}
        assert await view.flush() == {"pending": 0, "failed": []}


async def test_an_archived_file_is_replaced_and_removed_like_any_other(
    world: Any, archived: bytes, oss2_bucket: oss2.Bucket
) -> None:
    oss2_bucket.put_object("colder", archived, headers={"x-oss-storage-class": "ColdArchive"})
    async with world.mount() as view:
        await view.write("cold", b"new", flags=os.O_TRUNC)
        assert await view.read("cold") == b"new"
        await view.unlink("colder")
    assert [(each.key, each.size) for each in oss2.ObjectIterator(oss2_bucket)] == [("cold", 3)]


async def test_a_restored_file_is_like_any_other(world: Any, tmp_path: Path) -> None:
    ahead = 0.0
    with ThreadedServer(tmp_path / "turned", clock=lambda: time.time() + ahead) as server:
        elsewhere = type(world)(server, tmp_path)
        async with elsewhere.client() as client:
            bucket = client.bucket("bucket")
            await bucket.put_object("cold", b"0123", headers={"x-oss-storage-class": "Archive"})
            await bucket.restore_object("cold")
        ahead = 300.0  # it takes a minute
        async with elsewhere.mount() as view:
            fh = await view.open("cold", os.O_RDWR)
            await view.pwrite(fh, b"x", 0)
            await view.close(fh)
            await view.rename("cold", "warm")
            assert await view.read("warm") == b"x123"
