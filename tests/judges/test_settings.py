"""What our client sets for a bucket the SDKs read and write back, and the other way round."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import alibabacloud_oss_v2 as sdk
import pytest

from ossmount.oss import (
    CORS,
    AbortMultipartUpload,
    CORSRule,
    Expiration,
    Lifecycle,
    LifecycleRule,
    Logging,
    Referer,
    Transition,
    Website,
)

if TYPE_CHECKING:
    import oss2

    from ossmount.oss import blocking
    from tests.judges.v2 import Judge

TAGS = {"k1": "v1", "k 2": "+a+b/c=d:e@f-g._h/"}
ROUTE = {
    "RuleNumber": "1",
    "Condition": {"KeyPrefixEquals": "old/", "HttpErrorCodeReturnedEquals": "404"},
    "Redirect": {
        "RedirectType": "External",
        "Protocol": "https",
        "HostName": "new.example",
        "ReplaceKeyPrefixWith": "new/",
        "HttpRedirectCode": "301",
    },
}
SETTINGS = {
    "logging": lambda name: Logging(name, "logs/"),
    "website": lambda _: Website("index.html", "error.html", routing_rules=(ROUTE,)),
    "referer": lambda _: Referer(
        False, ("http://*.ü.example", "http://a.example?b&c"), allow_truncate_query_string=True
    ),
    "lifecycle": lambda _: Lifecycle(
        (
            LifecycleRule(id="a & b", prefix="ü/", expiration=Expiration(days=3), tags=TAGS),
            LifecycleRule(
                id="old",
                prefix="old/",
                status="Disabled",
                transitions=(Transition(storage_class="IA", days=30), Transition(storage_class="Archive", days=60)),
                abort_multipart_upload=AbortMultipartUpload(days=1),
                noncurrent_expiration_days=7,
            ),
        )
    ),
    "cors": lambda _: CORS(
        (
            CORSRule(
                allowed_origins=("http://a.example", "http://*.b.example"),
                allowed_methods=("GET", "PUT"),
                allowed_headers=("x-oss-*",),
                expose_headers=("etag",),
                max_age_seconds=10,
            ),
            CORSRule(allowed_origins=("*",), allowed_methods=("HEAD",)),
        ),
        response_vary=True,
    ),
}
# What the second SDK calls the document of a setting.
DOCUMENTS = {"logging": "bucket_logging_status"}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("theirs", ["oss2", "v2"])
def test_a_setting_that_an_sdk_reads_and_writes_back_is_what_it_was(
    ours: blocking.Blocking, bucket2: oss2.Bucket, sync_v2: Judge, setting: str, theirs: str
) -> None:
    value = SETTINGS[setting](sync_v2.name)
    getattr(ours, f"put_bucket_{setting}")(value)

    if theirs == "oss2":
        held = getattr(bucket2, f"get_bucket_{setting}")()
        write = partial(getattr(bucket2, f"put_bucket_{setting}"), held)
    else:
        name, document = setting.capitalize(), DOCUMENTS.get(setting, f"{setting}_configuration")
        held = getattr(sync_v2.ask(f"GetBucket{name}"), document)
        write = partial(sync_v2.ask, f"PutBucket{name}", **{document: held})
    if setting == "referer":
        ours.put_bucket_referer(Referer())
    else:
        getattr(ours, f"delete_bucket_{setting}")()
    write()

    assert getattr(ours, f"get_bucket_{setting}")() == value


def test_a_style_of_one_is_there_for_the_others(ours: blocking.Blocking, bucket2: oss2.Bucket, sync_v2: Judge) -> None:
    for name, put in {
        "ours": ours.put_style,
        "oss2": bucket2.put_bucket_style,
        "v2": lambda name, content: sync_v2.ask("PutStyle", style_name=name, style=sdk.StyleContent(content=content)),
    }.items():
        put(name, "image/resize,p_50/quality,Q_80")
        told = (ours.get_style(name), bucket2.get_bucket_style(name), sync_v2.ask("GetStyle", style_name=name).style)
        assert {(style.name, style.content) for style in told} == {(name, "image/resize,p_50/quality,Q_80")}
    assert sorted(style.name for style in ours.list_style()) == ["oss2", "ours", "v2"]
