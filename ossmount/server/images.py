"""GetObject with a process, and ProcessObject: which, on which bytes; `pictures` carries it out, in a thread.

Source: developer guide, "Image processing"; of the old grammar, "Image service".
"""

from __future__ import annotations

import asyncio
from hashlib import md5
from typing import TYPE_CHECKING

from ..wire.checksums import crc64
from ..wire.errors import ImageTooLarge, NoSuchStyle
from ..wire.images import MAX_SOURCE, Process, parse_process, parse_suffix
from ..wire.message import Headers, Request
from ..wire.models import ObjectHead
from ..wire.object_calls import read_get_object, write_head_object
from ..wire.processing import read_process_object, write_process_object
from ..wire.properties import Properties, argument
from ..wire.verifying import verify
from .conditions import check_conditions, read_range
from .objects import check_readable, look, settled, version_of
from .pictures import Picture, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..wire.message import Response
    from .records import BucketRecord, ObjectRecord
    from .service import Service


async def get_image(service: Service, request: Request) -> Response:
    """GetObject of a picture, processed as it is asked for."""
    call = read_get_object(request)
    bucket = service.bucket(request)
    picture, body, modified = await _make(service, bucket, request, call.process)
    etag = md5(picture.body, usedforsecurity=False).hexdigest().upper()
    check_conditions(call.conditions, etag=etag, modified=modified, now=service.store.clock())
    span = read_range(call.range, len(picture.body), standard=call.standard)
    head = ObjectHead(
        key=request.key,
        size=len(picture.body),
        etag=etag,
        last_modified=modified,
        type=body.type,
        crc64=crc64(picture.body),
        storage_class=body.properties.storage_class,
        headers=Headers({"content-type": picture.content_type}),
        version_id=version_of(bucket, body),
        content_range=(*span, len(picture.body)) if span else None,
    )
    response = write_head_object(head, call.overrides)
    start, stop = span or (0, len(picture.body))
    response.body = picture.body[start:stop]
    return response


async def process_object(service: Service, request: Request) -> Response:
    """ProcessObject: what becomes of the picture is kept as another object."""
    call = read_process_object(request)
    bucket = service.bucket(request)
    put = Request("PUT", call.bucket or bucket.name, call.key, operation="PutObject")
    service.check_names(put)
    now = service.store.clock()
    signer = verify(request, service.credentials, now=now, region=service.options.region)
    if signer is not None:
        service.roles.check(signer.access_key_id, put, now)
    service.bucket(put)
    picture, _, _ = await _make(service, bucket, request, call.process)
    made = service.store.blobs.incoming()
    try:
        made.write(picture.body)
        made.finish()
        target = service.bucket(put)
        properties = Properties(headers={"content-type": picture.content_type})
        service.store.put(target, put.key, made, settled(properties, target))
    finally:
        made.discard()
    return write_process_object(call, len(picture.body))


async def _make(
    service: Service, bucket: BucketRecord, request: Request, process: str
) -> tuple[Picture, ObjectRecord, int]:
    """Return the picture that *process* makes of the object *request* names, that object, and its time."""
    steps = _resolve(service, bucket, process)
    _, body, modified = look(service, bucket, request)
    check_readable(service, bucket, body, request.key)
    if body.size > MAX_SOURCE:
        raise ImageTooLarge(f"The image is larger than {MAX_SOURCE} bytes.")
    data = service.store.blobs.read_all(service.store.cut(body, 0, body.size))
    return await asyncio.to_thread(render, data, steps), body, modified


def _resolve(service: Service, bucket: BucketRecord, text: str) -> Sequence[Process]:
    """Read the process *text*, one of the old grammar after an ``@``, with styles replaced by what they stand for.

    Raises:
        InvalidArgument: it is none.
        NoSuchStyle: there is no such style.
    """
    found: list[Process] = []
    for process in _parse(text):
        if not process.style:
            found.append(process)
            continue
        style = service.store.settings.style(bucket, process.style)
        if style is None:
            raise NoSuchStyle
        meant = _parse(style.content if style.content.startswith("image/") else f"@{style.content}")
        if any(each.style for each in meant):
            raise argument("A style cannot stand for a style.", "style", process.style)
        found += meant
    return found


def _parse(text: str) -> Sequence[Process]:
    try:
        return parse_suffix(text[1:], bare_style=True) if text.startswith("@") else [parse_process(text)]
    except ValueError as exc:
        raise argument(str(exc), "x-oss-process", text) from None
