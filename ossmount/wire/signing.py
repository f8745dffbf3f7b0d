"""Signatures: version 1 (HMAC-SHA1) and version 4 (OSS4-HMAC-SHA256), in headers and in URLs.

The client signs and the server verifies with the same canonical texts; `wire.verifying` is the server's side.
Everything is taken from the decoded request, so that addressing and the encoding on the wire cannot disagree with what
is signed: the resource is always ``/BUCKET/KEY``.

Source: API reference, "Include signatures in the Authorization header" (versions 1 and 4), "Add signatures to URLs".
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from functools import lru_cache
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Literal

from .dates import compact_date, http_date
from .failures import OutOfLimits
from .message import Headers, Request, encode_key, encode_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .credentials import Credentials

Version = Literal["v1", "v4"]

ALGORITHM_V4 = "OSS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
# A version 4 URL may live seven days.
MAX_EXPIRES_V4 = 7 * 24 * 3600

# Parameters that are part of the resource in version 1; any other is not signed.
SUBRESOURCES = frozenset(
    """
    acl append bucketInfo callback callback-var cname comp continuation-token cors delete encryption
    endTime group img inventory inventoryId lifecycle link live location logging metaQuery objectInfo
    objectMeta partNumber policy position qos qosInfo referer regionList replication replicationLocation
    replicationProgress requestPayment resourceGroup response-cache-control response-content-disposition
    response-content-encoding response-content-language response-content-type response-expires restore
    seal security-token sequential startTime stat status style styleName symlink tagging
    transferAcceleration uploadId uploads versionId versioning versions vod website worm wormExtend
    wormId x-oss-async-process x-oss-delete x-oss-dir x-oss-process x-oss-rename x-oss-request-payer
    x-oss-traffic-limit x-oss-undelete x-oss-write-get-object-response
    """.split()
)


def sign(
    request: Request,
    credentials: Credentials,
    *,
    now: float,
    region: str = "",
    product: str = "oss",
    version: Version = "v4",
    additional: Iterable[str] = (),
) -> Headers:
    """Return the headers of *request* with date, token and ``Authorization`` added; the request itself stays as it is.

    *additional* are names of further headers that version 4 shall sign, if they are there.
    """
    headers = request.headers.copy()
    if credentials.security_token:
        headers["x-oss-security-token"] = credentials.security_token
    if version == "v1":
        headers["x-oss-date"] = http_date(now)
        text = string_to_sign_v1(request, headers, headers["x-oss-date"])
        headers["authorization"] = f"OSS {credentials.access_key_id}:{signature_v1(credentials, text)}"
        return headers
    date = compact_date(now)
    headers["x-oss-date"] = date
    headers["x-oss-content-sha256"] = UNSIGNED
    names = additional_names(headers, additional)
    scope = f"{date[:8]}/{region}/{product}/aliyun_v4_request"
    text = string_to_sign_v4(canonical_request(request, request.query, headers, names, UNSIGNED), date, scope)
    more = f",AdditionalHeaders={';'.join(names)}" if names else ""
    signature = signature_v4(credentials, text, scope)
    headers["authorization"] = (
        f"{ALGORITHM_V4} Credential={credentials.access_key_id}/{scope}{more},Signature={signature}"
    )
    return headers


def presign(
    request: Request,
    credentials: Credentials,
    *,
    now: float,
    expires: int,
    region: str = "",
    product: str = "oss",
    version: Version = "v4",
    additional: Iterable[str] = (),
) -> dict[str, str | None]:
    """Return the query of *request* with what lets anybody send it until *expires* seconds from *now*.

    Whoever uses the URL must send the same headers: all ``x-oss-*``, content type and MD5, and *additional*.

    Raises:
        OutOfLimits: *expires* is not positive, or is over seven days with version 4.
    """
    if expires < 1 or (version == "v4" and expires > MAX_EXPIRES_V4):
        raise OutOfLimits(f"a URL is valid for 1 to {MAX_EXPIRES_V4} s, which are seven days, not {expires} s")
    query = dict(request.query)
    if version == "v1":
        if credentials.security_token:
            query["security-token"] = credentials.security_token
        deadline = str(int(now) + int(expires))
        signed = Request(request.method, request.bucket, request.key, query)
        text = string_to_sign_v1(signed, request.headers, deadline)
        query |= {
            "OSSAccessKeyId": credentials.access_key_id,
            "Expires": deadline,
            "Signature": signature_v1(credentials, text),
        }
        return query
    date = compact_date(now)
    scope = f"{date[:8]}/{region}/{product}/aliyun_v4_request"
    names = additional_names(request.headers, additional)
    query |= {
        "x-oss-signature-version": ALGORITHM_V4,
        "x-oss-credential": f"{credentials.access_key_id}/{scope}",
        "x-oss-date": date,
        "x-oss-expires": str(int(expires)),
    }
    if names:
        query["x-oss-additional-headers"] = ";".join(names)
    if credentials.security_token:
        query["x-oss-security-token"] = credentials.security_token
    text = string_to_sign_v4(canonical_request(request, query, request.headers, names, UNSIGNED), date, scope)
    query["x-oss-signature"] = signature_v4(credentials, text, scope)
    return query


def string_to_sign_v1(request: Request, headers: Mapping[str, str], date: str) -> str:
    """Return what version 1 signs; *date* is a HTTP date, or for a URL the time it expires in seconds."""
    oss_headers = "".join(f"{name}:{_field(headers[name])}\n" for name in sorted(headers) if name.startswith("x-oss-"))
    resource = f"/{request.bucket}/{request.key}" if request.bucket else "/"
    named = sorted(name for name in request.query if name in SUBRESOURCES or name.startswith("x-oss-ac-"))
    if named:
        values = ((name, request.query[name]) for name in named)
        resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in values)
    md5, kind = headers.get("content-md5", ""), headers.get("content-type", "")
    return f"{request.method}\n{md5}\n{kind}\n{date}\n{oss_headers}{resource}"


def signature_v1(credentials: Credentials, text: str) -> str:
    """Sign *text* as version 1 does: HMAC-SHA1 in base64."""
    return b64encode(hmac.digest(credentials.access_key_secret.encode(), _octets(text), sha1)).decode()


def additional_names(headers: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Return those of *names* that version 4 signs as additional headers: present, and not signed anyway."""
    wanted = {name.lower() for name in names}
    return sorted(name for name in wanted if name in headers and not _always_signed(name))


