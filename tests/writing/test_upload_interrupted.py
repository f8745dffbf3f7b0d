"""Every request fails once, every step is interrupted once, and the file gets there all the same."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import trio

from ossmount.server.faults import Fault
from ossmount.wire.errors import (
    NoSuchKey,
    OSSError,
    PreconditionFailed,
)
from tests.writing.desk import HEADERS, META, PART, Desk, KiB, asked, connected, noise

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ossmount.server.threaded import ThreadedServer


async def new_small(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(1000))


async def small_change(desk: Desk) -> None:
    await desk.create(noise(1000))
    desk.write(100, b"changed")
    desk.truncate(900)


async def new_big(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(4 * PART + 100))


async def change_in_the_middle(desk: Desk) -> None:
    await desk.create(noise(24 * PART))
    desk.write(12 * PART + 100, b"changed")


async def append(desk: Desk) -> None:
    await desk.create(noise(300 * KiB), kind="Appendable")
    desk.write(300 * KiB, noise(1000, 1))


SCENES: list[Callable[[Desk], Awaitable[None]]] = [new_small, small_change, new_big, change_in_the_middle, append]
scenes = pytest.mark.parametrize("scene", SCENES)


async def assert_old_or_new(desk: Desk, old: bytes | None) -> None:
    try:
        _, body = await desk.bucket.get_object("k")
    except NoSuchKey:
        assert old is None
    else:
        assert bytes(body) in (old, bytes(desk.content))


@scenes
@pytest.mark.parametrize(
    "fault",
    [{"status": 500}, {"status": 500, "done": True}, {"reset": True}, {"cut": 0}, {"corrupt_upload": 0}],
    ids=["500", "done but 500", "reset", "cut", "corrupt"],
)
@pytest.mark.parametrize("crash", [False, True], ids=["retried", "recovered"])
async def test_whichever_request_fails_the_file_gets_there(
    oss_server: ThreadedServer,
    tmp_path: Path,
    scene: Callable[[Desk], Awaitable[None]],
    fault: dict[str, Any],
    crash: bool,
) -> None:
    async with connected(oss_server) as bucket:
        for number in range(1, 30):
            await bucket.delete_object("k")
            desk = Desk(oss_server, bucket, tmp_path / f"staging{number}")
            await scene(desk)
            old = None
            if desk.staged.base is not None:
                old = bytes((await bucket.get_object("k"))[1])
            strays = await desk.stray_uploads()
            oss_server.reset()
            oss_server.faults.add(Fault(first=number, **fault))
            failed = False
            try:
                result = await desk.upload.finish(HEADERS, META)
            except OSSError:
                failed = True
                oss_server.faults.clear()
                await assert_old_or_new(desk, old)
                if crash:
                    desk.recover()
                result = await desk.upload.finish(HEADERS, META)
            struck = oss_server.count() >= number
            lost_start = struck and asked(desk)["InitiateMultipartUpload"] > 1
            oss_server.faults.clear()
            await desk.check(result)
            # Only an upload whose id never came can be left.
            assert await desk.stray_uploads() - strays <= lost_start
            desk.staging.close()
            if not failed and not struck:
                break
        else:
            pytest.fail("there was no end of requests")


class Interrupt(trio.abc.Instrument):
    """Cancels *scope* when its task has run for *steps* steps."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self.scope = scope
        self.left = steps
        self.task = trio.lowlevel.current_task()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task.parent_nursery is not None:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


@scenes
@pytest.mark.parametrize("crash", [False, True], ids=["retried", "recovered"])
async def test_wherever_it_is_interrupted_the_file_gets_there(
    oss_server: ThreadedServer, tmp_path: Path, scene: Callable[[Desk], Awaitable[None]], crash: bool
) -> None:
    async with connected(oss_server) as bucket:
        steps = 0
        finished = False
        while not finished:
            steps += 1 + steps // 4
            assert steps < 5000
            await bucket.delete_object("k")
            desk = Desk(oss_server, bucket, tmp_path / f"staging{steps}")
            await scene(desk)
            old = None
            if desk.staged.base is not None:
                old = bytes((await bucket.get_object("k"))[1])
            result = None
            with trio.CancelScope() as scope:
                instrument = Interrupt(scope, steps)
                trio.lowlevel.add_instrument(instrument)
                try:
                    result = await desk.upload.finish(HEADERS, META)
                finally:
                    trio.lowlevel.remove_instrument(instrument)
            finished = instrument.left > 0
            await assert_old_or_new(desk, old)
            if result is None:
                if crash:
                    desk.recover()
                result = await desk.upload.finish(HEADERS, META)
            await desk.check(result)
            desk.staging.close()


