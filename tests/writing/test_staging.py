from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ossmount.ranges import RangeSet
from ossmount.wire.models import Source
from ossmount.writing.options import WritingOptions
from ossmount.writing.staging import Piece, Staged, Staging, StagingStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KiB = 1 << 10
MiB = 1 << 20
BASE = Source("k", "E0", 100)
OLD = bytes(range(100))


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def make(directory: Path, **options: Any) -> Staging:
    return Staging(WritingOptions(directory=directory, **{"reserve": 0, **options}))


@pytest.fixture(params=[0, 60, 16 << 10], ids=["data file", "both", "journal"])
def inline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Up to which size a file lies in its journal."""
    size: int = request.param
    monkeypatch.setattr("ossmount.writing.staged._INLINE", size)
    return size


@pytest.fixture
def data_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the smallest file has a data file."""
    monkeypatch.setattr("ossmount.writing.staged._INLINE", 0)


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    staging = make(tmp_path / "staging")
    yield staging
    staging.close()


def content_of(staged: Staged, base: bytes = OLD) -> bytes:
    staged.check_invariants()
    content = bytearray()
    for piece in staged.layout(0, staged.size):
        assert piece.start == len(content)
        if piece.kind == "staged":
            content += staged.read(piece.start, piece.stop)
        else:
            content += base[piece.start : piece.stop] if piece.kind == "base" else bytes(piece.size)
        assert len(content) == piece.stop, piece
    return bytes(content)


def reopened(staging: Staging) -> list[Staged]:
    staging.close()
    again = make(staging.directory)
    found = again.recover()
    again.close()
    return found


def test_a_file_is_private(staging: Staging) -> None:
    staged = staging.create("k", None)
    staged.write(0, b"secret")

    assert stat.S_IMODE(staging.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in staging.directory.iterdir()} == {0o600}


def test_what_was_not_written_is_the_base_and_then_a_hole(staging: Staging, inline: int) -> None:
    staged = staging.create("k", BASE)
    staged.write(10, b"abc")
    staged.truncate(120)

    assert staged.layout(0, 1000) == [
        Piece("base", 0, 10),
        Piece("staged", 10, 13),
        Piece("base", 13, 100),
        Piece("hole", 100, 120),
    ]
    assert content_of(staged) == OLD[:10] + b"abc" + OLD[13:] + bytes(20)
    assert staged.layout(11, 12) == [Piece("staged", 11, 12)]
    assert staged.layout(120, 130) == []


def test_bytes_that_were_cut_off_never_come_back(staging: Staging, inline: int) -> None:
    staged = staging.create("k", BASE)
    staged.write(50, b"x" * 30)
    staged.truncate(60)
    staged.truncate(90)
    staged.write(95, b"y")

    assert content_of(staged) == OLD[:50] + b"x" * 10 + bytes(35) + b"y"
    assert (staged.base_size, staged.size) == (60, 96)


def test_an_existing_file_can_be_opened_at_another_size(staging: Staging) -> None:
    assert content_of(staging.create("k", BASE, size=0)) == b""
    assert content_of(staging.create("k", BASE, size=7)) == OLD[:7]
    assert content_of(staging.create("k", BASE, size=101)) == OLD + b"\0"
    assert content_of(staging.create("k", None, size=3)) == bytes(3)


def test_statistics_count_files_and_dirty_bytes(staging: Staging) -> None:
    staging.create("a", None).write(5, b"12345")
    second = staging.create("b", BASE)
    second.write(0, memoryview(b"xy"))

    assert staging.statistics() == StagingStatistics(files=2, bytes=7)
    second.discard()
    assert staging.statistics() == StagingStatistics(files=1, bytes=5)
    assert repr(second).startswith(f"<Staged {second.id} 'b' size=100 dirty=2")


def test_a_write_of_nothing_changes_nothing(staging: Staging) -> None:
    staged = staging.create("k", BASE)
    version = staged.version

    assert staged.write(500, b"") == 0
    assert (staged.size, staged.version) == (100, version)


def test_a_sequential_file_has_a_journal_of_one_line(staging: Staging, data_file: None) -> None:
    staged = staging.create("k", None)
    staged.write(0, b"x")
    journal = staging.directory / f"{staged.id}.journal"
    length = journal.stat().st_size

    for place in range(1, 200):
        staged.write(place, b"x")

    assert journal.stat().st_size == length
    assert reopened(staging)[0].dirty == RangeSet([(0, 200)])


def test_a_journal_that_grows_long_is_written_anew(staging: Staging, inline: int) -> None:
    staged = staging.create("k", BASE)
    journal = staging.directory / f"{staged.id}.journal"

    for _ in range(3000):
        staged.write(10, b"x")
        staged.truncate(5)

    assert journal.stat().st_size < 5000 * 32
    [again] = reopened(staging)
    assert content_of(again) == OLD[:5]


