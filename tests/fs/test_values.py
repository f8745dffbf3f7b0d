from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from ossmount.fs.values import (
    as_json,
    format_configuration,
    format_tags,
    parse_acl,
    parse_bucket_acl,
    parse_configuration,
    parse_tags,
    remove_header,
    set_header,
    value_in_head,
)
from ossmount.fs.xattrs import BUCKET_PROPERTIES, PROPERTIES
from ossmount.wire.access import Logging, Referer
from ossmount.wire.configurations import CONFIGURATIONS
from ossmount.wire.message import Headers
from ossmount.wire.models import BucketInfo, ObjectHead

if TYPE_CHECKING:
    from collections.abc import Callable


def with_errno(code: int) -> Callable[[OSError], bool]:
    return lambda exc: exc.errno == code


HEAD = ObjectHead(
    "k", 3, "ABC", 1.0, "Multipart", crc64=7, version_id="v1",
    headers=Headers({"content-type": "text/plain", "x-oss-storage-class": "IA"}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [("etag", b"ABC"), ("crc64", b"7"), ("type", b"Multipart"), ("version-id", b"v1"), ("content-type", b"text/plain"),
     ("storage-class", b"IA")],
)  # fmt: skip
def test_properties_in_the_answer_of_head(name: str, value: bytes) -> None:
    assert value_in_head(PROPERTIES[name], HEAD) == value


@pytest.mark.parametrize("name", ["cache-control", "expires", "restore"])
def test_properties_that_an_object_has_not(name: str) -> None:
    with pytest.raises(OSError, check=with_errno(errno.ENODATA)):
        value_in_head(PROPERTIES[name], HEAD)


def test_headers_are_set_and_removed() -> None:
    headers = {"content-type": "text/plain"}

    assert set_header(headers, PROPERTIES["content-type"], b"application/json") == {"content-type": "application/json"}
    assert set_header(headers, PROPERTIES["cache-control"], b"max-age=5") == headers | {"cache-control": "max-age=5"}
    assert set_header({}, PROPERTIES["storage-class"], b"coldarchive") == {"x-oss-storage-class": "ColdArchive"}
    assert remove_header(headers, PROPERTIES["content-type"]) == {}
    with pytest.raises(OSError, check=with_errno(errno.ENODATA)):
        remove_header(headers, PROPERTIES["expires"])
    with pytest.raises(OSError, check=with_errno(errno.EPERM)):
        remove_header({"x-oss-storage-class": "IA"}, PROPERTIES["storage-class"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("content-type", b"a\r\nx-oss-object-acl: public-read"), ("content-type", b""), ("cache-control", b" x"),
     ("content-language", "中文".encode()), ("expires", b"x" * 1025), ("storage-class", b"Glacier")],
)  # fmt: skip
def test_values_that_can_be_no_header_are_refused(name: str, value: bytes) -> None:
    with pytest.raises(OSError, check=with_errno(errno.EINVAL)):
        set_header({}, PROPERTIES[name], value)


def test_an_acl_is_one_of_four() -> None:
    assert parse_acl(b"public-read\n") == "public-read"
    for value in (b"", b"open", b"\xff", b"public-read,private"):
        with pytest.raises(OSError, check=with_errno(errno.EINVAL)):
            parse_acl(value)


tag_texts = st.text("abcXYZ019 +-=._:/", max_size=20)


@given(st.dictionaries(tag_texts.filter(bool), tag_texts, min_size=1, max_size=10))
def test_tags_come_back(tags: dict[str, str]) -> None:
    assert parse_tags(format_tags(tags)) == tags


@pytest.mark.parametrize(
    "value",
    [b"a", b"=b", b"a=1&a=2", b"a=%FF", b"\xff=1", b"a=b?", b"a=" + b"x" * 257, b"x" * 129 + b"=",
     "&".join(f"t{n}=" for n in range(11)).encode()],
)  # fmt: skip
def test_tags_that_oss_does_not_take_are_refused(value: bytes) -> None:
    with pytest.raises(OSError, check=with_errno(errno.EINVAL)):
        parse_tags(value)


def test_no_tags_are_no_attribute() -> None:
    assert parse_tags(b"") == {}
    with pytest.raises(OSError, check=with_errno(errno.ENODATA)):
        format_tags({})


json_values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    ["rules", "id", "prefix", "expiration", "days", "status", "target_bucket", "referers", "allow_empty", "index",
     "routing_rules", "other", "allowed_origins", "allowed_methods", "max_age_seconds", "transitions", "tags"]
)  # fmt: skip
documents = st.recursive(
    json_values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=4), max_leaves=12
)


