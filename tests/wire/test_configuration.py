"""Every configuration of a bucket goes the whole way: client to server, server to client, JSON and back."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ossmount.wire.access import LOGGING, REFERER, Logging, Referer
from ossmount.wire.checksums import content_md5
from ossmount.wire.configuration import Configuration
from ossmount.wire.configurations import CONFIGURATIONS
from ossmount.wire.cors import CORS, CORSRule
from ossmount.wire.errors import InvalidArgument, MalformedXML, OutOfLimits
from ossmount.wire.lifecycle import (
    LIFECYCLE,
    AbortMultipartUpload,
    Expiration,
    Lifecycle,
    LifecycleRule,
    NoncurrentTransition,
    Transition,
)
from ossmount.wire.message import Headers, Request, Response, target
from ossmount.wire.website import WEBSITE, Website

# All that XML can hold.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12)
NAME = st.text(st.sampled_from("abc/.*?_-&<>'\"ü中🎈 "), min_size=1, max_size=12)
DAYS = st.integers(1, 9999)
MIDNIGHT = st.integers(1, 30_000).map(lambda day: day * 86_400.0)
CLASSES = st.sampled_from(["IA", "Archive", "ColdArchive"])

LOGGINGS = st.just(Logging()) | st.builds(Logging, st.just("log-bucket"), TEXT.filter(lambda t: len(t.encode()) <= 32))
REFERERS = st.builds(
    Referer,
    st.booleans(),
    st.lists(NAME, max_size=3).map(tuple),
    st.lists(NAME, max_size=3).map(tuple),
    st.none() | st.booleans(),
    st.none() | st.booleans(),
)
RULE_TREES = st.lists(
    st.fixed_dictionaries({"RuleNumber": st.just("1"), "Condition": st.fixed_dictionaries({"KeyPrefixEquals": TEXT})}),
    max_size=3,
).map(tuple)
WEBSITES = st.builds(
    Website,
    st.just("index.html"),
    st.sampled_from(["", "error.html", "e/ü.html"]),
    st.none(),
    st.none() | st.booleans(),
    st.sampled_from(["", "0"]),
    RULE_TREES,
)
CORSES = st.builds(
    CORS,
    st.lists(
        st.builds(
            CORSRule,
            allowed_origins=st.lists(st.sampled_from(["*", "https://*.example.com", "http://a"]), min_size=1).map(
                tuple
            ),
            allowed_methods=st.lists(st.sampled_from(["GET", "PUT"]), min_size=1, max_size=2).map(tuple),
            allowed_headers=st.lists(st.sampled_from(["*", "x-oss-*"]), max_size=2).map(tuple),
            expose_headers=st.lists(st.just("etag"), max_size=1).map(tuple),
            max_age_seconds=st.none() | st.integers(0, 999_999_999),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.none() | st.booleans(),
)
MORE: st.SearchStrategy[dict[str, str]] = st.sampled_from([{}, {"IsAccessTime": "true"}])
EXPIRATIONS = (
    st.builds(Expiration, days=DAYS)
    | st.builds(Expiration, created_before_date=MIDNIGHT)
    | st.builds(Expiration, date=MIDNIGHT)
    | st.just(Expiration(expired_object_delete_marker=True))
)
RULES = st.builds(
    LifecycleRule,
    prefix=TEXT,
    status=st.sampled_from(["Enabled", "Disabled"]),
    expiration=EXPIRATIONS,
    transitions=st.lists(st.builds(Transition, storage_class=CLASSES, days=DAYS, more=MORE), max_size=2).map(tuple),
    abort_multipart_upload=st.none() | st.builds(AbortMultipartUpload, days=DAYS),
    noncurrent_expiration_days=st.none() | DAYS,
    noncurrent_transitions=st.lists(
        st.builds(NoncurrentTransition, noncurrent_days=DAYS, storage_class=CLASSES, more=MORE), max_size=2
    ).map(tuple),
    filter=st.just({}) | st.just({"Not": {"Prefix": "a/b", "Tag": {"Key": "k", "Value": "v"}}}),
) | st.builds(LifecycleRule, prefix=TEXT, expiration=EXPIRATIONS, tags=st.dictionaries(NAME, TEXT, max_size=3))
LIFECYCLES = st.lists(RULES, min_size=1, max_size=3).map(
    lambda rules: Lifecycle(tuple(replace(rule, id=f"rule {number}") for number, rule in enumerate(rules)))
)
VALUES = {
    "logging": LOGGINGS,
    "website": WEBSITES,
    "referer": REFERERS,
    "lifecycle": LIFECYCLES,
    "cors": CORSES,
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_put_is_read_kept_and_got(name: str, data: st.DataObject) -> None:
    kind: Configuration[Any] = CONFIGURATIONS[name]
    value = data.draw(VALUES[name])

    request = kind.put("bucket", value)
    assert request.headers["content-md5"] == content_md5(request.body or b"")
    assert kind.read(request) == value
    assert kind.parse(kind.write(value)) == value
    assert kind.parse_document(kind.document(value)) == value
    assert kind.from_plain(json.loads(json.dumps(kind.to_plain(value)))) == value


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_call_has_its_target_and_name(name: str) -> None:
    kind = CONFIGURATIONS[name]
    for request, verb in ((kind.get("b"), "Get"), (kind.delete("b"), "Delete")):
        assert target(request, path_style=True) == f"/b/?{name}"
        assert request.operation == f"{verb}Bucket{kind.name}"
    assert kind.parameter == name


DOCUMENTS: list[tuple[Configuration[Any], str, object]] = [
    (LOGGING, "<BucketLoggingStatus></BucketLoggingStatus>", Logging()),
    (
        LOGGING,
        (
            "<BucketLoggingStatus><LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix>logs/</TargetPrefix>"
            "</LoggingEnabled></BucketLoggingStatus>"
        ),
        Logging("b", "logs/"),
    ),
    (
        REFERER,
        "<RefererConfiguration><AllowEmptyReferer>true</AllowEmptyReferer><RefererList /></RefererConfiguration>",
        Referer(),
    ),
    (
        REFERER,
        (
            "<RefererConfiguration>\n <AllowEmptyReferer>FALSE</AllowEmptyReferer>\n <RefererList>\n  <Referer>http://a</Referer>"
            "<Referer/></RefererList></RefererConfiguration>"
        ),
        Referer(False, ("http://a",)),
    ),
    (
        WEBSITE,
        (
            '<WebsiteConfiguration xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com"><IndexDocument><Suffix>index.html</Suffix>'
            "</IndexDocument><ErrorDocument><Key>error.html</Key></ErrorDocument></WebsiteConfiguration>"
        ),
        Website("index.html", "error.html"),
    ),
    (
        WEBSITE,
        (
            "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule>"
            "<RuleNumber>1</RuleNumber><Redirect><MirrorHeaders><Pass>a</Pass><Pass>b</Pass></MirrorHeaders></Redirect>"
            "</RoutingRule></RoutingRules></WebsiteConfiguration>"
        ),
        Website("i", routing_rules=({"RuleNumber": "1", "Redirect": {"MirrorHeaders": {"Pass": ["a", "b"]}}},)),
    ),
    (
        LIFECYCLE,
        (
            "<LifecycleConfiguration><Rule><ID>1</ID><Prefix>logs/</Prefix><Status>Enabled</Status><Expiration>"
            "<Date>2022-10-11T00:00:00.000Z</Date></Expiration></Rule></LifecycleConfiguration>"
        ),
        Lifecycle((LifecycleRule(id="1", prefix="logs/", expiration=Expiration(date=1665446400.0)),)),
    ),
]


@pytest.mark.parametrize(("kind", "document", "value"), DOCUMENTS)
def test_documents_are_read_as_the_service_writes_them(kind: Configuration[Any], document: str, value: object) -> None:
    assert kind.parse(Response(200, Headers(), document.encode())) == value


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("body", [b"", b"<x", b"<Other/>", b'<!DOCTYPE x [<!ENTITY e "e">]><x/>'])
def test_another_body_is_malformed(name: str, body: bytes) -> None:
    with pytest.raises(MalformedXML):
        CONFIGURATIONS[name].read(Request("PUT", "b", body=body))


RULE = LifecycleRule(prefix="a", expiration=Expiration(days=1))
CORS_RULE = CORSRule(allowed_origins=("*",), allowed_methods=("GET",))
REFUSED: list[tuple[str, object, str]] = [
    ("logging", Logging("no"), "3 to 63"),
    ("logging", Logging("bucket", "p" * 33), "at most 32 bytes"),
    ("referer", Referer(referers=("",)), "at least 1"),
    ("website", Website(), "at least 1"),
    ("website", Website("a/b"), "0 slashes"),
    ("website", Website("a", "/b"), "1 to 1023"),
    ("website", Website("a", "b", 500), "200 or 404"),
    ("website", Website("a", routing_rules=({"Condition": "x"},)), "elements of its own"),
    ("website", Website("a", routing_rules=({"Condition": {"KeyPrefixEquals": ["a", "b"]}},)), "one text"),
    ("website", Website("a", routing_rules=({"Condition": {"HttpErrorCodeReturnedEquals": "x"}},)), "400 to 599"),
    ("website", Website("a", routing_rules=({"Redirect": {"HttpRedirectCode": "200"}},)), "301, 302, 307"),
    ("website", Website("a", routing_rules=({"Redirect": {"Protocol": "javascript"}},)), "http, https"),
    ("website", Website("a", routing_rules=({"Redirect": {"HostName": "a b"}},)), "a name or an address"),
    ("lifecycle", Lifecycle((replace(RULE, filter={"ObjectSizeLessThan": "x"}),)), "from 0 to"),
    ("lifecycle", Lifecycle((replace(RULE, filter={"Not": "x"}),)), "1 Prefix"),
    ("lifecycle", Lifecycle((replace(RULE, filter={"Not": {"Prefix": "a", "Tag": {"Value": "b"}}}),)), "1 Key"),
    ("lifecycle", Lifecycle(), "1 to 1000"),
    ("lifecycle", Lifecycle((RULE,) * 1001), "1 to 1000"),
    ("lifecycle", Lifecycle((replace(RULE, id="x"), replace(RULE, id="x"))), "1 time"),
    ("lifecycle", Lifecycle((replace(RULE, id="x" * 256),)), "at most 255"),
    ("lifecycle", Lifecycle((replace(RULE, prefix="x" * 1024),)), "at most 1023"),
    ("lifecycle", Lifecycle((replace(RULE, status="On"),)), "Enabled, Disabled"),
    ("lifecycle", Lifecycle((replace(RULE, expiration=None),)), "at least 1 action"),
    ("lifecycle", Lifecycle((replace(RULE, expiration=Expiration(days=0)),)), "at least 1 day"),
    ("lifecycle", Lifecycle((replace(RULE, expiration=Expiration()),)), "exactly 1"),
    ("lifecycle", Lifecycle((replace(RULE, expiration=Expiration(days=1, date=0.0)),)), "exactly 1"),
    ("lifecycle", Lifecycle((replace(RULE, expiration=Expiration(date=1.0)),)), "00:00"),
    ("lifecycle", Lifecycle((replace(RULE, transitions=(Transition(storage_class="Warm", days=1),)),)), "Standard, IA"),
    (
        "lifecycle",
        Lifecycle((replace(RULE, tags={"a": "b"}, abort_multipart_upload=AbortMultipartUpload(days=1)),)),
        "0 tags",
    ),
    ("cors", CORS(()), "1 to 10"),
    ("cors", CORS((CORS_RULE,) * 11), "1 to 10"),
    ("cors", CORS((replace(CORS_RULE, allowed_methods=("PATCH",)),)), "GET, PUT"),
    ("cors", CORS((replace(CORS_RULE, allowed_origins=()),)), "at least 1 origin"),
    ("cors", CORS((replace(CORS_RULE, allowed_origins=("*.*",)),)), "at most 1 star"),
    ("cors", CORS((replace(CORS_RULE, expose_headers=("*",)),)), "0 stars"),
    ("cors", CORS((replace(CORS_RULE, expose_headers=("a\nb",)),)), "name of a header"),
    ("cors", CORS((replace(CORS_RULE, max_age_seconds=-1),)), "0 to 999999999"),
    ("cors", CORS((replace(CORS_RULE, allowed_headers=("x" * 17_000,)),)), "at most 16384"),
]


@pytest.mark.parametrize(("name", "value", "limit"), REFUSED)
def test_what_oss_would_refuse_is_refused_with_the_limit(name: str, value: object, limit: str) -> None:
    kind = CONFIGURATIONS[name]
    with pytest.raises(OutOfLimits, match=limit):
        kind.put("bucket", value)
    with pytest.raises(OutOfLimits, match=limit):
        kind.from_plain(kind.to_plain(value))
    if name == "referer":
        # An empty entry in a document is none.
        return
    with pytest.raises((InvalidArgument, MalformedXML)):
        kind.read(Request("PUT", "bucket", body=kind.document(value)))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"rule": []}, r"Lifecycle: no such field: rule \(there are: rules\)"),
        ({"rules": {}}, r"Lifecycle.rules: expected a list"),
        ({"rules": [{"id": 1}]}, r"Lifecycle.rules\[0\].id: expected str"),
        ({"rules": [{"expiration": {"days": "1"}}]}, r"expiration.days: expected int"),
        ({"rules": [{"expiration": {"days": True}}]}, r"expiration.days: expected int"),
        ({"rules": [{"expiration": {"date": "soon"}}]}, r"expiration.date: not a date"),
        ({"rules": [{"transitions": [{"days": 1}]}]}, r"transitions\[0\]: these fields are missing: storage_class"),
        ({"rules": [{"expiration": {"expired_object_delete_marker": 1}}]}, "true or false"),
        ({"rules": [{"tags": []}]}, "expected a mapping"),
        ([], "Lifecycle: expected a mapping"),
    ],
)
def test_json_that_cannot_be_read_says_where(said: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LIFECYCLE.from_plain(said)


def test_what_xml_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="XML cannot hold"):
        LOGGING.put("bucket", Logging("bucket", "\x00"))


DOCUMENT = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
SHOWN = json.loads(re.findall(r"^```json\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)[0])


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_json_that_the_document_shows_is_what_is_taken_and_given(name: str) -> None:
    kind: Configuration[Any] = CONFIGURATIONS[name]

    value = kind.from_plain(SHOWN[name])

    assert kind.to_plain(kind.parse_document(kind.document(value))) == SHOWN[name]
