"""How writing is done: where bytes are staged, how they are cut, how many requests run at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .plan import Limits

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ExecutorOptions", "WritingOptions"]

MiB: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class WritingOptions:
    """Sizes are bytes.

    Raises:
        ValueError: A size that is not positive, or a part shorter than OSS takes.
    """

    directory: Path
    """The staging directory: as big as what programs write before it is in the bucket."""
    part_size: int = 8 * MiB
    """The first size of a part; rounded up to whole granules of 128 KiB."""
    small: int | None = None
    """Up to this size a file is sent in one PutObject; None: up to *part_size*."""
    parallel: int = 16
    """Parts and small files on their way at once, over all files."""
    memory: int = 128 * MiB
    """For the bodies of requests on their way, over all files."""
    sync: bool = False
    """Whether staging must survive a power loss, and not just the end of the daemon."""
    reserve: int = 64 * MiB
    """Staging leaves this much of its disk free."""
    limits: Limits = field(init=False)
    """What `plan` goes by; follows from the sizes above."""

    def __post_init__(self) -> None:
        if min(self.part_size, self.parallel, self.memory) <= 0 or self.reserve < 0 or (self.small or 0) < 0:
            raise ValueError("sizes for writing must be positive")
        granule = Limits.granule
        part_size = min(-(-self.part_size // granule) * granule, Limits.max_part)
        small = min(part_size if self.small is None else self.small, Limits.max_part)
        object.__setattr__(self, "limits", Limits(part_size=part_size, small=small))


@dataclass(frozen=True, kw_only=True)
class ExecutorOptions:
    """How eagerly intents are carried out.  Times are seconds."""

    parallel: int = 32
    linger: float = 0.05  # long enough for rsync's chmod and rename after close, too short to notice
    batch: int = 1000  # DeleteMultipleObjects takes no more
    retry_base: float = 0.5
    retry_limit: float = 30.0
    patience: float = 300.0  # how long somebody waits for an intent that only meets passing failures

    @property
    def delete_linger(self) -> float:
        """How long the last of a run of deletes waits for another."""
        return 2 * self.linger

    @property
    def delete_patience(self) -> float:
        """How long the first of them does."""
        return 40 * self.linger
