"""Whether a text speaks of self-harm: one's own, somebody else's, or a death by it.

Rules over the word list `data/lexicon/care.toml`. Needs neither the index nor the analyser, so that it answers
before they are ready. Where a text may or may not mean it, it counts: a warm word costs little. Knows nothing
of what is then said.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Final, Literal

from engine.lexicon import read
from engine.templates import LETTERS, English, Korean, Templates
from engine.text import normalize, squeeze

Concern = Literal["self", "other", "loss"]
"""Who is meant: whoever wrote it, somebody whom they know, or somebody who died of it."""

READ_CHARS: Final = 5_000
"""How much of a text is read: more than a platform lets one write, as the worst may stand at the end."""

_calm: Final = deque[str](maxlen=32)
"""Texts that spoke of no harm: a turn asks for the same one several times. Those that did are not held."""

Span = tuple[int, int]

_LONE_LETTERS: Final = re.compile(rf"[{LETTERS}]+")
_DIGITS: Final = re.compile("[0-9]+")
_TYPED: Final = re.compile("([ㄱ-ㅎ])([ㅏ-ㅣ])([ㄱ-ㅎ](?![ㅏ-ㅣ]))?")
"""A syllable whose letters were typed apart: ㅈㅏ, ㅅㅏㄹ."""
_FINALS: Final = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_SPELT: Final = re.compile(r"(?<= )[a-z](?: [a-z]){2,}(?= )")
_LIKE_LETTERS: Final = re.compile(r"(?<=[a-z])[01345@$!](?=[a-z])")
_LETTERS_OF: Final = str.maketrans("01345@$!", "oieasasi")
_RUN: Final = re.compile(r"([a-z가-힣])\1{2,}")
_SELF: Final = re.compile(r"\b(my|him|her|them) (self|selves)\b")


def concern(text: str) -> Concern | None:
    """Whom a text speaks of harm to, or None when it does not. It is read in both languages, whatever it is."""
    if text in _calm:
        return None
    found = _concern(text)
    if found is None:
        _calm.append(text)
    return found


def _concern(text: str) -> Concern | None:
    korean, english = _speeches()
    clean = normalize(text, READ_CHARS).lower()
    syllables = Korean.reading(clean)
    found = {korean.kind(reading) for reading in _korean(text, syllables)}
    found |= {english.kind(reading) for reading in _english(clean)}
    if korean.in_letters(syllables):
        found.add("self")
    kinds: tuple[Concern, ...] = ("self", "loss", "other")
    return next((kind for kind in kinds if kind in found), None)


class _Speech:
    """The phrases of one language. Few texts hold any: what tells them apart is compiled when one does."""

    def __init__(self, table: Mapping[str, Any], templates: Templates) -> None:
        self._table, self._templates = table, templates
        self._sure, self._topics = self._any_of("sure"), self._any_of("topics")
        self._about, self._letters = self._any_of("about"), self._any_of("letters")

    def kind(self, reading: str) -> Concern | None:
        """Whom one reading of a text speaks of."""
        told = _spans(self._sure, reading)
        if not self._about.search(reading):
            told += _spans(self._topics, reading)
        if told:
            told = _outside(_spans(self._not, reading), told)
        if not told:
            return None
        others, losses = _spans(self._other, reading), _spans(self._loss, reading)
        if _outside([*others, *losses], told):
            return "self"
        return "loss" if losses else "other"

    def in_letters(self, reading: str) -> bool:
        """Whether a text says it in the first letters of syllables."""
        return bool(self._letters.search(reading))

    @cached_property
    def _other(self) -> re.Pattern[str]:
        return self._any_of("other")

    @cached_property
    def _loss(self) -> re.Pattern[str]:
        return self._any_of("loss")

    @cached_property
    def _not(self) -> re.Pattern[str]:
        return self._any_of("not")

    def _any_of(self, name: str) -> re.Pattern[str]:
        listed = self._table[name]
        lists = [listed] if isinstance(listed, list) else listed.values()
        return self._templates.any_of(phrase for phrases in lists for phrase in phrases)


@cache
def _speeches() -> tuple[_Speech, _Speech]:
    korean, english = read("care")["ko"], read("care")["en"]
    return _Speech(korean, Korean(korean)), _Speech(english, English(english))


def _spans(pattern: re.Pattern[str], reading: str) -> list[Span]:
    return [match.span(1) for match in pattern.finditer(reading)]


def _outside(spans: Sequence[Span], matches: Sequence[Span]) -> list[Span]:
    """The matches that begin in none of the spans."""
    return [match for match in matches if not any(start <= match[0] < end for start, end in spans)]


def _korean(text: str, syllables: str) -> Iterator[str]:
    """A Korean text as it stands, and once for each way in which it may be disguised."""
    plain = _LONE_LETTERS.sub("", syllables)
    yield plain
    if (wordy := _DIGITS.sub("", plain)) != plain:
        yield wordy
    if (short := _shortened(plain)) != plain:
        yield short
    apart = squeeze(unicodedata.normalize("NFC", text[:READ_CHARS]))[0]
    if (joined := _TYPED.sub(_syllable, apart)) != apart:
        yield _LONE_LETTERS.sub("", Korean.reading(joined))


def _syllable(letters: re.Match[str]) -> str:
    open_ = unicodedata.normalize("NFKC", letters[1] + letters[2])
    return chr(ord(open_) + _FINALS.find(letters[3] or "-") + 1) if len(open_) == 1 else letters[0]


def _shortened(text: str) -> str:
    """The text without drawn-out vowels and what is said three times and more: 죽고오 싶어어어 is 죽고 싶어."""
    kept: list[str] = []
    for char in _RUN.sub(r"\1", text):
        if not (kept and _draws_out(kept[-1], char)):
            kept.append(char)
    return "".join(kept)


def _draws_out(before: str, char: str) -> bool:
    if not ("가" <= before <= "힣" and "가" <= char <= "힣"):
        return False
    (_, vowel, final), (initial, same, none) = _letters(before), _letters(char)
    return initial == 11 and none == final == 0 and vowel == same  # 11 is the silent ㅇ


def _letters(syllable: str) -> tuple[int, int, int]:
    code = ord(syllable) - ord("가")
    return code // 588, code % 588 // 28, code % 28


def _english(clean: str) -> Iterator[str]:
    """An English text as it stands, and with its digits read as the letters that they look like: d1e."""
    yield _words(clean)
    if (read_out := _LIKE_LETTERS.sub(lambda sign: sign[0].translate(_LETTERS_OF), clean)) != clean:
        yield _words(read_out)


def _words(clean: str) -> str:
    """The words, letters joined that were spelt apart, and none of them more than twice in a row."""
    joined = _SPELT.sub(lambda match: match[0].replace(" ", ""), English.reading(clean))
    return _SELF.sub(r"\1\2", _RUN.sub(r"\1", joined))
