"""rename(2): the view changes at once, the bucket follows.

There are four cases: a file or link over nothing, over a file or link, a directory over nothing, and over an empty
directory. In each the source of what is renamed stays where it is until the copies are made (`Changes.moved`), so
reads go on.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..tree.inodes import Node
    from ..writing.intents import Intent
    from .filesystem import FileSystem


class Renaming:
    """Renames in one filesystem."""

    def __init__(self, filesystem: FileSystem) -> None:
        """Rename in *filesystem*."""
        self._fs = filesystem

    async def rename(self, parent: Node, name: bytes, new_parent: Node, new_name: bytes, *, exclusive: bool) -> None:
        """Rename *name* in *parent* to *new_name* in *new_parent*.

        Raises:
            OSError: ENOENT, EEXIST (*exclusive*), EISDIR, ENOTDIR, ENOTEMPTY, EINVAL, ENAMETOOLONG.
            InvalidObjectState: a file is archived, and so cannot be copied.
        """
        fs, rooms = self._fs, self._fs.rooms
        node = await fs.child(parent, name)
        target = await rooms.lookup.child(new_parent, new_name)
        if target is node:
            return
        if target is not None:
            if exclusive:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new_name.decode())
            if target.directory is not None:
                if not node.is_directory:
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), new_name.decode())
                await rooms.listing.fill(target)
            elif node.is_directory:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), new_name.decode())
        if not node.known:
            await fs.opening.attributes(node)  # no answer counts while its name is being changed
        if not node.is_directory:
            await fs.opening.check_restored(node)

        # From here on nothing awaits until the view has changed; what was true before the awaits is checked again.
        if parent.directory is None or parent.directory.children.get(name) is not node or new_parent.is_unlinked:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name.decode())
        if node.is_directory and rooms.inodes.is_inside(new_parent, node):
            raise OSError(errno.EINVAL, "a directory cannot be moved into itself", name.decode())
        if target is not None:
            fs.check_empty(target)
        key = rooms.inodes.key_of(node)
        self._check_length(
            node,
            rooms.beliefs.keys.key_for(rooms.inodes.key_of(new_parent), new_name, directory=node.is_directory),
            key,
        )
        intents = self._move(node, key, parent, name, new_parent, new_name, target)
        await fs.finish(intents)

    def _move(
        self, node: Node, key: str, parent: Node, name: bytes, new_parent: Node, new_name: bytes, target: Node | None
    ) -> list[Intent | None]:
        fs, rooms = self._fs, self._fs.rooms
        intents: list[Intent | None] = []
        rooms.log.check_space()
        with rooms.log.together():
            if target is not None:
                rooms.changes.overwritten(target)
                rooms.inodes.detach(target)
                if target.file is not None:
                    target.file.unlinked()
            rooms.inodes.move(node, new_parent, new_name)
            if node.is_directory:
                self._rename_staged(node)
            intents += rooms.changes.rename(node, parent, name, key)
            if target is not None and target.remote:
                node.remote = True  # what was overwritten stays in the bucket until its successor is there
        fs.touch(parent)
        fs.touch(new_parent)
        if not parent.directory or parent is new_parent:
            return intents
        if parent.parent is not None and not parent.directory.children and parent.directory.marker is False:
            intents.append(rooms.changes.make_directory(parent, dict(parent.meta or {})))
        return intents

    def _rename_staged(self, directory: Node) -> None:
        """Let the files below *directory* that are staged and not committed know their new names."""
        for node in self._fs.rooms.inodes.below(directory):
            if node.file is not None:
                node.file.renamed(self._fs.rooms.inodes.key_of(node))

    def _check_length(self, node: Node, new_key: str, key: str) -> None:
        """Refuse a rename that would give something below a key that OSS does not take."""
        if node.directory is None:
            return
        growth = len(new_key.encode()) - len(key.encode())
        longest = max(
            (len(self._fs.rooms.inodes.key_of(each).encode()) for each in self._fs.rooms.inodes.below(node)), default=0
        )
        if growth > 0 and longest + growth > 1023:
            raise OSError(errno.ENAMETOOLONG, "a file below would have a key of more than 1023 bytes", new_key)
