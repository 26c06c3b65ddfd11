"""Which of what happens in Telegram becomes a turn, and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from telegram import Update

from bot.telegram.updates import Me, Moved, asked_by, lane, place, read
from handlers.turn import Command, Location, Media, Membership, Text, Turn
from tests.botworld import BOT, Chat, Person, World

ME = Me(7000000001, "oneulmwo_bot", lambda name: name in ("book", "help"))
NAME = "@oneulmwo_bot"
ORIGIN = {"type": "hidden_user", "date": 1, "sender_user_name": "누군가"}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def minji(world: World) -> Person:
    return world.person()


@pytest.fixture
def group(world: World, minji: Person) -> Chat:
    return world.supergroup(minji)


def heard(world: World) -> Turn | None:
    """The turn that the latest update is."""
    update = Update.de_json(world.history[-1], None)
    turn = read(update, ME)
    assert not isinstance(turn, Moved)
    return turn


def said(world: World) -> Any:
    turn = heard(world)
    return turn.payload if turn else None


def test_a_private_text_is_a_turn_with_who_and_where(world: World, minji: Person) -> None:
    world.say(minji, None, "웃긴 영화")
    turn = heard(world)
    assert turn
    assert (turn.payload, turn.chat.kind, turn.chat.id) == (Text("웃긴 영화"), "private", str(minji.id))
    assert (turn.person.id, turn.person.name, turn.person.locale) == (str(minji.id), "민지", "ko")
    assert turn.at > 1_700_000_000


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        ("/book", Command("book")),
        ("/BOOK 위로가 되는", Command("book", "위로가 되는")),
        (f"/book{NAME} 하나", Command("book", "하나")),
        (f"/book{NAME.upper()}", Command("book")),
        ("/start round-3-x", Command("start", "round-3-x")),
        ("/nonsense", Command("nonsense")),
        ("/start야", Text("/start야")),
        ("/점심", Text("/점심")),
        (f"{NAME} 웃긴 영화", Text("웃긴 영화")),
        ("email@oneulmwo_botanic.kr", Text("email@oneulmwo_botanic.kr")),
    ],
)
def test_what_is_said_in_private_is_for_the_bot(
    world: World, minji: Person, text: str, payload: Command | Text
) -> None:
    world.say(minji, None, text)
    assert said(world) == payload


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        ("우리 뭐 먹지?", None),
        ("/book 위로", Command("book", "위로")),
        ("/nonsense", None),
        ("/book@other_bot", None),
        (f"/nonsense{NAME}", Command("nonsense")),
        (f"{NAME} 웃긴 영화", Text("웃긴 영화")),
        (f"{NAME}은 뭐가 좋아?", Text("은 뭐가 좋아?")),
        (f"오늘 뭐 볼까 {NAME.upper()}", Text("오늘 뭐 볼까")),
        (f"{NAME}x 너 말고", None),
        ("/start야", None),
    ],
)
def test_in_a_group_only_what_is_meant_for_the_bot_is_heard(
    world: World, minji: Person, group: Chat, text: str, payload: Command | Text | None
) -> None:
    """Keeps away a bot that answers everything, and one that takes another bot's commands."""
    world.say(minji, group, text)
    assert said(world) == payload


def test_a_reply_to_the_bot_is_for_the_bot(world: World, minji: Person, group: Chat) -> None:
    shown = world.put(group, BOT, text="골라 봤어요")
    world.reply(minji, shown, "더 가볍게")
    turn = heard(world)
    assert turn
    assert (turn.payload, turn.replies_to) == (Text("더 가볍게"), str(shown["message_id"]))
    other = world.say(world.person("다른이"), group, "나는 별로")
    world.reply(minji, other, "왜?")
    assert heard(world) is None


