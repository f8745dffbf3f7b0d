"""Compression on the fly: what pages are made of travels as gzip to whoever takes it.

Source: user guide, "How do I compress objects that I download from OSS in the GZIP format?".
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..wire.message import Request, Response

MIN_SIZE = 1024
_TYPES = frozenset(
    """text/cache-manifest text/xml text/css text/html text/plain application/javascript application/x-javascript
    application/rss+xml application/json text/json""".split()
)
# How zlib is told to write a header of gzip.
_GZIP = 31


def compress(request: Request, response: Response, size: int) -> bool:
    """Tell whether an object of *size* bytes travels as gzip, and if it does, let the headers of *response* say so.

    Its length and ETag are not told then, and there are no ranges of it.
    """
    headers = response.headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if size < MIN_SIZE or response.status != 200 or kind not in _TYPES or "content-encoding" in headers:
        return False
    if not _takes_gzip(request.headers.get("accept-encoding", "")):
        return False
    for name in ("content-length", "etag", "accept-ranges"):
        headers.pop(name)
    headers["content-encoding"] = "gzip"
    headers["vary"] = "Accept-Encoding"
    return True


def _takes_gzip(text: str) -> bool:
    for each in text.lower().split(","):
        name, _, quality = each.partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield *pieces* as one file of gzip."""
    packer = zlib.compressobj(wbits=_GZIP)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
