"""MovieLens: ratings come with films of the right numbers, and a tampered line is told, not believed."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import BadRow, Interaction, Item
from data.sources.files import SourceError
from data.sources.films import lexicon
from data.sources.movielens import read, titled
from tests.shared import shared_data

Row = Item | Interaction | BadRow


def parts(rows: list[Row]) -> tuple[dict[str, Item], list[Interaction], list[BadRow]]:
    return (
        {row.id: row for row in rows if isinstance(row, Item)},
        [row for row in rows if isinstance(row, Interaction)],
        [row for row in rows if isinstance(row, BadRow)],
    )


def told(rows: list[BadRow]) -> list[tuple[str, int, str]]:
    return [(row.file, row.line, row.why) for row in rows]


# The real files.


def test_latest_small_is_read_to_the_last_row() -> None:
    items, said, bad = parts(list(read(shared_data("ml-latest-small"))))
    assert not bad
    assert len(items) == 9742
    assert Counter(bool(one.extra) for one in said) == {False: 100_836, True: 3683}
    assert said[0] == Interaction(user="ml-latest:1", item_id="movie:movielens-1", rating=4.0, at=964_982_703)
    assert said[100_836].extra == {"tag": "funny"}
    toy = items["movie:movielens-1"]
    assert (toy.title, toy.year, toy.url) == ("Toy Story", 1995, "https://movielens.org/movies/1")
    assert toy.external_ids == {"movielens": "1", "imdb": "0114709", "tmdb": "862"}
    assert items["movie:movielens-791"].external_ids == {"movielens": "791", "imdb": "0113610"}
    assert sum("tmdb" not in item.external_ids for item in items.values()) == 8
    assert sum(item.year is None for item in items.values()) == 12
    assert sum(not item.genres for item in items.values()) == 34
    assert {one.user for one in said if not one.extra} == {f"ml-latest:{n}" for n in range(1, 611)}


def test_ml_100k_is_read_to_the_last_row_but_for_the_film_that_nobody_knows() -> None:
    items, said, bad = parts(list(read(shared_data("ml-100k"))))
    assert (len(items), len(said)) == (1681, 99_991)
    assert told(bad)[:2] == [
        ("u.item", 267, "its title is not known"), ("u.data", 2173, "there is no film '267'"),
    ]  # fmt: skip
    assert Counter(row.why for row in bad)["there is no film '267'"] == 9
    assert said[0] == Interaction(
        user="ml-100k:196", item_id="movie:movielens-100k-242", rating=3.0, at=881_250_949
    )
    assert items["movie:movielens-100k-543"].title == "Les Misérables"
    assert (items["movie:movielens-100k-1373"].title, items["movie:movielens-100k-1373"].year) == (
        "Good Morning",
        1971,
    )
    assert all(item.year for item in items.values())
    assert len({one.user for one in said}) == 943


def test_films_of_the_two_sets_are_never_taken_for_each_other() -> None:
    """Film 2 is GoldenEye in the one and Jumanji in the other."""
    old, _, _ = parts(list(read(shared_data("ml-100k"))))
    new, _, _ = parts(list(read(shared_data("ml-latest-small"))))
    assert not old.keys() & new.keys()
    assert (old["movie:movielens-100k-2"].title, new["movie:movielens-2"].title) == ("GoldenEye", "Jumanji")


@pytest.fixture
def tampered(tmp_path: Path) -> Callable[[str], Path]:
    """The real set with another u.data."""

    def swap(variant: str) -> Path:
        folder = shared_data("ml-100k")
        for name in ("u.item", "u.user"):
            shutil.copy(folder / name, tmp_path / name)
        shutil.copy(folder / "variants" / variant, tmp_path / "u.data")
        return tmp_path

    return swap


def test_the_real_copy_with_rows_of_a_user_0_loses_just_these(tampered: Callable[[str], Path]) -> None:
    _, said, bad = parts(list(read(tampered("u.data.extra_user0_rows.head200"))))
    assert told(bad)[1:] == [("u.data", line, "there is no user '0'") for line in range(1, 5)]
    assert len(said) == 196


def test_the_real_copy_with_spaces_for_tabs_loses_two_lines(tampered: Callable[[str], Path]) -> None:
    _, said, bad = parts(list(read(tampered("u.data.spaces_for_tabs.200lines"))))
    assert [why for _, _, why in told(bad)[1:]] == ["3 fields between tabs where 4 belong"] * 2
    assert bad[1].value == "196\t242\t3   881250949"
    assert bad[1].line == 1
    assert bad[2].value == "405 361\t2\t885549942"
    assert len(said) == 198


# Copies with every quirk.

FLAGS = ["0"] * 19


def film_100k(number: str, title: str, date: str = "01-Jan-1995", **on: str) -> str:
    flags = [on.get(f"f{n}", "0") for n in range(19)]
    return "|".join([number, title, date, "", "http://us.imdb.com/M/title-exact?x", *flags])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A small 100K set with its quirks: ISO-8859-1, a film without a title, dates of one digit, odd zips."""
    lines = [
        film_100k("1", "Toy Story (1995)", f3="1", f4="1", f5="1"),
        film_100k("2", "Misérables, Les (1995)", f8="1"),
        "267|unknown||||1" + "|0" * 18,
        film_100k("1373", "Good Morning", "4-Feb-1971", f0="1"),
        film_100k("7", "Land Before Time III: The Time of the Great Giving (1995) (V)"),
    ]
    (tmp_path / "u.item").write_bytes("\n".join(lines).encode("iso-8859-1") + b"\n")
    (tmp_path / "u.user").write_text("1|24|M|technician|85711\n74|39|M|scientist|T8H1N\n\n")
    (tmp_path / "u.data").write_text("1\t1\t5\t881250949\n74\t2\t1\t881250950\n")
    return tmp_path


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A small set of the form of latest-small with its quirks."""
    (tmp_path / "movies.csv").write_text(
        "movieId,title,genres\n1,Toy Story (1995),Animation|Children|IMAX\n"
        '791,"Last Klezmer: Leopold Kozlowski, His Life and Music, The (1994) ",Documentary\n'
        "9,Babylon 5,(no genres listed)\n",
        encoding="utf-8",
    )
    (tmp_path / "links.csv").write_text(
        "movieId,imdbId,tmdbId\n1,0114709,862\n791,0113610,\n9,0105946,105.0\n"
    )
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,9,0.5,964982704\n"
    )
    (tmp_path / "tags.csv").write_text('userId,movieId,tag,timestamp\n2,1,"pixar, ""fun""",1445714994\n')
    return tmp_path


