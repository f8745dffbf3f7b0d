"""What this mount still has to do, and what keeps it from that, told where somebody would look: at the file, or above.

A file answers for its own changes and for those that they wait for, a directory for everything inside it too, and the
root for the whole mount: also for what has no name any more, as a deletion that the service refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..writing.intents import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..tree.inodes import Node
    from ..writing.intents import Intent
    from .rooms import Rooms

_MOST = 60 << 10  # bytes; an extended attribute has at most 64 KiB


def pending(rooms: Rooms, node: Node) -> list[Intent]:
    """Return the changes that *node* answers for, oldest first."""
    executor = rooms.executor
    if node.parent is None:
        return executor.live
    if node.is_unlinked:
        put = node.file.put if node.file is not None else None
        found = {put} if put is not None and put.live else set()
    else:
        key = rooms.inodes.key_of(node)
        found = executor.touching(key)
        if node.is_directory:
            found |= executor.inside(key)
    todo = list(found)
    while todo:
        before = todo.pop().blockers - found
        found |= before
        todo += before
    return sorted(found, key=lambda intent: intent.id)


def state_of(changes: Iterable[Intent], *, is_open: bool = False) -> str:
    """Sum up *changes*: ``failed``, ``dirty`` (if something *is_open* that is not logged), ``pending``, ``clean``."""
    states = {intent.state for intent in changes}
    if State.FAILED in states:
        return "failed"
    return "dirty" if is_open else "pending" if states else "clean"


def tell(changes: Iterable[Intent], prefix: str) -> bytes:
    """Say what went wrong with *changes* so far, a line each, oldest first; nothing if nothing did.

    Paths are told without *prefix*, the mount's.
    """
    lines: list[bytes] = []
    size = left_out = 0
    for intent in changes:
        if intent.error:
            line = _line(intent, prefix).encode("utf-8", "replace")
            size += len(line) + 1
            if size > _MOST:
                left_out += 1
            else:
                lines.append(line)
    if left_out:
        lines.append(f"and {left_out} more: ossmount status".encode())
    return b"\n".join(lines)


def _line(intent: Intent, prefix: str) -> str:
    what = " -> ".join(key.removeprefix(prefix) or "/" for key in intent.keys)
    kept = intent.state is State.FAILED
    next_ = "kept: ossmount flush tries again" if kept else f"attempt {intent.attempts}, another follows"
    said = f"{intent.verb.value} {what}: {intent.error} ({next_})"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in said)
