"""Talks with a bot whose worker writes: what is shown while it does, what is kept, what a new wish does to it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from bot.app import opened
from bot.settings import Settings
from data.phrases import phrases
from engine.taste import Taste
from handlers import memory
from handlers.turn import Text
from storage import exposures, sessions, users
from tests.openais import Answer, OpenAIs, serving
from tests.talk import Someone, Stage, at_once

KO = phrases("ko")
WRITTEN = "이유: 오늘 같은 날 부담 없이 즐기기 좋아요.\n도움: 한결 가벼워질 거예요."


def writing(body: dict[str, Any]) -> Answer:
    if body.get("logprobs"):
        return Answer(letters={"B": -0.2, "A": -2.0})
    return Answer(text=list(WRITTEN)) if body["model"] == "reply" else Answer(text="")


@pytest.fixture
async def worker() -> AsyncIterator[OpenAIs]:
    async with serving() as server:
        server.otherwise = writing
        yield server


@pytest.fixture
async def person(built_home: Path, tmp_path: Path, worker: OpenAIs) -> AsyncIterator[Someone]:
    """Somebody in a program of their own, with the worker."""
    home = tmp_path / "home"
    shutil.copytree(built_home, home)
    settings = Settings.model_validate({"home": home, "turns_per_minute": 0, "llm_url": worker.url})
    async with opened(settings) as app:
        assert app.engine.llm is not None
        await app.engine.llm.ready()
        yield Someone(Stage(app), "reader")


async def until(true: Callable[[], object]) -> None:
    """Wait for something that is to happen beside."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 (what is waited for happens in a server)
            await asyncio.sleep(0.01)


async def test_cards_come_first_and_the_buttons_with_the_last_word(person: Someone, worker: OpenAIs) -> None:
    """Buttons under an answer that still grows would move away under the finger."""
    shown, seen = person.stage.shown["reader.1"], asyncio.Event()
    worker.otherwise = lambda body: (
        Answer(text=WRITTEN, hold=seen) if body["model"] == "reply" else writing(body)
    )
    asked = asyncio.create_task(at_once(person, Text("비 오는 날 뜨끈한 국물")))
    await until(lambda: shown)
    first = shown[0]
    assert first.interim
    assert not first.choices
    assert first.cards
    assert all(card.title and not card.reason for card in first.cards)
    seen.set()
    await asked
    last = shown[-1]
    assert not last.interim
    assert last.choices
    assert all(card.reason and card.benefit for card in last.cards)
    assert "오늘 같은 날 부담 없이 즐기기 좋아요." in [card.reason for card in last.cards]
    assert {reply.slot for reply in shown} == {""}


async def test_why_tells_what_was_shown(person: Someone) -> None:
    """The stored reason would have been another than the one on the card."""
    await person.commands("consent")
    await person.taps(KO.say("button.consent_yes"))
    answer = await person.says("한국 코미디 영화")
    place = [card.reason for card in answer.replies[-1].cards].index(
        "오늘 같은 날 부담 없이 즐기기 좋아요."
    ) + 1
    assert "오늘 같은 날 부담 없이 즐기기 좋아요." in (await person.says(f"{place}번 왜?")).text


async def test_without_consent_nothing_is_stored_that_a_model_wrote(person: Someone) -> None:
    """It was told of the person and of the talk, and may have said so."""
    await person.says("한국 코미디 영화")
    async with person.stage.app.database.reading() as connection:
        exposure = await exposures.get(connection, person.last.exposure)
    assert exposure is not None
    writers = exposure.body["trace"]["writers"]
    assert "model" in writers
    for pick, writer in zip(exposure.body["picks"], writers, strict=True):
        assert (pick["reason"] == pick["benefit"] == pick["check"] == "") is (writer == "model")


