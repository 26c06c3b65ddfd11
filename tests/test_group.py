"""Several people, one list: strategies against tables worked out by hand, limits that bind all, nothing told of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import Domain, Item
from engine import candidates, group
from engine.candidates import Candidate, gather
from engine.group import (
    Order,
    Strategy,
    aggregated,
    average,
    average_without_misery,
    borda,
    common,
    gather_for,
    least_misery,
    satisfaction,
    together,
)
from engine.quantities import Range
from engine.ranking import Ranked
from engine.recommendation import GroupRecommendation
from engine.recommender import Recommender
from engine.request import Exclude, Request
from engine.taste import Taste, taste_of

BOOK, MOVIE, FOOD = Domain.BOOK, Domain.MOVIE, Domain.FOOD
STRATEGIES: tuple[Strategy, ...] = ("average", "least_misery", "average_without_misery", "borda")

ITEMS = ("A", "B", "C", "D", "E")
MASTHOFF = np.array([[10, 4, 3, 6, 10], [1, 9, 8, 9, 7], [10, 5, 2, 7, 9]], dtype=float)
"""John, Adam and Mary; worked out by hand in the head of `engine/group.py`."""
EVERYONE: tuple[Callable[[Any, Any], Order], ...] = (average, least_misery, average_without_misery, borda)


def order(of: Order) -> str:
    return "".join(of.items)


def test_average_by_hand() -> None:
    """Sums 21, 18, 13, 22, 26."""
    found = average(ITEMS, MASTHOFF)
    assert order(found) == "EDABC"
    assert found.scores == pytest.approx([26 / 3, 22 / 3, 21 / 3, 18 / 3, 13 / 3])


def test_least_misery_by_hand() -> None:
    found = least_misery(ITEMS, MASTHOFF)
    assert order(found) == "EDBCA"
    assert found.scores == (7, 6, 4, 2, 1)


def test_average_without_misery_by_hand() -> None:
    """A has Adam's 1 and C Mary's 2, both under 4."""
    found = average_without_misery(ITEMS, MASTHOFF, threshold=4)
    assert order(found) == "EDB"
    assert found.scores == pytest.approx([26 / 3, 22 / 3, 18 / 3])
    assert not found.resigned


def test_borda_by_hand_with_ties_that_share_their_points() -> None:
    """John ties A with E (4 and 3 points), Adam B with D; 7.5, 5.5, 2, 7.5, 7.5 of 12 points."""
    found = borda(ITEMS, MASTHOFF)
    assert order(found) == "EDABC"  # E, D and A tie, and their averages part them
    assert found.scores == pytest.approx([7.5 / 12, 7.5 / 12, 7.5 / 12, 5.5 / 12, 2 / 12])


def test_three_that_tie_in_borda_share_the_mean_of_three_places() -> None:
    """Places 3, 2 and 1 give 2 each; the last gets 0."""
    assert borda(("a", "b", "c", "d"), np.array([[5, 5, 1, 5.0]])).scores == pytest.approx([2 / 3, 2 / 3, 2 / 3, 0])  # fmt: skip


def test_a_threshold_that_nothing_passes_gives_least_misery_and_says_so() -> None:
    """An empty answer would help nobody, and a silent one would lie."""
    found = average_without_misery(ITEMS, MASTHOFF, threshold=8)
    assert found == Order(least_misery(ITEMS, MASTHOFF).items, (7, 6, 4, 2, 1), resigned=True)


def test_what_a_member_scores_just_at_the_threshold_stays() -> None:
    assert order(average_without_misery(("a", "b"), np.array([[0.25, 0.9], [0.25, 0.1]]), 0.25)) == "a"


@pytest.mark.parametrize("strategy", EVERYONE)
def test_one_member_decides_alone(strategy: Callable[[Any, Any], Order]) -> None:
    assert order(strategy(ITEMS, MASTHOFF[1:2])) == "BDCEA"


@pytest.mark.parametrize("strategy", EVERYONE)
def test_what_every_member_hates_is_last_or_out(strategy: Callable[[Any, Any], Order]) -> None:
    table = np.array([[0.9, 0.0, 0.4], [0.5, 0.0, 0.8]])
    assert order(strategy(("a", "b", "c"), table)).rstrip("b")[-1:] in ("a", "c")
    assert order(strategy(("a", "b", "c"), table)).replace("b", "") in ("ac", "ca")


@pytest.mark.parametrize("strategy", EVERYONE)
def test_no_items_give_an_empty_order(strategy: Callable[[Any, Any], Order]) -> None:
    assert strategy((), np.zeros((3, 0))) == Order((), ())


@pytest.mark.parametrize("strategy", EVERYONE)
def test_equals_come_by_their_id_however_they_stood(strategy: Callable[[Any, Any], Order]) -> None:
    """The order of a list must not hang on the order of a search."""
    table = np.full((2, 3), 0.5)
    assert order(strategy(("c", "a", "b"), table)) == order(strategy(("b", "c", "a"), table)) == "abc"


def test_of_equal_misery_the_better_mean_comes_first() -> None:
    assert order(least_misery(("a", "b"), np.array([[0.1, 0.1], [0.2, 0.9]]))) == "ba"


@pytest.mark.parametrize(
    "table", [np.zeros((0, 2)), np.zeros((2, 3)), np.zeros(2), np.array([[0.1, np.nan]])]
)
def test_a_table_that_does_not_fit_is_an_error(table: Any) -> None:
    for strategy in EVERYONE:
        with pytest.raises(ValueError):
            strategy(("a", "b"), table)


def test_a_strategy_that_there_is_not_is_an_error() -> None:
    unknown: Any = "dictator"
    with pytest.raises(ValueError, match="dictator"):
        aggregated(unknown, ITEMS, MASTHOFF)


tables = st.integers(1, 6).flatmap(
    lambda items: st.lists(
        st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 1.0]), min_size=items, max_size=items),
        min_size=1,
        max_size=5,
    )
)


@given(tables, st.sampled_from(STRATEGIES), st.randoms())
def test_an_order_holds_every_item_once_and_does_not_hang_on_who_stands_where(
    rows: list[list[float]], strategy: Strategy, chance: Any
) -> None:
    items = [f"i{n}" for n in range(len(rows[0]))]
    found = aggregated(strategy, items, np.array(rows))
    assert len(set(found.items)) == len(found.items)
    assert set(found.items) == set(items) or strategy == "average_without_misery"
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in found.scores)
    columns = list(range(len(items)))
    chance.shuffle(columns)
    chance.shuffle(rows)
    again = aggregated(strategy, [items[n] for n in columns], np.array(rows)[:, columns])
    assert again.items == found.items
    assert again.scores == pytest.approx(found.scores)


def test_limits_of_all_are_united_and_the_least_holds() -> None:
    one = Taste(
        allergens=("egg",), diet=("vegetarian",), age=35, spicy=2, never=("food:a",), says=("혼자 산다",)
    )
    two = Taste(
        allergens=("egg", "milk"), avoid=("kiwi",), age=13, price=1, never=("food:b",), liked=("food:c",)
    )
    assert together([one, two, Taste()]) == Taste(
        allergens=("egg", "milk"), avoid=("kiwi",), diet=("vegetarian",), age=13, spicy=2, price=1,
        never=("food:a", "food:b"),
    )  # fmt: skip


def test_what_some_know_may_come_and_what_all_know_may_not() -> None:
    one = Taste(seen=("movie:a", "movie:b"), disliked=("movie:c",))
    two = Taste(seen=("movie:b",), disliked=("movie:c", "movie:d"))
    assert together([one, two]) == Taste(seen=("movie:b",), disliked=("movie:c",))
    assert together([]) == Taste()


def rated(merit: float = 0.8, **more: Any) -> Ranked:
    item = Item.model_validate({"id": "food:x", "domain": "food", "title": "x", **more})
    return Ranked(Candidate(item, np.zeros(3, dtype=np.float32)), merit, 1.0, (), merit)


def test_satisfaction_is_the_merit_for_one_member_alone() -> None:
    assert satisfaction(rated(), Request(), Taste(spicy=1, price=2)) == 0.8
    assert satisfaction(rated(-0.4), Request(), Taste()) == 0.0


def test_what_a_member_turned_down_or_knows_is_worth_less_to_them() -> None:
    assert satisfaction(rated(), Request(), Taste(disliked=("food:x",))) == 0.0
    assert satisfaction(rated(), Request(), Taste(seen=("food:x",))) == pytest.approx(0.4)


def test_a_kind_that_a_member_told_they_dislike_is_nothing_to_them_unless_it_is_asked_for() -> None:
    told = Taste(wishes={FOOD: Request(domain=FOOD, exclude=Exclude(cuisine=("indian",), titles=("죽",)))})
    assert satisfaction(rated(cuisine="indian"), Request(), told) == 0.0
    assert satisfaction(rated(cuisine="indian"), Request(cuisine=("indian",)), told) == 0.8
    assert satisfaction(rated(cuisine="korean"), Request(), told) == 0.8


def test_a_request_for_hot_food_does_not_make_it_bearable_for_who_eats_mild() -> None:
    """The request overrules one's own limit; for a group it was made by somebody else."""
    wanted = Request(spicy=Range(2, None), splurge=True)
    assert satisfaction(rated(spicy=3), wanted, Taste(spicy=1)) == 0.0
    assert satisfaction(rated(price=3), wanted, Taste(price=2)) == 0.0
    assert satisfaction(rated(spicy=3), wanted, Taste(spicy=3, price=3)) == 0.8


