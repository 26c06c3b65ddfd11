"""Allergies: their names in a text, and the dishes that hold them."""

from __future__ import annotations

import pytest

from data.item import Item
from engine.allergies import avoided, holds_any
from engine.lexicon import read
from engine.recommender import Recommender


def dish(*ingredients: str) -> Item:
    return Item.model_validate({"id": "food:x", "domain": "food", "title": "x", "ingredients": ingredients})


@pytest.mark.parametrize(
    ("text", "labels", "others"),
    [
        ("땅콩", {"peanut"}, set()),
        ("게랑 굴", {"crab", "oyster"}, set()),
        ("맵게 해 주세요", set(), set()),
        ("갑각류", {"crab", "shrimp"}, set()),
        ("견과류", {"peanut", "walnut", "pine_nut"}, {"almond", "cashew"}),
        ("키위, 참깨", set(), {"kiwi", "sesame"}),
        ("eggs and milk", {"egg", "milk"}, set()),
        ("없어요", set(), set()),
        ("pineapple", set(), {"pineapple"}),
    ],
)
async def test_names_of_allergies_are_found(
    recommender: Recommender, text: str, labels: set[str], others: set[str]
) -> None:
    """콩 stands in 땅콩, 게 in 맵게, apple in pineapple."""
    found = await recommender.allergies_in(text)
    assert (set(found[0]), set(found[1])) == (labels, others)


async def test_every_name_in_the_table_is_understood(recommender: Recommender) -> None:
    """A name that nothing finds is an allergy that nobody hears."""
    table = read("allergens")
    missed = []
    for key, entry in [*table.items(), *table["other"].items()]:
        for name in entry.get("names", ()) if key != "other" else ():
            labels, others = await recommender.allergies_in(f"{name} 알레르기가 있어요")
            if key not in (*labels, *others):
                missed.append((key, name, labels, others))
    assert missed == []


@pytest.mark.parametrize(
    ("ingredients", "avoid", "held"),
    [
        (("참기름", "밥"), "sesame", True),
        (("들기름", "밥"), "sesame", False),
        (("병아리콩",), "legume", True),
        (("Sesame oil",), "sesame", True),
        (("pineapple",), "apple", False),
        (("새송이버섯",), "mushroom", True),
        (("송이토마토",), "mushroom", False),
        (("두리안", "우유"), "두리안", True),
        (("우유",), "두리안", False),
        ((), "kiwi", True),
    ],
)
def test_a_dish_holds_what_its_ingredients_name(ingredients: tuple[str, ...], avoid: str, held: bool) -> None:
    """A dish of unknown ingredients may hold anything."""
    assert holds_any(dish(*ingredients), (avoid,)) is held


def test_nothing_to_avoid_is_held_by_no_dish() -> None:
    assert not holds_any(dish(), ())


@pytest.mark.parametrize("name", list(read("allergens")["other"]))
def test_what_is_avoided_is_called_in_korean(name: str) -> None:
    assert "가" <= avoided(name)[0] <= "힣"


def test_a_word_of_the_persons_own_is_called_by_itself() -> None:
    assert avoided("두리안") == "두리안"
