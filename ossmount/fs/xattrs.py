"""Extended attributes: what lies behind each name, and how values become metadata and back.

There are three kinds of names.  ``user.oss.NAME`` is a property that OSS keeps for every object, and on the mount's
root ``user.oss.bucket.NAME`` is one of the bucket; `PROPERTIES` and `BUCKET_PROPERTIES` say where each comes from and
whether it can be set, `values` reads and writes their values.  Any other ``user.NAME`` is the object's user metadata
``x-oss-meta-NAME``, where name and value can be a header, or else an entry of ``x-oss-meta-xattr`` in the form of
ossfs and s3fs: percent-encoded JSON of names to base64.

Properties are not listed, as is the custom for attributes that a filesystem makes up: ``cp -a``, ``rsync -X`` and
``tar`` would copy an ETag as if it were somebody's note, and fail at setting it.  ``docs/xattrs.md`` is the table for
people.

Everything here is a function of values.  *meta* is an object's user metadata, names without ``x-oss-meta-``; functions
that change it give a new dict.
"""

from __future__ import annotations

import binascii
import enum
import errno
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote_to_bytes

from ..tree.attributes import META_NAMES, META_XATTR, check_budget, meta_size
from ..wire import metadata
from ..wire.configurations import CONFIGURATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

CREATE = 1
"""Flag of setxattr(2): fail if the attribute exists."""
REPLACE = 2
"""Flag of setxattr(2): fail if it does not."""

NAME_MAX = 255  # XATTR_NAME_MAX, linux/limits.h

_USER = b"user."
_OSS = b"user.oss."
_BUCKET = b"user.oss.bucket."


class Place(enum.Enum):
    """Where a property is found."""

    HEADER = "a header of the object, which a copy onto itself changes"
    HEAD = "the answer of HEAD"
    ACL = "GetObjectACL, PutObjectACL"
    TAGS = "GetObjectTagging, PutObjectTagging, DeleteObjectTagging"
    URL = "a signed URL, made here"
    IMAGE = "x-oss-process=image/info"
    LOCAL = "what this mount still has to do"
    BUCKET = "the bucket"
    CONFIGURATION = "a configuration of the bucket, one of `wire.configurations`"


@dataclass(frozen=True, slots=True)
class Property:
    """A name below ``user.oss.`` that means something."""

    name: str
    """Without ``user.oss.``, and without ``bucket.`` for a bucket's."""
    place: Place
    is_writable: bool = False
    header: str = ""
    """The header field in which it travels, lower-case."""
    is_removable: bool = True

    @property
    def full_name(self) -> str:
        """As programs ask for it."""
        is_of_bucket = self.place in (Place.BUCKET, Place.CONFIGURATION)
        return f"user.oss.{'bucket.' if is_of_bucket else ''}{self.name}"


def _by_name(*properties: Property) -> dict[str, Property]:
    return {prop.name: prop for prop in properties}


PROPERTIES: Final = _by_name(
    Property("acl", Place.ACL, is_writable=True),
    Property("tags", Place.TAGS, is_writable=True),
    Property("content-type", Place.HEADER, is_writable=True, header="content-type"),
    Property("cache-control", Place.HEADER, is_writable=True, header="cache-control"),
    Property("content-disposition", Place.HEADER, is_writable=True, header="content-disposition"),
    Property("content-encoding", Place.HEADER, is_writable=True, header="content-encoding"),
    Property("content-language", Place.HEADER, is_writable=True, header="content-language"),
    Property("expires", Place.HEADER, is_writable=True, header="expires"),
    Property("storage-class", Place.HEADER, is_writable=True, header="x-oss-storage-class", is_removable=False),
    Property("etag", Place.HEAD),
    Property("crc64", Place.HEAD),
    Property("type", Place.HEAD),
    Property("version-id", Place.HEAD),
    Property("restore", Place.HEAD),
    Property("url", Place.URL),
    Property("image.info", Place.IMAGE),
    Property("state", Place.LOCAL),
    Property("error", Place.LOCAL),
)

