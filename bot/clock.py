"""The clock: what was to happen at a time becomes a turn when the time has come.

Every process that serves a platform looks; a turn's id makes it happen once, also over restarts. What is to
happen stands in the database and is the conversations' own: rounds, so far.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from handlers.turn import CLOCK, Chat, Tick, Turn
from storage import groups
from storage.database import Database

SECONDS: Final = 1.0
"""How often is looked for what is due."""
AGAIN_SECONDS: Final = 600.0
"""After how long something that is still due has its turn again: the one before must have failed."""

logger = logging.getLogger(__name__)
Take = Callable[[Turn], Awaitable[bool]]


async def keep(database: Database, take: Take, platform: str) -> None:
    """Hand over what is due on a platform, each second, until cancelled."""
    while True:
        try:
            await strike(database, take, platform, time.time())
        except Exception:
            logger.exception("The clock of %s goes on after an error", platform)
        await asyncio.sleep(SECONDS)


async def strike(database: Database, take: Take, platform: str, now: float) -> None:
    """Hand over what is due by `now` (Unix seconds)."""
    async with database.reading() as connection:
        late = await groups.due(connection, platform, now)
    for each in late:
        kind: Literal["group", "thread"] = "thread" if each.settings.get("kind") == "thread" else "group"
        chat = Chat(platform, each.chat_id, kind)
        turn = f"tick|round|{each.id}|{each.state}|{each.closes_at:.3f}"
        await take(Turn(turn, chat, CLOCK, Tick(f"round.{each.id}.{each.state}"), now))
        async with database.writing() as connection:
            await groups.postpone(connection, each, now + AGAIN_SECONDS)
