"""Readers of book data sets: each quirk of the real files on small copies, and the real files counted where they are."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.item import BOOK_GENRES, BadRow, Domain, Item
from data.sources import aladin_csv, authors, books, isbn, national_library, prose, yes24
from data.sources.files import SourceError
from data.sources.words import of
from tests.shared import shared_data

Reader = Callable[[Path], Iterator[Item | BadRow]]


def shared(name: str) -> Path:
    """A file of the shared data; skips the test without it."""
    folder, _, file = name.partition("/")
    return shared_data(folder) / file


def split(entries: Iterator[Item | BadRow]) -> tuple[list[Item], list[BadRow]]:
    items, bad = [], []
    for entry in entries:
        if isinstance(entry, Item):
            items.append(entry)
        else:
            bad.append(entry)
    assert len({item.id for item in items}) == len(items)
    return items, bad


def only(entries: Iterator[Item | BadRow]) -> Item:
    (item,), bad = split(entries)
    assert bad == []
    return item


# ISBN


@given(st.integers(0, 999_999_999))
def test_an_old_isbn_becomes_the_new_one_of_the_same_book(body: int) -> None:
    digits = f"{body:09}"
    last = next(char for char in "0123456789X" if isbn.is_isbn10(digits + char))
    new = isbn.to_isbn13(digits + last)
    assert isbn.is_isbn13(new)
    assert new[3:12] == digits
    assert isbn.external_ids(f" {digits}-{last.lower()} ") == {"isbn13": new, "isbn10": digits + last}


@given(st.integers(0, 999_999_999), st.integers(0, 12), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(body: int, place: int, off: int) -> None:
    digits = f"978{body:09}"
    good = next(digits + char for char in "0123456789" if isbn.is_isbn13(digits + char))
    wrong = good[:place] + str((int(good[place]) + off) % 10) + good[place + 1 :]
    assert not isbn.is_isbn13(wrong)
    assert isbn.external_ids(wrong) == {}


def test_two_isbns_are_one_book_and_what_is_none_is_left_out() -> None:
    """The library writes that of the book and that of the set in one field."""
    assert isbn.external_ids("9788937473005 9788937473272") == {"isbn13": "9788937473005"}
    assert isbn.external_ids("978-89-374-7300-5", "8937473003") == {
        "isbn13": "9788937473005",
        "isbn10": "8937473003",
    }
    assert isbn.external_ids("6000852074 K522834190 123") == {}
    assert isbn.external_ids("19788937473005", "٩٧٨٨٩٣٧٤٧٣٠٠٥") == {}
    with pytest.raises(ValueError, match="no ISBN-10"):
        isbn.to_isbn13("6000852074")


# Authors


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("이지음 (지은이), 국민지 (그림) ", ["이지음", "국민지"]),
        ("김난도, 전미영 (지은이) ", ["김난도", "전미영"]),
        (
            "기시미 이치로, 고가 후미타케 (지은이), 전경아 (옮긴이), 김정운 (감수) ",
            ["기시미 이치로", "고가 후미타케"],
        ),
        ("파스칼 메르시어(페터 비에리) (지은이), 문항심 (옮긴이) ", ["파스칼 메르시어"]),
        ("ETS (엮은이) ", ["ETS"]),
        ("지은이: 가엘 파유 ;옮긴이: 김희진", ["가엘 파유"]),
        ("지은이·그린이: 이시형", ["이시형"]),
        ("지은이: 줄리언 반스, 옮긴이: 최세희", ["줄리언 반스"]),
        ("글: 랜스 울러버 ; 그림: 모드 루이스 ; 번역: 박상현 ", ["랜스 울러버", "모드 루이스"]),
        ("조르조 파리시 ;옮긴이: 김현주", ["조르조 파리시"]),
        ("아투로 E. 허낸데즈 지음 ;방진이 옮김", ["아투로 E. 허낸데즈"]),
        ("포 브론슨; 애쉴리 메리먼 지음; 이주혜 옮김", ["포 브론슨", "애쉴리 메리먼"]),
        ("존 크랠릭 지음, 차동엽 옮김", ["존 크랠릭"]),
        ("데일 카네기 지음;강성복:권오열 옮김", ["데일 카네기"]),
        ("케이티 머론 엮음 ; 오베르토 질리 사진 ; 오현아 옮김", ["케이티 머론", "오베르토 질리"]),
        ("허종숙 ; 이수홍 [공]지음", ["허종숙", "이수홍"]),
        ("최원형 글·그림", ["최원형"]),
        ("오병훈 글.사진", ["오병훈"]),
        ("김효진 글:사진", ["김효진"]),
        ("니콜라스 크리스토프·셰릴 우던 지음", ["니콜라스 크리스토프", "셰릴 우던"]),
        ("고중숙 외 22인", ["고중숙"]),
        ("버락 오바마 외 지음 ; 안지은 옮김", ["버락 오바마"]),
        ("이외수", ["이외수"]),
        ("윤대현  ", ["윤대현"]),
        ("이충렬, 박봉남,", ["이충렬", "박봉남"]),
        ("MBC 스페셜 <지방의 누명> 제작팀, 홍주영 지음", ["MBC 스페셜 <지방의 누명> 제작팀", "홍주영"]),
        ("르네 고시니 글/장 자끄 상뻬 그림", ["르네 고시니", "장 자끄 상뻬"]),
        ("미리암 르뱅, 쥘리아 티시에 공", ["미리암 르뱅", "쥘리아 티시에"]),
        ("(송)이방 등 모음 / 김장환 외 공역", ["이방"]),
        ("EBS Media 기획 ; 정영미 지음", ["정영미"]),
        ("작자 미상 / 조주관 역", []),
        ("이영미 역", []),
        (" ; , / ", []),
        ("", []),
    ],
)
def test_writers_are_found_and_translators_are_not(text: str, names: list[str]) -> None:
    assert list(authors.creators(text)) == names


NAMES = st.lists(st.text("김이박최정한강서윤", min_size=2, max_size=3), min_size=1, max_size=5, unique=True)


@given(NAMES, st.text("노도로", min_size=3, max_size=3))
def test_every_way_of_writing_the_same_people_gives_the_same_names(names: list[str], translator: str) -> None:
    together = ", ".join(names)
    for text in (
        f"{together} (지은이), {translator} (옮긴이) ",
        f"지은이: {together} ;옮긴이: {translator}",
        f"{together} 지음 ; {translator} 옮김",
        f"{';'.join(names)} 지음;{translator} 옮김",
        f"{together} / {translator} 역",
        together,
    ):
        assert list(authors.creators(text)) == names


@given(st.text("김 (지은이)옮:;,/·<>[]&#039외등.역\n\x00\ufffd", max_size=60))
def test_any_author_text_gives_names_once_and_no_bare_roles(text: str) -> None:
    names = authors.creators(text)
    assert len(set(names)) == len(names)
    assert all(name == name.strip() and any(map(str.isalnum, name)) for name in names)


# Texts


def test_markup_raw_escaped_and_half_escaped_is_the_same_text() -> None:
    markup = (
        '<p style="x">첫&nbsp;줄<br/>둘째 &quot;줄&quot;</p><script>alert(1)</script><!-- 말 --> 끝<b>말</b>'
    )
    for text in (markup, escape(markup), escape(escape(markup))):
        assert prose.plain(text) == '첫 줄 둘째 "줄" 끝말'


def test_what_only_looks_like_markup_stays() -> None:
    """ "&#039죽음&#039" has lost its semicolons; <지방의 누명> and <SLAM DUNK> are titles; 1 < 2."""
    assert prose.plain("최고의 &#039죽음&#039강의") == "최고의 '죽음'강의"
    for text in ("<지방의 누명> 제작팀", "<SLAM DUNK> 완결", "A & B", "1 < 2 > 0", "EBS <다큐", "LC & RC"):
        assert prose.plain(text) == text
    assert prose.plain("&lt;지방의 누명&gt;") == "<지방의 누명>"


def test_a_summary_ends_with_a_sentence() -> None:
    text = "첫 문장이에요. " * 80
    cut = prose.summary(text)
    assert cut is not None
    assert len(cut) <= 600
    assert cut.endswith("이에요.")
    assert prose.summary("그는 말했다. “가자.” 그리고 갔다.", 16) == "그는 말했다. “가자.”"
    assert prose.summary("끝없는 문장 하나", 8) == "끝없는 문장…"
    assert prose.summary("가" * 700) == "가" * 599 + "…"
    assert prose.summary(" \r\n\xa0 ") is None
    assert prose.summary("글자가 \ufffd\ufffd\ufffd 깨졌다.") is None
    assert prose.finished("다 썼다. 『...") == "다 썼다."


@given(st.text(max_size=900), st.integers(2, 600))
def test_a_summary_is_never_longer_than_asked(text: str, limit: int) -> None:
    cut = prose.summary(text, limit)
    assert cut is None or (0 < len(cut) <= limit and "\n" not in cut)


def test_a_title_loses_what_tells_of_the_edition_only() -> None:
    assert (
        books.title("엘리베이터에 낀 그 남자는 (출간 20주년 기념 리커버 특별판)")
        == "엘리베이터에 낀 그 남자는"
    )
    assert books.title("[예약판매] 교토탐정 홈즈 6") == "교토탐정 홈즈 6"
    assert books.title("파란 달 (하) (큰글자도서)") == "파란 달 (하)"
    for title in (
        "장미의 이름 (상)",
        "(명탐정) 브라운 신부의 결백 : The Innocence (영어 원서)",
        "(양장)",
        "아몬드",
    ):
        assert books.title(title) == title


def test_the_id_of_a_book_without_a_number_never_changes() -> None:
    """What people liked is stored under it."""
    assert books.hashed("데미안", ("헤르만 헤세",)) == "9217bcfc1015ca9f"
    assert books.hashed("데 미안", ("헤르만헤세",)) == "9217bcfc1015ca9f"
    assert books.hashed("데미안헤르만", ("헤세",)) != books.hashed("데미안", ("헤르만", "헤세"))


def test_every_genre_of_the_tables_is_one_of_ours() -> None:
    tables = [of(source)["genres"].values() for source in ("aladin", "yes24", "national_library")]
    named = {genre for table in tables for genres in table for genre in genres}
    named |= set(of("books")["titles"].values()) | set(of("books")["endings"].values())
    assert named <= set(BOOK_GENRES)
    assert set(of("national_library")["codes"].values()) <= set(of("national_library")["genres"])


# Aladin

ALADIN = (
    "a_isbn", "introduction", "item_id", "total_rating", "title", "author", "sale_price", "review_count", "isbn",
    "categories", "page",
)  # fmt: skip
GLUED = (
    "\r\n국내도서\xa0>\xa0어린이\xa0>\xa0동화/명작/고전\xa0>\xa0국내창작동화 접기국내도서\xa0>\xa0소설/시/희곡\xa0>"
    "\xa0추리/미스터리소설\xa0>\xa0한국 추리 접기\r\n국내도서\xa0>\xa0추천도서\xa0>\xa0황금도깨비상 접기\r\n"
)
CAT = {
    "a_isbn": "8949121921",
    "introduction": "수상작. 고양이 사장님의\r\n\r\n이야기다. <SLAM DUNK>처럼.",
    "item_id": "246808890",
    "total_rating": "9.6",
    "title": "강남 사장님 (리커버)",
    "author": "이지음 (지은이), 국민지 (그림) ",
    "sale_price": "10,800원",
    "review_count": "60",
    "isbn": "9788949121925.0",
    "categories": GLUED,
    "page": "148.0",
}


def aladin(folder: Path, *rows: dict[str, str], after: str = "") -> Path:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ALADIN)
    writer.writeheader()
    writer.writerows(rows)
    file = folder / "aladin.csv"
    file.write_bytes(("\ufeff" + text.getvalue() + after).encode())
    return file


def test_a_row_of_aladin_is_an_item(tmp_path: Path) -> None:
    assert only(aladin_csv.read(aladin(tmp_path, CAT))) == Item(
        id="book:aladin-8949121921",
        domain=Domain.BOOK,
        title="강남 사장님",
        creators=("이지음", "국민지"),
        genres=("children", "novel", "mystery"),
        length=148,
        summary="수상작. 고양이 사장님의 이야기다. <SLAM DUNK>처럼.",
        external_ids={"isbn13": "9788949121925", "isbn10": "8949121921", "aladin": "246808890"},
        source="books-aladin",
        url="https://www.aladin.co.kr/shop/wproduct.aspx?ISBN=8949121921",
    )


def test_a_page_that_the_crawler_did_not_get_leaves_no_foreign_number(tmp_path: Path) -> None:
    """Two books stand under item_id 56868780: without a page the crawler wrote the last one's."""
    unseen = CAT | {"a_isbn": "K522834190", "isbn": "", "page": "", "categories": "", "introduction": ""}
    item = only(aladin_csv.read(aladin(tmp_path, unseen)))
    assert item.id == "book:aladin-k522834190"
    assert (item.external_ids, item.length, item.genres, item.summary) == ({}, None, (), None)


