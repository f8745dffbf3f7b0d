"""Several buckets with the same content as one: reads from one that is alive, writes to all.

Theory of operation.  The members are buckets, each of a client with its own endpoint and credentials.  A `Cluster` is a
`Bucket` too, so whatever works with one works with many.

A read goes to a member that is alive, chosen by *schedule*: the first in order (``masterSlave``) or each in turn
(``roundRobin``).  When there is no answer, or the service fails (5xx), the member counts as down and the next one is
asked; any other answer, such as NoSuchKey, is the answer.  When all have failed, the error of the last is raised.

A write goes to every member, down or not, all at once.  If all succeed, the first one's result is returned.  If all
fail, the first one's error is raised.  If some fail, the members differ from now on, and that is never hidden:
`PartialWriteFailed` names who has what.  It is transient if all failures were, so to try again is to repair.

A member is alive until traffic or the probe of `run` says otherwise, and is alive again when either succeeds.  Each
failure is told to *on_error*.

Uploads in parts have an id for each member, joined into one.  Parts and uploads are listed from the first member.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import trio

from ..wire.errors import NoSuchKey, OSSError, ServiceError, TransportError
from .bucket import Bucket
from .client import Client, ClientOptions
from .retry import RetryPolicy

if TYPE_CHECKING:
    from ..wire.models import ObjectHead, Parts
    from .credentials import CredentialsProvider
    from .endpoints import Endpoint

log = logging.getLogger(__name__)

T = TypeVar("T")

Schedule = Literal["roundRobin", "masterSlave"]
OnError = Callable[[Bucket, OSSError], object]

# Looked for by the probe; that it is not there is as good an answer as any.
PROBE_KEY = "._ossmount/alive"
PROBE_EVERY = 10.0
_SEPARATOR = "|"


class PartialWriteFailed(OSSError):
    """A write reached some members of a cluster and not others, which differ now.

    *results* has for each member, in their order, its result or its error.
    """

    def __init__(self, operation: str, members: Sequence[Bucket], results: Sequence[object]) -> None:
        self.results = tuple(results)
        errors = [result for result in results if isinstance(result, OSSError)]
        failed = "; ".join(
            f"{member!r}: {result}"
            for member, result in zip(members, results, strict=True)
            if isinstance(result, OSSError)
        )
        super().__init__(f"{operation}: {len(errors)} of {len(members)} members failed: {failed}")
        self.transient = all(error.transient for error in errors)


class Cluster(Bucket):
    """*members* as one bucket; `client` is the first one's.

    Raises:
        ValueError: there are no members, or no such schedule.
    """

    def __init__(
        self, members: Sequence[Bucket], *, schedule: Schedule = "roundRobin", on_error: OnError | None = None
    ) -> None:
        if not members:
            raise ValueError("a cluster has at least 1 member")
        if schedule not in get_args(Schedule):
            raise ValueError(f"the schedule must be one of {', '.join(get_args(Schedule))}, not {schedule!r}")
        super().__init__(members[0].client, members[0].name)
        self.members = tuple(members)
        self._schedule = schedule
        self._on_error = on_error
        self._alive = [True] * len(members)
        self._turn = 0

    def __repr__(self) -> str:
        return f"<Cluster {list(self.members)!r} {self._schedule}>"

    def is_alive(self, member: Bucket) -> bool:
        """Return whether *member* answered when it was last asked."""
        return self._alive[self.members.index(member)]

    def choose_available(self) -> Bucket:
        """Return the member that the next read would go to."""
        return self.members[self._order()[0]]

    def _order(self) -> list[int]:
        """Return the members to ask, the first first: those alive by schedule, then those that are down."""
        count = len(self.members)
        first = self._turn if self._schedule == "roundRobin" else 0
        turned = [(first + number) % count for number in range(count)]
        # The turn is that of the living: one that is down does not double its neighbour's share.
        living = [index for index in range(count) if self._alive[index]]
        if self._schedule == "roundRobin" and living:
            start = self._turn % len(living)
            living = living[start:] + living[:start]
        return living + [index for index in turned if not self._alive[index]]

    # -- health ----------------------------------------------------------------------------------------------------

    async def run(self, *, every: float = PROBE_EVERY) -> None:
        """Probe every member each *every* seconds, for ever; start it in a nursery."""
        while True:
            await self.probe()
            await trio.sleep(every)

    async def probe(self) -> None:
        """Ask every member for a sign of life."""
        async with trio.open_nursery() as nursery:
            for index in range(len(self.members)):
                nursery.start_soon(self._probe, index)

    async def _probe(self, index: int) -> None:
        try:
            await self.members[index].head_object(PROBE_KEY)
        except NoSuchKey:
            self._came(index)
        except OSSError as exc:
            self._failed(index, exc)
        else:
            self._came(index)

    def _came(self, index: int) -> None:
        if not self._alive[index]:
            log.info("%r is alive again", self.members[index])
            self._alive[index] = True

    def _failed(self, index: int, error: OSSError) -> None:
        if is_down(error):
            if self._alive[index]:
                log.warning("%r is down: %s", self.members[index], error)
            self._alive[index] = False
        else:
            self._came(index)
        if self._on_error is not None:
            self._on_error(self.members[index], error)

    # -- reads -----------------------------------------------------------------------------------------------------

    async def _read(self, ask: Callable[[Bucket], Awaitable[T]]) -> T:
        order = self._order()
        self._turn += 1
        for index in order[:-1]:
            try:
                result = await ask(self.members[index])
            except OSSError as exc:
                if not is_down(exc):
                    self._came(index)
                    raise
                self._failed(index, exc)
            else:
                self._came(index)
                return result
        try:
            result = await ask(self.members[order[-1]])
        except OSSError as exc:
            if is_down(exc):
                self._failed(order[-1], exc)
                exc.add_note("all members of the cluster are down")
            raise
        self._came(order[-1])
        return result

    @asynccontextmanager
    async def open_object(self, key: str, **options: Any) -> AsyncIterator[tuple[ObjectHead, AsyncIterator[bytes]]]:
        """Open *key* on a member that is alive; see `Bucket.open_object`."""
        async with AsyncExitStack() as stack:
            yield await self._read(lambda member: stack.enter_async_context(member.open_object(key, **options)))

    def object_url(self, key: str, base_url: str = "") -> str:
        """Return the unsigned URL of *key* at a member that is alive; see `Bucket.object_url`."""
        return Bucket.object_url(self.choose_available(), key, base_url)

    # -- writes ----------------------------------------------------------------------------------------------------

    async def _write(self, operation: str, act: Callable[[int, Bucket], Awaitable[T]]) -> list[T]:
        """Let *act* write to every member, and return the results in their order.

        Raises:
            PartialWriteFailed: some failed.
            OSSError: all failed; the error of the first.
        """
        results: list[Any] = [None] * len(self.members)

        async def one(index: int) -> None:
            try:
                results[index] = await act(index, self.members[index])
            except OSSError as exc:
                results[index] = exc
                self._failed(index, exc)
            else:
                self._came(index)

        async with trio.open_nursery() as nursery:
            for index in range(len(self.members)):
                nursery.start_soon(one, index)
        errors = [result for result in results if isinstance(result, OSSError)]
        if not errors:
            return results
        if len(errors) == len(results):
            raise errors[0]
        raise PartialWriteFailed(operation, self.members, results)

    async def put_object(self, key: str, body: Any, **options: Any) -> Any:
        """Make *key* of *body* on every member; see `Bucket.put_object`.

        Raises:
            ValueError: *body* is a stream that can be read once only.
        """
        if isinstance(body, AsyncIterable) and isinstance(body, AsyncIterator) and len(self.members) > 1:
            raise ValueError("a stream that can be read once only cannot be written to several members")
        results = await self._write("PutObject", lambda _, member: member.put_object(key, body, **options))
        return results[0]

    async def initiate_multipart_upload(self, key: str, **options: Any) -> str:
        """Begin an upload on every member; see `Bucket.initiate_multipart_upload`."""
        ids = await self._write(
            "InitiateMultipartUpload", lambda _, member: member.initiate_multipart_upload(key, **options)
        )
        return _SEPARATOR.join(ids)

    async def list_parts(self, key: str, upload_id: str, **options: Any) -> Any:
        """Return a page of the parts that the first member has; see `Bucket.list_parts`."""
        return await self.members[0].list_parts(key, _ids(upload_id)[0], **options)

    async def list_multipart_uploads(self, prefix: str = "", **options: Any) -> Any:
        """Return a page of the uploads of the first member, whose ids are only its own."""
        return await self.members[0].list_multipart_uploads(prefix, **options)

    async def upload_part(self, key: str, upload_id: str, number: int, body: Any) -> Any:
        """Send a part to every member; see `Bucket.upload_part`."""
        ids = _ids(upload_id)
        return (
            await self._write(
                "UploadPart", lambda index, member: member.upload_part(key, _at(ids, index), number, body)
            )
        )[0]

    async def upload_part_copy(self, key: str, upload_id: str, number: int, source_key: str, **options: Any) -> Any:
        """Make a part of another object on every member; see `Bucket.upload_part_copy`."""
        ids = _ids(upload_id)
        return (
            await self._write(
                "UploadPartCopy",
                lambda index, member: member.upload_part_copy(key, _at(ids, index), number, source_key, **options),
            )
        )[0]

    async def complete_multipart_upload(self, key: str, upload_id: str, parts: Parts, **options: Any) -> Any:
        """Make the object of its parts on every member; see `Bucket.complete_multipart_upload`."""
        ids = _ids(upload_id)
        return (
            await self._write(
                "CompleteMultipartUpload",
                lambda index, member: member.complete_multipart_upload(key, _at(ids, index), parts, **options),
            )
        )[0]

    async def abort_multipart_upload(self, key: str, upload_id: str) -> None:
        """Give an upload up on every member; see `Bucket.abort_multipart_upload`."""
        ids = _ids(upload_id)
        await self._write(
            "AbortMultipartUpload", lambda index, member: member.abort_multipart_upload(key, _at(ids, index))
        )


@asynccontextmanager
async def open_cluster(
    endpoints: Sequence[Endpoint],
    credentials: CredentialsProvider | Sequence[CredentialsProvider],
    bucket: str,
    *,
    schedule: Schedule = "roundRobin",
    on_error: OnError | None = None,
    options: ClientOptions | None = None,
    probe_every: float = PROBE_EVERY,
) -> AsyncIterator[Cluster]:
    """Open a cluster of the bucket called *bucket* at each of *endpoints*, and probe them as long as it is open.

    *credentials* are for all, or for one endpoint each.  Without *options* a member is tried twice before the next one
    is: patience is for those who have nobody else to ask.

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
        cluster = Cluster(members, schedule=schedule, on_error=on_error)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(cluster.run, every=probe_every))
            try:
                yield cluster
            finally:
                nursery.cancel_scope.cancel()


