"""`ossmount object put -r` and `get -r`: directories between this machine and a bucket, several files at once.

A file is an object below a key, by its path with slashes; directories as such, and what is neither file nor directory,
have none.  A key that would lead out of the directory, or is no path, is refused.
"""

from __future__ import annotations

import os
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .below import is_there, pages_below
from .console import Failure
from .files import writing
from .tally import SKIPPED, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..oss import Bucket
    from ..wire.message import Buffer
    from ..wire.models import ObjectSummary
    from .connection import Connection
    from .parameters import Name

# A download is in NAME.part until it is complete.
_PARTIAL = ".part"


def put_directory(
    connection: Connection, directory: str, target: Name, *, update: bool, parallel: int, **options: Any
) -> None:
    """Make objects of all files below *directory*; *options* are those of `Bucket.upload_file`.

    With *update*, only where there is none, or one of another size or older.

    If *target* is a bucket or ends with a slash, the directory's name is added, unless it is written with a slash at
    its end or is one of dots.
    """
    last = "" if directory.endswith("/") else os.path.basename(directory)
    prefix = target.key if last in ("", ".", "..") else target.below(last).key
    prefix += "" if not prefix or prefix.endswith("/") else "/"
    tally = Tally(f"uploaded to {target._replace(key=prefix)}", "file")
    files = _files(Path(directory), tally)
    # Few files have several parts each under way at once, many have one.
    first = list(islice(files, parallel))
    parts = max(1, parallel // max(1, len(first)))

    async def act(bucket: Bucket) -> None:
        async def one(path: Path) -> object:
            key = prefix + path.relative_to(directory).as_posix()
            if update and await is_there(bucket, key, *_size_and_time(path)):
                return SKIPPED
            return await bucket.upload_file(key, path, parallel=parts, progress=tally.progress(), **options)

        await tally.each(chain(first, files), one, parallel)

    tally.run(directory, lambda: connection.with_bucket(target.bucket, act))


def _files(directory: Path, tally: Tally) -> Iterator[Path]:
    """Yield the files below *directory*, those that symlinks point at too; tells of what is left out.

    Raises:
        Failure: there is no such directory, or it cannot be read.
    """

    def fail(exc: OSError) -> None:
        if exc.filename == str(directory):
            raise Failure(f"{exc.filename}: {exc.strerror}")
        tally.fail(exc.filename, exc)

    for path, directories, names in os.walk(directory, onerror=fail):
        directories.sort()
        for name in sorted([*names, *(each for each in directories if os.path.islink(os.path.join(path, each)))]):
            file = Path(path, name)
            if file.is_file():
                yield file
            else:
                tally.say(f"left out, it is no file: {file}")


def get_directory(
    connection: Connection, source: Name, directory: Path, *, update: bool, parallel: int, part_size: int | None
) -> None:
    """Write the objects below *source* to files below *directory*.

    With *update*, only where there is none, or one of another size or older.

    The last part of the name is added, unless *source* is a bucket or ends with a slash, as the name of a directory;
    directories are made as they are needed.
    """
    skip = len(source.key) if source.is_whole else source.key.rfind("/") + 1
    tally = Tally(f"written to {directory}")

    async def act(bucket: Bucket) -> None:
        import trio

        from ..oss.transfers import PART_SIZE

        size = part_size or PART_SIZE

        async def get(entries: list[ObjectSummary]) -> None:
            parts = max(1, parallel // max(1, len(entries)))

            async def one(entry: ObjectSummary) -> object:
                path = directory / _relative(entry.key, skip)
                progress = tally.progress()
                if entry.key.endswith("/"):
                    path.mkdir(parents=True, exist_ok=True)
                elif update and _is_there(path, entry):
                    return SKIPPED
                elif entry.size <= size and entry.type != "Symlink":
                    # In one request, where who looks first takes two.
                    _, content = await bucket.get_object(entry.key)
                    await trio.to_thread.run_sync(_write, path, content)
                    progress(len(content), len(content))
                else:
                    await bucket.download_file(entry.key, path, part_size=size, parallel=parts, progress=progress)
                return None

            await tally.each(entries, one, parallel, name=lambda entry: str(source._replace(key=entry.key)))

        # They might be what another download is in meanwhile.
        late: list[ObjectSummary] = []

        async def page(entries: list[ObjectSummary]) -> None:
            found = [each for each in entries if each.key[skip:]]
            late.extend(each for each in found if each.key.endswith(_PARTIAL))
            await get([each for each in found if not each.key.endswith(_PARTIAL)])

        await pages_below(bucket, source, page)
        for each in sorted(late, key=lambda each: len(each.key)):
            await get([each])

    tally.run(str(source), lambda: connection.with_bucket(source.bucket, act))


def _size_and_time(path: Path) -> tuple[int, float]:
    found = path.stat()
    return found.st_size, found.st_mtime


def _is_there(path: Path, entry: ObjectSummary) -> bool:
    if not path.is_file():
        return False
    size, changed = _size_and_time(path)
    return size == entry.size and changed >= entry.last_modified


def _write(path: Path, content: Buffer) -> None:
    with writing(path) as file:
        file.write(content)


def _relative(key: str, skip: int) -> Path:
    """Return the path that the end of *key* means.

    Raises:
        OSError: it means none, or one that leads elsewhere.
    """
    parts = key[skip:].removesuffix("/").split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise OSError("it is no path of a file: get it by its name")
    return Path(*parts)
