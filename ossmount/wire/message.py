"""Requests and responses as values: what is asked of OSS, before and after HTTP.

A `Request` names its bucket, key and parameters decoded; how they look in a request line is decided by
`target`, once, and the same text is signed.  That matters: OSS keys may hold ``//``, ``..``, ``+`` and ``%``, and any
library that tidies a URL up would reach another object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, overload
from urllib.parse import quote, unquote_plus

Buffer = bytes | bytearray | memoryview
T = TypeVar("T")


class Headers(dict[str, str]):
    """Header fields by lower-case name; a field that is repeated is joined with commas.

    Values are text as it travels: each character is one byte (ISO 8859-1).  `wire.metadata` puts other text in.
    """

    __slots__ = ()

    def __init__(self, fields: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        super().__init__()
        if not fields:
            return
        put, has = super().__setitem__, super().__contains__
        for name, value in fields.items() if isinstance(fields, Mapping) else fields:
            name = name.lower()
            put(name, f"{self[name]}, {value}" if has(name) else value)

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name.lower(), value)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    @overload
    def get(self, name: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str, /) -> str: ...
    @overload
    def get(self, name: str, default: T, /) -> str | T: ...
    def get(self, name: str, default: object = None, /) -> object:
        """Return the value of *name*, or *default* when it is absent."""
        return super().get(name.lower(), default)

    def pop(self, name: str, default: str | None = None, /) -> str | None:  # type: ignore[override]
        """Remove *name* and return its value, or *default* when it is absent."""
        return super().pop(name.lower(), default)

    def setdefault(self, name: str, default: str = "") -> str:
        """Set *name* to *default* unless it is there, and return its value."""
        return super().setdefault(name.lower(), default)

    def update(self, fields: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:  # type: ignore[override]
        """Set every field of *fields*."""
        for name, value in fields.items() if isinstance(fields, Mapping) else fields:
            self[name] = value

    def copy(self) -> Headers:
        """Return a copy."""
        headers = Headers()
        dict.update(headers, self)
        return headers


@dataclass(slots=True)
class Request:
    """One call of OSS: names and values decoded, nothing signed.

    A query value of None or ``""`` is a bare name (``?acl``).  *idempotent* says whether the call may be sent again
    when nobody knows what became of it.  *operation* is the name in the API reference, for logs and counters.
    """

    method: str
    bucket: str = ""
    key: str = ""
    query: dict[str, str | None] = field(default_factory=dict)
    headers: Headers = field(default_factory=Headers)
    body: Buffer | None = None
    idempotent: bool = True
    operation: str = ""

    def __repr__(self) -> str:
        size = "" if self.body is None else f" {len(self.body)} bytes"
        return f"<{self.operation or 'Request'} {self.method} {self.bucket}/{self.key}{size}>"


@dataclass(slots=True)
class Response:
    """One answer of OSS."""

    status: int
    headers: Headers = field(default_factory=Headers)
    body: Buffer = b""

    def __repr__(self) -> str:
        return f"<Response {self.status} {len(self.body)} bytes>"


def encode_key(key: str) -> str:
    """Percent-encode *key* for a path: UTF-8, everything but ``A-Za-z0-9-_.~/``."""
    return quote(key, safe="/~", errors="surrogateescape")


def encode_value(value: str) -> str:
    """Percent-encode a query name or value: UTF-8, a slash and a space too (``%2F``, ``%20``)."""
    return quote(value, safe="~", errors="surrogateescape")


def encode_query(query: Mapping[str, str | None]) -> str:
    """Write *query* without its question mark; empty values give bare names."""
    return "&".join(
        f"{encode_value(name)}={encode_value(value)}" if value else encode_value(name) for name, value in query.items()
    )


def target(request: Request, *, path_style: bool) -> str:
    """Write the request target: path and query, exactly as they are to be sent.

    With *path_style* the bucket is the first segment, else it is in the host name and not here.
    """
    path = "/" + encode_key(request.key)
    if path_style and request.bucket:
        path = f"/{request.bucket}{path}"
    return f"{path}?{encode_query(request.query)}" if request.query else path


def decode_target(raw: str) -> tuple[str, dict[str, str | None]]:
    """Split the raw request target into the decoded path (with its first slash) and the decoded query.

    OSS reads a raw ``+`` as a space, in paths too.  Bytes that are not UTF-8 become surrogates, which no valid key has.
    """
    path, _, query = raw.partition("?")
    values: dict[str, str | None] = {}
    for pair in query.split("&"):
        if pair:
            name, equals, value = pair.partition("=")
            values[unquote_plus(name, errors="surrogateescape")] = (
                unquote_plus(value, errors="surrogateescape") if equals else None
            )
    return unquote_plus(path, errors="surrogateescape"), values
