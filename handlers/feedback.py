"""What a person says of an item: 👍 👎 👀 🔖 and "never show again", each undone by pressing it once more; the saved list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from engine.writing import Writer
from handlers.room import Room
from handlers.turn import Choice, Press, Reply, Turn
from storage import exposures, taste

SAVED_SHOWN = 20


async def give(
    turn: Turn,
    room: Room,
    kind: str,
    targets: Sequence[tuple[str, int | None]],
    exposure: exposures.Exposure | None,
) -> AsyncIterator[Reply]:
    """Record feedback on items and their positions in the exposure; a button pressed again takes it back."""
    ids = [item for item, _ in targets]
    items, writer = await room.engine.items(ids), Writer(room.language)
    title = ", ".join(f"'{writer.title(items[item]) if item in items else item}'" for item in ids)
    events = [(e.kind, e.item_id) for e in await room.read(taste.events, room.user.id)]
    say = room.words.say
    where = exposure.id if exposure else None
    if isinstance(turn.payload, Press) and all(kind in _standing(events, item) for item in ids):
        for item in ids:
            room.write(taste.withdraw, room.user.id, item, kind)
        yield Reply(text=say(f"feedback.undone.{kind}", title=title))
        return
    for item, position in targets:
        if kind not in _standing(events, item):
            room.write(taste.record, room.user.id, item, kind, exposure_id=where, position=position)
    choices = []
    position = targets[0][1] if len(targets) == 1 else None
    if where is not None and position is not None:
        choices.append(Choice(say("button.undo"), f"fb:{kind}:{where}:{position}", 1))
        if kind in ("like", "save"):
            choices.append(Choice(say("button.similar"), f"sim:{where}:{position}", 1))
        choices.append(Choice(say("button.more"), f"more:{where}", 1))
    yield Reply(text=say(f"feedback.done.{kind}", title=title), choices=tuple(choices))


async def which(turn: Turn, room: Room, kind: str, exposure: exposures.Exposure) -> AsyncIterator[Reply]:
    """Ask which of the shown items was meant, one press an answer."""
    items, writer = await room.engine.items(exposure.item_ids), Writer(room.language)
    choices = tuple(
        Choice(writer.title(items[item]), f"fb:{kind}:{exposure.id}:{place}", place)
        for place, item in enumerate(exposure.item_ids, 1)
        if item in items
    )
    yield Reply(text=room.words.say("chat.which"), choices=choices)


async def saved(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """The items saved for later, newest first."""
    events = await room.read(taste.events, room.user.id)
    ids = list(dict.fromkeys(e.item_id for e in reversed(events) if e.kind == "save"))[:SAVED_SHOWN]
    if not ids:
        yield Reply(text=room.words.say("saved.empty"))
        return
    items, writer = await room.engine.items(ids), Writer(room.language)
    lines = [room.words.say("saved.lead", count=len(ids))]
    lines += [
        room.words.say(
            "saved.line",
            title=writer.title(items[i]),
            domain=room.words.say(f"label.domain.{items[i].domain}"),
        )
        for i in ids
        if i in items
    ]
    choices = tuple(
        Choice(writer.title(items[i]), f"show:{i}", n) for n, i in enumerate(ids, 1) if i in items
    )
    yield Reply(text="\n".join(lines), choices=choices)


def _standing(events: list[tuple[str, str]], item_id: str) -> set[str]:
    """The kinds of feedback that hold for an item: a later like undoes a dislike, and the other way round."""
    kinds: set[str] = set()
    for kind, item in events:
        if item == item_id:
            kinds -= {"like", "dislike"} if kind in ("like", "dislike") else set()
            kinds.add(kind)
    return kinds
