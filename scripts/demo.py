"""A server, a bucket, a mount, and real programs at work in it.

Everything lives in a temporary directory and is taken down again, also on failure.  What the programs wrote is checked
by oss2, a client that shares no code with ossmount, straight at the server.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import oss2

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "demo-bucket"
REGION = "cn-hangzhou"
KEYS = ("demo-key-id", "demo-key-secret")
MIB = 1 << 20
TTL = 1  # seconds that the mount believes a listing


class Wrong(Exception):
    """A step did not do what it should."""


def expect(truth: object, what: str) -> None:
    """Fail the demo unless *truth*."""
    if not truth:
        raise Wrong(what)


def run(*command: str | Path, cwd: Path | None = None, text: str | None = None, patience: float = 60.0) -> str:
    """Run a program and return what it printed; its failure is the demo's."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        input=text,
        stdin=None if text is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
        env=os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "LC_ALL": "C.UTF-8"},
    )
    complaint = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-5:])
    expect(done.returncode == 0, f"{' '.join(map(str, command))}: {complaint}")
    return done.stdout


class Demo:
    """The stage: a mount at `place`, and the same bucket seen by another client as `bucket`."""

    def __init__(self, work: Path, cleanup: contextlib.ExitStack) -> None:
        self.work = work
        self.cleanup = cleanup
        self.place = work / "mnt"
        self.place.mkdir()
        self.ossmount = (sys.executable, "-m", "ossmount")
        self.begun = time.perf_counter()
        os.environ["OSSMOUNT_RUNTIME_DIR"] = str(work / "run")
        os.environ["OSSMOUNT_STATE_DIR"] = str(work / "state")
        os.environ["OSSMOUNT_LOG_FILE"] = str(work / "ossmount.log")

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[list[str]]:
        """Print *text* with the seconds it took, and whatever figures the block adds."""
        figures: list[str] = []
        print(f"  {text:<62}", end="", flush=True)
        begun = time.perf_counter()
        try:
            yield figures
        except BaseException:
            print("FAILED")
            raise
        print(f"{time.perf_counter() - begun:7.2f} s  {', '.join(figures)}")

    def serve(self) -> None:
        """Start the embedded server on a port that is free."""
        command = [*self.ossmount, "serve", str(self.work / "objects"), "--port", "0", "--bucket", BUCKET]
        command += ["--region", REGION, "--access-key-id", KEYS[0], "--access-key-secret", KEYS[1]]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("OSSMOUNT_")}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=environ)
        self.cleanup.callback(end, server)
        assert server.stdout is not None
        line = server.stdout.readline()
        expect("http://" in line, "the server did not start")
        self.url = line[line.index("http://") :].strip()
        auth = oss2.AuthV4(*KEYS)
        self.bucket = oss2.Bucket(auth, self.url, BUCKET, region=REGION, is_path_style=True)

    def mount(self) -> None:
        """Mount the bucket in the background."""
        os.environ["OSSMOUNT_ACCESS_KEY_ID"], os.environ["OSSMOUNT_ACCESS_KEY_SECRET"] = KEYS
        run(*self.ossmount, BUCKET, self.place, "--endpoint", self.url, "--region", REGION, "--ttl", f"{TTL}s")
        expect(os.path.ismount(self.place), "nothing is mounted")

    def unmount(self) -> None:
        """Unmount, which waits until everything is in the bucket."""
        run(*self.ossmount, "umount", self.place)
        expect(not os.path.ismount(self.place), "still mounted")

    def force(self) -> None:
        """Leave no mount behind, whatever happened."""
        if os.path.ismount(self.place) or not os.access(self.place, os.F_OK):
            with contextlib.suppress(Exception):
                run(*self.ossmount, "umount", "--now", "--lazy", self.place, patience=20)
        if os.path.ismount(self.place):
            subprocess.run(["fusermount3", "-u", "-z", str(self.place)], check=False, capture_output=True)

    def content(self, key: str) -> bytes:
        """The bytes of an object, as the other client gets them."""
        return bytes(self.bucket.get_object(key).read())

    def listed(self, prefix: str = "") -> list[str]:
        """What the other client lists."""
        return [one.key for one in oss2.ObjectIteratorV2(self.bucket, prefix=prefix)]

    def same(self, local: Path, prefix: str) -> int:
        """Compare each file below *local* with its object, and return how many there were."""
        files = [path for path in sorted(local.rglob("*")) if path.is_file() and not path.is_symlink()]
        for path in files:
            key = f"{prefix}/{path.relative_to(local)}"
            expect(self.content(key) == path.read_bytes(), f"object {key} differs from what was written")
        return len(files)


