"""Archived objects that were asked for: when they can be read, and until when.

A restoration belongs to these bytes under this name: an object that is written over has to be restored anew, and so has
a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..wire.restore import RestoreState
    from .records import BucketRecord, ObjectRecord
    from .store import Store

_HOUR = 3600
# Seconds until an object can be read, by storage class and tier; the first tier is the usual one.
DELAYS = {
    "Archive": {"": 60},
    "ColdArchive": {"": 5 * _HOUR, "Standard": 5 * _HOUR, "Expedited": _HOUR, "Bulk": 12 * _HOUR},
    "DeepColdArchive": {"": 48 * _HOUR, "Standard": 48 * _HOUR, "Expedited": 12 * _HOUR, "Bulk": 48 * _HOUR},
}
_DAY = 24 * _HOUR


class Restores:
    """The restorations of all archived objects in *store*."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._execute = store.database.execute

    def state(self, bucket: BucketRecord, record: ObjectRecord) -> RestoreState | None:
        """Tell how far the restoration of *record* is; None when there is none, or when it is over."""
        row = self._execute(
            "SELECT ready, until FROM restores WHERE bucket = ? AND segments = ?", (bucket.id, _mark(record))
        ).fetchone()
        now = self._store.clock()
        if row is None or now >= row[1]:
            return None
        from ..wire.restore import RestoreState

        return RestoreState(True) if now < row[0] else RestoreState(False, row[1])

    def info(self, bucket: BucketRecord, record: ObjectRecord) -> str | None:
        """Return what headers and listings tell of the restoration of *record*; None when there is none."""
        state = self.state(bucket, record)
        return None if state is None else str(state)

    def readable(self, bucket: BucketRecord, record: ObjectRecord) -> bool:
        """Tell whether *record*, which is archived, can be read."""
        state = self.state(bucket, record)
        return state is not None and not state.ongoing

    def begin(self, bucket: BucketRecord, record: ObjectRecord, *, days: int, tier: str) -> None:
        """Restore *record* for *days*, or let it stay so long if it is restored already."""
        now = int(self._store.clock())
        delay = 0
        if not self.readable(bucket, record):
            delays = DELAYS[record.properties.storage_class]
            delay = delays.get(tier, delays[""])
        with self._store.transaction():
            self._execute(
                "INSERT OR REPLACE INTO restores(bucket, segments, ready, until) VALUES (?, ?, ?, ?)",
                (bucket.id, _mark(record), now + delay, now + delay + days * _DAY),
            )

    def purge(self) -> None:
        """Forget the restorations that are over."""
        with self._store.transaction():
            self._execute("DELETE FROM restores WHERE until <= ?", (int(self._store.clock()),))


def _mark(record: ObjectRecord) -> str:
    return f"{record.key}\0{record.segments}"
