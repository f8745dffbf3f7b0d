from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from ossmount.server.listing import after_marker, list_page, successor


class Row(NamedTuple):
    key: bytes


def seeker(keys: list[bytes], reads: list[bytes] | None = None):  # type: ignore[no-untyped-def]
    ordered = sorted(keys)

    def seek(start: bytes) -> Iterator[Row]:
        for key in ordered:
            if key >= start:
                if reads is not None:
                    reads.append(key)
                yield Row(key)

    return seek


def pages(keys: list[bytes], *, prefix: bytes, delimiter: bytes, limit: int) -> list[bytes]:
    """List everything page by page, as a client does, and return the entries in the order they came."""
    found: list[bytes] = []
    marker = b""
    while True:
        start = after_marker(marker, prefix=prefix, delimiter=delimiter)
        page = list_page(seeker(keys), prefix=prefix, delimiter=delimiter, start=start, limit=limit)
        entries = sorted([row.key for row in page.rows] + page.prefixes)
        assert len(entries) <= limit
        found += entries
        if page.last is None:
            return found
        assert entries[-1] == page.last
        marker = page.last


def expected(keys: list[bytes], prefix: bytes, delimiter: bytes) -> list[bytes]:
    entries = set()
    for key in keys:
        if key.startswith(prefix):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            entries.add(key if cut < 0 else key[: cut + len(delimiter)])
    return sorted(entries)


small_keys = st.lists(
    st.text("a/\xff", min_size=1, max_size=6).map(lambda text: text.encode("latin-1")), max_size=25, unique=True
)


@given(
    keys=small_keys,
    prefix=st.sampled_from([b"", b"a", b"a/", b"/", b"\xff"]),
    delimiter=st.sampled_from([b"", b"/", b"//", b"a/", b"\xff"]),
    limit=st.integers(1, 5),
)
def test_pages_joined_are_the_whole_listing(keys: list[bytes], prefix: bytes, delimiter: bytes, limit: int) -> None:
    assert pages(keys, prefix=prefix, delimiter=delimiter, limit=limit) == expected(keys, prefix, delimiter)


def test_below_a_common_prefix_only_the_first_row_is_read() -> None:
    keys = [b"d%d/%d" % (directory, number) for directory in range(3) for number in range(100)]
    reads: list[bytes] = []

    page = list_page(seeker(keys, reads), prefix=b"", delimiter=b"/", start=b"", limit=10)

    assert page.prefixes == [b"d0/", b"d1/", b"d2/"]
    assert len(reads) == 3


def test_a_marker_need_not_exist_and_is_exclusive() -> None:
    def after(marker: bytes) -> list[bytes]:
        start = after_marker(marker, prefix=b"", delimiter=b"")
        page = list_page(seeker([b"a", b"b", b"c"]), prefix=b"", delimiter=b"", start=start, limit=9)
        return [row.key for row in page.rows]

    assert after(b"b") == [b"c"]
    assert after(b"aa") == [b"b", b"c"]
    assert after(b"z") == []


def test_a_page_that_ends_with_the_last_entry_is_not_truncated() -> None:
    page = list_page(seeker([b"a", b"b/1", b"b/2"]), prefix=b"", delimiter=b"/", start=b"", limit=2)

    assert page.last is None


def test_a_marker_inside_a_common_prefix_shows_the_prefix_when_more_follows() -> None:
    start = after_marker(b"a/1", prefix=b"", delimiter=b"/")

    page = list_page(seeker([b"a/1", b"a/2", b"b"]), prefix=b"", delimiter=b"/", start=start, limit=9)

    assert page.prefixes == [b"a/"]


@pytest.mark.parametrize(
    ("prefix", "after"),
    [(b"a", b"b"), (b"a/", b"a0"), (b"a\xff", b"b"), (b"\xff", None), (b"a\xff\xff", b"b"), (b"", None)],
)
def test_successors(prefix: bytes, after: bytes | None) -> None:
    assert successor(prefix) == after