BUCKET_PROPERTIES: Final = _by_name(
    Property("acl", Place.BUCKET, is_writable=True, is_removable=False),
    Property("location", Place.BUCKET),
    Property("stat", Place.BUCKET),
    Property("info", Place.BUCKET),
    *(Property(name, Place.CONFIGURATION, is_writable=True) for name in CONFIGURATIONS),
)

# --- names -----------------------------------------------------------------------------------------------------------


def property_of(name: bytes, *, is_root: bool = False, writing: bool = False) -> Property | None:
    """Tell which property *name* is; None for an attribute that lies in the user metadata.

    Raises:
        OSError: EOPNOTSUPP for a name that does not begin with ``user.``; EINVAL for an empty one, ERANGE for one of
            more than 255 bytes; ENODATA for a property that does not exist (here); when *writing*, EPERM for that and
            for one that cannot be written.
    """
    if not name.startswith(_USER):
        raise OSError(errno.EOPNOTSUPP, "only names that begin with 'user.' are kept", name)
    if name == _USER:
        raise OSError(errno.EINVAL, "an empty name", name)
    if len(name) > NAME_MAX:
        raise OSError(errno.ERANGE, f"the name has more than {NAME_MAX} bytes", name)
    if not name.startswith(_OSS):
        return None
    if name.startswith(_BUCKET):
        found = BUCKET_PROPERTIES.get(_text(name[len(_BUCKET) :])) if is_root else None
    else:
        found = PROPERTIES.get(_text(name[len(_OSS) :]))
    if writing and (found is None or not found.is_writable):
        raise OSError(errno.EPERM, "the property cannot be written", name)
    if found is None:
        raise OSError(errno.ENODATA, "there is no such property", name)
    return found


def _text(raw: bytes) -> str:
    # Bytes that are no UTF-8 are kept as lone surrogates, in names as in the values of metadata.
    return raw.decode("utf-8", "surrogateescape")


# --- attributes in the user metadata ---------------------------------------------------------------------------------

_PLAIN_NAME = re.compile(rb"[a-z0-9-]{1,200}")
_PLAIN_VALUE = re.compile(rb"[!-~](?:[ -~]*[!-~])?")

# What `to_meta` will add to an object that has no attributes yet: fewer bytes than this for each name.
_ROOM = 64
_ATTRIBUTES = ("mode", "uid", "gid", "mtime", "ctime", "atime")


def _encoded(meta: Mapping[str, str], *, strict: bool = False) -> dict[str, Any]:
    """Read the entries of ``x-oss-meta-xattr``; a value that is no such thing has none.

    Raises:
        OSError: EIO if *strict* and the value is something else, which must not be overwritten.
    """
    if META_XATTR not in meta:
        return {}
    # What was percent-encoded is the value as it travelled; wire.metadata may have decoded some of it.
    raw = unquote_to_bytes(metadata.encode_value(meta[META_XATTR]))
    try:
        # Control characters within strings are what simple writers leave as they are.
        entries = json.loads(_text(raw), strict=False)
    except (ValueError, RecursionError):
        entries = None
    if isinstance(entries, dict):
        return entries
    if strict:
        raise OSError(errno.EIO, "x-oss-meta-xattr of the object does not hold extended attributes")
    return {}


def _value_of(entry: object) -> bytes | None:
    """Decode the base64 of one entry; padding may be missing."""
    if not isinstance(entry, str):
        return None
    try:
        return binascii.a2b_base64(entry.rstrip("=") + "=" * (-len(entry.rstrip("=")) % 4), strict_mode=bool(entry))
    except ValueError:
        return None


def _with_encoded(meta: dict[str, str], entries: dict[str, Any]) -> dict[str, str]:
    """Put *entries* into *meta*, in ossfs's form."""
    if not entries:
        meta.pop(META_XATTR, None)
        return meta
    try:
        raw = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = json.dumps(entries, separators=(",", ":")).encode()
    meta[META_XATTR] = metadata.decode_value(quote(raw, safe=""))
    return meta


