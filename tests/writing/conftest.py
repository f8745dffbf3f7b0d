"""Fixtures of the writing room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.writing.desk import Desk, connected
from tests.writing.staged_files import make

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from ossmount.server.threaded import ThreadedServer
    from ossmount.writing.staging import Staging


@pytest.fixture
async def desk(oss_server: ThreadedServer, tmp_path: Path) -> AsyncIterator[Desk]:
    async with connected(oss_server) as bucket:
        desk = Desk(oss_server, bucket, tmp_path / "staging")
        yield desk
        desk.staging.close()


@pytest.fixture(params=[0, 60, 16 << 10], ids=["data file", "both", "journal"])
def inline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Up to which size a file lies in its journal."""
    size: int = request.param
    monkeypatch.setattr("ossmount.writing.staged._INLINE", size)
    return size


@pytest.fixture
def data_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the smallest file has a data file."""
    monkeypatch.setattr("ossmount.writing.staged._INLINE", 0)


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    staging = make(tmp_path / "staging")
    yield staging
    staging.close()
