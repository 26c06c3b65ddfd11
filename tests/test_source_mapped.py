"""Any table by a mapping: a mistake in the mapping is one clear sentence, a broken row stops nothing."""

from __future__ import annotations

import csv
import json
import tracemalloc
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import BadRow, Interaction, Item
from data.sources import mapped, mapping
from data.sources.files import SourceError
from tests.shared import shared_data

BASE = """
domain = "food"
name = "mine"
id = "code"
[file]
format = "csv"
[fields]
title = "name"
"""
EXAMPLE = Path(str(files("data") / "sources" / "example.toml"))


def told(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def table_of(
    path: Path, rows: Iterable[Iterable[object]], encoding: str = "utf-8", delimiter: str = ","
) -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def lines_of(path: Path, *values: object) -> Path:
    path.write_text("\n".join(json.dumps(value) for value in values), encoding="utf-8")
    return path


def read(tmp_path: Path, told_by: str, rows: Iterable[Iterable[object]]) -> list[Item | Interaction | BadRow]:
    return list(mapped.read(table_of(tmp_path / "t.csv", rows), told(tmp_path / "m.toml", told_by)))


def only(found: list[Item | Interaction | BadRow]) -> Item:
    (item,) = found
    assert isinstance(item, Item), item
    return item


# What a mapping does


def test_the_example_reads_what_it_tells_of(tmp_path: Path) -> None:
    header = ["번호", "메뉴", "설명", "재료", "조리시간", "열량", "분류", "국물", "알레르기"]
    rows = [
        header,
        [
            "A-1",
            " 제육덮밥 ",
            "매콤해요",
            "돼지고기, 양파,,고추장",
            "1시간 30분",
            "650kcal",
            "한식",
            "아니오",
            "돼지고기/대두",
        ],
        ["2", "과일", "-", "없음", "-", "0", "간식", "", "해당없음"],
        ["3", "달걀국", "", "", "15분", "80", "중식", "예", "난류/번데기"],
    ]
    for encoding in ("utf-8-sig", "cp949"):
        first, second, third = mapped.read(table_of(tmp_path / "t.csv", rows, encoding), EXAMPLE)
        assert isinstance(first, Item)
        assert isinstance(second, Item)
        assert (first.id, first.title, first.length, first.kcal) == ("food:canteen-a-1", "제육덮밥", 90, 650)
        assert first.ingredients == ("돼지고기", "양파", "고추장")
        assert (first.cuisine, first.soupy, first.allergens) == ("korean", False, ("pork", "soy"))
        assert (first.meals, first.country, first.source) == (("lunch",), "KR", "canteen")
        assert first.external_ids == {"canteen": "A-1"}
        assert (second.summary, second.kcal, second.length, second.cuisine) == (None, None, None, None)
        assert (second.ingredients, second.allergens, second.soupy) == ((), (), None)
        assert isinstance(third, BadRow), "an allergen that the mapping does not know must not be lost"
        assert (third.line, "'번데기' is none of the mapping's values" in third.why) == (4, True)


def test_the_ministrys_table_is_read_by_a_mapping(tmp_path: Path) -> None:
    """Rows of one name are kept apart here, and the energies come without their binary noise."""
    by = BASE.replace('"code"', '"식품코드"').replace('"name"', '"식품명"') + (
        'kcal = { column = "에너지(㎉)", zero = "unknown" }\n[external_ids]\nmfds = "식품코드"\n'
    )
    by = by.replace('format = "csv"', 'format = "csv"\nencoding = ["utf-8-sig", "cp949"]')
    folder = shared_data("food-nutrition-mfds")
    for name in ("derived_nutrition_33cols.utf-8.csv", "derived_nutrition_33cols.cp949.csv"):
        items = [
            row for row in mapped.read(folder / name, told(tmp_path / "m.toml", by)) if isinstance(row, Item)
        ]
        assert len(items) == 2659
        assert sum(item.kcal is None for item in items) == 94
        assert (items[0].id, items[0].title, items[0].kcal) == ("food:mine-d000006", "꿩불고기", 369)


def test_lines_of_json_are_read_with_lists_and_gaps(tmp_path: Path) -> None:
    by = """
domain = "book"
name = "shop"
id = ["isbn", "volume"]
[file]
format = "jsonl"
[fields]
title = "title"
creators = "authors"
year = "year"
genres = { column = "kinds", values = { "추리" = "mystery", "과학소설" = ["sf", "novel"] }, other = "skip" }
"""
    file = lines_of(
        tmp_path / "t.jsonl",
        {"isbn": 9788, "volume": 1.0, "title": "책", "authors": ["한강", " ", "김"], "year": 2014.0, "kinds": ["추리", "과학소설", "?"]},
        {"isbn": "9789", "volume": 2, "title": "둘", "year": None},
        {"isbn": "1", "volume": 1, "title": {"ko": "셋"}},
        [1], {"isbn": "1", "title": "권이 없다"}, {"isbn": "1", "volume": 1, "title": "해", "year": [1, 2]},
        {"isbn": "1", "volume": 1, "title": "끝", "year": float("inf")},
    )  # fmt: skip
    file.write_text(file.read_text(encoding="utf-8") + '\n\n{"isbn": \n' + "[" * 100_000, encoding="utf-8")
    first, second, *bad = mapped.read(file, told(tmp_path / "m.toml", by))
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert (first.id, first.creators, first.year) == ("book:shop-9788-1", ("한강", "김"), 2014)
    assert first.genres == ("mystery", "sf", "novel")
    assert (second.id, second.creators, second.year) == ("book:shop-9789-2", (), None)
    whys = [(row.line, row.why) for row in bad if isinstance(row, BadRow)]
    assert [line for line, _ in whys] == [3, 4, 5, 6, 7, 9, 10]
    for (_, why), words in zip(
        whys,
        (
            "neither text nor",
            "no JSON object",
            "volume is empty",
            "2 values",
            "infinite",
            "no JSON",
            "no JSON",
        ),
        strict=True,
    ):
        assert words in why


def test_interactions_are_read(tmp_path: Path) -> None:
    by = """
kind = "interaction"
domain = "movie"
name = "kmdb"
id = "movie"
[file]
format = "csv"
delimiter = "\\t"
[fields]
user = "who"
rating = "stars"
at = { column = "when", time = "%Y-%m-%d %H:%M" }
[extra]
device = "device"
"""
    rows = [
        ["who", "movie", "stars", "when", "device"], ["7", "K1", "4.5", "2024-03-01 09:00", "폰"],
        ["8", "K1", "", "", ""], ["", "K1", "1", "", ""], ["9", "K2", "별", "", ""], ["9", "K2", "3", "어제", ""],
        ["9", "", "3", "", ""], ["\ufffd\ufffd", "K2", "3", "", ""],
    ]  # fmt: skip
    file = table_of(tmp_path / "t.tsv", rows, delimiter="\t")
    first, second, *bad = mapped.read(file, told(tmp_path / "m.toml", by))
    assert first == Interaction(
        user="7", item_id="movie:kmdb-k1", rating=4.5, at=1709283600, extra={"device": "폰"}
    )
    assert second == Interaction(user="8", item_id="movie:kmdb-k1")
    assert [(row.line, row.why) for row in bad if isinstance(row, BadRow)] == [
        (4, "who is empty, and an interaction needs a user"),
        (5, "stars: '별' is no number"),
        (6, "when: '어제' is no time written %Y-%m-%d %H:%M"),
        (7, "movie is empty, and an id is made of it"),
        (8, "characters are lost (U+FFFD); get the file again in its own encoding"),
    ]


def test_unix_seconds_and_words_of_opinion(tmp_path: Path) -> None:
    by = """
kind = "interaction"
domain = "movie"
name = "mine"
id = "code"
[file]
format = "csv"
[fields]
user = "name"
rating = { column = "said", values = { "좋아요" = 5, "싫어요" = 1 } }
at = "when"
"""
    found = read(tmp_path, by, [["code", "name", "said", "when"], ["1", "a", "좋아요", "1709283600"]])
    assert found == [Interaction(user="a", item_id="movie:mine-1", rating=5, at=1709283600)]


def test_parquet_is_read_a_batch_at_a_time(tmp_path: Path) -> None:
    count = 5000
    pq.write_table(
        pa.table(
            {
                "code": list(range(count)),
                "name": [f"요리 {i}" for i in range(count)],
                "in": [["파", None, "무"]] * count,
                "kcal": [float("nan"), 176.723] * (count // 2),
                "never read": ["x" * 1000] * count,
            }
        ),
        tmp_path / "t.parquet",
    )
    by = BASE.replace('"csv"', '"parquet"') + 'ingredients = "in"\nkcal = "kcal"\n'
    found = list(mapped.read(tmp_path / "t.parquet", told(tmp_path / "m.toml", by)))
    assert len(found) == count
    first, second = found[:2]
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert (first.id, first.ingredients, first.kcal) == ("food:mine-0", ("파", "무"), None)
    assert (second.title, second.kcal) == ("요리 1", 177)


def test_dates_decimals_and_bytes_of_parquet(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({
            "code": [Decimal("12.00"), Decimal("13.00")],
            "name": [date(2024, 1, 2), date(2024, 1, 3)],
            "why": [b"ok", None],
            "at": [datetime(2024, 1, 2, 3), None],  # noqa: DTZ001
        }),
        tmp_path / "t.parquet",
    )  # fmt: skip
    by = BASE.replace('"csv"', '"parquet"') + 'summary = "at"\npitch = "why"\n'
    bad, item = mapped.read(tmp_path / "t.parquet", told(tmp_path / "m.toml", by))
    assert isinstance(bad, BadRow)
    assert (bad.line, "neither text nor a number" in bad.why) == (1, True)
    assert isinstance(item, Item)
    assert (item.id, item.title, item.summary) == ("food:mine-13", "2024-01-03", None)


def test_an_id_that_is_not_ascii_goes_by_its_hash(tmp_path: Path) -> None:
    """Ids are stored and put into buttons; two names must never share one."""
    rows = [
        ["code", "name"],
        *([code, "x"] for code in ("가나", "가다", "a b", "../../x", "x" * 300, "D000385")),
    ]
    ids = [item.id for item in read(tmp_path, BASE, rows) if isinstance(item, Item)]
    assert len(set(ids)) == 6
    assert ids[-1] == "food:mine-d000385"
    assert all(len(found) < 70 and found.isascii() for found in ids)
    assert ids == [item.id for item in read(tmp_path, BASE, rows) if isinstance(item, Item)]


def test_lost_characters_and_long_texts_are_told(tmp_path: Path) -> None:
    by = BASE + 'summary = "about"\n'
    rows = [
        ["code", "name", "about"],
        ["1", "x", "깨\ufffd\ufffd짐"],
        ["2", "x", "가" * 2001],
        ["3", "x", "좋다"],
        ["\ufffd", "x", ""],
    ]
    lost, long, good, coded = read(tmp_path, by, rows)
    assert isinstance(good, Item)
    for row, words in ((lost, "U+FFFD"), (long, "summary: "), (coded, "characters of the id")):
        assert isinstance(row, BadRow)
        assert words in row.why


def test_shifted_rows_and_values_outside_a_field_are_told(tmp_path: Path) -> None:
    by = BASE + 'spicy = "hot"\nsoupy = "soup"\nkcal = { column = "kcal", unit = "kcal" }\n'
    rows = [
        ["code", "name", "hot", "soup", "kcal"], ["1", "x", "3", "TRUE", "10kcal", "더"], ["2", "x", "9", "1", ""],
        ["3", "x", "", "네", ""], ["4", "x", "2", "0", "10 kJ"], ["5", "x", "2", "0", "1,200 ㎉"], ["6", "", "", "", ""],
    ]  # fmt: skip
    *bad, good, nameless = read(tmp_path, by, rows)
    whys = [row.why for row in bad if isinstance(row, BadRow)]
    for why, words in zip(
        whys, ("6 fields", "spicy", "neither true nor false", "no number of kcal"), strict=True
    ):
        assert words in why
    assert isinstance(good, Item)
    assert (good.spicy, good.soupy, good.kcal) == (2, False, 1200)
    assert isinstance(nameless, BadRow)
    assert "name is empty" in nameless.why


# Mistakes in a mapping


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("title =", "titel ="), "item has no field titel"),
        (('title = "name"', ""), "fields says no column for title"),
        (('"csv"', '"xls"'), r"file\.format: .*'csv', 'jsonl' or 'parquet'"),
        (('"food"', '"drink"'), "domain: .*'book', 'movie' or 'food'"),
        (('"mine"', '"My Table"'), "name: "),
        (('id = "code"', "id = []"), "id names no column"),
        (('id = "code"', ""), "id: Field required"),
        (('domain = "food"', 'domian = "food"'), "Field required|domian"),
        (('"csv"', '"csv"\nencoding = "utf-99"'), "knows no encoding 'utf-99'"),
        (('"csv"', '"csv"\nencoding = "rot13"'), "knows no encoding 'rot13'"),
        (('"csv"', '"csv"\ndelimiter = "::"'), r"file\.delimiter"),
        (('"name"\n', '"name"\nspicy = { colum = "x" }\n'), r"fields\.spicy\."),
        (('"name"\n', '"name"\nlength = { column = "x", unit = { "분" = 0 } }\n'), r"fields\.length\.unit"),
        (('"name"\n', '"name"\nlength = { column = "x", split = "," }\n'), "length holds one"),
        (('"name"\n', '"name"\nsummary = { column = "x", unit = "분" }\n'), "summary is none"),
        (('"name"\n', '"name"\nlength = { column = "x", unit = "분", values = { a = 1 } }\n'), "beside unit"),
        (('"name"\n', '"name"\nyear = { column = "x", time = "%Y" }\n'), "time is for at only"),
        (('"name"\n', '"name"\nyear = { column = "x", time = "%Q" }\n'), "no way to write a time"),
        (('"name"\n', '"name"\ncuisine = { column = "x", other = "skip" }\n'), "needs values"),
        (('"name"\n', '"name"\ncuisine = { column = "x", values = { "한식" = "koraen" } }\n'),
         r"fields\.cuisine\.values\.한식: 'koraen' does not fit cuisine \(cuisine: Input should be 'korean'"),
        (('"name"\n', '"name"\ngenres = { column = "x", values = { "시" = "poetry" } }\n'), "no such food genre"),
        (('"name"\n', '"name"\nallergens = { column = "x", values = { "알" = "egg" }, other = "skip" }\n'),
         "an allergen must not be skipped"),
        (('"name"\n', '"name"\n[fixed]\ncuisine = "x"\n'), r"fixed\.cuisine: 'x' does not fit"),
        (('"name"\n', '"name"\n[fixed]\ntitle = "x"\n'), "stands under fields and under fixed"),
        (('"name"\n', '"name"\n[extra]\na = "b"\n'), "extra is for interactions only"),
        (('domain = "food"', 'domain = "food'), "is no TOML"),
        (('domain = "food"', 'domain = "food"\nkind = "interaction"'), "interaction has no field title"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_mapping_is_one_clear_sentence(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    assert BASE.count(change[0])
    with pytest.raises(SourceError, match=words) as raised:
        read(tmp_path, BASE.replace(*change, 1), [["code", "name"], ["1", "x"]])
    assert "\n" not in str(raised.value)
    assert "Value error" not in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "m.toml"))


def test_dishes_fields_of_a_book_are_refused_in_the_mapping(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="only a dish has spicy"):
        read(tmp_path, BASE.replace("food", "book") + "[fixed]\nspicy = 1\n", [])


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    by = BASE + 'summary = "about"\n'
    with pytest.raises(SourceError, match="no column about"):
        read(tmp_path, by, [["code", "name"], ["1", "x"]])
    lines = lines_of(tmp_path / "t.jsonl", {"code": 1, "name": "x"}, {"code": 2})
    with pytest.raises(SourceError, match="no key about in any line"):
        list(mapped.read(lines, told(tmp_path / "m.toml", by.replace('"csv"', '"jsonl"'))))
    pq.write_table(pa.table({"code": [1], "name": ["x"]}), tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="no column about"):
        list(mapped.read(tmp_path / "t.parquet", told(tmp_path / "m.toml", by.replace('"csv"', '"parquet"'))))


def test_what_is_no_table_says_so(tmp_path: Path) -> None:
    pointer = told(tmp_path / "lfs", "version https://git-lfs.github.com/spec/v1\nsize 3\n")
    broken = tmp_path / "broken"
    pq.write_table(pa.table({"code": [1], "name": ["x"]}), broken)
    broken.write_bytes(broken.read_bytes()[:-9])
    latin = table_of(tmp_path / "latin", [["code", "name"], ["1", "café"]], "latin-1")
    cases = [(pointer, "git lfs pull"), (tmp_path, "is a folder"), (tmp_path / "none", "no file")]
    for form, more in (
        ("csv", [(latin, "not text in utf-8")]), ("jsonl", [(latin, "not text in utf-8")]),
        ("parquet", [(broken, "no whole Parquet"), (latin, "no whole Parquet")]),
    ):  # fmt: skip
        by = told(tmp_path / "m.toml", BASE.replace('"csv"', f'"{form}"'))
        for path, words in (*cases, *more):
            with pytest.raises(SourceError, match=words):
                list(mapped.read(path, by))
    with pytest.raises(SourceError, match="no file"):
        mapping.load(tmp_path / "none.toml")
    with pytest.raises(SourceError, match="is not text in utf-8"):
        mapping.load(table_of(tmp_path / "cp949.toml", [["이름"]], "cp949"))


def test_an_endless_line_is_told_and_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "_LONGEST", 1000)
    file = tmp_path / "t.jsonl"
    file.write_text('{"code": 1, "name": "x"}\n"' + "x" * 5_000_000 + '"\n{"code": 2, "name": "y"}\n')
    by = told(tmp_path / "m.toml", BASE.replace('"csv"', '"jsonl"'))
    tracemalloc.start()
    try:
        first, bad, last = mapped.read(file, by)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.why) == (2, "a line of more than 1000 characters")
    assert isinstance(first, Item)
    assert isinstance(last, Item)
    assert last.id == "food:mine-2"


