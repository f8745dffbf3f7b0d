"""Copies of any size inside the service."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ossmount.oss.copying import copy
from ossmount.server.faults import Fault
from ossmount.wire import errors

if TYPE_CHECKING:
    from ossmount.oss import Bucket, Client

PART = 100 * 1024
DATA = os.urandom(7 * PART + 5)
HEADERS = {"content-type": "t/s"}
META = {"a": "b"}


async def test_a_small_source_is_copied_in_one_request(bucket: Bucket, oss_server: Any) -> None:
    await bucket.put_object("a", DATA)
    source = (await bucket.head_object("a")).source
    result = await copy(bucket, "b", source, headers=HEADERS, meta=META)
    head, body = await bucket.get_object("b")
    assert (body, head.meta, head.content_type, head.etag) == (DATA, META, "t/s", result.etag)
    assert oss_server.count("UploadPartCopy") == 0


async def test_a_large_source_is_copied_in_parts_several_at_once(bucket: Bucket, oss_server: Any) -> None:
    await bucket.put_object("a", DATA)
    source = (await bucket.head_object("a")).source
    oss_server.faults.add(Fault(operation="UploadPartCopy", delay=15, count=4, together=4))
    oss_server.faults.add(Fault(operation="UploadPartCopy", delay=0.05, count=None))
    result = await copy(bucket, "b", source, headers=HEADERS, meta=META, large=PART, part_size=PART, parallel=4)
    head, body = await bucket.get_object("b")
    assert (body, head.meta, head.content_type, head.crc64) == (DATA, META, "t/s", source.crc64)
    assert result.etag == head.etag
    assert (oss_server.count("UploadPartCopy"), oss_server.max_in_flight("UploadPartCopy")) == (8, 4)


async def test_a_source_may_be_in_another_bucket(client: Client, bucket: Bucket) -> None:
    other = client.bucket("other")
    await other.put_bucket()
    await other.put_object("a", DATA)
    source = (await other.head_object("a")).source
    for large in (len(DATA), PART):
        await copy(bucket, "b", source, source_bucket="other", headers={}, meta={}, large=large, part_size=PART)
        assert (await bucket.get_object("b"))[1] == DATA


async def test_what_the_service_finds_too_large_is_copied_in_parts(bucket: Bucket, oss_server: Any) -> None:
    await bucket.put_object("a", DATA)
    source = (await bucket.head_object("a")).source
    oss_server.faults.add(Fault(operation="CopyObject", status=400, code="EntityTooLarge", count=None))
    await copy(bucket, "b", source, headers={}, meta={}, part_size=PART)
    assert (await bucket.get_object("b"))[1] == DATA
    with pytest.raises(errors.EntityTooLarge):
        await copy(bucket, "c", source, headers={}, meta={})


async def test_a_source_that_changed_is_not_copied_and_nothing_is_left(bucket: Bucket) -> None:
    await bucket.put_object("a", DATA)
    source = (await bucket.head_object("a")).source
    await bucket.put_object("a", DATA[::-1])
    for large in (len(DATA), PART):
        with pytest.raises(errors.PreconditionFailed):
            await copy(bucket, "b", source, headers={}, meta={}, large=large, part_size=PART)
    assert (await bucket.list_multipart_uploads()).uploads == ()
    with pytest.raises(errors.NoSuchKey):
        await bucket.head_object("b")


async def test_a_copy_that_is_cancelled_leaves_nothing(bucket: Bucket, oss_server: Any) -> None:
    await bucket.put_object("a", DATA)
    source = (await bucket.head_object("a")).source
    oss_server.faults.add(Fault(operation="UploadPartCopy", delay=60.0, count=None))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(copy, bucket, "b", source, headers={}, meta={}, large=PART, part_size=PART))
        while not oss_server.count("UploadPartCopy"):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert (await bucket.list_multipart_uploads()).uploads == ()


async def test_an_upload_that_cannot_be_given_up_does_not_hide_the_error(bucket: Bucket, oss_server: Any) -> None:
    await bucket.put_object("a", DATA)
    source = (await bucket.head_object("a")).source
    oss_server.faults.add(Fault(operation="UploadPartCopy", status=403, code="AccessDenied", count=None))
    oss_server.faults.add(Fault(operation="AbortMultipartUpload", status=403, code="InvalidObjectState", count=None))
    with pytest.raises(errors.AccessDenied):
        await copy(bucket, "b", source, headers={}, meta={}, large=PART, part_size=PART)
