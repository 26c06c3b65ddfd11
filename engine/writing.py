"""Reasons and benefits without a model: each item's own pitch, joined to what was asked in words that vary.

Every title, name, year and number that it writes comes from the item or the request. What was told in a talk
(`said.py`) is told otherwise the next time.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from data.item import Domain, Item
from data.phrases import Language, phrases
from engine.allergies import avoided
from engine.lexicon import pattern, read
from engine.quantities import Range
from engine.ranking import COMMON, Ranked
from engine.request import FORMS, Exclude, Request
from engine.said import Said
from engine.taste import Taste
from engine.text import squeeze
from engine.words import labels

ORDER: Final = (
    "item", "like", "creator", "person", "hangover", "body", "situations", "effects", "moods", "soupy",
    "served", "spicy", "ingredient", "diet", "genre", "cuisine", "immersion", "length", "kcal", "years",
    "meals", "country", "price", "implied", "without", "instead", "liked", "survey",
)  # fmt: skip
"""What is worth naming first: the more a wish tells of the day, the earlier."""


ALIKE: Final = 0.35
"""How near to what was liked (`ranking`) a pick must be for the reason to say so, when they share a genre too."""
WORN: Final = 2
"""How often a sentence is told lately to anyone before another is preferred."""
VERB_FORMS: Final = ("kind", "one", "do", "when", "while", "past", "done", "try", "start")
"""What words may be filled with beside a name: how the item's kind is called, and what is done with it."""
NAMED: Final = 3
"""How many grounds of an item may be named: the first ones, each half as likely as the one before it."""
LEADS: Final = 0.7
"""How often words stand before a pitch rather than after it."""
REFUSED: Final = 2
"""More things not to be eaten than these are a group, such as seafood, that no one of them stands for."""
KIN: Final = 2
"""How many pairs of letters a pitch and a request must share for that to be more than chance."""
_SCENE: Final = re.compile(
    r"날|때|땐|밤|아침|저녁|점심|새벽|퇴근|출근|주말|[가-힣](?:엔|면), |면$|\b(?:when|if|day|night|morning|evening|after)\b",
    re.I,
)
"""A clause that sets a scene: two of them in one sentence are one too many."""
_ANYTHING: Final = pattern(read("dialogue")["intents"]["anything"])
_CLASHES: Final = {
    f"{field}.{value}": pattern(words)
    for field, values in read("clashes").items()
    for value, words in values.items()
}
_STEM: Final = re.compile(r"(?<![가-힣])[가-힣]{2}|\b[a-z]{5}")


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


