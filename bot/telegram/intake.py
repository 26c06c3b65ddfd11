"""Updates taken: each becomes a turn that is stored before Telegram is told so, or an inline query answered at once.

Knows neither how updates arrive (`polling.py`, `webhook.py`) nor what is said to them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from telegram import Bot, CallbackQuery, InlineQuery, Poll, Update
from telegram import PollAnswer as Vote

from bot.delivery import Delivery
from bot.telegram.adapter import Telegram
from bot.telegram.updates import Me, Moved, chat_named, person_of, pressed, read, turn_id
from handlers.turn import CLOCK, Payload, Person, PollAnswer, PollClosed, Press, Turn

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Intake:
    """Takes the updates of one bot. `offer` hears inline queries, and sees to them by itself."""

    bot: Bot
    platform: Telegram
    delivery: Delivery
    me: Me
    offer: Callable[[InlineQuery], None]

    async def take(self, raw: Any) -> None:
        """See to an update as Telegram sent it; one that cannot be read is logged and left.

        Returns once its turn is stored. Raises whatever kept it from being stored.
        """
        if (update := self._read(raw)) is None:
            return
        turn = await self._turn(update)
        if isinstance(turn, Moved):
            await self.platform.moved(turn.old, turn.new)
        elif turn is not None:
            await self.delivery.take(turn)

    def _read(self, raw: Any) -> Update | None:
        if not (isinstance(raw, dict) and isinstance(raw.get("update_id"), int)):
            logger.warning("Telegram sent something that is no update")
            return None
        try:
            return Update.de_json(raw, self.bot)
        except Exception as error:  # noqa: BLE001 - the library checks nothing, so anything may come of it
            # without the error's own text, which may quote what a person said
            logger.warning(
                "Update %s cannot be read (%s) and is left", raw["update_id"], type(error).__name__
            )
            return None

    async def _turn(self, update: Update) -> Turn | Moved | None:
        if (query := update.callback_query) is not None:
            return await self._press(update.update_id, query)
        if (vote := update.poll_answer) is not None:
            return await self._vote(update.update_id, vote)
        if (poll := update.poll) is not None:
            return await self._closed(update.update_id, poll)
        if (asked := update.inline_query) is not None:
            self.offer(asked)
            return None
        return read(update, self.me)

    async def _press(self, update_id: int, query: CallbackQuery) -> Turn | None:
        where, turn = pressed(query), turn_id(update_id, self.me)
        self.platform.signs.press(turn, query.id)
        if where is None:
            return None
        chat, message = where
        data = await self.platform.buttons.said(query.data or "")
        return Turn(turn, chat, person_of(query.from_user), Press(data or ""), time.time(), str(message))

    async def _vote(self, update_id: int, vote: Vote) -> Turn | None:
        if vote.user is None:
            return None
        return await self._of_poll(
            update_id,
            vote.poll_id,
            person_of(vote.user),
            lambda slot: PollAnswer(slot, tuple(vote.option_ids)),
        )

    async def _closed(self, update_id: int, poll: Poll) -> Turn | None:
        if not poll.is_closed:
            return None
        votes = tuple(option.voter_count for option in poll.options)
        return await self._of_poll(update_id, poll.id, CLOCK, lambda slot: PollClosed(slot, votes))

    async def _of_poll(
        self, update_id: int, poll_id: str, person: Person, payload: Callable[[str], Payload]
    ) -> Turn | None:
        found = await self.platform.asked(poll_id)
        if found is None:
            return None
        chat_id, slot = found
        turn = turn_id(update_id, self.me)
        return Turn(turn, chat_named(chat_id), person, payload(slot), time.time())
