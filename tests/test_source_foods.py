"""Dishes of two ministries: every quirk of their files is handled or told, and none stops the rest."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from data.item import BadRow, Item
from data.sources import dishes, nutrition, recipes, workbook
from data.sources.files import SourceError
from data.sources.records import records
from data.sources.rows import amount, plain
from tests.shared import shared_data


def parted(rows: Iterable[Item | BadRow]) -> tuple[list[Item], list[BadRow]]:
    found = list(rows)
    return [row for row in found if isinstance(row, Item)], [row for row in found if isinstance(row, BadRow)]


# Numbers with units


@pytest.mark.parametrize(
    ("text", "number"),
    [("30분", 30), ("1시간 30분", 90), ("2시간", 120), ("약 30분 이상", 30), ("30~40분", 40), ("45", 45),
     ("1,200분", 1200), ("１５분", 15), (" ", None), (None, None), ("분", None), ("0.5시간", 30)],
)  # fmt: skip
def test_a_length_is_read_with_its_units(text: str | None, number: float | None) -> None:
    assert amount(text, {"분": 1, "시간": 60}) == number


@pytest.mark.parametrize(
    "text", ["2인분", "-5분", "곧", "1/2큰술", "1.2.3분", "9" * 400 + "분", "nan", "inf"]
)
def test_what_is_no_number_of_the_unit_is_refused(text: str) -> None:
    """ "2인분" is two servings, not two minutes."""
    with pytest.raises(ValueError, match="is no number of 분"):
        amount(text, {"분": 1})


def test_units_are_read_in_any_writing() -> None:
    assert (
        amount("175Kcal", {"kcal": 1}) == amount("175 ㎉", {"kcal": 1}) == amount("175kcal", {"㎉": 1}) == 175
    )
    with pytest.raises(ValueError, match="no number"):
        amount("5gallons", {"g": 1})


@given(st.integers(0, 99), st.integers(0, 59), st.sampled_from(["", " ", "약 "]))
def test_hours_and_minutes_add_up(hours: int, minutes: int, before: str) -> None:
    assert (
        amount(f"{before}{hours}시간{before or ' '}{minutes}분", {"분": 1, "시간": 60})
        == hours * 60 + minutes
    )


@given(st.text())
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        found = amount(text, {"분": 1, "kcal": 1})
    except ValueError:
        return
    assert found is None or 0 <= found < 1e16


@given(st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.integers())))
def test_any_value_is_text_nothing_or_refused(value: object) -> None:
    try:
        found = plain(value)
    except ValueError:
        return
    assert found is None or (found and found == " ".join(found.split()))


# Lists of JSON


def test_elements_longer_than_a_block_come_whole(tmp_path: Path) -> None:
    file = tmp_path / "long.json"
    file.write_text(
        json.dumps({"version": "1", "data": [{"a": "가" * 700_000}, 12, {"b": "]},{"}]}), encoding="utf-8"
    )
    assert [found for found in records(file, "data") if not isinstance(found, BadRow)] == [
        (1, {"a": "가" * 700_000}), (2, 12), (3, {"b": "]},{"}),
    ]  # fmt: skip


def test_a_long_list_is_not_held_in_memory(tmp_path: Path) -> None:
    """A whole file of this size would take 20 MB as objects."""
    file = tmp_path / "many.json"
    with file.open("w") as out:
        out.write("[" + ",".join(json.dumps({"code": i, "text": "x" * 60}) for i in range(60_000)) + "]")
    tracemalloc.start()
    try:
        assert sum(1 for _ in records(file, "row")) == 60_000
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "told"),
    [("[1, 2", 2), ("[1 2]", 1), ("[1,]", 2), ("[1, {]", 2), ("[" * 100_000, 1), ("[1, ", 2)],
)
def test_where_json_breaks_off_is_told(tmp_path: Path, text: str, told: int) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text)
    *whole, last = records(file, "row")
    assert isinstance(last, BadRow)
    assert (last.line, len(whole)) == (told, told - 1)
    assert "nothing after it could be read" in last.why


@given(st.lists(st.recursive(st.none() | st.integers() | st.text() | st.booleans(), st.lists, max_leaves=5)))
def test_a_list_of_anything_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    file = tmp_path_factory.mktemp("lists") / "list.json"
    file.write_text(json.dumps({"row": values}), encoding="utf-8")
    assert list(records(file, "row")) == list(enumerate(values, 1))


# Recipes


def recipe(code: object = 1, **told: object) -> dict[str, object]:
    return {
        "recipe_code": code, "recipe": "가는파잡채", "introduce": "잡채 요리", "category_code": 3020001,
        "category": "한식", "class_code": 3010022, "class": "볶음", "time": "30분", "calorie": "175Kcal",
        "serving": "2인분", "difficulty": "보통", "imageURL": " ", "detailURL": "http://www.okdab.com/?r=1", **told,
    }  # fmt: skip


def inside(code: object, *names: object) -> list[dict[str, object]]:
    return [{"recipe": "가는파잡채", "name": name, "amount": "약간", "recipe_code": code} for name in names]


def folder_of(path: Path, dishes: object, contents: object = (), steps: object = None) -> Path:
    (path / recipes.RECIPES).write_text(json.dumps(dishes, ensure_ascii=False), encoding="utf-8")
    (path / recipes.INGREDIENTS).write_text(json.dumps(list(contents), ensure_ascii=False), encoding="utf-8")  # type: ignore[call-overload]
    if steps is not None:
        (path / recipes.STEPS).write_text(json.dumps(steps, ensure_ascii=False), encoding="utf-8")
    return path


def test_recipes_of_the_ministry_are_read_whole() -> None:
    items, bad = parted(recipes.read(shared_data("recipes-mafra")))
    assert (len(items), len({item.id for item in items})) == (531, 531)
    assert Counter((row.file, row.why.split(":")[0].rstrip("0123456789")) for row in bad) == {
        ("recipes.json", "passed over"): 6,
        ("recipe_process.json", "no recipe has the code "): 38,
    }
    assert Counter(item.cuisine for item in items) == {
        "korean": 381, "western": 55, "fusion": 41, "chinese": 26, "japanese": 25, "southeast_asian": 3,
    }  # fmt: skip
    assert sum(item.kcal is None for item in items) == 31
    assert sum(not item.ingredients for item in items) == 4
    assert all(item.length and item.summary and item.url and item.allergens is None for item in items)
    by_id = {item.id: item for item in items}
    first = by_id["food:mafra-123"]
    assert (first.title, first.cuisine, first.country, first.length, first.kcal) == (
        "가는파잡채",
        "korean",
        "KR",
        30,
        175,
    )
    assert first.ingredients[:4] == ("가는파", "간장", "굵은파", "돼지고기")
    assert first.ingredients.count("생강") == 1
    assert first.url == "http://www.okdab.com/consumer/recipe/recipeView.do?recipeSn=123"
    assert first.external_ids == {"mafra": "123"}
    broken_line = by_id["food:mafra-120344"]
    assert (broken_line.ingredients, broken_line.spicy) == ((), None)
    assert "깻잎!\n" not in (broken_line.summary or "")
    assert "깻잎! 영양으로" in (broken_line.summary or "")
    assert by_id["food:mafra-90920"].kcal is None
    assert by_id["food:mafra-149"].title == "삼겹살채소말이"
    assert "꼬치" not in by_id["food:mafra-149"].ingredients
    stew = next(item for item in items if item.title == "김치찌개")
    assert (stew.soupy, stew.served, stew.spicy) == (True, ("hot",), 2)
    assert next(item for item in items if item.title == "오이냉국").served == ("cold",)


def test_a_recipe_becomes_a_dish(tmp_path: Path) -> None:
    contents = inside(
        1,
        "[양념장] 다진파",
        "소금, 후추",
        "다짐육(돼지고기, 소고기)",
        "고추장",
        "꼬치",
        "고추장",
        "양파 1/2개",
    )
    (item,), bad = parted(
        recipes.read(folder_of(tmp_path, [recipe(introduce="얼큰한\n 맛! 아이들 간식")], contents))
    )
    assert bad == []
    assert item.ingredients == ("다진파", "소금", "후추", "다짐육(돼지고기, 소고기)", "고추장", "양파")
    assert (item.summary, item.meals, item.spicy, item.soupy) == (
        "얼큰한 맛! 아이들 간식",
        ("snack",),
        2,
        False,
    )
    assert (item.cover, item.url, item.allergens) == (None, "http://www.okdab.com/?r=1", None)


def test_the_keys_of_the_open_api_are_read_like_those_of_the_copy(tmp_path: Path) -> None:
    api = {
        "RECIPE_ID": "7", "RECIPE_NM_KO": "미역냉국", "SUMRY": "새콤해요", "NATION_NM": "한식", "TY_NM": "국",
        "COOKING_TIME": "1시간 30분", "CALORIE": "55Kcal", "IMG_URL": "https://x.kr/a.jpg", "DET_URL": " ",
    }  # fmt: skip
    folder_of(tmp_path, {"Grid_20150827000000000226_1": {"totalCnt": 1, "row": [api]}})
    (tmp_path / recipes.INGREDIENTS).write_text('{"Grid": {"row": [{"RECIPE_ID": 7, "IRDNT_NM": "미역"}]}}')
    (item,), bad = parted(recipes.read(tmp_path))
    assert bad == []
    assert (item.id, item.title, item.length, item.kcal) == ("food:mafra-7", "미역냉국", 90, 55)
    assert (item.ingredients, item.cover, item.url) == (("미역",), "https://x.kr/a.jpg", None)
    assert (item.soupy, item.served, item.spicy) == (True, ("cold",), 0)


def test_nan_and_blanks_are_unknown(tmp_path: Path) -> None:
    """Some writers leave a bare NaN, which JSON has not, and codes turn into floats beside it."""
    folder = folder_of(tmp_path, [recipe(imageURL=float("nan"), introduce=" ", calorie="0Kcal", time="분")])
    (folder / recipes.INGREDIENTS).write_text(
        '[{"recipe_code": 1.0, "name": "파", "amount": NaN}]', encoding="utf-8"
    )
    (item,), bad = parted(recipes.read(folder))
    assert bad == []
    assert (item.summary, item.kcal, item.length, item.cover) == (None, None, None, None)
    assert item.ingredients == ("파",)


def test_codes_that_no_recipe_has_are_told_once(tmp_path: Path) -> None:
    steps = [{"recipe_code": code, "order_num": 1, "detail": "볶는다", "tip": " "} for code in (1, 9, 9)]
    items, bad = parted(recipes.read(folder_of(tmp_path, [recipe()], inside(5, "파", "무"), steps)))
    assert len(items) == 1
    assert [(row.file, row.line, row.why) for row in bad] == [
        (recipes.INGREDIENTS, 1, "no recipe has the code 5"),
        (recipes.STEPS, 2, "no recipe has the code 9"),
    ]


def test_no_broken_recipe_stops_the_rest(tmp_path: Path) -> None:
    rows = [
        recipe(1, recipe=" "), recipe(2, time="곧"), recipe(3, calorie="99999Kcal"), recipe("x"), "가지", recipe(4, recipe=["a"]),
        recipe(5, introduce="깨\ufffd\ufffd진 글"), recipe(6, recipe="간장", **{"class": "양념장"}), recipe(8), recipe(8),
        recipe(10, recipe="\ud83d"),
    ]  # fmt: skip
    folder = folder_of(tmp_path, [])
    (folder / recipes.RECIPES).write_text(json.dumps(rows))
    (folder / recipes.INGREDIENTS).write_text(
        json.dumps([{"recipe_code": 8, "name": " "}, 3, *inside(8, "파")])
    )
    items, bad = parted(recipes.read(folder))
    assert [(item.id, item.ingredients) for item in items] == [("food:mafra-8", ("파",))]
    told = {(row.file, row.line): row.why for row in bad}
    assert len(told) == len(bad) == 12
    for line, words in (
        (1, "no name"), (2, "'곧' is no number"), (3, "kcal"), (4, "no recipe code"), (5, "no record"),
        (6, "neither text nor"), (7, "U+FFFD"), (8, "양념장 is no dish"), (10, "stands twice"), (11, "U+FFFD"),
    ):  # fmt: skip
        assert words in told[recipes.RECIPES, line]
    assert "no legible name" in told[recipes.INGREDIENTS, 1]
    assert "no record" in told[recipes.INGREDIENTS, 2]


def test_what_is_no_folder_of_recipes_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(SourceError, match="is no folder"):
        list(recipes.read(tmp_path / "a.json"))
    with pytest.raises(SourceError, match=r"no file .*recipe_ingredients"):
        list(recipes.read(tmp_path))
    folder_of(tmp_path, {"version": 1})
    with pytest.raises(SourceError, match="is no JSON list"):
        list(recipes.read(tmp_path))
    (tmp_path / recipes.RECIPES).write_bytes(json.dumps([recipe()], ensure_ascii=False).encode("cp949"))
    with pytest.raises(SourceError, match="is not text in utf-8"):
        list(recipes.read(tmp_path))
    (tmp_path / recipes.RECIPES).write_text("version https://git-lfs.github.com/spec/v1\nsize 3\n")
    with pytest.raises(SourceError, match="git lfs pull"):
        list(recipes.read(tmp_path))


def test_spice_is_told_only_where_it_can_be() -> None:
    """A dish with kimchi or a ready-made sauce may be hot: unknown, never 0."""
    assert dishes.told("볶음", None, contents=["무", "소금"])["spicy"] == 0
    assert dishes.told("볶음", None, contents=["무", "배추김치"])["spicy"] is None
    assert dishes.told("볶음", None, contents=["무", "고운고춧가루"])["spicy"] == 1
    assert dishes.told("해물매운탕", None)["spicy"] == 2
    assert dishes.told("볶음", None)["spicy"] is None
    assert dishes.told("고추부각", None, summary="매운맛이 사라지고", contents=["고추"])["spicy"] is None


def test_every_word_of_the_list_is_one_that_items_know() -> None:
    """A typing mistake in the list would make bad rows of good ones."""
    for kind in (name for told in dishes.words()["kinds"] for name in told["names"]):
        for nation in (None, *dishes.words()["nations"]):
            Item.model_validate(
                {"id": "food:x", "domain": "food", "title": "x", **dishes.told("x", kind, nation)}
            )
    for rule in dishes.words()["titles"]:
        for part in rule["parts"]:
            Item.model_validate({"id": "food:x", "domain": "food", "title": part, **dishes.told(part, None)})
    names = [name for told in dishes.words()["kinds"] for name in told["names"]]
    assert len(names) == len(set(names))


# The nutrition table

HEADER = [
    "NO",
    "SAMPLE_ID",
    "식품코드",
    "DB군",
    "상용제품",
    "식품명",
    "식품상세분류",
    "1회제공량",
    "에너지(㎉)",
]


def row(
    code: object, name: object, kcal: object = 100, group: str = "음식", kind: object = "육류구이"
) -> list[Any]:
    return [1, f"{code}-ZZ-D01", code, group, "품목대표", name, kind, 500, kcal]


ROWS = [
    row("D000006", "꿩불고기", 368.8),
    row("D000009", "닭꼬치", 176.72300000000001),
    row("D000417", "순대 ", 542.41499999999996, kind="육류찜"),
    row("D018520", "순대", 410),
    row("D000010", "물김치", 0, kind="김치"),
    row("N000073", "배", 50, group="농축산물", kind="과실류"),
    row("N000073", "배", 50, group="농축산물", kind="과실류"),
    row("M000001", "멸치", 50, group="수산물", kind="어류"),
]  # fmt: skip


def book_of(path: Path, rows: Iterable[list[Any]], header: list[str] = HEADER) -> Path:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("표")
    for cells in (header, *rows):
        sheet.append(cells)
    book.save(path)
    return path


def csv_of(
    path: Path, rows: Iterable[list[Any]], encoding: str = "utf-8", header: list[str] = HEADER
) -> Path:
    lines = (",".join(str(cell) for cell in cells) for cells in (header, *rows))
    path.write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    return path


@pytest.mark.parametrize(
    "name", ["nutrition.xlsx", "derived_nutrition_33cols.utf-8.csv", "derived_nutrition_33cols.cp949.csv"]
)
def test_the_ministrys_table_is_read_whole(name: str) -> None:
    """839 rows of dishes bear 830 names; the other 1820 are counted."""
    items, bad = parted(nutrition.read(shared_data("food-nutrition-mfds") / name))
    assert (len(items), len({item.id for item in items})) == (830, 830)
    assert sum(item.external_ids["mfds"].count(",") + 1 for item in items) == 839
    assert [(row.line, row.why, row.value) for row in bad] == [
        (841, "passed over: 527 of 수산물, no dishes", bad[0].value),
        (1368, "passed over: 1293 of 농축산물, no dishes", bad[1].value),
    ]
    by_id = {item.id: item for item in items}
    assert (by_id["food:mfds-d000006"].title, by_id["food:mfds-d000006"].kcal) == ("꿩불고기", 369)
    assert by_id["food:mfds-d000009"].kcal == 177
    assert by_id["food:mfds-d000385"].external_ids == {"mfds": "D000385,D018478"}
    assert (by_id["food:mfds-d000385"].title, by_id["food:mfds-d000385"].kcal) == ("김치찌개", 167)
    assert by_id["food:mfds-d000417"].title == "순대"
    assert all(item.title == item.title.strip() and item.kcal and item.summary is None for item in items)
    assert all(item.allergens is None and not item.showable for item in items)


def test_the_table_of_thirty_dishes_is_read() -> None:
    items, bad = parted(nutrition.read(shared_data("food-nutrition-mfds") / "nutrition_30_dishes.csv"))
    assert (len(items), bad) == (30, [])
    assert (items[0].id, items[0].title, items[0].kcal) == ("food:table-1", "갈비구이", 240)
    assert (items[-1].id, items[-1].title, items[-1].kcal) == ("food:table-30", "콩자반", 271)


def test_workbook_and_both_encodings_say_the_same(tmp_path: Path) -> None:
    book = parted(nutrition.read(book_of(tmp_path / "t.xlsx", ROWS)))
    texts = [
        parted(nutrition.read(csv_of(tmp_path / f"{e}.csv", ROWS, e)))
        for e in ("utf-8", "utf-8-sig", "cp949")
    ]
    for items, bad in (book, *texts):
        assert [(item.id, item.title, item.kcal, item.external_ids["mfds"]) for item in items] == [
            ("food:mfds-d000006", "꿩불고기", 369, "D000006"),
            ("food:mfds-d000009", "닭꼬치", 177, "D000009"),
            ("food:mfds-d000417", "순대", 476, "D000417,D018520"),
            ("food:mfds-d000010", "물김치", None, "D000010"),
        ]
        assert [(told.line, told.why) for told in bad] == [
            (7, "passed over: 2 of 농축산물, no dishes"), (9, "passed over: 1 of 수산물, no dishes"),
        ]  # fmt: skip
    assert book[0][0].served == ("hot",)


def test_zero_is_not_measured_and_does_not_pull_the_median_down(tmp_path: Path) -> None:
    rows = [row("D1", "국", 0), row("D2", "국", 100), row("D3", "국", 300), row("D4", "국", 260)]
    (item,), _ = parted(nutrition.read(csv_of(tmp_path / "t.csv", rows)))
    assert item.kcal == 260


def test_no_broken_row_of_the_table_stops_the_rest(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        row("육류", "밀린 줄"), row("D2", "많다", 99999), row("D3", "모른다", "곧"), row("D4", "깨\ufffd\ufffd\ufffd"),
        row("D5", " "), row("D6", "좋다"), row("d6", "같은 코드"), row("D7", "음수", -5), row("D8", "빈칸", ""),
        row("D9", "밀린 줄", group="품목대표"),
    ]  # fmt: skip
    words = (
        "no code; is the row shifted",
        "no energy",
        "no number",
        "damaged",
        "empty",
        "stands twice",
        "-5",
        "no group of the table",
    )
    for path in (book_of(tmp_path / "t.xlsx", rows), csv_of(tmp_path / "t.csv", rows)):
        items, bad = parted(nutrition.read(path))
        assert [(item.title, item.kcal) for item in items] == [("좋다", 100), ("빈칸", None)]
        assert [told.line for told in bad] == [2, 3, 4, 5, 6, 8, 9, 11]
        assert all(word in told.why for told, word in zip(bad, words, strict=True))


def test_a_row_longer_than_the_header_is_told(tmp_path: Path) -> None:
    rows = [[*row("D1", "길다"), "더"], row("D2", "좋다")]
    for path in (book_of(tmp_path / "t.xlsx", rows), csv_of(tmp_path / "t.csv", rows)):
        items, bad = parted(nutrition.read(path))
        assert [item.title for item in items] == ["좋다"]
        assert "10 fields where the header has 9" in bad[0].why


def test_a_name_too_long_is_told(tmp_path: Path) -> None:
    items, bad = parted(
        nutrition.read(csv_of(tmp_path / "t.csv", [row("D1", "가" * 3000), row("D2", "좋다")]))
    )
    assert len(items) == 1
    assert "title" in bad[0].why


def test_another_table_is_no_ministrys_table(tmp_path: Path) -> None:
    header = [name.replace("식품명", "이름") for name in HEADER]
    for path in (
        book_of(tmp_path / "t.xlsx", ROWS, header), csv_of(tmp_path / "t.csv", ROWS, header=header),
    ):  # fmt: skip
        with pytest.raises(SourceError, match="no column 식품명"):
            list(nutrition.read(path))
    with pytest.raises(SourceError, match="no row that could be read"):
        list(nutrition.read(csv_of(tmp_path / "none.csv", [])))
    with pytest.raises(SourceError, match="is a folder"):
        list(nutrition.read(tmp_path))
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00\x80\x81")
    with pytest.raises(SourceError, match="is not text in utf-8-sig or cp949"):
        list(nutrition.read(tmp_path / "bytes.csv"))
    (tmp_path / "lfs.xlsx").write_text("version https://git-lfs.github.com/spec/v1\nsize 2472890\n")
    with pytest.raises(SourceError, match="git lfs pull"):
        list(nutrition.read(tmp_path / "lfs.xlsx"))


# Workbooks


def bomb(path: Path, megabytes: int, parts: int = 1) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in range(parts):
            with archive.open(f"xl/worksheets/sheet{part}.xml", "w") as out:
                for _ in range(megabytes):
                    out.write(b" " * (1 << 20))
    return path


def test_a_zip_bomb_is_not_opened(tmp_path: Path) -> None:
    """20 MB of blanks take 20 kB: far more than the tenfold of a table."""
    with pytest.raises(SourceError, match=r"unpacks to 20 MB in 1 parts, more than a table would"):
        list(nutrition.read(bomb(tmp_path / "ratio.xlsx", 20)))
    with pytest.raises(SourceError, match="2001 parts"):
        list(workbook.rows(bomb(tmp_path / "parts.xlsx", 0, 2001)))


def test_a_workbook_beyond_the_limit_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = book_of(tmp_path / "t.xlsx", ROWS)
    monkeypatch.setattr(workbook, "UNPACKED", 1000)
    with pytest.raises(SourceError, match="more than a table would"):
        list(workbook.rows(file))


def test_a_zip_that_promises_less_than_it_holds_unpacks_no_further(tmp_path: Path) -> None:
    """A forged directory says that 20 MB are 1,000 bytes."""
    file = bomb(tmp_path / "lies.xlsx", 20)
    whole = file.read_bytes()
    file.write_bytes(whole.replace(struct.pack("<I", 20 << 20), struct.pack("<I", 1000)))
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match="no whole Excel workbook"):
            list(workbook.rows(file))
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_a_sheet_that_claims_to_be_huge_is_read_for_what_it_holds(tmp_path: Path) -> None:
    """The dimension of a sheet is only a claim: rows padded to 16,384 cells would take minutes."""
    file, forged = book_of(tmp_path / "t.xlsx", ROWS), tmp_path / "forged.xlsx"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(forged, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            body = old.read(part)
            new.writestr(part, body.replace(b"<sheetData>", b'<dimension ref="A1:XFD1048576"/><sheetData>'))
    assert [len(cells) for _, cells in workbook.rows(forged)] == [len(HEADER)] * (len(ROWS) + 1)
    assert len(parted(nutrition.read(forged))[0]) == 4


@pytest.mark.parametrize(
    "damage", ["cut", "no sheet", "broken sheet", "broken numbers", "entities", "far row", "far cell"]
)
def test_a_broken_workbook_says_so(tmp_path: Path, damage: str) -> None:
    file, broken = book_of(tmp_path / "t.xlsx", ROWS), tmp_path / "broken.xlsx"
    if damage == "cut":
        broken.write_bytes(file.read_bytes()[:-200])
    else:
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(broken, "w") as new:
            for part in old.namelist():
                body = old.read(part)
                if "sheet1" in part:
                    if damage == "no sheet":
                        continue
                    if damage == "broken sheet":
                        body = body[: len(body) // 2]
                    if damage == "broken numbers":
                        body = body.replace(b"<v>500</v>", b"<v>\xea\xb0\x80</v>")
                    if damage == "far row":
                        body = body.replace(b'<row r="3"', b'<row r="99999999999"')
                    if damage == "far cell":
                        body = body.replace(b'r="A3"', b'r="ZZZZZZZZ3"')
                    if damage == "entities":
                        body = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
                            b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 20) for i in range(9)
                        ) + b"]><worksheet><sheetData><row><c><v>&j;</v></c></row></sheetData></worksheet>"  # fmt: skip
                new.writestr(part, body)
    with pytest.raises(SourceError, match="no whole Excel workbook"):
        list(nutrition.read(broken))