def _plain_name(name: bytes) -> str | None:
    """Give the name of the user metadata in which the attribute *name* is found if it is a header, or None."""
    bare = _text(name[len(_USER) :])
    return None if bare in META_NAMES else bare


def _find(meta: Mapping[str, str], name: bytes) -> bytes | None:
    # Whoever wrote an entry meant an extended attribute; a header of the same name may be anything.
    value = _value_of(_encoded(meta).get(_text(name)))
    plain = _plain_name(name)
    if value is None and plain is not None and plain in meta:
        return meta[plain].encode("utf-8", "surrogateescape")
    return value


def list_xattrs(meta: Mapping[str, str]) -> list[bytes]:
    """Give the names of all attributes in *meta*, ``user.`` included, sorted."""
    names = {f"user.{name}" for name in meta if name not in META_NAMES}
    names.update(name for name, entry in _encoded(meta).items() if _value_of(entry) is not None)
    found = []
    for name in names:
        try:
            raw = name.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            continue
        # Other name spaces (POSIX ACLs by s3fs, say) stay where they are, unseen; a kernel's name ends at a NUL.
        is_ours = raw.startswith(_USER) and raw != _USER and not raw.startswith(_OSS)
        if is_ours and b"\0" not in raw and len(raw) <= NAME_MAX:
            found.append(raw)
    return sorted(found)


def get_xattr(meta: Mapping[str, str], name: bytes) -> bytes:
    """Give the value of the attribute *name*, which is no property.

    Raises:
        OSError: ENODATA if there is none.
    """
    value = _find(meta, name)
    if value is None:
        raise OSError(errno.ENODATA, "no such attribute", name)
    return value


def set_xattr(meta: Mapping[str, str], name: bytes, value: bytes, flags: int = 0) -> dict[str, str]:
    """Give *meta* with the attribute *name*, which is no property, set to *value*.

    Raises:
        OSError: EEXIST with the flag CREATE if there is one, ENODATA with REPLACE if there is none; E2BIG for a value
            that can never fit, ENOSPC if it does not fit beside what is there; EIO if ``x-oss-meta-xattr`` is not ours.
    """
    is_there = _find(meta, name) is not None
    if flags & CREATE and is_there:
        raise OSError(errno.EEXIST, "there is such an attribute", name)
    if flags & REPLACE and not is_there:
        raise OSError(errno.ENODATA, "no such attribute", name)
    plain = _plain_name(name)
    if plain is not None and _PLAIN_NAME.fullmatch(name[len(_USER) :]) and _PLAIN_VALUE.fullmatch(value):
        new = _without(meta, name) | {plain: value.decode()}
        alone = {plain: value.decode()}
    else:
        entry = {_text(name): binascii.b2a_base64(value, newline=False).decode()}
        new = _with_encoded(_without(meta, name), _encoded(meta, strict=True) | entry)
        alone = _with_encoded({}, dict(entry))
    room = _ROOM * sum(attribute not in new for attribute in _ATTRIBUTES)
    if meta_size(alone) + _ROOM * len(_ATTRIBUTES) > metadata.MAX_SIZE:
        raise OSError(errno.E2BIG, "the value is larger than all metadata of an object may be", name)
    check_budget(new, room=room)
    return new


def remove_xattr(meta: Mapping[str, str], name: bytes) -> dict[str, str]:
    """Give *meta* without the attribute *name*, which is no property.

    Raises:
        OSError: ENODATA if there is none.
    """
    if _find(meta, name) is None:
        raise OSError(errno.ENODATA, "no such attribute", name)
    return _without(meta, name)


def _without(meta: Mapping[str, str], name: bytes) -> dict[str, str]:
    """Remove *name* in both of its forms, and touch nothing else."""
    new = dict(meta)
    plain = _plain_name(name)
    if plain is not None:
        new.pop(plain, None)
    entries = _encoded(meta)
    if entries.pop(_text(name), None) is not None:
        _with_encoded(new, entries)
    return new
