"""KMDb: answers and JavaScript seeds come as Korean films, and a broken record stops nothing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import BadRow, Item
from data.sources import films, kmdb
from data.sources.files import SourceError
from data.sources.films import lexicon
from data.sources.kmdb import read
from data.sources.prose import SUMMARY
from tests.shared import shared_data

HOST: dict[str, Any] = {
    "DOCID": "K07273", "movieId": "K", "movieSeq": "07273", "title": " !HS 괴물 !HE ",
    "titleEng": "The Host (Goe-mool)", "titleOrg": "", "titleEtc": "괴물^괴물^더 호스트, 더호스트^The Host (Goe-mool)",
    "prodYear": "2006", "directors": {"director": [{"directorNm": " !HS 봉준호 !HE ", "directorEnNm": "Bong"}]},
    "actors": {"actor": [{"actorNm": f"배우{n}", "actorEnNm": ""} for n in range(9)]},
    "nation": "대한민국,미국", "plots": {"plot": [{"plotLang": "한국어", "plotText": "괴물이 나타난다."}]},
    "runtime": "119", "rating": "12세관람가", "genre": "드라마,SF,사회물(경향),가족", "type": "극영화",
    "kmdbUrl": "https://www.kmdb.or.kr/db/kor/detail/movie/K/07273", "posters": "http://file/1.jpg|http://file/2.jpg",
}  # fmt: skip


def answer(*records: Any) -> str:
    count = len(records)
    data = [{"CollName": "kmdb_new2", "TotalCount": count, "Count": count, "Result": list(records)}]
    return json.dumps(
        {"Query": "", "KMAQuery": "", "TotalCount": count, "Data": data}, ensure_ascii=False, indent=1
    )


def read_text(folder: Path, text: str) -> list[Item | BadRow]:
    file = folder / "movie.js"
    file.write_text(text, encoding="utf-8")
    return list(read(file))


def host(folder: Path, **changed: Any) -> Item:
    (made,) = read_text(folder, answer(HOST | changed))
    assert isinstance(made, Item), made
    return made


# The real files.


def test_a_real_answer_is_read_to_the_last_film() -> None:
    made = list(read(shared_data("movies-kmdb") / "movieDummy.js"))
    assert len(made) == 10
    items = {row.id: row for row in made if isinstance(row, Item)}
    assert len(items) == 10
    vep = items["movie:kmdb-f09210"]
    assert (vep.title, vep.title_en, vep.aliases) == ("이마 베프", "Irma Vep", ("장만옥의 이마베프",))
    assert (vep.creators, vep.people[0], len(vep.people)) == (("올리비에 아사야스",), "장만옥", 5)
    assert (vep.year, vep.country, vep.age, vep.length) == (1996, "FR", 15, 99)
    assert vep.genres == ("drama", "comedy", "fantasy")
    assert vep.external_ids == {"kmdb": "F09210"}
    assert vep.url == "https://www.kmdb.or.kr/db/kor/detail/movie/F/09210"
    assert items["movie:kmdb-f57827"].genres == ("action", "adventure", "animation")
    assert Counter(item.age for item in items.values()) == {15: 3, 12: 3, 19: 3, 0: 1}
    assert all(item.summary and len(item.summary) <= SUMMARY for item in items.values())


def test_the_real_seeds_are_read_to_the_last_film() -> None:
    made = list(read(shared_data("movies-kmdb") / "movie_seeds.js"))
    items = {row.title: row for row in made if isinstance(row, Item)}
    assert len(items) == len(made) == 56
    monster = items["괴물"]
    assert (monster.title_en, monster.aliases, monster.creators) == ("The Host", ("Goe-mool",), ("봉준호",))
    assert monster.people == ("송강호", "변희봉", "박해일", "배두나", "고아성")
    assert (monster.year, monster.country, monster.age, monster.length) == (2006, "KR", 12, 119)
    assert monster.summary is not None
    assert monster.summary_en is not None
    assert monster.summary.startswith("한강 둔치에서")
    assert monster.summary_en.startswith("Gang-du is")
    assert items["곡성"].aliases == ("곡성(哭聲)", "Gokseong")
    assert items["인류멸망보고서"].creators == ("임필성", "김지운")
    assert items["다찌마와 리"].title_en == "Dajjimawa Ri"
    assert all(item.summary for item in items.values()), "a plot that stands without a list was lost"
    assert sum(item.summary_en is None for item in items.values()) == 3
    assert Counter(item.age for item in items.values()) == {12: 19, 15: 19, 19: 14, None: 4}
    assert Counter(item.country for item in items.values()) == {"KR": 53, "US": 2, "GB": 1}
    assert sum(item.length is None for item in items.values()) == 2


def test_every_genre_rating_and_country_of_the_real_files_is_known() -> None:
    for name in ("movieDummy.js", "movie_seeds.js"):
        text = (shared_data("movies-kmdb") / name).read_text(encoding="utf-8")
        for line in text.splitlines():
            key, _, value = line.strip().rstrip(",").partition(":")
            parts = [part.strip() for part in value.strip().strip('"').split(",") if part.strip()]
            if key == '"genre"':
                assert set(parts) <= lexicon()["genres"]["kmdb"].keys()
            if key == '"nation"':
                assert set(parts) <= lexicon()["countries"].keys()
            if key == '"rating"' and parts and "[" not in value:
                assert films.age(parts[0]) is not None


# Copies with every quirk.


def test_a_film_has_no_search_marks_and_no_blanks_around_it(tmp_path: Path) -> None:
    item = host(tmp_path)
    assert item == Item(
        id="movie:kmdb-k07273", domain="movie", title="괴물", title_en="The Host",  # type: ignore[arg-type]
        aliases=("Goe-mool", "더 호스트"), creators=("봉준호",), people=tuple(f"배우{n}" for n in range(5)), year=2006,
        country="KR", genres=("drama", "sf", "family"), age=12, length=119, summary="괴물이 나타난다.",
        external_ids={"kmdb": "K07273"}, cover="http://file/1.jpg", source="KMDb",
        url="https://www.kmdb.or.kr/db/kor/detail/movie/K/07273",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "name", "value"),
    [
        ({"DOCID": ""}, "id", "movie:kmdb-k07273"),
        ({"title": " 곡성(哭聲) "}, "title", "곡성"),
        ({"title": "(哭聲)"}, "title", "(哭聲)"),
        ({"title": "외계+인 1부"}, "title", "외계+인 1부"),
        ({"titleEng": ""}, "title_en", None),
        ({"titleEng": " (Noryang: jugeumui bada) "}, "title_en", "Noryang: jugeumui bada"),
        ({"titleEng": "(500) Days of Summer"}, "title_en", "(500) Days of Summer"),
        ({"titleEng": "Blast ( )"}, "title_en", "Blast"),
        ({"prodYear": "미상"}, "year", None),
        ({"prodYear": ""}, "year", None),
        ({"prodYear": 2006}, "year", 2006),
        ({"runtime": ""}, "length", None),
        ({"runtime": "0"}, "length", None),
        ({"runtime": "NaN"}, "length", None),
        ({"runtime": float("nan")}, "length", None),
        ({"rating": ""}, "age", None),
        ({"rating": "전체관람가"}, "age", 0),
        ({"rating": "7세관람가"}, "age", 7),
        ({"rating": "18세관람가(청소년관람불가)"}, "age", 19),
        ({"rating": "연소자불가"}, "age", 19),
        ({"rating": "청소년관람불가"}, "age", 19),
        ({"rating": "15세관람가||청소년관람불가"}, "age", 19),
        ({"rating": "기타"}, "age", None),
        ({"nation": "아틀란티스,일본"}, "country", "JP"),
        ({"nation": ""}, "country", None),
        ({"genre": "없는장르", "type": "애니메이션"}, "genres", ("animation",)),
        ({"genre": "멜로/로맨스,시대극/사극"}, "genres", ("romance", "history")),
        ({"plots": {"plot": {"plotLang": " 한국어 ", "plotText": " 혼자다. "}}}, "summary", "혼자다."),
        ({"plots": {"plot": [{"plotLang": "영어", "plotText": "Alone."}]}}, "summary", None),
        ({"plots": {"plot": [{"plotLang": "영어", "plotText": "Alone."}]}}, "summary_en", "Alone."),
        ({"plots": None}, "summary", None),
        ({"plots": "?"}, "summary", None),
        ({"plots": {"plot": ["?", None, {"plotText": 3}]}}, "summary", None),
        ({"actors": {}, "actor": [{"actorNm": " 송강호 "}]}, "people", ("송강호",)),
        ({"actors": {"actor": [{"actorNm": "", "actorEnNm": "Tilda"}]}}, "people", ("Tilda",)),
        ({"directors": None, "directorNm": " 임필성, 김지운"}, "creators", ("임필성", "김지운")),
        ({"posters": "", "poster": ""}, "cover", None),
        ({"posters": "javascript:alert(1)"}, "cover", None),
        ({"titleEtc": "괴물^안녕, 괴물", "title": "안녕, 괴물", "titleEng": ""}, "aliases", ()),
    ],
)  # fmt: skip
def test_a_value_is_read_as_it_is_meant(
    tmp_path: Path, changed: dict[str, Any], name: str, value: object
) -> None:
    assert getattr(host(tmp_path, **changed), name) == value


def test_a_long_plot_ends_with_a_sentence(tmp_path: Path) -> None:
    plot = {"plotLang": "한국어", "plotText": "괴물이 한강에 나타난다. " * 100}
    summary = host(tmp_path, plots={"plot": [plot]}).summary
    assert summary is not None
    assert SUMMARY - 20 < len(summary) <= SUMMARY
    assert summary.endswith("나타난다.")


def test_javascript_around_the_records_is_dropped(tmp_path: Path) -> None:
    """A comma in front of a bracket is none of JSON's, but one within a plot belongs to the plot."""
    plot = {"plotLang": "한국어", "plotText": '가, ] 나,} 다\\ "라, ]"'}
    record = json.dumps(HOST | {"plots": {"plot": [plot]}}, ensure_ascii=False).replace("}]}", "},]}")
    for text in (
        f"export const dummy = {answer(HOST)};\n", f"module.exports = [\n{record},\n\n]\n", f"\ufeff[{record}]",
    ):  # fmt: skip
        (made,) = read_text(tmp_path, text)
        assert isinstance(made, Item)
        assert made.id == "movie:kmdb-k07273"
    assert isinstance(made, Item)
    assert made.summary == '가, ] 나,} 다\\ "라, ]"'


