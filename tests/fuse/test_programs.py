"""Programs that know only files do their work; afterwards another client finds the same bytes in the bucket."""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
import stat
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fuse.conftest import Mount

MIB = 1 << 20


def needs(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def facts(root: Path) -> dict[str, tuple[object, ...]]:
    """Kind, mode, owner, size, time and link text of everything below *root*."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        seen = path.lstat()
        link = os.readlink(path) if path.is_symlink() else ""
        size = 0 if stat.S_ISDIR(seen.st_mode) else seen.st_size
        mode = stat.S_IFMT(seen.st_mode) if link else seen.st_mode
        found[str(path.relative_to(root))] = (mode, seen.st_uid, seen.st_gid, size, seen.st_mtime_ns, link)
    return found


def differences(one: Path, other: Path) -> list[str]:
    """The files below *one* that are not the same, or not there, below *other*."""
    names = [str(path.relative_to(one)) for path in one.rglob("*") if path.is_file() and not path.is_symlink()]
    _, different, missing = filecmp.cmpfiles(one, other, names, shallow=False)
    return different + missing


def test_cp_copies_a_tree_in_and_keeps_everything(either: Mount, local: Path) -> None:
    either.run("cp", "-a", local, "copy")

    assert facts(either.place / "copy") == facts(local)
    assert not differences(local, either.place / "copy")
    either.check()
    either.remount()
    assert facts(either.place / "copy") == facts(local)
    assert not differences(local, either.place / "copy")


def test_cp_copies_a_tree_within_the_mount(mount: Mount, local: Path) -> None:
    mount.run("cp", "-a", local, "first")
    mount.run("cp", "-a", "first", "second")

    assert facts(mount.place / "second") == facts(local)
    assert not differences(local, mount.place / "second")
    mount.check()


def test_mv_moves_files_and_directories(either: Mount, local: Path) -> None:
    either.run("cp", "-a", local, "tree")
    either.run("mv", "tree/sub", "tree/moved")
    either.run("mv", "tree/moved/text.txt", "tree/moved/deeper")
    either.run("mv", "tree", "elsewhere")
    either.run("mv", "elsewhere/moved", ".")

    shutil.move(local / "sub", local / "moved")
    shutil.move(local / "moved/text.txt", local / "moved/deeper")
    shutil.move(local / "moved", local.parent / "moved")
    assert not differences(local, either.place / "elsewhere")
    assert not differences(local.parent / "moved", either.place / "moved")
    names = either.check()
    assert {name.split("/")[0] for name in names} == {"elsewhere", "moved"}
    either.remount()
    assert not differences(local.parent / "moved", either.place / "moved")


def test_mv_moves_a_tree_out_of_the_mount(mount: Mount, local: Path, tmp_path: Path) -> None:
    before = facts(local)
    mount.run("cp", "-a", local, "tree")
    mount.run("mv", "tree", tmp_path / "back")

    assert facts(tmp_path / "back") == before
    assert mount.check() == set()
    assert mount.keys() == []


def test_rm_removes_a_tree(either: Mount, local: Path) -> None:
    either.run("cp", "-a", local, "tree")
    either.run("rm", "-r", "tree")

    assert os.listdir(either.place) == []
    either.flush()
    assert either.keys() == []


def test_tar_in_and_out_shows_no_difference(either: Mount, local: Path, tmp_path: Path) -> None:
    archive = tmp_path / "in.tar"
    either.run("tar", "-C", local, "-cf", archive, ".")
    (either.place / "tree").mkdir()
    either.run("tar", "-C", "tree", "-xpf", archive)

    assert either.run("tar", "-C", "tree", "-df", archive) == ""
    either.check()
    either.remount()
    assert either.run("tar", "-C", "tree", "-df", archive) == ""
    either.run("tar", "-cf", "out.tar", "tree")
    assert either.run("tar", "-df", "out.tar") == ""
    either.run("tar", "-C", tmp_path, "-xpf", "out.tar")
    assert facts(tmp_path / "tree") == facts(local)
    either.check()


def test_rsync_sends_nothing_the_second_time(either: Mount, local: Path) -> None:
    needs("rsync")
    either.run("rsync", "-a", f"{local}/", "copy/")

    assert either.run("rsync", "-a", "--itemize-changes", f"{local}/", "copy/") == ""
    either.check()
    either.remount()
    assert either.run("rsync", "-a", "--itemize-changes", "--checksum", f"{local}/", "copy/") == ""
    assert facts(either.place / "copy") == facts(local)


def test_rsync_brings_what_has_changed(mount: Mount, local: Path) -> None:
    needs("rsync")
    mount.run("rsync", "-a", f"{local}/", "copy/")
    with (local / "sub/deeper/binary").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"changed")
    (local / "empty").unlink()
    mount.run("rsync", "-a", "--delete", "--inplace", "--no-whole-file", f"{local}/", "copy/")

    assert facts(mount.place / "copy") == facts(local)
    assert not differences(local, mount.place / "copy")
    mount.check()


def test_git_keeps_a_repository(either: Mount, local: Path) -> None:
    needs("git")
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    either.run("git", "init", "-q", "repository")
    repository = either.place / "repository"
    shutil.copytree(local, repository / "tree", symlinks=True)
    either.run("git", "add", ".", cwd=repository)
    either.run("git", *who, "commit", "-q", "-m", "first", cwd=repository)
    (repository / "tree/sub/text.txt").write_text("three\n")
    either.run("git", *who, "commit", "-q", "-a", "-m", "second", cwd=repository)
    either.run("git", "gc", "-q", cwd=repository)
    either.run("git", "clone", "-q", "repository", "clone")

    for checkout in (repository, either.place / "clone"):
        either.run("git", "fsck", "--strict", cwd=checkout)
        assert either.run("git", "status", "--porcelain", cwd=checkout) == ""
        assert either.run("git", "log", "--format=%s", cwd=checkout).split() == ["second", "first"]
    either.check()
    either.remount()
    assert either.run("git", "status", "--porcelain", cwd=repository) == ""
    either.run("git", "fsck", "--strict", cwd=repository)


def test_sqlite_keeps_a_database(either: Mount) -> None:
    needs("sqlite3")
    either.run("sqlite3", "shop.db", text="pragma journal_mode=delete; create table t(n integer primary key, s text);")
    for start in (0, 500, 1000):
        rows = "".join(f"insert into t values({n}, '{'row ' * 50}{n}');" for n in range(start, start + 500))
        either.run("sqlite3", "shop.db", text=f"begin;{rows}commit;")
    either.run("sqlite3", "shop.db", text="begin; delete from t; rollback; update t set s = 'x' where n % 2 = 0;")

    asked = "select count(*), sum(n), sum(s = 'x') from t; pragma integrity_check;"
    assert either.run("sqlite3", "shop.db", asked).split() == ["1500|1124250|750", "ok"]
    assert either.check() == {"shop.db"}
    either.remount()
    assert either.run("sqlite3", "shop.db", asked).split() == ["1500|1124250|750", "ok"]


def test_sqlite_rolls_back_what_a_killed_writer_left(mount: Mount) -> None:
    needs("sqlite3")
    mount.run("sqlite3", "a.db", "create table t(n); insert into t values(1);")
    code = """if True:
        import os, sqlite3, sys
        db = sqlite3.connect(sys.argv[1], isolation_level=None)
        db.execute("pragma cache_size=1")
        db.execute("begin immediate")
        for n in range(2000):
            db.execute("insert into t values(?)", ("x" * 500,))
        os.kill(os.getpid(), 9)
    """
    mount.run(sys.executable, "-Ic", code, mount.place / "a.db", status=-9)

    assert (mount.place / "a.db-journal").exists()
    assert mount.run("sqlite3", "a.db", "select * from t; pragma integrity_check;").split() == ["1", "ok"]
    assert mount.check() == {"a.db"}


def test_vim_edits_a_file_with_a_swap_and_a_backup_file(either: Mount) -> None:
    needs("vim")
    text = either.place / "text"
    text.write_text("one\ntwo\n")
    text.chmod(0o640)
    code = "set swapfile backup backupskip= | %s/two/three/ | w | %s/one/four/ | wq"
    either.run("vim", "-Nes", "-u", "NONE", "-c", code, "text")

    assert text.read_text() == "four\nthree\n"
    assert stat.S_IMODE(text.stat().st_mode) == 0o640
    assert either.check() == {"text", "text~"}


def test_sed_edits_in_place(either: Mount, local: Path) -> None:
    either.run("cp", "-a", local, "tree")
    either.run("sed", "-i", "s/two/three/", "tree/sub/text.txt", "tree/sub/script.sh")

    assert (either.place / "tree/sub/text.txt").read_text() == "one\nthree\n" * 1000
    assert stat.S_IMODE((either.place / "tree/sub/script.sh").stat().st_mode) == 0o755
    assert not any("sed" in name for name in either.check())


def test_python_zips_and_compiles(either: Mount) -> None:
    package = either.place / "package"
    package.mkdir()
    for number in range(20):
        (package / f"module{number}.py").write_text(f"value = {number}\n")
    either.run(sys.executable, "-m", "compileall", "-q", "package")
    either.run(sys.executable, "-m", "zipfile", "-c", "all.zip", "package")
    either.run(sys.executable, "-m", "zipfile", "-t", "all.zip")
    either.run(sys.executable, "-m", "zipfile", "-e", "all.zip", "out")

    assert len(list((either.place / "out/package/__pycache__").iterdir())) == 20
    names = either.check()
    assert {name.removeprefix("out/") for name in names if name.startswith("out/")} == {
        name for name in names if name.split("/")[0] == "package"
    }


def test_dd_writes_at_offsets(either: Mount) -> None:
    expected = bytearray(5 * MIB)
    for block, letter in ((40, "a"), (3, "b"), (7, "c"), (8, "d"), (79, "e"), (3, "f")):
        # What comes through a pipe comes in pieces: without fullblock, dd writes the first of them and is content.
        either.run("dd", "of=file", "bs=64K", f"seek={block}", "count=1", "iflag=fullblock", "conv=notrunc",
                   "status=none", text=letter * 65536)  # fmt: skip
        expected[block << 16 : (block + 1) << 16] = letter.encode() * 65536

    assert (either.place / "file").read_bytes() == expected
    read = either.run("dd", "if=file", "bs=1", f"skip={7 * 65536 - 3}", "count=7", "status=none")
    assert read == "\0\0\0cccc"
    either.check()
    assert either.content("file") == expected


def test_find_sees_names_kinds_sizes_and_times(mount: Mount, local: Path) -> None:
    mount.run("cp", "-a", local, "tree")
    mount.remount()
    for what in (["-type", "d"], ["-type", "l"], ["-size", "+100k"], ["-perm", "755"], ["-newer", "empty"], ["-empty"]):
        there = mount.run("find", ".", *what, cwd=mount.place / "tree")
        assert sorted(there.splitlines()) == sorted(mount.run("find", ".", *what, cwd=local).splitlines())


def test_shells_redirect_append_and_link(either: Mount) -> None:
    script = """
        echo one >a; echo two >>a; exec 3>>a; echo three >&3; echo four >&3; exec 3>&-
        ln -s a link; echo five >>link; mkdir -p d/e; cp link d/e/copy; (echo x; echo y) >d/both 2>&1; : >d/empty
        cat <a >d/again; test -s d/again; mkfifo d/fifo; rm d/fifo; set -C; ! echo no >a 2>/dev/null
    """
    either.run("sh", "-ec", script)

    assert (either.place / "a").read_text() == "one\ntwo\nthree\nfour\nfive\n"
    assert either.check() == {"a", "link", "d", "d/e", "d/e/copy", "d/both", "d/empty", "d/again"}
    assert either.content("d/e/copy") == b"one\ntwo\nthree\nfour\nfive\n"
    assert either.content("d/empty") == b""


def test_install_and_make_like_chains_of_programs(mount: Mount) -> None:
    (mount.place / "source").write_text("int main(void) { return 0; }\n")
    mount.run("install", "-D", "-m", "711", "source", "usr/share/doc/copy")
    mount.run(
        "sh",
        "-ec",
        "gzip -k source; gunzip -c source.gz | cmp - source; sort -o source source; split -b 5 source part.",
    )
    mount.run(
        "sh", "-ec", "cat part.* | cmp - source; rm part.*; touch -d '2001-02-03 04:05:06.5' source; ls -la >list"
    )

    assert (mount.place / "source").stat().st_mtime_ns == 981_173_106_500_000_000
    assert stat.S_IMODE((mount.place / "usr/share/doc/copy").stat().st_mode) == 0o711
    mount.check()


def test_checksums_of_a_tree_are_the_same_after_a_remount(mount: Mount, local: Path) -> None:
    mount.run("cp", "-a", local, "tree")
    sums = "find . -type f -exec sha256sum {} + | sort -k2 | sha256sum"
    before = mount.run("sh", "-c", sums, cwd=local)
    mount.remount()

    assert mount.run("sh", "-c", sums, cwd=mount.place / "tree") == before


def test_twenty_processes_write_different_files_at_once(either: Mount) -> None:
    code = """if True:
        import os, sys
        number = int(sys.argv[1])
        with open(f"file{number}", "wb") as file:
            for block in range(number + 1):
                file.write(bytes([number, block]) * 40_000)
    """
    either.run("sh", "-c", 'for n in $(seq 0 19); do "$0" -Ic "$1" $n & done; wait', sys.executable, code)

    for number in range(20):
        expected = b"".join(bytes([number, block]) * 40_000 for block in range(number + 1))
        assert (either.place / f"file{number}").read_bytes() == expected
    assert either.check() == {f"file{number}" for number in range(20)}


def test_processes_append_to_one_file_without_loss(either: Mount) -> None:
    code = """if True:
        import os, sys
        fd = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for n in range(200):
            line = f"{sys.argv[1]} {n:04} {'x' * 50}\\n".encode()
            assert os.write(fd, line) == len(line)
    """
    either.run("sh", "-c", '"$0" -Ic "$1" a & "$0" -Ic "$1" b & wait', sys.executable, code)

    lines = (either.place / "log").read_text().splitlines()
    assert sorted(lines) == sorted(f"{who} {n:04} {'x' * 50}" for who in "ab" for n in range(200))
    either.check()
    assert (
        hashlib.sha256(either.content("log")).digest() == hashlib.sha256((either.place / "log").read_bytes()).digest()
    )
