"""The server's side of signatures: who sent this request, or why is it refused.

Headers and URLs, versions 1 and 4, written as any of the SDKs writes them.  The clock and the table of keys are
arguments.

Source: as `wire.signing`; "Add signatures to URLs" for the order of the checks.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .credentials import Credentials
from .dates import parse_compact_date, parse_http_date
from .errors import (
    AccessDenied,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidSecurityToken,
    RequestTimeTooSkewed,
    SecurityTokenExpired,
    SignatureDoesNotMatch,
)
from .signing import (
    ALGORITHM_V4,
    MAX_EXPIRES_V4,
    UNSIGNED,
    additional_names,
    canonical_request,
    signature_v1,
    signature_v4,
    string_to_sign_v1,
    string_to_sign_v4,
)

if TYPE_CHECKING:
    from .message import Request

Lookup: TypeAlias = Callable[[str], Credentials | None]

# How far a client's clock may be off, in seconds.
MAX_SKEW = 900

_URL_V1 = ("Signature", "Expires", "OSSAccessKeyId")
_URL_V4 = ("x-oss-credential", "x-oss-date", "x-oss-expires", "x-oss-signature")


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a request, and how: *version* is 1 or 4, *presigned* tells a URL from a header."""

    access_key_id: str
    version: int
    presigned: bool


def verify(request: Request, lookup: Lookup, *, now: float, region: str = "") -> Signer | None:
    """Return who signed *request*, or None when nobody did (an anonymous request).

    *lookup* finds the credentials of an access key id; *region* is the one that version 4 must name, if it is given.

    Raises:
        ServiceError: it is signed wrongly; class, code, message and EC say how.
    """
    authorization = request.headers.get("authorization", "")
    in_query = any(
        name in request.query for name in ("Signature", "OSSAccessKeyId", "x-oss-signature", "x-oss-signature-version")
    )
    if authorization and in_query:
        raise InvalidArgument(
            "Authorization in both the header and the URL.", details=_argument("Authorization", authorization[:4])
        )
    if "x-oss-signature-version" in request.query or "x-oss-signature" in request.query:
        return _verify_url_v4(request, lookup, now=now, region=region)
    if in_query:
        return _verify_url_v1(request, lookup, now=now)
    if not authorization:
        return None
    scheme, _, rest = authorization.partition(" ")
    if scheme == ALGORITHM_V4:
        return _verify_header_v4(request, rest, lookup, now=now, region=region)
    if scheme == "OSS":
        return _verify_header_v1(request, rest, lookup, now=now)
    raise InvalidArgument("Unsupported authorization type.", details=_argument("Authorization", scheme))


def _verify_header_v1(request: Request, rest: str, lookup: Lookup, *, now: float) -> Signer:
    access_key_id, colon, signature = rest.strip().partition(":")
    if not colon or not access_key_id or not signature:
        raise InvalidArgument("Authorization header is invalid.", details=_argument("Authorization", "OSS"))
    date = request.headers.get("x-oss-date") or request.headers.get("date", "")
    _check_skew(_header_time(date), now)
    credentials = find_credentials(access_key_id, lookup)
    text = string_to_sign_v1(request, request.headers, date)
    _check(signature, signature_v1(credentials, text), text, access_key_id)
    # One SDK sends the token under the name that belongs into URLs, and does not sign it.
    check_token(
        request.headers.get("x-oss-security-token") or request.headers.get("security-token", ""), credentials, now
    )
    return Signer(access_key_id, 1, presigned=False)


def _verify_url_v1(request: Request, lookup: Lookup, *, now: float) -> Signer:
    query = request.query
    signature, expires, access_key_id = (query.get(name) or "" for name in _URL_V1)
    if not (signature and expires and access_key_id):
        raise AccessDenied("Query-string authentication requires the Signature, Expires and OSSAccessKeyId parameters")
    if not expires.isascii() or not expires.isdigit():
        raise AccessDenied("Invalid date (should be seconds since epoch): " + expires)
    if int(expires) < now:
        raise AccessDenied("Request has expired.", details={"Expires": expires})
    credentials = find_credentials(access_key_id, lookup)
    text = string_to_sign_v1(request, request.headers, expires)
    _check(signature, signature_v1(credentials, text), text, access_key_id)
    check_token(query.get("security-token") or "", credentials, now)
    return Signer(access_key_id, 1, presigned=True)


def _verify_header_v4(request: Request, rest: str, lookup: Lookup, *, now: float, region: str) -> Signer:
    # The SDKs write the three in different orders, with and without spaces.
    fields = dict(_pair(part) for part in rest.split(","))
    credential, signature = fields.get("credential", ""), fields.get("signature", "")
    if not credential or not signature:
        raise InvalidArgument("Authorization header is invalid.", details=_argument("Authorization", ALGORITHM_V4))
    date = request.headers.get("x-oss-date", "")
    if date:
        time = _compact_time(date)
    else:
        date = request.headers.get("date", "")
        time = _compact_time(date) if date.endswith("Z") else _header_time(date)
    access_key_id, scope = split_scope(credential, "Authorization header", region)
    _check_skew(time, now)
    credentials = find_credentials(access_key_id, lookup)
    additional = additional_names(request.headers, fields.get("additionalheaders", "").split(";"))
    payload = request.headers.get("x-oss-content-sha256", UNSIGNED)
    canonical = canonical_request(request, request.query, request.headers, additional, payload)
    text = string_to_sign_v4(canonical, date, scope)
    _check(signature, signature_v4(credentials, text, scope), text, access_key_id, canonical)
    check_token(request.headers.get("x-oss-security-token", ""), credentials, now)
    return Signer(access_key_id, 4, presigned=False)


