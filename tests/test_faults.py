"""Faults at every boundary of a turn: a process that dies there, and a database that refuses there.

A death is the disk as it was at that instant: the database file and its log are copied while a talk is going
on, and another process starts on the copy, beside a platform that knows what it had shown and been told.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from handlers.room import Room
from handlers.turn import Reply, Turn
from storage import mail, schema, taste
from tests.house import House, text, turn

TALK = (
    turn("thinks"),
    turn("press"),
    turn("fails", person="q", chat="d"),
    text("older"),
    text("newer"),
    turn("elsewhere", chat="d"),
)
STEPS = {"take": "the inbox commit", "finish": "the commit", "sent": "the id is stored"}
BOUNDARIES = (
    *(f"{side} {step}" for step in STEPS.values() for side in ("before", "after")),
    "in the handler",
    "before send",
    "after send",
)
WINDOW = ("after send", "before the id is stored")
"""Where the platform has shown a message and nobody knows: only there may it be shown once more."""


@dataclass(frozen=True, slots=True)
class Instant:
    """What a process leaves that dies here: a database, what was shown, and which turns were taken for sure.

    `unknown` are messages, one a chat at most, that were shown and whose id is not stored.
    """

    file: Path
    shown: tuple[tuple[str, str], ...]
    told: frozenset[str]
    unknown: Counter[str]


class Talk(House):
    """A house with the conversations of TALK."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"sqlite+aiosqlite:///{file}")
        self.file = file
        self.told: set[str] = set()
        self.conversations |= {"thinks": self.thinking, "newer": self.thinking, "fails": self.failing}

    async def start(self, heed: Callable[[Turn, Room], Awaitable[None]] | None = None) -> None:
        async def heeding(turn: Turn, room: Room) -> None:
            room.write(taste.record, room.user.id, turn.id, "heeded")

        await super().start(heed or heeding)

    async def hear(self, every: tuple[Turn, ...] = TALK) -> None:
        """What a platform does: it hands over each turn until it is told that it was taken."""
        for each in every:
            taken = await self.delivery.take(each)
            assert not (taken and each.id in self.told), f"{each.id} was told to be taken, and is lost"
            self.told.add(each.id)
        await self.delivery.settle()

    def integrity(self) -> tuple[list[Any], list[Any]]:
        with closing(sqlite3.connect(self.file)) as connection:
            return (
                connection.execute("PRAGMA integrity_check").fetchall(),
                connection.execute("PRAGMA foreign_key_check").fetchall(),
            )


