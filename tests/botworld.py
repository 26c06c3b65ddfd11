"""Telegram's side of a test: people, chats, topics, messages and polls, and what people do in them.

Each thing done becomes an update with the fields of Bot API 10. It knows no HTTP; tests/botapi.py serves it to bots.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.botmarks import entities_of

Json = dict[str, Any]
BOT = {"id": 7000000001, "is_bot": True, "first_name": "오늘뭐", "username": "oneulmwo_bot"}
UNASKED = {"chat_member", "message_reaction", "message_reaction_count"}
RIGHTS = [
    "can_be_edited",
    "is_anonymous",
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
]


@dataclass
class Person:
    id: int
    name: str
    language: str = "ko"
    started: bool = False
    blocked: bool = False
    seen: bool = False

    @property
    def json(self) -> Json:
        return {"id": self.id, "is_bot": False, "first_name": self.name, "language_code": self.language}


@dataclass
class Chat:
    id: int
    type: str
    title: str = ""
    forum: bool = False
    topics: dict[int, Json] = field(default_factory=dict)
    members: dict[int, str] = field(default_factory=dict)
    bot: str = "member"
    muted: bool = False
    migrated_to: int = 0
    person: Person | None = None

    @property
    def json(self) -> Json:
        if self.person:
            return {"id": self.id, "type": "private", "first_name": self.person.name}
        said = {"id": self.id, "type": self.type, "title": self.title}
        return {**said, "is_forum": True} if self.forum else said


@dataclass
class Pending:
    """An update on its way; one told `again` is delivered even where its number was confirmed."""

    update: Json
    again: bool = False
    delivered: bool = False


class World:
    def __init__(self) -> None:
        self.people: dict[int, Person] = {}
        self.chats: dict[int, Chat] = {}
        self.messages: dict[tuple[int, int], Json] = {}
        self.told: list[tuple[str, Json]] = []
        self.polls: dict[str, Json] = {}
        self.votes: dict[str, dict[int, list[int]]] = {}
        self.poll_messages: dict[str, tuple[int, int]] = {}
        self.queries: set[str] = set()
        self.answered: list[Json] = []
        self.pending: list[Pending] = []
        self.history: list[Json] = []
        self.allowed: list[str] = []
        self.news: list[Any] = []
        self._held: list[Json] | None = None
        self._ids = itertools.count(1001)
        self._updates = itertools.count(500001)
        self._message_ids: dict[int, Iterator[int]] = {}

    def person(self, name: str = "민지", language: str = "ko", *, started: bool = True) -> Person:
        made = Person(next(self._ids), name, language, started, seen=started)
        self.people[made.id] = made
        self.chats[made.id] = Chat(made.id, "private", person=made)
        return made

    def group(self, *members: Person, title: str = "모임") -> Chat:
        return self._chat(Chat(-next(self._ids), "group", title), members)

    def supergroup(self, *members: Person, title: str = "큰 모임", forum: bool = False) -> Chat:
        return self._chat(Chat(-1_000_000_000_000 - next(self._ids), "supergroup", title, forum), members)

    def _chat(self, made: Chat, members: tuple[Person, ...]) -> Chat:
        made.members = {person.id: "member" for person in members}
        self.chats[made.id] = made
        return made

    def private(self, person: Person) -> Chat:
        return self.chats[person.id]

    def topic(self, chat: Chat, name: str) -> int:
        """Open a forum topic; its id is that of the message that tells of it."""
        made = self.put(
            chat, BOT, forum_topic_created={"name": name, "icon_color": 7322096}, is_topic_message=True
        )
        made["message_thread_id"] = made["message_id"]
        chat.topics[made["message_id"]] = made
        return int(made["message_id"])

    def put(self, chat: Chat, sender: Json, **content: Any) -> Json:
        """Place a message in a chat; the bot hears nothing of it. Only supergroups number their own messages."""
        counted = chat.id if chat.type == "supergroup" else 0
        number = next(self._message_ids.setdefault(counted, itertools.count(1)))
        said = {"message_id": number, "date": int(time.time()), "chat": chat.json, "from": sender, **content}
        self.messages[chat.id, number] = said
        return said

    def place(self, chat: Chat, thread: int, reply_to: Json | None) -> Json:
        """The fields that say where in a chat a message stands."""
        said: Json = {}
        if thread and chat.forum:
            said = {"message_thread_id": thread, "is_topic_message": True}
            reply_to = reply_to or chat.topics[thread]
        elif reply_to and chat.type == "supergroup":
            said["message_thread_id"] = reply_to.get("message_thread_id", reply_to["message_id"])
        if reply_to:
            said["reply_to_message"] = {k: v for k, v in reply_to.items() if k != "reply_to_message"}
        return said

    def push(self, kind: str, body: Json) -> Json:
        """Queue an update for the bot, where it asked for that kind."""
        update = {"update_id": next(self._updates), kind: copy.deepcopy(body)}
        if kind not in self.allowed if self.allowed else kind in UNASKED:
            return update
        self.history.append(update)
        if self._held is not None:
            self._held.append(update)
        else:
            self.deliver(update)
        return update

    def deliver(self, update: Json, *, again: bool = False) -> None:
        self.pending.append(Pending(update, again))
        for event in self.news:
            event.set()

    def repeat(self, update: Json) -> None:
        """Deliver an update once more, under its own number."""
        self.deliver(update, again=True)

    @contextmanager
    def held(self, *, backwards: bool = False) -> Iterator[list[Json]]:
        """Updates wait till the block ends; then they come, in the other order if asked."""
        held: list[Json] = []
        self._held = held
        yield held
        self._held = None
        for update in reversed(held) if backwards else held:
            self.deliver(update, again=True)

    def say(self, person: Person, chat: Chat | None, text: str, **more: Any) -> Json:
        """A text message, with the entities that Telegram finds in it."""
        if found := entities_of(text):
            more["entities"] = found
        return self.send(person, chat, text=text, **more)

    def start(self, person: Person, argument: str = "") -> Json:
        person.started = True
        return self.say(person, None, f"/start {argument}".strip())

    def send(
        self,
        person: Person,
        chat: Chat | None = None,
        *,
        thread: int = 0,
        reply_to: Json | None = None,
        **content: Any,
    ) -> Json:
        """Any message of a person: `text`, `sticker`, `voice`, `forward_origin` and the like."""
        chat = chat or self.private(person)
        person.seen = True
        said = self.put(chat, person.json, **self.place(chat, thread, reply_to), **content)
        self.push("message", said)
        return said

    def reply(self, person: Person, message: Json, text: str) -> Json:
        chat = self.chats[message["chat"]["id"]]
        thread = message.get("message_thread_id", 0) if chat.forum else 0
        return self.say(person, chat, text, reply_to=message, thread=thread)

    def edit(self, person: Person, message: Json, text: str) -> Json:
        message.update(text=text, edit_date=int(time.time()), entities=entities_of(text))
        return self.push("edited_message", message)

    def share_location(
        self, person: Person, latitude: float, longitude: float, chat: Chat | None = None
    ) -> Json:
        return self.send(person, chat, location={"latitude": latitude, "longitude": longitude})

    def press(self, person: Person, message: Json, label: str) -> str:
        """Press the button that the message shows now under this label. Returns the query's id."""
        shown = self.messages[message["chat"]["id"], message["message_id"]]
        rows = shown.get("reply_markup", {}).get("inline_keyboard", [])
        data = {button["text"]: button.get("callback_data", "") for row in rows for button in row}
        assert label in data, f"no button {label!r} among {list(data)}"
        return self.forge(person, message, data[label])

    def forge(self, person: Person, message: Json, data: str) -> str:
        """A press whose data the message need not offer, on a message that may be gone."""
        place = message["chat"]["id"], message["message_id"]
        gone = {"chat": message["chat"], "message_id": place[1], "date": 0}
        query = str(next(self._ids) * 10**12)
        self.queries.add(query)
        body = {"id": query, "from": person.json, "message": self.messages.get(place, gone), "data": data}
        self.push("callback_query", {**body, "chat_instance": str(place[0] * 31)})
        return query

    def expire(self, query: str) -> None:
        self.queries.discard(query)

    def inline_query(self, person: Person, text: str, offset: str = "") -> str:
        query = str(next(self._ids) * 10**12)
        self.queries.add(query)
        self.push(
            "inline_query",
            {"id": query, "from": person.json, "query": text, "offset": offset, "chat_type": "group"},
        )
        return query

    def add_poll(self, poll: Json, chat: Chat, message_id: int) -> None:
        self.polls[poll["id"]], self.votes[poll["id"]] = poll, {}
        self.poll_messages[poll["id"]] = (chat.id, message_id)

    def vote(self, person: Person, message: Json, *chosen: int) -> None:
        """Choose options by position, or none to take the vote back."""
        poll = self.messages[message["chat"]["id"], message["message_id"]]["poll"]
        assert not poll["is_closed"], "a closed poll takes no votes"
        assert len(chosen) < 2 or poll["allows_multiple_answers"], "this poll takes one answer"
        votes = self.votes[poll["id"]]
        votes[person.id] = list(chosen)
        for number, option in enumerate(poll["options"]):
            option["voter_count"] = sum(number in each for each in votes.values())
        poll["total_voter_count"] = sum(bool(each) for each in votes.values())
        if not poll["is_anonymous"]:
            ids = [poll["options"][each]["persistent_id"] for each in chosen]
            body = {"poll_id": poll["id"], "user": person.json, "option_ids": list(chosen)}
            self.push("poll_answer", {**body, "option_persistent_ids": ids})
        self.push("poll", poll)

    def close_poll(self, message: Json) -> None:
        """The poll ends by itself, or by the hand of who may end it."""
        poll = self.messages[message["chat"]["id"], message["message_id"]]["poll"]
        poll["is_closed"] = True
        self.push("poll", poll)

    def join(self, person: Person, chat: Chat) -> None:
        self._becomes(person, chat, "member", new_chat_members=[person.json])

    def leave(self, person: Person, chat: Chat) -> None:
        self._becomes(person, chat, "left", left_chat_member=person.json)

    def _becomes(self, person: Person, chat: Chat, status: str, **service: Any) -> None:
        before = chat.members.get(person.id, "left")
        chat.members[person.id] = status
        if chat.bot == "administrator":
            self._tell_change("chat_member", person, chat, person.json, before, status)
        self.push("message", self.put(chat, person.json, **service))

    def bot_becomes(self, chat: Chat, status: str, by: Person) -> None:
        """The bot is added, made an administrator, removed ("kicked"), or blocked in a private chat ("kicked")."""
        before, chat.bot = chat.bot, status
        if chat.person:
            chat.person.blocked = status == "kicked"
        self._tell_change("my_chat_member", by, chat, BOT, before, status)

    def _tell_change(self, kind: str, by: Person, chat: Chat, who: Json, before: str, status: str) -> None:
        body = {"chat": chat.json, "from": by.json, "date": int(time.time())}
        old, new = membership(who, before), membership(who, status)
        self.push(kind, {**body, "old_chat_member": old, "new_chat_member": new})

    def migrate(self, chat: Chat, by: Person) -> Chat:
        """A group becomes a supergroup with another id; the old one refuses from then on."""
        grown = self.supergroup(title=chat.title)
        grown.members, grown.bot, chat.migrated_to = chat.members, chat.bot, grown.id
        self.push("message", self.put(chat, by.json, migrate_to_chat_id=grown.id))
        self.push("message", self.put(grown, by.json, migrate_from_chat_id=chat.id))
        return grown

    def shown(self, chat: Chat, thread: int | None = None) -> list[Json]:
        """What the bot's messages in a chat look like now, oldest first."""
        mine = [m for (c, _), m in self.messages.items() if c == chat.id and m["from"] == BOT]
        mine = [m for m in mine if "forum_topic_created" not in m]
        return [m for m in mine if thread is None or m.get("message_thread_id", 0) == thread]

    def texts(self, chat: Chat, thread: int | None = None) -> list[str]:
        return [str(m.get("text", m.get("caption", ""))) for m in self.shown(chat, thread)]

    def done(self, chat: Chat) -> list[tuple[str, Json]]:
        """What the bot did in a chat, in order: ("send" | "edit" | "delete", the message then)."""
        return [(verb, m) for verb, m in self.told if m["chat"]["id"] == chat.id]


def membership(user: Json, status: str) -> Json:
    said = {"user": user, "status": status}
    if status == "administrator":
        return said | dict.fromkeys(RIGHTS, True) | {"is_anonymous": False}
    if status == "creator":
        return said | {"is_anonymous": False}
    return said | {"until_date": 0} if status == "kicked" else said
