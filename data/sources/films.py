"""What readers of movie data share: their names for things in ours, and items or told rows.

Knows no data set.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from data.item import MOVIE_GENRES, BadRow, Domain, Item
from data.sources.files import EXCERPT, SourceError
from data.sources.rows import reason

PEOPLE: Final = 5
"""Actors that an item names."""


@cache
def lexicon() -> Mapping[str, Any]:
    """The tables of `data/lexicon/sources_movies.toml`."""
    return tomllib.loads((files("data") / "lexicon" / "sources_movies.toml").read_text(encoding="utf-8"))


def genres(table: str, names: Iterable[str]) -> tuple[str, ...]:
    """Our genres of a source's names for them, each once, in the order of our vocabulary; others are left out."""
    ours = {genre for name in names for genre in lexicon()["genres"][table].get(name, ())}
    return tuple(genre for genre in MOVIE_GENRES if genre in ours)


def merged(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """The genres of both, each once."""
    return first + tuple(genre for genre in second if genre not in first)


def age(rating: str) -> int | None:
    """The strictest of the Korean ratings of a film that was rated more than once, between bars; None where none is
    known."""
    known: dict[str, int] = lexicon()["ages"]
    ages = [
        next((age for words, age in known.items() if one.strip().startswith(words)), None)
        for one in rating.split("|")
    ]
    return max((age for age in ages if age is not None), default=None)


def distinct(names: Iterable[str], *, but: Iterable[str | None] = ()) -> tuple[str, ...]:
    """The names that are not blank, each once, without those of `but`; capitals and blanks make no difference."""
    seen = {_bare(name) for name in but if name} | {""}
    kept = []
    for name in (" ".join(name.split()) for name in names):
        if _bare(name) not in seen:
            seen.add(_bare(name))
            kept.append(name)
    return tuple(kept)


def item(file: str, line: int, row: str, **fields: Any) -> Item | BadRow:
    """The movie of these fields, or what is wrong with the row that they came from."""
    try:
        return Item(domain=Domain.MOVIE, **fields)
    except ValidationError as error:
        return BadRow(file, line, reason(error), row[:EXCERPT])


def folder(path: Path) -> Path:
    """The path of a folder. Raises SourceError where there is none, or a file."""
    if path.is_file():
        raise SourceError(f"{path} is a file; name the folder that it lies in.")
    if not path.is_dir():
        raise SourceError(f"There is no folder {path}; check the path.")
    return path


def _bare(name: str) -> str:
    return "".join(name.split()).casefold()
