from __future__ import annotations

import pytest

from ossmount.server.faults import Fault, Plan, deny, format_faults, parse_faults, throttle


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


def test_a_plan_travels_as_json() -> None:
    faults = [Fault(operation="PutObject", cut_upload=3), throttle(), deny("a/"), Fault(reset=True, done=True)]

    assert parse_faults(format_faults(faults)) == faults


@pytest.mark.parametrize("text", ["{}", "nonsense", '[{"what": 1}]', '[{"first": 0}]', '[{"first": "x"}]', "[1]"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_faults(text)
