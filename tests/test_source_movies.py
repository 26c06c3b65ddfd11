"""The Movies Dataset: films of TMDB come whole, and what is broken in its files is told."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import BadRow, Item
from data.sources import films, prose
from data.sources.files import SourceError
from data.sources.movies_dataset import LONGEST, literal, read
from tests.shared import shared_data

COLUMNS = (
    "adult", "belongs_to_collection", "budget", "genres", "homepage", "id", "imdb_id", "original_language",
    "original_title", "overview", "popularity", "poster_path", "production_companies", "production_countries",
    "release_date", "revenue", "runtime", "spoken_languages", "status", "tagline", "title", "video", "vote_average",
    "vote_count",
)  # fmt: skip
TOY_STORY = {
    "adult": "False", "genres": "[{'id': 16, 'name': 'Animation'}, {'id': 35, 'name': 'Comedy'}]", "id": "862",
    "imdb_id": "tt0114709", "original_language": "en", "original_title": "Toy Story", "overview": "Toys live.",
    "poster_path": "/toy.jpg", "production_countries": "[{'iso_3166_1': 'US', 'name': 'United States of America'}]",
    "release_date": "1995-10-30", "runtime": "81.0", "title": "Toy Story", "video": "False",
}  # fmt: skip


def film(**changed: str) -> dict[str, str]:
    return {**dict.fromkeys(COLUMNS, ""), **TOY_STORY, **changed}


def save(
    folder: Path, name: str, columns: Sequence[str], rows: Sequence[Sequence[str]], end: str = "\n"
) -> None:
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator=end).writerows([columns, *rows])


def metadata(folder: Path, *rows: dict[str, str] | Sequence[str]) -> list[Item | BadRow]:
    """What is read of a folder once its metadata are these rows."""
    listed = [list(row.values()) if isinstance(row, dict) else row for row in rows]
    save(folder, "movies_metadata.csv", COLUMNS, listed)
    return list(read(folder))


def the(made: list[Item | BadRow]) -> Item:
    (item,) = made
    assert isinstance(item, Item)
    return item


def whys(made: list[Item | BadRow]) -> list[tuple[str, int, str]]:
    return [(row.file, row.line, row.why) for row in made if isinstance(row, BadRow)]


# The real files.


def test_the_head_of_the_real_file_is_read_to_the_last_row() -> None:
    made = list(read(shared_data("the-movies-dataset")))
    items = {row.id: row for row in made if isinstance(row, Item)}
    assert whys(made) == [("movies_metadata.csv", 1468, "film 105045 stands on line 679 already")]
    assert len(items) == 2995
    toy = items["movie:tmdb-862"]
    assert (toy.title, toy.creators, toy.year, toy.country, toy.length) == (
        "Toy Story", ("John Lasseter",), 1995, "US", 81,
    )  # fmt: skip
    assert toy.people == ("Tom Hanks", "Tim Allen", "Don Rickles", "Jim Varney", "Wallace Shawn")
    assert toy.genres == ("comedy", "animation", "family")
    assert toy.external_ids == {"tmdb": "862", "imdb": "0114709"}
    assert toy.summary_en is not None
    assert toy.summary_en.startswith("Led by Woody, Andy's toys")
    assert toy.summary_en.endswith("new toy, toy comes to life.")
    korean = items["movie:tmdb-54285"]
    assert (korean.title, korean.title_en, korean.country) == ("삼공일 삼공이", "301, 302", "KR")
    assert items["movie:tmdb-37557"].aliases == ("摇啊摇，摇到外婆桥",)
    assert sum(bool(item.people) for item in items.values()) == 35
    assert sum("Keywords: " in (item.summary_en or "") for item in items.values()) == 52
    assert sum(item.summary_en is None for item in items.values()) == 23, "18 empty, 5 say that there is none"
    assert sum(item.year is None for item in items.values()) == 2
    assert sum(item.length is None for item in items.values()) == 39, "6 empty, 33 of 0 minutes"
    assert max(len(item.summary_en or "") for item in items.values()) <= prose.SUMMARY


def test_the_copy_that_excel_saved_tells_the_same_films() -> None:
    """43,814 rows of commas were told as broken, and 10/30/1995 was no date."""
    folder = shared_data("the-movies-dataset")
    made = list(read(folder / "excel_resaved"))
    items = {row.id: row for row in made if isinstance(row, Item)}
    assert whys(made) == [("movies_metadata.csv", 1468, "film 105045 stands on line 679 already")]
    assert len(items) == 1651
    originals = {row.id: row for row in read(folder) if isinstance(row, Item)}
    for item in items.values():
        original = originals[item.id]
        assert (item.year, item.length, item.age) == (original.year, original.length, original.age)


def test_a_real_pointer_of_lfs_in_place_of_the_credits_is_refused(tmp_path: Path) -> None:
    folder = shared_data("the-movies-dataset")
    metadata(tmp_path, film())
    (tmp_path / "credits.csv").write_bytes((folder / "lfs_pointer" / "credits.csv").read_bytes())
    with pytest.raises(SourceError, match="git lfs pull"):
        next(read(tmp_path))


# Copies with every quirk.


def test_a_film_is_read_with_its_cast_directors_and_keywords(tmp_path: Path) -> None:
    """Python's None and strings in double quotes are no JSON; producers are no directors."""
    cast = [{"name": f"Actor {n}", "order": n, "profile_path": None} for n in (2, 0, 1, 5, 3, 4)]
    crew = [{"job": "Producer", "name": "Bonnie"}, {"job": "Director", "name": 'Jean-Pierre "Jeff" O\'Hara'}]
    keywords = "[{'id': 15101, 'name': \"based on children's book\"}, {'id': 1, 'name': 'boxing'}]"
    save(tmp_path, "credits.csv", ("cast", "crew", "id"), [(repr(cast), repr(crew), "862")], end="\r\n")
    save(tmp_path, "keywords.csv", ("id", "keywords"), [("862", keywords)], end="\r\n")
    item = the(metadata(tmp_path, film(overview="Toys live.\nThey talk.")))
    assert item.people == ("Actor 0", "Actor 1", "Actor 2", "Actor 3", "Actor 4")
    assert item.creators == ('Jean-Pierre "Jeff" O\'Hara',)
    assert item.genres == ("comedy", "animation", "sport")
    assert item.summary_en == "Toys live. They talk. Keywords: based on children's book, boxing."
    assert item.summary is None
    assert (item.source, item.url) == ("TMDB (The Movies Dataset)", "https://www.themoviedb.org/movie/862")
    assert item.cover == "https://image.tmdb.org/t/p/w500/toy.jpg"


