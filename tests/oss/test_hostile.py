"""Answers that are meant to do harm, or are none of OSS: each is refused, soon and in little memory."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ossmount.oss import Client, ClientOptions, Endpoint, RetryPolicy, StaticCredentials
from ossmount.wire.errors import (
    AccessDenied,
    BrokenResponse,
    IntegrityError,
    OSSError,
    Redirected,
    ServiceError,
)
from ossmount.wire.message import Headers, Response

if TYPE_CHECKING:
    from pathlib import Path

    from ossmount.oss import Bucket

MIB = 1024 * 1024
PAGE = b"<ListBucketResult><IsTruncated>true</IsTruncated><KeyCount>0</KeyCount>%s</ListBucketResult>"
BOMB = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 10) for level in range(9)
)


@pytest.fixture
async def bucket(service: Any) -> AsyncIterator[Bucket]:
    """A bucket of a service that does what a test says; everything is tried once."""
    endpoint = Endpoint.parse(f"http://127.0.0.1:{service.origin.port}", region="cn-hangzhou")
    options = ClientOptions(retry=RetryPolicy(attempts=1))
    async with Client(endpoint, StaticCredentials("ak", "sk"), options=options) as client:
        yield client.bucket("bucket")


@pytest.fixture
def memory() -> Iterator[Callable[[], float]]:
    """How many MiB were in use at most since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1] / MIB
    tracemalloc.stop()


class Flood:
    """Answers *head* and then *piece*, again and again, until the client hangs up; counts what it could send."""

    def __init__(self, head: bytes, piece: bytes, times: int) -> None:
        self._head = head
        self._piece = piece
        self._times = times
        self.sent = 0

    async def __call__(self, exchange: Any) -> None:
        await exchange.stream.send_all(self._head)
        for _ in range(self._times):
            await exchange.stream.send_all(self._piece)
            self.sent += len(self._piece)


def ok(body: bytes, *more: bytes) -> bytes:
    head = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *more]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


CHUNK = b"%x\r\n" % MIB + b"<" * MIB + b"\r\n"
FLOODS = {
    "100 MB of XML that says so": (b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", b"<" * MIB, 100),
    "100 MB of XML in chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK, 100),
    "100 MB of XML to the end": (b"HTTP/1.1 200 OK\r\n\r\n", b"<" * MIB, 100),
    "100 MB of an error": (b"HTTP/1.1 403 No\r\nContent-Length: 104857600\r\n\r\n", b"<" * MIB, 100),
    "100 MB of an error in chunks": (b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK, 100),
    "a head without end": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 10_000, 1000),
    "interim answers without end": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 10_000),
    "trailers without end": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n<\r\n0\r\n",
        b"a: b\r\n" * 10_000,
        1000,
    ),
    "a chunk's extension without end": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=",
        b"x" * 60_000,
        1000,
    ),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_is_left_soon_and_takes_little_memory(
    service: Any, bucket: Bucket, memory: Callable[[], float], name: str
) -> None:
    flood = Flood(*FLOODS[name])
    service.script = [flood]
    with pytest.raises(BrokenResponse if "error" not in name else ServiceError):
        await bucket.list_objects()
    # An answer of 16 MiB is possible; the rest is what fits into the sockets.
    assert flood.sent < 32 * MIB
    assert memory() < 64


