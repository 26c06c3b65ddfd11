"""Who is answered: blocked, not invited, under maintenance, and what an operator decides in a chat."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.gate import MAINTENANCE_SECONDS, UNINVITED_SECONDS, Gate, Rules
from bot.settings import Settings, SettingsError, load
from bot.told import Told
from data.phrases import phrases
from handlers.turn import (
    Command,
    Location,
    Media,
    Membership,
    Payload,
    PollAnswer,
    PollClosed,
    Press,
    Text,
    Tick,
)
from storage import blocks, operators
from storage.blocks import Block
from storage.database import Database
from storage.operators import Maintenance
from tests.house import House, turn
from tests.talk import Someone, Stage

talks = pytest.mark.asyncio(loop_scope="session")

People = Callable[..., Someone]
KO = phrases("ko")
SAID: list[Payload] = [
    Text("안녕"), Command("start"), Press("d:book"), Location(37.5, 127.0), Media("sticker"), PollAnswer("p", (0,)),
]  # fmt: skip
UNSAID: list[Payload] = [Tick("t"), PollClosed("1", (1,)), Membership("left")]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def gate(house: House, clock: Clock | None = None, **rules: Any) -> Gate:
    made = Gate(
        Rules(house.database, **rules), "test", None, house.delivery.is_stop, lambda turn: turn.payload == Text("!"),
        clock or Clock(),
    )  # fmt: skip
    house.delivery.gate = made
    return made


async def send(house: House, *payloads: Payload, person: str = "p", chat: str = "c") -> None:
    for payload in payloads:
        await house.delivery.take(
            turn(f"{person}.{len(house.shown)}.{payload}", payload, person=person, chat=chat)
        )
        await house.delivery.settle()


@pytest.fixture
def operator(stage: Stage, request: pytest.FixtureRequest) -> Someone:
    """An operator on a platform of their own, over the same database."""
    name = f"{request.node.name}.operator"
    settings = stage.app.settings.model_copy(update={"admins": (("ops", name),)})
    return Someone(Stage(replace(stage.app, settings=settings), "ops"), name)


# The gate


async def test_a_blocked_person_gets_silence_whatever_they_send(house: House) -> None:
    gate(house, blocked=frozenset({("test", "p")}))
    await send(house, *SAID, Command("stop"), Text("!"))
    assert (house.shown, house.begun) == ([], [])
    assert Counter((await house.outcomes()).values()) == {"limited": len(SAID) + 2}
    await send(house, *SAID, person="q")
    assert len(house.begun) == len(SAID)


async def test_what_nobody_said_is_handled_of_anybody(house: House) -> None:
    """Keeps away a round whose poll never ends because its opener was blocked meanwhile."""
    gate(house, blocked=frozenset({("test", "p")}), maintenance=Maintenance("곧 와요", "", 0.0))
    await send(house, *UNSAID)
    assert len(house.begun) == len(UNSAID)


async def test_a_block_holds_on_its_platform_only(house: House) -> None:
    gate(house, blocked=frozenset({("elsewhere", "p")}))
    await send(house, Text("안녕"))
    assert len(house.begun) == 1


async def test_whoever_is_not_invited_is_told_so_once_a_day(house: House) -> None:
    clock = Clock()
    gate(house, clock, allowed=(("test", "friend"),), admins=(("test", "boss"),))
    await send(house, Text("1"), Text("2"))
    assert house.texts() == [KO.say("gate.uninvited")]
    clock.now += UNINVITED_SECONDS + 1
    await send(house, Text("3"))
    assert len(house.shown) == 2
    for person in ("friend", "boss"):
        await send(house, Text("4"), person=person, chat=person)
    assert len(house.begun) == 2


async def test_maintenance_is_told_once_an_hour_and_anew_when_it_changes(house: House) -> None:
    clock = Clock()
    rules = gate(
        house, clock, admins=(("test", "boss"),), maintenance=Maintenance("한 시간쯤", "", 0.0)
    ).rules
    await send(house, Text("1"), Text("2"), Press("x"))
    assert house.texts() == [KO.say("gate.maintenance", text="한 시간쯤")]
    clock.now += MAINTENANCE_SECONDS + 1
    await send(house, Text("3"))
    assert len(house.shown) == 2
    rules.maintenance = Maintenance("거의 다 됐어요", "", 1.0)
    await send(house, Text("4"), Text("5"))
    assert house.texts()[2:] == [KO.say("gate.maintenance", text="거의 다 됐어요")]
    assert set((await house.outcomes()).values()) == {"limited"}
    await send(house, Text("6"), person="boss", chat="b")
    rules.maintenance = None
    await send(house, Text("7"))
    assert len(house.begun) == 2


async def test_somebody_in_danger_is_answered_during_maintenance_and_uninvited(house: House) -> None:
    """Keeps away a call for help that is answered with a notice."""
    gate(house, allowed=(("test", "x"),), maintenance=Maintenance("점검", "", 0.0))
    await send(house, Text("!"))
    assert len(house.begun) == 1


async def test_an_operator_is_never_blocked(house: House) -> None:
    """Keeps away an operator locked out by a slip, whom nobody could let in again."""
    gate(house, admins=(("test", "p"),), blocked=frozenset({("test", "p")}), allowed=(("test", "x"),))
    await send(house, Text("안녕"))
    assert len(house.begun) == 1


async def test_a_turn_that_was_put_aside_is_not_taken_up_by_a_restart(house: House) -> None:
    gate(house, blocked=frozenset({("test", "p")}))
    await send(house, Text("안녕"))
    await house.restart()
    await house.delivery.settle()
    assert house.begun == []


async def test_what_was_decided_in_another_process_is_seen(database: Database, database_url: str) -> None:
    other = await Database.open(database_url)
    rules = Rules(other)
    await rules.refresh()
    async with database.writing() as connection:
        await blocks.block(connection, Block("test", "p", "", "", 0.0))
        await operators.begin_maintenance(connection, Maintenance("점검", "test:o", 1.0))
    await rules.refresh()
    assert (rules.blocked, rules.maintenance) == (
        frozenset({("test", "p")}),
        Maintenance("점검", "test:o", 1.0),
    )
    async with database.writing() as connection:
        assert await blocks.unblock(connection, "test", "p")
        assert not await blocks.unblock(connection, "test", "p")
        await operators.end_maintenance(connection)
    await rules.refresh()
    assert (rules.blocked, rules.maintenance) == (frozenset(), None)
    await other.close()


async def test_what_cannot_be_looked_up_stays_as_it_was_and_is_told_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Keeps away everybody let in, and a log that overflows, while the database is locked."""
    tries, enough, maintenance = 0, asyncio.Event(), operators.maintenance

    async def locked(connection: AsyncConnection) -> Maintenance | None:
        nonlocal tries
        tries += 1
        if tries == 5:
            enough.set()
        if tries < 4:
            raise ConnectionError
        return await maintenance(connection)

    monkeypatch.setattr("bot.gate.LOOK_SECONDS", 0.0)
    monkeypatch.setattr(operators, "maintenance", locked)
    rules = Rules(database, blocked=frozenset({("test", "p")}))
    following = asyncio.create_task(rules.follow())
    while tries < 3:
        assert rules.blocked == {("test", "p")}
        await asyncio.sleep(0)
    await enough.wait()
    following.cancel()
    await asyncio.wait({following})
    assert caplog.text.count("cannot be looked up") == 1
    assert rules.blocked == frozenset(), "nobody is blocked in the database"


