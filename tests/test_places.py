"""Places around somebody, as two maps tell them over real HTTP; and nothing raised whatever they say."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.item import Item
from engine import kakao, overpass, places
from engine.place import Dish, Unusable, dish_words, map_link, metres
from engine.places import Found, Places
from tests.maps import BUSY, KAKAO_REFUSALS, TIMED_OUT, document, documents, element, elements
from tests.service import KEY, Local, Say, Time, serving

HERE = (37.5665, 126.978)
STEW = Dish("김치찌개", "Kimchi Stew", ("김치찌개", "김찌", "Kimchi Stew"), "korean")
PIZZA = Dish("피자", "Pizza", ("피자", "Pizza"), "western")
UNWELL = {
    "a page of HTML": Say("<html>maintenance</html>"),
    "a list": Say("[]"),
    "half an answer": Say(documents(document()), cut=True),
    "no places": Say({"meta": {"is_end": True}}),
    "places that are a text": Say({"meta": {}, "documents": "none"}),
    "a number too long": Say("9" * 6_000),
    "too deep": Say("[" * 100_000),
    "never ending": Say(endless=True),
    "another house": Say("", 302, {"Location": "https://elsewhere.example/"}),
    "nothing": Say(""),
    "a wrong question": Say({"errorType": "InvalidArgument", "message": "page is more than max"}, 400),
    "broken": Say("oops", 500),
}


@pytest.fixture
def of_kakao() -> Iterator[Local]:
    with serving() as local:
        local.say(Say(documents(document())))
        yield local


@pytest.fixture
def of_osm() -> Iterator[Local]:
    with serving() as local:
        local.say(Say(elements(element(name="김치찌개 마을"))))
        yield local


@pytest.fixture
async def asking(of_kakao: Local, of_osm: Local, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Places]:
    monkeypatch.setattr(places, "AGAIN", 0.0)
    made = Places(KEY, of_kakao.url, of_osm.url + "api/interpreter")
    yield made
    await made.close()


async def names(asking: Places, dish: Dish = STEW, **more: Any) -> list[str]:
    return [place.name for place in (await asking.near(*HERE, dish, 1_500, **more)).places]


# Kakao


async def test_kakao_is_asked_as_it_wants_to_be(asking: Places, of_kakao: Local) -> None:
    await asking.near(*HERE, STEW, 1_500)
    [(path, asked)], [headers] = of_kakao.heard, of_kakao.headers
    assert path == "v2/local/search/keyword.json"
    assert headers["Authorization"] == f"KakaoAK {KEY}"
    assert asked == {
        "query": "김치찌개", "category_group_code": "FD6", "x": "126.978000", "y": "37.566500",
        "radius": "1500", "sort": "distance", "page": "1", "size": "5",
    }  # fmt: skip


async def test_what_cafes_serve_is_looked_for_in_cafes(asking: Places, of_kakao: Local) -> None:
    await asking.near(*HERE, Dish.of_cuisine("cafe"), 99_999)
    assert of_kakao.heard[0][1]["category_group_code"] == "CE7"
    assert of_kakao.heard[0][1]["radius"] == "20000", "more is an error there"


async def test_a_place_is_told_with_all_that_kakao_knows(asking: Places, of_osm: Local) -> None:
    found = await asking.near(*HERE, STEW, 1_500)
    [place] = found.places
    assert (place.name, place.distance, place.phone) == ("은주정", 350, "02-2265-4669")
    assert (place.address, place.category) == ("서울 중구 창경궁로8길 32", "한식 > 찌개,전골")
    assert place.url == "https://place.map.kakao.com/8332362"
    assert (found.source, found.more, of_osm.heard) == ("kakao", False, [])


async def test_what_is_no_place_is_left_out(asking: Places, of_kakao: Local) -> None:
    """A button with a broken address makes a platform refuse the whole list."""
    bad: list[Any] = [
        None, 7, "x", {}, document(name=""), document(name=None), document(place_url="javascript:alert(1)"),
        document(place_url="http://place.map.kakao.com.evil.example/1"), document(distance="", x="", y=""),
    ]  # fmt: skip
    of_kakao.say(Say(documents(*bad, document("남는 집", distance="", road_address_name="", phone="없음"))))
    [place] = (await asking.near(*HERE, STEW, 1_500)).places
    assert (place.name, place.address, place.phone) == ("남는 집", "서울 중구 주교동 43-23", "")
    assert 1_900 < place.distance < 2_000, "from where it is"


async def test_a_further_page_is_the_same_maps(asking: Places, of_kakao: Local, of_osm: Local) -> None:
    """A second page of another map would show the same places again, or leave some out."""
    of_kakao.say(
        Say(documents(document(), end=False)), Say(documents(document("둘째"), end=False)), Say("", 500)
    )
    assert (await asking.near(*HERE, STEW, 1_500)).more
    assert await names(asking, page=2, source="kakao") == ["둘째"]
    assert of_kakao.heard[-1][1]["page"] == "2"
    assert await asking.near(*HERE, STEW, 1_500, 3, "kakao") == Found()
    assert of_osm.heard == []


async def test_kakao_tells_no_more_than_45_places(asking: Places, of_kakao: Local) -> None:
    of_kakao.say(Say(documents(document(), end=False)))
    assert not (await asking.near(*HERE, STEW, 1_500, 9, "kakao")).more


# Falling back


@pytest.mark.parametrize("said", KAKAO_REFUSALS.values(), ids=KAKAO_REFUSALS)
async def test_who_refuses_is_not_asked_again_for_a_while(
    asking: Places, of_kakao: Local, said: Say, caplog: pytest.LogCaptureFixture
) -> None:
    time = Time()
    asking.clock = time.clock
    of_kakao.say(said)
    for radius in (1_500, 5_000):
        found = await asking.near(*HERE, STEW, radius)
        assert (found.source, [place.name for place in found.places]) == ("osm", ["김치찌개 마을"])
    assert len(of_kakao.heard) == 1
    assert len(caplog.records) == 1, "told once, not a thousand times"
    of_kakao.say(Say(documents(document())))
    time.now += places.LONG_REST + 1
    assert await names(asking) == ["은주정"]


@pytest.mark.parametrize("said", UNWELL.values(), ids=UNWELL)
async def test_whatever_kakao_answers_openstreetmap_is_asked(
    asking: Places, of_kakao: Local, said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "LARGEST", 1 << 17)
    of_kakao.say(said)
    found = await asking.near(*HERE, STEW, 1_500)
    assert (found.source, [place.name for place in found.places]) == ("osm", ["김치찌개 마을"])
    assert len(of_kakao.heard) == (2 if said.status == 500 or said.cut else 1), (
        "a second try where it may help"
    )


async def test_one_stumble_is_forgiven(asking: Places, of_kakao: Local) -> None:
    of_kakao.say(Say("oops", 502), Say(documents(document())))
    assert (await asking.near(*HERE, STEW, 1_500)).source == "kakao"


async def test_a_map_that_does_not_come_to_an_end_is_left(
    asking: Places, of_kakao: Local, of_osm: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(places.PATIENCE, "kakao", 0.1)
    of_kakao.say(Say(hesitant=True))
    assert (await asking.near(*HERE, STEW, 1_500)).source == "osm"
    asking.budget = 0.2
    of_osm.say(Say(hesitant=True))
    assert await asking.near(*HERE, STEW, 5_000) == Found()


async def test_a_map_that_is_not_there_is_no_error(of_osm: Local) -> None:
    asking = Places("키\n", "http://127.0.0.1:9", "http://[::")
    assert await asking.near(*HERE, STEW, 1_500) == Found()
    assert await Places().near(*HERE, STEW, 1_500) == Found()
    await asking.close()
    await asking.close()


async def test_a_proxy_misnamed_in_the_environment_is_no_error(
    asking: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://somewhere:1")
    assert await asking.near(*HERE, STEW, 1_500) == Found()


async def test_where_kakao_knows_nothing_openstreetmap_does(
    asking: Places, of_kakao: Local, of_osm: Local
) -> None:
    """Kakao's map ends at the coast."""
    of_kakao.say(Say(documents()))
    assert (await asking.near(*HERE, STEW, 1_500)).source == "osm"
    of_osm.say(Say(BUSY, 504))
    assert await asking.near(*HERE, STEW, 5_000) == Found((), False, "kakao"), (
        "one did answer: there is nothing"
    )


