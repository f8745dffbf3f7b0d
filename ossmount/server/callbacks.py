"""Callbacks: telling an application's server on this machine that an object is stored, and handing its answer on.

Calls go to the loopback only: an embedded server is not to be made to knock on other doors.  Unlike the service's they
are not signed, since only it has the key.

Source: API reference, "Callback".
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import json
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..wire.callback import read_callback
from ..wire.errors import CallbackFailed, ServiceError
from ..wire.message import Headers, Response
from ..wire.object_calls import DEFAULT_TYPE
from ..wire.properties import argument
from .records import parse_segments

if TYPE_CHECKING:
    from ..wire.callback import Callback
    from ..wire.message import Request
    from .records import ObjectRecord
    from .service import Service

log = logging.getLogger(__name__)

# How long an application may take, in seconds, and how much it may answer, in bytes.
TIMEOUT = 5.0
MAX_ANSWER = 3 * 1024 * 1024
# Larger pictures are not looked at, in bytes.
MAX_PICTURE = 20 * 1024 * 1024


def read_local_callback(request: Request) -> Callback | None:
    """Return the callback that *request* asks for, whose URLs are all on this machine.

    Raises:
        InvalidArgument: one is not, or is none; or the callback is none.
    """
    callback = read_callback(request)
    if callback is None:
        return None
    for url in callback.url.split(";"):
        try:
            parts = urlsplit(url.strip())
            host, _port = parts.hostname or "", parts.port
        except ValueError:
            host, parts = "", urlsplit("")
        if parts.scheme != "http" or not _is_loopback(host):
            raise argument("Only callbacks to this machine are made here, with http.", "callbackUrl", url)
    return callback


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def call_back(
    service: Service, callback: Callback, request: Request, record: ObjectRecord, response: Response
) -> Response:
    """Make *callback* for *record*, which *request* stored, and return the application's answer in *response*'s place.

    Raises:
        CallbackFailed: no URL answered with JSON; the object is stored all the same.
    """
    values = {
        "bucket": request.bucket,
        "object": record.key,
        "etag": record.etag,
        "size": str(record.size),
        "mimeType": record.properties.headers.get("content-type", DEFAULT_TYPE),
        "crc64": str(record.crc64),
        "contentMd5": response.headers.get("content-md5", ""),
        "operation": request.operation,
    }
    if "${imageInfo." in callback.body and record.size <= MAX_PICTURE:
        data = service.store.blobs.read_all(parse_segments(record.segments))
        values |= await asyncio.to_thread(_image_info, data)
    body = callback.expand(values).encode()
    failure = CallbackFailed()
    for url in callback.url.split(";"):
        try:
            answer = await asyncio.to_thread(_post, url.strip(), callback, body)
        except CallbackFailed as exc:
            failure = exc
        except TimeoutError:
            failure = CallbackFailed("Cost too long time.")
        except (OSError, ValueError, http.client.HTTPException) as exc:
            log.info("callback to %s: %r", url, exc)
            failure = CallbackFailed("Error status : -1. OSS can not connect to your callbackUrl, please check it.")
        else:
            return _handed_on(answer, response)
        log.info("callback to %s: %s", url, failure.message)
    failure.details["CallbackUrl"] = callback.url
    raise failure


def _handed_on(answer: bytes, response: Response) -> Response:
    """Return the application's *answer* with what *response* says of the object."""
    headers = Headers({"content-type": "application/json", "content-length": str(len(answer))})
    for name in ("etag", "x-oss-hash-crc64ecma", "x-oss-version-id"):
        if name in response.headers:
            headers[name] = response.headers[name]
    return Response(200, headers, answer)


def _post(url: str, callback: Callback, body: bytes) -> bytes:
    """Post *body* and return the JSON that comes back; runs in a thread.

    Raises:
        CallbackFailed: it is none, or the status is not 200.
        OSError, ValueError, HTTPException: nobody answers, or the URL is none.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"content-type": callback.body_type, "user-agent": "http-client/0.0.1", "connection": "close"}
        if callback.host:
            headers["host"] = callback.host
        connection.request("POST", target, body, headers)
        with connection.getresponse() as answer:
            said = answer.read(MAX_ANSWER + 1)
            if answer.status != 200:
                raise CallbackFailed(f"Error status : {answer.status}.")
    finally:
        connection.close()
    if len(said) > MAX_ANSWER:
        raise CallbackFailed("Error status : 400. User server return too long content-length value.")
    try:
        json.loads(said)
    except ValueError:
        raise CallbackFailed("Response body is not valid json format.", ec="0007-00000205") from None
    return said


def _image_info(data: bytes) -> dict[str, str]:
    """Return what can be said of the picture *data*, with the names of the places in a callback."""
    from .pictures import describe

    try:
        said = describe(data)
    except ServiceError:
        said = {}
    return {f"imageInfo.{name}": said.get(label, "") for name, label in _IMAGE_INFO.items()}


_IMAGE_INFO = {"height": "ImageHeight", "width": "ImageWidth", "format": "Format"}
