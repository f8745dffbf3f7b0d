"""Owner, mode, times and everything else that a file has beside its bytes."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import oss2

    from tests.fuse.conftest import Mount

WHEN = 981_173_106_123_456_789
EVERYTHING = {
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
    with file.open("ab") as out:
        out.write(b"y")
    assert file.stat().st_mtime_ns > WHEN
    mount.flush()
    assert file.read_text() == "xy"


def assert_everything_was_kept(bucket: oss2.Bucket, key: str) -> None:
    head = bucket.head_object(key).headers
    for name, value in EVERYTHING.items():
        if name not in ("x-oss-object-acl", "x-oss-tagging"):
            assert head[name] == value, name
    assert head["x-oss-meta-mode"] == str(0o100600)
    assert bucket.get_object_acl(key).acl == "public-read"
    assert bucket.get_object_tagging(key).tag_set.tagging_rule == {"a": "b", "c": "d e"}


def test_a_change_of_attributes_keeps_everything_else(
    commit: str, mounted: Callable[..., Mount], bucket: oss2.Bucket
) -> None:
    headers = EVERYTHING
    bucket.put_object("d/file", b"content", headers=headers)
    either = mounted("--commit", commit)
    file = either.place / "d/file"
    file.chmod(0o600)
    os.utime(file, ns=(WHEN, WHEN))
    either.flush()
    os.rename(file, either.place / "moved")
    either.flush()

    assert_everything_was_kept(bucket, "moved")
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


def test_a_write_keeps_everything_else(commit: str, mounted: Callable[..., Mount], bucket: oss2.Bucket) -> None:
    headers = EVERYTHING
    bucket.put_object("d/file", b"content", headers=headers)
    either = mounted("--commit", commit)
    file = either.place / "d/file"
    file.chmod(0o600)
    os.utime(file, ns=(WHEN, WHEN))
    either.flush()
    os.rename(file, either.place / "moved")
    either.flush()
    with (either.place / "moved").open("ab") as out:
        out.write(b", more")
    either.flush()

    assert_everything_was_kept(bucket, "moved")
    assert either.content("moved") == b"content, more"
