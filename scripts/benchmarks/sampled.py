"""Run ossmount and sample where its CPU time goes: `python sampled.py FILE ARGUMENT...`.

A timer of the process's CPU time (setitimer(2), ITIMER_PROF) interrupts it at every tick that it computes, so that
neither waiting nor a busy machine counts, and small functions pay no more than large ones.  FILE gets the lines where
most time went by themselves, then the functions with all that they called.  What C code took, that of FUSE above all,
is seen at the first line of Python after it.
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
    from types import FrameType

_PERIOD = 0.001  # the kernel makes it a tick, of 1 to 10 ms
_SHOWN = 45


class Sampler:
    """Counts stacks."""

    def __init__(self) -> None:
        """Begin with none."""
        self.lines: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()
        self.total = 0
        self._begun = time.process_time()

    def begin(self, *_: object) -> None:
        """Begin now."""
        self._begun = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, _PERIOD, _PERIOD)

    def take(self, _number: int, frame: FrameType | None) -> None:
        """Count the stack at *frame*."""
        self.total += 1
        if frame is not None:
            self.lines[f"{_place(frame)}:{frame.f_lineno}"] += 1
        seen = set()
        while frame is not None:
            seen.add(_place(frame))
            frame = frame.f_back
        self.functions.update(seen)

    def report(self) -> str:
        """Return what was found, in milliseconds."""
        spent = (time.process_time() - self._begun) * 1000
        each = spent / max(self.total, 1)
        parts = [f"{spent:.0f} ms of CPU, {self.total} samples; in milliseconds:"]
        for title, counter in (("by line, itself", self.lines), ("by function, with what it calls", self.functions)):
            parts.append(f"\n{title}")
            parts += [f"{count * each:6.0f} {place}" for place, count in counter.most_common(_SHOWN)]
        return "\n".join(parts) + "\n"


def _place(frame: FrameType) -> str:
    code = frame.f_code
    file = code.co_filename.rpartition("site-packages/")[2]
    return f"{'/'.join(Path(file).parts[-3:])}:{code.co_qualname}"


def main() -> None:
    """Run, and report at the end."""
    into, *sys.argv[1:] = sys.argv[1:]
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler.take)
    # Not before the mount is live: what it takes to start is not what is asked.
    signal.signal(signal.SIGUSR2, sampler.begin)
    try:
        runpy.run_module("ossmount", run_name="__main__", alter_sys=True)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(into).write_text(sampler.report())


if __name__ == "__main__":
    main()
