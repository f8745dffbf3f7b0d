"""How it is told what is not in the bucket yet."""

from __future__ import annotations

from ossmount.fs.troubles import state_of, tell
from ossmount.writing.intents import Intent, State, Verb


def intent(number: int, key: str, *, target: str = "", state: State = State.WAITING, error: str = "") -> Intent:
    verb = Verb.RENAME if target else Verb.PUT
    return Intent(number, verb, key, target, {}, 0.0, attempts=3 if error else 0, error=error, state=state)


def test_only_what_went_wrong_is_told_and_whether_it_is_tried_again() -> None:
    changes = [
        intent(1, "p/a", error="AccessDenied (403): no", state=State.FAILED),
        intent(2, "p/b"),
        intent(3, "p/d/", target="p/e/", error="TimedOut: slow"),
    ]

    assert tell(changes, "p/").decode().splitlines() == [
        "put a: AccessDenied (403): no (kept: ossmount flush tries again)",
        "rename d/ -> e/: TimedOut: slow (attempt 3, another follows)",
    ]
    assert tell([changes[1]], "p/") == b""


def test_a_key_cannot_forge_a_line() -> None:
    assert tell([intent(1, "a\nput b\x1b[2J", error="x")], "").count(b"\n") == 0


def test_no_more_is_told_than_an_attribute_can_hold() -> None:
    told = tell([intent(number, f"{number:0>1000}", error="x") for number in range(1000)], "")

    assert len(told) <= 64 << 10
    lines = told.decode().splitlines()
    assert lines[-1] == f"and {1000 - (len(lines) - 1)} more: ossmount status"


def test_one_failure_makes_it_failed() -> None:
    assert state_of([]) == "clean"
    assert state_of([intent(1, "a")]) == "pending"
    assert state_of([intent(1, "a"), intent(2, "b", state=State.FAILED)]) == "failed"
