"""The elements of a JSON list of any length, one by one: memory holds one element and a block, never the file; and of
lists in a text that is held anyway, in which a broken element does not cost the ones behind it.

Knows no data set. NaN, which some writers leave behind and JSON has not, comes as a float.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from data.item import BadRow
from data.sources.files import EXCERPT, SourceError, text

_BLOCK: Final = 1 << 18
"""Characters read at a time; a list below a key has to begin in the first block."""
_LARGEST: Final = 1 << 24
"""Characters of one element; what is longer counts as broken."""
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()
_LENIENT: Final = json.JSONDecoder(strict=False, parse_constant=lambda _: None)
_BETWEEN: Final = re.compile(r"[\s,]*")
_STRAY_COMMA: Final = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|,(?=\s*[\]}])', re.DOTALL)


def records(path: Path, under: str) -> Iterator[tuple[int, object] | BadRow]:
    """The elements of the list that the file is, or that stands under the key, numbered from 1.

    Where the JSON breaks off there is no next element: a BadRow says so and is the last to come.

    Raises:
        SourceError: the file cannot be read, is not UTF-8, or holds no such list.
    """
    with text(path) as file:
        window = file.read(_BLOCK)
        opening = re.compile(rf'\A\s*\[|(?<!\\)"{re.escape(under)}"\s*:\s*\[').search(window)
        if opening is None:
            raise SourceError(f'{path} is no JSON list and holds none under "{under}"; is it the right file?')
        at, number, more = opening.end(), 1, True
        if window[_after_space(window, at) :][:1] == "]":
            return
        while True:
            try:
                value, at, last = _element(window, at)
            except (ValueError, IndexError, RecursionError) as error:
                rest = window[at:]
                if more and len(rest) < _LARGEST and not isinstance(error, RecursionError):
                    block = file.read(
                        max(_BLOCK, len(rest))
                    )  # doubling: an element is decoded a few times at most
                    window, at, more = rest + block, 0, bool(block)
                    continue
                yield BadRow(
                    path.name,
                    number,
                    f"broken JSON ({error}); nothing after it could be read",
                    rest[:EXCERPT],
                )
                return
            yield number, value
            if last:
                return
            number += 1


def _after_space(window: str, at: int) -> int:
    space = _SPACE.match(window, at)
    assert space is not None
    return space.end()


def _element(window: str, at: int) -> tuple[object, int, bool]:
    """The element at a place, where the next one begins, and whether it was the last.

    Raises ValueError or IndexError where the window holds no whole element and what follows it.
    """
    value, end = _DECODER.raw_decode(window, _after_space(window, at))
    end = _after_space(window, end)
    if (mark := window[end]) not in ",]":
        raise ValueError(f"{mark!r} where a comma should be")
    return value, end + 1, mark == "]"


def mended(content: str) -> str:
    """The text without commas before closing brackets. They are blanked, not cut out: positions stay, and so do lines."""
    return _STRAY_COMMA.sub(lambda found: found[1] or " ", content)


def salvaged(
    content: str, lists: Iterable[int], begins: re.Pattern[str]
) -> Iterator[tuple[int, dict[str, Any], str]]:
    """Where each element of the lists that open just before these places begins, the object, and what is wrong with
    it: behind one that is broken it goes on with what looks like the begin of the next."""
    at = 0
    for first in lists:
        if first < at:
            continue
        at = _after(content, first)
        while at < len(content) and content[at] != "]":
            begun = at
            try:
                record, at = _LENIENT.raw_decode(content, at)
            except (ValueError, RecursionError) as error:
                yield begun, {}, f"no JSON: {getattr(error, 'msg', 'too deep, or too long a number')}"
                following = begins.search(content, begun + 1)
                at = following.start() if following else len(content)
            else:
                if isinstance(record, dict):
                    yield begun, record, ""
                else:
                    yield begun, {}, "no record"
            at = _after(content, at)
        if at >= len(content):
            yield len(content), {}, "the list does not end; is the file cut off?"


def _after(content: str, at: int) -> int:
    """Where the next thing behind blanks and commas begins."""
    found = _BETWEEN.match(content, at)
    return found.end() if found else at
