"""Which items are the same work, told by several sources, and the one item that they become.

Items are the same when they share a number (ISBN, IMDb, TMDb …), or are called the same and nothing speaks against
it: a book by the same author, a movie of the same year or the year beside it, a dish. Never across domains; volumes
of a series have other titles, remakes other years. Knows neither sources nor storage.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from data.item import Domain, Item

_NUMBERS: Final = ("isbn13", "imdb", "tmdb", "kmdb", "movielens", "movielens-100k", "mfds")
"""Whose numbers are of one work: sharing one is being the same."""
_OF_EDITIONS: Final = ("isbn13", "mfds")
"""Of which one work has several: having others is no sign of being another."""
_BRACKET: Final = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]")
_VOLUME: Final = re.compile(
    r"^(?!(?:19|20)\d\d$).*\d|^(?:상|중|하|전|후|완|외|[ivx]+)$|만화|권|부$|편$|vol|part", re.I
)
"""What a bracket holds when it tells a volume, a collection or a comic, so that it stays; a year tells none."""
_YEARS: Final = 1
_RECIPE: Final = ("ingredients", "allergens", "diet")
"""Facts of one recipe: they come from one source or not at all."""
_OWN: Final = frozenset({"id", "domain", "title", "aliases", "external_ids", "source", *_RECIPE})
"""What is not filled field by field."""


@dataclass(slots=True)
class Entry:
    """What of an item is compared: small, for all are held at once."""

    id: str
    domain: str
    place: tuple[int, int, str]
    """Who is taken before whom, the least first."""
    numbers: frozenset[str]
    titles: frozenset[str]
    makers: tuple[str, ...]
    year: int | None


def entry(item: Item, shipped: bool) -> Entry:
    """What is compared of an item; the shipped catalog's stand before others, then those that tell more."""
    filled = sum(value not in (None, (), {}) for _, value in item)
    # Dishes have brackets that tell them apart, 우동(일식) and 우동(중식), and aliases that many share.
    if item.domain is Domain.FOOD:
        titles = {_plain(item.title)}
    else:
        titles = {_title(name) for name in (item.title, item.title_en or "", *item.aliases)}
    return Entry(
        item.id,
        str(item.domain),
        (0 if shipped else 1, -filled, item.id),
        frozenset(_numbers(item)),
        frozenset(titles - {""}),
        tuple(filter(None, map(_plain, item.creators))),
        item.year,
    )


