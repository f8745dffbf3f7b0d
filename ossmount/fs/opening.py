"""Opening files: what is asked of the bucket, and what is asked before anybody wants it.

A file is looked at in the bucket each time it is opened, so that what others wrote shows at once.  For a reader that
question is the GET of its first bytes (all of them, up to a mebibyte), so it costs nothing; with those bytes in the
cache it is a conditional GET.  For a writer it is a HEAD.

Programs that go through a directory give themselves away: whoever stats entry after entry wants HEADs of the next
ones, whoever opens entry after entry wants the next files.  Both are fetched ahead, in growing numbers, in the order
of the listing.
"""

from __future__ import annotations

import errno
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from ..tree.attributes import SYMLINK_TYPE, TEXT_MAX, Kind
from ..tree.lookup import KindChanged
from ..wire.checksums import crc64
from ..wire.errors import InvalidObjectState, InvalidRange, NoSuchKey, NotModified, OSSError

if TYPE_CHECKING:
    from ..tree.inodes import Node
    from ..wire.models import ObjectHead, Source
    from .rooms import Rooms

log = logging.getLogger(__name__)

SMALL = 1 << 20  # a file up to this size is fetched whole
FIRST = SMALL + (128 << 10)  # one mebibyte for the program, and what the kernel reads ahead of it
FETCHED_FOR = 1.0  # seconds for which bytes fetched ahead are as good as fetched at open
_ARCHIVED = frozenset({"Archive", "ColdArchive", "DeepColdArchive"})
_MOST_HEADS = 256
_MOST_FILES = 32
_MOST_BYTES = 8 << 20


@dataclass(slots=True)
class Walk:
    """How somebody goes through a directory."""

    generation: int
    order: list[Node]
    position: dict[Node, int]
    last: Node | None = None
    last_opened: bool = False
    stats: int = 0  # in a row
    opens: int = 0  # in a row
    reached: int = 0  # everything before this position has been asked for


