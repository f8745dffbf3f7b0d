"""Which lifecycle rules mean which objects, and when: rules in, decisions out.  Pure.

Days are whole: something that happens so many days after the last change happens at the next midnight (UTC).

Source: API reference, PutBucketLifecycle; developer guide, "Lifecycle rules based on the last modified time".
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ..wire.dates import http_date
from ..wire.errors import InvalidRequest
from ..wire.properties import STORAGE_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..wire.lifecycle import Lifecycle, LifecycleRule
    from .records import ObjectRecord

DAY = 24 * 3600


def midnight_after(time: float) -> int:
    """Return the first midnight at or after *time*."""
    return int(-(-time // DAY)) * DAY


def is_due(modified: float, now: float, *, days: int | None, before: float | None, date: float | None = None) -> bool:
    """Tell whether what happens *days* after the last change, to what is older than *before*, or on *date*, is due."""
    if days is not None:
        return now >= midnight_after(modified + days * DAY)
    if before is not None:
        return modified < before
    return date is not None and now >= date


def fits(rule: LifecycleRule, key: str, tags: Mapping[str, str], size: int) -> bool:
    """Tell whether *rule* is about an object."""
    if not key.startswith(rule.prefix) or any(tags.get(name) != value for name, value in rule.tags.items()):
        return False
    said = rule.filter
    if not size > int(said.get("ObjectSizeGreaterThan", -1)) or not size < int(said.get("ObjectSizeLessThan", 1 << 62)):
        return False
    excepted = said.get("Not", [])
    for each in excepted if isinstance(excepted, list) else [excepted]:
        tag = each.get("Tag")
        if key.startswith(each.get("Prefix", "")) and (tag is None or tags.get(tag["Key"]) == tag.get("Value", "")):
            return False
    return True


def colder(storage_class: str, other: str) -> bool:
    """Tell whether *storage_class* is a colder one than *other*; objects only move that way."""
    return STORAGE_CLASSES.index(storage_class) > STORAGE_CLASSES.index(other)


def expiration_of(lifecycle: Lifecycle, record: ObjectRecord) -> str:
    """Return the value of ``x-oss-expiration`` for *record*: when it goes, and by which rule; empty if it stays."""
    found: tuple[int, str] | None = None
    for rule in lifecycle.rules:
        expiration = rule.expiration
        if not rule.enabled or expiration is None or expiration.days is None:
            continue
        if fits(rule, record.key, record.properties.tags, record.size):
            when = midnight_after(record.modified + expiration.days * DAY), rule.id
            found = min(found or when, when)
    return f'expiry-date="{http_date(found[0])}", rule-id="{quote(found[1], safe="")}"' if found else ""


def check_overlap(rules: Iterable[LifecycleRule]) -> None:
    """Return if no two of *rules* expire the same objects.

    Raises:
        InvalidRequest: two do: one's prefix begins with the other's, and their tags are the same.
    """
    expiring = [
        rule
        for rule in rules
        if rule.expiration is not None and not rule.expiration.expired_object_delete_marker and not rule.filter
    ]
    for index, rule in enumerate(expiring):
        for other in expiring[index + 1 :]:
            if rule.tags == other.tags and (
                rule.prefix.startswith(other.prefix) or other.prefix.startswith(rule.prefix)
            ):
                raise InvalidRequest("Overlap for same action type Expiration")
