"""Copies and changes of metadata that keep everything that was not to be changed.

The service's CopyObject is blunt: with new metadata, everything else is reset, the ACL always is, and above 1 GB it may
refuse.  What is here looks at the source first, and carries along what the caller did not say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from ..wire import metadata
from ..wire.errors import AccessDenied
from ..wire.fields import object_headers
from ..wire.limits import MAX_PARALLEL, check, check_number, check_part_size
from ..wire.message import Request
from ..wire.models import CopyObjectResult
from . import copying
from .multipart import Uploads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.models import SymlinkResult


class Copies(Uploads):
    """The calls that copy with care."""

    async def copy(
        self,
        key: str,
        source_key: str,
        *,
        source_bucket: Copies | None = None,
        headers: Mapping[str, str] | None = None,
        meta: Mapping[str, str] | None = None,
        changes: Mapping[str, str] | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        if_modified_since: float | None = None,
        if_unmodified_since: float | None = None,
        forbid_overwrite: bool = False,
        part_size: int = copying.PART,
        parallel: int = 8,
        source_version_id: str | None = None,
    ) -> CopyObjectResult:
        """Copy *source_key*, or a version of it, of any size, of this bucket or of *source_bucket*, to *key*.

        *headers* and *meta* replace the source's, each as a whole; what is None is the source's.  *changes* are
        single headers that shall be otherwise.  A symlink becomes a symlink.  The ACL is not copied, as CopyObject
        does not, but what is copied onto itself keeps it.

        Raises:
            OutOfLimits: OSS would refuse an argument.
            NoSuchKey: there is no source.
            NotModified, PreconditionFailed: the source is not as the conditions want it, or changed meanwhile.
            FileAlreadyExists: with *forbid_overwrite*, there is such an object.
        """
        check_number("parallel", parallel, 1, MAX_PARALLEL)
        check_part_size(part_size)
        changes = {name.lower(): text for name, text in (changes or {}).items()}
        _check_target(self, key, {**(headers or {}), **changes}, meta)
        origin = source_bucket or self
        head = await origin.head_object(
            source_key,
            version_id=source_version_id,
            if_match=if_match,
            if_none_match=if_none_match,
            if_modified_since=if_modified_since,
            if_unmodified_since=if_unmodified_since,
        )
        carried = metadata.carried(head.headers) if headers is None else headers
        fields = {name.lower(): text for name, text in carried.items()} | changes
        if "x-oss-tagging" not in fields and head.tagging_count:
            tags = await origin.get_object_tagging(source_key, version_id=source_version_id)
            fields["x-oss-tagging"] = urlencode(tags, quote_via=quote)
            fields["x-oss-tagging-directive"] = "Replace"
        if "x-oss-object-acl" not in fields and (origin.name, source_key) == (self.name, key):
            fields |= await _acl_of(origin, source_key, source_version_id)
        wanted = head.meta if meta is None else meta
        if head.type == "Symlink":
            link = await origin.get_symlink(source_key, version_id=source_version_id)
            return await _copy_symlink(self, key, link, fields, wanted, forbid_overwrite=forbid_overwrite)
        return await copying.copy(
            self,
            key,
            head.source,
            headers=fields,
            meta=wanted,
            source_bucket=origin.name,
            source_version_id=source_version_id,
            forbid_overwrite=forbid_overwrite,
            part_size=part_size,
            parallel=parallel,
        )

    async def put_object_meta(
        self, key: str, meta: Mapping[str, str] | None, *, headers: Mapping[str, str] | None = None
    ) -> CopyObjectResult:
        """Replace the user metadata of *key* (None removes all), and of its headers those in *headers*.

        Everything else stays: other headers, storage class, tags, ACL.  No data is moved.

        Raises:
            OutOfLimits: OSS would refuse an argument.
            NoSuchKey: there is no such object.
            PreconditionFailed: it changed meanwhile.
        """
        _check_target(self, key, headers, meta)
        head = await self.head_object(key)
        fields = {**metadata.carried(head.headers), **{name.lower(): text for name, text in (headers or {}).items()}}
        if "x-oss-object-acl" not in fields:
            fields |= await _acl_of(self, key)
        if head.type == "Symlink":
            return await _copy_symlink(self, key, await self.get_symlink(key), fields, meta or {})
        # Onto itself any size goes at once.
        return await copying.copy(self, key, head.source, headers=fields, meta=meta or {}, large=head.size)


def _check_target(bucket: Uploads, key: str, headers: Mapping[str, str] | None, meta: Mapping[str, str] | None) -> None:
    """Check what the object shall have before its source is asked for.

    Raises:
        OutOfLimits: it cannot have that.
    """
    check(Request("PUT", bucket.name, key, headers=object_headers(headers, meta), operation="CopyObject"))


async def _acl_of(bucket: Uploads, key: str, version_id: str | None = None) -> dict[str, str]:
    """Return the header that gives a copy the ACL of *key*, if it has one of its own."""
    try:
        acl = await bucket.get_object_acl(key, version_id=version_id)
    except AccessDenied:
        # Who may not see it may not set it either.
        return {}
    return {} if acl == "default" else {"x-oss-object-acl": acl}


async def _copy_symlink(
    bucket: Uploads,
    key: str,
    link: SymlinkResult,
    headers: Mapping[str, str],
    meta: Mapping[str, str],
    *,
    forbid_overwrite: bool = False,
) -> CopyObjectResult:
    fields = {name: text for name, text in headers.items() if name != "x-oss-tagging-directive"}
    result = await bucket.put_symlink(key, link.target, headers=fields, meta=meta, forbid_overwrite=forbid_overwrite)
    return CopyObjectResult(result.etag, result.last_modified, result.crc64, result.version_id, result.request_id)
