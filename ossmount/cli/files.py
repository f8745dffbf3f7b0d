"""Files and pipes of this machine, as commands read and write them: complete under their names, or not at all."""

from __future__ import annotations

import contextlib
import sys
from errno import EAGAIN
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from .console import Failure, progress_bar
from .running import one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager

    from ..wire.models import ObjectHead

    Opened = AbstractAsyncContextManager[tuple[ObjectHead, AsyncIterator[bytes]]]

_PIECE = 256 * 1024


def destination(target: str | None, key: str) -> Path | None:
    """Return the file that *target* means for *key*, None for standard output.

    A directory, or what is written with a slash at its end, gets a file in it.  Raises Failure when the key's last part
    can be no file's name.
    """
    if target is None or target == "-":
        return None
    # What takes the file's place must not take a link's.
    path = Path(target).resolve()
    if path.is_dir() or target.endswith("/"):
        name = PurePosixPath(key).name
        # A key may be anything: it must not lead out of the directory.
        if key.endswith("/") or name in ("", ".", "..") or "\0" in name:
            raise Failure(f"{one_line(key)} gives no file name: name the file in {target}")
        return path / name
    return path


async def save(opened: Opened, path: Path | None, what: str) -> None:
    """Write what is *opened* to the file at *path*, which appears when it is complete, or to standard output."""
    import trio

    # The file is begun when there is something to write; it takes its place when it is complete.
    with progress_bar(what) as progress:
        async with opened as (head, pieces):
            with writing(path) as file:
                done = 0
                total = (
                    head.content_range[1] - head.content_range[0] if head.content_range else max(head.size, 0) or None
                )
                async for piece in pieces:
                    await trio.to_thread.run_sync(file.write, piece)
                    done += len(piece)
                    progress(done, total)
                file.flush()


@contextlib.contextmanager
def writing(path: Path | None) -> Iterator[BinaryIO]:
    """Open what *path* means to be written: a file that takes its place when the block is done, or standard output."""
    if path is None:
        if sys.stdout is None:
            raise Failure("standard output is closed: name a file")
        yield sys.stdout.buffer
        return
    if is_special(path):
        with path.open("wb") as file:
            yield file
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def is_special(path: Path) -> bool:
    """Return whether there is something at *path* that is no file, such as a pipe or a device.

    It has no size that means anything, and nothing may be put in its place.
    """
    return path.exists() and not path.is_file() and not path.is_dir()


@contextlib.contextmanager
def reading(file: str) -> Iterator[BinaryIO]:
    """Open the file called *file*, or standard input for -, to be read in pieces."""
    if file == "-":
        if sys.stdin is None:
            raise Failure("standard input is closed: name a file")
        # Without a buffer: a thread that waits with the lock of one lets no process end.
        yield getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        return
    with Path(file).open("rb", buffering=0) as source:
        yield source


class Stream:
    """What is read once, and whose length is not known: standard input or a pipe."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        import trio

        # Ctrl-C must not wait for who types.
        piece: bytes | None = await trio.to_thread.run_sync(self._file.read, _PIECE, abandon_on_cancel=True)
        if piece is None:
            raise BlockingIOError(EAGAIN, "standard input must be a blocking one")
        if not piece:
            raise StopAsyncIteration
        return piece