def test_a_film_without_an_id_has_the_same_one_each_time(tmp_path: Path) -> None:
    bare = {"title": " 괴물 ", "prodYear": " 2006", "directorNm": " 봉준호 "}
    first, second = read_text(tmp_path, f"module.exports = {json.dumps([bare, bare | {'prodYear': '1998'}])}")
    again, *_ = read_text(tmp_path, json.dumps([bare | {"title": "괴물", "rating": "12세관람가"}]))
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert isinstance(again, Item)
    assert first.id == again.id != second.id
    assert (first.external_ids, first.url) == ({}, None)


def test_broken_records_are_told_with_their_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    def record(**changed: Any) -> str:
        return json.dumps({"DOCID": "K1", "title": "괴물"} | changed, ensure_ascii=False)

    lines = [
        "module.exports = [", record() + ",", '{"DOCID": "K2", "title": "마더" "oops": 1},', record(DOCID="K3") + ",",
        record(DOCID="K4", title=" ") + ",", record() + ",", "7,", record(DOCID="?") + ",",
        record(DOCID="K5", title="가" * 3000) + ",", record(DOCID="K6", title="\ud800").replace("\ud800", "\\ud800") + ",",
        '{"title": "너무 긴 수", "runtime": ' + "9" * 5000 + "},", record(DOCID="K7"), "]",
    ]  # fmt: skip
    made = read_text(tmp_path, "\n".join(lines))
    assert [row.id for row in made if isinstance(row, Item)] == [
        "movie:kmdb-k1",
        "movie:kmdb-k3",
        "movie:kmdb-k7",
    ]
    bad = [(row.file, row.line, row.why.partition(":")[0]) for row in made if isinstance(row, BadRow)]
    assert bad == [
        ("movie.js", 3, "no JSON"),
        ("movie.js", 5, "it has no title"),
        ("movie.js", 6, "movie"),
        ("movie.js", 7, "no record"),
        ("movie.js", 8, "'?' is no id of KMDb"),
        ("movie.js", 9, "title"),
        ("movie.js", 10, "title"),
        ("movie.js", 11, "no JSON"),
    ]
    assert next(row.why for row in made if isinstance(row, BadRow) and row.line == 6) == (
        "movie:kmdb-k1 stands on line 2 already"
    )


