"""The bytes of one file while it is open, or while it has changes that are not in the bucket.

There are three places where a byte can be: the staging file (what programs wrote here), the object below it (clean
bytes, through `reading`), or nowhere (a hole, zeros).  `Staged.layout` says which.

A file with changes is committed (its PUT is logged and may start) when a descriptor of it is closed, at fsync, and
when it is released.  A write to a file whose PUT is waiting holds the PUT back until the next close; a write while it
is being uploaded interrupts it, unless the request that makes the object has been sent: then the write waits for that
one answer.

Rules for editors: `lock` is held around whatever changes bytes or awaits between looking at `staged` and using it for
a change; reads do not take it, and look again after each await.
"""

from __future__ import annotations

import errno
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from ..wire.errors import NoSuchKey, PreconditionFailed
from ..writing.intents import Intent, State
from ..writing.upload import Upload, UploadState
from .describing import headers_of, meta_of, staged_data

if TYPE_CHECKING:
    from ..reading.reader import Reader
    from ..tree.inodes import Node
    from ..wire.models import Source
    from ..writing.staging import Piece, Staged
    from .rooms import Rooms

log = logging.getLogger(__name__)

_STEP = 4 << 20  # bytes fetched at once when an object is about to go and somebody has it open
_REPLACED = "the object was replaced behind the mount"
_KEEP = 1 << 20  # what was staged up to this size stays in the block cache once it is uploaded