def _verify_url_v4(request: Request, lookup: Lookup, *, now: float, region: str) -> Signer:
    query = request.query
    credential, date, expires, signature = (query.get(name) or "" for name in _URL_V4)
    if not (credential and date and expires and signature):
        raise AccessDenied("Query-string authentication requires " + ", ".join(_URL_V4) + " parameters")
    version = query.get("x-oss-signature-version") or ""
    if version != ALGORITHM_V4:
        raise InvalidArgument("Unsupported signature version.", details=_argument("x-oss-signature-version", version))
    if not expires.isascii() or not expires.isdigit() or not 0 < int(expires) <= MAX_EXPIRES_V4:
        raise InvalidArgument(
            "x-oss-expires must be between 1 and 604800.", details=_argument("x-oss-expires", expires)
        )
    time = _compact_time(date)
    if time + int(expires) < now:
        raise AccessDenied("Request has expired.", details={"Expires": expires})
    if time > now + MAX_SKEW:
        raise RequestTimeTooSkewed
    access_key_id, scope = split_scope(credential, "x-oss-credential", region)
    credentials = find_credentials(access_key_id, lookup)
    additional = additional_names(request.headers, (query.get("x-oss-additional-headers") or "").split(";"))
    canonical = canonical_request(request, query, request.headers, additional, UNSIGNED)
    text = string_to_sign_v4(canonical, date, scope)
    _check(signature, signature_v4(credentials, text, scope), text, access_key_id, canonical)
    check_token(query.get("x-oss-security-token") or "", credentials, now)
    return Signer(access_key_id, 4, presigned=True)


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.strip().partition("=")
    return name.lower(), value


def split_scope(credential: str, where: str, region: str) -> tuple[str, str]:
    """Split ``AK/20231216/cn-hangzhou/oss/aliyun_v4_request``, found in *where*, into access key id and scope.

    Raises:
        InvalidArgument: it is none, or not of *region*.
    """
    access_key_id, _, scope = credential.partition("/")
    parts = scope.split("/")
    if not access_key_id or len(parts) != 4 or parts[3] != "aliyun_v4_request":
        raise InvalidArgument(f"Invalid credential in {where}.", details=_argument("Credential", scope))
    if region and parts[1] != region:
        message = f"Invalid signing region in {where}."
        raise InvalidArgument(message, status=403, ec="0002-00000226", details=_argument("Region", parts[1]))
    return access_key_id, scope


def _header_time(date: str) -> float:
    try:
        return parse_http_date(date)
    except ValueError:
        raise AccessDenied("OSS authentication requires a valid Date.") from None


def _compact_time(date: str) -> float:
    try:
        return parse_compact_date(date)
    except ValueError:
        raise AccessDenied("OSS authentication requires a valid Date.") from None


def _check_skew(time: float, now: float) -> None:
    if abs(time - now) > MAX_SKEW:
        raise RequestTimeTooSkewed(details={"MaxAllowedSkewMilliseconds": str(MAX_SKEW * 1000)})


def find_credentials(access_key_id: str, lookup: Lookup) -> Credentials:
    """Return the credentials of *access_key_id*.

    Raises:
        InvalidAccessKeyId: there are none.
    """
    credentials = lookup(access_key_id)
    if credentials is None:
        raise InvalidAccessKeyId(details={"OSSAccessKeyId": access_key_id})
    return credentials


def check_token(token: str, credentials: Credentials, now: float) -> None:
    """Return if *token* is the one that goes with *credentials*, and these are still valid.

    Raises:
        InvalidSecurityToken: it is another.
        SecurityTokenExpired: they are not.
    """
    if not hmac.compare_digest(token.encode("utf-8", "replace"), credentials.security_token.encode()):
        raise InvalidSecurityToken
    if credentials.expiration is not None and credentials.expiration <= now:
        raise SecurityTokenExpired


def _check(provided: str, expected: str, text: str, access_key_id: str, canonical: str = "") -> None:
    if hmac.compare_digest(provided.encode("utf-8", "replace"), expected.encode()):
        return
    details = {
        "OSSAccessKeyId": access_key_id,
        "SignatureProvided": provided,
        "StringToSign": text,
        "StringToSignBytes": text.encode("utf-8", "surrogateescape").hex(" "),
    }
    if canonical:
        details["CanonicalRequest"] = canonical
    raise SignatureDoesNotMatch(details=details)


def _argument(name: str, value: str) -> Mapping[str, str]:
    return {"ArgumentName": name, "ArgumentValue": value}
