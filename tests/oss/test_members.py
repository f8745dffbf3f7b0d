"""What becomes of a write that had reached some members before, and whose page of a listing is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ossmount.oss import (
    Bucket,
    Client,
    ClientOptions,
    Cluster,
    Endpoint,
    PartialWriteFailed,
    RetryPolicy,
    StaticCredentials,
)
from ossmount.server.faults import Fault
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.errors import (
    ConnectFailed,
    FileAlreadyExists,
    NoSuchUpload,
    OutOfLimits,
    PositionNotEqualToLength,
    PreconditionFailed,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


# Seconds: what only a busy machine keeps waiting is not silent.
PATIENT = 60.0


@pytest.fixture
async def members(servers: list[ThreadedServer]) -> AsyncIterator[list[Bucket]]:
    options = ClientOptions(retry=RetryPolicy(attempts=1))
    endpoints = [Endpoint.parse(server.url, region="cn-hangzhou") for server in servers]
    keys = StaticCredentials("ak", "sk")
    async with Client(endpoints[0], keys, options=options) as one, Client(endpoints[1], keys, options=options) as two:
        yield [one.bucket("bucket"), two.bucket("bucket")]


@pytest.fixture
def cluster(members: list[Bucket]) -> Cluster:
    return Cluster(members, failover_after=PATIENT)


async def bodies(cluster: Cluster, key: str) -> list[bytes]:
    return [bytes((await member.get_object(key))[1]) for member in cluster.members]


def fail(server: ThreadedServer, operation: str, **more: Any) -> None:
    server.faults.add(Fault(operation=operation, status=503, code="ServiceUnavailable", **more))


async def test_what_must_not_be_overwritten_is_repaired_but_never_overwritten(
    servers: list[ThreadedServer], cluster: Cluster
) -> None:
    fail(servers[1], "PutObject")
    with pytest.raises(PartialWriteFailed):
        await cluster.put_object("k", b"mine", forbid_overwrite=True)
    await cluster.put_object("k", b"mine", forbid_overwrite=True)
    assert await bodies(cluster, "k") == [b"mine", b"mine"]
    with pytest.raises(FileAlreadyExists):
        await cluster.put_object("k", b"mine", forbid_overwrite=True)

    await cluster.members[0].put_object("theirs", b"other")
    with pytest.raises(PartialWriteFailed):
        await cluster.put_object("theirs", b"mine", forbid_overwrite=True)
    assert (await bodies(cluster, "theirs"))[0] == b"other"


@pytest.mark.parametrize("which", [0, 1])
async def test_an_append_is_made_once_at_each(servers: list[ThreadedServer], cluster: Cluster, which: int) -> None:
    await cluster.append_object("log", 0, b"one")
    fail(servers[which], "AppendObject", count=2)
    for _ in range(2):
        with pytest.raises(PartialWriteFailed) as caught:
            await cluster.append_object("log", 3, b"two")
        assert caught.value.transient
    assert (await cluster.append_object("log", 3, b"two")).next_position == 6
    assert await bodies(cluster, "log") == [b"onetwo", b"onetwo"]
    with pytest.raises(PositionNotEqualToLength):
        await cluster.append_object("log", 3, b"two")


async def test_an_upload_is_completed_once_at_each(servers: list[ThreadedServer], cluster: Cluster) -> None:
    upload_id = await cluster.initiate_multipart_upload("k")
    part = await cluster.upload_part("k", upload_id, 1, b"x" * 1000)
    fail(servers[1], "CompleteMultipartUpload")
    with pytest.raises(PartialWriteFailed):
        await cluster.complete_multipart_upload("k", upload_id, [part])
    await cluster.complete_multipart_upload("k", upload_id, [part])
    assert await bodies(cluster, "k") == [b"x" * 1000] * 2


@pytest.mark.parametrize("gone", [False, True])
async def test_a_file_completed_at_one_is_completed_at_all_when_it_is_resumed(
    servers: list[ThreadedServer], cluster: Cluster, tmp_path: Path, *, gone: bool
) -> None:
    file, checkpoint = tmp_path / "file", tmp_path / "checkpoint"
    file.write_bytes(b"x" * 250_000)
    fail(servers[1], "CompleteMultipartUpload")
    with pytest.raises(PartialWriteFailed):
        await cluster.upload_file("k", file, part_size=102_400, checkpoint=checkpoint)
    if gone:
        async for each in cluster.members[1].iter_multipart_uploads():
            await cluster.members[1].abort_multipart_upload(each.key, each.upload_id)
    await cluster.upload_file("k", file, part_size=102_400, checkpoint=checkpoint)
    assert await bodies(cluster, "k") == [b"x" * 250_000] * 2


async def test_an_upload_that_is_gone_at_one_is_gone(servers: list[ThreadedServer], cluster: Cluster) -> None:
    upload_id = await cluster.initiate_multipart_upload("k")
    first, _, _second = upload_id.partition("|")
    await cluster.members[0].abort_multipart_upload("k", first)
    with pytest.raises(NoSuchUpload):
        await cluster.upload_part("k", upload_id, 1, b"x")
    assert [each async for each in cluster.iter_multipart_uploads()] == []

    fail(servers[0], "InitiateMultipartUpload")
    with pytest.raises(PartialWriteFailed):
        await cluster.initiate_multipart_upload("k")
    assert [each async for each in cluster.iter_multipart_uploads()] == []


async def test_the_uploads_of_all_are_listed_and_can_be_aborted(cluster: Cluster) -> None:
    await cluster.initiate_multipart_upload("a/1")
    await cluster.members[1].initiate_multipart_upload("a/2")
    await cluster.members[0].initiate_multipart_upload("b")
    found = [each async for each in cluster.iter_multipart_uploads("a/")]
    assert sorted(each.key for each in found) == ["a/1", "a/1", "a/2"]
    for each in found:
        assert (await cluster.list_parts(each.key, each.upload_id)).parts == ()
        await cluster.abort_multipart_upload(each.key, each.upload_id)
    assert [each.key async for each in cluster.iter_multipart_uploads()] == ["b"]


async def test_marks_of_another_listing_are_refused(cluster: Cluster) -> None:
    for mark in ("x", "7|a", "[1]", "5", "-1|"):
        with pytest.raises(OutOfLimits, match="upload_id_marker"):
            await cluster.list_multipart_uploads(key_marker="k", upload_id_marker=mark)
        with pytest.raises(OutOfLimits, match="continuation_token"):
            await cluster.list_objects_v2(continuation_token=mark)
    with pytest.raises(NoSuchUpload):
        await cluster.list_parts("k", "a|b|c")


@pytest.mark.parametrize("delimiter", ["", "/"])
async def test_a_listing_goes_on_elsewhere_when_its_member_dies(
    servers: list[ThreadedServer], cluster: Cluster, delimiter: str
) -> None:
    keys = [f"d{number}/x" for number in range(5)] + ["z"]
    for key in keys:
        await cluster.put_object(key, b"")
    for server in servers:
        found: list[str] = []
        async for entry in cluster.iter_objects(delimiter=delimiter, max_keys=2):
            found.append(entry if isinstance(entry, str) else entry.key)
            if len(found) == 3:
                server.faults.add(Fault(status=500, count=None))
        assert found == ([f"d{number}/" for number in range(5)] + ["z"] if delimiter else keys)
        server.faults.clear()
        await cluster.probe()


async def test_another_etag_at_one_is_no_answer_as_long_as_there_is_another(
    servers: list[ThreadedServer], cluster: Cluster
) -> None:
    old = await cluster.put_object("k", b"old")
    fail(servers[1], "PutObject")
    with pytest.raises(PartialWriteFailed):
        await cluster.put_object("k", b"new")
    for _ in range(2):
        assert (await cluster.get_object("k", if_match=old.etag))[1] == b"old"
    servers[1].faults.add(Fault(status=500, count=None))
    with pytest.raises(PreconditionFailed):
        await cluster.get_object("k", if_match=old.etag)


async def test_when_all_are_down_for_a_moment_they_are_asked_again(
    servers: list[ThreadedServer], members: list[Bucket]
) -> None:
    cluster = Cluster(members, failover_after=PATIENT, retry=RetryPolicy(attempts=3, base=0.0))
    await cluster.put_object("k", b"1")
    for server in servers:
        server.faults.add(Fault(operation="GetObject", count=2, status=500))
    assert (await cluster.get_object("k"))[1] == b"1"


async def test_whether_all_are_alive_is_found_out(servers: list[ThreadedServer], cluster: Cluster) -> None:
    await cluster.see_all_alive()
    assert [server.count() for server in servers] == [0, 0]
    fail(servers[1], "PutObject")
    with pytest.raises(PartialWriteFailed):
        await cluster.put_object("k", b"")
    await cluster.see_all_alive()  # it has come back meanwhile
    assert [server.count("HeadObject") for server in servers] == [0, 1]

    servers[1].faults.add(Fault(status=500, count=None))
    await cluster.probe()
    with pytest.raises(ConnectFailed, match=servers[1].url):
        await cluster.see_all_alive()


async def test_what_all_members_did_is_counted_together(cluster: Cluster) -> None:
    await cluster.put_object("k", b"12345")
    told = cluster.statistics()
    assert (told.requests["PutObject"], told.bytes_sent) == (2, 10)


async def test_what_is_told_of_objects_is_steady(servers: list[ThreadedServer], members: list[Bucket]) -> None:
    cluster = Cluster(members, failover_after=PATIENT, steady=True)
    await cluster.put_object("k", b"1")
    for _ in range(2):
        await cluster.head_object("k")
        await cluster.list_objects()
        async with cluster.open_object("k"):
            pass
    assert [server.count("HeadObject") for server in servers] == [2, 0]
    assert [server.count("ListObjects") for server in servers] == [2, 0]
    assert [server.count("GetObject") for server in servers] == [1, 1]
