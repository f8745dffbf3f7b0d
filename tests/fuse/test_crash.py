"""``kill -9`` of a real daemon while a program works: the next mount brings what was acknowledged to the bucket."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import oss2
import pytest

_PAGE = 4096


def pieces(verb: str, path: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    """Split a write as the kernel does, at pages: a daemon may die between any two."""
    if verb != "pwrite":
        yield verb, path, *values
        return
    data, offset = values
    done = 0
    while done < len(data):
        size = _PAGE - (offset + done) % _PAGE if (offset + done) % _PAGE else 16 * _PAGE
        yield verb, path, data[done : done + size], offset + done
        done += size


class Program:
    """Does a workload in a mount, in a thread of its own, until it is done or the mount is gone."""

    def __init__(self, mount: Any, tree: Any, workload: list[Any]) -> None:
        self.place = mount.place
        self.tree = self.next = tree
        self.workload = workload
        self.files: dict[str, int] = {}
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            for operation in (piece for whole in self.workload for piece in pieces(*whole)):
                self.next = self.tree.after(operation)
                self._do(*operation)
                self.tree = self.next
        except OSError:
            pass  # the daemon is dead; what was under way may be either
        finally:
            self.done.set()

    def _do(self, verb: str, path: str, *values: Any) -> None:
        place = self.place / path
        match verb:
            case "create":
                self.files[path] = os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
            case "open":
                self.files[path] = os.open(place, os.O_RDWR)
            case "open_empty":
                self.files[path] = os.open(place, os.O_RDWR | os.O_TRUNC)
            case "pwrite":
                assert os.pwrite(self.files[path], *values) == len(values[0])
            case "close":
                os.close(self.files.pop(path))
            case "fsync":
                file = os.open(place, os.O_RDONLY)
                try:
                    os.fsync(file)
                finally:
                    os.close(file)
            case "symlink":
                (self.place / values[0]).symlink_to(path)
            case "setxattr":
                os.setxattr(place, f"user.{values[0]}", values[1].encode())
            case "rename":
                place.rename(self.place / values[0])
            case _:
                getattr(os, verb)(place, *values)

    def end(self) -> None:
        """Let go of the mount."""
        self.thread.join()
        for file in self.files.values():
            with contextlib.suppress(OSError):
                os.close(file)


@pytest.mark.parametrize("nth", [1, 4, 9, 17, 26, 1000])
@pytest.mark.parametrize("commit", ["background", "close"])
def test_what_was_acknowledged_survives_a_kill(
    mounted: Callable[..., Any],
    oss_process: Any,
    bucket: oss2.Bucket,
    contents_of: Callable[[oss2.Bucket], dict[str, object]],
    tree: Any,
    workload: list[Any],
    commit: str,
    nth: int,
) -> None:
    mount = mounted("--commit", commit, "--part-size", "128KiB")
    oss_process.reset()
    # From the nth request on there is no answer; half of the time what was asked is done all the same.
    oss_process.fail({"first": nth, "count": None, "delay": 60}, {"count": None, "delay": 0.005})
    program = Program(mount, tree, workload)
    while oss_process.count() < nth and not program.done.wait(0.001):
        pass
    mount.kill()
    program.end()
    oss_process.fail()
    mount.mount()
    mount.flush()
    found = contents_of(bucket)
    assert found in (program.tree.objects(), program.next.objects())
    for key, value in found.items():
        if isinstance(value, tuple) and not key.endswith("/"):
            assert (mount.place / key).read_bytes() == value[0]


def test_an_upload_that_is_left_to_the_next_mount_goes_on_there(
    mounted: Callable[..., Any], oss_process: Any, bucket: oss2.Bucket
) -> None:
    data = os.urandom(1 << 20)
    mount = mounted("--part-size", "128KiB")
    oss_process.fail({"operation": "UploadPart", "first": 3, "count": None, "delay": 60})
    with (mount.place / "file").open("wb") as file:
        file.write(data)
    while oss_process.count("UploadPart") < 4:
        pass
    mount.umount("--now")  # and the log has nothing to be ashamed of
    assert mount.keys() == []
    oss_process.fail()
    mount.mount()
    assert (mount.place / "file").read_bytes() == data
    mount.flush()
    assert mount.content("file") == data
    assert list(oss2.MultipartUploadIterator(bucket)) == []
