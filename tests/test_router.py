"""Turns that no button and no person of good will sends, and those that belong to no conversation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from data.phrases import phrases
from handlers import router
from handlers.turn import (
    Chat,
    Location,
    Membership,
    Payload,
    Person,
    PollAnswer,
    PollClosed,
    Press,
    Text,
    Tick,
    Turn,
)
from storage import taste, users
from tests.talk import Someone, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

People = Callable[..., Someone]
KO, EN = phrases("ko"), phrases("en")
STALE, GONE = KO.say("chat.stale"), KO.say("chat.gone")

FORGED = [
    "", ":", "x", "nosuch:1", "\0", "ﷺ" * 200, "x" * 100_000, "d", "d:", "d:music", "d:book:1",
    "survey:music", "survey:book:nosuch:ask", "survey:book:mood", "survey:book:mood:", "survey:book:mood:nosuch",
    "survey:book:mood:pick", "survey:book:mood:pick:nosuch", "survey:book:mood:pick:comfort",
    "survey:movie:seen:pick:movie:nosuch", "survey:movie:seen:page", "survey:movie:seen:page:-1",
    "survey:movie:seen:page:²", "survey:movie:seen:page:" + "9" * 5000, "survey:food:allergies:pick:other.",
    "say:", "say:99", "say:-1", "say:²", "loose:", "loose:domain", "loose:text", "remember:allergies",
    "consent:nosuch", "lang:xx", "profile:x", "export:x", "forget:x", "forget:yes:x", "inquiry:x", "inq:read:1",
    "show:", "show:book:nosuch", "show:' OR 1=1 --", "more:", "more:nosuch", "ask:nosuch:country=KR", "item:nosuch:1",
    "why:nosuch:1", "sim:nosuch:1", "fb:like:nosuch:1", "fb", "fb:", "fb:like", "fb:love:nosuch:1",
]  # fmt: skip


@pytest.mark.parametrize("data", FORGED, ids=lambda data: f"{data[:32]!r}")
async def test_a_forged_press_is_told_so_and_changes_nothing(someone: People, data: str) -> None:
    person = someone(str(FORGED.index(data)))
    answer = await person.presses(data)
    assert answer.text in (STALE, GONE)
    assert not answer.cards
    assert await remembered(person) == ([], {}, None)


@pytest.mark.parametrize(
    "data",
    ["item:{}:0", "item:{}:4", "item:{}:²", "item:{}:", "item:{}", "why:{}:9", "sim:{}:-1", "fb:like:{}:7",
     "fb:love:{}:1", "fb:{}:1", "ask:{}:", "ask:{}:country=XX", "ask:{}:text=x", "ask:{}:soupy=yes",
     "ask:{}:allergens=egg", "loose:allergens"],
)  # fmt: skip
async def test_a_forged_press_on_an_answer_of_ones_own_changes_nothing(someone: People, data: str) -> None:
    person = someone(data.replace(":", "-"))
    wish = await person.says("웃긴 영화")
    assert len(wish.cards) == 3
    answer = await person.presses(data.format(wish.exposure))
    assert answer.text == STALE
    assert await remembered(person) == ([], {}, None)


async def remembered(person: Someone) -> tuple[list[taste.Event], dict[str, Any], bool | None]:
    """What was kept of the person: events, survey answers, consent."""
    stage = person.stage
    async with stage.app.database.writing() as connection:
        user = await users.ensure(
            connection, platform=stage.name, platform_id=person.name, name="", locale=person.locale
        )
        return (
            await taste.events(connection, user.id),
            await taste.answers(connection, user.id),
            user.consent,
        )


@pytest.mark.parametrize("kind", ["fb:like", "fb:never", "item", "why", "sim"])
async def test_nobody_presses_for_somebody_else(someone: People, kind: str) -> None:
    """Keeps away a stranger in a group who says for me what I like."""
    owner, stranger = someone("owner"), someone("stranger")
    wish = await owner.says("웃긴 영화")
    stranger.chat = owner.chat
    assert (await stranger.presses(f"{kind}:{wish.exposure}:1")).text == STALE
    assert (await stranger.presses(f"more:{wish.exposure}")).text == STALE
    for person in (owner, stranger):
        assert await remembered(person) == ([], {}, None)


async def test_buttons_survive_a_restart(someone: People, stage: Stage) -> None:
    person = someone()
    wish = await person.says("웃긴 영화")
    await stage.restart()
    liked = await person.presses(f"fb:like:{wish.exposure}:2")
    assert wish.cards[1].title in liked.text
    assert (await person.presses(f"item:{wish.exposure}:1")).ids == wish.ids[:1]
    assert (await person.presses(f"more:{wish.exposure}")).cards


async def test_the_same_turn_id_on_two_platforms_is_two_turns(someone: People, stage: Stage) -> None:
    """Keeps away an answer that fails because another platform's exposure has its id."""
    person = someone()
    other = Someone(Stage(stage.app, "elsewhere"), person.name)
    one, two = await person.says("웃긴 영화"), await other.says("웃긴 영화")
    assert len(one.cards) == len(two.cards) == 3
    assert one.exposure != two.exposure