def test_of_rows_for_one_book_the_fullest_is_taken(tmp_path: Path) -> None:
    empty = CAT | {"isbn": "", "page": "", "categories": ""}
    items, bad = split(aladin_csv.read(aladin(tmp_path, empty, CAT, CAT)))
    assert [item.length for item in items] == [148]
    assert [(row.line, row.why) for row in bad] == [
        (2, "the book of line 5 again"),
        (11, "the book of line 5 again"),
    ]


def test_broken_rows_of_aladin_are_told(tmp_path: Path) -> None:
    rows = (
        CAT | {"a_isbn": "9.78896E+12"},
        CAT | {"a_isbn": "K000000001", "title": " (양장) "},
        CAT | {"a_isbn": "K000000002", "title": "\ufffd\ufffd\ufffd 사장님"},
        CAT | {"a_isbn": "K000000003", "page": "99999999.0", "isbn": "9.78896E+12", "item_id": "x"},
        CAT | {"a_isbn": "K000000004", "title": " "},
        CAT | {"a_isbn": "K000000005", "page": "99999.0"},
    )
    items, bad = split(aladin_csv.read(aladin(tmp_path, *rows, after="8949121921,밀린 줄,1\r\n")))
    assert [item.id[-1] for item in items] == ["1", "3"]
    assert (items[1].length, items[1].external_ids) == (None, {})
    told = [row.why for row in bad]
    assert [why.split()[0] for why in told] == ["a_isbn", "letters", "no", "length:", "3"]


