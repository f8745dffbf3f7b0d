"""A bucket as a static website: index and error page, and rules that send requests elsewhere.

Source: API reference, PutBucketWebsite.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import xml
from .configuration import Configuration, Tree, from_tree, is_true, number, optional, to_tree
from .errors import NoSuchWebsiteConfiguration, OutOfLimits
from .limits import check_choice, check_key, check_number

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_HOST = re.compile(r"([A-Za-z0-9.-]+(:\d{1,5})?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Website:
    """The pages of a website by key.

    *index* is shown for a directory, *error* for what does not exist, with *http_status* (200 or 404).
    *support_sub_dir* and *type* say what is done for a directory below the root.  *routing_rules* are kept as they
    come, by the names of their elements.
    """

    index: str = ""
    error: str = ""
    http_status: int | None = None
    support_sub_dir: bool | None = None
    type: str = ""
    routing_rules: tuple[Tree, ...] = ()


def _elements(value: Website) -> list[str]:
    elements = []
    if value.index:
        index = [xml.tag("Suffix", value.index), *optional("SupportSubDir", value.support_sub_dir)]
        elements.append(xml.wrap("IndexDocument", [*index, *optional("Type", value.type)]))
    if value.error:
        elements.append(
            xml.wrap("ErrorDocument", [xml.tag("Key", value.error), *optional("HttpStatus", value.http_status)])
        )
    if value.routing_rules:
        elements.append(xml.wrap("RoutingRules", [from_tree("RoutingRule", rule) for rule in value.routing_rules]))
    return elements


def _value(root: Element) -> Website:
    index, error = root.find("IndexDocument"), root.find("ErrorDocument")
    sub_dir = "" if index is None else xml.text_of(index, "SupportSubDir")
    rules = (to_tree(element) for element in root.iterfind("RoutingRules/RoutingRule"))
    return Website(
        index="" if index is None else xml.text_of(index, "Suffix"),
        error="" if error is None else xml.text_of(error, "Key"),
        http_status=None if error is None else number(error, "HttpStatus"),
        support_sub_dir=is_true(sub_dir) if sub_dir else None,
        type="" if index is None else xml.text_of(index, "Type"),
        routing_rules=tuple(rule for rule in rules if isinstance(rule, dict)),
    )


def _check(value: Website) -> None:
    if not value.index and not value.error and not value.routing_rules:
        raise OutOfLimits("a website has at least 1 of index page, error page and routing rules")
    for page in filter(None, (value.index, value.error)):
        check_key(page)
    if "/" in value.index:
        raise OutOfLimits(f"the index page is the last part of a key, with 0 slashes: {value.index!r}")
    for rule in value.routing_rules:
        _check_rule(rule)
    if value.http_status not in (None, 200, 404):
        raise OutOfLimits(f"the status of the error page is 200 or 404, not {value.http_status}")


def _check_rule(rule: Tree) -> None:
    condition, redirect = rule.get("Condition") or {}, rule.get("Redirect") or {}
    for name, part in (("Condition", condition), ("Redirect", redirect)):
        if not isinstance(part, dict):
            raise OutOfLimits(f"{name} of a routing rule has elements of its own, it is not {part!r}")
    for name in ("KeyPrefixEquals", "KeySuffixEquals", "HttpErrorCodeReturnedEquals"):
        _text(condition, name)
    for name in ("RedirectType", "ReplaceKeyPrefixWith", "ReplaceKeyWith", "PassQueryString"):
        _text(redirect, name)
    if status := _text(condition, "HttpErrorCodeReturnedEquals"):
        check_number("HttpErrorCodeReturnedEquals", status, 400, 599)
    if code := _text(redirect, "HttpRedirectCode"):
        check_choice("HttpRedirectCode", code, ("301", "302", "307"))
    if protocol := _text(redirect, "Protocol"):
        check_choice("Protocol", protocol, ("http", "https"))
    if not _HOST.fullmatch(host := _text(redirect, "HostName")):
        raise OutOfLimits(f"HostName of a routing rule is a name or an address, perhaps with a port, not {host!r}")


def _text(part: Tree, name: str) -> str:
    content = part.get(name, "")
    if isinstance(content, dict | list):
        raise OutOfLimits(f"{name} of a routing rule is one text, not {content!r}")
    return "" if content is None else str(content)


WEBSITE = Configuration(
    name="Website",
    parameter="website",
    root="WebsiteConfiguration",
    kind=Website,
    elements=_elements,
    value=_value,
    check=_check,
    missing=NoSuchWebsiteConfiguration,
)
