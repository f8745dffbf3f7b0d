"""The log on disk: what was written is there for the next daemon, and what cannot be trusted is refused."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ossmount.writing.intents import Intent, IntentLog, LogDamaged, Verb


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def log(path: Path) -> Iterator[IntentLog]:
    made = IntentLog(path)
    yield made
    made.close()


def intent(log: IntentLog, verb: Verb = Verb.PUT, key: str = "key", target: str = "") -> Intent:
    return Intent(log.number(), verb, key, target, {"meta": {"名": "字"}, "etag": None}, 12.5)


def reopened(path: Path) -> list[Intent]:
    log = IntentLog(path)
    try:
        return log.load()
    finally:
        log.close()


def seen(path: Path) -> int:
    """Count the intents that a crash at this moment would leave."""
    database = sqlite3.connect(path)
    try:
        (number,) = database.execute("SELECT count(*) FROM intents").fetchone()
    finally:
        database.close()
    assert isinstance(number, int)
    return number


def test_what_was_logged_is_there_for_who_comes_after(log: IntentLog, path: Path) -> None:
    first, second = intent(log), intent(log, Verb.RENAME, "a/", "b/")
    log.append(first)
    log.append(second)
    first.attempts, first.error, first.data = 3, "AccessDenied: no", {"staged": "x"}
    log.update(first)
    found = reopened(path)  # while the first is still open: as after kill -9
    assert [(each.id, each.verb, each.key, each.target) for each in found] == [
        (1, Verb.PUT, "key", ""),
        (2, Verb.RENAME, "a/", "b/"),
    ]
    assert (found[0].attempts, found[0].error, found[0].data) == (3, "AccessDenied: no", {"staged": "x"})
    assert found[1].data == second.data
    assert found[1].created == 12.5


def test_numbers_grow_over_restarts(log: IntentLog, path: Path) -> None:
    for _ in range(3):
        log.append(intent(log))
    log.remove(log.load()[:2])
    after = IntentLog(path)
    assert after.number() == 4
    after.close()


def test_staged_files_are_noted_with_their_uploads(log: IntentLog) -> None:
    log.stage("s1", "a", {"meta": {}})
    log.save_upload("s1", {"upload_id": "u"})
    log.stage("s1", "b", {"meta": {"x": "y"}})
    row = log.load_staged()["s1"]
    assert (row.key, row.data, row.upload) == ("b", {"meta": {"x": "y"}}, {"upload_id": "u"})
    log.save_upload("s1", None)
    assert log.load_staged()["s1"].upload is None
    log.orphan("s1")
    assert log.load_staged()["s1"].data == {"orphan": True}
    log.unstage("s1")
    assert log.load_staged() == {}


def test_statements_together_are_all_there_or_none(log: IntentLog, path: Path) -> None:
    done: list[str] = []

    def fail() -> None:
        with log.together():
            log.append(intent(log))
            with log.together():
                log.append(intent(log))
            log.once_written(lambda: done.append("never"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert log.load() == []
    with log.together():
        log.append(intent(log))
        log.once_written(lambda: done.append("written"))
        assert seen(path) == 0
        assert done == []
    assert done == ["written"]
    assert seen(path) == 1
    log.once_written(lambda: done.append("at once"))
    assert done == ["written", "at once"]


def test_a_full_disk_is_no_space_left_and_leaves_the_log_usable(log: IntentLog) -> None:
    log.append(intent(log))
    (pages,) = log._db.execute("PRAGMA page_count").fetchone()
    log._db.execute(f"PRAGMA max_page_count = {pages}")
    large = intent(log)
    large.data = {"meta": "x" * 100_000}
    for _ in range(2):
        with pytest.raises(OSError, check=lambda exc: exc.errno == errno.ENOSPC), log.together():
            log.append(large)
    log._db.execute("PRAGMA max_page_count = 100000")
    with log.together():
        log.append(large)
    assert len(log.load()) == 2


@pytest.mark.parametrize("damage", ["no database at all" * 500, b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_log_is_refused_and_not_touched(path: Path, damage: str | bytes) -> None:
    data = damage.encode() if isinstance(damage, str) else damage
    path.write_bytes(data)
    with pytest.raises(LogDamaged, match="move state") as caught:
        IntentLog(path)
    assert caught.value.errno == errno.EUCLEAN
    assert str(path) in str(caught.value)
    assert path.read_bytes() == data


def test_the_log_of_another_version_is_refused(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(LogDamaged, match="format is 99"):
        IntentLog(path)


def test_a_log_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with pytest.raises(OSError, match="cannot open the state database") as caught:
        IntentLog(tmp_path / "state.db")
    assert not isinstance(caught.value, LogDamaged)


def test_the_log_is_private(log: IntentLog, path: Path) -> None:
    log.append(intent(log))
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}


def test_an_intent_says_what_it_is(log: IntentLog) -> None:
    assert "rename 'a/' -> 'b/'" in repr(intent(log, Verb.RENAME, "a/", "b/"))
    assert intent(log, Verb.RENAME, "a/", "b/").is_tree
    assert not intent(log, Verb.MKDIR, "a/").is_tree
