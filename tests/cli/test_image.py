"""Pictures and styles, as a person handles them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import Result
from PIL import Image

from ossmount.server.app import AppOptions
from ossmount.server.threaded import ThreadedServer

OSS = Callable[..., Result]


@pytest.fixture
def picture(oss: OSS) -> str:
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    Image.new("RGB", (40, 30), "red").save(content, "JPEG", exif=exif)
    oss("object", "put", "-", "bucket/photo.jpg", stdin=content.getvalue())
    return "oss://bucket/photo.jpg"


def size(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as image:
        return image.size


def test_a_picture_comes_as_it_was_asked_for(oss: OSS, picture: str, tmp_path: Path) -> None:
    assert size(oss("image", "get", picture, "--process", "image/resize,w_20").stdout_bytes) == (20, 15)
    oss("image", "get", f"{picture}@20w", tmp_path / "small.jpg")
    assert size((tmp_path / "small.jpg").read_bytes()) == (20, 15)
    assert size(oss("object", "get", picture, "--process", "image/resize,w_10").stdout_bytes)[0] == 10


def test_what_is_known_of_a_picture_is_shown(oss: OSS, picture: str) -> None:
    assert json.loads(oss("image", "info", picture, "--json").stdout)["ImageWidth"] == 40
    assert "40" in oss("image", "info", picture).stdout
    assert "Maker" in oss("image", "exif", picture).stdout


def test_a_style_is_kept_used_listed_and_removed(oss: OSS, picture: str) -> None:
    oss("image", "style", "put", "bucket", "small", "image/resize,w_20")

    assert oss("image", "style", "get", "bucket", "small").stdout == "image/resize,w_20\n"
    assert json.loads(oss("image", "style", "get", "bucket", "small", "--json").stdout)["name"] == "small"
    assert oss("image", "style", "ls", "bucket").stdout.split() == ["small", "image/resize,w_20"]
    assert len(json.loads(oss("image", "style", "ls", "bucket", "--json").stdout)) == 1
    assert size(oss("image", "get", f"{picture}@!small").stdout_bytes) == (20, 15)
    oss("image", "style", "rm", "bucket", "small")
    assert "NoSuchStyle" in oss("image", "style", "get", "bucket", "small", status=1).stderr


def test_a_url_of_a_processed_picture_can_be_opened(oss: OSS, picture: str) -> None:
    url = oss("image", "url", f"{picture}@20w", "--expires", "1m").stdout.strip()

    with urlopen(url) as answer:
        assert size(answer.read()) == (20, 15)


def test_what_is_no_picture_is_told_so(oss: OSS) -> None:
    oss("object", "put", "-", "bucket/text", stdin=b"no picture")

    said = oss("image", "info", "bucket/text", status=1).stderr
    assert said.startswith("ossmount: ")
    assert said.count("\n") == 1


def test_the_old_service_is_asked_in_its_own_words(oss: OSS, picture: str, tmp_path: Path) -> None:
    content = oss("object", "get", picture).stdout_bytes
    with ThreadedServer(tmp_path / "old", options=AppOptions(image_hosts=("127.0.0.1=bucket",))) as server:
        server.store.put_bucket("bucket")
        old = ("--image-host", server.url)
        # What is no picture's name, the host takes as it is.
        oss("object", "put", "-", "bucket/photo.jpg", "--endpoint", server.url, "--addressing", "cname", stdin=content)

        assert size(oss("image", "get", f"{picture}@20w", *old).stdout_bytes) == (20, 15)
        assert "Maker" in oss("image", "exif", picture, *old).stdout
        assert json.loads(oss("image", "info", picture, "--json", *old).stdout)["ImageWidth"] == 40
        with urlopen(oss("image", "url", f"{picture}@20w", *old).stdout.strip()) as answer:
            assert size(answer.read()) == (20, 15)
