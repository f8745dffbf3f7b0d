"""Raw HTTP, signed and not, and servers with a clock that tests turn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest

from ossmount.server.app import AppOptions
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.credentials import Credentials
from ossmount.wire.message import Headers, Request, Response, decode_target
from ossmount.wire.refusals import parse_error
from ossmount.wire.signing import sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def http(oss_server: ThreadedServer) -> Iterator[httpx.Client]:
    """Raw HTTP, signed by nobody."""
    with httpx.Client(base_url=oss_server.url, headers={"accept-encoding": "identity"}, timeout=120) as client:
        yield client


@pytest.fixture
def public(oss_server: ThreadedServer) -> str:
    """The path of a bucket that anybody may read and write."""
    oss_server.store.put_bucket("bucket", acl="public-read-write")
    return "/bucket"


class _Signing(httpx.Auth):
    """Signs what httpx is about to send as the service wants it."""

    requires_request_body = True

    def __init__(self, clock: Callable[[], float] = time.time, credentials: Credentials | None = None) -> None:
        self._clock = clock
        self._credentials = credentials or Credentials("ak", "sk")

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        path, query = decode_target(request.url.raw_path.decode())
        bucket, _, key = path[1:].partition("/")
        headers = Headers(
            (name, value) for name, value in request.headers.items() if name.startswith(("x-oss-", "content-"))
        )
        signed = sign(
            Request(request.method, bucket, key, query, headers),
            self._credentials,
            now=self._clock(),
            region="cn-hangzhou",
        )
        request.headers.update(signed)
        yield request


@pytest.fixture
def signed(oss_server: ThreadedServer) -> Iterator[httpx.Client]:
    """Raw HTTP, signed for the account, with a private bucket "bucket"."""
    oss_server.store.put_bucket("bucket")
    with httpx.Client(
        base_url=oss_server.url, headers={"accept-encoding": "identity"}, auth=_Signing(), timeout=120
    ) as client:
        yield client


class Clock:
    """The time of a server, which tests turn."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC

    def __call__(self) -> float:
        return self.now

    def turn(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> None:
        """Let time pass."""
        self.now += days * 86400 + hours * 3600 + seconds


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until it is turned."""
    return Clock()


@pytest.fixture
def turned_server(tmp_path: Path, clock: Clock) -> Iterator[ThreadedServer]:
    """A server that goes by `clock`, with a role and an image host, and a bucket "bucket"."""
    options = AppOptions(role="reader", image_hosts=("pictures.test", "bound.test=bucket"))
    with ThreadedServer(tmp_path / "turned", clock=clock, options=options) as server:
        server.store.put_bucket("bucket")
        yield server


@pytest.fixture
def turned(turned_server: ThreadedServer, clock: Clock) -> Iterator[httpx.Client]:
    """Raw HTTP, signed for the account at the time of `clock`."""
    headers = {"accept-encoding": "identity"}
    with httpx.Client(base_url=turned_server.url, headers=headers, auth=_Signing(clock), timeout=120) as client:
        yield client


@pytest.fixture
def anybody(turned_server: ThreadedServer) -> Iterator[httpx.Client]:
    """Raw HTTP to `turned_server`, signed by nobody."""
    with httpx.Client(base_url=turned_server.url, headers={"accept-encoding": "identity"}, timeout=120) as client:
        yield client


@pytest.fixture
def signing(clock: Clock) -> Callable[[Credentials], httpx.Auth]:
    """Sign for other credentials, at the time of `clock`."""
    return lambda credentials: _Signing(clock, credentials)


@pytest.fixture
def refused() -> Callable[[httpx.Response], tuple[int, str]]:
    """Return status and code of a refusal, wherever it is told."""

    def read(response: httpx.Response) -> tuple[int, str]:
        error = parse_error(Response(response.status_code, Headers(response.headers.items()), response.content))
        return error.status, error.code

    return read
