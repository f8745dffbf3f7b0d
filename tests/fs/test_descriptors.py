"""What is open goes on being read, wherever its bytes go."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest
import trio


async def test_a_read_begins_again_when_another_of_its_handle_found_the_bytes_elsewhere(
    world: Any, oss2_bucket: Any
) -> None:
    oss2_bucket.put_object("f", b"content")
    async with world.mount() as view:
        fh = await view.open("f", os.O_RDWR)
        file = view.fs.files[fh].file
        found = file.read
        closed: list[bool] = []

        async def moving(*args: Any) -> bytes:
            """What a read is told whose reader was closed for another's sake."""
            if not closed:
                closed.append(True)
                raise trio.ClosedResourceError("the reader was closed")
            return bytes(await found(*args))

        file.read = moving
        assert await view.fs.read(fh, 0, 100) == b"content"
        assert closed
        await view.close(fh)


async def test_what_could_not_be_logged_when_it_was_closed_is_pending_and_is_logged_later(
    world: Any, bucket_contents: Any
) -> None:
    async with world.mount() as view:
        await view.write("f", b"1")
        await view.flush()
        fh = await view.open("f", os.O_WRONLY)
        await view.pwrite(fh, b"2", 1)
        logged = view.rooms.log.append

        def full(_intent: object) -> None:
            raise OSError(errno.ENOSPC, "the disk is full")

        view.rooms.log.append = full
        with pytest.raises(OSError, match="full"):
            await view.fs.flush(fh)
        with pytest.raises(OSError, match="full"):
            await view.fs.release(fh)
        assert view.status.left() == 1
        with pytest.raises(OSError, match="full"):
            await view.flush()
        await view.status.drain()  # says so in the log, and goes on
        assert view.status.left() == 1
        view.rooms.log.append = logged
        assert await view.flush() == {"pending": 0, "failed": []}
        assert bucket_contents()["f"][0] == b"12"
