"""Multipart uploads as rows: begun, filled part by part, completed into an object or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..wire.properties import Properties
from .database import signed, unsigned
from .listing import Page, after_marker, list_page
from .records import BucketRecord, ObjectRecord, PartRecord, Segment, UploadRecord, format_segments, parse_segments
from .rows import dump, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .blobs import Incoming
    from .store import Store


class UploadRow(NamedTuple):
    """A row of a listing of uploads."""

    key: bytes
    id: str
    initiated: int
    storage_class: str


class Uploads:
    """The uploads under way in *store*."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._execute = store.database.execute

    def begin(self, bucket: BucketRecord, key: str, number: str, properties: Properties) -> None:
        """Begin the upload *number*."""
        with self._store.transaction():
            self._execute(
                "INSERT INTO uploads(bucket, key, id, initiated, storage_class, acl, headers, meta, tags) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    bucket.id,
                    key.encode(),
                    number,
                    int(self._store.clock()),
                    properties.storage_class,
                    properties.acl,
                    dump(properties.headers),
                    dump(properties.meta),
                    dump(properties.tags),
                ),
            )

    def find(self, bucket: BucketRecord, key: str, number: str) -> UploadRecord | None:
        """Return the upload *number* for *key*, if it is under way."""
        row = self._execute(
            "SELECT initiated, storage_class, acl, headers, meta, tags FROM uploads "
            "WHERE bucket = ? AND key = ? AND id = ?",
            (bucket.id, key.encode(), number),
        ).fetchone()
        if row is None:
            return None
        properties = Properties(
            storage_class=row[1], acl=row[2], headers=load(row[3]), meta=load(row[4]), tags=load(row[5])
        )
        return UploadRecord(id=number, bucket=bucket.id, key=key, initiated=row[0], properties=properties)

    def put_part(self, upload: UploadRecord, number: int, body: Incoming) -> PartRecord:
        """Make *body* the part *number*, in the place of an earlier one."""
        with self._store.transaction():
            segments = [self._store.place(body)] if body.size else []
            return self._write(upload, number, body.size, body.etag, body.crc64, segments)

    def copy_part(
        self, upload: UploadRecord, number: int, segments: Sequence[Segment], *, etag: str, crc64: int
    ) -> PartRecord:
        """Make the bytes of *segments* the part *number*."""
        with self._store.transaction():
            self._store.database.hold(segments)
            return self._write(upload, number, sum(s.length for s in segments), etag, crc64, segments)

    def _write(
        self, upload: UploadRecord, number: int, size: int, etag: str, crc64: int, segments: Sequence[Segment]
    ) -> PartRecord:
        old = self._execute(
            "SELECT segments FROM parts WHERE upload = ? AND number = ?", (upload.id, number)
        ).fetchone()
        part = PartRecord(
            number=number,
            size=size,
            etag=etag,
            crc64=crc64,
            modified=int(self._store.clock()),
            segments=format_segments(segments),
        )
        self._execute(
            "INSERT OR REPLACE INTO parts(upload, number, size, etag, crc64, modified, segments) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (upload.id, number, size, etag, signed(crc64), part.modified, part.segments),
        )
        if old is not None:
            self._store.database.release(parse_segments(old[0]))
        return part

    def parts(self, upload: UploadRecord, after: int = 0, limit: int = -1) -> list[PartRecord]:
        """Return the parts of *upload* with a number above *after*, at most *limit* of them (-1: all)."""
        rows = self._execute(
            "SELECT number, size, etag, crc64, modified, segments FROM parts WHERE upload = ? AND number > ? "
            "ORDER BY number LIMIT ?",
            (upload.id, after, limit),
        )
        return [
            PartRecord(
                number=row[0], size=row[1], etag=row[2], crc64=unsigned(row[3]), modified=row[4], segments=row[5]
            )
            for row in rows
        ]

    def complete(self, bucket: BucketRecord, upload: UploadRecord, record: ObjectRecord) -> ObjectRecord:
        """Make *record*, whose segments are those of parts of *upload*, the object of its key, and end the upload."""
        with self._store.transaction():
            old = self._store.find(bucket, record.key)
            self._store.database.hold(parse_segments(record.segments))
            record = self._store.write(bucket, record, old)
            self._end(upload)
        return record

    def abort(self, upload: UploadRecord) -> None:
        """Drop *upload* and its parts."""
        with self._store.transaction():
            self._end(upload)

    def _end(self, upload: UploadRecord) -> None:
        for (segments,) in self._execute("SELECT segments FROM parts WHERE upload = ?", (upload.id,)).fetchall():
            self._store.database.release(parse_segments(segments))
        self._execute("DELETE FROM parts WHERE upload = ?", (upload.id,))
        self._execute("DELETE FROM uploads WHERE id = ?", (upload.id,))

    def list_uploads(
        self, bucket: BucketRecord, *, prefix: str, key_marker: str, id_marker: str, delimiter: str, limit: int
    ) -> Page[UploadRow]:
        """Return a page of the uploads in *bucket* by key and number.

        Both markers are exclusive; *id_marker* counts only with a *key_marker*, whose later uploads are then shown.
        """
        marked = key_marker.encode()

        def seek(start: bytes) -> Iterator[UploadRow]:
            query = (
                "SELECT key, id, initiated, storage_class FROM uploads WHERE bucket = ? AND (key, id) > (?, ?) "
                "ORDER BY key, id"
            )
            resumed = id_marker if start == marked and id_marker else ""
            return map(UploadRow._make, self._execute(query, (bucket.id, start, resumed)))

        first, split = prefix.encode(), delimiter.encode()
        start = marked if id_marker else after_marker(marked, prefix=first, delimiter=split)
        return list_page(seek, prefix=first, delimiter=split, start=start, limit=limit)
