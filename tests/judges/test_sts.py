"""Temporary credentials: asked for by the core library of the service's SDKs, by oss2 of a machine, and by us."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import alibabacloud_oss_v2 as sdk
import oss2
import pytest
import trio
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

from ossmount.oss import STS, Credentials, StaticCredentials
from tests.judges.conftest import ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

    from ossmount.oss import blocking
    from tests.judges.conftest import Court
    from tests.judges.v2 import Judge

ARN = f"acs:ram::1234567890123456:role/{ROLE}"
READING = {
    "Version": "1",
    "Statement": [{"Effect": "Allow", "Action": ["oss:GetObject", "oss:ListObjects"], "Resource": "*"}],
}


def core(url: str, action: str, key: tuple[str, str] = ("ak", "sk"), **fields: str) -> dict[str, Any]:
    """Ask STS by the core library, which oss2 requires, and return what it answers."""
    request = CommonRequest(url.removeprefix("http://"), "2015-04-01", action)
    request.set_protocol_type("http")
    request.set_method("POST")
    for field, value in {"RoleArn": ARN, "RoleSessionName": "session", **fields}.items():
        request.add_query_param(field, value)
    return json.loads(AcsClient(*key, "cn-hangzhou").do_action_with_exception(request))  # type: ignore[no-any-return]


def token(**claims: object) -> str:
    """Make an OIDC token that nobody signed."""
    parts = ({"alg": "none"}, claims, "signature")
    return ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


@pytest.mark.judges("AssumeRole")
def test_a_role_that_was_assumed_is_good_for_what_its_policy_allows(
    bucket2: oss2.Bucket, oss2_auth: oss2.AuthBase, oss2_bucket_of: Callable[..., oss2.Bucket], court: Court
) -> None:
    answer = core(court.url, "AssumeRole", DurationSeconds="900", Policy=json.dumps(READING))
    assert answer["AssumedRoleUser"]["Arn"].endswith(f":role/{ROLE}/session")
    given = answer["Credentials"]
    version = oss2_auth.auth_version()
    auth = oss2.StsAuth(given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"], auth_version=version)
    bucket2.put_object("a", b"bytes")

    bucket = oss2_bucket_of(bucket2.bucket_name, auth)

    assert bucket.get_object("a").read() == b"bytes"
    with pytest.raises(oss2.exceptions.AccessDenied):
        bucket.put_object("a", b"other")


@pytest.mark.judges("AssumeRoleWithOIDC")
def test_an_oidc_token_is_exchanged_for_credentials(
    bucket2: oss2.Bucket, oss2_auth: oss2.AuthBase, oss2_bucket_of: Callable[..., oss2.Bucket], court: Court
) -> None:
    provider = "acs:ram::1234567890123456:oidc-provider/here"
    given = core(court.url, "AssumeRoleWithOIDC", ("nobody", ""), OIDCToken=token(sub="me"), OIDCProviderArn=provider)[
        "Credentials"
    ]
    version = oss2_auth.auth_version()
    auth = oss2.StsAuth(given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"], auth_version=version)

    oss2_bucket_of(bucket2.bucket_name, auth).put_object("a", b"bytes")

    assert bucket2.get_object("a").read() == b"bytes"
    with pytest.raises(ServerException) as caught:
        core(court.url, "AssumeRoleWithOIDC", OIDCToken=token(exp=0), OIDCProviderArn=provider)
    assert caught.value.get_error_code() == "AuthenticationFail.OIDCToken.Expired"


def test_whoever_may_not_assume_a_role_is_told_why(court: Court) -> None:
    for key, code in ((("ak", "wrong"), "SignatureDoesNotMatch"), (("nobody", "sk"), "InvalidAccessKeyId.NotFound")):
        with pytest.raises(ServerException) as caught:
            core(court.url, "AssumeRole", key)
        assert caught.value.get_error_code() == code
        assert caught.value.get_request_id()
    with pytest.raises(ServerException) as caught:
        core(court.url, "AssumeRole", DurationSeconds="1")
    assert caught.value.get_http_status() == 400


def test_a_role_of_the_machine_gives_credentials(
    bucket2: oss2.Bucket, oss2_auth: oss2.AuthBase, oss2_bucket_of: Callable[..., oss2.Bucket], court: Court
) -> None:
    url = f"{court.url}/latest/meta-data/ram/security-credentials/{ROLE}"
    provider = oss2.credentials.EcsRamRoleCredentialsProvider(url)
    auth = oss2.ProviderAuth(provider) if isinstance(oss2_auth, oss2.Auth) else oss2.ProviderAuthV4(provider)
    bucket = oss2_bucket_of(bucket2.bucket_name, auth)

    bucket.put_object("by role", b"bytes")

    assert bucket2.get_object("by role").read() == b"bytes"
    given = provider.get_credentials()
    assert given.get_security_token()
    signed = bucket.sign_url("GET", "by role", 60, slash_safe=True)
    assert bucket.session.session.get(signed).content == b"bytes"
    forged = oss2.StsAuth(
        given.access_key_id, given.access_key_secret, "another token", auth_version=oss2_auth.auth_version()
    )
    with pytest.raises(oss2.exceptions.ServerError, match="InvalidSecurityToken"):
        oss2_bucket_of(bucket2.bucket_name, forged).get_object("by role")


def test_temporary_credentials_are_good_for_what_their_policy_allows(
    court: Court, judge_of: Callable[..., Judge], ours: blocking.Blocking, tidy_session: requests.Session, kind: str
) -> None:
    """Ours asks for them: the SDK takes them, and has no client of STS."""
    ours.put_object("a", b"bytes")
    given = trio.run(assumed, court.url, READING)
    v2 = judge_of(kind, given.access_key_id, given.access_key_secret, given.security_token)

    assert v2.read("a") == b"bytes"
    assert v2.ask("ListObjectsV2").key_count == 1
    refused = v2.refused("PutObject", key="a", body=b"other")
    assert (refused.status_code, refused.code) == (403, "AccessDenied")
    signed = v2.result(v2.client.presign(sdk.GetObjectRequest(bucket=v2.name, key="a")))
    assert tidy_session.get(signed.url).content == b"bytes"
    forged = judge_of(kind, given.access_key_id, given.access_key_secret, "another token")
    assert forged.refused("GetObject", key="a").code == "InvalidSecurityToken"


async def assumed(url: str, policy: Mapping[str, Any]) -> Credentials:
    """Return credentials of the role that are narrowed by *policy*."""
    sts = STS(StaticCredentials("ak", "sk"), endpoint=url)
    return (await sts.assume_role(ARN, policy=policy)).credentials
