"""Several people who choose together: joined in the group, told in private, picked for, voted on, ended; nothing told of one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any, Literal, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import clock
from data.item import Allergen, Domain, Item
from data.phrases import phrases
from engine.request import Request
from handlers import ballot, group, members
from handlers.turn import (
    CLOCK,
    Chat,
    Choice,
    Membership,
    Payload,
    Person,
    Poll,
    PollAnswer,
    PollClosed,
    Press,
    Reply,
    Tick,
    Turn,
)
from storage import account, exposures, groups, taste, users
from storage.groups import Round
from storage.schema import rounds
from tests.talk import Answer, Someone, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

KO, EN = phrases("ko"), phrases("en")
STALE = KO.say("chat.stale")
MINUTES = 30 * 60
OTHER = KO.say("round.other_option")


class Hall:
    """A group with the bot in it, on a platform of its own: its clock ticks for nobody else."""

    def __init__(self, stage: Stage, name: str, kind: Literal["group", "thread"] = "group") -> None:
        self.stage, self.kind = Stage(stage.app, f"hall.{name}"), kind
        self.chat = f"-1:{7}" if kind == "thread" else "-1"
        self.people: dict[str, Someone] = {}

    def someone(self, name: str) -> Someone:
        """A person in the group, the same one each time."""
        if name not in self.people:
            self.people[name] = Someone(self.stage, name)
            self.people[name].called = name
        person = self.people[name]
        person.kind, person.group = self.kind, self.chat
        return person

    def alone(self, name: str) -> Someone:
        """That person in the private chat."""
        person = self.someone(name)
        person.kind, person.group = "private", ""
        return person

    async def round(self, chat: str = "") -> Round:
        """The newest round of the group."""
        async with self.stage.app.database.reading() as connection:
            found = await groups.running(connection, self.stage.name, chat or self.chat)
            return found or await self._last(connection)

    async def _last(self, connection: AsyncConnection) -> Round:
        newest = select(func.max(rounds.c.id)).where(rounds.c.platform == self.stage.name)
        found = await groups.get(connection, await connection.scalar(newest))
        assert found is not None
        return found

    async def members(self) -> list[str]:
        async with self.stage.app.database.reading() as connection:
            found = await groups.members(connection, (await self.round()).id)
        return [each.user.platform_id for each in found]

    @property
    def screen(self) -> dict[str, Reply]:
        return self.stage.screens[self.chat]

    def shows(self, what: str) -> Reply:
        """What the newest slot of a kind shows: "" is the round's message, or "poll", "picks", "end"."""
        parts = {
            slot: [*slot.split("."), ""][2].rstrip("0123456789")
            for slot in self.screen
            if slot.startswith("round.")
        }
        wanted = ("", "at") if not what else (what,)
        return self.screen[[slot for slot, part in parts.items() if part in wanted][-1]]

    @property
    def board(self) -> Reply:
        return self.shows("")

    @property
    def poll(self) -> Poll:
        poll = self.shows("poll").poll
        assert poll is not None
        return poll

    async def presses(self, name: str, label: str, where: str = "") -> Answer:
        return await self.someone(name).presses(Answer((self.shows(where),)).button(label))

    async def does(self, name: str, verb: str) -> Answer:
        """Press a button that may not be shown any more."""
        return await self.someone(name).presses(f"round:{(await self.round()).id}:{verb}")

    async def opens(self, name: str, words: str = "", *others: str) -> None:
        """Open a round with these people in it."""
        await self.someone(name).commands("together", words)
        for other in others:
            await self.presses(other, KO.say("round.button.join"))

    def link(self) -> str:
        return next(choice.start for choice in self.board.choices if choice.start)

    async def tells(self, name: str, *words: str) -> Answer:
        """Come to the private chat by the link and say what one would like."""
        person = self.alone(name)
        await person.commands("start", self.link())
        for said in words:
            await person.says(said)
        return person.last

    async def votes(self, name: str, *options: int) -> None:
        poll = (await self.round()).poll_id
        assert poll is not None
        await self.someone(name).sends(PollAnswer(poll, options))

    async def happens(self, payload: Payload, at: float | None = None) -> None:
        """Something that nobody says."""
        chat = Chat(self.stage.name, self.chat, self.kind)
        self.count = getattr(self, "count", 0) + 1
        turn = Turn(f"happens.{self.count}", chat, CLOCK, payload, at or time.time())
        await self.stage.delivery.take(turn)
        await self.stage.delivery.settle()

    async def counted(self, *votes: int) -> None:
        poll = (await self.round()).poll_id
        assert poll is not None
        await self.happens(PollClosed(poll, votes))

    async def passes(self, seconds: float) -> None:
        """The clock strikes once, so many seconds from now."""
        await clock.strike(
            self.stage.app.database, self.stage.delivery.take, self.stage.name, time.time() + seconds
        )
        await self.stage.delivery.settle()


@pytest.fixture
def hall(stage: Stage, request: pytest.FixtureRequest) -> Hall:
    return Hall(stage, request.node.name)


async def items(hall: Hall, *ids: str) -> list[Item]:
    return list((await hall.stage.app.engine.items(ids)).values())


