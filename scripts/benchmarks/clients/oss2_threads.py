"""oss2, the SDK of version 1, which blocks: in as many threads as requests are under way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import oss2

from .task import LARGE, SMALL, Task, Watch

if TYPE_CHECKING:
    from collections.abc import Callable


def _bucket(task: Task, name: str) -> oss2.Bucket:
    # Or it would keep no more than ten connections.
    session = oss2.Session(pool_size=task.heads_at_once)
    auth = oss2.AuthV4(task.key_id, task.key_secret)
    return oss2.Bucket(auth, task.url, name, session=session, region=task.region, is_path_style=True)


def _at_once(count: int, at_once: int, act: Callable[[int], object]) -> None:
    with ThreadPoolExecutor(at_once) as pool:
        for _ in pool.map(act, range(count)):
            pass


def get(task: Task, watch: Watch) -> int:
    """Get LARGE in parts."""
    bucket = _bucket(task, task.bucket)

    def part(index: int) -> None:
        start, stop = task.span(index)
        task.check(index, bucket.get_object(LARGE, byte_range=(start, stop - 1)).read())

    with watch:
        _at_once(task.count, task.parts_at_once, part)
    return task.size


def put(task: Task, watch: Watch) -> int:
    """Put an object in parts."""
    bucket = _bucket(task, task.bucket)
    pieces = task.pieces()
    parts: dict[int, oss2.models.PartInfo] = {}

    def part(index: int) -> None:
        done = bucket.upload_part(task.target, upload_id, index + 1, pieces[index])
        parts[index] = oss2.models.PartInfo(index + 1, done.etag, size=len(pieces[index]), part_crc=done.crc)

    with watch:
        upload_id = bucket.init_multipart_upload(task.target).upload_id
        _at_once(task.count, task.parts_at_once, part)
        bucket.complete_multipart_upload(task.target, upload_id, [parts[index] for index in range(task.count)])
    return task.size


def head(task: Task, watch: Watch) -> int:
    """Ask for the head of SMALL."""
    bucket = _bucket(task, task.bucket)
    with watch:
        _at_once(task.heads, task.heads_at_once, lambda _: bucket.head_object(SMALL))
    return task.heads


def names(task: Task, watch: Watch) -> int:
    """Go through all keys."""
    bucket = _bucket(task, task.listed)
    with watch:
        return sum(1 for _ in oss2.ObjectIteratorV2(bucket, max_keys=1000))
