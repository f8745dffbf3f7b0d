"""alibabacloud-oss-v2, the SDK of version 2, by its async client, on asyncio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import alibabacloud_oss_v2 as v2
from alibabacloud_oss_v2 import aio

from .task import LARGE, SMALL, Task, Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def _run(task: Task, work: Callable[[aio.AsyncClient], Awaitable[int]]) -> int:
    async def main() -> int:
        config = v2.config.load_default()
        config.credentials_provider = v2.credentials.StaticCredentialsProvider(task.key_id, task.key_secret)
        config.region = task.region
        config.endpoint = task.url
        config.use_path_style = True
        async with aio.AsyncClient(config) as client:
            return await work(client)

    return asyncio.run(main())


async def _at_once(count: int, at_once: int, act: Callable[[int], Awaitable[None]]) -> None:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await act(number)

    await asyncio.gather(*(worker() for _ in range(at_once)))


def get(task: Task, watch: Watch) -> int:
    """Get LARGE in parts."""

    async def work(client: aio.AsyncClient) -> int:
        async def part(index: int) -> None:
            start, stop = task.span(index)
            request = v2.GetObjectRequest(task.bucket, LARGE, range_header=f"bytes={start}-{stop - 1}")
            result = await client.get_object(request)
            task.check(index, await result.body.read())

        with watch:
            await _at_once(task.count, task.parts_at_once, part)
        return task.size

    return _run(task, work)


def put(task: Task, watch: Watch) -> int:
    """Put an object in parts."""
    pieces = task.pieces()

    async def work(client: aio.AsyncClient) -> int:
        bucket, key = task.bucket, task.target
        parts: dict[int, v2.UploadPart] = {}

        async def part(index: int) -> None:
            request = v2.UploadPartRequest(bucket, key, part_number=index + 1, upload_id=upload_id, body=pieces[index])
            parts[index] = v2.UploadPart(part_number=index + 1, etag=(await client.upload_part(request)).etag)

        with watch:
            begun = await client.initiate_multipart_upload(v2.InitiateMultipartUploadRequest(bucket, key))
            upload_id = begun.upload_id
            await _at_once(task.count, task.parts_at_once, part)
            whole = v2.CompleteMultipartUpload(parts=[parts[index] for index in range(task.count)])
            await client.complete_multipart_upload(
                v2.CompleteMultipartUploadRequest(bucket, key, upload_id=upload_id, complete_multipart_upload=whole)
            )
        return task.size

    return _run(task, work)


def head(task: Task, watch: Watch) -> int:
    """Ask for the head of SMALL."""

    async def work(client: aio.AsyncClient) -> int:
        async def one(_: int) -> None:
            await client.head_object(v2.HeadObjectRequest(task.bucket, SMALL))

        with watch:
            await _at_once(task.heads, task.heads_at_once, one)
        return task.heads

    return _run(task, work)


def names(task: Task, watch: Watch) -> int:
    """Go through all keys."""

    async def work(client: aio.AsyncClient) -> int:
        found = 0
        with watch:
            pages = client.list_objects_v2_paginator(limit=1000)
            async for page in pages.iter_page(v2.ListObjectsV2Request(task.listed)):
                found += len(page.contents or ())
        return found

    return _run(task, work)
