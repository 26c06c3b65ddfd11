"""Errors in our logs, told to the operators: each kind at once, then how often it came back, once an hour.

Nothing of what a person said or of a secret is told: only which logger, its sentence without what was filled in, the
kind of error and the place. What goes wrong while telling is logged below an error, so that it is not told in turn.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePath
from types import TracebackType
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.outbox import notify
from data.phrases import Phrases, phrases
from handlers.room import spoken
from handlers.turn import Chat, Reply
from storage import operators, sessions, users
from storage.database import Database

OURS: Final = ("bot", "handlers", "engine", "storage", "finetune", "data")
"""Packages whose loggers are listened to."""
LOOK_SECONDS: Final = 3.0
"""How often is looked whether there is something to tell."""
AGAIN_SECONDS: Final = 3_600.0
"""Within which the same kind of error is not told twice."""
MOST_KINDS: Final = 50
"""Kinds of errors that are told apart; what comes beyond them is one kind."""
DIRECT: Final = frozenset({"telegram"})
"""Platforms where a person's id is that of their private chat."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of error: `sentence` is the logger's with its places unfilled, `error` the name of the exception's
    class, `place` FILE:LINE."""

    logger: str
    sentence: str
    error: str
    place: str

    @property
    def key(self) -> str:
        return hashlib.blake2b(repr(self).encode(), digest_size=5).hexdigest()


@dataclass(slots=True)
class _Count:
    new: int = 0
    told_at: float | None = None


class Alarms(logging.Handler):
    """A handler for the root logger. `clock` tells Unix seconds."""

    def __init__(
        self, database: Database, admins: Collection[tuple[str, str]], clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(logging.ERROR)
        self._database, self._admins, self._clock = database, admins, clock
        self._counts: dict[Trouble, _Count] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Count the record, from whichever thread."""
        if record.name.partition(".")[0] not in OURS:
            return
        trouble = _trouble(record)
        if trouble not in self._counts and len(self._counts) >= MOST_KINDS:
            self._forget_old()
            if len(self._counts) >= MOST_KINDS:
                trouble = Trouble("", "…", "", "")
        self._counts.setdefault(trouble, _Count()).new += 1

    def due(self) -> list[tuple[Trouble, int, bool]]:
        """What is to be told now: how often it happened since it was told last, and whether it ever was."""
        now = self._clock()
        self.acquire()
        try:
            return [
                (trouble, count.new, count.told_at is not None)
                for trouble, count in self._counts.items()
                if count.new and (count.told_at is None or now - count.told_at >= AGAIN_SECONDS)
            ]
        finally:
            self.release()

    async def post(self) -> int:
        """Tell every operator what is due, in one transaction; how many kinds that were."""
        due, now = self.due(), self._clock()
        if not due:
            return 0
        async with self._database.writing() as connection:
            where = await operators.chats(connection)
            for platform, person_id in self._admins:
                chat_id = where.get((platform, person_id), person_id if platform in DIRECT else "")
                if not chat_id:
                    continue
                words = await _words(connection, platform, person_id, chat_id)
                for trouble, times, before in due:
                    # One message an hour, also of several processes and of one that fails again and again.
                    slot = f"alarm.{trouble.key}.{int(now // AGAIN_SECONDS)}"
                    text = _told(trouble, times, before, words)
                    there = Chat(platform, chat_id)
                    await notify(
                        connection, Reply(text=text, slot=slot, chat=there, person=person_id, private=True)
                    )
        self.acquire()
        try:
            for trouble, times, _ in due:
                if (count := self._counts.get(trouble)) is not None:
                    count.new, count.told_at = count.new - times, now
        finally:
            self.release()
        return len(due)

    async def run(self) -> None:
        """Tell what there is to tell, until cancelled; what could not be told is told later."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.post()
            except Exception:
                logger.warning("The operators cannot be told of errors for now", exc_info=True)
                await asyncio.sleep(LOOK_SECONDS * 10)

    def _forget_old(self) -> None:
        now = self._clock()
        self._counts = {
            trouble: count
            for trouble, count in self._counts.items()
            if count.new or count.told_at is None or now - count.told_at < AGAIN_SECONDS
        }


@asynccontextmanager
async def sounding(database: Database, admins: Collection[tuple[str, str]]) -> AsyncIterator[None]:
    """While this lasts, errors reach the operators; what happened last is told at the end."""
    if not admins:
        yield
        return
    alarms, root = Alarms(database, admins), logging.getLogger()
    root.addHandler(alarms)
    telling = asyncio.create_task(alarms.run())
    try:
        yield
    finally:
        root.removeHandler(alarms)
        telling.cancel()
        await asyncio.wait({telling})
        with suppress(Exception):  # the database may be what went wrong
            await alarms.post()


def _trouble(record: logging.LogRecord) -> Trouble:
    kind, _, trace = record.exc_info or (None, None, None)
    place = _place(trace) if trace is not None else (record.pathname, record.lineno)
    sentence = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    return Trouble(record.name, sentence, kind.__name__ if kind else "", f"{_short(place[0])}:{place[1]}")


def _place(trace: TracebackType) -> tuple[str, int]:
    """Where it went wrong: the innermost place in our own code, else the innermost."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(trace)]
    ours = [each for each in frames if _short(each[0]) != PurePath(each[0]).name]
    return (ours or frames)[-1]


def _short(path: str) -> str:
    """A file of ours from its package on, any other by its name."""
    parts = PurePath(path).parts
    found = [n for n, part in enumerate(parts) if part in OURS and "site-packages" not in parts[n:]]
    return "/".join(parts[found[-1] :]) if found else PurePath(path).name


def _told(trouble: Trouble, times: int, before: bool, words: Phrases) -> str:
    lines = [words.say("alarm.again" if before else "alarm.first", count=times), trouble.sentence]
    lines.append(" · ".join(part for part in (trouble.error, trouble.place, trouble.logger) if part))
    return "\n".join(lines)


async def _words(connection: AsyncConnection, platform: str, person_id: str, chat_id: str) -> Phrases:
    """Those of the language that is spoken with the operator."""
    user = await users.known(connection, platform=platform, platform_id=person_id, name="", locale="")
    if user is None:
        return phrases("ko")
    talk = await sessions.load(connection, user.id, platform, chat_id)
    return phrases(spoken(user, talk, user.locale))