def test_a_small_file_needs_no_data_file(staging: Staging) -> None:
    staged = staging.create("k", None)
    staged.write(0, noise(16 * KiB))

    assert len(list(staging.directory.iterdir())) == 1
    assert content_of(reopened(staging)[0]) == noise(16 * KiB)


def test_a_file_that_grows_moves_to_a_data_file(staging: Staging) -> None:
    staged = staging.create("k", BASE)
    staged.write(50, b"small")
    staged.write(16 * KiB, b"big")

    assert staged.path.exists()
    assert content_of(staged) == (OLD[:50] + b"small" + OLD[55:]).ljust(16 * KiB, b"\0") + b"big"
    assert content_of(reopened(staging)[0]) == content_of(staged)


def test_a_small_file_that_is_written_again_and_again_moves_to_a_data_file(staging: Staging) -> None:
    staged = staging.create("k", None)
    for number in range(200):
        staged.write(number % 7, bytes([number]))

    assert staged.path.exists()
    assert content_of(reopened(staging)[0]) == bytes([196, 197, 198, 199, 193, 194, 195])


def test_moving_to_a_data_file_may_fail_at_any_step(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    for number in range(1, 10):
        staged = staging.create("k", None)
        staged.write(0, b"abc")
        staged.write(10, b"def")
        calls = itertools.count(1)

        def failing(fd: int, data: Any, offset: int, calls: Iterator[int] = calls, number: int = number) -> int:
            if next(calls) == number:
                raise OSError(errno.ENOSPC, "full")
            return pwrite(fd, data, offset)

        failed = False
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", failing)
            try:
                staged.write(16 * KiB, b"big")
            except OSError:
                failed = True
        staged.write(1, b"B")

        assert content_of(staged)[:13] == b"aBc\0\0\0\0\0\0\0def"
        [again] = reopened(staging)
        assert content_of(again) == content_of(staged)
        again.discard()
        staging = make(staging.directory)
        if not failed:
            return
    pytest.fail("there was no end of writes")


def test_a_journal_that_cannot_be_written_anew_just_stays_long(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = staging.create("k", BASE)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        for _ in range(4200):
            staged.write(10, b"x")
            staged.truncate(5)

    assert content_of(reopened(staging)[0]) == OLD[:5]
    assert not list(staging.directory.glob("*.new"))


@pytest.mark.parametrize("size", [1, 20_000])
def test_more_files_than_descriptors_can_be_staged(staging: Staging, size: int) -> None:
    before = len(os.listdir("/proc/self/fd"))

    files = [staging.create(f"k{number}", None) for number in range(600)]
    for _ in range(2):
        for number, staged in enumerate(files):
            staged.write(staged.size, f"{number},".encode() * size)
            staged.truncate(staged.size + 1)
    assert len(os.listdir("/proc/self/fd")) - before < 400
    staging.close()

    assert len(os.listdir("/proc/self/fd")) == before
    again = make(staging.directory)
    found = {staged.key: content_of(staged) for staged in again.recover()}
    again.close()
    assert found == {f"k{n}": (f"{n},".encode() * size + b"\0") * 2 for n in range(600)}
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_descriptor_outlives_the_file(staging: Staging) -> None:
    staged = staging.create("k", None)
    staged.write(0, b"abc")
    staging.close()
    fd = staged.descriptor()

    staged.discard()

    assert os.pread(fd, 10, 0) == b"abc"
    os.close(fd)
    assert list(staging.directory.iterdir()) == []


def test_the_reserve_of_the_disk_is_left_alone(tmp_path: Path) -> None:
    staging = make(tmp_path / "staging")
    staged = staging.create("k", None)
    staged.write(0, b"old")
    full = make(tmp_path / "staging", reserve=1 << 60)
    [again] = full.recover()

    with pytest.raises(OSError, match="staging disk is full") as caught:
        again.write(3, b"more")
    assert caught.value.errno == errno.ENOSPC
    assert again.write(0, b"new") == 3, "bytes that are there already need no space"
    with pytest.raises(OSError, match="full"):
        full.create("another", None)

    assert content_of(again) == b"new"
    full.close()
    staging.close()


def test_free_space_is_asked_for_now_and_then_only(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    statvfs = os.statvfs

    def ask(path: Path) -> os.statvfs_result:
        asked.append(path)
        return statvfs(path)

    monkeypatch.setattr(os, "statvfs", ask)
    staged = staging.create("k", None)

    for place in range(100):
        staged.write(place * 1000, bytes(1000))

    assert len(asked) == 1


def test_a_file_greater_than_any_object_is_refused(staging: Staging) -> None:
    staged = staging.create("k", None)
    limit = staging.options.limits.max_object

    for change in (lambda: staged.write(limit, b"x"), lambda: staged.truncate(limit + 1)):
        with pytest.raises(OSError, match="too large") as caught:
            change()
        assert caught.value.errno == errno.EFBIG

    assert (staged.size, staged.dirty.total) == (0, 0)


def test_a_write_that_fails_leaves_the_map_as_it_was(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    staged = staging.create("k", BASE)
    staged.write(10, b"0123456789")
    version = staged.version
    pwrite = os.pwrite
    calls = itertools.count()

    def half(fd: int, data: Any, offset: int) -> int:
        if next(calls):
            raise OSError(errno.EDQUOT, "quota")
        return pwrite(fd, data[: len(data) // 2], offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", half)
        with pytest.raises(OSError, match="quota"):
            staged.write(15, b"ABCDEFGHIJ")

    assert staged.dirty == RangeSet([(10, 20)])
    assert staged.changed(10, 20, version), "some bytes may have been replaced"
    assert content_of(staged)[20:] == OLD[20:]
    assert content_of(reopened(staging)[0])[20:] == OLD[20:]


def test_short_writes_are_carried_on(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:3], offset))
    staged = staging.create("k", None)

    assert staged.write(2, b"abcdefghij") == 10

    assert content_of(staged) == b"\0\0abcdefghij"
    assert content_of(reopened(staging)[0]) == b"\0\0abcdefghij"


def test_a_disk_that_takes_no_bytes_is_an_error(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    staged = staging.create("k", None)
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: 0)

    with pytest.raises(OSError, match="takes no more"):
        staged.write(0, b"abc")


def test_a_file_that_cannot_be_begun_leaves_nothing(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "pwrite", refuse)

    with pytest.raises(OSError, match="broken"):
        staging.create("k", None)

    assert list(staging.directory.iterdir()) == []
    assert staging.statistics().files == 0


def test_missing_staged_bytes_are_an_error_and_not_zeros(staging: Staging, data_file: None) -> None:
    staged = staging.create("k", None)
    staged.write(0, b"abcdef")
    os.truncate(staged.path, 3)

    with pytest.raises(OSError, match="missing from 3") as caught:
        staged.read(0, 6)

    assert caught.value.errno == errno.EIO


def test_bytes_that_did_not_survive_are_reported(
    staging: Staging, data_file: None, caplog: pytest.LogCaptureFixture
) -> None:
    staged = staging.create("k", BASE)
    staged.write(90, b"abcdef")
    os.truncate(staged.path, 92)

    [again] = reopened(staging)

    assert again.layout(88, 96) == [Piece("base", 88, 90), Piece("staged", 90, 92), Piece("base", 92, 96)][:3]
    assert "did not survive" in caplog.text


def test_an_upload_makes_the_file_clean_and_frees_the_disk(staging: Staging) -> None:
    staged = staging.create("k", BASE)
    staged.write(50, b"x" * 100)
    new = Source("k", "E1", 150)
    data = staged.path

    staged.rebase(new)

    assert not data.exists()
    assert (staged.base, staged.base_size, staged.size, staged.dirty) == (new, 150, 150, RangeSet())
    staged.write(0, b"y")
    [again] = reopened(staging)
    assert (again.base, again.layout(0, 150)) == (new, [Piece("staged", 0, 1), Piece("base", 1, 150)])
    with pytest.raises(ValueError, match="cannot be the content"):
        staged.rebase(BASE)


def test_what_was_written_while_the_upload_ran_stays_dirty(staging: Staging) -> None:
    staged = staging.create("k", None)
    staged.write(0, b"a" * 3 * MiB)
    version = staged.version
    staged.write(MiB, b"b")
    staged.write(4 * MiB, b"c")
    staged.truncate(5 * MiB)

    staged.rebase(Source("k", "E1", 3 * MiB), version)

    assert staged.layout(0, 6 * MiB) == [
        Piece("base", 0, MiB),
        Piece("staged", MiB, MiB + 128 * KiB),
        Piece("base", MiB + 128 * KiB, 3 * MiB),
        Piece("hole", 3 * MiB, 4 * MiB),
        Piece("staged", 4 * MiB, 4 * MiB + 1),
        Piece("hole", 4 * MiB + 1, 5 * MiB),
    ]
    assert content_of(reopened(staging)[0], b"a" * 3 * MiB) == content_of(staged, b"a" * 3 * MiB)


def test_an_append_makes_the_beginning_clean(staging: Staging) -> None:
    staged = staging.create("k", BASE)
    staged.write(100, b"x" * 20)
    new = Source("k", "E1", 110, "Appendable")

    staged.replace_base(new, clean=110)

    assert staged.layout(0, 120) == [Piece("base", 0, 110), Piece("staged", 110, 120)]
    with pytest.raises(ValueError, match="before its base was replaced"):
        staged.rebase(Source("k", "E2", 110), staged.version - 2)


def test_sync_works_at_any_time(staging: Staging) -> None:
    staged = staging.create("k", None)
    staged.sync()
    staged.write(0, b"abc")
    staged.sync()
    staged.write(3, b"def")
    staged.sync()

    assert content_of(reopened(staging)[0]) == b"abcdef"
    staged.discard()
    staged.sync()


def test_with_sync_a_new_base_is_on_the_disk_before_the_old_bytes_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = make(tmp_path / "staging", sync=True)
    staged = staging.create("k", None)
    staged.write(0, b"abc")
    seen: list[str] = []

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            seen.append(name)
            return function(*args, **more)

        return call

    for name in ("fdatasync", "rename", "unlink"):
        monkeypatch.setattr(os, name, watched(name, getattr(os, name)))

    staged.rebase(Source("k", "E1", 3))

    assert seen == ["fdatasync", "rename", "unlink"]
    staging.close()


# -- crashes --


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

    # What was told is there; the change after that may be, and at most the pages of one write half and half.
    found = content_of(file)
    near = [state for state in states[1:] if len(state) == len(found)]
    assert near
    assert all(found[place] in {state[place] for state in near} for place in range(len(found)))
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


class Model(RuleBasedStateMachine):
    """A file against a bytearray, with uploads and crashes in between."""

    @initialize(size=st.one_of(st.none(), st.integers(0, 3 * MiB)))
    def begin(self, size: int | None) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("ossmount.writing.staged._INLINE", 250)
        self.directory = Path(tempfile.mkdtemp())
        self.staging = make(self.directory)
        self.objects: dict[str, bytes] = {}
        self.content = bytearray(random.Random(size).randbytes(size) if size is not None else b"")
        base = None if size is None else self.source()
        self.file = self.staging.create("k", base)
        self.marks: list[tuple[int, bytes]] = []

    def source(self) -> Source:
        etag = f"E{len(self.objects)}"
        self.objects[etag] = bytes(self.content)
        return Source("k", etag, len(self.content))

    places = st.one_of(st.integers(0, 300), st.integers(MiB - 50, MiB + 50), st.integers(2 * MiB - 50, 2 * MiB + 50))

    @rule(place=places, data=st.binary(min_size=1, max_size=80))
    def write(self, place: int, data: bytes) -> None:
        self.file.write(place, data)
        self.content += bytes(max(0, place + len(data) - len(self.content)))
        self.content[place : place + len(data)] = data

    @rule(size=places)
    def truncate(self, size: int) -> None:
        self.file.truncate(size)
        self.content += bytes(max(0, size - len(self.content)))
        del self.content[size:]

    @rule()
    def mark(self) -> None:
        self.marks.append((self.file.version, bytes(self.content)))

    @rule()
    def upload(self) -> None:
        self.file.rebase(self.source())
        self.marks.clear()

    @precondition(lambda self: self.marks)
    @rule()
    def upload_of_an_earlier_content(self) -> None:
        version, content = self.marks.pop()
        self.marks.clear()
        etag = f"E{len(self.objects)}"
        self.objects[etag] = content
        self.file.rebase(Source("k", etag, len(content)), version)

    @rule(clean=places)
    def replace(self, clean: int) -> None:
        self.file.replace_base(self.source(), clean=min(clean, len(self.content)))
        self.marks.clear()

    @rule()
    def crash(self) -> None:
        self.staging.close()
        self.staging = make(self.directory)
        [self.file] = self.staging.recover()
        self.marks.clear()

    @invariant()
    def is_the_same(self) -> None:
        if hasattr(self, "file"):
            base = self.objects[self.file.base.etag] if self.file.base else b""
            assert content_of(self.file, base) == self.content

    @invariant()
    def notices_every_change(self) -> None:
        for version, content in getattr(self, "marks", []):
            for start in range(0, len(content), 512 * 1024):
                stop = min(start + 512 * 1024, len(content))
                if content[start:stop] != self.content[start:stop]:
                    assert self.file.changed(start, stop, version)

    def teardown(self) -> None:
        if hasattr(self, "file"):
            self.patch.undo()
            self.staging.close()
            shutil.rmtree(self.directory)


Model.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestModel = Model.TestCase