async def test_the_whole_story(hall: Hall) -> None:
    """From the command to the winner, with every message where it belongs."""
    await hall.opens("민지", "비 오는 날 뜨끈한 국물", "철수", "영희")
    assert KO.say("round.open.food") in hall.board.text
    assert "3명: 민지, 철수, 영희" in hall.board.text
    assert not any(choice.data.startswith("round:") and ":d:" in choice.data for choice in hall.board.choices)
    told = await hall.tells("철수", "매콤한 거")
    assert told.text == KO.say("round.told")
    await hall.presses("민지", KO.say("round.button.pick"))
    picks = hall.shows("picks")
    assert len(picks.cards) == 3
    assert {card.domain for card in picks.cards} == {"food"}
    assert all(1 <= card.fit <= 10 for card in picks.cards)
    assert KO.say("round.caution") in picks.text
    assert hall.board.text.startswith(KO.say("round.voting"))
    assert hall.poll == Poll(
        KO.say("round.question"), (*(card.title for card in picks.cards), OTHER), multiple=True
    )
    slots = [slot for slot in hall.screen if slot.startswith("round.")]
    assert slots == [f"round.{(await hall.round()).id}{part}" for part in ("", ".picks", ".poll")], (
        "in this order"
    )
    for name, options in (("민지", (0, 1)), ("철수", (1,)), ("영희", (2,))):
        assert not hall.poll.closed
        await hall.votes(name, *options)
    assert hall.poll.closed, "everybody has voted"
    await hall.counted(1, 2, 1, 0)
    winner = picks.cards[1]
    end = hall.shows("end")
    assert end.text.startswith(KO.say("round.chosen", title=winner.title, count=2))
    assert end.cards == (winner,)
    assert hall.board.text == KO.say("round.done", title=winner.title)
    assert not hall.board.choices
    assert (await hall.round()).state == "closed"
    async with hall.stage.app.database.reading() as connection:
        votes = await groups.votes(connection, (await hall.round()).id)
        assert len(votes) == 4
        for user, item in votes:
            assert item in {e.item_id for e in await taste.events(connection, user) if e.kind == "like"}
        [kept] = await exposures.latest(connection, votes[0][0], limit=5)
        assert kept.item_ids == tuple(card.id for card in picks.cards)
        assert kept.delivered_at is not None
    thanks = await hall.presses("영희", "👍", "end")
    assert thanks.replies[0].private
    assert winner.title in thanks.text


async def test_in_a_private_chat_it_is_told_what_the_command_is_for(hall: Hall) -> None:
    answer = await hall.alone("민지").commands("together", "국물")
    assert answer.text == KO.say("round.in_private")


async def test_a_round_without_a_wish_is_for_anything_until_somebody_chooses(hall: Hall) -> None:
    await hall.opens("민지")
    assert KO.say("round.open.any") in hall.board.text
    await hall.presses("민지", KO.say("round.button.movie"))
    assert KO.say("round.open.movie") in hall.board.text
    await hall.presses("민지", KO.say("round.button.any"))
    await hall.presses("민지", KO.say("round.button.pick"))
    assert {card.domain for card in hall.shows("picks").cards} == {"book", "movie", "food"}


async def test_english_is_spoken_where_the_round_was_opened_in_it(hall: Hall) -> None:
    person = hall.someone("Ann")
    await person.commands("together", "a funny movie")
    assert EN.say("round.open.movie") in hall.board.text
    await hall.presses("Ann", EN.say("round.button.pick"))
    assert hall.poll.options[-1] == EN.say("round.other_option")


async def test_a_second_command_shows_the_running_round_at_the_bottom(hall: Hall) -> None:
    """Two rounds in one chat would split the group; a message far above would not be found."""
    await hall.opens("민지")
    first = await hall.round()
    await hall.opens("철수")
    assert (await hall.round()).id == first.id
    assert hall.screen[f"round.{first.id}"].text == KO.say("round.moved")
    assert not hall.screen[f"round.{first.id}"].choices
    await hall.presses("철수", KO.say("round.button.join"))
    assert "2명" in hall.screen[f"round.{first.id}.at2"].text
    await hall.someone("영희").commands("together", "매운 거")
    assert await hall.members() == ["민지", "철수", "영희"], "a wish with the command joins"


async def test_joining_twice_counts_once_and_leaving_takes_back(hall: Hall) -> None:
    await hall.opens("민지", "", "철수", "철수")
    assert await hall.members() == ["민지", "철수"]
    await hall.presses("철수", KO.say("round.button.leave"))
    await hall.presses("영희", KO.say("round.button.leave"))
    assert await hall.members() == ["민지"]
    assert "1명: 민지" in hall.board.text


async def test_of_people_who_join_at_the_same_time_none_is_missing(hall: Hall) -> None:
    """Keeps away a count that was read before the others had written theirs."""
    await hall.opens("민지")
    number, chat = (await hall.round()).id, Chat(hall.stage.name, hall.chat, "group")
    await asyncio.gather(
        *(
            hall.stage.delivery.take(
                Turn(f"j{n}", chat, Person(f"p{n}", f"p{n}"), Press(f"round:{number}:join"), time.time())
            )
            for n in range(99)
        )
    )
    await hall.stage.delivery.settle()
    assert len(await hall.members()) == 100
    assert "100명: 민지, p0, p1, p2, p3 +95" in hall.board.text
    assert [slot for slot in hall.screen if slot.startswith("round.")] == [f"round.{number}"], "one message"
    await hall.presses("민지", KO.say("round.button.pick"))
    assert len(hall.shows("picks").cards) == 3


