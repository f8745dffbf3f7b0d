"""Requests that make an object, and whose answer may never come.

Theory of operation.  A whole object is simply sent again.  But where the new object replaces the one that the file's
clean bytes come from, those bytes are found in the new one only: the base seems to be gone, though nothing is lost.
So such an attempt is remembered and saved before it is made.  When clean bytes cannot be read, `reconcile` looks at
what is there: if one of the attempts made it, it is the base now.

That is right for every attempt since the file was last clean: where the file still shows its base, it showed it at
each of them, so the object that was made has the same bytes there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ..wire.checksums import crc64, crc64_combine
from ..wire.errors import NoSuchKey
from .snapshot import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..oss.bucket import Bucket
    from ..wire.models import ObjectHead, Source
    from .progress import Attempt
    from .snapshot import ReadBase
    from .staged import Staged

__all__ = ["Attempts"]

log = logging.getLogger(__name__)

_KEPT: Final = 16


class Attempts:
    """The attempts to make *key* of *staged* that may have been carried out.

    Args:
        save: Keeps `made` over a crash; it raises OSError when it cannot.
    """

    def __init__(
        self, bucket: Bucket, staged: Staged, key: str, *, read_base: ReadBase, save: Callable[[], None]
    ) -> None:
        self._bucket = bucket
        self._staged = staged
        self._key = key
        self._read_base = read_base
        self._save = save
        self.made: tuple[Attempt, ...] = ()

    @property
    def matter(self) -> bool:
        """Whether clean bytes will be found in the new object only."""
        staged = self._staged
        base = staged.base
        return base is not None and base.key == self._key and not staged.dirty.covers(0, staged.base_size)

    def remember(self, attempt: Attempt) -> None:
        """Note an attempt that is about to be made.

        Raises:
            OSError: It cannot be noted; then it must not be made.
        """
        # An earlier one may still be the one that was carried out.
        self.made = (*(old for old in self.made if old != attempt), attempt)[-_KEPT:]
        self._save()

    async def look(self, attempts: Sequence[Attempt]) -> tuple[Attempt, ObjectHead] | None:
        """Return which of *attempts* made the object that is there, and the object.

        Raises:
            OSSError: It could not be found out.
        """
        try:
            head = await self._bucket.head_object(self._key)
        except NoSuchKey:
            return None
        return next(((attempt, head) for attempt in reversed(attempts) if attempt.made(head)), None)

    async def is_done(self, attempt: Attempt) -> ObjectHead | None:
        """Return the object if *attempt* made it, wherever the bucket is.

        Raises:
            OSSError: It could not be found out.
        """

        async def look(member: Bucket) -> ObjectHead | None:
            try:
                head = await member.head_object(self._key)
            except NoSuchKey:
                return None
            return head if attempt.made(head) else None

        heads = await self._bucket.everywhere("HeadObject", look)
        return heads[0] if all(head is not None for head in heads) else None

    async def reconcile(self) -> bool:
        """Take for the base what one of the attempts has made of it; returns whether there is another base now.

        Raises:
            OSSError: It could not be found out.
        """
        staged, base = self._staged, self._staged.base
        if not self.made or base is None or base.key != self._key:
            return False
        found = await self.look(self.made)
        if found is None:
            return False
        attempt, head = found
        if (head.etag, head.size) == (base.etag, base.size):
            return False
        clean = await self._appended(attempt, base)
        if staged.base is base:
            log.info("an earlier request has made %s after all", self._key)
            staged.replace_base(head.source, clean=clean)
            if clean:
                # More of the file is clean now than at the other attempts: they tell nothing about it.
                self.made = ()
        return True

    async def _appended(self, attempt: Attempt, base: Source) -> int:
        """Up to where the file is what *attempt* made by appending to *base*; 0 when that cannot be told."""
        staged = self._staged
        if attempt.before is None or not base.size < attempt.size <= staged.size:
            return 0
        body, version, _ = await snapshot(staged, base.size, attempt.size, self._read_base)
        if crc64_combine(attempt.before, crc64(body), len(body)) != attempt.crc64:
            return 0
        return 0 if staged.changed(base.size, attempt.size, version) else attempt.size

    def __repr__(self) -> str:
        return f"<Attempts {self._key!r} made={len(self.made)}>"
