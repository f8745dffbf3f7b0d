"""Finds out about single names: does it exist, and who owns it.

A name in a directory that has been listed is answered with no request, whether it is there or not.  Elsewhere it
takes two at once: HEAD of the object, and a page of the directory's listing, which answers for the name as a
directory and for whatever is looked up next.  A directory that is too big for one page is asked only for what begins
with ``name/``.

LIST does not tell owner, mode and exact time, so those take a HEAD, when somebody asks for them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from ..wire.errors import NoSuchKey, OSSError, SymlinkTargetNotExist
from ..wire.models import ObjectHead
from . import attributes as attrs
from .attributes import Kind
from .inodes import NEVER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..oss.bucket import Bucket
    from .beliefs import Beliefs
    from .inodes import Node
    from .listing import Listing
    from .memory import Memory

log = logging.getLogger(__name__)

_PAGE = 1000  # entries of a page of a listing


class KindChanged(Exception):
    """A node turned out to be of another kind than LIST could tell; its name has to be looked up again."""


class Lookup:
    """Answers questions about single names."""

    def __init__(
        self, bucket: Bucket, beliefs: Beliefs, listing: Listing, memory: Memory, *, exact: bool = True
    ) -> None:
        """Look up in *bucket*; unless *exact*, what LIST tells is good enough for objects that others wrote."""
        self._bucket = bucket
        self._beliefs = beliefs
        self._listing = listing
        self._memory = memory
        self._exact = exact
        self._asking: dict[Node, trio.Event] = {}

    async def child(self, parent: Node, name: bytes) -> Node | None:
        """Return the node *name* in *parent*, or None if there is none.

        Raises:
            OSError: *name* can be no name in a bucket.
            OSSError: the bucket could not be asked.
        """
        directory = parent.directory
        assert directory is not None
        key = self._beliefs.keys.key_for(directory.prefix or "", name)
        node = directory.children.get(name)
        if self._beliefs.is_touched(parent, name) or directory.prefix is None:
            return node
        now = trio.current_time()
        if node is not None and node.expires > now:
            return node
        if directory.listed_until > now or directory.absent.get(name, NEVER) > now:
            return node
        was_listed = not directory.is_big and directory.listed_until > NEVER
        if was_listed and await self._listing.fill(parent, first_page_only=True):
            return directory.children.get(name)  # one request brought all of the directory up to date
        if directory.is_big and directory.listed_until > NEVER:
            # Each single question is two requests: with as many as a listing takes, the listing was due.
            directory.asked += 1
            if 2 * directory.asked > 1 + len(directory.children) // _PAGE:
                directory.asked = 0
                await self._listing.fill(parent)
                return directory.children.get(name)
        return await self._ask(parent, name, key)

    async def _ask(self, parent: Node, name: bytes, key: str) -> Node | None:
        directory = parent.directory
        assert directory is not None
        prefix = directory.prefix
        begun = self._beliefs.begin()
        head: ObjectHead | None = None
        has_children = False
        failures: list[Exception] = []

        async def ask_object() -> None:
            nonlocal head
            try:
                head = await self.head(key)
            except NoSuchKey:
                pass
            except OSSError as exc:
                failures.append(exc)

        async def ask_directory() -> None:
            nonlocal has_children
            try:
                if not directory.is_big and await self._listing.fill(parent, first_page_only=True):
                    child = directory.children.get(name)
                    has_children = child is not None and child.is_directory
                    return
                page = await self._bucket.list_objects(f"{key}/", max_keys=1)
                has_children = bool(page.objects or page.prefixes)
            except OSSError as exc:
                failures.append(exc)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_object)
            await ask_directory()
        if directory.prefix != prefix:
            # The directory was renamed, and the copy finished, meanwhile: the answers are about keys that go away.
            return await self.child(parent, name)
        now = trio.current_time()
        if has_children:
            return self._beliefs.apply_directory(parent, name, begun, now, f"{key}/")
        if head is not None:
            node = self._beliefs.apply_head(parent, name, begun, now, head)
            if node is not None:
                self._memory.remember(head.key, node)
            return node
        if failures:
            raise failures[0]
        return self._beliefs.apply_absence(parent, name, begun, now)

    async def attributes(self, node: Node, ask: Callable[[Node], Awaitable[ObjectHead]] | None = None) -> None:
        """Make sure that the attributes of *node* are exact and no older than the mount's patience.

        *ask* fetches a file's head in another way than HEAD, say along with its bytes.

        Raises:
            FileNotFoundError: it has gone.
            KindChanged: it is of another kind than was thought, and has been replaced.
            OSSError: the bucket could not be asked.
        """
        while not self._is_settled(node):
            event = self._asking.get(node)
            if event is not None:
                await event.wait()
                if self._is_settled(node) or node.is_unlinked:
                    return
                continue
            self._asking[node] = event = trio.Event()
            try:
                if node.is_directory:
                    await self._ask_marker(node)
                else:
                    await self._ask_attributes(node, ask)
                return
            finally:
                event.set()
                del self._asking[node]

    def is_good_enough(self, node: Node) -> bool:
        """Tell whether what LIST said of *node* is all that is wanted."""
        return not self._exact and node.kind is not Kind.SYMLINK

    def _is_settled(self, node: Node) -> bool:
        parent = node.parent
        if parent is None or node.is_unlinked or self._beliefs.is_touched(parent, node.name):
            return node.known or parent is None
        if not node.known and self.is_good_enough(node):
            return node.expires > trio.current_time()
        return node.known and (node.expires > trio.current_time() or self._listing.is_fresh(parent))

    async def _ask_marker(self, node: Node) -> None:
        directory = node.directory
        assert directory is not None
        assert node.parent is not None
        prefix = directory.prefix
        if prefix is None:
            node.known = True
            return
        # Whoever asks about a directory lists it next; and the listing tells whether there is a marker to ask about.
        if not directory.is_big:
            await self._listing.fill(node, first_page_only=True)
        if self._listing.is_fresh(node):
            if directory.marker is False:
                self._beliefs.know_defaults(node, trio.current_time())
                return
            if node.known:
                node.expires = trio.current_time() + self._beliefs.ttl
                return
        begun = self._beliefs.begin()
        try:
            head = await self.head(prefix)
        except NoSuchKey:
            if directory.prefix != prefix:
                await self._ask_marker(node)
                return
            node.expires = trio.current_time() + self._beliefs.ttl
            if not node.known or node.meta:
                self._beliefs.know_defaults(node, trio.current_time())
            return
        if self._stands(node, begun):
            directory.marker = True
            self._beliefs.know(node, head, trio.current_time())
            self._memory.remember(head.key, node)

    async def _ask_attributes(self, node: Node, ask: Callable[[Node], Awaitable[ObjectHead]] | None) -> None:
        assert node.parent is not None
        source = node.source
        if source is None:
            node.known = True
            return
        begun = self._beliefs.begin()
        try:
            if ask is not None and node.kind is Kind.FILE:
                head = await ask(node)
            else:
                head = await self.head(source.key, is_symlink=source.type == attrs.SYMLINK_TYPE)
        except NoSuchKey:
            if node.source is not None and node.source.key != source.key:
                await self._ask_attributes(node, ask)  # it was renamed, and the copy finished, meanwhile
                return
            if self._stands(node, begun) and node.source == source:
                self._beliefs.apply_absence(node.parent, node.name, begun, trio.current_time())
                raise FileNotFoundError(2, "the object has gone", source.key) from None
            return
        self.learn(node, head, begun)

    def learn(self, node: Node, head: ObjectHead, begun: int) -> None:
        """Believe *head*, the answer to a question about *node* that was asked at tick *begun*.

        Raises:
            KindChanged: it is something else now.
        """
        if not self._stands(node, begun) or node.parent is None:
            return
        if node.source is not None and node.source.key != head.key:
            return  # it was renamed, and the copy finished, meanwhile
        now = trio.current_time()
        if attrs.is_directory_object(head) or attrs.kind_of(head.meta, type_=head.type) is not node.kind:
            self._beliefs.apply_head(node.parent, node.name, begun, now, head)
            raise KindChanged(head.key)
        self._beliefs.know(node, head, now)
        self._memory.remember(head.key, node)

    def _stands(self, node: Node, begun: int) -> bool:
        """Tell whether an answer asked for at *begun* may be believed of *node*."""
        parent = node.parent
        if parent is None:
            return True
        assert parent.directory is not None
        touch = parent.directory.touches.get(node.name)
        return not node.is_unlinked and (touch is None or not (touch.live or touch.settled >= begun))

    async def head(self, key: str, *, is_symlink: bool = False) -> ObjectHead:
        """Ask what *key* itself is; a symlink is not followed."""
        if not is_symlink:
            try:
                head = await self._bucket.head_object(key)
            except SymlinkTargetNotExist:
                pass
            else:
                if head.type != attrs.SYMLINK_TYPE:
                    return head
        link = await self._bucket.get_symlink(key)
        meta = dict(link.meta)
        if attrs.symlink_text(meta) is None:
            text = attrs.native_symlink_text(key, link.target, self._beliefs.keys.prefix)
            meta.update(attrs.symlink_meta(text if text is not None else f"oss://{link.target}".encode()))
        return ObjectHead(
            key, 0, link.etag, link.last_modified, type=attrs.SYMLINK_TYPE, meta=meta, headers=link.headers
        )
