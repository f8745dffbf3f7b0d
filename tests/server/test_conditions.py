from __future__ import annotations

import pytest

from ossmount.server.conditions import check_conditions, read_range
from ossmount.wire.dates import http_date
from ossmount.wire.errors import InvalidRange, NotModified, PreconditionFailed
from ossmount.wire.object_calls import Conditions

NOW = 1_700_000_000


def check(conditions: Conditions) -> None:
    check_conditions(conditions, etag="ABC", modified=NOW - 100, now=NOW)


@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(),
        Conditions(match='"ABC"'),
        Conditions(match="abc"),
        Conditions(match="*"),
        Conditions(match='"X", "ABC"'),
        Conditions(none_match='"X"'),
        Conditions(modified_since=http_date(NOW - 101)),
        Conditions(modified_since=http_date(NOW + 50)),
        Conditions(modified_since="yesterday"),
        Conditions(unmodified_since=http_date(NOW - 100)),
        Conditions(unmodified_since="yesterday"),
    ],
)
def test_an_object_is_sent_when_its_conditions_hold(conditions: Conditions) -> None:
    check(conditions)


@pytest.mark.parametrize(
    "conditions",
    [Conditions(none_match='"ABC"'), Conditions(none_match="*"), Conditions(modified_since=http_date(NOW - 100))],
)
def test_an_object_that_did_not_change_is_not_sent(conditions: Conditions) -> None:
    with pytest.raises(NotModified) as caught:
        check(conditions)

    assert caught.value.headers["etag"] == '"ABC"'


@pytest.mark.parametrize(
    ("conditions", "named"),
    [
        (Conditions(match='"X"'), "If-Match"),
        (Conditions(unmodified_since=http_date(NOW - 101)), "If-Unmodified-Since"),
        (Conditions(match='"X"', none_match='"ABC"'), "If-Match"),
    ],
)
def test_another_object_than_meant_is_refused(conditions: Conditions, named: str) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        check(conditions)

    assert caught.value.details == {"Condition": named}


@pytest.mark.parametrize(
    ("text", "size", "plain", "standard"),
    [
        ("bytes=0-99", 100, (0, 100), (0, 100)),
        ("bytes=10-19", 100, (10, 20), (10, 20)),
        ("bytes=10-", 100, (10, 100), (10, 100)),
        ("bytes=-10", 100, (90, 100), (90, 100)),
        ("bytes=-100", 100, (0, 100), (0, 100)),
        ("bytes=-101", 100, None, (0, 100)),
        ("bytes=0-100", 100, None, (0, 100)),
        ("bytes=500-2000", 1000, None, (500, 1000)),
        ("bytes=0-0,5-6", 100, (0, 1), (0, 1)),
        ("bytes=9-5", 100, None, None),
        ("bytes=-", 100, None, None),
        ("bytes=a-b", 100, None, None),
        ("lines=0-1", 100, None, None),
        ("", 100, None, None),
    ],
)
def test_ranges(text: str, size: int, plain: tuple[int, int] | None, standard: tuple[int, int] | None) -> None:
    assert read_range(text, size, standard=False) == plain
    assert read_range(text, size, standard=True) == standard


@pytest.mark.parametrize(
    ("text", "size"), [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=0-", 0), ("bytes=-0", 9)]
)
def test_a_range_after_the_end_gives_all_or_by_the_standard_an_error(text: str, size: int) -> None:
    assert read_range(text, size, standard=False) is None
    with pytest.raises(InvalidRange) as caught:
        read_range(text, size, standard=True)
    assert caught.value.headers["content-range"] == f"bytes */{size}"
