"""Files up and down in parts, several at once, and where they stopped if they were stopped.

Theory of operation.  A transfer is cut into parts of equal size.  Each is read, sent or received, and then noted in the
checkpoint, if there is to be one.  When the transfer is begun again with the same checkpoint, parts that are noted are
compared with the file by their CRC-64, and done only if they differ.  A file or object that changed meanwhile is
refused: a mix of two versions is never made.  The CRC-64 of the whole is that of its parts combined, and is checked
at the end.

Source: API reference, "Multipart upload"; GetObject, ``Range`` and ``If-Match``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from ..wire.checksums import crc64, crc64_combine
from ..wire.errors import IntegrityError, NoSuchUpload
from ..wire.limits import MAX_PARALLEL, MAX_PARTS, check_number, check_part_size
from ..wire.message import Headers
from ..wire.models import PartResult, PutObjectResult
from .checkpoints import Checkpoint, CheckpointError
from .copies import Copies
from .listings import iter_parts
from .multipart import give_up
from .sources import content_type_of, read_at
from .streams import check_crc64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..wire.callback import Callback
    from ..wire.models import ObjectHead

log = logging.getLogger(__name__)

T = TypeVar("T")

PART_SIZE = 8 * 1024 * 1024
PARALLEL = 5

Progress = Callable[[int, int], object]


class Transfers(Copies):
    """The calls that move files."""

    async def upload_file(
        self,
        key: str,
        path: Path | str,
        *,
        part_size: int | None = None,
        parallel: int = PARALLEL,
        progress: Progress | None = None,
        checkpoint: Path | str | None = None,
        headers: Mapping[str, str] | None = None,
        meta: Mapping[str, str] | None = None,
        content_type: str | None = None,
        forbid_overwrite: bool = False,
        callback: Callback | None = None,
    ) -> PutObjectResult:
        """Make *key* of the file at *path*, in parts of *part_size* bytes, *parallel* at once.

        *progress* is called with the bytes done and all there are.  With the path of a *checkpoint* an upload that was
        interrupted goes on where it was; it is removed at the end.  Without, what was sent of an upload that fails is
        removed from the service.

        Raises:
            OutOfLimits: *part_size* or *parallel* is not possible.
            OSError: the file cannot be read.
            CheckpointError: the file has changed since the checkpoint, or while it was read, or the checkpoint is of
                something else.
            FileAlreadyExists: with *forbid_overwrite*, there is such an object.
        """
        check_number("parallel", parallel, 1, MAX_PARALLEL)
        path = Path(path) if isinstance(path, str) else path
        before = await trio.to_thread.run_sync(path.stat)
        size = before.st_size
        if part_size is None:
            part_size = max(PART_SIZE, -(-size // MAX_PARTS))
        check_part_size(part_size, size)
        fields = Headers(headers or {})
        fields["content-type"] = content_type or fields.get("content-type") or content_type_of(key, path.name)
        if size <= part_size:
            try:
                result = await self.put_object(
                    key, path, headers=fields, meta=meta, forbid_overwrite=forbid_overwrite, callback=callback
                )
            except ValueError:
                # Of another length than it was: this tells it best.
                _check_unchanged(path, before)
                raise
            _check_unchanged(path, before)
            if progress is not None:
                progress(size, size)
            return result
        about = {
            "bucket": self.name,
            "key": key,
            "path": _absolute(path),
            "size": size,
            "mtime_ns": before.st_mtime_ns,
            "part_size": part_size,
        }
        kept = Checkpoint(checkpoint, about)
        upload = _Uploading(self, key, path, size, part_size, kept, progress)
        found = await upload.resume()
        if found is not None:
            return found
        try:
            if not upload.upload_id:
                upload.upload_id = await self.initiate_multipart_upload(
                    key,
                    headers=fields,
                    meta=meta,
                    forbid_overwrite=forbid_overwrite,
                )
                upload.save()
            await in_parallel(upload.missing(), upload.send, parallel)
            _check_unchanged(path, before)
            done = await self.complete_multipart_upload(
                key,
                upload.upload_id,
                list(upload.parts.values()),
                crc64=upload.crc64(),
                headers=headers,
                forbid_overwrite=forbid_overwrite,
                callback=callback,
            )
        except BaseException as exc:
            if checkpoint is None or isinstance(exc, CheckpointError):
                await upload.give_up()
                kept.remove()
            raise
        kept.remove()
        return done.as_put()

    async def download_file(
        self,
        key: str,
        path: Path | str,
        *,
        part_size: int = PART_SIZE,
        parallel: int = PARALLEL,
        progress: Progress | None = None,
        checkpoint: Path | str | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> ObjectHead:
        """Write *key* to the file at *path*, in parts of *part_size* bytes, *parallel* at once, and return its head.

        The file appears when it is complete and checked; until then it is beside it, with ``.part`` at its end.
        Its directory is made if need be.
        *progress* and *checkpoint* are as for `upload_file`; without the latter, nothing is left of a download that
        fails.

        Raises:
            OutOfLimits: *part_size* or *parallel* is not possible.
            OSError: the file cannot be written.
            NoSuchKey, PreconditionFailed: there is no such object, or it changed while it was read.
            CheckpointError: the object has changed since the checkpoint, or the checkpoint is of something else.
            IntegrityError: the bytes are not the right ones.
        """
        check_number("parallel", parallel, 1, MAX_PARALLEL)
        check_part_size(part_size)
        path = Path(path) if isinstance(path, str) else path
        head = await self.head_object(key, if_match=if_match, version_id=version_id)
        about = {
            "bucket": self.name,
            "key": key,
            "path": _absolute(path),
            "etag": head.etag,
            "size": head.size,
            "last_modified": head.last_modified,
            "part_size": part_size,
        }
        kept = Checkpoint(checkpoint, about)
        download = _Downloading(self, head, path, part_size, kept, progress, version_id)
        await trio.to_thread.run_sync(download.resume)
        try:
            await in_parallel(download.missing(), download.receive, parallel)
            await trio.to_thread.run_sync(download.finish)
        except BaseException as exc:
            if checkpoint is None or isinstance(exc, IntegrityError):
                download.give_up()
                kept.remove()
            raise
        kept.remove()
        return head


async def in_parallel(values: Iterable[T], act: Callable[[T], Awaitable[object]], parallel: int) -> None:
    """Do *act* for every one of *values*, *parallel* at once; the first failure ends all others.

    Raises:
        Exception: the first that one of them raised, not in a group.
    """
    failures: list[Exception] = []
    waiting = iter(values)

    async def work(scope: trio.CancelScope) -> None:
        for value in waiting:
            try:
                await act(value)
            except Exception as exc:
                failures.append(exc)
                scope.cancel()
                return

    async with trio.open_nursery() as nursery:
        for _ in range(parallel):
            nursery.start_soon(work, nursery.cancel_scope)
    if failures:
        raise failures[0]


def _absolute(path: Path) -> str:
    return str(path.absolute())


def _check_unchanged(path: Path, before: os.stat_result) -> None:
    now = path.stat()
    if (now.st_size, now.st_mtime_ns, now.st_ino) != (before.st_size, before.st_mtime_ns, before.st_ino):
        raise CheckpointError(f"{path} was changed while it was uploaded")


class _Parts:
    """What both directions have in common: a whole of *size* bytes in parts numbered from 1, and who wants to know."""

    def __init__(self, size: int, part_size: int, progress: Progress | None) -> None:
        self.size = size
        self._part_size = part_size
        self._progress = progress
        self._done = 0

    def count(self) -> int:
        return -(-self.size // self._part_size)

    def span(self, number: int) -> tuple[int, int]:
        start = (number - 1) * self._part_size
        return start, min(start + self._part_size, self.size)

    def advance(self, *numbers: int) -> None:
        for number in numbers:
            start, stop = self.span(number)
            self._done += stop - start
        if self._progress is not None:
            self._progress(self._done, self.size)

    def combined(self, checksums: Mapping[int, int]) -> int:
        whole = 0
        for number in range(1, self.count() + 1):
            start, stop = self.span(number)
            whole = crc64_combine(whole, checksums[number], stop - start)
        return whole


class _Uploading(_Parts):
    def __init__(
        self,
        bucket: Copies,
        key: str,
        path: Path,
        size: int,
        part_size: int,
        checkpoint: Checkpoint,
        progress: Progress | None,
    ) -> None:
        super().__init__(size, part_size, progress)
        self._bucket = bucket
        self._key = key
        self._path = path
        self._checkpoint = checkpoint
        self.upload_id = ""
        self.parts: dict[int, PartResult] = {}

    def missing(self) -> list[int]:
        return [number for number in range(1, self.count() + 1) if number not in self.parts]

    def crc64(self) -> int:
        return self.combined({number: part.crc64 or 0 for number, part in self.parts.items()})

    def save(self) -> None:
        parts = [[part.number, part.etag, part.size, part.crc64] for part in self.parts.values()]
        self._checkpoint.save({"upload_id": self.upload_id, "parts": parts})

    async def resume(self) -> PutObjectResult | None:
        """Take up what the checkpoint tells; return the result if the upload had been completed already."""
        state = self._checkpoint.load()
        if state is None:
            return None
        try:
            upload_id = str(state["upload_id"])
            noted = {
                int(number): PartResult(int(number), etag, size, crc) for number, etag, size, crc in state["parts"]
            }
        except (LookupError, TypeError, ValueError):
            raise CheckpointError("the checkpoint is damaged; remove it to start over") from None
        try:
            there = {part.number: part.etag async for part in iter_parts(self._bucket, self._key, upload_id)}
        except NoSuchUpload:
            found = await self._find_completed(upload_id, noted)
            self._checkpoint.remove()
            if found is None:
                log.info("the upload %s of %s is gone, beginning another", upload_id, self._key)
            return found
        same = [part for number, part in noted.items() if there.get(number) == part.etag]
        for part in same:
            start, stop = self.span(part.number)
            content = await trio.to_thread.run_sync(read_at, self._path, start, stop - start)
            if part.crc64 != crc64(content):
                raise CheckpointError(f"{self._path} has changed since the checkpoint; remove that to start over")
        self.upload_id = upload_id
        self.parts = {part.number: part for part in same}
        self.advance(*self.parts)
        log.info("%s: going on with %d of %d parts done", self._key, len(self.parts), self.count())
        return None

    async def _find_completed(self, upload_id: str, noted: Mapping[int, PartResult]) -> PutObjectResult | None:
        if len(noted) != self.count():
            return None
        try:
            made = await self._bucket.find_completed(self._key, upload_id, list(noted.values()), None)
        except NoSuchUpload:
            return None
        if made is None:
            return None
        return PutObjectResult(made.etag, made.crc64, made.version_id, made.last_modified, made.request_id)

    async def send(self, number: int) -> None:
        start, stop = self.span(number)
        content = await trio.to_thread.run_sync(read_at, self._path, start, stop - start)
        if len(content) != stop - start:
            raise CheckpointError(f"{self._path} was changed while it was uploaded")
        self.parts[number] = await self._bucket.upload_part(self._key, self.upload_id, number, content)
        self.save()
        self.advance(number)

    async def give_up(self) -> None:
        if self.upload_id:
            await give_up(self._bucket, self._key, self.upload_id)


class _Downloading(_Parts):
    def __init__(
        self,
        bucket: Copies,
        head: ObjectHead,
        path: Path,
        part_size: int,
        checkpoint: Checkpoint,
        progress: Progress | None,
        version_id: str | None,
    ) -> None:
        super().__init__(head.size, part_size, progress)
        self._bucket = bucket
        self._head = head
        self._path = path
        self._partial = path.with_name(f"{path.name}.part")
        self._checkpoint = checkpoint
        self._version_id = version_id
        self._checksums: dict[int, int] = {}

    def missing(self) -> list[int]:
        return [number for number in range(1, self.count() + 1) if number not in self._checksums]

    def resume(self) -> None:
        """Take up what the checkpoint tells, and make the file."""
        state: dict[str, Any] = self._checkpoint.load() or {}
        if state and self._partial.exists():
            for number, checksum in state.get("parts", ()):
                start, stop = self.span(number)
                if crc64(read_at(self._partial, start, stop - start)) == checksum:
                    self._checksums[number] = checksum
            self.advance(*self._checksums)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (0 if self._checksums else os.O_TRUNC)
        descriptor = os.open(self._partial, flags, 0o666)
        try:
            os.ftruncate(descriptor, self.size)
        finally:
            os.close(descriptor)

    async def receive(self, number: int) -> None:
        start, stop = self.span(number)
        _, content = await self._bucket.get_object(
            self._head.key, start=start, stop=stop, if_match=self._head.etag, version_id=self._version_id
        )
        if len(content) != stop - start:
            raise IntegrityError(f"{self._head.key}: {len(content)} bytes for {start}-{stop}")
        self._checksums[number] = await trio.to_thread.run_sync(self._write, start, content)
        self._checkpoint.save({"parts": sorted(self._checksums.items())})
        self.advance(number)

    def _write(self, start: int, content: bytes | memoryview) -> int:
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CLOEXEC)
        try:
            view = memoryview(content)
            while view:
                written = os.pwrite(descriptor, view, start)
                start, view = start + written, view[written:]
        finally:
            os.close(descriptor)
        return crc64(content)

    def finish(self) -> None:
        """Check the whole, and give the file its name."""
        if self._head.type != "Symlink":
            check_crc64(self._head.crc64, self.combined(self._checksums), f"{self._bucket.name}/{self._head.key}")
        descriptor = os.open(self._partial, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._partial.replace(self._path)
        if not self.size and self._progress is not None:
            self._progress(0, 0)

    def give_up(self) -> None:
        self._partial.unlink(missing_ok=True)
