"""Where everything is wired: storage, index and engine built once, closed in order."""

from __future__ import annotations

import datetime
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from bot import jobs
from bot.delivery import Delivery, Platform
from bot.settings import Settings
from engine.embedder import Embedder, embedder
from engine.errors import EngineError
from engine.index import Index
from engine.korean import Korean
from engine.recommender import Recommender
from handlers import router
from handlers.room import Room
from handlers.turn import Reply, Turn
from storage import items
from storage.database import Database
from storage.users import User

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class App:
    """The parts of a running program. `rebuilt` tells that the index had to be built at start."""

    settings: Settings
    database: Database
    index: Index
    embedder: Embedder
    engine: Recommender
    rebuilt: bool = False

    def delivery(self, platform: Platform) -> Delivery:
        """The mail of a platform, with the conversations behind it."""
        return Delivery(
            self.database,
            platform,
            router.handle,
            self._room,
            is_stop=router.is_stop,
            apology=lambda room: Reply(text=room.words.say("chat.error")),
        )

    def today(self) -> datetime.date:
        return datetime.datetime.now(ZoneInfo(self.settings.timezone)).date()

    def _room(self, turn: Turn, user: User, session: dict[str, Any]) -> Room:
        return Room(self.database, user, session, self.engine, self.today(), turn.person.locale)


@asynccontextmanager
async def parts(settings: Settings) -> AsyncIterator[App]:
    """The program with its database migrated, and whatever index there is left alone.

    Raises:
        StorageError, EngineError: what stands in the way, in one sentence.
    """
    database = await Database.open(settings.database)
    try:
        made = embedder(settings.embedder)
        index = Index(settings.index, made.dimensions)
        await jobs.load_catalog(database)
        yield App(settings, database, index, made, Recommender(index, made, Korean()))
    finally:
        await database.close()


@asynccontextmanager
async def opened(settings: Settings, progress: jobs.Progress = jobs.silent) -> AsyncIterator[App]:
    """The program with its database migrated, its catalog loaded and its index fresh.

    A missing, changed or broken index is built here.

    Raises:
        StorageError, EngineError: what stands in the way, in one sentence.
    """
    async with parts(settings) as app:
        await _open_index(app, progress)
        yield app


async def _open_index(app: App, progress: jobs.Progress) -> None:
    reason = await jobs.stale(app.database, app.embedder)
    if reason is None:
        async with app.database.reading() as connection:
            active = await items.active_index(connection)
        assert active is not None
        try:
            await app.index.use(active.version)
        except EngineError as error:
            logger.info("%s", error)
            reason = "broken"
    if reason is not None:
        await jobs.build_index(app.database, app.index, app.embedder, progress)
        app.rebuilt = reason == "broken"
