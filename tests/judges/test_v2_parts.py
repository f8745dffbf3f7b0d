"""alibabacloud-oss-v2 on uploads in parts, transfers of files, signed URLs, and temporary credentials."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import alibabacloud_oss_v2 as sdk
import pytest

from ossmount.wire.checksums import crc64, multipart_etag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from tests.applications import Application
    from tests.judges.v2 import Judge

PART = 100 * 1024


def upload_of(v2: Judge, key: str, **fields: object) -> str:
    """Begin an upload, and return its id."""
    return v2.ask("InitiateMultipartUpload", key=key, **fields).upload_id  # type: ignore[no-any-return]


@pytest.mark.judges("InitiateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload")
def test_parts_become_one_object(v2: Judge) -> None:
    v2.ask("PutObject", key="source ü", body=b"s" * 2 * PART)
    upload = upload_of(v2, "big", metadata={"a": "1"}, content_type="a/b")
    first = v2.ask("UploadPart", key="big", upload_id=upload, part_number=1, body=b"1" * PART)
    second = v2.ask(
        "UploadPartCopy",
        key="big",
        upload_id=upload,
        part_number=2,
        source_key="source ü",
        source_range=f"bytes=0-{PART - 1}",
    )
    assert v2.refused("HeadObject", key="big").code == "NoSuchKey"

    parts = [sdk.UploadPart(part_number=1, etag=first.etag), sdk.UploadPart(part_number=2, etag=second.etag)]
    done = v2.ask(
        "CompleteMultipartUpload",
        key="big",
        upload_id=upload,
        complete_multipart_upload=sdk.CompleteMultipartUpload(parts=parts),
    )

    body = b"1" * PART + b"s" * PART
    assert (done.hash_crc64, done.key) == (str(crc64(body)), "big")
    assert done.etag.strip('"') == multipart_etag([first.etag, second.etag])
    got = v2.ask("GetObject", key="big")
    assert v2.bytes_of(got) == body
    assert (got.metadata, got.content_type, got.object_type) == ({"a": "1"}, "a/b", "Multipart")
    late = v2.refused("UploadPart", key="big", upload_id=upload, part_number=1, body=b"x")
    assert (late.status_code, late.code) == (404, "NoSuchUpload")


@pytest.mark.judges("ListParts", "ListMultipartUploads")
def test_parts_and_uploads_are_listed(v2: Judge) -> None:
    begun = sorted((key, upload_of(v2, key)) for key in ("a ü", "d/x", "d/y", "e"))
    upload = begun[0][1]
    for number in (1, 2, 9):
        v2.ask("UploadPart", key="a ü", upload_id=upload, part_number=number, body=bytes(number))

    pages = v2.pages("ListParts", key="a ü", upload_id=upload, max_parts=2)
    assert [(part.part_number, part.size) for page in pages for part in page.parts] == [(1, 1), (2, 2), (9, 9)]
    assert pages[0].parts[0].hash_crc64 == str(crc64(b"\0"))
    pages = v2.pages("ListMultipartUploads", max_uploads=1)
    assert [(found.key, found.upload_id) for page in pages for found in page.uploads] == begun
    split = v2.ask("ListMultipartUploads", delimiter="/")
    assert [found.key for found in split.uploads] == ["a ü", "e"]
    assert [found.key for found in v2.ask("ListMultipartUploads", prefix="d/").uploads] == ["d/x", "d/y"]


@pytest.mark.judges("CompleteMultipartUpload")
def test_all_parts_may_be_completed_without_naming_them(v2: Judge) -> None:
    upload = upload_of(v2, "big")
    v2.ask("UploadPart", key="big", upload_id=upload, part_number=5, body=b"tail")

    v2.ask("CompleteMultipartUpload", key="big", upload_id=upload, complete_all="yes")

    assert v2.read("big") == b"tail"


@pytest.mark.judges("AbortMultipartUpload")
def test_an_upload_may_be_dropped(v2: Judge) -> None:
    upload = upload_of(v2, "big")

    v2.ask("AbortMultipartUpload", key="big", upload_id=upload)

    assert v2.refused("AbortMultipartUpload", key="big", upload_id=upload).code == "NoSuchUpload"
    assert not v2.ask("ListMultipartUploads").uploads


def test_a_part_that_is_wrong_spoils_nothing(v2: Judge) -> None:
    upload = upload_of(v2, "big")
    v2.ask("UploadPart", key="big", upload_id=upload, part_number=1, body=b"x")
    v2.ask("UploadPart", key="big", upload_id=upload, part_number=2, body=b"y")

    def complete(*parts: tuple[int, str]) -> str:
        chosen = [sdk.UploadPart(part_number=number, etag=etag) for number, etag in parts]
        document = sdk.CompleteMultipartUpload(parts=chosen)
        return v2.refused(  # type: ignore[no-any-return]
            "CompleteMultipartUpload", key="big", upload_id=upload, complete_multipart_upload=document
        ).code

    etags = [part.etag for part in v2.ask("ListParts", key="big", upload_id=upload).parts]
    assert complete((1, '"0"')) == "InvalidPart"
    assert complete((2, etags[1]), (1, etags[0])) == "InvalidPartOrder"
    assert complete((1, etags[0]), (2, etags[1])) == "EntityTooSmall"
    assert len(v2.ask("ListParts", key="big", upload_id=upload).parts) == 2


def test_signed_urls_need_no_credentials(v2: Judge, tidy_session: requests.Session) -> None:
    put = v2.result(v2.client.presign(sdk.PutObjectRequest(bucket=v2.name, key="ü +", content_type="text/plain")))
    assert tidy_session.put(put.url, data=b"bytes", headers=put.signed_headers).status_code == 200
    head = v2.result(v2.client.presign(sdk.HeadObjectRequest(bucket=v2.name, key="ü +")))
    assert tidy_session.head(head.url).headers["content-type"] == "text/plain"

    get = v2.result(v2.client.presign(sdk.GetObjectRequest(bucket=v2.name, key="ü +", response_content_type="a/b")))

    answer = tidy_session.get(get.url)
    assert (answer.content, answer.headers["content-type"], get.method) == (b"bytes", "a/b", "GET")
    assert tidy_session.get(get.url.replace("a%2Fb", "a%2Fc")).status_code == 403


def test_the_sdk_moves_large_objects_in_parts(sync_v2: Judge, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(bytes(range(256)) * 4000)
    client = sync_v2.client
    client.uploader(part_size=200_000, parallel_num=2).upload_file(
        sdk.PutObjectRequest(bucket=sync_v2.name, key="big"), str(source)
    )
    client.copier(part_size=200_000).copy(
        sdk.CopyObjectRequest(bucket=sync_v2.name, key="copy", source_bucket=sync_v2.name, source_key="big")
    )

    client.downloader(part_size=200_000, parallel_num=2).download_file(
        sdk.GetObjectRequest(bucket=sync_v2.name, key="copy"), str(back)
    )

    assert back.read_bytes() == source.read_bytes()


def test_the_sdk_reads_and_appends_as_to_a_file(sync_v2: Judge) -> None:
    with sync_v2.client.append_file(sync_v2.name, "log") as log:
        log.write(b"first line\n")
        log.write(b"second line\n")

    with sync_v2.client.open_file(sync_v2.name, "log") as file:
        file.seek(6)
        assert file.read(4) == b"line"
        file.seek(-12, 2)
        assert file.read() == b"second line\n"


def test_a_stream_is_sent_and_read_piece_by_piece(judge_of: Callable[..., Judge]) -> None:
    v2 = judge_of("async")
    v2.ask("PutBucket")
    body = bytes(range(256)) * 4000

    async def pieces() -> object:
        for start in range(0, len(body), 70_000):
            yield body[start : start + 70_000]

    async def there_and_back() -> bytes:
        await v2.client.put_object(sdk.PutObjectRequest(bucket=v2.name, key="stream", body=pieces()))
        result = await v2.client.get_object_as_stream(sdk.GetObjectRequest(bucket=v2.name, key="stream"))
        async with result.body as stream:
            return b"".join([piece async for piece in await stream.iter_bytes()])

    assert v2.result(there_and_back()) == body


def test_an_application_is_told_and_its_answer_handed_on(v2: Judge, application: Application) -> None:
    said = {"callbackUrl": application.url, "callbackBody": "key=${object}&size=${size}&who=${x:who}"}
    headers = {
        "callback": b64encode(json.dumps(said).encode()).decode(),
        "callback_var": b64encode(b'{"x:who": "me & you"}').decode(),
    }
    put = v2.ask("PutObject", key="a", body=b"12345", **headers)

    assert json.loads(put.callback_result) == {"ok": True}
    application.status = 500
    failed = v2.ask("PutObject", key="b", body=b"stored", **headers)
    assert failed.status_code == 203  # which the SDK takes for a success
    assert "<Code>CallbackFailed</Code>" in failed.callback_result
    assert v2.read("b") == b"stored"
    bodies = [parse_qs(body.decode()) for _, _, body in application.told]
    assert bodies[0] == {"key": ["a"], "size": ["5"], "who": ["me & you"]}
