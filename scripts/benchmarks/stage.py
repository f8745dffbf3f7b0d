"""The stage: a server with a slow link, and mounts of its buckets, each a process of its own in a temporary directory.

A mount is cold: its state and its caches are new directories, and the kernel knows nothing of it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ossmount.cli.mount import fuse_mounts
from ossmount.control import Registration, find

from . import sampled
from .process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

KEYS = ("bench-key-id", "bench-key-secret")
REGION = "cn-hangzhou"
_START = 20.0  # seconds that a process may take to get ready


class StageError(Exception):
    """Something did not start, or did not answer in time."""


@dataclass(frozen=True)
class Seen:
    """What the server was asked since the last reset: counts, the most at once, and spans on the monotonic clock."""

    counts: dict[str, int]
    most: dict[str, int]
    spans: tuple[tuple[str, float, float], ...]
    received: int
    sent: int

    def busy(self, since: float) -> float:
        """Return how many seconds at least one request was under way after the moment *since*."""
        total, reached = 0.0, since
        for _operation, start, stop in sorted(self.spans, key=lambda span: span[1]):
            total += max(0.0, stop - max(start, reached))
            reached = max(reached, stop)
        return total


class Server:
    """The embedded server, *latency* before every request, *bandwidth* for each connection and direction."""

    def __init__(self, work: Path, *, latency: str, bandwidth: str) -> None:
        """Start it; it ends with `end`, or with us."""
        command = [sys.executable, "-m", "ossmount", "serve", str(work / "objects"), "--port", "0"]
        command += ["--region", REGION, "--access-key-id", KEYS[0], "--access-key-secret", KEYS[1]]
        command += ["--latency", latency, "--bandwidth", bandwidth, "--introspect", "--die-with-parent"]
        log = work / "server.log"
        self.process = Process(command, cwd=work, log=log, environ=_environ(), stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        if "http://" not in line:
            self.process.end()
            raise StageError(f"the server did not start: {log.read_text().strip()}")
        self.url = line[line.index("http://") :].strip()

    def reset(self) -> None:
        """Forget what was asked so far."""
        self._ask("POST", "/-/reset")

    def seen(self) -> Seen:
        """Return what was asked since the last reset."""
        told = json.loads(self._ask("GET", "/-/requests?entries"))
        entries = told["entries"]
        return Seen(
            counts=told["counts"],
            most=told["max_in_flight"],
            spans=tuple((one["operation"], one["start"], one["stop"]) for one in entries),
            received=sum(one["received"] for one in entries),
            sent=sum(one["sent"] for one in entries),
        )

    def _ask(self, method: str, path: str) -> bytes:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path)
            return connection.getresponse().read()


class Mount:
    """A cold mount of *bucket*; `place` is where.  Use it as a context manager."""

    def __init__(
        self, work: Path, server: Server, bucket: str, *, options: Sequence[str] = (), profile: Path | None = None
    ) -> None:
        """Be about to mount below the new directory *work*; *profile* is where to leave where its time went."""
        self.work = work
        self.place = work / "mnt"
        self._server = server
        self._bucket = bucket
        self._options = options
        self._profile = profile
        self._process: Process | None = None
        self._registration: Registration | None = None

    @property
    def process(self) -> Process:
        """The daemon."""
        assert self._process is not None
        return self._process

    def __enter__(self) -> Mount:
        """Mount, and return when files can be used."""
        self.place.mkdir(parents=True)
        program = ["-m", "ossmount"] if self._profile is None else [sampled.__file__, str(self._profile)]
        command = [sys.executable, *program, "mount", self._bucket, str(self.place), "--foreground"]
        command += ["--endpoint", self._server.url, "--region", REGION, "--log-level", "warning"]
        for name in ("state", "cache", "runtime"):
            command += [f"--{name}-dir", str(self.work / name)]
        command += self._options
        keys = dict(zip(("OSSMOUNT_ACCESS_KEY_ID", "OSSMOUNT_ACCESS_KEY_SECRET"), KEYS, strict=True))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(f"\0ossmount-bench-{os.getpid()}-{id(self)}")
            ready.settimeout(0.1)
            address = "@" + ready.getsockname()[1:].decode()
            environ = _environ() | keys | {"NOTIFY_SOCKET": address}
            self._process = Process(command, cwd=self.work, log=self.log, environ=environ)
            try:
                self._wait(ready)
                self._registration = find(self.work / "runtime", self.place)
            except BaseException:
                self._take_down()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        """Unmount, whatever happened."""
        self._take_down()

    @property
    def log(self) -> Path:
        """Where the daemon logs."""
        return self.work / "mount.log"

    def _wait(self, ready: socket.socket) -> None:
        deadline = time.monotonic() + _START
        while time.monotonic() < deadline and self.process.is_alive():
            with contextlib.suppress(TimeoutError):
                if b"READY=1" in ready.recv(4096):
                    return
        raise StageError(f"the mount did not come to life: {self.log.read_text().strip()[-2000:]}")

    def _take_down(self) -> None:
        self.process.end()
        if str(self.place) in fuse_mounts():
            subprocess.run(["fusermount3", "-u", "-z", str(self.place)], check=False, capture_output=True)
        for name in ("state", "cache", "runtime"):
            shutil.rmtree(self.work / name, ignore_errors=True)

    def begin(self) -> None:
        """Let the sampling begin, where there is one."""
        if self._profile is not None:
            os.kill(self.process.pid, signal.SIGUSR2)

    def ask(self, method: str, *, patience: float) -> dict[str, Any]:
        """Ask the daemon through its control socket."""
        assert self._registration is not None
        return self._registration.call(method, timeout=patience)

    def flush(self, *, patience: float) -> None:
        """Return when every change is in the bucket.

        Raises:
            StageError: one cannot be.
        """
        failed = self.ask("flush", patience=patience)["failed"]
        if failed:
            raise StageError(f"{len(failed)} changes failed: {failed[0]}")

    @contextlib.contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        """Kill the daemon when the block takes longer, so that whoever waits for it in the kernel is let go."""
        timer = threading.Timer(seconds, self.process.kill)
        timer.start()
        try:
            yield
        except Exception as exc:
            if timer.finished.is_set():
                raise StageError(f"not done after {seconds:.0f} s") from exc
            raise
        finally:
            timer.cancel()


def _environ() -> dict[str, str]:
    """Return our environment without what would configure a mount."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OSSMOUNT_", "OSS_"))}
