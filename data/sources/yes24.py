"""Novels of the bookshop Yes24, as a crawler listed them shelf by shelf, or merged (data set books-yes24).

There are no descriptions and no numbers. Prices, sales and scores are checked where they tell a shifted row,
but not kept: an item has no place for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from data.item import BadRow, Item
from data.sources import authors, books
from data.sources.files import EXCERPT, table

SOURCE: Final = "books-yes24"
COLUMNS: Final = ("Title", "Writer", "Novel", "Score", "Reviewcount")
SHELVES: Final = ("Novel", "Genre", "Genre1", "Genre2", "Genre3")
ADULT: Final = 19
_HOME: Final = frozenset({"한국소설", "작가 선집"})
_MISSING: Final = frozenset({"", "X", "x", "NA"})


@dataclass(slots=True)
class _Book:
    """One book over all its rows; what editions differ in is that of the edition most reviewed."""

    line: int
    title: str
    creators: tuple[str, ...]
    genres: dict[str, None] = field(default_factory=dict)
    reviews: int = -1
    pages: int | None = None
    adult: bool = False


def read(path: Path) -> Iterator[Item | BadRow]:
    """The broken rows, then the books in order, each once however many shelves, editions and translators it has.
    Books of one title by several authors are several.

    Memory is that of the file's distinct books. CP949 is read (EUC-KR lacks its rarer syllables), and UTF-8.

    Raises:
        SourceError: the file cannot be read, or is another.
    """
    leading: set[str] = set()
    for entry in _rows(path):
        if not isinstance(entry, BadRow):
            leading.update(_writer(entry[1])[:1])
    joined: dict[str, _Book] = {}
    for entry in _rows(path):
        if isinstance(entry, BadRow):
            yield entry
            continue
        line, row = entry
        try:
            _join(joined, line, row, leading)
        except ValueError as error:
            yield BadRow(path.name, line, str(error), ",".join(row.values())[:EXCERPT])
    for key, book in joined.items():
        yield books.book(
            path.name,
            book.line,
            id=f"book:yes24-{key}",
            title=book.title,
            creators=book.creators,
            genres=tuple(book.genres),
            length=book.pages,
            age=ADULT if book.adult else None,
            source=SOURCE,
        )


def rating(score: str, reviews: str) -> tuple[float | None, int]:
    """Mean stars (0 to 10) and the number of reviews; None of 0 reviews, whose score the shop gives as 0.

    Raises:
        ValueError: these are none, as in a shifted row.
    """
    if not reviews.isdecimal():
        raise ValueError(f"Reviewcount {reviews[:20]!r} is no number")
    try:
        mean = float(score)
    except ValueError:
        raise ValueError(f"Score {score[:20]!r} is no number") from None
    if not 0 <= mean <= 10:
        raise ValueError(f"Score {score[:20]} is not of 0 to 10")
    return (mean if int(reviews) else None), int(reviews)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]] | BadRow]:
    return table(path, COLUMNS, "utf-8-sig", "cp949")


def _join(joined: dict[str, _Book], line: int, row: dict[str, str], leading: set[str]) -> None:
    """Adds a row to its book. Raises ValueError, saying why, where it is no book."""
    _, reviews = rating(row["Score"].strip(), row["Reviewcount"].strip())
    pages = _pages(row.get("Pagenum", ""))
    title = books.title(row["Title"])
    if not title:
        raise ValueError("no title")
    makers = _creators(row, leading)
    book = joined.setdefault(books.hashed(title, makers or (row["Writer"],)), _Book(line, title, makers))
    shelves = [shelf for name in SHELVES if (shelf := row.get(name, "").strip()) not in _MISSING]
    book.genres |= dict.fromkeys([*books.shelved("yes24", shelves), *books.told_by(title)])
    book.adult |= row.get("Avail19", "").strip() == "O"
    if pages and reviews > book.reviews:
        book.pages, book.reviews = pages, reviews


def _pages(number: str) -> int | None:
    """Pages; None where unknown, and of a set of more volumes than an item's length can tell."""
    digits = number.strip()
    if digits in _MISSING:
        return None
    if not digits.isdecimal():
        raise ValueError(f"Pagenum {digits[:20]!r} is no number")
    return int(digits) if len(digits) <= 5 and 0 < int(digits) <= 20_000 else None


def _writer(row: dict[str, str]) -> tuple[str, ...]:
    return () if row["Writer"].strip() in _MISSING else authors.creators(row["Writer"])


def _creators(row: dict[str, str], leading: set[str]) -> tuple[str, ...]:
    """The writers without the translator, who stands second without saying so: a Korean after a writer who is none,
    not on a Korean shelf, and whose name begins no other book's list."""
    makers = _writer(row)
    plain = "/" not in row["Writer"] and row["Novel"].strip() not in _HOME
    if not plain or len(makers) != 2 or authors.looks_korean(makers[0]):
        return makers
    return makers[:1] if authors.looks_korean(makers[1]) and makers[1] not in leading else makers
