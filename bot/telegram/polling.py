"""Updates fetched by long polling: the offset moves only once what came is stored.

https://core.telegram.org/bots/api#getupdates
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from telegram import Bot
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError
from telegram.warnings import PTBUserWarning

from bot.tasks import Tasks
from bot.telegram.calls import seconds_of
from bot.telegram.updates import ALLOWED, lane

POLL_SECONDS: Final = 30
"""How long Telegram holds a request that it has nothing for."""
READ_SECONDS: Final = POLL_SECONDS + 10.0
"""After which a request counts as lost."""
BATCH: Final = 100

# It would rather have get_updates called, which reads all or nothing: see `_fetch`.
warnings.filterwarnings("ignore", "Please use 'Bot.getUpdates'", PTBUserWarning)

logger = logging.getLogger(__name__)
Raw = dict[str, Any]


async def poll(bot: Bot, take: Callable[[Any], Awaitable[None]], tasks: Tasks) -> None:
    """Fetch and take updates until `tasks` are stopped; whatever fails is tried again.

    Raises:
        InvalidToken: Telegram knows no such bot (any more).
    """
    offset: int | None = None
    failures = 0
    while not tasks.stopping:
        try:
            batch = await _fetch(bot, offset)
            taken = await _take(batch, take)
            if taken:
                offset = int(batch[taken - 1]["update_id"]) + 1
            failures = failures + 1 if taken < len(batch) else 0
            if failures:
                await tasks.pause(tasks.backoff(failures))
        except InvalidToken:
            raise
        except RetryAfter as late:
            await tasks.pause(seconds_of(late))
        except Conflict as conflict:
            failures += 1
            logger.warning("Somebody else fetches this bot's updates: %s", conflict.message)
            await tasks.pause(tasks.backoff(failures))
        except TelegramError as error:
            failures += 1
            if failures == 1:
                logger.warning("Updates cannot be fetched (%s); it will be tried again", type(error).__name__)
            await tasks.pause(tasks.backoff(failures))


async def _take(batch: Sequence[Raw], take: Callable[[Raw], Awaitable[None]]) -> int:
    """Take updates, those of one chat one after the other, chats side by side; how many came before the first that
    could not be taken."""
    lanes: dict[int, list[int]] = {}
    for number, raw in enumerate(batch):
        lanes.setdefault(lane(raw), []).append(number)
    taken = len(batch)

    async def take_all(numbers: Sequence[int]) -> None:
        nonlocal taken
        for number in numbers:
            try:
                await take(batch[number])
            except Exception:
                logger.exception("An update could not be stored; it will be fetched again")
                taken = min(taken, number)
                return

    await asyncio.gather(*map(take_all, lanes.values()))
    return taken


async def _fetch(bot: Bot, offset: int | None) -> list[Raw]:
    # not get_updates: one update that the library cannot read would keep all others from being read
    asked: dict[str, Any] = {"timeout": POLL_SECONDS, "limit": BATCH, "allowed_updates": list(ALLOWED)}
    if offset is not None:
        asked["offset"] = offset
    batch = await bot.do_api_request("getUpdates", asked, read_timeout=READ_SECONDS)
    return [raw for raw in batch if isinstance(raw, dict) and isinstance(raw.get("update_id"), int)]
