"""Files up and down, in parts, and again after they were stopped."""

from __future__ import annotations

import json
import os
from pathlib import PosixPath
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ossmount.oss import CheckpointError
from ossmount.server.faults import Fault
from ossmount.wire.checksums import crc64
from ossmount.wire.errors import FileAlreadyExists, NoSuchKey, OSSError, OutOfLimits

if TYPE_CHECKING:
    from pathlib import Path

    from ossmount.oss import Bucket

PART = 100 * 1024
DATA = os.urandom(5 * PART + 77)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(DATA)
    return path


def names(directory: Path) -> list[str]:
    """Return the files in *directory*."""
    return sorted(each.name for each in directory.iterdir() if each.is_file())


def rewrite(path: Path) -> int:
    """Change the bytes of *path*, and return when they were changed before."""
    before = path.stat().st_mtime_ns
    path.write_bytes(b"x" * len(DATA))
    return before


async def uploads(bucket: Bucket) -> list[str]:
    return [upload.upload_id async for upload in bucket.iter_multipart_uploads()]


async def test_paths_may_be_text(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)

    await bucket.upload_file("k", f"{tmp_path}/a", part_size=PART, checkpoint=f"{tmp_path}/up")
    await bucket.download_file("k", f"{tmp_path}/b", part_size=PART, checkpoint=f"{tmp_path}/down")

    assert (tmp_path / "b").read_bytes() == DATA
    assert names(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART, len(DATA)])
async def test_a_file_goes_up_and_comes_down(bucket: Bucket, tmp_path: Path, size: int) -> None:
    path, copy = tmp_path / "a.png", tmp_path / "copy"
    path.write_bytes(DATA[:size])
    seen: list[tuple[int, int]] = []

    result = await bucket.upload_file(
        "k", path, part_size=PART, meta={"a": "b"}, progress=lambda done, total: seen.append((done, total))
    )
    head = await bucket.download_file("k", copy, part_size=PART)

    assert copy.read_bytes() == DATA[:size]
    assert (head.etag, head.crc64, head.content_type, head.meta) == (
        result.etag,
        crc64(DATA[:size]),
        "image/png",
        {"a": "b"},
    )
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)
    assert not await uploads(bucket)
    assert names(tmp_path) == ["a.png", "copy"]


async def test_parts_go_in_parallel_but_not_too_many(
    bucket: Bucket, oss_server: Any, file: Path, tmp_path: Path
) -> None:
    oss_server.faults.add(Fault(operation="UploadPart", delay=15, count=3, together=3))
    oss_server.faults.add(Fault(operation="UploadPart", delay=0.02, count=None))
    await bucket.upload_file("k", file, part_size=PART, parallel=3)
    assert oss_server.max_in_flight("UploadPart") == 3
    assert oss_server.count("UploadPart") == 6


