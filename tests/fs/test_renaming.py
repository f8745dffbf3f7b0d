"""What is renamed keeps what it is and what it was given, whatever is known of it at that moment."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from ossmount.server.faults import Fault

World = Any

AWAY = Fault(operation="CopyObject", count=None, status=500)


@pytest.mark.parametrize("text", ["/usr/bin/env", "f", "elsewhere", "../../x"])
async def test_a_link_is_renamed_at_once_wherever_it_leads(world: World, text: str) -> None:
    async with world.mount() as view:
        await view.write("link", b"")
        await view.flush()
        await view.symlink(text, "f")
        await view.rename("f", "link")
        assert await view.flush() == {"pending": 0, "failed": []}
        assert await view.ls() == {"link"}
    world.forget()
    async with world.mount() as view:
        assert await view.readlink("link") == text


@pytest.mark.parametrize("name", ["d", "f"])
async def test_what_is_renamed_shows_its_mode_before_the_bucket_is_done(world: World, name: str) -> None:
    async with world.mount() as view:
        await view.mkdir("d")
        await view.write("d/a", b"bytes")
        await view.write("f", b"bytes")
        await view.chmod(name, 0o700)
    world.forget()
    async with world.mount() as view:
        world.server.faults.add(AWAY)
        await view.rename(name, "new")
        assert (await view.stat("new")).attributes.mode == 0o700
        view.crash()
    shutil.rmtree(world.places.cache)
    async with world.mount() as view:
        assert (await view.stat("new")).attributes.mode == 0o700
        await view.chmod("new", 0o711)
        world.server.faults.clear()
    world.forget()
    async with world.mount() as view:
        assert (await view.stat("new")).attributes.mode == 0o711
        assert await view.ls() == ({"f", "new"} if name == "d" else {"d", "new"})
