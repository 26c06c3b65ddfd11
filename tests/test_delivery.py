"""Turns in order, replies out: each handled once, each shown once, whatever is cut off in between."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import Counter, deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

import bot.delivery as delivery_module
from bot.delivery import Delivery, _Taken
from bot.outbox import SendLater, SendRefused
from handlers.room import Room
from handlers.turn import Chat, Command, Reply, Text, Turn
from storage import exposures, mail, schema, taste
from storage.mail import Outgoing
from tests.house import FOREVER, House, take, text, turn


async def test_turns_of_a_person_are_handled_in_order(house: House) -> None:
    ids = [f"t{number}" for number in range(8)]
    await asyncio.gather(*(house.delivery.take(turn(turn_id)) for turn_id in ids))
    await house.delivery.settle()
    assert house.begun == await house.events() == await house.heard() == ids
    assert house.texts() == [f"{turn_id}!" for turn_id in ids]


async def test_a_slow_answer_holds_up_no_other_person_and_chat(house: House) -> None:
    await house.take_and_hold(turn("slow"), "in slow")
    await take(house, turn("other person", person="q"), turn("other chat", chat="d"))
    await house.until_shown("other person!", "other chat!")
    house.release.set()
    await house.delivery.settle()
    assert house.texts()[-1] == "slow!"


async def test_a_turn_delivered_twice_is_handled_once(house: House) -> None:
    both = await asyncio.gather(house.delivery.take(turn("t")), house.delivery.take(turn("t")))
    assert sorted(both) == [False, True]
    await house.delivery.settle()
    await house.restart()
    assert not await house.delivery.take(turn("t"))
    await house.delivery.settle()
    assert (await house.events(), house.texts()) == (["t"], ["t!"])


async def test_a_turn_that_nothing_can_be_begun_with_is_answered_all_the_same(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(turn: Turn) -> None:
        raise ValueError(turn.id)

    house.delivery.expect = fails
    with caplog.at_level(logging.CRITICAL):
        await take(house, turn("t"))
    await house.delivery.settle()
    assert house.texts() == ["t!"]


async def test_recovering_again_doubles_nothing(house: House) -> None:
    await house.take_and_hold(turn("t"), "in t")
    await house.delivery.recover()
    house.release.set()
    await house.delivery.settle()
    assert (house.begun, house.texts()) == (["t"], ["t!"])


async def test_a_new_request_supersedes_the_answer_still_running(house: House) -> None:
    """What was understood is kept; what was not shown is not, and is not learned from."""
    await house.take_and_hold(text("old"), "in old")
    await take(house, text("new"))
    await house.delivery.settle()
    assert house.texts() == ["new!"]
    assert await house.heard() == ["old", "new"]
    assert await house.events() == ["new"]
    assert await house.outcomes() == {"old": "superseded", "new": "done"}


async def test_a_new_request_supersedes_those_still_waiting(house: House) -> None:
    await house.delivery.close(FOREVER)
    await take(house, text("first"), turn("press"), text("second"), text("third"))
    await house.restart()
    await house.delivery.settle()
    assert house.texts() == ["press!", "third!"]
    assert await house.heard() == ["press", "third"]
    assert Counter((await house.outcomes()).values()) == {"superseded": 2, "done": 2}


async def test_a_press_waits_for_the_answer_still_running(house: House) -> None:
    await house.take_and_hold(text("answer"), "in answer")
    await take(house, turn("press"))
    house.release.set()
    await house.delivery.settle()
    assert house.texts() == ["answer!", "press!"]


async def test_how_turns_ended_is_told_and_a_fault_in_that_holds_up_nobody(house: House) -> None:
    ended: list[str] = []

    def count(outcome: str, seconds: float) -> None:
        ended.append(outcome)
        assert seconds >= 0
        raise RuntimeError("no figures today")

    async def broken(turn: Turn, room: Room) -> AsyncIterator[Reply]:
        raise ValueError
        yield

    house.delivery.finished = count
    house.conversations["bad"] = broken
    await take(house, text("first"))
    await house.delivery.settle()
    await take(house, text("bad"))
    await house.delivery.settle()
    await take(house, text("last"))
    await house.delivery.settle()
    assert house.texts() == ["first!", "미안해요", "last!"]
    assert ended == ["done", "failed", "done"]


async def test_a_press_that_is_running_is_finished_before_a_text(house: House) -> None:
    """Keeps away a 👍 that is lost because its person typed on."""
    await house.take_and_hold(turn("press"), "in press")
    await take(house, text("text"), turn("stop", Command("stop")))
    house.release.set()
    await house.delivery.settle()
    assert house.texts() == ["press!", "stop!"]
    assert await house.events() == ["press", "stop"]
    assert await house.outcomes() == {"press": "done", "text": "superseded", "stop": "done"}


async def test_an_answer_that_is_complete_is_not_superseded(house: House) -> None:
    """Keeps away a session that knows an answer as shown which nobody has seen."""

    async def quick(turn: Turn, room: Room) -> AsyncIterator[Reply]:
        async with house.database.writing() as connection:
            new = await mail.take(
                connection, turn_id="new", platform="test", chat_id="c", person_id="p",
                body=text("new").to_json(), owner=house.delivery.owner,
            )  # fmt: skip
        answer = asyncio.current_task()
        assert answer is not None
        assert new is not None
        answer.add_done_callback(lambda _: house.delivery._schedule(_Taken(new.id, text("new"))))
        yield Reply("old!")

    house.conversations["old"] = quick
    await take(house, text("old"))
    await house.delivery.settle()
    assert house.texts() == ["old!", "new!"]
    assert await house.heard() == ["old", "new"]


async def heeding(turn: Turn, room: Room) -> None:
    room.session.setdefault("heeded", []).append(turn.id)
    room.write(taste.record, room.user.id, turn.id, "heeded")


async def test_what_a_superseded_turn_told_is_heeded_once_and_in_order(house: House) -> None:
    """Keeps away an allergy that is forgotten because the question after it came at once."""

    async def pondering(turn: Turn, room: Room) -> AsyncIterator[Reply]:
        await asyncio.Event().wait()  # in case its turn comes before the next text does
        yield Reply("at last")

    house.delivery.heed = heeding
    house.conversations |= {"running": house.thinking, "waiting": pondering}
    await house.take_and_hold(text("running"), "in running")
    await take(house, text("waiting"), turn("press"), text("new"))
    await house.delivery.settle()
    assert house.texts() == ["음…", "그만둘게요", "press!", "new!"]
    assert await house.events() == ["running", "waiting", "press", "new"]
    session = await house.session()
    assert session == {"heeded": ["running", "waiting"], "heard": ["press", "new"]}


async def test_a_kill_while_heeding_heeds_again(house: House) -> None:
    async def holding(turn: Turn, room: Room) -> None:
        await heeding(turn, room)
        await house.at("heeding")

    house.delivery.heed = holding
    await house.take_and_hold(text("old"), "in old")
    house.held.clear()
    house.hold = "heeding"
    await take(house, text("new"))
    await house.before_all_is_done(house.held.wait())
    await house.restart(heed=heeding)
    await house.delivery.settle()
    assert await house.events() == ["old", "new"]
    assert house.texts() == ["new!"]


@pytest.mark.parametrize("trouble", ["fails", "hangs"])
async def test_a_turn_that_cannot_be_heeded_holds_up_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    async def troubled(turn: Turn, room: Room) -> None:
        await heeding(turn, room)
        if trouble == "fails":
            raise ValueError("no such word")
        await asyncio.Event().wait()

    monkeypatch.setattr(delivery_module, "HEED_SECONDS", 0.05)
    house.delivery.heed = troubled
    await house.take_and_hold(text("old"), "in old")
    await take(house, text("new"))
    await house.delivery.settle()
    assert house.texts() == ["new!"]
    assert await house.session() == {"heard": ["old", "new"]}
    assert await house.events() == ["new"]
    assert "could not be understood" in caplog.text


async def test_an_interim_reply_of_a_superseded_turn_says_so(house: House) -> None:
    """Keeps away a message that says for ever that it is thinking."""
    house.conversations["old"] = house.thinking
    await house.take_and_hold(text("old"), "in old")
    await take(house, text("new"))
    await house.delivery.settle()
    assert dict(house.shown[:-1]) == {"m0": "그만둘게요"}
    assert house.texts()[-1] == "new!"


async def test_stop_waits_for_nothing(house: House) -> None:
    await house.take_and_hold(text("slow"), "in slow")
    await take(house, turn("press"), turn("stop", Command("stop")))
    await house.delivery.settle()
    assert house.texts() == ["stop!", "press!"]
    assert (await house.outcomes())["slow"] == "superseded"


async def test_a_turn_in_its_commit_is_not_superseded(house: House) -> None:
    await house.take_and_hold(text("old"), "committing old")
    taking = asyncio.create_task(house.delivery.take(turn("stop", Command("stop"))))
    house.release.set()
    assert await taking
    await house.delivery.settle()
    assert house.texts() == ["old!", "stop!"]
    assert await house.events() == ["old", "stop"]


async def test_an_interim_reply_is_replaced_by_the_final_one(house: House) -> None:
    house.conversations["t"] = house.thinking
    house.hold = "in t"
    await take(house, turn("t"))
    await house.until_shown("음…")
    house.release.set()
    await house.delivery.settle()
    assert house.shown == [("m0", "음…"), ("m0", "t!")]


async def test_a_failed_turn_leaves_an_apology_and_nothing_else(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.conversations["t"] = house.failing
    await take(house, turn("t"), turn("next"))
    await house.delivery.settle()
    messages = dict(house.shown)
    assert list(messages.values()) == ["미안해요", "next!"]
    assert await house.heard() == await house.events() == ["next"]
    assert await house.outcomes() == {"t": "failed", "next": "done"}
    assert "ValueError: no such book" in caplog.text


async def test_a_write_that_fails_takes_the_whole_turn_with_it(house: House) -> None:
    """Keeps away a reply about something that was not stored."""

    async def twice(turn: Turn, room: Room) -> AsyncIterator[Reply]:
        for _ in range(2):
            room.write(
                exposures.add,
                exposure_id="x",
                user_id=room.user.id,
                platform="test",
                chat_id="c",
                domain="book",
                item_ids=["book:a"],
                body={},
            )
        yield Reply("여기요", exposure="x")

    house.conversations["t"] = twice
    await take(house, turn("t"))
    await house.delivery.settle()
    assert (house.texts(), await house.events()) == (["미안해요"], [])
    async with house.database.reading() as connection:
        assert await exposures.get(connection, "x") is None


async def test_a_platform_is_told_whom_a_reply_is_for(house: House) -> None:
    """Keeps away a private reply in a group that is shown to whoever pressed last, or to nobody."""

    async def here_and_there(turn: Turn, room: Room) -> AsyncIterator[Reply]:
        yield Reply("모두에게", slot="board")
        yield Reply("너에게만", private=True, chat=Chat("test", "direct"))

    house.conversations["t"] = house.conversations["u"] = here_and_there
    house.conversations["v"] = house.failing
    await house.take_and_hold(turn("t", person="p", chat="group"), "before sending 모두에게")
    await take(house, turn("u", person="q", chat="group"), turn("v", person="r", chat="group"))
    await house.until_shown("너에게만")
    await house.restart()
    await house.post("news", "점검이 있어요")
    await house.delivery.settle()
    told = set(zip(house.texts(), house.askers, strict=True))
    assert told >= {("너에게만", "p"), ("너에게만", "q"), ("미안해요", "r"), ("점검이 있어요", "")}
    assert ("모두에게", "q") in told  # the board is the latest asker's


async def test_an_exposure_is_delivered_when_its_reply_is_shown(house: House) -> None:
    async def recommend(turn: Turn, room: Room) -> AsyncIterator[Reply]:
        room.write(
            exposures.add,
            exposure_id="x",
            user_id=room.user.id,
            platform="test",
            chat_id="c",
            domain="book",
            item_ids=["book:a"],
            body={},
        )
        yield Reply("여기요", exposure="x")

    async def delivered() -> bool:
        async with house.database.reading() as connection:
            exposure = await exposures.get(connection, "x")
        assert exposure is not None
        return exposure.delivered_at is not None

    house.conversations["t"] = recommend
    await house.take_and_hold(turn("t"), "before sending 여기요")
    assert not await delivered()
    house.release.set()
    await house.delivery.settle()
    assert await delivered()


async def test_nothing_said_is_kept_once_it_is_answered(house: House) -> None:
    """And nothing needs it afterwards: a slot is edited, and a restart finds nothing to do."""
    house.conversations["t"] = house.conversations["u"] = house.thinking
    await take(house, text("t"))
    await house.delivery.settle()
    await house.restart()
    await take(house, turn("u", Text("우울해")))
    await house.delivery.settle()
    await house.restart()
    await house.delivery.settle()
    assert {message for message, _ in house.shown} == {"m0"}
    assert house.texts()[-1] == "u!"
    async with house.database.reading() as connection:
        for table in (schema.inbox, schema.outbox):
            assert set(await connection.scalars(select(table.c.body))) == {""}
    assert not await house.delivery.take(turn("u", Text("우울해")))


async def test_a_turn_of_another_version_holds_up_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async with house.database.writing() as connection:
        await mail.take(
            connection,
            turn_id="old",
            platform="test",
            chat_id="c",
            person_id="p",
            body='{"말":"우울해"}',
            owner="",
        )
    await house.delivery.recover()
    await take(house, turn("t"))
    await house.delivery.settle()
    assert await house.outcomes() == {"old": "failed", "t": "done"}
    assert "우울해" not in caplog.text


async def forget(connection: AsyncConnection, user_id: int) -> None:
    await connection.execute(delete(schema.users).where(schema.users.c.id == user_id))


async def forgetting(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """ "Forget me", as a careless conversation does it: the session is not even cleared."""
    room.write(forget, room.user.id)
    yield Reply("다 잊었어요")


async def everything_of_people(house: House) -> dict[str, int]:
    tables = (schema.users, schema.sessions, schema.taste_events, schema.exposures)
    async with house.database.reading() as connection:
        return {
            table.name: await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in tables
        }


async def test_a_person_forgotten_in_a_turn_leaves_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Keeps away a session that brings back the allergies of somebody who asked to be forgotten."""
    house.conversations["bye"] = forgetting
    await take(house, turn("t"), turn("bye"))
    await house.delivery.settle()
    assert house.texts() == ["t!", "다 잊었어요"]
    assert await everything_of_people(house) == {
        "users": 0, "sessions": 0, "taste_events": 0, "exposures": 0,
    }  # fmt: skip
    assert set((await house.outcomes()).values()) == {"done"}
    assert caplog.text == ""


