"""What HEAD said is remembered for as long as LIST shows the same object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ossmount.tree.attributes import Attributes, Kind
from ossmount.tree.inodes import Node
from ossmount.tree.memory import Memory
from ossmount.wire.models import ObjectSummary, Source


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attributes.db"


@pytest.fixture
def memory(path: Path) -> Iterator[Memory]:
    made = Memory(path)
    yield made
    made.close()


def node(key: str, etag: str = "E", modified: float = 100.0) -> Node:
    made = Node(2, key.encode(), None, Attributes(Kind.FILE, 0o600, 1, 2, 0, 0, 0), known=True)
    made.source, made.modified = Source(key, etag, 1), modified
    made.meta, made.headers = {"mode": "33152"}, {"content-type": "text/plain"}
    return made


def test_what_was_said_is_remembered_across_restarts(memory: Memory, path: Path) -> None:
    memory.remember("d/f", node("d/f"))
    memory.close()
    again = Memory(path)
    found = again.recall(again.under("d/"), ObjectSummary("d/f", 1, "E", 100.0))
    assert found is not None
    assert found.meta == {"mode": "33152"}
    assert found.headers == {"content-type": "text/plain"}
    again.close()


@pytest.mark.parametrize(
    ("summary", "is_true"),
    [
        (ObjectSummary("d/f", 1, "E", 100.0), True),
        (ObjectSummary("d/f", 1, "E", 95.0), True),  # dated by the answer to our own write, which is a little later
        (ObjectSummary("d/f", 1, "E", 101.0), False),
        (ObjectSummary("d/f", 1, "E", 10.0), False),
        (ObjectSummary("d/f", 1, "other", 100.0), False),
        (ObjectSummary("d/g", 1, "E", 100.0), False),
    ],
)
def test_it_holds_for_the_same_object_only(memory: Memory, summary: ObjectSummary, is_true: bool) -> None:
    memory.remember("d/f", node("d/f"))
    assert (memory.recall(memory.under("d/"), summary) is not None) is is_true


def test_of_two_changes_that_look_the_same_a_crash_leaves_neither(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("ossmount.tree.memory.time.monotonic", lambda: now)
    memory = Memory(path)
    for _ in range(4):
        now += 0.5
        first = node("d/first")
        memory.remember("d/first", first)
        assert "d/first" in memory.under("d/")
    changed = node("d/first")
    changed.meta = {"mode": "33279"}
    memory.remember("d/first", changed)
    for number in range(3):  # and what has stood for a while is written
        now += 3
        memory.remember(f"d/{number}", node(f"d/{number}"))
    memory.remember("d/2", changed)
    after_crash = Memory(path)
    found = after_crash.under("d/")
    assert found.keys() == {"d/first", "d/0", "d/1"}
    remembered = after_crash.recall(found, ObjectSummary("d/first", 1, "E", 100.0))
    assert remembered is not None
    assert remembered.meta == {"mode": "33279"}
    after_crash.close()
    memory.close()


def test_only_what_lies_right_below_a_prefix_is_loaded(memory: Memory) -> None:
    for key in ("d/f", "d/e/f", "dd/f", "f", "d/名字"):
        memory.remember(key, node(key))
    assert memory.under("d/").keys() == {"d/f", "d/名字"}
    assert memory.under("").keys() == {"f"}


def test_what_is_not_known_is_not_remembered(memory: Memory) -> None:
    unknown = node("f")
    unknown.known = False
    memory.remember("f", unknown)
    assert memory.under("") == {}


def test_a_damaged_file_begins_anew(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)
    memory = Memory(path)
    memory.remember("f", node("f"))
    assert memory.under("").keys() == {"f"}
    memory.close()


def test_without_a_file_nothing_is_remembered() -> None:
    memory = Memory(None)
    memory.remember("f", node("f"))
    assert memory.under("") == {}
    memory.close()


def test_the_file_is_private(memory: Memory, path: Path) -> None:
    memory.remember("f", node("f"))
    memory.close()
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
