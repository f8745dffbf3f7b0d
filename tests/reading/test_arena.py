"""Memory for blocks: taken, given back, freed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ossmount.reading.arena import Arena
from ossmount.reading.blocks import Buffers

MIB = 1024 * 1024


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("make", [Buffers, lambda size: Arena(size, 3 * size)])
def test_what_was_given_back_is_taken_again(make: type[Buffers]) -> None:
    buffers = make(4096)
    first, second = buffers.take(), buffers.take()
    assert first is not second
    assert len(first) == len(second) == 4096
    buffers.give(first)

    assert len(buffers) == 1
    assert buffers.take() is first
    buffers.give(first)
    buffers.give(second)
    buffers.trim(1)
    assert len(buffers) == 1


def test_buffers_do_not_overlap() -> None:
    arena = Arena(4096, 20 * 4096)
    buffers = [arena.take() for _ in range(20)]
    for number, buffer in enumerate(buffers):
        memoryview(buffer)[:] = bytes([number]) * 4096

    assert all(bytes(buffer) == bytes([number]) * 4096 for number, buffer in enumerate(buffers))
    assert "20 blocks, 0 warm, 0 cold" in repr(arena)


def test_what_goes_beyond_the_limit_comes_from_elsewhere() -> None:
    arena = Arena(4096, 4096)
    inside, outside = arena.take(), arena.take()
    assert isinstance(outside, bytearray)
    arena.give(outside)
    assert len(arena) == 1
    arena.give(inside)
    arena.trim(0)

    assert len(arena) == 0
    assert isinstance(arena.take(), memoryview)


def test_memory_that_is_not_needed_is_freed() -> None:
    arena = Arena(MIB, 64 * MIB)
    before = resident()
    buffers = [arena.take() for _ in range(64)]
    for buffer in buffers:
        memoryview(buffer)[:] = b"x" * MIB
    full = resident()
    for buffer in buffers:
        arena.give(buffer)
    arena.trim(0)

    assert full - before > 60 * MIB
    assert resident() - before < 8 * MIB
