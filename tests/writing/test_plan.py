from __future__ import annotations

import errno
from dataclasses import dataclass

import pytest
from hypothesis import given, strategies as st

from ossmount.ranges import Range, RangeSet
from ossmount.writing.plan import (
    Append,
    CopyPart,
    Grid,
    KeepPart,
    Limits,
    Multipart,
    Part,
    PutWhole,
    UploadPart,
    appends_only,
    plan,
)

KiB = 1 << 10
MiB = 1 << 20
GiB = 1 << 30
TiB = 1 << 40


@dataclass(frozen=True)
class FakeSource:
    """As much of `wire.models.Source` as a plan looks at."""

    key: str = "k"
    etag: str = "E"
    size: int = 0
    type: str = "Normal"
    crc64: int | None = None


TINY = Limits(
    part_size=8, small=8, granule=4, max_part=64, max_parts=20, copy_size=16, min_copy=4, max_append=16, rung=5
)


def decide(size: int, dirty: list[tuple[int, int]], base: FakeSource | None = None, **more: object) -> object:
    base_size = more.pop("base_size", min(base.size, size) if base else 0)
    limits = more.pop("limits", Limits())
    return plan(
        key="k",
        size=size,
        dirty=RangeSet(dirty),
        base=base,  # type: ignore[arg-type]
        base_size=base_size,  # type: ignore[arg-type]
        limits=limits,  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


def steps_of(decision: object) -> tuple[Part, ...]:
    assert isinstance(decision, Multipart)
    return decision.steps


def test_a_small_file_is_one_put() -> None:
    assert decide(0, []) == PutWhole()
    assert decide(8 * MiB, [(0, 8 * MiB)]) == PutWhole()
    assert decide(8 * MiB, [(5, 6)], FakeSource(size=8 * MiB)) == PutWhole()


def test_a_small_change_in_the_middle_is_two_copies_and_one_small_part() -> None:
    middle = 32 * MiB + 1000

    steps = steps_of(decide(64 * MiB, [(middle, middle + 4096)], FakeSource(size=64 * MiB)))

    assert steps == (
        CopyPart(1, 0, 32 * MiB),
        UploadPart(2, 32 * MiB, 32 * MiB + 128 * KiB),
        CopyPart(3, 32 * MiB + 128 * KiB, 64 * MiB),
    )


def test_a_change_across_a_granule_is_one_part_around_it() -> None:
    steps = steps_of(decide(64 * MiB, [(MiB * 9 - 10, MiB * 9 + 10)], FakeSource(size=64 * MiB)))

    assert steps[1] == UploadPart(2, 9 * MiB - 128 * KiB, 9 * MiB + 128 * KiB)


def test_a_tail_behind_a_base_is_one_copy_and_one_part() -> None:
    steps = steps_of(decide(64 * MiB + 10, [(64 * MiB, 64 * MiB + 10)], FakeSource(size=64 * MiB)))

    assert steps == (CopyPart(1, 0, 64 * MiB), UploadPart(2, 64 * MiB, 64 * MiB + 10))


def test_an_unchanged_file_is_copied() -> None:
    assert steps_of(decide(9 * MiB + 7, [], FakeSource(size=9 * MiB + 7))) == (CopyPart(1, 0, 9 * MiB + 7),)


def test_a_file_cut_short_is_copied_up_to_there() -> None:
    assert steps_of(decide(20 * MiB + 1, [], FakeSource(size=64 * MiB))) == (CopyPart(1, 0, 20 * MiB + 1),)


def test_the_target_of_a_symlink_is_never_copied() -> None:
    steps = steps_of(decide(16 * MiB, [(0, 1)], FakeSource(size=16 * MiB, type="Symlink")))

    assert steps == (UploadPart(1, 0, 8 * MiB), UploadPart(2, 8 * MiB, 16 * MiB))


def test_long_copies_are_cut_so_that_they_run_side_by_side() -> None:
    steps = steps_of(decide(10 * GiB, [(0, 1)], FakeSource(size=10 * GiB)))

    assert [step.size for step in steps[1:-1]] == [GiB] * 9
    assert all(isinstance(step, CopyPart) for step in steps[1:])


def test_the_greatest_object_can_be_copied_and_sent_in_ten_thousand_parts() -> None:
    greatest = Limits().max_object
    assert greatest > 48.8e12

    copied = steps_of(decide(greatest, [(7, 9)], FakeSource(size=greatest - 1)))
    sent = steps_of(decide(greatest, []))

    assert len(sent) == 10_000
    assert len(copied) <= 10_000
    assert max(step.size for step in copied) <= 5 * GiB


def test_a_file_greater_than_any_object_is_refused() -> None:
    with pytest.raises(OSError, match="more than an object may have") as caught:
        decide(Limits().max_object + 1, [])

    assert caught.value.errno == errno.EFBIG


def test_changes_scattered_everywhere_still_fit_in_ten_thousand_parts() -> None:
    scattered = [(place, place + 1) for place in range(0, 40 * GiB, 2 * MiB)]

    steps = steps_of(decide(40 * GiB, scattered, FakeSource(size=40 * GiB)))

    assert len(steps) <= 10_000


@pytest.mark.parametrize("size", [48_800_000_000_000, 10_000 * 5 * GiB, 9 * MiB, 100 * GiB, 7 * TiB, 9 * TiB])
def test_a_grid_takes_every_size_in_ten_thousand_parts(size: int) -> None:
    limits = Limits()
    grid = Grid.fitting(size, limits)

    assert grid.reach >= size
    assert grid.cell(size - 1).number <= 10_000
    assert grid.cell(size - 1).size <= 5 * GiB


def test_cells_of_a_grid_follow_each_other() -> None:
    grid = Grid(8, TINY)
    offset, sizes = 0, []
    for number in range(1, 21):
        cell = grid.cell(offset)
        assert (cell.number, cell.start) == (number, offset)
        assert grid.cell(cell.stop - 1) == cell
        offset = cell.stop
        sizes.append(cell.size)

    assert sizes == [8] * 5 + [16] * 5 + [32] * 5 + [64] * 5
    assert offset == grid.reach


def test_parts_that_are_up_keep_their_place() -> None:
    done = {1: Range(0, 8 * MiB), 2: Range(8 * MiB, 16 * MiB)}

    decision = decide(20 * MiB, [(0, 20 * MiB)], unit=8 * MiB, done=done)

    assert decision == Multipart(
        (KeepPart(1, 0, 8 * MiB), KeepPart(2, 8 * MiB, 16 * MiB), UploadPart(3, 16 * MiB, 20 * MiB)), 8 * MiB
    )


def test_unchanged_cells_are_copied_together_and_leave_numbers_unused() -> None:
    base = FakeSource(size=80 * MiB)

    decision = decide(80 * MiB, [(40 * MiB, 48 * MiB)], base, unit=8 * MiB, done={6: Range(40 * MiB, 48 * MiB)})

    assert steps_of(decision) == (
        CopyPart(1, 0, 40 * MiB),
        KeepPart(6, 40 * MiB, 48 * MiB),
        CopyPart(7, 48 * MiB, 80 * MiB),
    )


def test_a_last_part_that_is_no_longer_the_last_goes_up_again() -> None:
    done = {1: Range(0, 8 * MiB), 2: Range(8 * MiB, 10 * MiB)}

    decision = decide(20 * MiB, [(0, 20 * MiB)], unit=8 * MiB, done=done)

    assert steps_of(decision)[1] == UploadPart(2, 8 * MiB, 16 * MiB)


def test_a_grid_that_a_file_outgrew_is_given_up() -> None:
    decision = decide(1000, [(0, 1000)], unit=8, done={1: Range(0, 8)}, limits=TINY)

    assert isinstance(decision, Multipart)
    assert decision.unit is None
    assert not any(isinstance(step, KeepPart) for step in decision.steps)


def test_free_cuts_that_are_up_are_kept() -> None:
    base = FakeSource(size=64 * MiB)
    dirty = [(32 * MiB, 33 * MiB)]
    first = steps_of(decide(64 * MiB, dirty, base))

    again = steps_of(decide(64 * MiB, dirty, base, done={2: Range(first[1].start, first[1].stop), 3: Range(0, 5)}))

    assert again == (first[0], KeepPart(2, first[1].start, first[1].stop), first[2])


def test_bytes_behind_an_appendable_object_are_appended() -> None:
    base = FakeSource(size=100, type="Appendable")

    assert decide(150, [(100, 150)], base) == Append(100, 150)
    assert decide(150, [(120, 150)], base) == Append(100, 150)
    assert decide(100, [], base) == PutWhole()
    assert decide(150, [(99, 150)], base) == PutWhole()
    assert decide(150, [(90, 150)], base, base_size=90) == PutWhole()
    assert decide(150, [(100, 150)], FakeSource(key="other", size=100, type="Appendable")) == PutWhole()


def test_what_no_appendable_object_can_hold_becomes_parts() -> None:
    near = FakeSource(size=5 * GiB - 10, type="Appendable")
    long = FakeSource(size=100, type="Appendable")

    assert isinstance(decide(5 * GiB, [(5 * GiB - 10, 5 * GiB)], near), Append)
    assert isinstance(decide(5 * GiB + 1, [(5 * GiB - 10, 5 * GiB + 1)], near), Multipart)
    assert isinstance(decide(65 * MiB, [(100, 65 * MiB)], long), Multipart)
    assert not appends_only(key="k", size=1, dirty=RangeSet(), base=None, base_size=0, limits=Limits())


def test_limits_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of"):
        Limits(part_size=MiB + 1)
    with pytest.raises(ValueError, match="granule"):
        Limits(granule=2 * MiB)


ranges = st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 60)).map(lambda p: (p[0], p[0] + p[1])), max_size=12)


