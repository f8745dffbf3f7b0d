"""Owner, mode and times of a file, and how they lie in an object's user metadata.

Written is what ossfs 1.x writes and s3fs understands: ``x-oss-meta-mode`` (decimal ``st_mode``, type included),
``-uid``, ``-gid``, and ``-mtime``, ``-ctime``, ``-atime`` as seconds with nine digits of fraction.  Read is whatever
ossfs, s3fs, rclone, gsutil and the FSx family have written: modes in decimal, octal and hexadecimal, with and without a
type; times as whole seconds, with fractions, in nanoseconds and as RFC 3339.  What cannot be understood counts as
absent: other people's metadata is never an error.

Symbolic links have three forms, all of which are read:

- an OSS symlink (object type ``Symlink``), whose exact text is in ``x-oss-meta-symlink-target``.  LIST shows its type,
  so it needs no HEAD to be recognised.  OSS resolves it for other clients where the text leads to a key of the bucket;
- an ordinary object with a link's mode (or with ``x-oss-meta-symlink-target: body:0:``), whose body is the text;
- an ordinary object with ``x-oss-meta-symlink-target: header:LENGTH:TEXT``, the text percent-encoded.

Everything here is a function of values; metadata is a dict of names without ``x-oss-meta-``, decoded as
:mod:`ossmount.wire.metadata` does it.
"""

from __future__ import annotations

import enum
import errno
import re
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from ..wire import dates, metadata
from .keys import check_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..wire.models import ObjectHead, ObjectSummary, SymlinkResult

    Forms = tuple[tuple[str, Callable[[str], int | None]], ...]

DIRECTORY_TYPE = "application/x-directory"
"""Content-Type of a directory's marker."""

SYMLINK_TYPE = "Symlink"
"""Object type of an OSS symlink."""

META_XATTR = "xattr"
META_SYMLINK = "symlink-target"
META_NAMES = frozenset({"mode", "uid", "gid", "mtime", "ctime", "atime", "rdev", META_XATTR, META_SYMLINK})
"""The names of user metadata that mean something to a filesystem, and are nobody's extended attributes."""

TEXT_MAX = 4095
"""Bytes of a symbolic link's text (PATH_MAX without the NUL)."""

_HEADER_TEXT_MAX = (
    2047  # ossfs puts longer ones into the body; encoded, this is at most 6 KB of the 8 KB for all metadata
)

_NANO = 10**9
_TIME_MAX = 2**40  # seconds, 35,000 years: what lies beyond was no time
_ID_MAX = 2**32 - 2  # -1 means "leave it alone" in chown(2)

# A client whose clock is off by more than this is refused by OSS.  See `_times`.
_CLOCK_ERROR = 15 * 60 * _NANO


class Kind(enum.IntEnum):
    """What an inode is; the value is its part of ``st_mode``."""

    FILE = stat.S_IFREG
    DIRECTORY = stat.S_IFDIR
    SYMLINK = stat.S_IFLNK
    FIFO = stat.S_IFIFO
    SOCKET = stat.S_IFSOCK
    CHAR = stat.S_IFCHR
    BLOCK = stat.S_IFBLK


@dataclass(slots=True)
class Attributes:
    """What ``stat(2)`` says of an inode, but for its size and its number."""

    kind: Kind
    mode: int
    """Permission bits, 0 to 0o7777."""
    uid: int
    gid: int
    mtime_ns: int
    ctime_ns: int
    atime_ns: int
    rdev: int = 0

    @property
    def st_mode(self) -> int:
        """Type and permission bits together."""
        return self.kind | self.mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What objects without attributes of their own look like, and what a mount shows in place of what is stored."""

    uid: int
    gid: int
    file_mode: int = 0o644
    dir_mode: int = 0o755
    file_mask: int = 0
    """Permission bits that no file shows (``fmask``, or else ``umask``)."""
    dir_mask: int = 0
    """Permission bits that no directory shows (``dmask``, or else ``umask``)."""
    force_uid: int | None = None
    """The owner of everything (the option ``uid``); None shows each object's own."""
    force_gid: int | None = None

    def shown(self, attributes: Attributes) -> Attributes:
        """Give what the mount shows of the stored *attributes*."""
        if attributes.kind is Kind.SYMLINK:
            mask = 0
        elif attributes.kind is Kind.DIRECTORY:
            mask = self.dir_mask
        else:
            mask = self.file_mask
        if not mask and self.force_uid is None and self.force_gid is None:
            return attributes
        return replace(
            attributes,
            mode=attributes.mode & ~mask,
            uid=attributes.uid if self.force_uid is None else self.force_uid,
            gid=attributes.gid if self.force_gid is None else self.force_gid,
        )

    def mode_of(self, kind: Kind) -> int:
        """Give the permission bits of something of *kind* that has none of its own, before masks."""
        if kind is Kind.SYMLINK:
            return 0o777
        return self.dir_mode if kind is Kind.DIRECTORY else self.file_mode


