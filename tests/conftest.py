"""Fixtures of several rooms: the embedded server, and clients of it."""

from __future__ import annotations

import copy
import os
import stat
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    import oss2
    import requests

    from ossmount.oss import Bucket, Client
    from ossmount.server.threaded import ThreadedServer
    from tests.applications import Application


def pytest_configure() -> None:
    """Let the tests be the same wherever they run, and a failed comparison be told in short.

    Where CI or BUILD_NUMBER is set, pytest compares the two sides in full, however large: megabytes take hours.
    """
    foreign = ("OSS", "ALIBABA", "LANG", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "CI", "BUILD_NUMBER")
    for name in set(os.environ) - {"OSSMOUNT_TEST_EXAMPLES", "OSSMOUNT_TEST_STRIDE"}:
        if name.upper().startswith(foreign):
            del os.environ[name]
    os.environ["LC_ALL"] = "C.UTF-8"
    os.umask(0o022)
    # The same examples each time, however slow the machine.
    slow = [HealthCheck.too_slow]
    settings.register_profile("steady", deadline=None, derandomize=True, database=None, suppress_health_check=slow)
    settings.load_profile("steady")


@pytest.fixture
def oss_server(tmp_path: Path) -> Iterator[ThreadedServer]:
    """An embedded server on a port of the loopback, with its own empty directory.

    It has `url`, `store`, `faults`, `requests`, `count(operation)`, `max_in_flight(operation)` and `reset()`.
    """
    from ossmount.server.threaded import ThreadedServer

    with ThreadedServer(tmp_path / "oss-server") as server:
        yield server


@pytest.fixture
def tidy_session() -> Iterator[requests.Session]:
    """A session that leaves no socket behind: the SDKs leave those of answers they have not read to the collector."""
    import requests

    answers: list[requests.Response] = []

    class Session(requests.Session):
        def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
            answer = super().send(request, **kwargs)
            answers.append(answer)
            return answer

    with Session() as session:
        yield session
        for answer in answers:
            answer.close()


@pytest.fixture
def oss2_session(tidy_session: requests.Session) -> oss2.Session:
    """A session of oss2 that leaves no socket behind."""
    import oss2

    session = oss2.Session()
    session.session.close()
    session.session = tidy_session
    return session


@pytest.fixture
def oss2_bucket(oss_server: ThreadedServer, oss2_session: oss2.Session) -> oss2.Bucket:
    """The bucket "bucket" on the embedded server, as a client of somebody else sees it."""
    import oss2

    if oss_server.store.bucket("bucket") is None:
        oss_server.store.put_bucket("bucket")
    auth = oss2.AuthV4("ak", "sk")
    return oss2.Bucket(auth, oss_server.url, "bucket", region="cn-hangzhou", session=oss2_session)


@pytest.fixture
async def client(oss_server: ThreadedServer) -> AsyncIterator[Client]:
    """A client of ours on the embedded server; it tries again at once."""
    from ossmount.oss import Client, ClientOptions, Endpoint, RetryPolicy, StaticCredentials

    options = ClientOptions(retry=RetryPolicy(base=0.0))
    endpoint = Endpoint.parse(oss_server.url, region="cn-hangzhou")
    async with Client(endpoint, StaticCredentials("ak", "sk"), options=options) as client:
        yield client


@pytest.fixture
def bucket(oss_server: ThreadedServer, client: Client) -> Bucket:
    """The fresh bucket "bucket" on the embedded server, as our client sees it."""
    oss_server.store.put_bucket("bucket")
    return client.bucket("bucket")


@pytest.fixture
def application() -> Iterator[Application]:
    """An application on this machine that the service may call back."""
    from tests.applications import running

    yield from running()


# What programs do, and what must be in the bucket afterwards

Operation = tuple[Any, ...]


