"""Reasons and benefits without a model: each item's own pitch, joined to what was asked in words that vary.

Every title, name, year and number that it writes comes from the item or the request. What was told in a talk
(`said.py`) is told otherwise the next time.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Final

from data.item import Domain, Item
from data.phrases import Language, phrases
from data.sentence import opening
from engine.grounds import Ground, Grounds
from engine.lexicon import pattern, read
from engine.request import Request
from engine.said import Said, mark
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
_ENDING: Final = re.compile(r"(?<=[가-힣])[^ ,](?=[ ,])")
REMEMBERED: Final = 2_048
"""How many words of grounds, and how many pitches, are kept as they were filled and heard."""
_CLASHES: Final = {
    f"{field}.{value}": pattern(words)
    for field, values in read("clashes").items()
    for value, words in values.items()
}
_STEM: Final = re.compile(r"(?<![가-힣])[가-힣]{2}|\b[a-z]{5}")


@dataclass(frozen=True, slots=True)
class _Sound:
    """How a text begins its words, how its clauses end, and whether one of them sets a scene."""

    stems: frozenset[str]
    endings: frozenset[str]
    scene: bool


@dataclass(frozen=True, slots=True)
class _Words:
    """Words for a ground, before a pitch (`lead`) or after it, filled: `told`, or its `mark`, is how they are remembered."""

    ground: str
    lead: bool
    text: str
    told: str
    mark: int
    sound: _Sound

    def stammers(self, pitch: _Sound) -> bool:
        """Whether a word of the pitch begins like one of these."""
        return not self.sound.stems.isdisjoint(pitch.stems)

    def stumbles(self, pitch: _Sound) -> bool:
        """Whether both set a scene, or a clause ends in both alike: "먹는다면, 한입 먹으면"."""
        return self.text[-1] in pitch.endings or (self.sound.scene and pitch.scene)


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
        """Why it fits: one of the item's pitches, with words for a ground before it or after it. Of an item without any,
        the first sentence of its summary stands for one, and words come after it: they make no one sentence with
        what was not written for them."""
        dice = random.Random(f"{seed}{request.text}{item.id}")  # noqa: S311
        best = min(self._ways(item, grounds, request, dice), key=itemgetter(0), default=None)
        if best is None:
            return self.summary(item)
        _, pitch, words = best
        if words is None:
            self._tell(pitch)
            return pitch
        self._tell(pitch, words.told)
        return self._joined(words.text, pitch) if words.lead else f"{pitch} {words.text}"

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
            facts.append(", ".join(label.of("creators", name) for name in item.creators))
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
        if item.year is not None:
            facts.append(str(item.year) if item.year > 0 else say("fact.before_christ", value=-item.year))
        facts += [label.of("country", item.country)] if item.country else []
        facts += (
            [", ".join(label.genre(item.domain, genre) for genre in item.genres[:3])] if item.genres else []
        )
        facts += [say(f"fact.length.{item.domain}", value=item.length)] if item.length else []
        if item.age is not None:
            facts.append(label.of("age", item.age))
        if item.people:
            facts.append(", ".join(label.of("people", name) for name in item.people[:3]))
        return tuple(facts)

    def title(self, item: Item) -> str:
        return title(item, self.language)

    def summary(self, item: Item) -> str:
        return (item.summary if self.language == "ko" else item.summary_en or item.summary) or ""

    def _ways(
        self, item: Item, grounds: list[Ground], request: Request, dice: random.Random
    ) -> Iterator[tuple[tuple[float, ...], str, _Words | None]]:
        """Ways to give the reason, the best among them: their place in the order of choice, the pitch and the words.

        No pitch is told again while another is untold. Words before a pitch make one sentence with it, which
        is new as long as either is: so nothing need be said twice even when all words after pitches were.
        """
        asked = _pairs(request.text)
        told, anyone, roll = self.said.heard.get, self._anyone.heard.get, dice.random
        words = sorted(
            [
                (told(each.mark, 0), anyone(each.mark, 0) >= WORN, -(roll() ** rarity), number, each)
                for place, ground in enumerate(grounds[:NAMED])
                for lead, rarity in ((True, 3**place / LEADS), (False, 3**place / (1 - LEADS)))
                for number, each in enumerate(_about(ground, item.domain, lead, self.language))
            ]
        )
        pitches = (item.pitch if self.language == "ko" else item.pitch_en) or item.pitch
        if not pitches and (sentence := opening(self.summary(item))):
            pitches = (sentence,)
            words = [each for each in words if not each[-1].lead]
        for pitch in pitches:
            shared = len(asked & _pairs_of_pitch(pitch))
            first, kin = self.said.times(pitch), -shared if shared >= KIN else 0
            if not words:
                yield (first, kin, dice.random()), pitch, None
            sound, worn_pitch, clashes = _sound(pitch), self._is_worn(pitch), _clashes(pitch)
            settled: set[tuple[bool, bool]] = set()
            for said, worn, likely, _, each in words:
                kind = each.lead, each.ground in clashes
                if kind in settled:
                    continue  # the words are in order: those of one kind that follow are no better
                again = min(said, first) if each.lead else max(said, first)
                clumsy = each.stammers(sound) + (each.lead and each.stumbles(sound))
                worn_both = worn or (worn_pitch and not each.lead)
                yield (first, kind[1], kin, again, clumsy, said, worn_both, likely), pitch, each
                if not clumsy:
                    settled.add(kind)

    def _tell(self, *sentences: str) -> None:
        self.said.add(*sentences)
        self._anyone.add(*sentences)

    def _is_worn(self, sentence: str) -> bool:
        return self._anyone.times(sentence) >= WORN

    def _joined(self, lead: str, pitch: str) -> str:
        return f"{lead}, {pitch}" if self.language == "ko" else f"{lead}: {pitch}"


@lru_cache(REMEMBERED)
def _about(ground: Ground, domain: Domain, lead: bool, language: Language) -> tuple[_Words, ...]:
    """All words of a ground for an item of a domain."""
    words = phrases(language)
    forms = {name: words.say(f"form.{domain}.{name}") for name in VERB_FORMS}
    variants = words.variants(f"{'lead' if lead else 'tail'}.{ground.words}")
    texts = [words.fill(variant, name=ground.name, **forms) for variant in variants]
    return tuple(
        _Words(ground.key, lead, text, told, mark(told), _sound(text))
        for text, told in zip(texts, variants, strict=True)
    )


@lru_cache(REMEMBERED)
def _sound(text: str) -> _Sound:
    stems, endings = _STEM.findall(text.lower()), _ENDING.findall(text)
    return _Sound(frozenset(stems), frozenset(endings), bool(_SCENE.search(text)))


@lru_cache(REMEMBERED)
def _clashes(pitch: str) -> frozenset[str]:
    """The grounds whose words would go badly with a pitch."""
    return frozenset(key for key, badly in _CLASHES.items() if badly.search(pitch))


def _pairs(text: str) -> frozenset[str]:
    squeezed, _ = squeeze(text)
    return frozenset(squeezed[i : i + 2] for i in range(len(squeezed) - 1))


_pairs_of_pitch = lru_cache(REMEMBERED)(_pairs)
"""Of pitches only: what people say is not to be held."""
