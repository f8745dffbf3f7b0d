"""The signature of RPC services against the published example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ossmount.wire import sts
from ossmount.wire.credentials import Credentials
from ossmount.wire.errors import OutOfLimits, ServiceError
from ossmount.wire.message import Headers, Response

VECTORS = json.loads(Path(__file__).with_name("signature_vectors.json").read_text())


def test_the_published_example_gives_its_signature() -> None:
    (vector,) = [vector for vector in VECTORS if vector["v"] == "pop-rpc"]
    text = sts.string_to_sign("GET", vector["params"])
    assert text == vector["string_to_sign"]
    assert sts.signature(vector["key"].removesuffix("&"), text) == vector["expect"]


NOW = 1700000000.0
KEYS = Credentials("ak", "sk")
ROLE = "acs:ram::1234:role/reader"


def lookup(access_key_id: str) -> Credentials | None:
    return {"ak": KEYS, "STS.t": Credentials("STS.t", "sk", "token")}.get(access_key_id)


@pytest.mark.parametrize("credentials", [KEYS, Credentials("STS.t", "sk", "token")], ids=["fixed", "temporary"])
def test_a_role_is_asked_for_and_given(credentials: Credentials) -> None:
    parameters = sts.assume_role(ROLE, "me", duration=900, policy={"Version": "1"}, external_id="xy")
    signed = sts.signed(parameters, credentials, now=NOW, nonce="n")

    call = sts.read_assume_role("POST", signed, lookup, now=NOW)

    assert (call.role_arn, call.session_name, call.duration, call.external_id) == (ROLE, "me", 900, "xy")
    assert (json.loads(call.policy), call.access_key_id) == ({"Version": "1"}, credentials.access_key_id)
    role = sts.AssumedRole(
        credentials=Credentials("STS.a", "s", "t", NOW + 900), arn="arn", assumed_role_id="id", request_id="R"
    )
    assert sts.parse_assume_role(sts.write_assume_role(role)) == role


def test_a_token_of_an_identity_provider_needs_no_signature() -> None:
    parameters = sts.assume_role_with_oidc(ROLE, "me", "provider", "jwt", now=NOW)
    assert "Signature" not in parameters
    call = sts.read_assume_role("POST", parameters, lookup, now=NOW)
    assert (call.access_key_id, call.oidc_provider_arn, call.oidc_token) == ("", "provider", "jwt")
    assert "jwt" not in repr(call)


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        ({"role_arn": "", "session_name": "me"}, "such as acs:ram::"),
        ({"role_arn": "reader", "session_name": "me"}, "such as acs:ram::.*, not 'reader'"),
        ({"role_arn": "acs:ram::1:user/reader", "session_name": "me"}, "such as acs:ram::"),
        ({"role_arn": ROLE, "session_name": "m"}, "2 to 64"),
        ({"role_arn": ROLE, "session_name": "me too"}, "2 to 64"),
        ({"role_arn": ROLE, "session_name": "me", "duration": 899}, "900 to 43200"),
        ({"role_arn": ROLE, "session_name": "me", "policy": "{"}, "not valid JSON"),
        ({"role_arn": ROLE, "session_name": "me", "policy": {"x": "y" * 2048}}, "at most 2048"),
    ],
)
def test_limits_are_told(arguments: dict[str, Any], limit: str) -> None:
    with pytest.raises(OutOfLimits, match=limit):
        sts.assume_role(**arguments)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Action": "Nothing"}, "InvalidAction.NotFound"),
        ({"AccessKeyId": "who"}, "InvalidAccessKeyId.NotFound"),
        ({"Signature": "x"}, "SignatureDoesNotMatch"),
        ({"RoleArn": "other"}, "SignatureDoesNotMatch"),
        ({"Timestamp": "now"}, "InvalidTimeStamp.Format"),
        ({"Timestamp": "2016-02-23T12:46:24Z"}, "InvalidTimeStamp.Expired"),
    ],
)
def test_a_wrong_call_is_refused(change: dict[str, str], code: str) -> None:
    signed = sts.signed(sts.assume_role(ROLE, "me"), KEYS, now=NOW, nonce="n")
    with pytest.raises(ServiceError) as caught:
        sts.read_assume_role("POST", {**signed, **change}, lookup, now=NOW)
    assert caught.value.code == code
    answer = sts.write_sts_error(caught.value)
    with pytest.raises(ServiceError) as again:
        sts.parse_assume_role(answer)
    assert (again.value.code, again.value.status) == (code, caught.value.status)


def test_a_call_that_is_signed_but_not_possible_is_refused() -> None:
    for change, code in (({"DurationSeconds": "1"}, "InvalidParameter"), ({"RoleArn": ""}, "MissingParameter.RoleArn")):
        signed = sts.signed({**sts.assume_role(ROLE, "me"), **change}, KEYS, now=NOW, nonce="n")
        with pytest.raises(ServiceError) as caught:
            sts.read_assume_role("POST", signed, lookup, now=NOW)
        assert caught.value.code == code


def test_the_token_must_go_with_the_key() -> None:
    signed = sts.signed(sts.assume_role(ROLE, "me"), Credentials("STS.t", "sk", "other"), now=NOW, nonce="n")
    with pytest.raises(ServiceError, match="SecurityToken"):
        sts.read_assume_role("POST", signed, lookup, now=NOW)


def test_the_metadata_service_tells_credentials() -> None:
    credentials = Credentials("STS.a", "s", "t", NOW)
    answer = sts.write_metadata_credentials(credentials, now=NOW)
    assert sts.parse_credentials(bytes(answer.body)) == credentials
    assert sts.parse_credentials(b'{"AccessKeyId": "a", "AccessKeySecret": "s"}') == Credentials("a", "s")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"Code": "Failed", "AccessKeyId": "secret"}',
        b'{"AccessKeyId": "secret", "AccessKeySecret": 1}',
    ],
)
def test_what_are_no_credentials_is_refused_without_being_quoted(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        sts.parse_credentials(body)
    assert "secret" not in str(caught.value)


def test_an_error_that_is_no_json_is_kept() -> None:
    with pytest.raises(ServiceError, match="Bad Gateway"):
        sts.parse_assume_role(Response(502, Headers(), b"<html>Bad Gateway</html>"))
