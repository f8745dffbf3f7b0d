"""Small answers from services beside OSS: STS, the metadata service of an instance, credentials URIs.

One request, one connection, nothing kept: these are asked once an hour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio

from ..wire.errors import TimedOut, TransportError
from ..wire.message import Headers, Response
from .carried import carry
from .endpoints import Origin
from .transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

MAX_ANSWER = 1024 * 1024


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 10.0,
    attempts: int = 3,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Response:
    """Ask *url* and return the answer, whatever its status; *timeout* seconds are for each of *attempts*.

    Raises:
        TransportError: there was none.
        ValueError: *url* is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not a URL: {url.partition('?')[0]!r}")
    tls = parts.scheme == "https"
    origin = Origin(parts.hostname, parts.port or (443 if tls else 80), tls)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = Headers(headers or {})
    fields["host"] = parts.netloc.rpartition("@")[2]
    fields["connection"] = "close"
    fields["accept-encoding"] = "identity"
    if body is not None or method in ("PUT", "POST"):
        fields["content-length"] = str(len(body or b""))
    attempt = 0
    while True:
        attempt += 1
        carrier = carry(transport or Transport(connect_timeout=timeout))
        try:
            with trio.fail_after(timeout):
                reply = await carrier.start(origin, method, target, fields, body, timeout=timeout, again=True)
                try:
                    return Response(reply.status, reply.headers, await reply.read(MAX_ANSWER))
                finally:
                    await reply.aclose()
        except trio.TooSlowError:
            failure: TransportError = TimedOut(f"{origin} took longer than {timeout:g} s")
        except TransportError as exc:
            failure = exc
        finally:
            if transport is None:
                with trio.CancelScope(shield=True):
                    await carrier.aclose()
        if attempt >= attempts or not failure.transient:
            raise failure