async def test_a_round_of_one_ends_with_its_only_vote(hall: Hall) -> None:
    await hall.opens("민지", "위로가 되는 책")
    await hall.passes(MINUTES + 1)
    assert len(hall.shows("picks").cards) == 3
    await hall.votes("민지", 2)
    await hall.counted(0, 0, 1, 0)
    assert hall.board.text == KO.say("round.done", title=hall.shows("picks").cards[2].title)


async def test_a_round_that_nobody_is_in_ends_at_its_time(hall: Hall) -> None:
    await hall.opens("민지")
    await hall.presses("민지", KO.say("round.button.leave"))
    nobody = await hall.presses("민지", KO.say("round.button.pick"))
    assert nobody.text == KO.say("round.nobody_in")
    await hall.passes(MINUTES - 60)
    assert (await hall.round()).state == "open"
    await hall.passes(MINUTES + 1)
    assert hall.board.text == KO.say("round.nobody_came")
    assert (await hall.round()).state == "closed"


async def test_a_round_found_long_after_its_time_is_given_up(hall: Hall) -> None:
    """A bot that was off over night must not propose last night's dinner."""
    await hall.opens("민지", "저녁 뭐 먹지")
    await hall.passes(MINUTES + 8 * 3600)
    assert hall.board.text == KO.say("round.too_late")
    assert not any("picks" in slot for slot in hall.screen)


async def test_more_than_half_of_those_in_get_picks_without_the_opener(hall: Hall) -> None:
    await hall.opens("민지", "", "철수", "영희")
    pick = KO.say("round.button.pick")
    assert (await hall.presses("밖", pick)).text == KO.say("round.join_first")
    for _ in range(2):  # the same person counts once
        await hall.presses("철수", pick)
        assert KO.say("round.asked", count=1) in hall.board.text
    await hall.presses("영희", pick)
    assert hall.shows("picks").cards


async def test_two_who_make_the_quorum_at_the_same_time_get_one_list(hall: Hall) -> None:
    """Each reads that the other has not asked yet: the clock then makes the picks, once."""
    await hall.opens("민지", "", "철수", "영희")
    number, chat = (await hall.round()).id, Chat(hall.stage.name, hall.chat, "group")
    async with hall.stage.app.database.writing() as connection:
        for who in ("철수", "영희"):  # what each leaves to be written, having read before the other wrote
            turn = Turn(f"q{who}", chat, Person(who), Press(f"round:{number}:pick"), time.time())
            user = await users.ensure(
                connection, platform=hall.stage.name, platform_id=who, name="", locale=""
            )
            await group._ask(connection, turn, hall.stage.app._room(turn, user, {}), number)
    assert (await hall.round()).state == "open"
    await hall.passes(1)
    await hall.passes(2)
    assert (await hall.round()).state == "voting"
    async with hall.stage.app.database.reading() as connection:
        assert len(await groups.picks(connection, number)) == 3


async def test_the_opener_and_the_clock_at_the_same_time_give_one_list(hall: Hall) -> None:
    await hall.opens("민지", "", "철수")
    number = (await hall.round()).id
    await asyncio.gather(hall.does("민지", "pick"), hall.passes(MINUTES + 1), hall.does("민지", "pick"))
    async with hall.stage.app.database.reading() as connection:
        assert len(await groups.picks(connection, number)) == 3
    assert len([slot for slot in hall.screen if "poll" in slot]) == 1


async def test_two_last_voters_at_the_same_time_close_the_poll_once(hall: Hall) -> None:
    await hall.opens("민지", "", "철수", "영희")
    await hall.presses("민지", KO.say("round.button.pick"))
    await hall.votes("민지", 0)
    poll, chat = (await hall.round()).poll_id or "", Chat(hall.stage.name, hall.chat, "group")
    await asyncio.gather(
        *(
            hall.stage.delivery.take(Turn(f"v{who}", chat, Person(who), PollAnswer(poll, (0,)), time.time()))
            for who in ("철수", "영희")
        )
    )
    await hall.stage.delivery.settle()
    shown = [r for replies in hall.stage.shown.values() for r in replies if r.poll and r.poll.closed]
    assert len(shown) == 1
    ends = (await hall.round()).closes_at
    await hall.votes("민지", 1)
    assert (await hall.round()).closes_at == ends, "a vote that comes late does not close it anew"
    await asyncio.gather(hall.counted(3, 0, 0, 0), hall.passes(25))
    async with hall.stage.app.database.reading() as connection:
        user = await users.known(connection, platform=hall.stage.name, platform_id="철수", name="", locale="")
        assert user is not None
        assert len(await taste.events(connection, user.id)) == 1, "learnt once"


async def test_who_votes_late_is_in(hall: Hall) -> None:
    await hall.opens("민지", "", "철수")
    await hall.presses("민지", KO.say("round.button.pick"))
    await hall.votes("영희", 0)
    assert await hall.members() == ["민지", "철수", "영희"]
    assert "3명" in hall.board.text
    before = hall.shows("picks")
    await hall.presses("지호", KO.say("round.button.join"))
    assert hall.shows("picks") == before, "no new picks"
    await hall.votes("민지", 0)
    await hall.votes("철수", 1)
    assert not hall.poll.closed, "지호 has not voted"
    await hall.presses("지호", KO.say("round.button.leave"))
    assert hall.poll.closed


async def test_a_vote_can_be_changed_and_taken_back(hall: Hall) -> None:
    await hall.opens("민지", "", "철수")
    await hall.presses("민지", KO.say("round.button.pick"))
    for options in ((0,), (1, 2), (), (9, -1)):
        await hall.votes("민지", *options)
    await hall.votes("철수", 2)
    assert not hall.poll.closed, "민지 took it back"
    async with hall.stage.app.database.reading() as connection:
        assert len(await groups.votes(connection, (await hall.round()).id)) == 1