@pytest.mark.parametrize(
    "said",
    [
        Say(BUSY, 504),
        Say(BUSY, 429),
        Say(BUSY),
        Say(elements(element(), remark=TIMED_OUT)),
        Say({"elements": {}}),
    ],
    ids=["busy", "too often", "HTML", "ran out of time", "no list"],
)
async def test_an_excuse_is_not_an_empty_street(asking: Places, of_osm: Local, said: Say) -> None:
    """Overpass says with a status of 200 that it ran out of time: half a list, in no order."""
    asking.kakao_key = ""
    of_osm.say(said)
    assert await asking.near(*HERE, STEW, 1_500) == Found()


# OpenStreetMap


async def test_openstreetmap_is_asked_politely_and_without_a_key(
    asking: Places, of_kakao: Local, of_osm: Local
) -> None:
    asking.kakao_key = ""
    await asking.near(*HERE, STEW, 1_500)
    [(path, asked)], [headers] = of_osm.heard, of_osm.headers
    assert path == "api/interpreter"
    assert "(around:1500,37.566500,126.978000)" in asked["data"]
    assert asked["data"].startswith("[out:json][timeout:3]")
    assert headers["User-Agent"].startswith("oneulmwo")
    assert "Authorization" not in headers
    assert of_kakao.heard == []


