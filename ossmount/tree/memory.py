"""What HEAD once said, kept across restarts, so that a listing is enough to know the owner, mode and exact time
again.

LIST shows ETag and Last-Modified, and any change of an object's metadata changes one of them; so what was remembered
for ``(key, ETag, Last-Modified)`` is still true when a listing shows the same.  Losing this file costs requests and
nothing else.

Two changes within a second look the same in a listing.  So what was learnt is not written before it has stood for
longer than that: of two such changes a crash leaves neither.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from typing import TYPE_CHECKING

from .beliefs import Remembered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..wire.models import ObjectSummary
    from .inodes import Node

log = logging.getLogger(__name__)

_LIMIT = 1_000_000  # rows; about 300 MB
_RIPE = 2.0  # seconds after which no change can be taken for another


class Memory:
    """The remembered metadata, in a SQLite file that may be deleted at any time.

    Writes are gathered and go to the file now and then, and at the end.
    """

    def __init__(self, path: Path | None) -> None:
        """Open or make the file at *path*; None remembers nothing."""
        self._fresh: dict[str, tuple[str, float, str]] = {}  # learnt since `_begun`
        self._ripening: dict[str, tuple[str, float, str]] = {}  # learnt before
        self._begun = time.monotonic()
        self._db: sqlite3.Connection | None = None
        if path is None:
            return
        try:
            self._open(path)
        except sqlite3.DatabaseError as exc:
            log.warning("the attribute memory %s is damaged (%s) and begins anew", path, exc)
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._open(path)

    def _open(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS heads"
            " (key TEXT PRIMARY KEY, etag TEXT NOT NULL, modified REAL NOT NULL, said TEXT NOT NULL)"
            " WITHOUT ROWID"
        )

    def remember(self, key: str, node: Node) -> None:
        """Remember what is known of *node*, whose object is *key*."""
        etag = (
            node.directory.etag if node.directory is not None else node.source.etag if node.source is not None else ""
        )
        if self._db is None or not etag or not node.known or node.meta is None:
            return
        self._fresh[key] = (etag, node.modified, json.dumps([dict(node.meta), dict(node.headers or {})]))
        self._ripening.pop(key, None)
        self._write_ripe()

    def under(self, prefix: str) -> dict[str, tuple[str, float, str]]:
        """Return what is remembered of the keys right below *prefix*, for `recall`."""
        if self._db is None:
            return {}
        self._write_ripe()
        found: dict[str, tuple[str, float, str]] = {}
        try:
            rows = self._db.execute(
                "SELECT key, etag, modified, said FROM heads"
                " WHERE key >= ? AND key < ? AND instr(substr(key, ?), '/') = 0",
                (prefix, prefix + "\U0010ffff", len(prefix) + 1),
            )
            found = {row[0]: (row[1], row[2], row[3]) for row in rows}
        except sqlite3.DatabaseError as exc:
            log.warning("the attribute memory cannot be read: %s", exc)
        for gathered in (self._ripening, self._fresh):
            for key, row in gathered.items():
                if key.startswith(prefix) and "/" not in key[len(prefix) :]:
                    found[key] = row
        return found

    @staticmethod
    def recall(found: dict[str, tuple[str, float, str]], summary: ObjectSummary) -> Remembered | None:
        """Return what was remembered of *summary*, if it is still true."""
        row = found.get(summary.key)
        if row is None or row[0] != summary.etag or not row[1] - 60 <= summary.last_modified <= row[1]:
            return None
        meta, headers = json.loads(row[2])
        return Remembered(meta, headers)

    def _write_ripe(self) -> None:
        """Write what was gathered long enough ago."""
        if time.monotonic() - self._begun >= _RIPE:
            self._write(self._ripening)
            self._ripening, self._fresh, self._begun = self._fresh, {}, time.monotonic()

    def _write(self, rows: Mapping[str, tuple[str, float, str]]) -> None:
        if self._db is None or not rows:
            return
        try:
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT OR REPLACE INTO heads (key, etag, modified, said) VALUES (?, ?, ?, ?)",
                [(key, *row) for key, row in rows.items()],
            )
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as exc:
            log.warning("the attribute memory cannot be written: %s", exc)
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Write what was gathered, keep the file within its limit, and close it."""
        if self._db is None:
            return
        self._write({**self._ripening, **self._fresh})
        try:
            if self._db.execute("SELECT count(*) FROM heads").fetchone()[0] > _LIMIT:
                self._db.execute(
                    "DELETE FROM heads WHERE key IN (SELECT key FROM heads ORDER BY modified LIMIT ?)", (_LIMIT // 4,)
                )
        except sqlite3.DatabaseError as exc:
            log.warning("the attribute memory cannot be trimmed: %s", exc)
        self._db.close()
        self._db = None
