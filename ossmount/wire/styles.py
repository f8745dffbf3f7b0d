"""Styles of the image service, named processings kept with a bucket: Put/Get/List/DeleteStyle; both halves.

Source: API reference, PutStyle and its kin.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import xml
from .dates import http_date, parse_http_date, parse_xml_date
from .errors import MalformedXML, OutOfLimits
from .message import Headers, Request, Response
from .object_calls import empty_response, xml_response
from .properties import argument

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

MAX_STYLES = 50
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """A named processing: *content* is ``image/resize,p_50`` or, of old, ``400w_90Q_1x.jpg``."""

    name: str
    content: str
    create_time: float = 0.0
    last_modify_time: float = 0.0
    category: str = "image"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise OutOfLimits(f"the name of a style has 1 to 63 of A-Z, a-z, 0-9, _, - and ., not {name!r}")


def put_style(bucket: str, name: str, content: str) -> Request:
    """Keep *content* as the style *name*.

    Raises:
        OutOfLimits: OSS would refuse it.
    """
    _check_name(name)
    if not content:
        raise OutOfLimits("the content of a style has at least 1 character")
    body = xml.document("Style", [xml.tag("Content", content)])
    headers = Headers({"content-type": "application/xml"})
    return Request("PUT", bucket, "", {"style": None, "styleName": name}, headers, body, operation="PutStyle")


def read_put_style(request: Request) -> Style:
    """Read PutStyle.

    Raises:
        MalformedXML: the body is something else.
        InvalidArgument: there is no name or content, or XML cannot hold one.
    """
    try:
        content = xml.text_of(xml.parse(request.body or b"", "Style", limit=64 * 1024), "Content")
    except ValueError as exc:
        raise MalformedXML(details={"ErrorDetail": str(exc)}) from None
    name = read_style_name(request)
    if not content:
        raise argument("The content of the style is empty.", "Content", "")
    category = request.query.get("category") or "image"
    if not xml.holds(category):
        raise argument("The category of the style is invalid.", "category", category)
    return Style(name=name, content=content, category=category)


def read_style_name(request: Request) -> str:
    """Return the name that PutStyle, GetStyle and DeleteStyle are about.

    Raises:
        InvalidArgument: there is none, it is too long, or has other characters than it may.
    """
    name = request.query.get("styleName") or ""
    if not _NAME.fullmatch(name):
        raise argument("The name of the style is invalid.", "styleName", name)
    return name


def get_style(bucket: str, name: str) -> Request:
    """Ask for the style *name*."""
    _check_name(name)
    return Request("GET", bucket, "", {"style": None, "styleName": name}, operation="GetStyle")


def parse_get_style(response: Response) -> Style:
    """Read a style."""
    return _style(xml.parse(response.body, "Style"))


def list_style(bucket: str) -> Request:
    """Ask for all styles."""
    return Request("GET", bucket, "", {"style": None}, operation="ListStyle")


def parse_list_style(response: Response) -> tuple[Style, ...]:
    """Read all styles."""
    return tuple(_style(element) for element in xml.parse(response.body, "StyleList").iterfind("Style"))


def delete_style(bucket: str, name: str) -> Request:
    """Remove the style *name*; that there is none is no error."""
    _check_name(name)
    return Request("DELETE", bucket, "", {"style": None, "styleName": name}, operation="DeleteStyle")


def _style(element: Element) -> Style:
    return Style(
        name=xml.text_of(element, "Name"),
        content=xml.text_of(element, "Content"),
        create_time=_time(xml.text_of(element, "CreateTime")),
        last_modify_time=_time(xml.text_of(element, "LastModifyTime")),
        category=xml.text_of(element, "Category") or "image",
    )


def _time(text: str) -> float:
    if not text:
        return 0.0
    # The old service wrote one, the examples of the new one show the other.
    return parse_http_date(text) if "," in text else parse_xml_date(text)


def _elements(style: Style) -> list[str]:
    return [
        xml.tag("Name", style.name),
        xml.tag("Content", style.content),
        xml.tag("Category", style.category),
        xml.tag("CreateTime", http_date(style.create_time)),
        xml.tag("LastModifyTime", http_date(style.last_modify_time)),
    ]


def write_put_style() -> Response:
    """Answer PutStyle."""
    return empty_response()


def write_get_style(style: Style) -> Response:
    """Answer GetStyle."""
    return xml_response(xml.document("Style", _elements(style)))


def write_list_style(styles: Iterable[Style]) -> Response:
    """Answer ListStyle."""
    return xml_response(xml.document("StyleList", [xml.wrap("Style", _elements(style)) for style in styles]))


def write_delete_style() -> Response:
    """Answer DeleteStyle."""
    return empty_response(204)
