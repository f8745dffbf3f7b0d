"""A mount's control socket, and how commands find it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import struct
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from ossmount import control
from ossmount.control import (
    ControlError,
    NotRunning,
    Progress,
    Registration,
    call,
    find,
    forget,
    register,
    registrations,
    serve_control,
)


async def ask(path: Path, method: str, *args: Any, **named: Any) -> dict[str, Any]:
    return await trio.to_thread.run_sync(partial(call, path, method, *args, timeout=120.0, **named))


async def echo(params: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    return {"echo": dict(params)}


async def count(params: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    for left in range(params["from"], 0, -1):
        await progress({"left": left})
    return {}


async def fail(params: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    raise ValueError("no, because")


async def fail_together(params: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail, params, progress)
    return {}


HANDLERS = {"echo": echo, "count": count, "fail": fail, "fail_together": fail_together}


async def test_a_request_gets_its_answer(tmp_path: Path, nursery: trio.Nursery) -> None:
    path = tmp_path / "control"
    await nursery.start(serve_control, path, HANDLERS)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await ask(path, "echo", {"a": ["ä", 1]}) == {"echo": {"a": ["ä", 1]}}
    assert await ask(path, "echo") == {"echo": {}}


async def test_progress_arrives_before_the_result(tmp_path: Path, nursery: trio.Nursery) -> None:
    seen: list[Mapping[str, Any]] = []
    await nursery.start(serve_control, tmp_path / "control", HANDLERS)

    assert await ask(tmp_path / "control", "count", {"from": 3}, seen.append) == {}
    assert seen == [{"left": 3}, {"left": 2}, {"left": 1}]
    assert await ask(tmp_path / "control", "count", {"from": 3}) == {}


async def test_a_failure_is_told_and_the_server_lives_on(tmp_path: Path, nursery: trio.Nursery) -> None:
    path = tmp_path / "control"
    await nursery.start(serve_control, path, HANDLERS)

    for method, reason in (
        ("fail", "no, because"),
        ("fail_together", "no, because"),
        ("dance", "unknown method dance"),
        ("count", "from"),
    ):
        with pytest.raises(ControlError, match=reason):
            await ask(path, method)
    assert await ask(path, "echo") == {"echo": {}}


async def test_a_client_that_goes_away_cancels_what_it_asked_for(tmp_path: Path, nursery: trio.Nursery) -> None:
    begun, cancelled = trio.Event(), trio.Event()

    async def wait(params: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
        begun.set()
        try:
            await trio.Event().wait()
        finally:
            cancelled.set()
        return {}

    async def babble(params: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
        try:
            while True:
                await progress({"babble": "x" * 4096})
        finally:
            cancelled.set()

    path = tmp_path / "control"
    await nursery.start(serve_control, path, {"wait": wait, "babble": babble, "echo": echo})
    for method in ("wait", "babble"):
        stream = await trio.open_unix_socket(str(path))
        await stream.send_all(json.dumps({"method": method}).encode() + b"\n")
        if method == "wait":
            await begun.wait()
        else:
            await stream.receive_some()
        await stream.aclose()
        with trio.fail_after(120):
            await cancelled.wait()
        cancelled = trio.Event()
    assert await ask(path, "echo") == {"echo": {}}


async def test_two_requests_may_use_one_connection(tmp_path: Path, nursery: trio.Nursery) -> None:
    await nursery.start(serve_control, tmp_path / "control", HANDLERS)
    async with await trio.open_unix_socket(str(tmp_path / "control")) as stream:
        for number in (1, 2):
            await stream.send_all(json.dumps({"method": "echo", "params": {"n": number}}).encode() + b"\n")
            received = b""
            while not received.endswith(b"\n"):
                received += await stream.receive_some()
            assert json.loads(received) == {"result": {"echo": {"n": number}}}


@pytest.mark.parametrize("line", [b"no json", b"[]", b"3", b'{"params": {}}', b'{"method": ["echo"]}'])
async def test_what_is_no_request_is_refused(tmp_path: Path, nursery: trio.Nursery, line: bytes) -> None:
    await nursery.start(serve_control, tmp_path / "control", HANDLERS)
    async with await trio.open_unix_socket(str(tmp_path / "control")) as stream:
        await stream.send_all(line + b"\n")
        assert b'"error"' in await stream.receive_some()


async def test_a_request_without_end_is_refused(tmp_path: Path, nursery: trio.Nursery) -> None:
    await nursery.start(serve_control, tmp_path / "control", HANDLERS)
    async with await trio.open_unix_socket(str(tmp_path / "control")) as stream:
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(b"x" * (2 << 20))
        assert b"too long" in await stream.receive_some()


async def test_another_user_is_refused(tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(_format: str, _credentials: bytes) -> tuple[int, int, int]:
        return (1, os.geteuid() + 1, 1)

    await nursery.start(serve_control, tmp_path / "control", HANDLERS)
    monkeypatch.setattr(control, "struct", SimpleNamespace(unpack=pretend, calcsize=struct.calcsize))

    with pytest.raises(ControlError, match="another user"):
        await ask(tmp_path / "control", "echo")


async def test_a_socket_that_a_crash_left_is_replaced_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left_behind:
        left_behind.bind(str(path))
    with pytest.raises(NotRunning):
        call(path, "echo")

    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, path, HANDLERS)
        assert await ask(path, "echo") == {"echo": {}}
        nursery.cancel_scope.cancel()

    assert not path.exists()
    with pytest.raises(NotRunning):
        call(path, "echo")


async def test_a_path_may_be_longer_than_an_address(tmp_path: Path, nursery: trio.Nursery) -> None:
    path = tmp_path / ("long" * 30) / "control"
    path.parent.mkdir()
    await nursery.start(serve_control, path, HANDLERS)

    assert await ask(path, "echo", {"far": 1}) == {"echo": {"far": 1}}


async def test_a_mount_that_ends_before_it_answers_is_an_error(tmp_path: Path) -> None:
    async def wait(params: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
        serving.cancel_scope.cancel()
        await trio.Event().wait()
        return {}

    async def expect_an_error() -> None:
        with pytest.raises(ControlError, match="ended before it answered"):
            await ask(tmp_path / "control", "wait")

    async with trio.open_nursery() as asking, trio.open_nursery() as serving:
        await serving.start(serve_control, tmp_path / "control", {"wait": wait})
        asking.start_soon(expect_an_error)


def registration(mountpoint: Path, pid: int = 1) -> Registration:
    return Registration(mountpoint=str(mountpoint), source="bucket", pid=pid, socket="/nowhere", started=0.0)


def test_a_mount_is_found_by_its_mountpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, place, link = tmp_path / "run" / "deep", tmp_path / "mnt", tmp_path / "link"
    place.mkdir()
    link.symlink_to(place)
    mount = registration(place)

    with register(runtime, mount):
        monkeypatch.chdir(tmp_path)
        assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
        assert find(runtime, place) == find(runtime, "mnt/") == find(runtime, link) == mount
        assert registrations(runtime) == [mount]
        with pytest.raises(NotRunning, match="no ossmount of this user"):
            find(runtime, tmp_path)
        with pytest.raises(NotRunning, match="nobody listens"):
            mount.call("status")
    with pytest.raises(NotRunning):
        find(runtime, place)
    assert registrations(runtime) == []


def test_a_registration_that_another_mount_has_replaced_is_left_alone(tmp_path: Path) -> None:
    old, new = registration(tmp_path, 1), registration(tmp_path, 2)

    with register(tmp_path / "run", old):
        entering = register(tmp_path / "run", new)
        entering.__enter__()
    assert find(tmp_path / "run", tmp_path) == new
    forget(tmp_path / "run", new)
    assert registrations(tmp_path / "run") == []
    entering.__exit__(None, None, None)


def test_garbage_in_the_runtime_directory_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").write_text("no json")

    assert registrations(tmp_path) == []
    assert registrations(tmp_path / "absent") == []


def test_a_runtime_directory_where_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(ControlError, match="must belong to this user"), register(tmp_path, registration(tmp_path)):
        pass
