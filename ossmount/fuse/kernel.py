"""What the kernel can be told beyond the protocol: how far to read ahead, how much to ask for at once.

Root may write to sysfs; for everybody else the kernel's defaults stand, and reads of big files are a little slower.
Source: Documentation/ABI/testing/sysfs-class-bdi, Documentation/filesystems/fuse.rst.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

_READ_AHEAD_KB = 4096  # a few requests under way for a single reader; our own read-ahead does the rest
_MAX_BACKGROUND = 96
_CONGESTION = 72  # three quarters, as the kernel has it by default


def tune(mountpoint: Path) -> None:
    """Raise the read-ahead of the mount at *mountpoint* and the number of its requests in the background."""
    device = os.stat(mountpoint).st_dev
    major, minor = os.major(device), os.minor(device)
    wishes = {
        Path(f"/sys/class/bdi/{major}:{minor}/read_ahead_kb"): _READ_AHEAD_KB,
        Path(f"/sys/fs/fuse/connections/{minor}/max_background"): _MAX_BACKGROUND,
        Path(f"/sys/fs/fuse/connections/{minor}/congestion_threshold"): _CONGESTION,
    }
    for path, value in wishes.items():
        try:
            path.write_text(f"{value}\n")
        except OSError as exc:
            log.debug("%s stays as it is: %s", path, exc.strerror)
