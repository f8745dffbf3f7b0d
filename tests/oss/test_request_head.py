"""The head of a request: nothing gets into it that could be taken for another header, or for another request."""

from __future__ import annotations

import pytest

from ossmount.oss.transport import write_head
from ossmount.wire.message import Headers


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\rb", "a\0b"])
def test_line_breaks_in_headers_are_refused(value: str) -> None:
    for headers in (Headers({"x": value}), Headers({value: "x"})):
        with pytest.raises(ValueError, match="line break"):
            write_head("GET", "/", headers)
    with pytest.raises(ValueError, match="line break"):
        write_head("GET", f"/{value}", Headers())


def test_characters_that_are_no_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="latin-1"):
        write_head("GET", "/", Headers({"x": "中"}))
    with pytest.raises(ValueError, match=r".+"):
        write_head("GET", "/a b", Headers())