class OpenFile:
    """The bytes of *node*.

    INVARIANT: `is_dirty` means that `staged` holds changes that no live PUT has been told of.
    INVARIANT: while `is_dirty` and the node has a name, that name is touched once for it.
    """

    def __init__(self, node: Node, rooms: Rooms) -> None:
        """Make the file of *node*; nothing is staged."""
        self.node = node
        self.rooms = rooms
        self.lock = trio.Lock()
        self.staged: Staged | None = None
        self.put: Intent | None = None
        self.error: BaseException | None = None
        self.handles = 0
        self.writers = 0
        self.is_dirty = False
        self._touched: tuple[Node, bytes] | None = None
        self._upload: Upload | None = None
        self._upload_key = ""
        self._saved_upload: dict[str, Any] | None = None
        self._is_ahead = False
        self._readers: dict[int, tuple[Source, Reader]] = {}

    def __repr__(self) -> str:
        return f"<OpenFile {self.node!r} handles={self.handles} staged={self.staged!r} dirty={self.is_dirty}>"

    # Reading

    async def read(self, fh: int, offset: int, size: int) -> bytes:
        """Return up to *size* bytes from *offset* on; fewer only at the end of the file.

        Raises:
            OSError: ESTALE, the object was replaced behind the mount.
            OSSError: the bytes could not be fetched.
        """
        staged = self.staged
        if staged is None:
            return await self._read_clean(fh, offset, size)
        stop = min(offset + size, staged.size)
        pieces = staged.layout(offset, stop)
        if len(pieces) == 1 and pieces[0].kind == "staged":
            return staged.read(offset, stop)
        base, version = staged.base, staged.version
        parts = []
        for piece in pieces:
            parts.append(await self._piece(fh, staged, piece))
            if self.staged is not staged or staged.base is not base or staged.version != version:
                return await self.read(fh, offset, size)  # it was written, uploaded or renamed meanwhile
        return b"".join(parts)

    async def _piece(self, fh: int, staged: Staged, piece: Piece) -> bytes:
        if piece.kind == "staged":
            return staged.read(piece.start, piece.stop)
        if piece.kind == "hole":
            return bytes(piece.size)
        base = staged.base
        assert base is not None
        try:
            return await self._reader(fh, base).read(piece.start, piece.size)
        except (PreconditionFailed, NoSuchKey):
            if (put := self.put) is not None and put.started:
                await self.rooms.executor.wait_settled(put)  # it may be our own upload that replaced the object
            if self.staged is staged and staged.base is base and not await self._reconcile():
                raise OSError(errno.ESTALE, _REPLACED, base.key) from None
            return b""  # and `read` begins again

    async def _read_clean(self, fh: int, offset: int, size: int) -> bytes:
        while True:
            source = self.node.source
            if source is None or offset >= source.size:
                return b""
            try:
                return await self._reader(fh, source).read(offset, min(size, source.size - offset))
            except (PreconditionFailed, NoSuchKey):
                if self.staged is not None:
                    return await self.read(fh, offset, size)
                if self.node.source is source:
                    self.rooms.beliefs.expire(self.node)
                    raise OSError(errno.ESTALE, _REPLACED, source.key) from None

    async def _reconcile(self) -> bool:
        """Tell whether an upload of our own that seems to have failed has replaced the object: clean bytes are found
        in the new one from now on.
        """
        return self._upload is not None and await self._upload.reconcile()

    def _reader(self, fh: int, source: Source) -> Reader:
        held = self._readers.get(fh)
        if held is not None:
            if held[0] == source:
                return held[1]
            held[1].close()
        reader = self.rooms.reading.reader(source)
        self._readers[fh] = (source, reader)
        return reader

    async def _read_base(self, source: Source, start: int, stop: int) -> bytes:
        """Give an upload the clean bytes that it needs."""
        if (found := self.rooms.reading.get(source, start, stop)) is not None:
            return found
        _, body = await self.rooms.bucket.get_object(source.key, start=start, stop=stop, if_match=source.etag)
        return bytes(body)

    # Changing

    async def write(self, offset: int, data: bytes) -> int:
        """Write *data* at *offset*; it is in the staging file when this returns.

        Raises:
            OSError: ENOSPC, EFBIG ...: nothing was written.
        """
        async with self.lock:
            staged = await self._begin_change()
            try:
                written = staged.write(offset, data)
            finally:
                self._changed(staged)
        return written

    async def truncate(self, size: int) -> None:
        """Make the file *size* bytes long.

        Raises:
            OSError: EFBIG, ENOSPC.
        """
        async with self.lock:
            staged = await self._begin_change(drop_base=size == 0)
            staged.truncate(size)
            self._changed(staged)

    def create(self) -> None:
        """Begin as a file that does not exist in the bucket yet.

        Raises:
            OSError: it cannot be staged.
        """
        self.staged = self._stage(None)
        self._set_dirty()

    async def _begin_change(self, *, drop_base: bool = False) -> Staged:
        """Return the staged file, safe from uploads that are under way."""
        while (put := self.put) is not None and put.started:
            if self._upload is None or not self._upload.committing:
                self.rooms.executor.hold(put)
            await self.rooms.executor.wait_settled(put)
        if put is not None and put.live:
            self.rooms.executor.hold(put)
        if self.staged is None:
            self.staged = self._stage(None if drop_base else self.node.source)
        return self.staged

    def _stage(self, base: Source | None) -> Staged:
        rooms = self.rooms
        key = "" if self.node.is_unlinked else rooms.inodes.key_of(self.node)
        staged = rooms.staging.create(key, base)
        try:
            rooms.log.stage(staged.id, key, self._description())
        except OSError:
            staged.discard()
            raise
        return staged

    def _changed(self, staged: Staged) -> None:
        node = self.node
        node.size = staged.size
        now = time.time_ns()
        node.attributes.mtime_ns = node.attributes.ctime_ns = now
        if node.attributes.mode & 0o6000:
            # A file that somebody has written is not what its owner gave his rights to (write(2)).
            keep = 0o2000 if not node.attributes.mode & 0o010 else 0
            node.attributes.mode &= 0o1777 | keep
        self._set_dirty()
        if staged.size > self.rooms.part_size and not self._is_ahead and not node.is_unlinked:
            self._upload_ahead(staged)

    def _set_dirty(self) -> None:
        self.is_dirty = True
        if self._touched is None and not self.node.is_unlinked:
            assert self.node.parent is not None
            self._touched = (self.node.parent, self.node.name)
            self.rooms.beliefs.touch(*self._touched)

    def _set_clean(self) -> None:
        self.is_dirty = False
        if self._touched is not None:
            self.rooms.beliefs.settle(*self._touched)
            self._touched = None

    # Committing

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to see but that the file was made or emptied: more may follow at once."""
        return self.is_dirty and self.staged is not None and self.staged.size == 0

    def commit(self) -> Intent | None:
        """Log what has changed; return the intent that is to bring it into the bucket, None if there is nothing to
        bring.

        Raises:
            OSError: it could not be logged.
        """
        if not self.is_dirty or self.node.is_unlinked:
            put = self.put
            if put is None or not put.live:
                return None
            if put.state is State.HELD:
                self.rooms.executor.release(put)
            return put
        assert self.staged is not None
        if self.rooms.options.sync:
            self.staged.sync()
        self.node.meta = meta = self._meta()
        intent = self.rooms.changes.put(self, self.put_data(meta))
        self.error = None
        self._set_clean()
        return intent

    def put_data(self, meta: dict[str, str] | None = None) -> dict[str, Any]:
        """Return what the log has to know of a PUT; *meta* is the metadata if they are at hand."""
        assert self.staged is not None
        return {
            "staged": self.staged.id,
            "meta": meta or self._meta(),
            "headers": headers_of(self.node),
            "replaces": self.node.remote,
            "acl": self.node.acl,
            "tagged": self.node.is_tagged is not False,
            "etag": self.node.source.etag if self.node.source is not None else None,
            "large": self.staged.size > self.rooms.part_size,
        }

    def _meta(self) -> dict[str, str]:
        return meta_of(self.node, self.rooms.beliefs.defaults)

    def _description(self) -> dict[str, Any]:
        return staged_data(self.node, self.rooms.beliefs.defaults)

    def note_attributes(self) -> None:
        """Log that attributes changed: the bytes that are staged, or will be, are committed with them after a crash."""
        if self.staged is None or self.node.is_unlinked:
            return
        with self.rooms.log.together():
            self.rooms.log.stage(self.staged.id, self.rooms.inodes.key_of(self.node), self._description())
            if self.is_dirty and self.put is not None and self.put.live:  # held, and what a crash would leave
                self.put.data = self.put_data()
                self.rooms.log.update(self.put)

    # Uploading

    def upload_for(self, key: str) -> Upload:
        """Return the upload of the staged bytes to *key*, begun ahead or not."""
        assert self.staged is not None
        staged = self.staged
        if self._upload is None or self._upload_key != key:
            self.drop_upload()
            saved, self._saved_upload = self._saved_upload, None
            state = UploadState.from_json(saved) if saved and saved.get("key") == key else None
            self._upload_key = key
            self._upload = Upload(
                self.rooms.bucket,
                staged,
                key,
                read_base=self._read_base,
                distrust=self.rooms.reading.distrust,
                save=lambda made: self.rooms.log.save_upload(staged.id, None if made is None else made.to_json()),
                options=self.rooms.options,
                limiter=self.rooms.part_limiter,
                space=self.rooms.space,
                state=state,
            )
        return self._upload

    def drop_upload(self) -> None:
        """Give up what has been uploaded: it has the wrong name, or is not wanted any more."""
        upload, self._upload = self._upload, None
        if upload is not None:
            self.rooms.background.start(upload.abort)

    def _upload_ahead(self, staged: Staged) -> None:
        upload = self.upload_for(self.rooms.inodes.key_of(self.node))
        if upload.ready():
            self._is_ahead = True
            self.rooms.background.start(self._advance, upload, staged)

    async def _advance(self, upload: Upload, staged: Staged) -> None:
        try:
            headers = headers_of(self.node)
            if self.node.remote and not upload.has_begun:
                headers.update(await self.rooms.carrying.kept(self._upload_key, self.put_data()))
            while upload is self._upload and self.staged is staged and self.is_dirty:
                await upload.advance(headers, self._meta())
                if not upload.ready():  # asking takes the answer away: whoever started this has had the first
                    break
        finally:
            self._is_ahead = False

    # What happens to the node

    def uploaded(self, source: Source, version: int) -> None:
        """Take it that the staged bytes, as they were at *version*, are the object *source* now."""
        self.put = None
        self._upload = None
        self.error = None
        staged = self.staged
        if staged is None:
            return
        if staged.version == version and not self.is_dirty:
            self.node.size = source.size
            if not self.writers and not (self.node.is_unlinked and self.handles):
                if (
                    0 < source.size <= _KEEP
                    and len(pieces := staged.layout(0, source.size)) == 1
                    and pieces[0].kind == "staged"
                ):
                    self.rooms.reading.put(source, 0, staged.read(0, source.size))
                self.unstage()
                self.drop_if_idle()
                return
        staged.rebase(source, version)
        self.rooms.log.save_upload(staged.id, None)

    def unstage(self) -> None:
        """Delete the staged bytes: they are in the bucket, or nobody can ask for them any more."""
        staged, self.staged = self.staged, None
        if staged is None:
            return

        def discard() -> None:
            staged.discard()
            with suppress(OSError):  # the row of an orphan goes at the next mount
                intents.unstage(staged.id)

        # The log has the last word: bytes that it may still ask for after a crash must be there, and no others.
        intents = self.rooms.log
        intents.orphan(staged.id)
        intents.once_written(discard)

    def resourced(self, old: Source, new: Source) -> None:
        """Follow the clean bytes to where they are now."""
        self.rooms.reading.forget(old.key)
        if self.staged is not None and self.staged.base == old:
            self.staged.replace_base(new)

    def renamed(self, key: str) -> None:
        """Follow the node to its new name."""
        if self.staged is None:
            return
        self.rooms.log.stage(self.staged.id, key, self._description())
        if self._touched is not None:
            self._set_clean()
            self._set_dirty()
        if self.put is None or not self.put.live:
            self.drop_upload()

    def unlinked(self) -> None:
        """Take it that the node has no name any more: what was staged is for those who have it open, and for nobody
        else.
        """
        if self._touched is not None:
            self.rooms.beliefs.settle(*self._touched)
            self._touched = None
        self.is_dirty = False
        if self.staged is not None:
            self.rooms.log.orphan(self.staged.id)
        if self.put is None or not self.put.started:
            self.put = None
            self.drop_upload()
        if self.handles:
            self.rooms.changes.orphans.add(self)
        else:
            self.drop_if_idle()

    def abandoned(self) -> None:
        """Take it that the upload which `unlinked` found under way has been given up."""
        self.put = None
        self.drop_upload()
        if self.node.is_unlinked and not self.handles:
            self.unstage()
        self.drop_if_idle()

    async def make_local(self) -> None:
        """Fetch all clean bytes into the staging file: the object is about to go.

        Raises:
            OSError: they could not be fetched or staged.
        """
        async with self.lock:
            if self.staged is None:
                self.staged = self._stage(self.node.source)
            staged = self.staged
            while clean := [piece for piece in staged.layout(0, staged.size) if piece.kind == "base"]:
                start = clean[0].start
                stop = min(clean[0].stop, start + _STEP)
                assert staged.base is not None
                staged.write(start, await self._read_base(staged.base, start, stop))

    def needs(self, key: str) -> bool:
        """Tell whether clean bytes of the object *key* show in this file."""
        if self.staged is not None:
            return self.staged.base is not None and self.staged.base.key == key and self.staged.base_size > 0
        return self.node.source is not None and self.node.source.key == key and self.node.source.size > 0

    # Handles

    def opened(self, *, writing: bool) -> None:
        """Count one more handle."""
        self.handles += 1
        self.writers += writing

    def released(self, fh: int, *, writing: bool) -> None:
        """Count one handle less; after the last one nothing stays here that is not needed."""
        self.handles -= 1
        self.writers -= writing
        held = self._readers.pop(fh, None)
        if held is not None:
            held[1].close()
        if self.handles:
            return
        if self.node.is_unlinked:
            self.rooms.changes.orphans.discard(self)
            if self.put is None or not self.put.live:
                self.unstage()
        self.drop_if_idle()

    def drop_if_idle(self) -> None:
        """Let go of the node if nothing is open and nothing staged that is worth keeping."""
        if self.handles or self.lock.locked() or self.is_dirty:
            return
        if self.put is not None and self.put.live:
            return
        if self.staged is not None:
            self.unstage()
        for _, reader in self._readers.values():
            reader.close()
        self._readers.clear()
        if self.node.file is self:
            self.node.file = None
            self.rooms.inodes.drop_if_free(self.node)

    def recover(self, staged: Staged, upload: dict[str, Any] | None) -> None:
        """Take up what an earlier daemon had staged."""
        self.staged = staged
        self._upload, self._saved_upload = None, upload

    @property
    def state(self) -> str:
        """Where the newest bytes are: ``clean``, ``dirty``, ``pending``, ``uploading`` or ``failed``."""
        if self.error is not None or (self.put is not None and self.put.state is State.FAILED):
            return "failed"
        if self.is_dirty:
            return "dirty"
        if self.put is not None and self.put.live:
            return "uploading" if self.put.started else "pending"
        return "clean"
