"""What an operator was asked to write: the next text is it, unless something else is done first.

Knows not what comes of it (`router.DESK`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from handlers.inquiry import AWAITED_SECONDS
from handlers.room import Room
from handlers.turn import Choice, Command, Press, Reply, Text, Turn

AWAITED = "desk"


def wait(turn: Turn, room: Room, what: str, about: str = "") -> Choice:
    """Let the next text be that; the button that calls it off."""
    room.session[AWAITED] = [what, about, turn.at]
    return Choice(room.words.say("button.cancel"), "desk:cancel", 9)


def awaited(turn: Turn, room: Room) -> tuple[str, str] | None:
    """What this turn's text is, and about what; a command or a button instead ends the waiting."""
    if isinstance(turn.payload, Command | Press) or not room.operator:
        leave(room)
    if not isinstance(turn.payload, Text) or (kept := room.session.get(AWAITED)) is None:
        return None
    what, about, at = kept
    return (what, about) if 0 <= turn.at - at <= AWAITED_SECONDS else None


def leave(room: Room) -> None:
    room.session.pop(AWAITED, None)


async def cancel(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    leave(room)
    yield Reply(text=room.words.say("desk.cancelled"), choices=(back(room),), private=True)


def back(room: Room) -> Choice:
    """The button that leads to the panel."""
    return Choice(room.words.say("desk.panel"), "job:panel", 10)
