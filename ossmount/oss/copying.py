"""Copies of any size inside the service.

CopyObject is one request, but the service limits it: to 1 GB between buckets, and in time for large objects.  What is
larger is copied in parts, several at once; then the copy's headers and user metadata have to be given, since parts
have none.

Source: API reference, "CopyObject", "UploadPartCopy".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from ..wire.errors import EntityTooLarge, InvalidArgument, OSSError
from ..wire.models import CopyObjectResult, PartResult
from .multipart import give_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.models import Source
    from .multipart import Uploads

log = logging.getLogger(__name__)

# Larger sources are copied in parts: "use UploadPartCopy above 1 GB".
LARGE = 1024**3
PART = 512 * 1024**2
_MAX_PARTS = 10_000


async def copy(
    bucket: Uploads,
    key: str,
    source: Source,
    *,
    headers: Mapping[str, str],
    meta: Mapping[str, str],
    source_bucket: str | None = None,
    source_version_id: str | None = None,
    forbid_overwrite: bool = False,
    large: int = LARGE,
    part_size: int = PART,
    parallel: int = 8,
) -> CopyObjectResult:
    """Copy *source*, or its version *source_version_id*, to *key*, which gets *headers* and *meta* and nothing else.

    Above *large* bytes it is copied in parts of *part_size* or more bytes, *parallel* at once.  A symlink cannot be
    copied in parts and always goes in one request.

    Raises:
        PreconditionFailed: the source has changed.
        OSSError: whatever else; an upload begun here is aborted.
    """
    if source.size <= large or source.type == "Symlink":
        try:
            return await bucket.copy_object(
                key,
                source.key,
                source_bucket=source_bucket,
                replace=True,
                headers=headers,
                meta=meta,
                if_match=source.etag,
                forbid_overwrite=forbid_overwrite,
                source_version_id=source_version_id,
            )
        except (EntityTooLarge, InvalidArgument) as exc:
            if source.size <= part_size:
                raise
            log.info("%s is too large for one request, copying it in parts: %s", source.key, exc)
    upload_id = await bucket.initiate_multipart_upload(
        key, headers=headers, meta=meta, forbid_overwrite=forbid_overwrite
    )
    try:
        parts = await _copy_parts(
            bucket,
            key,
            upload_id,
            source,
            source_bucket,
            source_version_id,
            max(part_size, -(-source.size // _MAX_PARTS)),
            parallel,
        )
        result = await bucket.complete_multipart_upload(
            key, upload_id, parts, crc64=source.crc64, headers=headers, forbid_overwrite=forbid_overwrite
        )
    except BaseException:
        await give_up(bucket, key, upload_id)
        raise
    return CopyObjectResult(result.etag, result.last_modified, result.crc64, result.version_id, result.request_id)


async def _copy_parts(
    bucket: Uploads,
    key: str,
    upload_id: str,
    source: Source,
    source_bucket: str | None,
    source_version_id: str | None,
    part_size: int,
    parallel: int,
) -> list[PartResult]:
    parts: list[PartResult] = []
    failures: list[OSSError] = []
    limiter = trio.CapacityLimiter(parallel)

    async def copy_part(number: int, start: int) -> None:
        stop = min(start + part_size, source.size)
        async with limiter:
            try:
                part = await bucket.upload_part_copy(
                    key,
                    upload_id,
                    number,
                    source.key,
                    start=start,
                    stop=stop,
                    if_match=source.etag,
                    source_bucket=source_bucket,
                    source_version_id=source_version_id,
                )
            except OSSError as exc:
                # Raised below: out of the nursery it would come in a group.
                failures.append(exc)
                nursery.cancel_scope.cancel()
            else:
                parts.append(part)

    async with trio.open_nursery() as nursery:
        for number, start in enumerate(range(0, source.size, part_size), 1):
            nursery.start_soon(copy_part, number, start)
    if failures:
        raise failures[0]
    return parts
