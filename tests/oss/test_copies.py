"""Copies that keep what was not to be changed, and the small calls on objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ossmount.oss import Callback, copying
from ossmount.wire.callback import read_callback
from ossmount.wire.checksums import crc64
from ossmount.wire.errors import CallbackFailed, NoSuchKey, NotModified, OutOfLimits, PreconditionFailed
from ossmount.wire.message import Headers, Request, Response
from ossmount.wire.models import PartResult

if TYPE_CHECKING:
    from pathlib import Path

    from ossmount.oss import Bucket, Client
    from tests.applications import Application

HEADERS = {"cache-control": "no-cache", "content-disposition": "attachment", "expires": "1000000"}


async def make(bucket: Bucket) -> None:
    await bucket.put_object("k", b"bytes", headers=HEADERS, meta={"a": "ü"}, content_type="a/b")
    await bucket.put_object_tagging("k", {"t ü": "v&w"})
    await bucket.put_object_acl("k", "public-read")


async def test_metadata_are_replaced_and_nothing_else(bucket: Bucket) -> None:
    await make(bucket)
    before = await bucket.head_object("k")

    await bucket.put_object_meta("k", {"b": "2"}, headers={"Cache-Control": "max-age=1"})

    after = await bucket.head_object("k")
    assert after.meta == {"b": "2"}
    assert (after.etag, after.crc64, after.content_type) == (before.etag, before.crc64, "a/b")
    assert {name: after.headers[name] for name in HEADERS} == {**HEADERS, "cache-control": "max-age=1"}
    assert await bucket.get_object_acl("k") == "public-read"
    assert await bucket.get_object_tagging("k") == {"t ü": "v&w"}

    await bucket.put_object_meta("k", None)
    assert (await bucket.head_object("k")).meta == {}
    with pytest.raises(NoSuchKey):
        await bucket.put_object_meta("none", {})


async def test_an_object_is_copied_with_all_it_has(bucket: Bucket, client: Client) -> None:
    await make(bucket)
    other = await client.put_bucket("other")

    await other.copy("copy", "k", source_bucket=bucket)

    head, body = await other.get_object("copy")
    assert body == b"bytes"
    assert (head.meta, head.content_type, head.headers["cache-control"]) == ({"a": "ü"}, "a/b", "no-cache")
    assert await other.get_object_tagging("copy") == {"t ü": "v&w"}

    await bucket.copy("again", "k", meta={"c": "3"})
    head = await bucket.head_object("again")
    assert (head.meta, head.headers["cache-control"]) == ({"c": "3"}, "no-cache")


async def test_a_symlink_is_copied_as_one(bucket: Bucket) -> None:
    await bucket.put_object("k", b"")
    await bucket.put_symlink("link", "k", meta={"a": "b"})
    await bucket.copy("copy", "link")
    assert (await bucket.get_symlink("copy")).target == "k"
    await bucket.put_object_meta("link", {"c": "d"})
    link = await bucket.get_symlink("link")
    assert (link.target, link.meta) == ("k", {"c": "d"})


@pytest.mark.parametrize("large", [False, True])
async def test_an_older_version_is_copied_with_what_it_had(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    if large:
        monkeypatch.setattr(copying.copy, "__kwdefaults__", {**(copying.copy.__kwdefaults__ or {}), "large": 0})
    await bucket.put_bucket_versioning("Enabled")
    old = (await bucket.put_object("k", b"old" * 40_000, meta={"a": "old"})).version_id
    await bucket.put_object_tagging("k", {"age": "old"})
    await bucket.put_object("k", b"new", meta={"a": "new"})

    await bucket.copy("k", "k", source_version_id=old, part_size=100 * 1024)

    head, body = await bucket.get_object("k")
    assert (bytes(body), head.meta) == (b"old" * 40_000, {"a": "old"})
    assert await bucket.get_object_tagging("k") == {"age": "old"}
    assert head.type == ("Multipart" if large else "Normal")
    await bucket.delete_object_tagging("k", version_id=old)
    assert await bucket.get_object_tagging("k", version_id=old) == {}
    assert await bucket.get_object_tagging("k") == {"age": "old"}


async def test_conditions_are_kept(bucket: Bucket) -> None:
    put = await bucket.put_object("k", b"1")
    modified = (await bucket.head_object("k")).last_modified
    for call in (bucket.get_object, bucket.head_object, lambda key, **options: bucket.copy_object("c", key, **options)):
        await call(
            "k", if_match=put.etag, if_none_match="x", if_modified_since=modified - 9, if_unmodified_since=modified
        )
        for options, error in (
            ({"if_match": "x"}, PreconditionFailed),
            ({"if_none_match": put.etag}, NotModified),
            ({"if_modified_since": modified}, NotModified),
            ({"if_unmodified_since": modified - 9}, PreconditionFailed),
        ):
            with pytest.raises(error):
                await call("k", **options)
    with pytest.raises(NotModified):
        async with bucket.open_object("k", if_none_match=put.etag):
            pass


async def test_a_file_is_put_as_it_is(bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"<html>")
    result = await bucket.put_object("k", path)
    assert result.crc64 == crc64(b"<html>")
    head, body = await bucket.get_object("k")
    assert (body, head.content_type) == (b"<html>", "text/html")
    with pytest.raises(FileNotFoundError):
        await bucket.put_object("k", tmp_path / "none")


async def test_many_are_deleted_quietly(bucket: Bucket) -> None:
    for key in ("a", "b"):
        await bucket.put_object(key, b"")
    assert (await bucket.delete_multiple_objects(["a", "b", "none"], quiet=True)).deleted == ()
    assert (await bucket.list_objects()).objects == ()


async def test_urls(bucket: Bucket, client: Client) -> None:
    assert bucket.object_url("a b/ü+?") == f"{client.endpoint.url()}/bucket/a%20b/%C3%BC%2B%3F"
    assert bucket.object_url("foo/bar.jpg", "https://cdn.example.com/") == "https://cdn.example.com/foo/bar.jpg"


@pytest.mark.parametrize("signature", ["v1", "v4"])
async def test_a_presigned_url_may_change_the_answer(bucket: Bucket, signature: Any) -> None:
    import httpx

    await bucket.put_object("a b", b"text")
    url = await bucket.presign(
        "a b", response={"content-type": "text/custom", "content-disposition": "attachment"}, signature=signature
    )
    async with httpx.AsyncClient(timeout=120) as anybody:
        answer = await anybody.get(url)
        assert (answer.status_code, answer.content) == (200, b"text")
        assert (answer.headers["content-type"], answer.headers["content-disposition"]) == ("text/custom", "attachment")
        changed = await anybody.get(url.replace("attachment", "inline"))
        assert changed.status_code == 403
        url = await bucket.presign("new", method="PUT", headers={"content-type": "a/b"}, signature=signature)
        assert (await anybody.put(url, content=b"1", headers={"content-type": "a/b"})).status_code == 200
    assert (await bucket.get_object("new"))[1] == b"1"
    with pytest.raises(OutOfLimits):
        await bucket.presign("/k")
    assert "x-oss-process=image%2Fresize%2Cw_1" in await bucket.presign("k", process="image/resize,w_1")
    assert "versionId=v" in await bucket.presign("k", version_id="v")


@pytest.mark.parametrize("signature", ["v1", "v4"])
async def test_a_presigned_url_may_put_a_part_slowly_or_have_an_application_called(
    bucket: Bucket, application: Application, signature: Any
) -> None:
    import httpx

    upload_id = await bucket.initiate_multipart_upload("big")
    parameters = {"uploadId": upload_id, "partNumber": "1", "x-oss-traffic-limit": "838860800"}
    part = await bucket.presign("big", method="PUT", parameters=parameters, signature=signature)
    callback = Callback(url=application.url, body="key=${object}&who=${x:who}", variables={"x:who": "me"})
    whole = await bucket.presign("k", method="PUT", callback=callback, signature=signature)
    async with httpx.AsyncClient(timeout=120) as anybody:
        assert (await anybody.put(part, content=b"part")).status_code == 200
        assert (await anybody.put(part.replace("838860800", "819200"), content=b"part")).status_code == 403
        assert (await anybody.put(whole, content=b"1")).json() == {"ok": True}

    assert [each.size for each in (await bucket.list_parts("big", upload_id)).parts] == [4]
    assert application.told[0][2] == b"key=k&who=me"
    with pytest.raises(OutOfLimits):
        await bucket.presign("k", method="PUT", callback=Callback(url="", body="x"))


async def test_an_application_is_called(scripted: Any, client_of: Any) -> None:
    callback = Callback(url="http://127.0.0.1/", body="x=${object}")

    def answer(request: Request) -> Response:
        assert read_callback(request) == callback
        if request.key == "fails":
            return Response(203, Headers(), b"<Error><Code>CallbackFailed</Code><Message>no</Message></Error>")
        headers = Headers({"etag": '"E"', "content-type": "application/json"})
        return Response(200, headers, b'{"Status": "OK"}')

    bucket = client_of(scripted(answer)).bucket("bucket")
    assert (await bucket.put_object("k", b"1", callback=callback)).callback == b'{"Status": "OK"}'
    done = await bucket.complete_multipart_upload("k", "id", [PartResult(1, "E", 1)], callback=callback)
    assert (done.callback, done.etag) == (b'{"Status": "OK"}', "E")
    with pytest.raises(CallbackFailed):
        await bucket.put_object("fails", b"1", callback=callback)
