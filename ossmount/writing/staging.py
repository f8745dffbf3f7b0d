"""Bytes that programs have written and the bucket does not have yet: one `Staged` for each file, in one directory.

A staged file ``ID`` is a journal ``ID.journal`` and, unless it is small, a data file ``ID.GENERATION.data``.  The
journal is what makes it exist: it is made first and deleted first, so data without a journal was given up.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .directory import Directory
from .journal import JournalBroken
from .staged import Piece, Staged

if TYPE_CHECKING:
    from ..wire.models import Source
    from .options import WritingOptions

__all__ = ["Piece", "Staged", "Staging", "StagingStatistics"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StagingStatistics:
    """*files* are staged, with *bytes* of dirty data."""

    files: int
    bytes: int


class Staging:
    """The staged files of a mount.

    Raises:
        OSError: The directory cannot be made, or not made private.
    """

    def __init__(self, options: WritingOptions) -> None:
        self.options: Final = options
        self.directory: Final = options.directory
        self._directory = Directory(options)
        self._files: dict[str, Staged] = {}

    def create(self, key: str, base: Source | None, *, size: int | None = None) -> Staged:
        """Begin to stage a file whose bytes are those of *base* so far, cut or extended to *size*.

        Raises:
            OSError: As creat(2) and write(2).
        """
        self._directory.charge(0, 4096)
        name = secrets.token_hex(8)
        staged = Staged.create(self._directory, name, key, base, base.size if base and size is None else size or 0)
        staged.discarded = self._forget
        self._files[name] = staged
        return staged

    def _forget(self, staged: Staged) -> None:
        self._files.pop(staged.id, None)

    def recover(self) -> list[Staged]:
        """Return every file that an earlier daemon had staged, as it was; call it once, before anything is created.

        A journal whose head cannot be read promises nothing, but its bytes are set aside under ``lost/`` all the same.
        """
        for path in sorted(self.directory.glob("*.journal")):
            name = path.stem
            if name in self._files:
                continue
            try:
                staged = Staged.recover(self._directory, name)
            except (JournalBroken, KeyError, TypeError) as exc:
                self._set_aside(name, exc)
            else:
                staged.discarded = self._forget
                self._files[name] = staged
        for path in self.directory.glob("*.data"):
            owner = self._files.get(path.name.partition(".")[0])
            if owner is None or path != owner.path:
                path.unlink(missing_ok=True)
        for path in self.directory.glob("*.new"):
            path.unlink(missing_ok=True)
        return list(self._files.values())

    def _set_aside(self, name: str, reason: Exception) -> None:
        journal = self.directory / f"{name}.journal"
        kept = [path for path in (journal, *self.directory.glob(f"{name}.*.data")) if path.stat().st_size]
        if kept:
            log.error(
                "staged file %s cannot be recovered (%s): what there is is in %s/lost", name, reason, self.directory
            )
            lost = self.directory / "lost"
            lost.mkdir(mode=0o700, exist_ok=True)
            for path in kept:
                path.rename(lost / path.name)
        journal.unlink(missing_ok=True)

    def statistics(self) -> StagingStatistics:
        """How many files are staged, and how many bytes of them are dirty."""
        return StagingStatistics(len(self._files), sum(staged.dirty.total for staged in self._files.values()))

    def close(self) -> None:
        """Let go of all descriptors; every staged file stays as it is."""
        self._directory.close()

    def __repr__(self) -> str:
        return f"<Staging {self.directory} files={len(self._files)}>"
