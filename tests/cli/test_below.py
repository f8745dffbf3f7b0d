"""Commands that change everything below a name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ossmount.server.faults import deny
from ossmount.server.threaded import ThreadedServer

OSS = Callable[..., Result]


@pytest.fixture(autouse=True)
def _objects(oss: OSS, tmp_path: Path) -> None:
    for name in ("d/a", "d/sub/b", "d-2"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    oss("object", "put", "-r", f"{tmp_path}/tree/", "bucket", "--meta", "color=red")


@pytest.mark.parametrize(
    ("change", "show", "shown"),
    [
        (("acl", "-r", "PLACE", "public-read"), ("acl",), "public-read\n"),
        (("tag", "-r", "PLACE", "--set", "a=1"), ("tag",), "a=1\n"),
        (("meta", "-r", "PLACE", "--set", "a=1", "--header", "Cache-Control=no-store"), ("meta",), "color=red\na=1\n"),
        (("meta", "-r", "PLACE", "--remove", "color"), ("meta",), ""),
    ],
)
def test_what_is_below_is_changed_and_nothing_else(
    oss: OSS, oss_server: ThreadedServer, change: tuple[str, ...], show: tuple[str, ...], shown: str
) -> None:
    before = oss("object", *show, "bucket/d-2").stdout
    said = oss("object", *(word.replace("PLACE", "bucket/d") for word in change)).stderr

    assert said.startswith("2 objects ")
    assert [oss("object", *show, f"bucket/{key}").stdout for key in ("d/a", "d/sub/b")] == [shown, shown]
    assert oss("object", *show, "bucket/d-2").stdout == before
    # One that fails keeps no other from it, and the bucket is everything.
    for operation in ("PutObjectACL", "PutObjectTagging", "CopyObject"):
        oss_server.faults.add(deny("d/a", operation))
    said = oss("object", *(word.replace("PLACE", "bucket") for word in change), status=1).stderr
    assert "ossmount: oss://bucket/d/a: AccessDenied (403): " in said
    assert "\nossmount: 1 of 3 objects failed; 2 " in said
    assert oss("object", *show, "bucket/d-2").stdout == shown


def test_what_is_archived_below_is_restored(oss: OSS, oss_server: ThreadedServer) -> None:
    assert "2 objects copied to oss://bucket/d" in (
        oss("object", "cp", "-r", "bucket/d", "bucket", "--storage-class", "Archive").stderr
    )
    assert oss("object", "restore", "bucket/d/a").stdout == "it is being restored\n"
    assert "RestoreAlreadyInProgress" in oss("object", "restore", "bucket/d/a", status=1).stderr

    for _ in range(2):
        said = oss("object", "restore", "-r", "bucket", "--days", "2").stderr
        assert said == "2 objects being restored, or readable already\n"
    assert oss_server.count("RestoreObject") == 6
    head = json.loads(oss("object", "head", "bucket/d/sub/b", "--json").stdout)
    assert "x-oss-restore" in head["headers"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("acl", "bucket"), "names no object"),
        (("meta", "bucket"), "names no object"),
        (("restore", "bucket"), "names no object"),
        (("acl", "-r", "bucket"), "name the ACL"),
        (("meta", "-r", "bucket"), "say what to change"),
        (("tag", "-r", "bucket"), "say what to change"),
        (("acl", "-r", "bucket", "private", "--version-id", "x"), "of one object only, not with -r: --version-id"),
        (("get", "-r", "bucket", "x", "--if-match", "y"), "of one object only, not with -r: --if-match"),
    ],
)
def test_what_is_not_said_is_asked_for(oss: OSS, words: tuple[str, ...], complaint: str) -> None:
    assert complaint in oss("object", *words, status=2).stderr
