"""How far an upload has come, what it must know again after a crash, and what came of it.  Plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.models import ObjectHead, Source

__all__ = ["Attempt", "DonePart", "UploadResult", "UploadState"]


@dataclass(frozen=True, slots=True)
class DonePart:
    """Part *number* is in the bucket: the file's bytes from *start* up to *stop*, as they were at *version*.

    *base_crc64* is the CRC-64 of what the base has in their place, where that is known.
    """

    number: int
    start: int
    stop: int
    etag: str
    crc64: int | None
    version: int
    copied: bool = False
    base_crc64: int | None = None

    @property
    def size(self) -> int:
        """Bytes in the part."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Attempt:
    """The object that a request makes whose answer may never come; *etag* is empty where it cannot be foretold.

    *before* is the CRC-64 of what an AppendObject appends to; None for other requests.
    """

    etag: str
    crc64: int | None
    size: int
    before: int | None = None

    def made(self, head: ObjectHead) -> bool:
        """Whether *head* tells of that object."""
        if head.size != self.size:
            return False
        if self.crc64 is not None and head.crc64 is not None:
            return head.crc64 == self.crc64
        return bool(self.etag) and head.etag.upper() == self.etag.upper()


@dataclass(frozen=True, slots=True)
class UploadState:
    """An upload to *key*, to be taken up by another `Upload` of the same staged file.

    *upload_id* is None when there are only *attempts* to remember, *unit* when the parts are cut freely.  Versions of
    the parts mean something to the staged file of *session* only; copied parts are of the object *base_etag*.
    """

    key: str
    upload_id: str | None = None
    unit: int | None = None
    parts: tuple[DonePart, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    session: str = ""
    base_etag: str = ""
    attempts: tuple[Attempt, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as what `json` can write; many parts make it long, so parts are mere lists."""
        return {
            "key": self.key,
            "upload_id": self.upload_id,
            "unit": self.unit,
            "parts": [
                [p.number, p.start, p.stop, p.etag, p.crc64, p.version, p.copied, p.base_crc64] for p in self.parts
            ],
            "headers": self.headers,
            "meta": self.meta,
            "session": self.session,
            "base_etag": self.base_etag,
            "attempts": [asdict(attempt) for attempt in self.attempts],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> UploadState:
        """Read what `to_json` made.

        Raises:
            KeyError, TypeError: It did not.
        """
        return cls(
            key=data["key"],
            upload_id=data["upload_id"],
            unit=data["unit"],
            parts=tuple(DonePart(*part) for part in data["parts"]),
            headers=dict(data["headers"]),
            meta=dict(data["meta"]),
            session=data["session"],
            base_etag=data["base_etag"],
            attempts=tuple(Attempt(**attempt) for attempt in data["attempts"]),
        )


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The file as it was at *version* is *source* now.

    *attributes_current* is False when the object may not have the headers and user metadata that were asked for: copy
    it onto itself to give it these.  *last_modified* is in seconds since the epoch.
    """

    source: Source
    last_modified: float
    attributes_current: bool
    version: int
