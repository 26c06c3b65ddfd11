"""The bot in Telegram: the real service and the real library, against a server that speaks the real protocol."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import AnyHttpUrl, SecretStr
from sqlalchemy import select

from bot import presence
from bot.command import CommandError, hush
from bot.delivery import Delivery
from bot.telegram import flow, signs
from bot.telegram.service import serve
from data.phrases import phrases
from handlers.turn import Text, Turn
from storage import schema
from tests.botapi import TOKEN, BotApi
from tests.botworld import Chat, Person
from tests.talk import Stage
from tests.telegrams import Talk, running, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("hurried")]

KO, EN = phrases("ko"), phrases("en")
TWO = ("/help@oneulmwo_bot", "/start@oneulmwo_bot")


@pytest.fixture
def minji(api: BotApi) -> Person:
    return api.world.person()


@pytest.fixture
def talk(api: BotApi, minji: Person) -> Talk:
    return Talk(api, api.world.private(minji), minji)


def in_group(api: BotApi, *people: Person, thread: bool = False) -> Talk:
    group = api.world.supergroup(*people, forum=thread)
    return Talk(api, group, people[0], api.world.topic(group, "저녁") if thread else None)


async def until_sent(bot: Stage, chat_id: str) -> None:
    """Return when nothing is due in a chat any more."""
    due = select(schema.outbox.c.id).where(
        schema.outbox.c.sent_version < schema.outbox.c.version, schema.outbox.c.chat_id == chat_id
    )
    async with asyncio.timeout(10.0):
        while True:
            async with bot.app.database.reading() as connection:
                if await connection.scalar(due) is None:
                    return
            await asyncio.sleep(0.005)


def actions(api: BotApi, chat: Chat) -> list[str]:
    return [
        each["action"] for verb, each in api.world.told if verb == "action" and each["chat"]["id"] == chat.id
    ]


async def test_a_wish_is_answered_with_cards_and_buttons(bot: Stage, talk: Talk) -> None:
    await talk.says("웃긴 영화")
    assert len(talk.shown) == 1
    kinds = {each["type"] for each in talk.last["entities"]}
    assert {"bold", "italic"} <= kinds
    assert talk.last["text"].count("🎬") == 3
    assert KO.say("button.more") in talk.labels
    assert talk.labels.count("1 👍") == 1


async def test_buttons_ask_on_and_are_acknowledged(bot: Stage, talk: Talk) -> None:
    await talk.says("웃긴 영화")
    first = talk.last
    await talk.presses(KO.say("button.more"))
    await until(lambda: len(talk.shown) == 2)
    assert talk.last["text"] != first["text"]
    await talk.presses("2 👍", first)
    await until(lambda: len(talk.shown) == 3)
    assert not any(each.get("text") for each in talk.answers), "in private the answer is a message"


async def test_a_survey_is_one_message_that_changes(bot: Stage, api: BotApi, talk: Talk) -> None:
    await talk.says("/survey")
    await talk.presses(KO.say("button.survey_of.food"))
    await until(lambda: len(talk.shown) == 2)
    consent = talk.last["text"]
    await talk.presses(KO.say("button.consent_no"))
    await until(lambda: talk.last["text"] != consent)
    label = talk.labels[0]
    await talk.presses(label)
    await until(lambda: f"✓ {label}" in talk.labels or talk.last["text"] != consent)
    assert len(talk.shown) == 2
    assert [verb for verb, _ in api.world.done(talk.chat)].count("send") == 2


async def test_english_is_answered_in_english(bot: Stage, api: BotApi) -> None:
    person = api.world.person("Sam", "en")
    talk = Talk(api, api.world.private(person), person)
    await talk.says("/start")
    assert talk.last["text"] in EN.variants("start.hello")


async def test_a_slow_answer_is_preceded_by_typing_and_a_quick_one_is_not(
    bot: Stage, api: BotApi, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs, "TYPING_AFTER", 60.0)
    await talk.says("/help")
    assert actions(api, talk.chat) == []
    monkeypatch.setattr(signs, "TYPING_AFTER", 0.0)
    await talk.says("조용한 소설")
    assert actions(api, talk.chat) == ["typing"]


async def test_a_blocked_person_gets_nothing_that_tells_of_a_bot(
    stage: Stage, api: BotApi, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs, "TYPING_AFTER", 0.0)
    async with running(stage.app, api) as app:
        app.rules.blocked = frozenset({("telegram", str(talk.person.id))})
        api.world.say(talk.person, None, "웃긴 영화")
        await until(lambda: not api.world.pending)
    assert (talk.shown, actions(api, talk.chat)) == ([], [])


async def test_markup_of_people_is_shown_as_it_was_written(bot: Stage, talk: Talk) -> None:
    await talk.says("<b>쿠앙</b>&amp; 같은 영화")
    await talk.says("<script>alert(1)</script>' OR 1=1; --")
    assert all("script" not in str(each.get("entities")) for each in talk.shown)


async def test_in_a_group_the_answer_replies_to_who_asked(bot: Stage, api: BotApi, minji: Person) -> None:
    talk = in_group(api, minji)
    api.world.say(minji, talk.chat, "우리끼리 하는 말")
    asked = api.world.say(minji, talk.chat, "@oneulmwo_bot 웃긴 영화")
    await until(lambda: talk.shown)
    assert talk.last["reply_to_message"]["message_id"] == asked["message_id"]
    assert len(talk.shown) == 1


async def test_topics_keep_talks_apart(bot: Stage, api: BotApi, minji: Person) -> None:
    dinner = in_group(api, minji, thread=True)
    film = Talk(api, dinner.chat, minji, api.world.topic(dinner.chat, "영화"))
    await dinner.says("@oneulmwo_bot 매운 한식")
    await film.says("@oneulmwo_bot 웃긴 영화")
    await dinner.says("@oneulmwo_bot 다른 거")
    assert "🍚" in dinner.last["text"]
    assert "🎬" in film.last["text"]
    assert dinner.last["message_thread_id"] == dinner.thread


async def test_what_is_for_one_person_is_never_shown_to_the_group(
    bot: Stage, api: BotApi, minji: Person, talk: Talk
) -> None:
    group = in_group(api, minji)
    await group.says("@oneulmwo_bot 죽고 싶어")
    await until(lambda: talk.shown)
    assert "109" in talk.last["text"]
    assert all("109" not in text for text in api.world.texts(group.chat))
    assert KO.say("telegram.sent_private") in api.world.texts(group.chat)


async def test_who_never_opened_the_private_chat_gets_it_once_they_do(bot: Stage, api: BotApi) -> None:
    shy = api.world.person("수줍이", started=False)
    group = in_group(api, shy)
    await group.says("@oneulmwo_bot 죽고 싶어")
    assert group.last["text"] == KO.say("telegram.open_private")
    (button,) = group.last["reply_markup"]["inline_keyboard"][0]
    assert button["url"] == "https://t.me/oneulmwo_bot?start=private"
    private = Talk(api, api.world.private(shy), shy)
    api.world.start(shy, "private")
    await until(lambda: any("109" in text for text in api.world.texts(private.chat)))


async def test_a_press_in_a_group_that_nothing_answers_is_told_to_its_finger_only(
    bot: Stage, api: BotApi, minji: Person
) -> None:
    group = in_group(api, minji)
    await group.says("@oneulmwo_bot 웃긴 영화")
    other = api.world.person("지호")
    query = api.world.forge(other, group.last, "fb:like:0123456789ab:1")
    await until(lambda: any(each["callback_query_id"] == query for each in group.answers))
    answer = next(each for each in group.answers if each["callback_query_id"] == query)
    assert answer["text"] in KO.variants("chat.stale")
    assert answer["show_alert"] is True
    assert len(group.shown) == 1


async def test_a_members_opinion_of_what_another_was_shown_counts_as_their_own(
    bot: Stage, api: BotApi, minji: Person
) -> None:
    """It was refused as an old button, though it stood there for all to press."""
    group = in_group(api, minji)
    await group.says("@oneulmwo_bot 웃긴 영화")
    jiho = api.world.person("지호")
    query = api.world.press(jiho, group.last, "2 👍")
    await until(lambda: any(each["callback_query_id"] == query for each in group.answers))
    told = next(each["text"] for each in group.answers if each["callback_query_id"] == query)
    assert told not in KO.variants("chat.stale")
    assert len(group.shown) == 1
    query = api.world.press(jiho, group.last, KO.say("button.more"))
    await until(lambda: any(each["callback_query_id"] == query for each in group.answers))
    assert group.answers[-1]["text"] in KO.variants("chat.stale")
    async with bot.app.database.reading() as connection:
        events = select(schema.taste_events.c.kind, schema.taste_events.c.exposure_id).join(
            schema.users, schema.users.c.id == schema.taste_events.c.user_id
        )
        found = await connection.execute(events.where(schema.users.c.platform_id == str(jiho.id)))
        assert [tuple(row) for row in found] == [("like", None)]


@pytest.mark.parametrize("data", ["", "more:0123", "x" * 64, "AAAAAAAA#AAAAAAAAAAAAAAAA", "survey:food:쿠앙"])
async def test_a_forged_press_gets_a_kind_word(bot: Stage, api: BotApi, talk: Talk, data: str) -> None:
    await talk.says("/help")
    api.world.forge(talk.person, talk.last, data)
    await until(lambda: len(talk.shown) == 2)
    assert talk.last["text"] in KO.variants("chat.stale")


async def test_buttons_work_after_a_restart(stage: Stage, api: BotApi, talk: Talk) -> None:
    async with running(stage.app, api):
        await talk.says("웃긴 영화")
    async with running(stage.app, api):
        await talk.presses(KO.say("button.more"))
        await until(lambda: len(talk.shown) == 2)
        assert talk.last["text"].count("🎬") == 3


async def test_an_update_delivered_twice_is_handled_once_also_after_a_restart(
    stage: Stage, api: BotApi, talk: Talk
) -> None:
    async with running(stage.app, api):
        await talk.says("웃긴 영화")
        (update,) = [each for each in api.world.history if "message" in each]
        api.world.repeat(update)
        await talk.says("무서운 영화")
    async with running(stage.app, api):
        api.world.repeat(update)
        await talk.says("조용한 책")
    assert len(talk.shown) == 3


@pytest.mark.parametrize("cut", ["before", "midway", "after"])
async def test_updates_survive_a_connection_cut_while_they_are_fetched(
    bot: Stage, api: BotApi, talk: Talk, cut: str
) -> None:
    api.hang_up(cut, "getUpdates", times=2)
    await talk.says("웃긴 영화")
    await talk.says("무서운 영화")
    assert len(talk.shown) == 2


async def test_an_answer_cut_off_before_it_was_taken_comes_once(bot: Stage, api: BotApi, talk: Talk) -> None:
    api.hang_up("before", "sendMessage", times=3)
    await talk.says("웃긴 영화")
    await talk.says("무서운 영화")
    assert len(talk.shown) == 2


async def test_a_429_holds_up_its_own_chat_only_and_loses_nothing(
    bot: Stage, api: BotApi, talk: Talk
) -> None:
    api.flood(1, chat=talk.chat, method="sendMessage")
    api.world.say(talk.person, None, "웃긴 영화")
    await until(lambda: any(call.error.startswith("Too Many") for call in api.calls))
    jiho = api.world.person("지호")
    other = Talk(api, api.world.private(jiho), jiho)
    await other.says("무서운 영화")
    assert not talk.shown
    await until(lambda: talk.shown)
    assert talk.last["text"].count("🎬") == 3


async def test_a_429_of_the_last_edit_does_not_lose_its_text(bot: Stage, api: BotApi, talk: Talk) -> None:
    """The complaint that users of other bots make most."""
    await talk.says("/survey")
    await talk.presses(KO.say("button.survey_of.food"))
    await until(lambda: len(talk.shown) == 2)
    before = talk.last["text"]
    api.flood(1, chat=talk.chat, method="editMessageText")
    await talk.presses(KO.say("button.consent_no"))
    await until(lambda: talk.last["text"] != before)


async def test_a_hundred_chats_at_once_lose_double_and_swap_nothing(
    bot: Stage, api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While calls are refused and connections cut; every answer in a group names the question that it answers."""
    monkeypatch.setattr(flow, "MESSAGES_A_SECOND", 10_000)
    talks = [in_group(api, api.world.person(f"사람{number}")) for number in range(100)]
    asked: dict[int, list[int]] = {}
    for number, talk in enumerate(talks):
        if number % 10 == 0:
            api.flood(1, chat=talk.chat, method="sendMessage")
        if number % 20 == 0:
            api.hang_up("before", "sendMessage")
            api.hang_up("midway", "getUpdates")
        said = [api.world.say(talk.person, talk.chat, text) for text in TWO[number % 4 > 0 :]]
        asked[talk.chat.id] = [message["message_id"] for message in said]
        if number % 15 == 0:
            api.world.repeat(api.world.history[-1])
    await until(lambda: all(len(talk.shown) >= 1 for talk in talks), 60.0)
    await until(lambda: not api.world.pending, 60.0)
    for talk in talks:
        await until_sent(bot, str(talk.chat.id))
    for talk in talks:
        answers = [message["reply_to_message"]["message_id"] for message in talk.shown]
        assert answers == sorted(set(answers)), "doubled, or swapped"
        assert answers[-1] == asked[talk.chat.id][-1], "the newest question went unanswered"


