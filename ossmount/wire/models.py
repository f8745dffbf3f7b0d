"""The things OSS talks about: objects, listings, uploads, buckets.  Frozen values, read and written by both sides.

Times are seconds since the epoch as float, sizes are bytes, ETags come without quotes, exactly as sent otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from .message import Headers


class ObjectType(StrEnum):
    """How an object came to be, as ``x-oss-object-type`` says it."""

    NORMAL = "Normal"
    MULTIPART = "Multipart"
    APPENDABLE = "Appendable"
    SYMLINK = "Symlink"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a bucket or object belongs to."""

    id: str = ""
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """These clean bytes: one version of one object."""

    key: str
    etag: str
    size: int
    type: str = "Normal"
    crc64: int | None = None


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """An object as a listing tells it."""

    key: str
    size: int
    etag: str
    last_modified: float
    type: str = "Normal"
    storage_class: str = "Standard"
    owner: Owner | None = None
    restore: str | None = None


@dataclass(frozen=True, slots=True)
class ListObjectsResult:
    """A page of a listing (GetBucket, version 1 or 2).

    *next_marker* is where the next page begins when *is_truncated*: a key for version 1, a token for version 2.
    """

    objects: tuple[ObjectSummary, ...] = ()
    prefixes: tuple[str, ...] = ()
    is_truncated: bool = False
    next_marker: str = ""
    name: str = ""
    prefix: str = ""
    marker: str = ""
    delimiter: str = ""
    max_keys: int = 100


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """An object as HEAD or GET tells it.

    *size* is that of the whole object, *crc64* and *etag* too, also when a range was asked for; *content_range* is then
    ``(start, stop, total)`` with *stop* exclusive.  *meta* is the user metadata by name without its prefix, decoded.
    """

    key: str
    size: int
    etag: str
    last_modified: float
    type: str = "Normal"
    crc64: int | None = None
    content_type: str = ""
    storage_class: str = "Standard"
    meta: dict[str, str] = field(default_factory=dict)
    headers: Headers = field(default_factory=Headers)
    next_append_position: int | None = None
    version_id: str | None = None
    tagging_count: int = 0
    restore: str | None = None
    content_range: tuple[int, int, int] | None = None
    request_id: str = ""

    @property
    def source(self) -> Source:
        """These bytes, to be read later."""
        return Source(self.key, self.etag, self.size, self.type, self.crc64)


@dataclass(frozen=True, slots=True)
class ObjectMeta:
    """What GetObjectMeta tells: little, and of a symlink itself, not of its target."""

    key: str
    size: int
    etag: str
    last_modified: float
    crc64: int | None = None
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class PutObjectResult:
    """An object was written; *last_modified* is the Date of the answer, which is as close as it tells.

    *callback* is what the application's server answered, if it was called.
    """

    etag: str
    crc64: int | None = None
    version_id: str | None = None
    last_modified: float = 0.0
    request_id: str = ""
    callback: bytes = b""


@dataclass(frozen=True, slots=True)
class AppendResult:
    """Bytes were appended; *crc64* is that of the whole object."""

    next_position: int
    crc64: int | None = None
    etag: str = ""
    last_modified: float = 0.0
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class CopyObjectResult:
    """An object was copied."""

    etag: str
    last_modified: float
    crc64: int | None = None
    version_id: str | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class SymlinkResult:
    """An OSS symlink: *target* is the key it points at."""

    target: str
    etag: str = ""
    last_modified: float = 0.0
    meta: dict[str, str] = field(default_factory=dict)
    version_id: str | None = None
    headers: Headers = field(default_factory=Headers)


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """What DeleteMultipleObjects did: every key asked for, whether it was there or not."""

    deleted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """A multipart upload under way."""

    key: str
    upload_id: str
    initiated: float = 0.0
    storage_class: str = ""


@dataclass(frozen=True, slots=True)
class ListUploadsResult:
    """A page of uploads under way, by key and then by upload id."""

    uploads: tuple[UploadInfo, ...] = ()
    prefixes: tuple[str, ...] = ()
    is_truncated: bool = False
    next_key_marker: str = ""
    next_upload_id_marker: str = ""
    bucket: str = ""
    prefix: str = ""
    delimiter: str = ""
    key_marker: str = ""
    upload_id_marker: str = ""
    max_uploads: int = 1000


@dataclass(frozen=True, slots=True)
class PartResult:
    """A part of an upload; *size* is 0 and *crc64* None when nobody said."""

    number: int
    etag: str
    size: int = 0
    crc64: int | None = None
    last_modified: float = 0.0


PartInfo = PartResult


@dataclass(frozen=True, slots=True)
class ListPartsResult:
    """A page of the parts of an upload, by number."""

    parts: tuple[PartResult, ...] = ()
    is_truncated: bool = False
    next_part_number_marker: int = 0
    bucket: str = ""
    key: str = ""
    upload_id: str = ""
    part_number_marker: int = 0
    max_parts: int = 1000
    storage_class: str = "Standard"


@dataclass(frozen=True, slots=True)
class CompleteResult:
    """A multipart upload has become an object; *callback* as in `PutObjectResult`."""

    etag: str
    crc64: int | None = None
    last_modified: float = 0.0
    version_id: str | None = None
    request_id: str = ""
    location: str = ""
    callback: bytes = b""

    def as_put(self) -> PutObjectResult:
        """Return what PutObject would have said of the same object."""
        return PutObjectResult(
            self.etag, self.crc64, self.version_id, self.last_modified, self.request_id, self.callback
        )


@dataclass(frozen=True, slots=True)
class BucketSummary:
    """A bucket as ListBuckets tells it."""

    name: str
    creation_date: float
    location: str = ""
    storage_class: str = "Standard"
    extranet_endpoint: str = ""
    intranet_endpoint: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class ListBucketsResult:
    """A page of one's buckets."""

    buckets: tuple[BucketSummary, ...] = ()
    owner: Owner = Owner()
    is_truncated: bool = False
    next_marker: str = ""
    prefix: str = ""
    marker: str = ""
    max_keys: int = 100


@dataclass(frozen=True, slots=True)
class BucketInfo:
    """What GetBucketInfo tells."""

    name: str
    creation_date: float = 0.0
    location: str = ""
    storage_class: str = "Standard"
    extranet_endpoint: str = ""
    intranet_endpoint: str = ""
    data_redundancy_type: str = "LRS"
    owner: Owner = Owner()
    acl: str = "private"
    versioning: str = ""
    hierarchical_namespace: str = ""


@dataclass(frozen=True, slots=True)
class BucketStat:
    """What GetBucketStat tells; the service counts about once an hour."""

    storage: int = 0
    object_count: int = 0
    multipart_upload_count: int = 0
    last_modified_time: float = 0.0
    details: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccessControl:
    """Who owns something and what everybody may do with it."""

    grant: str
    owner: Owner = Owner()


Parts = Sequence[PartResult]
