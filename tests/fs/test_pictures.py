"""Which names lead to pictures, and what is asked for them; what a kernel makes of them is in tests/fuse."""

from __future__ import annotations

import errno
import io
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
from PIL import Image

from ossmount.fs.pictures import parse_name
from ossmount.server.faults import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .conftest import View, World

BLUE, RED = (0, 0, 256), (256, 0, 0)


def photo(color: str = "red", size: tuple[int, int] = (80, 60)) -> bytes:
    """A picture in one colour, by which those made of it can be told."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "JPEG")
    return out.getvalue()


async def look(view: View, path: str) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Return size and colour of the picture at *path*."""
    content = await view.read(path)
    assert len(content) == (await view.stat(path)).size
    with Image.open(io.BytesIO(content)) as image:
        color = image.convert("RGB").getpixel((1, 1))
        assert isinstance(color, tuple)
        return image.size, tuple(round(part / 16) * 16 for part in color)


async def refused(call: Callable[..., Awaitable[object]], *words: object) -> str:
    """Call, and return the name of the errno that it fails with."""
    from ossmount.fs.errors import errno_for

    try:
        await call(*words)
    except Exception as exc:
        return errno.errorcode[errno_for(exc)]
    pytest.fail("it went well")


@pytest.fixture
async def view(world: World) -> AsyncIterator[View]:
    """A mount of a bucket with a picture, all of which has been listed; requests are counted from here on."""
    async with world.client() as client:
        bucket = client.bucket("bucket")
        await bucket.put_object("photo.jpg", photo())
        await bucket.put_object("notes.txt", b"no picture at all\n")
        await bucket.put_style("small", "image/resize,w_20/format,png")
    async with world.mount(images=True) as view:
        world.server.reset()
        yield view


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (b"photo.jpg@20w", (b"photo.jpg", "image/resize,m_lfit,w_20,limit_0/format,jpg")),
        (b"a@b.jpg@20w.png", (b"a@b.jpg", "image/resize,m_lfit,w_20,limit_0/format,png")),
        ("ü.jpg@!small".encode(), ("ü.jpg".encode(), "style/small")),
        (b"a@exif", (b"a", "exif")),
        (b"a@infoexif", (b"a", "image/info")),
        (b"a@90r|imageAve", (b"a", "image/rotate,90/format,jpg/average-hue")),
        *[(name, None) for name in (b"a", b"@20w", b"a@", b"a@small", b"a@20z", b"a@0w", b"a@!", b".@20w", b"..@20w")],
        *[(name, None) for name in (b"a@exif|20w", b"a@!small|20w", b"me@home.org", b"\xff@20w", b"a@20w.exe")],
    ],
)
def test_a_name_tells_the_file_and_what_is_made_of_it(name: bytes, meant: tuple[bytes, str] | None) -> None:
    assert parse_name(name) == meant


async def test_a_name_that_leads_to_no_picture_asks_nothing(view: View, world: World) -> None:
    for name in ("me@home", "photo.jpg@", "@20w", "photo.jpg@20z", "nothing.jpg@20w", ".@20w", "photo.jpg@exif|20w"):
        assert await refused(view.node, name) == "ENOENT", name
    assert world.server.count() == 0


async def test_what_the_service_refuses_is_not_there_and_asked_for_once(view: View, world: World) -> None:
    for _ in range(2):
        for name in ("notes.txt@20w", "photo.jpg@!unknown", "photo.jpg@exif"):  # it has no EXIF data
            assert await refused(view.node, name) == "ENOENT", name
        assert world.server.count("GetObject") == 3


async def test_a_file_too_large_for_the_service_is_not_sent_there(world: World) -> None:
    async with world.client() as client:
        await client.bucket("bucket").put_object("large.jpg", bytes((20 << 20) + 1))
    async with world.mount(images=True) as view:
        world.server.reset()
        assert await refused(view.node, "large.jpg@20w") == "ENOENT"
        assert world.server.count("GetObject") == 0


async def test_a_bucket_that_cannot_be_asked_is_no_lack_of_pictures(view: View, world: World) -> None:
    world.server.faults.add(Fault(operation="GetObject", status=403, code="AccessDenied"))
    assert await refused(view.node, "photo.jpg@20w") == "EACCES"
    assert await look(view, "photo.jpg@20w") == ((20, 15), RED)


async def test_many_who_want_one_picture_have_it_made_once(view: View, world: World) -> None:
    found = set()

    async def find(name: str) -> None:
        found.add((await view.stat(name)).ino)

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(find, "photo.jpg@20w_10h")
            nursery.start_soon(find, "photo.jpg@10h_20w")
    assert len(found) == 2
    assert world.server.count("GetObject") == 1


async def test_a_picture_is_there_again_when_memory_has_let_it_go(view: View, world: World) -> None:
    first = await view.stat("photo.jpg@20w")
    fh = await view.open("photo.jpg@20w")
    for width in range(600, 604):
        await view.stat(f"photo.jpg@{width}w.bmp")  # 800 kB each, into a mebibyte
    assert await view.pread(fh) == await view.read("photo.jpg@20w")
    await view.close(fh)
    assert (await view.stat("photo.jpg@20w")).ino == first.ino
    assert await look(view, "photo.jpg@600w.bmp") == ((600, 450), RED)


