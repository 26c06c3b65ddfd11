"""Eating near by, as a talk: where somebody is, what they want to eat, and a list that nothing is kept of."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from bot.cli import app as command_line
from data.phrases import phrases
from engine.place import Dish
from engine.places import Places
from handlers import nearby
from handlers.turn import Location
from handlers.whereabouts import KEPT_SECONDS, Whereabouts
from tests.maps import BUSY, KAKAO_REFUSALS, document, documents, element, elements
from tests.service import KEY, Local, Say, serving
from tests.talk import Answer, Someone, Stage

KO, EN = phrases("ko"), phrases("en")
People = Callable[..., Someone]
CITY_HALL = Location(37.566512, 126.978034)
talks = pytest.mark.asyncio(loop_scope="session")


@dataclass
class Maps:
    kakao: Local
    osm: Local

    @property
    def asked(self) -> list[str]:
        """What Kakao was asked for."""
        return [asked["query"] for _, asked in self.kakao.heard]


@pytest.fixture
def both() -> Iterator[Maps]:
    with serving() as kakao, serving() as osm:
        kakao.say(Say(documents(document(), document("오모리", 1_240), end=False)))
        osm.say(Say(elements(element(name="Stew House", cuisine="korean"))))
        yield Maps(kakao, osm)


@pytest_asyncio.fixture(loop_scope="session")
async def maps(both: Maps, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Maps]:
    """Both maps, asked by the running program."""
    asking = Places(KEY, both.kakao.url, both.osm.url)
    monkeypatch.setattr(stage.app, "places", asking)
    yield both
    await asking.close()


def locates(answer: Answer) -> bool:
    return any(reply.locate for reply in answer.replies)


def links(answer: Answer) -> list[str]:
    return [choice.url for choice in answer.choices if choice.url]


@talks
async def test_a_shared_place_finds_the_dish_just_looked_at(someone: People, maps: Maps) -> None:
    person = someone()
    await person.says("김치찌개")
    answer = await person.sends(CITY_HALL)
    assert maps.asked == ["김치찌개"]
    assert KO.say("nearby.head", dish="김치찌개", radius="1.5km") in answer.text
    assert "1. 은주정 · 350m\n한식 > 찌개,전골 · 서울 중구 창경궁로8길 32\n☎ 02-2265-4669" in answer.text
    assert "2. 오모리 · 1.2km" in answer.text
    assert KO.say("nearby.source.kakao") in answer.text
    assert links(answer) == ["https://place.map.kakao.com/8332362"] * 2
    assert KO.say("chat.allergy_caution") not in answer.text


@talks
async def test_else_the_first_dish_of_the_last_picks(someone: People, maps: Maps) -> None:
    person = someone()
    picks = await person.says("매콤한 국물 음식")
    answer = await person.sends(CITY_HALL)
    assert answer.text.startswith(f"📍 {picks.cards[0].title},")


@talks
async def test_else_the_dish_is_asked_and_pressed_or_typed(someone: People, maps: Maps) -> None:
    person = someone()
    await person.says("웃긴 영화")
    asked = await person.sends(CITY_HALL)
    assert asked.text == KO.say("nearby.which")
    await person.taps(KO.say("label.cuisine.japanese"))
    await person.taps(KO.say("nearby.button.other"), KO.say("nearby.button.any"))
    await person.taps(KO.say("nearby.button.other"))
    assert "nearby" not in (await person.says("마라샹궈")).text
    assert maps.asked == ["일식", "맛집", "마라샹궈"]
    assert {asked["x"] for _, asked in maps.kakao.heard} == {"126.978034"}, (
        "the place is remembered meanwhile"
    )


@pytest.mark.parametrize("text", ["고마워", "웃긴 영화", "그만", "우울한데 매운 거 추천해줘"])
@talks
async def test_a_question_for_a_dish_holds_nobody_up(someone: People, maps: Maps, text: str) -> None:
    person = someone()
    await person.sends(CITY_HALL)
    answer = await person.says(text)
    assert answer.text
    assert maps.asked == []
    assert (await person.says("김치찌개")).ids == ["food:kimchi-jjigae"], "only the next text is an answer"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("/nearby", "초밥"), ("이거 어디서 먹어?", "초밥"), ("근처에 파는 곳 있어?", "초밥"), ("주변 맛집", "초밥"),
        ("/nearby 마라탕", "마라탕"), ("근처 돼지갈비 파는 곳 알려줘", "돼지갈비"), ("근처 카페", "카페"),
        ("/nearby 중식", "중식"), ("마라샹궈 파는 데", "마라샹궈"), ("근처 라멘집", "라멘"), ("이 근처 피자", "피자"),
    ],
)  # fmt: skip
@talks
async def test_who_asks_for_places_is_asked_where_they_are(
    someone: People, maps: Maps, text: str, asked: str
) -> None:
    person = someone()
    await person.says("초밥")
    answer = await person.says(text)
    assert locates(answer)
    assert not answer.choices, "Telegram shows a button for the place or buttons under the text, never both"
    assert maps.asked == []
    await person.sends(CITY_HALL)
    assert maps.asked == [asked]


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("근처 카페에서 읽을 책", "book"), ("옆집이 배경인 이웃 영화 nearby", "movie"), ("향수 파는 곳이 나오는 소설", "book"),
        ("근처 사는 친구랑 먹을 음식", "food"), ("근처에 사는 친구랑 볼 영화", "movie"),
    ],
)  # fmt: skip
@talks
async def test_a_wish_with_a_place_in_it_is_a_wish(someone: People, text: str, domain: str) -> None:
    answer = await someone().says(text)
    assert {card.domain for card in answer.cards} == {domain}


@talks
async def test_english_is_answered_in_english(someone: People, maps: Maps) -> None:
    person = someone(locale="en-GB")
    answer = await person.says("where can i eat ramen near me?")
    assert answer.text == EN.say("nearby.where", dish="ramen")
    maps.kakao.say(Say(documents()))
    maps.osm.say(
        Say(elements(element(name="라멘집", name__en="Ramen Bar", cuisine="ramen", amenity="fast_food")))
    )
    answer = await person.sends(CITY_HALL)
    assert "1. Ramen Bar · 110m\nJapanese food" in answer.text
    assert "© OpenStreetMap contributors" in answer.text, "the ODbL wants it said"
    assert links(answer) == ["https://www.openstreetmap.org/node/1"]


@talks
async def test_a_place_told_a_moment_ago_need_not_be_told_again(someone: People, maps: Maps) -> None:
    person = someone()
    await person.says("초밥")
    await person.sends(CITY_HALL)
    assert not locates(await person.says("근처 돼지갈비 파는 곳"))
    assert maps.asked == ["초밥", "돼지갈비"]
    person.ahead += KEPT_SECONDS + 1
    assert locates(await person.says("근처 돼지갈비 파는 곳"))


@talks
async def test_the_card_of_a_dish_and_of_nothing_else_leads_there(someone: People, maps: Maps) -> None:
    person = someone()
    film = await person.says("기생충")
    assert KO.say("nearby.button.here") not in film.labels
    forged = f"near:at:{film.exposure}:1"
    assert (await person.presses(forged)).text == KO.say("chat.stale"), "a film is not eaten"
    await person.says("김치찌개")
    asked = await person.taps(KO.say("nearby.button.here"))
    assert asked.text == KO.say("nearby.where", dish="김치찌개")
    await person.says("초밥")
    await person.sends(CITY_HALL)
    assert maps.asked == ["김치찌개"], "what was asked for, whatever was looked at meanwhile"


@talks
async def test_a_list_is_paged_and_widened_in_place(someone: People, maps: Maps) -> None:
    person = someone()
    await person.says("김치찌개")
    first = await person.sends(CITY_HALL)
    maps.kakao.say(Say(documents(document("셋째"))))
    second = await person.taps(KO.say("nearby.button.more"))
    assert "6. 셋째" in second.text
    assert maps.kakao.heard[-1][1]["page"] == "2"
    assert KO.say("nearby.button.more") not in second.labels
    wider = await person.taps(KO.say("nearby.button.wider", radius="5km"))
    assert (maps.kakao.heard[-1][1]["radius"], maps.kakao.heard[-1][1]["page"]) == ("5000", "1")
    widest = await person.taps(KO.say("nearby.button.wider", radius="20km"))
    assert not [
        label for label in widest.labels if label.startswith(KO.say("nearby.button.wider", radius="")[:3])
    ]
    assert len({reply.slot for each in (first, second, wider, widest) for reply in each.replies}) == 1
    await person.presses(second.button(KO.say("nearby.button.back")))
    assert len(maps.kakao.heard) == 4, "the first page is remembered"
    assert maps.osm.heard == []


@talks
async def test_nothing_within_reach_is_said_with_a_wider_way(someone: People, maps: Maps) -> None:
    maps.kakao.say(Say(documents()))
    maps.osm.say(Say(elements()))
    person = someone()
    await person.says("김치찌개")
    answer = await person.sends(CITY_HALL)
    assert answer.text == KO.say("nearby.none", dish="김치찌개", radius="1.5km")
    assert KO.say("nearby.button.wider", radius="5km") in answer.labels


@pytest.mark.parametrize(
    ("locale", "link"),
    [
        ("ko", "https://map.kakao.com/link/search/%EA%B9%80%EC%B9%98%EC%B0%8C%EA%B0%9C"),
        ("en", "https://www.google.com/maps/search/?api=1&query=Kimchi%20Stew"),
    ],
)
@talks
async def test_with_neither_map_there_is_a_link_to_one(
    someone: People, maps: Maps, locale: str, link: str
) -> None:
    maps.kakao.say(KAKAO_REFUSALS["no such key"])
    maps.osm.say(Say(BUSY, 429))
    person = someone(locale=locale)
    await person.says("김치찌개" if locale == "ko" else "kimchi stew")
    words = KO if locale == "ko" else EN
    answer = await person.sends(CITY_HALL)
    assert answer.text == words.say("nearby.unreachable")
    assert links(answer) == [link]
    again = await person.taps(words.say("nearby.button.again"))
    assert again.text == answer.text


@talks
async def test_a_known_allergy_has_its_caution_beside_every_list(someone: People, maps: Maps) -> None:
    person = someone()
    await person.says("나 새우 알레르기 있어")
    await person.says("김치찌개")
    assert KO.say("chat.allergy_caution") in (await person.sends(CITY_HALL)).text
    maps.kakao.say(Say("", 500))
    maps.osm.say(Say("", 500))
    assert KO.say("chat.allergy_caution") in (await person.says("근처 초밥 파는 곳")).text, (
        "beside a link too"
    )


@talks
async def test_in_a_group_only_the_asker_sees_where_they_are(someone: People, maps: Maps) -> None:
    person = someone()
    person.kind, person.chat = "group", "table"
    await person.says("김치찌개")
    asked = await person.commands("nearby", "마라탕")
    listed = await person.sends(CITY_HALL)
    await person.taps(KO.say("nearby.button.other"))
    assert all(reply.private for each in (asked, listed, person.last) for reply in each.replies)


@talks
async def test_what_was_asked_for_in_a_group_is_found_in_private(someone: People, maps: Maps) -> None:
    """A place can be shared by a button only in a private chat, which knows nothing of the group's talk."""
    person = someone()
    person.kind, person.chat = "group", "table"
    await person.commands("nearby", "마라탕")
    person.kind, person.chat = "private", "home"
    await person.sends(CITY_HALL)
    assert maps.asked == ["마라탕"]


