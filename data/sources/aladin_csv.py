"""Bestsellers of the bookshop Aladin with their descriptions, as a crawler saved them (data set books-aladin).

Prices and ratings are not read: an item has no place for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from data.item import BadRow, Item
from data.sources import authors, books, isbn, prose
from data.sources.files import EXCERPT, table

SOURCE: Final = "books-aladin"
COLUMNS: Final = ("a_isbn", "introduction", "item_id", "title", "author", "isbn", "categories", "page")
PAGE: Final = "https://www.aladin.co.kr/shop/wproduct.aspx?ISBN="


def read(path: Path) -> Iterator[Item | BadRow]:
    """The books in order. Of rows for one book the fullest is taken, and each other one is a BadRow.

    The file is read twice, so that only a code and a line a book are held.

    Raises:
        SourceError: the file cannot be read, or is another.
    """
    best: dict[str, tuple[int, int]] = {}
    for entry in table(path, COLUMNS):
        if not isinstance(entry, BadRow):
            line, row = entry
            code, fullness = row["a_isbn"].strip(), _fullness(row)
            if fullness > best.get(code, (-1, 0))[0]:
                best[code] = fullness, line
    for entry in table(path, COLUMNS):
        if isinstance(entry, BadRow):
            yield entry
            continue
        line, row = entry
        code = row["a_isbn"].strip()
        if not re.fullmatch(r"[0-9A-Za-z]{10}", code):
            yield BadRow(path.name, line, "a_isbn is no code of ten letters and digits", code[:EXCERPT])
        elif best[code][1] != line:
            yield BadRow(path.name, line, f"the book of line {best[code][1]} again", row["title"][:EXCERPT])
        else:
            yield _item(path.name, line, code, row)


def _item(file: str, line: int, code: str, row: dict[str, str]) -> Item | BadRow:
    numbers = isbn.external_ids(_whole(row["isbn"]), code)
    # where the crawler got no page of the book, the item_id is that of another book
    if _seen(row) and row["item_id"].strip().isascii() and row["item_id"].strip().isdigit():
        numbers["aladin"] = row["item_id"].strip()
    pages = _whole(row["page"])
    return books.book(
        file,
        line,
        id=f"book:aladin-{code.lower()}",
        title=books.title(row["title"]),
        creators=authors.creators(row["author"]),
        genres=tuple(books.shelved("aladin", _paths(row["categories"]))),
        length=int(pages) if pages and len(pages) <= 6 and int(pages) else None,
        summary=prose.summary(prose.plain(row["introduction"])),
        external_ids=numbers,
        source=SOURCE,
        url=f"{PAGE}{code.upper()}",
    )


def _fullness(row: dict[str, str]) -> int:
    return sum(bool(field.strip()) for field in row.values())


def _seen(row: dict[str, str]) -> bool:
    return any(row[name].strip() for name in ("isbn", "categories", "page"))


def _whole(number: str) -> str:
    """The digits of "456.0"; empty for anything else, such as a number whose last digits were lost."""
    match = re.fullmatch(r"([0-9]+)(?:\.0)?", number.strip())
    return match[1] if match else ""


def _paths(categories: str) -> Iterator[str]:
    """The shelves of "국내도서 > 경제경영 > 트렌드 접기국내도서 > …", without the shop's first word."""
    for glued in categories.split("접기"):
        parts = [prose.line(part) for part in glued.split(">")]
        if len(parts) > 1:
            yield " > ".join(parts[1:])
