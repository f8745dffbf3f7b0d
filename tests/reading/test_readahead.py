"""What readahead asks for, read by read."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings, strategies as st

from ossmount.ranges import Range, RangeSet
from ossmount.reading.options import KIB, MIB, ReadingOptions
from ossmount.reading.readahead import CANDIDATES, MAX_STRAYS, SEQUENTIAL, Readahead, whole_pages

OPTIONS = ReadingOptions()
FIRST = OPTIONS.first_request
STEP = 128 * KIB


def sequence(readahead: Readahead, start: int, stop: int, waited: bool, step: int = STEP) -> list[Range]:
    """Read from *start* to *stop* in order, and return all that was to be fetched."""
    return [wanted for offset in range(start, stop, step) for wanted in readahead.observe(offset, step, waited).fetch]


def test_the_first_read_is_trusted_to_be_the_beginning_of_a_stream() -> None:
    advice = Readahead(256 * MIB, OPTIONS).observe(0, 4 * KIB, True)

    assert advice.fetch == [Range(0, FIRST)]
    assert advice.abandoned == []


def test_the_first_request_ends_where_the_file_does() -> None:
    assert Readahead(1000, OPTIONS).observe(0, 4 * KIB, True).fetch == [Range(0, 1000)]


def test_a_reader_that_is_not_trusted_proves_itself_with_its_second_read() -> None:
    readahead = Readahead(256 * MIB, OPTIONS, trusting=False)

    assert readahead.observe(0, STEP, False).fetch == [Range(0, STEP)]
    fetch = readahead.observe(STEP, STEP, False).fetch
    assert fetch[0].start == STEP
    assert readahead.ahead[0].size >= MIB - 2 * STEP


def test_a_read_beyond_the_end_asks_for_nothing() -> None:
    readahead = Readahead(1000, OPTIONS)

    assert readahead.observe(1000, 10, True) == ([], [])
    assert readahead.observe(5000, 10, True) == ([], [])


def test_a_reader_that_never_waits_keeps_the_first_window() -> None:
    fetch = sequence(Readahead(256 * MIB, OPTIONS), 0, 32 * MIB, waited=False)

    assert fetch[0] == Range(0, FIRST)
    assert all(wanted.size <= MIB for wanted in fetch[1:])
    assert fetch[-1].stop <= 32 * MIB + FIRST


def test_the_window_doubles_only_for_waits_that_the_doubled_window_did_not_prevent() -> None:
    readahead = Readahead(1024 * MIB, OPTIONS)
    frontiers = []
    for offset in range(0, 8 * MIB, STEP):
        readahead.observe(offset, STEP, True)
        frontiers.append(readahead.ahead[0].stop)

    # However often it waits, what lies ahead is of the order of what was read.
    for offset, frontier in zip(range(0, 8 * MIB, STEP), frontiers, strict=True):
        assert frontier <= max(4 * (offset + STEP), 0) + 2 * FIRST
    assert frontiers[-1] >= 16 * MIB


def test_ranges_are_contiguous_and_end_at_blocks() -> None:
    fetch = sequence(Readahead(512 * MIB, OPTIONS), 0, 256 * MIB, waited=True)

    assert [wanted.start for wanted in fetch[1:]] == [wanted.stop for wanted in fetch[:-1]]
    assert all(wanted.stop % MIB == 0 for wanted in fetch[1:])
    assert all(wanted.size <= OPTIONS.request_size for wanted in fetch)
    assert max(wanted.size for wanted in fetch) == OPTIONS.request_size


def test_the_window_is_bounded() -> None:
    readahead = Readahead(4096 * MIB, OPTIONS)
    sequence(readahead, 0, 1024 * MIB, waited=True, step=MIB)

    assert readahead.ahead[0].size <= OPTIONS.max_window
    assert readahead.ahead[0].size > OPTIONS.max_window - 2 * OPTIONS.request_size


def test_the_limit_of_the_moment_bounds_the_window_too() -> None:
    readahead = Readahead(4096 * MIB, OPTIONS)
    sequence(readahead, 0, 64 * MIB, waited=True, step=MIB)
    before = readahead.ahead[0].size
    for offset in range(64 * MIB, 256 * MIB, MIB):
        readahead.observe(offset, MIB, True, 8 * MIB)

    assert before > 32 * MIB
    assert readahead.ahead[0].size <= 8 * MIB


def test_random_reads_are_fetched_exactly() -> None:
    random = Random(5)
    readahead = Readahead(256 * MIB, OPTIONS)
    fetch = []
    for _ in range(1000):
        offset = random.randrange(256 * MIB - 4 * KIB)
        fetch += readahead.observe(offset, 4 * KIB, True).fetch

    assert sum(wanted.size > 128 * KIB for wanted in fetch) == 1
    assert sum(wanted.size for wanted in fetch[1:]) <= 1000 * 12 * KIB


def test_a_random_reader_that_goes_sequential_gets_a_window_again() -> None:
    random = Random(5)
    readahead = Readahead(256 * MIB, OPTIONS)
    for _ in range(100):
        readahead.observe(random.randrange(256 * MIB), 4 * KIB, True)
    fetch = sequence(readahead, 100 * MIB, 116 * MIB, waited=True)

    assert len(fetch) < 60
    assert max(wanted.size for wanted in fetch[1:]) >= MIB
    assert readahead.ahead[-1].stop >= 116 * MIB + 8 * MIB


def test_small_sequential_reads_earn_their_window() -> None:
    readahead = Readahead(256 * MIB, OPTIONS)
    readahead.observe(0, 4 * KIB, True)
    sizes = [
        wanted.size
        for offset in range(100 * MIB, 101 * MIB, 4 * KIB)
        for wanted in readahead.observe(offset, 4 * KIB, True).fetch
    ]

    assert sizes[0] == 4 * KIB
    assert sizes[1] <= 256 * KIB
    assert max(sizes) >= MIB


def test_two_interleaved_streams_are_both_sequential() -> None:
    readahead = Readahead(1024 * MIB, OPTIONS)
    for offset in range(0, 32 * MIB, STEP):
        readahead.observe(offset, STEP, True)
        readahead.observe(offset + 512 * MIB, STEP, True)

    assert readahead.sequential == 2
    assert all(ahead.size >= 16 * MIB for ahead in readahead.ahead)


def test_a_third_stream_drops_the_least_recently_used_and_abandons_its_bytes() -> None:
    readahead = Readahead(1024 * MIB, OPTIONS)
    sequence(readahead, 0, 8 * MIB, waited=True)
    sequence(readahead, 400 * MIB, 408 * MIB, waited=True)
    first = readahead.ahead[0]
    abandoned = [
        lost for offset in range(800 * MIB, 801 * MIB, STEP) for lost in readahead.observe(offset, STEP, True).abandoned
    ]

    assert abandoned == [first]
    assert readahead.sequential == SEQUENTIAL


def test_a_stream_that_nobody_reads_any_more_is_over() -> None:
    readahead = Readahead(1024 * MIB, OPTIONS)
    sequence(readahead, 0, 8 * MIB, waited=True)
    (ahead,) = readahead.ahead
    abandoned = []
    for i in range(MAX_STRAYS + 2):
        abandoned += readahead.observe(100 * MIB + i * 7 * MIB, 4 * KIB, True).abandoned

    assert abandoned == [ahead]
    assert readahead.sequential == 0


def test_a_skip_ahead_is_still_the_stream() -> None:
    readahead = Readahead(1024 * MIB, OPTIONS)
    sequence(readahead, 0, 8 * MIB, waited=True)
    advice = readahead.observe(20 * MIB, STEP, True)

    assert readahead.sequential == 1
    assert sum(wanted.size for wanted in advice.fetch) > MIB, "the window goes on behind the skip"
    assert readahead.observe(20 * MIB + STEP, STEP, False).abandoned == []


def test_bytes_that_were_skipped_are_abandoned() -> None:
    readahead = Readahead(1024 * MIB, OPTIONS)
    sequence(readahead, 0, 8 * MIB, waited=True)
    (ahead,) = readahead.ahead
    advice = readahead.observe(8 * MIB + 10 * MIB, STEP, False)

    assert advice.abandoned == [Range(8 * MIB, min(18 * MIB, ahead.stop))]


def test_a_skip_too_far_is_random() -> None:
    readahead = Readahead(1024 * MIB, OPTIONS)
    sequence(readahead, 0, 8 * MIB, waited=True)

    assert readahead.observe(100 * MIB, STEP, True).fetch == [Range(100 * MIB, 100 * MIB + STEP)]


@pytest.mark.parametrize("order", [(1, 0, 3, 2), (3, 0, 1, 2), (2, 3, 0, 1)])
def test_reads_a_little_out_of_order_are_one_stream(order: tuple[int, ...]) -> None:
    readahead = Readahead(256 * MIB, OPTIONS)
    fetch = list(readahead.observe(0, STEP, True).fetch)
    for group in range(STEP, 16 * MIB, 4 * STEP):
        for index in order:
            fetch += readahead.observe(group + index * STEP, STEP, True).fetch
    ranges = RangeSet(fetch)

    assert readahead.sequential == 1
    assert len(ranges) == 1
    assert ranges.total == sum(wanted.size for wanted in fetch), "nothing was asked for twice"


def test_a_page_that_is_read_again_and_again_is_no_stream() -> None:
    readahead = Readahead(256 * MIB, OPTIONS)
    readahead.observe(0, 4 * KIB, True)
    for _ in range(10):
        readahead.observe(100 * MIB, 4 * KIB, False)

    assert readahead.sequential == 0


def test_what_was_refused_is_advised_again() -> None:
    readahead = Readahead(256 * MIB, OPTIONS)
    sequence(readahead, 0, 4 * MIB, waited=True)
    advice = readahead.observe(4 * MIB, MIB, True)
    while not advice.fetch:
        advice = readahead.observe(readahead.ahead[0].start, STEP, True)
    readahead.refuse(advice.fetch[0].start)
    again = readahead.observe(readahead.ahead[0].start, STEP, False)

    assert again.fetch[0].start == advice.fetch[0].start


def test_no_room_halves_the_window() -> None:
    readahead = Readahead(1024 * MIB, OPTIONS)
    sequence(readahead, 0, 64 * MIB, waited=True)
    for offset in range(64 * MIB, 72 * MIB, STEP):
        for wanted in readahead.observe(offset, STEP, False).fetch:
            readahead.refuse(wanted.start, shrink=True)
            break
    advice = readahead.observe(72 * MIB, STEP, False)

    assert readahead.ahead[0].size < 64 * MIB
    assert all(wanted.size <= 4 * MIB for wanted in advice.fetch)


def test_what_was_lost_is_asked_for_again_and_the_window_begins_small() -> None:
    readahead = Readahead(1024 * MIB, OPTIONS)
    sequence(readahead, 0, 16 * MIB, waited=True)
    readahead.lose(Range(20 * MIB, 21 * MIB))
    fetch = sequence(readahead, 16 * MIB, 21 * MIB, waited=False)

    assert fetch[0].start == 20 * MIB
    assert readahead.ahead[0].size <= FIRST


def test_close_abandons_everything() -> None:
    readahead = Readahead(1024 * MIB, OPTIONS)
    sequence(readahead, 0, 16 * MIB, waited=True)
    ahead = readahead.ahead

    assert readahead.close() == ahead
    assert readahead.close() == []


@pytest.mark.parametrize(
    ("start", "stop", "size", "pages"),
    [
        (0, 1, 10, (0, 10)),
        (5000, 5001, 99999, (4096, 8192)),
        (4096, 8192, 99999, (4096, 8192)),
        (8191, 8193, 8200, (4096, 8200)),
    ],
)
def test_whole_pages(start: int, stop: int, size: int, pages: tuple[int, int]) -> None:
    assert whole_pages(start, stop, size) == pages


reads = st.lists(
    st.tuples(st.integers(0, 40 * MIB), st.integers(1, 2 * MIB), st.booleans(), st.booleans()), max_size=60
)


@settings(deadline=None, max_examples=60)
@given(reads, st.integers(1, 40 * MIB))
def test_any_pattern_keeps_the_invariants(pattern: list[tuple[int, int, bool, bool]], size: int) -> None:
    readahead = Readahead(size, OPTIONS)
    asked = RangeSet()
    position = 0
    for offset, length, waited, go_on in pattern:
        offset = position if go_on else offset
        position = offset + length
        advice = readahead.observe(offset, length, waited)
        for wanted in advice.fetch:
            assert 0 <= wanted.start < wanted.stop <= size
            asked.add(*wanted)
        readahead.check_invariants()
        assert len(readahead.ahead) <= SEQUENTIAL + CANDIDATES
    assert repr(readahead)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 64 * MIB), st.integers(4 * KIB, MIB), st.lists(st.booleans(), min_size=1, max_size=9))
def test_a_sequential_reader_is_always_asked_for_in_time(size: int, step: int, waits: list[bool]) -> None:
    readahead = Readahead(size, OPTIONS)
    asked = RangeSet()
    for number, offset in enumerate(range(0, size, step)):
        for wanted in readahead.observe(offset, step, waits[number % len(waits)]).fetch:
            assert not asked.overlaps(*wanted), "asked for twice"
            asked.add(*wanted)
        assert asked.covers(offset, min(offset + step, size))
    assert list(asked) == [Range(0, size)]
