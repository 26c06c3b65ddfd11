"""Writing to the operators: the text is taken as it is, and the answer comes back to where it was asked.

What is written is shown as plain text to people only; nothing of it is understood.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from engine.text import normalize
from handlers.room import Room
from handlers.turn import Choice, Command, Press, Reply, Text, Turn
from storage import inquiries

LONGEST = 1_000
"""Characters of an inquiry, and of an answer to one."""
OPEN_MOST = 5
"""Inquiries of one person that may wait for an answer."""
LISTED = 5
EXCERPT = 120
AWAITED_SECONDS = 1_800
"""How long after it was asked for the next text is the inquiry."""
AWAITED = "inquiry"


def awaited(turn: Turn, room: Room) -> bool:
    """Whether this turn is the text of an inquiry; a command or a button instead ends the waiting."""
    if isinstance(turn.payload, Command | Press):
        room.session.pop(AWAITED, None)
    at = room.session.get(AWAITED)
    return isinstance(turn.payload, Text) and at is not None and 0 <= turn.at - at <= AWAITED_SECONDS


async def begin(turn: Turn, room: Room, text: str = "") -> AsyncIterator[Reply]:
    """Take an inquiry, or ask what it is: then the next text is it."""
    if await room.read(inquiries.count_open, room.user.id) >= OPEN_MOST:
        room.session.pop(AWAITED, None)
        yield _full(room)
    elif text.strip():
        yield await _taken(turn, room, text)
    else:
        yield _asked(turn, room, "inquiry.ask")


async def cancel(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    room.session.pop(AWAITED, None)
    yield Reply(text=room.words.say("inquiry.cancelled"), private=True)


async def mine(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """The person's inquiries with their answers, newest first."""
    say = room.words.say
    asked = await room.read(inquiries.of_user, room.user.id, LISTED)
    lines = [say("inquiry.mine") if asked else say("inquiry.none")]
    for each in asked:
        lines.append(say("inquiry.line", number=each.id, text=excerpt(each.text)))
        lines.append(say("inquiry.answer", text=each.answer) if each.answer else say("inquiry.waiting"))
    choices = (Choice(say("button.inquiry"), "inquiry", 1),)
    yield Reply(text="\n".join(lines), choices=choices, private=True)


def press(turn: Turn, room: Room, verb: str) -> AsyncIterator[Reply] | None:
    """The replies to a button about inquiries, or None for a forged one."""
    match verb:
        case "":
            return begin(turn, room)
        case "cancel":
            return cancel(turn, room)
        case "mine":
            return mine(turn, room)
    return None


def plain(text: str) -> str | None:
    """The text line by line without what hides or steers, or None when it is too long."""
    if len(text) > 4 * LONGEST:
        return None
    lines = [normalize(line, LONGEST + 1) for line in text.strip().splitlines()]
    whole = "\n".join(lines).strip()
    return whole if len(whole) <= LONGEST else None


def excerpt(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else f"{line[:EXCERPT]}…"


async def _taken(turn: Turn, room: Room, text: str) -> Reply:
    whole = plain(text)
    if whole is None:
        return _asked(turn, room, "inquiry.too_long")
    if not whole:
        return _asked(turn, room, "inquiry.ask")
    # A number of its own transaction, because the reply names it before the turn's is committed.
    async with room.database.writing() as connection:
        number = await inquiries.reserve(connection)
    room.session.pop(AWAITED, None)
    room.write(
        inquiries.add,
        number,
        room.user.id,
        whole,
        platform=turn.chat.platform,
        chat_id=turn.chat.id,
    )
    choices = (Choice(room.words.say("button.inquiries"), "inquiry:mine", 1),)
    return Reply(text=room.words.say("inquiry.taken", number=number), choices=choices, private=True)


def _asked(turn: Turn, room: Room, key: str) -> Reply:
    room.session[AWAITED] = turn.at
    choices = (Choice(room.words.say("button.cancel"), "inquiry:cancel", 1),)
    return Reply(text=room.words.say(key, most=LONGEST), choices=choices, private=True)


def _full(room: Room) -> Reply:
    choices = (Choice(room.words.say("button.inquiries"), "inquiry:mine", 1),)
    return Reply(text=room.words.say("inquiry.full", most=OPEN_MOST), choices=choices, private=True)
