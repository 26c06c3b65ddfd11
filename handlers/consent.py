"""Whether moods, body states and allergies may be remembered: asked in plain words, given and taken back at any time.

```mermaid
stateDiagram-v2
  [*] --> Explained: not given
  [*] --> Warned: given
  Explained --> Given: yes
  Explained --> Refused: no
  Warned --> Refused: delete them
  Warned --> Given: keep them
```
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from engine.taste import taste_of
from handlers import memory
from handlers.limits import all_of
from handlers.recommend import discreet
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn
from storage import account, taste


async def ask(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """What consent means and what would be remembered; or, where it was given, what would be deleted."""
    say = room.words.say
    if room.user.guest and not room.user.consent:
        yield _guest(room)
        return
    if not room.user.consent:
        choices = (
            Choice(say("button.consent_yes"), "consent:yes", 1),
            Choice(say("button.consent_no"), "consent:no", 1),
        )
        yield Reply(text=say("consent.ask"), choices=choices, private=True)
        return
    limits = await _remembered_limits(room)
    held = await room.read(account.counts, room.user.id)
    lines = [
        say("consent.warning"),
        say("consent.goes.surveys", count=held["surveys"]),
        say("consent.goes.limits", names=", ".join(limits)) if limits else "",
        say("consent.goes.exposures", count=held["exposures"]),
        say("consent.stays"),
    ]
    choices = (
        Choice(say("button.consent_erase"), "consent:erase", 1),
        Choice(say("button.consent_keep"), "consent:stay", 1),
    )
    yield Reply(text="\n".join(filter(None, lines)), choices=choices, private=True)


def press(turn: Turn, room: Room, verb: str) -> AsyncIterator[Reply] | None:
    """The replies to a button about consent, or None for a forged one."""
    match verb:
        case "":
            return ask(turn, room)
        case "no" if room.user.consent:
            return ask(turn, room)
        case "yes":
            return _give(turn, room)
        case "no":
            return _refuse(turn, room)
        case "erase":
            return _erase(turn, room)
        case "stay":
            return _stay(turn, room)
    return None


async def _give(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    if room.user.guest:
        yield _guest(room)
        return
    await memory.remember_talk(room)
    yield _done(room, "consent.given")


async def _refuse(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    memory.agree(room, False)
    yield _done(room, "consent.refused")


async def _stay(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    yield _done(room, "consent.kept" if room.user.consent else "consent.refused")


async def _erase(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    limits = await _remembered_limits(room)
    memory.agree(room, False)
    room.write(account.make_discreet, room.user.id, discreet)
    say = room.words.say
    lines = [say("consent.erased"), say("consent.unsafe", names=", ".join(limits)) if limits else ""]
    yield Reply(text="\n".join(filter(None, lines)), choices=_back(room), private=True)


async def _remembered_limits(room: Room) -> list[str]:
    return all_of(room, taste_of(await room.read(taste.answers, room.user.id), ()))


def _guest(room: Room) -> Reply:
    """Nothing is remembered of a guest: to agree, somebody has to be one no longer."""
    say = room.words.say
    return Reply(
        text=say("consent.guest"), choices=(Choice(say("button.guest_off"), "guest", 1),), private=True
    )


def _done(room: Room, key: str) -> Reply:
    return Reply(text=room.words.say(key), choices=_back(room), private=True)


def _back(room: Room) -> tuple[Choice, ...]:
    return (Choice(room.words.say("button.profile"), "profile", 1),)
