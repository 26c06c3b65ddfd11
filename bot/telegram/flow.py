"""How fast a bot may speak, so that Telegram need not say no: so much a chat, so much in all.

The limits are those of https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this. Knows no
message; whoever must wait is told for how long, and what was to be said may be newer by then.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

CHAT_SECONDS: Final = 1.0
"""Between two messages in one chat."""
GROUP_MESSAGES, GROUP_SECONDS = 20, 60.0
"""So many messages and edits in so many seconds in one group."""
EDIT_SECONDS: Final = 0.5
"""Between two edits in a private chat: pressing a button may be answered at once, growing text need not be."""
GROUP_EDIT_SECONDS: Final = 3.0
"""Between two edits in a group."""
MESSAGES_A_SECOND: Final = 30
"""In all chats together."""
SWEPT_AFTER: Final = 1_000
"""Chats remembered before those are forgotten that may speak anyway."""


@dataclass(slots=True)
class _Chat:
    sent: deque[float] = field(default_factory=deque)
    message_from: float = 0.0
    edit_from: float = 0.0
    all_from: float = 0.0


@dataclass(slots=True, eq=False)
class Flow:
    """The pace of one bot. `clock` tells seconds."""

    clock: Callable[[], float] = time.monotonic
    _chats: dict[int, _Chat] = field(default_factory=dict, init=False)
    _sent: deque[float] = field(default_factory=deque, init=False)

    def wait(self, chat: int, edit: bool = False) -> float:
        """Seconds until the next message, or edit, may go into a chat; 0 when it may now."""
        now, here = self.clock(), self._chats.get(chat)
        free = [now]
        if len(self._sent) >= MESSAGES_A_SECOND:
            free.append(self._sent[-MESSAGES_A_SECOND] + 1.0)
        if here is not None:
            free += [here.all_from, here.edit_from if edit else here.message_from]
            if chat < 0 and len(here.sent) >= GROUP_MESSAGES:
                free.append(here.sent[-GROUP_MESSAGES] + GROUP_SECONDS)
        return max(free) - now

    def spend(self, chat: int, edit: bool = False) -> None:
        """A message, or an edit, goes into a chat."""
        now = self.clock()
        if len(self._chats) > SWEPT_AFTER:
            self._sweep(now)
        here = self._chats.setdefault(chat, _Chat())
        if edit:
            here.edit_from = now + (GROUP_EDIT_SECONDS if chat < 0 else EDIT_SECONDS)
        else:
            here.message_from = now + CHAT_SECONDS
        for times, most in ((self._sent, MESSAGES_A_SECOND), (here.sent, GROUP_MESSAGES)):
            times.append(now)
            while len(times) > most:
                times.popleft()

    def block(self, chat: int, seconds: float) -> None:
        """Telegram takes nothing in a chat for so long."""
        self._chats.setdefault(chat, _Chat()).all_from = self.clock() + seconds

    def _sweep(self, now: float) -> None:
        self._chats = {
            chat: here
            for chat, here in self._chats.items()
            if max(here.all_from, (here.sent[-1] + GROUP_SECONDS) if here.sent else 0.0) > now
        }
