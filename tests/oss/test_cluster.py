"""Several buckets as one, of which some die."""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ossmount.oss import Bucket, Client, Cluster, Endpoint, PartialWriteFailed, StaticCredentials, open_cluster
from ossmount.oss.cluster import READS, WRITES
from ossmount.oss.members import Members
from ossmount.server.faults import Fault
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.errors import InternalError, NoSuchKey, OSSError, TransportError
from ossmount.wire.models import PutObjectResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


# Seconds: what only a busy machine keeps waiting is not silent.
PATIENT = 60.0


@pytest.fixture
async def members(servers: list[ThreadedServer], client_options: Any) -> AsyncIterator[list[Bucket]]:
    endpoints = [Endpoint.parse(server.url, region="cn-hangzhou") for server in servers]
    keys = StaticCredentials("ak", "sk")
    async with (
        Client(endpoints[0], keys, options=client_options) as one,
        Client(endpoints[1], keys, options=client_options) as two,
    ):
        yield [one.bucket("bucket"), two.bucket("bucket")]


@pytest.fixture
def client_options() -> Any:
    from ossmount.oss import ClientOptions, RetryPolicy

    return ClientOptions(retry=RetryPolicy(attempts=1))


def down(server: ThreadedServer) -> None:
    server.faults.add(Fault(status=500, count=None))


async def test_writes_go_to_all_and_reads_to_one_in_turn(servers: list[ThreadedServer], members: list[Bucket]) -> None:
    cluster = Cluster(members, failover_after=PATIENT)
    await cluster.put_object("k", b"1")
    for _ in range(4):
        assert (await cluster.get_object("k"))[1] == b"1"
    assert [server.count("PutObject") for server in servers] == [1, 1]
    assert [server.count("GetObject") for server in servers] == [2, 2]


async def test_the_master_is_read_as_long_as_it_lives(servers: list[ThreadedServer], members: list[Bucket]) -> None:
    cluster = Cluster(members, failover_after=PATIENT, schedule="masterSlave")
    await cluster.put_object("k", b"1")
    for _ in range(3):
        await cluster.head_object("k")
    assert [server.count("HeadObject") for server in servers] == [3, 0]
    down(servers[0])
    for _ in range(3):
        await cluster.head_object("k")
    # It was asked once more, and then left alone.
    assert [server.count("HeadObject") for server in servers] == [4, 3]
    assert cluster.choose_available() is members[1]
    assert not cluster.is_alive(members[0])


@pytest.mark.parametrize("schedule", ["roundRobin", "masterSlave"])
async def test_reading_goes_on_when_one_dies_and_both_are_used_when_it_is_back(
    servers: list[ThreadedServer], members: list[Bucket], schedule: Any
) -> None:
    failures: list[tuple[Bucket, OSSError]] = []
    cluster = Cluster(
        members,
        failover_after=PATIENT,
        schedule=schedule,
        on_error=lambda member, error: failures.append((member, error)),
    )
    body = os.urandom(300_000)
    await cluster.put_object("k", body)
    down(servers[0])
    for _ in range(4):
        assert (await cluster.get_object("k"))[1] == body
        async with cluster.open_object("k") as (_head, pieces):
            assert b"".join([piece async for piece in pieces]) == body
        assert [entry async for entry in cluster.iter_objects()]
    assert len(failures) == 1
    assert failures[0][0] is members[0]
    assert isinstance(failures[0][1], InternalError)
    assert cluster.choose_available() is members[1]

    servers[0].faults.clear()
    await cluster.probe()
    assert cluster.is_alive(members[0])
    if schedule == "masterSlave":
        assert cluster.choose_available() is members[0]


async def test_an_answer_is_an_answer(servers: list[ThreadedServer], members: list[Bucket]) -> None:
    cluster = Cluster(members, failover_after=PATIENT, schedule="masterSlave")
    with pytest.raises(NoSuchKey):
        await cluster.get_object("none")
    assert [server.count("GetObject") for server in servers] == [1, 0]


async def test_when_all_are_down_that_is_said(servers: list[ThreadedServer], members: list[Bucket]) -> None:
    cluster = Cluster(members, failover_after=PATIENT)
    for server in servers:
        down(server)
    with pytest.raises(InternalError) as caught:
        await cluster.get_object("k")
    assert "all members of the cluster are down" in caught.value.__notes__
    with pytest.raises(InternalError):
        await cluster.put_object("k", b"")


