"""`ossmount object`: objects up, down, listed, copied, signed and removed."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from . import about, transfer
from .below import is_below, is_there, pages_below
from .connection import Connection, ServiceGroup, make, print_json
from .console import Failure, Interrupted, moment
from .parameters import (
    PLACE,
    Name,
    Number,
    attribute_options,
    condition_options,
    forbid_option,
    json_option,
    parallel_option,
    prefix_argument,
    recursive_option,
    update_option,
    version_option,
)
from .running import one_line
from .tally import SKIPPED, Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ..oss import Bucket
    from ..wire.models import ObjectSummary, UploadInfo
    from ..wire.versions import ObjectVersion


@make(
    "ls",
    "ossmount object ls oss://my-bucket/photos/ -l",
    "ossmount object ls oss://my-bucket -r --json",
    "ossmount object ls oss://my-bucket/photo.jpg --versions",
)
@prefix_argument
@click.option("-l", "--long", is_flag=True, help="Times, sizes, storage classes and ETags, too.")
@click.option("-r", "--recursive", is_flag=True, help="All keys, not only those up to the next slash.")
@click.option("--versions", is_flag=True, help="All versions of all keys, with their ids, and delete markers.")
@click.option("--start-after", default="", metavar="KEY", help="Only keys behind this one, in the order of bytes.")
@click.option("--limit", type=Number(min=1), metavar="N", help="At most N of them.")
@json_option
def ls(
    connection: Connection,
    place: Name,
    long: bool,
    recursive: bool,
    versions: bool,
    start_after: str,
    limit: int | None,
    as_json: bool,
) -> None:
    """List the keys that begin with PREFIX; what is behind a further slash is summed up."""

    async def act(bucket: Bucket) -> None:
        entries: AsyncIterator[ObjectSummary | ObjectVersion | str]
        if versions:
            entries = bucket.iter_object_versions(place.key, key_marker=start_after)
        else:
            entries = bucket.iter_objects(
                place.key,
                delimiter="" if recursive else "/",
                start_after=start_after,
                max_keys=min(limit or 1000, 1000),
            )
        between = "[\n  "
        count = 0
        async for entry in entries:
            if as_json:
                click.echo(between + json.dumps(_plain(entry)), nl=False)
                between = ",\n  "
            else:
                click.echo(_line(entry, long=long))
            count += 1
            if count == limit:
                break
        if as_json:
            click.echo("[]" if between.startswith("[") else "\n]")

    connection.with_bucket(place.bucket, act)


def _plain(entry: ObjectSummary | ObjectVersion | str) -> dict[str, Any]:
    if isinstance(entry, str):
        return {"prefix": entry}
    return {**asdict(entry), "last_modified": moment(entry.last_modified)}


def _line(entry: ObjectSummary | ObjectVersion | str, *, long: bool) -> str:
    from ..wire.models import ObjectSummary

    if isinstance(entry, str):
        return f"{'':<84} {one_line(entry)}" if long else one_line(entry)
    shown = one_line(entry.key)
    if not isinstance(entry, ObjectSummary):
        marks = ("  (latest)" if entry.is_latest else "") + ("  (deleted)" if entry.is_delete_marker else "")
        shown = f"{entry.version_id:<64}  {shown}{marks}"
    if not long:
        return shown
    return f"{moment(entry.last_modified)} {entry.size:>13} {entry.storage_class:<12} {entry.etag:<36} {shown}"


@make(
    "rm",
    "ossmount object rm oss://my-bucket/photo.jpg",
    "ossmount object rm -r oss://my-bucket/photos",
)
@click.argument("names", metavar="OBJECT...", type=PLACE, nargs=-1, required=True)
@recursive_option()
@click.option("-f", "--force", is_flag=True, help="With -r, do not ask.")
@click.option("--all-versions", is_flag=True, help="With -r, older versions and delete markers too: for good.")
@version_option
def rm(
    connection: Connection,
    names: tuple[Name, ...],
    recursive: bool,
    force: bool,
    all_versions: bool,
    version_id: str | None,
) -> None:
    """Remove objects; that one does not exist is no error.

    With -r, photos means the object photos and all of photos/, but not photos-2.  An object that cannot be removed is
    told, and the others are removed all the same.
    """
    if all_versions and not recursive:
        raise click.UsageError("--all-versions needs -r")
    if version_id and (recursive or len(names) > 1):
        raise click.UsageError("of one object only: --version-id")
    if not recursive and any(not name.key for name in names):
        raise click.UsageError("that is a bucket: use -r to remove all of its objects, `bucket rm` for the bucket")
    if recursive and not force:
        places = ", ".join(map(str, names))
        what = "every version of everything" if all_versions else "everything"
        try:
            click.confirm(f"Remove {what} at and below {places}?", abort=True, err=True)
        except click.Abort:
            raise Failure("nothing is removed; with --force, nobody is asked") from None
    by_bucket: dict[str, list[str]] = {}
    for name in names:
        by_bucket.setdefault(name.bucket, []).append(name.key)
    if not recursive and len(names) == 1:
        connection.with_bucket(
            names[0].bucket, lambda bucket: bucket.delete_object(names[0].key, version_id=version_id)
        )
        return
    failures: list[Failure] = []
    for place, keys in by_bucket.items():
        tally = Tally(f"removed from {place}", "version" if all_versions else "object")
        if all_versions:
            act = partial(_remove_versions_below, tally=tally, keys=keys)
        elif recursive:
            act = partial(_remove_below, tally=tally, keys=keys)
        else:
            act = partial(_remove, tally=tally, entries=[(key, None) for key in keys])
        try:
            tally.run(f"oss://{place}", partial(connection.with_bucket, place, act))
        except Interrupted:
            raise
        except Failure as exc:
            failures.append(exc)
    for failure in failures[:-1]:
        failure.show()
    if failures:
        raise failures[-1]


async def _remove(bucket: Bucket, tally: Tally, entries: Sequence[tuple[str, str | None]]) -> None:
    """Remove *entries*, each a key and the id of a version or None, at once if that can be."""
    from ..wire.failures import OSSError

    if len(entries) > 1:
        try:
            if entries[0][1] is None:
                await bucket.delete_multiple_objects([key for key, _ in entries])
            else:
                await bucket.delete_multiple_versions(entries)
        except OSSError:
            pass  # who of them cannot be removed?
        else:
            tally.done += len(entries)
            return

    async def one(entry: tuple[str, str | None]) -> None:
        await bucket.delete_object(entry[0], version_id=entry[1])

    await tally.each(entries, one, 5, name=lambda entry: str(Name(bucket.name, entry[0])))


async def _remove_below(bucket: Bucket, tally: Tally, keys: list[str]) -> None:
    for place in keys:
        # A page is listed after the one before is gone, which is no matter: keys go on from a mark.
        async for page in bucket.list_pages(place):
            await _remove(bucket, tally, [(each.key, None) for each in page.objects if is_below(each.key, place)])


async def _remove_versions_below(bucket: Bucket, tally: Tally, keys: list[str]) -> None:
    for place in keys:
        batch: list[tuple[str, str | None]] = []
        async for each in bucket.iter_object_versions(place):
            if is_below(each.key, place):
                batch.append((each.key, each.version_id))
            if len(batch) == 1000:
                await _remove(bucket, tally, batch)
                batch = []
        await _remove(bucket, tally, batch)


@make(
    "cp",
    "ossmount object cp oss://my-bucket/a oss://my-bucket/b",
    "ossmount object cp oss://my-bucket/a oss://other-bucket/ --meta color=red",
    "ossmount object cp oss://my-bucket/a oss://my-bucket/a --storage-class IA",
    "ossmount object cp oss://my-bucket/a oss://my-bucket/a --version-id CAEQ...",
    "ossmount object cp -r oss://my-bucket/photos oss://other-bucket/backup/",
    "ossmount object cp -r oss://my-bucket/old/ oss://my-bucket/old/ --storage-class IA",
)
@click.argument("source", metavar="OBJECT", type=PLACE)
@click.argument("target", metavar="OBJECT", type=PLACE)
@recursive_option()
@update_option
@parallel_option
@forbid_option
@version_option
@condition_options
@attribute_options
def cp(
    connection: Connection,
    source: Name,
    target: Name,
    recursive: bool,
    update: bool,
    parallel: int,
    forbid_overwrite: bool,
    version_id: str | None,
    conditions: dict[str, Any],
    headers: dict[str, str],
    meta: dict[str, str],
) -> None:
    """Copy an object of any size inside the service, with its headers, metadata and tags.

    If the second is a bucket or ends with a slash, the name of the first is added; with -r a bucket, or what ends with
    a slash, has none: then what is below it is copied.

    The ACL is not copied, but what is copied onto itself keeps it.
    With --meta, the copy has that metadata only.  Conditions are about the source.  Between this machine and a bucket:
    put and get.

    With -r, an object that fails is told, and the others are copied all the same; to do the rest later, add -u.
    """
    source.check(recursive, update=update, version_id=version_id, **conditions)
    if not recursive:
        name = target.below(PurePosixPath(source.key).name)
    elif not source.is_whole:
        name = target.below(source.key.rpartition("/")[2])
    else:
        name = target if target.is_whole else target._replace(key=f"{target.key}/")
    is_itself = name == source and bool(headers or meta)
    if recursive and name.bucket == source.bucket and is_below(name.key, source.key) and not is_itself:
        raise click.UsageError(f"{name} is below {source}: that would be copied into itself")

    def target_of(key: str) -> str:
        return name.key + key.removeprefix(source.key)

    async def copy(bucket: Bucket, key: str, *, parts: int = 1) -> object:
        async def act(member: Bucket) -> object:
            return await member.copy(
                target_of(key),
                key,
                source_bucket=member.client.bucket(source.bucket),
                meta=meta or None,
                changes=headers,
                forbid_overwrite=forbid_overwrite,
                parallel=parts,
                source_version_id=version_id,
                **conditions,
            )

        return await bucket.everywhere("CopyObject", act)

    async def copy_all(bucket: Bucket) -> None:
        async def one(entry: ObjectSummary) -> object:
            if update and await is_there(bucket, target_of(entry.key), entry.size, entry.last_modified):
                return SKIPPED
            return await copy(bucket, entry.key)

        async def page(found: list[ObjectSummary]) -> None:
            # The marker of a directory has no name in another bucket's root.
            named = [each for each in found if target_of(each.key)]
            await tally.each(named, one, parallel, name=lambda entry: str(source._replace(key=entry.key)))

        async with connection.opened(source.bucket) as origin:
            await pages_below(origin, source, page)

    if not recursive:
        connection.with_bucket(name.bucket, lambda bucket: copy(bucket, source.key, parts=parallel))
        return
    tally = Tally(f"copied to {name}")
    tally.run(str(source), partial(connection.with_bucket, name.bucket, copy_all))


# -- uploads -------------------------------------------------------------------------------------------------------


@make("uploads", "ossmount object uploads oss://my-bucket --json")
@prefix_argument
@json_option
def uploads(connection: Connection, place: Name, as_json: bool) -> None:
    """List the uploads in parts that are not completed; their parts cost money."""

    async def act(bucket: Bucket) -> list[Any]:
        return [each async for each in bucket.iter_multipart_uploads(place.key)]

    found = connection.with_bucket(place.bucket, act)
    if as_json:
        print_json([{**asdict(each), "initiated": moment(each.initiated)} for each in found])
        return
    for each in found:
        click.echo(f"{moment(each.initiated)}  {each.upload_id}  {one_line(each.key)}")


@make(
    "abort",
    "ossmount object abort oss://my-bucket/big.iso 0004B9894A22E5B1888A1E29F8236E2D",
    "ossmount object abort oss://my-bucket/tmp/ --all",
)
@click.argument("place", metavar="OBJECT", type=PLACE)
@click.argument("upload_id", required=False)
@click.option("--all", "every", is_flag=True, help="All uploads of keys that begin with OBJECT.")
def abort(connection: Connection, place: Name, upload_id: str | None, every: bool) -> None:
    """Abort an upload in parts, and remove its parts."""
    if every == bool(upload_id):
        raise click.UsageError("give an UPLOAD_ID (see: ossmount object uploads), or --all")
    if upload_id and not place.key:
        raise click.UsageError(f"{place} names no object")

    if upload_id:
        connection.with_bucket(place.bucket, lambda bucket: bucket.abort_multipart_upload(place.key, upload_id))
        return
    tally = Tally("aborted", "upload")

    async def act(bucket: Bucket) -> None:
        from ..wire.errors import NoSuchUpload

        async def one(upload: UploadInfo) -> None:
            with suppress(NoSuchUpload):  # it was completed meanwhile, or is listed by another endpoint as well
                await bucket.abort_multipart_upload(upload.key, upload.upload_id)

        found = [each async for each in bucket.iter_multipart_uploads(place.key)]
        await tally.each(found, one, 5, name=lambda upload: str(place._replace(key=upload.key)))

    tally.run(str(place), partial(connection.with_bucket, place.bucket, act))


@click.group(cls=ServiceGroup, name="object")
def object_() -> None:
    """Put, get, list, copy, sign and remove objects.

    An object is written oss://BUCKET/KEY or BUCKET/KEY.
    """


object_.add_section("Bytes up and down", transfer.put, transfer.get, transfer.append)
object_.add_section("Many objects", ls, cp, rm)
object_.add_section(
    "About an object", about.head, about.meta, about.tag, about.acl, about.symlink, about.restore, about.sign, about.url
)
object_.add_section("Unfinished uploads", uploads, abort)
