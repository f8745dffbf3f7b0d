"""Whatever is asked, in whatever words: the server answers, and is not to blame."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, example, given, settings, strategies as st

from ossmount.wire.message import Headers, Response
from ossmount.wire.refusals import parse_error
from tests.server.test_routes import CASES

if TYPE_CHECKING:
    from ossmount.server.threaded import ThreadedServer

EXAMPLES = int(os.environ.get("OSSMOUNT_TEST_EXAMPLES", "400"))

PARAMETERS = """versionId prefix marker delimiter max-keys encoding-type list-type uploadId partNumber position
    styleName x-oss-process response-expires key-marker version-id-marker continuation-token
    upload-id-marker callback x-oss-traffic-limit""".split()
HEADERS = """range if-match if-modified-since content-md5 content-type x-oss-copy-source x-oss-copy-source-range
    x-oss-tagging x-oss-object-acl x-oss-storage-class x-oss-hash-crc64ecma x-oss-symlink-target x-oss-callback origin
    accept-encoding access-control-request-method x-oss-complete-all x-oss-meta-a""".split()
VALUES = """1 -1 99999999999999999999 null url true a /bucket/a /bucket/%ff bytes=0-1 bytes=9- * nonsense
    private Archive image/info image/resize,w_9 style/s @9w %00 %ff e30= gzip PUT http://a
    multipart/form-data;boundary=b""".split()
BODIES = (
    b"",
    b"x",
    b"\xff",
    b"<a/>",
    b"<Delete><Object><Key>a</Key></Object></Delete>",
    b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
    b"<LifecycleConfiguration><Rule><Status>Enabled</Status></Rule></LifecycleConfiguration>",
    b"<WebsiteConfiguration><RoutingRules><RoutingRule/></RoutingRules></WebsiteConfiguration>",
    b"<RestoreRequest><Days>x</Days></RestoreRequest>",
    b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n1\r\n--b--',
    b"x-oss-process=image/info|sys/saveas,o_YQ",
)
values = st.one_of(st.sampled_from(VALUES), st.text(st.characters(exclude_categories=["Cs"]), max_size=5))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= 400,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.sampled_from([line for line, _ in CASES]),
    st.sampled_from(["bucket", "bucket", "nowhere"]),
    st.sampled_from(["a", "a", "a", "%ff", "%01", "é", "x" * 1024]),
    st.dictionaries(st.sampled_from(PARAMETERS), values, max_size=2),
    st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(VALUES), max_size=2),
    st.sampled_from(BODIES),
)
@example("PUT /b/k", "bucket", "a", {}, {"x-oss-copy-source": "/bucket/%ff"}, b"")
@example("GET /b/k?objectMeta", "bucket", "a", {}, {}, b"")
def test_any_request_is_answered(
    signed: httpx.Client,
    oss_server: ThreadedServer,
    line: str,
    bucket: str,
    key: str,
    parameters: dict[str, str],
    headers: dict[str, str],
    body: bytes,
) -> None:
    if oss_server.store.bucket("bucket") is None:
        oss_server.store.put_bucket("bucket")
    signed.put("/bucket/a", content=b"hello" * 300, headers={"content-type": "text/plain"})
    method, target, *_ = line.split(" ")
    path, _, query = target.partition("?")
    path = path.replace("/k", f"/{key}").replace("/b", f"/{bucket}", 1)
    more = [f"{quote(name)}={quote(value, safe='')}" for name, value in parameters.items()]

    answer = signed.request(method, f"{path}?{'&'.join([query, *more])}", headers=headers, content=body)

    assert answer.status_code < 500, answer.text
    if answer.is_error and method != "HEAD":
        assert parse_error(Response(answer.status_code, Headers(), answer.content)).code
