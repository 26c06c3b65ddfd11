"""Turns from a platform to the conversations, and replies back: nothing lost, nothing handled twice.

A turn is in the inbox before it counts as taken; what it changes and what it says are committed together;
what it says is in the outbox until the platform has it. Knows no platform and no conversation.

One window stays open: a kill after the platform showed a message and before its id was stored shows that
message once more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from handlers.room import Room, Write
from handlers.turn import Chat, Command, Reply, Text, Turn
from storage import mail, sessions, users
from storage.database import Database
from storage.mail import Outcome, Outgoing
from storage.users import User

RETRY_FIRST = 1.0
"""Seconds before the second try of what failed; each further wait is twice as long."""
RETRY_MOST = 60.0
"""Seconds that no wait passes."""

logger = logging.getLogger(__name__)
R = TypeVar("R")


class SendLater(Exception):
    """The platform takes nothing more in this chat for that many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not before {seconds} seconds")
        self.seconds = seconds


class SendRefused(Exception):
    """The platform will never show this reply there: blocked, no such chat. The message says why."""


class Platform(Protocol):
    """What an adapter does for the delivery."""

    name: str

    async def send(self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None) -> str:
        """Show the reply, or edit that message into it; the platform's id of the message that now shows it.

        Raises:
            SendLater: try this chat again after a while.
            SendRefused: it can never be shown.
        """