class Writer:
    """Writes in one language."""

    def __init__(self, language: Language, said: Said | None = None, anyone: Said | None = None) -> None:
        """`said` is what the person was told lately, `anyone` what anybody was; both grow by what is written."""
        self.language: Language = language
        self.said, self._anyone = said or Said(), anyone or Said()
        self._words = phrases(language)
        self._labels = labels(language)

    def grounds(
        self, ranked: Ranked, request: Request, taste: Taste, known: Mapping[str, Item]
    ) -> list[Ground]:
        """What of the request this item answers, what is most worth saying first.

        `known` are items by id that the request or the taste names.
        """
        found = sorted(self._grounds(ranked, request, taste, known), key=lambda g: ORDER.index(g.kind))
        return found or [self._bare(request, ranked.item.domain)]

    def reason(self, item: Item, grounds: list[Ground], request: Request, seed: int) -> str:
        """Why it fits: one of the item's pitches, with words for a ground before it or after it."""
        dice = random.Random(f"{seed}{request.text}{item.id}")  # noqa: S311
        ways = list(self._ways(item, grounds, request, dice))
        if not ways:
            return self.summary(item)
        _, text, told = min(ways)
        self._tell(*told)
        return text

    def benefit(self, item: Item, request: Request, seed: int) -> str:
        """What it may do for the person: of what was told least, what comes nearest to what was wished."""
        dice = random.Random(f"{seed}{request.text}{item.id}benefit")  # noqa: S311
        implied = (
            effect
            for mood in request.moods
            for effect in read("implied")["moods"].get(mood, {}).get("effects", ())
        )
        wished = [f"body.{body}" for body in request.body if body in item.body]
        wished += [
            f"{item.domain}.{effect}" for effect in (*request.effects, *implied) if effect in item.effects
        ]
        keys = dict.fromkeys((*wished, *(f"{item.domain}.{effect}" for effect in item.effects)))
        *_, words = min(
            (self.said.times(words), key not in wished, self._is_worn(words), dice.random(), words)
            for key in keys
            for words in self._words.variants(f"benefit.{key}")
        )
        self._tell(words)
        return words

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

    def _ways(
        self, item: Item, grounds: list[Ground], request: Request, dice: random.Random
    ) -> Iterator[tuple[tuple[float, ...], str, tuple[str, ...]]]:
        """Every way to give the reason: its place in the order of choice, its text, what is told by it.

        No pitch is told again while another is untold. Words before a pitch make one sentence with it, which
        is new as long as either is: so nothing need be said twice even when all words after pitches were.
        """
        asked = _pairs(request.text)
        words = [
            (ground.key, lead, text, told, _stems(text), dice.random() ** (2**place / weight))
            for place, ground in enumerate(grounds[:NAMED])
            for lead, weight in ((True, LEADS), (False, 1 - LEADS))
            for text, told in self._about(ground, item, "lead" if lead else "tail")
        ]
        for pitch in (item.pitch if self.language == "ko" else item.pitch_en) or item.pitch:
            shared = len(asked & _pairs(pitch))
            first, kin = self.said.times(pitch), -shared if shared >= KIN else 0
            if not words:
                yield (first, kin, dice.random()), pitch, (pitch,)
            stems, worn_pitch = _stems(pitch), self._is_worn(pitch)
            clashes = {key for key, badly in _CLASHES.items() if badly.search(pitch)}
            for key, lead, text, told, own, likely in words:
                said = self.said.times(told)
                again = min(said, first) if lead else max(said, first)
                clumsy = not own.isdisjoint(stems) or (lead and _stumbles(text, pitch))
                worn = self._is_worn(told) or (worn_pitch and not lead)
                order = (first, key in clashes, kin, again, clumsy, said, worn, -likely, dice.random())
                yield order, self._joined(text, pitch) if lead else f"{pitch} {text}", (pitch, told)

    def _tell(self, *sentences: str) -> None:
        self.said.add(*sentences)
        self._anyone.add(*sentences)

    def _is_worn(self, sentence: str) -> bool:
        return self._anyone.times(sentence) >= WORN

    def _about(self, ground: Ground, item: Item, shape: str) -> Iterator[tuple[str, str]]:
        """The words of a ground for an item, and how they are remembered: whatever fills them."""
        forms = {name: self._words.say(f"form.{item.domain}.{name}") for name in VERB_FORMS}
        key = ground.words
        for variant in (
            *self._words.variants(f"{shape}.{key}"),
            *self._words.variants(f"{shape}.{item.domain}.{key}"),
        ):
            yield self._words.fill(variant, name=ground.name, **forms), variant

    def _joined(self, lead: str, pitch: str) -> str:
        return f"{lead}, {pitch}" if self.language == "ko" else f"{lead}: {pitch}"

    def _grounds(
        self, ranked: Ranked, request: Request, taste: Taste, known: Mapping[str, Item]
    ) -> Iterator[Ground]:
        item, label = ranked.item, self._labels
        if item.id in request.items:
            yield Ground("item", "named.item")
        for liked in request.like:
            if liked in known:
                yield Ground("like", "named.like", self.title(known[liked]))
        if request.unknown:
            yield Ground("like", "named.unknown", request.unknown)
        for name in request.creators:
            if name in item.creators:
                yield Ground("creator", "named.creator", name)
        for name in request.people:
            if name in item.people:
                heard = "animation" in item.genres
                yield Ground("person", "named.voice" if heard else "named.person", name)
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
        unit = {Domain.BOOK: "pages", Domain.MOVIE: "minutes", Domain.FOOD: "minutes"}[item.domain]
        for kind, span, key, below, above in (
            ("years", request.years, "years", "old", "new"),
            ("length", request.length, unit, "short", "long"),
            ("kcal", request.kcal, "kcal", "", ""),
        ):
            exact = re.search(r"\d", request.text) or None not in (span.low, span.high)
            if span and (exact or not below or item.domain is Domain.FOOD):
                yield Ground(kind, f"named.{kind}", self._span(span, key))
            elif span:
                yield Ground(kind, f"named.{below if span.low is None else above}")
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
                    yield Ground("liked", "taste.liked", self.title(known[liked]))
                    break
        survey = taste.wishes.get(item.domain)
        if survey is not None:
            for field in ("effects", "moods", "situations"):
                for value in getattr(survey, field):
                    if value in getattr(item, field):
                        yield Ground("survey", f"{field}.{value}", label.of(field, value))

    def _bare(self, request: Request, domain: Domain) -> Ground:
        """What can be said of a request that no ground was found for: its domain, or that it was left open."""
        if request.domain:
            return Ground("domain", f"domain.{domain}")
        said = _ANYTHING.sub("", request.text).strip()
        return Ground("asked", "asked.any") if said else Ground("open", "open.any")

    def _turned_down(self, exclude: Exclude, domain: Domain) -> Iterator[str]:
        yield from exclude.titles
        yield from (self._labels.genre(domain, genre) for genre in exclude.genres)
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


def _stumbles(lead: str, pitch: str) -> bool:
    """Whether a lead and a pitch both set a scene, or a clause ends in both alike: "먹는다면, 한입 먹으면"."""
    alike = re.search(rf"[가-힣]{re.escape(lead[-1])}[ ,]", pitch)
    return bool(alike or (_SCENE.search(lead) and _SCENE.search(pitch)))


def _stems(text: str) -> set[str]:
    """How the words of a text begin: two texts that share one would stammer, said one after the other."""
    return {*_STEM.findall(text.lower())}


def _pairs(text: str) -> set[str]:
    squeezed, _ = squeeze(text)
    return {squeezed[i : i + 2] for i in range(len(squeezed) - 1)}
