"""What the operations share: the store, the region, the owner, the link's endpoint; and who may do what."""

from __future__ import annotations

import enum
import ipaddress
import re
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..wire.credentials import Credentials
from ..wire.errors import (
    AccessDenied,
    InvalidBucketName,
    InvalidObjectName,
    InvalidRequest,
    MethodNotAllowed,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
)
from ..wire.limits import is_bucket_name
from ..wire.message import Headers, encode_key
from ..wire.models import Owner
from ..wire.properties import argument
from ..wire.verifying import verify
from .restores import Restores
from .roles import Roles
from .uploads import Uploads
from .versions import Removed, parse_version_id, version_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..wire.message import Request, Response
    from .records import BucketRecord, ObjectRecord, Segment
    from .store import Store

# Body of PutObject, of a part, and an appendable object altogether, in bytes.
MAX_BODY = 5 * 1024**3
MAX_KEY = 1023

_NAME = r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
# Whatever stands there is taken for a bucket's name, so that one that cannot be is refused as such.
_VIRTUAL = re.compile(r"([^.\[\]]+)\.(?:oss|img)-[a-z0-9-]+\.aliyuncs\.com", re.ASCII)
_IMAGES = re.compile(rf"(?:({_NAME})\.)?img(?:-[a-z0-9-]+)?\.(.+)", re.ASCII)


class Right(enum.Enum):
    """What an operation does, as access control sees it."""

    OWN = "own"
    LIST = "list"
    READ = "read"
    WRITE = "write"
    # The operation sees to it itself, or there is nothing to protect.
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """Who may use the server, and what it calls itself.

    *credentials* are those of the one account there is; *hosts* are names below which the first label is a bucket,
    *image_hosts* addresses or names, besides ``img-*`` below those, where ``KEY@OPERATORS`` asks for a picture; one
    that is bound to a bucket, as ``HOST=BUCKET``, has only the key in its paths.
    With *role*, the name of a RAM role, the metadata service and AssumeRoleWithOIDC give temporary credentials to
    anybody who asks.
    """

    credentials: tuple[Credentials, ...] = (Credentials("ak", "sk"),)
    region: str = "cn-hangzhou"
    hosts: tuple[str, ...] = ("localhost",)
    role: str = ""
    image_hosts: tuple[str, ...] = ()
    owner: Owner = field(default=Owner("1234567890123456", "1234567890123456"))


@dataclass(slots=True)
class Download:
    """An answer whose body is *segments* of the store, too long to be held in memory, or to be sent as *gzip*."""

    response: Response
    segments: list[Segment]
    gzip: bool = False