def wishing(**sets: Any) -> Taste:
    return Taste(wishes={BOOK: Request(domain=BOOK, **sets)})


def test_only_effects_that_all_wish_are_common() -> None:
    one = wishing(effects=("comfort", "laughter"), moods=("sad",), situations=("alone",))
    two = wishing(effects=("laughter",), moods=("sad",), situations=("alone",))
    assert common([one, two], BOOK) == wishing(effects=("laughter",))
    assert common([one, two], MOVIE) == common([one, Taste()], BOOK) == Taste()


async def picked(
    recommender: Recommender, request: Request, *tastes: Taste, **more: Any
) -> GroupRecommendation:
    return await recommender.recommend_group(request, tastes, **more)


async def items_of(recommender: Recommender, found: GroupRecommendation) -> list[Item]:
    known = await recommender.items([pick.id for pick in found.picks])
    return [known[pick.id] for pick in found.picks]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_the_allergy_and_the_age_of_one_bind_all(recommender: Recommender, strategy: Strategy) -> None:
    careless = Taste(liked=("food:kimchi-jjigae",))
    allergic = Taste(allergens=("shrimp", "wheat"), avoid=("sesame",))
    food = Request(text="저녁", domain=FOOD, count=10)
    for tastes in ((careless, allergic), (allergic, careless), (careless, careless, allergic)):
        found = await items_of(recommender, await picked(recommender, food, *tastes, strategy=strategy))
        assert found
        for item in found:
            assert item.allergens is not None
            assert not {"shrimp", "wheat"} & set(item.allergens)
            assert not any("참깨" in each or "참기름" in each for each in item.ingredients)
    film = Request(text="스릴러", domain=MOVIE, count=10)
    for item in await items_of(recommender, await picked(recommender, film, Taste(), Taste(age=13), strategy=strategy)):  # fmt: skip
        assert item.age is not None
        assert item.age <= 13


