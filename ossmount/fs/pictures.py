"""Pictures that the service makes as they are read: ``photo.jpg@200w_200h``, ``photo.jpg@!STYLE``.

They are found by name and not listed.  A file of that very name always comes first; else what is before the last
``@`` has to be a file of the same directory, and what is behind it has to be operators of the image service, a style,
or a question (``@exif``, ``@info``), which is answered in JSON.  A name that is none of these costs no request.

Nobody can tell the size of a picture before it is made, so a lookup makes it.  It is kept for as long as anything that
is known of the bucket is believed, or is open; a node shows one picture and no other, so what the kernel has of
it stays true.  When the file changes, or the style, the name leads to another node.

What the service will not make a picture of has no pictures: then the name is free, for a file like any other.

Source: developer guide, "Image processing"; `wire.images`.
"""

from __future__ import annotations

import errno
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from ..oss.image import ImageClient, joined
from ..oss.streams import crc64_of
from ..tree.attributes import Attributes, Kind
from ..tree.inodes import NEVER
from ..tree.lookup import KindChanged
from ..wire import errors, images
from .shelf import Shelf

if TYPE_CHECKING:
    from pathlib import Path

    from ..tree.inodes import Node
    from .rooms import Rooms
    from .shelf import Body

log = logging.getLogger(__name__)

# In the place of a process: the one question that the new grammar has no word for.
_EXIF = "exif"
# What the service says when there can be no such picture, however often it is asked.
_REFUSALS = (
    errors.BadRequest,
    errors.ImageDamage,
    errors.ImageTooLarge,
    errors.InvalidArgument,
    errors.InvalidRequest,
    errors.MissingArgument,
    errors.NoSuchStyle,
    errors.NotImplementedByOSS,
    errors.OperationNotSupported,
    errors.WatermarkError,
)
_MOST_REFUSED = 10_000
_ATTEMPTS = 5  # at a file that changes each time it is looked at


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a picture is made of: the object *key* as it was when it had *etag*, and how."""

    key: str
    etag: str
    process: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as a node shows it; *tag* tells its bytes from others that were made in the same way."""

    recipe: Recipe
    tag: int


@dataclass(slots=True, eq=False)
class PictureDescriptor:
    """A picture that is open."""

    body: Body

    async def read(self, fh: int, offset: int, size: int) -> bytes:
        """Read; see pread(2)."""
        return self.body.read(offset, size)

    async def write(self, offset: int, data: bytes) -> int:
        """Refuse: it was opened for reading."""
        raise OSError(errno.EBADF, "not open for writing")

    async def flush(self, *, waits: bool) -> None:
        """Do nothing: nothing was written."""

    async def fsync(self) -> None:
        """Do nothing: nothing was written."""

    def commit(self) -> None:
        """Do nothing: nothing was written."""

    def release(self, fh: int) -> None:
        """Let go of the picture."""
        self.body.release()


def parse_name(name: bytes) -> tuple[bytes, str] | None:
    """Split *name* into that of a file and what is to be made of it, in the words of the new grammar.

    None if it is no name of a picture.
    """
    if b"@" not in name:
        return None
    try:
        split = images.split_name(name.decode())
        if split is None:
            return None
        steps = images.parse_suffix(split[1])
        process = _EXIF if steps[0].exif and len(steps) == 1 else joined(steps)
    except ValueError:
        return None
    file = split[0].encode()
    return None if file in (b".", b"..") else (file, process)


