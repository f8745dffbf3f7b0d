"""Extended attributes as verbs: `xattrs` says what a name means, here it is asked for and changed.

What is set for an object is a change like any other: logged, and carried out in its turn.  What is set for the bucket
is put before the call returns, whatever the commit mode: it is about no file, and nothing has to wait for it.

Source: xattr(7), setxattr(2).
"""

from __future__ import annotations

import errno
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..oss.image import ImageClient
from ..wire.configurations import CONFIGURATIONS
from ..wire.errors import BadRequest, InvalidArgument, OSSError
from . import troubles, values, xattrs
from .descriptors import FileDescriptor
from .xattrs import Place, Property

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from ..tree.inodes import Node
    from ..writing.intents import Intent
    from .filesystem import FileSystem

log = logging.getLogger(__name__)

_OF_BUCKET = (Place.BUCKET, Place.CONFIGURATION)
_NO_MARKER = "the directory is no object of its own"
# Headers that every object has: what nobody said is the service's.
_ALWAYS = ("content-type", "x-oss-storage-class")


class Properties:
    """The extended attributes of one filesystem."""

    def __init__(self, filesystem: FileSystem, *, url_of: Callable[[str], Awaitable[str]]) -> None:
        """Serve *filesystem*; *url_of* signs a URL for a key."""
        self._fs = filesystem
        self._url_of = url_of

    async def get(self, ino: int, name: bytes) -> bytes:
        """Return the value of *name*; see getxattr(2).

        Raises:
            OSError: ENODATA, there is none; EOPNOTSUPP, another name space; E2BIG, no attribute can hold it.
        """
        node = self._fs.node(ino)
        prop = xattrs.property_of(name, is_root=node.parent is None)
        if prop is None:
            await self._fs.opening.attributes(node)
            return xattrs.get_xattr(node.meta or {}, name)
        value = await (self._get_of_bucket(prop) if prop.place in _OF_BUCKET else self._get_property(node, prop))
        if len(value) > values.MAX_SIZE:
            raise OSError(errno.E2BIG, f"{prop.full_name} has {len(value)} bytes; an attribute has {values.MAX_SIZE}")
        return value

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
        prop = xattrs.property_of(name, is_root=node.parent is None, writing=True)
        if prop is not None and prop.place in _OF_BUCKET:
            await self._set_of_bucket(prop, value)
            return
        self._check_is_object(node)
        await self._fs.opening.attributes(node)
        if prop is None:
            await self._update(node, xattrs.set_xattr(node.meta or {}, name, value))
        elif prop.place is Place.ACL:
            acl = values.parse_acl(value)
            await self._act(node, lambda: self._fs.rooms.changes.set_acl(node, acl))
        elif prop.place is Place.TAGS:
            tags = values.parse_tags(value)
            await self._act(node, lambda: self._fs.rooms.changes.set_tags(node, tags))
        else:
            headers = values.set_header(node.headers or {}, prop, value)
            await self._update(node, dict(node.meta or {}), {prop.header: headers[prop.header]})

    async def remove(self, ino: int, name: bytes) -> None:
        """Remove *name*; see removexattr(2).

        Raises:
            OSError: ENODATA, there is none; EPERM, it cannot be removed.
        """
        node = self._writable(ino)
        prop = xattrs.property_of(name, is_root=node.parent is None, writing=True)
        if prop is not None and prop.place in _OF_BUCKET:
            await self._remove_of_bucket(prop)
            return
        self._check_is_object(node)
        await self._fs.opening.attributes(node)
        if prop is None:
            await self._update(node, xattrs.remove_xattr(node.meta or {}, name))
        elif _is_only_a_prefix(node):
            raise values.absent(prop, _NO_MARKER)
        elif prop.place is Place.ACL:
            await self._act(node, lambda: self._fs.rooms.changes.set_acl(node, "default"))
        elif prop.place is Place.TAGS:
            await self._act(node, lambda: self._fs.rooms.changes.set_tags(node, {}))
        else:
            values.remove_header(node.headers or {}, prop)
            await self._update(node, dict(node.meta or {}), {prop.header: None})

    # Properties of an object

    def _writable(self, ino: int) -> Node:
        node = self._fs.node(ino)
        self._fs.check_writable(node)
        return node

    @staticmethod
    def _check_is_object(node: Node) -> None:
        if node.parent is None:
            raise OSError(errno.EPERM, "the root is no object; its attributes begin with user.oss.bucket.")

    async def _update(self, node: Node, meta: dict[str, str], headers: dict[str, str | None] | None = None) -> None:
        if node.is_unlinked:  # whoever has it open sees them, and nobody else ever will
            node.meta = meta
            return
        intent = self._fs.rooms.changes.update(node, meta, headers)
        if intent is not None:
            await self._fs.finish([intent])

    async def _act(self, node: Node, append: Callable[[], Intent]) -> None:
        if node.is_unlinked:
            raise FileNotFoundError(errno.ENOENT, "the file has been removed", node.name.decode())
        if node.file is not None:
            node.file.commit()
        changes = self._fs.rooms.changes
        with self._fs.rooms.log.together():
            made = [changes.make_directory(node, dict(node.meta or {}))] if _is_only_a_prefix(node) else []
            intents = [*made, append()]
        await self._fs.finish(intents)

    async def _get_property(self, node: Node, prop: Property) -> bytes:
        if node.made is not None:
            raise OSError(errno.ENODATA, "a picture that is made as it is read is no object", node.name.decode())
        rooms = self._fs.rooms
        if prop.place is Place.LOCAL:
            return self._get_local(node, prop)
        if prop.place is Place.HEADER and node.parent is not None:
            await self._fs.opening.attributes(node)
            if prop.header in (node.headers or {}) or prop.header not in _ALWAYS:
                return values.value_in_headers(prop, node.headers or {})
        if node.parent is None or node.is_unlinked:
            raise values.absent(prop, "there is no object for it")
        if node.is_directory:
            await self._fs.opening.attributes(node)
            if _is_only_a_prefix(node):
                raise values.absent(prop, _NO_MARKER)
        key = rooms.inodes.key_of(node)
        if prop.place is Place.URL:
            return (await self._url_of(key)).encode()
        if rooms.beliefs.is_touched(node.parent, node.name):
            await rooms.settle(node)
            if node.file is not None and node.file.is_dirty and not node.remote:
                raise values.absent(prop, "the file is not in the bucket before it is closed")
        if prop.place is Place.ACL:
            return (await rooms.bucket.get_object_acl(key)).encode()
        if prop.place is Place.TAGS:
            return values.format_tags(await rooms.bucket.get_object_tagging(key))
        key = node.source.key if node.source is not None else key
        if prop.place is Place.IMAGE:
            return await self._get_image_info(node, prop, key)
        return values.value_in_head(prop, await rooms.lookup.head(key))

    async def _get_image_info(self, node: Node, prop: Property, key: str) -> bytes:
        if node.is_directory or not node.size:
            raise values.absent(prop, "no picture")
        try:
            return values.as_json(await ImageClient(self._fs.rooms.bucket).get_info(key))
        except (BadRequest, InvalidArgument) as exc:
            raise values.absent(prop, f"no picture: {exc}") from None

    def _get_local(self, node: Node, prop: Property) -> bytes:
        rooms = self._fs.rooms
        changes = troubles.pending(rooms, node)
        if prop.name == "error":
            told = troubles.tell(changes, rooms.inodes.key_of(rooms.inodes.root))
            if not told:
                raise values.absent(prop)
            return told
        state: str = node.file.state if node.file is not None else "clean"
        if state == "clean":
            files = (each.file for each in self._fs.files.values() if isinstance(each, FileDescriptor))
            is_open = any(file.is_dirty and rooms.inodes.is_inside(file.node, node) for file in files)
            state = troubles.state_of(changes, is_open=is_open)
        return state.encode()

    # Properties of the bucket

    async def _get_of_bucket(self, prop: Property) -> bytes:
        bucket = self._fs.rooms.bucket
        with _about(prop):
            if prop.place is Place.CONFIGURATION:
                found = await bucket.get_configuration(CONFIGURATIONS[prop.name])
                return values.format_configuration(prop, found)
            if prop.name == "location":
                return values.as_json(await bucket.get_bucket_location())
            if prop.name == "stat":
                return values.as_json(await bucket.get_bucket_stat())
            info = await bucket.get_bucket_info()
            return values.as_json(info.acl if prop.name == "acl" else info)

    async def _set_of_bucket(self, prop: Property, value: bytes) -> None:
        bucket = self._fs.rooms.bucket
        with _about(prop):
            if prop.place is Place.CONFIGURATION:
                await bucket.put_configuration(CONFIGURATIONS[prop.name], values.parse_configuration(prop, value))
            else:
                await bucket.put_bucket_acl(values.parse_bucket_acl(value))

    async def _remove_of_bucket(self, prop: Property) -> None:
        if not prop.is_removable:
            raise values.permanent(prop)
        await self._get_of_bucket(prop)  # to the service it is no error that there is none, to removexattr(2) it is
        with _about(prop):
            await self._fs.rooms.bucket.delete_configuration(CONFIGURATIONS[prop.name])


def _is_only_a_prefix(node: Node) -> bool:
    """Tell whether *node*, whose attributes were asked for, is a directory for no other reason than keys below it."""
    return node.directory is not None and node.directory.marker is False


@contextmanager
def _about(prop: Property) -> Iterator[None]:
    """Have the log say which property the service did not give, or take."""
    try:
        yield
    except OSSError as exc:
        exc.add_note(prop.full_name)
        raise