async def test_a_write_that_reaches_some_is_never_a_success(
    servers: list[ThreadedServer], members: list[Bucket]
) -> None:
    cluster = Cluster(members, failover_after=PATIENT)
    servers[1].faults.add(Fault(operation="PutObject", status=503, code="ServiceUnavailable"))
    with pytest.raises(PartialWriteFailed, match="1 of 2 members failed") as caught:
        await cluster.put_object("k", b"1")
    first, second = caught.value.results
    assert isinstance(first, PutObjectResult)
    assert isinstance(second, OSSError)
    assert caught.value.transient
    # To try again repairs it.
    await cluster.put_object("k", b"1")
    assert [(await member.get_object("k"))[1] for member in members] == [b"1", b"1"]

    servers[1].faults.add(Fault(operation="PutObject", status=403, code="AccessDenied"))
    with pytest.raises(PartialWriteFailed) as caught:
        await cluster.put_object("k", b"1")
    assert not caught.value.transient
    assert cluster.is_alive(members[1])


async def test_files_go_to_all_in_parts(servers: list[ThreadedServer], members: list[Bucket], tmp_path: Path) -> None:
    cluster = Cluster(members, failover_after=PATIENT)
    body = os.urandom(250_000)
    path = tmp_path / "file"
    path.write_bytes(body)
    await cluster.upload_file("k", path, part_size=102_400)
    await cluster.copy("copy", "k")
    await cluster.put_object_meta("k", {"a": "b"})
    for member in members:
        assert (await member.get_object("k"))[1] == body
        assert (await member.get_object("copy"))[1] == body
        assert (await member.head_object("k")).meta == {"a": "b"}
    await cluster.delete_multiple_objects(["k", "copy"])
    for member in members:
        assert not (await member.list_objects()).objects

    upload_id = await cluster.initiate_multipart_upload("k")
    await cluster.abort_multipart_upload("k", upload_id)
    for member in members:
        assert not (await member.list_multipart_uploads()).uploads


async def test_keys_that_can_be_gone_through_once_only_are_deleted_everywhere(members: list[Bucket]) -> None:
    cluster = Cluster(members, failover_after=PATIENT)
    for key in "abcd":
        await cluster.put_object(key, b"")

    assert (await cluster.delete_multiple_objects(key for key in "ab")).deleted == ("a", "b")
    await cluster.delete_multiple_objects(keys=iter("c"))
    await cluster.delete_multiple_versions((key, None) for key in "d")

    for member in members:
        assert not (await member.list_objects()).objects


async def test_a_stream_that_can_be_read_once_is_refused(members: list[Bucket]) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b""

    stream = pieces()
    with pytest.raises(ValueError, match="once only"):
        await Cluster(members).put_object("k", stream)
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_cluster_is_opened_with_its_probe(servers: list[ThreadedServer]) -> None:
    endpoints = [Endpoint.parse(server.url, region="cn-hangzhou") for server in servers]
    async with open_cluster(endpoints, StaticCredentials("ak", "sk"), "bucket", schedule="masterSlave") as cluster:
        await cluster.put_object("k", b"1")
        servers[0].stop()
        assert (await cluster.get_object("k"))[1] == b"1"
        assert not cluster.is_alive(cluster.members[0])


async def test_the_probe_notices_who_died(
    autojump_clock: trio.testing.MockClock, scripted: Any, client_of: Any
) -> None:
    alive = True

    def answer(request: Any) -> Any:
        from ossmount.wire.object_calls import empty_response

        if not alive:
            raise TransportErrorForTest("gone")
        return empty_response(404)

    cluster = Cluster([client_of(scripted(answer)).bucket("bucket")])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cluster.run)
        await trio.sleep(15)
        assert cluster.is_alive(cluster.members[0])
        alive = False
        await trio.sleep(10)
        assert not cluster.is_alive(cluster.members[0])
        alive = True
        await trio.sleep(10)
        assert cluster.is_alive(cluster.members[0])
        nursery.cancel_scope.cancel()


class TransportErrorForTest(TransportError):
    """Nobody is there."""


async def test_bad_clusters_are_refused(members: list[Bucket]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Cluster([])
    with pytest.raises(ValueError, match="roundRobin, masterSlave"):
        Cluster(members, schedule="random")  # type: ignore[arg-type]


def test_every_call_of_a_bucket_is_one_of_a_cluster() -> None:
    """A call that would go to the first member alone, unnoticed, is what must not happen."""
    built_on_others = {
        *("put_bucket_logging", "get_bucket_logging", "delete_bucket_logging"),
        *("put_bucket_website", "get_bucket_website", "delete_bucket_website"),
        *("put_bucket_referer", "get_bucket_referer", "delete_bucket_referer"),
        *("put_bucket_lifecycle", "get_bucket_lifecycle", "delete_bucket_lifecycle"),
        *("put_bucket_cors", "get_bucket_cors", "delete_bucket_cors"),
        *("upload_file", "upload_stream", "download_file"),
    }
    calls = {name for name, each in inspect.getmembers(Bucket, inspect.iscoroutinefunction) if name[0] != "_"}
    overridden = {name for name in calls if name in vars(Cluster) or name in vars(Members)}
    assert calls - overridden == built_on_others
    assert set(READS) | set(WRITES) <= overridden
