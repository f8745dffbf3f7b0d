"""Extended attributes on a real mount, through the system calls and through getfattr."""

from __future__ import annotations

import errno
import io
import json
import os
import urllib.request
from typing import TYPE_CHECKING

import oss2
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuse.conftest import Mount, OssServer


def code_of(call: Callable[..., object], *args: object) -> int | None:
    with pytest.raises(OSError, match="Errno") as caught:
        call(*args)
    return caught.value.errno


@pytest.fixture
def file(bucket: oss2.Bucket) -> str:
    """The key of an object of another client."""
    headers = {"Content-Type": "text/x-special", "x-oss-meta-colour": "blue", "Cache-Control": "max-age=7"}
    bucket.put_object("file", b"content", headers=headers)
    return "file"


@pytest.fixture(params=["background", "close"])
def mount(request: pytest.FixtureRequest, file: str, mounted: Callable[..., Mount]) -> Mount:
    """A mount over that, in each of the commit modes."""
    return mounted("--commit", request.param)


@pytest.fixture
def quick(file: str, mounted: Callable[..., Mount]) -> Mount:
    """A mount over that, for what is the same in each of the commit modes."""
    return mounted("--url-expires", "30m")


def test_notes_are_user_metadata(mount: Mount) -> None:
    file = mount.place / "file"
    assert os.listxattr(file) == ["user.colour"]
    assert os.getxattr(file, "user.colour") == b"blue"
    os.setxattr(file, "user.project", b"apollo")
    os.setxattr(file, "user.Binary \xfc", b"\0\xff" * 20)
    os.setxattr(file, "user.colour", b"green", os.XATTR_REPLACE)
    os.removexattr(file, "user.project")
    os.setxattr(file, "user.project", b"gemini")
    mount.flush()
    head = mount.bucket.head_object("file").headers
    assert (head["x-oss-meta-colour"], head["x-oss-meta-project"]) == ("green", "gemini")
    assert (head["Content-Type"], head["Cache-Control"]) == ("text/x-special", "max-age=7")
    mount.remount()
    assert sorted(os.listxattr(file)) == ["user.Binary \xfc", "user.colour", "user.project"]
    assert os.getxattr(file, "user.Binary \xfc") == b"\0\xff" * 20
    assert file.read_bytes() == b"content"


def test_notes_fail_as_the_table_says(quick: Mount) -> None:
    file = quick.place / "file"
    assert code_of(lambda: os.getxattr(file, "user.missing")) == errno.ENODATA
    assert code_of(lambda: os.removexattr(file, "user.missing")) == errno.ENODATA
    assert code_of(lambda: os.setxattr(file, "user.oss.etag", b"x")) == errno.EPERM
    assert code_of(lambda: os.setxattr(file, "user.oss.nothing", b"x")) == errno.EPERM
    assert code_of(lambda: os.getxattr(file, "user.oss.bucket.acl")) == errno.ENODATA
    assert code_of(lambda: os.setxattr(file, "user.oss.acl", b"nonsense")) == errno.EINVAL
    assert code_of(lambda: os.setxattr(file, "user.big", b"x" * 9000)) == errno.E2BIG
    if os.geteuid() == 0:
        assert code_of(lambda: os.setxattr(file, "trusted.x", b"x")) == errno.EOPNOTSUPP


def test_creating_and_replacing_notes_are_told_apart(quick: Mount) -> None:
    file = quick.place / "file"
    assert code_of(lambda: os.setxattr(file, "user.colour", b"x", os.XATTR_CREATE)) == errno.EEXIST
    assert code_of(lambda: os.setxattr(file, "user.missing", b"x", os.XATTR_REPLACE)) == errno.ENODATA
    os.setxattr(file, "user.new", b"x", os.XATTR_CREATE)
    assert os.getxattr(file, "user.new") == b"x"


def test_properties_are_those_of_the_object(quick: Mount, bucket: oss2.Bucket) -> None:
    file = quick.place / "file"
    head = bucket.head_object("file")
    expected = {
        "etag": head.etag,
        "crc64": str(head.server_crc),
        "content-type": "text/x-special",
        "cache-control": "max-age=7",
        "type": "Normal",
        "storage-class": "Standard",
        "acl": "default",
        "tags": "",
        "state": "clean",
    }
    for name, value in expected.items():
        if name == "tags":
            assert code_of(lambda: os.getxattr(file, "user.oss.tags")) == errno.ENODATA
        else:
            assert os.getxattr(file, f"user.oss.{name}").decode() == value, name
    url = os.getxattr(file, "user.oss.url").decode()
    assert "x-oss-expires=1800&" in url
    with urllib.request.urlopen(url, timeout=120) as answer:
        assert answer.read() == b"content"