async def test_a_poll_ends_at_its_time_and_by_our_own_count_where_nobody_counts(hall: Hall) -> None:
    """A platform that lost the poll must not keep a group waiting for ever."""
    await hall.opens("민지", "", "철수")
    await hall.presses("민지", KO.say("round.button.pick"))
    await hall.votes("민지", 1)
    await hall.passes(MINUTES + 5)
    assert hall.poll.closed
    assert (await hall.round()).state == "counting"
    await hall.passes(MINUTES + 30)
    assert hall.board.text == KO.say("round.done", title=hall.shows("picks").cards[1].title)
    before = dict(hall.screen)
    await hall.happens(PollClosed((await hall.round()).poll_id or "", (9, 0, 0, 0)))
    assert hall.screen == before, "the platform's word comes too late"


async def test_a_poll_closed_by_hand_ends_the_round(hall: Hall) -> None:
    await hall.opens("민지", "", "철수")
    await hall.presses("민지", KO.say("round.button.pick"))
    await hall.counted(0, 1, 0, 0)
    assert hall.board.text == KO.say("round.done", title=hall.shows("picks").cards[1].title)


@pytest.mark.parametrize(
    ("votes", "key", "place"),
    [
        ((0, 0, 0, 0), "unvoted", 0),
        ((0, 2, 2, 0), "tied", 1),
        ((0, 0, 2, 2), "chosen", 2),
        ((3,), "unvoted", 0),
    ],
)
async def test_ties_go_to_the_better_fit_and_no_votes_to_the_best(
    hall: Hall, votes: tuple[int, ...], key: str, place: int
) -> None:
    """The last is what no platform should send: then our own count holds."""
    await hall.opens("민지", "웃긴 영화", "철수")
    await hall.presses("민지", KO.say("round.button.pick"))
    await hall.counted(*votes)
    title = hall.shows("picks").cards[place].title
    assert hall.shows("end").text == KO.say(f"round.{key}", title=title, count=2)


async def test_others_do_not_repeat_where_little_fits(hall: Hall) -> None:
    """Keeps away the same three films again from somebody who made no more."""
    await hall.opens("민지", "봉준호 영화")
    await hall.presses("민지", KO.say("round.button.pick"))
    first = {card.id for card in hall.shows("picks").cards}
    await hall.votes("민지", len(first))
    await hall.counted(*[0] * len(first), 1)
    await hall.presses("민지", KO.say("round.button.more"), "end")
    second = {card.id for card in hall.shows("picks").cards}
    assert first
    assert second
    assert not first & second


async def test_something_else_brings_others_that_were_not_shown(hall: Hall) -> None:
    await hall.opens("민지", "웃긴 영화", "철수")
    await hall.presses("민지", KO.say("round.button.pick"))
    first = hall.shows("picks")
    await hall.votes("민지", 3)
    await hall.votes("철수", 3, 0)
    await hall.counted(1, 0, 0, 2)
    assert hall.shows("end").text == KO.say("round.other")
    await hall.presses("철수", KO.say("round.button.more"), "end")
    assert hall.shows("end").text == KO.say("round.other_chosen")
    second = hall.shows("picks")
    assert len(second.cards) == 3
    assert not {card.id for card in first.cards} & {card.id for card in second.cards}
    assert not hall.poll.closed
    await hall.votes("민지", 0)
    assert not hall.poll.closed, "철수 voted in the last poll only"
    await hall.votes("철수", 0)
    await hall.counted(2, 0, 0, 0)
    assert hall.shows("end").cards == (second.cards[0],)


async def test_others_that_nobody_asks_for_are_given_up(hall: Hall) -> None:
    await hall.opens("민지", "웃긴 영화")
    await hall.presses("민지", KO.say("round.button.pick"))
    await hall.votes("민지", 3)
    await hall.counted(0, 0, 0, 1)
    await hall.passes(MINUTES + 5)
    assert (await hall.round()).state == "closed"
    assert (await hall.does("민지", "more")).text == KO.say("round.over")


async def test_only_the_opener_calls_it_off(hall: Hall) -> None:
    await hall.opens("민지", "", "철수")
    off = KO.say("round.button.off")
    assert (await hall.presses("철수", off)).text == KO.say("round.not_yours")
    await hall.presses("민지", off)
    assert hall.board.text == KO.say("round.called_off")
    for verb in ("join", "leave", "pick", "off", "more", "d:food"):
        assert (await hall.does("철수", verb)).text == KO.say("round.over")
    await hall.opens("철수")
    assert (await hall.round()).state == "open", "the chat is free for another"


async def test_a_round_called_off_while_voting_ends_its_poll(hall: Hall) -> None:
    await hall.opens("민지")
    await hall.presses("민지", KO.say("round.button.pick"))
    await hall.presses("민지", KO.say("round.button.off"))
    assert hall.poll.closed
    await hall.happens(PollClosed((await hall.round()).poll_id or "", (1, 0, 0, 0)))
    assert hall.board.text == KO.say("round.called_off")


