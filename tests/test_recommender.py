"""Recommendations from end to end over the shipped catalog."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import Any

import pytest

from data.item import Domain, Item
from engine.loosening import LOOSENED
from engine.quantities import Range
from engine.ranking import EXPLORE
from engine.recommender import Recommender
from engine.request import Exclude, Request
from engine.taste import Taste
from engine.trace import POLICY

BOOK, MOVIE, FOOD = Domain.BOOK, Domain.MOVIE, Domain.FOOD
SAD = Request(text="우울한데 웃긴 영화", domain=MOVIE, moods=("sad",), effects=("laughter",))


@pytest.mark.parametrize("method", [1, 2])
@pytest.mark.parametrize("language", ["ko", "en"])
async def test_an_answer_is_whole(
    recommender: Recommender, catalog_items: tuple[Item, ...], method: Any, language: Any
) -> None:
    answer = await recommender.recommend(SAD, Taste(), method=method, seed=4, language=language)
    by_id = {item.id: item for item in catalog_items}
    assert len(answer.picks) == 3
    assert len({pick.id for pick in answer.picks}) == 3
    for pick in answer.picks:
        item = by_id[pick.id]
        assert pick.domain is MOVIE
        assert "laughter" in item.effects
        assert pick.title == (item.title if language == "ko" else item.title_en)
        assert any(pitch in pick.reason for pitch in (item.pitch if language == "ko" else item.pitch_en))
        assert pick.benefit
        assert pick.facts
        assert pick.grounds
        assert 0 <= pick.score <= 1
        assert 1 <= pick.fit <= 10
        assert pick.url == item.url
    assert 2 <= len(answer.followups) <= 3
    assert answer.loosen == ()


@pytest.mark.parametrize("method", [1, 2])
async def test_the_trace_tells_how_the_answer_came_about(recommender: Recommender, method: Any) -> None:
    """An exposure whose trace lacks the eligible set cannot be learnt from."""
    answer = await recommender.recommend(SAD, Taste(), method=method, seed=4)
    trace = answer.trace
    assert (trace.policy, trace.method, trace.seed, trace.index_version) == (POLICY, method, 4, 1)
    assert {pick.id for pick in answer.picks} <= set(trace.eligible)
    assert len(trace.eligible) == len(set(trace.eligible))
    assert trace.propensity == (1.0, 1.0, 1.0)
    assert {"gather", "rank", "write", "suggest"} <= set(trace.stages)
    assert all(taken >= 0 for taken in trace.stages.values())
    assert {row["id"] for row in trace.candidates} <= set(trace.eligible)
    for row in trace.candidates:
        assert row["sources"]
        assert {"id", "sources", "score", "wishes", "found", "taste", "stale"} <= set(row)
    assert (trace.model, trace.adapter, trace.prompt_tokens, trace.completion_tokens) == (
        "embedded",
        None,
        0,
        0,
    )


async def test_an_answer_becomes_json(recommender: Recommender) -> None:
    answer = await recommender.recommend(SAD, Taste(), seed=1)
    raw = json.loads(json.dumps(answer.to_dict(), ensure_ascii=False))
    assert raw["request"] == SAD.to_dict()
    assert [pick["id"] for pick in raw["picks"]] == [pick.id for pick in answer.picks]
    assert {"id", "domain", "title", "score", "fit", "reason", "benefit", "facts", "url"} <= set(
        raw["picks"][0]
    )
    assert set(raw["followups"][0]) == {"label", "data"}


async def test_without_a_domain_each_domain_gives_one(recommender: Recommender) -> None:
    answer = await recommender.recommend(Request(text="우울해", moods=("sad",)), Taste(), seed=2)
    assert {pick.domain for pick in answer.picks} == set(Domain)
    assert [pick.score for pick in answer.picks] == sorted((p.score for p in answer.picks), reverse=True)
    assert len(answer.trace.propensity) == 3


async def test_without_a_domain_the_count_is_kept_and_rules_hold(recommender: Recommender) -> None:
    one = await recommender.recommend(Request(moods=("sad",), count=1), Taste())
    assert len(one.picks) == 1
    korean_sf = Request(genres=("sf",), country=("KR",))
    answer = await recommender.recommend(korean_sf, Taste())
    assert {pick.domain for pick in answer.picks} == {BOOK, MOVIE}


async def test_fewer_than_asked_are_given_when_fewer_fit(
    recommender: Recommender, catalog_items: tuple[Item, ...]
) -> None:
    fits = {item.id for item in catalog_items if "봉준호" in item.creators}
    answer = await recommender.recommend(
        Request(text="봉준호", domain=MOVIE, creators=("봉준호",), count=10), Taste()
    )
    assert {pick.id for pick in answer.picks} == fits
    assert len(fits) < 10


@pytest.mark.parametrize(
    "request_",
    [
        Request(domain=MOVIE, creators=("봉준호",), genres=("western",)),
        Request(domain=FOOD, cuisine=("korean",), kcal=Range(None, 1)),
        Request(domain=BOOK, genres=("sf",), years=Range(None, 1900), length=Range(None, 10)),
        Request(domain=FOOD, spicy=Range(3, None), diet=("vegan",), kcal=Range(None, 20)),
        Request(domain=MOVIE, genres=("western",), exclude=Exclude(genres=("western",))),
    ],
)
async def test_when_nothing_fits_only_rules_that_help_are_offered_to_loosen(
    recommender: Recommender, request_: Request
) -> None:
    """Offering to drop a rule that changes nothing sends the person round in a circle."""
    answer = await recommender.recommend(request_, Taste())
    assert answer.picks == ()
    for rule in LOOSENED:
        looser = request_.without(rule)
        found = (await recommender.recommend(looser, Taste())).picks if looser != request_ else ()
        assert (rule in answer.loosen and not answer.jointly) == bool(found), rule
    if answer.jointly:
        loosest = functools.reduce(Request.without, answer.loosen, request_)
        assert (await recommender.recommend(loosest, Taste())).picks
        for kept in answer.loosen:
            without = [rule for rule in answer.loosen if rule != kept]
            still = functools.reduce(Request.without, without, request_)
            assert not (await recommender.recommend(still, Taste())).picks, kept


async def test_a_limit_of_the_person_is_never_offered_to_loosen(recommender: Recommender) -> None:
    taste = Taste(allergens=("pork", "wheat", "soy", "shrimp"))
    request = Request(
        text="짜장면", domain=FOOD, items=("food:jajangmyeon",), cuisine=("chinese",), spicy=Range(3, None)
    )
    answer = await recommender.recommend(request, taste)
    assert answer.picks == ()
    assert not set(answer.loosen) & {"allergens", "avoid", "diet", "age"}


@pytest.mark.parametrize("domain", list(Domain))
async def test_history_moves_the_picks(recommender: Recommender, domain: Domain) -> None:
    request = Request(text="오늘 볼 것", domain=domain, count=10)
    plain = await recommender.recommend(request, Taste(), seed=1)
    liked = Taste(liked=(plain.picks[-1].id,))
    moved = await recommender.recommend(request, liked, seed=1)
    assert [pick.id for pick in moved.picks] != [pick.id for pick in plain.picks]
    disliked = await recommender.recommend(request, Taste(disliked=(plain.picks[0].id,)), seed=1)
    assert plain.picks[0].id not in {pick.id for pick in disliked.picks}


async def test_the_same_request_again_shows_others_once_shown(recommender: Recommender) -> None:
    request = Request(text="위로가 되는 책", domain=BOOK, effects=("comfort",))
    first = await recommender.recommend(request, Taste(), seed=1)
    shown = Taste(shown=tuple(pick.id for pick in first.picks))
    again = await recommender.recommend(request, shown, seed=1)
    assert not {pick.id for pick in first.picks} & {pick.id for pick in again.picks}


async def test_one_seed_gives_one_answer(recommender: Recommender) -> None:
    one, other = [await recommender.recommend(SAD, Taste(), seed=9) for _ in range(2)]
    assert one.picks == other.picks
    assert replace(one.trace, stages={}) == replace(other.trace, stages={})


async def test_an_open_request_varies_from_day_to_day(recommender: Recommender) -> None:
    answers = [
        await recommender.recommend(Request(text="영화", domain=MOVIE), Taste(), seed=n) for n in range(6)
    ]
    assert len({answer.picks[0].id for answer in answers}) > 1


async def test_only_live_answers_explore_and_only_in_the_last_position(recommender: Recommender) -> None:
    request = Request(text="영화", domain=MOVIE, genres=("drama",))
    tried = 0
    for seed in range(25):
        calm = await recommender.recommend(request, Taste(), seed=seed)
        live = await recommender.recommend(request, Taste(), seed=seed, live=True)
        assert calm.trace.propensity == (1.0, 1.0, 1.0)
        assert [pick.id for pick in live.picks[:2]] == [pick.id for pick in calm.picks[:2]]
        assert live.trace.propensity[:2] == (1.0, 1.0)
        if live.picks[2].id != calm.picks[2].id:
            tried += 1
            assert live.trace.propensity[2] <= EXPLORE
    assert 1 <= tried <= 15


async def test_a_named_work_comes_first(recommender: Recommender) -> None:
    answer = await recommender.recommend(
        Request(text="기생충", domain=MOVIE, items=("movie:parasite-2019",)),
        Taste(shown=("movie:parasite-2019",)),
    )
    assert answer.picks[0].id == "movie:parasite-2019"


@pytest.mark.parametrize("item", ["movie:interstellar-2014", "book:almond", "food:kimchi-jjigae"])
async def test_similar_works_are_of_the_same_domain_and_not_the_work_itself(
    recommender: Recommender, item: str
) -> None:
    last = Request(
        text="한국 것", domain=FOOD, country=("KR",), count=2, exclude=Exclude(items=("book:maus",))
    )
    request = await recommender.similar(item, last)
    assert (request.like, request.domain, request.count) == ((item,), item.split(":")[0], 2)
    assert request.country == ()
    answer = await recommender.recommend(request, Taste())
    assert len(answer.picks) == 2
    assert all(pick.domain == request.domain and pick.id != item for pick in answer.picks)
    assert any("named.like" in ground for ground in answer.picks[0].grounds)


async def test_a_work_like_a_science_fiction_film_is_science_fiction(recommender: Recommender) -> None:
    answer = await recommender.recommend(
        Request(text="인터스텔라 같은 영화", domain=MOVIE, like=("movie:interstellar-2014",)), Taste()
    )
    items = await recommender.items([pick.id for pick in answer.picks])
    assert all("sf" in item.genres for item in items.values())


async def test_something_similar_to_what_is_gone_keeps_the_domain(recommender: Recommender) -> None:
    request = await recommender.similar("movie:gone", Request(domain=MOVIE))
    assert request.domain is MOVIE
    assert (await recommender.recommend(request, Taste())).picks


async def test_a_grid_holds_what_can_be_shown_newest_first(recommender: Recommender) -> None:
    books = await recommender.catalog(BOOK)
    assert len(books) >= 60
    years = [item.year or 0 for item in books]
    assert years == sorted(years, reverse=True)


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("봉준호랑 송강호", ["봉준호", "송강호"]),
        ("봉준후", ["봉준호"]),
        ("아무도", []),
        ("기생충", []),
        ("", []),
    ],
)
async def test_people_are_found_in_a_typed_answer(
    recommender: Recommender, text: str, people: list[str]
) -> None:
    assert recommender.people_in(text) == people
