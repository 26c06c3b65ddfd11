"""What of a request an item answers: the grounds that its reason may name, what is most worth saying first.

Knows the keys of the words that tell a ground, not the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from data.item import GENRES, Domain, Item
from data.phrases import Language, phrases
from engine.allergies import avoided
from engine.lexicon import pattern, read
from engine.quantities import Range
from engine.ranking import COMMON, Ranked
from engine.request import FORMS, Exclude, Request
from engine.taste import Taste
from engine.words import labels, person, title

ORDER: Final = (
    "item", "like", "creator", "person", "hangover", "body", "situations", "effects", "moods", "soupy",
    "served", "spicy", "ingredient", "diet", "genre", "cuisine", "immersion", "length", "kcal", "years",
    "meals", "country", "price", "implied", "without", "instead", "liked", "survey",
)  # fmt: skip
"""What is worth naming first: the more a wish tells of the day, the earlier."""
ALIKE: Final = 0.35
"""How near to what was liked (`ranking`) a pick must be for the reason to say so, when they share a genre too."""
REFUSED: Final = 2
"""More things not to be eaten than these are a group, such as seafood, that no one of them stands for."""
_ANYTHING: Final = pattern(read("dialogue")["intents"]["anything"])


@dataclass(frozen=True, slots=True)
class Ground:
    """One thing asked for that an item answers: the key of its words, and the name that fills them."""

    kind: str
    key: str
    name: str = ""

    @property
    def words(self) -> str:
        """The key of the words that tell it. What a survey told was not said today: it has words of its own."""
        return f"taste.{self.key.split('.')[0]}" if self.kind == "survey" else self.key


class Grounds:
    """Finds grounds, with names in one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._words = phrases(language)
        self._labels = labels(language)

    def of(self, ranked: Ranked, request: Request, taste: Taste, known: Mapping[str, Item]) -> list[Ground]:
        """What of the request this item answers, what is most worth saying first.

        `known` are items by id that the request or the taste names.
        """
        found = dict.fromkeys(self._found(ranked, request, taste, known))
        return sorted(found, key=lambda ground: ORDER.index(ground.kind)) or [
            self._bare(request, ranked.item.domain)
        ]

    def _found(
        self, ranked: Ranked, request: Request, taste: Taste, known: Mapping[str, Item]
    ) -> Iterator[Ground]:
        item, label = ranked.item, self._labels
        if item.id in request.items:
            yield Ground("item", "named.item")
        for liked in request.like:
            if liked in known:
                yield Ground("like", "named.like", title(known[liked], self.language))
        if request.unknown:
            yield Ground("like", "named.unknown", request.unknown)
        for name in request.creators:
            if name in item.creators:
                yield Ground("creator", "named.creator", person(name, self.language))
        for name in request.people:
            if name in item.people:
                heard = "animation" in item.genres
                yield Ground(
                    "person", "named.voice" if heard else "named.person", person(name, self.language)
                )
        for field, value in ranked.kept:
            match field:
                case "situations" | "effects" | "moods" | "immersion" | "meals" | "body" | "served":
                    yield Ground(field, f"{field}.{value}")
                case "soupy":
                    yield Ground("soupy", f"soupy.{'yes' if value == 'True' else 'no'}")
                case "genres" if value not in FORMS or set(request.genres) <= FORMS:
                    said = request.genres[0] if value in FORMS else value
                    yield Ground("genre", "named.genre", label.genre(item.domain, said))
                case "ingredients":
                    yield Ground("ingredient", "named.ingredient", value)
                case "splurge":
                    yield Ground("price", "price.fancy")
                case _:
                    pass
        if item.cuisine and item.cuisine in request.cuisine:
            yield Ground("cuisine", "named.cuisine", label.of("cuisine", item.cuisine))
        if item.country and item.country in request.country:
            yield Ground("country", "named.country", label.of("country", item.country))
        if request.spicy:
            heat = "hot" if (request.spicy.low or 0) >= 1 else "little" if item.spicy else "mild"
            yield Ground("spicy", f"spicy.{heat}")
        for diet in request.diet:
            yield Ground("diet", f"diet.{diet}")
        if request.price == 1 and item.price == 1:
            yield Ground("price", "price.cheap")
        yield from self._measures(item, request)
        for field in ("moods", "situations", "body"):
            for value in getattr(request, field):
                guessed = read("implied").get(field, {}).get(value, {})
                if value not in getattr(item, field) and any(
                    _meets(getattr(item, name), wanted) for name, wanted in guessed.items()
                ):
                    yield Ground("implied", f"{field}.{value}")
        refused = [label.of("allergens", allergen) for allergen in request.allergens]
        refused += [avoided(name, self.language) for name in request.avoid]
        if len(refused) <= REFUSED:
            yield from (Ground("without", "without.any", name) for name in refused)
        for name in () if request.like else self._turned_down(request.exclude, item.domain):
            yield Ground("instead", "named.instead", name)
        for liked in reversed(taste.liked):
            if not request.like and liked in known and ranked.parts.get("taste", 0.0) > ALIKE:
                shared = set(item.genres) & set(known[liked].genres) - COMMON
                if liked != item.id and (shared or item.cuisine == known[liked].cuisine is not None):
                    yield Ground("liked", "taste.liked", title(known[liked], self.language))
                    break
        survey = taste.wishes.get(item.domain)
        if survey is not None:
            for field in ("effects", "moods", "situations"):
                for value in getattr(survey, field):
                    if value in getattr(item, field):
                        yield Ground("survey", f"{field}.{value}", label.of(field, value))

    def _measures(self, item: Item, request: Request) -> Iterator[Ground]:
        """Years, length and calories: by their number only to who said one, or "짧은 책" is told of 260 pages."""
        unit = "pages" if item.domain is Domain.BOOK else "minutes"
        if request.years:
            yield self._measure("years", request.years, "years", request, "old", "new")
        if request.length and item.domain is Domain.FOOD:
            yield self._measure("length", request.length, unit, request)
        elif request.length and request.domain:  # else nobody said whether pages or minutes
            yield self._measure("length", request.length, unit, request, "short", "long")
        if request.kcal:
            yield self._measure("kcal", request.kcal, "kcal", request)

    def _measure(
        self, kind: str, span: Range, unit: str, request: Request, below: str = "", above: str = ""
    ) -> Ground:
        loose = below if span.low is None else above
        if not loose or None not in (span.low, span.high) or re.search(r"\d", request.text):
            return Ground(kind, f"named.{kind}", self._span(span, unit))
        return Ground(kind, f"named.{loose}")

    def _bare(self, request: Request, domain: Domain) -> Ground:
        """What can be said of a request that no ground was found for: its domain, or that it was left open."""
        if request.domain:
            return Ground("domain", f"domain.{domain}")
        said = _ANYTHING.sub("", request.text).strip()
        return Ground("asked", "asked.any") if said else Ground("open", "open.any")

    def _turned_down(self, exclude: Exclude, domain: Domain) -> Iterator[str]:
        yield from exclude.titles
        yield from (self._labels.genre(domain, genre) for genre in exclude.genres if genre in GENRES[domain])
        yield from (self._labels.of("cuisine", value) for value in exclude.cuisine)

    def _span(self, span: Range, unit: str) -> str:
        if span.low is not None and span.high is not None:
            key = "decade" if unit == "years" and span.high - span.low == 9 else "between"
        else:
            key = "from" if span.low is not None else "to"
        return self._words.say(f"span.{unit}.{key}", low=span.low, high=span.high)


def _meets(has: Any, wanted: Any) -> bool:
    """Whether a field of an item has one of the values wanted."""
    one = has if isinstance(has, tuple) else (has,)
    return not set(one).isdisjoint(wanted if isinstance(wanted, list) else (wanted,))