@pytest.mark.parametrize("back", [False, True], ids=["gone", "back again"])
async def test_a_turn_of_a_person_forgotten_meanwhile_ends_quietly(
    house: House, caplog: pytest.LogCaptureFixture, back: bool
) -> None:
    """Keeps away an apology, a loop of errors, and what was forgotten in the rows of whoever gets the id next."""
    house.conversations |= {"bye": forgetting, "slow": house.thinking}
    await house.take_and_hold(turn("slow", chat="d"), "in slow")
    await take(house, turn("bye"))
    await house.until_shown("다 잊었어요")
    if back:
        await take(house, turn("again"))
        await house.until_shown("again!")
    house.release.set()
    await house.delivery.settle()
    assert (await house.outcomes())["slow"] == "superseded"
    assert set(house.texts()) == {"음…", "그만둘게요", "다 잊었어요"} | ({"again!"} if back else set())
    assert caplog.text == ""
    assert await house.events() == (["again"] if back else [])
    kept = await everything_of_people(house)
    assert (kept["users"], kept["sessions"]) == ((1, 1) if back else (0, 0))


KILLS = {
    "in t": ["t!"],
    "committing t": ["t!"],
    "before sending t!": ["t!"],
    # The one window: the platform has it, and nobody knows.
    "after sending t!": ["t!", "t!"],
}