@pytest.mark.parametrize(
    ("changed", "name", "value"),
    [
        ({"release_date": "10/30/1995", "adult": "FALSE", "runtime": "81"}, "year", 1995),
        ({"release_date": "1/2/2001"}, "year", 2001),
        ({"release_date": ""}, "year", None),
        ({"release_date": "30.10.95"}, "year", None),
        ({"release_date": "0001-01-01"}, "year", None),
        ({"id": "862.0"}, "id", "movie:tmdb-862"),
        ({"runtime": "0.0"}, "length", None),
        ({"runtime": "NaN"}, "length", None),
        ({"runtime": "inf"}, "length", None),
        ({"runtime": "1e9"}, "length", None),
        ({"runtime": "81.0"}, "length", 81),
        ({"adult": "True"}, "age", 19),
        ({"adult": "TRUE"}, "age", 19),
        ({"adult": "False"}, "age", None),
        ({"overview": ""}, "summary_en", None),
        ({"overview": "NaN"}, "summary_en", None),
        ({"overview": "No overview found."}, "summary_en", None),
        ({"poster_path": "nan"}, "cover", None),
        ({"imdb_id": "0"}, "external_ids", {"tmdb": "862"}),
        ({"genres": "[]"}, "genres", ()),
        ({"genres": "nan"}, "genres", ()),
        ({"genres": "[{'id': 10769, 'name': 'Foreign'}, {'id': 878, 'name': 'Science Fiction'}]"}, "genres", ("sf",)),
        ({"production_countries": "[{'iso_3166_1': None}]"}, "country", None),
        ({"production_countries": "[]"}, "country", None),
        ({"original_title": "토이 스토리", "original_language": "ja"}, "aliases", ("토이 스토리",)),
        ({"original_title": "토이 스토리", "original_language": "ko"}, "title", "토이 스토리"),
        ({"original_title": "토이 스토리", "original_language": "ko"}, "title_en", "Toy Story"),
    ],
)  # fmt: skip
def test_a_field_is_read_as_it_is_meant(
    tmp_path: Path, changed: dict[str, str], name: str, value: object
) -> None:
    assert getattr(the(metadata(tmp_path, film(**changed))), name) == value


def test_empty_rows_are_passed_over_and_the_second_of_an_id_is_told(tmp_path: Path) -> None:
    made = metadata(tmp_path, film(), [""] * 24, [""] * 24, film(title="Another"), film(id="8844"))
    assert [row.title for row in made if isinstance(row, Item)] == ["Toy Story", "Toy Story"]
    assert whys(made) == [("movies_metadata.csv", 5, "film 862 stands on line 2 already")]


