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

    import oss2

    from tests.fuse.conftest import Mount, OssServer

MIB = 1 << 20
WHEN = 981_173_106_123_456_789

_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(params=["background", "close"])
def commit(request: pytest.FixtureRequest) -> str:
    """Each of the commit modes."""
    return str(request.param)


@pytest.fixture
def either(commit: str, mounted: Callable[..., Mount]) -> Mount:
    """A mount in each of the commit modes."""
    return mounted("--commit", commit)


@pytest.fixture
def over(commit: str, mounted: Callable[..., Mount], bucket: oss2.Bucket) -> Callable[[str, bytes], Mount]:
    """Mount over an object of another client: `over("key", content)`, in each of the commit modes."""

    def mount(key: str, content: bytes) -> Mount:
        bucket.put_object(key, content)
        return mounted("--commit", commit)

    return mount


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


# Attributes


def test_attributes_survive_a_remount(either: Mount) -> None:
    (either.place / "d").mkdir(mode=0o700)
    (either.place / "d/file").write_text("x")
    os.chown(either.place / "d/file", 1234, 4321)
    os.chmod(either.place / "d/file", 0o4751)
    os.utime(either.place / "d/file", ns=(WHEN, WHEN + 1))
    os.chmod(either.place / "d", 0o2750)
    os.utime(either.place / "d", ns=(WHEN - 5, -1_500_000_000))
    before = [(either.place / name).stat() for name in ("d", "d/file")]
    assert before[1].st_mtime_ns == WHEN + 1
    either.remount()
    after = [(either.place / name).stat() for name in ("d", "d/file")]
    for was, now in zip(before, after, strict=True):
        assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)
        assert (now.st_mtime_ns, now.st_atime_ns) == (was.st_mtime_ns, was.st_atime_ns)
    assert stat.S_IMODE(after[1].st_mode) == 0o4751


def test_a_write_dates_the_file_and_takes_its_setuid_bit(mount: Mount) -> None:
    file = mount.place / "file"
    file.write_text("x")
    file.chmod(0o4755)
    os.utime(file, ns=(WHEN, WHEN))
    mount.flush()
    with opened(file, os.O_WRONLY | os.O_APPEND) as fd:
        os.write(fd, b"y")
    assert file.stat().st_mtime_ns > WHEN
    mount.flush()
    assert file.read_text() == "xy"


def test_a_change_of_attributes_keeps_everything_else(
    commit: str, mounted: Callable[..., Mount], bucket: oss2.Bucket
) -> None:
    headers = {
        "Content-Type": "text/x-special",
        "Cache-Control": "max-age=77",
        "Content-Disposition": 'attachment; filename="x"',
        "Content-Language": "de",
        "Expires": "Fri, 28 Feb 2031 05:38:42 GMT",
        "x-oss-meta-colour": "blue",
        "x-oss-storage-class": "IA",
        "x-oss-object-acl": "public-read",
        "x-oss-tagging": "a=b&c=d%20e",
    }
    bucket.put_object("d/file", b"content", headers=headers)
    either = mounted("--commit", commit)
    file = either.place / "d/file"
    file.chmod(0o600)
    os.utime(file, ns=(WHEN, WHEN))
    either.flush()
    os.rename(file, either.place / "moved")
    either.flush()

    head = bucket.head_object("moved").headers
    for name, value in headers.items():
        if name not in ("x-oss-object-acl", "x-oss-tagging"):
            assert head[name] == value, name
    assert head["x-oss-meta-mode"] == str(0o100600)
    assert bucket.get_object_acl("moved").acl == "public-read"
    assert bucket.get_object_tagging("moved").tag_set.tagging_rule == {"a": "b", "c": "d e"}
    assert either.content("moved") == b"content"


def test_others_may_not_what_the_mode_says(mounted: Callable[..., Mount]) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    mount = mounted("--allow-other")
    (mount.place / "secret").write_text("x")
    (mount.place / "secret").chmod(0o600)
    (mount.place / "shared").mkdir()
    (mount.place / "shared").chmod(0o1777)
    code = """if True:
        import errno, os, sys
        os.setgid(4321); os.setuid(1234)
        try:
            open("secret")
        except PermissionError:
            pass
        else:
            raise SystemExit("could be read")
        with open("shared/mine", "w") as file:
            file.write("mine")
    """
    mount.work.parent.chmod(0o755)
    for parent in mount.place.parents:
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    mount.python(code)
    mount.remount()
    mine = (mount.place / "shared/mine").stat()
    assert (mine.st_uid, mine.st_gid) == (1234, 4321)


def test_statfs_tells_numbers_that_programs_can_live_with(mount: Mount) -> None:
    facts = os.statvfs(mount.place)
    assert facts.f_namemax == 255
    assert facts.f_bavail * facts.f_frsize >= 1 << 40
    assert mount.run("df", "-h", ".")
    assert mount.run("df", "-i", ".")


def test_locks_of_this_machine_exclude_each_other(mount: Mount) -> None:
    (mount.place / "file").touch()
    code = """if True:
        import fcntl, os
        one, other = os.open("file", os.O_RDWR), os.open("file", os.O_RDWR)
        fcntl.flock(one, fcntl.LOCK_EX)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            raise SystemExit("no exclusion")
        fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB, 10)
        if os.fork() == 0:
            try:
                fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 10)
            except BlockingIOError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
    """
    mount.python(code)


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
