"""The order of candidates and the choice among them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import Domain, Item
from engine.candidates import Candidate
from engine.embedder import Vectors
from engine.quantities import Range
from engine.ranking import EXPLORE, Ranked, choose, rank
from engine.request import Request
from engine.taste import Taste
from engine.version import Hit

BOOK, FOOD = Domain.BOOK, Domain.FOOD


def unit(*values: float) -> Vectors:
    vector = np.zeros(8, dtype=np.float32)
    vector[: len(values)] = values
    return vector / np.float32(np.linalg.norm(vector))


def candidate(
    key: str, place: int = 0, vector: Vectors | None = None, source: str = "vector", **more: Any
) -> Candidate:
    domain = more.pop("domain", "book")
    item = Item.model_validate({"id": f"{domain}:{key}", "domain": domain, "title": key, **more})
    own = unit(*(1.0 if n == ord(key[-1]) % 8 else 0.0 for n in range(8)))
    return Candidate(item, own if vector is None else vector, {source: place})


def order(
    candidates: list[Candidate], request: Request, taste: Taste | None = None, known: dict[str, Hit] | None = None,
    seed: int = 0, like: tuple[Item, ...] = (),
) -> list[str]:  # fmt: skip
    ranked = rank(candidates, request, taste or Taste(), known or {}, seed, like)
    return [each.item.id.split(":")[1] for each in ranked]


def test_of_two_that_keep_the_request_alike_the_kind_that_is_liked_goes_first() -> None:
    liked, new, other = (candidate(key, genres=[genre]) for key, genre in (("a", "essay"), ("b", "essay"), ("c", "poetry")))  # fmt: skip
    taste, known = Taste(liked=(liked.item.id,)), {liked.item.id: Hit(liked.item, liked.vector)}
    ranked = rank([other, new], Request(text="책", domain=BOOK), taste, known, seed=1)
    assert {r.item.id: r.parts["leans"] > 0 for r in ranked} == {new.item.id: True, other.item.id: True}
    merits = {r.item.id: r.merit for r in ranked}
    assert merits[new.item.id] > merits[other.item.id]


def test_what_was_shown_wears_off_with_what_is_shown_of_its_domain_and_not_of_another() -> None:
    """Asking for lunch every day must not bring back the book of last week."""
    shown = candidate("a")
    dishes, books = (tuple(f"{domain}:{n}" for n in range(60)) for domain in ("food", "book"))
    stale = [
        rank([shown], Request(domain=BOOK), Taste(shown=(shown.item.id, *since)), {}, seed=0)[0].parts[
            "stale"
        ]
        for since in ((), dishes, books)
    ]
    assert stale[0] == stale[1] > 0.3
    assert stale[2] < 0.15


@pytest.mark.parametrize(
    ("wish", "has"),
    [
        ({"effects": ("comfort",)}, {"effects": ["comfort"]}),
        ({"situations": ("rainy",)}, {"situations": ["rainy"]}),
        ({"immersion": "light"}, {"immersion": "light"}),
        ({"genres": ("essay",)}, {"genres": ["essay"]}),
        ({"moods": ("sad",)}, {"moods": ["sad"]}),
        ({"soupy": True}, {"domain": "food", "soupy": True}),
        ({"soupy": False}, {"domain": "food", "soupy": False}),
        ({"served": ("hot",)}, {"domain": "food", "served": ["hot"]}),
        ({"meals": ("lunch",)}, {"domain": "food", "meals": ["lunch"]}),
        ({"body": ("cold",)}, {"domain": "food", "body": ["cold"]}),
        ({"ingredients": ("치즈",)}, {"domain": "food", "ingredients": ["모차렐라치즈"]}),
        ({"splurge": True}, {"domain": "food", "price": 3}),
    ],
)
def test_what_keeps_a_wish_comes_before_what_was_found_first(
    wish: dict[str, Any], has: dict[str, Any]
) -> None:
    domain = has.get("domain", "book")
    other: dict[str, Any] = {"soupy": not has["soupy"]} if "soupy" in has else {}
    found = [candidate("first", 0, domain=domain, **other), candidate("keeps", 50, **has)]
    assert order(found, Request(domain=domain, **wish))[0] == "keeps"


def test_more_wishes_kept_are_better() -> None:
    request = Request(domain=BOOK, effects=("calm",), situations=("bedtime",), immersion="light")
    found = [
        candidate("one", effects=["calm"]),
        candidate("all", 40, effects=["calm"], situations=["bedtime"], immersion="light"),
        candidate("two", 20, effects=["calm"], situations=["bedtime"]),
    ]
    assert order(found, request) == ["all", "two", "one"]


def test_without_wishes_what_was_found_first_comes_first() -> None:
    request = Request(text="달리기", domain=BOOK, years=Range(2000, None))
    assert order([candidate("late", 40), candidate("early", 0)], request) == ["early", "late"]


def test_what_was_shown_lately_sinks_and_comes_back() -> None:
    found = [candidate("shown", 0), candidate("fresh", 40)]
    request = Request(domain=BOOK, years=Range(2000, None))
    assert order(found, request, Taste(shown=("book:shown",)))[0] == "fresh"
    long_ago = ("book:shown", *(f"book:x{n}" for n in range(200)))
    assert order(found, request, Taste(shown=long_ago))[0] == "shown"


def test_what_is_named_does_not_sink() -> None:
    """Who asks for it by name wants it though it was just shown."""
    found = [candidate("other", 0), candidate("named", 0, source="named")]
    request = Request(domain=BOOK, items=("book:named",))
    assert order(found, request, Taste(shown=("book:named",)))[0] == "named"


@pytest.mark.parametrize(
    ("taste", "first"), [(Taste(liked=("book:x",)), "a"), (Taste(disliked=("book:x",)), "b")]
)
def test_history_pulls_and_pushes(taste: Taste, first: str) -> None:
    found = [candidate("a", 10, unit(1, 0.1)), candidate("b", 10, unit(0, 1))]
    known = {"book:x": Hit(candidate("x").item, unit(1, 0))}
    assert order(found, Request(domain=BOOK, years=Range(1, None)), taste, known)[0] == first


def test_a_survey_speaks_where_the_request_is_silent_and_not_against_it() -> None:
    found = [candidate("calm", effects=["calm"]), candidate("thrill", effects=["thrill"])]
    taste = Taste(wishes={BOOK: Request(domain=BOOK, effects=("thrill",))})
    rule = Range(1900, None)
    assert order(found, Request(domain=BOOK, years=rule), taste)[0] == "thrill"
    assert order(found, Request(domain=BOOK, years=rule, effects=("calm",)), taste)[0] == "calm"


def test_a_mood_implies_what_helps_it() -> None:
    found = [candidate("thrill", effects=["thrill"]), candidate("soothing", 9, effects=["comfort", "calm"])]
    assert order(found, Request(domain=BOOK, moods=("anxious",)))[0] == "soothing"


def test_a_work_to_be_like_lends_its_traits() -> None:
    model = candidate("model", genres=["sf", "novel"], effects=["escape"]).item
    found = [candidate("far", genres=["essay"]), candidate("near", 30, genres=["sf"], effects=["escape"])]
    assert order(found, Request(domain=BOOK, like=(model.id,)), like=(model,))[0] == "near"


def test_one_seed_gives_one_order_and_an_open_request_varies_by_seed() -> None:
    found = [candidate(f"item-{letter}", place) for place, letter in enumerate("abcdefgh")]
    clear = Request(domain=BOOK, effects=("calm",))
    assert order(found, clear, seed=3) == order(list(reversed(found)), clear, seed=3)
    assert len({tuple(order(found, Request(domain=BOOK), seed=seed)) for seed in range(5)}) > 1


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.booleans()), min_size=1, max_size=8),
    st.booleans(), st.integers(0, 9),
)  # fmt: skip
def test_a_fit_is_from_1_to_10(rows: list[tuple[int, bool, bool]], hated: bool, seed: int) -> None:
    found = [
        candidate(f"i{n}", place, effects=["calm"] if keeps else ["thrill"])
        for n, (place, keeps, _) in enumerate(rows)
    ]
    shown = tuple(c.item.id for c, row in zip(found, rows, strict=True) if row[2])
    known = {found[0].item.id: Hit(found[0].item, found[0].vector)}
    taste = Taste(shown=shown, disliked=tuple(known)) if hated else Taste(shown=shown, liked=tuple(known))
    for each in rank(found, Request(domain=BOOK, effects=("calm",)), taste, known, seed):
        assert 1 <= each.fit <= 10
        assert each.score <= 1.0


def ranked(key: str, score: float, vector: Vectors, share: float = 1.0, **more: Any) -> Ranked:
    return Ranked(candidate(key, vector=vector, **more), score, share, ())


def test_the_second_pick_differs_from_the_first() -> None:
    """Three of one author, or one story three times, is one pick."""
    twin = [ranked("a", 0.9, unit(1)), ranked("b", 0.88, unit(1)), ranked("c", 0.8, unit(0, 1))]
    assert [each.item.id for each in choose(twin, 2, 0)] == ["book:a", "book:c"]


def test_another_work_of_the_same_author_pays_for_it() -> None:
    same = [
        ranked("a", 0.9, unit(1), creators=["한강"]),
        ranked("b", 0.88, unit(0, 1), creators=["한강"]),
        ranked("c", 0.85, unit(0, 0, 1), creators=["김영하"]),
    ]
    assert [each.item.id for each in choose(same, 2, 0)] == ["book:a", "book:c"]


def near() -> list[Ranked]:
    return [ranked(f"i{n}", 0.9 - n * 0.01, unit(*(float(m == n) for m in range(8)))) for n in range(6)]


def test_no_more_are_chosen_than_there_are() -> None:
    assert len(choose(near(), 10, 0)) == 6
    assert choose([], 3, 0) == []


def test_only_the_last_position_explores_and_tells_how_likely_that_was() -> None:
    plain = [each.item.id for each in choose(near(), 3, 0)]
    tried = 0
    for seed in range(300):
        chosen = choose(near(), 3, seed, explore=True)
        assert [each.item.id for each in chosen[:2]] == plain[:2]
        assert [each.propensity for each in chosen[:2]] == [1.0, 1.0]
        if chosen[2].item.id == plain[2]:
            assert chosen[2].propensity == pytest.approx(1 - EXPLORE)
        else:
            tried += 1
            assert chosen[2].propensity == pytest.approx(EXPLORE / 3)
    assert 10 <= tried <= 60


def test_nothing_is_explored_unless_told_nor_in_an_answer_of_one() -> None:
    for seed in range(60):
        assert all(each.propensity == 1.0 for each in choose(near(), 3, seed))
        assert [each.item.id for each in choose(near(), 1, seed, explore=True)] == ["book:i0"]


def test_exploring_never_takes_what_keeps_fewer_wishes() -> None:
    others = [ranked(f"w{n}", 0.9 - n * 0.01, unit(*(float(m == n) for m in range(8))), share=1.0 if n < 3 else 0.5) for n in range(6)]  # fmt: skip
    assert all(
        {each.item.id for each in choose(others, 3, seed, explore=True)} == {"book:w0", "book:w1", "book:w2"}
        for seed in range(100)
    )
