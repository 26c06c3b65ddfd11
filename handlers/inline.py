"""Picks offered while somebody types in any chat: no turn but a query, read-only, nothing of it remembered.

Limits and tastes that are remembered of the person hold here as everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.distress import concern
from engine.health import asks_permission
from engine.request import Request
from engine.text import normalize
from handlers import memory
from handlers.recommend import card, introduction
from handlers.room import Room
from handlers.turn import Card

OFFERED: Final = 8


async def offer(room: Room, text: str) -> tuple[str, tuple[Card, ...]]:
    """What is said above the picks, and the picks for what is typed so far, for "anything" where that is nothing.

    None where no product must be offered: after words of self-harm, and to who asks what they may eat.
    """
    clean = normalize(text)
    if concern(clean) or asks_permission(clean):
        return "", ()
    said = await room.engine.understand(clean, this_year=room.today.year) if clean else None
    request = replace(said.request if said else Request(), count=OFFERED)
    known = await memory.known_taste(room)
    found = await room.engine.recommend(request, known, language=room.language)
    if not found.picks:
        return "", ()
    return introduction(room.words, request, known, found), tuple(card(pick) for pick in found.picks)
