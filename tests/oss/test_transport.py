"""The transport against a service that misbehaves byte by byte."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
import trio.testing

from ossmount.oss.endpoints import Origin
from ossmount.oss.transport import Transport
from ossmount.wire.errors import BrokenResponse, ConnectFailed, TimedOut, TransportError
from ossmount.wire.message import Headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ossmount.oss.answer import Answer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
BIG = 8 * 1024 * 1024


async def start(
    transport: Transport,
    service: Any,
    method: str = "GET",
    body: Any = None,
    *,
    again: bool = True,
    timeout: float = 20.0,
    **headers: str,
) -> Answer:
    fields = Headers({"host": "x", **{name.replace("_", "-"): value for name, value in headers.items()}})
    if isinstance(body, bytes | bytearray | memoryview):
        fields["content-length"] = str(len(body))
    return await transport.start(service.origin, method, "/k", fields, body, timeout=timeout, again=again)


async def get(transport: Transport, service: Any, *args: Any, **kwargs: Any) -> bytes:
    answer = await start(transport, service, *args, **kwargs)
    try:
        return await answer.read(1 << 30)
    finally:
        answer.close()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.aclose()


@pytest.fixture
def autojump_clock(autojump_clock: trio.testing.MockClock) -> trio.testing.MockClock:
    """Time jumps when nothing has happened for a while: what was sent may not have arrived at once."""
    autojump_clock.autojump_threshold = 0.05
    return autojump_clock


async def test_an_answer_has_status_headers_and_body(service: Any, transport: Transport) -> None:
    service.script = [OK]
    answer = await start(transport, service)
    assert (answer.status, answer.headers, answer.size) == (200, {"content-length": "5", "x-a": "b"}, 5)
    assert await answer.read(5) == b"hello"
    answer.close()
    assert service.heads == [b"GET /k HTTP/1.1\r\nhost: x"]


async def test_a_connection_is_used_again(service: Any, transport: Transport) -> None:
    service.script = [OK, EMPTY, b"HTTP/1.1 404 No\r\n\r\n", OK]
    assert await get(transport, service) == b"hello"
    assert await get(transport, service, "DELETE") == b""
    # An answer to HEAD has no body, whatever it says about its length.
    assert await get(transport, service, "HEAD") == b""
    assert await get(transport, service) == b"hello"
    assert (service.connections, transport.opened) == (1, 1)


async def test_a_connection_whose_body_was_not_read_is_closed(service: Any, transport: Transport) -> None:
    service.script = [OK, OK]
    (await start(transport, service)).close()
    assert await get(transport, service) == b"hello"
    assert service.connections == 2


async def test_a_connection_that_the_service_will_close_is_not_used_again(service: Any, transport: Transport) -> None:
    service.script = [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", OK]
    assert await get(transport, service) == b""
    assert await get(transport, service) == b"hello"
    assert service.connections == 2


async def test_a_connection_closed_while_idle_is_replaced(service: Any, transport: Transport) -> None:
    async def answer_and_close(exchange: Any) -> None:
        await exchange.stream.send_all(OK)

    service.script = [answer_and_close, OK]
    assert await get(transport, service) == b"hello"
    await trio.testing.wait_all_tasks_blocked(cushion=0.05)
    assert await get(transport, service, again=False) == b"hello"
    assert service.connections == 2


async def close(exchange: Any) -> None:
    """Hang up."""


async def test_a_request_that_met_a_closing_connection_is_sent_again(service: Any, transport: Transport) -> None:
    service.script = [OK, close, OK]
    assert await get(transport, service) == b"hello"
    assert await get(transport, service) == b"hello"
    assert service.connections == 2


async def test_a_request_that_must_not_be_sent_twice_is_not(service: Any, transport: Transport) -> None:
    service.script = [OK, close, OK]
    assert await get(transport, service) == b"hello"
    with pytest.raises(BrokenResponse):
        await get(transport, service, again=False)
    assert len(service.script) == 1


async def test_a_fresh_connection_without_an_answer_is_not_tried_again(service: Any, transport: Transport) -> None:
    service.script = [close, OK]
    with pytest.raises(BrokenResponse, match="without an answer"):
        await get(transport, service)


async def test_an_old_connection_is_not_used(service: Any, transport: Transport, autojump_clock: Any) -> None:
    service.script = [OK, OK, OK]
    await get(transport, service)
    await trio.sleep(31)
    await get(transport, service)
    assert service.connections == 2


async def test_chunks_are_put_together(service: Any, transport: Transport) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
    service.script = [chunked, chunked, OK]
    assert await get(transport, service) == b"hello"
    answer = await start(transport, service)
    assert answer.size is None
    buffer = bytearray(10)
    assert await answer.read_into(memoryview(buffer)) == 5
    assert buffer[:5] == b"hello"
    answer.close()
    assert await get(transport, service) == b"hello"
    assert service.connections == 1


async def test_a_body_without_length_ends_with_the_connection(service: Any, transport: Transport) -> None:
    async def answer(exchange: Any) -> None:
        await exchange.stream.send_all(b"HTTP/1.1 200 OK\r\n\r\nhel")
        await exchange.stream.send_all(b"lo")

    service.script = [answer]
    assert await get(transport, service) == b"hello"


async def test_informational_answers_are_passed_over(service: Any, transport: Transport) -> None:
    service.script = [b"HTTP/1.1 100 Continue\r\n\r\n" + OK]
    assert await get(transport, service) == b"hello"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "45 bytes short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", "within the body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhel\r\n", "broken chunks"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "within the head"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 what\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "does not speak HTTP|switched protocols"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000, "does not speak HTTP|within the head"),
        (b"", "without an answer"),
    ],
)
async def test_a_broken_answer_says_what_is_broken(
    service: Any, transport: Transport, answer: bytes, message: str
) -> None:
    async def send(exchange: Any) -> None:
        await exchange.stream.send_all(answer)

    service.script = [send]
    with pytest.raises(BrokenResponse, match=message):
        await get(transport, service)
    assert "0 idle" in repr(transport)


async def test_a_body_is_received_into_a_buffer(service: Any, transport: Transport) -> None:
    body = bytes(range(256)) * (BIG // 256)
    service.script = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (BIG, body), OK]
    buffer = bytearray(BIG + 1)
    answer = await start(transport, service)
    assert await answer.read_into(memoryview(buffer)) == BIG
    answer.close()
    assert buffer[:-1] == body
    assert await get(transport, service) == b"hello"
    assert service.connections == 1


async def test_a_body_longer_than_wanted_is_refused(service: Any, transport: Transport) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    service.script = [OK, OK, chunked]
    for read in ("read_into", "read", "read"):
        answer = await start(transport, service)
        with pytest.raises(BrokenResponse, match="4"):
            await getattr(answer, read)(memoryview(bytearray(4)) if read == "read_into" else 4)
        answer.close()


async def test_a_body_may_be_read_piece_by_piece(service: Any, transport: Transport) -> None:
    service.script = [OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
    for _ in range(2):
        answer = await start(transport, service)
        pieces = []
        while (piece := await answer.read_some(2)) is not None:
            pieces.append(piece)
        assert pieces == [b"he", b"ll", b"o"]
        answer.close()


@pytest.mark.parametrize("size", [0, 1, 20_000, 100_000, BIG])
async def test_a_body_arrives_as_it_was_sent(service: Any, transport: Transport, size: int) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    body = body[:size]
    service.script = [OK, OK]
    assert await get(transport, service, "PUT", body) == b"hello"
    assert await get(transport, service, "PUT", memoryview(bytearray(body))) == b"hello"
    assert service.bodies == [body, body]
    assert service.connections == 1


async def test_a_stream_of_known_length_arrives(service: Any, transport: Transport) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"he", b"", b"llo"):
            yield piece

    service.script = [OK, OK]
    assert await get(transport, service) == b"hello"
    assert await get(transport, service, "PUT", pieces(), content_length="5") == b"hello"
    assert service.bodies == [b"", b"hello"]
    # What can be read only once is not sent over a connection that may be stale.
    assert service.connections == 2


async def test_a_stream_of_unknown_length_arrives_in_chunks(service: Any, transport: Transport) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"he", b"", b"llo"):
            yield piece

    async def answer(exchange: Any) -> None:
        service.bodies.append(await exchange.body(20))
        await exchange.stream.send_all(OK)

    service.script = [answer]
    assert await get(transport, service, "PUT", pieces(), transfer_encoding="chunked") == b"hello"
    assert service.bodies == [b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"]


async def test_a_stream_that_fails_raises_what_it_raised(service: Any, transport: Transport) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"he"
        raise KeyError("disk")

    async def wait(exchange: Any) -> None:
        await exchange.until_closed()

    service.script = [wait]
    with pytest.raises(KeyError, match="disk"):
        await get(transport, service, "PUT", pieces(), content_length="5")


REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"


async def test_a_refusal_before_the_end_of_the_body_is_read(service: Any, transport: Transport) -> None:
    """The service answers after the head and reads no further, but does not hang up either."""

    async def refuse(exchange: Any) -> None:
        await exchange.stream.send_all(REFUSAL)
        await service.hung_up.wait()

    service.script = [refuse, OK]
    assert await get(transport, service, "PUT", bytes(4 * BIG)) == b"no"
    service.hung_up.set()
    assert await get(transport, service) == b"hello"
    assert service.connections == 2


async def test_a_refusal_before_the_end_of_a_stream_is_read(service: Any, transport: Transport) -> None:
    class Endless:
        def __aiter__(self) -> Endless:
            return self

        async def __anext__(self) -> bytes:
            return bytes(1 << 20)

    async def refuse(exchange: Any) -> None:
        await exchange.stream.send_all(REFUSAL)
        await service.hung_up.wait()

    service.script = [refuse]
    assert await get(transport, service, "PUT", Endless(), transfer_encoding="chunked") == b"no"
    service.hung_up.set()


async def test_success_before_the_end_of_the_body_is_not_believed(service: Any, transport: Transport) -> None:
    async def early(exchange: Any) -> None:
        await exchange.stream.send_all(OK)
        await service.hung_up.wait()

    service.script = [early]
    with pytest.raises(BrokenResponse, match="without waiting"):
        await get(transport, service, "PUT", bytes(4 * BIG))
    service.hung_up.set()


async def test_success_before_hanging_up_on_the_body_is_not_believed(service: Any, transport: Transport) -> None:
    async def early(exchange: Any) -> None:
        await exchange.stream.send_all(OK)

    # Small enough to be sent without looking whether there is an answer.
    service.script = [early] * 20
    for _ in range(20):
        with pytest.raises(BrokenResponse, match=r"without waiting|lost the connection"):
            await get(transport, service, "PUT", bytes(4 * BIG))


async def test_a_service_that_hangs_up_on_a_body_breaks_the_request(service: Any, transport: Transport) -> None:
    service.script = [close]
    with pytest.raises(TransportError):
        await get(transport, service, "PUT", bytes(4 * BIG))


async def test_silence_ends_in_a_timeout(service: Any, transport: Transport, autojump_clock: Any) -> None:
    async def silence(exchange: Any) -> None:
        await exchange.until_closed()

    async def half(exchange: Any) -> None:
        await exchange.stream.send_all(OK[:-2])
        await exchange.until_closed()

    service.script = [silence, half]
    begun = trio.current_time()
    with pytest.raises(TimedOut, match="silent for 20 s"):
        await get(transport, service)
    with pytest.raises(TimedOut):
        await get(transport, service)
    assert trio.current_time() - begun == pytest.approx(40.0)


async def test_a_service_that_takes_no_more_of_a_body_is_silent(service: Any, transport: Transport) -> None:
    async def deaf(exchange: Any) -> None:
        await service.hung_up.wait()

    service.script = [deaf]
    with pytest.raises(TimedOut, match=r"silent for 0\.1 s"):
        await get(transport, service, "PUT", bytes(4 * BIG), timeout=0.1)
    service.hung_up.set()


async def test_a_refused_connection_has_sent_nothing(transport: Transport, service: Any) -> None:
    sock = trio.socket.socket()
    await sock.bind(("127.0.0.1", 0))
    service.origin = Origin(*sock.getsockname())
    with pytest.raises(ConnectFailed, match="refused") as caught:
        await get(transport, service)
    assert not caught.value.sent
    sock.close()


async def test_a_handshake_that_takes_too_long_has_sent_nothing(
    service: Any, transport: Transport, autojump_clock: Any
) -> None:
    service.origin = service.origin._replace(tls=True)
    with pytest.raises(ConnectFailed, match="within 10 s") as caught:
        await get(transport, service)
    assert not caught.value.sent


async def test_connections_idle_for_long_are_closed_when_another_comes_back(
    service: Any, transport: Transport, autojump_clock: Any
) -> None:
    service.script = [OK] * 3
    first, second = await start(transport, service), await start(transport, service)
    for answer in (first, second):
        await answer.read(5)
    first.close()
    await trio.sleep(31)
    second.close()
    assert repr(transport) == "<Transport 1 idle, 2 opened>"


async def test_a_missing_socket_file_has_sent_nothing(transport: Transport, service: Any, tmp_path: Any) -> None:
    service.origin = Origin("localhost", 80, path=str(tmp_path / "none"))
    with pytest.raises(ConnectFailed, match="No such file"):
        await get(transport, service)


async def test_a_unix_socket_serves_as_well(unix_service: Any, transport: Transport) -> None:
    unix_service.script = [OK, OK]
    assert await get(transport, unix_service, "PUT", bytes(BIG)) == b"hello"
    assert await get(transport, unix_service) == b"hello"
    assert unix_service.bodies == [bytes(BIG), b""]
    assert unix_service.connections == 1


async def test_tls_carries_bodies_both_ways(tls_service: Any, certificate: str) -> None:
    transport = Transport(ssl_context=ssl.create_default_context(cafile=certificate))
    body = bytes(range(256)) * (BIG // 256)
    tls_service.script = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (BIG, body), OK]
    buffer = bytearray(BIG)
    answer = await start(transport, tls_service, "PUT", body)
    await answer.read_into(memoryview(buffer))
    answer.close()
    assert (bytes(buffer), tls_service.bodies) == (body, [body])
    assert await get(transport, tls_service) == b"hello"
    assert tls_service.connections == 1
    await transport.aclose()


async def test_a_certificate_that_is_not_trusted_is_final(tls_service: Any, transport: Transport) -> None:
    with pytest.raises(ConnectFailed, match="certificate") as caught:
        await get(transport, tls_service)
    assert not caught.value.transient


async def test_cancelling_closes_the_connection(service: Any, transport: Transport) -> None:
    asked = trio.Event()

    async def wait(exchange: Any) -> None:
        asked.set()
        await exchange.until_closed()
        service.hung_up.set()

    service.script = [wait]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(get, transport, service)
        await asked.wait()
        nursery.cancel_scope.cancel()
    with trio.fail_after(120):
        await service.hung_up.wait()
    assert "0 idle" in repr(transport)


async def test_cancelling_while_sending_closes_the_connection(service: Any, transport: Transport) -> None:
    asked = trio.Event()

    async def wait(exchange: Any) -> None:
        asked.set()
        await service.hung_up.wait()

    service.script = [wait]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(get, transport, service, "PUT", bytes(4 * BIG))
        await asked.wait()
        nursery.cancel_scope.cancel()
    service.hung_up.set()
    assert "0 idle" in repr(transport)


async def test_a_closed_transport_keeps_no_connection(service: Any) -> None:
    transport = Transport()
    service.script = [OK, OK]
    await get(transport, service)
    answer = await start(transport, service)
    await transport.aclose()
    assert await answer.read(5) == b"hello"
    answer.close()
    assert "0 idle" in repr(transport)
    with trio.fail_after(120):
        await service.hung_up.wait()


async def test_it_serves_httpx(service: Any, transport: Transport) -> None:
    service.script = [OK, OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", close]
    async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{service.origin.port}") as client:
        assert (await client.get("/a/b?c")).text == "hello"
        assert (await client.put("/", content=b"12345")).text == "hello"
        assert (await client.request("GET", "/", extensions={"target": b"/a/../b"})).text == "hello"
        with pytest.raises(httpx.RemoteProtocolError):
            await client.put("/", content=b"x")
    async with httpx.AsyncClient(transport=Transport()) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:1/")
    assert [head.split(b"\r\n")[0] for head in service.heads[:3]] == [
        b"GET /a/b?c HTTP/1.1",
        b"PUT / HTTP/1.1",
        b"GET /a/../b HTTP/1.1",
    ]
    assert service.bodies[:2] == [b"", b"12345"]
