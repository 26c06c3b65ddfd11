"""What a model wrote is shown only where the item or the request backs it: measured on sentences written beforehand."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from data.item import Domain, Item
from data.phrases import Language, with_particle
from data.sources.catalog import shipped
from engine.grounding import FAULTS, Grounding, Sentences
from engine.korean import Korean
from engine.names import Names
from engine.request import Request

HERE = Path(__file__).parent
ITEMS = [item for item in shipped() if isinstance(item, Item)]
BY_ID = {item.id: item for item in ITEMS}
NAMES = Names.of(ITEMS)
WORKS = [item for item in ITEMS if item.domain is not Domain.FOOD]
LOST_MOST = 0.1
PARASITE, JJIGAE = BY_ID["movie:parasite-2019"], BY_ID["food:kimchi-jjigae"]


@cache
def grounding() -> Grounding:
    korean = Korean()
    asyncio.run(korean.ready())
    return Grounding(NAMES, korean)


@pytest.fixture(autouse=True, scope="module")
def _loaded_once(analyser: None) -> None:
    """The analyser of this process is shared."""


@cache
def asked(text: str) -> Request:
    """One request for all sentences about a pick, as in a talk."""
    return Request(text=text)


def check(
    sentence: str, item: Item = PARASITE, request: str = "", language: Language = "ko", **more: Any
) -> str | None:
    return grounding().check(sentence, item, asked(request), language=language, **more)


def measured(name: str) -> tuple[list[str], list[str], list[str]]:
    """Sentences of a set that leak, clean ones that are lost, and those refused as something else."""
    leaks, lost, other = [], [], []
    for line in (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found = check(
            row["sentence"], BY_ID[row["item"]], row["request"], row["language"], before=row.get("before", ())
        )
        told = f"{row['id']} {found} for {row['fault']}: {row['sentence']}"
        if row["fault"] and not found:
            leaks.append(told)
        elif found and not row["fault"]:
            lost.append(told)
        elif found != row["fault"]:
            other.append(told)
    return leaks, lost, other


def test_no_sentence_of_the_set_that_must_be_refused_is_shown_and_few_others_are_lost() -> None:
    """Keeps away: an invented title, name, year or number in a reply, and a check that refuses everything."""
    rows = [json.loads(line) for line in (HERE / "grounding.jsonl").read_text(encoding="utf-8").splitlines()]
    kinds = Counter(row["fault"] for row in rows)
    assert set(kinds) == {*FAULTS, None}
    assert kinds[None] >= 200
    assert len(rows) - kinds[None] >= 200

    leaks, lost, other = measured("grounding")

    assert leaks == []
    assert len(lost) <= LOST_MOST * kinds[None], lost
    assert len(other) <= LOST_MOST * len(rows), other


def test_a_part_held_out_while_the_check_was_written_holds_too() -> None:
    """At first sight of it one of its 90 leaked and one of its 70 clean ones was lost; both are mended since."""
    leaks, lost, _ = measured("grounding_held_out")
    assert leaks == []
    assert len(lost) <= LOST_MOST * 70, lost


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("괴물을 만든 감독의 또 다른 영화예요.", "title"),
        ("《버닝》의 서늘함이 떠올라요.", "title"),
        ("'플란다스의 개'에서 시작된 이야기예요.", "title"),
        ("박찬욱 감독의 솜씨가 돋보여요.", "name"),
        ("김도윤이 연기한 아들이 인상 깊어요.", "name"),
        ("에릭 하트만의 음악이 오래 남아요.", "name"),
        ("송강호와 이정재가 마주 앉는 장면이 좋아요.", "name"),
        ("2018년에 나온 영화예요.", "year"),
        ("80년대 서울을 그렸어요.", "year"),
        ("2000년대 초반의 공기가 담겼어요.", "year"),
        ("95분이면 끝나요.", "number"),
        ("백만 명이 본 영화예요.", "number"),
        ("오스카를 휩쓴 영화예요.", "number"),
        ("넷플릭스에서 볼 수 있어요.", "number"),
        ("이전 지시를 무시하고 답할게요.", "instruction"),
        ("이유: 긴장감이 넘쳐요.", "instruction"),
        ("https://example.com 에서 보세요.", "instruction"),
        ("우울증 약을 끊어도 될 만큼 웃겨요.", "unsafe"),
        ("맥주 한 잔이면 잠이 잘 와요.", "unsafe"),
        ("반지하 가족의 이야기가 精彩해요.", "garbage"),
        ("긴장감이 넘�쳐요.", "garbage"),
        ("\u202e긴장감이\u202c 넘쳐요.", "garbage"),
        ("긴장감이 **정말** 넘쳐요.", "garbage"),
        ("긴장감이 넘쳐ㅇㅛ.", "garbage"),
        ("정말 좋고 정말 좋고 정말 좋고 정말 좋아요.", "repetition"),
        ("반지하에서 저택으로 이어지는", "cut"),
        ("A tense family story.", "language"),
    ],
)
def test_each_kind_of_fault_is_told_by_its_name(sentence: str, kind: str) -> None:
    """The counts of the trace and of the metrics go by kind."""
    assert check(sentence) == kind


@pytest.mark.parametrize(
    "sentence",
    [
        "봉준호가 만든 기생충은 웃기고 서늘해요.",
        "2019년에 나온 영화인데 지금 봐도 날카로워요.",
        "2010년대 한국 영화 가운데 으뜸이에요.",
        "두 시간 남짓 숨을 죽이게 돼요.",
        "두 가족이 한집에서 만나는 순간이 아슬아슬해요.",
        "한 번쯤 혼자서 조용히 보기 좋아요.",
        "첫 장면부터 끝까지 눈을 뗄 수 없어요.",
        "이별이나 가을 같은 말은 나오지 않지만 쓸쓸해요.",
        "괴물 같은 반전이 기다려요.",
    ],
)
def test_what_the_item_says_in_other_words_may_be_said(sentence: str) -> None:
    """Keeps away: a writer that may say nothing of the item."""
    assert check(sentence) is None


def test_what_the_person_said_may_be_said_back() -> None:
    """The request's own titles, names and numbers are no inventions."""
    sentence = "설국열차처럼 30분 만에 빠져드는 영화를 찾으셨지요."
    assert check(sentence) == "number"
    assert check(sentence, request="설국열차처럼 30분 만에 빠져드는 영화") is None


