"""Other transports in the place of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ossmount.oss.carried import carry
from ossmount.oss.endpoints import Origin
from ossmount.oss.transport import Transport
from ossmount.wire.errors import BrokenResponse
from ossmount.wire.message import Headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ossmount.oss.transport import Reply


class Pieces(httpx.AsyncByteStream):
    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        self.closed = True


async def reply_to(response: httpx.Response, method: str = "GET") -> Reply:
    carrier = carry(httpx.MockTransport(lambda _: response))
    headers = Headers({"host": "x"})
    return await carrier.start(Origin("h", 80), method, "/k", headers, None, timeout=1.0, again=True)


async def test_our_own_transport_is_taken_as_it_is() -> None:
    transport = Transport()
    assert carry(transport) is transport


async def test_a_body_without_length_ends_with_its_pieces() -> None:
    stream = Pieces(b"hel", b"", b"lo")
    reply = await reply_to(httpx.Response(200, stream=stream))
    sizes = [reply.size]
    assert [await reply.read_some(2), await reply.read_some(2)] == [b"he", b"l"]
    assert await reply.read(10) == b"lo"
    assert await reply.read_some(1) is None
    assert [*sizes, reply.size] == [None, 0]
    await reply.aclose()
    assert stream.closed


async def test_a_short_body_is_broken() -> None:
    reply = await reply_to(httpx.Response(200, headers={"content-length": "9"}, stream=Pieces(b"hello")))
    assert reply.size == 9
    with pytest.raises(BrokenResponse, match="4 bytes short"):
        await reply.read(10)
    await reply.aclose()


async def test_a_long_body_is_broken() -> None:
    reply = await reply_to(httpx.Response(200, content=b"hello"))
    with pytest.raises(BrokenResponse, match="more than 4"):
        await reply.read(4)
    await reply.aclose()


async def test_a_body_is_copied_into_a_buffer() -> None:
    reply = await reply_to(httpx.Response(200, content=b"hello"))
    buffer = bytearray(8)
    assert await reply.read_into(memoryview(buffer)) == 5
    assert buffer == b"hello\0\0\0"
    await reply.aclose()


@pytest.mark.parametrize(("status", "method"), [(200, "HEAD"), (204, "GET"), (304, "GET")])
async def test_some_answers_have_no_body(status: int, method: str) -> None:
    reply = await reply_to(httpx.Response(status, headers={"content-length": "5"}), method)
    assert reply.size == 0
    assert await reply.read(5) == b""
    await reply.aclose()


async def test_closing_it_closes_the_transport() -> None:
    closed: list[Any] = []

    class Closing(httpx.MockTransport):
        async def aclose(self) -> None:
            closed.append(self)

    await carry(Closing(lambda _: httpx.Response(200))).aclose()
    assert closed
