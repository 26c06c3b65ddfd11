"""Which of the labelled allergens are in a dish, by its ingredients; unknown wherever one of them is not wholly known.

An allergen is in what bears one of its words (`data/lexicon/allergens.toml`). That nothing else is in an ingredient
is known where its whole name is made of such words, of what is known to be free of all of them, and of words that
only describe (`data/lexicon/ingredients.toml`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final, get_args

from data.item import Allergen
from engine.lexicon import read
from engine.text import normalize

LABELS: Final[tuple[Allergen, ...]] = get_args(Allergen)
_PARTS: Final = re.compile(r"[\s()\[\]/,·+&]+")


def allergens(ingredients: Iterable[str], title: str = "") -> tuple[Allergen, ...] | None:
    """The labelled allergens of a dish with these ingredients, () for none; None where that is not sure.

    Without ingredients nothing is known; nor is it where the title names an allergen that they do not hold, for
    then they are not all of them.
    """
    named = list(ingredients)
    if not named or not all(map(_is_known, named)):
        return None
    held = {allergen for ingredient in named for allergen in _held(ingredient)}
    if not held.issuperset(_held(title)):
        return None
    return tuple(allergen for allergen in LABELS if allergen in held)


@cache
def _held(name: str) -> frozenset[Allergen]:
    """The allergens whose words a name bears."""
    found: set[Allergen] = set(read("ingredients")["holds"].get(_bare(name), ()))
    for allergen in LABELS:
        left = normalize(name).lower()
        for word in _by_length(allergen, "not"):
            left = left.replace(word, " ")
        if any(word in left for word in _by_length(allergen, "words")):
            found.add(allergen)
    return frozenset(found)


@cache
def _is_known(ingredient: str) -> bool:
    """Whether all that a name says is known, and something of it says what it is."""
    table = read("ingredients")
    whole = _bare(ingredient)
    if whole in table["free"] or whole in table["holds"]:
        return True
    if any(word in whole for word in table["varies"]):
        return False
    kinds = [_kind(part) for part in _PARTS.split(normalize(ingredient).lower()) if part]
    return "said" in kinds and "unknown" not in kinds


def _bare(name: str) -> str:
    return _PARTS.sub("", normalize(name).lower())


def _kind(part: str) -> str:
    """Of one word of a name: `said` where it is known what it is, `describes` where it only describes, or `unknown`."""
    describing, allergen, free = _expressions()
    if describing.fullmatch(part):
        return "describes"
    return "said" if allergen.fullmatch(part) or free.fullmatch(part) else "unknown"


@cache
def _expressions() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """What only describes; words of allergens, with what describes them; one free thing, with what describes it."""
    table = read("ingredients")
    before, after, free = (_any(table[name]) for name in ("before", "after", "free"))
    words = _any({word for allergen in LABELS for word in _by_length(allergen, "words")})
    return (
        re.compile(f"(?:{before}|{after})+"),
        re.compile(f"{before}*{words}+{after}*"),
        re.compile(f"{before}*{free}{after}*"),
    )


def _any(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(re.escape(word) for word in sorted(words, key=len, reverse=True))})"


@cache
def _by_length(allergen: Allergen, kind: str) -> tuple[str, ...]:
    words = read("allergens")[allergen][kind]
    return tuple(sorted((word.lower() for word in words), key=len, reverse=True))
