"""The Security Token Service on the server's own port, and the metadata service of a cloud instance.

A call of STS is told from one of OSS by its parameter ``Action``, in the query or in a form posted to ``/``; the
metadata service by its paths, unless there is a bucket called ``latest``.  What anybody may ask for without a
signature, OIDC and metadata, is there only with a role.

Source: API reference of STS, AssumeRole, AssumeRoleWithOIDC; ECS user guide, "Instance metadata".
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode
from hashlib import md5
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from ..wire.errors import AccessDenied, InvalidArgument, MethodNotAllowed, NoSuchKey, ServiceError
from ..wire.message import Headers, Request, Response
from ..wire.sts import (
    TOKEN,
    TOKEN_TTL,
    AssumedRole,
    read_assume_role,
    write_assume_role,
    write_metadata_credentials,
    write_sts_error,
)

if TYPE_CHECKING:
    from .service import Service

FORM = "application/x-www-form-urlencoded"
# Credentials of the metadata service are good for so many seconds; a token of its own at most.
LIFETIME = 6 * 3600
MAX_TTL = 21600
_METADATA = "meta-data/ram/security-credentials/"
_ACTIONS = ("AssumeRole", "AssumeRoleWithOIDC")
_ACCOUNT = "123456789012****"


class SecurityTokenService:
    """Gives out temporary credentials of *service*."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tokens: dict[str, float] = {}

    def is_meant(self, request: Request) -> bool:
        """Tell whether *request* is for this service, and name its operation."""
        if not request.bucket:
            if "Action" in request.query:
                action = request.query["Action"] or ""
                request.operation = action if action in _ACTIONS else "Unknown"
                return True
            if request.method == "POST" and request.headers.get("content-type", "").startswith(FORM):
                # Which of the two, only the body tells.
                request.operation = "AssumeRole"
                return True
            return False
        if request.bucket == "latest" and "authorization" not in request.headers:
            found = request.key == "api/token" or request.key.startswith(_METADATA)
            if found and self._service.options.role and self._service.store.bucket("latest") is None:
                request.operation = "GetMetadata"
                return True
        return False

    def answer(self, request: Request, now: float, request_id: str) -> Response:
        """Answer *request*, whose body has been read."""
        if request.bucket:
            return self._metadata(request, now)
        parameters = {name: value or "" for name, value in request.query.items()}
        if request.body:
            form = bytes(request.body).decode("utf-8", "replace")
            parameters |= dict(parse_qsl(form, keep_blank_values=True))
        try:
            return write_assume_role(self._assume(request.method, parameters, now, request_id))
        except ServiceError as exc:
            exc.request_id = request_id
            exc.host_id = request.headers.get("host", "")
            return write_sts_error(exc)

    def _assume(self, method: str, parameters: dict[str, str], now: float, request_id: str) -> AssumedRole:
        call = read_assume_role(method, parameters, self._service.credentials, now=now)
        if not call.access_key_id:
            if not self._service.options.role:
                raise AccessDenied("No role can be assumed without a signature here.", code="NoPermission")
            _check_token(call.oidc_token, now)
        credentials = self._service.roles.give(policy=call.policy, expiration=now + call.duration, now=now)
        name = call.role_arn.rpartition("/")[2]
        number = int.from_bytes(md5(call.role_arn.encode(), usedforsecurity=False).digest()[:7]) % 10**17
        return AssumedRole(
            credentials=credentials,
            arn=f"acs:ram::{_ACCOUNT}:role/{name}/{call.session_name}",
            assumed_role_id=f"3{number:017d}:{call.session_name}",
            request_id=request_id,
        )

    def _metadata(self, request: Request, now: float) -> Response:
        if request.key == "api/token":
            return self._token(request, now)
        if request.method != "GET":
            raise MethodNotAllowed
        token = request.headers.get(TOKEN, "")
        if token and self._tokens.get(token, 0.0) <= now:
            return _text(401, "")
        name = request.key.removeprefix(_METADATA)
        role = self._service.options.role
        if not name:
            return _text(200, role)
        if name != role:
            raise NoSuchKey(details={"Key": request.key})
        credentials = self._service.roles.give(policy="", expiration=now + LIFETIME, now=now)
        return write_metadata_credentials(credentials, now=now)

    def _token(self, request: Request, now: float) -> Response:
        ttl = request.headers.get(TOKEN_TTL, "")
        if request.method != "PUT" or not ttl.isascii() or not ttl.isdigit() or not 1 <= int(ttl) <= MAX_TTL:
            return _text(400, "")
        self._tokens = {token: until for token, until in self._tokens.items() if until > now}
        token = secrets.token_urlsafe(40)
        self._tokens[token] = now + int(ttl)
        return _text(200, token)


def _check_token(token: str, now: float) -> None:
    """Return if *token* is a JWT that is still good; who signed it is not checked: nobody here has the key.

    Raises:
        InvalidArgument: it is none.
        AccessDenied: it has expired.
    """
    parts = token.strip().split(".")
    try:
        assert len(parts) == 3
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        expires = float(claims.get("exp", now + 1))
    except (ValueError, AttributeError, TypeError, AssertionError):
        raise InvalidArgument("The OIDC token is invalid.", code="AuthenticationFail.OIDCToken.Invalid") from None
    if expires <= now:
        raise AccessDenied("The OIDC token has expired.", code="AuthenticationFail.OIDCToken.Expired", status=400)


def _text(status: int, text: str) -> Response:
    body = text.encode()
    return Response(status, Headers({"content-type": "text/plain", "content-length": str(len(body))}), body)
