"""Kakao's Local API: what it is asked to find places by a word, and what its answer says. Asks nobody itself.

https://developers.kakao.com/docs/latest/ko/local/dev-guide ("키워드로 장소 검색하기"): GET
/v2/local/search/keyword.json with `Authorization: KakaoAK KEY`; x is the longitude; radius 0 to 20,000 m; page 1 to
45, size 1 to 15; no more than 45 places are to be had of one search. Refusals are `{"errorType", "message"}` with 400,
401, 403 or 429; the message of a 401 repeats the key, so none is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from engine.place import (
    NAME_LENGTH,
    Dish,
    Place,
    Unusable,
    decoded,
    degrees,
    metres,
    on_globe,
    phone_of,
    words_of,
)

PATH: Final = "/v2/local/search/keyword.json"
FARTHEST: Final = 20_000
"""Metres around a place."""
LAST_PAGE: Final = 45
RESTAURANTS: Final = "FD6"
CAFES: Final = "CE7"
_PAGE: Final = re.compile(r"https?://(place\.map\.kakao\.com/[0-9]{1,20})")
_ALL: Final = "음식점"
"""Where every category of a restaurant begins; it says nothing."""


def parameters(
    latitude: float, longitude: float, dish: Dish, radius: int, page: int, size: int
) -> dict[str, str | int]:
    """The query of one search, nearest first."""
    return {
        "query": dish.asked,
        "category_group_code": CAFES if dish.cuisine == "cafe" else RESTAURANTS,
        "x": f"{longitude:.6f}",
        "y": f"{latitude:.6f}",
        "radius": min(radius, FARTHEST),
        "sort": "distance",
        "page": min(page, LAST_PAGE),
        "size": size,
    }


def places(body: bytes, latitude: float, longitude: float) -> tuple[tuple[Place, ...], bool]:
    """The places of an answer, and whether another page follows. What is no place is left out.

    Raises Unusable.
    """
    whole = decoded(body)
    meta, documents = whole.get("meta"), whole.get("documents")
    if not isinstance(meta, dict) or not isinstance(documents, list):
        raise Unusable("no places in it")
    found = [_place(each, latitude, longitude) for each in documents if isinstance(each, dict)]
    kept = tuple(place for place in found if place is not None)
    return kept, bool(kept) and meta.get("is_end") is False


def _place(document: Mapping[str, Any], latitude: float, longitude: float) -> Place | None:
    name = words_of(document, "place_name", limit=NAME_LENGTH)
    page = _PAGE.fullmatch(words_of(document, "place_url"))
    distance = _distance(document, latitude, longitude)
    if not name or page is None or distance is None:
        return None
    kinds = [kind.strip() for kind in words_of(document, "category_name").split(">")]
    return Place(
        name,
        distance,
        f"https://{page[1]}",
        words_of(document, "road_address_name", "address_name"),
        phone_of(words_of(document, "phone")),
        " > ".join(kind for kind in kinds if kind not in ("", _ALL)),
    )


def _distance(document: Mapping[str, Any], latitude: float, longitude: float) -> int | None:
    """Metres, as told or else from where the place is."""
    told = words_of(document, "distance")
    if told.isascii() and told.isdecimal() and len(told) <= 6:
        return int(told)
    there = degrees(document.get("y")), degrees(document.get("x"))
    return metres(latitude, longitude, *there) if on_globe(*there) else None
