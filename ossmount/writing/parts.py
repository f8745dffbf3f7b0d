"""The parts of one file that are in the bucket, or on their way there.

Theory of operation.  `Parts` is one multipart upload: it begins it, sends parts and copies, and knows of each part
which bytes of the file it holds and at which version they were so.  What is to be sent, and when all is well, is
decided by `upload`.  A part is current as long as its bytes have not changed since; `Staged.changed` tells.

After a crash versions mean nothing.  A part that an earlier daemon sent is *doubtful* until the checksum of the bytes
that are staged now has turned out to be the part's.

INVARIANT: no part is both in ``done`` and in ``flying``.
INVARIANT: the parts in ``done`` and ``doubtful`` belong to the upload ``upload_id``.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import trio

from ..ranges import Range
from ..wire.checksums import crc64, crc64_combine
from ..wire.errors import NoSuchBucket, NoSuchKey, NoSuchUpload, PreconditionFailed, ServiceError
from .groups import one_error
from .plan import CopyPart, Part
from .progress import DonePart
from .snapshot import memory, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..oss.bucket import Bucket
    from .progress import UploadState
    from .snapshot import ReadBase
    from .space import Space
    from .staging import Staged

__all__ = ["Begun", "Parts", "base_crc64_of", "crc64_of"]

log = logging.getLogger(__name__)

_CHUNK: Final = 8 << 20
_ACL: Final = "x-oss-object-acl"


def crc64_of(parts: Sequence[DonePart]) -> int | None:
    """Return the CRC-64 of an object made of *parts*, None when that of a part is not known."""
    whole = 0
    for part in parts:
        if part.crc64 is None:
            return None
        whole = crc64_combine(whole, part.crc64, part.size)
    return whole


def base_crc64_of(parts: Sequence[DonePart], size: int) -> int | None:
    """Return the CRC-64 of the base, of *size* bytes, as *parts* have seen it; None when one has not seen all of it."""
    whole = 0
    for part in parts:
        crc = part.crc64 if part.copied else part.base_crc64
        if part.start >= size:
            break
        if crc is None:
            return None
        whole = crc64_combine(whole, crc, min(part.stop, size) - part.start)
    return whole


class Begun:
    """The id of an upload, which may still be asked for."""

    def __init__(self, upload_id: str | None = None) -> None:
        self._upload_id = upload_id
        self._told = trio.Event()

    def tell(self, upload_id: str) -> None:
        """Let those who wait have it."""
        self._upload_id = upload_id
        self._told.set()

    async def known(self) -> str:
        """Return it when it is known."""
        while self._upload_id is None:
            await self._told.wait()
        return self._upload_id


class Parts:
    """One multipart upload of *staged* to *key*, not begun yet.

    Args:
        changed: Called when something is worth being remembered.
    """

    def __init__(
        self,
        bucket: Bucket,
        staged: Staged,
        key: str,
        *,
        read_base: ReadBase,
        limiter: trio.CapacityLimiter,
        space: Space,
        parallel: int,
        changed: Callable[[], None],
    ) -> None:
        self._bucket = bucket
        self._staged = staged
        self._key = key
        self._read_base = read_base
        self._limiter = limiter
        self._space = space
        self._parallel = parallel
        self._changed = changed
        self._beginning = trio.Lock()
        self.upload_id: str | None = None
        self.unit: int | None = None
        """That of the grid on which parts are cut, None: they are cut freely."""
        self.sent_as: tuple[dict[str, str], dict[str, str]] = ({}, {})
        """The headers and user metadata the object will have."""
        self.done: dict[int, DonePart] = {}
        self.doubtful: tuple[DonePart, ...] = ()
        self.flying: dict[int, trio.Event] = {}
        self.copying = True
        """Whether the service copies from the base, for all we know."""
        self._doubtful_base = ""

    def adopt(self, state: UploadState) -> None:
        """Go on where an earlier upload was."""
        self.upload_id, self.unit, self.sent_as = state.upload_id, state.unit, (state.headers, state.meta)
        if state.session == self._staged.session:
            self.done = {part.number: part for part in state.parts}
        else:
            self.doubtful, self._doubtful_base = state.parts, state.base_etag

    def forget(self) -> None:
        """There is no such upload (any more)."""
        self.upload_id = self.unit = None
        self.done = {}
        self.doubtful = ()

    def current(self) -> dict[int, Range]:
        """The parts whose bytes are still those of the file."""
        changed = self._staged.changed
        return {
            number: Range(part.start, part.stop)
            for number, part in self.done.items()
            if not changed(part.start, part.stop, part.version)
        }

    def distrust(self) -> None:
        """Take no part for current that has clean bytes which came through here."""
        self.done = {number: part for number, part in self.done.items() if part.copied or part.base_crc64 is None}

    # -- the upload --

    async def begin(self, headers: Mapping[str, str], meta: Mapping[str, str], unit: int | None) -> str:
        """Begin the upload unless it has begun, and return its id."""
        async with self._beginning:
            if self.upload_id is None:
                upload_id = await self._bucket.initiate_multipart_upload(self._key, headers=headers, meta=meta)
                self.forget()
                self.upload_id, self.unit, self.sent_as = upload_id, unit, (_without_acl(headers), dict(meta))
                self._changed()
            return self.upload_id

    def say(self, headers: Mapping[str, str], meta: Mapping[str, str]) -> bool:
        """Whether the upload was begun with *headers* and *meta*; the ACL among them is told when it ends."""
        return self.sent_as == (_without_acl(headers), meta)

    async def abandon(self) -> None:
        """Delete what is in the bucket; nothing is forgotten before that is done."""
        if (upload_id := self.upload_id) is not None:
            with suppress(NoSuchUpload):
                await self._bucket.abort_multipart_upload(self._key, upload_id)
            if self.upload_id == upload_id:
                self.forget()
                self._changed()

    async def settle_doubts(self) -> None:
        """Find out which parts of an earlier daemon are current."""
        while self.doubtful:
            part, *rest = self.doubtful
            self.doubtful = tuple(rest)
            upload_id, version = self.upload_id, self._staged.version
            holds = await self._holds(part) and not self._staged.changed(part.start, part.stop, version)
            if holds and self.upload_id == upload_id and part.number not in self.flying:
                self.done[part.number] = replace(part, version=version)

    async def _holds(self, part: DonePart) -> bool:
        """Whether *part* holds what the file has in its place."""
        staged = self._staged
        kinds = {piece.kind for piece in staged.layout(part.start, part.stop)}
        if staged.size < part.stop:
            return False
        if part.copied:
            return kinds == {"base"} and staged.base is not None and staged.base.etag == self._doubtful_base
        if "base" in kinds or part.crc64 is None:
            return False
        found = 0
        for start in range(part.start, part.stop, _CHUNK):
            stop = min(start + _CHUNK, part.stop)
            async with memory(self._space, stop - start):
                body, *_ = await snapshot(staged, start, stop, self._read_base)
                found = crc64(body, found)
        return found == part.crc64

    async def learn_checksums(self, upload_id: str) -> None:
        """Ask for the checksums of parts that were copied; those that the service does not know stay unknown."""
        marker = 0
        while True:
            page = await self._bucket.list_parts(self._key, upload_id, part_number_marker=marker)
            for told in page.parts:
                part = self.done.get(told.number)
                if part is not None and part.crc64 is None and part.etag == told.etag:
                    self.done[told.number] = replace(part, crc64=told.crc64)
            if not page.is_truncated or page.next_part_number_marker <= marker:
                return
            marker = page.next_part_number_marker

    # -- one part --

    async def send(self, steps: Sequence[Part], headers: Mapping[str, str], meta: Mapping[str, str]) -> None:
        """Send *steps*, several at a time; one that is on its way already is just waited for.

        If the upload has not begun, it begins meanwhile, with *headers* and *meta* and parts that are cut freely.

        Raises:
            OSSError: One could not be sent; the others are given up.
        """
        waiting = iter(steps)
        begun = Begun(self.upload_id)

        async def begin() -> None:
            begun.tell(await self.begin(headers, meta, None))

        async def work() -> None:
            for step in waiting:
                if (event := self.flying.get(step.number)) is not None:
                    await event.wait()
                else:
                    self.take_off(step)
                    await self.fly(step, begun)

        with one_error():
            async with trio.open_nursery() as nursery:
                if self.upload_id is None:
                    nursery.start_soon(begin)
                for _ in range(min(self._parallel, len(steps))):
                    nursery.start_soon(work)

    def take_off(self, step: Part) -> None:
        """Note that *step* is about to be sent; `fly` has to follow."""
        # From now on the part in the bucket may be replaced at any moment.
        self.done.pop(step.number, None)
        self.flying[step.number] = trio.Event()

    async def fly(self, step: Part, begun: Begun) -> None:
        """Send or copy one part.

        Raises:
            OSSError: It did not arrive.
        """
        try:
            async with self._limiter:
                copies = isinstance(step, CopyPart)
                part = await (self._copy(step, await begun.known()) if copies else self._upload(step, begun))
            if part is not None and self.upload_id == await begun.known():
                self.done[step.number] = part
                self._changed()
        finally:
            self.flying.pop(step.number).set()

    async def _upload(self, step: Part, begun: Begun) -> DonePart | None:
        async with memory(self._space, step.size):
            body, version, base = await snapshot(self._staged, step.start, step.stop, self._read_base)
            upload_id = await begun.known()
            if self._staged.size < step.stop:
                return None  # cut off meanwhile
            part = await self._bucket.upload_part(self._key, upload_id, step.number, body)
        return DonePart(step.number, step.start, step.stop, part.etag, part.crc64, version, base_crc64=base)

    async def _copy(self, step: Part, upload_id: str) -> DonePart | None:
        staged = self._staged
        base, version = staged.base, staged.version
        pieces = staged.layout(step.start, step.stop)
        if base is None or [(piece.kind, piece.stop) for piece in pieces] != [("base", step.stop)]:
            return None  # overwritten meanwhile
        try:
            part = await self._bucket.upload_part_copy(
                self._key, upload_id, step.number, base.key, start=step.start, stop=step.stop, if_match=base.etag
            )
        except (PreconditionFailed, NoSuchKey):
            if staged.base is base:
                raise
            return None  # it is elsewhere now
        except (NoSuchUpload, NoSuchBucket):
            raise
        except ServiceError as exc:
            if exc.transient:
                raise
            log.info("the service does not copy from %s, so bytes are sent instead: %s", base.key, exc)
            self.copying = False
            return None
        return DonePart(step.number, step.start, step.stop, part.etag, part.crc64, version, copied=True)

    def check_invariants(self) -> None:
        """Raise AssertionError if an INVARIANT of the module does not hold."""
        assert not self.done.keys() & self.flying.keys()
        assert self.upload_id is not None or not (self.done or self.doubtful)
        assert all(number == part.number for number, part in self.done.items())

    def __repr__(self) -> str:
        return f"<Parts {self._key!r} {self.upload_id} done={len(self.done)} flying={len(self.flying)}>"


def _without_acl(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != _ACL}
