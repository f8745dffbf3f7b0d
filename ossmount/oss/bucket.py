"""A bucket: what `Objects` and `Uploads` can do, listings, and the bucket as such."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from ..wire import buckets, listing, tagging
from ..wire.errors import BrokenResponse
from ..wire.models import DeleteResult
from .listings import Entries, Versions, iter_objects, iter_parts, iter_uploads
from .settings import Settings
from .streaming import Streaming

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from ..wire.models import (
        BucketInfo,
        BucketStat,
        ListObjectsResult,
        ObjectSummary,
        PartResult,
        UploadInfo,
    )
    from .statistics import ClientStatistics

log = logging.getLogger(__name__)

T = TypeVar("T")


class Bucket(Streaming, Versions, Settings):
    """One bucket; `Client.bucket` makes it.  Methods are named like the operations and raise OSSError."""

    def __repr__(self) -> str:
        return f"<Bucket {self.name!r} at {self.client.endpoint}>"

    # -- as one of several, or all of them -------------------------------------------------------------------------

    # Whether an append that failed can be tried again.
    appends_well = True

    @property
    def members(self) -> tuple[Bucket, ...]:
        """The buckets that this one stands for: itself, or those of a cluster."""
        return (self,)

    async def see_all_alive(self) -> None:
        """Return if each of `members` is alive, as far as that is known.

        Raises:
            ConnectFailed: some are down.
        """

    async def everywhere(self, operation: str, act: Callable[[Bucket], Awaitable[T]]) -> list[T]:
        """Let *act*, which is called *operation*, act on each of `members`; return the results in their order.

        Raises:
            PartialWriteFailed: some failed.
            OSSError: all failed.
        """
        return [await act(self)]

    def tell_differing(self, member: Bucket, keys: Iterable[str]) -> None:
        """Take note that *keys* are not at *member*, or not as at the others of `members`."""
        member.client.health.differs(keys)

    def statistics(self) -> ClientStatistics:
        """Return what its client has done so far."""
        return self.client.statistics()

    # -- many objects ----------------------------------------------------------------------------------------------

    async def list_objects(
        self, prefix: str = "", marker: str = "", delimiter: str = "", max_keys: int = 1000
    ) -> ListObjectsResult:
        """Return a page of the keys after *marker* that begin with *prefix*, in the order of their UTF-8 bytes.

        With *delimiter*, keys that have it behind the prefix are summed up as common prefixes.
        """
        request = listing.list_objects(self.name, prefix=prefix, marker=marker, delimiter=delimiter, max_keys=max_keys)
        return await self.client.call(request, listing.parse_list_objects)

    async def list_objects_v2(
        self,
        prefix: str = "",
        *,
        start_after: str = "",
        continuation_token: str = "",
        delimiter: str = "",
        max_keys: int = 1000,
        fetch_owner: bool = False,
    ) -> ListObjectsResult:
        """Return a page of keys; *continuation_token* is ``next_marker`` of the page before."""
        request = listing.list_objects_v2(
            self.name,
            prefix=prefix,
            start_after=start_after,
            continuation_token=continuation_token,
            delimiter=delimiter,
            max_keys=max_keys,
            fetch_owner=fetch_owner,
        )
        return await self.client.call(request, listing.parse_list_objects)

    def list_pages(
        self, prefix: str = "", *, delimiter: str = "", start_after: str = "", max_keys: int = 1000
    ) -> Pages:
        """Return the pages of a listing, to be gone through with ``async for``."""
        return Pages(self, prefix, delimiter, start_after, max_keys)

    def iter_objects(
        self, prefix: str = "", *, delimiter: str = "", start_after: str = "", max_keys: int = 1000
    ) -> Entries[ObjectSummary | str, str]:
        """Return the objects of a listing, to be gone through with ``async for``, however many pages it has.

        With *delimiter*, common prefixes are among them, as text.
        """
        return iter_objects(self, prefix, start_after=start_after, delimiter=delimiter, max_keys=max_keys)

    def iter_multipart_uploads(self, prefix: str = "") -> Entries[UploadInfo, tuple[str, str]]:
        """Return the uploads under way, to be gone through with ``async for``."""
        return iter_uploads(self, prefix)

    def iter_parts(self, key: str, upload_id: str) -> Entries[PartResult, int]:
        """Return the parts of an upload, to be gone through with ``async for``."""
        return iter_parts(self, key, upload_id)

    async def delete_multiple_objects(self, keys: Iterable[str], *, quiet: bool = False) -> DeleteResult:
        """Delete *keys*, any number, as many at once as the service takes; that one does not exist is no error.

        With *quiet* the service does not list what it deleted, and the result does not either.

        Keys that XML cannot hold, and any that the answer does not name, are deleted one by one.

        Raises:
            TypeError: *keys* is one key, whose letters are not meant.
            OSSError: some may be deleted, and some not.
        """
        if isinstance(keys, str):
            raise TypeError(f"several keys are wanted, and {keys!r} is one: write [key], or use delete_object")
        deleted: list[str] = []
        alone: list[str] = []
        together: list[str] = []
        for key in dict.fromkeys(keys):
            (together if listing.can_delete_multiple(key) else alone).append(key)
        for batch in listing.delete_batches(together):
            request = listing.delete_multiple_objects(self.name, batch, quiet=quiet)
            result = await self.client.call(request, listing.parse_delete_multiple_objects)
            if quiet and not result.deleted:
                continue
            gone = set(result.deleted)
            deleted += [key for key in batch if key in gone]
            alone += [key for key in batch if key not in gone]
        for key in alone:
            await self.delete_object(key)
        return DeleteResult(() if quiet else tuple(deleted + alone))

    # -- the bucket as such ----------------------------------------------------------------------------------------

    async def put_bucket(self, *, acl: str = "", storage_class: str = "", redundancy: str = "") -> None:
        """Make the bucket; if it is already one's own it stays as it is.

        Raises:
            BucketAlreadyExists: it is somebody else's.
        """
        await self.client.send(
            buckets.put_bucket(self.name, acl=acl, storage_class=storage_class, data_redundancy_type=redundancy)
        )

    async def delete_bucket(self) -> None:
        """Delete the bucket.

        Raises:
            BucketNotEmpty: there are objects or uploads in it.
        """
        await self.client.send(buckets.delete_bucket(self.name))

    async def get_bucket_info(self) -> BucketInfo:
        """Return what kind of bucket it is."""
        return await self.client.call(buckets.get_bucket_info(self.name), buckets.parse_get_bucket_info)

    async def get_bucket_location(self) -> str:
        """Return where it is, such as ``oss-cn-hangzhou``."""
        return await self.client.call(buckets.get_bucket_location(self.name), buckets.parse_get_bucket_location)

    async def get_bucket_stat(self) -> BucketStat:
        """Return how much is in it, as of the service's last count."""
        return await self.client.call(buckets.get_bucket_stat(self.name), buckets.parse_get_bucket_stat)

    async def get_bucket_acl(self) -> str:
        """Return its ACL."""
        return (await self.client.call(buckets.get_bucket_acl(self.name), tagging.parse_get_acl)).grant

    async def put_bucket_acl(self, acl: str) -> None:
        """Set its ACL: ``private``, ``public-read`` or ``public-read-write``."""
        await self.client.send(buckets.put_bucket_acl(self.name, acl))


class Pages:
    """The pages of a listing one after the other."""

    def __init__(self, bucket: Bucket, prefix: str, delimiter: str, start_after: str, max_keys: int) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._delimiter = delimiter
        self._start_after = start_after
        self._max_keys = max_keys
        # None when there is no further page.
        self._token: str | None = ""

    def __aiter__(self) -> Pages:
        return self

    async def __anext__(self) -> ListObjectsResult:
        if self._token is None:
            raise StopAsyncIteration
        page = await self._bucket.list_objects_v2(
            self._prefix,
            start_after=self._start_after,
            continuation_token=self._token,
            delimiter=self._delimiter,
            max_keys=self._max_keys,
        )
        following = page.next_marker if page.is_truncated else None
        if following == self._token:
            raise BrokenResponse(f"a listing that goes on where it was: {following!r}")
        self._token = following
        return page
