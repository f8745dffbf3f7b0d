from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from ossmount.server.multipart import MIN_PART
from ossmount.wire.checksums import crc64

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from ossmount.server.threaded import ThreadedServer

    Refused = Callable[[httpx.Response], tuple[int, str]]


@pytest.fixture
def upload(signed: httpx.Client) -> str:
    """The path and query of an upload that has begun."""
    answer = signed.post("/bucket/big?uploads")
    return f"/bucket/big?uploadId={ElementTree.fromstring(answer.content).findtext('UploadId')}"


def part(signed: httpx.Client, upload: str, number: int, body: bytes) -> str:
    return signed.put(f"{upload}&partNumber={number}", content=body).headers["etag"]


def document(*parts: tuple[int, str]) -> bytes:
    rows = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
    return f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()


def test_the_parts_named_become_the_object_and_others_go(signed: httpx.Client, upload: str) -> None:
    one, two, _ = (part(signed, upload, number, bytes([number]) * MIN_PART) for number in (1, 5, 7))

    answer = signed.post(upload, content=document((1, one.strip('"').lower()), (5, two)))

    assert answer.status_code == 200
    body = bytes([1]) * MIN_PART + bytes([5]) * MIN_PART
    assert answer.headers["x-oss-hash-crc64ecma"] == str(crc64(body))
    assert signed.get("/bucket/big").content == body


def test_who_completed_an_upload_is_told_where_the_object_is(signed: httpx.Client) -> None:
    begun = signed.post("/bucket/a%20b/c?uploads")
    upload = f"/bucket/a%20b/c?uploadId={ElementTree.fromstring(begun.content).findtext('UploadId')}"
    etag = part(signed, upload, 1, b"1")

    answer = signed.post(upload, content=document((1, etag)))

    location = ElementTree.fromstring(answer.content).findtext("Location") or ""
    assert location == f"http://{signed.base_url.netloc.decode()}/bucket/a%20b/c"
    assert signed.get(location).content == b"1"


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ([], "MalformedXML"),
        ([(1, "wrong")], "InvalidPart"),
        ([(2, "ETAG")], "InvalidPart"),
        ([(2, "ETAG"), (1, "ETAG")], "InvalidPartOrder"),
        ([(1, "ETAG"), (1, "ETAG")], "InvalidPartOrder"),
        ([(0, "ETAG")], "InvalidPartOrder"),
        ([(10001, "ETAG")], "InvalidPartOrder"),
        ([(1, "ETAG"), (3, "ETAG3")], "EntityTooSmall"),
    ],
)
def test_completions_that_oss_refuses(
    signed: httpx.Client, upload: str, refused: Refused, named: list[tuple[int, str]], code: str
) -> None:
    etags = {"ETAG": part(signed, upload, 1, b"small"), "ETAG3": part(signed, upload, 3, b"last")}

    answer = signed.post(upload, content=document(*((number, etags.get(etag, etag)) for number, etag in named)))

    assert refused(answer) == (400, code)
    assert refused(signed.head("/bucket/big")) == (404, "NoSuchKey")


@pytest.mark.parametrize("body", [b"", b"nonsense", b"<Other/>", document((1, "x"))[:-9]])
def test_a_completion_that_is_none(signed: httpx.Client, upload: str, refused: Refused, body: bytes) -> None:
    assert refused(signed.post(upload, content=body)) == (400, "MalformedXML")


def test_completing_all_takes_no_list_and_no_nothing(signed: httpx.Client, upload: str, refused: Refused) -> None:
    everything = {"x-oss-complete-all": "yes"}
    assert refused(signed.post(upload, headers=everything)) == (400, "InvalidPart")
    etag = part(signed, upload, 1, b"x")
    assert refused(signed.post(upload, headers=everything, content=document((1, etag)))) == (400, "InvalidArgument")

    assert signed.post(upload, headers=everything).status_code == 200


def test_a_completion_may_not_overwrite_where_that_is_forbidden(
    signed: httpx.Client, upload: str, refused: Refused
) -> None:
    etag = part(signed, upload, 1, b"x")
    signed.put("/bucket/big", content=b"first")

    answer = signed.post(upload, content=document((1, etag)), headers={"x-oss-forbid-overwrite": "true"})

    assert refused(answer) == (409, "FileAlreadyExists")
    assert signed.get("/bucket/big").content == b"first"


