"""The evaluation: what its conditions mean, and what counts as kept, relevant, missed or unanswerable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.item import BadRow, Item
from engine.recommender import Recommender
from finetune.evaluate import Case, broken, read, requests

FILM = Item.model_validate(
    {
        "id": "movie:x",
        "domain": "movie",
        "title": "김치 전쟁",
        "year": 1995,
        "genres": ["drama", "war"],
        "age": 12,
    }
)
DISH = Item.model_validate(
    {
        "id": "food:x",
        "domain": "food",
        "title": "김치찌개",
        "spicy": 2,
        "allergens": None,
        "soupy": True,
        "served": ["hot"],
    }
)


@pytest.mark.parametrize(
    ("condition", "item", "holds"),
    [
        ({"domain": "movie"}, FILM, True), ({"domain": "food"}, FILM, False),
        ({"genres": ["war", "sf"]}, FILM, True), ({"genres": ["sf"]}, FILM, False),
        ({"not_genres": ["sf"]}, FILM, True), ({"not_genres": ["war"]}, FILM, False),
        ({"not_title": ["김치"]}, FILM, False), ({"not_title": ["떡볶이"]}, FILM, True),
        ({"year>=": 1990, "year<=": 1999}, FILM, True), ({"year>=": 1995}, FILM, True), ({"year<=": 1994}, FILM, False),
        ({"length<=": 120}, FILM, False), ({"length>=": 1}, FILM, False),
        ({"spicy<=": 2}, DISH, True), ({"spicy<=": 1}, DISH, False),
        ({"not_allergens": ["egg"]}, DISH, False),
        ({"soupy": True}, DISH, True), ({"soupy": False}, DISH, False), ({"served": ["hot"]}, DISH, True),
        ({"cuisine": ["korean"]}, DISH, False), ({}, DISH, True),
    ],
)  # fmt: skip
def test_a_condition_means_what_the_readme_says(condition: dict[str, Any], item: Item, holds: bool) -> None:
    """Unknown allergens never count as free of one, and an unknown length keeps no limit."""
    assert (broken(condition, item) == []) is holds


def test_broken_conditions_are_named_as_written() -> None:
    assert broken({"domain": "movie", "age<=": 7}, FILM) == ["age<==7"]


def written(path: Path, *rows: dict[str, Any] | str) -> Path:
    path.write_text(
        "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8"
    )
    return path


def test_a_line_that_is_no_case_is_named_and_the_rest_read(tmp_path: Path) -> None:
    path = written(
        tmp_path / "q.jsonl",
        {"id": "a", "text": "영화"},
        "{oops",
        "",
        {"id": "b"},
        {"id": "c", "text": "책", "x": 1},
    )
    rows = list(read(path))
    assert [(row.line, row.file) for row in rows if isinstance(row, BadRow)] == [
        (2, "q.jsonl"),
        (4, "q.jsonl"),
        (5, "q.jsonl"),
    ]
    assert [row.id for row in rows if isinstance(row, Case)] == ["a"]


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        list(read(tmp_path / "none.jsonl"))


async def test_picks_are_judged_by_must_and_should(
    recommender: Recommender, catalog_items: tuple[Item, ...], tmp_path: Path
) -> None:
    path = written(
        tmp_path / "q.jsonl",
        {"id": "good", "text": "봉준호 감독 영화", "must": {"domain": "movie", "creators": ["봉준호"]}},
        {"id": "wrong", "text": "봉준호 감독 영화", "must": {"domain": "book"}},
        {"id": "bland", "text": "봉준호 감독 영화", "must": {"domain": "movie"}, "should": {"genres": ["western"]}},
        {"id": "empty", "text": "봉준호 감독 서부 영화 1950년대", "must": {"creators": ["봉준호"], "genres": ["western"]}},
        {"id": "missed", "text": "봉준호 감독 서부 영화", "must": {"domain": "movie"}},
        "not json",
    )  # fmt: skip
    report = await requests(recommender, path, catalog_items, 2026)
    assert report.picks == 3 + 3 + 3 + 1
    assert (report.kept_picks, report.relevant_picks) == (6, 3)
    assert (report.kept, report.relevant) == (0.6, 0.3)
    assert [case.id for case in report.unanswerable] == ["empty"]
    assert [(row.line, row.file) for row in report.bad] == [(6, "q.jsonl")]
    by_case = {miss.case.id: miss for miss in report.misses}
    assert by_case["wrong"].broken == ("!domain=book",)
    assert by_case["bland"].broken == ("genres=['western']",)
    assert (by_case["missed"].item, by_case["missed"].broken) == (None, ("!",))


async def test_no_cases_are_no_division_by_zero(recommender: Recommender, tmp_path: Path) -> None:
    report = await requests(recommender, written(tmp_path / "q.jsonl", ""), (), 2026)
    assert (report.kept, report.relevant) == (0.0, 0.0)


@pytest.mark.parametrize("method", [1, 2])
async def test_the_example_requests_are_answered_without_a_broken_rule(
    recommender: Recommender, catalog_items: tuple[Item, ...], method: int
) -> None:
    path = Path(__file__).parents[2] / "shared" / "eval" / "queries.jsonl"
    if not path.exists():
        pytest.skip("../shared/eval is absent")
    report = await requests(recommender, path, catalog_items, 2026, method)
    assert report.bad == []
    assert report.kept == 1.0
    assert report.relevant >= 0.9


@pytest.mark.parametrize("name", ["requests.jsonl", "requests_companion.jsonl", "requests_catalog.jsonl"])
async def test_the_requests_of_our_own_keep_every_must(
    recommender: Recommender, catalog_items: tuple[Item, ...], name: str
) -> None:
    """Written before their answers were looked at; kept was 0.961 and 0.795 then (docs/log.md)."""
    report = await requests(recommender, Path(__file__).with_name(name), catalog_items, 2026)
    assert report.bad == []
    assert report.kept == 1.0
    assert report.relevant >= 0.9
