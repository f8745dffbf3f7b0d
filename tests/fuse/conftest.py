"""Real mounts: a server in a process of its own, a daemon for each mount, and oss2 to look at the bucket.

The server is a process because a page fault on a mapped file holds the interpreter's lock: a server in a thread of this
process could never answer it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oss2
import pytest

from ossmount.control import Registration, find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PATIENCE = 300.0  # seconds that one thing may take; the machine may be slow and busy
_BLOCK = 1 << 20
_READ = 300  # objects that the other client reads; beyond, the ETags of small ones speak for their bytes
_KEPT = ("PATH", "LANG", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE")


def _reason_to_skip() -> str | None:
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as exc:
        return f"/dev/fuse: {exc.strerror}"
    if os.geteuid() != 0 and shutil.which("fusermount3") is None:
        return "fusermount3 is not installed, and this is not root"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this directory, and skip it where there is no FUSE."""
    reason = _reason_to_skip()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("fuse")
            if reason is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


class OssServer:
    """The embedded server in another process, with an own bucket for each test."""

    def __init__(self, directory: Path, *options: str, port: int = 0) -> None:
        command = [sys.executable, "-m", "ossmount", "serve", str(directory), "--port", str(port), "--introspect"]
        command += options
        self.process = subprocess.Popen(
            [*command, "--die-with-parent"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env=environ({}),
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "http://" in line, "the server did not start"
        self.url = line[line.index("http://") :].strip()

    def _ask(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.url}/-/{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            return bytes(answer.read())

    def counts(self) -> dict[str, int]:
        """Requests by operation since the last reset."""
        return dict(json.loads(self._ask("requests"))["counts"])

    def count(self, operation: str = "") -> int:
        """Requests of one operation since the last reset, or of all."""
        counts = self.counts()
        return counts.get(operation, 0) if operation else sum(counts.values())

    def max_in_flight(self, operation: str) -> int:
        """How many requests of *operation* were under way at once, at most."""
        return int(json.loads(self._ask("requests"))["max_in_flight"].get(operation, 0))

    def entries(self) -> list[dict[str, Any]]:
        """The requests since the last reset, in the order in which they ended."""
        return list(json.loads(self._ask("requests?entries=1"))["entries"])

    def reset(self) -> None:
        """Count from zero, and let nothing go wrong any more."""
        self._ask("reset", "POST")

    def fail(self, *faults: Mapping[str, Any]) -> None:
        """Let these things go wrong from now on, and no others."""
        self._ask("faults", "PUT", json.dumps(faults).encode())

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """End the process as a crash does."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def environ(more: Mapping[str, str], home: Path | None = None) -> dict[str, str]:
    """An environment in which no file or variable of the user plays a part."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    fixed = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    return {**kept, **fixed, "HOME": str(home or "/nonexistent"), **more}


class Mount:
    """A mount by a daemon of its own, and its bucket as another client sees it."""

    def __init__(self, work: Path, server: OssServer, bucket: oss2.Bucket, prefix: str = "") -> None:
        self.work = work
        self.server = server
        self.bucket = bucket
        self.prefix = prefix
        self.place = work / "mnt"
        self.log = work / "ossmount.log"
        self.runtime = work / "run"
        self.state = work / "state"
        self.environ = environ(
            {
                "OSSMOUNT_ENDPOINT": server.url,
                "OSSMOUNT_REGION": "cn-hangzhou",
                "OSSMOUNT_ACCESS_KEY_ID": "ak",
                "OSSMOUNT_ACCESS_KEY_SECRET": "sk",
                "OSSMOUNT_STATE_DIR": str(self.state),
                "OSSMOUNT_CACHE_DIR": str(work / "cache"),
                "OSSMOUNT_RUNTIME_DIR": str(self.runtime),
                "OSSMOUNT_LOG_FILE": str(self.log),
            },
            work,
        )
        self.options: tuple[str, ...] = ()
        self.process: int | None = None  # a descriptor of the daemon's process
        self.complaints: list[str] = []

    # The daemon's life

    def mount(self, *options: str) -> None:
        """Mount; returns when files can be used."""
        self.options = options or self.options
        self.place.mkdir(exist_ok=True)
        source = self.bucket.bucket_name + (f":{self.prefix}" if self.prefix else "")
        self.command("mount", source, self.place, *self.options)
        self.process = os.pidfd_open(self.registration.pid)

    def command(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `ossmount` with *words*."""
        done = subprocess.run(
            [sys.executable, "-m", "ossmount", *map(str, words)],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"ossmount {words}: {done.stdout}{done.stderr}"
        return done

    @property
    def registration(self) -> Registration:
        """Where the daemon says it can be reached."""
        return find(self.runtime, self.place)

    def flush(self) -> None:
        """Wait until everything done so far is in the bucket; nothing may have failed."""
        result = self.registration.call("flush", timeout=_PATIENCE)
        assert result == {"pending": 0, "failed": []}

    def status(self) -> dict[str, Any]:
        """What the daemon says of itself."""
        return self.registration.call("status", timeout=_PATIENCE)

    def umount(self, *options: str) -> None:
        """Unmount as a user does, and see the daemon end."""
        self.command("umount", self.place, *options)
        assert self.process is not None
        assert select.select([self.process], [], [], _PATIENCE)[0], "the daemon lives on"
        os.close(self.process)
        self.process = None

    def remount(self, *options: str) -> None:
        """Unmount, and mount with nothing remembered but what is in the bucket."""
        self.umount()
        shutil.rmtree(self.work / "cache", ignore_errors=True)
        self.mount(*options)

    def signal(self, number: signal.Signals) -> None:
        """Send the daemon a signal."""
        assert self.process is not None
        signal.pidfd_send_signal(self.process, number)

    def kill(self) -> None:
        """End the daemon as a crash does, and take its mount away."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            select.select([self.process], [], [], _PATIENCE)
            os.close(self.process)
            self.process = None
        self.detach()

    def detach(self) -> None:
        """Take away a mount that has no daemon."""
        program = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
        subprocess.run([*program, str(self.place)], capture_output=True, check=False, timeout=_PATIENCE)

    def end(self) -> None:
        """Unmount whatever the test did, and say what the log has to be ashamed of."""
        if self.process is not None:
            try:
                self.umount()
            except BaseException as exc:
                self.complaints.append(f"umount: {exc}")
                self.kill()
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        if re.search(r"Traceback|nobody foresaw|please report", text):
            self.complaints.append(text[-6000:])

    # Programs

    def run(self, *words: str | Path, cwd: Path | None = None, text: str | None = None, status: int | None = 0) -> str:
        """Run a program in the mount and return what it printed; *status* is how it has to end."""
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.place if cwd is None else cwd,
            env=self.environ,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            umask=0o022,
            check=False,
        )
        assert status is None or done.returncode == status, f"{words} ended with {done.returncode}: {done.stdout}"
        return done.stdout

    def python(self, code: str, *words: str | Path) -> str:
        """Run *code* in a Python of its own, with *words* as sys.argv[1:]."""
        return self.run(sys.executable, "-IBc", code, *words)

    # The other client

    def keys(self, prefix: str = "") -> list[str]:
        """The keys in the bucket, below the mount's prefix."""
        start = f"{self.prefix}/" if self.prefix else ""
        return [one.key[len(start) :] for one in oss2.ObjectIteratorV2(self.bucket, prefix=start + prefix)]

    def content(self, key: str) -> bytes:
        """The bytes of an object."""
        return bytes(self.bucket.get_object(key).read())

    def sha256(self, key: str) -> str:
        """The SHA-256 of an object of any size."""
        digest = hashlib.sha256()
        stream = self.bucket.get_object(key)
        while block := stream.read(_BLOCK):
            digest.update(block)
        return digest.hexdigest()

    def check(self, *, among: str = "") -> set[str]:
        """Find the same names and bytes in the bucket as in the mount; return the names.

        Directories may have a marker or not; nothing else may be in the bucket.
        """
        self.flush()
        start = f"{self.prefix}/" if self.prefix else ""
        objects = {
            one.key[len(start) :]: one
            for one in oss2.ObjectIteratorV2(self.bucket, prefix=start + among, max_keys=1000)
        }
        files, directories = self._walk(among.rstrip("/"))
        assert {key for key in objects if not key.endswith("/")} == set(files)
        assert {key.rstrip("/") for key in objects if key.endswith("/")} <= directories | {among.rstrip("/"), ""}
        for number, (name, path) in enumerate(sorted(files.items())):
            self._check_file(path, objects[name], must_read=number < _READ)
        return set(files) | directories

    def _walk(self, below: str) -> tuple[dict[str, Path], set[str]]:
        files, directories = {}, set()
        for directory, subdirectories, names in os.walk(self.place / below):
            here = Path(directory)
            links = [name for name in subdirectories if (here / name).is_symlink()]
            directories |= {str((here / name).relative_to(self.place)) for name in subdirectories if name not in links}
            files.update({str((here / name).relative_to(self.place)): here / name for name in names + links})
        return files, directories

    def _check_file(self, path: Path, one: oss2.models.SimplifiedObjectInfo, *, must_read: bool) -> None:
        facts = path.lstat()
        if stat.S_ISLNK(facts.st_mode):
            assert one.type == "Symlink" or one.size == facts.st_size
            return
        assert facts.st_size == one.size, path
        if not stat.S_ISREG(facts.st_mode):
            return
        if one.type == "Normal" and not must_read:
            assert hashlib.md5(path.read_bytes()).hexdigest().upper() == one.etag.upper(), path
        else:
            with path.open("rb") as file:
                here = hashlib.file_digest(file, "sha256").hexdigest()
            assert self.sha256(one.key) == here, path


@pytest.fixture(scope="session")
def oss_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OssServer]:
    """A server for all tests; each has its own bucket."""
    directory = tmp_path_factory.mktemp("oss")
    running = OssServer(directory)
    yield running
    running.close()
    shutil.rmtree(directory, ignore_errors=True)


_numbers = itertools.count(1)


@pytest.fixture
def bucket(oss_process: OssServer, oss2_session: oss2.Session) -> Iterator[oss2.Bucket]:
    """A bucket that is empty, as oss2 sees it; requests are counted from zero, and it is gone afterwards."""
    auth = oss2.AuthV4("ak", "sk")
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    found = oss2.Bucket(auth, oss_process.url, name, region="cn-hangzhou", session=oss2_session)
    found.create_bucket()
    oss_process.reset()
    yield found
    oss_process.reset()
    for upload in oss2.MultipartUploadIterator(found):
        found.abort_multipart_upload(upload.key, upload.upload_id)
    keys = [one.key for one in oss2.ObjectIteratorV2(found, max_keys=1000)]
    for start in range(0, len(keys), 1000):
        found.batch_delete_objects(keys[start : start + 1000])
    found.delete_bucket()


@pytest.fixture
def mounted(tmp_path: Path, oss_process: OssServer, bucket: oss2.Bucket) -> Iterator[Callable[..., Mount]]:
    """Make mounts of the test's bucket: `mounted("--commit", "close", prefix="a/b")`."""
    mounts: list[Mount] = []

    def make(*options: str, prefix: str = "") -> Mount:
        work = tmp_path / f"mount{len(mounts) + 1}"
        work.mkdir()
        new = Mount(work, oss_process, bucket, prefix)
        mounts.append(new)
        new.mount(*options)
        return new

    def give_up() -> None:  # so that what hangs in the kernel returns
        for each in mounts:
            with contextlib.suppress(OSError, ValueError):
                if each.process is not None:
                    each.complaints.append("the daemon was killed: the test took too long")
                    each.signal(signal.SIGKILL)

    watchdog = threading.Timer(2 * _PATIENCE, give_up)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield make
        # A fault that a test has planned must not keep its mount from ending.
        oss_process.fail()
        for each in mounts:
            each.end()
        complaints = [line for each in mounts for line in each.complaints]
        assert not complaints, "\n".join(complaints)
    finally:
        watchdog.cancel()
        watchdog.join()


@pytest.fixture
def mount(mounted: Callable[..., Mount]) -> Mount:
    """A mount of the test's bucket with the default options."""
    return mounted()


@pytest.fixture
def closing(mounted: Callable[..., Mount]) -> Mount:
    """A mount where each close waits for the bucket."""
    return mounted("--commit", "close")


@pytest.fixture(params=["background", "close"])
def commit(request: pytest.FixtureRequest) -> str:
    """Each of the commit modes."""
    return str(request.param)


@pytest.fixture
def either(commit: str, mounted: Callable[..., Mount]) -> Mount:
    """A mount in each of the commit modes."""
    return mounted("--commit", commit)


@pytest.fixture
def over(commit: str, mounted: Callable[..., Mount], bucket: oss2.Bucket) -> Callable[[str, bytes], Mount]:
    """Mount over an object of another client: `over("key", content)`, in each of the commit modes."""

    def mount(key: str, content: bytes) -> Mount:
        bucket.put_object(key, content)
        return mounted("--commit", commit)

    return mount


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A tree of files of many kinds and times on a local disk."""
    root = tmp_path / "tree"
    (root / "sub/deeper").mkdir(parents=True)
    (root / "empty directory").mkdir()
    (root / "empty").touch()
    (root / "sub/text.txt").write_text("one\ntwo\n" * 1000)
    (root / "sub/script.sh").write_text("#!/bin/sh\necho hello\n")
    (root / "sub/script.sh").chmod(0o755)
    (root / "sub/deeper/binary").write_bytes(bytes(range(256)) * 12345)
    (root / "名字 with blank + % & ü.txt").write_bytes(b"\0\xff")
    (root / "sub/link").symlink_to("text.txt")
    (root / "sub/up").symlink_to("../sub/deeper")
    (root / "dangling").symlink_to("nowhere/at all")
    for number, path in enumerate(sorted(root.rglob("*"))):
        when = (981_173_106 + number) * 1_000_000_000 + 123_456_789
        os.utime(path, ns=(when, when), follow_symlinks=False)
    return root
