"""Turns from a platform to the conversations: nothing lost, nothing handled twice.

A turn is in the inbox before it counts as taken; what it changes and what it says are committed together.
Several processes may serve a platform: each turn has one that handles it, and another only when that one is dead.
Knows no platform and no conversation; what was said is sent by `outbox.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.gate import Aside
from bot.outbox import Outbox, Platform
from bot.presence import Presence, new_name
from bot.tasks import RETRY_FIRST, Tasks, wholly
from handlers.room import Room
from handlers.turn import Chat, Command, Reply, Text, Turn
from storage import mail, sessions, users
from storage.database import Database
from storage.mail import Kept, Outcome, Outgoing
from storage.users import User

HEED_SECONDS = 5.0
"""How long a superseded turn may take to be understood, while the next one waits."""
COMMIT_TRIES = 3
"""How often what a turn did is tried to be stored, while the database is locked or its disk full."""
WATCH_SECONDS = 0.5
"""How often is looked for what other processes have taken, posted or left."""

logger = logging.getLogger(__name__)
R = TypeVar("R")


class _Lost(Exception):
    """A turn is another process' by now."""


@dataclass(slots=True, eq=False)
class _Taken:
    """A turn in hand, with what it said so far: `interim` is on its way already, one a slot."""

    inbox_id: int
    turn: Turn
    urgent: bool = False
    superseded: bool = False
    answer: asyncio.Task[None] | None = None
    room: Room | None = None
    since: float = field(default_factory=time.monotonic)
    interim: dict[tuple[Chat | None, str], Reply] = field(default_factory=dict)
    final: list[Reply] = field(default_factory=list)

    @property
    def asks(self) -> bool:
        """Whether it makes what was asked before it void, and is made void by what is asked after it."""
        return isinstance(self.turn.payload, Text | Command)

    def supersede(self) -> None:
        if self.urgent:
            return
        # Once the answer is complete neither has an effect any more: what was found is told.
        self.superseded = True
        if self.answer is not None:
            self.answer.cancel()


@dataclass(slots=True, eq=False)
class _Lane:
    """The turns of one person in one chat."""

    waiting: deque[_Taken] = field(default_factory=deque)
    running: _Taken | None = None


