"""What of an item is embedded, and what of it is searched by words.

Whoever changes either raises `engine.index.FORMAT`.
"""

from __future__ import annotations

from data.item import Item
from engine.text import normalize
from engine.words import labels


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
