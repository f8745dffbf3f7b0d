"""Making files, directories and links: the view has them at once, the bucket follows."""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING

import trio

from ..tree import attributes as attrs
from ..tree.attributes import Attributes, Kind
from ..tree.inodes import Directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..tree.inodes import Node
    from ..writing.intents import Intent
    from .files import OpenFile
    from .filesystem import FileSystem
    from .handles import Caller


class Making:
    """Makes what is new in one filesystem."""

    def __init__(self, filesystem: FileSystem) -> None:
        """Make things in *filesystem*."""
        self._fs = filesystem

    def file(self, parent: Node, name: bytes, kind: Kind, mode: int, caller: Caller, *, rdev: int = 0) -> OpenFile:
        """Make a file that is no directory's and no link's; nothing is logged before it is committed.

        Raises:
            OSError: it cannot be staged; ENAMETOOLONG, EILSEQ ...
        """
        node = self._node(parent, name, kind, mode, caller)
        node.attributes.rdev = rdev
        file = self._fs.file(node)
        try:
            file.create()
        except OSError:
            node.file = None
            self._fs.rooms.inodes.detach(node)
            raise
        return file

    async def directory(self, parent: Node, name: bytes, mode: int, caller: Caller) -> Node:
        """Make a directory."""
        await self._check_absent(parent, name)
        node = self._node(parent, name, Kind.DIRECTORY, mode, caller)
        await self._log_or_unmake(node, lambda: self._fs.rooms.changes.make_directory(node, dict(node.meta or {})))
        return node

    async def special(self, parent: Node, name: bytes, mode: int, rdev: int, caller: Caller) -> Node:
        """Make a file of any kind but directory and symbolic link."""
        await self._check_absent(parent, name)
        kind = Kind(stat.S_IFMT(mode) or stat.S_IFREG)
        file = self.file(parent, name, kind, mode, caller, rdev=rdev)
        await self._fs.finish([file.commit()])
        return file.node

    async def symlink(self, parent: Node, name: bytes, text: bytes, caller: Caller) -> Node:
        """Make a symbolic link to *text*."""
        await self._check_absent(parent, name)
        if len(text) > attrs.TEXT_MAX:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), name.decode(errors="replace"))
        rooms = self._fs.rooms
        node = self._node(parent, name, Kind.SYMLINK, 0o777, caller)
        node.link, node.size = text, len(text)
        native = attrs.native_symlink_target(rooms.inodes.key_of(node), text, rooms.beliefs.keys.prefix)
        meta = dict(node.meta or {})
        if native is not None:
            meta.update(attrs.symlink_meta(text))
        node.meta = meta
        data = {"native": native, "text": text.decode("utf-8", "surrogateescape"), "meta": meta}
        await self._log_or_unmake(node, lambda: rooms.changes.make_symlink(node, data))
        return node

    async def _check_absent(self, parent: Node, name: bytes) -> None:
        if await self._fs.rooms.lookup.child(parent, name) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name.decode(errors="replace"))

    async def _log_or_unmake(self, node: Node, append: Callable[[], Intent | None]) -> None:
        try:
            intent = append()
        except OSError:
            self._fs.rooms.inodes.detach(node)
            raise
        await self._fs.finish([intent])

    def _node(self, parent: Node, name: bytes, kind: Kind, mode: int, caller: Caller) -> Node:
        """Make a node that is not in the bucket yet."""
        if parent.is_unlinked:
            raise FileNotFoundError(errno.ENOENT, "the directory has been removed", name.decode(errors="replace"))
        rooms = self._fs.rooms
        is_directory = kind is Kind.DIRECTORY
        rooms.beliefs.keys.key_for(rooms.inodes.key_of(parent), name, directory=is_directory)
        now = time.time_ns()
        inherits = parent.attributes.mode & stat.S_ISGID
        gid = parent.attributes.gid if inherits else caller.gid
        bits = stat.S_IMODE(mode) | (stat.S_ISGID if inherits and is_directory else 0)
        attributes = rooms.beliefs.defaults.shown(Attributes(kind, bits, caller.uid, gid, now, now, now))
        directory = Directory(None, marker=True) if is_directory else None
        node = rooms.inodes.make(parent, name, attributes, directory=directory)
        node.known = True
        node.expires = trio.current_time() + rooms.beliefs.ttl
        node.meta, node.headers = attrs.to_meta(attributes), {}
        self._fs.touch(parent)
        return node
