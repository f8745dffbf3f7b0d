"""A daemon that dies takes nothing with it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ossmount.wire.models import Source
from ossmount.writing.staging import Staged, Staging
from tests.writing.staged_files import BASE, OLD, content_of, make, reopened

if TYPE_CHECKING:
    from collections.abc import Callable


def history(staged: Staged) -> list[Callable[[], object]]:
    """A life of a file, one change after the other."""
    return [
        lambda: staged.write(10, b"one"),
        lambda: staged.write(13, b"two"),
        lambda: staged.write(50, b"three"),
        lambda: staged.truncate(52),
        lambda: staged.write(120, b"four"),
        lambda: staged.truncate(200),
        lambda: staged.write(11, b"five"),
        lambda: staged.write(70, b"six"),
    ]


def test_a_kill_between_any_two_system_calls_leaves_the_old_state_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inline: int
) -> None:
    staging = make(tmp_path / "staging")
    contents: dict[str, bytes] = {"E0": OLD}
    staged = staging.create("k", BASE)
    states = [OLD]
    snapshots: list[tuple[Path, int]] = []

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            copy = tmp_path / f"snapshot{len(snapshots)}"
            shutil.copytree(staging.directory, copy)
            snapshots.append((copy, len(states) - 1))
            return function(*args, **more)

        return call

    def rebase() -> None:
        contents["E1"] = content_of(staged, contents[staged.base.etag])  # type: ignore[union-attr]
        staged.rebase(Source("k", "E1", len(contents["E1"])))

    def replace() -> None:
        contents["E2"] = content_of(staged, contents[staged.base.etag])  # type: ignore[union-attr]
        staged.replace_base(Source("k", "E2", len(contents["E2"])), clean=15)

    changes: list[Callable[[], object]] = [*history(staged), rebase, *history(staged), replace, *history(staged)]
    with monkeypatch.context() as patch:
        for name in ("pwrite", "rename", "unlink", "ftruncate", "open"):
            patch.setattr(os, name, watched(getattr(os, name)))
        for change in changes:
            change()
            with monkeypatch.context() as quiet:
                quiet.undo()
                states.append(content_of(staged, contents[staged.base.etag]))  # type: ignore[union-attr]
    staging.close()

    assert len(snapshots) > 30
    for copy, index in snapshots:
        again = make(copy)
        [found] = again.recover()
        assert found.base is not None
        assert content_of(found, contents[found.base.etag]) in states[index : index + 2], copy
        again.close()


WRITER = """
import random, sys
from pathlib import Path
from ossmount.writing.options import WritingOptions
from ossmount.writing.staging import Staging

