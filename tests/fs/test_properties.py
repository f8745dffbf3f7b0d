"""Properties as verbs, over the embedded server."""

from __future__ import annotations

import errno
import io
import json
import os
from typing import Any

import oss2
import pytest
from PIL import Image

from ossmount.fs.errors import TABLE, errno_for, explain
from ossmount.server.faults import Fault, Plan, deny
from ossmount.wire import errors as oss
from ossmount.wire.lifecycle import Expiration, Lifecycle, LifecycleRule

SETTINGS: dict[str, dict[str, object]] = {
    "logging": {"target_bucket": "bucket", "target_prefix": "log/"},
    "website": {"index": "index.html", "error": "404.html"},
    "referer": {"allow_empty": False, "referers": ["https://*.example.com"]},
    "lifecycle": {"rules": [{"id": "one", "prefix": "tmp/", "status": "Enabled", "expiration": {"days": 7}}]},
    "cors": {"rules": [{"allowed_origins": ["*"], "allowed_methods": ["GET"], "max_age_seconds": 60}]},
}


def raises(number: int) -> Any:
    """Expect what a program sees as the errno *number*."""

    def check(exc: Exception) -> bool:
        assert errno.errorcode[errno_for(exc)] == errno.errorcode[number], explain(exc)
        return True

    return pytest.raises(Exception, check=check)


def picture() -> bytes:
    """A small PNG."""
    file = io.BytesIO()
    Image.new("RGB", (40, 30)).save(file, "PNG")
    return file.getvalue()


async def removexattr(view: Any, path: str, name: str) -> None:
    await view.properties.remove((await view.node(path)).ino, name.encode())


# The bucket's


async def test_what_is_set_for_the_bucket_is_got_and_removed_at_the_root(world: Any) -> None:
    async with world.mount(prefix="some/where/", waits=True) as view:
        for name, setting in SETTINGS.items():
            attribute = f"user.oss.bucket.{name}"
            for refused in (view.getxattr("", attribute), removexattr(view, "", attribute)):
                with raises(errno.ENODATA):
                    await refused
            await view.setxattr("", attribute, json.dumps(setting, indent=2).encode() + b"\n")
            said = await view.getxattr("", attribute)
            assert json.loads(said) == setting
            await removexattr(view, "", attribute)
            with raises(errno.ENODATA):
                await view.getxattr("", attribute)
            await view.setxattr("", attribute, said)
            assert await view.getxattr("", attribute) == said


async def test_the_acl_of_the_bucket_is_set_and_never_removed(world: Any, oss2_bucket: oss2.Bucket) -> None:
    async with world.mount() as view:
        await view.setxattr("", "user.oss.bucket.acl", b"public-read")
        assert oss2_bucket.get_bucket_acl().acl == "public-read"
        await view.setxattr("", "user.oss.bucket.acl", b'"private"')
        assert await view.getxattr("", "user.oss.bucket.acl") == b'"private"'
        with raises(errno.EPERM):
            await removexattr(view, "", "user.oss.bucket.acl")
        for name in ("info", "stat", "location", "nothing"):
            with raises(errno.EPERM):
                await view.setxattr("", f"user.oss.bucket.{name}", b"{}")


@pytest.mark.parametrize(
    ("status", "code", "number"),
    [
        (403, "AccessDenied", errno.EACCES),
        (400, "InvalidTargetBucketForLogging", errno.EINVAL),
        (400, "MalformedXML", errno.EINVAL),
        (404, "NoSuchBucket", errno.ENODEV),
    ],
)
async def test_a_refusal_keeps_its_errno_code_and_request_id_and_names_the_property(
    world: Any, status: int, code: str, number: int
) -> None:
    async with world.mount() as view:
        world.server.faults.add(Fault(operation="PutBucketLogging", status=status, code=code))
        with raises(number) as caught:
            await view.setxattr("", "user.oss.bucket.logging", json.dumps(SETTINGS["logging"]).encode())
        said = explain(caught.value)
        assert said.startswith(f"user.oss.bucket.logging: {code} ({status}): ")
        assert "request id" in said


async def test_nothing_is_sent_of_what_is_no_configuration_or_on_a_read_only_mount(world: Any) -> None:
    async with world.mount() as view:
        for value in (b"", b"{", b"[]", b'{"rule": []}', b'{"rules": []}'):
            with raises(errno.EINVAL):
                await view.setxattr("", "user.oss.bucket.cors", value)
    async with world.mount(read_only=True) as view:
        with raises(errno.EROFS):
            await view.setxattr("", "user.oss.bucket.cors", json.dumps(SETTINGS["cors"]).encode())
        with raises(errno.EROFS):
            await removexattr(view, "", "user.oss.bucket.acl")
    assert world.server.count("PutBucketCors") == world.server.count("PutBucketACL") == 0


