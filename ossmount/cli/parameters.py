"""Arguments and options that several commands have, each defined once, and what they are read as."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..options import parse_duration, parse_size
from ..wire.dates import parse_http_date, parse_xml_date
from ..wire.limits import MAX_PARALLEL, OBJECT_ACLS, STORAGE_CLASSES, check_bucket_name, check_part_size
from .console import WrongUsage
from .running import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., None]


# -- what is typed -------------------------------------------------------------------------------------------------


class Name(NamedTuple):
    """An object, or with an empty key a bucket."""

    bucket: str
    key: str = ""

    def __str__(self) -> str:
        return one_line(f"oss://{self.bucket}/{self.key}")

    @property
    def is_whole(self) -> bool:
        """Whether it means what is below it, and not an object: it is a bucket or ends with a slash."""
        return not self.key or self.key.endswith("/")

    def below(self, last: str) -> Name:
        """Return this object, or if this is a bucket or ends with a slash, the one called *last* below it.

        Raises WrongUsage without such a name.
        """
        if not self.is_whole:
            return self
        if not last:
            raise WrongUsage(f"name the object: {self}NAME")
        return self._replace(key=self.key + last)

    def check(self, recursive: bool, **options: Any) -> None:
        """Return if a command can be about this: without -r it is an object; *options* are as for `check_recursive`.

        Raises click.UsageError.
        """
        if not (self.key or recursive):
            raise click.UsageError(f"{self} names no object: write {self}KEY, or use -r for all")
        check_recursive(recursive, **options)


def check_recursive(recursive: bool, *, update: bool = False, **of_one: object) -> None:
    """Return if no option *of_one* object was given with -r, nor --update without.  Raises click.UsageError."""
    if update and not recursive:
        raise click.UsageError("--update needs -r")
    given = [f"--{name.replace('_', '-')}" for name, value in of_one.items() if value]
    if recursive and given:
        raise click.UsageError(f"of one object only, not with -r: {', '.join(given)}")


class NameType(click.ParamType[Name]):
    """`oss://BUCKET/KEY` or `BUCKET/KEY`; *kind* says whether a key must, may or must not be there."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Name:
        """Split the name."""
        if isinstance(value, Name):
            return value
        bucket, _, key = value.removeprefix("oss://").partition("/")
        if not bucket or ":" in bucket:
            form = "" if self.name == "BUCKET" else "/KEY"
            self.fail(f"{value!r} names no bucket: write oss://BUCKET{form}{self._hint(value)}", param, ctx)
        try:
            check_bucket_name(bucket)
        except ValueError as exc:
            self.fail(f"{exc}{self._hint(value)}", param, ctx)
        if self.name == "BUCKET" and key:
            self.fail(f"{value!r} names an object; only a bucket is meant here", param, ctx)
        if self.name == "OBJECT" and not key:
            self.fail(f"{value!r} names no object: write oss://{bucket}/KEY", param, ctx)
        return Name(bucket, key)

    @staticmethod
    def _hint(value: str) -> str:
        is_local = value.startswith(("/", "./", "../")) or os.path.lexists(value)
        return ".  For files: object put and get" if is_local else ""


BUCKET = NameType("BUCKET")
OBJECT = NameType("OBJECT")
PLACE = NameType("PLACE")


