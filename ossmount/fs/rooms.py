"""What the parts of `fs` share: the rooms below, opened once for a mount and closed in the reverse order."""

from __future__ import annotations

import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from ..reading.options import ReadingOptions
from ..reading.reader import Reading
from ..tree import attributes as attrs
from ..tree.attributes import Attributes, Kind
from ..tree.beliefs import Beliefs
from ..tree.inodes import ROOT, Directory, Inodes, Node
from ..tree.keys import Keys
from ..tree.listing import Listing
from ..tree.lookup import Lookup
from ..tree.memory import Memory
from ..wire.errors import (
    AccessKeyIdAndSecurityTokenNotMatch,
    CredentialsError,
    IntegrityError,
    InvalidAccessKeyId,
    InvalidSecurityToken,
    NoSuchKey,
    PartialWriteFailed,
    PreconditionFailed,
    SecurityTokenExpired,
    SignatureDoesNotMatch,
    TransportError,
    UserDisable,
)
from ..writing.carrying import Carrying, Moved
from ..writing.executor import Executor
from ..writing.intents import Intent, IntentLog
from ..writing.options import ExecutorOptions, WritingOptions
from ..writing.space import Space
from ..writing.staging import Staging
from .background import Background
from .changes import Changes
from .errors import explain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ..oss.bucket import Bucket
    from ..tree.attributes import Defaults
    from ..wire.models import SymlinkResult
    from .files import OpenFile


log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """Everything a file needs, each thing owned by its room."""

    bucket: Bucket
    inodes: Inodes
    beliefs: Beliefs
    lookup: Lookup
    listing: Listing
    memory: Memory
    reading: Reading
    staging: Staging
    options: WritingOptions
    space: Space
    part_limiter: trio.CapacityLimiter
    log: IntentLog
    executor: Executor
    carrying: Carrying
    changes: Changes
    background: Background

    @property
    def part_size(self) -> int:
        """Bytes of the first part of an upload; a file that is no longer goes in one request."""
        return self.options.part_size

    async def settle(self, node: Node) -> None:
        """Wait until the bucket has every change of *node* that is logged.

        Raises:
            Exception: what keeps it from getting there.
        """
        if not node.is_unlinked:
            for intent in sorted(self.executor.touching(self.inodes.key_of(node)), key=lambda each: each.id):
                await self.executor.wait(intent)


@dataclass(frozen=True, kw_only=True)
class Places:
    """The directories of a mount."""

    state: Path  # the log, the staged files
    cache: Path  # what may be lost


@asynccontextmanager
async def open_rooms(
    bucket: Bucket,
    places: Places,
    *,
    prefix: str,
    defaults: Defaults,
    ttl: float,
    exact: bool,
    durable: bool,
    memory: int,
    part_size: int,
    parallel: int,
    linger: float,
    cache_size: int,
    nursery: trio.Nursery,
) -> AsyncIterator[Rooms]:
    """Open the rooms over *bucket*, and close them in the reverse order.  Nothing is carried out before the executor
    runs.

    Raises:
        OSError: state or cache cannot be used; `LogDamaged` when the state cannot be trusted.
    """
    for place in (places.state, places.cache):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = Keys(prefix)
    root = Node(
        ROOT,
        b"",
        None,
        _root_attributes(defaults),
        directory=Directory(keys.prefix, marker=True),
        known=True,
        remote=True,
    )
    inodes = Inodes(root, keys.prefix)
    beliefs = Beliefs(inodes, keys, defaults, ttl=ttl)
    half = max(memory // 2, 8 << 20)
    clean = max(memory * 3 // 8, 8 << 20)
    options = WritingOptions(
        directory=places.state / "staging", part_size=part_size, parallel=min(parallel, 16), memory=half, sync=durable
    )
    staging = Staging(options)
    intents = IntentLog(places.state / "state.db", durable=durable)
    remembered = Memory(places.cache / "attributes.db")
    reading = Reading(
        bucket,
        nursery=nursery,
        options=ReadingOptions(
            # Less than the other half: blocks that are used again are warm, and fresh pages cost more than the network.
            memory=clean,
            max_window=max(clean // 2, 4 << 20),
            parallel=parallel,
            cache_dir=str(places.cache / "blocks") if cache_size else None,
            cache_size=cache_size,
        ),
    )
    listing = Listing(bucket, beliefs, remembered)
    orphans: set[OpenFile] = set()

    async def preserve(key: str) -> None:
        """Fetch what somebody has open of the object *key*, which has no name any more and is about to go."""
        for file in list(orphans):
            if file.needs(key):
                try:
                    await file.make_local()
                except (NoSuchKey, PreconditionFailed) as exc:
                    # Somebody else was here before us.  Reads of it fail, and nobody else has to.
                    log.warning("%r was replaced before what is open of it was fetched: %s", key, exc)

    def moved(intent: Intent, what: Moved) -> None:
        changes.moved(intent, what)

    def relink(key: str, link: SymlinkResult) -> dict[str, Any]:
        text = attrs.symlink_text(link.meta)
        if text is None:  # another client made it, and meant this very key
            return {"native": link.target, "text": "", "meta": link.meta}
        native = attrs.native_symlink_target(key, text, keys.prefix)
        meta = {name: value for name, value in link.meta.items() if native is not None or name != attrs.META_SYMLINK}
        return {"native": native, "text": text.decode("utf-8", "surrogateescape"), "meta": meta}

    carrying = Carrying(bucket, preserve=preserve, moved=moved, relink=relink)
    executor = Executor(
        intents,
        carrying,
        is_passing=is_passing,
        is_curable=is_curable,
        explain=explain,
        options=ExecutorOptions(parallel=parallel, linger=linger),
    )
    changes = Changes(executor, intents, beliefs, remembered, orphans)
    try:
        yield Rooms(
            bucket=bucket,
            inodes=inodes,
            beliefs=beliefs,
            lookup=Lookup(bucket, beliefs, listing, remembered, exact=exact),
            listing=listing,
            memory=remembered,
            reading=reading,
            staging=staging,
            options=options,
            space=Space(half),
            part_limiter=trio.CapacityLimiter(options.parallel),
            log=intents,
            executor=executor,
            carrying=carrying,
            changes=changes,
            background=Background(nursery),
        )
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 10):
            await reading.aclose()
        remembered.close()
        staging.close()
        intents.close()


def is_passing(exc: BaseException) -> bool:
    """Tell whether what failed with *exc* may go well another time, with nobody doing anything about it."""
    return bool(getattr(exc, "transient", False)) or isinstance(exc, TransportError | IntegrityError | TimeoutError)


_CREDENTIALS = (
    CredentialsError,
    InvalidAccessKeyId,
    InvalidSecurityToken,
    SecurityTokenExpired,
    SignatureDoesNotMatch,
    AccessKeyIdAndSecurityTokenNotMatch,
    UserDisable,
)


def is_curable(exc: BaseException) -> bool:
    """Tell whether what failed with *exc* goes well once there are other credentials."""
    if isinstance(exc, PartialWriteFailed):
        return all(error.transient or is_curable(error) for error in exc.errors)
    return isinstance(exc, _CREDENTIALS)


def _root_attributes(defaults: Defaults) -> Attributes:
    now = time.time_ns()
    return defaults.shown(Attributes(Kind.DIRECTORY, defaults.dir_mode, defaults.uid, defaults.gid, now, now, now))
