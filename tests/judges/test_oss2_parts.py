"""oss2 on uploads in parts, and on what only credentials decide: URLs, roles, refusals."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

import oss2
import oss2.models
import pytest

from ossmount.wire.checksums import crc64, multipart_etag

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.applications import Application
    from tests.judges.conftest import Court


@pytest.mark.judges(
    "InitiateMultipartUpload", "UploadPart", "ListParts", "ListMultipartUploads", "CompleteMultipartUpload"
)
def test_parts_become_one_object(bucket2: oss2.Bucket) -> None:
    size = 100 * 1024
    bodies = [bytes([number]) * size for number in range(3)] + [b"end"]
    upload = bucket2.init_multipart_upload("big", headers={"x-oss-meta-a": "1", "Content-Type": "a/b"}).upload_id
    sent = [bucket2.upload_part("big", upload, number, body) for number, body in enumerate(bodies, 1)]
    bucket2.upload_part("big", upload, 9, b"never named")

    assert [found.upload_id for found in oss2.MultipartUploadIterator(bucket2)] == [upload]
    listed = list(oss2.PartIterator(bucket2, "big", upload, max_parts=2))
    assert [part.part_number for part in listed] == [1, 2, 3, 4, 9]
    with pytest.raises(oss2.exceptions.NoSuchKey):
        bucket2.head_object("big")

    parts = [
        oss2.models.PartInfo(number, part.etag, size=len(body), part_crc=part.crc)
        for number, (part, body) in enumerate(zip(sent, bodies, strict=True), 1)
    ]
    done = bucket2.complete_multipart_upload("big", upload, parts)

    assert done.crc == crc64(b"".join(bodies))
    assert done.etag == multipart_etag(part.etag for part in sent)
    read = bucket2.get_object("big")
    assert read.read() == b"".join(bodies)
    assert (read.object_type, read.headers["x-oss-meta-a"], read.headers["Content-Type"]) == ("Multipart", "1", "a/b")
    assert (
        bucket2.get_object("big", byte_range=(size - 1, 2 * size)).read() == b"".join(bodies)[size - 1 : 2 * size + 1]
    )
    with pytest.raises(oss2.exceptions.NoSuchUpload):
        bucket2.upload_part("big", upload, 1, b"x")


@pytest.mark.judges("UploadPartCopy", "CompleteMultipartUpload")
def test_parts_may_be_copied_from_ranges_of_objects(bucket2: oss2.Bucket) -> None:
    body = bytes(range(256)) * 1600  # 400 KiB
    bucket2.put_object("source ü", body)
    upload = bucket2.init_multipart_upload("new").upload_id
    head = bucket2.upload_part_copy(bucket2.bucket_name, "source ü", (0, 204_799), "new", upload, 1)
    middle = bucket2.upload_part("new", upload, 2, b"M" * 102_400)
    tail = bucket2.upload_part_copy(bucket2.bucket_name, "source ü", (307_200, 409_599), "new", upload, 3)
    bucket2.delete_object("source ü")

    parts = [oss2.models.PartInfo(number, part.etag) for number, part in enumerate((head, middle, tail), 1)]
    done = bucket2.complete_multipart_upload("new", upload, parts)

    expected = body[:204_800] + b"M" * 102_400 + body[307_200:]
    assert bucket2.get_object("new").read() == expected
    assert done.crc == crc64(expected)


@pytest.mark.judges("ListMultipartUploads")
def test_uploads_are_listed_by_key_with_prefixes(bucket2: oss2.Bucket) -> None:
    begun = sorted((key, bucket2.init_multipart_upload(key).upload_id) for key in ["a", "a", "a", "d/x", "d/y", "e"])

    found = [(upload.key, upload.upload_id) for upload in oss2.MultipartUploadIterator(bucket2, max_uploads=1)]

    assert found == begun
    split = bucket2.list_multipart_uploads(delimiter="/")
    assert [upload.key for upload in split.upload_list] == ["a", "a", "a", "e"]
    assert split.prefix_list == ["d/"]
    assert [upload.key for upload in bucket2.list_multipart_uploads(prefix="d/").upload_list] == ["d/x", "d/y"]


def test_the_sdk_resumes_uploads_and_downloads(bucket2: oss2.Bucket, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("resumable")
    source = directory / "source"
    source.write_bytes(bytes(range(256)) * 4000)
    store = oss2.ResumableStore(root=str(directory))
    oss2.resumable_upload(
        bucket2, "big", str(source), store=store, multipart_threshold=200_000, part_size=200_000, num_threads=2
    )
    store = oss2.ResumableDownloadStore(root=str(directory))

    oss2.resumable_download(
        bucket2, "big", str(directory / "back"), store=store, multiget_threshold=200_000, part_size=200_000
    )

    assert (directory / "back").read_bytes() == source.read_bytes()


def test_urls_signed_beforehand_work_until_they_expire(bucket2: oss2.Bucket, oss2_session: oss2.Session) -> None:
    key = "dir/ü +"
    put = bucket2.sign_url("PUT", key, 60, headers={"content-type": "text/plain"}, slash_safe=True)
    assert oss2_session.session.put(put, data=b"bytes", headers={"content-type": "text/plain"}).status_code == 200

    get = bucket2.sign_url("GET", key, 60, params={"response-content-type": "a/b"}, slash_safe=True)
    answer = oss2_session.session.get(get)

    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"bytes", "a/b")
    assert oss2_session.session.get(get.replace(quote("/ü", safe="/"), "/u")).status_code == 403
    assert oss2_session.session.get(get[:-4]).status_code == 403


def test_a_wrong_secret_and_an_unknown_key_are_told_apart(
    bucket2: oss2.Bucket, oss2_bucket_of: Callable[..., oss2.Bucket]
) -> None:
    for auth, code in (
        (oss2.AuthV4("ak", "wrong"), "SignatureDoesNotMatch"),
        (oss2.Auth("ak", "wrong"), "SignatureDoesNotMatch"),
        (oss2.AuthV4("nobody", "sk"), "InvalidAccessKeyId"),
        (oss2.AnonymousAuth(), "AccessDenied"),
    ):
        bucket = oss2_bucket_of(bucket2.bucket_name, auth)
        with pytest.raises(oss2.exceptions.ServerError, match=code) as caught:
            bucket.list_objects()
        assert caught.value.status == 403
        assert len(caught.value.request_id) == 24


@pytest.mark.judges("AbortMultipartUpload", "ListParts")
def test_an_upload_that_was_dropped_is_gone(bucket2: oss2.Bucket) -> None:
    upload = bucket2.init_multipart_upload("big").upload_id
    bucket2.upload_part("big", upload, 1, b"x")

    bucket2.abort_multipart_upload("big", upload)

    assert not bucket2.list_multipart_uploads().upload_list
    with pytest.raises(oss2.exceptions.NoSuchUpload):
        bucket2.list_parts("big", upload)
    with pytest.raises(oss2.exceptions.NoSuchUpload):
        bucket2.abort_multipart_upload("big", upload)


@pytest.mark.judges("RestoreObject")
def test_what_is_archived_is_read_after_it_was_restored(bucket2: oss2.Bucket, court: Court) -> None:
    bucket2.put_object("old", b"cold bytes", headers={"x-oss-storage-class": "Archive"})
    with pytest.raises(oss2.exceptions.ServerError, match="InvalidObjectState") as caught:
        bucket2.get_object("old")
    assert caught.value.status == 403

    assert bucket2.restore_object("old").status == 202

    assert bucket2.head_object("old").headers["x-oss-restore"] == 'ongoing-request="true"'
    with pytest.raises(oss2.exceptions.RestoreAlreadyInProgress):
        bucket2.restore_object("old")
    court.ahead = 61
    assert bucket2.get_object("old").read() == b"cold bytes"
    assert bucket2.head_object("old").headers["x-oss-restore"].startswith('ongoing-request="false", expiry-date="')
    assert bucket2.restore_object("old", input=oss2.models.RestoreConfiguration(3)).status == 200
    bucket2.put_object("new", b"")
    with pytest.raises(oss2.exceptions.ServerError, match="OperationNotSupported"):
        bucket2.restore_object("new")


@pytest.mark.judges("RestoreObject")
def test_what_is_colder_is_restored_as_fast_as_was_asked(bucket2: oss2.Bucket) -> None:
    bucket2.put_object("old", b"cold bytes", headers={"x-oss-storage-class": "ColdArchive"})
    job = oss2.models.RestoreJobParameters(oss2.models.RESTORE_TIER_EXPEDITED)

    restored = bucket2.restore_object("old", input=oss2.models.RestoreConfiguration(2, job))

    assert (restored.status, restored.headers["x-oss-object-restore-priority"]) == (202, "Expedited")


def test_an_application_is_told_and_its_answer_handed_on(bucket2: oss2.Bucket, application: Application) -> None:
    said = {"callbackUrl": application.url, "callbackBody": "key=${object}&size=${size}&who=${x:who}"}
    headers = {
        "x-oss-callback": b64encode(json.dumps(said).encode()).decode(),
        "x-oss-callback-var": b64encode(b'{"x:who": "me & you"}').decode(),
    }
    put = bucket2.put_object("a", b"12345", headers=headers)

    assert json.loads(put.resp.read()) == {"ok": True}
    application.status = 500
    assert bucket2.put_object("b", b"stored", headers=headers).status == 203  # which oss2 takes for a success
    assert bucket2.get_object("b").read() == b"stored"
    bodies = [parse_qs(body.decode()) for _, _, body in application.told]
    assert bodies[0] == {"key": ["a"], "size": ["5"], "who": ["me & you"]}
