"""Which intent has to wait for which.

Two intents must be carried out in the order they were made when they touch the same name, as a file's or a directory's,
or when one of them moves a whole prefix that the other's key is inside.  All others may go at the same time.  Every
table here is kept by name and by enclosing prefix, so adding or retiring an intent costs the depth of its path, not the
length of the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .intents import Intent


def enclosing(key: str) -> Iterator[str]:
    """Yield every prefix that ends in a slash and that *key* is inside, the longest first; *key* itself is not
    one.
    """
    end = len(key) - 1 if key.endswith("/") else len(key)
    while (end := key.rfind("/", 0, end)) >= 0:
        yield key[: end + 1]


class Ordering:
    """The partial order of live intents.

    INVARIANT: an intent's blockers are live, were added before it and conflict with it.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, set[Intent]] = {}  # by key without the slash of a directory
        self._inside: dict[str, set[Intent]] = {}  # by prefix: all that touch a key inside it
        self._trees: dict[str, set[Intent]] = {}  # by prefix: those that move all of it

    def add(self, intent: Intent) -> None:
        """Enter *intent* behind all it has to wait for; its `blockers` say which those are."""
        for key in intent.keys:
            self._block(intent, self._by_name.get(key.removesuffix("/")))
            for prefix in enclosing(key):
                self._block(intent, self._trees.get(prefix))
            if intent.is_tree:
                self._block(intent, self._inside.get(key))
        for key in intent.keys:
            self._by_name.setdefault(key.removesuffix("/"), set()).add(intent)
            for prefix in enclosing(key):
                self._inside.setdefault(prefix, set()).add(intent)
            if intent.is_tree:
                self._trees.setdefault(key, set()).add(intent)

    def retire(self, intent: Intent) -> list[Intent]:
        """Take *intent* out and return those that no longer wait for anything."""
        for key in intent.keys:
            self._discard(self._by_name, key.removesuffix("/"), intent)
            for prefix in enclosing(key):
                self._discard(self._inside, prefix, intent)
            self._discard(self._trees, key, intent)
        free = []
        for dependent in intent.dependents:
            dependent.blockers.discard(intent)
            if not dependent.blockers:
                free.append(dependent)
        intent.dependents.clear()
        for blocker in intent.blockers:
            blocker.dependents.discard(intent)
        intent.blockers.clear()
        return free

    def touching(self, key: str) -> set[Intent]:
        """Return the live intents that touch *key* itself, or everything around it."""
        found = {intent for intent in self._by_name.get(key.removesuffix("/"), ()) if key in intent.keys}
        for prefix in enclosing(key):
            found |= self._trees.get(prefix, set())
        return found

    def inside(self, prefix: str) -> set[Intent]:
        """Return the live intents that touch a key inside *prefix*."""
        return set(self._inside.get(prefix, ()))

    @staticmethod
    def _block(intent: Intent, earlier: set[Intent] | None) -> None:
        for other in earlier or ():
            intent.blockers.add(other)
            other.dependents.add(intent)

    @staticmethod
    def _discard(table: dict[str, set[Intent]], key: str, intent: Intent) -> None:
        members = table.get(key)
        if members is not None:
            members.discard(intent)
            if not members:
                del table[key]
