"""Dishes of the food nutrition database of 식약처 (MFDS) from the web API at data.go.kr.

Energies there are those of 100 g or 100 ml; a serving's follows where a serving's weight is told. How a dish becomes
an item tells `nutrition`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from data.item import BadRow, Item, Mark
from data.sources import nutrition, pages
from data.sources.rows import amount, damaged, plain
from data.sources.web import KEY, SPENT, Client, Service

_SIZE: Final = 100
_PAGE: Final = pages.of_json("nutrition", "items", r'\{\s*"(?:NUM|FOOD_CD)"\s*:', "totalCount")
_FAULT: Final = re.compile(r'"?(?:returnReasonCode|resultCode)"?\s*[:>]\s*"?([0-9A-Z_]{1,60})')
_SAID: Final = re.compile(r'"?(?:returnAuthMsg|resultMsg|errMsg)"?\s*[:>]\s*"?([^"<]{1,200})')
_WELL: Final = frozenset({"00", "0", "000", "03"})
_SPENT: Final = ("22", "21", "LIMITED_NUMBER_OF_SERVICE_REQUESTS")
_NO_KEY: Final = ("20", "30", "31", "32", "33", "SERVICE_KEY_IS_NOT_REGISTERED", "SERVICE_ACCESS_DENIED")
_GRAMS: Final = {"g": 1.0, "kg": 1000.0, "ml": 1.0, "l": 1000.0}


def _fault(text: str) -> str:
    """The portal answers for the ministry, in XML whatever was asked for, with 200 or 403; the ministry in JSON."""
    if not (found := _FAULT.search(text[:2000])) or found[1] in _WELL:
        return ""
    said = _SAID.search(text[:2000])
    words = f"{found[1]} {said[1] if said else ''}"
    for kind, told in ((SPENT, _SPENT), (KEY, _NO_KEY)):
        if found[1] in told or any(word in words for word in told if len(word) > 2):
            return kind
    return words.strip()


SERVICE: Final = Service(
    "data.go.kr",
    "https://apis.data.go.kr/1471000/FoodNtrCpntDbInfo02/",
    "serviceKey",
    "ONEULMWO_DATA_GO_KR_KEY",
    "https://www.data.go.kr/data/15127578/openapi.do",
    5.0,
    _fault,
)


def read(client: Client, query: str, cursor: str) -> Iterator[Item | BadRow | Mark]:
    """The dishes whose names hold the query, all for an empty one: representative ones, no products of makers. What
    is no dish is told and passed over.

    Raises:
        SourceError: as `Client.get` does.
    """
    asked = {"FOOD_NM_KR": query} if query else {}
    listing = pages.Listing(
        "getFoodNtrCpntDbInq02",
        lambda page: {
            "type": "json",
            "DB_CLASS_NM": "품목대표",
            **asked,
            "pageNo": page,
            "numOfRows": _SIZE,
        },
        _SIZE,
        _PAGE,
        start=pages.page_of(cursor),
    )
    for row in pages.listed(client, "nutrition", listing):
        yield _dish(row) if isinstance(row, pages.Row) else row


def _dish(row: pages.Row) -> Item | BadRow:
    try:
        group, name = _needed(row.record, "DB_GRP_NM"), _needed(row.record, "FOOD_NM_KR")
        if group != nutrition.DISHES:
            return BadRow("nutrition", row.number, f"passed over: {group[:20]} is no dish", name)
        code = _needed(row.record, "FOOD_CD")
        if not nutrition.CODE.fullmatch(code):
            raise ValueError(f"{code[:40]!r} is no code")  # noqa: TRY301 (told like what helpers raise)
        kcal = _serving(row.record)
        kind = plain(row.record.get("FOOD_CAT1_NM"))
    except ValueError as error:
        return BadRow("nutrition", row.number, str(error), row.excerpt)
    energies = [] if kcal is None else [kcal]
    return nutrition.dish_of("nutrition", row.number, title(name), kind, [code], energies, "mfds")


def title(name: str) -> str:
    """The name as people say it: "김치찌개_돼지고기" is 돼지고기 김치찌개, "국수_잔치국수" is 잔치국수."""
    dish, *kinds = (part.strip() for part in name.split("_") if part.strip())
    kind = " ".join(kinds)
    return kind if dish in kind else f"{kind} {dish}".strip()


def _serving(record: Mapping[str, Any]) -> float | None:
    """Kilocalories of a serving; None where they were not measured, or no weight is told.

    Raises:
        ValueError: a number is none, or more than any serving has.
    """
    kcal = nutrition.energy(plain(record.get("AMT_NUM1")))
    basis = amount(plain(record.get("SERVING_SIZE")), _GRAMS)
    whole = amount(plain(record.get("Z10500")), _GRAMS)
    if kcal is None or not basis or not whole:
        return None
    return nutrition.energy(kcal * whole / basis)


def _needed(record: Mapping[str, Any], field: str) -> str:
    value = plain(record.get(field))
    if value is None or damaged(value):
        raise ValueError(f"{field} is {'empty' if value is None else 'damaged (U+FFFD)'}")
    return value
