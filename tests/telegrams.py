"""The bot running in Telegram, for tests: the real service against the local Bot API server of tests/botapi.py."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pydantic import AnyHttpUrl, SecretStr

from bot.app import App
from bot.telegram.service import serve
from tests.botapi import TOKEN, BotApi
from tests.botworld import Chat, Json, Person, World

_runs = itertools.count(1)


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait for something to become true."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came about"
        await asyncio.sleep(0.005)


def fresh(world: World) -> World:
    """People and updates that no other test of this process has: they share one database."""
    run = next(_runs)
    world._ids, world._updates = itertools.count(run * 10_000 + 1), itertools.count(run * 1_000_000)
    return world


@asynccontextmanager
async def running(app: App, api: BotApi, **settings: Any) -> AsyncIterator[App]:
    """The service while the block runs; it is stopped in order."""
    told = {
        "telegram_token": SecretStr(TOKEN),
        "telegram_api_url": AnyHttpUrl(f"http://127.0.0.1:{api.port}"),
        **settings,
    }
    here = dataclasses.replace(app, settings=app.settings.model_copy(update=told))
    stop = asyncio.Event()
    api.polled.clear()
    serving = asyncio.create_task(serve(here, stop))
    ready = asyncio.create_task(_ready(api, serving))
    try:
        await ready
        yield here
    finally:
        stop.set()
        await asyncio.wait({serving})
    serving.result()


async def _ready(api: BotApi, serving: asyncio.Task[None]) -> None:
    await until(lambda: api.polled.is_set() or api.hook.url or serving.done(), 30.0)
    if serving.done():
        serving.result()


class Talk:
    """One chat as its people see it."""

    def __init__(self, api: BotApi, chat: Chat, person: Person, thread: int | None = None) -> None:
        self.api, self.world, self.chat, self.person, self.thread = api, api.world, chat, person, thread

    @property
    def shown(self) -> list[Json]:
        return self.world.shown(self.chat, self.thread)

    @property
    def last(self) -> Json:
        return self.shown[-1]

    @property
    def labels(self) -> list[str]:
        rows = self.last.get("reply_markup", {}).get("inline_keyboard", [])
        return [button["text"] for row in rows for button in row]

    def data(self, label: str) -> str:
        """What the last message's button of that label sends."""
        rows = self.last.get("reply_markup", {}).get("inline_keyboard", [])
        return next(str(each["callback_data"]) for row in rows for each in row if each["text"] == label)

    async def says(self, text: str) -> Json:
        """What the bot shows for a text."""
        count = len(self.shown)
        if self.chat.person:
            self.person.started = True
        self.world.say(self.person, self.chat, text, thread=self.thread or 0)
        await until(lambda: len(self.shown) > count)
        return self.last

    async def presses(self, label: str, message: Json | None = None) -> None:
        """Press a button; the one whose label begins so, if none is it wholly. Returns once it is acknowledged."""
        message = message or self.last
        rows = message.get("reply_markup", {}).get("inline_keyboard", [])
        labels = [button["text"] for row in rows for button in row]
        whole = label if label in labels else next(each for each in labels if each.startswith(label))
        query = self.world.press(self.person, message, whole)
        await until(lambda: any(each["callback_query_id"] == query for each in self.answers))

    @property
    def answers(self) -> list[Json]:
        return [each for each in self.world.answered if "callback_query_id" in each]
