"""Requests by themselves: JSON there and back, dropping a rule, refining."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import Domain
from engine.quantities import Range
from engine.request import DEFAULT_COUNT, Exclude, Request

NAMES = st.lists(st.text(max_size=8), max_size=3, unique=True).map(tuple)
SPANS = st.builds(Range, st.none() | st.integers(0, 3000), st.none() | st.integers(0, 3000))
BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(max_size=20),
    "Domain | None": st.none() | st.sampled_from(Domain),
    "tuple[Domain, ...]": st.lists(st.sampled_from(Domain), unique=True).map(tuple),
    "tuple[str, ...]": NAMES,
    "str | None": st.none() | st.text(min_size=1, max_size=8),
    "Range": SPANS,
    "bool | None": st.none() | st.booleans(),
    "bool": st.booleans(),
    "int | None": st.none() | st.integers(0, 19),
    "int": st.integers(1, 10),
    "Exclude": st.builds(Exclude, **{each.name: NAMES for each in fields(Exclude)}),
}
REQUESTS = st.builds(Request, **{each.name: BY_TYPE[str(each.type)] for each in fields(Request)})
ADDING = ("allergens", "avoid", "diet", "exclude", "text", "count")


@given(REQUESTS)
def test_a_request_survives_json(request_: Request) -> None:
    """soupy=False was dropped as if nothing had been said, and a talk that was resumed offered soup."""
    assert Request.from_dict(json.loads(json.dumps(request_.to_dict()))) == request_


def test_a_request_that_says_nothing_is_small() -> None:
    assert Request().to_dict() == {"count": DEFAULT_COUNT}


@pytest.mark.parametrize("raw", [{"count": "many"}, {"domain": "music"}, {"genres": 3}, {"years": [1]}])
def test_what_is_no_request_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Request.from_dict(raw)


@given(REQUESTS, REQUESTS)
def test_limits_only_grow_when_a_request_is_refined(one: Request, other: Request) -> None:
    """A follow-up that does not repeat an allergy must not lose it."""
    refined = one.refined(other)
    for name in ("allergens", "avoid", "diet"):
        assert set(getattr(refined, name)) == {*getattr(one, name), *getattr(other, name)}
    assert {*one.exclude.items, *other.exclude.items} == set(refined.exclude.items)
    assert {*one.exclude.titles, *other.exclude.titles} == set(refined.exclude.titles)


@given(REQUESTS)
def test_refining_with_nothing_changes_nothing_but_the_conflicts(one: Request) -> None:
    refined = one.refined(Request())
    for each in fields(Request):
        if each.name not in ("text", "exclude", "unknown", "unchecked", "conflicts"):
            assert getattr(refined, each.name) == getattr(one, each.name), each.name


@given(REQUESTS, REQUESTS)
def test_what_is_said_last_holds(one: Request, other: Request) -> None:
    refined = one.refined(other)
    for name in ("moods", "effects", "situations", "immersion", "soupy", "years", "length", "served", "age"):
        said = getattr(other, name)
        expected = getattr(one, name) if said in (None, (), Range()) else said
        assert getattr(refined, name) == expected, name
    for name in ("genres", "cuisine", "country", "creators", "people"):
        assert not set(getattr(refined, name)) & set(getattr(other.exclude, name)), name
        assert not set(getattr(refined.exclude, name)) & set(getattr(other, name)), name


def test_turning_down_a_dish_forgets_that_it_was_named() -> None:
    """치킨, then 치킨 말고: the chicken stayed the thing asked for."""
    chicken = Request(domain=Domain.FOOD, items=("food:fried-chicken",))
    assert chicken.refined(Request(exclude=Exclude(titles=("치킨",)))).items == ()


@pytest.mark.parametrize("rule", ["genres", "cuisine", "years", "length", "kcal", "spicy", "price"])
def test_a_dropped_rule_is_as_if_never_said(rule: str) -> None:
    full = Request(
        domain=Domain.FOOD, genres=("novel",), cuisine=("korean",), years=Range(1990, None), length=Range(None, 9),
        kcal=Range(None, 500), spicy=Range(None, 0), price=1, allergens=("egg",),
    )  # fmt: skip
    dropped = full.without(rule)
    assert getattr(dropped, rule) == getattr(Request(), rule)
    assert dropped.without(rule) == dropped
    assert dropped.allergens == ("egg",)


def test_dropping_exclusions_keeps_items_out() -> None:
    """An item that was turned down must not come back because a genre may."""
    full = Request(exclude=Exclude(genres=("horror",), items=("movie:oldboy-2003",)))
    assert full.without("exclude").exclude == Exclude(items=("movie:oldboy-2003",))


def test_only_domain_and_count_leave_a_request_open() -> None:
    assert Request(text="아무거나", domain=Domain.BOOK, count=5).is_open
    assert not Request(soupy=False).is_open
    assert not Request(exclude=Exclude(genres=("war",))).is_open
