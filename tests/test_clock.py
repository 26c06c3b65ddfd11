"""The clock: a due round becomes one turn, whoever looks and however often."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bot import clock
from handlers.turn import CLOCK, Chat, Tick, Turn
from storage import groups, users
from storage.database import Database
from storage.groups import Round


class Taker:
    """What a delivery does with turns: each id is taken once."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.offered = 0
        self.broken = False
        self.stumbled, self.taken = asyncio.Event(), asyncio.Event()

    async def __call__(self, turn: Turn) -> bool:
        self.offered += 1
        if self.broken:
            self.stumbled.set()
            raise RuntimeError("no database")
        if new := turn.id not in {each.id for each in self.turns}:
            self.turns.append(turn)
            self.taken.set()
        return new


async def due_at(database: Database, at: float, chat: str = "-1:5", kind: str = "thread") -> int:
    async with database.writing() as connection:
        user = await users.ensure(connection, platform="test", platform_id="1", name="", locale="")
        key = await groups.begin(
            connection, platform="test", chat_id=chat, opened_by=user.id, domain="any", settings={"kind": kind},
            token="t", at=1.0, closes_at=at,
        )  # fmt: skip
    assert key is not None
    return key


async def of(database: Database, key: int) -> Round:
    async with database.reading() as connection:
        found = await groups.get(connection, key)
    assert found is not None
    return found


async def test_what_is_due_is_a_turn_of_the_clock_in_its_chat(database: Database) -> None:
    key, take = await due_at(database, 100.0), Taker()
    await clock.strike(database, take, "test", 99.9)
    await clock.strike(database, take, "discord", 200.0)
    assert take.turns == []
    await clock.strike(database, take, "test", 100.0)
    [turn] = take.turns
    assert turn == Turn(
        f"tick|round|{key}|open|100.000",
        Chat("test", "-1:5", "thread"),
        CLOCK,
        Tick(f"round.{key}.open"),
        100.0,
    )
    assert Turn.from_json(turn.to_json()) == turn


async def test_many_that_look_make_one_turn(database: Database) -> None:
    """Keeps away picks made by each of several processes, and again after a restart."""
    key, take = await due_at(database, 100.0), Taker()
    await asyncio.gather(*(clock.strike(database, take, "test", 100.0 + n) for n in range(5)))
    await clock.strike(database, take, "test", 106.0)
    assert len(take.turns) == 1
    before = take.offered
    await clock.strike(database, take, "test", 107.0)
    assert take.offered == before, "it does not ask for it each second"
    assert (await of(database, key)).state == "open"


async def test_what_failed_has_its_turn_again_later(database: Database) -> None:
    """Keeps away a round that hangs for ever because the engine stumbled once."""
    await due_at(database, 100.0)
    take = Taker()
    await clock.strike(database, take, "test", 100.0)
    await clock.strike(database, take, "test", 100.0 + clock.AGAIN_SECONDS)
    assert len(take.turns) == 2


async def test_what_went_on_meanwhile_is_not_put_off(database: Database) -> None:
    """The turn may be over before the clock has noted that it handed it over."""
    key = await due_at(database, 100.0)

    async def take(turn: Turn) -> bool:
        async with database.writing() as connection:
            await groups.change(connection, key, state="voting", closes_at=130.0)
        return True

    await clock.strike(database, take, "test", 100.0)
    assert (await of(database, key)).closes_at == 130.0


async def test_an_error_does_not_stop_the_clock(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key, take = await due_at(database, 100.0), Taker()
    take.broken = True
    monkeypatch.setattr(clock, "SECONDS", 0.001)
    caplog.set_level(logging.ERROR)
    ticking = asyncio.create_task(clock.keep(database, take, "test"))
    await take.stumbled.wait()
    take.broken = False
    await take.taken.wait()
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)
    assert take.turns[0].payload == Tick(f"round.{key}.open")
    assert "goes on" in caplog.text