def test_properties_can_be_set(mount: Mount, bucket: oss2.Bucket) -> None:
    file = mount.place / "file"
    os.setxattr(file, "user.oss.content-type", b"application/pdf")
    os.setxattr(file, "user.oss.acl", b"public-read")
    os.setxattr(file, "user.oss.tags", b"a=b&c=d%20e")
    os.setxattr(file, "user.oss.storage-class", b"IA")
    os.removexattr(file, "user.oss.cache-control")
    assert os.getxattr(file, "user.oss.acl") == b"public-read"
    assert os.getxattr(file, "user.oss.content-type") == b"application/pdf"
    mount.flush()
    head = bucket.head_object("file").headers
    assert (head["Content-Type"], head["x-oss-storage-class"]) == ("application/pdf", "IA")
    assert "Cache-Control" not in head
    assert head["x-oss-meta-colour"] == "blue"
    assert bucket.get_object_acl("file").acl == "public-read"
    assert bucket.get_object_tagging("file").tag_set.tagging_rule == {"a": "b", "c": "d e"}
    file.chmod(0o600)
    mount.flush()
    assert bucket.get_object_acl("file").acl == "public-read"
    assert bucket.get_object_tagging("file").tag_set.tagging_rule == {"a": "b", "c": "d e"}
    os.removexattr(file, "user.oss.acl")
    os.removexattr(file, "user.oss.tags")
    mount.flush()
    assert bucket.get_object_acl("file").acl == "default"
    assert bucket.get_object_tagging("file").tag_set.tagging_rule == {}


def test_the_root_shows_the_bucket(quick: Mount) -> None:
    root = quick.place
    assert json.loads(os.getxattr(root, "user.oss.bucket.acl")) == "private"
    assert "hangzhou" in json.loads(os.getxattr(root, "user.oss.bucket.location"))
    assert json.loads(os.getxattr(root, "user.oss.bucket.info"))["name"] == quick.bucket.bucket_name
    assert json.loads(os.getxattr(root, "user.oss.bucket.stat"))["object_count"] == 1
    assert code_of(lambda: os.getxattr(root, "user.oss.bucket.nothing")) == errno.ENODATA


def test_the_bucket_is_configured_at_the_root_in_the_json_of_the_commands(
    mounted: Callable[..., Mount], bucket: oss2.Bucket
) -> None:
    mount = mounted(prefix="below")
    name = bucket.bucket_name
    said = {
        "logging": {"target_bucket": name, "target_prefix": "log/"},
        "website": {"index": "index.html", "error": "404.html"},
        "referer": {"allow_empty": False, "referers": ["https://example.com"]},
        "lifecycle": {"rules": [{"id": "one", "prefix": "tmp/", "status": "Enabled", "expiration": {"days": 7}}]},
        "cors": {"rules": [{"allowed_origins": ["*"], "allowed_methods": ["GET"]}]},
    }

    def getfattr(name: str) -> str:
        return mount.run("getfattr", "-n", f"user.oss.bucket.{name}", "--only-values", ".")

    for what, value in said.items():
        attribute = f"user.oss.bucket.{what}"
        assert code_of(os.getxattr, mount.place, attribute) == errno.ENODATA
        mount.run("setfattr", "-n", attribute, "-v", json.dumps(value), ".")
        assert json.loads(getfattr(what)) == value
        if what == "cors":  # one stands for all: the document is the same code's
            shown = mount.command("bucket", "cors", name).stdout
            assert json.loads(shown) == value
            mount.run("setfattr", "-n", attribute, "-v", shown, ".")
            assert json.loads(getfattr(what)) == value
        mount.run("setfattr", "-x", attribute, ".")
        assert code_of(os.removexattr, mount.place, attribute) == errno.ENODATA
    mount.run("setfattr", "-n", "user.oss.bucket.acl", "-v", "public-read", ".")
    mount.run("setfattr", "-n", "user.oss.bucket.acl", "-v", getfattr("acl"), ".")
    assert bucket.get_bucket_acl().acl == "public-read"
    assert code_of(lambda: os.removexattr(mount.place, "user.oss.bucket.acl")) == errno.EPERM

    assert code_of(lambda: os.setxattr(mount.place, "user.oss.bucket.cors", b'{"rule": []}')) == errno.EINVAL
    mount.server.fail({"operation": "PutBucketCors", "status": 403, "code": "AccessDenied"})
    cors = json.dumps(said["cors"]).encode()
    assert code_of(lambda: os.setxattr(mount.place, "user.oss.bucket.cors", cors)) == errno.EACCES
    rules = [oss2.models.LifecycleRule(f"{n}", f"{n:0>80}/", "Enabled", oss2.models.LifecycleExpiration(days=9))
             for n in range(600)]  # fmt: skip
    bucket.put_bucket_lifecycle(oss2.models.BucketLifecycle(rules))
    assert code_of(lambda: os.getxattr(mount.place, "user.oss.bucket.lifecycle")) == errno.E2BIG
    assert "E2BIG" not in mount.run("getfattr", "-d", ".")
    log = mount.log.read_text()
    assert "setxattr: EINVAL: OSError: [Errno 22] user.oss.bucket.cors: CORS: no such field: rule" in log
    assert "setxattr: EACCES: user.oss.bucket.cors: AccessDenied (403): A planned fault. [request id" in log
    assert "getxattr: E2BIG: OSError: [Errno 7] user.oss.bucket.lifecycle" in log
    bucket.delete_bucket_lifecycle()
    mount.remount("--read-only")
    assert code_of(lambda: os.setxattr(mount.place, "user.oss.bucket.cors", cors)) == errno.EROFS
    assert json.loads(getfattr("acl")) == "public-read"


