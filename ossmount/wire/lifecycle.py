"""When objects of a bucket expire or move to a cheaper storage class.

Source: API reference, PutBucketLifecycle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import xml
from .configuration import Configuration, Tree, from_tree, is_true, number, optional, to_tree
from .dates import parse_xml_date, xml_date
from .errors import NoSuchLifecycle, OutOfLimits
from .limits import MAX_LIFECYCLE_RULES, MAX_NAME, STORAGE_CLASSES, check_choice, check_number
from .plain import time_field

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DAY = 24 * 3600
_MAX_ID = 255
# Of an object in parts: 48.8 TB.
_MAX_SIZE = 10_000 * 5 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiration:
    """When objects are deleted: *days* after their last change, those last changed before *created_before_date*, or
    all from *date* on (an old form).

    *expired_object_delete_marker* removes delete markers that hide nothing any more.
    """

    days: int | None = None
    created_before_date: float | None = time_field()
    date: float | None = time_field()
    expired_object_delete_marker: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """When objects move to *storage_class*; *more* is what else the document says of it."""

    storage_class: str
    days: int | None = None
    created_before_date: float | None = time_field()
    more: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoncurrentTransition:
    """When versions that are not the newest any more move to *storage_class*."""

    noncurrent_days: int
    storage_class: str
    more: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortMultipartUpload:
    """When uploads that were never completed are given up."""

    days: int | None = None
    created_before_date: float | None = time_field()


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleRule:
    """What happens to the objects that begin with *prefix* and have all of *tags*; without *id* the service makes one.

    *filter* is what the document says of exceptions.
    """

    id: str = ""
    prefix: str = ""
    status: str = "Enabled"
    expiration: Expiration | None = None
    transitions: tuple[Transition, ...] = ()
    abort_multipart_upload: AbortMultipartUpload | None = None
    tags: dict[str, str] = field(default_factory=dict)
    noncurrent_expiration_days: int | None = None
    noncurrent_transitions: tuple[NoncurrentTransition, ...] = ()
    filter: Tree = field(default_factory=dict)

    @property
    def enabled(self) -> bool:
        """Whether the rule is carried out."""
        return self.status == "Enabled"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """All rules of a bucket."""

    rules: tuple[LifecycleRule, ...] = ()


# Documents


def _when(days: int | None, created_before: float | None, date: float | None = None) -> list[str]:
    elements = optional("Days", days)
    if created_before is not None:
        elements.append(xml.tag("CreatedBeforeDate", xml_date(created_before)))
    if date is not None:
        elements.append(xml.tag("Date", xml_date(date)))
    return elements


def _rule_elements(rule: LifecycleRule) -> list[str]:
    elements = [*optional("ID", rule.id), xml.tag("Prefix", rule.prefix), xml.tag("Status", rule.status)]
    if (expiration := rule.expiration) is not None:
        inner = _when(expiration.days, expiration.created_before_date, expiration.date)
        inner += optional("ExpiredObjectDeleteMarker", expiration.expired_object_delete_marker)
        elements.append(xml.wrap("Expiration", inner))
    for move in rule.transitions:
        inner = [*_when(move.days, move.created_before_date), xml.tag("StorageClass", move.storage_class)]
        elements.append(xml.wrap("Transition", inner + [from_tree(*item) for item in move.more.items()]))
    if rule.noncurrent_expiration_days is not None:
        days = xml.tag("NoncurrentDays", rule.noncurrent_expiration_days)
        elements.append(xml.wrap("NoncurrentVersionExpiration", [days]))
    for old in rule.noncurrent_transitions:
        inner = [xml.tag("NoncurrentDays", old.noncurrent_days), xml.tag("StorageClass", old.storage_class)]
        inner += [from_tree(*item) for item in old.more.items()]
        elements.append(xml.wrap("NoncurrentVersionTransition", inner))
    if (abort := rule.abort_multipart_upload) is not None:
        elements.append(xml.wrap("AbortMultipartUpload", _when(abort.days, abort.created_before_date)))
    for key, value in rule.tags.items():
        elements.append(xml.wrap("Tag", [xml.tag("Key", key), xml.tag("Value", value)]))
    if rule.filter:
        elements.append(from_tree("Filter", rule.filter))
    return elements


def _elements(value: Lifecycle) -> list[str]:
    return [xml.wrap("Rule", _rule_elements(rule)) for rule in value.rules]


def _time(element: Element, name: str) -> float | None:
    text = xml.text_of(element, name).strip()
    return parse_xml_date(text) if text else None


def _more(element: Element, *known: str) -> Tree:
    tree = to_tree(element)
    return {name: content for name, content in tree.items() if name not in known} if isinstance(tree, dict) else {}


def _expiration(element: Element) -> Expiration:
    marker = xml.text_of(element, "ExpiredObjectDeleteMarker")
    return Expiration(
        days=number(element, "Days"),
        created_before_date=_time(element, "CreatedBeforeDate"),
        date=_time(element, "Date"),
        expired_object_delete_marker=is_true(marker) if marker else None,
    )


def _rule(element: Element) -> LifecycleRule:
    expiration, abort = element.find("Expiration"), element.find("AbortMultipartUpload")
    noncurrent, without = element.find("NoncurrentVersionExpiration"), element.find("Filter")
    transitions = tuple(
        Transition(
            storage_class=xml.text_of(each, "StorageClass"),
            days=number(each, "Days"),
            created_before_date=_time(each, "CreatedBeforeDate"),
            more=_more(each, "StorageClass", "Days", "CreatedBeforeDate"),
        )
        for each in element.iterfind("Transition")
    )
    noncurrent_transitions = tuple(
        NoncurrentTransition(
            noncurrent_days=number(each, "NoncurrentDays") or 0,
            storage_class=xml.text_of(each, "StorageClass"),
            more=_more(each, "StorageClass", "NoncurrentDays"),
        )
        for each in element.iterfind("NoncurrentVersionTransition")
    )
    return LifecycleRule(
        id=xml.text_of(element, "ID"),
        prefix=xml.text_of(element, "Prefix"),
        status=xml.text_of(element, "Status"),
        expiration=None if expiration is None else _expiration(expiration),
        transitions=transitions,
        abort_multipart_upload=None
        if abort is None
        else AbortMultipartUpload(days=number(abort, "Days"), created_before_date=_time(abort, "CreatedBeforeDate")),
        tags={xml.text_of(tag, "Key"): xml.text_of(tag, "Value") for tag in element.iterfind("Tag")},
        noncurrent_expiration_days=None if noncurrent is None else number(noncurrent, "NoncurrentDays"),
        noncurrent_transitions=noncurrent_transitions,
        filter={} if without is None else _more(without),
    )


def _value(root: Element) -> Lifecycle:
    return Lifecycle(tuple(_rule(element) for element in root.iterfind("Rule")))


# Limits


def _check_when(what: str, days: int | None, *dates: float | None, others: int = 0) -> None:
    if sum(each is not None for each in (days, *dates)) + others != 1:
        raise OutOfLimits(f"{what}: exactly 1 of days and dates must be given")
    if days is not None and days < 1:
        raise OutOfLimits(f"{what}: at least 1 day, not {days}")
    for date in dates:
        if date is not None and date % _DAY:
            raise OutOfLimits(f"{what}: a date must be 00:00 of a day in UTC, not {xml_date(date)}")


def _check_filter(said: Tree) -> None:
    """Return if the exceptions of a rule are as the service has them; see `Filter` of PutBucketLifecycle."""
    for name in ("ObjectSizeGreaterThan", "ObjectSizeLessThan"):
        if name in said:
            check_number(name, said[name], 0, _MAX_SIZE)
    excepted = said.get("Not", [])
    for each in excepted if isinstance(excepted, list) else [excepted]:
        tag = each.get("Tag") if isinstance(each, dict) else None
        if not isinstance(each, dict) or not isinstance(each.get("Prefix", ""), str):
            raise OutOfLimits(f"Not in the filter of a lifecycle rule has 1 Prefix, perhaps with a Tag, not {each!r}")
        if tag is not None and not (
            isinstance(tag, dict) and isinstance(tag.get("Key"), str) and isinstance(tag.get("Value", ""), str)
        ):
            raise OutOfLimits(f"Tag in the filter of a lifecycle rule has 1 Key and 1 Value, not {tag!r}")


def _check_rule(rule: LifecycleRule) -> None:
    if rule.status not in ("Enabled", "Disabled"):
        raise OutOfLimits(f"the status of a lifecycle rule must be one of Enabled, Disabled, not {rule.status!r}")
    if len(rule.id.encode("utf-8", "replace")) > _MAX_ID:
        raise OutOfLimits(f"the id of a lifecycle rule has at most {_MAX_ID} bytes: {rule.id[:40]!r}")
    if len(rule.prefix.encode("utf-8", "replace")) > MAX_NAME:
        raise OutOfLimits(f"the prefix of a lifecycle rule has at most {MAX_NAME} bytes")
    _check_filter(rule.filter)
    actions = 0
    if (expiration := rule.expiration) is not None:
        actions += 1
        others = expiration.expired_object_delete_marker is not None
        _check_when("Expiration", expiration.days, expiration.created_before_date, expiration.date, others=others)
    if (abort := rule.abort_multipart_upload) is not None:
        actions += 1
        _check_when("AbortMultipartUpload", abort.days, abort.created_before_date)
        if rule.tags:
            raise OutOfLimits("a rule for uploads can have 0 tags: uploads have none")
    for move in rule.transitions:
        actions += 1
        check_choice("StorageClass", move.storage_class, STORAGE_CLASSES)
        _check_when("Transition", move.days, move.created_before_date)
    for old in rule.noncurrent_transitions:
        actions += 1
        check_choice("StorageClass", old.storage_class, STORAGE_CLASSES)
        _check_when("NoncurrentVersionTransition", old.noncurrent_days)
    if rule.noncurrent_expiration_days is not None:
        actions += 1
        _check_when("NoncurrentVersionExpiration", rule.noncurrent_expiration_days)
    if not actions:
        raise OutOfLimits(f"lifecycle rule {rule.id or rule.prefix!r} does nothing, it must have at least 1 action")


def _check(value: Lifecycle) -> None:
    if not 1 <= len(value.rules) <= MAX_LIFECYCLE_RULES:
        raise OutOfLimits(f"{len(value.rules)} lifecycle rules, 1 to {MAX_LIFECYCLE_RULES} are possible")
    ids = [rule.id for rule in value.rules if rule.id]
    if len(ids) != len(set(ids)):
        raise OutOfLimits("each id of a lifecycle rule can be used 1 time only")
    for rule in value.rules:
        _check_rule(rule)


LIFECYCLE = Configuration(
    name="Lifecycle",
    parameter="lifecycle",
    root="LifecycleConfiguration",
    kind=Lifecycle,
    elements=_elements,
    value=_value,
    check=_check,
    missing=NoSuchLifecycle,
)
