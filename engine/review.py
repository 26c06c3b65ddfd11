"""A reply in labelled lines, read while it is still being written, whatever a model makes of the form.

Knows the labels and nothing of what may be said behind them (`grounding.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

from engine.prompts import line_labels

LONGEST: Final = 4_000
"""Characters of a reply that are read; a model that writes on and on is not followed."""
_MARKS: Final = re.compile(r"[*`#]+")
_BOUNDARY: Final = re.compile(r"""(?:\A|\n|([.!?…。]["'”’」』)]*)\s)\s*""")
"""Where a label may stand: at the beginning of a line, or behind a sentence."""
_LIST_MARK: Final = re.compile(r"[\s*#>•·\-]*(?:\d[.)]\s*)?[*_]*")
_OUT_OF: Final = re.compile(r"10\s*점?\s*(?:만점|중|out of)[가-힣]*\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Review:
    """What a reply says; empty, or None, where it does not. `fit` is 1 to 10."""

    reason: str = ""
    benefit: str = ""
    fit: int | None = None
    question: str = ""


class Labelled:
    """One reply as it comes."""

    def __init__(self) -> None:
        self._text = ""
        self._told = 0
        self._all: dict[str, str] = {}

    @property
    def review(self) -> Review:
        """What has been read so far."""
        said = {part: " ".join(text.split()) for part, text in self._all.items()}
        return Review(
            said.get("reason", ""),
            said.get("benefit", ""),
            _fit(said.get("fit", "")),
            said.get("question", ""),
        )

    def feed(self, delta: str) -> list[tuple[str, str]]:
        """What the next piece adds, as (part, text): "reason", "benefit", "fit" or "question"."""
        self._text = (self._text + delta)[:LONGEST]
        return self._until(_safe(self._text))

    def end(self) -> list[tuple[str, str]]:
        """What was kept back as it might have become a label."""
        return self._until(len(self._text))

    def _until(self, safe: int) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for part, start, end in _segments(self._text[:safe]):
            new = _MARKS.sub("", self._text[max(start, self._told) : end])
            if new and part:
                found.append((part, new))
                self._all[part] = self._all.get(part, "") + new
        self._told = max(self._told, safe)
        return found


def read(text: str) -> Review:
    """A whole reply."""
    reader = Labelled()
    reader.feed(text)
    reader.end()
    return reader.review


@cache
def _label() -> re.Pattern[str]:
    names = "|".join(sorted(map(re.escape, line_labels()), key=len, reverse=True))
    return re.compile(
        rf"{_BOUNDARY.pattern}{_LIST_MARK.pattern}({names})[*_]*[ \t]*[*_]*[:：][*_]*[ \t]*", re.IGNORECASE
    )


def _segments(text: str) -> list[tuple[str, int, int]]:
    """(part, start, end) in order; a part that comes again counts no more, and what has no label is the reason."""
    marks = [
        (match.end(1) if match[1] else match.start(), match.end(), line_labels()[match[2].lower()])
        for match in _label().finditer(text)
    ]
    parts = [(0, 0, "reason"), *marks, (len(text), len(text), "")]
    seen: set[str] = set()
    found: list[tuple[str, int, int]] = []
    for (_, start, part), (end, _, _) in pairwise(parts):
        if text[start:end].strip():
            found.append(("" if part in seen else part, start, end))
            seen.add(part)
    return found


def _safe(text: str) -> int:
    """Up to where nothing can turn into a label any more."""
    boundary = 0
    for match in _BOUNDARY.finditer(text):
        boundary = match.end()
    tail = _LIST_MARK.sub("", text[boundary:], count=1).rstrip(" \t*_").lower()
    begins = tail.isdigit() or any(label.startswith(tail) for label in line_labels())
    return boundary if begins else len(text)


def _fit(text: str) -> int | None:
    match = _OUT_OF.search(text)
    value = float(match[1] or match[2]) if match else 0.0
    return round(value) if 1 <= value <= 10 else None