async def test_what_one_never_wants_again_no_strategy_brings_back(recommender: Recommender) -> None:
    request = Request(text="기생충", domain=MOVIE, items=("movie:parasite-2019",))
    found = await picked(recommender, request, Taste(), Taste(never=("movie:parasite-2019",)))
    assert "movie:parasite-2019" not in [pick.id for pick in found.picks]
    assert found.blocked == ("기생충",)


async def test_strategies_disagree_where_members_do(recommender: Recommender) -> None:
    """One who dislikes the favourite of three pulls it down by least misery, and hardly by the average."""
    fan = Taste(liked=("movie:the-wailing-2016", "movie:exhuma-2024"))
    request = Request(text="귀신 나오는 무서운 영화", domain=MOVIE, genres=("horror",))
    first = (await picked(recommender, request, fan, fan, fan)).picks[0].id
    hater = Taste(disliked=(first,))
    mild = await picked(recommender, request, fan, fan, fan, hater, strategy="least_misery")
    assert first != mild.picks[0].id
    even = await picked(recommender, request, *[fan] * 9, hater, strategy="average")
    assert first in [pick.id for pick in even.picks]


async def test_a_pick_comes_with_the_group_score_the_mean_and_the_least(recommender: Recommender) -> None:
    request = Request(text="비 오는 날", domain=MOVIE)
    tastes = (wishing(), Taste(disliked=("movie:parasite-2019",)), Taste(liked=("movie:la-la-land-2016",)))
    for strategy in STRATEGIES:
        found = await picked(recommender, request, *tastes, strategy=strategy)
        assert len(found.picks) == len(found.mean) == len(found.least) == 3
        for pick, mean, least in zip(found.picks, found.mean, found.least, strict=True):
            assert 0.0 <= least <= mean <= 1.0
            assert 1 <= pick.fit <= 10
            expected = {"average": mean, "least_misery": least, "average_without_misery": mean}
            assert pick.score == pytest.approx(expected.get(strategy, pick.score))


