"""KMDb of the Korean Film Archive: saved answers of its search_json2, and JavaScript files that hold such records.

Knows no network: whoever fetches answers saves them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from data.item import BadRow, Item
from data.sources import films, prose
from data.sources.files import EXCERPT, SourceError, checked, text
from data.sources.records import mended, salvaged

SOURCE: Final = "KMDb"
LARGEST: Final = 64 << 20
"""Bytes of a file at most: an answer holds 500 films, some 5 MB, and is held in memory as text."""
_ALIASES: Final = 8
_RESULT: Final = re.compile(r'"Result"\s*:\s*\[')
RECORD: Final = re.compile(r'\{\s*"(?:DOCID|title)"\s*:')
_MARK: Final = re.compile(r"!H[SE]")
_HANJA: Final = re.compile(r"\s*\([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\s]+\)$")
_BRACKETS: Final = re.compile(r"\s*\(([^()]*)\)$")
_DOCID: Final = re.compile(r"[A-Z][0-9]{1,9}")


def read(path: Path) -> Iterator[Item | BadRow]:
    """The films of a file in order, and every record that is none, with the line that it begins on.

    Records are decoded one at a time, so that a broken one stops nothing. One without KMDb's id gets an id made
    from title, year and directors.

    Raises:
        SourceError: as the iteration begins, when it is no data file, too large, or holds no records of KMDb.
    """
    if checked(path).stat().st_size > LARGEST:
        raise SourceError(f"{path} has over {LARGEST >> 20} MiB; save fewer films in a file.")
    with text(path) as file:
        content = mended(file.read())
    seen: dict[str, int] = {}
    line, counted = 1, 0
    for at, record, why in salvaged(content, _lists(path, content), RECORD):
        line, counted = line + content.count("\n", counted, at), at
        excerpt = " ".join(content[at : at + EXCERPT].split())
        made = film(path.name, line, excerpt, record) if not why else BadRow(path.name, line, why, excerpt)
        if isinstance(made, Item):
            if made.id in seen:
                made = BadRow(path.name, line, f"{made.id} stands on line {seen[made.id]} already", excerpt)
            else:
                seen[made.id] = line
        yield made


def _lists(path: Path, content: str) -> list[int]:
    """Where the lists of films begin: the one that the file is, or each Result."""
    begin = re.search(r"[\[{]", content)
    if begin is None:
        raise SourceError(f"{path} holds neither an object nor a list; is it an answer of KMDb?")
    if begin[0] == "[":
        return [begin.end()]
    lists = [found.end() for found in _RESULT.finditer(content, begin.start())]
    if not lists:
        raise SourceError(f"{path} is no answer of KMDb: it has no Result.")
    return lists


def film(file: str, line: int, excerpt: str, record: dict[str, Any]) -> Item | BadRow:
    """The film of a record, or why it is none. `excerpt` is how the record begins."""
    full = _text(record.get("title"))
    title = _HANJA.sub("", full) or full
    if not title:
        return BadRow(file, line, "it has no title", excerpt)
    english, romanized = _english(_text(record.get("titleEng")))
    directors = _people(record, "director") or films.distinct(_text(record.get("directorNm")).split(","))
    year = re.match(r"(?:1[89]|20)[0-9]{2}", _text(record.get("prodYear")))
    number = _text(record.get("DOCID")) or _text(record.get("movieId")) + _text(record.get("movieSeq"))
    if number and not _DOCID.fullmatch(number):
        return BadRow(file, line, f"{number[:20]!r} is no id of KMDb", excerpt)
    minutes = re.fullmatch(r"[0-9]{1,4}", _text(record.get("runtime")))
    kinds = [*_parts(record.get("genre")), *_parts(record.get("type"))]
    plots = list(_plots(record))
    return films.item(
        file, line, excerpt,
        id=f"movie:kmdb-{number.lower() or _made(title, year[0] if year else '', directors)}",
        title=title,
        title_en=english,
        aliases=films.distinct([full, *romanized, *_other_titles(record, title)], but=(title, english))[:_ALIASES],
        creators=directors,
        people=_people(record, "actor")[: films.PEOPLE],
        year=int(year[0]) if year else None,
        country=next(filter(None, map(films.lexicon()["countries"].get, _parts(record.get("nation")))), None),
        genres=films.genres("kmdb", kinds),
        age=films.age(_text(record.get("rating"))),
        length=int(minutes[0]) or None if minutes else None,
        summary=next(filter(None, (prose.summary(said) for language, said in plots if language == "한국어")), None),
        summary_en=next(filter(None, (prose.summary(said) for language, said in plots if language == "영어")), None),
        external_ids={"kmdb": number} if number else {},
        cover=_address(record.get("posters")) or _address(record.get("poster")),
        source=SOURCE,
        url=_address(record.get("kmdbUrl")),
    )  # fmt: skip


def _text(value: object) -> str:
    """A value as text without search marks and needless blanks; empty where it is neither text nor a number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return " ".join(_MARK.sub("", str(value)[: 1 << 16]).split())


def _parts(value: object) -> list[str]:
    return [part.strip() for part in _text(value).split(",") if part.strip()]


def _listed(record: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The records under `names.name`, as answers have them, or under `name`, as the seeds have them; one that stands
    alone stands without a list."""
    inner = record.get(f"{name}s")
    found = (inner.get(name) if isinstance(inner, dict) else inner) or record.get(name)
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict)]


def _people(record: dict[str, Any], role: str) -> tuple[str, ...]:
    return films.distinct(
        (_text(one.get(f"{role}Nm")) or _text(one.get(f"{role}EnNm")))[:EXCERPT]
        for one in _listed(record, role)
    )


def _plots(record: dict[str, Any]) -> Iterable[tuple[str, str]]:
    return ((_text(one.get("plotLang")), _text(one.get("plotText"))) for one in _listed(record, "plot"))


def _english(title: str) -> tuple[str | None, list[str]]:
    """ "The Host (Goe-mool)" is The Host, written Goe-mool; a spelling alone is the title itself."""
    spellings: list[str] = []
    while found := _BRACKETS.search(title):
        spellings.insert(0, found[1].strip())
        title = title[: found.start()]
    spellings = [spelling for spelling in spellings if spelling]
    return (title.strip() or (spellings.pop(0) if spellings else None)), spellings


def _other_titles(record: dict[str, Any], title: str) -> Iterator[str]:
    """The titles between carets. Between commas stand spellings too, unless the title holds commas itself."""
    whole = {_text(record.get(name)) for name in ("titleEng", "titleOrg")}
    pressed = title.replace(" ", "")
    for part in _text(record.get("titleEtc")).split("^"):
        if part in whole:
            yield _english(part)[0] or part
        elif part.replace(" ", "") != pressed:
            yield from (one for one in part.split(",") if one.replace(" ", "") not in pressed)


def _made(title: str, year: str, directors: tuple[str, ...]) -> str:
    """An id that stays the same for the same film, told from KMDb's own by its length."""
    return hashlib.sha256("\0".join((title, year, *directors)).encode(errors="surrogatepass")).hexdigest()[
        :12
    ]


def _address(value: object) -> str | None:
    address = _text(value).split("|")[0]
    return address if re.match(r"https?://\S+$", address) else None
