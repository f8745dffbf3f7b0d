"""Listings gone through entry by entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ossmount.wire import versions
from ossmount.wire.message import Request, Response
from ossmount.wire.models import ObjectSummary
from ossmount.wire.versions import Deletion, ListVersionsResult, ObjectVersion

if TYPE_CHECKING:
    from ossmount.oss import Bucket, Client

KEYS = ["a/1", "a/2", "b", "c/1", "d", "ü"]


async def test_entries_come_one_by_one_over_all_pages(bucket: Bucket) -> None:
    for key in KEYS:
        await bucket.put_object(key, key.encode())

    async def names(**options: Any) -> list[str]:
        entries = bucket.iter_objects(max_keys=2, **options)
        return [entry if isinstance(entry, str) else entry.key async for entry in entries]

    assert await names() == KEYS
    assert await names(delimiter="/") == ["a/", "b", "c/", "d", "ü"]
    assert await names(prefix="a/") == ["a/1", "a/2"]
    assert await names(start_after="b") == ["c/1", "d", "ü"]
    assert await names(prefix="none") == []


async def test_one_may_leave_in_the_middle(bucket: Bucket) -> None:
    for key in KEYS:
        await bucket.put_object(key, b"")
    before = bucket.client.statistics().requests.get("ListObjectsV2", 0)
    async for entry in bucket.iter_objects(max_keys=1):
        assert isinstance(entry, ObjectSummary)
        break
    assert bucket.client.statistics().requests["ListObjectsV2"] == before + 1


async def test_buckets_uploads_and_parts_are_listed(bucket: Bucket, client: Client) -> None:
    await client.put_bucket("another")
    assert [each.name async for each in client.iter_buckets()] == ["another", "bucket"]
    assert [each.name async for each in client.iter_buckets("b")] == ["bucket"]
    await client.delete_bucket("another")

    upload_id = await bucket.initiate_multipart_upload("k")
    for number in (1, 2, 3):
        await bucket.upload_part("k", upload_id, number, b"x")
    assert [each.upload_id async for each in bucket.iter_multipart_uploads()] == [upload_id]
    assert [each.number async for each in bucket.iter_parts("k", upload_id)] == [1, 2, 3]


async def test_versions_are_listed_and_deleted(scripted: Any, client_of: Any) -> None:
    stored = [
        ObjectVersion(key="k", version_id=f"v{number}", is_latest=number == 0, last_modified=1.0, etag="E")
        for number in range(5)
    ]
    gone: list[tuple[str, str | None]] = []

    def answer(request: Request) -> Response:
        if request.method == "GET":
            call = versions.read_list_object_versions(request)
            start = int(call.version_id_marker.removeprefix("v") or "-1") + 1 if call.key_marker else 0
            page = stored[start : start + call.max_keys]
            return versions.write_list_object_versions(
                ListVersionsResult(
                    versions=tuple(page),
                    is_truncated=start + call.max_keys < len(stored),
                    next_key_marker="k",
                    next_version_id_marker=page[-1].version_id,
                ),
                call,
            )
        if request.method == "DELETE":
            gone.append((request.key, versions.read_version_id(request)))
            return versions.write_delete_object(Deletion(request.key, "m", True, "m"))
        entries = versions.read_deleted_versions(request)
        gone.extend(entries)
        deletions = [Deletion(key, version) for key, version in entries]
        return versions.write_delete_multiple_versions(deletions, quiet=False, encoded=True)

    bucket = client_of(scripted(answer)).bucket("bucket")
    listed = [version.version_id async for version in bucket.iter_object_versions(max_keys=2)]
    assert listed == ["v0", "v1", "v2", "v3", "v4"]

    deletions = await bucket.delete_multiple_versions([("k", "v1"), ("k", "v2"), ("\x01", None)])
    assert sorted(gone, key=str) == sorted([("k", "v1"), ("k", "v2"), ("\x01", None)], key=str)
    assert Deletion("\x01", "m", True, "m") in deletions
    assert (await bucket.delete_object("k", version_id="v3")).delete_marker
