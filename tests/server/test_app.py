"""What the SDKs do not do, or hide: the protocol by hand, on a bucket that anybody may use."""

from __future__ import annotations

import socket
from base64 import b64decode, b64encode
from hashlib import md5
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import httpx
import oss2
import pytest

from ossmount.server.app import AppOptions, create_app
from ossmount.server.faults import Fault, deny, throttle
from ossmount.server.store import Store
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.checksums import crc64

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping
    from pathlib import Path


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, wherever it is told."""
    body = response.content or b64decode(response.headers["x-oss-err"])
    return response.status_code, ElementTree.fromstring(body).findtext("Code") or ""


def raw(server: ThreadedServer, request: bytes) -> bytes:
    """Send *request* as it is and return everything that comes back until the server closes."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=120) as sock:
        sock.sendall(request)
        answer = b""
        while data := sock.recv(65536):
            answer += data
        return answer


# Addressing and headers


def test_the_host_may_name_the_bucket(http: httpx.Client, public: str) -> None:
    http.put(f"{public}/dir/a", content=b"x")

    for host in (
        "bucket.localhost:9000",
        "bucket.oss-cn-hangzhou.aliyuncs.com",
        "bucket.oss-cn-hangzhou-internal.aliyuncs.com",
    ):
        assert http.get("/dir/a", headers={"host": host}).content == b"x"
    for host in ("localhost", "10.0.0.1:80", "[::1]:80", "some.thing"):
        assert http.get(f"{public}/dir/a", headers={"host": host}).content == b"x"
    refusal = http.get("/dir/a", headers={"host": "under_score.oss-cn-hangzhou.aliyuncs.com"})
    assert "<Code>InvalidBucketName</Code>" in refusal.text


def test_a_plus_in_a_path_is_a_space_and_an_encoded_slash_a_slash(http: httpx.Client, public: str) -> None:
    http.put(f"{public}/a+b", content=b"space")
    http.put(f"{public}/a%2Bb", content=b"plus")
    http.put(f"{public}/c%2Fd", content=b"slash")

    assert http.get(f"{public}/a%20b").content == b"space"
    assert http.get(f"{public}/a%2Bb").content == b"plus"
    assert http.get(f"{public}/c/d").content == b"slash"


def test_answers_carry_what_every_answer_carries(http: httpx.Client, public: str) -> None:
    answer = http.put(f"{public}/a", content=b"x")

    assert answer.headers["server"] == "AliyunOSS"
    assert len(answer.headers["x-oss-request-id"]) == 24
    assert answer.headers["date"].endswith("GMT")
    assert answer.headers["x-oss-server-time"].isdigit()


def test_a_refusal_says_what_why_and_where(http: httpx.Client, public: str) -> None:
    answer = http.get(f"{public}/missing")

    error = {child.tag: child.text for child in ElementTree.fromstring(answer.content)}
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/xml"
    assert (error["Code"], error["Key"], error["EC"]) == ("NoSuchKey", "missing", "0026-00000001")
    assert error["RequestId"] == answer.headers["x-oss-request-id"]
    assert error["HostId"] == answer.request.headers["host"]


