"""Checksums against published values, and the arithmetic of parts."""

from __future__ import annotations

from hypothesis import given, strategies as st

from ossmount.wire import checksums


def test_crc64_is_that_of_the_catalogue() -> None:
    assert checksums.crc64(b"") == 0
    assert checksums.crc64(b"123456789") == 11051210869376104954
    assert checksums.crc64(b"hello world") == 5981764153023615706


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_crc_of_a_whole_follows_from_its_parts(first: bytes, second: bytes) -> None:
    whole = checksums.crc64(first + second)
    assert checksums.crc64(memoryview(second), checksums.crc64(bytearray(first))) == whole
    assert checksums.crc64_combine(checksums.crc64(first), checksums.crc64(second), len(second)) == whole


def test_md5_as_headers_and_etags_have_it() -> None:
    assert checksums.content_md5(b"") == "1B2M2Y8AsgTpgAmY7PhCfg=="
    assert checksums.etag_of(b"") == "D41D8CD98F00B204E9800998ECF8427E"


def test_the_etag_of_parts_is_that_of_recorded_answers() -> None:
    parts = ["4DE8075FB607DF4D13FBC480EA488EFA", '"af947ec157726cea88ed83b3c989063b"']
    assert checksums.multipart_etag(parts) == "1C787C506EABFB9B45EAAA8DB039F4B2-2"
    assert checksums.multipart_etag(["4B4BEAF5BC622FC89D29BF0E3B70B730"]) == "894061A784C63D244E6E18B80E36076A-1"