SHIFTED = [
    (" - Written by Ørnås", "0.065736", "/ff9qCepilowshEtG2GYWwzt2bs4.jpg",
     "[{'name': 'Carousel Productions', 'id': 11176}]", "[{'iso_3166_1': 'CA', 'name': 'Canada'}]", "1997-08-20", "0"),
    (" Rune Balot goes to a casino connected to the October corporation to try to wrap up her case once and for all.",
     "1.931659", "/zV8bHuSL6WXoD6FWogP9j4x80bL.jpg", "[{'name': 'Aniplex', 'id': 2883}]",
     "[{'iso_3166_1': 'US', 'name': 'United States of America'}]", "2012-09-29", "0"),
    (" Avalanche Sharks tells the story of a bikini contest that turns into a horrifying affair when it is hit by a "
     "shark avalanche.", "2.185485", "/zaSf5OG7V8X8gqFvly88zDdRm46.jpg",
     "[{'name': 'Odyssey Media', 'id': 17161}]", "[{'iso_3166_1': 'CA', 'name': 'Canada'}]", "2014-01-01", "0"),
]  # fmt: skip
"""The second halves of three films of the full file, as known_bad_rows_of_full_file.txt tells them."""


@pytest.mark.parametrize("half", SHIFTED)
@pytest.mark.parametrize("padded", [False, True])
def test_both_halves_of_a_film_that_a_line_break_tore_are_told(
    tmp_path: Path, half: tuple[str, ...], padded: bool
) -> None:
    """As the file has them, too short, and as pandas and Excel save them, filled up to the header's width; a later
    whole row of the same film is then its first one."""
    torn = list(film(id="82663").values())[:10]
    rest = [*half, "82.0", "[]", "Released", "", "Midnight Man", "False", "5.0", "3"]
    if padded:
        torn, rest = torn + [""] * 14, rest + [""] * 9
    made = metadata(tmp_path, film(), torn, rest, film(id="82663"))
    assert [row.id for row in made if isinstance(row, Item)] == ["movie:tmdb-862", "movie:tmdb-82663"]
    expected = (
        ["it has no title", f"id {half[5]!r} is no number; is the row shifted?"]
        if padded
        else ["10 fields where the header has 24", "15 fields where the header has 24"]
    )
    assert whys(made) == [("movies_metadata.csv", 3 + n, why) for n, why in enumerate(expected)]


@pytest.mark.parametrize(
    "broken", ["[{'id': 16", "{'id': 16}", "[16]", "__import__('os')", "False", "[" * 5000]
)
def test_genres_that_are_no_list_make_a_bad_row(tmp_path: Path, broken: str) -> None:
    ((_, line, why),) = whys(metadata(tmp_path, film(genres=broken)))
    assert line == 2
    assert why.startswith("genres: no ")


def test_repeated_broken_and_needless_rows_beside_the_metadata_are_told(tmp_path: Path) -> None:
    one = ("[{'name': 'A'}]", "[{'name': 'B', 'job': 'Director'}]")
    save(tmp_path, "credits.csv", ("cast", "crew", "id"), [
        (*one, "862"), ("[]", "[]", "862"), (*one, "x"), ("[{", "[]", "9"), (*one, "7"),
    ])  # fmt: skip
    save(tmp_path, "keywords.csv", ("id", "keywords"), [("862", "[]"), ("862", "[]"), ("9", "oops"), ("1",)])
    made = metadata(tmp_path, film())
    assert whys(made) == [
        ("credits.csv", 3, "film 862 stands on line 2 already"),
        ("credits.csv", 4, "id 'x' is no number"),
        ("credits.csv", 5, "cast: no Python literal"),
        ("keywords.csv", 3, "film 862 stands on line 2 already"),
        ("keywords.csv", 4, "keywords: no Python literal"),
        ("keywords.csv", 5, "1 fields where the header has 2"),
        ("credits.csv", 6, "no film 7 could be read from movies_metadata.csv"),
    ]
    assert the([row for row in made if isinstance(row, Item)]).creators == ("B",)


