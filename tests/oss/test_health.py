"""Who counts as alive."""

from __future__ import annotations

import logging

import pytest

from ossmount.oss.health import Health
from ossmount.wire.errors import AccessDenied, ConnectFailed, CredentialsError, InternalError


def test_only_the_want_of_an_answer_is_a_failure_of_the_service(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    health = Health("place", lambda: now)
    health.failed(AccessDenied())
    health.failed(CredentialsError("none"))
    assert (health.alive, health.since, health.error) == (True, 100.0, "")

    now = 200.0
    health.failed(ConnectFailed("refused"))
    now = 300.0
    health.failed(InternalError())
    health.failed(CredentialsError("none"))
    assert (health.alive, health.since, health.error_at) == (False, 200.0, 300.0)
    assert "InternalError" in health.error

    now = 400.0
    with caplog.at_level(logging.INFO):
        health.failed(AccessDenied())
        health.came()
    assert (health.alive, health.since, health.error_at) == (True, 400.0, 300.0)
    assert caplog.messages == ["place is down: refused", "place is alive again"]


def test_what_differs_is_counted_once_and_within_reason(caplog: pytest.LogCaptureFixture) -> None:
    health = Health("place", lambda: 0.0)
    for _ in range(2):
        health.differs(["b", "a"])
    health.differs([])
    assert (health.differing, len(caplog.messages)) == ({"a", "b"}, 1)
    assert "place does not have 'a' as the others have it; 2 such objects" in caplog.text
    health.differs(map(str, range(20_000)))
    assert len(health.differing) == 10_000
