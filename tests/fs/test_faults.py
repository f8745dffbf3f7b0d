"""A request fails, whichever it is and however it fails: nothing acknowledged is lost, and all gets there by retry."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import oss2
import pytest
import trio

from ossmount.server.faults import Fault, Plan

STRIDE = int(os.environ.get("OSSMOUNT_TEST_STRIDE", "9"))  # 1: every single one, and minutes
PART = 128 << 10

KINDS: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "500 though done": {"status": 500, "done": True},
    "503": {"status": 503, "code": "TotalQpsLimitExceeded"},
    "reset": {"reset": True},
    "reset though done": {"reset": True, "done": True},
    "cut": {"cut": 3},
    "cut on the way up": {"cut_upload": 3},
    "corrupt": {"corrupt": 2},
    "corrupt on the way up": {"corrupt_upload": 2, "operation": "PutObject"},
    "a part corrupt on the way up": {"corrupt_upload": 2, "operation": "UploadPart"},
}


@pytest.mark.parametrize(
    ("kind", "times"),
    [(kind, 1) for kind in KINDS] + [(kind, 4) for kind in KINDS if "corrupt" not in kind],  # the client tries 3 times
)
async def test_everything_gets_there_whichever_request_fails(
    world: Any, tree: Any, workload: list[Any], bucket_contents: Callable[[], dict[str, object]], kind: str, times: int
) -> None:
    store = world.server.store
    nth = list(KINDS).index(kind) % STRIDE
    while True:
        nth += STRIDE
        world.forget()
        world.server.reset()
        page = store.list_objects(store.bucket("bucket"), prefix="", marker="", delimiter="", limit=1000)
        store.delete(store.bucket("bucket"), [row.key.decode() for row in page.rows])
        done = tree
        async with world.mount(part_size=PART) as view:
            which = KINDS[kind].get("operation", "")
            asked = world.server.count(which)
            world.server.faults.add(Fault(first=nth, count=times, **KINDS[kind]))
            for operation in workload:
                with trio.fail_after(120):
                    try:
                        await view.do(operation)
                    except Exception:
                        if times == 1:
                            raise  # once is what the client makes good by itself
                        assert world.server.count(which) >= asked + nth  # refused for a reason
                        await view.do(operation)
                done = done.after(operation)
            await view.do(("close", "open"))
            assert await view.flush() == {"pending": 0, "failed": []}
            enough = world.server.count(which) < asked + nth
            world.server.app.faults = Plan()
            for key, value in done.objects().items():
                if isinstance(value, tuple) and not key.endswith("/"):
                    assert await view.read(key) == value[0]
        found = bucket_contents()
        assert found == done.objects(), (kind, nth)
        if enough:
            break


async def test_bytes_that_arrive_damaged_are_not_written_back(world: Any, oss2_bucket: oss2.Bucket) -> None:
    oss2_bucket.put_object("file", b"a" * 1000)
    async with world.mount() as view:
        fh = await view.open("file", os.O_RDWR)
        await view.pwrite(fh, b"patch", 500)
        view.rooms.reading.forget("file")
        world.server.faults.add(Fault(operation="GetObject", corrupt=2))
        await view.close(fh)
        assert await view.flush() == {"pending": 0, "failed": []}
    assert oss2_bucket.get_object("file").read() == b"a" * 500 + b"patch" + b"a" * 495