@pytest.mark.parametrize("way", ["leaves", "forgets"])
async def test_when_the_opener_vanishes_anybody_in_it_goes_on(hall: Hall, way: str) -> None:
    await hall.opens("민지", "뜨끈한 국물", "철수", "영희")
    if way == "leaves":
        await hall.someone("민지").sends(Membership("left"))
    else:
        person = hall.alone("민지")
        await person.commands("forget")
        await person.taps(KO.say("button.forget_yes"))
    assert "민지" not in hall.board.text
    assert "2명: 철수, 영희" in hall.board.text
    assert (await hall.presses("밖", KO.say("round.button.pick"))).text == KO.say("round.join_first")
    await hall.presses("철수", KO.say("round.button.pick"))
    assert len(hall.shows("picks").cards) == 3
    assert [slot for slot in hall.screen if slot.startswith("round.")].count(
        f"round.{(await hall.round()).id}"
    ) == 1


async def test_forgetting_leaves_no_name_and_edits_the_same_message(hall: Hall) -> None:
    """A group's message that goes with somebody's mail would be shown a second time."""
    await hall.opens("민지", "", "철수")
    await hall.presses("철수", KO.say("round.button.leave"))  # whose press was the last to change it
    person = hall.alone("철수")
    await person.commands("forget")
    await person.taps(KO.say("button.forget_yes"))
    assert "1명: 민지" in hall.board.text
    ids: set[str | None] = set()
    keep = hall.stage.send

    async def send(chat_id: str, reply: Reply, **of: Any) -> str:
        ids.add(of["message_id"]) if reply.slot.startswith("round.") else None
        return await keep(chat_id, reply, **of)

    hall.stage.send = send  # type: ignore[method-assign]
    await hall.presses("영희", KO.say("round.button.join"))
    assert ids, "it was edited"
    assert None not in ids, "and not shown anew"


async def test_the_bot_taken_out_of_a_group_ends_its_rounds_silently(hall: Hall) -> None:
    await hall.opens("민지")
    before = dict(hall.screen)
    await hall.happens(Membership("left", of_bot=True))
    assert (await hall.round()).state == "closed"
    assert hall.screen == before


async def test_a_topic_has_a_round_of_its_own_and_is_left_with_the_group(stage: Stage) -> None:
    hall = Hall(stage, "topics", "thread")
    await hall.opens("민지", "", "철수")
    other = hall.someone("민지")
    other.group = "-1:8"
    await other.commands("together")
    hall.chat, hall.kind = "-1", "group"
    await hall.someone("철수").sends(Membership("left"))
    hall.chat = "-1:7"
    assert await hall.members() == ["민지"]
    assert (await hall.round("-1:8")).id != (await hall.round()).id


async def test_a_round_goes_on_after_a_restart(hall: Hall) -> None:
    await hall.opens("민지", "웃긴 영화", "철수")
    await hall.stage.restart()
    await hall.presses("영희", KO.say("round.button.join"))
    await hall.stage.restart()
    await hall.passes(MINUTES + 1)
    await hall.stage.restart()
    for name in ("민지", "철수", "영희"):
        await hall.votes(name, 1)
    await hall.stage.restart()
    await hall.counted(0, 3, 0, 0)
    assert hall.board.text == KO.say("round.done", title=hall.shows("picks").cards[1].title)


# What members tell


async def test_an_allergy_told_in_private_binds_all_and_is_told_to_nobody(hall: Hall) -> None:
    """Two in a round: whatever is said of an allergy in the group is said of the other one."""
    await hall.opens("민지", "해산물 요리", "철수")
    told = await hall.tells("철수", "새우랑 게는 못 먹어. 알레르기 있어")
    assert "새우" in told.text
    await hall.presses("민지", KO.say("round.button.pick"))
    picked = await items(hall, *(card.id for card in hall.shows("picks").cards))
    assert picked
    for item in picked:
        assert item.allergens is not None
        assert not {"shrimp", "crab"} & set(item.allergens)
    said = "\n".join(reply.text for reply in hall.screen.values())
    assert "새우" not in said
    assert "알레르기" not in said


async def test_limits_are_kept_that_were_told_in_the_private_talk_before(hall: Hall) -> None:
    person = hall.alone("철수")
    await person.says("땅콩 알레르기 있어")
    await hall.opens("민지", "음식")
    await hall.tells("철수")
    await person.commands("start", hall.link())
    await hall.presses("민지", KO.say("round.button.pick"))
    for item in await items(hall, *(card.id for card in hall.shows("picks").cards)):
        assert item.allergens is not None
        assert "peanut" not in item.allergens


async def test_who_comes_late_is_told_in_private_what_not_to_vote_for(hall: Hall) -> None:
    """The poll is out and cannot be changed: what it holds must not hurt somebody who was not in before."""
    await hall.opens("민지", "새우 요리")
    await hall.presses("민지", KO.say("round.button.pick"))
    cards = hall.shows("picks").cards
    with_shrimp = [
        item.title
        for item in await items(hall, *(card.id for card in cards))
        if "shrimp" in (item.allergens or ())
    ]
    assert with_shrimp
    before = dict(hall.screen)
    told = await hall.tells("철수", "새우 알레르기 있어")
    assert told.text.endswith(
        KO.say("round.unfit", names=", ".join(card.title for card in cards if card.title in with_shrimp))
    )
    assert set(hall.screen) == set(before)
    again = await hall.alone("철수").commands("start", hall.link())
    assert with_shrimp[0] in again.text


