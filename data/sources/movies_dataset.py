"""The Movies Dataset of Kaggle: films of TMDB, with cast and crew, and keywords, where those files lie beside.

Knows nothing of ratings: they are MovieLens', and `movielens` reads them.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from data.item import BadRow, Item
from data.sources import films, prose
from data.sources.files import EXCERPT, checked, table

METADATA: Final = "movies_metadata.csv"
CREDITS: Final = "credits.csv"
KEYWORDS: Final = "keywords.csv"
SOURCE: Final = "TMDB (The Movies Dataset)"
LONGEST: Final = 1 << 19
"""Characters of a Python literal at most; the longest crew of the full file has some 130,000."""
_NEEDED: Final = (
    "adult", "genres", "id", "imdb_id", "original_language", "original_title", "overview", "poster_path",
    "production_countries", "release_date", "runtime", "title",
)  # fmt: skip
_MISSING: Final = frozenset({"", "nan", "NaN", "None", "NULL"})
_NO_OVERVIEW: Final = frozenset({"no overview found.", "no overview", "no movie overview available.", "n/a"})
_NUMBER: Final = re.compile(r"([0-9]{1,9})(?:\.0+)?")
_DATE: Final = re.compile(r"([0-9]{4})-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}/[0-9]{1,2}/([0-9]{4})")
_KEYWORDS_NAMED: Final = 10
_KEYWORDS_LONG: Final = 200

Credits = tuple[tuple[str, ...], tuple[str, ...]]
"""Directors, and the first of the cast."""


def read(folder: Path) -> Iterator[Item | BadRow]:
    """The films of `movies_metadata.csv` in order, and every row of the three files that could not be used.

    Only names are held in memory of credits and keywords. A second row of an id is told, the first one stays.

    Raises:
        SourceError: as the iteration begins, when `folder` is none or a file in it is no data file.
    """
    paths = {name: films.folder(folder) / name for name in (METADATA, CREDITS, KEYWORDS)}
    checked(paths[METADATA])
    for name in (CREDITS, KEYWORDS):
        if paths[name].exists():
            checked(paths[name])
    credits: dict[int, tuple[int, Credits]] = {}
    keywords: dict[int, tuple[int, tuple[str, ...]]] = {}
    if paths[CREDITS].exists():
        yield from _credits(paths[CREDITS], credits)
    if paths[KEYWORDS].exists():
        yield from _keywords(paths[KEYWORDS], keywords)
    lines: dict[int, int] = {}
    for row in table(paths[METADATA], _NEEDED):
        if isinstance(row, BadRow):
            yield row
            continue
        line, fields = row
        if (number := _number(fields["id"])) is None:
            yield _bad(METADATA, line, f"id {fields['id'][:40]!r} is no number; is the row shifted?", fields)
        elif number in lines:
            yield _bad(METADATA, line, f"film {number} stands on line {lines[number]} already", fields)
        else:
            _, names = credits.get(number, (0, ((), ())))
            _, words = keywords.get(number, (0, ()))
            film = _film(line, number, fields, names, words)
            if isinstance(film, Item):
                lines[number] = line
            yield film
    for name, others in ((CREDITS, credits), (KEYWORDS, keywords)):
        for number, (line, _) in others.items():
            if number not in lines:
                yield BadRow(name, line, f"no film {number} could be read from {METADATA}", str(number))


def literal(text: str) -> Any:
    """The value of a Python literal, None where there is none. Nothing is ever run.

    Raises:
        ValueError: it is none, or longer than `LONGEST`.
    """
    if text.strip() in _MISSING:
        return None
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} characters where {LONGEST} are the most")
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError("no Python literal") from None


def _records(field: str, text: str) -> list[dict[str, Any]]:
    """The dicts of a list literal. Raises ValueError, which names the field."""
    try:
        value = literal(text)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ValueError(f"{field}: no list of records")
    return value


def _names(records: list[dict[str, Any]]) -> tuple[str, ...]:
    named = (record.get("name") for record in records)
    return films.distinct(name[:EXCERPT] for name in named if isinstance(name, str))


def _credits(path: Path, into: dict[int, tuple[int, Credits]]) -> Iterator[BadRow]:
    for line, number, fields in _extras(path, ("cast", "crew", "id"), into):
        if isinstance(number, BadRow):
            yield number
            continue
        try:
            cast, crew = _records("cast", fields["cast"]), _records("crew", fields["crew"])
        except ValueError as error:
            yield _bad(path.name, line, str(error), fields)
            continue
        directors = _names([one for one in crew if one.get("job") == "Director"])
        actors = _names(sorted(cast, key=_billing))[: films.PEOPLE]
        into[number] = (line, (_held(directors), _held(actors)))


def _keywords(path: Path, into: dict[int, tuple[int, tuple[str, ...]]]) -> Iterator[BadRow]:
    for line, number, fields in _extras(path, ("id", "keywords"), into):
        if isinstance(number, BadRow):
            yield number
            continue
        try:
            into[number] = (line, _held(_names(_records("keywords", fields["keywords"]))))
        except ValueError as error:
            yield _bad(path.name, line, str(error), fields)


def _extras(
    path: Path, needed: tuple[str, ...], taken: dict[int, Any]
) -> Iterator[tuple[int, int | BadRow, dict[str, str]]]:
    """The rows of a file beside the metadata: line, film, fields; in place of the film what is wrong with the row."""
    for row in table(path, needed):
        if isinstance(row, BadRow):
            yield row.line, row, {}
            continue
        line, fields = row
        number = _number(fields["id"])
        if number is None:
            yield line, _bad(path.name, line, f"id {fields['id'][:40]!r} is no number", fields), fields
        elif number in taken:
            why = f"film {number} stands on line {taken[number][0]} already"
            yield line, _bad(path.name, line, why, fields), fields
        else:
            yield line, number, fields


def _film(
    line: int, number: int, fields: dict[str, str], names: Credits, words: tuple[str, ...]
) -> Item | BadRow:
    title, original = _text(fields["title"]), _text(fields["original_title"])
    if title is None:
        return _bad(METADATA, line, "it has no title", fields)
    try:
        kinds = _names(_records("genres", fields["genres"]))
        countries = _records("production_countries", fields["production_countries"])
    except ValueError as error:
        return _bad(METADATA, line, str(error), fields)
    korean = fields["original_language"] == "ko" and original is not None
    shown, english = (original, title) if korean and original != title else (title, None)
    directors, actors = names
    ids = {"tmdb": str(number)}
    if imdb := re.fullmatch(r"tt([0-9]+)", fields["imdb_id"].strip()):
        ids["imdb"] = imdb[1]
    poster = _text(fields["poster_path"])
    minutes = _number(fields["runtime"])
    code = countries[0].get("iso_3166_1") if countries else None
    return films.item(
        METADATA, line, ",".join(fields.values()),
        id=f"movie:tmdb-{number}",
        title=shown,
        title_en=english,
        aliases=films.distinct([original or ""], but=(shown, english)),
        creators=directors,
        people=actors,
        year=_year(fields["release_date"]),
        country=code if isinstance(code, str) and re.fullmatch("[A-Z]{2}", code) else None,
        genres=films.merged(films.genres("tmdb", kinds), films.genres("tmdb_keywords", words)),
        age=19 if fields["adult"].strip().lower() == "true" else None,
        length=minutes if minutes and minutes <= 20_000 else None,
        summary_en=description(fields["overview"], words),
        external_ids=ids,
        cover=f"https://image.tmdb.org/t/p/w500{poster}" if poster and poster.startswith("/") else None,
        source=SOURCE,
        url=f"https://www.themoviedb.org/movie/{number}",
    )  # fmt: skip


def description(overview: str, words: tuple[str, ...]) -> str | None:
    """What happens, in whole sentences, and what it is about, in the room of one summary."""
    said = "" if overview.strip().lower() in _NO_OVERVIEW else _text(overview) or ""
    named: list[str] = []
    for word in words[:_KEYWORDS_NAMED]:
        if len(", ".join((*named, word))) <= _KEYWORDS_LONG:
            named.append(word)
    about = f"Keywords: {', '.join(named)}." if named else ""
    told = prose.summary(said, prose.SUMMARY - (len(about) + 1 if about else 0))
    return " ".join(filter(None, (told, about))) or None


def _held(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, each kept once in memory however many films share it."""
    return tuple(map(sys.intern, names))


def _billing(actor: dict[str, Any]) -> int:
    order = actor.get("order")
    return order if isinstance(order, int) else sys.maxsize


def _text(value: str) -> str | None:
    return None if value.strip() in _MISSING else value.strip()


def _number(value: str) -> int | None:
    found = _NUMBER.fullmatch(value.strip())
    return int(found[1]) if found else None


def _year(value: str) -> int | None:
    """The year of 1995-10-30, or of 10/30/1995, as which Excel saves it."""
    found = _DATE.fullmatch(value.strip())
    year = int(found[1] or found[2]) if found else 0
    return year if 1870 <= year <= 2100 else None


def _bad(file: str, line: int, why: str, fields: dict[str, str]) -> BadRow:
    return BadRow(file, line, why, ",".join(fields.values())[:EXCERPT])
