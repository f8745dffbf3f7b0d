from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ossmount.server.faults import Fault, Plan, deny, format_faults, parse_faults, throttle

if TYPE_CHECKING:
    import httpx

    from ossmount.server.threaded import ThreadedServer


def strikes(plan: Plan, *requests: tuple[str, str]) -> list[bool]:
    return [bool(plan.strike(operation, key)) for operation, key in requests]


def test_the_nth_request_of_an_operation_is_struck() -> None:
    plan = Plan([Fault(operation="GetObject", first=2, count=2, status=500)])

    assert strikes(plan, *[("GetObject", "a")] * 5) == [False, True, True, False, False]
    assert strikes(plan, ("PutObject", "a")) == [False]


def test_only_keys_below_the_prefix_count() -> None:
    plan = Plan([Fault(prefix="dir/", first=2)])

    assert strikes(plan, ("A", "dir/x"), ("A", "other"), ("B", "dir/y"), ("B", "dir/z")) == [False, False, True, False]


def test_a_fault_without_count_strikes_for_ever() -> None:
    plan = Plan([deny("secret/")])

    assert strikes(plan, *[("GetObject", "secret/a")] * 3, ("GetObject", "a")) == [True, True, True, False]


def test_faults_come_and_go() -> None:
    plan = Plan()
    assert not plan
    plan.add(throttle("ListObjects"))

    assert plan
    assert [fault.code for fault in plan.strike("ListObjects", "")] == ["TotalQpsLimitExceeded"]
    plan.clear()
    assert not plan


def test_a_delay_ends_with_its_fault_or_when_enough_have_come_together() -> None:
    alone, together = Fault(delay=9, count=None), Fault(operation="GetObject", first=2, count=None, delay=9, together=2)
    plan = Plan([alone, together])

    strikes(plan, *[("GetObject", "a")] * 2)
    assert (plan.delays(alone), plan.delays(together)) == (True, True)
    strikes(plan, ("GetObject", "a"))
    assert (plan.delays(alone), plan.delays(together)) == (True, False)
    plan.clear()
    assert not plan.delays(alone)


def test_requests_are_delayed_until_they_are_together_or_the_fault_is_taken_back(
    oss_server: ThreadedServer, http: httpx.Client, public: str
) -> None:
    http.put(f"{public}/a", content=b"x")
    oss_server.faults.add(Fault(operation="GetObject", delay=3600, count=4, together=4))
    with ThreadPoolExecutor(4) as threads:
        assert {each.status_code for each in threads.map(http.get, [f"{public}/a"] * 8)} == {200}
    assert oss_server.max_in_flight("GetObject") == 4

    oss_server.faults.add(Fault(operation="HeadObject", delay=3600))
    with ThreadPoolExecutor(1) as threads:
        head = threads.submit(http.head, f"{public}/a")
        while not oss_server.requests.in_flight["HeadObject"]:
            pass
        oss_server.faults.clear()
        assert head.result().status_code == 200


def test_a_plan_travels_as_json() -> None:
    faults = [Fault(operation="PutObject", cut_upload=3), throttle(), deny("a/"), Fault(reset=True, done=True)]

    assert parse_faults(format_faults(faults)) == faults


@pytest.mark.parametrize(
    "text", ["{}", "nonsense", '[{"what": 1}]', '[{"first": 0}]', '[{"first": "x"}]', '[{"together": -1}]', "[1]"]
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_faults(text)
