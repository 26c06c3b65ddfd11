"""What of an item is embedded, and what of it is searched by words.

Whoever changes either raises `engine.index.FORMAT`.
"""

from __future__ import annotations

import re

from data.item import Item
from engine.text import normalize, squeeze
from engine.words import labels

_WORD = re.compile(r"\w+")


def embedded_text(item: Item) -> str:
    """What of an item is embedded: what it is, what happens, why someone loves it, when it suits."""
    words = labels("ko")
    suits = ", ".join(
        (*(words.of("moods", m) for m in item.moods), *(words.of("situations", s) for s in item.situations))
    )
    what = ", ".join(
        (*(words.genre(item.domain, g) for g in item.genres), *(words.of("effects", e) for e in item.effects))
    )
    cuisine = words.of("cuisine", item.cuisine) if item.cuisine else ""
    head = " ".join(filter(None, (item.title, item.title_en, *item.creators, cuisine)))
    return normalize(". ".join(filter(None, (head, item.summary, *item.pitch, what, suits))))


def searched_text(item: Item) -> str:
    """What of an item is searched by words: every name and description it has."""
    words = labels("ko")
    parts = (
        item.title, item.title_en or "", *item.aliases, *item.creators, *item.people,
        *(words.genre(item.domain, g) for g in item.genres), *(words.of("effects", e) for e in item.effects),
        *(words.of("situations", s) for s in item.situations), *item.ingredients,
        words.of("cuisine", item.cuisine) if item.cuisine else "", item.summary or "", item.summary_en or "",
        *item.pitch, *item.pitch_en,
    )  # fmt: skip
    return normalize(" ".join(filter(None, parts)), limit=4_000)


def stems_of(item: Item) -> str:
    """What of a large catalog's item is searched by words: its names' pairs of letters, its texts' stems.

    A name is found with letters wrong or without its blanks, a word with any ending; that takes a tenth of
    what all n-grams of all texts take.
    """
    names = (item.title, item.title_en or "", *item.aliases, *item.creators, *item.people, *item.ingredients)
    return " ".join((*(pair for name in names for pair in pairs(name)), *stems(searched_text(item))))


def pairs(text: str) -> list[str]:
    """Every two letters that follow each other, blanks and punctuation left out."""
    letters = squeeze(normalize(text))[0]
    return [letters[at : at + 2] for at in range(len(letters) - 1)] or ([letters] if letters else [])


def stems(text: str) -> list[str]:
    """The first two letters of each word: most Korean stems have no more, and endings follow."""
    return [word[:2] for word in _WORD.findall(normalize(text, limit=4_000).lower()) if len(word) > 1]
