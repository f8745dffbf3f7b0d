"""The staging directory as a place: private, with a reserve of free space, and only so many descriptors open."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from .options import WritingOptions

__all__ = ["Directory"]

_OPEN_FILES: Final = 192  # each has two descriptors, and 1024 is a common limit
_ALLOWANCE: Final = 64 << 20  # bytes that may be written before the disk is asked for its free space again


class Closable(Protocol):
    """Something with descriptors."""

    def close(self) -> None:
        """Let go of them; the next use takes them again."""


class Directory:
    """The directory of *options*, made if need be.

    Raises:
        OSError: It cannot be made, or not made private.
    """

    def __init__(self, options: WritingOptions) -> None:
        self.options: Final = options
        self.limits: Final = options.limits
        self.path: Final = options.directory
        self._opened: dict[Closable, None] = {}  # in the order in which their files were opened
        self._allowance = 0
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)

    def charge(self, stop: int, size: int) -> None:
        """Make sure that *size* more bytes, up to offset *stop* of a file, may be staged.

        Raises:
            OSError: ENOSPC, they would not leave the reserve free; EFBIG, no object is that big.
        """
        if stop > self.limits.max_object:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        self._allowance -= size
        if self._allowance < 0:
            self._allowance = 0
            disk = os.statvfs(self.path)
            spare = disk.f_bavail * disk.f_frsize - self.options.reserve
            if size > spare:
                raise OSError(errno.ENOSPC, "the staging disk is full", str(self.path))
            self._allowance = min(_ALLOWANCE, spare // 2, spare - size)

    def opened(self, file: Closable) -> None:
        """Note that *file* holds descriptors; whoever has held them longest lets go when there are too many."""
        self._opened.pop(file, None)
        self._opened[file] = None
        if len(self._opened) > _OPEN_FILES:
            eldest = next(iter(self._opened))
            del self._opened[eldest]
            eldest.close()

    def gone(self, file: Closable) -> None:
        """*file* is not used any more."""
        self._opened.pop(file, None)

    def sync(self) -> None:
        """Wait until the names of all files are on the disk.  May run in a thread."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Let go of all descriptors."""
        for file in self._opened:
            file.close()
        self._opened.clear()

    def __repr__(self) -> str:
        return f"<Directory {self.path} open={len(self._opened)}>"
