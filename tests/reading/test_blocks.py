"""Runs of bytes under one budget."""

from __future__ import annotations

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ossmount.reading.blocks import OVERHEAD, Blocks, Run, Version

SIZE = 100  # of a block
DATA = bytes(range(250)) * 6


def make(limit: int = 10 * (SIZE + OVERHEAD)) -> tuple[Blocks, Version]:
    blocks = Blocks(limit, SIZE)
    return blocks, blocks.version("key", "etag")


def fetch(blocks: Blocks, version: Version, start: int, stop: int, *, force: bool = False) -> bool:
    runs = blocks.begin(version, start, stop, force=force)
    for run in runs or ():
        blocks.fill(run, memoryview(DATA[run.start : run.end]))
        blocks.close(run)
    return runs is not None


def test_what_was_put_is_read() -> None:
    blocks, version = make()
    blocks.put(version, 30, DATA[30:270])

    assert blocks.read(version, 30, 270) == DATA[30:270]
    assert blocks.read(version, 99, 101) == DATA[99:101]
    assert blocks.read(version, 29, 31) is None
    assert blocks.read(version, 200, 271) is None
    assert [(run.start, run.end) for run in version.runs] == [(30, 100), (100, 200), (200, 270)]


def test_a_run_of_its_own_is_kept_without_a_copy() -> None:
    blocks, version = make()
    data = DATA[:80]
    blocks.put(version, 0, data)

    assert version.runs[0].memory is data


def test_what_is_under_way_is_not_begun_again() -> None:
    blocks, version = make()
    first = blocks.begin(version, 0, 150)
    second = blocks.begin(version, 50, 250)

    assert [(run.start, run.end) for run in first or ()] == [(0, 100), (100, 150)]
    assert [(run.start, run.end) for run in second or ()] == [(150, 200), (200, 250)]
    assert version.gaps(0, 300) == [(250, 300)]


def test_bytes_of_an_open_run_are_read_as_they_come() -> None:
    blocks, version = make()
    [run] = blocks.begin(version, 0, 100) or []
    assert blocks.read(version, 0, 1) is None
    blocks.fill(run, memoryview(DATA[:60]))

    assert blocks.read(version, 10, 60) == DATA[10:60]
    assert blocks.read(version, 10, 61) is None
    assert version.reach(0, 100) == 60


def test_a_run_that_ends_early_keeps_what_came() -> None:
    blocks, version = make()
    [run, empty] = blocks.begin(version, 0, 200) or []
    blocks.fill(run, memoryview(DATA[:60]))
    blocks.close(run)
    blocks.close(empty)

    assert blocks.used == 60 + OVERHEAD
    assert blocks.read(version, 0, 60) == DATA[:60]
    assert version.gaps(0, 200) == [(60, 200)]
    blocks.check_invariants()


def test_readahead_takes_memory_from_what_was_read_only() -> None:
    blocks, version = make()
    assert fetch(blocks, version, 0, 1000)
    assert not fetch(blocks, version, 1000, 1100)
    blocks.read(version, 300, 400)

    assert fetch(blocks, version, 1000, 1100)
    assert version.gaps(0, 1100) == [(300, 400)]
    assert blocks.wasted == 0


def test_what_is_being_read_is_not_taken_for_readahead() -> None:
    """Whoever is in the middle of a run is going to read the rest, too."""
    blocks, version = make()
    fetch(blocks, version, 0, 1000)
    blocks.read(version, 300, 350)

    assert not fetch(blocks, version, 1000, 1100)
    blocks.read(version, 350, 400)
    assert fetch(blocks, version, 1000, 1100)
    assert blocks.read(version, 300, 400) is None
    blocks.check_invariants()


def test_what_somebody_waits_for_takes_memory_from_anybody() -> None:
    blocks, version = make()
    fetch(blocks, version, 0, 1000)

    assert fetch(blocks, version, 1000, 1100, force=True)
    assert version.gaps(0, 1100) == [(0, 100)]
    assert blocks.wasted == 100
    assert blocks.used <= blocks.limit


def test_the_least_recently_read_goes_first() -> None:
    blocks, version = make()
    fetch(blocks, version, 0, 1000)
    blocks.read(version, 0, 1000)
    blocks.read(version, 0, 100)
    fetch(blocks, version, 1000, 1200)

    assert version.gaps(0, 1200) == [(100, 300)]


def test_what_a_read_waits_for_stays() -> None:
    blocks, version = make()
    fetch(blocks, version, 0, 1000)
    blocks.read(version, 0, 1000)
    with version.pinned(0, 250):
        fetch(blocks, version, 1000, 1100, force=True)
        blocks.forget("key")

        assert version.gaps(0, 1000) == [(300, 1000)]
    assert not version.pins


def test_the_budget_is_exceeded_only_for_what_somebody_waits_for() -> None:
    blocks, version = make(limit=0)

    assert not fetch(blocks, version, 0, 100)
    assert fetch(blocks, version, 0, 100, force=True)
    assert blocks.read(version, 0, 100) == DATA[:100]


