"""User metadata in header fields: ``x-oss-meta-NAME``.

Names are lower-case ASCII.  OSS leaves values that are not ASCII undefined, and clients disagree about them, so what is
not printable ASCII is written percent-encoded in UTF-8, which others can read.  Only as much is encoded as must be:
ordinary values, a literal ``100%`` or a URL included, travel as they are.  The encoding is one to one: reading an ASCII
value and writing it back never changes what is stored.  Raw UTF-8 written by others is read as such.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from .failures import OutOfLimits
from .message import Headers

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "x-oss-meta-"

# All names and values together; OSS refuses more with InvalidArgument.
MAX_SIZE = 8 * 1024

_PLAIN = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_NAME = re.compile(r"[a-z0-9-]+")
_ESCAPABLE = re.compile(rb"[^ -~]|%|\A +| +\Z")


def _escape(value: str) -> str:
    raw = value.encode("utf-8", "surrogateescape")
    return _ESCAPABLE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0]).encode(), raw).decode("ascii")


def _unescape(raw: str) -> str | None:
    """Undo `_escape`, or return None when it cannot have written *raw*."""
    value = unquote_to_bytes(raw).decode("utf-8", "surrogateescape")
    return value if value != raw and _escape(value) == raw else None


def encode_value(value: str) -> str:
    """Write *value* as it travels."""
    # A plain value that would be read as an encoded one is encoded itself.
    return value if _PLAIN.fullmatch(value) and decode_value(value) == value else _escape(value)


def decode_value(raw: str) -> str:
    """Read a value as it travelled."""
    if "%" in raw and raw.isascii():
        # A chain of encodings that starts with something unprintable was made by us; any other is plain text.
        first = value = _unescape(raw)
        while value is not None:
            if not _PLAIN.fullmatch(value):
                return first or ""
            value = _unescape(value)
        return raw
    if raw.isascii():
        return raw
    try:
        return raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return raw


def to_headers(meta: Mapping[str, str]) -> Headers:
    """Write user metadata as header fields.

    Raises:
        OutOfLimits: a name has other characters than ``a-z``, ``0-9`` and ``-``, or none.
    """
    headers = Headers()
    for name, value in meta.items():
        name = name.lower()
        if not _NAME.fullmatch(name):
            raise OutOfLimits(f"not a name for user metadata: {name!r} (1 or more of a-z, 0-9 and -)")
        if not isinstance(value, str):
            raise TypeError(f"user metadata are text, and {name} is {value!r}")
        headers[PREFIX + name] = encode_value(value)
    return headers


def from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Read user metadata from header fields: name without the prefix, value decoded."""
    return {name[len(PREFIX) :]: decode_value(value) for name, value in headers.items() if name.startswith(PREFIX)}


_CARRIED = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-oss-storage-class",
    "x-oss-server-side-encryption",
    "x-oss-server-side-data-encryption",
    "x-oss-server-side-encryption-key-id",
)


def carried(headers: Headers) -> dict[str, str]:
    """Pick what a copy with new metadata must send again: REPLACE resets everything else to its default.

    User metadata are not among them, nor is the ACL, which no answer but GetObjectACL's tells.  Source: CopyObject.
    """
    return {name: headers[name] for name in _CARRIED if headers.get(name)}
