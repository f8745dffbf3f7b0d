"""What the link allows: whole objects over one connection, and over eight, by a client that does nothing else.

The requests are signed ahead and sent by the standard library, so that none of our own code is in the way.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import oss2

from .content import MIB, block
from .stage import KEYS, REGION

if TYPE_CHECKING:
    from .content import Objects

SIZE = 256 * MIB
MANY = 8
_ROUNDS = 3


@dataclass(frozen=True)
class Limit:
    """Seconds that the link takes, at best: for a small request, and for 256 MiB each way."""

    request: float
    get: float
    get_many: float
    put: float
    put_many: float


class LinkError(Exception):
    """The server refused a plain request."""


def measure(bucket: Objects) -> Limit:
    """Measure the link to the server of *bucket*, which is made and removed again."""
    bucket.make()
    try:
        bucket.put_large("large", SIZE)
        bucket.put({"small": b"x"})
        return Limit(
            request=min(_together(bucket, "HEAD", 1, 0) for _ in range(_ROUNDS)),
            get=min(_together(bucket, "GET", 1, SIZE) for _ in range(_ROUNDS)),
            get_many=min(_together(bucket, "GET", MANY, SIZE // MANY) for _ in range(_ROUNDS)),
            put=min(_together(bucket, "PUT", 1, SIZE) for _ in range(_ROUNDS)),
            put_many=min(_together(bucket, "PUT", MANY, SIZE // MANY) for _ in range(_ROUNDS)),
        )
    finally:
        bucket.remove()


def _together(bucket: Objects, method: str, count: int, size: int) -> float:
    """Return the seconds that *count* requests take, each on a connection of its own that is open already."""
    address = urlsplit(bucket.url)
    signer = oss2.Bucket(oss2.AuthV4(*KEYS), bucket.url, bucket.name, region=REGION, is_path_style=True)
    failures: list[Exception] = []

    def one(connection: http.client.HTTPConnection, index: int) -> None:
        try:
            _one(connection, signer, method, index, size)
        except Exception as exc:
            failures.append(exc)

    with contextlib.ExitStack() as stack:
        threads = []
        for index in range(count):
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
            stack.callback(connection.close)
            connection.connect()
            threads.append(threading.Thread(target=one, args=(connection, index)))
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - start
    if failures:
        raise failures[0]
    return seconds


def _one(connection: http.client.HTTPConnection, signer: oss2.Bucket, method: str, index: int, size: int) -> None:
    key = {"GET": "large", "HEAD": "small", "PUT": f"put-{index}"}[method]
    target = urlsplit(signer.sign_url(method, key, 600, slash_safe=True))
    headers = {"range": f"bytes={index * size}-{(index + 1) * size - 1}"} if method == "GET" else {}
    body = None
    if method == "PUT":
        headers["content-length"] = str(size)
        body = map(block, range(size // MIB))
    connection.request(method, f"{target.path}?{target.query}", body=body, headers=headers)
    answer = connection.getresponse()
    buffer, got = bytearray(MIB), 0
    while count := answer.readinto(buffer):
        got += count
    if answer.status >= 300 or (method == "GET" and got != size):
        raise LinkError(f"{method} {key}: {answer.status}, {got} bytes {bytes(buffer[: min(got, 300)])!r}")
