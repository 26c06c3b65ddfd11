"""KMDb of the Korean Film Archive from search_json2 itself. How a record becomes a film tells `kmdb`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from data.item import BadRow, Item, Mark
from data.sources import kmdb, pages
from data.sources.web import KEY, Client, Service

_SIZE: Final = 100
"""Films a page; the service would give 500, some 5 MB."""
_PAGE: Final = pages.of_json("kmdb", "Result", kmdb.RECORD.pattern, "TotalCount")


def _fault(text: str) -> str:
    """An answer without counts is a sentence about the key, in Korean or English."""
    if '"TotalCount"' in text:
        return ""
    lowered = text[:2000].lower()
    return KEY if any(word in lowered for word in ("인증키", "servicekey", "service key", "인증되지")) else ""


SERVICE: Final = Service(
    "KMDb",
    "https://api.koreafilm.or.kr/openapi-data2/wisenut/search_api/",
    "ServiceKey",
    "ONEULMWO_KMDB_KEY",
    "https://www.kmdb.or.kr/info/api/apiDetail/6",
    2.0,
    _fault,
)


def read(client: Client, query: str, cursor: str) -> Iterator[Item | BadRow | Mark]:
    """The films released in the years of the query, or those with its words in the title; all for an empty one. The
    newest come first.

    Raises:
        SourceError: as `Client.get` does.
    """
    asked: Mapping[str, str | int] = {}
    if years := pages.years(query):
        asked = {"releaseDts": f"{years[0]}0101", "releaseDte": f"{years[1]}1231"}
    elif query:
        asked = {"title": query}
    listing = pages.Listing(
        "search_json2.jsp",
        lambda page: {
            "collection": "kmdb_new2",
            "detail": "Y",
            "sort": "prodYear,1",
            "listCount": _SIZE,
            "startCount": (page - 1) * _SIZE,
            **asked,
        },
        _SIZE,
        _PAGE,
        start=pages.page_of(cursor),
    )
    for row in pages.listed(client, "kmdb", listing):
        if isinstance(row, pages.Row):
            yield kmdb.film("kmdb", row.number, row.excerpt, row.record)
        else:
            yield row