async def test_places_come_nearest_first_a_page_at_a_time(asking: Places, of_osm: Local) -> None:
    asking.kakao_key = ""
    some = [element(n, north=n / 1_000, name=f"김치찌개 {n}") for n in (7, 3, 6, 1, 5, 2, 4)]
    of_osm.say(Say(elements(*some, some[0])))
    first = await asking.near(*HERE, STEW, 1_500)
    assert [place.name for place in first.places] == [f"김치찌개 {n}" for n in range(1, 6)]
    assert [place.distance for place in first.places] == [111, 222, 334, 445, 556]
    assert (first.more, first.source) == (True, "osm")
    second = await asking.near(*HERE, STEW, 1_500, 2, "osm")
    assert ([place.name for place in second.places], second.more) == (["김치찌개 6", "김치찌개 7"], False)
    assert len(of_osm.heard) == 1, "the rest of a list is remembered"


async def test_a_place_serves_a_dish_by_its_name_or_its_kitchen(asking: Places, of_osm: Local) -> None:
    asking.kakao_key = ""
    of_osm.say(Say(elements(
        element(1, name="오모리 김치 찌개"), element(2, name="Omori", name__en="House of kimchi stew"),
        element(3, name="백반집", cuisine="Korean; barbecue"), element(4, name="스시집", cuisine="sushi"),
        element(5, name="김치찌개 연구소", amenity="university"), element(6, name="", cuisine="korean"),
        element(7, kind="way", name="한일관", cuisine="korean"), element(8, kind="area", cuisine="korean"),
    )))  # fmt: skip
    assert sorted(await names(asking)) == ["Omori", "백반집", "오모리 김치 찌개", "한일관"]
    of_osm.say(
        Say(elements(element(1, name="나폴리", cuisine="pizza"), element(2, name="파리", cuisine="french")))
    )
    assert await names(asking, PIZZA) == ["나폴리"], "a dish's own values tell more than its whole cuisine's"


async def test_a_place_is_told_with_all_that_openstreetmap_knows(asking: Places, of_osm: Local) -> None:
    asking.kakao_key = ""
    tags: dict[str, Any] = {
        "addr__city": "서울",
        "addr__street": "세종대로",
        "addr__housenumber": "110",
        "name__en": "Stew House",
    }
    of_osm.say(Say(elements(
        element(5, kind="way", name="찌개집", cuisine="korean", phone="+82 2-120;+82 2-121", **tags),
        element(6, north=0.002, name="김치찌개 카페", amenity="cafe", addr__full="서울 어딘가 1"),
    )))  # fmt: skip
    one, other = (await asking.near(*HERE, STEW, 1_500)).places
    assert one.url == "https://www.openstreetmap.org/way/5"
    assert (one.address, one.phone, one.kind) == ("서울 세종대로 110", "+82 2-120", "cuisine.korean")
    assert one.english == "Stew House"
    assert (other.address, other.kind) == ("서울 어딘가 1", "amenity.cafe")


