"""How many requests reach the server for what programs do: the network is what a program waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import oss2

    from tests.fuse.conftest import Mount, OssServer

MIB = 1 << 20
PATIENT = ("--ttl", "10m")  # so that a slow machine does not ask again
LINGERING = (*PATIENT, "--linger", "5m")  # nor send what the next program changes; a flush ends that


def put(bucket: oss2.Bucket, names: Iterable[str], content: bytes = b"x") -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda name: bucket.put_object(name, content), names):
            pass


def side_by_side(operation: str, number: int, *, first: int = 1) -> dict[str, object]:
    """Keep so many requests back until all of them are there, however slow the machine."""
    return {"operation": operation, "first": first, "count": number, "together": number, "delay": 15}


def is_missing(path: object) -> bool:
    return not os.path.lexists(str(path))


def written(entries: list[dict[str, object]], operation: str) -> int:
    return sum(int(str(entry["received"])) for entry in entries if entry["operation"] == operation)


def test_a_missing_name_in_a_listed_directory_costs_nothing(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    put(bucket, ["d/a", "d/b"])
    mount = mounted(*PATIENT)
    assert sorted(os.listdir(mount.place / "d")) == ["a", "b"]
    oss_process.reset()

    assert all(is_missing(mount.place / "d" / f"missing{number}") for number in range(50))
    assert oss_process.counts() == {}


def test_a_missing_name_elsewhere_costs_one_round_trip(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    put(bucket, [f"d/{number}" for number in range(3)])
    mount = mounted(*PATIENT)
    oss_process.reset()
    oss_process.fail({"count": None, "delay": 0.5})

    assert is_missing(mount.place / "d/missing")
    entries = oss_process.entries()
    assert len(entries) <= 2
    assert max(entry["start"] for entry in entries) < min(entry["stop"] for entry in entries)
    assert is_missing(mount.place / "d/missing too")
    assert oss_process.count() == len(entries)


def test_a_missing_name_in_a_huge_directory_costs_one_round_trip(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    put(bucket, [f"d/{number:04}" for number in range(1001)])
    mount = mounted(*PATIENT)
    assert is_missing(mount.place / "d/a missing name")
    oss_process.reset()
    oss_process.fail(side_by_side("*", 2))

    assert is_missing(mount.place / "d/another")
    entries = oss_process.entries()
    assert len(entries) <= 2
    assert max(entry["start"] for entry in entries) < min(entry["stop"] for entry in entries)


def test_ls_of_a_thousand_objects_is_listings_only(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    put(bucket, [f"d/{number:04}" for number in range(1000)])
    mount = mounted(*PATIENT)
    oss_process.reset()

    assert len(mount.run("ls", "d").splitlines()) == 1000
    counts = oss_process.counts()
    assert counts.pop("ListObjects", 0) + counts.pop("ListObjectsV2", 0) <= 2
    assert counts == {}


def test_find_by_name_sends_no_head(oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    put(bucket, [f"d{one}/e{two}/{three}" for one in range(3) for two in range(3) for three in range(10)])
    mount = mounted(*PATIENT)
    oss_process.reset()

    assert len(mount.run("find", ".", "-name", "7").splitlines()) == 9
    assert set(oss_process.counts()) <= {"ListObjects", "ListObjectsV2"}
    assert oss_process.count() <= 13


def test_stat_of_a_thousand_objects_asks_in_parallel_and_once(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    put(bucket, [f"d/{number:03}" for number in range(300)])
    mount = mounted(*PATIENT)
    oss_process.reset()
    oss_process.fail(side_by_side("HeadObject", 8))

    assert len(mount.run("ls", "-l", "d").splitlines()) == 301
    heads = oss_process.count("HeadObject") + oss_process.count("GetObject")
    assert heads <= 300
    assert oss_process.max_in_flight("HeadObject") >= 8
    assert len(mount.run("ls", "-l", "d").splitlines()) == 301
    assert oss_process.count("HeadObject") + oss_process.count("GetObject") == heads


def test_cat_after_ls_is_one_get(oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    content = os.urandom(MIB)
    put(bucket, ["d/file"], content)
    mount = mounted(*PATIENT)
    assert mount.run("ls", "d") == "file\n"
    oss_process.reset()

    assert subprocess.run(["cat", mount.place / "d/file"], capture_output=True, check=True).stdout == content
    assert oss_process.counts() == {"GetObject": 1}


def test_cat_a_second_time_asks_only_whether_it_changed(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    put(bucket, ["file"], b"a" * MIB)
    mount = mounted(*PATIENT)
    mount.run("cat", "file")
    oss_process.reset()

    assert mount.run("cat", "file") == "a" * MIB
    entries = oss_process.entries()
    assert len(entries) <= 1
    assert all(entry["status"] == 304 for entry in entries)


def test_cat_of_many_small_files_is_one_get_for_each_in_parallel(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    put(bucket, [f"d/{number:03}" for number in range(100)])
    mount = mounted(*PATIENT)
    oss_process.reset()
    oss_process.fail(side_by_side("GetObject", 4, first=20))

    assert mount.run("sh", "-c", "cat d/*") == "x" * 100
    counts = oss_process.counts()
    assert counts.pop("ListObjects", 0) <= 2
    assert set(counts) == {"GetObject"}
    gets: dict[object, list[dict[str, Any]]] = {}
    for entry in oss_process.entries():
        gets.setdefault(entry["key"], []).append(entry)
    del gets[""]  # the listing
    assert len(gets) == 100
    for got, *again in gets.values():
        assert (got["status"], got["sent"]) == (206, 1)
        # Bytes that the program did not come for within a second may have changed.
        assert all(each["status"] == 304 and each["start"] - got["stop"] > 1 for each in again)
    assert oss_process.max_in_flight("GetObject") >= 4


def test_a_new_file_is_one_put(oss_process: OssServer, mounted: Callable[..., Mount]) -> None:
    mount = mounted(*PATIENT)
    oss_process.reset()

    mount.run("sh", "-c", "echo x > new")
    mount.flush()
    assert oss_process.counts() == {"PutObject": 1}
    assert mount.content("new") == b"x\n"


def test_nothing_is_sent_before_the_data(oss_process: OssServer, mounted: Callable[..., Mount]) -> None:
    mount = mounted("--commit", "close", *PATIENT)
    oss_process.reset()
    fd = os.open(mount.place / "new", os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.close(os.dup(fd))  # as shells do
        assert oss_process.counts() == {}
        os.write(fd, b"x")
        assert oss_process.counts() == {}
    finally:
        os.close(fd)
    assert oss_process.counts() == {"PutObject": 1}


def test_many_new_files_are_a_put_each(oss_process: OssServer, mounted: Callable[..., Mount]) -> None:
    mount = mounted(*PATIENT)
    oss_process.reset()
    oss_process.fail(side_by_side("PutObject", 4))

    mount.run("sh", "-c", "mkdir d; for n in $(seq 200); do echo $n > d/$n; done")
    mount.flush()
    assert oss_process.counts() == {"PutObject": 201}
    assert oss_process.max_in_flight("PutObject") >= 4


def test_tar_of_new_files_is_a_put_for_each_with_its_times(
    oss_process: OssServer, mounted: Callable[..., Mount], local: Path
) -> None:
    mount = mounted(*LINGERING)
    mount.run("tar", "-C", local, "-cf", mount.work / "in.tar", "sub")
    oss_process.reset()

    mount.run("tar", "-xpf", mount.work / "in.tar")
    mount.flush()
    # Links that lead upwards are files first, as tar has it; and what it sets at last of directories is a copy.
    entries = oss_process.entries()
    for name in ("text.txt", "script.sh", "deeper/binary"):
        assert [entry["operation"] for entry in entries if entry["key"] == f"sub/{name}"] == ["PutObject"]


def test_replacing_a_file_by_rename_is_one_put(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    put(bucket, ["text"], b"old")
    mount = mounted("--commit", "background", *LINGERING)
    assert (mount.place / "text").stat().st_size == 3
    oss_process.reset()

    mount.run("sh", "-c", "echo new > .text.tmp; mv .text.tmp text")
    mount.flush()
    counts = oss_process.counts()
    assert counts.pop("PutObject") == 1
    assert set(counts) <= {"GetObjectACL"}  # an overwrite would take it away
    assert mount.keys() == ["text"]
    assert mount.content("text") == b"new\n"


def test_a_file_made_and_removed_is_nothing(oss_process: OssServer, mounted: Callable[..., Mount]) -> None:
    mount = mounted(*LINGERING)
    oss_process.reset()

    code = "import os, sys; [(open(f'f{n}', 'w').close(), os.unlink(f'f{n}')) for n in range(50)]"
    mount.run(sys.executable, "-Ic", code)
    mount.flush()
    assert oss_process.counts() == {}


@pytest.mark.parametrize("offset", [31 * MIB, 30 * MIB + 12345], ids=["at a granule", "anywhere"])
def test_a_small_change_uploads_one_part_and_copies_the_rest(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount], offset: int
) -> None:
    content = bytearray(os.urandom(64 * MIB))
    put(bucket, ["big"], bytes(content))
    mount = mounted(*PATIENT)
    assert (mount.place / "big").stat().st_size == 64 * MIB
    oss_process.reset()

    fd = os.open(mount.place / "big", os.O_WRONLY)
    os.pwrite(fd, b"\x2a" * 4096, offset)
    os.close(fd)
    mount.flush()
    entries = oss_process.entries()
    content[offset : offset + 4096] = b"\x2a" * 4096
    assert mount.content("big") == content
    operations = [entry["operation"] for entry in entries]
    assert operations.count("UploadPart") == 1
    assert written(entries, "UploadPart") <= 8 * MIB
    assert operations.count("UploadPartCopy") >= 1
    assert operations.count("CompleteMultipartUpload") == 1
    assert "PutObject" not in operations
    read = sum(entry["sent"] for entry in entries if entry["operation"] == "GetObject")
    assert read <= 8 * MIB


def test_mv_of_a_directory_copies_in_parallel_and_deletes_at_once(
    oss_process: OssServer, mounted: Callable[..., Mount]
) -> None:
    mount = mounted(*PATIENT)
    mount.run("sh", "-c", "mkdir d; for n in $(seq 100); do echo $n > d/$n; done")
    mount.flush()
    oss_process.reset()
    oss_process.fail(side_by_side("CopyObject", 8))

    mount.run("mv", "d", "e")
    mount.flush()
    counts = oss_process.counts()
    assert counts.pop("ListObjects") <= 2
    assert counts == {"CopyObject": 101, "DeleteMultipleObjects": 1}
    assert oss_process.max_in_flight("CopyObject") >= 8
    assert sorted(mount.keys()) == sorted(["e/", *(f"e/{number}" for number in range(1, 101))])


def test_rm_of_a_thousand_files_deletes_in_batches(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    put(bucket, [f"d/{number}" for number in range(1000)])
    mount = mounted("--commit", "background", *LINGERING)
    oss_process.reset()

    mount.run("rm", "-r", "d")
    mount.flush()
    counts = oss_process.counts()
    assert counts.pop("ListObjects", 0) <= 1
    assert counts.pop("DeleteMultipleObjects") <= 3
    # The directory was a bare prefix: that it is empty and still there is a marker, unless it goes at once.
    assert sum(counts.values()) <= 2, counts
    assert mount.keys() == []


def test_a_sequential_read_has_many_requests_under_way(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    block = os.urandom(MIB)
    upload = bucket.init_multipart_upload("big").upload_id
    parts = []
    for number in range(1, 17):
        made = bucket.upload_part("big", upload, number, block * 16)
        parts.append(_part(number, made.etag))
    bucket.complete_multipart_upload("big", upload, parts)
    mount = mounted(*PATIENT)
    oss_process.reset()
    # Who waits for the first of them asks for more of the later ones.
    oss_process.fail(side_by_side("GetObject", 8, first=24), side_by_side("GetObject", 8, first=60))

    mount.run("dd", "if=big", "of=/dev/null", "bs=1M", "status=none")
    assert oss_process.max_in_flight("GetObject") >= 8
    sent = sum(entry["sent"] for entry in oss_process.entries() if entry["operation"] == "GetObject")
    assert sent <= 300 * MIB


def _part(number: int, etag: str) -> oss2.models.PartInfo:
    import oss2

    return oss2.models.PartInfo(number, etag)


def test_random_reads_fetch_little_more_than_they_want(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    content = os.urandom(32 * MIB)
    put(bucket, ["big"], content)
    mount = mounted(*PATIENT)
    oss_process.reset()

    fd = os.open(mount.place / "big", os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    for number in range(40):
        offset = (number * 7_919_333) % (31 * MIB)
        assert os.pread(fd, 4096, offset) == content[offset : offset + 4096]
    os.close(fd)
    sent = sum(entry["sent"] for entry in oss_process.entries() if entry["operation"] == "GetObject")
    assert sent <= 16 * MIB


def test_a_change_of_attributes_is_one_copy(
    oss_process: OssServer, bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    put(bucket, ["file"])
    mount = mounted(*LINGERING)
    assert (mount.place / "file").stat().st_size == 1
    oss_process.reset()

    mount.run("sh", "-c", "chmod 600 file; chown 7:8 file; touch -d 2001-02-03 file")
    mount.flush()
    counts = oss_process.counts()
    assert counts["CopyObject"] == 1
    assert sum(counts.values()) <= 4, counts
