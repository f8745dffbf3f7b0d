"""A desk on which uploads are tried: a staging directory, a bucket, and the file that goes from one to the other."""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from ossmount.oss.client import Client, ClientOptions
from ossmount.oss.credentials import StaticCredentials
from ossmount.oss.endpoints import Endpoint
from ossmount.oss.retry import RetryPolicy
from ossmount.wire.checksums import crc64
from ossmount.wire.models import Source
from ossmount.writing.options import WritingOptions
from ossmount.writing.space import Space
from ossmount.writing.staging import Staged, Staging
from ossmount.writing.upload import Upload, UploadResult, UploadState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from ossmount.oss.bucket import Bucket
    from ossmount.server.threaded import ThreadedServer
    from ossmount.writing.snapshot import ReadBase

KiB = 1 << 10
PART = 128 * KiB
HEADERS = {"content-type": "text/plain"}
META = {"mode": "33188"}


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


class Desk:
    """A staging directory, a bucket, and the file "k" that is brought from the one to the other."""

    def __init__(self, server: ThreadedServer, bucket: Bucket, directory: Path, **options: Any) -> None:
        self.server = server
        self.bucket = bucket
        self.options = WritingOptions(
            directory=directory, **{"part_size": PART, "memory": 8 * PART, "reserve": 0, **options}
        )
        self.staging = Staging(self.options)
        self.limiter = trio.CapacityLimiter(self.options.parallel)
        self.space = Space(self.options.memory)
        self.saved: str | None = None
        self.distrusted: list[Source] = []
        self.content = bytearray()
        self.staged: Staged
        self.upload: Upload

    async def create(self, old: bytes | None = None, *, kind: str = "Normal", checksum: bool = True) -> Desk:
        """Begin with the object *old*, or with nothing."""
        source = None
        if old is not None:
            if kind == "Appendable":
                await self.bucket.append_object("k", 0, old)
            else:
                await self.bucket.put_object("k", old)
            head = await self.bucket.head_object("k")
            source = Source("k", head.etag, head.size, head.type, head.crc64 if checksum else None)
        self.content = bytearray(old or b"")
        self.staged = self.staging.create("k", source)
        self.begin()
        self.server.reset()
        return self

    def begin(
        self, *, read_base: ReadBase | None = None, save: Callable[[UploadState | None], None] | None = None
    ) -> Upload:
        self.upload = Upload(
            self.bucket,
            self.staged,
            "k",
            read_base=read_base or self.read_base,
            distrust=self.distrusted.append,
            save=save or self.save,
            options=self.options,
            limiter=self.limiter,
            space=self.space,
            state=None if self.saved is None else UploadState.from_json(json.loads(self.saved)),
        )
        return self.upload

    def save(self, state: UploadState | None) -> None:
        self.saved = None if state is None else json.dumps(state.to_json())

    async def read_base(self, source: Source, start: int, stop: int) -> bytes:
        _, body = await self.bucket.get_object(source.key, start=start, stop=stop, if_match=source.etag)
        return bytes(body)

    def write(self, offset: int, data: bytes) -> None:
        self.staged.write(offset, data)
        self.content += bytes(max(0, offset + len(data) - len(self.content)))
        self.content[offset : offset + len(data)] = data

    def truncate(self, size: int) -> None:
        self.staged.truncate(size)
        self.content += bytes(max(0, size - len(self.content)))
        del self.content[size:]

    async def write_ahead(self, data: bytes, step: int = 40 * KiB) -> None:
        """Write *data* as a program does, parts going up meanwhile."""
        async with trio.open_nursery() as nursery:
            for offset in range(0, len(data), step):
                self.write(offset, data[offset : offset + step])
                if self.upload.ready():
                    nursery.start_soon(self.upload.advance, HEADERS, META)
                await trio.lowlevel.checkpoint()

    async def finish(self) -> UploadResult:
        result = await self.upload.finish(HEADERS, META)
        await self.check(result)
        return result

    async def check(self, result: UploadResult) -> None:
        """The object is the file, the result tells the truth, and nothing is held any more."""
        head, body = await self.bucket.get_object("k")
        assert bytes(body) == bytes(self.content)
        assert (result.source.etag, result.source.size, result.source.type) == (head.etag, head.size, head.type)
        assert result.source.crc64 == head.crc64 == crc64(bytes(self.content))
        assert result.version == self.staged.version
        assert (self.space.used, self.space.waiting, self.limiter.borrowed_tokens) == (0, 0, 0)
        self.staged.check_invariants()

    def recover(self) -> None:
        """The daemon dies, and another takes up what it has left."""
        self.staging.close()
        self.staging = Staging(self.options)
        [self.staged] = self.staging.recover()
        self.begin()

    async def stray_uploads(self) -> int:
        return len((await self.bucket.list_multipart_uploads()).uploads)


@asynccontextmanager
async def connected(server: ThreadedServer, attempts: int = 1) -> AsyncIterator[Bucket]:
    options = ClientOptions(retry=RetryPolicy(attempts=attempts), timeout=60.0)
    endpoint = Endpoint.parse(server.url, region="cn-hangzhou")
    if server.store.bucket("bucket") is None:
        server.store.put_bucket("bucket")
    async with Client(endpoint, StaticCredentials("ak", "sk"), options=options, jitter=lambda: 0.0) as client:
        yield client.bucket("bucket")


def asked(desk: Desk) -> Counter[str]:
    return Counter({name: n for name, n in desk.server.requests.counts.items() if n})
