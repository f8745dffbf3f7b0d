"""Errors on the wire: from the service's XML to a class and back."""

from __future__ import annotations

import pytest

from ossmount.wire import errors
from ossmount.wire.errors import NoSuchKey, OSSError, ServiceError
from ossmount.wire.message import Headers, Response
from ossmount.wire.refusals import parse_error, write_error

KNOWN = sorted(ServiceError.by_code)


@pytest.mark.parametrize("code", KNOWN)
def test_every_known_code_travels_to_its_class(code: str) -> None:
    kind = ServiceError.by_code[code]
    sent = kind(request_id="5C3D", host_id="b.oss", details={"Key": "a & b"})
    if sent.status == 304:
        return
    for head in (False, True):
        received = parse_error(write_error(sent, head=head))
        assert type(received) is kind
        assert (received.code, received.status, received.message) == (code, kind.status, kind.message)
        assert (received.request_id, received.host_id, received.ec) == ("5C3D", "b.oss", kind.ec)
        assert received.details == {"Key": "a & b"}


def test_the_answer_to_head_has_no_body() -> None:
    response = write_error(NoSuchKey(), head=True)
    assert response.body == b""
    assert response.headers["x-oss-err"]
    assert response.headers["x-oss-ec"] == "0026-00000001"


def test_nothing_comes_with_not_modified() -> None:
    assert write_error(errors.NotModified(headers={"etag": "x"})) == Response(304, Headers({"etag": "x"}))
    assert isinstance(parse_error(Response(304)), errors.NotModified)


def test_an_unknown_code_keeps_everything_it_says() -> None:
    body = b"<Error><Code>New</Code><Message>m</Message><RequestId>r</RequestId><EC>1-2</EC><Hint>h</Hint></Error>"
    error = parse_error(Response(418, body=body), host="h")
    assert type(error) is ServiceError
    assert (error.code, error.status, error.message, error.request_id) == ("New", 418, "m", "r")
    assert (error.host_id, error.ec, error.details) == ("h", "1-2", {"Hint": "h"})


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, NoSuchKey), (403, errors.AccessDenied), (412, errors.PreconditionFailed), (418, ServiceError)],
)
def test_without_a_body_the_status_tells(status: int, kind: type[OSSError]) -> None:
    assert type(parse_error(Response(status))) is kind


def test_the_page_of_a_proxy_is_quoted_and_is_nobodys_code() -> None:
    error = parse_error(Response(404, body=b"<html>\n<h1>Not   found</h1></html>"))
    assert type(error) is ServiceError
    assert str(error) == "HTTP (404): not an answer of OSS: <html> <h1>Not found</h1></html>"


def test_a_broken_x_oss_err_is_no_reason_to_fail() -> None:
    assert isinstance(parse_error(Response(404, Headers({"x-oss-err": "%%%"}))), NoSuchKey)


def test_details_that_xml_cannot_hold_are_escaped() -> None:
    assert parse_error(write_error(NoSuchKey(details={"Key": "a\x01b"}))).details == {"Key": "a\\x01b"}


def test_an_error_says_what_and_where_in_one_line() -> None:
    error = NoSuchKey(request_id="5C3D", details={"Key": "k"})
    assert str(error) == "NoSuchKey (404): The specified key does not exist. [Key: k] [request id 5C3D]"
    assert str(ServiceError(status=502)) == "HTTP (502): no message"


def test_what_may_pass_is_transient() -> None:
    assert not NoSuchKey().transient
    for error in (
        errors.InternalError(),
        errors.ServiceUnavailable(),
        errors.RequestTimeTooSkewed(),
        errors.InvalidCRC64(),
        ServiceError(status=502),
        ServiceError(status=429),
        errors.TimedOut("x"),
        errors.IntegrityError("x"),
    ):
        assert error.transient
    assert not errors.Redirected("x").transient
    assert not errors.CredentialsError("x").transient


def test_only_a_connection_that_failed_has_sent_nothing() -> None:
    assert not errors.ConnectFailed("x").sent
    assert errors.BrokenResponse("x").sent
