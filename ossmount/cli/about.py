"""The commands of `ossmount object` about one: its head, metadata, tags, ACL, where it points, URLs, restoring."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..wire.limits import MAX_RESTORE_DAYS
from .below import each_below
from .connection import Connection, make, print_json
from .console import moment
from .parameters import (
    OBJECT,
    Name,
    Number,
    acl_type,
    attribute_options,
    condition_options,
    expires_option,
    forbid_option,
    header_option,
    json_option,
    object_argument,
    pairs,
    parallel_option,
    place_argument,
    process_option,
    recursive_option,
    version_option,
)
from .running import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..oss import Bucket

_recursive = recursive_option("Change everything below OBJECT/ as well.")
_remove = click.option("--remove", multiple=True, metavar="NAME", help="Remove it.  Can be repeated.")
_clear = click.option("--clear", is_flag=True, help="Remove all that is not set.")


@make("head", "ossmount object head oss://my-bucket/photo.jpg --json")
@object_argument
@version_option
@condition_options
@json_option
def head(connection: Connection, name: Name, version_id: str | None, conditions: dict[str, Any], as_json: bool) -> None:
    """Show everything about an object but its bytes."""
    found = connection.with_bucket(
        name.bucket, lambda bucket: bucket.head_object(name.key, version_id=version_id, **conditions)
    )
    if as_json:
        facts = asdict(found)
        print_json({**facts, "last_modified": moment(found.last_modified), "headers": dict(found.headers)})
        return
    width = max(map(len, found.headers), default=0)
    for header, value in sorted(found.headers.items()):
        click.echo(f"{one_line(header):<{width}}  {one_line(value)}")


@make(
    "meta",
    "ossmount object meta oss://my-bucket/photo.jpg",
    "ossmount object meta oss://my-bucket/photo.jpg --set color=red --remove shape",
    "ossmount object meta oss://my-bucket/photo.jpg --header Cache-Control=no-cache",
    "ossmount object meta -r oss://my-bucket/site/ --header Cache-Control=no-cache",
)
@place_argument
@_recursive
@parallel_option
@pairs("--set", "changed", "Set it.")
@_remove
@_clear
@header_option
@json_option
def meta(
    connection: Connection,
    name: Name,
    recursive: bool,
    parallel: int,
    changed: dict[str, str],
    remove: tuple[str, ...],
    clear: bool,
    headers: dict[str, str],
    as_json: bool,
) -> None:
    """Show or change user metadata and headers of an object; what is not named stays."""

    name.check(recursive)
    gone = {each.lower() for each in remove}
    changes = bool(changed or remove or clear or headers)

    async def act(bucket: Bucket, key: str) -> dict[str, str]:
        found = (await bucket.head_object(key)).meta
        if not changes:
            return found
        wanted = {} if clear else {each: value for each, value in found.items() if each.lower() not in gone}
        wanted |= {each.lower(): value for each, value in changed.items()}
        await bucket.put_object_meta(key, wanted, headers=headers)
        return wanted

    _show_or_change(connection, name, act, changes=changes, recursive=recursive, parallel=parallel, as_json=as_json)


@make(
    "acl",
    "ossmount object acl oss://my-bucket/photo.jpg",
    "ossmount object acl oss://my-bucket/photo.jpg public-read",
    "ossmount object acl -r oss://my-bucket/site/ public-read",
)
@place_argument
@click.argument("acl", type=acl_type, required=False)
@_recursive
@parallel_option
@version_option
def acl(
    connection: Connection, name: Name, acl: str | None, recursive: bool, parallel: int, version_id: str | None
) -> None:
    """Show who may read and write an object, or set it."""
    name.check(recursive, version_id=version_id)

    async def act(bucket: Bucket, key: str) -> str | None:
        if acl is None:
            return await bucket.get_object_acl(key, version_id=version_id)
        await bucket.put_object_acl(key, acl, version_id=version_id)
        return None

    if recursive:
        if acl is None:
            raise click.UsageError("name the ACL that all objects shall have")
        each_below(connection, name, f"made {acl}", act, parallel=parallel)
        return
    said = connection.with_bucket(name.bucket, lambda bucket: act(bucket, name.key))
    if said is not None:
        click.echo(said)


@make(
    "tag",
    "ossmount object tag oss://my-bucket/photo.jpg",
    "ossmount object tag oss://my-bucket/photo.jpg --set project=x --remove draft",
)
@place_argument
@_recursive
@parallel_option
@pairs("--set", "changed", "Set it.")
@_remove
@_clear
@version_option
@json_option
def tag(
    connection: Connection,
    name: Name,
    recursive: bool,
    parallel: int,
    changed: dict[str, str],
    remove: tuple[str, ...],
    clear: bool,
    version_id: str | None,
    as_json: bool,
) -> None:
    """Show or change the tags of an object, of which there are up to 10; what is not named stays."""
    name.check(recursive, version_id=version_id)
    changes = bool(changed or remove or clear)

    async def act(bucket: Bucket, key: str) -> dict[str, str]:
        found = {} if clear else await bucket.get_object_tagging(key, version_id=version_id)
        if not changes:
            return found
        wanted = {each: value for each, value in found.items() if each not in remove} | changed
        if wanted:
            await bucket.put_object_tagging(key, wanted, version_id=version_id)
        else:
            await bucket.delete_object_tagging(key, version_id=version_id)
        return wanted

    _show_or_change(connection, name, act, changes=changes, recursive=recursive, parallel=parallel, as_json=as_json)


def _show_or_change(
    connection: Connection,
    name: Name,
    act: Callable[[Bucket, str], Awaitable[dict[str, str]]],
    *,
    changes: bool,
    recursive: bool,
    parallel: int,
    as_json: bool,
) -> None:
    """Do *act*, which makes *changes* or none, with all below *name*, or with one object, and print what it returns."""
    if recursive:
        if not changes:
            raise click.UsageError("say what to change: --set, --remove or --clear")
        each_below(connection, name, "changed", act, parallel=parallel)
        return
    said = connection.with_bucket(name.bucket, lambda bucket: act(bucket, name.key))
    if as_json:
        print_json(said)
        return
    for each, value in said.items():
        click.echo(one_line(f"{each}={value}"))


@make(
    "symlink",
    "ossmount object symlink oss://my-bucket/latest",
    "ossmount object symlink oss://my-bucket/latest releases/2.tar",
)
@object_argument
@click.argument("target", metavar="[KEY]", required=False)
@forbid_option
@attribute_options
@json_option
def symlink(
    connection: Connection,
    name: Name,
    target: str | None,
    forbid_overwrite: bool,
    headers: dict[str, str],
    meta: dict[str, str],
    as_json: bool,
) -> None:
    """Show where a symlink points, or make OBJECT one that points at KEY of the same bucket.

    There need be no such object as KEY.
    """
    if target is None and (forbid_overwrite or meta or headers):
        raise click.UsageError("name the KEY that it shall point at")
    if target is not None and target.startswith("oss://"):
        place = OBJECT.convert(target, None, None)
        if place.bucket != name.bucket:
            raise click.UsageError(f"a symlink points at a key of its own bucket, which is {name.bucket}")
        target = place.key

    async def act(bucket: Bucket) -> str | None:
        if target is None:
            return (await bucket.get_symlink(name.key)).target
        await bucket.put_symlink(name.key, target, headers=headers, meta=meta, forbid_overwrite=forbid_overwrite)
        return None

    said = connection.with_bucket(name.bucket, act)
    if said is not None and as_json:
        print_json({"target": said})
    elif said is not None:
        click.echo(one_line(said))


@make(
    "sign",
    "ossmount object sign oss://my-bucket/photo.jpg --expires 1d",
    "ossmount object sign oss://my-bucket/upload --method PUT --header Content-Type=text/plain",
)
@object_argument
@expires_option("1h")
@click.option(
    "--method",
    type=click.Choice(("GET", "HEAD", "PUT", "POST", "DELETE")),
    default="GET",
    show_default=True,
    help="What can be done with it.",
)
@process_option
@pairs("--response", "response", "A header of the answer.")
@pairs("--query", "query", "What else to ask for, such as x-oss-traffic-limit=819200.")
@header_option
@version_option
def sign(
    connection: Connection,
    name: Name,
    expires: float,
    method: str,
    process: str,
    response: dict[str, str],
    query: dict[str, str],
    headers: dict[str, str],
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
            response=response,
            parameters=query,
            headers=headers,
            version_id=version_id,
        ),
    )
    click.echo(url)


@make("url", "ossmount object url oss://my-bucket/photo.jpg --base https://cdn.example.com")
@object_argument
@click.option("--base", default="", metavar="URL", help="Of a CDN or a domain of your own, instead of the service's.")
def url(connection: Connection, name: Name, base: str) -> None:
    """Print the URL of an object, which is not signed."""

    async def act(bucket: Bucket) -> str:
        return bucket.object_url(name.key, base)

    click.echo(connection.with_bucket(name.bucket, act))


@make(
    "restore",
    "ossmount object restore oss://my-bucket/old --days 3",
    "ossmount object restore -r oss://my-bucket/archive/ --tier Bulk",
)
@place_argument
@recursive_option("All archived objects below OBJECT/ as well.")
@parallel_option
@click.option(
    "--days",
    type=Number(1, MAX_RESTORE_DAYS),
    default=1,
    show_default=True,
    metavar="N",
    help="For how long it is readable.",
)
@click.option("--tier", type=click.Choice(("Expedited", "Standard", "Bulk")), help="How fast, for cold archives.")
@version_option
def restore(
    connection: Connection,
    name: Name,
    recursive: bool,
    parallel: int,
    days: int,
    tier: str | None,
    version_id: str | None,
) -> None:
    """Make an archived object readable; `head` tells when it is."""
    name.check(recursive, version_id=version_id)

    async def act(bucket: Bucket, key: str) -> bool:
        from ..wire.errors import RestoreAlreadyInProgress

        try:
            return await bucket.restore_object(key, days=days, tier=tier or "", version_id=version_id)
        except RestoreAlreadyInProgress:
            if not recursive:
                raise
            return False

    if recursive:
        said = "being restored, or readable already"
        each_below(
            connection, name, said, act, parallel=parallel, only=lambda each: each.storage_class.endswith("Archive")
        )
        return
    ready = connection.with_bucket(name.bucket, lambda bucket: act(bucket, name.key))
    click.echo("it is readable already; it stays so" if ready else "it is being restored")
