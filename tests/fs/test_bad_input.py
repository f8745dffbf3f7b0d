"""Whatever is wrong outside: a clear error that says which thing and what to do, and nothing is lost."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import oss2
import pytest

from ossmount.fs.errors import errno_for, explain
from ossmount.fs.rooms import Places
from ossmount.oss import Client, ClientOptions, Endpoint, RetryPolicy, StaticCredentials
from ossmount.server.faults import Fault, Plan, deny
from ossmount.wire.errors import AccessDenied, InvalidAccessKeyId, NoSuchBucket, OSSError, TransportError
from ossmount.writing.intents import LogDamaged


def raises(number: int) -> Any:
    """Expect what a program sees as the errno *number*."""

    def check(exc: Exception) -> bool:
        assert errno.errorcode[errno_for(exc)] == errno.errorcode[number], explain(exc)
        return True

    return pytest.raises(Exception, check=check)


# What the service refuses


async def test_an_upload_that_is_denied_is_kept_shown_and_brought_in_later(
    world: Any, bucket_contents: Callable[[], dict[str, object]]
) -> None:
    world.server.faults.add(deny("no/"))
    async with world.mount() as view:
        await view.write("before", b"fine")
        await view.mkdir("no")
        await view.write("no/file", b"precious")
        fh = await view.open("before")
        await view.fs.fsync(fh)
        await view.close(fh)
        flushed = await view.flush()
        assert flushed["pending"] == len(flushed["failed"]) > 0
        assert await view.getxattr("no/file", "user.oss.state") == b"failed"
        assert {failure["path"] for failure in flushed["failed"]} == {"no/", "no/file"}
        assert all("AccessDenied" in failure["error"] for failure in flushed["failed"])
        await view.write("after", b"fine too")
        view.crash()
    async with world.mount() as view:
        await view.flush()
        assert "no/file" not in bucket_contents()
        world.server.app.faults = Plan()
        assert await view.flush() == {"pending": 0, "failed": []}
        assert await view.read("no/file") == b"precious"
        assert await view.getxattr("no/file", "user.oss.state") == b"clean"
    assert bucket_contents().keys() == {"before", "after", "no/", "no/file"}


async def test_fsync_and_later_opens_of_a_denied_file_fail_with_its_errno(world: Any, oss2_bucket: oss2.Bucket) -> None:
    async with world.mount() as view:
        world.server.faults.add(deny("file", "PutObject"))
        fh = await view.open("file", os.O_CREAT | os.O_RDWR)
        await view.pwrite(fh, b"precious", 0)
        with raises(errno.EACCES):
            await view.fs.fsync(fh)
        with raises(errno.EACCES):
            await view.fs.fsync(fh)
        await view.close(fh)
        with raises(errno.EACCES):
            await view.open("file")
        assert await view.getxattr("file", "user.oss.state") == b"failed"
        said = await view.getxattr("file", "user.oss.error")
        assert b"AccessDenied" in said
        assert b"request id" in said
        status = await view.status._status({}, None)
        assert [(one["path"], one["verb"]) for one in status["failed"]] == [("file", "put")]
        assert status["failed"][0]["staged"]
        world.server.app.faults = Plan()
        assert await view.flush() == {"pending": 0, "failed": []}
        assert await view.read("file") == b"precious"
        assert await view.getxattr("file", "user.oss.state") == b"clean"
        with raises(errno.ENODATA):
            await view.getxattr("file", "user.oss.error")
    assert oss2_bucket.get_object("file").read() == b"precious"


async def test_what_is_refused_is_undone_when_verbs_wait(world: Any, oss2_bucket: oss2.Bucket) -> None:
    for key in ("file", "dir/inside", "victim"):
        oss2_bucket.put_object(key, key)
    async with world.mount(waits=True) as view:
        world.server.faults.add(deny(""))
        assert await view.ls() == {"file", "dir", "victim"}
        for verb in (
            ("mkdir", "new"),
            ("symlink", "file", "link"),
            ("unlink", "file"),
            ("rename", "file", "other"),
            ("rename", "dir", "elsewhere"),
            ("rename", "file", "victim"),
            ("chmod", "file", 0o600),
        ):
            with raises(errno.EACCES):
                await view.do(verb)
        world.server.app.faults = Plan()
        assert await view.flush() == {"pending": 0, "failed": []}
        assert await view.ls() == {"file", "dir", "victim"}
        assert await view.ls("dir") == {"inside"}
        for key in ("file", "dir/inside", "victim"):
            assert (await view.read(key)).decode() == key
            assert (await view.stat(key)).attributes.mode == 0o644
    assert [entry.key for entry in oss2.ObjectIteratorV2(oss2_bucket)] == ["dir/inside", "file", "victim"]


async def test_a_denied_close_keeps_the_bytes(world: Any, oss2_bucket: oss2.Bucket) -> None:
    async with world.mount(waits=True) as view:
        world.server.faults.add(deny(""))
        with raises(errno.EACCES):
            await view.write("file", b"precious")
        view.crash()
    world.server.app.faults = Plan()
    async with world.mount(waits=True) as view:
        assert await view.flush() == {"pending": 0, "failed": []}
        assert await view.read("file") == b"precious"
    assert oss2_bucket.get_object("file").read() == b"precious"


async def test_reading_what_is_denied_says_so_and_the_rest_is_there(world: Any, oss2_bucket: oss2.Bucket) -> None:
    oss2_bucket.put_object("no/file", b"x")
    oss2_bucket.put_object("yes/file", b"y")
    world.server.faults.add(deny("no/"))
    async with world.mount() as view:
        with raises(errno.EACCES):
            await view.read("no/file")
        assert await view.read("yes/file") == b"y"


@pytest.mark.parametrize("code", ["SecurityTokenExpired", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
async def test_nothing_is_lost_while_the_keys_are_no_good(
    world: Any, bucket_contents: Callable[[], dict[str, object]], code: str
) -> None:
    async with world.mount() as view:
        await view.write("old", b"old")
        await view.flush()
        world.server.faults.add(Fault(count=None, status=403, code=code))
        await view.write("new", b"new")
        await view.rename("old", "older")
        told = await view.flush()
        assert told["pending"] == len(told["failed"]) == 2
        assert all(code in failure["error"] for failure in told["failed"])
        world.server.app.faults = Plan()
        assert await view.flush() == {"pending": 0, "failed": []}
    assert {key: value[0] for key, value in bucket_contents().items()} == {"new": b"new", "older": b"old"}  # type: ignore[index]


async def test_a_bucket_that_vanishes_is_a_device_that_is_gone_and_takes_nothing_along(
    world: Any, oss2_bucket: oss2.Bucket
) -> None:
    store = world.server.store
    async with world.mount(ttl=0.0) as view:
        await view.write("file", b"one")
        await view.flush()
        fh = await view.open("file", os.O_WRONLY)
        store.delete(store.bucket("bucket"), ["file"])
        store.delete_bucket(store.bucket("bucket"))
        for path in ("file", "unknown"):
            with raises(errno.ENODEV):
                await view.read(path)
        with raises(errno.ENODEV):
            await view.ls()
        await view.pwrite(fh, b"two", 0)
        with raises(errno.ENODEV):
            await view.fs.fsync(fh)
        await view.close(fh)
        assert (await view.flush())["pending"] == 1
        store.put_bucket("bucket")
        assert await view.flush() == {"pending": 0, "failed": []}
        assert await view.read("file") == b"two"
    assert oss2_bucket.get_object("file").read() == b"two"


async def test_a_value_that_user_metadata_cannot_hold_changes_nothing(world: Any) -> None:
    async with world.mount() as view:
        await view.write("file", b"x")
        await view.setxattr("file", "user.small", b"fits")
        await view.setxattr("file", "user.one", b"x" * 5000)
        for size, number in ((5000, errno.ENOSPC), (8192, errno.E2BIG), (60_000, errno.E2BIG)):
            with raises(number):
                await view.setxattr("file", "user.large", b"x" * size)
        assert await view.flush() == {"pending": 0, "failed": []}
        assert await view.getxattr("file", "user.small") == b"fits"
        with raises(errno.ENODATA):
            await view.getxattr("file", "user.large")


# The network


async def test_an_endpoint_where_nobody_listens_is_named(world: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = Client(
        Endpoint.parse(f"http://127.0.0.1:{port}", region="cn-hangzhou"),
        StaticCredentials("ak", "sk"),
        options=ClientOptions(retry=RetryPolicy(attempts=2)),
        jitter=lambda: 0.0,
    )
    with pytest.RaisesGroup(
        pytest.RaisesExc(TransportError, check=lambda exc: str(port) in explain(exc)), flatten_subgroups=True
    ):
        async with world.mount(client=client):
            pass


async def test_wrong_keys_are_told_at_once(world: Any) -> None:
    client = Client(Endpoint.parse(world.server.url, region="cn-hangzhou"), StaticCredentials("nobody", "sk"))
    with pytest.RaisesGroup(InvalidAccessKeyId, flatten_subgroups=True):
        async with world.mount(client=client):
            pass


async def test_a_bucket_that_is_not_there_is_told_at_once(world: Any) -> None:
    with pytest.RaisesGroup(
        pytest.RaisesExc(NoSuchBucket, check=lambda exc: "bucket's name" in explain(exc)), flatten_subgroups=True
    ):
        async with world.mount(bucket="nowhere"):
            pass


async def test_programs_write_on_while_the_service_cannot_be_reached(
    world: Any, bucket_contents: Callable[[], dict[str, object]]
) -> None:
    async with world.mount() as view:
        await view.write("old", b"old")
        await view.flush()
        world.server.faults.add(Fault(count=None, reset=True))
        await view.write("new", b"new")
        await view.rename("old", "older")
        await view.mkdir("dir")
        assert await view.read("new") == b"new"
        assert await view.ls() == {"new", "older", "dir"}
        view.crash()
    world.server.app.faults = Plan()
    async with world.mount() as view:
        assert await view.flush() == {"pending": 0, "failed": []}
    found = bucket_contents()
    assert found.keys() == {"new", "older", "dir/"}


# The names


async def test_keys_that_cannot_be_names_are_counted_and_harm_nobody(world: Any, oss2_bucket: oss2.Bucket) -> None:
    strange = {"a//b", "./x", "x/../y", "x" * 300, "both", "deep/" + "y" * 256, "deep/./z"}
    for key in strange | {"both/inside", "deep/good", "good"}:
        oss2_bucket.put_object(key, key)
    async with world.mount() as view:
        assert await view.ls() == {"a", "x", "both", "deep", "good"}
        assert await view.ls("a") == set()
        assert await view.ls("x") == set()
        assert await view.ls("both") == {"inside"}
        assert await view.ls("deep") == {"good"}
        assert await view.read("deep/good") == b"deep/good"
        status = await view.status._status({}, None)
        assert {"both", "x" * 300} <= status["refused_keys"].keys()
        with raises(errno.ENAMETOOLONG):
            await view.write("n" * 300, b"")
        with raises(errno.ENAMETOOLONG):
            await view.mkdir("deep/" + "n" * 256)
        with raises(errno.EILSEQ):
            await view.fs.lookup(1, b"\xff\xfe")
        with raises(errno.ENOTEMPTY):
            await view.rmdir("deep")
        await view.rename("deep", "moved")
        assert await view.flush() == {"pending": 0, "failed": []}
    keys = {entry.key for entry in oss2.ObjectIteratorV2(oss2_bucket)}
    moved = {"moved/good", "moved/" + "y" * 256, "moved/./z"}  # nothing of a directory is left behind
    assert keys == {key for key in strange if not key.startswith("deep/")} | {"both/inside", "good"} | moved


async def test_a_directory_that_hides_a_key_is_not_removed_as_if_it_were_empty(
    world: Any, oss2_bucket: oss2.Bucket
) -> None:
    oss2_bucket.put_object("a//b", b"hidden")
    async with world.mount() as view:
        with raises(errno.ENOTEMPTY):
            await view.rmdir("a")
    assert oss2_bucket.get_object("a//b").read() == b"hidden"


# What changes behind the mount


async def test_a_reader_whose_object_was_replaced_gets_no_mix(world: Any, oss2_bucket: oss2.Bucket) -> None:
    oss2_bucket.put_object("file", b"a" * (5 << 20))
    async with world.mount() as view:
        fh = await view.open("file")
        first = await view.fs.read(fh, 0, 4096)
        oss2_bucket.put_object("file", b"b" * (5 << 20))
        with raises(errno.ESTALE):
            await view.fs.read(fh, 4 << 20, 4096)
        await view.close(fh)
        assert first == b"a" * 4096
        assert set(await view.read("file")) == {ord("b")}
        oss2_bucket.put_object("file", b"c" * (5 << 20))
        fh = await view.open("file")
        oss2_bucket.delete_object("file")
        with raises(errno.ESTALE):
            await view.fs.read(fh, 4 << 20, 4096)
        await view.close(fh)
        with raises(errno.ENOENT):
            await view.read("file")


async def test_a_change_of_a_file_that_was_replaced_meanwhile_is_kept_and_told(
    world: Any, oss2_bucket: oss2.Bucket
) -> None:
    oss2_bucket.put_object("file", b"a" * (1 << 20))
    async with world.mount(part_size=128 << 10) as view:
        fh = await view.open("file", os.O_RDWR)
        await view.pwrite(fh, b"mine", 0)
        oss2_bucket.put_object("file", b"b" * (1 << 20))
        with pytest.raises((OSSError, OSError)):
            await view.fs.fsync(fh)
        await view.close(fh)
        assert await view.getxattr("file", "user.oss.state") == b"failed"
        assert oss2_bucket.get_object("file").read() == b"b" * (1 << 20)
        # Whoever writes all of it anew has the last word.
        with pytest.raises((OSSError, OSError)):
            await view.write("file", b"whole")
        await view.unlink("file")
        await view.write("file", b"whole")
        assert await view.flush() == {"pending": 0, "failed": []}
    assert oss2_bucket.get_object("file").read() == b"whole"


# This machine


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 72 MiB, of which staging leaves 64 free."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=72m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


async def test_a_full_disk_is_no_space_left_and_loses_nothing(
    world: Any, small_disk: Path, tmp_path: Path, bucket_contents: Callable[[], dict[str, object]]
) -> None:
    places = Places(state=small_disk / "state", cache=tmp_path / "cache")
    world.server.faults.add(Fault(count=None, reset=True, prefix="file"))
    async with world.mount(places=places) as view:
        await view.write("file1", b"1" * (3 << 20))
        fh = await view.open("file2", os.O_CREAT | os.O_WRONLY)
        await view.pwrite(fh, b"2" * (1 << 20), 0)
        with raises(errno.ENOSPC):
            for mebibyte in range(1, 20):
                await view.pwrite(fh, b"2" * (1 << 20), mebibyte << 20)
        size = (await view.stat("file2")).size
        await view.close(fh)
        (small_disk / "filler").write_bytes(bytes(os.statvfs(small_disk).f_bavail * 4096))
        with raises(errno.ENOSPC):
            await view.write("file3", b"3" * (1 << 20))
        with raises(errno.ENOSPC):
            await view.rename("file1", "file2")
        assert (await view.stat("file2")).size == size, "what is refused has changed nothing"
        assert await view.read("file1") == b"1" * (3 << 20)
        view.crash()
    (small_disk / "filler").unlink()
    world.server.app.faults = Plan()
    async with world.mount(places=places) as view:
        assert await view.flush() == {"pending": 0, "failed": []}
        found = bucket_contents()
        assert found["file1"][0] == b"1" * (3 << 20)  # type: ignore[index]
        assert found["file2"][0] == b"2" * size  # type: ignore[index]
        await view.write("file4", b"4" * (1 << 20))


async def test_a_damaged_state_database_is_named_and_nothing_is_thrown_away(
    world: Any, oss2_bucket: oss2.Bucket
) -> None:
    world.server.faults.add(deny("", "PutObject"))
    async with world.mount() as view:
        await view.write("file", b"precious")
        await view.flush()
        view.crash()
    world.server.app.faults = Plan()
    database = world.places.state / "state.db"
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    damaged = bytearray(database.read_bytes())
    damaged[:4096] = os.urandom(len(damaged[:4096]))
    database.write_bytes(damaged)
    with pytest.RaisesGroup(
        pytest.RaisesExc(LogDamaged, check=lambda exc: str(database) in str(exc) and "move" in str(exc)),
        flatten_subgroups=True,
    ):
        async with world.mount():
            pass
    assert database.read_bytes() == damaged
    database.unlink()
    async with world.mount() as view:
        assert await view.flush() == {"pending": 0, "failed": []}
    (key,) = [entry.key for entry in oss2.ObjectIteratorV2(oss2_bucket)]
    assert key.startswith("file.recovered-")
    assert oss2_bucket.get_object(key).read() == b"precious"


async def test_access_denied_is_no_missing_file(world: Any) -> None:
    world.server.faults.add(deny("secret", "HeadObject"))
    async with world.mount(ttl=0.0) as view:
        world.server.faults.add(deny("", "ListObjects"))
        with pytest.raises(AccessDenied):
            await view.node("secret")