async def test_what_members_tell_changes_the_picks(hall: Hall, stage: Stage) -> None:
    """A taste that is asked for and then not heeded is worse than none."""
    await hall.opens("민지", "", "철수")
    await hall.presses("민지", KO.say("round.button.movie"))
    await hall.tells("철수", "무서운 공포 영화")
    await hall.tells("민지", "공포 영화가 좋아")
    await hall.presses("민지", KO.say("round.button.pick"))
    genres = [item.genres for item in await items(hall, *(card.id for card in hall.shows("picks").cards))]
    assert sum("horror" in each for each in genres) >= 2


async def test_said_again_a_wish_replaces_and_a_limit_stays(hall: Hall) -> None:
    await hall.opens("민지", "음식", "철수")
    await hall.tells("철수", "매콤한 볶음", "새우는 못 먹어")
    number = (await hall.round()).id

    async def told() -> dict[str, Any]:
        async with hall.stage.app.database.reading() as connection:
            members = await groups.members(connection, number)
        found: dict[str, Any] = next(each for each in members if each.user.name == "철수").answers["told"]
        return found

    assert "매콤" in (await told())["text"], "a limit alone replaces no wish"
    await hall.alone("철수").says("시원한 국수")
    assert "국수" in (await told())["text"]
    assert "매콤" not in (await told())["text"]
    last = hall.alone("철수").last
    assert last.text == KO.say("round.told")
    await hall.alone("철수").taps(KO.say("round.button.again"), KO.say("round.button.anything"))
    assert "text" not in await told()
    skipped = await hall.alone("철수").presses(f"round:{number}:skip")
    assert skipped.text == KO.say("round.skipped")
    ordinary = await hall.alone("철수").says("웃긴 영화")
    assert ordinary.cards, "after that the private chat is what it was"


async def test_other_talk_in_private_is_not_taken_for_a_wish(hall: Hall) -> None:
    await hall.opens("민지")
    person = hall.alone("철수")
    await hall.tells("철수")
    assert KO.say("round.tell") in person.last.text
    assert (await person.says("내 정보 보여줘")).text.startswith(KO.say("profile.lead"))
    await hall.tells("철수")
    assert (await person.commands("movie", "웃긴 거")).cards
    assert (await person.says("더 가볍게")).cards, "a command ends the question"
    await hall.tells("철수")
    person.ahead = 700.0
    assert (await person.says("웃긴 영화")).cards, "so does time"


async def test_words_of_harm_come_first(hall: Hall) -> None:
    await hall.opens("민지")
    answer = await hall.tells("철수", "죽고 싶어")
    assert "109" in answer.text


async def test_what_was_told_for_a_round_goes_with_it(hall: Hall) -> None:
    await hall.opens("민지", "우울한데 웃긴 영화", "철수")
    await hall.tells("철수", "외로운데 따뜻한 영화")
    await hall.presses("민지", KO.say("round.button.off"))
    found = await hall.round()
    async with hall.stage.app.database.reading() as connection:
        assert [each.answers for each in await groups.members(connection, found.id)] == [{}, {}]
    assert found.settings == {}


async def test_a_guest_leaves_nothing_in_a_round(hall: Hall) -> None:
    await hall.alone("철수").commands("guest")
    await hall.opens("민지", "", "철수")
    await hall.presses("민지", KO.say("round.button.pick"))
    await hall.votes("철수", 0)
    await hall.votes("민지", 0)
    await hall.counted(2, 0, 0, 0)
    assert await hall.members() == ["민지"]
    async with hall.stage.app.database.reading() as connection:
        user = await users.known(connection, platform=hall.stage.name, platform_id="철수", name="", locale="")
        assert user is not None
        held = await account.counts(connection, user.id)
    assert (held["rounds"], held["taste_events"], held["exposures"]) == (0, 0, 0)


async def test_a_round_stands_in_an_export(hall: Hall) -> None:
    await hall.opens("민지", "웃긴 영화", "철수")
    await hall.presses("민지", KO.say("round.button.pick"))
    await hall.votes("철수", 1, 3)
    async with hall.stage.app.database.reading() as connection:
        user = await users.known(connection, platform=hall.stage.name, platform_id="철수", name="", locale="")
        assert user is not None
        whole = await account.export(connection, user.id)
    assert len(whole["round_members"]) == 1
    assert {vote["item_id"] for vote in whole["round_votes"]} == {hall.shows("picks").cards[1].id, "other"}


