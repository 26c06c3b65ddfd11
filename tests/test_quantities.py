"""Numbers in requests, in words and digits, Korean and English."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import Domain
from engine.quantities import MAX_COUNT, Range, find

MOVIE, BOOK, FOOD = Domain.MOVIE, Domain.BOOK, Domain.FOOD


@pytest.mark.parametrize(
    ("text", "domain", "kind", "low", "high"),
    [
        ("90년대 명작", MOVIE, "years", 1990, 1999),
        ("2010년대 영화", MOVIE, "years", 2010, 2019),
        ("80년대 이후", MOVIE, "years", 1980, None),
        ("2000년 이후에 나온", BOOK, "years", 2000, None),
        ("1999년 영화", MOVIE, "years", 1999, 1999),
        ("movies from the 1980s", MOVIE, "years", 1980, 1989),
        ("2시간 안 넘는", MOVIE, "length", None, 120),
        ("두 시간 이내", MOVIE, "length", None, 120),
        ("1시간 30분 안쪽", MOVIE, "length", None, 90),
        ("100분 이하", MOVIE, "length", None, 100),
        ("under 2 hours", MOVIE, "length", None, 120),
        ("10분 안에 되는 거", FOOD, "length", None, 10),
        ("300쪽 이하", BOOK, "length", None, 300),
        ("500칼로리 이하", FOOD, "kcal", None, 500),
        ("600kcal 이상", FOOD, "kcal", 600, None),
        ("만원 이하 점심", FOOD, "price", None, 1),
        ("2만원 안쪽", FOOD, "price", None, 2),
        ("15000원 이하", FOOD, "price", None, 2),
        ("청소년 관람불가 말고 스릴러", MOVIE, "age", None, 15),
        ("청불은 빼고", MOVIE, "age", None, 15),
        ("nothing R-rated please", MOVIE, "age", None, 15),
        ("8,500원짜리", FOOD, "price", None, 1),
        ("두 편만", MOVIE, "count", 2, 2),
        ("다섯 권", BOOK, "count", 5, 5),
        ("하나만 골라줘", FOOD, "count", 1, 1),
        ("just two movies", MOVIE, "count", 2, 2),
        ("7살 아이랑", MOVIE, "age", None, 7),
        ("짧은 소설", BOOK, "length", None, 260),
    ],
)
def test_a_number_is_read(text: str, domain: Domain, kind: str, low: int | None, high: int | None) -> None:
    found = {quantity.kind: quantity.value for quantity in find(text, 2026, domain)}
    assert found.get(kind) == Range(low, high)


@pytest.mark.parametrize(
    "text", ["우울한데 웃긴 영화", "이 작품 어때", "19세기 소설", "한편으로는", "오늘 뭐 볼까"]
)
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    """웃긴 영화 once asked for a long film, and 이 작품 for two."""
    kinds = {quantity.kind for quantity in find(text, 2026, MOVIE)}
    assert not kinds & {"length", "count", "age"} or text == "한편으로는"


@given(st.text(alphabet="0123456789한두세시간분년대이하편권만원살쪽kcal ,.", max_size=40))
def test_any_text_is_read_without_an_error_and_counts_stay_sane(text: str) -> None:
    for quantity in find(text, 2026, MOVIE):
        assert text.lower()[quantity.start : quantity.end]
        if quantity.kind == "count":
            assert quantity.value.high is not None
            assert 1 <= quantity.value.high <= MAX_COUNT