async def test_any_place_to_eat_and_a_whole_kitchen_may_be_wanted(asking: Places, of_osm: Local) -> None:
    asking.kakao_key = ""
    some = [element(1, name="찻집", amenity="cafe"), element(2, name="버거", amenity="fast_food")]
    of_osm.say(Say(elements(*some, element(3, name="밥집"))))
    assert await names(asking, Dish.any()) == ["밥집", "버거", "찻집"]
    assert await names(asking, Dish.of_cuisine("cafe")) == ["찻집"]
    assert await names(asking, Dish.of_words("밥")) == ["밥집"]


# Memory and silence


async def test_the_same_question_is_asked_once_in_some_minutes(
    asking: Places, of_kakao: Local, of_osm: Local
) -> None:
    time = Time()
    asking.clock = time.clock
    for _ in range(3):
        await asking.near(HERE[0] + 0.00001, HERE[1], STEW, 1_500)
    assert len(of_kakao.heard) == 1
    await asking.near(*HERE, PIZZA, 1_500)
    await asking.near(*HERE, STEW, 5_000)
    assert len(of_kakao.heard) == 3
    time.now += places.REMEMBERED
    await asking.near(*HERE, STEW, 1_500)
    assert len(of_kakao.heard) == 4
    assert len(asking._known) == 1, "where people were is forgotten"


