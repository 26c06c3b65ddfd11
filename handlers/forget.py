"""Being forgotten: a question that says what goes, a button that counts once, and the proof that nothing is left.

```mermaid
stateDiagram-v2
  [*] --> Asked: forget me
  Asked --> Asked: 네, typed
  Asked --> [*]: no, or ten minutes
  Asked --> Gone: the button, once
  Gone --> Gone: what is left?
```
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping

from data.phrases import Phrases, phrases
from engine.lexicon import read
from handlers import ballot
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn
from storage import account

VALID_SECONDS = 600
"""How long the question may be answered."""
PENDING = "forget"


async def ask(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """What would be deleted, in counts, and the one button that does it."""
    nonce = secrets.token_hex(4)
    room.session[PENDING] = [nonce, turn.at]
    held = await room.read(account.counts, room.user.id)
    lines = [
        room.words.say("forget.ask"),
        *_listed(room.words, {subject: count for subject, count in held.items() if count}),
        room.words.say("forget.settings"),
        room.words.say("forget.final"),
    ]
    yield Reply(text="\n".join(lines), choices=_choices(room, nonce), private=True)


def typed_answer(turn: Turn, room: Room, text: str) -> AsyncIterator[Reply] | None:
    """The replies to a typed yes or no while the question stands, or None for any other text."""
    word = text.lower().strip(" .!~")
    words = read("dialogue")["words"]
    if _standing(turn, room) is None:
        return None
    if word in words["yes"]:
        return _remind(turn, room)
    return _spare(turn, room) if word in words["no"] else None


def press(turn: Turn, room: Room, data: str) -> AsyncIterator[Reply] | None:
    """The replies to a button about forgetting, or None for one that is forged, old or used."""
    verb, _, value = data.partition(":")
    nonce = _standing(turn, room)
    match verb:
        case "":
            return ask(turn, room)
        case "no":
            return _spare(turn, room)
        case "yes" if nonce is not None and secrets.compare_digest(nonce.encode(), value.encode()):
            return _forget(turn, room)
        case "left":
            return _left(turn, room, phrases("en" if value == "en" else "ko"))
    return None


async def _forget(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    words = room.words
    held = await room.read(account.counts, room.user.id)
    await ballot.vanish(turn, room)
    room.write(account.forget, room.user.id, turn.id)
    lines = [
        words.say("forget.done"),
        *_listed(words, {subject: count for subject, count in held.items() if count}),
        words.say("forget.settings"),
        words.say("forget.unsafe"),
        words.say("forget.chat"),
    ]
    check = Choice(words.say("button.forget_left"), f"forget:left:{words.language}", 1)
    # Whatever is in the session would be stored for somebody who is not there any more.
    room.session.clear()
    yield Reply(text="\n".join(lines), choices=(check,), private=True)


async def _left(turn: Turn, room: Room, words: Phrases) -> AsyncIterator[Reply]:
    """What is stored now, subject by subject."""
    held = await room.read(account.counts, room.user.id)
    nothing = not any(held.values())
    lines = [words.say("forget.left"), *_listed(words, held)]
    lines.append(words.say("forget.nothing_left" if nothing else "forget.new_since"))
    if set(room.session) <= {"at"}:  # nor leaves the question a talk behind
        room.session.clear()
    again = () if nothing else (Choice(words.say("button.forget"), "forget", 1),)
    yield Reply(text="\n".join(lines), choices=again, private=True)


async def _spare(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    room.session.pop(PENDING, None)
    yield Reply(text=room.words.say("forget.spared"), private=True)


async def _remind(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    nonce = _standing(turn, room) or ""
    yield Reply(text=room.words.say("forget.only_button"), choices=_choices(room, nonce), private=True)


def _standing(turn: Turn, room: Room) -> str | None:
    """The nonce of the question, while it may be answered."""
    nonce, at = room.session.get(PENDING) or ("", 0.0)
    return nonce if nonce and 0 <= turn.at - at <= VALID_SECONDS else None


def _choices(room: Room, nonce: str) -> tuple[Choice, ...]:
    say = room.words.say
    return (
        Choice(say("button.forget_yes"), f"forget:yes:{nonce}", 1),
        Choice(say("button.forget_no"), "forget:no", 1),
    )


def _listed(words: Phrases, held: Mapping[str, int]) -> list[str]:
    return [words.say(f"forget.subject.{subject}", count=count) for subject, count in held.items()]
