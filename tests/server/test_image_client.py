"""Our client of pictures on our own server, in either grammar, and uploads that call an application back."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image

from ossmount.oss import Client, Endpoint, ImageClient, StaticCredentials
from ossmount.server.app import AppOptions
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.callback import Callback
from ossmount.wire.errors import BadRequest, CallbackFailed, InvalidArgument, NoSuchKey, NoSuchStyle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ossmount.oss import Bucket
    from tests.applications import Application


def photo(kind: str = "JPEG", *, exif: bool = True) -> bytes:
    """Make a picture of 80 by 40 that says who took it."""
    said = Image.Exif()
    if exif:
        said[0x010F] = "Maker"
    target = BytesIO()
    Image.new("RGB", (80, 40), "red").save(target, kind, exif=said)
    return target.getvalue()


def size(content: bytes | memoryview) -> tuple[int, int]:
    return Image.open(BytesIO(content)).size


@pytest.fixture(params=["old", "new"])
async def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ImageClient]:
    """The pictures of a bucket: at the host of the old service that is bound to it, or at the bucket of today."""
    credentials = StaticCredentials("ak", "sk")
    hosts = ("127.0.0.1=bucket",) if request.param == "old" else ()
    with ThreadedServer(tmp_path / "server", options=AppOptions(image_hosts=hosts)) as server:
        server.store.put_bucket("bucket")
        if request.param == "old":
            async with ImageClient.open(server.url, "bucket", credentials) as images:
                yield images
        else:
            async with Client(Endpoint.parse(server.url), credentials) as client:
                yield ImageClient(client.bucket("bucket"))


async def test_pictures_come_as_they_are_asked_for(pictures: ImageClient, tmp_path: Path) -> None:
    await pictures.bucket.put_object("dir/ü.jpg", photo())

    head, content = await pictures.get("dir/ü.jpg@40w_40h_1e_1c.png")
    assert (size(content), head.content_type) == ((40, 40), "image/png")
    assert size((await pictures.get("dir/ü.jpg@160w"))[1]) == (160, 80)
    assert size((await pictures.get("dir/ü.jpg"))[1]) == (80, 40)
    await pictures.get_file("dir/ü.jpg@90r", tmp_path / "turned")
    assert size((tmp_path / "turned").read_bytes()) == (40, 80)
    async with pictures.open_image("dir/ü.jpg@20w.png") as (_, pieces):
        assert size(b"".join([piece async for piece in pieces])) == (20, 10)
    with pytest.raises(NoSuchKey):
        await pictures.get("missing.jpg@20w")
    with pytest.raises((BadRequest, InvalidArgument)):
        await pictures.get("dir/ü.jpg@90-90-10-10a")


async def test_pictures_tell_about_themselves(pictures: ImageClient) -> None:
    await pictures.bucket.put_object("p.jpg", photo())
    await pictures.bucket.put_object("plain.png", photo("PNG", exif=False))

    info = await pictures.get_info("p.jpg")
    assert (info["Format"], info["ImageWidth"], info["ImageHeight"], info["Make"]) == ("jpg", 80, 40, "Maker")
    exif = await pictures.get_exif("p.jpg")
    assert (exif["Make"], exif["FileSize"]) == ("Maker", len(photo()))
    assert (await pictures.get_info("plain.png"))["Format"] == "png"
    with pytest.raises(BadRequest, match="no exif info"):
        await pictures.get_exif("plain.png")


async def test_styles_are_kept_and_used(pictures: ImageClient) -> None:
    await pictures.bucket.put_object("p.jpg", photo())
    await pictures.put_style("small", "image/resize,p_50")
    await pictures.put_style("old", "20w.png")

    assert [(style.name, style.content) for style in await pictures.list_style()] == [
        ("old", "20w.png"),
        ("small", "image/resize,p_50"),
    ]
    assert (await pictures.get_style("small")).create_time > 0
    for name, wanted in (("p.jpg@!small", (40, 20)), ("p.jpg@old", (20, 10))):
        assert size((await pictures.get(name))[1]) == wanted
        url = await pictures.presign(name)
        async with httpx.AsyncClient(timeout=120) as anybody:
            assert size((await anybody.get(url)).content) == wanted
            assert (await anybody.get(url.partition("?")[0])).status_code in (403, 404)
    await pictures.delete_style("small")
    with pytest.raises(NoSuchStyle):
        await pictures.get_style("small")
    with pytest.raises(NoSuchStyle):
        await pictures.get("p.jpg@!small")


async def test_an_upload_in_parts_calls_back(bucket: Bucket, application: Application, tmp_path: Path) -> None:
    file = tmp_path / "p.jpg"
    file.write_bytes(photo() + bytes(300_000))
    callback = Callback(
        url=application.url, body="${object} ${size} ${imageInfo.width} ${x:who}", variables={"x:who": "me"}
    )

    result = await bucket.upload_file("p.jpg", file, part_size=100 * 1024, callback=callback)
    assert json.loads(result.callback) == {"ok": True}
    application.status = 500
    with pytest.raises(CallbackFailed) as caught:
        await bucket.upload_file("q.jpg", file, part_size=100 * 1024, callback=callback)
    assert caught.value.status == 203
    assert [body.decode() for _, _, body in application.told] == [
        f"{name} {file.stat().st_size} 80 me" for name in ("p.jpg", "q.jpg")
    ]
    assert (await bucket.head_object("q.jpg")).type == "Multipart"
