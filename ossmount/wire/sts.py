"""The Security Token Service: temporary credentials for a role; both halves, and the signature of RPC services.

A call is a set of parameters, sent as a form and signed as all RPC services of Alibaba Cloud want it.  The answers of
the metadata service of an ECS instance, of credentials URIs and of credential processes are read here too: they tell
credentials in nearly the same JSON.

Source: API reference of STS, AssumeRole, AssumeRoleWithOIDC; "Request syntax and signature method of RPC-style API
operations"; ECS user guide, "Instance metadata".
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from .credentials import Credentials
from .dates import parse_xml_date, xml_date
from .errors import (
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidSecurityToken,
    MissingArgument,
    OutOfLimits,
    RequestTimeTooSkewed,
    ServiceError,
    SignatureDoesNotMatch,
)
from .message import Headers, Response, encode_value
from .refusals import parse_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .verifying import Lookup

VERSION = "2015-04-01"
MIN_DURATION = 900
MAX_DURATION = 43_200
MAX_POLICY = 2048
MAX_EXTERNAL_ID = 1224
# Where an ECS instance asks for itself.
METADATA_HOST = "100.100.100.200"
METADATA = f"http://{METADATA_HOST}/latest"
TOKEN_TTL = "x-aliyun-ecs-metadata-token-ttl-seconds"  # noqa: S105 - the name of a header
TOKEN = "x-aliyun-ecs-metadata-token"  # noqa: S105

_ROLE_ARN = re.compile(r"acs:ram::\d+:role/\S+", re.ASCII)
_SESSION = re.compile(r"[A-Za-z0-9.@_-]{2,64}", re.ASCII)
_MAX_SKEW = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedRole:
    """A role that was assumed: its temporary credentials, and who one is with them."""

    credentials: Credentials
    arn: str = ""
    assumed_role_id: str = ""
    request_id: str = ""


def string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Return what is signed: method, path and the sorted *parameters* (without ``Signature``), encoded twice."""
    query = "&".join(f"{encode_value(name)}={encode_value(parameters[name])}" for name in sorted(parameters))
    return f"{method}&{encode_value('/')}&{encode_value(query)}"


def signature(access_key_secret: str, text: str) -> str:
    """Sign *text*: HMAC-SHA1 in base64."""
    return b64encode(hmac.digest(f"{access_key_secret}&".encode(), text.encode(), sha1)).decode()


# The client's half


def assume_role(
    role_arn: str,
    session_name: str,
    *,
    duration: int = 3600,
    policy: str | Mapping[str, Any] | None = None,
    external_id: str = "",
) -> dict[str, str]:
    """Return the parameters that ask for *role_arn* for *duration* seconds, under *session_name*.

    *policy* (JSON) narrows what the role may do.

    Raises:
        OutOfLimits: STS would refuse it.
    """
    parameters = _parameters("AssumeRole", role_arn, session_name, duration, policy)
    if external_id:
        if not 2 <= len(external_id) <= MAX_EXTERNAL_ID:
            raise OutOfLimits(f"an external id has 2 to {MAX_EXTERNAL_ID} characters, not {len(external_id)}")
        parameters["ExternalId"] = external_id
    return parameters


