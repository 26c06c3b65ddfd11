"""OpenStreetMap by Overpass: the query for places that may serve a dish, and what its answer says. Asks nobody itself.

https://wiki.openstreetmap.org/wiki/Overpass_API/Overpass_QL: POST `data=QUERY`. Too much asked is 429 with HTML, a
server too busy 504 with HTML; a query that ran out of time or memory is a 200 whose `remark` says "runtime error" and
whose elements are some of them. Its data is under the ODbL: whoever shows it names OpenStreetMap's contributors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.lexicon import read
from engine.place import (
    NAME_LENGTH,
    Dish,
    Place,
    Unusable,
    decoded,
    degrees,
    metres,
    on_globe,
    phone_of,
    words_of,
)
from engine.text import squeeze

AMENITIES: Final = ("restaurant", "fast_food", "cafe", "food_court")
MOST: Final = 800
"""Elements of an answer: they come in the order of their ids, so that fewer would miss near ones."""
SECONDS: Final = 3
"""How long the server may work on it; a query that asks for little is taken up sooner."""
BYTES: Final = 64 << 20
"""Memory that the server may take for it."""
_TYPES: Final = frozenset({"node", "way", "relation"})
_NAMES: Final = ("name", "name:ko", "name:en")
_WRITTEN: Final = re.compile(r"[^\w ]+")


def query(latitude: float, longitude: float, dish: Dish, radius: int) -> str:
    """The query for what is eaten at around a place, in Overpass QL."""
    around = (
        f"nwr(around:{radius},{latitude:.6f},{longitude:.6f})"
        f'["amenity"~"^({"|".join(AMENITIES)})$"]["name"]->.all;'
    )
    tests = _tests(dish)
    picked = "(" + "".join(f"nwr.all{test};" for test in tests) + ");" if tests else ".all"
    return f"[out:json][timeout:{SECONDS}][maxsize:{BYTES}];{around}{picked} out center {MOST};"


def places(body: bytes, latitude: float, longitude: float, dish: Dish) -> tuple[Place, ...]:
    """The places of an answer that may serve the dish, nearest first. What is no place is left out.

    Raises Unusable.
    """
    whole = decoded(body)
    elements, remark = whole.get("elements"), whole.get("remark")
    if not isinstance(elements, list) or (isinstance(remark, str) and "error" in remark):
        raise Unusable("no places in it")
    found = [_place(each, latitude, longitude, dish) for each in elements if isinstance(each, dict)]
    near = {place.url: place for place in found if place is not None}
    return tuple(sorted(near.values(), key=lambda place: (place.distance, place.name, place.url)))


def _tests(dish: Dish) -> list[str]:
    """What of its tags may tell that a place serves the dish: nothing of what a person typed is in it but letters,
    digits and blanks."""
    tests = []
    if spelled := "|".join(dict.fromkeys(filter(None, map(_spelled, dish.names)))):
        tests += [f'["{name}"~"{spelled}",i]' for name in _NAMES]
    if values := _cuisines(dish):
        tests.append(f'["cuisine"~"(^|;) *({"|".join(values)}) *(;|$)",i]')
    if amenities := _amenities(dish):
        tests.append(f'["amenity"~"^({"|".join(amenities)})$"]')
    return tests


def _spelled(name: str) -> str:
    return " *".join(_WRITTEN.sub(" ", name.replace("_", " ")).split())


def _cuisines(dish: Dish) -> tuple[str, ...]:
    """Values of the tag `cuisine` that may serve a dish: those of the dish itself, else of its cuisine."""
    words = read("places")
    own = [
        value
        for fragment, values in words["dishes"].items()
        if any(fragment in name.lower() for name in dish.names)
        for value in values
    ]
    whole = words["kinds"][dish.cuisine]["cuisines"] if dish.cuisine else ()
    return tuple(dict.fromkeys(own or whole))


def _amenities(dish: Dish) -> tuple[str, ...]:
    """Amenities that are the whole cuisine that is looked for: a café serves what cafés serve."""
    return (
        tuple(read("places")["kinds"][dish.cuisine]["amenities"]) if dish.cuisine and not dish.names else ()
    )


def _place(element: Mapping[str, Any], latitude: float, longitude: float, dish: Dish) -> Place | None:
    kind, number, tags = element.get("type"), element.get("id"), element.get("tags")
    center = element.get("center")
    at = center if isinstance(center, dict) else element
    there = degrees(at.get("lat")), degrees(at.get("lon"))
    if kind not in _TYPES or not _is_number(number) or not isinstance(tags, dict) or not on_globe(*there):
        return None
    name = words_of(tags, "name", limit=NAME_LENGTH)
    if not name or tags.get("amenity") not in AMENITIES or not _serves(tags, dish):
        return None
    return Place(
        name,
        metres(latitude, longitude, *there),
        f"https://www.openstreetmap.org/{kind}/{number}",
        _address(tags),
        phone_of(words_of(tags, "phone", "contact:phone")),
        kind=_kind(tags),
        english=words_of(tags, "name:en", limit=NAME_LENGTH),
    )


def _is_number(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 < number < 1 << 63


def _serves(tags: Mapping[str, Any], dish: Dish) -> bool:
    if not dish.names and dish.cuisine is None:
        return True
    written = [squeeze(words_of(tags, name))[0] for name in _NAMES]
    spelled = [squeeze(_spelled(name))[0] for name in dish.names]
    if any(name and name in sign for name in spelled for sign in written):
        return True
    return not _values(tags).isdisjoint(_cuisines(dish)) or tags.get("amenity") in _amenities(dish)


def _values(tags: Mapping[str, Any]) -> set[str]:
    return {value.strip().lower() for value in words_of(tags, "cuisine").split(";")}


def _kind(tags: Mapping[str, Any]) -> str:
    """The label of what a place serves, as far as its tags tell."""
    values = _values(tags)
    for cuisine, kind in read("places")["kinds"].items():
        if not values.isdisjoint(kind["cuisines"]):
            return f"cuisine.{cuisine}"
    return f"amenity.{tags['amenity']}"


def _address(tags: Mapping[str, Any]) -> str:
    if whole := words_of(tags, "addr:full"):
        return whole
    parts: Iterable[str] = (
        words_of(tags, f"addr:{part}", limit=30) for part in ("city", "district", "street", "housenumber")
    )
    return " ".join(filter(None, parts))
