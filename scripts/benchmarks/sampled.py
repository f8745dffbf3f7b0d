"""Run ossmount and sample where its CPU time goes: `python sampled.py FILE ARGUMENT...`.

A timer interrupts it a thousand times a second (setitimer(2); timers of CPU time are no finer than a tick), and each
sample weighs as much as the CPU time since the one before: so neither waiting nor a busy machine counts, and small
functions pay no more than large ones.  FILE gets the lines where most time went by themselves, then the functions with
all that they called.  What C code took, that of FUSE above all, is seen at the first line of Python after it.
"""

from __future__ import annotations

import runpy
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType, FrameType

_PERIOD = 0.001
_SHOWN = 45
_places: dict[CodeType, str] = {}


class Sampler:
    """Counts stacks."""

    def __init__(self) -> None:
        """Begin with none."""
        self.lines: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()
        self.total = 0
        self.samples = 0
        self._last = 0

    def begin(self, *_: object) -> None:
        """Begin now."""
        self._last = time.process_time_ns()
        signal.setitimer(signal.ITIMER_REAL, _PERIOD, _PERIOD)

    def take(self, _number: int, frame: FrameType | None) -> None:
        """Put what was spent since the last time down to the stack at *frame*."""
        last, self._last = self._last, time.process_time_ns()
        spent = self._last - last
        self.samples += 1
        self.total += spent
        if frame is not None:
            self.lines[f"{_place(frame)}:{frame.f_lineno}"] += spent
        seen = set()
        while frame is not None:
            seen.add(_place(frame))
            frame = frame.f_back
        for place in seen:
            self.functions[place] += spent
        self._last = time.process_time_ns()  # what this took is nobody's

    def report(self) -> str:
        """Return what was found, in milliseconds."""
        parts = [f"{self.total / 1e6:.0f} ms of CPU, {self.samples} samples; in milliseconds:"]
        for title, counter in (("by line, itself", self.lines), ("by function, with what it calls", self.functions)):
            parts.append(f"\n{title}")
            parts += [f"{count / 1e6:7.1f} {place}" for place, count in counter.most_common(_SHOWN)]
        return "\n".join(parts) + "\n"


def _place(frame: FrameType) -> str:
    code = frame.f_code
    place = _places.get(code)
    if place is None:
        place = _places[code] = f"{'/'.join(code.co_filename.split('/')[-3:])}:{code.co_qualname}"
    return place


def main() -> None:
    """Run, and report at the end."""
    into, *sys.argv[1:] = sys.argv[1:]
    sampler = Sampler()
    signal.signal(signal.SIGALRM, sampler.take)
    # Not before the mount is live: what it takes to start is not what is asked.
    signal.signal(signal.SIGUSR2, sampler.begin)
    try:
        runpy.run_module("ossmount", run_name="__main__", alter_sys=True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        Path(into).write_text(sampler.report())


if __name__ == "__main__":
    main()
