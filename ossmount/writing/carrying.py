"""How each kind of intent is carried out: the requests, and what makes it safe to begin them again.

Everything here may be cut off at any point and done once more, by this daemon or the next: copies are made before
what they are copied from is deleted, an object that has gone is no reason to fail a delete, and a rename that finds
its result in place is done.

A bucket may be several that hold the same (`oss.cluster`).  What decides by what is there, a rename say, is done
`everywhere`: at each of them by what is there, and each step at all of them before the next, so that nothing is deleted
at one before all have the copy.  One that has not the object that is moved or changed stays without it, and that is
told of; to fail would keep the change, and all that follow, from the others.

An object's ACL is in no answer but GetObjectACL's, and a copy or an overwrite resets it.  So it is asked for and sent
again, except where this mount wrote the object and so knows it to have none of its own.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import cachetools
import trio

from ..oss import copying
from ..wire.errors import AccessDenied, EntityTooLarge, NoSuchKey, NotSymlink, PreconditionFailed, ServiceError
from ..wire.metadata import carried
from ..wire.models import CopyObjectResult, ObjectHead, ObjectSummary, Source, SymlinkResult
from .groups import one_error
from .intents import Intent, Verb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ..oss.bucket import Bucket

log = logging.getLogger(__name__)

_SYMLINK = "Symlink"


@dataclass(frozen=True, slots=True)
class Carried:
    """What is now in the bucket: the object, when there is one, and its Last-Modified or a little later."""

    source: Source | None = None
    modified: float = 0.0
    version: int = 0  # of the staged file, for a PUT


class _Question:
    """An ACL that is being asked for; whoever wants to know it too waits for the same answer."""

    def __init__(self) -> None:
        self.ended = trio.Event()
        self.answered = False
        self.acl: str | None = None


Moved = dict[str, Carried]  # old key -> what it is now


class Carrying:
    """Carries intents out on one bucket."""

    def __init__(
        self,
        bucket: Bucket,
        *,
        preserve: Callable[[str], Awaitable[None]],
        moved: Callable[[Intent, Moved], None],
        relink: Callable[[str, SymlinkResult], Mapping[str, Any]],
        parallel: int = 64,
        keep_acl: bool = True,
    ) -> None:
        """Work on *bucket*.

        *preserve* is awaited before the object of a key is replaced or deleted: whoever has it open gets the bytes.
        *moved* is called when all copies of a rename are made and nothing has been deleted.  *relink* gives the data
        of a SYMLINK for a link that gets another key: its text stays, so what it points to changes.
        """
        self._bucket = bucket
        self._preserve = preserve
        self._moved = moved
        self._relink = relink
        self._limiter = trio.CapacityLimiter(parallel)
        self._keep_acl = keep_acl
        # Keys and ETags of objects that this mount made, with neither ACL nor tags.
        self._plain: cachetools.LRUCache[str, str] = cachetools.LRUCache(200_000)
        self._asking: dict[tuple[str, str | None, Bucket], _Question] = {}

    async def carry(self, intent: Intent) -> Carried | None:
        """Carry *intent* out.

        Raises:
            OSSError: the service refused, or could not be reached.
            OSError: something of this machine is in the way.
        """
        if intent.attempts:
            # Those that are alive have it perhaps: they are not sent it again and again while another is down.
            await self._bucket.see_all_alive()
        match intent.verb:
            case Verb.PUT:
                return await self._put(intent)
            case Verb.DELETE:
                await self.carry_deletes([intent])
                return None
            case Verb.RENAME:
                return await (self._rename_tree(intent) if intent.is_tree else self._rename(intent))
            case Verb.MKDIR:
                return await self._mkdir(self._bucket, intent.key, intent.data["meta"])
            case Verb.SYMLINK:
                return await self._symlink(self._bucket, intent.key, intent.data)
            case Verb.UPDATE:
                updated = await self._bucket.everywhere(
                    "CopyObject", lambda member: self._update(member, intent.key, intent.data)
                )
                return self._agreed(intent.key, updated)
            case Verb.ACL:
                self._plain.pop(intent.key, None)
                await self._bucket.put_object_acl(intent.key, intent.data["acl"])
                return Carried()
            case Verb.TAGS:
                self._plain.pop(intent.key, None)
                if intent.data["tags"]:
                    await self._bucket.put_object_tagging(intent.key, intent.data["tags"])
                else:
                    await self._bucket.delete_object_tagging(intent.key)
                return Carried()

    async def carry_deletes(self, intents: Sequence[Intent]) -> None:
        """Delete the objects of *intents*, in one request for each thousand."""
        for intent in intents:
            await self._preserve(intent.key)
            self._plain.pop(intent.key, None)
        if len(intents) == 1:
            await self._bucket.delete_object(intents[0].key)
        else:
            await self._bucket.delete_multiple_objects([intent.key for intent in intents])

    # One kind after the other

    async def _put(self, intent: Intent) -> Carried:
        if intent.upload is None:
            raise FileNotFoundError(
                2, "the staged bytes of this file are not there any more", intent.data.get("staged")
            )
        headers = dict(intent.data["headers"])
        meta = intent.data["meta"]
        await self._preserve(intent.key)
        if intent.data.get("replaces"):
            with one_error():
                async with trio.open_nursery() as nursery:
                    if not intent.data.get("tagged"):  # tags are told when an upload begins, an ACL when it ends
                        nursery.start_soon(intent.upload.prepare, dict(headers), meta)
                    headers.update(await self.kept(intent.key, intent.data))
        result = await intent.upload.finish(headers, meta)
        modified = result.last_modified
        if not result.attributes_current:
            copy = await _copy_onto_itself(self._bucket, result.source, headers, meta)
            modified = copy.last_modified
        if "x-oss-object-acl" not in headers and "x-oss-tagging" not in headers:
            self._plain[intent.key] = result.source.etag
        return Carried(result.source, modified, getattr(result, "version", 0))

    async def kept(self, key: str, data: Mapping[str, Any]) -> dict[str, str]:
        """Return as headers what a new object in the place of *key* would lose: its ACL and its tags.

        *data* is that of a PUT.
        """
        headers: dict[str, str] = {}
        acl = data.get("acl") or await self.acl_of(key, data.get("etag"))
        if acl not in {None, "default"}:
            headers["x-oss-object-acl"] = acl
        if data.get("tagged") and not self._is_plain(key, data.get("etag")):
            try:
                tags = await self._bucket.get_object_tagging(key)
            except NoSuchKey:
                tags = {}
            except AccessDenied as exc:
                log.warning("the tags of %r may not be read and so are not kept: %s", key, exc)
                tags = {}
            if tags:
                headers["x-oss-tagging"] = urlencode(tags, quote_via=quote)
        return headers

    def _is_plain(self, key: str, etag: str | None) -> bool:
        """Tell whether this mount wrote the object *key*, and gave it neither ACL nor tags."""
        return key in self._plain and etag in {None, self._plain[key]}

    async def _mkdir(self, bucket: Bucket, key: str, meta: Mapping[str, str]) -> Carried:
        result = await bucket.put_object(key, b"", meta=meta, content_type="application/x-directory")
        self._plain[key] = result.etag
        return Carried(Source(key, result.etag, 0), result.last_modified)

    async def _symlink(self, bucket: Bucket, key: str, data: Mapping[str, Any]) -> Carried:
        await self._preserve(key)
        if data["native"] is not None:
            link = await bucket.put_symlink(key, data["native"], meta=data["meta"], headers=data.get("headers") or {})
            return Carried(Source(key, link.etag, 0, type=_SYMLINK), link.last_modified)
        text = data["text"].encode("utf-8", "surrogateescape")
        result = await bucket.put_object(key, text, meta=data["meta"], content_type="application/octet-stream")
        return Carried(Source(key, result.etag, len(text)), result.last_modified)

    async def _update(self, bucket: Bucket, key: str, data: Mapping[str, Any]) -> Carried:
        """Change headers and user meta of *key*, and nothing else of it: all it has is sent again."""
        if data.get("symlink") and (link := await _symlink_at(bucket, key)) is not None:
            put = await bucket.put_symlink(key, link.target, meta=_patched(link.meta, data["meta"]))
            return Carried(Source(key, put.etag, 0, type=_SYMLINK), put.last_modified)
        for attempt in (1, 2, 3):
            try:
                head: ObjectHead = await bucket.head_object(key)
            except NoSuchKey:
                if key.endswith("/"):
                    return await self._mkdir(bucket, key, data["full"])
                log.warning("the attributes of %r cannot be changed: it has gone", key)
                return Carried()
            headers = _patched(carried(head.headers), data.get("headers", {}))
            plain = self._is_plain(key, head.etag)
            acl = await self.acl_of(key, head.etag, bucket)
            if acl is not None:
                headers["x-oss-object-acl"] = acl
            try:
                copy = await _copy_onto_itself(bucket, head.source, headers, _patched(head.meta, data["meta"]))
            except PreconditionFailed:
                if attempt == 3:
                    raise
                continue  # somebody else wrote it in between; theirs are the bytes, ours the attributes
            if plain:
                self._plain[key] = copy.etag
            return Carried(Source(key, copy.etag or head.etag, head.size, head.type, head.crc64), copy.last_modified)
        raise AssertionError

    async def _rename(self, intent: Intent) -> Carried:
        await self._preserve(intent.target)

        async def copy(member: Bucket) -> Carried:
            try:
                return await self._copy(
                    member,
                    intent.key,
                    intent.target,
                    is_symlink=bool(intent.data.get("symlink")),
                    size=intent.data.get("size", 0),
                    storage_class=intent.data.get("class", ""),
                )
            except NoSuchKey:
                return await _already_there(member, intent)

        carried = self._agreed(intent.target, await self._bucket.everywhere("CopyObject", copy))
        self._plain.pop(intent.key, None)
        self._moved(intent, {intent.key: carried})
        if carried.source is not None:
            await self._bucket.delete_object(intent.key)
        return carried

    async def _rename_tree(self, intent: Intent) -> None:
        moved = await self._bucket.everywhere("CopyObject", lambda member: self._copy_tree(member, intent))
        await self._compare(intent, moved)
        self._moved(intent, {key: carried for each in reversed(moved) for key, carried in each.items()})
        for key in {key for each in moved for key in each}:
            self._plain.pop(key, None)
        mine = dict(zip(self._bucket.members, moved, strict=True))

        async def delete(member: Bucket) -> None:
            if mine[member]:
                await member.delete_multiple_objects(list(mine[member]))

        await self._bucket.everywhere("DeleteMultipleObjects", delete)

    async def _compare(self, intent: Intent, moved: Sequence[Moved]) -> None:
        """Take note of what is not moved everywhere."""
        everything = {key for each in moved for key in each}
        for member, each in zip(self._bucket.members, moved, strict=True):
            if missing := [intent.target + key[len(intent.key) :] for key in everything - each.keys()]:
                # It may have been moved, and deleted here, before a crash.
                there = {found.key async for page in member.list_pages(intent.target) for found in page.objects}
                self._bucket.tell_differing(member, [key for key in missing if key not in there])

    def _agreed(self, key: str, carried: Sequence[Carried]) -> Carried:
        """Return the first that tells of an object, and take note of where *key* is none, or not the same."""
        found = next((each for each in carried if each.source is not None), carried[0])
        for member, each in zip(self._bucket.members, carried, strict=True):
            if not _same(found.source, each.source):
                self._bucket.tell_differing(member, [key])
        return found

    async def _copy_tree(self, bucket: Bucket, intent: Intent) -> Moved:
        moved: Moved = {}
        marker = ""
        listed: list[ObjectSummary] = []
        while True:
            page = await bucket.list_objects(intent.key, marker=marker, max_keys=1000)
            listed += page.objects
            if not page.is_truncated:
                break
            marker = page.next_marker
        failures: list[Exception] = []

        async def copy(summary: ObjectSummary) -> None:
            target = intent.target + summary.key[len(intent.key) :]
            try:
                async with self._limiter:
                    moved[summary.key] = await self._copy(
                        bucket,
                        summary.key,
                        target,
                        is_symlink=summary.type == _SYMLINK,
                        etag=summary.etag,
                        size=summary.size,
                        storage_class=summary.storage_class,
                    )
            except NoSuchKey:
                log.info("%r went away while its directory was being renamed", summary.key)
            except Exception as exc:
                failures.append(exc)
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for summary in listed:
                nursery.start_soon(copy, summary)
        if failures:
            raise failures[0]
        return moved

    async def _copy(
        self,
        bucket: Bucket,
        key: str,
        target: str,
        *,
        is_symlink: bool,
        etag: str | None = None,
        size: int = 0,
        storage_class: str = "",
    ) -> Carried:
        if is_symlink and (link := await _symlink_at(bucket, key)) is not None:
            return await self._symlink(bucket, target, self._relink(target, link))
        plain = self._is_plain(key, etag)
        acl = await self.acl_of(key, etag, bucket)
        headers = {} if acl is None else {"x-oss-object-acl": acl}
        if storage_class:
            headers["x-oss-storage-class"] = storage_class  # a copy is of the bucket's class if nothing is said
        try:
            if size > copying.LARGE:
                raise EntityTooLarge(f"{key}: {size} bytes")
            copy = await bucket.copy_object(target, key, headers=headers)
        except EntityTooLarge:
            # Parts carry nothing along, so what the object has is asked for and given again.
            head = await bucket.head_object(key)
            headers.update(carried(head.headers))
            if head.tagging_count:
                headers["x-oss-tagging"] = urlencode(await bucket.get_object_tagging(key), quote_via=quote)
            copy = await copying.copy(bucket, target, head.source, headers=headers, meta=head.meta)
        if plain:
            self._plain[target] = copy.etag
        return Carried(Source(target, copy.etag, -1, crc64=copy.crc64), copy.last_modified)

    async def acl_of(self, key: str, etag: str | None = None, bucket: Bucket | None = None) -> str | None:
        """Return the ACL that *key* has of its own, or None."""
        if not self._keep_acl or self._is_plain(key, etag):
            return None
        bucket = bucket or self._bucket
        asked = key, etag, bucket
        while (question := self._asking.get(asked)) is not None:
            await question.ended.wait()
            if question.answered:
                return question.acl
        question = self._asking[asked] = _Question()
        try:
            question.acl = await self._ask_acl(key, bucket)
            question.answered = True
        finally:
            del self._asking[asked]
            question.ended.set()
        return question.acl

    async def _ask_acl(self, key: str, bucket: Bucket) -> str | None:
        try:
            acl: str = await bucket.get_object_acl(key)
        except NoSuchKey:
            return None
        except AccessDenied as exc:
            log.warning("object ACLs may not be read and so are not kept on rename and rewrite: %s", exc)
            self._keep_acl = False
            return None
        except ServiceError as exc:
            if exc.transient:
                raise
            log.info("%r has no ACL that could be read: %s", key, exc)
            return None
        return None if acl == "default" else acl


async def _symlink_at(bucket: Bucket, key: str) -> SymlinkResult | None:
    """Return the symlink *key*; None if it is an object, as links are whose text no symlink of OSS can hold."""
    try:
        return await bucket.get_symlink(key)
    except NotSymlink:
        return None


async def _copy_onto_itself(
    bucket: Bucket, source: Source, headers: Mapping[str, str], meta: Mapping[str, str]
) -> CopyObjectResult:
    # No byte moves when an object is copied onto itself, so one request will do for any size.
    return await copying.copy(bucket, source.key, source, headers=headers, meta=meta, large=sys.maxsize)


async def _already_there(bucket: Bucket, intent: Intent) -> Carried:
    """Tell whether an earlier try made this rename, now that its source is not there."""
    try:
        head: ObjectHead = await bucket.head_object(intent.target)
    except NoSuchKey:
        log.warning("%r cannot be renamed to %r: it has gone", intent.key, intent.target)
        return Carried()
    return Carried(head.source, head.last_modified)


def _same(one: Source | None, other: Source | None) -> bool:
    """Tell whether two members have the same, as far as a checksum is known."""
    if one is None or other is None:
        return one is other
    return None in (one.crc64, other.crc64) or one.crc64 == other.crc64


def _patched(values: Mapping[str, str], patch: Mapping[str, str | None]) -> dict[str, str]:
    """Return *values* with those of *patch* set, and those that are None there removed."""
    patched = {**values, **{name: value for name, value in patch.items() if value is not None}}
    return {name: value for name, value in patched.items() if name not in patch or patch[name] is not None}
