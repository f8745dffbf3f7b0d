"""The limits of the service, checked before anything is sent: a trip less, and a message that says what to change.

`check` looks at a finished request, so that no operation can forget it; what is inside documents is checked where they
are written.  All raise `OutOfLimits`, which is a ValueError too.

Source: API reference, "Limits"; the pages of the operations.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from .failures import OutOfLimits
from .metadata import MAX_SIZE as MAX_META, PREFIX as META

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .message import Request

MIB = 1024 * 1024
GIB = 1024 * MIB

MAX_KEY = 1023
MAX_NAME = 1023
MAX_BODY = 5 * GIB
MIN_PART = 100 * 1024
MAX_PARTS = 10_000
# Ours: more at once would only wait for each other.
MAX_PARALLEL = 100
MAX_TAGS = 10
MAX_TAG_KEY = 128
MAX_TAG_VALUE = 256
MAX_LIFECYCLE_RULES = 1000
MAX_CORS_RULES = 10
MAX_CORS_SIZE = 16 * 1024
MAX_CALLBACK = 5 * 1024
MAX_RESTORE_DAYS = 365
TRAFFIC = (819_200, 838_860_800)

BUCKET_ACLS = ("private", "public-read", "public-read-write")
OBJECT_ACLS = ("default", *BUCKET_ACLS)
STORAGE_CLASSES = ("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive")
REDUNDANCY_TYPES = ("LRS", "ZRS")

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", re.ASCII)
_NUMBERS = {
    "max-keys": (1, 1000),
    "max-uploads": (1, 1000),
    "max-parts": (1, 1000),
    "part-number-marker": (0, MAX_PARTS),
    "partNumber": (1, MAX_PARTS),
    "position": (0, MAX_BODY),
    "x-oss-traffic-limit": TRAFFIC,
}
_NAMES = frozenset({"prefix", "marker", "delimiter", "start-after", "key-marker", "upload-id-marker"})
_CHOICES = {"x-oss-acl": BUCKET_ACLS, "x-oss-object-acl": OBJECT_ACLS, "x-oss-storage-class": STORAGE_CLASSES}
_UPLOADS = frozenset({"PutObject", "AppendObject", "UploadPart"})
# Without a key these would be about the bucket: to put nothing would make it, to delete nothing would delete it.
_OF_OBJECTS = frozenset(
    """AbortMultipartUpload AppendObject CompleteMultipartUpload CopyObject DeleteObject DeleteObjectTagging GetObject
    GetObjectACL GetObjectMeta GetObjectTagging GetSymlink HeadObject InitiateMultipartUpload ListParts PutObject
    PutObjectACL PutObjectTagging PutSymlink RestoreObject UploadPart UploadPartCopy presign""".split()
)
# RFC 9110, section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
# What HTTP carries as it is (RFC 9110, section 5.5): no control characters, no space at the ends.
_HEADER = re.compile("(?:[!-~\x80-\xff](?:[ -~\t\x80-\xff]*[!-~\x80-\xff])?)?")


def is_bucket_name(name: str) -> bool:
    """Tell whether *name* may be a bucket's: 3 to 63 of ``a-z0-9-``, no hyphen at the ends (PutBucket)."""
    return _BUCKET.fullmatch(name) is not None


def is_header(value: str) -> bool:
    """Tell whether HTTP can carry *value* in a header as it is."""
    return _HEADER.fullmatch(value) is not None


