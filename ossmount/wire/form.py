"""The form of PostObject as it comes, piece by piece: fields are kept, the file in it is handed on and never held.

Source: API reference, PostObject; RFC 7578, "multipart/form-data".
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING

from .errors import (
    FieldItemTooLong,
    IncorrectNumberOfFilesInPOSTRequest,
    InvalidArgument,
    MalformedPOSTRequest,
    RequestIsNotMultiPartContent,
)
from .limits import is_header
from .message import Headers
from .metadata import PREFIX as META
from .properties import STORED, argument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_FIELD = 8 * 1024
MAX_FIELDS = 100
# What is before the content of a part, and what the fields of a form have altogether at most.
_MAX_HEAD = 16 * 1024
MAX_OVERHEAD = MAX_FIELDS * (MAX_FIELD + _MAX_HEAD)
_NAME = re.compile(r"[a-z0-9_-]+", re.ASCII)
_BOUNDARY = re.compile(rb"[ -~]{1,70}")
# Fields that a policy says nothing about.
FREE = frozenset(
    "policy signature ossaccesskeyid file submit x-oss-signature x-oss-security-token security-token "
    "x-oss-signature-version x-oss-credential x-oss-date".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form that was posted: *fields* by lower-case name, and what there is to know of a file of *size* bytes."""

    fields: Mapping[str, str]
    size: int
    filename: str = ""
    content_type: str = ""
    key: str = ""

    @property
    def headers(self) -> Headers:
        """What the form says about the object, as headers of PutObject say it.

        Raises:
            InvalidArgument: a field cannot be a header.
        """
        named = {name: value for name, value in self.fields.items() if name not in FREE and name != "key"}
        headers = Headers({name: value.encode().decode("latin-1") for name, value in named.items()})
        if self.content_type and "content-type" not in headers:
            headers["content-type"] = self.content_type
        for name, value in headers.items():
            # Any other field is the page's own affair.
            stored = name.startswith(META) or name in STORED
            if stored and not (is_header(value) and _NAME.fullmatch(name)):
                raise argument("The field cannot be a header.", name, value)
        return headers


class _State(enum.Enum):
    BOUNDARY = enum.auto()
    HEAD = enum.auto()
    CONTENT = enum.auto()
    DONE = enum.auto()


class FormReader:
    """Reads a form of *content_type*: `feed` its bytes as they come, then `finish`.  *write* is given the file's.

    Raises:
        RequestIsNotMultiPartContent: it is no form.
    """

    def __init__(self, content_type: str, write: Callable[[bytes], None]) -> None:
        header = Message()
        header["content-type"] = content_type
        boundary = str(header.get_param("boundary", "")).encode("latin-1", "replace")
        if header.get_content_type() != "multipart/form-data" or not _BOUNDARY.fullmatch(boundary):
            raise RequestIsNotMultiPartContent
        self._write = write
        self._end = b"\r\n--" + boundary
        # So that the first boundary looks like the others.
        self._buffer = bytearray(b"\r\n")
        self._state = _State.BOUNDARY
        self._parts = 0
        self._fields: dict[str, str] = {}
        self._name = ""
        self._content = bytearray()
        self._filename: str | None = None
        self._content_type = ""
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the form.

        Raises:
            MalformedPOSTRequest, FieldItemTooLong, IncorrectNumberOfFilesInPOSTRequest: it will not do.
        """
        if self._state is not _State.DONE:
            self._buffer += data
            while self._step():
                pass

    def _step(self) -> bool:
        """Read what comes next, and tell whether it was there."""
        match self._state:
            case _State.BOUNDARY:
                return self._read_boundary()
            case _State.HEAD:
                return self._read_head()
            case _State.CONTENT:
                return self._read_content()
            case _:
                return False

    def _read_boundary(self) -> bool:
        size = len(self._end)
        if len(self._buffer) < size + 2:
            return False
        after = bytes(self._buffer[size : size + 2])
        if not self._buffer.startswith(self._end) or after not in (b"\r\n", b"--") or self._parts > MAX_FIELDS:
            raise MalformedPOSTRequest
        del self._buffer[:size]
        self._state = _State.HEAD if after == b"\r\n" else _State.DONE
        return True

    def _read_head(self) -> bool:
        size = self._buffer.find(b"\r\n\r\n")
        if size > _MAX_HEAD or (size < 0 and len(self._buffer) > _MAX_HEAD) or 0 <= self._buffer.find(self._end) < size:
            raise MalformedPOSTRequest
        if size < 0:
            return False
        disposition, kind = Message(), ""
        for line in self._buffer[2:size].decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            if name.strip().lower() == "content-disposition":
                disposition["content-disposition"] = value.strip()
            elif name.strip().lower() == "content-type":
                kind = value.strip()
        self._name = str(disposition.get_param("name", "", header="content-disposition")).lower()
        if self._name == "file":
            if self._filename is not None:
                raise IncorrectNumberOfFilesInPOSTRequest
            filename = str(disposition.get_param("filename", "", header="content-disposition"))
            filename = filename.encode("latin-1", "replace").decode("utf-8", "replace")
            self._filename, self._content_type = re.split(r"[/\\]", filename)[-1], kind
        elif self._filename is None and len(self._fields) == MAX_FIELDS:
            raise FieldItemTooLong
        del self._buffer[: size + 4]
        self._parts += 1
        self._state = _State.CONTENT
        return True

    def _read_content(self) -> bool:
        size = self._buffer.find(self._end)
        whole = size >= 0
        if not whole:
            # What may be the beginning of a boundary waits.
            size = max(len(self._buffer) - len(self._end) + 1, 0)
        if size:
            self._take(bytes(self._buffer[:size]))
            del self._buffer[:size]
        if whole:
            if self._name != "file" and self._filename is None:
                try:
                    self._fields[self._name] = self._content.decode()
                except UnicodeDecodeError:
                    raise MalformedPOSTRequest from None
            self._content.clear()
            self._state = _State.BOUNDARY
        return whole

    def _take(self, data: bytes) -> None:
        if self._name == "file":
            self._size += len(data)
            self._write(data)
        elif self._filename is None:
            self._content += data
            if len(self._content) > MAX_FIELD:
                raise FieldItemTooLong
        # Fields behind the file do not count.

    def finish(self) -> Form:
        """Return the form, which was fed wholly.

        Raises:
            MalformedPOSTRequest: it was not.
            IncorrectNumberOfFilesInPOSTRequest, InvalidArgument: it has no file, or no key.
        """
        if self._state is not _State.DONE:
            raise MalformedPOSTRequest
        if self._filename is None:
            raise IncorrectNumberOfFilesInPOSTRequest
        if not self._fields.get("key"):
            raise InvalidArgument("Bucket POST must contain a field named 'key'.", details={"ArgumentName": "key"})
        return Form(
            fields=self._fields,
            size=self._size,
            filename=self._filename,
            content_type=self._content_type,
            key=self._fields["key"].replace("${filename}", self._filename),
        )