def test_those_who_were_told_long_ago_are_forgotten() -> None:
    """Keeps away a memory that grows with everybody who ever came by."""
    clock = Clock()
    told = Told(60, clock)
    assert all(told.due(str(person)) for person in range(1000))
    clock.now += 61
    assert told.due("p")
    assert len(told._at) == 1


@pytest.mark.parametrize("value", ["123", "telegram:", "telegram"])
def test_a_list_of_the_invited_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ONEULMWO_ALLOW", value)
    with pytest.raises(SettingsError, match="ONEULMWO_ALLOW"):
        load()
    monkeypatch.setenv("ONEULMWO_ALLOW", " telegram:1 , telegram:2,")
    assert Settings().allow == (("telegram", "1"), ("telegram", "2"))


# In a chat


async def _blocked(person: Someone) -> list[Block]:
    async with person.stage.app.database.reading() as connection:
        return [each for each in await blocks.every(connection) if person.name in each.blocked_by]


@talks
async def test_an_operator_blocks_and_lifts_it_by_a_button(someone: People, operator: Someone) -> None:
    person = someone()
    app = person.stage.app
    answer = await operator.commands("block", f"test:{person.name} 같은 말을 되풀이해요")
    assert answer.text == KO.say("block.done", who=f"test:{person.name}")
    (kept,) = await _blocked(operator)
    assert (kept.platform, kept.platform_id, kept.reason) == ("test", person.name, "같은 말을 되풀이해요")
    await app.rules.refresh()
    assert not (await person.says("웃긴 영화")).replies
    await operator.taps(KO.say("job.blocks"))
    assert "같은 말을 되풀이해요" in operator.last.text
    lift = operator.last.button(KO.say("block.lift", who=f"test:{person.name}"))
    assert len(lift.encode()) <= 40
    await operator.presses(lift)
    assert operator.last.text == KO.say("block.lifted", who=f"test:{person.name}")
    assert (await operator.presses(lift)).text == KO.say("block.gone")
    await app.rules.refresh()
    assert (await person.says("웃긴 영화")).cards