HOSTILE: list[tuple[bytes, str]] = [
    (BOMB + b"]><ListBucketResult>&j;</ListBucketResult>", "document type or entities"),
    (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><ListBucketResult/>', "document type or entities"),
    (b"<a>" * 1_000_000, "elements"),
    (b"<ListBucketResult>" + b"<Contents/>" * 1_000_000 + b"</ListBucketResult>", "elements"),
    (b"<ListBucketResult><Name>\xff\xfe</Name></ListBucketResult>", "not well-formed"),
    ("<?xml version='1.0' encoding='utf-16'?><ListBucketResult/>".encode("utf-16"), "UTF-8"),
    (gzip.compress(bytes(100 * MIB)), "UTF-8"),
    (b"<html><h1>Please log in</h1></html>", "expected <ListBucketResult>"),
    (b"{}", "UTF-8"),
    (b"", "UTF-8"),
    (PAGE % b"", "where it goes on"),
    (PAGE % b"<Contents><Key>k</Key><Size>-1</Size></Contents>", "expected"),
    (PAGE % (b"<MaxKeys>" + b"9" * 5000 + b"</MaxKeys>"), "expected"),
    (b"<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>", "expected"),
]


@pytest.mark.parametrize(("body", "message"), HOSTILE, ids=range(len(HOSTILE)))
async def test_a_document_that_is_none_is_refused(
    service: Any, bucket: Bucket, memory: Callable[[], float], body: bytes, message: str
) -> None:
    for more in ((), (b"Content-Encoding: gzip",)):
        service.script = [ok(body, b"Content-Type: application/xml", *more)]
        with pytest.raises(BrokenResponse, match=message):
            await bucket.list_objects_v2()
    assert memory() < 64


@pytest.mark.parametrize("body", [BOMB + b"]><Error><Code>&j;</Code></Error>", b"<Error>" * 100_000, b"\xff\x00<"])
async def test_an_error_that_is_none_is_one_of_its_status(service: Any, bucket: Bucket, body: bytes) -> None:
    service.script = [b"HTTP/1.1 409 No\r\nx-oss-request-id: R\r\nContent-Length: %d\r\n\r\n" % len(body) + body]
    with pytest.raises(ServiceError, match="not an answer of OSS") as caught:
        await bucket.list_objects()
    assert (type(caught.value), caught.value.status, caught.value.request_id) == (ServiceError, 409, "R")
    assert len(str(caught.value)) < 400


async def test_an_error_keeps_all_that_was_said(service: Any, bucket: Bucket) -> None:
    body = (
        b"<Error><Code>AccessDenied</Code><Message>No.</Message><RequestId>R</RequestId><HostId>h</HostId>"
        b"<EC>0003-00000001</EC><RecommendDoc>https://x</RecommendDoc></Error>"
    )
    service.script = [b"HTTP/1.1 403 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body]
    with pytest.raises(AccessDenied) as caught:
        await bucket.get_object("k")
    error = caught.value
    assert (error.code, error.message, error.request_id, error.host_id) == ("AccessDenied", "No.", "R", "h")
    assert (error.status, error.ec, error.details) == (403, "0003-00000001", {"RecommendDoc": "https://x"})


async def test_the_long_page_of_a_proxy_still_tells_the_status(service: Any, bucket: Bucket) -> None:
    page = b"<html><h1>Bad gateway</h1>" + b" " * MIB + b"</html>"
    chunked = b"HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(page), page)
    for answer in (b"HTTP/1.1 502 Bad\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page), chunked):
        service.script = [answer]
        with pytest.raises(ServiceError) as caught:
            await bucket.get_object("k")
        assert caught.value.status == 502
        assert caught.value.transient


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: -5",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5, 6",
        b"Content-Length: 99999999999999999999999999",
        b"Content-Length: 0x5",
        b"Content-Length: five",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: gzip",
        b"a b: c",
        b"a\0: c",
        b": c",
        b"a: b\r c",
        b"a: b\0c",
        b" folded: c",
    ],
)
@pytest.mark.parametrize("status", [b"200 OK", b"404 No"])
async def test_a_head_that_can_be_read_in_two_ways_is_not_read(
    service: Any, bucket: Bucket, head: bytes, status: bytes
) -> None:
    service.script = [b"HTTP/1.1 %s\r\n%s\r\n\r\nhello" % (status, head)]
    with pytest.raises(OSSError):
        await bucket.get_object("k")


@pytest.mark.parametrize(
    "chunks",
    [
        b"FFFFFFFFFFFFFFFFF\r\nx",
        b"-1\r\nx\r\n0\r\n\r\n",
        b"5\r\nhel\r\n0\r\n\r\n",
        b"3\r\nhello\r\n0\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"5 hello",
        b"0x5\r\nhello\r\n0\r\n\r\n",
    ],
)
async def test_chunks_that_are_none_are_refused(service: Any, bucket: Bucket, chunks: bytes) -> None:
    service.script = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks]

    async def send(exchange: Any, answer: bytes = service.script[0]) -> None:
        await exchange.stream.send_all(answer)

    service.script = [send]
    with pytest.raises(BrokenResponse):
        await bucket.get_object("k")


