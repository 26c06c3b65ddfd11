"""Words of self-harm: warmth and the numbers of people who help, nothing to sell, nothing kept of what was said.

It comes before every other conversation and needs no engine. Also here: when a dish wants a word of caution.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from zlib import crc32

from data.phrases import phrases
from engine.distress import Concern, concern
from engine.health import tells_state
from engine.text import is_korean
from handlers.room import Room
from handlers.turn import Command, FormSubmitted, Reply, Text, Turn

WORDS = "care"
"""What the session holds of it until the next turn: which of the variants was said last."""


def of(turn: Turn) -> Concern | None:
    """Whom the words of a turn speak of harm to; None where the turn belongs to another conversation."""
    said = _said(turn)
    return concern(said) if said else None


async def answer(turn: Turn, room: Room, who: Concern) -> AsyncIterator[Reply]:
    """Warm words, the numbers, and that one may go on talking; in a group only for whoever wrote."""
    language = "ko" if is_korean(_said(turn)) else "en"
    place = room.session.get(WORDS, crc32(turn.id.encode())) + 1
    room.session |= {"language": language, WORDS: place}
    room.session.pop("survey", None)  # else the next words would be taken for the answer to a question of it
    say = phrases(language).say
    parts = (say(f"care.{who}", place), say("care.lines"), say(f"care.stay_{who}", place))
    yield Reply(text="\n\n".join(parts), private=turn.chat.kind != "private")


def leave(room: Room) -> None:
    """Forget that there was such a talk: an ordinary turn follows."""
    room.session.pop(WORDS, None)


def caution(text: str) -> str | None:
    """The key of a word of caution that any dish wants after this text: a state of health is told in it."""
    return "care.caution" if tells_state(text) else None


def _said(turn: Turn) -> str:
    """What a person wrote in a turn, a command's name included: an unknown one is mostly plain words."""
    match turn.payload:
        case Text(text=text):
            return text
        case Command(name=name, argument=argument):
            return f"{name} {argument}" if argument or not name.isascii() else ""
        case FormSubmitted(values=values):
            return "\n".join(values.values())
        case _:
            return ""
