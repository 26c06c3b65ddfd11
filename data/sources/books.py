"""What the readers of books share: titles made clean, ids where a source has none, genres by its shelves, the item.

Knows no file; each reader says which of its columns is which.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from pydantic import ValidationError

from data.item import BadRow, Domain, Item
from data.sources.files import EXCERPT
from data.sources.prose import LOST, plain
from data.sources.rows import reason
from data.sources.words import of

_BEHIND: Final = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]$")
_BEFORE: Final = re.compile(r"^[(\[]([^()\[\]]*)[)\]]\s*")


def title(text: str) -> str:
    """A title without markup and without brackets that tell of an edition: "(리커버 특별판)", "[예약판매]"."""
    clean = plain(text)
    for bracket in (_BEFORE, _BEHIND):
        while (match := bracket.search(clean)) and any(word in match[1] for word in of("books")["edition"]):
            rest = (clean[: match.start()] + clean[match.end() :]).strip()
            if not rest:
                break
            clean = rest
    return clean


def hashed(name: str, creators: Iterable[str]) -> str:
    """Sixteen hexadecimal digits for a book without a number, whatever its blanks and capitals."""
    spelled = unicodedata.normalize("NFKC", "\0".join([name, *creators])).casefold()
    return hashlib.blake2b("".join(spelled.split()).encode("utf-8", "replace"), digest_size=8).hexdigest()


def told_by(name: str) -> list[str]:
    """The genres that a title itself tells: "백희성 장편소설", "이시형 에세이"."""
    words = re.findall(r"\w+", _BEHIND.sub("", name))
    table, endings = of("books")["titles"], of("books")["endings"]
    told = [genre for ending, genre in table.items() if any(word.endswith(ending) for word in words)]
    told += [genre for ending, genre in endings.items() if words and words[-1].endswith(ending)]
    return list(dict.fromkeys(told))


def shelved(source: str, paths: Iterable[str]) -> list[str]:
    """Our genres of a source's shelves, each once, in the order of the shelves. Of a path "a > b > c" the longest
    part that the source's table holds counts; what it does not hold names none."""
    table: dict[str, list[str]] = of(source)["genres"]
    genres: list[str] = []
    for path in paths:
        parts = path.split(" > ")
        known = (" > ".join(parts[:end]) for end in range(len(parts), 0, -1))
        genres += table.get(next((part for part in known if part in table), ""), [])
    return list(dict.fromkeys(genres))


def book(file: str, number: int, **fields: Any) -> Item | BadRow:
    """The item of a row, or why it is none: no title, letters lost, or a field that an item cannot have."""
    name = str(fields["title"])
    shown = " ".join([name, *fields.get("creators", ())])
    value = shown.encode("utf-8", "replace").decode()[:EXCERPT]
    if not any(map(str.isalnum, name)):
        return BadRow(file, number, "no title", value)
    if LOST in shown:
        return BadRow(file, number, "letters were lost (U+FFFD); save it in its own encoding again", value)
    try:
        return Item(domain=Domain.BOOK, **fields)
    except ValidationError as error:
        return BadRow(file, number, reason(error), value)
