"""Whether a sentence that a language model wrote about an item may be shown: it says nothing that neither the item nor
the request says, obeys nobody's instructions, hurts nobody, and reads as a whole sentence of the right language.

Knows nothing of models, prompts or streams. What it cannot back it refuses: the embedded writer takes its place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Final, Literal

from data.item import Item
from data.phrases import Language
from engine import figures_said, names_said, strangers
from engine.backing import Backing
from engine.korean import Korean, Morpheme
from engine.lexicon import read
from engine.names import Names
from engine.request import Request
from engine.sentences import Sentences
from engine.text import squeeze

__all__ = ["FAULTS", "Fault", "Grounding", "Sentences"]

Fault = Literal[
    "title", "name", "year", "number", "instruction", "unsafe", "garbage", "repetition", "cut", "language"
]
FAULTS: Final[tuple[Fault, ...]] = (
    "title", "name", "year", "number", "instruction", "unsafe", "garbage", "repetition", "cut", "language",
)  # fmt: skip

LONGEST: Final = 400
"""Characters of a sentence that anybody would read; a longer one is refused unread."""
SHORT: Final = 3
"""Words of an English sentence from which on most of them must be English ones."""
ALIKE: Final = 0.75
"""The part of a sentence's pairs of letters that another may have too before it says the same again."""
SIGNS_MOST: Final = 3
"""Characters that are neither letters nor punctuation nor blanks: emoji, mostly."""

_MEANT_SIGNS: Final = frozenset("&%+/·~°℃’‘“”'\"…–—-−×")
_MARKUP: Final = re.compile(
    r"\*\*|__|^\s*[#>*•▶■◆-]\s?|^#{1,6}|```|\\n|\"\w+\"\s*:|^\s*[{\[]|[}\]]\s*$|[{}\\|^@]"
)
_FOREIGN_STOPS: Final = re.compile(r"[。、！？，]|(.)\1{4,}")
"""Stops of Chinese and Japanese, and anything five times in a row."""
_JOINER: Final = "\u200d"
"""Joins emoji into one."""
_LONE_LETTERS: Final = re.compile(r"[ㄱ-ㅎㅏ-ㅣᄀ-ᇿ]")
_LAUGHS: Final = re.compile(r"[ㅋㅎ]{2,6}|[ㅠㅜ]{1,4}")
_STUTTER: Final = re.compile(r"(\S)\1{3,}|(.{3,}?)\2{2,}|(.{2})\3{3,}")
_AGAIN: Final = re.compile(r"(\w{2,})(?:[\s,]+\1){2,}(?!\w{3})")
_STOPPED: Final = re.compile(r"[.!?~…。！？♡♥]+[\"'”’」』》〉)\]]*$|\W$")
_KOREAN_END: Final = re.compile(r"(?:요|다|까|죠|지요|네|군|걸|래|자|라|어|아|야|지|음|함|됨|임)$")
_OPEN: Final = {"《": "》", "〈": "〉", "「": "」", "『": "』", "“": "”", "‘": "’", "(": ")", "[": "]"}


class Grounding:
    """Checks sentences against what stands behind them; one for the process, used from any thread."""

    def __init__(self, names: Names, korean: Korean | None = None) -> None:
        """`names` are the catalog's. Without `korean`, or until it is ready, names of strangers are found by their
        shape alone."""
        self._names, self._korean = names, korean
        self._last: tuple[Item, Request, tuple[str, ...], Backing] | None = None

    def check(
        self, sentence: str, item: Item, request: Request, *, allowed: Sequence[str] = (), language: Language,
        before: Sequence[str] = (),
    ) -> Fault | None:  # fmt: skip
        """None where the sentence may be shown, else what is wrong with it.

        `allowed` are names that may be said too (what the person liked), `before` what was said already.
        """
        text = unicodedata.normalize("NFC", sentence).strip()
        if len(text) > LONGEST:
            return "garbage"
        backing = self._backing(item, request, tuple(allowed))
        return (
            _instruction(text, language)
            or _garbage(text, backing)
            or _language(text, language, backing)
            or _unsafe(text, language)
            or _repetition(text, backing, before)
            or _cut(text, language)
            or _claim(text, backing)
            or figures_said.fault(text, backing)
            or names_said.fault(text, backing, self._names, self._morphemes(text))
        )

    def _backing(self, item: Item, request: Request, allowed: tuple[str, ...]) -> Backing:
        last = self._last
        if last and last[0] is item and last[1] is request and last[2] == allowed:
            return last[3]
        backing = Backing(item, request, allowed)
        self._last = item, request, allowed, backing
        return backing

    def _morphemes(self, text: str) -> list[Morpheme]:
        korean = self._korean
        return korean.cut(text) if korean and korean.is_ready else []