def end(process: subprocess.Popen[str]) -> None:
    """Stop a process of ours."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def rate(size: int, seconds: float) -> str:
    """Bytes in a time, as MB/s."""
    return f"{size / seconds / 1e6:.0f} MB/s"


def make_tree(root: Path) -> int:
    """Some directories with small files of all sizes; the same ones each time."""
    chance = random.Random(1)
    for directory in ("docs", "src/deep/er", "données"):
        (root / directory).mkdir(parents=True)
        for number in range(60):
            (root / directory / f"file {number:02}.txt").write_bytes(chance.randbytes(chance.randrange(0, 20_000)))
    return 180


def installed(*programs: str) -> bool:
    """Are they all there?  What is not is left out, and said."""
    absent = [name for name in programs if shutil.which(name) is None]
    if absent:
        print(f"  ({', '.join(absent)} is not installed: left out)")
    return not absent


def small_files(demo: Demo) -> None:
    """cp, diff, tar, rm and mv with many small files."""
    tree, place = demo.work / "tree", demo.place
    count = make_tree(tree)
    with demo.step(f"cp -a: {count} small files") as figures:
        begun = time.perf_counter()
        run("cp", "-a", tree, place / "tree")
        figures.append(f"{count / (time.perf_counter() - begun):.0f} files/s")
    with demo.step("diff -r: read them back"):
        run("diff", "-r", tree, place / "tree")
    with demo.step("tar c | tar x: out of the mount and in again"):
        run("tar", "-C", place, "-cf", demo.work / "tree.tar", "tree")
        (place / "from tar").mkdir()
        run("tar", "-C", place / "from tar", "-xf", demo.work / "tree.tar")
        run("diff", "-r", tree, place / "from tar" / "tree")
    with demo.step(f"mv: a directory of {count}") as figures:
        begun = time.perf_counter()
        (place / "tree").rename(place / "renamed")
        figures.append(f"the call took {(time.perf_counter() - begun) * 1000:.0f} ms")
    with demo.step("rm -r: another one"):
        run("rm", "-r", place / "from tar")
        expect(sorted(os.listdir(place)) == ["renamed"], "rm -r left something")
    with demo.step("ossmount flush, and oss2 compares every object") as figures:
        run(*demo.ossmount, "flush", place)
        figures.append(f"{demo.same(tree, 'renamed')} equal")
        stray = [key for key in demo.listed() if not key.startswith("renamed/")]
        expect(not stray, f"the bucket still has {stray[:3]}")


def large_file(demo: Demo) -> None:
    """One file of 64 MiB: written, read, changed in the middle, appended to, cut."""
    size = 64 * MIB
    content = bytearray(random.Random(2).randbytes(size))
    file = demo.place / "large.bin"
    with demo.step("write and fsync 64 MiB") as figures:
        begun = time.perf_counter()
        with file.open("wb", buffering=0) as out:
            for start in range(0, size, MIB):
                out.write(content[start : start + MIB])
            os.fsync(out.fileno())
        figures.append(rate(size, time.perf_counter() - begun))
    with demo.step("oss2 reads it: complete as soon as fsync returned"):
        expect(demo.content("large.bin") == bytes(content), "the object differs")
    with demo.step("change 4 KiB in the middle, append, truncate"):
        patch = b"\x2a" * 4096
        with file.open("r+b", buffering=0) as out:
            out.seek(30 * MIB + 7)
            out.write(patch)
            out.seek(0, os.SEEK_END)
            out.write(b"the end, and more")
            os.ftruncate(out.fileno(), size + 7)
            os.fsync(out.fileno())
        content[30 * MIB + 7 : 30 * MIB + 7 + 4096] = patch
        content += b"the end"
        expect(hashlib.sha256(demo.content("large.bin")).digest() == hashlib.sha256(content).digest(), "it differs")
    with demo.step("read it back") as figures:
        begun = time.perf_counter()
        with file.open("rb", buffering=0) as back:
            digest = hashlib.file_digest(back, "sha256").digest()
        figures.append(rate(size, time.perf_counter() - begun))
        expect(digest == hashlib.sha256(content).digest(), "what was read differs")


def old_programs(demo: Demo) -> None:
    """Programs that know only files."""
    place = demo.place
    with demo.step("sh: >, >>, ln -s, chmod, mkdir -p"):
        script = "echo one >a; echo two >>a; ln -s a link; chmod 640 a; mkdir -p d/e/f; cp a d/e/f/copy; cat link"
        (place / "sh").mkdir()
        expect(run("sh", "-ec", script, cwd=place / "sh") == "one\ntwo\n", "the link shows something else")
        expect((place / "sh/a").stat().st_mode & 0o777 == 0o640, "the mode was not kept")
    if installed("sed"):
        with demo.step("sed -i"):
            run("sed", "-i", "s/two/three/", place / "sh/a")
            expect((place / "sh/a").read_text() == "one\nthree\n", "sed wrote something else")
    if installed("vim"):
        with demo.step("vim: edit and save, with its backup and swap files"):
            run("vim", "-Nes", "-u", "NONE", "-c", "%s/three/four/ | wq", place / "sh/a")
            expect((place / "sh/a").read_text() == "one\nfour\n", "vim wrote something else")
            expect(sorted(os.listdir(place / "sh")) == ["a", "d", "link"], "vim left something behind")
    if installed("sqlite3"):
        with demo.step("sqlite3: 2000 rows in 20 transactions, integrity check"):
            database = place / "shop.db"
            inserts = "".join(
                "begin;"
                + "".join(f"insert into t values({n}, 'row {n}');" for n in range(start, start + 100))
                + "commit;"
                for start in range(0, 2000, 100)
            )
            run("sqlite3", database, text="create table t(n integer primary key, s text);" + inserts)
            told = run("sqlite3", database, "select count(*), sum(n) from t; pragma integrity_check;")
            expect(told.split() == ["2000|1999000", "ok"], f"sqlite3 says {told}")
    if installed("git"):
        with demo.step("git: init, commit, clone, gc, fsck"):
            repository = place / "repository"
            who = ("-c", "user.name=demo", "-c", "user.email=demo@example.org")
            run("git", "init", "-q", repository)
            run("cp", "-r", demo.work / "tree" / "docs", repository / "docs")
            run("git", "-C", repository, "add", ".")
            run("git", "-C", repository, *who, "commit", "-q", "-m", "first")
            run("git", "clone", "-q", repository, place / "clone")
            run("git", "-C", place / "clone", "gc", "-q")
            run("git", "-C", place / "clone", "fsck", "--strict")
            expect(not run("git", "-C", place / "clone", "status", "--porcelain"), "the clone is not clean")
    if installed("rsync"):
        with demo.step("rsync -a: twice; the second time there is nothing to do") as figures:
            run("rsync", "-a", f"{demo.work}/tree/", f"{place}/synced/")
            again = run("rsync", "-a", "--itemize-changes", f"{demo.work}/tree/", f"{place}/synced/")
            expect(not again, f"rsync found differences: {again}")
            figures.append("0 differences")
    if installed("setfattr", "getfattr"):
        with demo.step("setfattr, getfattr: user metadata and properties"):
            run("setfattr", "-n", "user.colour", "-v", "blue", place / "sh/a")
            run(*demo.ossmount, "flush", place)
            expect(demo.bucket.head_object("sh/a").headers.get("x-oss-meta-colour") == "blue", "not in the object")
            etag = run("getfattr", "--only-values", "-n", "user.oss.etag", place / "sh/a").strip().strip('"')
            expect(etag == demo.bucket.head_object("sh/a").etag, "user.oss.etag is another")


def others(demo: Demo) -> None:
    """Objects of other clients are files, and files are objects."""
    with demo.step(f"oss2 puts an object: a file, at the latest after the ttl of {TTL} s"):
        demo.bucket.put_object("from/elsewhere/object.txt", b"hello from oss2")
        file, deadline = demo.place / "from/elsewhere/object.txt", time.monotonic() + TTL + 2
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        expect(file.exists(), "it did not appear")
        expect(file.read_text() == "hello from oss2", "it reads differently")
    with demo.step("unmount: everything is in the bucket"):
        demo.unmount()
        expect(demo.content("sh/a").startswith(b"one\n"), "sh/a is not there")
    with demo.step("mount again: all is as it was") as figures:
        demo.mount()
        run("diff", "-r", demo.work / "tree", demo.place / "renamed")
        expect(os.readlink(demo.place / "sh/link") == "a", "the link points elsewhere")
        figures.append(f"{len(demo.listed())} objects")
    with demo.step("unmount"):
        demo.unmount()


def main() -> int:
    """Run the demo; 0 when all went well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory")
    keep = parser.parse_args().keep
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begun = time.perf_counter()
    work = Path(tempfile.mkdtemp(prefix="ossmount-demo-"))
    try:
        with contextlib.ExitStack() as cleanup:
            demo = Demo(work, cleanup)
            with demo.step("ossmount serve: an OSS of our own"):
                demo.serve()
            cleanup.callback(demo.force)
            with demo.step(f"ossmount {BUCKET} MOUNTPOINT"):
                demo.mount()
            for act in (small_files, large_file, old_programs, others):
                act(demo)
    except (Wrong, OSError, subprocess.SubprocessError, oss2.exceptions.OssError) as exc:
        print(f"demo: failed: {exc}", file=sys.stderr)
        log = work / "ossmount.log"
        if log.exists():
            print("\n".join(log.read_text(errors="replace").splitlines()[-20:]), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    finally:
        if keep or os.path.ismount(work / "mnt"):  # never delete through a mount
            print(f"kept: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    print(f"demo: ok ({time.perf_counter() - begun:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