@pytest.mark.parametrize(("place", "shown"), KILLS.items(), ids=KILLS)
async def test_a_kill_loses_and_doubles_nothing(house: House, place: str, shown: list[str]) -> None:
    await house.take_and_hold(turn("t"), place)
    await house.restart()
    await house.delivery.settle()
    assert house.texts() == shown
    assert await house.heard() == await house.events() == ["t"]


async def test_a_kill_right_after_taking_loses_nothing(house: House) -> None:
    await take(house, turn("t"), turn("u"))
    await house.restart()
    await house.delivery.settle()
    assert house.texts() == ["t!", "u!"]
    assert await house.heard() == await house.events() == ["t", "u"]


async def test_a_kill_while_superseding_supersedes_again(house: House) -> None:
    await house.take_and_hold(text("old"), "in old")
    await take(house, text("new"))
    await house.restart()
    await house.delivery.settle()
    assert house.texts() == ["new!"]


async def test_taking_is_not_undone_by_whoever_waits_for_it(house: House) -> None:
    """Keeps away a turn that is stored and not scheduled, when a webhook's caller hangs up."""
    taking = asyncio.create_task(house.delivery.take(turn("t")))
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait({taking})
    await house.delivery.settle()
    assert house.texts() == ["t!"]


async def test_a_chat_put_off_holds_up_no_other(house: House) -> None:
    house.problems["c"].append(SendLater(FOREVER))
    await take(house, turn("t"))
    await take(house, turn("u", chat="d"))
    await house.until_shown("u!")
    await house.delivery.close(FOREVER)
    await house.restart()
    await house.delivery.settle()
    assert house.texts() == ["u!", "t!"]