def test_topics_are_chats_of_their_own(world: World, minji: Person) -> None:
    """A reply in a plain supergroup carries a thread too; and in a topic everybody replies to its first message."""
    forum = world.supergroup(minji, forum=True)
    topic = world.topic(forum, "저녁")
    world.say(minji, forum, "아무나 없나", thread=topic)
    assert heard(world) is None
    world.say(minji, forum, "/book", thread=topic)
    turn = heard(world)
    assert turn
    assert (turn.chat.kind, place(turn.chat.id)) == ("thread", (forum.id, topic))
    plain = world.supergroup(minji)
    world.reply(minji, world.put(plain, BOT, text="골라 봤어요"), "다른 거")
    turn = heard(world)
    assert turn
    assert (turn.chat.kind, turn.chat.id) == ("group", str(plain.id))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"sticker": {"file_id": "s", "file_unique_id": "u", "type": "regular", "width": 1, "height": 1, "is_animated": False, "is_video": False}}, "sticker"),
        ({"voice": {"file_id": "v", "file_unique_id": "u", "duration": 3}}, "voice"),
        ({"photo": [{"file_id": "p", "file_unique_id": "u", "width": 1, "height": 1}]}, "photo"),
        ({"dice": {"emoji": "🎲", "value": 3}}, "dice"),
        ({"contact": {"phone_number": "1", "first_name": "누구"}}, "contact"),
    ],
)  # fmt: skip
def test_what_holds_no_words_is_told_apart_in_private_and_left_in_groups(
    world: World, minji: Person, group: Chat, content: dict[str, Any], what: str
) -> None:
    world.send(minji, None, **content)
    assert said(world) == Media(what)
    world.send(minji, group, **content)
    assert heard(world) is None


def test_words_under_a_picture_count_and_forwarded_ones_too(world: World, minji: Person) -> None:
    photo = [{"file_id": "p", "file_unique_id": "u", "width": 1, "height": 1}]
    world.send(minji, None, photo=photo, caption="이런 분위기 영화")
    assert said(world) == Text("이런 분위기 영화")
    world.send(minji, None, text="매운 거 땡긴다", forward_origin=ORIGIN)
    assert said(world) == Text("매운 거 땡긴다")


def test_a_place_is_heard_in_private(world: World, minji: Person, group: Chat) -> None:
    world.share_location(minji, 37.5, 127.0)
    assert said(world) == Location(37.5, 127.0)
    world.share_location(minji, 37.5, 127.0, group)
    assert heard(world) is None


def test_what_was_sent_inline_asks_nothing(world: World, minji: Person) -> None:
    world.send(minji, None, text="🎬 기생충", via_bot=BOT)
    assert heard(world) is None


def test_an_edited_message_was_answered_already(world: World, minji: Person) -> None:
    message = world.say(minji, None, "웃긴 영화")
    assert read(Update.de_json(world.edit(minji, message, "슬픈 영화"), None), ME) is None


def test_coming_and_going_is_told(world: World, minji: Person, group: Chat) -> None:
    world.leave(minji, group)
    assert said(world) == Membership("left")
    world.bot_becomes(group, "kicked", minji)
    assert said(world) == Membership("left", of_bot=True)
    world.bot_becomes(group, "member", minji)
    assert said(world) == Membership("joined", of_bot=True)
    world.bot_becomes(group, "administrator", minji)
    assert heard(world) is None, "being made an administrator is no coming"
    world.bot_becomes(world.private(minji), "kicked", minji)
    assert said(world) == Membership("left", of_bot=True)


def test_a_group_that_grew_is_told_by_both_ids(world: World, minji: Person) -> None:
    small = world.group(minji)
    grown = world.migrate(small, minji)
    old, new = (read(Update.de_json(each, None), ME) for each in world.history[-2:])
    assert old == Moved(str(small.id), str(grown.id))
    assert new is None


def test_the_message_to_reply_to_is_known_from_the_turn(world: World, minji: Person, group: Chat) -> None:
    """It must be known after a restart, and not be looked for in another chat."""
    message = world.say(minji, group, "/book")
    turn = heard(world)
    assert turn
    assert asked_by(turn.id, group.id) == message["message_id"]
    assert asked_by(turn.id, minji.id) is None
    world.say(minji, None, "/book")
    turn = heard(world)
    assert turn
    assert asked_by(turn.id, minji.id) is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=60))
def test_any_text_in_private_is_heard_whole(world: World, minji: Person, text: str) -> None:
    world.say(minji, None, text)
    turn = heard(world)
    assert turn
    if isinstance(turn.payload, Text) and NAME.lower() not in text.lower():
        assert turn.payload == Text(text.strip())


def test_updates_of_one_chat_keep_their_order_and_others_wait_for_none(
    world: World, minji: Person, group: Chat
) -> None:
    said = world.say(minji, None, "안녕")
    world.forge(minji, said, "x")
    world.inline_query(minji, "비")
    assert {lane(each) for each in world.history} == {minji.id}
    world.say(minji, group, "/book")
    assert lane(world.history[-1]) == group.id
    assert [lane(each) for each in ({}, {"update_id": 1}, {"message": "x"}, {"message": {"chat": 3}})] == [
        0
    ] * 4