class Service:
    """The store with everything an operation needs besides its request."""

    def __init__(self, store: Store, options: ServiceOptions) -> None:
        self.store = store
        self.uploads = Uploads(store)
        self.options = options
        self.roles = Roles()
        self.restores = Restores(store)
        self._credentials: Mapping[str, Credentials] = {one.access_key_id: one for one in options.credentials}

    @property
    def location(self) -> str:
        """The region as buckets name it."""
        return f"oss-{self.options.region}"

    def bucket(self, request: Request) -> BucketRecord:
        """Return the bucket that *request* names.

        Raises:
            NoSuchBucket: there is none.
        """
        return self.bucket_named(request.bucket)

    def bucket_named(self, name: str) -> BucketRecord:
        """Return the bucket *name*.

        Raises:
            NoSuchBucket: there is none.
        """
        bucket = self.store.bucket(name)
        if bucket is None:
            raise NoSuchBucket(details={"BucketName": name})
        return bucket

    def url(self, request: Request, key: str) -> str:
        """Return the URL of *key* of the bucket of *request*, addressed as that is."""
        host = request.headers.get("host", "")
        path = encode_key(key if host.startswith(f"{request.bucket}.") else f"{request.bucket}/{key}")
        return f"http://{host}/{path}"

    def object(self, bucket: BucketRecord, key: str, version: str | None = None) -> ObjectRecord:
        """Return the object *key*, its newest version or the one called *version*.

        Raises:
            NoSuchKey: there is none, or a delete marker hides it.
            NoSuchVersion, InvalidArgument: there is no such version, or there can be none.
            MethodNotAllowed: the version is a delete marker.
        """
        if version is not None:
            return self._version(bucket, key, version)
        record = self.store.find(bucket, key)
        if record is not None:
            return record
        headers = Headers()
        if bucket.versioning and (serial := self.store.versions.newest_marker(bucket, key)) is not None:
            headers = _marker_headers(serial)
        raise NoSuchKey(headers=headers, details={"Key": key})

    def _version(self, bucket: BucketRecord, key: str, version: str) -> ObjectRecord:
        found = self.store.versions.find(bucket, key, read_serial(version))
        if found is None:
            raise NoSuchVersion(details={"Key": key, "VersionId": version})
        if isinstance(found, Removed):
            headers = _marker_headers(found.serial)
            headers["allow"] = "DELETE"
            raise MethodNotAllowed(headers=headers, details={"Method": "GET", "ResourceType": "DeleteMarker"})
        return found

    def settings(self, name: str) -> Mapping[str, Any]:
        """Return what is set for the bucket *name*; nothing if there is no such bucket."""
        bucket = self.store.bucket(name)
        return self.store.settings.of(bucket) if bucket is not None else {}

    def credentials(self, access_key_id: str) -> Credentials | None:
        """Return the credentials called *access_key_id*: the account's, or temporary ones of a role."""
        return self._credentials.get(access_key_id) or self.roles.credentials(access_key_id)

    def check_names(self, request: Request) -> None:
        """Refuse names that OSS refuses.

        Raises:
            InvalidBucketName: the bucket's.
            InvalidObjectName: the key is over 1023 bytes, is not UTF-8, or begins with a slash.
        """
        if request.bucket and not is_bucket_name(request.bucket):
            raise InvalidBucketName(details={"BucketName": request.bucket})
        if key := request.key:
            try:
                size = len(key.encode())
            except UnicodeEncodeError:
                raise InvalidObjectName from None
            if size > MAX_KEY:
                raise InvalidObjectName("The Length of Object name must be less than 1024", details={"ObjectName": key})
            if key[0] in "/\\":
                raise InvalidObjectName(details={"ObjectName": key})

    def authorize(self, request: Request, right: Right, now: float, *, image: bool = False) -> str:
        """Refuse who may not do this, and return the access key id of who may; empty for anybody.

        With *image* the host is one for pictures: what is behind the ``@`` of a key, which is signed like the rest of
        it, says what is to be done with the picture, and *request* is changed to ask for that.

        Raises:
            ServiceError: the signature is wrong; or there is none, and the access control does not let everybody; or
                the page that shows the object is not on the bucket's list.
        """
        if right is Right.NONE:
            return ""
        signer = verify(request, self.credentials, now=now, region=self.options.region)
        if image and right is Right.READ:
            self._name_picture(request)
        if signer is not None:
            self.roles.check(signer.access_key_id, request, now)
        if (signer is None or signer.presigned) and request.key:
            self._check_referer(request)
        if signer is None:
            self._allow_anybody(request, right)
            return ""
        return signer.access_key_id

    def _name_picture(self, request: Request) -> None:
        from ..wire.images import split_name

        named = split_name(request.key)
        bucket = self.store.bucket(request.bucket)
        if named is not None and bucket is not None and not self.store.exists(bucket, request.key):
            request.key = named[0]
            request.query["x-oss-process"] = f"@{named[1]}"

    def _check_referer(self, request: Request) -> None:
        referer = self.settings(request.bucket).get("referer")
        if referer is not None and not referer.allows(request.headers.get("referer", "")):
            raise AccessDenied("You are denied by bucket referer policy.", details={"BucketName": request.bucket})

    def _allow_anybody(self, request: Request, right: Right) -> None:
        if not request.bucket or right is Right.OWN:
            raise AccessDenied("You have no right to access this object because of bucket acl.")
        bucket = self.bucket(request)
        acl = bucket.acl
        if right is Right.READ and (record := self.store.find(bucket, request.key)) is not None:
            acl = acl if record.properties.acl == "default" else record.properties.acl
        if acl == "private" or (right is Right.WRITE and acl != "public-read-write"):
            raise AccessDenied("You have no right to access this object because of bucket acl.")
        if any(name.startswith("response-") for name in request.query):
            raise InvalidRequest("Anonymous requests cannot override response headers.")


def read_serial(version: str) -> int:
    """Return the serial of the version called *version*, 0 for the one called null.

    Raises:
        InvalidArgument: there can be none.
    """
    serial = parse_version_id(version)
    if serial is None:
        raise argument("Invalid version id specified.", "versionId", version)
    return serial


def _marker_headers(serial: int) -> Headers:
    return Headers({"x-oss-delete-marker": "true", "x-oss-version-id": version_id(serial)})


def new_upload_id() -> str:
    """Return an id for an upload: 32 upper-case hexadecimal digits."""
    return secrets.token_hex(16).upper()


class Host(NamedTuple):
    """What a ``Host`` header says: the *bucket*, unless the path names it, and whether pictures are processed there."""

    bucket: str
    image: bool


def host_reader(hosts: Iterable[str], image_hosts: Iterable[str] = ()) -> Callable[[str], Host]:
    """Return a function that reads ``Host`` headers.

    A bucket is the first label of ``bucket.oss-region.aliyuncs.com``, or one before one of *hosts*; with ``img`` or
    ``img-region`` instead, pictures are processed, as they are at *image_hosts* (``HOST`` or ``HOST=BUCKET``).  The
    path names the bucket for addresses and any other name.
    """
    known = tuple(host.lower() for host in hosts)
    pictures = {host.lower(): bucket for host, _, bucket in (each.partition("=") for each in image_hosts)}

    @lru_cache(maxsize=256)
    def find(host: str) -> Host:
        name = host.lower()
        if not name.startswith("["):
            name = name.partition(":")[0]
        bound = pictures.get(host.lower(), pictures.get(name))
        if bound:
            return Host(bound, True)
        image = bound is not None
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            pass
        else:
            return Host("", image)
        if (match := _IMAGES.fullmatch(name)) and match[2] in (*known, "aliyuncs.com"):
            return Host(match[1] or "", True)
        if match := _VIRTUAL.fullmatch(name):
            return Host(match[1], image)
        for suffix in known:
            first = name.removesuffix(f".{suffix}")
            if first != name and is_bucket_name(first):
                return Host(first, image)
        return Host("", image)

    return find