@dataclass(slots=True, eq=False)
class Delivery:
    """The mail of one platform.

    `handle` is the router, and `open_room` makes the room that it gets; `is_stop` tells a turn that must not
    wait, and `is_urgent` one that is answered whatever is asked after it. `apology` says that a turn failed,
    and `withdrawal`, if given, what an interim reply becomes whose turn was superseded. `heed`, if given, says
    nothing, but keeps what a superseded turn told besides asking: it gets a room of its own, and what it leaves
    there is stored in place of what the answer left when it was cut off. `expect`, if given, hears of a turn that
    is to be handled while it is being stored, to begin with what takes long. `gate`, if given, tells which turns
    are not handled, and what is told then. `finished` hears how the turns that this process handled ended, and how many
    seconds after they were taken. `retry_first` is in seconds, and `owner` this process' name. The platform is `shared`
    when each of its processes reaches every chat, so that one of them sees to all a person says in a chat; else each
    sees to what it hears.
    """

    database: Database
    platform: Platform
    handle: Callable[[Turn, Room], AsyncIterator[Reply]]
    open_room: Callable[[Turn, User, dict[str, Any]], Room]
    _: KW_ONLY
    is_stop: Callable[[Turn], bool]
    apology: Callable[[Room], Reply]
    withdrawal: Callable[[Room], Reply] | None = None
    heed: Callable[[Turn, Room], Awaitable[None]] | None = None
    expect: Callable[[Turn], None] | None = None
    gate: Callable[[Turn], Aside | None] = lambda turn: None
    finished: Callable[[Outcome, float], None] = lambda outcome, seconds: None
    is_urgent: Callable[[Turn], bool] = lambda turn: False
    retry_first: float = RETRY_FIRST
    owner: str = field(default_factory=new_name)
    shared: bool = True
    _lanes: dict[tuple[str, str], _Lane] = field(default_factory=dict, init=False)
    _in_hand: set[int] = field(default_factory=set, init=False)
    _tasks: Tasks = field(init=False)
    _presence: Presence = field(init=False)
    _outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        self._tasks = Tasks(self.retry_first)
        self._presence = Presence(self.database, self.platform.name, self.owner)
        self._outbox = Outbox(self.database, self.platform, self._tasks, self._presence, self.shared)

    async def recover(self) -> None:
        """Take up what was left: turns without an outcome and replies not shown, of dead processes or of nobody.

        To be called before the first turn is taken, and then `watch`: others know by them that this one lives.
        """
        left = await self._presence.beat(self._inherit)
        # Nothing is awaited since the commit, as in `_take`.
        for taken in left:
            self._schedule(taken)
        self._outbox.wake()

    async def take(self, turn: Turn) -> bool:
        """Store the turn and see to it; False when it was taken before.

        After `close` it is only stored, for the next process.
        """
        return await wholly(self._take(turn))

    def wake(self) -> None:
        """Send what is due, also what others have posted."""
        self._tasks.spawn(self._tasks.insist(self._look))

    async def watch(self) -> None:
        """Be known as alive, and see to what other processes take, post and leave for this one, until `close`."""
        while await self._tasks.pause(WATCH_SECONDS):
            try:
                await self._look()
            except Exception:
                logger.exception("What other processes left could not be looked for, and will be again")

    async def settle(self) -> None:
        """Return when nothing is running, waiting or due; waits put off by the platform are waited for."""
        await self._tasks.settle()

    async def close(self, grace: float) -> None:
        """Finish the turns running and send what they say, for at most `grace` seconds.

        What is left stays stored for the next process, or for the others.
        """
        beating = asyncio.create_task(self._presence.keep())
        try:
            await self._tasks.stop(grace)
        finally:
            beating.cancel()
            await asyncio.wait({beating})
        await self._presence.leave()

    async def _take(self, turn: Turn) -> bool:
        aside = self.gate(turn)
        if aside is None and self.expect is not None:
            try:
                self.expect(turn)
            except Exception:
                logger.exception("Nothing could be begun with turn %s; it is taken all the same.", turn.id)
        async with self.database.writing() as connection:
            kept = await mail.take(
                connection,
                turn_id=turn.id,
                platform=self.platform.name,
                chat_id=turn.chat.id,
                person_id=turn.person.id,
                body=turn.to_json(),
                owner=self.owner,
                follow=self.shared,
            )
            if kept is None:
                return False
            told = aside is not None and await self._turn_away(connection, kept, turn, aside)
        # Nothing is awaited since the commit: turns are scheduled in the order of the inbox.
        if told:
            self._outbox.wake()
        if aside is not None:
            self._tell("limited", 0.0)
        elif kept.owner == self.owner and (kept.behind is None or kept.behind in self._in_hand):
            self._schedule(_Taken(kept.id, turn))
        elif not self._tasks.stopping:
            # Another's, who may be dead; or it comes after one that another process has taken for this one.
            self._tasks.spawn(self._tasks.insist(self._look))
        return True

    async def _look(self) -> None:
        """Take up what has come to be this process' own, or a dead one's."""
        await self._presence.renew()
        async with self.database.reading() as connection:
            turns, senders = await mail.owned(connection, self.platform.name)
            owners = senders.union(owner for _, owner in turns)
            orphaned = await self._presence.lacks(connection, owners)
        astray = any(owner == self.owner and each not in self._in_hand for each, owner in turns)
        if orphaned or astray:
            await self.recover()
        elif self.owner in senders:
            self._outbox.wake()

    async def _inherit(self, connection: AsyncConnection) -> list[_Taken]:
        """Own what the dead have left; the turns of this process that are not in hand, in the order taken."""
        if self._tasks.stopping:
            return []
        await self._presence.bury(connection)
        await mail.inherit(connection, self.platform.name, self.owner)
        left = []
        for inbox_id, body in await mail.unfinished(connection, self.platform.name, self.owner):
            if inbox_id in self._in_hand:
                continue
            try:
                left.append(_Taken(inbox_id, Turn.from_json(body)))
            except ValidationError:
                # Without the error's own text, which quotes what the person said.
                logger.warning("Turn in inbox row %d is of another version and cannot be handled", inbox_id)
                await mail.finish(connection, inbox_id, "failed", self.owner)
        return left

    async def _turn_away(self, connection: AsyncConnection, kept: Kept, turn: Turn, aside: Aside) -> bool:
        """Finish a turn unhandled; whether something is to be told of it."""
        await mail.finish(connection, kept.id, "limited", kept.owner)
        if not aside.due():
            return False
        room = self.open_room(turn, *await self._who(connection, turn))
        await self._outbox.post(connection, turn, aside.reply(room.words))
        return True

    def _schedule(self, taken: _Taken) -> None:
        if self._tasks.stopping or taken.inbox_id in self._in_hand:
            return
        self._in_hand.add(taken.inbox_id)
        key = (taken.turn.chat.id, taken.turn.person.id)
        lane = self._lanes.get(key) or _Lane()
        stop = self.is_stop(taken.turn)
        taken.urgent = self.is_urgent(taken.turn)
        if stop or taken.asks:
            for earlier in (lane.running, *lane.waiting):
                if earlier is not None and earlier.asks:
                    earlier.supersede()
        if stop:
            lane.waiting.appendleft(taken)
        else:
            lane.waiting.append(taken)
        if key not in self._lanes:
            self._lanes[key] = lane
            self._tasks.spawn(self._work(key, lane))

    async def _work(self, key: tuple[str, str], lane: _Lane) -> None:
        while lane.waiting and not self._tasks.stopping:
            lane.running = taken = lane.waiting.popleft()
            await self._run(taken)
            lane.running = None
            self._in_hand.discard(taken.inbox_id)
        del self._lanes[key]

    async def _run(self, taken: _Taken) -> None:
        try:
            outcome = await self._outcome(taken)
            await self._tasks.insist(partial(self._commit, taken, outcome), OperationalError, COMMIT_TRIES)
        except Exception:
            logger.exception("Turn %s failed", taken.turn.id)
            await self._tasks.insist(partial(self._commit, taken, "failed"))

    async def _outcome(self, taken: _Taken) -> Outcome:
        if not taken.superseded:
            taken.answer = asyncio.create_task(self._answer(taken))
            try:
                await asyncio.wait({taken.answer})
            finally:
                taken.answer.cancel()
            if not taken.answer.cancelled() and (not taken.superseded or taken.answer.exception() is None):
                taken.answer.result()
                return "done"
            if not taken.superseded:
                raise RuntimeError("the handler cancelled itself")
        await self._heed(taken)
        return "superseded"

    async def _heed(self, taken: _Taken) -> None:
        """Let a turn that gets no answer be understood all the same; failing at that holds up nothing."""
        if taken.room is not None:
            taken.room.writes.clear()
        if self.heed is None:
            return
        try:
            async with asyncio.timeout(HEED_SECONDS):
                room = await self._enter(taken.turn)
                await self.heed(taken.turn, room)
        except Exception:
            logger.exception("Turn %s is superseded and could not be understood", taken.turn.id)
        else:
            taken.room = room

    async def _answer(self, taken: _Taken) -> None:
        """Let the conversation speak: interim replies go out as they come, final ones are collected."""
        turn = taken.turn
        taken.room = await self._enter(turn)
        replies = self.handle(turn, taken.room)
        try:
            async for reply in replies:
                if reply.interim:
                    taken.interim[reply.chat, reply.slot] = reply
                    await wholly(self._show(taken, reply))
                else:
                    taken.final.append(reply)
        finally:
            if isinstance(replies, AsyncGenerator):
                await replies.aclose()

    async def _enter(self, turn: Turn) -> Room:
        return self.open_room(turn, *await self._tasks.insist(partial(self._met, turn)))

    async def _met(self, turn: Turn) -> tuple[User, dict[str, Any]]:
        """Who speaks and the talk so far, written only where something of the person is new."""
        async with self.database.reading() as connection:
            user = await users.known(connection, **self._person(turn))
            if user is not None:
                return user, await self._talk(connection, user, turn)
        return await self._transact(partial(self._who, turn=turn))

    async def _who(self, connection: AsyncConnection, turn: Turn) -> tuple[User, dict[str, Any]]:
        user = await users.ensure(connection, **self._person(turn))
        return user, await self._talk(connection, user, turn)

    async def _talk(self, connection: AsyncConnection, user: User, turn: Turn) -> dict[str, Any]:
        return await sessions.load(connection, user.id, self.platform.name, turn.chat.id)

    def _person(self, turn: Turn) -> dict[str, str]:
        person = turn.person
        return {
            "platform": self.platform.name,
            "platform_id": person.id,
            "name": person.name,
            "locale": person.locale,
        }

    async def _show(self, taken: _Taken, reply: Reply) -> None:
        try:
            async with self.database.writing() as connection:
                if await mail.holds(connection, taken.inbox_id, self.owner):
                    await self._outbox.post(connection, taken.turn, reply)
        except OperationalError:
            logger.exception("Turn %s goes on without an interim reply", taken.turn.id)
        self._outbox.wake()

    async def _commit(self, taken: _Taken, outcome: Outcome) -> None:
        """End the turn in one transaction: all it did, or only what was understood, or nothing.

        A person who was forgotten meanwhile by a turn in another chat takes this one along; one whom this
        turn forgets gets its replies, and nothing of them is kept. When another process has taken the turn over,
        nothing of what this one did counts.
        """
        posting = mail.POSTER.set((self.platform.name, self.owner))
        try:
            async with self.database.writing() as connection:
                due = await self._end(connection, taken, outcome)
        except _Lost:
            logger.warning("Turn %s was taken over by another process", taken.turn.id)
        else:
            self._outbox.begin(due)
            self._tell(outcome, time.monotonic() - taken.since)
        finally:
            mail.POSTER.reset(posting)

    async def _end(self, connection: AsyncConnection, taken: _Taken, outcome: Outcome) -> list[Outgoing]:
        turn, room = taken.turn, taken.room
        if room is not None and not await users.stands(connection, room.user):
            outcome, room = "superseded", None
        if room is not None and outcome != "failed":
            for write in room.writes:
                await write(connection)
            await sessions.save(connection, room.user.id, self.platform.name, turn.chat.id, room.session)
        for reply in taken.final if outcome == "done" else self._parting(taken, outcome):
            await self._outbox.post(connection, turn, reply)
        if not await mail.finish(connection, taken.inbox_id, outcome, self.owner):
            raise _Lost
        return await self._outbox.look(connection)

    def _parting(self, taken: _Taken, outcome: Outcome) -> list[Reply]:
        """What a turn without an answer says: in place of its interim replies, or alone where it failed."""
        say = self.apology if outcome == "failed" else self.withdrawal
        shown = list(taken.interim.values())
        if outcome == "failed" and not shown:
            shown = [Reply()]
        if say is None or taken.room is None or not shown:
            return []
        try:
            words = say(taken.room)
        except Exception:
            logger.exception("There are no words for turn %s, which is %s", taken.turn.id, outcome)
            return []
        return [replace(words, slot=old.slot, chat=old.chat, private=old.private) for old in shown]

    def _tell(self, outcome: Outcome, seconds: float) -> None:
        try:
            self.finished(outcome, seconds)
        except Exception:
            logger.exception("How a turn ended could not be counted")

    async def _transact(self, work: Callable[[AsyncConnection], Awaitable[R]]) -> R:
        async with self.database.writing() as connection:
            return await work(connection)
