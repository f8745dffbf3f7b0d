"""Each kind of intent, on a real bucket: what it does, and what it does when it was half done before."""

from __future__ import annotations

from typing import Any

import oss2
import pytest
import trio
import trio.testing

from ossmount.oss import Bucket, copying
from ossmount.server.faults import Fault
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.errors import InternalError, NoSuchKey
from ossmount.wire.models import SymlinkResult
from ossmount.writing.carrying import Carrying, Moved
from ossmount.writing.intents import Intent, Verb


class Told:
    """What the one above is told, and when."""

    def __init__(self) -> None:
        self.preserved: list[str] = []
        self.moved: Moved = {}

    async def preserve(self, key: str) -> None:
        await trio.lowlevel.checkpoint()
        self.preserved.append(key)

    def note(self, _intent: Intent, moved: Moved) -> None:
        self.moved.update(moved)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def carrying(bucket: Bucket, told: Told) -> Carrying:
    return Carrying(bucket, preserve=told.preserve, moved=told.note, relink=relinked)


def relinked(key: str, link: SymlinkResult) -> dict[str, Any]:
    """Let a moved link point to where it pointed."""
    return {"native": link.target, "text": link.target, "meta": dict(link.meta)}


def intent(verb: Verb, key: str, target: str = "", **data: Any) -> Intent:
    return Intent(1, verb, key, target, data, 0.0)


def keys(bucket: oss2.Bucket) -> list[str]:
    return [entry.key for entry in oss2.ObjectIteratorV2(bucket)]


async def test_a_marker_says_that_it_is_a_directory(carrying: Carrying, oss2_bucket: oss2.Bucket) -> None:
    await carrying.carry(intent(Verb.MKDIR, "d/", meta={"mode": "16877"}))
    head = oss2_bucket.head_object("d/")
    assert head.content_type == "application/x-directory"
    assert head.headers["x-oss-meta-mode"] == "16877"


async def test_a_delete_of_what_has_gone_is_done(carrying: Carrying, told: Told, oss2_bucket: oss2.Bucket) -> None:
    oss2_bucket.put_object("a", b"")
    await carrying.carry(intent(Verb.DELETE, "a"))
    await carrying.carry(intent(Verb.DELETE, "a"))
    assert keys(oss2_bucket) == []
    assert told.preserved == ["a", "a"]


async def test_a_change_of_attributes_keeps_all_the_rest(carrying: Carrying, oss2_bucket: oss2.Bucket) -> None:
    headers = {
        "Content-Type": "text/x-test",
        "Cache-Control": "no-cache",
        "x-oss-meta-kept": "1",
        "x-oss-meta-old": "2",
    }
    oss2_bucket.put_object(
        "a", b"bytes", headers={**headers, "x-oss-tagging": "k=v", "x-oss-object-acl": "public-read"}
    )
    update = intent(Verb.UPDATE, "a", meta={"mode": "33152", "old": None}, headers={}, full={"mode": "33152"})
    carried = await carrying.carry(update)
    head = oss2_bucket.head_object("a")
    assert head.headers["content-type"] == "text/x-test"
    assert head.headers["cache-control"] == "no-cache"
    assert head.headers["x-oss-meta-kept"] == "1"
    assert head.headers["x-oss-meta-mode"] == "33152"
    assert "x-oss-meta-old" not in head.headers
    assert oss2_bucket.get_object_tagging("a").tag_set.tagging_rule == {"k": "v"}
    assert oss2_bucket.get_object_acl("a").acl == "public-read"
    assert oss2_bucket.get_object("a").read() == b"bytes"
    assert carried is not None
    assert carried.source is not None
    assert carried.source.etag == head.etag


async def test_a_change_of_what_has_gone_is_nothing_but_a_directory_gets_its_marker(
    carrying: Carrying, oss2_bucket: oss2.Bucket
) -> None:
    data: dict[str, Any] = {"meta": {"mode": "33152"}, "headers": {}, "full": {"mode": "33152"}}
    carried = await carrying.carry(intent(Verb.UPDATE, "a", **data))
    assert carried is not None
    assert carried.source is None
    await carrying.carry(intent(Verb.UPDATE, "d/", **data))
    assert keys(oss2_bucket) == ["d/"]


async def test_an_acl_that_several_want_to_know_is_asked_for_once(
    carrying: Carrying, oss_server: ThreadedServer, oss2_bucket: oss2.Bucket
) -> None:
    oss2_bucket.put_object("a", b"", headers={"x-oss-object-acl": "private"})
    acls: list[str | None] = []

    async def ask() -> None:
        acls.append(await carrying.acl_of("a"))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    assert acls == ["private"] * 5
    assert oss_server.count("GetObjectACL") == 1

    oss2_bucket.put_object_acl("a", "public-read")
    assert await carrying.acl_of("a") == "public-read"


async def _cancel(scope: trio.CancelScope) -> None:
    scope.cancel()


async def test_an_acl_whose_asker_was_cancelled_is_asked_for_again(
    carrying: Carrying, oss_server: ThreadedServer, oss2_bucket: oss2.Bucket
) -> None:
    oss2_bucket.put_object("a", b"", headers={"x-oss-object-acl": "private"})
    given_up = trio.CancelScope()

    async def ask_and_give_up() -> None:
        with given_up:
            await carrying.acl_of("a")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_and_give_up)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(_cancel, given_up)
        assert await carrying.acl_of("a") == "private"