class Opening:
    """Asks the bucket about files that are being opened, or are about to be."""

    def __init__(self, rooms: Rooms) -> None:
        """Work for the mount of *rooms*."""
        self._rooms = rooms
        self._walks: dict[Node, Walk] = {}
        self._fetching: dict[Node, trio.Event] = {}
        self._asked: dict[Node, float] = {}  # whose attributes were asked for, and when
        self._fetched: dict[Node, float] = {}  # looked at ahead of the open that will come, and when

    async def attributes(self, node: Node) -> None:
        """Make sure that the attributes of *node* are exact.

        Raises:
            OSError: ENOENT, it has gone; ESTALE, it is something else now, and its name has to be looked up again.
        """
        if node.made is not None:
            return  # they were exact when it was made, and do not change
        if not node.is_directory:
            self._note_stat(node)
        try:
            await self._rooms.lookup.attributes(node, self._ask)
        except KindChanged:
            raise OSError(
                errno.ESTALE, "it is of another kind than the listing could tell", node.name.decode()
            ) from None
        if node.is_unlinked and not node.known and node.file is None:
            # Whoever asked for it ahead found out; what is known of this node are guesses.
            raise OSError(errno.ESTALE, "something of another kind has taken its place", node.name.decode())

    def is_of_uncertain_kind(self, node: Node) -> bool:
        """Tell whether what LIST shows as a small object may be a link or directory in another client's form."""
        source = node.source
        if node.known or node.kind is not Kind.FILE or source is None or source.size > TEXT_MAX:
            return False
        return not self._rooms.lookup.is_good_enough(node)

    async def is_something_else(self, parent: Node, node: Node) -> bool:
        """Find out what *node* is, where LIST cannot tell; return whether its name means another node now."""
        assert parent.directory is not None
        last, parent.directory.looked_up = parent.directory.looked_up, node
        if not self.is_of_uncertain_kind(node) or (last is not None and last.is_unlinked):
            return False  # who deletes one entry after the other does not care what they are
        try:
            await self._rooms.lookup.attributes(node, self._ask)
        except KindChanged:
            return True
        return node.is_unlinked

    async def validate(self, node: Node, *, writing: bool) -> None:
        """See what the bucket has of *node*, which is being opened.

        Raises:
            OSError: ENOENT, ESTALE, as `attributes`.
            OSSError: it could not be asked.
        """
        self._note_open(node)
        source = node.source
        if source is None or node.parent is None or node.is_unlinked:
            return
        if self._rooms.beliefs.is_touched(node.parent, node.name):
            # This machine is changing it, and has the last word.
            await self.attributes(node)
            return
        if node in self._fetching:
            await self._fetching[node].wait()
        fetched = self._fetched.pop(node, None)
        if fetched is not None and node.known and trio.current_time() - fetched <= FETCHED_FOR:
            return
        begun = self._rooms.beliefs.begin()
        try:
            if writing:
                asked = self._asked.pop(node, None)
                if asked is not None and node.known and trio.current_time() - asked <= FETCHED_FOR:
                    # The kernel has just asked for its attributes, to see whether it may be opened.
                    self._rooms.background.start(self._ask_acl, node, source)
                    return
                head = await self._head_and_acl(node, source)
            elif not source.size:
                head = await self._rooms.lookup.head(source.key)
            else:
                head = await self.peek(node)
            self._rooms.lookup.learn(node, head, begun)
        except NotModified:
            node.expires = trio.current_time() + self._rooms.beliefs.ttl
            await self.attributes(node)
        except NoSuchKey:
            if node.source is not None and node.source.key != source.key:
                await self.validate(node, writing=writing)  # it was renamed, and the copy finished, meanwhile
                return
            self._rooms.beliefs.apply_absence(node.parent, node.name, begun, trio.current_time())
            raise FileNotFoundError(errno.ENOENT, "the object has gone", source.key) from None
        except KindChanged:
            raise OSError(errno.ESTALE, "it is of another kind than the listing could tell", source.key) from None

    async def check_restored(self, node: Node) -> None:
        """See that what *node* holds can be copied: of an archived object not before it is restored.

        Raises:
            InvalidObjectState: it cannot.
        """
        if node.source is not None and (node.headers or {}).get("x-oss-storage-class") in _ARCHIVED:
            with suppress(NoSuchKey, InvalidRange):  # renamed meanwhile; empty
                await self._rooms.bucket.get_object(node.source.key, start=0, stop=1)

    async def _head_and_acl(self, node: Node, source: Source) -> ObjectHead:
        """Ask for all that is needed to write *node* again as it was: one round trip now saves one at close."""
        answer: ObjectHead | OSSError
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask_acl, node, source)
            try:
                answer = await self._rooms.lookup.head(source.key)
            except OSSError as exc:  # a nursery would make a group of it
                answer = exc
        if isinstance(answer, OSSError):
            raise answer
        if answer.etag != source.etag:
            node.acl = None
        return answer

    async def _ask_acl(self, node: Node, source: Source) -> None:
        # What goes wrong here goes wrong again when the file is uploaded, and is told then.
        with suppress(OSSError):
            acl = await self._rooms.carrying.acl_of(source.key, source.etag) or "default"
            if node.source is not None and node.source.etag == source.etag:
                node.acl = acl

    async def peek(self, node: Node) -> ObjectHead:
        """GET the first bytes of *node*, into the cache, and return what came with them.

        Raises:
            NotModified: they are in the cache and the object is the same.
            NoSuchKey: it has gone.
        """
        source = node.source
        assert source is not None
        stop = SMALL if source.size <= SMALL else FIRST
        known = self._rooms.reading.has(source, 0, min(stop, source.size))
        try:
            head, body = await self._rooms.bucket.get_object(
                source.key, start=0, stop=stop, if_none_match=source.etag if known and node.known else None
            )
        except InvalidRange:
            return await self._rooms.lookup.head(source.key)
        if head.type == SYMLINK_TYPE:
            return await self._rooms.lookup.head(source.key, is_symlink=True)
        if len(body) == head.size and head.crc64 is not None and crc64(body) != head.crc64:
            log.warning("%s arrived damaged; fetching it again", source.key)
            head, body = await self._rooms.bucket.get_object(source.key)  # which checks, and tries again
        self._rooms.reading.put(head.source, 0, body)
        return head

    # Foresight

    def _note_stat(self, node: Node) -> None:
        """Let the window of HEADs slide along with somebody who stats entry after entry."""
        walk = self._walk(node)
        if walk is not None and walk.stats and walk.last is not node:
            walk.stats, walk.last, walk.last_opened = walk.stats + 1, node, False
            self._stat_ahead(walk, node)

    async def _ask(self, node: Node) -> ObjectHead:
        """Fetch the head of *node*, whose attributes somebody wants; with its bytes, if those are likely to be
        next.
        """
        source = node.source
        assert source is not None
        walk = self._walk(node)
        if walk is not None:
            if walk.last is not None and walk.last is not node:
                if walk.last_opened:
                    walk.opens, walk.stats = walk.opens + 1, 0
                else:
                    walk.stats, walk.opens = walk.stats + 1, 0
            walk.last, walk.last_opened = node, False
            if walk.stats:
                self._stat_ahead(walk, node)
        if not node.known and 0 < source.size <= SMALL and (walk is None or not walk.stats):
            with suppress(InvalidObjectState):  # it is archived: it cannot be read, and is there all the same
                head = await self.peek(node)
                self._remember_fetched(node)
                return head
        head = await self._rooms.lookup.head(source.key)
        _remember(self._asked, node)
        return head

    def _note_open(self, node: Node) -> None:
        walk = self._walk(node)
        if walk is None:
            return
        if walk.last is not node:
            walk.opens = walk.opens + 1 if walk.last_opened else 0
            walk.last = node
        walk.last_opened = True
        walk.stats = 0
        if walk.opens:
            self._fetch_ahead(walk, node)

    def _walk(self, node: Node) -> Walk | None:
        parent = node.parent
        if parent is None or parent.directory is None or not self._rooms.listing.is_fresh(parent):
            return None
        walk = self._walks.get(parent)
        if walk is None or walk.generation != parent.directory.generation:
            order = [child for child in parent.directory.children.values() if not child.is_directory]
            if len(self._walks) >= 64:
                self._walks.pop(next(iter(self._walks)))
            fresh = Walk(parent.directory.generation, order, {child: index for index, child in enumerate(order)})
            if walk is not None:
                fresh.last, fresh.last_opened, fresh.stats, fresh.opens = (
                    walk.last,
                    walk.last_opened,
                    walk.stats,
                    walk.opens,
                )
            walk = self._walks[parent] = fresh
        return walk

    def _stat_ahead(self, walk: Walk, node: Node) -> None:
        here = walk.position.get(node, -1) + 1
        until = min(len(walk.order), here + min(_MOST_HEADS, 8 << min(walk.stats, 6)))
        for index in range(max(here, walk.reached), until):
            ahead = walk.order[index]
            if not ahead.known:
                self._rooms.background.start(self._rooms.lookup.attributes, ahead)
        walk.reached = max(walk.reached, until) if here < walk.reached else until

    def _fetch_ahead(self, walk: Walk, node: Node) -> None:
        here = walk.position.get(node, -1) + 1
        until = min(len(walk.order), here + min(_MOST_FILES, 2 << min(walk.opens, 5)))
        budget = _MOST_BYTES
        for index in range(max(here, walk.reached), until):
            ahead = walk.order[index]
            size = ahead.source.size if ahead.source is not None else 0
            budget -= size
            if budget < 0:
                until = index
                break
            if ahead.kind is Kind.FILE and 0 < size <= SMALL and ahead.file is None:
                self._rooms.background.start(self._fetch, ahead)
        walk.reached = max(walk.reached, until) if here < walk.reached else until

    async def _fetch(self, node: Node) -> None:
        if node.source is None or node.parent is None or node in self._fetching:
            return
        if self._rooms.beliefs.is_touched(node.parent, node.name):
            return
        begun = self._rooms.beliefs.begin()
        self._fetching[node] = event = trio.Event()
        try:
            if node.known:
                head = await self.peek(node)
                self._rooms.lookup.learn(node, head, begun)
            else:
                await self._rooms.lookup.attributes(node, self.peek)
            self._remember_fetched(node)
        except NotModified:
            self._remember_fetched(node)
        finally:
            event.set()
            del self._fetching[node]

    def _remember_fetched(self, node: Node) -> None:
        _remember(self._fetched, node)


def _remember(moments: dict[Node, float], node: Node) -> None:
    """Note that something was done for *node* just now, and forget what was done too long ago."""
    now = trio.current_time()
    if len(moments) >= 1024:
        for each in [each for each, when in moments.items() if now - when > FETCHED_FOR]:
            del moments[each]
    moments[node] = now
