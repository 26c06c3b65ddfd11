"""Reasons and benefits without a model: each item's own pitch, joined to what was asked in words that vary.

Every title, name, year and number that it writes comes from the item or the request.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from data.item import Domain, Item
from data.phrases import Language, phrases
from engine.lexicon import read
from engine.quantities import Range
from engine.ranking import COMMON, Ranked
from engine.request import Request
from engine.taste import Taste
from engine.text import squeeze
from engine.words import labels

ORDER: Final = (
    "item", "like", "creator", "person", "hangover", "body", "situations", "effects", "moods", "soupy",
    "served", "spicy", "ingredient", "diet", "genre", "cuisine", "immersion", "length", "kcal", "years",
    "meals", "country", "price", "liked", "survey",
)  # fmt: skip
"""What is worth naming first: the more a wish tells of the day, the earlier."""


ALIKE: Final = 0.35
"""How near to what was liked (`ranking`) a pick must be for the reason to say so, when they share a genre too."""
_SETS_SCENE: Final = re.compile(
    r"날|때|땐|밤|아침|저녁|점심|새벽|퇴근|출근|주말|사람|[가-힣](?:엔|면|니|데), |\b(?:when|if|day|night|morning|evening|after|for)\b",
    re.I,
)
"""A pitch that sets a scene or names its reader: a lead before it would be one clause too many."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One thing asked for that an item answers: the key of its words, and the name that fills them."""

    kind: str
    key: str
    name: str = ""