class Parsed(click.ParamType[Any]):
    """A value that a function of ours reads, raising ValueError with what it expected."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read *value* unless it is read already."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except (ValueError, OSError) as exc:
            self.fail(f"{value!r}: {exc}", param, ctx)


class Number(click.IntRange):
    """A whole number within limits."""

    # What click says that something else is not.
    name = "whole number"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError("expected NAME=VALUE")
    return name, value


def _moment(text: str) -> float:
    for parse in (parse_http_date, parse_xml_date):
        try:
            return parse(text)
        except ValueError:
            pass
    raise ValueError("expected a time such as 2026-02-24T08:42:32Z, in UTC unless it says otherwise")


def _part_size(text: str) -> int:
    size = parse_size(text)
    check_part_size(size)
    return size


DURATION = Parsed("duration", parse_duration)
_MOMENT = Parsed("time", _moment)


# -- arguments and options -----------------------------------------------------------------------------------------


def pairs(name: str, argument: str, text: str) -> Callable[[Command], Command]:
    """Return an option that is given as NAME=VALUE any number of times, and is a dict."""
    return click.option(
        name,
        argument,
        type=Parsed("NAME=VALUE", _pair),
        multiple=True,
        metavar="NAME=VALUE",
        help=f"{text}  Can be repeated.",
        callback=lambda _context, _parameter, said: dict(said),
    )


bucket_argument = click.argument("name", metavar="BUCKET", type=BUCKET)
object_argument = click.argument("name", metavar="OBJECT", type=OBJECT)
# With -r, a bucket too.
place_argument = click.argument("name", metavar="OBJECT", type=PLACE)
prefix_argument = click.argument("place", metavar="BUCKET[/PREFIX]", type=PLACE)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
version_option = click.option("--version-id", metavar="ID", help="This version instead of the current one.")
forbid_option = click.option("--forbid-overwrite", is_flag=True, help="Fail if there is such an object.")
header_option = pairs("--header", "headers", "A header, such as Cache-Control=no-cache.")
process_option = click.option(
    "--process", default="", metavar="PROCESS", help="As the service processes it: image/resize,w_200 or style/NAME."
)
acl_type = click.Choice(OBJECT_ACLS)
parallel_option = click.option(
    "--parallel",
    type=Number(1, MAX_PARALLEL),
    default=5,
    show_default=True,
    metavar="N",
    help="How many parts, or with -r objects, at once.",
)
part_size_option = click.option(
    "--part-size",
    type=Parsed("size", _part_size),
    metavar="SIZE",
    help="Size of the parts, 100KiB to 5GiB.  [default: 8MiB or more]",
)
checkpoint_option = click.option(
    "--checkpoint",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Note here what is done, and go on from there when interrupted.",
)


def recursive_option(text: str = "Everything below OBJECT/ as well.") -> Callable[[Command], Command]:
    """Return the option -r, which means *text*."""
    return click.option("-r", "--recursive", is_flag=True, help=text)


update_option = click.option(
    "-u", "--update", is_flag=True, help="With -r: only what is not there, or is there with another size or older."
)


def expires_option(default: str) -> Callable[[Command], Command]:
    """Return the option for how long a URL is good."""
    return click.option(
        "--expires",
        type=DURATION,
        default=default,
        show_default=True,
        metavar="DURATION",
        help="For how long it is good; with signature v4, up to 7d.",
    )


def attribute_options(function: Command) -> Command:
    """Give *function*, as its arguments *headers* and *meta*, what an object that it makes shall have.

    What cannot be is refused before anything is done.
    """

    @functools.wraps(function)
    def call(
        *args: Any,
        content_type: str | None,
        acl: str | None,
        storage_class: str | None,
        headers: dict[str, str],
        meta: dict[str, str],
        **values: Any,
    ) -> None:
        from ..wire.fields import object_headers
        from ..wire.limits import check
        from ..wire.message import Request

        said = {"content-type": content_type, "x-oss-object-acl": acl, "x-oss-storage-class": storage_class}
        headers = {name.lower(): value for name, value in {**headers, **said}.items() if value is not None}
        try:
            check(Request("PUT", headers=object_headers(headers, meta)))
        except ValueError as exc:
            raise WrongUsage(str(exc)) from None
        function(*args, headers=headers, meta=meta, **values)

    return _with(
        call,
        click.option("--content-type", metavar="TYPE", help="MIME type.  [default: the source's, or by the name]"),
        click.option("--acl", type=acl_type, help="Who else may read or write it."),
        click.option("--storage-class", type=click.Choice(STORAGE_CLASSES), help="Its storage class."),
        pairs("--meta", "meta", "User metadata."),
        header_option,
    )


_CONDITIONS = {
    "if_match": click.option("--if-match", metavar="ETAG", help="Only if this is its ETag."),
    "if_none_match": click.option("--if-none-match", metavar="ETAG", help="Only if this is not its ETag."),
    "if_modified_since": click.option(
        "--if-modified-since", type=_MOMENT, metavar="TIME", help="Only if it was changed after TIME."
    ),
    "if_unmodified_since": click.option(
        "--if-unmodified-since", type=_MOMENT, metavar="TIME", help="Only if it was not changed after TIME."
    ),
}


def condition_options(function: Command) -> Command:
    """Give *function*, as its argument *conditions*, those that were asked for, by the names that the client uses.

    They are the conditions of GetObject, HeadObject and CopyObject: when they do not hold the answer is NotModified
    (304) or PreconditionFailed (412).
    """

    @functools.wraps(function)
    def call(*args: Any, **values: Any) -> None:
        said = {name: values.pop(name) for name in _CONDITIONS}
        function(*args, conditions={name: value for name, value in said.items() if value is not None}, **values)

    return _with(call, *_CONDITIONS.values())


def _with(function: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        function = option(function)
    return function
