"""Who is who: the nodes of the view, their numbers, and how long each must be remembered.

A `Node` is one file, directory or symbolic link as programs see it.  Where its clean bytes lie is its *source*, which
need not be the key that its path spells: after a rename the source is still the old key, until the copy has been
made.  A `Directory` has, for the same reason, a *prefix* of its own from which its unlisted children come.

The kernel counts the references it holds to a number (lookup counts); a node may be forgotten when it holds none,
nothing is open, and no directory lists it.  Derived nodes are never listed: they are made of another file when
somebody asks for them, and go when the kernel forgets them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..wire.models import Source
    from .attributes import Attributes, Kind

ROOT = 1
"""The inode number of the mount's root (FUSE_ROOT_ID)."""

NEVER = float("-inf")


@dataclass(slots=True)
class Touch:
    """What this machine does to a name: *live* changes are under way, the last one ended at tick *settled*."""

    live: int = 0
    settled: int = 0


@dataclass(slots=True, eq=False)
class Directory:
    """What a directory holds, as far as it is known.

    *listed_until* says until when *children* is believed to be all there is.  *prefix* is None for a directory that
    has nothing in the bucket to be listed.  *marker* tells whether the object ``dir/`` exists; None is unknown.
    """

    prefix: str | None
    children: dict[bytes, Node] = field(default_factory=dict)
    listed_until: float = NEVER
    is_big: bool = False  # more than one page: not worth listing just to look one name up
    asked: int = 0  # names that were asked for one by one since its last listing ran out
    marker: bool | None = None
    hides: bool = False  # there are keys in it that can be no paths, so it is not empty
    etag: str = ""  # of the marker whose attributes are known
    touches: dict[bytes, Touch] = field(default_factory=dict)
    absent: dict[bytes, float] = field(
        default_factory=dict
    )  # names that are not there, each until when that is believed
    derived: dict[bytes, Node] = field(default_factory=dict)  # what can be found here and is not listed
    looked_up: Node | None = None  # the last of its names that the kernel asked for
    generation: int = 0  # grows when the order of children does no longer hold


@dataclass(slots=True, eq=False)
class Node:
    """One inode.

    *known* tells whether *attributes* are exact, or what LIST alone can tell.  *meta* and *headers* are the user
    metadata and the carried headers of the object, None while unknown.  *expires* is when size, source and existence
    want asking again. *remote* tells whether an object of this node may be in the bucket, or on its way there.
    """

    ino: int
    name: bytes
    parent: Node | None
    attributes: Attributes
    size: int = 0
    source: Source | None = None
    known: bool = False
    modified: float = 0.0
    expires: float = NEVER
    meta: Mapping[str, str] | None = None
    headers: Mapping[str, str] | None = None
    acl: str | None = None  # of the object, where somebody has asked
    is_tagged: bool | None = None  # whether the object has tags, where somebody has asked
    link: bytes | None = None
    directory: Directory | None = None
    file: Any = None  # fs.files.OpenFile, while something is open or staged
    made: Any = None  # fs.pictures.Picture, if that is what it shows, and no object of its name
    remote: bool = False
    is_unlinked: bool = False
    lookups: int = 0
    page_tag: str = ""  # the ETag whose pages the kernel may still hold

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.attributes.kind

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.directory is not None

    def __repr__(self) -> str:
        return f"<Node {self.ino} {self.name!r} {self.kind.name.lower()}{' unlinked' if self.is_unlinked else ''}>"


