"""A bucket as a website: index pages, the error page, and redirects, for whoever comes without a signature.

Source: developer guide, "Static website hosting"; API reference, PutBucketWebsite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..wire.message import Headers, Request, Response, encode_key
from ..wire.website import WEBSITE, Website

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.errors import ServiceError
    from .service import Service

_SIGNED = frozenset({"Signature", "OSSAccessKeyId", "x-oss-signature"})
# What OSS does for a directory without its slash: look for its index and redirect, refuse, or show it at once.
_REDIRECT, _REFUSE, _SHOW = "0", "1", "2"


def website_for(service: Service, request: Request) -> Website | None:
    """Return the website that *request* visits: it reads, says nothing else, and is not signed."""
    website: Website | None = service.settings(request.bucket).get(WEBSITE.parameter)
    if website is None or request.method not in ("GET", "HEAD") or "authorization" in request.headers:
        return None
    if request.query and (not _SIGNED.isdisjoint(request.query) or not request.key):
        return None
    return website


def enter(service: Service, website: Website, request: Request) -> Response | None:
    """Turn a visit of a directory into one of its index page, or return a redirect."""
    rule = _rule(website, request.key, 0)
    if rule is not None:
        return _redirect(rule, request)
    if not website.index:
        return None
    key = request.key
    if not key or (key.endswith("/") and not _exists(service, request.bucket, key)):
        request.key = (key if website.support_sub_dir else "") + website.index
    elif website.support_sub_dir and not key.endswith("/") and not _exists(service, request.bucket, key):
        index = f"{key}/{website.index}"
        kind = website.type or _REDIRECT
        if kind != _REFUSE and _exists(service, request.bucket, index):
            if kind == _SHOW:
                request.key = index
            else:
                return _to(302, f"/{encode_key(key)}/")
    return None


def error_page(service: Service, website: Website, request: Request, error: ServiceError) -> Response | None:
    """Return what is shown instead of *error*, or None for the error itself."""
    rule = _rule(website, request.key, error.status)
    if rule is not None:
        return _redirect(rule, request)
    bucket = service.store.bucket(request.bucket)
    if error.status != 404 or not website.error or bucket is None:
        return None
    record = service.store.find(bucket, website.error)
    if record is None or record.target is not None:
        return None
    headers = Headers(record.properties.headers)
    headers.setdefault("content-type", "text/html")
    headers["content-length"] = str(record.size)
    headers["x-oss-ec"] = error.ec
    body = service.store.blobs.read_all(service.store.cut(record, 0, record.size))
    return Response(website.http_status or 404, headers, body)


def _exists(service: Service, name: str, key: str) -> bool:
    bucket = service.store.bucket(name)
    try:
        return bucket is not None and service.store.exists(bucket, key)
    except UnicodeEncodeError:
        return False


def _rule(website: Website, key: str, status: int) -> Mapping[str, Any] | None:
    """Return the first routing rule that means a visit of *key* which ended with *status* (0: has not begun)."""
    for rule in website.routing_rules:
        condition = rule.get("Condition") or {}
        wanted = int(condition.get("HttpErrorCodeReturnedEquals") or 0) if isinstance(condition, dict) else 0
        prefix = condition.get("KeyPrefixEquals", "") if isinstance(condition, dict) else ""
        suffix = condition.get("KeySuffixEquals", "") if isinstance(condition, dict) else ""
        redirect = rule.get("Redirect")
        if (
            wanted == status
            and key.startswith(prefix)
            and key.endswith(suffix)
            and isinstance(redirect, dict)
            and redirect.get("RedirectType") in ("External", "AliCDN")
        ):
            return rule
    return None


def _redirect(rule: Mapping[str, Any], request: Request) -> Response:
    redirect = rule["Redirect"]
    condition = rule.get("Condition") or {}
    key = request.key
    if "ReplaceKeyPrefixWith" in redirect:
        key = redirect["ReplaceKeyPrefixWith"] + key[len(condition.get("KeyPrefixEquals", "")) :]
    elif "ReplaceKeyWith" in redirect:
        key = redirect["ReplaceKeyWith"].replace("${key}", key)
    protocol = redirect.get("Protocol") or "http"
    host = redirect.get("HostName") or request.headers.get("host", "")
    query = ""
    if redirect.get("PassQueryString") == "true" and request.query:
        query = "?" + "&".join(f"{quote(name)}={quote(value or '')}" for name, value in request.query.items())
    return _to(int(redirect.get("HttpRedirectCode") or 302), f"{protocol}://{host}/{encode_key(key)}{query}")


def _to(status: int, location: str) -> Response:
    return Response(status, Headers({"location": location, "content-length": "0"}))
