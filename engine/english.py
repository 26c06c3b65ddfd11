"""English typing mistakes mended: a word that nobody knows becomes the word of the lists that is nearest to it.

Knows the shipped word lists only; names are matched elsewhere.
"""

from __future__ import annotations

import difflib
import re
from functools import cache
from importlib.resources import files
from typing import Final

from engine.lexicon import read

LEAST_CHARS: Final = 5
CLOSE: Final = 0.8
"""How alike (difflib's ratio) a word must be to one of the lists."""
MENDED_MOST: Final = 6
"""Words of one text that are mended at most: each costs a look through the lists."""
_WORD: Final = re.compile(r"[a-z]+(?:'[a-z]+)?")


def mended(text: str) -> str:
    """The text, lower or upper case as it was, with unknown words that resemble a known one replaced."""
    replaced = 0

    def mend(match: re.Match[str]) -> str:
        nonlocal replaced
        word = match[0].lower()
        name = match[0][0].isupper() and match.start() > 0
        if name or len(word) < LEAST_CHARS or word in _known() or replaced >= MENDED_MOST:
            return match[0]
        replaced += 1
        close = difflib.get_close_matches(word, _steering(), n=1, cutoff=CLOSE)
        return close[0] if close and close[0][0] == word[0] else match[0]

    return re.sub(r"[A-Za-z]+(?:'[A-Za-z]+)?", mend, text)


@cache
def _steering() -> tuple[str, ...]:
    """Words that steer a request."""
    found: set[str] = set()
    for name in ("request", "dialogue", "allergens"):
        found |= _words(read(name))
    return tuple(sorted(word for word in found if len(word) >= LEAST_CHARS))


@cache
def _known() -> frozenset[str]:
    """Words that are no mistakes: those, names, and all that the shipped catalog and phrases say in English."""
    known = set(_steering()) | _words(read("people"))
    for path in ("phrases/en.toml", "catalog/books.jsonl", "catalog/movies.jsonl", "catalog/foods.jsonl"):
        known |= set(_WORD.findall((files("data") / path).read_text(encoding="utf-8").lower()))
    return frozenset(known)


def _words(node: object) -> set[str]:
    if isinstance(node, str):
        return set(_WORD.findall(node.lower()))
    if isinstance(node, dict):
        return {word for each in node.values() for word in _words(each)}
    return {word for each in node for word in _words(each)} if isinstance(node, list) else set()
