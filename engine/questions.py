"""What to ask next: the two or three wishes that would split what is left of the candidates best.

Each is a button that refines the request; nothing here sends or stores it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from data.item import Domain, Item
from data.phrases import Language, phrases
from engine.quantities import Range
from engine.request import Request

FIELDS: Final[dict[Domain, tuple[str, ...]]] = {
    Domain.BOOK: ("immersion", "genres", "country", "effects", "situations"),
    Domain.MOVIE: ("country", "genres", "immersion", "effects", "situations"),
    Domain.FOOD: ("soupy", "spicy", "cuisine", "served", "situations"),
}
LISTS: Final = frozenset({"genres", "effects", "situations", "served", "cuisine", "country"})
LEAST: Final = 2
"""A button must lead to at least so many picks."""


@dataclass(frozen=True, slots=True)
class Question:
    """`label` is what the button says; `data` is `FIELD=VALUE`, read back by `refinement`."""

    label: str
    data: str


def questions(left: Sequence[Item], request: Request, language: Language, most: int = 3) -> list[Question]:
    """The questions whose answers halve `left` most nearly, of different fields, best first."""
    if request.domain is None:
        return []
    best: dict[str, tuple[float, str]] = {}
    for field in FIELDS[request.domain]:
        if getattr(request, field) not in (None, (), Range()):
            continue
        counts = Counter(value for item in left for value in set(_values(item, field)))
        for value, count in counts.items():
            gain = _entropy(count / len(left)) if LEAST <= count < len(left) else 0.0
            if gain > best.get(field, (0.0, ""))[0] and _label(request.domain, field, value, language):
                best[field] = gain, value
    ordered = sorted(best.items(), key=lambda pair: -pair[1][0])[:most]
    return [
        Question(_label(request.domain, field, value, language) or "", f"{field}={value}")
        for field, (_, value) in ordered
    ]


def refinement(data: str, domain: Domain | None) -> Request | None:
    """The request that a question's `data` adds, or None when it is no such data."""
    field, _, value = data.partition("=")
    if domain is None or field not in FIELDS[domain]:
        return None
    parsed: Any
    match field:
        case "spicy":
            parsed = {"mild": Range(None, 0), "hot": Range(2, None)}.get(value)
        case "soupy":
            parsed = {"yes": True, "no": False}.get(value)
        case _ if field in LISTS:
            parsed = (value,)
        case _:
            parsed = value
    if parsed is None or not _label(domain, field, value, "ko"):
        return None
    return replace(Request(domain=domain), **{field: parsed})


def _values(item: Item, field: str) -> Iterator[str]:
    value = getattr(item, field)
    match field:
        case "spicy":
            if value is not None:
                yield "hot" if value >= 2 else "mild" if value == 0 else ""
        case "soupy":
            if value is not None:
                yield "yes" if value else "no"
        case _ if isinstance(value, tuple):
            yield from value
        case _:
            if value is not None:
                yield str(value)


def _entropy(p: float) -> float:
    return -(p * math.log2(p) + (1 - p) * math.log2(1 - p)) if 0 < p < 1 else 0.0


def _label(domain: Domain, field: str, value: str, language: Language) -> str | None:
    """How the question is put: words of its own where there are some, else the field's words with the label."""
    words = phrases(language)
    own = words.variants(f"ask.{field}.{value}")
    if own:
        return own[0]
    general = words.variants(f"ask.{field}.any.{domain}") or words.variants(f"ask.{field}.any")
    key = f"genres.{domain}" if field == "genres" else field
    name = words.variants(f"label.{key}.{value}")
    return words.fill(general[0], name=name[0]) if general and name else None
