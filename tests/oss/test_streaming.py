"""Streams of unknown length up in parts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ossmount.oss import Cluster
from ossmount.oss.streaming import size_of_part
from ossmount.server.faults import Fault
from ossmount.wire.checksums import crc64
from ossmount.wire.errors import AccessDenied, FileAlreadyExists, NoSuchKey, OutOfLimits
from ossmount.wire.limits import MAX_BODY, MAX_PARTS

if TYPE_CHECKING:
    from ossmount.oss import Bucket

PART = 100 * 1024
DATA = os.urandom(5 * PART + 77)


class Source:
    """Gives *data* in pieces of *piece* bytes, then raises *error* if there is one; knows how far it was read."""

    def __init__(self, data: bytes, *, piece: int = 7777, error: Exception | None = None) -> None:
        self._data = data
        self._piece = piece
        self._error = error
        self.read = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        piece = self._data[self.read : self.read + self._piece]
        self.read += len(piece)
        if not piece and self._error is not None:
            raise self._error
        if not piece:
            raise StopAsyncIteration
        return piece


async def uploads(bucket: Bucket) -> list[str]:
    return [upload.upload_id async for upload in bucket.iter_multipart_uploads()]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART, len(DATA)])
async def test_a_stream_of_any_length_goes_up(bucket: Bucket, oss_server: Any, size: int) -> None:
    seen: list[int] = []

    result = await bucket.upload_stream("k.png", Source(DATA[:size]), part_size=PART, progress=seen.append)

    head, body = await bucket.get_object("k.png")
    assert bytes(body) == DATA[:size]
    assert (head.etag, head.crc64, head.content_type) == (result.etag, crc64(DATA[:size]), "image/png")
    assert (seen[-1], seen) == (size, sorted(seen))
    # What fits into one request is sent in one.
    assert oss_server.count("PutObject") == (size <= PART)
    assert oss_server.count("UploadPart") == (0 if size <= PART else -(-size // PART))


async def test_everything_said_of_the_object_is_kept_in_parts_too(bucket: Bucket) -> None:
    headers = {"Content-Type": "a/b", "Cache-Control": "no-cache", "x-oss-object-acl": "public-read"}
    for size in (PART, len(DATA)):
        await bucket.upload_stream("k", Source(DATA[:size]), part_size=PART, headers=headers, meta={"a": "ü"})

        head = await bucket.head_object("k")
        assert (head.content_type, head.headers["cache-control"], head.meta) == ("a/b", "no-cache", {"a": "ü"})
        assert await bucket.get_object_acl("k") == "public-read"
        with pytest.raises(FileAlreadyExists):
            await bucket.upload_stream("k", Source(DATA[:size]), part_size=PART, forbid_overwrite=True)
    assert not await uploads(bucket)


async def test_only_so_much_of_a_stream_is_in_memory(bucket: Bucket, oss_server: Any) -> None:
    source = Source(os.urandom(20 * PART), piece=PART)
    held: list[int] = []
    oss_server.faults.add(Fault(operation="UploadPart", delay=15, count=2, together=2))
    oss_server.faults.add(Fault(operation="UploadPart", delay=0.005, count=None))

    await bucket.upload_stream(
        "k", source, part_size=PART, parallel=3, progress=lambda done: held.append(source.read - done)
    )

    # Three parts, the one that has just been sent among them, and the piece that tells of a further one.
    assert max(held) <= 3 * PART
    assert 2 <= oss_server.max_in_flight("UploadPart") <= 3


def test_parts_grow_so_that_ten_thousand_are_enough() -> None:
    sizes = [size_of_part(number, 8 << 20) for number in range(1, MAX_PARTS + 1)]
    assert (sizes[0], sizes[999], sizes[1000], sizes[-1]) == (8 << 20, 8 << 20, 16 << 20, 4 << 30)
    assert sum(sizes) > 7 << 40
    assert size_of_part(MAX_PARTS, 1 << 30) == MAX_BODY


async def test_a_part_that_arrived_damaged_is_sent_again(bucket: Bucket, oss_server: Any) -> None:
    oss_server.faults.add(Fault(operation="UploadPart", status=503, code="ServiceUnavailable"))
    await bucket.upload_stream("k", Source(DATA), part_size=PART)
    assert (await bucket.get_object("k"))[1] == DATA


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (OSError("the pipe broke"), None),
        (None, Fault(operation="UploadPart", status=403, code="AccessDenied", count=None)),
        (None, Fault(operation="CompleteMultipartUpload", status=403, code="AccessDenied", count=None)),
    ],
)
async def test_what_fails_leaves_nothing(
    bucket: Bucket, oss_server: Any, error: Exception | None, fault: Fault | None
) -> None:
    if fault is not None:
        oss_server.faults.add(fault)
    with pytest.raises(type(error) if error else AccessDenied):
        await bucket.upload_stream("k", Source(DATA, error=error), part_size=PART)
    assert not await uploads(bucket)
    with pytest.raises(NoSuchKey):
        await bucket.head_object("k")


async def test_what_is_cancelled_leaves_nothing(bucket: Bucket, oss_server: Any) -> None:
    with trio.CancelScope() as scope:
        await bucket.upload_stream("k", Source(DATA), part_size=PART, progress=lambda done: scope.cancel())
    assert scope.cancelled_caught
    assert oss_server.count("AbortMultipartUpload") == 1
    assert not await uploads(bucket)


async def test_a_generator_is_closed(bucket: Bucket) -> None:
    closed = False

    async def generate() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            while True:
                yield DATA
        finally:
            closed = True

    with pytest.raises(ValueError, match="no"):
        await bucket.upload_stream("k", generate(), part_size=PART, progress=_refuse)
    assert closed


def _refuse(done: int) -> None:
    raise ValueError("no")


async def test_a_stream_too_long_for_its_parts_says_so(
    bucket: Bucket, oss_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ossmount.oss.streaming.MAX_PARTS", 3)
    with pytest.raises(OutOfLimits, match="longer than 3 parts"):
        await bucket.upload_stream("k", Source(DATA), part_size=PART)
    assert not await uploads(bucket)


@pytest.mark.parametrize("options", [{"part_size": 1}, {"part_size": MAX_BODY + 1}, {"parallel": 0}, {"parallel": 101}])
async def test_limits_are_told_before_anything_is_read(bucket: Bucket, options: dict[str, Any]) -> None:
    source = Source(DATA)
    with pytest.raises(OutOfLimits):
        await bucket.upload_stream("k", source, **options)
    assert source.read == 0


async def test_a_stream_reaches_every_member_of_a_cluster(bucket: Bucket, oss_server: Any) -> None:
    oss_server.store.put_bucket("other")
    other = bucket.client.bucket("other")
    await Cluster([bucket, other]).upload_stream("k", Source(DATA), part_size=PART)
    for member in (bucket, other):
        assert (await member.get_object("k"))[1] == DATA
