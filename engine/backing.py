"""What stands behind a sentence about an item: the words, names and numbers of the item and of the request.

A sentence may say these. Knows nothing of sentences.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

from data.item import Item
from engine.figures import Figure, figures
from engine.lexicon import read
from engine.request import Request
from engine.text import squeeze

SHORT: Final = 4
"""Latin letters and digits that easily stand inside other words."""
_NO_WORD: Final = re.compile(r"[^\w]+|_")

_FOLDED: Final = {code: unicodedata.normalize("NFD", chr(code))[0] for code in range(0xC0, 0x250)} | {
    ord("’"): "'",
    ord("‘"): "'",
}


class Backing:
    """The item's own facts and texts, the request's words, and what else is allowed by name."""

    def __init__(self, item: Item, request: Request, allowed: Sequence[str] = ()) -> None:
        self.item, self.request = item, request
        self._names = tuple(_names(item, request, allowed))
        texts = (
            *self._names, item.summary or "", item.summary_en or "", *item.pitch, *item.pitch_en,
            *item.ingredients, request.text, *request.ingredients,
        )  # fmt: skip
        self.text = plain(" \n ".join(texts))
        self._words = f" {' '.join(_NO_WORD.sub(' ', self.text).split())} "
        self._squeezed = frozenset(squeeze(plain(name))[0] for name in self._names)
        self._tails = tuple({tail for name in self._names for tail in _tails(plain(name))})

    def has(self, words: str) -> bool:
        """Whether the item or the request has these words, beginning where one of its own begins; blanks and case
        do not count in names."""
        wanted = " ".join(_NO_WORD.sub(" ", plain(words)).split())
        if not wanted:
            return True
        if f" {wanted}" in self._words:
            return True
        tight = wanted.replace(" ", "")
        return len(tight) > 1 and any(tail.startswith(tight) for tail in self._tails)

    def has_word(self, word: str) -> bool:
        """Whether the word stands there whole, as English ones do."""
        return f" {' '.join(_NO_WORD.sub(' ', plain(word)).split())} " in self._words

    def owns(self, key: str) -> bool:
        """Whether a name, squeezed, is one of the item's own or of those that the request understood."""
        return key in self._squeezed

    def within(self, words: str) -> bool:
        """Whether the words stand in the texts, however they are spaced and punctuated; a few Latin letters only as
        words of their own."""
        key = squeeze(plain(words))[0]
        return key in self._tight if len(key) > SHORT or not key.isascii() else self.has_word(key)

    @cached_property
    def _tight(self) -> str:
        return squeeze(self.text)[0]

    @cached_property
    def figures(self) -> frozenset[Figure]:
        """The numbers that the texts say."""
        return frozenset(figure for figure, _, _ in figures(self.text))

    @cached_property
    def numbers(self) -> frozenset[float]:
        return frozenset(figure.value for figure in self.figures)


def _tails(name: str) -> Iterator[str]:
    """A name from each of its words on, without blanks."""
    words = _NO_WORD.sub(" ", name).split()
    yield from ("".join(words[at:]) for at in range(len(words)))


def plain(text: str) -> str:
    """For comparison: NFKC, lower case, one kind of apostrophes, no accents."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return folded if folded.isascii() else folded.translate(_FOLDED)


def _names(item: Item, request: Request, allowed: Sequence[str]) -> Iterator[str]:
    yield from (item.title, item.title_en or "", *item.aliases, *allowed, request.unknown)
    people = read("people")["people"]
    for person in (*item.creators, *item.people, *request.creators, *request.people):
        yield person
        yield from people.get(person, ())
