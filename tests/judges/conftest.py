"""One server for a module, a bucket for each test, and clients of it: those of others, and ours."""

from __future__ import annotations

import itertools
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import oss2
import pytest

from ossmount.oss import ClientOptions, Endpoint, RetryPolicy, StaticCredentials, blocking
from ossmount.server.app import AppOptions
from ossmount.server.threaded import ThreadedServer
from tests.judges.v2 import Judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import requests

ROLE = "judge"
_numbers = itertools.count(1)


class Court(ThreadedServer):
    """A server whose clock can be turned, a little: signatures are dated by the real one."""

    def __init__(self, directory: Path) -> None:
        self.ahead = 0.0
        super().__init__(directory, clock=lambda: time.time() + self.ahead, options=AppOptions(role=ROLE))


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    """The server that clients of others use, one for all tests of a module."""
    server = Court(tmp_path_factory.mktemp("judges") / "server")
    with server:
        yield server


@pytest.fixture
def name(court: Court) -> str:
    """The name of a bucket of the test's own, which is not there yet."""
    court.ahead = 0.0
    return f"bucket-{next(_numbers)}"


@pytest.fixture(autouse=True)
def _asked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold a test to what it says of itself: the server must have been asked for the operations that `judges` names."""
    marker = request.node.get_closest_marker("judges")
    if marker is None:
        yield
        return
    court: Court = request.getfixturevalue("court")
    court.reset()
    yield
    assert [operation for operation in marker.args if not court.count(operation)] == []


@pytest.fixture(params=["v1", "v4"])
def signature(request: pytest.FixtureRequest) -> str:
    """How every client signs, ours too."""
    return str(request.param)


@pytest.fixture
def oss2_auth(signature: str) -> oss2.AuthBase:
    """Credentials of oss2."""
    return oss2.Auth("ak", "sk") if signature == "v1" else oss2.AuthV4("ak", "sk")


@pytest.fixture
def oss2_bucket_of(court: Court, oss2_auth: oss2.AuthBase, oss2_session: oss2.Session) -> Callable[..., oss2.Bucket]:
    """Make a client of oss2 for a bucket by name."""

    def make(name: str, auth: oss2.AuthBase = oss2_auth) -> oss2.Bucket:
        return oss2.Bucket(auth, court.url, name, region="cn-hangzhou", session=oss2_session)

    return make


@pytest.fixture
def bucket2(oss2_bucket_of: Callable[..., oss2.Bucket], name: str) -> oss2.Bucket:
    """A fresh bucket, made by oss2."""
    bucket = oss2_bucket_of(name)
    bucket.create_bucket()
    return bucket


@pytest.fixture
def judge_of(court: Court, name: str, signature: str, tidy_session: requests.Session) -> Iterator[Callable[..., Judge]]:
    """Make a client of alibabacloud-oss-v2, by kind (``sync``, ``async``)."""
    with ExitStack() as stack:

        def make(kind: str, *credentials: str) -> Judge:
            session = tidy_session if kind == "sync" else None
            return stack.enter_context(Judge(court.url, name, signature, session, credentials or ("ak", "sk")))

        yield make


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which client of alibabacloud-oss-v2."""
    return str(request.param)


@pytest.fixture
def v2(judge_of: Callable[..., Judge], kind: str) -> Judge:
    """A client of alibabacloud-oss-v2 of either kind, and a fresh bucket."""
    judge = judge_of(kind)
    judge.ask("PutBucket")
    return judge


@pytest.fixture
def sync_v2(judge_of: Callable[..., Judge]) -> Judge:
    """The synchronous client of alibabacloud-oss-v2, which knows more operations, and a fresh bucket."""
    judge = judge_of("sync")
    judge.ask("PutBucket")
    return judge


@pytest.fixture
def ours(court: Court, name: str, signature: str) -> Iterator[blocking.Blocking]:
    """The test's bucket, freshly made, as our own client sees it."""
    options = ClientOptions(retry=RetryPolicy(base=0.0), signature="v1" if signature == "v1" else "v4")
    endpoint = Endpoint.parse(court.url, region="cn-hangzhou")
    with blocking.Client(endpoint, StaticCredentials("ak", "sk"), options=options) as client:
        bucket = client.bucket(name)
        bucket.put_bucket()
        yield bucket