@dataclass(slots=True, eq=False)
class _Taken:
    """A turn in hand, with what it said so far: `interim` is on its way already, one a slot."""

    inbox_id: int
    turn: Turn
    urgent: bool = False
    superseded: bool = False
    answer: asyncio.Task[None] | None = None
    room: Room | None = None
    interim: dict[tuple[Chat | None, str], Reply] = field(default_factory=dict)
    final: list[Reply] = field(default_factory=list)

    @property
    def asks(self) -> bool:
        """Whether it makes what was asked before it void."""
        return isinstance(self.turn.payload, Text | Command)

    def supersede(self) -> None:
        if self.urgent:
            return
        # Once the answer is complete the commit is on, which looks at neither any more.
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
    wait, and `is_urgent` one that is answered whatever is asked after it; `apology` says that a turn failed, and `withdrawal`, if given, what an interim reply becomes whose
    turn was superseded. `retry_first` is in seconds.
    """

    database: Database
    platform: Platform
    handle: Callable[[Turn, Room], AsyncIterator[Reply]]
    open_room: Callable[[Turn, User, dict[str, Any]], Room]
    _: KW_ONLY
    is_stop: Callable[[Turn], bool]
    apology: Callable[[Room], Reply]
    withdrawal: Callable[[Room], Reply] | None = None
    is_urgent: Callable[[Turn], bool] = lambda turn: False
    retry_first: float = RETRY_FIRST
    _lanes: dict[tuple[str, str], _Lane] = field(default_factory=dict, init=False)
    _in_hand: set[int] = field(default_factory=set, init=False)
    _sending: set[str] = field(default_factory=set, init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _dispatcher: asyncio.Task[None] | None = field(default=None, init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def recover(self) -> None:
        """Take up what a former process left: turns without an outcome, replies not shown."""
        async with self.database.reading() as connection:
            left = await mail.unfinished(connection, self.platform.name)
        for inbox_id, body in left:
            try:
                turn = Turn.from_json(body)
            except ValidationError:
                # Without the error's own text, which quotes what the person said.
                logger.warning("Turn in inbox row %d is of another version and cannot be handled", inbox_id)
                await self._store(partial(mail.finish, inbox_id=inbox_id, outcome="failed"))
            else:
                self._schedule(_Taken(inbox_id, turn))
        self.wake()

    async def take(self, turn: Turn) -> bool:
        """Store the turn and see to it; False when it was taken before.

        After `close` it is only stored, for the next process.
        """
        return await _wholly(self._take(turn))

    def wake(self) -> None:
        """Send what is due, also what others have posted."""
        self._woken.set()
        if self._dispatcher is None or self._dispatcher.done():
            self._dispatcher = self._spawn(self._dispatch())

    async def settle(self) -> None:
        """Return when nothing is running, waiting or due; waits put off by the platform are waited for."""
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled():
                    task.result()

    async def close(self, grace: float) -> None:
        """Finish the turns running and send what they say, for at most `grace` seconds.

        What is left stays stored for the next process.
        """
        self._stopping.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, turn: Turn) -> bool:
        async with self.database.writing() as connection:
            inbox_id = await mail.take(
                connection,
                turn_id=turn.id,
                platform=self.platform.name,
                chat_id=turn.chat.id,
                person_id=turn.person.id,
                body=turn.to_json(),
            )
        if inbox_id is None:
            return False
        # Nothing is awaited since the commit: turns are scheduled in the order of the inbox.
        self._schedule(_Taken(inbox_id, turn))
        return True

    def _schedule(self, taken: _Taken) -> None:
        if self._stopping.is_set() or taken.inbox_id in self._in_hand:
            return
        self._in_hand.add(taken.inbox_id)
        key = (taken.turn.chat.id, taken.turn.person.id)
        lane = self._lanes.get(key) or _Lane()
        stop = self.is_stop(taken.turn)
        taken.urgent = self.is_urgent(taken.turn)
        if stop or taken.asks:
            if lane.running is not None:
                lane.running.supersede()
            for earlier in lane.waiting:
                if earlier.asks:
                    earlier.supersede()
        if stop:
            lane.waiting.appendleft(taken)
        else:
            lane.waiting.append(taken)
        if key not in self._lanes:
            self._lanes[key] = lane
            self._spawn(self._work(key, lane))

    async def _work(self, key: tuple[str, str], lane: _Lane) -> None:
        while lane.waiting and not self._stopping.is_set():
            lane.running = taken = lane.waiting.popleft()
            await self._run(taken)
            lane.running = None
            self._in_hand.discard(taken.inbox_id)
        del self._lanes[key]

    async def _run(self, taken: _Taken) -> None:
        try:
            outcome = await self._outcome(taken)
            await self._commit(taken, outcome)
        except Exception:
            logger.exception("Turn %s failed", taken.turn.id)
            await self._insist(partial(self._commit, taken, "failed"))

    async def _outcome(self, taken: _Taken) -> Outcome:
        if taken.superseded:
            return "superseded"
        taken.answer = asyncio.create_task(self._answer(taken))
        try:
            await asyncio.wait({taken.answer})
        finally:
            taken.answer.cancel()
        if taken.superseded:
            return "superseded"
        if taken.answer.cancelled():
            raise RuntimeError("the handler cancelled itself")
        taken.answer.result()
        return "done"

    async def _answer(self, taken: _Taken) -> None:
        """Let the conversation speak: interim replies go out as they come, final ones are collected."""
        turn = taken.turn
        user, session = await self._insist(partial(self._who, turn))
        taken.room = self.open_room(turn, user, session)
        replies = self.handle(turn, taken.room)
        try:
            async for reply in replies:
                if reply.interim:
                    taken.interim[reply.chat, reply.slot] = reply
                    await _wholly(self._show(turn, reply))
                else:
                    taken.final.append(reply)
        finally:
            if isinstance(replies, AsyncGenerator):
                await replies.aclose()

    async def _who(self, turn: Turn) -> tuple[User, dict[str, Any]]:
        person, platform = turn.person, self.platform.name
        async with self.database.writing() as connection:
            user = await users.ensure(
                connection, platform=platform, platform_id=person.id, name=person.name, locale=person.locale
            )
            return user, await sessions.load(connection, user.id, platform, turn.chat.id)

    async def _show(self, turn: Turn, reply: Reply) -> None:
        await self._store(partial(_post, turn=turn, reply=reply))
        self.wake()

    async def _commit(self, taken: _Taken, outcome: Outcome) -> None:
        """End the turn in one transaction: all it did, or only what was understood, or nothing."""
        turn, room = taken.turn, taken.room
        replies = taken.final if outcome == "done" else self._parting(taken, outcome)
        async with self.database.writing() as connection:
            if room is not None and outcome == "done":
                for write in room.writes:
                    await write(connection)
            if room is not None and outcome != "failed":
                await sessions.save(connection, room.user.id, self.platform.name, turn.chat.id, room.session)
            for reply in replies:
                await _post(connection, turn, reply)
            await mail.finish(connection, taken.inbox_id, outcome)
        self.wake()

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

    async def _dispatch(self) -> None:
        """Start a sender for each chat that has something due and none at work."""
        while self._woken.is_set():
            self._woken.clear()
            for outgoing in await self._insist(self._due):
                if outgoing.chat_id not in self._sending:
                    self._sending.add(outgoing.chat_id)
                    self._spawn(self._send_to(outgoing.chat_id))

    async def _send_to(self, chat_id: str) -> None:
        """Send what is due in one chat, always the latest version, until nothing is."""
        failures = 0
        while due := await self._insist(partial(self._due, chat_id)):
            try:
                settled = await self._send(due[0])
            except SendLater as later:
                wait = later.seconds
            except Exception:
                logger.exception("Sending for turn %s failed and will be tried again", due[0].turn_id)
                failures += 1
                wait = self._backoff(failures)
            else:
                # Tried for itself, because sending again would show the message twice.
                await self._insist(partial(self._store, settled))
                failures = 0
                continue
            if not await self._pause(wait):
                return
        self._sending.discard(chat_id)
        # What was posted after the last look found this sender still at work.
        self.wake()

    async def _send(self, outgoing: Outgoing) -> Write:
        """Hand it to the platform; what is to be stored about it."""
        try:
            reply = Reply.from_json(outgoing.body)
        except ValidationError:
            return partial(mail.undeliverable, outgoing=outgoing, reason="of another version")
        try:
            message_id = await self.platform.send(
                outgoing.chat_id, reply, turn_id=outgoing.turn_id, message_id=outgoing.message_id
            )
        except SendRefused as refusal:
            logger.warning("A reply to turn %s is undeliverable: %s", outgoing.turn_id, refusal)
            return partial(mail.undeliverable, outgoing=outgoing, reason=str(refusal))
        return partial(mail.sent, outgoing=outgoing, message_id=message_id, at=time.time())

    async def _due(self, chat_id: str | None = None) -> list[Outgoing]:
        async with self.database.reading() as connection:
            return await mail.due(connection, self.platform.name, chat_id)

    async def _store(self, write: Write) -> None:
        async with self.database.writing() as connection:
            await write(connection)

    async def _insist(self, work: Callable[[], Awaitable[R]]) -> R:
        """The result of `work`, tried until the database lets it; its error only when stopping."""
        failures = 0
        while True:
            try:
                return await work()
            except Exception:
                failures += 1
                logger.exception("The database refused; it will be tried again")
                if not await self._pause(self._backoff(failures)):
                    raise

    def _backoff(self, failures: int) -> float:
        return min(self.retry_first * 2.0 ** min(failures - 1, 30), RETRY_MOST)

    async def _pause(self, seconds: float) -> bool:
        """Wait; False, and at once, when it is time to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return not self._stopping.is_set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _post(connection: AsyncConnection, turn: Turn, reply: Reply) -> None:
    chat = reply.chat or turn.chat
    await mail.post(
        connection,
        turn_id=turn.id,
        platform=chat.platform,
        chat_id=chat.id,
        slot=reply.slot or turn.id,
        body=reply.to_json(),
        exposure_id=reply.exposure,
    )


async def _wholly(work: Coroutine[Any, Any, R]) -> R:
    """Await `work` to its end, even when whoever waits for it is cancelled meanwhile."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
