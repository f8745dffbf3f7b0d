"""Where a mount logs."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ossmount.cli import logs
from ossmount.config import Config, load


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """Give the root logger its handlers back."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = before
    root.setLevel(level)


def config(tmp_path: Path, **given: Any) -> Config:
    given = {"region": "cn-hangzhou", "state_dir": str(tmp_path / "state")} | given
    return load("bucket", "/mnt", given=given, environ={}, files=())


def test_the_place_depends_on_who_can_see_it(tmp_path: Path) -> None:
    absent, present = tmp_path / "absent", tmp_path

    assert logs.destination(config(tmp_path, foreground=True), absent) == "stderr"
    assert logs.destination(config(tmp_path), present) == "syslog"
    assert logs.destination(config(tmp_path), absent).endswith("/ossmount.log")
    assert logs.destination(config(tmp_path, log_file="/x/y", foreground=True), absent) == "/x/y"
    assert logs.destination(config(tmp_path, log_file="syslog", foreground=True), absent) == "syslog"


def test_a_file_is_followed_when_it_is_rotated(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "a.log"
    logs.configure(config(tmp_path, log_file=str(file), log_level="warning"))

    logging.getLogger("ossmount.x").info("not this")
    logging.getLogger("ossmount.x").warning("before")
    file.rename(tmp_path / "a.log.1")
    logging.getLogger("ossmount.x").warning("after")

    assert (tmp_path / "a.log.1").read_text().endswith("WARNING ossmount.x: before\n")
    assert file.read_text().endswith("WARNING ossmount.x: after\n")
    logs.configure(config(tmp_path, foreground=True))
    assert len(logging.getLogger().handlers) == 1


def test_the_syslog_gets_one_line_with_a_name(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(tmp_path / "log"))
        syslog.settimeout(120)
        logs.configure(config(tmp_path, log_file="syslog"), tmp_path / "log")
        logging.getLogger("ossmount.x").info("hello")
        assert b"ossmount[" in syslog.recv(1000)
