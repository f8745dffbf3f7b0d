"""Pending changes of a bucket that is mounted in another way now are told of, and never silently forgotten."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ossmount.cli.leftovers import find, note_origin
from ossmount.config import Config, load
from ossmount.writing.intents import Intent, IntentLog, Verb

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def left(tmp_path: Path) -> Callable[..., Config]:
    """Leave so many changes of a bucket behind."""

    def leave(changes: int, *endpoint: str, bucket: str = "bucket", staged: str = "") -> Config:
        given = {"endpoint": endpoint, "region": "cn-hangzhou", "state_dir": str(tmp_path / "state")}
        config = load(bucket, tmp_path / "mnt", given=given, files=(), environ={})
        config.state.mkdir(parents=True)
        note_origin(config)
        log = IntentLog(config.state / "state.db")
        for _ in range(changes):
            log.append(Intent(log.number(), Verb.DELETE, "key", "", {}, 0.0))
        if staged:
            log.stage("1", staged, {})
        log.close()
        return config

    return leave


def test_what_is_pending_for_other_endpoints_is_found(left: Callable[..., Config]) -> None:
    both = left(2, "http://a", "http://b")
    now = left(5, "http://a")
    left(0, "http://b")
    left(3, "http://a", bucket="bucket-other")

    (found,) = find(now.state.parent, "bucket", apart_from=now.state)
    assert (found.directory, found.origin, found.changes) == (both.state, "bucket at http://a, http://b", 2)
    assert {each.changes for each in find(now.state.parent)} == {2, 3, 5}


def test_a_file_that_was_open_and_a_log_that_cannot_be_read_count(left: Callable[..., Config]) -> None:
    config = left(0, "http://a", staged="key")
    assert [each.changes for each in find(config.state.parent)] == [1]
    (config.state / "state.db-wal").unlink(missing_ok=True)
    (config.state / "state.db").write_bytes(b"no database" * 1000)
    assert [each.changes for each in find(config.state.parent)] == [None]
    (config.state / "state.db").unlink()
    (config.state / "staging").mkdir()
    (config.state / "staging" / "1.journal").touch()
    assert [each.changes for each in find(config.state.parent)] == [1]


def test_the_status_tells_what_is_left_behind(
    ossmount: Program, left: Callable[..., Config], seeming_mount: Callable[[str], Path]
) -> None:
    left(1, "http://a", "http://b")
    said = "1 change is left of an earlier mount of bucket at http://a, http://b"
    assert said in ossmount("status").stdout
    seeming_mount("willing")
    assert said in ossmount("status").stdout
    (facts,) = json.loads(ossmount("status", "--json").stdout)
    assert facts["left_behind"] == []  # its state is elsewhere
