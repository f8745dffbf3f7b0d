"""The composition root: opens the rooms in order, serves, drains, closes in reverse.  It decides nothing itself."""

from __future__ import annotations

import gc
import logging
import os
import signal
from typing import TYPE_CHECKING

import trio

from .connecting import open_bucket
from .control import serve_control
from .fs.filesystem import FileSystem
from .fs.pictures import Pictures
from .fs.properties import Properties
from .fs.recovery import Recovery
from .fs.rooms import Places, open_rooms
from .fs.status import Status
from .fuse.operations import Operations
from .fuse.session import mounted
from .tree.attributes import Defaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import Config
    from .fuse.session import Session

log = logging.getLogger(__name__)

_DRAIN = 600.0  # seconds that an end by a signal waits for the bucket; what is left then is left to the next mount


async def run(config: Config, *, ready: Callable[[], None]) -> None:
    """Serve the mount of *config*: call *ready* when files can be used, return when all is unmounted and drained.

    Raises:
        OSSError: the bucket cannot be used.
        OSError: something of this machine is in the way.
    """
    async with open_bucket(config) as bucket, trio.open_nursery() as services:
        async with open_rooms(
            bucket,
            Places(state=config.state, cache=config.cache),
            prefix=config.prefix,
            defaults=_defaults(config),
            ttl=config.ttl,
            exact=config.attributes == "exact",
            durable=config.durable_log,
            memory=config.memory,
            part_size=config.part_size,
            parallel=config.parallel,
            linger=config.linger,
            cache_size=config.cache_size,
            nursery=services,
        ) as rooms:
            filesystem = FileSystem(
                rooms,
                waits=config.commit == "close",
                read_only=config.read_only,
                pictures=Pictures(rooms, memory=config.memory // 8, directory=config.cache) if config.images else None,
            )
            await rooms.listing.fill(rooms.inodes.root, first_page_only=True)
            await Recovery(filesystem).run()
            async with trio.open_nursery() as workers:  # who use the log, and so end before it is closed
                await workers.start(rooms.executor.run)
                await _serve(config, filesystem, ready, workers)
                workers.cancel_scope.cancel()
        services.cancel_scope.cancel()


async def _serve(config: Config, filesystem: FileSystem, ready: Callable[[], None], workers: trio.Nursery) -> None:
    """Answer the kernel until the mount is unmounted, then drain."""
    bucket = filesystem.rooms.bucket

    async def url_of(key: str) -> str:
        return await bucket.presign(key, expires=int(config.url_expires))

    status = Status(filesystem, commit=config.commit, source=config.source)
    operations = Operations(filesystem, Properties(filesystem, url_of=url_of))
    async with mounted(operations, config.mountpoint, config.source, _kernel_options(config)) as session:
        await workers.start(serve_control, config.control, status.handlers)
        workers.start_soon(_end_on_signals, session, status)
        async with trio.open_nursery() as serving:
            await serving.start(session.serve)
            _settle_memory()
            ready()
    await _drain(status)


async def _drain(status: Status) -> None:
    """See everything into the bucket, unless somebody said that the next mount is to do it."""
    with trio.move_on_after(_DRAIN) as scope:
        await status.drain()
    left = status.left()
    if left:
        why = "not in time" if scope.cancelled_caught else "as asked, or for the reasons logged above"
        log.error("%d changes are not in the bucket (%s); they are kept and go on at the next mount", left, why)


async def _end_on_signals(session: Session, status: Status) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            name = signal.Signals(number).name
            if status.is_ending:
                log.warning("%s again: ending now, what is pending is left to the next mount", name)
                status.leave_the_rest()
                session.stop()
                continue
            log.info("%s: seeing everything into the bucket before the end", name)
            status.is_ending = True
            session.stop()


def _settle_memory() -> None:
    """Tell the garbage collector that what there is now stays: looking at it again and again took half of an `ls`."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _defaults(config: Config) -> Defaults:
    return Defaults(
        uid=os.getuid() if config.uid is None else config.uid,
        gid=os.getgid() if config.gid is None else config.gid,
        file_mode=0o644 if config.fmask is None else 0o666 & ~config.fmask,
        dir_mode=0o755 if config.dmask is None else 0o777 & ~config.dmask,
        force_uid=config.uid,
        force_gid=config.gid,
    )


def _kernel_options(config: Config) -> set[str]:
    words = {*config.kernel_options, "nosuid", "nodev"} if os.getuid() else set(config.kernel_options)
    if config.allow_other:
        words.add("allow_other")
    if config.read_only:
        words.add("ro")
    return words
