"""Phrases of a word list with parts that vary, compiled to expressions; and texts as those expressions want them.

`care.toml` and `health.toml` are written so; the head of the former says how. Knows nothing of what is meant.
"""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

GAP_SYLLABLES: Final = 12
GAP_WORDS: Final = 6
LETTERS: Final = "\u1100-\u1112\u1161-\u1175"
"""Single Korean letters, as NFKC leaves them where they make up no syllable."""

_NOT_KOREAN: Final = re.compile(rf"[^가-힣{LETTERS}0-9]+")
_NOT_ENGLISH: Final = re.compile("[^a-z0-9]+")
_APOSTROPHE: Final = re.compile(r"['’`´](?!s\b)")
_PART: Final = re.compile(r"\{\w+\} ?")
_PIECE: Final = re.compile(r"\{(\w+)\}|(\S)(=?)|\s+")


class Templates(ABC):
    """Compiles the phrases of one language. `table` holds its `parts` and `breaks`."""

    _begins = ""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._parts, self._breaks = table["parts"], table["breaks"]
        self._made: dict[str, str] = {}

    def any_of(self, phrases: Iterable[str]) -> re.Pattern[str]:
        """Finds each place of a `reading` where one of the phrases begins; group 1 is the phrase.

        It looks ahead, so that a match which comes to nothing hides none that begins inside it.
        Raises KeyError for a part that the table lacks.
        """
        return re.compile(f"(?=({self._begins}{self._either(phrases)}))")

    def _either(self, phrases: Iterable[str]) -> str:
        """Phrases that begin with the same part share it: to compile it once for all is several times faster."""
        after: dict[str, list[str]] = defaultdict(list)
        for phrase in phrases:
            part = _PART.match(phrase)
            after[part[0] if part else ""].append(phrase[part.end() :] if part else phrase)
        found = [self._sequence(phrase) for phrase in after.pop("", ())]
        found += [self._sequence(part) + self._either(rest) for part, rest in after.items()]
        return f"(?:{'|'.join(found)})" if found else "(?!)"

    @staticmethod
    @abstractmethod
    def reading(text: str) -> str:
        """A normalized text in lower case, reduced to what the phrases of this language are made of."""

    @abstractmethod
    def _sequence(self, phrase: str) -> str: ...

    def _part(self, name: str) -> str:
        if name not in self._made:
            longest_first = sorted(self._parts[name], key=len, reverse=True)
            self._made[name] = f"(?:{'|'.join(map(self._sequence, longest_first))})"
        return self._made[name]


class Korean(Templates):
    """Syllables; blanks may stand anywhere between them but where a phrase says "="."""

    @staticmethod
    def reading(text: str) -> str:
        return _NOT_KOREAN.sub(" ", text)

    def _sequence(self, phrase: str) -> str:
        found = ""
        for name, sign, together in _PIECE.findall(unicodedata.normalize("NFKC", phrase)):
            if name:
                found += self._part(name)
            elif sign == "~":
                found += (
                    rf"(?:(?!{'|'.join(map(self._sequence, self._breaks))})[가-힣] ?){{0,{GAP_SYLLABLES}}}?"
                )
            elif sign == "^":
                found += "(?<![가-힣])"
            elif sign == "#":
                found += "[0-9]{2,} ?"
            elif sign:
                found += sign if together else f"{sign} ?"
        return found


class English(Templates):
    """Whole words, each with the blank after it; no accents, and no apostrophe but that of 's, as a blank."""

    _begins = "(?<= )"

    @staticmethod
    def reading(text: str) -> str:
        bare = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
        return f" {_NOT_ENGLISH.sub(' ', _APOSTROPHE.sub('', bare)).strip()} "

    def _sequence(self, phrase: str) -> str:
        found = ""
        for word in phrase.split():
            if word.startswith("{"):
                found += self._part(word[1:-1])
            elif word == "~":
                found += rf"(?:(?!(?:{'|'.join(self._breaks)}) )[a-z0-9]+ ){{0,{GAP_WORDS}}}?"
            else:
                found += "[0-9]+ " if word == "#" else f"{word} "
        return found
