"""Proper nouns in a sentence that no catalog need know: people, places and things that a model named on its own.

Found by the analyser's proper nouns, by words it could only take to pieces, by what somebody is called (감독, 작가),
and by capital letters. Whatever the item or the request has is nobody strange.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from engine.backing import Backing, plain
from engine.korean import Morpheme
from engine.lexicon import read

ROLES: Final = "|".join(sorted(read("grounding")["words"]["roles"], key=len, reverse=True))
"""What somebody is called behind the name."""
LATIN: Final = frozenset(read("grounding")["words"]["latin"])
"""Latin letters that stand in Korean texts and are no names (SF, OST, kcal)."""

_CAPITAL: Final = re.compile(r"(?<![A-Za-zÀ-ɏ0-9'’])[A-ZÀ-Þ][A-Za-zÀ-ɏ0-9'’-]*")
_POSSESSIVE: Final = re.compile(r"['’]s?$")
SENTENCE_STARTS: Final = re.compile(r"(?:^|[.!?:…]['\"”’]?\s+)[\s\"'“‘(]*$")
_GOES_ON: Final = re.compile(r"\s([A-Z][\w'’-]+)")
_DOES: Final = re.compile(r"\s(?:is|was|has|and|will|\w+s)\b(?!\s+(?:in|of|to)\b)")
_SURNAMES: Final = (
    "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진나지엄채원천방공현함변염추도석선설마길연위표명기반"
    "왕금옥육인맹제모탁국여어은편용예경봉사부"
)
_GIVEN: Final = frozenset(
    "민서준도윤예시우하지호주원훈연현은수아채다영희미경순자철동재석혜태보해소담나유진세가온빈율린별솔겸한병중검환규형찬혁성승종창상광기정선숙옥란"
    "애화길용균근범식웅람슬든름비솜"
)
"""Syllables of Korean given names."""
_SHAPED: Final = re.compile(
    rf"(?<![가-힣])[{_SURNAMES}][{''.join(sorted(_GIVEN))}]{{2}}"
    rf"(?=(?:이|가|을|를|의|과|와|은|는|도|에게|처럼|보다)(?![가-힣])|\s(?P<role>{ROLES}))"
)
_ROLED: Final = re.compile(
    rf"(?<![가-힣])(?P<name>(?:[가-힣]{{1,6}}\s)?[가-힣]{{1,6}}?)\s(?P<role>{ROLES})"
    r"(?=(?:[은는이가의을를과와도께에로]|들|님|덕분|특유|표|답|이?[자며]|[ ,.]|$))"
)
_SUFFIXES: Final = ("네", "들", "님", "씨", "호", "표", "식", "풍", "파", "판", "어", "인", "역", "가", "댁")
"""What is joined to a name, and the two are still that name's."""
_NO_FRAGMENTS: Final = frozenset({"NR", "NNB", "NP", "XSV", "XSA"})


def named(
    text: str, backing: Backing, morphemes: Sequence[Morpheme], own: Sequence[tuple[int, int]] = ()
) -> bool:
    """Whether somebody or something is named that nothing backs; not within `own`, where the item's own names stand.
    `morphemes` are empty for English, and where no analyser is ready: then only shapes and capitals tell."""
    others = [m for m in morphemes if not any(start <= m.start < end for start, end in own)]
    return (
        _proper(text, backing, others, {end for _, end in own})
        or _shaped(text, backing, morphemes)
        or _roled(text, backing, morphemes)
        or _capital(text, backing)
    )


def is_common(word: str) -> bool:
    """Whether a word that is taken for a name is none."""
    return word in _common()


def is_english(word: str) -> bool:
    """Whether a word, in lower case, is one that the package itself says in English."""
    return word in _lower_case()


def is_plain_food(word: str) -> bool:
    """Whether a word of kitchens says nothing of what is in a dish."""
    return word in _plain_foods()


def _proper(text: str, backing: Backing, morphemes: Sequence[Morpheme], known_ends: set[int]) -> bool:
    """`known_ends` are where known names end: 무라카미 is one, 무라카미 류 someone else."""
    for place, morpheme in enumerate(morphemes):
        if morpheme.tag != "NNP" and (morpheme.known or morpheme.tag != "NNG"):
            continue
        start, end = _whole(morphemes, place)
        chunk = text[start:end]
        if _is_backed(chunk, text[morpheme.start : morpheme.end], backing):
            known_ends.add(end)
        elif (
            len(chunk) > 1
            or re.match(rf"\s?(?:{ROLES})", text[end:])
            or (start - 1 in known_ends and text[start - 1] == " ")
        ):
            return True
    return any(not _is_backed(chunk, chunk, backing) for chunk in _fragments(text, morphemes))


def _whole(morphemes: Sequence[Morpheme], place: int) -> tuple[int, int]:
    """The span of the nouns that a morpheme is written together with."""
    first = last = place
    while (
        first and morphemes[first - 1].end == morphemes[first].start and morphemes[first - 1].tag[0] in "NX"
    ):
        first -= 1
    while last + 1 < len(morphemes) and morphemes[last + 1].start == morphemes[last].end:
        if morphemes[last + 1].tag[0] not in "NX" and morphemes[last + 1].tag != "SL":
            break
        last += 1
    return morphemes[first].start, morphemes[last].end


