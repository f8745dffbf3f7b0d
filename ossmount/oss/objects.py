"""Objects of a bucket: `Objects` has the calls for one object each, named like the operations of the API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from dataclasses import replace as _replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..wire import objects, restore, tagging
from ..wire.errors import BrokenResponse
from ..wire.limits import check_body, check_choice
from ..wire.message import Headers, Request, Response, encode_key
from ..wire.versions import parse_delete_object
from .sources import FileBody, content_type_of
from .streams import Download, check_crc64, checked, crc64_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ..wire.callback import Callback
    from ..wire.message import Buffer
    from ..wire.models import CopyObjectResult, ObjectHead, ObjectMeta, PutObjectResult, SymlinkResult
    from ..wire.signing import Version
    from ..wire.versions import Deletion
    from .client import Client, Lease

# Larger bodies are given as a view of the memory they were received into.
_LARGE = 1024 * 1024
# What a URL can be signed for.
_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")
# Answers that do not say their length (processed images) end here.
_MAX_UNKNOWN = 256 * 1024 * 1024


def _expected_crc64(head: ObjectHead, *, whole: bool) -> int | None:
    """Return the CRC-64 that the body must have, if it can be known.

    That of a range is not told.  Of a symlink it is undocumented whether the answer tells the link's or the target's.
    """
    return head.crc64 if whole and head.type != "Symlink" else None


class Objects:
    """The calls for single objects.  Every one raises OSSError; subclasses named after codes say what happened."""

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self.name = name

    async def get_object(
        self,
        key: str,
        *,
        start: int | None = None,
        stop: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        if_modified_since: float | None = None,
        if_unmodified_since: float | None = None,
        into: memoryview | None = None,
        process: str | None = None,
        version_id: str | None = None,
    ) -> tuple[ObjectHead, bytes | memoryview]:
        """Return the head and the bytes of *key*, or of its half-open range *start* to *stop*.

        Up to 1 MiB is returned as bytes, more as a view.  A range that reaches behind the end is clipped.  With
        *into* the bytes are received into its front, and what is returned is the part of it that was filled.  A whole
        object is checked by its CRC-64, also when a range asks for all of it.

        Raises:
            ValueError: the range is empty.
            NoSuchKey, InvalidRange: there is no such object, or no such byte.
            NotModified, PreconditionFailed: the ETag is, or is not, the one given.
            IntegrityError: it arrived damaged, time and again.
        """
        request = objects.get_object(
            self.name,
            key,
            start=start,
            stop=stop,
            if_match=if_match,
            if_none_match=if_none_match,
            if_modified_since=if_modified_since,
            if_unmodified_since=if_unmodified_since,
            version_id=version_id,
            process=process,
        )
        whole = start is None and stop is None
        size = len(into) if into is not None else (stop or 0) - (start or 0)

        async def receive(lease: Lease) -> tuple[ObjectHead, bytes | memoryview]:
            reply = lease.reply
            head = objects.parse_get_object(Response(reply.status, reply.headers), key, start=start, stop=stop)
            if head.content_range is not None and reply.size != head.content_range[1] - head.content_range[0]:
                raise ValueError(f"a body of {reply.size} bytes for {head.content_range}")
            length = reply.size
            if into is not None and length is not None and length > len(into):
                failure = BrokenResponse(f"{self.name}/{key}: {length} bytes, and room for {len(into)}")
                failure.transient = False
                raise failure
            body: bytes | memoryview
            if into is not None:
                body = into[: await reply.read_into(into)]
            elif length is not None and length > _LARGE:
                # Bytes would have to be copied out of what they are received into.
                body = memoryview(bytearray(length))
                await reply.read_into(body)
            else:
                body = await reply.read(_MAX_UNKNOWN if length is None else length)
            self.client.count_received(len(body))
            if head.size < 0:
                head = _replace(head, size=len(body))
            is_whole = whole or head.content_range == (0, len(body), len(body))
            if (expected := _expected_crc64(head, whole=is_whole and not process)) is not None:
                check_crc64(expected, await crc64_of(body), f"{self.name}/{key}")
            return head, body

        return await self.client.perform(request, receive, size=max(size, 0))

    @asynccontextmanager
    async def open_object(
        self,
        key: str,
        *,
        start: int | None = None,
        stop: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        if_modified_since: float | None = None,
        if_unmodified_since: float | None = None,
        version_id: str | None = None,
        process: str | None = None,
    ) -> AsyncIterator[tuple[ObjectHead, AsyncIterator[bytes]]]:
        """Open *key*, or a range of it, and give its head and its bytes in pieces of up to 256 KiB as they come.

        What breaks after the head has come is raised while reading and is not tried again here.

        Raises:
            OSSError: as `get_object`; reading a damaged whole object to its end raises IntegrityError.
        """
        request = objects.get_object(
            self.name,
            key,
            start=start,
            stop=stop,
            if_match=if_match,
            if_none_match=if_none_match,
            if_modified_since=if_modified_since,
            if_unmodified_since=if_unmodified_since,
            version_id=version_id,
            process=process,
        )

        async def receive(lease: Lease) -> tuple[Lease, ObjectHead]:
            response = Response(lease.reply.status, lease.reply.headers)
            return lease, objects.parse_get_object(response, key, start=start, stop=stop)

        lease, head = await self.client.perform(request, receive, keep_open=True)
        try:
            expected = _expected_crc64(head, whole=start is None and stop is None and not process)
            yield head, Download(self.client, lease, expected, f"{self.name}/{key}")
        finally:
            await lease.aclose()

    async def head_object(
        self,
        key: str,
        *,
        version_id: str | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        if_modified_since: float | None = None,
        if_unmodified_since: float | None = None,
    ) -> ObjectHead:
        """Return everything about *key* but its bytes; times are seconds since the epoch.

        Raises:
            NotModified, PreconditionFailed: it is, or is not, the one the conditions tell.
        """
        request = objects.head_object(
            self.name,
            key,
            version_id=version_id,
            if_match=if_match,
            if_none_match=if_none_match,
            if_modified_since=if_modified_since,
            if_unmodified_since=if_unmodified_since,
        )
        return await self.client.call(request, lambda response: objects.parse_head_object(response, key))

    async def get_object_meta(self, key: str, *, version_id: str | None = None) -> ObjectMeta:
        """Return size, ETag and time of *key*; of a symlink, of the link itself."""
        request = objects.get_object_meta(self.name, key, version_id=version_id)
        return await self.client.call(request, lambda response: objects.parse_get_object_meta(response, key))

    async def put_object(
        self,
        key: str,
        body: Buffer | AsyncIterable[bytes] | Path,
        *,
        headers: Mapping[str, str] | None = None,
        meta: Mapping[str, str] | None = None,
        forbid_overwrite: bool = False,
        content_type: str | None = None,
        size: int | None = None,
        callback: Callback | None = None,
    ) -> PutObjectResult:
        """Make *key* of *body*: bytes, a file, or a stream, whose length is *size* if that is known.

        A file without *content_type* gets the one of its name.  With *callback* the service calls an application's
        server before it answers.

        Bytes go with their CRC-64, so that damaged ones are refused before anything is replaced; a stream's is
        compared afterwards.  A stream that can be iterated only once (a generator) is sent only once.

        Raises:
            FileAlreadyExists: with *forbid_overwrite*, there is such an object.
            ValueError: a name of *meta* is not possible, or the stream is not *size* bytes long.
            IntegrityError: it arrived damaged.
            CallbackFailed: it is stored, but *callback* was not taken.
        """
        if isinstance(body, Path):
            told = Headers(headers or {}).get("content-type")
            content_type = content_type or told or content_type_of(key, body.name)
            body = FileBody(body)
            size = body.size
        if callback is not None:
            headers = {**(headers or {}), **callback.headers()}
        stream = checked(body, size) if isinstance(body, AsyncIterable) else None
        data = None if isinstance(body, AsyncIterable) else body
        # What is none of these, None above all, is a TypeError, and no empty object.
        check_body((size or 0) if isinstance(body, AsyncIterable) else memoryview(body).nbytes)
        ours = 0 if data is None else await crc64_of(data)
        request = objects.put_object(
            self.name,
            key,
            data,
            headers=headers,
            meta=meta,
            forbid_overwrite=forbid_overwrite,
            content_type=content_type,
            crc64=None if data is None else ours,
        )
        if stream is not None and size is not None:
            request.headers["content-length"] = str(size)

        def parse(response: Response) -> PutObjectResult:
            result = objects.parse_put_object(response)
            check_crc64(result.crc64, ours if stream is None else stream.crc64, f"{self.name}/{key}")
            return result

        try:
            return await self.client.call(request, parse, body=stream)
        finally:
            if isinstance(body, AsyncGenerator):
                # It may have been left in the middle, and nobody else knows.
                await body.aclose()

    async def delete_object(self, key: str, *, version_id: str | None = None) -> Deletion:
        """Delete *key*, or one version of it; that there is none is no error."""
        request = objects.delete_object(self.name, key, version_id=version_id)
        return await self.client.call(request, lambda response: parse_delete_object(response, key))

    async def copy_object(
        self,
        key: str,
        source_key: str,
        *,
        source_bucket: str | None = None,
        replace: bool = False,
        headers: Mapping[str, str] | None = None,
        meta: Mapping[str, str] | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        if_modified_since: float | None = None,
        if_unmodified_since: float | None = None,
        forbid_overwrite: bool = False,
        source_version_id: str | None = None,
    ) -> CopyObjectResult:
        """Copy *source_key* to *key* inside the service.

        With *replace*, *headers* and *meta* become all of the copy's, else the source's are copied.  `oss.copying`
        also copies what is too large for one request.

        Raises:
            NoSuchKey: there is no source.
            PreconditionFailed: its ETag is not *if_match*.
            FileAlreadyExists: with *forbid_overwrite*, there is such an object.
        """
        request = objects.copy_object(
            self.name,
            key,
            source_bucket or self.name,
            source_key,
            replace=replace,
            headers=headers,
            meta=meta,
            if_match=if_match,
            if_none_match=if_none_match,
            if_modified_since=if_modified_since,
            if_unmodified_since=if_unmodified_since,
            forbid_overwrite=forbid_overwrite,
            source_version_id=source_version_id,
        )
        return await self.client.call(request, objects.parse_copy_object)

    async def put_symlink(
        self,
        key: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        meta: Mapping[str, str] | None = None,
        forbid_overwrite: bool = False,
    ) -> PutObjectResult:
        """Make *key* a symlink to the key *target*, which need not exist."""
        request = objects.put_symlink(
            self.name, key, target, headers=headers, meta=meta, forbid_overwrite=forbid_overwrite
        )
        return await self.client.call(request, objects.parse_put_object)

    async def get_symlink(self, key: str, *, version_id: str | None = None) -> SymlinkResult:
        """Return where the symlink *key* points.

        Raises:
            NotSymlink: it is something else.
        """
        request = objects.get_symlink(self.name, key, version_id=version_id)
        return await self.client.call(request, objects.parse_get_symlink)

    async def put_object_acl(self, key: str, acl: str, *, version_id: str | None = None) -> None:
        """Set the ACL of *key*, or a version: ``default``, ``private``, ``public-read`` or ``public-read-write``."""
        await self.client.send(tagging.put_object_acl(self.name, key, acl, version_id=version_id))

    async def get_object_acl(self, key: str, *, version_id: str | None = None) -> str:
        """Return the ACL of *key*, or of one version of it."""
        request = tagging.get_object_acl(self.name, key, version_id=version_id)
        return (await self.client.call(request, tagging.parse_get_acl)).grant

    async def put_object_tagging(self, key: str, tags: Mapping[str, str], *, version_id: str | None = None) -> None:
        """Replace the tags of *key*, or of one version of it."""
        await self.client.send(tagging.put_object_tagging(self.name, key, tags, version_id=version_id))

    async def get_object_tagging(self, key: str, *, version_id: str | None = None) -> dict[str, str]:
        """Return the tags of *key*, or of one version of it."""
        request = tagging.get_object_tagging(self.name, key, version_id=version_id)
        return await self.client.call(request, tagging.parse_get_object_tagging)

    async def delete_object_tagging(self, key: str, *, version_id: str | None = None) -> None:
        """Remove all tags of *key*, or of one version of it."""
        await self.client.send(tagging.delete_object_tagging(self.name, key, version_id=version_id))

    async def restore_object(self, key: str, *, days: int = 1, tier: str = "", version_id: str | None = None) -> bool:
        """Make the archived *key* readable for *days*; return whether it is already, else it will be.

        *tier* (``Expedited``, ``Standard``, ``Bulk``) is for cold archives.

        Raises:
            RestoreAlreadyInProgress: somebody has asked before.
            OperationNotSupported: it is not archived.
        """
        request = restore.restore_object(self.name, key, days=days, tier=tier, version_id=version_id)
        return await self.client.call(request, restore.parse_restore_object)

    def object_url(self, key: str, base_url: str = "") -> str:
        """Return the unsigned URL of *key*, below *base_url* (that of a CDN, say) if it is given."""
        if base_url:
            return f"{base_url.rstrip('/')}/{encode_key(key)}"
        return self.client.endpoint.url(Request("GET", self.name, key))

    async def presign(
        self,
        key: str,
        *,
        method: str = "GET",
        expires: int = 3600,
        process: str = "",
        response: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        version_id: str | None = None,
        parameters: Mapping[str, str] | None = None,
        callback: Callback | None = None,
        signature: Version | None = None,
    ) -> str:
        """Return a URL with which anybody can do *method* to *key* until *expires* seconds from now.

        *process* is done to a picture, *response* are headers that shall be otherwise in the answer, *headers* those
        that will be sent with the URL.  *parameters* are what else the URL shall ask for, such as ``uploadId`` and
        ``partNumber``, or ``x-oss-traffic-limit`` (bits a second); the service makes *callback* when the URL was used
        to put an object.  *signature* is the client's own if it is not given.

        Raises:
            ValueError: *expires* is not possible, with version 4 over seven days.
            OutOfLimits: there is no such *method*, a header of *response* cannot be set, or *callback* is not possible.
            CredentialsError: there is nothing to sign with.
        """
        check_choice("the method of a URL", method, _METHODS)
        query = {**objects.response_overrides(response), **(parameters or {})}
        for name, value in (callback.headers() if callback else {}).items():
            query[name.removeprefix("x-oss-")] = value
        if process:
            query["x-oss-process"] = process
        if version_id:
            query["versionId"] = version_id
        request = Request(method, self.name, key, query, Headers(headers or {}), operation="presign")
        return await self.client.presign(request, expires=expires, signature=signature)
