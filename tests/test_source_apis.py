"""Each web API as it really answers: its pages, its ways of saying no, and rows that are broken in the midst."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.item import BadRow, Item, Mark
from data.sources import SOURCES, aladin, kmdb_web, kofic, national_library_web, nutrition_web, pages, tmdb
from data.sources.files import SourceError
from data.sources.web import Service
from tests.service import KEY, Local, Say, client, serving
from tests.shared import shared_data

WEB = [source for source in SOURCES.values() if source.web]
LIST_KEYS = {
    "aladin": "item",
    "kmdb": "Result",
    "kofic": "movieList",
    "nutrition": "items",
    "tmdb": "results",
}


@pytest.fixture
def local() -> Iterator[Local]:
    with serving() as local:
        yield local


def ask(local: Local, source: str, query: str = "", cursor: str = "") -> list[Item | BadRow | Mark]:
    module = import_module(f"data.sources.{SOURCES[source].web}")
    api: Service = replace(module.SERVICE, base=local.url, rate=1e9)
    with client(api) as asking:
        return list(module.read(asking, query, cursor))


def items(rows: list[Item | BadRow | Mark]) -> list[Item]:
    return [row for row in rows if isinstance(row, Item)]


def bad(rows: list[Item | BadRow | Mark]) -> list[str]:
    return [row.why for row in rows if isinstance(row, BadRow)]


def marks(rows: list[Item | BadRow | Mark]) -> list[str]:
    return [row.cursor for row in rows if isinstance(row, Mark)]


# What each answers

PICK = """<list><item><recomNo>1</recomNo><drCode>11</drCode><drCodeName>문학</drCodeName>
<recomtitle>{title}</recomtitle><recomauthor>지은이: 이시형</recomauthor><recomisbn>{isbn}</recomisbn>
<recomcontens><p>따뜻한 책 & <b>조용한</b> 밤.</p></recomcontens><publishYear>2019</publishYear></item></list>"""
ISBNS = ("9788937473005", "9788937473272", "9788965746584")


def picks(*books: str, total: int | None = None) -> str:
    inner = "".join(books)
    count = len(books) if total is None else total
    return f'<?xml version="1.0" encoding="UTF-8"?><channel><totalCount>{count}</totalCount>{inner}</channel>'


BOOK: dict[str, Any] = {
    "title": "잠깐 머리 좀 식히고 오겠습니다 - 쉬는 마음",
    "link": f"https://www.aladin.co.kr/shop/wproduct.aspx?ItemId=151352195&ttbkey={KEY}",
    "author": "윤대현 (지은이)", "pubDate": "2018-06-18", "description": "마음을 받아들이는 법을 말한다.",
    "isbn": "8965746582", "isbn13": "9788965746584", "itemId": 151352195, "mallType": "BOOK",
    "cover": "https://image.aladin.co.kr/product/15135/21/cover/8965746582_1.jpg", "categoryId": 51514,
    "categoryName": "국내도서>인문학>심리학/정신분석학>교양 심리학", "adult": False, "subInfo": {"itemPage": 292},
}  # fmt: skip


def shelf(*found: Any, total: int | None = None) -> str:
    """As Aladin writes it: JSON with a semicolon behind."""
    whole = {
        "version": "20131101",
        "totalResults": len(found) if total is None else total,
        "item": list(found),
    }
    return json.dumps(whole, ensure_ascii=False) + ";"


PARASITE: dict[str, Any] = {
    "id": 496243, "adult": False, "title": "기생충", "original_title": "기생충", "original_language": "ko",
    "overview": "전원백수로 살 길 막막하지만 사이는 좋은 기택 가족.", "release_date": "2019-05-30", "runtime": 133,
    "imdb_id": "tt6751668", "poster_path": "/p.jpg", "production_countries": [{"iso_3166_1": "KR"}],
    "genres": [{"id": 35, "name": "코미디"}, {"id": 53, "name": "스릴러"}, {"id": 999999, "name": "새 장르"}],
    "credits": {
        "cast": [{"name": "이선균", "order": 1}, {"name": "송강호", "order": 0}, {"name": None}],
        "crew": [{"name": "봉준호", "job": "Director"}, {"name": "홍경표", "job": "Director of Photography"}],
    },
    "keywords": {"keywords": [{"name": "con artist"}, {"name": "basement"}]},
    "release_dates": {"results": [
        {"iso_3166_1": "US", "release_dates": [{"certification": "R"}]},
        {"iso_3166_1": "KR", "release_dates": [{"certification": ""}, {"certification": "15"}]},
    ]},
    "translations": {"translations": [
        {"iso_639_1": "en", "iso_3166_1": "US", "data": {"title": "Parasite", "overview": "All unemployed."}}
    ]},
}  # fmt: skip


def found(*films: Any, total: int | None = None) -> str:
    count = len(films) if total is None else total
    return json.dumps({"page": 1, "results": list(films), "total_pages": 1, "total_results": count})


def tmdb_service(films: list[dict[str, Any]], broken: str = "") -> Callable[[str, dict[str, str]], Say]:
    """TMDB with these films in its list; `broken` stands in the place of the film 2 when it is asked for."""

    def answer(path: str, params: dict[str, str]) -> Say:
        if path.startswith("movie/"):
            number = int(path.removeprefix("movie/"))
            if broken and number == 2:
                return Say(broken)
            if number == 404:
                return Say({"success": False, "status_code": 34, "status_message": "not found"}, 404)
            return Say(PARASITE | {"id": number})
        start = (int(params["page"]) - 1) * 20
        return Say(found(*films[start : start + 20], total=len(films)))

    return answer


GREEN_BOOK: dict[str, Any] = {
    "movieCd": "20184574", "movieNm": "그린 북", "movieNmEn": "Green Book", "movieNmOg": "", "showTm": "130",
    "prdtYear": "2018", "openDt": "20190109", "prdtStatNm": "개봉", "typeNm": "장편",
    "nations": [{"nationNm": "미국"}], "genres": [{"genreNm": "드라마"}],
    "directors": [{"peopleNm": "피터 패럴리", "peopleNmEn": "Peter Farrelly"}],
    "actors": [{"peopleNm": "비고 모텐슨", "cast": ""}], "audits": [{"auditNo": "1", "watchGradeNm": "12세이상관람가"}],
}  # fmt: skip


def opened(*codes: str, genre: str = "드라마", total: int | None = None) -> str:
    films = [{"movieCd": code, "movieNm": f"영화 {code}", "genreAlt": genre} for code in codes]
    count = len(films) if total is None else total
    return json.dumps({"movieListResult": {"totCnt": count, "source": "영화진흥위원회", "movieList": films}})


STEW: dict[str, Any] = {
    "NUM": "1", "FOOD_CD": "D101-004160000-0001", "FOOD_NM_KR": "김치찌개_돼지고기", "DB_GRP_NM": "음식",
    "DB_CLASS_NM": "품목대표", "FOOD_CAT1_NM": "찌개 및 전골류", "SERVING_SIZE": "100g", "AMT_NUM1": "1,045.00",
    "Z10500": "200.000g", "MAKER_NM": None,
}  # fmt: skip


def meals(*rows: Any, total: int | None = None) -> str:
    body = {
        "pageNo": 1,
        "totalCount": len(rows) if total is None else total,
        "numOfRows": 100,
        "items": list(rows),
    }
    header = {"resultCode": "00", "resultMsg": "NORMAL SERVICE."}
    return json.dumps({"header": header, "body": body}, ensure_ascii=False)


def archive(*films: Any, total: int | None = None) -> str:
    count = len(films) if total is None else total
    inner = {"CollName": "kmdb_new2", "TotalCount": count, "Count": len(films), "Result": list(films)}
    return json.dumps({"Query": "", "KMAQuery": "", "TotalCount": count, "Data": [inner]}, ensure_ascii=False)


HOST: dict[str, Any] = {
    "DOCID": "K07273", "title": " !HS 괴물 !HE ", "titleEng": "The Host (Goe-mool)", "prodYear": "2006",
    "plots": {"plot": [{"plotLang": "한국어", "plotText": "괴물이 나타난다."}]}, "genre": "드라마,SF",
}  # fmt: skip


# What becomes of it


def test_picks_of_librarians_become_books(local: Local) -> None:
    local.say(Say(picks(PICK.format(title="어른답게 삽시다 : 이시형 에세이", isbn=ISBNS[0]))))
    (book,) = items(ask(local, "nl", "2019-2020"))
    assert (book.id, book.title) == ("book:nl-9788937473005", "어른답게 삽시다")
    assert book.summary == "따뜻한 책 & 조용한 밤."
    path, params = local.heard[0]
    assert (path, params["start_date"], params["end_date"]) == ("saseoApi.do", "20190101", "20201231")
    assert (params["startRowNumApi"], params["endRowNumApi"], params["key"]) == ("1", "100", KEY)


def test_the_librarys_own_sample_is_read(local: Local) -> None:
    sample = (shared_data("nl-saseo-picks") / "api_sample_from_doc.xml").read_bytes()
    local.answer = lambda path, params: Say(sample if params["startRowNumApi"] == "1" else picks(total=1737))
    assert [item.title for item in items(ask(local, "nl"))] == ["어른답게 삽시다"]


def test_what_the_library_is_asked_has_to_be_years(local: Local) -> None:
    with pytest.raises(SourceError, match="2020-2024"):
        ask(local, "nl", "김영하")


def test_a_book_of_aladin_is_the_one_of_the_saved_list(local: Local) -> None:
    """Two ids for one book would have doubled it."""
    local.say(Say(shelf(BOOK)))
    (book,) = items(ask(local, "aladin", "머리 식히기"))
    assert (book.id, book.title) == ("book:aladin-8965746582", "잠깐 머리 좀 식히고 오겠습니다")
    assert (book.creators, book.year, book.length) == (("윤대현",), 2018, 292)
    assert book.genres == ("psychology",)
    assert book.external_ids == {"isbn13": "9788965746584", "isbn10": "8965746582", "aladin": "151352195"}
    assert KEY not in book.to_json()
    assert local.heard[0][1]["Query"] == "머리 식히기"


def test_the_books_that_aladin_really_answered_are_read(local: Local) -> None:
    saved = json.loads((shared_data("nl-saseo-picks") / "aladin_item_lookup_sample.json").read_text("utf-8"))
    for one in saved:
        local.say(Say(json.dumps(one["aladin_info"], ensure_ascii=False)))
        number = one["original_recommendation"]["isbn"]
        (book,) = items(ask(local, "aladin", number))
        assert book.external_ids["isbn13"] == number
        assert local.heard[-1][0] == "ItemLookUp.aspx"
    local.say(Say({"errorCode": 8, "errorMessage": "키에 해당하는 상품이 존재하지 않습니다."}))
    assert bad(ask(local, "aladin", ISBNS[0])) == ["Aladin has no such book"]


def test_bestsellers_come_from_every_department(local: Local) -> None:
    local.say(Say(shelf(BOOK)))
    rows = ask(local, "aladin")
    assert [params["CategoryId"] for _, params in local.heard] == [str(one) for one in aladin.DEPARTMENTS]
    assert marks(rows)[:2] == ["1 1", "2 1"]
    local.heard.clear()
    ask(local, "aladin", cursor="3 2")
    assert local.heard[0][1] | {"start": "2", "CategoryId": str(aladin.DEPARTMENTS[3])} == local.heard[0][1]
    assert local.heard[1][1]["start"] == "1"


def test_no_more_is_asked_of_aladin_than_it_gives(local: Local) -> None:
    """Behind 200 books it answers with the same ones for ever."""
    local.say(Say(shelf(*[BOOK] * 50, total=1_000)))
    rows = ask(local, "aladin", "소설")
    assert [params["start"] for _, params in local.heard] == ["1", "2", "3", "4"]
    assert bad(rows) == ["only the first 200 of 1000 are given; search for something more particular"]


def test_films_of_tmdb_are_korean_and_english(local: Local) -> None:
    local.answer = tmdb_service([{"adult": False, "id": 496243}])
    (film,) = items(ask(local, "tmdb", "2019"))
    assert (film.id, film.title, film.title_en) == ("movie:tmdb-496243", "기생충", "Parasite")
    assert (film.creators, film.people) == (("봉준호",), ("송강호", "이선균"))
    assert (film.year, film.length, film.age, film.country) == (2019, 133, 15, "KR")
    assert set(film.genres) == {"comedy", "thriller"}
    assert film.summary == PARASITE["overview"]
    assert film.summary_en == "All unemployed. Keywords: con artist, basement."
    assert film.external_ids == {"tmdb": "496243", "imdb": "6751668"}
    (_, listing), (path, params) = local.heard
    assert listing["primary_release_date.lte"] == "2019-12-31"
    assert (path, params["language"]) == ("movie/496243", "ko-KR")
    assert "credits,keywords,release_dates" in params["append_to_response"]


def test_words_are_a_title_to_tmdb(local: Local) -> None:
    local.answer = tmdb_service([])
    assert ask(local, "tmdb", "기생충") == []
    assert local.heard[0][0] == "search/movie"


def test_no_more_is_asked_of_tmdb_than_it_gives(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tmdb, "_MOST", 40)
    local.answer = tmdb_service([{"adult": False, "id": number} for number in range(1, 70)])
    rows = ask(local, "tmdb")
    assert len(items(rows)) == 40
    assert bad(rows) == ["only the first 40 of 69 are given; ask for years, such as 2020-2024"]


@pytest.mark.parametrize(
    ("broken", "why"),
    [("{", "no JSON"), ("[" * 100_000, "no JSON"), ("[]", "no such film"), ('{"id": 7}', "no such film")],
)
def test_a_film_that_cannot_be_had_stops_no_other(local: Local, broken: str, why: str) -> None:
    films: list[dict[str, Any]] = [{"id": number} for number in (1, 2, 3, 404)]
    films += [{"adult": True}, {"adult": True, "id": "x"}]
    local.answer = tmdb_service(films, broken)
    rows = ask(local, "tmdb")
    assert [item.id for item in items(rows)] == ["movie:tmdb-1", "movie:tmdb-3"]
    assert why in bad(rows)[0]
    assert "no such film" in bad(rows)[1]
    assert bad(rows)[2:] == ["it has no id"] * 2


def test_films_of_kmdb_are_those_of_its_files(local: Local) -> None:
    local.say(Say(archive(HOST)))
    (film,) = items(ask(local, "kmdb", "괴물"))
    assert (film.id, film.title, film.summary) == ("movie:kmdb-k07273", "괴물", "괴물이 나타난다.")
    params = local.heard[0][1]
    assert (params["title"], params["startCount"], params["detail"]) == ("괴물", "0", "Y")
    ask(local, "kmdb", "2020-2021")
    assert local.heard[1][1]["releaseDte"] == "20211231"


def test_the_answer_that_kmdb_really_gave_is_read(local: Local) -> None:
    saved = (shared_data("movies-kmdb") / "movieDummy.js").read_text("utf-8")
    local.answer = lambda path, params: Say(
        saved[saved.index("{") :] if params["startCount"] == "0" else archive(total=257)
    )
    rows = ask(local, "kmdb", "이마 베프")
    assert len(items(rows)) == 10
    assert items(rows)[0].id == "movie:kmdb-f09210"


def test_films_shown_in_korea_are_asked_for_one_by_one(local: Local) -> None:
    def answer(path: str, params: dict[str, str]) -> Say:
        if path == "searchMovieList.json":
            return Say(opened("20184574", "20190002"))
        if params["movieCd"] == "20190002":
            return Say({"movieInfoResult": {"movieInfo": {}, "source": "영화진흥위원회"}})
        return Say({"movieInfoResult": {"movieInfo": GREEN_BOOK, "source": "영화진흥위원회"}})

    local.answer = answer
    rows = ask(local, "kofic", "2019")
    (film,) = items(rows)
    assert (film.id, film.title, film.title_en) == ("movie:kofic-20184574", "그린 북", "Green Book")
    assert (film.year, film.length, film.age, film.country) == (2018, 130, 12, "US")
    assert (film.genres, film.creators) == (("drama",), ("피터 패럴리",))
    assert bad(rows) == ["film 20190002: KOFIC tells nothing of it"]
    assert local.heard[0][1]["openStartDt"] == local.heard[0][1]["openEndDt"] == "2019"


def test_the_years_that_an_import_began_with_are_those_it_goes_on_with(local: Local) -> None:
    """Across New Year's Eve page 2 of one list would have followed page 1 of another."""
    local.say(Say(opened("1", genre="성인물(에로)", total=150)))
    api = replace(kofic.SERVICE, base=local.url, rate=1e9)
    with client(api) as asking:
        rows = list(kofic.read(asking, "", "", datetime(2025, 12, 31, tzinfo=UTC)))
        assert marks(rows) == ["2024-2025 2"]
        assert bad(rows) == ["passed over: 성인물(에로)"] * 2
        list(kofic.read(asking, "", "2024-2025 2", datetime(2026, 1, 1, tzinfo=UTC)))
    assert local.heard[-1][1] | {"openEndDt": "2025", "curPage": "2"} == local.heard[-1][1]


