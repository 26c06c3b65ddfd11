"""What vocabularies and items are called in a language: on cards, in reasons and in what is searched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from data.item import Domain, Item
from data.phrases import Language, Phrases, phrases
from engine.lexicon import read
from engine.text import is_korean


@dataclass(frozen=True, slots=True)
class Labels:
    """Names of vocabulary values; an unknown one is its own name."""

    words: Phrases

    def of(self, field: str, value: object) -> str:
        if field in ("creators", "people"):
            return person(str(value), self.words.language)
        variants = self.words.variants(f"label.{field}.{value}")
        return variants[0] if variants else str(value)

    def genre(self, domain: Domain, value: str) -> str:
        return self.of(f"genres.{domain}", value)


@cache
def labels(language: Language) -> Labels:
    return Labels(phrases(language))


def person(name: str, language: Language) -> str:
    """What a creator or an actor of the catalog is called in a language."""
    if language == "ko":
        return name
    return next(
        (spelling for spelling in read("people")["people"].get(name, ()) if not is_korean(spelling)), name
    )


def title(item: Item, language: Language) -> str:
    """What an item is called in a language, or in Korean where it has no other title."""
    return item.title if language == "ko" or not item.title_en else item.title_en
