"""MovieLens of GroupLens, 100K and the newer ones of the form of latest-small: stubs of films, and who rated what.

Films of 100K have numbers of their own, so they have ids of their own: its film 2 is GoldenEye, that of the newer
sets is Jumanji. Knows no plots and no people; who is behind a user (`u.user`) is not read, only that there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from data.item import BadRow, Interaction, Item
from data.sources import films
from data.sources.files import EXCERPT, SourceError, checked, table, text

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_DIGITS: Final = re.compile(r"[0-9]{1,12}")
_TIME: Final = re.compile(r"[0-9]{1,11}")
_STARS: Final = re.compile(r"[1-5]")
_HALF_STARS: Final = re.compile(r"0\.5|[1-4](?:\.[05])?|5(?:\.0)?")
_YEAR: Final = re.compile(
    r"\s*\(\s*([12][0-9]{3})(?:\s*[-–]\s*(?:[12][0-9]{3})?)?\s*\)\s*(?:\((?:V|TV|VG|mini)\))?\s*$"
)
_LAST: Final = re.compile(r"\s*\(((?:[^()]|\([^()]*\))*)\)$")
_KNOWN_AS: Final = re.compile(r"^a\.?k\.?a\.?:?\s+", re.IGNORECASE)
_FIELDS_OF_A_FILM: Final = 24
_FLAGS_FROM: Final = 5


class Title(NamedTuple):
    """What a MovieLens title holds: the name as people say it, its other names, the year."""

    name: str
    aliases: tuple[str, ...]
    year: int | None


def read(folder: Path) -> Iterator[Item | Interaction | BadRow]:
    """The films of the set in `folder`, then its ratings and tags, and every row that is none of these.

    Users are `ml-100k:196` and `ml-latest:1`. A rating of a film or by a user that the set does not have is told.

    Raises:
        SourceError: as the iteration begins, when `folder` is none, holds neither set, or a file is no data file.
    """
    films.folder(folder)
    if any((folder / name).exists() for name in ("u.data", "u.item")):
        yield from _read_100k(folder)
    elif (folder / "movies.csv").exists():
        yield from _read_latest(folder)
    else:
        raise SourceError(f"{folder} is no MovieLens set: it has neither u.data and u.item nor movies.csv.")


def titled(text: str) -> Title:
    """The parts of a title: of "Postman, The (Postino, Il) (1994)" The Postman, Il Postino and 1994. A text that is
    nothing but a year or brackets stays as it is."""
    text = " ".join(text.split())
    year = None
    if (found := _YEAR.search(text)) and found.start() > 0:
        year, text = int(found[1]), text[: found.start()]
    aliases: list[str] = []
    while (found := _LAST.search(text)) and _whole(text[: found.start()]):
        aliases.insert(0, _turned(_KNOWN_AS.sub("", found[1].strip())))
        text = text[: found.start()]
    name = _turned(text)
    return Title(name, films.distinct(aliases, but=(name,)), year)


def _whole(name: str) -> bool:
    """Whether a name can end here: "Birdman: Or (The Unexpected Virtue of Ignorance)" goes on."""
    return bool(name) and not re.search(r"[:,]$|\bor$", name, re.IGNORECASE)


def _turned(name: str) -> str:
    """The name with the article in front that stands behind it, or behind what comes before its first colon."""
    for part in (name, name.partition(":")[0]):
        head, comma, article = part.rpartition(", ")
        if comma and head.strip() and article in films.lexicon()["articles"]:
            return article + (head if article.endswith(("'", "’")) else f" {head}") + name[len(part) :]
    return name


def _read_100k(folder: Path) -> Iterator[Item | Interaction | BadRow]:
    data, items = checked(folder / "u.data"), checked(folder / "u.item")
    users = checked(folder / "u.user") if (folder / "u.user").exists() else None
    known, people = set[str](), set[str]()
    for made in _films_100k(items):
        if isinstance(made, Item):
            known.add(made.external_ids["movielens-100k"])
        yield made
    for line, row in _lines(users) if users else ():
        if (fields := row.split("|"))[0] in people or not _NUMBER.fullmatch(fields[0]) or len(fields) != 5:
            yield BadRow("u.user", line, "no new user with age, gender, occupation and zip", row[:EXCERPT])
        else:
            people.add(fields[0])
    for line, row in _lines(data):
        fields = row.split("\t")
        why = (
            f"{len(fields)} fields between tabs where 4 belong" if len(fields) != 4
            else f"there is no user {fields[0][:20]!r}"
            if not (fields[0] in people if users else _NUMBER.fullmatch(fields[0]))
            else f"there is no film {fields[1][:20]!r}" if fields[1] not in known
            else f"{fields[2][:20]!r} is no rating from 1 to 5" if not _STARS.fullmatch(fields[2])
            else "" if _TIME.fullmatch(fields[3]) else f"{fields[3][:20]!r} is no time"
        )  # fmt: skip
        if why:
            yield BadRow(data.name, line, why, row[:EXCERPT])
        else:
            user, film, rating, at = fields
            yield Interaction(
                user=f"ml-100k:{user}",
                item_id=f"movie:movielens-100k-{film}",
                rating=float(rating),
                at=int(at),
            )


def _films_100k(path: Path) -> Iterator[Item | BadRow]:
    kinds: list[str] = films.lexicon()["ml_100k"]
    seen: dict[str, int] = {}
    for line, row in _lines(path, "utf-8-sig", "iso-8859-1"):
        fields = row.split("|")
        flags = fields[_FLAGS_FROM:]
        why = (
            f"{len(fields)} fields where {_FIELDS_OF_A_FILM} belong" if len(fields) != _FIELDS_OF_A_FILM
            else f"{fields[0][:20]!r} is no number" if not _NUMBER.fullmatch(fields[0])
            else f"film {fields[0]} stands on line {seen[fields[0]]} already" if fields[0] in seen
            else "its title is not known" if fields[1].strip() in ("", "unknown")
            else "" if set(flags) <= {"0", "1"} else "a genre flag is neither 0 nor 1"
        )  # fmt: skip
        if why:
            yield BadRow(path.name, line, why, row[:EXCERPT])
            continue
        seen[fields[0]] = line
        title = titled(fields[1])
        released = re.fullmatch(r"[0-9]{1,2}-[A-Z][a-z]{2}-([12][0-9]{3})", fields[2].strip())
        yield films.item(
            path.name, line, row,
            id=f"movie:movielens-100k-{fields[0]}",
            title=title.name,
            aliases=title.aliases,
            year=title.year or (int(released[1]) if released else None),
            genres=films.genres("movielens", (kind for kind, flag in zip(kinds, flags, strict=True) if flag == "1")),
            external_ids={"movielens-100k": fields[0]},
            source="MovieLens 100K",
        )  # fmt: skip


def _read_latest(folder: Path) -> Iterator[Item | Interaction | BadRow]:
    movies, ratings = checked(folder / "movies.csv"), checked(folder / "ratings.csv")
    links, tags = (
        checked(path) if path.exists() else None for path in (folder / "links.csv", folder / "tags.csv")
    )
    others: dict[str, tuple[int, dict[str, str]]] = {}
    if links:
        yield from _links(links, others)
    known = set[str]()
    for made in _films_latest(movies, others):
        if isinstance(made, Item):
            known.add(made.external_ids["movielens"])
        yield made
    for film, (line, _) in others.items():
        if film not in known:
            yield BadRow("links.csv", line, f"there is no film {film!r}", film)
    yield from _said(ratings, "rating", known)
    if tags:
        yield from _said(tags, "tag", known)


def _links(path: Path, into: dict[str, tuple[int, dict[str, str]]]) -> Iterator[BadRow]:
    """The ids that films have elsewhere; zeros in front of an IMDb id belong to it."""
    for row in table(path, ("movieId", "imdbId", "tmdbId")):
        if isinstance(row, BadRow):
            yield row
            continue
        line, fields = row
        film = fields["movieId"].strip()
        ids = {site: fields[f"{site}Id"].strip().removesuffix(".0") for site in ("imdb", "tmdb")}
        ids = {site: one for site, one in ids.items() if one}
        why = (
            f"{film[:20]!r} is no number" if not _NUMBER.fullmatch(film)
            else f"film {film} stands on line {into[film][0]} already" if film in into
            else "" if all(_DIGITS.fullmatch(one) for one in ids.values()) else "an id elsewhere is no number"
        )  # fmt: skip
        if why:
            yield BadRow(path.name, line, why, _shown(fields))
        else:
            into[film] = (line, ids)


def _films_latest(path: Path, others: dict[str, tuple[int, dict[str, str]]]) -> Iterator[Item | BadRow]:
    seen: dict[str, int] = {}
    for row in table(path, ("movieId", "title", "genres")):
        if isinstance(row, BadRow):
            yield row
            continue
        line, fields = row
        film = fields["movieId"].strip()
        why = (
            f"{film[:20]!r} is no number" if not _NUMBER.fullmatch(film)
            else f"film {film} stands on line {seen[film]} already" if film in seen
            else "" if fields["title"].strip() else "it has no title"
        )  # fmt: skip
        if why:
            yield BadRow(path.name, line, why, _shown(fields))
            continue
        seen[film] = line
        title = titled(fields["title"])
        yield films.item(
            path.name, line, _shown(fields),
            id=f"movie:movielens-{film}",
            title=title.name,
            aliases=title.aliases,
            year=title.year,
            genres=films.genres("movielens", fields["genres"].strip().split("|")),
            external_ids={"movielens": film, **others.get(film, (0, {}))[1]},
            source="MovieLens",
            url=f"https://movielens.org/movies/{film}",
        )  # fmt: skip


def _said(path: Path, what: str, known: set[str]) -> Iterator[Interaction | BadRow]:
    """Ratings in half stars, or tags, as users gave them to films."""
    for row in table(path, ("userId", "movieId", what, "timestamp")):
        if isinstance(row, BadRow):
            yield row
            continue
        line, fields = row
        user, film, at = (fields[name].strip() for name in ("userId", "movieId", "timestamp"))
        value = fields[what].strip()
        why = (
            f"{user[:20]!r} is no user" if not _NUMBER.fullmatch(user)
            else f"there is no film {film[:20]!r}" if film not in known
            else f"{value[:20]!r} is no rating from 0.5 to 5" if what == "rating" and not _HALF_STARS.fullmatch(value)
            else "the tag is empty" if not value
            else "" if _TIME.fullmatch(at) else f"{at[:20]!r} is no time"
        )  # fmt: skip
        if why:
            yield BadRow(path.name, line, why, _shown(fields))
            continue
        yield Interaction(
            user=f"ml-latest:{user}",
            item_id=f"movie:movielens-{film}",
            rating=float(value) if what == "rating" else None,
            at=int(at),
            extra={} if what == "rating" else {"tag": value[:EXCERPT]},
        )


def _lines(path: Path, *encodings: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, without their breaks, from 1."""
    with text(path, *encodings) as file:
        for number, row in enumerate(file, 1):
            if row.strip():
                yield number, row.rstrip("\r\n")


def _shown(fields: dict[str, str]) -> str:
    return ",".join(fields.values())[:EXCERPT]
