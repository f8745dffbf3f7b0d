"""Bytes that are damaged on their way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import oss2

    from tests.fuse.conftest import Mount, OssServer

MIB = 1 << 20


def read_all(path: os.PathLike[str]) -> bytes:
    """Read as cat does, so that the kernel reads ahead."""
    file = os.open(path, os.O_RDONLY)
    try:
        return b"".join(iter(lambda: os.read(file, 128 * 1024), b""))
    finally:
        os.close(file)


def test_no_program_reads_a_damaged_file_to_its_end_and_the_next_one_reads_it_right(
    bucket: oss2.Bucket, mounted: Callable[..., Mount], oss_process: OssServer
) -> None:
    data = os.urandom(40 * MIB)
    bucket.put_object("big", data)
    mount = mounted()
    oss_process.fail({"operation": "GetObject", "first": 2, "corrupt": 17})

    with pytest.raises(OSError, match="Input/output error"):
        read_all(mount.place / "big")
    assert read_all(mount.place / "big") == data
