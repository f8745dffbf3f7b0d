"""The kernel's requests, one method each: unpack, ask `fs`, pack.

**pyfuse3 ends the whole mount on any exception but a bare FUSEError**, also on a FUSEError inside an exception group.
So every handler wears `replies`, or `quietly` where no answer is possible; a test looks at each.

Requests are those of fuse(4); their meaning is in the man page of the system call.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import pyfuse3
import trio

from ..fs.errors import errno_for, explain, is_unforeseen, level_for
from ..fs.handles import Caller
from .convert import change_of, entry_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from ..fs.filesystem import FileSystem
    from ..fs.handles import Opened
    from ..fs.properties import Properties
    from ..tree.inodes import Node

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_SPACE = 1 << 50  # bytes: OSS has no size, and programs want a number
_BLOCK = 4096


def replies(method: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Turn whatever *method* raises into the errno that the program sees, and log it as that errno deserves."""

    @functools.wraps(method)
    async def handler(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await method(*args, **kwargs)
        except pyfuse3.FUSEError:
            raise
        except Exception as exc:
            code = errno_for(exc)
            if is_unforeseen(exc):
                log.exception("%s failed in a way that nobody foresaw", method.__name__)
            else:
                level = level_for(code)
                if log.isEnabledFor(level):
                    log.log(level, "%s: %s: %s", method.__name__, errno.errorcode.get(code, code), explain(exc))
            raise pyfuse3.FUSEError(code) from None

    handler.is_guarded = True  # type: ignore[attr-defined]
    return handler


def quietly(method: Callable[P, Awaitable[None]]) -> Callable[P, Coroutine[Any, Any, None]]:
    """Log whatever *method* raises: nobody waits for an answer."""

    @functools.wraps(method)
    async def handler(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await method(*args, **kwargs)
        except Exception as exc:
            log.error("%s: %s", method.__name__, explain(exc), exc_info=is_unforeseen(exc))

    handler.is_guarded = True  # type: ignore[attr-defined]
    return handler


class Operations(pyfuse3.Operations):
    """Answers the kernel."""

    supports_dot_lookup = True
    enable_writeback_cache = False  # the kernel would not hear of sizes that others change
    enable_acl = False

    def __init__(self, filesystem: FileSystem, properties: Properties) -> None:
        """Answer from *filesystem*."""
        super().__init__()
        self._fs = filesystem
        self._properties = properties
        self.requests: dict[str, int] = {}

    # Names

    @replies
    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        try:
            node = await self._fs.lookup(parent_inode, name)
        except FileNotFoundError:
            return self._absence(parent_inode, name)
        return self._entry(node)

    def _absence(self, parent_inode: int, name: bytes) -> pyfuse3.EntryAttributes:
        """Let the kernel remember for a while that there is no such name (st_ino 0)."""
        parent = self._fs.directory(parent_inode)
        if self._fs.pictures is not None and self._fs.pictures.may_be(name):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))  # until there is what it is made of
        assert parent.directory is not None
        now = trio.current_time()
        until = max(parent.directory.listed_until, parent.directory.absent.get(name, 0.0))
        if parent.directory.prefix is None:
            until = now + self._fs.rooms.beliefs.ttl
        if until <= now:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = pyfuse3.InodeT(0)
        entry.entry_timeout = min(until - now, self._fs.rooms.beliefs.ttl)
        return entry

    @quietly
    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        for inode, count in inode_list:
            self._fs.rooms.inodes.forget(inode, count)

    @replies
    async def mkdir(
        self, parent_inode: int, name: bytes, mode: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        return self._entry(await self._fs.mkdir(parent_inode, name, mode, _caller(ctx)))

    @replies
    async def mknod(
        self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        return self._entry(await self._fs.mknod(parent_inode, name, mode, rdev, _caller(ctx)))

    @replies
    async def symlink(
        self, parent_inode: int, name: bytes, target: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        return self._entry(await self._fs.symlink(parent_inode, name, target, _caller(ctx)))

    @replies
    async def readlink(self, inode: int, ctx: pyfuse3.RequestContext) -> bytes:
        return await self._fs.readlink(inode)

    @replies
    async def link(
        self, inode: int, new_parent_inode: int, new_name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        # link(2): EPERM, "the filesystem does not support the creation of hard links".
        raise OSError(errno.EPERM, "an object has one key, so a file has one name", new_name.decode(errors="replace"))

    @replies
    async def unlink(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        await self._fs.unlink(parent_inode, name)

    @replies
    async def rmdir(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        await self._fs.rmdir(parent_inode, name)

    @replies
    async def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: pyfuse3.RequestContext,
    ) -> None:
        if flags & ~pyfuse3.RENAME_NOREPLACE:
            raise OSError(errno.EINVAL, "two names cannot be exchanged in one step")
        exclusive = bool(flags & pyfuse3.RENAME_NOREPLACE)
        await self._fs.rename(parent_inode_old, name_old, parent_inode_new, name_new, exclusive=exclusive)

    # Attributes

    @replies
    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        return self._attributes(await self._fs.getattr(inode))

    @replies
    async def setattr(
        self,
        inode: int,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: int | None,
        ctx: pyfuse3.RequestContext,
    ) -> pyfuse3.EntryAttributes:
        return self._attributes(await self._fs.setattr(inode, change_of(attr, fields), fh=fh))

    @replies
    async def access(self, inode: int, mode: int, ctx: pyfuse3.RequestContext) -> bool:
        return True  # the kernel decides by the attributes (default_permissions)

    @replies
    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        data = pyfuse3.StatvfsData()
        data.f_bsize = data.f_frsize = _BLOCK
        data.f_blocks = data.f_bfree = data.f_bavail = _SPACE // _BLOCK
        data.f_files = data.f_ffree = data.f_favail = 1 << 32
        data.f_namemax = 255
        return data

    @replies
    async def getxattr(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> bytes:
        if not name.startswith(b"user."):
            # The kernel asks for security.capability before each write, and ls for two more: no time for anything.
            raise pyfuse3.FUSEError(errno.EOPNOTSUPP)
        return await self._properties.get(inode, name)

    @replies
    async def setxattr(self, inode: int, name: bytes, value: bytes, ctx: pyfuse3.RequestContext) -> None:
        await self._properties.set(inode, name, value)

    @replies
    async def listxattr(self, inode: int, ctx: pyfuse3.RequestContext) -> list[bytes]:
        return await self._properties.list(inode)

    @replies
    async def removexattr(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> None:
        await self._properties.remove(inode, name)

    # Directories

    @replies
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        return await self._fs.opendir(inode)

    @replies
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        entries = await self._fs.readdir(fh, start_id)
        inodes = self._fs.rooms.inodes
        for index in range(start_id, len(entries)):
            name, node = entries[index]
            is_dot = index < 2
            if node.is_unlinked and not is_dot:
                continue
            attributes = self._attributes(node)
            if not is_dot and self._fs.opening.is_of_uncertain_kind(node):
                attributes.entry_timeout = 0  # the kernel looks it up before it goes by the kind
            if not pyfuse3.readdir_reply(token, name, attributes, index + 1):
                break
            if not is_dot:
                inodes.refer(node)  # READDIRPLUS is a lookup of each entry but the dots

    @quietly
    async def releasedir(self, fh: int) -> None:
        self._fs.releasedir(fh)

    @replies
    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        await self._fs.sync()

    # Bytes

    @replies
    async def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: pyfuse3.RequestContext
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        node, opened = await self._fs.create(parent_inode, name, mode, _caller(ctx), flags=flags)
        return self._file_info(node, opened), self._entry(node)

    @replies
    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        node = self._fs.node(inode)
        return self._file_info(node, await self._fs.open(inode, flags))

    @replies
    async def read(self, fh: int, off: int, size: int) -> bytes:
        return await self._fs.read(fh, off, size)

    @replies
    async def write(self, fh: int, off: int, buf: bytes) -> int:
        return await self._fs.write(fh, off, buf)

    @replies
    async def flush(self, fh: int) -> None:
        await self._fs.flush(fh)

    @quietly
    async def release(self, fh: int) -> None:
        await self._fs.release(fh)

    @replies
    async def fsync(self, fh: int, datasync: bool) -> None:
        await self._fs.fsync(fh)

    # Packing

    def _entry(self, node: Node) -> pyfuse3.EntryAttributes:
        """Return the attributes of *node* in answer to a request that refers to it by name."""
        self._fs.rooms.inodes.refer(node)
        return self._attributes(node)

    def _attributes(self, node: Node) -> pyfuse3.EntryAttributes:
        rooms = self._fs.rooms
        ttl = rooms.beliefs.ttl
        if node.made is not None:
            entry = entry_of(node, timeout=ttl)
            entry.entry_timeout = 0.0  # the kernel asks by each name that is opened whether it still is that picture
            return entry
        parent = node.parent
        if parent is None or node.is_unlinked or rooms.beliefs.is_touched(parent, node.name):
            timeout = ttl
        else:
            assert parent.directory is not None
            left = max(node.expires, parent.directory.listed_until) - trio.current_time()
            timeout = min(max(left, 0.0), ttl)
        return entry_of(node, timeout=timeout, known_timeout=timeout if rooms.lookup.is_good_enough(node) else 0.0)

    def _file_info(self, node: Node, opened: Opened) -> pyfuse3.FileInfo:
        if opened.has_changed:
            # The size that the kernel remembers may be that of another version.
            pyfuse3.invalidate_inode(pyfuse3.InodeT(node.ino), attr_only=True)
        return pyfuse3.FileInfo(fh=pyfuse3.FileHandleT(opened.fh), keep_cache=opened.keep_cache)


def _caller(ctx: pyfuse3.RequestContext) -> Caller:
    return Caller(ctx.uid, ctx.gid)