def test_a_refusal_of_head_is_in_a_header(http: httpx.Client, public: str) -> None:
    answer = http.head(f"{public}/missing")

    assert answer.content == b""
    assert error_of(answer) == (404, "NoSuchKey")
    assert answer.headers["x-oss-ec"] == "0026-00000001"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/UPPER/a", "InvalidBucketName"),
        ("GET", "/ab/a", "InvalidBucketName"),
        ("GET", "/-abc/a", "InvalidBucketName"),
        ("GET", "/" + "b" * 64 + "/a", "InvalidBucketName"),
        ("GET", "/nowhere/a", "NoSuchBucket"),
        ("GET", "/bucket//a", "InvalidObjectName"),
        ("GET", "/bucket/%5Ca", "InvalidObjectName"),
        ("GET", "/bucket/" + "k" * 1024, "InvalidObjectName"),
        ("GET", "/bucket/%ff", "InvalidObjectName"),
        ("PATCH", "/bucket/a", "MethodNotAllowed"),
        ("GET", "/bucket/?policy", "NotImplemented"),
        ("GET", "/bucket/?max-keys=0", "InvalidArgument"),
        ("GET", "/bucket/?max-keys=1001", "InvalidArgument"),
        ("GET", "/bucket/?max-keys=x", "InvalidArgument"),
        ("GET", "/bucket/?encoding-type=rot13", "InvalidArgument"),
        ("GET", "/bucket/?prefix=" + "p" * 1024, "InvalidArgument"),
        ("GET", "/bucket/?prefix=%ff", "InvalidArgument"),
        ("GET", "/bucket/?list-type=2&continuation-token=nonsense", "InvalidArgument"),
        ("GET", "/bucket/a?versionId=x", "InvalidArgument"),
        ("GET", "/bucket/a?x-oss-process=image/nothing", "InvalidArgument"),
        ("POST", "/bucket/a?append", "MissingArgument"),
        ("POST", "/bucket/a?append&position=x", "InvalidArgument"),
        ("POST", "/bucket/a?uploadId=none", "NoSuchUpload"),
        ("PUT", "/bucket/a?uploadId=none&partNumber=0", "InvalidArgument"),
        ("PUT", "/bucket/a?uploadId=none&partNumber=10001", "InvalidArgument"),
        ("PUT", "/bucket/a?uploadId=none", "InvalidArgument"),
        ("PUT", "/bucket/a?uploadId=none&partNumber=1", "NoSuchUpload"),
        ("PUT", "/bucket/a?symlink", "InvalidArgument"),
    ],
)
def test_what_oss_refuses_is_refused(http: httpx.Client, public: str, method: str, path: str, code: str) -> None:
    assert public == "/bucket"

    assert error_of(http.request(method, path))[1] == code


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-oss-storage-class": "Golden"}, "InvalidArgument"),
        ({"x-oss-object-acl": "everybody"}, "InvalidArgument"),
        ({"x-oss-tagging": "&".join(f"k{n}=v" for n in range(11))}, "InvalidTag"),
        ({"x-oss-tagging": "k" * 129 + "=v"}, "InvalidTag"),
        ({"x-oss-tagging": "k=" + "v" * 257}, "InvalidTag"),
        ({"x-oss-tagging": "k=1&k=2"}, "InvalidTag"),
        ({"x-oss-meta-big": "x" * 8192}, "InvalidArgument"),
        ({"if-match": '"x"'}, "NotImplemented"),
        ({"if-modified-since": "Fri, 13 Nov 2015 14:47:53 GMT"}, "NotImplemented"),
        ({"content-md5": "nonsense"}, "InvalidDigest"),
        ({"content-md5": b64encode(md5(b"other").digest()).decode()}, "InvalidDigest"),
        ({"x-oss-hash-crc64ecma": "1"}, "InvalidCRC64"),
        ({"x-oss-hash-crc64ecma": "x"}, "InvalidArgument"),
        ({"x-oss-copy-source": "bucket"}, "InvalidArgument"),
        ({"x-oss-copy-source": "/bucket/a", "x-oss-metadata-directive": "MAYBE"}, "AccessDenied"),
    ],
)
def test_a_put_that_oss_refuses_leaves_nothing(
    oss_server: ThreadedServer, http: httpx.Client, public: str, headers: dict[str, str], code: str
) -> None:
    if code == "InvalidArgument" and "x-oss-copy-source" in headers:
        code = "AccessDenied"  # of copies the rights are looked at first

    assert error_of(http.put(f"{public}/a", content=b"body", headers=headers))[1] == code

    bucket = oss_server.store.bucket("bucket")
    assert bucket is not None
    assert oss_server.store.find(bucket, "a") is None


def test_right_digests_are_accepted(http: httpx.Client, public: str) -> None:
    headers = {"content-md5": b64encode(md5(b"body").digest()).decode(), "x-oss-hash-crc64ecma": str(crc64(b"body"))}

    answer = http.put(f"{public}/a", content=b"body", headers=headers)

    assert answer.status_code == 200
    assert answer.headers["etag"] == f'"{md5(b"body").hexdigest().upper()}"'
    assert answer.headers["content-md5"] == headers["content-md5"]


