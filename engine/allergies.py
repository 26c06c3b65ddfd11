"""What a person must not eat: named in a text, and looked for in a dish.

Allergens are the labels of the vocabulary, or other things of the lexicon (sesame, kiwi), or plain words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from data.item import Item
from data.phrases import Language
from engine.korean import Morpheme
from engine.lexicon import Lexicon, Match, pattern, read
from engine.negation import Negation, Span

_LISTS: Final = re.compile(
    r"(?:\s|:|은|는|이|가|를|을|와|과|랑|이랑|하고|및|있는|건|게|,|·|/|to|and|or|is|are|y)*"
)
"""What may stand between 알레르기 and the names that are listed after it."""

_TAKEN_BACK = re.compile(
    r"(?:알레르기|알러지)\s*(?:은|는|이|가|도|를|을)?\s*(?:이제|더 ?이상|다|전부|모두)?\s*"
    r"(?:아니|아닌|아님|없어|없다|없음|없습|없고|나았|사라졌|괜찮아졌|지워|삭제|취소|풀어|잊어|빼 ?줘)"
    r"|\b(?:not|no longer) allergic (?:to\b|(?:to (?:anything|them|it) )?any ?more\b|now\b)|\bdon'?t have an?y?\b(?=.*\ballerg)"
    r"|\b(?:clear|remove|delete|forget) (?:all )?(?:of )?my allerg\w*",
    re.I,
)
"""An allergy said not to be one: with names before it in Korean, after it in English, or of all."""
_BARE = re.compile(
    r"(?:알레르기|알러지)\s*(?:가|도)?\s*(?:있|심해|심한)|\bhave (?:an? |some )?allerg\w*", re.I
)
_ALL = re.compile(r"다 |다$|전부|모두|내 |제 |\bmy\b|\ball\b|any ?more")
BARE_CHARS = 16
_COMMAS: Final = ",，·/"
_JOINS: Final = frozenset({"이랑", "랑", "하고", "과", "와", "이나", "나", "도", "며"})
"""Particles after which a list goes on."""
_NOUNS: Final = ("N", "X", "SL")
"""How the tags of what a name is made of begin: nouns, prefixes and suffixes, foreign words."""

Named = tuple[tuple[str, ...], tuple[str, ...]]
"""Ids of the label list, and ids of other things."""


class Allergies:
    """Finds what texts name, from `data/lexicon/allergens.toml`."""

    def __init__(self, negation: Negation) -> None:
        self._names = Lexicon({"allergen": _names()})
        words = read("dialogue")["words"]
        self._allergy = Lexicon({"said": {"allergy": words["allergy"]}})
        self._illness = pattern(words["illness"])
        self._inedible = frozenset(words["inedible"])
        self._negation = negation

    def named(self, text: str, morphemes: Sequence[Morpheme]) -> Named:
        """Everything that may be an allergy by its name, allergy or not."""
        return _labelled(match.value for match in self.found(text, morphemes))

    def listed(self, text: str, morphemes: Sequence[Morpheme]) -> Named:
        """What a text names, and every word of it where it is nothing but a list: 연어랑 새우."""
        found = self.found(text, morphemes)
        values = [match.value for match in found]
        if all(m.tag.startswith((*_NOUNS, "J", "SP")) for m in morphemes):
            values += self._strange(text, self._nouns(text, morphemes, 0), found)
        return _labelled(values)

    def refused(self, text: str, morphemes: Sequence[Morpheme], ingredients: Sequence[Span] = ()) -> Named:
        """What a text says must not be in a dish: turned down, or said to be an allergy.

        Every name before the word 알레르기 counts, and those listed right after it ("알레르기: 달걀, 우유").
        What no word list names counts as well: any noun right before 알레르기 or listed after its colon, and of
        `ingredients` (where the text says one of the catalog's) what is turned down or stands before 못 먹어;
        not before 말고, which wishes something else for now.
        """
        found = self.found(text, morphemes)
        negated = self._negation.spans(text, found)
        said = self._allergy.find(text)
        allergy = said[0] if said else None
        listed = ends = allergy.end if allergy else None
        refused = []
        for match in found:
            if ends is not None and match.start >= ends:
                listed = ends  # several allergens may bear one name: they stand at one place
            if listed is not None and match.start >= listed and _LISTS.fullmatch(text[listed : match.start]):
                ends = match.end
                refused.append(match.value)
            elif (match.start, match.end) in negated or (allergy and match.end <= allergy.start + 1):
                refused.append(match.value)
        for each in said:
            nouns = list(self._listed_before(text, morphemes, each.start))
            if not self._illness.match(text, each.start):
                nouns = [noun for noun in nouns if any(_within(known, noun) for known in ingredients)]
            elif colon := re.compile(r"\s*:").match(text, each.end):
                nouns += self._nouns(text, morphemes, colon.end())
            refused += self._strange(text, nouns, found)
        eaten = [Match("", "", *span) for span in ingredients if span[1] - span[0] > 1]
        left_out = [span for span in self._negation.spans(text, eaten) if "말고" not in text[span[1] :][:4]]
        refused += self._strange(text, sorted(left_out), found)
        return _labelled(refused)

    def taken_back(
        self, text: str, morphemes: Sequence[Morpheme]
    ) -> tuple[Named | None, tuple[int, int]] | None:
        """The allergies that a text takes back, or None for all of them, and the span that says so.

        None when it takes none back.
        """
        match = _TAKEN_BACK.search(text)
        if match is None:
            return None
        start, end = match.span()
        found = self.found(text, morphemes)
        values, low, high = [], start, end
        for each in reversed(found):
            if each.end <= low + 1 and _LISTS.fullmatch(text[each.end : low]):
                values.append(each.value)
                low = each.start
        if not values:
            for each in found:
                if each.start >= high and _LISTS.fullmatch(text[high : each.start]):
                    values.append(each.value)
                    high = each.end
        nouns = list(self._listed_before(text, morphemes, start))
        values += self._strange(text, nouns, found)
        low = min([low, *(noun[0] for noun in nouns)])
        if not values and not _ALL.search(text[max(0, start - 4) : end]):
            return None
        return (_labelled(values) if values else None), (low, high)

    def is_bare(self, text: str, morphemes: Sequence[Morpheme]) -> bool:
        """Whether a short text tells of an allergy and not of which."""
        return len(text) <= BARE_CHARS and bool(_BARE.search(text)) and not self.found(text, morphemes)

    def _nouns(self, text: str, morphemes: Sequence[Morpheme], start: int) -> list[Span]:
        """The nouns among the words from a place to the end of its sentence."""
        end = re.compile(r"[.!?\n]|$").search(text, start)
        words = re.compile(rf"[^\s{_COMMAS}]+").finditer(text, start, end.start() if end else len(text))
        return [noun for word in words if (noun := self._noun(morphemes, word.span()))]

    def _strange(self, text: str, nouns: Iterable[Span], found: Sequence[Match]) -> list[str]:
        """The nouns, as plain words, that may be eaten and that no name covers."""
        return [
            f"other.{text[noun[0] : noun[1]]}"
            for noun in nouns
            if text[noun[0] : noun[1]] not in self._inedible
            if not any(_within(noun, (match.start, match.end)) for match in found)
        ]

    def _listed_before(self, text: str, morphemes: Sequence[Morpheme], end: int) -> Iterator[Span]:
        """The nouns that stand in a row right before a place, the last one first: 두리안이랑 쑥갓에 [알레르기]."""
        while True:
            head = text[:end].rstrip(f" {_COMMAS}")
            start = max(head.rfind(mark) for mark in f" {_COMMAS}") + 1
            noun = self._noun(morphemes, (start, len(head)))
            if noun is None:
                return
            yield noun
            before = text[:start].rstrip()
            joined = next((m for m in reversed(morphemes) if m.end == len(before)), None)
            if not before.endswith(tuple(_COMMAS)) and (joined is None or joined.form not in _JOINS):
                return
            end = start

    @staticmethod
    def _noun(morphemes: Sequence[Morpheme], word: Span) -> Span | None:
        """Where the noun of a word stands, without its particles; None when it is none."""
        inside = [m for m in morphemes if word[0] <= m.start and m.end <= word[1]]
        while inside and inside[-1].tag.startswith("J"):
            inside.pop()
        return (word[0], inside[-1].end) if inside and inside[-1].tag.startswith(_NOUNS) else None

    def found(self, text: str, morphemes: Sequence[Morpheme]) -> list[Match]:
        """The names, without those that are part of a longer one (콩 in 땅콩)."""
        every = self._names.find(text, morphemes)
        return [
            match
            for match in every
            if not any(
                other.start <= match.start
                and match.end <= other.end
                and (other.start, other.end) != (match.start, match.end)
                for other in every
            )
        ]


def holds_any(item: Item, avoid: Sequence[str]) -> bool:
    """Whether a dish holds one of the things outside the label list (ids of the lexicon, or plain words).

    A dish whose ingredients are not known may hold anything.
    """
    if not avoid:
        return False
    if not item.ingredients:
        return True
    others = read("allergens").get("other", {})
    every = "\n".join(item.ingredients).lower()
    for name in avoid:
        entry = others.get(name, {"words": [name]})
        left = every
        for word in entry.get("not", ()):
            left = left.replace(word, "")
        if any(word.lower() in left for word in entry["words"]):
            return True
    return False


def avoided(name: str, language: Language = "ko") -> str:
    """What something outside the label list is called: the lexicon's first name in Korean, its id in English."""
    entry = read("allergens").get("other", {}).get(name)
    if entry is None:
        return name
    return str(entry["names"][0]) if language == "ko" else name.replace("_", " ")


def _names() -> dict[str, list[str]]:
    """How allergies are named, by id; a name of one syllable counts only where a word begins (게, not 맵게)."""
    table = read("allergens")
    entries = {name: entry for name, entry in table.items() if name != "other"}
    entries |= {f"other.{name}": entry for name, entry in table["other"].items()}
    return {
        name: [f"^{word}" if len(word) == 1 else word for word in entry["names"]]
        for name, entry in entries.items()
    }


def _within(inner: Span, outer: Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _labelled(values: Iterable[str]) -> Named:
    each = list(dict.fromkeys(values))
    others = tuple(value.removeprefix("other.") for value in each if value.startswith("other."))
    return tuple(value for value in each if not value.startswith("other.")), others
