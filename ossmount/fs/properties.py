"""Extended attributes as verbs: `xattrs` says what a name means, here it is asked for and changed.

Source: xattr(7), setxattr(2).
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

from . import xattrs
from .errors import explain
from .xattrs import Place, Property

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..tree.inodes import Node
    from .filesystem import FileSystem

log = logging.getLogger(__name__)


class Properties:
    """The extended attributes of one filesystem."""

    def __init__(self, filesystem: FileSystem, *, url_of: Callable[[str], Awaitable[str]]) -> None:
        """Serve *filesystem*; *url_of* signs a URL for a key."""
        self._fs = filesystem
        self._url_of = url_of

    async def get(self, ino: int, name: bytes) -> bytes:
        """Return the value of *name*; see getxattr(2).

        Raises:
            OSError: ENODATA, there is none; EOPNOTSUPP, another name space.
        """
        node = self._fs.node(ino)
        prop = xattrs.property_of(name, is_root=node.parent is None)
        if prop is not None:
            return await self._get_property(node, prop)
        await self._fs.opening.attributes(node)
        return xattrs.get_xattr(node.meta or {}, name)

    async def list(self, ino: int) -> list[bytes]:
        """Return the names of the attributes in the user metadata; see listxattr(2)."""
        node = self._fs.node(ino)
        await self._fs.opening.attributes(node)
        return xattrs.list_xattrs(node.meta or {})

    async def set(self, ino: int, name: bytes, value: bytes) -> None:
        """Set *name* to *value*; see setxattr(2).  Whether it had to exist was checked before.

        Raises:
            OSError: EPERM, it cannot be written; EINVAL, not with that value; ENOSPC, OSS has no room for it.
        """
        node = self._writable(ino)
        prop = xattrs.property_of(name, writing=True)
        await self._fs.opening.attributes(node)
        if prop is None:
            await self._update(node, xattrs.set_xattr(node.meta or {}, name, value))
        elif prop.place is Place.ACL:
            await self._act(node, lambda: self._fs.rooms.changes.set_acl(node, xattrs.parse_acl(value)))
        elif prop.place is Place.TAGS:
            await self._act(node, lambda: self._fs.rooms.changes.set_tags(node, xattrs.parse_tags(value)))
        else:
            headers = xattrs.set_header(node.headers or {}, prop, value)
            await self._update(node, dict(node.meta or {}), {prop.header: headers[prop.header]})

    async def remove(self, ino: int, name: bytes) -> None:
        """Remove *name*; see removexattr(2).

        Raises:
            OSError: ENODATA, there is none; EPERM, it cannot be removed.
        """
        node = self._writable(ino)
        prop = xattrs.property_of(name, writing=True)
        await self._fs.opening.attributes(node)
        if prop is None:
            await self._update(node, xattrs.remove_xattr(node.meta or {}, name))
        elif prop.place is Place.ACL:
            await self._act(node, lambda: self._fs.rooms.changes.set_acl(node, "default"))
        elif prop.place is Place.TAGS:
            await self._act(node, lambda: self._fs.rooms.changes.set_tags(node, {}))
        else:
            xattrs.remove_header(node.headers or {}, prop)
            await self._update(node, dict(node.meta or {}), {prop.header: None})

    # Parts

    def _writable(self, ino: int) -> Node:
        if self._fs.read_only:
            raise OSError(errno.EROFS, "mounted read-only")
        return self._fs.node(ino)

    async def _update(self, node: Node, meta: dict[str, str], headers: dict[str, str | None] | None = None) -> None:
        intent = self._fs.rooms.changes.update(node, meta, headers)
        if intent is not None:
            await self._fs.finish([intent])

    async def _act(self, node: Node, append: Callable[[], object]) -> None:
        if node.parent is None and not self._fs.rooms.inodes.key_of(node):
            raise OSError(errno.EPERM, "the root of a bucket is no object")
        if node.file is not None:
            node.file.commit()
        intent = append()
        await self._fs.finish([intent])  # type: ignore[list-item]

    async def _get_property(self, node: Node, prop: Property) -> bytes:
        rooms = self._fs.rooms
        key = rooms.inodes.key_of(node)
        if prop.place is Place.BUCKET:
            return await self._get_bucket_property(prop)
        if prop.place is Place.LOCAL:
            return self._get_local(node, prop)
        if prop.place is Place.URL:
            return (await self._url_of(key)).encode()
        if prop.place is Place.HEADER:
            await self._fs.opening.attributes(node)
            return xattrs.value_in_headers(prop, node.headers or {})
        if node.parent is not None and rooms.beliefs.is_touched(node.parent, node.name):
            await self._settle(key)
        if prop.place is Place.ACL:
            return (await rooms.bucket.get_object_acl(key)).encode()
        if prop.place is Place.TAGS:
            return xattrs.format_tags(await rooms.bucket.get_object_tagging(key))
        head = await rooms.lookup.head(node.source.key if node.source is not None else key)
        return xattrs.value_in_head(prop, head)

    async def _settle(self, key: str) -> None:
        """Wait until what this machine changes of *key* is in the bucket, so that the bucket's answer is about
        that.
        """
        for intent in sorted(self._fs.rooms.executor.touching(key), key=lambda each: each.id):
            await self._fs.rooms.executor.wait(intent)

    def _get_local(self, node: Node, prop: Property) -> bytes:
        file = node.file
        if prop.name == "state":
            return (file.state if file is not None else "clean").encode()
        error = file.error if file is not None else None
        if error is None:
            raise OSError(errno.ENODATA, "there is no error")
        return explain(error).encode()

    async def _get_bucket_property(self, prop: Property) -> bytes:
        bucket = self._fs.rooms.bucket
        if prop.name == "location":
            return xattrs.bucket_value(await bucket.get_bucket_location())
        if prop.name == "stat":
            return xattrs.bucket_value(await bucket.get_bucket_stat())
        if prop.name == "acl":
            return xattrs.bucket_value((await bucket.get_bucket_info()).acl)
        return xattrs.bucket_value(await bucket.get_bucket_info())
