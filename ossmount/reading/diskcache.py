"""Blocks on disk: what was read once need not be fetched again, after a restart either.

A block lies in a file named after the SHA-256 of bucket, key, ETag and index, so that a new version of an object never
finds the bytes of an old one.  The file says what it holds and has a checksum over that and one over the bytes: one
that was torn, rotted or tampered with is a miss, and is removed.  It is written under another name and renamed.
Nothing is synced: a block lost in a power cut is a miss, too.

The index of all files, least recently used first, is in memory and belongs to the trio thread.  Every touch of the disk
is in a worker thread.  Use is remembered across restarts as the time of modification.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from ..wire.checksums import crc64

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

MAGIC = b"ossblk1\n"
#: Magic, index, length and CRC-64 of the data, lengths of key and ETag; those two and a CRC-64 of all that follow.
HEADER = struct.Struct("<8sQIQHH")
CHECKSUM = struct.Struct("<Q")
TEMPORARY = ".tmp"
#: Leave this share of the disk to others.
RESERVE = 0.05
#: How many blocks may wait to be written; more are not kept.  They wait in the memory cache, and cost nothing here.
MAX_WAITING = 1024


@dataclass(frozen=True)
class DiskStatistics:
    """What the cache on disk holds and did; *stored*, *hits*, *dropped* and *corrupt* count blocks."""

    files: int = 0
    bytes: int = 0
    hits: int = 0
    stored: int = 0
    dropped: int = 0
    corrupt: int = 0


@dataclass(frozen=True, slots=True)
class BlockName:
    """Block *index* of one version of an object."""

    key: str
    etag: str
    index: int


class DiskCache:
    """Blocks of one bucket in *directory*, at most *limit* bytes of files.

    INVARIANT: ``_files`` has every file that was found or written, least recently used first; ``_total`` is their size.
    """

    def __init__(self, directory: Path | str, limit: int, *, namespace: str = "") -> None:
        self._directory = Path(directory)
        self._limit = limit
        self._namespace = namespace
        self._files: OrderedDict[str, int] = OrderedDict()
        self._total = 0
        self._counts = dict.fromkeys(("hits", "stored", "dropped", "corrupt"), 0)
        self._complained = False
        self._loading = trio.CapacityLimiter(8)
        self._waiting: set[BlockName] = set()
        self._writing: BlockName | None = None  # what is on its way to disk, None again if it was discarded meanwhile
        self._send, self._receive = trio.open_memory_channel[tuple[BlockName, "Callable[[], bytes | None]"]](
            MAX_WAITING
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look what is there, then write what is to be kept, until cancelled."""
        try:
            found = await trio.to_thread.run_sync(self._scan)
        except OSError as exc:
            self._complain(exc)
            found = []
        # What was written while we looked is the newer.
        for name, size in reversed(found):
            if name not in self._files:
                self._files[name] = size
                self._files.move_to_end(name, last=False)
                self._total += size
        task_status.started()
        async with self._receive:
            async for block, supply in self._receive:
                self._waiting.discard(block)
                data = supply()
                if data is not None and not self.has(block):
                    await self._store(block, data)

    def has(self, block: BlockName) -> bool:
        """Whether *block* is believed to be on disk."""
        return self._name(block) in self._files

    def keep(self, block: BlockName, supply: Callable[[], bytes | None]) -> None:
        """Write *block* some time soon; *supply* is then asked for its bytes, and may have none any more."""
        if block in self._waiting or self.has(block):
            return
        try:
            self._send.send_nowait((block, supply))
        except (trio.WouldBlock, trio.BrokenResourceError):
            self._counts["dropped"] += 1
        else:
            self._waiting.add(block)

    async def load(self, block: BlockName) -> bytes | None:
        """Return the bytes of *block* if they are there and sound."""
        name = self._name(block)
        if name not in self._files:
            return None
        load = partial(self._load, name, block)
        data, corrupt = await trio.to_thread.run_sync(load, limiter=self._loading)
        if data is None:
            self._counts["corrupt"] += corrupt
            self._drop(name)
        else:
            self._counts["hits"] += 1
            if name in self._files:
                self._files.move_to_end(name)
        return data

    async def discard(self, blocks: Sequence[BlockName]) -> None:
        """Remove *blocks*: their bytes are not to be trusted."""
        if self._writing in blocks:
            self._writing = None
        names = [name for name in map(self._name, blocks) if name in self._files]
        for name in names:
            self._drop(name)
        await trio.to_thread.run_sync(self._unlink, names)

    def statistics(self) -> DiskStatistics:
        """Return what there is, and what happened so far."""
        return DiskStatistics(len(self._files), self._total, **self._counts)

    async def _store(self, block: BlockName, data: bytes) -> None:
        name = self._name(block)
        head = self._header(block, data)
        size = len(head) + len(data)
        victims = self._oldest(self._total + size - self._limit)
        self._writing = block
        try:
            lacking = await trio.to_thread.run_sync(self._write, name, head, data, victims)
        except OSError as exc:
            self._complain(exc)
            self._counts["dropped"] += 1
            return
        if lacking:
            await trio.to_thread.run_sync(self._unlink, self._oldest(lacking))
            self._counts["dropped"] += 1
            return
        if self._writing != block:
            await trio.to_thread.run_sync(self._unlink, [name])
            return
        self._drop(name)
        self._files[name] = size
        self._total += size
        self._counts["stored"] += 1

    def _oldest(self, size: int) -> list[str]:
        """Take the least recently used files, *size* bytes of them at least, out of the index; return their names."""
        names = []
        while size > 0 and self._files:
            name, freed = self._files.popitem(last=False)
            self._total -= freed
            size -= freed
            names.append(name)
        return names

    def _drop(self, name: str) -> None:
        self._total -= self._files.pop(name, 0)

    def _complain(self, exc: OSError) -> None:
        level = logging.DEBUG if self._complained else logging.WARNING
        self._complained = True
        log.log(level, "%s: cannot keep blocks on disk: %s", self._directory, exc)

    def _name(self, block: BlockName) -> str:
        identity = f"{self._namespace}\0{block.key}\0{block.etag}\0{block.index}"
        return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()

    def _path(self, name: str) -> Path:
        return self._directory / name[:2] / name[2:]

    @staticmethod
    def _header(block: BlockName, data: bytes) -> bytes:
        key, etag = block.key.encode("utf-8", "surrogatepass"), block.etag.encode()
        head = HEADER.pack(MAGIC, block.index, len(data), crc64(data), len(key), len(etag)) + key + etag
        return head + CHECKSUM.pack(crc64(head))

    # In worker threads: nothing below touches the index.

    def _scan(self) -> list[tuple[str, int]]:
        """Return name and size of every block, least recently used first, and remove what a crash left over."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        found = []
        for folder in os.scandir(self._directory):
            if len(folder.name) != 2 or not folder.is_dir(follow_symlinks=False):
                continue
            for entry in os.scandir(folder.path):
                if entry.name.endswith(TEMPORARY):
                    os.unlink(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat()
                    found.append((status.st_mtime_ns, folder.name + entry.name, status.st_size))
        return [(name, size) for _, name, size in sorted(found)]

    def _load(self, name: str, block: BlockName) -> tuple[bytes | None, bool]:
        """Return the bytes and False, or None and whether it was for corruption."""
        path = self._path(name)
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None, False
        if len(content) > HEADER.size:
            length = HEADER.unpack_from(content)[2]
            data = content[max(len(content) - length, 0) :]
            head = self._header(block, data)
            if content.startswith(head) and len(content) == len(head) + len(data):
                return data, False
        log.warning("%s: a block of %r on disk is corrupt, and is fetched again", path, block.key)
        self._unlink([name])
        return None, True

    def _write(self, name: str, head: bytes, data: bytes, victims: list[str]) -> int:
        """Write one block; return how many bytes are lacking on the disk instead, if there are."""
        self._unlink(victims)
        status = os.statvfs(self._directory)
        lacking = int(status.f_blocks * status.f_frsize * RESERVE) + len(data) - status.f_bavail * status.f_frsize
        if lacking > 0:
            return lacking
        path = self._path(name)
        temporary = path.with_name(path.name + TEMPORARY)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb", buffering=0) as file:
                if os.writev(file.fileno(), [head, data]) != len(head) + len(data):
                    raise OSError(f"{temporary} could not be written whole")
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return 0

    def _unlink(self, names: Sequence[str]) -> None:
        for name in names:
            with suppress(OSError):
                self._path(name).unlink()

    def __repr__(self) -> str:
        return f"<DiskCache {self._directory}: {len(self._files)} files, {self._total} of {self._limit} bytes>"
