"""Korean recipes of 농식품정보누리 (MAFRA): recipes, ingredients and steps in three JSON files, joined by recipe code.

Takes the keys of the open API (RECIPE_ID …) and those of the copy that goes around (recipe_code …). Allergens
stay unknown: enrichment reads them off the ingredients.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from data.item import BadRow, Item
from data.sources import dishes
from data.sources.files import EXCERPT, SourceError
from data.sources.records import records
from data.sources.rows import amount, damaged, made, plain

RECIPES: Final = "recipes.json"
INGREDIENTS: Final = "recipe_ingredients.json"
STEPS: Final = "recipe_process.json"

_KEYS: Final = {
    "RECIPE_ID": "recipe_code", "RECIPE_NM_KO": "recipe", "SUMRY": "introduce", "NATION_NM": "category",
    "TY_NM": "class", "COOKING_TIME": "time", "CALORIE": "calorie", "IMG_URL": "imageURL",
    "DET_URL": "detailURL", "IRDNT_NM": "name",
}  # fmt: skip
_MINUTES: Final = {"분": 1.0, "시간": 60.0}
_KCAL: Final = {"kcal": 1.0}

Record = dict[str, object]


def read(folder: Path) -> Iterator[Item | BadRow]:
    """The dishes in the order of `recipes.json`, then codes of ingredients and steps that no recipe has.

    A BadRow's line is the number of the record (from 1). A recipe without ingredients is an item all the same;
    the file of steps may be missing, for nothing in an item comes from it.

    Raises:
        SourceError: the folder or one of the first two files cannot be read, or is something else.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder; name the one that holds {RECIPES} and {INGREDIENTS}.")
    contents: dict[str, list[str]] = {}
    first: dict[str, int] = {}
    bad: list[BadRow] = []
    for number, code, record in _coded(folder / INGREDIENTS, bad):
        first.setdefault(code, number)
        try:
            name = plain(record.get("name"))
        except ValueError as error:
            bad.append(BadRow(INGREDIENTS, number, str(error), _excerpt(record)))
            continue
        if name is None or damaged(name):
            bad.append(BadRow(INGREDIENTS, number, "the ingredient has no legible name", _excerpt(record)))
        else:
            contents.setdefault(code, []).append(name)
    seen: set[str] = set()
    lost: list[BadRow] = []
    for number, code, record in _coded(folder / RECIPES, lost):
        yield from _flushed(lost)
        if code in seen:
            yield BadRow(RECIPES, number, f"recipe code {code} stands twice", _excerpt(record))
            continue
        seen.add(code)
        yield _dish(number, code, record, contents.get(code, []))
    yield from _flushed(lost)
    yield from bad
    yield from _orphans(INGREDIENTS, first, seen)
    if (folder / STEPS).exists():
        steps: dict[str, int] = {}
        for number, code, _ in _coded(folder / STEPS, lost):
            steps.setdefault(code, number)
        yield from _flushed(lost)
        yield from _orphans(STEPS, steps, seen)


def _coded(path: Path, bad: list[BadRow]) -> Iterator[tuple[int, str, Record]]:
    """Records with their number and recipe code, keys as in the copy; those without one go to `bad`."""
    for found in records(path, "row"):
        if isinstance(found, BadRow):
            bad.append(found)
            continue
        number, value = found
        if not isinstance(value, dict):
            bad.append(BadRow(path.name, number, "no record: it needs a recipe code", str(value)[:EXCERPT]))
            continue
        record = {_KEYS.get(str(key), str(key)): field for key, field in value.items()}
        try:
            code = plain(record.get("recipe_code")) or ""
        except ValueError:
            code = ""
        if code.isascii() and code.isdigit():
            yield number, code, record
        else:
            bad.append(BadRow(path.name, number, "it has no recipe code", _excerpt(record)))


def _dish(number: int, code: str, record: Record, names: list[str]) -> Item | BadRow:
    try:
        title, kind, nation, summary, time, calorie, cover, url = (
            plain(record.get(key))
            for key in (
                "recipe",
                "class",
                "category",
                "introduce",
                "time",
                "calorie",
                "imageURL",
                "detailURL",
            )
        )
        minutes, kcal = amount(time, _MINUTES), amount(calorie, _KCAL)
    except ValueError as error:
        return BadRow(RECIPES, number, str(error), _excerpt(record))
    if title is None:
        return BadRow(RECIPES, number, "it has no name", _excerpt(record))
    if dishes.no_dish(kind):
        return BadRow(RECIPES, number, f"passed over: {kind} is no dish", _excerpt(record))
    inside = dishes.ingredients(names)
    return made(
        RECIPES,
        number,
        {
            "id": f"food:mafra-{code}",
            "domain": "food",
            "title": title,
            "summary": summary,
            "length": round(minutes) if minutes else None,
            "kcal": round(kcal) if kcal else None,  # 0 stands for unknown
            "ingredients": inside,
            **dishes.told(title, kind, nation, summary, inside),
            "external_ids": {"mafra": code},
            "cover": _web(cover),
            "url": _web(url),
            "source": "mafra",
        },
    )


def _orphans(file: str, codes: dict[str, int], seen: set[str]) -> Iterator[BadRow]:
    for code, number in codes.items():
        if code not in seen:
            yield BadRow(file, number, f"no recipe has the code {code}", code)


def _flushed(bad: list[BadRow]) -> Iterator[BadRow]:
    yield from bad
    bad.clear()


def _web(address: str | None) -> str | None:
    return address if address and address.startswith(("http://", "https://")) else None


def _excerpt(record: Record) -> str:
    return str(record)[:EXCERPT]
