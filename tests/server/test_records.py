from __future__ import annotations

import itertools

from hypothesis import given, strategies as st

from ossmount.server.records import Segment, format_segments, join_segments, parse_segments, slice_segments

segments = st.lists(st.builds(Segment, st.integers(1, 3), st.integers(0, 20), st.integers(1, 9)), max_size=8)


def spelled(found: list[Segment] | tuple[Segment, ...]) -> list[tuple[int, int]]:
    """Every single byte: its blob and its place there."""
    return [(segment.blob, segment.start + i) for segment in found for i in range(segment.length)]


@given(segments)
def test_segments_travel_as_text(found: list[Segment]) -> None:
    assert parse_segments(format_segments(found)) == tuple(found)


@given(segments, st.integers(0, 80), st.integers(0, 80))
def test_a_slice_is_the_bytes_between(found: list[Segment], start: int, stop: int) -> None:
    assert spelled(slice_segments(tuple(found), start, stop)) == spelled(found)[start:stop]


@given(segments)
def test_joining_changes_no_byte(found: list[Segment]) -> None:
    joined = join_segments(found)

    assert spelled(joined) == spelled(found)
    assert all(a.blob != b.blob or a.start + a.length != b.start for a, b in itertools.pairwise(joined))
