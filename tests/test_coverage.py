"""The coverage: what its cells count, what its patterns leave out, and that the shipped catalog has several answers in each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli import app
from data.item import Domain, Item
from data.sources import catalog
from engine.text import normalize
from finetune.coverage import Coverage, CoverageError, Table, cover, tables

EXPECTED = Path(__file__).parent / "expected"
SHIPPED = [row for row in catalog.shipped() if isinstance(row, Item)]
LEAST = {Domain.BOOK: 400, Domain.MOVIE: 400, Domain.FOOD: 300}


def item(domain: str, number: int, **fields: Any) -> Item:
    return Item.model_validate({"id": f"{domain}:{number}", "domain": domain, "title": str(number), **fields})


FILMS = (
    item("movie", 1, country="KR", year=1961, genres=["drama"], age=12),
    item("movie", 2, country="KR", year=1989, genres=["drama", "comedy"], age=19),
    item("movie", 3, country="CU", year=1949, genres=["comedy"], age=0),
    item("movie", 4, genres=["comedy"]),
)
DISHES = (
    item("food", 1, cuisine="korean", spicy=2, soupy=True, served=["hot"], meals=["lunch", "dinner"],
         allergens=["egg"], kcal=300, length=30),
    item("food", 2, cuisine="korean", spicy=0, soupy=False, served=["hot", "cold"], meals=["lunch"],
         allergens=[], kcal=301, length=15),
    item("food", 3, cuisine="indian", meals=["lunch"], allergens=None),
)  # fmt: skip


def counted(items: tuple[Item, ...], *axes: str) -> dict[tuple[str, ...], int]:
    """The cells that are not empty."""
    counts = cover(items, Table(items[0].domain, axes)).counts
    return {cell: count for cell, count in counts.items() if count}


def said(domain: str, axes: list[str], *not_asked: str) -> dict[str, Any]:
    return {"table": [{"domains": [domain], "axes": axes, "not_asked": {domain: list(not_asked)}}]}


def test_an_item_stands_in_every_cell_that_its_values_span_and_in_none_where_one_is_unknown() -> None:
    """Else a film of two genres counts for one, or a film of no known country for "elsewhere"."""
    assert counted(FILMS, "genre", "region") == {
        ("drama", "KR"): 2, ("comedy", "KR"): 1, ("comedy", "elsewhere"): 1,
    }  # fmt: skip
    assert counted(DISHES, "cuisine", "served") == {("korean", "hot"): 2, ("korean", "cold"): 1}
    assert counted(DISHES, "spicy", "soup", "served", "meal") == {
        ("2", "soup", "hot", "lunch"): 1, ("2", "soup", "hot", "dinner"): 1,
        ("0", "no soup", "hot", "lunch"): 1, ("0", "no soup", "cold", "lunch"): 1,
    }  # fmt: skip


def test_an_era_ends_with_its_last_year() -> None:
    assert counted(FILMS, "genre", "era") == {
        ("drama", "1950-79"): 1, ("drama", "1980s"): 1, ("comedy", "1980s"): 1, ("comedy", "before 1950"): 1,
    }  # fmt: skip


def test_a_film_for_all_suits_every_age_and_one_for_adults_only_nineteen() -> None:
    """A film rated 12 answers who watches with a fifteen-year-old too; but who asks for 19 wants just that."""
    cells = counted(FILMS, "genre", "age")
    assert cells == {
        ("drama", "12"): 1, ("drama", "15"): 1, ("drama", "19"): 1, ("comedy", "19"): 1,
        ("comedy", "0"): 1, ("comedy", "7"): 1, ("comedy", "12"): 1, ("comedy", "15"): 1,
    }  # fmt: skip


def test_a_limit_holds_what_just_reaches_it_and_a_wider_one_holds_more() -> None:
    assert counted(DISHES, "cuisine", "kcal") == {("korean", "≤300"): 1, ("korean", "≤500"): 2}
    assert counted(DISHES, "cuisine", "minutes") == {("korean", "≤15"): 1, ("korean", "≤30"): 2}


def test_a_dish_of_unknown_allergens_is_free_of_none() -> None:
    """The mistake that could hurt someone: None read as "none"."""
    cells = counted(DISHES, "free of", "meal")
    assert cells["egg", "lunch"] == 1
    assert cells["milk", "lunch"] == 2
    assert cells["milk", "dinner"] == 1


def test_only_the_tables_domain_is_counted() -> None:
    assert counted((*FILMS, *DISHES), "genre", "region") == counted(FILMS, "genre", "region")


def test_a_cell_that_nobody_asks_for_is_left_out_and_the_others_stay() -> None:
    (table,) = tables(said("movie", ["genre", "region"], "western / KR,JP", "sport / *"))
    cells = cover(FILMS, table).counts
    regions = {region for _, region in cells}
    assert {region for genre, region in cells if genre == "western"} == regions - {"KR", "JP"}
    assert "sport" not in {genre for genre, _ in cells}
    assert len(cells) == 19 * 6 - 2 - 6


def test_the_lines_name_the_empty_cells_and_the_thin_ones_with_their_counts() -> None:
    table = Table(Domain.FOOD, ("cuisine", "soup"))
    full = Coverage(table, {("korean", "soup"): 3, ("korean", "no soup"): 2, ("cafe", "soup"): 0})
    assert list(full.lines()) == [
        "food cuisine × soup: 3 cells, 1 empty, 1 thin", "  empty: cafe / soup", "  thin: korean / no soup (2)",
    ]  # fmt: skip
    assert full.to_dict() == {
        "domain": "food", "axes": ["cuisine", "soup"], "cells": 3,
        "empty": [["cafe", "soup"]], "thin": [["korean", "no soup", 2]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("axes", "pattern", "names"),
    [
        (["genre", "spicy"], "drama / 1", "spicy"),
        (["genre", "region"], "drama / korea", "korea"),
        (["genre", "region"], "drama", "1 parts for 2 axes"),
    ],
)
def test_a_word_that_no_item_can_have_is_refused(axes: list[str], pattern: str, names: str) -> None:
    """A misspelt pattern would leave nothing out and tell nobody."""
    with pytest.raises(CoverageError, match=names):
        list(tables(said("movie", axes, pattern)))


@pytest.mark.parametrize("table", [pytest.param(table, id=table.name) for table in tables()])
def test_every_cell_that_people_ask_for_has_several_answers(table: Table) -> None:
    """After one or two, a refusal leaves nothing."""
    counted = cover(SHIPPED, table)
    assert [" / ".join(cell) for cell in (*counted.empty, *counted.thin)] == []


def test_the_catalog_is_as_large_as_promised() -> None:
    for domain, least in LEAST.items():
        assert sum(each.domain is domain for each in SHIPPED) >= least, domain


@pytest.mark.parametrize("domain", list(Domain))
def test_the_works_and_dishes_that_anyone_would_expect_are_there(domain: Domain) -> None:
    """The lists were made before the catalog was filled. Blanks and punctuation aside, a title or alias is as
    listed; where the maker is the one named (names are spelled in many ways), the title may say more
    ("스타워즈 에피소드 4: 새로운 희망")."""
    lines = (EXPECTED / f"expected_{domain}s.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line.strip()]
    assert len(wanted) == 100
    mine = [each for each in SHIPPED if each.domain is domain]
    assert [line for line in wanted if not any(listed(each, line) for each in mine)] == []


def test_the_command_prints_every_table() -> None:
    ran = CliRunner().invoke(app, ["evaluate", "coverage"])
    assert ran.exit_code == 0, ran.output
    assert sum(
        bool(re.search(r": \d+ cells, 0 empty, 0 thin$", line)) for line in ran.output.splitlines()
    ) == len(list(tables()))


def listed(item: Item, line: str) -> bool:
    """Whether the item is what a line of a list, "title | maker, maker", means."""
    title, _, makers = line.partition("|")
    names = (item.title, *item.aliases)
    if bare(title) in map(bare, names):
        return True
    made = bool(set(map(bare, makers.split(","))) & set(map(bare, item.creators)))
    return made and any(set(re.findall(r"\w+", title)) <= set(re.findall(r"\w+", name)) for name in names)


def bare(text: str) -> str:
    return re.sub(r"\W", "", normalize(text)).casefold()