@dataclass
class Entry:
    """A file (*content*), a directory (neither) or a symbolic link (*link*)."""

    mode: int
    content: bytes | None = None
    link: str | None = None
    xattrs: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What it is: ``file``, ``directory`` or ``link``."""
        return "file" if self.content is not None else "directory" if self.link is None else "link"


class Tree:
    """A filesystem as a dictionary: the reference that a mount, and the bucket behind it, are held against.

    An operation is a tuple: its name, then its arguments, in the order of the system call.  Directories have modes of
    their own, links have none.
    """

    def __init__(self, entries: dict[str, Entry] | None = None) -> None:
        self.entries = entries or {}

    def after(self, operation: Operation) -> Tree:
        """Return the tree as *operation*, which succeeds, leaves it."""
        tree = Tree(copy.deepcopy(self.entries))
        getattr(tree, f"_{operation[0]}")(*operation[1:])
        return tree

    def objects(self) -> dict[str, object]:
        """Return what `bucket_contents` finds when all of this is in the bucket."""
        return {
            f"{path}/" if entry.kind == "directory" else path: entry.link
            or (entry.content or b"", entry.mode, entry.xattrs)
            for path, entry in self.entries.items()
        }

    def _mkdir(self, path: str) -> None:
        self.entries[path] = Entry(0o755)

    def _create(self, path: str) -> None:
        self.entries[path] = Entry(0o644, b"")

    def _open(self, path: str) -> None:
        pass

    def _open_empty(self, path: str) -> None:
        self.entries[path].content = b""

    def _pwrite(self, path: str, data: bytes, offset: int) -> None:
        old = self.entries[path].content or b""
        self.entries[path].content = old[:offset].ljust(offset, b"\0") + data + old[offset + len(data) :]

    def _fsync(self, path: str) -> None:
        pass

    def _close(self, path: str) -> None:
        pass

    def _truncate(self, path: str, size: int) -> None:
        self.entries[path].content = (self.entries[path].content or b"")[:size].ljust(size, b"\0")

    def _unlink(self, path: str) -> None:
        del self.entries[path]

    _rmdir = _unlink

    def _symlink(self, text: str, path: str) -> None:
        self.entries[path] = Entry(0o777, link=text)

    def _chmod(self, path: str, mode: int) -> None:
        self.entries[path].mode = mode

    def _setxattr(self, path: str, name: str, value: str) -> None:
        self.entries[path].xattrs[name] = value

    def _rename(self, old: str, new: str) -> None:
        for path in [path for path in self.entries if path == old or path.startswith(old + "/")]:
            self.entries[new + path[len(old) :]] = self.entries.pop(path)


@pytest.fixture
def tree() -> Tree:
    """An empty reference filesystem."""
    return Tree()


@pytest.fixture
def workload() -> list[Operation]:
    """A bit of everything, with a file of several parts (of 128 KiB) and one that stays open."""
    big = bytes(range(256)) * 1600  # 400 KiB
    return [
        ("mkdir", "d"),
        ("mkdir", "d/sub"),
        ("create", "d/a"),
        ("pwrite", "d/a", b"first", 0),
        ("close", "d/a"),
        ("create", "d/sub/b"),
        ("pwrite", "d/sub/b", b"second" * 100, 0),
        ("close", "d/sub/b"),
        ("chmod", "d/a", 0o600),
        ("setxattr", "d/a", "color", "red"),
        ("symlink", "a", "d/link"),
        ("create", "big"),
        ("pwrite", "big", big[:150_000], 0),
        ("pwrite", "big", big[150_000:], 150_000),
        ("close", "big"),
        ("fsync", "d/a"),
        ("open_empty", "d/a"),
        ("pwrite", "d/a", b"overwritten", 0),
        ("close", "d/a"),
        ("rename", "d/a", "d/c"),
        ("rename", "d", "e"),
        ("open", "e/sub/b"),
        ("pwrite", "e/sub/b", b"SECOND", 6),
        ("close", "e/sub/b"),
        ("rename", "e/sub", "moved"),
        ("mkdir", "gone"),
        ("create", "gone/x"),
        ("pwrite", "gone/x", b"x", 0),
        ("close", "gone/x"),
        ("fsync", "gone/x"),
        ("unlink", "gone/x"),
        ("rmdir", "gone"),
        ("truncate", "e/c", 4),
        ("open", "big"),
        ("pwrite", "big", b"patched", 200_000),
        ("close", "big"),
        ("create", "tmp"),
        ("pwrite", "tmp", b"atomic", 0),
        ("close", "tmp"),
        ("rename", "tmp", "e/c"),
        ("setxattr", "big", "shape", "round"),
        ("chmod", "moved", 0o700),
        ("unlink", "e/link"),
        ("create", "open"),
        ("pwrite", "open", b"not closed", 0),
        ("pwrite", "open", b", ever", 10),
    ]


@pytest.fixture
def contents_of() -> Callable[[oss2.Bucket], dict[str, object]]:
    """What a client of somebody else finds in a bucket: by key, content, mode and user metadata, or a link's text."""
    import oss2

    ours = ("mode", "uid", "gid", "mtime", "ctime", "atime")

    def contents(bucket: oss2.Bucket) -> dict[str, object]:
        found: dict[str, object] = {}
        for entry in oss2.ObjectIteratorV2(bucket):
            if entry.type == "Symlink":
                text = bucket.get_symlink(entry.key).headers["x-oss-meta-symlink-target"]
                found[entry.key] = unquote(text.split(":", 2)[2])
                continue
            answer = bucket.get_object(entry.key)
            meta = {
                name.removeprefix("x-oss-meta-"): value
                for name, value in answer.headers.items()
                if name.startswith("x-oss-meta-")
            }
            body, mode = answer.read(), int(meta["mode"]) if "mode" in meta else None
            if mode is not None and stat.S_ISLNK(mode):
                found[entry.key] = body.decode()  # what no symlink of OSS can hold
                continue
            others = {name: value for name, value in meta.items() if name not in ours}
            found[entry.key] = (body, None if mode is None else stat.S_IMODE(mode), others)
        return found

    return contents


@pytest.fixture
def bucket_contents(
    oss2_bucket: oss2.Bucket, contents_of: Callable[[oss2.Bucket], dict[str, object]]
) -> Callable[[], dict[str, object]]:
    """What a client of somebody else finds in the bucket "bucket", as `contents_of`."""
    return partial(contents_of, oss2_bucket)
