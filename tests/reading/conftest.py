"""A bucket behind a link with latency and bandwidth, on trio's clock: transfers are exact and take no time."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from ossmount.reading import Reader, Reading, ReadingOptions
from ossmount.wire.checksums import crc64
from ossmount.wire.errors import BrokenResponse, NoSuchKey, PreconditionFailed
from ossmount.wire.models import ObjectHead, Source

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

KIB, MIB = 1024, 1024 * 1024


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that differ everywhere, the same each time."""
    return Random(seed).randbytes(size)


@dataclass
class Get:
    """One GET that was seen."""

    key: str
    start: int
    stop: int
    sent: int = 0
    finished: bool = False
    cancelled: bool = False

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass
class Link:
    """What a `Bucket` does when it opens objects.

    Each GET waits *latency* seconds, then has *bandwidth* bytes a second to itself, in chunks of *chunk* bytes.
    """

    latency: float = 0.010
    bandwidth: float = 100e6
    chunk: int = 64 * KIB
    name: str = "bucket"
    objects: dict[str, tuple[str, bytes, int]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    gets: list[Get] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    tell_crc: bool = True
    stop_at: int = 0  # end each answer after so many bytes, as if that were all
    #: How much longer a GET takes to begin.
    delay: Callable[[Get], float] = lambda get: 0.0
    #: Called before a GET; may raise.
    on_open: Callable[[Get], None] = lambda get: None
    #: Called with each chunk; may return another, or raise.
    on_chunk: Callable[[Get, int, bytes], bytes] = lambda get, position, chunk: chunk

    def store(self, key: str, data: bytes, etag: str = "E1") -> Source:
        self.objects[key] = (etag, data, crc64(data))
        self.sizes[key] = len(data)
        return Source(key, etag, len(data))

    def with_crc(self, source: Source) -> Source:
        return replace(source, crc64=self.objects[source.key][2])

    def source(self, key: str, etag: str) -> Source:
        """What a listing said of *key* when it had *etag*, with the size it has or had."""
        return Source(key, etag, self.sizes[key])

    @property
    def fetched(self) -> int:
        return sum(get.sent for get in self.gets)

    @asynccontextmanager
    async def open_object(
        self, key: str, *, start: int, stop: int, if_match: str
    ) -> AsyncIterator[tuple[ObjectHead, AsyncIterator[bytes]]]:
        get = Get(key, start, stop)
        self.gets.append(get)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await trio.sleep(self.latency + self.delay(get))
            self.on_open(get)
            if key not in self.objects:
                raise NoSuchKey
            etag, data, crc = self.objects[key]
            if etag != if_match:
                raise PreconditionFailed
            assert 0 <= start < stop <= len(data), "beyond the end"
            head = ObjectHead(
                key, len(data), etag, 0.0, crc64=crc if self.tell_crc else None, content_range=(start, stop, len(data))
            )
            async with aclosing(self._chunks(get, data)) as chunks:
                yield head, chunks
            get.finished = get.sent == get.size
        except trio.Cancelled:
            get.cancelled = True
            raise
        finally:
            self.in_flight -= 1

    async def _chunks(self, get: Get, data: bytes) -> AsyncGenerator[bytes, None]:
        position = get.start
        while position < get.stop and not 0 < self.stop_at <= get.sent:
            chunk = data[position : min(position + self.chunk, get.stop)]
            await trio.sleep(len(chunk) / self.bandwidth)
            chunk = self.on_chunk(get, position, chunk)
            if not chunk:
                raise BrokenResponse("the connection was closed")
            get.sent += len(chunk)
            position += len(chunk)
            yield chunk


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture(scope="session")
def make_link() -> Callable[..., Link]:
    return Link


@pytest.fixture
def make_data() -> Callable[..., bytes]:
    return noise


@pytest.fixture
def make_reading(link: Link, nursery: trio.Nursery) -> Callable[..., Reading]:
    """Make the room under test on the link; keyword arguments are options."""

    def make(**options: object) -> Reading:
        return Reading(link, nursery=nursery, options=ReadingOptions(**options))  # type: ignore[arg-type]

    return make


@pytest.fixture
def read_all() -> Callable[..., object]:
    """Read a file in order, and check every byte."""

    async def read(
        reader: Reader, data: bytes, step: int = 128 * KIB, start: int = 0, stop: int | None = None, check: bool = True
    ) -> None:
        for offset in range(start, len(data) if stop is None else stop, step):
            got = await reader.read(offset, step)
            assert not check or got == data[offset : offset + step], f"wrong bytes at {offset}"

    return read


@pytest.fixture(scope="session")
def large() -> bytes:
    """256 MiB, different everywhere."""
    block = b"".join(i.to_bytes(4, "big") for i in range(MIB // 4))
    return b"".join(number.to_bytes(8, "big") + block[8:] for number in range(256))
