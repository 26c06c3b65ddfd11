"""The persona: a taste in a few sentences, read, corrected in words or by a press, kept as it is or learning on.

```mermaid
stateDiagram-v2
  Learning --> Frozen: freeze
  Frozen --> Learning: thaw
  Learning --> Learning: a sentence about one's taste, one statement dropped
  Frozen --> Frozen: the same
```
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from zlib import crc32

from data.item import Domain
from engine import persona as told
from engine.request import Request
from handlers import memory
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn, number
from storage.personas import Persona

DROPS = 6
"""Statements that a message offers to drop."""


async def show(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """What is known of this taste, with the ways to change it; in a group only for the asker."""
    yield await _whole(turn, room)


async def state(turn: Turn, room: Room, said: Request) -> AsyncIterator[Reply]:
    """Keep what a sentence says of a taste: it holds for every later request that does not ask otherwise."""
    kept = await memory.persona(room)
    news = told.told(said)
    after = told.corrected(_requests(kept.corrections), news)
    memory.keep_persona(room, replace(kept, corrections=_plain(after)))
    say = room.words.say
    lines = []
    for statement in told.statements({str(d): r for d, r in news.items()}):
        key = "persona.kept_wish" if statement[1] == "wish" else "persona.kept_exclude"
        lines.append(say(key, name=told.label(statement, room.language)))
    if not lines:
        lines = [say("persona.kept")]
    if room.user.guest:
        lines.append(say("persona.guest"))
    domains = list(news) or list(Domain)
    yield Reply(
        text="\n".join(dict.fromkeys(lines)),
        choices=(
            *(Choice(say(f"button.begin.{domain}"), f"d:{domain}", 1) for domain in domains),
            Choice(say("button.persona"), "persona", 2),
        ),
    )


async def press(turn: Turn, room: Room, data: str) -> AsyncIterator[Reply]:
    """A persona button: nothing, freeze, thaw, or drop:PLACE:NAME of a statement."""
    verb, _, rest = data.partition(":")
    kept = await memory.persona(room)
    if verb in ("freeze", "thaw") and not room.user.guest:
        kept = replace(kept, frozen_at=turn.at if verb == "freeze" else None)
    elif verb == "drop":
        place, _, name = rest.partition(":")
        before = _requests(kept.corrections)
        every, at = told.statements(before), number(place)
        if at is None or at >= len(every) or _name(every[at]) != name:
            yield Reply(text=room.words.say("chat.stale"))
            return
        kept = replace(kept, corrections=_plain(told.without(before, every[at])))
    elif verb:
        yield Reply(text=room.words.say("chat.stale"))
        return
    if verb:
        memory.keep_persona(room, kept)
    yield await _whole(turn, room, kept, say=f"persona.{verb}" if verb else "")


async def _whole(turn: Turn, room: Room, kept: Persona | None = None, say: str = "") -> Reply:
    """The persona as one message; `kept` is what this turn made of it, `say` the key of what it did."""
    words = room.words
    kept = kept or await memory.persona(room)
    known = await memory.known_taste(room, kept)
    liked = await room.engine.items(known.liked[-told.LIKED_READ :])
    lines = told.describe(known, [liked[i] for i in known.liked if i in liked], room.language)
    head = [words.say(say)] if say else []
    if lines:
        head.append(words.say("persona.lead"))
    whole = [*head, *(f"· {line}" for line in lines)] if lines else [*head, words.say("persona.empty")]
    if kept.frozen_at is not None:
        whole.append(words.say("persona.frozen"))
    whole.append(words.say("persona.how"))
    every = told.statements(_requests(kept.corrections))
    drops = [
        Choice(
            words.say("button.drop", name=told.label(statement, room.language)),
            f"persona:drop:{place}:{_name(statement)}", 1 + n // 3,
        )
        for n, (place, statement) in enumerate(list(enumerate(every))[-DROPS:])
    ]  # fmt: skip
    verb = "thaw" if kept.frozen_at is not None else "freeze"
    steady = () if room.user.guest else (Choice(words.say(f"button.{verb}"), f"persona:{verb}", 8),)
    return Reply(
        text="\n".join(whole),
        choices=(*drops, *steady, Choice(words.say("button.survey"), "survey", 8)),
        slot=f"persona.{room.user.id}",
        private=turn.chat.kind != "private",
    )


def _requests(corrections: dict[str, dict[str, object]]) -> dict[str, Request]:
    return {domain: Request.from_dict(each) for domain, each in corrections.items()}


def _plain(told: dict[str, Request]) -> dict[str, dict[str, object]]:
    return {domain: request.to_dict() for domain, request in told.items()}


def _name(statement: tuple[str, str, str, str]) -> str:
    """A short mark of a statement: a button of an older list must not drop another one."""
    return f"{crc32(' '.join(statement).encode()):x}"
