"""What the service does by itself as time goes by: lifecycles are carried out, access logs written.

Nobody can tell whether it was done at midnight or just before somebody looked; so it is done by the first request
of an hour, and a clock that is turned forward is enough to see it.

Source: developer guide, "Lifecycle rules based on the last modified time".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..wire.lifecycle import LIFECYCLE, Lifecycle, LifecycleRule
from .accesslog import HOUR, AccessLog
from .expiry import DAY, colder, fits, is_due
from .rows import OBJECT, read_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .records import BucketRecord, ObjectRecord
    from .service import Service

log = logging.getLogger(__name__)

# Changes made in one go.
_BATCH = 1000


class Upkeep:
    """The service's own work on *service*."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._store = service.store
        self.log = AccessLog(service.store)
        self._day = -1

    def run(self, now: float) -> float:
        """Do what is due *now*, and return when to come again."""
        try:
            self._run(now)
        except Exception:
            # Whoever happened to ask first is not to suffer for it.
            log.exception("upkeep failed")
        return now - now % HOUR + HOUR

    def _run(self, now: float) -> None:
        self.log.flush(now)
        if self._day == int(now // DAY):
            return
        self._day = int(now // DAY)
        self._service.restores.purge()
        for bucket in self._store.buckets():
            lifecycle = self._store.settings.get(bucket, LIFECYCLE)
            if lifecycle is not None:
                log.info("carrying out the lifecycle of %s", bucket.name)
                self._carry_out(bucket, lifecycle, now)

    def _carry_out(self, bucket: BucketRecord, lifecycle: Lifecycle, now: float) -> None:
        rules = [rule for rule in lifecycle.rules if rule.enabled]
        self._current(bucket, rules, now)
        if bucket.versioning:
            self._noncurrent(bucket, rules, now)
            self._markers(bucket, rules, now)
        self._uploads(bucket, rules, now)

    def _current(self, bucket: BucketRecord, rules: list[LifecycleRule], now: float) -> None:
        gone, moved = [], []
        for record in self._objects(bucket):
            matching = [rule for rule in rules if fits(rule, record.key, record.properties.tags, record.size)]
            if any(_expires(rule, record.modified, now) for rule in matching):
                gone.append(record.key)
            else:
                storage_class = _moves(matching, record, now)
                if storage_class:
                    moved.append((record, storage_class))
        for start in range(0, len(gone), _BATCH):
            self._store.delete(bucket, gone[start : start + _BATCH])
        for record, storage_class in moved:
            self._store.set_storage_class(bucket, record, storage_class)

    def _objects(self, bucket: BucketRecord) -> Iterator[ObjectRecord]:
        query = f"SELECT {OBJECT} FROM objects WHERE bucket = ? ORDER BY key"  # noqa: S608
        for row in self._store.database.execute(query, (bucket.id,)):
            yield read_object(row[0].decode(), row)

    def _noncurrent(self, bucket: BucketRecord, rules: list[LifecycleRule], now: float) -> None:
        """Remove and move the versions that are not the newest: they grew old when the next one came."""
        found: list[tuple[ObjectRecord, bool, int]] = []
        for key, since, record, marker in self._versions(bucket):
            if key is not None:
                found.append((record, marker, since))
        for record, marker, since in found:
            matching = [rule for rule in rules if fits(rule, record.key, record.properties.tags, record.size)]
            if any(
                rule.noncurrent_expiration_days is not None
                and is_due(since, now, days=rule.noncurrent_expiration_days, before=None)
                for rule in matching
            ):
                with self._store.transaction():
                    self._store.versions.remove(bucket, record.key, record.serial)
                continue
            steps = [
                step.storage_class
                for rule in matching
                for step in rule.noncurrent_transitions
                if not marker
                and step.more.get("IsAccessTime") != "true"
                and is_due(since, now, days=step.noncurrent_days, before=None)
                and colder(step.storage_class, record.properties.storage_class)
            ]
            if steps:
                self._store.set_storage_class(bucket, record, _coldest(steps))

    def _versions(self, bucket: BucketRecord) -> Iterator[tuple[str | None, int, ObjectRecord, bool]]:
        """Yield every version that is not the newest, with the time at which the one after it came."""
        newest = {
            bytes(key): modified
            for key, modified in self._store.database.execute(
                "SELECT key, modified FROM objects WHERE bucket = ? AND "
                "EXISTS (SELECT 1 FROM versions v WHERE v.bucket = objects.bucket AND v.key = objects.key)",
                (bucket.id,),
            )
        }
        query = f"SELECT {OBJECT}, marker FROM versions WHERE bucket = ? ORDER BY key, place DESC"  # noqa: S608
        last, since = b"", 0
        for row in self._store.database.execute(query, (bucket.id,)):
            key = row[0]
            after = since if key == last else newest.get(key)
            last, since = key, row[4]
            if after is not None:
                yield key.decode(), after, read_object(key.decode(), row), bool(row[14])

    def _markers(self, bucket: BucketRecord, rules: list[LifecycleRule], now: float) -> None:
        """Remove delete markers that hide nothing any more."""
        alone = self._store.database.execute(
            "SELECT key, serial, modified FROM versions v WHERE bucket = ?1 AND marker = 1 "
            "AND (SELECT count(*) FROM versions o WHERE o.bucket = ?1 AND o.key = v.key) = 1 "
            "AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.bucket = ?1 AND o.key = v.key)",
            (bucket.id,),
        ).fetchall()
        for raw, serial, modified in alone:
            key = raw.decode()
            if any(
                rule.expiration is not None
                and (
                    rule.expiration.expired_object_delete_marker
                    or (rule.expiration.days is not None and _expires(rule, modified, now))
                )
                for rule in rules
                if fits(rule, key, {}, 0)
            ):
                with self._store.transaction():
                    self._store.versions.remove(bucket, key, serial)

    def _uploads(self, bucket: BucketRecord, rules: list[LifecycleRule], now: float) -> None:
        for key, number, initiated in self._store.database.execute(
            "SELECT key, id, initiated FROM uploads WHERE bucket = ?", (bucket.id,)
        ).fetchall():
            if any(
                rule.abort_multipart_upload is not None
                and is_due(
                    initiated,
                    now,
                    days=rule.abort_multipart_upload.days,
                    before=rule.abort_multipart_upload.created_before_date,
                )
                for rule in rules
                if key.decode().startswith(rule.prefix)
            ):
                upload = self._service.uploads.find(bucket, key.decode(), number)
                if upload is not None:
                    self._service.uploads.abort(upload)


def _expires(rule: LifecycleRule, modified: float, now: float) -> bool:
    expiration = rule.expiration
    return expiration is not None and is_due(
        modified, now, days=expiration.days, before=expiration.created_before_date, date=expiration.date
    )


def _moves(rules: list[LifecycleRule], record: ObjectRecord, now: float) -> str:
    """Return the storage class that *rules* move *record* to; empty if it stays."""
    old = record.properties.storage_class
    steps = [
        step.storage_class
        for rule in rules
        for step in rule.transitions
        # When an object was last read is not remembered here.
        if step.more.get("IsAccessTime") != "true"
        and record.target is None
        and is_due(record.modified, now, days=step.days, before=step.created_before_date)
        and colder(step.storage_class, old)
    ]
    return _coldest(steps) if steps else ""


def _coldest(classes: list[str]) -> str:
    coldest = classes[0]
    for each in classes:
        if colder(each, coldest):
            coldest = each
    return coldest
