"""Objects made of parts, and appended to: the two operations that must not simply be sent again.

CompleteMultipartUpload and AppendObject are not idempotent.  When it is not known what became of one (no answer, a
5xx), we look before we try again: the upload is still there, or it is gone and the object is the one it would have
made; the object is as long as before, or as long as after with our bytes at its end.

Source: API reference, "CompleteMultipartUpload", "AppendObject".
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from ..wire import multipart, objects
from ..wire.checksums import crc64_combine, multipart_etag
from ..wire.errors import IntegrityError, NoSuchKey, NoSuchUpload, OSSError, PositionNotEqualToLength
from ..wire.limits import check_body
from ..wire.message import Headers
from ..wire.models import AppendResult, CompleteResult
from .objects import Objects
from .retry import did_nothing
from .streams import check_crc64, crc64_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..wire.callback import Callback
    from ..wire.message import Buffer, Response
    from ..wire.models import ListPartsResult, ListUploadsResult, PartResult

log = logging.getLogger(__name__)

_ACL = "x-oss-object-acl"
# How long somebody who gives up waits for the service to remove what was sent, in seconds.
_GIVE_UP = 10.0


class Uploads(Objects):
    """The calls for uploads in parts, and for appending."""

    async def initiate_multipart_upload(
        self,
        key: str,
        *,
        headers: Mapping[str, str] | None = None,
        meta: Mapping[str, str] | None = None,
        forbid_overwrite: bool = False,
    ) -> str:
        """Begin an upload of *key* and return its id; *headers* and *meta* are those of the object to be."""
        request = multipart.initiate_multipart_upload(
            self.name, key, headers=headers, meta=meta, forbid_overwrite=forbid_overwrite
        )
        return await self.client.call(request, multipart.parse_initiate_multipart_upload)

    async def upload_part(self, key: str, upload_id: str, number: int, body: Buffer) -> PartResult:
        """Send part *number* (1 to 10000).

        Raises:
            OutOfLimits: there is no such number, or the part is too large.
            NoSuchUpload: the upload was completed or aborted.
            IntegrityError: it arrived damaged, time and again.
        """
        size = memoryview(body).nbytes
        check_body(size)
        ours = await crc64_of(body)
        request = multipart.upload_part(self.name, key, upload_id, number, body, crc64=ours)

        def parse(response: Response) -> PartResult:
            part = multipart.parse_upload_part(response, number, size)
            check_crc64(part.crc64, ours, f"{self.name}/{key} part {number}")
            return replace(part, crc64=ours)

        return await self.client.call(request, parse)

    async def upload_part_copy(
        self,
        key: str,
        upload_id: str,
        number: int,
        source_key: str,
        *,
        start: int | None = None,
        stop: int | None = None,
        if_match: str | None = None,
        source_bucket: str | None = None,
        source_version_id: str | None = None,
    ) -> PartResult:
        """Make part *number* of the half-open range *start* to *stop* of *source_key*, inside the service.

        The range must lie inside the source.

        Raises:
            PreconditionFailed: the source's ETag is not *if_match*.
            NoSuchUpload: the upload was completed or aborted.
        """
        request = multipart.upload_part_copy(
            self.name,
            key,
            upload_id,
            number,
            source_bucket or self.name,
            source_key,
            start=start,
            stop=stop,
            if_match=if_match,
            source_version_id=source_version_id,
        )
        size = 0 if stop is None else stop - (start or 0)
        return await self.client.call(
            request, lambda response: multipart.parse_upload_part_copy(response, number, size)
        )

    async def abort_multipart_upload(self, key: str, upload_id: str) -> None:
        """Give an upload up.

        Raises:
            NoSuchUpload: there is none, or none any more.
        """
        await self.client.send(multipart.abort_multipart_upload(self.name, key, upload_id))

    async def list_multipart_uploads(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        key_marker: str = "",
        upload_id_marker: str = "",
        max_uploads: int = 1000,
    ) -> ListUploadsResult:
        """Return a page of the uploads under way."""
        request = multipart.list_multipart_uploads(
            self.name,
            prefix=prefix,
            delimiter=delimiter,
            key_marker=key_marker,
            upload_id_marker=upload_id_marker,
            max_uploads=max_uploads,
        )
        return await self.client.call(request, multipart.parse_list_multipart_uploads)

    async def list_parts(
        self, key: str, upload_id: str, *, part_number_marker: int = 0, max_parts: int = 1000
    ) -> ListPartsResult:
        """Return a page of the parts of an upload.

        Raises:
            NoSuchUpload: it was completed or aborted.
        """
        request = multipart.list_parts(
            self.name, key, upload_id, part_number_marker=part_number_marker, max_parts=max_parts
        )
        return await self.client.call(request, multipart.parse_list_parts)

    # -- not idempotent --------------------------------------------------------------------------------------------

    async def complete_multipart_upload(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[PartResult],
        *,
        crc64: int | None = None,
        headers: Mapping[str, str] | None = None,
        forbid_overwrite: bool = False,
        callback: Callback | None = None,
    ) -> CompleteResult:
        """Make the object of *parts*; *crc64* is the one it must have, if that is known.

        Of *headers*, those of the object to be, the ACL is sent: it is not taken when an upload is initiated.

        Raises:
            CallbackFailed: the object is made, but *callback* was not taken.
            NoSuchUpload: the upload is gone, and the object is not the one it would have made.
            IntegrityError: the object is made, but is not what *crc64* says.
        """
        acl = Headers(headers or {}).get(_ACL)
        request = multipart.complete_multipart_upload(
            self.name,
            key,
            upload_id,
            parts,
            forbid_overwrite=forbid_overwrite,
            headers={**({} if acl is None else {_ACL: acl}), **(callback.headers() if callback else {})},
        )
        attempt = 0
        while True:
            attempt += 1
            try:
                result = await self.client.call(request, multipart.parse_complete_multipart_upload)
            except OSSError as exc:
                if not exc.transient or did_nothing(exc):
                    raise
                log.warning("it is not known whether %s/%s was completed, looking: %s", self.name, key, exc)
                found = await self.find_completed(key, upload_id, parts, crc64)
                if found is not None:
                    result = found
                else:
                    await self._pause(exc, attempt)
                    continue
            if crc64 is not None:
                _check_final(result.crc64, crc64, f"{self.name}/{key}")
            return result

    async def find_completed(
        self, key: str, upload_id: str, parts: Sequence[PartResult], crc64: int | None
    ) -> CompleteResult | None:
        """Return what an upload of *parts* has become, or None when it is still under way.

        Raises:
            NoSuchUpload: it is gone, and the object is another.
        """
        try:
            await self.list_parts(key, upload_id, max_parts=1)
        except NoSuchUpload as gone:
            try:
                head = await self.head_object(key)
            except NoSuchKey:
                raise gone from None
            ordered = sorted(parts, key=lambda part: part.number)
            same_crc = crc64 is not None and head.crc64 == crc64 and head.type == "Multipart"
            if head.etag != multipart_etag(part.etag for part in ordered) and not same_crc:
                raise
            return CompleteResult(head.etag, head.crc64, head.last_modified, head.version_id, head.request_id)
        return None

    async def append_object(
        self,
        key: str,
        position: int,
        body: Buffer,
        *,
        headers: Mapping[str, str] | None = None,
        meta: Mapping[str, str] | None = None,
        crc64: int | None = None,
    ) -> AppendResult:
        """Append *body* to *key*, which is *position* bytes long and has *crc64*, if that is known.

        Position 0 makes the object, and only then *headers* and *meta* count.

        Raises:
            PositionNotEqualToLength: it is longer or shorter.
            ObjectNotAppendable: it was made in another way.
            IntegrityError: it was appended, but is not what it should be.
        """
        size = memoryview(body).nbytes
        check_body(size)
        ours = await crc64_of(body)
        before = 0 if position == 0 else crc64
        whole = None if before is None else crc64_combine(before, ours, size)
        request = objects.append_object(self.name, key, position, body, headers=headers, meta=meta)
        attempt = 0
        doubt: OSSError | None = None
        while True:
            attempt += 1
            try:
                result = await self.client.call(request, objects.parse_append_object)
            except OSSError as exc:
                late = doubt is not None and isinstance(exc, PositionNotEqualToLength)
                if not late and (not exc.transient or did_nothing(exc)):
                    raise
                doubt = exc
                log.warning("it is not known whether %s/%s was appended to, looking: %s", self.name, key, exc)
                try:
                    found = await self.find_appended(key, position, body, crc64=crc64)
                except PositionNotEqualToLength:
                    raise exc from None
                if found is None:
                    await self._pause(exc, attempt)
                    continue
                result = found
            if whole is not None and result.crc64 is not None:
                _check_final(result.crc64, whole, f"{self.name}/{key}")
            return result

    async def find_appended(
        self, key: str, position: int, body: Buffer, *, crc64: int | None = None
    ) -> AppendResult | None:
        """Return the result of an append of *body* that got through, or None when the object is as before.

        Raises:
            PositionNotEqualToLength: it is neither as before nor as after.
        """
        try:
            head = await self.head_object(key)
        except NoSuchKey:
            if position == 0:
                return None
            raise PositionNotEqualToLength(details={"Key": key}) from None
        length = head.size if head.next_append_position is None else head.next_append_position
        if length == position:
            return None
        size = memoryview(body).nbytes
        same = False
        if length == position + size:
            ours = await crc64_of(body)
            before = 0 if position == 0 else crc64
            if before is None or head.crc64 is None:
                _, tail = await self.get_object(key, start=position, stop=length, if_match=head.etag)
                same = await crc64_of(tail) == ours
            else:
                same = head.crc64 == crc64_combine(before, ours, size)
        if not same:
            raise PositionNotEqualToLength(details={"Key": key})
        return AppendResult(length, head.crc64, head.etag, head.last_modified, head.request_id)

    async def _pause(self, error: OSSError, attempt: int) -> None:
        """Wait before the next attempt, which is known to be safe now.

        Raises:
            OSSError: *error*, when there have been enough.
        """
        retry = self.client.options.retry
        delay = retry.delay_after(error, attempt=attempt, idempotent=True, jitter=self.client.jitter())
        if delay is None:
            raise error
        await trio.sleep(delay)


async def give_up(bucket: Uploads, key: str, upload_id: str) -> None:
    """Abort an upload on the way out of a failure or a cancellation, which goes on; parts that stay cost money.

    It raises nothing: what cannot be removed is told to the log.
    """
    with trio.move_on_after(_GIVE_UP) as scope:
        scope.shield = True
        try:
            await bucket.abort_multipart_upload(key, upload_id)
        except NoSuchUpload:
            pass
        except OSSError as exc:
            log.warning("the upload %s of %s is left behind: %s", upload_id, key, exc)


def _check_final(told: int | None, ours: int, what: str) -> None:
    """Compare the CRC-64 of what cannot be taken back.

    Raises:
        IntegrityError: they differ; sending it again would not help.
    """
    try:
        check_crc64(told, ours, what)
    except IntegrityError as exc:
        exc.transient = False
        raise