async def test_a_dead_server_is_waited_for(bot: Stage, api: BotApi, talk: Talk) -> None:
    with api.outage():
        api.world.say(talk.person, None, "웃긴 영화")
        await asyncio.sleep(0.1)
    await until(lambda: talk.shown, 15.0)


async def test_the_same_content_is_not_sent_again(bot: Stage, api: BotApi, talk: Talk) -> None:
    await talk.says("/survey")
    await talk.presses(KO.say("button.survey_of.food"))
    await until(lambda: len(talk.shown) == 2)
    consent, message = talk.last["text"], talk.last
    yes = talk.data(KO.say("button.consent_yes"))
    api.world.forge(talk.person, message, yes)
    await until(lambda: talk.last["text"] != consent)
    count = sum(call.method == "editmessagetext" for call in api.calls)
    query = api.world.forge(talk.person, message, yes)
    await until(lambda: any(each["callback_query_id"] == query for each in talk.answers))
    await talk.says("/help")
    assert sum(call.method == "editmessagetext" for call in api.calls) == count
    assert not any("not modified" in call.error for call in api.calls)


async def test_a_message_that_was_deleted_is_shown_anew(bot: Stage, api: BotApi, talk: Talk) -> None:
    await talk.says("/survey")
    await talk.presses(KO.say("button.survey_of.food"))
    await until(lambda: len(talk.shown) == 2)
    message, data = talk.last, talk.data(KO.say("button.consent_no"))
    del api.world.messages[talk.chat.id, message["message_id"]]
    api.world.forge(talk.person, message, data)
    await until(lambda: len(talk.shown) == 2)


