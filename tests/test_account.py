"""The account: profile, language, consent, export, being forgotten."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from data.phrases import phrases
from engine.taste import taste_of
from handlers.forget import VALID_SECONDS
from handlers.turn import Reply
from storage import account, exposures, taste, users
from storage.users import User
from tests.talk import Answer, Someone, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

People = Callable[..., Someone]
KO, EN = phrases("ko"), phrases("en")
STALE = KO.say("chat.stale")
CAUTION = KO.say("chat.allergy_caution")


async def known(person: Someone) -> User:
    async with person.stage.app.database.writing() as connection:
        return await users.ensure(
            connection, platform=person.stage.name, platform_id=person.name, name="", locale=person.locale
        )


async def counted(person: Someone) -> dict[str, int]:
    user = await known(person)
    async with person.stage.app.database.reading() as connection:
        return await account.counts(connection, user.id)


async def answered(person: Someone) -> dict[str, Any]:
    user = await known(person)
    async with person.stage.app.database.reading() as connection:
        return await taste.answers(connection, user.id)


async def agreed(person: Someone) -> None:
    await person.commands("consent")
    await person.taps(KO.say("button.consent_yes"))


def is_korean(answer: Answer) -> bool:
    return bool(re.search("[가-힣]", answer.text.replace("한국어", "")))


# What the words mean


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("내 정보", "profile"), ("내 정보 알려줘", "profile"), ("내 계정", "profile"), ("내 프로필 보여줘", "profile"),
        ("my profile", "profile"), ("account settings", "profile"),
        ("영어로 말해줘", "english"), ("speak English", "english"), ("do you speak english?", "english"),
        ("한국어로 해줘", "korean"), ("in Korean please", "korean"), ("Speak Korean, please", "korean"),
        ("언어 바꿔줘", "language"), ("change the language", "language"),
        ("내 데이터 내보내기", "export"), ("export my data", "export"),
        ("내 데이터 다 지워줘", "forget"), ("나를 잊어줘", "forget"), ("내 정보 삭제", "forget"),
        ("forget me", "forget"), ("please delete all my data", "forget"),
        ("문의할게요", "inquiry"), ("운영자에게 전해줘", "inquiry"), ("버그 신고", "inquiry"), ("contact the operator", "inquiry"),
        ("내 문의", "inquiries"), ("my inquiries", "inquiries"), ("동의 철회할래", "consent"),
    ],
)  # fmt: skip
async def test_words_about_oneself_are_understood(
    understand: Callable[..., Any], text: str, intent: str
) -> None:
    assert (await understand(text)).intent == intent


@pytest.mark.parametrize(
    "text",
    [
        "저장 목록", "내 취향", "내 취향 알려줘", "정보 알려줘", "그 영화 정보 알려줘", "1번 정보 알려줘", "국내 정보 책", "안내 정보",
        "내 정보를 훔치는 해커 영화", "내 이야기 같은 책", "그 영화 잊어줘", "1번 잊어줘", "forget that movie", "forget me not",
        "나를 잊은 연인 이야기", "나를 잊어줘라는 느낌의 영화", "기억을 지우는 영화", "저장한 거 지워줘", "데이터 과학 책",
        "영어 원서 추천", "영어로 된 책 추천해줘", "영어로 말하는 영화", "영어 공부에 좋은 책", "a movie where they speak English",
        "a book in English please", "something in Korean please", "한국어로 번역된 소설", "한국 영화로", "Korean movies please",
        "언어에 대한 책", "버그에 대한 영화", "고객센터 나오는 영화", "전문의 나오는 드라마", "전문의하고 싸우는 소설",
        "나는 오늘 하루 종일 영어로 말해야 하는 회의가 너무 많아서 정말이지 완전히 지쳐 버렸어",
    ],
)  # fmt: skip
async def test_a_wish_is_not_about_oneself(understand: Callable[..., Any], text: str) -> None:
    """Keeps away a film lover who is offered to be forgotten, or is spoken to in another language."""
    ours = {"profile", "consent", "language", "korean", "english", "export", "forget", "inquiry", "inquiries"}
    assert (await understand(text)).intent not in ours


# Profile


async def test_the_profile_of_a_newcomer_says_that_nothing_is_known(someone: People) -> None:
    answer = await someone().says("내 정보")
    for key in ("profile.consent.open", "profile.no_limits", "profile.no_surveys", "profile.guest.off"):
        assert KO.say(key) in answer.text
    assert KO.say("profile.counts", shown=0, liked=0, saved=0) in answer.text
    assert KO.say("profile.language", name=KO.say("profile.languages.auto")) in answer.text


async def test_the_profile_tells_what_is_remembered_from_what_is_said_in_this_talk(someone: People) -> None:
    person = someone()
    await person.presses("survey:food:consent:yes")
    await person.presses("survey:food:allergies:pick:egg")
    await person.presses("survey:food:allergies:later")
    await person.says("새우 알레르기 있어. 저녁 뭐 먹지")
    await person.says("/profile")
    text = person.last.text
    assert KO.say("profile.limits", names="달걀, 새우") in text
    assert KO.say("profile.surveys", names="음식 취향") in text
    assert KO.say("profile.consent.on") in text
    other = someone("b")
    await other.presses("survey:food:consent:no")
    await other.presses("survey:food:allergies:pick:egg")
    await other.presses("survey:food:allergies:later")
    await other.says("새우 알레르기 있어. 저녁 뭐 먹지")
    text = (await other.commands("profile")).text
    assert KO.say("profile.limits_told", names="달걀, 새우") in text
    assert KO.say("profile.surveys", names="음식 취향") in text
    assert KO.say("profile.consent.off") in text
    other.chat = "elsewhere"
    assert KO.say("profile.no_limits") in (await other.commands("profile")).text


async def test_a_guest_is_told_so_and_agrees_to_nothing(someone: People) -> None:
    """Keeps away what a guest says from the tables, by a button that promises to remember it."""
    person = someone()
    await person.commands("guest")
    profile = await person.commands("profile")
    assert KO.say("profile.guest.on") in profile.text
    assert KO.say("button.guest_off") in profile.labels
    await person.says("우울한데 땅콩 알레르기 있어. 저녁 뭐 먹지")
    assert KO.say("button.remember_allergy") not in person.last.labels
    for data in ("consent", "consent:yes"):
        assert (await person.presses(data)).text == KO.say("consent.guest")
    assert (await person.presses("remember:allergies")).text == STALE
    await person.commands("survey", "food")
    assert person.last.text != KO.say("survey.consent")
    assert (await known(person)).consent is None
    assert await answered(person) == {}


async def test_the_profile_counts_what_stands(someone: People) -> None:
    person = someone()
    wish = await person.says("웃긴 영화")
    for press in ("like:1", "like:2", "dislike:2", "save:3"):
        kind, _, place = press.partition(":")
        await person.presses(f"fb:{kind}:{wish.exposure}:{place}")
    assert KO.say("profile.counts", shown=1, liked=1, saved=1) in (await person.commands("profile")).text


async def test_every_button_of_the_profile_leads_somewhere(someone: People) -> None:
    person = someone()
    profile = await person.commands("profile")
    assert len(profile.choices) == 9
    for choice in profile.choices:
        assert len(choice.data) <= 40
        answer = await person.presses(choice.data)
        assert answer.text
        assert STALE not in answer.text


@pytest.mark.parametrize("name", ["profile", "consent", "lang", "export", "forget", "inquiry", "inquiries"])
async def test_what_is_said_of_a_person_is_for_that_person_only(someone: People, name: str) -> None:
    """Keeps away a group that reads somebody's allergies."""
    answer = await someone(name).commands(name)
    assert answer.replies
    assert all(reply.private for reply in answer.replies)


