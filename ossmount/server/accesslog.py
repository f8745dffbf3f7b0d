"""The access log of buckets that want one: a line for each request, written into the target bucket once an hour.

Source: developer guide, "Logging" (the fields of a line, the names of the objects).
"""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..wire.access import LOGGING
from ..wire.message import target
from ..wire.properties import Properties

if TYPE_CHECKING:
    from ..wire.message import Request
    from .requestlog import Entry
    from .store import Store

log = logging.getLogger(__name__)

HOUR = 3600
# Lines of a bucket that wait in memory; more are written at once.
MAX_LINES = 10_000


class AccessLog:
    """The lines that wait to be written into *store*; a crash loses them, as the service may."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lines: dict[str, list[str]] = {}

    def note(
        self, request: Request, entry: Entry, *, client: str, access_key_id: str, request_id: str, code: str, now: float
    ) -> None:
        """Remember a request; `flush` writes it."""
        headers = request.headers
        took = round((entry.stop - entry.start) * 1000)
        moment = datetime.fromtimestamp(now, UTC)
        fields = (
            client or "-",
            "-",
            "-",
            f"[{moment:%d/%b/%Y:%H:%M:%S} +0000]",
            _quoted(f"{request.method} {target(request, path_style=False)} HTTP/1.1"),
            str(entry.status),
            str(entry.sent),
            str(took),
            _quoted(headers.get("referer", "")),
            _quoted(headers.get("user-agent", "")),
            _quoted(headers.get("host", "")),
            _quoted(request_id),
            _quoted("true"),
            _quoted(access_key_id),
            _quoted(entry.operation),
            _quoted(entry.bucket),
            _quoted(entry.key),
            headers.get("content-length", "-"),
            str(took),
            _quoted(code),
            str(entry.received),
            _quoted(""),
            "-",
            _quoted(""),
            _quoted(""),
            _quoted(""),
            _quoted(""),
            _quoted(access_key_id),
        )
        lines = self._lines.setdefault(entry.bucket, [])
        lines.append(" ".join(fields))
        if len(lines) >= MAX_LINES:
            self._write(entry.bucket, now)

    def flush(self, now: float) -> None:
        """Write what waits."""
        for name in list(self._lines):
            self._write(name, now)

    def _write(self, name: str, now: float) -> None:
        lines = self._lines.pop(name)
        source = self._store.bucket(name)
        logs = self._store.settings.get(source, LOGGING) if source is not None else None
        bucket = self._store.bucket(logs.target_bucket) if logs is not None and logs.enabled else None
        if logs is None or bucket is None:
            return
        moment = datetime.fromtimestamp(now - now % HOUR, UTC)
        key = f"{logs.target_prefix}{name}{moment:%Y-%m-%d-%H-%M-%S}-{secrets.token_hex(8).upper()}"
        body = self._store.blobs.incoming()
        try:
            body.write("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
            body.finish()
            self._store.put(bucket, key, body, Properties(storage_class=bucket.storage_class))
        finally:
            body.discard()
        log.debug("%d lines of log of %s are in %s/%s", len(lines), name, bucket.name, key)


def _quoted(text: str) -> str:
    return f'"{quote_controls(text)}"' if text else '"-"'


def quote_controls(text: str) -> str:
    """Escape what would break a line into fields, or into lines."""
    return (
        text.encode("unicode_escape").decode().replace('"', "%22")
        if not text.isprintable()
        else text.replace('"', "%22")
    )
