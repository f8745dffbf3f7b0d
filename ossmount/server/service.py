"""What the operations share: the store, the region, the owner, the link's endpoint; and who may do what."""

from __future__ import annotations

import enum
import ipaddress
import re
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from ..wire.bucket_calls import is_bucket_name
from ..wire.credentials import Credentials
from ..wire.errors import AccessDenied, InvalidBucketName, InvalidObjectName, InvalidRequest, NoSuchBucket, NoSuchKey
from ..wire.models import Owner
from ..wire.verifying import verify
from .uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..wire.message import Request, Response
    from .records import BucketRecord, ObjectRecord, Segment
    from .store import Store

# Body of PutObject, of a part, and an appendable object altogether, in bytes.
MAX_BODY = 5 * 1024**3
MAX_KEY = 1023

_VIRTUAL = re.compile(r"([a-z0-9][a-z0-9-]{1,61}[a-z0-9])\.(?:oss|img)-[a-z0-9-]+\.aliyuncs\.com", re.ASCII)


class Right(enum.Enum):
    """What an operation does, as access control sees it."""

    OWN = "own"
    LIST = "list"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """Who may use the server, and what it calls itself.

    *credentials* are those of the one account there is; *hosts* are names below which the first label is a bucket.
    """

    credentials: tuple[Credentials, ...] = (Credentials("ak", "sk"),)
    region: str = "cn-hangzhou"
    hosts: tuple[str, ...] = ("localhost",)
    owner: Owner = field(default=Owner("1234567890123456", "1234567890123456"))


@dataclass(slots=True)
class Download:
    """An answer whose body is *segments* of the store, too long to be held in memory."""

    response: Response
    segments: list[Segment]


class Service:
    """The store with everything an operation needs besides its request."""

    def __init__(self, store: Store, options: ServiceOptions) -> None:
        self.store = store
        self.uploads = Uploads(store)
        self.options = options
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

    def object(self, bucket: BucketRecord, key: str) -> ObjectRecord:
        """Return the object *key*.

        Raises:
            NoSuchKey: there is none.
        """
        record = self.store.find(bucket, key)
        if record is None:
            raise NoSuchKey(details={"Key": key})
        return record

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

    def authorize(self, request: Request, right: Right, now: float) -> None:
        """Refuse who may not do this.

        Raises:
            ServiceError: the signature is wrong; or there is none, and the access control does not let everybody.
        """
        if verify(request, self._credentials.get, now=now, region=self.options.region) is not None:
            return
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


def new_upload_id() -> str:
    """Return an id for an upload: 32 upper-case hexadecimal digits."""
    return secrets.token_hex(16).upper()


def bucket_finder(hosts: Iterable[str]) -> Callable[[str], str]:
    """Return a function that tells which bucket a ``Host`` header names.

    That is the first label of ``bucket.oss-region.aliyuncs.com``, or one before one of *hosts*.  It gives the empty
    string where the path names the bucket: for addresses and any other name.
    """
    suffixes = tuple(f".{host.lower()}" for host in hosts)

    @lru_cache(maxsize=256)
    def find(host: str) -> str:
        name = host.lower()
        if not name.startswith("["):
            name = name.partition(":")[0]
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            pass
        else:
            return ""
        if match := _VIRTUAL.fullmatch(name):
            return match[1]
        for suffix in suffixes:
            if name.endswith(suffix) and is_bucket_name(name.removesuffix(suffix)):
                return name.removesuffix(suffix)
        return ""

    return find
