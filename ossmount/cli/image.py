"""`ossmount image`: pictures that the service processes, and styles."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .connection import Connection, ServiceGroup, connected, print_json
from .console import moment
from .parameters import (
    OBJECT,
    Name,
    bucket_argument,
    condition_options,
    expires_option,
    json_option,
    process_option,
)
from .running import one_line, run_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..oss import ImageClient


@click.group(cls=ServiceGroup)
def image() -> None:
    """Get processed pictures, and keep styles for them.

    A picture is written oss://BUCKET/KEY; behind an @ may be operators (photo.jpg@200w_200h) or a style
    (photo.jpg@!small).  For --process, see "Image processing" in the documents of OSS.
    """


_named = click.argument("name", metavar="PICTURE", type=OBJECT)
_host = click.option(
    "--image-host", metavar="HOST", help="Ask this host of the old image service, bound to the bucket."
)


def _with_pictures(
    connection: Connection, name: Name, host: str | None, act: Callable[[ImageClient], Awaitable[Any]]
) -> Any:
    config = connection.config(name.bucket)

    async def run() -> Any:
        from ..connecting import client_options_of, credentials_of, open_bucket
        from ..oss import ImageClient

        if host is None:
            async with open_bucket(config) as bucket:
                return await act(ImageClient(bucket))
        region = config.region or "cn-hangzhou"
        options = client_options_of(config)
        opened = ImageClient.open(host, name.bucket, credentials_of(config), region=region, options=options)
        async with opened as pictures:
            return await act(pictures)

    return run_async(run)


@connected(
    image,
    "get",
    "ossmount image get oss://my-bucket/photo.jpg@200w_200h small.jpg",
    "ossmount image get oss://my-bucket/photo.jpg --process image/rotate,90 > turned.jpg",
)
@_named
@click.argument("file", metavar="[FILE|-]", required=False)
@process_option
@_host
@condition_options
def get(
    connection: Connection,
    name: Name,
    file: str | None,
    process: str,
    image_host: str | None,
    conditions: dict[str, Any],
) -> None:
    """Get a picture as it comes out of its processing, into FILE or to standard output."""
    from .files import destination, save

    path = destination(file, name.key)
    _with_pictures(
        connection,
        name,
        image_host,
        lambda pictures: save(pictures.open_image(name.key, process=process, **conditions), path, str(name)),
    )


def _tell(said: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(said)
        return
    width = max(map(len, said), default=0)
    for key, value in said.items():
        click.echo(f"{one_line(key):<{width}}  {one_line(str(value))}")


@connected(image, "info", "ossmount image info oss://my-bucket/photo.jpg")
@_named
@_host
@json_option
def info(connection: Connection, name: Name, image_host: str | None, as_json: bool) -> None:
    """Show size, format and, if it has them, EXIF data of a picture."""
    said = _with_pictures(connection, name, image_host, lambda pictures: pictures.get_info(name.key))
    _tell(said, as_json=as_json)


@connected(image, "exif", "ossmount image exif oss://my-bucket/photo.jpg --json")
@_named
@_host
@json_option
def exif(connection: Connection, name: Name, image_host: str | None, as_json: bool) -> None:
    """Show the EXIF data of a picture."""
    said = _with_pictures(connection, name, image_host, lambda pictures: pictures.get_exif(name.key))
    _tell(said, as_json=as_json)


@connected(image, "url", "ossmount image url oss://my-bucket/photo.jpg@!small --expires 1d")
@_named
@process_option
@_host
@expires_option("30m")
def url(connection: Connection, name: Name, process: str, image_host: str | None, expires: float) -> None:
    """Print a signed URL of a processed picture."""
    said = _with_pictures(
        connection,
        name,
        image_host,
        lambda pictures: pictures.presign(name.key, process=process, expires=int(expires)),
    )
    click.echo(said)


# -- styles --------------------------------------------------------------------------------------------------------


@image.group(cls=ServiceGroup)
def style() -> None:
    """Keep names for ways to process pictures."""


@connected(style, "put", "ossmount image style put my-bucket small image/resize,w_200")
@bucket_argument
@click.argument("style_name", metavar="STYLE")
@click.argument("content", metavar="PROCESS")
def put(connection: Connection, name: Name, style_name: str, content: str) -> None:
    """Keep PROCESS as the style STYLE."""
    connection.with_bucket(name.bucket, lambda bucket: bucket.put_style(style_name, content))


@connected(style, "get", "ossmount image style get my-bucket small")
@bucket_argument
@click.argument("style_name", metavar="STYLE")
@json_option
def get_style(connection: Connection, name: Name, style_name: str, as_json: bool) -> None:
    """Show what a style does."""
    found = connection.with_bucket(name.bucket, lambda bucket: bucket.get_style(style_name))
    if as_json:
        print_json(_plain(found))
    else:
        click.echo(one_line(found.content))


@connected(style, "ls", "ossmount image style ls my-bucket")
@bucket_argument
@json_option
def list_style(connection: Connection, name: Name, as_json: bool) -> None:
    """List the styles of a bucket."""
    found = connection.with_bucket(name.bucket, lambda bucket: bucket.list_style())
    if as_json:
        print_json([_plain(each) for each in found])
        return
    for each in found:
        click.echo(one_line(f"{each.name:<24} {each.content}"))


def _plain(style: Any) -> dict[str, Any]:
    return {
        **asdict(style),
        "create_time": moment(style.create_time),
        "last_modify_time": moment(style.last_modify_time),
    }


@connected(style, "rm", "ossmount image style rm my-bucket small")
@bucket_argument
@click.argument("style_name", metavar="STYLE")
def remove_style(connection: Connection, name: Name, style_name: str) -> None:
    """Remove a style; that there is none is no error."""
    connection.with_bucket(name.bucket, lambda bucket: bucket.delete_style(style_name))
