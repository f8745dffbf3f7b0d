"""A real mount over two servers, of which one dies or falls silent while programs read, and comes back."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import oss2
import pytest

Mount = Any


@pytest.fixture
def second(oss_process: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start another server, or the same again where it was."""
    running: list[Any] = []

    def start(port: int = 0) -> Any:
        running.append(type(oss_process)(tmp_path / "second", port=port))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.close()


@pytest.fixture
def other(second: Callable[..., Any], bucket: oss2.Bucket, oss2_session: oss2.Session) -> tuple[Any, oss2.Bucket]:
    """Another server, with a bucket that is called the same."""
    server = second()
    made = oss2.Bucket(bucket.auth, server.url, bucket.bucket_name, region="cn-hangzhou", session=oss2_session)
    made.create_bucket()
    return server, made


@pytest.mark.parametrize("schedule", ["roundRobin", "masterSlave"])
def test_reading_goes_on_when_an_endpoint_dies_and_writing_when_it_is_back(
    mounted: Callable[..., Mount],
    oss_process: Any,
    bucket: oss2.Bucket,
    second: Callable[..., Any],
    other: tuple[Any, oss2.Bucket],
    schedule: str,
) -> None:
    server, elsewhere = other
    large = os.urandom(24 << 20)
    for each in (bucket, elsewhere):
        each.put_object("large", large)
        for number in range(20):
            each.put_object(f"d/{number}", str(number))
    mount = mounted(
        *("--endpoint", server.url, "--endpoint", oss_process.url, "--schedule", schedule),
        *("--ttl", "0", "--memory", "16M", "--failover-after", "1m"),
    )
    assert [each["state"] for each in mount.status()["endpoints"]] == ["alive", "alive"]

    with (mount.place / "large").open("rb") as file:
        digest = hashlib.sha256(file.read(1 << 20))
        server.kill()
        while block := file.read(1 << 20):
            digest.update(block)
    assert digest.digest() == hashlib.sha256(large).digest()
    for _ in range(2):
        assert sorted(map(int, os.listdir(mount.place / "d"))) == list(range(20))
        assert [(mount.place / f"d/{number}").read_text() for number in range(20)] == list(map(str, range(20)))
    (mount.place / "d/new").write_text("written meanwhile")
    assert (mount.place / "d/new").read_text() == "written meanwhile"
    (mount.place / "d/new").rename(mount.place / "d/renamed")
    assert (mount.place / "d/renamed").read_text() == "written meanwhile"
    assert [each["state"] for each in mount.status()["endpoints"]] == ["down", "alive"]
    assert mount.status()["pending"] > 0
    assert "is down" in mount.command("status").stdout

    server = second(server.port)
    mount.flush()
    for each in (bucket, elsewhere):
        assert each.get_object("d/renamed").read() == b"written meanwhile"
        assert not each.object_exists("d/new")
    assert [each["state"] for each in mount.status()["endpoints"]] == ["alive", "alive"]
    mount.umount()


def test_reading_goes_on_when_an_endpoint_falls_silent(
    mounted: Callable[..., Mount],
    oss_process: Any,
    bucket: oss2.Bucket,
    other: tuple[Any, oss2.Bucket],
) -> None:
    server, elsewhere = other
    large = os.urandom(8 << 20)
    for each in (bucket, elsewhere):
        each.put_object("d/large", large)
    mount = mounted("--endpoint", server.url, "--endpoint", oss_process.url, "--ttl", "0", "--failover-after", "1s")
    # A process that is stopped has its connections accepted by the kernel, and never answers.
    server.process.send_signal(signal.SIGSTOP)
    try:
        assert hashlib.sha256((mount.place / "d/large").read_bytes()).digest() == hashlib.sha256(large).digest()
        assert os.listdir(mount.place / "d") == ["large"]
        silent = mount.status()["endpoints"][0]
        assert silent["state"] == "down"
        assert "silent for" in silent["last_error"]
    finally:
        server.process.send_signal(signal.SIGCONT)
    (mount.place / "new").write_text("for both")
    mount.umount()
    assert [each.get_object("new").read() for each in (bucket, elsewhere)] == [b"for both"] * 2
