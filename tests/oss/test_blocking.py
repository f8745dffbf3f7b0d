"""The client without await."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from ossmount.oss import Endpoint, PartialWriteFailed, StaticCredentials, blocking
from ossmount.server.faults import Fault
from ossmount.wire.errors import NoSuchKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ossmount.oss import Bucket
    from ossmount.server.threaded import ThreadedServer
    from ossmount.wire.errors import OSSError


@pytest.fixture
def client(oss_server: ThreadedServer) -> Iterator[blocking.Client]:
    endpoint = Endpoint.parse(oss_server.url, region="cn-hangzhou")
    with blocking.Client(endpoint, StaticCredentials("ak", "sk")) as client:
        yield client


@pytest.fixture
def bucket(client: blocking.Client) -> blocking.Blocking:
    bucket = client.put_bucket("bucket")
    assert isinstance(bucket, blocking.Blocking)
    return bucket


def test_a_plain_script_can_do_everything(bucket: blocking.Blocking, client: blocking.Client, tmp_path: Path) -> None:
    assert bucket.name == "bucket"
    assert "bucket" in repr(bucket)
    assert "get_object" in dir(bucket)
    put = bucket.put_object("a/key", b"hello", meta={"a": "b"})
    head, body = bucket.get_object("a/key")
    assert (body, head.etag, head.meta) == (b"hello", put.etag, {"a": "b"})
    assert [entry.key for entry in bucket.iter_objects("a/")] == ["a/key"]
    assert [page.objects[0].key for page in bucket.list_pages()] == ["a/key"]
    assert [each.name for each in client.iter_buckets()] == ["bucket"]
    with bucket.open_object("a/key") as (head, pieces):
        assert b"".join(pieces) == b"hello"
    bucket.put_object("pieces", iter([b"1", b"2"]))
    bucket.download_file("pieces", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"12"
    assert bucket.object_url("k").endswith("/bucket/k")
    assert client.statistics().requests["PutObject"] == 2


def test_what_a_listing_finds_can_be_deleted(bucket: blocking.Blocking) -> None:
    for number in range(3):
        bucket.put_object(f"old/{number}", b"")

    deleted = bucket.delete_multiple_objects(entry.key for entry in bucket.iter_objects("old/")).deleted

    assert deleted == ("old/0", "old/1", "old/2")
    assert not list(bucket.iter_objects())


def test_errors_are_the_same(bucket: blocking.Blocking) -> None:
    with pytest.raises(NoSuchKey) as caught:
        bucket.get_object("none")
    assert caught.value.request_id
    with pytest.raises(AttributeError):
        bucket.no_such_call()
    with pytest.raises(AttributeError):
        bucket._private()


def test_many_threads_use_one_client(bucket: blocking.Blocking) -> None:
    def work(number: int) -> None:
        bucket.put_object(f"k{number}", bytes([number]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bucket.list_objects().objects) == 8


def test_a_closed_client_says_so(oss_server: ThreadedServer) -> None:
    endpoint = Endpoint.parse(oss_server.url, region="cn-hangzhou")
    client = blocking.Client(endpoint, StaticCredentials("ak", "sk"))
    with pytest.raises(RuntimeError, match="with statement"):
        client.list_buckets()
    with client:
        client.list_buckets()
    with pytest.raises(RuntimeError, match="closed"):
        client.list_buckets()


def test_an_image_client_and_sts_are_there_too(client: blocking.Client) -> None:
    images = client.images("bucket")
    assert "x-oss-process" in images.presign("photo.jpg@200w")
    assert "STS" in repr(client.sts())


@pytest.fixture
def endpoints(servers: list[ThreadedServer]) -> list[Endpoint]:
    return [Endpoint.parse(server.url, region="cn-hangzhou") for server in servers]


def test_several_buckets_are_one_for_a_plain_script_too(
    servers: list[ThreadedServer], endpoints: list[Endpoint], tmp_path: Path
) -> None:
    failures: list[tuple[str, str]] = []

    def note(member: Bucket, error: OSSError) -> None:
        failures.append((str(member.client.endpoint), type(error).__name__))

    (tmp_path / "file").write_bytes(b"x" * 250_000)
    with blocking.open_cluster(
        endpoints, StaticCredentials("ak", "sk"), "bucket", schedule="masterSlave", failover_after=60.0, on_error=note
    ) as cluster:
        cluster.put_object("k", b"hello")
        cluster.upload_file("big", tmp_path / "file", part_size=102_400)
        assert [bytes(member.get_object("big")[1]) for member in cluster.members] == [b"x" * 250_000] * 2
        servers[0].faults.add(Fault(status=500, count=None))
        assert cluster.get_object("k")[1] == b"hello"
        assert [entry.key for entry in cluster.iter_objects()] == ["big", "k"]
        with cluster.open_object("k") as (_head, pieces):
            assert b"".join(pieces) == b"hello"
        assert [cluster.is_alive(member) for member in cluster.members] == [False, True]
        assert repr(cluster.choose_available().wrapped.client.endpoint) == repr(endpoints[1])
        with pytest.raises(PartialWriteFailed):
            cluster.put_object("k", b"other")
        with pytest.raises(ValueError, match="once only"):
            cluster.put_object("k", iter([b"1", b"2"]))
        servers[0].faults.clear()
        cluster.probe()
        assert cluster.is_alive(cluster.members[0])
    assert set(failures) == {(str(endpoints[0]), "InternalError")}
    with pytest.raises(RuntimeError, match="closed"):
        cluster.head_object("k")


def test_what_cannot_be_opened_says_why_and_leaves_no_thread(endpoints: list[Endpoint]) -> None:
    def threads() -> set[threading.Thread]:
        return {each for each in threading.enumerate() if each.name == "ossmount-blocking"}

    before = threads()
    with (
        pytest.raises(ValueError, match="schedule"),
        blocking.open_cluster(endpoints, StaticCredentials("ak", "sk"), "bucket", schedule="random"),
    ):
        pass
    assert threads() <= before


def test_a_callback_that_calls_back_does_not_wait_for_itself_for_ever(
    servers: list[ThreadedServer], endpoints: list[Endpoint]
) -> None:
    said: list[str] = []

    def call_back(_member: Bucket, _error: OSSError) -> None:
        with pytest.raises(RuntimeError, match="call it back") as caught:
            cluster.probe()
        said.append(str(caught.value))

    with blocking.open_cluster(endpoints, StaticCredentials("ak", "sk"), "bucket", on_error=call_back) as cluster:
        servers[1].faults.add(Fault(operation="PutObject", status=403, code="AccessDenied"))
        with pytest.raises(PartialWriteFailed):
            cluster.put_object("k", b"")
    assert len(said) == 1