def test_all_of_aladin() -> None:
    items, bad = split(aladin_csv.read(shared("books-aladin/aladin_raw_data.csv")))
    assert (len(items), len(bad)) == (811, 9)
    assert {row.why.split(" of line")[0] for row in bad} == {"the book"}
    by_id = {item.id: item for item in items}
    assert by_id["book:aladin-8949121921"].creators == ("이지음", "국민지")
    assert by_id["book:aladin-8949121921"].genres == ("children",)
    assert by_id["book:aladin-8959895520"].title == "트렌드 코리아 2019"
    assert by_id["book:aladin-8959895520"].external_ids["isbn13"] == "9788959895526"
    assert by_id["book:aladin-8954655696"].length is not None, (
        "연필로 쓰기 stands there twice, once without its page"
    )
    assert "isbn10" not in by_id["book:aladin-6000852074"].external_ids
    assert sum("isbn13" in item.external_ids for item in items) == ALADIN_ISBNS
    assert sum(bool(item.genres) for item in items) == ALADIN_GENRES
    assert sum(item.summary is None for item in items) == 1
    assert all(len(item.summary or "") <= 600 for item in items)
    assert [item.title[:8] for item in items if not item.creators] == ["블루 아카이브 "]
    shelves = {path.split(" > ")[0] for path in aladin_paths()}
    assert shelves <= set(of("aladin")["genres"]), "a shelf that nobody has looked at"


