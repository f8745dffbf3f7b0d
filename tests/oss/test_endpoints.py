"""Endpoints as people write them, and where they lead."""

from __future__ import annotations

import pytest

from ossmount.oss.endpoints import Endpoint, Origin
from ossmount.wire.limits import is_bucket_name
from ossmount.wire.message import Request

REQUEST = Request("GET", "bucket", "a/../b c", {"acl": None})


@pytest.mark.parametrize(
    ("text", "options", "url", "region"),
    [
        ("oss-cn-hangzhou.aliyuncs.com", {}, "https://bucket.oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ("http://oss-us-west-1.aliyuncs.com/", {}, "http://bucket.oss-us-west-1.aliyuncs.com", "us-west-1"),
        ("", {"region": "cn-beijing"}, "https://bucket.oss-cn-beijing.aliyuncs.com", "cn-beijing"),
        ("", {"region": "oss-cn-beijing"}, "https://bucket.oss-cn-beijing.aliyuncs.com", "cn-beijing"),
        (
            "oss-cn-beijing.aliyuncs.com",
            {"internal": True},
            "https://bucket.oss-cn-beijing-internal.aliyuncs.com",
            "cn-beijing",
        ),
        (
            "oss-cn-beijing-internal.aliyuncs.com",
            {"internal": True},
            "https://bucket.oss-cn-beijing-internal.aliyuncs.com",
            "cn-beijing",
        ),
        (
            "https://oss-accelerate.aliyuncs.com",
            {"region": "cn-beijing"},
            "https://bucket.oss-accelerate.aliyuncs.com",
            "cn-beijing",
        ),
        ("https://oss-accelerate.aliyuncs.com", {}, "https://bucket.oss-accelerate.aliyuncs.com", ""),
        ("oss.example.com:8443", {"region": "x"}, "https://bucket.oss.example.com:8443", "x"),
        ("img.example.com", {"addressing": "cname", "region": "x"}, "https://img.example.com", "x"),
        ("http://127.0.0.1:9000", {}, "http://127.0.0.1:9000/bucket", "cn-hangzhou"),
        ("localhost:9000", {}, "http://localhost:9000/bucket", "cn-hangzhou"),
        ("[::1]:9000", {"region": "x"}, "http://[::1]:9000/bucket", "x"),
        ("https://10.0.0.1", {}, "https://10.0.0.1/bucket", "cn-hangzhou"),
        ("oss.example.com", {"addressing": "path", "region": "x"}, "https://oss.example.com/bucket", "x"),
        ("bucket.localhost:80", {"addressing": "cname"}, "http://bucket.localhost", "cn-hangzhou"),
    ],
)
def test_an_endpoint_leads_here(text: str, options: dict[str, object], url: str, region: str) -> None:
    endpoint = Endpoint.parse(text, **options)  # type: ignore[arg-type]
    assert endpoint.url(REQUEST) == f"{url}/a/../b%20c?acl"
    assert endpoint.region == region


def test_a_unix_socket_is_addressed_by_path() -> None:
    endpoint = Endpoint.parse("unix:///run/oss.sock")
    assert endpoint.origin("bucket") == Origin("localhost", 80, path="/run/oss.sock")
    assert (endpoint.target(REQUEST), endpoint.host_header("bucket")) == ("/bucket/a/../b%20c?acl", "localhost")
    assert str(endpoint) == "unix:///run/oss.sock"
    assert str(endpoint.origin("")) == "/run/oss.sock"


def test_the_bucket_is_in_the_host_or_in_the_path() -> None:
    virtual = Endpoint.parse("oss-cn-hangzhou.aliyuncs.com")
    assert virtual.origin("b-1") == Origin("b-1.oss-cn-hangzhou.aliyuncs.com", 443, tls=True)
    assert virtual.origin("") == Origin("oss-cn-hangzhou.aliyuncs.com", 443, tls=True)
    assert virtual.target(Request("GET", query={"prefix": "x"})) == "/?prefix=x"
    assert str(virtual) == "https://oss-cn-hangzhou.aliyuncs.com"
    path = Endpoint.parse("127.0.0.1:9000")
    assert path.target(Request("GET", "bucket", query={"acl": None})) == "/bucket/?acl"
    assert path.host_header("bucket") == "127.0.0.1:9000"
    assert str(path.origin("bucket")) == "127.0.0.1:9000"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("ftp://host", {}),
        ("http://", {}),
        ("http://host/path", {}),
        ("http://host?x=y", {}),
        ("http://user:password@host", {}),
        ("http://host:port", {}),
        ("http://[::1", {}),
        ("a host", {}),
        ("unix:", {}),
        ("unix:///", {}),
        ("host", {"region": "a b"}),
        ("host", {"addressing": "other"}),
        ("127.0.0.1", {"internal": True}),
        ("oss-accelerate.aliyuncs.com", {"internal": True}),
        ("https://my-bucket.oss-cn-hangzhou.aliyuncs.com", {}),
        ("my-bucket.oss-cn-hangzhou-internal.aliyuncs.com", {"addressing": "virtual"}),
    ],
)
def test_what_leads_nowhere_is_refused(text: str, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"endpoint|region|addressing|path|internal"):
        Endpoint.parse(text, **options)  # type: ignore[arg-type]


def test_the_host_of_a_bucket_is_told_from_that_of_the_service() -> None:
    host = "my-bucket.oss-cn-hangzhou.aliyuncs.com"
    with pytest.raises(ValueError, match=r"host of the bucket my-bucket: give oss-cn-hangzhou\.aliyuncs\.com"):
        Endpoint.parse(host)
    assert Endpoint.parse(host, addressing="cname").url() == f"https://{host}"


def test_bucket_names_are_those_of_the_service() -> None:
    for name in ("abc", "a-b", "a1b", "x" * 63):
        assert is_bucket_name(name)
    for name in ("", "ab", "x" * 64, "-ab", "ab-", "aBc", "a.b", "a_b", "ab\n"):
        assert not is_bucket_name(name)
