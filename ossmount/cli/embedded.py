"""The embedded OSS server as a child of a mount, for `--embedded DIR`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .console import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..config import Config

_KEY = "embedded"


@contextlib.contextmanager
def embedded_server(config: Config) -> Iterator[Config]:
    """Run the server while the block runs, and yield the Config that leads to it; without `--embedded`, change nothing.

    It listens on a unix socket in a private directory and ends with this process, however that ends.  Raises Failure
    when it does not come up.
    """
    if config.embedded is None:
        yield config
        return
    with contextlib.ExitStack() as cleanup:
        private = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="ossmount-")))
        address = private / "oss.sock"
        config = dataclasses.replace(
            config,
            endpoint=(f"unix://{address}",),
            region=config.region or "cn-hangzhou",
            access_key_id=_KEY,  # the socket's directory is what keeps others out
            access_key_secret=_KEY,
            security_token=None,
            role_arn=None,
        )
        complaints = cleanup.enter_context((private / "server.log").open("w+b"))
        server = cleanup.enter_context(_start(config, address, complaints.fileno()))
        assert server.stdout is not None
        if not server.stdout.readline().startswith(b"listening"):
            server.wait()
            complaints.seek(0)
            lines = complaints.read().decode(errors="replace").strip().splitlines()
            raise Failure(f"the embedded server did not start: {lines[-1] if lines else 'it gave no reason'}")
        yield config


@contextlib.contextmanager
def _start(config: Config, address: Path, complaints: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "ossmount", "serve", str(config.embedded), "--uds", str(address)]
    command += ["--bucket", config.bucket, "--region", str(config.region), "--die-with-parent"]
    command += ["--access-key-id", _KEY, "--access-key-secret", _KEY]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OSSMOUNT_")}
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=complaints,
        env=environ,
        start_new_session=True,  # Ctrl-C must reach the mount only: it still has to drain into the server
    )
    try:
        yield server
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        if server.stdout is not None:
            server.stdout.close()
