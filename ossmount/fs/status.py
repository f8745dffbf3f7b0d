"""What a running mount tells and does when it is asked through its control socket: status, flush, drain."""

from __future__ import annotations

import logging
import os
import resource
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import trio

from ..writing.intents import State
from .errors import explain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from ..oss.client import Client
    from ..writing.intents import Intent
    from .filesystem import FileSystem

    Progress = Callable[[Mapping[str, Any]], Awaitable[None]]

log = logging.getLogger(__name__)

_SHOWN = 1000  # pending changes that are listed one by one
_PERIOD = 0.2  # seconds between two reports of progress


class Status:
    """Speaks for one mount."""

    def __init__(self, filesystem: FileSystem, *, commit: str, source: str) -> None:
        """Speak for *filesystem*."""
        self._fs = filesystem
        self._commit = commit
        self._source = source
        self._leaves = False
        self.is_ending = False
        self._left = trio.Event()

    @property
    def handlers(self) -> dict[str, Callable[[Mapping[str, Any], Progress], Awaitable[Mapping[str, Any]]]]:
        """The methods of the control socket."""
        return {"status": self._status, "flush": self._flush, "drain": self._drain}

    async def _status(self, params: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        rooms = self._fs.rooms
        statistics = rooms.bucket.statistics()
        executor = rooms.executor.statistics()
        staging = rooms.staging.statistics()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "pid": os.getpid(),
            "bucket": self._source,
            "endpoints": [_health(member.client) for member in rooms.bucket.members],
            "commit": self._commit,
            "pending": self.left(),
            "running": executor.running,
            "oldest_age": _age(executor.oldest),
            "staged_files": staging.files,
            "staged_bytes": staging.bytes,
            "intents": rooms.changes.pending()[:_SHOWN],
            "failed": _told(each for each in rooms.executor.live if each.state is State.FAILED),
            "open_files": len(self._fs.files),
            "nodes": len(rooms.inodes),
            "refused_keys": {key: reason.reason for key, reason in list(rooms.beliefs.refused.items())[:_SHOWN]},
            "requests": dict(sorted(statistics.requests.items())),
            "errors": dict(sorted(statistics.errors.items())),
            "retries": statistics.retries,
            "integrity_failures": statistics.integrity_failures,
            "bytes_sent": statistics.bytes_sent,
            "bytes_received": statistics.bytes_received,
            "in_flight": statistics.in_flight,
            "cache": asdict(rooms.reading.statistics()),
            "memory": _resident(),
            "memory_peak_bytes": usage.ru_maxrss * 1024,
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        }

    async def _flush(self, params: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        """Wait until everything done so far is in the bucket; what had failed is tried again."""
        return await self._see_through(progress)

    async def _drain(self, params: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        """The mount is about to be unmounted: as flush, or leave everything to the next mount (``later``)."""
        if params.get("later"):
            self.leave_the_rest()
            return {"pending": self.left(), "failed": []}
        return await self._see_through(progress)

    async def _see_through(self, progress: Progress) -> dict[str, Any]:
        rooms = self._fs.rooms
        rooms.executor.retry_failed()
        self._fs.commit_all()

        async def report() -> None:
            while True:
                down = [str(each.client.endpoint) for each in rooms.bucket.members if not each.client.health.alive]
                facts = {"pending": self.left(), "staged_bytes": rooms.staging.statistics().bytes, "down": down}
                await progress(facts)
                await trio.sleep(_PERIOD)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(report)
            awaited = rooms.executor.live
            await rooms.executor.wait_all(awaited)
            nursery.cancel_scope.cancel()
        # Also what is still tried, and has been for too long: it is not in the bucket.
        return {"pending": self.left(), "failed": _told(intent for intent in awaited if intent.live)}

    async def drain(self) -> None:
        """See everything into the bucket, unless the rest was to be left."""
        if self._leaves:
            return
        async with trio.open_nursery() as nursery:

            async def stop_when_left() -> None:
                await self._left.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(stop_when_left)
            try:
                self._fs.commit_all()
            except OSError as exc:
                log.error("left behind: %s", explain(exc))
            for failure in await self._fs.rooms.executor.wait_all():
                log.error("left behind: %s", explain(failure))
            nursery.cancel_scope.cancel()

    def leave_the_rest(self) -> None:
        """Leave what is pending to the next mount."""
        self._leaves = True
        self._left.set()

    def left(self) -> int:
        """Count the changes that are not in the bucket."""
        rooms = self._fs.rooms
        return len(rooms.executor.live) + sum(file.is_dirty for file in rooms.changes.unlogged)


def _health(client: Client) -> dict[str, Any]:
    health = client.health
    return {
        "endpoint": str(client.endpoint),
        "state": "alive" if health.alive else "down",
        "age": _age(health.since),
        "last_error": health.error or None,
        "last_error_age": _age(health.error_at),
        "differing": len(health.differing),
    }


def _age(moment: float | None) -> float | None:
    return None if moment is None else round(max(0.0, time.time() - moment), 3)


def _told(intents: Iterable[Intent]) -> list[dict[str, Any]]:
    return [
        {
            "path": intent.key,
            "verb": intent.verb.value,
            "error": intent.error or "it waits for another change",
            "staged": intent.data.get("staged"),
        }
        for intent in intents
    ]


def _resident() -> int:
    """Return the bytes of memory that this process has (proc(5), statm)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
