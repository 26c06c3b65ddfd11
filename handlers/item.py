"""One item: telling more of it, why it was recommended, what is like it, where to get it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from data.item import Domain, Item
from engine.request import Request
from engine.said import Said
from engine.taste import Taste
from engine.words import person
from engine.writing import Writer
from handlers import memory
from handlers.recommend import answer, exposure_id, feedback_choices, seed_of
from handlers.room import Room
from handlers.turn import Card, Choice, Reply, Turn
from storage.exposures import Exposure


async def detail(
    turn: Turn, room: Room, item_id: str, exposure: str | None, position: int
) -> AsyncIterator[Reply]:
    """All there is to tell of an item, with its buttons. Without an exposure one is made for it."""
    items = await room.engine.items([item_id])
    if item_id not in items:
        yield Reply(text=room.words.say("chat.gone"))
        return
    item, writer = items[item_id], Writer(room.language, Said(room.session.get("said", ())))
    if exposure is None:
        exposure, position = exposure_id(turn), 1
        memory.show(
            turn, room, exposure, str(item.domain), [item.id],
            {"request": Request(domain=item.domain).to_dict(), "picks": [], "asked": True},
        )  # fmt: skip
        room.session |= {
            "exposure": exposure,
            "request": Request(domain=item.domain).to_dict(),
        }
    room.session["focus"] = item.id
    say = room.words.say
    lines = [
        writer.summary(item),
        _people(room, item),
        _ingredients(room, item),
        _caution(room, item, await memory.known_taste(room)),
    ]
    lines.append(say(f"where.{item.domain}", url=item.url) if item.url else "")
    choices = [
        Choice(say("button.why"), f"why:{exposure}:{position}", 1),
        Choice(say("button.similar"), f"sim:{exposure}:{position}", 1),
        *feedback_choices(exposure, position, 2),
    ]
    if item.domain is Domain.FOOD:
        choices.append(Choice(say("nearby.button.here"), f"near:at:{exposure}:{position}", 3))
    bare, seed = Request(domain=item.domain), seed_of(turn.id)
    shown = Card(
        item.id, str(item.domain), writer.title(item), 0, writer.reason(item, [], bare, seed),
        writer.benefit(item, bare, seed), writer.facts(item), item.url, item.cover,
    )  # fmt: skip
    room.session["said"] = writer.said.kept
    yield Reply(
        text="\n".join(filter(None, lines)),
        cards=(shown,),
        choices=tuple(choices),
        exposure=exposure,
        cards_first=True,
    )


async def why(turn: Turn, room: Room, exposure: Exposure, position: int) -> AsyncIterator[Reply]:
    """Why the pick at this position was made, from what was stored when it was."""
    picks = exposure.body.get("picks", [])
    say = room.words.say
    if not 1 <= position <= len(picks):
        yield Reply(text=say("why.asked"))
        return
    pick = picks[position - 1]
    room.session["focus"] = pick["id"]
    words = room.words
    grounds = []
    for ground in pick.get("grounds", ()):
        key, _, name = ground.partition("|")
        if words.variants(f"why.{key}"):
            grounds.append(say(f"why.{key}", name=name))
        else:
            field, _, value = key.partition(".")
            label = words.variants(f"label.{field}.{value}")
            if label and words.variants(f"why.{field}"):
                grounds.append(say(f"why.{field}", name=label[0]))
    lines = [say("why.lead", title=pick["title"], fit=pick["fit"])]
    lines += [f"· {ground}" for ground in dict.fromkeys(grounds)] or [f"· {say('why.open')}"]
    lines += filter(None, [pick["reason"]])
    yield Reply(
        text="\n".join(lines),
        choices=(
            Choice(say("button.detail_short"), f"item:{exposure.id}:{position}", 1),
            Choice(say("button.similar"), f"sim:{exposure.id}:{position}", 1),
            Choice(say("button.more"), f"more:{exposure.id}", 1),
        ),
    )


async def choose(turn: Turn, room: Room, exposure: Exposure, places: tuple[int, ...]) -> AsyncIterator[Reply]:
    """One of the shown picks, by how well it fits: of those pointed at, or of all."""
    picks = exposure.body.get("picks", [])
    among = [n for n in places if 1 <= n <= len(picks)] or list(range(1, len(picks) + 1))
    if not among:
        yield Reply(text=room.words.say("chat.nothing_yet"))
        return
    best = max(among, key=lambda n: (picks[n - 1]["score"], -n))
    pick, say = picks[best - 1], room.words.say
    room.session["focus"] = pick["id"]
    yield Reply(
        text="\n".join(
            filter(None, (say("choose.lead", title=pick["title"]), pick["reason"], pick["benefit"]))
        ),
        choices=(
            Choice(say("button.detail_short"), f"item:{exposure.id}:{best}", 1),
            Choice(say("button.why"), f"why:{exposure.id}:{best}", 1),
            Choice(say("button.more"), f"more:{exposure.id}", 1),
            *feedback_choices(exposure.id, best, 2),
        ),
    )


async def similar(
    turn: Turn, room: Room, item_id: str, request: Request | None = None
) -> AsyncIterator[Reply]:
    """Items like one; what else the request says still holds."""
    found = await room.engine.similar(item_id, request or Request())
    async for reply in answer(turn, room, found):
        yield reply


def _people(room: Room, item: Item) -> str:
    if not item.people:
        return ""
    names = ", ".join(person(name, room.language) for name in item.people)
    return room.words.say("detail.people", names=names)


def _ingredients(room: Room, item: Item) -> str:
    if not item.ingredients:
        return ""
    return room.words.say("detail.ingredients", names=", ".join(item.ingredients))


def _caution(room: Room, item: Item, known: Taste) -> str:
    at_risk = item.domain is Domain.FOOD and (known.allergens or known.avoid)
    return room.words.say("chat.allergy_caution") if at_risk else ""