def _always_signed(name: str) -> bool:
    return name.startswith("x-oss-") or name in ("content-type", "content-md5")


def canonical_request(
    request: Request, query: Mapping[str, str | None], headers: Mapping[str, str], additional: list[str], payload: str
) -> str:
    """Return the canonical request of version 4; *additional* must be sorted and lower-case."""
    uri = f"/{request.bucket}/{encode_key(request.key)}" if request.bucket else "/"
    pairs = sorted((encode_value(name), value) for name, value in query.items() if name != "x-oss-signature")
    canonical_query = "&".join(f"{name}={encode_value(value)}" if value else name for name, value in pairs)
    signed = sorted(name for name in headers if _always_signed(name) or name in additional)
    fields = "".join(f"{name}:{_field(headers[name])}\n" for name in signed)
    return f"{request.method}\n{uri}\n{canonical_query}\n{fields}\n{';'.join(additional)}\n{payload}"


def string_to_sign_v4(canonical: str, date: str, scope: str) -> str:
    """Return what version 4 signs."""
    return f"{ALGORITHM_V4}\n{date}\n{scope}\n{sha256(_octets(canonical)).hexdigest()}"


def signature_v4(credentials: Credentials, text: str, scope: str) -> str:
    """Sign *text* as version 4 does: HMAC-SHA256 in hexadecimal, with the key of the scope."""
    key = signing_key(credentials.access_key_secret, *scope.split("/"))
    return hmac.digest(key, _octets(text), sha256).hex()


@lru_cache(maxsize=16)
def signing_key(secret: str, date: str, region: str, product: str, terminator: str) -> bytes:
    """Derive the key of one day, region and product; it is the same for every request of that day."""
    key = b"aliyun_v4" + secret.encode()
    for step in (date, region, product, terminator):
        key = hmac.digest(key, step.encode(), sha256)
    return key


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _field(value: str) -> str:
    """Return a header value so that `_octets` gives the octets that travel; only raw UTF-8 makes a difference."""
    value = value.strip()
    return value if value.isascii() else value.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
