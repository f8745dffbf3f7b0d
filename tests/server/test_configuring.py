"""Settings of buckets: kept and told as they came, by both SDKs, and refused as OSS refuses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import alibabacloud_oss_v2 as sdk
import oss2
import oss2.models as models
import pytest

from ossmount.server.store import Store
from ossmount.wire.lifecycle import LIFECYCLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    Refused = Callable[[httpx.Response], tuple[int, str]]


def test_oss2_sets_tells_and_removes_every_setting(bucket2: oss2.Bucket) -> None:
    bucket2.put_bucket_logging(models.BucketLogging("bucket", "logs/"))
    assert bucket2.get_bucket_logging().target_prefix == "logs/"
    bucket2.delete_bucket_logging()
    assert bucket2.get_bucket_logging().target_bucket == ""
    bucket2.put_bucket_website(models.BucketWebsite("index.html", "error.html"))
    assert bucket2.get_bucket_website().error_file == "error.html"
    bucket2.delete_bucket_website()
    with pytest.raises(oss2.exceptions.NoSuchWebsite):
        bucket2.get_bucket_website()
    assert bucket2.get_bucket_referer().allow_empty_referer
    bucket2.put_bucket_referer(models.BucketReferer(False, ["http://good.example"]))
    assert bucket2.get_bucket_referer().referers == ["http://good.example"]
    rule = models.LifecycleRule("r", "tmp/", expiration=models.LifecycleExpiration(days=3))
    bucket2.put_bucket_lifecycle(models.BucketLifecycle([rule]))
    assert bucket2.get_bucket_lifecycle().rules[0].expiration.days == 3
    bucket2.delete_bucket_lifecycle()
    with pytest.raises(oss2.exceptions.NoSuchLifecycle):
        bucket2.get_bucket_lifecycle()
    cors = models.CorsRule(allowed_origins=["*"], allowed_methods=["GET"], max_age_seconds=10)
    bucket2.put_bucket_cors(models.BucketCors([cors]))
    assert bucket2.get_bucket_cors().rules[0].allowed_origins == ["*"]
    bucket2.delete_bucket_cors()
    with pytest.raises(oss2.exceptions.NoSuchCors):
        bucket2.get_bucket_cors()


def test_the_second_sdk_sets_and_tells_styles_and_settings(sdk_client: sdk.Client) -> None:
    sdk_client.put_style(
        sdk.PutStyleRequest(bucket="bucket", style_name="half", style=sdk.StyleContent(content="image/resize,p_50"))
    )
    assert sdk_client.get_style(sdk.GetStyleRequest(bucket="bucket", style_name="half")).style.name == "half"
    listed = sdk_client.list_style(sdk.ListStyleRequest(bucket="bucket")).style_list
    assert [style.content for style in listed.styles] == ["image/resize,p_50"]
    sdk_client.delete_style(sdk.DeleteStyleRequest(bucket="bucket", style_name="half"))
    assert not sdk_client.list_style(sdk.ListStyleRequest(bucket="bucket")).style_list.styles
    website = sdk.WebsiteConfiguration(index_document=sdk.IndexDocument(suffix="index.html", support_sub_dir=True))
    sdk_client.put_bucket_website(sdk.PutBucketWebsiteRequest(bucket="bucket", website_configuration=website))
    told = sdk_client.get_bucket_website(sdk.GetBucketWebsiteRequest(bucket="bucket")).website_configuration
    assert told.index_document.support_sub_dir
    rule = sdk.LifecycleRule(prefix="a/", status="Enabled", expiration=sdk.LifecycleRuleExpiration(days=1))
    sdk_client.put_bucket_lifecycle(
        sdk.PutBucketLifecycleRequest(bucket="bucket", lifecycle_configuration=sdk.LifecycleConfiguration(rules=[rule]))
    )
    lifecycle = sdk_client.get_bucket_lifecycle(sdk.GetBucketLifecycleRequest(bucket="bucket")).lifecycle_configuration
    assert (lifecycle.rules[0].prefix, len(lifecycle.rules[0].id)) == ("a/", 32)


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