async def test_a_group_hears_nothing_that_a_person_told_of_themselves(
    person: Someone, worker: OpenAIs
) -> None:
    """A survey's "I have been down lately" would be said aloud."""
    told = Taste(says=("요즘 우울하다",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "known_taste", AsyncMock(return_value=told))
        for group, heard in (("", True), ("g1", False)):
            worker.asked.clear()
            person.group, person.kind = group, "group" if group else "private"
            await person.says("한국 코미디 영화")
            prompts = [body["messages"][-1]["content"] for body in worker.asked if body["model"] == "reply"]
            assert any("우울하다" in prompt for prompt in prompts) is heard


async def test_start_begins_the_talk_anew_for_the_model_too(person: Someone, worker: OpenAIs) -> None:
    """What was put behind would be told with the next wish."""
    await person.says("한국 코미디 영화")
    shown = person.last.replies[-1].cards[0].title
    await person.commands("start")
    worker.asked.clear()
    await person.says("비 오는 날 뜨끈한 국물")
    assert not any(shown in body["messages"][-1]["content"] for body in worker.asked)


@pytest.mark.parametrize(
    "said", ["서울 강남구 테헤란로 152 근처 식당", "땅콩 먹으면 숨이 막혀", "서른두 살인데 볼만한 영화"]
)
async def test_where_somebody_is_what_hurts_them_and_how_old_they_are_is_told_to_no_model(
    person: Someone, worker: OpenAIs, said: str
) -> None:
    """Rules keep all that; a model need not know."""
    await person.says(said)
    await person.says("비 오는 날 뜨끈한 국물")
    for body in worker.asked:
        prompt = body["messages"][-1]["content"]
        assert not [word for word in ("테헤란로", "숨이 막", "서른두") if word in prompt], prompt


async def test_the_model_hears_what_was_said_before(person: Someone, worker: OpenAIs) -> None:
    """'더 가볍게' means nothing to whoever forgot what came before."""
    await person.says("비 오는 날 뜨끈한 국물")
    shown = [card.title for card in person.last.replies[-1].cards]
    worker.asked.clear()
    await person.says("더 가볍게")
    prompt = next(body for body in worker.asked if body["model"] == "reply")["messages"][-1]["content"]
    assert "비 오는 날 뜨끈한 국물" in prompt
    assert shown[0] in prompt


async def test_another_chat_hears_nothing_of_it(person: Someone, worker: OpenAIs) -> None:
    """What was said in private would be told to the model of a group's answer."""
    await person.says("이별하고 나서 읽을 책")
    worker.asked.clear()
    person.chat = "elsewhere"
    await person.says("비 오는 날 뜨끈한 국물")
    assert not any("이별" in body["messages"][-1]["content"] for body in worker.asked)


async def test_a_new_wish_puts_the_growing_answer_aside_and_stops_the_worker(
    person: Someone, worker: OpenAIs
) -> None:
    """Two answers would grow at once, and the first would keep the GPU busy for nobody."""
    person_waits = asyncio.Event()

    def slow(body: dict[str, Any]) -> Answer:
        if body["model"] == "reply" and "웃긴" not in body["messages"][-1]["content"]:
            return Answer(text=["이유: ", "좋아요."], hold=person_waits, held=1)
        return writing(body)

    worker.otherwise = slow
    stage = person.stage
    first = asyncio.create_task(at_once(person, Text("비 오는 날 뜨끈한 국물")))
    await until(lambda: any(body["model"] == "reply" for body in worker.asked))
    (second,) = await at_once(person, Text("웃긴 영화"))
    await first
    assert second[-1].cards[0].domain == "movie"
    set_aside = stage.shown["reader.1"][-1]
    assert not set_aside.cards
    assert not set_aside.interim
    await until(lambda: worker.left)


async def test_stop_ends_a_growing_answer(person: Someone, worker: OpenAIs) -> None:
    """'그만' is for just this moment."""
    worker.otherwise = lambda body: (
        Answer(hold=asyncio.Event()) if body["model"] == "reply" else writing(body)
    )
    first = asyncio.create_task(at_once(person, Text("비 오는 날 뜨끈한 국물")))
    await until(lambda: any(body["model"] == "reply" for body in worker.asked))
    (stopped,) = await at_once(person, Text("그만"))
    await first
    assert stopped
    assert not person.stage.shown["reader.1"][-1].cards


async def test_where_no_worker_is_set_no_talk_is_kept(someone: Callable[..., Someone]) -> None:
    """What nobody reads need not be held."""
    person = someone()
    await person.says("비 오는 날 뜨끈한 국물")
    async with person.stage.app.database.reading() as connection:
        user = await users.known(
            connection, platform=person.stage.name, platform_id=person.name, name="", locale=""
        )
        assert user is not None
        talk = await sessions.load(connection, user.id, person.stage.name, person.there.id)
    assert "talk" not in talk


async def test_what_the_rules_do_not_read_the_model_may(person: Someone, worker: OpenAIs) -> None:
    """Nothing in it stands in any list."""
    read = '{"domain": "movie", "effects": ["comfort"]}'
    worker.otherwise = lambda body: Answer(text=read) if body.get("response_format") else writing(body)
    await person.says("뭔가 반짝반짝 빛나는 걸 만나고 싶은 기분")
    assert {card.domain for card in person.last.replies[-1].cards} == {"movie"}


async def test_operators_see_what_became_of_what_the_worker_said(
    built_home: Path, tmp_path: Path, worker: OpenAIs
) -> None:
    """A model that invents all day would be noticed by nobody."""
    worker.otherwise = lambda body: (
        Answer(text="이유: '은하 세탁소'만큼 좋아요.") if body["model"] == "reply" else writing(body)
    )
    home = tmp_path / "home"
    shutil.copytree(built_home, home)
    raw = {"home": home, "turns_per_minute": 0, "llm_url": worker.url, "admins": (("test", "boss"),)}
    async with opened(Settings.model_validate(raw)) as app:
        assert app.engine.llm is not None
        await app.engine.llm.ready()
        boss = Someone(Stage(app), "boss")
        await boss.says("비 오는 날 뜨끈한 국물")
        told = (await boss.presses("health")).text
    assert "대신 안에 든 글로 채운 이유 3개" in told
    assert "title 3" in told
