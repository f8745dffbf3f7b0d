"""Settings of buckets: refused as OSS refuses them; that they are kept and told as they came, tests/judges says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ossmount.server.store import Store
from ossmount.wire.lifecycle import LIFECYCLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    Refused = Callable[[httpx.Response], tuple[int, str]]


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        (
            "logging",
            (
                "<BucketLoggingStatus><LoggingEnabled><TargetBucket>nowhere</TargetBucket></LoggingEnabled>"
                "</BucketLoggingStatus>"
            ),
            "InvalidTargetBucketForLogging",
        ),
        ("logging", "<other/>", "MalformedXML"),
        ("logging", "<BucketLoggingStatus", "MalformedXML"),
        ("website", "<WebsiteConfiguration/>", "InvalidArgument"),
        (
            "referer",
            "<RefererConfiguration><AllowEmptyReferer>maybe</AllowEmptyReferer></RefererConfiguration>",
            "MalformedXML",
        ),
        ("lifecycle", "<LifecycleConfiguration/>", "InvalidArgument"),
        (
            "lifecycle",
            "<LifecycleConfiguration>"
            + 2 * ("<Rule><Prefix>a</Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>")
            + "</LifecycleConfiguration>",
            "InvalidRequest",
        ),
        ("cors", "<CORSConfiguration/>", "InvalidArgument"),
        ("style&styleName=s", "<Style><Content/></Style>", "InvalidArgument"),
        ("style&styleName=s", "", "MalformedXML"),
        ("style", "<Style><Content>image/resize,p_50</Content></Style>", "InvalidArgument"),
    ],
)
def test_settings_that_oss_refuses(turned: httpx.Client, refused: Refused, query: str, body: str, code: str) -> None:
    assert refused(turned.put(f"/bucket/?{query}", content=body)) == (400, code)


@pytest.mark.parametrize("name", ["logging", "website", "referer", "lifecycle", "cors", "style", "versioning"])
def test_settings_are_the_owners_and_need_a_bucket(
    anybody: httpx.Client, turned: httpx.Client, refused: Refused, name: str
) -> None:
    assert refused(anybody.get(f"/bucket/?{name}")) == (403, "AccessDenied")
    assert refused(anybody.put(f"/bucket/?{name}", content=b"")) == (403, "AccessDenied")
    assert refused(turned.get(f"/nowhere/?{name}")) == (404, "NoSuchBucket")


def test_a_document_that_is_not_the_one_meant_is_refused(turned: httpx.Client, refused: Refused) -> None:
    headers = {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    body = "<BucketLoggingStatus/>"
    assert refused(turned.put("/bucket/?logging", content=body, headers=headers)) == (400, "InvalidDigest")


def test_there_are_fifty_styles_at_most(turned: httpx.Client, refused: Refused) -> None:
    body = "<Style><Content>image/resize,p_50</Content></Style>"
    for number in range(50):
        assert turned.put(f"/bucket/?style&styleName=s{number}", content=body).status_code == 200

    assert refused(turned.put("/bucket/?style&styleName=more", content=body)) == (403, "AccessDenied")
    assert turned.put("/bucket/?style&styleName=s0", content=body).status_code == 200
    assert refused(turned.get("/bucket/?style&styleName=more")) == (404, "NoSuchStyle")
    assert turned.delete("/bucket/?style&styleName=more").status_code == 204


def test_settings_survive_a_restart_and_end_with_their_bucket(tmp_path: Path) -> None:
    store = Store(tmp_path)
    bucket = store.put_bucket("bucket")
    store.set_versioning(bucket, "Enabled")
    store.settings.put(bucket, LIFECYCLE, LIFECYCLE.from_plain({"rules": [{"id": "r", "expiration": {"days": 1}}]}))
    store.close()

    store = Store(tmp_path)
    found = store.bucket("bucket")
    assert found is not None
    assert found.versioning == "Enabled"
    kept = store.settings.get(found, LIFECYCLE)
    assert kept is not None
    assert kept.rules[0].id == "r"
    store.delete_bucket(found)
    fresh = store.put_bucket("bucket")
    assert not store.settings.of(fresh)
    assert fresh.versioning == ""
    store.close()


CORS = (
    "<CORSConfiguration><CORSRule><AllowedOrigin>http://*.good.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>"
    "<AllowedHeader>x-oss-*</AllowedHeader><ExposeHeader>x-oss-meta-a</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds>"
    "</CORSRule><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>"
    "</CORSConfiguration>"
)


def test_a_browser_is_told_what_a_page_may_do(turned: httpx.Client, anybody: httpx.Client, refused: Refused) -> None:
    asked = {"origin": "http://a.good.example", "access-control-request-method": "PUT"}
    assert refused(anybody.options("/bucket/a", headers=asked)) == (403, "AccessForbidden")
    turned.put("/bucket/?cors", content=CORS)

    told = anybody.options("/bucket/a", headers=asked | {"access-control-request-headers": "x-oss-date"}).headers
    assert told["access-control-allow-origin"] == "http://a.good.example"
    assert (told["access-control-allow-methods"], told["access-control-max-age"]) == ("PUT", "60")
    assert told["access-control-allow-headers"] == "x-oss-date"
    bad = asked | {"access-control-request-headers": "cookie"}
    assert refused(anybody.options("/bucket/a", headers=bad)) == (403, "AccessForbidden")
    bad = asked | {"origin": "http://bad.example"}
    assert refused(anybody.options("/bucket/a", headers=bad)) == (403, "AccessForbidden")
    assert refused(anybody.options("/bucket/a")) == (400, "BadRequest")
    assert refused(anybody.options("/bucket/a", headers={"origin": "x"})) == (400, "BadRequest")
    assert refused(anybody.options("/nowhere/a", headers=asked)) == (404, "NoSuchBucket")


def test_answers_tell_the_browser_that_the_page_may_see_them(turned: httpx.Client) -> None:
    turned.put("/bucket/?cors", content=CORS)

    stored = turned.put("/bucket/a", content=b"x", headers={"origin": "http://a.good.example"})
    got = turned.get("/bucket/a", headers={"origin": "http://anywhere.example"})
    missing = turned.get("/bucket/missing", headers={"origin": "http://anywhere.example"})
    other = turned.delete("/bucket/a", headers={"origin": "http://anywhere.example"})

    assert stored.headers["access-control-expose-headers"] == "x-oss-meta-a"
    assert stored.headers["vary"] == "Origin"
    assert got.headers["access-control-allow-origin"] == missing.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in other.headers


def test_caches_are_told_that_answers_differ_by_origin(turned: httpx.Client) -> None:
    end = "</CORSConfiguration>"
    turned.put("/bucket/?cors", content=CORS.replace(end, f"<ResponseVary>true</ResponseVary>{end}"))
    turned.put("/bucket/a", content=b"x" * 2000, headers={"content-type": "text/plain"})

    for origin in ({}, {"origin": "http://anywhere.example"}, {"origin": "http://a.good.example"}):
        assert turned.get("/bucket/a", headers=origin).headers["vary"] == "Origin"
        packed = turned.get("/bucket/a", headers={**origin, "accept-encoding": "gzip"})
        assert packed.headers["vary"] == "Accept-Encoding, Origin"


def test_the_referer_list_is_for_urls_and_whoever_does_not_sign(
    turned: httpx.Client, anybody: httpx.Client, refused: Refused
) -> None:
    turned.put("/bucket/?acl", headers={"x-oss-acl": "public-read"})
    turned.put("/bucket/a", content=b"x")
    turned.put(
        "/bucket/?referer",
        content="<RefererConfiguration><AllowEmptyReferer>false</AllowEmptyReferer><RefererList>"
        "<Referer>http://*.good.example</Referer></RefererList></RefererConfiguration>",
    )

    assert anybody.get("/bucket/a", headers={"referer": "http://www.good.example/page"}).content == b"x"
    assert refused(anybody.get("/bucket/a", headers={"referer": "http://bad.example/"})) == (403, "AccessDenied")
    assert refused(anybody.get("/bucket/a")) == (403, "AccessDenied")
    assert turned.get("/bucket/a").content == b"x"


@pytest.mark.parametrize(
    ("truncation", "let_through"),
    [
        ("", ["http://a.example/p?q", "http://a.example/p"]),
        ("<AllowTruncateQueryString>false</AllowTruncateQueryString>", ["http://a.example/p"]),
        ("<TruncatePath>true</TruncatePath>", ["http://b.example/any/page?q"]),
    ],
)
def test_the_referer_list_looks_at_as_much_of_a_page_as_it_says(
    turned: httpx.Client, anybody: httpx.Client, truncation: str, let_through: list[str]
) -> None:
    turned.put("/bucket/?acl", headers={"x-oss-acl": "public-read"})
    turned.put("/bucket/a", content=b"x")
    listed = "<RefererList><Referer>http://a.example/p</Referer><Referer>http://b.example/</Referer></RefererList>"
    stored = turned.put(
        "/bucket/?referer",
        content=f"<RefererConfiguration><AllowEmptyReferer>true</AllowEmptyReferer>{truncation}{listed}"
        "</RefererConfiguration>",
    )
    assert stored.status_code == 200

    pages = ["http://a.example/p?q", "http://a.example/p", "http://b.example/any/page?q", "http://c.example/"]
    assert [page for page in pages if anybody.get("/bucket/a", headers={"referer": page}).content == b"x"] == [
        page for page in pages if page in let_through
    ]
    assert anybody.get("/bucket/a").content == b"x"
