"""What Kakao's Local API and Overpass answer, by their own words, for tests of what asks them."""

from __future__ import annotations

from typing import Any

from tests.service import Say

KAKAO_REFUSALS = {
    "no such key": Say({"errorType": "AccessDeniedError", "message": "wrong appKey(S3cret) format"}, 401),
    "another address": Say(
        {"errorType": "AccessDeniedError", "message": "ip mismatched! callerIp=1.2.3.4"}, 401
    ),
    "switched off": Say(
        {"errorType": "NotAuthorizedError", "message": "App(x) disabled OPEN_MAP_AND_LOCAL service."}, 403
    ),
    "used up": Say({"errorType": "RequestThrottled", "message": "API limit has been exceeded."}, 429),
}
BUSY = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html><head><title>OSM3S Response</title></head><body><p>The data included in this document is from
www.openstreetmap.org.</p><p><strong style="color:#FF0000">Error</strong>: runtime error: open64: 0 Success
/osm3s_osm_base Dispatcher_Client::request_read_and_idx::timeout. The server is probably too busy to handle your
request. </p></body></html>"""
TIMED_OUT = 'runtime error: Query timed out in "query" at line 1 after 4 seconds.'


def document(name: Any = "은주정", distance: int | str = 350, **other: Any) -> dict[str, Any]:
    """One place as Kakao tells it."""
    return {
        "address_name": "서울 중구 주교동 43-23", "category_group_code": "FD6", "category_group_name": "음식점",
        "category_name": "음식점 > 한식 > 찌개,전골", "distance": str(distance), "id": "8332362",
        "phone": "02-2265-4669", "place_name": name, "place_url": "http://place.map.kakao.com/8332362",
        "road_address_name": "서울 중구 창경궁로8길 32", "x": "126.99964", "y": "37.56835",
    } | other  # fmt: skip


def documents(*found: Any, end: bool = True) -> dict[str, Any]:
    """Kakao's answer."""
    same_name = {"keyword": "김치찌개", "region": [], "selected_region": ""}
    meta = {"is_end": end, "pageable_count": 45, "total_count": 1203, "same_name": same_name}
    return {"documents": list(found), "meta": meta}


def element(number: int = 1, *, north: float = 0.001, kind: str = "node", **tags: str) -> dict[str, Any]:
    """One place as Overpass tells it, so many degrees north of Seoul's City Hall."""
    at = {"lat": 37.5665 + north, "lon": 126.978}
    tags = {"amenity": "restaurant", "name": f"식당 {number}"} | {
        name.replace("__", ":"): value for name, value in tags.items()
    }
    return {"type": kind, "id": number, "tags": tags} | (at if kind == "node" else {"center": at})


def elements(*found: Any, **other: Any) -> dict[str, Any]:
    """Overpass's answer."""
    stamp = {
        "timestamp_osm_base": "2026-11-22T02:00:00Z",
        "copyright": "The data is from www.openstreetmap.org.",
    }
    return {
        "version": 0.6,
        "generator": "Overpass API 0.7.62.8",
        "osm3s": stamp,
        "elements": list(found),
    } | other
