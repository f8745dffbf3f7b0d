"""The life of a FUSE mount: mount, serve, unmount.

There is one session in a process, as pyfuse3 has it.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pyfuse3
import trio

from .kernel import tune

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from .operations import Operations

log = logging.getLogger(__name__)

_TASKS = 256  # requests at once; each waits for the network most of its time


@asynccontextmanager
async def mounted(operations: Operations, mountpoint: Path, source: str, options: set[str]) -> AsyncIterator[Session]:
    """Mount at *mountpoint* while the block runs.

    Raises:
        OSError: it could not be mounted.
    """
    words = {*pyfuse3.default_options, f"fsname=ossmount#{source.replace(',', '_')}", "subtype=ossmount", *options}
    try:
        pyfuse3.init(operations, str(mountpoint), words)
    except RuntimeError as exc:
        raise OSError(5, f"the kernel refused the mount ({exc}); the lines above say why", str(mountpoint)) from None
    try:
        yield Session(mountpoint)
    finally:
        pyfuse3.close(unmount=True)


class Session:
    """A mount that is there."""

    def __init__(self, mountpoint: Path) -> None:
        """Note where it is."""
        self._mountpoint = mountpoint
        self._is_live = True

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer the kernel until the mount is unmounted or `stop` is called."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tune)
            task_status.started()
            try:
                await pyfuse3.main(min_tasks=4, max_tasks=_TASKS)
            finally:
                self._is_live = False

    def stop(self) -> None:
        """Answer no more requests."""
        if self._is_live:
            pyfuse3.terminate()

    async def _tune(self) -> None:
        # In a thread: the stat of a mountpoint is a request to ourselves.
        try:
            await trio.to_thread.run_sync(tune, self._mountpoint, abandon_on_cancel=True)
        except OSError as exc:
            log.debug("the kernel could not be tuned: %s", exc)
