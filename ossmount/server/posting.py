"""PostObject: a file from a form, allowed by the policy in it.

The form says what the headers of PutObject would say, so it becomes such a request.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

from ..wire.errors import AccessDenied, MissingArgument
from ..wire.message import Request
from ..wire.models import PutObjectResult
from ..wire.object_calls import read_write
from ..wire.post_object import check_policy, verify_post_object, write_post_object
from .callbacks import call_back, read_local_callback
from .objects import check_overwrite, settled, version_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ..wire.form import Form
    from ..wire.message import Response
    from .blobs import Incoming
    from .service import Service


def post_object(service: Service, request: Request, form: Form, body: Incoming) -> Response | Awaitable[Response]:
    """PostObject of a *form* with the file *body*."""
    bucket = service.bucket(request)
    now = service.store.clock()
    signer = verify_post_object(form, service.credentials, now=now, region=service.options.region)
    check_policy(form, bucket.name, now=now)
    put = _as_put(request, form)
    if signer is not None:
        if not form.fields.get("policy"):
            raise MissingArgument(details={"ArgumentName": "policy"})
        service.roles.check(signer.access_key_id, put, now)
    elif bucket.acl != "public-read-write":
        raise AccessDenied("You have no right to access this object because of bucket acl.")
    service.check_names(put)
    call = read_write(put)
    callback = read_local_callback(put)
    check_overwrite(service, bucket, put.key, call.forbid_overwrite)
    record = service.store.put(bucket, put.key, body, settled(call.properties, bucket))
    result = PutObjectResult(record.etag, record.crc64, version_of(bucket, record))
    response = write_post_object(result, form, bucket.name, service.url(request, put.key))
    return response if callback is None else call_back(service, callback, put, record, response)


def _as_put(request: Request, form: Form) -> Request:
    headers = form.headers
    # In a form the callback goes by its short name, and its variables are fields of their own.
    if "callback" in form.fields:
        headers["x-oss-callback"] = form.fields["callback"]
        variables = {name: value for name, value in form.fields.items() if name.startswith("x:")}
        if variables:
            headers["x-oss-callback-var"] = _encoded(variables)
    return Request("PUT", request.bucket, form.key, {}, headers, operation="PostObject")


def _encoded(variables: dict[str, str]) -> str:
    return b64encode(json.dumps(variables).encode()).decode()