def test_a_film_of_100k_has_its_genres_year_and_accents(old: Path) -> None:
    items, said, bad = parts(list(read(old)))
    assert {item.title: (item.year, item.genres) for item in items.values()} == {
        "Toy Story": (1995, ("comedy", "animation", "family")),
        "Les Misérables": (1995, ("drama",)),
        "Good Morning": (1971, ()),
        "Land Before Time III: The Time of the Great Giving": (1995, ()),
    }
    assert [(one.user, one.rating) for one in said] == [("ml-100k:1", 5.0), ("ml-100k:74", 1.0)]
    assert told(bad) == [("u.item", 3, "its title is not known")]


def test_u_item_saved_in_utf_8_keeps_its_accents(old: Path) -> None:
    file = old / "u.item"
    file.write_text(file.read_text(encoding="iso-8859-1"), encoding="utf-8")
    items, _, _ = parts(list(read(old)))
    assert items["movie:movielens-100k-2"].title == "Les Misérables"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("0\t1\t5\t881250949", "there is no user '0'"),
        ("1\t1\t0\t881250949", "'0' is no rating from 1 to 5"),
        ("1\t1\t4.5\t881250949", "'4.5' is no rating from 1 to 5"),
        ("1\t1\tNaN\t881250949", "'NaN' is no rating from 1 to 5"),
        ("1\t99\t5\t881250949", "there is no film '99'"),
        ("1\t1\t5\tyesterday", "'yesterday' is no time"),
        ("1\t1\t5   881250949", "3 fields between tabs where 4 belong"),
        ("1,1,5,881250949", "1 fields between tabs where 4 belong"),
    ],
)
@pytest.mark.parametrize("with_users", [True, False])
def test_a_wrong_line_of_u_data_is_told_and_the_rest_goes_on(
    old: Path, row: str, why: str, with_users: bool
) -> None:
    if not with_users:
        (old / "u.user").unlink()
    (old / "u.data").write_text(f"{row}\r\n1\t1\t5\t881250949\r\n")
    _, said, bad = parts(list(read(old)))
    assert told(bad)[1:] == [("u.data", 1, why)]
    assert len(said) == 1


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1|Toy Story (1995)|01-Jan-1995||", "5 fields where 24 belong"),
        (film_100k("x", "Toy"), "'x' is no number"),
        (film_100k("1", "Toy"), "film 1 stands on line 1 already"),
        (film_100k("8", "  "), "its title is not known"),
        (film_100k("8", "Babe", f4="2"), "a genre flag is neither 0 nor 1"),
    ],
)
def test_a_wrong_line_of_u_item_is_told(old: Path, row: str, why: str) -> None:
    (old / "u.item").write_text(
        f"{film_100k('1', 'Toy Story (1995)')}\n{row}\n{film_100k('2', 'GoldenEye')}\n"
    )
    items, _, bad = parts(list(read(old)))
    assert told(bad) == [("u.item", 2, why)]
    assert len(items) == 2


