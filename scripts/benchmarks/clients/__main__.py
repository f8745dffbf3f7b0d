"""Measure the client beside others: `scripts/bench client --help`."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ossmount.server.records import ObjectRecord
from ossmount.server.store import Store
from ossmount.wire.properties import Properties

from ..content import Objects
from ..stage import KEYS, REGION, Server
from .task import LARGE, SMALL, Task, key

CONTESTANTS = {
    "ours": "ossmount",
    "oss2_threads": "oss2",
    "v2_async": "alibabacloud-oss-v2, async",
    "with_curl": "curl",
}
SDKS = ("oss2_threads", "v2_async")
CPU_PER_GB = 0.6  # seconds that a GB may cost us, in or out
_PATIENCE = 600.0


class ContestantFailed(Exception):
    """One did not do what it should, so there is nothing to compare."""


@dataclass(frozen=True)
class Row:
    """A row of the table; *name* is the function of a contestant."""

    name: str
    title: str
    is_bytes: bool = False

    def speed(self, amount: int, seconds: float) -> float:
        """Return MB or pieces a second."""
        return amount / seconds / (1e6 if self.is_bytes else 1)

    def cost(self, amount: int, cpu: float) -> float:
        """Return seconds of CPU per GB, or milliseconds per piece."""
        return cpu / amount * (1e9 if self.is_bytes else 1e3)


def rows(task: Task) -> list[Row]:
    """Return what is measured."""
    size = f"{task.size >> 20} MiB in parts of {task.part >> 20}, {task.parts_at_once} at once"
    return [
        Row("get", f"GET {size}", is_bytes=True),
        Row("put", f"PUT {size}", is_bytes=True),
        Row("head", f"HEAD, {task.heads_at_once} at once"),
        Row("names", f"list {task.keys:,} keys"),
    ]


@dataclass(frozen=True)
class Run:
    """What a contestant took; seconds."""

    amount: int
    seconds: float
    cpu: float


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench client", description="Measure the client beside others.")
    parser.add_argument("--rows", metavar="NAME", action="append", choices=["get", "put", "head", "names"])
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(CONTESTANTS), help="these contestants")
    parser.add_argument("--repeat", metavar="N", type=int, default=3, help="rounds, of which the median is shown [3]")
    parser.add_argument("--keys", metavar="N", type=int, default=100_000, help="keys to list [100000]")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all measurements into FILE")
    return parser.parse_args()


def fill(directory: Path, bucket: str, count: int) -> None:
    """Make *bucket* with *count* empty objects, in a store that no server has open yet."""
    store = Store(directory, lasting=False)
    with contextlib.closing(store):
        record = store.put_bucket(bucket)
        for number in range(count):
            store.put_record(
                record,
                ObjectRecord(
                    key=key(number),
                    size=0,
                    etag="D41D8CD98F00B204E9800998ECF8427E",
                    crc64=0,
                    type="Normal",
                    modified=int(store.clock()),
                    properties=Properties(),
                    segments="",
                ),
            )


def measure(task: Task, row: Row, name: str) -> Run:
    """Let a contestant do a row once, in a process of its own.

    Raises:
        ContestantFailed: it failed, or did less than it should.
    """
    command = [sys.executable, "-m", f"{__package__}.contestant", name, row.name, str(task)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_PATIENCE)
    if done.returncode:
        raise ContestantFailed(
            f"{CONTESTANTS[name]}: {row.title}: {done.stderr.decode(errors='replace').strip()[-2000:]}"
        )
    run = Run(**json.loads(done.stdout))
    wanted = {"names": task.keys, "head": task.heads}.get(row.name, task.size)
    if run.amount != wanted:
        raise ContestantFailed(f"{CONTESTANTS[name]}: {row.title}: did {run.amount} of {wanted}")
    return run


def median(runs: list[Run]) -> Run:
    """Return the one in the middle, by its seconds; CPU has its own median."""
    seconds = statistics.median_low([run.seconds for run in runs])
    return Run(runs[0].amount, seconds, statistics.median_low([run.cpu for run in runs]))


def table(measured: dict[Row, dict[str, Run]]) -> Table:
    """Return the table for people."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    shown.add_column("row")
    for title in ("client", "speed", "", "CPU", ""):
        shown.add_column(title, justify="left" if title in ("client", "") else "right", no_wrap=True)
    for row, results in measured.items():
        for number, (name, run) in enumerate(results.items()):
            shown.add_row(
                "" if number else row.title,
                CONTESTANTS[name],
                f"{row.speed(run.amount, run.seconds):,.0f}",
                "MB/s" if row.is_bytes else "/s",
                f"{row.cost(run.amount, run.cpu):.2f}" if row.is_bytes else f"{row.cost(run.amount, run.cpu):.3f}",
                "s/GB" if row.is_bytes else "ms each",
            )
    return shown


def judge(measured: dict[Row, dict[str, Run]]) -> list[str]:
    """Compare us with the SDKs, and with what a GB may cost, a line each."""
    lines = []
    for row, results in measured.items():
        ours = results.get("ours")
        if ours is None:
            continue
        others = [results[name].seconds for name in SDKS if name in results]
        if others:
            times = min(others) / ours.seconds
            lines.append(f"{'good' if times > 1 else 'POOR'}  {row.title}: {times:.1f} times the faster SDK")
        if row.is_bytes:
            cost = row.cost(ours.amount, ours.cpu)
            lines.append(f"{'good' if cost <= CPU_PER_GB else 'POOR'}  {row.title}: {cost:.2f} s of CPU per GB")
    return lines


def main() -> int:
    """Measure, print, and return the exit status."""
    args = arguments()
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    names = args.only or list(CONTESTANTS)
    if "with_curl" in names and shutil.which("curl") is None:
        console.print("curl is not installed, and left out")
        names.remove("with_curl")
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ossmount-bench-")))
        fill(work / "objects", "listed", args.keys)
        server = Server(work, latency="0", bandwidth="0")
        stack.callback(server.process.end)
        objects = Objects(server.url, "bench")
        task = Task(
            url=server.url,
            region=REGION,
            key_id=KEYS[0],
            key_secret=KEYS[1],
            bucket=objects.name,
            target="put",
            listed="listed",
            keys=args.keys,
        )
        objects.make()
        objects.put_large(LARGE, task.size)
        objects.put({SMALL: b"small"})
        measured: dict[Row, dict[str, Run]] = {}
        every: dict[str, dict[str, list[float]]] = {}
        for row in rows(task):
            if args.rows and row.name not in args.rows:
                continue
            runs: dict[str, list[Run]] = {name: [] for name in names}
            for number in range(args.repeat):
                # In turn, so that a moment when the machine is busy with something else is nobody's alone.
                for name in names:
                    with console.status(f"{row.title}: {CONTESTANTS[name]}, {number + 1} of {args.repeat}"):
                        runs[name].append(measure(task, row, name))
            measured[row] = {name: median(each) for name, each in runs.items()}
            every[row.name] = {name: [run.seconds for run in each] for name, each in runs.items()}
    console.print("one process each, on loopback, the server on the same machine; the median of each")
    console.print(table(measured))
    for line in judge(measured):
        console.print(line)
    if args.json:
        args.json.write_text(json.dumps(every, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
