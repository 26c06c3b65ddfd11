"""Updates read as turns: which of what happens in a chat is meant for the bot, and what was said there.

Knows neither what is stored (polls, buttons: `adapter.py`) nor what is answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from telegram import CallbackQuery, ChatMember, ChatMemberUpdated, Message, MessageEntity, Update, User
from telegram import Chat as Room
from telegram.constants import ChatType

from handlers.turn import Chat, Command, Location, Media, Membership, Payload, Person, Text, Turn

PLATFORM = "telegram"
ALLOWED = (
    "message", "callback_query", "inline_query", "poll", "poll_answer", "my_chat_member", "chat_member",
)  # fmt: skip
"""Kinds of updates that the bot asks for. An edited message is none: what was said first has been answered."""
HERE = frozenset({ChatMember.OWNER, ChatMember.ADMINISTRATOR, ChatMember.MEMBER, ChatMember.RESTRICTED})
MEDIA = (
    "sticker", "voice", "audio", "video_note", "video", "animation", "photo", "document", "contact", "dice",
    "game", "story", "poll",
)  # fmt: skip
"""What a message may hold instead of words; an animation is a document as well, and comes first."""


@dataclass(frozen=True, slots=True)
class Me:
    """The bot as others see it; `knows` tells which commands are its own, in a group with other bots."""

    id: int
    username: str
    knows: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Moved:
    """A group that goes on under another id."""

    old: str
    new: str


def read(update: Update, me: Me) -> Turn | Moved | None:
    """The turn that an update is, or None for what is none or not meant for the bot.

    Pressed buttons, polls and inline queries are not read here: what they mean has to be looked up.
    """
    if (message := update.message) is not None:
        if message.migrate_to_chat_id:
            return Moved(str(message.chat.id), str(message.migrate_to_chat_id))
        return _of_message(update.update_id, message, me)
    if (change := update.my_chat_member) is not None:
        return _of_change(change, turn_id(update.update_id, me), of_bot=True)
    if (change := update.chat_member) is not None:
        return _of_change(change, turn_id(update.update_id, me), of_bot=False)
    return None


def lane(raw: dict[str, Any]) -> int:
    """Whose order an update as it was sent belongs to: its chat's, else its person's, 0 where neither can be read."""
    for body in raw.values():
        if isinstance(body, dict):
            for where in (body.get("message"), body, {"chat": body.get("from") or body.get("user")}):
                chat = where.get("chat") if isinstance(where, dict) else None
                if isinstance(chat, dict) and isinstance(chat.get("id"), int):
                    return int(chat["id"])
    return 0


def turn_id(update_id: int, me: Me, message: Message | None = None) -> str:
    """Unique among all bots of a database; of a group's message it tells which it was."""
    here = f":{message.chat.id}:{message.message_id}" if message and message.chat.id < 0 else ""
    return f"{me.id}:{update_id}{here}"


def asked_by(turn_id: str, chat: int) -> int | None:
    """The message in a group that a turn of that id was, to be replied to there."""
    parts = turn_id.split(":")
    return int(parts[3]) if len(parts) == 4 and parts[2] == str(chat) else None


def chat_of(room: Room, thread: int | None = None) -> Chat:
    """Where something happened: a forum's topics are chats of their own."""
    if room.type == ChatType.PRIVATE:
        return Chat(PLATFORM, str(room.id))
    return (
        Chat(PLATFORM, f"{room.id}:{thread}", "thread") if thread else Chat(PLATFORM, str(room.id), "group")
    )


def chat_named(chat_id: str) -> Chat:
    """The chat whose id `chat_of` gave. Raises ValueError for an id that it never gives."""
    room, thread = place(chat_id)
    return Chat(PLATFORM, chat_id, "thread" if thread else "group" if room < 0 else "private")


def place(chat_id: str) -> tuple[int, int | None]:
    """The chat and the topic that `chat_of` named. Raises ValueError for what it never names."""
    room, _, thread = chat_id.partition(":")
    return int(room), int(thread) if thread else None


def person_of(user: User) -> Person:
    return Person(str(user.id), user.full_name, user.language_code or "")


