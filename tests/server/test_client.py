"""Our own client on our own server: the two halves of the protocol against one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ossmount.server.faults import Fault, throttle
from ossmount.wire.errors import IntegrityError, NoSuchKey

if TYPE_CHECKING:
    from ossmount.oss import Bucket
    from ossmount.server.threaded import ThreadedServer


async def test_bytes_go_and_come_back(bucket: Bucket) -> None:
    await bucket.put_object("dir/ü +", b"bytes", meta={"name": "grün"})

    head, body = await bucket.get_object("dir/ü +")

    assert bytes(body) == b"bytes"
    assert head.meta == {"name": "grün"}
    with pytest.raises(NoSuchKey):
        await bucket.head_object("missing")


async def test_faults_on_the_way_are_overcome(oss_server: ThreadedServer, bucket: Bucket) -> None:
    await bucket.put_object("a", b"bytes")
    oss_server.faults.add(throttle("GetObject"))
    oss_server.faults.add(Fault(operation="GetObject", first=2, cut=2))
    oss_server.faults.add(Fault(operation="GetObject", first=3, corrupt=2))

    _, body = await bucket.get_object("a")

    assert bytes(body) == b"bytes"
    assert oss_server.count("GetObject") == 4


async def test_a_damage_that_stays_is_told(oss_server: ThreadedServer, bucket: Bucket) -> None:
    await bucket.put_object("a", b"bytes")
    oss_server.faults.add(Fault(operation="GetObject", corrupt=2, count=None))

    with pytest.raises(IntegrityError):
        await bucket.get_object("a")
