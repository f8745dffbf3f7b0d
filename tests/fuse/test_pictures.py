"""Pictures that the service makes as they are read, as programs see them with ``-o images``."""

from __future__ import annotations

import errno
import io
import json
import os
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import oss2

    from .conftest import Mount, OssServer

BLUE, RED = (0, 0, 256), (256, 0, 0)


def photo(color: str = "red", *, exif: bool = False) -> bytes:
    """A picture in one colour, by which those made of it can be told."""
    data = Image.Exif()
    if exif:
        data[0x010F] = "ACME"  # Make
    out = io.BytesIO()
    Image.new("RGB", (400, 300), color).save(out, "JPEG", exif=data)
    return out.getvalue()


def look(path: Path) -> tuple[str, tuple[int, int], tuple[int, ...]]:
    """Return format, size and colour of the picture at *path*."""
    with Image.open(path) as image:
        color = image.convert("RGB").getpixel((1, 1))
        assert isinstance(color, tuple)
        return str(image.format), image.size, tuple(round(part / 16) * 16 for part in color)


def keep_style(mount: Mount, name: str, content: str) -> None:
    """Let the bucket of *mount* have a style."""
    mount.command("image", "style", "put", mount.bucket.bucket_name, name, content)


def refused(call: Callable[..., object], *words: object) -> str:
    """Call, and return the name of the errno that it fails with."""
    try:
        call(*words)
    except OSError as exc:
        return errno.errorcode[exc.errno or 0]
    pytest.fail("it went well")


@pytest.fixture
def gallery(bucket: oss2.Bucket, mounted: Callable[..., Mount], oss_process: OssServer) -> Mount:
    """A mount of a bucket with a picture, all of which has been listed; requests are counted from here on."""
    bucket.put_object("photo.jpg", photo(exif=True), headers={"x-oss-meta-mtime": "1000000000"})
    bucket.put_object("notes.txt", b"no picture at all\n")
    mount = mounted("-o", "images,ttl=10m")
    assert sorted(os.listdir(mount.place)) == ["notes.txt", "photo.jpg"]
    oss_process.reset()
    return mount


def test_operators_styles_and_questions_are_read(gallery: Mount, bucket: oss2.Bucket) -> None:
    keep_style(gallery, "small", "image/resize,w_40/format,png")
    assert look(gallery.place / "photo.jpg@200w_200h") == ("JPEG", (200, 150), RED)
    assert look(gallery.place / "photo.jpg@200w|90r.png") == ("PNG", (150, 200), RED)
    assert look(gallery.place / "photo.jpg@!small") == ("PNG", (40, 30), RED)
    same = bucket.get_object("photo.jpg", process="image/resize,m_lfit,w_100,limit_0/format,jpg").read()
    assert (gallery.place / "photo.jpg@100w").read_bytes() == same

    exif = json.loads((gallery.place / "photo.jpg@exif").read_bytes())
    assert exif["Make"] == {"value": "ACME"}
    assert "Format" not in exif
    info = json.loads((gallery.place / "photo.jpg@infoexif").read_bytes())
    assert (info["Format"], info["ImageWidth"]) == ({"value": "jpg"}, {"value": "400"})


def test_a_picture_looks_like_a_file_that_nobody_may_write(gallery: Mount) -> None:
    path = gallery.place / "photo.jpg@100w"
    facts, source = path.stat(), (gallery.place / "photo.jpg").stat()
    assert oct(facts.st_mode) == "0o100444"
    assert (facts.st_uid, facts.st_gid, facts.st_mtime) == (source.st_uid, source.st_gid, 1000000000)
    assert (facts.st_size, facts.st_nlink) == (len(path.read_bytes()), 1)
    (gallery.place / "photo.jpg").chmod(0o640)
    assert oct(path.stat().st_mode) == "0o100440"


def test_programs_use_pictures_as_any_file(gallery: Mount) -> None:
    assert "100 x 75" in gallery.run("file", "photo.jpg@100w.png")
    gallery.run("cp", "--preserve=all", "photo.jpg@100w.png", "thumbnail.png")
    gallery.run("cmp", "photo.jpg@100w.png", "thumbnail.png")
    gallery.flush()
    assert look(gallery.place / "thumbnail.png") == ("PNG", (100, 75), RED)
    assert gallery.content("thumbnail.png") == (gallery.place / "photo.jpg@100w.png").read_bytes()
    gallery.run("tar", "-cf", gallery.work / "out.tar", "photo.jpg@100w.png")
    assert gallery.run("tar", "-xOf", gallery.work / "out.tar").startswith("\ufffdPNG")
    mapped = (
        "import mmap,sys; f=open(sys.argv[1],'rb'); print(len(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)[:]))"
    )
    assert int(gallery.python(mapped, "photo.jpg@300w")) == (gallery.place / "photo.jpg@300w").stat().st_size


