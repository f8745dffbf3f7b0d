"""The checksums of OSS: CRC-64/XZ (``x-oss-hash-crc64ecma``) and MD5 (``Content-MD5``, ETags).

The CRC of a whole follows from the CRCs and lengths of its parts, so parts sent in any order still check the whole.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5
from typing import TYPE_CHECKING

import anycrc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .message import Buffer

_CRC64 = anycrc.Model("CRC64-XZ")


def crc64(data: Buffer, crc: int = 0) -> int:
    """Return the CRC-64 of what gave *crc* followed by *data*."""
    return int(_CRC64.calc(data, crc) if crc else _CRC64.calc(data))


def crc64_combine(first: int, second: int, length: int) -> int:
    """Return the CRC-64 of two runs of bytes joined; *length* is that of the second in bytes."""
    return int(_CRC64.combine(first, second, length)) if length else first


def content_md5(data: Buffer) -> str:
    """Return the value of ``Content-MD5`` for *data*: MD5 in base64."""
    return b64encode(md5(data, usedforsecurity=False).digest()).decode()


def etag_of(data: Buffer) -> str:
    """Return the ETag OSS gives an object put in one piece: its MD5 in upper-case hexadecimal, no quotes."""
    return md5(data, usedforsecurity=False).hexdigest().upper()


def multipart_etag(etags: Iterable[str]) -> str:
    """Return the ETag OSS gives an object made of parts with *etags*.

    It is the MD5 of their upper-case texts and their number; S3 hashes the binary digests instead.
    """
    texts = [etag.strip('"').upper() for etag in etags]
    return f"{md5(''.join(texts).encode(), usedforsecurity=False).hexdigest().upper()}-{len(texts)}"
