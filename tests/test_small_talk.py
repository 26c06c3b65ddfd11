"""Small talk is answered and led back; a wish is never taken for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from data.item import Domain
from data.phrases import phrases
from engine.intent import SMALL_TALK
from tests.talk import Someone

pytestmark = pytest.mark.asyncio(loop_scope="session")

People = Callable[..., Someone]
BEGIN = [f"d:{domain}" for domain in Domain]
SAID = {
    "greet": ("안녕", "안녕하세요!", "하이", "굿모닝", "hi", "good morning"),
    "thanks": ("고마워", "감사합니다 ㅎㅎ", "ㄱㅅ", "thank you so much"),
    "who": ("넌 누구야", "이름이 뭐야?", "who are you"),
    "robot": ("너 AI야?", "사람이야?", "are you a robot?"),
    "maker": ("너 누가 만들었어?", "who made you"),
    "age": ("몇 살이야", "how old are you?"),
    "night": ("잘 자", "이제 잘게", "good night"),
    "bye": ("잘 가", "또 올게", "bye!"),
    "love": ("사랑해", "나랑 사귀자", "I love you"),
    "praise": ("너 똑똑하다", "잘했어", "good bot"),
    "insult": ("바보야", "꺼져", "you suck"),
    "sorry": ("미안해", "sorry"),
    "weather": ("오늘 날씨 어때", "날씨 좋다", "what's the weather like today?"),
    "doing": ("뭐해", "밥 먹었어?", "what are you doing", "how are you"),
    "cry": ("ㅠㅠ", "흑흑"),
    "laugh": ("ㅋㅋㅋ", "ㅎㅎ", "ㅋㅋㅋ 웃기다", "lol", "haha"),
    "no": ("아니", "ㄴㄴ", "아니야", "no"),
    "yes": ("응", "ㅇㅇ", "네", "오키", "yes", "ok"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in SAID.items() for text in texts])
async def test_it_is_answered_in_its_language_and_led_back(someone: People, kind: str, text: str) -> None:
    answer = await someone(locale="en" if text.isascii() else "").says(text)
    assert answer.text in phrases("en" if text.isascii() else "ko").variants(f"small.{kind}")
    assert [choice.data for choice in answer.choices] == BEGIN


async def test_every_kind_is_tried_and_has_two_answers() -> None:
    assert set(SAID) | {"stop", "help"} == set(SMALL_TALK)
    for language in ("ko", "en"):
        for kind in SAID:
            assert len(set(phrases(language).variants(f"small.{kind}"))) >= 2, kind


async def test_after_an_answer_others_are_one_press_away(someone: People) -> None:
    person = someone()
    first = await person.says("영화 추천해줘")
    thanked = await person.says("고마워 ㅋㅋ")
    assert thanked.text in phrases("ko").variants("small.thanks")
    others = await person.taps(phrases("ko").say("button.more"))
    assert others.cards
    assert thanked.cards == ()
    assert not set(others.ids) & set(first.ids)


@pytest.mark.parametrize(
    ("text", "domains"),
    [
        ("안녕 오늘 뭐 볼까", {"movie"}), ("고마워 이제 책 추천해줘", {"book"}), ("ㅋㅋㅋ 웃긴 영화", {"movie"}), ("응 매운 거", {"food"}),
        ("바보 같은 영화", {"movie"}), ("사랑 영화", {"movie"}), ("날씨 추운데 뭐 먹지", {"food"}), ("잘 자기 위한 책", {"book"}),
        ("고마운 사람에게 줄 책", {"book"}), ("아니 그냥 소설", {"book"}), ("하이킹하고 먹을 거", {"food"}), ("치킨 그만 먹고 한식", {"food"}),
        ("배고파", {"food"}), ("배고파 ㅠㅠ", {"food"}),
        ("회사 그만두고 싶어", set(Domain)), ("걱정 좀 그만하고 싶다", set(Domain)), ("약속 취소됐어", set(Domain)),
        ("요즘 세상이 너무 빨라서 멈춰 서고 싶어", set(Domain)), ("I can't stop crying", set(Domain)),
        ("심심해", set(Domain)), ("우울해", set(Domain)), ("나 우울해 ㅠㅠ", set(Domain)),
        ("hello, a funny movie please", {"movie"}), ("I'm hungry", {"food"}), ("I'm bored", set(Domain)), ("thanks, now a book", {"book"}),
        ("a stupid funny movie", {"movie"}), ("no seafood for dinner", {"food"}), ("a hamburger", {"food"}),
    ],
)  # fmt: skip
async def test_a_wish_is_not_swallowed(someone: People, text: str, domains: set[str]) -> None:
    """ "고마워, 책 추천해줘" was thanked and left without a book, and "회사 그만두고 싶어" taken for 그만."""
    answer = await someone(locale="en" if text.isascii() else "").says(text)
    assert {card.domain for card in answer.cards} == domains


@pytest.mark.parametrize(
    "text",
    ["고마워 다른 것도", "아니 다른 거", "응 더 보여줘", "ㅋㅋ 또 줘", "no, something else", "ok, another"],
)
async def test_asking_for_more_is_not_swallowed(someone: People, text: str) -> None:
    person = someone(locale="en" if text.isascii() else "")
    first = await person.says("a movie" if text.isascii() else "영화 추천해줘")
    others = await person.says(text)
    assert {card.domain for card in others.cards} == {"movie"}
    assert not set(others.ids) & set(first.ids)


@pytest.mark.parametrize(
    "text", ["좋아요", "1번 좋았어", "별로", "봤어", "다 별로야", "loved it", "not for me"]
)
async def test_feedback_is_not_swallowed(someone: People, text: str) -> None:
    person = someone(locale="en" if text.isascii() else "")
    await person.says("a movie" if text.isascii() else "영화 추천해줘")
    answer = await person.says(text)
    words = phrases("en" if text.isascii() else "ko")
    assert answer.text not in [line for kind in SAID for line in words.variants(f"small.{kind}")]
    assert not answer.cards


@pytest.mark.parametrize(
    ("text", "key"),
    [("오늘 너무 지쳤어", "moods.tired"), ("감기 걸렸어 뭐 먹지", "body.cold"), ("I'm so sad", "moods.sad")],
)
async def test_a_mood_or_an_ailment_gets_a_kind_word_once(someone: People, text: str, key: str) -> None:
    """The same condolence before every "다른 거" sounds like a machine."""
    person = someone(locale="en" if text.isascii() else "")
    kind = phrases("en" if text.isascii() else "ko").variants(f"intro.{key}")
    first = await person.says(text)
    assert any(line in first.text for line in kind)
    again = await person.says("another" if text.isascii() else "다른 거")
    assert again.cards
    assert not any(line in again.text for line in kind)
