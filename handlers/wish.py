"""What a member of a round tells of their taste, in private: what they would like, what they can't eat.

Nobody else sees it, and it goes when the round is over; an allergy is kept as everywhere. Knows neither picks nor
votes.

```mermaid
stateDiagram-v2
  [*] --> Asked: the link in the group
  Asked --> Told: words, anything
  Told --> Told: said again
  Asked --> [*]: skip, ten minutes
  Told --> [*]: ten minutes, other talk
```
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import reduce
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from data.item import Domain
from engine.health import asks_permission
from engine.request import Request
from engine.taste import Taste
from engine.text import normalize
from handlers import board, forget, limits, members, memory, spoken, start
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn, number
from storage import groups
from storage.groups import Round

TELL_SECONDS: Final = 600
"""For how long after the question, and after each answer, words in the private chat are for the round."""
WISHES: Final = frozenset({"recommend", "taste"})
NOTHING: Final = frozenset({"no", "yes"})
"""Intents that answer the question with a wish, and with none."""
KEY: Final = "round"

Replies = AsyncIterator[Reply]


def awaited(turn: Turn, room: Room) -> bool:
    """Whether a text is the answer to what this person would like in a round."""
    _, at = room.session.get(KEY) or (0, 0.0)
    here = turn.chat.kind == "private" and not room.session.get("survey")
    return here and 0 <= turn.at - at <= TELL_SECONDS


def leave(room: Room) -> None:
    """Other talk begins: what is said next is not for the round."""
    room.session.pop(KEY, None)


async def enter(turn: Turn, room: Room, argument: str) -> Replies:
    """Come by the link of a group: into its round, and to the question what one would like."""
    _, raw, token = (*argument.split("-", 2), "", "")[:3]
    key = number(raw)
    found = await room.read(groups.get, key) if key is not None else None
    known = found is not None and bool(token) and found.platform == turn.chat.platform
    if found is None or not known or not secrets.compare_digest(found.token.encode(), token.encode()):
        async for reply in start.start(turn, room):
            yield reply
        return
    if found.over:
        yield Reply(text=room.words.say("round.over"), private=True)
        return
    if turn.chat.kind != "private":
        again = Choice(room.words.say("round.button.tell"), row=1, start=argument)
        yield Reply(text=room.words.say("round.tell_apart"), choices=(again,), private=True)
        return
    for name in ("survey", "loosen"):
        room.session.pop(name, None)
    room.write(_tell, turn, room, found.id, None)
    asked = _question(turn, room, found)
    yield replace(asked, text=" ".join(filter(None, (asked.text, await _unfit(room, found)))))


async def tell(turn: Turn, room: Room, text: str) -> Replies:
    """Keep what the words wish for the round; other words are for the conversation that they ask for."""
    clean = normalize(text)
    found = await _awaiting(room)
    answers_forget = forget.typed_answer(turn, room, clean)
    if found is None or not clean or asks_permission(clean) or answers_forget is not None:
        if found is None:
            leave(room)
        async for reply in answers_forget or spoken.replies_to(turn, room, text):
            yield reply
        return
    domain = None if found.domain == board.ANY else Domain(found.domain)
    said = await spoken.understand(room, clean, domain=domain)
    room.session["language"] = said.language
    if said.intent == "unclear":
        yield _question(turn, room, found, "tell_unclear")
    elif said.intent in WISHES | NOTHING:
        told = said.request if said.intent in WISHES else Request()
        yield await _kept(turn, room, found, told)
    else:
        leave(room)
        async for reply in spoken.conversation(turn, room, said):
            yield reply


async def press(turn: Turn, room: Room, found: Round, verb: str) -> Replies:
    """A button of the question: anything goes, skip, or tell once more."""
    if found.over:
        yield Reply(text=room.words.say("round.over"))
    elif verb == "tell":
        yield _question(turn, room, found)
    elif verb == "any":
        yield await _kept(turn, room, found, Request())
    else:
        leave(room)
        yield Reply(text=room.words.say("round.skipped"))


async def _awaiting(room: Room) -> Round | None:
    key, _ = room.session.get(KEY) or (0, 0.0)
    found = await room.read(groups.get, key)
    return found if found is not None and not found.over else None


def _question(turn: Turn, room: Room, found: Round, key: str = "tell") -> Reply:
    room.session[KEY] = [found.id, turn.at]
    say = room.words.say
    return Reply(
        text=say(f"round.{key}"),
        choices=(
            Choice(say("round.button.anything"), f"round:{found.id}:any", 1),
            Choice(say("button.skip"), f"round:{found.id}:skip", 1),
            Choice(say("button.change_allergies"), f"survey:{Domain.FOOD}:{limits.QUESTION}:ask", 2),
        ),
    )


async def _kept(turn: Turn, room: Room, found: Round, told: Request) -> Reply:
    room.session[KEY] = [found.id, turn.at]
    room.write(_tell, turn, room, found.id, None if _only_limits(told) else told)
    say = room.words.say
    lines = [say("round.told" if found.state == "open" else "round.told_late")]
    if names := limits.names_of(room, told.allergens, told.avoid):
        lines.append(say("round.told_limits", names=", ".join(names)))
    lines.append(await _unfit(room, found))
    again = Choice(say("round.button.again"), f"round:{found.id}:tell", 1)
    return Reply(text=" ".join(filter(None, lines)), choices=(again,))


async def _unfit(room: Room, found: Round) -> str:
    """What somebody who comes late should not vote for: picks that were made without what they can't eat."""
    shown = {each.item_id: each.body["title"] for each in await room.read(groups.picks, found.id)}
    known = await memory.known_taste(room)
    limited = Taste(allergens=known.allergens, avoid=known.avoid, diet=known.diet)
    if not shown or limited == Taste():
        return ""
    suiting = await room.engine.suiting(list(shown), limited)
    unfit = [title for item, title in shown.items() if item not in suiting]
    return room.words.say("round.unfit", names=", ".join(unfit)) if unfit else ""


def _only_limits(told: Request) -> bool:
    """Whether words said only what somebody can't eat, which the talk keeps, and nothing that they would like."""
    limited = any(getattr(told, name) for name in members.LIMITS)
    return limited and reduce(Request.without, members.LIMITS, told).is_open


async def _tell(connection: AsyncConnection, turn: Turn, room: Room, key: int, told: Request | None) -> None:
    """Take the person into the round, with what they told if they told something."""
    found = await groups.locked(connection, key)
    if found is None or found.over:
        return
    new = await groups.join(connection, key, room.user.id, turn.at)
    await members.keep(connection, turn, key, room.user.id, told)
    if new:
        await board.show(connection, turn, found)
