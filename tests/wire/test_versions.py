"""Versions: switched on, listed, deleted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from ossmount.wire import versions
from ossmount.wire.errors import InvalidArgument, MalformedXML, OutOfLimits
from ossmount.wire.message import Headers, Request, Response, target
from ossmount.wire.models import Owner
from ossmount.wire.versions import Deletion, ListVersionsResult, ObjectVersion

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
IDS = st.sampled_from(["null", "CAEQNRiBgIDMh4mD0BYiIDUzNDA4OGNmZjBjYTQ0YmI4Y2I4ZmVlYzJlNGVk"])


def test_versioning_is_set_and_told() -> None:
    request = versions.put_bucket_versioning("b", "Enabled")
    assert target(request, path_style=True) == "/b/?versioning"
    assert versions.read_put_bucket_versioning(request) == "Enabled"
    for status in ("", "Enabled", "Suspended"):
        assert versions.parse_get_bucket_versioning(versions.write_get_bucket_versioning(status)) == status
    with pytest.raises(OutOfLimits, match="Enabled, Suspended"):
        versions.put_bucket_versioning("b", "Off")
    for body in (
        b"",
        b"<VersioningConfiguration/>",
        b"<VersioningConfiguration><Status>On</Status></VersioningConfiguration>",
    ):
        with pytest.raises(MalformedXML):
            versions.read_put_bucket_versioning(Request("PUT", "b", body=body))


VERSIONS = st.lists(
    st.builds(
        ObjectVersion,
        key=KEYS,
        version_id=IDS,
        is_latest=st.booleans(),
        last_modified=st.integers(0, 2**31).map(float),
        size=st.integers(0, 2**45),
        etag=st.just("ABC"),
        owner=st.just(Owner("1", "me")),
    )
    | st.builds(
        ObjectVersion,
        key=KEYS,
        version_id=IDS,
        is_latest=st.booleans(),
        last_modified=st.integers(0, 2**31).map(float),
        is_delete_marker=st.just(True),
        owner=st.just(Owner("1", "me")),
    ),
    max_size=4,
)


@given(VERSIONS, st.lists(KEYS, max_size=2), KEYS, KEYS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_page_of_versions_survives_the_way(
    entries: list[ObjectVersion], prefixes: list[str], prefix: str, marker: str, truncated: bool
) -> None:
    request = versions.list_object_versions(
        "b", prefix=prefix, key_marker=marker, version_id_marker="null", delimiter="/", max_keys=7
    )
    call = versions.read_list_object_versions(request)
    assert (call.prefix, call.key_marker, call.version_id_marker, call.delimiter, call.max_keys, call.encoded) == (
        prefix,
        marker,
        "null",
        "/",
        7,
        True,
    )
    page = ListVersionsResult(
        versions=tuple(entries),
        prefixes=tuple(prefixes),
        is_truncated=truncated,
        next_key_marker=marker if truncated else "",
        next_version_id_marker="null" if truncated else "",
        name="b",
        prefix=prefix,
        key_marker=marker,
        version_id_marker="null",
        delimiter="/",
        max_keys=7,
    )
    assert versions.parse_list_object_versions(versions.write_list_object_versions(page, call)) == page


def test_a_truncated_page_must_say_where_it_goes_on() -> None:
    body = b"<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>"
    with pytest.raises(ValueError, match="goes on"):
        versions.parse_list_object_versions(Response(200, Headers(), body))


def test_a_version_marker_needs_a_key_marker() -> None:
    with pytest.raises(InvalidArgument):
        versions.read_list_object_versions(versions.list_object_versions("b", version_id_marker="null"))


@pytest.mark.parametrize(
    "deletion",
    [Deletion("k"), Deletion("k", "v1"), Deletion("k", "v1", True, "v1"), Deletion("ü\n", "null", True, "null")],
)
def test_a_deletion_says_what_it_did(deletion: Deletion) -> None:
    assert versions.parse_delete_object(versions.write_delete_object(deletion), deletion.key) == deletion


@given(st.lists(st.tuples(KEYS.filter(str.isprintable), st.none() | IDS), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_many_versions_are_deleted_at_once(entries: list[tuple[str, str | None]]) -> None:
    request = versions.delete_multiple_versions("b", entries)
    assert versions.read_deleted_versions(request) == entries
    deletions = tuple(
        Deletion(key, version, version is None, "m" if version is None else None) for key, version in entries
    )
    answer = versions.write_delete_multiple_versions(deletions, quiet=False, encoded=True)
    assert versions.parse_delete_multiple_versions(answer) == deletions
    assert (
        versions.parse_delete_multiple_versions(
            versions.write_delete_multiple_versions(deletions, quiet=True, encoded=True)
        )
        == ()
    )


def test_a_version_is_asked_for_by_its_id() -> None:
    assert versions.read_version_id(Request("GET", "b", "k")) is None
    assert versions.read_version_id(versions.delete_version("b", "k", "v")) == "v"
    assert versions.read_version_id(versions.delete_version("b", "k")) is None
    with pytest.raises(InvalidArgument, match="Invalid version id"):
        versions.read_version_id(Request("GET", "b", "k", {"versionId": None}))


def test_a_version_can_be_taken_for_an_object() -> None:
    version = ObjectVersion(key="k", version_id="v", is_latest=True, last_modified=1.0, size=3, etag="E")
    assert (version.summary.key, version.summary.size, version.summary.etag) == ("k", 3, "E")
