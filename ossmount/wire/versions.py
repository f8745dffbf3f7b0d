"""Versions of objects: Put/GetBucketVersioning, ListObjectVersions, and deleting versions; both halves.

In a bucket with versions, writing keeps what was there, and deleting puts a delete marker on top.  A version id names
one version or marker; ``null`` is the one written while there were no versions.

Source: API reference, PutBucketVersioning, GetBucketVersioning, ListObjectVersions, DeleteObject.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import xml
from .checksums import content_md5
from .dates import parse_xml_date, xml_date
from .errors import MalformedXML
from .fields import bare_etag, decoder, given
from .limits import check_choice
from .listing_calls import namer, read_encoding, read_name
from .message import Headers, Request, Response
from .models import ObjectSummary, Owner
from .object_calls import empty_response, quoted, xml_response
from .properties import argument, read_number

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

STATUSES = ("Enabled", "Suspended")
NULL = "null"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One version of *key*, or a delete marker, of which *size*, *etag*, *type* and *storage_class* mean nothing."""

    key: str
    version_id: str
    is_latest: bool
    last_modified: float
    is_delete_marker: bool = False
    size: int = 0
    etag: str = ""
    type: str = "Normal"
    storage_class: str = "Standard"
    owner: Owner | None = None
    restore: str | None = None

    @property
    def summary(self) -> ObjectSummary:
        """The version as a listing of objects would tell it."""
        return ObjectSummary(
            self.key, self.size, self.etag, self.last_modified, self.type, self.storage_class, self.owner, self.restore
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListVersionsResult:
    """A page of versions: by key, and of each the newest first; markers among them."""

    versions: tuple[ObjectVersion, ...] = ()
    prefixes: tuple[str, ...] = ()
    is_truncated: bool = False
    next_key_marker: str = ""
    next_version_id_marker: str = ""
    name: str = ""
    prefix: str = ""
    key_marker: str = ""
    version_id_marker: str = ""
    delimiter: str = ""
    max_keys: int = 100


@dataclass(frozen=True, slots=True)
class Deletion:
    """What DeleteObject did.

    *version_id* is that of the version removed, or of the marker put on top; *delete_marker* says that it is one.
    """

    key: str = ""
    version_id: str | None = None
    delete_marker: bool = False
    delete_marker_version_id: str | None = None


# Whether there are versions


def put_bucket_versioning(bucket: str, status: str) -> Request:
    """Set versioning of *bucket* to ``Enabled`` or ``Suspended``; it can never be switched off.

    Raises:
        OutOfLimits: it is something else.
    """
    check_choice("versioning", status, STATUSES)
    body = xml.document("VersioningConfiguration", [xml.tag("Status", status)])
    headers = Headers({"content-type": "application/xml", "content-md5": content_md5(body)})
    return Request("PUT", bucket, "", {"versioning": None}, headers, body, operation="PutBucketVersioning")


def read_put_bucket_versioning(request: Request) -> str:
    """Read PutBucketVersioning.

    Raises:
        MalformedXML: it asks for no status there is.
    """
    try:
        status = xml.text_of(xml.parse(request.body or b"", "VersioningConfiguration", limit=64 * 1024), "Status")
    except ValueError as exc:
        raise MalformedXML(details={"ErrorDetail": str(exc)}) from None
    if status not in STATUSES:
        raise MalformedXML
    return status


def get_bucket_versioning(bucket: str) -> Request:
    """Ask whether *bucket* keeps versions."""
    return Request("GET", bucket, "", {"versioning": None}, operation="GetBucketVersioning")


def parse_get_bucket_versioning(response: Response) -> str:
    """Read the status; empty for a bucket that never had versions."""
    return xml.text_of(xml.parse(response.body, "VersioningConfiguration"), "Status")


def write_get_bucket_versioning(status: str = "") -> Response:
    """Answer GetBucketVersioning."""
    return xml_response(xml.document("VersioningConfiguration", [xml.tag("Status", status)] if status else []))


# Lists


def list_object_versions(
    bucket: str,
    *,
    prefix: str = "",
    key_marker: str = "",
    version_id_marker: str = "",
    delimiter: str = "",
    max_keys: int = 1000,
) -> Request:
    """Ask for a page of versions, behind *version_id_marker* of *key_marker*."""
    query = given(
        encoding_type="url",
        max_keys=str(max_keys),
        prefix=prefix,
        key_marker=key_marker,
        version_id_marker=version_id_marker,
        delimiter=delimiter,
    )
    query["versions"] = None
    return Request("GET", bucket, "", query, operation="ListObjectVersions")


def parse_list_object_versions(response: Response) -> ListVersionsResult:
    """Read a page of versions."""
    root = xml.parse(response.body, "ListVersionsResult")
    decoded = decoder(root)
    truncated = xml.text_of(root, "IsTruncated") == "true"
    next_key = decoded(xml.text_of(root, "NextKeyMarker"))
    if truncated and not next_key:
        raise ValueError("a truncated listing that does not say where it goes on")
    return ListVersionsResult(
        versions=tuple(
            _version(element, decoded(xml.text_of(element, "Key")))
            for element in root
            if element.tag in ("Version", "DeleteMarker")
        ),
        prefixes=tuple(decoded(element.text) for element in root.iterfind("CommonPrefixes/Prefix")),
        is_truncated=truncated,
        next_key_marker=next_key,
        next_version_id_marker=xml.text_of(root, "NextVersionIdMarker"),
        name=xml.text_of(root, "Name"),
        prefix=decoded(xml.text_of(root, "Prefix")),
        key_marker=decoded(xml.text_of(root, "KeyMarker")),
        version_id_marker=xml.text_of(root, "VersionIdMarker"),
        delimiter=decoded(xml.text_of(root, "Delimiter")),
        max_keys=int(xml.text_of(root, "MaxKeys") or "100"),
    )


def _version(element: Element, key: str) -> ObjectVersion:
    said = xml.fields(element)
    owner = element.find("Owner")
    return ObjectVersion(
        key=key,
        version_id=said["VersionId"],
        is_latest=said.get("IsLatest") == "true",
        last_modified=parse_xml_date(said["LastModified"]),
        is_delete_marker=element.tag == "DeleteMarker",
        size=int(said.get("Size") or "0"),
        etag=bare_etag(said.get("ETag", "")),
        type=said.get("Type", "Normal"),
        storage_class=said.get("StorageClass", "Standard"),
        owner=None if owner is None else Owner(xml.text_of(owner, "ID"), xml.text_of(owner, "DisplayName")),
        restore=said.get("RestoreInfo"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListVersionsCall:
    """ListObjectVersions: what comes behind *version_id_marker* of *key_marker*, or behind all of *key_marker*."""

    prefix: str
    key_marker: str
    version_id_marker: str
    delimiter: str
    max_keys: int
    encoded: bool


def read_list_object_versions(request: Request) -> ListVersionsCall:
    """Read ListObjectVersions.

    Raises:
        InvalidArgument: a parameter will not do.
    """
    key_marker, version_id_marker = read_name(request, "key-marker"), read_name(request, "version-id-marker")
    if version_id_marker and not key_marker:
        raise argument("A version-id marker cannot be specified without a key marker.", "version-id-marker", "")
    return ListVersionsCall(
        prefix=read_name(request, "prefix"),
        key_marker=key_marker,
        version_id_marker=version_id_marker,
        delimiter=read_name(request, "delimiter"),
        max_keys=read_number(request, "max-keys", 100, 1, 1000),
        encoded=read_encoding(request),
    )


def write_list_object_versions(result: ListVersionsResult, call: ListVersionsCall) -> Response:
    """Answer ListObjectVersions; the next markers of the result name the last entry shown."""
    write = namer(call.encoded)
    elements = [
        xml.tag("Name", result.name),
        write("Prefix", call.prefix),
        write("KeyMarker", call.key_marker),
        write("VersionIdMarker", call.version_id_marker),
        xml.tag("MaxKeys", call.max_keys),
        write("Delimiter", call.delimiter),
        xml.tag("EncodingType", "url") if call.encoded else "",
        xml.tag("IsTruncated", "true" if result.is_truncated else "false"),
    ]
    if result.is_truncated:
        elements += [
            write("NextKeyMarker", result.next_key_marker),
            xml.tag("NextVersionIdMarker", result.next_version_id_marker),
        ]
    for version in result.versions:
        inner = [
            write("Key", version.key),
            xml.tag("VersionId", version.version_id),
            xml.tag("IsLatest", "true" if version.is_latest else "false"),
            xml.tag("LastModified", xml_date(version.last_modified)),
        ]
        if not version.is_delete_marker:
            inner += [
                xml.tag("ETag", quoted(version.etag)),
                xml.tag("Type", version.type),
                xml.tag("Size", version.size),
                xml.tag("StorageClass", version.storage_class),
            ]
        owner = version.owner or Owner()
        inner.append(xml.wrap("Owner", [xml.tag("ID", owner.id), xml.tag("DisplayName", owner.display_name)]))
        if version.restore:
            inner.append(xml.tag("RestoreInfo", version.restore))
        elements.append(xml.wrap("DeleteMarker" if version.is_delete_marker else "Version", inner))
    elements += [xml.wrap("CommonPrefixes", [write("Prefix", prefix)]) for prefix in result.prefixes]
    return xml_response(xml.document("ListVersionsResult", elements))


# Deleting


def delete_version(bucket: str, key: str, version_id: str | None = None) -> Request:
    """Delete one version for good; None puts a delete marker on *key*."""
    query: dict[str, str | None] = {"versionId": version_id} if version_id else {}
    return Request("DELETE", bucket, key, query, operation="DeleteObject")


def parse_delete_object(response: Response, key: str = "") -> Deletion:
    """Read the answer to DeleteObject."""
    headers = response.headers
    marker = headers.get("x-oss-delete-marker", "").lower() == "true"
    version_id = headers.get("x-oss-version-id")
    return Deletion(key, version_id, marker, version_id if marker else None)


def write_delete_object(deletion: Deletion | None = None) -> Response:
    """Answer DeleteObject; None in a bucket without versions."""
    response = empty_response(204)
    if deletion is not None:
        if deletion.version_id is not None:
            response.headers["x-oss-version-id"] = deletion.version_id
        if deletion.delete_marker:
            response.headers["x-oss-delete-marker"] = "true"
    return response


def delete_multiple_versions(bucket: str, versions: Iterable[tuple[str, str | None]]) -> Request:
    """Delete up to 1000 versions, each a key and a version id; None puts a delete marker on the key.

    Raises:
        ValueError: XML cannot hold a key.
    """
    elements = [xml.tag("Quiet", "false")]
    for key, version_id in versions:
        inner = [xml.tag("Key", key)] + ([xml.tag("VersionId", version_id)] if version_id else [])
        elements.append(xml.wrap("Object", inner))
    body = xml.document("Delete", elements)
    query: dict[str, str | None] = {"delete": None, "encoding-type": "url"}
    headers = Headers({"content-md5": content_md5(body), "content-type": "application/xml"})
    return Request("POST", bucket, "", query, headers, body, operation="DeleteMultipleObjects")


def parse_delete_multiple_versions(response: Response) -> tuple[Deletion, ...]:
    """Read what was deleted."""
    if not response.body:
        return ()
    root = xml.parse(response.body, "DeleteResult")
    decoded = decoder(root)
    deletions = []
    for element in root.iterfind("Deleted"):
        said = xml.fields(element)
        deletions.append(
            Deletion(
                key=decoded(said["Key"]),
                version_id=said.get("VersionId"),
                delete_marker=said.get("DeleteMarker") == "true",
                delete_marker_version_id=said.get("DeleteMarkerVersionId"),
            )
        )
    return tuple(deletions)


def read_deleted_versions(request: Request) -> list[tuple[str, str | None]]:
    """Read keys and version ids of DeleteMultipleObjects, which `listing_calls` has found to be in order."""
    root = xml.parse(request.body or b"", "Delete")
    return [
        (xml.text_of(element, "Key"), xml.text_of(element, "VersionId") or None) for element in root.iterfind("Object")
    ]


def write_delete_multiple_versions(deletions: Iterable[Deletion], *, quiet: bool, encoded: bool) -> Response:
    """Answer DeleteMultipleObjects in a bucket with versions."""
    if quiet:
        return empty_response()
    write = namer(encoded)
    elements = [xml.tag("EncodingType", "url")] if encoded else []
    for deletion in deletions:
        inner = [write("Key", deletion.key)]
        if deletion.version_id:
            inner.append(xml.tag("VersionId", deletion.version_id))
        if deletion.delete_marker:
            inner.append(xml.tag("DeleteMarker", "true"))
        if deletion.delete_marker_version_id:
            inner.append(xml.tag("DeleteMarkerVersionId", deletion.delete_marker_version_id))
        elements.append(xml.wrap("Deleted", inner))
    return xml_response(xml.document("DeleteResult", elements))


def read_version_id(request: Request) -> str | None:
    """Return the version that GetObject, HeadObject, DeleteObject and the like ask for; None for the newest.

    Raises:
        InvalidArgument: it is empty.
    """
    if "versionId" not in request.query:
        return None
    version_id = request.query["versionId"]
    if not version_id:
        raise argument("Invalid version id specified.", "versionId", "")
    return version_id