def test_dishes_have_the_energy_of_a_serving(local: Local) -> None:
    """The database tells it of 100 grams: a stew would have been a snack."""
    other = STEW | {"FOOD_CD": "R1", "FOOD_NM_KR": "달걀, 생것", "DB_GRP_NM": "원재료성"}
    unmeasured = STEW | {"FOOD_CD": "D2", "FOOD_NM_KR": "국수_잔치국수", "AMT_NUM1": "", "Z10500": None}
    local.say(Say(meals(STEW, other, unmeasured, STEW | {"AMT_NUM1": "many"}, STEW | {"FOOD_CD": None})))
    rows = ask(local, "nutrition", "찌개")
    stew, noodles = items(rows)
    assert (stew.id, stew.title, stew.kcal) == ("food:mfds-d101-004160000-0001", "돼지고기 김치찌개", 2090)
    assert (stew.soupy, stew.served) == (True, ("hot",))
    assert (noodles.title, noodles.kcal) == ("잔치국수", None)
    assert bad(rows) == [
        "passed over: 원재료성 is no dish",
        "'many' is no number of kcal",
        "FOOD_CD is empty",
    ]
    params = local.heard[0][1]
    assert (params["FOOD_NM_KR"], params["type"], params["serviceKey"]) == ("찌개", "json", KEY)