async def test_a_chat_put_off_is_tried_again_in_order(house: House) -> None:
    house.problems["c"].extend([SendLater(0), SendLater(0)])
    await take(house, turn("t"), turn("u"))
    await house.delivery.settle()
    assert house.texts() == ["t!", "u!"]


async def test_versions_posted_while_sending_are_sent_as_one(house: House) -> None:
    house.hold = "before sending 1"
    await house.post("s", "1")
    await house.before_all_is_done(house.held.wait())
    for words in "234":
        await house.post("s", words)
    house.release.set()
    await house.delivery.settle()
    assert house.shown == [("m0", "1"), ("m0", "4")]


async def test_who_looked_before_another_sent_sends_nothing_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dispatcher read what was due, and the end of a turn sent it before the dispatcher went on."""
    due = mail.due

    async def slowly(
        connection: AsyncConnection, platform: str, owner: str, chat_id: str | None = None
    ) -> list[Outgoing]:
        found = await due(connection, platform, owner, chat_id)
        if not house.held.is_set():
            await house.at("the look of the dispatcher")
        return found

    monkeypatch.setattr(mail, "due", slowly)
    house.hold = "the look of the dispatcher"
    await house.post("s", "posted")
    await house.before_all_is_done(house.held.wait())
    await take(house, turn("t"))
    await house.until_shown("posted", "t!")
    await asyncio.wait_for(house.until_stored(), FOREVER)
    house.release.set()
    await house.delivery.settle()
    assert house.texts() == ["posted", "t!"]


async def test_a_refused_reply_holds_up_nothing(house: House) -> None:
    house.problems["c"].append(SendRefused("the bot was blocked"))
    await take(house, turn("t"), turn("u"))
    await house.delivery.settle()
    assert house.texts() == ["u!"]
    async with house.database.reading() as connection:
        problems = await connection.scalars(select(schema.outbox.c.problem).order_by(schema.outbox.c.id))
        assert list(problems) == ["the bot was blocked", None]


async def test_a_platform_that_breaks_gets_it_all_the_same(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    house.problems["c"].extend(OSError("unreachable") for _ in range(20))
    await take(house, turn("t"), turn("u"))
    await house.delivery.settle()
    assert house.texts() == ["t!", "u!"]


async def test_storing_that_fails_sends_nothing_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the one window at a kill: a locked database must not widen it."""
    real, failures = mail.sent, deque([OSError("disk full")] * 3)

    async def sent(*args: Any, **kwargs: Any) -> None:
        if failures:
            raise failures.popleft()
        await real(*args, **kwargs)

    monkeypatch.setattr(mail, "sent", sent)
    await take(house, turn("t"))
    await house.delivery.settle()
    assert (house.texts(), len(failures)) == (["t!"], 0)


