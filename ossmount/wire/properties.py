"""What requests say about objects to be, and arguments in general: read and checked for the operations of the server.

Metadata is kept as it travelled, so what a client stores comes back byte for byte.

Source: API reference, PutObject ("Request headers"), PutObjectTagging, PutObjectACL.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from .errors import InvalidArgument, InvalidDigest, InvalidEncryptionAlgorithmError, InvalidTag
from .limits import TRAFFIC
from .metadata import MAX_SIZE, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .message import Request

# Headers of a request that are stored with the object and replayed with every GET and HEAD.
STORED = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-oss-server-side-encryption",
    "x-oss-server-side-encryption-key-id",
)

OBJECT_ACLS = ("default", "private", "public-read", "public-read-write")
STORAGE_CLASSES = ("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive")
ARCHIVED = frozenset(STORAGE_CLASSES[2:])
ENCRYPTIONS = ("AES256", "KMS", "SM4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """What a writer may say about an object besides its bytes.

    *headers* are the stored headers by lower-case name, *meta* the user metadata without prefix; values as they
    travelled.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    acl: str = "default"
    storage_class: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """What the sender says of the body: MD5 digest and CRC-64, each if it was sent."""

    md5: bytes | None = None
    crc64: int | None = None


def argument(message: str, name: str, value: str) -> InvalidArgument:
    """Make the error for an argument that will not do."""
    return InvalidArgument(message, details={"ArgumentName": name, "ArgumentValue": value})


def read_number(request: Request, name: str, default: int, low: int, high: int) -> int:
    """Return the parameter *name*, between *low* and *high*.

    Raises:
        InvalidArgument: it is something else.
    """
    text = request.query.get(name) or ""
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 20 or not low <= int(text) <= high:
        raise argument(f"{name} must be an integer between {low} and {high}.", name, text)
    return int(text)


def read_traffic_limit(request: Request) -> int:
    """Return how many bits a second the request and its answer may take.

    Raises:
        InvalidArgument: it is out of the limits.
    """
    name = "x-oss-traffic-limit"
    text = request.headers.get(name) or request.query.get(name) or ""
    if not text.isascii() or not text.isdigit() or not TRAFFIC[0] <= int(text[:20]) <= TRAFFIC[1]:
        raise argument(f"{name} must be an integer between {TRAFFIC[0]} and {TRAFFIC[1]}.", name, text)
    return int(text)


def read_digests(request: Request) -> Digests:
    """Read what is said of the body.

    Raises:
        InvalidDigest: ``Content-MD5`` is no MD5.
        InvalidArgument: the CRC is no number.
    """
    md5: bytes | None = None
    if text := request.headers.get("content-md5", ""):
        try:
            md5 = b64decode(text, validate=True)
        except ValueError:
            md5 = b""
        if len(md5) != 16:
            raise InvalidDigest(details={"Content-MD5": text})
    crc = request.headers.get("x-oss-hash-crc64ecma", "")
    if crc and not (crc.isascii() and crc.isdigit()):
        raise argument("The CRC is not a decimal number.", "x-oss-hash-crc64ecma", crc)
    return Digests(md5=md5, crc64=int(crc) if crc else None)


def read_acl(request: Request, name: str, known: Iterable[str], default: str = "") -> str:
    """Read an access control from the header *name*.

    Raises:
        InvalidArgument: there is no such one.
    """
    acl = request.headers.get(name, "") or default
    if acl not in known:
        raise argument("no such bucket access control exists", name, acl)
    return acl


def read_tags(text: str) -> dict[str, str]:
    """Read ``x-oss-tagging``: ``k=v&..``, percent-encoded.

    Raises:
        InvalidTag: there are too many, or one is too long.
    """
    return check_tags(parse_qsl(text, keep_blank_values=True))


def check_tags(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return *pairs* as a mapping, when OSS takes them: at most 10, keys up to 128 bytes, values up to 256.

    Raises:
        InvalidTag: it does not.
    """
    tags: dict[str, str] = {}
    for key, value in pairs:
        if not 1 <= len(key.encode("utf-8", "replace")) <= 128 or len(value.encode("utf-8", "replace")) > 256:
            raise InvalidTag(details={"TagKey": key})
        if key in tags:
            raise InvalidTag("The tags have the same key twice.", details={"TagKey": key})
        tags[key] = value
    if len(tags) > 10:
        raise InvalidTag("Object tags cannot be more than 10.")
    return tags


def read_properties(request: Request) -> Properties:
    """Read what *request* says about the object it will make; *storage_class* is empty when it says none.

    Raises:
        InvalidArgument: access control, storage class or metadata will not do.
        InvalidTag: the tags will not do.
        InvalidEncryptionAlgorithmError: nobody knows how to encrypt it so.
    """
    headers = request.headers
    meta = {name[len(PREFIX) :]: value for name, value in headers.items() if name.startswith(PREFIX)}
    if sum(len(name) + len(value) for name, value in meta.items()) > MAX_SIZE:
        raise argument("The user metadata is too large.", PREFIX + "*", "")
    storage_class = headers.get("x-oss-storage-class", "")
    if storage_class and storage_class not in STORAGE_CLASSES:
        raise argument("no such storage class exists", "x-oss-storage-class", storage_class)
    encryption = headers.get("x-oss-server-side-encryption", "")
    if encryption and encryption not in ENCRYPTIONS:
        raise InvalidEncryptionAlgorithmError(details={"EncryptionAlgorithm": encryption})
    tagging = headers.get("x-oss-tagging", "")
    return Properties(
        headers={name: value for name in STORED if (value := headers.get(name, ""))},
        meta=meta,
        tags=read_tags(tagging) if tagging else {},
        acl=read_acl(request, "x-oss-object-acl", OBJECT_ACLS, "default"),
        storage_class=storage_class,
    )