@pytest.mark.parametrize("name", ["nosuch", "", "start2", "ﷺ", "../../etc/passwd"])
async def test_an_unknown_command_is_told_so(someone: People, name: str) -> None:
    assert (await someone().commands(name)).text == KO.say("chat.unknown_command")


async def test_commands_are_also_typed(someone: People) -> None:
    person = someone()
    assert (await person.says("/HELP")).text == KO.say("help.text")
    assert (await person.says("/nosuch")).text == KO.say("chat.unknown_command")
    assert {card.domain for card in (await person.says("/movie 웃긴 거")).cards} == {"movie"}
    assert {card.domain for card in (await person.commands("food", "따뜻한 거")).cards} == {"food"}
    assert (await person.says("/survey book")).text == KO.say("survey.consent")
    assert (await person.says("/saved")).text == KO.say("saved.empty")


@pytest.mark.parametrize("words", ["그만", "멈춰!", " STOP ", "/stop"])
async def test_stop_stops(someone: People, words: str) -> None:
    person = someone()
    await person.says("웃긴 영화")
    answer = await person.says(words)
    assert answer.text in (KO.say("small.stop"), EN.say("small.stop"))
    assert not answer.cards
    assert not answer.choices


async def test_a_location_is_a_question_for_places(someone: People) -> None:
    answer = await someone().sends(Location(37.5665, 126.978))
    assert answer.text == KO.say("nearby.which")


@pytest.mark.parametrize(
    "payload",
    [Membership("joined"), Tick("morning"), PollAnswer("p", (1,)), PollClosed("p", (1, 2))],
    ids=str,
)
async def test_what_asks_nothing_is_answered_nothing(someone: People, payload: Payload) -> None:
    assert (await someone().sends(payload)).replies == ()


@pytest.mark.parametrize("text", ["", " \n\t", "\0\0", "\u200b\u202e\ufeff", "\x1b"], ids=ascii)
async def test_a_text_of_nothing_is_asked_about(someone: People, text: str) -> None:
    answer = await someone().says(text)
    assert answer.text in KO.variants("chat.empty")
    assert len(answer.choices) == 3


async def test_a_text_without_end_is_cut_and_that_is_said(someone: People) -> None:
    answer = await someone().says("웃긴 영화 " + "하" * 100_000)
    assert answer.replies[0].text == KO.say("chat.too_long")
    assert {card.domain for card in answer.cards} == {"movie"}
    assert len(answer.text) < 1_000


@pytest.mark.parametrize(
    "text",
    ["\ufdfa" * 3000, "e\u0301" * 200, "👨‍👩‍👧‍👦" * 2_000, "a" * 100_000, "'; DROP TABLE items; --"],
    ids=lambda t: ascii(t[:4]),
)
async def test_no_text_breaks_the_talk(someone: People, text: str) -> None:
    """U+FDFA in number aborts the embedder's process where it is not normalized first."""
    person = someone("a" if text.isascii() else "b")
    answer = await person.says(text)
    assert answer.text
    assert KO.say("chat.error") not in answer.text
    assert (await person.says("웃긴 영화")).cards


async def test_control_characters_hide_no_words(someone: People) -> None:
    answer = await someone().says("웃\u200b긴\0 영\x07화")
    assert {card.domain for card in answer.cards} == {"movie"}


@pytest.mark.parametrize(
    ("payload", "begun"),
    [(Text("웃긴 영화"), "웃긴 영화"), (Text("그만"), None), (Text("/help"), None), (Text("  "), None),
     (Text("죽고 싶어"), None), (Press("more:e"), None)],
)  # fmt: skip
async def test_only_what_will_be_understood_is_begun_with(payload: Payload, begun: str | None) -> None:
    """Words of self-harm would have been embedded, and held for as long as the process runs."""
    turn = Turn("t", Chat("test", "c"), Person("p"), payload, 0.0)
    assert router.expected(turn) == begun


async def test_operators_commands_are_told_apart_from_no_others() -> None:
    """In a group unknown commands are left alone: an answer to one of these would tell that it exists."""
    assert [name for name in ("admin", "block", "answer", "nonsense") if router.knows(name)] == []
    assert all(map(router.knows, ("together", "book", "nearby", "help", "start")))