async def test_parts_that_are_up_are_not_sent_again_after_a_crash(desk: Desk) -> None:
    await desk.create()
    await desk.write_ahead(noise(8 * PART + 1))
    desk.server.reset()

    desk.recover()
    await desk.finish()

    assert asked(desk)["UploadPart"] == 1
    assert asked(desk)["InitiateMultipartUpload"] == 0


async def test_parts_that_changed_before_a_crash_are_sent_again(desk: Desk) -> None:
    await desk.create()
    await desk.write_ahead(noise(8 * PART + 1))
    desk.write(3 * PART + 5, b"changed")
    desk.recover()
    desk.server.reset()

    await desk.finish()

    assert asked(desk)["UploadPart"] == 2


async def test_copies_are_kept_over_a_crash(desk: Desk) -> None:
    await desk.create(noise(64 * PART))
    desk.write(32 * PART, b"x")
    desk.server.faults.add(Fault(operation="CompleteMultipartUpload", status=400, code="InvalidArgument"))
    with pytest.raises(OSSError):
        await desk.upload.finish(HEADERS, META)

    desk.recover()
    await desk.finish()

    assert asked(desk)["UploadPartCopy"] == 2


async def test_the_state_of_another_key_is_of_no_use(desk: Desk) -> None:
    await desk.create()
    await desk.write_ahead(noise(3 * PART))
    assert desk.saved is not None
    state = json.loads(desk.saved)
    desk.saved = json.dumps({**state, "key": "other"})

    assert not desk.begin().has_begun
    assert repr(desk.upload).startswith("<Upload 'k' of <Staged")


async def test_a_write_during_the_last_request_stays_dirty(desk: Desk) -> None:
    await desk.create()
    desk.write(0, noise(1000))
    desk.server.faults.add(Fault(operation="PutObject", delay=0.2))
    sent = bytes(desk.content)

    async def write_late() -> None:
        while not desk.upload.committing:
            await trio.lowlevel.checkpoint()
        desk.write(500, b"late")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_late)
        result = await desk.upload.finish(HEADERS, META)

    assert bytes((await desk.bucket.get_object("k"))[1]) == sent
    assert result.version < desk.staged.version
    desk.staged.rebase(result.source, result.version)
    desk.begin()
    await desk.finish()


async def read_all(desk: Desk) -> bytes:
    """What a program would read now."""
    while True:
        parts = []
        for piece in desk.staged.layout(0, desk.staged.size):
            if piece.kind == "staged":
                parts.append(desk.staged.read(piece.start, piece.stop))
            elif piece.kind == "hole":
                parts.append(bytes(piece.size))
            else:
                assert desk.staged.base is not None
                try:
                    parts.append(await desk.read_base(desk.staged.base, piece.start, piece.stop))
                except PreconditionFailed:
                    assert await desk.upload.reconcile()
                    break
        else:
            return b"".join(parts)


@pytest.mark.parametrize("seed", range(8))
async def test_any_life_of_a_file_ends_in_the_bucket(desk: Desk, seed: int) -> None:
    """Writes, cuts, early parts, uploads that are interrupted or fail, crashes, in any order."""
    chance = random.Random(seed)
    kind = chance.choice(["Normal", "Appendable"])
    await desk.create(noise(chance.choice([0, 100, 30 * PART])) if chance.random() < 0.8 else None, kind=kind)
    for turn in range(40):
        match chance.randrange(9):
            case 0 | 1:
                place = chance.randrange(0, 12 * PART)
                desk.write(place, noise(chance.randrange(1, 3 * PART), turn))
            case 2 | 3:
                desk.write(len(desk.content), noise(chance.randrange(1, 3 * PART), turn))
            case 4:
                if chance.random() < 0.4:
                    desk.truncate(chance.randrange(0, 14 * PART))
            case 5:
                with suppress(OSSError):
                    await desk.upload.advance(HEADERS, META)
            case 6 | 7:
                if chance.random() < 0.5:
                    first = chance.randrange(1, 4)
                    done = chance.random() < 0.5
                    desk.server.faults.add(Fault(first=first, status=500, done=done))
                with trio.move_on_after(chance.random() * 0.03), suppress(OSSError):
                    result = await desk.upload.finish(HEADERS, META)
                    desk.staged.rebase(result.source, result.version)
                    desk.saved = None
                    desk.begin()
                desk.server.faults.clear()
            case 8:
                if chance.random() < 0.5:
                    desk.recover()
        assert await read_all(desk) == bytes(desk.content)

    await desk.finish()