async def test_what_no_attribute_can_hold_is_too_big(world: Any) -> None:
    rules = tuple(LifecycleRule(id=f"{n}", prefix=f"{n:0>80}/", expiration=Expiration(days=9)) for n in range(600))
    async with world.mount() as view:
        await view.client.bucket("bucket").put_bucket_lifecycle(Lifecycle(rules))
        with raises(errno.E2BIG):
            await view.getxattr("", "user.oss.bucket.lifecycle")


# What is no object


async def test_a_directory_that_is_only_a_prefix_has_no_properties(world: Any, oss2_bucket: oss2.Bucket) -> None:
    oss2_bucket.put_object("there/below", b"")
    async with world.mount() as view:
        for name in ("etag", "url", "acl", "tags", "content-type", "storage-class"):
            with raises(errno.ENODATA):
                await view.getxattr("there", f"user.oss.{name}")
        for name in ("acl", "tags", "content-type"):
            with raises(errno.ENODATA):
                await removexattr(view, "there", f"user.oss.{name}")
    assert not oss2_bucket.object_exists("there/")


@pytest.mark.parametrize("waits", [True, False])
async def test_a_directory_that_is_only_a_prefix_becomes_an_object_when_it_gets_a_property(
    world: Any, oss2_bucket: oss2.Bucket, waits: bool
) -> None:
    for name in ("tagged", "opened"):
        oss2_bucket.put_object(f"{name}/below", b"")
    async with world.mount(waits=waits) as view:
        await view.setxattr("tagged", "user.oss.tags", b"a=b")
        await view.setxattr("opened", "user.oss.acl", b"public-read")
        assert await view.getxattr("tagged", "user.oss.tags") == b"a=b"
        assert await view.getxattr("opened", "user.oss.acl") == b"public-read"
        assert await view.flush() == {"pending": 0, "failed": []}
        await view.unlink("opened/below")
        await view.rmdir("opened")
    assert oss2_bucket.get_object_tagging("tagged/").tag_set.tagging_rule == {"a": "b"}
    assert [each.key for each in oss2.ObjectIterator(oss2_bucket)] == ["tagged/", "tagged/below"]


@pytest.mark.parametrize("prefix", ["", "some/where/"])
async def test_the_root_is_no_object(world: Any, prefix: str) -> None:
    async with world.mount(prefix=prefix) as view:
        await view.chmod("", 0o711)
        assert (await view.stat("")).attributes.mode == 0o711
        for name in ("user.note", "user.oss.content-type", "user.oss.acl", "user.oss.tags"):
            with raises(errno.EPERM):
                await view.setxattr("", name, b"private")
        for name in ("etag", "url", "acl", "tags", "content-type", "image.info", "error"):
            with raises(errno.ENODATA):
                await view.getxattr("", f"user.oss.{name}")
        assert await view.getxattr("", "user.oss.state") == b"clean"
        assert await view.flush() == {"pending": 0, "failed": []}


async def test_what_is_set_for_a_removed_file_is_not_set_for_its_successor(
    world: Any, oss2_bucket: oss2.Bucket
) -> None:
    async with world.mount() as view:
        await view.write("file", b"old")
        fh = await view.open("file")
        old = (await view.node("file")).ino
        await view.unlink("file")
        await view.write("file", b"new")
        await view.properties.set(old, b"user.note", b"mine")
        assert await view.properties.get(old, b"user.note") == b"mine"
        with raises(errno.ENOENT):
            await view.properties.set(old, b"user.oss.acl", b"public-read")
        with raises(errno.ENODATA):
            await view.properties.get(old, b"user.oss.etag")
        await view.close(fh)
        assert await view.flush() == {"pending": 0, "failed": []}
    assert oss2_bucket.get_object_acl("file").acl == "default"
    assert "x-oss-meta-note" not in oss2_bucket.head_object("file").headers


# Pictures


async def test_a_picture_tells_its_size_and_what_is_none_tells_nothing(world: Any) -> None:
    async with world.mount() as view:
        await view.write("photo.png", picture())  # not in the bucket yet
        said = json.loads(await view.getxattr("photo.png", "user.oss.image.info"))
        assert (said["Format"], said["ImageWidth"], said["ImageHeight"]) == ("png", 40, 30)
        await view.rename("photo.png", "moved")
        assert json.loads(await view.getxattr("moved", "user.oss.image.info")) == said
        await view.write("text", b"no picture")
        await view.write("empty", b"")
        await view.mkdir("dir")
        fh = await view.open("new", os.O_CREAT | os.O_WRONLY)
        await view.pwrite(fh, picture(), 0)
        for path in ("text", "empty", "dir", "new"):
            with raises(errno.ENODATA):
                await view.getxattr(path, "user.oss.image.info")
        with raises(errno.ENODATA):
            await view.getxattr("new", "user.oss.etag")
        await view.close(fh)
        world.server.faults.add(Fault(operation="GetObject", status=400, code="ImageTooLarge"))
        with raises(errno.EFBIG):
            await view.getxattr("moved", "user.oss.image.info")


# What went wrong


REFUSALS = [
    oss.AccessDenied,
    oss.FileImmutable,
    oss.EntityTooLarge,
    oss.KmsServiceNotEnabled,
    oss.InvalidArgument,
    oss.NoSuchBucket,
    oss.UserDisable,
    oss.InvalidAccessKeyId,
]