async def test_a_rename_moves_object_acl_and_tags(carrying: Carrying, told: Told, oss2_bucket: oss2.Bucket) -> None:
    oss2_bucket.put_object("a", b"bytes", headers={"x-oss-tagging": "k=v", "x-oss-object-acl": "private"})
    await carrying.carry(intent(Verb.RENAME, "a", "b", size=5))
    assert keys(oss2_bucket) == ["b"]
    assert oss2_bucket.get_object_tagging("b").tag_set.tagging_rule == {"k": "v"}
    assert oss2_bucket.get_object_acl("b").acl == "private"
    assert told.moved["a"].source is not None
    assert told.moved["a"].source.key == "b"
    assert told.preserved == ["b"]


async def test_a_rename_that_was_half_done_is_finished(
    carrying: Carrying, told: Told, oss2_bucket: oss2.Bucket, oss_server: ThreadedServer
) -> None:
    oss2_bucket.put_object("a", b"bytes")
    rename = intent(Verb.RENAME, "a", "b", size=5)
    oss_server.faults.add(Fault(operation="DeleteObject", count=None, status=500))
    with pytest.raises(InternalError):
        await carrying.carry(rename)
    assert keys(oss2_bucket) == ["a", "b"]
    oss_server.faults.clear()
    await carrying.carry(rename)
    assert keys(oss2_bucket) == ["b"]
    await carrying.carry(rename)  # once more, as after a crash before the log knew
    assert keys(oss2_bucket) == ["b"]


async def test_a_directory_is_copied_whole_before_anything_of_it_is_deleted(
    carrying: Carrying, told: Told, oss2_bucket: oss2.Bucket, oss_server: ThreadedServer
) -> None:
    for key in ("d/", "d/a", "d/e/b", "d//odd", "dd"):
        oss2_bucket.put_object(key, key)
    oss2_bucket.put_symlink("d/a", "d/link")
    rename = intent(Verb.RENAME, "d/", "x/y/")
    oss_server.faults.add(Fault(operation="CopyObject", prefix="x/y/e/b", count=None, status=500))
    with pytest.raises(InternalError):
        await carrying.carry(rename)
    assert {"d/", "d/a", "d/e/b", "d//odd", "d/link"} <= set(keys(oss2_bucket))
    assert told.moved == {}
    oss_server.faults.clear()
    await carrying.carry(rename)
    assert keys(oss2_bucket) == ["dd", "x/y/", "x/y//odd", "x/y/a", "x/y/e/b", "x/y/link"]
    assert oss2_bucket.get_symlink("x/y/link").target_key == "d/a"
    assert told.moved.keys() == {"d/", "d/a", "d/e/b", "d//odd", "d/link"}


async def test_links_acls_and_tags_are_written(carrying: Carrying, oss2_bucket: oss2.Bucket) -> None:
    oss2_bucket.put_object("a", b"")
    await carrying.carry(intent(Verb.SYMLINK, "native", native="a", text="a", meta={"mode": "41471"}))
    await carrying.carry(intent(Verb.SYMLINK, "body", native=None, text="../../out", meta={"mode": "41471"}))
    await carrying.carry(intent(Verb.ACL, "a", acl="public-read"))
    await carrying.carry(intent(Verb.TAGS, "a", tags={"k": "v"}))
    assert oss2_bucket.get_symlink("native").target_key == "a"
    assert oss2_bucket.get_object("body").read() == b"../../out"
    assert oss2_bucket.get_object_acl("a").acl == "public-read"
    assert oss2_bucket.get_object_tagging("a").tag_set.tagging_rule == {"k": "v"}
    await carrying.carry(intent(Verb.TAGS, "a", tags={}))
    assert oss2_bucket.get_object_tagging("a").tag_set.tagging_rule == {}
    with pytest.raises(NoSuchKey):
        await carrying.carry(intent(Verb.ACL, "gone", acl="private"))


async def test_bytes_that_are_not_there_any_more_are_said_to_be_missing(carrying: Carrying) -> None:
    with pytest.raises(FileNotFoundError):
        await carrying.carry(intent(Verb.PUT, "a", staged="s", headers={}, meta={}))


async def test_an_object_too_large_for_one_copy_is_renamed_in_parts_with_all_it_has(
    carrying: Carrying, oss2_bucket: oss2.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "LARGE", 1 << 20)
    body = bytes(range(256)) * (8 << 10)
    headers = {
        "Content-Type": "text/x-test",
        "Cache-Control": "no-cache",
        "x-oss-meta-note": "1",
        "x-oss-object-acl": "public-read",
        "x-oss-tagging": "k=v",
        "x-oss-storage-class": "IA",
    }
    oss2_bucket.put_object("big", body, headers=headers)

    await carrying.carry(intent(Verb.RENAME, "big", "bigger", size=len(body), **{"class": "IA"}))

    assert keys(oss2_bucket) == ["bigger"]
    assert oss2_bucket.get_object("bigger").read() == body
    head = oss2_bucket.head_object("bigger").headers
    for name in ("Content-Type", "Cache-Control", "x-oss-meta-note", "x-oss-storage-class"):
        assert head[name] == headers[name]
    assert oss2_bucket.get_object_acl("bigger").acl == "public-read"
    assert oss2_bucket.get_object_tagging("bigger").tag_set.tagging_rule == {"k": "v"}
