"""What readers have in common: a value made plain text, a number out of its units, an Item or the reason for none.

Knows no data set and opens no file.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from data.item import BadRow, Item
from data.sources.files import EXCERPT

_DAMAGE: Final = re.compile(r"[\ufffd\ud800-\udfff]")
_NUMBER: Final = r"(?<![\d.,])(?:\d{1,3}(?:,\d{3}){1,3}|\d{1,15})(?:\.\d{1,30})?"
_BARE: Final = re.compile(_NUMBER)


def plain(value: object) -> str | None:
    """The value as text on one line; None for what stands for nothing: null, NaN, blanks.

    A whole number stored as a float is written as one ("149.0" is code 149).

    Raises:
        ValueError: it is neither text nor a number.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{str(value)[:40]!r} is neither text nor a number")  # noqa: TRY004 (a row's fault)
    return " ".join(str(value).split()) or None


def amount(text: str | None, units: Mapping[str, float]) -> float | None:
    """The number in a text, each unit by its factor, added up: "1시간 30분" with 시간 = 60 and 분 = 1 is 90.

    A number alone counts as it is; of a range ("30~40분") the number at the unit counts. Nothing, or a unit
    without a number ("Kcal"), is None: not known.

    Raises:
        ValueError: something else, a negative number too.
    """
    written = unicodedata.normalize("NFKC", text or "").strip().casefold()
    factors = {unicodedata.normalize("NFKC", unit).strip().casefold(): units[unit] for unit in units}
    if not written or written in factors:
        return None
    if _BARE.fullmatch(written):
        return float(written.replace(",", ""))
    named = "|".join(re.escape(unit) for unit in sorted(factors, key=len, reverse=True))
    found = re.findall(rf"({_NUMBER})\s*({named})(?![a-z])", written) if named else []
    if not found or written.startswith(("-", "−")):
        raise ValueError(f"{written[:40]!r} is no number" + (f" of {', '.join(units)}" if units else ""))
    return math.fsum(float(number.replace(",", "")) * factors[unit] for number, unit in found)


def damaged(*texts: str | None) -> bool:
    """Whether a text lost characters on its way: it holds U+FFFD, or half of a surrogate pair."""
    return any(text and _DAMAGE.search(text) for text in texts)


def made(file: str, line: int, fields: Mapping[str, Any]) -> Item | BadRow:
    """The item that has these fields, or why it is none. Unknown ones (None) count as left out."""
    known = {name: value for name, value in fields.items() if value is not None}
    excerpt = " ".join(str(value) for value in known.values())[:EXCERPT]
    lists = (part for value in known.values() if isinstance(value, tuple | list) for part in value)
    if damaged(*(text for text in (*known.values(), *lists) if isinstance(text, str))):
        return BadRow(
            file, line, "characters are lost (U+FFFD); get the file again in its own encoding", excerpt
        )
    try:
        return Item.model_validate(known)
    except ValidationError as error:
        return BadRow(file, line, reason(error), excerpt)


def reason(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]
