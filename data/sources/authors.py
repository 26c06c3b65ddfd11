"""Who made a book, from the ways in which shops and libraries write it: names only, without roles and translators.

Knows no data set; which words are roles stands in `data/lexicon/sources.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, Literal

from data.sources.prose import plain
from data.sources.words import of

Part = Literal["made", "edited", "helped"]
_BRACKETED: Final = re.compile(r"\(([^()]*)\)")
_OTHERS: Final = re.compile(r"\s+(?:외|등)(?:\s*\d+\s*[인명])?$")


@cache
def _roles() -> dict[str, Part]:
    parts: tuple[Part, ...] = ("made", "edited", "helped")
    return {word: part for part in parts for word in of("books")[part]}


@cache
def _joined() -> re.Pattern[str]:
    """Two roles of one person: 글·그림, 글.사진, 지은이·그린이."""
    role = "|".join(sorted(map(re.escape, _roles()), key=len, reverse=True))
    return re.compile(rf"(?<!\S)({role})(?:\s*[·ㆍ.:/&]\s*(?:{role}))+(?=\s*(?:[,;:/]|$))")


def creators(text: str) -> tuple[str, ...]:
    """The writers and illustrators of a book in the order written, each once; its editors where it has none.

    Reads "이지음 (지은이), 국민지 (그림)", "지은이: 가엘 파유 ;옮긴이: 김희진", "포 브론슨; 메리먼 지음; 이주혜 옮김" and
    "르네 고시니 글/장 자끄 상뻬 그림". A name without a role is a writer's. "작자 미상" and "외 22인" are nobody.
    """
    found: dict[Part, list[str]] = {"made": [], "edited": [], "helped": []}
    for part, name in _named(_spelled(text)):
        if name and name not in found[part]:
            found[part].append(name)
    return tuple(found["made"] or found["edited"])


def _spelled(text: str) -> str:
    """Roles in brackets as words, other brackets (a name in another script) gone."""
    names = plain(text).replace("[", "").replace("]", "")
    shown = _BRACKETED.sub(lambda match: f" {match[1]}" if match[1].strip() in _roles() else "", names)
    return _joined().sub(r"\1", shown)


def _named(text: str) -> Iterator[tuple[Part, str]]:
    roles = _roles()
    for segment in re.split(r"[;/]", text):
        told: Part | None = None
        waiting: list[str] = []
        head, colon, rest = segment.partition(":")
        while colon and head.strip().split(",")[-1].strip() in roles:
            yield from ((told or "made", _name(name)) for name in _pieces(head)[:-1])
            told = roles[head.strip().split(",")[-1].strip()]
            segment = rest
            # "지은이: 줄리언 반스, 옮긴이: 최세희": the next role may stand before the next colon
            head, colon, rest = segment.partition(":")
        for piece in _pieces(segment):
            words = piece.split()
            if words[-1] in roles:
                waiting.append(" ".join(words[:-1]))
                yield from ((roles[words[-1]], _name(name)) for name in waiting)
                waiting = []
            else:
                waiting.append(piece)
        yield from ((told or "made", _name(name)) for name in waiting)


def _pieces(segment: str) -> list[str]:
    return [piece.strip() for piece in re.split(r"[,:·ㆍ・]", segment) if piece.strip()]


def _name(piece: str) -> str:
    name = _OTHERS.sub("", piece.strip()).strip(" \"'“”‘’")
    return name if any(map(str.isalnum, name)) and name not in of("books")["nobody"] else ""


def looks_korean(name: str) -> bool:
    """Whether a name is written as Koreans' are: two to four syllables in one word after a Korean family name."""
    return bool(re.fullmatch(r"[가-힣]{2,4}", name)) and name[0] in of("books")["families"]
