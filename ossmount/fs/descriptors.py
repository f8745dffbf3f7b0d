"""What can be done with something that is open, by whoever opened it: the verbs by handle.

There are two kinds of files behind a handle: those that are objects, here, and those that the service makes while
they are read (`pictures`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import trio

from ..wire.errors import IntegrityError

if TYPE_CHECKING:
    from .files import OpenFile


class Descriptor(Protocol):
    """Something that is open."""

    async def read(self, fh: int, offset: int, size: int) -> bytes:
        """Read; see pread(2).  *fh* is the handle's number."""

    async def write(self, offset: int, data: bytes) -> int:
        """Write; see pwrite(2)."""

    async def flush(self, *, waits: bool) -> None:
        """A descriptor is closed; see close(2).  With *waits* the bucket has what was written when this returns."""

    async def fsync(self) -> None:
        """Wait until the file is in the bucket; see fsync(2)."""

    def commit(self) -> None:
        """Log what was written."""

    def release(self, fh: int) -> None:
        """The last descriptor of the handle is closed, or the last page mapped from it gone."""


@dataclass(slots=True, eq=False)
class FileDescriptor:
    """A file that is open, for writing or not."""

    file: OpenFile
    is_writer: bool
    damage: str = ""

    async def read(self, fh: int, offset: int, size: int) -> bytes:
        """Read; see pread(2).

        Raises:
            IntegrityError: what was read before, or is to be read, is damaged; from then on always.  The kernel keeps
                the error of what it reads ahead to itself and asks again, and a program would never hear of it.
        """
        if self.damage:
            raise IntegrityError(self.damage)
        while True:
            try:
                return await self.file.read(fh, offset, size)
            except trio.ClosedResourceError:
                # Another read of this handle found that an upload or a rename has moved the clean bytes.
                if self.file.rooms.reading.closed:
                    raise
            except IntegrityError as exc:
                self.damage = str(exc)
                raise

    async def write(self, offset: int, data: bytes) -> int:
        """Write; see pwrite(2)."""
        return await self.file.write(offset, data)

    async def flush(self, *, waits: bool) -> None:
        """Log what was written.  Shells close duplicates before they write: then there is nothing to do."""
        if not self.is_writer or self.file.is_blank:
            return
        intent = self.file.commit()
        if intent is not None and waits:
            await self.file.rooms.executor.wait(intent)

    async def fsync(self) -> None:
        """Wait until the file is in the bucket."""
        file = self.file
        if file.error is not None:
            raise file.error
        file.commit()
        await file.rooms.settle(file.node)

    def commit(self) -> None:
        """Log what was written, if this handle can write."""
        if self.is_writer:
            self.file.commit()

    def release(self, fh: int) -> None:
        """Let go of the file; the last who wrote it commits it."""
        try:
            if self.is_writer and self.file.writers == 1:
                self.file.commit()
        except OSError:
            self.file.rooms.changes.unlogged.add(self.file)
            raise
        finally:
            self.file.released(fh, writing=self.is_writer)