@cache
def _expression(table: str, *keys: str) -> re.Pattern[str]:
    lists = read("grounding")[table]
    return re.compile("|".join(f"(?:{each})" for key in keys for each in lists[key]), re.IGNORECASE)


def _instruction(text: str, language: Language) -> Fault | None:
    return "instruction" if _expression("instruction", "ko", "en", "any").search(text) else None


def _unsafe(text: str, language: Language) -> Fault | None:
    return "unsafe" if _expression("unsafe", language).search(text) else None


def _garbage(text: str, backing: Backing) -> Fault | None:
    """Markup, broken syllables, letters of other scripts, what cannot be seen, and too many signs."""
    if (
        not text
        or _MARKUP.search(text)
        or _FOREIGN_STOPS.search(text)
        or _LONE_LETTERS.search(_LAUGHS.sub("", text))
    ):
        return "garbage"
    own = foreign = signs = 0
    for char in text:
        if char.isalpha():
            mine = char.isascii() or "가" <= char <= "힣" or "À" <= char <= "ɏ"
            own += mine
            foreign += not mine and char not in backing.text
        elif not (char.isspace() or char.isdigit() or char in _MEANT_SIGNS):
            category = unicodedata.category(char)
            if char == "\ufffd" or (category[0] == "C" and char != _JOINER):
                return "garbage"
            signs += category[0] == "S"
    if foreign > own > 0 or (foreign and not own):
        return "language"
    return "garbage" if foreign or not own or signs > SIGNS_MOST else None


def _language(text: str, language: Language, backing: Backing) -> Fault | None:
    hangul = sum("가" <= char <= "힣" for char in text)
    if language == "en":
        if hangul:
            return "language"
        words = re.findall(r"[a-z']+", text.lower())
        known = sum(map(strangers.is_english, words))
        return "language" if len(words) > SHORT and known * 2 < len(words) else None
    if not hangul:
        return "language"
    for word in re.findall(r"[A-Za-zÀ-ɏ]{2,}", text):
        if word.islower() and word not in strangers.LATIN and not backing.has_word(word):
            return "language"
    return None


def _repetition(text: str, backing: Backing, before: Sequence[str]) -> Fault | None:
    tight = squeeze(text)[0]
    again = _STUTTER.search(tight) or _AGAIN.search(text)
    if again and not backing.within(again[0]):
        return "repetition"
    pairs = _pairs(tight)
    for earlier in before:
        others = _pairs(squeeze(earlier)[0])
        if others and pairs and len(pairs & others) >= ALIKE * min(len(pairs), len(others)) > 4:
            return "repetition"
    return None


def _pairs(tight: str) -> set[str]:
    return {tight[at : at + 2] for at in range(len(tight) - 1)}


def _cut(text: str, language: Language) -> Fault | None:
    if any(text.count(opening) > text.count(closing) for opening, closing in _OPEN.items()):
        return "cut"
    if text.count('"') % 2 or (
        language == "ko" and text.count("'") % 2 and not re.search(r"[A-Za-z]'", text)
    ):
        return "cut"
    body = re.sub(r"[\s.!?~…\"'”’」』》〉)\]]+$", "", text)
    ended = bool(_STOPPED.search(text)) and not text.endswith((",", ":", ";", "-", "–"))
    if not ended and not (language == "ko" and _KOREAN_END.search(body)):
        return "cut"
    return "cut" if _expression("cut", language).search(body) else None


def _claim(text: str, backing: Backing) -> Fault | None:
    """Prizes, sales, ranks, and where something is shown, unless the item or the request says so."""
    low = text.lower()
    said = [match[0] for match in _claims().finditer(low)]
    return "number" if any(claim.strip() not in backing.text for claim in said) else None


@cache
def _claims() -> re.Pattern[str]:
    words = read("grounding")["words"]
    return re.compile("|".join((*words["claims"], *words["claims_en"], *map(re.escape, words["platforms"]))))
