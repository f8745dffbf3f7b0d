"""How errors travel: as XML in the body, or for HEAD, which has none, as base64 in ``x-oss-err``.

Source: API reference, "Error responses".
"""

from __future__ import annotations

from base64 import b64decode, b64encode

from . import xml
from .errors import ServiceError, error_class
from .message import Response


def parse_error(response: Response, *, host: str = "") -> ServiceError:
    """Make the error that *response*, whose status is not a success, tells.

    The XML is in the body or, for HEAD, in ``x-oss-err``.  A body that is none (a proxy's page) is quoted.
    """
    headers = response.headers
    body = bytes(response.body)
    if not body and (encoded := headers.get("x-oss-err")):
        try:
            body = b64decode(encoded, validate=True)
        except ValueError:
            body = b""
    try:
        said = xml.fields(xml.parse(body, "Error")) if body else {}
    except ValueError:
        said = {}
    code = said.pop("Code", "")
    message = said.pop("Message", "")
    if not said and not code and body:
        excerpt = " ".join(body[:400].decode("utf-8", "replace").split())[:200]
        message = f"not an answer of OSS: {excerpt}"
        kind: type[ServiceError] = ServiceError
    else:
        kind = error_class(response.status, code)
    return kind(
        message,
        code=code,
        status=response.status,
        request_id=said.pop("RequestId", "") or headers.get("x-oss-request-id", ""),
        host_id=said.pop("HostId", "") or host,
        ec=said.pop("EC", "") or headers.get("x-oss-ec", ""),
        details=said,
        headers=headers,
    )


def write_error(error: ServiceError, *, head: bool = False) -> Response:
    """Write the answer that tells *error*; with *head* the XML goes into ``x-oss-err`` and there is no body."""
    headers = error.headers.copy()
    if error.ec:
        headers["x-oss-ec"] = error.ec
    if error.status == 304:
        return Response(304, headers)
    elements = [xml.tag("Code", error.code), xml.tag("Message", error.message)]
    elements += [xml.tag("RequestId", error.request_id), xml.tag("HostId", error.host_id)]
    for name, text in error.details.items():
        try:
            elements.append(xml.tag(name, text))
        except ValueError:
            elements.append(xml.tag(name, text.encode("unicode_escape").decode()))
    if error.ec:
        elements.append(xml.tag("EC", error.ec))
    body = xml.document("Error", elements)
    headers["content-type"] = "application/xml"
    if head:
        headers["x-oss-err"] = b64encode(body).decode()
        return Response(error.status, headers)
    headers["content-length"] = str(len(body))
    return Response(error.status, headers, body)