# What they all share


def empty(source: str, total: int) -> str:
    return {
        "aladin": shelf(total=total), "kmdb": archive(total=total), "kofic": opened(total=total),
        "nl": picks(total=total), "nutrition": meals(total=total), "tmdb": found(total=total),
    }[source]  # fmt: skip


REFUSALS = [
    ("aladin", Say({"errorCode": 100, "errorMessage": "잘못된 TTBKey입니다."})),
    ("aladin", Say('{"errorCode":4,"errorMessage":"API출력이 금지된 회원입니다."};')),
    ("kmdb", Say("인증키가 유효하지 않습니다.")),
    ("kofic", Say({"faultInfo": {"message": "유효하지않은 키값입니다.", "errorCode": "320010"}})),
    ("nl", Say("<error><msg>INVALID KEY</msg><error_code>011</error_code></error>")),
    ("nutrition", Say(
        "<OpenAPI_ServiceResponse><cmmMsgHeader><errMsg>SERVICE ERROR</errMsg><returnAuthMsg>"
        "SERVICE_KEY_IS_NOT_REGISTERED_ERROR</returnAuthMsg><returnReasonCode>30</returnReasonCode>"
        "</cmmMsgHeader></OpenAPI_ServiceResponse>")),
    ("nutrition", Say({"OpenAPI_ServiceResponse": {"cmmMsgHeader": {"returnReasonCode": "30"}}}, 403)),
    ("tmdb", Say({"status_code": 7, "status_message": "Invalid API key", "success": False}, 401)),
]  # fmt: skip


