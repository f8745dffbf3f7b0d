"""`ossmount.oss`, on trio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ossmount.oss import Client, Endpoint, StaticCredentials

from .task import LARGE, SMALL, Task, Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ossmount.oss import Bucket
    from ossmount.wire.models import PartResult


def _run(task: Task, bucket: str, work: Callable[[Bucket], Awaitable[None]]) -> None:
    async def main() -> None:
        endpoint = Endpoint.parse(task.url, region=task.region)
        async with Client(endpoint, StaticCredentials(task.key_id, task.key_secret)) as client:
            await work(client.bucket(bucket))

    trio.run(main)


async def _at_once(count: int, at_once: int, act: Callable[[int], Awaitable[None]]) -> None:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await act(number)

    async with trio.open_nursery() as nursery:
        for _ in range(at_once):
            nursery.start_soon(worker)


def get(task: Task, watch: Watch) -> int:
    """Get LARGE in parts, each into a buffer that is used again."""
    buffers = [memoryview(bytearray(task.part)) for _ in range(task.parts_at_once)]

    async def work(bucket: Bucket) -> None:
        async def part(index: int) -> None:
            buffer = buffers.pop()
            start, stop = task.span(index)
            _, body = await bucket.get_object(LARGE, start=start, stop=stop, into=buffer)
            task.check(index, body)
            buffers.append(buffer)

        with watch:
            await _at_once(task.count, task.parts_at_once, part)

    _run(task, task.bucket, work)
    return task.size


def put(task: Task, watch: Watch) -> int:
    """Put an object in parts."""
    pieces = task.pieces()

    async def work(bucket: Bucket) -> None:
        parts: dict[int, PartResult] = {}

        async def part(index: int) -> None:
            parts[index] = await bucket.upload_part(task.target, upload_id, index + 1, pieces[index])

        with watch:
            upload_id = await bucket.initiate_multipart_upload(task.target)
            await _at_once(task.count, task.parts_at_once, part)
            done = [parts[index] for index in range(task.count)]
            await bucket.complete_multipart_upload(task.target, upload_id, done)

    _run(task, task.bucket, work)
    return task.size


def head(task: Task, watch: Watch) -> int:
    """Ask for the head of SMALL."""

    async def work(bucket: Bucket) -> None:
        async def one(_: int) -> None:
            await bucket.head_object(SMALL)

        with watch:
            await _at_once(task.heads, task.heads_at_once, one)

    _run(task, task.bucket, work)
    return task.heads


def names(task: Task, watch: Watch) -> int:
    """Go through all keys."""
    found = 0

    async def work(bucket: Bucket) -> None:
        nonlocal found
        with watch:
            async for _ in bucket.iter_objects():
                found += 1

    _run(task, task.listed, work)
    return found
