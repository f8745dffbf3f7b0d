"""One request on one connection: body in, answer out, at the pace of the link, or cut off where a fault says so.

It speaks ASGI, and asks the connection below (see `asgi`) for what ASGI has no words for: closing and resetting.

Source: the ASGI specification, "HTTP & WebSocket ASGI Message Format", version 2.3.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Protocol

from ..wire.errors import EntityTooLarge
from .pacing import Lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping

    from ..wire.message import Response
    from ..wire.website import Website
    from .faults import Fault

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

# Shorter waits are left to add up: no timer is that exact.
_SHORTEST = 0.001


class Disconnected(Exception):
    """The client went away, or was sent away."""


class Connection(Protocol):
    """What an exchange needs of its connection: a lane each way, whether it is *gone*, and two ways to end it."""

    incoming: Lane
    outgoing: Lane

    @property
    def gone(self) -> bool:
        """Whether the client is."""

    def close(self) -> None:
        """Send what has been written, then close."""

    def reset(self) -> None:
        """Close at once, so that the client sees a reset."""


class Exchange:
    """A request under way; *received* and *sent* count bytes of bodies, *status* is 0 until there is an answer.

    What else the application wants to know of it at its end is here, too: who sent it (*client*, an address, and
    *access_key_id*), whether its host is one for pictures (*image*), the *website* it visits, and the error *code* and
    *request_id* of its answer.
    """

    def __init__(
        self, receive: Receive, send: Send, connection: Connection, *, client: str = "", image: bool = False
    ) -> None:
        self._receive = receive
        self._send = send
        self.connection = connection
        self.incoming = connection.incoming
        self.outgoing = connection.outgoing
        self.faults: list[Fault] = []
        self.received = 0
        self.sent = 0
        self.status = 0
        self.client = client
        self.image = image
        self.website: Website | None = None
        self.access_key_id = ""
        self.code = ""
        self.request_id = ""

    def slow_down(self, rate: float) -> None:
        """Let body and answer take no more than *rate* bytes a second."""
        self.incoming = Lane(min(rate, self.incoming.rate or rate))
        self.outgoing = Lane(min(rate, self.outgoing.rate or rate))

    async def receive_into(self, write: Callable[[bytes], None], limit: int) -> None:
        """Give the whole body to *write*, piece by piece.

        Raises:
            EntityTooLarge: it is longer than *limit* bytes.
            Disconnected: the client went away before the end.
        """
        cut = _first(fault.cut_upload for fault in self.faults)
        corrupt = _first(fault.corrupt_upload for fault in self.faults)
        lane = self.incoming
        lane.begin(time.monotonic())
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise Disconnected
            data, more = message.get("body", b""), message.get("more_body", False)
            if corrupt is not None:
                data = _flipped(data, corrupt - self.received)
            self.received += len(data)
            if self.received > limit:
                raise EntityTooLarge(details={"MaxSizeAllowed": str(limit)})
            if cut is not None and self.received >= cut:
                await self.abandon()
            write(data)
            if lane.rate:
                await _wait(lane.passed(len(data), time.monotonic()))

    async def respond(self, response: Response, pieces: Iterator[bytes] | None = None, *, head: bool = False) -> None:
        """Send *response*, its body from *pieces* if they are given; with *head* no body.

        Raises:
            Disconnected: a fault cut the answer off, or the client did not want all of it.
        """
        self.status = response.status
        await self._send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": _raw_headers(response.headers.items()),
            }
        )
        if head or (pieces is None and not response.body):
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        lane = self.outgoing
        if pieces is None:
            body = bytes(response.body)
            if not lane.rate and not self.faults:
                self.sent = len(body)
                await self._send({"type": "http.response.body", "body": body, "more_body": False})
                return
            pieces = (body[i : i + lane.unit] for i in range(0, len(body), lane.unit))
        lane.begin(time.monotonic())
        cut = _first(fault.cut for fault in self.faults)
        corrupt = _first(fault.corrupt for fault in self.faults)
        for data in pieces:
            if corrupt is not None:
                data = _flipped(data, corrupt - self.sent)
            if cut is not None and self.sent + len(data) >= cut:
                data = data[: cut - self.sent]
            if lane.rate:
                await _wait(lane.passed(len(data), time.monotonic()))
            if self.connection.gone:
                # Sending would do nothing, for all the gigabytes there may be.
                raise Disconnected
            self.sent += len(data)
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
            if cut is not None and self.sent >= cut:
                await self.abandon()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def abandon(self, *, reset: bool = False) -> None:
        """Close the connection, or reset it, in the middle of whatever it is doing.

        Raises:
            Disconnected: always.
        """
        if reset:
            self.connection.reset()
        else:
            self.connection.close()
        # uvicorn complains about an application that returns early, unless it knows of the end already.
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise Disconnected


async def _wait(seconds: float) -> None:
    if seconds >= _SHORTEST:
        await asyncio.sleep(seconds)


def _first(numbers: Iterable[int | None]) -> int | None:
    return next((number for number in numbers if number is not None), None)


def _flipped(data: bytes, index: int) -> bytes:
    """Return *data* with the byte at *index* changed, if it has one there."""
    if not 0 <= index < len(data):
        return data
    changed = bytearray(data)
    changed[index] ^= 0xFF
    return bytes(changed)


def _raw_headers(items: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    headers = []
    for name, value in items:
        try:
            raw = value.encode("latin-1")
        except UnicodeEncodeError:
            # Only what was a query parameter, decoded, or part of a message, can hold more.
            raw = value.encode("utf-8", "surrogateescape")
        headers.append((name.encode("latin-1"), raw))
    return headers