class Watched(Talk):
    """A talk of which a picture is kept at every boundary."""

    def __init__(self, file: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(file)
        self.instants: dict[str, list[Instant]] = defaultdict(list)
        self.unknown: dict[str, str] = {}
        self.step = self.chat = ""
        for name in STEPS:
            patch.setattr(mail, name, self.noting(name, getattr(mail, name)))

    def noting(self, name: str, command: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def noted(*args: Any, **kwargs: Any) -> Any:
            self.step = STEPS[name]
            self.chat = kwargs["outgoing"].chat_id if name == "sent" else ""
            return await command(*args, **kwargs)

        return noted

    async def start(self, heed: Callable[[Turn, Room], Awaitable[None]] | None = None) -> None:
        await super().start(heed)
        writing = self.database.writing

        @asynccontextmanager
        async def watched() -> AsyncIterator[AsyncConnection]:
            async with writing() as connection:
                self.step = self.chat = ""
                yield connection
                step, chat = self.step, self.chat
                self.keep(f"before {step}")
            self.unknown.pop(chat, None)
            self.keep(f"after {step}")

        self.database.writing = watched  # type: ignore[method-assign]

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        self.keep("before send")
        shown = await super().send(
            chat_id, reply, turn_id=turn_id, message_id=message_id, person_id=person_id
        )
        self.unknown[chat_id] = reply.text
        self.keep("after send")
        return shown

    async def at(self, place: str) -> None:
        if place.startswith("in "):
            self.keep("in the handler")

    def keep(self, boundary: str) -> None:
        copy = self.file.with_name(f"{sum(map(len, self.instants.values()))}.sqlite")
        shutil.copy(self.file, copy)
        log = Path(f"{self.file}-wal")
        if log.exists():
            shutil.copy(log, f"{copy}-wal")
        instant = Instant(copy, tuple(self.shown), frozenset(self.told), Counter(self.unknown.values()))
        self.instants[boundary].append(instant)


@pytest.fixture(scope="module")
def instants(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Instant]]:
    """Every instant of one talk, by the boundary at which it was."""
    file = tmp_path_factory.mktemp("faults") / "talk.sqlite"
    shutil.copy(blank, file)

    async def talk() -> dict[str, list[Instant]]:
        with pytest.MonkeyPatch.context() as patch:
            house = Watched(file, patch)
            await house.start()
            await house.hear()
            await house.database.close()
        await check(house, Counter())
        return house.instants

    return asyncio.run(talk())


async def check(house: Talk, unknown: Counter[str]) -> None:
    """What must hold when a talk is over, however it was cut off; `unknown` may have been shown once more."""
    await house.database.close()
    await house.start()
    outcomes, events = await house.outcomes(), await house.events()
    assert outcomes.pop("fails") == "failed"
    assert outcomes.pop("older") in ("done", "superseded")
    assert outcomes == dict.fromkeys(("thinks", "press", "newer", "elsewhere"), "done")
    # Each left its mark once: "older" by its answer, or by being heeded.
    assert Counter(events) == Counter(each.id for each in TALK if each.id != "fails")
    heard = await house.heard()
    assert [each for each in heard if each != "older"] == ["thinks", "press", "newer"]
    assert len(heard) == len(set(heard))
    assert await house.heard(chat="d") == ["elsewhere"]
    assert await house.heard("q", "d") == []
    shown = Counter(house.texts())
    for words in ("thinks!", "press!", "newer!", "elsewhere!", "미안해요"):
        assert 1 <= shown[words] <= 1 + unknown[words], f"{words} was shown {shown[words]} times"
    stuck = [words for words in dict(house.shown).values() if words == "음…"]
    assert len(stuck) <= unknown["음…"], "a message says for ever that something is coming"
    async with house.database.reading() as connection:
        for table in (schema.inbox, schema.outbox):
            assert set(await connection.scalars(select(table.c.body))) == {""}
        assert await mail.owned(connection, house.name) == ([], set())
    await house.database.close()
    assert house.integrity() == ([("ok",)], [])


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_a_process_that_dies_loses_and_doubles_nothing(
    instants: dict[str, list[Instant]], boundary: str
) -> None:
    assert len(instants[boundary]) >= 3
    assert boundary not in WINDOW or all(instant.unknown for instant in instants[boundary])
    for instant in instants[boundary]:
        house = Talk(instant.file)
        house.shown, house.told = list(instant.shown), set(instant.told)
        assert house.integrity() == ([("ok",)], [])
        await house.start()
        await house.delivery.recover()
        await house.hear()
        await check(house, instant.unknown)


async def test_a_handler_that_hangs_until_it_is_cancelled_is_handled_again(house: House) -> None:
    """Keeps away a turn that is lost because the process was stopped while it was thought about."""
    house.conversations["t"] = house.thinking
    await house.take_and_hold(turn("t"), "in t")
    await house.delivery.close(grace=0)
    assert await house.outcomes() == {"t": None}
    await house.restart()
    await house.delivery.settle()
    assert (await house.outcomes(), await house.events()) == ({"t": "done"}, ["t"])
    assert dict(house.shown) == {"m0": "t!"}


def statements(house: House, refuse_at: int) -> Counter[str]:
    """Counts the writer's statements and commits from now on, and lets the database refuse one, from 1."""
    counted: Counter[str] = Counter()

    def execute(*_: object) -> None:
        counted["all"] += 1
        if counted["all"] == refuse_at:
            counted["refused"] += 1
            raise OperationalError(None, None, sqlite3.OperationalError("disk I/O error"))

    for name in ("before_cursor_execute", "commit"):
        event.listen(house.database._writer.sync_engine, name, execute)
    return counted


async def test_a_database_that_refuses_any_one_statement_costs_nothing(
    blank: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Keeps away an apology for a database that was only busy, and a turn that is neither done nor to be done."""
    caplog.set_level(logging.CRITICAL)
    place, counted = 0, Counter(refused=1)
    while counted["refused"]:
        place += 1
        file = tmp_path / f"{place}.sqlite"
        shutil.copy(blank, file)
        house = Talk(file)
        await house.start()
        counted = statements(house, refuse_at=place)
        try:
            taken = await house.delivery.take(turn("thinks"))
        except OperationalError:
            # The platform was not told that it was taken, and hands it over again.
            taken = await house.delivery.take(turn("thinks"))
        assert taken
        await house.delivery.settle()
        counted["all"] = place
        assert await house.outcomes() == {"thinks": "done"}
        assert await house.events() == await house.heard() == ["thinks"]
        assert dict(house.shown) == {"m0": "thinks!"}
        await house.database.close()
        assert house.integrity() == ([("ok",)], [])
    assert place > 15