class Inodes:
    """All nodes by number.

    INVARIANT: a node is here as long as the kernel holds its number, it is open, or a directory lists it.
    """

    def __init__(self, root: Node, prefix: str, *, limit: int = 200_000) -> None:
        """Begin with *root*, whose key is *prefix* (empty, or with a slash at its end).

        Beyond *limit* nodes, about half a kibibyte each, those are forgotten that the kernel has forgotten too.
        """
        self.root = root
        self._prefix = prefix
        self._by_number: dict[int, Node] = {root.ino: root}
        self._numbers = itertools.count(ROOT + 1)
        self._limit = limit
        self._listed: dict[Node, None] = {}  # the one listed longest ago first

    def __len__(self) -> int:
        return len(self._by_number)

    def __getitem__(self, ino: int) -> Node:
        """Return the node *ino*.

        Raises:
            KeyError: the kernel asks for what it was never told, or has forgotten.
        """
        return self._by_number[ino]

    def make(self, parent: Node, name: bytes, attributes: Attributes, *, directory: Directory | None = None) -> Node:
        """Make a node and enter it in *parent*, in the place of what had that name."""
        node = Node(next(self._numbers), name, parent, attributes, directory=directory)
        self._by_number[node.ino] = node
        self.attach(node, parent, name)
        return node

    def derive(self, parent: Node, name: bytes, attributes: Attributes, made: object) -> Node:
        """Make a derived node, in the place of the one that *name* in *parent* led to before."""
        directory = parent.directory
        assert directory is not None
        if (old := directory.derived.get(name)) is not None:
            self.detach(old)
        node = Node(next(self._numbers), name, parent, attributes, known=True, meta={}, headers={}, made=made)
        self._by_number[node.ino] = directory.derived[name] = node
        return node

    def attach(self, node: Node, parent: Node, name: bytes) -> None:
        """Enter *node* in *parent* as *name*; what had that name is unlinked."""
        directory = parent.directory
        assert directory is not None
        for old in (directory.children.get(name), directory.derived.get(name)):
            if old is not None and old is not node:
                self.detach(old)
        node.parent, node.name, node.is_unlinked = parent, name, False
        directory.absent.pop(name, None)
        directory.children[name] = node
        directory.generation += 1

    def detach(self, node: Node) -> None:
        """Take *node* out of its directory: it has no name any more."""
        if node.parent is not None and node.parent.directory is not None:
            directory = node.parent.directory
            if directory.children.get(node.name) is node:
                del directory.children[node.name]
                directory.generation += 1
            elif directory.derived.get(node.name) is node:
                del directory.derived[node.name]
        node.is_unlinked = True
        self.drop_if_free(node)

    def move(self, node: Node, parent: Node, name: bytes) -> None:
        """Give *node* another place; what was there is unlinked."""
        old = node.parent
        if old is not None and old.directory is not None and old.directory.children.get(node.name) is node:
            del old.directory.children[node.name]
            old.directory.generation += 1
        self.attach(node, parent, name)

    def refer(self, node: Node) -> None:
        """Count one more reference that the kernel holds."""
        node.lookups += 1

    def forget(self, ino: int, count: int) -> None:
        """Count *count* references less."""
        node = self._by_number.get(ino)
        if node is not None:
            node.lookups = max(0, node.lookups - count)
            self.drop_if_free(node)

    def listed(self, node: Node) -> None:
        """Note that the directory *node* has just been listed; what was listed longest ago is forgotten for it."""
        self._listed.pop(node, None)
        self._listed[node] = None
        while len(self._by_number) > self._limit and len(self._listed) > 1:
            oldest = next(iter(self._listed))
            del self._listed[oldest]
            self._trim(oldest)

    def _trim(self, node: Node) -> None:
        """Forget the children of *node* that nobody refers to; it has to be listed again before it is complete."""
        directory = node.directory
        if directory is None or directory.touches:
            return
        for child in list(directory.children.values()):
            is_leaf = child.directory is None or not (child.directory.children or child.directory.touches)
            if is_leaf and not child.lookups and child.file is None:
                directory.listed_until = NEVER
                self.detach(child)

    def drop_if_free(self, node: Node) -> None:
        """Forget *node* if nobody can ask for it any more, with all that only it leads to."""
        if node.lookups or node.file is not None or node is self.root:
            return
        if not node.is_unlinked:
            if node.made is not None:
                self.detach(node)
            return
        self._by_number.pop(node.ino, None)
        if node.directory is not None:
            for child in [*node.directory.children.values(), *node.directory.derived.values()]:
                self.detach(child)

    def key_of(self, node: Node) -> str:
        """Return the key that the path of *node* spells; that of a directory ends with a slash, that of the root is
        the prefix.
        """
        names = []
        current = node
        while current.parent is not None:
            names.append(current.name.decode())
            current = current.parent
        path = self._prefix + "/".join(reversed(names))
        return f"{path}/" if node.is_directory and names else path

    def path_of(self, node: Node) -> str:
        """Return the path of *node* below the mountpoint, for people to read."""
        return "/" + self.key_of(node)[len(self._prefix) :].rstrip("/")

    def is_inside(self, node: Node, ancestor: Node) -> bool:
        """Tell whether *node* is *ancestor* or somewhere below it."""
        current: Node | None = node
        while current is not None:
            if current is ancestor:
                return True
            current = current.parent
        return False

    @staticmethod
    def below(node: Node) -> Iterator[Node]:
        """Yield every node that is known below *node*."""
        todo = [node]
        while todo:
            directory = todo.pop().directory
            if directory is not None:
                for child in directory.children.values():
                    yield child
                    if child.directory is not None:
                        todo.append(child)
