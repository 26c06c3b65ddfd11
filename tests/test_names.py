"""The dictionary of names: spellings found in texts, words that only contain one, misspelt names."""

from __future__ import annotations

import pytest

from data.item import Domain, Item
from engine.names import Gathering, Names
from engine.tables import StoredNames, name_rows
from engine.text import normalize


def work(key: str, title: str, **more: object) -> Item:
    return Item.model_validate({"id": key, "domain": key.split(":")[0], "title": title, **more})


ITEMS = (
    work("movie:a", "살인의 추억", creators=["봉준호"], people=["송강호"], title_en="Memories of Murder", aliases=["살추"]),
    work("movie:b", "괴물", creators=["봉준호"], people=["송강호"]),
    work("book:c", "괴물", creators=["O'Brien"]),
    work("book:d", "흰", creators=["한강"]),
    work("food:e", "김치찌개", ingredients=["김치", "돼지고기"]),
    work("book:f", "100% 완벽한 '날'"),
)  # fmt: skip
NAMES = Names.of(ITEMS)


def said(text: str) -> set[tuple[str, str]]:
    return {(match.name.kind, match.name.value) for match in NAMES.find(text)}


@pytest.mark.parametrize(
    "text",
    [
        "살인의 추억",
        "살인의추억 봤어",
        "memories of murder",
        "MEMORIES OF MURDER!",
        "살추 어때",
        "'살인의 추억'",
    ],
)
def test_a_title_is_found_in_every_spelling(text: str) -> None:
    assert ("title", "살인의 추억") in said(text)


@pytest.mark.parametrize("text", ["봉준호 감독", "봉 준호가 만든", "봉준호의 영화"])
def test_a_person_is_found_with_particles(text: str) -> None:
    assert ("creator", "봉준호") in said(text)


@pytest.mark.parametrize("text", ["괴물딱지", "흰머리가 늘었어", "흰색 옷", "희미한", "", "   "])
def test_a_part_of_a_word_is_no_name(text: str) -> None:
    assert said(text) == set()


def test_a_one_syllable_title_counts_alone() -> None:
    assert said("흰") == {("title", "흰")}


def test_two_works_of_one_title_are_both_named() -> None:
    assert {match.name.items for match in NAMES.find("괴물")} == {("movie:b",), ("book:c",)}


def test_a_person_names_every_work_once() -> None:
    """Two spellings that squeeze alike once put an id in twice."""
    assert next(m.name.items for m in NAMES.find("봉준호")) == ("movie:a", "movie:b")
    twice = Names.of([work("movie:a", "쇼생크 탈출", aliases=["쇼생크탈출"])])
    assert twice.find("쇼생크 탈출")[0].name.items == ("movie:a",)


def test_the_longest_name_wins() -> None:
    assert said("김치찌개 먹자") == {("title", "김치찌개")}


def test_a_match_stands_where_it_was_said() -> None:
    text = "어제 살인의추억 봤어"
    (match,) = NAMES.find(text)
    assert text[match.start : match.end] == "살인의추억"


def test_quotes_and_signs_do_not_matter() -> None:
    assert ("title", "100% 완벽한 '날'") in said("100% 완벽한 날")
    assert ("creator", "O'Brien") in said("obrien")


@pytest.mark.parametrize(
    ("text", "value"), [("봉준후", "봉준호"), ("살인의 추엌", "살인의 추억"), ("김치찌게", "김치찌개"), ("memory of murder", "살인의 추억")]
)  # fmt: skip
def test_a_misspelt_name_is_taken_for_the_nearest(text: str, value: str) -> None:
    name = NAMES.closest(text)
    assert name is not None
    assert name.value == value


@pytest.mark.parametrize("text", ["재밌는 거", "봉봉", "심심해", "비빔국수", ""])
def test_a_text_near_no_name_is_none(text: str) -> None:
    assert NAMES.closest(text) is None


def test_only_the_kinds_asked_for_are_near() -> None:
    assert NAMES.closest("봉준후", ("title",)) is None


def test_stored_rows_make_the_same_dictionary() -> None:
    gathered = Gathering()
    gathered.add(ITEMS)
    again = Names(StoredNames(name_rows(gathered)))
    assert dict(again._by_key) == dict(NAMES._by_key)
    assert again.find("괴물") == NAMES.find("괴물")


def test_no_names_find_nothing() -> None:
    assert Names(()).find("괴물") == []
    assert Names(()).closest("살인의 추억") is None


def test_every_shipped_title_is_found_when_it_is_said(catalog_items: tuple[Item, ...]) -> None:
    names = Names.of(catalog_items)
    missed = [
        spelling
        for item in catalog_items
        for spelling in (item.title, *item.aliases)
        if not any(item.id in m.name.items for m in names.find(normalize(spelling)))
    ]
    assert missed == []
    assert {match.name.domain for match in names.find("마당을 나온 암탉")} == {Domain.BOOK, Domain.MOVIE}
