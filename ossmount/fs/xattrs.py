"""Extended attributes: what lies behind each name, and how values become metadata and back.

There are three kinds of names.  ``user.oss.NAME`` is a property that OSS keeps for every object, and on the mount's
root ``user.oss.bucket.NAME`` is one of the bucket; `PROPERTIES` and `BUCKET_PROPERTIES` say where each comes from and
whether it can be set.  Any other ``user.NAME`` is the object's user metadata ``x-oss-meta-NAME``, where name and value
can be a header, or else an entry of ``x-oss-meta-xattr`` in the form of ossfs and s3fs: percent-encoded JSON of names
to base64.

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
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from ..tree.attributes import META_NAMES, META_XATTR, check_budget, meta_size
from ..wire import metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.models import ObjectHead

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
    LOCAL = "what this mount knows of the file"
    BUCKET = "the bucket"


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
    Property("state", Place.LOCAL),
    Property("error", Place.LOCAL),
)

BUCKET_PROPERTIES: Final = _by_name(
    Property("acl", Place.BUCKET),
    Property("location", Place.BUCKET),
    Property("stat", Place.BUCKET),
    Property("info", Place.BUCKET),
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


# --- properties ------------------------------------------------------------------------------------------------------

ACLS: Final = ("default", "private", "public-read", "public-read-write")
STORAGE_CLASSES: Final = ("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive")

_HEADER_MAX = 1024

# OSS, "Configure object tagging": letters, digits, spaces and + - = . _ : /
_TAG = re.compile(r"[A-Za-z0-9 +\-=._:/]*")
_TAGS_MAX, _TAG_KEY_MAX, _TAG_VALUE_MAX = 10, 128, 256


def _absent(prop: Property) -> OSError:
    return OSError(errno.ENODATA, f"the object has no {prop.name}")


def _invalid(prop: Property, why: str) -> OSError:
    return OSError(errno.EINVAL, f"{prop.name}: {why}")


def value_in_headers(prop: Property, headers: Mapping[str, str]) -> bytes:
    """Give the value of a property that is a header.

    Raises:
        OSError: ENODATA if the object has no such header.
    """
    value = headers.get(prop.header)
    if not value:
        raise _absent(prop)
    return value.encode("utf-8", "surrogateescape")


def value_in_head(prop: Property, head: ObjectHead) -> bytes:
    """Give the value of a property that HEAD tells, a header's or one of its own.

    Raises:
        OSError: ENODATA if the object has none.
    """
    if prop.place is Place.HEADER:
        return value_in_headers(prop, head.headers)
    value = {
        "etag": head.etag,
        "crc64": head.crc64,
        "type": head.type,
        "version-id": head.version_id,
        "restore": head.restore,
    }.get(prop.name)
    if value is None or value == "":
        raise _absent(prop)
    return str(value).encode()


def set_header(headers: Mapping[str, str], prop: Property, value: bytes) -> dict[str, str]:
    """Give the headers of an object, as `tree.attributes.carried_headers` has them, with a property set.

    Raises:
        OSError: EINVAL for a value that can be no header or that OSS does not know.
    """
    if len(value) > _HEADER_MAX or not _PLAIN_VALUE.fullmatch(value):
        raise _invalid(prop, f"a header holds 1 to {_HEADER_MAX} characters of ASCII, with no space around them")
    text = value.decode()
    if prop.name == "storage-class":
        text = next((known for known in STORAGE_CLASSES if known.lower() == text.lower()), "")
        if not text:
            raise _invalid(prop, f"one of {', '.join(STORAGE_CLASSES)}")
    return {**headers, prop.header: text}


def remove_header(headers: Mapping[str, str], prop: Property) -> dict[str, str]:
    """Give the headers of an object without a property.  Without a content type OSS takes its default.

    Raises:
        OSError: ENODATA if there is none, EPERM if an object cannot do without.
    """
    if not prop.is_removable:
        raise OSError(errno.EPERM, f"an object always has a {prop.name}")
    if not headers.get(prop.header):
        raise _absent(prop)
    return {name: text for name, text in headers.items() if name != prop.header}


def parse_acl(value: bytes) -> str:
    """Read an object's ACL.  Removing the attribute means ``default``, the bucket's.

    Raises:
        OSError: EINVAL for anything else than one of `ACLS`.
    """
    text = _text(value).strip()
    if text not in ACLS:
        raise _invalid(PROPERTIES["acl"], f"one of {', '.join(ACLS)}")
    return text


def format_tags(tags: Mapping[str, str]) -> bytes:
    """Write tags as ``name=value&...``, percent-encoded like the header ``x-oss-tagging``.

    Raises:
        OSError: ENODATA if there are none.
    """
    if not tags:
        raise _absent(PROPERTIES["tags"])
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in tags.items()).encode()


def parse_tags(value: bytes) -> dict[str, str]:
    """Read what `format_tags` writes; nothing is no tags.

    Raises:
        OSError: EINVAL for more than 10 tags, names of more than 128 or values of more than 256 characters, characters
            that OSS does not take, an empty name or the same one twice.
    """
    prop = PROPERTIES["tags"]
    try:
        pairs = parse_qsl(value.decode(), keep_blank_values=True, strict_parsing=bool(value), errors="strict")
    except ValueError:
        raise _invalid(prop, "name=value&name=value, percent-encoded") from None
    tags = dict(pairs)
    if len(pairs) > _TAGS_MAX or len(tags) != len(pairs):
        raise _invalid(prop, f"at most {_TAGS_MAX}, each name once")
    for name, text in tags.items():
        if not 0 < len(name) <= _TAG_KEY_MAX or len(text) > _TAG_VALUE_MAX:
            raise _invalid(prop, f"names have 1 to {_TAG_KEY_MAX} characters, values at most {_TAG_VALUE_MAX}")
        if not (_TAG.fullmatch(name) and _TAG.fullmatch(text)):
            raise _invalid(prop, "letters, digits, spaces and + - = . _ : /")
    return tags


def bucket_value(value: object) -> bytes:
    """Write what is known of a bucket, a value of `wire.models` or a plain one, as JSON."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return json.dumps(plain, ensure_ascii=False).encode()
