"""Numbers in a request: years, minutes, pages, calories, prices, ages and how many picks. Korean and English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from data.item import Domain
from engine.lexicon import read

MAX_COUNT = 10
"""Most picks in one answer; who asks for more gets these and a button for more."""

LONG = 150
"""Minutes from which on "a film of three hours" asks for a long one, not for at most that."""

_WORDS: dict[str, int] = {
    word: int(number) for number, words in read("dialogue")["numbers"].items() for word in words
}
_NUMBER = (
    r"(?:\d[\d,]*|" + "|".join(sorted((re.escape(word) for word in _WORDS), key=len, reverse=True)) + ")"
)
_COUNTING = (
    r"(?:\d+|"
    + "|".join(word for word in _WORDS if not word.isascii() and word not in "일이삼사오육칠팔구십")
    + ")"
)
"""Things are counted in native numerals; 이 작품 means this one, not two."""
_MOST = r"(?:이하|이내|이하로|미만|안에|안으로|안쪽|안 ?넘|안 ?되는|못 ?되는|넘지 ?않|아래|까지|내로|안 ?걸|정도|쯤|짜리|이?면 ?(?:되|돼|끝|완성|충분)|만에|으로 ?되|컷|at most|max\\b|or less|or under|or shorter|tops)"
_LEAST = r"(?:이상|넘는|넘어|넘게|초과|or more|at least|or longer)"
_NOT_FOR_ADULTS = re.compile(
    r"(?:청불|청소년 ?관람 ?불가|(?:19|18)(?:금|세)|성인 ?(?:물|영화|등급))(?: ?(?:이상|등급|영화|책|소설|관람가|[은는이가도만]))*"
    r" ?(?:말고|빼고|빼|제외|아닌|아니고|아니었|안 ?[돼되됨]|싫)|"
    r"\b(?:no|not|nothing) (?:r[- ]rated|adult[- ]only|18\+|nsfw)"
)
"""Said of a rating, it turns down what is for adults only."""


@dataclass(frozen=True, slots=True)
class Range:
    """Whole numbers from `low` to `high`, both included; `None` is open."""

    low: int | None = None
    high: int | None = None

    def __bool__(self) -> bool:
        return self.low is not None or self.high is not None


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number found at `text[start:end]`: `kind` is years, length, kcal, price, age or count."""

    kind: str
    value: Range
    start: int
    end: int


def number(word: str) -> int:
    """The value of digits or of a number word of the lexicon. Raises KeyError for anything else."""
    digits = word.replace(",", "")
    return int(digits) if digits.isdigit() else _WORDS[word.lower()]


def find(text: str, this_year: int, domain: Domain | None) -> Iterator[Quantity]:
    """Every quantity in `text`. `this_year` tells what "작년" and "최근" mean."""
    taken: list[tuple[int, int]] = []
    for kind, match, value in _candidates(text.lower(), this_year, domain):
        # of a count, the number alone: in "two short movies" another quantity stands inside
        low, high = match.span(match.lastindex or 0) if kind == "count" else match.span()
        if not any(low < end and start < high for start, end in taken):
            taken.append((low, high))
            yield Quantity(kind, value, low, high)


