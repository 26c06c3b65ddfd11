"""Lists that web APIs give in pages: read to their end, with a mark behind each page, from which a reading goes on.

Knows no API: each reader tells how its pages are asked for and what they look like.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from data.item import BadRow, Item, Mark
from data.sources.files import EXCERPT
from data.sources.records import mended, salvaged
from data.sources.web import Client, DownError

FETCHED_AGAIN: Final = 2
"""How often a page is asked for again whose text is damaged; what is broken then is told and passed over."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a page: its number in the whole list (from 1), and how it begins."""

    number: int
    record: dict[str, Any]
    excerpt: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """What a page holds, and how many the whole list has (None where the answer doesn't tell, as no answer does that
    is none). `damaged` where asking again may help."""

    rows: list[T | BadRow]
    total: int | None
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """How a service lists: `ask` makes the parameters of a page from its number (from 1), `read` makes a page of a
    text and the number of its first record. `most` is how many the service gives of one list, `advice` what to do
    about the rest (empty: there is no rest worth telling)."""

    path: str
    ask: Callable[[int], Mapping[str, str | int]]
    size: int
    read: Callable[[str, int], Page[T]]
    most: int | None = None
    advice: str = ""
    start: int = field(default=1, kw_only=True)
    """The page that a reading begins at."""


def listed(client: Client, name: str, listing: Listing[T]) -> Iterator[T | BadRow | Mark]:
    """The rows of all pages from `start` on in order; behind each page but the last a Mark with the next one's number.

    Raises:
        SourceError: as `Client.get` does, or the answer is no page of the list.
    """
    number = listing.start
    while True:
        first = (number - 1) * listing.size + 1
        page = _page(client, listing, number, first)
        yield from page.rows
        if page.total is None and len(page.rows) < listing.size:
            return
        total = number * listing.size + 1 if page.total is None else page.total
        given = min(total, listing.most or total)
        if number * listing.size >= given:
            if total > given and listing.advice:
                yield BadRow(
                    name, given + 1, f"only the first {given} of {total} are given; {listing.advice}", ""
                )
            return
        if not page.rows:
            yield BadRow(name, first, f"the list ends here, though {total} were promised", "")
            return
        number += 1
        yield Mark(str(number))


def _page(client: Client, listing: Listing[T], number: int, first: int) -> Page[T]:
    for again in range(FETCHED_AGAIN + 1):
        answer = client.get(listing.path, listing.ask(number))
        page = listing.read(answer.text, first) if answer.status == 200 else Page[T]([], None)
        if not page.damaged and (page.total is not None or page.rows):
            break
        if again == FETCHED_AGAIN and page.total is None and not page.rows:
            raise client.failed(f"answers with what cannot be read ({answer.status}, page {number})")
    return page


def fetched(
    name: str, rows: Iterator[Row | BadRow | Mark], fetch: Callable[[Row], Item | BadRow]
) -> Iterator[Item | BadRow | Mark]:
    """The rows of a list, each fetched alone. One that cannot be had is told and passed over, so that it does not stop
    all imports for ever; a mark behind it waits until another could be had.

    Raises:
        DownError: two in a row could not be had.
    """
    failed, held = False, None
    for row in rows:
        if isinstance(row, Mark) and failed:
            held = row
        elif not isinstance(row, Row):
            yield row
        else:
            try:
                made = fetch(row)
            except DownError as error:
                if failed:
                    raise
                failed = True
                yield BadRow(name, row.number, f"it could not be fetched ({error})", row.excerpt)
                continue
            yield made
            if held:
                yield held
            failed, held = False, None


def of_json(name: str, under: str, begins: str, total: str) -> Callable[[str, int], Page[Row]]:
    """What reads pages of JSON: the list stands under a key, a record of it begins with `begins` (a pattern), and
    under `total` stands how many there are."""
    opening = re.compile(rf'(?<!\\)"{re.escape(under)}"\s*:\s*\[')
    counted = re.compile(rf'(?<!\\)"{re.escape(total)}"\s*:\s*"?\s*(\d{{1,9}})')
    beginning = re.compile(begins)

    def read(text: str, first: int) -> Page[Row]:
        content = mended(text)
        number, rows, damaged = first, list[Row | BadRow](), False
        lists = [found.end() for found in opening.finditer(content)][:1]
        for at, record, why in salvaged(content, lists, beginning):
            excerpt = " ".join(content[at : at + EXCERPT].split())
            rows.append(BadRow(name, number, why, excerpt) if why else Row(number, record, excerpt))
            damaged, number = damaged or bool(why), number + 1
        said = counted.search(content)
        return Page(rows, int(said[1]) if said else None, damaged)

    return read


def page_of(cursor: str) -> int:
    """The page that a cursor names, the first where it names none."""
    return int(cursor) if cursor.isascii() and cursor.isdigit() and int(cursor) else 1


def years(query: str) -> tuple[int, int] | None:
    """The first and the last year of "2024" or "2020-2024"; None for other words."""
    found = re.fullmatch(r"\s*((?:18|19|20)[0-9]{2})(?:\s*[-~–]\s*((?:18|19|20)[0-9]{2}))?\s*", query)
    return (int(found[1]), int(found[2] or found[1])) if found else None
