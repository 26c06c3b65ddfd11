"""A recommendation in a model's words: shown as it comes, checked, and never at the cost of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from data.item import Domain
from engine import wording
from engine.llm import LLM
from engine.prompts import Line
from engine.recommendation import Recommendation
from engine.recommender import Recommender
from engine.request import Request
from engine.taste import Taste
from tests.openais import Answer, OpenAIs, refusal, serving

SOUP = Request(text="비 오는 날 뜨끈한 국물", domain=Domain.FOOD, soupy=True)
GOOD = "이유: 뜨끈한 국물이라 비 오는 날에 잘 어울려요. 천천히 먹기 좋아요.\n도움: 몸이 천천히 풀려요."
Drafts = Callable[..., Awaitable[list[Recommendation]]]


@pytest.fixture
async def worker() -> AsyncIterator[OpenAIs]:
    async with serving() as server:
        yield server


@pytest.fixture
async def writing(recommender: Recommender, worker: OpenAIs) -> AsyncIterator[Drafts]:
    """Puts one answer into the words of the worker; every draft, the whole of it last."""
    llms: list[LLM] = []

    async def drafts(
        request: Request = SOUP, *, size: str = "short", talk: tuple[Line, ...] = ()
    ) -> list[Recommendation]:
        llm = LLM(worker.url, prompt="full" if size == "full" else "short")
        llms.append(llm)
        await llm.ready()
        engine = Recommender(recommender.index, recommender.embedder, recommender.korean, llm)
        found = await engine.recommend(request, Taste(), seed=7)
        async with await engine.advisor.wording(found, Taste(), talk, "ko") as words:
            return [found, *[draft async for draft in words], words.whole]

    yield drafts
    for llm in llms:
        await llm.close()


def unasked(body: dict[str, Any]) -> Answer:
    """What a worker says that knows only how to write reasons."""
    return Answer(text=list(GOOD)) if body["model"] == "reply" else Answer()


async def test_cards_stand_at_once_and_their_words_grow(writing: Drafts, worker: OpenAIs) -> None:
    """Twenty seconds of nothing: what is known is shown before the model has said a word."""
    worker.otherwise = unasked
    found, first, *_, whole = await writing()
    assert [pick.title for pick in first.picks] == [pick.title for pick in found.picks]
    assert not any(pick.reason or pick.benefit for pick in first.picks)
    assert whole.picks[0].reason == "뜨끈한 국물이라 비 오는 날에 잘 어울려요. 천천히 먹기 좋아요."
    assert whole.picks[0].benefit == "몸이 천천히 풀려요."
    assert whole.trace.writers[0] == "model"
    assert (whole.trace.model, whole.trace.adapter) == ("reply", "reply")
    assert whole.trace.prompt_tokens > 0


async def test_sentences_are_shown_one_by_one(recommender: Recommender, worker: OpenAIs) -> None:
    """A reason that waits for its last word is no stream."""
    more = asyncio.Event()
    pieces = [
        "이유: 뜨끈한 국물이라 비 오는 날에 잘 어울려요. 천",
        "천히 먹기 좋아요.\n도움: 몸이 천천히 풀려요.",
    ]
    worker.otherwise = Answer(text=pieces, hold=more, held=1)
    llm = LLM(worker.url)
    await llm.ready()
    engine = Recommender(recommender.index, recommender.embedder, recommender.korean, llm)
    found = await engine.recommend(replace(SOUP, count=1), Taste())
    seen: list[str] = []
    async with await engine.advisor.wording(found, Taste(), (), "ko") as drafts:
        async for draft in drafts:
            seen.append(draft.picks[0].reason)
            if seen[-1]:
                more.set()  # the worker says no more until the first sentence was shown
    assert seen[:2] == ["", "뜨끈한 국물이라 비 오는 날에 잘 어울려요."]
    assert drafts.whole.picks[0].reason.endswith("천천히 먹기 좋아요.")
    await llm.close()


async def test_what_is_invented_is_left_out_and_counted(writing: Drafts, worker: OpenAIs) -> None:
    """'봉준호 감독의 2019년 작품' under a soup."""
    said = "이유: 봉준호 감독이 2019년에 끓인 국물이에요. 뜨끈해서 비 오는 날에 어울려요.\n도움: 몸이 풀려요."
    worker.otherwise = Answer(text=said)
    *_, whole = await writing(replace(SOUP, count=1))
    assert whole.picks[0].reason == "뜨끈해서 비 오는 날에 어울려요."
    assert sum(whole.trace.refused.values()) == 1


async def test_where_all_is_invented_the_embedded_words_stand(writing: Drafts, worker: OpenAIs) -> None:
    """An empty card would be worse than no model."""
    worker.otherwise = Answer(
        text="이유: 봉준호 감독이 2019년에 끓인 국물이에요.\n도움: '올드보이'만큼 좋아요."
    )
    found, *_, whole = await writing(replace(SOUP, count=1))
    assert whole.picks[0].reason == found.picks[0].reason
    assert whole.picks[0].benefit == found.picks[0].benefit
    assert whole.trace.writers == ("embedded",)


@pytest.mark.parametrize(
    "answer",
    [
        refusal(500),
        refusal(429, Retry_After="1"),
        Answer(body=b"{not json"),
        Answer(text="", usage=None),
        Answer(text=["이유: 뜨끈"], cut=1),
        Answer(text="\n\n\n"),
        Answer(text="�" * 500),
    ],
    ids=["500", "429", "garbage", "empty", "cut", "blank", "broken characters"],
)
async def test_a_worker_that_fails_costs_nobody_an_answer(
    writing: Drafts, worker: OpenAIs, answer: Answer
) -> None:
    """Whatever becomes of the model, every card has its reason and its benefit."""
    worker.otherwise = answer
    found, *_, whole = await writing()
    assert [pick.reason for pick in whole.picks] == [pick.reason for pick in found.picks]
    assert all(pick.reason and pick.benefit for pick in whole.picks)


async def test_a_late_worker_is_not_waited_for(
    writing: Drafts, worker: OpenAIs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first words would come when nobody reads them any more."""
    monkeypatch.setattr(wording, "FIRST_SECONDS", 0.05)
    worker.otherwise = Answer(hold=asyncio.Event())
    found, *_, whole = await writing()
    assert [pick.reason for pick in whole.picks] == [pick.reason for pick in found.picks]