def joined(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """Ids of what is the same: the item that stays, with those that become part of it, best first.

    What is alone is left out. The same entries give the same answer in whatever order they come.
    """
    works: list[_Work] = []
    by_number: dict[tuple[str, str], _Work] = {}
    for each in sorted(entries, key=lambda entry: entry.place):
        found = {by_number.get((each.domain, number)): None for number in sorted(each.numbers)}
        same = [work.now() for work in found if work is not None]
        same = [work for work in same if not work.is_volume(each)]
        if not same:
            works.append(_Work([each]))
            # A number of a whole series stays with the volume that came first.
            for number in each.numbers:
                by_number.setdefault((each.domain, number), works[-1])
            continue
        for other in same[1:]:
            same[0].absorb(other.now())
        same[0].now().members.append(each)
        by_number |= {(each.domain, number): same[0] for number in each.numbers}
    _join_by_title([work for work in works if work.into is None])
    groups = {}
    for work in works:
        if work.into is None and len(work.members) > 1:
            first, *rest = sorted(work.members, key=lambda entry: entry.place)
            groups[first.id] = [each.id for each in rest]
    return groups


def _join_by_title(works: Sequence[_Work]) -> None:
    """Absorb works that are called the same into the first of them."""
    called: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, work in enumerate(works):
        for title in work.titles():
            called[work.domain, title].append(place)
    alike = [
        sorted({other for title in work.titles() for other in called[work.domain, title]} - {place})
        for place, work in enumerate(works)
    ]
    likes = [
        [works[other] for other in others if work.is_like(works[other])]
        for work, others in zip(works, alike, strict=True)
    ]
    # What could be either of two works that are not the same is neither for sure.
    unsure = {
        id(work)
        for work, others in zip(works, likes, strict=True)
        if any(one.contradicts(other) for one, other in combinations(others, 2))
    }
    for work, others in zip(works, likes, strict=True):
        for other in others:
            one, two = work.now(), other.now()
            if one is not two and not {id(work), id(other)} & unsure and not one.contradicts(two):
                one.absorb(two)


def merged(items: Sequence[Item]) -> Item:
    """The first item with what it does not tell from the others, in their order, and every source's numbers."""
    first, *others = items
    told: dict[str, Any] = {}
    for name in Item.model_fields:
        if name not in _OWN and _is_empty(getattr(first, name)):
            told[name] = next(
                (value for other in others if not _is_empty(value := getattr(other, name))), None
            )
    if first.domain is Domain.FOOD and not first.ingredients and first.allergens is None:
        recipe = next((other for other in others if other.ingredients), None)
        if recipe is not None:
            told |= {name: getattr(recipe, name) for name in _RECIPE if _is_empty(getattr(first, name))}
    seen = {_plain(name) for name in (first.title, first.title_en or "", *first.aliases)}
    aliases = list(first.aliases)
    for other in others:
        for name in (other.title, other.title_en or "", *other.aliases):
            if (plain := _plain(name)) and plain not in seen:
                seen.add(plain)
                aliases.append(name)
    numbers: dict[str, list[str]] = {}
    for item in items:
        for source, value in item.external_ids.items():
            known = numbers.setdefault(source, [])
            bare = {_number(source, each) for each in known}
            known += [each for each in value.split(",") if _number(source, each) not in bare]
    told |= {"aliases": aliases, "external_ids": {source: ",".join(each) for source, each in numbers.items()}}
    return Item.model_validate(first.model_dump() | {k: v for k, v in told.items() if v is not None})


@dataclass(slots=True, eq=False)
class _Work:
    """Items that are the same so far; `into` is the work that took them over."""

    members: list[Entry]
    into: _Work | None = None

    @property
    def domain(self) -> str:
        return self.members[0].domain

    def now(self) -> _Work:
        """The work that this one has become."""
        work = self
        while work.into is not None:
            work = work.into
        return work

    def titles(self) -> list[str]:
        return sorted({title for each in self.members for title in each.titles})

    def absorb(self, other: _Work) -> None:
        if other is not self:
            self.members += other.members
            other.into = self

    def is_volume(self, each: Entry) -> bool:
        """Whether the number of a whole series is all that they share."""
        return any(_volumes(each, mine) for mine in self.members)

    def contradicts(self, other: _Work) -> bool:
        return any(_contradict(mine, its) for mine in self.members for its in other.members)

    def is_like(self, other: _Work) -> bool:
        """Whether works that are called the same are the same."""
        return not self.contradicts(other) and any(
            mine.titles & its.titles and _agree(mine, its) for mine in self.members for its in other.members
        )


def _contradict(one: Entry, other: Entry) -> bool:
    """Whether two items cannot be the same work."""
    if one.domain == Domain.FOOD:
        return False
    for source in _NUMBERS:
        if source not in _OF_EDITIONS:
            mine, its = (
                {number for number in each.numbers if number.startswith(f"{source}:")}
                for each in (one, other)
            )
            if mine and its and not mine & its:
                return True
    if one.domain == Domain.MOVIE and _years_apart(one, other):
        return True
    if one.domain == Domain.BOOK:
        return bool(one.makers and other.makers) and one.makers[0] != other.makers[0]
    alike = {_is_korean(name) for name in one.makers} & {_is_korean(name) for name in other.makers}
    return bool(alike) and not set(one.makers) & set(other.makers)


def _agree(one: Entry, other: Entry) -> bool:
    """Whether more than the title speaks for two items that share one."""
    if one.domain == Domain.FOOD:
        return True
    if one.domain == Domain.BOOK:
        return bool(one.makers and other.makers) and one.makers[0] == other.makers[0]
    if one.year is not None and other.year is not None:
        return True  # they are not apart, or they would contradict
    return bool(set(one.makers) & set(other.makers))


def _years_apart(one: Entry, other: Entry) -> bool:
    return one.domain == Domain.MOVIE and (
        one.year is not None and other.year is not None and abs(one.year - other.year) > _YEARS
    )


def _volumes(one: Entry, other: Entry) -> bool:
    """Whether two books under one number are volumes of a series: titles that differ in their digits only."""
    if one.domain != Domain.BOOK or one.titles & other.titles:
        return False
    bare = [{re.sub(r"\d+", "", title) for title in each.titles} for each in (one, other)]
    return bool(bare[0] & bare[1])


def _numbers(item: Item) -> Iterator[str]:
    for source in _NUMBERS:
        for value in item.external_ids.get(source, "").split(","):
            if bare := _number(source, value):
                yield f"{source}:{bare}"


def _number(source: str, value: str) -> str:
    """A number without what sources write differently: tt0114709 and 0114709."""
    bare = value.strip().casefold()
    return (bare.removeprefix("tt").lstrip("0") or "") if source == "imdb" else bare


def _title(name: str) -> str:
    """A title without blanks, capitals, punctuation and subtitles in brackets."""
    bare = _BRACKET.sub(lambda match: match[0] if _VOLUME.search(match[1].strip()) else "", name)
    return _plain(bare) or _plain(name)


def _plain(name: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", name).casefold() if char.isalnum())


def _is_korean(name: str) -> bool:
    return bool(re.search("[가-힣]", name))


def _is_empty(value: object) -> bool:
    return value is None or value in ((), {}, "")