# Language


async def test_a_chosen_language_is_spoken_at_once_and_stays(someone: People) -> None:
    person = someone()
    assert not is_korean(await person.says("영어로 말해줘"))
    assert person.last.text == EN.say("language.chosen")
    assert not is_korean(await person.says("안녕"))
    person.chat = "elsewhere"
    assert not is_korean(await person.commands("help"))
    assert (await person.says("speak Korean")).text == KO.say("language.chosen")
    assert (await person.commands("help")).text == KO.say("help.text")


@pytest.mark.parametrize("way", ["command", "typed", "button"])
async def test_automatic_follows_what_is_written(someone: People, way: str) -> None:
    person = someone(way)
    await person.presses("lang:en")
    if way == "command":
        await person.commands("lang", "자동")
    elif way == "typed":
        await person.says("/language AUTO")
    else:
        await person.commands("lang")
        await person.taps(EN.say("profile.languages.auto"))
    assert person.last.text == KO.say("language.automatic")
    assert (await person.says("a funny movie")).text in "\n".join(EN.variants("intro.movie"))
    assert (await person.says("웃긴 책")).text in "\n".join(KO.variants("intro.book"))


@pytest.mark.parametrize("argument", ["", "klingon", "' OR 1=1 --", "x" * 5_000])
async def test_a_language_that_is_none_of_ours_is_asked_about(someone: People, argument: str) -> None:
    person = someone(argument[:3])
    answer = await person.commands("lang", argument)
    assert answer.text == KO.say("language.ask")
    assert [choice.data for choice in answer.choices] == ["lang:ko", "lang:en", "lang:auto"]
    assert (await known(person)).language is None


