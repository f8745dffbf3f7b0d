"""What scripts of web pages may do with a bucket (CORS), and the preflight request that asks.

Source: API reference, PutBucketCors, OptionObject; WHATWG Fetch, "CORS protocol".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from . import xml
from .configuration import Configuration, flag, is_true, number, optional, texts
from .errors import AccessForbidden, BadRequest, NoSuchCORSConfiguration, OutOfLimits
from .limits import MAX_CORS_RULES, MAX_CORS_SIZE, check_choice
from .message import Headers, Request, Response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

# RFC 9110, "Tokens", but for the star.
_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'+.^_`|~-]+")
METHODS = ("GET", "PUT", "DELETE", "POST", "HEAD")


@dataclass(frozen=True, slots=True, kw_only=True)
class CORSRule:
    """Who (*allowed_origins*, with at most one ``*`` each) may do what."""

    allowed_origins: tuple[str, ...]
    allowed_methods: tuple[str, ...]
    allowed_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class CORS:
    """The rules of a bucket, of which the first that fits counts."""

    rules: tuple[CORSRule, ...]
    response_vary: bool | None = None

    def rule_for(self, origin: str, method: str, headers: Sequence[str] = ()) -> CORSRule | None:
        """Return the first rule that lets a page from *origin* do *method* with *headers*, or None."""
        for rule in self.rules:
            if (
                any(_matches(pattern, origin) for pattern in rule.allowed_origins)
                and method in rule.allowed_methods
                and all(
                    any(_matches(pattern.lower(), name.lower()) for pattern in rule.allowed_headers) for name in headers
                )
            ):
                return rule
        return None


def _matches(pattern: str, text: str) -> bool:
    # Only the star is special.
    return fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))


def _elements(value: CORS) -> list[str]:
    rules = []
    for rule in value.rules:
        elements = [xml.tag("AllowedOrigin", each) for each in rule.allowed_origins]
        elements += [xml.tag("AllowedMethod", each) for each in rule.allowed_methods]
        elements += [xml.tag("AllowedHeader", each) for each in rule.allowed_headers]
        elements += [xml.tag("ExposeHeader", each) for each in rule.expose_headers]
        rules.append(xml.wrap("CORSRule", [*elements, *optional("MaxAgeSeconds", rule.max_age_seconds)]))
    if value.response_vary is not None:
        rules.append(xml.tag("ResponseVary", flag(value.response_vary)))
    return rules


def _value(root: Element) -> CORS:
    vary = xml.text_of(root, "ResponseVary")
    rules = tuple(
        CORSRule(
            allowed_origins=texts(element, "AllowedOrigin"),
            allowed_methods=texts(element, "AllowedMethod"),
            allowed_headers=texts(element, "AllowedHeader"),
            expose_headers=texts(element, "ExposeHeader"),
            max_age_seconds=number(element, "MaxAgeSeconds"),
        )
        for element in root.iterfind("CORSRule")
    )
    return CORS(rules, is_true(vary) if vary else None)


def _check(value: CORS) -> None:
    if not 1 <= len(value.rules) <= MAX_CORS_RULES:
        raise OutOfLimits(f"{len(value.rules)} CORS rules, 1 to {MAX_CORS_RULES} are possible")
    for rule in value.rules:
        if not rule.allowed_origins or not rule.allowed_methods:
            raise OutOfLimits("a CORS rule has at least 1 origin and 1 method")
        for method in rule.allowed_methods:
            if method not in METHODS:
                raise OutOfLimits(f"a method of a CORS rule must be one of {', '.join(METHODS)}, not {method!r}")
        for text in (*rule.allowed_origins, *rule.allowed_headers):
            if text.count("*") > 1:
                raise OutOfLimits(f"at most 1 star in an origin or header of a CORS rule: {text!r}")
        for text in rule.expose_headers:
            if not _FIELD_NAME.fullmatch(text):
                raise OutOfLimits(f"what a CORS rule exposes is the name of a header, with 0 stars, not {text!r}")
        if rule.max_age_seconds is not None and not 0 <= rule.max_age_seconds <= 999_999_999:
            raise OutOfLimits(f"MaxAgeSeconds must be a number from 0 to 999999999, not {rule.max_age_seconds}")
    size = len(xml.document("CORSConfiguration", _elements(value)))
    if size > MAX_CORS_SIZE:
        raise OutOfLimits(f"CORS rules of {size} bytes, at most {MAX_CORS_SIZE} are possible")


CONFIGURATION = Configuration(
    name="Cors",
    parameter="cors",
    root="CORSConfiguration",
    kind=CORS,
    elements=_elements,
    value=_value,
    check=_check,
    missing=NoSuchCORSConfiguration,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What a browser asks before it lets a page do something."""

    origin: str
    method: str
    headers: tuple[str, ...] = ()


