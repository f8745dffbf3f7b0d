"""Directories up and down."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ossmount.server.faults import Fault
from ossmount.server.threaded import ThreadedServer

OSS = Callable[..., Result]
FILES = {"a.txt": b"a", "sub/b": b"b" * 300_000, "sub/deep/ü c": b"", "x": b"x", "x.part": b"part", "x.part.part": b"p"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A directory with files, and with what is none."""
    for name, content in FILES.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "photos" / "empty").mkdir()
    (tmp_path / "photos" / "link").symlink_to("a.txt")
    (tmp_path / "photos" / "broken").symlink_to("nowhere")
    (tmp_path / "photos" / "loop").symlink_to(".")
    os.mkfifo(tmp_path / "photos" / "pipe")
    return tmp_path / "photos"


def files_below(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_a_directory_goes_up_and_comes_down(oss: OSS, photos: Path, tmp_path: Path) -> None:
    told = oss("object", "put", "-r", photos, "bucket", "--meta", "color=red", "--part-size", "100KiB").stderr
    assert "7 files uploaded to oss://bucket/photos/" in told
    assert told.count("left out, it is no file") == 3
    assert oss("object", "head", "bucket/photos/a.txt").stdout.count("text/plain") == 1
    assert oss("object", "meta", "bucket/photos/sub/b").stdout == "color=red\n"

    (tmp_path / "down").mkdir()
    # What is there already may be in the way of what is fetched, or be fetched itself.
    for _ in range(2):
        told = oss("object", "get", "-r", "bucket/photos", tmp_path / "down", "--part-size", "100KiB").stderr
        assert f"7 objects written to {tmp_path}/down" in told
        assert files_below(tmp_path / "down" / "photos") == {**FILES, "link": b"a"}


@pytest.mark.parametrize(
    ("directory", "target", "key"),
    [
        ("photos", "bucket", "photos/a.txt"),
        ("photos/", "bucket", "a.txt"),
        ("photos/.", "bucket/new", "new/a.txt"),
        ("photos", "bucket/new", "new/a.txt"),
        ("photos", "bucket/new/", "new/photos/a.txt"),
        ("photos/", "bucket/new/", "new/a.txt"),
    ],
)
def test_a_directory_goes_where_it_is_told(
    oss: OSS, photos: Path, tmp_path: Path, directory: str, target: str, key: str
) -> None:
    oss("object", "put", "-r", f"{tmp_path}/{directory}", f"oss://{target}")
    assert key in oss("object", "ls", "-r", "bucket").stdout.splitlines()


def test_a_directory_comes_with_its_name_or_without(oss: OSS, tmp_path: Path) -> None:
    for key in ("d/a", "d/sub/b", "d-2"):
        oss("object", "put", "-", f"bucket/{key}", stdin=key.encode())

    oss("object", "get", "-r", "bucket/d", tmp_path / "named")
    oss("object", "get", "-r", "bucket/d/", tmp_path / "contents")
    oss("object", "get", "-r", "bucket", tmp_path / "all")

    assert sorted(files_below(tmp_path / "named")) == ["d/a", "d/sub/b"]
    assert sorted(files_below(tmp_path / "contents")) == ["a", "sub/b"]
    assert sorted(files_below(tmp_path / "all")) == ["d-2", "d/a", "d/sub/b"]


@pytest.mark.parametrize(("command", "target"), [("get", "down"), ("cp", "bucket/copy")])
def test_a_name_that_means_nothing_is_told(oss: OSS, tmp_path: Path, command: str, target: str) -> None:
    oss("object", "put", "-", "bucket/photos-2", stdin=b"x")
    target = str(tmp_path / target) if command == "get" else target

    said = oss("object", command, "-r", "bucket/photos", target, status=1).stderr
    assert said == "ossmount: there is no object at or below oss://bucket/photos\n"
    assert not (tmp_path / "down").exists()
    # An empty directory, and an empty bucket, are something.
    oss("object", "append", "-", "bucket/empty/", stdin=b"")
    oss("object", command, "-r", "bucket/empty/", target)
    oss("bucket", "create", "other")
    oss("object", command, "-r", "other", target)


def test_small_objects_come_in_one_request_and_large_ones_in_parts(
    oss: OSS, oss_server: ThreadedServer, photos: Path, tmp_path: Path
) -> None:
    oss("object", "put", "-r", photos, "bucket")
    oss("object", "symlink", "bucket/photos/pointer", "photos/sub/b")
    oss_server.reset()

    oss("object", "get", "-r", "bucket", tmp_path / "down", "--part-size", "100KiB")
    assert files_below(tmp_path / "down" / "photos") == {**FILES, "link": b"a", "pointer": FILES["sub/b"]}
    assert (oss_server.count("HeadObject"), oss_server.count("GetObject")) == (2, 6 + 3 + 3)


@pytest.mark.parametrize("key", ["d/../../out", "d/./x", "d//x", "d/a\0b"])
def test_no_key_leads_out_of_the_directory(oss: OSS, tmp_path: Path, key: str) -> None:
    oss("object", "put", "-", f"bucket/{key}", stdin=b"x")

    assert "it is no path of a file" in oss("object", "get", "-r", "bucket/d", tmp_path / "in" / "d", status=1).stderr
    assert not (tmp_path / "in" / "out").exists()
    assert not (tmp_path / "out").exists()


def test_a_failure_tells_how_far_it_came(oss: OSS, oss_server: ThreadedServer, photos: Path, tmp_path: Path) -> None:
    oss_server.faults.add(Fault(operation="PutObject", first=3, status=403, code="AccessDenied", count=None))
    said = oss("object", "put", "-r", photos, "bucket", "--parallel", "1", status=1).stderr
    assert said.count("AccessDenied") == 5
    assert "5 of 7 files failed; 2 uploaded to oss://bucket/photos/" in said
    oss_server.faults.add(Fault(operation="GetObject", first=2, status=403, code="AccessDenied", count=None))
    said = oss("object", "get", "-r", "bucket", tmp_path / "down", "--parallel", "1", status=1).stderr
    assert "1 of 2 objects failed; 1 written" in said
    assert not list((tmp_path / "down").rglob("*.part"))


@pytest.mark.parametrize(
    ("args", "complaint", "status"),
    [
        (["put", "/etc", "bucket"], "use -r", 2),
        (["put", "-r", "/nowhere", "bucket"], "/nowhere: No such file", 1),
        (["put", "-r", "/etc/passwd", "bucket"], "/etc/passwd: Not a directory", 1),
        (["put", "-r", "/etc", "bucket", "--checkpoint", "x"], "of one object only, not with -r: --checkpoint", 2),
        (["get", "-r", "bucket", "-"], "to a directory", 2),
        (["get", "-r", "bucket", "--range", "0-1"], "of one object only, not with -r: --range", 2),
        (["get", "bucket"], "use -r for all", 2),
    ],
)
def test_wrong_usage_asks_nothing(
    oss: OSS, oss_server: ThreadedServer, args: list[str], complaint: str, status: int
) -> None:
    assert complaint in oss("object", *args, status=status).stderr
    assert oss_server.count() == 0