def check(request: Request) -> None:
    """Return if OSS might take *request*.

    Raises:
        OutOfLimits: it would certainly not; the message tells the limit.
    """
    if request.bucket:
        check_bucket_name(request.bucket)
    if request.key or request.operation in _OF_OBJECTS:
        check_key(request.key)
    for name, value in request.query.items():
        if name in _NUMBERS:
            check_number(name, value or "", *_NUMBERS[name])
        elif name in _NAMES and value and _size(value) > MAX_NAME:
            raise OutOfLimits(f"{name} has {_size(value)} bytes in UTF-8, at most {MAX_NAME} are possible")
        elif name == "uploadId" and not value:
            raise OutOfLimits("the id of an upload has at least 1 character")
    meta = 0
    for name, value in request.headers.items():
        if not _TOKEN.fullmatch(name):
            raise OutOfLimits(f"not the name of a header: {name[:40]!r} (1 or more of A-Z, a-z, 0-9 and -)")
        if not is_header(value):
            raise OutOfLimits(
                f"the header {name} cannot be {value[:40]!r}: HTTP carries no control characters, no space at either "
                "end, and nothing beyond ISO 8859-1; percent-encode it"
            )
        if name.startswith(META):
            meta += len(name) - len(META) + len(value)
        elif name in _CHOICES:
            check_choice(name, value, _CHOICES[name])
        elif name == "x-oss-copy-source":
            check_bucket_name(value.removeprefix("/").partition("/")[0])
        elif name == "x-oss-tagging":
            check_tags(dict(parse_qsl(value, keep_blank_values=True)))
        elif name == "x-oss-traffic-limit":
            check_number(name, value, *TRAFFIC)
        elif name == "x-oss-callback" and len(value) > MAX_CALLBACK:
            raise OutOfLimits(f"the callback has {len(value)} bytes in base64, at most {MAX_CALLBACK} are possible")
    if meta > MAX_META:
        raise OutOfLimits(f"the user metadata have {meta} bytes, at most {MAX_META} are possible")
    if request.body is not None and request.operation in _UPLOADS:
        check_body(memoryview(request.body).nbytes)


def check_bucket_name(name: str) -> None:
    """Return if a bucket may be called *name*.

    Raises:
        OutOfLimits: none may.
    """
    if not is_bucket_name(name):
        raise OutOfLimits(f"{name!r} is no bucket name: 3 to 63 of a-z, 0-9 and -, no - at the ends")


def check_key(key: str) -> None:
    """Return if an object may be called *key*.

    Raises:
        OutOfLimits: none may.
    """
    if not key.isascii() or len(key) > MAX_KEY:
        try:
            size = len(key.encode())
        except UnicodeEncodeError:
            raise OutOfLimits(f"not a key: {key[:40]!r} is not UTF-8") from None
        if size > MAX_KEY:
            raise OutOfLimits(f"a key of {size} bytes in UTF-8, at most {MAX_KEY} are possible: {key[:40]!r}...")
    if not key or key[0] in "/\\":
        raise OutOfLimits(f"not a key: {key[:40]!r} (1 to {MAX_KEY} bytes that do not begin with / or \\)")


def check_body(size: int) -> None:
    """Return if *size* bytes can be sent at once.

    Raises:
        OutOfLimits: they are too many, or less than none.
    """
    if size < 0:
        raise OutOfLimits(f"a size of {size} bytes, 0 to {MAX_BODY} are possible")
    if size > MAX_BODY:
        raise OutOfLimits(f"{size} bytes in one request, at most {MAX_BODY} (5 GiB) are possible: upload it in parts")


def check_part_size(part_size: int, size: int = 0) -> None:
    """Return if an object of *size* bytes can be uploaded in parts of *part_size*.

    Raises:
        OutOfLimits: the parts are too small, too large or too many.
    """
    if not MIN_PART <= part_size <= MAX_BODY:
        raise OutOfLimits(f"a part size of {part_size} bytes, {MIN_PART} to {MAX_BODY} are possible")
    if -(-size // part_size) > MAX_PARTS:
        raise OutOfLimits(f"{size} bytes in parts of {part_size} are more than {MAX_PARTS} parts")


def check_number(name: str, value: str | int, low: int, high: int) -> None:
    """Return if *value* is a number from *low* to *high*.

    Raises:
        OutOfLimits: it is not.
    """
    text = str(value)
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise OutOfLimits(f"{name} must be a number from {low} to {high}, not {text[:40] or 'nothing'}")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Return if *value* is one of *choices*.

    Raises:
        OutOfLimits: it is not.
    """
    if value not in choices:
        raise OutOfLimits(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def check_tags(tags: Mapping[str, str]) -> None:
    """Return if an object can have *tags*.

    Raises:
        OutOfLimits: they are too many, or one is too long.
    """
    if len(tags) > MAX_TAGS:
        raise OutOfLimits(f"{len(tags)} tags, at most {MAX_TAGS} are possible")
    for key, value in tags.items():
        if not 1 <= _size(key) <= MAX_TAG_KEY or _size(value) > MAX_TAG_VALUE:
            raise OutOfLimits(
                f"tag {key!r}: 1 to {MAX_TAG_KEY} bytes are possible, its value has up to {MAX_TAG_VALUE}"
            )


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
