"""The commands of `ossmount object` about one: its head, metadata, tags, ACL, where it points, URLs, restoring."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..options import parse_duration
from .conditions import condition_options
from .connection import OBJECT, PAIR, Connection, Name, Parsed, make, print_json
from .console import moment
from .running import one_line
from .transfer import ACLS, forbid_option, header_option, meta_option, version_option

if TYPE_CHECKING:
    from ..oss import Bucket

_DURATION = Parsed("duration", parse_duration)

_named = click.argument("name", metavar="OBJECT", type=OBJECT)
_set = click.option(
    "--set", "changed", type=PAIR, multiple=True, metavar="NAME=VALUE", help="Set it.  Can be repeated."
)
_remove = click.option("--remove", multiple=True, metavar="NAME", help="Remove it.  Can be repeated.")
_clear = click.option("--clear", is_flag=True, help="Remove all that is not set.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@make("head", "ossmount object head oss://my-bucket/photo.jpg --json")
@_named
@version_option
@condition_options
@_as_json
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
)
@_named
@_set
@_remove
@_clear
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

    _print_pairs(connection.with_bucket(name.bucket, act), as_json=as_json)


@make(
    "acl",
    "ossmount object acl oss://my-bucket/photo.jpg",
    "ossmount object acl oss://my-bucket/photo.jpg public-read",
)
@_named
@click.argument("acl", type=ACLS, required=False)
@version_option
def acl(connection: Connection, name: Name, acl: str | None, version_id: str | None) -> None:
    """Show who may read and write an object, or set it."""

    async def act(bucket: Bucket) -> str | None:
        if acl is None:
            return await bucket.get_object_acl(name.key, version_id=version_id)
        await bucket.put_object_acl(name.key, acl, version_id=version_id)
        return None

    said = connection.with_bucket(name.bucket, act)
    if said is not None:
        click.echo(said)


@make(
    "tag",
    "ossmount object tag oss://my-bucket/photo.jpg",
    "ossmount object tag oss://my-bucket/photo.jpg --set project=x --remove draft",
)
@_named
@_set
@_remove
@_clear
@version_option
@_as_json
def tag(
    connection: Connection,
    name: Name,
    changed: tuple[tuple[str, str], ...],
    remove: tuple[str, ...],
    clear: bool,
    version_id: str | None,
    as_json: bool,
) -> None:
    """Show or change the tags of an object, of which there are up to 10; what is not named stays."""

    async def act(bucket: Bucket) -> dict[str, str]:
        found = {} if clear else await bucket.get_object_tagging(name.key, version_id=version_id)
        if not (changed or remove or clear):
            return found
        wanted = {each: value for each, value in found.items() if each not in remove} | dict(changed)
        if wanted:
            await bucket.put_object_tagging(name.key, wanted, version_id=version_id)
        else:
            await bucket.delete_object_tagging(name.key, version_id=version_id)
        return wanted

    _print_pairs(connection.with_bucket(name.bucket, act), as_json=as_json)


@make(
    "symlink",
    "ossmount object symlink oss://my-bucket/latest",
    "ossmount object symlink oss://my-bucket/latest releases/2.tar",
)
@_named
@click.argument("target", metavar="[KEY]", required=False)
@forbid_option
@meta_option
@header_option
@_as_json
def symlink(
    connection: Connection,
    name: Name,
    target: str | None,
    forbid_overwrite: bool,
    meta: tuple[tuple[str, str], ...],
    header: tuple[tuple[str, str], ...],
    as_json: bool,
) -> None:
    """Show where a symlink points, or make OBJECT one that points at KEY of the same bucket.

    There need be no such object as KEY.
    """
    if target is None and (forbid_overwrite or meta or header):
        raise click.UsageError("name the KEY that it shall point at")
    if target is not None and target.startswith("oss://"):
        place = OBJECT.convert(target, None, None)
        if place.bucket != name.bucket:
            raise click.UsageError(f"a symlink points at a key of its own bucket, which is {name.bucket}")
        target = place.key

    async def act(bucket: Bucket) -> str | None:
        if target is None:
            return (await bucket.get_symlink(name.key)).target
        await bucket.put_symlink(
            name.key, target, headers=dict(header), meta=dict(meta), forbid_overwrite=forbid_overwrite
        )
        return None

    said = connection.with_bucket(name.bucket, act)
    if said is not None and as_json:
        print_json({"target": said})
    elif said is not None:
        click.echo(one_line(said))


def _print_pairs(said: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json(said)
        return
    for each, value in said.items():
        click.echo(one_line(f"{each}={value}"))


@make(
    "sign",
    "ossmount object sign oss://my-bucket/photo.jpg --expires 1d",
    "ossmount object sign oss://my-bucket/upload --method PUT --header Content-Type=text/plain",
)
@_named
@click.option("--expires", type=_DURATION, default="1h", show_default=True, metavar="DURATION", help="For how long.")
@click.option(
    "--method",
    type=click.Choice(("GET", "HEAD", "PUT", "POST", "DELETE")),
    default="GET",
    show_default=True,
    help="What can be done with it.",
)
@click.option("--process", default="", metavar="PROCESS", help="What is done to a picture, as image/resize,w_200.")
@click.option(
    "--response", type=PAIR, multiple=True, metavar="NAME=VALUE", help="A header of the answer.  Can be repeated."
)
@click.option(
    "--query",
    type=PAIR,
    multiple=True,
    metavar="NAME=VALUE",
    help="What else to ask for, such as x-oss-traffic-limit=819200.  Can be repeated.",
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
    query: tuple[tuple[str, str], ...],
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
            parameters=dict(query),
            headers=dict(header),
            version_id=version_id,
        ),
    )
    click.echo(url)


@make("url", "ossmount object url oss://my-bucket/photo.jpg --base https://cdn.example.com")
@_named
@click.option("--base", default="", metavar="URL", help="Of a CDN or a domain of your own, instead of the service's.")
def url(connection: Connection, name: Name, base: str) -> None:
    """Print the URL of an object, which is not signed."""

    async def act(bucket: Bucket) -> str:
        return bucket.object_url(name.key, base)

    click.echo(connection.with_bucket(name.bucket, act))


@make("restore", "ossmount object restore oss://my-bucket/old --days 3")
@_named
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=1,
    show_default=True,
    metavar="N",
    help="For how long it is readable.",
)
@click.option("--tier", type=click.Choice(("Expedited", "Standard", "Bulk")), help="How fast, for cold archives.")
@version_option
def restore(connection: Connection, name: Name, days: int, tier: str | None, version_id: str | None) -> None:
    """Make an archived object readable; `head` tells when it is."""
    ready = connection.with_bucket(
        name.bucket,
        lambda bucket: bucket.restore_object(name.key, days=days, tier=tier or "", version_id=version_id),
    )
    click.echo("it is readable already; it stays so" if ready else "it is being restored")
