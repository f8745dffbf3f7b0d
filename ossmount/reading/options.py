"""What the reading room may be told: how much memory, how far ahead, how many requests at once."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """Options of `Reading`; every size is in bytes.

    Raises:
        ValueError: a size or number makes no sense.
    """

    #: All clean blocks in memory and all requests under way, together.
    memory: int = 256 * MIB
    #: The unit of caching in memory and on disk.  Must not change for a cache directory that is to be used again.
    block_size: int = MIB
    #: This is a weird looking number.  It is one read of 1 MiB, the largest that programs often ask for, and the
    #: 128 KiB that the kernel reads ahead of it by itself: without them, that read-ahead would wait for a second
    #: request (mountpoint-s3 found this out).
    first_request: int = MIB + 128 * KIB
    #: How far one stream may be ahead of its reader.  16 requests of 8 MiB keep 16 connections busy.
    max_window: int = 128 * MIB
    #: The largest GET that is sent ahead.
    request_size: int = 8 * MIB
    #: How many GETs may be under way before readahead waits; a read that a program waits for never does.
    parallel: int = 32
    #: Where blocks are kept across restarts; None for nowhere.
    cache_dir: str | None = None
    #: How much of them; 0 for none.
    cache_size: int = 0

    def __post_init__(self) -> None:
        for name in ("memory", "block_size", "first_request", "max_window", "request_size", "parallel"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
        if self.block_size % (4 * KIB):
            raise ValueError("block_size must be a multiple of 4096")
        if self.cache_size < 0:
            raise ValueError("cache_size must not be negative")