@talks
async def test_a_block_outlives_being_forgotten(someone: People, operator: Someone) -> None:
    """Keeps away "forget me" as the way out of a block."""
    person = someone()
    await person.commands("forget")
    await person.taps(KO.say("button.forget_yes"))
    await operator.commands("block", f"test:{person.name}")
    await operator.commands("unblock", f"test:{person.name}")
    assert operator.last.text == KO.say("block.lifted", who=f"test:{person.name}")
    assert (await operator.commands("unblock", f"test:{person.name}")).text == KO.say(
        "block.none", who=f"test:{person.name}"
    )


@talks
async def test_an_operator_cannot_be_blocked(operator: Someone) -> None:
    assert (await operator.commands("block", f"ops:{operator.name} 실수")).text == KO.say(
        "block.operator", who=f"ops:{operator.name}"
    )
    assert await _blocked(operator) == []


@talks
@pytest.mark.parametrize(
    "argument",
    ["", "123", "telegram:", ":1", "telegram", "Telegram 1", "t:1", f"telegram:{'9' * 65}", "하" * 5_000],
)
async def test_a_name_that_is_none_blocks_nobody(operator: Someone, argument: str) -> None:
    assert (await operator.commands("block", argument)).text == KO.say("block.usage")
    assert (await operator.commands("unblock", argument)).text == KO.say("block.usage")
    assert await _blocked(operator) == []


@talks
async def test_a_long_list_has_pages_and_a_reason_is_cut(operator: Someone) -> None:
    for place in range(8):
        await operator.commands("block", f"test:{operator.name}-{place} {'까' * 1_000}")
    assert max(len(each.reason) for each in await _blocked(operator)) == 200
    first = await operator.presses("block:page:0")
    second = await operator.presses(first.button(KO.say("button.page", page=1, pages=2)))
    listed = {line for line in (first.text + "\n" + second.text).splitlines() if line.startswith("· ")}
    assert len(listed) == 8
    for place in range(8):
        await operator.commands("unblock", f"test:{operator.name}-{place}")
    assert await _blocked(operator) == []


@talks
async def test_an_operator_turns_maintenance_on_and_off(someone: People, operator: Someone) -> None:
    person = someone()
    app = person.stage.app
    await operator.commands("admin")
    await operator.taps(KO.say("job.maintenance"), KO.say("maintenance.write"))
    await operator.says("모델을 바꾸고 있어요. 세 시쯤 돌아올게요.")
    assert "세 시쯤" in operator.last.text
    await app.rules.refresh()
    told = await person.says("웃긴 영화")
    assert told.text == KO.say("gate.maintenance", text="모델을 바꾸고 있어요. 세 시쯤 돌아올게요.")
    assert not (await person.says("웃긴 영화")).replies
    assert (await operator.says("웃긴 영화")).cards, "operators are answered"
    assert "세 시쯤" in (await operator.commands("admin")).text
    await operator.taps(KO.say("job.maintenance"), KO.say("maintenance.turn_off"))
    await app.rules.refresh()
    assert (await person.says("웃긴 영화")).cards


@talks
@pytest.mark.parametrize("text", ["하" * 5_000, "\u200b"], ids=["long", "empty"])
async def test_a_message_that_cannot_be_is_asked_for_again(operator: Someone, text: str) -> None:
    await operator.presses("upkeep:write")
    await operator.says(text)
    assert operator.last.text in (
        KO.say("maintenance.too_long", most=1_000), KO.say("maintenance.ask", most=1_000),
    )  # fmt: skip
    await operator.taps(KO.say("button.cancel"))
    assert operator.last.text == KO.say("desk.cancelled")
    async with operator.stage.app.database.reading() as connection:
        assert await operators.maintenance(connection) is None