@talks
async def test_nothing_of_a_place_is_stored(someone: People, maps: Maps, stage: Stage) -> None:
    """Neither where somebody is, nor what is around them: in no row of any table, once the turns are over."""
    person = someone()
    maps.kakao.say(Say(documents(document("아무도모르는집"), end=False)))
    await person.commands("nearby", "마라탕")
    first = await person.sends(CITY_HALL)
    await person.taps(KO.say("nearby.button.more"), KO.say("nearby.button.other"))
    assert "아무도모르는집" in first.text
    path = stage.app.settings.database.removeprefix("sqlite+aiosqlite:///")
    with sqlite3.connect(path) as database:
        whole = "\n".join(database.iterdump())
    assert person.name in whole
    for told in ("37.566", "126.978", "126.97", "아무도모르는집", "창경궁로"):
        assert told not in whole
    for choice in (*first.choices, *person.last.choices):
        assert "37." not in choice.data + choice.url
        assert len(choice.data) <= 40
        assert choice.data.isascii()


@talks
async def test_after_a_restart_the_place_is_asked_again_and_the_dish_is_not(
    someone: People, maps: Maps, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = someone()
    await person.says("김치찌개")
    listed = await person.sends(CITY_HALL)
    asked = await person.taps(KO.say("nearby.button.other"))
    monkeypatch.setattr(stage.app, "whereabouts", Whereabouts())
    for button in (
        listed.button(KO.say("nearby.button.more")),
        asked.button(KO.say("label.cuisine.chinese")),
    ):
        again = await person.presses(button)
        assert again.text == KO.say("nearby.forgotten")
        assert locates(again)
    await person.sends(CITY_HALL)
    assert maps.asked == ["김치찌개", "중식"]


@talks
async def test_a_place_is_nobody_elses(someone: People, maps: Maps) -> None:
    """Whoever presses a forwarded button, or guesses a key, would learn where somebody is."""
    person, other = someone("a"), someone("b")
    await person.says("김치찌개")
    listed = await person.sends(CITY_HALL)
    assert (await other.presses(listed.button(KO.say("nearby.button.more")))).text == KO.say(
        "nearby.forgotten"
    )
    assert len(maps.kakao.heard) == 1


@pytest.mark.parametrize(
    "data",
    [
        "near", "near:", "near:page", "near:page:KEY:0:1500:kakao", "near:page:KEY:10:1500:kakao",
        "near:page:KEY:1:99999999:kakao", "near:page:KEY:1:1500:naver", "near:page:KEY:1:1500:kakao:x",
        "near:page:KEY:-1:1500:", "near:kind:KEY:books", "near:kind:KEY", "near:at:nothing:1", "near:at::", "near:x:KEY",
    ],
)  # fmt: skip
@talks
async def test_a_forged_button_is_told_so(someone: People, maps: Maps, data: str) -> None:
    person = someone()
    await person.says("김치찌개")
    listed = await person.sends(CITY_HALL)
    key = listed.button(KO.say("nearby.button.more")).split(":")[2]
    assert (await person.presses(data.replace("KEY", key))).text == KO.say("chat.stale")
    assert len(maps.kakao.heard) == 1


@talks
async def test_a_book_is_not_eaten(someone: People, maps: Maps) -> None:
    person = someone()
    await person.says("위로가 되는 책")
    for text in ("1번 어디서 파는 거야?", "이거 어디서 팔아?"):
        answer = await person.says(text)
        assert not locates(answer)
        assert answer.cards[0].domain == "book"
    assert locates(await person.says("근처 맛집 알려줘")), (
        "a book looked at is no reason to speak of it again"
    )


@pytest.mark.parametrize(
    ("metres", "said"),
    [(0, "10m"), (4, "10m"), (354, "350m"), (994, "990m"), (996, "1km"), (1_000, "1km"), (1_240, "1.2km"), (20_000, "20km")],
)  # fmt: skip
def test_distances_are_said_as_people_say_them(metres: int, said: str) -> None:
    assert nearby._distance(metres) == said


@pytest.mark.parametrize("cuisine", nearby._CUISINES)
def test_every_cuisine_can_be_looked_for(cuisine: str) -> None:
    assert Dish.of_cuisine(cuisine).name


def test_places_are_forgotten_and_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot that runs for months must not hold where everybody has ever been."""
    from handlers import whereabouts
    from handlers.turn import Chat, Person, Turn

    monkeypatch.setattr(whereabouts, "MOST", 3)
    kept, turn = Whereabouts(), Turn("1", Chat("t", "c"), Person("p"), CITY_HALL, at=100.0)
    keys = [
        kept.keep(whereabouts.Spot(("t", f"p{n}" if n else "p"), 100.0 + n, 1.0, 2.0)) for n in (1, 2, 0, 3)
    ]
    assert kept.find(turn, keys[0]) is None, "the oldest went"
    assert kept.latest(turn) is not None
    for n in range(5):
        kept.wish(replace(turn, person=Person(f"p{n}")), "kind:any")
    late = replace(turn, at=104.0 + KEPT_SECONDS)
    assert kept.latest(late) is None
    assert kept.wished(late) is None
    assert (len(kept._spots), len(kept._wishes)) == (0, 0)


def test_a_script_shares_a_place(
    home: Path, tmp_path: Path, both: Maps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console is an adapter like the others, wired by settings alone."""
    monkeypatch.setenv("ONEULMWO_KAKAO_KEY", KEY)
    monkeypatch.setenv("ONEULMWO_KAKAO_URL", both.kakao.url)
    monkeypatch.setenv("ONEULMWO_OVERPASS_URL", "")
    path = tmp_path / "script.jsonl"
    lines = [{"user": "u", "command": "nearby 마라탕"}, {"user": "u", "location": [37.5665, 126.978]}]
    path.write_text("\n".join(map(json.dumps, lines)))
    ran = CliRunner().invoke(command_line, ["chat", "--script", str(path), "--json"])
    assert ran.exit_code == 0, ran.stderr
    asked, listed = map(json.loads, ran.stdout.splitlines())
    assert asked["text"] == KO.say("nearby.where", dish="마라탕")
    assert "1. 은주정 · 350m" in listed["text"]
    assert {choice["url"] for choice in listed["choices"] if "url" in choice} == {
        "https://place.map.kakao.com/8332362"
    }