@given(st.lists(st.text(alphabet="0123459\t .-é|", max_size=30), max_size=6))
def test_any_lines_of_u_data_are_ratings_or_told_one_for_one(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "u.item").write_text(film_100k("1", "Toy Story (1995)"))
    (folder / "u.data").write_text("\n".join(["1\t1\t5\t1", *lines]), encoding="utf-8")
    _, said, bad = parts(list(read(folder)))
    assert len(said) + len(bad) == 1 + sum(bool(line.strip()) for line in lines)


def test_a_user_who_comes_twice_is_told(old: Path) -> None:
    (old / "u.user").write_text("1|24|M|technician|85711\n1|24|M|technician|85711\n74|39\n")
    _, said, bad = parts(list(read(old)))
    assert [(file, line) for file, line, _ in told(bad)] == [
        ("u.item", 3),
        ("u.user", 2),
        ("u.user", 3),
        ("u.data", 2),
    ]
    assert [one.user for one in said] == ["ml-100k:1"]


def test_a_film_of_latest_has_its_numbers_elsewhere(new: Path) -> None:
    items, said, bad = parts(list(read(new)))
    assert not bad
    assert [(item.title, item.year, item.genres) for item in items.values()] == [
        ("Toy Story", 1995, ("animation", "family")),
        ("The Last Klezmer: Leopold Kozlowski, His Life and Music", 1994, ("documentary",)),
        ("Babylon 5", None, ()),
    ]
    assert [item.external_ids for item in items.values()] == [
        {"movielens": "1", "imdb": "0114709", "tmdb": "862"},
        {"movielens": "791", "imdb": "0113610"},
        {"movielens": "9", "imdb": "0105946", "tmdb": "105"},
    ]
    assert [(one.user, one.rating, one.extra) for one in said] == [
        ("ml-latest:1", 4.0, {}), ("ml-latest:1", 0.5, {}), ("ml-latest:2", None, {"tag": 'pixar, "fun"'}),
    ]  # fmt: skip


def test_a_set_without_links_and_tags_is_read(new: Path) -> None:
    (new / "links.csv").unlink()
    (new / "tags.csv").unlink()
    items, said, bad = parts(list(read(new)))
    assert (len(items), len(said), bad) == (3, 2, [])


@pytest.mark.parametrize(
    ("file", "row", "why"),
    [
        ("ratings.csv", "0,1,4.0,1", "'0' is no user"),
        ("ratings.csv", "1,2,4.0,1", "there is no film '2'"),
        ("ratings.csv", "1,1,0.0,1", "'0.0' is no rating from 0.5 to 5"),
        ("ratings.csv", "1,1,5.5,1", "'5.5' is no rating from 0.5 to 5"),
        ("ratings.csv", "1,1,nan,1", "'nan' is no rating from 0.5 to 5"),
        ("ratings.csv", "1,1,,1", "'' is no rating from 0.5 to 5"),
        ("ratings.csv", "1,1,4.0,-1", "'-1' is no time"),
        ("ratings.csv", "1,1,4.0", "3 fields where the header has 4"),
        ("tags.csv", "1,1, ,1", "the tag is empty"),
        ("movies.csv", "x,Toy,Drama", "'x' is no number"),
        ("movies.csv", "1,Toy,Drama", "film 1 stands on line 2 already"),
        ("movies.csv", "2,,Drama", "it has no title"),
        ("links.csv", "1,1,1", "film 1 stands on line 2 already"),
        ("links.csv", "2,tt0113610,1", "an id elsewhere is no number"),
        ("links.csv", "2,0113610,1", "there is no film '2'"),
    ],
)
def test_a_wrong_line_of_latest_is_told_and_the_rest_goes_on(
    new: Path, file: str, row: str, why: str
) -> None:
    path = new / file
    path.write_text(path.read_text() + row + "\n")
    items, said, bad = parts(list(read(new)))
    assert told(bad) == [(file, len(path.read_text().splitlines()), why)]
    assert (len(items), len(said)) == (3, 3)