@pytest.mark.parametrize(("source", "said"), REFUSALS)
def test_a_refused_key_is_one_sentence_that_names_it(local: Local, source: str, said: Say) -> None:
    """Most say no with a status of 200, and would have been a list of nothing."""
    local.say(said)
    with pytest.raises(SourceError) as raised:
        ask(local, source)
    assert f"refuses the key: check {SOURCES[source].service.variable}" in str(raised.value)
    assert KEY not in str(raised.value)
    assert len(local.heard) == 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("kofic", Say({"faultInfo": {"message": "하루 이용량 초과", "errorCode": "320011"}})),
        ("nutrition", Say("<r><returnReasonCode>22</returnReasonCode></r>")),
    ],
)
def test_a_key_that_is_used_up_for_the_day_says_so(local: Local, source: str, said: Say) -> None:
    local.say(said)
    with pytest.raises(SourceError, match=r"used up; import again later: it goes on where it stopped\.$"):
        ask(local, source)


@pytest.mark.parametrize("source", [source.name for source in WEB])
def test_a_list_of_nothing_is_nothing(local: Local, source: str) -> None:
    local.say(Say(empty(source, 0)))
    rows = ask(local, source)
    assert items(rows) == []
    assert bad(rows) == []


@pytest.mark.parametrize("source", [source.name for source in WEB])
def test_a_list_that_ends_too_early_is_told(local: Local, source: str) -> None:
    """A page of nothing for ever would have been asked for for ever."""
    local.say(Say(empty(source, 150)))
    rows = ask(local, source)
    assert "the list ends here, though 150 were promised" in bad(rows)
    assert len(local.heard) <= len(aladin.DEPARTMENTS)


