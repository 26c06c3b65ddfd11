"""What each method of the Bot API does to the chats, and the words in which it refuses.

The descriptions are those of telegram-bot-api and TDLib. It knows no HTTP and no updates: tests/botapi.py does.
"""

from __future__ import annotations

import copy
import json
import re
import time
from dataclasses import dataclass, field

from tests import botmarks
from tests.botworld import BOT, Chat, Json, World, membership

MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)
OLD_QUERY = "query is too old and response timeout expired or query ID is invalid"
KINDS = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict", 429: "Too Many Requests"}


class Refused(Exception):
    def __init__(self, code: int, words: str, **parameters: int) -> None:
        self.code, self.parameters = code, parameters
        self.description = f"{KINDS[code]}: {words}" if code in KINDS else words
        super().__init__(self.description)


@dataclass
class Methods:
    world: World = field(default_factory=World)
    commands: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    descriptions: dict[tuple[str, str], str] = field(default_factory=dict)

    def do_getme(self, params: Json) -> Json:
        can = {"can_join_groups": True, "can_read_all_group_messages": True, "supports_inline_queries": True}
        return BOT | can

    def do_sendmessage(self, params: Json) -> Json:
        return self._send(params, _text(params, "text", "entities"))

    def do_sendphoto(self, params: Json) -> Json:
        if not params.get("photo"):
            raise Refused(400, "there is no photo in the request")
        size = {"file_id": "AgAC-photo", "file_unique_id": "photo", "width": 800, "height": 1200}
        caption = _text(params, "caption", "caption_entities", 1024) if params.get("caption") else {}
        return self._send(params, {"photo": [size], **caption})

    def do_senddocument(self, params: Json) -> Json:
        if not params.get("document"):
            raise Refused(400, "there is no document in the request")
        return self._send(params, {"document": {"file_id": "BQAC-document", "file_unique_id": "document"}})

    def do_sendlocation(self, params: Json) -> Json:
        return self._send(params, {"location": _location(params)})

    def do_sendvenue(self, params: Json) -> Json:
        venue = {"location": _location(params), "title": params["title"], "address": params["address"]}
        return self._send(params, {"location": venue["location"], "venue": venue})

    def do_sendpoll(self, params: Json) -> Json:
        options = [each if isinstance(each, str) else each["text"] for each in params.get("options", [])]
        for text, limit, kind in [
            (params.get("question", ""), 300, "question"),
            *((o, 100, "options") for o in options),
        ]:
            if not str(text).strip():
                raise Refused(400, "text must be non-empty")
            if len(str(text)) > limit:
                raise Refused(400, f"poll {kind} length must not exceed {limit}")
        if not options:
            raise Refused(400, "poll must have at least one answer option")
        if len(options) > 12:
            raise Refused(400, "poll can't have more than 12 options")
        poll = {"id": str(5_000_000_000_000_000 + len(self.world.polls)), "question": str(params["question"]),
                "options": [{"text": str(o), "voter_count": 0, "persistent_id": str(n)} for n, o in enumerate(options)],
                "total_voter_count": 0, "is_closed": False, "is_anonymous": params.get("is_anonymous", True),
                "type": "regular", "allows_multiple_answers": params.get("allows_multiple_answers", False),
                "allows_revoting": params.get("allows_revoting", True), "members_only": False}  # fmt: skip
        if "open_period" in params:
            poll |= {
                "open_period": params["open_period"],
                "close_date": int(time.time()) + params["open_period"],
            }
        sent = self._send(params, {"poll": poll})
        self.world.add_poll(poll, self.world.chats[sent["chat"]["id"]], sent["message_id"])
        return sent

    def do_stoppoll(self, params: Json) -> Json:
        message = self._own(params, "message with poll to stop not found")
        if "poll" not in message:
            raise Refused(400, "message is not a poll")
        if message["poll"]["is_closed"]:
            raise Refused(400, "poll has already been closed")
        self._set_markup(message, _markup(params))
        self.world.close_poll(message)
        return dict(message["poll"])

    def do_sendchataction(self, params: Json) -> bool:
        chat, thread = self._target(params)
        if params.get("action") not in ("typing", "upload_photo", "find_location"):
            raise Refused(400, "wrong parameter action in request")
        self.world.told.append(
            ("action", {"chat": chat.json, "message_thread_id": thread, "action": params["action"]})
        )
        return True

    def do_editmessagetext(self, params: Json) -> Json:
        message, markup = self._own(params), _markup(params)
        if "text" not in message:
            raise Refused(400, "there is no text in the message to edit")
        try:
            new = {"entities": [], **_text(params, "text", "entities")}
        except Refused as refused:
            raise Refused(400, "MESSAGE_TOO_LONG") if "too long" in refused.description else refused from None
        now = {"entities": message.get("entities", []), "text": message["text"]}
        if now == new and message.get("reply_markup") == markup:
            raise Refused(400, MODIFIED)
        message.update(new)
        return self._edited(message, markup)

    def do_editmessagereplymarkup(self, params: Json) -> Json:
        message, markup = self._own(params), _markup(params)
        if message.get("reply_markup") == markup:
            raise Refused(400, MODIFIED)
        return self._edited(message, markup)

    def do_deletemessage(self, params: Json) -> bool:
        message = self._own(params, "message to delete not found", "message can't be deleted")
        del self.world.messages[message["chat"]["id"], message["message_id"]]
        self.world.told.append(("delete", copy.deepcopy(message)))
        return True

    def do_answercallbackquery(self, params: Json) -> bool:
        if params.get("callback_query_id") not in self.world.queries:
            raise Refused(400, OLD_QUERY)
        if len(params.get("text", "")) > 200:
            raise Refused(400, "MESSAGE_TOO_LONG")
        self.world.answered.append(params)
        return True

    def do_answerinlinequery(self, params: Json) -> bool:
        if params.get("inline_query_id") not in self.world.queries:
            raise Refused(400, OLD_QUERY)
        results = params.get("results", [])
        ids = [each["id"] for each in results]
        if len(results) > 50:
            raise Refused(400, "RESULTS_TOO_MUCH")
        if len(set(ids)) < len(ids):
            raise Refused(400, "RESULT_ID_DUPLICATE")
        if any(not 1 <= len(each.encode()) <= 64 for each in ids):
            raise Refused(400, "RESULT_ID_INVALID")
        for each in results:
            if "message_text" in each.get("input_message_content", {}):
                _text(each["input_message_content"], "message_text", "entities")
        self.world.answered.append(params)
        return True

    def do_setmycommands(self, params: Json) -> bool:
        for each in params["commands"]:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", each["command"]):
                raise Refused(400, "BOT_COMMAND_INVALID")
            if not 1 <= len(each["description"]) <= 256:
                raise Refused(400, "BOT_COMMAND_DESCRIPTION_INVALID")
        self.commands[_scope(params)] = params["commands"]
        return True

    def do_getmycommands(self, params: Json) -> list[Json]:
        return self.commands.get(_scope(params), [])

    def do_deletemycommands(self, params: Json) -> bool:
        self.commands.pop(_scope(params), None)
        return True

    def do_setmydescription(self, params: Json) -> bool:
        self.descriptions["long", params.get("language_code", "")] = params.get("description", "")
        return True

    def do_setmyshortdescription(self, params: Json) -> bool:
        self.descriptions["short", params.get("language_code", "")] = params.get("short_description", "")
        return True

    def do_getchat(self, params: Json) -> Json:
        chat, _ = self._target(params)
        gifts = [
            "unlimited_gifts",
            "limited_gifts",
            "unique_gifts",
            "premium_subscription",
            "gifts_from_channels",
        ]
        full = {
            "accent_color_id": 1,
            "max_reaction_count": 11,
            "accepted_gift_types": dict.fromkeys(gifts, False),
        }
        return chat.json | full

    def do_getchatmember(self, params: Json) -> Json:
        chat, _ = self._target(params)
        if params["user_id"] == BOT["id"]:
            return membership(BOT, chat.bot)
        person = self.world.people.get(params["user_id"])
        if person is None:
            raise Refused(400, "PARTICIPANT_ID_INVALID")
        return membership(person.json, chat.members.get(person.id, "left"))

    def _target(self, params: Json) -> tuple[Chat, int]:
        """The chat and thread that a call means, where the bot may speak there. Raises Refused."""
        chat = self.world.chats.get(params.get("chat_id", 0))
        if chat is None or (chat.person and not chat.person.seen):
            raise Refused(400, "chat not found")
        kind = "supergroup" if chat.type == "supergroup" else "group"
        if chat.migrated_to:
            words = "group chat was upgraded to a supergroup chat"
            raise Refused(400, words, migrate_to_chat_id=chat.migrated_to)
        if chat.person and chat.person.blocked:
            raise Refused(403, "bot was blocked by the user")
        if chat.person and not chat.person.started:
            raise Refused(403, "bot can't initiate conversation with a user")
        if chat.bot in ("kicked", "left"):
            words = (
                f"bot was kicked from the {kind} chat"
                if chat.bot == "kicked"
                else f"bot is not a member of the {kind} chat"
            )
            raise Refused(403, words)
        thread = int(params.get("message_thread_id") or 0)
        if thread and thread not in chat.topics:
            raise Refused(400, "message thread not found")
        return chat, thread

    def _send(self, params: Json, content: Json) -> Json:
        chat, thread = self._target(params)
        if chat.muted:
            raise Refused(400, "not enough rights to send text messages to the chat")
        markup, reply = _markup(params), params.get("reply_parameters", {})
        meant = self.world.messages.get((chat.id, reply.get("message_id", 0)))
        if reply and meant is None and not reply.get("allow_sending_without_reply"):
            raise Refused(400, "message to be replied not found")
        sent = self.world.put(chat, BOT, **self.world.place(chat, thread, meant), **content)
        self._set_markup(sent, markup)
        self.world.told.append(("send", copy.deepcopy(sent)))
        return sent

    def _own(
        self, params: Json, missing: str = "message to edit not found", other: str = "message can't be edited"
    ) -> Json:
        chat, _ = self._target({"chat_id": params.get("chat_id")})
        message = self.world.messages.get((chat.id, int(params.get("message_id", 0))))
        if message is None:
            raise Refused(400, missing)
        if message["from"] != BOT:
            raise Refused(400, other)
        return message

    def _edited(self, message: Json, markup: Json | None) -> Json:
        self._set_markup(message, markup)
        message["edit_date"] = int(time.time())
        self.world.told.append(("edit", copy.deepcopy(message)))
        return message

    def _set_markup(self, message: Json, markup: Json | None) -> None:
        message.pop("reply_markup", None)
        if markup:
            message["reply_markup"] = markup