async def test_an_allergy_told_while_picks_are_made_is_minded(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picks were made without it: they are made anew, by the clock."""
    await hall.opens("민지", "새우 요리", "철수")
    engine, found = hall.stage.app.engine, await hall.round()
    real = engine.recommend_group

    async def meanwhile(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.undo()
        chosen = await real(*args, **kwargs)
        async with hall.stage.app.database.writing() as connection:
            member = (await groups.members(connection, found.id))[1]
            told = {"told": Request(allergens=("shrimp",)).to_dict(), "at": 1.0}
            await groups.tell(connection, found.id, member.user.id, told)
        return chosen

    monkeypatch.setattr(engine, "recommend_group", meanwhile)
    await hall.presses("민지", KO.say("round.button.pick"))
    assert (await hall.round()).state == "open"
    assert not any("picks" in slot for slot in hall.screen)
    await hall.passes(1)
    assert (await hall.round()).state == "voting"
    for item in await items(hall, *(card.id for card in hall.shows("picks").cards)):
        assert item.allergens is not None
        assert "shrimp" not in item.allergens


async def test_nothing_that_suits_all_is_said_and_ends_it(hall: Hall) -> None:
    """With the wish given up first: an empty answer is the last thing to give."""
    await hall.opens("민지", "1,300kcal 넘는 아침 식사", "철수")
    await hall.presses("민지", KO.say("round.button.pick"))
    assert KO.say("round.loosened") in hall.shows("picks").text
    await hall.presses("민지", KO.say("round.button.off"))
    await hall.opens("민지", "음식")
    found, dishes = await hall.round(), await hall.stage.app.engine.catalog(Domain.FOOD)
    everything = {
        each for dish in dishes if "vegan" in dish.diet and not dish.allergens for each in dish.ingredients
    }
    async with hall.stage.app.database.writing() as connection:
        user = found.opened_by or 0
        nothing_left = Request(diet=("vegan",), allergens=get_args(Allergen), avoid=tuple(everything))
        told = {"told": nothing_left.to_dict()}
        await groups.tell(connection, found.id, user, told)
    await hall.presses("민지", KO.say("round.button.pick"))
    assert hall.board.text == KO.say("round.nothing")
    assert (await hall.round()).state == "closed"


async def test_of_a_wish_told_in_the_group_moods_and_limits_are_its_owners() -> None:
    """What a reason may speak of is what everybody may read."""
    own = Request(
        text="x", moods=("sad",), body=("diet",), allergens=("egg",), avoid=("kiwi",), diet=("vegan",)
    )
    shared = Request(domain=Domain.FOOD, cuisine=("korean",), soupy=True)
    whole = replace(own, domain=Domain.FOOD, cuisine=("korean",), soupy=True)
    assert members.parted(whole) == (shared, own)


async def test_what_one_alone_wishes_is_no_reason_in_the_group(hall: Hall) -> None:
    """All of one share everything: a reason that spoke of it would tell the wish."""
    await hall.opens("민지")
    await hall.presses("민지", KO.say("round.button.book"))
    await hall.tells("민지", "위로가 되는 책")
    await hall.presses("민지", KO.say("round.button.pick"))
    async with hall.stage.app.database.reading() as connection:
        user = await users.known(connection, platform=hall.stage.name, platform_id="민지", name="", locale="")
        assert user is not None
        [kept] = await exposures.latest(connection, user.id, limit=1)
    grounds = [ground for pick in kept.body["picks"] for ground in pick["grounds"]]
    assert not [ground for ground in grounds if ground.startswith("effects.")]
    assert not {"mean", "least", "resigned"} & set(kept.body)


# Links and forgeries


@pytest.mark.parametrize(
    "argument",
    ["round-1", "round-1-", "round--x", "round-x-y", "round-999999-abc", "round-9999999-abc", "round-1-x-y"],
)
async def test_a_forged_link_is_an_ordinary_start(hall: Hall, argument: str) -> None:
    """A stranger must not come into a round, nor learn that there is one."""
    await hall.opens("민지")
    argument = argument.replace("-1", f"-{(await hall.round()).id}")
    answer = await hall.alone("밖").commands("start", argument)
    assert answer.text in KO.variants("start.hello")
    assert await hall.members() == ["민지"]


async def test_a_link_opened_in_a_group_leads_to_the_private_chat(hall: Hall) -> None:
    await hall.opens("민지")
    link = hall.link()
    answer = await hall.someone("철수").commands("start", link)
    assert answer.replies[0].private
    assert answer.choices == (Choice(KO.say("round.button.tell"), row=1, start=link),)
    await hall.presses("민지", KO.say("round.button.off"))
    assert (await hall.alone("철수").commands("start", link)).text == KO.say("round.over")


@pytest.mark.parametrize(
    "data",
    ["round", "round:", "round:x:join", "round:{}", "round:{}:", "round:{}:nosuch", "round:{}:join:1", "round:{}:d:music",
     "round:{}:vote:1", "round:{}:vote:²", "round:{}:fb:like", "round:{}:fb:love", "round:999999:join", "round:{}:any"],
)  # fmt: skip
async def test_a_forged_press_changes_nothing(hall: Hall, data: str) -> None:
    await hall.opens("민지")
    before, found = dict(hall.screen), await hall.round()
    answer = await hall.someone("밖").presses(data.format(found.id))
    assert answer.text == STALE
    assert answer.replies[0].private
    del hall.screen[next(reversed(hall.screen))]
    assert hall.screen == before
    assert await hall.members() == ["민지"]


async def test_a_press_from_another_chat_is_told_nothing(hall: Hall) -> None:
    await hall.opens("민지")
    number = (await hall.round()).id
    person = hall.alone("밖")
    for verb in ("join", "pick", "off", "any", "tell"):
        assert (await person.presses(f"round:{number}:{verb}")).text == STALE
    assert await hall.members() == ["민지"]
    await hall.happens(PollAnswer("round.999999.poll", (0,)))
    await hall.happens(Tick("round.999999.open"))
    await hall.happens(Tick("nosuch"))
    assert (await hall.round()).state == "open"


@pytest.mark.parametrize(("argument", "domain"), [("book", "book"), ("movie", "movie"), ("food", "food")])
async def test_a_link_leads_to_picks_of_its_domain(hall: Hall, argument: str, domain: str) -> None:
    answer = await hall.alone("민지").commands("start", argument)
    assert {card.domain for card in answer.cards} == {domain}


async def test_a_link_leads_to_the_survey_and_a_referral_nowhere(hall: Hall) -> None:
    person = hall.alone("민지")
    assert (await person.commands("start", "survey")).choices
    assert (await person.commands("start", "from_a_friend")).text in KO.variants("start.hello")


async def test_without_polls_one_votes_by_buttons(hall: Hall) -> None:
    """A platform that has no polls tells nobody's count: ours holds at once."""
    await hall.opens("민지", "웃긴 영화", "철수")
    await hall.presses("민지", KO.say("round.button.pick"))
    buttons = ballot.ballots(hall.shows("poll"))
    assert [button.label for button in buttons] == list(hall.poll.options)
    assert not ballot.ballots(Reply("x", slot="round.1.poll"))
    await hall.someone("민지").presses(buttons[1].data)
    await hall.someone("민지").presses(buttons[1].data)
    await hall.someone("민지").presses(buttons[2].data)
    answer = await hall.someone("철수").presses(buttons[2].data)
    assert answer.replies[-1].text == KO.say("round.voted")
    assert hall.board.text == KO.say("round.done", title=hall.shows("picks").cards[2].title)
    assert not ballot.ballots(hall.shows("poll"))


# Nothing of anybody is shown

SECRETS = {
    "나 새우 알레르기 있어": "새우", "땅콩은 절대 못 먹어": "땅콩", "요즘 너무 우울해": "우울", "외로워서 위로가 필요해": "외로",
    "할머니 손맛 같은 집밥": "할머니", "다이어트 중이야": "다이어트", "숙취가 심해": "숙취",
}  # fmt: skip
"""What a member may tell, and the word of it that must not be read in the group."""


@pytest.mark.parametrize(
    "told",
    [
        ["나 새우 알레르기 있어", "요즘 너무 우울해"],
        ["땅콩은 절대 못 먹어", "할머니 손맛 같은 집밥"],
        ["다이어트 중이야", "숙취가 심해"],
    ],
)
async def test_nothing_that_a_member_told_is_read_in_the_group(hall: Hall, told: list[str]) -> None:
    await hall.opens("민지", f"{told[0]} 저녁 먹자", "철수")
    await hall.tells("철수", *told)
    await hall.presses("철수", KO.say("round.button.pick"))
    await hall.presses("민지", KO.say("round.button.pick"))
    await hall.votes("철수", 0)
    await hall.counted(1, 0, 0, 0)
    cards = {card.id for reply in hall.screen.values() for card in reply.cards}
    own = " ".join(" ".join((*item.pitch, item.title)) for item in await items(hall, *cards))
    for reply in hall.screen.values():
        said = " ".join([reply.text, *(f"{card.reason} {card.benefit}" for card in reply.cards)])
        for words in told:
            secret = SECRETS[words]
            assert secret not in said or secret in own, (words, said)


# Whatever happens in whatever order


class Story(RuleBasedStateMachine):
    """Three people and a clock at one round; the picks are the engine's own, made once a story at most."""

    stage: Stage
    stories = 0

    def __init__(self) -> None:
        super().__init__()
        Story.stories += 1
        self.hall = Hall(self.stage, f"story{Story.stories}")
        self.later, self.ends = 0.0, 0
        self.run(self.hall.opens("a", "웃긴 영화"))

    def run(self, work: Any) -> Any:
        assert self.stage.loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.stage.loop).result(60)

    @rule(who=st.sampled_from("abc"), verb=st.sampled_from(["join", "leave", "pick", "more", "d:food"]))
    def press(self, who: str, verb: str) -> None:
        self.run(self.hall.does(who, verb))

    @rule(who=st.sampled_from("abc"), options=st.sets(st.integers(0, 3)))
    def vote(self, who: str, options: set[int]) -> None:
        if self.run(self.hall.round()).poll_id:
            self.run(self.hall.votes(who, *options))

    @rule(who=st.sampled_from("ab"))
    def go(self, who: str) -> None:
        self.run(self.hall.someone(who).sends(Membership("left")))

    @rule(seconds=st.sampled_from([1.0, 30.0, 1900.0]))
    def wait(self, seconds: float) -> None:
        self.later += seconds
        self.run(self.hall.passes(self.later))

    @invariant()
    def it_is_what_it_shows(self) -> None:
        found, members = self.run(self.hall.round()), self.run(self.hall.members())
        polls = [reply.poll for slot, reply in self.hall.screen.items() if ".poll" in slot and reply.poll]
        assert len([poll for poll in polls if not poll.closed]) == (found.state == "voting")
        if found.over:
            assert not self.hall.board.choices
        elif members:
            assert f"{len(members)}명" in self.hall.board.text
        assert len([slot for slot in self.hall.screen if ".picks" in slot]) == len(polls)
        votes = self.run(self._votes(found.id))
        if found.state == "voting" and members:
            assert not set(members) <= votes, "all have voted, and the poll goes on"

    async def _votes(self, key: int) -> set[str]:
        async with self.stage.app.database.reading() as connection:
            found = await groups.votes(connection, key)
            who = {m.user.id: m.user.platform_id for m in await groups.members(connection, key)}
            picks = await groups.picks(connection, key)
        lap = max((pick.body["lap"] for pick in picks), default=1)
        among = {pick.item_id for pick in picks if pick.body["lap"] == lap} | {"other"}
        return {who[user] for user, item in found if user in who and item in among}


async def test_whatever_happens_in_whatever_order(stage: Stage) -> None:
    Story.stage = stage
    machine = settings(
        max_examples=6, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
    )
    await asyncio.to_thread(_play, machine)


def _play(how: settings) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Story, settings=how)
