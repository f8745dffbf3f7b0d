"""What is set for buckets as a whole: configurations kept as the documents that came, and image styles.

Most buckets have none, and every request asks; so they are held in memory, ready to use.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.configuration import Configuration
    from ..wire.styles import Style
    from .database import Database
    from .records import BucketRecord

T = TypeVar("T")

_STYLE = "style/"
_NONE: Mapping[str, Any] = {}


class Settings:
    """The settings of all buckets; *known* holds them by bucket, and nothing for one without."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.known: dict[int, dict[str, Any]] = {}
        for bucket, name, document in database.execute("SELECT bucket, name, document FROM settings"):
            self.known.setdefault(bucket, {})[name] = _parse(name, document)

    def of(self, bucket: BucketRecord) -> Mapping[str, Any]:
        """Return all settings of *bucket* by the names that `wire.configurations` has for them."""
        return self.known.get(bucket.id, _NONE)

    def get(self, bucket: BucketRecord, configuration: Configuration[T]) -> T | None:
        """Return a configuration of *bucket*, if it has one."""
        value: T | None = self.of(bucket).get(configuration.parameter)
        return value

    def put(self, bucket: BucketRecord, configuration: Configuration[T], value: T) -> None:
        """Set a configuration of *bucket*."""
        self._put(bucket, configuration.parameter, configuration.document(value), value)

    def delete(self, bucket: BucketRecord, configuration: Configuration[Any]) -> None:
        """Remove a configuration of *bucket*, if it has it."""
        self._delete(bucket, configuration.parameter)

    def styles(self, bucket: BucketRecord) -> list[Style]:
        """Return the image styles of *bucket* by name."""
        return [value for name, value in sorted(self.of(bucket).items()) if name.startswith(_STYLE)]

    def style(self, bucket: BucketRecord, name: str) -> Style | None:
        """Return the image style *name* of *bucket*, if it has it."""
        found: Style | None = self.of(bucket).get(_STYLE + name)
        return found

    def put_style(self, bucket: BucketRecord, style: Style) -> None:
        """Set an image style of *bucket*."""
        self._put(bucket, _STYLE + style.name, json.dumps(asdict(style)).encode(), style)

    def delete_style(self, bucket: BucketRecord, name: str) -> None:
        """Remove an image style of *bucket*, if it has it."""
        self._delete(bucket, _STYLE + name)

    def forget(self, bucket: BucketRecord) -> None:
        """Forget the settings of *bucket*, which is no more."""
        self.known.pop(bucket.id, None)

    def _put(self, bucket: BucketRecord, name: str, document: bytes, value: object) -> None:
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO settings(bucket, name, document) VALUES (?, ?, ?)", (bucket.id, name, document)
            )
        self.known.setdefault(bucket.id, {})[name] = value

    def _delete(self, bucket: BucketRecord, name: str) -> None:
        with self._database.transaction():
            self._database.execute("DELETE FROM settings WHERE bucket = ? AND name = ?", (bucket.id, name))
        known = self.known.get(bucket.id)
        if known is not None:
            known.pop(name, None)
            if not known:
                del self.known[bucket.id]


def _parse(name: str, document: bytes) -> object:
    # Not loaded where there is nothing to read: a server is to start quickly.
    from ..wire.configurations import CONFIGURATIONS
    from ..wire.styles import Style

    if name.startswith(_STYLE):
        return Style(**json.loads(document))
    return CONFIGURATIONS[name].parse_document(document)
