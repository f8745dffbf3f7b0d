"""A mount without a kernel: `FileSystem` over the embedded server, with verbs by path, and with crashes."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import oss2
import pytest
import trio

from ossmount.fs.filesystem import FileSystem
from ossmount.fs.handles import AttributeChange, Caller
from ossmount.fs.pictures import Pictures
from ossmount.fs.properties import Properties
from ossmount.fs.recovery import Recovery
from ossmount.fs.rooms import Places, Rooms, open_rooms
from ossmount.fs.status import Status
from ossmount.oss import Bucket, Client, ClientOptions, Endpoint, RetryPolicy, StaticCredentials, open_cluster
from ossmount.server.threaded import ThreadedServer
from ossmount.tree.attributes import Defaults
from ossmount.tree.inodes import ROOT, Node
from ossmount.writing.options import ExecutorOptions

CALLER = Caller(os.getuid(), os.getgid())
QUICK = ExecutorOptions(parallel=16, linger=0.01, retry_base=0.01, retry_limit=0.05, patience=120)


AT_ONCE = RetryPolicy(attempts=2, base=0.0)


class View:
    """What a program does, by path; paths have no slash at either end."""

    def __init__(self, filesystem: FileSystem, client: Client, scope: trio.CancelScope) -> None:
        self.fs = filesystem
        self.rooms: Rooms = filesystem.rooms
        self.client = client
        self.status = Status(filesystem, commit="close" if filesystem.waits else "background", source="test")
        self.properties = Properties(filesystem, url_of=self._url_of)
        self._scope = scope
        self.has_crashed = False
        self.handles: dict[str, int] = {}

    @staticmethod
    async def _url_of(key: str) -> str:
        return f"http://example/{key}"

    def crash(self) -> None:
        """End as ``kill -9`` does: nothing is drained, nothing more is sent."""
        self.has_crashed = True
        self._scope.cancel()

    async def flush(self) -> dict[str, Any]:
        """`ossmount flush`."""

        async def progress(_told: object) -> None:
            pass

        return await self.status._flush({}, progress)

    async def node(self, path: str) -> Node:
        node = self.fs.node(ROOT)
        for name in path.split("/") if path else ():
            node = await self.fs.lookup(node.ino, name.encode())
        return node

    async def parent(self, path: str) -> tuple[int, bytes]:
        above, _, name = path.rpartition("/")
        return (await self.node(above)).ino, name.encode()

    async def mkdir(self, path: str, mode: int = 0o755) -> None:
        await self.fs.mkdir(*await self.parent(path), mode, CALLER)

    async def rmdir(self, path: str) -> None:
        await self.fs.rmdir(*await self.parent(path))

    async def unlink(self, path: str) -> None:
        await self.fs.unlink(*await self.parent(path))

    async def symlink(self, text: str, path: str) -> None:
        await self.fs.symlink(*await self.parent(path), text.encode(), CALLER)

    async def readlink(self, path: str) -> str:
        return (await self.fs.readlink((await self.node(path)).ino)).decode()

    async def rename(self, path: str, new: str, *, exclusive: bool = False) -> None:
        await self.fs.rename(*await self.parent(path), *await self.parent(new), exclusive=exclusive)

    async def chmod(self, path: str, mode: int) -> None:
        await self.fs.setattr((await self.node(path)).ino, AttributeChange(mode=mode))

    async def utime(self, path: str, mtime_ns: int) -> None:
        await self.fs.setattr((await self.node(path)).ino, AttributeChange(mtime_ns=mtime_ns))

    async def truncate(self, path: str, size: int) -> None:
        await self.fs.setattr((await self.node(path)).ino, AttributeChange(size=size))

    async def setxattr(self, path: str, name: str, value: bytes) -> None:
        await self.properties.set((await self.node(path)).ino, name.encode(), value)

    async def getxattr(self, path: str, name: str) -> bytes:
        return await self.properties.get((await self.node(path)).ino, name.encode())

    async def stat(self, path: str) -> Node:
        return await self.fs.getattr((await self.node(path)).ino)

    async def ls(self, path: str = "") -> set[str]:
        fh = await self.fs.opendir((await self.node(path)).ino)
        try:
            entries = await self.fs.readdir(fh, 0)
        finally:
            self.fs.releasedir(fh)
        return {name.decode() for name, node in entries[2:] if not node.is_unlinked}

    async def open(self, path: str, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
        """open(2)."""
        if flags & os.O_CREAT:
            _, opened = await self.fs.create(*await self.parent(path), stat.S_IFREG | mode, CALLER, flags=flags)
            return opened.fh
        return (await self.fs.open((await self.node(path)).ino, flags)).fh

    async def close(self, fh: int) -> None:
        """close(2): what it returns comes from flush; the release follows."""
        try:
            await self.fs.flush(fh)
        finally:
            await self.fs.release(fh)

    async def pwrite(self, fh: int, data: bytes, offset: int) -> None:
        assert await self.fs.write(fh, offset, data) == len(data)

    async def do(self, operation: tuple[Any, ...]) -> None:
        """Carry out an operation of the reference `Tree`; files stay open from create or open to close."""
        verb, path, *values = operation
        match verb:
            case "create":
                self.handles[path] = await self.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR)
            case "open":
                self.handles[path] = await self.open(path, os.O_RDWR)
            case "open_empty":
                self.handles[path] = await self.open(path, os.O_RDWR | os.O_TRUNC)
            case "pwrite":
                await self.pwrite(self.handles[path], *values)
            case "close":
                await self.close(self.handles.pop(path))
            case "fsync":
                fh = await self.open(path)
                try:
                    await self.fs.fsync(fh)
                finally:
                    await self.close(fh)
            case "setxattr":
                await self.setxattr(path, f"user.{values[0]}", values[1].encode())
            case _:
                await getattr(self, verb)(path, *values)

    async def write(self, path: str, data: bytes, *, flags: int = os.O_CREAT | os.O_TRUNC) -> None:
        """Make the file *path* hold *data*."""
        fh = await self.open(path, os.O_WRONLY | flags)
        try:
            if data:
                await self.pwrite(fh, data, 0)
        finally:
            await self.close(fh)

    async def read(self, path: str) -> bytes:
        fh = await self.open(path)
        try:
            return await self.pread(fh)
        finally:
            await self.close(fh)

    async def pread(self, fh: int) -> bytes:
        """Read all of an open file."""
        parts: list[bytes] = []
        while part := await self.fs.read(fh, sum(map(len, parts)), 128 << 10):
            parts.append(bytes(part))
        return b"".join(parts)


class World:
    """A bucket on the embedded server, and mounts of it, one after the other or side by side."""

    def __init__(self, server: ThreadedServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.places = Places(state=directory / "state", cache=directory / "cache")
        if server.store.bucket("bucket") is None:
            server.store.put_bucket("bucket")

    def forget(self) -> None:
        """Begin with a new state directory."""
        for place in (self.places.state, self.places.cache):
            shutil.rmtree(place, ignore_errors=True)

    def client(self) -> Client:
        options = ClientOptions(retry=RetryPolicy(attempts=3), timeout=60.0)
        return Client(
            Endpoint.parse(self.server.url, region="cn-hangzhou"),
            StaticCredentials("ak", "sk"),
            options=options,
            jitter=lambda: 0.0,
        )

    @contextlib.asynccontextmanager
    async def mount(
        self,
        *,
        bucket: str = "bucket",
        waits: bool = False,
        read_only: bool = False,
        images: bool = False,
        ttl: float = 60.0,
        prefix: str = "",
        part_size: int = 1 << 20,
        places: Places | None = None,
        client: Client | None = None,
        opened: contextlib.AbstractAsyncContextManager[Bucket] | None = None,
        prepare: Callable[[Rooms], None] | None = None,
    ) -> AsyncIterator[View]:
        """Mount; at the end everything is seen into the bucket, unless `View.crash` was called."""
        view: View | None = None
        async with opened or _bucket_of(client or self.client(), bucket) as found, trio.open_nursery() as services:
            async with open_rooms(
                found,
                places or self.places,
                prefix=prefix,
                defaults=Defaults(uid=CALLER.uid, gid=CALLER.gid),
                ttl=ttl,
                exact=True,
                durable=False,
                memory=64 << 20,
                part_size=part_size,
                parallel=16,
                linger=QUICK.linger,
                cache_size=0,
                nursery=services,
            ) as rooms:
                rooms.executor._options = QUICK
                if prepare is not None:
                    prepare(rooms)
                pictures = Pictures(rooms, memory=1 << 20, directory=self.places.cache) if images else None
                filesystem = FileSystem(rooms, waits=waits, read_only=read_only, pictures=pictures)
                await rooms.listing.fill(rooms.inodes.root, first_page_only=True)
                await Recovery(filesystem).run()
                async with trio.open_nursery() as workers:  # who use the log, and so end before it is closed
                    await workers.start(rooms.executor.run)
                    view = View(filesystem, found.client, services.cancel_scope)
                    yield view
                    if not view.has_crashed:
                        with trio.fail_after(120):
                            await view.status.drain()
                    workers.cancel_scope.cancel()
            services.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def _bucket_of(client: Client, name: str) -> AsyncIterator[Bucket]:
    async with client:
        yield client.bucket(name)


@pytest.fixture
def world(oss_server: ThreadedServer, tmp_path: Path) -> World:
    """The bucket "bucket", and mounts of it."""
    return World(oss_server, tmp_path)


@pytest.fixture
def servers(oss_server: ThreadedServer, tmp_path: Path) -> Iterator[list[ThreadedServer]]:
    """Two servers, each with a bucket "bucket"."""
    with ThreadedServer(tmp_path / "second") as second:
        for server in (oss_server, second):
            server.store.put_bucket("bucket")
        yield [oss_server, second]


@pytest.fixture
def opened(servers: list[ThreadedServer]) -> Callable[..., contextlib.AbstractAsyncContextManager[Bucket]]:
    """Open the bucket at both servers."""

    def open_both(**options: Any) -> contextlib.AbstractAsyncContextManager[Bucket]:
        return open_cluster(
            [Endpoint.parse(server.url, region="cn-hangzhou") for server in servers],
            StaticCredentials("ak", "sk"),
            "bucket",
            options=ClientOptions(retry=AT_ONCE),
            retry=AT_ONCE,
            steady=True,
            failover_after=60.0,
            **options,
        )

    return open_both


@pytest.fixture
def contents(
    servers: list[ThreadedServer], oss2_session: oss2.Session, contents_of: Callable[[oss2.Bucket], dict[str, object]]
) -> Callable[[], list[dict[str, object]]]:
    """What another client finds at each of the servers."""
    auth = oss2.AuthV4("ak", "sk")
    buckets = [
        oss2.Bucket(auth, server.url, "bucket", region="cn-hangzhou", session=oss2_session) for server in servers
    ]
    return lambda: [contents_of(bucket) for bucket in buckets]
