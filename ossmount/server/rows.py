"""Objects as rows of a table, whichever: their columns, and the record that a row makes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..wire.properties import Properties
from .database import unsigned
from .records import ObjectRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OBJECT = "key, size, etag, type, modified, storage_class, crc64, acl, headers, meta, tags, target, segments, serial"
SUMMARY = "key, size, etag, type, modified, storage_class"


def dump(values: Mapping[str, str]) -> str:
    """Write a mapping as a column; nothing for an empty one."""
    return json.dumps(values, ensure_ascii=False) if values else ""


def load(text: str) -> dict[str, str]:
    """Undo `dump`."""
    return json.loads(text) if text else {}


def read_object(key: str, row: Sequence[Any]) -> ObjectRecord:
    """Make a record of a row with the columns of `OBJECT`."""
    return ObjectRecord(
        key=key,
        size=row[1],
        etag=row[2],
        type=row[3],
        modified=row[4],
        crc64=unsigned(row[6]),
        properties=Properties(
            storage_class=row[5], acl=row[7], headers=load(row[8]), meta=load(row[9]), tags=load(row[10])
        ),
        target=row[11],
        segments=row[12],
        serial=row[13],
    )
