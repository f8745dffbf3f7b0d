"""What is typed is read, or refused with what would do; conditions hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ossmount.cli.parameters import OBJECT, PLACE, Name
from ossmount.server.threaded import ThreadedServer

OSS = Callable[..., Result]
ETAG = "2063C1608D6E0BAF80249C42E2BE5804"  # of b"value"
OTHER = "0" * 32
NEVER = "1999-12-31T23:59:59Z"


@pytest.fixture(autouse=True)
def _object(oss: OSS) -> None:
    oss("object", "put", "-", "bucket/key", stdin=b"value")


@pytest.mark.parametrize(
    "refused",
    [
        ("412", "--if-match", OTHER),
        ("304", "--if-none-match", ETAG),
        ("304", "--if-modified-since", "its last change"),
        ("412", "--if-unmodified-since", NEVER),
    ],
)
def test_what_is_not_as_it_should_be_is_neither_shown_nor_got_nor_copied(
    oss: OSS, tmp_path: Path, refused: tuple[str, str, str]
) -> None:
    status, option, value = refused
    changed = json.loads(oss("object", "head", "bucket/key", "--json").stdout)["last_modified"]
    condition = (option, changed if value == "its last change" else value)
    for words in (
        ("object", "head", "bucket/key"),
        ("object", "get", "bucket/key"),
        ("object", "get", "bucket/key", tmp_path / "file"),
        ("image", "get", "bucket/key"),
        ("object", "cp", "bucket/key", "bucket/copy"),
    ):
        said = oss(*words, *condition, status=1)
        assert f"({status})" in said.stderr
        assert "value" not in said.stdout
        assert "no message" not in said.stderr
    assert not list(tmp_path.glob("file*"))
    assert oss("object", "ls", "bucket").stdout == "key\n"


def test_what_is_as_it_should_be_is_shown_got_and_copied(oss: OSS, tmp_path: Path) -> None:
    good = ("--if-match", ETAG, "--if-none-match", OTHER, "--if-modified-since", NEVER)

    assert json.loads(oss("object", "head", "bucket/key", "--json", *good).stdout)["etag"] == ETAG
    assert oss("object", "get", "bucket/key", *good).stdout == "value"
    oss("object", "get", "bucket/key", tmp_path / "file", *good)
    assert (tmp_path / "file").read_bytes() == b"value"
    oss("object", "cp", "bucket/key", "bucket/copy", *good)
    assert oss("object", "get", "bucket/copy").stdout == "value"


def test_no_time_is_refused_with_an_example(oss: OSS) -> None:
    said = oss("object", "head", "bucket/key", "--if-modified-since", "yesterday", status=2).stderr
    assert "2026-02-24T08:42:32Z" in said


def test_names_are_read_in_both_forms() -> None:
    for text in ("oss://bucket/a/b", "bucket/a/b"):
        assert OBJECT.convert(text, None, None) == Name("bucket", "a/b")
    assert PLACE.convert("bucket", None, None) == Name("bucket")
    assert PLACE.convert("oss://bucket/", None, None) == Name("bucket")
    assert Name("bucket", "d/").below("x").key == "d/x"
    assert Name("bucket", "d").below("x").key == "d"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("oss:/key", "names no bucket: write oss://BUCKET/KEY"),
        ("oss://", "names no bucket: write oss://BUCKET/KEY"),
        ("oss:///key", "names no bucket: write oss://BUCKET/KEY"),
        ("s3://bucket/key", "names no bucket: write oss://BUCKET/KEY"),
        ("", "names no bucket"),
        ("/etc/passwd", "For files: object put and get"),
        ("../no-such-file", "For files: object put and get"),
        ("Bucket/key", "'Bucket' is no bucket name: 3 to 63 of a-z, 0-9 and -"),
        ("bucket", "write oss://bucket/KEY"),
    ],
)
def test_what_names_no_object_is_told_how_to_write_it(
    oss: OSS, oss_server: ThreadedServer, name: str, complaint: str
) -> None:
    before = oss_server.count()
    assert complaint in " ".join(oss("object", "head", name, status=2).stderr.split())
    assert oss_server.count() == before


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        (("get", "bucket/key", "file", "--part-size", "99KiB"), "102400 to 5368709120 are possible"),
        (("put", "-r", "/etc", "bucket", "--part-size", "6GiB"), "102400 to 5368709120 are possible"),
        (("get", "bucket/key", "file", "--parallel", "0"), "1<=x<=100"),
        (("get", "bucket/key", "file", "--parallel", "many"), "'many' is not a valid whole number"),
        (("sign", "bucket/key", "--expires", "8d"), "604800"),
        (("sign", "bucket/key", "--expires", "soon"), "a duration such as"),
    ],
)
def test_what_is_out_of_its_limits_is_told_the_limit(oss: OSS, words: tuple[str, ...], limit: str) -> None:
    assert limit in oss("object", *words, status=2).stderr
