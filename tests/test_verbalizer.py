"""Candidates judged by letters: the scores, and the order that they make."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.item import Domain, Item
from engine.breaker import Breaker
from engine.candidates import Candidate
from engine.completion import Unavailable
from engine.llm import LLM
from engine.ranking import Ranked, choose, reordered
from engine.request import Request
from engine.verbalizer import LETTERS, Judgement, judged, lettered, scores
from tests.openais import Answer, OpenAIs, nowhere, serving

ASKED = Request(text="위로가 되는 책", domain=Domain.BOOK)


def ranked(count: int, **stale: float) -> list[Ranked]:
    """Candidates with falling scores: book:k0 is the best."""
    found = []
    for at in range(count):
        item = Item.model_validate({"id": f"book:k{at}", "domain": "book", "title": f"책{at}"})
        vector = np.zeros(max(count, 1), dtype=np.float32)
        vector[at] = 1.0
        score = 0.9 - at * 0.9 / max(count, 1)
        parts = {"wishes": 0.5, "stale": stale.get(f"k{at}", 0.0)}
        found.append(Ranked(Candidate(item, vector, {"vector": at}), score, 0.5, (), score, parts=parts))
    return found


def ids(order: list[Ranked]) -> list[str]:
    return [each.item.id.removeprefix("book:k") for each in order]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIs]:
    async with serving() as made:
        yield made


def by_title(body: dict[str, Any]) -> Answer:
    """A model that likes the candidates by their number, the last one most, wherever they stand."""
    lines = body["messages"][1]["content"].split("\n")
    numbers = {line[0]: int(line[4:].split(":")[0]) for line in lines if line[1:4] == ". 책"}
    return Answer(
        letters={f" {letter}": float(number - max(numbers.values())) for letter, number in numbers.items()}
    )


async def test_the_models_order_decides_wherever_the_candidates_stood(server: OpenAIs) -> None:
    """Keeps away a ranking that is the order of the alphabet."""
    server.otherwise = by_title
    llm = LLM(server.url)
    first: set[str] = set()
    for seed in range(6):
        before = ranked(20)
        found = await judged(llm, before, ASKED, [], [], "ko", seed=seed, budget=20.0)
        assert ids(reordered(before, found.scores)) == [str(n) for n in range(19, -1, -1)]
        assert (found.model, found.adapter, found.prompt_tokens) == ("rank", "rank", 11)
        first |= {line for line in server.asked[-1]["messages"][1]["content"].split("\n") if line[:2] == "A."}
    assert len(first) > 2
    await llm.close()


async def test_the_same_seed_asks_the_same(server: OpenAIs) -> None:
    server.otherwise = by_title
    llm = LLM(server.url)
    for _ in range(2):
        await judged(llm, ranked(9), ASKED, [], [], "ko", seed=3, budget=20.0)
    assert server.asked[0] == server.asked[1]
    await llm.close()


@pytest.mark.parametrize("letters", [{"네": -0.1, "Ω": -2.0}, {"네": -0.1, "A": -4.0, "B": -5.0}])
async def test_no_letters_and_no_worker_are_no_judgement(server: OpenAIs, letters: dict[str, float]) -> None:
    """Gemma 3 270M, not tuned, would rather begin its answer with "<": the letter that came with 1 % is chance."""
    server.otherwise = Answer(letters=letters)
    llm = LLM(server.url)
    with pytest.raises(Unavailable) as raised:
        await judged(llm, ranked(4), ASKED, [], [], "ko", seed=1, budget=20.0)
    assert raised.value.kind == "garbage"
    assert llm.counts["garbage"] == 1
    await llm.close()
    away = LLM(nowhere(), breaker=Breaker(first=60.0))
    with pytest.raises(Unavailable):
        await judged(away, ranked(4), ASKED, [], [], "ko", seed=1, budget=20.0)
    await away.close()


@pytest.mark.parametrize("count", [0, 1])
async def test_nothing_to_choose_between_is_not_asked(count: int) -> None:
    llm = LLM(nowhere())
    assert await judged(llm, ranked(count), ASKED, [], [], "ko", seed=1, budget=20.0) == Judgement()
    assert llm.counts == {}


def test_scores_by_hand() -> None:
    """e^-1 and e^-2 of what came back, and half of the lesser for what did not."""
    found = scores({"A": -1.0, "C": -2.0}, ["a", "b", "c"])
    share = math.exp(-2) / (math.exp(-1) + math.exp(-2))
    assert found == pytest.approx({"a": 1 - share, "b": share / 2, "c": share})
    assert list(found) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("logprobs", "count", "order"),
    [({"B": -0.1, "A": -3.0}, 3, ["b", "a", "c"]), ({"A": 0.0, "B": -9999.0}, 3, ["a", "b", "c"]),
     ({"C": -500.0, "B": -501.0}, 3, ["c", "b", "a"]), ({"Z": -0.1}, 3, []), ({}, 3, []), ({"C": -1.0}, 2, [])],
)  # fmt: skip
def test_what_did_not_come_back_is_below_what_did(
    logprobs: dict[str, float], count: int, order: list[str]
) -> None:
    found = scores(logprobs, ["a", "b", "c"][:count])
    assert sorted(found, key=lambda each: (-found[each], each)) == order
    came = [score for each, score in found.items() if each.upper() in logprobs]
    assert all(score < min(came) for each, score in found.items() if each.upper() not in logprobs)


@given(
    st.dictionaries(st.sampled_from(LETTERS), st.floats(-10_000, 0.0), min_size=1, max_size=20),
    st.integers(1, 20),
)
def test_scores_are_probabilities_in_the_models_order(logprobs: dict[str, float], count: int) -> None:
    names = [f"k{n}" for n in range(count)]
    found = scores(logprobs, names)
    came = {n: logprobs[letter] for letter, n in zip(LETTERS, names, strict=False) if letter in logprobs}
    assert set(found) == (set(names) if came else set())
    assert all(0.0 < score <= 1.0 for score in found.values())
    if came:
        assert sum(found[n] for n in came) == pytest.approx(1.0)
        assert found[max(came, key=lambda n: came[n])] == max(found.values())
        assert all(found[n] < min(found[c] for c in came) for n in names if n not in came)


def test_reordering_by_hand() -> None:
    before = ranked(5)
    after = reordered(before, {"book:k0": 0.1, "book:k1": 0.2, "book:k3": 0.7})
    assert ids(after) == ["3", "1", "2", "0", "4"]
    assert [each.score for each in after] == [each.score for each in before]
    assert [each.merit for each in after] == [before[int(at)].merit for at in ids(after)]
    assert [each.parts.get("model") for each in after] == [0.7, 0.2, None, 0.1, None]
    assert "model" not in before[0].parts
    assert [each.fit for each in after] == [before[int(at)].fit for at in ids(after)]


def test_where_the_model_sees_no_difference_the_former_order_holds() -> None:
    before = ranked(4)
    assert ids(reordered(before, {each.item.id: 0.25 for each in before})) == ids(before)
    assert reordered(before, {}) == before
    assert reordered([], {"book:k0": 1.0}) == []


@settings(max_examples=50)
@given(st.integers(0, 30), st.dictionaries(st.integers(0, 35), st.floats(0, 1)), st.integers(0, 9))
def test_nothing_is_lost_and_scores_stay_in_order(count: int, likes: dict[int, float], picks: int) -> None:
    before = ranked(count)
    after = reordered(before, {f"book:k{at}": like for at, like in likes.items()})
    assert Counter(ids(after)) == Counter(ids(before))
    values = [each.score for each in after]
    assert values == sorted(values, reverse=True)
    assert all(0.0 <= value <= 1.0 for value in values)
    told = [likes[int(at)] for at in ids(after) if int(at) in likes]
    assert told == sorted(told, reverse=True)
    chosen = choose(after, picks, seed=1)
    assert ids(chosen) == ids(after)[:picks]  # nothing here is like anything else, so the order alone decides


def test_what_was_asked_for_by_name_or_shown_lately_keeps_its_place() -> None:
    """Keeps away yesterday's pick on top again, and a title asked for that sinks below its likes."""
    before = ranked(24, k3=0.3)
    before[0].candidate.places["named"] = 0
    items = lettered(before, seed=1)
    assert len(items) == 20
    assert {item.id for item in items} == {f"book:k{n}" for n in range(1, 22) if n != 3}
    after = reordered(before, {item.id: float(item.id[6:]) / 100 for item in items})
    assert ids(after)[0] == "0"
    assert ids(after)[3] == "3"
    assert ids(after)[-2:] == ["22", "23"]
    assert ids(after)[1] == "21"


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_every_seed_shuffles_all_of_them(seed: int) -> None:
    before = ranked(12)
    items = lettered(before, seed)
    assert {item.id for item in items} == {each.item.id for each in before}
    assert items == lettered(before, seed)
