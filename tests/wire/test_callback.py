"""Callbacks, asked for and carried out."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from ossmount.wire.callback import JSON, Callback, read_callback
from ossmount.wire.errors import InvalidArgument, OutOfLimits
from ossmount.wire.message import Headers, Request

CALLBACK = Callback(
    url="http://127.0.0.1/cb",
    host="example.com",
    body="bucket=${bucket}&object=${object}&user=${x:user}&unknown=${unknown}",
    variables={"x:user": "ü & co"},
)


def test_a_callback_travels_in_headers() -> None:
    request = Request("PUT", "b", "k", headers=Headers(CALLBACK.headers()))
    assert read_callback(request) == CALLBACK
    assert read_callback(Request("PUT", "b", "k")) is None


def test_a_callback_travels_in_a_url() -> None:
    headers = CALLBACK.headers()
    query: dict[str, str | None] = {
        "callback": headers["x-oss-callback"],
        "callback-var": headers["x-oss-callback-var"],
    }
    assert read_callback(Request("PUT", "b", "k", query)) == CALLBACK


def test_places_are_filled_as_the_body_type_wants() -> None:
    values = {"bucket": "b", "object": 'a"/&'}
    assert CALLBACK.expand(values) == "bucket=b&object=a%22%2F%26&user=%C3%BC%20%26%20co&unknown="
    body = Callback(url="http://x", body='{"o": ${object}, "u": ${x:u}}', body_type=JSON, variables={"x:u": "ü"})
    assert json.loads(body.expand(values)) == {"o": 'a"/&', "u": "ü"}


@pytest.mark.parametrize(
    ("callback", "limit"),
    [
        (Callback(url="", body="x"), "1 to 5"),
        (Callback(url="a;b;c;d;e;f", body="x"), "1 to 5"),
        (Callback(url="a", body=""), "at least 1"),
        (Callback(url="a", body="x", body_type="text/plain"), "application/json"),
        (Callback(url="a", body="x", variables={"user": "x"}), "x:"),
        (Callback(url="a", body="x" * 5000), "at most 5120"),
    ],
)
def test_limits_are_told(callback: Callback, limit: str) -> None:
    with pytest.raises(OutOfLimits, match=limit):
        callback.headers()


@pytest.mark.parametrize(
    "said", [b"%", b"[]", b"{}", b'{"callbackUrl": "a"}', b'{"callbackUrl": [], "callbackBody": "x"}']
)
def test_what_is_no_callback_is_refused(said: bytes) -> None:
    for text in (b64encode(said).decode(), "no base64"):
        with pytest.raises(InvalidArgument, match="json"):
            read_callback(Request("PUT", "b", "k", headers=Headers({"x-oss-callback": text})))
