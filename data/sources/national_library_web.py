"""The National Library's picks from saseoApi.do itself. How a record becomes a book tells `national_library`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from data.item import BadRow, Item, Mark
from data.sources import national_library, pages
from data.sources.files import SourceError
from data.sources.web import KEY, Client, Service

_FAULT: Final = re.compile(r"<(?:error_code|err_code|errorCode)>\s*(\w{1,10})", re.IGNORECASE)
_SAID: Final = re.compile(r"<(?:msg|message|err_message|error_message)>\s*([^<]{1,200})", re.IGNORECASE)
_TOTAL: Final = re.compile(r"<totalCount>\s*(\d{1,9})", re.IGNORECASE)
_SIZE: Final = 100


def _fault(text: str) -> str:
    """The library answers with 200 and an error of its own; 010 is no key, 011 a wrong one."""
    if _TOTAL.search(text) or not (found := _FAULT.search(text)):
        return ""
    said = _SAID.search(text)
    words = " ".join(filter(None, (found[1], said[1].strip() if said else "")))
    return KEY if found[1] in {"010", "011"} or "KEY" in words.upper() or "인증키" in words else words


SERVICE: Final = Service(
    "The National Library of Korea",
    "https://www.nl.go.kr/NL/search/openApi/",
    "key",
    "ONEULMWO_NL_KEY",
    "https://www.nl.go.kr/NL/contents/N31101010000.do",
    2.0,
    _fault,
)


def read(client: Client, query: str, cursor: str) -> Iterator[Item | BadRow | Mark]:
    """The picks of some years, of all where the query is empty, in the library's order.

    Raises:
        SourceError: as `Client.get` does, or the query is no years.
    """
    span: dict[str, str | int] = {}
    if query:
        if (years := pages.years(query)) is None:
            raise SourceError(f"nl takes years, such as 2024 or 2020-2024, or a file; {query!r} is neither.")
        span = {"start_date": f"{years[0]}0101", "end_date": f"{years[1]}1231"}
    listing = pages.Listing(
        "saseoApi.do",
        lambda page: {
            **span,
            "startRowNumApi": (page - 1) * _SIZE + 1,
            "endRowNumApi": page * _SIZE,
        },
        _SIZE,
        _page,
        start=pages.page_of(cursor),
    )
    return pages.listed(client, "nl", listing)


def _page(text: str, first: int) -> pages.Page[Item]:
    rows = [
        national_library.picked("nl", number, found)
        for number, found in enumerate(national_library.answered(text), first)
    ]
    total = _TOTAL.search(text)
    return pages.Page(rows, int(total[1]) if total else None, "</channel>" not in text.rstrip()[-200:])
