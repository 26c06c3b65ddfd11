"""Texts as people write them, and the Request, intent and names that they become."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.item import Domain
from engine import feelings
from engine.quantities import Range
from engine.recommender import Recommender
from engine.request import Exclude, Request
from engine.understanding import Understanding
from finetune.evaluate import Case, read

Understand = Callable[..., Awaitable[Understanding]]
BOOK, MOVIE, FOOD = Domain.BOOK, Domain.MOVIE, Domain.FOOD
QUERIES = Path(__file__).parents[2] / "shared" / "eval" / "queries.jsonl"

LAUGH = Request(text="우울한데 웃긴 영화", domain=MOVIE, moods=("sad",), effects=("laughter",))
"""A first request that the follow-ups below change."""
LUNCH = Request(text="안 매운 점심", domain=FOOD, meals=("lunch",), spicy=Range(None, 0))


def fields(request: Request, *names: str) -> dict[str, Any]:
    return {name: getattr(request, name) for name in names}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("비 오는 날 뜨끈한 국물 있는 거 먹고 싶어", {"domain": FOOD, "situations": ("rainy",), "soupy": True, "served": ("hot",)}),
        ("매운 거 못 먹는데 점심 뭐 먹지", {"domain": FOOD, "spicy": Range(None, 1), "meals": ("lunch",)}),
        ("계란 알레르기 있어. 간단한 저녁 추천해줘", {"allergens": ("egg",), "meals": ("dinner",), "ingredients": ()}),
        ("비건 메뉴 추천해줘", {"domain": FOOD, "diet": ("vegan",)}),
        ("술 마신 다음날 해장으로 뭐가 좋을까", {"domain": FOOD, "situations": ("hangover",)}),
        ("요즘 너무 지치고 불안해. 위로받을 수 있는 책", {"domain": BOOK, "moods": ("tired", "anxious"), "effects": ("comfort",)}),
        ("잠들기 전에 가볍게 읽을 에세이", {"genres": ("essay",), "situations": ("bedtime",), "immersion": "light"}),
        ("현실에서 도망치고 싶다 판타지 소설 없나", {"domain": BOOK, "effects": ("escape",)}),
        ("한국 로맨스 영화 두 편만 추천해줘", {"country": ("KR",), "genres": ("romance",), "count": 2}),
        ("2시간 안 넘는 액션 영화", {"genres": ("action",), "length": Range(None, 120)}),
        ("애랑 같이 볼 애니메이션", {"genres": ("animation",), "age": 12, "situations": ("family",)}),
        ("다이어트 중인데 500칼로리 이하로", {"domain": FOOD, "kcal": Range(None, 500), "body": ("diet",)}),
        ("엄마 생신인데 가족끼리 뭐 먹으면 좋을까", {"domain": FOOD, "situations": ("family",)}),
        ("something warm and soupy for a cold day", {"domain": FOOD, "soupy": True, "served": ("hot",), "situations": ("cold_day",)}),
        ("a feel-good movie for a date", {"domain": MOVIE, "effects": ("comfort",), "situations": ("date",)}),
        ("vegetarian dinner under 500 kcal", {"domain": FOOD, "diet": ("vegetarian",), "kcal": Range(None, 500)}),
        ("two short movies", {"domain": MOVIE, "count": 2, "length": Range(None, 105)}),
        ("비오는날국물있는거먹고싶어", {"domain": FOOD, "situations": ("rainy",), "soupy": True}),
        ("한국영화추천해줘", {"domain": MOVIE, "country": ("KR",)}),
        ("안매운거", {"domain": FOOD, "spicy": Range(None, 0)}),
        ("길지 않은 영화", {"length": Range(None, 105)}),
        ("세 시간짜리 대작", {"domain": MOVIE, "length": Range(150, 210)}),
        ("200쪽 안 되는 얇은 소설", {"domain": BOOK, "length": Range(None, 200)}),
        ("아침에 5분이면 되는 거", {"domain": FOOD, "length": Range(None, 5), "meals": ("breakfast",)}),
        ("19세기 소설", {"domain": BOOK, "years": Range(1801, 1900)}),
        ("a 19th century novel", {"domain": BOOK, "years": Range(1801, 1900)}),
        ("흑백 코미디 영화", {"domain": MOVIE, "years": Range(None, 1965)}),
        ("고전 영화", {"domain": MOVIE, "years": Range(None, 1979)}),
        ("조선시대 배경 영화", {"domain": MOVIE, "genres": ("history",), "country": ("KR",)}),
        ("일본 사극 영화", {"domain": MOVIE, "genres": ("history",), "country": ("JP",)}),
        ("북유럽 추리소설", {"country": ("DK", "SE", "NO", "FI", "IS")}),
        ("2차 세계대전 영화", {"domain": MOVIE, "genres": ("war",)}),
        ("소울푸드 추천해줘", {"domain": FOOD, "effects": ("comfort",)}),
        ("베트남 쌀국수 같은 동남아 국물요리", {"domain": FOOD, "country": (), "cuisine": ("southeast_asian",), "soupy": True}),
        ("무서운 장면 없는 애니메이션", {"domain": MOVIE, "genres": ("animation",)}),
        ("흑백영화 하나", {"domain": MOVIE, "count": 1, "unchecked": ("colour",)}),
        ("트롤 나오는 영화", {"domain": MOVIE, "creators": (), "unknown": "트롤"}),
        ("스티븐 킹 소설", {"domain": BOOK, "creators": (), "unknown": "스티븐 킹"}),
        ("무라카미 류 소설", {"domain": BOOK, "creators": (), "unknown": "무라카미 류"}),
        ("무라카미 소설", {"domain": BOOK, "creators": ("무라카미 하루키",), "unknown": ""}),
        ("톰 크루즈 액션 영화", {"domain": MOVIE, "people": ("톰 크루즈",), "unknown": ""}),
        ("프랑스 파리 배경 영화", {"domain": MOVIE, "country": ("FR",), "unknown": ""}),
        ("12,000원 이하", {"domain": FOOD, "price": 2}),
        ("액션보다 생각할 거리 많은 SF", {"domain": MOVIE, "genres": ("sf",)}),
        ("지브리 영화", {"domain": MOVIE, "creators": ("미야자키 하야오", "콘도 요시후미", "다카하타 이사오")}),
    ],
)  # fmt: skip
async def test_a_wish_becomes_a_request(understand: Understand, text: str, expected: dict[str, Any]) -> None:
    understood = await understand(text)
    assert understood.intent == "recommend"
    assert fields(understood.request, *expected) == expected


def _cases() -> list[Case]:
    return [case for case in read(QUERIES) if isinstance(case, Case)] if QUERIES.exists() else []


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in _cases()])
async def test_an_example_request_is_a_wish_of_its_domain(understand: Understand, case: Case) -> None:
    understood = await understand(case.text)
    assert understood.intent == "recommend"
    assert understood.request.domain == case.must["domain"]
    assert not understood.request.is_open


async def test_a_short_title_is_meant_where_it_alone_is_asked_for(understand: Understand) -> None:
    """기담 추천해줘 was any film, and 기담 alone that one."""
    assert (await understand("기담 추천해줘")).request.items == ("movie:epitaph-2007",)
    assert (await understand("불안 추천해줘")).request.items == ()


@pytest.mark.parametrize(
    "text",
    ["봉준호 감성 영화", "봉준호 같은 감독 영화", "봉준호 스타일로 한국 영화", "a bong joon-ho style movie"],
)
async def test_the_manner_of_a_maker_is_a_likeness_and_no_rule(understand: Understand, text: str) -> None:
    """지브리 감성 실사 영화 found nothing: by whoever draws, and not drawn."""
    request = (await understand(text)).request
    assert request.like
    assert (request.creators, request.unknown) == ((), "")


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        ("비 오는 날 볼 로맨스 영화 추천해줘", "비 오는 날 볼 로맨스"),
        ("영화 추천해줘", "영화"),
        ("영화감독 이야기 책", "영화감독 이야기"),
        ("a funny Movie", "a funny"),
        ("메뉴", "메뉴"),
    ],
)
async def test_words_that_only_ask_are_not_searched(understand: Understand, text: str, searched: str) -> None:
    """All that is searched is films where a film is asked for: the word for it only makes summaries that hold it
    seem nearer."""
    assert (await understand(text)).request.text == searched


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("공포랑 스릴러 빼고 영화 추천", {"genres": ("horror", "thriller")}),
        ("로맨스나 코미디 말고 영화", {"genres": ("romance", "comedy")}),
        ("무섭지 않은 스릴러 영화", {"genres": ("horror",)}),
        ("일본 소설 말고", {"genres": ("novel", "short_story"), "country": ("JP",)}),
        ("외국 영화", {"country": ("KR",)}),
        ("한국 영화 말고 일본 영화", {"country": ("KR",)}),
        ("한식 말고 중식", {"cuisine": ("korean",)}),
        ("떡볶이 말고 다른 분식", {"titles": ("떡볶이",)}),
        ("봉준호 말고 다른 감독 영화", {"creators": ("봉준호",)}),
        ("송강호 안 나오는 한국 영화", {"people": ("송강호",)}),
        ("a thriller without horror", {"genres": ("horror",)}),
        ("not a horror, not a thriller movie", {"genres": ("horror", "thriller")}),
        ("movies not about war", {"genres": ("war",)}),
        ("something other than korean food", {"cuisine": ("korean",)}),
        ("사랑 얘기 나오는 건 no, 기분전환용 영화", {"genres": ("romance",)}),
        ("공포 영화는 노노", {"genres": ("horror",)}),
        ("전쟁영화 추천좀. 미국영화는 많이봐서 다른나라걸로", {"country": ("US",)}),
        ("sci-fi, but nothing with too much horror", {"genres": ("horror",)}),
        ("한식 no pork", {"cuisine": ()}),
    ],
)  # fmt: skip
async def test_what_is_turned_down_is_excluded(
    understand: Understand, text: str, expected: dict[str, Any]
) -> None:
    request = (await understand(text)).request
    out = request.exclude
    assert {name: getattr(out, name) for name in expected} == expected
    for name in ("genres", "cuisine", "country", "creators", "people"):
        assert not set(getattr(out, name)) & set(getattr(request, name))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("안 매운 음식", {"spicy": Range(None, 0)}),
        ("맵지 않고 국물 없는 점심", {"spicy": Range(None, 0), "soupy": False, "served": ()}),
        ("no spicy food", {"spicy": Range(None, 0)}),
        ("뜨거운 거 말고 점심", {"served": ("cold",)}),
        ("무겁지 않은 책", {"immersion": "light"}),
        ("슬프지 않은 영화", {"moods": ()}),
        ("두꺼운 책 말고", {"length": Range(None, 399)}),
        ("90년대 말고 영화", {"years": Range()}),
        ("300쪽 이하, 에세이 말고 책", {"length": Range(None, 300)}),
    ],
)  # fmt: skip
async def test_a_turned_down_quality_becomes_its_opposite_or_nothing(
    understand: Understand, text: str, expected: dict[str, Any]
) -> None:
    """국물 없는 asked for something cold once, because 국물 also means hot; "두꺼운 책 말고" for thick ones."""
    assert fields((await understand(text)).request, *expected) == expected


@pytest.mark.parametrize(
    ("text", "allergens", "avoid"),
    [
        ("새우 못 먹어요. 중식 추천해 주세요", {"shrimp"}, set()),
        ("땅콩 알레르기 있는데 중식", {"peanut"}, set()),
        ("새우랑 게 빼고 중식", {"shrimp", "crab"}, set()),
        ("새우나 오징어 못 먹어요 점심", {"shrimp", "squid"}, set()),
        ("참깨 알레르기 있어. 점심 추천", set(), {"sesame"}),
        ("키위 알레르기 있고 아침 추천", set(), {"kiwi"}),
        ("돼지고기 빼고 저녁", {"pork"}, set()),
        ("I'm allergic to shrimp, dinner ideas", {"shrimp"}, set()),
        ("no peanuts please, lunch", {"peanut"}, set()),
        ("dairy-free dessert", {"milk"}, set()),
    ],
)  # fmt: skip
async def test_an_allergy_is_a_rule_and_makes_it_about_food(
    understand: Understand, text: str, allergens: set[str], avoid: set[str]
) -> None:
    """An allergy outside the label list once left the domain open, and books came back."""
    request = (await understand(text)).request
    assert (set(request.allergens), set(request.avoid), request.domain) == (allergens, avoid, FOOD)


@pytest.mark.parametrize("meat", ["돼지고기", "소고기", "닭고기", "물고기"])
@pytest.mark.parametrize("refusal", ["빼고", "못 먹어", "안 먹어"])
async def test_who_turns_down_one_meat_is_no_vegetarian(
    understand: Understand, meat: str, refusal: str
) -> None:
    """ "돼지고기 빼고" holds "고기 빼고", and every meat was gone."""
    assert (await understand(f"{meat} {refusal} 저녁")).request.diet == ()


@pytest.mark.parametrize("text", ["고기 못 먹는데 저녁 추천", "저고기안먹어요", "no meat for lunch"])
async def test_who_turns_down_meat_is_a_vegetarian(understand: Understand, text: str) -> None:
    assert (await understand(text)).request.diet == ("vegetarian",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("한강 작가 책 추천", {"creators": ("한강",), "domain": BOOK}),
        ("봉 준호 영화", {"creators": ("봉준호",), "domain": MOVIE}),
        ("히가시노게이고 소설", {"creators": ("히가시노 게이고",)}),
        ("조지 오웰", {"creators": ("조지 오웰",), "domain": BOOK}),
        ("윤동주 시집", {"creators": ("윤동주",), "items": ()}),
        ("송강호 나오는 영화 추천", {"people": ("송강호",), "creators": ()}),
        ("이병헌 나오는 영화", {"people": ("이병헌",), "creators": ()}),
        ("이병헌 감독 영화", {"creators": ("이병헌",), "people": ()}),
        ("봉준후", {"creators": ("봉준호",)}),
        ("봉준후 감독 영화 추천해줘", {"creators": ("봉준호",)}),
        ("히가시노 게이코", {"creators": ("히가시노 게이고",)}),
        ("쇼생크 탈춤", {"items": ("movie:the-shawshank-redemption-1994",)}),
        ("인터스텔러", {"items": ("movie:interstellar-2014",)}),
        ("김치찌게 먹고싶어", {"items": ("food:kimchi-jjigae",), "domain": FOOD}),
        ("기생충 어때?", {"items": ("movie:parasite-2019",), "domain": MOVIE}),
        ("소나기 오는 날 파전", {"items": ("food:haemul-pajeon",), "domain": FOOD}),
        ("1984 읽고 싶어", {"items": ("book:nineteen-eighty-four",), "domain": BOOK}),
        ("1984년 영화", {"items": (), "domain": MOVIE, "years": Range(1984, 1984)}),
    ],
)  # fmt: skip
async def test_a_name_is_found_as_it_is_said(
    understand: Understand, text: str, expected: dict[str, Any]
) -> None:
    """이병헌 is a director and an actor; 봉준후 differs by one letter; 1984년 is an alias of a book."""
    assert fields((await understand(text)).request, *expected) == expected


@pytest.mark.parametrize(
    ("text", "like"),
    [
        ("인터스텔라 같은 영화", "movie:interstellar-2014"),
        ("기생충이랑 비슷한 영화", "movie:parasite-2019"),
        ("살인의추억 같은영화", "movie:memories-of-murder-2003"),
        ("왜 나는 너를 사랑하는가 같은 책", "book:essays-in-love"),
        ("movies like Interstellar", "movie:interstellar-2014"),
        ("something similar to Parasite", "movie:parasite-2019"),
        ("괴물 같은 영화", "movie:the-host-2006"),
    ],
)  # fmt: skip
async def test_a_work_to_be_like_is_no_work_to_show(understand: Understand, text: str, like: str) -> None:
    request = (await understand(text)).request
    assert (request.like, request.items) == ((like,), ())


@pytest.mark.parametrize(
    "text",
    ["괴물 나오는 영화", "우리들 이야기 영화", "변신하는 로봇 영화", "쥐 나오는 애니", "마더 테레사 책"],
)
async def test_a_short_title_inside_a_sentence_is_a_plain_word(understand: Understand, text: str) -> None:
    """괴물, 변신 and 쥐 are titles, but a person who says them in a sentence mostly means the thing."""
    understood = await understand(text)
    assert (understood.named, understood.request.items, understood.request.like) == ((), (), ())


@pytest.mark.parametrize(
    ("text", "item"),
    [("괴물", "movie:the-host-2006"), ("쥐", "book:maus"), ("변신", "book:the-metamorphosis"), ("코코", "movie:coco-2017"),
     ("'우리들' 어때?", "movie:the-world-of-us-2016"), ("변신 줄거리 알려줘", "book:the-metamorphosis")],
)  # fmt: skip
async def test_a_short_title_alone_or_marked_is_the_work(
    understand: Understand, text: str, item: str
) -> None:
    understood = await understand(text)
    assert understood.named == (item,)
    assert understood.request.domain == item.split(":")[0]


async def test_a_title_that_two_works_bear_names_both(understand: Understand) -> None:
    understood = await understand("마당을 나온 암탉")
    assert {name.split(":")[0] for name in understood.named} == {"book", "movie"}
    assert understood.only_title
    assert understood.request.domain is None


async def test_a_mood_that_is_also_a_title_is_a_mood(understand: Understand) -> None:
    """불안 may be a book of some catalog; said so, it is how a person feels."""
    assert (await understand("요즘 불안해")).request.moods == ("anxious",)


@pytest.mark.parametrize(
    ("text", "count"),
    [("영화 다섯 개 추천", 5), ("책 두 권", 2), ("한 편만", 1), ("recommend 4 sci-fi books", 4), ("영화 99개", 10), ("영화 추천", 3)],
)  # fmt: skip
async def test_a_count_is_kept_within_bounds(understand: Understand, text: str, count: int) -> None:
    assert (await understand(text)).request.count == count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("더 가볍게", {"immersion": "light"}),
        ("한국 영화로", {"country": ("KR",)}),
        ("한국 영화로 추천해줘", {"country": ("KR",)}),
        ("두 개만", {"count": 2}),
        ("90년대 걸로", {"years": Range(1990, 1999)}),
        ("더 짧은 거", {"length": Range(None, 105)}),
        ("공포는 빼고", {"exclude": Exclude(genres=("horror",))}),
        ("봉준호 말고", {"exclude": Exclude(creators=("봉준호",))}),
        ("something lighter", {"immersion": "light"}),
        ("로맨스로 바꿔줘", {"genres": ("romance",)}),
    ],
)  # fmt: skip
async def test_a_follow_up_changes_the_last_request_and_keeps_the_rest(
    understand: Understand, text: str, expected: dict[str, Any]
) -> None:
    """한국 영화로 names the domain again, and once forgot all that was asked before."""
    understood = await understand(text, last=LAUGH)
    assert understood.refines
    assert fields(understood.request, *expected) == expected
    assert fields(understood.request, "domain", "moods") == fields(LAUGH, "domain", "moods")
    assert "laughter" in understood.request.effects or text == "로맨스로 바꿔줘"


async def test_a_food_follow_up_keeps_the_meal_and_its_limits(understand: Understand) -> None:
    soup = (await understand("국물 있는 거", last=LUNCH)).request
    assert fields(soup, "meals", "spicy", "soupy") == {**fields(LUNCH, "meals", "spicy"), "soupy": True}
    dry = (await understand("국물 말고", last=soup)).request
    assert dry.soupy is False
    safe = (await understand("새우 빼고", last=dry)).request
    assert (safe.allergens, safe.soupy, safe.meals) == (("shrimp",), False, ("lunch",))


async def test_what_was_turned_down_may_come_back_when_it_is_asked_for(understand: Understand) -> None:
    last = Request(domain=FOOD, exclude=Exclude(cuisine=("korean",)))
    assert (await understand("한식으로", last=last)).request.exclude.cuisine == ()


async def test_a_count_of_the_usual_three_is_a_count_too(understand: Understand) -> None:
    """ "세 권" after "두 권" was taken for nothing said, because three is what comes anyway."""
    understood = await understand("세 권만", last=Request(domain=BOOK, effects=("calm",), count=2))
    assert fields(understood.request, "count", "effects") == {"count": 3, "effects": ("calm",)}


@pytest.mark.parametrize(
    "text", ["다른 거", "말고 다른 거", "다른 영화 추천해줘", "더 보여줘", "something else"]
)
async def test_asking_for_others_keeps_the_whole_request(understand: Understand, text: str) -> None:
    understood = await understand(text, last=LAUGH)
    assert understood.intent == "more"
    assert fields(understood.request, "domain", "moods", "effects", "count") == fields(
        LAUGH, "domain", "moods", "effects", "count"
    )


async def test_anything_drops_the_wishes_and_keeps_the_domain(understand: Understand) -> None:
    request = (await understand("아무거나", last=LAUGH)).request
    assert request.is_open
    assert request.domain is MOVIE


@pytest.mark.parametrize("text", ["점심 뭐 먹지", "영화 추천해줘", "위로가 되는 책"])
async def test_a_whole_new_wish_forgets_the_last_one(understand: Understand, text: str) -> None:
    understood = await understand(text, last=LAUGH)
    assert not understood.refines
    assert "laughter" not in understood.request.effects


async def test_a_domain_named_after_a_mood_keeps_the_mood(understand: Understand) -> None:
    """우울해, then 책: the mood was lost on the way."""
    mood = (await understand("우울해")).request
    assert fields((await understand("책으로", last=mood)).request, "domain", "moods") == {
        "domain": BOOK,
        "moods": ("sad",),
    }


@pytest.mark.parametrize(
    ("last", "text", "expected"),
    [
        (LUNCH, "너무 매워 보여", {"spicy": Range(None, 0)}),
        (LUNCH, "too spicy", {"spicy": Range(None, 0)}),
        (LUNCH, "너무 매운 게 당겨", {"spicy": Range(2, None)}),
        (LAUGH, "너무 길어", {"length": Range(None, 105)}),
        (LAUGH, "too long", {"length": Range(None, 105)}),
        (LAUGH, "너무 무거워", {"immersion": "light"}),
        (LAUGH, "마음이 너무 무거워", {"immersion": None}),
        (LAUGH, "too scary", {"exclude": Exclude(genres=("horror",))}),
        (LAUGH, "너무 무서워", {"exclude": Exclude(genres=("horror",)), "moods": LAUGH.moods}),
        (LUNCH, "너무 무서워", {"exclude": Exclude(), "moods": ("anxious",)}),
    ],
)
async def test_a_complaint_of_too_much_wants_less(
    understand: Understand, last: Request, text: str, expected: dict[str, Any]
) -> None:
    """ "Too spicy" asked for more of it."""
    assert fields((await understand(text, last=last)).request, *expected) == expected


@pytest.mark.parametrize(
    ("text", "unknown"), [("강호동 나오는 거", "강호동"), ("그거 말고 강호동", "강호동"), ("송강호 나오는 거", ""), ("오사카 가서 볼 거", "")]
)  # fmt: skip
async def test_a_person_whom_the_catalog_does_not_know_is_named(
    understand: Understand, text: str, unknown: str
) -> None:
    """The name was passed over, and whoever asked got three films without it."""
    assert (await understand(text, last=LAUGH)).request.unknown == unknown


async def test_a_bare_number_of_hundreds_is_calories_of_a_dish(understand: Understand) -> None:
    assert (await understand("헐 너무 높아 400 이하", last=LUNCH)).request.kcal == Range(None, 400)
    assert (await understand("400 이하", last=LAUGH)).request.kcal == Range()


@pytest.mark.parametrize("text", ["another one like number 2 but korean", "korean one please"])
async def test_korean_is_a_country_after_films_and_a_kitchen_otherwise(
    understand: Understand, text: str
) -> None:
    understood = await understand(text, last=LAUGH)
    assert fields(understood.request, "domain", "country", "cuisine") == {
        "domain": MOVIE, "country": ("KR",), "cuisine": (),
    }  # fmt: skip
    assert (await understand("korean food", last=LAUGH)).request.cuisine == ("korean",)


@pytest.mark.parametrize(
    ("text", "domain"), [("영화 말고 책으로", BOOK), ("음식은?", FOOD), ("그럼 책 추천해줘", BOOK), ("how about a book", BOOK)]
)  # fmt: skip
async def test_a_wish_meant_of_another_domain_keeps_the_mood_and_the_hour(
    understand: Understand, text: str, domain: Domain
) -> None:
    """Whoever had a bad day has it still when they would rather read."""
    last = Request(
        text="울적한 퇴근길", domain=MOVIE, moods=("sad",), situations=("commute",), genres=("comedy",)
    )
    request = (await understand(text, last=last)).request
    assert fields(request, "domain", "moods", "situations") == {
        "domain": domain, "moods": ("sad",), "situations": ("commute",),
    }  # fmt: skip
    assert request.genres == ()


async def test_a_new_wish_in_another_domain_stands_alone(understand: Understand) -> None:
    last = Request(text="울적한 날", domain=MOVIE, moods=("sad",))
    assert (await understand("매운 음식으로", last=last)).request.moods == ()
    assert (await understand("책 추천해줘", last=last)).request.moods == ()


async def test_a_domain_told_by_a_command_holds(understand: Understand) -> None:
    assert (await understand("로맨스", domain=BOOK)).request.domain is BOOK


@pytest.mark.parametrize(
    ("text", "intent", "refers"),
    [
        ("왜?", "why", ()), ("왜 추천했어?", "why", ()), ("2번 왜?", "why", (2,)), ("why this one", "why", ()),
        ("1번 자세히", "detail", (1,)), ("두 번째 거 줄거리", "detail", (2,)), ("tell me more about number 2", "detail", (2,)),
        ("who is in number 1?", "detail", (1,)), ("3번ㄱㄱ", "detail", (3,)), ("2번으로 볼게", "detail", (2,)), ("봤음", "seen", ()), ("ㅇㅋ 노잼", "dislike", ()), ("I've seen the first one", "seen", (1,)), ("another one like number 2", "similar", (2,)), ("2번 누가 나와?", "detail", (2,)), ("3번 감독이 누구야", "detail", (3,)),
        ("3번이랑 비슷한 걸로", "similar", (3,)), ("이거랑 비슷한 거", "similar", ()), ("more like this", "similar", ()),
        ("다른 거", "more", ()), ("더 추천해줘", "more", ()),
        ("별로", "dislike", ()), ("2번 별로", "dislike", (2,)), ("마지막 거 별로야", "dislike", (-1,)),
        ("봤어", "seen", ()), ("1번 봤어", "seen", (1,)), ("already seen it", "seen", ()),
        ("저장", "save", ()), ("3번 저장해줘", "save", (3,)), ("저장한 거 보여줘", "saved", ()),
        ("1번 좋았어", "like", (1,)), ("다시 보지 않기", "never", ()), ("2번 다시는 추천하지 마", "never", (2,)),
        ("안녕", "greet", ()), ("고마워", "thanks", ()), ("ㄱㅅ", "thanks", ()), ("그만", "stop", ()), ("도와줘", "help", ()),
        ("그만해줘", "stop", ()), ("아 됐어 그만할래", "stop", ()), ("잠깐 멈춰!", "stop", ()), ("please stop", "stop", ()), ("취소할게요", "stop", ()),
        ("넌 누구야", "who", ()), ("설문", "survey", ()), ("ㅋㅋ", "laugh", ()), ("?", "unclear", ()), ("", "unclear", ()),
    ],
)  # fmt: skip
async def test_a_text_about_the_last_answer_is_no_wish(
    understand: Understand, text: str, intent: str, refers: tuple[int, ...]
) -> None:
    """ㄱㅅ could never match: NFKC writes its letters otherwise."""
    understood = await understand(text)
    assert (understood.intent, understood.refers) == (intent, refers)


@pytest.mark.parametrize(
    "text", ["별로 안 무서운 공포 영화", "전에 봤던 것 같은 한국 로맨스 영화", "이유 없이 웃긴 영화 추천", "최고로 웃긴 영화", "안녕 오늘 점심 추천해줘"]
)  # fmt: skip
async def test_words_of_feedback_beside_a_wish_are_no_feedback(understand: Understand, text: str) -> None:
    assert (await understand(text)).intent == "recommend"


@pytest.mark.parametrize(
    ("text", "mood"),
    [("면접 떨어졌어", "sad"), ("오늘 팀장한테 깨졌어", "angry"), ("my boss yelled at me", "angry"), ("아무도 연락이 없네", "lonely")],
)  # fmt: skip
async def test_a_mood_is_felt_without_a_word_for_it(understand: Understand, text: str, mood: str) -> None:
    assert (await understand(text)).request.moods == (mood,)


async def test_every_example_of_a_feeling_has_its_own_mood(recommender: Recommender) -> None:
    """An example nearer to another mood's would teach the wrong one."""
    felt = feelings.Feelings(recommender.embedder)
    wrong = [
        (mood, sentence)
        for mood, sentence in feelings.examples()
        if (await felt.felt(sentence)) not in ((mood,), ())
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text", ["재밌는 영화", "영화 추천해줘", "책 두 권", "볼만한 거", "좋은 책 있어?", "good movie"]
)
async def test_a_request_without_a_mood_is_given_none(understand: Understand, text: str) -> None:
    request = (await understand(text)).request
    assert fields(request, "moods", "creators", "people", "items") == dict.fromkeys(
        ("moods", "creators", "people", "items"), ()
    )


