"""Listing keys with prefix, delimiter and marker, by jumping over what a common prefix stands for.

Rows come from a function that seeks: below a common prefix nothing is read but its first row, so that listing the top
of a bucket costs what is shown and not what is in it.  Pure.

Order and markers: API reference, GetBucket (ListObjects).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Keyed(Protocol):
    """A row that begins with its key."""

    @property
    def key(self) -> bytes:
        """The key in UTF-8."""


R = TypeVar("R", bound=Keyed)


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """What a listing shows: *rows* and *prefixes* in order; the *last* entry of either kind if more follow."""

    rows: list[R]
    prefixes: list[bytes]
    last: bytes | None


def successor(prefix: bytes) -> bytes | None:
    """Return the first byte string after all that begin with *prefix*, or None when nothing comes after them."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,)) if stem else None


def list_page(
    seek: Callable[[bytes], Iterator[R]], *, prefix: bytes, delimiter: bytes, start: bytes, limit: int
) -> Page[R]:
    """Return up to *limit* entries (limit > 0).

    *seek* yields the rows whose key is *start* or comes after it, in the order of bytes; `after_marker` gives the
    *start* for a marker.
    """
    rows: list[R] = []
    prefixes: list[bytes] = []
    last = b""
    position: bytes | None = max(start, prefix)
    while position is not None:
        for row in seek(position):
            key = row.key
            if not key.startswith(prefix):
                return Page(rows, prefixes, None)
            if len(rows) + len(prefixes) == limit:
                return Page(rows, prefixes, last)
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                last = key[: cut + len(delimiter)]
                prefixes.append(last)
                position = successor(last)
                break
            rows.append(row)
            last = key
        else:
            break
    return Page(rows, prefixes, None)


def after_marker(marker: bytes, *, prefix: bytes, delimiter: bytes) -> bytes:
    """Return where to go on after *marker*, which is exclusive and need not exist.

    A marker that is a common prefix stands for all below it: the page that ended with it is not to show it again.
    """
    if not marker:
        return b""
    cut = marker.find(delimiter, len(prefix)) if delimiter and marker.startswith(prefix) else -1
    if cut >= 0 and cut + len(delimiter) == len(marker):
        return successor(marker) or marker + b"\xff" * 1024
    return marker + b"\0"
