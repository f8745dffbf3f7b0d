"""`ossmount object put -r` and `get -r`: directories between this machine and a bucket, several files at once.

A file is an object below a key, by its path with slashes; directories as such, and what is neither file nor directory,
have none.  A key that would lead out of the directory, or is no path, is refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .console import Failure, WrongUsage, progress_bar
from .running import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..oss import Bucket
    from .connection import Connection, Name

# A download is in NAME.part until it is complete.
_PARTIAL = ".part"


def is_below(key: str, place: str) -> bool:
    """Return whether *key* is *place*, or below it as a file is below a directory."""
    return place in ("", key) or key.startswith(place if place.endswith("/") else f"{place}/")


def put_directory(
    connection: Connection, directory: str, target: Name, *, parallel: int, part_size: int | None, **options: Any
) -> None:
    """Make objects of all files below *directory*; *options* are those of `Bucket.upload_file`.

    If *target* is a bucket or ends with a slash, the directory's name is added, unless it is written with a slash at
    its end or is one of dots.
    """
    last = "" if directory.endswith("/") else os.path.basename(directory)
    prefix = target.key if last in ("", ".", "..") else target.below(last).key
    prefix += "" if not prefix or prefix.endswith("/") else "/"
    files = list(_files(Path(directory)))
    counted = _Counted("uploaded to", str(target._replace(key=prefix)))

    async def act(bucket: Bucket) -> None:
        from ..oss.transfers import in_parallel

        async def one(path: Path) -> None:
            await bucket.upload_file(
                prefix + path.relative_to(directory).as_posix(),
                path,
                part_size=part_size,
                parallel=max(1, parallel // len(files)),
                progress=counted.progress(),
                **options,
            )
            counted.files += 1

        await in_parallel(files, one, parallel)

    counted.run(lambda: connection.with_bucket(target.bucket, act))


def _files(directory: Path) -> Iterable[Path]:
    """Yield the files below *directory*, those that symlinks point at too; tells of what is left out."""

    def fail(exc: OSError) -> None:
        raise Failure(f"{exc.filename}: {exc.strerror}")

    for path, directories, names in os.walk(directory, onerror=fail):
        directories.sort()
        for name in sorted([*names, *(each for each in directories if os.path.islink(os.path.join(path, each)))]):
            file = Path(path, name)
            if file.is_file():
                yield file
            else:
                click.echo(f"ossmount: left out, it is no file: {one_line(str(file))}", err=True)


def get_directory(
    connection: Connection, source: Name, directory: Path, *, parallel: int, part_size: int | None
) -> None:
    """Write the objects below *source* to files below *directory*.

    The last part of the name is added, unless *source* is a bucket or ends with a slash, as the name of a directory;
    directories are made as they are needed.
    """
    whole = not source.key or source.key.endswith("/")
    skip = len(source.key) if whole else source.key.rfind("/") + 1
    counted = _Counted("written to", str(directory))

    async def act(bucket: Bucket) -> None:
        from ..oss.transfers import PART_SIZE, in_parallel

        async def one(found: tuple[str, Path], parts: int = 1) -> None:
            key, path = found
            path.parent.mkdir(parents=True, exist_ok=True)
            await bucket.download_file(
                key, path, part_size=part_size or PART_SIZE, parallel=parts, progress=counted.progress()
            )
            counted.files += 1

        # They might be what another download is in meanwhile.
        late: list[tuple[str, Path]] = []
        async for page in bucket.list_pages(source.key):
            now: list[tuple[str, Path]] = []
            for entry in page.objects:
                if not is_below(entry.key, source.key) or entry.key[skip:] == "":
                    continue
                path = directory / _relative(entry.key, skip)
                if entry.key.endswith("/"):
                    path.mkdir(parents=True, exist_ok=True)
                else:
                    (late if entry.key.endswith(_PARTIAL) else now).append((entry.key, path))
            if len(now) == 1:
                await one(now[0], parallel)
            await in_parallel(now[1:] if len(now) == 1 else now, one, parallel)
        for found in sorted(late, key=lambda each: len(each[0])):
            await one(found, parallel)

    counted.run(lambda: connection.with_bucket(source.bucket, act))


def _relative(key: str, skip: int) -> Path:
    """Return the path that the end of *key* means.

    Raises:
        Failure: it means none, or one that leads elsewhere.
    """
    parts = key[skip:].removesuffix("/").split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise Failure(f"{one_line(key)} is no path of a file: get it by its name")
    return Path(*parts)


class _Counted:
    """How many files were *done*, and how many bytes of them."""

    def __init__(self, done: str, where: str) -> None:
        self._done = done
        self._where = where
        self._bytes = 0
        self._show: Callable[[int, int | None], None] = lambda _done, _total: None
        self.files = 0

    def progress(self) -> Callable[[int, int], None]:
        """Return what one transfer is to call."""
        before = 0

        def report(done: int, _total: int) -> None:
            nonlocal before
            self._bytes += done - before
            before = done
            self._show(self._bytes, None)

        return report

    def run(self, act: Callable[[], None]) -> None:
        """Do *act*, and say what was done, also if it fails."""
        try:
            with progress_bar(self._where) as self._show:
                act()
        except WrongUsage:
            raise
        except Failure as exc:
            before = f"({self.files} files were {self._done} {self._where} before)"
            raise Failure(f"{exc.format_message()} {before}") from None
        click.echo(f"{self.files} files {self._done} {self._where}", err=True)
