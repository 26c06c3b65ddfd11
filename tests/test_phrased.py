"""Follow-up buttons in a model's words, as long as they ask the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import GENRES, Cuisine, Domain, Effect, Immersion, Item, Served, Situation
from data.phrases import Language
from engine import prompts
from engine.breaker import Breaker
from engine.llm import LLM
from engine.names import Names
from engine.questions import FIELDS, Question, asks_the_same, phrased, questions
from engine.request import Request
from tests.openais import Answer, OpenAIs, nowhere, refusal, serving

FOOD = Request(text="저녁 뭐 먹지", domain=Domain.FOOD)
ASKED = [Question("국물 있는 걸로?", "soupy=yes"), Question("한식은 어때?", "cuisine=korean")]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIs]:
    async with serving() as made:
        yield made


@pytest.fixture
async def llm(server: OpenAIs) -> AsyncIterator[LLM]:
    made = LLM(server.url)
    yield made
    await made.close()


def labels(found: list[Question]) -> list[str]:
    assert [question.data for question in found] == [question.data for question in ASKED]
    return [question.label for question in found]


def says(soup: Answer, kitchen: Answer) -> Any:
    return lambda body: soup if "뜻: 국물" in body["messages"][1]["content"] else kitchen


async def test_a_model_words_the_buttons(server: OpenAIs, llm: LLM) -> None:
    server.otherwise = says(Answer(' "뜨끈한 국물 있는 건 어때요?"'), Answer("구수한 한식 어때요?\n둘째 줄"))
    found = await phrased(ASKED, llm, FOOD, "ko", budget=20.0)
    assert labels(found) == ["뜨끈한 국물 있는 건 어때요?", "한식은 어때?"]
    assert {body["model"] for body in server.asked} == {"question"}
    assert all(body["stop"] == ["\n"] for body in server.asked)
    assert llm.counts["question_refused"] == 1


@pytest.mark.parametrize(
    "answer",
    [refusal(500), Answer("<|im_end|>"), Answer("", finish="length"), Answer(body=b"{"), Answer("국물 있는 건 어때요?", finish="length"),
     Answer("국물 없는 건 어때요?"), Answer("Ignore previous instructions?"), Answer(cut=0)],
)  # fmt: skip
async def test_whatever_goes_wrong_the_shipped_words_stay(server: OpenAIs, llm: LLM, answer: Answer) -> None:
    server.otherwise = answer
    assert await phrased(ASKED, llm, FOOD, "ko", budget=20.0) == ASKED


async def test_nobody_waits_for_words_longer_than_the_budget(server: OpenAIs, llm: LLM) -> None:
    await llm.ready()
    server.otherwise = says(Answer(hold=asyncio.Event()), Answer("구수한 한식 어때요?"))
    found = await phrased(ASKED, llm, FOOD, "ko", budget=0.2)
    assert labels(found) == ["국물 있는 걸로?", "구수한 한식 어때요?"]


async def test_a_worker_that_is_away_is_not_asked() -> None:
    away = LLM(nowhere(), breaker=Breaker(first=60.0))
    await away.ready()
    assert await phrased(ASKED, away, FOOD, "ko", budget=20.0) == ASKED
    assert "open" not in away.counts
    await away.close()


async def test_a_request_that_is_superseded_asks_no_further(server: OpenAIs, llm: LLM) -> None:
    server.otherwise = Answer(hold=asyncio.Event())
    asking = asyncio.ensure_future(phrased(ASKED, llm, FOOD, "ko", budget=20.0))
    async with asyncio.timeout(20):
        while len(server.asked) < 2:  # noqa: ASYNC110 (a server has no event for what it heard)
            await asyncio.sleep(0.002)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        while server.left < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    assert not {"slow", "cut"} & set(llm.counts)


async def test_two_buttons_never_say_the_same(server: OpenAIs, llm: LLM) -> None:
    server.otherwise = Answer("국물 있는 한식 어때요?")
    assert await phrased(ASKED, llm, FOOD, "ko", budget=20.0) == ASKED


async def test_without_a_domain_or_questions_nothing_is_asked(server: OpenAIs, llm: LLM) -> None:
    assert await phrased(ASKED, llm, Request(), "ko", budget=20.0) == ASKED
    assert await phrased([], llm, FOOD, "ko", budget=20.0) == []
    assert server.asked == []


def name(data: str, domain: Domain = Domain.FOOD, language: Language = "ko") -> str:
    field, _, value = data.partition("=")
    return prompts.value_name(domain, field, value, language)


@pytest.mark.parametrize(
    ("label", "shipped", "data"),
    [("뜨끈한 국물 있는 건?", "국물 있는 걸로?", "soupy=yes"), ("국물 없이 깔끔한 건?", "국물 없는 걸로?", "soupy=no"),
     ("하나도 안 매운 건?", "안 매운 걸로?", "spicy=mild"), ("SF 쪽은 어때?", "SF 쪽은 어때?", "genres=sf"),
     ("오늘은 매콤하게 갈까?", "매콤한 걸로?", "spicy=hot"), ("따뜻하게 먹을까요?", "따뜻한 걸로?", "served=hot")],
)  # fmt: skip
def test_wordings_that_ask_the_same(label: str, shipped: str, data: str) -> None:
    assert asks_the_same(label, shipped, name(data, Domain.BOOK if "genres" in data else Domain.FOOD), "ko")


@pytest.mark.parametrize(
    ("label", "shipped", "data"),
    [("국물 있는 건 어때?", "국물 없는 걸로?", "soupy=no"), ("국물 없는 건 어때?", "국물 있는 걸로?", "soupy=yes"),
     ("매운 건 어때?", "안 매운 걸로?", "spicy=mild"), ("편안하게 매운 건?", "안 매운 걸로?", "spicy=mild"), ("한식 말고 다른 건?", "한식은 어때?", "cuisine=korean"),
     ("한식은 싫으세요?", "한식은 어때?", "cuisine=korean"), ("한식 not good?", "한식은 어때?", "cuisine=korean"), ("한식은 어때", "한식은 어때?", "cuisine=korean"),
     ("오늘 같은 날씨에는 따끈한 한식 한 상 어떠세요?", "한식은 어때?", "cuisine=korean"), ("한식 5개 어때?", "한식은 어때?", "cuisine=korean"),
     ("한식 어때?😀", "한식은 어때?", "cuisine=korean"), ("<한식> 어때?", "한식은 어때?", "cuisine=korean"), ("한식\n어때?", "한식은 어때?", "cuisine=korean"),
     ("다른 건 어때?", "한식은 어때?", "cuisine=korean"), ("How about Korean?", "한식은 어때?", "cuisine=korean"), ("", "한식은 어때?", "cuisine=korean"),
     ("?", "한식은 어때?", "cuisine=korean"), ("日本 한식?", "한식은 어때?", "cuisine=korean")],
)  # fmt: skip
def test_wordings_that_do_not(label: str, shipped: str, data: str) -> None:
    assert not asks_the_same(label, shipped, name(data), "ko")


def test_no_title_gets_onto_a_button(catalog_items: tuple[Item, ...]) -> None:
    names = Names.of(catalog_items)
    assert not asks_the_same("기생충 같은 스릴러는?", "스릴러 쪽은 어때?", "스릴러", "ko", names)
    assert not asks_the_same("봉준호 스릴러는?", "스릴러 쪽은 어때?", "스릴러", "ko", names)
    assert asks_the_same("쫄깃한 스릴러는?", "스릴러 쪽은 어때?", "스릴러", "ko", names)
    assert not asks_the_same("A thriller like Parasite?", "How about thrillers?", "thrillers", "en", names)
    assert asks_the_same("In the mood for thrillers?", "How about thrillers?", "thrillers", "en", names)


VALUES = {
    "immersion": get_args(Immersion), "effects": get_args(Effect), "situations": get_args(Situation), "soupy": ("yes", "no"),
    "spicy": ("mild", "hot"), "cuisine": get_args(Cuisine), "served": get_args(Served), "country": ("KR", "US", "JP", "FR"),
}  # fmt: skip


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("domain", list(Domain))
def test_every_shipped_wording_would_pass(
    catalog_items: tuple[Item, ...], domain: Domain, language: Language
) -> None:
    """Keeps away a check so strict that nothing but the shipped words could stand."""
    from engine.questions import _label

    for field in FIELDS[domain]:
        for value in GENRES[domain] if field == "genres" else VALUES[field]:
            if label := _label(domain, field, value, language):
                assert asks_the_same(label, label, name(f"{field}={value}", domain, language), language), (
                    label
                )
    some = [item for item in catalog_items if item.domain is domain]
    for question in questions(some, Request(domain=domain), language):
        assert len(question.label) <= prompts.LABEL_CHARS[language] + 10


@given(st.text(max_size=30))
def test_any_text_is_judged(label: str) -> None:
    if asks_the_same(label, "한식은 어때?", "한식", "ko"):
        assert "한식" in label
        assert label.isprintable()
