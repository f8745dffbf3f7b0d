"""A POSIX view of a bucket, without FUSE: the verbs, by inode number.

Each verb that changes something takes the four steps of the design: check against the view, append an intent, change
the view, return or (``commit=close``) wait.  Nothing awaits between the last check and the change.  Errors are plain
`OSError`s and whatever the rooms below raise; `errors.errno_for` is the one place that knows their numbers.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from typing import TYPE_CHECKING

from ..tree import attributes as attrs
from ..tree.attributes import Attributes, Kind
from ..writing.intents import State, Verb
from .descriptors import Descriptor, FileDescriptor
from .files import OpenFile
from .handles import DirectoryHandle, Handles, Opened
from .making import Making
from .opening import Opening
from .renaming import Renaming

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..tree.inodes import Node
    from ..writing.intents import Intent
    from .handles import AttributeChange, Caller
    from .pictures import Pictures
    from .rooms import Rooms

log = logging.getLogger(__name__)


class FileSystem:
    """The POSIX verbs over one bucket."""

    def __init__(
        self, rooms: Rooms, *, waits: bool = False, read_only: bool = False, pictures: Pictures | None = None
    ) -> None:
        """Serve *rooms*; with *waits* (``commit=close``) verbs return when the bucket has what they did.

        With *pictures* a name such as ``photo.jpg@200w`` that nothing has may lead to one of them.
        """
        self.rooms = rooms
        self.waits = waits
        self.read_only = read_only
        self.pictures = pictures
        self.opening = Opening(rooms)
        self.files: Handles[Descriptor] = Handles()
        self.directories: Handles[DirectoryHandle] = Handles()
        self._making = Making(self)
        self._renaming = Renaming(self)

    # Nodes

    def node(self, ino: int) -> Node:
        """Return the node *ino*.

        Raises:
            OSError: ESTALE, it has been forgotten.
        """
        try:
            return self.rooms.inodes[ino]
        except KeyError:
            raise OSError(errno.ESTALE, "no such inode", str(ino)) from None

    def directory(self, ino: int) -> Node:
        """Return the directory *ino*.

        Raises:
            OSError: ENOTDIR, ESTALE; ENOENT, it has been removed.
        """
        node = self.node(ino)
        if node.directory is None:
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", node.name.decode())
        return node

    def file(self, node: Node) -> OpenFile:
        """Return the open file of *node*, made now if there is none."""
        if node.file is None:
            node.file = OpenFile(node, self.rooms)
        file: OpenFile = node.file
        return file

    async def child(self, parent: Node, name: bytes) -> Node:
        """Return the node *name* in *parent*, which somebody is going to change.

        Raises:
            FileNotFoundError: there is none.
            PermissionError: there is nothing of that name that could be changed.
        """
        node = await self._find(parent, name)
        if node is None:
            if parent.directory is not None and (picture := parent.directory.derived.get(name)) is not None:
                self.check_writable(picture)
            raise _absent(name)
        return node

    async def _find(self, parent: Node, name: bytes) -> Node | None:
        return await self.rooms.lookup.child(parent, name) if not parent.is_unlinked else None

    async def lookup(self, parent_ino: int, name: bytes) -> Node:
        """Find *name* in a directory; see lookup in fuse(4).

        Raises:
            OSError: ENOENT, ENOTDIR, ENAMETOOLONG ...
        """
        parent = self.directory(parent_ino)
        if name == b".":
            return parent
        if name == b"..":
            return parent.parent or parent
        node = await self._find(parent, name)
        if node is not None and await self.opening.is_something_else(parent, node):
            node = await self._find(parent, name)
        if node is None and self.pictures is not None and not parent.is_unlinked:
            node = await self.pictures.find(parent, name)
        if node is None:
            raise _absent(name)
        return node

    # Attributes

    async def getattr(self, ino: int) -> Node:
        """Return the node *ino* with exact attributes; see stat(2)."""
        node = self.node(ino)
        await self.opening.attributes(node)
        return node

    async def setattr(self, ino: int, change: AttributeChange, *, fh: int | None = None) -> Node:
        """Change attributes; see chmod(2), chown(2), utimensat(2), truncate(2).

        Raises:
            OSError: EISDIR, EROFS, EFBIG, ENOSPC ...
        """
        node = self.node(ino)
        self.check_writable(node)
        await self.opening.attributes(node)
        if change.size is not None:
            await self._truncate(node, change.size, fh)
        wanted = node.attributes
        now = time.time_ns()
        mode, uid, gid = wanted.mode, wanted.uid, wanted.gid
        if change.uid is not None or change.gid is not None:
            uid = uid if change.uid is None else change.uid
            gid = gid if change.gid is None else change.gid
            if node.kind is Kind.FILE and change.mode is None:
                mode &= ~(0o6000 if mode & 0o010 else 0o4000)  # chown(2): the rights were the old owner's
        if change.mode is not None:
            mode = stat.S_IMODE(change.mode)
        new = Attributes(
            node.kind,
            mode,
            uid,
            gid,
            wanted.mtime_ns if change.mtime_ns is None else change.mtime_ns,
            now,
            wanted.atime_ns if change.atime_ns is None else change.atime_ns,
            wanted.rdev,
        )
        old = (wanted.mode, wanted.uid, wanted.gid, wanted.mtime_ns, wanted.atime_ns)
        if (new.mode, new.uid, new.gid, new.mtime_ns, new.atime_ns) == old:
            return node
        await self.change_attributes(node, new)
        return node

    async def change_attributes(self, node: Node, new: Attributes) -> None:
        """Give *node*, whose attributes are known, the attributes *new*."""
        meta = attrs.merge_meta(node.meta or {}, new, self.rooms.beliefs.defaults)
        attrs.check_budget(meta)
        before, node.attributes = node.attributes, new
        if node.is_unlinked or node.parent is None:
            return  # there is no object for it: an unlinked file, or the root
        try:
            intent = self.rooms.changes.update(node, meta)
        except OSError:
            node.attributes = before
            raise
        if intent is not None:
            await self.finish([intent])

    async def _truncate(self, node: Node, size: int, fh: int | None) -> None:
        if node.is_directory:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), node.name.decode())
        if fh is None and size == node.size and node.file is None:
            return
        file = self.file(node)
        file.opened(writing=True)
        try:
            if file.staged is None and size:
                await self.opening.validate(node, writing=True)
                await self.opening.check_restored(node)
            await file.truncate(size)
        finally:
            is_last = file.writers == 1
            intent = file.commit() if is_last else None
            file.released(0, writing=True)
        if intent is not None:
            await self.finish([intent])

    # Making and removing names

    async def create(
        self, parent_ino: int, name: bytes, mode: int, caller: Caller, *, flags: int
    ) -> tuple[Node, Opened]:
        """Make the file *name* and open it; see open(2) with O_CREAT."""
        self.check_writable()
        parent = self.directory(parent_ino)
        node = await self.rooms.lookup.child(parent, name)
        if node is not None:
            if flags & os.O_EXCL:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name.decode(errors="replace"))
            return node, await self.open(node.ino, flags)
        file = self._making.file(parent, name, Kind.FILE, mode, caller)
        file.opened(writing=True)
        return file.node, Opened(
            self.files.add(FileDescriptor(file, is_writer=True)), keep_cache=False, has_changed=False
        )

    async def mknod(self, parent_ino: int, name: bytes, mode: int, rdev: int, caller: Caller) -> Node:
        """Make a file of any kind but directory and symbolic link; see mknod(2)."""
        self.check_writable()
        return await self._making.special(self.directory(parent_ino), name, mode, rdev, caller)

    async def mkdir(self, parent_ino: int, name: bytes, mode: int, caller: Caller) -> Node:
        """Make a directory; see mkdir(2)."""
        self.check_writable()
        return await self._making.directory(self.directory(parent_ino), name, mode, caller)

    async def symlink(self, parent_ino: int, name: bytes, text: bytes, caller: Caller) -> Node:
        """Make a symbolic link to *text*; see symlink(2)."""
        self.check_writable()
        return await self._making.symlink(self.directory(parent_ino), name, text, caller)

    async def readlink(self, ino: int) -> bytes:
        """Return the text of a symbolic link; see readlink(2)."""
        node = self.node(ino)
        if node.kind is not Kind.SYMLINK:
            raise OSError(errno.EINVAL, "not a symbolic link", node.name.decode())
        if node.link is None:
            await self.opening.attributes(node)
        if node.link is None:
            assert node.source is not None
            _, body = await self.rooms.bucket.get_object(node.source.key, if_match=node.source.etag)
            node.link = bytes(body)
        return node.link

    async def unlink(self, parent_ino: int, name: bytes) -> None:
        """Remove a name that is no directory's; who has it open goes on; see unlink(2)."""
        self.check_writable()
        parent = self.directory(parent_ino)
        node = await self.child(parent, name)
        if node.is_directory:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name.decode())
        if parent.directory is not None and parent.directory.marker is None:
            await self.rooms.listing.fill(parent, first_page_only=True)  # would it vanish with its last name?
            node = await self.child(parent, name)
        intents = [self.rooms.changes.delete(node), *self.remove(node)]
        await self.finish(intents)

    def remove(self, node: Node) -> list[Intent]:
        """Take the name from *node*, whose deletion is logged; a directory that would vanish with it gets a
        marker.
        """
        parent = node.parent
        assert parent is not None
        assert parent.directory is not None
        self.rooms.inodes.detach(node)
        if node.file is not None:
            node.file.unlinked()
        self.touch(parent)
        if parent.parent is not None and not parent.directory.children and parent.directory.marker is False:
            return [self.rooms.changes.make_directory(parent, attrs.merge_meta(parent.meta or {}, parent.attributes))]
        return []

    async def rmdir(self, parent_ino: int, name: bytes) -> None:
        """Remove an empty directory; see rmdir(2)."""
        self.check_writable()
        parent = self.directory(parent_ino)
        node = await self.child(parent, name)
        if node.directory is None:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name.decode())
        await self.rooms.listing.fill(node)
        self.check_empty(node)
        intents = [self.rooms.changes.remove_directory(node), *self.remove(node)]
        await self.finish(intents)

    @staticmethod
    def check_empty(node: Node) -> None:
        """Refuse a directory that holds something.

        Raises:
            OSError: ENOTEMPTY.
        """
        if node.directory is not None and (node.directory.children or node.directory.hides):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), node.name.decode())

    async def rename(
        self, parent_ino: int, name: bytes, new_parent_ino: int, new_name: bytes, *, exclusive: bool
    ) -> None:
        """Give a file or directory another name; see rename(2).  *exclusive* is RENAME_NOREPLACE."""
        self.check_writable()
        await self._renaming.rename(
            self.directory(parent_ino), name, self.directory(new_parent_ino), new_name, exclusive=exclusive
        )

    # Directories

    async def opendir(self, ino: int) -> int:
        """Open a directory; see opendir(3)."""
        return self.directories.add(DirectoryHandle(self.directory(ino)))

    async def readdir(self, fh: int, start: int) -> list[tuple[bytes, Node]]:
        """Return all entries of an open directory, ``.`` and ``..`` too; reading from 0 on looks again."""
        handle = self.directories[fh]
        node = handle.node
        if start == 0:
            if not node.is_unlinked:
                await self.rooms.listing.fill(node)
            assert node.directory is not None
            handle.entries = [(b".", node), (b"..", node.parent or node), *node.directory.children.items()]
        return handle.entries

    def releasedir(self, fh: int) -> None:
        """Close a directory."""
        self.directories.pop(fh)

    # Bytes

    async def open(self, ino: int, flags: int) -> Opened:
        """Open a file; see open(2)."""
        node = self.node(ino)
        if node.is_directory:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), node.name.decode())
        writing = flags & os.O_ACCMODE != os.O_RDONLY
        if writing or flags & os.O_TRUNC:
            self.check_writable(node)
        if node.made is not None:
            assert self.pictures is not None
            return Opened(self.files.add(await self.pictures.open(node)), keep_cache=True, has_changed=False)
        file = self.file(node)
        if file.error is not None:
            raise file.error
        size = node.size
        file.opened(writing=writing)
        try:
            if flags & os.O_TRUNC:
                await self.opening.attributes(node)
                await file.truncate(0)
            elif file.staged is None:
                await self.opening.validate(node, writing=writing)
                if writing:
                    await self.opening.check_restored(node)
        except BaseException:
            file.released(0, writing=writing)
            raise
        tag = node.source.etag if node.source is not None else ""
        keep = node.page_tag == tag or file.staged is not None
        if node.source is not None and self.rooms.reading.was_wrong(node.source):
            keep = False
        was_other = node.page_tag not in {"", tag}
        node.page_tag = tag
        fh = self.files.add(FileDescriptor(file, is_writer=writing))
        return Opened(fh, keep_cache=keep, has_changed=node.size != size or was_other)

    async def read(self, fh: int, offset: int, size: int) -> bytes:
        """Read; see pread(2)."""
        return await self.files[fh].read(fh, offset, size)

    async def write(self, fh: int, offset: int, data: bytes) -> int:
        """Write; see pwrite(2)."""
        return await self.files[fh].write(offset, data)

    async def flush(self, fh: int) -> None:
        """A descriptor is closed; see close(2)."""
        await self.files[fh].flush(waits=self.waits)

    async def release(self, fh: int) -> None:
        """The last descriptor of a handle is closed, or the last page mapped from it gone."""
        descriptor = self.files.pop(fh)
        if descriptor is not None:
            descriptor.release(fh)

    async def fsync(self, fh: int) -> None:
        """Wait until the file is in the bucket; see fsync(2)."""
        await self.files[fh].fsync()

    async def sync(self) -> None:
        """Wait until everything done before now is in the bucket, the bytes of open files included.

        Raises:
            Exception: the first of what stays behind.
        """
        self.commit_all()
        failures = await self.rooms.executor.wait_all()
        if failures:
            raise failures[0]

    def commit_all(self) -> None:
        """Log the changes of all files that are open, and of those that could not be logged when they were closed.

        Raises:
            OSError: some still cannot.
        """
        for descriptor in self.files.values():
            descriptor.commit()
        unlogged = self.rooms.changes.unlogged
        for file in list(unlogged):
            file.commit()
            unlogged.discard(file)

    # Parts

    async def finish(self, intents: Iterable[Intent | None]) -> None:
        """With ``commit=close``, wait for *intents*; one that is refused is undone, and the refusal is the answer."""
        if not self.waits:
            return
        for intent in intents:
            if intent is None:
                continue
            try:
                await self.rooms.executor.wait(intent)
            except Exception:
                if intent.state is State.FAILED and intent.verb is not Verb.PUT:
                    self.rooms.changes.undo(intent)
                raise

    def touch(self, parent: Node) -> None:
        """Date a directory whose entries changed."""
        parent.attributes.mtime_ns = parent.attributes.ctime_ns = time.time_ns()

    def check_writable(self, node: Node | None = None) -> None:
        """Refuse to change anything, or *node*, if that cannot be.

        Raises:
            OSError: EROFS, the mount is read-only; EPERM, the node shows what is made of another file.
        """
        if self.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if node is not None and node.made is not None:
            # As of a file that is immutable (chattr +i).
            raise PermissionError(errno.EPERM, "a picture that is made as it is read", node.name.decode())


def _absent(name: bytes) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name.decode(errors="replace"))
