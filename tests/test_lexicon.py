"""The shipped word lists: every value valid, every value of the vocabularies reachable, the syntax of words."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from data import item
from data.item import BOOK_GENRES, MOVIE_GENRES, Domain
from data.phrases import phrases
from engine.intent import Intent
from engine.lexicon import Lexicon, Match, pattern, read
from engine.ranking import WEIGHTS

VOCABULARIES: dict[str, tuple[str, ...]] = {
    "domain": tuple(Domain),
    "cuisine": get_args(item.Cuisine),
    "effects": get_args(item.Effect),
    "moods": get_args(item.Mood),
    "situations": get_args(item.Situation),
    "immersion": get_args(item.Immersion),
    "meals": get_args(item.Meal),
    "diet": get_args(item.Diet),
    "body": get_args(item.Body),
}
ITEM_FIELDS = {
    "served": get_args(item.Served),
    "effects": VOCABULARIES["effects"],
    "immersion": VOCABULARIES["immersion"],
}


@pytest.mark.parametrize("field", VOCABULARIES)
def test_every_value_of_a_vocabulary_can_be_said(field: str) -> None:
    assert set(read("request")[field]) == set(VOCABULARIES[field])


@pytest.mark.parametrize(("domain", "genres"), [("book", BOOK_GENRES), ("movie", MOVIE_GENRES)])
def test_every_genre_can_be_said(domain: str, genres: tuple[str, ...]) -> None:
    assert set(read("request")["genres"][domain]) == set(genres)


def test_the_other_fields_hold_values_of_their_kind() -> None:
    table = read("request")
    assert set(table["served"]) <= set(get_args(item.Served))
    assert set(table["soupy"]) == {"yes", "no"}
    assert set(map(int, table["spicy"])) == set(range(4))
    assert {int(age) for age in table["age"]} <= set(get_args(item.Age))
    assert all(
        len(code) == 2 and code.isupper()
        for code in table["country"]
        if code not in ("foreign", *read("kinds")["regions"])
    )
    assert set(table["kinds"]) == set(read("kinds")["kinds"])
    assert {name.removeprefix("other.") for name in table["refuses"]} <= {
        *read("allergens"),
        *read("allergens")["other"],
    }
    assert all(
        phrases(language).variants(f"intro.unchecked_name.{name}")
        for language in ("ko", "en")
        for name in table["unchecked"]
    )


def test_every_allergen_of_the_label_list_has_names_and_words() -> None:
    table = read("allergens")
    assert set(table) - {"other"} == set(get_args(item.Allergen))
    entries = [entry for key, entry in table.items() if key != "other"] + list(table["other"].values())
    assert all(entry["names"] and entry["words"] and "not" in entry for entry in entries)


def test_every_intent_has_words_and_no_words_an_unknown_intent() -> None:
    by_rule = {"recommend", "unclear", "taste", "retract", "which_allergy"}
    assert set(read("dialogue")["intents"]) - {"anything"} == set(get_args(Intent)) - by_rule


def test_feelings_are_moods_and_every_mood_has_examples() -> None:
    assert set(read("feelings")) == set(get_args(item.Mood))
    assert all(len(lines) >= 3 for lines in read("feelings").values())


def test_what_is_implied_is_a_weighed_wish_of_valid_values() -> None:
    """An implied field without a weight raises KeyError in ranking."""
    for field, entries in read("implied").items():
        assert set(entries) <= set(VOCABULARIES[field])
        for wishes in entries.values():
            for name, value in wishes.items():
                assert name in WEIGHTS
                values = value if isinstance(value, list) else [value]
                assert name == "soupy" or set(values) <= set(ITEM_FIELDS[name])


@pytest.mark.parametrize("table", ["request", "dialogue"])
def test_no_word_stands_twice_in_a_list(table: str) -> None:
    def lists(tree: dict[str, Any], path: str = "") -> list[tuple[str, list[str]]]:
        found: list[tuple[str, list[str]]] = []
        for key, value in tree.items():
            found += lists(value, f"{path}.{key}") if isinstance(value, dict) else [(f"{path}.{key}", value)]
        return found

    twice = [(path, word) for path, words in lists(read(table)) for word in words if words.count(word) > 1]
    assert twice == []


def spans(words: list[str], text: str) -> list[str]:
    return [text[m.start : m.end] for m in Lexicon({"f": {"v": words}}).find(text)]


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        (["비 오"], "비오는 날, 비   오는 밤", ["비오", "비   오"]),
        (["thrill*"], "thrilling movie", ["thrilling"]),
        (["thrill"], "thrilling movie", []),
        (["art"], "a smart art", ["art"]),
        (["don't like"], "I don’t like it, dont like", ["don’t like", "dont like"]),
        (["책 추천", "-산책"], "산책 추천", []),
        (["책 추천", "-산책"], "산책 말고 책 추천", ["책 추천"]),
        (["고기 빼", "-돼지고기"], "돼지고기 빼고", []),
        (["ㄱㅅ"], "\u1100\u1109", ["\u1100\u1109"]),
        (["매운", "엄청 매운"], "엄청 매운 거", ["엄청 매운"]),
        (["a.b"], "axb a.b", ["a.b"]),
    ],
)
def test_a_word_is_found_as_the_head_of_the_list_says(words: list[str], text: str, found: list[str]) -> None:
    assert spans(words, text) == found


def test_no_words_match_nothing() -> None:
    assert pattern([]).search("anything") is None
    assert Lexicon({}).find("anything") == []


def test_matches_come_in_the_order_of_the_text_the_longest_first() -> None:
    found = Lexicon({"f": {"short": ["새우"], "long": ["새우튀김"]}}).find("밥 새우튀김")
    assert found == [Match("f", "long", 2, 6), Match("f", "short", 2, 4)]
