"""Allergies: their names in a text, and the dishes that hold them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from data.item import Item
from engine.allergies import avoided, holds_any
from engine.lexicon import read
from engine.recommender import Recommender
from engine.understanding import Understanding


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


REACTIONS = (
    "{} 알러쥐 있어", "{} 알레르 기 있어", "{} 먹으면 입이 부어", "{} 먹으면 혀가 따가워", "{} 알레르기 있어", "{} 알러지요", "저는 {} 못 먹어요", "{} 빼고 추천해줘", "{} 먹으면 두드러기 나", "{} 절대 안 돼요",
    "{} 먹으면 큰일 나", "{} 들어가면 안 됨", "{} 들어간 건 안 돼", "{} 조금만 먹어도 목이 부어", "{} 없는 저녁 메뉴",
)  # fmt: skip
ENGLISH_REACTIONS = (
    "I'm allergic to {}", "{} allergy", "no {} please, dinner ideas", "I cannot have {}", "without {}", "{} makes me sick",
)  # fmt: skip


@pytest.mark.parametrize(("reaction", "name"), [*((r, "새우") for r in REACTIONS), *((r, "shrimp") for r in ENGLISH_REACTIONS)])  # fmt: skip
async def test_however_it_is_said_it_is_not_taken_for_a_wish(
    understand: Callable[..., Awaitable[Understanding]], reaction: str, name: str
) -> None:
    """ "새우 먹으면 큰일 나" asked for shrimp."""
    request = (await understand(reaction.format(name))).request
    assert request.allergens == ("shrimp",)
    assert request.ingredients == ()


@pytest.mark.parametrize(
    ("text", "avoid"),
    [
        ("저 두리안 알레르기 있어요", {"두리안"}),
        ("두리안이랑 청양고추에 알레르기가 있어. 저녁 추천", {"두리안", "청양고추"}),
        ("쌈장 알레르기, 인삼 알레르기도 있어", {"쌈장", "인삼"}),
        ("알레르기: 두리안, 와사비", {"두리안", "와사비"}),
        ("파프리카 알레르기", {"bell_pepper"}),
        ("와사비 못 먹어", {"와사비"}),
        ("와사비 들어가면 절대 안 돼", {"와사비"}),
        ("부추랑 와사비 빼고 저녁 추천", {"부추", "와사비"}),
        ("부추 말고 다른 거", set()),
        ("점심 못 먹었어 뭐 먹지", set()),
        ("밥 못 먹었어", set()),
        ("나 알레르기 있어", set()),
        ("꽃가루 알레르기 있는데 저녁 추천", set()),
        ("고양이 알레르기 있는데 고양이 나오는 영화", set()),
        ("알레르기 있는 음식 빼고", set()),
    ],
)
async def test_an_allergy_to_what_no_list_knows_is_heard(
    understand: Callable[..., Awaitable[Understanding]], text: str, avoid: set[str]
) -> None:
    """Of the catalog's 218 ingredients 134 could be said to be an allergy and were offered all the same."""
    assert set((await understand(text)).request.avoid) == avoid


@pytest.mark.parametrize(
    ("text", "labels", "others"),
    [
        ("연어랑 새우", {"shrimp"}, {"연어"}),
        ("두리안, 미나리", set(), {"두리안", "미나리"}),
        ("갑각류 알레르기", {"crab", "shrimp"}, set()),
        ("새우 빼고 아무거나 추천해줘", {"shrimp"}, set()),
        ("없어요", set(), set()),
    ],
)
async def test_an_answer_that_lists_known_and_unknown_things_keeps_both(
    recommender: Recommender, text: str, labels: set[str], others: set[str]
) -> None:
    """Typed into the survey, 연어랑 새우 kept the shrimp and lost the salmon."""
    found = await recommender.allergies_in(text, listed=True)
    assert (set(found[0]), set(found[1])) == (labels, others)


async def test_a_word_that_holds_프리_by_chance_is_no_allergy(
    understand: Callable[..., Awaitable[Understanding]],
) -> None:
    """치킨 프리미엄 was taken for chicken-free."""
    assert (await understand("치킨 프리미엄 세트 같은 거")).request.allergens == ()


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
