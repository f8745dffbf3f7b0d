"""`ossmount bucket`: buckets, and what is set for them."""

from __future__ import annotations

from dataclasses import asdict, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ..wire.limits import BUCKET_ACLS, REDUNDANCY_TYPES, STORAGE_CLASSES
from .connection import Connection, ServiceGroup, connected, print_json, read_json
from .console import amount, moment, stdout
from .parameters import BUCKET, Name, Number, Parsed, bucket_argument, json_option
from .running import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..oss import Bucket, Client

_ACLS = click.Choice(BUCKET_ACLS)


@click.group(cls=ServiceGroup)
def bucket() -> None:
    """Make, remove and configure buckets.

    A bucket is written BUCKET or oss://BUCKET.
    """


@connected(bucket, "ls", "ossmount bucket ls --region cn-hangzhou", "ossmount bucket ls photos- --json")
@click.argument("prefix", default="")
@json_option
def ls(connection: Connection, prefix: str, as_json: bool) -> None:
    """List your buckets, or those whose names begin with PREFIX."""

    async def act(client: Client) -> list[Any]:
        return [each async for each in client.iter_buckets(prefix.removeprefix("oss://"))]

    found = connection.with_client(act)
    if as_json:
        print_json([{**asdict(each), "creation_date": moment(each.creation_date)} for each in found])
        return
    for each in found:
        click.echo(f"{moment(each.creation_date)}  {each.location:<22} {each.storage_class:<12} oss://{each.name}")


@connected(bucket, "create", "ossmount bucket create my-bucket --region cn-hangzhou --storage-class IA")
@bucket_argument
@click.option("--acl", type=_ACLS, help="Who else may read or write.  [default: private]")
@click.option(
    "--storage-class", type=click.Choice(STORAGE_CLASSES), help="Storage class of new objects.  [default: Standard]"
)
@click.option("--redundancy", type=click.Choice(REDUNDANCY_TYPES), help="Copies in one zone, or in several.")
def create(
    connection: Connection, name: Name, acl: str | None, storage_class: str | None, redundancy: str | None
) -> None:
    """Make a bucket in the region of the endpoint."""

    connection.with_bucket(
        name.bucket,
        lambda bucket: bucket.put_bucket(acl=acl or "", storage_class=storage_class or "", redundancy=redundancy or ""),
    )


@connected(bucket, "rm", "ossmount bucket rm my-bucket")
@bucket_argument
def rm(connection: Connection, name: Name) -> None:
    """Remove a bucket, which must be empty."""
    connection.with_bucket(name.bucket, lambda bucket: bucket.delete_bucket())


@connected(bucket, "info", "ossmount bucket info my-bucket")
@bucket_argument
@json_option
def info(connection: Connection, name: Name, as_json: bool) -> None:
    """Show what kind of bucket it is."""
    found = connection.with_bucket(name.bucket, lambda bucket: bucket.get_bucket_info())
    _show({**asdict(found), "creation_date": moment(found.creation_date), "owner": found.owner.id}, as_json=as_json)


@connected(bucket, "stat", "ossmount bucket stat my-bucket --json")
@bucket_argument
@json_option
def stat(connection: Connection, name: Name, as_json: bool) -> None:
    """Show how much is in it, as of the service's last count, which is about once an hour."""
    found = connection.with_bucket(name.bucket, lambda bucket: bucket.get_bucket_stat())
    facts: dict[str, object] = {each.name: getattr(found, each.name) for each in fields(found)}
    if as_json:
        print_json(facts)
        return
    facts |= {"storage": amount(found.storage), "last_modified_time": moment(found.last_modified_time)}
    del facts["details"]  # the same and more, by the names of the service
    _show(facts, as_json=False)


