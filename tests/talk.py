"""A person at the bot, for tests: turns go through the real delivery, and what it shows comes back."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from bot.app import App
from handlers.turn import Card, Chat, Choice, Command, Payload, Person, Press, Reply, Text, Turn


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything shown for one turn, in order."""

    replies: tuple[Reply, ...]

    @property
    def text(self) -> str:
        return "\n".join(reply.text for reply in self.replies)

    @property
    def cards(self) -> tuple[Card, ...]:
        return tuple(card for reply in self.replies for card in reply.cards)

    @property
    def ids(self) -> list[str]:
        return [card.id for card in self.cards]

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(choice for reply in self.replies for choice in reply.choices)

    @property
    def labels(self) -> list[str]:
        return [choice.label for choice in self.choices]

    @property
    def exposure(self) -> str:
        return next(reply.exposure for reply in self.replies if reply.exposure)

    def button(self, label: str) -> str:
        """What the button of that label sends; the one button that begins with it, if none is it wholly."""
        exact = [choice.data for choice in self.choices if choice.label == label]
        found = exact or [choice.data for choice in self.choices if choice.label.startswith(label)]
        assert found, f"no button {label!r} among {self.labels}"
        return found[0]


class Stage:
    """A platform that keeps what it is told to show. `name` is stored with the mail."""

    def __init__(self, app: App, name: str = "test") -> None:
        self.app, self.name = app, name
        self.loop: asyncio.AbstractEventLoop | None = None  # set where tests outside of it play
        self.delivery = app.delivery(self)
        self.shown: dict[str, list[Reply]] = defaultdict(list)
        self.screens: dict[str, dict[str, Reply]] = defaultdict(
            dict
        )  # of each chat: what each slot shows now

    async def send(
        self, chat_id: str, reply: Reply, *, turn_id: str, message_id: str | None, person_id: str
    ) -> str:
        self.shown[turn_id].append(reply)
        self.screens[chat_id][reply.slot or turn_id] = reply
        return message_id or f"m{len(self.shown)}"

    async def restart(self) -> None:
        """What a new process has in memory: nothing."""
        await self.delivery.close(60)
        self.delivery = self.app.delivery(self)
        await self.delivery.recover()


class Someone:
    """One person. The names of tests are in the ids of turns, so that each test has seeds of its own."""

    def __init__(self, stage: Stage, name: str, locale: str = "") -> None:
        self.stage, self.name, self.locale = stage, name, locale
        self.chat = "home"
        self.kind: Literal["private", "group", "thread"] = "private"
        self.group = ""
        """The id of a chat that others are in too."""
        self.called = ""
        """The name that the platform tells."""
        self.turns = 0
        self.ahead = 0.0
        """Seconds that this person's clock is ahead of the bot's."""
        self.last = Answer(())

    @property
    def there(self) -> Chat:
        """Where this person is: a chat of their own, or a group that others are in too."""
        return Chat(self.stage.name, self.group or f"{self.name}@{self.chat}", self.kind)

    async def sends(self, payload: Payload) -> Answer:
        self.turns += 1
        turn_id = f"{self.name}.{self.turns}"
        person = Person(self.name, self.called, self.locale)
        at = time.time() + self.ahead
        assert await self.stage.delivery.take(Turn(turn_id, self.there, person, payload, at))
        await self.stage.delivery.settle()
        self.last = Answer(tuple(self.stage.shown[turn_id]))
        return self.last

    async def says(self, text: str) -> Answer:
        return await self.sends(Text(text))

    async def commands(self, name: str, argument: str = "") -> Answer:
        return await self.sends(Command(name, argument))

    async def presses(self, data: str) -> Answer:
        return await self.sends(Press(data))

    async def taps(self, *labels: str) -> Answer:
        """Press the button of each label in the answer before it."""
        for label in labels:
            await self.presses(self.last.button(label))
        return self.last


async def at_once(person: Someone, *payloads: Payload) -> list[list[Reply]]:
    """What is shown for each turn, when none waits for the answer to the one before."""
    stage, ids = person.stage, []
    for payload in payloads:
        person.turns += 1
        ids.append(f"{person.name}.{person.turns}")
        chat = Chat(stage.name, f"{person.name}@{person.chat}")
        assert await stage.delivery.take(Turn(ids[-1], chat, Person(person.name), payload, time.time()))
    await stage.delivery.settle()
    return [list(stage.shown[turn_id]) for turn_id in ids]
