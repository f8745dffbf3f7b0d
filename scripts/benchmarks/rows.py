"""What is measured: a row is a piece of work that a program does in a cold mount.

A row fills a bucket, may prepare local files, and may warm the mount up with what its title says came before; then the
clock runs for `work`.  Where it changes something, a second figure says when all of it was in the bucket.  Afterwards
`check` looks whether what was read and written is right: a wrong answer has no speed.

*peers* are the seconds of the best filesystem of this kind on a comparable link and machine.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from typing import TYPE_CHECKING, ClassVar

from .content import GIB, KIB, MIB, Objects, block, checksum, large, small_files

if TYPE_CHECKING:
    from pathlib import Path


class WrongResult(Exception):
    """What was read or written is not what it should be."""


def expect(truth: object, what: str) -> None:
    """Fail the row unless *truth*."""
    if not truth:
        raise WrongResult(what)


def run(*command: str | Path, cwd: Path | None = None) -> bytes:
    """Run a program and return what it printed.

    Raises:
        WrongResult: it failed.
    """
    done = subprocess.run(list(map(str, command)), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    expect(done.returncode == 0, f"{command[0]}: {done.stderr.decode(errors='replace').strip()[:500]}")
    return done.stdout


def put_tree(directory: Path, files: dict[str, bytes]) -> None:
    """Write *files* into the new local *directory*."""
    directory.mkdir()
    for name, data in files.items():
        (directory / name).write_bytes(data)


class Row:
    """A row; subclasses say what it does."""

    name: ClassVar[str]
    title: ClassVar[str]
    peers: ClassVar[float | None] = None
    peers_durable: ClassVar[float | None] = None
    changes: ClassVar[bool] = False  # so it is measured until durable, too
    size: ClassVar[int] = 0  # bytes that pass, where it is a matter of bandwidth
    is_long: ClassVar[bool] = False
    patience: ClassVar[float] = 60.0  # seconds; a row that takes longer has failed

    def fill(self, bucket: Objects) -> None:
        """Put into the bucket what the work needs."""

    def prepare(self, local: Path) -> None:
        """Write the local files that the work needs into *local*."""

    def warm(self, place: Path) -> None:
        """Do at the mount at *place* what comes before the clock."""

    def work(self, place: Path, local: Path) -> None:
        """Do what is measured."""
        raise NotImplementedError

    def check(self, place: Path, bucket: Objects) -> None:
        """Look whether it was done.  Raises WrongResult."""


class _Listing(Row):
    count = 1000

    def fill(self, bucket: Objects) -> None:
        bucket.put({f"dir/{name}": data for name, data in small_files(self.count, 100).items()})


class List(_Listing):
    """Names only."""

    name = "ls"
    title = "ls of 1,000"
    peers: ClassVar[float | None] = 0.05

    def work(self, place: Path, local: Path) -> None:
        """List."""
        expect(run("ls", place / "dir").count(b"\n") == self.count, "names are missing")


class ListLong(_Listing):
    """Names and attributes."""

    name = "ls-l"
    title = "ls -l of 1,000"
    peers: ClassVar[float | None] = 0.06

    def work(self, place: Path, local: Path) -> None:
        """List."""
        lines = run("ls", "-l", place / "dir").splitlines()[1:]
        expect([line.split()[4] for line in lines] == [b"100"] * self.count, "sizes are wrong")


class Cat(Row):
    """Small files one after the other."""

    name = "cat"
    title = "cat of 100 x 16 KiB after ls"
    peers: ClassVar[float | None] = 1.6
    files = small_files(100, 16 * KIB)

    def fill(self, bucket: Objects) -> None:
        """Put the files."""
        bucket.put({f"dir/{name}": data for name, data in self.files.items()})

    def warm(self, place: Path) -> None:
        """List."""
        run("ls", place / "dir")

    def work(self, place: Path, local: Path) -> None:
        """Read all, by one program."""
        expect(run("cat", *sorted(self.files), cwd=place / "dir") == b"".join(self.files.values()), "bytes are wrong")


class Read(Row):
    """One large file from end to end."""

    name = "read-256m"
    title = "read 256 MiB"
    peers: ClassVar[float | None] = 1.2
    size = 256 * MIB

    def fill(self, bucket: Objects) -> None:
        """Put the file."""
        bucket.put_large("large", self.size)

    def work(self, place: Path, local: Path) -> None:
        """Read it."""
        run("dd", f"if={place / 'large'}", "of=/dev/null", "bs=1M")

    def check(self, place: Path, bucket: Objects) -> None:
        """Read it again, most of it from the kernel's page cache."""
        with open(place / "large", "rb") as file:
            pieces = iter(lambda: file.read(MIB), b"")
            expect(checksum(pieces) == checksum(large(self.size)), "bytes are wrong")


