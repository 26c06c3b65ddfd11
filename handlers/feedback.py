"""What a person says of an item: 👍 👎 👀 🔖 and "never show again", each undone by pressing it once more; the saved list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from engine.writing import Writer
from handlers import memory
from handlers.room import Room
from handlers.turn import Choice, Press, Reply, Turn
from storage.exposures import Exposure

SAVED_SHOWN = 20


async def give(
    turn: Turn,
    room: Room,
    kind: str,
    targets: Sequence[tuple[str, int | None]],
    exposure: Exposure | None,
) -> AsyncIterator[Reply]:
    """Record feedback on items and their positions in the exposure; a button pressed again takes it back."""
    ids = [item for item, _ in targets]
    items, writer = await room.engine.items(ids), Writer(room.language)
    title = ", ".join(f"'{writer.title(items[item]) if item in items else item}'" for item in ids)
    events = [(e.kind, e.item_id) for e in await memory.events(room)]
    say = room.words.say
    where = exposure.id if exposure else None
    if isinstance(turn.payload, Press) and all(kind in _standing(events, item) for item in ids):
        for item in ids:
            memory.withdraw(room, item, kind)
        room.session["undo"] = {"did": "withdraw", "kind": kind, "items": ids, "exposure": where}
        yield Reply(text=say(f"feedback.undone.{kind}", title=title))
        return
    new = [item for item in ids if kind not in _standing(events, item)]
    room.session["undo"] = {"did": "give", "kind": kind, "items": new, "exposure": where}
    for item, position in targets:
        if item in new:
            memory.record(room, item, kind, where, position)
    choices = []
    position = targets[0][1] if len(targets) == 1 else None
    if len(ids) == 1 and kind in ("like", "save"):
        room.session["focus"] = ids[0]  # "비슷한 거" after it means this one
    if where is not None and position is not None:
        choices.append(Choice(say("button.undo"), f"fb:{kind}:{where}:{position}", 1))
        if kind in ("like", "save"):
            choices.append(Choice(say("button.similar"), f"sim:{where}:{position}", 1))
        choices.append(Choice(say("button.more"), f"more:{where}", 1))
    yield Reply(text=say(f"feedback.done.{kind}", title=title), choices=tuple(choices))


async def undo(turn: Turn, room: Room) -> AsyncIterator[Reply]:
    """Take back the last feedback of this talk, or give again what was taken back last."""
    last = room.session.pop("undo", None)
    if not last or not last["items"]:
        yield Reply(text=room.words.say("feedback.nothing"))
        return
    kind, ids = last["kind"], last["items"]
    items, writer = await room.engine.items(ids), Writer(room.language)
    title = ", ".join(f"'{writer.title(items[item]) if item in items else item}'" for item in ids)
    gave = last["did"] == "give"
    for item in ids:
        if gave:
            memory.withdraw(room, item, kind)
        else:
            memory.record(room, item, kind, last["exposure"], None)
    room.session["undo"] = {**last, "did": "withdraw" if gave else "give"}
    yield Reply(text=room.words.say(f"feedback.{'undone' if gave else 'done'}.{kind}", title=title))


async def which(turn: Turn, room: Room, kind: str, exposure: Exposure) -> AsyncIterator[Reply]:
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
    events = await memory.events(room)
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
