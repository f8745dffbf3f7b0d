"""What a process costs, as the kernel accounts for it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path


class Process:
    """A process of ours, that ends when told to, one way or the other."""

    def __init__(
        self, command: list[str], *, cwd: Path, log: Path, environ: dict[str, str], stdout: int | None = None
    ) -> None:
        """Start *command*; what it says goes to the file *log*, or its standard output to *stdout*."""
        with open(log, "ab") as stderr:
            self._popen = subprocess.Popen(
                command, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=stdout or stderr, stderr=stderr
            )
        self.pid = self._popen.pid
        self.stdout = self._popen.stdout

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._popen.poll() is None

    def cpu(self) -> float:
        """Return the seconds of CPU that all its threads have taken (clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def memory(self) -> tuple[int, int]:
        """Return its resident bytes: now, and at most (proc(5), VmRSS and VmHWM)."""
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        if self.is_alive():
            os.kill(self.pid, signal.SIGKILL)

    def end(self, *, patience: float = 15.0) -> None:
        """Ask it to end, ask again, then make it end."""
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if self.is_alive():
                self._popen.send_signal(number)
                try:
                    self._popen.wait(patience)
                except subprocess.TimeoutExpired:
                    continue
            break
        self._popen.wait()
        if self.stdout is not None:
            self.stdout.close()
