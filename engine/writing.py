"""Reasons and benefits without a model: each item's own pitch, joined to what was asked in words that vary.

Every title, name, year and number that it writes comes from the item or the request. What was told in a talk
(`said.py`) is told otherwise the next time.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Final

from data.item import Domain, Item
from data.phrases import Language, phrases
from engine.grounds import Ground, Grounds
from engine.lexicon import pattern, read
from engine.request import Request
from engine.said import Said
from engine.text import squeeze
from engine.words import labels, title

WORN: Final = 2
"""How often a sentence is told lately to anyone before another is preferred."""
VERB_FORMS: Final = ("kind", "one", "do", "when", "while", "past", "done", "try", "start")
"""What words may be filled with beside a name: how the item's kind is called, and what is done with it."""
NAMED: Final = 3
"""How many grounds of an item may be named: the first ones, each a third as likely as the one before it."""
LEADS: Final = 0.7
"""How often words stand before a pitch rather than after it."""
KIN: Final = 2
"""How many pairs of letters a pitch and a request must share for that to be more than chance."""
_SCENE: Final = re.compile(
    r"날|때|땐|밤|아침|저녁|점심|새벽|퇴근|출근|주말|[가-힣](?:엔|면), |면$|\b(?:when|if|day|night|morning|evening|after)\b",
    re.I,
)
"""A clause that sets a scene: two of them in one sentence are one too many."""
_CLASHES: Final = {
    f"{field}.{value}": pattern(words)
    for field, values in read("clashes").items()
    for value, words in values.items()
}
_STEM: Final = re.compile(r"(?<![가-힣])[가-힣]{2}|\b[a-z]{5}")


class Writer:
    """Writes in one language."""

    def __init__(self, language: Language, said: Said | None = None, anyone: Said | None = None) -> None:
        """`said` is what the person was told lately, `anyone` what anybody was; both grow by what is written."""
        self.language: Language = language
        self.said, self._anyone = said or Said(), anyone or Said()
        self.grounds: Final = Grounds(language).of
        self._words = phrases(language)
        self._labels = labels(language)

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
        return title(item, self.language)

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
            (ground.key, lead, text, told, _stems(text), dice.random() ** (3**place / weight))
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
                clumsy = (not own.isdisjoint(stems)) + (lead and _stumbles(text, pitch))
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
        for variant in self._words.variants(f"{shape}.{ground.words}"):
            yield self._words.fill(variant, name=ground.name, **forms), variant

    def _joined(self, lead: str, pitch: str) -> str:
        return f"{lead}, {pitch}" if self.language == "ko" else f"{lead}: {pitch}"


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
