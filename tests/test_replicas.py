"""Several processes of one platform on one database: every turn handled by one, every reply sent by one."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, make_url, select, text, update
from sqlalchemy.dialects import postgresql

import bot.delivery as delivery_module
from bot.presence import DEAD_SECONDS, gone, new_name
from handlers.room import Room
from handlers.turn import Command, Press, Reply, Text, Turn
from storage import mail, processes, schema
from storage.database import Database
from storage.migrations.run import config
from tests.conftest import url_of
from tests.house import FOREVER, House, take, turn
from tests.house import text as said

Start = Callable[..., Awaitable["Replica"]]


class Replica(House):
    """One of several processes, each on a host of its own, before one platform: what they show is in one list."""

    def __init__(self, url: str, name: str, shown: list[tuple[str, str]]) -> None:
        super().__init__(url, owner=f"{name}|1|0")
        self.shown = shown

    async def look(self) -> None:
        """What it does twice a second."""
        await self.delivery._look()

    async def fall_silent(self) -> None:
        """Stand still, for so long that the others take it for dead."""
        self.delivery._presence.beaten -= DEAD_SECONDS + 1
        async with self.database.writing() as connection:
            await connection.execute(
                update(schema.processes)
                .where(schema.processes.c.owner == self.owner)
                .values(beat_at=schema.processes.c.beat_at - DEAD_SECONDS - 1)
            )

    async def die(self) -> None:
        """Leave everything as it is; nobody knows yet."""
        await self.delivery._tasks.stop(0)


@pytest.fixture
async def start(database_url: str) -> AsyncIterator[Start]:
    """Starts processes on one database."""
    running: list[Replica] = []
    shown: list[tuple[str, str]] = []

    async def begin(name: str) -> Replica:
        replica = Replica(database_url, name, shown)
        await replica.start()
        await replica.delivery.recover()
        running.append(replica)
        return replica

    yield begin
    for replica in running:
        replica.release.set()
        await replica.delivery.close(FOREVER)
        await replica.database.close()


async def finish(*replicas: Replica) -> None:
    """Let all look and work until nothing is left in the mail."""
    for _ in range(100):
        for replica in replicas:
            await replica.look()
        for replica in replicas:
            await replica.delivery.settle()
        async with replicas[0].database.reading() as connection:
            if await mail.owned(connection, House.name) == ([], set()):
                return
    pytest.fail("something is left that nobody sees to")


async def test_a_turn_delivered_to_both_is_handled_once(start: Start) -> None:
    a, b = await start("a"), await start("b")
    taken = await asyncio.gather(a.delivery.take(turn("t")), b.delivery.take(turn("t")))
    assert sorted(taken) == [False, True]
    await finish(a, b)
    assert a.begun + b.begun == await a.events() == ["t"]
    assert a.texts() == ["t!"]


async def test_turns_of_a_person_are_answered_in_order_by_whoever_answers_the_first(start: Start) -> None:
    """Keeps away a second answer that overtakes the first; nobody else waits for them."""
    a, b = await start("a"), await start("b")
    await a.take_and_hold(turn("1"), "in 1")
    await take(b, turn("2"), turn("other", person="q"), turn("elsewhere", chat="d"))
    await b.delivery.settle()
    assert sorted(b.begun) == ["elsewhere", "other"]
    await take(a, turn("3"))  # before it has looked what there is of the same person
    await take(b, turn("4"))
    a.release.set()
    await finish(a, b)
    assert a.begun == [each for each in await a.events() if each.isdigit()] == ["1", "2", "3", "4"]
    assert [words for words in a.texts() if words[0].isdigit()] == ["1!", "2!", "3!", "4!"]
    assert await b.heard() == ["1", "2", "3", "4"]


@pytest.mark.parametrize("second", [said("new"), turn("new", Command("stop"))], ids=["text", "stop"])
async def test_a_question_is_superseded_and_stopped_through_another_process(
    start: Start, second: Turn
) -> None:
    a, b = await start("a"), await start("b")
    a.conversations["old"] = a.thinking
    await a.take_and_hold(said("old"), "in old")
    await take(b, turn("press"), second)
    await a.look()
    await finish(a, b)
    assert await a.outcomes() == {"old": "superseded", "press": "done", "new": "done"}
    assert b.begun == []
    assert Counter(words for words in a.texts() if words not in ("음…", "그만둘게요")) == Counter(
        ("press!", "new!")
    )
    assert (a.texts().index("new!") < a.texts().index("press!")) == isinstance(second.payload, Command)


async def test_replies_in_a_chat_are_sent_by_one_process_in_order(start: Start) -> None:
    """Keeps away a group that sees two messages at once from two senders, the later one first."""
    a, b = await start("a"), await start("b")
    await a.take_and_hold(turn("1", person="p"), "before sending 1!")
    await take(b, turn("2", person="q"), turn("other", chat="d", person="q"))
    await b.delivery.settle()
    assert sorted(b.begun) == ["2", "other"]
    assert a.texts() == ["other!"]
    a.release.set()
    await a.delivery.settle()
    assert a.texts() == ["other!", "1!", "2!"]


async def test_what_a_dead_process_leaves_is_taken_up_once_by_one_of_the_others(start: Start) -> None:
    a, b, c = [await start(name) for name in "abc"]
    await a.take_and_hold(turn("sent", chat="d"), "before sending sent!")
    a.held.clear()
    await a.take_and_hold(turn("1"), "in 1")
    await take(b, turn("2"))
    await a.die()
    await asyncio.gather(b.look(), c.look())
    await asyncio.gather(b.delivery.settle(), c.delivery.settle())
    assert (b.begun, c.begun, b.texts()) == ([], [], [])
    await a.fall_silent()
    await asyncio.gather(b.look(), c.look())
    await finish(b, c)
    assert sorted((b.begun, c.begun)) == [[], ["1", "2"]]
    assert await b.events() == ["sent", "1", "2"]
    assert Counter(b.texts()) == {"sent!": 1, "1!": 1, "2!": 1}
    async with b.database.reading() as connection:
        assert set(await processes.beats(connection, House.name)) == {b.owner, c.owner}


async def test_a_turn_for_a_dead_process_comes_after_what_that_one_left(start: Start) -> None:
    """Keeps away an answer to the second question by one process while another takes up the first."""
    a, b, c = [await start(name) for name in "abc"]
    await a.take_and_hold(turn("1"), "in 1")
    await a.die()
    await a.fall_silent()
    await take(c, turn("2"))
    await take(b, turn("3"))
    await finish(b, c)
    assert await b.events() == ["1", "2", "3"]
    assert b.texts() == ["1!", "2!", "3!"]


async def test_who_was_taken_for_dead_changes_and_sends_nothing_more(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Keeps away a like that is counted twice, and an answer that comes once more a minute later."""
    a, b = await start("a"), await start("b")

    async def pondering(turn: Turn, room: Room) -> AsyncIterator[Reply]:
        await a.at("in t")
        yield Reply("음…", slot="s", interim=True)
        yield Reply("too late", slot="s")

    a.conversations["t"] = pondering
    await a.take_and_hold(turn("t"), "in t")
    await a.fall_silent()
    await b.look()
    await b.delivery.settle()
    before = await b.session()
    assert (b.begun, b.texts()) == (["t"], ["t!"])
    a.release.set()
    await finish(a, b)
    assert (await b.session(), await b.events(), b.texts()) == (before, ["t"], ["t!"])
    assert "Turn t was taken over by another process" in caplog.text
    await take(a, turn("next"))
    await finish(a, b)
    assert a.begun == ["t", "next"]
    assert a.texts() == ["t!", "next!"]


