"""The picks of the National Library's librarians: the answer of saseoApi.do (XML), and JSON made of it
(data set nl-saseo-picks).

A record is read strictly first, and by the names of its fields where that fails: the texts hold raw HTML, bare
ampersands and angle brackets. No document type is ever read, so entities of its own cannot grow.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Final, TextIO
from xml.etree import ElementTree

from data.item import BadRow, Item
from data.sources import authors, books, isbn, prose
from data.sources.files import EXCERPT, SourceError, text
from data.sources.words import of

SOURCE: Final = "nl-saseo-picks"
FIELDS: Final = {
    "code": ("drcode", "category_code"),
    "category": ("drcodename", "decodename", "category_name"),
    "title": ("recomtitle", "title"),
    "author": ("recomauthor", "author"),
    "isbn": ("recomisbn", "recome_isbn", "isbn"),
    "contents": ("recomcontens", "recomcontents", "contents"),
    "year": ("publishyear", "publish_year"),
    "cover": ("mokchfilepath",),
}
"""What a field is called: in answers, in the library's own table of them, and in the JSON, all in small letters."""
_OTHERS: Final = (
    "recomno", "recompublisher", "recomcallno", "rcomcallno", "recomfilepath", "recommokcha", "regdate", "controlno",
    "recomyear", "recommonth", "item", "list", "channel",
)  # fmt: skip
_NAMES: Final = "|".join([*(name for names in FIELDS.values() for name in names), *_OTHERS])
_FIELD: Final = re.compile(rf"<({_NAMES})\s*>(.*?)(?=</?(?:{_NAMES})\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_OPEN: Final = re.compile(r"<item\s*>", re.IGNORECASE)
_SHUT: Final = re.compile(r"</item\s*>|(?=<item\s*>)", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"[\s,\[\]\ufeff]*")
_NEXT: Final = re.compile(r"[,\n]\s*(?=\{)")
_BLOCK: Final = 1 << 16
_LONGEST: Final = 1 << 20
"""Characters of a record."""

Fields = dict[str, str]
Fault = tuple[str, str]
"""Why a record is none, and how it begins."""


def read(path: Path) -> Iterator[Item | BadRow]:
    """The picks in order; one that stood before is a BadRow. Memory is a record's, and an id a book.

    Raises:
        SourceError: the file cannot be read, is neither XML nor JSON, or holds no record.
    """
    lines: dict[str, int] = {}
    none = True
    with text(path, "utf-8-sig", "cp949") as file:
        for line, found in _records(path, file):
            none = False
            entry = picked(path.name, line, found)
            if isinstance(entry, Item):
                first = lines.setdefault(entry.id, line)
                if first != line:
                    entry = BadRow(path.name, line, f"the book of line {first} again", entry.title[:EXCERPT])
            yield entry
    if none:
        raise SourceError(f"{path} holds no record; is it the answer of saseoApi.do?")


def answered(text: str) -> list[Fields | Fault]:
    """The records of one answer of the API, in order."""
    return [found for _, found in _from_xml(StringIO(text), "")]


def picked(file: str, line: int, found: Fields | Fault) -> Item | BadRow:
    """The book of a record, or why it is none."""
    if isinstance(found, tuple):
        return BadRow(file, line, *found)
    fields = {
        name: next((found[one] for one in names if found.get(one)), "") for name, names in FIELDS.items()
    }
    whole = books.title(fields["title"])
    title = _proper(whole)
    makers = authors.creators(fields["author"])
    numbers = isbn.external_ids(prose.plain(fields["isbn"]))
    category = prose.plain(fields["category"]) or of("national_library")["codes"].get(
        prose.plain(fields["code"]), ""
    )
    year, cover = prose.plain(fields["year"]), prose.plain(fields["cover"])
    # JSON made of the answers puts the table of contents behind the text, or breaks it off
    told = prose.plain(fields["contents"].partition("\n목차:")[0])
    return books.book(
        file,
        line,
        id=f"book:nl-{numbers.get('isbn13') or books.hashed(whole, makers)}",
        title=title,
        aliases=(whole,) if whole != title else (),
        creators=makers,
        year=int(year) if re.fullmatch(r"1[0-9]{3}|20[0-9]{2}", year) else None,
        genres=tuple(dict.fromkeys([*books.told_by(whole), *books.shelved("national_library", [category])])),
        summary=prose.summary(prose.finished(told)),
        external_ids=numbers,
        cover=cover if re.fullmatch(r"https?://\S+", cover) else None,
        source=SOURCE,
    )


def _proper(title: str) -> str:
    """A catalogue's title without what it says about itself: "(교양인이 알아야 할) 음식의 역사 : 인류는 …"."""
    proper = re.sub(r"^\([^()]*\)\s+", "", title).partition(" : ")[0].strip()
    return proper or title


def _records(path: Path, file: TextIO) -> Iterator[tuple[int, Fields | Fault]]:
    """Each record with its line; for one that is none why, and how it begins."""
    start = file.read(_BLOCK)
    kind = start.lstrip()[:1]
    if kind == "<":
        yield from _from_xml(file, start)
    elif kind in {"[", "{"}:
        yield from _from_json(file, start)
    else:
        raise SourceError(f"{path} is neither XML nor JSON; give an answer of saseoApi.do.")


def _from_xml(file: TextIO, buffer: str) -> Iterator[tuple[int, Fields | Fault]]:
    line = 1
    more = True
    while more:
        while start := _OPEN.search(buffer):
            end = _SHUT.search(buffer, start.end())
            if end is None and len(buffer) - start.start() <= _LONGEST:
                break
            line += buffer.count("\n", 0, start.start())
            record = buffer[start.start() : end.end() if end else start.end()]
            if end is None:
                yield line, ("a record that does not end", buffer[start.start() :][:EXCERPT])
            else:
                yield line, _fields(record)
            line += record.count("\n")
            buffer = buffer[start.start() + len(record) :]
        if not start:
            # of what stands between records only what may be the begin of a tag is kept
            line += buffer.count("\n", 0, max(len(buffer) - 20, 0))
            buffer = buffer[-20:]
        block = file.read(_BLOCK)
        buffer, more = buffer + block, bool(block)
    if start := _OPEN.search(buffer):
        line += buffer.count("\n", 0, start.start())
        yield line, ("the file ends within a record; fetch it again", buffer[start.start() :][:EXCERPT])


def _fields(record: str) -> Fields:
    """The fields of one record as markup, names in small letters."""
    try:
        root = ElementTree.fromstring(record)  # noqa: S314  (a record holds no document type: nothing expands)
        return {child.tag.lower(): _inner(child) for child in root}
    except (ElementTree.ParseError, ValueError, RecursionError):
        return {match[1].lower(): match[2] for match in _FIELD.finditer(_without_cdata(record))}


def _without_cdata(record: str) -> str:
    first, *others = record.split("<![CDATA[")
    parts = (other.partition("]]>") for other in others)
    return first + "".join(html.escape(text) + rest for text, _, rest in parts)


def _inner(child: ElementTree.Element) -> str:
    if not len(child):
        return child.text or ""
    tags = "".join(ElementTree.tostring(part, encoding="unicode") for part in child)
    return html.escape(child.text or "", quote=False) + tags


def _from_json(file: TextIO, buffer: str) -> Iterator[tuple[int, Fields | Fault]]:
    """The objects of a list, or one a line."""
    decoder = json.JSONDecoder()
    line, at, more = 1, 0, True
    while True:
        if more and len(buffer) - at < _LONGEST:
            block = file.read(_LONGEST)
            buffer, at, more = buffer[at:] + block, 0, bool(block)
        between = _BETWEEN.match(buffer, at)
        start = between.end() if between else at
        line += buffer.count("\n", at, start)
        at = start
        if at == len(buffer):
            if more:
                continue
            return
        try:
            value, end = decoder.raw_decode(buffer, at)
        except (ValueError, RecursionError):
            # goes on with the next object that begins a line or follows a comma
            follows = _NEXT.search(buffer, at + 1)
            value, end = None, follows.end() if follows else len(buffer)
        if isinstance(value, dict):
            yield line, {str(name).lower(): str(field) for name, field in value.items() if field is not None}
        else:
            yield line, ("no record of JSON", buffer[at : at + EXCERPT])
        line += buffer.count("\n", at, end)
        at = end