def option_object(bucket: str, key: str, origin: str, method: str, headers: Sequence[str] = ()) -> Request:
    """Ask whether a page from *origin* may do *method*; the request is not signed by browsers.

    Raises:
        OutOfLimits: there is no origin, or no such method.
    """
    check_choice("the method of a page", method, METHODS)
    if not origin:
        raise OutOfLimits("an origin has at least 1 character, such as https://example.com")
    fields = Headers({"origin": origin, "access-control-request-method": method})
    if headers:
        fields["access-control-request-headers"] = ", ".join(headers)
    return Request("OPTIONS", bucket, key, {}, fields, operation="OptionObject")


def parse_option_object(response: Response) -> CORSRule:
    """Read what is allowed."""

    def listed(name: str) -> tuple[str, ...]:
        return tuple(filter(None, (each.strip() for each in response.headers.get(name, "").split(","))))

    age = response.headers.get("access-control-max-age", "")
    return CORSRule(
        allowed_origins=listed("access-control-allow-origin"),
        allowed_methods=listed("access-control-allow-methods"),
        allowed_headers=listed("access-control-allow-headers"),
        expose_headers=listed("access-control-expose-headers"),
        max_age_seconds=int(age) if age else None,
    )


def read_option_object(request: Request) -> Preflight:
    """Read a preflight request.

    Raises:
        BadRequest: origin or method is missing.
    """
    origin = request.headers.get("origin", "")
    method = request.headers.get("access-control-request-method", "")
    if not origin:
        raise BadRequest("Insufficient information. Origin request header needed.")
    if method not in METHODS:
        raise BadRequest("Invalid Access-Control-Request-Method: " + (method or "null"))
    names = request.headers.get("access-control-request-headers", "").split(",")
    return Preflight(origin=origin, method=method, headers=tuple(filter(None, (name.strip() for name in names))))


def write_option_object(configuration: CORS | None, asked: Preflight) -> Response:
    """Answer a preflight request by the rules of the bucket, None if it has none.

    Raises:
        AccessForbidden: it is not allowed.
    """
    if configuration is None:
        raise AccessForbidden("CORSResponse: CORS is not enabled for this bucket.")
    rule = configuration.rule_for(asked.origin, asked.method, asked.headers)
    if rule is None:
        raise AccessForbidden
    headers = response_headers(configuration, rule, asked.origin)
    if asked.headers:
        headers["access-control-allow-headers"] = ", ".join(asked.headers)
    headers["content-length"] = "0"
    return Response(200, headers)


def response_headers(configuration: CORS, rule: CORSRule, origin: str) -> Headers:
    """Return the headers that tell a browser at *origin* that *rule* lets its page see the answer."""
    headers = Headers(
        {
            "access-control-allow-origin": "*" if "*" in rule.allowed_origins else origin,
            "access-control-allow-methods": ", ".join(rule.allowed_methods),
        }
    )
    if rule.expose_headers:
        headers["access-control-expose-headers"] = ", ".join(rule.expose_headers)
    if rule.max_age_seconds is not None:
        headers["access-control-max-age"] = str(rule.max_age_seconds)
    if configuration.response_vary or "*" not in rule.allowed_origins:
        headers["vary"] = "Origin"
    return headers
