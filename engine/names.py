"""The dictionary of names in a catalog: titles, aliases, creators, cast and ingredients, and where a text says one.

Built with each index and stored beside it. Looking up costs by the length of the text, not by the catalog.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rapidfuzz import fuzz, process

from data.item import Domain, Item
from engine.lexicon import read
from engine.text import normalize, squeeze

Kind = Literal["title", "creator", "person", "ingredient"]

MAX_NAME = 40
"""Longest name that is looked for, in squeezed characters."""
SPACED = 8
"""Letters from which a person's English name is found across a blank: shorter, "or well" would be Orwell."""
CLOSEST = 20
"""Close spellings that are looked through for a name of the kind asked for."""
CLOSE = 0.8
"""How alike a misspelt name must be (the share of letters in common, in order) to be taken for the known one."""

_PARTICLE = re.compile(
    r"(?:이랑|랑|하고|과|와|이나|나|은|는|이|가|을|를|의|도|만|에|로|으로|처럼|보다|같은|말고|빼고|대신|들어간|님|씨|"
    r"감독|작가|배우|주연|책|소설|에세이|시집|영화|작품|나오는|나온|출연|먹|추천|어때|있|없|봤|읽|보|관련|s\b|'s\b)"
)


@dataclass(frozen=True, slots=True)
class Name:
    """One spelling of a name; `value` is the catalog's own spelling, `items` the ids that bear it.

    `sure` is false for a spelling that is a part of the name and may be another word.
    """

    kind: Kind
    value: str
    domain: Domain
    items: tuple[str, ...]
    sure: bool = True


@dataclass(frozen=True, slots=True)
class NameMatch:
    """A name said at `text[start:end]`; `sure` is false where the words may mean something else."""

    name: Name
    start: int
    end: int
    sure: bool


class Gathering:
    """The names of a catalog as they are read off its items, some at a time."""

    def __init__(self) -> None:
        self._bearers: dict[tuple[str, Kind, str, Domain, bool], list[str]] = defaultdict(list)

    def add(self, items: Iterable[Item]) -> None:
        for item in items:
            for spelling, kind, value, sure in _spellings(item):
                key = squeeze(normalize(spelling))[0][:MAX_NAME]
                if key:
                    self._bearers[key, kind, value, item.domain, sure].append(item.id)

    def rows(self) -> Iterator[tuple[str, Name]]:
        """Each name by its squeezed spelling: what `Names` takes, and what is stored."""
        for (key, kind, value, domain, sure), ids in self._bearers.items():
            if sure or (key, kind, value, domain, True) not in self._bearers:
                yield key, Name(kind, value, domain, tuple(dict.fromkeys(ids)), sure)


class Names:
    """Every name of a catalog by its squeezed spelling."""

    def __init__(self, rows: Iterable[tuple[str, Name]] | Mapping[str, Sequence[Name]]) -> None:
        """`rows` are names each by its spelling, or all of a spelling by it."""
        self._by_key = rows if isinstance(rows, Mapping) else _grouped(rows)
        self._longest = min(MAX_NAME, max(map(len, self._by_key), default=0))

    @classmethod
    def of(cls, items: Iterable[Item]) -> Names:
        """The dictionary of these items."""
        gathered = Gathering()
        gathered.add(items)
        return cls(gathered.rows())

    def spelt(self, key: str) -> Sequence[Name]:
        """What bears a name spelt so, squeezed."""
        return self._by_key.get(key[:MAX_NAME], ())

    def find(self, text: str) -> list[NameMatch]:
        """The names said in `text`, longest first, not overlapping; several for one spelling."""
        squeezed, places = squeeze(text)
        found: list[NameMatch] = []
        taken: list[tuple[int, int]] = []
        for length in range(min(self._longest, len(squeezed)), 0, -1):
            for at in range(len(squeezed) - length + 1):
                names = list(self._by_key.get(squeezed[at : at + length], ()))
                if length < SPACED and " " in text[places[at] : places[at + length - 1]].strip():
                    names = [name for name in names if not squeezed[at].isascii() or name.kind == "title"]
                if not names or any(low < at + length and at < high for low, high in taken):
                    continue
                start, end = places[at], places[at + length - 1] + 1
                if not _stands_alone(text, start, end, length):
                    continue
                taken.append((at, at + length))
                found += [
                    NameMatch(name, start, end, sure=name.sure if name.kind != "title" else length >= 4)
                    for name in names
                ]
        return sorted(found, key=lambda match: match.start)

    def closest(self, text: str, kinds: Sequence[Kind] = ("title", "creator", "person")) -> Name | None:
        """The name that a misspelt text most likely means, if one is close enough."""
        squeezed, _ = squeeze(text)
        if len(squeezed) < 3:
            return None
        keys, apart = self._apart
        close = process.extract(
            _letters(squeezed), apart, scorer=fuzz.ratio, score_cutoff=CLOSE * 100, limit=CLOSEST
        )
        near = (
            name
            for _, _, place in close
            if abs(len(keys[place]) - len(squeezed)) <= 2
            for name in self._by_key[keys[place]]
            if name.kind in kinds
        )
        return next(near, None)

    @cached_property
    def _apart(self) -> tuple[list[str], list[str]]:
        """The names of more than two characters, and their letters in the same order."""
        keys = [key for key in self._by_key if len(key) > 2]
        return keys, [_letters(key) for key in keys]


def _grouped(rows: Iterable[tuple[str, Name]]) -> dict[str, list[Name]]:
    grouped: dict[str, list[Name]] = defaultdict(list)
    for key, name in rows:
        grouped[key].append(name)
    return grouped


def _spellings(item: Item) -> Iterator[tuple[str, Kind, str, bool]]:
    for spelling in (item.title, *([item.title_en] if item.title_en else []), *item.aliases):
        yield spelling, "title", item.title, True
    for creator in item.creators:
        yield from ((spelling, "creator", creator, sure) for spelling, sure in _called(creator))
    for person in item.people:
        yield from ((spelling, "person", person, sure) for spelling, sure in _called(person))
    for ingredient in item.ingredients:
        yield ingredient, "ingredient", ingredient, True


def _called(name: str) -> Iterator[tuple[str, bool]]:
    """How a person is called, and whether that is surely this person.

    By the whole name, unless that is a word of two syllables; by what people type for it (`data/lexicon/people.toml`);
    a foreigner by the last part of the name (놀란), which may be another word.
    """
    yield name, len(name) > 2
    yield from ((spelling, True) for spelling in read("people")["people"].get(name, ()))
    last = name.split()[-1]
    if last != name and len(last) >= 2:
        yield last, False


def _letters(key: str) -> str:
    """Syllables taken apart: 봉준후 and 봉준호 differ in one letter of eight, not in one of three."""
    return unicodedata.normalize("NFD", key)


def _stands_alone(text: str, start: int, end: int, length: int) -> bool:
    """Whether the span is a word of its own: short names are easily part of another word."""
    before, after = text[start - 1 : start], text[end:]
    said = text[start:end]
    if before.isalnum() and (length < 5 or said.isascii()):
        return False
    if not after or not after[0].isalnum():
        return length > 1 or not after or after[0] in "’'\"”>』」》," or bool(_PARTICLE.match(after.lstrip()))
    if text[end - 1].isascii():
        return False
    return length >= 4 or (length > 1 and bool(_PARTICLE.match(after)))
