"""Clients that we did not write, in both signature versions, and raw HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import alibabacloud_oss_v2 as sdk
import httpx
import oss2
import pytest
from alibabacloud_oss_v2.transport.requests_client import RequestsHttpClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from ossmount.server.threaded import ThreadedServer


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
