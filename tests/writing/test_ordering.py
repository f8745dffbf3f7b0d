"""Which changes must wait for which."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, strategies as st

from ossmount.writing.intents import Intent, Verb
from ossmount.writing.ordering import Ordering, enclosing

_numbers = itertools.count(1)


def intent(verb: Verb, key: str, target: str = "") -> Intent:
    return Intent(next(_numbers), verb, key, target, {}, 0.0)


def test_prefixes_around_a_key_are_named_from_the_inside_out() -> None:
    assert list(enclosing("a/b/c")) == ["a/b/", "a/"]
    assert list(enclosing("a/b/")) == ["a/"]
    assert list(enclosing("a")) == []


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [
        (intent(Verb.PUT, "a"), intent(Verb.PUT, "b"), False),
        (intent(Verb.PUT, "a"), intent(Verb.DELETE, "a"), True),
        (intent(Verb.PUT, "a"), intent(Verb.RENAME, "a", "b"), True),
        (intent(Verb.DELETE, "b"), intent(Verb.RENAME, "a", "b"), True),
        (intent(Verb.PUT, "d/a"), intent(Verb.RENAME, "d/", "e/"), True),
        (intent(Verb.PUT, "e/a"), intent(Verb.RENAME, "d/", "e/"), True),
        (intent(Verb.RENAME, "d/", "e/"), intent(Verb.PUT, "e/x/y"), True),
        (intent(Verb.RENAME, "d/", "e/"), intent(Verb.MKDIR, "d/"), True),
        (intent(Verb.RENAME, "d/", "e/"), intent(Verb.RENAME, "e/x/", "f/"), True),
        (intent(Verb.RENAME, "e/x/", "f/"), intent(Verb.RENAME, "d/", "e/"), True),
        (intent(Verb.RENAME, "d/", "e/"), intent(Verb.PUT, "dd/a"), False),
        (intent(Verb.MKDIR, "d/"), intent(Verb.PUT, "d/a"), False),
        (intent(Verb.DELETE, "d/a"), intent(Verb.DELETE, "d/"), False),
        (intent(Verb.RENAME, "d/", "e/"), intent(Verb.PUT, "d"), True),
        (intent(Verb.DELETE, "d"), intent(Verb.MKDIR, "d/"), True),
        (intent(Verb.DELETE, "a/d/"), intent(Verb.RENAME, "b", "a/d"), True),
    ],
)
def test_what_touches_the_same_name_or_moves_it_waits(first: Intent, second: Intent, waits: bool) -> None:
    ordering = Ordering()

    ordering.add(first)
    ordering.add(second)

    assert (first in second.blockers) is waits
    assert ordering.retire(first) == ([second] if waits else [])
    assert not second.blockers


_names = st.sampled_from(["a", "b", "c"])
_keys = st.lists(_names, min_size=1, max_size=3).map("/".join)
_intents = st.one_of(
    st.tuples(st.just(Verb.PUT), _keys, st.just("")),
    st.tuples(st.just(Verb.DELETE), _keys, st.just("")),
    st.tuples(st.just(Verb.RENAME), _keys.map(lambda key: f"{key}/"), _keys.map(lambda key: f"{key}/")),
)


def conflict(first: Intent, second: Intent) -> bool:
    """Say it the slow and plain way."""
    for one, other in itertools.product(first.keys, second.keys):
        if one == other:
            return True
        if first.is_tree and other.startswith(one):
            return True
        if second.is_tree and one.startswith(other):
            return True
    return False


@given(st.lists(_intents, max_size=12), st.randoms(use_true_random=False))
def test_everything_is_carried_out_and_conflicting_changes_in_their_order(
    made: list[tuple[Verb, str, str]], chance: random.Random
) -> None:
    ordering = Ordering()
    intents = [intent(*one) for one in made]
    for each in intents:
        ordering.add(each)
    done: list[Intent] = []

    while len(done) < len(intents):
        free = [each for each in intents if not each.blockers and each not in done]
        assert free, "nothing can go on"
        chosen = chance.choice(free)
        ordering.retire(chosen)
        done.append(chosen)

    for first, second in itertools.combinations(intents, 2):
        if conflict(first, second):
            assert done.index(first) < done.index(second)
    assert not ordering.inside("a/")
