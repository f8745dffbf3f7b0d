"""Clients that we did not write, in both signature versions, and raw HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import alibabacloud_oss_v2 as sdk
import httpx
import oss2
import pytest
from alibabacloud_oss_v2.transport.requests_client import RequestsHttpClient

from ossmount.server.app import AppOptions
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.credentials import Credentials
from ossmount.wire.message import Headers, Request, Response, decode_target
from ossmount.wire.refusals import parse_error
from ossmount.wire.signing import sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import requests


@pytest.fixture(params=["v1", "v4"])
def oss2_auth(request: pytest.FixtureRequest) -> oss2.AuthBase:
    """Credentials of oss2, signing with either version."""
    return oss2.Auth("ak", "sk") if request.param == "v1" else oss2.AuthV4("ak", "sk")


@pytest.fixture
def make_bucket(
    oss_server: ThreadedServer, oss2_auth: oss2.AuthBase, oss2_session: oss2.Session
) -> Callable[[str], oss2.Bucket]:
    """Make a client of oss2 for a bucket by name."""

    def make(name: str) -> oss2.Bucket:
        return oss2.Bucket(oss2_auth, oss_server.url, name, region="cn-hangzhou", session=oss2_session)

    return make


@pytest.fixture
def bucket2(make_bucket: Callable[[str], oss2.Bucket]) -> oss2.Bucket:
    """The bucket "bucket", made by oss2."""
    bucket = make_bucket("bucket")
    bucket.create_bucket()
    return bucket


@pytest.fixture(params=["v1", "v4"])
def sdk_client(
    oss_server: ThreadedServer, tidy_session: requests.Session, request: pytest.FixtureRequest
) -> sdk.Client:
    """A client of alibabacloud-oss-v2, signing with either version, with a bucket "bucket"."""
    config = sdk.config.load_default()
    config.credentials_provider = sdk.credentials.StaticCredentialsProvider("ak", "sk")
    config.region = "cn-hangzhou"
    config.endpoint = oss_server.url
    config.signature_version = request.param
    config.http_client = RequestsHttpClient(session=tidy_session)
    config.retry_max_attempts = 1
    client = sdk.Client(config)
    client.put_bucket(sdk.PutBucketRequest(bucket="bucket"))
    return client


@pytest.fixture
def http(oss_server: ThreadedServer) -> Iterator[httpx.Client]:
    """Raw HTTP, signed by nobody."""
    with httpx.Client(base_url=oss_server.url, headers={"accept-encoding": "identity"}) as client:
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
    with httpx.Client(base_url=oss_server.url, headers={"accept-encoding": "identity"}, auth=_Signing()) as client:
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
    with httpx.Client(base_url=turned_server.url, headers=headers, auth=_Signing(clock)) as client:
        yield client


@pytest.fixture
def anybody(turned_server: ThreadedServer) -> Iterator[httpx.Client]:
    """Raw HTTP to `turned_server`, signed by nobody."""
    with httpx.Client(base_url=turned_server.url, headers={"accept-encoding": "identity"}) as client:
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