def aladin_paths() -> Iterator[str]:
    with shared("books-aladin/aladin_raw_data.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            yield from aladin_csv._paths(row["categories"])


ALADIN_ISBNS, ALADIN_GENRES = 796, 710

# Yes24

SHELF = "Title,Writer,Publisher,Series,Price,Pagenum,Reviewcount,Score,Sellnum,Avail19,Novel,Genre"
MERGED = "Id,Title,Writer,Novel,Genre1,Genre2,Genre3,Score,Reviewcount"


def yes(folder: Path, header: str, *rows: str, encoding: str = "cp949") -> Path:
    file = folder / "yes24.csv"
    file.write_bytes("\n".join([header, *rows, ""]).encode(encoding))
    return file


def test_a_book_on_several_shelves_is_one_item(tmp_path: Path) -> None:
    """Counts differ a row; X, x, NA and nothing are missing; CP949 has 똠 and 뷁, EUC-KR has not."""
    file = yes(
        tmp_path,
        SHELF,
        '"돌이킬 수 없는 약속","야쿠마루 가쿠","북플라자","X",13500,380,102,8,548595,"X","x","추리"',
        '"돌이킬 수 없는 약속 (큰글자도서)","야쿠마루 가쿠","북플라자","X",13500,999,5,8,563541,"O","일본소설","X"',
        '"돌이킬  수 없는 약속","야쿠마루가쿠","북플라자","X",13500,NA,105,8,563541,"X","일본소설","X"',
        '"사악한 최면술사 뷁","","한스미디어","X",6000,536,10,8,270,"X","x","스릴러"',
        '"세트","NA","똠","X",6000,99999,0,0,270,"X","한국소설","X"',
    )
    (promise, hypnosis, box), bad = split(yes24.read(file))
    assert bad == []
    assert (promise.title, promise.creators) == ("돌이킬 수 없는 약속", ("야쿠마루 가쿠",))
    assert (promise.genres, promise.length, promise.age) == (("novel", "mystery"), 380, 19)
    assert (promise.external_ids, promise.url, promise.source) == ({}, None, "books-yes24")
    assert (hypnosis.creators, hypnosis.title) == ((), "사악한 최면술사 뷁")
    assert (box.creators, box.length) == ((), None)


def test_the_merged_list_is_read_too(tmp_path: Path) -> None:
    file = yes(
        tmp_path,
        MERGED,
        '1,"가면산장 살인사건, 그리고","히가시노 게이고","일본소설","추리",NA,NA,7.5,4',
        '2,"나도향 BEST 단편선","나도향","NA","공포","SF",NA,0,0',
        encoding="utf-8-sig",
    )
    (villa, stories), bad = split(yes24.read(file))
    assert bad == []
    assert (villa.title, villa.genres) == ("가면산장 살인사건, 그리고", ("novel", "mystery"))
    assert (stories.genres, stories.age) == (("novel", "sf", "short_story"), None)


def test_translators_go_and_other_authors_of_a_title_stay_other_books(tmp_path: Path) -> None:
    file = yes(
        tmp_path,
        MERGED,
        '1,"데미안","헤르만 헤세, 김재혁","독일소설",NA,NA,NA,8,1',
        '2,"데미안","헤르만 헤세, 홍경호","독일소설",NA,NA,NA,8,1',
        '3,"고백","미나토 가나에","일본소설",NA,NA,NA,8,1',
        '4,"고백","박성원","한국소설",NA,NA,NA,8,1',
        '5,"삼국지","요시카와 에이지, 나관중","중국소설",NA,NA,NA,8,1',
        '6,"삼국지 1","나관중","중국소설",NA,NA,NA,8,1',
        '7,"눈먼 시계공","정재승, 김탁환","한국소설",NA,NA,NA,8,1',
        '8,"서로","최진영, 최은영","영미소설",NA,NA,NA,8,1',
        '9,"검찰관","이영미 역","러시아소설",NA,NA,NA,8,1',
        '10,"검찰관","조주관 역","러시아소설",NA,NA,NA,8,1',
    )
    items, bad = split(yes24.read(file))
    assert bad == []
    assert [(item.title, *item.creators) for item in items] == [
        ("데미안", "헤르만 헤세"), ("고백", "미나토 가나에"), ("고백", "박성원"), ("삼국지", "요시카와 에이지", "나관중"),
        ("삼국지 1", "나관중"), ("눈먼 시계공", "정재승", "김탁환"), ("서로", "최진영", "최은영"), ("검찰관",), ("검찰관",),
    ]  # fmt: skip
    again = list(yes24.read(file))
    assert items == again, "ids stay from one reading to the next"


def test_no_reviews_are_no_rating() -> None:
    assert yes24.rating("0", "0") == (None, 0)
    assert yes24.rating("7.5", "12") == (7.5, 12)
    for score, reviews in (("11", "2"), ("nan", "2"), ("8", "x"), ("", "0"), ("추리", "1"), ("-1", "1")):
        with pytest.raises(ValueError, match=r"Score|Reviewcount"):
            yes24.rating(score, reviews)


def test_shifted_rows_of_yes24_are_told(tmp_path: Path) -> None:
    file = yes(
        tmp_path,
        SHELF,
        "책,지은이,집,X,1,쪽,1,8,1,X,x,추리",
        "책,지은이,집,X,1,10,추리,8,1,X,x,추리",
        "책,지은이,집,X,1,10,1,80,1,X,x,추리",
        " ,지은이,집,X,1,10,1,8,1,X,x,추리",
        "책,지은이,집,X,1,10,1,8,1,X,x",
        "!?,지은이,집,X,1,10,1,8,1,X,x,추리",
        "X,지은이,집,X,1,10,1,8,1,X,x,모르는 서가",
    )
    items, bad = split(yes24.read(file))
    assert [(item.title, item.genres) for item in items] == [("X", ())]
    assert [(row.line, row.why) for row in bad] == [
        (2, "Pagenum '쪽' is no number"), (3, "Reviewcount '추리' is no number"), (4, "Score 80 is not of 0 to 10"),
        (5, "no title"), (6, "11 fields where the header has 12"), (7, "no title"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "count"), [("Books_Information.csv", 25020), ("Books_Information_final.csv", 24977)]
)
def test_all_of_yes24(name: str, count: int) -> None:
    items, bad = split(yes24.read(shared(f"books-yes24/{name}")))
    assert (len(items), bad) == (count, [])
    assert all(item.genres for item in items)
    found = {(item.title, item.creators): item for item in items}
    promise = found["돌이킬 수 없는 약속", ("야쿠마루 가쿠",)]
    assert promise.genres == ("novel", "mystery")
    assert ("데미안", ("헤르만 헤세", "김재혁")) not in found
    assert ("데미안", ("헤르만 헤세",)) in found
    assert ("정재승", "김탁환") in {item.creators for item in items}
    assert found["모방범 1", ("미야베 미유키",)].length == (528 if name == "Books_Information.csv" else None)


# The National Library

RECORD = {
    "recomNo": "2019", "drCode": "11", "drCodeName": "문학", "recomtitle": "(오늘을 위한) 불빛 : 백희성 장편소설",
    "recomauthor": "지은이: 백희성 ;옮긴이: 김희진", "recompublisher": "집", "recomisbn": "9788937473005 9788937473272",
    "recommokcha": "<p>1장 &nbsp; 길</p>", "recomcontens": "<p>길을 <b>걷는</b> 이야기다.</p><p>둘째 줄.</p>",
    "publishYear": "2019", "recomYear": "2020", "mokchFilePath": "http://mokcha.nl.go.kr/1_thumbnail.jpg",
}  # fmt: skip
LIGHT = Item(
    id="book:nl-9788937473005",
    domain=Domain.BOOK,
    title="불빛",
    aliases=("(오늘을 위한) 불빛 : 백희성 장편소설",),
    creators=("백희성",),
    year=2019,
    genres=("novel",),
    summary="길을 걷는 이야기다. 둘째 줄.",
    external_ids={"isbn13": "9788937473005"},
    cover="http://mokcha.nl.go.kr/1_thumbnail.jpg",
    source="nl-saseo-picks",
)


def answer(folder: Path, *records: dict[str, str], head: str = "", raw: str = "") -> Path:
    """An answer of saseoApi.do; fields stand in it as they are given, so a test escapes what is to be escaped."""
    items = "".join(
        "<item>\n" + "".join(f"<{name}>{value}</{name}>\n" for name, value in record.items()) + "</item>\n"
        for record in records
    )
    file = folder / "saseo.xml"
    file.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<channel><totalCount>1</totalCount><list>\n{items}{raw}</list></channel>'
    )
    return file