def _show(facts: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        if value not in ("", None):
            stdout().print(f"{name:<{width}}  {one_line(str(value))}", markup=False, soft_wrap=True)


@connected(bucket, "acl", "ossmount bucket acl my-bucket", "ossmount bucket acl my-bucket public-read")
@bucket_argument
@click.argument("acl", type=_ACLS, required=False)
def acl(connection: Connection, name: Name, acl: str | None) -> None:
    """Show who may read and write, or set it."""

    async def act(bucket: Bucket) -> str | None:
        if acl is None:
            return await bucket.get_bucket_acl()
        await bucket.put_bucket_acl(acl)
        return None

    said = connection.with_bucket(name.bucket, act)
    if said is not None:
        click.echo(said)


@connected(bucket, "versioning", "ossmount bucket versioning my-bucket", "ossmount bucket versioning my-bucket Enabled")
@bucket_argument
@click.argument("status", type=click.Choice(("Enabled", "Suspended"), case_sensitive=False), required=False)
def versioning(connection: Connection, name: Name, status: str | None) -> None:
    """Show whether older versions of objects are kept, or set it; Disabled is what it was at first."""

    async def act(bucket: Bucket) -> str | None:
        if status is None:
            return await bucket.get_bucket_versioning() or "Disabled"
        await bucket.put_bucket_versioning(status)
        return None

    said = connection.with_bucket(name.bucket, act)
    if said is not None:
        click.echo(said)


# -- configurations ------------------------------------------------------------------------------------------------


def _configured(
    what: str, explanation: str, *examples: str, options: list[click.Option], plain: Callable[..., dict[str, Any]]
) -> None:
    """Make the command for the configuration *what*; *plain* makes JSON of what the simple *options* say."""

    def command(connection: Connection, name: Name, source: str | None, delete: bool, **given: Any) -> None:
        said = {option: value for option, value in given.items() if value not in (None, ())}
        if sum((bool(said), bool(source), delete)) > 1:
            raise click.UsageError("--json FILE, --delete and the options that set something exclude each other")
        value = read_json(source) if source else plain(**said) if said else None
        answer = connection.with_bucket(name.bucket, partial(_configure, what=what, value=value, delete=delete))
        if answer is not None:
            print_json(answer)

    command.__doc__ = explanation
    made = connected(bucket, what, *examples)(command)
    made.params = [
        click.Argument(["name"], metavar="BUCKET", type=BUCKET),
        *options,
        click.Option(
            ["--json", "source"],
            is_flag=False,
            flag_value="",
            metavar="[FILE|-]",
            help="Set what FILE or standard input says, in the form that is printed; alone: print.",
        ),
        click.Option(["--delete"], is_flag=True, help="Remove it."),
        *made.params,
    ]


async def _configure(bucket: Bucket, *, what: str, value: Any, delete: bool) -> Any:
    from ..wire.configurations import CONFIGURATIONS

    configuration = CONFIGURATIONS[what]
    if delete:
        await bucket.delete_configuration(configuration)
    elif value is not None:
        await bucket.put_configuration(configuration, configuration.from_plain(value))
    else:
        return configuration.to_plain(await bucket.get_configuration(configuration))
    return None


def _several(name: str, argument: str, metavar: str, text: str) -> click.Option:
    return click.Option([name, argument], multiple=True, metavar=metavar, help=text)


def _logging(target_prefix: str = "", target_bucket: Name | None = None) -> dict[str, Any]:
    if target_bucket is None:
        raise click.UsageError("--prefix needs --target BUCKET")
    return {"target_bucket": target_bucket.bucket, "target_prefix": target_prefix}


_configured(
    "logging",
    """Show, set or remove where the access log goes: JSON by default.""",
    "ossmount bucket logging my-bucket --target my-logs --prefix web/",
    "ossmount bucket logging my-bucket --delete",
    options=[
        click.Option(["--target", "target_bucket"], type=BUCKET, metavar="BUCKET", help="Write the log there."),
        click.Option(["--prefix", "target_prefix"], metavar="PREFIX", help="What the keys of logs begin with."),
    ],
    plain=_logging,
)

_configured(
    "website",
    """Show, set or remove the website that the bucket is: JSON by default.""",
    "ossmount bucket website my-bucket --index index.html --error 404.html",
    "ossmount bucket website my-bucket > site.json",
    "ossmount bucket website my-bucket --json site.json",
    options=[
        click.Option(["--index"], metavar="KEY", help="What is shown for a directory."),
        click.Option(["--error"], metavar="KEY", help="What is shown for what does not exist."),
    ],
    plain=dict,
)

_configured(
    "referer",
    """Show, set or remove which pages may show the objects: JSON by default.""",
    "ossmount bucket referer my-bucket --allow 'https://*.example.com' --no-empty",
    "ossmount bucket referer my-bucket --delete",
    options=[
        _several("--allow", "referers", "REFERER", "A page that may; * and ? stand for others.  Can be repeated."),
        _several("--deny", "blacklist", "REFERER", "A page that may not.  Can be repeated."),
        click.Option(["--empty/--no-empty", "allow_empty"], default=None, help="Whether requests without one may."),
    ],
    plain=lambda **said: {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()},
)


def _transition(text: str) -> dict[str, Any]:
    storage_class, _, days = text.partition(":")
    if not (storage_class and days.isdecimal()):
        raise ValueError("expected CLASS:DAYS, such as IA:30")
    return {"storage_class": storage_class, "days": int(days)}


def _lifecycle(
    id: str = "",  # noqa: A002 - the name of the field
    prefix: str = "",
    expire_days: int | None = None,
    abort_days: int | None = None,
    transitions: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": id, "prefix": prefix, "transitions": list(transitions)}
    if expire_days is not None:
        rule["expiration"] = {"days": expire_days}
    if abort_days is not None:
        rule["abort_multipart_upload"] = {"days": abort_days}
    return {"rules": [rule]}


_days = Number(min=1)
_configured(
    "lifecycle",
    """Show, set or remove the rules by which objects expire or move: JSON by default.

    Options make one rule, which replaces all there are; for several, use --json.
    """,
    "ossmount bucket lifecycle my-bucket --prefix tmp/ --expire-days 7",
    "ossmount bucket lifecycle my-bucket --transition IA:30 --abort-days 3",
    "ossmount bucket lifecycle my-bucket --json rules.json",
    options=[
        click.Option(["--id"], metavar="ID", help="Name of the rule."),
        click.Option(["--prefix"], metavar="PREFIX", help="Only objects whose keys begin with it."),
        click.Option(["--expire-days"], type=_days, metavar="N", help="Delete objects N days after their last change."),
        click.Option(
            ["--transition", "transitions"],
            multiple=True,
            type=Parsed("CLASS:DAYS", _transition),
            metavar="CLASS:DAYS",
            help="Move objects to a storage class after so many days.  Can be repeated.",
        ),
        click.Option(["--abort-days"], type=_days, metavar="N", help="Abort uploads N days after their begin."),
    ],
    plain=_lifecycle,
)

_configured(
    "cors",
    """Show, set or remove what scripts of web pages may do: JSON by default.

    Options make one rule, which replaces all there are; for several, use --json.
    """,
    "ossmount bucket cors my-bucket --origin https://example.com --method GET --method HEAD",
    "ossmount bucket cors my-bucket --json - < rules.json",
    options=[
        _several(
            "--origin", "allowed_origins", "ORIGIN", "Where the page is from; * stands for any.  Can be repeated."
        ),
        _several("--method", "allowed_methods", "METHOD", "What it may do: GET, PUT ...  Can be repeated."),
        _several("--header", "allowed_headers", "NAME", "Header that it may send.  Can be repeated."),
        _several("--expose", "expose_headers", "NAME", "Header that it may see.  Can be repeated."),
        click.Option(["--max-age", "max_age_seconds"], type=Number(min=0), metavar="SECONDS"),
    ],
    plain=lambda **said: {
        "rules": [{name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}]
    },
)

bucket.add_section("Buckets", *(bucket.commands[each] for each in ("ls", "create", "rm", "info", "stat")))
bucket.add_section(
    "What is set for a bucket",
    *(bucket.commands[each] for each in ("acl", "versioning", "lifecycle", "logging", "website", "referer", "cors")),
)