async def test_a_refused_upload_gives_its_errno_and_shows_code_request_id_ec_and_remedy_until_it_succeeds(
    world: Any,
) -> None:
    async with world.mount() as view:
        await view.mkdir("dir")
        for cls in REFUSALS:
            world.server.faults.add(
                Fault(operation="PutObject", prefix=f"dir/{cls.code}", count=None, status=cls.status, code=cls.code)
            )
            await view.write(f"dir/{cls.code}", b"precious")
        await view.flush()
        for cls in REFUSALS:
            path = f"dir/{cls.code}"
            with raises(TABLE[cls].errno):
                await view.open(path)
            with raises(TABLE[cls].errno):
                await view.getxattr(path, "user.oss.etag")
            said = (await view.getxattr(path, "user.oss.error")).decode()
            assert said.startswith(f"put {path}: {cls.code} ({cls.status}): ")
            assert "[request id " in said
            assert f"[EC {cls.ec}]" in said or not cls.ec
            assert TABLE[cls].remedy in said
            for above in ("dir", ""):
                assert said in (await view.getxattr(above, "user.oss.error")).decode().splitlines()
                assert await view.getxattr(above, "user.oss.state") == b"failed"
        world.server.app.faults = Plan()
        assert await view.flush() == {"pending": 0, "failed": []}
        for path in ("", "dir", *(f"dir/{cls.code}" for cls in REFUSALS)):
            assert await view.getxattr(path, "user.oss.state") == b"clean"
            with raises(errno.ENODATA):
                await view.getxattr(path, "user.oss.error")


async def test_what_failed_of_names_that_are_gone_shows_above_them_and_after_a_crash(
    world: Any, oss2_bucket: oss2.Bucket
) -> None:
    for key in ("p/gone", "p/dir/old", "p/dir/labelled"):
        oss2_bucket.put_object(key, key)
    async with world.mount(prefix="p/") as view:
        for operation in ("DeleteObject", "DeleteMultipleObjects", "CopyObject", "PutObjectTagging"):
            world.server.faults.add(deny("", operation))
        await view.unlink("gone")
        await view.rename("dir/old", "dir/new")
        await view.setxattr("dir/labelled", "user.oss.tags", b"a=b")
        await view.flush()

        async def said(path: str) -> list[str]:
            lines = (await view.getxattr(path, "user.oss.error")).decode().splitlines()
            assert all("AccessDenied (403)" in line and "request id" in line for line in lines)
            return [line.partition(": ")[0] for line in lines]

        async def check() -> None:
            assert await said("") == ["delete gone", "rename dir/old -> dir/new", "tags dir/labelled"]
            assert await said("dir") == ["rename dir/old -> dir/new", "tags dir/labelled"]
            assert await said("dir/new") == ["rename dir/old -> dir/new"]
            assert await said("dir/labelled") == ["tags dir/labelled"]
            assert await view.getxattr("dir/labelled", "user.oss.state") in (b"failed", b"pending")

        await check()
        view.crash()
    async with world.mount(prefix="p/") as view:
        await check()
        world.server.app.faults = Plan()
        assert await view.flush() == {"pending": 0, "failed": []}
        with raises(errno.ENODATA):
            await view.getxattr("", "user.oss.error")


async def test_a_directory_is_as_clean_as_what_is_in_it(world: Any) -> None:
    async with world.mount() as view:
        await view.mkdir("dir")
        await view.flush()
        assert await view.getxattr("dir", "user.oss.state") == b"clean"
        fh = await view.open("dir/file", os.O_CREAT | os.O_WRONLY)
        await view.pwrite(fh, b"x", 0)
        for path in ("", "dir", "dir/file"):
            assert await view.getxattr(path, "user.oss.state") == b"dirty"
        await view.close(fh)
        assert await view.getxattr("dir", "user.oss.state") == b"pending"
        await view.flush()
        assert await view.getxattr("dir", "user.oss.state") == b"clean"


async def test_what_every_object_has_a_file_made_here_has_when_it_is_in_the_bucket(world: Any) -> None:
    async with world.mount() as view:
        fh = await view.open("new", os.O_CREAT | os.O_WRONLY)
        for name in ("content-type", "storage-class"):
            with raises(errno.ENODATA):
                await view.getxattr("new", f"user.oss.{name}")
        await view.close(fh)
        assert await view.getxattr("new", "user.oss.content-type") == b"application/octet-stream"
        assert await view.getxattr("new", "user.oss.storage-class") == b"Standard"
        await view.setxattr("new", "user.oss.content-type", b"text/x-new")
        assert await view.getxattr("new", "user.oss.content-type") == b"text/x-new"
        await removexattr(view, "new", "user.oss.content-type")
        assert await view.getxattr("new", "user.oss.content-type") == b"application/octet-stream"
        with raises(errno.ENODATA):
            await view.getxattr("new", "user.oss.cache-control")
