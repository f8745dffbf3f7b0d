"""ProcessObject: a picture is processed and the result kept as an object; the server's half.

The body is ``x-oss-process=PROCESS|sys/saveas,o_KEY,b_BUCKET``, with key and bucket in URL-safe base64.

Source: user guide, "Save processed images".
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .errors import MissingArgument, NotImplementedByOSS
from .message import Headers, Response
from .properties import argument

if TYPE_CHECKING:
    from .message import Request

_PARAMETER = "x-oss-process"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCall:
    """What is to be done, and where the result goes: to *key* of *bucket*, which is empty for the picture's own."""

    process: str
    key: str
    bucket: str = ""


def read_process_object(request: Request) -> ProcessCall:
    """Read ProcessObject.

    Raises:
        NotImplementedByOSS: what is asked for is no picture, but SelectObject.
        MissingArgument: there is no process.
        InvalidArgument: it does not say where the result goes.
    """
    if request.query.get(_PARAMETER):
        raise NotImplementedByOSS(details={"ArgumentName": _PARAMETER})
    name, _, text = bytes(request.body or b"").decode("utf-8", "replace").strip().partition("=")
    if name != _PARAMETER or not text:
        raise MissingArgument(details={"ArgumentName": _PARAMETER})
    # Some SDKs send it as it is, others as a form; there is no percent sign in a process.
    text = unquote(text)
    process, _, target = text.rpartition("|")
    action, *parameters = target.split(",")
    if action != "sys/saveas" or not process:
        raise argument("A process ends with |sys/saveas,o_KEY,b_BUCKET.", _PARAMETER, text)
    said = dict(each.partition("_")[::2] for each in parameters)
    try:
        key, bucket = (_decoded(said.get(each, "")) for each in "ob")
    except ValueError:
        raise argument("Key or bucket of sys/saveas is not URL-safe base64.", _PARAMETER, text) from None
    if not key:
        raise argument("sys/saveas has no o_KEY.", _PARAMETER, text)
    return ProcessCall(process=process, key=key, bucket=bucket)


def _decoded(text: str) -> str:
    bare = text.rstrip("=").replace("+", "-").replace("/", "_")
    return urlsafe_b64decode(bare + "=" * (-len(bare) % 4)).decode()


def write_process_object(call: ProcessCall, size: int) -> Response:
    """Answer ProcessObject, which made an object of *size* bytes."""
    said = {"bucket": call.bucket, "fileSize": size, "object": call.key, "status": "OK"}
    body = json.dumps(said).encode()
    return Response(200, Headers({"content-type": "application/json", "content-length": str(len(body))}), body)
