"""The message that everybody but operators gets instead of an answer, while operators work on the bot."""

from __future__ import annotations

from collections.abc import AsyncIterator

from handlers import desk
from handlers.inquiry import LONGEST, plain
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn
from storage import operators
from storage.operators import Maintenance


def press(turn: Turn, room: Room, data: str) -> AsyncIterator[Reply] | None:
    """The replies to an operator's button, or None when it is forged or nobody's who is one."""
    if not room.operator:
        return None
    match data:
        case "":
            return _show(room)
        case "write":
            return _ask(turn, room)
        case "off":
            return _end(room)
    return None


async def take(turn: Turn, room: Room, about: str, text: str) -> AsyncIterator[Reply]:
    """Let what the operator wrote be the message."""
    say, words = room.words.say, plain(text)
    if not words:
        key = "maintenance.too_long" if words is None else "maintenance.ask"
        yield Reply(
            text=say(key, most=LONGEST), choices=(desk.wait(turn, room, "maintenance"),), private=True
        )
        return
    desk.leave(room)
    by = f"{turn.chat.platform}:{turn.person.id}"
    room.write(operators.begin_maintenance, Maintenance(words, by, turn.at))
    yield Reply(
        text="\n".join([say("maintenance.begun"), say("gate.maintenance", text=words)]),
        choices=(_off(room), desk.back(room)),
        private=True,
    )


async def _show(room: Room) -> AsyncIterator[Reply]:
    say = room.words.say
    told = await room.read(operators.maintenance)
    write = Choice(say("maintenance.change" if told else "maintenance.write"), "upkeep:write", 1)
    choices = (write, _off(room), desk.back(room)) if told else (write, desk.back(room))
    lines = [say("maintenance.on" if told else "maintenance.off")]
    if told:
        lines.append(told.text)
    yield Reply(text="\n".join(lines), choices=choices, private=True)


async def _ask(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    choices = (desk.wait(turn, room, "maintenance"),)
    yield Reply(text=room.words.say("maintenance.ask", most=LONGEST), choices=choices, private=True)


async def _end(room: Room) -> AsyncIterator[Reply]:
    room.write(operators.end_maintenance)
    yield Reply(text=room.words.say("maintenance.ended"), choices=(desk.back(room),), private=True)


def _off(room: Room) -> Choice:
    return Choice(room.words.say("maintenance.turn_off"), "upkeep:off", 2)
