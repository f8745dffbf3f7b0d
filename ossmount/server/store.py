"""Buckets and objects as rows and blobs: what the operations of the server do, without HTTP.

Every method does its work in one transaction and returns when it is durable against a crash of the process; nothing of
it waits, so inside the event loop each is atomic.  Names, limits and rights are the callers' business.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ..wire.checksums import crc64, crc64_combine
from .database import Database, signed, unsigned
from .listing import Page, after_marker, list_page
from .records import (
    BucketRecord,
    ObjectRecord,
    Segment,
    Summary,
    Usage,
    format_segments,
    join_segments,
    parse_segments,
    slice_segments,
)
from .rows import OBJECT, SUMMARY, dump, read_object
from .settings import Settings
from .versions import Versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ..wire.properties import Properties
    from .blobs import Incoming


class Store:
    """The buckets in *directory*; *clock* gives seconds since the epoch.

    What is acknowledged survives a crash of the process; not *lasting*, it need not survive one of the machine, nor
    leave a database behind that can be read.

    Raises:
        BlockingIOError: another server uses the directory.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time, *, lasting: bool = True) -> None:
        self.clock = clock
        self.database = Database(directory, lasting=lasting)
        self.blobs = self.database.blobs
        self._execute = self.database.execute
        self._buckets: dict[str, BucketRecord] = {}
        # Bytes, objects and last change by storage class, of the buckets somebody asked about.
        self._usages: dict[int, dict[str, tuple[int, int, int]]] = {}
        for row in self._execute("SELECT id, name, created, acl, storage_class, redundancy, versioning FROM buckets"):
            record = BucketRecord(
                id=row[0],
                name=row[1],
                created=row[2],
                acl=row[3],
                storage_class=row[4],
                redundancy=row[5],
                versioning=row[6],
            )
            self._buckets[record.name] = record
        self.versions = Versions(self)
        self.settings = Settings(self.database)

    def __repr__(self) -> str:
        return f"<Store {len(self._buckets)} buckets>"

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Carry the block out wholly or not at all."""
        try:
            with self.database.transaction():
                yield
        except BaseException:
            self._usages.clear()
            raise

    # Buckets

    def bucket(self, name: str) -> BucketRecord | None:
        """Return the bucket called *name*, if there is one."""
        return self._buckets.get(name)

    def buckets(self) -> list[BucketRecord]:
        """Return all buckets by name."""
        return [self._buckets[name] for name in sorted(self._buckets)]

    def put_bucket(
        self, name: str, *, acl: str | None = None, storage_class: str | None = None, redundancy: str | None = None
    ) -> BucketRecord:
        """Make the bucket *name*, or change what is given of one that is there."""
        old = self._buckets.get(name)
        record = BucketRecord(
            id=old.id if old else 0,
            name=name,
            created=old.created if old else int(self.clock()),
            acl=acl or (old.acl if old else "private"),
            storage_class=storage_class or (old.storage_class if old else "Standard"),
            redundancy=redundancy or (old.redundancy if old else "LRS"),
        )
        with self.transaction():
            number = self._execute(
                "INSERT INTO buckets(name, created, acl, storage_class, redundancy) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT(name) DO UPDATE SET acl = excluded.acl, storage_class = excluded.storage_class, "
                "redundancy = excluded.redundancy "
                "RETURNING id",
                (name, record.created, record.acl, record.storage_class, record.redundancy),
            ).fetchall()[0][0]
        record = replace(record, id=number, versioning=old.versioning if old else "")
        self._buckets[name] = record
        return record

    def set_versioning(self, bucket: BucketRecord, status: str) -> None:
        """Switch versions of *bucket* on (``Enabled``) or keep it from making more (``Suspended``)."""
        with self.transaction():
            self._execute("UPDATE buckets SET versioning = ? WHERE id = ?", (status, bucket.id))
        self._buckets[bucket.name] = replace(bucket, versioning=status)

    def delete_bucket(self, bucket: BucketRecord) -> None:
        """Remove an empty bucket and its settings."""
        with self.transaction():
            self._execute("DELETE FROM restores WHERE bucket = ?", (bucket.id,))
            self._execute("DELETE FROM settings WHERE bucket = ?", (bucket.id,))
            self._execute("DELETE FROM buckets WHERE id = ?", (bucket.id,))
        self.settings.forget(bucket)
        del self._buckets[bucket.name]

    def is_empty(self, bucket: BucketRecord) -> bool:
        """Tell whether *bucket* has neither objects, versions of such, nor uploads under way."""
        return not any(
            self._execute(f"SELECT 1 FROM {table} WHERE bucket = ? LIMIT 1", (bucket.id,)).fetchone()  # noqa: S608
            for table in ("objects", "versions", "uploads")
        )

    def usage(self, bucket: BucketRecord) -> Usage:
        """Add up what is in *bucket*."""
        if bucket.id not in self._usages:
            self._usages[bucket.id] = {
                name: (size, number, latest)
                for name, size, number, latest in self._execute(
                    "SELECT storage_class, sum(size), count(*), max(modified) FROM "
                    "(SELECT storage_class, size, modified FROM objects WHERE bucket = ?1 UNION ALL "
                    "SELECT storage_class, size, modified FROM versions WHERE bucket = ?1 AND marker = 0) "
                    "GROUP BY storage_class",
                    (bucket.id,),
                )
            }
        rows = self._usages[bucket.id]
        (uploads,) = self._execute("SELECT count(*) FROM uploads WHERE bucket = ?", (bucket.id,)).fetchone()
        return Usage(
            by_class={name: (size, number) for name, (size, number, _) in rows.items() if number},
            uploads=uploads,
            modified=max((latest for _, _, latest in rows.values()), default=bucket.created),
        )

    def account(self, bucket: BucketRecord, storage_class: str, size: int, number: int, modified: int = 0) -> None:
        """Add *number* objects of *size* bytes altogether to the usage of *bucket*, if anybody ever asked for it."""
        usage = self._usages.get(bucket.id)
        if usage is not None:
            old_size, old_number, latest = usage.get(storage_class, (0, 0, 0))
            usage[storage_class] = (old_size + size, old_number + number, max(latest, modified))

    # Objects

    def find(self, bucket: BucketRecord, key: str) -> ObjectRecord | None:
        """Return the object *key*, if there is one."""
        row = self._execute(
            f"SELECT {OBJECT} FROM objects WHERE bucket = ? AND key = ?",  # noqa: S608
            (bucket.id, key.encode()),
        ).fetchone()
        return None if row is None else read_object(key, row)

    def exists(self, bucket: BucketRecord, key: str) -> bool:
        """Tell whether there is an object *key*."""
        query = "SELECT 1 FROM objects WHERE bucket = ? AND key = ?"
        return self._execute(query, (bucket.id, key.encode())).fetchone() is not None

    def list_objects(
        self, bucket: BucketRecord, *, prefix: str, marker: str, delimiter: str, limit: int
    ) -> Page[Summary]:
        """Return a page of *bucket*; *marker* is exclusive."""

        def seek(start: bytes) -> Iterator[Summary]:
            query = f"SELECT {SUMMARY} FROM objects WHERE bucket = ? AND key >= ? ORDER BY key"  # noqa: S608
            return map(Summary._make, self._execute(query, (bucket.id, start)))

        first, split = prefix.encode(), delimiter.encode()
        start = after_marker(marker.encode(), prefix=first, delimiter=split)
        return list_page(seek, prefix=first, delimiter=split, start=start, limit=limit)

    def place(self, body: Incoming) -> Segment:
        """Make the complete *body* a blob, inside a transaction, and return the segment that names it."""
        number = self.database.new_blob(body.size, body.crc64)
        self.blobs.place(body, number)
        return Segment(number, 0, body.size)

    def write(
        self, bucket: BucketRecord, record: ObjectRecord, old: ObjectRecord | None, *, appended: bool = False
    ) -> ObjectRecord:
        """Put the row of *record* in the place of *old*, inside a transaction; its segments are held already.

        With versions *old* goes aside, unless it was *appended* to; the record that is returned knows which version it
        is.
        """
        if bucket.versioning:
            record, old = self.versions.make_room(bucket, record, old, appended=appended)
        properties = record.properties
        self._execute(
            f"INSERT OR REPLACE INTO objects(bucket, {OBJECT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (
                bucket.id,
                record.key.encode(),
                record.size,
                record.etag,
                record.type,
                record.modified,
                properties.storage_class,
                signed(record.crc64),
                properties.acl,
                dump(properties.headers),
                dump(properties.meta),
                dump(properties.tags),
                record.target,
                record.segments,
                record.serial,
            ),
        )
        self.account(bucket, properties.storage_class, record.size, 1, record.modified)
        if old is not None:
            self.account(bucket, old.properties.storage_class, -old.size, -1)
            self.database.release(parse_segments(old.segments))
        return record

    def put(self, bucket: BucketRecord, key: str, body: Incoming, properties: Properties) -> ObjectRecord:
        """Make *body* the object *key*, in the place of whatever was there."""
        with self.transaction():
            old = self.find(bucket, key)
            record = ObjectRecord(
                key=key,
                size=body.size,
                etag=body.etag,
                crc64=body.crc64,
                type="Normal",
                modified=int(self.clock()),
                properties=properties,
                segments=format_segments([self.place(body)]) if body.size else "",
            )
            return self.write(bucket, record, old)

    def put_record(self, bucket: BucketRecord, record: ObjectRecord) -> ObjectRecord:
        """Make *record*, whose bytes are those of another object or none, the object of its key."""
        with self.transaction():
            old = self.find(bucket, record.key)
            self.database.hold(parse_segments(record.segments))
            return self.write(bucket, record, old)

    def append(
        self,
        bucket: BucketRecord,
        old: ObjectRecord | None,
        key: str,
        body: Incoming,
        properties: Properties,
        etag: str,
    ) -> ObjectRecord:
        """Append *body* to the appendable object *old*, or begin one."""
        with self.transaction():
            size = old.size if old else 0
            segments = list(parse_segments(old.segments)) if old else []
            tail = segments[-1] if segments else None
            if not body.size:
                pass
            elif tail is None or not self._ends(tail):
                segments.append(self.place(body))
            else:
                # Only this object can make the blob longer: a copy of an appendable object is a normal one.
                body.append_to(self.blobs.path(tail.blob), tail.start + tail.length)
                segments[-1] = Segment(tail.blob, tail.start, tail.length + body.size)
                self._execute(
                    "UPDATE blobs SET size = ?, crc64 = ? WHERE id = ?",
                    (segments[-1].length, signed(self._extended(tail, body)), tail.blob),
                )
            record = ObjectRecord(
                key=key,
                size=size + body.size,
                etag=etag,
                crc64=crc64_combine(old.crc64 if old else 0, body.crc64, body.size),
                type="Appendable",
                modified=int(self.clock()),
                properties=properties,
                segments=format_segments(segments),
                serial=old.serial if old else 0,
            )
            if old is not None:
                self.database.hold(parse_segments(old.segments))
            return self.write(bucket, record, old, appended=True)

    def _ends(self, tail: Segment) -> bool:
        """Tell whether *tail* ends where its blob does; a version that came back may know of less."""
        (size,) = self._execute("SELECT size FROM blobs WHERE id = ?", (tail.blob,)).fetchone()
        return tail.start + tail.length == int(size)

    def _extended(self, tail: Segment, body: Incoming) -> int:
        (crc,) = self._execute("SELECT crc64 FROM blobs WHERE id = ?", (tail.blob,)).fetchone()
        return crc64_combine(unsigned(crc), body.crc64, body.size)

    def delete(self, bucket: BucketRecord, keys: Iterable[str]) -> list[int]:
        """Remove the objects *keys*, those that are there, all at once.

        With versions a delete marker goes on top of each; their serials are returned.
        """
        if bucket.versioning:
            with self.transaction():
                return [self.versions.mark(bucket, key) for key in keys]
        with self.transaction():
            for key in keys:
                rows = self._execute(
                    "DELETE FROM objects WHERE bucket = ? AND key = ? RETURNING segments, size, storage_class",
                    (bucket.id, key.encode()),
                ).fetchall()
                for segments, size, storage_class in rows:
                    self.account(bucket, storage_class, -size, -1)
                    self.database.release(parse_segments(segments))
        return []

    def set_acl(self, bucket: BucketRecord, record: ObjectRecord, acl: str) -> None:
        """Change the access control of an object, and with it its time."""
        with self.transaction():
            self._update(bucket, record, "acl = ?, modified = ?", acl, int(self.clock()))

    def set_tags(self, bucket: BucketRecord, record: ObjectRecord, tags: Mapping[str, str]) -> None:
        """Change the tags of an object; its time stays."""
        with self.transaction():
            self._update(bucket, record, "tags = ?", dump(tags))

    def set_storage_class(self, bucket: BucketRecord, record: ObjectRecord, storage_class: str) -> None:
        """Move an object to another storage class; its time stays."""
        with self.transaction():
            self._update(bucket, record, "storage_class = ?", storage_class)
            self.account(bucket, record.properties.storage_class, -record.size, -1)
            self.account(bucket, storage_class, record.size, 1, record.modified)

    def _update(self, bucket: BucketRecord, record: ObjectRecord, what: str, *values: object) -> None:
        """Change columns of the row of *record*, be it the newest version or another."""
        for table in ("objects", "versions") if bucket.versioning else ("objects",):
            self._execute(
                f"UPDATE {table} SET {what} WHERE bucket = ? AND key = ? AND serial = ?",  # noqa: S608
                (*values, bucket.id, record.key.encode(), record.serial),
            )

    # Bytes

    def cut(self, record: ObjectRecord, start: int, stop: int) -> list[Segment]:
        """Return the segments of bytes *start* to *stop* (exclusive) of *record*."""
        return slice_segments(parse_segments(record.segments), start, stop)

    def join(self, segments: Iterable[Segment]) -> str:
        """Write segments for a row, neighbours merged."""
        return format_segments(join_segments(segments))

    def known_crc64(self, segments: Sequence[Segment]) -> list[int | None]:
        """Return the CRC-64 of each of *segments* that is a whole blob, and None for the others."""
        found: list[int | None] = []
        for segment in segments:
            size, crc = self._execute("SELECT size, crc64 FROM blobs WHERE id = ?", (segment.blob,)).fetchone()
            found.append(unsigned(crc) if segment.start == 0 and segment.length == size else None)
        return found

    def read_crc64(self, segments: Sequence[Segment], known: Sequence[int | None]) -> int:
        """Return the CRC-64 of *segments* joined, reading those whose own is not *known*; may run in a thread."""
        whole = 0
        for segment, crc in zip(segments, known, strict=True):
            if crc is None:
                crc = 0
                for data in self.blobs.read([segment]):
                    crc = crc64(data, crc)
            whole = crc64_combine(whole, crc, segment.length)
        return whole
