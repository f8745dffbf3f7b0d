"""What POSIX asks of files that are open, removed, replaced, mapped, cut and renamed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import stat
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fuse.conftest import Mount, OssServer

MIB = 1 << 20
WHEN = 981_173_106_123_456_789

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def opened(path: Path, flags: int, mode: int = 0o644) -> Iterator[int]:
    fd = os.open(path, flags, mode)
    try:
        yield fd
    finally:
        os.close(fd)


def renameat2(old: Path, new: Path, flags: int) -> None:
    if _libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def refused(code: int) -> pytest.RaisesExc[OSError]:
    return pytest.RaisesExc(OSError, check=lambda exc: exc.errno == code)


# Open files


def test_a_file_that_is_removed_is_there_for_who_has_it_open(over: Callable[[str, bytes], Mount]) -> None:
    either = over("old", b"0123456789" * 200_000)
    new = either.place / "new"
    new.write_bytes(b"abc")
    with opened(either.place / "old", os.O_RDONLY) as old, opened(new, os.O_RDWR) as fd:
        os.unlink(either.place / "old")
        os.unlink(new)
        os.pwrite(fd, b"defg", 3)
        either.flush()
        assert either.keys() == []
        assert os.listdir(either.place) == []
        assert os.pread(old, 10, 1_999_990) == b"0123456789"
        assert os.pread(fd, 10, 0) == b"abcdefg"
        assert os.fstat(fd).st_nlink == 0
    either.flush()
    assert either.keys() == []


def test_a_file_that_is_replaced_is_there_for_who_has_it_open(over: Callable[[str, bytes], Mount]) -> None:
    either = over("file", b"0123456789" * 200_000)
    with opened(either.place / "file", os.O_RDONLY) as fd:
        assert os.pread(fd, 5, 0) == b"01234"
        (either.place / "new").write_bytes(b"new")
        os.rename(either.place / "new", either.place / "file")
        either.flush()
        assert os.pread(fd, 10, 1_999_990) == b"0123456789"
        assert (either.place / "file").read_bytes() == b"new"
    assert either.check() == {"file"}
    assert either.content("file") == b"new"


def test_a_file_that_is_renamed_is_read_and_written_on(over: Callable[[str, bytes], Mount]) -> None:
    either = over("d/file", b"0123456789" * 200_000)
    with opened(either.place / "d/file", os.O_RDWR) as fd:
        os.pwrite(fd, b"X", 0)
        os.rename(either.place / "d", either.place / "e")
        os.pwrite(fd, b"Y", 1)
        os.rename(either.place / "e/file", either.place / "moved")
        os.pwrite(fd, b"Z", 2)
        assert os.pread(fd, 10, 1_999_990) == b"0123456789"
    assert (either.place / "moved").read_bytes() == b"XYZ" + b"3456789" + b"0123456789" * 199_999
    assert "moved" in either.check()
    assert either.content("moved")[:4] == b"XYZ3"


def test_a_directory_with_an_open_removed_file_goes_without_leftovers(either: Mount) -> None:
    either.run("sh", "-c", "mkdir -p d/e; echo one > d/e/file; echo two > d/other")
    with opened(either.place / "d/e/file", os.O_RDWR) as fd:
        either.run("rm", "-rf", "d")
        assert os.listdir(either.place) == []
        either.flush()
        assert either.keys() == []
        os.pwrite(fd, b"1", 0)
        assert os.pread(fd, 10, 0) == b"1ne\n"
    either.flush()
    assert either.keys() == []


def test_what_is_on_its_way_when_its_name_goes_does_not_come_back(
    mounted: Callable[..., Mount], oss_process: OssServer
) -> None:
    """Its request may be carried out after whatever is asked next, so that has to wait."""
    mount = mounted("--ttl", "10m")  # what is asked are the four uploads
    for number, verb in enumerate(("rm", "replace", "move")):
        oss_process.reset()
        oss_process.fail({"count": 4, "delay": 1})
        (mount.place / f"file{number}").write_bytes(b"old")
        (mount.place / f"empty{number}").touch()
        os.symlink("nowhere", mount.place / f"link{number}")
        os.mkdir(mount.place / f"d{number}")
        while oss_process.count() < 4:
            pass
        assert set(oss_process.counts()) <= {"PutObject", "PutSymlink"}
        with opened(mount.place / f"file{number}", os.O_RDONLY) as fd:
            if verb == "rm":
                mount.run("rm", "-r", f"file{number}", f"empty{number}", f"link{number}", f"d{number}")
            elif verb == "replace":
                mount.run(
                    "sh", "-ec", f"echo new > new; mv new file{number}; rm -r empty{number} link{number} d{number}"
                )
            else:
                mount.run("sh", "-ec", f"mkdir moved; mv file{number} empty{number} link{number} d{number} moved")
            mount.flush()
            assert os.pread(fd, 10, 0) == b"old"
    assert mount.check() == {"file1", "moved", *(f"moved/{name}2" for name in ("file", "empty", "link", "d"))}
    assert mount.content("file1") == b"new\n"


def test_fsync_means_complete_in_the_bucket(mount: Mount) -> None:
    content = os.urandom(20 * MIB)
    with opened(mount.place / "file", os.O_WRONLY | os.O_CREAT) as fd:
        os.write(fd, b"first")
        os.fsync(fd)
        assert mount.content("file") == b"first"
        os.pwrite(fd, content, 0)
        os.fdatasync(fd)
        assert mount.content("file") == content
        os.pwrite(fd, b"0123", 10 * MIB)
        os.ftruncate(fd, 15 * MIB)
        os.fsync(fd)
        assert mount.content("file") == content[: 10 * MIB] + b"0123" + content[10 * MIB + 4 : 15 * MIB]


def test_fsync_of_a_directory_means_everything_is_in_the_bucket(mount: Mount) -> None:
    with opened(mount.place, os.O_RDONLY) as directory:
        mount.run("sh", "-c", "mkdir d; echo one > d/file; ln -s file d/link; mv d e")
        os.fsync(directory)
        assert mount.keys() == ["e/", "e/file", "e/link"]
        (mount.place / "later").write_bytes(b"x")
        mount.run("sync", ".")
        assert mount.keys() == ["e/", "e/file", "e/link", "later"]


def test_close_means_complete_in_the_bucket_when_asked_for(closing: Mount) -> None:
    (closing.place / "file").write_bytes(b"x" * 100_000)
    assert closing.content("file") == b"x" * 100_000
    (closing.place / "file").chmod(0o600)
    assert closing.bucket.head_object("file").headers["x-oss-meta-mode"] == str(0o100600)
    os.rename(closing.place / "file", closing.place / "moved")
    assert closing.keys() == ["moved"]
    os.mkdir(closing.place / "d")
    assert closing.keys() == ["d/", "moved"]
    os.unlink(closing.place / "moved")
    os.rmdir(closing.place / "d")
    assert closing.keys() == []


def test_an_upload_that_fails_fails_the_close_when_asked_for(closing: Mount) -> None:
    closing.server.fail({"operation": "PutObject", "count": None, "status": 403, "code": "AccessDenied"})
    fd = os.open(closing.place / "file", os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(fd, b"kept")
    with refused(errno.EACCES):
        os.close(fd)
    with refused(errno.EACCES):
        (closing.place / "file").read_bytes()
    assert [failure["path"] for failure in closing.status()["failed"]] == ["file"]
    assert os.getxattr(closing.place / "file", "user.oss.state") == b"failed"
    assert b"AccessDenied" in os.getxattr(closing.place / "file", "user.oss.error")
    closing.server.fail()
    closing.flush()
    assert closing.content("file") == b"kept"
    assert (closing.place / "file").read_bytes() == b"kept"


def test_an_upload_that_fails_fails_fsync(mount: Mount) -> None:
    mount.server.fail({"operation": "PutObject", "count": None, "status": 403, "code": "AccessDenied"})
    with opened(mount.place / "file", os.O_RDWR | os.O_CREAT) as fd:
        os.write(fd, b"kept")
        with refused(errno.EACCES):
            os.fsync(fd)
        assert os.pread(fd, 10, 0) == b"kept"
    mount.server.fail()
    mount.flush()
    assert mount.content("file") == b"kept"


def test_truncating_at_open_sends_nothing(over: Callable[[str, bytes], Mount], oss_process: OssServer) -> None:
    either = over("file", b"old content")
    with opened(either.place / "file", os.O_WRONLY | os.O_TRUNC) as fd:
        oss_process.reset()
        assert os.fstat(fd).st_size == 0
        assert either.content("file") == b"old content"
        os.write(fd, b"new")
        assert either.content("file") == b"old content"
    either.flush()
    assert either.content("file") == b"new"


def test_truncate_works_on_closed_files(over: Callable[[str, bytes], Mount]) -> None:
    content = os.urandom(3 * MIB)
    either = over("file", content)
    file = either.place / "file"
    os.truncate(file, 2 * MIB + 7)
    assert file.stat().st_size == 2 * MIB + 7
    assert file.read_bytes() == content[: 2 * MIB + 7]
    os.truncate(file, 4 * MIB)
    assert file.read_bytes() == content[: 2 * MIB + 7].ljust(4 * MIB, b"\0")
    either.flush()
    assert either.content("file") == content[: 2 * MIB + 7].ljust(4 * MIB, b"\0")
    os.truncate(file, 0)
    either.flush()
    assert either.content("file") == b""
    assert file.read_bytes() == b""


def test_a_file_has_holes_and_an_end(either: Mount) -> None:
    with opened(either.place / "file", os.O_RDWR | os.O_CREAT) as fd:
        os.pwrite(fd, b"end", 12 * MIB)
        assert os.fstat(fd).st_size == 12 * MIB + 3
        assert os.pread(fd, 10, 12 * MIB - 2) == b"\0\0end"
        assert os.pread(fd, 10, 12 * MIB + 3) == b""
        os.ftruncate(fd, 12 * MIB + 1)
        os.ftruncate(fd, 12 * MIB + 3)
        assert os.pread(fd, 10, 12 * MIB) == b"e\0\0"
    either.check()
    assert either.content("file") == bytes(12 * MIB) + b"e\0\0"


def test_maps_are_read_and_written(over: Callable[[str, bytes], Mount]) -> None:
    content = os.urandom(3 * MIB + 100)
    either = over("file", content)
    code = """if True:
        import mmap, sys
        with open(sys.argv[1], "r+b") as file:
            whole = mmap.mmap(file.fileno(), 0)
            assert whole[2 << 20 : (2 << 20) + 16] == bytes.fromhex(sys.argv[2])
            whole[5:9] = b"map!"
            whole[-4:] = b"end!"
            whole.flush()
            whole[1 << 20 : (1 << 20) + 5] = b"later"
        whole.close()
    """
    either.python(code, either.place / "file", content[2 * MIB : 2 * MIB + 16].hex())

    expected = bytearray(content)
    expected[5:9], expected[-4:], expected[MIB : MIB + 5] = b"map!", b"end!", b"later"
    assert (either.place / "file").read_bytes() == expected
    either.check()
    assert either.content("file") == expected


# Names


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_rename_without_replacing_leaves_what_is_there(mount: Mount, kind: str) -> None:
    one, other = mount.place / "one", mount.place / "other"
    for path in (one, other):
        if kind == "directory":
            path.mkdir()
        elif kind == "link":
            path.symlink_to("nowhere")
        else:
            path.write_text(path.name)
    with refused(errno.EEXIST):
        renameat2(one, other, 1)
    renameat2(one, mount.place / "new", 1)
    assert sorted(os.listdir(mount.place)) == ["new", "other"]
    with refused(errno.EINVAL):
        renameat2(other, mount.place / "new", 2)
    mount.check()


def test_rename_refuses_what_rename_refuses(mount: Mount) -> None:
    place = mount.place
    mount.run("sh", "-c", "mkdir -p d/e full empty; touch file full/x")
    for old, new, code in (
        ("file", "empty", errno.EISDIR),
        ("empty", "file", errno.ENOTDIR),
        ("d", "full", errno.ENOTEMPTY),
        ("d", "d/e/f", errno.EINVAL),
        ("missing", "x", errno.ENOENT),
        ("file", "missing/x", errno.ENOENT),
        ("file", "file/x", errno.ENOTDIR),
        ("file", "x" * 256, errno.ENAMETOOLONG),
    ):
        with refused(code):
            os.rename(place / old, place / new)
    os.rename(place / "full", place / "empty")
    os.rename(place / "file", place / "file")
    assert mount.check() == {"d", "d/e", "empty", "empty/x", "file"}


def test_names_are_any_bytes_that_are_text(either: Mount) -> None:
    names = ["a b", "名字", "ü", "+%20&=?#;:@", "'\"`$\\", "-rf", "...", ".hidden", "x" * 255, "tab\there", "~"]
    for name in names:
        (either.place / name).write_text(name)
        (either.place / f"d{name}"[:255]).mkdir()
    for name in names:
        os.rename(either.place / name, either.place / f"d{name}"[:255] / name)
    either.check()
    either.remount()
    for name in names:
        assert (either.place / f"d{name}"[:255] / name).read_text() == name
    assert len(os.listdir(either.place)) == len(names)


def test_making_and_removing_refuse_what_they_have_to(mount: Mount) -> None:
    place = mount.place
    mount.run("sh", "-c", "mkdir -p full/x; touch file")
    for call, code in (
        (lambda: os.mkdir(place / "full"), errno.EEXIST),
        (lambda: os.mkdir(place / "file"), errno.EEXIST),
        (lambda: os.mkdir(place / "missing/d"), errno.ENOENT),
        (lambda: os.mkdir(place / "file/d"), errno.ENOTDIR),
        (lambda: os.rmdir(place / "full"), errno.ENOTEMPTY),
        (lambda: os.rmdir(place / "file"), errno.ENOTDIR),
        (lambda: os.unlink(place / "full"), errno.EISDIR),
        (lambda: os.unlink(place / "missing"), errno.ENOENT),
        (lambda: os.link(place / "file", place / "hard"), errno.EPERM),
        (lambda: os.symlink("x", place / "file"), errno.EEXIST),
        (lambda: os.readlink(place / "file"), errno.EINVAL),
        (lambda: os.open(place / "file", os.O_CREAT | os.O_EXCL | os.O_WRONLY), errno.EEXIST),
        (lambda: os.open(place / "full", os.O_WRONLY), errno.EISDIR),
        (lambda: os.open(place / "file", os.O_DIRECTORY), errno.ENOTDIR),
        (lambda: os.mkdir(place / ("x" * 256)), errno.ENAMETOOLONG),
        (lambda: os.truncate(place / "full", 0), errno.EISDIR),
    ):
        with refused(code):
            call()
    deep = place
    with refused(errno.ENAMETOOLONG):
        for _ in range(6):
            deep /= "x" * 200
            deep.mkdir()
    mount.flush()


def test_mknod_makes_every_kind(mount: Mount) -> None:
    os.mknod(mount.place / "file", 0o640 | stat.S_IFREG)
    os.mkfifo(mount.place / "fifo", 0o600)
    os.mknod(mount.place / "socket", 0o666 | stat.S_IFSOCK)
    if os.geteuid() == 0:
        os.mknod(mount.place / "device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    before = {name: (mount.place / name).lstat() for name in os.listdir(mount.place)}
    mount.remount()
    for name, facts in before.items():
        now = (mount.place / name).lstat()
        assert (now.st_mode, now.st_rdev, now.st_size) == (facts.st_mode, facts.st_rdev, 0)
    assert stat.S_ISFIFO(before["fifo"].st_mode)
    assert stat.S_ISSOCK(before["socket"].st_mode)


def test_links_keep_their_text(either: Mount) -> None:
    texts = ["file", "../up", "./a/../b", "/etc/passwd", "名字 %+", "x" * 4000, "a//b/", "nowhere", "/"]
    (either.place / "d").mkdir()
    (either.place / "file").write_text("content")
    for number, text in enumerate(texts):
        os.symlink(text, either.place / f"d/link{number}")
    os.symlink("file", either.place / "link")
    os.rename(either.place / "d/link1", either.place / "d/renamed")
    os.lchown(either.place / "link", 5, 6)
    either.remount()
    for number, text in enumerate(texts):
        link = either.place / "d" / ("renamed" if number == 1 else f"link{number}")
        assert link.lstat().st_size == len(text.encode())
        assert os.readlink(link) == text
    assert (either.place / "link").read_text() == "content"
    assert ((either.place / "link").lstat().st_uid, (either.place / "link").lstat().st_gid) == (5, 6)
    # Another client that follows the link gets the file.
    assert either.content("link") == b"content"


# A crash


def test_what_was_closed_survives_a_kill(mounted: Callable[..., Mount]) -> None:
    mount = mounted()
    mount.server.fail({"count": None, "status": 503, "code": "ServiceUnavailable"})
    mount.run("sh", "-c", "mkdir d; echo one > d/file; echo two > gone; ln -s file d/link; chmod 640 d/file; rm gone")
    os.rename(mount.place / "d/file", mount.place / "d/moved")
    os.rename(mount.place / "d", mount.place / "e")
    mount.signal(signal.SIGKILL)
    mount.kill()
    mount.server.fail()
    assert mount.keys() == []
    mount.mount()
    assert (mount.place / "e/moved").read_text() == "one\n"
    assert stat.S_IMODE((mount.place / "e/moved").stat().st_mode) == 0o640
    assert os.readlink(mount.place / "e/link") == "file"
    assert mount.check() == {"e", "e/moved", "e/link"}


def test_a_big_upload_goes_on_after_a_kill(mounted: Callable[..., Mount], oss_process: OssServer) -> None:
    mount = mounted()
    content = os.urandom(40 * MIB)
    mount.server.fail(
        {"operation": "CompleteMultipartUpload", "count": None, "status": 503, "code": "ServiceUnavailable"}
    )
    (mount.place / "big").write_bytes(content)
    code = f"""if True:
        import os
        assert open({str(mount.place / "big")!r}, 'rb').read(4) == {content[:4]!r}
    """
    mount.run(sys.executable, "-Ic", code)
    mount.kill()
    oss_process.reset()
    mount.mount()
    mount.flush()
    assert mount.content("big") == content
    assert not list(mount.bucket.list_multipart_uploads().upload_list)