async def test_a_turn_that_was_taken_over_is_dropped_while_the_other_still_answers(start: Start) -> None:
    a, b = await start("a"), await start("b")
    await a.take_and_hold(turn("t"), "in t")
    await a.fall_silent()
    b.hold = "in t"
    await b.look()
    await b.before_all_is_done(b.held.wait())
    a.release.set()
    await a.delivery.settle()
    assert (await a.outcomes(), await a.events(), a.texts()) == ({"t": None}, [], [])
    b.release.set()
    await finish(a, b)
    assert (await a.events(), a.texts()) == (["t"], ["t!"])


async def test_what_was_being_sent_is_doubled_in_the_one_window_only(start: Start) -> None:
    """A process stands still in the platform's hands; what came after that message is sent by the other alone."""
    a, b = await start("a"), await start("b")
    await a.take_and_hold(turn("1"), "after sending 1!")
    await take(a, turn("2"))
    while len(await a.events()) < 2:  # noqa: ASYNC110 - what is stored can only be looked for
        await asyncio.sleep(0)
    await a.fall_silent()
    await b.look()
    await b.delivery.settle()
    assert b.shown == [("m0", "1!"), ("m1", "1!"), ("m2", "2!")]
    a.release.set()
    await finish(a, b)
    assert len(b.shown) == 3
    async with b.database.reading() as connection:
        ids = await connection.scalars(select(schema.outbox.c.message_id).order_by(schema.outbox.c.id))
        assert list(ids) == ["m1", "m2"]


