"""Values of properties: from what OSS tells to the bytes of an extended attribute, and back.

Properties of an object are text, as in the header or parameter in which they travel.  Those of the bucket are JSON; its
configurations are the JSON that commands print and take, read and written by `wire.configuration`.

Source: xattr(7); API reference, the pages named after the operations of `xattrs.Place`.
"""

from __future__ import annotations

import errno
import json
import re
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote

from ..wire.configurations import CONFIGURATIONS
from .xattrs import BUCKET_PROPERTIES, PROPERTIES, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.models import ObjectHead
    from .xattrs import Property

MAX_SIZE: Final = 64 << 10  # XATTR_SIZE_MAX, linux/limits.h

ACLS: Final = ("default", "private", "public-read", "public-read-write")
STORAGE_CLASSES: Final = ("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive")

_HEADER = re.compile(rb"[!-~](?:[ -~]*[!-~])?")
_HEADER_MAX = 1024

# OSS, "Configure object tagging": letters, digits, spaces and + - = . _ : /
_TAG = re.compile(r"[A-Za-z0-9 +\-=._:/]*")
_TAGS_MAX, _TAG_KEY_MAX, _TAG_VALUE_MAX = 10, 128, 256


def absent(prop: Property, why: str = "there is none") -> OSError:
    """Give the error of asking for what is not there."""
    return OSError(errno.ENODATA, f"{prop.full_name}: {why}")


def _invalid(prop: Property, why: str) -> OSError:
    return OSError(errno.EINVAL, f"{prop.full_name}: {why}")


def permanent(prop: Property) -> OSError:
    """Give the error of removing what there always is."""
    return OSError(errno.EPERM, f"{prop.full_name}: there always is one; set another")


def value_in_headers(prop: Property, headers: Mapping[str, str]) -> bytes:
    """Give the value of a property that is a header.

    Raises:
        OSError: ENODATA if the object has no such header.
    """
    value = headers.get(prop.header)
    if not value:
        raise absent(prop)
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
        raise absent(prop)
    return str(value).encode()


def set_header(headers: Mapping[str, str], prop: Property, value: bytes) -> dict[str, str]:
    """Give the headers of an object, as `tree.attributes.carried_headers` has them, with a property set.

    Raises:
        OSError: EINVAL for a value that can be no header or that OSS does not know.
    """
    if len(value) > _HEADER_MAX or not _HEADER.fullmatch(value):
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
        raise permanent(prop)
    if not headers.get(prop.header):
        raise absent(prop)
    return {name: text for name, text in headers.items() if name != prop.header}


def parse_acl(value: bytes) -> str:
    """Read an object's ACL.  Removing the attribute means ``default``, the bucket's.

    Raises:
        OSError: EINVAL for anything else than one of `ACLS`.
    """
    text = value.decode("utf-8", "surrogateescape").strip()
    if text not in ACLS:
        raise _invalid(PROPERTIES["acl"], f"one of {', '.join(ACLS)}")
    return text


def format_tags(tags: Mapping[str, str]) -> bytes:
    """Write tags as ``name=value&...``, percent-encoded like the header ``x-oss-tagging``.

    Raises:
        OSError: ENODATA if there are none.
    """
    if not tags:
        raise absent(PROPERTIES["tags"])
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


# --- properties of the bucket -----------------------------------------------------------------------------------------

BUCKET_ACLS: Final = ACLS[1:]


def as_json(value: object) -> bytes:
    """Write what is known of a bucket or picture, a value of `wire.models` or a plain one."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return json.dumps(plain, ensure_ascii=False).encode()


def _read_json(prop: Property, value: bytes) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as exc:
        raise _invalid(prop, f"not JSON: {exc}") from None


def parse_bucket_acl(value: bytes) -> str:
    """Read a bucket's ACL, with the quotes of JSON or without.

    Raises:
        OSError: EINVAL for anything else than one of `BUCKET_ACLS`.
    """
    prop = BUCKET_PROPERTIES["acl"]
    text = _read_json(prop, value) if value.startswith(b'"') else value.decode("utf-8", "surrogateescape").strip()
    if text not in BUCKET_ACLS:
        raise _invalid(prop, f"one of {', '.join(BUCKET_ACLS)}")
    return str(text)


def format_configuration(prop: Property, value: object) -> bytes:
    """Write *value*, what the bucket has of the configuration *prop*, in JSON.

    Raises:
        OSError: ENODATA if nothing is set.
    """
    configuration = CONFIGURATIONS[prop.name]
    if not configuration.is_set(value):
        raise absent(prop, "nothing is set")
    return as_json(configuration.to_plain(value))


def parse_configuration(prop: Property, value: bytes) -> Any:
    """Read what `format_configuration` writes for *prop*.

    Raises:
        OSError: EINVAL if it is no JSON, if it has a field that nobody knows, or if OSS would refuse it.
    """
    configuration = CONFIGURATIONS[prop.name]
    said = _read_json(prop, value)
    try:
        found = configuration.from_plain(said)
        configuration.document(found)
    except (ValueError, RecursionError) as exc:
        raise _invalid(prop, str(exc)) from None
    return found