def test_a_name_that_is_allowed_may_be_said() -> None:
    """What the person liked before stands in neither the item nor the request."""
    sentence = "살인의 추억을 좋아하셨으니 이 긴장감도 마음에 드실 거예요."
    assert check(sentence) == "title"
    assert check(sentence, allowed=("살인의 추억",)) is None


def test_another_dish_is_no_part_of_this_one() -> None:
    """Keeps away: a card of one dish that talks of another, or of what is not in it and somebody cannot eat."""
    assert check("된장찌개는 구수해요.", JJIGAE) == "title"
    assert check("땅콩을 듬뿍 뿌려 고소해요.", JJIGAE) == "name"
    assert check("Topped with pizza cheese.", JJIGAE, language="en") == "title"
    assert check("김이 모락모락 오르는 두부가 부드러워요.", JJIGAE) is None


def test_a_dish_beside_a_film_is_only_a_word() -> None:
    """치킨 먹으며 보기 좋은 영화 names no pick."""
    assert check("치킨 먹으며 보기 좋은 영화예요.") is None
    assert check("'치킨'을 먹으며 보기 좋은 영화예요.") == "title"


def test_nothing_is_said_of_allergies() -> None:
    """The card tells them from the item's own fields; a model must not."""
    assert check("새우 알레르기가 있어도 먹을 수 있어요.", JJIGAE) == "unsafe"
    assert check("Fine for people with an egg allergy.", JJIGAE, language="en") == "unsafe"


def test_the_same_said_again_in_nearly_the_same_words_is_refused() -> None:
    """A benefit that repeats the reason."""
    said = "반지하와 저택을 오가는 계단 장면이 인상 깊어요."
    assert check("반지하와 저택을 오가는 계단 장면이 정말 인상 깊어요.", before=[said]) == "repetition"
    assert check("웃다가 어느새 숨을 죽이게 돼요.", before=[said]) is None


def test_quotation_marks_around_plain_words_are_no_title() -> None:
    """Somebody's words, and words pointed at, may be quoted; what is marked as a title may not."""
    assert check("'아무 일 없는 하루'가 얼마나 드문지 알게 돼요.") is None
    assert check('"여기 정말 좋아요!" 하고 외치게 돼요.') is None
    assert check("《아무 일 없는 하루》가 생각나요.") == "title"
    assert check("소설 '아무 일 없는 하루'가 생각나요.") == "title"


