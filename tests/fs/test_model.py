"""Programs do anything they like, while another client changes other keys: the view is always what a dictionary says,
and so is the bucket once everything has been carried out.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import oss2
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

PART = 128 << 10
NAMES = ("a", "b")

VERBS = """create create write write append shorten mkdir mkdir rename rename rename unlink rmdir symlink chmod
    setxattr read ls fsync flush crash theirs theirs-gone pause"""
verb = st.sampled_from(VERBS.split())
step = st.tuples(
    verb,
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join),
    st.integers(0, 5),
)


class Reference:
    """What must be there: `tree` by this mount, `theirs` by somebody else, below keys of their own."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.theirs: dict[str, bytes] = {}

    def kind(self, path: str) -> str | None:
        entry = self.tree.entries.get(path)
        return None if entry is None else entry.kind

    def holds(self, path: str) -> bool:
        return any(other.startswith(path + "/") for other in self.tree.entries)

    def has_parent(self, path: str) -> bool:
        above, _, _ = path.rpartition("/")
        return not above or self.kind(above) == "directory"

    def operations(self, what: str, path: str, other: str, number: int) -> list[tuple[Any, ...]] | None:
        """Return the operations of a step that must succeed; none for one that must be refused."""
        kind, data = self.kind(path), bytes((65 + number,)) * (number * 50_000 if number == 5 else number)
        if not self.has_parent(path):
            return None
        match what:
            case "create" if kind is None:
                return [("create", path), ("pwrite", path, data, 0), ("close", path)]
            case "write" if kind == "file":
                return [("open_empty", path), ("pwrite", path, data, 0), ("close", path)]
            case "append" if kind == "file":
                size = len(self.tree.entries[path].content or b"")
                return [("open", path), ("pwrite", path, data or b"+", size), ("close", path)]
            case "shorten" if kind == "file":
                return [("truncate", path, number)]
            case "mkdir" if kind is None:
                return [("mkdir", path)]
            case "unlink" if kind in ("file", "link"):
                return [("unlink", path)]
            case "rmdir" if kind == "directory" and not self.holds(path):
                return [("rmdir", path)]
            case "symlink" if kind is None:
                return [("symlink", other, path)]
            case "chmod" if kind in ("file", "directory"):
                return [("chmod", path, 0o700 + number)]
            case "setxattr" if kind == "file":
                return [("setxattr", path, "color", f"c{number}")]
            case "fsync" if kind == "file":
                return [("fsync", path)]
            case "rename" if kind is not None and path == other:
                return []
            case "rename" if kind is not None and self.has_parent(other) and not other.startswith(path + "/"):
                target = self.kind(other)
                fits = target is None or (kind == "directory") == (target == "directory")
                if fits and not (target == "directory" and self.holds(other)):
                    return [("rename", path, other)]
        return None


async def compare(view: Any, reference: Reference, directory: str = "") -> None:
    """See that the view is what the reference says, from *directory* down."""
    prefix = f"{directory}/" if directory else ""
    entries = reference.tree.entries
    names = {path[len(prefix) :] for path in entries if path.startswith(prefix) and "/" not in path[len(prefix) :]}
    if not directory:
        names |= {"theirs"} if reference.theirs else set()
    shown = await view.ls(directory)
    assert shown - {"theirs"} == names - {"theirs"}, directory
    for name in names - {"theirs"}:
        path, entry = prefix + name, entries[prefix + name]
        if entry.kind == "directory":
            await compare(view, reference, path)
        elif entry.kind == "link":
            assert await view.readlink(path) == entry.link
        else:
            assert await view.read(path) == entry.content, path
            assert (await view.stat(path)).attributes.mode == entry.mode, path


async def run(
    world: Any, tree: Any, contents: Callable[[], dict[str, object]], theirs: oss2.Bucket, steps: list[Any], waits: bool
) -> None:
    store = world.server.store
    world.forget()
    page = store.list_objects(store.bucket("bucket"), prefix="", marker="", delimiter="", limit=1000)
    store.delete(store.bucket("bucket"), [row.key.decode() for row in page.rows])
    reference = Reference(tree)
    todo = list(steps)
    while True:
        async with world.mount(part_size=PART, waits=waits, ttl=0.0 if len(steps) % 2 else 60.0) as view:
            if len(steps) % 3:
                view.rooms.executor._options = replace(view.rooms.executor._options, linger=0.0)
            if await apply(view, reference, theirs, todo):
                await compare(view, reference)
                assert await view.flush() == {"pending": 0, "failed": []}
                await compare(view, reference)
                break
            view.crash()
    found = {key: value for key, value in contents().items() if not key.startswith("theirs/")}
    assert found == reference.tree.objects()
    assert {key for key in contents() if key.startswith("theirs/")} == set(reference.theirs)


async def apply(view: Any, reference: Reference, theirs: oss2.Bucket, todo: list[Any]) -> bool:
    """Do the steps of *todo* until it is empty, or one is a crash: then return False."""
    while todo:
        what, path, other, number = todo.pop(0)
        match what:
            case "crash":
                return False
            case "flush":
                assert await view.flush() == {"pending": 0, "failed": []}
            case "pause":
                await trio.testing.wait_all_tasks_blocked()
            case "theirs":
                key = f"theirs/{other}/{number}"
                theirs.put_object(key, path)
                reference.theirs[key] = path.encode()
            case "theirs-gone":
                key = f"theirs/{other}/{number}"
                theirs.delete_object(key)
                reference.theirs.pop(key, None)
            case "ls":
                await compare(view, reference)
            case "read":
                if reference.kind(path) == "file":
                    assert await view.read(path) == reference.tree.entries[path].content
            case _:
                operations = reference.operations(what, path, other, number)
                if operations is None:
                    await refuse(view, what, path, other)
                for operation in operations or ():
                    await view.do(operation)
                    reference.tree = reference.tree.after(operation)
    return True


async def refuse(view: Any, what: str, path: str, other: str) -> None:
    """What the reference does not allow is refused, and changes nothing."""
    if what in ("mkdir", "unlink", "rmdir"):
        with pytest.raises(OSError, check=lambda exc: exc.errno is not None):
            await view.do((what, path))
    elif what == "rename":
        with pytest.raises(OSError, check=lambda exc: exc.errno is not None):
            await view.rename(path, other)


EXAMPLES = int(os.environ.get("OSSMOUNT_TEST_EXAMPLES", "25"))


@pytest.mark.parametrize("waits", [False, True], ids=["background", "close"])
def test_the_view_and_the_bucket_are_what_a_dictionary_says(
    world: Any,
    tree: Any,
    bucket_contents: Callable[[], dict[str, object]],
    oss2_bucket: oss2.Bucket,
    waits: bool,
) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=EXAMPLES <= 25,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(step, min_size=5, max_size=40))
    def check(steps: list[Any]) -> None:
        async def bounded() -> None:
            with trio.fail_after(120):
                await run(world, tree, bucket_contents, oss2_bucket, steps, waits)

        trio.run(bounded)

    check()
