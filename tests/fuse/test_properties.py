"""Extended attributes on a real mount, through the system calls and through getfattr."""

from __future__ import annotations

import errno
import json
import os
import urllib.request
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import oss2

    from tests.fuse.conftest import Mount


def code_of(call: Callable[[], object]) -> int | None:
    with pytest.raises(OSError, match="Errno") as caught:
        call()
    return caught.value.errno


@pytest.fixture(params=["background", "close"])
def mount(request: pytest.FixtureRequest, bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> Mount:
    """A mount, in each of the commit modes, over one object of another client."""
    headers = {"Content-Type": "text/x-special", "x-oss-meta-colour": "blue", "Cache-Control": "max-age=7"}
    bucket.put_object("file", b"content", headers=headers)
    return mounted("--commit", request.param)


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


def test_notes_fail_as_the_table_says(mount: Mount) -> None:
    file = mount.place / "file"
    assert code_of(lambda: os.getxattr(file, "user.missing")) == errno.ENODATA
    assert code_of(lambda: os.removexattr(file, "user.missing")) == errno.ENODATA
    assert code_of(lambda: os.setxattr(file, "user.oss.etag", b"x")) == errno.EPERM
    assert code_of(lambda: os.setxattr(file, "user.oss.nothing", b"x")) == errno.EPERM
    assert code_of(lambda: os.getxattr(file, "user.oss.bucket.acl")) == errno.ENODATA
    assert code_of(lambda: os.setxattr(file, "user.oss.acl", b"nonsense")) == errno.EINVAL
    assert code_of(lambda: os.setxattr(file, "user.big", b"x" * 9000)) == errno.E2BIG
    if os.geteuid() == 0:
        assert code_of(lambda: os.setxattr(file, "trusted.x", b"x")) == errno.EOPNOTSUPP


def test_creating_and_replacing_notes_are_told_apart(mount: Mount) -> None:
    file = mount.place / "file"
    assert code_of(lambda: os.setxattr(file, "user.colour", b"x", os.XATTR_CREATE)) == errno.EEXIST
    assert code_of(lambda: os.setxattr(file, "user.missing", b"x", os.XATTR_REPLACE)) == errno.ENODATA
    os.setxattr(file, "user.new", b"x", os.XATTR_CREATE)
    assert os.getxattr(file, "user.new") == b"x"


def test_properties_are_those_of_the_object(mount: Mount, bucket: oss2.Bucket) -> None:
    file = mount.place / "file"
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
    with urllib.request.urlopen(os.getxattr(file, "user.oss.url").decode(), timeout=20) as answer:
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


def test_the_root_shows_the_bucket(mount: Mount) -> None:
    root = mount.place
    assert json.loads(os.getxattr(root, "user.oss.bucket.acl")) == "private"
    assert "hangzhou" in json.loads(os.getxattr(root, "user.oss.bucket.location"))
    assert json.loads(os.getxattr(root, "user.oss.bucket.info"))["name"] == mount.bucket.bucket_name
    assert json.loads(os.getxattr(root, "user.oss.bucket.stat"))["object_count"] == 1
    assert code_of(lambda: os.getxattr(root, "user.oss.bucket.nothing")) == errno.ENODATA


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
