"""Inline mode: `@bot rainy day` typed in any chat offers picks to send there.

https://core.telegram.org/bots/api#inline-mode
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from telegram import (
    Bot,
    InlineQuery,
    InlineQueryResultArticle,
    InlineQueryResultsButton,
    InputTextMessageContent,
    LinkPreviewOptions,
)
from telegram.constants import ParseMode
from telegram.error import TelegramError

from bot.telegram.adapter import ALONE
from bot.telegram.markup import preview, render
from data.phrases import Phrases
from handlers.turn import Card, Person, Reply

CACHED_SECONDS: Final = 30
"""How long Telegram may answer the same person's same words by itself."""
PATIENCE_SECONDS: Final = 8.0
"""After which an answer comes too late to be shown."""

logger = logging.getLogger(__name__)

Offer = Callable[[Person, str], Awaitable[tuple[Phrases, tuple[Card, ...]]]]
"""The words of a person's language, and picks for what they type."""


@dataclass(slots=True, eq=False)
class Inline:
    """Answers inline queries: of each person only the latest, for they come at every letter."""

    bot: Bot
    offer: Offer
    _asking: dict[int, asyncio.Task[None]] = field(default_factory=dict, init=False)

    def answer(self, query: InlineQuery) -> None:
        """Begin to answer a query, and leave the one before it."""
        who = query.from_user.id
        if (earlier := self._asking.get(who)) is not None:
            earlier.cancel()
        task = self._asking[who] = asyncio.create_task(self._answer(query))
        task.add_done_callback(lambda done: self._asking.pop(who) if self._asking.get(who) is done else None)

    async def close(self) -> None:
        for task in [*self._asking.values()]:
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _answer(self, query: InlineQuery) -> None:
        user = query.from_user
        person = Person(str(user.id), user.full_name, user.language_code or "")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                words, cards = await self.offer(person, query.query)
        except Exception:
            logger.exception("An inline query could not be answered")
            return
        button = InlineQueryResultsButton(words.say("telegram.inline_more"), start_parameter=ALONE)
        with suppress(TelegramError):  # too late: they type on
            await self.bot.answer_inline_query(
                query.id, [_result(each) for each in cards], cache_time=CACHED_SECONDS, is_personal=True,
                button=button,
            )  # fmt: skip


def _result(card: Card) -> InlineQueryResultArticle:
    reply = Reply(cards=(card,))
    part, cover = render(reply)[0], preview(reply)
    shown = (
        LinkPreviewOptions(url=cover, show_above_text=True) if cover else LinkPreviewOptions(is_disabled=True)
    )
    return InlineQueryResultArticle(
        card.id[-64:], card.title, InputTextMessageContent(part.html, ParseMode.HTML, link_preview_options=shown),
        description=card.reason, thumbnail_url=cover,
    )  # fmt: skip
