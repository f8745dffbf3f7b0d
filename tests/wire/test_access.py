"""Which pages may show an object."""

from __future__ import annotations

import pytest

from ossmount.wire.access import Referer

LISTED = Referer(False, ("http://www.example.com", "https://*.example.org", "http://a.example/p?ge"))


@pytest.mark.parametrize(
    ("rule", "referer", "allowed"),
    [
        (Referer(), "", True),
        (Referer(), "http://any.example/", True),
        (Referer(False), "", True),  # an empty list is no list
        (LISTED, "", False),
        (LISTED, "http://www.example.com", True),
        (LISTED, "http://www.example.com/page?q=1", True),
        (LISTED, "http://www.example.com.evil.example/", False),
        (LISTED, "https://sub.example.org/page", True),
        (LISTED, "https://example.org/page", False),
        (LISTED, "http://a.example/page", True),
        (LISTED, "http://a.example/paage", False),
        (Referer(True, ("http://a",)), "", True),
        (Referer(True, (), ("http://bad*",)), "http://bad.example/", False),
        (Referer(True, (), ("http://bad*",)), "http://good.example/", True),
        (Referer(True, ("http://*",), ("http://bad*",)), "http://bad.example/", False),
    ],
)
def test_a_referer_is_let_through_or_not(rule: Referer, referer: str, *, allowed: bool) -> None:
    assert rule.allows(referer) is allowed
