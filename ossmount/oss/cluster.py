"""Several buckets with the same content as one: reads from one that is alive, writes to all.

Theory of operation.  The members are buckets, each of a client with its own endpoint and credentials.  A `Cluster` is a
`Bucket` too, so whatever works with one works with many.  Who is asked, and what is a success, is in `oss.members`.

Writing again after a `PartialWriteFailed` repairs, also where a member has what was written already and so says no:

- with *forbid_overwrite*, FileAlreadyExists is a success where the object has the ETag that it got elsewhere;
- AppendObject and CompleteMultipartUpload look whether they were carried out before.

Uploads in parts have an id for each member, joined into one; begun at some members only, they are given up again.  An
upload that is gone at one member is gone, and given up at the others.  A listing tells the uploads of all, each with an
id that is good at that member only.

What is a member's own: the time of the last change, version ids, and ETags of appendable or encrypted objects.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from ..wire.errors import (
    FileAlreadyExists,
    NoSuchKey,
    NoSuchUpload,
    OperationNotSupported,
    OSSError,
    OutOfLimits,
    PartialWriteFailed,
    PositionNotEqualToLength,
    PreconditionFailed,
)
from .bucket import Bucket
from .client import Client, ClientOptions
from .health import is_down
from .members import FAILOVER_AFTER, ONE_ROUND, PROBE_EVERY, Members, OnError, Schedule
from .retry import RetryPolicy

if TYPE_CHECKING:
    from ..wire.models import CompleteResult, ListObjectsResult, ListPartsResult, ListUploadsResult, ObjectHead, Parts
    from .credentials import CredentialsProvider
    from .endpoints import Endpoint

__all__ = ["READS", "WRITES", "Cluster", "PartialWriteFailed", "Schedule", "open_cluster"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_SEPARATOR = "|"
# Seconds for what should not be left behind, where there is no more time.
_GIVING_UP = 10.0
# Behind everything that a common prefix stands for.
_LAST = "\U0010ffff"


class Cluster(Members):
    """*members* as one bucket; `client` is the first one's.

    A read goes to a member that is alive, chosen by *schedule*: the first in order (``masterSlave``) or each in turn
    (``roundRobin``).  If it is *steady*, only `open_object` takes turns; what tells of objects is asked of the first
    that is alive, so that their times do not change from one answer to the next.  When all are down, they are asked
    again as *retry* says; by default, not.  Each failure is told to *on_error*.  One that is silent for
    *failover_after* seconds while another is alive is left for that one.

    Raises:
        ValueError: there are no members, or no such schedule.
    """

    # What is appended cannot be taken back, and each member has an ETag of its own for it.
    appends_well = False

    @asynccontextmanager
    async def open_object(self, key: str, **options: Any) -> AsyncIterator[tuple[ObjectHead, AsyncIterator[bytes]]]:
        """Open *key* on a member that is alive; see `Bucket.open_object`."""
        async with AsyncExitStack() as stack:
            yield await self._read(lambda member: stack.enter_async_context(member.open_object(key, **options)))

    def object_url(self, key: str, base_url: str = "") -> str:
        """Return the unsigned URL of *key* at a member that is alive; see `Bucket.object_url`."""
        return Bucket.object_url(self.choose_available(), key, base_url)

    async def list_objects_v2(self, prefix: str = "", *, continuation_token: str = "", **options: Any) -> Any:
        """Return a page of keys; see `Bucket.list_objects_v2`.

        The next page is of the same member, and of another when that is down.
        """

        async def ask(member: Bucket, **where: str) -> ListObjectsResult:
            page = await member.list_objects_v2(prefix, **{**options, **where})
            if not page.is_truncated:
                return page
            ends = [entry.key for entry in page.objects[-1:]] + [found + _LAST for found in page.prefixes[-1:]]
            last = max(ends, key=lambda end: end.encode("utf-8", "surrogatepass"), default="")
            token = json.dumps([self.members.index(member), page.next_marker, last])
            return replace(page, next_marker=token)

        if continuation_token:
            try:
                place, token, last = json.loads(continuation_token)
            except (ValueError, TypeError):
                place = token = last = ""
            index = self._place(str(place), "continuation_token", continuation_token)
            others = (other for other in range(len(self.members)) if other != index)
            try:
                with self._hurried(when=any(map(self._lives, others))):
                    return await ask(self.members[index], continuation_token=token)
            except OSSError as exc:
                if not is_down(exc):
                    raise
                self._failed(index, exc)
            options["start_after"] = last
        return await self._read(ask, in_turn=not self._steady)

    # -- writes ----------------------------------------------------------------------------------------------------

    async def put_object(self, key: str, body: Any, **options: Any) -> Any:
        """Make *key* of *body* on every member; see `Bucket.put_object`.

        Raises:
            ValueError: *body* is a stream that can be read once only.
        """
        if isinstance(body, AsyncIterable) and isinstance(body, AsyncIterator) and len(self.members) > 1:
            raise ValueError("a stream that can be read once only cannot be written to several members")
        results = await self._write(
            "PutObject", lambda _, member: member.put_object(key, body, **options), settle=_settle(key, options)
        )
        return results[0]

    async def append_object(self, key: str, position: int, body: Any, **options: Any) -> Any:
        """Append *body* on every member where that was not done before; see `Bucket.append_object`."""
        refusals: list[OSSError] = []

        async def act(_: int, member: Bucket) -> Any:
            try:
                return await member.append_object(key, position, body, **options)
            except PositionNotEqualToLength as exc:
                found = await member.find_appended(key, position, body, crc64=options.get("crc64"))
                if found is None:
                    raise
                refusals.append(exc)
                return found

        results = await self._write("AppendObject", act)
        if len(refusals) == len(results):
            raise refusals[0]
        return results[0]

    async def initiate_multipart_upload(self, key: str, **options: Any) -> str:
        """Begin an upload on every member; see `Bucket.initiate_multipart_upload`."""
        begun: dict[int, str] = {}

        async def act(index: int, member: Bucket) -> str:
            begun[index] = await member.initiate_multipart_upload(key, **options)
            return begun[index]

        try:
            return _SEPARATOR.join(await self._write("InitiateMultipartUpload", act))
        except BaseException:
            # Whoever tries again begins anew.
            with trio.move_on_after(_GIVING_UP) as scope:
                scope.shield = True
                for index, own in begun.items():
                    await _give_up(self.members[index], key, own)
            raise

    async def list_parts(self, key: str, upload_id: str, **options: Any) -> ListPartsResult:
        """Return a page of the parts that a member has of an upload; see `Bucket.list_parts`."""
        ids = self._ids(upload_id)
        failure: OSSError = NoSuchUpload(details={"UploadId": upload_id})
        for index in (index for index in self._order(in_turn=False) if index in ids):
            try:
                return await self.members[index].list_parts(key, ids[index], **options)
            except NoSuchUpload:
                pass  # it is completed there, and perhaps not elsewhere
            except OSSError as exc:
                if not is_down(exc):
                    raise
                self._failed(index, exc)
                failure = exc
        raise failure

    async def find_completed(self, key: str, upload_id: str, parts: Parts, crc64: int | None) -> CompleteResult | None:
        """Return what an upload has become at all members, None while it is under way at one; see
        `Bucket.find_completed`.
        """
        ids = self._ids(upload_id)
        try:
            found = await self._write(
                "FindCompleted", lambda index, member: member.find_completed(key, ids[index], parts, crc64), at=ids
            )
        except PartialWriteFailed as exc:
            gone = next((each for each in exc.errors if isinstance(each, NoSuchUpload)), None)
            if gone is None:
                raise
            raise gone from exc
        return None if None in found else found[0]

    async def list_multipart_uploads(
        self, prefix: str = "", *, upload_id_marker: str = "", **options: Any
    ) -> ListUploadsResult:
        """Return a page of the uploads of one member after the other; see `Bucket.list_multipart_uploads`."""
        place, _, marker = upload_id_marker.partition(_SEPARATOR)
        index = self._place(place or "0", "upload_id_marker", upload_id_marker)
        page = await self.members[index].list_multipart_uploads(prefix, upload_id_marker=marker, **options)
        uploads = tuple(
            replace(each, upload_id=_SEPARATOR * index + each.upload_id + _SEPARATOR * (len(self.members) - 1 - index))
            for each in page.uploads
        )
        if page.is_truncated:
            following = page.next_key_marker, f"{index}{_SEPARATOR}{page.next_upload_id_marker}"
        else:
            following = "", f"{index + 1}{_SEPARATOR}"
        return replace(
            page,
            uploads=uploads,
            is_truncated=page.is_truncated or index + 1 < len(self.members),
            next_key_marker=following[0],
            next_upload_id_marker=following[1],
        )

    async def upload_part(self, key: str, upload_id: str, number: int, body: Any) -> Any:
        """Send a part to every member; see `Bucket.upload_part`."""
        return await self._of_upload(
            "UploadPart", key, upload_id, lambda member, own: member.upload_part(key, own, number, body)
        )

    async def upload_part_copy(self, key: str, upload_id: str, number: int, source_key: str, **options: Any) -> Any:
        """Make a part of another object on every member; see `Bucket.upload_part_copy`.

        Raises:
            OperationNotSupported: some have the source and others do not.
        """
        try:
            return await self._of_upload(
                "UploadPartCopy",
                key,
                upload_id,
                lambda member, own: member.upload_part_copy(key, own, number, source_key, **options),
            )
        except PartialWriteFailed as exc:
            if all(isinstance(each, PreconditionFailed | NoSuchKey) for each in exc.errors):
                raise OperationNotSupported(f"not all members have that version of the source: {exc}") from exc
            raise

    async def complete_multipart_upload(
        self, key: str, upload_id: str, parts: Parts, *, crc64: int | None = None, **options: Any
    ) -> Any:
        """Make the object of its parts on every member where that was not done before; see
        `Bucket.complete_multipart_upload`.
        """

        async def act(member: Bucket, own: str) -> Any:
            try:
                return await member.complete_multipart_upload(key, own, parts, crc64=crc64, **options)
            except NoSuchUpload:
                found = await member.find_completed(key, own, parts, crc64)
                if found is None:
                    raise
                return found

        return await self._of_upload("CompleteMultipartUpload", key, upload_id, act, settle=_settle(key, options))

    async def abort_multipart_upload(self, key: str, upload_id: str) -> None:
        """Give an upload up on every member where there is one; see `Bucket.abort_multipart_upload`."""
        ids = self._ids(upload_id)

        async def settle(_member: Bucket, error: OSSError, _result: object) -> bool:
            return isinstance(error, NoSuchUpload)

        await self._write(
            "AbortMultipartUpload",
            lambda index, member: member.abort_multipart_upload(key, ids[index]),
            at=ids,
            settle=settle,
        )

    async def _of_upload(
        self,
        operation: str,
        key: str,
        upload_id: str,
        act: Callable[[Bucket, str], Awaitable[T]],
        settle: Callable[[Bucket, OSSError, Any], Awaitable[bool]] | None = None,
    ) -> T:
        """Let *act* do something to an upload on every member, by its id there.

        Raises:
            NoSuchUpload: it is gone at one member or more.
        """
        ids = self._ids(upload_id)
        try:
            results: list[T] = await self._write(
                operation, lambda index, member: act(member, ids[index]), at=ids, settle=settle
            )
            return results[0]
        except PartialWriteFailed as exc:
            gone = next((each for each in exc.errors if isinstance(each, NoSuchUpload)), None)
            if gone is None:
                raise
            for index, own in ids.items():
                await _give_up(self.members[index], key, own)
            raise gone from exc

    def _place(self, text: str, name: str, given: str) -> int:
        """Return the member that a mark of a listing speaks of."""
        if not (text.isascii() and text.isdigit() and int(text) < len(self.members)):
            raise OutOfLimits(f"{name}: not one that a listing of this cluster gave: {given!r}")
        return int(text)

    def _ids(self, upload_id: str) -> dict[int, str]:
        """Split an id into those of the members that have one."""
        parts = upload_id.split(_SEPARATOR)
        if len(parts) == 1:
            # It is of one member, who knows which; nobody else has it.
            parts *= len(self.members)
        if len(parts) != len(self.members):
            raise NoSuchUpload(details={"UploadId": upload_id})
        return {index: part for index, part in enumerate(parts) if part}


async def _give_up(member: Bucket, key: str, upload_id: str) -> None:
    """Abort an upload that is no good any more; whatever is in the way."""
    with suppress(NoSuchUpload):
        try:
            await member.abort_multipart_upload(key, upload_id)
        except NoSuchUpload:
            raise
        except OSSError as exc:
            log.warning("the upload %s of %s is left behind at %r: %s", upload_id, key, member, exc)


def _settle(key: str, options: dict[str, Any]) -> Callable[[Bucket, OSSError, Any], Awaitable[bool]] | None:
    """Return how to tell that what must not be overwritten is what an earlier try has written."""
    if not options.get("forbid_overwrite"):
        return None

    async def settle(member: Bucket, error: OSSError, made: Any) -> bool:
        if not isinstance(error, FileAlreadyExists):
            return False
        try:
            found = await member.get_object_meta(key)
        except OSSError:
            return False
        return bool(found.etag == made.etag)

    return settle


@asynccontextmanager
async def open_cluster(
    endpoints: Sequence[Endpoint],
    credentials: CredentialsProvider | Sequence[CredentialsProvider],
    bucket: str,
    *,
    schedule: Schedule = "roundRobin",
    steady: bool = False,
    retry: RetryPolicy = ONE_ROUND,
    on_error: OnError | None = None,
    failover_after: float = FAILOVER_AFTER,
    options: ClientOptions | None = None,
    probe_every: float = PROBE_EVERY,
) -> AsyncIterator[Cluster]:
    """Open a cluster of the bucket called *bucket* at each of *endpoints*, and probe them as long as it is open.

    *credentials* are for all, or for one endpoint each.  Without *options* a member is tried twice before the next one
    is, if it fails with an answer.  For the rest see `Cluster`.

    Raises:
        ValueError: there are no endpoints, or the bucket can have no such name.
    """
    options = options or ClientOptions(retry=RetryPolicy(attempts=2))
    providers = list(credentials) if isinstance(credentials, Sequence) else [credentials] * len(endpoints)
    async with AsyncExitStack() as stack:
        members = []
        for endpoint, provider in zip(endpoints, providers, strict=True):
            client = await stack.enter_async_context(Client(endpoint, provider, options=options))
            members.append(client.bucket(bucket))
        cluster = Cluster(
            members,
            schedule=schedule,
            steady=steady,
            retry=retry,
            on_error=on_error,
            failover_after=failover_after,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(cluster.run, every=probe_every))
            try:
                yield cluster
            finally:
                nursery.cancel_scope.cancel()


def _reading(name: str) -> Any:
    original = getattr(Bucket, name)

    async def method(self: Cluster, *args: Any, **options: Any) -> Any:
        in_turn = not (self._steady or name in _OWN)
        return await self._read(lambda member: getattr(member, name)(*args, **options), in_turn=in_turn)

    method.__name__, method.__doc__ = name, original.__doc__
    return method


def _writing(name: str) -> Any:
    original = getattr(Bucket, name)

    async def method(self: Cluster, *args: Any, **options: Any) -> Any:
        # What can be gone through once only would be nothing for all but one.
        args = tuple(list(each) if isinstance(each, Iterator) else each for each in args)
        options = {each: list(value) if isinstance(value, Iterator) else value for each, value in options.items()}
        settle = _settle(args[0], options) if args else None
        results = await self._write(name, lambda _, member: getattr(member, name)(*args, **options), settle=settle)
        return results[0]

    method.__name__, method.__doc__ = name, original.__doc__
    return method


# Everything else reads or writes just like that.
READS = (
    "get_object",
    "head_object",
    "get_object_meta",
    "get_symlink",
    "get_object_acl",
    "get_object_tagging",
    "list_objects",
    "list_object_versions",
    "find_appended",
    "presign",
    "get_bucket_info",
    "get_bucket_location",
    "get_bucket_stat",
    "get_bucket_acl",
    "get_configuration",
    "get_bucket_versioning",
    "get_style",
    "list_style",
    "option_object",
)
# Goes on where the page before ended, by marks that are a member's own.
_OWN = frozenset({"list_object_versions"})
WRITES = (
    "delete_object",
    "delete_multiple_objects",
    "delete_multiple_versions",
    "copy",
    "copy_object",
    "put_symlink",
    "put_object_acl",
    "put_object_tagging",
    "delete_object_tagging",
    "put_object_meta",
    "restore_object",
    "put_bucket",
    "delete_bucket",
    "put_bucket_acl",
    "put_configuration",
    "delete_configuration",
    "put_bucket_versioning",
    "put_style",
    "delete_style",
)
for _name in READS:
    setattr(Cluster, _name, _reading(_name))
for _name in WRITES:
    setattr(Cluster, _name, _writing(_name))
