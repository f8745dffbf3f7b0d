"""Listings gone through entry by entry, however many pages they have.

``async for object in bucket.iter_objects("photos/"): ...`` asks for a page when the one before is used up.  These are
iterators, not generators: one may leave them in the middle, and nothing is left behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from ..wire import versions
from ..wire.errors import BrokenResponse
from ..wire.listing import MAX_DELETED_KEYS, can_delete_multiple

if TYPE_CHECKING:
    from ..wire.models import ObjectSummary, PartResult, UploadInfo
    from ..wire.versions import Deletion, ListVersionsResult, ObjectVersion
    from .bucket import Bucket
    from .client import Client
    from .multipart import Uploads

T = TypeVar("T")
Mark = TypeVar("Mark")

Fetch = Callable[[Mark], Awaitable[tuple[Iterable[T], Mark | None]]]


class Entries(Generic[T, Mark]):
    """The entries of a listing one after the other.

    *fetch* is given where to go on, and returns the entries of the page and where the next one begins, None for
    nowhere.
    """

    def __init__(self, fetch: Fetch[Mark, T], first: Mark) -> None:
        self._fetch = fetch
        self._next: Mark | None = first
        self._entries: deque[T] = deque()

    def __aiter__(self) -> Entries[T, Mark]:
        return self

    async def __anext__(self) -> T:
        while not self._entries:
            if self._next is None:
                raise StopAsyncIteration
            mark = self._next
            entries, self._next = await self._fetch(mark)
            if self._next == mark:
                raise BrokenResponse(f"a listing that goes on where it was: {mark!r}")
            self._entries.extend(entries)
        return self._entries.popleft()


def iter_objects(
    bucket: Bucket, prefix: str, *, start_after: str, delimiter: str, max_keys: int
) -> Entries[ObjectSummary | str, str]:
    """Return the objects of a listing, and with *delimiter* the common prefixes as text, in one order of bytes."""

    async def fetch(token: str) -> tuple[Iterable[ObjectSummary | str], str | None]:
        page = await bucket.list_objects_v2(
            prefix, start_after=start_after, continuation_token=token, delimiter=delimiter, max_keys=max_keys
        )
        entries: list[ObjectSummary | str] = [*page.objects, *page.prefixes]
        if page.prefixes:
            entries.sort(key=lambda entry: (entry if isinstance(entry, str) else entry.key).encode("utf-8", "replace"))
        return entries, page.next_marker if page.is_truncated else None

    return Entries(fetch, "")


def iter_versions(
    bucket: Versions, prefix: str, *, key_marker: str, max_keys: int
) -> Entries[ObjectVersion, tuple[str, str]]:
    """Return the versions of all keys that begin with *prefix*."""

    async def fetch(mark: tuple[str, str]) -> tuple[Iterable[ObjectVersion], tuple[str, str] | None]:
        page = await bucket.list_object_versions(
            prefix, key_marker=mark[0], version_id_marker=mark[1], max_keys=max_keys
        )
        following = (page.next_key_marker, page.next_version_id_marker) if page.is_truncated else None
        return page.versions, following

    return Entries(fetch, (key_marker, ""))


def iter_uploads(bucket: Uploads, prefix: str) -> Entries[UploadInfo, tuple[str, str]]:
    """Return the uploads under way."""

    async def fetch(mark: tuple[str, str]) -> tuple[Iterable[UploadInfo], tuple[str, str] | None]:
        page = await bucket.list_multipart_uploads(prefix, key_marker=mark[0], upload_id_marker=mark[1])
        return page.uploads, (page.next_key_marker, page.next_upload_id_marker) if page.is_truncated else None

    return Entries(fetch, ("", ""))


def iter_parts(bucket: Uploads, key: str, upload_id: str) -> Entries[PartResult, int]:
    """Return the parts of an upload."""

    async def fetch(marker: int) -> tuple[Iterable[PartResult], int | None]:
        page = await bucket.list_parts(key, upload_id, part_number_marker=marker)
        return page.parts, page.next_part_number_marker if page.is_truncated else None

    return Entries(fetch, 0)


class Versions:
    """The calls for versions of objects."""

    client: Client
    name: str

    async def list_object_versions(
        self,
        prefix: str = "",
        *,
        key_marker: str = "",
        version_id_marker: str = "",
        delimiter: str = "",
        max_keys: int = 1000,
    ) -> ListVersionsResult:
        """Return a page of versions and delete markers, of each key the newest first."""
        request = versions.list_object_versions(
            self.name,
            prefix=prefix,
            key_marker=key_marker,
            version_id_marker=version_id_marker,
            delimiter=delimiter,
            max_keys=max_keys,
        )
        return await self.client.call(request, versions.parse_list_object_versions)

    def iter_object_versions(
        self, prefix: str = "", *, key_marker: str = "", max_keys: int = 1000
    ) -> Entries[ObjectVersion, tuple[str, str]]:
        """Return all versions and delete markers, to be gone through with ``async for``."""
        return iter_versions(self, prefix, key_marker=key_marker, max_keys=max_keys)

    async def delete_multiple_versions(self, entries: Iterable[tuple[str, str | None]]) -> list[Deletion]:
        """Delete any number of versions, each a key and a version id; None puts a delete marker on the key.

        Raises:
            OSSError: some may be deleted, and some not.
        """
        together: list[tuple[str, str | None]] = []
        deletions: list[Deletion] = []
        for key, version_id in dict.fromkeys(entries):
            if can_delete_multiple(key):
                together.append((key, version_id))
            else:
                request = versions.delete_version(self.name, key, version_id)
                deletion = await self.client.call(request, versions.parse_delete_object)
                deletions.append(replace(deletion, key=key))
        for start in range(0, len(together), MAX_DELETED_KEYS):
            request = versions.delete_multiple_versions(self.name, together[start : start + MAX_DELETED_KEYS])
            deletions += await self.client.call(request, versions.parse_delete_multiple_versions)
        return deletions
