from __future__ import annotations

from ossmount.server.requestlog import Entry, RequestLog


def entry(operation: str) -> Entry:
    return Entry(operation, "bucket", "key", 200, 0, 0, 1.0, 2.0)


def test_requests_are_counted_by_operation_and_at_once() -> None:
    log = RequestLog()
    log.begin("A")
    log.begin("A")
    log.end(entry("A"))
    log.begin("A")
    log.begin("B")

    assert (log.count("A"), log.count("B"), log.count("C"), log.count()) == (3, 1, 0, 4)
    assert (log.max_in_flight("A"), log.max_in_flight("B"), log.max_in_flight("C")) == (2, 1, 0)
    assert [one.operation for one in log] == ["A"]


def test_a_reset_keeps_what_is_under_way() -> None:
    log = RequestLog()
    log.begin("A")
    log.reset()
    assert (log.count(), log.max_in_flight("A"), len(log)) == (0, 1, 0)
    log.end(entry("A"))
    log.begin("A")
    assert log.max_in_flight("A") == 1


def test_only_the_last_entries_are_remembered() -> None:
    log = RequestLog(capacity=2)
    for operation in "ABC":
        log.begin(operation)
        log.end(entry(operation))

    assert [one.operation for one in log] == ["B", "C"]
    assert log.count() == 3
