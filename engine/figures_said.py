"""Whether the numbers that a sentence says of an item are the item's or the request's: years, lengths, energy, counts.

A length may be said in other words: two hours of 118 minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from data.item import Domain
from engine.backing import Backing
from engine.figures import Figure, figures

Fault = Literal["year", "number"]

FEW: Final = 2
"""So many of anything may be said of anything: one night, two people, both."""
CLOSE: Final = 0.06
"""How far a length in other words may be from the item's, as a part of it: 120 of 118 minutes."""
ROUNDED: Final = 15
"""Minutes by which a length told in hours may be off."""
NEAR: Final = 5
"""Minutes by which a time to make a dish may be off where it is said to be about that."""

_ABOUT: Final = re.compile(
    r"[가-힣]{0,2}\s?(?:남짓|정도|쯤|가까|안팎|내외|넘|조금|살짝|채 안|이내|안에|여(?=\s))|\s*(?:or so|or less|tops)"
)
_ABOUT_BEFORE: Final = re.compile(
    r"(?:약|거의|대략|a little (?:over|under)|about|around|nearly|almost|roughly|just (?:over|under)|less than|more than|under|over|well under)\s*$",
    re.I,
)
_OVER: Final = re.compile(r"[가-힣]{0,2}\s?(?:넘|남짓|이상)|\s*or more")
_OVER_BEFORE: Final = re.compile(r"(?:\bover|more than|a little over|just over)\s*$", re.I)
_UNDER: Final = re.compile(r"[가-힣]{0,2}\s?(?:가까|채 ?(?:안|못)|이내|안쪽)|\s*or less")
_UNDER_BEFORE: Final = re.compile(r"(?:거의|\bunder|nearly|almost|less than|a little under)\s*$", re.I)
_PART: Final = re.compile(r"\s*(초반|초|중반|중엽|후반|말)(?=[의에부은이 ,.]|$)")
_PARTS: Final = {"초반": (0, 3), "초": (0, 3), "중반": (3, 7), "중엽": (3, 7), "후반": (6, 9), "말": (7, 9)}
_IDIOM: Final = re.compile(
    r"\s?(?:번(?!째)|입|숟갈|숟가락|젓가락|모금|걸음|발짝|마디|잔|그릇|뼘|줄|배(?=로|나)|겹|손가락)"
)
"""What is counted in passing: 세 번, 열 걸음."""
IDIOM_MOST: Final = 10
"""The most that is counted in passing."""
_TIMES: Final = re.compile(r"\s?번|\s?times\b")
_HALF: Final = re.compile(r"\s*반(?![가-힣])|\s*반(?=[을이은도의])| and a half")
_CLAIMS: Final = frozenset(
    {
        "year",
        "decade",
        "century",
        "hour",
        "minute",
        "age",
        "rank",
        "points",
        "money",
        "sold",
        "percent",
        "kcal",
        "page",
    }
)
"""What is counted only to claim something."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A figure with the words that it is said in, and those before and after it."""

    figure: Figure
    words: str
    before: str
    after: str

    @property
    def is_rough(self) -> bool:
        """Whether it is said to be about so many."""
        return bool(_ABOUT.match(self.after) or _ABOUT_BEFORE.search(self.before) or "여 " in self.words)

    @property
    def in_digits(self) -> bool:
        return any(char.isdigit() for char in self.words)


def fault(sentence: str, backing: Backing) -> Fault | None:
    """The kind of the first number that nothing backs."""
    for said in _said(sentence):
        if not _is_backed(said, backing):
            return "year" if _is_year(said) else "number"
    return None