def _candidates(
    text: str, this_year: int, domain: Domain | None
) -> Iterator[tuple[str, re.Match[str], Range]]:
    for match in re.finditer(
        r"(?<!\d)(?:(19|20)?(\d)0) ?년대 ?(이후|이전|부터|까지)?|(?<!\d)(19|20)?(\d)0'?s\b", text
    ):
        century, decade, side = match[1] or match[4], match[2] or match[5], match[3]
        start = (
            int(f"{century}{decade}0") if century else (2000 if int(decade) <= 2 else 1900) + int(decade) * 10
        )
        yield "years", match, _sided(start, start + 9, side)
    for match in re.finditer(
        r"(?<!\d)(1[5-9]\d\d|20\d\d) ?년? ?(이후|이전|부터|까지|전에|전|후)|(after|since|before|from|until) (1[5-9]\d\d|20\d\d)\b",
        text,
    ):
        year = int(match[1] or match[4])
        yield "years", match, _sided(year, year, match[2] or match[3])
    for match in re.finditer(
        r"(?<!\d)(1[5-9]\d\d|20\d\d) ?년(?!대)(?: ?(?:작|에 ?나온|영화|책|개봉))?|\bfrom (1[5-9]\d\d|20\d\d)\b",
        text,
    ):
        year = int(match[1] or match[2])
        yield "years", match, Range(year, year)
    for match in re.finditer(
        r"(?<!\d)(\d{1,2}) ?세기(?: ?(이후|이전|부터|까지))?|\b(\d{1,2})(?:st|nd|rd|th)[- ]century\b", text
    ):
        last = int(match[1] or match[3]) * 100
        yield "years", match, _sided(last - 99, last, match[2])
    if domain is Domain.MOVIE:
        for match in re.finditer(
            r"흑백|무성 ?영화|\bblack[- ]and[- ]white\b|\bsilent (?:film|movie)s?\b", text
        ):
            yield "years", match, Range(None, 1965)
        for match in re.finditer(r"고전|클래식(?! ?음악)|\bclassic (?:film|movie)s?\b", text):
            yield "years", match, Range(None, 1979)
    for match in re.finditer(r"(?<!\d)(\d{2}|19\d\d|20\d\d) ?년생", text):
        year = int(match[1])
        year += 0 if year > 99 else 2000 if year <= this_year % 100 else 1900
        yield "years", match, Range(year, year)
    for match in re.finditer(
        r"최신|신작|최근에? ?나온|요즘 ?나온|새로 ?나온|올해 ?나온|\b(?:recent|new|latest)\b", text
    ):
        yield "years", match, Range(this_year - 6, None)
    for match in re.finditer(
        r"옛날 ?(?:영화|책|소설|거)|오래된|\b(?:old|older) (?:movie|film|book|novel)s?\b", text
    ):
        yield "years", match, Range(None, 1995)

    for match in re.finditer(
        rf"({_NUMBER}) ?(?:시간|hours?)(?: ?(반|({_NUMBER}) ?분))?(?: ?({_MOST}|{_LEAST}))?", text
    ):
        if match[4] is None and "hour" not in match[0]:
            continue
        minutes = number(match[1]) * 60 + (30 if match[2] == "반" else number(match[3]) if match[3] else 0)
        whole = match[4] == "짜리" and minutes >= LONG
        yield "length", match, Range(minutes - 30, minutes + 30) if whole else _bounded(minutes, match[4])
    for match in re.finditer(rf"(?<![\d만])({_NUMBER}) ?(?:분|min(?:ute)?s?)(?: ?({_MOST}|{_LEAST}))", text):
        yield "length", match, _bounded(number(match[1]), match[2])
    for match in re.finditer(
        rf"(?:under|less than|within|at most|no longer than|in|shorter than) ({_NUMBER}) ?(hours?|min(?:ute)?s?|pages?)",
        text,
    ):
        yield "length", match, Range(None, number(match[1]) * (60 if match[2].startswith("hour") else 1))
    for match in re.finditer(rf"({_NUMBER}) ?(?:쪽|페이지|pages?)(?: ?({_MOST}|{_LEAST}))", text):
        yield "length", match, _bounded(number(match[1]), match[2])
    if domain in (Domain.BOOK, Domain.MOVIE):
        for match in re.finditer(
            r"(?<!너무 )(?:짧은|짧게)|길지 ?않|안 ?긴(?![가-힣])|너무 ?(?:길어|길다|긴 ?(?:것|거|듯))|"
            r"(?<!too )\bshort(?:er)?\b|\b(?:not (?:too|so|that)|too) long\b",
            text,
        ):
            yield "length", match, Range(None, 260 if domain is Domain.BOOK else 105)
        for match in re.finditer(
            r"두꺼운|(?<![가-힣])긴 ?(?:영화|소설|책|호흡)|\blong (?:book|novel|movie|film)", text
        ):
            yield "length", match, Range(400 if domain is Domain.BOOK else 135, None)

    if domain is Domain.FOOD:
        for match in re.finditer(r"(?<!\d)([2-9]\d\d|1[0-4]\d\d) ?(?:이하|이내|미만|안쪽)", text):
            yield "kcal", match, Range(None, int(match[1]))  # of nothing else one says so many of a dish
    for match in re.finditer(
        rf"({_NUMBER}) ?(?:칼로리|kcal|킬로칼로리|calories|cal)(?: ?({_MOST}|{_LEAST}))?", text
    ):
        yield "kcal", match, _bounded(number(match[1]), match[2])
    for match in re.finditer(
        r"(\d+)(?:만 ?(\d)?천?|(천)) ?원(?:대)?(?: ?(이하|이내|안쪽|안에|미만|정도|쯤|이상))?|만 ?원(?:대)?(?: ?(이하|이내|안쪽|안에|미만|정도|쯤))?",
        text,
    ):
        won = (
            (int(match[1]) * 1_000 if match[3] else int(match[1]) * 10_000 + int(match[2] or 0) * 1_000)
            if match[1]
            else 10_000
        )
        yield "price", match, _price(won)
    for match in re.finditer(
        r"(?<![\d,])(\d{1,2},?\d{3}) ?원(?:대)?(?: ?(이하|이내|안쪽|안에|미만|정도|쯤))?", text
    ):
        yield "price", match, _price(int(match[1].replace(",", "")))
    for match in re.finditer(
        r"(\d{1,2}|다섯|여섯|일곱|여덟|아홉|열) ?(?:살|세)(?![가-힣]*기)|\b(\d{1,2})[- ]years?[- ]old|"
        r"\b(?:son|daughter|kid|child|boy|girl|he|she) is (\d{1,2})\b",
        text,
    ):
        word = match[1] or match[2] or match[3]
        years = int(word) if word.isdigit() else _WORDS[word]
        if years < 19:
            yield "age", match, Range(None, max(level for level in (0, 7, 12, 15) if level <= max(years, 0)))
    for match in _NOT_FOR_ADULTS.finditer(text):
        yield "age", match, Range(None, 15)
    for match in re.finditer(
        rf"({_COUNTING}) ?(?:편|권|개|곳|가지|그릇|접시|종류|작품)(?![가-힣]*째)(?:만|정도|쯤)?|(하나|둘|셋)(?:만|(?=\s*[.!?~]*$)|(?= ?(?:추천|골라|알려|보여|부탁)))|"
        r"\b(?:just|only|give me|recommend|suggest) (one|two|three|four|five|six|\d+)\b|\b(one|two|three|four|five|six|\d+) (?:\w+ )?(?:movies|films|books|novels|dishes|meals|things|foods)\b",
        text,
    ):
        count = number(next(group for group in match.groups() if group))
        if count >= 1:
            yield "count", match, Range(min(count, MAX_COUNT), min(count, MAX_COUNT))


def _price(won: int) -> Range:
    """The levels of price that so many won buy."""
    return Range(None, 1 if won <= 10_000 else 2 if won <= 20_000 else 3)


def _sided(low: int, high: int, side: str | None) -> Range:
    if side in ("이후", "부터", "후", "after", "since", "from"):
        return Range(low, None)
    if side in ("이전", "까지", "전", "전에", "before", "until"):
        return Range(None, high)
    return Range(low, high)


def _bounded(value: int, side: str | None) -> Range:
    return Range(value, None) if side and re.fullmatch(_LEAST, side) else Range(None, value)
