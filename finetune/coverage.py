"""How evenly the catalog answers: its items counted in every cell that people ask for.

A table crosses two or more axes (genre × country group, spice × soup × temperature × meal); which tables there
are, and which of their cells nobody asks for, stands in `data/lexicon/coverage.toml`. Knows nothing of the
engine: an item is in a cell because its fields say so.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, get_args

from data.item import (  # fmt: skip
    GENRES,
    Age,
    Allergen,
    Body,
    Cuisine,
    Diet,
    Domain,
    Effect,
    Immersion,
    Item,
    Meal,
    Mood,
    Served,
    Situation,
)
from engine.lexicon import read

THIN: Final = 2
"""A cell with this many items or fewer, and one at least, is thin: a second refusal empties it."""

Cell = tuple[str, ...]
"""One value for each axis of a table."""

ERAS: Final = (
    ("before 1950", 1949), ("1950-79", 1979), ("1980s", 1989), ("1990s", 1999), ("2000s", 2009),
    ("2010s", 2019), ("2020s", 9999),
)  # fmt: skip


class CoverageError(ValueError):
    """A table of `coverage.toml` that names an axis or a value which does not exist."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A way to sort items: every value there is, and those that an item has (none where it is unknown)."""

    values: tuple[str, ...]
    of: Callable[[Item], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """Axes crossed for one domain, and patterns of the cells that nobody asks for."""

    domain: Domain
    axes: tuple[str, ...]
    not_asked: tuple[tuple[frozenset[str], ...], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.domain} {' × '.join(self.axes)}"

    def asks(self, cell: Cell) -> bool:
        """Whether someone may ask for the cell."""
        return not any(
            all(value in pattern for value, pattern in zip(cell, patterns, strict=True))
            for patterns in self.not_asked
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """A table counted: items in each cell that people ask for."""

    table: Table
    counts: Mapping[Cell, int]

    @property
    def empty(self) -> tuple[Cell, ...]:
        return tuple(cell for cell, count in self.counts.items() if count == 0)

    @property
    def thin(self) -> tuple[Cell, ...]:
        return tuple(cell for cell, count in self.counts.items() if 0 < count <= THIN)

    def lines(self) -> Iterator[str]:
        """What is printed: one line of counts, then the empty cells, then the thin ones."""
        yield f"{self.table.name}: {len(self.counts)} cells, {len(self.empty)} empty, {len(self.thin)} thin"
        if self.empty:
            yield f"  empty: {', '.join(map(' / '.join, self.empty))}"
        if self.thin:
            told = (f"{' / '.join(cell)} ({self.counts[cell]})" for cell in self.thin)
            yield f"  thin: {', '.join(told)}"

    def to_dict(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "domain": self.table.domain.value,
            "axes": list(self.table.axes),
            "cells": len(self.counts),
            "empty": [list(cell) for cell in self.empty],
            "thin": [[*cell, self.counts[cell]] for cell in self.thin],
        }


def tables(said: Mapping[str, Any] | None = None) -> Iterator[Table]:
    """The tables of `coverage.toml`, or of something of its form.

    Raises CoverageError when an axis or a value of a pattern does not exist.
    """
    for entry in (read("coverage") if said is None else said)["table"]:
        for domain in map(Domain, entry["domains"]):
            names = tuple(entry["axes"])
            if unknown := set(names) - set(_axes(domain)):
                raise CoverageError(f"{domain} has no axis {', '.join(sorted(unknown))}")
            axes = tuple(_axes(domain)[name] for name in names)
            patterns = entry.get("not_asked", {}).get(domain.value, ())
            yield Table(domain, names, tuple(_pattern(text, axes) for text in patterns))


def cover(items: Iterable[Item], table: Table) -> Coverage:
    """Counts the items of the table's domain; an item stands in every cell that its values span."""
    axes = [_axes(table.domain)[name] for name in table.axes]
    held = Counter(
        cell
        for item in items
        if item.domain is table.domain
        for cell in set(itertools.product(*(axis.of(item) for axis in axes)))
    )
    asked = filter(table.asks, itertools.product(*(axis.values for axis in axes)))
    return Coverage(table, MappingProxyType({cell: held[cell] for cell in asked}))


def _pattern(text: str, axes: tuple[Axis, ...]) -> tuple[frozenset[str], ...]:
    parts = [part.strip() for part in text.split("/")]
    if len(parts) != len(axes):
        raise CoverageError(f"{text!r} has {len(parts)} parts for {len(axes)} axes")
    sets = []
    for part, axis in zip(parts, axes, strict=True):
        named = frozenset(axis.values if part == "*" else (value.strip() for value in part.split(",")))
        if unknown := named - set(axis.values):
            raise CoverageError(f"{text!r}: no such value {', '.join(sorted(unknown))}")
        sets.append(named)
    return tuple(sets)


def _axes(domain: Domain) -> dict[str, Axis]:
    return DISHES if domain is Domain.FOOD else WORKS[domain]


def _regions() -> dict[str, str]:
    return {
        country: region for region, countries in read("coverage")["regions"].items() for country in countries
    }


_REGIONS: Final = _regions()
_ELSEWHERE: Final = "elsewhere"


def _region(item: Item) -> tuple[str, ...]:
    return (_REGIONS.get(item.country, _ELSEWHERE),) if item.country else ()


def _era(item: Item) -> tuple[str, ...]:
    return () if item.year is None else (next(name for name, last in ERAS if item.year <= last),)


def _viewer(item: Item) -> tuple[str, ...]:
    """Under 19: everyone as old as that may have it. At 19: what is for adults only."""
    if item.age is None:
        return ()
    return ("19",) if item.age == 19 else tuple(str(age) for age in (0, 7, 12, 15) if item.age <= age)


def _within(field: str, limits: tuple[int, ...]) -> Axis:
    """Values "≤300": a dish within a limit is within every wider one."""

    def of(item: Item) -> tuple[str, ...]:
        value: int | None = getattr(item, field)
        return () if value is None else tuple(f"≤{limit}" for limit in limits if value <= limit)

    return Axis(tuple(f"≤{limit}" for limit in limits), of)


def _level(field: str, levels: Iterable[int]) -> Axis:
    def of(item: Item) -> tuple[str, ...]:
        value: int | None = getattr(item, field)
        return () if value is None else (str(value),)

    return Axis(tuple(map(str, levels)), of)


def _labels(field: str, vocabulary: Any) -> Axis:
    """A field that holds one word of a closed vocabulary, or several."""

    def of(item: Item) -> tuple[str, ...]:
        value: str | tuple[str, ...] | None = getattr(item, field)
        return () if value is None else (value,) if isinstance(value, str) else value

    return Axis(tuple(get_args(vocabulary)), of)


def _soup(item: Item) -> tuple[str, ...]:
    return () if item.soupy is None else ("soup" if item.soupy else "no soup",)


def _free(item: Item) -> tuple[str, ...]:
    """Allergens that a dish is free of; one whose allergens are unknown is free of none."""
    if item.allergens is None:
        return ()
    return tuple(allergen for allergen in get_args(Allergen) if allergen not in item.allergens)


WORKS: Final = {
    domain: {
        "genre": Axis(GENRES[domain], lambda item: item.genres),
        "region": Axis((*read("coverage")["regions"], _ELSEWHERE), _region),
        "era": Axis(tuple(name for name, _ in ERAS), _era),
        "effect": _labels("effects", Effect),
        "mood": _labels("moods", Mood),
        "situation": _labels("situations", Situation),
        "immersion": _labels("immersion", Immersion),
        "age": Axis(tuple(map(str, get_args(Age))), _viewer),
    }
    for domain in (Domain.BOOK, Domain.MOVIE)
}
DISHES: Final = {
    "cuisine": _labels("cuisine", Cuisine),
    "effect": _labels("effects", Effect),
    "mood": _labels("moods", Mood),
    "situation": _labels("situations", Situation),
    "spicy": _level("spicy", range(4)),
    "soup": Axis(("soup", "no soup"), _soup),
    "served": _labels("served", Served),
    "diet": _labels("diet", Diet),
    "meal": _labels("meals", Meal),
    "body": _labels("body", Body),
    "kcal": _within("kcal", (300, 500)),
    "minutes": _within("length", (15, 30)),
    "price": _level("price", (1, 2, 3)),
    "free of": Axis(tuple(get_args(Allergen)), _free),
}
