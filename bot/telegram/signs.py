"""What is seen in Telegram before there is an answer: "typing", and a pressed button that is being seen to.

All of it is a courtesy: what Telegram refuses of it is let go.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import TelegramError

from bot.tasks import Tasks
from bot.telegram.recent import Recent
from bot.telegram.updates import place
from handlers.turn import Command, Text, Turn

TYPING_AFTER, TYPING_AGAIN, TYPING_FOR = 0.03, 4.5, 20.0
"""Seconds until "typing" is shown, till it is shown again, and at most: Telegram shows it for five."""
PRESS_SECONDS: Final = 1.0
"""How long a pressed button shows that it is being seen to, unless an answer comes before."""


@dataclass(eq=False)
class Signs:
    """The signs of one bot, and what goes on beside its answers."""

    bot: Bot
    tasks: Tasks = field(default_factory=Tasks)
    _presses: Recent[str, str] = field(default_factory=Recent)  # turn → query
    _typing: dict[str, asyncio.Event] = field(default_factory=dict)

    def working(self, turn: Turn) -> None:
        """Show that a question is being seen to, if its answer takes a moment."""
        if isinstance(turn.payload, Text | Command) and turn.chat.id not in self._typing:
            answered = self._typing[turn.chat.id] = asyncio.Event()
            task = self.tasks.spawn(self._type(turn.chat.id, answered))
            task.add_done_callback(lambda _: self._typing.pop(turn.chat.id, None))

    def answered(self, chat_id: str) -> None:
        """There is an answer in that chat."""
        if (answered := self._typing.get(chat_id)) is not None:
            answered.set()

    def press(self, turn_id: str, query: str) -> None:
        """A button was pressed: Telegram shows that as long as nobody says that it was seen."""
        self._presses[turn_id] = query
        self.tasks.spawn(self._let_go(turn_id))

    def is_pressed(self, turn_id: str) -> bool:
        """Whether a turn is a press that nobody has said anything to."""
        return turn_id in self._presses

    async def acknowledge(self, turn_id: str, text: str = "") -> None:
        """Tell Telegram that a pressed button was seen, with some words if there are any."""
        if (query := self._presses.pop(turn_id, None)) is not None:
            with suppress(TelegramError):  # too old, or answered before a restart
                await self.bot.answer_callback_query(query, text or None, show_alert=bool(text))

    def acknowledge_soon(self, turn_id: str) -> None:
        """The same beside everything else."""
        self.tasks.spawn(self.acknowledge(turn_id))

    async def close(self) -> None:
        """Stop what goes on."""
        await self.tasks.stop(0)

    async def _let_go(self, turn_id: str) -> None:
        await asyncio.sleep(PRESS_SECONDS)
        await self.acknowledge(turn_id)

    async def _type(self, chat_id: str, answered: asyncio.Event) -> None:
        # a call is never broken off: its connection would be lost with it
        chat, thread = place(chat_id)
        ends, pause = time.monotonic() + TYPING_FOR, TYPING_AFTER
        with suppress(TelegramError):
            while time.monotonic() < ends:
                with suppress(TimeoutError):
                    await asyncio.wait_for(answered.wait(), pause)
                    break
                await self.bot.send_chat_action(chat, ChatAction.TYPING, message_thread_id=thread)
                pause = TYPING_AGAIN