async def test_what_was_said_before_it_broke_off_stays(writing: Drafts, worker: OpenAIs) -> None:
    """A whole sentence is no worse for what did not come after it."""
    said = ["이유: 뜨끈한 국물이라 비 오는 날에 잘 어울려요. ", "천천히 먹"]
    worker.otherwise = Answer(text=said, cut=2)
    found, *_, whole = await writing(replace(SOUP, count=1))
    assert whole.picks[0].reason == "뜨끈한 국물이라 비 오는 날에 잘 어울려요."
    assert whole.picks[0].benefit == found.picks[0].benefit


async def test_whoever_stops_reading_stops_the_worker(recommender: Recommender, worker: OpenAIs) -> None:
    """An answer that was superseded would go on costing the GPU."""
    worker.otherwise = Answer(text=["이유: ", "뜨끈해요."], hold=asyncio.Event(), held=1)
    llm = LLM(worker.url)
    await llm.ready()
    engine = Recommender(recommender.index, recommender.embedder, recommender.korean, llm)
    found = await engine.recommend(replace(SOUP, count=1), Taste())
    async with await engine.advisor.wording(found, Taste(), (), "ko") as drafts:
        async for _ in drafts:
            break
        for _ in range(100):
            await asyncio.sleep(0.01)
            if any(body["model"] == "reply" for body in worker.asked):
                break
    for _ in range(100):
        await asyncio.sleep(0.01)
        if worker.left:
            break
    assert worker.left >= 1
    await llm.close()


async def test_a_full_prompt_has_the_model_judge_and_check(writing: Drafts, worker: OpenAIs) -> None:
    """The movie seed's second size: a score and a question beside the reason."""
    worker.otherwise = Answer(text=GOOD + "\n점수: 6\n질문: 국물이 맵지 않아도 괜찮으세요?")
    *_, whole = await writing(replace(SOUP, count=1), size="full")
    assert whole.picks[0].fit == 6
    assert whole.picks[0].check == "국물이 맵지 않아도 괜찮으세요?"


async def test_the_talk_so_far_is_told_to_the_model(writing: Drafts, worker: OpenAIs) -> None:
    """The movie bot of before forgot the conversation."""
    worker.otherwise = unasked
    await writing(talk=(Line("user", "어제 라면 먹었어"), Line("bot", "김치찌개, 수제비")))
    prompt = next(body for body in worker.asked if body["model"] == "reply")["messages"][-1]["content"]
    assert "어제 라면 먹었어" in prompt
    assert prompt.index("어제 라면") < prompt.index("뜨끈한 국물")


async def test_only_an_adapter_that_learned_to_choose_orders_the_picks(
    recommender: Recommender, worker: OpenAIs
) -> None:
    """An untuned model's letters tell of places, and would undo what the embedded ranking knows."""
    worker.otherwise = Answer(letters={"C": -0.01, "A": -5.0})
    judges = []
    for models in (("base",), ("base", "rank")):
        worker.models = models
        llm = LLM(worker.url)
        await llm.ready()
        engine = Recommender(recommender.index, recommender.embedder, recommender.korean, llm)
        judges.append((await engine.recommend(SOUP, Taste(), seed=7, talk=())).trace.ranker)
        await llm.close()
    assert judges == ["embedded", "rank"]


async def test_a_fault_of_our_own_leaves_the_embedded_words(
    writing: Drafts, worker: OpenAIs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that breaks at a strange sentence took the whole answer with it."""

    def broken(*_: object, **__: object) -> None:
        raise IndexError

    monkeypatch.setattr("engine.grounding.Grounding.check", broken)
    monkeypatch.setattr("engine.wording.phrased", broken)
    worker.otherwise = unasked
    found, *_, whole = await writing()
    assert [pick.reason for pick in whole.picks] == [pick.reason for pick in found.picks]
    assert whole.followups == found.followups


async def test_what_is_recommended_is_not_called_unfit(writing: Drafts, worker: OpenAIs) -> None:
    """A card with one star of ten and a reason to take it."""
    worker.otherwise = Answer(text=GOOD + "\n점수: 1\n질문: 괜찮으세요?")
    found, *_, whole = await writing(replace(SOUP, count=1), size="full")
    assert whole.picks[0].fit == found.picks[0].fit
