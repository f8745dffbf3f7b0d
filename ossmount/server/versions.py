"""Versions of objects as rows: what was written over or deleted in a bucket that keeps versions.

The newest version of an object lies where all objects do; the table here holds the others, and delete markers.  An
object is deleted when its newest entry here is a marker and none lies there.  Every version has a serial that grows
with time, so its id alone tells its place, even when it is gone; that of a version called null is negative.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import md5
from heapq import merge
from typing import TYPE_CHECKING, NamedTuple

from ..wire.versions import NULL
from .listing import Page, after_marker, list_page
from .records import BucketRecord, ObjectRecord, parse_segments
from .rows import OBJECT, SUMMARY, read_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .store import Store

# Higher than any serial: the place of the version that lies among the objects.
_TOP = 1 << 62
_ROW = f"{SUMMARY}, serial"


class VersionRow(NamedTuple):
    """A row of a listing of versions."""

    key: bytes
    size: int
    etag: str
    type: str
    modified: int
    storage_class: str
    serial: int
    place: int
    marker: int
    latest: bool


@dataclass(frozen=True, slots=True)
class Removed:
    """A version that was removed, or a delete marker (*marker*)."""

    serial: int
    marker: bool


def version_id(serial: int) -> str:
    """Return the id of the version with *serial*."""
    return f"CAEQ{serial:012X}{_seal(serial)}" if serial > 0 else NULL


def parse_version_id(text: str) -> int | None:
    """Return the serial of the version called *text*, a positive one; 0 stands for the one called null.

    None, when no version was ever called so.
    """
    if text == NULL:
        return 0
    digits = text[4:16]
    try:
        serial = int(digits, 16)
    except ValueError:
        return None
    return serial if serial > 0 and text == version_id(serial) else None


def _seal(serial: int) -> str:
    return md5(b"version %d" % serial, usedforsecurity=False).hexdigest()[:16].upper()


class Versions:
    """The versions of *store* that are not the newest, and delete markers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._execute = store.database.execute

    # Changes, all inside a transaction of the store

    def make_room(
        self, bucket: BucketRecord, record: ObjectRecord, old: ObjectRecord | None, *, appended: bool
    ) -> tuple[ObjectRecord, ObjectRecord | None]:
        """Put *old* aside for *record*, and return *record* with its serial, and what is not kept of *old*."""
        if appended and old is not None:
            return replace(record, serial=old.serial), old
        number = self._store.database.count("versions")
        if bucket.versioning == "Enabled" and not appended:
            record = replace(record, serial=number)
            if old is not None:
                self._put_aside(bucket, old)
            return record, None
        # Of the version called null there is but one.
        self._drop_null(bucket, record.key)
        if old is not None and old.serial > 0:
            self._put_aside(bucket, old)
            old = None
        return replace(record, serial=-number), old

    def mark(self, bucket: BucketRecord, key: str) -> int:
        """Put a delete marker on top of *key* and return its serial."""
        old = self._store.find(bucket, key)
        serial = self._store.database.count("versions")
        if bucket.versioning != "Enabled":
            serial = -serial
            self._drop_null(bucket, key)
        if old is not None:
            if serial < 0 and old.serial <= 0:
                self._remove_newest(bucket, old)
            else:
                self._put_aside(bucket, old)
                self._execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket.id, key.encode()))
        self._execute(
            f"INSERT INTO versions(bucket, {OBJECT}, place, marker) VALUES "  # noqa: S608
            "(?, ?, 0, '', 'Normal', ?, '', 0, '', '', '', '', NULL, '', ?, ?, 1)",
            (bucket.id, key.encode(), int(self._store.clock()), serial, abs(serial)),
        )
        return serial

    def remove(self, bucket: BucketRecord, key: str, serial: int) -> Removed | None:
        """Remove the version *serial* (0: the one called null) of *key* for good; the next one comes back to light."""
        newest = self._store.find(bucket, key)
        if newest is not None and _is(newest.serial, serial):
            self._remove_newest(bucket, newest)
            self._promote(bucket, key)
            return Removed(newest.serial, marker=False)
        where, values = self._where(bucket, key, serial)
        row = self._execute(
            f"DELETE FROM versions WHERE {where} RETURNING serial, marker, size, storage_class, segments",  # noqa: S608
            values,
        ).fetchall()
        if not row:
            return None
        found, marker, size, storage_class, segments = row[0]
        if not marker:
            self._store.account(bucket, storage_class, -size, -1)
            self._store.database.release(parse_segments(segments))
        if newest is None:
            self._promote(bucket, key)
        return Removed(found, marker=bool(marker))

    def _remove_newest(self, bucket: BucketRecord, record: ObjectRecord) -> None:
        self._execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket.id, record.key.encode()))
        self._store.account(bucket, record.properties.storage_class, -record.size, -1)
        self._store.database.release(parse_segments(record.segments))

    def _put_aside(self, bucket: BucketRecord, old: ObjectRecord) -> None:
        self._execute(
            f"INSERT INTO versions(bucket, {OBJECT}, place, marker) "  # noqa: S608
            f"SELECT bucket, {OBJECT}, abs(serial), 0 FROM objects WHERE bucket = ? AND key = ?",
            (bucket.id, old.key.encode()),
        )

    def _drop_null(self, bucket: BucketRecord, key: str) -> None:
        rows = self._execute(
            "DELETE FROM versions WHERE bucket = ? AND key = ? AND serial <= 0 "
            "RETURNING marker, size, storage_class, segments",
            (bucket.id, key.encode()),
        ).fetchall()
        for marker, size, storage_class, segments in rows:
            if not marker:
                self._store.account(bucket, storage_class, -size, -1)
                self._store.database.release(parse_segments(segments))

    def _promote(self, bucket: BucketRecord, key: str) -> None:
        """Make the newest of the versions that are left the object, unless it is a delete marker."""
        row = self._execute(
            "SELECT place, marker FROM versions WHERE bucket = ? AND key = ? ORDER BY place DESC LIMIT 1",
            (bucket.id, key.encode()),
        ).fetchone()
        if row is not None and not row[1]:
            which = (bucket.id, key.encode(), row[0])
            self._execute(
                f"INSERT INTO objects(bucket, {OBJECT}) SELECT bucket, {OBJECT} FROM versions "  # noqa: S608
                "WHERE bucket = ? AND key = ? AND place = ?",
                which,
            )
            self._execute("DELETE FROM versions WHERE bucket = ? AND key = ? AND place = ?", which)

    # Questions

    def find(self, bucket: BucketRecord, key: str, serial: int) -> ObjectRecord | Removed | None:
        """Return the version *serial* (0: the one called null) of *key*: an object, a delete marker, or None."""
        newest = self._store.find(bucket, key)
        if newest is not None and _is(newest.serial, serial):
            return newest
        where, values = self._where(bucket, key, serial)
        row = self._execute(f"SELECT {OBJECT}, marker FROM versions WHERE {where}", values).fetchone()  # noqa: S608
        if row is None:
            return None
        return Removed(row[13], marker=True) if row[14] else read_object(key, row)

    def newest_marker(self, bucket: BucketRecord, key: str) -> int | None:
        """Return the serial of the delete marker that hides *key*, of which no object is there; None without one."""
        row = self._execute(
            "SELECT serial FROM versions WHERE bucket = ? AND key = ? AND marker = 1 ORDER BY place DESC LIMIT 1",
            (bucket.id, key.encode()),
        ).fetchone()
        return None if row is None else int(row[0])

    def count_markers(self, bucket: BucketRecord) -> int:
        """Return how many delete markers there are in *bucket*."""
        query = "SELECT count(*) FROM versions WHERE bucket = ? AND marker = 1"
        return int(self._execute(query, (bucket.id,)).fetchone()[0])

    def list_versions(
        self, bucket: BucketRecord, *, prefix: str, key_marker: str, id_marker: str, delimiter: str, limit: int
    ) -> Page[VersionRow]:
        """Return a page of all versions in *bucket*: by key, and of each the newest first; both markers are exclusive.

        With *id_marker* the versions of *key_marker* that are older are shown, too.
        """
        marked = key_marker.encode()
        serial = parse_version_id(id_marker) if id_marker else None
        below = _TOP + 1
        if serial:
            below = serial
        elif serial == 0:
            below = self._place_of_null(bucket, key_marker)

        def seek(start: bytes) -> Iterator[VersionRow]:
            last = None
            for row in merge(self._newest(bucket, start), self._others(bucket, start), key=_order):
                latest, last = row.key != last, row.key
                if row.key != marked or not id_marker or row.place < below:
                    yield row._replace(latest=latest)

        first, split = prefix.encode(), delimiter.encode()
        start = marked if id_marker else after_marker(marked, prefix=first, delimiter=split)
        return list_page(seek, prefix=first, delimiter=split, start=start, limit=limit)

    def _newest(self, bucket: BucketRecord, start: bytes) -> Iterator[VersionRow]:
        query = f"SELECT {_ROW} FROM objects WHERE bucket = ? AND key >= ? ORDER BY key"  # noqa: S608
        for row in self._execute(query, (bucket.id, start)):
            yield VersionRow._make((*row, abs(row[6]), 0, True))

    def _others(self, bucket: BucketRecord, start: bytes) -> Iterator[VersionRow]:
        query = (
            f"SELECT {_ROW}, place, marker FROM versions WHERE bucket = ? AND key >= ? "  # noqa: S608
            "ORDER BY key, place DESC"
        )
        for row in self._execute(query, (bucket.id, start)):
            yield VersionRow._make((*row, False))

    def _place_of_null(self, bucket: BucketRecord, key: str) -> int:
        found = self.find(bucket, key, 0)
        # If it is gone, nobody knows where it was: all that are left are shown.
        return _TOP + 1 if found is None else abs(found.serial)

    def _where(self, bucket: BucketRecord, key: str, serial: int) -> tuple[str, tuple[object, ...]]:
        if serial > 0:
            return "bucket = ? AND key = ? AND place = ? AND serial > 0", (bucket.id, key.encode(), serial)
        return "bucket = ? AND key = ? AND serial <= 0", (bucket.id, key.encode())


def _is(serial: int, wanted: int) -> bool:
    return serial == wanted if wanted > 0 else serial <= 0


def _order(row: VersionRow) -> tuple[bytes, int]:
    return row.key, -row.place
