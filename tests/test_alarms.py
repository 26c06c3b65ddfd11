"""Errors reach the operators once, not a thousand times, and carry nothing that a person said."""

from __future__ import annotations

import ast
import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from bot import alarms
from bot.alarms import AGAIN_SECONDS, MOST_KINDS, OURS, Alarms
from data.phrases import phrases
from handlers.turn import Reply
from storage import account, operators, users
from storage.database import Database
from storage.schema import outbox
from tests.house import House, turn

KO, EN = phrases("ko"), phrases("en")
SECRET = "비밀번호는 hunter2 sk-12345"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Watch:
    """Alarms over a database, and the logs of one module of ours."""

    def __init__(self, database: Database, *admins: tuple[str, str]) -> None:
        self.database, self.clock = database, Clock()
        self.alarms = Alarms(database, admins or (("telegram", "1"),), self.clock)
        self.logger = logging.getLogger("handlers.recommend")
        logging.getLogger().addHandler(self.alarms)

    def fails(self, error: Exception | None = None) -> None:
        def fail() -> None:
            raise error or ValueError(SECRET)

        try:
            fail()
        except Exception:
            self.logger.exception("Turn %s failed", SECRET)

    async def posted(self) -> list[tuple[str, str, Reply]]:
        """(platform, chat, what is to be sent), in the order of posting."""
        await self.alarms.post()
        async with self.database.reading() as connection:
            rows = await connection.execute(select(outbox).order_by(outbox.c.seq))
            return [(row.platform, row.chat_id, Reply.from_json(row.body)) for row in rows]


@pytest.fixture
def watch(database: Database) -> Iterator[Watch]:
    made = Watch(database)
    yield made
    logging.getLogger().removeHandler(made.alarms)


async def test_many_errors_are_one_message_at_once(watch: Watch) -> None:
    for _ in range(200):
        watch.fails()
    ((platform, chat, reply),) = await watch.posted()
    assert (platform, chat, reply.private, reply.person) == ("telegram", "1", True, "1")
    assert reply.text.splitlines()[0] == KO.say("alarm.first", count=200)
    assert len(await watch.posted()) == 1


async def test_it_is_told_again_an_hour_later_with_how_often_it_came_back(watch: Watch) -> None:
    watch.fails()
    await watch.posted()
    for minute in range(60):
        watch.clock.now += 60
        watch.fails()
        assert len(await watch.posted()) == (1 if minute < 59 else 2)
    assert (await watch.posted())[1][2].text.splitlines()[0] == KO.say("alarm.again", count=60)
    watch.clock.now += 10 * AGAIN_SECONDS
    assert len(await watch.posted()) == 2, "nothing has happened since"


async def test_nothing_that_was_said_and_no_secret_is_told(watch: Watch) -> None:
    """Keeps away a token that an exception's text carries into a chat."""
    watch.fails()
    watch.logger.error("No answer for %s", SECRET)
    watch.logger.error("Odd: %(what)s", {"what": SECRET})
    for _, _, reply in await watch.posted():
        assert "hunter2" not in reply.to_json()
        assert "sk-12345" not in reply.to_json()
        assert "비밀번호" not in reply.to_json()


async def test_it_says_which_error_it_was_and_where(watch: Watch) -> None:
    watch.fails()
    ((_, _, reply),) = await watch.posted()
    assert reply.text.splitlines()[1] == "Turn %s failed"
    assert "ValueError · test_alarms.py:" in reply.text
    assert reply.text.endswith("handlers.recommend")


def test_the_place_is_in_our_own_code() -> None:
    """Keeps away a line of SQLAlchemy as the place of every error."""
    with pytest.raises(KeyError) as ours:
        KO.say("no.such.words")
    with pytest.raises(ValueError) as theirs:
        json.loads("{")
    for raised, place in ((ours, "data/phrases/__init__.py"), (theirs, "decoder.py")):
        path, line = alarms._place(raised.tb)
        assert (alarms._short(path), line > 1) == (place, True)


async def test_kinds_are_told_apart_by_sentence_error_and_place(watch: Watch) -> None:
    watch.fails()
    watch.fails(KeyError("x"))
    watch.logger.error("Turn %s failed", 1)
    watch.logger.error("Another")
    assert len(await watch.posted()) == 4


async def test_only_errors_of_our_own_loggers_count(watch: Watch) -> None:
    logging.getLogger("httpx").error("theirs")
    logging.getLogger("bottle").error("theirs too")
    watch.logger.warning("only a warning")
    assert await watch.posted() == []