async def test_a_group_of_one_is_served_as_that_one_alone(recommender: Recommender) -> None:
    taste = taste_of({"movie": {"themes": ["twist"], "mood": ["bored"]}}, [("like", "movie:parasite-2019")])
    for text, genre in (
        ("비 오는 날 볼 영화", "drama"),
        ("가족과 볼 영화", "animation"),
        ("밤에", "thriller"),
    ):
        request = Request(text=text, domain=MOVIE, genres=(genre,), effects=("empathy",), count=5)
        alone = await recommender.recommend(request, taste, seed=5)
        found = await picked(recommender, request, taste, seed=5)
        assert [pick.id for pick in found.picks] == [pick.id for pick in alone.picks]
        assert [pick.fit for pick in found.picks] == [pick.fit for pick in alone.picks]


async def test_a_group_of_nobody_gets_picks_for_anybody(recommender: Recommender) -> None:
    assert len((await picked(recommender, Request(text="소설", domain=BOOK))).picks) == 3


async def test_without_a_domain_each_gives_one(recommender: Recommender) -> None:
    found = await picked(recommender, Request(text="심심해"), Taste(allergens=("egg",)), Taste())
    assert {pick.domain for pick in found.picks} == set(Domain)
    assert len((await picked(recommender, Request(text="심심해"), Taste(), count=2)).picks) == 2


async def test_several_domains_asked_for_at_once_each_give_their_share(recommender: Recommender) -> None:
    request = Request(text="주말에", among=(MOVIE, FOOD), count=4)
    found = await picked(recommender, request, Taste(), Taste())
    assert [pick.domain for pick in found.picks] == [MOVIE, MOVIE, FOOD, FOOD]


async def test_limits_that_leave_nothing_say_which_rule_of_the_request_stands_in_the_way(
    recommender: Recommender,
) -> None:
    request = Request(text="매운 라면", domain=FOOD, cuisine=("western",), spicy=Range(3, None))
    found = await picked(recommender, request, Taste(allergens=("wheat", "soy", "milk", "egg")), Taste())
    assert found.picks == ()
    assert set(found.loosen) <= {"cuisine", "spicy"}
    assert found.mean == found.least == ()