def test_what_failed_shows_at_the_file_and_above_until_it_is_done(
    mounted: Callable[..., Mount], oss_process: OssServer
) -> None:
    mount = mounted()
    (mount.place / "dir").mkdir()
    mount.flush()
    oss_process.fail(
        {"operation": "PutObject", "prefix": "dir/", "status": 403, "code": "FileImmutable", "count": None}
    )
    (mount.place / "dir/file").write_text("precious")
    assert mount.command("flush", mount.place, check=False).returncode == 1
    with pytest.raises(PermissionError):
        (mount.place / "dir/file").open().close()
    for path in ("dir/file", "dir", "."):
        said = mount.run("getfattr", "-n", "user.oss.error", "--only-values", path)
        assert said.startswith("put dir/file: FileImmutable (403): A planned fault. ")
        assert "[request id " in said
        assert "; see the bucket's retention policy (kept: ossmount flush tries again)" in said
        assert os.getxattr(mount.place / path, "user.oss.state") == b"failed"
    oss_process.fail()
    mount.flush()
    for path in ("dir/file", "dir", "."):
        assert code_of(os.getxattr, mount.place / path, "user.oss.error") == errno.ENODATA
        assert os.getxattr(mount.place / path, "user.oss.state") == b"clean"


def test_getfattr_shows_what_is_known_of_a_picture(quick: Mount) -> None:
    content = io.BytesIO()
    Image.new("RGB", (40, 30)).save(content, "JPEG")
    (quick.place / "photo.jpg").write_bytes(content.getvalue())
    said = json.loads(quick.run("getfattr", "-n", "user.oss.image.info", "--only-values", "photo.jpg"))
    assert (said["Format"], said["ImageWidth"], said["ImageHeight"]) == ("jpg", 40, 30)
    assert (
        json.loads(quick.command("image", "info", f"oss://{quick.bucket.bucket_name}/photo.jpg", "--json").stdout)
        == said
    )
    assert code_of(lambda: os.getxattr(quick.place / "file", "user.oss.image.info")) == errno.ENODATA


def test_directories_and_links_take_notes(mount: Mount) -> None:
    (mount.place / "d").mkdir()
    os.setxattr(mount.place / "d", "user.note", b"directory")
    mount.flush()
    assert mount.bucket.head_object("d/").headers["x-oss-meta-note"] == "directory"
    mount.remount()
    assert os.getxattr(mount.place / "d", "user.note") == b"directory"


def test_getfattr_dumps_notes_only(mount: Mount) -> None:
    assert mount.run("getfattr", "-d", "file").splitlines()[1:2] == ['user.colour="blue"']
    mount.run("cp", "-a", "file", "copy")
    mount.flush()
    assert mount.bucket.head_object("copy").headers["x-oss-meta-colour"] == "blue"


def test_properties_set_before_the_upload_reach_the_object(mount: Mount, bucket: oss2.Bucket) -> None:
    with (mount.place / "new").open("wb") as file:
        file.write(b"x")
        os.setxattr(mount.place / "new", "user.oss.content-type", b"image/png")
        os.setxattr(mount.place / "new", "user.note", b"early")
        os.setxattr(mount.place / "new", "user.oss.acl", b"private")
        os.setxattr(mount.place / "new", "user.oss.tags", b"k=v")
    os.rename(mount.place / "new", mount.place / "moved")
    mount.flush()
    head = bucket.head_object("moved").headers
    assert (head["Content-Type"], head["x-oss-meta-note"]) == ("image/png", "early")
    assert bucket.get_object_acl("moved").acl == "private"
    assert bucket.get_object_tagging("moved").tag_set.tagging_rule == {"k": "v"}
