"""Bytes that took an effort to make and may be asked for again: kept for a while, in bounded memory.

What does not fit, because too much of it is open at once or it is too large, lies in a file without a name.  Who uses
a `Body` holds it, so that it stays when the shelf has let go of it.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

K = TypeVar("K", bound="Hashable")

_MOST = 1000  # bodies
_MOST_FILES = 8


class Body:
    """Some bytes, in memory or in a file, with a *tag* that others do not have."""

    def __init__(self, shelf: Shelf[K], content: bytes | memoryview, file: int | None, tag: int) -> None:
        """Keep *content*, or find it behind the descriptor *file*."""
        self.size = len(content)
        self.tag = tag
        self.is_in_memory = file is None
        self._content = content if file is None else b""
        self._file = file
        self._shelf = shelf
        self._holders = 0

    def read(self, offset: int, size: int) -> bytes:
        """Return up to *size* bytes from *offset* on."""
        if self._file is not None:
            return os.pread(self._file, size, offset)
        return bytes(self._content[offset : offset + size])

    @property
    def is_in_use(self) -> bool:
        """Whether anybody but the shelf holds it."""
        return self._holders > 1

    def hold(self) -> None:
        """Keep it until `release` is called as often."""
        self._holders += 1

    def release(self) -> None:
        """Hold it no longer."""
        self._holders -= 1
        if self._holders:
            return
        if self._file is not None:
            os.close(self._file)
        else:
            self._shelf.memory_used -= self.size


@dataclass(slots=True)
class _Kept:
    body: Body
    until: float


class Shelf(Generic[K]):
    """Bodies by what they are."""

    def __init__(self, *, memory: int, directory: Path, patience: float) -> None:
        """Keep each for *patience* seconds, in up to *memory* bytes of memory or else in *directory*."""
        self._memory = memory
        self._directory = directory
        self._patience = patience
        self._kept: dict[K, _Kept] = {}  # the one put first comes first
        self.memory_used = 0
        """Bytes in memory, also of those that are held and not on the shelf any more."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> Body | None:
        """Return what was put as *key*, None if it is not there any more; hold it before anything else happens."""
        now = trio.current_time()
        while self._kept and (oldest := next(iter(self._kept.items())))[1].until <= now:
            self._drop(oldest[0])
        kept = self._kept.get(key)
        return kept.body if kept is not None else None

    async def put(self, key: K, content: bytes | memoryview, tag: int) -> Body:
        """Keep *content* as *key*; hold it before anything else happens.

        Raises:
            OSError: it does not fit into memory, and the disk has no room either.
        """
        if key in self._kept:
            self._drop(key)
        file = None
        if self._make_room(len(content)):
            self.memory_used += len(content)
        else:
            file = await trio.to_thread.run_sync(self._spool, content)
        body = Body(self, content, file, tag)
        body.hold()
        self._kept[key] = _Kept(body, trio.current_time() + self._patience)
        return body

    def _drop(self, key: K) -> None:
        self._kept.pop(key).body.release()

    def _make_room(self, size: int) -> bool:
        """Let go of the oldest until there is room for *size* bytes; tell whether there is."""
        files = [key for key, kept in self._kept.items() if not kept.body.is_in_memory]
        for key in files[: max(0, len(files) - _MOST_FILES + 1)]:
            self._drop(key)
        fits = size <= self._memory // 2  # a single one is not worth all others
        for key, kept in list(self._kept.items()):
            if len(self._kept) < _MOST and (not fits or self.memory_used + size <= self._memory):
                break
            if not kept.body.is_in_use or len(self._kept) >= _MOST:
                self._drop(key)
        return fits and self.memory_used + size <= self._memory

    def _spool(self, content: bytes | memoryview) -> int:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # a cache may be deleted at any time
        with tempfile.TemporaryFile(dir=self._directory) as file:
            file.write(content)
            file.flush()
            return os.dup(file.fileno())
