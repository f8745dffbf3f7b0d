"""`ossmount serve DIR`: the embedded OSS as a command."""

from __future__ import annotations

from errno import EADDRINUSE
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..options import parse_duration, parse_size
from ..server.asgi import ServeOptions, serve as run_server
from ..server.faults import parse_faults
from ..wire.credentials import Credentials
from .console import Failure
from .parameters import BUCKET, Number, Parsed

if TYPE_CHECKING:
    from ..server.faults import Fault


def _faults(text: str) -> tuple[Fault, ...]:
    """Read faults from JSON, or from the file called *text*."""
    return tuple(parse_faults(text if text.lstrip().startswith(("[", "{")) else Path(text).read_bytes()))


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on.")
@click.option(
    "--port",
    default=9000,
    show_default=True,
    type=Number(0, 65535),
    metavar="PORT",
    help="Port to listen on; 0: any free one.",
)
@click.option(
    "--uds", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Listen on this unix socket instead."
)
@click.option("--access-key-id", default="ak", show_default=True, metavar="ID", help="The account's access key.")
@click.option(
    "--access-key-secret", default="sk", show_default=True, metavar="SECRET", help="The secret of the access key."
)
@click.option("--security-token", default="", metavar="TOKEN", help="The token that must come with the access key.")
@click.option(
    "--region",
    default="cn-hangzhou",
    show_default=True,
    metavar="REGION",
    help="The region that requests are signed for.",
)
@click.option(
    "--latency", default=0.0, metavar="TIME", type=Parsed("time", parse_duration), help="Delay every request: 10ms."
)
@click.option(
    "--bandwidth",
    default=0,
    metavar="SIZE",
    type=Parsed("size", parse_size),
    help="Bytes a second for each connection and direction: 100MB.",
)
@click.option(
    "--bucket",
    "buckets",
    multiple=True,
    metavar="NAME",
    type=BUCKET,
    callback=lambda _context, _parameter, names: tuple(name.bucket for name in names),
    help="Make this bucket.  Can be repeated.",
)
@click.option("--role", default="", metavar="NAME", help="Let anybody here have temporary credentials of this role.")
@click.option(
    "--image-host",
    "image_hosts",
    multiple=True,
    metavar="HOST[=BUCKET]",
    help="Process pictures at this host: KEY@OPERATORS.  Can be repeated.",
)
@click.option(
    "--faults", default=(), metavar="JSON|FILE", type=Parsed("faults", _faults), help="What shall go wrong, and when."
)
@click.option("--introspect", is_flag=True, help="Tell at /-/requests what was asked, without a signature.")
@click.option("--die-with-parent", is_flag=True, help="End when the process that started this one does.")
def serve(access_key_id: str, access_key_secret: str, security_token: str, **options: Any) -> None:
    """Run the embedded OSS server on the directory DIR, which keeps its buckets.

    It says `listening on URL` when it takes requests, and ends with SIGTERM or Ctrl-C.
    """
    credentials = Credentials(access_key_id, access_key_secret, security_token)
    try:
        run_server(ServeOptions(credentials=(credentials,), **options), lambda url: click.echo(f"listening on {url}"))
    except OSError as exc:
        where = options["uds"] or f"{options['host']}:{options['port']}"
        remedy = f" ({where}): choose another --port, 0 for any that is free" if exc.errno == EADDRINUSE else ""
        raise Failure(f"cannot serve {options['directory']}: {exc.strerror or exc}{remedy}") from exc
