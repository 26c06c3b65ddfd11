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

from tests.botmethods import Methods, Refused
from tests.botworld import Chat, Json

TOKEN = "7000000001:AAtests-own-token-of-thirty-five-chars"


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
class BotApi(Methods):
    port: int = 0
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    down: bool = False
    hook: Hook = field(default_factory=Hook)
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
