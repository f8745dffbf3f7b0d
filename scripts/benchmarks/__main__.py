"""Measure: `scripts/bench --help`."""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from .content import Objects
from .figures import LEGEND, Figures, Result, describe, judge, table
from .link import Limit, measure
from .rows import ROWS, Row
from .stage import Mount, Server

if TYPE_CHECKING:
    from collections.abc import Sequence


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.partition(":")[0] if __doc__ else "")
    parser.add_argument("--rows", metavar="PATTERN", action="append", help="only these rows, as 'ls*'; may be repeated")
    parser.add_argument("--long", action="store_true", help="also the rows that take long")
    parser.add_argument("--list", action="store_true", help="list the rows and end")
    parser.add_argument("--repeat", metavar="N", type=int, default=1, help="show the median of N")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write everything into FILE")
    parser.add_argument("--profile", metavar="ROW", help="sample where this row's daemon spends its CPU time")
    parser.add_argument("--latency", default="10ms", help="before every request [10ms]")
    parser.add_argument("--bandwidth", default="100MB", help="of each connection and direction, a second [100MB]")
    parser.add_argument("--no-link", action="store_true", help="do not measure the link itself")
    parser.add_argument("options", nargs="*", metavar="OPTION", help="options of the mounts, after --")
    return parser.parse_args()


def chosen(patterns: Sequence[str] | None, *, long: bool) -> list[type[Row]]:
    """Return the rows that *patterns* name, or all; a long row is named by itself or allowed by *long*."""
    if not patterns:
        return [row for row in ROWS if long or not row.is_long]
    rows = [row for row in ROWS if any(fnmatch.fnmatchcase(row.name, pattern) for pattern in patterns)]
    return [row for row in rows if long or not row.is_long or row.name in patterns]


class Bench:
    """Runs rows against one server."""

    def __init__(self, work: Path, server: Server, options: Sequence[str]) -> None:
        """Measure on *server*, in *work*, mounting with *options*."""
        self._work = work
        self._server = server
        self._options = options
        self._count = 0

    def run(self, kind: type[Row], repeat: int) -> Result:
        """Measure a row *repeat* times; what goes wrong is part of the result."""
        try:
            runs = tuple(self._measured(kind()) for _ in range(repeat))
        except Exception as exc:
            return Result(kind, (), f"{type(exc).__name__}: {exc}")
        return Result(kind, runs)

    def profile(self, kind: type[Row], into: Path) -> Figures:
        """Measure a row once, and write *into* a file where its daemon spent its CPU time."""
        return self._measured(kind(), profile=into)

    def bucket(self) -> Objects:
        """Return a bucket that there is not yet."""
        self._count += 1
        return Objects(self._server.url, f"bench-{self._count}")

    def _measured(self, row: Row, profile: Path | None = None) -> Figures:
        bucket = self.bucket()
        work = self._work / bucket.name
        local = work / "local"
        local.mkdir(parents=True)
        bucket.make()
        try:
            row.fill(bucket)
            row.prepare(local)
            mount = Mount(work / "mount", self._server, bucket.name, options=self._options, profile=profile)
            with mount, mount.bounded(row.patience):
                try:
                    row.warm(mount.place)
                    figures = self._timed(row, mount, local)
                    row.check(mount.place, bucket)
                except Exception as exc:
                    exc.args = (f"{exc}; {mount.log.read_text().strip()[-1000:]}",)
                    raise
            return figures
        finally:
            bucket.remove()
            shutil.rmtree(work, ignore_errors=True)

    def _timed(self, row: Row, mount: Mount, local: Path) -> Figures:
        daemon, server = mount.process, self._server.process
        self._server.reset()
        mount.begin()
        daemon_before, server_before = daemon.cpu(), server.cpu()
        start = time.monotonic()
        row.work(mount.place, local)
        seconds = time.monotonic() - start
        durable = None
        if row.changes:
            mount.flush(patience=row.patience)
            durable = time.monotonic() - start
        daemon_cpu, server_cpu = daemon.cpu() - daemon_before, server.cpu() - server_before
        resident, peak = daemon.memory()
        seen = self._server.seen()
        return Figures(
            seconds=seconds,
            durable=durable,
            requests=seen.counts,
            at_once=seen.most.get("GetObject", 0),
            wire=seen.busy(start),
            received=seen.received,
            sent=seen.sent,
            daemon_cpu=daemon_cpu,
            server_cpu=server_cpu,
            resident=resident,
            peak=peak,
            spans=tuple((name, begun - start, ended - start) for name, begun, ended in seen.spans),
        )


def main() -> int:
    """Measure, print, and return the exit status: 1 when a row failed."""
    args = arguments()
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    rows = chosen([args.profile] if args.profile else args.rows, long=args.long)
    if args.list or not rows:
        for row in rows or ROWS:
            console.print(f"{row.name:<14}{row.title}{' (long)' if row.is_long else ''}")
        return 0 if args.list else 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        work = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="ossmount-bench-", ignore_cleanup_errors=True))
        )
        server = Server(work, latency=args.latency, bandwidth=args.bandwidth)
        stack.callback(server.process.end)
        bench = Bench(work, server, args.options)
        if args.profile:
            into = work / "profile"
            figures = bench.profile(rows[0], into)
            console.print(f"{rows[0].title}: {figures.seconds:.2f} s\n{into.read_text()}")
            return 0
        limit = None if args.no_link else measure(bench.bucket())
        results = []
        for row in rows:
            with console.status(row.title):
                results.append(bench.run(row, args.repeat))
    report(console, args, results, limit)
    return 1 if any(result.error for result in results) else 0


def report(console: Console, args: argparse.Namespace, results: Sequence[Result], limit: Limit | None) -> None:
    """Print the table, and write the JSON where that was asked for."""
    console.print(f"{args.latency} before every request, {args.bandwidth}/s for each connection and direction")
    if limit is not None:
        console.print(describe(limit))
    console.print(table(results))
    console.print(LEGEND)
    for line in judge(results, limit):
        console.print(line)
    if args.json:
        machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()}
        told = {
            "machine": machine,
            "latency": args.latency,
            "bandwidth": args.bandwidth,
            "link": None if limit is None else asdict(limit),
            "rows": [result.as_json() for result in results],
        }
        args.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    sys.exit(main())
