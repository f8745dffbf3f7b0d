"""When to send again: a table."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ossmount.oss.retry import RetryPolicy, did_nothing
from ossmount.wire import errors
from ossmount.wire.errors import OSSError, ServiceError

POLICY = RetryPolicy()

# Error, sent again if idempotent, sent again if not.
TABLE: list[tuple[OSSError, bool, bool]] = [
    (errors.ConnectFailed("x"), True, True),
    (errors.TotalQpsLimitExceeded(), True, True),
    (ServiceError(status=429), True, True),
    (errors.RequestTimeTooSkewed(), True, True),
    (errors.RequestTimeout(), True, True),
    (errors.InvalidCRC64(), True, True),
    (errors.InternalError(), True, False),
    (ServiceError(status=503), True, False),
    (ServiceError(status=502), True, False),
    (errors.TimedOut("x"), True, False),
    (errors.BrokenResponse("x"), True, False),
    (errors.IntegrityError("x"), True, False),
    (errors.NoSuchKey(), False, False),
    (errors.FileAlreadyExists(), False, False),
    (errors.PreconditionFailed(), False, False),
    (errors.AccessDenied(), False, False),
    (errors.Redirected("x"), False, False),
    (errors.CredentialsError("x"), False, False),
]


@pytest.mark.parametrize(("error", "again", "again_if_not_idempotent"), TABLE)
def test_the_table(error: OSSError, again: bool, again_if_not_idempotent: bool) -> None:
    delay = POLICY.delay_after(error, attempt=1, idempotent=True, jitter=0.5)
    assert (delay is not None) == again
    delay = POLICY.delay_after(error, attempt=1, idempotent=False, jitter=0.5)
    assert (delay is not None) == again_if_not_idempotent


def test_the_last_attempt_is_the_last() -> None:
    error = errors.InternalError()
    delays = [POLICY.delay_after(error, attempt=n, idempotent=True, jitter=1.0) for n in range(1, 7)]
    assert delays == [0.4, 0.8, 1.6, 3.2, None, None]


@given(st.integers(1, 99), st.floats(0, 1))
def test_no_delay_is_longer_than_the_longest(attempt: int, jitter: float) -> None:
    policy = RetryPolicy(attempts=100, longest=5.0)
    delay = policy.delay_after(errors.InternalError(), attempt=attempt, idempotent=True, jitter=jitter)
    assert delay is not None
    assert 0 <= delay <= 5.0


def test_what_the_service_asks_for_is_respected_within_reason() -> None:
    for header, value, expected in (
        ("x-oss-qos-delay-time", "1500", 1.5),
        ("retry-after", "3", 3.0),
        ("retry-after", "86400", 20.0),
        ("retry-after", "Fri, 31 Dec 2100 23:59:59 GMT", 0.0),
    ):
        error = errors.ServiceUnavailable(headers={header: value})
        assert POLICY.delay_after(error, attempt=1, idempotent=True, jitter=0.0) == expected


def test_damaged_downloads_were_carried_out() -> None:
    assert not did_nothing(errors.IntegrityError("x"))
