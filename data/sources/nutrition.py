"""Dishes of the food nutrition table of 식약처 (MFDS), as workbook or CSV, and of small tables made from it.

Values are for one serving. Only dishes become items: raw produce is counted and told. Knows no allergens, and what
it tells of a dish is little: name, kind and energy; such an item is a stub.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from data.item import BadRow, Item
from data.sources import dishes, workbook
from data.sources.files import EXCERPT, SourceError, table
from data.sources.rows import amount, damaged, made, plain

DISHES: Final = "음식"
"""The group of the table that holds dishes."""
PASSED_OVER: Final = (
    "농축산물",
    "수산물",
    "가공식품",
    "원재료성",
    "원재료성 식품",
    "원재료성식품",
    "건강기능식품",
)
"""Groups that hold produce, fish and packed goods."""
_ENCODINGS: Final = ("utf-8-sig", "cp949")
_MINISTRY: Final = ("식품코드", "DB군", "식품명", "식품상세분류", "에너지(kcal)")
_SMALL: Final = ("id", "food_name", "calorie")
CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
_LARGEST: Final = 5000

Row = dict[str, Any]


@dataclass(slots=True)
class _Dish:
    """All rows of one name."""

    line: int
    kind: str | None
    codes: list[str] = field(default_factory=list)
    kcal: list[float] = field(default_factory=list)


def read(path: Path) -> Iterator[Item | BadRow]:
    """One item a name, with the median energy of its regions and samples and all their codes, in order of the file.

    Rows that are broken come as they are met; what was passed over is told at the end, a BadRow for each group
    with its count, at the line of its first row.

    Raises:
        SourceError: the file cannot be read, or is neither the ministry's table nor one of its small ones.
    """
    rows = _of_workbook(path) if workbook.is_workbook(path) else _of_csv(path)
    found: dict[str, _Dish] = {}
    codes: set[str] = set()
    passed: Counter[str] = Counter()
    first: dict[str, tuple[int, str]] = {}
    small = False
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        line, cells = row
        small = "DB군" not in cells
        try:
            group = DISHES if small else _needed(cells, "DB군")
            title = _needed(cells, "food_name" if small else "식품명")
            if group not in (DISHES, *PASSED_OVER):
                raise ValueError(f"{group[:40]!r} is no group of the table; is the row shifted?")  # noqa: TRY301
            if group != DISHES:
                passed[group] += 1
                first.setdefault(group, (line, title))
                continue
            code = _needed(cells, "id" if small else "식품코드")
            if not CODE.fullmatch(code):
                raise ValueError(f"{code[:40]!r} is no code; is the row shifted?")  # noqa: TRY301
            kcal = energy(cells["calorie" if small else "에너지(kcal)"])
            kind = None if small else plain(cells["식품상세분류"])
            if code.lower() in codes:
                raise ValueError(f"code {code} stands twice")  # noqa: TRY301 (told like what helpers raise)
        except ValueError as error:
            yield BadRow(path.name, line, str(error), _excerpt(cells.values()))
            continue
        codes.add(code.lower())
        dish = found.setdefault(title, _Dish(line, kind))
        dish.codes.append(code)
        if kcal is not None:
            dish.kcal.append(kcal)
    if not found and not passed:
        raise SourceError(f"{path} holds no row that could be read; is it the ministry's table?")
    for title, dish in found.items():
        yield dish_of(
            path.name, dish.line, title, dish.kind, dish.codes, dish.kcal, "table" if small else "mfds"
        )
    for group, count in passed.items():
        line, title = first[group]
        yield BadRow(path.name, line, f"passed over: {count} of {group}, no dishes", title)


def dish_of(
    file: str,
    line: int,
    title: str,
    kind: str | None,
    codes: Sequence[str],
    kcal: Sequence[float],
    source: str,
) -> Item | BadRow:
    """The dish of a name, kind, codes and measured energies of a serving, or why it is none."""
    return made(
        file,
        line,
        {
            "id": f"food:{source}-{codes[0].lower()}",
            "domain": "food",
            "title": title,
            "kcal": round(median(kcal)) or None if kcal else None,
            **dishes.told(title, kind),
            "external_ids": {source: ",".join(codes)},
            "source": source,
        },
    )


def _needed(cells: Row, column: str) -> str:
    value = plain(cells[column])
    if value is None or damaged(value):
        raise ValueError(f"{column} is {'empty' if value is None else 'damaged (U+FFFD)'}")
    return value


def energy(cell: object) -> float | None:
    """Kilocalories; None for 0, which stands for "not measured".

    Raises:
        ValueError: no number, or one that no serving has.
    """
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        kcal = None if math.isnan(cell) else float(cell)
    else:
        kcal = amount(plain(cell), {"kcal": 1.0})
    if kcal is not None and not 0 <= kcal <= _LARGEST:
        raise ValueError(f"{kcal:g} kcal is no energy of a serving")
    return kcal or None


def _of_workbook(path: Path) -> Iterator[tuple[int, Row] | BadRow]:
    header: list[str] | None = None
    for number, cells in workbook.rows(path):
        if header is None:
            header = [_name(str(cell or "")) for cell in cells]
            if missing := [name for name in _MINISTRY if name not in header]:
                raise SourceError(f"{path} has no column {', '.join(missing)}; is it the ministry's table?")
            continue
        if any(cell is not None for cell in cells[len(header) :]):
            yield BadRow(
                path.name, number, f"{len(cells)} fields where the header has {len(header)}", _excerpt(cells)
            )
            continue
        # A row ends at its last cell that is filled.
        yield number, dict(zip(header, (*cells, *[None] * (len(header) - len(cells))), strict=False))


def _of_csv(path: Path) -> Iterator[tuple[int, Row] | BadRow]:
    for row in table(path, (), *_ENCODINGS):
        if isinstance(row, BadRow):
            yield row
            continue
        line, cells = row
        named = {_name(column): cell for column, cell in cells.items()}
        needed = _MINISTRY if "DB군" in named else _SMALL
        if missing := [column for column in needed if column not in named]:
            raise SourceError(f"{path} has no column {', '.join(missing)}; is it the ministry's table?")
        yield line, named


def _name(column: str) -> str:
    """A column's name with the sign ㎉ spelled out."""
    return unicodedata.normalize("NFKC", column).strip()


def _excerpt(cells: Iterable[object]) -> str:
    return ",".join("" if cell is None else str(cell) for cell in cells)[:EXCERPT]
