"""Objects, as a person handles them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import Result

from ossmount.server.faults import Fault
from ossmount.server.threaded import ThreadedServer
from tests.applications import Application

OSS = Callable[..., Result]
BIG = bytes(range(256)) * 1200  # 300 KiB


@pytest.fixture
def put(oss: OSS) -> Callable[..., None]:
    def make(*keys: str) -> None:
        for key in keys:
            oss("object", "put", "-", f"oss://bucket/{key}", stdin=key.encode())

    return make


def test_a_file_goes_up_and_comes_down(oss: OSS, tmp_path: Path) -> None:
    file = tmp_path / "photo.txt"
    file.write_bytes(BIG)

    oss("object", "put", file, "oss://bucket/photos/", "--meta", "color=red", "--header", "Cache-Control=no-cache")
    (tmp_path / "down").mkdir()
    oss("object", "get", "bucket/photos/photo.txt", tmp_path / "down")

    assert (tmp_path / "down" / "photo.txt").read_bytes() == BIG
    head = json.loads(oss("object", "head", "bucket/photos/photo.txt", "--json").stdout)
    assert (head["size"], head["meta"], head["content_type"]) == (len(BIG), {"color": "red"}, "text/plain")
    assert "no-cache" in oss("object", "head", "bucket/photos/photo.txt").stdout


def test_parts_go_up_several_at_once_and_the_checkpoint_goes_away(
    oss: OSS, oss_server: ThreadedServer, tmp_path: Path
) -> None:
    file = tmp_path / "big"
    file.write_bytes(BIG)

    oss(
        "object", "put", file, "bucket", "--part-size", "100KiB", "--parallel", "2", "--checkpoint", tmp_path / "point"
    )  # fmt: skip

    assert oss_server.count("UploadPart") == 3
    assert not (tmp_path / "point").exists()
    oss("object", "get", "bucket/big", tmp_path / "again", "--part-size", "100KiB", "--checkpoint", tmp_path / "point")
    assert (tmp_path / "again").read_bytes() == BIG
    assert not (tmp_path / "point").exists()


def test_standard_input_and_output_carry_any_bytes(oss: OSS, tmp_path: Path) -> None:
    oss("object", "put", "-", "bucket/stream", stdin=BIG)

    assert oss("object", "get", "bucket/stream").stdout_bytes == BIG
    assert oss("object", "get", "bucket/stream", "-", "--range", "5-9").stdout_bytes == BIG[5:10]
    oss("object", "get", "bucket/stream", tmp_path / "tail", "--range", "307190-")
    assert (tmp_path / "tail").read_bytes() == BIG[307190:]


def test_what_cannot_be_had_leaves_no_file(oss: OSS, tmp_path: Path) -> None:
    for more in ((), ("--range", "0-1")):
        said = oss("object", "get", "bucket/absent", tmp_path / "file", *more, status=1).stderr
        assert said.startswith("ossmount: NoSuchKey (404): ")
        assert "request id" in said
    assert not list(tmp_path.glob("file*"))


@pytest.mark.parametrize("more", [(), ("--range", "0-")])
def test_directories_are_made_as_they_are_needed(
    oss: OSS, put: Callable[..., None], tmp_path: Path, more: tuple[str, ...]
) -> None:
    put("d/key")

    oss("object", "get", "bucket/d/absent", f"{tmp_path}/new/", *more, status=1)
    assert not (tmp_path / "new").exists()
    oss("object", "get", "bucket/d/key", f"{tmp_path}/new/", *more)
    oss("object", "get", "bucket/d/key", f"{tmp_path}/other/name", *more)
    assert [(tmp_path / name).read_text() for name in ("new/key", "other/name")] == ["d/key", "d/key"]


def test_a_key_cannot_lead_out_of_the_directory(oss: OSS, put: Callable[..., None], tmp_path: Path) -> None:
    put("a/..")

    assert "gives no file name" in oss("object", "get", "bucket/a/..", tmp_path, status=1).stderr


def test_nothing_is_overwritten_that_shall_not_be(oss: OSS, put: Callable[..., None]) -> None:
    put("key")

    said = oss("object", "put", "-", "bucket/key", "--forbid-overwrite", status=1, stdin=b"new").stderr
    assert "FileAlreadyExists" in said
    assert oss("object", "get", "bucket/key").stdout == "key"


def test_a_listing_is_short_long_deep_or_json(oss: OSS, put: Callable[..., None]) -> None:
    put("a", "d/b", "d/c", "line\nbreak")

    assert oss("object", "ls", "bucket").stdout == "a\nd/\nline\\nbreak\n"
    assert oss("object", "ls", "oss://bucket", "-r").stdout == "a\nd/b\nd/c\nline\\nbreak\n"
    assert oss("object", "ls", "oss://bucket/d/").stdout == "d/b\nd/c\n"
    long = oss("object", "ls", "bucket", "-l").stdout.splitlines()
    assert "Standard" in long[0]
    assert {line.index(key) for line, key in zip(long, ("a", "d/", "line"), strict=True) if key != "a"} == {85}
    assert "0CC175B9C0F1B6A831C399E269772661 " in long[0]
    assert oss("object", "ls", "bucket", "-r", "--start-after", "d/b").stdout == "d/c\nline\\nbreak\n"
    listed = json.loads(oss("object", "ls", "bucket", "--json").stdout)
    assert [each.get("key", each.get("prefix")) for each in listed] == ["a", "d/", "line\nbreak"]
    assert json.loads(oss("object", "ls", "bucket/nothing", "--json").stdout) == []


def test_to_remove_a_directory_spares_what_is_only_called_alike(oss: OSS, put: Callable[..., None]) -> None:
    put("photos", "photos/a", "photos/b/c", "photos-2", "photos2/x")

    refused = oss("object", "rm", "-r", "oss://bucket/photos", status=1, stdin=b"n\n")
    assert "oss://bucket/photos" in refused.stderr
    assert "nothing is removed; with --force, nobody is asked" in refused.stderr
    assert "photos/a" in oss("object", "ls", "bucket", "-r").stdout
    assert "3 objects" in oss("object", "rm", "-r", "oss://bucket/photos", stdin=b"y\n").stderr
    assert oss("object", "ls", "bucket", "-r").stdout == "photos-2\nphotos2/x\n"
    oss("object", "rm", "-r", "-f", "bucket")
    assert oss("object", "ls", "bucket", "-r").stdout == ""


def test_objects_are_removed_by_name(oss: OSS, put: Callable[..., None]) -> None:
    put("a", "b", "c")

    oss("object", "rm", "bucket/a", "bucket/b", "bucket/absent")
    oss("object", "rm", "bucket/absent")
    assert oss("object", "ls", "bucket").stdout == "c\n"
    assert "that is a bucket" in oss("object", "rm", "bucket", status=2).stderr
    assert oss("object", "ls", "bucket").stdout == "c\n"


def test_a_copy_keeps_metadata_or_gets_its_own(oss: OSS, put: Callable[..., None]) -> None:
    oss("bucket", "create", "other")
    oss("object", "put", "-", "bucket/a", "--meta", "color=red", stdin=b"x")

    oss("object", "cp", "bucket/a", "oss://other/")
    oss("object", "cp", "bucket/a", "bucket/b", "--meta", "color=blue")

    assert oss("object", "meta", "other/a").stdout == "color=red\n"
    assert oss("object", "meta", "bucket/b").stdout == "color=blue\n"
    assert "FileAlreadyExists" in oss("object", "cp", "bucket/a", "bucket/b", "--forbid-overwrite", status=1).stderr


def test_a_copy_keeps_headers_but_those_that_shall_be_otherwise(oss: OSS, put: Callable[..., None]) -> None:
    put("a")
    oss("object", "meta", "bucket/a", "--set", "color=red", "--header", "Content-Language=de")

    oss(
        "object", "cp", "bucket/a", "bucket/b", "--storage-class", "IA", "--acl", "public-read",
        "--header", "Cache-Control=no-cache",
    )  # fmt: skip

    head = json.loads(oss("object", "head", "bucket/b", "--json").stdout)
    assert (head["storage_class"], head["meta"]) == ("IA", {"color": "red"})
    assert (head["headers"]["cache-control"], head["headers"]["content-language"]) == ("no-cache", "de")
    assert oss("object", "acl", "bucket/b").stdout == "public-read\n"
    oss("object", "cp", "bucket/b", "bucket/b", "--storage-class", "Standard")
    assert json.loads(oss("object", "head", "bucket/b", "--json").stdout)["storage_class"] == "Standard"
    assert oss("object", "acl", "bucket/b").stdout == "public-read\n"


def test_an_application_is_told_of_what_was_put(oss: OSS, application: Application, tmp_path: Path) -> None:
    callback = {"url": application.url, "body": "key=${object}&who=${x:who}", "variables": {"x:who": "me"}}

    said = oss("object", "put", "-", "bucket/a", "--callback", json.dumps(callback), stdin=b"1").stdout

    assert json.loads(said) == {"ok": True}
    assert application.told[0][2] == b"key=a&who=me"
    application.status = 500
    said = oss("object", "put", "-", "bucket/a", "--callback", json.dumps(callback), stdin=b"2", status=1).stderr
    assert "CallbackFailed (203)" in said
    assert "the object is stored all the same" in said
    assert oss("object", "get", "bucket/a").stdout == "2"
    (tmp_path / "callback.json").write_text('{"url": "http://127.0.0.1/", "text": "no such field"}')
    said = oss("object", "put", "-", "bucket/b", "--callback", tmp_path / "callback.json", status=2, stdin=b"").stderr
    assert "text" in said
    assert oss("object", "ls", "bucket").stdout == "a\n"


@pytest.mark.parametrize(
    ("source", "target", "copies"),
    [
        ("bucket/photos", "other", ["photos", "photos/a", "photos/b/c"]),
        ("bucket/photos", "other/x/", ["x/photos", "x/photos/a", "x/photos/b/c"]),
        ("bucket/photos", "other/x", ["x", "x/a", "x/b/c"]),
        ("bucket/photos/", "other", ["a", "b/c"]),
        ("bucket/photos/", "other/x", ["x/a", "x/b/c"]),
        ("bucket", "other/x/", ["x/photos", "x/photos-2", "x/photos/a", "x/photos/b/c"]),
    ],
)
def test_a_directory_is_copied_with_or_without_its_name(
    oss: OSS, put: Callable[..., None], source: str, target: str, copies: list[str]
) -> None:
    put("photos", "photos/a", "photos/b/c", "photos-2")
    oss("bucket", "create", "other")

    assert f"{len(copies)} objects copied" in oss("object", "cp", "-r", source, target, "--parallel", "2").stderr
    assert sorted(oss("object", "ls", "-r", "other").stdout.split()) == sorted(copies)
    refused = oss("object", "cp", "-r", source, target, "--forbid-overwrite", status=1).stderr
    assert refused.count("FileAlreadyExists") == len(copies)
    assert refused.count("Remedy: choose another name") == 1
    assert f"{len(copies)} of {len(copies)} objects failed; 0 copied to oss://other/" in refused


def test_versions_are_kept_listed_got_and_removed(oss: OSS) -> None:
    assert oss("bucket", "versioning", "bucket").stdout == "Disabled\n"
    oss("bucket", "versioning", "bucket", "enabled")
    assert oss("bucket", "versioning", "bucket").stdout == "Enabled\n"
    for text in (b"1", b"2"):
        oss("object", "put", "-", "bucket/a", stdin=text)
    oss("object", "rm", "bucket/a")

    shown = oss("object", "ls", "bucket", "--versions").stdout.splitlines()
    assert [line.split()[1:] for line in shown] == [["a", "(latest)", "(deleted)"], ["a"], ["a"]]
    first = json.loads(oss("object", "ls", "bucket", "--versions", "--json").stdout)[-1]
    assert (first["key"], first["size"], first["is_delete_marker"]) == ("a", 1, False)
    assert oss("object", "get", "bucket/a", "--version-id", first["version_id"]).stdout == "1"
    oss("object", "cp", "bucket/a", "bucket/a", "--version-id", first["version_id"])
    assert oss("object", "get", "bucket/a").stdout == "1"
    oss("object", "tag", "bucket/a", "--set", "age=old", "--version-id", first["version_id"])
    assert oss("object", "tag", "bucket/a", "--version-id", first["version_id"]).stdout == "age=old\n"
    assert oss("object", "tag", "bucket/a").stdout == ""
    oss("object", "acl", "bucket/a", "public-read", "--version-id", first["version_id"])
    assert oss("object", "acl", "bucket/a").stdout == "default\n"
    assert "one object" in oss("object", "cp", "-r", "bucket/a", "bucket/b", "--version-id", "x", status=2).stderr
    oss("object", "rm", "bucket/a", "--version-id", first["version_id"])
    gone = oss("object", "get", "bucket/a", "--version-id", first["version_id"], status=1).stderr
    assert "Remedy: see: ossmount object ls --versions" in gone
    assert len(oss("object", "ls", "bucket", "--versions", "--limit", "2", "-l").stdout.splitlines()) == 2
    assert "BucketNotEmpty" in oss("bucket", "rm", "bucket", status=1).stderr
    assert "3 versions" in oss("object", "rm", "-rf", "--all-versions", "bucket").stderr
    oss("bucket", "rm", "bucket")


def test_metadata_changes_only_where_it_is_named(oss: OSS) -> None:
    oss("object", "put", "-", "bucket/a", "--meta", "color=red", "--meta", "shape=round", stdin=b"x")

    oss("object", "meta", "bucket/a", "--set", "size=small", "--remove", "shape", "--header", "Cache-Control=no-cache")
    assert json.loads(oss("object", "meta", "bucket/a", "--json").stdout) == {"color": "red", "size": "small"}
    assert "no-cache" in oss("object", "head", "bucket/a").stdout
    oss("object", "meta", "bucket/a", "--clear")
    assert oss("object", "meta", "bucket/a").stdout == ""
    assert oss("object", "get", "bucket/a").stdout == "x"


def test_tags_change_only_where_they_are_named(oss: OSS, put: Callable[..., None]) -> None:
    put("a")

    assert oss("object", "tag", "bucket/a").stdout == ""
    oss("object", "tag", "bucket/a", "--set", "color=red", "--set", "shape=round")
    oss("object", "tag", "bucket/a", "--set", "size=small", "--remove", "shape")
    assert json.loads(oss("object", "tag", "bucket/a", "--json").stdout) == {"color": "red", "size": "small"}
    oss("object", "tag", "bucket/a", "--clear")
    assert oss("object", "tag", "bucket/a").stdout == ""


def test_a_symlink_is_made_shown_and_followed(oss: OSS, put: Callable[..., None]) -> None:
    put("dir/a")

    oss("object", "symlink", "bucket/link", "oss://bucket/dir/a")
    assert oss("object", "symlink", "bucket/link").stdout == "dir/a\n"
    assert oss("object", "get", "bucket/link").stdout == "dir/a"
    assert (
        "FileAlreadyExists" in oss("object", "symlink", "bucket/link", "dir/b", "--forbid-overwrite", status=1).stderr
    )
    assert "NotSymlink" in oss("object", "symlink", "bucket/dir/a", status=1).stderr


def test_what_is_appended_is_at_the_end(oss: OSS, put: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "more").write_bytes(BIG)
    put("whole")

    oss("object", "append", "-", "bucket/log.txt", "--meta", "color=red", stdin=b"first ")
    oss("object", "append", tmp_path / "more", "bucket/log.txt")
    assert oss("object", "get", "bucket/log.txt").stdout_bytes == b"first " + BIG
    head = json.loads(oss("object", "head", "bucket/log.txt", "--json").stdout)
    assert (head["type"], head["content_type"], head["meta"]) == ("Appendable", "text/plain", {"color": "red"})
    late = oss("object", "append", "-", "bucket/log.txt", "--position", "6", status=1, stdin=b"x").stderr
    assert "PositionNotEqualToLength" in late
    assert "appending" in oss("object", "append", "-", "bucket/whole", status=1, stdin=b"x").stderr


def test_the_acl_of_an_object_is_shown_and_set(oss: OSS, put: Callable[..., None]) -> None:
    put("a")

    assert oss("object", "acl", "bucket/a").stdout == "default\n"
    oss("object", "acl", "bucket/a", "public-read")
    assert oss("object", "acl", "bucket/a").stdout == "public-read\n"


@pytest.mark.parametrize("signature", ["v1", "v4"])
def test_a_signed_url_can_be_opened(oss: OSS, put: Callable[..., None], signature: str) -> None:
    put("a b")
    options = ("--expires", "1m", "--response", "content-type=text/plain", "--signature", signature)

    url = oss("object", "sign", "bucket/a b", *options).stdout.strip()

    with urlopen(url) as answer:
        assert (answer.read(), answer.headers["content-type"]) == (b"a b", "text/plain")


def test_a_url_is_that_of_the_service_or_of_ones_own(oss: OSS, oss_server: ThreadedServer) -> None:
    assert oss("object", "url", "bucket/a b").stdout == f"{oss_server.url}/bucket/a%20b\n"
    own = oss("object", "url", "bucket/a b", "--base", "https://cdn.example.com/")
    assert own.stdout == "https://cdn.example.com/a%20b\n"


def test_unfinished_uploads_are_listed_and_aborted(oss: OSS, oss_server: ThreadedServer, tmp_path: Path) -> None:
    oss_server.faults.add(Fault(operation="UploadPart", status=403, code="AccessDenied", count=None))
    (tmp_path / "big").write_bytes(BIG)
    for name in ("x", "y", "y2"):
        point = ("--checkpoint", tmp_path / name)
        said = oss("object", "put", tmp_path / "big", f"bucket/{name}", "--part-size", "100KiB", *point, status=1)
        assert "AccessDenied" in said.stderr

    uploads = json.loads(oss("object", "uploads", "bucket", "--json").stdout)
    assert [each["key"] for each in uploads] == ["x", "y", "y2"]
    assert len(oss("object", "uploads", "bucket/y").stdout.splitlines()) == 2
    oss("object", "abort", "bucket/x", uploads[0]["upload_id"])
    assert "2 uploads" in oss("object", "abort", "bucket/y", "--all").stderr
    assert oss("object", "uploads", "bucket").stdout == ""


def test_an_archived_object_is_restored(oss: OSS) -> None:
    oss("object", "put", "-", "bucket/old", "--storage-class", "Archive", stdin=b"x")

    assert "ossmount object restore" in oss("object", "get", "bucket/old", status=1).stderr
    assert "being restored" in oss("object", "restore", "bucket/old", "--days", "2").stdout


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["head", "bucket"], "names no object"),
        (["put", "-", "bucket"], "name the object"),
        (["put", "-", "bucket/key", "--checkpoint", "x"], "cannot be read again"),
        (["put", "-", "bucket/key", "--part-size", "1KiB"], "102400 to 5368709120 are possible"),
        (["put", "-", f"bucket/{'k' * 1024}"], "at most 1023 are possible"),
        (["ls", "bucket", "--limit", "0"], "x>=1"),
        (["rm", "bucket/key", "--all-versions"], "needs -r"),
        (["cp", "bucket", "other"], "use -r"),
        (["cp", "-r", "bucket/a", "bucket/a/b"], "copied into itself"),
        (["cp", "-r", "bucket", "bucket/copy"], "copied into itself"),
        (["cp", "-r", "bucket/a/", "bucket/a/"], "copied into itself"),
        (["symlink", "bucket/key", "oss://other/key"], "its own bucket"),
        (["symlink", "bucket/key", "--forbid-overwrite"], "name the KEY"),
        (["tag", "bucket/key", *(f"--set=k{number}=v" for number in range(11)), "--clear"], "at most 10"),
        (["get", "bucket/key", "--checkpoint", "x"], "only a whole object"),
        (["get", "bucket/key", "--range", "9-1"], "before the first"),
        (["put", "-", "bucket/key", "--meta", "color"], "NAME=VALUE"),
        (["abort", "bucket/key"], "UPLOAD_ID"),
        (["sign", "bucket/key", "--expires", "30d"], ""),
        (["ls", "bucket", "--region", "a b"], "not a region"),
    ],
)
def test_wrong_usage_asks_nothing(oss: OSS, oss_server: ThreadedServer, args: list[str], complaint: str) -> None:
    said = oss("object", *args, status=2).stderr

    assert complaint in said
    assert oss_server.count() == 0


def test_a_missing_file_is_told_in_one_line(oss: OSS, tmp_path: Path) -> None:
    said = oss("object", "put", tmp_path / "absent", "bucket", status=1).stderr

    assert said == f"ossmount: {tmp_path}/absent: No such file or directory\n"


def test_without_credentials_the_remedy_is_said(oss: OSS) -> None:
    said = oss("object", "ls", "bucket", status=1, OSS_ACCESS_KEY_ID="", OSS_ACCESS_KEY_SECRET="").stderr

    assert "no credentials found" in said
    assert "Remedy" in said


def test_who_gives_no_name_reads_what_anybody_may_read(
    oss: OSS, put: Callable[..., None], oss_server: ThreadedServer
) -> None:
    put("secret", "open")
    oss("object", "acl", "bucket/open", "public-read")

    assert oss("object", "get", "bucket/open", "--anonymous", OSS_ACCESS_KEY_ID="wrong").stdout == "open"
    assert "AccessDenied (403)" in oss("object", "get", "bucket/secret", "--anonymous", status=1).stderr
    assert "AccessDenied (403)" in oss("object", "put", "-", "bucket/new", "--anonymous", status=1, stdin=b"").stderr
    assert "anonymous" in oss("object", "ls", "bucket", "--anonymous", "--role-arn", "r", status=2).stderr


def test_the_bucket_s_section_of_a_file_counts(oss: OSS, oss_server: ThreadedServer, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[bucket.bucket]\nendpoint = "{oss_server.url}"\nprefix = "p"\nmountpoint = "/mnt"\n')

    oss("object", "put", "-", "bucket/a", "--config", file, stdin=b"x", OSS_ENDPOINT="")
    assert oss("object", "ls", "bucket", "--config", file, OSS_ENDPOINT="").stdout == "a\n"


def test_several_endpoints_are_one_bucket(oss: OSS, oss_server: ThreadedServer, tmp_path: Path) -> None:
    both = ("--endpoint", oss_server.url, "--endpoint", "http://127.0.0.1:1", "--schedule", "masterSlave")
    oss("object", "put", "-", "bucket/a", stdin=b"x")

    assert oss("object", "get", "bucket/a", *both).stdout == "x"


def test_a_pipe_is_read_to_its_end_and_written_to(oss: OSS, put: Callable[..., None], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def feed() -> None:
        pipe.write_bytes(BIG)

    with ThreadPoolExecutor(1) as thread:
        feeding = thread.submit(feed)
        oss("object", "put", pipe, "bucket/fed")
        feeding.result()
        assert oss("object", "get", "bucket/fed").stdout_bytes == BIG
        taken = thread.submit(pipe.read_bytes)
        oss("object", "get", "bucket/fed", pipe)
        assert taken.result() == BIG
    assert pipe.is_fifo()


def test_a_link_is_written_through(oss: OSS, put: Callable[..., None], tmp_path: Path) -> None:
    put("key")
    (tmp_path / "link").symlink_to("file")

    oss("object", "get", "bucket/key", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "key"


def test_what_is_tried_again_is_not_talked_about(
    oss: OSS, oss_server: ThreadedServer, put: Callable[..., None]
) -> None:
    put("key")
    oss_server.faults.add(Fault(operation="GetObject", status=503, code="ServiceUnavailable"))

    result = oss("object", "get", "bucket/key")
    assert (result.stdout, result.stderr) == ("key", "")


def test_a_damaged_object_is_not_put_in_place_of_a_file(oss: OSS, oss_server: ThreadedServer, tmp_path: Path) -> None:
    oss("object", "put", "-", "bucket/big", stdin=BIG)
    (tmp_path / "file").write_text("old")
    oss_server.faults.add(Fault(operation="GetObject", corrupt=7, count=None))

    assert "IntegrityError" in oss("object", "get", "bucket/big", "-", status=1).stderr
    said = oss("image", "get", "bucket/big", tmp_path / "file", status=1).stderr
    assert "IntegrityError" in said
    assert sorted(path.name for path in tmp_path.glob("file*")) == ["file"]
    assert (tmp_path / "file").read_text() == "old"