async def test_many_tiny_chunks_are_one_body(service: Any, bucket: Bucket) -> None:
    service.script = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n"]
    assert (await bucket.get_object("k"))[1] == b"x" * 50_000


async def test_nothing_that_is_compressed_is_unpacked(
    service: Any, bucket: Bucket, memory: Callable[[], float]
) -> None:
    bomb = gzip.compress(bytes(100 * MIB))
    service.script = [ok(bomb, b"Content-Encoding: gzip")]
    assert (await bucket.get_object("k"))[1] == bomb
    assert b"accept-encoding: identity" in service.heads[0]


async def test_what_comes_behind_an_answer_is_not_the_next_one(service: Any, bucket: Bucket) -> None:
    service.script = [ok(b"hello") + ok(b"forged"), ok(b"world")]
    assert (await bucket.get_object("k"))[1] == b"hello"
    assert (await bucket.get_object("k"))[1] == b"world"
    assert service.connections == 2


async def test_a_wrong_checksum_is_noticed_in_whole_bodies_and_streams(
    service: Any, bucket: Bucket, tmp_path: Path
) -> None:
    answer = ok(b"hello", b"x-oss-hash-crc64ecma: 1")
    service.script = [answer, answer, ok(b"", b"x-oss-hash-crc64ecma: 1", b'ETag: "A"')]
    with pytest.raises(IntegrityError):
        await bucket.get_object("k")
    async with bucket.open_object("k") as (_, pieces):
        assert await anext(pieces) == b"hello"
        with pytest.raises(IntegrityError):
            await anext(pieces)
    with pytest.raises(IntegrityError):
        await bucket.put_object("k", b"hello")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(service: Any, bucket: Bucket, status: int) -> None:
    location = f"http://127.0.0.1:{service.origin.port}/elsewhere".encode()
    service.script = [b"HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location)]
    with pytest.raises(Redirected, match="elsewhere"):
        await bucket.put_object("k", b"secret")
    assert len(service.heads) == 1


def truncated(name: str, **marks: str) -> bytes:
    said = "".join(f"<{mark}>{value}</{mark}>" for mark, value in marks.items())
    return f"<{name}><IsTruncated>true</IsTruncated>{said}</{name}>".encode()


OBJECTS = truncated("ListBucketResult", NextContinuationToken="same")
LISTINGS: dict[str, tuple[bytes, Callable[[Bucket], Any]]] = {
    "objects": (OBJECTS, lambda bucket: bucket.iter_objects()),
    "pages": (OBJECTS, lambda bucket: bucket.list_pages()),
    "versions": (
        truncated("ListVersionsResult", NextKeyMarker="k", NextVersionIdMarker="v"),
        lambda bucket: bucket.iter_object_versions(),
    ),
    "uploads": (
        truncated("ListMultipartUploadsResult", NextKeyMarker="k", NextUploadIdMarker="v"),
        lambda bucket: bucket.iter_multipart_uploads(),
    ),
    "parts": (truncated("ListPartsResult", NextPartNumberMarker="7"), lambda bucket: bucket.iter_parts("k", "id")),
    "buckets": (
        truncated("ListAllMyBucketsResult", NextMarker="k"),
        lambda bucket: bucket.client.iter_buckets(),
    ),
}


@pytest.mark.parametrize("name", LISTINGS)
async def test_a_listing_that_goes_round_in_circles_ends(scripted: Any, client_of: Any, name: str) -> None:
    body, listing = LISTINGS[name]
    service = scripted(lambda _: Response(200, Headers(), body))
    with pytest.raises(BrokenResponse, match="goes on where it was"):
        async for _ in listing(client_of(service).bucket("bucket")):
            pass
    assert len(service.requests) == 2
