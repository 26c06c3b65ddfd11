"""Text made safe and comparable before anything reads it: the one place where that happens.

The embedder crashes the whole process on some code points in number, and NFC and NFD spellings of one
word are far apart for it (`../shared/facts.md` of the project: U+FDFA x 50 aborts).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_CHARS = 1_000
"""Longest text that is embedded, searched or analysed, in characters after normalization."""

_KEEP_CONTROL = {"\n", "\t", "\r"}
_BLANKS = re.compile(r"\s+")


def normalize(text: str, limit: int = MAX_CHARS) -> str:
    """NFKC on one line, without control, format, surrogate and private characters, at most `limit` long.

    The input is cut before NFKC too, because one character may become eighteen.
    """
    composed = unicodedata.normalize("NFKC", text[: limit * 4])
    kept: Iterable[str] = composed
    if not composed.isprintable():  # what is has none of these; nearly every text is
        kept = (
            " " if char in _KEEP_CONTROL else char
            for char in composed
            if char in _KEEP_CONTROL or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
        )
    return _BLANKS.sub(" ", "".join(kept)).strip()[:limit].strip()


def squeeze(text: str) -> tuple[str, list[int]]:
    """The text in lower case without blanks and punctuation, and where each character stood.

    Two spellings of a name that differ in spacing or case squeeze to the same string.
    """
    kept = [(char, at) for at, char in enumerate(text.lower()) if char.isalnum()]
    return "".join(char for char, _ in kept), [at for _, at in kept]


def is_korean(text: str) -> bool:
    """Whether any Hangul stands in the text."""
    return any("가" <= char <= "힣" or "ㄱ" <= char <= "ㆎ" or "ᄀ" <= char <= "ᇿ" for char in text)