@pytest.mark.parametrize("argument", ["en", "EN", "English", "영어", " english "])
async def test_a_language_is_named_in_many_ways(someone: People, argument: str) -> None:
    assert (await someone(argument).commands("language", argument)).text == EN.say("language.chosen")


# Consent


async def test_consent_given_later_keeps_what_this_talk_was_told(someone: People) -> None:
    person = someone()
    await person.presses("survey:book:consent:no")
    await person.presses("survey:book:mood:pick:tired")
    await person.says("땅콩이랑 키위 알레르기 있고 비건이야. 저녁 뭐 먹지")
    assert await answered(person) == {}
    await person.commands("consent")
    assert person.last.text == KO.say("consent.ask")
    await person.taps(KO.say("button.consent_yes"))
    assert person.last.text == KO.say("consent.given")
    remembered = taste_of(await answered(person), ())
    assert (remembered.allergens, remembered.avoid, remembered.diet) == (("peanut",), ("kiwi",), ("vegan",))
    assert (await answered(person))["book"]["mood"] == ["tired"]
    person.chat = "elsewhere"
    assert CAUTION in (await person.says("점심 뭐 먹지")).text


async def test_consent_taken_back_says_what_goes_and_deletes_it_after_asking(someone: People) -> None:
    person = someone()
    await agreed(person)
    await person.presses("survey:food:allergies:pick:egg")
    wish = await person.says("우울하고 속이 안 좋아. 저녁 뭐 먹지")
    async with person.stage.app.database.reading() as connection:
        before = await exposures.get(connection, wish.exposure)
    assert before is not None
    assert before.body["request"]["moods"] == ["sad"]
    await person.commands("profile")
    await person.taps(KO.say("button.consent_off"))
    assert KO.say("consent.goes.limits", names="달걀") in person.last.text
    assert KO.say("consent.goes.surveys", count=1) in person.last.text
    assert "egg" in (await answered(person))["food"]["allergies"], "only asked yet"
    await person.taps(KO.say("button.consent_erase"))
    assert KO.say("consent.unsafe", names="달걀") in person.last.text
    assert await answered(person) == {}
    assert (await known(person)).consent is False
    async with person.stage.app.database.reading() as connection:
        after = await exposures.get(connection, wish.exposure)
    assert after is not None
    assert not {"text", "moods", "body", "allergens", "avoid"} & set(after.body["request"])
    assert after.item_ids == before.item_ids
    assert (await person.presses(f"why:{wish.exposure}:1")).text.startswith(
        KO.say("why.lead", title=wish.cards[0].title, fit=wish.cards[0].fit)
    )


async def test_consent_taken_back_in_one_chat_is_taken_back_in_all(someone: People) -> None:
    """A chat of its own once kept the consent in its session, and went on remembering."""
    person = someone()
    await person.presses("survey:book:consent:yes")
    person.chat = "elsewhere"
    await person.presses("consent:erase")
    person.chat = "home"
    await person.presses("survey:book:mood:pick:tired")
    assert await answered(person) == {}


async def test_an_old_button_of_the_survey_deletes_nothing_without_asking(someone: People) -> None:
    person = someone()
    await agreed(person)
    await person.presses("survey:food:allergies:pick:egg")
    answer = await person.presses("survey:food:consent:no")
    assert KO.say("consent.warning") in answer.text
    assert (await known(person)).consent is True
    await person.taps(KO.say("button.consent_keep"))
    assert person.last.text == KO.say("consent.kept")
    assert "egg" in (await answered(person))["food"]["allergies"]


