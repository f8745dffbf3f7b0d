"""One exchange: a request that takes its time to be sent, and an answer that does not wait for all of it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from ossmount.oss.transport import Transport
from ossmount.wire.errors import BrokenResponse
from ossmount.wire.message import Headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(params=["service", "tls_service"])
def either(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
async def transport(certificate: str) -> AsyncIterator[Transport]:
    transport = Transport(ssl_context=ssl.create_default_context(cafile=certificate))
    yield transport
    await transport.aclose()


async def put(transport: Transport, service: Any, body: AsyncIterator[bytes], size: int) -> bytes:
    fields = Headers({"host": "x", "content-length": str(size)})
    answer = await transport.start(service.origin, "PUT", "/k", fields, body, timeout=20.0, again=False)
    try:
        return await answer.read(100)
    finally:
        answer.close()


async def test_an_answer_may_come_while_a_stream_has_yet_to_say_that_it_is_at_its_end(
    either: Any, transport: Transport
) -> None:
    answered = trio.Event()

    async def answer(exchange: Any) -> None:
        assert await exchange.body(1 << 20) == bytes(1 << 20)
        await exchange.stream.send_all(OK)
        answered.set()
        await exchange.until_closed()

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(16):
            yield bytes(1 << 16)
        await answered.wait()
        await trio.testing.wait_all_tasks_blocked()

    either.script = [answer]
    assert await put(transport, either, stream(), 1 << 20) == b"hello"


async def test_a_success_before_the_end_of_a_stream_is_not_believed(either: Any, transport: Transport) -> None:
    async def answer(exchange: Any) -> None:
        await exchange.body(1 << 16)
        await exchange.stream.send_all(OK)
        await exchange.until_closed()

    async def stream() -> AsyncIterator[bytes]:
        yield bytes(1 << 16)
        await trio.sleep_forever()

    either.script = [answer]
    with pytest.raises(BrokenResponse, match="without waiting"):
        await put(transport, either, stream(), 1 << 20)
