"""Fixtures of several rooms: the embedded server, and clients of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import oss2

    from ossmount.server.threaded import ThreadedServer


@pytest.fixture
def oss_server(tmp_path: Path) -> Iterator[ThreadedServer]:
    """An embedded server on a port of the loopback, with its own empty directory.

    It has `url`, `store`, `faults`, `requests`, `count(operation)`, `max_in_flight(operation)` and `reset()`.
    """
    from ossmount.server.threaded import ThreadedServer

    with ThreadedServer(tmp_path / "oss-server") as server:
        yield server


@pytest.fixture
def oss2_bucket(oss_server: ThreadedServer) -> Iterator[oss2.Bucket]:
    """The bucket "bucket" on the embedded server, as a client of somebody else sees it."""
    import oss2

    if oss_server.store.bucket("bucket") is None:
        oss_server.store.put_bucket("bucket")
    session = oss2.Session()
    yield oss2.Bucket(oss2.AuthV4("ak", "sk"), oss_server.url, "bucket", region="cn-hangzhou", session=session)
    session.session.close()
