"""A place that serves a dish, and the dish as places name it. Knows no service that is asked for places."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal, Self
from urllib.parse import quote

from data.item import Item
from data.phrases import Language
from engine.lexicon import pattern, read
from engine.text import MAX_CHARS, normalize, squeeze

Source = Literal["kakao", "osm"]

EARTH: Final = 6_371_000.0
"""Metres from its middle."""
NAME_LENGTH: Final = 60
LINE_LENGTH: Final = 80
"""Characters of an address or a category that are kept."""
DISH_LENGTH: Final = 24
"""Characters of a dish in a person's own words."""
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()./-]{4,24}")
_AFTER: Final = re.compile(r"(?<=.)(?:[을를]|(?<=..)(?<![똥래])집)$")
"""What may follow a dish's name: 김치찌개를, 라멘집; 닭똥집 is a dish."""
_MARKS: Final = re.compile(r"[.?!~,]+(?!\S)")


class Unusable(Exception):
    """An answer that is none: not JSON, not of the shape that was promised, or an excuse."""


@dataclass(frozen=True, slots=True)
class Dish:
    """What is looked for: `name` in Korean, and `english`; a map is asked for the `sign`, as places write it. A place
    serves it that bears one of `names`, or is of that `cuisine`. With neither, every place to eat will do."""

    name: str
    english: str = ""
    names: tuple[str, ...] = ()
    cuisine: str | None = None
    sign: str = ""

    @property
    def asked(self) -> str:
        return self.sign or self.name

    @classmethod
    def of_item(cls, item: Item, called: str = "") -> Self:
        """`called` is what a person called it. Signs say 초밥, not 모둠초밥: the shortest alias in the title."""
        names = tuple(dict.fromkeys(filter(None, (called, item.title, *item.aliases, item.title_en))))
        title = squeeze(item.title)[0]
        short = min((name for name in item.aliases if _is_part(squeeze(name)[0], title)), key=len, default="")
        return cls(called or item.title, item.title_en or item.title, names, item.cuisine, called or short)

    @classmethod
    def of_words(cls, words: str) -> Self:
        return cls(words, words, (words,))

    @classmethod
    def of_cuisine(cls, cuisine: str) -> Self:
        """Raises KeyError for one that is not in the lexicon."""
        kind = read("places")["kinds"][cuisine]
        return cls(kind["query"], kind["english"], (), cuisine)

    @classmethod
    def any(cls) -> Self:
        whole = read("places")["any"]
        return cls(whole["query"], whole["english"])


@dataclass(frozen=True, slots=True)
class Place:
    """A place to eat. `distance` is in metres; `url` shows it on a map.

    `category` is what the source calls it, or else `kind` a label's key: cuisine.korean, amenity.cafe.
    """

    name: str
    distance: int
    url: str
    address: str = ""
    phone: str = ""
    category: str = ""
    kind: str = ""
    english: str = field(default="", compare=False)


def _is_part(name: str, title: str) -> bool:
    return len(name) > 1 and name in title


def map_link(dish: Dish, language: Language) -> str:
    """A page of a map that looks for the dish around whoever opens it; it tells nobody where that is.

    Kakao's links: https://apis.map.kakao.com/web/guide/#routeurl, Google's:
    https://developers.google.com/maps/documentation/urls/get-started#search-action
    """
    if language == "ko":
        return f"https://map.kakao.com/link/search/{quote(dish.asked, safe='')}"
    return f"https://www.google.com/maps/search/?api=1&query={quote(dish.english or dish.asked, safe='')}"


def dish_words(text: str) -> str:
    """What of a text that asks for places may name a dish; empty where all of it only asks: 근처 마라샹궈 파는 곳."""
    clean = _MARKS.sub(" ", normalize(text).lower())
    bare = _AFTER.sub("", " ".join(_asking().sub(" ", clean).split()))
    return bare if len(bare) <= DISH_LENGTH and any(char.isalpha() for char in bare) else ""


@cache
def _asking() -> re.Pattern[str]:
    return re.compile(rf"(?<!\S)(?:{pattern(read('places')['asking']).pattern})+(?!\S)")


def metres(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> int:
    """Metres between two places on the globe, as the crow flies."""
    one, other = math.radians(latitude), math.radians(other_latitude)
    across = math.radians(other_longitude - longitude)
    half = math.sin((other - one) / 2) ** 2 + math.cos(one) * math.cos(other) * math.sin(across / 2) ** 2
    return round(2 * EARTH * math.asin(math.sqrt(min(1.0, half))))


def decoded(body: bytes) -> Mapping[str, Any]:
    """The JSON object that an answer is. Raises Unusable."""
    try:
        whole = json.loads(body)
    except (ValueError, RecursionError):
        raise Unusable("no JSON") from None
    if not isinstance(whole, dict):
        raise Unusable("no JSON object")
    return whole


def words_of(table: Mapping[str, Any], *names: str, limit: int = LINE_LENGTH) -> str:
    """The first of these fields that says something, on one line and not for ever; other types say nothing."""
    for name in names:
        value = table.get(name)
        if isinstance(value, str) and (words := normalize(value[:MAX_CHARS], limit)):
            return words
    return ""


def degrees(value: object) -> float:
    """A coordinate written as a number or as text; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def on_globe(latitude: float, longitude: float) -> bool:
    return abs(latitude) <= 90 and abs(longitude) <= 180


def phone_of(words: str) -> str:
    """A telephone number, the first of several, or nothing where it is none."""
    number = words.split(";")[0].strip()
    return number if _PHONE.fullmatch(number) else ""
