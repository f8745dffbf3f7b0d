"""Three clients that write the same things, each in its own way, and tell what they find in the same words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol
from urllib.parse import quote, unquote, urlencode

import alibabacloud_oss_v2 as sdk
import oss2
import oss2.models

from ossmount.wire.models import PartResult

if TYPE_CHECKING:
    from ossmount.oss import blocking
    from tests.judges.v2 import Judge

CONTENT_TYPE, CACHE_CONTROL = "text/x-thing; charset=utf-8", "no-cache, max-age=3"


@dataclass(frozen=True)
class Seen:
    """What a client finds under a key.  *entry* is what a listing tells: size and type."""

    body: bytes
    entry: tuple[int, str]
    content_type: str = CONTENT_TYPE
    cache_control: str = CACHE_CONTROL
    meta: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    acl: str = "default"
    target: str = ""


class Hand(Protocol):
    """Writes, reads and removes with one client."""

    def put(self, key: str, body: bytes, meta: dict[str, str], tags: dict[str, str], acl: str) -> None:
        """Make an object with all of this."""

    def append(self, key: str, position: int, piece: bytes, meta: dict[str, str]) -> int:
        """Append to an object, and return where it ends."""

    def begin(self, key: str, meta: dict[str, str]) -> str:
        """Begin an upload in parts, and return its id."""

    def send(self, key: str, upload: str, number: int, part: bytes) -> str:
        """Send a part, and return its ETag."""

    def finish(self, key: str, upload: str, etags: list[str]) -> None:
        """Make the object of its parts."""

    def versions(self) -> list[tuple[str, str, bool]]:
        """Tell of all versions: key, id, and whether it is a delete marker."""

    def link(self, key: str, target: str) -> None:
        """Make a symlink."""

    def copy(self, source: str, key: str) -> None:
        """Copy an object."""

    def see(self, key: str) -> Seen:
        """Tell what is there."""

    def part(self, key: str, start: int, stop: int) -> bytes:
        """Read a half-open range."""

    def remove(self, keys: list[str]) -> None:
        """Delete them all at once."""

    def keys(self) -> list[str]:
        """List what there is."""


class Oss2Hand:
    """oss2."""

    def __init__(self, bucket: oss2.Bucket) -> None:
        self._bucket = bucket

    def _headers(self, meta: dict[str, str]) -> dict[str, str]:
        named = {f"x-oss-meta-{name}": value for name, value in meta.items()}
        return {"Content-Type": CONTENT_TYPE, "Cache-Control": CACHE_CONTROL, **named}

    def put(self, key: str, body: bytes, meta: dict[str, str], tags: dict[str, str], acl: str) -> None:
        headers = self._headers(meta)
        headers |= {"x-oss-tagging": urlencode(tags, quote_via=quote), "x-oss-object-acl": acl}
        self._bucket.put_object(key, body, headers=headers)

    def append(self, key: str, position: int, piece: bytes, meta: dict[str, str]) -> int:
        result = self._bucket.append_object(key, position, piece, headers=self._headers(meta))
        return int(result.next_position)

    def begin(self, key: str, meta: dict[str, str]) -> str:
        return str(self._bucket.init_multipart_upload(key, headers=self._headers(meta)).upload_id)

    def send(self, key: str, upload: str, number: int, part: bytes) -> str:
        return str(self._bucket.upload_part(key, upload, number, part).etag)

    def finish(self, key: str, upload: str, etags: list[str]) -> None:
        parts = [oss2.models.PartInfo(number, etag) for number, etag in enumerate(etags, 1)]
        self._bucket.complete_multipart_upload(key, upload, parts)

    def versions(self) -> list[tuple[str, str, bool]]:
        page = self._bucket.list_object_versions()
        found = [(entry.key, entry.versionid, False) for entry in page.versions]
        return found + [(entry.key, entry.versionid, True) for entry in page.delete_marker]

    def link(self, key: str, target: str) -> None:
        self._bucket.put_symlink(target, key, headers=self._headers({}))

    def copy(self, source: str, key: str) -> None:
        self._bucket.copy_object(self._bucket.bucket_name, source, key)

    def see(self, key: str) -> Seen:
        answer = self._bucket.get_object(key)
        (entry,) = self._bucket.list_objects_v2(prefix=key, max_keys=1).object_list
        named = {name.lower(): value for name, value in answer.headers.items()}
        return Seen(
            body=answer.read(),
            entry=(entry.size, entry.type),
            content_type=named["content-type"],
            cache_control=named["cache-control"],
            meta={name[11:]: value for name, value in named.items() if name.startswith("x-oss-meta-")},
            tags=dict(self._bucket.get_object_tagging(key).tag_set.tagging_rule),
            acl=self._bucket.get_object_acl(key).acl,
            target=self._bucket.get_symlink(key).target_key if entry.type == "Symlink" else "",
        )

    def part(self, key: str, start: int, stop: int) -> bytes:
        return self._bucket.get_object(key, byte_range=(start, stop - 1)).read()  # type: ignore[no-any-return]

    def remove(self, keys: list[str]) -> None:
        self._bucket.batch_delete_objects(keys)

    def keys(self) -> list[str]:
        return [entry.key for entry in oss2.ObjectIteratorV2(self._bucket, max_keys=2)]


class V2Hand:
    """alibabacloud-oss-v2, by either of its clients."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._ask = judge.ask
        self._plain = {"content_type": CONTENT_TYPE, "cache_control": CACHE_CONTROL}

    def put(self, key: str, body: bytes, meta: dict[str, str], tags: dict[str, str], acl: str) -> None:
        tagging = urlencode(tags, quote_via=quote)
        self._ask("PutObject", key=key, body=body, metadata=meta, tagging=tagging, acl=acl, **self._plain)

    def append(self, key: str, position: int, piece: bytes, meta: dict[str, str]) -> int:
        result = self._ask("AppendObject", key=key, position=position, body=piece, metadata=meta, **self._plain)
        return int(result.next_position)

    def begin(self, key: str, meta: dict[str, str]) -> str:
        return str(self._ask("InitiateMultipartUpload", key=key, metadata=meta, **self._plain).upload_id)

    def send(self, key: str, upload: str, number: int, part: bytes) -> str:
        return str(self._ask("UploadPart", key=key, upload_id=upload, part_number=number, body=part).etag)

    def finish(self, key: str, upload: str, etags: list[str]) -> None:
        parts = [sdk.UploadPart(part_number=number, etag=etag) for number, etag in enumerate(etags, 1)]
        document = sdk.CompleteMultipartUpload(parts=parts)
        self._ask("CompleteMultipartUpload", key=key, upload_id=upload, complete_multipart_upload=document)

    def versions(self) -> list[tuple[str, str, bool]]:
        page = self._ask("ListObjectVersions")
        found = [(entry.key, entry.version_id, False) for entry in page.version or []]
        return found + [(entry.key, entry.version_id, True) for entry in page.delete_marker or []]

    def link(self, key: str, target: str) -> None:
        # Neither headers nor the encoding of the target are things that this SDK does.
        headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": CACHE_CONTROL}
        self._ask("PutSymlink", key=key, target=quote(target), headers=headers)

    def copy(self, source: str, key: str) -> None:
        self._ask("CopyObject", key=key, source_key=source)

    def see(self, key: str) -> Seen:
        answer = self._ask("GetObject", key=key)
        (entry,) = self._ask("ListObjectsV2", prefix=key, max_keys=1).contents
        tags = self._ask("GetObjectTagging", key=key).tag_set.tags or []
        link = self._ask("GetSymlink", key=key) if entry.object_type == "Symlink" else None
        return Seen(
            body=self._judge.bytes_of(answer),
            entry=(entry.size, entry.object_type),
            content_type=answer.content_type,
            cache_control=answer.cache_control,
            meta=dict(answer.metadata or {}),
            tags={tag.key: tag.value or "" for tag in tags},
            acl=self._ask("GetObjectAcl", key=key).acl,
            target=unquote(link.target) if link else "",
        )

    def part(self, key: str, start: int, stop: int) -> bytes:
        return self._judge.read(key, range_header=f"bytes={start}-{stop - 1}")

    def remove(self, keys: list[str]) -> None:
        self._ask("DeleteMultipleObjects", objects=[sdk.DeleteObject(key=key) for key in keys], encoding_type="url")

    def keys(self) -> list[str]:
        return [entry.key for page in self._judge.pages("ListObjectsV2", max_keys=2) for entry in page.contents or []]


