"""Lists directories: asks the bucket what a prefix holds, page after page, and lets `beliefs` decide what of it
counts.

A directory is asked for once however many want it at the same time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from ..wire.errors import NoSuchKey

if TYPE_CHECKING:
    from ..oss.bucket import Bucket
    from ..wire.models import ListObjectsResult, ObjectSummary
    from .beliefs import Beliefs
    from .inodes import Node
    from .memory import Memory

log = logging.getLogger(__name__)


class Listing:
    """Fills directories."""

    def __init__(self, bucket: Bucket, beliefs: Beliefs, memory: Memory) -> None:
        """List *bucket* for *beliefs*."""
        self._bucket = bucket
        self._beliefs = beliefs
        self._memory = memory
        self._under_way: dict[Node, trio.Event] = {}

    def is_fresh(self, node: Node) -> bool:
        """Tell whether all children of *node* are known."""
        directory = node.directory
        assert directory is not None
        return directory.prefix is None or directory.listed_until > trio.current_time()

    async def fill(self, node: Node, *, first_page_only: bool = False) -> bool:
        """Make sure that all children of *node* are known; return whether they are.

        With *first_page_only* a directory of more than one page is given up after the first, marked as big.

        Raises:
            OSSError: the bucket could not be asked.
        """
        while not self.is_fresh(node):
            event = self._under_way.get(node)
            if event is not None:
                await event.wait()
                continue
            self._under_way[node] = event = trio.Event()
            try:
                if not await self._list(node, first_page_only=first_page_only):
                    return False
            finally:
                event.set()
                del self._under_way[node]
            if self._beliefs.ttl <= 0:
                return True
        return True

    async def _list(self, node: Node, *, first_page_only: bool) -> bool:
        directory = node.directory
        assert directory is not None
        while True:
            begun = self._beliefs.begin()
            prefix = directory.prefix
            assert prefix is not None
            objects: list[ObjectSummary] = []
            prefixes: list[str] = []
            marker = ""
            while True:
                page: ListObjectsResult = await self._bucket.list_objects(
                    prefix, marker=marker, delimiter="/", max_keys=1000
                )
                objects += page.objects
                prefixes += page.prefixes
                if not page.is_truncated:
                    break
                directory.is_big = True
                if first_page_only:
                    return False
                if page.next_marker <= marker:
                    raise NoSuchKey(f"the listing of {prefix!r} does not advance beyond {marker!r}")
                marker = page.next_marker
            if directory.prefix == prefix:
                break
            # The directory was renamed, and the copy finished, while it was being listed: what came may be half of it.
        if len(objects) + len(prefixes) <= 1000:
            directory.is_big = False
        remembered = self._memory.under(prefix) if objects else {}
        self._beliefs.apply_listing(
            node,
            begun,
            trio.current_time(),
            objects,
            prefixes,
            lambda summary: self._memory.recall(remembered, summary),
        )
        return True
