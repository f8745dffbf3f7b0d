"""The embedded server as a child of a mount."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ossmount.cli.console import Failure
from ossmount.cli.embedded import embedded_server
from ossmount.config import Config, load


def config(**given: Any) -> Config:
    return load("bucket", "/mnt", given={"region": "cn-beijing"} | given, environ={}, files=())


def ask(address: str) -> bytes:
    """What the server says to an unsigned request for the bucket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(120)
        connection.connect(address)
        connection.sendall(b"GET /bucket?location HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def test_without_the_option_nothing_is_run() -> None:
    plain = config()

    with embedded_server(plain) as same:
        assert same is plain


def test_the_server_runs_as_long_as_the_mount(tmp_path: Path) -> None:
    who = {"access_key_id": "mine", "access_key_secret": "secret", "role_arn": "acs:ram::1:role/r"}
    wanted = config(embedded=str(tmp_path / "data"), **who)

    with embedded_server(wanted) as leading:
        assert (leading.bucket, leading.region, leading.state) == ("bucket", "cn-beijing", wanted.state)
        assert len(leading.endpoint) == 1
        assert "secret" not in (leading.access_key_secret or "")
        assert leading.role_arn is None
        address = leading.endpoint[0].removeprefix("unix://")
        assert os.stat(os.path.dirname(address)).st_mode & 0o077 == 0
        assert b"x-oss-request-id" in ask(address).lower()
    assert not os.path.exists(address)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, where a directory should be")

    with (
        pytest.raises(Failure, match=r"the embedded server did not start: .*data"),
        embedded_server(config(embedded=str(tmp_path / "data"))),
    ):
        pass


def test_it_ends_with_a_mount_that_is_killed(tmp_path: Path) -> None:
    program = """
import os, sys
from ossmount.cli.embedded import embedded_server
from ossmount.config import load
given = {"embedded": sys.argv[1]}
with embedded_server(load("bucket", "/mnt", given=given, environ={}, files=())) as config:
    print(*config.endpoint, flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as mount:
        assert mount.stdout is not None
        address = mount.stdout.readline().strip().removeprefix("unix://")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(120)
            connection.connect(address)
            mount.send_signal(signal.SIGKILL)
            assert connection.recv(1) == b""
    for left in (address, os.path.join(os.path.dirname(address), "server.log")):
        Path(left).unlink(missing_ok=True)
    os.rmdir(os.path.dirname(address))
