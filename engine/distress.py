"""Whether a text speaks of self-harm: one's own, somebody else's, or a death by it.

Rules over the word list `data/lexicon/care.toml`, whose head says how it is written. Needs neither the index
nor the analyser, so that it answers before they are ready. Where a text may or may not mean it, it counts:
a warm word costs little. Knows nothing of what is then said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Final, Literal

from engine.lexicon import read
from engine.text import normalize, squeeze

Concern = Literal["self", "other", "loss"]
"""Who is meant: whoever wrote it, somebody that they know, or somebody who died of it."""

READ_CHARS: Final = 20_000
"""How much of a text is read: more than any platform lets one write, as the worst may stand at the end."""
GAP_SYLLABLES: Final = 12
GAP_WORDS: Final = 6

_LETTER: Final = "\u1100-\u1112\u1161-\u1175"
_NOT_KOREAN: Final = re.compile(rf"[^가-힣{_LETTER}0-9]+")
_DIGITS: Final = re.compile("[0-9]+")
_OWN: Final = re.compile(r"\b(my|him|her|them) (self|selves)\b")
_LONE_LETTERS: Final = re.compile(rf"[{_LETTER}]+")
_TYPED: Final = re.compile("([ㄱ-ㅎ])([ㅏ-ㅣ])([ㄱ-ㅎ](?![ㅏ-ㅣ]))?")
"""A syllable whose letters were typed apart: ㅈㅏ, ㅅㅏㄹ."""
_SPELT: Final = re.compile(r"(?<![a-z0-9])[a-z](?: [a-z]){2,}(?![a-z0-9])")
_RUN: Final = re.compile(r"([a-z가-힣])\1{2,}")
_ATOM: Final = re.compile(r"\{(\w+)\}|(\S)(=?)|\s+")


def concern(text: str) -> Concern | None:
    """Whom a text speaks of harm to, or None when it does not. It is read in both languages, whatever it is."""
    korean, english = _speeches()
    clean = normalize(text, READ_CHARS).lower()
    letters = _NOT_KOREAN.sub(" ", clean)
    found = {korean.kind(each) for each in _readings(text, letters)} | {english.kind(_words(clean))}
    if korean.spelt(letters):
        found.add("self")
    kinds: tuple[Concern, ...] = ("self", "loss", "other")
    return next((kind for kind in kinds if kind in found), None)


class _Speech:
    """The phrases of one language; `compiled` turns a phrase into an expression.

    Few texts hold a word of these at all: what only tells them apart is compiled when one does.
    """

    def __init__(self, table: Mapping[str, Any], compiled: Callable[[str], str]) -> None:
        self._table, self._compiled = table, compiled
        self._sure, self._topics = self._any_of("sure"), self._any_of("topics")
        self._about = self._any_of("about")
        self._letters = self._any_of("letters")

    def kind(self, text: str) -> Concern | None:
        """Whom one reading of a text speaks of."""
        told = _spans(self._sure, text)
        if not self._about.search(text):
            told += _spans(self._topics, text)
        told = told and _outside(_spans(self._not, text), told)
        if not told:
            return None
        others, losses = _spans(self._other, text), _spans(self._loss, text)
        if _outside([*others, *losses], told):
            return "self"
        return "loss" if losses else "other"

    def spelt(self, text: str) -> bool:
        """Whether a text says it in single letters, which it holds as the letters of a syllable."""
        return bool(self._letters.search(text))

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
        phrases = (
            listed if isinstance(listed, list) else [phrase for theme in listed.values() for phrase in theme]
        )
        # Looking ahead, so that a match which does not count hides none that begins inside it.
        return re.compile(f"(?=({'|'.join(map(self._compiled, phrases)) or '(?!)'}))")


def _spans(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    return [match.span(1) for match in pattern.finditer(text)]


def _outside(spans: Sequence[tuple[int, int]], matches: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return [each for each in matches if not any(start <= each[0] < end for start, end in spans)]


@cache
def _speeches() -> tuple[_Speech, _Speech]:
    table = read("care")
    return _Speech(table["ko"], _korean(table["ko"])), _Speech(table["en"], _english(table["en"]))


def _korean(table: Mapping[str, Any]) -> Callable[[str], str]:
    """How a Korean phrase is compiled: blanks may stand anywhere but where it says "="."""

    def compiled(phrase: str) -> str:
        parts = []
        for match in _ATOM.finditer(unicodedata.normalize("NFKC", phrase)):
            name, syllable, together = match.groups()
            if name:
                parts.append(group(name))
            elif syllable == "~":
                parts.append(gap())
            elif syllable == "^":
                parts.append("(?<![가-힣])")
            elif syllable == "#":
                parts.append("[0-9]{2,} ?")
            elif syllable:
                parts.append(syllable if together else f"{syllable} ?")
        return "".join(parts)

    @cache
    def group(name: str) -> str:
        return f"(?:{'|'.join(map(compiled, longest_first(table['parts'][name])))})"

    @cache
    def gap() -> str:
        return rf"(?:(?!{'|'.join(map(compiled, table['breaks']))})[가-힣] ?){{0,{GAP_SYLLABLES}}}?"

    return compiled


def longest_first(words: Iterable[str]) -> list[str]:
    return sorted(words, key=len, reverse=True)


def _english(table: Mapping[str, Any]) -> Callable[[str], str]:
    """How an English phrase is compiled: whole words, each with the blank after it."""

    def compiled(phrase: str) -> str:
        return r"(?<![a-z0-9])" + sequence(phrase)

    def sequence(phrase: str) -> str:
        return "".join(
            group(word[1:-1])
            if word.startswith("{")
            else gap()
            if word == "~"
            else "[0-9]+ "
            if word == "#"
            else f"{word} "
            for word in phrase.split()
        )

    @cache
    def group(name: str) -> str:
        return f"(?:{'|'.join(map(sequence, longest_first(table['parts'][name])))})"

    @cache
    def gap() -> str:
        return rf"(?:(?!(?:{'|'.join(table['breaks'])}) )[a-z0-9]+ ){{0,{GAP_WORDS}}}?"

    return compiled


def _readings(text: str, letters: str) -> Iterator[str]:
    """The Korean of a text in words, once as it stands and once for each way to disguise it."""
    plain = _LONE_LETTERS.sub("", letters)
    yield plain
    if (wordy := _DIGITS.sub("", plain)) != plain:
        yield wordy
    if (shortened := _shortened(plain)) != plain:
        yield shortened
    apart = squeeze(unicodedata.normalize("NFC", text[:READ_CHARS]))[0]
    if (joined := _TYPED.sub(_syllable, apart)) != apart:
        yield _NOT_KOREAN.sub(" ", _LONE_LETTERS.sub("", joined))


def _syllable(letters: re.Match[str]) -> str:
    first, vowel, last = (unicodedata.normalize("NFKC", letter or "") for letter in letters.groups())
    whole = unicodedata.normalize("NFC", first + vowel)
    final = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ".find(letters[3] or "-") + 1
    return chr(ord(whole) + final) if len(whole) == 1 else letters[0]


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
    (_, vowel, final), (initial, same, none) = _parts(before), _parts(char)
    return initial == 11 and none == final == 0 and vowel == same


def _parts(syllable: str) -> tuple[int, int, int]:
    code = ord(syllable) - ord("가")
    return code // 588, code % 588 // 28, code % 28


def _words(clean: str) -> str:
    """The English of a text: words with a blank around each, without apostrophes, letters spelt apart joined."""
    bare = "".join(char for char in unicodedata.normalize("NFD", clean) if not unicodedata.combining(char))
    words = re.sub(r"[^a-z0-9]+", " ", re.sub("['’`´](?!s )", "", bare + " "))
    joined = _SPELT.sub(lambda match: match[0].replace(" ", ""), words)
    whole = _OWN.sub(r"\1\2", _RUN.sub(r"\1", joined))
    return f" {whole.strip()} "
