"""Restoring what is archived."""

from __future__ import annotations

import pytest

from ossmount.wire import restore
from ossmount.wire.errors import InvalidArgument, MalformedXML, OutOfLimits
from ossmount.wire.message import Request, target
from ossmount.wire.restore import RestoreCall, RestoreState


def test_a_restoration_is_asked_for() -> None:
    request = restore.restore_object("b", "k", days=3, tier="Bulk", version_id="v")
    assert (request.method, target(request, path_style=True)) == ("POST", "/b/k?restore&versionId=v")
    assert restore.read_restore_object(request) == RestoreCall(3, "Bulk")
    assert restore.read_restore_object(restore.restore_object("b", "k")) == RestoreCall()
    assert restore.read_restore_object(Request("POST", "b", "k", {"restore": None})) == RestoreCall()
    assert restore.parse_restore_object(restore.write_restore_object(readable=True))
    assert not restore.parse_restore_object(restore.write_restore_object(readable=False))


def test_days_and_tiers_have_limits() -> None:
    for days in (0, 366):
        with pytest.raises(OutOfLimits, match="1 to 365"):
            restore.restore_object("b", "k", days=days)
    with pytest.raises(OutOfLimits, match="Expedited, Standard, Bulk"):
        restore.restore_object("b", "k", tier="Slow")
    for body in (
        b"<RestoreRequest><Days>0</Days></RestoreRequest>",
        b"<RestoreRequest><Days>x</Days></RestoreRequest>",
        b"<RestoreRequest><Days>1</Days><JobParameters><Tier>x</Tier></JobParameters></RestoreRequest>",
    ):
        with pytest.raises(InvalidArgument):
            restore.read_restore_object(Request("POST", "b", "k", body=body))
    with pytest.raises(MalformedXML):
        restore.read_restore_object(Request("POST", "b", "k", body=b"<x/>"))


@pytest.mark.parametrize("state", [RestoreState(True), RestoreState(False), RestoreState(False, 1672223261.0)])
def test_the_state_is_written_and_read(state: RestoreState) -> None:
    assert restore.parse_restore_state(str(state)) == state


def test_the_state_is_written_as_the_service_does() -> None:
    text = 'ongoing-request="false", expiry-date="Wed, 28 Dec 2022 10:27:41 GMT"'
    assert str(restore.parse_restore_state(text)) == text
    with pytest.raises(ValueError, match="not the state"):
        restore.parse_restore_state("soon")