async def test_an_upload_goes_on_where_it_was_stopped(
    bucket: Bucket, oss_server: Any, file: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint"
    reached = 0

    def stop_after_three(done: int, total: int) -> None:
        nonlocal reached
        reached = done
        if done >= 3 * PART:
            scope.cancel()

    with trio.CancelScope() as scope:
        await bucket.upload_file(
            "k", file, part_size=PART, parallel=1, checkpoint=checkpoint, progress=stop_after_three
        )
    assert scope.cancelled_caught
    assert len(await uploads(bucket)) == 1
    assert checkpoint.stat().st_mode & 0o777 == 0o600
    before = oss_server.count("UploadPart")

    result = await bucket.upload_file("k", file, part_size=PART, parallel=1, checkpoint=checkpoint)

    assert oss_server.count("UploadPart") - before == 3
    assert oss_server.count("InitiateMultipartUpload") == 1
    assert result.crc64 == crc64(DATA)
    assert (await bucket.get_object("k"))[1] == DATA
    assert not checkpoint.exists()


async def stopped(bucket: Bucket, file: Path, checkpoint: Path) -> None:
    with trio.CancelScope() as scope:
        await bucket.upload_file(
            "k", file, part_size=PART, parallel=1, checkpoint=checkpoint, progress=lambda *_: scope.cancel()
        )
    assert "checkpoint" in names(checkpoint.parent)


async def test_a_file_that_changed_is_refused(bucket: Bucket, file: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    await stopped(bucket, file, checkpoint)
    before = rewrite(file)
    with pytest.raises(CheckpointError, match="mtime_ns was"):
        await bucket.upload_file("k", file, part_size=PART, checkpoint=checkpoint)
    # The same size and time do not deceive.
    os.utime(file, ns=(before, before))
    with pytest.raises(CheckpointError, match="has changed since the checkpoint"):
        await bucket.upload_file("k", file, part_size=PART, checkpoint=checkpoint)
    assert checkpoint.exists()
    with pytest.raises(NoSuchKey):
        await bucket.head_object("k")


class Growing(PosixPath):
    """A file to which somebody writes while it is read."""

    def open(self, *args: Any, **options: Any) -> Any:
        with PosixPath(self).open("ab") as file:
            file.write(b"more")
        return super().open(*args, **options)


async def test_a_small_file_that_grows_is_named(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one")
    with pytest.raises(CheckpointError, match="log was changed while"):
        await bucket.upload_file("k", Growing(tmp_path / "log"))
    with pytest.raises(NoSuchKey):
        await bucket.head_object("k")


async def test_a_checkpoint_of_something_else_is_refused(bucket: Bucket, file: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    await stopped(bucket, file, checkpoint)
    with pytest.raises(CheckpointError, match="key was 'k' and is 'other'"):
        await bucket.upload_file("other", file, part_size=PART, checkpoint=checkpoint)
    with pytest.raises(CheckpointError, match="part_size was"):
        await bucket.upload_file("k", file, part_size=2 * PART, checkpoint=checkpoint)
    for text in ("", "[]", "{}", '{"format": 1, "about": 1, "state": 1}'):
        checkpoint.write_text(text)
        with pytest.raises(CheckpointError, match="no checkpoint"):
            await bucket.upload_file("k", file, part_size=PART, checkpoint=checkpoint)


async def test_an_upload_that_is_gone_begins_again(bucket: Bucket, file: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    await stopped(bucket, file, checkpoint)
    for upload_id in await uploads(bucket):
        await bucket.abort_multipart_upload("k", upload_id)
    await bucket.upload_file("k", file, part_size=PART, checkpoint=checkpoint)
    assert (await bucket.get_object("k"))[1] == DATA


async def test_an_upload_that_was_completed_is_not_done_again(
    bucket: Bucket, oss_server: Any, file: Path, tmp_path: Path
) -> None:
    """The process died between the last answer and the removal of the checkpoint."""
    checkpoint, saved = tmp_path / "checkpoint", tmp_path / "saved"

    def save(done: int, total: int) -> None:
        saved.write_bytes(checkpoint.read_bytes())

    first = await bucket.upload_file("k", file, part_size=PART, checkpoint=checkpoint, progress=save)
    saved.replace(checkpoint)
    before = oss_server.count("UploadPart")

    again = await bucket.upload_file("k", file, part_size=PART, checkpoint=checkpoint)

    assert again.etag == first.etag
    assert oss_server.count("UploadPart") == before
    assert not checkpoint.exists()


async def test_a_part_that_the_service_does_not_have_is_sent_again(bucket: Bucket, file: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    await stopped(bucket, file, checkpoint)
    saved = json.loads(checkpoint.read_text())
    saved["state"]["parts"].append([2, "NOT THERE", PART, 0])
    checkpoint.write_text(json.dumps(saved))
    await bucket.upload_file("k", file, part_size=PART, checkpoint=checkpoint)
    assert (await bucket.get_object("k"))[1] == DATA


async def test_a_file_that_changes_while_it_is_read_is_refused(bucket: Bucket, file: Path) -> None:
    with pytest.raises(CheckpointError, match="changed while"):
        await bucket.upload_file("k", file, part_size=PART, progress=lambda *_: os.utime(file, ns=(0, 0)))
    assert not await uploads(bucket)
    with pytest.raises(CheckpointError, match="changed while"):
        await bucket.upload_file("k", file, part_size=PART, parallel=1, progress=lambda *_: os.truncate(file, PART))
    with pytest.raises(NoSuchKey):
        await bucket.head_object("k")


@pytest.mark.parametrize("operation", ["InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
async def test_nothing_is_left_of_an_upload_that_fails(
    bucket: Bucket, oss_server: Any, file: Path, operation: str
) -> None:
    oss_server.faults.add(Fault(operation=operation, code="AccessDenied", status=403))
    with pytest.raises(OSSError, match="AccessDenied"):
        await bucket.upload_file("k", file, part_size=PART)
    assert not await uploads(bucket)


async def test_a_download_goes_on_where_it_was_stopped(
    bucket: Bucket, oss_server: Any, file: Path, tmp_path: Path
) -> None:
    copy, checkpoint = tmp_path / "copy", tmp_path / "checkpoint"
    await bucket.upload_file("k", file)
    with trio.CancelScope() as scope:
        await bucket.download_file(
            "k",
            copy,
            part_size=PART,
            parallel=1,
            checkpoint=checkpoint,
            progress=lambda done, _: scope.cancel() if done >= 2 * PART else None,
        )
    assert not copy.exists()
    partial = tmp_path / "copy.part"
    # One of the parts was damaged on disk.
    with partial.open("r+b") as part:
        part.write(b"damaged")
    before = oss_server.count("GetObject")

    await bucket.download_file("k", copy, part_size=PART, checkpoint=checkpoint)

    assert copy.read_bytes() == DATA
    assert oss_server.count("GetObject") - before == 5
    assert not checkpoint.exists()
    assert not partial.exists()


async def test_an_object_that_changed_is_refused(bucket: Bucket, file: Path, tmp_path: Path) -> None:
    copy, checkpoint = tmp_path / "copy", tmp_path / "checkpoint"
    await bucket.upload_file("k", file)
    with trio.CancelScope() as scope:
        await bucket.download_file(
            "k", copy, part_size=PART, parallel=1, checkpoint=checkpoint, progress=lambda *_: scope.cancel()
        )
    await bucket.put_object("k", b"other")
    with pytest.raises(CheckpointError, match="etag was"):
        await bucket.download_file("k", copy, part_size=PART, checkpoint=checkpoint)
    assert not copy.exists()


async def test_nothing_is_left_of_a_download_that_fails(
    bucket: Bucket, oss_server: Any, file: Path, tmp_path: Path
) -> None:
    await bucket.upload_file("k", file)
    oss_server.faults.add(Fault(operation="GetObject", code="AccessDenied", status=403))
    with pytest.raises(OSSError, match="AccessDenied"):
        await bucket.download_file("k", tmp_path / "copy", part_size=PART)
    assert names(tmp_path) == ["photo.jpg"]


async def test_limits_are_told_before_anything_is_sent(bucket: Bucket, oss_server: Any, file: Path) -> None:
    before = oss_server.count()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"part_size": 1}, "102400 to"),
        ({"parallel": 0}, "1 to 100"),
        ({"parallel": 101}, "1 to 100"),
    ]
    for options, limit in cases:
        with pytest.raises(OutOfLimits, match=limit):
            await bucket.upload_file("k", file, **options)
        with pytest.raises(OutOfLimits, match=limit):
            await bucket.download_file("k", file, **options)
    assert oss_server.count() == before


async def test_what_exists_is_not_overwritten(bucket: Bucket, file: Path) -> None:
    await bucket.put_object("k", b"")
    for part_size in (PART, 10 * PART):
        with pytest.raises(FileAlreadyExists):
            await bucket.upload_file("k", file, part_size=part_size, forbid_overwrite=True)