async def test_closing_finishes_what_runs_and_leaves_the_rest(house: House) -> None:
    await house.take_and_hold(turn("t"), "in t")
    await take(house, turn("waiting"))
    closing = asyncio.create_task(house.delivery.close(FOREVER))
    await asyncio.sleep(0)
    await take(house, turn("late"))
    house.release.set()
    await closing
    assert house.texts() == ["t!"]
    await house.restart()
    await house.delivery.settle()
    assert house.texts() == ["t!", "waiting!", "late!"]


async def test_closing_waits_no_longer_than_its_grace(house: House) -> None:
    await house.take_and_hold(turn("t"), "in t")
    await house.delivery.close(0)
    await house.restart()
    await house.delivery.settle()
    assert (house.texts(), await house.events()) == (["t!"], ["t"])


class Storm(RuleBasedStateMachine):
    """Turns taken, handled, superseded and cut off in any order; what must hold holds at the end."""

    blank: Path
    folder: Path
    runs = 0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.taken: list[Turn] = []
        self.windows: Counter[str] = Counter()

    @initialize()
    def begin(self) -> None:
        Storm.runs += 1
        path = self.folder / f"{Storm.runs}.sqlite"
        shutil.copy(self.blank, path)

        async def start() -> House:
            house = House(f"sqlite+aiosqlite:///{path}")
            await house.start()
            return house

        self.house = self.runner.run(start())

    def new_turn(self, person: str, asks: bool) -> Turn:
        turn_id = f"t{len(self.taken)}"
        new = text(turn_id, person=person) if asks else turn(turn_id, person=person)
        if len(self.taken) % 2:
            self.house.conversations[turn_id] = self.thinking
        self.taken.append(new)
        return new

    async def thinking(self, turn: Turn, room: Room) -> AsyncIterator[Reply]:
        yield Reply(f"{turn.id}…", interim=True)
        await asyncio.sleep(0)
        yield Reply(f"{turn.id}!")

    @rule(person=st.sampled_from("pq"), asks=st.booleans())
    def take(self, person: str, asks: bool) -> None:
        new = self.new_turn(person, asks)
        assert self.runner.run(self.house.delivery.take(new))

    @rule(data=st.data())
    def take_again(self, data: st.DataObject) -> None:
        if self.taken:
            assert not self.runner.run(self.house.delivery.take(data.draw(st.sampled_from(self.taken))))

    @rule(steps=st.integers(1, 60))
    def run(self, steps: int) -> None:
        self.runner.run(self.go(steps))

    @rule(steps=st.integers(0, 60))
    def crash(self, steps: int) -> None:
        self.runner.run(self.crash_after(steps))

    @rule(steps=st.integers(0, 10), person=st.sampled_from("pq"), asks=st.booleans())
    def crash_while_taking(self, steps: int, person: str, asks: bool) -> None:
        """The platform was not told that the turn was taken, and so delivers it again."""
        new = self.new_turn(person, asks)

        async def cut_off() -> None:
            taking = asyncio.create_task(self.house.delivery.take(new))
            await self.crash_after(steps)
            assert taking.done()
            await self.house.delivery.take(new)

        self.runner.run(cut_off())

    async def go(self, steps: int) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)

    async def crash_after(self, steps: int) -> None:
        await self.go(steps)
        house = self.house
        recover, dying = Delivery.recover, house.delivery
        shown = set(house.texts())

        async def look_then_recover(delivery: Delivery) -> None:
            async with house.database.reading() as connection:
                for outgoing in await mail.due(connection, house.name, dying.owner):
                    words = Reply.from_json(outgoing.body).text
                    if words in house.texts():
                        self.windows[words] += 1
            await recover(delivery)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Delivery, "recover", look_then_recover)
            await house.restart()
        assert shown <= set(house.texts())

    def teardown(self) -> None:
        if not hasattr(self, "house"):
            self.runner.close()
            return
        try:
            self.runner.run(self.check())
        finally:
            self.runner.run(self.house.database.close())
            self.runner.close()

    async def check(self) -> None:
        house = self.house
        await house.delivery.settle()
        outcomes, events = await house.outcomes(), await house.events()
        done = [each for each in self.taken if outcomes[each.id] == "done"]
        assert set(outcomes.values()) <= {"done", "superseded"}
        assert Counter(events) == Counter(each.id for each in done)
        counts = Counter(house.texts())
        for person in "pq":
            lane = [each for each in self.taken if each.person.id == person]
            in_order = [each.id for each in lane if each in done]
            assert [turn_id for turn_id in events if turn_id in in_order] == in_order
            first_shown = [words for words in dict.fromkeys(house.texts()) if words[:-1] in in_order]
            assert [words for words in first_shown if words[-1] == "!"] == [f"{i}!" for i in in_order]
            asking = [each.id for each in lane if isinstance(each.payload, Text)]
            assert outcomes[asking[-1]] == "done" if asking else True
        for each in self.taken:
            words = f"{each.id}!"
            if each in done:
                assert 1 <= counts[words] <= 1 + self.windows[words]
            else:
                assert counts[words] == 0


def test_a_storm_loses_doubles_and_disorders_nothing(blank: Path, tmp_path: Path) -> None:
    class Here(Storm):
        pass

    Here.blank, Here.folder = blank, tmp_path
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