def is_down(error: OSSError) -> bool:
    """Return whether *error* tells that there is nobody, or nobody well, at the other end."""
    if isinstance(error, ServiceError):
        return error.status >= 500
    return isinstance(error, TransportError)


def _ids(upload_id: str) -> list[str]:
    return upload_id.split(_SEPARATOR)


def _at(ids: list[str], index: int) -> str:
    # A single id is one that a member's list gave.
    return ids[index] if index < len(ids) else ids[0]


def _reading(name: str) -> Any:
    original = getattr(Bucket, name)

    async def method(self: Cluster, *args: Any, **options: Any) -> Any:
        return await self._read(lambda member: getattr(member, name)(*args, **options))

    method.__name__, method.__doc__ = name, original.__doc__
    return method


def _writing(name: str) -> Any:
    original = getattr(Bucket, name)

    async def method(self: Cluster, *args: Any, **options: Any) -> Any:
        return (await self._write(name, lambda _, member: getattr(member, name)(*args, **options)))[0]

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
    "list_objects_v2",
    "list_object_versions",
    "presign",
    "get_bucket_info",
    "get_bucket_location",
    "get_bucket_stat",
    "get_bucket_acl",
    "get_configuration",
    "get_bucket_versioning",
    "get_style",
    "list_styles",
    "options_object",
)
WRITES = (
    "append_object",
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
