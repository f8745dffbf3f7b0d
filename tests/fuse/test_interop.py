"""Objects of other clients are files, whatever form they have; and what others change shows."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import oss2

    from tests.fuse.conftest import Mount, OssServer

DIRECTORY = {"Content-Type": "application/x-directory"}


def test_objects_without_attributes_are_plain_files(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    bucket.put_object("a/b/file", b"content")
    mount = mounted()
    file, directory = (mount.place / "a/b/file").stat(), (mount.place / "a").stat()
    assert file.st_mode == stat.S_IFREG | 0o644
    assert directory.st_mode == stat.S_IFDIR | 0o755
    assert (file.st_uid, file.st_gid) == (os.getuid(), os.getgid()) == (directory.st_uid, directory.st_gid)
    assert file.st_mtime == bucket.head_object("a/b/file").last_modified
    assert file.st_size == 7


def test_options_say_who_owns_what_has_no_owner(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    bucket.put_object("d/file", b"content")
    mount = mounted("-o", "uid=12,gid=34,fmask=137,dmask=027")
    file, directory = (mount.place / "d/file").stat(), (mount.place / "d").stat()
    assert (stat.S_IMODE(file.st_mode), file.st_uid, file.st_gid) == (0o640, 12, 34)
    assert (stat.S_IMODE(directory.st_mode), directory.st_uid, directory.st_gid) == (0o750, 12, 34)


def test_directories_of_ossfs_are_directories(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    bucket.put_object("new/", b"", headers=DIRECTORY | {"x-oss-meta-mode": "493", "x-oss-meta-uid": "7"})
    bucket.put_object("full/", b"", headers=DIRECTORY | {"x-oss-meta-mode": "16841", "x-oss-meta-mtime": "981173106"})
    bucket.put_object("bare/", b"")
    bucket.put_object("implicit/file", b"x")
    bucket.put_object("new/file", b"y")
    mount = mounted()
    assert sorted(os.listdir(mount.place)) == ["bare", "full", "implicit", "new"]
    modes = {name: (mount.place / name).stat() for name in os.listdir(mount.place)}
    assert all(stat.S_ISDIR(facts.st_mode) for facts in modes.values())
    assert (stat.S_IMODE(modes["new"].st_mode), modes["new"].st_uid) == (0o755, 7)
    assert (stat.S_IMODE(modes["full"].st_mode), modes["full"].st_mtime) == (0o711, 981173106)
    (mount.place / "full/added").write_bytes(b"z")
    os.unlink(mount.place / "implicit/file")
    assert (mount.place / "implicit").is_dir()
    os.rmdir(mount.place / "bare")
    os.rename(mount.place / "new", mount.place / "newer")
    mount.check()
    assert not bucket.object_exists("bare/")
    assert (mount.place / "newer/file").read_bytes() == b"y"


def test_directories_without_a_slash_are_directories(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    bucket.put_object("old", b"", headers=DIRECTORY | {"x-oss-meta-mode": "16832"})
    bucket.put_object("old/file", b"x")
    bucket.put_object("alone", b"", headers=DIRECTORY)
    mount = mounted()
    for name in ("old", "alone"):
        assert stat.S_ISDIR((mount.place / name).stat().st_mode), name
    assert os.listdir(mount.place / "old") == ["file"]
    assert os.listdir(mount.place / "alone") == []
    (mount.place / "old/more").write_bytes(b"y")
    os.chmod(mount.place / "old", 0o700)
    mount.flush()
    assert mount.content("old/more") == b"y"
    assert sorted(os.listdir(mount.place / "old")) == ["file", "more"]


def test_links_of_all_forms_are_links(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    bucket.put_object("target", b"content")
    bucket.put_symlink("target", "native")
    bucket.put_object("body", b"target", headers={"x-oss-meta-mode": "41471"})
    bucket.put_object("typed", b"target", headers={"x-oss-meta-symlink-target": "body:0:"})
    bucket.put_object("header", b"", headers={"x-oss-meta-symlink-target": "header:6:target"})
    bucket.put_symlink("d/e", "inner/native")
    mount = mounted()
    for name in ("native", "body", "typed", "header"):
        assert stat.S_ISLNK((mount.place / name).lstat().st_mode), name
        assert os.readlink(mount.place / name) == "target", name
        assert (mount.place / name).read_bytes() == b"content", name
    assert (mount.place / "inner/native").is_symlink()
    assert os.path.normpath(mount.place / "inner" / os.readlink(mount.place / "inner/native")) == str(
        mount.place / "d/e"
    )
    for name in ("native", "body", "header"):
        os.rename(mount.place / name, mount.place / f"{name}2")
    mount.remount()
    for name in ("native2", "body2", "header2", "typed"):
        assert (mount.place / name).is_symlink(), name
        assert os.readlink(mount.place / name) == "target", name


def test_kinds_that_a_listing_cannot_tell_are_right_however_many_are_asked_for(
    bucket: oss2.Bucket, mounted: Callable[..., Mount], oss_process: OssServer
) -> None:
    kinds = {"p": stat.S_IFIFO, "s": stat.S_IFSOCK, "l": stat.S_IFLNK, "d": stat.S_IFDIR, "-": stat.S_IFREG}
    expected = []
    for number in range(60):
        letter = "psld-"[number % 5]
        headers = {"x-oss-meta-mode": str(kinds[letter] | 0o755)}
        bucket.put_object(
            f"{number:02}", b"x" * (letter == "l"), headers=headers | (DIRECTORY if letter == "d" else {})
        )
        expected.append(letter)
    mount = mounted()
    oss_process.fail({"count": None, "delay": 0.02})
    lines = mount.run("ls", "-l", "--color=never").splitlines()[1:]
    assert [line[0] for line in lines] == expected


def test_an_object_that_changes_is_seen_at_the_next_open(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    bucket.put_object("file", b"one")
    mount = mounted("--ttl", "1h")
    file = mount.place / "file"
    for content in (b"one", b"two, longer", b"3", b"four" * 500_000, b"4our" * 500_000, b""):
        bucket.put_object("file", content)
        assert file.read_bytes() == content
        assert file.stat().st_size == len(content)


def test_what_others_add_and_remove_is_seen_when_nothing_is_believed(
    bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    mount = mounted("--ttl", "0")
    assert os.listdir(mount.place) == []
    bucket.put_object("d/file", b"one")
    assert os.listdir(mount.place) == ["d"]
    assert (mount.place / "d/file").read_bytes() == b"one"
    bucket.put_object("d/other", b"two")
    assert sorted(os.listdir(mount.place / "d")) == ["file", "other"]
    bucket.delete_object("d/file")
    assert os.listdir(mount.place / "d") == ["other"]
    assert not (mount.place / "d/file").exists()
    bucket.put_object("d/other", b"three")
    assert (mount.place / "d/other").stat().st_size == 5
    bucket.delete_object("d/other")
    bucket.put_object("d/other/inside", b"x")
    assert (mount.place / "d/other").is_dir()
    assert os.listdir(mount.place / "d/other") == ["inside"]
    mount.run("sh", "-ec", "echo mine > d/mine; mkdir d/new; mv d/other d/moved; rm d/moved/inside; rmdir d/moved")
    mount.check()


def test_a_reader_never_gets_a_mix_of_two_versions(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    size = 8 << 20
    bucket.put_object("file", b"a" * size)
    mount = mounted()
    fd = os.open(mount.place / "file", os.O_RDONLY)
    try:
        assert os.pread(fd, 1, 0) == b"a"
        bucket.put_object("file", b"b" * size)
        seen = set()
        for offset in range(0, size, 1 << 20):
            try:
                seen |= set(os.pread(fd, 1 << 20, offset))
            except OSError as exc:
                if exc.errno != errno.ESTALE:
                    raise
                break
        assert len(seen) == 1
    finally:
        os.close(fd)
    assert (mount.place / "file").read_bytes() == b"b" * size


def test_keys_that_cannot_be_names_harm_nobody(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    strange = ["a//b", "d/./x", "d/../x", "d//", "x" * 256, "long/" + "y" * 300, "both", "both/inside"]
    for key in strange:
        bucket.put_object(key, key.encode())
    bucket.put_object("d/fine", b"fine")
    mount = mounted()
    assert (mount.place / "d/fine").read_bytes() == b"fine"
    assert os.listdir(mount.place / "both") == ["inside"]
    seen = mount.run("find", ".").splitlines()
    assert set(seen) <= {".", "./a", "./d", "./d/fine", "./both", "./both/inside", "./long"}
    assert mount.status()["refused_keys"]
    os.rename(mount.place / "d/fine", mount.place / "d/renamed")
    mount.flush()
    assert set(strange) <= set(mount.keys())
    assert mount.content("d/renamed") == b"fine"


def test_a_prefix_is_all_that_is_seen(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    bucket.put_object("outside", b"x")
    bucket.put_object("a/b/inside", b"y")
    bucket.put_object("a/bc", b"z")
    mount = mounted(prefix="a/b")
    assert os.listdir(mount.place) == ["inside"]
    mount.run(
        "sh", "-ec", "mkdir d; echo new > d/file; ln -s ../inside d/link; ln -s ../../outside d/out; mv inside in"
    )
    mount.check()
    mount.remount()
    for name, text in (("link", "../inside"), ("out", "../../outside")):
        assert (mount.place / "d" / name).is_symlink()
        assert os.readlink(mount.place / "d" / name) == text
    assert {one for one in bucket_keys(bucket) if not one.startswith("a/b/")} == {"outside", "a/bc"}


def bucket_keys(bucket: oss2.Bucket) -> list[str]:
    return [one.key for one in bucket.list_objects_v2(max_keys=1000).object_list]


def test_two_mounts_share_a_bucket(mounted: Callable[..., Mount]) -> None:
    one, other = mounted("--ttl", "0", "--commit", "close"), mounted("--ttl", "0", "--commit", "close")
    (one.place / "d").mkdir()
    (one.place / "d/file").write_text("one")
    assert (other.place / "d/file").read_text() == "one"
    (other.place / "d/file").write_text("two, from the other")
    assert (one.place / "d/file").read_text() == "two, from the other"
    os.rename(other.place / "d", other.place / "e")
    assert os.listdir(one.place) == ["e"]
    assert (one.place / "e/file").read_text() == "two, from the other"
    os.unlink(one.place / "e/file")
    assert os.listdir(other.place / "e") == []


def test_reading_only_changes_nothing(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    bucket.put_object("d/file", b"content")
    mount = mounted("-o", "ro")
    assert (mount.place / "d/file").read_bytes() == b"content"
    for call in (
        lambda: os.open(mount.place / "d/file", os.O_WRONLY),
        lambda: os.open(mount.place / "new", os.O_WRONLY | os.O_CREAT),
        lambda: os.unlink(mount.place / "d/file"),
        lambda: os.mkdir(mount.place / "e"),
        lambda: os.rename(mount.place / "d", mount.place / "e"),
        lambda: os.chmod(mount.place / "d/file", 0o600),
        lambda: os.truncate(mount.place / "d/file", 0),
        lambda: os.setxattr(mount.place / "d/file", "user.a", b"b"),
    ):
        with pytest.raises(OSError, match="Read-only") as caught:
            call()
        assert caught.value.errno == errno.EROFS
    assert mount.keys() == ["d/file"]


def test_empty_directories_of_others_vanish_with_their_last_object(
    bucket: oss2.Bucket, mounted: Callable[..., Mount]
) -> None:
    bucket.put_object("a/b/c/file", b"x")
    mount = mounted("--ttl", "0")
    assert (mount.place / "a/b/c/file").exists()
    bucket.delete_object("a/b/c/file")
    assert not (mount.place / "a").exists()
    bucket.put_object("a/b/c/file", b"x")
    mount.run("rm", "-r", "a/b")
    assert os.listdir(mount.place / "a") == []
    mount.flush()
    assert mount.keys() == ["a/"]


def test_a_link_in_ossfs_form_is_one_at_first_sight(bucket: oss2.Bucket, mounted: Callable[..., Mount]) -> None:
    meta = {"x-oss-meta-mode": "41471"}
    bucket.put_object("d/link", b"sub", headers=meta)
    bucket.put_object("d/sub/file", b"content")
    bucket.put_object("d/old", b"", headers={"Content-Type": "application/x-directory"})
    mount = mounted()
    assert sorted(os.listdir(mount.place / "d")) == ["link", "old", "sub"]
    assert (mount.place / "d/link/file").read_bytes() == b"content"  # ENOTDIR: the kernel takes it for a file
    assert os.readlink(mount.place / "d/link") == "sub"  # EINVAL
    assert os.listdir(mount.place / "d/old") == []  # ENOTDIR
