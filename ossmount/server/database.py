"""The SQLite database of a server: its tables, transactions, and the counting of who still names a blob.

One connection, used by one thread, the event loop's.  The write-ahead log survives ``kill -9`` without syncing; folding
it back into the database does sync, so a second connection does that in a thread and requests never wait for the disk.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .blobs import Blobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .records import Segment

# A transaction that leaves the write-ahead log longer than this starts folding it back.
FOLD_AFTER = 4 * 1024 * 1024

_TABLES = """
BEGIN;
CREATE TABLE IF NOT EXISTS buckets(
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, acl TEXT NOT NULL,
    storage_class TEXT NOT NULL, redundancy TEXT NOT NULL, versioning TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS settings(
    bucket INTEGER NOT NULL, name TEXT NOT NULL, document BLOB NOT NULL, PRIMARY KEY(bucket, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects(
    bucket INTEGER NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, type TEXT NOT NULL,
    modified INTEGER NOT NULL, storage_class TEXT NOT NULL, crc64 INTEGER NOT NULL, acl TEXT NOT NULL,
    headers TEXT NOT NULL, meta TEXT NOT NULL, tags TEXT NOT NULL, target TEXT, segments TEXT NOT NULL,
    serial INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(bucket, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions(
    bucket INTEGER NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, type TEXT NOT NULL,
    modified INTEGER NOT NULL, storage_class TEXT NOT NULL, crc64 INTEGER NOT NULL, acl TEXT NOT NULL,
    headers TEXT NOT NULL, meta TEXT NOT NULL, tags TEXT NOT NULL, target TEXT, segments TEXT NOT NULL,
    serial INTEGER NOT NULL, place INTEGER NOT NULL, marker INTEGER NOT NULL,
    PRIMARY KEY(bucket, key, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS restores(
    bucket INTEGER NOT NULL, segments TEXT NOT NULL, ready INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY(bucket, segments)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs(
    id INTEGER PRIMARY KEY AUTOINCREMENT, refs INTEGER NOT NULL, size INTEGER NOT NULL, crc64 INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS dead_blobs ON blobs(id) WHERE refs = 0;
CREATE TABLE IF NOT EXISTS uploads(
    bucket INTEGER NOT NULL, key BLOB NOT NULL, id TEXT NOT NULL UNIQUE, initiated INTEGER NOT NULL, storage_class TEXT
    NOT NULL, acl TEXT NOT NULL, headers TEXT NOT NULL, meta TEXT NOT NULL, tags TEXT NOT NULL, PRIMARY KEY(bucket, key,
    id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts(
    upload TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, crc64 INTEGER NOT NULL,
    modified INTEGER NOT NULL, segments TEXT NOT NULL, PRIMARY KEY(upload, number)) WITHOUT ROWID;
COMMIT;
"""

# Columns that directories made by an older server do not have.
_ADDED = {"buckets": "versioning TEXT NOT NULL DEFAULT ''", "objects": "serial INTEGER NOT NULL DEFAULT 0"}


def signed(crc: int) -> int:
    """Fold an unsigned 64-bit number into the signed ones of SQLite."""
    return crc - (1 << 64) if crc >> 63 else crc


def unsigned(crc: int) -> int:
    """Undo `signed`."""
    return crc & ((1 << 64) - 1)


class Database:
    """The rows and blobs under *directory*, which one server at a time may use.

    Without *lasting* nothing is ever synced.

    Raises:
        BlockingIOError: another server uses the directory.
        OSError: it cannot be made or written.
    """

    def __init__(self, directory: Path, *, lasting: bool = True) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._lock)
            raise BlockingIOError(exc.errno, f"another server uses {directory}") from exc
        self._lasting = lasting
        self._path = directory / "meta.sqlite"
        self._log = Path(f"{self._path}-wal")
        self.blobs = Blobs(directory)
        # The journal's size is looked at now and then only: a stat for each transaction would cost more than the rows.
        self._transactions = 0
        self._folding: threading.Thread | None = None
        # The event loop's thread is alone, but tests put things into a store from theirs.
        self._turn = threading.RLock()
        # Blobs without a name: about to go with the present transaction; gone, but for their rows.
        self._dying: list[int] = []
        self._buried: list[int] = []
        self.connection = self._connect()
        self.execute = self.connection.execute
        self.executemany = self.connection.executemany
        self.connection.executescript(_TABLES)
        for table, column in _ADDED.items():
            if column.split()[0] not in {row[1] for row in self.execute(f"PRAGMA table_info({table})")}:
                self.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
        self._bury()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, cached_statements=256, check_same_thread=False)
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if self._lasting else 'OFF'}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA cache_size = -65536")
        return connection

    def _bury(self) -> None:
        """Remove the blobs that a crash kept from being removed."""
        dead = [number for (number,) in self.execute("SELECT id FROM blobs WHERE refs = 0")]
        if dead:
            self.blobs.remove(dead)
            self.execute("DELETE FROM blobs WHERE refs = 0")

    def close(self) -> None:
        """Close the database; the directory is free for another server then."""
        if self._folding is not None:
            self._folding.join()
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.connection.close()
        os.close(self._lock)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Carry the block out wholly or not at all.

        The files of blobs that nobody names any more go afterwards, their rows with the next transaction: a crash
        between the two leaves a row without a name, which the next start finds.
        """
        with self._turn:
            yield from self._transaction()

    def _transaction(self) -> Iterator[None]:
        self.execute("BEGIN IMMEDIATE")
        try:
            if self._buried:
                self.executemany("DELETE FROM blobs WHERE id = ?", [(number,) for number in self._buried])
            yield
            self.execute("COMMIT")
        except BaseException:
            self._dying.clear()
            self.execute("ROLLBACK")
            raise
        self._buried.clear()
        if self._dying:
            self._buried = self.blobs.remove(self._dying)
            self._dying.clear()
        self._transactions += 1
        if self._transactions % 256 == 0:
            self._fold()

    def _fold(self) -> None:
        """Start folding the log back into the database, when it is long and nobody does."""
        if self._folding is not None and self._folding.is_alive():
            return
        if self._log.stat().st_size > FOLD_AFTER:
            self._folding = threading.Thread(target=self._fold_now, name="fold", daemon=True)
            self._folding.start()

    def _fold_now(self) -> None:
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def new_blob(self, size: int, crc: int) -> int:
        """Return the number of a new blob with one name; its file is to be put at its path in the same transaction."""
        number = self.execute("INSERT INTO blobs(refs, size, crc64) VALUES (1, ?, ?)", (size, signed(crc))).lastrowid
        assert number is not None
        return number

    def count(self, name: str) -> int:
        """Return the next number of the counter *name*, from 1 on; inside a transaction."""
        (number,) = self.execute(
            "INSERT INTO counters(name, value) VALUES (?, 1) ON CONFLICT(name) DO UPDATE SET value = value + 1 "
            "RETURNING value",
            (name,),
        ).fetchone()
        return int(number)

    def hold(self, segments: Iterable[Segment]) -> None:
        """Count one more name for the blob of each of *segments*.  Hold the new before releasing the old."""
        self.executemany("UPDATE blobs SET refs = refs + 1 WHERE id = ?", [(segment.blob,) for segment in segments])

    def release(self, segments: Iterable[Segment]) -> None:
        """Count one name less for the blob of each of *segments*."""
        for segment in segments:
            (refs,) = self.execute(
                "UPDATE blobs SET refs = refs - 1 WHERE id = ? RETURNING refs", (segment.blob,)
            ).fetchone()
            if not refs:
                self._dying.append(segment.blob)
