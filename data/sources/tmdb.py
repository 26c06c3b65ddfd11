"""Films of TMDB from its web API, in Korean and English. Ids are those of `movies_dataset`, so that both tell of one
film. Knows nothing of ratings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from data.item import BadRow, Item, Mark
from data.sources import films, pages, prose
from data.sources.files import EXCERPT
from data.sources.movies_dataset import description
from data.sources.web import Client, Service

SOURCE: Final = "TMDB"
_SIZE: Final = 20
_MOST: Final = 500 * _SIZE
_MORE: Final = "credits,keywords,release_dates,translations"
_PAGE: Final = pages.of_json("tmdb", "results", r'\{\s*"(?:adult|id)"\s*:', "total_results")
SERVICE: Final = Service(
    "TMDB",
    "https://api.themoviedb.org/3/",
    "api_key",
    "ONEULMWO_TMDB_KEY",
    "https://www.themoviedb.org/settings/api",
    20.0,
)


def read(client: Client, query: str, cursor: str) -> Iterator[Item | BadRow | Mark]:
    """The films that most people voted on, of the years of the query or of all for an empty one; for other words the
    films that a search for them finds.

    The order is by votes, not by popularity, which changes from hour to hour and would lose films between pages.

    Raises:
        SourceError: as `Client.get` does.
    """
    path = "discover/movie"
    asked: dict[str, str | int] = {"sort_by": "vote_count.desc"}
    if years := pages.years(query):
        asked |= {
            "primary_release_date.gte": f"{years[0]}-01-01",
            "primary_release_date.lte": f"{years[1]}-12-31",
        }
    elif query:
        path, asked = "search/movie", {"query": query}
    listing = pages.Listing(
        path,
        lambda page: {"language": "ko-KR", "include_adult": "false", **asked, "page": page},
        _SIZE,
        _PAGE,
        most=_MOST,
        advice="ask for years, such as 2020-2024",
        start=pages.page_of(cursor),
    )
    rows = pages.listed(client, "tmdb", listing)
    return pages.fetched("tmdb", rows, partial(_fetched, client))


def _fetched(client: Client, row: pages.Row) -> Item | BadRow:
    """The film whole: the list tells neither people nor length."""
    number = row.record.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        return BadRow("tmdb", row.number, "it has no id", row.excerpt)
    answer = client.get(f"movie/{number}", {"language": "ko-KR", "append_to_response": _MORE})
    try:
        record = json.loads(answer.text, strict=False) if answer.status == 200 else None
    except (ValueError, RecursionError):
        return BadRow("tmdb", row.number, f"film {number}: no JSON", answer.text[:EXCERPT])
    if not isinstance(record, dict) or record.get("id") != number:
        return BadRow("tmdb", row.number, f"film {number}: TMDB has no such film any more", row.excerpt)
    return _film(row.number, number, row.excerpt, record)


def _film(line: int, number: int, excerpt: str, record: Mapping[str, Any]) -> Item | BadRow:
    original, title = _text(record, "original_title"), _text(record, "title")
    if not (title or original):
        return BadRow("tmdb", line, "it has no title", excerpt)
    english = _english(record)
    title_en = original if record.get("original_language") == "en" else _text(english, "title")
    cast, crew = _list(record, "credits", "cast"), _list(record, "credits", "crew")
    directors = [_text(one, "name") for one in crew if one.get("job") == "Director"]
    keywords = tuple(_text(one, "name") for one in _list(record, "keywords", "keywords"))
    kinds = [str(one.get("id")) for one in _list(record, "genres")]
    imdb = re.fullmatch(r"tt([0-9]+)", _text(record, "imdb_id"))
    year = re.match(r"(?:18[789][0-9]|19[0-9]{2}|20[0-9]{2})", _text(record, "release_date"))
    minutes, poster = record.get("runtime"), _text(record, "poster_path")
    countries = [_text(one, "iso_3166_1") for one in _list(record, "production_countries")]
    shown = title or original
    return films.item(
        "tmdb", line, excerpt,
        id=f"movie:tmdb-{number}",
        title=shown,
        title_en=title_en if title_en and title_en != shown else None,
        aliases=films.distinct([original], but=(shown, title_en)),
        creators=films.distinct(directors),
        people=films.distinct(_text(one, "name") for one in sorted(cast, key=_billing))[: films.PEOPLE],
        year=int(year[0]) if year else None,
        country=next((code for code in countries if re.fullmatch("[A-Z]{2}", code)), None),
        genres=films.merged(films.genres("tmdb_numbers", kinds), films.genres("tmdb_keywords", keywords)),
        age=19 if record.get("adult") is True else _age(record),
        length=minutes if isinstance(minutes, int) and 0 < minutes <= 20_000 else None,
        summary=prose.summary(_text(record, "overview")),
        summary_en=description(_text(english, "overview"), films.distinct(keywords)),
        external_ids={"tmdb": str(number)} | ({"imdb": imdb[1]} if imdb else {}),
        cover=f"https://image.tmdb.org/t/p/w500{poster}" if poster.startswith("/") else None,
        source=SOURCE,
        url=f"https://www.themoviedb.org/movie/{number}",
    )  # fmt: skip


def _english(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What TMDB has of the film in English, American before other kinds."""
    found = [one for one in _list(record, "translations", "translations") if one.get("iso_639_1") == "en"]
    found.sort(key=lambda one: one.get("iso_3166_1") != "US")
    inner = found[0].get("data") if found else None
    return inner if isinstance(inner, dict) else {}


def _age(record: Mapping[str, Any]) -> int | None:
    """The strictest Korean certificate."""
    known: dict[str, int] = films.lexicon()["tmdb_ages"]
    marks = [
        known.get(_text(release, "certification"))
        for one in _list(record, "release_dates", "results")
        if one.get("iso_3166_1") == "KR"
        for release in _list(one, "release_dates")
    ]
    return max((age for age in marks if age is not None), default=None)


def _list(record: Mapping[str, Any], *path: str) -> list[dict[str, Any]]:
    """The records at the end of a path of keys; none where something else stands there."""
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return prose.line(value[:20_000]) if isinstance(value, str) else ""


def _billing(actor: Mapping[str, Any]) -> int:
    order = actor.get("order")
    return order if isinstance(order, int) else 1 << 30
