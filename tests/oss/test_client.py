"""The one way out: what is sent, what is tried again, and what is counted, on a transport that answers at once."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import trio

from ossmount.oss import Anonymous, Client, ClientOptions, Credentials, Endpoint, RetryPolicy, StaticCredentials
from ossmount.wire import errors, objects
from ossmount.wire.dates import http_date
from ossmount.wire.errors import (
    BrokenResponse,
    ConnectFailed,
    CredentialsError,
    IntegrityError,
    NoSuchKey,
    OSSError,
    Redirected,
    ServiceError,
    TimedOut,
)
from ossmount.wire.message import Request
from ossmount.wire.refusals import write_error
from ossmount.wire.verifying import verify

NOW = 1_700_000_000.0
ENDPOINT = Endpoint.parse("oss-cn-hangzhou.aliyuncs.com")
Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def refusal(error: ServiceError) -> httpx.Response:
    response = write_error(error)
    return httpx.Response(response.status, headers=response.headers, content=bytes(response.body))


def ok(body: bytes = b"", **headers: str) -> httpx.Response:
    return httpx.Response(200, headers={name.replace("_", "-"): value for name, value in headers.items()}, content=body)


class Service:
    """Answers in the order of its script, then with 200."""

    def __init__(self, *script: Answer) -> None:
        self.script = list(script)
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        answer = self.script.pop(0) if self.script else ok()
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)


def client_of(service: Service, **options: Any) -> Client:
    return Client(
        ENDPOINT,
        StaticCredentials("ak", "sk"),
        options=ClientOptions(**options),
        transport=httpx.MockTransport(service),
        clock=lambda: NOW,
        jitter=lambda: 1.0,
    )


def request(method: str = "GET", *, idempotent: bool = True) -> Request:
    body = b"body" if method in ("PUT", "POST") else None
    return Request(method, "bucket", "a/../ü", {"acl": None}, body=body, idempotent=idempotent, operation="Test")


async def test_a_request_is_sent_verbatim_and_signed() -> None:
    service = Service()
    await client_of(service).send(request("PUT"))

    (sent,) = service.requests
    assert sent.extensions["target"] == b"/a/../%C3%BC?acl"
    assert sent.headers["host"] == "bucket.oss-cn-hangzhou.aliyuncs.com"
    assert sent.headers["accept-encoding"] == "identity"
    assert (sent.headers["content-length"], sent.content) == ("4", b"body")
    received = request("PUT")
    received.headers.update(dict(sent.headers))
    assert verify(received, lambda _: Credentials("ak", "sk"), now=NOW, region="cn-hangzhou")


async def test_signature_version_1_is_an_option() -> None:
    service = Service()
    await client_of(service, signature="v1").send(request())
    assert service.requests[0].headers["authorization"].startswith("OSS ak:")


async def test_version_4_needs_a_region() -> None:
    endpoint = Endpoint.parse("https://oss.example.com")
    with pytest.raises(ValueError, match="give a region"):
        Client(endpoint, Anonymous())
    Client(endpoint, Anonymous(), options=ClientOptions(signature="v1"))


async def test_anonymous_requests_are_not_signed() -> None:
    service = Service()
    client = Client(ENDPOINT, Anonymous(), transport=httpx.MockTransport(service))
    await client.send(request())
    assert "authorization" not in service.requests[0].headers
    assert await client.presign(Request("GET", "bucket", "k")) == "https://bucket.oss-cn-hangzhou.aliyuncs.com/k"


async def test_a_post_without_a_body_says_so() -> None:
    service = Service()
    await client_of(service).send(Request("POST", "bucket", "k"))
    assert service.requests[0].headers["content-length"] == "0"


TRANSIENT: list[Answer] = [
    refusal(errors.InternalError()),
    refusal(errors.ServiceUnavailable()),
    refusal(errors.RequestTimeout()),
    refusal(errors.InvalidCRC64()),
    httpx.Response(502, content=b"<html>bad gateway</html>"),
    httpx.Response(429),
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
    httpx.RemoteProtocolError("cut"),
]


@pytest.mark.parametrize("answer", TRANSIENT)
async def test_what_may_pass_is_tried_again(answer: Answer, autojump_clock: Any) -> None:
    service = Service(answer, answer, ok(b"done"))
    client = client_of(service)
    assert (await client.send(request())).body == b"done"
    assert client.statistics().retries == 2
    # 0.2 s doubled each time.
    assert trio.current_time() == pytest.approx(0.4 + 0.8)


FINAL: list[Answer] = [refusal(error()) for error in (errors.NoSuchKey, errors.AccessDenied, errors.PreconditionFailed)]


@pytest.mark.parametrize("answer", FINAL)
async def test_what_will_not_pass_is_not_tried_again(answer: Answer) -> None:
    service = Service(answer)
    with pytest.raises(ServiceError):
        await client_of(service).send(request())
    assert len(service.requests) == 1


UNSENT: list[tuple[Answer, bool]] = [
    (refusal(errors.ServiceUnavailable()), True),
    (refusal(errors.RequestTimeout()), True),
    (httpx.ConnectError("refused"), True),
    (refusal(errors.InternalError()), False),
    (httpx.Response(503, content=b"<html>proxy</html>"), False),
    (httpx.Response(502), False),
    (httpx.ReadTimeout("slow"), False),
    (httpx.RemoteProtocolError("cut"), False),
]


@pytest.mark.parametrize(("answer", "again"), UNSENT)
async def test_what_must_not_be_done_twice_is_tried_again_only_if_it_was_not_done(
    answer: Answer, again: bool, autojump_clock: Any
) -> None:
    service = Service(answer)
    client = client_of(service)
    if again:
        await client.send(request("POST", idempotent=False))
    else:
        with pytest.raises(OSSError):
            await client.send(request("POST", idempotent=False))
    assert len(service.requests) == 1 + again


async def test_at_last_the_error_is_raised(autojump_clock: Any) -> None:
    service = Service(*[refusal(errors.InternalError(request_id=f"R{n}")) for n in range(9)])
    with pytest.raises(errors.InternalError, match="R2"):
        await client_of(service, retry=RetryPolicy(attempts=3)).send(request())
    assert len(service.requests) == 3


async def test_the_service_says_how_long_to_wait(autojump_clock: Any) -> None:
    busy = errors.TotalQpsLimitExceeded(headers={"x-oss-qos-delay-time": "5000"})
    service = Service(refusal(busy), httpx.Response(503, headers={"retry-after": "7"}))
    await client_of(service).send(request())
    assert trio.current_time() == pytest.approx(12.0)


async def test_every_attempt_is_signed_anew(autojump_clock: Any) -> None:
    service = Service(refusal(errors.InternalError()))
    moments = iter([NOW, NOW + 10, NOW + 20, NOW + 30])
    client = Client(
        ENDPOINT, StaticCredentials("ak", "sk"), transport=httpx.MockTransport(service), clock=lambda: next(moments)
    )
    await client.send(request())
    first, second = (sent.headers["x-oss-date"] for sent in service.requests)
    assert first < second


async def test_a_skewed_clock_is_set_by_the_service_and_stays_set() -> None:
    skewed = errors.RequestTimeTooSkewed(headers={"date": http_date(NOW + 7200)})
    service = Service(refusal(skewed))
    client = client_of(service)
    await client.send(request())
    await client.send(request())
    assert client.now() == NOW + 7200
    dates = [sent.headers["x-oss-date"] for sent in service.requests]
    assert dates == ["20231114T221320Z", "20231115T001320Z", "20231115T001320Z"]


async def test_a_skew_that_cannot_be_set_right_is_raised(autojump_clock: Any) -> None:
    for headers in ({}, {"date": "now"}, {"date": http_date(NOW)}):
        service = Service(*[refusal(errors.RequestTimeTooSkewed(headers=headers))] * 9)
        with pytest.raises(errors.RequestTimeTooSkewed):
            await client_of(service).send(request())
        assert len(service.requests) == 5


class Rotating:
    """Credentials that a program renews."""

    def __init__(self, *pairs: str | None) -> None:
        self._pairs = list(pairs)

    async def get(self, *, refresh: bool = False) -> Credentials | None:
        if refresh:
            self._pairs.pop(0)
        if self._pairs[0] is None:
            raise CredentialsError("gone")
        return Credentials(self._pairs[0], "sk")


async def test_refused_credentials_are_looked_for_again_once() -> None:
    expired = refusal(errors.SecurityTokenExpired())
    service = Service(expired)
    client = Client(ENDPOINT, Rotating("old", "new"), transport=httpx.MockTransport(service))
    await client.send(request())
    assert "Credential=new/" in service.requests[1].headers["authorization"]

    for pairs in (("old", "old"), ("old", None), ("old", "new", "newer")):
        service = Service(expired, expired, expired)
        client = Client(ENDPOINT, Rotating(*pairs), transport=httpx.MockTransport(service))
        with pytest.raises(errors.SecurityTokenExpired):
            await client.send(request())
        assert len(service.requests) == (2 if pairs[1] == "new" else 1)


async def test_without_credentials_nothing_is_sent() -> None:
    service = Service()
    client = Client(ENDPOINT, Rotating(None), transport=httpx.MockTransport(service))
    with pytest.raises(CredentialsError, match="gone"):
        await client.send(request())
    assert not service.requests


@pytest.mark.parametrize("key", [("ak\n", "sk"), ("ak", "s\ud800"), ("ak", "sk", "tök")])
async def test_credentials_that_cannot_be_right_are_not_sent(key: tuple[str, ...]) -> None:
    service = Service()
    client = Client(ENDPOINT, StaticCredentials(*key), transport=httpx.MockTransport(service))
    with pytest.raises(CredentialsError, match="printable ASCII"):
        await client.send(request())
    assert not service.requests


async def test_all_attempts_together_have_a_deadline(autojump_clock: Any) -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    client = Client(ENDPOINT, Anonymous(), options=ClientOptions(deadline=100.0), transport=httpx.MockTransport(hang))
    with pytest.raises(TimedOut, match="longer than 100 s"):
        await client.send(request())
    assert trio.current_time() == pytest.approx(100.0)
    # A body gets the time that a slow link needs for it.
    big = Request("PUT", "bucket", "k", body=bytes(100 * 64 * 1024))
    with pytest.raises(TimedOut, match="longer than 200 s"):
        await client.send(big)
    assert client.statistics().in_flight == 0


async def test_waiting_for_a_place_does_not_count(autojump_clock: Any) -> None:
    async def slow(_: httpx.Request) -> httpx.Response:
        await trio.sleep(60)
        return ok()

    options = ClientOptions(deadline=100.0, concurrency=1)
    client = Client(ENDPOINT, Anonymous(), options=options, transport=httpx.MockTransport(slow))
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(client.send, request())
    assert trio.current_time() == pytest.approx(300.0)


async def test_the_deadline_tells_the_last_error_there_was(autojump_clock: Any) -> None:
    busy = refusal(errors.TotalQpsLimitExceeded(headers={"x-oss-qos-delay-time": "15000"}))
    with pytest.raises(errors.TotalQpsLimitExceeded):
        await client_of(Service(*[busy] * 9), deadline=20.0).send(request())


async def test_an_answer_that_cannot_be_read_is_a_broken_one(autojump_clock: Any) -> None:
    service = Service(ok(b"<html>captive portal</html>"), ok(b"<CopyObjectResult/>"), ok(b"not even that"))
    client = client_of(service, retry=RetryPolicy(attempts=3))
    with pytest.raises(BrokenResponse, match="not the answer expected"):
        await client.call(objects.copy_object("bucket", "k", "bucket", "s"), objects.parse_copy_object)
    assert len(service.requests) == 3


async def test_a_redirect_is_not_followed() -> None:
    service = Service(httpx.Response(302, headers={"location": "http://evil/"}))
    with pytest.raises(Redirected, match="redirects to http://evil/"):
        await client_of(service).send(request())
    assert len(service.requests) == 1


async def test_a_redirect_that_the_service_explains_is_an_error_of_the_service() -> None:
    error = ServiceError("use the endpoint of the region", code="AccessDenied", status=307)
    with pytest.raises(errors.AccessDenied, match="use the endpoint"):
        await client_of(Service(refusal(error))).send(request())


async def test_a_failed_callback_is_an_error() -> None:
    error = ServiceError(code="CallbackFailed", status=203)
    with pytest.raises(ServiceError, match="CallbackFailed"):
        await client_of(Service(refusal(error))).send(request())


async def test_the_page_of_a_proxy_is_quoted(autojump_clock: Any) -> None:
    service = Service(httpx.Response(407, content=b"<html>authenticate</html>"))
    with pytest.raises(ServiceError, match="authenticate") as caught:
        await client_of(service).send(request())
    assert caught.value.host_id == ENDPOINT.host


async def test_errors_of_another_transport_are_ours(autojump_clock: Any) -> None:
    for raised, expected in (
        (httpx.ConnectTimeout("x"), ConnectFailed),
        (httpx.WriteTimeout("x"), TimedOut),
        (httpx.ReadError("x"), BrokenResponse),
    ):
        with pytest.raises(expected):
            await client_of(Service(*[raised] * 5)).send(request())


async def test_only_so_many_requests_are_under_way_at_once(autojump_clock: Any) -> None:
    now = most = 0

    async def handle(_: httpx.Request) -> httpx.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await trio.sleep(1)
        now -= 1
        return ok()

    client = Client(ENDPOINT, Anonymous(), options=ClientOptions(concurrency=3), transport=httpx.MockTransport(handle))
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(client.send, request())
        await trio.testing.wait_all_tasks_blocked()
        assert (client.statistics().in_flight, client.statistics().waiting) == (3, 7)
    assert most == 3
    assert client.statistics().in_flight == 0


async def test_everything_is_counted(autojump_clock: Any) -> None:
    service = Service(refusal(errors.InternalError()), ok(b"12345"), refusal(NoSuchKey()))
    client = client_of(service)
    await client.send(request("PUT"))
    with pytest.raises(NoSuchKey):
        await client.send(request())
    statistics = client.statistics()
    assert statistics.requests == {"Test": 3}
    assert statistics.errors == {"InternalError": 1, "NoSuchKey": 1}
    assert (statistics.retries, statistics.bytes_sent, statistics.integrity_failures) == (1, 4, 0)
    assert statistics.bytes_received > 5
    assert "0 in flight" in repr(client)


async def test_damaged_bytes_are_counted_and_fetched_again(autojump_clock: Any) -> None:
    good = {"etag": '"E"', "x_oss_hash_crc64ecma": "5981764153023615706"}
    service = Service(ok(b"hello w0rld", **good), ok(b"hello world", **good))
    client = client_of(service)
    _, body = await client.bucket("bucket").get_object("k")
    assert body == b"hello world"
    assert client.statistics().integrity_failures == 1


async def test_a_damaged_upload_is_sent_again(autojump_clock: Any) -> None:
    wrong, right = ok(x_oss_hash_crc64ecma="1"), ok(x_oss_hash_crc64ecma="5981764153023615706")
    service = Service(refusal(errors.InvalidCRC64()), wrong, right)
    client = client_of(service)
    result = await client.bucket("bucket").put_object("k", b"hello world")
    assert result.crc64 == 5981764153023615706
    assert client.statistics().integrity_failures == 2
    assert {sent.headers["x-oss-hash-crc64ecma"] for sent in service.requests} == {"5981764153023615706"}


async def test_a_range_answered_with_everything_is_refused(autojump_clock: Any) -> None:
    service = Service(*[ok(b"everything", etag="E")] * 5)
    with pytest.raises(BrokenResponse, match="no range"):
        await client_of(service).bucket("bucket").get_object("k", start=0, stop=5)


async def test_a_range_with_a_body_of_another_length_is_refused(autojump_clock: Any) -> None:
    short = httpx.Response(206, headers={"content-range": "bytes 0-4/10"}, content=b"four")
    service = Service(*[short] * 5)
    with pytest.raises(BrokenResponse, match="a body of 4 bytes"):
        await client_of(service).bucket("bucket").get_object("k", start=0, stop=5)


async def test_the_crc_of_a_symlink_is_not_believed() -> None:
    service = Service(ok(b"target", x_oss_object_type="Symlink", x_oss_hash_crc64ecma="1"))
    assert (await client_of(service).bucket("bucket").get_object("k"))[1] == b"target"


async def test_a_stream_that_can_be_read_again_is_sent_again(autojump_clock: Any) -> None:
    class Again:
        def __aiter__(self) -> AsyncIterator[bytes]:
            return self._pieces()

        async def _pieces(self) -> AsyncIterator[bytes]:
            yield b"hello "
            yield b"world"

    service = Service(refusal(errors.InternalError()), ok(x_oss_hash_crc64ecma="5981764153023615706"))
    await client_of(service).bucket("bucket").put_object("k", Again(), size=11)
    assert [sent.content for sent in service.requests] == [b"hello world"] * 2
    assert service.requests[1].headers["content-length"] == "11"


async def test_a_stream_that_can_be_read_once_is_sent_once() -> None:
    async def once() -> AsyncIterator[bytes]:
        yield b"hello"

    service = Service(refusal(errors.InternalError()))
    with pytest.raises(errors.InternalError):
        await client_of(service).bucket("bucket").put_object("k", once())
    (sent,) = service.requests
    assert sent.headers["transfer-encoding"] == "chunked"


async def test_a_stream_is_compared_with_what_arrived() -> None:
    async def once() -> AsyncIterator[bytes]:
        yield b"hello"

    with pytest.raises(IntegrityError, match="CRC-64 1 there"):
        await client_of(Service(ok(x_oss_hash_crc64ecma="1"))).bucket("bucket").put_object("k", once())


@pytest.mark.parametrize("size", [4, 6])
async def test_a_stream_of_another_length_than_said_is_an_error_of_the_caller(size: int) -> None:
    async def once() -> AsyncIterator[bytes]:
        yield b"hello"

    with pytest.raises(ValueError, match="said to be"):
        await client_of(Service()).bucket("bucket").put_object("k", once(), size=size)


async def test_retries_are_told_ever_louder(caplog: pytest.LogCaptureFixture, autojump_clock: Any) -> None:
    failures = [refusal(errors.InternalError(request_id=f"R{n}")) for n in range(2)]
    with caplog.at_level(logging.INFO, "ossmount.oss"):
        await client_of(Service(*failures)).send(request())
    levels = [(record.levelno, "R0" in record.message or "R1" in record.message) for record in caplog.records]
    assert levels == [(logging.INFO, True), (logging.WARNING, True)]
    assert "attempt 1 failed" in caplog.records[0].message
    assert "sk" not in caplog.text.replace("task", "")


async def test_a_name_no_bucket_can_have_is_refused() -> None:
    client = client_of(Service())
    for name in ("", "a", "A", "a/b", "evil.com#", "-ab", "a_b", "x" * 64):
        with pytest.raises(ValueError, match="bucket name"):
            client.bucket(name)
    assert repr(client.bucket("abc")) == "<Bucket 'abc' at https://oss-cn-hangzhou.aliyuncs.com>"