def test_nothing_is_evicted_when_that_would_not_make_room() -> None:
    blocks, version = make()
    fetch(blocks, version, 0, 900)
    fetch(blocks, version, 900, 1000)
    blocks.read(version, 900, 1000)

    assert not fetch(blocks, version, 1000, 1300)
    assert version.gaps(0, 1000) == []


def test_unread_bytes_grow_old() -> None:
    blocks, version = make()
    fetch(blocks, version, 0, 900)
    fetch(blocks, version, 900, 1000)
    for _ in range(blocks.limit // 100 + 1):
        blocks.read(version, 900, 1000)

    assert fetch(blocks, version, 1000, 1200)
    assert version.gaps(0, 100) == [(0, 100)]


def test_abandoned_bytes_go_first() -> None:
    blocks, version = make()
    fetch(blocks, version, 0, 1000)
    blocks.read(version, 0, 200)
    blocks.abandon(version, 450, 700)

    assert fetch(blocks, version, 1000, 1200)
    assert version.gaps(0, 1200) == [(500, 700)]
    assert blocks.wasted == 200


def test_buffers_of_blocks_are_used_again() -> None:
    blocks, version = make()
    fetch(blocks, version, 0, 1000)
    blocks.read(version, 0, 1000)
    memory = version.runs[0].memory
    fetch(blocks, version, 1000, 1100)

    assert version.runs[-1].memory is memory
    blocks.check_invariants()


def test_peeking_leaves_no_trace() -> None:
    blocks, version = make()
    fetch(blocks, version, 0, 300)

    assert blocks.peek(version, 50, 250) == DATA[50:250]
    assert blocks.peek(version, 50, 350) is None
    assert blocks.served == 0
    assert version.runs[0].read_to == 0


def test_a_version_that_nobody_needs_is_forgotten() -> None:
    blocks, version = make()
    blocks.put(version, 0, b"x")
    other = blocks.version("key", "other")
    other.readers = 1
    blocks.forget("key")

    assert blocks.find("key", "etag") is None
    assert blocks.find("key", "other") is other
    other.readers = 0
    blocks.let_go(other)
    assert blocks.find("key", "other") is None
    assert blocks.used == 0


def test_reprs_say_what_there_is() -> None:
    blocks, version = make()
    fetch(blocks, version, 0, 100)
    blocks.begin(version, 100, 150)

    assert "0..100..100 unread" in repr(version)
    assert "100..100..150 open" in repr(version)
    assert "1 unread" in repr(blocks)


class Machine(RuleBasedStateMachine):
    """Blocks against a dict of what may be there."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = Blocks(6 * (SIZE + OVERHEAD), SIZE)
        self.versions = [self.blocks.version(key, "e") for key in ("a", "b")]
        for version in self.versions:
            version.readers = 1
        self.open: list[Run] = []

    @rule(which=st.integers(0, 1), start=st.integers(0, 700), size=st.integers(1, 300), force=st.booleans())
    def begin(self, which: int, start: int, size: int, force: bool) -> None:
        self.open += self.blocks.begin(self.versions[which], start, start + size, force=force) or ()

    @precondition(lambda self: self.open)
    @rule(size=st.integers(1, 120), which=st.integers(0, 100))
    def fill(self, size: int, which: int) -> None:
        run = self.open[which % len(self.open)]
        self.blocks.fill(run, memoryview(DATA[run.filled : min(run.filled + size, run.end)]))
        if run.filled == run.end:
            self.blocks.close(run)
            self.open.remove(run)

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 100), keep=st.booleans())
    def stop(self, which: int, keep: bool) -> None:
        run = self.open.pop(which % len(self.open))
        if keep:
            self.blocks.close(run)
        else:
            self.blocks.discard(run)

    @rule(which=st.integers(0, 1), start=st.integers(0, 700), size=st.integers(1, 300))
    def put(self, which: int, start: int, size: int) -> None:
        self.blocks.put(self.versions[which], start, DATA[start : start + size])

    @rule(which=st.integers(0, 1), start=st.integers(0, 700), size=st.integers(1, 300))
    def read(self, which: int, start: int, size: int) -> None:
        version = self.versions[which]
        reach = version.reach(start, start + size)
        got = self.blocks.read(version, start, start + size)
        assert (got is None) == (reach < start + size)
        assert got is None or got == DATA[start : start + size]

    @rule(which=st.integers(0, 1), start=st.integers(0, 700), size=st.integers(1, 300))
    def abandon(self, which: int, start: int, size: int) -> None:
        self.blocks.abandon(self.versions[which], start, start + size)

    @rule(which=st.integers(0, 1))
    def forget(self, which: int) -> None:
        self.blocks.forget("ab"[which])

    @invariant()
    def sound(self) -> None:
        self.blocks.check_invariants()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