async def test_who_stood_still_looks_again_before_sending(start: Start) -> None:
    a, b = await start("a"), await start("b")
    await a.take_and_hold(turn("held"), "before sending held!")
    async with a.database.writing() as connection:
        due = await mail.due(connection, House.name, a.owner)
    await a.die()
    await a.fall_silent()
    await b.look()
    await b.delivery.settle()
    assert b.texts() == ["held!"]
    a.hold = ""
    a.delivery._tasks._stopping.clear()
    a.delivery._outbox._sending.clear()
    a.delivery._outbox.begin(due)
    await a.delivery.settle()
    assert b.texts() == ["held!"]


async def test_what_was_sent_is_known_whoever_owns_it_by_then(start: Start) -> None:
    """Keeps away a message that is sent again although its sender came to say that it was sent."""
    a, b = await start("a"), await start("b")
    await a.take_and_hold(turn("t"), "after sending t!")
    await a.fall_silent()
    async with b.database.writing() as connection:
        await b.delivery._presence.bury(connection)
        await mail.inherit(connection, House.name, b.owner)
    a.release.set()
    await a.delivery.settle()
    await finish(a, b)
    assert b.texts() == ["t!"]


async def test_what_another_part_of_the_program_posts_is_sent_by_exactly_one(start: Start) -> None:
    a, b = await start("a"), await start("b")
    for number in range(10):
        async with a.database.writing() as connection:
            await mail.post(
                connection, turn_id="j", platform=House.name, chat_id=f"c{number}", slot="s",
                body=Reply(f"{number}").to_json(),
            )  # fmt: skip
        await asyncio.gather(a.look(), b.look())
    await finish(a, b)
    assert Counter(a.texts()) == Counter(map(str, range(10)))


async def test_a_process_that_ends_in_order_hands_over_at_once(start: Start) -> None:
    a, b = await start("a"), await start("b")
    await a.take_and_hold(turn("running"), "in running")
    await take(a, turn("waiting"))
    closing = asyncio.create_task(a.delivery.close(FOREVER))
    await asyncio.sleep(0)
    await take(a, turn("late"))
    await b.look()
    await b.delivery.settle()
    assert b.begun == []
    a.release.set()
    await closing
    await take(a, turn("later", person="q"))
    await b.look()
    await b.delivery.settle()
    assert (a.begun, sorted(b.begun)) == (["running"], ["late", "later", "waiting"])
    assert await b.heard() == ["running", "waiting", "late"]
    assert Counter(b.texts()) == Counter(f"{each}!" for each in (*a.begun, *b.begun))


