"""Uploads in parts: what is asked, and what is read from answers as the service writes them."""

from __future__ import annotations

import pytest

from ossmount.wire import multipart
from ossmount.wire.message import Headers, Response, target
from ossmount.wire.models import PartResult, UploadInfo

TIME = 1672223261.0


def answer(body: str, **headers: str) -> Response:
    fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(200, fields, f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode())


def test_an_upload_begins() -> None:
    request = multipart.initiate_multipart_upload("b", "k", headers={"content-type": "t"}, meta={"a": "1"})
    assert target(request, path_style=False) == "/k?uploads&encoding-type=url"
    assert request.headers == {"content-type": "t", "x-oss-meta-a": "1"}
    body = "<InitiateMultipartUploadResult><Key>k</Key><UploadId>U</UploadId></InitiateMultipartUploadResult>"
    assert multipart.parse_initiate_multipart_upload(answer(body)) == "U"
    with pytest.raises(ValueError, match="no upload id"):
        multipart.parse_initiate_multipart_upload(answer("<InitiateMultipartUploadResult/>"))


def test_a_part_is_sent() -> None:
    request = multipart.upload_part("b", "k", "U/", 3, b"xy", crc64=7)
    assert target(request, path_style=False) == "/k?partNumber=3&uploadId=U%2F"
    assert request.headers == {"x-oss-hash-crc64ecma": "7"}
    response = Response(200, Headers({"ETag": '"E"', "x-oss-hash-crc64ecma": "7"}))
    assert multipart.parse_upload_part(response, 3, 2) == PartResult(3, "E", 2, 7)


def test_a_part_is_copied() -> None:
    request = multipart.upload_part_copy("b", "k", "U", 3, "s", "a b", start=10, stop=20, if_match="E")
    assert request.headers == {
        "x-oss-copy-source": "/s/a%20b",
        "x-oss-copy-source-range": "bytes=10-19",
        "x-oss-copy-source-if-match": '"E"',
    }
    body = '<CopyPartResult><LastModified>2022-12-28T10:27:41.000Z</LastModified><ETag>"E"</ETag></CopyPartResult>'
    assert multipart.parse_upload_part_copy(answer(body), 3, 10) == PartResult(3, "E", 10, None, TIME)


def test_an_upload_is_completed_with_its_parts_in_order() -> None:
    request = multipart.complete_multipart_upload("b", "k", "U", [PartResult(5, "B"), PartResult(2, '"A"')])
    assert not request.idempotent
    assert bytes(request.body or b"").endswith(
        b'<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>"A"</ETag></Part>'
        b'<Part><PartNumber>5</PartNumber><ETag>"B"</ETag></Part></CompleteMultipartUpload>'
    )
    body = '<CompleteMultipartUploadResult><Location>l</Location><ETag>"E-2"</ETag></CompleteMultipartUploadResult>'
    result = multipart.parse_complete_multipart_upload(answer(body, x_oss_hash_crc64ecma="7"))
    assert (result.etag, result.crc64, result.location) == ("E-2", 7, "l")
    forbidding = multipart.complete_multipart_upload("b", "k", "U", [PartResult(1, "A", 1)], forbid_overwrite=True)
    assert forbidding.headers["x-oss-forbid-overwrite"] == "true"


def test_an_upload_is_given_up() -> None:
    request = multipart.abort_multipart_upload("b", "k", "U")
    assert (request.method, target(request, path_style=False)) == ("DELETE", "/k?uploadId=U")


def test_uploads_are_listed() -> None:
    request = multipart.list_multipart_uploads("b", prefix="p", delimiter="/", key_marker="k", upload_id_marker="U")
    assert request.query == {
        "uploads": None,
        "encoding-type": "url",
        "max-uploads": "1000",
        "prefix": "p",
        "delimiter": "/",
        "key-marker": "k",
        "upload-id-marker": "U",
    }
    body = """<ListMultipartUploadsResult><Bucket>b</Bucket><EncodingType>url</EncodingType><KeyMarker>a%2F</KeyMarker>
<UploadIdMarker/><NextKeyMarker>c%20</NextKeyMarker><NextUploadIdMarker>V</NextUploadIdMarker><Delimiter/><Prefix/>
<MaxUploads>5</MaxUploads><IsTruncated>true</IsTruncated><Upload><Key>c%20</Key><UploadId>V</UploadId>
<Initiated>2022-12-28T10:27:41.000Z</Initiated><StorageClass>IA</StorageClass></Upload>
<CommonPrefixes><Prefix>d%2F</Prefix></CommonPrefixes></ListMultipartUploadsResult>"""
    result = multipart.parse_list_multipart_uploads(answer(body))
    assert result.uploads == (UploadInfo("c ", "V", TIME, "IA"),)
    assert (result.prefixes, result.is_truncated, result.key_marker) == (("d/",), True, "a/")
    assert (result.next_key_marker, result.next_upload_id_marker, result.max_uploads) == ("c ", "V", 5)


def test_parts_are_listed() -> None:
    request = multipart.list_parts("b", "k", "U", part_number_marker=2, max_parts=5)
    assert target(request, path_style=False) == "/k?uploadId=U&encoding-type=url&max-parts=5&part-number-marker=2"
    body = """<ListPartsResult><Bucket>b</Bucket><EncodingType>url</EncodingType><Key>a%2F</Key><UploadId>U</UploadId>
<PartNumberMarker>2</PartNumberMarker><NextPartNumberMarker>4</NextPartNumberMarker><MaxParts>5</MaxParts>
<IsTruncated>true</IsTruncated>
<Part><PartNumber>3</PartNumber><LastModified>2022-12-28T10:27:41.000Z</LastModified><ETag>"A"</ETag>
<HashCrc64ecma>7</HashCrc64ecma><Size>10</Size></Part>
<Part><PartNumber>4</PartNumber><LastModified>2022-12-28T10:27:41.000Z</LastModified><ETag>"B"</ETag><Size>11</Size></Part>
</ListPartsResult>"""
    result = multipart.parse_list_parts(answer(body))
    assert result.parts == (PartResult(3, "A", 10, 7, TIME), PartResult(4, "B", 11, None, TIME))
    assert (result.key, result.is_truncated, result.next_part_number_marker) == ("a/", True, 4)
