"""XML as OSS speaks it: small documents without attributes, in UTF-8.

Reading refuses document types and entities (nothing OSS sends has them, and they are how XML attacks), other encodings,
and documents over a limit.  A default name space, as old examples in the documentation show, is ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ParseError, XMLParser
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .message import Buffer

# A page of 1,000 keys of 1,023 bytes each, percent-encoded, with owner and the rest, stays below 8 MiB.
MAX_SIZE = 16 * 1024 * 1024

# Such a page has 22,000.  An element takes twenty times as much memory as its tags may be long.
MAX_TAGS = 400_000

_DECLARATION = re.compile(rb"<!(?!\[CDATA\[|--)")
_PROLOGUE = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*<(?:\?xml\b[^>]*?\bencoding\s*=\s*[\"']([^\"']*)[\"'])?", re.DOTALL)
_NAMESPACE = re.compile(rb"\sxmlns\s*=\s*(?:\"[^\"]*\"|'[^']*')")
# Characters XML 1.0 cannot hold, not even as references; keys with them travel with encoding-type=url.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def parse(data: Buffer, root: str = "", *, limit: int = MAX_SIZE) -> Element:
    """Parse *data* and return its root element, which must be called *root* if that is given.

    Raises:
        ValueError: it is no well-formed document, is longer than *limit* bytes or has too many elements, has a document
            type or entities, is not UTF-8, or is something else than *root*.
    """
    if len(data) > limit:
        raise ValueError(f"XML of {len(data)} bytes, more than {limit}")
    text = bytes(data)
    prologue = _PROLOGUE.match(text)
    if prologue is None or (prologue[1] or b"utf-8").lower() not in (b"utf-8", b"utf8", b"us-ascii", b"ascii"):
        raise ValueError("not XML in UTF-8")
    if text.count(b"<") > MAX_TAGS:
        raise ValueError(f"XML with more than {MAX_TAGS} elements and ends of elements")
    if _DECLARATION.search(text):
        raise ValueError("XML with a document type or entities")
    if b"xmlns" in text[:512]:
        text = _NAMESPACE.sub(b"", text[:512], count=1) + text[512:]
    parser = XMLParser()  # noqa: S314 - document types and entities are refused above
    try:
        parser.feed(text)
        element = parser.close()
    except ParseError as exc:
        raise ValueError(f"not well-formed XML: {exc}") from exc
    if root and element.tag != root:
        raise ValueError(f"XML of <{element.tag}>, expected <{root}>")
    return element


def fields(element: Element) -> dict[str, str]:
    """Return the texts of the children of *element* by name; of children with the same name the last counts."""
    return {child.tag: child.text or "" for child in element}


def text_of(element: Element, name: str, default: str = "") -> str:
    """Return the text of the child *name*, or *default* when there is none."""
    child = element.find(name)
    return default if child is None else child.text or ""


def holds(text: str) -> bool:
    """Tell whether XML can hold *text*."""
    return _UNWRITABLE.search(text) is None


def tag(name: str, content: object) -> str:
    """Write ``<name>content</name>``, escaped.

    Raises:
        ValueError: XML cannot hold *content*.
    """
    text = str(content)
    if _UNWRITABLE.search(text):
        raise ValueError(f"XML cannot hold {text!r}")
    # A carriage return would come back as a line feed.
    return f"<{name}>{escape(text).replace(chr(13), '&#13;')}</{name}>"


def wrap(name: str, children: Iterable[str]) -> str:
    """Write an element around *children*, which are XML already."""
    return f"<{name}>{''.join(children)}</{name}>"


def document(name: str, children: Iterable[str]) -> bytes:
    """Write a whole document."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{wrap(name, children)}'.encode()
