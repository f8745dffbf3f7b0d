from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ossmount.server.exchange import Exchange
from ossmount.server.pacing import SLACK, Lane

if TYPE_CHECKING:
    import httpx


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


def test_a_request_may_ask_for_less_than_the_link_gives(signed: httpx.Client) -> None:
    for where in ("headers", "params"):
        for limit, status in (("819200", 200), ("838860800", 200), ("819199", 400), ("838860801", 400), ("fast", 400)):
            given: Any = {where: {"x-oss-traffic-limit": limit}}
            assert signed.put("/bucket/a", content=b"x", **given).status_code == status
            assert signed.get("/bucket/a", **given).status_code == status


@pytest.mark.parametrize(("link", "asked", "rate"), [(0, 100, 100), (50, 100, 50), (200, 100, 100)])
def test_the_slower_of_link_and_request_counts(link: float, asked: float, rate: float) -> None:
    class Link:
        incoming = Lane(link)
        outgoing = Lane(link)
        gone = False

        def close(self) -> None:
            raise NotImplementedError

        reset = close

    async def nothing(*_: Any) -> Any:
        raise NotImplementedError

    exchange = Exchange(nothing, nothing, Link())
    exchange.slow_down(asked)
    assert (exchange.incoming.rate, exchange.outgoing.rate) == (rate, rate)