# Export


async def exported(answer: Answer) -> dict[str, Any]:
    (reply,) = answer.replies
    assert reply.file is not None
    assert reply.file.mime == "application/json"
    assert re.fullmatch(r"oneulmwo-\d{8}-\d{6}\.json", reply.file.name)
    whole: dict[str, Any] = json.loads(reply.file.text)
    return whole


async def test_an_export_holds_what_was_told_and_shown(someone: People) -> None:
    person, other = someone(), someone("b")
    await other.says("무서운 영화")
    await agreed(person)
    await person.presses("survey:book:mood:pick:tired")
    wish = await person.says("웃긴 영화")
    await person.presses(f"fb:like:{wish.exposure}:1")
    await person.commands("inquiry", "고마워요")
    answer = await person.says("내 데이터 내보내줘")
    whole = await exported(answer)
    assert whole["surveys"][0]["answers"] == {"mood": ["tired"]}
    assert [pick["id"] for pick in whole["exposures"][0]["body"]["picks"]] == wish.ids
    assert all(pick["reason"] for pick in whole["exposures"][0]["body"]["picks"])
    assert whole["taste_events"][0]["item_id"] == wish.ids[0]
    assert whole["inquiries"][0]["text"] == "고마워요"
    assert whole["sessions"][0]["state"]["request"]["domain"] == "movie"
    assert whole["person"]["consent"] is True
    text = answer.replies[0].file.text if answer.replies[0].file else ""
    assert "고마워요" in text, "readable, not escaped"
    assert "\n  " in text
    assert other.name not in text
    assert Reply.from_json(answer.replies[0].to_json()) == answer.replies[0]


async def test_a_newcomer_can_export_too(someone: People) -> None:
    whole = await exported(await someone().commands("export"))
    assert whole["exposures"] == whole["surveys"] == []


# Being forgotten


async def lived(person: Someone) -> Answer:
    """Somebody of whom there is something of most kinds."""
    await agreed(person)
    await person.presses("survey:food:allergies:pick:egg")
    wish = await person.says("저녁 뭐 먹지")
    await person.presses(f"fb:like:{wish.exposure}:1")
    await person.commands("inquiry", "버튼이 안 눌려요")
    person.chat = "elsewhere"
    await person.says("웃긴 영화")
    person.chat = "home"
    return wish


async def test_being_forgotten_is_asked_done_and_proved(someone: People) -> None:
    person = someone()
    wish = await lived(person)
    before = await counted(person)
    assert {"surveys", "taste_events", "exposures", "sessions", "inquiries"} <= {
        k for k, n in before.items() if n
    }
    asked = await person.says("내 데이터 다 지워줘")
    for subject in ("surveys", "taste_events", "exposures", "sessions", "inquiries"):
        assert KO.say(f"forget.subject.{subject}", count=before[subject]) in asked.text
    assert KO.say("forget.subject.rounds", count=0) not in asked.text
    assert (await counted(person))["surveys"] == 1, "only asked yet"
    await person.taps(KO.say("button.forget_yes"))
    done = person.last
    for subject in ("surveys", "taste_events", "exposures", "sessions", "inquiries"):
        assert KO.say(f"forget.subject.{subject}", count=before[subject]) in done.text
    assert KO.say("forget.unsafe") in done.text
    await person.taps(KO.say("button.forget_left"))
    zeros = [KO.say(f"forget.subject.{subject}", count=0) for subject in before]
    assert person.last.text.splitlines()[1:-1] == zeros
    assert person.last.text.endswith(KO.say("forget.nothing_left"))
    assert (await counted(person))["sessions"] == 0, "nor does the check leave anything"
    user = await known(person)
    assert (user.consent, user.language) == (None, None)
    assert (await person.presses(f"fb:like:{wish.exposure}:1")).text == STALE
    assert CAUTION not in (await person.says("점심 뭐 먹지")).text, "the allergy is forgotten too"


