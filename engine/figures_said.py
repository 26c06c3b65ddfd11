"""Whether the numbers that a sentence says of an item are the item's or the request's: years, lengths, energy, counts.

A length may be said in other words: two hours of 118 minutes.
"""

from __future__ import annotations

import re
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
_IDIOM_MOST: Final = 10


def fault(sentence: str, backing: Backing) -> Fault | None:
    """The kind of the first number that nothing backs."""
    found = list(figures(sentence))
    skip = -1
    for place, (figure, start, end) in enumerate(found):
        if start < skip:
            continue
        before, after = sentence[:start], sentence[end:]
        if figure.unit == "hour":
            joined = _joined(found, place, sentence)
            if joined is not None:
                figure, end = joined
                skip, after = end, sentence[end:]
        if not _backed(figure, before, after, sentence[start:end], backing):
            return "year" if _is_year(figure, sentence[start:end]) else "number"
    return None


def _joined(found: list[tuple[Figure, int, int]], place: int, sentence: str) -> tuple[Figure, int] | None:
    """Hours with the minutes that follow them, as minutes."""
    hours, _, end = found[place]
    if half := re.match(r"\s*반(?![가-힣])|\s*반(?=[을이은도의 ])| and a half", sentence[end:]):
        return Figure(hours.value * 60 + 30, "minute"), end + half.end()
    if place + 1 < len(found):
        minutes, start, last = found[place + 1]
        if minutes.unit == "minute" and not sentence[end:start].strip(" and,"):
            return Figure(hours.value * 60 + minutes.value, "minute"), last
    return None


def _backed(figure: Figure, before: str, after: str, said: str, backing: Backing) -> bool:
    item, value = backing.item, figure.value
    if figure in backing.figures:
        return True
    match figure.unit:
        case "decade" | "century" | "year" if item.year is not None and _of_year(figure, after, item.year):
            return True
        case "decade":
            return _decade(value) in {_decade(f.value) for f in backing.figures if f.unit == "decade"} or (
                any(f.value // 10 * 10 == value for f in backing.figures if f.unit == "year")
            )
        case "minute" | "hour":
            if (
                item.length
                and item.domain is not Domain.BOOK
                and _lasts(figure, before, after, item.length, item.domain)
            ):
                return True
            minutes = value * (60 if figure.unit == "hour" else 1)
            return any(
                f.value * (60 if f.unit == "hour" else 1) == minutes
                for f in backing.figures
                if f.unit in ("hour", "minute")
            )
        case "page" if item.domain is Domain.BOOK and item.length:
            if _near(
                value, item.length, bool(_ABOUT.match(after) or _ABOUT_BEFORE.search(before) or "여" in said)
            ):
                return True
        case "kcal" if item.kcal is not None:
            if _near(value, item.kcal, bool(_ABOUT.match(after) or _ABOUT_BEFORE.search(before))):
                return True
        case "age" if item.age is not None and value == item.age:
            return True
        case "year" if Figure(value, "") in backing.figures:
            return True
        case "":
            if item.year is not None and value == item.year:
                return True
            if value in backing.numbers or Figure(value, "") in backing.figures:
                return True
    if any(char.isdigit() for char in said):
        return figure.unit == "" and value in backing.numbers
    if figure.unit in (
        "year",
        "decade",
        "century",
        "age",
        "rank",
        "points",
        "money",
        "sold",
        "percent",
        "kcal",
        "page",
    ):
        return figure.unit in ("year", "page") and value <= FEW
    if figure.unit in ("hour", "minute"):
        return False
    if value <= FEW or (value <= _IDIOM_MOST and _IDIOM.match(after)):
        return True
    if value in (100, 1000) and re.match(r"\s?번|\s?times\b", after):
        return True
    return value in backing.numbers


def _is_year(figure: Figure, said: str) -> bool:
    return figure.unit in ("decade", "century") or (
        (figure.unit == "year" or (figure.unit == "" and said.isdigit())) and 1000 <= figure.value <= 2100
    )


def _of_year(figure: Figure, after: str, year: int) -> bool:
    """Whether a year, a decade or a century is that of `year`; a part of a decade must be the right one."""
    if figure.unit == "year":
        return figure.value == year
    if figure.unit == "century":
        return figure.value == (year - 1) // 100 + 1
    if _decade(figure.value) != year // 10 * 10:
        return False
    part = _PART.match(after)
    low, high = _PARTS[part[1]] if part else (0, 9)
    return low <= year % 10 <= high


def _decade(value: float) -> int:
    """The first year of a decade that may be said by two digits."""
    return int(value) if value >= 100 else int(value) + (2000 if value <= 20 else 1900)


def _lasts(figure: Figure, before: str, after: str, length: int, domain: Domain) -> bool:
    minutes = figure.value * 60 if figure.unit == "hour" else figure.value
    if minutes == length:
        return True
    about = bool(_ABOUT.match(after) or _ABOUT_BEFORE.search(before))
    if _OVER.match(after) or _OVER_BEFORE.search(before):
        return 0 <= length - minutes <= 2 * ROUNDED
    if _UNDER.match(after) or _UNDER_BEFORE.search(before):
        return 0 <= minutes - length <= 2 * ROUNDED
    whole = minutes % 30 == 0 and minutes >= 60
    if whole:
        return abs(minutes - length) <= ROUNDED
    return about and abs(minutes - length) <= max(NEAR, CLOSE * length)


def _near(value: float, known: int, about: bool) -> bool:
    return value == known or (about and abs(value - known) <= CLOSE * known)
