"""An exception in a handler never ends the mount, and what is wrong outside is told at a real mount, too."""

from __future__ import annotations

import errno
import inspect
import os
import re
from collections.abc import Callable
from typing import Any

import oss2
import pyfuse3
import pytest
import trio

from ossmount.fuse.operations import Operations

# Makes the daemon stumble over one name.
MISTAKE = """
from ossmount.fs import filesystem
from ossmount.tree import lookup

whole = lookup.Lookup.child

async def child(self, parent, name):
    if name == b"mistake":
        raise ValueError("a mistake of ours")
    if name == b"group":
        raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])
    return await whole(self, parent, name)

lookup.Lookup.child = child

async def release(self, fh):
    raise KeyError("nobody hears this")

filesystem.FileSystem.releasedir = lambda self, fh: 1 / 0
"""


def handlers() -> list[str]:
    """The requests of the kernel that pyfuse3 knows and we answer."""
    return [
        name
        for name, method in vars(pyfuse3.Operations).items()
        if inspect.iscoroutinefunction(method) and name in vars(Operations)
    ]


@pytest.mark.parametrize("name", handlers())
def test_every_handler_is_guarded(name: str) -> None:
    assert getattr(getattr(Operations, name), "is_guarded", False)


def test_all_handlers_are_known() -> None:
    assert len(handlers()) > 20
    ours = {name for name, method in vars(Operations).items() if inspect.iscoroutinefunction(method)}
    assert {name for name in ours if not name.startswith("_")} == set(handlers())


@pytest.mark.parametrize(
    "exc", [ValueError("x"), ExceptionGroup("g", [KeyError("y")]), AssertionError(), RecursionError()]
)
async def test_a_mistake_is_an_input_output_error(exc: Exception, caplog: pytest.LogCaptureFixture) -> None:
    class Mistaken:
        async def lookup(self, parent: int, name: bytes) -> None:
            raise exc

    operations = Operations(Mistaken(), Mistaken())  # type: ignore[arg-type]
    with pytest.raises(pyfuse3.FUSEError) as caught:
        await operations.lookup(1, b"x", None)  # type: ignore[arg-type]
    assert caught.value.errno == errno.EIO
    assert "nobody foresaw" in caplog.text


async def test_a_cancelled_handler_stays_cancelled() -> None:
    class Slow:
        async def lookup(self, parent: int, name: bytes) -> None:
            await trio.sleep_forever()

    operations = Operations(Slow(), Slow())  # type: ignore[arg-type]
    with trio.move_on_after(0) as scope:
        await operations.lookup(1, b"x", None)  # type: ignore[arg-type]
    assert scope.cancelled_caught


def test_the_mount_lives_on_after_a_mistake_of_ours(mounted: Callable[..., Any], tmp_path: Any) -> None:
    mount = mounted()
    (mount.place / "file").write_text("here")
    mount.umount()
    (tmp_path / "sitecustomize.py").write_text(MISTAKE)
    mount.environ["PYTHONPATH"] = str(tmp_path)
    mount.mount()
    for name in ("mistake", "group"):
        with pytest.raises(OSError, check=lambda exc: exc.errno == errno.EIO):
            (mount.place / name).stat()
    assert os.listdir(mount.place) == ["file"]
    assert (mount.place / "file").read_text() == "here"
    mount.umount()
    text = mount.log.read_text()
    assert len(re.findall("a mistake of ours", text)) >= 1
    assert "Traceback" in text
    mount.log.write_text("")  # this once they were wanted


def test_an_upload_that_cannot_succeed_is_shown_and_flushed_when_its_cause_is_gone(
    mounted: Callable[..., Any], oss_process: Any, bucket: oss2.Bucket
) -> None:
    mount = mounted()
    oss_process.fail({"operation": "PutObject", "prefix": "file", "status": 403, "code": "AccessDenied", "count": None})
    (mount.place / "other").write_text("fine")
    (mount.place / "file").write_text("precious")
    with (mount.place / "other").open("rb") as file:
        os.fsync(file.fileno())
    done = mount.command("flush", mount.place, check=False)
    assert done.returncode != 0
    assert "AccessDenied" in done.stdout + done.stderr
    with pytest.raises(PermissionError):
        (mount.place / "file").read_text()
    assert os.getxattr(mount.place / "file", "user.oss.state") == b"failed"
    assert b"AccessDenied" in os.getxattr(mount.place / "file", "user.oss.error")
    shown = mount.command("status", mount.place).stdout
    assert "file" in shown
    assert "AccessDenied" in shown
    # Not even a crash makes it forget.
    mount.kill()
    mount.mount()
    assert mount.keys() == ["other"]
    oss_process.fail()
    assert mount.command("flush", mount.place).returncode == 0
    assert mount.content("file") == b"precious"
    assert (mount.place / "file").read_text() == "precious"
    assert os.getxattr(mount.place / "file", "user.oss.state") == b"clean"


def test_a_bucket_that_vanishes_is_not_taken_for_an_empty_one(
    mounted: Callable[..., Any], oss_process: Any, bucket: oss2.Bucket
) -> None:
    mount = mounted("--ttl", "0")
    (mount.place / "file").write_text("one")
    mount.flush()
    oss_process.fail({"status": 404, "code": "NoSuchBucket", "count": None})
    with pytest.raises(OSError, check=lambda exc: exc.errno == errno.ENODEV):
        os.listdir(mount.place)
    with pytest.raises(OSError, check=lambda exc: exc.errno == errno.ENODEV):
        (mount.place / "file").read_text()
    oss_process.fail()
    assert os.listdir(mount.place) == ["file"]
    assert (mount.place / "file").read_text() == "one"


def test_a_damaged_state_database_is_a_sentence(mounted: Callable[..., Any]) -> None:
    mount = mounted()
    mount.umount()
    (database,) = mount.state.rglob("state.db")
    whole = database.read_bytes()
    database.write_bytes(os.urandom(4096) + whole[4096:])
    done = mount.command("mount", mount.bucket.bucket_name, mount.place, check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert str(database) in said
    assert "move" in said
    assert "Traceback" not in said
    database.write_bytes(whole)
    mount.mount()