def with_contents(contents: str) -> dict[str, str]:
    return RECORD | {"recommokcha": "", "recomcontens": contents}


@pytest.mark.parametrize(
    "record",
    [
        RECORD | {"recommokcha": "<p>well-formed</p>"},
        RECORD,
        with_contents(escape(RECORD["recomcontens"])),
        with_contents(f"<![CDATA[{RECORD['recomcontens']}]]>"),
        with_contents(f"<![CDATA[{RECORD['recomcontens']}]]>") | {"recompublisher": "A & B"},
        with_contents("<P>길을 <b>걷는</i> 이야기다.<br>둘째 줄."),
        {name.upper(): value for name, value in RECORD.items()},
    ],
    ids=["strict", "undeclared entity", "escaped", "cdata", "cdata beside &", "unclosed", "capitals"],
)
def test_however_a_record_is_written_it_is_the_same_pick(tmp_path: Path, record: dict[str, str]) -> None:
    assert only(national_library.read(answer(tmp_path, record))) == LIGHT


def test_the_names_of_the_library_s_own_table_are_read_too(tmp_path: Path) -> None:
    renamed = {
        "drCode": "drcode",
        "drCodeName": "decodeName",
        "recomisbn": "recome_isbn",
        "recomcontens": "recomcontents",
    }
    record = {renamed.get(name, name): value for name, value in RECORD.items()}
    assert only(national_library.read(answer(tmp_path, record))) == LIGHT


