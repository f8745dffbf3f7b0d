"""The log of what programs did here and the bucket does not know yet.

An intent is one change of the bucket that was acknowledged to a program and has still to be carried out: a row in
SQLite, written before the program hears of success, deleted when the change is in OSS.  WAL mode without a sync at
each commit survives ``kill -9``; ``durable=True`` syncs each commit and survives power loss.  `executor` decides when
an intent is carried out, `carrying` how; what has happened to its files since is known to `fs` alone.

Beside the intents the log keeps the staged files by id: under which key each is to appear, so that a file that was
still open when the daemon died goes to the right place, and how far its upload had come.
"""

from __future__ import annotations

import enum
import errno
import json
import logging
import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import trio

log = logging.getLogger(__name__)

_SPARE = 1 << 20  # bytes: a transaction of ours is some pages, and a checkpoint may come with it

_SCHEMA = """
CREATE TABLE IF NOT EXISTS intents (
    id INTEGER PRIMARY KEY, verb TEXT NOT NULL, key TEXT NOT NULL, target TEXT NOT NULL,
    data TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS staged (
    id TEXT PRIMARY KEY, key TEXT NOT NULL, data TEXT NOT NULL, upload TEXT);
PRAGMA user_version = 1;
"""
_VERSION = 1


class Verb(enum.StrEnum):
    """What an intent does to the bucket."""

    PUT = "put"  # the staged file data["staged"] becomes the object `key`
    DELETE = "delete"  # `key` goes
    RENAME = "rename"  # `key` becomes `target`; with all below it when both end in a slash
    MKDIR = "mkdir"  # the marker `key`, which ends in a slash, is written
    SYMLINK = "symlink"  # `key` becomes a symbolic link
    UPDATE = "update"  # headers and user meta of `key` change, its bytes do not
    ACL = "acl"  # data["acl"] becomes the ACL of `key`
    TAGS = "tags"  # data["tags"] become the tags of `key`


class State(enum.Enum):
    """How far an intent has come."""

    WAITING = "waiting"  # for its turn, for company, or for the next try
    HELD = "held"  # until its file is closed again
    RUNNING = "running"
    FAILED = "failed"  # trying again as things are would fail again
    DONE = "done"  # carried out, or dropped because something later made it void


@dataclass(slots=True, eq=False)
class Intent:
    """One change that was acknowledged and is not in OSS yet.

    The first group is what the log keeps.  *data* is plain JSON.  *subject* is whatever `fs` wants to find again.
    """

    id: int
    verb: Verb
    key: str
    target: str
    data: dict[str, Any]
    created: float  # unix seconds
    attempts: int = 0
    error: str = ""

    state: State = State.WAITING
    due: float = 0.0  # on the trio clock
    subject: Any = None
    upload: Any = None
    failure: BaseException | None = None
    settled: trio.Event | None = None  # made by the first who waits
    scope: trio.CancelScope | None = None
    is_void: bool = False
    tried: bool = False  # a request of it, of ours or of an earlier daemon, may have been carried out unnoticed
    waiters: int = 0
    successor: Intent | None = None  # carried out instead: who waits for the one waits for the other
    blockers: set[Intent] = field(default_factory=set)
    dependents: set[Intent] = field(default_factory=set)

    @property
    def live(self) -> bool:
        """Whether it still has to be carried out."""
        return self.state is not State.DONE

    @property
    def started(self) -> bool:
        """Whether requests of it may be under way."""
        return self.state is State.RUNNING

    @property
    def is_tree(self) -> bool:
        """Whether it concerns all keys below its key."""
        return self.verb is Verb.RENAME and self.key.endswith("/")

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys it touches."""
        return (self.key, self.target) if self.target else (self.key,)

    def __repr__(self) -> str:
        arrow = f" -> {self.target!r}" if self.target else ""
        return f"<Intent {self.id} {self.verb} {self.key!r}{arrow} {self.state.value}>"


@dataclass(frozen=True, slots=True)
class StagedRow:
    """What the log knows of a staged file: the key it is meant for, how it came to be, and its upload so far."""

    id: str
    key: str
    data: dict[str, Any]
    upload: dict[str, Any] | None


class LogDamaged(OSError):
    """The state database cannot be trusted; nothing was changed."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            errno.EUCLEAN,
            f"the state database {path} is damaged ({reason}); nothing was lost by looking: move {path.name} and its "
            f"-wal and -shm out of {path.parent} and mount again - staged files are then uploaded as NAME.recovered-ID",
        )


