"""Buckets and objects on the embedded server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st

from ossmount.oss import Client, ClientOptions, Endpoint, StaticCredentials
from ossmount.server.faults import Fault
from ossmount.wire import errors
from ossmount.wire.checksums import crc64, etag_of
from ossmount.wire.errors import BrokenResponse, IntegrityError, InvalidRange, NoSuchKey

if TYPE_CHECKING:
    from pathlib import Path

    from ossmount.oss import Bucket

# Keys that careless clients send to another object.
KEYS = [
    "a/../b",
    "a//b",
    "./a",
    "..",
    "a/./b",
    "+",
    "a b",
    "a+b%2Bc",
    "%41",
    "?x=#y",
    "ü/中/🎈",
    "\x01\n\r\t",
    "x" * 1023,
]
META = {"plain": "a b", "text": "grüße 中", "percent": "100%"}
BIG = os.urandom(3 * 1024 * 1024)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[:20])
async def test_an_object_comes_back_by_its_key(bucket: Bucket, key: str) -> None:
    put = await bucket.put_object(
        key, key.encode(), meta=META, headers={"cache-control": "no-cache"}, content_type="a/b"
    )
    head, body = await bucket.get_object(key)

    assert body == key.encode()
    assert (head.meta, head.content_type, head.headers["cache-control"]) == (META, "a/b", "no-cache")
    assert (head.key, head.size, head.etag, head.crc64) == (key, len(body), put.etag, crc64(body))
    assert put.etag == etag_of(key.encode())
    assert (await bucket.head_object(key)).source == head.source
    assert [summary.key for summary in (await bucket.list_objects()).objects] == [key]
    assert (await bucket.delete_multiple_objects([key])).deleted == (key,)
    with pytest.raises(NoSuchKey):
        await bucket.head_object(key)


@pytest.mark.parametrize("version", ["v1", "v4"])
async def test_both_signatures_are_accepted(oss_server: Any, version: Any) -> None:
    endpoint = Endpoint.parse(oss_server.url, region="cn-hangzhou")
    options = ClientOptions(signature=version)
    async with Client(endpoint, StaticCredentials("ak", "sk"), options=options) as client:
        bucket = client.bucket("bucket")
        await bucket.put_bucket()
        for key in KEYS:
            await bucket.put_object(key, b"x", meta=META)
        assert sorted(KEYS) == sorted([summary.key for summary in (await bucket.list_objects_v2()).objects])
        async with httpx.AsyncClient(timeout=120) as other:
            assert (await other.get(await bucket.presign("+"))).content == b"x"


async def test_ranges_are_clipped_at_the_end(bucket: Bucket) -> None:
    await bucket.put_object("k", BIG)
    for start, stop in ((0, 1), (5, 100), (100, None), (None, 100), (len(BIG) - 1, len(BIG) + 100), (0, len(BIG))):
        head, body = await bucket.get_object("k", start=start, stop=stop)
        assert body == BIG[start:stop]
        first = start or 0
        assert head.content_range == (first, first + len(body), len(BIG))
        assert (head.size, head.crc64) == (len(BIG), crc64(BIG))
    with pytest.raises(InvalidRange):
        await bucket.get_object("k", start=len(BIG), stop=len(BIG) + 1)
    with pytest.raises(ValueError, match="no such range"):
        await bucket.get_object("k", start=5, stop=5)


async def test_an_object_is_received_into_a_buffer(bucket: Bucket, oss_server: Any) -> None:
    await bucket.put_object("k", BIG)
    buffer = memoryview(bytearray(len(BIG) + 10))
    _, body = await bucket.get_object("k", into=buffer)
    assert isinstance(body, memoryview)
    assert body.obj is buffer.obj
    assert body == BIG
    _, body = await bucket.get_object("k", start=10, stop=20, into=buffer[:10])
    assert body == BIG[10:20]
    # More than there is room for is refused, and asking again would not help.
    requests = oss_server.count("GetObject")
    with pytest.raises(BrokenResponse, match="room for 100"):
        await bucket.get_object("k", into=buffer[:100])
    assert oss_server.count("GetObject") == requests + 1


async def test_conditions_hold_or_are_told(bucket: Bucket) -> None:
    etag = (await bucket.put_object("k", b"1")).etag
    assert (await bucket.get_object("k", if_match=etag))[1] == b"1"
    assert (await bucket.head_object("k", if_none_match="other")).etag == etag
    with pytest.raises(errors.NotModified):
        await bucket.get_object("k", if_none_match=etag)
    with pytest.raises(errors.NotModified):
        await bucket.head_object("k", if_none_match=etag)
    with pytest.raises(errors.PreconditionFailed):
        await bucket.get_object("k", start=0, stop=1, if_match="other")
    with pytest.raises(errors.PreconditionFailed):
        await bucket.head_object("k", if_match="other")
    with pytest.raises(errors.FileAlreadyExists):
        await bucket.put_object("k", b"2", forbid_overwrite=True)


async def test_an_object_may_be_read_as_it_comes(bucket: Bucket, client: Client) -> None:
    await bucket.put_object("k", BIG)
    async with bucket.open_object("k") as (head, pieces):
        assert client.statistics().in_flight == 1
        assert b"".join([piece async for piece in pieces]) == BIG
    async with bucket.open_object("k", start=5, stop=100, if_match=head.etag) as (_, pieces):
        assert b"".join([piece async for piece in pieces]) == BIG[5:100]
    async with bucket.open_object("k") as (_, pieces):
        assert BIG.startswith(await anext(pieces))
    with pytest.raises(NoSuchKey):
        async with bucket.open_object("none"):
            raise AssertionError
    assert client.statistics().in_flight == 0


async def test_a_damaged_object_is_noticed_while_it_is_read(bucket: Bucket, oss_server: Any) -> None:
    await bucket.put_object("k", BIG)
    oss_server.faults.add(Fault(operation="GetObject", corrupt=1_000_000))
    async with bucket.open_object("k") as (_, pieces):
        with pytest.raises(IntegrityError, match="bucket/k"):
            assert [piece async for piece in pieces]


async def test_damage_on_the_way_is_repaired(bucket: Bucket, client: Client, oss_server: Any) -> None:
    oss_server.faults.add(Fault(operation="PutObject", corrupt_upload=1_000_000))
    await bucket.put_object("k", BIG)
    oss_server.faults.add(Fault(operation="GetObject", corrupt=1_000_000))
    assert (await bucket.get_object("k"))[1] == BIG
    statistics = client.statistics()
    assert (statistics.integrity_failures, statistics.retries) == (2, 2)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=503, code="TotalQpsLimitExceeded"),
        Fault(status=500, done=True),
        Fault(reset=True),
        Fault(reset=True, done=True),
        Fault(cut=0),
        Fault(skew=3600.0, count=None),
    ],
    ids=repr,
)
async def test_one_fault_is_not_noticed(bucket: Bucket, oss_server: Any, fault: Fault) -> None:
    for n in (1, 2, 3, 4):
        oss_server.faults.add(Fault(**{**{name: getattr(fault, name) for name in fault.__slots__}, "first": n}))
        await bucket.put_object("k", BIG)
        assert (await bucket.get_object("k", start=1, stop=2_000_000))[1] == BIG[1:2_000_000]
        assert (await bucket.get_object("k"))[1] == BIG
        assert (await bucket.list_objects()).objects[0].size == len(BIG)


async def test_streams_are_uploaded(bucket: Bucket) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(BIG), 100_000):
            yield BIG[start : start + 100_000]

    for size in (None, len(BIG)):
        result = await bucket.put_object("k", pieces(), size=size, meta=META)
        assert result.etag == etag_of(BIG)
        head, body = await bucket.get_object("k")
        assert (body, head.meta) == (BIG, META)


async def test_a_refused_upload_tells_why_although_it_was_not_read(client: Client) -> None:
    with pytest.raises(errors.NoSuchBucket):
        await client.bucket("no-such-bucket").put_object("k", bytes(16 * 1024 * 1024))


async def test_copies_keep_or_replace_what_goes_with_the_bytes(bucket: Bucket) -> None:
    await bucket.put_object("a b", b"x", meta=META, content_type="a/b")
    copy = await bucket.copy_object("c", "a b")
    head = await bucket.head_object("c")
    assert (head.meta, head.content_type, head.etag) == (META, "a/b", copy.etag)
    await bucket.copy_object(
        "c", "c", replace=True, meta={"m": "1"}, headers={"content-type": "t/s"}, if_match=copy.etag
    )
    head = await bucket.head_object("c")
    assert (head.meta, head.content_type, head.etag) == ({"m": "1"}, "t/s", copy.etag)
    with pytest.raises(NoSuchKey):
        await bucket.copy_object("d", "none")
    with pytest.raises(errors.PreconditionFailed):
        await bucket.copy_object("d", "c", if_match="other")
    with pytest.raises(errors.FileAlreadyExists):
        await bucket.copy_object("c", "a b", forbid_overwrite=True)


async def test_symlinks_are_made_and_followed(bucket: Bucket) -> None:
    await bucket.put_object("d/ü", b"target")
    await bucket.put_symlink("link", "d/ü", meta=META)
    link = await bucket.get_symlink("link")
    assert (link.target, link.meta) == ("d/ü", META)
    head, body = await bucket.get_object("link")
    assert (head.type, body) == ("Symlink", b"target")
    assert {summary.key: summary.type for summary in (await bucket.list_objects()).objects}["link"] == "Symlink"
    with pytest.raises(errors.NotSymlink):
        await bucket.get_symlink("d/ü")
    await bucket.delete_object("d/ü")
    with pytest.raises(errors.SymlinkTargetNotExist):
        await bucket.head_object("link")
    assert (await bucket.get_object_meta("link")).etag == link.etag


async def test_acls_and_tags_are_set_and_read(bucket: Bucket) -> None:
    await bucket.put_object("k", b"x")
    assert await bucket.get_object_acl("k") == "default"
    await bucket.put_object_acl("k", "public-read")
    assert await bucket.get_object_acl("k") == "public-read"
    tags = {"colour": "dark blue", "size": "10"}
    await bucket.put_object_tagging("k", tags)
    assert await bucket.get_object_tagging("k") == tags
    assert (await bucket.head_object("k")).tagging_count == 2
    await bucket.delete_object_tagging("k")
    assert await bucket.get_object_tagging("k") == {}
    assert (await bucket.get_object_meta("k")).size == 1


async def put_all(bucket: Bucket, keys: list[str]) -> None:
    async with trio.open_nursery() as nursery:
        for key in keys:
            nursery.start_soon(bucket.put_object, key, b"")


async def test_listings_come_in_pages(bucket: Bucket) -> None:
    keys = [f"d/{n:02}" for n in range(20)] + ["d/x/1", "d/x/2", "e"]
    await put_all(bucket, keys)
    found = [summary.key async for page in bucket.list_pages(max_keys=7) for summary in page.objects]
    assert found == keys
    pages = [page async for page in bucket.list_pages("d/", delimiter="/", max_keys=6)]
    assert [len(page.objects) + len(page.prefixes) for page in pages] == [6, 6, 6, 3]
    assert [prefix for page in pages for prefix in page.prefixes] == ["d/x/"]
    assert [page.objects async for page in bucket.list_pages("none")] == [()]
    after = [summary.key async for page in bucket.list_pages(start_after="d/18") for summary in page.objects]
    assert after == ["d/19", "d/x/1", "d/x/2", "e"]

    marker, found = "", []
    while True:
        page = await bucket.list_objects("d/", marker, "/", 6)
        found += [summary.key for summary in page.objects] + list(page.prefixes)
        if not page.is_truncated:
            break
        marker = page.next_marker
    assert found == [*keys[:20], "d/x/"]
    owned = await bucket.list_objects_v2("e", fetch_owner=True)
    assert owned.objects[0].owner is not None


async def test_many_objects_are_deleted_with_few_requests(bucket: Bucket, oss_server: Any) -> None:
    keys = [f"{n:04}" for n in range(30)]
    await put_all(bucket, [*keys, "\x02"])
    missing = [f"none-{n}" for n in range(1500)]
    result = await bucket.delete_multiple_objects([*keys, *missing, "\x02", *keys])
    assert set(result.deleted) == {*keys, *missing, "\x02"}
    assert (await bucket.list_objects()).objects == ()
    assert oss_server.count("DeleteMultipleObjects") == 2
    # XML cannot hold that one.
    assert oss_server.count("DeleteObject") == 1
    assert (await bucket.delete_multiple_objects([])).deleted == ()


async def test_a_bucket_is_made_described_and_deleted(client: Client) -> None:
    bucket = client.bucket("another")
    with pytest.raises(errors.NoSuchBucket):
        await bucket.get_bucket_info()
    await bucket.put_bucket(acl="public-read")
    await bucket.put_bucket()
    info = await bucket.get_bucket_info()
    assert (info.name, info.location) == ("another", await bucket.get_bucket_location())
    await bucket.put_bucket_acl("private")
    assert await bucket.get_bucket_acl() == "private"
    await bucket.put_object("k", b"12345")
    stat = await bucket.get_bucket_stat()
    assert (stat.storage, stat.object_count) == (5, 1)
    assert [summary.name for summary in (await client.list_buckets(prefix="an")).buckets] == ["another"]
    with pytest.raises(errors.BucketNotEmpty):
        await bucket.delete_bucket()
    await bucket.delete_object("k")
    await bucket.delete_object("k")
    await bucket.delete_bucket()
    assert (await client.list_buckets()).buckets == ()


async def test_wrong_credentials_are_refused(oss_server: Any) -> None:
    endpoint = Endpoint.parse(oss_server.url)
    for pair, error in (
        (("ak", "wrong"), errors.SignatureDoesNotMatch),
        (("wrong", "sk"), errors.InvalidAccessKeyId),
    ):
        async with Client(endpoint, StaticCredentials(*pair)) as client:
            with pytest.raises(error):
                await client.list_buckets()


@given(key=st.text(min_size=1, max_size=60), text=st.text(max_size=40))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_any_key_and_any_metadata_come_back(bucket: Bucket, key: str, text: str) -> None:
    if key.startswith(("/", "\\")):
        return
    await bucket.put_object(key, b"x", meta={"text": text})
    assert (await bucket.head_object(key)).meta == {"text": text}
    assert [summary.key for summary in (await bucket.list_objects(key)).objects] == [key]
    await bucket.delete_multiple_objects([key])
    assert (await bucket.list_objects()).objects == ()


async def test_keys_that_are_not_allowed_are_refused(bucket: Bucket) -> None:
    for key in ("/a", "\\a", "x" * 1024):
        with pytest.raises(errors.OutOfLimits):
            await bucket.put_object(key, b"")


async def test_a_unix_socket_is_an_endpoint(oss_server: Any, tmp_path: Path) -> None:
    """The server listens on TCP here, so something passes bytes on between the two."""
    path = tmp_path / "s"

    async def forward(stream: trio.SocketStream) -> None:
        host, port = oss_server.url.removeprefix("http://").split(":")
        there = await trio.open_tcp_stream(host, int(port))

        async def pump(source: trio.SocketStream, sink: trio.SocketStream) -> None:
            async for data in source:
                await sink.send_all(data)
            nursery.cancel_scope.cancel()

        async with there, stream, trio.open_nursery() as nursery:
            nursery.start_soon(pump, stream, there)
            nursery.start_soon(pump, there, stream)

    sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await sock.bind(str(path))
    sock.listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, forward, [trio.SocketListener(sock)])
        endpoint = Endpoint.parse(f"unix://{path}")
        async with Client(endpoint, StaticCredentials("ak", "sk")) as client:
            bucket = client.bucket("bucket")
            await bucket.put_bucket()
            await bucket.put_object("k", BIG)
            assert (await bucket.get_object("k"))[1] == BIG
        nursery.cancel_scope.cancel()
