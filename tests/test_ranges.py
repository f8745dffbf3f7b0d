"""RangeSet against a set of integers."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ossmount.ranges import Range, RangeSet

bounds = st.tuples(st.integers(0, 60), st.integers(0, 60))
changes = st.lists(st.tuples(st.sampled_from(["add", "remove", "clip"]), bounds), max_size=25)


def build(steps: list[tuple[str, tuple[int, int]]]) -> tuple[RangeSet, set[int]]:
    ranges, model = RangeSet(), set[int]()
    for verb, (start, stop) in steps:
        if verb == "add":
            ranges.add(start, stop)
            model |= set(range(start, stop))
        elif verb == "remove":
            ranges.remove(start, stop)
            model -= set(range(start, stop))
        else:
            ranges.clip(stop)
            model = {byte for byte in model if byte < stop}
        ranges.check_invariants()
    return ranges, model


@given(changes)
def test_a_range_set_holds_what_a_set_of_integers_would(steps: list[tuple[str, tuple[int, int]]]) -> None:
    ranges, model = build(steps)

    assert {byte for start, stop in ranges for byte in range(start, stop)} == model
    assert ranges.total == len(model)
    assert bool(ranges) == bool(model)
    assert ranges.start == min(model, default=0)
    assert ranges.stop == max(model, default=-1) + 1


@given(changes, bounds)
def test_questions_about_a_window_agree_with_the_model(
    steps: list[tuple[str, tuple[int, int]]], window: tuple[int, int]
) -> None:
    ranges, model = build(steps)
    wanted = set(range(*window))

    inside, gaps = ranges.intersection(*window), ranges.gaps(*window)

    assert {byte for start, stop in inside for byte in range(start, stop)} == wanted & model
    assert {byte for start, stop in gaps for byte in range(start, stop)} == wanted - model
    assert ranges.covers(*window) == (wanted <= model)
    assert ranges.overlaps(*window) == bool(wanted & model)
    assert all(inside)
    assert all(gaps)
    assert gaps == sorted(gaps)


@given(changes)
def test_equal_bytes_are_equal_sets_however_they_came_about(steps: list[tuple[str, tuple[int, int]]]) -> None:
    ranges, model = build(steps)
    rebuilt = RangeSet((byte, byte + 1) for byte in sorted(model, reverse=True))

    assert rebuilt == ranges
    assert eval(repr(ranges)) == ranges


def test_a_copy_is_independent() -> None:
    first = RangeSet([(0, 10)])
    twin = first.copy()
    twin.add(20, 30)
    twin.remove(0, 5)

    assert list(first) == [Range(0, 10)]
    assert list(twin) == [Range(5, 10), Range(20, 30)]
    assert (first.total, twin.total) == (10, 15)


def test_touching_ranges_become_one() -> None:
    ranges = RangeSet([(0, 4), (8, 12), (4, 8)])

    assert list(ranges) == [(0, 12)]
    assert len(ranges) == 1


def test_removing_from_the_middle_leaves_both_ends() -> None:
    ranges = RangeSet([(0, 100)])
    ranges.remove(40, 60)

    assert repr(ranges) == "RangeSet([(0, 40), (60, 100)])"


def test_the_set_may_change_while_it_is_walked() -> None:
    ranges = RangeSet([(0, 1), (2, 3), (4, 5)])
    for start, stop in ranges:
        ranges.remove(start, stop)

    assert not ranges


def test_clear_takes_everything_out() -> None:
    ranges = RangeSet([(0, 1), (2, 3)])
    ranges.clear()

    assert (list(ranges), ranges.total) == ([], 0)


def test_negative_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        RangeSet().add(-1, 3)


def test_a_mutable_set_has_no_hash_and_equals_only_its_like() -> None:
    with pytest.raises(TypeError):
        hash(RangeSet())
    assert RangeSet() != []


@pytest.mark.parametrize(
    ("one", "other", "common", "contains"),
    [
        (Range(0, 10), Range(5, 15), Range(5, 10), False),
        (Range(0, 10), Range(2, 4), Range(2, 4), True),
        (Range(0, 10), Range(20, 20), Range(20, 10), True),
        (Range(3, 3), Range(3, 4), Range(3, 3), False),
    ],
)
def test_range_algebra(one: Range, other: Range, common: Range, contains: bool) -> None:
    assert one.intersection(other) == common
    assert one.contains(other) is contains
    assert common.size == max(0, common.stop - common.start)


def test_many_ranges_are_still_quick() -> None:
    ranges = RangeSet((start * 8192, start * 8192 + 4096) for start in range(20_000))
    for start in range(0, 20_000, 7):
        ranges.remove(start * 8192, start * 8192 + 100)

    assert len(ranges) == 20_000
    ranges.add(0, 20_000 * 8192)
    assert len(ranges) == 1
