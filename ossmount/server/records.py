"""What the server remembers of buckets, objects, uploads and parts: plain values, and where their bytes lie.

An object's bytes are a list of segments, each a run of one immutable blob.  Completing a multipart upload, copying an
object or a range of one only writes new lists.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..wire.properties import Properties


class Segment(NamedTuple):
    """A run of *length* bytes of the blob numbered *blob*, from *start*."""

    blob: int
    start: int
    length: int


Segments = tuple[Segment, ...]


@lru_cache(maxsize=512)
def parse_segments(text: str) -> Segments:
    """Read what `format_segments` wrote."""
    return tuple(Segment(*numbers) for numbers in json.loads(text)) if text else ()


def format_segments(segments: Iterable[Segment]) -> str:
    """Write *segments* as text."""
    text = ",".join(f"[{s.blob},{s.start},{s.length}]" for s in segments)
    return f"[{text}]" if text else ""


def slice_segments(segments: Segments, start: int, stop: int) -> list[Segment]:
    """Return the segments that make up bytes *start* to *stop* (exclusive) of *segments*."""
    found = []
    position = 0
    for segment in segments:
        low = max(start - position, 0)
        high = min(stop - position, segment.length)
        if low < high:
            found.append(Segment(segment.blob, segment.start + low, high - low))
        position += segment.length
        if position >= stop:
            break
    return found


def join_segments(segments: Iterable[Segment]) -> list[Segment]:
    """Merge neighbours that adjoin in the same blob, so that an object edited again and again stays in few pieces."""
    joined: list[Segment] = []
    for segment in segments:
        last = joined[-1] if joined else None
        if last is not None and last.blob == segment.blob and last.start + last.length == segment.start:
            joined[-1] = Segment(last.blob, last.start, last.length + segment.length)
        elif segment.length:
            joined.append(segment)
    return joined


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRecord:
    """A bucket; *created* in seconds since the epoch, *versioning* empty until it was first switched on."""

    id: int
    name: str
    created: int
    acl: str = "private"
    storage_class: str = "Standard"
    redundancy: str = "LRS"
    versioning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRecord:
    """An object; *modified* in whole seconds since the epoch, *target* the key a symbolic link points to.

    *serial* is its place among the versions of all objects; that of a version called null is negative, or 0 if it was
    written before there were any.
    """

    key: str
    size: int
    etag: str
    crc64: int
    type: str
    modified: int
    properties: Properties
    segments: str = ""
    target: str | None = None
    serial: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRecord:
    """A multipart upload that has begun."""

    id: str
    bucket: int
    key: str
    initiated: int
    properties: Properties


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecord:
    """A part of an upload."""

    number: int
    size: int
    etag: str
    crc64: int
    modified: int
    segments: str


class Summary(NamedTuple):
    """A row of a listing, in the order the table has its columns."""

    key: bytes
    size: int
    etag: str
    type: str
    modified: int
    storage_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How full a bucket is: bytes and objects by storage class, uploads under way, last change."""

    by_class: Mapping[str, tuple[int, int]]
    uploads: int
    modified: int

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return sum(size for size, _ in self.by_class.values())

    @property
    def count(self) -> int:
        """Number of objects."""
        return sum(count for _, count in self.by_class.values())
