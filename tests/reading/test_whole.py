"""The checksum of a whole from its pieces."""

from __future__ import annotations

import itertools

from hypothesis import given, strategies as st

from ossmount.reading.whole import MAX_PIECES, Whole
from ossmount.wire.checksums import crc64


@given(st.binary(min_size=1, max_size=200), st.lists(st.integers(0, 200), max_size=8), st.randoms())
def test_pieces_in_any_order_verify_the_whole(data: bytes, cuts: list[int], random: object) -> None:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = list(itertools.pairwise(edges))
    random.shuffle(pieces)  # type: ignore[attr-defined]
    whole = Whole(len(data), crc64(data))

    assert all(whole.add(start, stop, crc64(data[start:stop])) for start, stop in pieces)
    assert whole.verified
    assert whole.failures == 0


def test_a_wrong_piece_is_noticed_when_the_last_one_comes() -> None:
    whole = Whole(6, crc64(b"abcdef"))

    assert whole.add(3, 6, crc64(b"dXf"))
    assert not whole.add(0, 3, crc64(b"abc"))
    assert (whole.verified, whole.failures) == (False, 1)


def test_after_a_failure_everything_has_to_come_again() -> None:
    whole = Whole(6, crc64(b"abcdef"))
    whole.add(0, 6, crc64(b"abcdeX"))

    assert whole.add(0, 3, crc64(b"abc"))
    assert not whole.verified
    assert whole.add(3, 6, crc64(b"def"))
    assert whole.verified


def test_bytes_that_come_twice_count_once() -> None:
    whole = Whole(6, crc64(b"abcdef"))
    whole.add(0, 3, crc64(b"abc"))
    whole.add(2, 4, crc64(b"cd"))
    whole.add(0, 3, crc64(b"abc"))
    whole.add(3, 6, crc64(b"def"))

    assert whole.verified


def test_a_random_reader_does_not_fill_memory_with_pieces() -> None:
    whole = Whole(10 * MAX_PIECES, 1)
    for position in range(0, 4 * MAX_PIECES, 2):
        whole.add(position, position + 1, 0)

    assert len(whole._pieces) <= MAX_PIECES
    assert "failures" in repr(whole)