def test_credits_larger_than_memory_leave_only_names_in_it(tmp_path: Path) -> None:
    """The full credits.csv has 190 MB; what is not a name was held until the last film had been read."""
    cast = repr([{"name": "Tom Hanks", "profile_path": "x" * 50_000}])
    save(tmp_path, "credits.csv", ("cast", "crew", "id"), [(cast, "[]", str(n)) for n in range(1, 401)])
    save(tmp_path, "movies_metadata.csv", COLUMNS, [list(film(id=str(n)).values()) for n in range(1, 401)])
    tracemalloc.start()
    read_of = sum(isinstance(row, Item) and row.people == ("Tom Hanks",) for row in read(tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read_of == 400
    assert peak < 8 << 20 < (tmp_path / "credits.csv").stat().st_size


names = st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.just("[{'name': 'A'}]")


@given(st.lists(st.tuples(names, names, st.sampled_from(["862", "8", "x", ""])), max_size=5))
def test_any_credits_are_taken_or_told(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    save(folder, "movies_metadata.csv", COLUMNS, [list(film().values())])
    save(folder, "credits.csv", ("cast", "crew", "id"), rows)
    assert len([row for row in read(folder) if isinstance(row, Item)]) == 1


def test_a_field_that_an_item_cannot_hold_is_told_with_its_name(tmp_path: Path) -> None:
    ((_, _, why),) = whys(metadata(tmp_path, film(title="x" * 3000)))
    assert why.startswith("title: ")


def test_a_long_overview_ends_with_a_sentence_and_leaves_room_for_keywords(tmp_path: Path) -> None:
    save(
        tmp_path,
        "keywords.csv",
        ("id", "keywords"),
        [("862", repr([{"name": f"word {n}"} for n in range(40)]))],
    )
    told = the(metadata(tmp_path, film(overview="Mr. Potato Head loses an eye. " * 60))).summary_en
    assert told is not None
    assert len(told) <= prose.SUMMARY
    assert "eye. Keywords: word 0, word 1" in told
    assert told.endswith("word 9.")


def test_what_is_no_folder_of_the_set_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "movies_metadata.csv"
    for path, words in ((tmp_path / "none", "no folder"), (tmp_path, "no file")):
        with pytest.raises(SourceError, match=words):
            next(read(path))
    file.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="no column adult"):
        next(read(tmp_path))
    with pytest.raises(SourceError, match="name the folder"):
        next(read(file))
    file.write_bytes(",".join(COLUMNS).encode() + "\n괴물".encode("cp949"))
    with pytest.raises(SourceError, match="utf-8"):
        next(read(tmp_path))


# Literals, sentences and names.

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_every_python_literal_is_read_as_what_it_was(value: Any) -> None:
    assert literal(repr(value)) == value


@given(st.text(alphabet="[]{}()'\",:\\1-+*aN.é 0x#\n") | st.text() | st.binary().map(repr))
def test_any_text_is_a_literal_or_one_clear_error(text: str) -> None:
    with suppress(ValueError):
        assert literal(text) is None or isinstance(
            literal(text), str | bytes | int | float | complex | list | tuple | dict | set
        )


@pytest.mark.parametrize(
    "text", ["(" * 100_000, "-" * 100_000 + "1", "1+" * 100_000 + "1", "[" * 90, "9" * 10_000]
)
def test_a_literal_made_to_break_the_parser_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no Python literal"):
        literal(text)


def test_a_literal_that_is_too_long_is_not_parsed() -> None:
    with pytest.raises(ValueError, match="are the most"):
        literal("[" + "1," * LONGEST + "]")


@pytest.mark.parametrize("text", ["", " ", "nan", "NaN", "None"])
def test_a_missing_literal_is_nothing(text: str) -> None:
    assert literal(text) is None


@given(st.text(), st.integers(2, 80))
def test_sentences_are_a_beginning_and_not_too_long(text: str, most: int) -> None:
    cut = prose.summary(text, most)
    whole = prose.line(text)
    assert cut is None or (0 < len(cut) <= most)
    assert (cut is None) == (not whole or prose.LOST in whole)
    assert whole.startswith((cut or "").removesuffix("…"))


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("괴물이 나타난다. 모두 달아난다. 현서가 잡힌다.", 20, "괴물이 나타난다. 모두 달아난다."),
        ("“가자!” 하고 외친다. 그리고 끝없이 걸어간다.", 14, "“가자!” 하고 외친다."),
        ("3.5 리터의 눈물이 흐르는 이야기", 12, "3.5 리터의 눈물이…"),
        ("Woody meets Mr. Potato Head. Then J. R. leaves.", 40, "Woody meets Mr. Potato Head."),
        ("He fights. He meets Mr. Potato Head.", 25, "He fights."),
        ("띄어쓰기가하나도없는글", 5, "띄어쓰기…"),
    ],
)  # fmt: skip
def test_a_summary_is_cut_behind_a_sentence_or_else_a_word(text: str, most: int, cut: str) -> None:
    assert prose.summary(text, most) == cut


def test_all_tables_name_genres_ages_and_countries_that_items_have() -> None:
    known = films.lexicon()
    for table in known["genres"].values():
        for genres in table.values():
            Item(id="movie:x", domain="movie", title="x", genres=tuple(genres))  # type: ignore[arg-type]
    for age in known["ages"].values():
        Item(id="movie:x", domain="movie", title="x", age=age)  # type: ignore[arg-type]
    for country in known["countries"].values():
        Item(id="movie:x", domain="movie", title="x", country=country)  # type: ignore[arg-type]
    assert len(known["ml_100k"]) == 19
    assert set(known["ml_100k"]) <= set(known["genres"]["movielens"])