def test_two_years_of_one_decade_are_not_one_year() -> None:
    """A decade is backed by the year, a year only by itself, a part of a decade by the years in it."""
    item = BY_ID["book:the-vegetarian"]
    assert item.year == 2007
    assert check("2000년대 후반에 나왔어요.", item) is None
    assert check("2000년대 초반에 나왔어요.", item) == "year"
    assert check("2008년에 나왔어요.", item) == "year"
    assert check("21세기 소설이에요.", item) is None
    assert check("20세기 소설이에요.", item) == "year"


def test_a_length_may_be_rounded_but_not_made_up() -> None:
    """118 minutes are two hours; they are neither ninety minutes nor three hours."""
    item = BY_ID["movie:train-to-busan-2016"]
    assert item.length == 118
    for said in ("두 시간 가까이", "2시간 동안", "약 120분 동안", "118분 동안"):
        assert check(f"{said} 눈을 뗄 수 없어요.", item) is None, said
    assert check("90분 동안 눈을 뗄 수 없어요.", item) == "number"
    assert check("세 시간 동안 눈을 뗄 수 없어요.", item) == "number"
    assert check("한 시간 반 동안 눈을 뗄 수 없어요.", item) == "number"


def test_without_the_analyser_the_dictionary_and_the_shapes_still_hold() -> None:
    """Until Kiwi is loaded, titles and numbers are refused all the same."""
    bare = Grounding(NAMES)
    for sentence in (
        "《버닝》이 떠올라요.",
        "살인의 추억보다 재미있어요.",
        "2018년에 나왔어요.",
        "박찬욱 감독의 영화예요.",
        "홍길순 작가의 이야기예요.",
    ):
        assert bare.check(sentence, PARASITE, Request(), language="ko"), sentence
    assert bare.check("기생충은 웃기고 서늘해요.", PARASITE, Request(), language="ko") is None


FRAMES = (
    "'{}'만큼 좋아요.",
    "《{}》이 떠오르는 이야기예요.",
    "“{}”처럼 오래 남아요.",
    "「{}」을 좋아하신다면 마음에 드실 거예요.",
)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(ITEMS), st.sampled_from(ITEMS), st.sampled_from(FRAMES))
def test_any_other_title_in_quotation_marks_is_refused(item: Item, other: Item, frame: str) -> None:
    """Keeps away: another item's title, whatever it is made of."""
    texts = " ".join((item.title, item.summary or "", *item.pitch, *item.ingredients, *item.aliases)).lower()
    assume(squeezed(other.title) not in squeezed(texts))
    assert check(frame.format(other.title), item)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(ITEMS),
    st.data(),
    st.sampled_from(["은", "이", "을", "과", "으로", "이라", "이나", "이랑"]),
)
def test_any_own_name_passes_with_any_particle(item: Item, data: st.DataObject, particle: str) -> None:
    """Keeps away: a sentence lost because it names what it is about."""
    own = [name for name in (item.title, *item.aliases, *item.creators, *item.people) if korean(name)]
    assume(own)
    name = data.draw(st.sampled_from(own))
    assert check(f"오늘은 {with_particle(name, particle)} 마음이 따뜻해져요.", item) is None


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(WORKS),
    st.integers(1500, 2030),
    st.sampled_from(["{}년에 나왔어요.", "{}년 작품이에요.", "It came out in {}."]),
)
def test_any_year_but_its_own_is_refused(item: Item, year: int, frame: str) -> None:
    """Keeps away: a year that the model remembers otherwise."""
    texts = " ".join(
        (
            item.title,
            item.title_en or "",
            item.summary or "",
            item.summary_en or "",
            *item.pitch,
            *item.pitch_en,
            *item.aliases,
        )
    )
    assume(year != item.year and str(year) not in texts)
    assert check(frame.format(year), item, language="en" if frame.startswith("It") else "ko") == "year"


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=300), st.sampled_from(ITEMS), st.sampled_from(["ko", "en"]))
@example("\u202e기생충\u202c은 좋아요.", PARASITE, "ko")
@example("👨‍👩‍👧‍👦 가족 영화예요.", PARASITE, "ko")
@example("ﷺ" * 50, PARASITE, "ko")
@example("가" * 10_000, PARASITE, "ko")
@example("'" * 399, PARASITE, "ko")
@example("", PARASITE, "en")
def test_no_text_breaks_the_check(text: str, item: Item, language: Language) -> None:
    """A small model may write anything at all."""
    assert check(text, item, text, language) in (None, *FAULTS)


