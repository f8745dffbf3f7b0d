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
from ossmount.server.faults import Fault, Plan
from ossmount.writing.staging import Staged

PART = 128 << 10
STRIDE = int(os.environ.get("OSSMOUNT_TEST_STRIDE", "3"))  # 1: every single one, and minutes
DEAD = Fault(reset=True, count=None)


class Trap(Plan):
    """Calls *sprung* at the *nth* request and lets no other through; that one is carried out, and not answered, if
    *done*.
    """

    def __init__(self, nth: int, sprung: Callable[[], None], *, done: bool) -> None:
        super().__init__()
        self.left = nth
        self._sprung = sprung
        self._done = done

    def __bool__(self) -> bool:
        return True

    def strike(self, operation: str, key: str) -> list[Fault]:
        self.left -= 1
        if self.left > 0:
            return []
        if self.left == 0:
            self._sprung()
        return [Fault(reset=True, done=self._done and self.left == 0)]


class Deadly:
    """Runs a workload until something kills the mount, then mounts again and looks at the bucket."""

    def __init__(self, world: Any, tree: Any, workload: list[Any], contents: Callable[[], dict[str, object]]) -> None:
        self.world = world
        self.workload = workload
        self.contents = contents
        self.tree = tree  # as acknowledged
        self.next = tree  # as it is when the operation under way is carried out
        self.view: Any = None
        self.died = False

    def die(self) -> None:
        """Let nothing out any more, and end."""
        if not self.died:
            self.died = True
            self.world.server.faults.add(DEAD)
            self.view.crash()

    async def run(self, arm: Callable[[Any], None]) -> None:
        """Do the workload, and end by a crash in any case."""
        async with self.world.mount(part_size=PART) as view:
            self.view = view
            arm(view)
            await self.work(view)
            await view.flush()
            self.die()

    async def work(self, view: Any) -> None:
        for operation in self.workload:
            self.next = self.tree.after(operation)
            await view.do(operation)
            self.tree = self.next

    async def check(self, places: Places | None = None) -> None:
        """Mount again: what was acknowledged is there, at once and, after a flush, in the bucket."""
        self.world.server.app.faults = Plan()
        async with self.world.mount(part_size=PART, places=places) as view:
            assert (await view.flush()) == {"pending": 0, "failed": []}
            found = self.contents()
            assert found in (self.tree.objects(), self.next.objects()), explain(found, self.tree.objects())
            names = {key.partition("/")[0] for key in found}
            assert await view.ls() == names
            for key, value in found.items():
                if isinstance(value, str):
                    assert await view.readlink(key) == value
                elif not key.endswith("/"):
                    assert await view.read(key) == value[0]  # type: ignore[index]


def explain(found: dict[str, object], wanted: dict[str, object]) -> str:
    """Say in what the bucket differs from what it should be."""
    return "; ".join(
        f"{key}: {short(found.get(key))} instead of {short(wanted.get(key))}"
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key)
    )


def short(value: object) -> str:
    return repr((len(value[0]), value[0][:20], *value[1:]) if isinstance(value, tuple) else value)


@pytest.fixture
def deadly(
    world: Any, tree: Any, workload: list[Any], bucket_contents: Callable[[], dict[str, object]]
) -> Callable[[], Deadly]:
    """Begin with an empty bucket and an empty state directory, as often as wanted."""

    def begin() -> Deadly:
        world.forget()
        world.server.app.faults = Plan()
        store = world.server.store
        page = store.list_objects(store.bucket("bucket"), prefix="", marker="", delimiter="", limit=1000)
        store.delete(store.bucket("bucket"), [row.key.decode() for row in page.rows])
        return Deadly(world, tree, workload, bucket_contents)

    return begin


async def test_a_workload_without_a_crash_is_in_the_bucket(deadly: Callable[[], Deadly]) -> None:
    run = deadly()
    async with run.world.mount(part_size=PART) as view:
        await run.work(view)
        await view.do(("close", "open"))
    await run.check()


async def test_what_was_acknowledged_survives_a_crash_at_each_request(deadly: Callable[[], Deadly]) -> None:
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


async def test_what_was_acknowledged_survives_a_crash_at_each_record(
    deadly: Callable[[], Deadly], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = Places(state=tmp_path / "frozen", cache=tmp_path / "frozen-cache")
    run, left = deadly(), 0
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

    def arm(view: Any) -> None:
        nonlocal left
        left = nth
        view.rooms.log._db.set_trace_callback(about_to_write)

    while left <= 0:
        nth += STRIDE
        run, left = deadly(), 1_000_000
        await run.run(arm)
        if left > 0:
            break
        run.tree, run.next = acknowledged
        await run.check(frozen)
    assert nth > 100