@pytest.mark.parametrize("strict", [True, False])
def test_brackets_and_entities_in_titles_and_authors_are_kept(tmp_path: Path, strict: bool) -> None:
    """A reader of recovered XML takes <지방의 누명> for an element and loses it."""
    bare = {
        "recomtitle": "최고의 &#039죽음&#039강의 : &quot;원소&quot; &amp; 역사", "drcodename": "",
        "recomauthor": "MBC 스페셜 <지방의 누명> 제작팀, 홍주영 지음  ", "drcode": "5",
    }  # fmt: skip
    record = {name: escape(value) for name, value in bare.items()} if strict else bare
    item = only(national_library.read(answer(tmp_path, record)))
    assert item.title == "최고의 '죽음'강의"
    assert item.aliases == ("최고의 '죽음'강의 : \"원소\" & 역사",)
    assert item.creators == ("MBC 스페셜 <지방의 누명> 제작팀", "홍주영")
    assert item.genres == ("society",)
    assert item.id.removeprefix("book:nl-") == books.hashed(item.aliases[0], item.creators)


def test_a_bomb_of_entities_does_not_go_off(tmp_path: Path) -> None:
    """A billion laughs: ten entities of ten each; a strict parser that sees the document type fills memory."""
    bomb = '<!ENTITY a0 "하">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    outside = '<!ENTITY x SYSTEM "file:///etc/passwd">'
    file = answer(tmp_path, with_contents("웃음 &a9; 밖 &x; 끝."), head=f"<!DOCTYPE c [{bomb}{outside}]>\n")
    assert only(national_library.read(file)).summary == "웃음 &a9; 밖 &x; 끝."


