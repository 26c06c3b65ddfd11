"""The shipped word lists, compiled: which words of a text stand for which value of which field.

Knows neither requests nor negation: it finds words and where they stand.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

from engine.korean import Morpheme


@dataclass(frozen=True, slots=True)
class Match:
    """Words found at `text[start:end]` that stand for `value` of `field`."""

    field: str
    value: str
    start: int
    end: int


@cache
def read(name: str) -> dict[str, Any]:
    """A shipped word list, `data/lexicon/NAME.toml`."""
    return tomllib.loads((files("data") / "lexicon" / f"{name}.toml").read_text(encoding="utf-8"))


def pattern(words: Iterable[str]) -> re.Pattern[str]:
    """One expression for all words, longest first; see the head of `request.toml` for how they are written.

    A word after "-" is not to match where another would: 말고 is in 말고기.
    """
    ordered = sorted(words, key=len, reverse=True)
    spared = "|".join(_word(word[1:]) for word in ordered if word.startswith("-"))
    meant = "|".join(_word(word) for word in ordered if not word.startswith("-")) or r"(?!)"
    return re.compile(rf"(?!{spared})(?:{meant})" if spared else meant, re.IGNORECASE)


def _word(word: str) -> str:
    begins, body = (
        word.startswith("^"),
        unicodedata.normalize("NFKC", word.strip("^*")),
    )  # as texts are: ㄱㅅ is written otherwise there
    expression = (
        r"\s*".join(re.escape(part) for part in body.split(" "))
        if not body.isascii()
        else (r"\s+".join(re.escape(part) for part in body.split(" ")).replace("'", "['’]?"))
    )
    if begins:
        expression = rf"(?<![가-힣a-z0-9]){expression}"
    if not body.isascii() or not body[:1].isalnum():
        return expression
    return rf"(?<![a-z0-9]){expression}" + ("[a-z]*" if word.endswith("*") else r"(?![a-z0-9])")


@dataclass(frozen=True, slots=True)
class _Entry:
    """`begins` holds how its words begin: a text without any of that need not be searched for them."""

    field: str
    value: str
    begins: frozenset[str]
    words: re.Pattern[str]
    morphemes: frozenset[tuple[str, str]]
    cancels: re.Pattern[str] | None


class Lexicon:
    """Compiled word lists of one table of fields."""

    def __init__(self, table: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        self._entries = [
            _entry(field, value, words) for field, values in table.items() for value, words in values.items()
        ]

    def find(self, text: str, morphemes: Sequence[Morpheme] = ()) -> list[Match]:
        """Every match in `text`, by where it stands; of matches of one value that overlap, the longest."""
        found: list[Match] = []
        low = text.lower()
        parts = {"", *low, *map("".join, pairwise(low))}
        for entry in self._entries:
            if entry.begins.isdisjoint(parts) and not entry.morphemes:
                continue
            spans = sorted(set(_spans(entry, text, morphemes)), key=lambda span: (span[0] - span[1], span))
            taken: list[tuple[int, int]] = []
            for start, end in spans:
                if not any(start < other_end and other_start < end for other_start, other_end in taken):
                    taken.append((start, end))
            found += [Match(entry.field, entry.value, start, end) for start, end in taken]
        return sorted(found, key=lambda match: (match.start, -match.end))


def _entry(field: str, value: str, words: Sequence[str]) -> _Entry:
    cancels = [word[1:] for word in words if word.startswith("-")]
    tagged = [tuple(word.split("/")) for word in words if "/" in word]
    plain = [word for word in words if "/" not in word and not word.startswith("-")]
    return _Entry(
        field,
        value,
        frozenset(map(_beginning, plain)),
        pattern(plain),
        frozenset((form, tag) for form, tag in tagged),
        pattern(cancels) if cancels else None,
    )


def _beginning(word: str) -> str:
    """The letter or two that every way to write a word of a list begins with."""
    body = unicodedata.normalize("NFKC", word.strip("^*")).lower()
    return re.split(r"[ '’]", body)[0][:2]


def _spans(entry: _Entry, text: str, morphemes: Sequence[Morpheme]) -> Iterator[tuple[int, int]]:
    cancelled = [match.span() for match in entry.cancels.finditer(text)] if entry.cancels else []
    spans = [match.span() for match in entry.words.finditer(text)]
    if entry.morphemes:
        spans += [
            (morpheme.start, morpheme.end)
            for morpheme in morphemes
            if (morpheme.form, morpheme.tag) in entry.morphemes
        ]
    for start, end in spans:
        if not any(low <= start < high for low, high in cancelled):
            yield start, end