@pytest.mark.parametrize("end", ["blocked", "kicked", "muted", "gone"])
async def test_a_chat_that_takes_nothing_more_is_given_up_and_holds_up_nothing(
    bot: Stage, api: BotApi, minji: Person, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    group = in_group(api, minji)
    chat = api.world.private(minji) if end == "blocked" else group.chat
    with api.world.held():
        api.world.say(minji, chat, "/help")
        if end == "blocked":
            minji.blocked = True
        elif end == "kicked":
            chat.bot = "kicked"
        elif end == "muted":
            chat.muted = True
        else:
            del api.world.chats[chat.id]
    jiho = api.world.person("지호")
    await Talk(api, api.world.private(jiho), jiho).says("/help")
    await until(lambda: any("undeliverable" in record.message for record in caplog.records))
    await until_sent(bot, str(chat.id))


async def test_a_group_that_grew_is_answered_where_it_went_on(bot: Stage, api: BotApi, minji: Person) -> None:
    small = Talk(api, api.world.group(minji), minji)
    await small.says("@oneulmwo_bot 웃긴 영화")
    with api.world.held():
        api.world.say(minji, small.chat, "@oneulmwo_bot 다른 거")
        grown = api.world.migrate(small.chat, minji)
    await until(lambda: api.world.shown(grown))


@pytest.mark.parametrize(
    "content",
    [
        {"sticker": {"file_id": "s", "file_unique_id": "u", "type": "regular", "width": 1, "height": 1, "is_animated": False, "is_video": False}},
        {"voice": {"file_id": "v", "file_unique_id": "u", "duration": 3}},
        {"photo": [{"file_id": "p", "file_unique_id": "u", "width": 1, "height": 1}]},
    ],
)  # fmt: skip
async def test_what_holds_no_words_gets_a_kind_word(
    bot: Stage, api: BotApi, talk: Talk, content: dict[str, Any]
) -> None:
    api.world.send(talk.person, None, **content)
    await until(lambda: talk.shown)
    assert talk.last["text"] in KO.variants("chat.media")


async def test_an_edited_question_is_not_answered_again(bot: Stage, api: BotApi, talk: Talk) -> None:
    api.world.allowed = []
    message = api.world.say(talk.person, None, "웃긴 영화")
    await until(lambda: talk.shown)
    api.world.edit(talk.person, message, "슬픈 영화")
    await talk.says("/help")
    assert len(talk.shown) == 2


async def test_an_update_that_nobody_can_read_keeps_no_other_from_being_read(
    bot: Stage, api: BotApi, talk: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    api.world.push("message", {"date": "yesterday", "text": "비밀 이야기"})
    api.world.push("callback_query", {"id": 3})
    await talk.says("/help")
    assert "cannot be read" in caplog.text
    assert "비밀" not in caplog.text


async def test_what_could_not_be_stored_is_fetched_again_and_the_rest_is_not_lost(
    bot: Stage, api: BotApi, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The offset must not move past an update that the database refused."""
    whole, refused = Delivery._take, list[str]()

    async def full(self: Delivery, turn: Turn) -> bool:
        if isinstance(turn.payload, Text) and turn.payload.text == "무서운 영화" and len(refused) < 2:
            refused.append(turn.id)
            raise OSError("disk full")
        return await whole(self, turn)

    monkeypatch.setattr(Delivery, "_take", full)
    jiho = api.world.person("지호")
    other = Talk(api, api.world.private(jiho), jiho)
    with api.world.held():
        api.world.say(talk.person, None, "무서운 영화")
        api.world.say(jiho, None, "웃긴 영화")
    await until(lambda: talk.shown and other.shown)
    assert len(refused) == 2
    assert len(set(refused)) == 1
    assert (len(talk.shown), len(other.shown)) == (1, 1)


async def test_a_huge_message_is_answered(bot: Stage, talk: Talk) -> None:
    await talk.says("웃긴 영화 " * 800)
    assert talk.last["text"]


async def test_commands_and_descriptions_are_told_by_language_and_only_when_they_change(
    stage: Stage, api: BotApi, minji: Person
) -> None:
    async with running(stage.app, api, admins=(("telegram", str(minji.id)),)):
        await until(lambda: ("short", "en") in api.descriptions)
        await until(lambda: len(api.commands) == 8)
    scopes = {scope: commands for (scope, code), commands in api.commands.items() if code == "en"}
    group = next(commands for scope, commands in scopes.items() if "group" in scope)
    assert {"command": "together", "description": EN.say("telegram.command.together")} in group
    own = next(commands for scope, commands in scopes.items() if str(minji.id) in scope)
    assert {"command": "admin", "description": EN.say("telegram.command.admin")} in own
    assert not any(
        "admin" in str(commands) for scope, commands in scopes.items() if str(minji.id) not in scope
    )
    count = sum(call.method == "setmycommands" for call in api.calls)
    async with running(stage.app, api, admins=(("telegram", str(minji.id)),)):
        await Talk(api, api.world.private(minji), minji).says("/help")
    assert sum(call.method == "setmycommands" for call in api.calls) == count


@pytest.mark.parametrize("text", ["비 오는 날", "", "something funny", "가" * 10_000])
async def test_inline_offers_picks_to_send(bot: Stage, api: BotApi, minji: Person, text: str) -> None:
    query = api.world.inline_query(minji, text)
    await until(lambda: any(each.get("inline_query_id") == query for each in api.world.answered))
    (answer,) = (each for each in api.world.answered if each.get("inline_query_id") == query)
    assert 1 <= len(answer["results"]) <= 8
    for result in answer["results"]:
        assert result["title"] in result["input_message_content"]["message_text"].replace("&amp;", "&")
        assert result["description"]
    assert answer["is_personal"] is True


async def test_inline_keeps_what_a_person_must_not_eat(bot: Stage, api: BotApi, talk: Talk) -> None:
    await talk.says("새우 알레르기 있어")
    query = api.world.inline_query(talk.person, "새우 요리")
    await until(lambda: any(each.get("inline_query_id") == query for each in api.world.answered))
    (answer,) = (each for each in api.world.answered if each.get("inline_query_id") == query)
    items = await bot.app.engine.items([each["id"] for each in answer["results"]])
    assert all("shrimp" not in (item.allergens or ("shrimp",)) for item in items.values())


async def test_inline_offers_no_product_to_who_needs_help(bot: Stage, api: BotApi, minji: Person) -> None:
    query = api.world.inline_query(minji, "죽고 싶어")
    await until(lambda: any(each.get("inline_query_id") == query for each in api.world.answered))
    (answer,) = (each for each in api.world.answered if each.get("inline_query_id") == query)
    assert answer["results"] == []


async def test_a_webhook_serves_and_turns_away_who_lacks_the_secret(
    stage: Stage, api: BotApi, talk: Talk, caplog: pytest.LogCaptureFixture, unused_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/hook"
    async with running(stage.app, api, telegram_webhook_url=AnyHttpUrl(url), port=unused_tcp_port):
        await talk.says("웃긴 영화")
        assert talk.last["text"].count("🎬") == 3
        forged = {"update_id": 1, "message": {"text": "열려라"}}
        async with ClientSession() as client:
            for headers in ({}, {"X-Telegram-Bot-Api-Secret-Token": "guess"}):
                async with client.post(url, json=forged, headers=headers) as answer:
                    assert answer.status == 403
            right = {"X-Telegram-Bot-Api-Secret-Token": api.hook.secret}
            for body, status in (
                (b"no json", 400),
                (b"[" * 100_000, 400),
                (b"[1]", 200),
                (b"x" * (2 << 20), 413),
            ):
                async with client.post(url, data=body, headers=right) as answer:
                    assert answer.status == status
            async with client.get(f"http://127.0.0.1:{unused_tcp_port}/") as answer:
                assert answer.status == 200
    assert caplog.text.count("without its secret") == 2


async def test_two_replicas_behind_one_webhook_answer_once(
    stage: Stage, api: BotApi, talk: Talk, unused_tcp_port_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # both are this process, whose number would tell each that the other is dead
    monkeypatch.setattr(presence, "gone", lambda name: False)
    one, other = unused_tcp_port_factory(), unused_tcp_port_factory()
    hooks = [AnyHttpUrl(f"http://127.0.0.1:{port}/hook") for port in (one, other)]
    async with (
        running(stage.app, api, telegram_webhook_url=hooks[0], port=one),
        running(stage.app, api, telegram_webhook_url=hooks[1], port=other),
    ):
        await talk.says("웃긴 영화")
        update = next(each for each in api.world.history if "message" in each)
        headers = {"X-Telegram-Bot-Api-Secret-Token": api.hook.secret}
        async with ClientSession() as client:
            for hook in hooks:
                async with client.post(str(hook), json=update, headers=headers) as answer:
                    assert answer.status == 200
        await talk.says("무서운 영화")
    assert len(talk.shown) == 2


async def test_a_stop_in_order_finishes_what_is_in_hand(stage: Stage, api: BotApi, talk: Talk) -> None:
    async with running(stage.app, api):
        api.world.say(talk.person, None, "웃긴 영화")
        await until(lambda: not api.world.pending)
    assert len(talk.shown) == 1


async def test_the_token_reaches_no_log_and_no_error(
    stage: Stage, api: BotApi, caplog: pytest.LogCaptureFixture
) -> None:
    hush()
    with caplog.at_level(logging.DEBUG):
        async with running(stage.app, api):
            jiho = api.world.person("지호")
            api.hang_up("before", "sendMessage")
            await Talk(api, api.world.private(jiho), jiho).says("/help")
    ours = [
        record for record in caplog.records if not record.name.startswith("aiohttp")
    ]  # the server of the tests
    assert ours
    assert not any(TOKEN.split(":")[1] in record.getMessage() for record in ours)


@pytest.mark.parametrize(
    ("token", "says"), [(None, "BotFather"), ("1:" + "x" * 35, "BotFather"), ("nonsense", "BotFather")]
)
async def test_a_missing_or_wrong_token_is_said_in_one_line(
    stage: Stage, api: BotApi, token: str | None, says: str
) -> None:
    with pytest.raises(CommandError, match=says) as told:
        async with running(stage.app, api, telegram_token=SecretStr(token) if token else None):
            pass
    assert token is None or token not in str(told.value)


async def test_a_server_that_is_not_there_is_said_in_one_line(stage: Stage, unused_tcp_port: int) -> None:
    app = stage.app
    told = {
        "telegram_token": SecretStr(TOKEN),
        "telegram_api_url": AnyHttpUrl(f"http://127.0.0.1:{unused_tcp_port}"),
    }
    app = type(app)(app.settings.model_copy(update=told), app.database, app.index, app.embedder, app.engine)
    with pytest.raises(CommandError, match="cannot be reached"):
        await serve(app, asyncio.Event())
