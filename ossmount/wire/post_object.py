"""PostObject: how a form in a browser uploads a file, allowed by a policy that was signed beforehand; both halves.

A policy is JSON with an expiration and conditions on the fields of the form: ``{"key": "exact"}``,
``["starts-with", "$key", "user/"]``, ``["eq", ...]``, ``["in", "$content-type", [...]]``, ``["not-in", ...]`` and
``["content-length-range", 0, 1048576]``.

Source: API reference, PostObject; "Appendix: Post policy"; "Include a V4 signature in a POST request".
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Any

from . import xml
from .dates import compact_date, parse_xml_date, xml_date
from .errors import (
    AccessDenied,
    EntityTooLarge,
    EntityTooSmall,
    InvalidArgument,
    InvalidPolicyDocument,
    OutOfLimits,
)
from .listing_calls import namer
from .message import Headers, Request, Response
from .object_calls import quoted, xml_response
from .signing import ALGORITHM_V4, Version, signing_key
from .verifying import Signer, check_token, find_credentials, split_scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .credentials import Credentials
    from .form import Form
    from .models import PutObjectResult
    from .verifying import Lookup


# The client's half


def sign_policy(
    conditions: Sequence[object],
    credentials: Credentials,
    *,
    now: float,
    expires: int = 3600,
    region: str = "",
    product: str = "oss",
    version: Version = "v4",
) -> dict[str, str]:
    """Return the fields that let a form upload what *conditions* allow until *expires* seconds from *now*.

    Raises:
        OutOfLimits: *expires* is not positive.
    """
    if expires < 1:
        raise OutOfLimits(f"a policy is valid for at least 1 s, not {expires}")
    fields: dict[str, str] = {}
    date = compact_date(now)
    scope = f"{date[:8]}/{region}/{product}/aliyun_v4_request"
    if version == "v4":
        fields = {
            "x-oss-signature-version": ALGORITHM_V4,
            "x-oss-credential": f"{credentials.access_key_id}/{scope}",
            "x-oss-date": date,
        }
    if credentials.security_token:
        fields["x-oss-security-token"] = credentials.security_token
    document = {
        "expiration": xml_date(now + expires),
        "conditions": [*conditions, *({name: value} for name, value in fields.items())],
    }
    policy = b64encode(json.dumps(document).encode()).decode()
    fields["policy"] = policy
    if version == "v4":
        fields["x-oss-signature"] = _signature_v4(credentials, policy, scope)
    else:
        fields |= {"OSSAccessKeyId": credentials.access_key_id, "Signature": _signature_v1(credentials, policy)}
    return fields


def _signature_v1(credentials: Credentials, policy: str) -> str:
    return b64encode(hmac.digest(credentials.access_key_secret.encode(), policy.encode(), sha1)).decode()


def _signature_v4(credentials: Credentials, policy: str, scope: str) -> str:
    key = signing_key(credentials.access_key_secret, *scope.split("/"))
    return hmac.digest(key, policy.encode("utf-8", "replace"), sha256).hex()


def post_object(
    bucket: str, fields: Mapping[str, str], body: bytes, *, filename: str = "file", boundary: str = "ossmount-form"
) -> Request:
    """Make the request that a browser sends for a form with *fields* and a file; *boundary* must not be in them.

    Raises:
        ValueError: *boundary* is in them.
    """
    parts = [(f'name="{_quoted(name)}"', value.encode()) for name, value in fields.items()]
    # The file comes last: fields behind it do not count.
    parts.append((f'name="file"; filename="{_quoted(filename)}"', body))
    if any(boundary.encode() in content for _, content in parts):
        raise ValueError("the boundary is part of the form")
    lines = b""
    for name, content in parts:
        lines += f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\n\r\n".encode() + content + b"\r\n"
    headers = Headers({"content-type": f"multipart/form-data; boundary={boundary}"})
    whole = lines + f"--{boundary}--\r\n".encode()
    return Request("POST", bucket, "", {}, headers, whole, idempotent=False, operation="PostObject")


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


# The server's half


def verify_post_object(form: Form, lookup: Lookup, *, now: float, region: str = "") -> Signer | None:
    """Return who signed the policy of *form*, or None when nobody did; see `verifying.verify`.

    Raises:
        ServiceError: it is signed wrongly.
    """
    fields = form.fields
    policy = fields.get("policy", "")
    token = fields.get("x-oss-security-token") or fields.get("security-token", "")
    if "x-oss-signature-version" in fields or "x-oss-signature" in fields:
        if fields.get("x-oss-signature-version") != ALGORITHM_V4:
            raise InvalidArgument("Unsupported signature version.")
        access_key_id, scope = split_scope(fields.get("x-oss-credential", ""), "x-oss-credential", region)
        credentials = find_credentials(access_key_id, lookup)
        good = hmac.compare_digest(
            fields.get("x-oss-signature", "").encode(), _signature_v4(credentials, policy, scope).encode()
        )
        version = 4
    elif "ossaccesskeyid" in fields or "signature" in fields:
        access_key_id = fields.get("ossaccesskeyid", "")
        credentials = find_credentials(access_key_id, lookup)
        good = hmac.compare_digest(fields.get("signature", "").encode(), _signature_v1(credentials, policy).encode())
        version = 1
    else:
        return None
    if not good:
        raise AccessDenied("The policy signature we calculated does not match the signature you provided.")
    check_token(token, credentials, now)
    return Signer(access_key_id, version, presigned=True)


def check_policy(form: Form, bucket: str, *, now: float) -> None:
    """Return if the policy of *form* allows it; a form without one is for the bucket's ACL to allow.

    Raises:
        InvalidPolicyDocument: the policy is none.
        AccessDenied: it does not allow it, or not any more.
        EntityTooLarge, EntityTooSmall: the file is not as long as it says.
    """
    if not form.fields.get("policy"):
        return
    try:
        document = json.loads(b64decode(form.fields["policy"], validate=True))
        expiration = parse_xml_date(document["expiration"])
        conditions = list(document["conditions"])
    except (ValueError, LookupError, TypeError):
        raise InvalidPolicyDocument("Invalid Policy: Invalid JSON.") from None
    if expiration < now:
        raise AccessDenied("Invalid according to Policy: Policy expired.")
    values = {**form.fields, "bucket": bucket}
    for condition in conditions:
        _check_condition(condition, values, form.size)


def _check_condition(condition: Any, values: Mapping[str, str], size: int) -> None:
    if isinstance(condition, dict) and len(condition) == 1:
        ((name, wanted),) = condition.items()
        condition = ["eq", f"${name}", wanted]
    if not isinstance(condition, list) or len(condition) != 3 or not isinstance(condition[0], str):
        raise InvalidPolicyDocument(f"Invalid Policy: Invalid condition {json.dumps(condition)}")
    verb, subject, wanted = condition
    verb = verb.lower()
    if verb == "content-length-range":
        if not isinstance(subject, int) or not isinstance(wanted, int):
            raise InvalidPolicyDocument
        if size > wanted:
            raise EntityTooLarge(details={"MaxSizeAllowed": str(wanted), "ProposedSize": str(size)})
        if size < subject:
            raise EntityTooSmall(details={"MinSizeAllowed": str(subject), "ProposedSize": str(size)})
        return
    if not isinstance(subject, str) or not subject.startswith("$"):
        raise InvalidPolicyDocument
    value = values.get(subject[1:].lower(), "")
    match verb, wanted:
        case "eq", str():
            fits = value == wanted
        case "starts-with", str():
            fits = value.startswith(wanted)
        case (("in" | "not-in"), list()):
            fits = (value in wanted) is (verb == "in")
        case _:
            raise InvalidPolicyDocument
    if not fits:
        raise AccessDenied(f"Invalid according to Policy: Policy Condition failed: {json.dumps(condition)}")


def write_post_object(result: PutObjectResult, form: Form, bucket: str, location: str) -> Response:
    """Answer PostObject: a redirect, or the status that the form asks for; *location* is the URL of the object."""
    redirect = form.fields.get("success_action_redirect", "")
    status = form.fields.get("success_action_status", "")
    etag = quoted(result.etag)
    if redirect.startswith(("http://", "https://")) and redirect.isprintable() and redirect.isascii():
        response = Response(303, Headers({"location": redirect, "content-length": "0"}))
    elif status == "201":
        write = namer(False)
        elements = [xml.tag("Bucket", bucket), write("Location", location), write("Key", form.key)]
        response = xml_response(xml.document("PostResponse", [*elements, xml.tag("ETag", etag)]), 201)
        response.headers["location"] = location
    else:
        response = Response(
            200 if status == "200" else 204, Headers({"content-length": "0"} if status == "200" else {})
        )
    response.headers["etag"] = etag
    if result.crc64 is not None:
        response.headers["x-oss-hash-crc64ecma"] = str(result.crc64)
    if result.version_id is not None:
        response.headers["x-oss-version-id"] = result.version_id
    return response