async def test_that_everything_hurts_somebody_is_told(recommender: Recommender) -> None:
    request = Request(text="소설", domain=BOOK)
    every = tuple(item.id for item in await recommender.catalog(BOOK))
    one, two = Taste(disliked=every[::2]), Taste(disliked=every[1::2])
    found = await picked(recommender, request, one, two, strategy="average_without_misery")
    assert found.picks
    assert found.resigned
    assert set(found.least) == {0.0}
    few = Taste(disliked=every[:3])
    assert not (await picked(recommender, request, few, few, strategy="average_without_misery")).resigned


async def test_each_member_brings_candidates_that_nobody_else_would_find(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a large catalog the favourites of a quiet member would not be among the few that a search returns."""
    monkeypatch.setattr(candidates, "POOL", 4)
    index, embedder = recommender.index, recommender.embedder
    request = Request(text="오늘 볼 것", domain=MOVIE)
    tastes = [Taste(liked=(liked,)) for liked in ("movie:exhuma-2024", "movie:toy-story-1995", "movie:la-la-land-2016")]  # fmt: skip
    assert len(await index.get([taste.liked[0] for taste in tastes])) == 3
    alone = [{c.item.id for c in await gather(index.now(), embedder, request, taste, 1)} for taste in tastes]
    assert len(set.union(*alone)) > len(alone[0])
    pools = await gather_for(index.now(), embedder, request, tastes, 1)
    for pool, own in zip(pools, alone, strict=True):
        assert {c.item.id for c in pool} == set.union(*alone)
        assert {c.item.id for c in pool if c.places} == own


async def test_a_hundred_members_cost_eight_searches_and_strangers_one(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch, catalog_items: tuple[Item, ...]
) -> None:
    """A search a member made a group of a hundred wait for seconds."""
    searches = 0

    async def counted(*args: Any) -> list[Candidate]:
        nonlocal searches
        searches += 1
        return await gather(*args)

    monkeypatch.setattr(group, "gather", counted)
    films = [item.id for item in catalog_items if item.domain is MOVIE]
    tastes = [Taste(liked=(films[n % 60], films[n * 7 % 60]), age=19 + n) for n in range(100)]
    request = Request(text="같이 볼 영화", domain=MOVIE)
    assert len((await picked(recommender, request, *tastes)).picks) == 3
    assert searches == group.GATHERS
    searches = 0
    await picked(recommender, request, *[Taste(age=20 + n) for n in range(100)])
    assert searches == 1


SECRETS = ("새우", "shrimp", "땅콩", "peanut", "기생충", "parasite", "숙취", '"hangover"', "실연", "우울", "sad", "채식", "키위", "kiwi", "비밀")  # fmt: skip


async def test_nothing_that_leaves_tells_of_one_member(recommender: Recommender) -> None:
    """Not in words, not in the stored trace: a survey's mood, an allergy, a liked title, a typed sentence."""
    open_ = taste_of(
        {
            "movie": {"mood": ["sad"], "themes": ["twist"], "people": ["송강호"]},
            "food": {"allergies": ["shrimp", "peanut", "other.kiwi"], "mood": ["sad"], "body": ["hangover"]},
            "book": {"mood": ["sad"], "job": ["실연하고 비밀을 지키는 사람"]},
        },
        [("like", "movie:parasite-2019"), ("never", "movie:parasite-2019")],
    )
    for request in (Request(text="같이 볼 것", domain=MOVIE), Request(text="점심", domain=FOOD), Request(text="책", domain=BOOK)):  # fmt: skip
        for strategy in STRATEGIES:
            for tastes in ((open_, Taste()), (Taste(), open_, open_)):
                found = await picked(recommender, request, *tastes, strategy=strategy, seed=2)
                assert found.picks
                told = found.to_dict()
                for pick in told["picks"]:
                    pick.pop("reason")  # an item's own pitch may hold such a word; see the test below
                    pick.pop("facts")
                    assert not [ground for ground in pick["grounds"] if ground.startswith("taste.")]
                text = json.dumps(told, ensure_ascii=False)
                assert [secret for secret in SECRETS if secret in text] == []
                assert "송강호" not in text


async def test_a_reason_is_what_it_would_be_for_people_of_whom_nothing_is_known(
    recommender: Recommender,
) -> None:
    """Who knows the others of a group could read from a reason whose taste it speaks of."""
    known = taste_of(
        {
            "book": {
                "mood": ["lonely"],
                "effect": ["comfort"],
                "situation": ["bedtime"],
                "immersion": ["light"],
            }
        },
        [("like", "book:almond"), ("like", "book:the-vegetarian")],
    )
    other = taste_of({"book": {"mood": ["lonely"], "effect": ["thrill"], "situation": ["bedtime"]}}, [])
    request = Request(text="한국 소설", domain=BOOK, country=("KR",), count=8)
    strangers = {
        p.id: p.grounds for p in (await picked(recommender, request, Taste(), Taste(), count=400)).picks
    }
    shared = [
        pick for pick in (await picked(recommender, request, known, other)).picks if pick.id in strangers
    ]
    assert len(shared) >= 5
    for pick in shared:
        assert pick.grounds == strangers[pick.id]


async def test_what_all_wish_may_be_spoken_of(recommender: Recommender) -> None:
    taste = taste_of({"book": {"effect": ["comfort"]}}, [])
    found = await picked(recommender, Request(domain=BOOK), taste, taste, taste)
    assert any(ground.startswith("effects.comfort|") for pick in found.picks for ground in pick.grounds)


async def test_a_stored_answer_is_json_with_the_strategy_in_its_policy(recommender: Recommender) -> None:
    found = await picked(recommender, Request(text="영화", domain=MOVIE), Taste(), Taste(), strategy="borda")
    told = json.loads(json.dumps(found.to_dict()))
    assert told["strategy"] == "borda"
    assert told["trace"]["policy"].endswith(".borda")
    assert len(told["mean"]) == len(told["least"]) == len(told["trace"]["propensity"]) == 3
    assert {pick.id for pick in found.picks} <= set(found.trace.eligible)
    assert {"gather", "rank", "suggest"} <= set(found.trace.stages)


async def test_what_all_wish_is_not_spoken_of_where_others_read_it(recommender: Recommender) -> None:
    """Of one alone, or of two, it tells the wish of each."""
    tastes = [wishing(effects=("comfort",))] * 2
    request = Request(text="책", domain=BOOK, count=10)
    found = await picked(recommender, request, *tastes, aloud=False)
    assert found.picks
    assert not [ground for pick in found.picks for ground in pick.grounds if ground.startswith("effects.")]


async def test_of_items_those_that_somebody_may_have_are_told(recommender: Recommender) -> None:
    """Keeps away a word of caution that passes over what is not on the label list, or cannot be checked."""
    shrimp = Request(text="새우 요리", domain=FOOD, ingredients=("새우",), count=10)
    ids = [pick.id for pick in (await picked(recommender, shrimp, Taste())).picks]
    ids += [pick.id for pick in (await picked(recommender, Request(text="책", domain=BOOK), Taste())).picks]
    known = await recommender.items(ids)
    for taste in (Taste(allergens=("shrimp",)), Taste(avoid=("새우",)), Taste(diet=("vegan",))):
        suiting = await recommender.suiting(ids, taste)
        assert {key for key in ids if key.startswith("book:")} <= suiting
        assert not [key for key in suiting if any("새우" in each for each in known[key].ingredients)]
    assert await recommender.suiting(ids, Taste()) == set(ids)
    assert await recommender.suiting([], Taste(diet=("vegan",))) == set()
