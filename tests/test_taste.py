"""Surveys and history becoming a Taste, and a Taste's limits on a request."""

from __future__ import annotations

import pytest

from data.item import Domain
from engine.lexicon import read
from engine.quantities import Range
from engine.request import Request
from engine.taste import RECENT, TASTE, Taste, survey, taste_of


@pytest.mark.parametrize("domain", list(Domain))
def test_every_answer_of_a_survey_sets_what_a_taste_knows(domain: Domain) -> None:
    """A wrong value in an option would fail in the chat of whoever ticks it."""
    for question in survey(domain).questions:
        assert set(question.ask) == {"ko", "en"}
        for option in question.options:
            taste = taste_of({domain: {question.id: [option.id]}}, ())
            assert (taste == Taste()) == (not option.sets and not option.says), (question.id, option.id)
            assert TASTE.validate_python(TASTE.dump_python(taste, mode="json")) == taste


def test_option_ids_are_unique_in_their_question() -> None:
    for domain in Domain:
        for question in survey(domain).questions:
            ids = [option.id for option in question.options]
            assert len(ids) == len(set(ids))


def test_answers_that_surveys_no_longer_know_are_passed_over() -> None:
    """Surveys change; an old answer must not cost the person the others."""
    taste = taste_of({"food": {"gone": ["x"], "mood": ["sad"]}, "music": {"mood": ["sad"]}}, ())
    assert taste.wishes[Domain.FOOD].moods == ("sad",)


def test_an_allergy_answer_becomes_a_limit_label_or_not() -> None:
    question = next(q for q in survey(Domain.FOOD).questions if q.field == "allergens")
    taste = taste_of({"food": {question.id: ["egg", "other.sesame", "egg"]}}, ())
    assert (taste.allergens, taste.avoid) == (("egg",), ("sesame",))
    assert "sesame" in read("allergens")["other"]


def test_works_ticked_as_known_are_seen() -> None:
    question = next(q for q in survey(Domain.MOVIE).questions if q.kind == "grid")
    assert taste_of({"movie": {question.id: ["movie:a"]}}, ()).seen == ("movie:a",)


def test_the_last_opinion_counts() -> None:
    """Liked after disliked: it stayed in both, and pulled both ways."""
    taste = taste_of({}, [("dislike", "a"), ("like", "b"), ("like", "a"), ("dislike", "b"), ("like", "a")])
    assert (taste.liked, taste.disliked) == (("a",), ("b",))


def test_history_is_kept_by_kind_in_order_and_unknown_events_ignored() -> None:
    taste = taste_of({}, [("seen", "a"), ("save", "b"), ("never", "c"), ("press", "d"), ("seen", "e")])
    assert (taste.seen, taste.saved, taste.never) == (("a", "e"), ("b",), ("c",))


def test_only_what_was_shown_lately_is_kept() -> None:
    shown = [str(n) for n in range(RECENT + 10)]
    assert taste_of({}, (), shown).shown == tuple(shown[10:])


def test_limits_add_to_what_the_request_says() -> None:
    taste = Taste(allergens=("egg",), avoid=("kiwi",), diet=("vegan",), age=15)
    limited = taste.limited(Request(allergens=("milk",), age=7, diet=("vegan",)))
    assert limited.allergens == ("milk", "egg")
    assert (limited.avoid, limited.diet, limited.age) == (("kiwi",), ("vegan",), 7)
    assert taste.limited(Request(age=19)).age == 15


@pytest.mark.parametrize(
    ("spicy", "asked", "limited"),
    [(1, Range(), Range(None, 1)), (3, Range(), Range()), (None, Range(), Range()), (0, Range(2, None), Range(2, None))],
)  # fmt: skip
def test_a_spice_limit_holds_until_the_person_asks_otherwise(
    spicy: int | None, asked: Range, limited: Range
) -> None:
    assert Taste(spicy=spicy).limited(Request(domain=Domain.FOOD, spicy=asked)).spicy == limited


def test_a_price_limit_yields_to_a_price_and_to_splurging() -> None:
    assert Taste(price=1).limited(Request()).price == 1
    assert Taste(price=1).limited(Request(price=3)).price == 3
    assert Taste(price=1).limited(Request(splurge=True)).price is None