def assume_role_with_oidc(
    role_arn: str,
    session_name: str,
    provider_arn: str,
    token: str,
    *,
    now: float,
    duration: int = 3600,
    policy: str | Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return the parameters that ask for *role_arn* with the OIDC *token*; they are sent unsigned.

    Raises:
        OutOfLimits: STS would refuse it.
    """
    if not (provider_arn and token):
        raise OutOfLimits("the ARN of an OIDC provider, and a token of it, have at least 1 character each")
    parameters = _parameters("AssumeRoleWithOIDC", role_arn, session_name, duration, policy)
    return parameters | {"OIDCProviderArn": provider_arn, "OIDCToken": token, "Timestamp": _timestamp(now)}


def _parameters(
    action: str, role_arn: str, session_name: str, duration: int, policy: str | Mapping[str, Any] | None
) -> dict[str, str]:
    if not _ROLE_ARN.fullmatch(role_arn):
        raise OutOfLimits(f"the ARN of a role is such as acs:ram::1234567890123456:role/reader, not {role_arn[:80]!r}")
    if not _SESSION.fullmatch(session_name):
        raise OutOfLimits(f"a session name has 2 to 64 of A-Z, a-z, 0-9, '.', '@', '-' and '_': {session_name!r}")
    if not MIN_DURATION <= duration <= MAX_DURATION:
        raise OutOfLimits(f"duration must be a number from {MIN_DURATION} to {MAX_DURATION} seconds, not {duration}")
    parameters = {
        "Action": action,
        "Version": VERSION,
        "Format": "JSON",
        "RoleArn": role_arn,
        "RoleSessionName": session_name,
        "DurationSeconds": str(duration),
    }
    if policy:
        text = policy if isinstance(policy, str) else json.dumps(policy, ensure_ascii=False)
        try:
            json.loads(text)
        except ValueError as exc:
            raise OutOfLimits(f"the policy is not valid JSON, exactly 1 value is expected: {exc}") from None
        if len(text) > MAX_POLICY:
            raise OutOfLimits(f"the policy has {len(text)} characters, at most {MAX_POLICY} are possible")
        parameters["Policy"] = text
    return parameters


def signed(
    parameters: Mapping[str, str], credentials: Credentials, *, now: float, nonce: str, method: str = "POST"
) -> dict[str, str]:
    """Return *parameters* with those that sign them; *nonce* is never used twice."""
    whole = {
        **parameters,
        "AccessKeyId": credentials.access_key_id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": nonce,
        "Timestamp": _timestamp(now),
    }
    if credentials.security_token:
        whole["SecurityToken"] = credentials.security_token
    whole["Signature"] = signature(credentials.access_key_secret, string_to_sign(method, whole))
    return whole


def _timestamp(now: float) -> str:
    return xml_date(now).replace(".000", "")


def parse_assume_role(response: Response) -> AssumedRole:
    """Read the answer to AssumeRole or AssumeRoleWithOIDC.

    Raises:
        ServiceError: STS said no.
        ValueError: it is something else.
    """
    if response.status != 200:
        raise parse_sts_error(response)
    said = _object(bytes(response.body))
    user = said.get("AssumedRoleUser", {})
    return AssumedRole(
        credentials=_credentials(said.get("Credentials")),
        arn=user.get("Arn", ""),
        assumed_role_id=user.get("AssumedRoleId", ""),
        request_id=said.get("RequestId", ""),
    )


def parse_sts_error(response: Response) -> ServiceError:
    """Make the error that STS tells in JSON."""
    try:
        said = _object(bytes(response.body))
    except ValueError:
        return parse_error(response)
    code = str(said.get("Code", ""))
    return ServiceError.by_code.get(code, ServiceError)(
        str(said.get("Message", "")),
        code=code,
        status=response.status,
        request_id=str(said.get("RequestId", "")),
        host_id=str(said.get("HostId", "")),
        headers=response.headers,
    )


def parse_credentials(body: bytes) -> Credentials:
    """Read the credentials of the metadata service, of a credentials URI or of a credential process.

    Raises:
        ValueError: there are none in it; the message quotes none of it, it may hold secrets.
    """
    said = _object(body)
    if said.get("Code", "Success") != "Success":
        raise ValueError(f"the answer says {str(said['Code'])[:60]!r}")
    return _credentials(said)


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        raise ValueError("not JSON") from None
    if not isinstance(said, dict):
        raise ValueError("not an object in JSON")
    return said


def _credentials(said: object) -> Credentials:
    if not isinstance(said, dict):
        raise ValueError("no credentials in it")
    key_id, secret = said.get("AccessKeyId"), said.get("AccessKeySecret")
    if not isinstance(key_id, str) or not isinstance(secret, str) or not key_id or not secret:
        raise ValueError("no AccessKeyId and AccessKeySecret in it")
    expiration = said.get("Expiration")
    return Credentials(
        key_id,
        secret,
        str(said.get("SecurityToken") or ""),
        parse_xml_date(expiration) if isinstance(expiration, str) and expiration else None,
    )


# The server's half


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumeRoleCall:
    """AssumeRole or AssumeRoleWithOIDC; *access_key_id* is who signed it, empty for the latter."""

    role_arn: str
    session_name: str
    duration: int
    policy: str = ""
    external_id: str = ""
    access_key_id: str = ""
    oidc_provider_arn: str = ""
    oidc_token: str = ""

    def __repr__(self) -> str:
        return f"AssumeRoleCall({self.role_arn!r}, {self.session_name!r}, {self.duration} s)"


def read_assume_role(method: str, parameters: Mapping[str, str], lookup: Lookup, *, now: float) -> AssumeRoleCall:
    """Read a call of STS, whose *parameters* came in the query or as a form; *lookup* finds credentials by their id.

    Raises:
        ServiceError: it is signed wrongly, asks for something else, or is out of the limits.
    """
    action = parameters.get("Action", "")
    if action not in ("AssumeRole", "AssumeRoleWithOIDC"):
        raise InvalidArgument("The specified API is not found.", code="InvalidAction.NotFound", status=404)
    access_key_id = _verify(method, parameters, lookup, now) if action == "AssumeRole" else ""
    for name in ("RoleArn", "RoleSessionName", *(() if access_key_id else ("OIDCProviderArn", "OIDCToken"))):
        if not parameters.get(name):
            raise MissingArgument(f"The parameter {name} is wrongly formed.", code=f"MissingParameter.{name}")
    try:
        asked = _parameters(
            action,
            parameters["RoleArn"],
            parameters["RoleSessionName"],
            int(parameters.get("DurationSeconds") or "3600"),
            parameters.get("Policy"),
        )
    except ValueError as exc:
        raise InvalidArgument(str(exc), code="InvalidParameter") from None
    return AssumeRoleCall(
        role_arn=asked["RoleArn"],
        session_name=asked["RoleSessionName"],
        duration=int(asked["DurationSeconds"]),
        policy=asked.get("Policy", ""),
        external_id=parameters.get("ExternalId", ""),
        access_key_id=access_key_id,
        oidc_provider_arn=parameters.get("OIDCProviderArn", ""),
        oidc_token=parameters.get("OIDCToken", ""),
    )


def _verify(method: str, parameters: Mapping[str, str], lookup: Lookup, now: float) -> str:
    key_id = parameters.get("AccessKeyId", "")
    credentials = lookup(key_id) if key_id else None
    if credentials is None:
        raise InvalidAccessKeyId("Specified access key is not found.", code="InvalidAccessKeyId.NotFound", status=404)
    try:
        time = parse_xml_date(parameters.get("Timestamp", ""))
    except ValueError:
        raise InvalidArgument("Specified time stamp is not well formatted.", code="InvalidTimeStamp.Format") from None
    if abs(time - now) > _MAX_SKEW:
        raise RequestTimeTooSkewed("Specified time stamp or date value is expired.", code="InvalidTimeStamp.Expired")
    unsigned = {name: value for name, value in parameters.items() if name != "Signature"}
    expected = signature(credentials.access_key_secret, string_to_sign(method, unsigned))
    if not hmac.compare_digest(expected, parameters.get("Signature", "")):
        raise SignatureDoesNotMatch("Specified signature is not matched with our calculation.")
    if credentials.security_token != parameters.get("SecurityToken", ""):
        raise InvalidSecurityToken("Specified SecurityToken is not valid.")
    return key_id


def write_assume_role(role: AssumedRole) -> Response:
    """Answer AssumeRole or AssumeRoleWithOIDC."""
    credentials = _said(role.credentials)
    user = {"Arn": role.arn, "AssumedRoleId": role.assumed_role_id}
    return _json({"RequestId": role.request_id, "AssumedRoleUser": user, "Credentials": credentials})


def write_metadata_credentials(credentials: Credentials, *, now: float) -> Response:
    """Answer as the metadata service of an ECS instance does."""
    return _json({**_said(credentials), "LastUpdated": _timestamp(now), "Code": "Success"})


def write_sts_error(error: ServiceError) -> Response:
    """Answer with *error*, as STS does."""
    said = {"RequestId": error.request_id, "HostId": error.host_id, "Code": error.code, "Message": error.message}
    return _json(said, error.status)


def _said(credentials: Credentials) -> dict[str, str]:
    said = {
        "AccessKeyId": credentials.access_key_id,
        "AccessKeySecret": credentials.access_key_secret,
        "SecurityToken": credentials.security_token,
    }
    if credentials.expiration is not None:
        said["Expiration"] = _timestamp(credentials.expiration)
    return said


def _json(said: Mapping[str, Any], status: int = 200) -> Response:
    body = json.dumps(said).encode()
    return Response(status, Headers({"content-type": "application/json", "content-length": str(len(body))}), body)