@given(
    size=st.integers(0, 1000),
    written=ranges,
    old=st.one_of(st.none(), st.integers(0, 1000)),
    kind=st.sampled_from(["Normal", "Multipart", "Appendable", "Symlink"]),
    showing=st.integers(0, 1000),
    early=st.one_of(st.none(), st.sets(st.integers(1, 20))),
)
def test_carrying_a_plan_out_gives_exactly_the_bytes(
    size: int, written: list[tuple[int, int]], old: int | None, kind: str, showing: int, early: set[int] | None
) -> None:
    dirty = RangeSet(written)
    dirty.clip(size)
    base = None if old is None else FakeSource(size=old, type=kind)
    base_size = 0 if old is None else min(old, size, showing)
    before = bytes([1]) * (old or 0)
    content = bytearray(size)
    content[:base_size] = before[:base_size]
    for start, stop in dirty:
        content[start:stop] = bytes([2]) * (stop - start)
    grid = Grid(8, TINY)
    done, offset = {}, 0
    if early is not None:
        while offset < min(size, grid.reach):
            cell = grid.cell(offset)
            offset = cell.stop
            if cell.number in early and offset <= size:
                done[cell.number] = Range(cell.start, cell.stop)

    decision = plan(
        key="k",
        size=size,
        dirty=dirty,
        base=base,  # type: ignore[arg-type]
        base_size=base_size,
        limits=TINY,
        unit=None if early is None else 8,
        done=done,
    )

    if isinstance(decision, PutWhole):
        assert size <= TINY.small
    elif isinstance(decision, Append):
        assert bytes(content[: decision.start]) == before
        assert decision.stop == size
    else:
        result = bytearray()
        numbers = [step.number for step in decision.steps]
        for step in decision.steps:
            assert step.start == len(result)
            assert 0 < step.size <= TINY.max_part
            assert step.size >= TINY.granule or step.stop == size
            if isinstance(step, CopyPart):
                assert kind != "Symlink"
                result += before[step.start : step.stop]
            else:
                result += content[step.start : step.stop]
        assert result == content
        assert numbers == sorted(set(numbers))
        assert numbers[0] >= 1
        assert numbers[-1] <= TINY.max_parts


@given(written=st.lists(st.integers(0, 4095), max_size=40))
def test_free_cuts_read_no_more_of_the_base_than_the_granules_around_a_change(written: list[int]) -> None:
    limits = Limits(part_size=64, small=64, granule=16, max_part=1024, copy_size=512, min_copy=16)
    dirty = RangeSet([(place, place + 1) for place in written])

    decision = plan(
        key="k",
        size=4096,
        dirty=dirty,
        base=FakeSource(size=4096),  # type: ignore[arg-type]
        base_size=4096,
        limits=limits,
    )

    sent = sum(step.size for step in steps_of(decision) if isinstance(step, UploadPart))
    assert sent <= 16 * len({place // 16 for place in written})
