"""Files as bodies of requests, and the media type their names tell."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING

import trio

from .answer import PIECE

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_TYPE = "application/octet-stream"


def content_type_of(*names: str) -> str:
    """Return the media type that the first of *names* with a known extension has."""
    for name in names:
        kind, encoding = mimetypes.guess_type(f"x/{name}")
        # The type of photo.tar.gz is that of the archive, not of what is in it.
        if kind is not None and encoding is None:
            return kind
        if encoding is not None:
            return "application/gzip" if encoding == "gzip" else DEFAULT_TYPE
    return DEFAULT_TYPE


class FileBody:
    """The bytes of a file, read in pieces by another thread; it can be gone through again.

    Raises:
        OSError: the file cannot be looked at.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size

    def __aiter__(self) -> _Reading:
        return _Reading(self._path)


class _Reading:
    """One way through a file; its descriptor is open only while a piece is read, so that it may be left anywhere."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def __aiter__(self) -> _Reading:
        return self

    async def __anext__(self) -> bytes:
        piece = await trio.to_thread.run_sync(read_at, self._path, self._at, PIECE)
        if not piece:
            raise StopAsyncIteration
        self._at += len(piece)
        return piece


def read_at(path: Path, start: int, size: int) -> bytes:
    """Return up to *size* bytes of *path* from *start*."""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        return file.read(size)