class Pictures:
    """The pictures of one mount."""

    def __init__(self, rooms: Rooms, *, memory: int, directory: Path) -> None:
        """Make pictures of the files of *rooms*, keep up to *memory* bytes, and what is more in *directory*."""
        self._rooms = rooms
        self._images = ImageClient(rooms.bucket)
        self._shelf: Shelf[Recipe] = Shelf(memory=memory, directory=directory, patience=rooms.beliefs.ttl)
        self._refused: dict[Recipe, float] = {}  # each until when that is believed
        self._making: dict[Recipe, trio.Event] = {}

    def may_be(self, name: bytes) -> bool:
        """Tell whether *name* leads to a picture as soon as there is a file to make it of."""
        return parse_name(name) is not None

    async def find(self, parent: Node, name: bytes) -> Node | None:
        """Return the picture that *name* in *parent* leads to, if any; no file of the bucket has that name.

        Raises:
            OSError: what was written to its file is not in the bucket, and cannot get there.
            OSSError: the bucket could not be asked.
        """
        asked = parse_name(name)
        directory = parent.directory
        assert directory is not None
        if asked is None:
            return None
        for _ in range(_ATTEMPTS):
            begun = self._rooms.beliefs.begin()
            file = await self._file(parent, asked[0])
            if file is None or file.source is None:
                return None
            source = file.source
            recipe = Recipe(source.key, source.etag, asked[1])
            try:
                body = await self._body(recipe, source.size)
            except errors.NoSuchKey:
                if file.source is source:
                    self._rooms.beliefs.apply_absence(parent, asked[0], begun, trio.current_time())
                continue  # else it was renamed, and the copy finished, meanwhile
            if (real := directory.children.get(name)) is not None:
                return real
            return self._node(parent, name, file, Picture(recipe, body.tag), body.size) if body is not None else None
        return None

    async def open(self, node: Node) -> PictureDescriptor:
        """Open the picture that *node* shows.

        Raises:
            OSError: ESTALE, it would not be the same any more, and its name has to be looked up again.
        """
        picture: Picture = node.made
        try:
            body = await self._body(picture.recipe, 0)
        except errors.NoSuchKey:
            body = None
        if body is None or body.tag != picture.tag:
            raise OSError(errno.ESTALE, "what the picture was made of has changed", node.name.decode())
        body.hold()
        return PictureDescriptor(body)

    # Parts

    async def _file(self, parent: Node, name: bytes) -> Node | None:
        """Return the regular file *name*, saved and with exact attributes."""
        rooms = self._rooms
        for _ in range(_ATTEMPTS):
            node = await rooms.lookup.child(parent, name)
            if node is None or node.kind is not Kind.FILE:
                return None
            if node.file is not None and node.file.staged is not None:
                node.file.commit()
                await rooms.settle(node)
            try:
                await rooms.lookup.attributes(node)
            except (FileNotFoundError, KindChanged):
                continue
            if not node.is_unlinked:
                return node
        return None

    def _node(self, parent: Node, name: bytes, file: Node, picture: Picture, size: int) -> Node:
        assert parent.directory is not None
        its = file.attributes
        attributes = Attributes(Kind.FILE, its.mode & 0o444, its.uid, its.gid, its.mtime_ns, its.ctime_ns, its.atime_ns)
        node = parent.directory.derived.get(name)
        if node is None or node.made != picture:
            node = self._rooms.inodes.derive(parent, name, attributes, picture)
        node.attributes, node.size = attributes, size
        return node

    async def _body(self, recipe: Recipe, size: int) -> Body | None:
        """Return the bytes of a picture, made now if need be of a file of *size* bytes; None if there can be none."""
        while True:
            if (body := self._shelf.get(recipe)) is not None:
                return body
            if self._refused.get(recipe, NEVER) > trio.current_time():
                return None
            event = self._making.get(recipe)
            if event is None:
                break
            await event.wait()
        self._making[recipe] = event = trio.Event()
        try:
            if size > images.MAX_SOURCE:
                raise errors.ImageTooLarge(f"{size} bytes, and the service takes {images.MAX_SOURCE}")
            content = await self._ask(recipe)
            return await self._shelf.put(recipe, content, await crc64_of(content))
        except _REFUSALS as exc:
            log.info("%s: no picture by %s: %s", recipe.key, recipe.process, exc)
            if len(self._refused) >= _MOST_REFUSED:
                self._refused.clear()
            self._refused[recipe] = trio.current_time() + self._rooms.beliefs.ttl
            return None
        finally:
            event.set()
            del self._making[recipe]

    async def _ask(self, recipe: Recipe) -> bytes | memoryview:
        if recipe.process == _EXIF:
            return images.write_info(await self._images.get_exif(recipe.key))
        _, content = await self._images.get(recipe.key, process=recipe.process)
        return content
