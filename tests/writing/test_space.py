from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ossmount.writing.space import Claim, Space


def test_what_fits_is_granted_at_once() -> None:
    space = Space(10)

    claim = space.claim(10)

    assert claim.granted
    assert space.used == 10
    assert repr(claim) == "<Claim 10 granted>"


def test_who_does_not_fit_is_woken_when_others_let_go() -> None:
    woken: list[str] = []
    space = Space(10)
    first = space.claim(8)
    second = space.claim(5, lambda: woken.append("second"))
    third = space.claim(1, lambda: woken.append("third"))
    assert (second.granted, third.granted) == (False, False), "nobody may overtake"

    space.release(first)

    assert woken == ["second", "third"]
    assert (second.granted, third.granted) == (True, True)


def test_a_claim_greater_than_the_budget_is_granted_alone() -> None:
    space = Space(10)
    small = space.claim(1)
    great = space.claim(50)
    assert space.waiting == 1

    space.release(small)

    assert great.granted
    assert not space.claim(1).granted


def test_giving_up_lets_the_next_one_in() -> None:
    space = Space(10)
    space.claim(6)
    great = space.claim(9)
    small = space.claim(4)

    space.release(great)
    space.release(great)

    assert small.granted
    assert space.waiting == 0
    assert repr(space) == "<Space 10 of 10 bytes, 0 waiting>"


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        Space(0)


@given(st.lists(st.one_of(st.integers(0, 30), st.just(-1)), max_size=40), st.randoms(use_true_random=False))
def test_every_claim_is_granted_in_turn_and_the_budget_holds(sizes: list[int], random: object) -> None:
    space = Space(20)
    order: list[int] = []
    claims: list[Claim] = []
    for index, size in enumerate(sizes):
        if size < 0:
            if claims:
                space.release(claims.pop(random.randrange(len(claims))))  # type: ignore[attr-defined]
        else:
            claim = space.claim(size, lambda index=index: order.append(index))  # type: ignore[misc]
            if claim.granted:
                order.append(index)
            claims.append(claim)
        space.check_invariants()
    assert order == sorted(order)

    for claim in claims:
        space.release(claim)
        space.check_invariants()
    assert (space.used, space.waiting) == (0, 0)
