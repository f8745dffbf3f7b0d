"""What the bucket holds, as far as it is known, laid under what programs did here.

Answers of LIST and HEAD come in at any time, also while changes of the same names are being carried out.  Which of
the two counts is decided by ticks: a counter that grows whenever a request is sent (`begin`) and whenever a change of
a name has been carried out (`settle`).  There are three cases for each name of an answer:

- a change of it is under way: the view stands, whatever the bucket says;
- the last change of it was settled after the answer was asked for: the answer may be older than the change, the view
  stands;
- else the answer counts.

So a listing neither resurrects what was removed nor hides what was made.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..wire.message import Headers
from ..wire.models import ObjectHead, Source
from . import attributes as attrs
from .attributes import Attributes, Kind
from .inodes import Directory, Inodes, Node, Touch
from .keys import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..wire.models import ObjectSummary
    from .attributes import Defaults
    from .keys import Keys

log = logging.getLogger(__name__)

_ABSENT = 10_000  # names of one directory that are remembered not to be there


@dataclass(frozen=True, slots=True)
class Remembered:
    """What HEAD once said of an object that has not changed since."""

    meta: dict[str, str]
    headers: dict[str, str]


class Beliefs:
    """Applies what the bucket answers to the tree of nodes."""

    def __init__(self, inodes: Inodes, keys: Keys, defaults: Defaults, *, ttl: float) -> None:
        """Make the beliefs over *inodes*; each is held for *ttl* seconds."""
        self.inodes = inodes
        self.keys = keys
        self.defaults = defaults
        self.ttl = ttl
        self.refused: dict[str, Refusal] = {}  # keys that can be no paths, each with the reason
        self._tick = 0

    # Ticks

    def begin(self) -> int:
        """Note that a question is being asked; the result goes with its answer."""
        self._tick += 1
        return self._tick

    def touch(self, parent: Node, name: bytes) -> None:
        """Note that a change of *name* is under way."""
        assert parent.directory is not None
        parent.directory.touches.setdefault(name, Touch()).live += 1

    def settle(self, parent: Node, name: bytes) -> None:
        """Note that a change of *name* has been carried out, or is void."""
        assert parent.directory is not None
        touch = parent.directory.touches.get(name)
        if touch is not None:
            self._tick += 1
            touch.live = max(0, touch.live - 1)
            touch.settled = self._tick

    def is_touched(self, parent: Node, name: bytes) -> bool:
        """Tell whether a change of *name* is under way."""
        assert parent.directory is not None
        touch = parent.directory.touches.get(name)
        return touch is not None and touch.live > 0

    def _counts(self, directory: Directory, name: bytes, begun: int) -> bool:
        touch = directory.touches.get(name)
        if touch is None:
            return True
        if touch.live or touch.settled >= begun:
            return False
        del directory.touches[name]
        return True

    # Answers

    def apply_listing(
        self,
        parent: Node,
        begun: int,
        now: float,
        objects: Iterable[ObjectSummary],
        prefixes: Iterable[str],
        recall: Callable[[ObjectSummary], Remembered | None],
    ) -> None:
        """Believe that *objects* and *prefixes* are all that *parent* holds.

        *recall* tells what is remembered of an object that LIST shows unchanged.
        """
        directory = parent.directory
        assert directory is not None
        assert directory.prefix is not None
        prefix = directory.prefix
        expires = now + self.ttl
        seen: set[bytes] = set()
        marker = hides = False
        subdirectories = set()
        for key in prefixes:
            name = self._name(key, prefix)
            hides |= name is None
            if name:
                subdirectories.add(name)
                seen.add(name)
                if self._counts(directory, name, begun):
                    self._believe_directory(parent, name, key, expires)
        for summary in objects:
            name = self._name(summary.key, prefix)
            hides |= name is None
            if name == b"":
                marker = True
                self._believe_marker(parent, summary, recall(summary))
            elif name and name in subdirectories:
                self._refuse(summary.key, Refusal.SHADOWED)
            elif name:
                seen.add(name)
                if self._counts(directory, name, begun):
                    self._believe_object(parent, name, summary, expires, recall(summary))
        for name in [name for name in directory.children if name not in seen]:
            if self._counts(directory, name, begun):
                self.inodes.detach(directory.children[name])
        for name in [name for name, touch in directory.touches.items() if not touch.live and touch.settled < begun]:
            del directory.touches[name]
        directory.absent.clear()
        directory.marker, directory.hides = marker, hides
        directory.listed_until = expires
        directory.generation += 1
        self.inodes.listed(parent)

    def apply_head(self, parent: Node, name: bytes, begun: int, now: float, head: ObjectHead) -> Node | None:
        """Believe that *name* is the object *head*; return its node."""
        directory = parent.directory
        assert directory is not None
        if not self._counts(directory, name, begun):
            return directory.children.get(name)
        if attrs.is_directory_object(head):
            return self._believe_directory(parent, name, f"{head.key}/", now + self.ttl)
        kind = attrs.kind_of(head.meta, type_=head.type)
        node = directory.children.get(name)
        if node is None or node.kind is not kind or node.is_directory:
            node = self.inodes.make(parent, name, attrs.from_head(head, self.defaults, directory=False))
        self.know(node, head, now)
        return node

    def apply_directory(self, parent: Node, name: bytes, begun: int, now: float, key: str) -> Node | None:
        """Believe that *name* is the directory *key*; return its node."""
        assert parent.directory is not None
        if not self._counts(parent.directory, name, begun):
            return parent.directory.children.get(name)
        return self._believe_directory(parent, name, key, now + self.ttl)

    def apply_absence(self, parent: Node, name: bytes, begun: int, now: float) -> Node | None:
        """Believe that there is no *name*; return the node of a change that counts for more."""
        directory = parent.directory
        assert directory is not None
        node = directory.children.get(name)
        if not self._counts(directory, name, begun):
            return node
        if node is not None:
            self.inodes.detach(node)
        if len(directory.absent) >= _ABSENT:
            directory.absent.clear()
        directory.absent[name] = now + self.ttl
        return None

    def know(self, node: Node, head: ObjectHead, now: float) -> None:
        """Take everything about *node* from *head*, which its source answered to."""
        old = node.attributes
        node.attributes = attrs.from_head(head, self.defaults, directory=node.is_directory)
        if node.is_directory and node.known:
            # What happened in a directory here dates it, and is not worth writing its marker again.
            node.attributes.mtime_ns = max(node.attributes.mtime_ns, old.mtime_ns)
            node.attributes.ctime_ns = max(node.attributes.ctime_ns, old.ctime_ns)
        node.known = True
        node.meta = dict(head.meta)
        node.headers = attrs.carried_headers(head)
        node.modified = head.last_modified
        node.is_tagged = head.tagging_count > 0
        node.expires = now + self.ttl
        node.remote = True
        if node.directory is not None:
            node.directory.etag = head.etag
        else:
            if node.source is None or node.source.etag != head.etag:
                node.acl = None
            node.source = head.source
            if node.kind is Kind.SYMLINK:
                node.link = attrs.symlink_target(head) or node.link
                node.size = len(node.link) if node.link is not None else head.size
            else:
                node.size = head.size

    def know_defaults(self, node: Node, now: float) -> None:
        """Take it that the directory *node* has no marker, and so no attributes of its own."""
        assert node.directory is not None
        node.directory.marker = False
        node.known = True
        node.meta, node.headers = {}, {}
        node.expires = now + self.ttl

    def expire(self, node: Node) -> None:
        """Stop believing what is known of *node*; it is asked for again when somebody needs it."""
        node.expires = float("-inf")
        if node.directory is not None:
            node.directory.listed_until = float("-inf")

    # Parts

    def _name(self, key: str, prefix: str) -> bytes | None:
        name = self.keys.name_of(key, prefix)
        if isinstance(name, Refusal):
            self._refuse(key, name)
            return None
        return name

    def _refuse(self, key: str, reason: Refusal) -> None:
        if key not in self.refused:
            if len(self.refused) < 10_000:
                self.refused[key] = reason
            log.warning("the object %r cannot be shown as a file: %s", key, reason.reason)

    def _believe_marker(self, node: Node, summary: ObjectSummary, remembered: Remembered | None) -> None:
        """Believe that the directory *node* has the marker *summary*."""
        assert node.directory is not None
        if node.parent is None or self.is_touched(node.parent, node.name):
            return
        if node.directory.etag == summary.etag and node.modified - 60 <= summary.last_modified <= node.modified:
            return
        node.known = False
        if remembered is not None:
            head = ObjectHead(
                summary.key, 0, summary.etag, summary.last_modified,
                meta=remembered.meta, headers=Headers(remembered.headers),
            )  # fmt: skip
            self.know(node, head, node.expires - self.ttl)

    def _believe_directory(self, parent: Node, name: bytes, key: str, expires: float) -> Node:
        assert parent.directory is not None
        node = parent.directory.children.get(name)
        if node is None or not node.is_directory:
            # An implicit directory is as old as nothing tells; its parent's time is as good as any and does not move.
            time_ns = parent.attributes.mtime_ns
            made = Attributes(
                Kind.DIRECTORY, self.defaults.dir_mode, self.defaults.uid, self.defaults.gid, time_ns, time_ns, time_ns
            )
            node = self.inodes.make(parent, name, self.defaults.shown(made), directory=Directory(key))
        assert node.directory is not None
        if node.directory.prefix is None:
            node.directory.prefix = key
        node.expires = expires
        node.remote = True
        return node

    def _believe_object(
        self, parent: Node, name: bytes, summary: ObjectSummary, expires: float, remembered: Remembered | None
    ) -> None:
        assert parent.directory is not None
        node = parent.directory.children.get(name)
        if node is not None and node.source is not None and not node.is_directory:
            same = node.source.etag == summary.etag and node.source.size == summary.size
            # What this machine wrote is dated by the Date of the answer, which is no earlier than Last-Modified.
            if same and node.modified - 60 <= summary.last_modified <= node.modified:
                node.expires = expires
                return
        kind = Kind.SYMLINK if summary.type == attrs.SYMLINK_TYPE else Kind.FILE
        if remembered is not None:
            kind = attrs.kind_of(remembered.meta, type_=summary.type)
        if remembered is None:
            shown = attrs.from_summary(summary, self.defaults)
        else:
            shown = attrs.from_meta(
                remembered.meta, summary.last_modified, self.defaults, kind=kind, type_=summary.type
            )
        if node is None or node.is_directory or node.kind is not kind:
            node = self.inodes.make(parent, name, shown)
        node.attributes = shown
        node.source = Source(summary.key, summary.etag, summary.size, summary.type)
        node.size = summary.size
        node.modified = summary.last_modified
        node.expires = expires
        node.remote = True
        node.acl = node.link = None
        if remembered is None:
            node.known = False
            node.meta = node.headers = None
            return
        node.meta, node.headers = remembered.meta, remembered.headers
        node.known = True
        if kind is Kind.SYMLINK:
            node.link = attrs.symlink_text(remembered.meta)
            node.known = node.link is not None
            node.size = len(node.link or b"")
