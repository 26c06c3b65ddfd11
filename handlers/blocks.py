"""Whom operators do not want to hear from: blocked by a command, lifted by a button. Whoever is no operator learns
nothing of it, and whoever is blocked hears nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from engine.text import normalize
from handlers import desk
from handlers.inquiry import excerpt
from handlers.room import Room
from handlers.start import unclear
from handlers.turn import Choice, Reply, Turn, number
from storage import blocks
from storage.blocks import Block

PAGE = 6
REASON = 200
"""Characters of a reason that are kept."""
_WHO = re.compile(r"([a-z]{2,20}):(\S{1,64})")


async def block(turn: Turn, room: Room, argument: str) -> AsyncIterator[Reply]:
    """Block whom "PLATFORM:ID reason" names."""
    say, (who, _, reason) = room.words.say, argument.strip().partition(" ")
    if not room.operator:
        async for reply in unclear(turn, room, "unknown_command"):
            yield reply
        return
    if (named := _named(who)) is None:
        yield Reply(text=say("block.usage"), choices=(_list(room),), private=True)
        return
    if room.office is not None and named in room.office.admins:
        yield Reply(text=say("block.operator", who=":".join(named)), private=True)
        return
    by = f"{turn.chat.platform}:{turn.person.id}"
    room.write(blocks.block, Block(*named, normalize(reason, REASON), by, turn.at))
    yield Reply(text=say("block.done", who=":".join(named)), choices=(_list(room),), private=True)


async def unblock(turn: Turn, room: Room, argument: str) -> AsyncIterator[Reply]:
    """Hear again whom "PLATFORM:ID" names."""
    say = room.words.say
    if not room.operator:
        async for reply in unclear(turn, room, "unknown_command"):
            yield reply
        return
    if (named := _named(argument.strip())) is None:
        yield Reply(text=say("block.usage"), choices=(_list(room),), private=True)
        return
    found = await room.read(blocks.get, *named)
    if found is None:
        yield Reply(text=say("block.none", who=":".join(named)), choices=(_list(room),), private=True)
        return
    yield _lift(room, found)


def press(turn: Turn, room: Room, data: str) -> AsyncIterator[Reply] | None:
    """The replies to an operator's button, or None when it is forged or nobody's who is one."""
    verb, _, value = data.partition(":")
    if not room.operator:
        return None
    match verb:
        case "page" if (page := number(value)) is not None:
            return _show(room, page)
        case "off" if re.fullmatch("[0-9a-f]{12}", value):
            return _off(room, value)
    return None


async def _show(room: Room, page: int) -> AsyncIterator[Reply]:
    say = room.words.say
    total = await room.read(blocks.count)
    pages = max(1, -(-total // PAGE))
    page %= pages
    listed = await room.read(blocks.page, PAGE, page * PAGE)
    lines = [say("block.list", count=total) if total else say("block.empty"), say("block.how")]
    lines += [
        say("block.line", who=each.who, day=_day(each.at, room), reason=excerpt(each.reason) or "-")
        for each in listed
    ]
    choices = [
        Choice(say("block.lift", who=each.who), f"block:off:{each.key}", row)
        for row, each in enumerate(listed, 1)
    ]
    if pages > 1:
        label = say("button.page", page=page + 1, pages=pages)
        choices.append(Choice(label, f"block:page:{(page + 1) % pages}", PAGE + 1))
    yield Reply(text="\n".join(lines), choices=(*choices, desk.back(room)), private=True)


async def _off(room: Room, key: str) -> AsyncIterator[Reply]:
    found = [each for each in await room.read(blocks.every) if each.key == key]
    if not found:
        yield Reply(text=room.words.say("block.gone"), choices=(_list(room),), private=True)
        return
    yield _lift(room, found[0])


def _lift(room: Room, found: Block) -> Reply:
    room.write(blocks.unblock, found.platform, found.platform_id)
    return Reply(text=room.words.say("block.lifted", who=found.who), choices=(_list(room),), private=True)


def _named(who: str) -> tuple[str, str] | None:
    match = _WHO.fullmatch(normalize(who))
    return (match[1], match[2]) if match else None


def _list(room: Room) -> Choice:
    return Choice(room.words.say("job.blocks"), "block:page:0", 1)


def _day(at: float, room: Room) -> str:
    return f"{datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(room.timezone)):%Y-%m-%d}"