async def test_a_long_farewell_is_no_death(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps away an answer that is taken over because it took long after the process was told to stop."""
    a, b = await start("a"), await start("b")
    await a.take_and_hold(turn("t"), "in t")
    monkeypatch.setattr("bot.presence.BEAT_SECONDS", 0.0)
    closing = asyncio.create_task(a.delivery.close(FOREVER))
    await a.fall_silent()
    async with asyncio.timeout(20):
        while not a.delivery._presence.sure:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0)
    await b.look()
    a.release.set()
    await closing
    await finish(b)
    assert (b.begun, b.texts()) == ([], ["t!"])


async def test_processes_that_are_watched_need_nobody_to_look(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "WATCH_SECONDS", 0.0)
    a, b = await start("a"), await start("b")
    watching = [asyncio.create_task(each.delivery.watch()) for each in (a, b)]
    await a.take_and_hold(said("old"), "in old")
    await take(b, said("new"))
    await a.until_shown("new!")
    await a.delivery.close(FOREVER)
    await b.delivery.close(FOREVER)
    await asyncio.gather(*watching)
    assert await a.outcomes() == {"old": "superseded", "new": "done"}
    async with a.database.reading() as connection:
        assert await processes.beats(connection, House.name) == {}


async def test_a_look_that_fails_is_not_the_last(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Keeps away a process that is dead to all others because the database was locked once."""
    monkeypatch.setattr(delivery_module, "WATCH_SECONDS", 0.0)
    caplog.set_level(logging.CRITICAL)
    a = await start("a")
    owned, tries = mail.owned, iter(range(100))

    async def failing(*args: Any) -> Any:
        if next(tries) < 3:
            raise OSError("disk full")
        return await owned(*args)

    monkeypatch.setattr(mail, "owned", failing)
    async with a.database.writing() as connection:
        await mail.post(
            connection, turn_id="j", platform=House.name, chat_id="c", slot="s", body=Reply("news").to_json()
        )
    watching = asyncio.create_task(a.delivery.watch())
    async with a.news:
        await a.news.wait_for(lambda: a.texts() == ["news"])
    await a.delivery.close(FOREVER)
    await watching


async def test_where_each_process_has_its_own_terminal_each_answers_what_it_hears(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keeps away an answer that is printed in another window than the question was typed in."""
    monkeypatch.setattr(Replica, "shared", False)
    a, b = await start("a"), await start("b")
    await a.take_and_hold(said("1"), "in 1")
    await take(b, said("2"))
    await b.delivery.settle()
    assert (b.begun, b.texts()) == (["2"], ["2!"])
    a.hold = "before sending 1!"
    a.held.clear()
    a.release.set()
    a.release = asyncio.Event()
    await a.before_all_is_done(a.held.wait())
    await take(b, said("3"))
    await b.delivery.settle()
    assert b.texts() == ["2!", "3!"]
    a.release.set()
    await finish(a, b)
    assert (a.begun, b.begun, b.texts()) == (["1"], ["2", "3"], ["2!", "3!", "1!"])


def test_a_process_that_ended_here_is_known_to_have_ended() -> None:
    """Keeps away fifteen seconds of silence after a kill and a restart on one machine."""
    mine = new_name()
    place = mine.split("|")[0]
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert gone(f"{place}|{ended.pid}|0")
    assert gone(mine), "whoever had this process' number before"
    assert not gone(f"{place}|{os.getppid()}|0")
    assert not gone(f"elsewhere|{ended.pid}|0")
    for forged in ("", "|", f"{place}|x|0", place, f"{place}|-1|0"):
        assert not gone(forged)
    assert gone(f"{place}|{10**30}|0")


@pytest.mark.parametrize("survivor", [False, True], ids=["restarted", "beside another"])
async def test_a_kill_here_is_known_without_waiting_for_a_beat(start: Start, survivor: bool) -> None:
    a = await start("a")
    b = await start("b") if survivor else None
    await a.take_and_hold(turn("t"), "in t")
    await a.die()
    killed = f"{new_name().split('|')[0]}|{os.getpid()}|killed"
    async with a.database.writing() as connection:
        await connection.execute(update(schema.inbox).values(owner=killed))
        await processes.beat(connection, killed, House.name, time.time())
    if b is None:
        b = await start("b")
    else:
        await b.look()
    await b.delivery.settle()
    assert b.texts() == ["t!"]


def upgrade_to_0006(connection: Connection) -> None:
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "0006")


async def test_mail_from_before_there_were_owners_is_taken_up(tmp_path: Path) -> None:
    """Keeps away what was said during an update, for whoever comes first."""
    url = url_of(tmp_path / "old.sqlite")
    database = Database(make_url(url))
    async with database.writing() as connection:
        await connection.run_sync(upgrade_to_0006)
        await connection.execute(
            text(
                "INSERT INTO inbox (platform, turn_id, chat_id, person_id, body, taken_at) "
                "VALUES ('test', 't', 'c', 'p', :turn, 0)"
            ),
            {"turn": turn("t").to_json()},
        )
        await connection.execute(
            text(
                "INSERT INTO outbox (platform, chat_id, slot, turn_id, body, seq, version, sent_version, posted_at)"
                " VALUES ('test', 'd', 's', 's', :reply, 1, 1, 0, 0)"
            ),
            {"reply": Reply("old").to_json()},
        )
    await database.close()
    house = House(url)
    await house.start()
    await house.delivery.recover()
    await house.delivery.settle()
    assert Counter(house.texts()) == Counter(("t!", "old"))
    await house.delivery.close(FOREVER)
    await house.database.close()


class Recorder:
    """A connection to PostgreSQL that only writes down what it is asked, as that would get it."""

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def execute(self, statement: Any, given: Any = None) -> Any:
        names = list(given[0] if isinstance(given, list) else given or ())
        self.asked.append(str(statement.compile(dialect=self.dialect, column_keys=names or None)))
        return Answer()

    async def scalar(self, statement: Any, given: Any = None) -> None:
        await self.execute(statement, given)

    async def scalars(self, statement: Any, given: Any = None) -> list[Any]:
        await self.execute(statement, given)
        return []


class Answer:
    rowcount = 0

    def __iter__(self) -> Any:
        return iter(())

    def one_or_none(self) -> None:
        return None


async def test_postgresql_is_asked_the_same_with_locks_where_it_has_many_writers() -> None:
    recorder = Recorder()
    connection: Any = recorder
    lane = {"platform": "p", "chat_id": "c"}
    outgoing = mail.Outgoing(1, "t", "c", "s", "{}", 1, None, "x", "")
    for follow in (True, False):
        await mail.take(connection, **lane, turn_id="t", person_id="u", body="", owner="a", follow=follow)
        await mail.post(connection, **lane, turn_id="t", slot="s", body="", owner="a", follow=follow)
    await mail.finish(connection, 1, "done", "a")
    await mail.holds(connection, 1, "a")
    await mail.unfinished(connection, "p", "a")
    await mail.owned(connection, "p")
    await mail.inherit(connection, "p", "a")
    await mail.due(connection, "p", "a")
    await mail.due(connection, "p", "a", "c")
    await mail.sent(connection, outgoing, "m", 0.0)
    await processes.beat(connection, "a", "p", 0.0)
    await processes.beats(connection, "p")
    await processes.bury(connection, "p", before=0.0, gone=["b"])
    await processes.leave(connection, "a")
    first = recorder.asked[:2]
    assert "pg_advisory_xact_lock" in first[0]
    assert "ON CONFLICT (platform, turn_id) DO NOTHING RETURNING" in first[1]
    assert sum("LOCK TABLE" in asked for asked in recorder.asked) == 1
    assert len(recorder.asked) == 21


class Storm:
    """Three processes, a hundred turns of ten people that come to any of them, some twice; one process is dropped."""

    def __init__(self, replicas: list[Replica], seed: int) -> None:
        self.replicas, self.chance = replicas, random.Random(seed)
        self.alive = list(replicas)
        self.turns = [self.new_turn(number) for number in range(100)]
        self.window: set[str] = set()
        for replica in replicas:
            replica.handle = self.handling(replica)  # type: ignore[method-assign]

    def new_turn(self, number: int) -> Turn:
        person = f"p{number % 10}"
        chat = "group" if self.chance.random() < 0.2 else person
        asks = self.chance.random() < 0.3
        return turn(f"t{number}", Text("x") if asks else Press("x"), person=person, chat=chat)

    def handling(self, replica: Replica) -> Any:
        inner = replica.handle

        async def handle(turn: Turn, room: Room) -> AsyncIterator[Reply]:
            async for reply in inner(turn, room):
                await asyncio.sleep(self.chance.uniform(0, 0.004))
                yield reply

        return handle

    async def blow(self) -> None:
        people = [[each for each in self.turns if each.person.id == f"p{number}"] for number in range(10)]
        await asyncio.gather(self.drop(), *map(self.speak, people))

    async def speak(self, turns: list[Turn]) -> None:
        for each in turns:
            taken = await self.chance.choice(self.alive).delivery.take(each)
            assert taken
            if self.chance.random() < 0.3:
                assert not await self.chance.choice(self.alive).delivery.take(each)
            await asyncio.sleep(self.chance.uniform(0, 0.01))

    async def drop(self) -> None:
        victim = self.replicas[0]
        while len(await victim.events()) < 40:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.002)
        self.alive.remove(victim)
        await victim.die()
        async with victim.database.reading() as connection:
            due = await mail.due(connection, House.name, victim.owner)
        self.window = {Reply.from_json(each.body).text for each in due} & set(victim.texts())
        await asyncio.sleep(0.02)
        await victim.fall_silent()

    async def judge(self) -> None:
        house = self.replicas[-1]
        outcomes, events = await house.outcomes(), await house.events()
        assert set(outcomes.values()) <= {"done", "superseded"}
        done = [each for each in self.turns if outcomes[each.id] == "done"]
        assert len(done) > 60
        assert Counter(events) == Counter(each.id for each in done)
        counts = Counter(house.texts())
        assert set(counts) == {f"{each.id}!" for each in done}
        assert {words for words, times in counts.items() if times > 1} <= self.window
        for lane in {(each.person.id, each.chat.id) for each in self.turns}:
            in_order = [each.id for each in done if (each.person.id, each.chat.id) == lane]
            assert [each for each in events if each in in_order] == in_order
            assert [words for words in dict.fromkeys(house.texts()) if words[:-1] in in_order] == [
                f"{each}!" for each in in_order
            ]


async def test_a_storm_over_three_processes_loses_doubles_and_disorders_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "WATCH_SECONDS", 0.01)
    replicas = [await start(name) for name in "abc"]
    storm = Storm(replicas, seed=5)
    watching = [asyncio.create_task(each.delivery.watch()) for each in replicas]
    await storm.blow()
    assert all(each.begun for each in replicas)
    await finish(*replicas[1:])
    await storm.judge()
    for each in replicas:
        await each.delivery.close(FOREVER)
    await asyncio.gather(*watching)
