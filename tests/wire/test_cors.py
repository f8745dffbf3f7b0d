"""Preflight requests, asked and answered."""

from __future__ import annotations

import pytest

from ossmount.wire import cors
from ossmount.wire.cors import CORS, CORSRule, Preflight
from ossmount.wire.errors import AccessForbidden, BadRequest
from ossmount.wire.message import Headers, Request

RULES = CORS(
    (
        CORSRule(
            allowed_origins=("https://*.example.com",),
            allowed_methods=("GET", "PUT"),
            allowed_headers=("x-oss-*", "Content-Type"),
            expose_headers=("ETag", "x-oss-request-id"),
            max_age_seconds=60,
        ),
        CORSRule(allowed_origins=("*",), allowed_methods=("GET",)),
    )
)


@pytest.mark.parametrize(
    ("origin", "method", "headers", "index"),
    [
        ("https://a.example.com", "PUT", (), 0),
        ("https://a.example.com", "PUT", ("X-Oss-Meta-A", "content-type"), 0),
        ("https://a.example.com", "PUT", ("authorization",), None),
        ("https://a.example.com", "DELETE", (), None),
        ("https://example.com", "GET", (), 1),
        ("https://example.com", "PUT", (), None),
        ("https://[x].example.com", "PUT", (), 0),
    ],
)
def test_the_first_rule_that_fits_counts(origin: str, method: str, headers: tuple[str, ...], index: int | None) -> None:
    assert RULES.rule_for(origin, method, headers) == (None if index is None else RULES.rules[index])


def test_a_preflight_is_read_and_answered() -> None:
    request = cors.option_object("b", "k", "https://a.example.com", "PUT", ["X-Oss-Meta-A"])
    asked = cors.read_option_object(request)
    assert asked == Preflight(origin="https://a.example.com", method="PUT", headers=("X-Oss-Meta-A",))

    allowed = cors.parse_option_object(cors.write_option_object(RULES, asked))

    assert allowed.allowed_origins == ("https://a.example.com",)
    assert allowed.allowed_methods == ("GET", "PUT")
    assert allowed.allowed_headers == ("X-Oss-Meta-A",)
    assert allowed.expose_headers == ("ETag", "x-oss-request-id")
    assert allowed.max_age_seconds == 60


def test_caches_are_told_when_the_answer_depends_on_who_asks() -> None:
    first, second = RULES.rules
    assert cors.response_headers(RULES, first, "https://a.example.com")["vary"] == "Origin"
    assert "vary" not in cors.response_headers(RULES, second, "http://x")
    assert cors.response_headers(CORS(RULES.rules, True), second, "http://x")["vary"] == "Origin"


def test_what_is_not_allowed_is_refused() -> None:
    asked = Preflight(origin="http://x", method="PUT")
    with pytest.raises(AccessForbidden):
        cors.write_option_object(RULES, asked)
    with pytest.raises(AccessForbidden, match="not enabled"):
        cors.write_option_object(None, asked)
    for headers in ({}, {"origin": "http://x"}, {"origin": "http://x", "access-control-request-method": "PATCH"}):
        with pytest.raises(BadRequest):
            cors.read_option_object(Request("OPTIONS", "b", "k", headers=Headers(headers)))
