"""Which items are the same work, and what becomes of them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.item import Domain, Item
from engine.joining import entry, joined, merged


def item(item_id: str, title: str, **told: Any) -> Item:
    return Item(id=item_id, domain=Domain(item_id.partition(":")[0]), title=title, **told)


def groups(*items: Item, shipped: tuple[str, ...] = ()) -> dict[str, list[str]]:
    return joined(entry(each, each.id in shipped) for each in items)


PARASITE = item("movie:parasite-2019", "기생충", title_en="Parasite", year=2019, creators=["봉준호"])


@pytest.mark.parametrize(
    "other",
    [
        item("movie:tmdb-1", "Parasite", year=2019, creators=["Bong Joon-ho"]),
        item("movie:tmdb-2", "기생충 (2019)", year=2020),
        item("movie:kmdb-3", " 기 생 충! ", year=2018, creators=["봉준호"]),
        item("movie:x-4", "PARASITE (Gisaengchung)", year=2019),
        item("movie:x-5", "기생충", creators=["봉 준호"]),
    ],
    ids=lambda other: other.title,
)
def test_the_same_movie_in_another_spelling_is_joined(other: Item) -> None:
    assert groups(other, PARASITE, shipped=(PARASITE.id,)) == {PARASITE.id: [other.id]}


@pytest.mark.parametrize(
    "other",
    [
        item("movie:old", "기생충", year=1982),
        item("movie:remake", "기생충", year=2021, creators=["봉준호"]),
        item("movie:others", "기생충", year=2019, creators=["김감독"]),
        item("movie:unknown", "기생충"),
        item("movie:second", "기생충 2", year=2020),
        item("book:parasite", "기생충", year=2019, creators=["봉준호"]),
        item("food:parasite", "기생충"),
    ],
    ids=lambda other: other.id,
)
def test_a_remake_another_director_s_or_another_domain_s_is_not(other: Item) -> None:
    """A shared title joined films thirty years apart."""
    assert groups(PARASITE, other, shipped=(PARASITE.id,)) == {}


def test_numbers_join_whatever_the_title_and_however_they_are_written() -> None:
    shipped = item("movie:toy", "토이 스토리", year=1995, external_ids={"imdb": "tt0114709"})
    lens = item(
        "movie:movielens-1",
        "Toy Story",
        year=1995,
        external_ids={"movielens": "1", "imdb": "0114709", "tmdb": "862"},
    )
    tmdb = item("movie:tmdb-862", "Toy Story!", year=1995, external_ids={"tmdb": "862"})
    assert groups(tmdb, lens, shipped, shipped=(shipped.id,)) == {shipped.id: [lens.id, tmdb.id]}
    whole = merged([shipped, lens, tmdb])
    assert whole.external_ids == {"imdb": "tt0114709", "movielens": "1", "tmdb": "862"}
    assert (whole.id, whole.title, whole.aliases) == (shipped.id, "토이 스토리", ("Toy Story",))


def test_a_dish_has_many_codes_and_any_of_them_joins() -> None:
    stew = item("food:kimchi-jjigae", "김치찌개", external_ids={"mfds": "D000385"})
    table = item("food:mfds-d000385", "김치 찌개", kcal=243, external_ids={"mfds": "D000385,D018478"})
    named = item("food:mafra-7", "김치찌개", external_ids={"mafra": "7"})
    other = item("food:mafra-8", "김치찌개라면", external_ids={"mafra": "8"})
    japanese, chinese = item("food:j", "우동(일식)"), item("food:c", "우동(중식)")
    assert groups(japanese, chinese) == {}
    assert groups(stew, table, named, other, shipped=(stew.id,)) == {stew.id: [table.id, named.id]}
    assert merged([stew, table]).external_ids == {"mfds": "D000385,D018478"}


def test_editions_of_a_book_are_joined_and_volumes_and_namesakes_are_not() -> None:
    first = item("book:a", "소년이 온다", creators=["한강"], external_ids={"isbn13": "9788936434120"})
    again = item(
        "book:b",
        "소년이 온다 (특별판)",
        creators=["한강"],
        year=2024,
        external_ids={"isbn13": "9788936439606"},
    )
    namesake = item("book:c", "소년이 온다", creators=["김철수"])
    nobody = item("book:d", "소년이 온다")
    one, two = (
        item(f"book:toji-{n}", f"토지 {n}권", creators=["박경리"], external_ids={"isbn13": "9791130699455"})
        for n in (1, 2)
    )
    upper, lower = (
        item(f"book:{n}", f"고래 ({n_ko})", creators=["천명관"]) for n, n_ko in (("up", "상"), ("low", "하"))
    )
    assert groups(first, again, namesake, nobody, one, two, upper, lower) == {"book:a": ["book:b"]} or groups(
        first, again, namesake, nobody, one, two, upper, lower
    ) == {"book:b": ["book:a"]}
    assert merged([first, again]).external_ids == {"isbn13": "9788936434120,9788936439606"}


def test_what_could_be_either_of_two_works_stays_alone() -> None:
    """Two films called Emma came out in 1996; a rating of "Emma (1996)" is of neither for sure."""
    one = item("movie:e1", "Emma", year=1996, external_ids={"imdb": "0116191"})
    two = item("movie:e2", "Emma", year=1996, external_ids={"imdb": "0118308"})
    either = item("movie:e3", "Emma", year=1996, external_ids={"movielens-100k": "1"})
    assert groups(one, two, either) == {}
    assert len(groups(one, either)) == 1


def test_the_survivor_takes_what_it_lacks_and_keeps_what_it_told() -> None:
    shipped = item("movie:a", "괴물", year=2006, genres=["sf"], summary="한강에 괴물이 나타나요.")
    other = item(
        "movie:b",
        "괴물",
        year=2006,
        genres=["drama"],
        length=119,
        country="KR",
        creators=["봉준호"],
        summary="다른 말.",
        title_en="The Host",
        url="https://b",
        source="kmdb",
    )
    whole = merged([shipped, other])
    assert (whole.genres, whole.summary, whole.length, whole.creators) == (
        ("sf",),
        shipped.summary,
        119,
        ("봉준호",),
    )
    assert (whole.title_en, whole.source, whole.url) == ("The Host", None, "https://b")
    assert merged([shipped]) == shipped


def test_a_recipe_is_taken_whole_or_not_at_all() -> None:
    """The allergens of one recipe stood beside the ingredients of another: an egg nobody was told of."""
    told = item("food:a", "잡채", ingredients=["당면", "달걀"])
    free = item("food:b", "잡채", ingredients=["당면"], allergens=(), diet=["vegan"])
    bare = item("food:c", "잡채", kcal=300)
    assert (merged([told, free]).allergens, merged([told, free]).diet) == (None, ())
    whole = merged([bare, told, free])
    assert (whole.ingredients, whole.allergens, whole.kcal) == (("당면", "달걀"), None, 300)


TITLES = st.sampled_from(["기생충", "기생충 2", "Emma", "EMMA!", "토지 1권", "토지 2권"])
MOVIES: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    title=TITLES,
    year=st.sampled_from([None, 1996, 1997, 2019]),
    creators=st.sampled_from([[], ["봉준호"], ["김감독"], ["A B"]]),
    external_ids=st.sampled_from([{}, {"imdb": "1"}, {"imdb": "tt2", "tmdb": "2"}, {"tmdb": "3"}]),
)


@settings(deadline=None)
@given(st.lists(MOVIES, max_size=7), st.randoms(use_true_random=False))
def test_the_order_in_which_items_come_makes_no_difference(
    told: list[dict[str, Any]], dice: random.Random
) -> None:
    """Importing one source before another gave another id the place."""
    every = [item(f"movie:m{n}", **each) for n, each in enumerate(told)]
    shuffled = every[:]
    dice.shuffle(shuffled)
    found = groups(*every)
    assert groups(*shuffled) == found
    named = [each for first, others in found.items() for each in (first, *others)]
    assert len(named) == len(set(named))
