"""A process around one database file, for tests: a real delivery, a platform that records, conversations that wait.

It can be held up at a place and killed there; nothing of the engine is in it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import date
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.delivery import Delivery
from bot.presence import new_name
from handlers.room import Room
from handlers.turn import Chat, Command, Payload, Person, Press, Reply, Text, Turn
from storage import mail, schema, sessions, taste, users
from storage.database import Database
from storage.users import User

FOREVER = 3_600.0
Conversation = Callable[[Turn, Room], AsyncIterator[Reply]]
Heed = Callable[[Turn, Room], Awaitable[None]]


class House:
    """A process around one database file: a platform that records, and conversations that can be held up.

    A turn leaves its id in the session and as a taste event, so that being handled twice would show.
    """

    name = "test"
    shared = True

    def __init__(self, url: str, owner: str = "") -> None:
        self.url, self.owner = url, owner
        self.shown: list[tuple[str, str]] = []
        self.askers: list[str] = []
        self.news = asyncio.Condition()
        self.problems: dict[str, deque[Exception]] = defaultdict(deque)
        self.conversations: dict[str, Conversation] = {}
        self.begun: list[str] = []
        self.hold = ""
        self.held = asyncio.Event()
        self.release = asyncio.Event()

    async def start(self, heed: Heed | None = None) -> None:
        self.database = await Database.open(self.url)
        self.delivery = Delivery(
            self.database,
            self,
            self.handle,
            self.open_room,
            is_stop=lambda turn: turn.payload == Command("stop"),
            apology=lambda room: Reply("미안해요"),
            withdrawal=lambda room: Reply("그만둘게요"),
            heed=heed,
            retry_first=0.0,
            owner=self.owner or new_name(),
            shared=self.shared,
        )

    async def restart(self, heed: Heed | None = None) -> None:
        """Die where it stands, and be started again on the same file."""
        dying = asyncio.all_tasks() - {asyncio.current_task()}
        for task in dying:
            task.cancel()
        await asyncio.gather(*dying, return_exceptions=True)
        await self.database.close()
        self.hold = ""
        await self.start(heed)
        await self.delivery.recover()

    async def at(self, place: str) -> None:
        """A place where a test may hold this process up."""
        if place == self.hold:
            self.held.set()
            await self.release.wait()

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        await self.at(f"before sending {reply.text}")
        if self.problems[chat_id]:
            raise self.problems[chat_id].popleft()
        message_id = message_id or f"m{len(self.shown)}"
        self.shown.append((message_id, reply.text))
        self.askers.append(person_id)
        await self.at(f"after sending {reply.text}")
        async with self.news:
            self.news.notify_all()
        return message_id

    def open_room(self, turn: Turn, user: User, session: dict[str, Any]) -> Room:
        return Room(self.database, user, session, engine=cast(Any, None), today=date(2026, 11, 3))

    async def handle(self, turn: Turn, room: Room) -> AsyncIterator[Reply]:
        self.begun.append(turn.id)
        room.session.setdefault("heard", []).append(turn.id)
        room.write(taste.record, room.user.id, turn.id, "heard")
        room.write(self.committing, turn.id)
        async for reply in self.conversations.get(turn.id, self.echo)(turn, room):
            yield reply

    async def echo(self, turn: Turn, room: Room) -> AsyncIterator[Reply]:
        await self.at(f"in {turn.id}")
        yield Reply(f"{turn.id}!")

    async def thinking(self, turn: Turn, room: Room) -> AsyncIterator[Reply]:
        yield Reply("음…", slot="s", interim=True)
        await self.at(f"in {turn.id}")
        yield Reply(f"{turn.id}!", slot="s")

    async def failing(self, turn: Turn, room: Room) -> AsyncIterator[Reply]:
        yield Reply("음…", interim=True)
        yield Reply("거의")
        raise ValueError("no such book")

    async def committing(self, connection: AsyncConnection, turn_id: str) -> None:
        await self.at(f"committing {turn_id}")

    async def take_and_hold(self, turn: Turn, place: str) -> None:
        self.hold = place
        await self.delivery.take(turn)
        await self.before_all_is_done(self.held.wait())

    async def until_shown(self, *words: str) -> None:
        async def hear() -> None:
            async with self.news:
                await self.news.wait_for(lambda: set(words) <= set(self.texts()))

        await self.before_all_is_done(hear())

    async def until_stored(self) -> None:
        """Return when nothing is due any more."""
        while True:
            async with self.database.reading() as connection:
                due = select(schema.outbox.c.id).where(schema.outbox.c.sent_version < schema.outbox.c.version)
                if await connection.scalar(due) is None:
                    return
            await asyncio.sleep(0)

    async def before_all_is_done(self, something: Coroutine[Any, Any, object]) -> None:
        """Wait for something, and fail rather than hang when nothing is left that could bring it about."""
        hoped, settled = asyncio.create_task(something), asyncio.create_task(self.delivery.settle())
        await asyncio.wait({hoped, settled}, return_when=asyncio.FIRST_COMPLETED)
        settled.cancel()
        await asyncio.wait({settled})
        assert hoped.done(), f"it never came to {self.hold or 'that'}; shown: {self.texts()}"

    async def post(self, slot: str, words: str) -> None:
        """What another part of the program does that has something to say."""
        async with self.database.writing() as connection:
            body = Reply(words).to_json()
            await mail.post(connection, turn_id="j", platform=self.name, chat_id="c", slot=slot, body=body)
        self.delivery.wake()

    def texts(self) -> list[str]:
        return [words for _, words in self.shown]

    async def events(self) -> list[str]:
        """Ids of the turns handled, in the order of their commits."""
        async with self.database.reading() as connection:
            rows = await connection.scalars(
                select(schema.taste_events.c.item_id).order_by(schema.taste_events.c.id)
            )
            return list(rows)

    async def outcomes(self) -> dict[str, str | None]:
        async with self.database.reading() as connection:
            rows = await connection.execute(select(schema.inbox.c.turn_id, schema.inbox.c.outcome))
            return {row.turn_id: row.outcome for row in rows}

    async def session(self, person: str = "p", chat: str = "c") -> dict[str, Any]:
        async with self.database.writing() as connection:
            user = await users.ensure(connection, platform=self.name, platform_id=person, name="", locale="")
            return await sessions.load(connection, user.id, self.name, chat)

    async def heard(self, person: str = "p", chat: str = "c") -> list[str]:
        return list((await self.session(person, chat)).get("heard", []))


def turn(turn_id: str, payload: Payload | None = None, *, person: str = "p", chat: str = "c") -> Turn:
    return Turn(turn_id, Chat("test", chat), Person(person), payload or Press("x"), at=0.0)


def text(turn_id: str, *, person: str = "p", chat: str = "c") -> Turn:
    return turn(turn_id, Text(turn_id), person=person, chat=chat)


async def take(house: House, *turns: Turn) -> None:
    for each in turns:
        assert await house.delivery.take(each)
