"""Pages travel as gzip to whoever takes it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx

TEXT = b"".join(b"line %d\n" % number for number in range(300_000))


@pytest.mark.parametrize("size", [1024, 5000, len(TEXT)])
def test_text_is_compressed_and_its_length_not_told(signed: httpx.Client, size: int) -> None:
    signed.put("/bucket/k", content=TEXT[:size], headers={"content-type": "text/plain; charset=utf-8"})

    with signed.stream("GET", "/bucket/k", headers={"accept-encoding": "deflate, GZIP;q=0.5"}) as answer:
        assert gzip.decompress(b"".join(answer.iter_raw())) == TEXT[:size]
    head = signed.head("/bucket/k", headers={"accept-encoding": "gzip"})
    for each in (answer, head):
        assert (each.headers["content-encoding"], each.headers["vary"]) == ("gzip", "Accept-Encoding")
        assert not {"etag", "content-length", "accept-ranges"} & set(each.headers)
        assert each.headers["content-md5"]


@pytest.mark.parametrize(
    ("size", "kind", "headers"),
    [
        (1023, "text/plain", {}),
        (2000, "image/png", {}),
        (2000, "text/plain", {"accept-encoding": "identity"}),
        (2000, "text/plain", {"accept-encoding": "gzip;q=0, deflate"}),
        (2000, "text/plain", {"range": "bytes=0-1999"}),
    ],
)
def test_what_is_sent_as_it_is(signed: httpx.Client, size: int, kind: str, headers: dict[str, str]) -> None:
    signed.put("/bucket/k", content=TEXT[:size], headers={"content-type": kind})

    answer = signed.get("/bucket/k", headers={"accept-encoding": "gzip", **headers})
    assert answer.content == TEXT[:size]
    assert "content-encoding" not in answer.headers
    assert answer.headers["etag"]


def test_what_is_compressed_already_is_not_compressed_again(signed: httpx.Client) -> None:
    packed = gzip.compress(TEXT)
    signed.put("/bucket/k", content=packed, headers={"content-type": "text/css", "content-encoding": "gzip"})

    answer = signed.get("/bucket/k", headers={"accept-encoding": "gzip"})
    assert (answer.content, answer.headers["content-length"]) == (TEXT, str(len(packed)))
