"""Where to eat a dish near by: a place is shared, or asked for, and places that serve the dish are listed around it.

The dish is the one named, else the one last talked about, else asked for. Nothing of the place is stored: buttons hold
a key of `whereabouts.py`, and the list goes out of the outbox when it is sent. What is for one person's eyes, where
they are, stays private in a group.

```mermaid
stateDiagram-v2
  [*] --> Place: a dish's button, /nearby, "이거 어디서 먹어?"
  [*] --> Listed: a place is shared and a dish was talked about
  [*] --> Dish: a place is shared
  Place --> Listed: place shared
  Place --> Dish: place shared, no dish known
  Dish --> Listed: button pressed, or a dish typed
  Listed --> Listed: page, wider
  Listed --> Dish: another dish
  Listed --> Place: the place is forgotten
```
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final, get_args

from data.item import Cuisine, Domain
from engine.place import Dish, Place, Source, dish_words, map_link
from engine.places import LAST_PAGE, PAGE, Found
from engine.request import Request
from engine.text import is_korean
from engine.understanding import Understanding
from handlers import memory
from handlers.room import Room
from handlers.turn import Choice, Reply, Turn, number
from handlers.whereabouts import KEPT_SECONDS, Spot, who

RADII: Final = (1_500, 5_000, 20_000)
"""Metres around a place; each wider one is a button."""
KINDS: Final = ("korean", "chinese", "japanese", "western", "bunsik", "cafe")
"""Cuisines to choose from where no dish is known."""
ANY: Final = "any"
_SOURCES: Final[tuple[Source, ...]] = get_args(Source)
_CUISINES: Final[tuple[str, ...]] = get_args(Cuisine)


async def located(turn: Turn, room: Room, latitude: float, longitude: float) -> AsyncIterator[Reply]:
    """A place was shared: places to eat around it."""
    wanted = _asked_for(turn, room) or room.whereabouts.wished(turn) or await _talked_of(room)
    spot = Spot(who(turn), turn.at, latitude, longitude)
    yield await (_listed(turn, room, spot, wanted) if wanted else _which(turn, room, spot))


async def asked(
    turn: Turn, room: Room, said: Understanding | None = None, target: str = ""
) -> AsyncIterator[Reply]:
    """Places were asked for: in words, or by `/nearby` with or without them. `target` is an item pointed at."""
    wanted = target if _is_food(target) else _wanted(said) if said else None
    yield await _around(turn, room, wanted or await _talked_of(room))


async def press(turn: Turn, room: Room, data: str) -> AsyncIterator[Reply]:
    """A button: at:EXPOSURE:POSITION, dish:KEY, kind:KEY:CUISINE, or page:KEY:PAGE:RADIUS:SOURCE."""
    verb, _, rest = data.partition(":")
    parts = rest.split(":")
    reply: Reply | None = None
    match verb, parts:
        case "at", [exposure, place]:
            if target := await _shown(room, exposure, place):
                reply = await _around(turn, room, target)
        case "dish", [key]:
            spot = room.whereabouts.find(turn, key)
            reply = await _which(turn, room, spot) if spot else _where(turn, room, None, forgotten=True)
        case "kind", [key, kind] if kind == ANY or kind in _CUISINES:
            wanted = f"kind:{kind}"
            spot = room.whereabouts.find(turn, key)
            reply = (
                await _listed(turn, room, spot, wanted)
                if spot
                else _where(turn, room, wanted, forgotten=True)
            )
        case "page", [key, page, radius, source]:
            reply = await _page(turn, room, key, number(page), number(radius), source)
    yield reply or Reply(text=room.words.say("chat.stale"))


def typed_answer(turn: Turn, room: Room, said: Understanding) -> AsyncIterator[Reply] | None:
    """The replies to a text that names the dish just asked for, or None when it does not."""
    key = room.session.get("nearby", {}).pop("asks", None)
    if key is None or said.intent not in ("recommend", "detail", "nearby", "unclear"):
        return None
    wanted = _wanted(said)
    return _at(turn, room, key, wanted) if wanted else None


async def _at(turn: Turn, room: Room, key: str, wanted: str) -> AsyncIterator[Reply]:
    spot = room.whereabouts.find(turn, key)
    yield await _listed(turn, room, spot, wanted) if spot else _where(turn, room, wanted, forgotten=True)


async def _around(turn: Turn, room: Room, wanted: str | None) -> Reply:
    """A list where the person told to be a moment ago, else the question where they are."""
    spot = room.whereabouts.latest(turn)
    if spot is None:
        dish = await _dish(room, wanted) if wanted else None
        return _where(turn, room, wanted, dish)
    return await (_listed(turn, room, spot, wanted) if wanted else _which(turn, room, spot))


async def _page(
    turn: Turn, room: Room, key: str, page: int | None, radius: int | None, source: str
) -> Reply | None:
    """Another page of a list, or None for a forgery."""
    asked = next((each for each in _SOURCES if each == source), None)
    if page is None or not 1 <= page <= LAST_PAGE or radius not in RADII or (asked is None and source):
        return None
    spot = room.whereabouts.find(turn, key)
    if spot is None:
        return _where(turn, room, None, forgotten=True)
    return await _list(turn, room, key, spot, radius, page, asked)


async def _listed(turn: Turn, room: Room, spot: Spot, wanted: str) -> Reply:
    """The first page for a dish; what was told of the place holds no longer than before."""
    spot = replace(spot, wanted=wanted)
    return await _list(turn, room, room.whereabouts.keep(spot), spot, RADII[0])


async def _list(
    turn: Turn, room: Room, key: str, spot: Spot, radius: int, page: int = 1, source: Source | None = None
) -> Reply:
    room.session.pop("nearby", None)
    dish = await _dish(room, spot.wanted)
    if dish is None:
        return Reply(text=room.words.say("chat.gone"), private=_private(turn))
    found = await room.places.near(spot.latitude, spot.longitude, dish, radius, page, source)
    known = await memory.known_taste(room)
    say, name = room.words.say, _name(room, dish, spot.wanted)
    if found.source is None:
        lines = [say("nearby.unreachable")]
    elif not found.places:
        lines = [say("nearby.none", dish=name, radius=_distance(radius))]
    else:
        lines = [say("nearby.head", dish=name, radius=_distance(radius)), ""]
        for place, each in enumerate(found.places, _first(page)):
            lines += [*_lines(room, place, each), ""]
    if known.allergens or known.avoid:
        lines.append(say("chat.allergy_caution"))
    if found.source is not None and found.places:
        lines.append(say(f"nearby.source.{found.source}"))
    choices = _choices(room, key, dish, found, radius, page)
    return Reply(text="\n".join(lines).strip(), choices=choices, slot=f"near.{key}", private=_private(turn))


def _lines(room: Room, place: int, each: Place) -> list[str]:
    say = room.words.say
    kind = each.category or (say(f"nearby.{each.kind}") if each.kind.startswith("amenity.") else "")
    if each.kind.startswith("cuisine."):
        kind = say(f"label.{each.kind}")
    lines = [
        say("nearby.line", number=place, name=_place_name(room, each), distance=_distance(each.distance)),
        " · ".join(filter(None, (kind, each.address))),
        say("nearby.phone", number=each.phone) if each.phone else "",
    ]
    return list(filter(None, lines))


def _choices(room: Room, key: str, dish: Dish, found: Found, radius: int, page: int) -> tuple[Choice, ...]:
    say = room.words.say

    def page_of(label: str, to: int, within: int, source: str, row: int) -> Choice:
        return Choice(label, f"near:page:{key}:{to}:{within}:{source}", row)

    choices = [
        Choice(say("nearby.button.open", number=place, name=_place_name(room, each)), row=place, url=each.url)
        for place, each in enumerate(found.places, _first(page))
    ]
    row = _first(page) + PAGE
    if page > 1:
        choices.append(page_of(say("nearby.button.back"), page - 1, radius, found.source or "", row))
    if found.more:
        choices.append(page_of(say("nearby.button.more"), page + 1, radius, found.source or "", row))
    wider = next((each for each in RADII if each > radius), None)
    if found.source is None:
        link = map_link(dish, room.language)
        choices.append(Choice(say("nearby.button.map"), row=row, url=link))
        choices.append(page_of(say("nearby.button.again"), 1, radius, "", row + 1))
    elif wider is not None:
        label = say("nearby.button.wider", radius=_distance(wider))
        choices.append(page_of(label, 1, wider, "", row + 1))
    choices.append(Choice(say("nearby.button.other"), f"near:dish:{key}", row + 1))
    return tuple(choices)


def _where(
    turn: Turn, room: Room, wanted: str | None, dish: Dish | None = None, forgotten: bool = False
) -> Reply:
    """The question where the person is; what is to be found there waits for the answer."""
    say = room.words.say
    if wanted is not None:
        room.session["nearby"] = {"wanted": wanted, "at": turn.at}
        if _private(turn):  # the answer comes in another chat
            room.whereabouts.wish(turn, wanted)
    if forgotten:
        text = say("nearby.forgotten")
    elif dish is not None:
        text = say("nearby.where", dish=_name(room, dish, wanted or ""))
    else:
        text = say("nearby.where_open")
    return Reply(text=text, private=_private(turn), locate=True)


async def _which(turn: Turn, room: Room, spot: Spot) -> Reply:
    """The question which dish; a typed one is heeded too."""
    say, key = room.words.say, room.whereabouts.keep(spot)
    room.session["nearby"] = {"asks": key}
    choices = [
        Choice(say(f"label.cuisine.{kind}"), f"near:kind:{key}:{kind}", 1 + place // 3)
        for place, kind in enumerate(KINDS)
    ]
    choices.append(Choice(say("nearby.button.any"), f"near:kind:{key}:{ANY}", 9))
    return Reply(text=say("nearby.which"), choices=tuple(choices), private=_private(turn))


def _asked_for(turn: Turn, room: Room) -> str | None:
    """What this chat asked a place for a moment ago."""
    asked = room.session.pop("nearby", {})
    wanted: str | None = asked.get("wanted")
    return wanted if wanted and turn.at - asked["at"] <= KEPT_SECONDS else None


async def _talked_of(room: Room) -> str | None:
    """The dish last talked about: looked at, else the first of the last picks, else what was asked for."""
    if _is_food(focus := room.session.get("focus") or ""):
        return focus
    if key := room.session.get("exposure"):
        shown = await memory.exposure(room, key)
        if shown is not None and (first := next(filter(_is_food, shown.item_ids), "")):
            return first
    raw = room.session.get("request")
    return _of_request(Request.from_dict(raw)) if raw else None


async def _shown(room: Room, exposure: str, place: str) -> str | None:
    """The dish at a position of an answer of this person, or None for a forgery."""
    shown, position = await memory.exposure(room, exposure), number(place)
    if shown is None or position is None or not 1 <= position <= len(shown.item_ids):
        return None
    target = shown.item_ids[position - 1]
    return target if _is_food(target) else None


def _wanted(said: Understanding) -> str | None:
    """What a text wants to eat: an item as the person calls it, a cuisine, or a dish in its own words; None where it wishes anything else."""
    words = dish_words(said.text)
    if dish := next(filter(_is_food, said.named), ""):
        return f"{dish}|{words}" if is_korean(words) else dish
    if said.request.domain in (Domain.BOOK, Domain.MOVIE):
        return None
    of_kind = _of_request(said.request)
    if of_kind and (not words or not said.request.ingredients):
        return of_kind
    wishes = replace(said.request, cuisine=(), ingredients=(), items=(), unknown="")
    return f"text:{words}" if words and (wishes.is_open or said.intent == "nearby") else of_kind


def _of_request(request: Request) -> str | None:
    if dish := next(filter(_is_food, request.items), ""):
        return dish
    if request.domain in (Domain.BOOK, Domain.MOVIE):
        return None
    if request.cuisine:
        return f"kind:{request.cuisine[0]}"
    return f"text:{request.ingredients[0]}" if request.ingredients else None


async def _dish(room: Room, wanted: str) -> Dish | None:
    """What is looked for, by how it is remembered; None for an item that is gone."""
    kind, _, rest = wanted.partition(":")
    match kind:
        case "kind":
            return Dish.any() if rest == ANY else Dish.of_cuisine(rest)
        case "text":
            return Dish.of_words(rest)
        case _:
            item_id, _, words = wanted.partition("|")
            item = (await room.engine.items([item_id])).get(item_id)
            return Dish.of_item(item, words) if item is not None else None


def _name(room: Room, dish: Dish, wanted: str) -> str:
    """The dish as the person reads it."""
    kind, _, rest = wanted.partition(":")
    if kind == "kind":
        return room.words.say("nearby.any" if rest == ANY else f"label.cuisine.{rest}")
    return dish.name if room.language == "ko" else dish.english


def _place_name(room: Room, place: Place) -> str:
    return place.english if room.language == "en" and place.english else place.name


def _distance(metres: int) -> str:
    """As people say it: 350m, 1.2km, 20km."""
    if metres < 1_000:
        return f"{max(10, round(metres, -1))}m" if metres < 995 else "1km"
    return f"{metres / 1_000:.1f}km".replace(".0km", "km")


def _first(page: int) -> int:
    """The number of a page's first place."""
    return (page - 1) * PAGE + 1


def _is_food(item_id: str) -> bool:
    return item_id.startswith(f"{Domain.FOOD}:")


def _private(turn: Turn) -> bool:
    return turn.chat.kind != "private"
