"""A bucket as a dictionary: what its operations answer, written down without looking at the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING, Any

import crcmod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

crc64 = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, xorOut=(1 << 64) - 1, rev=True)


class Refused(Exception):
    """The service says no, with this code."""


@dataclass
class Version:
    """A version of an object, or a delete marker (*kind* is empty); *id* is ``null`` where there were none."""

    modified: int
    body: bytes = b""
    kind: str = "Normal"
    etag: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/octet-stream"
    tags: dict[str, str] = field(default_factory=dict)
    acl: str = "default"
    target: str = ""
    id: str | None = "null"


@dataclass
class Upload:
    """An upload under way."""

    key: str
    meta: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


class Model:
    """A bucket as a dictionary: of each key its versions, the newest last."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.versioning = ""
        self.keys: dict[str, list[Version]] = {}
        self.uploads: dict[str, Upload] = {}
        self.ids: set[str] = {"null"}

    def find(self, key: str, version: str | None = None) -> Version:
        stack = self.keys.get(key, [])
        if version is None:
            if not stack or not stack[-1].kind:
                raise Refused("NoSuchKey")
            return stack[-1]
        if version == "nonsense":
            raise Refused("InvalidArgument")
        for one in stack:
            if one.id == version:
                if not one.kind:
                    raise Refused("MethodNotAllowed")
                return one
        raise Refused("NoSuchVersion")

    def look(self, key: str, version: str | None = None) -> tuple[Version, Version]:
        """Return the object and what its link leads to."""
        record = self.find(key, version)
        if record.kind != "Symlink":
            return record, record
        try:
            target = self.find(record.target)
        except Refused:
            raise Refused("SymlinkTargetNotExist") from None
        if target.kind == "Symlink":
            raise Refused("InvalidTargetType")
        return record, target

    def write(self, key: str, version: Version, given: str | None) -> None:
        """Put *version* on top, with the id that the service has *given* it."""
        stack = self.keys.setdefault(key, [])
        if self.versioning == "Enabled":
            assert given is not None
            assert given not in self.ids
            self.ids.add(given)
            version.id = given
        else:
            assert given == self.shown("null")
            stack[:] = [one for one in stack if one.id != "null"] if self.versioning else []
        stack.append(version)

    def shown(self, version: str | None) -> str | None:
        return version if self.versioning else None

    def remove(self, key: str, version: str) -> Version | None:
        stack = self.keys.get(key, [])
        found = next((one for one in stack if one.id == version), None)
        if found is not None:
            stack.remove(found)
            if not stack:
                del self.keys[key]
        return found

    def live(self) -> list[str]:
        return [key for key in sorted(self.keys, key=str.encode) if self.keys[key][-1].kind]

    def versions(self, key: str) -> list[tuple[Any, ...]]:
        """Return what a listing of versions shows of *key*."""
        return [
            (key, one.id, one is self.keys[key][-1], not one.kind, len(one.body), one.etag, one.modified)
            for one in reversed(self.keys[key])
        ]


def entries(
    keys: Iterable[str], rows: Callable[[str], list[Any]], prefix: str, delimiter: str, after: str
) -> list[Any]:
    """Return all that a listing shows: rows, and common prefixes as text."""
    found: list[Any] = []
    for key in keys:
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            found += rows(key)
        elif (group := key[: cut + len(delimiter)]) not in (after, *found[-1:]):
            found.append(group)
    return found


def told(record: Version, body: Version, shown: str | None) -> tuple[Any, ...]:
    """Return what GET and HEAD tell of *record* with the bytes of *body*."""
    return (
        len(body.body),
        body.etag,
        max(record.modified, body.modified),
        record.kind,
        record.meta,
        record.content_type,
        len(record.tags),
        crc64(body.body),
        shown,
    )


def hexed(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest().upper()


def condition_fails(how: str, offset: int, record: Version, modified: int, now: int) -> tuple[dict[str, Any], str]:
    """Return a condition, and the code of the refusal where it is not met."""
    other = "0" * 32
    match how:
        case "match":
            return {"if_match": record.etag if offset else other}, "" if offset else "PreconditionFailed"
        case "none_match":
            return {"if_none_match": record.etag if offset else other}, "NotModified" if offset else ""
        case "modified":
            since = modified + offset
            return {"if_modified_since": since}, "NotModified" if modified <= since <= now else ""
        case "unmodified":
            since = modified + offset
            return {"if_unmodified_since": since}, "PreconditionFailed" if since < modified else ""
    return {}, ""
