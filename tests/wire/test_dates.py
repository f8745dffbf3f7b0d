"""Times, as OSS writes them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ossmount.wire import dates

# The years that all three forms can hold.
TIMES = st.integers(min_value=0, max_value=32_503_680_000)


@given(TIMES)
def test_every_whole_second_comes_back(time: int) -> None:
    assert dates.parse_http_date(dates.http_date(time)) == time
    assert dates.parse_xml_date(dates.xml_date(time)) == time
    assert dates.parse_compact_date(dates.compact_date(time)) == time


def test_times_look_like_this() -> None:
    assert dates.http_date(1672223261.9) == "Wed, 28 Dec 2022 10:27:41 GMT"
    assert dates.xml_date(1672223261.9) == "2022-12-28T10:27:41.000Z"
    assert dates.compact_date(1672223261.9) == "20221228T102741Z"


def test_a_date_without_a_zone_is_utc() -> None:
    assert dates.parse_xml_date("2022-12-28T10:27:41") == dates.parse_xml_date("2022-12-28T11:27:41+01:00")


@pytest.mark.parametrize("text", ["", "now", "Wed, 28 Xyz 2022 10:27:41 GMT", "Wed, 31 Feb 2022 10:27:41 GMT"])
def test_what_is_no_http_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dates.parse_http_date(text)


@pytest.mark.parametrize("text", ["", "20221228", "20221328T102741Z", "20221228T102741", "２０221228T102741Z"])
def test_what_is_no_compact_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dates.parse_compact_date(text)
