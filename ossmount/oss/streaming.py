"""Streams of unknown length up in parts: standard input, the output of a program, what another service sends.

Theory of operation.  The stream is cut into parts, each in memory, so that a part can be sent again when the first try
fails, which a stream cannot.  What ends within the first part is put in one request.  Parts may be of different
sizes, but there are only so many: after every 1,000 they are twice as large, and fewer are sent at once, so that the
memory needed is that of *parallel* parts of the size asked for, or of one part if that is more.  Five parts of 8 MiB
at once, which is the default, need 40 MiB for the first 50 GiB, 256 MiB for 490 GiB, and end at 7.8 TiB.

An upload that does not end well is aborted, whatever the reason.

Source: API reference, "InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload".
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import TYPE_CHECKING

import trio

from ..wire.checksums import crc64_combine
from ..wire.errors import OutOfLimits
from ..wire.limits import MAX_BODY, MAX_PARALLEL, MAX_PARTS, check_number, check_part_size
from ..wire.message import Headers
from .multipart import give_up
from .sources import content_type_of
from .transfers import PARALLEL, PART_SIZE, Transfers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.callback import Callback
    from ..wire.models import PartResult, PutObjectResult

# The parts get larger after so many.
GROW_EVERY = 1000

Sent = Callable[[int], object]


def size_of_part(number: int, part_size: int) -> int:
    """Return how large part *number* is, when the first is *part_size*; never more than OSS takes."""
    return int(min(part_size << (number - 1) // GROW_EVERY, MAX_BODY))


class Streaming(Transfers):
    """The call that uploads streams."""

    async def upload_stream(
        self,
        key: str,
        stream: AsyncIterable[bytes],
        *,
        part_size: int = PART_SIZE,
        parallel: int = PARALLEL,
        progress: Sent | None = None,
        headers: Mapping[str, str] | None = None,
        meta: Mapping[str, str] | None = None,
        content_type: str | None = None,
        forbid_overwrite: bool = False,
        callback: Callback | None = None,
    ) -> PutObjectResult:
        """Make *key* of *stream*, in parts of *part_size* bytes or more, *parallel* at once.

        Without *content_type*, which may be among *headers*, it is the one of the key's name.
        *progress* is called with the bytes sent so far.  When it fails or is cancelled, nothing is left in the service.

        Raises:
            OutOfLimits: *part_size* or *parallel* is not possible, or the stream is too long for parts of that size.
            FileAlreadyExists: with *forbid_overwrite*, there is such an object.
            Exception: what *stream* raises.
        """
        check_number("parallel", parallel, 1, MAX_PARALLEL)
        check_part_size(part_size)
        headers = Headers(headers or {})
        headers["content-type"] = content_type or headers.get("content-type") or content_type_of(key)
        cutter = Cutter(stream)
        try:
            first = await cutter.take(part_size)
            if await cutter.is_at_end():
                result = await self.put_object(
                    key,
                    first,
                    headers=headers,
                    meta=meta,
                    forbid_overwrite=forbid_overwrite,
                    callback=callback,
                )
                if progress is not None:
                    progress(len(first))
                return result
            upload_id = await self.initiate_multipart_upload(
                key, headers=headers, meta=meta, forbid_overwrite=forbid_overwrite
            )
            try:
                parts = await self._send_parts(key, upload_id, first, cutter, part_size, parallel, progress)
                whole = 0
                for part in parts:
                    whole = crc64_combine(whole, part.crc64 or 0, part.size)
                done = await self.complete_multipart_upload(
                    key,
                    upload_id,
                    parts,
                    crc64=whole,
                    headers=headers,
                    forbid_overwrite=forbid_overwrite,
                    callback=callback,
                )
            except BaseException:
                await give_up(self, key, upload_id)
                raise
        finally:
            if isinstance(stream, AsyncGenerator):
                # It may have been left in the middle, and nobody else knows.
                await stream.aclose()
        return done.as_put()

    async def _send_parts(
        self,
        key: str,
        upload_id: str,
        content: bytearray,
        cutter: Cutter,
        part_size: int,
        parallel: int,
        progress: Sent | None,
    ) -> list[PartResult]:
        """Send *content* as the first part and the rest behind it; return the parts in their order."""
        parts: dict[int, PartResult] = {}
        failures: list[Exception] = []
        done = 0
        # One token for each part in memory: the one that is read, and those that are sent.
        limiter = trio.CapacityLimiter(parallel)

        async def send(number: int, content: bytearray) -> None:
            nonlocal done
            try:
                parts[number] = await self.upload_part(key, upload_id, number, content)
                done += len(content)
                if progress is not None:
                    progress(done)
            except Exception as exc:
                # Raised below: out of the nursery it would come in a group.
                failures.append(exc)
                nursery.cancel_scope.cancel()
            finally:
                limiter.release_on_behalf_of(number)

        async def cut() -> None:
            nonlocal content
            number = 1
            await limiter.acquire_on_behalf_of(number)
            while content:
                nursery.start_soon(send, number, content)
                number += 1
                size = size_of_part(number, part_size)
                limiter.total_tokens = max(1, parallel * part_size // size)
                await limiter.acquire_on_behalf_of(number)
                content = await cutter.take(size)
                if content and number > MAX_PARTS:
                    raise OutOfLimits(
                        f"the stream is longer than {MAX_PARTS} parts, the first of {part_size} bytes, can hold: "
                        "ask for larger parts"
                    )

        async with trio.open_nursery() as nursery:
            try:
                await cut()
            except Exception as exc:
                failures.append(exc)
                nursery.cancel_scope.cancel()
        if failures:
            raise failures[0]
        return [part for _, part in sorted(parts.items())]


class Cutter:
    """Cuts a stream of pieces of any size into those that are asked for."""

    def __init__(self, stream: AsyncIterable[bytes]) -> None:
        self._pieces = aiter(stream)
        self._rest = memoryview(b"")
        self._ended = False

    async def take(self, size: int) -> bytearray:
        """Return the next *size* bytes, fewer only at the end."""
        taken = bytearray()
        while len(taken) < size and not await self.is_at_end():
            piece = self._rest[: size - len(taken)]
            taken += piece
            self._rest = self._rest[len(piece) :]
        return taken

    async def is_at_end(self) -> bool:
        """Return whether there is nothing more, which may have to be waited for."""
        while not self._rest and not self._ended:
            try:
                self._rest = memoryview(await anext(self._pieces))
            except StopAsyncIteration:
                self._ended = True
        return not self._rest