@given(st.sampled_from(sorted(CONFIGURATIONS)), documents)
def test_whatever_is_given_for_a_configuration_is_taken_whole_or_refused(name: str, document: object) -> None:
    prop = BUCKET_PROPERTIES[name]
    try:
        value = parse_configuration(prop, json.dumps(document).encode())
    except OSError as refused:
        with pytest.raises(OSError, match=f"user.oss.bucket.{name}: ", check=with_errno(errno.EINVAL)):
            raise refused from None
        return
    configuration = CONFIGURATIONS[name]
    assert configuration.parse_document(configuration.document(value)) == value
    if configuration.is_set(value):
        assert parse_configuration(prop, format_configuration(prop, value)) == value


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("cors", b"", "not JSON"),
        ("cors", b"\xff", "not JSON"),
        ("cors", b"[" * 100_000, "not JSON"),
        ("cors", b"[]", "expected a mapping"),
        ("cors", b'{"rules": [{"origins": ["*"]}]}', r"CORS.rules\[0\]: no such field: origins \(there are: "),
        ("lifecycle", b'{"rules": []}', "rule"),
        ("logging", b'{"target_bucket": "B_d"}', "B_d"),
        ("referer", b'{"referers": [7]}', r"Referer.referers\[0\]"),
        ("website", b'{"index": "\\ud800"}', "ud800"),
        ("website", b'{"index": "a", "routing_rules": [{"a/><b": "x"}]}', "called 'a/><b'"),
        ("website", b'{"index": "a", "routing_rules": [{"a": null}]}', "a: expected a text"),
    ],
)
def test_what_is_no_configuration_is_refused_with_the_place(name: str, value: bytes, complaint: str) -> None:
    with pytest.raises(OSError, match=complaint, check=with_errno(errno.EINVAL)):
        parse_configuration(BUCKET_PROPERTIES[name], value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("logging", Logging()), ("logging", Logging(target_prefix="x")), ("referer", Referer()),
     ("referer", Referer(allow_truncate_query_string=True, truncate_path=False))],
)  # fmt: skip
def test_what_a_bucket_answers_that_has_nothing_set_is_no_attribute(name: str, value: object) -> None:
    with pytest.raises(OSError, check=with_errno(errno.ENODATA)):
        format_configuration(BUCKET_PROPERTIES[name], value)


@pytest.mark.parametrize("value", [{"allow_empty": False}, {"blacklist": ["http://a"]}, {"truncate_path": True}])
def test_whatever_somebody_set_is_an_attribute(value: dict[str, object]) -> None:
    prop = BUCKET_PROPERTIES["referer"]
    shown = format_configuration(prop, parse_configuration(prop, json.dumps(value).encode()))

    assert json.loads(shown) == {"allow_empty": True} | value


def test_the_acl_of_a_bucket_is_one_of_three_in_the_quotes_of_json_or_without() -> None:
    assert parse_bucket_acl(b"public-read\n") == "public-read"
    assert parse_bucket_acl(b'"private"') == "private"
    for value in (b"", b"default", b'"open"', b'"', b"\xff", b"{}"):
        with pytest.raises(OSError, check=with_errno(errno.EINVAL)):
            parse_bucket_acl(value)


def test_what_is_known_of_a_bucket_is_json() -> None:
    assert json.loads(as_json("private")) == "private"
    assert json.loads(as_json(BucketInfo("bucket", acl="private")))["acl"] == "private"
