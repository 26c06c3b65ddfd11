"""The sender: what the outbox holds is shown by the platform, in order, until the platform has it.

Knows no turn's story: what was posted is due, whoever posted it. One window stays open: a kill after the
platform showed a message and before its id was stored shows that message once more; so does a process that
stands still just there for so long that another takes its place.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.presence import Presence
from bot.tasks import Tasks, wholly
from handlers.room import Write
from handlers.turn import Reply, Turn
from storage import mail
from storage.database import Database
from storage.mail import Outgoing

logger = logging.getLogger(__name__)


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

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        """Show the reply, or edit that message into it; the platform's id of the message that now shows it.

        `person_id` is who asked, on the turn's platform: the only one to see a `Reply.private`. It is empty
        where nobody did, as for what another part of the program posts.

        Raises:
            SendLater: try this chat again after a while.
            SendRefused: it can never be shown.
        """


async def notify(connection: AsyncConnection, reply: Reply) -> None:
    """Post a reply that answers no turn, and so names its slot, its chat and whom it is for.

    It is nobody's, until a process that serves that platform looks.
    """
    assert reply.chat is not None
    await mail.post(
        connection,
        turn_id=reply.slot,
        platform=reply.chat.platform,
        chat_id=reply.chat.id,
        slot=reply.slot,
        body=reply.to_json(),
        person_id=reply.person,
    )


@dataclass(slots=True, eq=False)
class Outbox:
    """The sender of one platform: chats side by side, one message at a time in each.

    Other processes may serve it too; each sends what is its own. `shared` is the delivery's.
    """

    database: Database
    platform: Platform
    tasks: Tasks
    presence: Presence
    shared: bool = True
    _sending: dict[str, bool] = field(default_factory=dict, init=False)  # a chat: whether it is to look again
    _begun: int = field(default=0, init=False)  # how often `begin` was called
    _dispatcher: asyncio.Task[None] | None = field(default=None, init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def wake(self) -> None:
        """Send what is due, whoever has posted it."""
        self._woken.set()
        if self._dispatcher is None or self._dispatcher.done():
            self._dispatcher = self.tasks.spawn(self._dispatch())

    async def post(self, connection: AsyncConnection, turn: Turn, reply: Reply) -> None:
        """Let the reply be what its slot shows next; it is sent after the commit, once the sender is woken."""
        chat = reply.chat or turn.chat
        await mail.post(
            connection,
            turn_id=turn.id,
            platform=chat.platform,
            chat_id=chat.id,
            slot=reply.slot or turn.id,
            person_id=reply.person or turn.person.id,
            body=reply.to_json(),
            exposure_id=reply.exposure,
            owner=self.presence.owner if chat.platform == self.platform.name else "",
            follow=self.shared,
        )

    async def look(self, connection: AsyncConnection, chat_id: str | None = None) -> list[Outgoing]:
        """What is due, as the transaction at hand leaves it, for `begin`."""
        return await mail.due(connection, self.platform.name, self.presence.owner, chat_id)

    def begin(self, due: Iterable[Outgoing]) -> None:
        """Send what the transaction that has just ended saw as due.

        To be called before anything else is awaited. That something was sent is stored in a transaction too, and
        they go one by one: so nobody has sent any of this since, but for a chat whose sender is still at work.
        """
        self._begun += 1
        for chat_id, all_of_it in _by_chat(due).items():
            self._send_in(chat_id, all_of_it)

    async def _dispatch(self) -> None:
        """Start a sender for each chat that has something due and none at work."""
        while self._woken.is_set():
            self._woken.clear()
            busy, begun = set(self._sending), self._begun
            by_chat = _by_chat(await self.tasks.insist(self._due))
            if self._begun != begun:
                self._woken.set()  # another began to send since: some of this may have been sent
                continue
            for chat_id, due in by_chat.items():
                if chat_id not in self._sending and chat_id in busy:
                    self._woken.set()  # its sender ended since: likewise
                else:
                    self._send_in(chat_id, due)

    def _send_in(self, chat_id: str, due: list[Outgoing]) -> None:
        if chat_id in self._sending:
            self._sending[chat_id] = True
        else:
            self._sending[chat_id] = False
            self.tasks.spawn(self._send_to(chat_id, due))

    async def _send_to(self, chat_id: str, due: list[Outgoing]) -> None:
        """Send what is due in one chat, always the latest version, until nothing is."""
        failures = 0
        while due:
            if not self.presence.sure:
                # After standing still: what was this process' own may have been sent by another since.
                due = await self.tasks.insist(partial(self._ascertain, chat_id))
                continue
            try:
                settled = await self._send(due[0])
            except SendLater as later:
                wait = later.seconds
            except Exception:
                logger.exception("Sending for turn %s failed and will be tried again", due[0].turn_id)
                failures += 1
                wait = self.tasks.backoff(failures)
            else:
                self._sending[chat_id] = False
                # Tried for itself, and not given up when it is time to stop, because sending again would
                # show the message twice.
                due = await wholly(self.tasks.insist(partial(self._settle, settled, chat_id)))
                failures = 0
                continue
            if not await self.tasks.pause(wait):
                return
            due = await self.tasks.insist(partial(self._due, chat_id))
        if self._sending.pop(chat_id):
            self.wake()

    async def _send(self, outgoing: Outgoing) -> Write:
        """Hand it to the platform; what is to be stored about it."""
        try:
            reply = Reply.from_json(outgoing.body)
        except ValidationError:
            return partial(mail.undeliverable, outgoing=outgoing, reason="of another version")
        try:
            message_id = await self.platform.send(
                outgoing.chat_id,
                reply,
                turn_id=outgoing.turn_id,
                message_id=outgoing.message_id,
                person_id=outgoing.person_id,
            )
        except SendRefused as refusal:
            logger.warning("A reply to turn %s is undeliverable: %s", outgoing.turn_id, refusal)
            return partial(mail.undeliverable, outgoing=outgoing, reason=str(refusal))
        return partial(mail.sent, outgoing=outgoing, message_id=message_id, at=time.time())

    async def _due(self, chat_id: str | None = None) -> list[Outgoing]:
        async with self.database.reading() as connection:
            return await self.look(connection, chat_id)

    async def _ascertain(self, chat_id: str) -> list[Outgoing]:
        return await self.presence.beat(partial(self.look, chat_id=chat_id))

    async def _settle(self, settled: Write, chat_id: str) -> list[Outgoing]:
        """Store what came of sending, and look what is due now."""
        async with self.database.writing() as connection:
            await settled(connection)
            return await self.look(connection, chat_id)


def _by_chat(due: Iterable[Outgoing]) -> dict[str, list[Outgoing]]:
    by_chat: dict[str, list[Outgoing]] = {}
    for outgoing in due:
        by_chat.setdefault(outgoing.chat_id, []).append(outgoing)
    return by_chat