def _fragments(text: str, morphemes: Sequence[Morpheme]) -> Iterator[str]:
    """Words that the analyser could only take to pieces, as it does with names it does not know: one that begins with
    a particle, two syllables of given names (유찬이), or three nouns of one syllable and more in a row (옥류관)."""
    for place, morpheme in enumerate(morphemes):
        if morpheme.start and text[morpheme.start - 1] != " ":
            continue
        end = place
        while (
            end < len(morphemes)
            and morphemes[end].tag[0] in "NX"
            and morphemes[end].end == morphemes[end].start + 1
            and (end == place or morphemes[end].start == morphemes[end - 1].end)
        ):
            end += 1
        pair = morphemes[place : place + 2]
        if (
            len(morphemes) > place + 2
            and morphemes[place + 2].tag[0] == "J"
            and all(m.end == m.start + 1 and text[m.start] in _GIVEN for m in pair)
            and pair[0].end == pair[1].start
            and pair[1].end == morphemes[place + 2].start
            and pair[1].tag[0] == "N"
        ):
            yield text[pair[0].start : pair[1].end]
        if end - place >= 3 and not any(m.tag in _NO_FRAGMENTS for m in morphemes[place:end]):
            yield text[morpheme.start : morphemes[end - 1].end]
        elif (morpheme.tag == "MM" and morpheme.form == "니") or (
            morpheme.tag[0] == "J"
            and place
            and morphemes[place - 1].tag[0] != "S"
            and morphemes[place - 1].end < morpheme.start
        ):
            yield re.split(r"[\s,.!?]", text[morpheme.start :])[0]


def _is_backed(chunk: str, proper: str, backing: Backing) -> bool:
    """Whether a word is known that holds the proper noun: by itself, as a place of the item's country, or as a known
    name with something joined to it."""
    if backing.has(chunk) or is_common(chunk) or is_common(proper) or is_plain_food(chunk):
        return True
    places = _places_of(backing.item.country)
    if chunk in places or proper in places or (len(proper) > 1 and backing.has_word(proper)):
        return True
    if any(chunk.endswith(suffix) and backing.has(chunk[: -len(suffix)]) for suffix in _SUFFIXES):
        return True
    return any(backing.has_word(chunk[:size]) and proper not in chunk[size:] for size in range(2, len(chunk)))


def _shaped(text: str, backing: Backing, morphemes: Sequence[Morpheme]) -> bool:
    """Whether a word of a Korean name's shape and syllables is none that the analyser knows whole."""
    for match in _SHAPED.finditer(text) if morphemes else ():
        own = [m for m in morphemes if match.start() <= m.start < match.end()]
        whole = len(own) == 1 and own[0].end == match.end() and own[0].tag != "NNP"
        inflected = any(m.tag[0] in "VE" or m.tag[:2] == "XS" for m in own) and not match["role"]
        if not (whole or inflected or is_common(match[0]) or backing.has(match[0])):
            return True
    return False


def _roled(text: str, backing: Backing, morphemes: Sequence[Morpheme]) -> bool:
    """Whether somebody of a Korean name's shape stands before 감독, 작가, 씨 … whom the item does not know."""
    for match in _ROLED.finditer(text):
        name = match["name"]
        last = name.split()[-1]
        if len(last) != 3 or last[0] not in _SURNAMES or is_common(last):
            continue
        if backing.has(name) or backing.has(last):
            continue
        at = match.start() + len(name) - len(last)
        own = [m for m in morphemes if at <= m.start < at + len(last)]
        is_word = len(own) == 1 and own[0].tag != "NNP" and own[0].end == at + len(last)
        if not is_word and not any(m.tag[0] in "JE" for m in own):
            return True
    return False


def _capital(text: str, backing: Backing) -> bool:
    """Whether a word in capitals is a name that nothing backs: in a Korean sentence any, in an English one any but
    the word that begins it, unless that one is no word that begins sentences."""
    korean = any("가" <= char <= "힣" for char in text)
    places = _places_of(backing.item.country)
    for match in _CAPITAL.finditer(text):
        word = _POSSESSIVE.sub("", match[0])
        low = plain(word)
        if len(word) < 2 or low in LATIN or low in places or low in _free() or backing.has(word):
            continue
        if "-" in word and all(
            backing.has(part) or part.lower() in _lower_case() for part in word.split("-")
        ):
            continue
        if not korean and SENTENCE_STARTS.search(text[: match.start()]):
            after = text[match.end() :]
            following = _GOES_ON.match(after)
            goes_on = following is not None and not backing.has(_POSSESSIVE.sub("", following[1]))
            if low in _lower_case() and not goes_on:
                continue
            if word == match[0] and not goes_on and not _DOES.match(after):
                continue
        return True
    return False


def _places_of(country: str | None) -> frozenset[str]:
    return _places().get(country or "", frozenset())


@cache
def _places() -> dict[str, frozenset[str]]:
    return {country: frozenset(words) for country, words in read("grounding")["places"].items()}


@cache
def _common() -> frozenset[str]:
    return frozenset(read("grounding")["words"]["common"])


@cache
def _plain_foods() -> frozenset[str]:
    return frozenset(read("grounding")["words"]["plain_foods"])


@cache
def _free() -> frozenset[str]:
    return frozenset(read("grounding")["words"]["english"])


@cache
def _lower_case() -> frozenset[str]:
    """Words that stand in lower case in what the package itself says in English: they are no names."""
    said: set[str] = set()
    for path in ("phrases/en.toml", "catalog/books.jsonl", "catalog/movies.jsonl", "catalog/foods.jsonl"):
        text = (files("data") / path).read_text(encoding="utf-8")
        said |= set(re.findall(r"(?<![A-Za-z])[a-z]+(?![A-Za-z])", text))
    return frozenset(said)
