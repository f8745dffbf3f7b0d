"""The client of STS: what goes over the wire, and what comes back when it goes wrong."""

from __future__ import annotations

from typing import Any

import pytest

from ossmount.oss import STS, Anonymous, StaticCredentials, sts_endpoint
from ossmount.wire.errors import BrokenResponse, CredentialsError, OutOfLimits, ServiceError
from ossmount.wire.message import Headers, Response


def client(service: Any, credentials: Any = None) -> STS:
    return STS(
        credentials or StaticCredentials("ak", "sk"), endpoint="http://127.0.0.1", transport=service, nonce=lambda: "n"
    )


def test_endpoints() -> None:
    assert sts_endpoint() == "https://sts.aliyuncs.com"
    assert sts_endpoint("oss-cn-hangzhou") == "https://sts.cn-hangzhou.aliyuncs.com"
    assert sts_endpoint("cn-hangzhou", vpc=True) == "https://sts-vpc.cn-hangzhou.aliyuncs.com"
    assert "https://sts.example.com" in repr(STS(endpoint="sts.example.com"))


async def test_a_refusal_keeps_its_code_and_request_id(scripted: Any) -> None:
    body = b'{"Code": "NoPermission", "Message": "You are not authorized.", "RequestId": "R", "HostId": "h"}'
    with pytest.raises(ServiceError) as caught:
        await client(scripted(lambda _: Response(403, Headers(), body))).assume_role("acs:ram::1:role/r")
    error = caught.value
    assert (error.code, error.status, error.request_id, error.host_id) == ("NoPermission", 403, "R", "h")


async def test_nonsense_is_a_broken_answer(scripted: Any) -> None:
    for body in (b"", b"<html>", b"{}", b'{"Credentials": {}}'):
        with pytest.raises(BrokenResponse):
            await client(scripted(lambda _, body=body: Response(200, Headers(), body))).assume_role("acs:ram::1:role/r")


async def test_nothing_is_sent_in_vain(scripted: Any) -> None:
    service = scripted(lambda _: Response(500))
    with pytest.raises(OutOfLimits):
        await client(service).assume_role("acs:ram::1:role/r", duration=1)
    with pytest.raises(CredentialsError):
        await client(service, Anonymous()).assume_role("acs:ram::1:role/r")
    with pytest.raises(CredentialsError):
        await STS(endpoint="http://127.0.0.1", transport=service).assume_role("acs:ram::1:role/r")
    assert not service.requests
