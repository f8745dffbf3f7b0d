"""The server's half of multipart uploads against the client's: what one writes the other reads."""

from __future__ import annotations

from ossmount.wire import multipart, multipart_calls
from ossmount.wire.models import CompleteResult, ListPartsResult, PartResult, PutObjectResult
from ossmount.wire.object_calls import write_put_object

KEY = "dir/ü\x01 &"


def test_an_upload_begins() -> None:
    request = multipart.initiate_multipart_upload("bucket", KEY)

    response = multipart_calls.write_initiate_multipart_upload(request, "UPLOAD")

    assert multipart.parse_initiate_multipart_upload(response) == "UPLOAD"


def test_a_part_arrives() -> None:
    call = multipart_calls.read_upload_part(multipart.upload_part("bucket", KEY, "UPLOAD", 7, b"body"))
    assert (call.upload_id, call.number, call.source) == ("UPLOAD", 7, None)

    part = multipart.parse_upload_part(write_put_object(PutObjectResult("ETAG", 5)), 7, 4)

    assert part == PartResult(7, "ETAG", 4, 5)


def test_a_part_to_copy_arrives() -> None:
    request = multipart.upload_part_copy(
        "bucket", KEY, "UPLOAD", 7, "other", "source ü", start=10, stop=20, if_match="ETAG"
    )
    call = multipart_calls.read_upload_part(request)
    assert call.source is not None
    assert (call.source.bucket, call.source.key, call.range) == ("other", "source ü", (10, 20))
    assert call.source.conditions.match == '"ETAG"'

    response = multipart_calls.write_upload_part_copy(PartResult(7, "NEW", 10, 5, 9.0), (10, 20, 30))

    assert response.headers["content-range"] == "bytes 10-19/30"
    assert multipart.parse_upload_part_copy(response, 7, 10).etag == "NEW"


def test_a_completion_arrives() -> None:
    parts = [PartResult(1, "A" * 32, 5), PartResult(3, "B" * 32, 5)]
    request = multipart.complete_multipart_upload("bucket", KEY, "UPLOAD", parts, forbid_overwrite=True)
    call = multipart_calls.read_complete_multipart_upload(request)
    assert call.parts == [(1, "A" * 32), (3, "B" * 32)]
    assert (call.upload_id, call.forbid_overwrite) == ("UPLOAD", True)
    result = CompleteResult("ETAG-2", 5, location="http://host/key")

    response = multipart_calls.write_complete_multipart_upload(request, result, encoded=call.encoded)

    read = multipart.parse_complete_multipart_upload(response)
    assert (read.etag, read.crc64) == ("ETAG-2", 5)


def test_parts_come_through_a_listing() -> None:
    call = multipart_calls.read_list_parts(multipart.list_parts("bucket", KEY, "UPLOAD", part_number_marker=3))
    assert (call.upload_id, call.marker, call.max_parts) == ("UPLOAD", 3, 1000)
    parts = (PartResult(4, "ETAG", 100, 2**64 - 1, 9.0),)
    result = ListPartsResult(parts, True, 4, "bucket", KEY, "UPLOAD", 3, 1)

    read = multipart.parse_list_parts(multipart_calls.write_list_parts(result, encoded=call.encoded))

    assert (read.parts, read.is_truncated, read.next_part_number_marker) == (parts, True, 4)