@pytest.mark.parametrize("source", [source.name for source in WEB])
@pytest.mark.parametrize("said", ["<html><body>점검 중</body></html>", "", "null", '{"a": [1', "{}", "\0\0"])
def test_what_is_no_answer_is_a_sentence(local: Local, source: str, said: str) -> None:
    local.say(Say(said))
    with pytest.raises(SourceError, match="cannot be read"):
        ask(local, source)
    assert len(local.heard) == pages.FETCHED_AGAIN + 1


@pytest.mark.parametrize("source", sorted(LIST_KEYS))
def test_a_row_broken_in_the_midst_costs_no_other(local: Local, source: str) -> None:
    one = {
        "aladin": shelf(BOOK), "kmdb": archive(HOST), "kofic": opened("20184574"), "nutrition": meals(STEW),
        "tmdb": found({"adult": False, "id": 1}),
    }[source]  # fmt: skip
    head, key, rest = one.partition(f'"{LIST_KEYS[source]}": [')
    record, end = json.JSONDecoder().raw_decode(rest)
    row, tail = json.dumps(record, ensure_ascii=False), rest[end:]
    page = head + key + ",".join([row, row[:12] + ' "broken" here', row]) + tail

    def answer(path: str, params: dict[str, str]) -> Say:
        if path.startswith("movie/"):
            return Say(PARASITE | {"id": 1})
        return Say({"movieInfoResult": {"movieInfo": GREEN_BOOK}} if path == "searchMovieInfo.json" else page)

    local.answer = answer
    rows = ask(local, source, "2019")
    assert len(items(rows)) == 2
    assert [why[:7] for why in bad(rows)] == ["no JSON"]


