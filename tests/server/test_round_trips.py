"""Text of any kind goes to the server and comes back as it was, or our client refuses it before anything is sent."""

from __future__ import annotations

import os
import string
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from xml.etree.ElementTree import ParseError, fromstring

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from ossmount.wire.access import Logging, Referer
from ossmount.wire.cors import CORS, CORSRule
from ossmount.wire.lifecycle import Expiration, Lifecycle, LifecycleRule
from ossmount.wire.website import Website

if TYPE_CHECKING:
    from collections.abc import Awaitable

    import httpx

    from ossmount.oss import Bucket
    from ossmount.server.threaded import ThreadedServer

EXAMPLES = int(os.environ.get("OSSMOUNT_TEST_EXAMPLES", "25"))
many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 25,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Characters that mean something to one of the parties are more likely than any other.
special = st.sampled_from("\0\t\n\r\x1b\x7f\x80\xa0é€\ufffe\U0001f600 +%&?#<>\"'`;=:,@*/\\.~|$")
chars = st.one_of(special, special, st.characters(exclude_categories=["Cs"]))
text = st.text(chars, max_size=24)
some = st.text(chars, min_size=1, max_size=24)
# What file names of any bytes are in Python.
bytes_text = st.one_of(text, st.binary(max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
keys = some.filter(lambda key: key[0] not in "/\\")
names = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=20)


async def survives(server: ThreadedServer, put: Awaitable[Any]) -> bool:
    """Wait for *put*, and tell whether it was sent; if not, nothing must have reached the server."""
    before = server.count()
    try:
        await put
    except ValueError:
        assert server.count() == before
        return False
    return True


@many
@given(key=keys, other=keys, target=keys)
async def test_keys_come_back_wherever_they_are_told(bucket: Bucket, key: str, other: str, target: str) -> None:
    await bucket.put_object(key, b"content")
    await bucket.copy_object(other, key)
    number = await bucket.initiate_multipart_upload(key)
    await bucket.put_symlink(f"{target}-link", target)

    both = sorted({key, other, f"{target}-link"}, key=str.encode)
    assert [one.key for one in (await bucket.list_objects()).objects] == both
    assert [getattr(one, "key", "") async for one in bucket.iter_objects(max_keys=1)] == both
    assert [one.key async for one in bucket.iter_object_versions()] == both
    after = [one.key for one in (await bucket.list_objects_v2(start_after=key)).objects]
    assert after == [one for one in both if one.encode() > key.encode()]
    assert key in [one.key for one in (await bucket.list_objects(prefix=key)).objects]
    assert (await bucket.list_objects(prefix=key, delimiter=key[-1])).delimiter == key[-1]
    assert bytes((await bucket.get_object(other))[1]) == b"content"
    assert [one.key async for one in bucket.iter_multipart_uploads()] == [key]
    assert (await bucket.get_symlink(f"{target}-link")).target == target
    await bucket.abort_multipart_upload(key, number)
    deleted = await bucket.delete_multiple_objects(both)
    assert sorted(deleted.deleted, key=str.encode) == both
    assert not (await bucket.list_objects()).objects


@many
@given(key=keys)
async def test_a_listing_in_plain_text_is_right_or_no_xml(bucket: Bucket, signed: httpx.Client, key: str) -> None:
    await bucket.put_object(key, b"")
    for path in ("/bucket/", "/bucket/?list-type=2", "/bucket/?versions"):
        try:
            told = [element.text for element in fromstring(signed.get(path).content).iter("Key")]  # noqa: ASYNC212 - the server has a thread of its own
        except ParseError:
            assert any(char < " " or char in "\ufffe\uffff" for char in key)
        else:
            assert told == [key]
    await bucket.delete_object(key)


@many
@given(meta=st.dictionaries(names, bytes_text, max_size=4), content_type=text, disposition=text)
async def test_metadata_and_headers_come_back(
    bucket: Bucket, oss_server: ThreadedServer, meta: dict[str, str], content_type: str, disposition: str
) -> None:
    headers = {"content-disposition": disposition, "x-oss-tagging": "a=b"}
    if not await survives(
        oss_server, bucket.put_object("k", b"", meta=meta, content_type=content_type, headers=headers)
    ):
        # Names that differ by case are one name.
        assert await survives(oss_server, bucket.put_object("k", b"", meta=meta))
        content_type = disposition = ""
    head = await bucket.head_object("k")
    assert head.meta == {name.lower(): value for name, value in meta.items()}
    assert head.headers.get("content-disposition", "") == disposition
    assert head.content_type == (content_type or "application/octet-stream")
    await bucket.copy_object("copy", "k")
    assert (await bucket.head_object("copy")).meta == head.meta
    await bucket.put_symlink("link", "k", meta=meta)
    assert (await bucket.get_symlink("link")).meta == head.meta


@many
@given(tags=st.dictionaries(some, text, max_size=4))
async def test_tags_come_back(bucket: Bucket, oss_server: ThreadedServer, tags: dict[str, str]) -> None:
    await bucket.put_object("k", b"")
    if not await survives(oss_server, bucket.put_object_tagging("k", tags)):
        assert any(not _xml_holds(part) for tag in tags.items() for part in tag)
        tags = {}
    assert await bucket.get_object_tagging("k") == tags
    encoded = urlencode(tags)
    await bucket.put_object("k", b"", headers={"x-oss-tagging": encoded} if tags else None)
    assert await bucket.get_object_tagging("k") == tags
    await bucket.copy("copy", "k")
    assert await bucket.get_object_tagging("copy") == tags


@many
@given(first=some, second=text, third=some)
async def test_what_is_set_for_a_bucket_comes_back(
    bucket: Bucket, oss_server: ThreadedServer, first: str, second: str, third: str
) -> None:
    values: list[tuple[str, Any]] = [
        ("logging", Logging("bucket", second)),
        ("website", Website(index=first.replace("/", ""), error=third)),
        ("referer", Referer(referers=(first, third))),
        ("cors", CORS((CORSRule(allowed_origins=(first.replace("*", "-"),), allowed_methods=("GET",)),))),
        (
            "lifecycle",
            Lifecycle((LifecycleRule(id=third, prefix=second, tags={first: second}, expiration=Expiration(days=1)),)),
        ),
    ]
    for name, value in values:
        if await survives(oss_server, getattr(bucket, f"put_bucket_{name}")(value)):
            assert await getattr(bucket, f"get_bucket_{name}")() == value
    if await survives(oss_server, bucket.put_style("Style_1.a-b", third)):
        style = await bucket.get_style("Style_1.a-b")
        assert (style.name, style.content) == ("Style_1.a-b", third)
        assert [one.name for one in await bucket.list_style()] == ["Style_1.a-b"]
        await bucket.delete_style("Style_1.a-b")


def _xml_holds(part: str) -> bool:
    return not any((char < " " and char not in "\t\n\r") or char in "\ufffe\uffff" for char in part)


@pytest.mark.parametrize("key", ["\ud800", "a\udcff", "/a", "\\", "", "é" * 512])
async def test_what_cannot_be_a_key_never_leaves(bucket: Bucket, oss_server: ThreadedServer, key: str) -> None:
    asked = oss_server.count()
    for ask in (
        bucket.put_object(key, b""),
        bucket.copy_object("k", key),
        bucket.put_symlink("k", key),
        bucket.initiate_multipart_upload(key),
        bucket.delete_multiple_objects(["k", key]),
    ):
        with pytest.raises(ValueError, match=r"(?s).+"):
            await ask
    assert oss_server.count() == asked
