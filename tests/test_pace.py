"""How fast one person may talk, and what happens beyond."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from bot.app import App, opened
from bot.gate import Gate, Rules
from bot.pace import MINUTE, Pace
from bot.settings import Settings
from data.phrases import phrases
from handlers.turn import (
    Chat,
    Command,
    Location,
    Membership,
    Payload,
    Person,
    PollAnswer,
    PollClosed,
    Press,
    Text,
    Tick,
    Turn,
)
from tests.house import House, text, turn
from tests.talk import Stage

SLOW_DOWN = phrases("ko").say("chat.slow_down")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def gate(house: House, per_minute: int) -> Gate:
    """One that holds up nobody but who is too fast."""
    rules, pace = Rules(house.database), Pace(per_minute, Clock())
    return Gate(rules, "test", pace, house.delivery.is_stop, house.delivery.is_urgent)


def test_a_person_may_spend_a_minute_at_once_and_then_as_it_comes_in() -> None:
    clock = Clock()
    pace = Pace(30, clock)
    assert [pace.spend("p") for _ in range(31)] == [True] * 30 + [False]
    assert pace.spend("q")
    clock.now += MINUTE / 30
    assert [pace.spend("p") for _ in range(2)] == [True, False]
    clock.now += 10 * MINUTE
    assert [pace.spend("p") for _ in range(31)] == [True] * 30 + [False]


def test_a_person_who_keeps_on_is_told_once_a_minute() -> None:
    clock = Clock()
    pace = Pace(1, clock)
    told = []
    for second in range(200):
        clock.now = 1000.0 + second
        if not pace.spend("p") and pace.tell("p"):
            told.append(second)
    assert told == [1, 61, 121, 181]


def test_those_who_are_silent_are_forgotten() -> None:
    """Keeps away a memory that grows with everybody who ever said a word."""
    clock = Clock()
    pace = Pace(30, clock)
    for person in range(1000):
        pace.spend(str(person))
    clock.now += MINUTE + 1
    pace.spend("p")
    assert len(pace._buckets) == 1


async def test_a_thousand_turns_at_once_get_one_friendly_line(house: House) -> None:
    """Keeps away one person who takes the bot from all others, and a flood of answers to a flood."""
    house.delivery.gate = gate(house, 30)

    async def pour(stream: int) -> None:
        for number in range(100):
            await house.delivery.take(turn(f"{stream}.{number}"))

    flood = asyncio.gather(*(pour(stream) for stream in range(10)))
    for number in range(5):
        await house.delivery.take(turn(f"other{number}", person="q", chat="d"))
        await house.until_shown(f"other{number}!")
    assert not flood.done()
    await flood
    await house.delivery.settle()
    assert Counter((await house.outcomes()).values()) == {"done": 35, "limited": 970}
    counts = Counter(house.texts())
    assert len(counts) == 36
    assert set(counts.values()) == {1}
    assert counts[SLOW_DOWN] == 1
    assert not await house.delivery.take(turn("9.99"))


async def test_a_stop_and_what_nobody_said_are_never_limited(house: House) -> None:
    """Keeps away an answer that cannot be stopped, and a round whose closing poll is dropped."""
    house.delivery.gate = gate(house, 1)
    unlimited: list[Payload] = [Command("stop"), Tick("t"), PollClosed("1", (1,)), Membership("joined")]
    limited: list[Payload] = [Text("t"), Command("c"), Press("p"), Location(1, 2), PollAnswer("1", (0,))]
    await house.delivery.take(turn("first"))
    for number, payload in enumerate([*limited, *unlimited]):
        await house.delivery.take(turn(str(number), payload))
        await house.delivery.settle()
    outcomes = await house.outcomes()
    assert outcomes.pop("first") == "done"
    assert list(outcomes.values()) == ["limited"] * len(limited) + ["done"] * len(unlimited)


async def test_a_turn_that_was_too_much_is_not_taken_up_by_a_restart(house: House) -> None:
    house.delivery.gate = gate(house, 1)
    await house.delivery.take(turn("first"))
    await house.delivery.take(text("second"))
    await house.restart()
    await house.delivery.settle()
    assert await house.outcomes() == {"first": "done", "second": "limited"}


@pytest.mark.parametrize(
    ("name", "given", "limit"),
    [
        ("telegram", None, 30),
        ("telegram", 5, 5),
        ("telegram", 0, None),
        ("script", None, None),
        ("script", 5, 5),
        ("console", None, None),
        ("console", 30, 30),
    ],
)
async def test_scripts_and_the_terminal_are_limited_only_where_it_is_set(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: int | None, limit: int | None
) -> None:
    """Keeps away a script of a hundred lines that is told to take a breath."""
    if given is not None:
        monkeypatch.setenv("ONEULMWO_TURNS_PER_MINUTE", str(given))
    app = App(Settings(), *[None] * 4)  # type: ignore[arg-type]
    pace = app.gate(name).pace
    assert (pace.per_minute if pace else None) == limit


async def test_the_line_is_in_the_language_of_whoever_gets_it(home: Path) -> None:
    async with opened(Settings(turns_per_minute=1)) as app:
        stage = Stage(app)
        for person in (Person("민지", locale="ko-KR"), Person("Ann", locale="en-GB")):
            for number in range(4):
                chat = Chat("test", person.id)
                await stage.delivery.take(Turn(f"{person.id}{number}", chat, person, Command("start"), 0.0))
        await stage.delivery.settle()
        told = {key: [reply.text for reply in replies] for key, replies in stage.shown.items()}
    assert told["민지1"] == [SLOW_DOWN]
    assert told["Ann1"] == [phrases("en").say("chat.slow_down")]
    assert len(told) == 4