staging = Staging(WritingOptions(directory=Path(sys.argv[1]), reserve=0))
chance = random.Random(int(sys.argv[2]))
file = staging.create("k", None)
for turn in range(1_000_000):
    if chance.random() < 0.1:
        file.truncate(chance.randrange(0, 60_000))
    else:
        file.write(chance.randrange(0, 50_000), bytes([turn % 256]) * chance.randrange(1, 5000))
    print(turn, flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_kill_9_takes_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    """A real process is really killed in the middle of its writes."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "staging"), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(50 + 317 * seed):
            writer.stdout.readline()
        writer.kill()
        told = writer.stdout.read().split()
    last = int(told[-1]) if told and told[-1].isdigit() else 49 + 317 * seed
    [file] = make(tmp_path / "staging").recover()

    chance = random.Random(seed)
    content = bytearray()
    states = []
    for turn in range(last + 3):
        if turn > last - 1:
            states.append(bytes(content))
        if chance.random() < 0.1:
            size = chance.randrange(0, 60_000)
            content += bytes(max(0, size - len(content)))
            del content[size:]
        else:
            place = chance.randrange(0, 50_000)
            data = bytes([turn % 256]) * chance.randrange(1, 5000)
            content += bytes(max(0, place + len(data) - len(content)))
            content[place : place + len(data)] = data

    # What was told is there; the change after that may be, and at most the pages of one write half and half: then it is
    # as long as before although that write would have made it longer.
    found = content_of(file)
    near = states[1:]
    assert len(found) in map(len, near)
    assert all(found[place] in {state[place] for state in near if place < len(state)} for place in range(len(found)))
    file.close()


def test_a_kill_while_a_file_is_begun_or_discarded_leaves_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inline: int
) -> None:
    staging = make(tmp_path / "staging")
    snapshots: list[Path] = []

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            snapshots.append(tmp_path / f"snapshot{len(snapshots)}")
            shutil.copytree(staging.directory, snapshots[-1])
            return function(*args, **more)

        return call

    with monkeypatch.context() as patch:
        for name in ("pwrite", "unlink", "open"):
            patch.setattr(os, name, watched(getattr(os, name)))
        staged = staging.create("k", None)
        staged.write(0, b"abc")
        staged.discard()

    seen = set()
    for copy in snapshots:
        again = make(copy)
        found = again.recover()
        seen.add(tuple(content_of(file) for file in found))
        for file in found:
            file.discard()
        again.close()
        assert list(copy.iterdir()) == []
    assert seen == {(), (b"",), (b"abc",)}


def test_every_cut_or_garbled_tail_of_a_journal_gives_an_earlier_state(tmp_path: Path, data_file: None) -> None:
    staging = make(tmp_path / "staging")
    staged = staging.create("k", BASE)
    states = {OLD}
    journal = staging.directory / f"{staged.id}.journal"
    first = journal.stat().st_size
    for change in history(staged):
        staged.sync()  # a new slot each time
        change()
        states.add(content_of(staged))
    staging.close()
    whole, data = journal.read_bytes(), staged.path.read_bytes()
    noise = random.Random(1)

    for length in range(first, len(whole) + 1, 3):
        tails = [b"", bytes(64), noise.randbytes(64), bytes([whole[length - 1] ^ 1])]
        for tail in tails:
            journal.write_bytes(whole[:length] + tail)
            again = make(staging.directory)
            [found] = again.recover()
            assert_consistent(found, states, data)
            found.write(0, b"!")
            assert content_of(reopened(again)[0])[:1] == b"!"
            staged.path.write_bytes(data)
            again.close()


def test_every_cut_or_garbled_tail_of_a_journal_with_bytes_in_it_gives_an_earlier_state(tmp_path: Path) -> None:
    staging = make(tmp_path / "staging")
    staged = staging.create("k", BASE)
    journal = staging.directory / f"{staged.id}.journal"
    states = {journal.stat().st_size: OLD}
    for change in history(staged):
        change()
        states[journal.stat().st_size] = content_of(staged)
    staging.close()
    whole = journal.read_bytes()
    noise = random.Random(1)

    for length in range(min(states), len(whole) + 1, 3):
        expected = states[max(size for size in states if size <= length)]
        for tail in (b"", bytes(64), noise.randbytes(64), bytes([whole[length - 1] ^ 1])):
            journal.write_bytes(whole[:length] + tail)
            again = make(staging.directory)
            [found] = again.recover()
            # Nothing but padding may be missing behind the last record.
            padded = any(size > length and not whole[length:size].strip(b"\0") for size in states)
            assert content_of(found) == expected or padded
            found.write(0, b"!")
            assert content_of(reopened(again)[0])[:1] == b"!"
            again.close()


def assert_consistent(found: Staged, states: set[bytes], data: bytes) -> None:
    """The map is one there was; the bytes are those of the last state, since only the journal was cut."""
    last = bytearray(content_of(found))
    assert any(
        len(last) == len(state)
        and all(last[place] == state[place] for place in range(len(state)) if not found.dirty.covers(place, place + 1))
        for state in states
    )
    for start, stop in found.dirty:
        assert last[start:stop] == data[start:stop]


def test_a_broken_head_loses_no_bytes(staging: Staging, data_file: None, caplog: pytest.LogCaptureFixture) -> None:
    staged = staging.create("k", None)
    staged.write(0, b"abc")
    empty = staging.create("e", None)
    for file in (staged, empty):
        (staging.directory / f"{file.id}.journal").write_bytes(b"garbage")

    assert reopened(staging) == []

    lost = staging.directory / "lost"
    assert {path.read_bytes() for path in lost.iterdir()} == {b"abc", b"garbage"}
    assert "cannot be recovered" in caplog.text
    assert list(staging.directory.iterdir()) == [lost]


def test_files_of_this_daemon_are_not_recovered_twice(staging: Staging) -> None:
    staged = staging.create("k", None)

    assert staging.recover() == [staged]


# -- a model --