class Writer:
    """Writes in one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._words = phrases(language)
        self._labels = labels(language)

    def grounds(
        self, ranked: Ranked, request: Request, taste: Taste, known: Mapping[str, Item]
    ) -> list[Ground]:
        """What of the request this item answers, what is most worth saying first.

        `known` are items by id that the request or the taste names.
        """
        found = list(self._grounds(ranked, request, taste, known))
        return sorted(
            found, key=lambda ground: ORDER.index(ground.kind) if ground.kind in ORDER else len(ORDER)
        )

    def reason(self, item: Item, grounds: list[Ground], request: Request, seed: int, position: int) -> str:
        """Why it fits: one of the item's pitches, and the ground for it before or after.

        `position` is the pick's place in its answer: neighbours take other grounds and other shapes.
        """
        dice = random.Random(f"{seed}{item.id}")  # noqa: S311
        pitch = self._pitch(item, request, dice)
        if not grounds:
            return pitch
        ground = grounds[position % min(2, len(grounds))]
        if (seed + position) % 3 or _SETS_SCENE.search(pitch):
            return f"{pitch} {self._words.say(f'tail.{ground.key}', seed + position, name=ground.name)}"
        lead = self._words.say(f"lead.{ground.key}", seed + position, name=ground.name)
        return f"{lead}, {pitch}" if self.language == "ko" else f"{lead}: {pitch}"

    def benefit(self, item: Item, request: Request, seed: int) -> str:
        """What it may do for the person, from what it does and what was wished."""
        for body in request.body:
            if body in item.body and self._words.variants(f"benefit.body.{body}"):
                return self._words.say(f"benefit.body.{body}", seed)
        implied = [
            effect
            for mood in request.moods
            for effect in read("implied")["moods"].get(mood, {}).get("effects", ())
        ]
        effects = [effect for effect in (*request.effects, *implied) if effect in item.effects] or list(
            item.effects
        )
        return self._words.say(f"benefit.{item.domain}.{effects[0]}", seed)

    def facts(self, item: Item) -> tuple[str, ...]:
        """What a card shows beside the title, short, in a fixed order; only what is known."""
        label, say = self._labels, self._words.say
        facts: list[str] = []
        if item.creators:
            facts.append(", ".join(item.creators))
        if item.domain is Domain.FOOD:
            facts += [label.of("cuisine", item.cuisine)] if item.cuisine else []
            facts += [say("fact.kcal", value=item.kcal)] if item.kcal is not None else []
            facts += [label.of("spicy", item.spicy)] if item.spicy is not None else []
            facts += [say("fact.cook", value=item.length)] if item.length else []
            facts += [label.of("price", item.price)] if item.price else []
            if item.allergens:
                names = ", ".join(label.of("allergens", a) for a in item.allergens)
                facts.append(say("fact.allergens", value=names))
            return tuple(facts)
        facts += [str(item.year)] if item.year is not None else []
        facts += [label.of("country", item.country)] if item.country else []
        facts += (
            [", ".join(label.genre(item.domain, genre) for genre in item.genres[:3])] if item.genres else []
        )
        facts += [say(f"fact.length.{item.domain}", value=item.length)] if item.length else []
        if item.age is not None:
            facts.append(label.of("age", item.age))
        if item.people:
            facts.append(", ".join(item.people[:3]))
        return tuple(facts)

    def title(self, item: Item) -> str:
        return item.title if self.language == "ko" or not item.title_en else item.title_en

    def summary(self, item: Item) -> str:
        return (item.summary if self.language == "ko" else item.summary_en or item.summary) or ""

    def _pitch(self, item: Item, request: Request, dice: random.Random) -> str:
        """The pitch that shares most with the words of the request; chance decides among equals."""
        pitches = list(item.pitch if self.language == "ko" else item.pitch_en or item.pitch)
        dice.shuffle(pitches)
        asked = _pairs(request.text)
        return max(pitches, key=lambda pitch: len(asked & _pairs(pitch)), default=self.summary(item))

    def _grounds(
        self, ranked: Ranked, request: Request, taste: Taste, known: Mapping[str, Item]
    ) -> Iterator[Ground]:
        item, label = ranked.item, self._labels
        if item.id in request.items:
            yield Ground("item", "named.item")
        for liked in request.like:
            if liked in known:
                yield Ground("like", "named.like", self.title(known[liked]))
        for name in request.creators:
            if name in item.creators:
                yield Ground("creator", "named.creator", name)
        for name in request.people:
            if name in item.people:
                yield Ground("person", "named.person", name)
        for field, value in ranked.kept:
            match field:
                case "situations" | "effects" | "moods" | "immersion" | "meals" | "body" | "served":
                    yield Ground(field, f"{field}.{value}")
                case "soupy":
                    yield Ground("soupy", f"soupy.{'yes' if value == 'True' else 'no'}")
                case "genres":
                    yield Ground("genre", "named.genre", label.genre(item.domain, value))
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
            yield Ground("spicy", "spicy.hot" if (request.spicy.low or 0) >= 1 else "spicy.mild")
        for diet in request.diet:
            yield Ground("diet", f"diet.{diet}")
        if request.price == 1 and item.price == 1:
            yield Ground("price", "price.cheap")
        unit = {Domain.BOOK: "pages", Domain.MOVIE: "minutes", Domain.FOOD: "minutes"}[item.domain]
        for kind, span, key in (
            ("years", request.years, "years"),
            ("length", request.length, unit),
            ("kcal", request.kcal, "kcal"),
        ):
            if span:
                yield Ground(kind, f"named.{kind}", self._span(span, key))
        for liked in reversed(taste.liked):
            if not request.like and liked in known and ranked.parts.get("taste", 0.0) > ALIKE:
                shared = set(item.genres) & set(known[liked].genres) - COMMON
                if liked != item.id and (shared or item.cuisine == known[liked].cuisine is not None):
                    yield Ground("liked", "taste.liked", self.title(known[liked]))
                    break
        survey = taste.wishes.get(item.domain)
        if survey is not None:
            for field in ("effects", "moods", "situations"):
                for value in getattr(survey, field):
                    if value in getattr(item, field):
                        yield Ground("survey", f"{field}.{value}")

    def _span(self, span: Range, unit: str) -> str:
        if span.low is not None and span.high is not None:
            key = "decade" if unit == "years" and span.high - span.low == 9 else "between"
        else:
            key = "from" if span.low is not None else "to"
        return self._words.say(f"span.{unit}.{key}", low=span.low, high=span.high)


def _pairs(text: str) -> set[str]:
    squeezed, _ = squeeze(text)
    return {squeezed[i : i + 2] for i in range(len(squeezed) - 1)}
