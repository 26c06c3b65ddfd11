"""What the members of a round bring along: what is known of each, and above it what they told for this round.

It is read where picks are made, and nowhere shown. Knows neither how it is told (`wish.py`) nor what comes of it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from data.item import Domain
from engine.request import Request, union
from engine.taste import Taste
from handlers import board, memory
from handlers.turn import Turn
from storage import groups, sessions
from storage.groups import Member, Round

LIMITS: Final = ("allergens", "avoid", "diet")
OWN: Final = ("text", "moods", "body", *LIMITS)
"""What of a wish that was told in the group counts as its owner's own: it is not repeated there."""


def parted(wish: Request) -> tuple[Request, Request]:
    """A wish told in the group: what may be spoken of there, and what is its owner's own, the words too."""
    own: dict[str, Any] = {name: getattr(wish, name) for name in OWN}
    return reduce(Request.without, OWN, wish), Request(**own)


async def taste_of(connection: AsyncConnection, found: Round, member: Member) -> Taste:
    """The taste of a member: what is known of them, and above it what they told for this round."""
    talks = [
        await sessions.load(connection, member.user.id, found.platform, chat)
        for chat in member.answers.get("chats", ())
    ]
    known = await memory.taste_of_member(connection, member.user, talks)
    domains = tuple(Domain) if found.domain == board.ANY else (Domain(found.domain),)
    return known.told(told_by(member), domains)


def told_by(member: Member) -> Request:
    return Request.from_dict(member.answers.get("told", {}))


async def keep(connection: AsyncConnection, turn: Turn, key: int, user_id: int, told: Request | None) -> None:
    """Keep what a member wishes, in a transaction that holds the round: in place of what they wished before.

    What they can't eat is never replaced, and is read from their talk: from this one too, from now on.
    """
    member = await groups.member(connection, key, user_id)
    assert member is not None
    before = told_by(member)
    kept = before if told is None else told
    limits: dict[str, Any] = {name: union(getattr(before, name), getattr(kept, name)) for name in LIMITS}
    kept = replace(kept, **limits)
    chats = union(member.answers.get("chats", ()), (turn.chat.id,))
    answers = {**member.answers, "told": kept.to_dict(), "chats": chats, "at": turn.at}
    await groups.tell(connection, key, user_id, answers)
