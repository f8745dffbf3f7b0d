"""Work that nobody waits for: fetching ahead, uploading ahead, tidying up.

What fails here is logged and never ends the mount.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import trio

log = logging.getLogger(__name__)


class Background:
    """Starts tasks in the mount's services nursery."""

    def __init__(self, nursery: trio.Nursery) -> None:
        """Start tasks in *nursery*."""
        self._nursery = nursery

    def start(self, work: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Do *work* in the background; what it raises is logged."""
        self._nursery.start_soon(self._run, work, args)

    async def _run(self, work: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        try:
            await work(*args)
        except Exception as exc:
            log.info("background work failed: %s%r: %s", getattr(work, "__qualname__", work), args, exc)
