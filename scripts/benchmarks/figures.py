"""What came of a row, and how it is shown: a table for people, JSON for programs."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rich.table import Table

from .link import SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .link import Limit
    from .rows import Row

MIB = 1 << 20
# What reading at full speed is held to: so many requests at once, so many times one connection, so much memory.
WANTED_AT_ONCE = 8
WANTED_TIMES = 4.0
WANTED_MEMORY = 400_000_000


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One measurement.  Times are seconds, sizes bytes.

    *durable* counts from the start until every change was in the bucket.  What follows it counts until then:
    *requests* at the server by operation, *at_once* the most GETs under way, *wire* for how long any request was, and
    the CPU that daemon and server took.
    """

    seconds: float
    durable: float | None
    requests: dict[str, int]
    at_once: int
    wire: float
    received: int
    sent: int
    daemon_cpu: float
    server_cpu: float
    resident: int
    peak: int
    # When each request began and ended, from the start.
    spans: tuple[tuple[str, float, float], ...] = field(repr=False, default=())


@dataclass(frozen=True)
class Result:
    """All measurements of a row, or why there are none."""

    row: type[Row]
    runs: tuple[Figures, ...]
    error: str = ""

    @property
    def median(self) -> Figures:
        """The measurement in the middle."""
        value = statistics.median_low([one.seconds for one in self.runs])
        return next(one for one in self.runs if one.seconds == value)

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        row = self.row
        told: dict[str, Any] = {"row": row.name, "title": row.title, "peers": row.peers}
        if self.error:
            return told | {"error": self.error}
        return told | {"median": asdict(self.median), "all_seconds": [[one.seconds, one.durable] for one in self.runs]}


def table(results: Sequence[Result]) -> Table:
    """Return the table of *results*."""
    shown = Table(title=None, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    shown.add_column("row")
    for name in ("seconds", "best", "durable", "peers", "GETs", "wire", "CPU", "server", "RSS", "peak"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("requests")
    for result in results:
        row = result.row
        if not result.runs:
            shown.add_row(row.title, "failed", "", "", _seconds(row.peers), *[""] * 6, result.error)
            continue
        one = result.median
        shown.add_row(
            row.title,
            _seconds(one.seconds),
            _seconds(min(run.seconds for run in result.runs)) if len(result.runs) > 1 else "",
            _seconds(one.durable),
            _seconds(row.peers) + (f" ({_seconds(row.peers_durable)})" if row.peers_durable is not None else ""),
            str(one.at_once or ""),
            _seconds(one.wire),
            _seconds(one.daemon_cpu),
            _seconds(one.server_cpu),
            f"{one.resident / MIB:.0f}",
            f"{one.peak / MIB:.0f}",
            ", ".join(f"{name} {count}" for name, count in sorted(one.requests.items())),
        )
    return shown


LEGEND = (
    "seconds: the median; durable: until every change was in the bucket; peers: the best of them; GETs: at once;\n"
    "wire: with a request under way; CPU: of the daemon; server: CPU of it; RSS, peak: MiB of the daemon"
)


def describe(limit: Limit) -> str:
    """Say what the link allows."""
    return (
        f"the link: one request {limit.request * 1000:.1f} ms; 256 MiB down {limit.get:.2f} s on one connection and"
        f" {limit.get_many:.2f} s on eight, up {limit.put:.2f} s and {limit.put_many:.2f} s"
    )


def judge(results: Sequence[Result], limit: Limit | None) -> list[str]:
    """Compare with what is asked of us, a line each."""
    lines = []
    for result in results:
        if not result.runs:
            continue
        one, row = result.median, result.row
        if row.size and not row.changes:
            lines.append(_verdict(row, one.at_once >= WANTED_AT_ONCE, f"{one.at_once} GETs at once"))
            if limit is not None:
                times = row.size / one.seconds / (SIZE / limit.get)
                text = f"{row.size / one.seconds / 1e6:.0f} MB/s, {times:.1f} times one connection"
                lines.append(_verdict(row, times >= WANTED_TIMES, text))
        if row.is_long:
            lines.append(_verdict(row, one.peak < WANTED_MEMORY, f"{one.peak / 1e6:.0f} MB of memory at most"))
        if row.peers is not None:
            times = one.seconds / row.peers
            lines.append(_verdict(row, times <= 1.0, f"{times:.2f} times the time of the best peer"))
    return lines


def _verdict(row: type[Row], is_good: bool, text: str) -> str:
    return f"{'good' if is_good else 'POOR'}  {row.title}: {text}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value >= 0.995 else f"{value:.3f}"