async def test_what_is_not_in_the_bucket_yet_shows_in_the_picture(view: View) -> None:
    assert await look(view, "photo.jpg@20w") == ((20, 15), RED)
    await view.write("photo.jpg", photo("blue", (80, 80)))
    assert await look(view, "photo.jpg@20w") == ((20, 20), BLUE)
    await view.write("new.jpg", photo("blue"))
    await view.mkdir("d")
    await view.rename("new.jpg", "d/renamed.jpg")
    assert await look(view, "d/renamed.jpg@20w") == ((20, 15), BLUE)
    fh = await view.open("open.jpg", os.O_RDWR | os.O_CREAT)
    await view.pwrite(fh, photo("blue"), 0)
    assert await look(view, "open.jpg@20w") == ((20, 15), BLUE)
    await view.close(fh)


async def test_what_cannot_be_saved_has_no_pictures_and_says_why(view: View, world: World) -> None:
    world.server.faults.add(Fault(operation="PutObject", status=403, code="AccessDenied", count=None))
    await view.write("photo.jpg", photo("blue"))
    assert await refused(view.node, "photo.jpg@20w") == "EACCES"
    world.server.faults.clear()
    await view.flush()
    assert await look(view, "photo.jpg@20w") == ((20, 15), BLUE)


async def test_pictures_follow_a_rename_at_once(view: View) -> None:
    await view.mkdir("d")
    await view.rename("photo.jpg", "d/p.jpg")
    assert await refused(view.node, "photo.jpg@20w") == "ENOENT"
    assert await look(view, "d/p.jpg@20w") == ((20, 15), RED)
    await view.rename("d", "e")
    assert await look(view, "e/p.jpg@20w") == ((20, 15), RED)
    await view.unlink("e/p.jpg")
    assert await refused(view.node, "e/p.jpg@20w") == "ENOENT"


async def test_only_regular_files_have_pictures(view: View) -> None:
    await view.mkdir("d.jpg")
    await view.symlink("photo.jpg", "link.jpg")
    for name in ("d.jpg@20w", "link.jpg@20w", "photo.jpg@20w@10w"):
        assert await refused(view.node, name) == "ENOENT", name


async def test_a_picture_that_changed_between_lookup_and_open_is_looked_up_again(world: World) -> None:
    async with world.client() as client, world.mount(images=True, ttl=0.0) as view:
        bucket = client.bucket("bucket")
        await bucket.put_object("photo.jpg", photo())
        await bucket.put_style("thumb", "image/resize,w_20")
        node = await view.node("photo.jpg@!thumb")
        await bucket.put_style("thumb", "image/resize,w_40")
        assert await refused(partial(view.fs.open, node.ino, os.O_RDONLY)) == "ESTALE"
        assert await look(view, "photo.jpg@!thumb") == ((40, 30), RED)
        node = await view.node("photo.jpg@!thumb")
        await bucket.delete_object("photo.jpg")
        assert await refused(partial(view.fs.open, node.ino, os.O_RDONLY)) == "ESTALE"


async def test_what_the_kernel_forgets_is_forgotten(view: View) -> None:
    inodes = view.rooms.inodes
    before = len(inodes)
    node = await view.node("photo.jpg@20w")
    inodes.refer(node)
    assert len(inodes) == before + 1
    assert await view.ls() == {"photo.jpg", "notes.txt"}
    inodes.forget(node.ino, 1)
    assert len(inodes) == before
    assert (await view.node("photo.jpg@20w")).ino != node.ino


@pytest.mark.parametrize("is_known", [False, True])
async def test_a_file_that_others_removed_has_no_pictures(view: View, is_known: bool) -> None:
    if is_known:
        await view.stat("photo.jpg")
    await view.client.bucket("bucket").delete_object("photo.jpg")
    assert await refused(view.node, "photo.jpg@20w") == "ENOENT"
    assert await refused(view.node, "photo.jpg") == "ENOENT"


async def test_a_link_in_the_form_of_others_has_no_pictures(world: World) -> None:
    async with world.client() as client:
        link = {"mode": str(0o120777), "uid": "0", "gid": "0"}
        await client.bucket("bucket").put_object("link.jpg", b"photo.jpg", meta=link)
    async with world.mount(images=True) as view:
        assert await refused(view.node, "link.jpg@20w") == "ENOENT"
        assert await view.readlink("link.jpg") == "photo.jpg"


async def test_a_file_made_while_its_picture_is_made_comes_first(view: View, world: World) -> None:
    world.server.faults.add(Fault(operation="GetObject", delay=50))
    found = []

    async def find() -> None:
        found.append(await view.node("photo.jpg@20w"))

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(find)
            while not world.server.max_in_flight("GetObject"):
                await trio.lowlevel.checkpoint()
            await view.write("photo.jpg@20w", b"real")
            world.server.faults.clear()
    assert found == [await view.node("photo.jpg@20w")]
    assert await view.read("photo.jpg@20w") == b"real"
