"""Brings one staged file into the bucket, partly while a program still writes it.

Theory of operation.  `plan` decides; here its decisions are carried out and kept true while the file changes:

- `advance` sends parts that are full and that the writer has left behind, for as long as there are any.
- `finish` plans, sends what is not up or not current any more, and plans again, until a plan has nothing left to send.
  Then, with no await in between, it sends the request that makes the object.  So the object is the file as it was at
  one version, or there is no new object.

Both may be cancelled at any await; a part on its way then simply does not count.  What is up is told to *save*, so that
another `Upload` of the same file goes on from there, after a crash too.

The request that makes the object may have been carried out although its answer never came: see `attempts`.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeGuard

import trio

from ..wire.checksums import content_md5, crc64, crc64_combine, multipart_etag
from ..wire.errors import (
    IntegrityError,
    InvalidPart,
    NoSuchKey,
    NoSuchUpload,
    ObjectNotAppendable,
    OSSError,
    PositionNotEqualToLength,
    PreconditionFailed,
)
from ..wire.models import ObjectType, PartResult, Source
from .attempts import Attempts
from .groups import one_error
from .parts import Begun, Parts, base_crc64_of, crc64_of
from .plan import Append, Grid, KeepPart, Multipart, Part, Plan, appends_only, plan
from .progress import Attempt, DonePart, UploadResult, UploadState
from .snapshot import check_base, memory, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..oss.bucket import Bucket
    from .options import WritingOptions
    from .snapshot import ReadBase
    from .space import Space
    from .staging import Staged

__all__ = ["Upload", "UploadResult", "UploadState"]

log = logging.getLogger(__name__)

_RESTARTS: Final = 3
MiB: Final = 1 << 20


class Upload:
    """Brings *staged* to *key*; make a new one once `finish` has returned.

    Args:
        read_base: Fetches clean bytes of a source from one offset up to another.
        distrust: Called with a source whose bytes may have come damaged, before they are fetched again.
        save: Keeps how far the upload has come; None when there is nothing to keep.
        limiter: Shared by all uploads: parts and small files on their way.
        space: Shared by all uploads: memory for their bodies.
        state: What *save* was told last, by an earlier upload of the same file to the same key.
    """

    def __init__(
        self,
        bucket: Bucket,
        staged: Staged,
        key: str,
        *,
        read_base: ReadBase,
        distrust: Callable[[Source], None],
        save: Callable[[UploadState | None], None],
        options: WritingOptions,
        limiter: trio.CapacityLimiter,
        space: Space,
        state: UploadState | None = None,
    ) -> None:
        self.bucket: Final = bucket
        self.staged: Final = staged
        self.key: Final = key
        self._read_base = read_base
        self._distrust = distrust
        self._save_state = save
        self._limits = options.limits
        self._parallel = options.parallel
        self._limiter = limiter
        self._space = space
        self._parts = Parts(
            bucket,
            staged,
            key,
            read_base=read_base,
            limiter=limiter,
            space=space,
            parallel=options.parallel,
            changed=self._note,
        )
        self._attempts = Attempts(bucket, staged, key, read_base=read_base, save=lambda: self._save(strict=True))
        self._appending = bucket.appends_well
        self._committing = self._finishing = self._finished = False
        self._unsaved = 0
        self._advancing: set[trio.CancelScope] = set()
        self._scan_at = 0
        if state is not None and state.key == key:
            self._attempts.made = state.attempts
            if state.upload_id is not None:
                self._parts.adopt(state)

    # -- how it stands --

    @property
    def has_begun(self) -> bool:
        """Whether the bucket holds parts that only this upload knows of."""
        return self._parts.upload_id is not None

    @property
    def committing(self) -> bool:
        """Whether the request that makes the object is on its way: better wait for the answer than cancel."""
        return self._committing

    def ready(self) -> bool:
        """Whether `advance` has something to do.  Cheap enough to ask after every write."""
        total = self.staged.dirty.total
        if total < self._scan_at or len(self._parts.flying) >= self._parallel:
            return False
        # A cell can become full before that; it goes up a little later then.
        self._scan_at = (total // self._limits.part_size + 1) * self._limits.part_size
        return next(self._early(), None) is not None

    def _early(self) -> Iterator[Part]:
        """Cells of the grid that are full, left behind by the writer, and neither up nor on their way."""
        staged, parts = self.staged, self._parts
        if staged.size <= self._limits.small or self._finishing or self._finished:
            return
        if (self.has_begun and parts.unit is None) or self._appends():
            return
        grid = Grid(parts.unit or self._limits.part_size, self._limits)
        reach = min(staged.size, grid.reach)
        for start, stop in staged.dirty:
            offset = start
            while offset < min(stop, reach):
                cell = grid.cell(offset)
                offset = cell.stop
                if cell.start < start or cell.stop > stop or cell.start < staged.last_stop < cell.stop:
                    continue
                # One that went up and has changed since may change again: that is left to `finish`.
                if cell.number not in parts.done and cell.number not in parts.flying:
                    yield cell

    def _appends(self) -> bool:
        staged = self.staged
        return self._appending and appends_only(
            key=self.key,
            size=staged.size,
            dirty=staged.dirty,
            base=staged.base,
            base_size=staged.base_size,
            limits=self._limits,
        )

    def _decide(self) -> Plan:
        staged = self.staged
        return plan(
            key=self.key,
            size=staged.size,
            dirty=staged.dirty,
            base=staged.base,
            base_size=staged.base_size,
            limits=self._limits,
            unit=self._parts.unit,
            done=self._parts.current(),
            appending=self._appending,
            copying=self._parts.copying,
        )

    # -- while the program writes --

    async def advance(self, headers: Mapping[str, str], meta: Mapping[str, str]) -> None:
        """Send full parts until there are no more; *headers* and *meta* are the object's, as far as they are known.

        Raises:
            OSSError: A part could not be sent; `finish` will try again.
            OSError: Staged bytes could not be read.
        """
        with trio.CancelScope() as scope:
            self._advancing.add(scope)
            try:
                await self._parts.settle_doubts()
                if next(self._early(), None) is None:
                    return
                await self._parts.begin(headers, meta, self._limits.part_size)
                with one_error():
                    async with trio.open_nursery() as nursery:
                        await self._send_early(nursery)
                if self._finished:
                    await self._parts.abandon()  # `finish` went another way while this began
            except NoSuchUpload:
                self._forget()
                raise
            finally:
                self._advancing.discard(scope)
                self._save_rest()

    async def _send_early(self, nursery: trio.Nursery) -> None:
        parts = self._parts
        mine: set[int] = set()
        wake = trio.Event()

        async def send(step: Part, upload_id: str) -> None:
            try:
                await parts.fly(step, Begun(upload_id))
            finally:
                mine.discard(step.number)
                wake.set()

        while True:
            wake = trio.Event()
            if (upload_id := parts.upload_id) is not None:
                for cell in list(islice(self._early(), max(self._parallel - len(parts.flying), 0))):
                    mine.add(cell.number)
                    parts.take_off(cell)
                    nursery.start_soon(send, cell, upload_id)
            if not mine:
                return
            # The next cell is full about then; nothing is lost if it is not.
            self.staged.watch(self.staged.dirty.total + self._limits.part_size, wake.set)
            await wake.wait()

    # -- when it is to be in the bucket --

    async def prepare(self, headers: Mapping[str, str], meta: Mapping[str, str]) -> None:
        """Send what the object is made of, as far as that can be done before all of its *headers* are known.

        The ACL may still be missing: it is told when parts become an object.  What goes wrong here goes wrong again in
        `finish`, and is told then.
        """
        self._finishing = True
        try:
            with suppress(OSSError, OSError):
                await self._parts.settle_doubts()
                if not self._is_there(self.staged.base):
                    await self._bring_parts(headers, meta)
        finally:
            self._finishing = False
            self._save_rest()

    async def finish(self, headers: Mapping[str, str], meta: Mapping[str, str]) -> UploadResult:
        """Make the object with *headers* and user metadata *meta*.

        Raises:
            PreconditionFailed, NoSuchKey: The object of the clean bytes was replaced or deleted by somebody else.
            PositionNotEqualToLength: Somebody else appended to it.
            OSSError: It could not be made; what is up is kept, and the next try goes on from there.
            OSError: EFBIG, no object can be that big; EIO, staged bytes could not be read.
        """
        tries = 0
        self._finishing = True
        try:
            while True:
                base = self.staged.base
                try:
                    result = await self._finish(dict(headers), dict(meta))
                except (NoSuchUpload, InvalidPart) as exc:
                    tries += 1
                    if tries > _RESTARTS:
                        raise
                    log.warning("the upload of %s is gone, beginning again: %s", self.key, exc)
                    self._forget()
                except ObjectNotAppendable:
                    if not self._appending:
                        raise
                    self._appending = False
                except IntegrityError:
                    self._parts.distrust()
                    if base is not None:
                        self._distrust(base)
                    raise
                except (PreconditionFailed, NoSuchKey, PositionNotEqualToLength):
                    tries += 1
                    if tries > _RESTARTS or (self.staged.base is base and not await self.reconcile()):
                        raise
                else:
                    if result is not None:
                        # What was saved stays: until the caller has noted the result, it is what a crash leaves.
                        self._finished = True
                        self._parts.forget()
                        self._unsaved = 0
                        return result
        finally:
            self._finishing = False
            self._save_rest()

    async def _finish(self, headers: dict[str, str], meta: dict[str, str]) -> UploadResult | None:
        """Carry one plan out; None when it was overtaken by events."""
        staged, base = self.staged, self.staged.base
        if self._is_there(base):
            version = staged.version
            head = await self.bucket.head_object(self.key, if_match=base.etag)
            return UploadResult(base, head.last_modified, False, version)
        await self._parts.settle_doubts()
        decision = self._decide()
        if isinstance(decision, Multipart):
            return await self._put_parts(headers, meta)
        await self._parts.abandon()
        if isinstance(decision, Append):
            return await self._append(headers, meta)
        return await self._put_whole(headers, meta)

    def _is_there(self, base: Source | None) -> TypeGuard[Source]:
        """Whether all is in the bucket already: because of an append whose answer was lost, say."""
        staged = self.staged
        return (
            base is not None
            and base.key == self.key
            and base.type != ObjectType.SYMLINK
            and base.size == staged.size == staged.base_size
            and not staged.dirty
        )

    async def _put_whole(self, headers: dict[str, str], meta: dict[str, str]) -> UploadResult | None:
        async with self._limiter, memory(self._space, self.staged.size):
            if self.staged.size > self._limits.small:
                return None
            body, version, seen = await snapshot(self.staged, 0, None, self._read_base)
            # No await from here to the request.
            check_base(self.staged, seen)
            if self._attempts.matter:
                self._attempts.remember(Attempt("", crc64(body), len(body)))
            with self._commit():
                result = await self.bucket.put_object(self.key, body, headers=headers, meta=meta)
        source = Source(self.key, result.etag, len(body), ObjectType.NORMAL.value, result.crc64)
        return UploadResult(source, result.last_modified, True, version)

    async def _append(self, headers: dict[str, str], meta: dict[str, str]) -> UploadResult | None:
        base = self.staged.base
        assert base is not None
        before = base.crc64
        if before is None:
            before = (await self.bucket.head_object(self.key, if_match=base.etag)).crc64
        async with self._limiter, memory(self._space, self.staged.size - base.size):
            body, version, _ = await snapshot(self.staged, base.size, None, self._read_base)
            # What is appended cannot be taken back, so damaged bytes must be refused before.
            digest = await trio.to_thread.run_sync(content_md5, body) if len(body) > MiB else content_md5(body)
            if self.staged.base is not base or not self._appends():
                return None
            size = base.size + len(body)
            whole = None if before is None else crc64_combine(before, crc64(body), len(body))
            self._attempts.remember(Attempt("", whole, size, before))
            with self._commit():
                result = await self.bucket.append_object(
                    self.key, base.size, body, headers={**headers, "content-md5": digest}, meta=meta, crc64=before
                )
        source = Source(self.key, result.etag, size, ObjectType.APPENDABLE.value, result.crc64)
        return UploadResult(source, result.last_modified, False, version)

    async def _put_parts(self, headers: dict[str, str], meta: dict[str, str]) -> UploadResult | None:
        if (brought := await self._bring_parts(headers, meta)) is None:
            return None
        return await self._complete(*brought, headers, self._parts.say(headers, meta))

    async def _bring_parts(
        self, headers: Mapping[str, str], meta: Mapping[str, str]
    ) -> tuple[list[DonePart], str] | None:
        """Return the parts that make the object, all in the bucket, and their upload; None if it is not made of parts.

        They are current until the next await.
        """
        parts = self._parts
        asked = False
        while isinstance(decision := self._decide(), Multipart):
            missing = [step for step in decision.steps if not isinstance(step, KeepPart)]
            if (upload_id := parts.upload_id) is not None and decision.unit != parts.unit:
                await parts.abandon()
            elif missing or upload_id is None:
                await parts.send(missing, headers, meta)
            elif not asked and any(part.crc64 is None for part in parts.done.values()):
                asked = True
                await parts.learn_checksums(upload_id)
            else:
                done = [parts.done[step.number] for step in decision.steps]
                check_base(self.staged, base_crc64_of(done, self.staged.base_size))
                return done, upload_id
        return None

    async def _complete(
        self, done: Sequence[DonePart], upload_id: str, headers: Mapping[str, str], attributes_current: bool
    ) -> UploadResult:
        version, size = self.staged.version, self.staged.size
        whole = crc64_of(done)
        etag = multipart_etag(part.etag for part in done)
        if self._attempts.matter:
            self._attempts.remember(Attempt(etag, whole, size))
        results = [PartResult(part.number, part.etag, part.size, part.crc64) for part in done]
        try:
            with self._commit():
                made = await self.bucket.complete_multipart_upload(
                    self.key, upload_id, results, crc64=whole, headers=headers
                )
            source = Source(self.key, made.etag, size, ObjectType.MULTIPART.value, made.crc64)
            modified = made.last_modified
        except IntegrityError:
            self._forget()
            raise
        except NoSuchUpload:
            # Perhaps because an earlier try was carried out, before a crash say.
            found = await self._attempts.is_done(Attempt(etag, whole, size))
            if found is None:
                raise
            source, modified = found.source, found.last_modified
        return UploadResult(source, modified, attributes_current, version)

    @contextmanager
    def _commit(self) -> Iterator[None]:
        self._committing = True
        try:
            yield
        finally:
            self._committing = False

    async def reconcile(self) -> bool:
        """Find clean bytes again that have gone because our own request replaced their object.

        Returns whether `Staged.base` is another now: whoever failed to read the old one can try again.

        Raises:
            OSSError: It could not be found out.
        """
        return await self._attempts.reconcile()

    # -- giving up, and remembering --

    async def abort(self) -> None:
        """Give up what is in the bucket: the file is to go elsewhere, or nowhere.

        Raises:
            OSSError: The parts could not be deleted; they are forgotten all the same.
        """
        self._finished = True
        upload_id = self._parts.upload_id
        if upload_id is None:
            return  # `advance`, if it is beginning one, sees that
        for scope in self._advancing:
            scope.cancel()
        # Before the request: the caller may go on with another upload of the same file meanwhile.
        self._forget()
        with suppress(NoSuchUpload):
            await self.bucket.abort_multipart_upload(self.key, upload_id)

    def _forget(self) -> None:
        self._parts.forget()
        self._scan_at = 0
        self._save()

    def _note(self) -> None:
        """Save now and then: what is not saved is sent again after a crash, what is saved often takes long."""
        self._unsaved += 1
        if self._unsaved * 16 > len(self._parts.done):
            self._save()

    def _save_rest(self) -> None:
        if self._unsaved:
            self._save()

    def _save(self, *, strict: bool = False) -> None:
        parts = self._parts
        state: UploadState | None = None
        if parts.upload_id is not None or self._attempts.made:
            base = self.staged.base
            headers, meta = parts.sent_as
            state = UploadState(
                key=self.key,
                upload_id=parts.upload_id,
                unit=parts.unit,
                parts=(*parts.done.values(), *parts.doubtful),
                headers=headers,
                meta=meta,
                session=self.staged.session,
                base_etag="" if base is None else base.etag,
                attempts=self._attempts.made,
            )
        self._unsaved = 0
        try:
            self._save_state(state)
        except OSError as exc:
            if strict:
                raise
            log.warning("how far the upload of %s has come cannot be saved: %s", self.key, exc)

    def __repr__(self) -> str:
        return f"<Upload {self.key!r} of {self.staged!r} {self._parts!r}>"
