"""Next questions: made from what is left, read back from a button, never from forged data."""

from __future__ import annotations

import pytest

from data.item import GENRES, Domain, Item
from engine.candidates import rules
from engine.quantities import Range
from engine.questions import LEAST, questions, refinement
from engine.recommender import Recommender
from engine.request import Request
from engine.taste import Taste

BOOK, MOVIE, FOOD = Domain.BOOK, Domain.MOVIE, Domain.FOOD


def of(items: tuple[Item, ...], domain: Domain) -> list[Item]:
    return [item for item in items if item.domain is domain]


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("domain", list(Domain))
def test_questions_of_different_fields_are_asked_and_read_back(
    catalog_items: tuple[Item, ...], domain: Domain, language: str
) -> None:
    asked = questions(of(catalog_items, domain), Request(domain=domain), "en" if language == "en" else "ko")
    assert 2 <= len(asked) <= 3
    assert len({question.data.partition("=")[0] for question in asked}) == len(asked)
    for question in asked:
        added = refinement(question.data, domain)
        assert added is not None
        assert not added.is_open
        assert question.label
        assert len(question.data) <= 40


@pytest.mark.parametrize("domain", list(Domain))
async def test_an_answer_leads_to_picks_and_leaves_some_out(
    recommender: Recommender, catalog_items: tuple[Item, ...], domain: Domain
) -> None:
    """A button after which nothing is left, or nothing has changed, is a dead end."""
    every = of(catalog_items, domain)
    for question in questions(every, Request(domain=domain), "ko", most=9):
        added = refinement(question.data, domain)
        assert added is not None
        ids = {hit.item.id for hit in await recommender.index.scope(rules(added, Taste())).all(1000)}
        field, _, value = question.data.partition("=")
        if field in ("genres", "country", "cuisine", "spicy"):
            assert LEAST <= len(ids) < len(every), question
        else:
            has = [i for i in every if value in getattr(i, field) or value in (getattr(i, field), "yes" if getattr(i, field) is True else "no")] if field != "soupy" else [i for i in every if i.soupy is (value == "yes")]  # fmt: skip
            assert LEAST <= len(has) < len(every), question


def test_the_question_that_halves_is_asked_first() -> None:
    rows = [
        Item.model_validate(
            {"id": f"book:b{n}", "domain": "book", "title": "x", "immersion": "light" if n < 4 else "deep", "country": "KR" if n < 2 else "US"}
        )
        for n in range(8)
    ]  # fmt: skip
    first = questions(rows, Request(domain=BOOK), "ko")[0]
    assert first.data in ("immersion=light", "immersion=deep")


def test_what_was_said_is_not_asked_again(catalog_items: tuple[Item, ...]) -> None:
    said = Request(domain=FOOD, soupy=False, spicy=Range(None, 0), cuisine=("korean",))
    fields = {q.data.partition("=")[0] for q in questions(of(catalog_items, FOOD), said, "ko", most=9)}
    assert not fields & {"soupy", "spicy", "cuisine"}


def test_nothing_is_asked_of_one_item_or_none_or_without_a_domain(catalog_items: tuple[Item, ...]) -> None:
    assert questions([], Request(domain=BOOK), "ko") == []
    assert questions(list(catalog_items[:1]), Request(domain=BOOK), "ko") == []
    assert questions(list(catalog_items), Request(), "ko") == []


@pytest.mark.parametrize(
    ("data", "domain", "expected"),
    [
        ("spicy=mild", FOOD, {"spicy": Range(None, 0)}),
        ("spicy=hot", FOOD, {"spicy": Range(2, None)}),
        ("soupy=no", FOOD, {"soupy": False}),
        ("soupy=yes", FOOD, {"soupy": True}),
        ("genres=sf", BOOK, {"genres": ("sf",)}),
        ("immersion=light", MOVIE, {"immersion": "light"}),
        ("country=KR", BOOK, {"country": ("KR",)}),
    ],
)
def test_data_becomes_its_field(data: str, domain: Domain, expected: dict[str, object]) -> None:
    added = refinement(data, domain)
    assert added is not None
    assert {name: getattr(added, name) for name in expected} == expected
    assert added.domain is domain


@pytest.mark.parametrize("domain", [BOOK, MOVIE])
def test_every_genre_can_be_asked_for(domain: Domain) -> None:
    assert all(refinement(f"genres={genre}", domain) for genre in GENRES[domain])


@pytest.mark.parametrize(
    "data", ["", "=", "genres", "genres=", "genres=cooking", "genres=horror'--", "allergens=egg", "exclude=x", "spicy=9",
             "soupy=maybe", "__class__=x", "soupy=yes=yes", "genres.book=novel", "immersion=LIGHT", "count=10"]
)  # fmt: skip
@pytest.mark.parametrize("domain", [*Domain, None])
def test_forged_data_is_no_refinement(data: str, domain: Domain | None) -> None:
    """What a button means stands in its data, and data can be forged."""
    assert refinement(data, domain) is None


def test_a_field_of_another_domain_is_no_refinement() -> None:
    assert refinement("soupy=yes", BOOK) is None
    assert refinement("genres=horror", BOOK) is None
    assert refinement("genres=novel", FOOD) is None
