"""The Bot API server of the tests, driven by the real python-telegram-bot: what Telegram does, it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeAllGroupChats,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InlineQueryResultArticle,
    InputTextMessageContent,
    ReplyParameters,
)
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
)
from telegram.request import HTTPXRequest

from tests.botapi import TOKEN, BotApi, serving
from tests.botmarks import cut, units


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with serving() as running:
        yield running


@pytest.fixture
async def bot(api: BotApi) -> AsyncIterator[Bot]:
    async with Bot(TOKEN, base_url=api.base_url, get_updates_request=HTTPXRequest(4)) as made:
        yield made


def keys(*buttons: tuple[str, str]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(text, callback_data=data)] for text, data in buttons])


async def test_a_bot_knows_itself_and_a_wrong_token_is_nobody(api: BotApi, bot: Bot) -> None:
    assert (await bot.get_me()).username == "oneulmwo_bot"
    with pytest.raises(InvalidToken):
        await Bot("7000000001:" + "x" * 35, base_url=api.base_url).get_me()
    with pytest.raises(InvalidToken):
        await Bot("nonsense", base_url=api.base_url).get_me()


async def test_updates_come_again_until_the_offset_moves(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    for text in ("하나", "둘", "셋"):
        api.world.say(someone, None, text)
    first = await bot.get_updates(limit=2)
    assert [u.message and u.message.text for u in first] == ["하나", "둘"]
    assert await bot.get_updates(limit=2) == first
    rest = await bot.get_updates(offset=first[-1].update_id + 1)
    assert [u.message and u.message.text for u in rest] == ["셋"]
    assert await bot.get_updates(offset=rest[-1].update_id + 1) == ()


async def test_long_polling_waits_for_what_is_said_meanwhile(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    waiting = asyncio.create_task(bot.get_updates(timeout=30))
    await api.polled.wait()
    api.world.say(someone, None, "지금")
    (update,) = await waiting
    assert update.message
    assert update.message.text == "지금"


async def test_of_two_pollers_the_earlier_is_told_of_the_conflict(api: BotApi, bot: Bot) -> None:
    earlier = asyncio.create_task(bot.get_updates(timeout=30))
    await api.polled.wait()
    assert await bot.get_updates(timeout=0) == ()
    with pytest.raises(Conflict, match="terminated by other getUpdates request"):
        await earlier


async def test_kinds_not_asked_for_do_not_come(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    group = api.world.supergroup(someone)
    group.bot = "administrator"
    api.world.leave(someone, group)
    assert [u.chat_member for u in await bot.get_updates(offset=-1)] == [None]
    await bot.get_updates(offset=10**9, allowed_updates=["chat_member"])
    api.world.join(someone, group)
    (update,) = await bot.get_updates()
    assert update.chat_member
    assert update.chat_member.new_chat_member.status == "member"


async def test_updates_can_come_twice_and_in_the_wrong_order(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    with api.world.held(backwards=True) as held:
        api.world.say(someone, None, "먼저")
        api.world.say(someone, None, "다음")
    assert [u.message and u.message.text for u in await bot.get_updates()] == ["다음", "먼저"]
    await bot.get_updates(offset=held[-1]["update_id"] + 1)
    api.world.repeat(held[0])
    (again,) = await bot.get_updates(offset=held[-1]["update_id"] + 1)
    assert again.update_id == held[0]["update_id"]


async def test_a_webhook_gets_its_secret_and_what_it_refused_once_more(api: BotApi, bot: Bot) -> None:
    heard: list[tuple[str | None, Any]] = []
    enough = asyncio.Event()

    async def hear(request: web.Request) -> web.Response:
        heard.append((request.headers.get("X-Telegram-Bot-Api-Secret-Token"), await request.json()))
        if len(heard) == 2:
            enough.set()
        return web.Response(status=500 if len(heard) == 1 else 200)

    app = web.Application()
    app.router.add_post("/hook", hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await bot.set_webhook(f"http://127.0.0.1:{runner.addresses[0][1]}/hook", secret_token="s3cret-1")
    with pytest.raises(Conflict, match="webhook is active"):
        await bot.get_updates()
    api.world.say(api.world.person(), None, "안녕")
    await asyncio.wait_for(enough.wait(), 5)
    assert heard[0] == heard[1]
    assert heard[0][0] == "s3cret-1"
    await bot.delete_webhook()
    assert (await bot.get_webhook_info()).url == ""
    await runner.cleanup()
    with pytest.raises(BadRequest, match="unallowed characters"):
        await bot.set_webhook("http://127.0.0.1:1/", secret_token="한글")


async def test_length_is_counted_in_utf16_after_the_tags_are_read(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    await bot.send_message(someone.id, "가" * 4096)
    await bot.send_message(someone.id, f"<b>{'&lt;' * 4096}</b>", parse_mode="HTML")
    await bot.send_message(someone.id, "😀" * 2048)
    with pytest.raises(BadRequest, match="Message is too long"):
        await bot.send_message(someone.id, "😀" * 2048 + "a")
    with pytest.raises(BadRequest, match="Message_too_long"):
        await bot.edit_message_text(
            "가" * 4097, someone.id, api.world.shown(api.world.private(someone))[0]["message_id"]
        )
    for empty in (" \n", "<b> </b>"):
        with pytest.raises(BadRequest, match="Message text is empty"):
            await bot.send_message(someone.id, empty, parse_mode="HTML")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("🏟 🏟&lt;<abac>", 'Unsupported start tag "abac" at byte offset 13'),
        ("<b>가", 'Can\'t find end tag corresponding to start tag "b"'),
        ("🏟 🏟&lt;<i>a</em   >", 'Unmatched end tag at byte offset 17, expected "</i>", found "</em>"'),
        ("가</b>", "Unexpected end tag at byte offset 3"),
        ("1 <b", "Unclosed start tag at byte offset 2"),
    ],
)
async def test_html_that_is_not_balanced_is_refused(api: BotApi, bot: Bot, text: str, words: str) -> None:
    """The library writes all but the first letter small, so what it says is no place to read a tag's name."""
    with pytest.raises(BadRequest) as refused:
        await bot.send_message(api.world.person().id, text, parse_mode="HTML")
    assert api.calls[-1].error == f"Bad Request: can't parse entities: {words}"
    assert refused.value.message == f"can't parse entities: {words}".capitalize()


