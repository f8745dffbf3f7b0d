"""Pictures, processed by the service on their way out.

The old service has a host of its own and its operators in the name: ``photo.jpg@200w_200h``.  The new one is OSS, with
``x-oss-process``.  `ImageClient` takes names with operators for either: it sends them as they are to the old, and
in the words of the new to the new.

Source: developer guide, "Image processing"; `wire.images`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

from ..wire import images
from ..wire.errors import BadRequest, BrokenResponse
from .client import Client, ClientOptions
from .endpoints import Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import TracebackType

    import httpx

    from ..wire.models import ObjectHead
    from ..wire.styles import Style
    from .bucket import Bucket
    from .credentials import CredentialsProvider

Grammar = Literal["old", "new"]


class Conditions(TypedDict, total=False):
    """What the picture must be, by ETag or time of last change (seconds since the epoch); see `Bucket.get_object`."""

    if_match: str
    if_none_match: str
    if_modified_since: float
    if_unmodified_since: float


class ImageClient:
    """The pictures of a bucket.  *grammar* is that of the service behind it.

    A name may carry operators behind an ``@``, in either case.
    """

    def __init__(self, bucket: Bucket, *, grammar: Grammar = "new") -> None:
        self.bucket = bucket
        self.grammar = grammar
        self._own: Client | None = None

    @classmethod
    def open(
        cls,
        image_host: str,
        bucket: str,
        credentials: CredentialsProvider,
        *,
        region: str = "cn-hangzhou",
        grammar: Grammar = "old",
        options: ClientOptions | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> ImageClient:
        """Return a client for the image host that is bound to *bucket*; use it as an async context manager.

        The old service knows signature version 1 only.

        Raises:
            ValueError: the host or the bucket's name is none.
        """
        addressing: Literal["cname", "auto"] = "auto" if image_host.startswith("unix:") else "cname"
        endpoint = Endpoint.parse(image_host, region=region, addressing=addressing)
        options = options or ClientOptions()
        if grammar == "old":
            options = replace(options, signature="v1")
        client = Client(endpoint, credentials, options=options, transport=transport)
        made = cls(client.bucket(bucket), grammar=grammar)
        made._own = client
        return made

    def __repr__(self) -> str:
        return f"<ImageClient {self.bucket!r} {self.grammar}>"

    async def __aenter__(self) -> ImageClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own is not None:
            await self._own.aclose()

    def _resolve(self, name: str, process: str = "") -> tuple[str, str | None]:
        """Return the key to ask for, and the process."""
        split = images.split_name(name)
        if self.grammar == "old" or process or split is None:
            return name, process or None
        key, suffix = split
        try:
            steps = images.parse_suffix(suffix, bare_style=True)
        except ValueError:
            # Keys may have an @ too.
            return name, None
        return key, joined(steps)

    async def get(
        self, name: str, *, process: str = "", **conditions: Unpack[Conditions]
    ) -> tuple[ObjectHead, bytes | memoryview]:
        """Return the picture *name* with its operators, or processed by *process*.

        Raises:
            NoSuchKey: there is none.
            NotModified, PreconditionFailed: the picture is not as the conditions want it.
            BadRequest, InvalidArgument, ImageTooLarge: it cannot be processed so.
            NoSuchStyle: there is no such style.
        """
        key, process_ = self._resolve(name, process)
        return await self.bucket.get_object(key, process=process_, **conditions)

    async def get_file(
        self, name: str, path: Path, *, process: str = "", **conditions: Unpack[Conditions]
    ) -> ObjectHead:
        """Write the picture *name* to the file at *path*; see `get`."""
        head, content = await self.get(name, process=process, **conditions)
        temporary = path.with_name(f"{path.name}.part")
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return head

    @asynccontextmanager
    async def open_image(
        self, name: str, *, process: str = "", **conditions: Unpack[Conditions]
    ) -> AsyncIterator[tuple[ObjectHead, AsyncIterator[bytes]]]:
        """Open the picture *name* and give its head and its bytes in pieces; see `get`."""
        key, process_ = self._resolve(name, process)
        async with self.bucket.open_object(key, process=process_, **conditions) as opened:
            yield opened

    async def get_exif(self, name: str) -> dict[str, int | float | str]:
        """Return size and EXIF data of the picture *name*.

        Raises:
            BadRequest: it has no EXIF data.
        """
        if self.grammar == "old":
            return await self._ask(f"{name}@exif", None)
        said = await self._ask(name, "image/info")
        for basic in ("Format", "FrameCount"):
            said.pop(basic, None)
        if not said.keys() - {"FileSize", "ImageHeight", "ImageWidth"}:
            raise BadRequest("Image has no exif info.")
        return said

    async def get_info(self, name: str) -> dict[str, int | float | str]:
        """Return size, format and, if it has them, EXIF data of the picture *name*."""
        if self.grammar == "old":
            return await self._ask(f"{name}@infoexif", None)
        return await self._ask(name, "image/info")

    async def _ask(self, key: str, process: str | None) -> dict[str, int | float | str]:
        _, content = await self.bucket.get_object(key, process=process)
        try:
            return images.parse_info(bytes(content))
        except ValueError as exc:
            raise BrokenResponse(f"{key}: not what is told of a picture: {exc}") from None

    async def put_style(self, name: str, content: str) -> None:
        """Keep *content* as the style *name*."""
        await self.bucket.put_style(name, content)

    async def get_style(self, name: str) -> Style:
        """Return the style *name*.

        Raises:
            NoSuchStyle: there is none.
        """
        return await self.bucket.get_style(name)

    async def list_style(self) -> tuple[Style, ...]:
        """Return all styles."""
        return await self.bucket.list_style()

    async def delete_style(self, name: str) -> None:
        """Remove the style *name*; that there is none is no error."""
        await self.bucket.delete_style(name)

    async def presign(self, name: str, *, process: str = "", expires: int = 1800) -> str:
        """Return a URL of the picture *name* that anybody can open until *expires* seconds from now."""
        key, process_ = self._resolve(name, process)
        return await self.bucket.presign(key, process=process_ or "", expires=expires)


def joined(steps: list[images.Process]) -> str:
    """Return *steps* of the old grammar as one process of the new.

    Raises:
        ValueError: a style stands beside others; the new grammar has no word for that.
    """
    if len(steps) == 1:
        if steps[0].exif:
            return "image/info"
        return str(steps[0])
    if any(step.style or step.exif for step in steps):
        raise ValueError("a style cannot be combined with other operations")
    return str(images.Process(tuple(action for step in steps for action in step.actions)))