# --- reading ---------------------------------------------------------------------------------------------------------

_DECIMAL = re.compile(r"[0-9]{1,20}")
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]{1,16})|(0[0-7]{1,22})|(0|[1-9][0-9]{0,19})")
_OCTAL = re.compile(r"[0-7]{1,22}")
_HEX = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,16}")
_SECONDS = re.compile(r"([+-]?)([0-9]{1,20})(?:\.([0-9]{0,40}))?")
_NANOSECONDS = re.compile(r"([0-9]{1,30})ns")


def _number(text: str) -> int | None:
    """Read an integer as C's ``strtol`` with base 0 does: ``0x81a4``, ``0100644`` and ``33188`` are the same."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    hexadecimal, octal, decimal = match.groups()
    return int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)


def _octal(text: str) -> int | None:
    return int(text, 8) if _OCTAL.fullmatch(text) else None


def _identity(text: str) -> int | None:
    value = int(text) if _DECIMAL.fullmatch(text.strip()) else None
    return value if value is not None and value <= _ID_MAX else None


def _device(text: str) -> int | None:
    return int(text, 16) if _HEX.fullmatch(text) else None


def _time(text: str) -> int | None:
    """Read a time as nanoseconds.

    ossfs and s3fs write whole seconds and, after a point, exactly nine digits of nanoseconds; rclone writes a decimal
    fraction without trailing zeros, or RFC 3339; FSx writes nanoseconds with a unit.  Before 1970 the first two differ:
    their nanoseconds count upwards as in a ``timespec``, while a fraction counts away from zero.
    """
    text = text.strip()
    if match := _SECONDS.fullmatch(text):
        sign, seconds, fraction = match.groups()
        nano = int((fraction or "")[:9].ljust(9, "0"))
        if sign == "-":
            time = -int(seconds) * _NANO + (nano if len(fraction or "") == 9 else -nano)
        else:
            time = int(seconds) * _NANO + nano
    elif match := _NANOSECONDS.fullmatch(text):
        time = int(match[1])
    else:
        whole, _, rest = text.partition(".")
        digits = re.match(r"[0-9]+", rest)
        try:
            seconds_ = dates.parse_xml_date(whole + (rest[digits.end() :] if digits else rest))
        except (ValueError, OverflowError):
            return None
        time = int(seconds_) * _NANO + int(digits[0][:9].ljust(9, "0") if digits else 0)
    return time if abs(time) <= _TIME_MAX * _NANO else None


# For each attribute, the names it goes by in the order of preference, each with its way of writing.
_MODE = (("mode", _number), ("goog-reserved-posix-mode", _octal), ("file-permissions", _octal))
_UID = (("uid", _identity), ("owner", _identity), ("goog-reserved-posix-uid", _identity), ("file-owner", _identity))
_GID = (("gid", _identity), ("group", _identity), ("goog-reserved-posix-gid", _identity), ("file-group", _identity))
_MTIME = (("mtime", _time), ("goog-reserved-file-mtime", _time), ("file-mtime", _time))
_ATIME = (("atime", _time), ("goog-reserved-file-atime", _time), ("file-atime", _time))
_CTIME = (("ctime", _time),)
_RDEV = (("rdev", _device),)


def _first(meta: Mapping[str, str], forms: Forms) -> int | None:
    for name, read in forms:
        if name in meta and (value := read(meta[name])) is not None:
            return value
    return None


def kind_of(meta: Mapping[str, str], *, type_: str = "Normal", directory: bool = False) -> Kind:
    """Tell what an object is, from its metadata and its object type.

    A key that ends with ``/`` is a directory whatever its metadata say, and no other is (see `is_directory_object`).
    """
    if directory:
        return Kind.DIRECTORY
    if type_ == SYMLINK_TYPE:
        return Kind.SYMLINK
    format_ = stat.S_IFMT(_first(meta, _MODE) or 0)
    if format_ == 0 and _symlink_form(meta) is not None:
        return Kind.SYMLINK
    if format_ == stat.S_IFDIR or format_ not in Kind.__members__.values():
        return Kind.FILE
    return Kind(format_)


def from_meta(
    meta: Mapping[str, str], last_modified: float, defaults: Defaults, *, kind: Kind, type_: str = "Normal"
) -> Attributes:
    """Give what the mount shows of an object with this metadata; *last_modified* is seconds since the epoch."""
    return defaults.shown(_stored(meta, last_modified, defaults, kind, type_))


def _stored(meta: Mapping[str, str], last_modified: float, defaults: Defaults, kind: Kind, type_: str) -> Attributes:
    mode, uid, gid = _first(meta, _MODE), _first(meta, _UID), _first(meta, _GID)
    modified = int(last_modified * 1000) * 10**6
    mtime, ctime, atime = _first(meta, _MTIME), _first(meta, _CTIME), _first(meta, _ATIME)
    if type_ == "Appendable" and ctime is not None and modified > ctime + _CLOCK_ERROR:
        # AppendObject changes the bytes and the date of an object, and leaves its metadata as they were.
        mtime = ctime = None
    if mtime is None:
        mtime = modified
    return Attributes(
        kind=kind,
        mode=defaults.mode_of(kind) if mode is None else stat.S_IMODE(mode),
        uid=defaults.uid if uid is None else uid,
        gid=defaults.gid if gid is None else gid,
        mtime_ns=mtime,
        ctime_ns=modified if ctime is None else ctime,
        atime_ns=mtime if atime is None else atime,
        rdev=(_first(meta, _RDEV) or 0) if kind in (Kind.CHAR, Kind.BLOCK) else 0,
    )


def from_head(head: ObjectHead, defaults: Defaults, *, directory: bool) -> Attributes:
    """Give what the mount shows of an object, from the answer of HEAD."""
    kind = kind_of(head.meta, type_=head.type, directory=directory)
    return from_meta(head.meta, head.last_modified, defaults, kind=kind, type_=head.type)


def from_summary(summary: ObjectSummary, defaults: Defaults) -> Attributes:
    """Give what the mount shows of an object, from an entry of LIST: all but what is in its metadata."""
    # Listings are long, so this is no detour by way of empty metadata.
    if summary.key.endswith("/"):
        kind = Kind.DIRECTORY
    else:
        kind = Kind.SYMLINK if summary.type == SYMLINK_TYPE else Kind.FILE
    time = int(summary.last_modified * 1000) * 10**6
    return defaults.shown(Attributes(kind, defaults.mode_of(kind), defaults.uid, defaults.gid, time, time, time))


def is_directory_object(head: ObjectHead) -> bool:
    """Tell whether an object whose key has no slash at its end was meant as a directory by an old client.

    Such an object is empty, and ``application/x-directory`` (s3fs of old), ``httpd/unix-directory`` (Nextcloud), or has
    a directory's mode.
    """
    if head.size or head.key.endswith("/"):
        return False
    content_type = head.content_type.partition(";")[0].strip().lower()
    return content_type in (DIRECTORY_TYPE, "httpd/unix-directory") or stat.S_ISDIR(_first(head.meta, _MODE) or 0)


# --- writing ---------------------------------------------------------------------------------------------------------


def _seconds(time_ns: int) -> str:
    # Nine digits or none: ossfs reads the digits as an integer number of nanoseconds, and so ".5" as 5 ns.
    seconds, nano = divmod(time_ns, _NANO)
    return f"{seconds}.{nano:09}" if nano else str(seconds)


def to_meta(attributes: Attributes) -> dict[str, str]:
    """Write *attributes* as user metadata."""
    meta = {
        "mode": str(attributes.st_mode),
        "uid": str(attributes.uid),
        "gid": str(attributes.gid),
        "mtime": _seconds(attributes.mtime_ns),
        "ctime": _seconds(attributes.ctime_ns),
        "atime": _seconds(attributes.atime_ns),
    }
    if attributes.rdev:
        meta["rdev"] = f"{attributes.rdev:x}"  # as rclone writes it; ossfs and s3fs store none
    return meta


def merge_meta(old_meta: Mapping[str, str], attributes: Attributes, defaults: Defaults | None = None) -> dict[str, str]:
    """Give the metadata of an object that had *old_meta* and is to have *attributes*; the rest of them stays.

    With *defaults*, *attributes* are what the mount shows.  What is shown as it was keeps the value that is stored, so
    that the options ``uid``, ``gid`` and ``umask`` of one mount do not find their way into the bucket with a ``touch``.
    """
    meta = dict(old_meta)
    new = to_meta(attributes)
    if defaults is not None:
        stored = _stored(old_meta, 0, defaults, attributes.kind, "Normal")
        shown = defaults.shown(stored)
        for name, is_same in (
            ("mode", shown.mode == attributes.mode),
            ("uid", shown.uid == attributes.uid),
            ("gid", shown.gid == attributes.gid),
        ):
            if is_same:
                # The stored value, not the shown one; where none is stored, what it would be without the options.
                new[name] = to_meta(stored)[name]
    meta.update(new)
    if "rdev" not in new:
        meta.pop("rdev", None)
    return meta


def check_budget(meta: Mapping[str, str], *, room: int = 0) -> None:
    """Check that *meta* and *room* bytes more fit into the 8 KB that OSS gives to the user metadata of an object.

    Raises:
        OSError: ENOSPC, as ``setxattr(2)`` has it when a filesystem has no room left for attributes.
    """
    size = meta_size(meta) + room
    if size > metadata.MAX_SIZE:
        raise OSError(errno.ENOSPC, f"the metadata has {size} bytes, OSS takes {metadata.MAX_SIZE}")


def meta_size(meta: Mapping[str, str]) -> int:
    """Give the bytes that *meta* takes as header fields, the prefix of each name included."""
    return sum(len(metadata.PREFIX) + len(name) + len(metadata.encode_value(text)) for name, text in meta.items())


def carried_headers(head: ObjectHead | SymlinkResult) -> dict[str, str]:
    """Give the headers that a copy of an object onto itself with REPLACE must send to keep what the object has.

    REPLACE resets everything that is not sent (OSS, "CopyObject").  User metadata come from `merge_meta`; tags are kept
    by the default of ``x-oss-tagging-directive``.  **An ACL of the object's own is in no header**: a caller has to read
    it with GetObjectACL and send ``x-oss-object-acl``.
    """
    return metadata.carried(head.headers)


# --- symbolic links --------------------------------------------------------------------------------------------------


def _symlink_form(meta: Mapping[str, str]) -> str | None:
    form, colon, _ = meta.get(META_SYMLINK, "").partition(":")
    return form if colon and form in ("header", "body") else None


def _is_text(text: bytes | None) -> bool:
    return text is not None and 0 < len(text) <= TEXT_MAX and b"\0" not in text


def symlink_text(meta: Mapping[str, str]) -> bytes | None:
    """Give the text of a symbolic link that is kept in its metadata, or None where there is none."""
    if _symlink_form(meta) != "header":
        return None
    # What was percent-encoded is the whole value as it travelled; wire.metadata may have decoded some of it.
    _, length, encoded = [*metadata.encode_value(meta[META_SYMLINK]).split(":", 2), ""][:3]
    text = unquote_to_bytes(encoded)
    return text if _DECIMAL.fullmatch(length) and _is_text(text) else None


def symlink_meta(text: bytes) -> dict[str, str]:
    """Give the metadata that keeps the exact *text* of an OSS symlink, to be added to those of `to_meta`."""
    return {META_SYMLINK: metadata.decode_value(f"header:{len(text)}:{quote(text, safe='')}")}


def symlink_target(head: ObjectHead, body: bytes | None = None) -> bytes | None:
    """Give the text of the symbolic link *head*, or None if it is none, or not one without its *body*.

    An OSS symlink that others made has no text of its own: see `native_symlink_text`.
    """
    if kind_of(head.meta, type_=head.type) is not Kind.SYMLINK:
        return None
    text = symlink_text(head.meta)
    if text is None and head.type != SYMLINK_TYPE and _is_text(body):
        return body
    return text


def native_symlink_target(link_key: str, text: bytes, mount_prefix: str) -> str | None:
    """Give the key to which the OSS symlink *link_key* with *text* is to point.

    None where the link has to be written in the body form instead: the text is absolute or climbs out of the mount, is
    too long for the metadata, goes up again after it went down (what it went down into may be a symlink), names the
    mount's root or the link itself, or leads to no possible key.  The key is found from the text alone: only a text
    that can mean nothing but a directory (``../``, ``d/.``) gives a directory's key.
    """
    if not 0 < len(text) <= _HEADER_TEXT_MAX or text.startswith(b"/") or b"\0" in text:
        return None
    try:
        segments = text.decode().split("/")
    except UnicodeDecodeError:
        return None
    if not link_key.startswith(mount_prefix):
        return None
    path = link_key[len(mount_prefix) :].split("/")[:-1]
    descended = False
    for name in segments:
        if name == "..":
            if descended or not path:
                return None
            path.pop()
        elif name not in ("", "."):
            path.append(name)
            descended = True
    key = mount_prefix + "/".join(path)
    if not path or key == link_key:
        return None
    if segments[-1] in ("", ".", ".."):
        key += "/"
    try:
        return check_key(key)
    except OSError:
        return None


def native_symlink_text(link_key: str, target_key: str, mount_prefix: str) -> bytes | None:
    """Give the text of an OSS symlink that another client made, as the relative path from it to *target_key*.

    None if the target lies outside of the mount: as a path it would be some other file of this machine.
    """
    if not link_key.startswith(mount_prefix) or not target_key.startswith(mount_prefix) or target_key == mount_prefix:
        return None
    here = link_key[len(mount_prefix) :].split("/")[:-1]
    there = target_key[len(mount_prefix) :].split("/")
    if any(name in ("", ".", "..") for name in there[:-1]) or there[-1] in (".", ".."):
        return None
    while here and len(there) > 1 and here[0] == there[0]:
        del here[0], there[0]
    text = "/".join([".."] * len(here) + there).encode("utf-8", "surrogateescape")
    return text if _is_text(text) else None
