"""Temporary credentials: given for a role, by STS and by the metadata service, and what they are good for."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest

from ossmount.server.roles import Roles
from ossmount.wire.credentials import Credentials
from ossmount.wire.errors import AccessDenied, InvalidArgument
from ossmount.wire.message import Headers, Request, Response
from ossmount.wire.sts import (
    AssumedRole,
    assume_role,
    assume_role_with_oidc,
    parse_assume_role,
    parse_credentials,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx

    from ossmount.server.threaded import ThreadedServer
    from tests.server.conftest import Clock

    Refused = Callable[[httpx.Response], tuple[int, str]]

ROLE = "acs:ram::123:role/reader"


def parsed(answer: httpx.Response) -> AssumedRole:
    """Read an answer of STS."""
    return parse_assume_role(Response(answer.status_code, Headers(answer.headers.items()), answer.content))


def jwt(**claims: Any) -> str:
    """Make a token that nobody signed."""
    return "e30." + urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".sig"


@pytest.fixture
def assume(anybody: httpx.Client, clock: Clock) -> Callable[..., httpx.Response]:
    """Call AssumeRole."""

    def call(method: str = "POST", credentials: Credentials | None = None, **said: Any) -> httpx.Response:
        parameters = assume_role(ROLE, "me", **said)
        whole = signed(parameters, credentials or Credentials("ak", "sk"), now=clock(), nonce="n", method=method)
        return anybody.post("/", data=whole) if method == "POST" else anybody.get("/", params=whole)

    return call


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_temporary_credentials_are_good_until_they_expire(
    assume: Callable[..., httpx.Response],
    turned: httpx.Client,
    clock: Clock,
    refused: Refused,
    signing: Callable[[Credentials], httpx.Auth],
    method: str,
) -> None:
    role = parsed(assume(method, duration=900))
    credentials = role.credentials

    assert credentials.access_key_id.startswith("STS.")
    assert credentials.expiration == clock() + 900
    assert role.arn.endswith(":role/reader/me")
    assert role.assumed_role_id.endswith(":me")
    auth = _with_token(signing, credentials)
    assert turned.put("/bucket/a", content=b"x", auth=auth, headers=_token(credentials)).status_code == 200
    bare = turned.get("/bucket/a", auth=auth)
    assert refused(bare) == (403, "InvalidSecurityToken")
    clock.turn(seconds=900)
    late = turned.get("/bucket/a", auth=auth, headers=_token(credentials))
    assert refused(late) == (403, "SecurityTokenExpired")


def _token(credentials: Credentials) -> dict[str, str]:
    return {"x-oss-security-token": credentials.security_token}


def _with_token(signing: Callable[[Credentials], httpx.Auth], credentials: Credentials) -> httpx.Auth:
    # The token is a header of the request already, and is signed with it.
    return signing(Credentials(credentials.access_key_id, credentials.access_key_secret))


def test_a_policy_narrows_what_they_are_good_for(
    assume: Callable[..., httpx.Response],
    turned: httpx.Client,
    refused: Refused,
    signing: Callable[[Credentials], httpx.Auth],
) -> None:
    turned.put("/bucket/mine/a", content=b"x")
    turned.put("/bucket/other", content=b"x")
    policy = {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Action": ["oss:Get*"], "Resource": ["acs:oss:*:123:bucket/mine/*"]},
            {"Effect": "Deny", "Action": "oss:GetObjectACL", "Resource": "*"},
        ],
    }
    credentials = parsed(assume(policy=policy)).credentials

    def ask(method: str, path: str) -> httpx.Response:
        return turned.request(
            method, path, auth=_with_token(signing, credentials), headers=_token(credentials), content=b""
        )

    assert ask("GET", "/bucket/mine/a").status_code == ask("HEAD", "/bucket/mine/a").status_code == 200
    for method, path in (
        ("GET", "/bucket/other"),
        ("PUT", "/bucket/mine/a"),
        ("GET", "/bucket/mine/a?acl"),
        ("GET", "/bucket/"),
        ("GET", "/"),
    ):
        assert refused(ask(method, path)) == (403, "AccessDenied"), path


def test_calls_that_are_refused(
    assume: Callable[..., httpx.Response], anybody: httpx.Client, clock: Clock, turned_server: ThreadedServer
) -> None:
    def code(answer: httpx.Response) -> tuple[int, str]:
        said = answer.json()
        assert said["RequestId"]
        return answer.status_code, said["Code"]

    assert code(anybody.get("/?Action=Nothing")) == (404, "InvalidAction.NotFound")
    assert code(anybody.get("/?Action=AssumeRole")) == (404, "InvalidAccessKeyId.NotFound")
    assert code(assume(credentials=Credentials("ak", "wrong"))) == (403, "SignatureDoesNotMatch")
    good = signed(assume_role(ROLE, "me"), Credentials("ak", "sk"), now=clock() - 1000, nonce="n")
    assert code(anybody.post("/", data=good))[1] == "InvalidTimeStamp.Expired"
    short = assume_role(ROLE, "me") | {"DurationSeconds": "1"}
    good = signed(short, Credentials("ak", "sk"), now=clock(), nonce="n")
    assert code(anybody.post("/", data=good)) == (400, "InvalidParameter")
    assert code(assume(policy={"Statement": "all"})) == (400, "MalformedPolicy")
    assert turned_server.count("AssumeRole") == 5


def test_an_oidc_token_is_exchanged_where_there_is_a_role(anybody: httpx.Client, clock: Clock) -> None:
    def call(token: str) -> httpx.Response:
        return anybody.get("/", params=assume_role_with_oidc(ROLE, "me", "acs:ram::1:oidc", token, now=clock()))

    assert parsed(call(jwt(exp=clock() + 60))).credentials.expiration == clock() + 3600
    assert call(jwt(exp=clock() - 1)).json()["Code"] == "AuthenticationFail.OIDCToken.Expired"
    for token in ("nonsense", "a.b.c", jwt(exp="soon")):
        assert call(token).json()["Code"] == "AuthenticationFail.OIDCToken.Invalid"


def test_an_instance_asks_for_its_role(anybody: httpx.Client, clock: Clock, turned: httpx.Client) -> None:
    base = "/latest/meta-data/ram/security-credentials/"
    ttl = {"x-aliyun-ecs-metadata-token-ttl-seconds": "60"}
    token = {"x-aliyun-ecs-metadata-token": anybody.put("/latest/api/token", headers=ttl).text}

    assert anybody.get(base, headers=token).text == "reader"
    credentials = parse_credentials(anybody.get(f"{base}reader", headers=token).content)
    assert credentials.expiration == clock() + 6 * 3600
    # Without a token it works as in version 1.
    assert parse_credentials(anybody.get(f"{base}reader").content).access_key_id.startswith("STS.")
    assert anybody.get(f"{base}writer").status_code == 404
    assert anybody.put(f"{base}reader").status_code == 405
    assert anybody.put("/latest/api/token").status_code == 400
    clock.turn(seconds=60)
    assert anybody.get(base, headers=token).status_code == 401
    # A bucket of that name comes first.
    turned.put("/latest/")
    assert anybody.get(base).status_code == 403


def test_without_a_role_nobody_gets_anything_unsigned(http: httpx.Client) -> None:
    assert http.get("/latest/meta-data/ram/security-credentials/").status_code == 404
    asked = assume_role_with_oidc(ROLE, "me", "acs:ram::1:oidc", jwt(), now=0)
    assert http.post("/", data=asked).json()["Code"] == "NoPermission"


def test_a_statement_with_a_condition_allows_nothing_and_denies_always() -> None:
    roles = Roles()
    everything = {"Effect": "Allow", "Action": "oss:*", "Resource": "*"}
    condition = {"Condition": {"IpAddress": {"acs:SourceIp": "10.0.0.1"}}}
    request = Request("GET", "bucket", "key", operation="GetObject")

    def check(*statements: Mapping[str, object]) -> None:
        policy = json.dumps({"Statement": statements})
        given = roles.give(policy=policy, expiration=10, now=0)
        roles.check(given.access_key_id, request, 0)

    check(everything)
    for statements in ([], [everything | condition], [everything, everything | condition | {"Effect": "Deny"}]):
        with pytest.raises(AccessDenied):
            check(*statements)
    for policy in ("[]", '{"Statement": [1]}', '{"Statement": [{"Effect": "Maybe"}]}', "x"):
        with pytest.raises(InvalidArgument):
            roles.give(policy=policy, expiration=10, now=0)


def test_expired_credentials_are_forgotten_when_new_ones_are_given() -> None:
    roles = Roles()
    old = roles.give(policy="", expiration=10, now=0)
    assert roles.credentials(old.access_key_id) == old
    roles.give(policy="", expiration=20, now=10)
    assert roles.credentials(old.access_key_id) is None
