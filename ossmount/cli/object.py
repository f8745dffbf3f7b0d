"""`ossmount object`: objects up, down, listed, copied, signed and removed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from ..options import parse_duration
from .connection import OBJECT, PAIR, PLACE, Connection, Name, Parsed, ServiceGroup, connected, one_line, print_json
from .console import moment
from .transfer import forbid_option, get, header_option, meta_option, parallel_option, put, version_option

if TYPE_CHECKING:
    from ..oss import Bucket, Client
    from ..wire.models import ObjectSummary

_ACLS = click.Choice(("default", "private", "public-read", "public-read-write"))
_DURATION = Parsed("duration", parse_duration)


@click.group(cls=ServiceGroup, name="object")
def object_() -> None:
    """Put, get, list, copy, sign and remove objects.

    An object is written oss://BUCKET/KEY or BUCKET/KEY.
    """


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

object_.add_command(get)
object_.add_command(put)


@connected(object_, "head", "ossmount object head oss://my-bucket/photo.jpg --json", many=True)
@click.argument("name", metavar="OBJECT", type=OBJECT)
@version_option
@_as_json
def head(connection: Connection, name: Name, version_id: str | None, as_json: bool) -> None:
    """Show everything about an object but its bytes."""
    found = connection.with_bucket(name.bucket, lambda bucket: bucket.head_object(name.key, version_id=version_id))
    if as_json:
        facts = asdict(found)
        print_json({**facts, "last_modified": moment(found.last_modified), "headers": dict(found.headers)})
        return
    width = max(map(len, found.headers), default=0)
    for header, value in sorted(found.headers.items()):
        click.echo(f"{one_line(header):<{width}}  {one_line(value)}")


# -- many ----------------------------------------------------------------------------------------------------------


@connected(
    object_,
    "ls",
    "ossmount object ls oss://my-bucket/photos/ -l",
    "ossmount object ls oss://my-bucket -r --json",
    many=True,
)
@click.argument("place", metavar="BUCKET[/PREFIX]", type=PLACE)
@click.option("-l", "--long", is_flag=True, help="Times, sizes, storage classes and ETags, too.")
@click.option("-r", "--recursive", is_flag=True, help="All keys, not only those up to the next slash.")
@_as_json
def ls(connection: Connection, place: Name, long: bool, recursive: bool, as_json: bool) -> None:
    """List the keys that begin with PREFIX; what is behind a further slash is summed up."""

    async def act(bucket: Bucket) -> None:
        between = "[\n  "
        async for entry in bucket.iter_objects(place.key, delimiter="" if recursive else "/"):
            if as_json:
                click.echo(between + json.dumps(_plain(entry)), nl=False)
                between = ",\n  "
            else:
                click.echo(_line(entry, long=long))
        if as_json:
            click.echo("[]" if between.startswith("[") else "\n]")

    connection.with_bucket(place.bucket, act)


def _plain(entry: ObjectSummary | str) -> dict[str, Any]:
    if isinstance(entry, str):
        return {"prefix": entry}
    return {**asdict(entry), "last_modified": moment(entry.last_modified)}


def _line(entry: ObjectSummary | str, *, long: bool) -> str:
    if isinstance(entry, str):
        return f"{'':<66} {one_line(entry)}" if long else one_line(entry)
    if not long:
        return one_line(entry.key)
    return (
        f"{moment(entry.last_modified)} {entry.size:>13} {entry.storage_class:<12} "
        f"{entry.etag[:18]:<18} {one_line(entry.key)}"
    )


@connected(
    object_,
    "rm",
    "ossmount object rm oss://my-bucket/photo.jpg",
    "ossmount object rm -r oss://my-bucket/photos",
    many=True,
)
@click.argument("names", metavar="OBJECT...", type=PLACE, nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Everything below OBJECT/ as well.")
@click.option("-f", "--force", is_flag=True, help="With -r, do not ask.")
@version_option
def rm(connection: Connection, names: tuple[Name, ...], recursive: bool, force: bool, version_id: str | None) -> None:
    """Remove objects; that one does not exist is no error.

    With -r, photos means the object photos and all of photos/, but not photos-2.
    """
    if version_id and (recursive or len(names) > 1):
        raise click.UsageError("--version-id is of one object")
    if not recursive and any(not name.key for name in names):
        raise click.UsageError("that is a bucket: use -r to remove all of its objects, `bucket rm` for the bucket")
    by_bucket: dict[str, list[str]] = {}
    for name in names:
        by_bucket.setdefault(name.bucket, []).append(name.key)
    if recursive and not force:
        places = ", ".join(map(str, names))
        click.confirm(f"Remove everything at and below {places}?", abort=True, err=True)
    for place, keys in by_bucket.items():

        async def act(bucket: Bucket, keys: list[str] = keys) -> int:
            if recursive:
                return await _remove_below(bucket, keys)
            if len(keys) == 1:
                await bucket.delete_object(keys[0], version_id=version_id)
            else:
                await bucket.delete_multiple_objects(keys)
            return len(keys)

        count = connection.with_bucket(place, act)
        if recursive:
            click.echo(f"{count} objects removed from {place}", err=True)


async def _remove_below(bucket: Bucket, keys: list[str]) -> int:
    count = 0
    for key in keys:
        batch: list[str] = []
        # A page is listed after the one before is gone, which is no matter: keys go on from a mark.
        async for entry in bucket.iter_objects(key):
            found = entry if isinstance(entry, str) else entry.key
            if key in ("", found) or key.endswith("/") or found.startswith(f"{key}/"):
                batch.append(found)
            if len(batch) == 1000:
                await bucket.delete_multiple_objects(batch, quiet=True)
                count += len(batch)
                batch = []
        if batch:
            await bucket.delete_multiple_objects(batch, quiet=True)
            count += len(batch)
    return count


@connected(
    object_,
    "cp",
    "ossmount object cp oss://my-bucket/a oss://my-bucket/b",
    "ossmount object cp oss://my-bucket/a oss://other-bucket/ --meta color=red",
)
@click.argument("source", metavar="OBJECT", type=OBJECT)
@click.argument("target", metavar="OBJECT", type=PLACE)
@parallel_option
@forbid_option
@meta_option
def cp(
    connection: Connection,
    source: Name,
    target: Name,
    parallel: int,
    forbid_overwrite: bool,
    meta: tuple[tuple[str, str], ...],
) -> None:
    """Copy an object of any size inside the service, with its headers, metadata and tags.

    With --meta, the copy has that metadata only.  Between this machine and a bucket: put and get.
    """
    name = target.below(PurePosixPath(source.key).name)

    async def act(client: Client) -> None:
        await client.bucket(name.bucket).copy(
            name.key,
            source.key,
            source_bucket=client.bucket(source.bucket),
            meta=dict(meta) if meta else None,
            forbid_overwrite=forbid_overwrite,
            parallel=parallel,
        )

    connection.with_client(act, name.bucket)


# -- about one -----------------------------------------------------------------------------------------------------


@connected(
    object_,
    "meta",
    "ossmount object meta oss://my-bucket/photo.jpg",
    "ossmount object meta oss://my-bucket/photo.jpg --set color=red --remove shape",
    "ossmount object meta oss://my-bucket/photo.jpg --header Cache-Control=no-cache",
    many=True,
)
@click.argument("name", metavar="OBJECT", type=OBJECT)
@click.option("--set", "changed", type=PAIR, multiple=True, metavar="NAME=VALUE", help="Set it.  Can be repeated.")
@click.option("--remove", multiple=True, metavar="NAME", help="Remove it.  Can be repeated.")
@click.option("--clear", is_flag=True, help="Remove all that is not set.")
@header_option
@_as_json
def meta(
    connection: Connection,
    name: Name,
    changed: tuple[tuple[str, str], ...],
    remove: tuple[str, ...],
    clear: bool,
    header: tuple[tuple[str, str], ...],
    as_json: bool,
) -> None:
    """Show or change user metadata and headers of an object; what is not named stays."""
    headers = dict(header)

    async def act(bucket: Bucket) -> dict[str, str]:
        found = (await bucket.head_object(name.key)).meta
        if not (changed or remove or clear or headers):
            return found
        gone = {each.lower() for each in remove}
        wanted = {} if clear else {each: value for each, value in found.items() if each.lower() not in gone}
        wanted |= {each.lower(): value for each, value in changed}
        await bucket.put_object_meta(name.key, wanted, headers=headers)
        return wanted

    said = connection.with_bucket(name.bucket, act)
    if as_json:
        print_json(said)
        return
    for each, value in said.items():
        click.echo(one_line(f"{each}={value}"))


@connected(
    object_,
    "acl",
    "ossmount object acl oss://my-bucket/photo.jpg",
    "ossmount object acl oss://my-bucket/photo.jpg public-read",
    many=True,
)
@click.argument("name", metavar="OBJECT", type=OBJECT)
@click.argument("acl", type=_ACLS, required=False)
def acl(connection: Connection, name: Name, acl: str | None) -> None:
    """Show who may read and write an object, or set it."""

    async def act(bucket: Bucket) -> str | None:
        if acl is None:
            return await bucket.get_object_acl(name.key)
        await bucket.put_object_acl(name.key, acl)
        return None

    said = connection.with_bucket(name.bucket, act)
    if said is not None:
        click.echo(said)


@connected(
    object_,
    "sign",
    "ossmount object sign oss://my-bucket/photo.jpg --expires 1d",
    "ossmount object sign oss://my-bucket/upload --method PUT --header Content-Type=text/plain",
)
@click.argument("name", metavar="OBJECT", type=OBJECT)
@click.option("--expires", type=_DURATION, default="1h", show_default=True, metavar="DURATION", help="For how long.")
@click.option("--method", type=click.Choice(("GET", "HEAD", "PUT", "POST", "DELETE")), default="GET", show_default=True)
@click.option("--process", default="", metavar="PROCESS", help="What is done to a picture, as image/resize,w_200.")
@click.option(
    "--response", type=PAIR, multiple=True, metavar="NAME=VALUE", help="A header of the answer.  Can be repeated."
)
@header_option
@version_option
def sign(
    connection: Connection,
    name: Name,
    expires: float,
    method: str,
    process: str,
    response: tuple[tuple[str, str], ...],
    header: tuple[tuple[str, str], ...],
    version_id: str | None,
) -> None:
    """Print a URL with which anybody can do something to an object for some time.

    Each --header must be sent with it as it is signed.
    """
    url = connection.with_bucket(
        name.bucket,
        lambda bucket: bucket.presign(
            name.key,
            method=method,
            expires=int(expires),
            process=process,
            response=dict(response),
            headers=dict(header),
            version_id=version_id,
        ),
    )
    click.echo(url)


@connected(object_, "url", "ossmount object url oss://my-bucket/photo.jpg --base https://cdn.example.com")
@click.argument("name", metavar="OBJECT", type=OBJECT)
@click.option("--base", default="", metavar="URL", help="Of a CDN or a domain of your own, instead of the service's.")
def url(connection: Connection, name: Name, base: str) -> None:
    """Print the URL of an object, which is not signed."""

    async def act(bucket: Bucket) -> str:
        return bucket.object_url(name.key, base)

    click.echo(connection.with_bucket(name.bucket, act))


@connected(object_, "restore", "ossmount object restore oss://my-bucket/old --days 3", many=True)
@click.argument("name", metavar="OBJECT", type=OBJECT)
@click.option("--days", type=click.IntRange(min=1), default=1, show_default=True, help="For how long it is readable.")
@click.option("--tier", type=click.Choice(("Expedited", "Standard", "Bulk")), help="How fast, for cold archives.")
@version_option
def restore(connection: Connection, name: Name, days: int, tier: str | None, version_id: str | None) -> None:
    """Make an archived object readable; `head` tells when it is."""
    ready = connection.with_bucket(
        name.bucket,
        lambda bucket: bucket.restore_object(name.key, days=days, tier=tier or "", version_id=version_id),
    )
    click.echo("it is readable already; it stays so" if ready else "it is being restored")


# -- uploads -------------------------------------------------------------------------------------------------------


@connected(object_, "uploads", "ossmount object uploads oss://my-bucket --json")
@click.argument("place", metavar="BUCKET[/PREFIX]", type=PLACE)
@_as_json
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


@connected(
    object_,
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

    async def act(bucket: Bucket) -> int:
        if upload_id:
            await bucket.abort_multipart_upload(place.key, upload_id)
            return 1
        found = [each async for each in bucket.iter_multipart_uploads(place.key)]
        for each in found:
            await bucket.abort_multipart_upload(each.key, each.upload_id)
        return len(found)

    count = connection.with_bucket(place.bucket, act)
    if every:
        click.echo(f"{count} uploads aborted", err=True)