class Random(Row):
    """Small reads all over a large file."""

    name = "random"
    title = "100 random 4 KiB reads of 256 MiB"
    peers: ClassVar[float | None] = 1.3

    def fill(self, bucket: Objects) -> None:
        """Put the file."""
        bucket.put_large("large", 256 * MIB)

    def work(self, place: Path, local: Path) -> None:
        """Read here and there, and compare."""
        numbers = random.Random(7)
        fd = os.open(place / "large", os.O_RDONLY)
        try:
            for _ in range(100):
                offset = numbers.randrange(256 * MIB // 4096) * 4096
                number, start = divmod(offset, MIB)
                expect(
                    os.pread(fd, 4096, offset) == block(number)[start : start + 4096], f"bytes at {offset} are wrong"
                )
        finally:
            os.close(fd)


class CopyIn(Row):
    """New small files."""

    name = "cp"
    title = "cp -r of 100 x 1 KiB in"
    peers: ClassVar[float | None] = 0.5
    peers_durable: ClassVar[float | None] = 0.5
    changes = True
    files = small_files(100, KIB)

    def prepare(self, local: Path) -> None:
        """Write the files to copy."""
        put_tree(local / "tree", self.files)

    def work(self, place: Path, local: Path) -> None:
        """Copy."""
        run("cp", "-r", local / "tree", place / "tree")

    def check(self, place: Path, bucket: Objects) -> None:
        """Look at what is in the bucket."""
        wanted = {f"tree/{name}": len(data) for name, data in self.files.items()}
        expect(bucket.sizes("tree/") == wanted, "objects are missing, or have a wrong size")
        name, data = next(iter(self.files.items()))
        expect(bucket.crc64(f"tree/{name}") == checksum([data]), "bytes are wrong")


class Write(Row):
    """One large file, new."""

    name = "write-256m"
    title = "write 256 MiB with fsync"
    peers: ClassVar[float | None] = 2.2
    changes = True
    size = 256 * MIB

    def prepare(self, local: Path) -> None:
        """Write the bytes to copy."""
        with open(local / "large", "wb") as file:
            file.writelines(large(self.size))

    def work(self, place: Path, local: Path) -> None:
        """Copy them."""
        run("dd", f"if={local / 'large'}", f"of={place / 'large'}", "bs=1M", "conv=fsync")

    def check(self, place: Path, bucket: Objects) -> None:
        """Compare checksums."""
        expect(bucket.crc64("large") == checksum(large(self.size)), "bytes are wrong")


class Patch(Row):
    """A few bytes in the middle of a large file."""

    name = "patch"
    title = "4 KiB into 64 MiB with fsync"
    peers: ClassVar[float | None] = 0.07
    changes = True
    _offset = 33 * MIB

    def fill(self, bucket: Objects) -> None:
        """Put the file."""
        bucket.put_large("large", 64 * MIB)

    def work(self, place: Path, local: Path) -> None:
        """Change it."""
        fd = os.open(place / "large", os.O_WRONLY)
        try:
            expect(os.pwrite(fd, bytes(4096), self._offset) == 4096, "a short write")
            os.fsync(fd)
        finally:
            os.close(fd)

    def check(self, place: Path, bucket: Objects) -> None:
        """Compare checksums."""
        pieces = list(large(64 * MIB))
        number, _ = divmod(self._offset, MIB)
        pieces[number] = bytes(4096) + pieces[number][4096:]
        expect(bucket.crc64("large") == checksum(pieces), "bytes are wrong")


class Missing(Row):
    """Names that are not there, as a search path has them."""

    name = "missing"
    title = "stat of 50 missing names"
    peers: ClassVar[float | None] = 0.02

    def fill(self, bucket: Objects) -> None:
        """Put a directory with other names."""
        bucket.put({f"dir/{name}": data for name, data in small_files(10, 100).items()})

    def work(self, place: Path, local: Path) -> None:
        """Ask for what is not there."""
        found = [number for number in range(50) if os.path.exists(place / "dir" / f"missing-{number}")]
        expect(not found, "names are there that are not")


class _Hundred(Row):
    changes = True
    files = small_files(100, KIB)

    def fill(self, bucket: Objects) -> None:
        bucket.put({f"old/{name}": data for name, data in self.files.items()})


class Move(_Hundred):
    """A directory gets another name."""

    name = "mv"
    title = "mv of a directory of 100"
    peers: ClassVar[float | None] = 0.03

    def work(self, place: Path, local: Path) -> None:
        """Rename."""
        run("mv", place / "old", place / "new")

    def check(self, place: Path, bucket: Objects) -> None:
        """Look at what is in the bucket."""
        wanted = {f"new/{name}": len(data) for name, data in self.files.items()}
        expect(bucket.sizes() == wanted, "objects are not where they should be")


class Remove(_Hundred):
    """A directory goes."""

    name = "rm"
    title = "rm -r of a directory of 100"
    peers: ClassVar[float | None] = 0.16

    def work(self, place: Path, local: Path) -> None:
        """Remove."""
        run("rm", "-r", place / "old")

    def check(self, place: Path, bucket: Objects) -> None:
        """Look at what is in the bucket."""
        expect(not bucket.sizes(), "objects are left")


class ReadLarge(Read):
    """Much more than fits into the memory that a mount may take."""

    name = "read-3g"
    title = "read 3 GiB"
    peers = None
    size = 3 * GIB
    is_long = True
    patience = 300.0


class WriteLarge(Write):
    """Much more than fits into the memory that a mount may take."""

    name = "write-3g"
    title = "write 3 GiB with fsync"
    peers = None
    size = 3 * GIB
    is_long = True
    patience = 300.0

    def prepare(self, local: Path) -> None:
        """Need nothing: the bytes are made as they are written."""

    def work(self, place: Path, local: Path) -> None:
        """Write."""
        with open(place / "large", "wb", buffering=0) as file:
            for piece in large(self.size):
                expect(file.write(piece) == len(piece), "a short write")
            os.fsync(file.fileno())


class CopyInMany(CopyIn):
    """Many new small files."""

    name = "cp-5000"
    title = "cp -r of 5,000 x 4 KiB in"
    peers = None
    peers_durable = None
    is_long = True
    patience = 300.0
    files = small_files(5000, 4 * KIB)


class CopyOutMany(Row):
    """Many small files, read."""

    name = "cp-5000-out"
    title = "cp -r of 5,000 x 4 KiB out"
    is_long = True
    patience = 300.0
    files = CopyInMany.files

    def fill(self, bucket: Objects) -> None:
        """Put the files."""
        bucket.put({f"dir/{name}": data for name, data in self.files.items()})

    def work(self, place: Path, local: Path) -> None:
        """Copy, and compare."""
        run("cp", "-r", place / "dir", local / "dir")
        found = {path.name: path.read_bytes() for path in (local / "dir").iterdir()}
        shutil.rmtree(local / "dir")
        expect(found == self.files, "bytes are wrong")


ROWS: tuple[type[Row], ...] = (
    List,
    ListLong,
    Cat,
    Read,
    Random,
    CopyIn,
    Write,
    Patch,
    Missing,
    Move,
    Remove,
    WriteLarge,
    ReadLarge,
    CopyInMany,
    CopyOutMany,
)
