"""Files as bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ossmount.oss.sources import FileBody, content_type_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("a.html",), "text/html"),
        (("a/b.PNG",), "image/png"),
        (("key", "photo.jpg"), "image/jpeg"),
        (("a.tar.gz",), "application/gzip"),
        (("a.svg.xz",), "application/octet-stream"),
        (("none",), "application/octet-stream"),
        (("",), "application/octet-stream"),
        (("http://x/a.html",), "text/html"),
    ],
)
def test_names_tell_the_type(names: tuple[str, ...], kind: str) -> None:
    assert content_type_of(*names) == kind


async def test_a_file_can_be_gone_through_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 600_000)
    body = FileBody(path)
    for _ in range(2):
        assert b"".join([piece async for piece in body]) == b"x" * 600_000
    assert body.size == 600_000
