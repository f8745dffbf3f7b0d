"""Temporary credentials: given out for a role, good for a while, and for what their policy allows.

A policy is a list of statements: a request must be allowed by one and denied by none. Conditions in it are not looked
at, so a statement that has some never allows and always denies: what was narrowed stays at least so narrow.

Source: RAM user guide, "Policy structure and syntax"; OSS developer guide, "RAM policy".
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..wire.credentials import Credentials
from ..wire.errors import AccessDenied, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..wire.message import Request

# Policies call some operations differently than the API reference does.
_ACTIONS = {
    "HeadObject": "GetObject",
    "GetObjectMeta": "GetObject",
    "GetSymlink": "GetObject",
    "PutSymlink": "PutObject",
    "AppendObject": "PutObject",
    "PostObject": "PutObject",
    "ProcessObject": "PostProcessTask",
    "CopyObject": "PutObject",
    "InitiateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteMultipleObjects": "DeleteObject",
    "ListObjectsV2": "ListObjects",
}


@dataclass(frozen=True, slots=True)
class _Given:
    credentials: Credentials
    statements: Sequence[Mapping[str, Any]] | None


class Roles:
    """The temporary credentials that are about; they do not survive a restart."""

    def __init__(self) -> None:
        self._given: dict[str, _Given] = {}

    def give(self, *, policy: str, expiration: float, now: float) -> Credentials:
        """Make credentials that are good until *expiration*, for what *policy* (JSON; empty: everything) allows.

        Raises:
            InvalidArgument: the policy is none.
        """
        self._given = {name: given for name, given in self._given.items() if (given.credentials.expiration or 0) > now}
        statements = _statements(policy) if policy else None
        credentials = Credentials(
            f"STS.{secrets.token_hex(12)}",
            secrets.token_urlsafe(30),
            f"CAIS{secrets.token_urlsafe(90)}",
            float(int(expiration)),
        )
        self._given[credentials.access_key_id] = _Given(credentials, statements)
        return credentials

    def revoke(self) -> None:
        """Let none of those that are about be good any more."""
        self._given.clear()

    def credentials(self, access_key_id: str) -> Credentials | None:
        """Return the temporary credentials called *access_key_id*, if there are, even when they are expired."""
        given = self._given.get(access_key_id)
        return given.credentials if given is not None else None

    def check(self, access_key_id: str, request: Request, now: float) -> None:
        """Return if whoever is *access_key_id* may do what *request* asks for.

        Raises:
            AccessDenied: the policy says no.
        """
        given = self._given.get(access_key_id)
        if given is None or given.statements is None:
            return
        action = f"oss:{_ACTIONS.get(request.operation, request.operation)}"
        resource = f"acs:oss:*:*:{request.bucket}/{request.key}" if request.key else f"acs:oss:*:*:{request.bucket}"
        allowed = False
        for statement in given.statements:
            fits = _fits(statement.get("Action"), action) and _fits_resource(statement.get("Resource"), resource)
            if statement["Effect"] == "Deny" and fits:
                allowed = False
                break
            allowed |= fits and not statement.get("Condition")
        if not allowed:
            raise AccessDenied("You have no right to access this object because of the policy of your credentials.")


def _statements(policy: str) -> Sequence[Mapping[str, Any]]:
    try:
        found = json.loads(policy)["Statement"]
        assert isinstance(found, list)
        assert all(each["Effect"] in ("Allow", "Deny") for each in found)
    except (ValueError, LookupError, TypeError, AssertionError):
        raise InvalidArgument("The parameter Policy has not passed grammar check.", code="MalformedPolicy") from None
    return found


def _fits(patterns: object, text: str) -> bool:
    listed = patterns if isinstance(patterns, list) else [patterns]
    return any(isinstance(pattern, str) and _matches(pattern, text) for pattern in listed)


def _fits_resource(patterns: object, resource: str) -> bool:
    listed = patterns if isinstance(patterns, list) else [patterns]
    # Region and account are ours whatever the pattern calls them.
    plain = [re.sub(r"^acs:oss:[^:]*:[^:]*:", "acs:oss:*:*:", each) for each in listed if isinstance(each, str)]
    return _fits(plain, resource)


def _matches(pattern: str, text: str) -> bool:
    expression = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None
