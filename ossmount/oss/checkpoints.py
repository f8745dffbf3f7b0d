"""How far a transfer is, in a file beside it: what lets the next process go on where this one was killed.

A checkpoint is JSON.  It is written to another name and renamed, so that it is always whole.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..wire.errors import OSSError

FORMAT = 1


class CheckpointError(OSSError):
    """A checkpoint cannot be used: it is of something else, or what it is of has changed.  Remove it to start over."""


class Checkpoint:
    """The file at *path* (None for a transfer that cannot be resumed); *about* says what it is of.

    *about* are values by name that must be the same when the transfer is resumed.
    """

    def __init__(self, path: Path | str | None, about: dict[str, Any]) -> None:
        self._path = None if path is None else Path(path)
        self._about = about

    def load(self) -> dict[str, Any] | None:
        """Return what was saved, or None when nothing was.

        Raises:
            CheckpointError: it is of something else, or no checkpoint.
        """
        if self._path is None:
            return None
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            saved = json.loads(text)
            about, state = saved["about"], saved["state"]
            good = saved["format"] == FORMAT and isinstance(about, dict) and isinstance(state, dict)
        except (ValueError, LookupError, TypeError):
            good = False
        if not good:
            raise CheckpointError(f"{self._path} is no checkpoint; remove it to start over")
        for name, value in self._about.items():
            if about.get(name) != value:
                raise CheckpointError(
                    f"{self._path} is the checkpoint of something else, {name} was {about.get(name)!r} "
                    f"and is {value!r}; remove it to start over"
                )
        return dict(state)

    def save(self, state: dict[str, Any]) -> None:
        """Keep *state*, whatever happens to this process."""
        if self._path is None:
            return
        text = json.dumps({"format": FORMAT, "about": self._about, "state": state})
        temporary = self._path.with_name(f"{self._path.name}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fdatasync(file.fileno())
        temporary.replace(self._path)

    def remove(self) -> None:
        """Forget everything."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
