"""Who may read a bucket's objects from where: the white list of referers, and what goes to the access log.

Source: API reference, PutBucketReferer, PutBucketLogging; developer guide, "Hotlink protection".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import xml
from .configuration import Configuration, flag, is_true, optional, texts
from .errors import OutOfLimits
from .limits import check_bucket_name

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MAX_LOG_PREFIX = 32


@dataclass(frozen=True, slots=True)
class Logging:
    """Where the access log of a bucket is written, once an hour; without a *target_bucket* nowhere."""

    target_bucket: str = ""
    target_prefix: str = ""

    @property
    def enabled(self) -> bool:
        """Whether anything is logged."""
        return bool(self.target_bucket)


def _logging_elements(value: Logging) -> list[str]:
    if not value.target_bucket:
        return []
    elements = [xml.tag("TargetBucket", value.target_bucket), xml.tag("TargetPrefix", value.target_prefix)]
    return [xml.wrap("LoggingEnabled", elements)]


def _logging_value(root: Element) -> Logging:
    element = root.find("LoggingEnabled")
    if element is None:
        return Logging()
    return Logging(xml.text_of(element, "TargetBucket"), xml.text_of(element, "TargetPrefix"))


def _check_logging(value: Logging) -> None:
    if value.target_bucket:
        check_bucket_name(value.target_bucket)
    if len(value.target_prefix.encode("utf-8", "replace")) > _MAX_LOG_PREFIX:
        raise OutOfLimits(f"the prefix of logs has at most {_MAX_LOG_PREFIX} bytes: {value.target_prefix!r}")


LOGGING = Configuration(
    name="Logging",
    parameter="logging",
    root="BucketLoggingStatus",
    kind=Logging,
    elements=_logging_elements,
    value=_logging_value,
    check=_check_logging,
    is_set=lambda value: value.enabled,
)


@dataclass(frozen=True, slots=True)
class Referer:
    """Which pages may show a bucket's objects; an empty list means any.

    In an entry ``*`` stands for any text and ``?`` for one character.  Every bucket has one, this one to begin with.
    """

    allow_empty: bool = True
    referers: tuple[str, ...] = ()
    blacklist: tuple[str, ...] = ()
    allow_truncate_query_string: bool | None = None
    truncate_path: bool | None = None

    @property
    def is_initial(self) -> bool:
        """Whether it is what a bucket has that nobody set anything for; the service may spell out its defaults."""
        some = self.referers or self.blacklist or self.truncate_path or self.allow_truncate_query_string is False
        return self.allow_empty and not some

    def allows(self, referer: str) -> bool:
        """Return whether a request with the header ``Referer`` *referer* (empty: none) is let through."""
        if not referer:
            return self.allow_empty or not (self.referers or self.blacklist)
        if self.truncate_path:
            parts = urlsplit(referer)
            referer = f"{parts.scheme}://{parts.netloc}/"
        elif self.allow_truncate_query_string is not False:
            referer = referer.partition("?")[0]
        if any(_matches(entry, referer) for entry in self.blacklist):
            return False
        return not self.referers or any(_matches(entry, referer) for entry in self.referers)


def _matches(entry: str, referer: str) -> bool:
    pattern = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in entry)
    # The host alone stands for all of its pages.
    return re.fullmatch(rf"{pattern}(/.*)?" if entry.count("/") <= 2 else pattern, referer, re.IGNORECASE) is not None


def _referer_elements(value: Referer) -> list[str]:
    elements = [xml.tag("AllowEmptyReferer", flag(value.allow_empty))]
    elements += optional("AllowTruncateQueryString", value.allow_truncate_query_string)
    elements += optional("TruncatePath", value.truncate_path)
    elements.append(xml.wrap("RefererList", [xml.tag("Referer", each) for each in value.referers]))
    if value.blacklist:
        elements.append(xml.wrap("RefererBlacklist", [xml.tag("Referer", each) for each in value.blacklist]))
    return elements


def _referer_value(root: Element) -> Referer:
    def choice(name: str) -> bool | None:
        text = xml.text_of(root, name)
        return is_true(text) if text else None

    return Referer(
        allow_empty=is_true(xml.text_of(root, "AllowEmptyReferer", "true")),
        # An empty element stands for no entry.
        referers=tuple(each for each in texts(root, "RefererList/Referer") if each),
        blacklist=tuple(each for each in texts(root, "RefererBlacklist/Referer") if each),
        allow_truncate_query_string=choice("AllowTruncateQueryString"),
        truncate_path=choice("TruncatePath"),
    )


def _check_referer(value: Referer) -> None:
    for entry in (*value.referers, *value.blacklist):
        if not entry:
            raise OutOfLimits("an entry of the referer list has at least 1 character")


REFERER = Configuration(
    name="Referer",
    parameter="referer",
    root="RefererConfiguration",
    kind=Referer,
    elements=_referer_elements,
    value=_referer_value,
    check=_check_referer,
    is_set=lambda value: not value.is_initial,
)
