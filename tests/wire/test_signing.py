"""Signatures against the published vectors, signed by the client's side and verified by the server's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ossmount.wire import signing
from ossmount.wire.credentials import Credentials
from ossmount.wire.dates import parse_compact_date, parse_http_date
from ossmount.wire.errors import (
    AccessDenied,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidSecurityToken,
    RequestTimeTooSkewed,
    SecurityTokenExpired,
    ServiceError,
    SignatureDoesNotMatch,
)
from ossmount.wire.message import Headers, Request
from ossmount.wire.verifying import Signer, verify

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("signature_vectors.json").read_text())
OSS_VECTORS = [vector for vector in VECTORS if vector["v"] != "pop-rpc"]
NOW = 1_700_000_000.0
KEYS = Credentials("ak", "sk")


def lookup(access_key_id: str) -> Credentials | None:
    return KEYS if access_key_id == "ak" else None


def request_of(vector: dict[str, Any]) -> Request:
    return Request(
        vector["method"],
        vector["bucket"],
        vector["key"],
        dict(vector["params"]),
        Headers(vector["headers"]),
        operation="X",
    )


@pytest.mark.parametrize("vector", OSS_VECTORS)
def test_every_published_vector_gives_its_signature(vector: dict[str, Any]) -> None:
    request = request_of(vector)
    credentials = Credentials(vector["ak"], vector["sk"])
    if vector["v"].startswith("v1"):
        text = signing.string_to_sign_v1(request, request.headers, vector["date"])
        assert text == vector["string_to_sign"]
        assert signing.signature_v1(credentials, text) == vector["expect"]
        return
    headers = request.headers.copy()
    if vector["v"] == "v4-header":
        headers["x-oss-date"] = vector["ts"]
    names = signing.additional_names(headers, vector["additional"])
    canonical = signing.canonical_request(request, request.query, headers, names, signing.UNSIGNED)
    assert canonical == vector["canonical_request"]
    scope = f"{vector['ts'][:8]}/{vector['region']}/{vector['product']}/aliyun_v4_request"
    text = signing.string_to_sign_v4(canonical, vector["ts"], scope)
    assert text == vector["string_to_sign"]
    assert signing.signature_v4(credentials, text, scope) == vector["expect"]


@pytest.mark.parametrize("vector", [v for v in OSS_VECTORS if v["v"] == "v4-header"])
def test_sign_gives_the_published_header(vector: dict[str, Any]) -> None:
    request = request_of(vector)
    request.headers.pop("x-oss-security-token")
    headers = signing.sign(
        request,
        Credentials(vector["ak"], vector["sk"], vector.get("token") or ""),
        now=parse_compact_date(vector["ts"]),
        region=vector["region"],
        product=vector["product"],
        additional=vector["additional"],
    )
    assert headers["authorization"].endswith(f"Signature={vector['expect']}")


@pytest.mark.parametrize("vector", [v for v in OSS_VECTORS if v["v"] == "v4-url"])
def test_presign_gives_the_published_url(vector: dict[str, Any]) -> None:
    request = request_of(vector)
    expires = int(request.query["x-oss-expires"] or "")
    for name in [name for name in request.query if name.startswith("x-oss-")]:
        del request.query[name]
    query = signing.presign(
        request,
        Credentials(vector["ak"], vector["sk"], vector.get("token") or ""),
        now=parse_compact_date(vector["ts"]),
        expires=expires,
        region=vector["region"],
        product=vector["product"],
        additional=vector["additional"],
    )
    assert query["x-oss-signature"] == vector["expect"]


@pytest.mark.parametrize("vector", [v for v in OSS_VECTORS if v["v"] == "v1-header"])
def test_verify_accepts_the_published_headers(vector: dict[str, Any]) -> None:
    request = request_of(vector)
    request.headers["date"] = vector["date"]
    request.headers["authorization"] = f"OSS {vector['ak']}:{vector['expect']}"
    keys = Credentials(vector["ak"], vector["sk"])
    signer = verify(request, lambda _: keys, now=parse_http_date(vector["date"]) + 800)
    assert signer == Signer(vector["ak"], 1, presigned=False)


def signed(version: signing.Version, *, credentials: Credentials = KEYS, now: float = NOW) -> Request:
    request = Request("PUT", "bucket", "a b/ü+%", {"partNumber": "1", "uploadId": "X", "prefix": "p/q"}, Headers())
    request.headers["content-type"] = "text/plain"
    request.headers["x-oss-meta-a"] = " spaced  "
    request.headers = signing.sign(request, credentials, now=now, region="cn-hangzhou", version=version)
    return request


def presigned(version: signing.Version, *, credentials: Credentials = KEYS, expires: int = 60) -> Request:
    request = Request("GET", "bucket", "a b/ü+%", {"response-content-type": "text/html; a=b", "x": None})
    request.query = signing.presign(
        request, credentials, now=NOW, expires=expires, region="cn-hangzhou", version=version
    )
    return request


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_what_sign_signs_verify_accepts(version: signing.Version) -> None:
    assert verify(signed(version), lookup, now=NOW, region="cn-hangzhou") == Signer(
        "ak", int(version[1]), presigned=False
    )


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_what_presign_signs_verify_accepts(version: signing.Version) -> None:
    signer = verify(presigned(version), lookup, now=NOW + 59, region="cn-hangzhou")
    assert signer == Signer("ak", int(version[1]), presigned=True)


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_temporary_credentials_sign_with_their_token(version: signing.Version) -> None:
    temporary = Credentials("ak", "sk", "token", expiration=NOW + 100)
    for request in (signed(version, credentials=temporary), presigned(version, credentials=temporary)):
        assert verify(request, lambda _: temporary, now=NOW)
        with pytest.raises(InvalidSecurityToken):
            verify(request, lookup, now=NOW)
    old = Credentials("ak", "sk", "token", expiration=NOW - 1)
    with pytest.raises(SecurityTokenExpired):
        verify(signed(version, credentials=old), lambda _: old, now=NOW)


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_any_change_of_what_is_signed_is_refused(version: signing.Version) -> None:
    for change in ("method", "bucket", "key", "query", "meta", "type"):
        request = signed(version)
        match change:
            case "method":
                request.method = "GET"
            case "bucket":
                request.bucket = "other"
            case "key":
                request.key += "x"
            case "query":
                request.query["uploadId"] = "Y"
            case "meta":
                request.headers["x-oss-meta-a"] = "other"
            case _:
                request.headers["content-type"] = "text/html"
        with pytest.raises(SignatureDoesNotMatch) as caught:
            verify(request, lookup, now=NOW, region="cn-hangzhou")
        assert caught.value.ec == "0002-00000040"
        assert caught.value.details["StringToSign"].encode().hex(" ") == caught.value.details["StringToSignBytes"]
        assert ("CanonicalRequest" in caught.value.details) == (version == "v4")


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_a_clock_fifteen_minutes_off_is_refused(version: signing.Version) -> None:
    for off in (-901.0, 901.0):
        with pytest.raises(RequestTimeTooSkewed):
            verify(signed(version, now=NOW + off), lookup, now=NOW)
    assert verify(signed(version, now=NOW - 899), lookup, now=NOW)


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_an_url_expires(version: signing.Version) -> None:
    with pytest.raises(AccessDenied, match="expired"):
        verify(presigned(version), lookup, now=NOW + 61)
    # Expiry comes before the signature.
    request = presigned(version)
    request.key = "other"
    with pytest.raises(AccessDenied):
        verify(request, lookup, now=NOW + 61)
    with pytest.raises(SignatureDoesNotMatch):
        verify(request, lookup, now=NOW)


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_an_unknown_access_key_is_refused(version: signing.Version) -> None:
    for request in (signed(version), presigned(version)):
        with pytest.raises(InvalidAccessKeyId):
            verify(request, lambda _: None, now=NOW)


def test_a_presigned_url_lives_seven_days_at_most() -> None:
    with pytest.raises(ValueError, match="valid"):
        presigned("v4", expires=604_801)
    with pytest.raises(ValueError, match="valid"):
        presigned("v1", expires=0)


def test_an_unsigned_request_is_anonymous() -> None:
    assert verify(Request("GET", "bucket", "key"), lookup, now=NOW) is None


def test_another_region_is_refused_with_its_own_code() -> None:
    with pytest.raises(InvalidArgument, match="Invalid signing region") as caught:
        verify(signed("v4"), lookup, now=NOW, region="cn-beijing")
    assert caught.value.ec == "0002-00000226"


def test_the_header_of_version_4_is_read_in_any_order_and_spacing() -> None:
    request = Request("GET", "b", "k", headers=Headers({"host": "h"}))
    request.headers = signing.sign(request, KEYS, now=NOW, region="r", additional=["host"])
    scheme, _, rest = request.headers["authorization"].partition(" ")
    request.headers["authorization"] = f"{scheme} {', '.join(reversed(rest.split(',')))}"
    assert verify(request, lookup, now=NOW)


def test_a_token_under_its_url_name_is_accepted_in_a_header() -> None:
    temporary = Credentials("ak", "sk", "token")
    request = Request("GET", "b", "k", headers=Headers({"security-token": "token"}))
    request.headers = signing.sign(request, KEYS, now=NOW, version="v1")
    assert verify(request, lambda _: temporary, now=NOW)


BROKEN: list[tuple[dict[str, str], dict[str, str | None], type[ServiceError]]] = [
    ({"authorization": "Basic x"}, {}, InvalidArgument),
    ({"authorization": "OSS x"}, {}, InvalidArgument),
    ({"authorization": "OSS ak:sig"}, {}, AccessDenied),
    ({"authorization": "OSS ak:sig", "date": "yesterday"}, {}, AccessDenied),
    ({"authorization": "OSS4-HMAC-SHA256 nothing"}, {}, InvalidArgument),
    (
        {"authorization": "OSS4-HMAC-SHA256 Credential=ak/1/2,Signature=x", "x-oss-date": "20231114T221320Z"},
        {},
        InvalidArgument,
    ),
    ({"authorization": "OSS4-HMAC-SHA256 Credential=ak/1/2/3/aliyun_v4_request,Signature=x"}, {}, AccessDenied),
    ({"authorization": "OSS ak:sig"}, {"Signature": "x"}, InvalidArgument),
    ({}, {"Signature": "x"}, AccessDenied),
    ({}, {"Signature": "x", "OSSAccessKeyId": "ak", "Expires": "soon"}, AccessDenied),
    ({}, {"x-oss-signature": "x"}, AccessDenied),
    (
        {},
        {"x-oss-signature": "x", "x-oss-credential": "c", "x-oss-date": "20231114T221320Z", "x-oss-expires": "1"},
        InvalidArgument,
    ),
    (
        {},
        {
            "x-oss-signature": "x",
            "x-oss-credential": "c",
            "x-oss-date": "20231114T221320Z",
            "x-oss-expires": "604801",
            "x-oss-signature-version": "OSS4-HMAC-SHA256",
        },
        InvalidArgument,
    ),
    (
        {},
        {
            "x-oss-signature": "x",
            "x-oss-credential": "c",
            "x-oss-date": "20231114T234320Z",
            "x-oss-expires": "60",
            "x-oss-signature-version": "OSS4-HMAC-SHA256",
        },
        RequestTimeTooSkewed,
    ),
]


@pytest.mark.parametrize(("headers", "query", "error"), BROKEN)
def test_a_broken_signature_is_refused_by_the_right_code(
    headers: dict[str, str], query: dict[str, str | None], error: type[ServiceError]
) -> None:
    with pytest.raises(error):
        verify(Request("GET", "b", "k", query, Headers(headers)), lookup, now=NOW)


@given(
    key=st.text(max_size=40), values=st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), max_size=4)
)
@pytest.mark.parametrize("version", ["v1", "v4"])
def test_any_key_and_query_can_be_signed_and_verified(
    version: signing.Version, key: str, values: dict[str, str | None]
) -> None:
    reserved = ("Signature", "OSSAccessKeyId")
    values = {name: value for name, value in values.items() if not name.startswith("x-oss") and name not in reserved}
    request = Request("GET", "bucket", key, values)
    request.headers = signing.sign(request, KEYS, now=NOW, version=version)
    assert verify(request, lookup, now=NOW)


def test_no_repr_shows_a_secret() -> None:
    credentials = Credentials("ak", "very-secret", "also-secret", 5.0)
    assert "secret'" not in repr(credentials).replace("access_key_secret='***'", "")
    assert "also" not in repr(credentials)
