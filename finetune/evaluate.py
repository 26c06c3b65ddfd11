"""How good the answers are: requests with what a good answer looks like, and the two figures that come out of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from data.item import BadRow, Item
from engine.recommender import Recommender
from engine.taste import Taste

FIRST: Final = 3
"""Picks of an answer that are judged."""


class Case(BaseModel):
    """A request, what must hold for every pick, and what should for a pick to be relevant.

    A list means "contains any of", `not_X` "contains none of" (for titles as a substring), `X<=` and
    `X>=` compare, a plain value is equality.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    text: str
    must: dict[str, Any] = {}
    should: dict[str, Any] = {}

    @field_validator("must", "should")
    @classmethod
    def _of_an_item(cls, conditions: dict[str, Any]) -> dict[str, Any]:
        for key in conditions:
            if re.sub(r"^not_|[<>]=$", "", key) not in Item.model_fields:
                raise ValueError(f"{key} is no field of an item")
        return conditions


@dataclass(frozen=True, slots=True)
class Miss:
    case: Case
    item: Item | None
    """The pick, or None when there was no pick though some item keeps `must`."""
    broken: tuple[str, ...]
    """Conditions that do not hold, those of `must` marked with "!"."""


@dataclass(slots=True)
class Report:
    """`kept`: share of picks that break no `must`; `relevant`: that meet every `should` as well."""

    picks: int = 0
    kept_picks: int = 0
    relevant_picks: int = 0
    unanswerable: list[Case] = field(default_factory=list)
    misses: list[Miss] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    @property
    def kept(self) -> float:
        return self.kept_picks / self.picks if self.picks else 0.0

    @property
    def relevant(self) -> float:
        return self.relevant_picks / self.picks if self.picks else 0.0


def read(path: Path) -> Iterator[Case | BadRow]:
    """The cases of a file, one JSON object a line. Raises OSError when it cannot be opened."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield Case.model_validate_json(line)
            except ValidationError as error:
                yield BadRow(path.name, number, error.errors(include_url=False)[0]["msg"], line.strip()[:200])


async def requests(
    engine: Recommender, path: Path, catalog: Sequence[Item], this_year: int, method: int = 1
) -> Report:
    """Ask the engine every request of a file, each as a stranger's first, and judge the first three picks.

    An answer without picks counts as one broken pick when the catalog holds an item that keeps `must`.
    """
    report = Report()
    for case in read(path):
        if isinstance(case, BadRow):
            report.bad.append(case)
            continue
        understood = await engine.understand(case.text, this_year=this_year)
        found = await engine.recommend(understood.request, Taste(), method=2 if method == 2 else 1)
        items = await engine.items([pick.id for pick in found.picks[:FIRST]])
        picks = [items[pick.id] for pick in found.picks[:FIRST]]
        if not picks:
            if any(not broken(case.must, item) for item in catalog):
                report.picks += 1
                report.misses.append(Miss(case, None, ("!",)))
            else:
                report.unanswerable.append(case)
        for item in picks:
            must, should = broken(case.must, item), broken(case.should, item)
            report.picks += 1
            report.kept_picks += not must
            report.relevant_picks += not must and not should
            if must or should:
                report.misses.append(Miss(case, item, (*(f"!{each}" for each in must), *should)))
    return report


def broken(conditions: dict[str, Any], item: Item) -> list[str]:
    """The conditions that an item does not meet, as written."""
    return [f"{key}={value}" for key, value in conditions.items() if not _holds(key, value, item)]


def _holds(key: str, wanted: Any, item: Item) -> bool:
    if compared := re.fullmatch(r"(\w+)(<=|>=)", key):
        value = getattr(item, compared[1])
        return value is not None and (value <= wanted if compared[2] == "<=" else value >= wanted)
    negated = key.startswith("not_")
    value = getattr(item, key.removeprefix("not_"))
    several = value if isinstance(value, tuple) else (value,)
    if negated:
        if value is None:
            return False
        return not any(each in value if isinstance(value, str) else each in several for each in wanted)
    return any(each in several for each in wanted) if isinstance(wanted, list) else value == wanted
