"""The server in a thread of this process, on a real port of the loopback, for tests and scripts."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from .app import AppOptions, create_app
from .asgi import ServeOptions, Server, listen, url_of
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from .faults import Plan
    from .requestlog import RequestLog


class ThreadedServer:
    """A server on *directory* that runs inside a ``with`` block; nothing is synced to the disk.

    *clock* gives seconds since the epoch.

    Raises:
        BlockingIOError: another server uses the directory.
    """

    def __init__(
        self,
        directory: Path,
        *,
        options: AppOptions | None = None,
        bandwidth: float = 0.0,
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = Store(directory, clock, lasting=False)
        self.app = create_app(self.store, options)
        # Who stops a test's server has stopped asking: nothing under way is worth waiting for.
        self._server = Server(self.app, bandwidth=bandwidth, grace=0.0)
        self._socket = listen(ServeOptions(directory=directory, port=port))
        self.url = url_of(self._socket)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="oss-server", daemon=True)

    def __repr__(self) -> str:
        return f"<ThreadedServer {self.url}>"

    def __enter__(self) -> ThreadedServer:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Drop every connection and close the store, as a crash would; once is enough."""
        if self._thread.is_alive():
            self._server.stop()
            self._thread.join()
            self.store.close()

    def _run(self) -> None:
        try:
            self._server.run(self._socket, self._ready.set)
        finally:
            self._ready.set()

    @property
    def faults(self) -> Plan:
        """What shall go wrong; `Plan.add` and `Plan.clear` may be called at any time."""
        return self.app.faults

    @property
    def requests(self) -> RequestLog:
        """What was asked."""
        return self.app.requests

    def count(self, operation: str = "") -> int:
        """Return how many requests of *operation* there were, or of all."""
        return self.app.requests.count(operation)

    def max_in_flight(self, operation: str) -> int:
        """Return how many requests of *operation* were under way at once, at most."""
        return self.app.requests.max_in_flight(operation)

    def reset(self) -> None:
        """Forget what was asked, and let nothing go wrong any more."""
        self.app.requests.reset()
        self.app.faults.clear()
