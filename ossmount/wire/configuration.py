"""Configurations of a bucket (logging, website, referer, lifecycle, CORS): documents put, got and deleted whole.

What a client puts is what a client gets, so one description of a document serves all: the requests and answers of
client and server, and JSON for people.  A `Configuration` is such a description; the modules named after the
configurations make one each, and `wire.configurations` lists them.

Parts of a document that this code has no names for are kept as a `Tree`, so that changing one setting never loses
another.

Source: API reference, Put/Get/DeleteBucketLogging and so on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import xml
from .checksums import content_md5
from .errors import InvalidArgument, MalformedXML, OutOfLimits, ServiceError
from .message import Headers, Request, Response
from .plain import Plain, from_plain, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

T = TypeVar("T")

# Text, or children by name; a child that is repeated is a list.
Tree = dict[str, Any]
# Larger documents are refused by the server's half.
MAX_DOCUMENT = 1024 * 1024
_ELEMENT = re.compile(r"[^\W\d][\w.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration(Generic[T]):
    """How one configuration travels: *name* as in ``PutBucketNAME``, *parameter* of the query, *root* of the document.

    *missing* is what a bucket without it answers; None, when it then answers a document in which nothing *is_set*.
    """

    name: str
    parameter: str
    root: str
    kind: type[T]
    elements: Callable[[T], list[str]]
    value: Callable[[Element], T]
    check: Callable[[T], None]
    missing: type[ServiceError] | None = None
    is_set: Callable[[T], bool] = lambda value: True

    # The client's half

    def put(self, bucket: str, value: T) -> Request:
        """Replace the configuration of *bucket*.

        Raises:
            OutOfLimits: OSS would refuse it.
            ValueError: XML cannot hold it.
        """
        self.check(value)
        body = self.document(value)
        headers = Headers({"content-type": "application/xml", "content-md5": content_md5(body)})
        return Request("PUT", bucket, "", {self.parameter: None}, headers, body, operation=f"PutBucket{self.name}")

    def get(self, bucket: str) -> Request:
        """Ask for the configuration of *bucket*."""
        return Request("GET", bucket, "", {self.parameter: None}, operation=f"GetBucket{self.name}")

    def delete(self, bucket: str) -> Request:
        """Remove the configuration of *bucket*; that there is none is no error."""
        return Request("DELETE", bucket, "", {self.parameter: None}, operation=f"DeleteBucket{self.name}")

    def parse(self, response: Response) -> T:
        """Read the answer to `get`.

        Raises:
            ValueError: it is something else.
        """
        return self.value(xml.parse(response.body, self.root))

    # The server's half

    def read(self, request: Request) -> T:
        """Read what `put` asks for.

        Raises:
            MalformedXML: the body is something else.
            InvalidArgument: it is out of the limits.
        """
        try:
            value = self.value(xml.parse(request.body or b"", self.root, limit=MAX_DOCUMENT))
        except (ValueError, LookupError) as exc:
            raise MalformedXML(details={"ErrorDetail": str(exc)}) from None
        try:
            self.check(value)
        except OutOfLimits as exc:
            raise InvalidArgument(str(exc)) from None
        return value

    def write(self, value: T) -> Response:
        """Answer `get` with *value*."""
        body = self.document(value)
        return Response(200, Headers({"content-type": "application/xml", "content-length": str(len(body))}), body)

    # Both

    def document(self, value: T) -> bytes:
        """Write *value* as XML, to be kept or sent.

        Raises:
            ValueError: XML cannot hold it.
        """
        return xml.document(self.root, self.elements(value))

    def parse_document(self, document: bytes) -> T:
        """Read what `document` wrote."""
        return self.value(xml.parse(document, self.root))

    def to_plain(self, value: T) -> Plain:
        """Return *value* as JSON can hold it."""
        return to_plain(value)

    def from_plain(self, said: Plain) -> T:
        """Read what `to_plain` gave, or what a person wrote like it.

        Raises:
            ValueError: it cannot be read; the message says where.
            OutOfLimits: OSS would refuse it.
        """
        value = from_plain(self.kind, said)
        self.check(value)
        return value


def to_tree(element: Element) -> Tree | str:
    """Return the content of *element* by names, to be kept as it is."""
    if not len(element):
        return element.text or ""
    tree: Tree = {}
    for child in element:
        content = to_tree(child)
        if child.tag not in tree:
            tree[child.tag] = content
        elif isinstance(tree[child.tag], list):
            tree[child.tag].append(content)
        else:
            tree[child.tag] = [tree[child.tag], content]
    return tree


def from_tree(name: str, content: object) -> str:
    """Write *content*, as `to_tree` gave it or as a person wrote it, as XML elements called *name*.

    Raises:
        ValueError: XML cannot hold it.
    """
    if not _ELEMENT.fullmatch(name):
        raise ValueError(f"no element of XML can be called {name!r}")
    if content is None:
        raise ValueError(f"{name}: expected a text, a list or a mapping, not null")
    if isinstance(content, list | tuple):
        return "".join(from_tree(name, item) for item in content)
    if isinstance(content, dict):
        return xml.wrap(name, [from_tree(child, inner) for child, inner in content.items()])
    if isinstance(content, bool):
        content = flag(content)
    return xml.tag(name, content)


def flag(value: bool) -> str:
    """Write a truth value as OSS does."""
    return "true" if value else "false"


def is_true(text: str) -> bool:
    """Read a truth value.

    Raises:
        ValueError: it is none.
    """
    said = text.strip().lower()
    if said not in ("true", "false"):
        raise ValueError(f"neither true nor false: {text!r}")
    return said == "true"


def optional(name: str, value: object) -> list[str]:
    """Write an element, or none for None and the empty string."""
    if value is None or value == "":
        return []
    return [xml.tag(name, flag(value) if isinstance(value, bool) else value)]


def texts(element: Element, path: str) -> tuple[str, ...]:
    """Return the texts of all elements at *path*."""
    return tuple(child.text or "" for child in element.iterfind(path))


def number(element: Element, name: str) -> int | None:
    """Return the number in the child *name*, or None when there is none.

    Raises:
        ValueError: it is no number.
    """
    text = xml.text_of(element, name).strip()
    return int(text) if text else None
