"""Listings: ListObjects (GetBucket), ListObjectsV2, and DeleteMultipleObjects, which is about many keys too.

Keys always travel percent-encoded (``encoding-type=url``): XML cannot hold every key.

Source: API reference, "GetBucket (ListObjects)", "ListObjectsV2 (GetBucketV2)", "DeleteMultipleObjects".
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from . import xml
from .checksums import content_md5
from .dates import parse_xml_date
from .fields import bare_etag, decoder, given
from .limits import check_key
from .message import Headers, Request, Response
from .models import DeleteResult, ListObjectsResult, ObjectSummary, Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from xml.etree.ElementTree import Element

# DeleteMultipleObjects takes this many keys, and this many bytes of XML.
MAX_DELETED_KEYS = 1000
MAX_DELETE_BODY = 2 * 1024 * 1024


def list_objects(
    bucket: str, *, prefix: str = "", marker: str = "", delimiter: str = "", max_keys: int = 1000
) -> Request:
    """Ask for the keys after *marker* that begin with *prefix*, in the order of their UTF-8 bytes."""
    query = given(encoding_type="url", max_keys=str(max_keys), prefix=prefix, marker=marker, delimiter=delimiter)
    return Request("GET", bucket, "", query, operation="ListObjects")


def list_objects_v2(
    bucket: str,
    *,
    prefix: str = "",
    start_after: str = "",
    continuation_token: str = "",
    delimiter: str = "",
    max_keys: int = 1000,
    fetch_owner: bool = False,
) -> Request:
    """Ask for a page of keys; *continuation_token* is the ``next_marker`` of the page before."""
    query = given(
        list_type="2",
        encoding_type="url",
        max_keys=str(max_keys),
        prefix=prefix,
        start_after=start_after,
        continuation_token=continuation_token,
        delimiter=delimiter,
        fetch_owner="true" if fetch_owner else "",
    )
    return Request("GET", bucket, "", query, operation="ListObjectsV2")


def parse_list_objects(response: Response) -> ListObjectsResult:
    """Read a page of either version."""
    root = xml.parse(response.body, "ListBucketResult")
    said = {child.tag: child.text or "" for child in root if child.tag not in ("Contents", "CommonPrefixes")}
    decoded = decoder(root)
    objects = tuple(_summary(element, decoded) for element in root.iterfind("Contents"))
    prefixes = tuple(decoded(element.text) for element in root.iterfind("CommonPrefixes/Prefix"))
    truncated = said.get("IsTruncated") == "true"
    following = decoded(said.get("NextContinuationToken") or said.get("NextMarker"))
    if truncated and not following:
        if "KeyCount" in said or not (objects or prefixes):
            raise ValueError("a truncated listing that does not say where it goes on")
        following = max([summary.key for summary in objects[-1:]] + list(prefixes[-1:]), key=_octets)
    return ListObjectsResult(
        objects=objects,
        prefixes=prefixes,
        is_truncated=truncated,
        next_marker=following,
        name=said.get("Name", ""),
        prefix=decoded(said.get("Prefix")),
        marker=decoded(said.get("Marker") or said.get("StartAfter")),
        delimiter=decoded(said.get("Delimiter")),
        max_keys=int(said.get("MaxKeys") or "100"),
    )


def _octets(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


@lru_cache(maxsize=64)
def _owner(id_: str, name: str) -> Owner:
    return Owner(id_, name)


def _summary(element: Element, decoded: Callable[[str], str]) -> ObjectSummary:
    owner: Owner | None = None
    said: dict[str, str] = {}
    for child in element:
        if child.tag == "Owner":
            owner = _owner(xml.text_of(child, "ID"), xml.text_of(child, "DisplayName"))
        else:
            said[child.tag] = child.text or ""
    if (size := int(said["Size"])) < 0:
        raise ValueError(f"an object of {size} bytes")
    return ObjectSummary(
        decoded(said["Key"]),
        size,
        bare_etag(said["ETag"]),
        parse_xml_date(said["LastModified"]),
        said.get("Type", "Normal"),
        said.get("StorageClass", "Standard"),
        owner,
        said.get("RestoreInfo"),
    )


def can_delete_multiple(key: str) -> bool:
    """Return whether XML can hold *key*; any other must be deleted alone.

    Raises:
        OutOfLimits: no object can be called so.
    """
    check_key(key)
    return xml.holds(key)


def delete_batches(keys: Iterable[str]) -> Iterator[list[str]]:
    """Cut *keys* into as few lists as `delete_multiple_objects` takes."""
    batch: list[str] = []
    # What `delete_multiple_objects` writes around the keys.
    size = 1024
    for key in keys:
        length = len(_delete_element(key).encode())
        if len(batch) == MAX_DELETED_KEYS or (batch and size + length > MAX_DELETE_BODY):
            yield batch
            batch, size = [], 1024
        batch.append(key)
        size += length
    if batch:
        yield batch


def _delete_element(key: str) -> str:
    return xml.wrap("Object", [xml.tag("Key", key)])


def delete_multiple_objects(bucket: str, keys: Iterable[str], *, quiet: bool = False) -> Request:
    """Delete up to 1000 *keys*; that one does not exist is no error.  With *quiet* the answer names none.

    Raises:
        ValueError: XML cannot hold a key, see `can_delete_multiple`.
    """
    body = xml.document("Delete", [xml.tag("Quiet", "true" if quiet else "false"), *map(_delete_element, keys)])
    query: dict[str, str | None] = {"delete": None, "encoding-type": "url"}
    headers = Headers({"content-md5": content_md5(body), "content-type": "application/xml"})
    return Request("POST", bucket, "", query, headers, body, operation="DeleteMultipleObjects")


def parse_delete_multiple_objects(response: Response) -> DeleteResult:
    """Read the keys that are deleted; the quiet answer, which has no body, names none."""
    if not response.body:
        return DeleteResult()
    root = xml.parse(response.body, "DeleteResult")
    decoded = decoder(root)
    return DeleteResult(tuple(decoded(element.text) for element in root.iterfind("Deleted/Key")))
