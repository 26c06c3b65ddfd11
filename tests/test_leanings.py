"""What likes and dislikes tell of kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import Item
from engine.leanings import leanings
from engine.taste import Taste

EFFECTS = ("comfort", "laughter", "thrill")


def movie(key: str, *genres: str, **more: Any) -> Item:
    return Item.model_validate(
        {"id": f"movie:{key}", "domain": "movie", "title": key, "genres": genres, **more}
    )


def by_id(*items: Item) -> dict[str, Item]:
    return {item.id: item for item in items}


THRILLERS = tuple(movie(f"t{n}", "thriller", creators=[f"감독{n}"]) for n in range(4))
ROMANCES = tuple(movie(f"r{n}", "romance", creators=[f"감독{n}"]) for n in range(4))
KNOWN = by_id(*THRILLERS, *ROMANCES)
NEW = movie("new", "thriller"), movie("other", "romance"), movie("third", "animation")


def ids(items: tuple[Item, ...]) -> tuple[str, ...]:
    return tuple(item.id for item in items)


def test_whoever_gave_no_feedback_leans_nowhere() -> None:
    assert leanings(NEW, Taste(), KNOWN) == [0.0, 0.0, 0.0]
    assert leanings(NEW, Taste(liked=ids(THRILLERS)), {}) == [0.0, 0.0, 0.0]
    assert leanings([], Taste(liked=ids(THRILLERS)), KNOWN) == []


def test_what_the_liked_have_in_common_is_leant_to_and_what_the_disliked_have_is_not() -> None:
    taste = Taste(liked=ids(THRILLERS), disliked=ids(ROMANCES))
    thriller, romance, neither = leanings(NEW, taste, KNOWN)
    assert thriller > 0.3 > abs(neither)
    assert romance < -0.3
    assert neither == pytest.approx(0.0, abs=0.05)


def test_saving_counts_as_liking_and_never_again_as_disliking() -> None:
    taste = Taste(saved=ids(THRILLERS), never=ids(ROMANCES))
    assert leanings(NEW, taste, KNOWN) == leanings(
        NEW, Taste(liked=ids(THRILLERS), disliked=ids(ROMANCES)), KNOWN
    )


def test_more_of_the_same_opinion_tells_more() -> None:
    """One like must not turn all that follows."""
    once, often = (leanings(NEW, Taste(liked=ids(THRILLERS)[:count]), KNOWN)[0] for count in (1, 4))
    assert 0 < once < often


def test_a_director_is_learned_where_the_genre_says_nothing() -> None:
    """Whoever likes one of two thrillers and not the other told something of who made them."""
    taste = Taste(liked=(THRILLERS[0].id,), disliked=(THRILLERS[1].id,))
    mine, theirs = (movie(f"m{n}", "drama", creators=[f"감독{n}"]) for n in (0, 1))
    of_mine, of_theirs = leanings((mine, theirs), taste, KNOWN)
    assert of_mine > 0 > of_theirs


def test_who_directs_and_plays_counts_once() -> None:
    taste = Taste(liked=(THRILLERS[0].id,))
    once, twice = (
        movie("m", "drama", creators=["감독0"], people=["감독0"] * playing) for playing in (False, True)
    )
    of_once, of_twice = leanings((once, twice), taste, KNOWN)
    assert of_twice < of_once, "the same trait, which weighs less among two"


ITEMS = st.builds(
    movie,
    st.text("abc", min_size=1, max_size=2),
    effects=st.lists(st.sampled_from(EFFECTS), unique=True),
    people=st.lists(st.sampled_from("가나다"), unique=True),
)


@given(st.lists(ITEMS, max_size=8), st.lists(ITEMS, max_size=8), st.data())
def test_a_leaning_is_a_number_between_minus_one_and_one(
    items: list[Item], known: list[Item], data: st.DataObject
) -> None:
    """The order of the items does not matter either."""
    held = by_id(*known)
    some = st.lists(st.sampled_from([*held, "movie:gone"]), unique=True).map(tuple)
    taste = Taste(liked=data.draw(some), disliked=data.draw(some))
    found = leanings(items, taste, held)
    assert all(-1.0 <= value <= 1.0 for value in found)
    assert np.allclose(leanings(items[::-1], taste, held), found[::-1])