class OurHand:
    """Our own client."""

    headers: ClassVar = {"content-type": CONTENT_TYPE, "cache-control": CACHE_CONTROL}

    def __init__(self, bucket: blocking.Blocking) -> None:
        self._bucket = bucket

    def put(self, key: str, body: bytes, meta: dict[str, str], tags: dict[str, str], acl: str) -> None:
        self._bucket.put_object(key, body, headers=self.headers, meta=meta)
        self._bucket.put_object_tagging(key, tags)
        self._bucket.put_object_acl(key, acl)

    def append(self, key: str, position: int, piece: bytes, meta: dict[str, str]) -> int:
        return int(self._bucket.append_object(key, position, piece, headers=self.headers, meta=meta).next_position)

    def begin(self, key: str, meta: dict[str, str]) -> str:
        return str(self._bucket.initiate_multipart_upload(key, headers=self.headers, meta=meta))

    def send(self, key: str, upload: str, number: int, part: bytes) -> str:
        return str(self._bucket.upload_part(key, upload, number, part).etag)

    def finish(self, key: str, upload: str, etags: list[str]) -> None:
        parts = [PartResult(number, etag.strip('"')) for number, etag in enumerate(etags, 1)]
        self._bucket.complete_multipart_upload(key, upload, parts)

    def versions(self) -> list[tuple[str, str, bool]]:
        return [(entry.key, entry.version_id, entry.is_delete_marker) for entry in self._bucket.iter_object_versions()]

    def link(self, key: str, target: str) -> None:
        self._bucket.put_symlink(key, target, headers=self.headers)

    def copy(self, source: str, key: str) -> None:
        self._bucket.copy_object(key, source)

    def see(self, key: str) -> Seen:
        head, body = self._bucket.get_object(key)
        (entry,) = self._bucket.list_objects_v2(key, max_keys=1).objects
        return Seen(
            body=bytes(body),
            entry=(entry.size, entry.type),
            content_type=head.content_type,
            cache_control=head.headers["cache-control"],
            meta=head.meta,
            tags=self._bucket.get_object_tagging(key),
            acl=self._bucket.get_object_acl(key),
            target=self._bucket.get_symlink(key).target if entry.type == "Symlink" else "",
        )

    def part(self, key: str, start: int, stop: int) -> bytes:
        return bytes(self._bucket.get_object(key, start=start, stop=stop)[1])

    def remove(self, keys: list[str]) -> None:
        self._bucket.delete_multiple_objects(keys)

    def keys(self) -> list[str]:
        return [entry.key for entry in self._bucket.iter_objects(max_keys=2)]
