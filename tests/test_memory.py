"""What is remembered of a person: persona, history, undo, guests, talks that end, allergies taken back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from data.item import Domain
from data.phrases import phrases
from engine.persona import corrected, statements, told, without
from engine.request import Exclude, Request
from handlers import memory
from handlers.room import Room
from handlers.turn import Chat, Person, Text, Turn
from storage import schema, users
from storage.users import User
from tests.talk import Someone

talks = pytest.mark.asyncio(loop_scope="session")

People = Callable[..., Someone]
KO, EN = phrases("ko"), phrases("en")


async def user_of(person: Someone) -> User:
    async with person.stage.app.database.writing() as connection:
        return await users.ensure(
            connection, platform=person.stage.name, platform_id=person.name, name="", locale=person.locale
        )


async def rows_of(person: Someone) -> dict[str, int]:
    """How many rows of each table name the person, the session and the user row left out."""
    user = await user_of(person)
    counts = {}
    async with person.stage.app.database.reading() as connection:
        for table in schema.metadata.tables.values():
            if "user_id" in table.c and table.name != "sessions":
                query = select(func.count()).where(table.c.user_id == user.id)
                counts[table.name] = int(await connection.scalar(query) or 0)
    return counts


@talks
async def test_a_sentence_about_taste_is_kept_and_holds_for_later_requests(someone: People) -> None:
    person = someone()
    answer = await person.says("나 공포 안 좋아해")
    assert "공포" in answer.text
    assert not answer.cards
    for _ in range(6):
        answer = await person.says("영화 추천해줘")
        items = await person.stage.app.engine.items(answer.ids)
        assert not any("horror" in item.genres for item in items.values())


@talks
async def test_what_is_asked_for_stands_above_what_was_told(someone: People) -> None:
    person = someone()
    await person.says("나 공포 안 좋아해")
    answer = await person.says("무서운 영화 보여줘")
    items = await person.stage.app.engine.items(answer.ids)
    assert items
    assert all("horror" in item.genres for item in items.values())


@talks
async def test_a_taste_told_is_what_comes_first(someone: People) -> None:
    person = someone()
    await person.says("I'm a fan of science fiction")
    answer = await person.says("recommend a movie")
    items = await person.stage.app.engine.items(answer.ids)
    assert sum("sf" in item.genres for item in items.values()) >= 2


@pytest.mark.parametrize(
    "text",
    ["나 SF 좋아하는데 뭐 볼까?", "로맨스 좋아하는 친구랑 볼 영화 추천해줘", "나 매운 거 먹고 싶어", "I'd like a comedy", "이거 좋아해"],
)  # fmt: skip
@talks
async def test_a_wish_is_no_sentence_about_taste(someone: People, text: str) -> None:
    """Keeps away that a request is only noted, and nothing recommended."""
    person = someone()
    await person.says("영화 추천해줘")
    answer = await person.says(text)
    assert answer.cards or "좋아" in answer.text


@talks
async def test_the_persona_can_be_read_corrected_and_dropped(someone: People) -> None:
    person = someone()
    assert KO.say("persona.empty") in (await person.says("내 취향이 뭐야?")).text
    await person.says("나는 로맨스 좋아해")
    answer = await person.commands("taste")
    assert KO.say("persona.lead") in answer.text
    assert "로맨스" in answer.text
    await person.says("나 로맨스 안 좋아해")
    answer = await person.commands("taste")
    assert KO.say("persona.avoids.movie", names="로맨스") in answer.text
    assert KO.say("persona.genres.movie", names="로맨스") not in answer.text
    dropped = answer.button("로맨스 지우기")
    assert "로맨스" not in (await person.presses(dropped)).text
    assert (await person.presses(dropped)).text == KO.say("chat.stale")


@talks
async def test_a_frozen_taste_learns_nothing_from_likes(someone: People) -> None:
    person = someone()
    await person.says("반전 있는 스릴러 영화")
    await person.says("1번 좋아")
    await person.presses("persona:freeze")
    before = (await person.commands("taste")).text
    assert KO.say("persona.frozen") in before
    await person.says("웃긴 영화")
    await person.says("1번 좋아")
    assert (await person.commands("taste")).text == before
    thawed = await person.presses("persona:thaw")
    assert KO.say("persona.frozen") not in thawed.text
    assert len(thawed.text) > len(before.replace(KO.say("persona.frozen"), ""))


@pytest.mark.parametrize(
    "data", ["persona:drop:0:1", "persona:drop:x:", "persona:drop", "persona:melt", "persona:drop:99999999:a"]
)
@talks
async def test_a_forged_persona_button_is_told_so(someone: People, data: str) -> None:
    assert (await someone().presses(data)).text == KO.say("chat.stale")


@talks
async def test_the_persona_is_private_in_a_group(someone: People) -> None:
    person = someone()
    await person.says("나는 로맨스 좋아해")
    person.kind = "group"
    assert all(reply.private for reply in (await person.says("내 취향이 뭐야?")).replies)


def test_what_is_told_adds_up_and_the_last_word_counts() -> None:
    first = corrected({}, told(Request(genres=("romance",))))
    assert set(first) == {"book", "movie"}
    second = corrected(first, told(Request(domain=Domain.MOVIE, exclude=Exclude(genres=("romance",)))))
    assert second["movie"].genres == ()
    assert second["movie"].exclude.genres == ("romance",)
    assert second["book"].genres == ("romance",)
    third = corrected(second, told(Request(domain=Domain.MOVIE, genres=("sf",))))
    assert third["movie"].genres == ("sf",)
    assert third["movie"].exclude.genres == ("romance",)
    for statement in statements(third):
        third = without(third, statement)
    assert third == {}


@talks
async def test_history_names_what_was_recommended_by_day_and_kind(someone: People) -> None:
    person = someone()
    movies = await person.says("한국 영화 추천해줘")
    await person.says("비 오는 날 뜨끈한 국물")
    answer = await person.says("아까 추천한 영화 뭐였지?")
    assert all(card.title in answer.text for card in movies.cards)
    assert set(answer.labels) == {card.title for card in movies.cards}
    detail = await person.taps(movies.cards[0].title)
    assert detail.cards[0].id == movies.cards[0].id
    assert (await person.says("어제 추천해준 거 뭐였지?")).text == KO.say("history.none_then")


@talks
async def test_history_finds_what_is_remembered_of_it(someone: People) -> None:
    person = someone()
    await person.says("웃긴 영화")
    hot = await person.says("엄청 매운 음식")
    await person.says("달달한 디저트")
    answer = await person.says("아까 추천한 매운 음식 뭐였지?")
    assert hot.cards[0].title in answer.text or hot.cards[1].title in answer.text


@talks
async def test_a_newcomer_has_no_history(someone: People) -> None:
    assert (await someone().commands("history")).text == KO.say("history.empty")


@talks
async def test_a_group_sees_its_own_history_only(someone: People) -> None:
    """Keeps away that a group is shown what somebody was recommended in private."""
    person = someone()
    private = await person.says("우울한데 위로되는 책")
    person.chat, person.kind = "friends", "group"
    shared = await person.says("웃긴 영화")
    answer = await person.commands("history")
    assert shared.cards[0].title in answer.text
    assert not any(card.title in answer.text for card in private.cards)


@talks
async def test_a_private_talk_is_not_refined_from_a_group(someone: People) -> None:
    person = someone()
    await person.says("무서운 영화")
    person.chat, person.kind = "friends", "group"
    items = await person.stage.app.engine.items((await person.says("한국 걸로")).ids)
    assert not items or not all("horror" in item.genres for item in items.values())


@talks
async def test_the_last_feedback_is_undone_in_words(someone: People) -> None:
    person = someone()
    shown = await person.says("웃긴 영화")
    await person.says("1번 저장해줘")
    answer = await person.says("저장 취소")
    assert answer.text == KO.say("feedback.undone.save", title=f"'{shown.cards[0].title}'")
    assert (await person.commands("saved")).text == KO.say("saved.empty")
    await person.commands("undo")
    assert shown.cards[0].title in (await person.commands("saved")).text


@talks
async def test_a_talk_of_thirty_turns_never_shows_one_thing_twice(someone: People) -> None:
    person = someone()
    asked = ("책 추천해줘", "더 가볍게", "다른 거", "웃긴 영화", "한국 걸로", "다른 거", "비 오는 날 뜨끈한 국물", "안 매운 걸로",
             "다른 거", "위로가 되는 소설")  # fmt: skip
    shown: list[str] = []
    for turn in range(30):
        shown += (await person.says(asked[turn % len(asked)])).ids
    assert len(shown) > 50
    assert len(shown) == len(set(shown))


@talks
async def test_with_nothing_to_undo_that_is_said(someone: People) -> None:
    assert (await someone().says("되돌려줘")).text == KO.say("feedback.nothing")


@talks
async def test_one_of_the_picks_is_chosen_when_asked(someone: People) -> None:
    person = someone()
    shown = await person.says("반전 있는 스릴러")
    answer = await person.says("셋 중에 뭐가 나아?")
    assert any(card.title in answer.text for card in shown.cards)
    answer = await person.says("2번이랑 3번 둘 중에 뭐가 나아?")
    assert any(card.title in answer.text for card in shown.cards[1:])


@talks
async def test_a_guest_leaves_nothing_behind(someone: People) -> None:
    person = someone()
    assert KO.say("guest.on") in (await person.commands("guest")).text
    before = await rows_of(person)
    shown = await person.says("비 오는 날 뜨끈한 국물")
    assert (await person.taps(f"{shown.cards[0].title} 자세히")).cards
    await person.says("1번 좋아")
    await person.says("나는 로맨스 좋아해")
    await person.says("새우 알레르기 있어")
    await person.commands("survey", "movie")
    assert shown.cards[0].title in (await person.commands("history")).text
    assert await rows_of(person) == before == dict.fromkeys(before, 0)
    assert KO.say("guest.off") in (await person.commands("guest")).text
    assert KO.say("history.empty") in (await person.commands("history")).text


@talks
async def test_a_guests_limits_hold_within_the_talk(someone: People) -> None:
    person = someone()
    await person.commands("guest")
    await person.says("나 새우 알레르기 있어")
    for text in ("해산물 요리", "다른 거", "저녁 추천해줘"):
        items = await person.stage.app.engine.items((await person.says(text)).ids)
        assert all("shrimp" not in (item.allergens or ()) for item in items.values())


@talks
async def test_what_a_guest_told_before_of_allergies_still_holds(someone: People) -> None:
    """Keeps away that guest mode puts somebody in danger."""
    person = someone()
    await person.commands("survey", "food")
    await person.taps(KO.say("button.consent_yes"))
    await person.says("나 땅콩 알레르기 있어")
    await person.commands("guest")
    assert "땅콩" in (await person.says("내 알레르기 뭐야")).text
    assert KO.say("chat.allergy_caution") in (await person.says("점심 뭐 먹지")).text


def room_at(user: User, session: dict[str, Any]) -> Room:
    return Room(None, user, session, None, None)  # type: ignore[arg-type]


def turn_at(at: float) -> Turn:
    return Turn("t", Chat("test", "c"), Person("p"), Text("x"), at)


@pytest.mark.parametrize("consent", [True, False, None])
def test_a_new_talk_begins_after_half_a_day(consent: bool | None) -> None:
    """Keeps away that "더 가볍게" refines what was asked yesterday, or an allergy stays without consent."""
    now = time.time()
    session = {"at": now, "request": {"domain": "book"}, "limits": {"allergens": ["egg"]}, "exposure": "e"}
    user = User(1, "test", "p", "", "", consent=consent)
    same = dict(session)
    memory.enter(turn_at(now + 60), room_at(user, same))
    assert same == session | {"at": now + 60}
    later = dict(session)
    memory.enter(turn_at(now + memory.TALK_SECONDS + 1), room_at(user, later))
    assert "request" not in later
    assert ("limits" in later) is bool(consent)
    assert later["exposure"] == "e"


def test_a_guests_talk_is_forgotten_whole_when_it_ends() -> None:
    now = time.time()
    session = {"at": now, "exposure": "e", "shown": [], "guest": {"events": []}}
    memory.enter(
        turn_at(now + memory.TALK_SECONDS + 1), room_at(User(1, "t", "p", "", "", guest=True), session)
    )
    assert list(session) == ["at"]


@talks
@pytest.mark.parametrize(
    "text",
    [
        "내 알레르기 다 나았어",
        "제 알레르기 전부 없어졌어요",
        "clear all my allergies",
        "I'm not allergic anymore",
    ],
)
async def test_all_allergies_are_taken_back_at_once(someone: People, text: str) -> None:
    person = someone()
    await person.says("새우랑 계란 알레르기 있어")
    answer = await person.says(text)
    words = EN if text.isascii() else KO
    for name in ("shrimp", "egg"):
        assert words.say(f"label.allergens.{name}") in answer.text
        assert words.say(f"label.allergens.{name}") not in (await person.says("내 알레르기 뭐야")).text


@pytest.mark.parametrize(
    "text", ["나 새우 알레르기 아니야", "새우 알러지 없어졌어... 아니 새우 알레르기 없어", "I'm not allergic to shrimp"],
)  # fmt: skip
@talks
async def test_an_allergy_is_taken_back_in_words(someone: People, text: str) -> None:
    person = someone()
    await person.says("새우랑 계란 알레르기 있어")
    answer = await person.says(text)
    words = EN if text.isascii() else KO
    assert words.say("limits.retracted", names=words.say("label.allergens.shrimp")) in answer.text
    assert words.say("label.allergens.egg") in answer.text
    assert words.say("label.allergens.shrimp") not in (await person.says("내 알레르기 뭐야")).text


@talks
async def test_every_allergy_is_taken_back_at_once(someone: People) -> None:
    person = someone()
    await person.says("새우랑 참깨 알레르기 있어")
    answer = await person.says("내 알레르기 다 지워줘")
    assert "새우" in answer.text
    assert "참깨" in answer.text
    assert (await person.says("내 알레르기 뭐야")).text == KO.say("limits.none")


@talks
async def test_an_allergy_without_a_name_is_asked_for(someone: People) -> None:
    """Keeps away that "알러지 있어" is taken for a wish to eat."""
    answer = await someone().says("나 알러지 있어")
    assert answer.text == KO.say("limits.which")
    assert not answer.cards


@talks
async def test_with_consent_an_allergy_told_in_words_is_kept_for_good(someone: People) -> None:
    person = someone()
    await person.commands("survey", "food")
    await person.taps(KO.say("button.consent_yes"))
    await person.says("나 땅콩 알레르기 있어")
    person.chat = "another"
    assert "땅콩" in (await person.says("내 알레르기 뭐야")).text
    await person.says("나 땅콩 알레르기 아니야")
    person.chat = "home"
    assert (await person.says("내 알레르기 뭐야")).text == KO.say("limits.none")


@pytest.mark.parametrize(
    "text",
    [
        "새우 알레르기 없는 음식 추천",
        "새우 알레르기 있어",
        "새우는 못 먹어",
        "알레르기 없이 먹을 수 있는 저녁, 새우 빼고",
    ],
)
@talks
async def test_what_sounds_like_taking_back_an_allergy_does_not(someone: People, text: str) -> None:
    person = someone()
    await person.says("새우 알레르기 있어")
    await person.says(text)
    assert "새우" in (await person.says("내 알레르기 뭐야")).text
