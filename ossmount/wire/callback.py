"""Callbacks: the service calls an application's server when an object is stored, and hands its answer on.

Source: API reference, "Callback".
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from .errors import InvalidArgument, OutOfLimits
from .limits import MAX_CALLBACK
from .properties import argument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .message import Request

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
_MAX_URLS = 5
_PLACE = re.compile(r"\$\{([A-Za-z0-9_.:-]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """Whom to call (*url*, or up to five with ``;`` between them) and what to say.

    In *body* the service replaces ``${bucket}``, ``${object}``, ``${etag}``, ``${size}``, ``${mimeType}`` and
    ``${x:NAME}``, which is one of *variables*.
    """

    url: str
    body: str
    host: str = ""
    body_type: str = FORM
    variables: dict[str, str] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for the callback.

        Raises:
            OutOfLimits: OSS would refuse it.
        """
        said = {"callbackUrl": self.url, "callbackBody": self.body, "callbackBodyType": self.body_type}
        if self.host:
            said["callbackHost"] = self.host
        urls = self.url.split(";")
        if not self.url or len(urls) > _MAX_URLS:
            raise OutOfLimits(f"a callback has 1 to {_MAX_URLS} URLs, not {len(urls) if self.url else 0}")
        if not self.body:
            raise OutOfLimits("the body of a callback has at least 1 character")
        if self.body_type not in (FORM, JSON):
            raise OutOfLimits(f"the body type of a callback must be one of {FORM}, {JSON}, not {self.body_type!r}")
        for name in self.variables:
            if not name.startswith("x:") or name != name.lower():
                raise OutOfLimits(
                    f"a variable of a callback begins with the 2 characters x: and is lower-case: {name!r}"
                )
        fields = {"x-oss-callback": _encode(said)}
        if self.variables:
            fields["x-oss-callback-var"] = _encode(self.variables)
        for name, value in fields.items():
            if len(value) > MAX_CALLBACK:
                raise OutOfLimits(f"{name} has {len(value)} bytes in base64, at most {MAX_CALLBACK} are possible")
        return fields

    def expand(self, values: Mapping[str, str]) -> str:
        """Return the body with its places filled from *values* and the variables; what is not known is left empty."""
        known = {**values, **self.variables}

        def fill(match: re.Match[str]) -> str:
            value = known.get(match[1], "")
            return json.dumps(value) if self.body_type == JSON else quote(value, safe="")

        return _PLACE.sub(fill, self.body)


def _encode(said: Mapping[str, str]) -> str:
    return b64encode(json.dumps(dict(said), ensure_ascii=False).encode()).decode()


def read_callback(request: Request) -> Callback | None:
    """Read the callback that *request* asks for, in its headers or its query; None for none.

    Raises:
        InvalidArgument: it is not one.
    """
    text = request.headers.get("x-oss-callback") or request.query.get("callback") or ""
    if not text:
        return None
    said = _decode("callback", text)
    variables = request.headers.get("x-oss-callback-var") or request.query.get("callback-var") or ""
    url, body = said.get("callbackUrl", ""), said.get("callbackBody", "")
    if not url or not body:
        raise argument("The callback configuration is not json format.", "callback", text)
    return Callback(
        url=url,
        body=body,
        host=said.get("callbackHost", ""),
        body_type=said.get("callbackBodyType", FORM),
        variables=_decode("callback-var", variables) if variables else {},
    )


def _decode(name: str, text: str) -> dict[str, str]:
    try:
        said = json.loads(b64decode(text, validate=True))
        # JSON can hold halves of characters, which nothing else can.
        json.dumps(said, ensure_ascii=False).encode()
    except ValueError:
        raise _not_json(name, text) from None
    if not isinstance(said, dict) or not all(isinstance(value, str | int | bool) for value in said.values()):
        raise _not_json(name, text)
    return {str(key): str(value) for key, value in said.items()}


def _not_json(name: str, text: str) -> InvalidArgument:
    return argument(f"The {name} configuration is not json format.", name, text[:100])
