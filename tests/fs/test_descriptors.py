"""What is open goes on being read, wherever its bytes go."""

from __future__ import annotations

import os
from typing import Any

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
