"""What is written is what is read, and what goes up."""

from __future__ import annotations

import errno
import gc
import itertools
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ossmount.ranges import RangeSet
from ossmount.wire.models import Source
from ossmount.writing.staging import Piece, Staging, StagingStatistics
from tests.writing.staged_files import BASE, OLD, KiB, MiB, content_of, make, noise, reopened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
    gc.collect()  # what other tests left
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