def test_user_metadata_comes_back_byte_for_byte(oss_server: ThreadedServer, http: httpx.Client, public: str) -> None:
    del http
    value = "grün".encode()
    raw(
        oss_server,
        b"PUT /bucket/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\nX-OSS-Meta-B: "
        + value
        + b"\r\n\r\n",
    )

    answer = raw(oss_server, f"HEAD {public}/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())

    assert b"\r\nx-oss-meta-b: " + value + b"\r\n" in answer


def test_a_put_without_a_length_is_refused(oss_server: ThreadedServer, public: str) -> None:
    answer = raw(oss_server, f"PUT {public}/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 411")
    assert b"MissingContentLength" in answer


def test_a_put_that_announces_too_much_is_refused_before_it_is_sent(oss_server: ThreadedServer, public: str) -> None:
    head = f"PUT {public}/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {5 * 1024**3 + 1}\r\n"

    answer = raw(oss_server, head.encode() + b"Expect: 100-continue\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400")
    assert b"EntityTooLarge" in answer


def test_a_client_that_waits_is_told_to_continue(oss_server: ThreadedServer, public: str) -> None:
    host, _, port = oss_server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=120) as sock:
        head = f"PUT {public}/a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        sock.sendall(head.encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"body")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_ends_early_leaves_nothing(oss_server: ThreadedServer, http: httpx.Client, public: str) -> None:
    host, _, port = oss_server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=120) as sock:
        sock.sendall(
            f"PUT {public}/a HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n".encode() + bytes(1_000_000)
        )

    assert error_of(http.get(f"{public}/a")) == (404, "NoSuchKey")


