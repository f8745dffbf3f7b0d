"""Object bytes as files: immutable blobs under ``blobs/``, bodies on their way under ``tmp/``.

A blob becomes part of an object only by the row that names it, and rows are written in one transaction with everything
else, so a body cut off by a crash leaves a file in ``tmp/`` (emptied at the next start), or one under a number that
will be given again. Blobs never change, but the blob of an appendable object may grow beyond what any row names so far.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from contextlib import contextmanager, suppress
from hashlib import md5
from itertools import count
from typing import TYPE_CHECKING

from ..wire.checksums import crc64

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .records import Segment

# Hashing and writing go by units of this size; a body that is smaller never touches tmp/.
UNIT = 512 * 1024
READ_UNIT = 1024 * 1024


class Incoming:
    """A body being received: hashed and written as it comes.  Call `discard` when done with it, whatever happened."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pieces: list[bytes] = []
        self._pending = 0
        self._file: int | None = None
        self._md5 = md5(usedforsecurity=False)
        self.crc64 = 0
        self.size = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        if data:
            self._pieces.append(data)
            self._pending += len(data)
            self.size += len(data)
            if self._pending >= UNIT:
                self._spill()

    def _take(self) -> bytes:
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._pending = 0
        if data:
            self._md5.update(data)
            self.crc64 = crc64(data, self.crc64)
        return data

    def _spill(self) -> None:
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        write_all(self._file, self._take())

    def finish(self) -> None:
        """Say that the body is complete."""
        if self._file is not None:
            if self._pending:
                self._spill()
            os.close(self._file)
            self._file = -1
        else:
            self._pieces = [self._take()]

    @property
    def md5(self) -> bytes:
        """The MD5 digest of the complete body."""
        return self._md5.digest()

    @property
    def etag(self) -> str:
        """The MD5 of the complete body in upper-case hexadecimal."""
        return self._md5.hexdigest().upper()

    def move_to(self, path: str) -> None:
        """Make the complete body the file *path*, replacing what a crash may have left there."""
        if self._file is not None:
            os.rename(self._path, path)
            return
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(file, self._pieces[0])
        finally:
            os.close(file)

    def append_to(self, path: str, offset: int) -> None:
        """Write the complete body into the file *path* at *offset*."""
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if self._file is None:
                os.lseek(file, offset, os.SEEK_SET)
                write_all(file, self._pieces[0])
            else:
                copy_range(self._path, file, offset, self.size)
        finally:
            os.close(file)

    def discard(self) -> None:
        """Forget what was received and not moved."""
        self._pieces.clear()
        if self._file is not None:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
            with suppress(FileNotFoundError):
                os.unlink(self._path)


def write_all(file: int, data: bytes) -> None:
    """Write all of *data* at the position of *file*."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def copy_range(path: str, target: int, offset: int, size: int) -> None:
    """Copy *size* bytes from the start of file *path* into the file *target* at *offset*, inside the kernel."""
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        done = 0
        while done < size:
            copied = os.copy_file_range(source, target, size - done, done, offset + done)
            if not copied:
                raise EOFError(f"{path} ends after {done} of {size} bytes")
            done += copied
    finally:
        os.close(source)


class Blobs:
    """The files of a server's directory, by number."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory / "blobs")
        self._tmp = str(directory / "tmp")
        self._numbers = count()
        # Blobs that a reader is in the middle of; one that is removed meanwhile goes when its last reader has gone.
        self._pins: Counter[int] = Counter()
        self._doomed: set[int] = set()
        shutil.rmtree(self._tmp, ignore_errors=True)
        os.makedirs(self._tmp, mode=0o700)
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        self._made = set(os.listdir(self._directory))

    def path(self, number: int) -> str:
        """Return where blob *number* lies."""
        return f"{self._directory}/{number & 255:02x}/{number:x}"

    def place(self, body: Incoming, number: int) -> None:
        """Make the complete *body* the blob *number*."""
        shard = f"{number & 255:02x}"
        if shard not in self._made:
            os.makedirs(f"{self._directory}/{shard}", mode=0o700, exist_ok=True)
            self._made.add(shard)
        body.move_to(self.path(number))

    def incoming(self) -> Incoming:
        """Begin to receive a body."""
        return Incoming(f"{self._tmp}/{next(self._numbers)}")

    def remove(self, numbers: Iterable[int]) -> list[int]:
        """Remove blobs that no object names any more, and return which went at once."""
        gone = []
        for number in numbers:
            if number in self._pins:
                self._doomed.add(number)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(self.path(number))
                gone.append(number)
        return gone

    @contextmanager
    def pinned(self, segments: Iterable[Segment]) -> Iterator[None]:
        """Keep the blobs of *segments* readable inside the block."""
        numbers = {segment.blob for segment in segments}
        self._pins.update(numbers)
        try:
            yield
        finally:
            for number in numbers:
                self._pins[number] -= 1
                if not self._pins[number]:
                    del self._pins[number]
                    if number in self._doomed:
                        self._doomed.discard(number)
                        self.remove([number])

    def read(self, segments: Iterable[Segment], unit: int = READ_UNIT) -> Iterator[bytes]:
        """Yield the bytes of *segments* in pieces of up to *unit* bytes.

        Raises:
            EOFError: a file is shorter than the rows say.
        """
        for segment in segments:
            file = os.open(self.path(segment.blob), os.O_RDONLY | os.O_CLOEXEC)
            try:
                position, left = segment.start, segment.length
                while left:
                    data = os.pread(file, min(unit, left), position)
                    if not data:
                        raise EOFError(f"blob {segment.blob} ends at byte {position}, {left} bytes early")
                    position += len(data)
                    left -= len(data)
                    yield data
            finally:
                os.close(file)

    def read_all(self, segments: Iterable[Segment]) -> bytes:
        """Return the bytes of *segments* joined."""
        return b"".join(self.read(segments))