async def test_what_is_remembered_does_not_grow(asking: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_REMEMBERED", 3)
    for radius in range(1_000, 1_010):
        await asking.near(*HERE, STEW, radius)
    assert len(asking._known) == 3


async def test_neither_key_nor_place_is_logged(
    asking: Places, of_kakao: Local, of_osm: Local, caplog: pytest.LogCaptureFixture
) -> None:
    """httpx tells whole addresses from INFO on, and Kakao repeats the key in what it refuses."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    of_kakao.say(Say(documents(document())), KAKAO_REFUSALS["no such key"])
    of_osm.say(Say(BUSY, 504))
    await asking.near(*HERE, STEW, 1_500)
    await asking.near(*HERE, STEW, 5_000)
    told = f"{caplog.text}{asking}" + "".join(str(record.args) for record in caplog.records)
    assert "refuses to be asked" in told
    assert not re.search(r"37\.56|126\.97|S3cret|appKey", told)


async def test_a_key_is_checked_without_being_repeated(asking: Places, of_kakao: Local) -> None:
    await asking.check_key()
    of_kakao.say(KAKAO_REFUSALS["no such key"])
    with pytest.raises(Unusable, match=r"^401$"):
        await asking.check_key()


# What may come in


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
COORDINATES: st.SearchStrategy[Any] = st.sampled_from(
    [37.5, "126.9", "nan", 1e400, -91, 10**400, None, [], True]
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "place_name": JSON | st.just("밥집"), "place_url": JSON | st.just("http://place.map.kakao.com/12"),
        "distance": JSON | st.sampled_from(["0", "12", "1e9", "٣", "9" * 9]), "x": COORDINATES, "y": COORDINATES,
        "category_name": JSON, "phone": JSON, "road_address_name": JSON, "address_name": JSON,
    },
)  # fmt: skip
TAGS = st.fixed_dictionaries(
    {},
    optional={
        "amenity": st.sampled_from(["restaurant", "cafe", 3, None]), "name": JSON | st.just("김치찌개"),
        "cuisine": JSON | st.just("korean;;"), "addr:street": JSON, "phone": JSON, "name:en": JSON,
    },
)  # fmt: skip
ELEMENTS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["node", "way", "area", None]), "id": JSON | st.integers(1, 9),
        "lat": COORDINATES, "lon": COORDINATES, "center": JSON | st.just({"lat": 1, "lon": 2}), "tags": TAGS | JSON,
    },
)  # fmt: skip


def sound(found: tuple[Any, ...]) -> None:
    for place in found:
        assert 0 < len(place.name) <= 60
        assert place.name.isprintable()
        assert 0 <= place.distance <= 21_000_000
        assert re.fullmatch(
            r"https://(place\.map\.kakao\.com/\d+|www\.openstreetmap\.org/(node|way|relation)/\d+)", place.url
        )
        assert len(place.address) <= 200


@given(body=st.binary(max_size=60) | JSON.map(lambda whole: json.dumps(whole).encode()))
@settings(max_examples=40)
def test_anything_that_is_no_answer_is_unusable(body: bytes) -> None:
    with pytest.raises(Unusable):
        kakao.places(body, *HERE)
    with pytest.raises(Unusable):
        overpass.places(body, *HERE, STEW)


@given(some=st.lists(DOCUMENTS | JSON, max_size=3), end=JSON)
@settings(max_examples=80)
def test_whatever_kakaos_places_are_like_those_kept_are_sound(some: list[Any], end: Any) -> None:
    body = json.dumps({"documents": some, "meta": {"is_end": end}}).encode()
    found, more = kakao.places(body, *HERE)
    sound(found)
    assert more is (bool(found) and end is False)


@given(some=st.lists(ELEMENTS | JSON, max_size=3))
@settings(max_examples=80)
def test_whatever_openstreetmaps_places_are_like_those_kept_are_sound(some: list[Any]) -> None:
    found = overpass.places(json.dumps({"elements": some}).encode(), *HERE, STEW)
    sound(found)
    assert [place.distance for place in found] == sorted(place.distance for place in found)


@given(words=st.text(max_size=30) | st.sampled_from(['"];out;', "\\", '김"밥', "(", "a|b", "[x]", "$^.*"]))
@settings(max_examples=80)
def test_what_a_person_types_stays_words_in_the_query(words: str) -> None:
    """A quotation mark would end the text, and what follows would be asked too; a bracket would break it."""
    asked = overpass.query(*HERE, Dish.of_words(words), 1_500)
    assert "\\" not in asked
    for spelled in re.findall(r'\["name"~"([^"]*)",i\]', asked):
        assert re.fullmatch(r"(?:\w+(?: \*)?)+", spelled)
    plain = overpass.query(*HERE, Dish.of_words("밥"), 1_500)
    assert asked.count('"') in (plain.count('"'), overpass.query(*HERE, Dish.any(), 1_500).count('"'))


@given(text=st.text(max_size=60))
@settings(max_examples=80)
def test_words_for_a_dish_are_few(text: str) -> None:
    assert len(dish_words(text)) <= 24


@pytest.mark.parametrize(
    ("text", "dish"),
    [
        ("근처 마라샹궈 파는 곳 알려줘", "마라샹궈"), ("이거 어디서 먹어?", ""), ("주변 맛집", ""), ("near me", ""),
        ("where can i eat pho near me?", "pho"), ("이 근처 돼지갈비 맛집 추천해줘", "돼지갈비"),
        ("김치찌개를 파는 곳", "김치찌개"), ("근처 라멘집", "라멘"), ("닭똥집 파는 데", "닭똥집"), ("파이 파는 곳", "파이"),
        ("restaurants nearby", ""), ("근처에 떡볶이 파는 데 있어?", "떡볶이"), ("!!!", ""), ("가" * 40, ""),
    ],
)  # fmt: skip
def test_of_a_question_for_places_only_the_dish_is_left(text: str, dish: str) -> None:
    assert dish_words(text) == dish


@pytest.mark.parametrize(
    ("title", "sign"), [("모둠초밥", "초밥"), ("소고기미역국", "미역국"), ("김치찌개", "김치찌개")]
)
def test_a_map_is_asked_for_what_signs_say(catalog_items: tuple[Item, ...], title: str, sign: str) -> None:
    """Nobody calls their place after 모둠초밥."""
    [item] = [item for item in catalog_items if item.title == title]
    assert Dish.of_item(item).asked == sign
    assert Dish.of_item(item, "우리말").asked == "우리말"


def test_distances_are_the_earths() -> None:
    assert 324_000 < metres(37.5665, 126.978, 35.1796, 129.0756) < 326_500, "Seoul to Busan"
    assert metres(0, 179.9999, 0, -179.9999) == 22
    assert metres(90, 0, -90, 0) == 20_015_087


def test_a_link_to_a_map_tells_the_dish_and_nothing_of_the_place() -> None:
    assert map_link(Dish("돼지 국밥"), "ko") == (
        "https://map.kakao.com/link/search/%EB%8F%BC%EC%A7%80%20%EA%B5%AD%EB%B0%A5"
    )
    assert map_link(STEW, "en") == "https://www.google.com/maps/search/?api=1&query=Kimchi%20Stew"
    assert map_link(Dish("a/b?c&d"), "ko").endswith("/a%2Fb%3Fc%26d")
