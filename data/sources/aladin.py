"""Books of the bookshop Aladin from its web API: bestsellers of its departments, the finds of a search, one book.

Ids are those of `aladin_csv`, so that both tell of one book. Prices and ratings are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from data.item import BadRow, Item, Mark
from data.sources import aladin_csv, authors, books, isbn, pages, prose
from data.sources.web import KEY, Client, Service

DEPARTMENTS: Final = (
    0, 1, 55889, 656, 798, 170, 336, 74, 987, 517, 2105, 2551, 1196, 55890, 1230, 1108, 1137, 13789,
)  # fmt: skip
"""All books; novels and poems, essays, the humanities, society, economics, self help, history, science, the arts,
classics, comics, travel, health and hobbies, the home, children, the young, infants."""
SOURCE: Final = "Aladin"
ADULT: Final = 19
_SIZE: Final = 50
_MOST: Final = 200
"""Books of one list or search that are given at most."""
_PAGE: Final = pages.of_json("aladin", "item", r'\{\s*"title"\s*:', "totalResults")
_FAULT: Final = re.compile(r'(?<!\\)"errorCode"\s*:\s*"?(\d{1,6})')
_SAID: Final = re.compile(r'(?<!\\)"errorMessage"\s*:\s*"([^"]{1,200})"')
_NO_BOOK: Final = "8"
_NO_KEY: Final = frozenset({"4", "100"})
_LIST: Final[Mapping[str, str | int]] = {
    "SearchTarget": "Book", "MaxResults": _SIZE, "Cover": "Big", "Output": "js", "Version": 20131101,
}  # fmt: skip


def _fault(text: str) -> str:
    """Aladin answers with 200 to a key that it does not take; that it has no such book is no fault."""
    if not (found := _FAULT.search(text)) or found[1] == _NO_BOOK:
        return ""
    said = _SAID.search(text)
    words = said[1] if said else f"error {found[1]}"
    return KEY if found[1] in _NO_KEY or "key" in words.lower() else words


SERVICE: Final = Service(
    "Aladin",
    "https://www.aladin.co.kr/ttb/api/",
    "ttbkey",
    "ONEULMWO_ALADIN_KEY",
    "https://www.aladin.co.kr/ttb/wblog_manage.aspx",
    2.0,
    _fault,
)


def read(client: Client, query: str, cursor: str) -> Iterator[Item | BadRow | Mark]:
    """The bestsellers of every department for an empty query, the book of an ISBN, else what the words find.

    A cursor names a list and a page of it.

    Raises:
        SourceError: as `Client.get` does.
    """
    number = re.sub(r"[- ]", "", query).upper()
    if isbn.is_isbn13(number) or isbn.is_isbn10(number):
        yield from _one(client, number)
        return
    at, _, page = cursor.partition(" ")
    lists = DEPARTMENTS if not query else (0,)
    for place in range(int(at) if at.isdigit() else 0, len(lists)):
        yield from _all(client, query, place, pages.page_of(page))
        page = ""
        if place + 1 < len(lists):
            yield Mark(f"{place + 1} 1")


def _all(client: Client, query: str, place: int, page: int) -> Iterator[Item | BadRow | Mark]:
    asked: Mapping[str, str | int] = {"QueryType": "Bestseller", "CategoryId": DEPARTMENTS[place]}
    if query:
        asked = {"QueryType": "Keyword", "Query": query}
    listing = pages.Listing(
        "ItemSearch.aspx" if query else "ItemList.aspx",
        lambda number: {**_LIST, **asked, "start": number},
        _SIZE,
        _PAGE,
        most=_MOST,
        advice="search for something more particular" if query else "",
        start=page,
    )
    for row in pages.listed(client, "aladin", listing):
        if isinstance(row, pages.Row):
            yield _book(row.number, row.record)
        elif isinstance(row, Mark):
            yield Mark(f"{place} {row.cursor}")
        else:
            yield row


def _one(client: Client, number: str) -> Iterator[Item | BadRow | Mark]:
    kind = "ISBN13" if len(number) == 13 else "ISBN"
    answer = client.get(
        "ItemLookUp.aspx",
        {"ItemIdType": kind, "ItemId": number, "Cover": "Big", "Output": "js", "Version": 20131101},
    )
    page = _PAGE(answer.text, 1)
    for row in page.rows:
        yield _book(row.number, row.record) if isinstance(row, pages.Row) else row
    if not page.rows:
        if page.total is None and not _FAULT.search(answer.text):
            raise client.failed("answers with what cannot be read")
        yield BadRow("aladin", 1, "Aladin has no such book", number)


def _book(number: int, record: Mapping[str, Any]) -> Item | BadRow:
    if (kind := _text(record, "mallType")) not in {"", "BOOK", "FOREIGN", "EBOOK"}:
        return BadRow("aladin", number, f"passed over: {kind[:20]} is no book", _text(record, "title"))
    whole = books.title(_text(record, "title"))
    title = whole.partition(" - ")[0].strip() or whole
    code = _text(record, "isbn").lower()
    codes = [
        code if re.fullmatch(r"[0-9a-z]{10}", code) else "",
        _text(record, "isbn13"),
        _text(record, "itemId"),
    ]
    name = next((one for one in codes if re.fullmatch(r"[0-9a-z]{1,20}", one)), "")
    if not name:
        return BadRow("aladin", number, "it has neither an ISBN nor an id of Aladin", whole)
    ids = isbn.external_ids(_text(record, "isbn13"), code.upper())
    if (item := _text(record, "itemId")).isascii() and item.isdigit():
        ids["aladin"] = item
    more = record.get("subInfo")
    length = more.get("itemPage") if isinstance(more, dict) else None
    year = re.match(r"(?:19|20)[0-9]{2}", _text(record, "pubDate"))
    cover = _text(record, "cover")
    return books.book(
        "aladin",
        number,
        id=f"book:aladin-{name}",
        title=title,
        aliases=(whole,) if whole != title else (),
        creators=authors.creators(_text(record, "author")),
        year=int(year[0]) if year else None,
        genres=tuple(books.shelved("aladin", [_shelf(_text(record, "categoryName"))])),
        age=ADULT if record.get("adult") is True else None,
        length=length if isinstance(length, int) and 0 < length <= 20_000 else None,
        summary=prose.summary(prose.finished(prose.plain(_text(record, "description")))),
        external_ids=ids,
        cover=cover if re.fullmatch(r"https?://\S{1,2000}", cover) else None,
        source=SOURCE,
        url=f"{aladin_csv.PAGE}{name.upper()}" if name != item else None,
    )


def _text(record: Mapping[str, Any], name: str) -> str:
    """A field as one line; empty where it is neither text nor a number."""
    value = record.get(name)
    return (
        " ".join(str(value).split()) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    )


def _shelf(category: str) -> str:
    """ "국내도서>인문학>심리학" as the table of shelves has it: without the shop, blanks around the signs."""
    return " > ".join(part.strip() for part in prose.plain(category).split(">")[1:])
