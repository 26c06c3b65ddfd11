"""Films shown in Korea from the web API of the Korean Film Council (KOBIS).

It tells people, ages and lengths and no plots: its items are stubs, there to be joined with what others tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from data.item import BadRow, Item, Mark
from data.sources import films, pages, prose
from data.sources.files import EXCERPT
from data.sources.web import KEY, SPENT, Client, Service

SOURCE: Final = "KOFIC"
_SIZE: Final = 100
_PAGE: Final = pages.of_json("kofic", "movieList", r'\{\s*"movieCd"\s*:', "totCnt")
_FAULT: Final = re.compile(r'(?<!\\)"errorCode"\s*:\s*"?(\d{1,6})')
_SAID: Final = re.compile(r'(?<!\\)"message"\s*:\s*"([^"]{1,200})"')
_NO_KEY: Final = "320010"
_USED_UP: Final = "320011"
_EROTIC: Final = "성인물(에로)"


def _fault(text: str) -> str:
    """KOBIS answers with 200 and a faultInfo; a key may ask 3,000 times a day."""
    if '"faultInfo"' not in text[:EXCERPT] or not (found := _FAULT.search(text)):
        return ""
    said = _SAID.search(text)
    return {_NO_KEY: KEY, _USED_UP: SPENT}.get(found[1], said[1] if said else f"error {found[1]}")


SERVICE: Final = Service(
    "KOFIC",
    "https://www.kobis.or.kr/kobisopenapi/webservice/rest/movie/",
    "key",
    "ONEULMWO_KOFIC_KEY",
    "https://www.kobis.or.kr/kobisopenapi/homepg/main/main.do",
    5.0,
    _fault,
)


def read(
    client: Client, query: str, cursor: str, today: datetime | None = None
) -> Iterator[Item | BadRow | Mark]:
    """The films that opened in the years of the query, of this year and the last for an empty one; for other words
    those that bear them in the title. Each is asked for alone, and what is erotic is passed over.

    A cursor names the years, which an empty query leaves to the calendar, and a page.

    Raises:
        SourceError: as `Client.get` does.
    """
    this_year = (today or datetime.now(UTC)).year
    meant = query or cursor.partition(" ")[0] or f"{this_year - 1}-{this_year}"
    asked: Mapping[str, str | int] = {"movieNm": query}
    if years := pages.years(meant):
        asked = {"openStartDt": str(years[0]), "openEndDt": str(years[1])}
    listing = pages.Listing(
        "searchMovieList.json",
        lambda page: {**asked, "itemPerPage": _SIZE, "curPage": page},
        _SIZE,
        _PAGE,
        start=pages.page_of(cursor.rpartition(" ")[2]),
    )
    rows = pages.listed(client, "kofic", listing)
    for row in pages.fetched("kofic", rows, partial(_fetched, client)):
        yield Mark(f"{meant} {row.cursor}") if isinstance(row, Mark) and not query else row


def _fetched(client: Client, row: pages.Row) -> Item | BadRow:
    if _EROTIC in _text(row.record, "genreAlt"):
        return BadRow("kofic", row.number, f"passed over: {_EROTIC}", _text(row.record, "movieNm"))
    code = _text(row.record, "movieCd")
    if not re.fullmatch(r"[0-9A-Za-z]{1,20}", code):
        return BadRow("kofic", row.number, "it has no code of KOFIC", row.excerpt)
    answer = client.get("searchMovieInfo.json", {"movieCd": code})
    try:
        match json.loads(answer.text, strict=False):
            case {"movieInfoResult": {"movieInfo": {"movieCd": told} as record}} if told == code:
                return _film(row.number, code, row.excerpt, record)
    except (ValueError, RecursionError):
        return BadRow("kofic", row.number, f"film {code}: no JSON", answer.text[:EXCERPT])
    return BadRow("kofic", row.number, f"film {code}: KOFIC tells nothing of it", row.excerpt)


def _film(line: int, code: str, excerpt: str, record: Mapping[str, Any]) -> Item | BadRow:
    title, english = _text(record, "movieNm"), _text(record, "movieNmEn")
    if not title:
        return BadRow("kofic", line, "it has no title", excerpt)
    years = (
        re.match(r"(?:18[89][0-9]|19[0-9]{2}|20[0-9]{2})", _text(record, name))
        for name in ("prdtYear", "openDt")
    )
    year = next((int(found[0]) for found in years if found), None)
    minutes = _text(record, "showTm")
    nations = _names(record, "nations", "nationNm")
    return films.item(
        "kofic", line, excerpt,
        id=f"movie:kofic-{code.lower()}",
        title=title,
        title_en=english or None,
        aliases=films.distinct([_text(record, "movieNmOg")], but=(title, english)),
        creators=films.distinct(_names(record, "directors", "peopleNm")),
        people=films.distinct(_names(record, "actors", "peopleNm"))[: films.PEOPLE],
        year=year,
        country=next(filter(None, map(films.lexicon()["countries"].get, nations)), None),
        genres=films.genres("kofic", _names(record, "genres", "genreNm")),
        age=films.age("|".join(_names(record, "audits", "watchGradeNm"))),
        length=int(minutes) or None if re.fullmatch(r"[0-9]{1,4}", minutes) else None,
        external_ids={"kofic": code},
        source=SOURCE,
    )  # fmt: skip


def _names(record: Mapping[str, Any], under: str, name: str) -> list[str]:
    value = record.get(under)
    return [_text(one, name) for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(record: Mapping[str, Any], name: str) -> str:
    """A field as one line; empty where it is neither text nor a number."""
    value = record.get(name)
    return (
        prose.line(str(value)[:2000]) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    )
