"""A text that comes before the answer to the one before it: nobody waits for that answer, but it was heard."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from data.phrases import phrases
from handlers.turn import Command, Payload, Press, Text
from storage import personas, sessions, taste, users
from tests.talk import Someone, at_once

pytestmark = pytest.mark.asyncio(loop_scope="session")

People = Callable[..., Someone]
KO = phrases("ko")


ALLERGIES = [
    Text("나 새우 알레르기 있어"),
    Command("food", "새우 알레르기 있는데 점심 뭐 먹지"),
    Text("/food 새우 알레르기 있어"),
]


@pytest.mark.parametrize("before", [0, 1], ids=["running", "waiting"])
@pytest.mark.parametrize("told", ALLERGIES, ids=["text", "command", "typed command"])
async def test_an_allergy_told_just_before_a_question_is_heeded(
    someone: People, told: Payload, before: int
) -> None:
    """Keeps away shrimp for somebody who typed faster than the bot answers."""
    person = someone(f"{ALLERGIES.index(told)}.{before}")
    shown = await at_once(person, *[Text("매운 거 먹고 싶어")] * before, told, Text("저녁 추천해줘"))
    assert [len(replies) for replies in shown] == [0] * (before + 1) + [1]
    (answer,) = shown[-1]
    found = await person.stage.app.engine.items([card.id for card in answer.cards])
    assert len(found) == 3
    assert all(item.allergens is not None and "shrimp" not in item.allergens for item in found.values())
    assert KO.say("chat.allergy_caution") in answer.text


async def test_a_wish_told_in_two_messages_is_one_wish(someone: People) -> None:
    shown = await at_once(someone(), Text("스릴러 영화 보고 싶어"), Text("두 편만"))
    ((answer,),) = [replies for replies in shown if replies]
    assert [card.domain for card in answer.cards] == ["movie", "movie"]
    found = await someone().stage.app.engine.items([card.id for card in answer.cards])
    assert all("thriller" in item.genres for item in found.values())


async def test_an_opinion_typed_just_before_a_question_is_recorded(someone: People) -> None:
    person = someone()
    liked = (await person.says("웃긴 영화")).ids[0]
    shown = await at_once(person, Text("1번 좋아"), Text("다른 거"))
    assert (
        len(shown[0]) <= 1
    )  # none where the question came first, and thanks where the opinion was done already
    assert shown[1][0].cards
    assert await events(person) == [("like", liked)]


@pytest.mark.parametrize("told", ["영어로 말해줘", "난 호러 싫어해", "새우 알레르기 이제 없어"])
async def test_what_a_text_changes_just_before_a_question_is_changed(someone: People, told: str) -> None:
    """Keeps away a language, a taste or an allergy taken back that holds only for whoever waits for a reply."""
    slow, fast = someone("slow"), someone("fast")
    for person in (slow, fast):
        await person.says("새우 알레르기 있어")
    await slow.says(told)
    await slow.says("영화 추천해줘")
    shown = await at_once(fast, Text("웃긴 책"), Text(told), Text("영화 추천해줘"))
    assert [bool(replies) for replies in shown] == [False, False, True]
    assert await kept(fast) == await kept(slow)


async def kept(person: Someone) -> tuple[object, ...]:
    stage = person.stage
    async with stage.app.database.writing() as connection:
        user = await users.ensure(
            connection, platform=stage.name, platform_id=person.name, name="", locale=""
        )
        session = await sessions.load(connection, user.id, stage.name, f"{person.name}@{person.chat}")
        persona = await personas.get(connection, user.id)
    return user.language, session["limits"]["allergens"], persona.corrections


async def test_a_button_pressed_just_before_a_question_does_what_it_says(someone: People) -> None:
    """Keeps away a 👍 that is lost because its person typed on, or taken back because it was handled twice."""
    person = someone()
    wish = await person.says("웃긴 영화")
    shown = await at_once(person, Press(f"fb:like:{wish.exposure}:1"), Text("다른 거"))
    assert all(shown)
    assert await events(person) == [("like", wish.ids[0])]


async def test_a_fresh_start_just_before_a_question_is_a_fresh_start(someone: People) -> None:
    person = someone()
    await person.says("스릴러 영화")
    shown = await at_once(person, Text("웃긴 영화"), Text("/start"), Text("두 개만"))
    assert [len(replies) for replies in shown] == [0, 0, 1]
    assert len({card.domain for card in shown[2][0].cards}) == 2


async def events(person: Someone) -> list[tuple[str, str]]:
    stage = person.stage
    async with stage.app.database.writing() as connection:
        user = await users.ensure(
            connection, platform=stage.name, platform_id=person.name, name="", locale=""
        )
        return [(event.kind, event.item_id) for event in await taste.events(connection, user.id)]
