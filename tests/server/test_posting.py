"""Forms from browsers, and callbacks to applications on this machine."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import oss2
import pytest

from ossmount.wire.credentials import Credentials
from ossmount.wire.post_object import post_object, sign_policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from ossmount.server.threaded import ThreadedServer
    from tests.applications import Application
    from tests.server.conftest import Clock

    Refused = Callable[[httpx.Response], tuple[int, str]]
    Post = Callable[..., httpx.Response]


@pytest.fixture
def post(anybody: httpx.Client, clock: Clock) -> Post:
    """Post a form, with a policy of these conditions."""

    def send(
        fields: dict[str, str], body: bytes = b"file", conditions: list[object] | None = None, version: Any = "v4"
    ) -> httpx.Response:
        signed = {}
        if conditions is not None:
            signed = sign_policy(
                conditions, Credentials("ak", "sk"), now=clock(), region="cn-hangzhou", version=version
            )
        request = post_object("bucket", {**signed, **fields}, body, filename="x.txt")
        return anybody.post("/bucket/", content=bytes(request.body or b""), headers=dict(request.headers))

    return send


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_a_form_with_a_signed_policy_is_stored(post: Post, turned: httpx.Client, version: str) -> None:
    answer = post(
        {"key": "up/${filename}", "x-oss-meta-a": "b", "content-type": "text/x-thing"},
        conditions=[["starts-with", "$key", "up/"], ["content-length-range", 1, 10]],
        version=version,
    )

    assert answer.status_code == 204
    got = turned.get("/bucket/up/x.txt")
    assert (got.content, got.headers["content-type"], got.headers["x-oss-meta-a"]) == (b"file", "text/x-thing", "b")
    assert got.headers["etag"] == answer.headers["etag"]


def test_a_form_says_how_it_wants_to_be_answered(post: Post) -> None:
    made = post({"key": "k", "success_action_status": "201"}, conditions=[])
    assert made.status_code == 201
    assert "<Key>k</Key>" in made.text
    assert post({"key": "k", "success_action_status": "200"}, conditions=[]).status_code == 200
    sent = post({"key": "k", "success_action_redirect": "http://page.example/done"}, conditions=[])
    assert (sent.status_code, sent.headers["location"]) == (303, "http://page.example/done")


def test_forms_that_are_refused(
    post: Post, anybody: httpx.Client, turned: httpx.Client, refused: Refused, clock: Clock
) -> None:
    assert refused(post({"key": "k"})) == (403, "AccessDenied")
    assert refused(post({"key": "other"}, conditions=[["eq", "$key", "k"]])) == (403, "AccessDenied")
    assert refused(post({"key": "k"}, b"long", conditions=[["content-length-range", 0, 3]])) == (400, "EntityTooLarge")
    assert refused(post({"key": "k"}, b"", conditions=[["content-length-range", 1, 3]])) == (400, "EntityTooSmall")
    assert refused(post({"key": "k"}, conditions=[["what", "$key", "k"]])) == (400, "InvalidPolicyDocument")
    assert refused(post({"key": "k", "policy": "x"}, conditions=[]))[0] == 403
    assert refused(post({}, conditions=[])) == (400, "InvalidArgument")
    assert refused(post({"key": "/k"}, conditions=[])) == (400, "InvalidObjectName")
    for name, value in (
        ("x-oss-object-acl", "all"),
        ("x-oss-meta-a", "b\r\nc: d"),
        ("x-oss-meta-é", "b"),
        ("expires", "\0"),
    ):
        assert refused(post({"key": "k", name: value}, conditions=[])) == (400, "InvalidArgument")
    assert post({"key": "own", "description": "of\nthe page"}, conditions=[]).status_code == 204
    assert refused(anybody.post("/bucket/", content=b"x")) == (400, "RequestIsNotMultiPartContent")
    form = {"content-type": "multipart/form-data; boundary=b"}
    assert refused(anybody.post("/bucket/", content=b"x", headers=form)) == (400, "MalformedPOSTRequest")
    assert refused(anybody.post("/nowhere/", content=b"x", headers=form)) == (404, "NoSuchBucket")
    old = clock.now
    clock.turn(hours=-2)
    signed = sign_policy([], Credentials("ak", "sk"), now=clock(), region="cn-hangzhou")
    clock.now = old
    assert refused(post({"key": "k", **signed})) == (403, "AccessDenied")
    turned.put("/bucket/k", content=b"old")
    never = {"key": "k", "x-oss-forbid-overwrite": "true"}
    assert refused(post(never, conditions=[])) == (409, "FileAlreadyExists")
    assert turned.get("/bucket/k").content == b"old"


def test_a_file_of_any_size_goes_from_the_form_to_the_disk(
    post: Post, turned: httpx.Client, turned_server: ThreadedServer, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 8192
    answer = post({"key": "\x01", "success_action_status": "201"}, data, conditions=[])
    assert answer.status_code == 201
    assert turned.get("/bucket/%01").content == data
    assert post({"key": ""}, data, conditions=[]).status_code == 400
    assert not list((tmp_path / "turned" / "tmp").iterdir())


def test_anybody_posts_into_a_public_bucket(post: Post, turned: httpx.Client) -> None:
    turned.put("/bucket/?acl", headers={"x-oss-acl": "public-read-write"})
    assert post({"key": "k"}).status_code == 204
    assert turned.get("/bucket/k").content == b"file"


# Callbacks


def encoded(said: object) -> str:
    """Write what the headers of callbacks hold."""
    return b64encode(json.dumps(said).encode()).decode()


def test_an_application_is_told_and_its_answer_handed_on(oss2_bucket: oss2.Bucket, application: Application) -> None:
    body = "bucket=${bucket}&object=${object}&size=${size}&etag=${etag}&type=${mimeType}&who=${x:who}&no=${nothing}"
    headers = {
        "x-oss-callback": encoded({"callbackUrl": application.url, "callbackBody": body}),
        "x-oss-callback-var": encoded({"x:who": "me & you"}),
        "content-type": "text/plain",
    }
    result = oss2_bucket.put_object("dir/a b", b"12345", headers=headers)

    assert json.loads(result.resp.read()) == {"ok": True}
    ((path, kind, told),) = application.told
    assert (path, kind) == ("/stored", "application/x-www-form-urlencoded")
    said = parse_qs(told.decode(), keep_blank_values=True)
    assert {name: values[0] for name, values in said.items()} == {
        "bucket": "bucket",
        "object": "dir/a b",
        "size": "5",
        "etag": result.etag,
        "type": "text/plain",
        "who": "me & you",
        "no": "",
    }


def test_uploads_in_parts_and_forms_call_back_too(
    oss2_bucket: oss2.Bucket, application: Application, post: Post, turned_server: ThreadedServer
) -> None:
    said = encoded(
        {
            "callbackUrl": f"http://127.0.0.1:1/;{application.url}",
            "callbackBody": '{"key": ${object}}',
            "callbackBodyType": "application/json",
        }
    )
    upload = oss2_bucket.init_multipart_upload("m").upload_id
    part = oss2_bucket.upload_part("m", upload, 1, b"part")
    parts = [oss2.models.PartInfo(1, part.etag)]
    oss2_bucket.complete_multipart_upload("m", upload, parts, headers={"x-oss-callback": said})
    answer = post({"key": "f", "callback": said, "x:a": "b"}, conditions=[])

    assert answer.json() == {"ok": True}
    assert [json.loads(told[2]) for told in application.told] == [{"key": "m"}, {"key": "f"}]
    assert turned_server.count("PostObject") == 1


@pytest.mark.parametrize(
    ("status", "answer", "ec", "message"),
    [
        (502, b"{}", "0007-00000203", "Error status : 502."),
        (302, b"{}", "0007-00000203", "Error status : 302."),
        (200, b"no json", "0007-00000205", "Response body is not valid json format."),
        (200, b'"' + b"x" * (4 << 20) + b'"', "0007-00000203", "too long content-length"),
    ],
)
def test_a_callback_that_fails_leaves_the_object(
    turned: httpx.Client, application: Application, status: int, answer: bytes, ec: str, message: str
) -> None:
    application.status, application.answer = status, answer
    said = encoded({"callbackUrl": application.url, "callbackBody": "x"})

    failed = turned.put("/bucket/a", content=b"stored", headers={"x-oss-callback": said})

    assert failed.status_code == 203
    assert "<Code>CallbackFailed</Code>" in failed.text
    assert failed.headers["x-oss-ec"] == ec
    assert message in failed.text
    assert turned.get("/bucket/a").content == b"stored"


def test_an_application_that_is_not_there_leaves_the_object(turned: httpx.Client, application: Application) -> None:
    gone = "http://127.0.0.1:1/é"
    for url, status in ((gone, 203), (f"{gone};{application.url}", 200)):
        said = encoded({"callbackUrl": url, "callbackBody": "x"})
        answer = turned.put("/bucket/a", content=b"stored", headers={"x-oss-callback": said})
        assert answer.status_code == status
        assert ("can not connect to your callbackUrl" in answer.text) is (status == 203)
    assert turned.get("/bucket/a").content == b"stored"


@pytest.mark.parametrize(
    "said",
    [
        "no base64!",
        b64encode(b"no json").decode(),
        encoded({"callbackBody": "x"}),
        encoded({"callbackUrl": "http://127.0.0.1/"}),
        encoded({"callbackUrl": "http://oss.example/", "callbackBody": "x"}),
        encoded({"callbackUrl": "http://10.0.0.1/", "callbackBody": "x"}),
        encoded({"callbackUrl": "https://127.0.0.1/", "callbackBody": "x"}),
        encoded({"callbackUrl": "http://[::1/", "callbackBody": "x"}),
    ],
)
def test_callbacks_that_are_refused_store_nothing(turned: httpx.Client, refused: Refused, said: str) -> None:
    answer = turned.put("/bucket/a", content=b"x", headers={"x-oss-callback": said})

    assert refused(answer) == (400, "InvalidArgument")
    assert turned.get("/bucket/a").status_code == 404


def test_appending_does_not_call_back(turned: httpx.Client, refused: Refused) -> None:
    said = encoded({"callbackUrl": "http://127.0.0.1/", "callbackBody": "x"})
    answer = turned.post("/bucket/a?append&position=0", content=b"x", headers={"x-oss-callback": said})
    assert refused(answer) == (400, "NotImplemented")
