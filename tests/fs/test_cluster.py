"""A mount over several endpoints: it reads as long as one of them lives, and ends with the same in all of them."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from ossmount.oss import ClientOptions, Endpoint, RetryPolicy, StaticCredentials, open_cluster
from ossmount.server.faults import Fault
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.errors import OSSError

World = Any
QUICK = RetryPolicy(attempts=2, base=0.0)


VERBS = [
    "PutObject",
    "CopyObject",
    "PutSymlink",
    "DeleteObject",
    "DeleteMultipleObjects",
    "InitiateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
]


@pytest.mark.parametrize("done", [False, True], ids=["refused", "done"])
@pytest.mark.parametrize("verb", VERBS)
async def test_whatever_fails_at_one_is_done_at_both_in_the_end(
    world: World,
    servers: list[ThreadedServer],
    opened: Any,
    contents: Any,
    workload: list[Any],
    tree: Any,
    verb: str,
    *,
    done: bool,
) -> None:
    # Each fails twice in a row, so that the client gives up and the executor has to try again.
    for first, server in enumerate(servers, 1):
        server.faults.add(Fault(operation=verb, first=first, count=2, status=500, done=done))
    async with world.mount(opened=opened(), part_size=131_072) as view:
        for operation in workload:
            await view.do(operation)
            tree = tree.after(operation)
        for fh in list(view.handles):
            await view.close(view.handles.pop(fh))
        assert await view.flush() == {"pending": 0, "failed": []}
        left = [each async for each in view.rooms.bucket.iter_multipart_uploads()]
        if verb == "InitiateMultipartUpload":
            # Nobody was told the ids of some: of those done though refused, or begun as a write interrupted the upload.
            left = [each for each in left if (await view.rooms.bucket.list_parts(each.key, each.upload_id)).parts]
        assert left == []
    assert contents() == [tree.objects(), tree.objects()]


async def put_at(servers: list[ThreadedServer], key: str, content: bytes, piece: int = 0) -> None:
    """Put an object at each server; with *piece* append it, in pieces of that size and twice that size."""
    for number, server in enumerate(servers, 1):
        async with open_cluster(
            [Endpoint.parse(server.url, region="cn-hangzhou")], StaticCredentials("ak", "sk"), "bucket"
        ) as bucket:
            if not piece:
                await bucket.put_object(key, content)
            for start in range(0, len(content), piece * number) if piece else ():
                await bucket.append_object(key, start, content[start : start + piece * number])


@pytest.mark.parametrize("first", [1, 2])
async def test_the_middle_of_a_large_file_is_changed_at_both(
    world: World, servers: list[ThreadedServer], opened: Any, first: int
) -> None:
    content = os.urandom(4 << 20)
    await put_at(servers, "large", content)
    servers[0].faults.add(Fault(operation="UploadPartCopy", first=first, count=2, status=500))
    async with world.mount(opened=opened(), part_size=1 << 20) as view:
        fh = await view.open("large", os.O_RDWR)
        await view.pwrite(fh, b"changed", 2_000_000)
        await view.close(fh)
        assert await view.flush() == {"pending": 0, "failed": []}
        assert min(server.count("UploadPartCopy") for server in servers) > 1
        changed = content[:2_000_000] + b"changed" + content[2_000_007:]
        for member in view.rooms.bucket.members:
            assert (await member.get_object("large"))[1] == changed


async def test_an_object_whose_etags_differ_is_read_and_appended_to(
    world: World, servers: list[ThreadedServer], opened: Any
) -> None:
    content = os.urandom(600_000)
    await put_at(servers, "log", content, piece=100_000)
    async with world.mount(opened=opened(), part_size=131_072) as view:
        members = view.rooms.bucket.members
        assert len({(await member.head_object("log")).etag for member in members}) == 2
        for _ in range(3):
            assert await view.read("log") == content
        servers[1].faults.add(Fault(operation="PutObject", count=2, status=500))
        fh = await view.open("log", os.O_WRONLY | os.O_APPEND)
        await view.pwrite(fh, b"one more line", len(content))
        await view.close(fh)
        assert await view.flush() == {"pending": 0, "failed": []}
        for member in members:
            assert (await member.get_object("log"))[1] == content + b"one more line"
        assert await view.read("log") == content + b"one more line"


async def test_what_one_refuses_for_good_is_kept_and_says_where(
    world: World, servers: list[ThreadedServer], opened: Any, contents: Any
) -> None:
    servers[1].faults.add(Fault(operation="PutObject", count=None, status=403, code="AccessDenied"))
    async with world.mount(opened=opened()) as view:
        await view.write("f", b"precious")
        failed = (await view.flush())["failed"]
        assert [each["path"] for each in failed] == ["f"]
        assert servers[1].url in failed[0]["error"]
        assert "AccessDenied" in failed[0]["error"]
        servers[1].faults.clear()
        assert await view.flush() == {"pending": 0, "failed": []}
    assert [each["f"][0] for each in contents()] == [b"precious", b"precious"]


async def test_those_that_live_are_not_sent_everything_again_while_another_is_down(
    world: World, servers: list[ThreadedServer], opened: Any, contents: Any
) -> None:
    async with world.mount(opened=opened()) as view:
        servers[1].faults.add(Fault(status=500, count=None))
        await view.write("f", b"once")
        with trio.fail_after(120):
            while view.rooms.executor.statistics().retries < 5:
                await trio.lowlevel.checkpoint()
        assert servers[0].count("PutObject") == 1
        servers[1].faults.clear()
        assert await view.flush() == {"pending": 0, "failed": []}
    assert [each["f"][0] for each in contents()] == [b"once", b"once"]


async def test_what_was_done_at_one_before_a_crash_is_done_at_both_afterwards(
    world: World, servers: list[ThreadedServer], opened: Any, contents: Any
) -> None:
    body = os.urandom(500_000)
    async with world.mount(opened=opened(), part_size=131_072) as view:
        await view.mkdir("d")
        await view.write("d/a", b"a")
        await view.flush()
        for verb in ("CompleteMultipartUpload", "DeleteMultipleObjects"):
            servers[1].faults.add(Fault(operation=verb, count=None, status=500))
        await view.write("big", body)
        await view.rename("d", "e")
        with trio.fail_after(120):
            while 0 in (servers[0].count("CompleteMultipartUpload"), servers[0].count("DeleteMultipleObjects")):
                await trio.lowlevel.checkpoint()
        view.crash()
    servers[1].faults.clear()
    async with world.mount(opened=opened(), part_size=131_072) as view:
        assert await view.flush() == {"pending": 0, "failed": []}
        assert [each["differing"] for each in await facts(view)] == [0, 0]
    for each in contents():
        assert {key: value[0] for key, value in each.items()} == {"big": body, "e/": b"", "e/a": b"a"}


async def test_times_stay_whoever_is_read(world: World, tmp_path: Path) -> None:
    def an_hour_ago() -> float:
        return time.time() - 3600

    with ThreadedServer(tmp_path / "old", clock=an_hour_ago) as old:
        old.store.put_bucket("bucket")
        both = [world.server, old]
        await put_at(both, "f", b"x" * 300_000)
        seen = set()
        endpoints = [Endpoint.parse(server.url, region="cn-hangzhou") for server in both]
        opened = open_cluster(endpoints, StaticCredentials("ak", "sk"), "bucket", steady=True)
        async with world.mount(opened=opened, ttl=0.0) as view:
            for _ in range(4):
                await view.ls()
                seen.add((await view.stat("f")).attributes.mtime_ns)
                assert await view.read("f") == b"x" * 300_000
        assert len(seen) == 1


async def test_two_ways_to_the_same_bucket_do_no_harm(
    world: World, oss_server: ThreadedServer, bucket_contents: Any, workload: list[Any], tree: Any
) -> None:
    ways = [oss_server.url, oss_server.url.replace("127.0.0.1", "localhost")]
    for verb in ("PutObject", "CopyObject", "CompleteMultipartUpload"):
        oss_server.faults.add(Fault(operation=verb, first=2, count=2, status=500, done=True))
    endpoints = [Endpoint.parse(way, region="cn-hangzhou") for way in ways]
    opened = open_cluster(
        endpoints, StaticCredentials("ak", "sk"), "bucket", options=ClientOptions(retry=QUICK), steady=True
    )
    async with world.mount(opened=opened, part_size=131_072) as view:
        for operation in workload:
            await view.do(operation)
            tree = tree.after(operation)
        for fh in list(view.handles):
            await view.close(view.handles.pop(fh))
        assert await view.flush() == {"pending": 0, "failed": []}
    assert bucket_contents() == tree.objects()


async def facts(view: Any) -> list[dict[str, Any]]:
    """What `ossmount status` tells of the endpoints."""
    told: list[dict[str, Any]] = (await view.status._status({}, None))["endpoints"]
    return told


async def test_what_one_lacks_is_changed_at_the_others_and_told(
    world: World, servers: list[ThreadedServer], opened: Any, contents: Any
) -> None:
    told: list[tuple[str, str]] = []
    endpoints = [Endpoint.parse(server.url, region="cn-hangzhou") for server in servers]
    async with open_cluster(endpoints, StaticCredentials("ak", "sk"), "bucket") as bucket:
        for key in ("a", "b", "d/both", "same"):
            await bucket.put_object(key, key.encode())
        first, second = bucket.members
        await first.put_object("d/one", b"d/one")
        await second.delete_object("a")
        await second.delete_object("b")
        await second.put_object("new", b"something else")

    def note(member: Any, error: Any) -> None:
        told.append((str(member.client.endpoint), error.details["Key"]))

    async with world.mount(opened=opened(on_error=note)) as view:
        await view.rename("a", "new")
        await view.rename("d", "e")
        await view.chmod("b", 0o600)
        await view.rename("same", "still the same")
        assert await view.flush() == {"pending": 0, "failed": []}
        assert [each["differing"] for each in await facts(view)] == [0, 3]
    assert sorted(told) == [(servers[1].url, key) for key in ("b", "e/one", "new")]
    left, right = ({key: value[0] for key, value in each.items()} for each in contents())
    assert left == {
        "b": b"b",
        "e/both": b"d/both",
        "e/one": b"d/one",
        "new": b"a",
        "still the same": b"same",
    }
    assert right == {"e/both": b"d/both", "new": b"something else", "still the same": b"same"}


async def test_the_status_tells_who_is_away_since_when_and_why(
    world: World, servers: list[ThreadedServer], opened: Any
) -> None:
    async with world.mount(opened=opened()) as view:
        for each in await facts(view):
            assert (each["state"], each["last_error"], each["last_error_age"]) == ("alive", None, None)
        servers[1].faults.add(Fault(status=500, count=None))
        await view.rooms.bucket.probe()
        one, two = await facts(view)
        assert (one["endpoint"], one["state"], one["last_error"]) == (servers[0].url, "alive", None)
        assert (two["endpoint"], two["state"]) == (servers[1].url, "down")
        assert "(500)" in two["last_error"]
        assert two["age"] >= two["last_error_age"] >= 0
        servers[1].faults.clear()
        await view.rooms.bucket.probe()
        two = (await facts(view))[1]
        assert (two["state"], "(500)" in two["last_error"]) == ("alive", True)


async def test_the_status_tells_as_much_of_the_only_endpoint(world: World) -> None:
    async with world.mount() as view:
        world.server.faults.add(Fault(status=500, count=None))
        with contextlib.suppress(OSSError):
            await view.rooms.bucket.head_object("k")
        (one,) = await facts(view)
        assert (one["state"], "(500)" in one["last_error"]) == ("down", True)
        world.server.faults.clear()


async def test_who_waits_for_one_that_is_away_is_told_which_and_loses_nothing(
    world: World, servers: list[ThreadedServer], opened: Any, contents: Any
) -> None:
    reports: list[Any] = []

    async def progress(facts: Any) -> None:
        reports.append(facts)

    servers[1].faults.add(Fault(status=500, count=None))
    async with world.mount(opened=opened()) as view:
        await view.rooms.bucket.probe()
        view.rooms.executor._options = replace(view.rooms.executor._options, patience=0.5)
        await view.write("f", b"kept")
        told = await view.status._drain({}, progress)
        assert [each["path"] for each in told["failed"]] == ["f"]
        assert servers[1].url in told["failed"][0]["error"]
        assert {tuple(each["down"]) for each in reports} == {(servers[1].url,)}
        assert servers[1].url.encode() in await view.getxattr("f", "user.oss.error")
        assert await view.status._drain({"later": True}, progress) == {"pending": 1, "failed": []}
    servers[1].faults.clear()
    async with world.mount(opened=opened()) as view:
        assert await view.flush() == {"pending": 0, "failed": []}
    assert [each["f"][0] for each in contents()] == [b"kept", b"kept"]
