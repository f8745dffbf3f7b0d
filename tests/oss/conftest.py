"""A service that does what a test says, byte by byte."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from ossmount.oss import Client, ClientOptions, Endpoint, RetryPolicy, StaticCredentials
from ossmount.oss.endpoints import Origin
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.message import Headers, Request, Response, decode_target

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


Step = Callable[["Exchange"], Awaitable[None]] | bytes


class Exchange:
    """One request at the service, and the stream to answer on."""

    def __init__(self, stream: trio.abc.Stream, head: bytes, rest: bytes) -> None:
        self.stream = stream
        self.head = head
        self._rest = rest

    async def body(self, size: int) -> bytes:
        """Receive *size* bytes of the body."""
        while len(self._rest) < size:
            data = await self.stream.receive_some(1 << 20)
            if not data:
                break
            self._rest += data
        body, self._rest = self._rest[:size], self._rest[size:]
        return bytes(body)

    async def until_closed(self) -> None:
        """Receive until the client hangs up."""
        try:
            while await self.stream.receive_some(1 << 20):
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


class Service:
    """Carries out one step of its script for each request; a step of bytes is an answer."""

    def __init__(self) -> None:
        self.script: list[Step] = []
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.hung_up = trio.Event()
        self.origin = Origin("", 0)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection."""
        self.connections += 1
        received = b""
        try:
            while True:
                while b"\r\n\r\n" not in received:
                    data = await stream.receive_some(1 << 16)
                    if not data:
                        self.hung_up.set()
                        return
                    received += bytes(data)
                head, _, received = received.partition(b"\r\n\r\n")
                self.heads.append(head)
                step = self.script.pop(0)
                if isinstance(step, bytes):
                    exchange = Exchange(stream, head, received)
                    size = [int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
                    self.bodies.append(await exchange.body(size[0] if size else 0))
                    received = b""
                    await stream.send_all(step)
                else:
                    await step(Exchange(stream, head, received))
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.hung_up.set()
        finally:
            await trio.aclose_forcefully(stream)


@pytest.fixture
async def service(nursery: trio.Nursery) -> AsyncIterator[Service]:
    """A scripted service on a port of the loopback."""
    service = Service()
    listeners = await nursery.start(partial(trio.serve_tcp, service.serve, 0, host="127.0.0.1"))
    service.origin = Origin(*listeners[0].socket.getsockname()[:2])
    yield service
    nursery.cancel_scope.cancel()


@pytest.fixture
async def unix_service(nursery: trio.Nursery, tmp_path: Path) -> AsyncIterator[Service]:
    """A scripted service on a unix socket."""
    service = Service()
    path = str(tmp_path / "socket")
    sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await sock.bind(path)
    sock.listen()
    nursery.start_soon(trio.serve_listeners, service.serve, [trio.SocketListener(sock)])
    service.origin = Origin("localhost", 80, path=path)
    yield service
    nursery.cancel_scope.cancel()


@pytest.fixture
async def tls_service(nursery: trio.Nursery, server_context: ssl.SSLContext) -> AsyncIterator[Service]:
    """A scripted service with TLS."""
    service = Service()
    listeners = await nursery.start(
        partial(trio.serve_ssl_over_tcp, service.serve, 0, server_context, host="127.0.0.1")
    )
    port = listeners[0].transport_listener.socket.getsockname()[1]
    service.origin = Origin("localhost", port, tls=True)
    yield service
    nursery.cancel_scope.cancel()


@pytest.fixture
def certificate() -> str:
    """The path of a certificate for localhost that nobody trusts, with its key."""
    from pathlib import Path

    return str(Path(__file__).with_name("localhost.pem"))


@pytest.fixture
def server_context(certificate: str) -> ssl.SSLContext:
    """TLS for a service on localhost."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


class Scripted(httpx.AsyncBaseTransport):
    """A service that is a function: requests as values of `wire` in, responses out; whatever it raises is raised."""

    def __init__(self, answer: Callable[[Request], Response | Awaitable[Response]]) -> None:
        self.answer = answer
        self.requests: list[Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        body = b"".join([piece async for piece in request.stream])
        path, query = decode_target(request.extensions["target"].decode())
        headers = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
        bucket, _, key = path.removeprefix("/").partition("/")
        asked = Request(request.method, bucket, key, query, headers, body)
        self.requests.append(asked)
        answer = self.answer(asked)
        if not isinstance(answer, Response):
            answer = await answer
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
        return httpx.Response(answer.status, headers=fields, stream=httpx.ByteStream(bytes(answer.body)))


@pytest.fixture
def scripted() -> type[Scripted]:
    """Services that are functions."""
    return Scripted


@pytest.fixture
def client_of() -> Callable[[httpx.AsyncBaseTransport], Client]:
    """Clients that try once, over any transport."""

    def make(transport: httpx.AsyncBaseTransport) -> Client:
        return Client(
            Endpoint.parse("http://127.0.0.1", region="cn-hangzhou"),
            StaticCredentials("ak", "sk"),
            options=ClientOptions(retry=RetryPolicy(attempts=1)),
            transport=transport,
        )

    return make


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[ThreadedServer]]:
    """Two servers with an empty bucket each, for clusters."""
    with ThreadedServer(tmp_path / "1") as one, ThreadedServer(tmp_path / "2") as two:
        for server in (one, two):
            server.store.put_bucket("bucket")
        yield [one, two]
