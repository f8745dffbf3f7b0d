"""What an SDK wrote our client reads, and the other way round: bytes, metadata, tags, ACLs, links, parts, appends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.judges.hands import Hand, Oss2Hand, OurHand, Seen, V2Hand

if TYPE_CHECKING:
    from collections.abc import Callable

    import oss2

    from ossmount.oss import blocking
    from tests.judges.v2 import Judge

META = {"author": "alice & bob", "share": "100 % of a/b?c=d#e", "empty": "", "mode": "33188"}
TAGS = {"k1": "v1", "k 2": "a+b/c=d:e@f-g._h"}
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


def test_what_was_appended_and_what_has_parts_is_the_same_to_both(pair: tuple[Hand, Hand]) -> None:
    writer, reader = pair
    body = b"".join(PARTS)

    writer.append("log ü", [b"first ", b"second"], META)
    writer.upload("big ü", PARTS, META)

    assert reader.see("log ü") == writer.see("log ü") == Seen(b"first second", (12, "Appendable"), meta=META)
    assert reader.see("big ü") == writer.see("big ü") == Seen(body, (len(body), "Multipart"), meta=META)
    assert reader.part("big ü", 102_390, 102_410) == body[102_390:102_410]


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