# Any rows

CELL = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text() | st.none()), st.dictionaries(st.text(), st.text()),
)  # fmt: skip


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["번호", "메뉴", "재료", "조리시간", "열량", "분류", "국물", "알레르기"]), CELL
        )
    )
)
def test_every_line_comes_back_as_an_item_or_with_its_reason(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    """Whatever is in a file: no crash, and no row is lost without a word."""
    folder = tmp_path_factory.mktemp("any")
    whole = dict.fromkeys(
        ["번호", "메뉴", "설명", "재료", "조리시간", "열량", "분류", "국물", "알레르기"], "1"
    )
    by = told(folder / "m.toml", EXAMPLE.read_text(encoding="utf-8").replace('"csv"', '"jsonl"', 1))
    found = list(mapped.read(lines_of(folder / "t.jsonl", *rows, whole), by))
    assert len(found) == len(rows) + 1
    assert all(
        row.id.startswith("food:canteen-") if isinstance(row, Item) else isinstance(row, BadRow)
        for row in found
    )


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=8))
def test_any_csv_is_read_to_its_end(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    safe = [[cell.encode("utf-8", "replace").decode() for cell in row] for row in rows]
    file = table_of(folder / "t.csv", [["code", "name", "hot"], *safe, ["끝", "끝", "1"]])
    found = list(mapped.read(file, told(folder / "m.toml", BASE + 'spicy = "hot"\n')))
    assert isinstance(found[-1], Item)
    assert len(found) <= len(rows) + 1


@given(st.text())
def test_any_text_is_a_mapping_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("any") / "m.toml"
    file.write_bytes((BASE + text).encode("utf-8", "surrogatepass"))
    try:
        name = mapping.load(file).name
    except SourceError:
        return
    assert name == "mine"