async def test_the_button_that_forgets_works_once(someone: People) -> None:
    person = someone()
    await lived(person)
    asked = await person.commands("forget")
    button = asked.button(KO.say("button.forget_yes"))
    await person.presses(button)
    await person.says("웃긴 영화")
    assert (await person.presses(button)).text == STALE
    assert (await counted(person))["exposures"] == 1


@pytest.mark.parametrize(
    "data",
    ["forget:yes", "forget:yes:", "forget:yes:00000000", "forget:yes:ﷺ", "forget:nosuch", "forget:yes:None"],
)
async def test_a_forged_button_forgets_nobody(someone: People, data: str) -> None:
    person = someone(data[-4:])
    await person.says("웃긴 영화")
    assert (await person.presses(data)).text == STALE
    await person.commands("forget")
    assert (await person.presses(data)).text == STALE
    assert (await counted(person))["exposures"] == 1


async def test_nobody_is_forgotten_by_somebody_elses_press(someone: People) -> None:
    owner, stranger = someone("owner"), someone("stranger")
    await owner.says("웃긴 영화")
    asked = await owner.commands("forget")
    stranger.chat = owner.chat
    assert (await stranger.presses(asked.button(KO.say("button.forget_yes")))).text == STALE
    assert (await counted(owner))["exposures"] == 1


@pytest.mark.parametrize(
    ("late", "gone"), [(VALID_SECONDS - 60, True), (VALID_SECONDS + 60, False), (-3600, False)]
)
async def test_the_question_stands_for_ten_minutes(someone: People, late: float, gone: bool) -> None:
    person = someone(str(late))
    await person.says("웃긴 영화")
    asked = await person.commands("forget")
    person.ahead = late
    answer = await person.presses(asked.button(KO.say("button.forget_yes")))
    assert (answer.text != STALE) is gone
    assert (await counted(person))["exposures"] == (0 if gone else 1)


@pytest.mark.parametrize("word", ["네", "예!", "응", "yes", "Yes.", "지워줘"])
async def test_a_typed_yes_forgets_nobody(someone: People, word: str) -> None:
    person = someone(word)
    await person.says("웃긴 영화")
    await person.commands("forget")
    answer = await person.says(word)
    assert answer.text == KO.say("forget.only_button")
    assert not answer.cards
    assert (await counted(person))["exposures"] == 1
    await person.taps(KO.say("button.forget_yes"))
    assert (await counted(person))["exposures"] == 0


@pytest.mark.parametrize("word", ["아니요", "no", "취소", "button"])
async def test_a_no_forgets_nobody_and_ends_the_question(someone: People, word: str) -> None:
    person = someone(word)
    await person.says("웃긴 영화")
    asked = await person.commands("forget")
    if word == "button":
        await person.taps(KO.say("button.forget_no"))
    else:
        await person.says(word)
    assert person.last.text == KO.say("forget.spared")
    assert (await person.presses(asked.button(KO.say("button.forget_yes")))).text == STALE
    assert (await counted(person))["exposures"] == 1


async def test_the_question_survives_a_restart(someone: People, stage: Stage) -> None:
    person = someone()
    await person.says("웃긴 영화")
    asked = await person.commands("forget")
    await stage.restart()
    await person.presses(asked.button(KO.say("button.forget_yes")))
    assert set((await counted(person)).values()) == {0}


async def test_what_came_after_is_told_and_can_be_deleted_too(someone: People) -> None:
    person = someone()
    await person.says("웃긴 영화")
    await person.commands("forget")
    await person.taps(KO.say("button.forget_yes"))
    check = person.last.button(KO.say("button.forget_left"))
    await person.says("위로가 되는 책")
    answer = await person.presses(check)
    assert KO.say("forget.subject.exposures", count=1) in answer.text
    assert KO.say("forget.new_since") in answer.text
    await person.taps(KO.say("button.forget"))
    await person.taps(KO.say("button.forget_yes"))
    assert (await counted(person))["exposures"] == 0


async def test_the_forgotten_are_answered_in_their_language(someone: People) -> None:
    """The language goes with the rest; the proof must not come in another one."""
    person = someone()
    await person.says("a funny movie")
    await person.says("forget me")
    await person.taps(EN.say("button.forget_yes"))
    assert EN.say("forget.done") in person.last.text
    await person.taps(EN.say("button.forget_left"))
    assert EN.say("forget.nothing_left") in person.last.text