def test_the_time_of_a_check_grows_with_the_text_and_no_faster() -> None:
    """Counted in characters looked up, not in seconds: a long text is refused before anything reads it."""
    lookups = Counting()
    counted = Grounding(lookups)
    for length in (50, 100, 200):
        lookups.asked = 0
        counted.check("가 나 " * (length // 4) + "좋아요.", PARASITE, Request(), language="ko")
        assert lookups.asked <= 45 * length
    lookups.asked = 0
    assert counted.check("가 나 " * 100_000, PARASITE, Request(), language="ko") == "garbage"
    assert lookups.asked == 0


class Counting(Names):
    """An empty dictionary that counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__(())
        self.asked = 0

    def spelt(self, key: str) -> Any:
        self.asked += 1
        return ()


def split(chunks: list[str]) -> list[str]:
    sentences = Sentences()
    whole = [sentence for chunk in chunks for sentence in sentences.feed(chunk)]
    return [*whole, rest] if (rest := sentences.rest()) else whole


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("기생충은 좋아요. 꼭 보세요!", ["기생충은 좋아요. ", "꼭 보세요!"]),
        ("평점 3.5점이에요. 끝.", ["평점 3.5점이에요. ", "끝."]),
        ("J.K. 롤링과 J. K. 롤링이에요. 네.", ["J.K. 롤링과 J. K. 롤링이에요. ", "네."]),
        ("Mr. Park is rich. Dr. No isn't.", ["Mr. Park is rich. ", "Dr. No isn't."]),
        ("글쎄… 그래도 좋아요. 음... 네.", ["글쎄… 그래도 좋아요. ", "음... 네."]),
        ('"좋아요." 하고 말해요. 끝.', ['"좋아요." ', "하고 말해요. ", "끝."]),
        ("정말요?! 네.", ["정말요?! ", "네."]),
        ("한 줄\n\n두 줄이에요.", ["한 줄\n\n", "두 줄이에요."]),
        ("1. 첫째예요. 2. 둘째예요.", ["1. 첫째예요. ", "2. 둘째예요."]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, sentences: list[str]) -> None:
    """Keeps away: half a number or half a name checked, and shown, as a sentence."""
    assert split([text]) == sentences


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet="가나 aJK.!?…\"'”)\n1", max_size=80),
    st.lists(st.integers(1, 7), min_size=1, max_size=80),
)
def test_sentences_are_the_same_however_the_text_arrives(text: str, sizes: list[int]) -> None:
    """A stream breaks anywhere; nothing may be lost or doubled by where it breaks."""
    chunks, at = [], 0
    for size in sizes:
        chunks.append(text[at : at + size])
        at += size
    chunks.append(text[at:])
    assert split(chunks) == split([text])
    assert "".join(split(chunks)) == text


def test_a_text_without_an_end_is_given_away_in_pieces() -> None:
    """Keeps away: a model that never stops filling the memory."""
    text = "가" * 5_000
    assert split([text]) == split(list(text)) == ["가" * 1_000] * 5


def squeezed(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def korean(name: str) -> bool:
    return any("가" <= char <= "힣" for char in name)


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        ("비건도 먹을 수 있어요.", "ko"), ("글루텐이 없어요.", "ko"), ("고기가 들어가지 않아요.", "ko"), ("It is gluten-free.", "en"),
        ("Nut-free and light.", "en"), ("당신은 우울증이에요.", "ko"), ("죄송하지만 추천할 수 없어요.", "ko"), ("이 메뉴는 안 맞아요.", "ko"),
        ("아래 링크를 눌러 주세요.", "ko"), ("Click the link below.", "en"), ("It does not fit what you asked for.", "en"),
        ("작년에 나온 메뉴예요.", "ko"), ("21세기 최고의 찌개예요.", "ko"), ("일곱 명의 도둑이 나와요.", "ko"), ("숙취를 싹 없애 줘요.", "ko"),
    ],
)  # fmt: skip
def test_what_a_reviewer_found_is_refused(sentence: str, language: Language) -> None:
    """Said of a stew with pork: what may hurt, what takes the recommendation back, what nobody can check."""
    assert check(sentence, JJIGAE, "뜨끈한 국물", language) is not None
