"""What an SDK wrote our client reads, and the other way round: bytes, metadata, tags, ACLs, links, parts, appends."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from tests.judges.hands import Hand, Oss2Hand, OurHand, Seen, V2Hand

if TYPE_CHECKING:
    from collections.abc import Callable

    import oss2

    from ossmount.oss import blocking
    from tests.judges.v2 import Judge

META = {"author": "alice & bob", "share": "100 % of a/b?c=d#e", "empty": "", "mode": "33188"}
TAGS = {"k1": "v1", "k 2": "+a+b/c=d:e@f-g._h/"}
KEY = "dir/ü + b%2F/文件 &<>'.txt"
PARTS = [b"first" * 20_480, b"second" * 20_000, b"end"]


@pytest.fixture(params=["oss2", "sync", "async"])
def theirs(
    request: pytest.FixtureRequest,
    name: str,
    oss2_bucket_of: Callable[..., oss2.Bucket],
    judge_of: Callable[..., Judge],
) -> Hand:
    """An SDK's client."""
    return Oss2Hand(oss2_bucket_of(name)) if request.param == "oss2" else V2Hand(judge_of(request.param))


@pytest.fixture(params=["theirs-ours", "ours-theirs"])
def pair(request: pytest.FixtureRequest, ours: blocking.Blocking, theirs: Hand) -> tuple[Hand, Hand]:
    """Who writes, and who reads."""
    hand = OurHand(ours)
    return (theirs, hand) if request.param == "theirs-ours" else (hand, theirs)


def test_an_object_is_the_same_to_both(pair: tuple[Hand, Hand]) -> None:
    writer, reader = pair
    body = bytes(range(256)) * 20

    writer.put(KEY, body, META, TAGS, "public-read")
    writer.copy(KEY, "copy")

    seen = Seen(body, (len(body), "Normal"), meta=META, tags=TAGS, acl="public-read")
    assert reader.see(KEY) == writer.see(KEY) == seen
    copy = Seen(body, (len(body), "Normal"), meta=META, tags=TAGS)
    assert reader.see("copy") == writer.see("copy") == copy
    assert reader.part(KEY, 250, 300) == body[250:300]


def test_metadata_that_are_not_ascii_travel_in_a_way_that_others_can_undo(
    ours: blocking.Blocking, theirs: Hand
) -> None:
    ours.put_object("ours", b"x", headers=OurHand.headers, meta={"title": "Größe 文件"})
    title = theirs.see("ours").meta["title"]
    theirs.put("theirs", b"x", {"title": title}, {}, "default")

    assert (title.isascii(), unquote(title)) == (True, "Größe 文件")
    assert ours.head_object("theirs").meta == {"title": "Größe 文件"}


def test_what_is_appended_by_turns_is_the_same_to_both(pair: tuple[Hand, Hand]) -> None:
    first, second = pair
    end = first.append("log ü", 0, b"first ", META)
    end = second.append("log ü", end, b"second ", {})
    end = first.append("log ü", end, b"third", {})

    seen = Seen(b"first second third", (end, "Appendable"), meta=META)
    assert first.see("log ü") == second.see("log ü") == seen


def test_an_object_of_parts_that_both_sent_is_the_same_to_both(pair: tuple[Hand, Hand]) -> None:
    first, second = pair
    body = b"".join(PARTS)
    upload = first.begin("big ü", META)

    etags = [hand.send("big ü", upload, 1 + at, PARTS[at]) for at, hand in enumerate((first, second, first))]
    second.finish("big ü", upload, etags)

    seen = Seen(body, (len(body), "Multipart"), meta=META)
    assert first.see("big ü") == second.see("big ü") == seen
    assert first.part("big ü", 102_390, 102_410) == second.part("big ü", 102_390, 102_410) == body[102_390:102_410]


def test_both_tell_of_the_same_versions(ours: blocking.Blocking, pair: tuple[Hand, Hand]) -> None:
    first, second = pair
    first.put(KEY, b"before", {}, {}, "default")
    ours.put_bucket_versioning("Enabled")
    second.put(KEY, b"first", {}, {}, "default")
    first.put(KEY, b"second", {}, {}, "default")
    second.remove([KEY])

    found = first.versions()

    assert sorted(found) == sorted(second.versions())
    assert [(key, marker) for key, _, marker in found].count((KEY, True)) == 1
    assert len(found) == 4
    assert (KEY, "null", False) in found


def test_urls_that_one_signed_the_other_uses(ours: blocking.Blocking, bucket2: oss2.Bucket) -> None:
    bucket2.put_object_with_url(
        ours.presign(KEY, method="PUT", headers={"content-type": "a/b"}), b"bytes", {"content-type": "a/b"}
    )

    read = bucket2.get_object_with_url(ours.presign(KEY, response={"content-type": "c/d"}))

    assert (read.read(), read.headers["content-type"]) == (b"bytes", "c/d")
    assert ours.head_object(KEY).content_type == "a/b"


def test_a_link_leads_both_to_the_same(pair: tuple[Hand, Hand]) -> None:
    writer, reader = pair
    writer.put(KEY, b"target", {}, {}, "default")

    writer.link("link ü", KEY)

    found = reader.see("link ü")
    assert (found.body, found.target, found.entry[1]) == (b"target", KEY, "Symlink")
    assert found == writer.see("link ü")


def test_each_goes_on_where_the_other_stopped(pair: tuple[Hand, Hand]) -> None:
    first, second = pair
    first.put("a", b"first", {}, {}, "default")
    second.put("a", b"second", {"by": "second"}, {}, "default")
    for key in (KEY, "b/", "tab\tand\nline", "\u0001 control"):
        first.put(key, b"x", {}, {}, "default")

    assert first.see("a").body == b"second"
    assert first.see("a").meta == {"by": "second"}
    assert sorted(second.keys()) == sorted(first.keys()) == sorted(["a", KEY, "b/", "tab\tand\nline", "\u0001 control"])
    second.remove([KEY, "b/", "tab\tand\nline"])
    assert first.keys() == ["\u0001 control", "a"]
