"""A mount that dies while it does a workload, and the next one, which has to bring all that was acknowledged into the
bucket, or into each of the buckets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ossmount.fs.rooms import Places
from ossmount.server.faults import Fault, Plan

PART = 128 << 10
DEAD = Fault(reset=True, count=None)


class Trap(Plan):
    """Calls *sprung* at the *nth* request and lets no other through; that one is carried out, and not answered, if
    *done*.  Several servers may have one in common.
    """

    def __init__(self, nth: int, sprung: Callable[[], None], *, done: bool) -> None:
        super().__init__()
        self.left = nth
        self._sprung = sprung
        self._done = done
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return True

    def strike(self, operation: str, key: str) -> list[Fault]:
        with self._lock:
            self.left -= 1
            left = self.left
        if left > 0:
            return []
        if left == 0:
            self._sprung()
        return [Fault(reset=True, done=self._done and left == 0)]


class Shaky(Plan):
    """Of ten requests three in a row fail, the second of them though it is done; the rest is for *then*."""

    def __init__(self, then: Plan | None = None) -> None:
        super().__init__()
        self._then = then or Plan()
        self._seen_all = 0

    def __bool__(self) -> bool:
        return True

    def add(self, fault: Fault) -> None:
        self._then.add(fault)

    def strike(self, operation: str, key: str) -> list[Fault]:
        self._seen_all += 1
        struck = self._then.strike(operation, key)
        if struck or self._seen_all % 10 not in (4, 5, 6):
            return struck
        return [Fault(status=500, done=self._seen_all % 10 == 5)]


class Deadly:
    """Runs a workload until something kills the mount, then mounts again and looks at the bucket, or at each of them.

    *opened* opens several as one; *contents* tells what each holds.
    """

    def __init__(
        self,
        world: Any,
        tree: Any,
        workload: list[Any],
        contents: Callable[[], list[dict[str, object]]],
        *,
        servers: list[Any],
        opened: Callable[[], Any] | None = None,
    ) -> None:
        self.world = world
        self.workload = workload
        self.contents = contents
        self.servers = servers
        self.opened = opened
        self.tree = tree  # as acknowledged
        self.next = tree  # as it is when the operation under way is carried out
        self.view: Any = None
        self.died = False

    def begin(self) -> None:
        """Begin with empty buckets and an empty state directory."""
        self.world.forget()
        for server in self.servers:
            server.app.faults = Plan()
            store = server.store
            bucket = store.bucket("bucket")
            page = store.list_objects(bucket, prefix="", marker="", delimiter="", limit=1000)
            store.delete(bucket, [row.key.decode() for row in page.rows])

    def mount(self, places: Places | None = None) -> Any:
        """Mount the bucket, or all of them as one."""
        opened = self.opened() if self.opened is not None else None
        return self.world.mount(part_size=PART, places=places, opened=opened)

    def die(self) -> None:
        """Let nothing out any more, and end."""
        if not self.died:
            self.died = True
            for server in self.servers:
                server.app.faults = Plan([DEAD])
            self.view.crash()

    async def run(self, arm: Callable[[Any], None]) -> None:
        """Do the workload, and end by a crash in any case."""
        async with self.mount() as view:
            self.view = view
            arm(view)
            await self.work(view)
            await view.flush()
            self.die()

    async def work(self, view: Any) -> None:
        """Do the workload."""
        for operation in self.workload:
            self.next = self.tree.after(operation)
            await view.do(operation)
            self.tree = self.next

    async def check(self, places: Places | None = None) -> None:
        """Mount again: what was acknowledged is there, at once and, after a flush, in each bucket."""
        for server in self.servers:
            server.app.faults = Plan()
        async with self.mount(places) as view:
            assert (await view.flush()) == {"pending": 0, "failed": []}
            found, *others = self.contents()
            assert all(each == found for each in others), explain(others[0], found)
            assert found in (self.tree.objects(), self.next.objects()), explain(found, self.tree.objects())
            names = {key.partition("/")[0] for key in found}
            # A directory whose marker went before its last file was there when this mount began, and is believed in.
            view.rooms.beliefs.expire(view.rooms.inodes.root)
            listed = await view.ls()
            assert listed == names, f"{sorted(listed)} instead of {sorted(names)}"
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