@pytest.mark.parametrize("source", [source.name for source in WEB])
def test_a_page_that_was_cut_off_is_asked_for_again(local: Local, source: str) -> None:
    whole = {
        "aladin": shelf(BOOK), "kmdb": archive(HOST), "kofic": opened("1", genre="성인물(에로)"),
        "nl": picks(PICK.format(title="책", isbn=ISBNS[0])), "nutrition": meals(STEW), "tmdb": found({"id": "?"}),
    }[source]  # fmt: skip
    cut = whole[: len(whole) * 2 // 3]
    local.say(Say(cut), Say(whole))
    rows = ask(local, source, "2019")
    assert len(rows) == 1
    assert not any("cut off" in why for why in bad(rows))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_answer_brings_a_reader_down(local: Local, data: st.DataObject) -> None:
    """Whatever stands in a row: an item, a row that is told, or a sentence."""
    source = data.draw(st.sampled_from(WEB)).name
    value = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    )
    known: dict[str, Any] = {
        "aladin": BOOK, "kmdb": HOST, "kofic": {"movieCd": "1", "movieNm": "가", "genreAlt": "드라마"},
        "nl": {}, "nutrition": STEW, "tmdb": {"id": 1},
    }[source]  # fmt: skip
    details = {"tmdb": PARASITE | {"id": 1}, "kofic": GREEN_BOOK | {"movieCd": "1"}}.get(source, {})
    names = sorted(known | details) or ["recomtitle", "recomisbn", "publishYear", "recomauthor"]
    changed = data.draw(st.dictionaries(st.sampled_from(names), value, max_size=5))
    changed.pop("movieCd", None)
    row = known | {name: told for name, told in changed.items() if name in known}
    detail = details | {name: told for name, told in changed.items() if name != "id"}
    page = {
        "aladin": shelf(row), "kmdb": archive(row), "nutrition": meals(row), "tmdb": found(row),
        "kofic": json.dumps({"movieListResult": {"totCnt": 1, "movieList": [row]}}),
        "nl": picks("<item>" + "".join(f"<{name}>{told}</{name}>" for name, told in changed.items()) + "</item>"),
    }[source]  # fmt: skip

    def answer(path: str, params: dict[str, str]) -> Say:
        if path.startswith("movie/"):
            return Say(json.dumps(detail).encode())
        if path == "searchMovieInfo.json":
            return Say(json.dumps({"movieInfoResult": {"movieInfo": detail}}).encode())
        return Say(page.encode("utf-8", "replace"))

    local.answer = answer
    try:
        rows = ask(local, source, "2019")
    except SourceError:
        return
    assert len(rows) >= 1


def test_years_are_told_from_words() -> None:
    assert pages.years("2024") == (2024, 2024)
    assert pages.years(" 1999 - 2003 ") == (1999, 2003)
    for words in ("1917년", "2024-", "20244", "300", "기생충", "", "³2024"):
        assert pages.years(words) is None


def test_every_service_has_its_own_setting() -> None:
    """A key that no setting reads would have been missing for ever."""
    from bot.settings import Settings

    fields = [source.service.setting for source in WEB]
    assert len(set(fields)) == len(fields)
    assert set(fields) <= set(Settings.model_fields)
    assert {
        module.SERVICE.base[:8]
        for module in (aladin, kmdb_web, kofic, national_library_web, nutrition_web, tmdb)
    } == {"https://"}
