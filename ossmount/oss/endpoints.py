"""Where the service is, and how its buckets are addressed there.

    virtual   http(s)://BUCKET.HOST/KEY     the default
    path      http(s)://HOST/BUCKET/KEY     addresses, localhost and unix sockets, where names cannot have labels in
    front cname     http(s)://HOST/KEY            a domain of one's own, bound to one bucket

Source: API reference, "Regions and endpoints"; "Bind a custom domain name".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from ..wire import message

if TYPE_CHECKING:
    from ..wire.message import Request

Addressing = Literal["auto", "virtual", "path", "cname"]

_REGIONAL = re.compile(r"(?:.+\.)?oss-([a-z0-9-]+?)(-internal)?\.aliyuncs\.com")
_REGION = re.compile(r"[a-z0-9-]+")


class Origin(NamedTuple):
    """Where a connection goes: host and port, or the *path* of a unix socket."""

    host: str
    port: int
    tls: bool = False
    path: str = ""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The service at one place; make it with `parse`."""

    host: str
    port: int
    tls: bool
    addressing: Addressing
    region: str = ""
    path: str = ""
    product: str = "oss"

    @classmethod
    def parse(
        cls, text: str = "", *, region: str = "", internal: bool = False, addressing: Addressing = "auto"
    ) -> Endpoint:
        """Read an endpoint as people write it: a URL, a host with or without port, ``unix:///path``, or only a
        region.

        *internal* selects the address inside Alibaba Cloud.  Without a scheme HTTPS is meant, for local ones HTTP.

        Raises:
            ValueError: it is none, or *region* or *internal* do not go with it; the message says what to do.
        """
        if addressing not in get_args(Addressing):
            raise ValueError(f"addressing must be one of {', '.join(get_args(Addressing))}, not {addressing!r}")
        region = region.removeprefix("oss-")
        if region and not _REGION.fullmatch(region):
            raise ValueError(f"not a region: {region!r}")
        if not text:
            if not region:
                raise ValueError("no endpoint: give one, such as oss-cn-hangzhou.aliyuncs.com, or a region")
            text = f"https://oss-{region}.aliyuncs.com"
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            path = "/" + path.lstrip("/")
            if path == "/":
                raise ValueError(f"no path in {text!r}: write unix:///path/of/socket")
            return cls("localhost", 80, False, "path", region or "cn-hangzhou", path)
        scheme, host, port = _split(text)
        local = _is_local(host)
        tls = scheme == "https" or (not scheme and not local)
        found = _REGIONAL.fullmatch(host)
        if found and found[1] != "accelerate" and not found[1].startswith("accelerate-"):
            region = region or found[1]
            if internal and not found[2]:
                host = f"{host.removesuffix('.aliyuncs.com')}-internal.aliyuncs.com"
        elif internal:
            raise ValueError(f"{host} has no internal address: give the endpoint of a region")
        bucket, _, service = host.partition(".")
        if addressing in ("auto", "virtual") and _REGIONAL.fullmatch(service):
            raise ValueError(f"{host} is the host of the bucket {bucket}: give {service}, or say addressing cname")
        if addressing == "auto":
            addressing = "path" if local else "virtual"
        return cls(host, port or (443 if tls else 80), tls, addressing, region or ("cn-hangzhou" if local else ""))

    def __str__(self) -> str:
        return f"unix://{self.path}" if self.path else self.url()

    def _netloc(self, host: str) -> str:
        shown = f"[{host}]" if ":" in host else host
        return shown if self.port == (443 if self.tls else 80) else f"{shown}:{self.port}"

    def _host_of(self, bucket: str) -> str:
        return f"{bucket}.{self.host}" if bucket and self.addressing == "virtual" else self.host

    def origin(self, bucket: str) -> Origin:
        """Return where to connect to for *bucket* (empty for the service itself)."""
        return Origin(self._host_of(bucket), self.port, self.tls, self.path)

    def host_header(self, bucket: str) -> str:
        """Return the value of ``Host`` for *bucket*."""
        return self._netloc(self._host_of(bucket))

    def target(self, request: Request) -> str:
        """Return the request target, to be sent verbatim."""
        return message.target(request, path_style=self.addressing == "path")

    def url(self, request: Request | None = None) -> str:
        """Return the URL of *request*, or of the endpoint."""
        scheme = "https" if self.tls else "http"
        if request is None:
            return f"{scheme}://{self._netloc(self.host)}"
        return f"{scheme}://{self.host_header(request.bucket)}{self.target(request)}"


def _split(text: str) -> tuple[str, str, int | None]:
    """Split an endpoint into scheme (or the empty string), host and port."""
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ValueError(f"not an endpoint: {text!r} ({exc})") from None
    if parts.scheme not in ("", "http", "https"):
        raise ValueError(f"not an endpoint: {text!r} (write http://, https:// or unix://)")
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc or " " in text:
        raise ValueError(f"not an endpoint: {text!r} (write a host, such as oss-cn-hangzhou.aliyuncs.com)")
    return parts.scheme, host, port


def _is_local(host: str) -> bool:
    """Return whether *host* is an address or this machine, so that no bucket can be put in front of it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