def test_what_is_no_set_says_what_to_do(tmp_path: Path, new: Path) -> None:
    with pytest.raises(SourceError, match="no folder"):
        next(read(tmp_path / "none"))
    with pytest.raises(SourceError, match="name the folder"):
        next(read(new / "movies.csv"))
    (new / "tags.csv").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(SourceError, match=r"tags\.csv is a pointer"):
        next(read(new))
    (new / "tags.csv").unlink()
    (new / "ratings.csv").unlink()
    with pytest.raises(SourceError, match=r"no file .*ratings\.csv"):
        next(read(new))
    (new / "movies.csv").unlink()
    with pytest.raises(SourceError, match="is no MovieLens set"):
        next(read(new))
    (new / "u.data").write_text("1\t1\t5\t1\n")
    with pytest.raises(SourceError, match=r"no file .*u\.item"):
        next(read(new))


def test_movies_in_another_encoding_are_refused(new: Path) -> None:
    (new / "movies.csv").write_bytes("movieId,title,genres\n1,괴물 (2006),Drama\n".encode("cp949"))
    with pytest.raises(SourceError, match="utf-8"):
        list(read(new))


# Titles.


@pytest.mark.parametrize(
    ("text", "name", "aliases", "year"),
    [
        ("Postman, The (Postino, Il) (1994)", "The Postman", ("Il Postino",), 1994),
        ("Twelve Monkeys (a.k.a. 12 Monkeys) (1995)", "Twelve Monkeys", ("12 Monkeys",), 1995),
        ("Léon: The Professional (a.k.a. The Professional) (Léon) (1994)", "Léon: The Professional",
         ("The Professional", "Léon"), 1994),
        ("Avventura, L' (Adventure, The) (1960)", "L'Avventura", ("The Adventure",), 1960),
        ("Crow, The: Wicked Prayer (2005)", "The Crow: Wicked Prayer", (), 2005),
        ("Play It Again, Sam (1972)", "Play It Again, Sam", (), 1972),
        ("Good, the Bad and the Ugly, The (1966)", "The Good, the Bad and the Ugly", (), 1966),
        ("Death Note: Desu nôto (2006–2007)", "Death Note: Desu nôto", (), 2006),
        ("Runaway Brain (1995) ", "Runaway Brain", (), 1995),
        ("Land Before Time III (1995) (V)", "Land Before Time III", (), 1995),
        ("Birdman: Or (The Unexpected Virtue of Ignorance) (2014)",
         "Birdman: Or (The Unexpected Virtue of Ignorance)", (), 2014),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", (), 2009),
        ("2012 (2009)", "2012", (), 2009),
        ("1984", "1984", (), None),
        ("(1995)", "(1995)", (), None),
        ("(Untitled) (2009)", "(Untitled)", (), 2009),
        (", The (1990)", ", The", (), 1990),
        ("Babylon 5", "Babylon 5", (), None),
    ],
)  # fmt: skip
def test_a_title_is_said_as_people_say_it(
    text: str, name: str, aliases: tuple[str, ...], year: int | None
) -> None:
    assert titled(text) == (name, aliases, year)


@given(st.text())
def test_any_text_has_a_title_where_it_has_more_than_blanks(text: str) -> None:
    title = titled(text)
    assert bool(title.name) == bool(text.split())
    assert all(alias for alias in title.aliases)


names = st.from_regex(r"\A[A-Z][a-z]{1,8}( [A-Z][a-z]{1,8}){0,3}\Z")


@given(names, st.sampled_from(["The", "A", "An", "La", "Il", "Der", "L'"]), names, st.integers(1900, 2030))
def test_a_title_turned_around_and_back_is_the_same(name: str, article: str, other: str, year: int) -> None:
    said = f"{article}{name}" if article == "L'" else f"{article} {name}"
    title = titled(f"{name}, {article} ({other}, The) ({year})")
    assert (title.name, title.year) == (said, year)
    assert title.aliases == ((f"The {other}",) if f"The {other}" != said else ())
    assert article in lexicon()["articles"]
