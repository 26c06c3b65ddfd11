"""One call of Telegram's: made when the chat bears it, and its refusals told as what they mean for what is to be sent."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, RetryAfter

from bot.outbox import SendLater, SendRefused
from bot.telegram.flow import Flow
from bot.telegram.recent import Recent

AWAY_FIRST, AWAY_MOST = 1.0, 30.0
"""Seconds before the second try while Telegram cannot be reached; each further wait is twice as long."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(eq=False)
class Calls:
    """The calls of one bot. `moved` tells where groups are now that have got another id."""

    flow: Flow
    moved: Recent[int, int] = field(default_factory=Recent)
    _away: dict[int, int] = field(default_factory=dict)  # chat → failures in a row

    async def within(self, chat: int, call: Callable[[], Awaitable[T]], edit: bool = False) -> T:
        """Make a call when the chat bears it.

        Raises:
            SendLater: it does not bear it yet, or Telegram is not there.
            SendRefused: it never will.
            ChatMigrated: the group has another id now.
            BadRequest: an edit was refused for its message or its content.
        """
        if (wait := self.flow.wait(chat, edit)) > 0:
            raise SendLater(wait)
        self.flow.spend(chat, edit)
        try:
            result = await call()
        except RetryAfter as late:
            seconds = seconds_of(late)
            self.flow.block(chat, seconds)
            raise SendLater(seconds) from late
        except Forbidden as refusal:
            raise SendRefused(refusal.message) from refusal
        except BadRequest as refusal:
            if edit:
                raise
            raise SendRefused(refusal.message) from refusal
        except InvalidToken:
            logger.critical("Telegram does not take the token (any more): check ONEULMWO_TELEGRAM_TOKEN.")
            raise SendLater(AWAY_MOST) from None  # its text holds the token
        except NetworkError as error:
            failures = self._away[chat] = self._away.get(chat, 0) + 1
            if len(self._away) == 1 and failures == 1:
                logger.warning(
                    "Telegram cannot be reached (%s); it will be tried again", type(error).__name__
                )
            raise SendLater(min(AWAY_FIRST * 2.0 ** min(failures - 1, 10), AWAY_MOST)) from error
        self._away.pop(chat, None)
        return result


def seconds_of(late: RetryAfter) -> float:
    """How long Telegram asks to wait."""
    after = late.retry_after
    return float(after) if isinstance(after, int) else after.total_seconds()
