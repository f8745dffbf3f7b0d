"""What every contestant does, and on what: one page, so that all do the same.

A contestant is a module of this package with a function for each row.  It makes itself ready, does the work once
inside ``with watch:``, and returns how much it did: bytes, requests or keys.  Bytes that came in are looked at by
`Task.check`.  Each runs in a process of its own, see `contestant`.
"""

from __future__ import annotations

import json
import resource
import time
from dataclasses import asdict, dataclass

from ..content import MIB, block

SMALL = "small"
LARGE = "large"


class Watch:
    """Measures what its block takes: *seconds*, and *cpu* seconds, of the system too, of us and of our children."""

    def __init__(self) -> None:
        """Measure nothing yet."""
        self.seconds = self.cpu = 0.0

    def __enter__(self) -> Watch:
        """Begin."""
        self.cpu, self.seconds = -_cpu(), -time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.seconds += time.perf_counter()
        self.cpu += _cpu()


def _cpu() -> float:
    ours = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in ours)


class WrongAnswer(Exception):
    """A contestant got, or sent, something else than it should; a wrong answer has no speed."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """The server, its buckets, and how much of everything; sizes are bytes."""

    url: str
    region: str
    key_id: str
    key_secret: str
    bucket: str  # holds the objects LARGE, of `size` bytes, and SMALL
    target: str  # the key to put
    listed: str  # holds `keys` objects, named by `key`
    size: int = 256 * MIB
    part: int = 8 * MIB
    parts_at_once: int = 8
    heads: int = 4000
    heads_at_once: int = 32
    keys: int = 100_000

    @classmethod
    def parse(cls, text: str) -> Task:
        """Read what `str` wrote."""
        return cls(**json.loads(text))

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @property
    def count(self) -> int:
        """How many parts there are."""
        return -(-self.size // self.part)

    def span(self, index: int) -> tuple[int, int]:
        """Return where part *index*, from 0, begins and where it ends."""
        return index * self.part, min((index + 1) * self.part, self.size)

    def check(self, index: int, data: bytes | bytearray | memoryview) -> None:
        """Look whether *data* is part *index*: its length, and the first bytes of each MiB, which number it.

        Raises:
            WrongAnswer: it is not.
        """
        start, stop = self.span(index)
        view = memoryview(data)
        numbers = [int.from_bytes(view[at : at + 8], "little") for at in range(0, len(view), MIB)]
        if len(view) != stop - start or numbers != list(range(start // MIB, -(-stop // MIB))):
            raise WrongAnswer(f"part {index} is not what it should be: {len(view)} bytes")

    def pieces(self) -> list[bytes]:
        """Return the bytes of all parts."""
        spans = map(self.span, range(self.count))
        return [b"".join(map(block, range(start // MIB, stop // MIB))) for start, stop in spans]


def key(number: int) -> str:
    """Return the key of that *number* of the listing: in directories of a thousand."""
    return f"photos/{number // 1000:03}/picture-{number:06}.jpg"