def test_one_broken_record_stops_nothing(tmp_path: Path) -> None:
    nameless = {"recomauthor": "아무개"}
    second = RECORD | {"recomisbn": "9788937473272"}
    raw = "<item><recomtitle>닫히지 않은 책<recomauthor>아무개</list>\n<item><recomtitle>잘린"
    file = answer(tmp_path, RECORD, nameless, RECORD, second, raw=raw)
    begins = [number for number, line in enumerate(file.read_text().split("\n"), 1) if "<item>" in line]
    items, bad = split(national_library.read(file))
    assert [item.id for item in items][:2] == ["book:nl-9788937473005", "book:nl-9788937473272"]
    assert (items[2].title, items[2].creators) == ("닫히지 않은 책", ("아무개",))
    assert [(row.line, row.why) for row in bad] == [
        (begins[1], "no title"),
        (begins[2], f"the book of line {begins[0]} again"),
        (begins[5], "the file ends within a record; fetch it again"),
    ]


def test_a_record_without_end_is_told_and_passed(tmp_path: Path) -> None:
    endless = f"<item><recomtitle>{'가' * 1_200_000}"
    raw = f"{endless}<item><recomtitle>다음 책</recomtitle></item>"
    items, bad = split(national_library.read(answer(tmp_path, raw=raw)))
    assert [item.title for item in items] == ["다음 책"]
    assert [row.why for row in bad] == ["a record that does not end"]


@pytest.mark.parametrize(
    "piece", ["<a ", "<", "&", "<!--", "<![CDATA[", "<recomtitle>", "<p>", "(", ":", "&lt;"]
)
def test_markup_made_to_be_slow_is_read_at_once(tmp_path: Path, piece: str) -> None:
    """Brackets that never close took the HTML parser minutes and more, each searched to the end anew."""
    hostile = {"recomtitle": "책", "recomauthor": piece * 100_000, "recomcontens": piece * 100_000}
    items, bad = split(national_library.read(answer(tmp_path, hostile)))
    assert len(items) + len(bad) == 1


def test_the_json_of_the_library_is_read_as_a_list_and_by_lines(tmp_path: Path) -> None:
    rows = [
        {"title": "나의 작은 나라 : 가엘 파유 장편소설", "author": "지은이: 가엘 파유 ;옮긴이: 김희진"},
        {"title": "하나", "author": "윤대현  ", "category_name": "", "contents": "좋다. 책이다.\n목차: 1장 = 2", "isbn": None},
        {"title": "둘", "author": "판덩", "category_name": "사회과학", "contents": "다 좋다. 해석...", "publish_year": 2024},
    ]  # fmt: skip
    for text in (
        json.dumps(rows, ensure_ascii=False, indent=2),
        "\ufeff" + json.dumps(rows),
        "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n",
    ):
        file = tmp_path / "books.json"
        file.write_text(text)
        (small, one, two), bad = split(national_library.read(file))
        assert bad == []
        assert (small.title, small.creators, small.genres) == ("나의 작은 나라", ("가엘 파유",), ("novel",))
        assert (one.creators, one.summary) == (("윤대현",), "좋다. 책이다.")
        assert (two.summary, two.year, two.genres) == ("다 좋다.", 2024, ("society",))


