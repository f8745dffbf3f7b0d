"""Commands that do what they do only if the object is the one that is meant."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

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