def test_pictures_are_not_listed_and_asked_for_once(gallery: Mount, oss_process: OssServer) -> None:
    first = (gallery.place / "photo.jpg@200w").read_bytes()
    assert oss_process.counts() == {"HeadObject": 1, "GetObject": 1}  # of the file, for owner and times; the picture
    oss_process.reset()

    assert (gallery.place / "photo.jpg@200w").read_bytes() == first
    (gallery.place / "photo.jpg@200w").stat()
    assert sorted(os.listdir(gallery.place)) == ["notes.txt", "photo.jpg"]
    assert oss_process.counts() == {}


def test_a_picture_cannot_be_changed(gallery: Mount) -> None:
    path = gallery.place / "photo.jpg@100w"
    before = path.read_bytes()
    denied = "EPERM" if os.geteuid() == 0 else "EACCES"  # the kernel goes by the mode first
    assert refused(path.write_bytes, b"x") == denied
    assert refused(os.truncate, path, 0) == denied
    assert refused(os.setxattr, path, "user.color", b"red") == denied
    assert refused(path.unlink) == "EPERM"
    assert refused(path.rename, gallery.place / "other.jpg") == "EPERM"
    assert refused(path.chmod, 0o600) == "EPERM"
    assert refused(os.utime, path, (1, 1)) == "EPERM"
    assert refused(os.link, path, gallery.place / "other.jpg") == "EPERM"
    assert refused(os.getxattr, path, "user.oss.etag") == "ENODATA"
    assert os.listxattr(path) == []
    gallery.run("cp", "notes.txt", path, status=1)
    gallery.run("rm", "-f", path, status=1)
    gallery.flush()
    assert path.read_bytes() == before
    assert gallery.keys() == ["notes.txt", "photo.jpg"]


def test_a_file_of_that_name_comes_first(gallery: Mount) -> None:
    # No picture can be made of these, so the names are free, also after somebody has looked.
    assert refused(os.stat, gallery.place / "notes.txt@200w") == "ENOENT"
    gallery.run("cp", "notes.txt", "notes.txt@200w")
    gallery.run("cp", "notes.txt", "new.jpg@!small")
    # Here one can; a rename puts the file in its place.
    assert look(gallery.place / "photo.jpg@100w")[1] == (100, 75)
    gallery.run("cp", "notes.txt", "tmp")
    gallery.run("mv", "-f", "tmp", "photo.jpg@100w")
    for name in ("notes.txt@200w", "new.jpg@!small", "photo.jpg@100w"):
        assert (gallery.place / name).read_text() == "no picture at all\n"
    assert gallery.check() >= {"notes.txt@200w", "new.jpg@!small", "photo.jpg@100w"}
    gallery.run("rm", "photo.jpg@100w")
    assert look(gallery.place / "photo.jpg@100w")[1] == (100, 75)


def test_what_is_written_here_shows_at_once(gallery: Mount) -> None:
    assert look(gallery.place / "photo.jpg@100w") == ("JPEG", (100, 75), RED)
    (gallery.place / "photo.jpg").write_bytes(photo("blue"))
    assert look(gallery.place / "photo.jpg@100w") == ("JPEG", (100, 75), BLUE)
    assert refused(os.stat, gallery.place / "late.jpg@50w") == "ENOENT"
    (gallery.place / "photo.jpg").rename(gallery.place / "late.jpg")
    assert look(gallery.place / "late.jpg@50w") == ("JPEG", (50, 38), BLUE)
    assert refused(os.stat, gallery.place / "photo.jpg@100w") == "ENOENT"


def test_what_others_change_shows_when_beliefs_end(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    bucket.put_object("d/photo.jpg", photo("red"))
    mount = mounted("-o", "images,ttl=0,ro", prefix="d")
    keep_style(mount, "thumb", "image/resize,w_40")
    picture = mount.place / "photo.jpg@!thumb"
    assert look(picture) == ("JPEG", (40, 30), RED)
    with picture.open("rb") as held:
        bucket.put_object("d/photo.jpg", photo("blue"))
        keep_style(mount, "thumb", "image/resize,w_80")
        assert look(picture) == ("JPEG", (80, 60), BLUE)
        with Image.open(io.BytesIO(held.read())) as image:
            assert image.size == (40, 30)  # who has it open keeps what he opened
    assert refused(picture.write_bytes, b"x") == "EROFS"
    bucket.put_object("d/photo.jpg@!thumb", b"real")
    assert picture.read_bytes() == b"real"
    bucket.delete_object("d/photo.jpg@!thumb")
    bucket.delete_object("d/photo.jpg")
    assert refused(picture.stat) == "ENOENT"


def test_without_the_option_a_name_is_a_name(
    bucket: oss2.Bucket, mounted: Callable[..., Mount], oss_process: OssServer
) -> None:
    bucket.put_object("photo.jpg", photo())
    mount = mounted("-o", "ttl=10m")
    os.listdir(mount.place)
    oss_process.reset()
    assert refused(os.stat, mount.place / "photo.jpg@100w") == "ENOENT"
    assert oss_process.counts() == {}
    mount.run("cp", "photo.jpg", "photo.jpg@100w")
    assert look(mount.place / "photo.jpg@100w")[1] == (400, 300)