async def test_entities_stand_in_utf16_units(api: BotApi, bot: Bot) -> None:
    sent = await bot.send_message(
        api.world.person().id, "😀 <b>한글</b> <a href='https://x.kr'>링크</a>", parse_mode="HTML"
    )
    assert sent.text == "😀 한글 링크"
    assert [(e.type, e.offset, e.length) for e in sent.entities] == [("bold", 3, 2), ("text_link", 6, 2)]
    assert units("😀") == 2
    assert cut("😀 한글", 3, 2) == "한글"


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("😀 /eat@oneulmwo_bot 뭐", [("bot_command", 3, 17)]),
        ("@oneulmwo_bot 뭐 먹지", [("mention", 0, 13)]),
        ("@oneulmwo_bot은 뭐래", []),
        ("/start야", []),
        ("12/25", []),
    ],
)
async def test_commands_and_mentions_are_marked_as_telegram_does(
    api: BotApi, bot: Bot, text: str, entities: list[tuple[str, int, int]]
) -> None:
    """A particle right behind "@bot" makes it no mention: Hangul is a letter."""
    api.world.say(api.world.person(), None, text)
    (update,) = await bot.get_updates()
    assert update.message
    assert [(e.type, e.offset, e.length) for e in update.message.entities] == entities


async def test_buttons_carry_64_bytes_and_not_65(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    sent = await bot.send_message(someone.id, "골라요", reply_markup=keys(("좋아요", "가" * 21 + "a")))
    for data in ("가" * 21 + "ab", "가" * 22):
        with pytest.raises(BadRequest, match="Button_data_invalid"):
            await bot.send_message(someone.id, "골라요", reply_markup=keys(("x", data)))
    query = api.world.press(someone, api.world.shown(api.world.private(someone))[0], "좋아요")
    (update,) = await bot.get_updates()
    assert update.callback_query
    assert update.callback_query.data == "가" * 21 + "a"
    assert update.callback_query.message == sent
    assert await update.callback_query.answer()
    api.world.expire(query)
    with pytest.raises(
        BadRequest, match="Query is too old and response timeout expired or query id is invalid"
    ):
        await update.callback_query.answer()


async def test_an_edit_shows_and_one_that_changes_nothing_is_refused(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    chat = api.world.private(someone)
    sent = await bot.send_message(someone.id, "하나", reply_markup=keys(("a", "1")))
    await sent.edit_text("<i>둘</i>", parse_mode="HTML", reply_markup=keys(("a", "1")))
    with pytest.raises(BadRequest, match="Message is not modified: specified new message content"):
        await sent.edit_text(" <i>둘</i>\n", parse_mode="HTML", reply_markup=keys(("a", "1")))
    await sent.edit_reply_markup(None)
    assert api.world.texts(chat) == ["둘"]
    assert "reply_markup" not in api.world.shown(chat)[0]
    assert await sent.delete()
    assert [verb for verb, _ in api.world.done(chat)] == ["send", "edit", "edit", "delete"]
    with pytest.raises(BadRequest, match="Message to edit not found"):
        await sent.edit_text("셋")
    with pytest.raises(BadRequest, match="Message to delete not found"):
        await sent.delete()
    said = api.world.say(someone, None, "내 말")
    with pytest.raises(BadRequest, match="Message can't be edited"):
        await bot.edit_message_text("네 말", someone.id, said["message_id"])


async def test_chats_refuse_as_they_do(api: BotApi, bot: Bot) -> None:
    world = api.world
    someone, stranger = world.person(), world.person("지훈", started=False)
    group, big = world.group(someone, stranger), world.supergroup(someone)
    with pytest.raises(BadRequest, match="Chat not found"):
        await bot.send_message(stranger.id, "안녕")
    world.say(stranger, group, "나도")
    with pytest.raises(Forbidden, match="bot can't initiate conversation with a user"):
        await bot.send_message(stranger.id, "안녕")
    world.bot_becomes(world.private(someone), "kicked", someone)
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(someone.id, "안녕")
    grown = world.migrate(group, someone)
    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(group.id, "안녕")
    assert moved.value.new_chat_id == grown.id
    world.bot_becomes(big, "kicked", someone)
    with pytest.raises(Forbidden, match="bot was kicked from the supergroup chat"):
        await bot.send_message(big.id, "안녕")
    grown.muted = True
    with pytest.raises(BadRequest, match="Not enough rights to send text messages"):
        await bot.send_message(grown.id, "안녕")
    changes = [u.my_chat_member.new_chat_member.status for u in await bot.get_updates() if u.my_chat_member]
    assert changes == ["kicked", "kicked"]


async def test_a_topic_is_kept_and_a_reply_in_a_plain_supergroup_is_none(api: BotApi, bot: Bot) -> None:
    """message_thread_id alone does not mean a topic: replies in a supergroup carry one too."""
    someone = api.world.person()
    forum, plain = api.world.supergroup(someone, forum=True), api.world.supergroup(someone)
    topic = api.world.topic(forum, "영화")
    api.world.say(someone, forum, "뭐 볼까", thread=topic)
    api.world.reply(someone, api.world.say(someone, plain, "하나"), "둘")
    first, _, third = [u.message for u in await bot.get_updates()]
    assert first
    assert third
    assert (first.is_topic_message, first.message_thread_id) == (True, topic)
    assert first.reply_to_message
    assert first.reply_to_message.forum_topic_created
    assert (third.is_topic_message, third.message_thread_id) == (None, 1)
    await bot.send_message(forum.id, "이거", message_thread_id=topic)
    assert api.world.texts(forum, topic) == ["이거"]
    with pytest.raises(BadRequest, match="Message thread not found"):
        await bot.send_message(forum.id, "이거", message_thread_id=999)
    with pytest.raises(BadRequest, match="Message to be replied not found"):
        await bot.send_message(plain.id, "이거", reply_parameters=ReplyParameters(999))
    answer = await bot.send_message(plain.id, "그거", reply_parameters=ReplyParameters(2))
    assert answer.message_thread_id == 1


async def test_a_poll_is_voted_on_and_closed(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    group = api.world.supergroup(someone)
    sent = await bot.send_poll(group.id, "어느 영화?", ["하나", "둘"], is_anonymous=False)
    message = api.world.shown(group)[0]
    api.world.vote(someone, message, 1)
    api.world.vote(someone, message)
    answered, _, withdrawn, counted = await bot.get_updates()
    assert answered.poll_answer
    assert withdrawn.poll_answer
    assert counted.poll
    assert answered.poll_answer.option_ids == (1,)
    assert answered.poll_answer.option_persistent_ids == ("1",)
    assert withdrawn.poll_answer.option_ids == ()
    assert counted.poll.total_voter_count == 0
    assert (await bot.stop_poll(group.id, sent.message_id)).is_closed
    with pytest.raises(BadRequest, match="Poll has already been closed"):
        await bot.stop_poll(group.id, sent.message_id)


@pytest.mark.parametrize(
    ("question", "options", "words"),
    [
        ("가" * 301, ["a", "b"], "Poll question length must not exceed 300"),
        ("뭐", ["a", "가" * 101], "Poll options length must not exceed 100"),
        ("뭐", ["a"] * 13, "Poll can't have more than 12 options"),
        ("뭐", [], "Poll must have at least one answer option"),
        ("뭐", ["a", " "], "Text must be non-empty"),
    ],
)
async def test_a_poll_over_its_limits_is_refused(
    api: BotApi, bot: Bot, question: str, options: list[str], words: str
) -> None:
    with pytest.raises(BadRequest, match=words):
        await bot.send_poll(api.world.person().id, question, options)


async def test_photos_places_and_actions_arrive(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    sent = await bot.send_photo(someone.id, b"\x89PNG picture", caption="<b>표지</b>", parse_mode="HTML")
    assert sent.caption == "표지"
    assert (await bot.send_photo(someone.id, "https://x.kr/a.png")).photo
    assert (await bot.send_location(someone.id, 37.5, 127.0)).location
    assert (await bot.send_venue(someone.id, 37.5, 127.0, "분식집", "1")).venue
    assert await bot.send_chat_action(someone.id, "typing")
    with pytest.raises(BadRequest, match="Message caption is too long"):
        await bot.send_photo(someone.id, b"x", caption="가" * 1025)
    api.world.share_location(someone, 37.1, 127.2)
    (update,) = await bot.get_updates()
    assert update.message
    assert update.message.location


async def test_commands_are_kept_per_scope_and_language(api: BotApi, bot: Bot) -> None:
    groups = BotCommandScopeAllGroupChats()
    await bot.set_my_commands([BotCommand("together", "함께 골라요")], scope=groups, language_code="ko")
    assert [c.command for c in await bot.get_my_commands(groups, "ko")] == ["together"]
    assert await bot.get_my_commands() == ()
    await bot.delete_my_commands(groups, "ko")
    assert await bot.get_my_commands(groups, "ko") == ()
    with pytest.raises(BadRequest, match="Bot_command_invalid"):
        await bot.set_my_commands([("영화", "영화")])
    assert await bot.set_my_description("오늘 뭐 볼까", "ko")
    assert await bot.set_my_short_description("오늘 뭐", "ko")


async def test_chats_and_members_can_be_looked_up(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    group = api.world.supergroup(someone, forum=True)
    group.bot = "administrator"
    assert (await bot.get_chat(group.id)).is_forum
    assert (await bot.get_chat_member(group.id, someone.id)).status == "member"
    assert (await bot.get_chat_member(group.id, bot.id)).status == "administrator"
    with pytest.raises(BadRequest, match="Participant_id_invalid"):
        await bot.get_chat_member(group.id, 5)


async def test_an_inline_query_is_answered_once_its_id_is_known(api: BotApi, bot: Bot) -> None:
    api.world.inline_query(api.world.person(), "비 오는 날")
    (update,) = await bot.get_updates()
    assert update.inline_query
    result = InlineQueryResultArticle("1", "라면", InputTextMessageContent("라면 어때요"))
    assert await update.inline_query.answer([result])
    with pytest.raises(BadRequest, match="Result_id_duplicate"):
        await update.inline_query.answer([result, result])
    with pytest.raises(BadRequest, match="Query is too old"):
        await bot.answer_inline_query("7", [result])


async def test_a_flood_in_one_chat_leaves_the_others_alone(api: BotApi, bot: Bot) -> None:
    one, other = api.world.person(), api.world.person()
    api.flood(7, chat=api.world.private(one))
    await bot.send_message(other.id, "안녕")
    with pytest.raises(RetryAfter) as flood:
        await bot.send_message(one.id, "안녕")
    assert flood.value._retry_after.total_seconds() == 7
    await bot.send_message(one.id, "안녕")
    assert [api.world.texts(api.world.private(each)) for each in (one, other)] == [["안녕"], ["안녕"]]


@pytest.mark.parametrize(("cut_at", "shown"), [("before", []), ("after", ["안녕"]), ("midway", ["안녕"])])
async def test_a_dropped_connection_tells_nothing_of_what_was_done(
    api: BotApi, bot: Bot, cut_at: str, shown: list[str]
) -> None:
    someone = api.world.person()
    api.hang_up(cut_at, "sendMessage")
    with pytest.raises(NetworkError):
        await bot.send_message(someone.id, "안녕")
    assert api.world.texts(api.world.private(someone)) == shown


async def test_an_outage_ends_and_nothing_is_lost(api: BotApi, bot: Bot) -> None:
    with api.outage():
        api.world.start(api.world.person(), "round-7")
        with pytest.raises(NetworkError):
            await bot.get_updates()
    (update,) = await bot.get_updates()
    assert update.message
    assert update.message.text == "/start round-7"


async def test_a_press_on_a_message_that_is_gone_still_comes(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    sent = await bot.send_message(someone.id, "안녕")
    message = api.world.shown(api.world.private(someone))[0]
    await sent.delete()
    api.world.forge(someone, message, "x")
    (update,) = await bot.get_updates()
    assert update.callback_query
    assert update.callback_query.message
    assert not update.callback_query.message.is_accessible


async def test_json_bodies_are_read_and_unknown_methods_refused(api: BotApi) -> None:
    someone = api.world.person()
    async with ClientSession() as client:
        body = {"chat_id": someone.id, "text": "123"}
        async with client.post(f"{api.base_url}{TOKEN}/sendMessage", json=body) as answer:
            assert (await answer.json())["result"]["text"] == "123"
        async with client.post(f"{api.base_url}{TOKEN}/sendFlowers") as answer:
            assert await answer.json() == {
                "ok": False,
                "error_code": 404,
                "description": "Not Found: method not found",
            }


async def test_a_server_of_theirs_that_stumbles_is_a_network_error(api: BotApi, bot: Bot) -> None:
    api.fail(502, "Bad Gateway", "sendMessage")
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bot.send_message(api.world.person().id, "안녕")


async def test_a_poll_that_ends_by_itself_is_told_and_takes_no_votes(api: BotApi, bot: Bot) -> None:
    someone = api.world.person()
    group = api.world.supergroup(someone)
    await bot.send_poll(group.id, "어느 영화?", ["하나", "둘"], open_period=60)
    message = api.world.shown(group)[0]
    api.world.close_poll(message)
    (update,) = await bot.get_updates()
    assert update.poll
    assert update.poll.is_closed
    with pytest.raises(AssertionError):
        api.world.vote(someone, message, 0)
