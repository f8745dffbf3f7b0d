"""What goes between the kernel and the filesystem: who asks for what, and numbers for what is open."""

from __future__ import annotations

import errno
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ..tree.inodes import Node

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """What setattr is to change; None leaves it alone.  Times are nanoseconds, *mode* the permission bits."""

    size: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime_ns: int | None = None
    atime_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A file was opened: its handle, and whether the pages that the kernel holds of it are still its bytes."""

    fh: int
    keep_cache: bool
    has_changed: bool


@dataclass(slots=True, eq=False)
class DirectoryHandle:
    """A directory that is being read: a snapshot of its entries, made when reading begins."""

    node: Node
    entries: list[tuple[bytes, Node]] = field(default_factory=list)


class Handles(Generic[T]):
    """A table of handles by number."""

    def __init__(self) -> None:
        self._by_number: dict[int, T] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._by_number)

    def add(self, handle: T) -> int:
        """Enter *handle* and return its number."""
        number = next(self._numbers)
        self._by_number[number] = handle
        return number

    def __getitem__(self, number: int) -> T:
        """Return the handle *number*.

        Raises:
            OSError: EBADF, there is none.
        """
        try:
            return self._by_number[number]
        except KeyError:
            raise OSError(errno.EBADF, "no such handle", str(number)) from None

    def pop(self, number: int) -> T | None:
        """Take the handle *number* out; None if there is none."""
        return self._by_number.pop(number, None)

    def values(self) -> list[T]:
        """Return all handles."""
        return list(self._by_number.values())
