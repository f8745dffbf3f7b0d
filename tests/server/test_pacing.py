from __future__ import annotations

import pytest

from ossmount.server.pacing import SLACK, Lane


def test_bytes_take_their_time_one_after_the_other() -> None:
    lane = Lane(1000)
    lane.begin(10.0)

    assert lane.passed(500, 10.0) == pytest.approx(0.5)
    assert lane.passed(500, 10.5) == pytest.approx(0.5)
    assert lane.passed(500, 10.5) == pytest.approx(1.0)


def test_what_one_wait_oversleeps_the_next_makes_good() -> None:
    lane = Lane(1000)
    lane.begin(0.0)

    assert lane.passed(100, 0.0) == pytest.approx(0.1)
    assert lane.passed(100, 0.103) == pytest.approx(0.097)


def test_a_reader_that_stalls_earns_no_burst() -> None:
    lane = Lane(1000)
    lane.begin(0.0)
    lane.passed(100, 0.0)

    assert lane.passed(100, 50.0) == pytest.approx(0.1 - SLACK)


def test_an_idle_link_earns_nothing() -> None:
    lane = Lane(1000)
    lane.begin(0.0)
    lane.passed(100, 0.0)
    lane.begin(60.0)

    assert lane.passed(100, 60.0) == pytest.approx(0.1)


def test_without_a_rate_nothing_waits() -> None:
    assert Lane(0).passed(10**9, 0.0) == 0.0
    assert Lane(0).unit == 1024 * 1024


@pytest.mark.parametrize(("rate", "unit"), [(1, 4096), (100_000_000, 500_000), (10**12, 1024 * 1024)])
def test_the_unit_fits_the_rate(rate: float, unit: int) -> None:
    assert Lane(rate).unit == unit
