"""Who has somebody else to ask does not wait long for one that is silent, and never gives up one that is only slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from ossmount.oss import Client, ClientOptions, Cluster, Endpoint, RetryPolicy, StaticCredentials
from ossmount.oss.hurry import hurried
from ossmount.wire.errors import ConnectFailed, OSSError, PreconditionFailed, ServiceError, TimedOut

Made = Callable[..., Cluster]
Clock = trio.testing.MockClock


class Slow(httpx.AsyncBaseTransport):
    """A service on the clock of trio that answers after so many seconds, if it is waited for as long."""

    def __init__(self, seconds: float, status: int) -> None:
        self.seconds = seconds
        self.status = status
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        with trio.move_on_after(request.extensions["timeout"]["read"]):
            await trio.sleep(self.seconds)
            body = b"body" if self.status == 200 else b""
            headers = {
                "etag": '"E"',
                "last-modified": "Sun, 22 Nov 2026 10:00:00 GMT",
                "content-length": str(len(body)),
            }
            return httpx.Response(self.status, headers=headers, stream=httpx.ByteStream(body))
        raise httpx.ReadTimeout("silent")


@pytest.fixture
def cluster_of() -> Made:
    def make(*services: Slow, **options: Any) -> Cluster:
        clients = [
            Client(
                Endpoint.parse(f"http://place{number}.example", region="cn-hangzhou"),
                StaticCredentials("ak", "sk"),
                options=ClientOptions(retry=RetryPolicy(attempts=2, base=0.0), timeout=20.0),
                transport=service,
            )
            for number, service in enumerate(services)
        ]
        return Cluster([client.bucket("bucket") for client in clients], schedule="masterSlave", **options)

    return make


NEVER = float("inf")


async def test_one_that_is_silent_is_left_for_another_after_seconds(cluster_of: Made, autojump_clock: Clock) -> None:
    silent, well = Slow(NEVER, 200), Slow(0.0, 200)
    failures: list[OSSError] = []
    cluster = cluster_of(silent, well, on_error=lambda _, error: failures.append(error))
    begun = trio.current_time()

    assert (await cluster.get_object("k"))[1] == b"body"

    assert trio.current_time() - begun == pytest.approx(3.0)
    assert [type(each) for each in failures] == [TimedOut]
    assert [cluster.is_alive(member) for member in cluster.members] == [False, True]
    async with cluster.open_object("k") as (_, pieces):
        assert [piece async for piece in pieces] == [b"body"]
    assert (silent.asked, well.asked) == (1, 2)
    assert trio.current_time() - begun == pytest.approx(3.0)


async def test_how_long_is_for_the_caller_to_say(cluster_of: Made, autojump_clock: Clock) -> None:
    begun = trio.current_time()
    await cluster_of(Slow(NEVER, 200), Slow(0.0, 200), failover_after=0.5).get_object("k")
    assert trio.current_time() - begun == pytest.approx(0.5)
    with pytest.raises(ValueError, match="failover_after"):
        cluster_of(Slow(0.0, 200), failover_after=0.0)


@pytest.mark.parametrize("others", [(), (Slow(0.0, 500),), (Slow(NEVER, 200), Slow(NEVER, 200))])
async def test_one_that_is_slow_is_waited_for_when_there_is_nobody_else(
    cluster_of: Made, autojump_clock: Clock, others: tuple[Slow, ...]
) -> None:
    cluster = cluster_of(Slow(15.0, 200), *others)
    assert (await cluster.get_object("k"))[1] == b"body"
    assert cluster.is_alive(cluster.members[0])


async def test_the_last_one_alive_is_not_hurried(cluster_of: Made, autojump_clock: Clock) -> None:
    down, slow = Slow(0.0, 503), Slow(15.0, 200)
    cluster = cluster_of(down, slow)
    for _ in range(2):
        assert (await cluster.get_object("k"))[1] == b"body"
    assert slow.asked == 2


async def test_an_answer_to_fall_back_on_is_not_kept_for_one_that_is_silent(
    cluster_of: Made, autojump_clock: Clock
) -> None:
    silent = Slow(NEVER, 200)
    cluster = cluster_of(Slow(0.0, 412), silent)
    begun = trio.current_time()
    with pytest.raises(PreconditionFailed):
        await cluster.get_object("k", if_match="other")
    assert trio.current_time() - begun == pytest.approx(3.0)
    assert silent.asked == 1


async def test_a_listing_that_goes_on_is_not_held_up_either(cluster_of: Made, autojump_clock: Clock) -> None:
    silent = Slow(NEVER, 200)
    cluster = cluster_of(silent, Slow(0.0, 404))
    begun = trio.current_time()
    with pytest.raises(ServiceError):
        await cluster.list_objects_v2(continuation_token='[0, "token", "a"]')
    assert trio.current_time() - begun == pytest.approx(3.0)


async def test_the_probe_finds_soon_who_is_silent_and_a_write_waits_longer(
    cluster_of: Made, autojump_clock: Clock
) -> None:
    slow = Slow(15.0, 404)
    cluster = cluster_of(slow, Slow(0.0, 404))
    begun = trio.current_time()
    await cluster.probe()
    assert trio.current_time() - begun == pytest.approx(3.0)
    assert not cluster.is_alive(cluster.members[0])
    # A change must get there in the end, so it is enough that there is an answer at all.
    await cluster.see_all_alive()
    assert cluster.is_alive(cluster.members[0])


async def test_what_is_asked_afterwards_is_not_hurried(cluster_of: Made, autojump_clock: Clock) -> None:
    (member,) = cluster_of(Slow(15.0, 200)).members
    with pytest.raises(TimedOut), hurried(3.0):
        await member.get_object("k")
    assert (await member.get_object("k"))[1] == b"body"


async def test_connecting_is_hurried_too(autojump_clock: Clock, nursery: trio.Nursery) -> None:
    # Of real sockets the clock knows only that nothing happens.
    autojump_clock.autojump_threshold = 0.2

    async def never_shake_hands(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, never_shake_hands, [listener])
    port = listener.socket.getsockname()[1]
    endpoint = Endpoint.parse(f"https://127.0.0.1:{port}", region="cn-hangzhou")
    begun = trio.current_time()
    async with Client(endpoint, StaticCredentials("ak", "sk")) as client:
        with pytest.raises(ConnectFailed, match="within 3 s"), hurried(3.0):
            await client.bucket("bucket").head_object("k")
    assert trio.current_time() - begun == pytest.approx(3.0)
    nursery.cancel_scope.cancel()


async def test_a_body_that_falls_silent_is_left_soon_as_well(autojump_clock: Clock, service: Any) -> None:
    autojump_clock.autojump_threshold = 0.2

    async def half(exchange: Any) -> None:
        await exchange.stream.send_all(b'HTTP/1.1 200 OK\r\netag: "E"\r\ncontent-length: 8\r\n\r\nhalf')
        await exchange.until_closed()

    service.script = [half]
    endpoint = Endpoint.parse(f"http://127.0.0.1:{service.origin.port}", region="cn-hangzhou")
    async with Client(endpoint, StaticCredentials("ak", "sk")) as client:
        begun = trio.current_time()
        with hurried(3.0):
            opened = client.bucket("bucket").open_object("k")
            _, pieces = await opened.__aenter__()
        assert await anext(pieces) == b"half"
        with pytest.raises(TimedOut, match="silent for 3 s") as caught:
            await anext(pieces)
        assert trio.current_time() - begun == pytest.approx(3.0)
        assert not client.health.alive
        await opened.__aexit__(TimedOut, caught.value, None)


async def test_who_waits_for_a_place_goes_elsewhere_and_the_busy_one_is_not_blamed(
    cluster_of: Made, autojump_clock: Clock
) -> None:
    cluster = cluster_of(Slow(15.0, 200), Slow(0.0, 200))
    busy, _ = cluster.members
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(busy.client.options.concurrency):
            nursery.start_soon(busy.get_object, "k")
        await trio.testing.wait_all_tasks_blocked()
        assert (await cluster.get_object("k"))[1] == b"body"
        assert trio.current_time() - begun == pytest.approx(3.0)
        assert cluster.is_alive(busy)