def test_a_completion_with_another_checksum_is_refused(signed: httpx.Client, upload: str, refused: Refused) -> None:
    etag = part(signed, upload, 1, b"x")

    answer = signed.post(upload, content=document((1, etag)), headers={"x-oss-hash-crc64ecma": "1"})

    assert refused(answer) == (400, "InvalidCRC64")
    assert signed.post(upload, content=document((1, etag))).status_code == 200


def test_an_upload_belongs_to_its_key(signed: httpx.Client, upload: str, refused: Refused) -> None:
    assert refused(signed.put(f"{upload.replace('big', 'other')}&partNumber=1", content=b"x")) == (404, "NoSuchUpload")


@pytest.mark.parametrize("span", ["bytes=5-9", "bytes=2-4", "bytes=0-9"])
def test_copied_parts_are_the_bytes_they_name(
    signed: httpx.Client, upload: str, span: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ossmount.server.multipart.MAX_REHASH", 3)  # what is longer is read in a thread
    signed.put("/bucket/source", content=b"0123456789")
    first, last = (int(number) for number in span[6:].split("-"))
    headers = {"x-oss-copy-source": "/bucket/source", "x-oss-copy-source-range": span}

    answer = signed.put(f"{upload}&partNumber=1", headers=headers)

    etag = ElementTree.fromstring(answer.content).findtext("ETag") or ""
    expected = b"0123456789"[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/10"
    done = signed.post(upload, content=document((1, etag)))
    assert done.headers["x-oss-hash-crc64ecma"] == str(crc64(expected))
    assert signed.get("/bucket/big").content == expected


@pytest.mark.parametrize(
    ("span", "answered"),
    [
        ("bytes=0-10", (416, "InvalidRange")),
        ("bytes=5-", (400, "InvalidArgument")),
        ("bytes=5-2", (400, "InvalidArgument")),
        ("0-5", (400, "InvalidArgument")),
    ],
)
def test_ranges_of_copied_parts_are_exact(
    signed: httpx.Client, upload: str, refused: Refused, span: str, answered: tuple[int, str]
) -> None:
    signed.put("/bucket/source", content=b"0123456789")
    headers = {"x-oss-copy-source": "/bucket/source", "x-oss-copy-source-range": span}

    assert refused(signed.put(f"{upload}&partNumber=1", headers=headers)) == answered


def test_lists_of_parts_and_uploads_come_in_pages(signed: httpx.Client, upload: str, refused: Refused) -> None:
    for number in (3, 1, 2):
        part(signed, upload, number, b"x")

    page = ElementTree.fromstring(signed.get(f"{upload}&max-parts=2").content)
    assert [found.text for found in page.iterfind("Part/PartNumber")] == ["1", "2"]
    assert (page.findtext("IsTruncated"), page.findtext("NextPartNumberMarker")) == ("true", "2")
    page = ElementTree.fromstring(signed.get(f"{upload}&part-number-marker=2&encoding-type=url").content)
    assert [found.text for found in page.iterfind("Part/PartNumber")] == ["3"]
    assert refused(signed.get(f"{upload}&max-parts=1001")) == (400, "InvalidArgument")
    assert refused(signed.get("/bucket/?uploads&max-uploads=0")) == (400, "InvalidArgument")


def test_a_source_overwritten_while_it_is_read_is_not_mixed(
    oss_server: ThreadedServer, signed: httpx.Client, upload: str, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ossmount.server.multipart.MAX_REHASH", 3)
    signed.put("/bucket/source", content=b"0123456789")
    store = oss_server.store
    read = store.read_crc64

    def slowly(*args: object) -> int:
        bucket = store.bucket("bucket")
        assert bucket is not None
        body = store.blobs.incoming()
        body.write(b"other")
        body.finish()
        record = store.find(bucket, "source")
        assert record is not None
        store.put(bucket, "source", body, record.properties)
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "read_crc64", slowly)
    headers = {"x-oss-copy-source": "/bucket/source", "x-oss-copy-source-range": "bytes=0-8"}

    assert refused(signed.put(f"{upload}&partNumber=1", headers=headers)) == (503, "ServiceUnavailable")
