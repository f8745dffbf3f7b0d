"""The daemon dies at any moment; the next mount brings everything that was acknowledged into the bucket."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from ossmount.fs.rooms import Places
from ossmount.writing.staging import Staged
from tests.fs.deadly import Deadly, Shaky, Trap

STRIDE = int(os.environ.get("OSSMOUNT_TEST_STRIDE", "3"))  # 1: every single one, and minutes
STRIDE_OF_BOTH = int(os.environ.get("OSSMOUNT_TEST_STRIDE", "13"))

Begin = Callable[[], Deadly]


@pytest.fixture
def deadly(
    world: Any, tree: Any, workload: list[Any], bucket_contents: Callable[[], dict[str, object]]
) -> Callable[[], Deadly]:
    """Begin with an empty bucket and an empty state directory, as often as wanted."""

    def begin() -> Deadly:
        run = Deadly(world, tree, workload, lambda: [bucket_contents()], servers=[world.server])
        run.begin()
        return run

    return begin


@pytest.fixture
def deadly_both(world: Any, tree: Any, workload: list[Any], servers: Any, opened: Any, contents: Any) -> Begin:
    """As `deadly`, with two buckets as one."""

    def begin() -> Deadly:
        run = Deadly(world, tree, workload, contents, servers=servers, opened=opened)
        run.begin()
        return run

    return begin


async def test_a_workload_without_a_crash_is_in_the_bucket(deadly: Begin) -> None:
    run = deadly()
    async with run.mount() as view:
        await run.work(view)
        await view.do(("close", "open"))
    await run.check()


async def test_what_was_acknowledged_survives_a_crash_at_each_request(deadly: Begin) -> None:
    nth, token = 0, trio.lowlevel.current_trio_token()
    while True:
        nth += STRIDE
        run = deadly()
        trap = Trap(nth, partial(token.run_sync_soon, run.die), done=nth // STRIDE % 2 == 0)

        def arm(view: Any, trap: Trap = trap, run: Deadly = run) -> None:
            run.world.server.app.faults = trap

        await run.run(arm)
        await run.check()
        if trap.left > 0:
            break
    assert nth > 30


async def test_both_hold_the_same_after_a_crash_at_each_request_though_one_fails_now_and_then(
    deadly_both: Begin,
) -> None:
    nth, token = 0, trio.lowlevel.current_trio_token()
    while True:
        nth += STRIDE_OF_BOTH
        run = deadly_both()
        trap = Trap(nth, partial(token.run_sync_soon, run.die), done=nth // STRIDE_OF_BOTH % 2 == 0)

        def arm(view: Any, trap: Trap = trap, run: Deadly = run, well: int = nth // STRIDE_OF_BOTH % 3 == 0) -> None:
            run.servers[well].app.faults, run.servers[not well].app.faults = trap, Shaky(trap)

        await run.run(arm)
        await run.check()
        if trap.left > 0:
            break
    assert nth > 60


async def crash_at_each_record(
    begin: Begin, stride: int, directory: Path, monkeypatch: pytest.MonkeyPatch, arm: Callable[[Deadly], None]
) -> int:
    """Crash when something is about to be written to the log or to staged bytes, each *stride* times; return how often
    that was.
    """
    frozen = Places(state=directory / "frozen", cache=directory / "frozen-cache")
    run, left = begin(), 0
    acknowledged: list[Any] = []

    def about_to_write(what: str = "COMMIT") -> None:
        """What is on disk now is all that a crash at this moment leaves."""
        nonlocal left
        left -= what.startswith(("INSERT", "UPDATE", "DELETE", "COMMIT"))
        if left == 0 and not run.died:
            shutil.rmtree(frozen.state, ignore_errors=True)
            shutil.copytree(run.world.places.state, frozen.state)
            acknowledged[:] = [run.tree, run.next]
            run.die()

    def watched(method: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any, **kwargs: Any) -> Any:
            about_to_write()
            return method(*args, **kwargs)

        return watching

    for name in ("write", "truncate", "discard", "_ground"):
        monkeypatch.setattr(Staged, name, watched(getattr(Staged, name)))
    nth = 0

    def watch(view: Any) -> None:
        nonlocal left
        left = nth
        view.rooms.log._db.set_trace_callback(about_to_write)
        arm(run)

    while left <= 0:
        nth += stride
        run, left = begin(), 1_000_000
        await run.run(watch)
        if left > 0:
            break
        run.tree, run.next = acknowledged
        await run.check(frozen)
    return nth


async def test_what_was_acknowledged_survives_a_crash_at_each_record(
    deadly: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await crash_at_each_record(deadly, STRIDE, tmp_path, monkeypatch, lambda _: None) > 100


async def test_both_hold_the_same_after_a_crash_at_each_record_though_one_fails_now_and_then(
    deadly_both: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def arm(run: Deadly) -> None:
        run.servers[1].app.faults = Shaky()

    assert await crash_at_each_record(deadly_both, STRIDE_OF_BOTH, tmp_path, monkeypatch, arm) > 100
