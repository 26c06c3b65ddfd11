"""Numbers in a text, in digits or in words, Korean and English, with what they count. Knows no item."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

NATIVE: Final = {
    "한": 1, "하나": 1, "두": 2, "둘": 2, "세": 3, "셋": 3, "석": 3, "서너": 3, "네": 4, "넷": 4, "다섯": 5,
    "대여섯": 5, "여섯": 6, "일곱": 7, "여덟": 8, "아홉": 9,
}  # fmt: skip
_TENS: Final = {
    "열": 10, "스물": 20, "스무": 20, "서른": 30, "마흔": 40, "쉰": 50, "예순": 60, "일흔": 70, "여든": 80, "아흔": 90,
}  # fmt: skip
_DIGITS: Final = dict(zip("일이삼사오육칠팔구", range(1, 10), strict=True)) | {"영": 0, "공": 0}
_PLACES: Final = {"십": 10, "백": 100, "천": 1_000}
_MYRIADS: Final = {"만": 10_000, "억": 100_000_000}
_ENGLISH: Final = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
    "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES: Final = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}

_UNITS: Final = {
    "decade": r"년대|0'?s\b|'?s\b(?<=\ds)",
    "century": r"세기|(?:st|nd|rd|th)[- ]century",
    "year": r"년(?!대)",
    "month": r"월(?!요)",
    "day": r"일(?=[에의은이도부까자 ,.]|$)",
    "hour": r"시간|-?hours?\b",
    "minute": r"분(?=[이만은을도의에간짜정 이쯤동내,.]|$)|-?min(?:ute)?s?\b",
    "page": r"여? ?쪽|여? ?페이지|-?pages?\b",
    "kcal": r"k?cal(?![a-z])|킬로칼로리|칼로리|k?calories\b",
    "percent": r"%|퍼센트|프로(?=[가의]|$)|percent\b",
    "age": r"[살세](?=[부이가은의에도짜기]|$| )|-?years?[- ]old",
    "points": r"점(?=[을이의대,.]|$)|stars?\b|points?\b",
    "rank": r"위(?=[를에의,. ]|$)|등(?=[을이에은]|[ ,.!?]|$)",
    "money": r"원(?=[이에으짜대정]|$| )|달러|dollars?\b",
    "sold": r"부(?=[가를나 이])|copies\b",
    "people": r"명|관객|people\b|viewers?\b",
}
_UNIT: Final = re.compile(
    r"(?:\s?(?:여|남짓한)\s?)?\s?(?:" + "|".join(f"(?P<{name}>{unit})" for name, unit in _UNITS.items()) + ")"
)
_NATIVE_WORD: Final = (
    rf"(?:(?:{'|'.join(_TENS)})(?:{'|'.join(sorted(NATIVE, key=len, reverse=True))})?"
    rf"|{'|'.join(sorted(NATIVE, key=len, reverse=True))})"
)
_SINO_WORD: Final = r"(?:[일이삼사오육칠팔구]?[십백천만억])+[일이삼사오육칠팔구]?|[일이삼사오육칠팔구]"
_ENGLISH_WORD: Final = (
    rf"\b(?:(?:{'|'.join((*sorted(_ENGLISH, key=len, reverse=True), *_SCALES))})[ -]?(?:and )?)+(?=\W|$)"
)
_NUMBER: Final = re.compile(
    rf"(?P<digits>\d+(?:,\d{{3}})*(?:\.\d+)?)(?P<scale>\s?(?:천만|백만|십만|억|만|천|백|million|billion|thousand))?"
    rf"|(?<![가-힣\d])(?:(?P<native>{_NATIVE_WORD})|(?P<sino>{_SINO_WORD}))(?![가-힣]*[ㄱ-ㅎ])"
    rf"|(?P<english>{_ENGLISH_WORD})",
    re.IGNORECASE,
)
_AFTER_SINO: Final = re.compile(
    r"\s?(?:여\s?)?(?:년대|년|세기|월|분(?=[이만은을도간짜 ])|쪽|페이지|칼로리|퍼센트|관왕|위(?=[를에])|점(?=[을이])|원(?=[이에])|달러|부(?=[가를나])|명|"
    r"관객|개국|개 언어|개|권|편|도씨|배|가지|번|세(?=[기의 ])|킬로|그램|시간)"
)
"""What shows that syllables that are also other words (만, 이, 천) count something."""
_AFTER_DIGIT: Final = re.compile(
    r"\s?(?:관왕|위(?=[를에])|년(?=[간이을 ])|개월|주(?=[간일])|부작|단계|세기|월(?=[의에 ])|등(?=[을이에은]|[ ,.!?]|$)|퍼센트|칼로리|개국)|분(?=[이만은을간 ])|시간"
)
"""The same for a syllable alone, which is another word more often still (이 분, 일부)."""
_COUNTED: Final = re.compile(
    r"\s?(?:시간|분|살|명|사람|가지|개|번|편|권|장|마리|곳|군데|쪽|잔|그릇|달|주|배|채|송이|조각|단계|줄|문장|마디|모금|숟갈|숟가락|젓가락|입|걸음|"
    r"뼘|점|식구|자매|남매|형제|친구|형사|아이|남자|여자|주인공|인물|세대|계절|나라|도시|층|팀|편의|겹|벌|끼|공기|접시|봉지|방울|켤레|짝|손|눈|해|날|밤|갈래|박자)"
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and what it counts: a key of `_UNITS`, or "" for anything else."""

    value: float
    unit: str = ""


