"""Readers against the plain bytes: any mixture of reads, closes, failures, cancellations and changes of the object."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from ossmount.reading import Reading, ReadingOptions
from ossmount.wire.errors import AccessDenied, BrokenResponse, NoSuchKey, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

KIB = 1024
SIZE = 700 * KIB + 13
DATA = {etag: Random(etag).randbytes(SIZE) for etag in ("E1", "E2")}
# Everything small, so that a little reading meets every limit.
OPTIONS = ReadingOptions(
    memory=160 * KIB,
    block_size=16 * KIB,
    first_request=20 * KIB,
    max_window=96 * KIB,
    request_size=32 * KIB,
    parallel=4,
)

offsets = st.integers(0, SIZE + 10 * KIB)
step = st.one_of(
    st.tuples(st.just("read"), offsets, st.integers(1, 40 * KIB)),
    st.tuples(st.just("go on"), st.integers(1, 40), st.integers(1, 20 * KIB)),
    st.tuples(st.just("cancel"), offsets, st.integers(1, 20)),
    st.tuples(st.just("reopen"), st.just(0), st.just(0)),
    st.tuples(st.just("put"), offsets, st.integers(1, 50 * KIB)),
    st.tuples(st.just("forget"), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 50), st.just(0)),
    st.tuples(st.just("replace"), st.just(0), st.just(0)),
    st.tuples(st.just("delete"), st.just(0), st.just(0)),
)
programs = st.lists(st.lists(step, max_size=12), min_size=1, max_size=4)


async def run(link: Any, programs: list[list[tuple[str, int, int]]]) -> None:
    """Run all *programs* at once, each with a reader of its own."""
    async with trio.open_nursery() as nursery:
        reading = Reading(link, nursery=nursery, options=OPTIONS)
        link.store("key", DATA["E1"], "E1")
        changed = False

        async def program(steps: list[tuple[str, int, int]]) -> None:
            nonlocal changed
            source = link.source("key", "E1")
            reader = reading.reader(source)
            position = 0
            for verb, first, second in steps:
                try:
                    if verb == "read":
                        assert await reader.read(first, second) == DATA[source.etag][first : first + second]
                        position = first + second
                    elif verb == "go on":
                        for _ in range(first):
                            assert (
                                await reader.read(position, second) == DATA[source.etag][position : position + second]
                            )
                            position += second
                    elif verb == "cancel":
                        with trio.move_on_after(second / 1000):
                            await reader.read(first, 30 * KIB)
                    elif verb == "reopen":
                        reader.close()
                        source = link.source("key", link.objects["key"][0] if "key" in link.objects else "E1")
                        reader = reading.reader(source)
                    elif verb == "put":
                        reading.put(source, first, DATA[source.etag][first : first + second])
                    elif verb == "forget":
                        reading.forget("key")
                    elif verb == "wait":
                        await trio.sleep(first / 1000)
                    elif verb == "replace":
                        changed = True
                        link.store("key", DATA["E2"], "E2")
                    else:
                        changed = True
                        link.objects.pop("key", None)
                except (PreconditionFailed, NoSuchKey):
                    assert changed
                except (AccessDenied, BrokenResponse):
                    pass  # as the link was told to fail
                reading.blocks.check_invariants()
            reader.close()

        async with trio.open_nursery() as programs_nursery:
            for steps in programs:
                programs_nursery.start_soon(program, steps)

        await reading.aclose()
        reading.blocks.check_invariants()
        reading.forget("key")
        assert reading.blocks.used == 0
        assert reading.statistics().readers == 0
        assert link.in_flight == 0


@settings(deadline=None, max_examples=60)
@given(
    programs=programs, breaks=st.sets(st.integers(0, 60), max_size=6), refusals=st.sets(st.integers(0, 20), max_size=3)
)
def test_readers_return_the_bytes_of_their_version_or_an_error(
    make_link: Callable[..., Any],
    programs: list[list[tuple[str, int, int]]],
    breaks: set[int],
    refusals: set[int],
) -> None:
    chunks = 0
    opened = 0

    def on_chunk(get: Any, position: int, chunk: bytes) -> bytes:
        nonlocal chunks
        chunks += 1
        return b"" if chunks in breaks else chunk

    def on_open(get: Any) -> None:
        nonlocal opened
        opened += 1
        if opened in refusals:
            raise AccessDenied

    link = make_link(latency=0.005, bandwidth=10e6, chunk=5000, on_chunk=on_chunk, on_open=on_open)

    autojump_clock = trio.testing.MockClock(autojump_threshold=0)

    trio.run(run, link, programs, clock=autojump_clock)
