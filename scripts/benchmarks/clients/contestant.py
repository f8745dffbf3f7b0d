"""One contestant, one row, once: ``python -m scripts.benchmarks.clients.contestant NAME ROW TASK``; prints JSON."""

from __future__ import annotations

import importlib
import json
import sys

from .task import Task, Watch


def main() -> None:
    """Do it."""
    name, row, text = sys.argv[1:]
    watch = Watch()
    work = getattr(importlib.import_module(f".{name}", __package__), row)
    amount = work(Task.parse(text), watch)
    print(json.dumps({"amount": amount, "seconds": watch.seconds, "cpu": watch.cpu}))


if __name__ == "__main__":
    main()
