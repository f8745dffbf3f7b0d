"""Much data, and many files, in a bounded memory."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import anycrc
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuse.conftest import Mount, OssServer

MIB = 1 << 20
GIB = 1 << 30
MEMORY = 400_000_000

_CRC = anycrc.Model("CRC64-XZ")

pytestmark = pytest.mark.slow


def test_three_gigabytes_go_in_and_out(mounted: Callable[..., Mount], oss_process: OssServer) -> None:
    """Written by a program that forgets what it wrote, read back by a daemon that has never seen it."""
    mount = mounted()
    block = os.urandom(16 * MIB)
    digest = hashlib.sha256()
    crc = 0
    with (mount.place / "big").open("wb", buffering=0) as file:
        for number in range(3 * GIB // len(block)):
            piece = number.to_bytes(8, "big") + block[8:]
            digest.update(piece)
            crc = _CRC.calc(piece, crc)
            assert file.write(piece) == len(piece)
        os.fsync(file.fileno())
    assert oss_process.count("CompleteMultipartUpload") == 1
    assert oss_process.count("UploadPart") <= 400
    assert mount.status()["memory_peak_bytes"] < MEMORY
    mount.remount()
    with (mount.place / "big").open("rb", buffering=0) as file:
        assert hashlib.file_digest(file, "sha256").digest() == digest.digest()
    assert mount.status()["memory_peak_bytes"] < MEMORY
    # What the server counted over the object; reading it all with oss2 takes longer than the rest of the test.
    assert mount.bucket.head_object("big").server_crc == crc
    assert mount.bucket.get_object("big", byte_range=(GIB, GIB + 7)).read() == (GIB // len(block)).to_bytes(8, "big")
    (mount.place / "big").unlink()


def test_five_thousand_small_files(mounted: Callable[..., Mount], oss_process: OssServer) -> None:
    mount = mounted("--ttl", "10m")
    for directory in range(50):
        (mount.place / f"d{directory}").mkdir()
        for number in range(100):
            (mount.place / f"d{directory}/file{number}").write_bytes(b"%d/%d\n" % (directory, number) * 20)
    mount.flush()
    assert oss_process.counts() == {"PutObject": 5050, "ListObjects": 1}
    assert mount.run("sh", "-c", "cat d*/* | wc -l").strip() == "100000"
    assert len(mount.check()) == 5050
    assert mount.status()["memory_peak_bytes"] < MEMORY
    mount.remount()
    assert mount.run("sh", "-c", "find . -type f | wc -l").strip() == "5000"
    assert (mount.place / "d49/file99").read_bytes() == b"49/99\n" * 20
    mount.run("sh", "-c", "rm -r d*")
    mount.flush()
    assert mount.keys() == []
    assert mount.status()["memory_peak_bytes"] < MEMORY
