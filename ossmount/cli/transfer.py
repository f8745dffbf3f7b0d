"""`ossmount object put` and `get`: bytes between this machine and a bucket, with a progress bar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .connection import Connection, make
from .console import progress_bar
from .directories import get_directory, put_directory
from .files import Stream, destination, is_special, reading, save
from .parameters import (
    PLACE,
    Name,
    Number,
    Parsed,
    attribute_options,
    check_recursive,
    checkpoint_option,
    condition_options,
    forbid_option,
    object_argument,
    parallel_option,
    part_size_option,
    place_argument,
    process_option,
    recursive_option,
    update_option,
    version_option,
)
from .running import one_line

if TYPE_CHECKING:
    from ..oss import Bucket
    from ..wire.callback import Callback
    from ..wire.models import PutObjectResult

_MIB = 1 << 20


def _callback(text: str) -> Callback:
    from ..wire.callback import Callback
    from ..wire.plain import from_plain

    try:
        said = json.loads(text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8"))
    except ValueError as exc:
        raise ValueError(f"no JSON: {exc}") from None
    callback = from_plain(Callback, said)
    # So that what is not possible is said before anything is sent.
    callback.headers()
    return callback


@make(
    "put",
    "ossmount object put photo.jpg oss://my-bucket/photos/",
    "ossmount object put big.iso oss://my-bucket/big.iso --parallel 8 --checkpoint big.checkpoint",
    "tar c . | ossmount object put - oss://my-bucket/backup.tar",
    "ossmount object put -r photos oss://my-bucket/",
    "ossmount object put -r -u photos oss://my-bucket/",
    'ossmount object put a.jpg oss://my-bucket/ --callback \'{"url": "https://example.com/new", "body": "${object}"}\'',
)
@click.argument("file", metavar="FILE|-")
@click.argument("target", metavar="OBJECT", type=PLACE)
@recursive_option("FILE is a directory: all files below it.")
@update_option
@parallel_option
@part_size_option
@checkpoint_option
@forbid_option
@click.option(
    "--callback",
    type=Parsed("callback", _callback),
    metavar="JSON|FILE",
    help="Whom the service shall tell: url, body and, if need be, host, body_type, variables.",
)
@attribute_options
def put(
    connection: Connection,
    file: str,
    target: Name,
    recursive: bool,
    update: bool,
    checkpoint: Path | None,
    callback: Callback | None,
    part_size: int | None,
    **options: Any,
) -> None:
    """Make an object of FILE, or of standard input for -.

    If OBJECT is a bucket or ends with a slash, the file's name is added; with -r that of the directory, unless it is
    written with a slash at its end.  An object that is there is replaced.  An upload that fails leaves no parts behind,
    unless there is a checkpoint to go on from.  With --callback, what the application answered is printed.

    With -r, a file that fails is told, and the others are uploaded all the same; to do the rest later, add -u.
    """
    check_recursive(recursive, update=update, checkpoint=checkpoint, callback=callback)
    if recursive:
        put_directory(connection, file, target, update=update, part_size=part_size, **options)
        return
    if Path(file).is_dir():
        raise click.UsageError(f"{file} is a directory: use -r for all of its files")
    is_stream = file == "-" or is_special(Path(file))
    if is_stream and checkpoint:
        raise click.UsageError("what is no file cannot be read again: no --checkpoint")
    name = target.below("" if is_stream else Path(file).name)

    async def act(bucket: Bucket) -> PutObjectResult:
        with progress_bar(str(name)) as progress:
            if is_stream:
                with reading(file) as source:
                    return await bucket.upload_stream(
                        name.key,
                        Stream(source),
                        part_size=part_size or 8 * _MIB,
                        progress=lambda done: progress(done, None),
                        callback=callback,
                        **options,
                    )
            return await bucket.upload_file(
                name.key,
                Path(file),
                part_size=part_size,
                progress=progress,
                checkpoint=checkpoint,
                callback=callback,
                **options,
            )

    result = connection.with_bucket(name.bucket, act)
    if callback is not None:
        click.echo(one_line(result.callback.decode(errors="replace")))


@make(
    "append",
    "date | ossmount object append - oss://my-bucket/logs/today",
    "ossmount object append more.log oss://my-bucket/logs/today --position 1024",
)
@click.argument("file", metavar="FILE|-")
@object_argument
@click.option("--position", type=Number(min=0), metavar="N", help="Only if the object is N bytes long.  [default: any]")
@attribute_options
def append(
    connection: Connection, file: str, name: Name, position: int | None, headers: dict[str, str], meta: dict[str, str]
) -> None:
    """Append FILE, or standard input for -, to an object that was made so, or make one.

    Metadata and headers count only when it makes the object.  If it fails in the middle, what was appended before
    stays.
    """

    async def act(bucket: Bucket) -> None:
        from ..oss.sources import content_type_of
        from ..oss.streaming import Cutter
        from ..wire.errors import NoSuchKey

        at, crc64 = position, None
        if at is None:
            try:
                head = await bucket.head_object(name.key)
            except NoSuchKey:
                at = 0
            else:
                at, crc64 = head.next_append_position or head.size, head.crc64
        headers.setdefault("content-type", content_type_of(name.key))
        with progress_bar(str(name)) as progress, reading(file) as source:
            cutter = Cutter(Stream(source))
            first = at
            while True:
                piece = await cutter.take(8 * _MIB)
                done = await bucket.append_object(name.key, at, piece, headers=headers, meta=meta, crc64=crc64)
                at, crc64 = done.next_position, done.crc64
                progress(at - first, None)
                if await cutter.is_at_end():
                    return

    connection.with_bucket(name.bucket, act)


def _range(text: str) -> tuple[int | None, int | None]:
    first, dash, last = text.partition("-")
    if not dash or not first.isdecimal() or (last and not last.isdecimal()):
        raise ValueError("expected FIRST-LAST or FIRST-")
    if last and int(last) < int(first):
        raise ValueError("the last byte is before the first")
    return int(first), int(last) + 1 if last else None


@make(
    "get",
    "ossmount object get oss://my-bucket/photos/photo.jpg .",
    "ossmount object get oss://my-bucket/backup.tar | tar t",
    "ossmount object get oss://my-bucket/log --range 0-1023",
    "ossmount object get -r oss://my-bucket/photos .",
)
@place_argument
@click.argument("file", metavar="[FILE|-]", required=False)
@recursive_option("Everything below OBJECT/ as well, to the directory FILE.")
@update_option
@parallel_option
@part_size_option
@checkpoint_option
@version_option
@click.option("--range", "span", type=Parsed("range", _range), metavar="FIRST-LAST", help="Only these bytes.")
@process_option
@condition_options
def get(
    connection: Connection,
    name: Name,
    file: str | None,
    recursive: bool,
    update: bool,
    parallel: int,
    part_size: int | None,
    checkpoint: Path | None,
    version_id: str | None,
    span: tuple[int | None, int | None] | None,
    process: str,
    conditions: dict[str, Any],
) -> None:
    """Write an object to FILE, which appears when it is complete, or to standard output.

    If FILE is a directory or ends with a slash, the object's name is added.  A file that is there is replaced, and
    directories are made as they are needed.

    With -r the last part of OBJECT is the name of a directory in FILE, unless it ends with a slash or is a bucket.  An
    object that fails is told, and the others are written all the same; to do the rest later, add -u.
    """
    name.check(
        recursive,
        update=update,
        checkpoint=checkpoint,
        version_id=version_id,
        range=span,
        process=process,
        **conditions,
    )
    if recursive:
        if file == "-":
            raise click.UsageError("-r writes to a directory, not to standard output")
        get_directory(connection, name, Path(file or "."), update=update, parallel=parallel, part_size=part_size)
        return
    path = destination(file, name.key)
    in_parts = path is not None and not is_special(path) and span is None and not process
    if (checkpoint or part_size) and not in_parts:
        raise click.UsageError("only a whole object goes in parts, and only to a file: no --checkpoint, no --part-size")

    async def act(bucket: Bucket) -> None:
        if path is not None and in_parts:
            etag = conditions.get("if_match")
            if conditions.keys() - {"if_match"}:
                etag = (await bucket.head_object(name.key, version_id=version_id, **conditions)).etag
            with progress_bar(str(name)) as progress:
                await bucket.download_file(
                    name.key,
                    path,
                    part_size=part_size or 8 * _MIB,
                    parallel=parallel,
                    progress=progress,
                    checkpoint=checkpoint,
                    if_match=etag,
                    version_id=version_id,
                )
            return
        start, stop = span or (None, None)
        opened = bucket.open_object(
            name.key, start=start, stop=stop, version_id=version_id, process=process or None, **conditions
        )
        await save(opened, path, str(name))

    connection.with_bucket(name.bucket, act)
