"""Cancelled at any moment, a request leaves no trace: no place taken, no connection out of step."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import pytest
import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ossmount.oss import Bucket, Client

DATA = os.urandom(600 * 1024)
_numbers = itertools.count()


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope when its task has been resumed so many times."""

    def __init__(self, scope: trio.CancelScope, task: trio.lowlevel.Task, step: int) -> None:
        self._scope = scope
        self._task = task
        self._left = step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if self._left == 0:
                self._scope.cancel()


async def get(bucket: Bucket) -> None:
    _, body = await bucket.get_object("k")
    assert body == DATA


async def get_into(bucket: Bucket) -> None:
    _, body = await bucket.get_object("k", start=5, into=memoryview(bytearray(len(DATA))))
    assert body == DATA[5:]


async def read(bucket: Bucket) -> None:
    async with bucket.open_object("k") as (_, pieces):
        assert b"".join([piece async for piece in pieces]) == DATA


async def put(bucket: Bucket) -> None:
    await bucket.put_object("k", DATA)


async def put_stream(bucket: Bucket) -> None:
    async def pieces() -> Any:
        for start in range(0, len(DATA), 100_000):
            await trio.lowlevel.checkpoint()
            yield DATA[start : start + 100_000]

    await bucket.put_object("k", pieces(), size=len(DATA))


async def append(bucket: Bucket) -> None:
    # Another each time: what was cancelled may still arrive.
    await bucket.append_object(f"log{next(_numbers)}", 0, DATA)


@pytest.mark.parametrize("operation", [get, get_into, read, put, put_stream, append])
async def test_cancelling_at_any_step_leaves_no_trace(
    bucket: Bucket, client: Client, operation: Callable[[Bucket], Awaitable[None]]
) -> None:
    await bucket.put_object("k", DATA)
    # More steps than any of them takes.
    for step in range(1, 30):
        with trio.CancelScope() as scope:
            instrument = CancelAtStep(scope, trio.lowlevel.current_task(), step)
            trio.lowlevel.add_instrument(instrument)
            try:
                await operation(bucket)
            finally:
                trio.lowlevel.remove_instrument(instrument)
        assert client.statistics().in_flight == 0
        head, body = await bucket.get_object("k")
        assert (body, head.size) == (DATA, len(DATA))
