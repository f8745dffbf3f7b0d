"""Everything below a name in a bucket, for the commands with -r."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .console import Failure
from .tally import Tally

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..oss import Bucket
    from ..wire.models import ObjectSummary
    from .connection import Connection
    from .parameters import Name


def is_below(key: str, place: str) -> bool:
    """Return whether *key* is *place*, or below it as a file is below a directory."""
    return place in ("", key) or key.startswith(place if place.endswith("/") else f"{place}/")


async def is_there(bucket: Bucket, key: str, size: int, changed: float) -> bool:
    """Return whether *key* is in *bucket*, at all its endpoints, with *size*, and no older than *changed*."""
    from ..wire.errors import NoSuchKey

    for member in bucket.members:
        try:
            head = await member.head_object(key)
        except NoSuchKey:
            return False
        # The service tells whole seconds.
        if head.size != size or (head.last_modified or 0) < int(changed):
            return False
    return True


async def pages_below(bucket: Bucket, place: Name, act: Callable[[list[ObjectSummary]], Awaitable[object]]) -> None:
    """Do *act* with the objects at and below *place* of *bucket*, up to a thousand at a time.

    Raises:
        Failure: there are none, though a key is named: it may be misspelt.
    """
    seen = not place.key
    async for page in bucket.list_pages(place.key):
        found = [each for each in page.objects if is_below(each.key, place.key)]
        seen = seen or bool(found)
        await act(found)
    if not seen:
        raise Failure(f"there is no object at or below {place}")


def each_below(
    connection: Connection,
    place: Name,
    done: str,
    act: Callable[[Bucket, str], Awaitable[object]],
    *,
    parallel: int,
    only: Callable[[ObjectSummary], bool] = lambda _: True,
) -> None:
    """Do *act* with the bucket and the key of each object at and below *place* that *only* holds for; see `Tally`."""
    tally = Tally(done)

    async def everything(bucket: Bucket) -> None:
        async def page(found: list[ObjectSummary]) -> None:
            keys = [each.key for each in found if only(each)]
            await tally.each(keys, partial(act, bucket), parallel, name=lambda key: str(place._replace(key=key)))

        await pages_below(bucket, place, page)

    tally.run(str(place), partial(connection.with_bucket, place.bucket, everything))
