"""What a group sees of a round: the one message that says who is in and what can be done, edited as it goes on.

It tells names and numbers only. What is shown is made inside the transaction that changes the round, so that of
two people who join at once neither is missing. Knows neither wishes nor votes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from data.item import Domain
from data.phrases import Phrases, phrases
from handlers.turn import Choice, Reply, Turn
from storage import groups, mail
from storage.groups import Member, Round

ANY: Final = "any"
"""The domain of a round that leaves it open."""
NAMED: Final = 5
"""How many members are named; of more, the others are counted."""
NAME_CHARS: Final = 20


def words_of(found: Round) -> Phrases:
    """The words of a round's language, that of whoever opened it."""
    return phrases("en" if found.settings.get("language") == "en" else "ko")


def slot(found: Round) -> str:
    """The slot of the round's message; a new one each time it is shown again at the bottom."""
    place = found.settings.get("place", 1)
    return f"round.{found.id}" if place == 1 else f"round.{found.id}.at{place}"


async def post(connection: AsyncConnection, turn: Turn, found: Round, reply: Reply) -> None:
    """Let the round's group be shown a reply, once the transaction at hand is committed.

    It is for nobody in particular: what belongs to a group stays when whoever pressed a button is forgotten.
    """
    await mail.post(
        connection,
        turn_id=turn.id,
        platform=found.platform,
        chat_id=found.chat_id,
        slot=reply.slot,
        body=reply.to_json(),
        exposure_id=reply.exposure,
    )


async def show(connection: AsyncConnection, turn: Turn, found: Round) -> None:
    """Bring the round's message up to date with who is in."""
    members = await groups.members(connection, found.id)
    await post(connection, turn, found, _running(found, members))


async def close(connection: AsyncConnection, turn: Turn, found: Round, key: str, title: str = "") -> None:
    """Let the round's message say how it ended; nothing can be pressed any more."""
    text = words_of(found).say(f"round.{key}", title=title)
    await post(connection, turn, found, Reply(text=text, slot=slot(found)))


def _running(found: Round, members: Sequence[Member]) -> Reply:
    say, state = words_of(found).say, "open" if found.state == "open" else "voting"
    lines = [
        say(f"round.{state}.{found.domain}" if state == "open" else "round.voting"),
        _present(found, members),
    ]
    if found.state == "open":
        asked = _asking(members)
        lines.append(say("round.asked", count=asked) if asked else say("round.how"))
        lines.append(say("round.until", time=found.settings.get("until", "")))
    return Reply(text="\n".join(lines), choices=tuple(_choices(found)), slot=slot(found))


def _present(found: Round, members: Sequence[Member]) -> str:
    say = words_of(found).say
    if not members:
        return say("round.nobody_yet")
    names = [name for each in members if (name := " ".join(each.user.name.split())[:NAME_CHARS])]
    shown = ", ".join(names[:NAMED])
    if rest := len(members) - len(names[:NAMED]):
        shown = f"{shown} +{rest}" if shown else ""
    return say("round.present" if shown else "round.count", count=len(members), names=shown)


def _choices(found: Round) -> list[Choice]:
    say, key = words_of(found).say, f"round:{found.id}"
    choices = [
        Choice(say("round.button.join"), f"{key}:join", 1),
        Choice(say("round.button.leave"), f"{key}:leave", 1),
        Choice(say("round.button.tell"), row=2, start=f"round-{found.id}-{found.token}"),
    ]
    if found.state == "open":
        choices.append(Choice(say("round.button.pick"), f"{key}:pick", 3))
        if found.settings.get("asks"):
            choices += [
                Choice(
                    ("✓ " if domain == found.domain else "") + say(f"round.button.{domain}"),
                    f"{key}:d:{domain}", 4,
                )
                for domain in (*Domain, ANY)
            ]  # fmt: skip
    choices.append(Choice(say("round.button.off"), f"{key}:off", 5))
    return choices


def _asking(members: Sequence[Member]) -> int:
    """How many ask for picks now."""
    return sum(bool(each.answers.get("asked")) for each in members)