def _said(sentence: str) -> Iterator[_Said]:
    """The figures of a sentence; hours with the minutes that follow them are one, in minutes."""
    found = list(figures(sentence))
    free = 0
    for place, (figure, start, end) in enumerate(found):
        if start < free:
            continue
        if figure.unit == "hour":
            half = _HALF.match(sentence, end)
            minutes, begin, last = found[place + 1] if place + 1 < len(found) else (figure, end, end)
            if half:
                figure, end = Figure(figure.value * 60 + 30, "minute"), half.end()
            elif minutes.unit == "minute" and not sentence[end:begin].strip(" and,"):
                figure, end = Figure(figure.value * 60 + minutes.value, "minute"), last
        free = end
        yield _Said(figure, sentence[start:end], sentence[:start], sentence[end:])


def _is_backed(said: _Said, backing: Backing) -> bool:
    figure, value = said.figure, said.figure.value
    if figure in backing.figures or _is_fact(said, backing):
        return True
    if figure.unit in _CLAIMS:
        return figure.unit == "page" and value <= FEW and not said.in_digits
    if value in backing.numbers and figure.unit == "":
        return True
    if said.in_digits:
        return False
    if value <= FEW or (value <= IDIOM_MOST and _IDIOM.match(said.after)):
        return True
    return value in (100, 1_000) and _TIMES.match(said.after) is not None


def _is_fact(said: _Said, backing: Backing) -> bool:
    """Whether a figure is one of the item's own, or a text's in other words."""
    item, value = backing.item, said.figure.value
    match said.figure.unit:
        case "year":
            return value == item.year or Figure(value) in backing.figures
        case "century":
            return item.year is not None and value == (item.year - 1) // 100 + 1
        case "decade":
            return _is_decade(said, backing)
        case "minute" | "hour":
            minutes = _minutes(said.figure)
            told = {_minutes(figure) for figure in backing.figures if figure.unit in ("hour", "minute")}
            return minutes in told or (
                item.length is not None
                and item.domain is not Domain.BOOK
                and _lasts(said, minutes, item.length)
            )
        case "page":
            return item.domain is Domain.BOOK and _is_near(said, item.length)
        case "kcal":
            return _is_near(said, item.kcal)
        case "age":
            return value == item.age
        case "":
            return value == item.year
    return False


def _is_year(said: _Said) -> bool:
    figure = said.figure
    plain = figure.unit == "year" or (figure.unit == "" and said.words.isdigit())
    return figure.unit in ("decade", "century") or (plain and 1000 <= figure.value <= 2100)


def _is_decade(said: _Said, backing: Backing) -> bool:
    """Whether a decade is the item's, and its part the right one; or one that a text tells."""
    first, year = _decade(said.figure.value), backing.item.year
    told = {_decade(f.value) for f in backing.figures if f.unit == "decade"}
    told |= {int(f.value) // 10 * 10 for f in backing.figures if f.unit == "year"}
    if year is None or first != year // 10 * 10:
        return first in told
    part = _PART.match(said.after)
    low, high = _PARTS[part[1]] if part else (0, 9)
    return low <= year % 10 <= high


def _decade(value: float) -> int:
    """The first year of a decade that may be said by two digits."""
    return int(value) if value >= 100 else int(value) + (2000 if value <= 20 else 1900)


def _minutes(figure: Figure) -> float:
    return figure.value * (60 if figure.unit == "hour" else 1)


def _lasts(said: _Said, minutes: float, length: int) -> bool:
    """Whether a length told so is the item's: in hours it may be rounded, over and under must be so."""
    if minutes == length:
        return True
    if _OVER.match(said.after) or _OVER_BEFORE.search(said.before):
        return 0 <= length - minutes <= 2 * ROUNDED
    if _UNDER.match(said.after) or _UNDER_BEFORE.search(said.before):
        return 0 <= minutes - length <= 2 * ROUNDED
    if minutes >= 60 and minutes % 30 == 0:
        return abs(minutes - length) <= ROUNDED
    return said.is_rough and abs(minutes - length) <= max(NEAR, CLOSE * length)


def _is_near(said: _Said, known: int | None) -> bool:
    if known is None:
        return False
    return said.figure.value == known or (said.is_rough and abs(said.figure.value - known) <= CLOSE * known)
