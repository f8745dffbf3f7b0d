"""Who is asked when several places hold the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from ossmount.config import load
from ossmount.connecting import ask_any, open_bucket
from ossmount.wire.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ossmount.config import Config

Place = Callable[[float], Awaitable[str]]

NEVER = float("inf")
ANSWER = b"<ListAllMyBucketsResult><Owner><ID>me</ID></Owner><Buckets></Buckets></ListAllMyBucketsResult>"


@pytest.fixture
async def place(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> AsyncIterator[Place]:
    """Start a service that answers everything in the same way after so many seconds; return its URL."""
    # Of sockets the clock knows only that nothing happens.
    autojump_clock.autojump_threshold = 0.2

    async def serve(seconds: float, stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(1 << 16)
            await trio.sleep(seconds)
            await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER))

    async def start(seconds: float) -> str:
        listeners = await nursery.start(partial(trio.serve_tcp, partial(serve, seconds), 0, host="127.0.0.1"))
        return "http://{}:{}".format(*listeners[0].socket.getsockname()[:2])

    yield start
    nursery.cancel_scope.cancel()


def config_of(*places: str, **given: Any) -> Config:
    who = {"region": "cn-hangzhou", "access_key_id": "ak", "access_key_secret": "sk"}
    return load("bucket", Path("/mnt"), given=who | {"endpoint": places} | given, environ={}, files=[])


async def owner(config: Config) -> str:
    return (await ask_any(config, lambda client: client.list_buckets())).owner.id


async def test_a_place_that_is_silent_is_left_for_the_next(
    autojump_clock: trio.testing.MockClock, place: Place
) -> None:
    config = config_of(await place(NEVER), await place(0.0))
    begun = trio.current_time()
    assert await owner(config) == "me"
    assert 3.0 <= trio.current_time() - begun < 4.0


async def test_a_place_that_is_slow_is_asked_again_when_there_is_no_other(
    autojump_clock: trio.testing.MockClock, place: Place
) -> None:
    assert await owner(config_of(await place(15.0), "http://127.0.0.1:1")) == "me"
    with pytest.raises(TransportError):
        await owner(config_of("http://127.0.0.1:1", "http://localhost:1"))


async def test_several_places_are_opened_as_one_bucket_that_waits_as_long_as_was_said(
    autojump_clock: trio.testing.MockClock, place: Place
) -> None:
    config = config_of(await place(NEVER), await place(0.0), failover_after=2.0)
    async with open_bucket(config) as bucket:
        begun = trio.current_time()
        assert (await bucket.get_object("k"))[1] == ANSWER
        assert 2.0 <= trio.current_time() - begun < 3.0
