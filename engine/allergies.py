"""What a person must not eat: named in a text, and looked for in a dish.

Allergens are the labels of the vocabulary, or other things of the lexicon (sesame, kiwi), or plain words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from data.item import Item
from engine.korean import Morpheme
from engine.lexicon import Lexicon, Match, pattern, read
from engine.negation import Negation

Named = tuple[tuple[str, ...], tuple[str, ...]]
"""Ids of the label list, and ids of other things."""


class Allergies:
    """Finds what texts name, from `data/lexicon/allergens.toml`."""

    def __init__(self, negation: Negation) -> None:
        self._names = Lexicon({"allergen": _names()})
        self._allergy = pattern(read("dialogue")["words"]["allergy"])
        self._negation = negation

    def named(self, text: str, morphemes: Sequence[Morpheme]) -> Named:
        """Everything that may be an allergy by its name, allergy or not."""
        return _labelled(match.value for match in self._found(text, morphemes))

    def refused(self, text: str, morphemes: Sequence[Morpheme]) -> Named:
        """What a text says must not be in a dish: turned down, or said to be an allergy."""
        found = self._found(text, morphemes)
        negated = self._negation.spans(text, found)
        allergy = self._allergy.search(text)
        return _labelled(
            match.value
            for match in found
            if (match.start, match.end) in negated
            or (
                allergy is not None
                and (match.end <= allergy.start() + 1 or text[: match.start].endswith("to "))
            )
        )

    def _found(self, text: str, morphemes: Sequence[Morpheme]) -> list[Match]:
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
    for name in avoid:
        entry = others.get(name, {"words": [name]})
        spared = entry.get("not", ())
        for ingredient in item.ingredients:
            left = ingredient.lower()
            for word in spared:
                left = left.replace(word, "")
            if any(word.lower() in left for word in entry["words"]):
                return True
    return False


def avoided(name: str) -> str:
    """What something outside the label list is called in Korean: the lexicon's first name for it, or itself."""
    entry = read("allergens").get("other", {}).get(name)
    return str(entry["names"][0]) if entry else name


def _names() -> dict[str, list[str]]:
    """How allergies are named, by id; a name of one syllable counts as a noun only (게, not 맵게)."""
    table = read("allergens")
    entries = {name: entry for name, entry in table.items() if name != "other"}
    entries |= {f"other.{name}": entry for name, entry in table["other"].items()}
    return {
        name: [f"{word}/NNG" if len(word) == 1 else word for word in entry["names"]]
        for name, entry in entries.items()
    }


def _labelled(values: Iterable[str]) -> Named:
    each = list(dict.fromkeys(values))
    others = tuple(value.removeprefix("other.") for value in each if value.startswith("other."))
    return tuple(value for value in each if not value.startswith("other.")), others
