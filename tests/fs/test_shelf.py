"""The shelf is bounded, and lets nobody lose what he holds."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest

from ossmount.fs.shelf import Shelf

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf[str]:
    return Shelf(memory=100, directory=tmp_path, patience=10.0)


def files_open() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def test_what_was_put_is_there_until_its_time_is_over(shelf: Shelf[str], autojump_clock: MockClock) -> None:
    body = await shelf.put("a", b"content", 7)
    assert shelf.get("a") is body
    assert (body.read(3, 100), body.read(7, 1), body.size, body.tag) == (b"tent", b"", 7, 7)
    assert shelf.get("b") is None
    autojump_clock.jump(10.0)
    assert shelf.get("a") is None
    assert (len(shelf), shelf.memory_used) == (0, 0)


async def test_the_oldest_makes_room_unless_somebody_holds_it(shelf: Shelf[str]) -> None:
    held = await shelf.put("held", b"h" * 40, 0)
    held.hold()
    await shelf.put("old", b"o" * 40, 0)
    await shelf.put("new", b"n" * 40, 0)
    assert shelf.get("old") is None
    assert shelf.get("held") is held
    assert shelf.memory_used == 80


async def test_what_does_not_fit_lies_in_a_file_that_goes_with_its_last_holder(
    shelf: Shelf[str], tmp_path: Path
) -> None:
    before = files_open()
    bodies = [await shelf.put(str(number), bytes([number]) * 40, number) for number in range(2)]
    for body in bodies:
        body.hold()
    third = await shelf.put("third", b"3" * 40, 3)
    large = await shelf.put("large", b"L" * 60, 4)  # more than half of all memory
    assert shelf.memory_used == 80
    assert files_open() == before + 2
    assert third.read(38, 10) == b"33"
    assert large.read(0, 60) == b"L" * 60
    assert os.listdir(tmp_path) == []
    large.hold()
    for number in range(10):
        await shelf.put(f"large{number}", b"L" * 60, 5)
    assert files_open() <= before + 9  # those on the shelf, and the one that is held
    assert large.read(59, 10) == b"L"
    large.release()
    assert files_open() <= before + 8


async def test_a_key_that_is_put_again_is_another_body(shelf: Shelf[str]) -> None:
    old = await shelf.put("a", b"old", 1)
    old.hold()
    new = await shelf.put("a", b"newer", 2)
    assert shelf.get("a") is new
    assert old.read(0, 10) == b"old"
    assert shelf.memory_used == 8
    old.release()
    assert shelf.memory_used == 5


async def test_there_are_never_too_many(shelf: Shelf[str]) -> None:
    for number in range(1100):
        await shelf.put(str(number), b"", number)
    assert len(shelf) == 1000
    assert shelf.get("1099") is not None
