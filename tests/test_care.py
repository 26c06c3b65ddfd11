"""Words of self-harm get warmth and numbers and nothing to sell; words that only sound so get what they ask for."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.app import App
from data.phrases import phrases
from engine import distress
from engine.distress import concern
from engine.lexicon import read
from handlers.turn import Chat, Command, FormSubmitted, Payload, Person, Text, Turn
from tests.talk import Answer, Someone, Stage

People = Callable[..., Someone]
KO, EN = phrases("ko"), phrases("en")
HERE = Path(__file__).parent


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


CARE = lines("care.jsonl")
MEANT = [row for row in CARE if row["care"]]


@pytest.mark.parametrize("row", MEANT, ids=lambda row: row["text"])
def test_words_of_self_harm_are_heard_and_whose_they_are(row: dict[str, Any]) -> None:
    assert concern(row["text"]) == row["kind"], row["why"]


@pytest.mark.parametrize("row", [row for row in CARE if not row["care"]], ids=lambda row: row["text"])
def test_hyperbole_titles_plots_porridge_and_moods_are_no_alarm(row: dict[str, Any]) -> None:
    assert concern(row["text"]) is None, row["why"]


def test_no_ordinary_request_is_an_alarm() -> None:
    for name in ("requests.jsonl", "requests_companion.jsonl"):
        assert [row["text"] for row in lines(name) if concern(row["text"])] == []


def test_no_example_of_a_mood_is_an_alarm() -> None:
    """Sad, tired, lonely: these get a recommendation; the bot would be of no use to anybody sad otherwise."""
    assert [line for mood in read("feelings").values() for line in mood if concern(line)] == []


def test_there_are_enough_phrasings_of_both_kinds_in_both_languages() -> None:
    for care in (True, False):
        rows = [row["text"] for row in CARE if row["care"] is care]
        assert len(rows) == len(set(rows)) >= 180
        assert sum(text.isascii() for text in rows) >= 40
        assert sum(1 for row in CARE if row["care"] is care and row.get("set") == 2) >= 60


def test_every_part_of_a_phrase_is_defined_and_used() -> None:
    """A misspelt part raises only when some text is compiled against it, which may be the one that matters."""
    for name in ("care", "health"):
        for table in read(name).values():
            named = set(re.findall(r"\{(\w+)\}", json.dumps(table)))
            assert named == set(table["parts"])


# Decoration that people, keyboards and those who wish to slip by put around and between what they say.
AROUND = st.text(alphabet=" .,!?~…\n\t\u200b\u200d\u2060\ufeff\u3164😢💔🙏ㅠㅜ👨‍👩‍👧", max_size=6)
INSIDE = st.text(alphabet=" .~-_*\u200b\u200d\u00ad\u034f", max_size=2)
KOREAN_PLAIN = (
    "죽고 싶어",
    "자살하고 싶다",
    "살기 싫어",
    "사라지고 싶어",
    "자해했어",
    "손목을 그었어",
    "친구가 죽고 싶대",
)
ENGLISH_PLAIN = ("I want to die", "kill myself", "I don't want to be here anymore", "my friend wants to die")


@given(text=st.sampled_from([row["text"] for row in MEANT]), before=AROUND, after=AROUND)
@settings(max_examples=300, deadline=None)
def test_decoration_around_it_hides_nothing(text: str, before: str, after: str) -> None:
    assert concern(before + text + after) is not None


@given(text=st.sampled_from(KOREAN_PLAIN), data=st.data())
@settings(max_examples=200, deadline=None)
def test_decoration_between_syllables_hides_nothing(text: str, data: st.DataObject) -> None:
    assert concern("".join(char + data.draw(INSIDE) for char in text)) is not None


@given(text=st.sampled_from(ENGLISH_PLAIN), data=st.data())
@settings(max_examples=200, deadline=None)
def test_case_blanks_and_invisible_characters_hide_no_english(text: str, data: st.DataObject) -> None:
    shouted = "".join(data.draw(st.sampled_from([c.lower(), c.upper()])) for c in text)
    thinned = "".join(c + data.draw(st.sampled_from(["", "\u200b", "\ufe0f"])) for c in shouted)
    assert concern(thinned.replace(" ", data.draw(st.sampled_from(["  ", " , ", "…", "\n"])))) is not None


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_read(text: str) -> None:
    assert concern(text) in (None, "self", "other", "loss")


def test_what_was_read_as_harm_is_not_held() -> None:
    concern("죽고 싶어")
    concern("웃긴 영화")
    assert "웃긴 영화" in distress._calm
    assert "죽고 싶어" not in distress._calm


def test_what_stands_at_the_end_of_a_long_text_is_read() -> None:
    """A long outpouring ends in what matters; what is recommended from it reads its beginning only."""
    assert concern("오늘 회사에서 이런 일이 있었어. " * 150 + "그냥 죽고 싶어") == "self"
    assert concern("today was like every other day. " * 120 + "i want to die") == "self"


@dataclass(frozen=True, slots=True)
class Said:
    """A reply of care taken apart."""

    first: str
    numbers: str
    last: str


def care_in(answer: Answer, who: str = "self", words: Any = KO) -> Said:
    """The parts of the one reply that an answer is, when it is one of care and sells nothing."""
    (reply,) = answer.replies
    first, numbers, last = reply.text.split("\n\n")
    assert first in words.variants(f"care.{who}")
    assert numbers == words.say("care.lines")
    assert last in words.variants(f"care.stay_{who}")
    assert (reply.cards, reply.choices, reply.exposure, reply.form, reply.poll) == ((), (), None, None, None)
    return Said(first, numbers, last)


@pytest.mark.parametrize("words", [KO, EN], ids=["ko", "en"])
def test_the_numbers_are_the_right_ones(words: Any) -> None:
    numbers = words.say("care.lines")
    for line in ("109", "1577-0199"):
        (row,) = [row for row in numbers.splitlines() if line in row]
        assert "24" in row
    assert "119" in numbers
    assert "112" in numbers
    assert ("findahelpline.com" in numbers) is (words is EN)


@pytest.mark.parametrize("words", [KO, EN], ids=["ko", "en"])
@pytest.mark.parametrize("who", ["self", "other", "loss"])
def test_there_are_several_ways_to_say_it_and_each_admits_to_be_a_bot(words: Any, who: str) -> None:
    assert len(set(words.variants(f"care.{who}"))) >= 3
    stays = words.variants(f"care.stay_{who}")
    assert len(set(stays)) >= 3
    assert all("봇" in stay or "bot" in stay for stay in stays)
    for said in words.variants(f"care.{who}"):
        assert "?" not in said  # it asks nothing


@pytest.mark.asyncio(loop_scope="session")
class TestTalk:
    """With the real program."""

    @pytest.mark.parametrize(
        ("text", "who", "words"),
        [
            ("죽고 싶어", "self", KO),
            ("죽고 싶은데 볼만한 영화 있어?", "self", KO),
            ("친구가 죽고 싶대", "other", KO),
            ("언니가 자살했어", "loss", KO),
            ("I want to die, any good movies?", "self", EN),
            ("my friend wants to die", "other", EN),
            ("lost my dad to suicide", "loss", EN),
            ("죽고싶어 help", "self", KO),
        ],
    )
    async def test_it_gets_warmth_the_numbers_and_nothing_to_buy(
        self, someone: People, text: str, who: str, words: Any
    ) -> None:
        person = someone()
        care_in(await person.says(text), who, words)

    async def test_a_second_time_is_answered_in_other_words(self, someone: People) -> None:
        person = someone()
        said = [care_in(await person.says(text)) for text in ("죽고 싶어", "진짜 죽고 싶다", "살기 싫어")]
        for one, next_ in pairwise(said):
            assert one.first != next_.first
            assert one.last != next_.last

    @pytest.mark.parametrize("kind", ["group", "thread"])
    async def test_in_a_group_only_the_one_who_wrote_sees_it(self, someone: People, kind: Any) -> None:
        person = someone()
        person.kind = kind
        answer = await person.says("죽고 싶어")
        care_in(answer)
        assert all(reply.private for reply in answer.replies)
        assert not any(reply.private for reply in (await person.says("웃긴 영화")).replies)

    async def test_alone_with_the_bot_it_is_an_ordinary_message(self, someone: People) -> None:
        assert not (await someone().says("죽고 싶어")).replies[0].private

    @pytest.mark.parametrize(
        "payload",
        [
            Command("movie", "죽고 싶은데 잔잔한 거"),
            Command("food", "자살하기 전에 먹을 거 자살하고 싶어"),
            Command("start", "i want to kill myself"),
            Command("nosuch", "살기 싫어"),
            Command("죽고싶어"),
            Text("/movie 죽고 싶은데 잔잔한 거"),
            Text("/book i want to end my life"),
            FormSubmitted("inquiry", {"text": "그냥 죽고 싶어요"}),
        ],
        ids=str,
    )
    async def test_it_is_also_heard_behind_a_command_and_in_a_form(
        self, someone: People, payload: Any
    ) -> None:
        answer = await someone().sends(payload)
        text = f"{payload}"
        care_in(answer, words=KO if re.search("[가-힣]", text) else EN)

    @pytest.mark.parametrize("command", ["start", "help", "movie", "survey", "saved", "stop"])
    async def test_commands_themselves_are_left_alone(self, someone: People, command: str) -> None:
        answer = await someone().commands(command)
        assert KO.say("care.lines") not in answer.text
        assert answer.replies

    async def test_a_running_survey_does_not_take_it_for_an_answer(self, someone: People) -> None:
        """The allergies question takes any typed word: it must not keep this one, nor the next."""
        person = someone()
        await person.commands("survey", "food")
        await person.presses("survey:food:consent:yes")
        await person.presses("survey:food:allergies:ask")
        care_in(await person.says("그냥 죽고 싶어"))
        await person.says("아니야 괜찮아")
        assert "그냥 죽고 싶어" not in await stored(person.stage)
        assert (await person.commands("allergies")).text == KO.say("limits.none")

    async def test_nothing_of_it_is_stored_once_it_is_answered(
        self, someone: People, caplog: pytest.LogCaptureFixture
    ) -> None:
        person = someone()
        await person.says("웃긴 영화")
        care_in(await person.says("죽고싶다고외치는왕도롱뇽 영화 있어? 죽고 싶어"))
        assert "왕도롱뇽" not in caplog.text
        assert "왕도롱뇽" not in await stored(person.stage)

    async def test_the_talk_goes_on_as_if_it_had_not_been_a_wish(self, someone: People) -> None:
        """ "죽고 싶은데 볼만한 영화" must not be the last request that "다른 거" then changes."""
        person = someone()
        dinner = await person.says("따뜻한 국물 음식")
        care_in(await person.says("죽고 싶은데 무서운 영화 있어?"))
        more = await person.says("다른 거")
        assert {card.domain for card in more.cards} == {card.domain for card in dinner.cards} == {"food"}

    @pytest.mark.parametrize("text", ["고마워", "괜찮아", "그냥 영화나 추천해줘"])
    async def test_a_follow_up_is_an_ordinary_turn(self, someone: People, text: str) -> None:
        person = someone()
        await person.says("죽고 싶어")
        answer = await person.says(text)
        assert answer.replies
        assert KO.say("care.lines") not in answer.text

    @pytest.mark.parametrize(
        "text", ["배고파 죽겠다", "죽 먹고 싶어", "죽여주는 국밥", "starving to death what should I eat"]
    )
    async def test_who_dies_of_hunger_gets_food(self, someone: People, text: str) -> None:
        answer = await someone().says(text)
        assert {card.domain for card in answer.cards} == {"food"}

    @pytest.mark.parametrize(
        "text", ["죽고 싶지만 떡볶이는 먹고 싶어", "죽고싶지만 떡볶이는 먹고싶어 같은 책"]
    )
    async def test_a_book_of_that_name_is_a_book(self, someone: People, text: str) -> None:
        answer = await someone().says(text)
        assert answer.cards
        assert KO.say("care.lines") not in answer.text

    async def test_no_later_word_takes_the_place_of_the_answer(self, someone: People) -> None:
        """Three messages in a row: a delivery that drops what was asked before would drop the numbers."""
        person = someone()
        stage = person.stage
        chat, who = Chat(stage.name, f"{person.name}@home"), Person(person.name)
        said: list[Payload] = [Text("비 오는 날 볼 영화"), Text("죽고 싶어"), Text("하"), Command("stop")]
        turns = [
            Turn(f"{person.name}.{place}", chat, who, payload, time.time())
            for place, payload in enumerate(said)
        ]
        for turn in turns:
            await stage.delivery.take(turn)
        await stage.delivery.settle()
        care_in(Answer(tuple(stage.shown[turns[1].id])))
        assert not any(reply.cards for reply in stage.shown[turns[0].id])

    async def test_it_is_answered_while_the_engine_is_not_ready(self, stage: Stage) -> None:
        never = asyncio.create_task(asyncio.sleep(3_600))
        app = stage.app
        slow = App(app.settings, app.database, app.index, app.embedder, app.engine, opening=never)
        person = Someone(Stage(slow, "slow"), "early")
        care_in(await person.says("죽고 싶어"))
        never.cancel()


async def stored(stage: Stage) -> str:
    """Every word in the database, but those of the inbox, which the delivery sees to."""
    path = stage.app.settings.database.removeprefix("sqlite+aiosqlite:///")
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return "\n".join(
            str(row)
            for name in tables
            if name != "inbox"
            for row in database.execute(f"SELECT * FROM {name}")
        )
