"""alibabacloud-oss-v2 on the service and on buckets, by either signature; its async client where it can do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import alibabacloud_oss_v2 as sdk
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.judges.conftest import Court
    from tests.judges.v2 import Judge


@pytest.mark.judges("PutBucket", "ListBuckets", "GetBucketInfo", "GetBucketLocation", "DeleteBucket")
def test_buckets_are_made_listed_and_removed(v2: Judge) -> None:
    more = [f"{v2.name}-one", f"{v2.name}-two"]
    config = sdk.CreateBucketConfiguration(storage_class="IA", data_redundancy_type="ZRS")
    for name in more:
        v2.ask("PutBucket", bucket=name, acl="public-read", create_bucket_configuration=config)

    pages = v2.pages("ListBuckets", prefix=f"{v2.name}-", max_keys=1)
    assert [bucket.name for page in pages for bucket in page.buckets] == more
    assert [bucket.storage_class for bucket in v2.ask("ListBuckets", prefix=more[0]).buckets] == ["IA"]
    info = v2.ask("GetBucketInfo", bucket=more[0]).bucket_info
    assert (info.name, info.acl, info.location) == (more[0], "public-read", "oss-cn-hangzhou")
    assert (info.storage_class, info.data_redundancy_type) == ("IA", "ZRS")
    assert v2.ask("GetBucketLocation", bucket=more[0]).location == "oss-cn-hangzhou"
    assert v2.result(v2.client.is_bucket_exist(more[0]))

    v2.ask("DeleteBucket", bucket=more[0])

    assert not v2.result(v2.client.is_bucket_exist(more[0]))
    gone = v2.refused("GetBucketInfo", bucket=more[0])
    assert (gone.status_code, gone.code, gone.ec) == (404, "NoSuchBucket", "0015-00000101")
    v2.ask("PutObject", key="a", body=b"")
    assert v2.refused("DeleteBucket").code == "BucketNotEmpty"


@pytest.mark.judges("DescribeRegions")
def test_the_only_region_is_this_server(v2: Judge, court: Court) -> None:
    (found,) = v2.ask("DescribeRegions").region_info

    assert found.region == "oss-cn-hangzhou"
    assert {found.internet_endpoint, found.internal_endpoint} == {court.url.removeprefix("http://")}


@pytest.mark.judges("PutBucketAcl", "GetBucketAcl")
def test_the_acl_of_a_bucket_changes(v2: Judge) -> None:
    assert v2.ask("GetBucketAcl").acl == "private"

    v2.ask("PutBucketAcl", acl="public-read")

    told = v2.ask("GetBucketAcl")
    assert told.acl == "public-read"
    assert told.owner.id
    assert v2.refused("PutBucketAcl", acl="nobody's").code == "InvalidArgument"


@pytest.mark.judges("GetBucketStat")
def test_statistics_count_objects_and_uploads(v2: Judge) -> None:
    v2.ask("PutObject", key="a", body=b"12345")
    v2.ask("PutObject", key="b", body=b"123", storage_class="IA")
    v2.ask("InitiateMultipartUpload", key="c")

    stat = v2.ask("GetBucketStat")

    assert (stat.storage, stat.object_count, stat.multi_part_upload_count) == (8, 2, 1)
    assert (stat.standard_storage, stat.infrequent_access_object_count) == (5, 1)


@pytest.mark.judges("PutBucketLogging", "GetBucketLogging", "DeleteBucketLogging")
def test_logging_is_set_told_and_removed(sync_v2: Judge) -> None:
    enabled = sdk.LoggingEnabled(target_bucket=sync_v2.name, target_prefix="logs/")
    sync_v2.ask("PutBucketLogging", bucket_logging_status=sdk.BucketLoggingStatus(logging_enabled=enabled))

    told = sync_v2.ask("GetBucketLogging").bucket_logging_status.logging_enabled
    assert (told.target_bucket, told.target_prefix) == (sync_v2.name, "logs/")

    sync_v2.ask("DeleteBucketLogging")

    assert sync_v2.ask("GetBucketLogging").bucket_logging_status.logging_enabled is None


@pytest.mark.judges("PutBucketWebsite", "GetBucketWebsite", "DeleteBucketWebsite")
def test_a_website_is_set_told_and_removed(sync_v2: Judge) -> None:
    rule = sdk.RoutingRule(
        rule_number=1,
        condition=sdk.RoutingRuleCondition(key_prefix_equals="old/", http_error_code_returned_equals=404),
        redirect=sdk.RoutingRuleRedirect(
            redirect_type="External", protocol="https", host_name="new.example", replace_key_prefix_with="new/"
        ),
    )
    website = sdk.WebsiteConfiguration(
        index_document=sdk.IndexDocument(suffix="index.html", support_sub_dir=True, type=1),
        error_document=sdk.ErrorDocument(key="error.html", http_status=404),
        routing_rules=sdk.RoutingRules(routing_rules=[rule]),
    )
    sync_v2.ask("PutBucketWebsite", website_configuration=website)

    told = sync_v2.ask("GetBucketWebsite").website_configuration
    index = told.index_document
    assert (index.suffix, index.support_sub_dir, index.type) == ("index.html", True, 1)
    assert (told.error_document.key, told.error_document.http_status) == ("error.html", 404)
    (kept,) = told.routing_rules.routing_rules
    assert (kept.condition.key_prefix_equals, kept.redirect.host_name) == ("old/", "new.example")
    assert (kept.redirect.protocol, kept.redirect.replace_key_prefix_with) == ("https", "new/")

    sync_v2.ask("DeleteBucketWebsite")

    assert sync_v2.refused("GetBucketWebsite").code == "NoSuchWebsiteConfiguration"


@pytest.mark.judges("PutBucketReferer", "GetBucketReferer")
def test_the_referer_list_is_set_and_told(sync_v2: Judge) -> None:
    before = sync_v2.ask("GetBucketReferer").referer_configuration
    assert (before.allow_empty_referer, before.referer_list.referers) == (True, None)
    configuration = sdk.RefererConfiguration(
        allow_empty_referer=False,
        allow_truncate_query_string=True,
        truncate_path=True,
        referer_list=sdk.RefererList(referers=["http://good.example", "http://*.ü.example"]),
        referer_blacklist=sdk.RefererBlacklist(referers=["http://bad.example"]),
    )
    sync_v2.ask("PutBucketReferer", referer_configuration=configuration)

    told = sync_v2.ask("GetBucketReferer").referer_configuration

    assert (told.allow_empty_referer, told.allow_truncate_query_string, told.truncate_path) == (False, True, True)
    assert told.referer_list.referers == ["http://good.example", "http://*.ü.example"]
    assert told.referer_blacklist.referers == ["http://bad.example"]


@pytest.mark.judges("PutBucketLifecycle", "GetBucketLifecycle", "DeleteBucketLifecycle")
def test_the_lifecycle_is_set_told_and_removed(sync_v2: Judge) -> None:
    rules = [
        sdk.LifecycleRule(
            id="tmp",
            prefix="tmp/",
            status="Enabled",
            expiration=sdk.LifecycleRuleExpiration(days=3),
            tags=[sdk.Tag(key="kind", value="a & b")],
        ),
        sdk.LifecycleRule(
            prefix="ü/",
            status="Disabled",
            transitions=[sdk.LifecycleRuleTransition(days=30, storage_class="IA")],
            abort_multipart_upload=sdk.LifecycleRuleAbortMultipartUpload(days=1),
            noncurrent_version_expiration=sdk.NoncurrentVersionExpiration(noncurrent_days=7),
        ),
    ]
    sync_v2.ask("PutBucketLifecycle", lifecycle_configuration=sdk.LifecycleConfiguration(rules=rules))

    one, other = sync_v2.ask("GetBucketLifecycle").lifecycle_configuration.rules
    assert (one.id, one.prefix, one.status, one.expiration.days) == ("tmp", "tmp/", "Enabled", 3)
    assert [(tag.key, tag.value) for tag in one.tags] == [("kind", "a & b")]
    assert (len(other.id), other.prefix, other.status) == (32, "ü/", "Disabled")
    assert [(step.days, step.storage_class) for step in other.transitions] == [(30, "IA")]
    assert (other.abort_multipart_upload.days, other.noncurrent_version_expiration.noncurrent_days) == (1, 7)

    sync_v2.ask("DeleteBucketLifecycle")

    assert sync_v2.refused("GetBucketLifecycle").code == "NoSuchLifecycle"


@pytest.mark.judges("PutBucketCors", "GetBucketCors", "OptionObject", "DeleteBucketCors")
def test_cors_is_set_told_answered_and_removed(sync_v2: Judge) -> None:
    rule = sdk.CORSRule(
        allowed_origins=["http://a.example"],
        allowed_methods=["GET", "PUT"],
        allowed_headers=["x-oss-*"],
        expose_headers=["etag"],
        max_age_seconds=10,
    )
    sync_v2.ask("PutBucketCors", cors_configuration=sdk.CORSConfiguration(cors_rules=[rule], response_vary=True))

    told = sync_v2.ask("GetBucketCors").cors_configuration
    assert told.response_vary
    kept = told.cors_rules[0]
    assert (kept.allowed_origins, kept.allowed_methods) == (["http://a.example"], ["GET", "PUT"])
    assert (kept.allowed_headers, kept.expose_headers, kept.max_age_seconds) == (["x-oss-*"], ["etag"], 10)
    preflight = {"origin": "http://a.example", "access_control_request_method": "PUT"}
    asked = sync_v2.ask("OptionObject", key="ü", access_control_request_headers="x-oss-meta-a", **preflight)
    assert (asked.access_control_allow_origin, asked.access_control_allow_methods) == ("http://a.example", "GET, PUT")
    assert (asked.access_control_allow_headers, asked.access_control_max_age) == ("x-oss-meta-a", 10)
    refused = sync_v2.refused("OptionObject", key="ü", **{**preflight, "origin": "http://b.example"})
    assert (refused.status_code, refused.code) == (403, "AccessForbidden")

    sync_v2.ask("DeleteBucketCors")

    assert sync_v2.refused("GetBucketCors").code == "NoSuchCORSConfiguration"


@pytest.mark.judges("PutStyle", "GetStyle", "ListStyle", "DeleteStyle")
def test_styles_are_kept_told_and_removed(sync_v2: Judge) -> None:
    sync_v2.ask("PutStyle", style_name="half", style=sdk.StyleContent(content="image/resize,p_50"))
    sync_v2.ask("PutStyle", style_name="grey", style=sdk.StyleContent(content="image/bright,10/contrast,-20"))

    told = sync_v2.ask("GetStyle", style_name="half").style
    assert (told.name, told.content) == ("half", "image/resize,p_50")
    assert told.create_time
    assert sorted(style.name for style in sync_v2.ask("ListStyle").style_list.styles) == ["grey", "half"]

    sync_v2.ask("DeleteStyle", style_name="half")

    assert [style.content for style in sync_v2.ask("ListStyle").style_list.styles] == ["image/bright,10/contrast,-20"]
    assert sync_v2.refused("GetStyle", style_name="half").code == "NoSuchStyle"


@pytest.mark.judges("PutBucketVersioning", "GetBucketVersioning", "ListObjectVersions", "DeleteMultipleObjects")
def test_versions_are_kept_listed_read_and_deleted(v2: Judge) -> None:
    assert v2.ask("GetBucketVersioning").version_status is None
    v2.ask("PutBucketVersioning", versioning_configuration=sdk.VersioningConfiguration(status="Enabled"))
    assert v2.ask("GetBucketVersioning").version_status == "Enabled"
    versions = [v2.ask("PutObject", key="k", body=bytes(size)).version_id for size in range(5)]
    deleted = v2.ask("DeleteObject", key="k")

    pages = v2.pages("ListObjectVersions", max_keys=2)
    found = [entry.version_id for page in pages for entry in (*(page.delete_marker or ()), *(page.version or ()))]
    assert deleted.delete_marker
    assert found == [deleted.version_id, *reversed(versions)]
    meta = v2.ask("GetObjectMeta", key="k", version_id=versions[3])
    assert (meta.content_length, meta.version_id) == (3, versions[3])
    assert v2.ask("HeadObject", key="k", version_id=versions[2]).content_length == 2
    assert v2.read("k", version_id=versions[4]) == bytes(4)
    assert v2.refused("GetObject", key="k").code == "NoSuchKey"
    copied = v2.ask("CopyObject", key="copy", source_key="k", source_version_id=versions[4])
    assert copied.source_version_id == versions[4]
    assert copied.version_id not in versions
    v2.ask("PutObjectAcl", key="k", version_id=versions[1], acl="public-read")
    assert v2.ask("GetObjectAcl", key="k", version_id=versions[1]).acl == "public-read"
    assert v2.ask("GetObjectAcl", key="k", version_id=versions[2]).acl == "default"

    some = [sdk.DeleteObject(key="k", version_id=version) for version in (deleted.version_id, versions[4])]
    gone = v2.ask("DeleteMultipleObjects", objects=some)

    assert {entry.version_id for entry in gone.deleted_objects} == {deleted.version_id, versions[4]}
    assert v2.read("k") == bytes(3)
    v2.ask("DeleteObject", key="k", version_id=versions[3])
    assert v2.refused("GetObject", key="k", version_id=versions[3]).code == "NoSuchVersion"


def test_a_wrong_secret_and_an_unknown_key_are_told_apart(judge_of: Callable[..., Judge], kind: str) -> None:
    wrong = judge_of(kind, "ak", "wrong").refused("ListObjects")
    unknown = judge_of(kind, "nobody", "sk").refused("ListObjects")

    assert (wrong.status_code, wrong.code, wrong.ec) == (403, "SignatureDoesNotMatch", "0002-00000040")
    assert (unknown.status_code, unknown.code, unknown.ec) == (403, "InvalidAccessKeyId", "0002-00000902")
    assert len(wrong.request_id) == 24
