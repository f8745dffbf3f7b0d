"""Staged files for tests: how they are made, read and found again."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ossmount.wire.models import Source
from ossmount.writing.options import WritingOptions
from ossmount.writing.staging import Staged, Staging

if TYPE_CHECKING:
    pass

KiB = 1 << 10
MiB = 1 << 20
BASE = Source("k", "E0", 100)
OLD = bytes(range(100))


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def make(directory: Path, **options: Any) -> Staging:
    return Staging(WritingOptions(directory=directory, **{"reserve": 0, **options}))


def content_of(staged: Staged, base: bytes = OLD) -> bytes:
    staged.check_invariants()
    content = bytearray()
    for piece in staged.layout(0, staged.size):
        assert piece.start == len(content)
        if piece.kind == "staged":
            content += staged.read(piece.start, piece.stop)
        else:
            content += base[piece.start : piece.stop] if piece.kind == "base" else bytes(piece.size)
        assert len(content) == piece.stop, piece
    return bytes(content)


def reopened(staging: Staging) -> list[Staged]:
    staging.close()
    again = make(staging.directory)
    found = again.recover()
    again.close()
    return found
