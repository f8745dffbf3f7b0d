"""One request, one connection."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from ossmount.oss.fetching import fetch
from ossmount.wire.errors import BrokenResponse, ConnectFailed, TimedOut

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def test_an_answer_is_fetched_over_the_network(service: Any) -> None:
    service.script = [ANSWER]
    origin = service.origin
    response = await fetch(f"http://{origin.host}:{origin.port}/a?b=c", method="POST", body=b"xy", headers={"X-A": "1"})
    assert (response.status, response.body) == (200, b"ok")
    head = service.heads[0].decode()
    assert head.startswith("POST /a?b=c HTTP/1.1\r\n")
    assert "x-a: 1" in head
    assert "connection: close" in head
    assert service.bodies == [b"xy"]


async def test_what_broke_is_tried_again(service: Any) -> None:
    service.script = [b"nonsense\r\n\r\n", ANSWER]
    origin = service.origin
    assert (await fetch(f"http://{origin.host}:{origin.port}/")).body == b"ok"
    service.script = [b"nonsense\r\n\r\n"] * 2
    with pytest.raises(BrokenResponse):
        await fetch(f"http://{origin.host}:{origin.port}/", attempts=2)


async def test_silence_is_bounded(scripted: Any, autojump_clock: trio.testing.MockClock) -> None:
    async def never(_: Any) -> Any:
        await trio.sleep_forever()

    service = scripted(never)
    with pytest.raises(TimedOut):
        await fetch("http://127.0.0.1/", transport=service, timeout=5, attempts=2)
    assert len(service.requests) == 2
    assert trio.current_time() == pytest.approx(10)


async def test_nobody_at_home() -> None:
    async with trio.open_nursery():
        sock = trio.socket.socket()
        await sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        sock.close()
    with pytest.raises(ConnectFailed):
        await fetch(f"http://127.0.0.1:{port}/", attempts=1)
    with pytest.raises(ValueError, match="not a URL"):
        await fetch("ftp://127.0.0.1/")