def test_chunked_bodies_are_taken(http: httpx.Client, public: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one "
        yield b"two"

    assert http.put(f"{public}/a", content=pieces()).status_code == 200
    assert http.post(f"{public}/b?append&position=0", content=pieces()).status_code == 200

    assert http.get(f"{public}/a").content == b"one two"
    assert http.get(f"{public}/b").content == b"one two"


def test_response_headers_may_be_asked_for(oss2_bucket: oss2.Bucket) -> None:
    oss2_bucket.put_object("a", b"x", headers={"Content-Type": "a/b"})

    answer = oss2_bucket.get_object(
        "a", params={"response-content-type": "c/d", "response-content-disposition": "attachment; filename=ü"}
    )

    assert answer.headers["content-type"] == "c/d"
    with pytest.raises(oss2.exceptions.ServerError, match="InvalidArgument"):
        oss2_bucket.get_object("a", params={"response-content-type": "c/d\r\nx: y"})


def test_a_listing_without_encoding_breaks_on_control_characters_as_with_oss(http: httpx.Client, public: str) -> None:
    http.put(f"{public}/a%01b", content=b"")

    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(http.get(f"{public}/").content)
    listed = ElementTree.fromstring(http.get(f"{public}/?encoding-type=url").content)
    assert listed.findtext("Contents/Key") == "a%01b"


# Rights


def test_everybody_may_do_what_the_access_control_says(oss_server: ThreadedServer, http: httpx.Client) -> None:
    store = oss_server.store
    store.put_bucket("bucket", acl="public-read-write")
    http.put("/bucket/a", content=b"x")
    http.put("/bucket/hidden", content=b"x", headers={"x-oss-object-acl": "private"})
    http.put("/bucket/shown", content=b"x", headers={"x-oss-object-acl": "public-read"})

    def allowed(path: str, method: str = "GET") -> bool:
        return error_of(http.request(method, path))[0] != 403 if http.request(method, path).status_code >= 300 else True

    assert (allowed("/bucket/a"), allowed("/bucket/hidden"), allowed("/bucket/shown")) == (True, False, True)
    assert allowed("/bucket/")
    store.put_bucket("bucket", acl="public-read")
    assert (allowed("/bucket/a"), allowed("/bucket/hidden"), allowed("/bucket/")) == (True, False, True)
    assert not allowed("/bucket/new", "PUT")
    store.put_bucket("bucket", acl="private")
    assert (allowed("/bucket/a"), allowed("/bucket/shown"), allowed("/bucket/")) == (False, True, False)
    assert not allowed("/")
    assert not allowed("/bucket/?acl")
    assert error_of(http.get("/bucket/shown?response-content-type=a/b")) == (400, "InvalidRequest")


def test_a_clock_that_is_off_is_noticed(oss_server: ThreadedServer, oss2_bucket: oss2.Bucket) -> None:
    oss_server.faults.add(Fault(skew=1000, count=1))

    with pytest.raises(oss2.exceptions.ServerError, match="RequestTimeTooSkewed"):
        oss2_bucket.list_objects()
    oss2_bucket.list_objects()


def test_a_signature_for_another_region_is_refused(oss_server: ThreadedServer, oss2_session: oss2.Session) -> None:
    oss_server.store.put_bucket("bucket")
    auth = oss2.AuthV4("ak", "sk")
    bucket = oss2.Bucket(auth, oss_server.url, "bucket", region="cn-shanghai", session=oss2_session)

    with pytest.raises(oss2.exceptions.ServerError, match="Invalid signing region"):
        bucket.list_objects()


# Faults


def test_a_planned_error_is_answered_in_the_services_words(
    oss_server: ThreadedServer, http: httpx.Client, public: str
) -> None:
    http.put(f"{public}/a", content=b"x")
    oss_server.faults.add(throttle("GetObject", first=2))
    oss_server.faults.add(deny("secret/"))

    assert http.get(f"{public}/a").status_code == 200
    assert error_of(http.get(f"{public}/a")) == (503, "TotalQpsLimitExceeded")
    assert http.get(f"{public}/a").status_code == 200
    assert error_of(http.put(f"{public}/secret/a", content=b"x")) == (403, "AccessDenied")


def test_a_request_may_be_carried_out_and_fail_all_the_same(
    oss_server: ThreadedServer, http: httpx.Client, public: str
) -> None:
    oss_server.faults.add(Fault(operation="PutObject", status=500, done=True))
    oss_server.faults.add(Fault(operation="DeleteObject", reset=True, done=True))

    assert error_of(http.put(f"{public}/a", content=b"x")) == (500, "InternalError")
    assert http.get(f"{public}/a").content == b"x"
    with pytest.raises(httpx.TransportError):
        http.delete(f"{public}/a")
    assert error_of(http.get(f"{public}/a")) == (404, "NoSuchKey")


@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_an_answer_may_be_cut_off(oss_server: ThreadedServer, http: httpx.Client, public: str, size: int) -> None:
    http.put(f"{public}/a", content=bytes(size))
    oss_server.faults.add(Fault(operation="GetObject", cut=size - 1))

    with http.stream("GET", f"{public}/a") as answer:
        assert answer.headers["content-length"] == str(size)
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()

    assert answer.num_bytes_downloaded == size - 1
    assert http.get(f"{public}/a").content == bytes(size)


@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_a_byte_of_an_answer_may_be_wrong(
    oss_server: ThreadedServer, http: httpx.Client, public: str, size: int
) -> None:
    http.put(f"{public}/a", content=bytes(size))
    oss_server.faults.add(Fault(operation="GetObject", corrupt=size - 10))

    body = http.get(f"{public}/a").content

    assert [i for i, byte in enumerate(body) if byte] == [size - 10]
    assert len(body) == size


def test_a_byte_of_an_upload_may_be_wrong(oss_server: ThreadedServer, http: httpx.Client, public: str) -> None:
    oss_server.faults.add(Fault(operation="PutObject", corrupt_upload=3))

    answer = http.put(f"{public}/a", content=bytes(10))

    assert answer.headers["x-oss-hash-crc64ecma"] != str(crc64(bytes(10)))


def test_an_upload_may_be_cut_off(oss_server: ThreadedServer, http: httpx.Client, public: str) -> None:
    oss_server.faults.add(Fault(operation="PutObject", cut_upload=5))

    with pytest.raises(httpx.TransportError):
        http.put(f"{public}/a", content=bytes(10))

    assert error_of(http.get(f"{public}/a")) == (404, "NoSuchKey")


def test_a_connection_may_be_reset(oss_server: ThreadedServer, http: httpx.Client, public: str) -> None:
    oss_server.faults.add(Fault(operation="GetObject", reset=True))

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        http.get(f"{public}/a")


def test_a_server_stops_although_a_request_is_stuck(oss_server: ThreadedServer, public: str) -> None:
    oss_server.faults.add(Fault(operation="GetObject", delay=3600))
    host, _, port = oss_server.url.removeprefix("http://").partition(":")
    sock = socket.create_connection((host, int(port)), timeout=120)
    sock.sendall(f"GET {public}/a HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    while not oss_server.requests.in_flight["GetObject"]:
        pass

    oss_server.stop()

    with sock:
        assert not _rest_of(sock)


def _rest_of(sock: socket.socket) -> bytes:
    try:
        return sock.recv(100)
    except ConnectionResetError:
        return b""


# The log


def test_requests_are_logged(oss_server: ThreadedServer, http: httpx.Client, public: str) -> None:
    http.put(f"{public}/a", content=bytes(10))
    http.get(f"{public}/a")
    http.get(f"{public}/missing")
    http.patch(f"{public}/a")

    told = [(one.operation, one.key, one.status, one.received, one.sent) for one in oss_server.requests]
    assert told[:2] == [("PutObject", "a", 200, 10, 0), ("GetObject", "a", 200, 0, 10)]
    assert [one[:3] for one in told[2:]] == [("GetObject", "missing", 404), ("Unknown", "a", 405)]
    assert oss_server.count("GetObject") == 2
    assert oss_server.max_in_flight("GetObject") == 1
    assert all(one.start <= one.stop for one in oss_server.requests)
    oss_server.reset()
    assert oss_server.count() == 0


def test_an_answer_nobody_waits_for_is_not_read_to_the_end(
    oss_server: ThreadedServer, http: httpx.Client, public: str
) -> None:
    http.put(f"{public}/a", content=bytes(100_000_000))
    with http.stream("GET", f"{public}/a") as answer:
        next(answer.iter_raw(1))
    while oss_server.requests.in_flight["GetObject"]:
        pass

    last = list(oss_server.requests)[-1]
    assert (last.operation, last.status) == ("GetObject", 0)
    assert last.sent < 100_000_000


# Elsewhere


async def test_another_server_may_run_the_application(tmp_path: Path) -> None:
    store = Store(tmp_path, lasting=False)
    store.put_bucket("bucket", acl="public-read-write")
    app = create_app(store)
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"body", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"h"), (b"content-length", b"4")]
    scope = {"type": "http", "method": "PUT", "raw_path": b"/bucket/a", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    app.faults.add(Fault(operation="GetObject", reset=True))
    await app({**scope, "method": "GET"}, receive, send)
    with pytest.raises(RuntimeError):
        await app({"type": "websocket"}, receive, send)

    assert [message.get("status") for message in sent] == [200, None]
    store.close()


def test_a_mistake_of_ours_is_an_internal_error(
    oss_server: ThreadedServer,
    http: httpx.Client,
    public: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(oss_server.store, "find", broken)

    assert error_of(http.get(f"{public}/a")) == (500, "InternalError")
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("size", [10, 40_000, 1_500_000])
def test_a_slow_link_changes_no_byte(tmp_path: Path, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    with ThreadedServer(tmp_path, bandwidth=100_000_000, options=AppOptions(latency=0.001)) as server:
        server.store.put_bucket("bucket", acl="public-read-write")
        with httpx.Client(base_url=server.url, headers={"accept-encoding": "identity"}, timeout=120) as http:
            assert http.put("/bucket/a", content=body).status_code == 200
            assert http.get("/bucket/a").content == body