@pytest.mark.parametrize("text", ["친구들이랑 야식 먹을 건데 뭐 시킬까", "경제 공부 시작하려는데 쉬운 책"])
async def test_a_text_without_mistakes_is_left_as_it_was_written(understand: Understand, text: str) -> None:
    """Joining morphemes wrote 먹을 거인데 and 시작하려고하는데."""
    assert (await understand(text)).text == text


@pytest.mark.parametrize(
    ("text", "language"), [("영화 추천", "ko"), ("ㅋㅋ ok", "ko"), ("a movie", "en"), ("123", "ko")]
)
async def test_the_language_is_the_texts_own(understand: Understand, text: str, language: str) -> None:
    assert (await understand(text)).language == language


WORDS = st.sampled_from(
    [
        "영화",
        "책",
        "점심",
        "매운",
        "거",
        "말고",
        "빼고",
        "안",
        "못",
        "먹는",
        "한국",
        "공포랑",
        "스릴러",
        "두",
        "편",
        "세",
        "권",
        "90년대",
        "2시간",
        "이하",
        "새우",
        "알레르기",
        "봉준호",
        "기생충",
        "같은",
        "1번",
        "별로",
        "왜",
        "더",
        "가볍게",
        "다른",
        "no",
        "without",
        "movie",
        "like",
        "Interstellar",
        "under",
        "2",
        "hours",
        "0",
        "99999",
        ",",
        ".",
        "'",
        "%",
        '"',
        "\\",
        "게",
        "ㅋㅋ",
        "👍",
        "\x00",
        "ﷺ",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=120), st.lists(WORDS, max_size=12).map(" ".join), st.lists(WORDS).map("".join)
)


@given(first=TEXTS, then=TEXTS)
@settings(max_examples=60, deadline=None)
def test_any_text_is_understood_and_its_request_survives_json(
    recommender: Recommender, first: str, then: str
) -> None:
    async def talk() -> list[Request]:
        one = await recommender.understand(first, this_year=2026)
        two = await recommender.understand(then, last=one.request, this_year=2026)
        return [one.request, two.request]

    for request in asyncio.run(talk()):
        assert Request.from_dict(json.loads(json.dumps(request.to_dict()))) == request
        assert 1 <= request.count <= 10
