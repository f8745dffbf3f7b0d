"""Buckets and what is in them, filled and looked at straight at the server, outside the clock."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import trio

from ossmount.oss import Client, ClientOptions, Endpoint, StaticCredentials
from ossmount.wire.checksums import crc64

from .stage import KEYS, REGION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from ossmount.oss import Bucket
    from ossmount.wire.models import PartResult

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
_PART = 8 * MIB
_BLOCK = random.Random(1).randbytes(MIB)


def block(number: int) -> bytes:
    """Return the MiB of that *number* of every large file: noise, and no two the same."""
    return number.to_bytes(8, "little") + _BLOCK[8:]


def large(size: int) -> Iterator[bytes]:
    """Yield the bytes of a large file of *size* bytes, a whole number of MiB."""
    return map(block, range(size // MIB))


def small(number: int, size: int) -> bytes:
    """Return the bytes of the small file of that *number*."""
    return random.Random(number).randbytes(size)


def small_files(count: int, size: int) -> dict[str, bytes]:
    """Return *count* small files by name."""
    return {f"file-{number:05}": small(number, size) for number in range(count)}


def checksum(pieces: Iterable[bytes]) -> int:
    """Return the CRC-64 of all *pieces* in a row."""
    value = 0
    for piece in pieces:
        value = crc64(piece, value)
    return value


class Objects:
    """A bucket at the server, for whoever fills it and looks into it."""

    def __init__(self, url: str, name: str) -> None:
        """Name the bucket *name* of the server at *url*."""
        self.url = url
        self.name = name

    def _run(self, call: Callable[[Bucket], Awaitable[Any]]) -> Any:
        async def with_client() -> Any:
            endpoint = Endpoint.parse(self.url, region=REGION)
            credentials = StaticCredentials(*KEYS)
            async with Client(endpoint, credentials, options=ClientOptions(concurrency=16)) as client:
                return await call(client.bucket(self.name))

        return trio.run(with_client)

    def make(self) -> None:
        """Make the bucket."""
        self._run(lambda bucket: bucket.put_bucket())

    def remove(self) -> None:
        """Remove the bucket and all that is in it, parts that nobody completed included."""

        async def remove(bucket: Bucket) -> None:
            uploads = await bucket.list_multipart_uploads()
            for upload in uploads.uploads:
                await bucket.abort_multipart_upload(upload.key, upload.upload_id)
            keys = [one.key async for page in bucket.list_pages() for one in page.objects]
            if keys:
                await bucket.delete_multiple_objects(keys)
            await bucket.delete_bucket()

        self._run(remove)

    def put(self, files: Mapping[str, bytes]) -> None:
        """Put small objects, many at a time."""

        async def put(bucket: Bucket) -> None:
            async with trio.open_nursery() as nursery:
                for key, data in files.items():
                    nursery.start_soon(bucket.put_object, key, data)

        self._run(put)

    def put_large(self, key: str, size: int) -> None:
        """Put the large object of *size* bytes."""

        async def put(bucket: Bucket) -> None:
            upload_id = await bucket.initiate_multipart_upload(key)
            parts: dict[int, PartResult] = {}
            free = trio.CapacityLimiter(8)

            async def put_part(index: int) -> None:
                async with free:
                    first = index * _PART // MIB
                    body = b"".join(map(block, range(first, min(first + _PART // MIB, size // MIB))))
                    parts[index] = await bucket.upload_part(key, upload_id, index + 1, body)

            count = math.ceil(size / _PART)
            async with trio.open_nursery() as nursery:
                for index in range(count):
                    nursery.start_soon(put_part, index)
            await bucket.complete_multipart_upload(key, upload_id, [parts[index] for index in range(count)])

        self._run(put)

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Return the objects and their sizes, directories left out."""

        async def sizes(bucket: Bucket) -> dict[str, int]:
            pages = bucket.list_pages(prefix)
            return {one.key: one.size async for page in pages for one in page.objects if not one.key.endswith("/")}

        found: dict[str, int] = self._run(sizes)
        return found

    def crc64(self, key: str) -> int | None:
        """Return the CRC-64 that the server has of an object."""
        value: int | None = self._run(lambda bucket: bucket.head_object(key)).crc64
        return value
