"""Hello, help, small talk, and what to say when nothing was understood."""

from __future__ import annotations

from collections.abc import AsyncIterator

from data.item import Domain
from handlers import memory
from handlers.recommend import seed_of
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn
from storage import users


async def start(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """A greeting, with a first pick one press away; the talk begins anew."""
    for key in ("request", "talk", "exposure", "focus", "survey", "loosen", "nearby"):
        room.session.pop(key, None)
    yield Reply(text=room.words.say("start.hello", seed_of(turn.id)), choices=_begin(room, survey=True))


async def help_(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """What one can say, with examples to press."""
    examples = room.words.variants("help.examples")
    choices = tuple(Choice(example, f"say:{place}", 1 + place // 2) for place, example in enumerate(examples))
    yield Reply(text=room.words.say("help.text"), choices=choices)


async def guest(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """Turn guest mode on or off; what was remembered before stays until it is asked to go."""
    now = not room.user.guest
    room.write(users.set_guest, room.user.id, now)
    for key in memory.OF_TALK:
        room.session.pop(key, None)
    say = room.words.say
    yield Reply(
        text=say("guest.on" if now else "guest.off"),
        choices=(*_begin(room), Choice(say("button.guest_off" if now else "button.guest_on"), "guest", 3)),
    )


async def small_talk(turn: Turn, room: Room, kind: str) -> AsyncIterator[Reply]:
    """A greeting, thanks, "ㅋㅋ", "stop": answered, and led back to what the bot is for."""
    choices = _begin(room) if kind != "stop" else ()
    if choices and (exposure := room.session.get("exposure")):
        choices += (Choice(room.words.say("button.more"), f"more:{exposure}", 2),)
    yield Reply(text=room.words.say(f"small.{kind}", seed_of(turn.id)), choices=choices)


async def unclear(turn: Turn, room: Room, key: str = "unclear") -> AsyncIterator[Reply]:
    """A gentle question when a turn says nothing that can be answered; `key` names the words for the case."""
    # what one presses in vain in a group is nobody else's business
    alone = key == "stale" and turn.chat.kind != "private"
    yield Reply(text=room.words.say(f"chat.{key}", seed_of(turn.id)), choices=_begin(room), private=alone)


def _begin(room: Room, survey: bool = False) -> tuple[Choice, ...]:
    say = room.words.say
    choices = [Choice(say(f"button.begin.{domain}"), f"d:{domain}", 1) for domain in Domain]
    if survey:
        choices.append(Choice(say("button.survey"), "survey", 2))
        choices.append(Choice(say("button.help"), "help", 2))
    return tuple(choices)