def figures(text: str) -> Iterator[tuple[Figure, int, int]]:
    """Each number with where it stands, its unit included. Syllables that may be other words count only before what
    is counted."""
    for match in _NUMBER.finditer(text):
        end = match.end()
        if text.startswith("만년", match.start()):
            continue
        if match["digits"]:
            value = float(match["digits"].replace(",", ""))
            scale = (match["scale"] or "").strip()
            value *= _SCALES.get(scale.lower()) or _sino(scale) or 1
        elif match["sino"]:
            if not (_AFTER_SINO if match["sino"] not in _DIGITS else _AFTER_DIGIT).match(text, end):
                continue
            value = float(_sino(match["sino"]))
        elif match["native"]:
            if not _COUNTED.match(text, end) and match["native"] in (
                "한", "네", "열", "쉰", "석", "세", "두", "스무",
            ):  # fmt: skip
                continue
            value = float(_native(match["native"]))
        else:
            words = match["english"].rstrip(" -")
            value, end = float(_english(words.lower())), match.start() + len(words)
        unit = _UNIT.match(text, end)
        counted = (unit.lastgroup or "") if unit else ""
        if counted == "year" and not 1000 <= value <= 2100:
            counted = ""  # so many years, not the year
        if counted == "points" and match["native"]:
            counted = ""  # 고기 한 점
        yield Figure(value, counted), match.start(), unit.end() if unit else end


def _sino(word: str) -> int:
    total = part = digit = 0
    for syllable in word:
        if syllable in _DIGITS:
            digit = _DIGITS[syllable]
        elif syllable in _PLACES:
            part, digit = part + (digit or 1) * _PLACES[syllable], 0
        elif syllable in _MYRIADS:
            total, part, digit = total + ((part + digit) or 1) * _MYRIADS[syllable], 0, 0
    return total + part + digit


def _native(word: str) -> int:
    for ten, value in _TENS.items():
        if word.startswith(ten):
            return value + NATIVE.get(word[len(ten) :], 0)
    return NATIVE[word]


def _english(words: str) -> int:
    total = part = 0
    for word in re.findall(r"[a-z]+", words):
        if word in _ENGLISH:
            part += _ENGLISH[word]
        elif word == "hundred":
            part = (part or 1) * 100
        elif word in _SCALES:
            total, part = total + (part or 1) * _SCALES[word], 0
    return total + part
