"""A Telegram Bot API server on this machine: the protocol, its errors and its ways to fail, over real HTTP.

aiohttp serves it: multipart, long polling and hanging up in mid-answer in one loop with the test. What stands in the
chats is tests/botworld.py. Descriptions are those of telegram-bot-api and TDLib. It sends webhooks one after another.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests import botmarks
from tests.botworld import BOT, Chat, Json, World, membership

TOKEN = "7000000001:AAtests-own-token-of-thirty-five-chars"
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
class Fault:
    """What goes wrong with the next `times` calls of a method, or in a chat. `cut`: the connection ends "before" the
    call is carried out, "after" it, or "midway" in its answer."""

    refusal: Refused | None = None
    cut: str = ""
    method: str = ""
    chat: int = 0
    times: int = 1


@dataclass
class Call:
    method: str
    params: Json
    answer: Any = None
    error: str = ""


@dataclass
class Hook:
    url: str = ""
    secret: str = ""
    last_error: str = ""
    task: asyncio.Task[None] | None = None


@dataclass
class BotApi:
    world: World = field(default_factory=World)
    port: int = 0
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    down: bool = False
    hook: Hook = field(default_factory=Hook)
    commands: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    descriptions: dict[tuple[str, str], str] = field(default_factory=dict)
    retry_webhook: float = 0.02
    polled: asyncio.Event = field(default_factory=asyncio.Event)
    _poll: asyncio.Event | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/bot"

    def flood(self, seconds: int, *, chat: Chat | None = None, times: int = 1, method: str = "") -> None:
        """429 to the next calls, of one chat or of all."""
        refusal = Refused(429, f"retry after {seconds}", retry_after=seconds)
        self.faults.append(Fault(refusal, "", method, chat.id if chat else 0, times))

    def hang_up(self, cut: str, method: str = "", times: int = 1) -> None:
        self.faults.append(Fault(cut=cut, method=method, times=times))

    def fail(self, code: int, words: str, method: str = "", times: int = 1) -> None:
        self.faults.append(Fault(Refused(code, words), "", method, 0, times))

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Every connection is taken and closed."""
        self.down = True
        yield
        self.down = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"].lower()
        if self.down or request.transport is None:
            return self._gone(request)
        params = await _params(request)
        call, fault = Call(method, params), Fault()
        try:
            self._check_token(request.match_info["token"])
            self.calls.append(call)
            fault = self._fault(method, params)
            if fault.cut == "before":
                return self._gone(request)
            call.answer = copy.deepcopy(await self._perform(call, fault))
            status, body = 200, {"ok": True, "result": call.answer}
        except Refused as refused:
            status, call.error = refused.code, refused.description.removesuffix(": ")
            body = {"ok": False, "error_code": status, "description": call.error}
            body |= {"parameters": refused.parameters} if refused.parameters else {}
        if fault.cut == "after" or self.down:
            return self._gone(request)
        answer = json.dumps(body, ensure_ascii=False).encode()
        if fault.cut == "midway":
            said = web.StreamResponse(headers={"Content-Length": str(len(answer))})
            await said.prepare(request)
            await said.write(answer[: len(answer) // 2])
            return self._gone(request)
        return web.Response(body=answer, status=status, content_type="application/json")

    def _check_token(self, token: str) -> None:
        if not re.fullmatch(r"\d+:[\w-]{30,}", token):
            raise Refused(404, "")
        if token != TOKEN:
            raise Refused(401, "Unauthorized")

    async def _perform(self, call: Call, fault: Fault) -> Any:
        if fault.refusal:
            raise fault.refusal
        act = getattr(self, f"do_{call.method}", None)
        if act is None:
            raise Refused(404, "method not found")
        result = act(call.params)
        return await result if asyncio.iscoroutine(result) else result

    def _gone(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _fault(self, method: str, params: Json) -> Fault:
        for fault in self.faults:
            meant = fault.chat in (0, params.get("chat_id")) and fault.method.lower() in ("", method)
            if meant and not (method == "getupdates" and not fault.method):
                fault.times -= 1
                self.faults = [each for each in self.faults if each.times > 0]
                return fault
        return Fault()

    def do_getme(self, params: Json) -> Json:
        can = {"can_join_groups": True, "can_read_all_group_messages": True, "supports_inline_queries": True}
        return BOT | can

    async def do_getupdates(self, params: Json) -> list[Json]:
        if self.hook.url:
            raise Refused(
                409,
                "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            )
        if self._poll:
            self._poll.set()
        self.world.allowed = params.get("allowed_updates", self.world.allowed)
        self._confirm(int(params.get("offset") or 0))
        event = self._poll = asyncio.Event()
        self.world.news.append(event)
        self.polled.set()
        try:
            if not self.world.pending:
                await asyncio.wait_for(event.wait(), min(float(params.get("timeout") or 0), 50.0))
        except TimeoutError:
            pass
        finally:
            self.world.news.remove(event)
        if self._poll is not event:
            raise Refused(
                409, "terminated by other getUpdates request; make sure that only one bot instance is running"
            )
        self._poll = None
        given = self.world.pending[: max(1, min(int(params.get("limit") or 100), 100))]
        for each in given:
            each.delivered = True
        return [each.update for each in given]

    def _confirm(self, offset: int) -> None:
        waiting = self.world.pending
        if offset < 0:
            self.world.pending = waiting[offset:]
        else:
            late = (
                each
                for each in waiting
                if each.update["update_id"] >= offset or (each.again and not each.delivered)
            )
            self.world.pending = list(late)

    async def do_setwebhook(self, params: Json) -> bool:
        secret = params.get("secret_token", "")
        if not re.fullmatch(r"[\w-]{0,256}", secret, re.ASCII):
            raise Refused(400, "secret token contains unallowed characters")
        await self.stop_hook()
        self.world.allowed = params.get("allowed_updates", self.world.allowed)
        if params.get("drop_pending_updates"):
            self.world.pending.clear()
        self.hook = Hook(params.get("url", ""), secret)
        if self.hook.url:
            self.hook.task = asyncio.create_task(self._post_updates(self.hook))
        return True

    async def do_deletewebhook(self, params: Json) -> bool:
        return await self.do_setwebhook({"drop_pending_updates": params.get("drop_pending_updates")})

    def do_getwebhookinfo(self, params: Json) -> Json:
        said = {
            "url": self.hook.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self.world.pending),
        }
        if self.hook.last_error:
            said |= {"last_error_date": int(time.time()), "last_error_message": self.hook.last_error}
        return said | ({"allowed_updates": self.world.allowed} if self.world.allowed else {})

    async def _post_updates(self, hook: Hook) -> None:
        event = asyncio.Event()
        self.world.news.append(event)
        headers = {"X-Telegram-Bot-Api-Secret-Token": hook.secret} if hook.secret else {}
        try:
            async with aiohttp.ClientSession() as client:
                while True:
                    event.clear()
                    if not self.world.pending:
                        await event.wait()
                    first = self.world.pending[0]
                    try:
                        async with client.post(hook.url, json=first.update, headers=headers) as answer:
                            taken = answer.status // 100 == 2
                            hook.last_error = (
                                ""
                                if taken
                                else f"Wrong response from the webhook: {answer.status} {answer.reason}"
                            )
                    except aiohttp.ClientError:
                        taken, hook.last_error = False, "Connection refused"
                    if taken:
                        self.world.pending.remove(first)
                    else:
                        await asyncio.sleep(self.retry_webhook)
        finally:
            self.world.news.remove(event)

    async def stop_hook(self) -> None:
        if self.hook.task:
            self.hook.task.cancel()
            await asyncio.wait({self.hook.task})

    def do_sendmessage(self, params: Json) -> Json:
        return self._send(params, _text(params, "text", "entities"))

    def do_sendphoto(self, params: Json) -> Json:
        if not params.get("photo"):
            raise Refused(400, "there is no photo in the request")
        size = {"file_id": "AgAC-photo", "file_unique_id": "photo", "width": 800, "height": 1200}
        caption = _text(params, "caption", "caption_entities", 1024) if params.get("caption") else {}
        return self._send(params, {"photo": [size], **caption})

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


async def _params(request: web.Request) -> Json:
    """A call's parameters; what a form sends as JSON text is read, but for what is text by nature."""
    said: Json = dict(request.query)
    if request.content_type == "application/json":
        said |= await request.json()
        return said
    said |= dict(await request.post())
    for name, value in said.items():
        if isinstance(value, web.FileField):
            said[name] = value.file.read()
        elif isinstance(value, str) and name not in TEXTS:
            try:
                said[name] = json.loads(value)
            except ValueError:
                continue
    return said


TEXTS = {"text", "caption", "question", "title", "address", "callback_query_id", "inline_query_id", "secret_token",
         "description", "short_description", "language_code", "url", "parse_mode"}  # fmt: skip


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


@asynccontextmanager
async def serving() -> AsyncIterator[BotApi]:
    """A server on a free port while the block runs."""
    api = BotApi()
    app = web.Application(client_max_size=50 << 20)
    app.router.add_route("*", "/bot{token}/{method}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.port = runner.addresses[0][1]
    try:
        yield api
    finally:
        await api.stop_hook()
        if api._poll:
            api._poll.set()
        await runner.cleanup()