def test_broken_json_is_told_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "books.jsonl"
    file.write_text(
        '{"title": "하나"}\n{"title": "깨진\n{"title": "하나"}\n3\n{"title": "\\ud800"}\n{"title": "둘"\n'
    )
    items, bad = split(national_library.read(file))
    assert [item.title for item in items] == ["하나"]
    assert [row.line for row in bad] == [2, 3, 4, 5, 6]
    assert all(str(row).encode() and row.value.encode() for row in bad)


@pytest.mark.parametrize(
    ("name", "count", "again"),
    [
        ("api_sample_from_doc.xml", 1, 0),
        ("library_books_title_author.json", 1387, 1),
        ("derived_contents.jsonl", 11, 0),
    ],
)
def test_all_picks_of_the_library(name: str, count: int, again: int) -> None:
    items, bad = split(national_library.read(shared(f"nl-saseo-picks/{name}")))
    assert (len(items), len(bad)) == (count, again)
    titles = {item.title: item for item in items}
    if name.endswith("xml"):
        assert items[0].external_ids == {"isbn13": "9788937473005"}
        assert (items[0].title, items[0].creators, items[0].summary) == (
            "어른답게 삽시다",
            ("이시형",),
            "test",
        )
        assert (items[0].year, items[0].genres) == (2019, ("essay",))
    elif name.endswith("jsonl"):
        assert all(
            item.summary and "목차" not in item.summary and item.summary[-1] in ".?!”" for item in items
        )
        assert titles["불안 버리기"].aliases == ("(정신과 전문의 최주연 박사의) 불안 버리기",)
    else:
        assert [(row.line, row.why) for row in bad] == [(4922, "the book of line 774 again")]
        assert (
            "나는 매주 시체를 보러 간다 : 서울대학교 최고의 '죽음'강의"
            in titles["나는 매주 시체를 보러 간다"].aliases
        )
        assert titles["지방의 누명"].creators == ("MBC 스페셜 <지방의 누명> 제작팀", "홍주영")
        assert titles["잠깐 머리 좀 식히고 오겠습니다"].creators == ("윤대현",)


# All of them

READERS = [aladin_csv.read, yes24.read, national_library.read]


@pytest.mark.parametrize("read", READERS)
def test_what_is_not_the_file_says_so_in_one_sentence(read: Reader, tmp_path: Path) -> None:
    wrong = {
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 2494675\n",
        "empty": b"",
        "table": b"a,b\n1,2\n",
        "utf16": "title,author\n책,나\n".encode("utf-16"),
        "json": b"[]",
        "html": b"<html><body>error</body></html>",
        "picture": b"\x89PNG\r\n\x1a\n\x00\xff\xfe\x80",
    }
    for name, content in wrong.items():
        (tmp_path / name).write_bytes(content)
    for name in [*wrong, "missing", "."]:
        with pytest.raises(SourceError, match=r"[.;?]"):
            list(read(tmp_path / name))


@given(st.binary(max_size=200) | st.text('<item>/recomtitle[]{}":,&;\n가', max_size=200).map(str.encode))
def test_any_bytes_are_picks_bad_rows_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("any") / "any.xml"
    file.write_bytes(content)
    for read in READERS:
        try:
            for entry in read(file):
                assert isinstance(entry, Item | BadRow)
        except SourceError:
            continue


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Nine MB of answers and of bestsellers are read in a few."""
    long = ("가나다라마바사아자차카타파하" * 40 + ". ") * 10
    many = [with_contents(long) | {"recomtitle": f"책 {n}", "recomisbn": ""} for n in range(600)]
    rows = [CAT | {"a_isbn": f"K{n:09}", "introduction": long} for n in range(600)]
    for read, file in (
        (national_library.read, answer(tmp_path, *many)),
        (aladin_csv.read, aladin(tmp_path, *rows)),
    ):
        assert file.stat().st_size > 8_000_000
        tracemalloc.start()
        assert sum(isinstance(entry, Item) for entry in read(file)) == 600
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 6_000_000
