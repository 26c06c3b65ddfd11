"""What the name, kind, summary and ingredients of a dish tell of it, by the words in `lexicon/sources_foods.toml`.

Knows no file format. What the words do not tell stays unknown, allergens always.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

_LABEL: Final = re.compile(r"^\s*\[[^\]]*\]\s*")
_BETWEEN: Final = re.compile(r"(?:[·、]|(?<!\d)[,/])(?![^()]*\))")
_AMOUNT: Final = re.compile(
    r"\s+(?:각각|약간|적당량|조금|소량|(?:약\s*)?[\d½⅓¼¾][\d./~½⅓¼¾]*\s*"
    r"(?:kg|g|mg|ml|l|cc|컵|큰술|작은술|스푼|t|ts|개|장|쪽|줄기|줄|뿌리|대|톨|알|마리|모|단|줌|봉지|봉|캔|토막|인분|근|통|포기)?)$",
    re.IGNORECASE,
)


@cache
def words() -> dict[str, Any]:
    """The word list of dishes."""
    return tomllib.loads((files("data") / "lexicon" / "sources_foods.toml").read_text(encoding="utf-8"))


@cache
def _kinds() -> dict[str, dict[str, Any]]:
    return {
        name: {field: told for field, told in kind.items() if field != "names"}
        for kind in words()["kinds"]
        for name in kind["names"]
    }


def no_dish(kind: str | None) -> bool:
    """Whether things of the kind only season a dish."""
    return kind in words()["passed_over"]["names"]


def ingredients(names: Iterable[str]) -> tuple[str, ...]:
    """Names without amounts, headings ("[양념장] 다진파") and tools, split at commas, each once, in order.

    What stands in brackets behind a name stays: it may hold an allergen ("다짐육(돼지고기)").
    """
    cleaned: dict[str, None] = {}
    for name in names:
        for part in _BETWEEN.split(_LABEL.sub("", name)):
            bare = _AMOUNT.sub("", " ".join(part.split())).strip()
            if bare and bare not in words()["ingredients"]["tools"]:
                cleaned[bare] = None
    return tuple(cleaned)


def told(
    title: str,
    kind: str | None,
    nation: str | None = None,
    summary: str | None = None,
    contents: Sequence[str] = (),
) -> dict[str, Any]:
    """The fields of an Item that the words tell: cuisine, country, soupy, served, meals, spicy."""
    fields: dict[str, Any] = dict(_kinds().get(kind or "", {}))
    for rule in reversed(words()["titles"]):
        if any(part in title for part in rule["parts"]):
            fields["cuisine"] = rule["cuisine"]
    fields.update(words()["nations"].get(nation or "", {}))
    if any(part in title for part in words()["cold"]["parts"]):
        fields["served"] = ["cold"]
    meals = [
        meal for meal, parts in words()["meals"].items() if any(part in (summary or "") for part in parts)
    ]
    fields["meals"] = tuple(dict.fromkeys([*fields.get("meals", ()), *meals]))
    fields["spicy"] = _spicy(title, summary or "", contents)
    return fields


def _spicy(title: str, summary: str, contents: Sequence[str]) -> int | None:
    """From 0 to 2; None where it cannot be told, for what has no ingredients in the table above all."""
    spice = words()["spice"]
    if any(part in title for part in spice["titles"]) or any(part in summary for part in spice["summaries"]):
        return 2
    inside = " ".join(contents)
    if any(part in inside for part in spice["certain"]):
        return 1
    return None if not contents or any(part in inside for part in spice["possible"]) else 0