def _text(params: Json, name: str, entities: str, limit: int = 4096) -> Json:
    try:
        text, found = botmarks.read(
            params.get(name, ""), params.get("parse_mode", ""), params.get(entities, [])
        )
    except botmarks.Unreadable as wrong:
        raise Refused(400, f"can't parse entities: {wrong}") from None
    if not text:
        raise Refused(400, "message text is empty")
    if botmarks.units(text) > limit:
        raise Refused(400, "message caption is too long" if limit < 4096 else "message is too long")
    shown, marks = ("caption", "caption_entities") if limit < 4096 else ("text", "entities")
    return {shown: text, marks: found} if found else {shown: text}


def _markup(params: Json) -> Json | None:
    """The inline keyboard of a call; other keyboards are taken and not part of a message. Raises Refused."""
    rows = (params.get("reply_markup") or {}).get("inline_keyboard", [])
    buttons = [button for row in rows for button in row]
    for button in buttons:
        if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= 64:
            raise Refused(400, "BUTTON_DATA_INVALID")
        if len(button) < 2:
            raise Refused(400, "text buttons are unallowed in the inline keyboard")
    if len(buttons) > 100:
        raise Refused(400, "reply markup is too long")
    return {"inline_keyboard": rows} if buttons else None


def _location(params: Json) -> Json:
    return {"latitude": float(params["latitude"]), "longitude": float(params["longitude"])}


def _scope(params: Json) -> tuple[str, str]:
    return json.dumps(params.get("scope") or {"type": "default"}, sort_keys=True), params.get(
        "language_code", ""
    )