def test_a_file_that_was_cut_off_keeps_what_came_before(tmp_path: Path) -> None:
    text = answer(HOST, HOST | {"DOCID": "K2"})
    first, *rest = read_text(tmp_path, text[: text.index('"K2"') + 60])
    assert isinstance(first, Item)
    assert [row.why.partition(":")[0] for row in rest if isinstance(row, BadRow)] == [
        "no JSON", "the list does not end; is the file cut off?",
    ]  # fmt: skip


def test_an_answer_without_films_is_empty_and_one_with_two_collections_is_read_whole(tmp_path: Path) -> None:
    assert read_text(tmp_path, answer()) == []
    both = f"[{answer(HOST)}, {answer(HOST | {'DOCID': 'K2'})}]"
    assert len(read_text(tmp_path, "x = {" + both[1:-1] + "}")) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello", "neither an object nor a list"),
        (b'{"error": "no key"}', "no Result"),
        ("module.exports = [괴물]".encode("cp949"), "utf-8"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_what_is_no_answer_says_what_to_do(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "movie.js"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=words):
        next(read(file))


def test_a_folder_and_a_giant_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="is a folder"):
        next(read(tmp_path))
    file = tmp_path / "movie.js"
    file.write_text(answer(HOST))
    monkeypatch.setattr(kmdb, "LARGEST", 10)
    with pytest.raises(SourceError, match="save fewer films"):
        next(read(file))


def test_a_record_nested_too_deep_is_told(tmp_path: Path) -> None:
    deep = '{"DOCID": "K9", "title": "깊다", "plots": ' + "[" * 100_000 + "]" * 100_000 + "}"
    first, second = read_text(tmp_path, f"[{deep},\n{json.dumps(HOST)}]")
    assert isinstance(first, BadRow)
    assert first.why.startswith("no JSON")
    assert isinstance(second, Item)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["director", "actor", "plot", "directorNm", "actorNm", "plotLang", "plotText"]),
            inner,
        )
    ),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.sampled_from(sorted(HOST)), values), max_size=4))
def test_any_records_are_films_or_told_one_for_one(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]
) -> None:
    file = tmp_path_factory.mktemp("any") / "movie.js"
    file.write_text(json.dumps(records), encoding="utf-8")
    assert len(list(read(file))) == len(records)


@given(st.text(alphabet='[]{}",:\\ \nResultDOCIDtitle가1'))
def test_any_text_is_rows_or_one_clear_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("any") / "movie.js"
    file.write_text('x = {"Result": [' + text, encoding="utf-8")
    assert all(isinstance(row, Item | BadRow) for row in read(file))
