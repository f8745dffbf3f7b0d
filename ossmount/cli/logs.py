"""Where a mount logs, and in what form."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import Config

_SYSLOG = Path("/dev/log")


def destination(config: Config, syslog: Path = _SYSLOG) -> str:
    """What a person is told about where to look: `stderr`, `syslog` or a file."""
    if config.foreground and config.log_file is None:
        return "stderr"
    if config.log_file is None:
        return "syslog" if syslog.exists() else str(config.state / "ossmount.log")
    return str(config.log_file)


def configure(config: Config, syslog: Path = _SYSLOG) -> None:
    """Send the log of this process where *config* wants it.  Raises OSError when that cannot be opened."""
    where = destination(config, syslog)
    handler: logging.Handler
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    if where == "stderr":
        handler = logging.StreamHandler(sys.stderr)
    elif where == "syslog":
        handler = logging.handlers.SysLogHandler(str(syslog), facility=logging.handlers.SysLogHandler.LOG_DAEMON)
        form = f"ossmount[{os.getpid()}]: %(levelname)s %(name)s: %(message)s"
    else:
        Path(where).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = logging.handlers.WatchedFileHandler(where)  # logrotate may move it
    handler.setFormatter(logging.Formatter(form))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(config.log_level.upper())
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