def pressed(query: CallbackQuery) -> tuple[Chat, int] | None:
    """Where the pressed button stands, and the message it belongs to; None for one of an inline message."""
    message = query.message
    if message is None:
        return None
    thread = message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None
    return chat_of(message.chat, thread), message.message_id


def _of_message(update_id: int, message: Message, me: Me) -> Turn | None:
    room, user = message.chat, message.from_user
    if room.type == ChatType.CHANNEL or user is None or (user.is_bot and message.sender_chat is None):
        return None
    if message.via_bot is not None and message.via_bot.id == me.id:
        return None  # a pick sent inline: nobody asks anything with it
    thread = message.message_thread_id if message.is_topic_message else None
    chat, person = chat_of(room, thread), person_of(user)
    if message.sender_chat is not None:  # an anonymous administrator speaks as the group
        person = Person(str(message.sender_chat.id), message.sender_chat.title or "", person.locale)
    answers = message.reply_to_message
    to_bot = bool(
        answers and answers.from_user and answers.from_user.id == me.id and not _opens_topic(answers)
    )
    payload, mentioned = _payload(message, me, alone=chat.kind == "private", to_bot=to_bot)
    if payload is None:
        return None
    if isinstance(payload, Membership):
        gone = message.left_chat_member
        person = person_of(gone) if gone else person
    return Turn(
        turn_id(update_id, me, message),
        chat,
        person,
        payload,
        message.date.timestamp(),
        str(answers.message_id) if answers and to_bot else None,
        mentioned,
    )


def _payload(message: Message, me: Me, alone: bool, to_bot: bool) -> tuple[Payload | None, bool]:
    """What a message says to the bot, and whether it calls it by name. `alone`: nobody else is there."""
    gone = message.left_chat_member
    if gone is not None:
        return (None if gone.id == me.id else Membership("left")), False
    words = message.text or message.caption
    if words is not None:
        command = _command(message, words, me, alone or to_bot)
        if command is not None or words.startswith("/"):
            if command is None and (alone or to_bot):
                return Text(words), False
            return command, False
        called = _called(me, words)
        if not (alone or to_bot or called):
            return None, False
        return Text(_without_name(me, words)), called
    if message.location is not None and (alone or to_bot):
        return Location(message.location.latitude, message.location.longitude), False
    if alone:
        what = next((kind for kind in MEDIA if getattr(message, kind)), None)
        return (Media(what) if what else None), False
    return None, False


def _command(message: Message, words: str, me: Me, meant: bool) -> Command | None:
    """The command at the head of a message; in a group only one of the bot's own, or one said to it by name."""
    first = next(iter(message.entities or message.caption_entities), None)
    if first is None or first.type != MessageEntity.BOT_COMMAND or first.offset:
        return None
    name, _, whose = words[1 : first.length].partition("@")
    if whose and whose.lower() != me.username.lower():
        return None
    if not (meant or whose or me.knows(name.lower())):
        return None
    return Command(name.lower(), words[first.length :].strip())


def _called(me: Me, words: str) -> bool:
    # by the words, not by entities: "@bot은" carries none
    return re.search(rf"@{re.escape(me.username)}(?![a-z0-9_])", words, re.IGNORECASE | re.ASCII) is not None


def _without_name(me: Me, words: str) -> str:
    name = rf"\s*@{re.escape(me.username)}(?![a-z0-9_])[,:]?\s*"
    return re.sub(name, " ", words, flags=re.IGNORECASE | re.ASCII).strip()


def _opens_topic(message: Message) -> bool:
    """Whether a message only opened a topic: whoever writes there replies to it without meaning to."""
    return message.forum_topic_created is not None


def _of_change(change: ChatMemberUpdated, turn_id: str, of_bot: bool) -> Turn | None:
    before, now = _is_here(change.old_chat_member), _is_here(change.new_chat_member)
    who = change.from_user if of_bot else change.new_chat_member.user
    if before == now or change.chat.type == ChatType.CHANNEL or who.is_bot:
        return None
    payload = Membership("joined" if now else "left", of_bot)
    return Turn(turn_id, chat_of(change.chat), person_of(who), payload, change.date.timestamp())


def _is_here(member: ChatMember) -> bool:
    return member.status in HERE and getattr(member, "is_member", True)
