"""Pictures by either grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ossmount.oss import ImageClient, StaticCredentials
from ossmount.oss.image import joined
from ossmount.wire import images
from ossmount.wire.errors import BadRequest, BrokenResponse, NotModified, PreconditionFailed
from ossmount.wire.message import Headers, Request, Response

if TYPE_CHECKING:
    from pathlib import Path

    from ossmount.oss import Bucket

INFO = {"FileSize": 343683, "Format": "jpg", "ImageHeight": 1200, "ImageWidth": 1600, "Orientation": 1}


def answer(request: Request) -> Response:
    asked = request.query.get("x-oss-process") or request.bucket.partition("@")[2]
    if asked in ("image/info", "exif", "infoexif"):
        said = (
            INFO if "photo" in f"{request.bucket}{request.key}" else {"FileSize": 1, "ImageHeight": 1, "ImageWidth": 1}
        )
        return Response(200, Headers(), images.write_info(said))
    return Response(200, Headers({"content-type": "image/png"}), f"{request.key}|{asked}".encode())


@pytest.mark.parametrize(
    ("name", "process", "said"),
    [
        ("photo.jpg", "", "photo.jpg|"),
        ("photo.jpg", "image/rotate,90", "photo.jpg|image/rotate,90"),
        ("photo.jpg@200w.png", "", "photo.jpg|image/resize,m_lfit,w_200,limit_0/format,png"),
        ("photo.jpg@!small", "", "photo.jpg|style/small"),
        ("photo.jpg@small", "", "photo.jpg|style/small"),
        ("me@200z", "", "me@200z|"),
        ("photo.jpg@200w", "image/info", ""),
    ],
)
async def test_names_with_operators_work_on_the_new_service(
    scripted: Any, client_of: Any, name: str, process: str, said: str
) -> None:
    images_ = ImageClient(client_of(scripted(answer)).bucket("bucket"))
    _, body = await images_.get(name, process=process)
    if said:
        assert bytes(body).decode() == said
    async with images_.open_image(name, process=process) as (head, pieces):
        assert b"".join([piece async for piece in pieces]) == bytes(body)
        assert head.key


async def test_names_go_as_they_are_to_the_old_service(scripted: Any) -> None:
    service = scripted(answer)
    async with ImageClient.open(
        "http://img.example.com", "bucket", StaticCredentials("ak", "sk"), transport=service
    ) as images_:
        assert await images_.get_exif("photo.jpg") == INFO
        assert await images_.get_info("photo.jpg") == INFO
        await images_.get("photo.jpg@200w_200h")
        url = await images_.presign("photo.jpg@200w_200h")
    # The bucket is in the host name of such a service, so the first part of the path is the name.
    assert [request.bucket for request in service.requests] == [
        "photo.jpg@exif",
        "photo.jpg@infoexif",
        "photo.jpg@200w_200h",
    ]
    assert all(request.headers["authorization"].startswith("OSS ak:") for request in service.requests)
    assert url.startswith("http://img.example.com/photo.jpg%40200w_200h?OSSAccessKeyId=ak&Expires=")


async def test_what_is_told_of_a_picture(scripted: Any, client_of: Any) -> None:
    images_ = ImageClient(client_of(scripted(answer)).bucket("bucket"))
    assert await images_.get_info("photo.jpg") == INFO
    assert (await images_.get_exif("photo.jpg")) == {name: INFO[name] for name in INFO if name != "Format"}
    with pytest.raises(BadRequest, match="no exif info"):
        await images_.get_exif("plain.jpg")
    broken = ImageClient(client_of(scripted(lambda _: Response(200, Headers(), b"<html>"))).bucket("bucket"))
    with pytest.raises(BrokenResponse):
        await broken.get_info("photo.jpg")


async def test_a_picture_goes_into_a_file(scripted: Any, client_of: Any, tmp_path: Path) -> None:
    images_ = ImageClient(client_of(scripted(answer)).bucket("bucket"))
    await images_.get_file("photo.jpg@!s", tmp_path / "photo")
    assert (tmp_path / "photo").read_bytes() == b"photo.jpg|style/s"
    assert "old" not in repr(images_)


async def test_a_picture_is_got_only_if_it_is_as_asked_for(bucket: Bucket, tmp_path: Path) -> None:
    await bucket.put_object("photo.jpg", b"picture")
    images_ = ImageClient(bucket)
    etag = (await bucket.head_object("photo.jpg")).etag

    with pytest.raises(NotModified):
        await images_.get_file("photo.jpg", tmp_path / "photo", if_none_match=etag)
    with pytest.raises(PreconditionFailed):
        async with images_.open_image("photo.jpg", if_match="0" * 32):
            pass
    await images_.get_file("photo.jpg", tmp_path / "photo", if_match=etag)
    assert (tmp_path / "photo").read_bytes() == b"picture"


def test_steps_are_joined_where_that_is_possible() -> None:
    assert joined(images.parse_suffix("100w|90r.png")) == (
        "image/resize,m_lfit,w_100,limit_0/format,jpg/rotate,90/format,png"
    )
    with pytest.raises(ValueError, match="combined"):
        joined(images.parse_suffix("!a|90r"))
