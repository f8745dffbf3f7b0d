"""Any httpx transport in the place of ours: how tests and programs come between client and network."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from ..wire.errors import BrokenResponse, ConnectFailed, TimedOut
from ..wire.message import Headers
from .transport import Carrier, Reply, Transport, write_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .connection import Body
    from .endpoints import Origin


def carry(transport: httpx.AsyncBaseTransport) -> Carrier:
    """Return *transport* as the client wants it."""
    return transport if isinstance(transport, Transport) else _Carried(transport)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
        raise ConnectFailed(str(exc)) from exc
    except httpx.TimeoutException as exc:
        raise TimedOut(str(exc)) from exc
    except httpx.TransportError as exc:
        raise BrokenResponse(str(exc)) from exc


class _Carried:
    """Any httpx transport as a `Carrier`."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def start(
        self, origin: Origin, method: str, target: str, headers: Headers, body: Body, *, timeout: float, again: bool
    ) -> Reply:
        write_head(method, target, headers)
        request = httpx.Request(
            method,
            f"{'https' if origin.tls else 'http'}://{origin.host or 'localhost'}:{origin.port}/",
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
            content=bytes(body) if isinstance(body, bytearray | memoryview) else body,
            extensions={"target": target.encode("latin-1"), "timeout": httpx.Timeout(timeout).as_dict()},
        )
        with _translated():
            response = await self._transport.handle_async_request(request)
        fields = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
        return _CarriedReply(response, Headers(fields), method)

    async def aclose(self) -> None:
        await self._transport.aclose()


class _CarriedReply:
    """An httpx response as a `Reply`."""

    def __init__(self, response: httpx.Response, headers: Headers, method: str) -> None:
        self.status = response.status_code
        self.headers = headers
        length = headers.get("content-length")
        self._left = 0 if method == "HEAD" or self.status in (204, 304) else int(length) if length else None
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        self._stream = stream
        self._pieces: AsyncIterator[bytes] = stream.__aiter__()
        self._rest = b""

    @property
    def size(self) -> int | None:
        return self._left

    async def aclose(self) -> None:
        if isinstance(self._pieces, AsyncGenerator):
            await self._pieces.aclose()
        await self._stream.aclose()

    async def read_some(self, size: int) -> bytes | None:
        if self._left == 0:
            return None
        while not self._rest:
            try:
                with _translated():
                    self._rest = await anext(self._pieces)
            except StopAsyncIteration:
                if self._left is None:
                    self._left = 0
                    return None
                raise BrokenResponse(f"the body is {self._left} bytes short") from None
        piece, self._rest = self._rest[:size], self._rest[size:]
        if self._left is not None:
            self._left -= len(piece)
        return piece

    async def read(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while (piece := await self.read_some(limit + 1)) is not None:
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise BrokenResponse(f"more than {limit} bytes")
        return b"".join(pieces)

    async def read_into(self, view: memoryview) -> int:
        body = await self.read(len(view))
        view[: len(body)] = body
        return len(body)
