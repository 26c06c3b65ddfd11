"""Who is answered: one place for who is blocked, who is let in, maintenance, and how fast a person may talk.

What it goes by is held in memory and looked up anew every second, so that no turn costs a statement. Knows no
conversation; what a turn is that may not wait is told from outside.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from bot.pace import Pace
from bot.told import Told
from data.phrases import Phrases
from handlers.turn import Command, FormSubmitted, Location, Media, PollAnswer, Press, Reply, Text, Turn
from storage import blocks, operators
from storage.database import Database
from storage.operators import Maintenance

LOOK_SECONDS = 1.0
"""How often is looked what operators decided."""
MAINTENANCE_SECONDS = 3_600.0
"""Within which nobody is told twice of the same maintenance."""
UNINVITED_SECONDS = 86_400.0
"""Within which nobody who is not let in is told so twice."""
_SAID = Text | Command | Press | FormSubmitted | Location | Media | PollAnswer
"""Payloads that a person sends by doing something."""

logger = logging.getLogger(__name__)
Pairs = Collection[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Aside:
    """A turn is finished without being handled. `reply` in the person's language is told where `due` says so,
    which then counts as told."""

    due: Callable[[], bool] = lambda: False
    reply: Callable[[Phrases], Reply] = lambda words: Reply()


SILENCE = Aside()


@dataclass(slots=True, eq=False)
class Rules:
    """What operators decided, for every gate of this process. `admins` and `allowed` are (platform, id); nobody
    allowed means everybody."""

    database: Database
    admins: Pairs = ()
    allowed: Pairs = ()
    blocked: frozenset[tuple[str, str]] = frozenset()
    maintenance: Maintenance | None = None
    _mark: str | None = field(default=None, init=False)

    async def refresh(self) -> None:
        """Look what was decided since."""
        async with self.database.reading() as connection:
            self.maintenance = await operators.maintenance(connection)
            mark = await blocks.mark(connection)
            if mark != self._mark:
                every = await blocks.every(connection)
                self.blocked, self._mark = frozenset((b.platform, b.platform_id) for b in every), mark

    async def follow(self) -> None:
        """Look again and again, until cancelled. What cannot be looked up stays as it was, and is told once."""
        failing = False
        while True:
            try:
                await self.refresh()
                failing = False
            except Exception:
                if not failing:
                    logger.warning("What operators decided cannot be looked up for now", exc_info=True)
                failing = True
            await asyncio.sleep(LOOK_SECONDS)


@dataclass(slots=True, eq=False)
class Gate:
    """The gate of one platform. `is_stop` tells a turn that may always be sent, however fast, and `is_urgent` one
    of somebody who may be in danger: neither is held up by anything but a block."""

    rules: Rules
    platform: str
    pace: Pace | None
    is_stop: Callable[[Turn], bool]
    is_urgent: Callable[[Turn], bool]
    clock: Callable[[], float] = time.monotonic
    _maintenance: Maintenance | None = field(default=None, init=False)
    _under_maintenance: Told = field(init=False)
    _uninvited: Told = field(init=False)

    def __post_init__(self) -> None:
        self._under_maintenance = Told(MAINTENANCE_SECONDS, self.clock)
        self._uninvited = Told(UNINVITED_SECONDS, self.clock)

    def __call__(self, turn: Turn) -> Aside | None:
        """What becomes of a turn: None where it is handled. What nobody said always is."""
        who = self.platform, turn.person.id
        if not isinstance(turn.payload, _SAID):
            return None
        if who not in self.rules.admins:
            if who in self.rules.blocked:
                return SILENCE
            if self.is_urgent(turn):
                return None
            if self.rules.allowed and who not in self.rules.allowed:
                return Aside(
                    lambda: self._uninvited.due(turn.person.id),
                    lambda words: Reply(text=words.say("gate.uninvited"), private=True),
                )
            if (told := self.rules.maintenance) is not None:
                return self._told_of(told, turn)
        return self._in_pace(turn)

    def _told_of(self, told: Maintenance, turn: Turn) -> Aside:
        if told != self._maintenance:
            self._maintenance = told
            self._under_maintenance.forget()
        return Aside(
            lambda: self._under_maintenance.due(turn.chat.id),
            lambda words: Reply(text=words.say("gate.maintenance", text=told.text)),
        )

    def _in_pace(self, turn: Turn) -> Aside | None:
        pace, person = self.pace, turn.person.id
        if pace is None or self.is_stop(turn) or self.is_urgent(turn) or pace.spend(person):
            return None
        return Aside(
            lambda: pace.tell(person), lambda words: Reply(text=words.say("chat.slow_down"), private=True)
        )
