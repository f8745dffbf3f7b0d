"""Changes that an earlier mount left behind and that no mount sees to, as the bucket is mounted in another way now.

A state directory is named after the service, the bucket and the prefix (`Config.state`).  So another endpoint, or one
more, leads to another directory, and what is pending in the first one waits until somebody mounts as before.  Nobody
may find that out by chance only: whoever mounts the bucket is told, and so is whoever asks for the status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..control import is_served
from ..writing.intents import count_left

if TYPE_CHECKING:
    from pathlib import Path

    from ..config import Config

_ORIGIN = "origin"
_HASH = "[0-9a-f]" * 12


@dataclass(frozen=True, slots=True)
class Leftover:
    """So many *changes*, None if they cannot be counted, wait in *directory*; *origin* tells what was mounted."""

    directory: Path
    origin: str
    changes: int | None

    def __str__(self) -> str:
        what = {None: "perhaps changes are", 1: "1 change is"}.get(self.changes, f"{self.changes} changes are")
        return (
            f"{what} left of an earlier mount of {self.origin} (in {self.directory}): "
            "mount it so again for them to be carried out"
        )


def note_origin(config: Config) -> None:
    """Write down what is mounted, for `find` to tell if something is left.

    Raises:
        OSError: the state directory cannot be written.
    """
    service = f"embedded={config.embedded}" if config.embedded else ", ".join(config.endpoint) or config.region
    (config.state / _ORIGIN).write_text(f"{config.source} at {service}\n")


def find(state_dir: Path, bucket: str = "", *, apart_from: Path | None = None) -> list[Leftover]:
    """Return what is left in *state_dir* of *bucket*, or of any, by mounts that do not run."""
    return [
        Leftover(directory, _origin_of(directory), changes)
        for directory in sorted(state_dir.glob(f"{bucket or '*'}-{_HASH}"))
        if directory != apart_from and not is_served(directory / "control") and (changes := _count(directory)) != 0
    ]


def _origin_of(directory: Path) -> str:
    try:
        return (directory / _ORIGIN).read_text().strip()
    except (OSError, ValueError):
        return directory.name[:-13]


def _count(directory: Path) -> int | None:
    try:
        return count_left(directory / "state.db")
    except FileNotFoundError:
        return sum(1 for _ in directory.glob("staging/*.journal"))
    except OSError:
        return None