class IntentLog:
    """The SQLite file in which intents and staged files are kept.  Every method is synchronous and short."""

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        """Open or make the log at *path*.

        Raises:
            LogDamaged: the file is there and is not a sound log of a version that is understood.
            OSError: the disk does not let it be read or written.
        """
        self.path = path
        path.touch(mode=0o600)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as exc:
            raise self._explained(exc, "open") from exc
        try:
            row = self._open(durable=durable)
        except BaseException as exc:
            self._db.close()
            if isinstance(exc, sqlite3.OperationalError):
                raise self._explained(exc, "use") from exc
            if isinstance(exc, sqlite3.DatabaseError):
                raise LogDamaged(path, str(exc)) from exc
            raise
        self._next = (row[0] or 0) + 1
        self._afterwards: list[Callable[[], object]] = []

    def _open(self, *, durable: bool) -> tuple[int | None]:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, _VERSION}:
            raise LogDamaged(self.path, f"its format is {version}, this program writes {_VERSION}")
        problem = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise LogDamaged(self.path, problem)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        self._db.executescript(_SCHEMA)
        row: tuple[int | None] = self._db.execute("SELECT max(id) FROM intents").fetchone()
        return row

    def number(self) -> int:
        """Return the next intent's id; they grow in the order of the changes."""
        number = self._next
        self._next += 1
        return number

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make the statements inside one transaction: all of them survive a crash or none does.

        Raises:
            OSError: they could not be written, so none is.
        """
        if self._db.in_transaction:
            yield
            return
        self._write("BEGIN IMMEDIATE", ())
        try:
            yield
            self._write("COMMIT", ())
        except BaseException:
            self._afterwards.clear()
            self._roll_back()
            raise
        afterwards, self._afterwards = self._afterwards, []
        for action in afterwards:
            action()

    def _roll_back(self) -> None:
        if self._db.in_transaction:  # a full disk ends some transactions by itself
            self._db.execute("ROLLBACK")

    def once_written(self, action: Callable[[], object]) -> None:
        """Do *action* when all that was noted so far is sure to survive a crash; never, if it cannot be written."""
        if self._db.in_transaction:
            self._afterwards.append(action)
        else:
            action()

    def check_space(self) -> None:
        """See that the disk has room for any one transaction, before something changes that is hard to take back.

        Raises:
            OSError: ENOSPC, it has not.
        """
        disk = os.statvfs(self.path.parent)
        if disk.f_bavail * disk.f_frsize < _SPARE:
            raise OSError(errno.ENOSPC, f"the disk of the state database {self.path} is full; free space there")

    def append(self, intent: Intent) -> None:
        """Write *intent* down.

        Raises:
            OSError: the log cannot be written (ENOSPC, EIO); the change must not be acknowledged.
        """
        self._write(
            "INSERT INTO intents (id, verb, key, target, data, created) VALUES (?, ?, ?, ?, ?, ?)",
            (intent.id, intent.verb.value, intent.key, intent.target, json.dumps(intent.data), intent.created),
        )

    def update(self, intent: Intent) -> None:
        """Write down what changed of *intent* since."""
        self._write(
            "UPDATE intents SET data = ?, attempts = ?, error = ? WHERE id = ?",
            (json.dumps(intent.data), intent.attempts, intent.error, intent.id),
        )

    def remove(self, intents: Iterable[Intent]) -> None:
        """Forget *intents*: they have been carried out, or are void."""
        with self.together():
            for intent in intents:
                self._write("DELETE FROM intents WHERE id = ?", (intent.id,))

    def load(self) -> list[Intent]:
        """Return the intents an earlier daemon left behind, oldest first."""
        rows = self._db.execute("SELECT id, verb, key, target, data, created, attempts, error FROM intents ORDER BY id")
        return [
            Intent(number, Verb(verb), key, target, json.loads(data), created, attempts, error)
            for number, verb, key, target, data, created, attempts, error in rows
        ]

    def stage(self, staged_id: str, key: str, data: dict[str, Any]) -> None:
        """Note that the staged file *staged_id* is meant for *key*; a second call replaces the first."""
        self._write(
            "INSERT INTO staged (id, key, data) VALUES (?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET key = excluded.key, data = excluded.data",
            (staged_id, key, json.dumps(data)),
        )

    def save_upload(self, staged_id: str, state: dict[str, Any] | None) -> None:
        """Note how far the upload of a staged file has come."""
        self._write(
            "UPDATE staged SET upload = ? WHERE id = ?", (None if state is None else json.dumps(state), staged_id)
        )

    def orphan(self, staged_id: str) -> None:
        """Note that nobody wants the staged file *staged_id* after this daemon."""
        self.stage(staged_id, "", {"orphan": True})

    def unstage(self, staged_id: str) -> None:
        """Forget a staged file, which has been deleted."""
        self._write("DELETE FROM staged WHERE id = ?", (staged_id,))

    def load_staged(self) -> dict[str, StagedRow]:
        """Return the staged files an earlier daemon noted, by id."""
        rows = self._db.execute("SELECT id, key, data, upload FROM staged")
        return {
            row[0]: StagedRow(row[0], row[1], json.loads(row[2]), json.loads(row[3]) if row[3] else None)
            for row in rows
        }

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.OperationalError as exc:
            raise self._explained(exc, "write") from exc

    def _explained(self, exc: sqlite3.OperationalError, what: str) -> OSError:
        """Return what a disk would say, and what to do about it."""
        full = "full" in str(exc)
        remedy = "free space there" if full else "check that disk"
        return OSError(
            errno.ENOSPC if full else errno.EIO, f"cannot {what} the state database {self.path}: {exc}; {remedy}"
        )


def count_left(path: Path) -> int:
    """Count the changes that the log *path* holds, of a mount that does not run; nothing is changed.

    Raises:
        FileNotFoundError: there is no such log.
        OSError: it cannot be read.
    """
    path.stat()
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            intents: int = db.execute("SELECT count(*) FROM intents").fetchone()[0]
            # Those that were open when their mount died have no intent yet.
            staged = {row[0] for row in db.execute("SELECT id FROM staged WHERE key != ''")}
            logged = {json.loads(row[0])["staged"] for row in db.execute("SELECT data FROM intents WHERE verb = 'put'")}
            return intents + len(staged - logged)
    except (sqlite3.Error, ValueError, LookupError) as exc:
        raise OSError(errno.EIO, f"cannot read the state database {path}: {exc}") from exc