async def test_endlessly_many_kinds_do_not_fill_the_memory(watch: Watch) -> None:
    for number in range(4 * MOST_KINDS):
        watch.logger.handle(
            watch.logger.makeRecord("bot.x", logging.ERROR, "/x/bot/x.py", number, "odd", (), None)
        )
    assert len(watch.alarms._counts) == MOST_KINDS + 1
    assert len(await watch.posted()) == MOST_KINDS + 1
    watch.clock.now += AGAIN_SECONDS
    watch.fails()
    assert len(watch.alarms._counts) == 1, "what was told long ago is gone"


async def test_an_error_while_telling_is_not_told(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Keeps away an alarm about the alarm about the alarm."""
    monkeypatch.setattr(alarms, "LOOK_SECONDS", 0.0)
    tried = asyncio.Event()

    async def chats(connection: object) -> dict[tuple[str, str], str]:
        tried.set()
        raise ConnectionError(SECRET)

    monkeypatch.setattr(operators, "chats", chats)
    watch.fails()
    running = asyncio.create_task(watch.alarms.run())
    await tried.wait()
    tried.clear()
    await tried.wait()
    running.cancel()
    await asyncio.wait({running})
    assert [(each.error, count) for each, count, _ in watch.alarms.due()] == [("ValueError", 1)]
    assert "cannot be told" in caplog.text


async def test_a_chat_that_takes_nothing_gets_no_storm(house: House) -> None:
    """Keeps away a message about each message that could not be sent."""
    watch = Watch(house.database, ("test", "boss"))
    try:
        async with house.database.writing() as connection:
            await operators.remember_chat(connection, "test", "boss", "b")
        house.problems["b"].extend(OSError("down") for _ in range(100))
        watch.fails()
        for _ in range(50):
            await watch.alarms.post()
            house.delivery.wake()
            await house.delivery.settle()
    finally:
        logging.getLogger().removeHandler(watch.alarms)
    assert len(house.shown) == 2, "what failed, and that it could not be told"
    assert not house.problems["b"]


async def test_operators_are_told_where_they_asked_last_and_in_their_language(database: Database) -> None:
    watch = Watch(database, ("telegram", "1"), ("discord", "2"), ("discord", "nowhere"))
    try:
        async with database.writing() as connection:
            await users.ensure(connection, platform="discord", platform_id="2", name="Ann", locale="en-GB")
            await operators.remember_chat(connection, "discord", "2", "dm7")
            await operators.remember_chat(connection, "discord", "2", "dm8")
        watch.fails()
        posted = {
            (platform, chat): reply.text.splitlines()[0] for platform, chat, reply in await watch.posted()
        }
    finally:
        logging.getLogger().removeHandler(watch.alarms)
    assert posted == {
        ("telegram", "1"): KO.say("alarm.first", count=1), ("discord", "dm8"): EN.say("alarm.first", count=1),
    }  # fmt: skip


async def test_a_forgotten_operator_is_looked_for_nowhere(database: Database) -> None:
    """Keeps away the address of somebody who asked to be forgotten."""
    async with database.writing() as connection:
        for name in ("2", "22"):
            user = await users.ensure(connection, platform="discord", platform_id=name, name="", locale="")
            await operators.remember_chat(connection, "discord", name, f"dm{name}")
        await account.forget(connection, user.id, "-")
        assert await operators.chats(connection) == {("discord", "2"): "dm2"}


async def test_a_process_that_fails_at_each_start_edits_one_message(watch: Watch, database: Database) -> None:
    """Keeps away a message a restart while a supervisor starts it again and again."""
    for _ in range(20):
        again = Alarms(database, (("telegram", "1"),), watch.clock)
        record = watch.logger.makeRecord("bot.app", logging.ERROR, "/x/bot/app.py", 1, "no index", (), None)
        again.handle(record)
        await again.post()
    assert len(await watch.posted()) == 1


async def test_the_handler_goes_with_the_program(house: House) -> None:
    async with house.database.writing() as connection:
        await operators.remember_chat(connection, "test", "boss", "b")
    before = logging.getLogger().handlers[:]
    async with alarms.sounding(house.database, (("test", "boss"),)):
        house.conversations["bad"] = house.failing
        await house.delivery.take(turn("bad"))
        await house.delivery.settle()
    assert logging.getLogger().handlers == before
    house.delivery.wake()
    await house.until_shown("미안해요")
    await house.delivery.settle()
    assert any("Turn %s failed" in text for text in house.texts()), "what came last is told at the end"
    async with alarms.sounding(house.database, ()):
        assert logging.getLogger().handlers == before


def test_every_sentence_that_is_logged_stands_in_the_code() -> None:
    """Keeps away an f-string that carries a person's words past the alarms' silence."""
    root = Path(alarms.__file__).parents[1]
    logged = 0
    for path in (path for package in OURS for path in (root / package).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "logger." in text else ():
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            of = node.func.value
            if isinstance(of, ast.Name) and of.id == "logger" and node.func.attr != "log":
                logged += 1
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}"
    assert logged > 20
